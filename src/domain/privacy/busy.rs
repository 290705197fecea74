//! Times somebody is busy.

use crate::domain::appointment::instant_utc;
use crate::domain::object::{CalendarObject, ComponentKind};
use crate::domain::recurrence::{Instance, Series, Window, busy, busy_kind};
use crate::domain::time::Instant;
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Property, When};

/// What everybody may read.
pub const BUSY_TITLE: &str = "Busy";

/// A stretch of time somebody is busy. There is nothing else in it: a recurring appointment is many of these, and an
/// instance that was changed is one at another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusyTime {
    /// In UTC, floating, or a day; never with the name of a zone.
    pub starts: When,
    /// Of the same kind, later; `None` for what has no length.
    pub ends: Option<When>,
    /// Which of the times of its object this is: the same text as long as that instance exists, wherever it is moved.
    /// It tells of the original; only a keyed hash of it may be shown.
    pub of: String,
}

impl BusyTime {
    /// As a component: a UID and a stamp from outside, the start, the end, "Busy".
    #[must_use]
    pub fn to_component(&self, uid: &str, stamp: Instant) -> Component {
        let mut event = Component::new("VEVENT");
        event.push(Property::text("UID", uid));
        event.push(instant_utc(stamp).to_property("DTSTAMP"));
        event.push(self.starts.to_property("DTSTART"));
        if let Some(ends) = &self.ends {
            event.push(ends.to_property("DTEND"));
        }
        event.push(Property::text("SUMMARY", BUSY_TITLE));
        event
    }
}

/// The busy times of an object inside a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusyTimes {
    /// By their start.
    pub times: Vec<BusyTime>,
    /// Whether a bound was reached and there may be more.
    pub truncated: bool,
}

/// The times an object makes busy inside a window, of the components that `wanted` takes (by their position in
/// [`CalendarObject::components`]). Floating and all-day times are laid against the window in UTC. What is transparent or
/// cancelled makes nobody busy, and neither do tasks and journal entries.
#[must_use]
pub fn busy_times(object: &CalendarObject, window: Window, wanted: impl Fn(usize) -> bool) -> BusyTimes {
    match object.component() {
        ComponentKind::Event => of_event(object, window, wanted),
        ComponentKind::FreeBusy if wanted(0) => of_periods(object, window),
        ComponentKind::FreeBusy | ComponentKind::Todo | ComponentKind::Journal => BusyTimes::default(),
    }
}

fn of_event(object: &CalendarObject, window: Window, wanted: impl Fn(usize) -> bool) -> BusyTimes {
    let Some(calendar) = object.document().calendar() else { return BusyTimes::default() };
    let zones = Zones::of(calendar);
    let expansion = Series::of(object).expand(window, &Zone::Utc);
    let taken = expansion.instances.iter().filter(|i| wanted(i.index) && busy_kind(i.component).is_some());
    BusyTimes { times: taken.map(|instance| of_instance(instance, &zones)).collect(), truncated: expansion.truncated }
}

fn of_instance(instance: &Instance<'_>, zones: &Zones<'_>) -> BusyTime {
    let (starts, ends) = (instance.starts, instance.ends);
    let as_written = instance.component.property("DTSTART").and_then(|p| When::of(p).ok());
    let is_floating = match &as_written {
        Some(When::Floating(_)) => true,
        Some(When::Zoned { tzid, .. }) => zones.get(tzid).is_none(),
        Some(When::Date(_) | When::Utc(_)) | None => false,
    };
    let of = instance.recurrence_id.map(|id| id.at.ms().to_string()).unwrap_or_default();
    if instance.all_day {
        let (starts, ends) = (starts.local.date(), ends.local.date());
        return BusyTime { starts: When::Date(starts), ends: (ends > starts).then_some(When::Date(ends)), of };
    }
    let (starts, ends) = if is_floating {
        (When::Floating(starts.local), When::Floating(ends.local))
    } else {
        (instant_utc(starts.at), instant_utc(ends.at))
    };
    let has_length = ends.local() > starts.local();
    BusyTime { starts, ends: has_length.then_some(ends), of }
}

fn of_periods(object: &CalendarObject, window: Window) -> BusyTimes {
    let busy = busy(object, window, &Zone::Utc);
    let time = |from: Instant, to: Instant| BusyTime {
        starts: instant_utc(from),
        ends: Some(instant_utc(to)),
        of: from.ms().to_string(),
    };
    let mut times: Vec<BusyTime> = busy.periods.iter().map(|period| time(period.from, period.to)).collect();
    times.sort_by_key(|time| time.starts.local());
    times.dedup();
    BusyTimes { times, truncated: busy.truncated }
}
