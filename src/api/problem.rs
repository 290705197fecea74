//! Errors as RFC 9457 problems. The one place of the API that turns causes into statuses.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::AuthError;
use crate::domain::object::ObjectError;
use crate::store::{CalendarError, PutError, StoreError, TransferError};

/// How long a client should wait when the database is busy: longer than any transaction takes.
const BUSY_RETRY_SECONDS: i64 = 2;

/// Everything that can be wrong, by its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body is no JSON object, or not UTF-8.
    BadJson,
    /// A value that cannot be.
    BadValue,
    /// A field or parameter that does not exist.
    UnknownField,
    /// A field or parameter that must be given.
    MissingField,
    /// A header that cannot be read.
    BadHeader,
    /// The consent is unknown, used, over, or somebody else's.
    BadConsent,
    /// No credentials.
    NotSignedIn,
    /// Wrong, revoked or expired credentials.
    WrongCredentials,
    /// The token lacks the scope.
    ScopeMissing,
    /// The app password may only read.
    ReadOnly,
    /// An app password where the account's own credentials are asked for.
    AccountOnly,
    /// A browser sends it from another site.
    CrossSite,
    /// Only managers may.
    ManagersOnly,
    /// Not there, or not for this caller to know of.
    NotFound,
    /// The method is not one of the path's.
    MethodNotAllowed,
    /// Another object of the calendar has this UID.
    UidConflict,
    /// The name is taken.
    NameTaken,
    /// There are as many as there may be.
    LimitReached,
    /// The calendar takes no appointments.
    NotTaken,
    /// The provider is not set up, or not in this version.
    NotConfigured,
    /// The account must be connected again.
    NeedsConsent,
    /// The calendars are linked already.
    LinkExists,
    /// The link would close a circle.
    LinkCycle,
    /// The conflict was decided before.
    AlreadyDecided,
    /// It cannot be done in the state that it is in.
    NotPossible,
    /// `If-Match` does not hold.
    PreconditionFailed,
    /// The body came too slowly.
    TooSlow,
    /// The body is too large.
    TooLarge,
    /// The body is not JSON.
    NotJson,
    /// The `Idempotency-Key` came with another request before.
    KeyReused,
    /// Too many failures.
    Throttled,
    /// A fault of the server.
    Internal,
    /// The provider failed or cannot be reached.
    ProviderFailed,
    /// The database is busy.
    Busy,
    /// The sync engine does not run, or has too much to do.
    SyncUnavailable,
    /// The disk is full.
    Full,
}

impl Code {
    /// Every code, in the order of statuses; the documentation lists them.
    pub const ALL: [Code; 36] = [
        Code::BadJson,
        Code::BadValue,
        Code::UnknownField,
        Code::MissingField,
        Code::BadHeader,
        Code::BadConsent,
        Code::NotSignedIn,
        Code::WrongCredentials,
        Code::ScopeMissing,
        Code::ReadOnly,
        Code::AccountOnly,
        Code::CrossSite,
        Code::ManagersOnly,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::TooSlow,
        Code::UidConflict,
        Code::NameTaken,
        Code::LimitReached,
        Code::NotTaken,
        Code::NotConfigured,
        Code::NeedsConsent,
        Code::LinkExists,
        Code::LinkCycle,
        Code::AlreadyDecided,
        Code::NotPossible,
        Code::PreconditionFailed,
        Code::TooLarge,
        Code::NotJson,
        Code::KeyReused,
        Code::Throttled,
        Code::Internal,
        Code::ProviderFailed,
        Code::Busy,
        Code::SyncUnavailable,
        Code::Full,
    ];

