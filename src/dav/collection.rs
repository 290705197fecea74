//! Calendars come and go: MKCALENDAR (RFC 4791 §5.3.1), extended MKCOL (RFC 5689), DELETE.

use axum::body::Body;
use axum::http::{Response, header};

use super::Ask;
use super::body::{XML_BYTES_MAX, read_declared_xml};
use super::error::{At, DavError, Done, Precondition};
use super::headers::{self, guard};
use super::method::{self, Method};
use super::path::{Kind, Resource};
use super::proppatch::{carry_out, tell};
use super::props::patch::{Change, Decision, changes, decide_calendar};
use crate::domain::access::Right;
use crate::domain::calendar::{CalendarSettings, ComponentSet};
use crate::domain::ids::{Slug, UserName};
use crate::xml::{Document, Element, Name, Writer, names};

/// Why a calendar cannot be made on a kind of path, whoever asks.
pub(super) fn misplaced(method: Method, kind: Kind) -> Option<DavError> {
    match (method, kind) {
        (Method::Mkcalendar | Method::Mkcol, Kind::Object) => Some(Precondition::CalendarCollectionLocationOk.into()),
        (Method::Mkcalendar | Method::Mkcol, Kind::Calendar) => None,
        // Everything else is there from the beginning.
        (Method::Mkcalendar, _) => Some(Precondition::ResourceMustBeNull.into()),
        (Method::Mkcol, kind) => Some(DavError::NotAllowed(method::allow(kind))),
        _ => None,
    }
}

fn parts(ask: &Ask) -> Result<(UserName, Slug), DavError> {
    match &ask.resource {
        Resource::Calendar(owner, slug) => Ok((owner.clone(), slug.clone())),
        _ => Err(DavError::NotFound),
    }
}

/// Answers MKCALENDAR and MKCOL.
///
/// # Errors
/// What [`DavError`] says.
pub(super) async fn make(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let (owner, slug) = parts(ask)?;
    // In somebody else's home, which for this caller does not exist.
    if owner != ask.caller.name {
        return Err(DavError::NoParent);
    }
    let body = ask.take_body();
    let document = read_declared_xml(body, &ask.headers, XML_BYTES_MAX).await?;
    let order = Order::of(ask.method, document.as_ref())?;
    let href = ask.href();
    let for_method = |error: DavError| match ask.method {
        Method::Mkcol => error.for_mkcol(method::allow(Kind::Calendar)),
        _ => error,
    };

    let mut tx = ask.store.write().await?;
    let made = tx.create_calendar(&ask.caller, &slug, &order.settings).await;
    let (access, calendar) = made.map_err(|e| for_method(e.at(&href)))?;
    let place = calendar.id.as_str();
    let decision = carry_out(&mut tx, &ask.caller, place, None, order.decision).await.map_err(|e| e.at(&href))?;
    drop(access);
    if decision.is_refused() {
        drop(tx);
        return Ok(refused(ask.method, &decision));
    }
    tx.commit().await?;
    let mut response = Done::Created.empty();
    headers::set(response.headers_mut(), header::CACHE_CONTROL, "no-cache");
    Ok(response)
}

/// A calendar as it was ordered.
struct Order {
    settings: CalendarSettings,
    decision: Decision,
}

impl Order {
    fn of(method: Method, document: Option<&Document>) -> Result<Order, DavError> {
        let (root, is_calendar_already) = match method {
            Method::Mkcol => (names::MKCOL, false),
            _ => (names::MKCALENDAR, true),
        };
        let mut settings = CalendarSettings { display_name: None, ..CalendarSettings::named("", ComponentSet::ALL) };
        let Some(document) = document else {
            // A plain MKCOL makes a plain collection, of which there are none here.
            return if is_calendar_already {
                Ok(Order { settings, decision: Decision::default() })
            } else {
                Err(Precondition::ValidResourcetype.into())
            };
        };
        if !document.root().is(&root) {
            return Err(DavError::UnsupportedMedia("the body is not that of this method"));
        }
        let changes = changes(document.root()).map_err(|reason| DavError::Bad(reason.to_owned()))?;
        let mut ordinary = Vec::with_capacity(changes.len());
        let mut is_calendar = is_calendar_already;
        for change in changes {
            match change {
                Change::Set(e) if e.is(&names::RESOURCETYPE) => is_calendar = check_type(e)?,
                Change::Set(e) if e.is(&names::SUPPORTED_CALENDAR_COMPONENT_SET) => {
                    settings.components = components(e)?
                }
                Change::Set(_) => ordinary.push(change),
                Change::Remove(_) => return Err(DavError::Bad("there is nothing to remove yet".to_owned())),
            }
        }
        if !is_calendar {
            return Err(Precondition::ValidResourcetype.into());
        }
        let mut decision = decide_calendar(document, &ordinary, Right::Own, &settings);
        let settings = decision.settings.take().unwrap_or(settings);
        Ok(Order { settings, decision })
    }
}

/// Whether a resource type is that of a calendar.
fn check_type(element: &Element) -> Result<bool, DavError> {
    if element.children().all(|child| child.is(&names::COLLECTION) || child.is(&names::CALENDAR)) {
        Ok(element.child(&names::CALENDAR).is_some())
    } else {
        // Subscriptions, address books and what else clients keep elsewhere.
        Err(Precondition::ValidResourcetype.into())
    }
}

fn components(element: &Element) -> Result<ComponentSet, DavError> {
    let list = element.children_named(&names::COMP).map(|comp| comp.attribute("name").unwrap_or_default());
    ComponentSet::from_names(list).ok_or_else(|| Precondition::SupportedCalendarComponent.into())
}

/// Which properties were the reason that nothing was made (RFC 5689 §3).
fn refused(method: Method, decision: &Decision) -> Response<Body> {
    let root: Name = if method == Method::Mkcol { names::MKCOL_RESPONSE } else { names::MKCALENDAR_RESPONSE };
    let mut writer = Writer::document(&root);
    tell(decision, &mut writer);
    writer.close(&root);
    Done::Refused.xml(writer.into_string())
}

/// Answers DELETE of a calendar.
///
/// # Errors
/// What [`DavError`] says.
pub(super) async fn delete(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let (owner, slug) = parts(ask)?;
    let guard = guard(&ask.headers)?;
    let href = ask.href();
    let cause = ask.cause();
    let mut tx = ask.store.write().await?;
    let (access, _) = tx.calendar_for(&ask.caller, &owner, &slug, Right::Own).await.map_err(|e| e.at(&href))?;
    tx.hold([&access]).await?;
    let (_, calendar) = tx.calendar_for(&ask.caller, &owner, &slug, Right::Own).await.map_err(|e| e.at(&href))?;
    // The tag that a GET of the calendar gives.
    if !guard.holds(Some(&super::export::etag(&calendar))) {
        return Err(DavError::PreconditionFailed);
    }
    tx.delete_calendar(&access, &cause).await.map_err(|e| e.at(&href))?;
    tx.commit().await?;
    Ok(Done::NoContent.empty())
}
