//! COPY and MOVE (RFC 4918 §9.8, §9.9). A moved object keeps its history; a moved calendar is the same calendar under
//! another name.

use axum::body::Body;
use axum::http::{Response, header};

use super::Ask;
use super::error::{At, DavError, Done, Precondition};
use super::headers::{self, Depth, depth, guard, overwrite, text};
use super::method::Method;
use super::path::{Resource, calendar_href, path_of_href};
use crate::domain::access::{Access, Right};
use crate::domain::calendar::Seq;
use crate::domain::change::{Cause, Guard};
use crate::domain::ids::{ResourceName, Slug, UserName};
use crate::domain::object::CalendarObject;
use crate::store::{CalendarError, Overwrite, PutError, TransferError, WriteTx};

/// The largest calendar that is copied in one request: the store can write nothing else meanwhile.
const COPIED_OBJECTS_MAX: i64 = 10_000;
/// Objects read at a time while a calendar is copied.
const PAGE_OBJECTS: u32 = 200;

/// Answers COPY and MOVE.
///
/// # Errors
/// What [`DavError`] says; 502 for a destination on another server.
pub(super) async fn transfer(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let destination = destination(ask)?;
    if destination.href() == ask.href() {
        // RFC 4918 §9.8.5: source and destination are the same resource.
        return Err(DavError::SameResource);
    }
    let created = match (ask.resource.clone(), destination.clone()) {
        (Resource::Object(owner, slug, name), Resource::Object(to_owner, to_slug, to_name)) => {
            object(ask, (&owner, &slug, &name), (&to_owner, &to_slug, &to_name)).await?
        }
        (Resource::Calendar(owner, slug), Resource::Calendar(to_owner, to_slug)) => {
            calendar(ask, (&owner, &slug), (&to_owner, &to_slug)).await?
        }
        (Resource::Calendar(..), _) => return Err(Precondition::CalendarCollectionLocationOk.into()),
        _ => return Err(DavError::Conflict("an object stands in a calendar")),
    };
    let mut response = if created { Done::Created.empty() } else { Done::NoContent.empty() };
    if created {
        headers::set(response.headers_mut(), header::LOCATION, &destination.href());
    }
    Ok(response)
}

fn destination(ask: &Ask) -> Result<Resource, DavError> {
    let line = text(&ask.headers, "destination").ok_or_else(|| DavError::Bad("there is no Destination".to_owned()))?;
    let path = path_of_href(line, &ask.authorities())
        .map_err(|_| DavError::Elsewhere)?
        .ok_or_else(|| DavError::Bad("the Destination is no URI".to_owned()))?;
    Resource::parse(&path).ok_or_else(|| DavError::nowhere(&path))
}

type ObjectPath<'a> = (&'a UserName, &'a Slug, &'a ResourceName);

/// Whether the destination was free.
async fn object(
    ask: &Ask,
    (owner, slug, name): ObjectPath<'_>,
    (to_owner, to_slug, to_name): ObjectPath<'_>,
) -> Result<bool, DavError> {
    let guard = guard(&ask.headers)?;
    let overwrite = overwrite(&ask.headers)?;
    let cause = ask.cause();
    let to_href = calendar_href(to_owner, to_slug);
    let from_right = if ask.method == Method::Move { Right::Write } else { Right::Read };
    let mut tx = ask.store.write().await?;
    let (from, _) = tx.calendar_for(&ask.caller, owner, slug, from_right).await.map_err(|e| e.at(&ask.href()))?;
    let (to, _) =
        tx.calendar_for(&ask.caller, to_owner, to_slug, Right::Write).await.map_err(|e| parent(e, &to_href))?;
    let created = if ask.method == Method::Move {
        let moved = tx.move_object((&from, name), (&to, to_name), &guard, overwrite, &cause).await;
        moved.map_err(|e| e.at(&to_href))?.created
    } else {
        let copied = copy_object(&mut tx, (&from, name), (&to, to_name), &guard, overwrite, &cause).await;
        copied.map_err(|e| e.at(&to_href))?
    };
    tx.commit().await?;
    Ok(created)
}

/// The parent of a destination has to exist; one that the caller may not know of does not.
fn parent(error: CalendarError, href: &str) -> DavError {
    match error {
        CalendarError::NotFound => DavError::NoParent,
        other => other.at(href),
    }
}

