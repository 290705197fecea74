//! Finding what a path names: a calendar the caller may use so, and an event, stored or computed.

use std::collections::BTreeMap;

use http::header;
use jiff::{
    civil::{Date, DateTime},
    tz::TimeZone,
};

use super::{
    call::{Call, Target},
    moment::{Moment, parse_instant, zone},
    oauth::Caller,
    recur::Series,
    refusal::Refusal,
    render::{Reader, etag},
    request::Ask,
    scope::Reach,
    world::{Calendar, Event, Life, Role, Slot, World},
};

/// A calendar that the caller may use for this call.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) calendar: String,
    pub(crate) role: Role,
}

impl World {
    /// The calendar of the path, with the right that the call needs.
    pub(crate) fn place(&self, caller: &Caller, call: Call, target: &Target) -> Result<Place, Refusal> {
        self.place_of(caller, call, &target.calendar)
    }

    pub(crate) fn place_of(&self, caller: &Caller, call: Call, named: &str) -> Result<Place, Refusal> {
        let id = self.calendar_id(&caller.account, named).to_owned();
        let role = self.role(&caller.account, &id).ok_or_else(Refusal::not_found)?;
        let reach = Reach::of(call, &caller.scopes);
        let made =
            self.calendars.get(&id).and_then(|calendar| calendar.made_by.as_deref()) == Some(caller.client.as_str());
        if !(reach.all || reach.owned && role == Role::Owner || reach.created && made) {
            return Err(Refusal::insufficient_scope(call.name()));
        }
        let writes = matches!(
            call,
            Call::EventsInsert
                | Call::EventsImport
                | Call::EventsUpdate
                | Call::EventsPatch
                | Call::EventsDelete
                | Call::EventsMove
                | Call::EventsQuickAdd
        );
        if writes && !role.writes() {
            return Err(Refusal::writer_needed());
        }
        Ok(Place { calendar: id, role })
    }

    pub(crate) fn calendar(&self, id: &str) -> Result<&Calendar, Refusal> {
        self.calendars.get(id).ok_or_else(Refusal::not_found)
    }

    /// Who reads: with the response's zone, and how many attendees they want to see.
    pub(crate) fn reader(&self, caller: &Caller, place: &Place, ask: &Ask) -> Result<Reader, Refusal> {
        let zone = match ask.query.get("timeZone") {
            Some(name) => zone(name).ok_or_else(|| Refusal::invalid_parameter("timeZone", "Invalid time zone."))?,
            None => self.calendar(&place.calendar)?.time_zone(),
        };
        Ok(Reader {
            account: caller.account.clone(),
            role: place.role,
            zone,
            attendees_max: ask.query.count("maxAttendees")?,
        })
    }
}

impl Calendar {
    /// The event of that id: a stored one, or an occurrence of a series.
    pub(crate) fn find(&self, id: &str) -> Option<Event> {
        match self.event(id) {
            // An exception that its series had dropped: the series may have its slot again.
            Some(event) if event.life == Life::Stray => Some(self.computed(id).unwrap_or_else(|| event.clone())),
            Some(event) => Some(event.clone()),
            None => self.computed(id),
        }
    }

    /// The occurrence of that id, as its series has it.
    fn computed(&self, id: &str) -> Option<Event> {
        let (master, suffix) = id.rsplit_once('_')?;
        let master = self.event(master).filter(|master| master.live() && master.is_series())?;
        let start = from_suffix(suffix, &master.start)?;
        let series = Series::read(&master.recurrence, &master.start).ok()?;
        series.has(&start).then(|| master.occurrence(&start))
    }

    /// The series of an exception or occurrence.
    pub(crate) fn master_of(&self, event: &Event) -> Option<&Event> {
        event.slot.as_ref().and_then(|slot| self.event(&slot.master_id))
    }
}

impl Event {
    /// The wall time of an occurrence's start in the series' own zone.
    pub(crate) fn wall_of(&self, start: &Moment) -> DateTime {
        match (&self.start, start) {
            (Moment::Time { zone, .. }, Moment::Time { ms, .. }) => Moment::Time { ms: *ms, zone: zone.clone() }.wall(),
            _ => start.wall(),
        }
    }

    /// One occurrence, as the series has it.
    pub(crate) fn occurrence(&self, start: &Moment) -> Event {
        let utc = TimeZone::UTC;
        let length = self.end.ms(&utc) - self.start.ms(&utc);
        let end = match (&self.end, start.plus_ms(length)) {
            // The end keeps its own zone.
            (Moment::Time { zone, .. }, Moment::Time { ms, .. }) => Moment::Time { ms, zone: zone.clone() },
            (_, end) => end,
        };
        Event {
            id: format!("{}_{}", self.id, start.suffix()),
            start: start.clone(),
            end,
            recurrence: Vec::new(),
            slot: Some(Slot { master_id: self.id.clone(), start: start.clone() }),
            exceptions: BTreeMap::new(),
            life: Life::Live,
            ..self.clone()
        }
    }
}

fn from_suffix(suffix: &str, like: &Moment) -> Option<Moment> {
    let part = |from: usize, to: usize| suffix.get(from..to);
    let date = format!("{}-{}-{}", part(0, 4)?, part(4, 6)?, part(6, 8)?);
    match (like, suffix.len()) {
        (Moment::Date(_), 8) => date.parse::<Date>().ok().map(Moment::Date),
        (Moment::Time { zone, .. }, 16) => {
            let time = format!("{date}T{}:{}:{}Z", part(9, 11)?, part(11, 13)?, part(13, 15)?);
            (part(8, 9)? == "T" && part(15, 16)? == "Z").then_some(())?;
            Some(Moment::Time { ms: parse_instant(&time)?, zone: zone.clone() })
        }
        _ => None,
    }
}

/// `If-Match`: absent, `*`, or one of the etags it lists.
pub(crate) fn if_match(ask: &Ask, number: u64) -> Result<(), Refusal> {
    let own = etag(number);
    match ask.header(header::IF_MATCH) {
        None => Ok(()),
        Some(given) if given.split(',').map(str::trim).any(|one| one == "*" || one == own) => Ok(()),
        Some(_) => Err(Refusal::condition_not_met()),
    }
}

/// Whether `If-None-Match` names the etag: the reader has it already.
pub(crate) fn not_modified(ask: &Ask, own: &str) -> bool {
    ask.header(header::IF_NONE_MATCH).is_some_and(|given| given.split(',').map(str::trim).any(|one| one == own))
}
