//! Errors as Graph words them.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};

use crate::answer;

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) retry_after_s: Option<u32>,
    /// The event that a transaction made before.
    pub(crate) existing: Option<String>,
    pub(crate) challenge: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after_s: None, existing: None, challenge: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "ErrorInvalidRequest", message)
    }

    pub(crate) fn property(message: impl Into<String>) -> Self {
        Self::new(400, "ErrorPropertyValidationFailure", message)
    }

    pub(crate) fn query(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn body(message: impl Into<String>) -> Self {
        Self::new(400, "RequestBodyRead", message)
    }

    pub(crate) fn time_zone(name: &str) -> Self {
        Self::new(
            400,
            "TimeZoneNotSupportedException",
            format!(
                "A valid TimeZone value must be specified. The following TimeZone value is not supported: '{name}'."
            ),
        )
    }

    pub(crate) fn malformed_id() -> Self {
        Self::new(400, "ErrorInvalidIdMalformed", "Id is malformed.")
    }

    pub(crate) fn token() -> Self {
        let mut refusal =
            Self::new(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.");
        refusal.challenge =
            Some("Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\"");
        refusal
    }

    pub(crate) fn no_token() -> Self {
        Self { message: "Access token is empty.".into(), ..Self::token() }
    }

    /// Continuous access evaluation ended the token before its time.
    pub(crate) fn claims() -> Self {
        Self {
            challenge: Some(
                "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ==\"",
            ),
            ..Self::new(401, "InvalidAuthenticationToken", "Continuous access evaluation resulted in challenge.")
        }
    }

    pub(crate) fn denied() -> Self {
        Self::new(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    }

    pub(crate) fn no_segment() -> Self {
        Self::new(400, "BadRequest", "Resource not found for the segment.")
    }

    pub(crate) fn no_mailbox() -> Self {
        Self::new(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        )
    }

    pub(crate) fn conflict(status: u16) -> Self {
        Self::new(
            status,
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in the request does not match \
             the current change key for the item.",
        )
    }

    pub(crate) fn used_transaction(status: u16, existing: Option<String>) -> Self {
        Self {
            existing,
            ..Self::new(
                status,
                "ErrorDuplicateTransactionId",
                "Your request can't be completed. The TransactionId specified in the request has already been used to create \
                 a different event.",
            )
        }
    }

    pub(crate) fn sync_state() -> Self {
        Self::new(
            410,
            "SyncStateNotFound",
            "The sync state generation is not found; generation=149;[highest=157][157][155][156].",
        )
    }

    pub(crate) fn crossing() -> Self {
        Self::new(
            400,
            "ErrorOccurrenceCrossingBoundary",
            "Modified occurrence is crossing or overlapping adjacent occurrence.",
        )
    }

    pub(crate) fn throttled(limit: &str, retry_after_s: Option<u32>) -> Self {
        Self {
            retry_after_s,
            ..Self::new(429, "ApplicationThrottled", format!("Application is over its {limit} limit."))
        }
    }

    /// 500, 502, 503, 504 and their kin.
    pub(crate) fn backend(status: u16, retry_after_s: Option<u32>) -> Self {
        let (code, message) = match status {
            500 => ("ErrorInternalServerTransientError", "An internal server error occurred. Try again later."),
            502 => ("BadGateway", "Bad gateway."),
            503 => ("serviceNotAvailable", "The service is temporarily unavailable."),
            504 => ("UnknownError", ""),
            _ => ("InternalServerError", "The server encountered an error."),
        };
        Self { retry_after_s, ..Self::new(status, code, message) }
    }

    /// The body, of a request with such an id at such a time.
    pub(crate) fn body_json(&self, now_ms: i64, request_id: &str) -> Value {
        let date = super::moment::instant(now_ms).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let mut error = json!({
            "code": self.code, "message": self.message,
            "innerError": { "date": date, "request-id": request_id, "client-request-id": request_id },
        });
        if let (Some(id), Some(fields)) = (&self.existing, error.as_object_mut()) {
            fields.insert("@event.existingEventId".into(), json!(id));
        }
        json!({ "error": error })
    }

    pub(crate) fn response(&self, now_ms: i64, request_id: &str) -> Response<Bytes> {
        let mut response = answer::json(self.status, &self.body_json(now_ms, request_id), false);
        if let Some(after) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
