//! The zones of one calendar object: what the TZIDs in it mean.

use std::sync::{Arc, OnceLock};

use super::super::tree::Component;
use super::super::value::When;
use super::{Definition, Zone, names};

/// VTIMEZONEs one object may define. A feed of a whole firm has a few dozen; beyond this they are ignored.
const DEFINITIONS_MAX: usize = 500;

/// What the TZIDs of one VCALENDAR mean. Made for one object and dropped with it: a VTIMEZONE is never shared.
#[derive(Debug)]
pub struct Zones<'a> {
    definitions: Vec<Defined<'a>>,
}

#[derive(Debug)]
struct Defined<'a> {
    tzid: String,
    component: &'a Component,
    zone: OnceLock<Option<Zone>>,
}

impl<'a> Zones<'a> {
    /// The zones of a VCALENDAR. Nothing is evaluated before it is asked for.
    #[must_use]
    pub fn of(calendar: &'a Component) -> Zones<'a> {
        let definitions = calendar
            .components_named("VTIMEZONE")
            .take(DEFINITIONS_MAX)
            .filter_map(|component| {
                let tzid = component.text("TZID")?.trim().to_owned();
                Some(Defined { tzid, component, zone: OnceLock::new() })
            })
            .collect();
        Zones { definitions }
    }

    /// The zone a TZID means here, `None` if nothing says. In this order: an IANA name in any disguise, the IANA name
    /// its VTIMEZONE says it stands for (X-LIC-LOCATION), a Windows name or alias, the VTIMEZONE by its own rules, a
    /// likely guess (an offset such as `GMT+0200`).
    #[must_use]
    pub fn get(&self, tzid: &str) -> Option<Zone> {
        let located = names::located(tzid).or_else(|| self.defined(tzid).and_then(Defined::located));
        located
            .or_else(|| names::renamed(tzid))
            .or_else(|| self.defined(tzid).and_then(Defined::evaluated))
            .or_else(|| names::guessed(tzid))
    }

    /// What a value is local to. A TZID nobody can read is the reader's own time: better an hour off than lost.
    #[must_use]
    pub fn of_value(&self, when: &When) -> Zone {
        match when {
            When::Utc(_) => Zone::Utc,
            When::Zoned { tzid, .. } => self.get(tzid).unwrap_or(Zone::Floating),
            When::Date(_) | When::Floating(_) => Zone::Floating,
        }
    }

    /// The VTIMEZONE that defines a TZID here.
    #[must_use]
    pub fn definition(&self, tzid: &str) -> Option<&'a Component> {
        self.defined(tzid).map(|defined| defined.component)
    }

    fn defined(&self, tzid: &str) -> Option<&Defined<'a>> {
        let wanted = tzid.trim();
        let found = self.definitions.iter().find(|defined| defined.tzid == wanted);
        found.or_else(|| self.definitions.iter().find(|defined| defined.tzid.eq_ignore_ascii_case(wanted)))
    }
}

impl Defined<'_> {
    /// The zone that libical-based clients name beside their own TZID.
    fn located(&self) -> Option<Zone> {
        names::located(self.component.property("X-LIC-LOCATION")?.value())
    }

    fn evaluated(&self) -> Option<Zone> {
        let evaluate = || Definition::of(self.component).map(|definition| Zone::Custom(Arc::new(definition)));
        self.zone.get_or_init(evaluate).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::Document;
    use super::*;
    use bytes::Bytes;

    const OBSERVANCE: &str = "BEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:-0500\r\nTZOFFSETTO:-0500\r\n\
                              END:STANDARD\r\n";

    fn calendar(zones: &[(&str, &str)]) -> Document {
        let zones: String = zones
            .iter()
            .map(|(tzid, more)| format!("BEGIN:VTIMEZONE\r\nTZID:{tzid}\r\n{more}{OBSERVANCE}END:VTIMEZONE\r\n"))
            .collect();
        let text = format!("BEGIN:VCALENDAR\r\n{zones}END:VCALENDAR\r\n");
        Document::parse(&Bytes::from(text)).expect("well-formed")
    }

    fn noon(document: &Document, tzid: &str) -> String {
        let zones = Zones::of(document.calendar().expect("one"));
        let local = "2026-07-01T12:00:00".parse().expect("a date and time");
        zones.get(tzid).map_or("none".to_owned(), |zone| zone.instant(local).to_string())
    }

    #[test]
    fn a_definition_serves_the_names_nobody_else_knows() {
        let document = calendar(&[("Shared/Zone", ""), ("/somewhere/Japan", ""), ("Customized Time Zone 1", "")]);
        for tzid in ["Shared/Zone", "shared/zone", "/somewhere/Japan", "Customized Time Zone 1"] {
            assert_eq!(noon(&document, tzid), "2026-07-01T17:00:00Z", "{tzid}");
        }
        assert_eq!(noon(&document, "Other/Zone"), "none");
        assert_eq!(noon(&calendar(&[]), "Shared/Zone"), "none", "it belongs to the object that brought it");
    }

    #[test]
    fn a_known_name_wins_over_a_definition_and_a_definition_over_a_guess() {
        let document = calendar(&[
            ("Europe/Berlin", ""),
            ("W. Europe Standard Time", ""),
            ("GMT+0200", ""),
            ("Mine", "X-LIC-LOCATION:Europe/Berlin\r\n"),
            ("Central Standard Time", "X-LIC-LOCATION:America/Regina\r\n"),
        ]);
        for (tzid, instant) in [
            ("Europe/Berlin", "2026-07-01T10:00:00Z"),
            ("W. Europe Standard Time", "2026-07-01T10:00:00Z"),
            ("GMT+0200", "2026-07-01T17:00:00Z"),
            ("GMT+0300", "2026-07-01T09:00:00Z"),
            ("Mine", "2026-07-01T10:00:00Z"),
            ("Central Standard Time", "2026-07-01T18:00:00Z"),
        ] {
            assert_eq!(noon(&document, tzid), instant, "{tzid}");
        }
    }

    #[test]
    fn a_definition_without_observances_defines_nothing() {
        let text = "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:X\r\nEND:VTIMEZONE\r\nEND:VCALENDAR\r\n";
        let document = Document::parse(&Bytes::from(text)).expect("well-formed");
        assert_eq!(noon(&document, "X"), "none");
        let zones = Zones::of(document.calendar().expect("one"));
        let when = When::parse("20260701T120000", Some("X")).expect("a date and time");
        assert!(matches!(zones.of_value(&when), Zone::Floating));
    }
}
