//! A changed record carried back into its object: a line that says the same as before keeps its bytes.

use bytes::Bytes;

use super::{Appointment, people, read, reminder, series, zones};
use crate::domain::object::CalendarObject;
use crate::domain::time::Instant;
use crate::ics::zone::Zones;
use crate::ics::{Component, Property, When, text};

/// Lines in which some clients repeat what another line says. They are dropped when that line changes: the old words in
/// them would be what those clients show.
const REPEATS: [(&str, &[&str]); 5] = [
    ("DESCRIPTION", &["X-ALT-DESC", "STYLED-DESCRIPTION"]),
    ("LOCATION", &["X-APPLE-STRUCTURED-LOCATION", "GEO"]),
    ("TRANSP", &["X-MICROSOFT-CDO-BUSYSTATUS", "X-MICROSOFT-CDO-INTENDEDSTATUS"]),
    ("DTSTART", &["X-MICROSOFT-CDO-ALLDAYEVENT"]),
    ("SUMMARY", &[]),
];

/// Lines in which some clients repeat what the property of that name says.
#[must_use]
pub fn repeats_of(name: &str) -> &'static [&'static str] {
    REPEATS.iter().find(|(of, _)| *of == name).map_or(&[], |(_, repeats)| repeats)
}

/// An instant as the UTC wall clock that DTSTAMP and its like write; whole seconds.
#[must_use]
pub fn instant_utc(now: Instant) -> When {
    let second = jiff::Timestamp::from_second(now.seconds()).unwrap_or_default();
    When::Utc(zones::utc_wall(second))
}

/// The object with its appointment changed to `wanted`; the same bytes if it says so already. Lines about anything
/// else, overrides of single instances and alarms that are no reminders stay. An override follows when the series begins
/// at another time, and is dropped when there is no series any more. `None` if the object is no VEVENT.
///
/// What is written is not judged here: read it back with [`CalendarObject::parse`].
#[must_use]
pub fn apply(object: &CalendarObject, wanted: &Appointment, now: Instant) -> Option<Bytes> {
    let before = Appointment::of(object)?;
    let mut document = object.document().clone();
    let zones = Zones::of(object.document().calendar()?);
    let mut spelling = zones::Spelling::of(object.document().calendar()?);
    let calendar = document.calendar_mut()?;
    let at = speaker_index(calendar)?;
    if let Some(component) = events(calendar).nth(at) {
        change(component, &before, wanted, &zones, &mut spelling, now);
    }
    if !before.recurrence.is_single() && wanted.recurrence.is_single() {
        calendar.retain_components(|c| !c.is("VEVENT") || c.property("RECURRENCE-ID").is_none());
    } else if before.start != wanted.start {
        let shift = series::Shift::between(&before.start, &wanted.start, &zones);
        for component in events(calendar).filter(|c| c.property("RECURRENCE-ID").is_some()) {
            shift.move_override(component, &zones, &mut spelling);
            stamp(component, Weight::Rescheduled, now);
        }
    }
    spelling.define(calendar);
    Some(document.to_bytes())
}

fn events(calendar: &mut Component) -> impl Iterator<Item = &mut Component> {
    calendar.components_mut().filter(|c| c.is("VEVENT"))
}

/// Which of the VEVENTs speaks for the object: the master, else the first.
fn speaker_index(calendar: &Component) -> Option<usize> {
    let is_master = |c: &Component| c.property("RECURRENCE-ID").is_none();
    let master = calendar.components_named("VEVENT").position(is_master);
    master.or_else(|| calendar.components_named("VEVENT").next().map(|_| 0))
}

/// Changes one component from `before`, which it says, to `wanted`, and says on it that it was changed now.
pub(super) fn change(
    component: &mut Component,
    before: &Appointment,
    wanted: &Appointment,
    zones: &Zones<'_>,
    spelling: &mut zones::Spelling,
    now: Instant,
) {
    let old = component.to_bytes();
    carry(component, before, wanted, zones, spelling);
    if component.to_bytes() != old {
        let rescheduled = before.start != wanted.start
            || before.end != wanted.end
            || before.recurrence != wanted.recurrence
            || before.status != wanted.status;
        stamp(component, if rescheduled { Weight::Rescheduled } else { Weight::Touched }, now);
    }
}

/// Changes the lines of one component from `before`, which it says, to `wanted`. Nothing is said of when it was changed:
/// that is for who knows it.
pub fn carry(
    component: &mut Component,
    before: &Appointment,
    wanted: &Appointment,
    zones: &Zones<'_>,
    spelling: &mut zones::Spelling,
) {
    texts(component, before, wanted);
    times(component, before, wanted, zones, spelling);
    words(component, before, wanted);
    if before.categories != wanted.categories {
        put_line(
            component,
            "CATEGORIES",
            (!wanted.categories.is_empty())
                .then(|| Property::new("CATEGORIES", &text::join(wanted.categories.iter().map(String::as_str)))),
        );
    }
    if before.attendees != wanted.attendees {
        people::put(component, &wanted.attendees);
    }
    if before.reminders != wanted.reminders {
        let uid = component.text("UID").unwrap_or_default();
        reminder::put(component, &wanted.reminders, &uid, wanted.title.as_deref().unwrap_or_default());
    }
}

