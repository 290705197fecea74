//! Graph's errors by their code; the status decides only where there is none.

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
    /// A subscription.
    Channel,
}

/// The `code` of an error body in lower case; empty where there is none.
pub(super) fn code_of(body: &Value) -> String {
    let code = body.pointer("/error/code").and_then(Value::as_str).unwrap_or_default();
    code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect::<String>().to_ascii_lowercase()
}

/// What an answer other than success means.
pub(super) fn failure(asked: Asked, status: u16, body: &Value, wait: Option<Duration>) -> Failure {
    let code = code_of(body);
    let said = || match code.as_str() {
        "" => format!("Outlook answered {status}"),
        code => format!("Outlook answered {status} ({code})"),
    };
    match code.as_str() {
        "applicationthrottled" | "toomanyrequests" | "activitylimitreached" => {
            return Failure::RateLimited(said(), wait);
        }
        "invalidauthenticationtoken" | "insufficient_claims" => return Failure::Unauthorised,
        "errorirresolvableconflict" | "resourcemodified" | "errorchangekeyrequired" => return Failure::Changed,
        "errorduplicatetransactionid" => return Failure::Exists,
        "syncstatenotfound" | "resyncrequired" => return Failure::CursorLost,
        "mailboxnotenabledforrestapi" | "mailboxnotsupportedforrestapi" => {
            return Failure::Refused("the account has no mailbox at Microsoft 365 that can be asked".into());
        }
        "erroroccurrencecrossingboundary" => {
            return Failure::Refused("Outlook does not let an instance pass its neighbours in the series".into());
        }
        "errorinvalidtimezone" | "timezonenotsupportedexception" => {
            return Failure::Refused("Outlook does not know the time zone".into());
        }
        "errorfoldernotfound" if asked != Asked::Channel => {
            return Failure::CalendarGone("the calendar is not there, or not for this account".into());
        }
        "errormailboxmoveinprogress" | "errorinternalservertransienterror" if asked != Asked::Writing => {
            return Failure::Transient(said(), wait);
        }
        _ => {}
    }
    match (status, asked) {
        (401, _) => Failure::Unauthorised,
        (403, Asked::Listing) => Failure::CalendarGone("the calendar may not be read by this account".into()),
        // Of a calendar whose owner keeps some events private, say.
        (403, Asked::Item) => Failure::Refused("an event there may not be read by this account".into()),
        (403, Asked::Calendars) => Failure::NeedsConsent("a permission for the calendars was not granted".into()),
        (403, Asked::Writing) => Failure::Refused("this account may not change the event".into()),
        (404, Asked::Listing) => Failure::CalendarGone("the calendar is not there, or not for this account".into()),
        (404, Asked::Item | Asked::Writing | Asked::Channel) => Failure::Gone,
        (410, Asked::Listing | Asked::Calendars) => Failure::CursorLost,
        (410, Asked::Item | Asked::Writing | Asked::Channel) => Failure::Gone,
        (412, _) => Failure::Changed,
        (413 | 507, _) => Failure::Refused("the mailbox is full, or the event is too large for it".into()),
        (429 | 509, _) => Failure::RateLimited(said(), wait),
        // 503 with a time is throttling by another name; said before anything is begun.
        (503, _) if wait.is_some() => Failure::RateLimited(said(), wait),
        // Whoever broke in the middle of a write may have carried it out.
        (500..=502 | 504..=599, Asked::Writing) => Failure::Unknown(said()),
        (408 | 409 | 423 | 424 | 500..=599, _) => Failure::Transient(said(), wait),
        (200..=399, _) => Failure::BadAnswer(said()),
        _ => Failure::Refused(said()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(asked: Asked, status: u16, code: &str) -> Failure {
        failure(asked, status, &json!({ "error": { "code": code, "message": "no one reads this" } }), None)
    }

    #[test]
    fn the_code_decides_in_any_case_of_letters() {
        use Asked::{Calendars, Channel, Item, Listing, Writing};
        for code in ["ApplicationThrottled", "activityLimitReached", "TooManyRequests"] {
            assert!(matches!(told(Writing, 429, code), Failure::RateLimited(..)), "{code}");
        }
        for status in [409, 412] {
            assert_eq!(told(Writing, status, "ErrorIrresolvableConflict"), Failure::Changed);
        }
        for status in [400, 409] {
            assert_eq!(told(Writing, status, "ErrorDuplicateTransactionId"), Failure::Exists);
        }
        for code in ["SyncStateNotFound", "syncStateNotFound", "resyncRequired"] {
            assert_eq!(told(Listing, 410, code), Failure::CursorLost);
        }
        assert_eq!(told(Item, 401, "InvalidAuthenticationToken"), Failure::Unauthorised);
        assert_eq!(told(Item, 404, "ErrorItemNotFound"), Failure::Gone);
        assert!(matches!(told(Listing, 404, "ErrorItemNotFound"), Failure::CalendarGone(_)));
        assert!(matches!(told(Item, 404, "ErrorFolderNotFound"), Failure::CalendarGone(_)));
        assert!(matches!(told(Calendars, 404, "MailboxNotEnabledForRESTAPI"), Failure::Refused(_)));
        assert!(matches!(told(Writing, 403, "ErrorAccessDenied"), Failure::Refused(_)));
        assert!(matches!(told(Item, 403, "ErrorAccessDenied"), Failure::Refused(_)));
        assert!(matches!(told(Listing, 403, "ErrorAccessDenied"), Failure::CalendarGone(_)));
        assert!(matches!(told(Writing, 400, "ErrorOccurrenceCrossingBoundary"), Failure::Refused(_)));
        assert!(matches!(told(Writing, 500, "UnknownError"), Failure::Unknown(_)));
        assert!(matches!(told(Writing, 504, ""), Failure::Unknown(_)));
        assert!(matches!(told(Writing, 503, "serviceNotAvailable"), Failure::Transient(..)));
        assert!(matches!(told(Listing, 503, ""), Failure::Transient(..)));
        assert_eq!(told(Channel, 404, ""), Failure::Gone);
        assert!(matches!(told(Item, 302, ""), Failure::BadAnswer(_)));
        assert!(matches!(told(Writing, 507, ""), Failure::Refused(_)));
        let wait = Some(Duration::from_secs(7));
        assert_eq!(failure(Listing, 503, &Value::Null, wait).retry_after(), wait);
        assert!(matches!(failure(Listing, 503, &Value::Null, wait), Failure::RateLimited(..)));
    }
}
