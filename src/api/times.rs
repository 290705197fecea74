//! Times between JSON and iCalendar: RFC 3339 with an offset, local times, dates.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

use super::problem::Problem;
use crate::domain::time::Instant;
use crate::ics::When;
use crate::ics::zone::{Zone, Zones};

/// A time as a client wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// `2026-03-02`
    Date(Date),
    /// `2026-03-02T10:00:00`, local to some zone named elsewhere.
    Local(DateTime),
    /// `2026-03-02T10:00:00Z` or with another offset.
    At {
        /// The instant.
        at: Timestamp,
        /// Whether the offset was written `Z`.
        is_utc: bool,
    },
}

impl Given {
    /// Reads a time; fractions of a second are dropped, for iCalendar has none.
    ///
    /// # Errors
    /// It is in none of the three forms; the problem names `field`.
    pub fn parse(field: &str, text: &str) -> Result<Given, Problem> {
        read(text).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            let forms = "2026-03-02T10:00:00Z, 2026-03-02T10:00:00 or 2026-03-02";
            Problem::value(field, format!("{shown:?} is not a time such as {forms}"))
        })
    }

    /// The instant; a local time or the midnight of a date in a zone.
    #[must_use]
    pub fn instant(self, zone: &Zone) -> Instant {
        Instant::from(match self {
            Given::Date(date) => zone.instant(date.to_datetime(Time::midnight())),
            Given::Local(local) => zone.instant(local),
            Given::At { at, .. } => at,
        })
    }
}

fn read(text: &str) -> Option<Given> {
    let day = text.get(..10)?;
    let date = digits(day, &[4, 2, 2], '-').and_then(|n| match n.as_slice() {
        [y, m, d] => Date::new(i16::try_from(*y).ok()?, i8::try_from(*m).ok()?, i8::try_from(*d).ok()?).ok(),
        _ => None,
    })?;
    if date.year() < 1 {
        return None;
    }
    let Some(rest) = text.get(10..).filter(|rest| !rest.is_empty()) else { return Some(Given::Date(date)) };
    // In a query a plus that was not encoded arrives as a blank.
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let offset_at = rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len());
    let (clock, offset) = rest.split_at_checked(offset_at)?;
    let local = date.to_datetime(time(clock)?);
    if offset.is_empty() {
        return Some(Given::Local(local));
    }
    let is_utc = offset.eq_ignore_ascii_case("z");
    let seconds = if is_utc { 0 } else { offset_seconds(offset)? };
    let at = jiff::tz::Offset::from_seconds(seconds).ok()?.to_timestamp(local).ok()?;
    Some(Given::At { at, is_utc })
}

/// `10:00`, `10:00:00` or `10:00:00.000`; a leap second is the second before it.
fn time(clock: &str) -> Option<Time> {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    if fraction.is_empty() || fraction.len() > 12 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let parts = digits(clock, &[2, 2, 2], ':').or_else(|| digits(clock, &[2, 2], ':'))?;
    let part = |at: usize| parts.get(at).copied().unwrap_or(0);
    let second = if part(2) == 60 { 59 } else { part(2) };
    Time::new(i8::try_from(part(0)).ok()?, i8::try_from(part(1)).ok()?, i8::try_from(second).ok()?, 0).ok()
}

/// `+01:00`; RFC 3339 knows no other form.
fn offset_seconds(offset: &str) -> Option<i32> {
    let (sign, clock) = offset.split_at_checked(1)?;
    let parts = digits(clock, &[2, 2], ':')?;
    let (hours, minutes) = (*parts.first()?, *parts.get(1)?);
    let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
    match (hours < 24 && minutes < 60, sign) {
        (true, "-") => Some(-seconds),
        (true, "+" | " ") => Some(seconds),
        _ => None,
    }
}

/// Numbers of exactly these many digits, with a separator between them.
fn digits(text: &str, widths: &[usize], separator: char) -> Option<Vec<u32>> {
    let parts: Vec<&str> = text.split(separator).collect();
    if parts.len() != widths.len() {
        return None;
    }
    let is_number = |part: &str, width: usize| part.len() == width && part.bytes().all(|b| b.is_ascii_digit());
    parts.iter().zip(widths).map(|(p, w)| is_number(p, *w).then(|| p.parse().ok()).flatten()).collect()
}

