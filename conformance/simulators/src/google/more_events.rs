//! events.import, move, instances and quickAdd.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    call::{Call, Target},
    draft::{Draft, Status},
    filter::Filter,
    invite::{SendUpdates, email},
    moment::{Moment, parse_instant, zone},
    oauth::Caller,
    refusal::Refusal,
    render::{full, tombstone},
    request::Ask,
    token,
    world::{Event, Life, Person, World},
    write::{Reply, allowed, stale_sequence},
};

const PAGE_DEFAULT: usize = 250;
const PAGE_MAX: usize = 2500;
const HOUR_MS: i64 = 3_600_000;

impl World {
    /// A private copy of an event that exists elsewhere. The same UID again is an update.
    pub(crate) fn events_import(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let place = self.place(caller, Call::EventsImport, target)?;
        let body = ask.json()?;
        let calendar = self.calendar(&place.calendar)?;
        let draft = Draft::read(&body, &calendar.zone, allowed(ask))?;
        if draft.id.is_some() {
            return Err(Refusal::invalid("Invalid resource id value."));
        }
        let uid = draft.uid.clone().ok_or_else(|| Refusal::required("Missing iCalUID."))?;
        if draft.event_type.as_ref().is_some_and(|given| given != "default") {
            return Err(Refusal::invalid("Invalid event type."));
        }
        let (start, end) = draft.times()?;
        let organizer = draft.organizer.clone().unwrap_or_else(|| (place.calendar.clone(), None));
        let own = organizer.0 == place.calendar;
        if !own && !draft.attendees.iter().any(|attendee| email(attendee) == place.calendar) {
            return Err(Refusal::new(
                400,
                "global",
                "participantIsNeitherOrganizerNorAttendee",
                "The owner of the calendar must either be the organizer or an attendee of an event that is imported.",
            ));
        }
        let same = calendar.uids.get(&uid).into_iter().flatten().filter_map(|at| calendar.events.get(*at));
        let old = same.into_iter().find(|event| event.slot.is_none()).cloned();
        if let (Some(old), Some(given)) = (&old, draft.sequence)
            && given < old.sequence
        {
            return Err(stale_sequence());
        }
        let id = old.as_ref().map_or_else(|| format!("_{}", self.new_id()), |old| old.id.clone());
        let mut event = Event {
            id: id.clone(),
            uid,
            etag: 0,
            seq: 0,
            created_ms: old.as_ref().map_or(ask.now_ms, |old| old.created_ms),
            updated_ms: ask.now_ms,
            life: Life::Live,
            tentative: false,
            start,
            end,
            recurrence: draft.recurrence,
            slot: None,
            exceptions: old.as_ref().map_or_else(BTreeMap::new, |old| old.exceptions.clone()),
            fields: draft.fields,
            attendees: draft.attendees,
            reminders: draft.reminders.map(|reminders| (caller.account.clone(), reminders)).into_iter().collect(),
            organizer: Person { email: organizer.0, name: organizer.1 },
            creator: Person::of(&caller.account),
            sequence: draft.sequence.or(old.as_ref().map(|old| old.sequence)).unwrap_or(0),
            event_type: "default".into(),
            private_copy: !own,
        };
        event.set_status(draft.status.unwrap_or(Status::Confirmed));
        match old {
            // Never mailed, never passed on to the other people.
            Some(old) => self.put_quietly(ask.now_ms, &place.calendar, &old, event),
            None => _ = self.store(ask.now_ms, &place.calendar, event, false),
        }
        self.show(ask, caller, &place, &id)
    }

    pub(crate) fn events_move(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let place = self.place(caller, Call::EventsMove, target)?;
        let named = ask.query.get("destination").ok_or_else(|| Refusal::required("Required parameter: destination"))?;
        let there = self.place_of(caller, Call::EventsMove, named)?;
        let event = self.calendar(&place.calendar)?.find(&target.event).ok_or_else(Refusal::not_found)?;
        if !event.live() {
            return Err(Refusal::deleted());
        }
        self.move_event(ask.now_ms, &place.calendar, &there.calendar, &event)?;
        self.mail(ask.now_ms, SendUpdates::of(ask), &there.calendar, &event, "REQUEST");
        self.show(ask, caller, &there, &event.id)
    }

