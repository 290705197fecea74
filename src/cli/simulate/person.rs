//! A person at a provider's own page, whichever it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use kalends_simulators::google::{self, Call, Google};
use kalends_simulators::microsoft::{self, Microsoft};
use serde_json::{Value, json};

use super::outlook;
use super::there::word;

/// The providers, shared by all who reach them.
pub(super) struct Providers {
    google: Mutex<Google>,
    microsoft: Mutex<Microsoft>,
}

/// One of them all.
pub(super) type Shared = Arc<Providers>;

/// How an act ended: the item's id, or why it was refused.
pub(super) type Done = Result<String, String>;

impl Providers {
    pub(super) fn new(seed: u64) -> Shared {
        Arc::new(Providers { google: Mutex::new(Google::new(seed)), microsoft: Mutex::new(Microsoft::new(seed)) })
    }

    pub(super) fn google(&self) -> MutexGuard<'_, Google> {
        self.google.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn microsoft(&self) -> MutexGuard<'_, Microsoft> {
        self.microsoft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a calendar is Outlook's.
    pub(super) fn is_outlook(&self, calendar: &str) -> bool {
        self.microsoft().calendars().iter().any(|known| known == calendar)
    }

    /// Everything in a calendar: single events, series, their exceptions, and what was taken out of them.
    pub(super) fn events(&self, calendar: &str) -> Vec<Value> {
        if self.is_outlook(calendar) {
            self.microsoft().events(calendar).iter().flat_map(outlook::whole).collect()
        } else {
            self.google().events(calendar)
        }
    }

    /// What was deleted in it.
    pub(super) fn deleted(&self, calendar: &str) -> Vec<Value> {
        if self.is_outlook(calendar) {
            self.microsoft().deleted(calendar).iter().flat_map(outlook::whole).collect()
        } else {
            self.google().deleted(calendar)
        }
    }

    /// Its occurrences between two times.
    pub(super) fn occurrences(&self, calendar: &str, from_ms: i64, to_ms: i64) -> Vec<Value> {
        if self.is_outlook(calendar) {
            self.microsoft().occurrences(calendar, from_ms, to_ms).iter().map(outlook::seen).collect()
        } else {
            self.google().occurrences(calendar, from_ms, to_ms)
        }
    }

    /// How many calls that change events were made.
    pub(super) fn writes(&self) -> u64 {
        let google = self.google();
        let calls = [
            Call::EventsInsert,
            Call::EventsUpdate,
            Call::EventsPatch,
            Call::EventsDelete,
            Call::EventsImport,
            Call::EventsMove,
        ];
        let there: u64 = calls.into_iter().map(|call| google.count(call)).sum();
        let microsoft = self.microsoft();
        let changes = |method: &Method, path: &str| *method != Method::GET && path.contains("/events");
        let outlook = microsoft.seen().iter().filter(|s| changes(s.request.method(), s.request.uri().path()));
        there + outlook.count() as u64
    }
}

/// Somebody at the page of a calendar.
pub(super) struct Person {
    pub(super) at: Shared,
    pub(super) now_ms: i64,
    pub(super) calendar: String,
}

impl Person {
    /// Does the same at whichever page it is.
    fn act<R>(
        &self,
        google: impl FnOnce(google::Human<'_>) -> R,
        outlook: impl FnOnce(microsoft::Human<'_>) -> R,
    ) -> R {
        if self.at.is_outlook(&self.calendar) {
            outlook(self.at.microsoft().human(self.now_ms, &self.calendar))
        } else {
            google(self.at.google().human(self.now_ms, &self.calendar))
        }
    }

    /// What somebody writes, as Outlook has it.
    fn draft(&self, id: &str, event: &Value) -> Value {
        let events = if self.at.is_outlook(&self.calendar) { self.at.events(&self.calendar) } else { Vec::new() };
        let held = events.into_iter().find(|e| word(e, "id") == id);
        outlook::draft(event, &held.map_or(Value::Null, |held| held["start"].clone()))
    }

    /// Makes an event.
    pub(super) fn create(&self, event: &Value) -> Done {
        let draft = outlook::draft(event, &Value::Null);
        self.act(|mut p| p.create(event).map_err(|r| r.0), |mut p| p.create(&draft).map_err(|r| r.0))
    }

    /// Changes members of an event, a series or an occurrence.
    pub(super) fn edit(&self, id: &str, patch: &Value) -> Done {
        let draft = self.draft(id, patch);
        self.act(|mut p| p.edit(id, patch).map_err(|r| r.0), |mut p| p.edit(id, &draft).map_err(|r| r.0))
    }

    /// Gives it another time.
    pub(super) fn move_time(&self, id: &str, start: &Value, end: &Value) -> Done {
        self.edit(id, &json!({ "start": start, "end": end }))
    }

    /// Moves it by so many milliseconds.
    pub(super) fn shift(&self, id: &str, by_ms: i64) -> Done {
        self.act(|mut p| p.shift(id, by_ms).map_err(|r| r.0), |mut p| p.shift(id, by_ms).map_err(|r| r.0))
    }

    /// Makes a copy of it, so much later.
    pub(super) fn copy(&self, id: &str, by_ms: i64) -> Done {
        self.act(|mut p| p.copy(id, by_ms).map_err(|r| r.0), |mut p| p.copy(id, by_ms).map_err(|r| r.0))
    }

    /// The first instances of a series.
    pub(super) fn occurrences(&self, series: &str, max: usize) -> Vec<String> {
        self.act(|p| p.occurrences(series, max), |p| p.occurrences(series, max))
    }

    /// Deletes it.
    pub(super) fn delete(&self, id: &str) -> Result<(), String> {
        self.act(|mut p| p.delete(id).map_err(|r| r.0), |mut p| p.delete(id).map_err(|r| r.0))
    }

    /// Brings it back.
    pub(super) fn restore(&self, id: &str) -> Result<(), String> {
        self.act(|mut p| p.restore(id).map_err(|r| r.0), |mut p| p.restore(id).map_err(|r| r.0))
    }

    /// Changes an instance and all after it.
    pub(super) fn split(&self, occurrence: &str, patch: &Value) -> Done {
        let draft = outlook::draft(patch, &Value::Null);
        self.act(
            |mut p| p.split(occurrence, patch).map_err(|r| r.0),
            |mut p| p.split(occurrence, &draft).map_err(|r| r.0),
        )
    }

    /// Says when to be reminded.
    pub(super) fn set_reminders(&self, id: &str, reminders: &Value) -> Done {
        let draft = self.draft(id, &json!({ "reminders": reminders }));
        self.act(|mut p| p.set_reminders(id, reminders).map_err(|r| r.0), |mut p| p.edit(id, &draft).map_err(|r| r.0))
    }
}
