//! Merges of appointments as people make them.

use bytes::Bytes;

use super::*;
use crate::domain::recurrence::{Window, expand};
use crate::ics::CalAddress;
use crate::ics::zone::Zone;

mod model;
mod people;
mod random;
mod series;
mod single;

/// An object with these components; a list of lines is an event, unless it begins with BEGIN.
pub(super) fn object(components: &[&str]) -> CalendarObject {
    let mut text = String::from("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n");
    for lines in components {
        match lines.starts_with("BEGIN") {
            true => text += &format!("{lines}\n"),
            false => text += &format!("BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\n{lines}\nEND:VEVENT\n"),
        }
    }
    CalendarObject::parse(Bytes::from(format!("{text}END:VCALENDAR\n").replace('\n', "\r\n"))).expect("an object")
}

pub(super) fn now() -> Instant {
    Instant::from_seconds(1_780_000_000)
}

/// Merges where the remote side writes as we do: its base is ours.
pub(super) fn merged(base: &CalendarObject, local: &CalendarObject, after: &CalendarObject, prefer: &Prefer) -> Merged {
    merge(Sides { base, local, before: base, after }, &WriteBack::all(), prefer, now()).expect("a merge")
}

/// Merges three lists of components, nobody preferred.
pub(super) fn three(base: &[&str], local: &[&str], after: &[&str]) -> Merged {
    merged(&object(base), &object(local), &object(after), &Prefer::Neither)
}

/// The lines of all components, but the stamps and what never changes here.
pub(super) fn says(object: &CalendarObject) -> Vec<String> {
    let quiet = ["BEGIN:VEVENT", "END:VEVENT", "UID:", "DTSTAMP", "LAST-MODIFIED", "SEQUENCE"];
    let lines = object.components().flat_map(|c| c.lines()).map(|line| line.unfolded().to_owned());
    lines.filter(|line| !quiet.iter().any(|start| line.starts_with(start))).collect()
}

pub(super) fn fields(merged: &Merged) -> Vec<String> {
    merged.conflicts.iter().map(|conflict| format!("{} {}", conflict.kind, conflict.field)).collect()
}

/// The instances of an object, as their starts and titles.
pub(super) fn instances(object: &CalendarObject) -> Vec<String> {
    let window = Window { from: Instant::from_seconds(1_767_225_600), to: Instant::from_seconds(1_798_761_600) };
    let expansion = expand(object, window, &Zone::Utc);
    let title = |c: &crate::ics::Component| c.text("SUMMARY").unwrap_or_default();
    expansion.instances.iter().map(|i| format!("{} {}", i.starts.local, title(i.component))).collect()
}