fn texts(component: &mut Component, before: &Appointment, wanted: &Appointment) {
    for (name, old, new) in [
        ("SUMMARY", &before.title, &wanted.title),
        ("DESCRIPTION", &before.notes, &wanted.notes),
        ("LOCATION", &before.location, &wanted.location),
    ] {
        if old == new {
            continue;
        }
        forget_repeats(component, name);
        let line = new.as_ref().map(|new| match component.property(name) {
            // ALTREP leads to the old text in another form.
            Some(line) => line.without_param("ALTREP").with_value(&text::escape(new)),
            None => Property::text(name, new),
        });
        put_line(component, name, line);
    }
    if before.url != wanted.url {
        put_line(component, "URL", wanted.url.as_ref().map(|url| Property::new("URL", url)));
    }
}

fn times(
    component: &mut Component,
    before: &Appointment,
    wanted: &Appointment,
    zones: &Zones<'_>,
    spelling: &mut zones::Spelling,
) {
    if before.start != wanted.start {
        component.set(spelling.property("DTSTART", &wanted.start));
        if before.start.is_date() != wanted.start.is_date() {
            forget_repeats(component, "DTSTART");
        }
    }
    if (&before.start, &before.end) != (&wanted.start, &wanted.end)
        && read::end_of(component, &wanted.start, zones) != wanted.end
    {
        component.remove("DURATION");
        component.set(spelling.property("DTEND", &wanted.end));
    }
    if before.recurrence.rules != wanted.recurrence.rules {
        let mut missing = wanted.recurrence.rules.clone();
        component.retain(|p| !p.is("RRULE") || take(&mut missing, &p.value().trim().to_owned()));
        for rule in missing {
            component.push(Property::new("RRULE", &rule));
        }
    }
    for (name, old, new) in [
        ("RDATE", &before.recurrence.added, &wanted.recurrence.added),
        ("EXDATE", &before.recurrence.removed, &wanted.recurrence.removed),
    ] {
        if old != new {
            dates(component, name, new, zones, spelling);
        }
    }
}

/// Puts a list of dates. A line stays where every date on it does.
fn dates(component: &mut Component, name: &str, wanted: &[When], zones: &Zones<'_>, spelling: &mut zones::Spelling) {
    let mut missing = wanted.to_vec();
    component.retain(|p| {
        if !p.is(name) {
            return true;
        }
        let mut rest = missing.clone();
        let mut on_it = read::dates_of(p).into_iter().map(|when| zones::named(when, zones));
        let stays = on_it.all(|when| take(&mut rest, &when));
        if stays {
            missing = rest;
        }
        stays
    });
    for when in missing {
        component.push(spelling.property(name, &when));
    }
}

/// Takes one item out of a list; whether it was there.
fn take<T: PartialEq>(list: &mut Vec<T>, item: &T) -> bool {
    match list.iter().position(|other| other == item) {
        Some(at) => {
            list.remove(at);
            true
        }
        None => false,
    }
}

fn words(component: &mut Component, before: &Appointment, wanted: &Appointment) {
    if before.status != wanted.status {
        component.set(Property::new("STATUS", wanted.status.as_ics()));
    }
    if before.private != wanted.private {
        put_line(component, "CLASS", wanted.private.then(|| Property::new("CLASS", "PRIVATE")));
    }
    if before.transparent != wanted.transparent {
        forget_repeats(component, "TRANSP");
        component.set(Property::new("TRANSP", if wanted.transparent { "TRANSPARENT" } else { "OPAQUE" }));
    }
}

fn put_line(component: &mut Component, name: &str, line: Option<Property>) {
    match line {
        Some(line) => component.set(line),
        None => {
            component.remove(name);
        }
    }
}

fn forget_repeats(component: &mut Component, name: &str) {
    for repeat in REPEATS.iter().filter(|(of, _)| *of == name).flat_map(|(_, repeats)| *repeats) {
        component.remove(repeat);
    }
}

/// What a change means to those who were invited (RFC 5545 §3.8.7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Time, rule or status: a new revision.
    Rescheduled,
    /// Anything else.
    Touched,
}

/// Says on a component that it was changed now.
pub(super) fn stamp(component: &mut Component, weight: Weight, now: Instant) {
    let now = instant_utc(now);
    component.set(now.to_property("DTSTAMP"));
    component.set(now.to_property("LAST-MODIFIED"));
    if weight == Weight::Rescheduled {
        let sequence = component.property("SEQUENCE").and_then(|p| crate::ics::value::integer(p.value()).ok());
        let next = sequence.unwrap_or(0).clamp(0, i64::from(i32::MAX) - 1) + 1;
        component.set(Property::new("SEQUENCE", &next.to_string()));
    }
}
