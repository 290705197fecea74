//! events.get, insert, update, patch and delete.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    call::{Call, Target},
    draft::{Allowed, Draft, Status, merge},
    find::{Place, if_match, not_modified},
    invite::{SendUpdates, answer, email},
    oauth::Caller,
    recur::Series,
    refusal::Refusal,
    render::{etag, full, writable},
    request::Ask,
    world::{Event, Life, Person, World},
};

const ID_MIN: usize = 5;
const ID_MAX: usize = 1024;
/// What only the organizer may change.
const SHARED_FIELDS: &[&str] = &[
    "summary",
    "description",
    "location",
    "guestsCanInviteOthers",
    "guestsCanModify",
    "guestsCanSeeOtherGuests",
    "conferenceData",
    "attachments",
];

/// Whether a write replaces the event or only what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Update,
    Patch,
}

/// A successful answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Json(Value),
    /// 204.
    Empty,
    /// 304.
    NotModified,
}

pub(crate) fn allowed(ask: &Ask) -> Allowed {
    Allowed {
        conference: ask.query.get("conferenceDataVersion") == Some("1"),
        attachments: ask.query.get("supportsAttachments") == Some("true"),
    }
}

impl World {
    pub(crate) fn events_get(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let place = self.place(caller, Call::EventsGet, target)?;
        let reader = self.reader(caller, &place, ask)?;
        let calendar = self.calendar(&place.calendar)?;
        let event = calendar.find(&target.event).ok_or_else(Refusal::not_found)?;
        if not_modified(ask, &etag(event.etag)) {
            return Ok(Reply::NotModified);
        }
        Ok(Reply::Json(Value::Object(full(calendar, &event, &reader))))
    }

    pub(crate) fn events_insert(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let place = self.place(caller, Call::EventsInsert, target)?;
        let draft = Draft::read(&ask.json()?, &self.calendar(&place.calendar)?.zone, allowed(ask))?;
        let event = self.insert(ask.now_ms, &place, &caller.account, draft)?;
        self.mail(ask.now_ms, SendUpdates::of(ask), &place.calendar, &event, "REQUEST");
        self.show(ask, caller, &place, &event.id)
    }

