//! One event, series or occurrence as it is now: what is stored, laid over its series.

use jiff::civil::{Date, DateTime};

use super::{
    moment::Moment,
    world::{Content, Event, Exception},
    zones::known,
};

/// What `type` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Single,
    Series,
    Occurrence,
    Exception,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Single => "singleInstance",
            Self::Series => "seriesMaster",
            Self::Occurrence => "occurrence",
            Self::Exception => "exception",
        }
    }
}

/// An event, or one occurrence of it.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) event: &'a Event,
    pub(crate) date: Option<Date>,
    pub(crate) kind: Kind,
    pub(crate) content: Content,
    pub(crate) change: u64,
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
    /// When the slot of an occurrence is.
    pub(crate) slot_ms: i64,
}

impl<'a> Item<'a> {
    /// The event itself.
    pub(crate) fn whole(event: &'a Event) -> Self {
        Self {
            event,
            date: None,
            kind: if event.recurrence.is_some() { Kind::Series } else { Kind::Single },
            content: event.content.clone(),
            change: event.change,
            created_ms: event.created_ms,
            modified_ms: event.modified_ms,
            slot_ms: 0,
        }
    }

    /// The occurrence of that day.
    pub(crate) fn on(event: &'a Event, date: Date) -> Self {
        let (start, end) = event.slot(date);
        let slot_ms = start.ms();
        let mut item = Self { date: Some(date), kind: Kind::Occurrence, slot_ms, ..Self::whole(event) };
        match event.exceptions.get(&date) {
            None => {
                item.content.start = start;
                item.content.end = end;
                item.content.extended.clear();
            }
            Some(exception) => {
                item.kind = Kind::Exception;
                item.change = exception.change;
                item.created_ms = exception.created_ms;
                item.modified_ms = exception.modified_ms;
                item.content.lay(exception);
            }
        }
        item
    }

    /// The event, or the occurrence of that day.
    pub(crate) fn of(event: &'a Event, date: Option<Date>) -> Self {
        match date {
            Some(date) => Self::on(event, date),
            None => Self::whole(event),
        }
    }

    /// Whether it ends after the first instant and starts before the second; one of no length within counts.
    pub(crate) fn within(&self, from_ms: i64, to_ms: i64) -> bool {
        let (start, end) = (self.content.start.ms(), self.content.end.ms());
        start < to_ms && (end > from_ms || start == end && start >= from_ms)
    }
}

impl Content {
    fn lay(&mut self, exception: &Exception) {
        self.start = exception.start.clone();
        self.end = exception.end.clone();
        self.all_day = exception.all_day;
        self.extended = exception.extended.clone();
        for (name, value) in &exception.fields {
            self.fields.insert(name.clone(), value.clone());
        }
    }
}

impl Event {
    /// The zone in which a series recurs.
    pub(crate) fn recurrence_zone(&self) -> &str {
        self.recurrence.as_ref().and_then(|recurrence| recurrence.zone.as_deref()).unwrap_or(&self.content.start.zone)
    }

    /// When the slot of a day is: the hour of the series, on the clock of the zone in which it recurs.
    pub(crate) fn slot(&self, date: Date) -> (Moment, Moment) {
        let name = self.recurrence_zone().to_owned();
        let zone = known(&name);
        let (start, end) = if self.content.all_day {
            (self.content.start.wall, self.content.end.wall)
        } else {
            (self.content.start.wall_in(&zone), self.content.end.wall_in(&zone))
        };
        let at = date.to_datetime(start.time());
        let length = start.until(end).unwrap_or_default();
        let last: DateTime = at.checked_add(length).unwrap_or(at);
        (Moment { wall: at, zone: name.clone() }, Moment { wall: last, zone: name })
    }

    /// The days of its occurrences that begin before an instant, at most so many; cancelled ones are left out.
    pub(crate) fn days_until(&self, to_ms: i64, max: usize) -> Vec<Date> {
        let Some(recurrence) = &self.recurrence else { return Vec::new() };
        // An exception may lie a little beyond its slot.
        let last = super::moment::instant(to_ms.saturating_add(400 * super::moment::DAY_MS))
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        let mut days = recurrence.dates(Some(last), max);
        days.retain(|day| !self.cancelled.contains(day));
        days
    }

    /// Its occurrences within a window, in the order of their slots.
    pub(crate) fn occurrences(&self, from_ms: i64, to_ms: i64) -> Vec<Item<'_>> {
        /// What a view shows of one series at most: the widest window has 1825 days.
        const MAX: usize = 40_000;
        let length = self.content.end.ms().saturating_sub(self.content.start.ms()).max(0);
        let near = |date: Date| {
            let at = super::moment::wall_ms(date.to_datetime(jiff::civil::Time::midnight()), &jiff::tz::TimeZone::UTC);
            let slack = 2 * super::moment::DAY_MS;
            at.saturating_add(length).saturating_add(slack) > from_ms && at.saturating_sub(slack) < to_ms
        };
        self.days_until(to_ms, MAX)
            .into_iter()
            .filter(|date| near(*date) || self.exceptions.contains_key(date))
            .map(|date| Item::on(self, date))
            .filter(|item| item.within(from_ms, to_ms))
            .collect()
    }
}
