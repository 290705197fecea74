//! Objects from a few lines, and expansions as text.

use bytes::Bytes;
use kalends::domain::object::CalendarObject;
use kalends::domain::recurrence::{Expansion, Instance, Window, expand};
use kalends::domain::time::Instant;
use kalends::ics::zone::Zone;

/// An object of the given lines (each ended by a line feed) between the lines of a calendar.
pub fn object(lines: &str) -> CalendarObject {
    let lines: String = lines.lines().map(str::trim).filter(|l| !l.is_empty()).map(|l| format!("{l}\r\n")).collect();
    let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//tests\r\n{lines}END:VCALENDAR\r\n");
    CalendarObject::parse(Bytes::from(text)).unwrap_or_else(|error| panic!("{error}\n{lines:.2000}"))
}

/// An object of several components of one kind, each given by its own lines.
pub fn components(kind: &str, parts: &[&str]) -> CalendarObject {
    let part = |lines: &&str| format!("BEGIN:{kind}\nUID:a\nDTSTAMP:20260101T000000Z\n{lines}\nEND:{kind}\n");
    object(&parts.iter().map(part).collect::<String>())
}

/// An object of VEVENTs.
pub fn events(parts: &[&str]) -> CalendarObject {
    components("VEVENT", parts)
}

pub fn zone(name: &str) -> Zone {
    Zone::iana(name).unwrap_or_else(|| panic!("{name} is a zone"))
}

/// An instant from `2026-01-01` or `2026-01-01T10:00`, in UTC; an open end from `-`.
pub fn at(text: &str, open: Instant) -> Instant {
    if text == "-" {
        return open;
    }
    let time = if text.contains('T') { format!("{text}:00Z") } else { format!("{text}T00:00:00Z") };
    time.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}")).into()
}

/// A window from `2026-01-01 2026-02-01`.
pub fn window(text: &str) -> Window {
    let (from, to) = text.split_once(' ').expect("two ends");
    Window { from: at(from, Instant::FAR_PAST), to: at(to, Instant::FAR_FUTURE) }
}

/// `start/end`, in UTC or as dates, with the component's number, and `was` the RECURRENCE-ID where that differs.
pub fn shown(instance: &Instance<'_>) -> String {
    let short = |at: Instant| at.to_string().replace(":00Z", "Z").replace("T00:00Z", "");
    let span = match instance.dates() {
        Some((from, to)) => format!("{from}/{to}"),
        None if instance.starts == instance.ends => short(instance.starts.at),
        None => format!("{}/{}", short(instance.starts.at), short(instance.ends.at)),
    };
    let was = match instance.recurrence_id {
        Some(id) if id.at != instance.starts.at => format!(" was {}", short(id.at)),
        Some(_) | None => String::new(),
    };
    format!("{}: {span}{was}", instance.index)
}

pub fn lines(expansion: &Expansion<'_>) -> Vec<String> {
    let mut lines: Vec<String> = expansion.instances.iter().map(shown).collect();
    if expansion.truncated {
        lines.push("truncated".to_owned());
    }
    lines
}

/// Expands an object as a reader in UTC and compares.
pub fn check(object: &CalendarObject, in_window: &str, expected: &[&str]) {
    check_in("UTC", object, in_window, expected);
}

/// Expands an object as a reader in that zone and compares.
pub fn check_in(reader: &str, object: &CalendarObject, in_window: &str, expected: &[&str]) {
    let found = lines(&expand(object, window(in_window), &zone(reader)));
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(object.bytes()));
}
