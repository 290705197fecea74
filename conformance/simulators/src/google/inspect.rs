//! Looking in from outside: for invariants, not for clients.

use serde_json::Value;

use super::{
    Call, Google, Mail, Seen,
    filter::Filter,
    render::{Reader, full},
    world::{Calendar, Event, Life, Role},
};

/// The owner, reading in the calendar's zone.
pub(crate) fn owner(calendar: &Calendar) -> Reader {
    Reader { account: calendar.owner.clone(), role: Role::Owner, zone: calendar.time_zone(), attendees_max: None }
}

/// Looking in.
impl Google {
    /// Single events, series, changed occurrences, and removed occurrences (`cancelled`) of live series, as the owner sees
    /// them; in the order of creation.
    pub fn events(&self, calendar: &str) -> Vec<Value> {
        let there = |calendar: &Calendar, event: &Event| match event.life {
            Life::Live => true,
            Life::Cancelled => event.slot.is_some() && super::list::series_lives(calendar, event),
            Life::Stray => false,
        };
        let Some(calendar) = self.world.calendars.get(calendar).filter(|calendar| !calendar.deleted) else {
            return Vec::new();
        };
        let reader = owner(calendar);
        let found = calendar.events.iter().filter(|event| there(calendar, event));
        found.map(|event| Value::Object(full(calendar, event, &reader))).collect()
    }

    /// The ids of a series' first occurrences, removed and changed ones included.
    pub fn first_occurrences(&self, calendar: &str, series: &str, max: usize) -> Vec<String> {
        let found = self.world.calendars.get(calendar).and_then(|calendar| calendar.event(series));
        let starts = found.map(|master| master.starts(max)).unwrap_or_default();
        starts.iter().map(|start| format!("{series}_{}", start.suffix())).collect()
    }

    /// Single events and series that were deleted.
    pub fn deleted(&self, calendar: &str) -> Vec<Value> {
        let Some(calendar) = self.world.calendars.get(calendar) else { return Vec::new() };
        let reader = owner(calendar);
        let found = calendar.events.iter().filter(|event| !event.live() && event.slot.is_none());
        found.map(|event| Value::Object(full(calendar, event, &reader))).collect()
    }

    /// One event, deleted ones included, or an occurrence, as the owner sees it.
    pub fn event(&self, calendar: &str, id: &str) -> Option<Value> {
        let calendar = self.world.calendars.get(calendar)?;
        Some(Value::Object(full(calendar, &calendar.find(id)?, &owner(calendar))))
    }

    /// Every occurrence that ends after the first instant and starts before the second, in the order of their starts.
    pub fn occurrences(&self, calendar: &str, from_ms: i64, to_ms: i64) -> Vec<Value> {
        let Some(calendar) = self.world.calendars.get(calendar).filter(|calendar| !calendar.deleted) else {
            return Vec::new();
        };
        let reader = owner(calendar);
        let sorted = Filter::window(calendar, from_ms, to_ms).sorted(calendar);
        sorted.iter().map(|event| Value::Object(full(calendar, event, &reader))).collect()
    }

    /// The ids of all calendars that are not deleted.
    pub fn calendars(&self) -> Vec<String> {
        self.world.calendars.values().filter(|calendar| !calendar.deleted).map(|calendar| calendar.id.clone()).collect()
    }

    /// The addresses of all accounts.
    pub fn accounts(&self) -> Vec<String> {
        self.world.accounts.keys().cloned().collect()
    }

    /// All requests seen, oldest first, since the start or [`Google::forget_seen`].
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// The requests of the API as JSON lines of `method`, `path` and `body`: what `conformance/google_schema.py` validates.
    pub fn requests_as_lines(&self) -> String {
        let mut lines = String::new();
        for seen in self.seen.iter().filter(|seen| seen.call.needs_token()) {
            let path = seen.request.uri().path_and_query().map_or("", |path| path.as_str());
            let body = String::from_utf8_lossy(seen.request.body());
            let line = serde_json::json!({ "method": seen.request.method().as_str(), "path": path, "body": body });
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        lines
    }

    /// Forgets the requests seen; the counts stay.
    pub fn forget_seen(&mut self) {
        self.seen.clear();
    }

    /// How often a call came.
    pub fn count(&self, call: Call) -> u64 {
        self.counts.get(&call).copied().unwrap_or(0)
    }

    /// How many requests came.
    pub fn count_all(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Units that an account spent through a client in the last minute.
    pub fn quota_spent(&self, now_ms: i64, client: &str, account: &str) -> usize {
        self.world.spent(now_ms, client, account)
    }

    /// The mails that would have been sent.
    pub fn mails(&self) -> &[Mail] {
        &self.world.mails
    }
}
