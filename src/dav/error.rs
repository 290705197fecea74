//! Why a request is refused, and how that is said: the one place of CalDAV that names statuses. A precondition
//! (RFC 4918 §16, RFC 4791 §5.3) knows its element and writes its own XML.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use super::path::{Unkeepable, unkeepable};
use crate::auth::AuthError;
use crate::domain::access::Right;
use crate::ics::{IcsError, Refusal};
use crate::store::{CalendarError, PutError, StoreError, TransferError};
use crate::xml::{Name, Writer, XmlError, names};

/// The challenge, the same at all times: a client that sees another one asks for the password again.
pub const CHALLENGE: &str = "Basic realm=\"Kalends\", charset=\"UTF-8\"";
/// How soon to come back to a busy store.
const BUSY_SECONDS: i64 = 2;

/// A refusal.
#[derive(Debug)]
pub enum DavError {
    /// 401: no credentials, or wrong ones.
    SignIn,
    /// 429: too many wrong ones.
    Throttled(i64),
    /// 400: the request itself makes no sense.
    Bad(String),
    /// 404: there is nothing here, or nothing that the caller may know of.
    NotFound,
    /// 405, with what is allowed instead.
    NotAllowed(String),
    /// 403, 405, 409 or 507: a named condition does not hold.
    Precondition(Precondition),
    /// 409: what it should be put into is not there.
    NoParent,
    /// 403 or 414: no calendar or object can have this name.
    Unkeepable(Unkeepable),
    /// 408: the body came too slowly.
    TooSlow,
    /// 409: another reason in the state of things.
    Conflict(&'static str),
    /// 403: COPY or MOVE of something to itself (RFC 4918 §9.8.5).
    SameResource,
    /// 412: `If-Match`, `If-None-Match`, `If-Schedule-Tag-Match`, `If` or `Overwrite: F` does not hold.
    PreconditionFailed,
    /// 413: a body beyond what this method reads.
    BodyTooLarge(usize),
    /// 415: a body of another kind.
    UnsupportedMedia(&'static str),
    /// 502: a `Destination` on another server.
    Elsewhere,
    /// 503: the store is busy.
    Busy,
    /// 507: the store is full.
    Full,
    /// 500: the store failed; said in the log, not in the answer.
    Failed,
}

/// A condition that an RFC has a name for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// RFC 3744 §7.1.1
    NeedPrivileges {
        /// On what.
        href: String,
        /// Which.
        privilege: Name,
    },
    /// RFC 4918 §9.1
    PropfindFiniteDepth,
    /// RFC 4918 §16
    CannotModifyProtectedProperty,
    /// RFC 3253: MKCALENDAR where something is already
    ResourceMustBeNull,
    /// RFC 5689 §3.3
    ValidResourcetype,
    /// RFC 4791 §5.3.1.1
    CalendarCollectionLocationOk,
    /// RFC 4791 §5.3.1.1, with the reason
    ValidCalendarData(String),
    /// RFC 4791 §5.3.2.1
    SupportedCalendarData,
    /// RFC 4791 §5.3.2.1, with the reason
    ValidCalendarObjectResource(String),
    /// RFC 4791 §5.3.2.1
    SupportedCalendarComponent,
    /// RFC 4791 §5.3.2.1
    NoUidConflict {
        /// The object that is in the way.
        href: String,
    },
    /// RFC 4791 §5.3.2.1
    MaxResourceSize(String),
    /// RFC 4791 §5.3.2.1
    MaxAttendeesPerInstance(String),
    /// RFC 4791 §7.8
    ValidFilter(String),
    /// RFC 4791 §7.8
    SupportedFilter(String),
    /// RFC 4791 §7.5.1
    SupportedCollation,
    /// RFC 3253 §3.6
    SupportedReport,
    /// RFC 6578 §3.2
    ValidSyncToken,
    /// RFC 6578 §3.2
    SyncTraversalSupported,
    /// RFC 3744 §8.1.1, RFC 6578 §3.7
    NumberOfMatchesWithinLimits,
    /// RFC 7809 §5.2.2
    ValidTimezone,
    /// RFC 4331 §6
    QuotaNotExceeded(String),
}

/// What a precondition's element holds.
enum Detail<'a> {
    Nothing,
    Href(&'a str),
    Privilege(&'a str, &'a Name),
}

impl Precondition {
    fn parts(&self) -> (StatusCode, Name, Detail<'_>, &str) {
        use Precondition as P;
        let forbidden = |name, reason| (StatusCode::FORBIDDEN, name, Detail::Nothing, reason);
        match self {
            P::NeedPrivileges { href, privilege } => {
                let detail = Detail::Privilege(href, privilege);
                (StatusCode::FORBIDDEN, names::NEED_PRIVILEGES, detail, "the right to do this is missing")
            }
            P::PropfindFiniteDepth => forbidden(names::PROPFIND_FINITE_DEPTH, "ask with Depth 0 or 1"),
            P::CannotModifyProtectedProperty => {
                forbidden(names::CANNOT_MODIFY_PROTECTED_PROPERTY, "the server keeps this property")
            }
            P::ResourceMustBeNull => forbidden(names::RESOURCE_MUST_BE_NULL, "something is here already"),
            P::ValidResourcetype => {
                forbidden(names::VALID_RESOURCETYPE, "only calendars are made here (resourcetype collection, calendar)")
            }
            P::CalendarCollectionLocationOk => {
                forbidden(names::CALENDAR_COLLECTION_LOCATION_OK, "calendars stand directly in their owner's home")
            }
            P::ValidCalendarData(reason) => forbidden(names::VALID_CALENDAR_DATA, reason),
            P::SupportedCalendarData => {
                forbidden(names::SUPPORTED_CALENDAR_DATA, "calendar objects are text/calendar, version 2.0")
            }
            P::ValidCalendarObjectResource(reason) => forbidden(names::VALID_CALENDAR_OBJECT_RESOURCE, reason),
            P::SupportedCalendarComponent => {
                forbidden(names::SUPPORTED_CALENDAR_COMPONENT, "the calendar takes no component of this kind")
            }
            P::NoUidConflict { href } => {
                let reason = "the UID belongs to another object";
                (StatusCode::CONFLICT, names::NO_UID_CONFLICT, Detail::Href(href), reason)
            }
            P::MaxResourceSize(reason) => forbidden(names::MAX_RESOURCE_SIZE, reason),
            P::MaxAttendeesPerInstance(reason) => forbidden(names::MAX_ATTENDEES_PER_INSTANCE, reason),
            P::ValidFilter(reason) => forbidden(names::VALID_FILTER, reason),
            P::SupportedFilter(reason) => forbidden(names::SUPPORTED_FILTER, reason),
            P::SupportedCollation => forbidden(names::SUPPORTED_COLLATION, "no such collation"),
            P::SupportedReport => forbidden(names::SUPPORTED_REPORT, "no such report here"),
            P::ValidSyncToken => forbidden(names::VALID_SYNC_TOKEN, "not a token of this collection; start anew"),
            P::SyncTraversalSupported => forbidden(names::SYNC_TRAVERSAL_SUPPORTED, "ask with sync-level 1"),
            P::NumberOfMatchesWithinLimits => forbidden(names::NUMBER_OF_MATCHES_WITHIN_LIMITS, "too many matches"),
            P::ValidTimezone => forbidden(names::VALID_TIMEZONE, "no such time zone"),
            P::QuotaNotExceeded(reason) => {
                (StatusCode::INSUFFICIENT_STORAGE, names::QUOTA_NOT_EXCEEDED, Detail::Nothing, reason)
            }
        }
    }

