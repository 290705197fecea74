//! Error answers, with the bodies Google's two layers give: the calendar backend (`errors`, `code`, `message`) and the
//! front end before it, which adds `status` and sometimes `details`.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) domain: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// The parameter or header at fault.
    pub(crate) location: Option<&'static str>,
    /// The front end's `status`.
    pub(crate) front: Option<&'static str>,
    /// The method for which the token's scopes do not suffice: the front end's `details`.
    pub(crate) beyond_scope: Option<&'static str>,
    pub(crate) retry_after_s: Option<u32>,
}

impl Refusal {
    pub(crate) fn new(status: u16, domain: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            domain,
            reason,
            message: message.into(),
            location: None,
            front: None,
            beyond_scope: None,
            retry_after_s: None,
        }
    }

    fn at(mut self, name: &'static str) -> Self {
        self.location = Some(name);
        self
    }

    fn front(mut self, status: &'static str) -> Self {
        self.front = Some(status);
        self
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "global", "invalid", message)
    }

    pub(crate) fn invalid_parameter(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, "global", "invalidParameter", message).at(name)
    }

    pub(crate) fn required(message: impl Into<String>) -> Self {
        Self::new(400, "global", "required", message)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "global", "badRequest", message)
    }

    pub(crate) fn parse_error() -> Self {
        Self::new(400, "global", "parseError", "Parse Error")
    }

    pub(crate) fn time_range_empty() -> Self {
        Self::new(400, "calendar", "timeRangeEmpty", "The specified time range is empty.").at("timeMax")
    }

    pub(crate) fn login_required() -> Self {
        Self::new(401, "global", "required", "Login Required.").at("Authorization").front("UNAUTHENTICATED")
    }

    pub(crate) fn bad_credentials() -> Self {
        Self::new(401, "global", "authError", "Invalid Credentials").at("Authorization").front("UNAUTHENTICATED")
    }

    pub(crate) fn insufficient_scope(method: &'static str) -> Self {
        let mut refusal =
            Self::new(403, "global", "insufficientPermissions", "Request had insufficient authentication scopes.")
                .front("PERMISSION_DENIED");
        refusal.beyond_scope = Some(method);
        refusal
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(403, "global", "forbidden", "Forbidden")
    }

    pub(crate) fn writer_needed() -> Self {
        Self::new(403, "calendar", "requiredAccessLevel", "You need to have writer access to this calendar.")
    }

    pub(crate) fn not_organizer() -> Self {
        Self::new(
            403,
            "calendar",
            "forbiddenForNonOrganizer",
            "Shared properties can only be changed by the organizer of the event.",
        )
    }

    pub(crate) fn user_rate_limit() -> Self {
        Self::new(403, "usageLimits", "userRateLimitExceeded", "User Rate Limit Exceeded")
    }

    pub(crate) fn rate_limit() -> Self {
        Self::new(403, "usageLimits", "rateLimitExceeded", "Rate Limit Exceeded")
    }

    pub(crate) fn quota() -> Self {
        Self::new(403, "usageLimits", "quotaExceeded", "Calendar usage limits exceeded.")
    }

    pub(crate) fn too_many(retry_after_s: Option<u32>) -> Self {
        let mut refusal = Self::new(429, "usageLimits", "rateLimitExceeded", "Rate Limit Exceeded");
        refusal.retry_after_s = retry_after_s;
        refusal
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "global", "notFound", "Not Found")
    }

    pub(crate) fn duplicate() -> Self {
        Self::new(409, "global", "duplicate", "The requested identifier already exists.")
    }

    pub(crate) fn conflict() -> Self {
        Self::new(409, "global", "conflict", "Conflict")
    }

    pub(crate) fn full_sync_required() -> Self {
        Self::new(410, "calendar", "fullSyncRequired", "Sync token is no longer valid, a full sync is required.")
            .at("syncToken")
    }

    pub(crate) fn updated_min_too_long_ago() -> Self {
        Self::new(
            410,
            "calendar",
            "updatedMinTooLongAgo",
            "The requested minimum modification time lies too far in the past.",
        )
        .at("updatedMin")
    }

    pub(crate) fn deleted() -> Self {
        Self::new(410, "global", "deleted", "Resource has been deleted")
    }

    pub(crate) fn condition_not_met() -> Self {
        Self::new(412, "global", "conditionNotMet", "Precondition Failed").at("If-Match")
    }

    pub(crate) fn backend(status: u16) -> Self {
        Self::new(status, "global", if status == 500 { "internalError" } else { "backendError" }, "Backend Error")
    }

    /// The body, as the layer that refuses writes it.
    pub(crate) fn body(&self) -> Value {
        let mut error = json!({ "domain": self.domain, "reason": self.reason, "message": self.message });
        if let (Some(name), Some(fields)) = (self.location, error.as_object_mut()) {
            let kind = if matches!(name, "Authorization" | "If-Match") { "header" } else { "parameter" };
            fields.insert("locationType".into(), json!(kind));
            fields.insert("location".into(), json!(name));
        }
        let mut body = json!({ "error": { "errors": [error], "code": self.status, "message": self.message } });
        if let Some(fields) = body.get_mut("error").and_then(Value::as_object_mut) {
            if let Some(status) = self.front {
                fields.insert("status".into(), json!(status));
            }
            if let Some(method) = self.beyond_scope {
                let info = json!([{
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                    "domain": "googleapis.com",
                    "metadata": { "service": "calendar-json.googleapis.com", "method": format!("calendar.v3.{method}") },
                }]);
                fields.insert("details".into(), info);
            }
        }
        body
    }

    pub(crate) fn response(&self) -> Response<Bytes> {
        let mut response = super::answer::json(self.status, &self.body(), true);
        if self.status == 401 {
            let value = http::HeaderValue::from_static("Bearer realm=\"https://accounts.google.com/\"");
            response.headers_mut().insert(http::header::WWW_AUTHENTICATE, value);
        }
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from(seconds));
        }
        response
    }
}