/// A time as the JSON shows it: with the offset it has in its zone, or local where there is none.
#[must_use]
pub fn show(when: &When, zones: &Zones<'_>) -> String {
    match when {
        When::Date(date) => date.strftime("%Y-%m-%d").to_string(),
        When::Floating(local) => wall(*local),
        When::Utc(local) => format!("{}Z", wall(*local)),
        When::Zoned { local, tzid } => match zones.get(tzid) {
            Some(zone) => show_at(zone.instant(*local), &zone),
            None => wall(*local),
        },
    }
}

/// An instant as the JSON shows it in a zone.
#[must_use]
pub fn show_at(at: Timestamp, zone: &Zone) -> String {
    let wall = wall(zone.local(at));
    if matches!(zone, Zone::Utc) {
        return format!("{wall}Z");
    }
    let seconds = zone.offset(at).seconds();
    // RFC 3339 has no seconds in offsets; local mean times of long ago have.
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs() / 60);
    format!("{wall}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn wall(local: DateTime) -> String {
    local.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The zone a time names.
#[must_use]
pub fn zone_name(when: &When) -> Option<&str> {
    match when {
        When::Utc(_) => Some("UTC"),
        When::Zoned { tzid, .. } => Some(tzid),
        When::Date(_) | When::Floating(_) => None,
    }
}

/// An instant as the JSON shows it.
#[must_use]
pub fn stamp(at: Instant) -> String {
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> String {
        match Given::parse("start", text) {
            Ok(Given::Date(date)) => date.to_string(),
            Ok(Given::Local(local)) => local.to_string(),
            Ok(Given::At { at, is_utc }) => format!("{at}{}", if is_utc { "" } else { " by offset" }),
            Err(_) => "refused".to_owned(),
        }
    }

    #[test]
    fn times_are_read_in_three_forms_and_no_other() {
        for (text, expected) in [
            ("2026-03-02", "2026-03-02"),
            ("2026-03-02T10:00", "2026-03-02T10:00:00"),
            ("2026-03-02T10:00:30", "2026-03-02T10:00:30"),
            ("2026-03-02t10:00:00z", "2026-03-02T10:00:00Z"),
            ("2026-03-02T10:00:00.000Z", "2026-03-02T10:00:00Z"),
            ("2026-03-02T10:00:60Z", "2026-03-02T10:00:59Z"),
            ("2026-03-02T10:00:00+01:00", "2026-03-02T09:00:00Z by offset"),
            ("2026-03-02T10:00:00 01:00", "2026-03-02T09:00:00Z by offset"),
            ("2026-03-02 10:00:00-03:30", "2026-03-02T13:30:00Z by offset"),
            ("9999-12-31T23:59:59-23:59", "refused"),
            ("2026-03-02T10:00:00+0100", "refused"),
            ("2026-03-02T10:00:00[Europe/Berlin]", "refused"),
            ("2026-02-29", "refused"),
            ("20260302T100000", "refused"),
            ("0000-01-01", "refused"),
            ("2026-03-02T", "refused"),
            ("2026-03-02T24:00:00", "refused"),
            ("2026-03-02T10:00:00.Z", "refused"),
            ("2026-03-02T10:00:00ZZ", "refused"),
            ("２０２６-03-02", "refused"),
            ("yesterday", "refused"),
            ("", "refused"),
        ] {
            assert_eq!(given(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_time_is_shown_with_the_offset_of_that_day() {
        let document = crate::ics::Document::new(crate::ics::Component::new("VCALENDAR"));
        let zones = Zones::of(document.calendar().expect("a calendar"));
        let zoned = |tzid: &str, local: &str| {
            let local = local.parse().expect("a date and time");
            show(&When::Zoned { local, tzid: tzid.to_owned() }, &zones)
        };
        for (tzid, local, expected) in [
            ("Europe/Berlin", "2026-03-28T10:00:00", "2026-03-28T10:00:00+01:00"),
            ("Europe/Berlin", "2026-03-30T10:00:00", "2026-03-30T10:00:00+02:00"),
            ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T03:30:00+02:00"),
            ("America/St_Johns", "2026-01-01T10:00:00", "2026-01-01T10:00:00-03:30"),
            ("Nobody/Knows", "2026-01-01T10:00:00", "2026-01-01T10:00:00"),
        ] {
            assert_eq!(zoned(tzid, local), expected, "{tzid} {local}");
        }
    }
}
