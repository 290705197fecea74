//! Which events a listing takes, and in which order.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{
    list::{series_lives, start_ms},
    moment::{DAY_MS, instant, parse_instant},
    recur::Series,
    refusal::Refusal,
    request::Ask,
    world::{Calendar, Event, Life},
};

/// An endless series is expanded so far ahead when no `timeMax` ends it, as Google ends it some years ahead.
const HORIZON_DAYS: i64 = 730;
/// Occurrences of one series in one listing.
const OCCURRENCES_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Start,
    Updated,
}

/// The parameters of a listing, read.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) single: bool,
    pub(crate) show_deleted: bool,
    order: Option<Order>,
    uid: Option<String>,
    words: Option<String>,
    private: Vec<(String, String)>,
    shared: Vec<(String, String)>,
    types: Vec<String>,
    min_ms: Option<i64>,
    max_ms: Option<i64>,
    pub(crate) updated_min_ms: Option<i64>,
    zone: TimeZone,
    now_ms: i64,
}

impl Filter {
    pub(crate) fn read(ask: &Ask, calendar: &Calendar, delta: bool) -> Result<Self, Refusal> {
        let query = &ask.query;
        let time = |name: &str| match query.get(name) {
            None => Ok(None),
            Some(text) => {
                parse_instant(text).map(Some).ok_or_else(|| Refusal::new(400, "global", "badRequest", "Bad Request"))
            }
        };
        let pairs = |name: &'static str| {
            query
                .all(name)
                .map(|pair| {
                    let (key, value) = pair
                        .split_once('=')
                        .ok_or_else(|| Refusal::invalid_parameter(name, "Invalid property constraint."))?;
                    Ok((key.to_owned(), value.to_owned()))
                })
                .collect::<Result<Vec<_>, Refusal>>()
        };
        let single = query.flag("singleEvents")?.unwrap_or(false);
        let order = match query.get("orderBy") {
            None => None,
            Some("startTime") if single => Some(Order::Start),
            Some("startTime") => {
                return Err(Refusal::bad_request("The requested ordering is not available for the particular query."));
            }
            Some("updated") => Some(Order::Updated),
            Some(other) => return Err(Refusal::invalid_parameter("orderBy", format!("Invalid value '{other}'."))),
        };
        let types: Vec<String> = query.all("eventTypes").map(str::to_owned).collect();
        const TYPES: &[&str] = &["birthday", "default", "focusTime", "fromGmail", "outOfOffice", "workingLocation"];
        if let Some(other) = types.iter().find(|given| !TYPES.contains(&given.as_str())) {
            return Err(Refusal::invalid_parameter("eventTypes", format!("Invalid value '{other}'.")));
        }
        let filter = Self {
            single,
            show_deleted: query.flag("showDeleted")?.unwrap_or(false) || delta,
            order,
            uid: query.get("iCalUID").map(str::to_owned),
            words: query.get("q").map(str::to_lowercase),
            private: pairs("privateExtendedProperty")?,
            shared: pairs("sharedExtendedProperty")?,
            types,
            min_ms: time("timeMin")?,
            max_ms: time("timeMax")?,
            updated_min_ms: time("updatedMin")?,
            zone: calendar.time_zone(),
            now_ms: ask.now_ms,
        };
        query.flag("showHiddenInvitations")?;
        if let (Some(min), Some(max)) = (filter.min_ms, filter.max_ms)
            && max <= min
        {
            return Err(Refusal::time_range_empty());
        }
        Ok(filter)
    }

    /// Every occurrence within a window, by start.
    pub(crate) fn window(calendar: &Calendar, from_ms: i64, to_ms: i64) -> Self {
        Self {
            single: true,
            show_deleted: false,
            order: Some(Order::Start),
            uid: None,
            words: None,
            private: Vec::new(),
            shared: Vec::new(),
            types: Vec::new(),
            min_ms: Some(from_ms),
            max_ms: Some(to_ms),
            updated_min_ms: None,
            zone: calendar.time_zone(),
            now_ms: from_ms,
        }
    }

    /// The occurrences of a series, bounded as asked.
    pub(crate) fn instances(
        calendar: &Calendar,
        now_ms: i64,
        from_ms: Option<i64>,
        to_ms: Option<i64>,
        show_deleted: bool,
    ) -> Self {
        Self { min_ms: from_ms, max_ms: to_ms, show_deleted, now_ms, ..Self::window(calendar, now_ms, now_ms) }
    }

    /// The occurrences of one series and what replaces them, by start.
    pub(crate) fn of_series(&self, calendar: &Calendar, master: &Event) -> Vec<Event> {
        let mut found = Vec::new();
        self.expand(calendar, master, &mut found);
        for exception in master.exceptions.values().filter_map(|at| calendar.events.get(*at)) {
            if exception.life != Life::Stray {
                self.expand(calendar, exception, &mut found);
            }
        }
        found.sort_by_key(|event| event.start.ms(&self.zone));
        found
    }

    /// Whether the entries are computed and sorted as a whole.
    pub(crate) fn ordered(&self) -> bool {
        self.order.is_some() || self.single
    }

    /// Whether the listing can be continued by a sync token.
    pub(crate) fn syncable(&self) -> bool {
        self.order.is_none()
            && self.uid.is_none()
            && self.words.is_none()
            && self.private.is_empty()
            && self.shared.is_empty()
            && self.updated_min_ms.is_none()
    }

    /// What must be the same on the next page.
    pub(crate) fn fingerprint(&self, delta: bool) -> i64 {
        i64::from(delta) | i64::from(self.single) << 1 | i64::from(self.ordered()) << 2
    }

    /// Whether a stored event is an entry of a listing of masters, singles and exceptions.
    pub(crate) fn takes(&self, calendar: &Calendar, event: &Event) -> bool {
        let there = match event.life {
            Life::Live => true,
            // A removed occurrence of a live series is always told.
            Life::Cancelled if event.slot.is_some() => self.show_deleted || series_lives(calendar, event),
            Life::Cancelled | Life::Stray => {
                self.show_deleted || self.updated_min_ms.is_some_and(|min| event.updated_ms >= min)
            }
        };
        there && self.matches(event) && self.in_window(event)
    }

    fn matches(&self, event: &Event) -> bool {
        let property = |side: &str, (name, value): &(String, String)| {
            let found =
                event.fields.get("extendedProperties").and_then(|all| all.get(side)).and_then(|all| all.get(name));
            found.and_then(Value::as_str) == Some(value)
        };
        self.uid.as_ref().is_none_or(|uid| *uid == event.uid)
            && (self.types.is_empty() || self.types.contains(&event.event_type))
            && self.private.iter().all(|pair| property("private", pair))
            && self.shared.iter().all(|pair| property("shared", pair))
            && self.updated_min_ms.is_none_or(|min| event.updated_ms >= min)
            && self.words.as_ref().is_none_or(|words| words.split_whitespace().all(|word| mentions(event, word)))
    }

    /// An event that ends after `timeMin` and starts before `timeMax`; a series when any occurrence does.
    fn in_window(&self, event: &Event) -> bool {
        if self.min_ms.is_none() && self.max_ms.is_none() {
            return true;
        }
        if event.is_series() && event.live() {
            return !self.occurrences(event, 1).is_empty();
        }
        self.overlaps(event)
    }

    fn overlaps(&self, event: &Event) -> bool {
        self.min_ms.is_none_or(|min| event.end.ms(&self.zone) > min)
            && self.max_ms.is_none_or(|max| event.start.ms(&self.zone) < max)
    }

    /// The occurrences of a series within the window, exceptions not considered.
    fn occurrences(&self, master: &Event, max: usize) -> Vec<Event> {
        let Ok(series) = Series::read(&master.recurrence, &master.start) else { return Vec::new() };
        let last = self
            .max_ms
            .unwrap_or_else(|| self.now_ms.max(start_ms(master, &self.zone)).saturating_add(HORIZON_DAYS * DAY_MS));
        // A day of slack: the wall clock of the series may be ahead of UTC.
        let wall = instant(last.saturating_add(DAY_MS)).to_zoned(TimeZone::UTC).datetime();
        let starts = series.starts(Some(wall), OCCURRENCES_MAX);
        starts.iter().map(|start| master.occurrence(start)).filter(|event| self.overlaps(event)).take(max).collect()
    }

    /// Every entry, in order.
    pub(crate) fn sorted(&self, calendar: &Calendar) -> Vec<Event> {
        let mut found = Vec::new();
        for event in &calendar.events {
            if self.single {
                self.expand(calendar, event, &mut found);
            } else if self.takes(calendar, event) {
                found.push(event.clone());
            }
        }
        match self.order {
            Some(Order::Start) => found.sort_by_key(|event| (event.start.ms(&self.zone), event.id.clone())),
            Some(Order::Updated) => found.sort_by_key(|event| (event.updated_ms, event.seq)),
            None => {}
        }
        found
    }

    /// What a stored event means with `singleEvents=true`.
    fn expand(&self, calendar: &Calendar, event: &Event, into: &mut Vec<Event>) {
        if event.is_series() {
            if event.live() && self.matches(event) {
                let utc = TimeZone::UTC;
                let replaced = |at: &usize| calendar.events.get(*at).is_some_and(|one| one.life != Life::Stray);
                let plain = |shown: &Event| {
                    let at = shown.slot.as_ref().and_then(|slot| event.exceptions.get(&slot.start.ms(&utc)));
                    !at.is_some_and(replaced)
                };
                into.extend(self.occurrences(event, OCCURRENCES_MAX).into_iter().filter(plain));
            }
            return;
        }
        let there = match event.life {
            Life::Live => event.slot.is_none() || calendar.master_of(event).is_none_or(Event::live),
            Life::Cancelled | Life::Stray => self.show_deleted,
        };
        if there && self.matches(event) && self.overlaps(event) {
            into.push(event.clone());
        }
    }

    /// What a changed event means in a delta.
    pub(crate) fn in_delta(&self, calendar: &Calendar, event: &Event) -> Vec<Event> {
        if !self.types.is_empty() && !self.types.contains(&event.event_type) {
            return Vec::new();
        }
        if self.single && event.is_series() {
            let mut found = Vec::new();
            if event.live() {
                self.expand(calendar, event, &mut found);
            } else {
                let gone = self.occurrences(event, OCCURRENCES_MAX).into_iter();
                found.extend(gone.map(|one| Event { life: Life::Cancelled, ..one }));
            }
            return found;
        }
        vec![event.clone()]
    }
}

fn mentions(event: &Event, word: &str) -> bool {
    let texts = ["summary", "description", "location"].into_iter().filter_map(|name| event.text(name));
    let people = event.attendees.iter().flat_map(|attendee| attendee.values().filter_map(Value::as_str));
    texts.chain(people).chain([event.organizer.email.as_str()]).any(|text| text.to_lowercase().contains(word))
}
