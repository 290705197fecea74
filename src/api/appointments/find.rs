//! What a request names, found for its caller.

use crate::api::extract::is_id;
use crate::api::problem::Problem;
use crate::domain::access::{Access, Caller, Right};
use crate::domain::calendar::Calendar;
use crate::domain::ids::{CalendarId, ObjectId, Slug};
use crate::domain::object::CalendarObject;
use crate::ics::zone::Zone;
use crate::store::{CalendarError, ReadTx, StoredObject, WriteTx};

/// One of the caller's calendars by its id or slug.
///
/// # Errors
/// There is none, or none that they may know of; the problem names `field`.
pub async fn calendar_named(
    tx: &mut ReadTx,
    caller: &Caller,
    name: &str,
    right: Right,
    field: &str,
) -> Result<(Access, Calendar), Problem> {
    let none = || Problem::value(field, "there is no such calendar");
    let found = if is_id(name) {
        tx.calendar_by_id(caller, &CalendarId::from_text(name), right).await
    } else {
        let slug = Slug::parse(name).map_err(|_| none())?;
        tx.calendar_for(caller, &caller.name, &slug, right).await
    };
    match found {
        Err(CalendarError::NotFound) => Err(none()),
        other => Ok(other?),
    }
}

/// The calendar for a new appointment of which nothing is said: the caller's first one that takes appointments.
///
/// # Errors
/// The caller has none.
pub async fn calendar_by_default(tx: &mut ReadTx, caller: &Caller) -> Result<(Access, Calendar), Problem> {
    let calendars = tx.calendars(caller).await?;
    let first = calendars.into_iter().map(|(_, calendar)| calendar).find(|c| c.settings.components.event);
    match first {
        Some(calendar) => Ok(tx.calendar_by_id(caller, &calendar.id, Right::Write).await?),
        None => Err(Problem::missing("calendar", "you have no calendar that takes appointments")),
    }
}

/// The zone in which the caller's days begin.
///
/// # Errors
/// The store failed.
pub async fn reader_zone(tx: &mut ReadTx, caller: &Caller) -> Result<Zone, Problem> {
    let user = tx.user(&caller.firm, &caller.user).await?;
    let name = user.and_then(|user| user.settings.timezone);
    Ok(name.and_then(|name| Zone::iana(&name)).unwrap_or(Zone::Utc))
}

/// An appointment that a request is about.
pub struct Found {
    /// The proof that the caller may do what was asked for.
    pub access: Access,
    /// Its bytes and everything beside them.
    pub stored: StoredObject,
    /// Its text, read.
    pub object: CalendarObject,
}

impl Found {
    /// One of the caller's appointments by its id.
    ///
    /// # Errors
    /// There is none, it is no appointment, or the caller may not know of it.
    pub async fn read(tx: &mut ReadTx, caller: &Caller, id: &str, right: Right) -> Result<Found, Problem> {
        let found = tx.object_by_id(caller, &ObjectId::from_text(id), right).await?;
        let (access, stored) = found.ok_or_else(Problem::not_found)?;
        let object = CalendarObject::from_stored(stored.bytes.clone())?;
        match object.component() {
            crate::domain::object::ComponentKind::Event => Ok(Found { access, stored, object }),
            _ => Err(Problem::not_found()),
        }
    }

    /// The same, to change it: nobody else does until the transaction ends. `to` is another calendar that the change
    /// reaches.
    ///
    /// # Errors
    /// As [`Found::read`].
    pub async fn held(tx: &mut WriteTx, caller: &Caller, id: &str, to: Option<&Access>) -> Result<Found, Problem> {
        let before = Found::read(tx, caller, id, Right::Write).await?;
        tx.hold(to.into_iter().chain([&before.access])).await?;
        let found = Found::read(tx, caller, id, Right::Write).await?;
        match found.access.calendar() == before.access.calendar() {
            true => Ok(found),
            // It was moved in between, which only another node on PostgreSQL can do.
            false => Err(Problem::not_found()),
        }
    }
}
