//! Zones by the names a record uses and by the names an object uses.

use bytes::Bytes;
use jiff::civil::DateTime;

use crate::ics::zone::{Zone, Zones, vtimezone};
use crate::ics::{Component, Document, Property, When};

/// The same time with its zone's IANA name, if it has one.
pub(super) fn named(when: When, zones: &Zones<'_>) -> When {
    match when {
        When::Zoned { local, tzid } => {
            let name = zones.get(&tzid).and_then(|zone| zone.iana_name().map(str::to_owned));
            When::Zoned { local, tzid: name.unwrap_or(tzid) }
        }
        When::Date(_) | When::Floating(_) | When::Utc(_) => when,
    }
}

/// The same kind of time at another wall clock.
pub(super) fn with_wall(kind: &When, wall: DateTime) -> When {
    match kind {
        When::Date(_) => When::Date(wall.date()),
        When::Floating(_) => When::Floating(wall),
        When::Utc(_) => When::Utc(wall),
        When::Zoned { tzid, .. } => When::Zoned { local: wall, tzid: tzid.clone() },
    }
}

/// How one calendar object spells the zones it knows.
#[derive(Debug)]
pub struct Spelling {
    /// IANA name and the TZID that stands for it here.
    known: Vec<(String, String)>,
    /// Zones that must be defined, with the first year they are needed in.
    missing: Vec<(String, i16)>,
}

impl Spelling {
    /// How a VCALENDAR spells them.
    #[must_use]
    pub fn of(calendar: &Component) -> Spelling {
        let zones = Zones::of(calendar);
        let used = calendar
            .components_named("VEVENT")
            .flat_map(|event| ["DTSTART", "DTEND"].into_iter().filter_map(|name| event.property(name)))
            .filter_map(|p| p.param("TZID"))
            .map(|tzid| tzid.trim().to_owned());
        let defined = calendar
            .components_named("VTIMEZONE")
            .filter_map(|zone| zone.property("TZID"))
            .map(|p| p.value().trim().to_owned());
        let mut known = Vec::new();
        for tzid in used.chain(defined) {
            let name = zones.get(&tzid).and_then(|z| z.iana_name().map(str::to_owned)).unwrap_or_else(|| tzid.clone());
            if !known.iter().any(|(n, _)| *n == name) {
                known.push((name, tzid));
            }
        }
        Spelling { known, missing: Vec::new() }
    }

    /// The time as this object writes it.
    pub(super) fn spell(&mut self, when: &When) -> When {
        let When::Zoned { local, tzid } = when else { return when.clone() };
        if let Some((_, known)) = self.known.iter().find(|(name, _)| name == tzid) {
            return When::Zoned { local: *local, tzid: known.clone() };
        }
        match self.missing.iter_mut().find(|(name, _)| name == tzid) {
            Some((_, year)) => *year = (*year).min(local.year()),
            None => self.missing.push((tzid.clone(), local.year())),
        }
        when.clone()
    }

    /// A time as a property of that name, as this object writes it.
    pub fn property(&mut self, name: &str, when: &When) -> Property {
        self.spell(when).to_property(name)
    }

    /// Defines what was spelled and is not defined yet.
    pub fn define(self, calendar: &mut Component) {
        for (name, year) in self.missing {
            if let Some(zone) = definition(&name, year) {
                calendar.insert_component(zone);
            }
        }
    }
}

/// The VTIMEZONE of an IANA zone, from a year on.
pub(super) fn definition(name: &str, from_year: i16) -> Option<Component> {
    let document = Document::parse(&Bytes::from(vtimezone(name, from_year, None)?)).ok()?;
    document.components().next().cloned()
}

/// An instant's wall clock in UTC.
pub(super) fn utc_wall(at: jiff::Timestamp) -> DateTime {
    Zone::Utc.local(at)
}
