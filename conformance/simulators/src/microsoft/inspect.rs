//! Looking in from outside: for invariants, not for clients.

use serde_json::{Value, json};

use super::{
    Call, Mail, Microsoft, Seen,
    item::Item,
    render::Reader,
    shape::Shape,
    world::{Event, World},
};

impl World {
    /// All of an event, with what is shown only on request.
    fn whole(&self, event: &Event) -> Value {
        let mut out = self.show(&Item::whole(event), &Reader { shape: Shape::default(), ..Reader::plain() });
        let gone: Vec<String> = event.cancelled.iter().map(ToString::to_string).collect();
        out.insert("cancelledOccurrences".into(), json!(gone));
        let changed: Vec<Value> = event
            .exceptions
            .keys()
            .map(|date| Value::Object(self.show(&Item::on(event, *date), &Reader::plain())))
            .collect();
        out.insert("exceptionOccurrences".into(), json!(changed));
        let extended: Vec<Value> =
            event.content.extended.iter().map(|(id, value)| json!({ "id": id, "value": value })).collect();
        out.insert("singleValueExtendedProperties".into(), json!(extended));
        Value::Object(out)
    }
}

/// Looking in.
impl Microsoft {
    /// Single events and series that are there, in UTC, under immutable ids, in the order of creation; series with the days of
    /// their removed occurrences and with their exceptions.
    pub fn events(&self, calendar: &str) -> Vec<Value> {
        let Some(found) = self.world.calendars.get(calendar) else { return Vec::new() };
        found.keys.iter().filter_map(|key| self.world.events.get(key)).map(|event| self.world.whole(event)).collect()
    }

    /// Single events and series that were deleted.
    pub fn deleted(&self, calendar: &str) -> Vec<Value> {
        let gone = self.world.events.values().filter(|event| event.deleted && event.calendar == calendar);
        gone.map(|event| self.world.whole(event)).collect()
    }

    /// One event, or an occurrence, by its id.
    pub fn event(&self, id: &str) -> Option<Value> {
        let (event, date) = self.world.find(id).ok()?;
        match date {
            None => Some(self.world.whole(event)),
            Some(_) => Some(Value::Object(self.world.show(&Item::of(event, date), &Reader::plain()))),
        }
    }

    /// Every occurrence that ends after the first instant and starts before the second, in the order of their starts.
    pub fn occurrences(&self, calendar: &str, from_ms: i64, to_ms: i64) -> Vec<Value> {
        let items = self.world.view(calendar, from_ms, to_ms);
        items.iter().map(|item| Value::Object(self.world.show(item, &Reader::plain()))).collect()
    }

    /// The ids of all calendars that are not deleted.
    pub fn calendars(&self) -> Vec<String> {
        self.world.calendars.values().filter(|calendar| !calendar.deleted).map(|calendar| calendar.id.clone()).collect()
    }

    /// The id of an account's default calendar.
    pub fn default_calendar(&self, account: &str) -> Option<String> {
        self.world.accounts.get(account).map(|account| account.default_calendar.clone())
    }

    /// All accounts.
    pub fn accounts(&self) -> Vec<String> {
        self.world.accounts.keys().cloned().collect()
    }

    /// Every request, with headers and body; calls of a batch each on their own, after it.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// Forgets the requests that were seen.
    pub fn forget_seen(&mut self) {
        self.seen.clear();
    }

    /// How often a call came.
    pub fn count(&self, call: Call) -> u64 {
        self.counts.get(&call).copied().unwrap_or(0)
    }

    /// What would have been mailed.
    pub fn mails(&self) -> &[Mail] {
        &self.world.mails
    }

    /// The most requests that one mailbox had at once.
    pub fn most_at_once(&self) -> usize {
        self.world.throttle.most_at_once
    }

    /// The requests of the API as JSON lines of `method`, `path` and `body`, for a validator.
    pub fn requests_as_lines(&self) -> String {
        let api = self.seen.iter().filter(|seen| seen.call.needs_token() || seen.call == Call::Batch);
        api.map(|seen| {
            let path = seen.request.uri().path_and_query().map_or("", |path| path.as_str());
            let body = String::from_utf8_lossy(seen.request.body());
            format!("{}\n", json!({ "method": seen.request.method().as_str(), "path": path, "body": body }))
        })
        .collect()
    }
}
