//! PROPPATCH (RFC 4918 §9.2): everything or nothing.

use axum::body::Body;
use axum::http::Response;

use super::Ask;
use super::body::{XML_BYTES_MAX, read_xml};
use super::error::{At, DavError};
use super::multistatus::{self, Line, propstat};
use super::path::{Resource, calendar_href};
use super::propfind::kept_place;
use super::props::Needs;
use super::props::patch::{Decision, Refused, changes, decide, decide_calendar, refuse_all};
use crate::domain::access::{Access, Caller, Right};
use crate::store::{CalendarError, WriteTx};
use crate::xml::{Name, Writer, names};

/// Answers a PROPPATCH.
///
/// # Errors
/// What [`DavError`] says; what is refused of single properties is in the multistatus.
pub(super) async fn proppatch(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let body = ask.take_body();
    let document = read_xml(body, &ask.headers, XML_BYTES_MAX).await?;
    let document = document.filter(|d| d.root().is(&names::PROPERTYUPDATE));
    let document = document.ok_or_else(|| DavError::Bad("the body of PROPPATCH is a DAV:propertyupdate".to_owned()))?;
    let changes = changes(document.root()).map_err(|reason| DavError::Bad(reason.to_owned()))?;
    if changes.is_empty() {
        return Err(DavError::Bad("propertyupdate sets or removes something".to_owned()));
    }
    let href = ask.href();
    if let Resource::Object(owner, slug, name) = &ask.resource {
        // All that there is to know of an object comes from its bytes.
        let mut tx = ask.store.read().await?;
        let found = tx.calendar_for(&ask.caller, owner, slug, Right::Read).await;
        let (access, _) = found.map_err(|e| e.at(&calendar_href(owner, slug)))?;
        tx.object_head(&access, name).await?.ok_or(DavError::NotFound)?;
        return Ok(answer(&href, &refuse_all(&changes)));
    }
    let mut tx = ask.store.write().await?;
    let decision = if let Resource::Calendar(owner, slug) = &ask.resource {
        let right = match tx.calendar_for(&ask.caller, owner, slug, Right::Own).await {
            Ok((access, _)) => {
                // The settings that are read next are replaced as a whole.
                tx.hold([&access]).await?;
                Right::Own
            }
            Err(CalendarError::Forbidden(_)) => Right::Read,
            Err(error) => return Err(error.at(&href)),
        };
        let (access, calendar) = tx.calendar_for(&ask.caller, owner, slug, right).await.map_err(|e| e.at(&href))?;
        let decision = decide_calendar(&document, &changes, right, &calendar.settings);
        carry_out(&mut tx, &ask.caller, calendar.id.as_str(), Some(&access), decision).await.map_err(|e| e.at(&href))?
    } else {
        let place = kept_place(&ask.resource, &ask.scene(Needs::NOTHING).await?);
        let decision = decide(&document, &changes);
        carry_out(&mut tx, &ask.caller, &place, None, decision).await.map_err(|e| e.at(&href))?
    };
    if decision.is_refused() {
        drop(tx);
    } else {
        tx.commit().await?;
    }
    Ok(answer(&href, &decision))
}

fn answer(href: &str, decision: &Decision) -> Response<Body> {
    let mut writer = multistatus::begin();
    writer.open(&names::RESPONSE);
    writer.leaf(&names::HREF, href);
    tell(decision, &mut writer);
    writer.close(&names::RESPONSE);
    multistatus::whole(writer)
}

/// Does what was decided, unless something is refused. What there is no room for is refused here; then the caller
/// must not commit.
///
/// # Errors
/// The store failed.
pub(super) async fn carry_out(
    tx: &mut WriteTx,
    caller: &Caller,
    place: &str,
    access: Option<&Access>,
    mut decision: Decision,
) -> Result<Decision, CalendarError> {
    if decision.is_refused() {
        return Ok(decision);
    }
    if let (Some(settings), Some(access)) = (&decision.settings, access) {
        tx.set_calendar(access, settings).await?;
    }
    for key in &decision.forget {
        tx.remove_property(caller, place, key).await?;
    }
    let mut without_room: Vec<Name> = Vec::new();
    for property in &decision.keep {
        if !tx.set_property(caller, place, property).await? {
            without_room.push(Name::owned(property.key.namespace.clone(), property.key.name.clone()));
        }
    }
    for (name, refused) in &mut decision.verdicts {
        if without_room.contains(name) {
            *refused = Some(Refused::no_room());
        }
    }
    Ok(decision)
}

/// Writes a propstat for each kind of outcome; beside a refusal everything else failed with it.
pub(super) fn tell(decision: &Decision, writer: &mut Writer) {
    let rest = if decision.is_refused() { Line::FailedDependency } else { Line::Ok };
    let outcome = |refused: &Option<Refused>| refused.as_ref().map_or(rest, |r| r.line);
    for line in [Line::Ok, Line::Forbidden, Line::Conflict, Line::InsufficientStorage, Line::FailedDependency] {
        let mut told: Vec<&Name> = Vec::new();
        for (name, refused) in &decision.verdicts {
            if outcome(refused) == line && !told.contains(&name) {
                told.push(name);
            }
        }
        if told.is_empty() {
            continue;
        }
        if line != Line::Forbidden {
            propstat(writer, line, |writer| told.iter().for_each(|name| writer.empty(name)));
            continue;
        }
        // Each with its own reason.
        for (name, refused) in &decision.verdicts {
            let Some(Refused { line: Line::Forbidden, precondition }) = refused else { continue };
            writer.open(&names::PROPSTAT);
            writer.open(&names::PROP);
            writer.empty(name);
            writer.close(&names::PROP);
            writer.leaf(&names::STATUS, line.text());
            if let Some(precondition) = precondition {
                writer.open(&names::ERROR);
                precondition.write(writer);
                writer.close(&names::ERROR);
            }
            writer.close(&names::PROPSTAT);
        }
    }
}