    pub(crate) fn events_instances(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let place = self.place(caller, Call::EventsInstances, target)?;
        let reader = self.reader(caller, &place, ask)?;
        let calendar = self.calendar(&place.calendar)?;
        let master = calendar.event(&target.event).ok_or_else(Refusal::not_found)?;
        if !master.is_series() {
            return Err(Refusal::invalid("The event is not a recurring event."));
        }
        let bad = || Refusal::bad_request("Bad Request");
        let time = |name: &str| ask.query.get(name).map(|text| parse_instant(text).ok_or_else(bad)).transpose();
        // Here the lower bound is inclusive.
        let (from, to) = (time("timeMin")?.map(|at| at - 1), time("timeMax")?);
        let show_deleted = ask.query.flag("showDeleted")?.unwrap_or(false);
        let original = match ask.query.get("originalStart") {
            None => None,
            Some(text) => Some(self.original(text, master).ok_or_else(bad)?),
        };
        let window = Filter::instances(calendar, ask.now_ms, from, to, show_deleted);
        let all: Vec<Event> = window
            .of_series(calendar, master)
            .into_iter()
            .filter(|event| {
                original.as_ref().is_none_or(|at| event.slot.as_ref().is_some_and(|slot| slot.start == *at))
            })
            .collect();
        let about = format!("{}/{}", place.calendar, master.id);
        let skip = match ask.query.get("pageToken") {
            None => 0,
            Some(given) => {
                let invalid = || Refusal::invalid_parameter("pageToken", "Invalid page token value.");
                let [at] = token::read::<1>(self.seed, "i", &about, given).ok_or_else(invalid)?;
                usize::try_from(at).unwrap_or(0)
            }
        };
        let max = ask.query.count("maxResults")?.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX);
        let shown = all.iter().skip(skip).take(max).map(|event| {
            Value::Object(if event.live() { full(calendar, event, &reader) } else { tombstone(event, &reader) })
        });
        let items: Vec<Value> = shown.collect();
        let next = skip.saturating_add(items.len());
        let mut body: Map<String, Value> = self.envelope(calendar, caller, &reader)?;
        if next < all.len() {
            let at = i64::try_from(next).unwrap_or(i64::MAX);
            body.insert("nextPageToken".into(), json!(token::make(self.seed, "i", &about, &[at])));
        }
        body.insert("items".into(), Value::Array(items));
        Ok(Reply::Json(Value::Object(body)))
    }

    fn original(&self, text: &str, master: &Event) -> Option<Moment> {
        match &master.start {
            Moment::Date(_) => text.get(..10)?.parse().ok().map(Moment::Date),
            Moment::Time { zone: own, .. } => {
                let ms = match parse_instant(text) {
                    Some(ms) => ms,
                    None => super::moment::wall_ms(text.parse().ok()?, &zone(own)?)?,
                };
                Some(Moment::Time { ms, zone: own.clone() })
            }
        }
    }

    /// An hour from the next full one, with the text as its title: no words are understood.
    pub(crate) fn events_quick_add(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let place = self.place(caller, Call::EventsQuickAdd, target)?;
        let text = ask.query.get("text").ok_or_else(|| Refusal::required("Required parameter: text"))?;
        let zone = self.calendar(&place.calendar)?.zone.clone();
        let ms = (ask.now_ms / HOUR_MS + 1) * HOUR_MS;
        let utc = jiff::tz::TimeZone::UTC;
        let (start, end) =
            (Moment::Time { ms, zone: zone.clone() }, Moment::Time { ms: ms + HOUR_MS, zone: zone.clone() });
        let body = json!({ "summary": text, "start": start.write(&utc), "end": end.write(&utc) });
        let draft = Draft::read(body.as_object().ok_or_else(Refusal::parse_error)?, &zone, allowed(ask))?;
        let event = self.insert(ask.now_ms, &place, &caller.account, draft)?;
        self.show(ask, caller, &place, &event.id)
    }
}
