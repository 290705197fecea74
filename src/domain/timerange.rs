//! What overlaps a stretch of time: the tables of RFC 4791 section 9.9.
//!
//! Job: tell which components of an object, and which of their alarms, a time-range filter matches. Neighbours:
//! [`super::recurrence`] makes the instances and asks here which of them count. It must never know the report that asks.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::object::{CalendarObject, ComponentKind};
use super::recurrence::{Instance, Moment, Series, Window, bounds};
use super::time::{DAY_MS, Instant};
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Duration, Period, When, value};

/// Components of an object that a time range matches, as positions in [`CalendarObject::components`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlapping {
    /// Those matched.
    pub components: BTreeSet<usize>,
    /// Whether a bound was reached before all of them were settled: one that is not matched might be.
    pub truncated: bool,
}

/// Alarms of an object that ring inside a time range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ringing {
    /// The component, as in [`Overlapping`], and which of its VALARMs.
    pub alarms: BTreeSet<(usize, usize)>,
    /// As in [`Overlapping`].
    pub truncated: bool,
}

/// The components of which some instance overlaps the window, floating and all-day times as in the reader's zone.
#[must_use]
pub fn overlapping(object: &CalendarObject, window: Window, reader: &Zone) -> Overlapping {
    let mut found = Overlapping::default();
    let mut unsettled = BTreeSet::new();
    for (index, component) in object.components().enumerate() {
        match undated_overlaps(object, component, window, reader) {
            Some(true) => found.components.extend([index]),
            Some(false) => {}
            None => unsettled.extend([index]),
        }
    }
    let series = Series::of(object);
    let starts_before = series.starts_before(reader);
    for stage in stages(window, &series, reader) {
        if unsettled.is_empty() {
            break;
        }
        let expansion = series.expand_where(stage, 0, reader, |instance| {
            unsettled.contains(&instance.index) && instance_overlaps(instance, window)
        });
        found.truncated = expansion.truncated;
        for instance in expansion.instances {
            unsettled.remove(&instance.index);
            found.components.insert(instance.index);
        }
        unsettled.retain(|index| starts_before.get(index).is_none_or(|bound| *bound > stage.to));
    }
    found.truncated &= !unsettled.is_empty();
    found
}

/// The alarms that ring inside the window for some instance, repetitions included.
#[must_use]
pub fn ringing(object: &CalendarObject, window: Window, reader: &Zone) -> Ringing {
    let mut found = Ringing::default();
    let Some(calendar) = object.document().calendar() else { return found };
    let zones = Zones::of(calendar);
    let mut relative: Vec<(usize, usize, Alarm, Zone)> = Vec::new();
    for (index, component) in object.components().enumerate() {
        let start = component.property("DTSTART").or_else(|| component.property("DUE"));
        let zone = start.and_then(|p| When::of(p).ok()).map_or(Zone::Floating, |when| zones.of_value(&when));
        for (number, alarm) in component.components_named("VALARM").enumerate() {
            let Some(alarm) = Alarm::of(alarm, &zones, reader) else { continue };
            match alarm.trigger {
                Trigger::At(at) if alarm.rings_from(at, window) => found.alarms.extend([(index, number)]),
                Trigger::At(_) => {}
                Trigger::Relative { .. } => relative.push((index, number, alarm, zone.or(reader).clone())),
            }
        }
    }
    let series = Series::of(object);
    let starts_before = series.starts_before(reader);
    let margin = relative.iter().map(|(_, _, alarm, _)| alarm.reach_ms()).max().unwrap_or(0);
    for stage in stages(window, &series, reader) {
        if relative.is_empty() {
            break;
        }
        let near = |instance: &Instance<'_>| relative.iter().any(|(index, ..)| *index == instance.index);
        let expansion = series.expand_where(stage, margin, reader, near);
        found.truncated = expansion.truncated;
        relative.retain(|(index, number, alarm, zone)| {
            let mut own = expansion.instances.iter().filter(|instance| instance.index == *index);
            let rings = own.any(|instance| alarm.rings_for(instance, zone, window));
            if rings {
                found.alarms.insert((*index, *number));
            }
            let exhausted = starts_before.get(index).is_some_and(|bound| *bound <= stage.to);
            !rings && !exhausted
        });
    }
    found.truncated &= !relative.is_empty();
    found
}

