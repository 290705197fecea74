//! One instance of a series: found by its RECURRENCE-ID, changed by an override, left out by an EXDATE.

use bytes::Bytes;

use super::apply::{Weight, change, stamp};
use super::{Appointment, zones};
use crate::domain::object::CalendarObject;
use crate::domain::recurrence::{Instance, Series, Window};
use crate::domain::time::{DAY_MS, Instant};
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Property, When};

/// How far around its RECURRENCE-ID an instance is looked for: a day on either side covers every zone.
const AROUND_MS: i64 = 2 * DAY_MS;

/// How far ahead the next instance is looked for: most series have it near, and nobody repeats more rarely than that.
const NEXT_WITHIN_DAYS: [i64; 3] = [62, 800, 11_000];

/// What an instance without an override has of the master, and is about the writing of that.
const SHARED: [&str; 4] = ["DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE"];

/// One instance of a series, as it stands.
#[derive(Clone, Debug)]
pub struct Occurrence<'a> {
    /// Which one, in the form of the master's start.
    pub id: When,
    /// What describes it: the master, or the override that replaces it.
    pub component: &'a Component,
    /// What it says, at its own times and without rules.
    pub record: Appointment,
    /// The override's place among the object's components.
    overridden_at: Option<usize>,
}

impl<'a> Occurrence<'a> {
    /// The instance that an expansion gave. `None` for an object without recurrence.
    #[must_use]
    pub fn of(instance: &Instance<'a>, zones: &Zones<'_>) -> Option<Occurrence<'a>> {
        let id = zones::named(instance.recurrence_id_value()?, zones);
        let record = Occurrence::record(instance, zones)?;
        // An override of all the future also describes later instances, which it does not replace by name.
        let own = instance.component.property("RECURRENCE-ID").and_then(|p| When::of(p).ok());
        let is_replaced = own.is_some_and(|own| own.local() == id.local());
        Some(Occurrence {
            id,
            component: instance.component,
            record,
            overridden_at: is_replaced.then_some(instance.index),
        })
    }

    /// What an instance says, whether of a series or not.
    #[must_use]
    pub fn record(instance: &Instance<'_>, zones: &Zones<'_>) -> Option<Appointment> {
        let mut record = Appointment::of_component(instance.component, zones)?;
        if instance.recurrence_id.is_some() {
            record.recurrence = super::Recurrence::default();
            record.start = zones::named(instance.start_value()?, zones);
            let end = zones::named(instance.end_value()?, zones);
            // An end in a zone of its own keeps it where the instance is the component itself.
            let is_own =
                Appointment::of_component(instance.component, zones).is_some_and(|own| own.start == record.start);
            if !is_own {
                record.end = end;
            }
        }
        Some(record)
    }

    /// The instance of a series that begins, or began before it was moved, at `id`.
    #[must_use]
    pub fn find(object: &'a CalendarObject, id: Instant, reader: &Zone) -> Option<Occurrence<'a>> {
        let zones = Zones::of(object.document().calendar()?);
        let series = Series::of(object);
        if !series.is_recurring() {
            return None;
        }
        let is_it = |instance: &Instance<'_>| instance.recurrence_id.is_some_and(|r| r.at == id);
        let near = Window { from: id.plus_ms(-AROUND_MS), to: id.plus_ms(AROUND_MS) };
        let found = series.expand(near, reader).instances.into_iter().find(is_it);
        // One that was moved lies somewhere else; it is an override, of which there are few.
        let found = found.or_else(|| {
            let moved = |index: usize| {
                let component = object.components().nth(index)?;
                let start = When::of(component.property("DTSTART")?).ok()?;
                let at = Instant::from(zones.of_value(&start).or(reader).instant(start.local()));
                let there = Window { from: at.plus_ms(-AROUND_MS), to: at.plus_ms(AROUND_MS) };
                series.expand(there, reader).instances.into_iter().find(is_it)
            };
            let overrides = object.components().enumerate().filter(|(_, c)| {
                let own = c.property("RECURRENCE-ID").and_then(|p| When::of(p).ok());
                own.is_some_and(|own| Instant::from(zones.of_value(&own).or(reader).instant(own.local())) == id)
            });
            overrides.map(|(index, _)| index).find_map(moved)
        })?;
        Occurrence::of(&found, &zones)
    }
}

/// The object with one instance changed to `wanted`: its override, or a new one made of what describes it now.
#[must_use]
pub fn apply_instance(
    object: &CalendarObject,
    occurrence: &Occurrence<'_>,
    wanted: &Appointment,
    now: Instant,
) -> Option<Bytes> {
    let mut document = object.document().clone();
    let old = object.document().calendar()?;
    let (zones, mut spelling) = (Zones::of(old), zones::Spelling::of(old));
    let calendar = document.calendar_mut()?;
    match occurrence.overridden_at {
        Some(at) => {
            change(events(calendar).nth(at)?, &occurrence.record, wanted, &zones, &mut spelling, now);
        }
        None if *wanted == occurrence.record => {}
        None => {
            let mut component = copied(occurrence, &mut spelling);
            change(&mut component, &occurrence.record, wanted, &zones, &mut spelling, now);
            calendar.push_component(component);
        }
    }
    spelling.define(calendar);
    Some(document.to_bytes())
}

/// One instance as an appointment of its own, under another UID: what the series says of it, without what it repeats by.
#[must_use]
pub fn single(object: &CalendarObject, occurrence: &Occurrence<'_>, uid: &str) -> Option<Bytes> {
    let mut document = object.document().clone();
    let mut spelling = zones::Spelling::of(object.document().calendar()?);
    let mut component = copied(occurrence, &mut spelling);
    component.remove("RECURRENCE-ID");
    component.set(Property::text("UID", uid));
    let calendar = document.calendar_mut()?;
    calendar.retain_components(|c| c.is("VTIMEZONE"));
    calendar.push_component(component);
    spelling.define(calendar);
    Some(document.to_bytes())
}

