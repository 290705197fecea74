//! What one event says, as far as the provider and a calendar object can both say it: the ground on which they are compared.

use std::cmp::max;
use std::collections::BTreeSet;

use jiff::ToSpan;
use serde_json::Value;

use super::busy;
use super::dialect::Dialect;
use super::guests::{self, Guest};
use super::held::{Event, text};
use super::prose;
use super::reminders::Reminders;
use super::time::At;
use crate::domain::appointment::{Appointment, Status};
use crate::domain::object::Class;
use crate::ics::text::clean;
use crate::ics::zone::Zones;
use crate::ics::{Component, When};

/// What one event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Said {
    pub(in crate::upstream) summary: String,
    /// Plain, without the guests.
    pub(in crate::upstream) description: String,
    pub(in crate::upstream) location: String,
    pub(in crate::upstream) start: At,
    pub(in crate::upstream) end: At,
    pub(in crate::upstream) status: Status,
    pub(in crate::upstream) transparent: bool,
    /// How busy it makes; empty where the provider does not say.
    pub(in crate::upstream) busy: &'static str,
    pub(in crate::upstream) categories: BTreeSet<String>,
    pub(in crate::upstream) class: Class,
    pub(in crate::upstream) reminders: Reminders,
    pub(in crate::upstream) guests: Vec<Guest>,
}

impl Said {
    /// Of an event that is not cancelled; `zone` is the calendar's. `None` without a start and an end.
    pub(in crate::upstream) fn of_json(event: &Event, zone: &str) -> Option<Said> {
        let start = At::of_json(event.get("start")?, zone)?;
        let end = At::of_json(event.get("end")?, zone)?;
        if start.is_day() != end.is_day() {
            return None;
        }
        Some(Said {
            summary: line(text(event, "summary")),
            description: words(&prose::plain(text(event, "description"))),
            location: line(text(event, "location")),
            end: not_before(end, &start),
            start,
            status: match text(event, "status") {
                "cancelled" => Status::Cancelled,
                "tentative" => Status::Tentative,
                _ => Status::Confirmed,
            },
            transparent: text(event, "transparency") == "transparent",
            busy: busy::of_json(event),
            categories: categories(event),
            class: class_of(text(event, "visibility")),
            reminders: Reminders::of_json(event.get("reminders")),
            guests: guests::of_json(event),
        })
    }

    /// Of a component read as an appointment.
    pub(in crate::upstream) fn of_appointment(
        component: &Component,
        appointment: &Appointment,
        class: Class,
        (zones, zone): (&Zones<'_>, &str),
        dialect: &Dialect,
    ) -> Said {
        let at = |when: &When| match At::of_when(when, &zones.of_value(when), zone) {
            At::Time { at, zone } => At::Time { at, zone: (dialect.zone)(&zone) },
            day => day,
        };
        let start = at(&appointment.start);
        let end = match appointment.end.in_kind_of(&appointment.start) {
            Some(end) => at(&end),
            None => at(&appointment.end),
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Said {
            summary: dialect.title(line(&text(&appointment.title))),
            description: words(&clean(&text(&appointment.notes))),
            location: line(&text(&appointment.location)),
            end: not_before(end, &start),
            start,
            status: match appointment.status {
                Status::Tentative if !dialect.tentative => Status::Confirmed,
                status => status,
            },
            transparent: appointment.transparent,
            busy: if dialect.colours { busy::of_component(component, appointment.transparent) } else { "" },
            categories: if dialect.colours {
                appointment.categories.iter().map(|name| line(name)).filter(|name| !name.is_empty()).collect()
            } else {
                BTreeSet::new()
            },
            class,
            reminders: Reminders::of_alarms(&appointment.reminders, dialect).0,
            guests: guests::of_attendees(&appointment.attendees),
        }
    }

    /// The instance in a slot of the series that this is the master of.
    pub(in crate::upstream) fn in_slot(&self, slot: &At) -> Said {
        let end = match (slot, &self.start, &self.end) {
            (At::Day(day), At::Day(start), At::Day(end)) => {
                let days = end.since(*start).map_or(1, |span| span.get_days());
                At::Day(day.saturating_add(days.days()))
            }
            (At::Time { at, .. }, At::Time { at: start, .. }, At::Time { at: end, zone }) => {
                let long = end.duration_since(*start);
                At::Time { at: at.checked_add(long).unwrap_or(*at), zone: zone.clone() }
            }
            _ => slot.clone(),
        };
        Said { start: slot.clone(), end, ..self.clone() }
    }

    /// Whether an object's event (`self`) says what the provider's (`other`) does. Attendees are compared elsewhere.
    pub(in crate::upstream) fn same(&self, other: &Said, recurs: Recurs) -> bool {
        self.summary == other.summary
            && self.description == other.description
            && self.location == other.location
            && same_time(&self.start, &other.start, recurs)
            && same_time(&self.end, &other.end, recurs)
            && self.status == other.status
            && self.transparent == other.transparent
            && self.busy == other.busy
            && self.categories == other.categories
            && Reminders::same(&self.reminders, &other.reminders)
    }
}

/// Whether the zone of a time decides about other times too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Recurs {
    /// A single event or one instance.
    No,
    /// A series.
    Yes,
}

/// Whether an object's time is the provider's: the same moment, and in a series the same zone. A single time in UTC goes with
/// the same moment in any zone.
pub(in crate::upstream) fn same_time(object: &At, theirs: &At, recurs: Recurs) -> bool {
    let zones = || object.zone() == theirs.zone() || recurs == Recurs::No && object.zone() == Some("UTC");
    object.same_moment(theirs) && zones()
}

/// `public` and `default` are one to an object: who may look is decided by the sharing of the calendar.
pub(in crate::upstream) fn class_of(visibility: &str) -> Class {
    match visibility {
        "private" | "personal" => Class::Private,
        "confidential" => Class::Confidential,
        _ => Class::Public,
    }
}

pub(in crate::upstream) fn visibility_of(class: Class) -> &'static str {
    match class {
        Class::Public => "default",
        Class::Private => "private",
        Class::Confidential => "confidential",
    }
}

/// An end that every provider takes: a day after the start at least, or the start itself.
fn not_before(end: At, start: &At) -> At {
    match (&end, start) {
        (At::Day(last), At::Day(first)) => At::Day(max(*last, first.tomorrow().unwrap_or(*first))),
        (At::Time { at: last, zone }, At::Time { at: first, .. }) => {
            At::Time { at: max(*last, *first), zone: zone.clone() }
        }
        _ => end,
    }
}

fn categories(event: &Event) -> BTreeSet<String> {
    let all = event.get("categories").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    all.map(line).filter(|name| !name.is_empty()).collect()
}

fn line(text: &str) -> String {
    clean(text).into_owned()
}

/// A description without the guests. Line ends at its end say nothing.
fn words(text: &str) -> String {
    prose::without_guests(text).0.trim_end_matches('\n').to_owned()
}

/// The address of an event's video conference.
pub(in crate::upstream) fn video(event: &Event) -> Option<&str> {
    let entries = event.get("conferenceData")?.get("entryPoints")?.as_array()?;
    let of_type = |entry: &&Value| entry.get("entryPointType").and_then(Value::as_str) == Some("video");
    entries.iter().find(of_type)?.get("uri")?.as_str().filter(|uri| uri.starts_with("https://"))
}
