//! POST to a calendar: a new calendar object under a name that the server chooses (RFC 5995). The address is the
//! calendar's own, as `DAV:add-member` says: nothing else is posted there.

use axum::body::Body;
use axum::http::{Response, header};

use super::Ask;
use super::error::{At, DavError, Done, Precondition};
use super::headers::{self, Preferences, guard, text};
use super::object::{sent, stored};
use super::path::Resource;
use crate::domain::access::{Access, Right};
use crate::domain::change::{Cause, Guard};
use crate::domain::ids::ResourceName;
use crate::domain::object::CalendarObject;
use crate::store::{PutError, PutOutcome, WriteTx};

/// Answers POST: as PUT under a name where nothing is.
///
/// # Errors
/// What [`DavError`] says; each condition of RFC 4791 §5.3.2.1 by its name.
pub(super) async fn add(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let Resource::Calendar(owner, slug) = ask.resource.clone() else { return Err(DavError::NotFound) };
    // What is demanded is demanded of the new object, as in PUT, and that is not there yet.
    if !guard(&ask.headers)?.holds(None) {
        return Err(DavError::PreconditionFailed);
    }
    if !is_calendar(text(&ask.headers, header::CONTENT_TYPE.as_str())) {
        return Err(Precondition::SupportedCalendarData.into());
    }
    let preferences = Preferences { minimal: false, noroot: false, ..Preferences::of(&ask.headers) };
    let object = sent(ask).await?;
    let cause = ask.cause();
    let calendar = ask.href();
    let mut tx = ask.store.write().await?;
    let (access, _) = tx.calendar_for(&ask.caller, &owner, &slug, Right::Write).await.map_err(|e| e.at(&calendar))?;
    let (name, outcome) = put(&mut tx, &access, &object, &cause).await.map_err(|e| e.at(&calendar))?;
    tx.commit().await?;
    let href = Resource::Object(owner, slug, name).href();
    let mut response = stored(Done::Created, &object, &outcome.etag, &href, preferences);
    headers::set(response.headers_mut(), header::LOCATION, &href);
    Ok(response)
}

/// Puts an object under a name made of its UID; under a hash of it where a client gave that name to another.
async fn put(
    tx: &mut WriteTx,
    access: &Access,
    object: &CalendarObject,
    cause: &Cause,
) -> Result<(ResourceName, PutOutcome), PutError> {
    let name = ResourceName::for_uid(object.uid());
    match tx.put_object(access, &name, object, &Guard::absent(), cause).await {
        Err(PutError::GuardFailed) => {
            let name = ResourceName::hashed(object.uid());
            let outcome = tx.put_object(access, &name, object, &Guard::absent(), cause).await?;
            Ok((name, outcome))
        }
        outcome => Ok((name, outcome?)),
    }
}

/// Whether the body is said to be a calendar. Stricter than PUT: what a page of somebody else's can make a browser
/// post without asking first has one of the types of a form, plain text, or none.
fn is_calendar(content_type: Option<&str>) -> bool {
    let kind = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("text/calendar")
}