/// The components that `limit-recurrence-set` leaves in: the master, and the overrides that lie in the window, lay in it
/// before they were moved, or change instances from before it on (RFC 4791 9.6.6).
#[must_use]
pub fn limited(object: &CalendarObject, window: Window, reader: &Zone) -> BTreeSet<usize> {
    let overridden = Series::of(object).override_reaches(reader);
    let left_out: BTreeSet<usize> = overridden
        .into_iter()
        .filter(|reach| {
            let spans = [(reach.starts, reach.ends), (reach.original_starts, reach.original_ends)];
            let inside = spans.iter().any(|(starts, ends)| spans_overlap(*starts, *ends, window));
            !(inside || (reach.and_future && reach.original_starts < window.to))
        })
        .map(|reach| reach.index)
        .collect();
    (0..object.components().count()).filter(|index| !left_out.contains(index)).collect()
}

/// Whether an instance overlaps a window by the row of the table that its component falls under.
pub(super) fn instance_overlaps(instance: &Instance<'_>, window: Window) -> bool {
    let (starts, ends) = (instance.starts.at, instance.ends.at);
    if !instance.component.is("VTODO") {
        return spans_overlap(starts, ends, window);
    }
    let has = |name| instance.component.property(name).is_some();
    let Window { from, to } = window;
    match (has("DTSTART"), has("DUE"), has("DURATION")) {
        (true, true, _) => (from < ends || from <= starts) && (to > starts || to >= ends),
        (true, false, true) => from <= ends && (to > starts || to >= ends),
        (true, false, false) => from <= starts && to > starts,
        (false, _, _) => from < starts && to >= starts,
    }
}

/// VEVENT and VJOURNAL: something with a length overlaps if part of it lies inside; without, if its start does.
pub(super) fn spans_overlap(starts: Instant, ends: Instant, window: Window) -> bool {
    window.to > starts && if ends > starts { window.from < ends } else { window.from <= starts }
}

/// The rows for what has no instances: free-busy components, and tasks and journal entries without dates. `None` for
/// everything that has.
fn undated_overlaps(object: &CalendarObject, component: &Component, window: Window, reader: &Zone) -> Option<bool> {
    let dated = component.property("DTSTART").is_some();
    match object.component() {
        ComponentKind::FreeBusy => Some(free_busy_overlaps(object, component, window, reader)),
        ComponentKind::Todo if !dated && component.property("DUE").is_none() => Some(undated_task(component, window)),
        ComponentKind::Journal if !dated => Some(false),
        ComponentKind::Event | ComponentKind::Todo | ComponentKind::Journal => None,
    }
}

fn undated_task(task: &Component, window: Window) -> bool {
    let Window { from, to } = window;
    // Both are in UTC by the RFC.
    let at = |name| task.property(name).and_then(|p| When::of(p).ok()).map(|w| Zone::Utc.instant(w.local()).into());
    match (at("CREATED"), at("COMPLETED")) {
        (Some(created), Some(completed)) => {
            (from <= created || from <= completed) && (to >= created || to >= completed)
        }
        (None, Some(completed)) => from <= completed && to >= completed,
        (Some(created), None) => to > created,
        (None, None) => true,
    }
}

fn free_busy_overlaps(object: &CalendarObject, component: &Component, window: Window, reader: &Zone) -> bool {
    let Some(calendar) = object.document().calendar() else { return false };
    let zones = Zones::of(calendar);
    let at = |name| -> Option<Instant> {
        let when = When::of(component.property(name)?).ok()?;
        Some(zones.of_value(&when).or(reader).instant(when.local()).into())
    };
    if let (Some(starts), Some(ends)) = (at("DTSTART"), at("DTEND")) {
        return window.from <= ends && window.to > starts;
    }
    let mut periods = component.properties_named("FREEBUSY").flat_map(|p| Period::list_of(p).unwrap_or_default());
    periods.any(|period| {
        let (starts, ends) = bounds(&period, &zones, reader);
        window.from < ends && window.to > starts
    })
}