    /// Puts a new event into a calendar.
    pub(crate) fn insert(&mut self, now_ms: i64, place: &Place, account: &str, draft: Draft) -> Result<Event, Refusal> {
        let (start, end) = draft.times()?;
        let calendar = self.calendar(&place.calendar)?;
        if draft.id.is_some() && draft.uid.is_some() {
            return Err(Refusal::invalid("Invalid resource id value: id and iCalUID exclude each other."));
        }
        if let Some(id) = &draft.id {
            let letters = id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'v').contains(&byte));
            if !letters || !(ID_MIN..=ID_MAX).contains(&id.len()) {
                return Err(Refusal::invalid("Invalid resource id value."));
            }
            if calendar.ids.contains_key(id) {
                return Err(Refusal::duplicate());
            }
        }
        if let Some(uid) = &draft.uid
            && calendar.uids.get(uid).is_some_and(|same| !same.is_empty())
        {
            return Err(Refusal::duplicate());
        }
        let event_type = draft.event_type.clone().unwrap_or_else(|| "default".into());
        match event_type.as_str() {
            "default" | "birthday" => {}
            "outOfOffice" | "focusTime" | "workingLocation" if calendar.primary => {}
            _ => return Err(Refusal::invalid("Invalid event type.")),
        }
        let id = draft.id.clone().unwrap_or_else(|| self.new_id());
        let event = Event {
            uid: draft.uid.clone().unwrap_or_else(|| format!("{id}@google.com")),
            id,
            etag: 0,
            seq: 0,
            created_ms: now_ms,
            updated_ms: now_ms,
            life: if draft.status == Some(Status::Cancelled) { Life::Cancelled } else { Life::Live },
            tentative: draft.status == Some(Status::Tentative),
            start,
            end,
            recurrence: draft.recurrence,
            slot: None,
            exceptions: BTreeMap::new(),
            fields: draft.fields,
            attendees: draft.attendees,
            reminders: draft.reminders.map(|reminders| (account.to_owned(), reminders)).into_iter().collect(),
            organizer: Person::of(&place.calendar),
            creator: Person::of(account),
            sequence: draft.sequence.unwrap_or(0),
            event_type,
            private_copy: false,
        };
        let at = self.store(now_ms, &place.calendar, event, false);
        let event = self.calendar(&place.calendar)?.events.get(at).cloned().ok_or_else(Refusal::not_found)?;
        self.propagate(now_ms, &place.calendar, &event);
        Ok(event)
    }

    pub(crate) fn events_change(
        &mut self,
        ask: &Ask,
        caller: &Caller,
        target: &Target,
        kind: Kind,
    ) -> Result<Reply, Refusal> {
        let call = if kind == Kind::Update { Call::EventsUpdate } else { Call::EventsPatch };
        let place = self.place(caller, call, target)?;
        let event = self.calendar(&place.calendar)?.find(&target.event).ok_or_else(Refusal::not_found)?;
        if_match(ask, event.etag)?;
        let body = ask.json()?;
        let (changed, quiet) = self.changed(allowed(ask), &place, &caller.account, &event, &body, kind)?;
        let cancels = event.live() && !changed.live();
        let reply = if changed.organizer.email != place.calendar { "REPLY" } else { "REQUEST" };
        self.put(ask.now_ms, &place.calendar, &event, changed.clone(), quiet);
        self.mail(ask.now_ms, SendUpdates::of(ask), &place.calendar, &changed, if cancels { "CANCEL" } else { reply });
        self.show(ask, caller, &place, &changed.id)
    }

    /// The event after a write, and whether it is one of reminders only.
    pub(crate) fn changed(
        &self,
        may: Allowed,
        place: &Place,
        account: &str,
        event: &Event,
        body: &Map<String, Value>,
        kind: Kind,
    ) -> Result<(Event, bool), Refusal> {
        let calendar = self.calendar(&place.calendar)?;
        let mut wanted = match kind {
            Kind::Update => body.clone(),
            Kind::Patch => writable(event, account, &calendar.time_zone()),
        };
        if kind == Kind::Patch {
            let mut patch = body.clone();
            // Reminders are replaced as a whole.
            let reminders = patch.remove("reminders");
            merge(&mut wanted, &patch);
            match reminders {
                Some(Value::Null) => _ = wanted.remove("reminders"),
                Some(reminders) => _ = wanted.insert("reminders".into(), reminders),
                None => {}
            }
        }
        let draft = Draft::read(&wanted, &calendar.zone, may)?;
        if draft.event_type.as_ref().is_some_and(|given| *given != event.event_type) {
            return Err(Refusal::invalid("Event type cannot be changed."));
        }
        if draft.sequence.is_some_and(|given| given < event.sequence) {
            return Err(stale_sequence());
        }
        let (start, end) = draft.times()?;
        let mut changed = event.clone();
        changed.start = start;
        changed.end = end;
        // An occurrence has no rule of its own.
        changed.recurrence = if event.slot.is_some() { Vec::new() } else { draft.recurrence };
        changed.fields = draft.fields;
        for (name, may) in [("conferenceData", may.conference), ("attachments", may.attachments)] {
            if let (false, Some(kept)) = (may, event.fields.get(name)) {
                changed.fields.insert(name.into(), kept.clone());
            }
        }
        changed.attendees = draft.attendees;
        if changed.fields.remove("attendeesOmitted").is_some() {
            // The list is not meant as a whole: it says the writer's own answer and nothing else.
            let own = changed
                .attendees
                .iter()
                .find(|entry| email(entry) == place.calendar)
                .map(|entry| answer(entry).to_owned());
            changed.attendees.clone_from(&event.attendees);
            if let (Some(own), Some(entry)) =
                (own, changed.attendees.iter_mut().find(|entry| email(entry) == place.calendar))
            {
                entry.insert("responseStatus".into(), Value::String(own));
            }
        }
        match draft.reminders {
            Some(reminders) => _ = changed.reminders.insert(account.to_owned(), reminders),
            None => _ = changed.reminders.remove(account),
        }
        changed.set_status(draft.status.unwrap_or(Status::Confirmed));
        if event.life == Life::Stray && changed.life == Life::Cancelled {
            changed.life = Life::Stray;
        }
        if let Some(master) = calendar.master_of(event) {
            inherit_visibility(&mut changed, master);
        }
        let times = |event: &Event| (event.start.clone(), event.end.clone(), event.recurrence.clone());
        if let Some(given) = draft.sequence.filter(|given| *given > event.sequence) {
            changed.sequence = given;
        } else if times(&changed) != times(event) {
            changed.sequence += 1;
        }
        if event.organizer.email != place.calendar
            && !event.private_copy
            && event.fields.get("guestsCanModify").is_none()
        {
            by_guest(&place.calendar, event, &changed)?;
        }
        let mut without = changed.clone();
        without.reminders.clone_from(&event.reminders);
        let quiet = same(&without, event) && changed.reminders != event.reminders;
        Ok((changed, quiet))
    }

    /// Stores a changed event with all that follows from it.
    pub(crate) fn put(&mut self, now_ms: i64, calendar_id: &str, before: &Event, event: Event, quiet: bool) {
        self.store(now_ms, calendar_id, event.clone(), quiet);
        if event.slot.is_none()
            && (event.start != before.start || event.recurrence != before.recurrence || event.life != before.life)
        {
            self.fit_exceptions(now_ms, calendar_id, before, &event);
        }
        if let Some(slot) = &event.slot
            && event.is_private()
        {
            self.tighten(now_ms, calendar_id, &slot.master_id);
        }
        if event.organizer.email == calendar_id {
            self.propagate(now_ms, calendar_id, &event);
            return;
        }
        let own = |event: &Event| {
            event.attendees.iter().find(|entry| email(entry) == calendar_id).map(|entry| answer(entry).to_owned())
        };
        let now = if event.live() { own(&event) } else { Some("declined".to_owned()) };
        if let Some(now) = now.filter(|now| Some(now) != own(before).as_ref()) {
            self.answered(now_ms, calendar_id, &event, &now);
        }
    }

    /// Stores a changed event without telling the other people of it.
    pub(crate) fn put_quietly(&mut self, now_ms: i64, calendar_id: &str, before: &Event, event: Event) {
        self.store(now_ms, calendar_id, event.clone(), false);
        self.fit_exceptions(now_ms, calendar_id, before, &event);
    }

    /// After a series changed: exceptions whose slot it no longer has are gone, those whose slot it has again are as the series
    /// has them. A removed occurrence's goes silently, and stays only when the series was deleted, so that it can come back.
    fn fit_exceptions(&mut self, now_ms: i64, calendar_id: &str, before: &Event, master: &Event) {
        let revived = master.live() && !before.live();
        let series = (master.live() && master.is_series())
            .then(|| Series::read(&master.recurrence, &master.start).ok())
            .flatten();
        let Some(calendar) = self.calendars.get_mut(calendar_id) else { return };
        let Some(stored) = calendar.event(&master.id) else { return };
        let mut told = Vec::new();
        for at in stored.exceptions.values().copied().collect::<Vec<_>>() {
            let Some(exception) = calendar.events.get_mut(at) else { continue };
            let Some(slot) = &exception.slot else { continue };
            let fits = series.as_ref().is_some_and(|series| series.has(&slot.start));
            match exception.life {
                Life::Live if !fits => told.push(Event { life: Life::Stray, ..exception.clone() }),
                Life::Cancelled if !fits && master.live() => exception.life = Life::Stray,
                life if fits && (revived || life == Life::Stray) => {
                    told.push(Event { created_ms: exception.created_ms, ..master.occurrence(&slot.start) });
                }
                _ => {}
            }
        }
        for exception in told {
            self.store(now_ms, calendar_id, exception, false);
        }
    }

    /// A stricter visibility of one occurrence holds for the series.
    fn tighten(&mut self, now_ms: i64, calendar_id: &str, master_id: &str) {
        let master = self.calendars.get(calendar_id).and_then(|calendar| calendar.event(master_id)).cloned();
        if let Some(mut master) = master.filter(|master| !master.is_private()) {
            master.fields.insert("visibility".into(), Value::String("private".into()));
            self.store(now_ms, calendar_id, master, false);
        }
    }

    pub(crate) fn events_delete(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let place = self.place(caller, Call::EventsDelete, target)?;
        let event = self.calendar(&place.calendar)?.find(&target.event).ok_or_else(Refusal::not_found)?;
        if !event.live() {
            return Err(Refusal::deleted());
        }
        if_match(ask, event.etag)?;
        self.remove(ask.now_ms, &place.calendar, &event);
        let method = if event.organizer.email == place.calendar { "CANCEL" } else { "REPLY" };
        self.mail(ask.now_ms, SendUpdates::of(ask), &place.calendar, &event, method);
        Ok(Reply::Empty)
    }

    /// Deletes an event, or one occurrence.
    pub(crate) fn remove(&mut self, now_ms: i64, calendar_id: &str, event: &Event) {
        self.put(now_ms, calendar_id, event, Event { life: Life::Cancelled, ..event.clone() }, false);
    }

    /// The answer that shows an event.
    pub(crate) fn show(&self, ask: &Ask, caller: &Caller, place: &Place, id: &str) -> Result<Reply, Refusal> {
        let reader = self.reader(caller, place, ask)?;
        let calendar = self.calendar(&place.calendar)?;
        let event = calendar.find(id).ok_or_else(Refusal::not_found)?;
        Ok(Reply::Json(Value::Object(full(calendar, &event, &reader))))
    }
}

