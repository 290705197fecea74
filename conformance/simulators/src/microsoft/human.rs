//! A person at the provider's own calendar page.

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::{
    Microsoft,
    draft::Draft,
    ids::{Form, Named, read, write},
    item::Item,
    pattern::{End, Recurrence},
    refusal::Refusal,
    render::Reader,
    world::{Content, Event, World},
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

/// One person, one calendar, one moment. Events are written in the API's own form; ids are immutable ones, of events or of
/// occurrences as [`Human::occurrences`] names them. What changes is answered with the id of what was written.
#[derive(Debug)]
pub struct Human<'a> {
    world: &'a mut World,
    now_ms: i64,
    calendar: String,
    account: String,
}

impl Microsoft {
    /// The calendar's owner at its page.
    pub fn human(&mut self, now_ms: i64, calendar: &str) -> Human<'_> {
        let now_ms = now_ms.saturating_add(self.ahead_ms);
        let account = self.world.calendars.get(calendar).map(|found| found.owner.clone()).unwrap_or_default();
        Human { world: &mut self.world, now_ms, calendar: calendar.to_owned(), account }
    }
}

impl Human<'_> {
    /// A new event.
    pub fn create(&mut self, event: &Value) -> Result<String, Refused> {
        let draft = self.draft(event)?;
        let key = self.world.create(self.now_ms, &self.account.clone(), &self.calendar.clone(), &draft)?;
        self.id(key, None)
    }

    /// An invitation from somebody else: an event whose organizer is not the mailbox's owner.
    pub fn invited(&mut self, event: &Value, organizer: &str) -> Result<String, Refused> {
        let id = self.create(event)?;
        let (key, _) = self.key(&id)?;
        let mut changed = self.event(&id)?.clone();
        changed.own = false;
        changed.organizer = (organizer.to_owned(), organizer.to_owned());
        self.world.store(self.now_ms, changed);
        self.id(key, None)
    }

    /// Changes members of an event, a whole series, or one occurrence.
    pub fn edit(&mut self, id: &str, patch: &Value) -> Result<String, Refused> {
        let (key, date) = self.key(id)?;
        let draft = self.draft(patch)?;
        self.world.update(self.now_ms, key, date, &draft, true)?;
        self.id(key, date)
    }

    /// Moves an event, a whole series or one occurrence to another time.
    pub fn move_time(&mut self, id: &str, start: &Value, end: &Value) -> Result<String, Refused> {
        self.edit(id, &json!({ "start": start, "end": end }))
    }

    /// Moves by so many milliseconds.
    pub fn shift(&mut self, id: &str, by_ms: i64) -> Result<String, Refused> {
        let (key, date) = self.key(id)?;
        let event = self.event(id)?.clone();
        let item = Item::of(&event, date);
        let mut draft = Draft {
            start: Some(item.content.start.plus_ms(by_ms)),
            end: Some(item.content.end.plus_ms(by_ms)),
            ..Draft::default()
        };
        // A series' pattern goes with it where it names a day.
        if let (Some(recurrence), None) = (&event.recurrence, date) {
            let mut value = recurrence.write(event.recurrence_zone());
            let start = draft.start.as_ref().map(|start| start.wall.date().to_string());
            if let Some(range) = value.get_mut("range").and_then(Value::as_object_mut) {
                range.insert("startDate".into(), json!(start));
            }
            draft.recurrence = Some(Some(value));
        }
        self.world.update(self.now_ms, key, date, &draft, true)?;
        self.id(key, date)
    }

    /// The ids of a series' first occurrences, changed ones included.
    pub fn occurrences(&self, series: &str, max: usize) -> Vec<String> {
        let Ok(event) = self.event(series) else { return Vec::new() };
        let days = event.recurrence.as_ref().map(|recurrence| recurrence.dates(None, max)).unwrap_or_default();
        let there = days.into_iter().filter(|day| !event.cancelled.contains(day));
        there.map(|day| self.world.event_id(event, Some(day), Form::Immutable)).collect()
    }

    /// Deletes an event, a whole series or one occurrence.
    pub fn delete(&mut self, id: &str) -> Result<(), Refused> {
        let (key, date) = self.key(id)?;
        Ok(self.world.remove(self.now_ms, key, date)?)
    }

    /// Brings back an event from the deleted items.
    pub fn restore(&mut self, id: &str) -> Result<(), Refused> {
        let named = read(self.world.seed, id).ok_or_else(|| Refused("There is no such event.".into()))?;
        let mut event =
            self.world.events.get(&named.key).cloned().ok_or_else(|| Refused("There is no such event.".into()))?;
        if !event.deleted {
            return Err(Refused("It is not deleted.".into()));
        }
        event.deleted = false;
        self.world.store(self.now_ms, event);
        Ok(())
    }

    /// Changes an occurrence and all after it: the series ends before it, and a new one begins with it.
    /// Answers with the new series' id.
    pub fn split(&mut self, occurrence: &str, patch: &Value) -> Result<String, Refused> {
        let (key, date) = self.key(occurrence)?;
        let date = date.ok_or_else(|| Refused("It is not an occurrence.".into()))?;
        let mut old = self.event(occurrence)?.clone();
        let Some(recurrence) = old.recurrence.clone() else { return Err(Refused("It is no series.".into())) };
        let before = recurrence.dates(Some(date), usize::MAX).len().saturating_sub(1);
        if before == 0 {
            let series = self.id(key, None)?;
            return self.edit(&series, patch);
        }
        let draft = self.draft(patch)?;
        let (start, end) = old.slot(date);
        let mut content = Content { start, end, ..old.content.clone() };
        draft.lay(&mut content)?;
        let rest = match recurrence.end {
            End::After(count) => End::After(count.saturating_sub(before)),
            other => other,
        };
        let begins = content.start.wall.date();
        let new_key = self.world.next_key();
        let mut new = Event {
            key: new_key,
            uid: super::ids::uid(self.world.seed, new_key, self.now_ms),
            created_ms: self.now_ms,
            moves: 0,
            content,
            recurrence: Some(Recurrence { start: begins, end: rest, ..recurrence.clone() }),
            exceptions: old.exceptions.split_off(&date),
            cancelled: old.cancelled.split_off(&date),
            transaction: None,
            ..old.clone()
        };
        if !draft.fields.is_empty() || draft.start.is_some() {
            // What was changed of single occurrences goes with the old series.
            new.exceptions.clear();
            new.cancelled.clear();
        }
        let last = date.yesterday().map_err(|_| Refused("It is too early.".into()))?;
        old.recurrence = Some(Recurrence { end: End::On(last), ..recurrence });
        self.world.store(self.now_ms, old);
        self.world.store(self.now_ms, new);
        self.id(new_key, None)
    }

    /// Moves an event to another calendar of the same person: its mutable id changes.
    pub fn move_to(&mut self, id: &str, calendar: &str) -> Result<String, Refused> {
        let (key, date) = self.key(id)?;
        if date.is_some() {
            return Err(Refused("An occurrence cannot be moved alone.".into()));
        }
        let own = self.world.calendars.get(calendar).is_some_and(|found| found.owner == self.account && !found.deleted);
        if !own {
            return Err(Refused("There is no such calendar.".into()));
        }
        let mut event = self.event(id)?.clone();
        event.calendar = calendar.to_owned();
        event.moves += 1;
        let (now_ms, old) = (self.now_ms, self.calendar.clone());
        self.world.store(now_ms, event);
        // The old calendar's deltas tell that it is gone.
        let seq = self.world.next_seq();
        if let Some(old) = self.world.calendars.get_mut(&old) {
            old.changes.insert(seq, key);
        }
        self.calendar = calendar.to_owned();
        self.id(key, None)
    }

    /// Copies an event as it is, with what other programs noted on it, so many milliseconds later.
    pub fn copy(&mut self, id: &str, by_ms: i64) -> Result<String, Refused> {
        let event = self.event(id)?.clone();
        let key = self.world.next_key();
        let mut content = event.content.clone();
        content.start = content.start.plus_ms(by_ms);
        content.end = content.end.plus_ms(by_ms);
        let copy = Event {
            key,
            uid: super::ids::uid(self.world.seed, key, self.now_ms),
            created_ms: self.now_ms,
            moves: 0,
            content,
            recurrence: None,
            exceptions: Default::default(),
            cancelled: Default::default(),
            transaction: None,
            ..event
        };
        self.world.store(self.now_ms, copy);
        self.id(key, None)
    }

    /// Answers an invitation: `accepted`, `tentativelyAccepted`, `declined`.
    pub fn respond(&mut self, id: &str, response: &str) -> Result<String, Refused> {
        let (key, _) = self.key(id)?;
        self.world.set_response(self.now_ms, key, response)?;
        self.id(key, None)
    }

    /// What the event is now.
    pub fn show(&self, id: &str) -> Result<Value, Refused> {
        let (_, date) = self.key(id)?;
        let event = self.event(id)?;
        Ok(Value::Object(self.world.show(&Item::of(event, date), &Reader::plain())))
    }

    fn key(&self, id: &str) -> Result<(u64, Option<Date>), Refused> {
        let (event, date) = self.world.find(id).map_err(|_| Refused("There is no such event.".into()))?;
        if event.calendar != self.calendar {
            return Err(Refused("It is in another calendar.".into()));
        }
        Ok((event.key, date))
    }

    fn event(&self, id: &str) -> Result<&Event, Refused> {
        self.world.find(id).map(|(event, _)| event).map_err(|_| Refused("There is no such event.".into()))
    }

    fn id(&self, key: u64, date: Option<Date>) -> Result<String, Refused> {
        Ok(write(self.world.seed, Named { form: Form::Immutable, key, moves: 0, date }))
    }

    fn draft(&self, given: &Value) -> Result<Draft, Refused> {
        let empty = Map::new();
        Ok(Draft::read(given.as_object().unwrap_or(&empty), true)?)
    }
}
