//! Google's errors by their reason: one status has up to six meanings.

use std::time::Duration;

use serde_json::Value;

use super::super::Failure;

/// What was asked, as far as it decides what a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The list of calendars.
    Calendars,
    /// A listing of a calendar's events.
    Listing,
    /// One event: read.
    Item,
    /// One event: written.
    Writing,
    /// A notification channel.
    Channel,
}

/// The `reason` and the words of an error body; empty where there are none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) reason: String,
    detail: String,
}

impl Reason {
    pub(super) fn of(body: &[u8]) -> Reason {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Reason::default() };
        let text = |pointer: &str| {
            let text = body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect::<String>()
        };
        Reason { reason: text("/error/errors/0/reason"), detail: text("/error/details/0/reason") }
    }
}

/// What an answer other than success means.
pub(super) fn failure(asked: Asked, status: u16, reason: &Reason, wait: Option<Duration>) -> Failure {
    let said = || match reason.reason.as_str() {
        "" => format!("Google answered {status}"),
        reason => format!("Google answered {status} ({reason})"),
    };
    match reason.reason.as_str() {
        "rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded" | "dailyLimitExceeded" => {
            return Failure::RateLimited(said(), wait);
        }
        "authError" => return Failure::Unauthorised,
        "insufficientPermissions" => {
            return Failure::NeedsConsent("a permission for the calendar was not granted".into());
        }
        "accessNotConfigured" => {
            return Failure::Refused("the Calendar API is not enabled in the operator's Google project".into());
        }
        "fullSyncRequired" | "updatedMinTooLongAgo" => return Failure::CursorLost,
        "deleted" => return Failure::Gone,
        "duplicate" => return Failure::Exists,
        "conflict" => return Failure::Transient(said(), wait),
        "conditionNotMet" => return Failure::Changed,
        _ => {}
    }
    if reason.detail == "ACCESS_TOKEN_SCOPE_INSUFFICIENT" {
        return Failure::NeedsConsent("a permission for the calendar was not granted".into());
    }
    match (status, asked) {
        (401, _) => Failure::Unauthorised,
        (404, Asked::Listing) => Failure::CalendarGone("the calendar is not there, or not for this account".into()),
        (404, Asked::Item | Asked::Writing | Asked::Channel) => Failure::Gone,
        (410, Asked::Listing | Asked::Calendars) => Failure::CursorLost,
        (410, Asked::Item | Asked::Writing | Asked::Channel) => Failure::Gone,
        (409, Asked::Writing) => Failure::Exists,
        (412, _) => Failure::Changed,
        (429, _) => Failure::RateLimited(said(), wait),
        // Whoever broke in the middle of a write may have carried it out. 503 is said before anything is begun.
        (500..=502 | 504..=599, Asked::Writing) => Failure::Unknown(said()),
        (408 | 409 | 423 | 500..=599, _) => Failure::Transient(said(), wait),
        (200..=399, _) => Failure::BadAnswer(said()),
        (403, Asked::Listing) => Failure::CalendarGone("the calendar may not be read by this account".into()),
        _ => Failure::Refused(said()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(asked: Asked, status: u16, reason: &str) -> Failure {
        let body = json!({ "error": { "errors": [{ "domain": "global", "reason": reason }], "code": status } });
        failure(asked, status, &Reason::of(body.to_string().as_bytes()), None)
    }

    #[test]
    fn the_reason_decides_and_the_status_only_without_one() {
        use Asked::{Item, Listing, Writing};
        let limited = |f: Failure| matches!(f, Failure::RateLimited(..));
        for reason in ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"] {
            assert!(limited(told(Writing, 403, reason)) && limited(told(Listing, 429, reason)), "{reason}");
        }
        assert!(limited(told(Writing, 429, "")));
        assert!(matches!(told(Writing, 403, "insufficientPermissions"), Failure::NeedsConsent(_)));
        for reason in ["forbidden", "requiredAccessLevel", "forbiddenForNonOrganizer", "accessNotConfigured"] {
            assert!(matches!(told(Writing, 403, reason), Failure::Refused(_)), "{reason}");
        }
        assert_eq!(told(Listing, 401, "authError"), Failure::Unauthorised);
        assert_eq!(told(Listing, 401, ""), Failure::Unauthorised);
        assert_eq!(told(Listing, 410, "fullSyncRequired"), Failure::CursorLost);
        assert_eq!(told(Listing, 410, "updatedMinTooLongAgo"), Failure::CursorLost);
        assert_eq!(told(Writing, 410, "deleted"), Failure::Gone);
        assert_eq!(told(Item, 404, "notFound"), Failure::Gone);
        assert!(matches!(told(Listing, 404, "notFound"), Failure::CalendarGone(_)));
        assert_eq!(told(Writing, 409, "duplicate"), Failure::Exists);
        assert!(matches!(told(Writing, 409, "conflict"), Failure::Transient(..)));
        assert_eq!(told(Writing, 412, "conditionNotMet"), Failure::Changed);
        for status in [500, 502, 503, 504, 408, 423] {
            assert!(matches!(told(Listing, status, "backendError"), Failure::Transient(..)), "{status}");
        }
        assert!(matches!(told(Writing, 503, "backendError"), Failure::Transient(..)));
        assert!(matches!(told(Writing, 500, "backendError"), Failure::Unknown(_)));
        assert!(matches!(told(Writing, 400, "invalid"), Failure::Refused(_)));
        for status in [204, 301, 302, 307] {
            assert!(matches!(told(Item, status, ""), Failure::BadAnswer(_)), "{status}");
        }
    }

    #[test]
    fn bodies_that_are_no_error_have_no_reason() {
        for body in ["", "<html>", "[]", "{\"error\":\"x\"}", "{\"error\":{\"errors\":[]}}", "\"\""] {
            assert_eq!(Reason::of(body.as_bytes()), Reason::default(), "{body}");
        }
        let front = json!({ "error": { "code": 403, "status": "PERMISSION_DENIED",
            "details": [{ "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT" }] } });
        let told = failure(Asked::Listing, 403, &Reason::of(front.to_string().as_bytes()), None);
        assert!(matches!(told, Failure::NeedsConsent(_)));
    }
}
