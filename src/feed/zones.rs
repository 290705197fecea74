//! The VTIMEZONEs a feed needs: each zone defined once, before it is first used. Objects from different clients may
//! mean different things by one TZID; then all but the first get another.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use jiff::tz::Offset;
use sha2::{Digest, Sha256};

use super::lawful::{Place, lawful, lawful_bound};
use crate::domain::privacy::plain_zone;
use crate::ics::zone::{Zone, Zones, vtimezone};
use crate::ics::{Component, Document, Property, When, value};

/// Digits that tell a zone's definition from others of the same name.
const MARK_DIGITS: usize = 8;

/// Under which names zones are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// As the objects name them, with the definitions they bring.
    AsWritten,
    /// By names and rules that nobody wrote: IANA names, offsets, marks.
    Plain,
}

/// The zones a feed has defined so far.
#[derive(Debug)]
pub(super) struct ZoneBook {
    naming: Naming,
    /// Definitions hold from this year on.
    from_year: i16,
    names: HashMap<Meaning, String>,
    /// In lower case, since readers may not tell case apart.
    taken: HashSet<String>,
}

/// A TZID and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Meaning {
    tzid: String,
    /// An IANA name, an offset, or the mark of a definition.
    zone: String,
}

impl ZoneBook {
    pub fn new(naming: Naming, from_year: i16) -> ZoneBook {
        ZoneBook { naming, from_year, names: HashMap::new(), taken: HashSet::new() }
    }

    /// The TZID to write for one that an object uses. A definition that is needed for it is added to `out`. `None`: nobody
    /// knows the zone, its times are the reader's own.
    pub fn name(&mut self, tzid: &str, zones: &Zones<'_>, out: &mut Vec<u8>) -> Option<String> {
        match zones.get(tzid)? {
            zone @ (Zone::Iana(_) | Zone::Utc) => {
                let iana = zone.iana_name()?;
                let from_year = self.from_year;
                self.named((tzid, iana, iana), zones, out, |name| iana_zone(iana, from_year, name))
            }
            Zone::Fixed(offset) => {
                let utc = format!("UTC{}", value::utc_offset_value(offset.seconds()));
                self.named((tzid, &utc, &utc), zones, out, |name| Some(fixed_zone(offset, name)))
            }
            Zone::Custom(_) => {
                let definition = zones.definition(tzid)?;
                match self.naming {
                    Naming::AsWritten => {
                        let mark = mark(definition);
                        self.named((tzid, &mark, tzid), zones, out, |name| Some(own_zone(definition, name)))
                    }
                    Naming::Plain => {
                        let mark = mark(&plain_zone(definition, ""));
                        let plain = format!("Zone-{mark}");
                        self.named((tzid, &mark, &plain), zones, out, |name| Some(plain_zone(definition, name)))
                    }
                }
            }
            Zone::Floating => None,
        }
    }

    /// The name for `tzid` where it means `zone`; `plain` is what to call it where nothing written may be shown.
    fn named(
        &mut self,
        (tzid, zone, plain): (&str, &str, &str),
        zones: &Zones<'_>,
        out: &mut Vec<u8>,
        define: impl FnOnce(&str) -> Option<Component>,
    ) -> Option<String> {
        let wanted = match self.naming {
            Naming::AsWritten => tzid.trim(),
            Naming::Plain => plain,
        };
        let meaning = Meaning { tzid: wanted.to_owned(), zone: zone.to_owned() };
        if let Some(name) = self.names.get(&meaning) {
            return Some(name.clone());
        }
        let name = if self.taken.contains(&wanted.to_lowercase()) {
            format!("{wanted}-{}", short_digest(zone.as_bytes()))
        } else {
            wanted.to_owned()
        };
        let definition = define(&name)?;
        let place = Place { component: &definition, start: None, zones };
        for line in definition.lines() {
            let is_bound = line.is("BEGIN") || line.is("END");
            if let Some(line) = if is_bound { Some(lawful_bound(line)) } else { lawful(line, &place) } {
                out.extend_from_slice(&line.lawful());
            }
        }
        self.taken.insert(name.to_lowercase());
        self.names.insert(meaning, name.clone());
        Some(name)
    }
}

fn iana_zone(iana: &str, from_year: i16, name: &str) -> Option<Component> {
    let text = vtimezone(iana, from_year, None)?;
    let mut zone = Document::parse(&Bytes::from(text)).ok()?.into_component()?;
    if name != iana {
        zone.set(Property::text("TZID", name));
    }
    Some(zone)
}

fn fixed_zone(offset: Offset, name: &str) -> Component {
    let mut always = Component::new("STANDARD");
    for part in ["DTSTART", "RDATE"] {
        always.push(Property::new(part, "19700101T000000"));
    }
    for part in ["TZOFFSETFROM", "TZOFFSETTO"] {
        always.push(Property::new(part, &value::utc_offset_value(offset.seconds())));
    }
    let mut zone = Component::new("VTIMEZONE");
    zone.push(Property::text("TZID", name));
    zone.push_component(always);
    zone
}

fn own_zone(definition: &Component, name: &str) -> Component {
    // RFC 5545 has onsets be times, and some readers give up on days.
    let starts = definition.components().filter_map(|observance| observance.property("DTSTART"));
    if starts.filter_map(|start| When::of(start).ok()).any(|start| start.is_date()) {
        return plain_zone(definition, name);
    }
    let mut zone = definition.clone();
    zone.components_mut().for_each(date_first_onset);
    if zone.text("TZID").as_deref() != Some(name) {
        zone.set(Property::text("TZID", name));
    }
    zone
}

