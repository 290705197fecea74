//! A calendar object: GET, HEAD, PUT, DELETE (RFC 9110, RFC 4791 §5.3.2).

use axum::body::Body;
use axum::http::{HeaderMap, Response, header};
use bytes::Bytes;

use super::Ask;
use super::body::{self, BodyError};
use super::error::{At, DavError, Done, Precondition};
use super::headers::{self, Preferences, guard, http_date, not_modified, text};
use super::method::Method;
use super::path::{Resource, calendar_href};
use crate::domain::access::Right;
use crate::domain::ids::{ResourceName, Slug, UserName};
use crate::domain::object::{CalendarObject, ComponentKind, ETag};
use crate::ics::IcsError;
use crate::ics::limits::BODY_BYTES_MAX;
use crate::store::CalendarError;

/// The parts of the path of an object; a handler of objects is given nothing else.
fn parts(ask: &Ask) -> Result<(UserName, Slug, ResourceName), DavError> {
    match &ask.resource {
        Resource::Object(owner, slug, name) => Ok((owner.clone(), slug.clone(), name.clone())),
        _ => Err(DavError::NotFound),
    }
}

/// Answers GET and HEAD with the exact bytes that were stored.
///
/// # Errors
/// What [`DavError`] says.
pub(super) async fn get(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let (owner, slug, name) = parts(ask)?;
    let mut tx = ask.store.read().await?;
    let (access, _) = tx.calendar_for(&ask.caller, &owner, &slug, Right::Read).await.map_err(|e| e.at(&ask.href()))?;
    let object = tx.object(&access, &name).await?.ok_or(DavError::NotFound)?;
    drop(tx);
    let head = &object.head;
    let is_known = not_modified(&ask.headers, &head.etag, head.changed.seconds())?;
    let mut response = if is_known {
        Done::NotModified.empty()
    } else {
        representation(Done::Ok, head.component, object.bytes.clone())
    };
    if ask.method == Method::Head {
        if !is_known {
            headers::set(response.headers_mut(), header::CONTENT_LENGTH, &object.bytes.len().to_string());
        }
        *response.body_mut() = Body::empty();
    }
    tag(response.headers_mut(), &head.etag);
    if let Some(date) = http_date(head.changed) {
        headers::set(response.headers_mut(), header::LAST_MODIFIED, &date);
    }
    // Clients may keep it, and must ask each time.
    headers::set(response.headers_mut(), header::CACHE_CONTROL, "private, no-cache");
    Ok(response)
}

/// Answers PUT.
///
/// # Errors
/// What [`DavError`] says; each condition of RFC 4791 §5.3.2.1 by its name.
pub(super) async fn put(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let (owner, slug, name) = parts(ask)?;
    let guard = guard(&ask.headers)?;
    if !is_calendar(text(&ask.headers, header::CONTENT_TYPE.as_str())) {
        return Err(Precondition::SupportedCalendarData.into());
    }
    let preferences = Preferences { minimal: false, noroot: false, ..Preferences::of(&ask.headers) };
    let object = sent(ask).await?;
    let cause = ask.cause();
    let collection = calendar_href(&owner, &slug);
    let mut tx = ask.store.write().await?;
    let found = tx.calendar_for(&ask.caller, &owner, &slug, Right::Write).await;
    let (access, _) = found.map_err(|error| match error {
        CalendarError::NotFound => DavError::NoParent,
        other => other.at(&collection),
    })?;
    let outcome = match tx.put_object(&access, &name, &object, &guard, &cause).await.map_err(|e| e.at(&collection)) {
        Err(DavError::PreconditionFailed) if preferences.representation => {
            drop(tx);
            return changed(ask, preferences).await;
        }
        outcome => outcome?,
    };
    tx.commit().await?;
    let done = match (outcome.created, preferences.representation) {
        (true, _) => Done::Created,
        (false, false) => Done::NoContent,
        (false, true) => Done::Ok,
    };
    Ok(stored(done, &object, &outcome.etag, &ask.href(), preferences))
}

/// The object that a request brings, read to the end.
///
/// # Errors
/// It is too large, a part of something, or no calendar object.
pub(super) async fn sent(ask: &mut Ask) -> Result<CalendarObject, DavError> {
    if ask.headers.contains_key(header::CONTENT_RANGE) {
        return Err(DavError::Bad("an object is sent as a whole".to_owned()));
    }
    let body = ask.take_body();
    let bytes = body::read(body, &ask.headers, BODY_BYTES_MAX).await.map_err(|error| match error {
        BodyError::TooLarge(limit) => {
            Precondition::MaxResourceSize(format!("an object has at most {limit} bytes")).into()
        }
        other => DavError::from(other),
    })?;
    parse(bytes).await
}