    /// Writes the element itself, for a `DAV:error` that is open.
    pub fn write(&self, writer: &mut Writer) {
        let (_, name, detail, _) = self.parts();
        match detail {
            Detail::Nothing => writer.empty(&name),
            Detail::Href(href) => {
                writer.open(&name);
                writer.leaf(&names::HREF, href);
                writer.close(&name);
            }
            Detail::Privilege(href, privilege) => {
                writer.open(&name);
                writer.open(&names::RESOURCE);
                writer.leaf(&names::HREF, href);
                writer.open(&names::PRIVILEGE);
                writer.empty(privilege);
                writer.close(&names::PRIVILEGE);
                writer.close(&names::RESOURCE);
                writer.close(&name);
            }
        }
    }

    fn into_response(self) -> Response<Body> {
        let mut writer = Writer::document(&names::ERROR);
        self.write(&mut writer);
        let (status, _, _, reason) = self.parts();
        writer.leaf(&names::RESPONSEDESCRIPTION, reason);
        writer.close(&names::ERROR);
        answer(status, XML_TYPE, writer.into_string())
    }
}

/// The type of every XML answer.
const XML_TYPE: &str = "application/xml; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

impl DavError {
    /// The privilege that is missing, where a right is.
    #[must_use]
    pub fn forbidden(right: Right, href: &str) -> DavError {
        let privilege = match right {
            Right::Read => names::READ,
            Right::Write => names::WRITE_CONTENT,
            Right::Own => names::WRITE,
        };
        DavError::Precondition(Precondition::NeedPrivileges { href: href.to_owned(), privilege })
    }