    /// The code, its status and its title.
    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Code::BadJson => ("bad_json", StatusCode::BAD_REQUEST, "The body is not a JSON object"),
            Code::BadValue => ("bad_value", StatusCode::BAD_REQUEST, "A value is not possible"),
            Code::UnknownField => ("unknown_field", StatusCode::BAD_REQUEST, "There is no such field"),
            Code::MissingField => ("missing_field", StatusCode::BAD_REQUEST, "A field is missing"),
            Code::BadHeader => ("bad_header", StatusCode::BAD_REQUEST, "A header cannot be read"),
            Code::BadConsent => ("bad_consent", StatusCode::BAD_REQUEST, "This consent cannot be finished"),
            Code::NotSignedIn => ("not_signed_in", StatusCode::UNAUTHORIZED, "Sign in first"),
            Code::WrongCredentials => ("wrong_credentials", StatusCode::UNAUTHORIZED, "These credentials do not work"),
            Code::ScopeMissing => ("scope_missing", StatusCode::FORBIDDEN, "The token's scopes do not reach this"),
            Code::ReadOnly => ("read_only", StatusCode::FORBIDDEN, "This app password may only read"),
            Code::AccountOnly => ("account_only", StatusCode::FORBIDDEN, "An app password cannot manage the account"),
            Code::CrossSite => ("cross_site", StatusCode::FORBIDDEN, "The request comes from another site"),
            Code::ManagersOnly => ("managers_only", StatusCode::FORBIDDEN, "This is for managers"),
            Code::NotFound => ("not_found", StatusCode::NOT_FOUND, "There is no such thing"),
            Code::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "Not a method of this path")
            }
            Code::TooSlow => ("too_slow", StatusCode::REQUEST_TIMEOUT, "The body came too slowly"),
            Code::UidConflict => ("uid_conflict", StatusCode::CONFLICT, "The calendar has it already"),
            Code::NameTaken => ("name_taken", StatusCode::CONFLICT, "The name is taken"),
            Code::LimitReached => ("limit_reached", StatusCode::CONFLICT, "There are as many as there may be"),
            Code::NotTaken => ("not_taken", StatusCode::CONFLICT, "The calendar takes no appointments"),
            Code::NotConfigured => ("not_configured", StatusCode::CONFLICT, "The provider is not set up here"),
            Code::NeedsConsent => ("needs_consent", StatusCode::CONFLICT, "The account must be connected again"),
            Code::LinkExists => ("link_exists", StatusCode::CONFLICT, "The calendars are linked already"),
            Code::LinkCycle => ("link_cycle", StatusCode::CONFLICT, "Appointments would go round in circles"),
            Code::AlreadyDecided => ("already_decided", StatusCode::CONFLICT, "The conflict was decided before"),
            Code::NotPossible => ("not_possible", StatusCode::CONFLICT, "Not in the state that it is in"),
            Code::PreconditionFailed => {
                ("precondition_failed", StatusCode::PRECONDITION_FAILED, "It is not in the state that was asked for")
            }
            Code::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Code::NotJson => ("not_json", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be JSON"),
            Code::KeyReused => ("key_reused", StatusCode::UNPROCESSABLE_ENTITY, "The key belongs to another request"),
            Code::Throttled => ("throttled", StatusCode::TOO_MANY_REQUESTS, "Too many failed attempts"),
            Code::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "The server failed"),
            Code::ProviderFailed => ("provider_failed", StatusCode::BAD_GATEWAY, "The provider failed"),
            Code::SyncUnavailable => {
                ("sync_unavailable", StatusCode::SERVICE_UNAVAILABLE, "Syncing is not available just now")
            }
            Code::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "The server is busy"),
            Code::Full => ("full", StatusCode::INSUFFICIENT_STORAGE, "There is no room left"),
        }
    }

    /// The code as the JSON has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The status it comes with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().1
    }

    /// What it means, in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }
}

/// An answer that says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(super) code: Code,
    detail: String,
    pub(super) field: Option<String>,
    retry_after_seconds: Option<i64>,
}

