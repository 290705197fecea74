//! `Retry-After`: seconds or a date (RFC 9110 §10.2.3).

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::domain::time::Instant;

/// Longer waits are not believed: the next scheduled run asks anyway.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the answer asks us to wait. `None` where it does not say, or not readably.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Instant) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            let ms = Instant::from(at).ms().saturating_sub(now.ms());
            Duration::from_millis(u64::try_from(ms).unwrap_or(0))
        }
    };
    Some(wait.min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_bounded() {
        let now = Instant::from_seconds(1_794_304_800); // Tue, 10 Nov 2026 10:00:00 GMT
        for (text, seconds) in [
            ("30", Some(30)),
            (" 0 ", Some(0)),
            ("Tue, 10 Nov 2026 10:02:00 GMT", Some(120)),
            ("Tue, 10 Nov 2026 09:00:00 GMT", Some(0)),
            ("99999999999", Some(86_400)),
            ("99999999999999999999999", None),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().expect("a value"));
            assert_eq!(retry_after(&headers, now).map(|d| d.as_secs()), seconds, "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
