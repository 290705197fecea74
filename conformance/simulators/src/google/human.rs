//! A person at the provider's own calendar page.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{
    Google,
    draft::{Allowed, Draft},
    find::Place,
    invite::email,
    moment::{Moment, utc_ms},
    refusal::Refusal,
    world::{Event, Life, Role, World},
    write::Kind,
};

/// Why the page would not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.message)
    }
}

/// One person, one calendar, one moment. Events are written in the API's own form; ids are events', or occurrences' as
/// [`Human::occurrences`] names them. What changes is answered with the id of what was written.
#[derive(Debug)]
pub struct Human<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) now_ms: i64,
    pub(crate) calendar: String,
    pub(crate) account: String,
}

impl Google {
    /// The calendar's owner at its page.
    pub fn human(&mut self, now_ms: i64, calendar: &str) -> Human<'_> {
        let account = self.world.calendars.get(calendar).map(|found| found.owner.clone()).unwrap_or_default();
        Human { world: &mut self.world, now_ms, calendar: calendar.to_owned(), account }
    }
}

impl Human<'_> {
    /// A new event.
    pub fn create(&mut self, event: &Value) -> Result<String, Refused> {
        let draft = self.draft(event.as_object().ok_or_else(Refusal::parse_error)?)?;
        Ok(self.world.insert(self.now_ms, &self.place(), &self.account.clone(), draft)?.id)
    }

    /// Changes fields of an event, a whole series, or one occurrence. `null` clears; objects merge.
    pub fn edit(&mut self, id: &str, patch: &Value) -> Result<String, Refused> {
        let event = self.event(id)?;
        let patch = page_patch(patch)?;
        let may = Allowed { conference: true, attachments: true };
        let (changed, quiet) = self.world.changed(may, &self.place(), &self.account, &event, &patch, Kind::Patch)?;
        let id = changed.id.clone();
        self.world.put(self.now_ms, &self.calendar, &event, changed, quiet);
        Ok(id)
    }

    /// Moves an event, a whole series or one occurrence to another time, which may be all day.
    pub fn move_time(&mut self, id: &str, start: &Value, end: &Value) -> Result<String, Refused> {
        self.edit(id, &json!({ "start": start, "end": end }))
    }

    /// Moves by so many milliseconds; days stay days.
    pub fn shift(&mut self, id: &str, by_ms: i64) -> Result<String, Refused> {
        let event = self.event(id)?;
        let zone = TimeZone::UTC;
        self.move_time(id, &event.start.plus_ms(by_ms).write(&zone), &event.end.plus_ms(by_ms).write(&zone))
    }

    /// The ids of a series' first occurrences, removed and changed ones included.
    pub fn occurrences(&self, series: &str, max: usize) -> Vec<String> {
        let Ok(master) = self.event(series) else { return Vec::new() };
        master.starts(max).iter().map(|start| format!("{}_{}", master.id, start.suffix())).collect()
    }

    /// Deletes an event, a whole series or one occurrence.
    pub fn delete(&mut self, id: &str) -> Result<(), Refused> {
        let event = self.event(id)?;
        if !event.live() {
            return Err(Refusal::deleted().into());
        }
        self.world.remove(self.now_ms, &self.calendar, &event);
        Ok(())
    }

    /// Brings back what was deleted, a series with its exceptions.
    pub fn restore(&mut self, id: &str) -> Result<(), Refused> {
        let event = self.event(id)?;
        if event.live() {
            return Err(Refused("It is not deleted.".into()));
        }
        let revived = Event { life: Life::Live, ..event.clone() };
        self.world.store(self.now_ms, &self.calendar, revived.clone(), false);
        self.world.bring_back_exceptions(self.now_ms, &self.calendar, &revived);
        self.world.propagate(self.now_ms, &self.calendar, &revived);
        Ok(())
    }

    /// Changes an occurrence and all after it: the series ends before it, and a new one begins with it.
    /// Answers with the new series' id.
    pub fn split(&mut self, occurrence: &str, patch: &Value) -> Result<String, Refused> {
        let event = self.event(occurrence)?;
        let slot = event.slot.clone().ok_or_else(|| Refused("It is not an occurrence.".into()))?;
        let master = self.event(&slot.master_id)?;
        if master.start == slot.start {
            return self.edit(&slot.master_id, patch);
        }
        self.world
            .split(self.now_ms, &self.place(), &self.account.clone(), &master, &slot.start, patch)
            .map_err(Refused::from)
    }

    /// Moves an event to another calendar of the same person.
    pub fn move_to(&mut self, id: &str, calendar: &str) -> Result<String, Refused> {
        let event = self.event(id)?;
        self.world.move_event(self.now_ms, &self.calendar, calendar, &event)?;
        Ok(event.id)
    }

    /// Answers an invitation: `accepted`, `tentative`, `declined`.
    pub fn respond(&mut self, id: &str, response: &str) -> Result<String, Refused> {
        let event = self.event(id)?;
        let mut attendees = event.attendees.clone();
        let own = attendees.iter_mut().find(|entry| email(entry) == self.calendar);
        let own = own.ok_or_else(|| Refused("Not invited.".into()))?;
        own.insert("responseStatus".into(), json!(response));
        self.edit(id, &json!({ "attendees": attendees }))
    }

    /// Changes the person's own reminders and nothing else.
    pub fn set_reminders(&mut self, id: &str, reminders: &Value) -> Result<String, Refused> {
        self.edit(id, &json!({ "reminders": reminders }))
    }

    /// Copies an event as it is, with what other programs noted on it, so many milliseconds later.
    pub fn copy(&mut self, id: &str, by_ms: i64) -> Result<String, Refused> {
        let event = self.event(id)?;
        let new = self.world.new_id();
        let copy = Event {
            uid: format!("{new}@google.com"),
            id: new.clone(),
            life: Life::Live,
            start: event.start.plus_ms(by_ms),
            end: event.end.plus_ms(by_ms),
            created_ms: self.now_ms,
            slot: None,
            exceptions: Default::default(),
            sequence: 0,
            ..event
        };
        self.world.store(self.now_ms, &self.calendar, copy, false);
        Ok(new)
    }

    /// What the event is now, as the owner sees it.
    pub fn show(&self, id: &str) -> Result<Value, Refused> {
        let event = self.event(id)?;
        let calendar = self.world.calendar(&self.calendar)?;
        Ok(Value::Object(super::render::full(calendar, &event, &super::inspect::owner(calendar))))
    }

    /// When the calendar changed last, RFC 3339.
    pub fn updated(&self) -> Option<String> {
        self.world.calendars.get(&self.calendar).map(|calendar| utc_ms(calendar.updated_ms))
    }

    fn event(&self, id: &str) -> Result<Event, Refused> {
        let calendar = self.world.calendar(&self.calendar)?;
        calendar.find(id).ok_or_else(|| Refused("There is no such event.".into()))
    }

    fn place(&self) -> Place {
        Place { calendar: self.calendar.clone(), role: Role::Owner }
    }

    fn draft(&self, body: &Map<String, Value>) -> Result<Draft, Refused> {
        let zone = self.world.calendar(&self.calendar)?.zone.clone();
        Ok(Draft::read(body, &zone, Allowed { conference: true, attachments: true })?)
    }
}

impl Event {
    /// The starts of a series' first occurrences.
    pub(crate) fn starts(&self, max: usize) -> Vec<Moment> {
        super::recur::Series::read(&self.recurrence, &self.start)
            .map(|series| series.starts(None, max))
            .unwrap_or_default()
    }
}

/// A patch as the page makes it: it has one field for a time, so a day replaces an hour and the other way round.
pub(crate) fn page_patch(patch: &Value) -> Result<Map<String, Value>, Refusal> {
    let mut patch = patch.as_object().ok_or_else(Refusal::parse_error)?.clone();
    for name in ["start", "end"] {
        if let Some(time) = patch.get_mut(name).and_then(Value::as_object_mut) {
            let other = if time.contains_key("date") { "dateTime" } else { "date" };
            time.entry(other).or_insert(Value::Null);
        }
    }
    Ok(patch)
}
