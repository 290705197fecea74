//! Request bodies that arrive too slowly are cut: a client that sends one byte a second must not hold a request
//! open for ever.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// How long a body may pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long any body may take to get going.
const HEAD_START: Duration = Duration::from_secs(20);
/// Beyond that it must have come at this pace on average, in bytes per second: a poor mobile connection is faster.
const PACE_MIN: u64 = 2_048;

pin_project_lite::pin_project! {
    /// A request body with a deadline. Past it, it ends with an [`std::io::Error`] of kind `TimedOut`, which the
    /// faces answer with 408.
    pub struct PacedBody {
        inner: Body,
        began: Instant,
        received: u64,
        #[pin]
        pause: Sleep,
    }
}

impl PacedBody {
    /// Begins the time of a body.
    pub fn around(inner: Body) -> PacedBody {
        let began = Instant::now();
        PacedBody { inner, began, received: 0, pause: tokio::time::sleep_until(began + PAUSE_MAX) }
    }
}

impl HttpBody for PacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut this = self.project();
        if let Poll::Ready(frame) = Pin::new(&mut *this.inner).poll_frame(context) {
            let bytes = frame.as_ref().and_then(|f| f.as_ref().ok()).and_then(Frame::data_ref).map_or(0, Bytes::len);
            *this.received += bytes as u64;
            let behind = *this.began + HEAD_START + Duration::from_millis(*this.received * 1_000 / PACE_MIN);
            this.pause.as_mut().reset((Instant::now() + PAUSE_MAX).min(behind));
            return Poll::Ready(frame);
        }
        match this.pause.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let slow = std::io::Error::new(std::io::ErrorKind::TimedOut, "the request body came too slowly");
                Poll::Ready(Some(Err(axum::Error::new(slow))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_cut_and_one_that_flows_is_not() {
        let stalled = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let error = axum::body::to_bytes(Body::new(PacedBody::around(stalled)), 10).await.expect_err("cut");
        assert!(error.to_string().contains("too slowly"), "{error}");

        let drip = futures_util::stream::unfold(0, |n| async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            (n < 5).then(|| (Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 30_000])), n + 1))
        });
        let whole = axum::body::to_bytes(Body::new(PacedBody::around(Body::from_stream(drip))), 1_000_000).await;
        assert_eq!(whole.expect("whole").len(), 150_000);

        let endless = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        });
        let cut = axum::body::to_bytes(Body::new(PacedBody::around(Body::from_stream(endless))), 1_000).await;
        assert!(cut.is_err(), "a body that drips for ever is cut as well");
    }
}