/// Whether two states of one single say the same. What it only shares with its series (how often and when that was
/// written, the zones and the name of its calendar) is nothing that an instance says.
#[must_use]
pub fn is_same_single(one: &CalendarObject, other: &CalendarObject) -> bool {
    said(one).is_some_and(|says| said(other) == Some(says))
}

fn said(single: &CalendarObject) -> Option<Bytes> {
    let mut document = single.document().clone();
    let calendar = document.calendar_mut()?;
    calendar.retain(|_| false);
    calendar.retain_components(|c| c.is("VEVENT"));
    for component in calendar.components_mut() {
        component.retain(|p| !SHARED.iter().any(|name| p.is(name)));
    }
    Some(document.to_bytes())
}

/// The object with one instance as `single` says it: the way back from [`single`]. `None` where those that follow could
/// not go on as they are.
#[must_use]
pub fn replaced(object: &CalendarObject, occurrence: &Occurrence<'_>, single: &CalendarObject) -> Option<Bytes> {
    let mut document = object.document().clone();
    let old = object.document().calendar()?;
    let mut spelling = zones::Spelling::of(old);
    let mut component = single.master()?.clone();
    component.set(Property::text("UID", object.uid()));
    component.set(spelling.property("RECURRENCE-ID", &occurrence.id));
    let next = going_on(object, occurrence, &mut spelling)?;
    let calendar = document.calendar_mut()?;
    let named = |zone: &Component| zone.property("TZID").map(|p| p.value().to_owned());
    let known: Vec<_> = old.components_named("VTIMEZONE").filter_map(named).collect();
    for zone in single.document().calendar()?.components_named("VTIMEZONE") {
        if named(zone).is_some_and(|name| !known.contains(&name)) {
            calendar.push_component(zone.clone());
        }
    }
    match occurrence.overridden_at {
        Some(at) => {
            *events(calendar).nth(at)? = component;
            if let Some(next) = next {
                calendar.push_component(next);
            }
        }
        None => calendar.push_component(component),
    }
    spelling.define(calendar);
    Some(document.to_bytes())
}

/// The override that goes on describing all that follow where one instance of those that it describes, the one that it is
/// named by, is taken out of them: the same, named by the next one. `Some(None)`: none follows, or it describes one only.
fn going_on(
    object: &CalendarObject,
    occurrence: &Occurrence<'_>,
    spelling: &mut zones::Spelling,
) -> Option<Option<Component>> {
    let range = occurrence.component.property("RECURRENCE-ID").and_then(|id| id.param("RANGE"));
    let (Some(at), Some(range)) = (occurrence.overridden_at, range) else { return Some(None) };
    let zones = Zones::of(object.document().calendar()?);
    let from = Instant::from(zones.of_value(&occurrence.id).or(&Zone::Utc).instant(occurrence.id.local()));
    let series = Series::of(object);
    for days in NEXT_WITHIN_DAYS {
        let window = Window { from: from.plus_ms(-AROUND_MS), to: from.plus_ms(days * DAY_MS) };
        let expansion = series.expand(window, &Zone::Utc);
        let follows = |i: &Instance<'_>| i.index == at && i.recurrence_id.is_some_and(|id| id.at > from);
        if let Some(next) =
            expansion.instances.iter().filter(|i| follows(i)).min_by_key(|i| i.recurrence_id.map(|id| id.at))
        {
            let next = Occurrence::of(next, &zones)?;
            let mut component = copied(&next, spelling);
            let id = spelling.property("RECURRENCE-ID", &next.id).with_param("RANGE", &range);
            component.set(id);
            return Some(Some(component));
        }
        if expansion.truncated {
            return None;
        }
    }
    Some(None)
}

/// The object without one of its instances. `None` if it has no master that could say so.
#[must_use]
pub fn cancel_instance(object: &CalendarObject, occurrence: &Occurrence<'_>, now: Instant) -> Option<Bytes> {
    let mut document = object.document().clone();
    let old = object.document().calendar()?;
    let mut spelling = zones::Spelling::of(old);
    object.master()?;
    let next = going_on(object, occurrence, &mut spelling)?;
    let calendar = document.calendar_mut()?;
    if let Some(at) = occurrence.overridden_at {
        let mut seen = 0;
        calendar.retain_components(|c| {
            let is_it = c.is("VEVENT") && seen == at;
            seen += usize::from(c.is("VEVENT"));
            !is_it
        });
    }
    if let Some(next) = next {
        calendar.push_component(next);
    }
    let master = events(calendar).find(|c| c.property("RECURRENCE-ID").is_none())?;
    master.push(spelling.property("EXDATE", &occurrence.id));
    stamp(master, Weight::Rescheduled, now);
    spelling.define(calendar);
    Some(document.to_bytes())
}

fn events(calendar: &mut Component) -> impl Iterator<Item = &mut Component> {
    calendar.components_mut().filter(|c| c.is("VEVENT"))
}

/// A new override that says what the instance says already.
fn copied(occurrence: &Occurrence<'_>, spelling: &mut zones::Spelling) -> Component {
    let mut component = occurrence.component.clone();
    component.retain(|p| !["RRULE", "RDATE", "EXDATE", "EXRULE", "DURATION"].iter().any(|name| p.is(name)));
    component.set(spelling.property("RECURRENCE-ID", &occurrence.id));
    component.set(spelling.property("DTSTART", &occurrence.record.start));
    component.set(spelling.property("DTEND", &occurrence.record.end));
    component
}