/// What is told of an object that was stored, with its representation for who prefers that.
pub(super) fn stored(
    done: Done,
    object: &CalendarObject,
    etag: &ETag,
    href: &str,
    preferences: Preferences,
) -> Response<Body> {
    let mut response = if preferences.representation {
        representation(done, object.component(), object.bytes().clone())
    } else {
        done.empty()
    };
    // A strong tag: what is stored is what was sent, octet for octet.
    tag(response.headers_mut(), etag);
    if preferences.representation {
        headers::set(response.headers_mut(), header::CONTENT_LOCATION, href);
        preferences.applied(response.headers_mut());
    }
    response
}

/// Refuses a PUT with what is there instead, for who would have to ask for it next (RFC 8144 §3.2).
async fn changed(ask: &Ask, preferences: Preferences) -> Result<Response<Body>, DavError> {
    let (owner, slug, name) = parts(ask)?;
    let mut tx = ask.store.read().await?;
    let (access, _) = tx.calendar_for(&ask.caller, &owner, &slug, Right::Read).await.map_err(|e| e.at(&ask.href()))?;
    let there = tx.object(&access, &name).await?.ok_or(DavError::PreconditionFailed)?;
    let mut response = representation(Done::Changed, there.head.component, there.bytes.clone());
    tag(response.headers_mut(), &there.head.etag);
    headers::set(response.headers_mut(), header::CONTENT_LOCATION, &ask.href());
    preferences.applied(response.headers_mut());
    Ok(response)
}

/// Answers DELETE.
///
/// # Errors
/// What [`DavError`] says.
pub(super) async fn delete(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let (owner, slug, name) = parts(ask)?;
    let guard = guard(&ask.headers)?;
    let cause = ask.cause();
    let collection = calendar_href(&owner, &slug);
    let mut tx = ask.store.write().await?;
    let (access, _) = tx.calendar_for(&ask.caller, &owner, &slug, Right::Write).await.map_err(|e| e.at(&collection))?;
    tx.delete_object(&access, &name, &guard, &cause).await.map_err(|e| e.at(&collection))?;
    tx.commit().await?;
    Ok(Done::NoContent.empty())
}

/// Bodies up to this size are read where the request is; longer ones where they keep nobody waiting. Nearly all are far
/// below it, and another thread costs more than reading them.
const READ_AT_ONCE_BYTES_MAX: usize = 128 * 1024;

/// Reads a body to the end, index and all, before the store is asked for its one writer.
async fn parse(bytes: Bytes) -> Result<CalendarObject, DavError> {
    let is_short = bytes.len() <= READ_AT_ONCE_BYTES_MAX;
    let read = move || {
        let object = CalendarObject::parse(bytes)?;
        let _settled = object.index();
        Ok::<_, IcsError>(object)
    };
    let object =
        if is_short { read() } else { tokio::task::spawn_blocking(read).await.map_err(|_| DavError::Failed)? };
    Ok(object?)
}

fn tag(headers: &mut HeaderMap, etag: &ETag) {
    headers::set(headers, header::ETAG, &etag.quoted());
}

fn representation(done: Done, component: ComponentKind, bytes: Bytes) -> Response<Body> {
    let content_type = match component {
        ComponentKind::Event => "text/calendar; charset=utf-8; component=vevent",
        ComponentKind::Todo => "text/calendar; charset=utf-8; component=vtodo",
        ComponentKind::Journal => "text/calendar; charset=utf-8; component=vjournal",
        ComponentKind::FreeBusy => "text/calendar; charset=utf-8; component=vfreebusy",
    };
    done.calendar(content_type, bytes)
}

/// Whether a Content-Type can be meant for a calendar. Some clients send none, or what their library thinks of a
/// file; that it is a calendar is proven by reading it.
fn is_calendar(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return true };
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(
        kind.as_str(),
        "" | "text/calendar"
            | "application/ics"
            | "text/ics"
            | "text/plain"
            | "application/octet-stream"
            | "application/x-www-form-urlencoded"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_calendar_is_read() {
        for good in
            [None, Some("text/calendar; charset=utf-8"), Some("Text/Calendar"), Some("application/octet-stream")]
        {
            assert!(is_calendar(good), "{good:?}");
        }
        for bad in ["text/vcard", "application/calendar+json", "application/xml", "text/html"] {
            assert!(!is_calendar(Some(bad)), "{bad}");
        }
    }
}
