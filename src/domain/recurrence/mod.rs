//! Recurrence: a calendar object seen as the instances it stands for.
//!
//! Job: master, rules, dates, exceptions and overrides in; instances inside a window out, bounded, and honest about it
//! when a bound was reached. One engine for queries, `expand`, free-busy, feeds, alarms and the API, so that none of
//! them sees another set. Neighbours: `ics::rule` walks the wall clock, `ics::zone` knows the instants,
//! [`super::timerange`] decides what overlaps what. It must never know who asks.
//!
//! | file | what it holds |
//! |---|---|
//! | `series` | an object read once: times, rules, dates, overrides |
//! | `times` | when a component starts and how long it lasts |
//! | `expand` | the instances of a series inside a window |
//! | `busy` | the time they take |
//! | `lawful` | a rule as strict readers want it |
//! | `span` | from the first start to the last end, for an index |
//! | `timetable` | the instances of a stretch, to be remembered |
//!
//! What it decides where RFC 5545 leaves room: DTSTART is always the first instance and counts towards COUNT; an override
//! whose RECURRENCE-ID the rules do not give (or an EXDATE takes away) is an instance all the same, for it carries what
//! somebody wrote; a TZID that nobody can read is the reader's own time.

mod busy;
mod expand;
mod lawful;
mod series;
mod span;
mod times;
mod timetable;

use jiff::civil::{Date, DateTime};

use super::object::CalendarObject;
use super::time::Instant;
use crate::ics::zone::Zone;
use crate::ics::{Component, When};

use busy::cut;

pub(super) use busy::bounds;
pub use busy::{Busy, BusyKind, BusyPeriod, busy, busy_bounded, busy_kind, busy_where, merge};
pub use lawful::lawful_rule;
pub use series::Series;
pub use span::span;
pub use timetable::{Stretch, Timetable};

/// Instances one expansion gives at most. RFC 5545 sets no bound and a minutely rule makes half a million a year; 20,000
/// are 54 years of days. Beyond this the answer says that it is not all.
pub const INSTANCES_MAX: usize = 20_000;

/// The half-open stretch of time `[from, to)`. [`Instant::FAR_PAST`] and [`Instant::FAR_FUTURE`] leave a side open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first instant inside.
    pub from: Instant,
    /// The first instant after it.
    pub to: Instant,
}

impl Window {
    /// All of time.
    pub const ALL: Window = Window { from: Instant::FAR_PAST, to: Instant::FAR_FUTURE };
}

/// A point of an instance: the instant, and what the wall clock of its component shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The instant; for floating and all-day times as the reader's zone has it.
    pub at: Instant,
    /// The wall clock in the zone the property is written in. Midnight for a date.
    pub local: DateTime,
}

/// One instance of a calendar object.
#[derive(Clone, Debug)]
pub struct Instance<'a> {
    /// The component that describes it: the master, or the override that replaces it.
    pub component: &'a Component,
    /// Which of [`CalendarObject::components`] that is, counted from 0.
    pub index: usize,
    /// The start it has, or had before an override moved it; `None` for an object without recurrence. The local time is
    /// in the zone of the master, or of the override's RECURRENCE-ID.
    pub recurrence_id: Option<Moment>,
    /// Its start. For a task without DTSTART, when it is due.
    pub starts: Moment,
    /// Its end, exclusive; the start itself for what has no length. Written in the zone of the start.
    pub ends: Moment,
    /// Whether it takes whole days.
    pub all_day: bool,
}

impl Instance<'_> {
    /// First day and the day after the last, of what takes whole days.
    #[must_use]
    pub fn dates(&self) -> Option<(Date, Date)> {
        self.all_day.then(|| (self.starts.local.date(), self.ends.local.date()))
    }

    /// The start in the form its component writes it.
    #[must_use]
    pub fn start_value(&self) -> Option<When> {
        written(self.component.property("DTSTART").or_else(|| self.component.property("DUE"))?, self.starts.local)
    }

    /// The end in the form of the start.
    #[must_use]
    pub fn end_value(&self) -> Option<When> {
        written(self.component.property("DTSTART").or_else(|| self.component.property("DUE"))?, self.ends.local)
    }

    /// The RECURRENCE-ID in the form it is written in.
    #[must_use]
    pub fn recurrence_id_value(&self) -> Option<When> {
        let id = self.recurrence_id?;
        let property = self.component.property("RECURRENCE-ID").or_else(|| self.component.property("DTSTART"))?;
        written(property, id.local)
    }
}

/// The same kind of value as the property has, at another wall clock.
fn written(property: &crate::ics::Property, local: DateTime) -> Option<When> {
    Some(match When::of(property).ok()? {
        When::Date(_) => When::Date(local.date()),
        When::Floating(_) => When::Floating(local),
        When::Utc(_) => When::Utc(local),
        When::Zoned { tzid, .. } => When::Zoned { local, tzid },
    })
}

/// The instances of an object inside a window.
#[derive(Clone, Debug, Default)]
pub struct Expansion<'a> {
    /// By their start.
    pub instances: Vec<Instance<'a>>,
    /// Whether a bound was reached: then those here are right, and there may be more.
    pub truncated: bool,
}

/// The instances of an object that overlap a window, floating and all-day ones as in the reader's zone. What overlaps is
/// for [`super::timerange`] to say. Ask a [`Series`] when asking more than once.
#[must_use]
pub fn expand<'a>(object: &'a CalendarObject, window: Window, reader: &Zone) -> Expansion<'a> {
    Series::of(object).expand(window, reader)
}