    /// As an answer.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let say = |status, text: &str| answer(status, TEXT_TYPE, format!("{text}\n"));
        let with = |mut response: Response<Body>, name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
            response
        };
        match self {
            DavError::SignIn => {
                with(say(StatusCode::UNAUTHORIZED, "sign in to see this"), header::WWW_AUTHENTICATE, CHALLENGE)
            }
            DavError::Throttled(seconds) => {
                let response = say(StatusCode::TOO_MANY_REQUESTS, "too many failed attempts; try again later");
                with(response, header::RETRY_AFTER, &seconds.max(1).to_string())
            }
            DavError::Bad(reason) => say(StatusCode::BAD_REQUEST, &reason),
            DavError::NotFound => say(StatusCode::NOT_FOUND, "there is nothing here"),
            DavError::NotAllowed(allow) => {
                let response = say(StatusCode::METHOD_NOT_ALLOWED, &format!("use one of {allow}"));
                with(response, header::ALLOW, &allow)
            }
            DavError::Precondition(precondition) => precondition.into_response(),
            DavError::NoParent => say(StatusCode::CONFLICT, "the collection it should be in does not exist"),
            DavError::Unkeepable(Unkeepable::TooLong) => say(StatusCode::URI_TOO_LONG, "the path is too long"),
            DavError::Unkeepable(Unkeepable::Name(reason)) => say(StatusCode::FORBIDDEN, &reason),
            DavError::TooSlow => say(StatusCode::REQUEST_TIMEOUT, "the body came too slowly"),
            DavError::Conflict(reason) => say(StatusCode::CONFLICT, reason),
            DavError::SameResource => say(StatusCode::FORBIDDEN, "source and destination are the same"),
            DavError::PreconditionFailed => {
                say(StatusCode::PRECONDITION_FAILED, "it is not in the state that was asked for")
            }
            DavError::BodyTooLarge(limit) => {
                say(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body may have {limit} bytes"))
            }
            DavError::UnsupportedMedia(reason) => say(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason),
            DavError::Elsewhere => say(StatusCode::BAD_GATEWAY, "the destination is on another server"),
            DavError::Busy => {
                let response = say(StatusCode::SERVICE_UNAVAILABLE, "the store is busy; try again soon");
                with(response, header::RETRY_AFTER, &BUSY_SECONDS.to_string())
            }
            DavError::Full => say(StatusCode::INSUFFICIENT_STORAGE, "the store has no room left; nothing was changed"),
            DavError::Failed => say(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here; it is in the log"),
        }
    }
}

/// How a request that was done is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// 200
    Ok,
    /// 201
    Created,
    /// 204
    NoContent,
    /// 207
    MultiStatus,
    /// 301: for good; old clients do not know 308
    Moved,
    /// 304
    NotModified,
    /// 403, with a body that says which properties were refused
    Refused,
    /// 412, with a body that says what is there
    Changed,
}

impl Done {
    const fn status(self) -> StatusCode {
        match self {
            Done::Ok => StatusCode::OK,
            Done::Created => StatusCode::CREATED,
            Done::NoContent => StatusCode::NO_CONTENT,
            Done::MultiStatus => StatusCode::MULTI_STATUS,
            Done::Moved => StatusCode::MOVED_PERMANENTLY,
            Done::NotModified => StatusCode::NOT_MODIFIED,
            Done::Refused => StatusCode::FORBIDDEN,
            Done::Changed => StatusCode::PRECONDITION_FAILED,
        }
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response
    }

    /// An answer with XML.
    #[must_use]
    pub fn xml(self, body: impl Into<Body>) -> Response<Body> {
        answer(self.status(), XML_TYPE, body)
    }

    /// An answer with plain text.
    #[must_use]
    pub fn text(self, body: impl Into<Body>) -> Response<Body> {
        answer(self.status(), TEXT_TYPE, body)
    }

    /// An answer with iCalendar.
    #[must_use]
    pub fn calendar(self, content_type: &str, body: impl Into<Body>) -> Response<Body> {
        answer(self.status(), content_type, body)
    }
}