/// One VALARM.
struct Alarm {
    trigger: Trigger,
    /// How often it rings again, and after how many milliseconds each time.
    repeats: i64,
    every_ms: i64,
}

enum Trigger {
    At(Instant),
    Relative { after: Duration, to_end: bool },
}

impl Alarm {
    fn of(alarm: &Component, zones: &Zones<'_>, reader: &Zone) -> Option<Alarm> {
        let trigger = alarm.property("TRIGGER")?;
        let to_end = trigger.param("RELATED").is_some_and(|related| related.eq_ignore_ascii_case("END"));
        let trigger = match Duration::parse(trigger.value()) {
            Ok(after) => Trigger::Relative { after, to_end },
            Err(_) => {
                let when = When::of(trigger).ok()?;
                Trigger::At(zones.of_value(&when).or(reader).instant(when.local()).into())
            }
        };
        let repeats = alarm.property("REPEAT").and_then(|p| value::integer(p.value()).ok()).unwrap_or(0);
        let every = alarm.property("DURATION").and_then(|p| Duration::parse(p.value()).ok()).unwrap_or_default();
        Some(Alarm { trigger, repeats, every_ms: exact_ms(every) })
    }

    /// How far from its instance it can ring.
    fn reach_ms(&self) -> i64 {
        let first = match self.trigger {
            Trigger::At(_) => 0,
            Trigger::Relative { after, .. } => exact_ms(after).saturating_abs().saturating_add(DAY_MS),
        };
        first.saturating_add(self.repeats.saturating_mul(self.every_ms).max(0))
    }

    fn rings_for(&self, instance: &Instance<'_>, zone: &Zone, window: Window) -> bool {
        let Trigger::Relative { after, to_end } = self.trigger else { return false };
        let base: Moment = if to_end { instance.ends } else { instance.starts };
        // Days before are days on the wall clock: the evening before stays the evening before.
        let day = match after.days {
            0 => base.at,
            days => {
                let moved = SignedDuration::from_secs(days.saturating_mul(DAY_MS / 1000));
                Instant::from(zone.instant(base.local.saturating_add(moved)))
            }
        };
        self.rings_from(day.plus_ms(after.seconds.saturating_mul(1000)), window)
    }

    /// Whether it rings inside the window when it first rings then.
    fn rings_from(&self, first: Instant, window: Window) -> bool {
        let inside = |at: Instant| window.from <= at && at < window.to;
        if first >= window.from || self.repeats <= 0 || self.every_ms <= 0 {
            return inside(first);
        }
        let behind = window.from.ms().saturating_sub(first.ms());
        let missed = behind / self.every_ms + i64::from(behind % self.every_ms != 0);
        missed <= self.repeats && inside(first.plus_ms(missed.saturating_mul(self.every_ms)))
    }
}

fn exact_ms(duration: Duration) -> i64 {
    duration.days.saturating_mul(DAY_MS).saturating_add(duration.seconds.saturating_mul(1000))
}

/// The window, reached in growing pieces from its beginning: an endless series answers from the first of them, though
/// the window has no end.
fn stages(window: Window, series: &Series<'_>, reader: &Zone) -> Vec<Window> {
    let Some(first) = series.first_start(reader) else { return vec![window] };
    let from = window.from.max(first.plus_ms(-STAGE_MS));
    let mut stages = Vec::new();
    for factor in [1, 10, 100] {
        let to = from.plus_ms(factor * STAGE_MS);
        if to < window.to {
            stages.push(Window { from: window.from, to });
        }
    }
    stages.push(window);
    stages
}

/// The first piece: a daily, weekly or monthly series that goes on shows itself in it; a yearly one in the next.
const STAGE_MS: i64 = 40 * DAY_MS;
