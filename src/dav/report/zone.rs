//! The reader's time zone: what floating and all-day times mean to the one who asks (RFC 4791 §7.3, RFC 7809 §5).

use bytes::Bytes;

use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Document};
use crate::xml::{Element, names};

/// Why a request names no time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// `CALDAV:valid-calendar-data`
    #[error("the timezone is no iCalendar object with one VTIMEZONE in it")]
    Definition,
    /// `CALDAV:valid-timezone`
    #[error("the timezone-id is not known")]
    Id,
}

/// The zone that a request brings as `CALDAV:timezone` or names as `CALDAV:timezone-id`.
///
/// # Errors
/// It cannot be read, or is not known.
pub fn of_request(request: &Element) -> Result<Option<Zone>, ZoneError> {
    if let Some(definition) = request.child(&names::TIMEZONE) {
        return defined(&definition.text()).map(Some).ok_or(ZoneError::Definition);
    }
    let Some(id) = request.child(&names::TIMEZONE_ID) else { return Ok(None) };
    Zone::iana(id.text().trim()).map(Some).ok_or(ZoneError::Id)
}

/// The zone of a calendar, from its `CALDAV:calendar-timezone`; UTC if it has none.
#[must_use]
pub fn of_calendar(definition: Option<&str>) -> Zone {
    definition.and_then(defined).unwrap_or(Zone::Utc)
}

/// The zone of an iCalendar object that holds a single VTIMEZONE.
fn defined(text: &str) -> Option<Zone> {
    let document = Document::parse(&Bytes::copy_from_slice(text.trim().as_bytes())).ok()?;
    let calendar = document.calendar()?;
    let mut definitions = calendar.components_named("VTIMEZONE");
    let tzid = definitions.next().and_then(tzid)?;
    if definitions.next().is_some() {
        return None;
    }
    Zones::of(calendar).get(&tzid)
}

fn tzid(definition: &Component) -> Option<String> {
    definition.property("TZID").map(|p| p.value().trim().to_owned()).filter(|tzid| !tzid.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Document as Xml;

    fn read(inside: &str) -> Result<Option<String>, ZoneError> {
        let body = format!("<calendar-query xmlns='urn:ietf:params:xml:ns:caldav'>{inside}</calendar-query>");
        let document = Xml::parse(body.as_bytes(), 10_000).expect("well-formed");
        let noon = "2026-07-01T12:00:00".parse().expect("a date and time");
        of_request(document.root()).map(|zone| zone.map(|zone| zone.instant(noon).to_string()))
    }

    fn definition(tzid: &str) -> String {
        format!(
            "BEGIN:VTIMEZONE\nTZID:{tzid}\nBEGIN:STANDARD\nDTSTART:16010101T000000\nTZOFFSETFROM:-0500\n\
             TZOFFSETTO:-0500\nEND:STANDARD\nEND:VTIMEZONE\n"
        )
    }

    #[test]
    fn a_request_brings_its_zone_or_names_it() {
        let text = |inside: &str| format!("<timezone>\nBEGIN:VCALENDAR\n{inside}END:VCALENDAR\n</timezone>");
        for (inside, expected) in [
            (String::new(), Ok(None)),
            ("<timezone-id> Europe/Berlin </timezone-id>".into(), Ok(Some("2026-07-01T10:00:00Z"))),
            ("<timezone-id>Middle/Earth</timezone-id>".into(), Err(ZoneError::Id)),
            (text(&definition("Shire")), Ok(Some("2026-07-01T17:00:00Z"))),
            (text(&definition("Europe/Berlin")), Ok(Some("2026-07-01T10:00:00Z"))),
            (text(""), Err(ZoneError::Definition)),
            (text(&(definition("A") + &definition("B"))), Err(ZoneError::Definition)),
            ("<timezone>Europe/Berlin</timezone>".into(), Err(ZoneError::Definition)),
            ("<timezone/>".into(), Err(ZoneError::Definition)),
        ] {
            assert_eq!(read(&inside), expected.map(|zone: Option<&str>| zone.map(str::to_owned)), "{inside}");
        }
    }

    #[test]
    fn a_calendar_without_a_zone_is_in_utc() {
        let text = format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", definition("Europe/Berlin"));
        assert_eq!(of_calendar(Some(&text)).iana_name(), Some("Europe/Berlin"));
        assert_eq!(of_calendar(None).iana_name(), Some("UTC"));
        assert_eq!(of_calendar(Some("nonsense")).iana_name(), Some("UTC"));
    }
}