pub(crate) fn stale_sequence() -> Refusal {
    Refusal::invalid(
        "Invalid sequence value. The specified sequence number is below the current sequence number of the resource. \
         Re-fetch the resource and use its sequence number on the following request.",
    )
}

fn same(one: &Event, other: &Event) -> bool {
    one.fields == other.fields
        && one.start == other.start
        && one.end == other.end
        && one.recurrence == other.recurrence
        && one.attendees == other.attendees
        && one.life == other.life
        && one.tentative == other.tentative
        && one.sequence == other.sequence
}

/// A looser visibility of one occurrence is ignored.
fn inherit_visibility(event: &mut Event, master: &Event) {
    if master.is_private()
        && !event.is_private()
        && let Some(value) = master.fields.get("visibility")
    {
        event.fields.insert("visibility".into(), value.clone());
    }
}

/// What a guest may change on their copy: their answer, and what is theirs alone.
fn by_guest(own: &str, before: &Event, after: &Event) -> Result<(), Refusal> {
    let others = |event: &Event| -> Vec<Map<String, Value>> {
        event.attendees.iter().filter(|entry| email(entry) != own).cloned().collect()
    };
    let shared = |event: &Event| event.fields.get("extendedProperties").and_then(|all| all.get("shared")).cloned();
    let same_fields = SHARED_FIELDS.iter().all(|name| before.fields.get(*name) == after.fields.get(*name));
    let same_times = before.start == after.start && before.end == after.end && before.recurrence == after.recurrence;
    if same_fields && same_times && others(before) == others(after) && shared(before) == shared(after) {
        Ok(())
    } else {
        Err(Refusal::not_organizer())
    }
}