/// Says the first onset as a date too, as `ics::zone::vtimezone` does and for the same readers.
fn date_first_onset(observance: &mut Component) {
    if observance.property("RRULE").is_some() {
        return;
    }
    let Some(start) = observance.property("DTSTART").and_then(|p| When::of(p).ok()) else { return };
    let dates = observance.properties_named("RDATE").flat_map(|p| When::list_of(p).unwrap_or_default());
    let dates: Vec<When> = dates.collect();
    if dates.iter().all(|date| date.local() != start.local()) {
        observance.push(When::Floating(start.local()).to_property("RDATE"));
    }
}

/// What tells a definition from others.
fn mark(definition: &Component) -> String {
    let lines: Vec<&str> = definition.lines().iter().map(|line| line.unfolded()).collect();
    short_digest(lines.join("\n").as_bytes())
}

fn short_digest(bytes: &[u8]) -> String {
    let mut digits = hex::encode(Sha256::digest(bytes));
    digits.truncate(MARK_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(zones: &[(&str, &str)]) -> Document {
        let zones: String = zones
            .iter()
            .map(|(tzid, offset)| {
                format!(
                    "BEGIN:VTIMEZONE\r\nTZID:{tzid}\r\nCOMMENT:TAINT\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n\
                     TZOFFSETFROM:{offset}\r\nTZOFFSETTO:{offset}\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
                )
            })
            .collect();
        Document::parse(&Bytes::from(format!("BEGIN:VCALENDAR\r\n{zones}END:VCALENDAR\r\n"))).expect("well-formed")
    }

    /// The name to write, and the definition that had to be added.
    fn name(book: &mut ZoneBook, document: &Document, tzid: &str) -> (Option<String>, String) {
        let mut out = Vec::new();
        let name = book.name(tzid, &Zones::of(document.calendar().expect("one")), &mut out);
        (name, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn a_zone_is_defined_once_by_the_newest_rules() {
        let mut book = ZoneBook::new(Naming::AsWritten, 2020);
        let object = calendar(&[("Europe/Berlin", "-0900")]);
        let (first, definition) = name(&mut book, &object, "Europe/Berlin");
        assert_eq!(first.as_deref(), Some("Europe/Berlin"));
        assert!(definition.starts_with("BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\n") && !definition.contains("-0900"));
        assert_eq!(name(&mut book, &object, " Europe/Berlin "), (Some("Europe/Berlin".into()), String::new()));
        assert_eq!(name(&mut book, &object, "Nowhere/Atall"), (None, String::new()));
    }

    #[test]
    fn one_name_with_two_meanings_becomes_two_names() {
        let mut book = ZoneBook::new(Naming::AsWritten, 2020);
        let (one, other) = (calendar(&[("Office", "+0100")]), calendar(&[("Office", "+0200")]));
        let (first, definition) = name(&mut book, &one, "Office");
        assert_eq!(first.as_deref(), Some("Office"));
        assert!(definition.contains("TZOFFSETTO:+0100") && definition.contains("COMMENT:TAINT"));
        let (second, definition) = name(&mut book, &other, "Office");
        let second = second.expect("a name");
        assert!(second.starts_with("Office-") && definition.contains(&format!("TZID:{second}\r\n")), "{definition}");
        assert!(definition.contains("TZOFFSETTO:+0200"));
        assert_eq!(name(&mut book, &one, "Office"), (Some("Office".into()), String::new()));
        assert_eq!(name(&mut book, &other, "Office"), (Some(second), String::new()));
        // Readers may not tell case apart.
        assert_ne!(name(&mut book, &calendar(&[("OFFICE", "+0300")]), "OFFICE").0.as_deref(), Some("OFFICE"));
    }

    #[test]
    fn foreign_names_of_known_zones_are_defined_as_they_are_written() {
        let mut book = ZoneBook::new(Naming::AsWritten, 2020);
        let none = calendar(&[]);
        let (windows, definition) = name(&mut book, &none, "W. Europe Standard Time");
        assert_eq!(windows.as_deref(), Some("W. Europe Standard Time"));
        assert!(definition.contains("TZID:W. Europe Standard Time\r\n") && definition.contains("+0200"));
        let (offset, definition) = name(&mut book, &none, "GMT+0330");
        assert_eq!(offset.as_deref(), Some("GMT+0330"));
        assert!(definition.contains("TZOFFSETTO:+0330\r\n"));
        let (commas, definition) =
            name(&mut book, &none, "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna");
        assert_eq!(commas.as_deref(), Some("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"));
        assert!(definition.contains("TZID:(UTC+01:00) Amsterdam\\, Berlin\\, "), "{definition}");
    }

    #[test]
    fn plain_names_hold_nothing_that_somebody_wrote() {
        let mut book = ZoneBook::new(Naming::Plain, 2020);
        let object = calendar(&[("TAINT 1", "+0100"), ("TAINT 2", "+0100"), ("TAINT 3", "+0200")]);
        let (first, definition) = name(&mut book, &object, "TAINT 1");
        let first = first.expect("a name");
        assert!(first.starts_with("Zone-") && !definition.contains("TAINT"), "{definition}");
        assert_eq!(name(&mut book, &object, "TAINT 2"), (Some(first.clone()), String::new()), "the same rules");
        assert_ne!(name(&mut book, &object, "TAINT 3").0, Some(first));
        for (tzid, plain) in [
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("/mozilla.org/20070129_1/Europe/Berlin", "Europe/Berlin"),
            ("GMT+0330", "UTC+0330"),
            ("utc", "UTC"),
        ] {
            let (found, definition) = name(&mut book, &calendar(&[]), tzid);
            assert_eq!(found.as_deref(), Some(plain), "{tzid}");
            assert!(definition.is_empty() || definition.contains(&format!("TZID:{plain}\r\n")), "{definition}");
        }
    }
}