/// What is wrong (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// `urn:kalends:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// What the code means, in a few words.
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time, in a sentence.
    detail: &'a str,
    /// Stable; for programs.
    code: &'a str,
    /// The field, parameter or header at fault: a path such as `attendees[0].email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl Problem {
    /// A problem with a sentence about this time.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        Problem { code, detail: detail.into(), field: None, retry_after_seconds: None }
    }

    /// A value of a field that cannot be.
    #[must_use]
    pub fn value(field: &str, detail: impl Into<String>) -> Problem {
        Problem::new(Code::BadValue, detail).at(field)
    }

    /// A field that must be given.
    #[must_use]
    pub fn missing(field: &str, detail: impl Into<String>) -> Problem {
        Problem::new(Code::MissingField, detail).at(field)
    }

    /// Nothing there, whatever the reason.
    #[must_use]
    pub fn not_found() -> Problem {
        Problem::new(Code::NotFound, "there is nothing here, or nothing that you may know of")
    }

    /// A fault of the server. What happened is for the log.
    #[must_use]
    pub fn internal() -> Problem {
        Problem::new(Code::Internal, "the server could not do this; the log knows the correlation id")
    }

    /// The same, at a field.
    #[must_use]
    pub fn at(mut self, field: &str) -> Problem {
        self.field = Some(field.to_owned());
        self
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, status, title) = self.code.row();
        let body = ProblemBody {
            kind: format!("urn:kalends:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            code,
            field: self.field.as_deref(),
        };
        let mut response = (status, Json(body)).into_response();
        // For whoever writes down what was refused.
        response.extensions_mut().insert(self.code);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            // Basic works as well, but naming it makes browsers open a window over the page that asked.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Kalends\""));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match error {
            StoreError::Busy(_) => Problem {
                retry_after_seconds: Some(BUSY_RETRY_SECONDS),
                ..Problem::new(Code::Busy, "the database is busy; try again in a moment")
            },
            StoreError::Full(_) => Problem::new(Code::Full, "the database has no room left; nothing was changed"),
            StoreError::Duplicate | StoreError::Corrupt(_) | StoreError::Database(_) => {
                tracing::error!(%error, "the store failed");
                Problem::internal()
            }
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Problem {
        match error {
            AuthError::Missing => Problem::new(Code::NotSignedIn, "send a bearer token, or sign in"),
            AuthError::Wrong => Problem::new(Code::WrongCredentials, error.to_string()),
            AuthError::Throttled(seconds) => {
                Problem { retry_after_seconds: Some(seconds), ..Problem::new(Code::Throttled, error.to_string()) }
            }
            AuthError::Store(error) => error.into(),
        }
    }
}

impl From<CalendarError> for Problem {
    fn from(error: CalendarError) -> Problem {
        match error {
            CalendarError::NotFound => Problem::not_found(),
            CalendarError::Forbidden(_) => Problem::new(Code::ReadOnly, error.to_string()),
            CalendarError::Exists => Problem::new(Code::NameTaken, error.to_string()).at("slug"),
            CalendarError::TooMany => Problem::new(Code::LimitReached, error.to_string()),
            CalendarError::Store(error) => error.into(),
        }
    }
}

impl From<PutError> for Problem {
    fn from(error: PutError) -> Problem {
        match error {
            PutError::GuardFailed => Problem::new(Code::PreconditionFailed, error.to_string()),
            PutError::UidConflict { .. } => Problem::new(Code::UidConflict, error.to_string()),
            PutError::ComponentNotTaken(_) => Problem::new(Code::NotTaken, error.to_string()).at("calendar"),
            PutError::NotFound => Problem::not_found(),
            PutError::Forbidden(_) => Problem::new(Code::ReadOnly, error.to_string()),
            PutError::Store(error) => error.into(),
        }
    }
}

impl From<TransferError> for Problem {
    fn from(error: TransferError) -> Problem {
        match error {
            TransferError::DestinationExists => Problem::new(Code::UidConflict, error.to_string()),
            TransferError::Put(error) => error.into(),
        }
    }
}

/// What the checked fields let through and the object as a whole does not, e.g. more attendees than there may be.
impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Problem {
        Problem::new(Code::BadValue, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_words_and_none_is_twice() {
        let mut codes: Vec<&str> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
        assert!(Code::ALL.is_sorted_by_key(|c| c.status().as_u16()));
    }

    #[test]
    fn a_corrupt_store_tells_nothing_of_itself() {
        let corrupt = Problem::from(StoreError::Corrupt("secret".into()));
        assert!(corrupt.code() == Code::Internal && !corrupt.detail.contains("secret"));
        assert_eq!(corrupt.into_response().status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn whoever_has_to_wait_is_told_how_long() {
        let throttled = Problem::from(AuthError::Throttled(15)).into_response();
        assert_eq!(throttled.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(throttled.headers().get(header::RETRY_AFTER).map(HeaderValue::as_bytes), Some(b"15".as_slice()));
    }
}
