//! What one event says, as far as Google and a calendar object can both say it: the ground on which they are compared.

use std::cmp::max;

use jiff::ToSpan;
use serde_json::Value;

use super::guests::{self, Guest};
use super::held::{Event, text};
use super::prose;
use super::reminders::Reminders;
use super::time::At;
use crate::domain::appointment::{Appointment, Status};
use crate::domain::object::Class;
use crate::ics::When;
use crate::ics::text::clean;
use crate::ics::zone::Zones;

/// What one event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) summary: String,
    /// Plain, without the guests.
    pub(super) description: String,
    pub(super) location: String,
    pub(super) start: At,
    pub(super) end: At,
    pub(super) status: Status,
    pub(super) transparent: bool,
    pub(super) class: Class,
    pub(super) reminders: Reminders,
    pub(super) guests: Vec<Guest>,
}

impl Said {
    /// Of an event that is not cancelled; `zone` is the calendar's. `None` without a start and an end.
    pub(super) fn of_json(event: &Event, zone: &str) -> Option<Said> {
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
            class: class_of(text(event, "visibility")),
            reminders: Reminders::of_json(event.get("reminders")),
            guests: guests::of_json(event),
        })
    }

    /// Of a component read as an appointment.
    pub(super) fn of_appointment(appointment: &Appointment, class: Class, zones: &Zones<'_>, zone: &str) -> Said {
        let at = |when: &When| At::of_when(when, &zones.of_value(when), zone);
        let start = at(&appointment.start);
        let end = match appointment.end.in_kind_of(&appointment.start) {
            Some(end) => at(&end),
            None => at(&appointment.end),
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Said {
            summary: line(&text(&appointment.title)),
            description: words(&clean(&text(&appointment.notes))),
            location: line(&text(&appointment.location)),
            end: not_before(end, &start),
            start,
            status: appointment.status,
            transparent: appointment.transparent,
            class,
            reminders: Reminders::of_alarms(&appointment.reminders).0,
            guests: guests::of_attendees(&appointment.attendees),
        }
    }

    /// The instance in a slot of the series that this is the master of.
    pub(super) fn in_slot(&self, slot: &At) -> Said {
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

    /// Whether an object's event (`self`) says what Google's (`other`) does. Attendees are compared elsewhere.
    pub(super) fn same(&self, other: &Said, recurs: Recurs) -> bool {
        self.summary == other.summary
            && self.description == other.description
            && self.location == other.location
            && same_time(&self.start, &other.start, recurs)
            && same_time(&self.end, &other.end, recurs)
            && self.status == other.status
            && self.transparent == other.transparent
            && Reminders::same(&self.reminders, &other.reminders)
    }
}

/// Whether the zone of a time decides about other times too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recurs {
    /// A single event or one instance.
    No,
    /// A series.
    Yes,
}

/// Whether an object's time is Google's: the same moment, and in a series the same zone. A single time in UTC goes with
/// the same moment in any zone.
pub(super) fn same_time(object: &At, google: &At, recurs: Recurs) -> bool {
    let zones = || object.zone() == google.zone() || recurs == Recurs::No && object.zone() == Some("UTC");
    object.same_moment(google) && zones()
}

/// `public` and `default` are one to an object: who may look is decided by the sharing of the calendar.
pub(super) fn class_of(visibility: &str) -> Class {
    match visibility {
        "private" => Class::Private,
        "confidential" => Class::Confidential,
        _ => Class::Public,
    }
}

pub(super) fn visibility_of(class: Class) -> &'static str {
    match class {
        Class::Public => "default",
        Class::Private => "private",
        Class::Confidential => "confidential",
    }
}

/// An end that Google takes: a day after the start at least, or the start itself.
fn not_before(end: At, start: &At) -> At {
    match (&end, start) {
        (At::Day(last), At::Day(first)) => At::Day(max(*last, first.tomorrow().unwrap_or(*first))),
        (At::Time { at: last, zone }, At::Time { at: first, .. }) => {
            At::Time { at: max(*last, *first), zone: zone.clone() }
        }
        _ => end,
    }
}

fn line(text: &str) -> String {
    clean(text).into_owned()
}

/// A description without the guests. Line ends at its end say nothing.
fn words(text: &str) -> String {
    prose::without_guests(text).0.trim_end_matches('\n').to_owned()
}

/// The address of an event's video conference.
pub(super) fn video(event: &Event) -> Option<&str> {
    let entries = event.get("conferenceData")?.get("entryPoints")?.as_array()?;
    let of_type = |entry: &&Value| entry.get("entryPointType").and_then(Value::as_str) == Some("video");
    entries.iter().find(of_type)?.get("uri")?.as_str().filter(|uri| uri.starts_with("https://"))
}