async fn copy_object(
    tx: &mut WriteTx,
    (from, name): (&Access, &ResourceName),
    (to, to_name): (&Access, &ResourceName),
    guard: &Guard,
    overwrite: Overwrite,
    cause: &Cause,
) -> Result<bool, TransferError> {
    let source = tx.object(from, name).await?.ok_or(PutError::NotFound)?;
    if !guard.holds(Some(&source.head.etag)) {
        return Err(PutError::GuardFailed.into());
    }
    let object = CalendarObject::from_stored(source.bytes).map_err(|_| PutError::NotFound)?;
    let there = tx.object_head(to, to_name).await?;
    match (&there, overwrite) {
        (Some(_), Overwrite::No) => return Err(TransferError::DestinationExists),
        (Some(there), Overwrite::Yes) if there.uid != object.uid() => {
            tx.delete_object(to, to_name, &Guard::NONE, cause).await?;
        }
        (Some(_), Overwrite::Yes) | (None, _) => {}
    }
    tx.put_object(to, to_name, &object, &Guard::NONE, cause).await?;
    Ok(there.is_none())
}

/// Whether the destination was free.
async fn calendar(
    ask: &Ask,
    (owner, slug): (&UserName, &Slug),
    (to_owner, to_slug): (&UserName, &Slug),
) -> Result<bool, DavError> {
    let guard = guard(&ask.headers)?;
    let overwrite = overwrite(&ask.headers)?;
    let depth = depth(&ask.headers)?.unwrap_or(Depth::Infinity);
    let is_move = ask.method == Method::Move;
    if depth == Depth::One || (is_move && depth != Depth::Infinity) {
        return Err(DavError::Bad("a calendar is moved with everything in it".to_owned()));
    }
    if *to_owner != ask.caller.name {
        return Err(DavError::NoParent);
    }
    let (href, to_href) = (ask.href(), calendar_href(to_owner, to_slug));
    let cause = ask.cause();
    let mut tx = ask.store.write().await?;
    let right = if is_move { Right::Own } else { Right::Read };
    let (from, _) = tx.calendar_for(&ask.caller, owner, slug, right).await.map_err(|e| e.at(&href))?;
    tx.hold([&from]).await?;
    let (_, source) = tx.calendar_for(&ask.caller, owner, slug, right).await.map_err(|e| e.at(&href))?;
    if !guard.holds(Some(&super::export::etag(&source))) {
        return Err(DavError::PreconditionFailed);
    }
    let created = match tx.calendar_for(&ask.caller, to_owner, to_slug, Right::Own).await {
        Err(CalendarError::NotFound) => true,
        Err(error) => return Err(error.at(&to_href)),
        Ok(_) if overwrite == Overwrite::No => return Err(DavError::PreconditionFailed),
        Ok((there, _)) => {
            tx.delete_calendar(&there, &cause).await.map_err(|e| e.at(&to_href))?;
            false
        }
    };
    if is_move {
        tx.rename_calendar(&from, to_slug).await.map_err(|e| e.at(&to_href))?;
    } else {
        let (to, copy) =
            tx.create_calendar(&ask.caller, to_slug, &source.settings).await.map_err(|e| e.at(&to_href))?;
        tx.copy_properties(&ask.caller.user, &ask.caller.firm, source.id.as_str(), copy.id.as_str()).await?;
        if depth == Depth::Infinity {
            copy_objects(&mut tx, &from, &to, source.seq, &cause).await?.map_err(|e| e.at(&to_href))?;
        }
    }
    tx.commit().await?;
    Ok(created)
}

async fn copy_objects(
    tx: &mut WriteTx,
    from: &Access,
    to: &Access,
    up_to: Seq,
    cause: &Cause,
) -> Result<Result<(), PutError>, DavError> {
    if tx.calendar_size(from).await?.0 > COPIED_OBJECTS_MAX {
        let reason = format!("a calendar of more than {COPIED_OBJECTS_MAX} objects is not copied at once");
        return Err(Precondition::QuotaNotExceeded(reason).into());
    }
    let mut after = Seq(0);
    loop {
        let page = tx.bodies(from, after, up_to, PAGE_OBJECTS).await?;
        let Some(last) = page.last() else { return Ok(Ok(())) };
        after = last.head.seq;
        for stored in page {
            let Ok(object) = CalendarObject::from_stored(stored.bytes) else { continue };
            if let Err(error) = tx.put_object(to, &stored.head.name, &object, &Guard::NONE, cause).await {
                return Ok(Err(error));
            }
        }
    }
}