fn answer(status: StatusCode, content_type: &str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

impl DavError {
    /// For what would be put under a path that means nothing here.
    #[must_use]
    pub fn nowhere(path: &str) -> DavError {
        unkeepable(path).map_or(DavError::NoParent, DavError::Unkeepable)
    }
}

impl From<Precondition> for DavError {
    fn from(precondition: Precondition) -> DavError {
        DavError::Precondition(precondition)
    }
}

impl From<StoreError> for DavError {
    fn from(error: StoreError) -> DavError {
        match error {
            StoreError::Busy(_) => DavError::Busy,
            StoreError::Full(_) => DavError::Full,
            StoreError::Duplicate | StoreError::Corrupt(_) | StoreError::Database(_) => {
                tracing::error!(%error, "the store failed");
                DavError::Failed
            }
        }
    }
}

impl From<AuthError> for DavError {
    fn from(error: AuthError) -> DavError {
        match error {
            AuthError::Missing | AuthError::Wrong => DavError::SignIn,
            AuthError::Throttled(seconds) => DavError::Throttled(seconds),
            AuthError::Store(error) => error.into(),
        }
    }
}

impl From<XmlError> for DavError {
    fn from(error: XmlError) -> DavError {
        match error {
            XmlError::TooLarge(limit) => DavError::BodyTooLarge(limit),
            other => DavError::Bad(other.to_string()),
        }
    }
}

impl From<IcsError> for DavError {
    fn from(error: IcsError) -> DavError {
        let reason = error.to_string();
        DavError::Precondition(match error.refusal() {
            Refusal::CalendarData => Precondition::ValidCalendarData(reason),
            Refusal::UnsupportedData => Precondition::SupportedCalendarData,
            Refusal::ObjectResource => Precondition::ValidCalendarObjectResource(reason),
            Refusal::UnsupportedComponent => Precondition::SupportedCalendarComponent,
            Refusal::Size => Precondition::MaxResourceSize(reason),
            Refusal::Attendees => Precondition::MaxAttendeesPerInstance(reason),
        })
    }
}

/// An error of the store about one place, worded for the one who asked for it.
pub trait At {
    /// The refusal; `href` is where it was to happen.
    fn at(self, href: &str) -> DavError;
}

impl At for CalendarError {
    fn at(self, href: &str) -> DavError {
        match self {
            CalendarError::NotFound => DavError::NotFound,
            CalendarError::Forbidden(right) => DavError::forbidden(right, href),
            CalendarError::Exists => Precondition::ResourceMustBeNull.into(),
            CalendarError::TooMany => Precondition::QuotaNotExceeded(self.to_string()).into(),
            CalendarError::Store(error) => error.into(),
        }
    }
}

impl At for PutError {
    /// `href` is that of the calendar.
    fn at(self, href: &str) -> DavError {
        match self {
            PutError::GuardFailed => DavError::PreconditionFailed,
            PutError::UidConflict { name } => {
                let href = format!("{href}{}", super::path::segment(name.as_str()));
                Precondition::NoUidConflict { href }.into()
            }
            PutError::ComponentNotTaken(_) => Precondition::SupportedCalendarComponent.into(),
            PutError::NotFound => DavError::NotFound,
            PutError::Forbidden(right) => DavError::forbidden(right, href),
            PutError::Store(error) => error.into(),
        }
    }
}

impl At for TransferError {
    /// `href` is that of the calendar at the destination.
    fn at(self, href: &str) -> DavError {
        match self {
            TransferError::DestinationExists => DavError::PreconditionFailed,
            TransferError::Put(error) => error.at(href),
        }
    }
}

/// For MKCOL, which answers 405 to what MKCALENDAR has a precondition for (RFC 4918 §9.3.1).
impl DavError {
    /// As it is, but for [`Precondition::ResourceMustBeNull`].
    #[must_use]
    pub fn for_mkcol(self, allow: String) -> DavError {
        match self {
            DavError::Precondition(Precondition::ResourceMustBeNull) => DavError::NotAllowed(allow),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: DavError) -> (u16, Option<String>) {
        let response = error.into_response();
        let retry = response.headers().get(header::RETRY_AFTER).map(|v| v.to_str().unwrap_or_default().to_owned());
        (response.status().as_u16(), retry)
    }

    #[test]
    fn a_busy_or_full_store_is_told_as_such() {
        assert_eq!(told(DavError::Busy), (503, Some("2".to_owned())));
        assert_eq!(told(DavError::Full), (507, None));
        assert_eq!(told(StoreError::Corrupt(String::new()).into()), (500, None));
        assert_eq!(told(AuthError::Throttled(15).into()), (429, Some("15".to_owned())));
    }
}
