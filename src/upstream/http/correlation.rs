//! The id that goes out with every request of one piece of work, so that what a provider's log says can be found here.
//! It belongs to the task that calls, like the span of a log line: no connector has to carry it.

use http::{HeaderName, HeaderValue};

/// The header of the id, in and out.
pub const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");

tokio::task_local! {
    static OF_CALL: HeaderValue;
}

/// Makes calls whose requests carry this id. One that no header can hold is left out.
pub async fn correlated<T>(id: &str, calls: impl Future<Output = T>) -> T {
    match HeaderValue::from_str(id) {
        Ok(id) => OF_CALL.scope(id, calls).await,
        Err(_) => calls.await,
    }
}

/// The id of the calls that are being made, for whoever puts a request on the wire.
#[must_use]
pub fn correlation_of_call() -> Option<HeaderValue> {
    OF_CALL.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_id_holds_for_its_own_calls_only() {
        assert_eq!(correlation_of_call(), None);
        let (one, other) = tokio::join!(
            correlated("run-1", async {
                tokio::task::yield_now().await;
                correlation_of_call()
            }),
            correlated("run-2", async { correlation_of_call() })
        );
        assert_eq!(
            (one.unwrap(), other.unwrap()),
            (HeaderValue::from_static("run-1"), HeaderValue::from_static("run-2"))
        );
        assert_eq!(correlated("no\nheader", async { correlation_of_call() }).await, None);
    }
}
