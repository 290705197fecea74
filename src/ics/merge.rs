//! Many calendar objects as one calendar: an export. Each time zone stands in it once; where two objects mean
//! different zones by one TZID, the later one's gets another name, so that nobody's time is read by foreign rules.

use std::collections::HashMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::build::PRODID;
use super::line::Property;
use super::tree::{Component, Document};

/// Puts objects together one after the other; each call gives the bytes to append.
#[derive(Debug, Default)]
pub struct Merger {
    /// What each TZID that was written means: the hash of its definition.
    zones: HashMap<String, [u8; 32]>,
}

impl Merger {
    /// The beginning of the calendar, with properties that speak of all of it (name, colour).
    #[must_use]
    pub fn head(&self, properties: &[Property]) -> Vec<u8> {
        let mut out = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{PRODID}\r\n").into_bytes();
        for property in properties {
            out.extend_from_slice(&property.lawful());
        }
        out
    }

    /// The zones that were not yet written and the components of one object.
    #[must_use]
    pub fn add(&mut self, object: &Document) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(calendar) = object.calendar() else { return out };
        let mut renamed: Vec<(String, String)> = Vec::new();
        for zone in calendar.components_named("VTIMEZONE") {
            let Some(tzid) = zone.text("TZID") else { continue };
            let meaning = meaning_of(zone);
            let name = self.name_for(&tzid, meaning);
            if name != tzid {
                renamed.push((tzid, name.clone()));
            }
            if self.zones.insert(name.clone(), meaning).is_none() {
                let mut zone = zone.clone();
                if renamed.last().is_some_and(|(_, new)| *new == name) {
                    zone.set(Property::text("TZID", &name));
                }
                out.extend_from_slice(&zone.lawful());
            }
        }
        for component in calendar.components().filter(|c| !c.is("VTIMEZONE")) {
            if renamed.is_empty() {
                out.extend_from_slice(&component.lawful());
            } else {
                let mut component = component.clone();
                rename(&mut component, &renamed);
                out.extend_from_slice(&component.lawful());
            }
        }
        out
    }

    /// The end of the calendar.
    #[must_use]
    pub fn tail(&self) -> Bytes {
        Bytes::from_static(b"END:VCALENDAR\r\n")
    }

    /// The TZID under which this meaning is or will be written.
    fn name_for(&self, tzid: &str, meaning: [u8; 32]) -> String {
        let free = |name: &String| self.zones.get(name).is_none_or(|known| *known == meaning);
        std::iter::once(tzid.to_owned())
            .chain((2..=self.zones.len() + 2).map(|n| format!("{tzid} ({n})")))
            .find(free)
            .unwrap_or_else(|| tzid.to_owned())
    }
}

/// What makes two definitions the same: their lines, whatever their folds and line ends.
fn meaning_of(zone: &Component) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut open = vec![zone];
    while let Some(component) = open.pop() {
        hash.update(component.name().to_ascii_uppercase().as_bytes());
        for property in component.properties().filter(|p| !p.is("LAST-MODIFIED")) {
            hash.update(property.unfolded().as_bytes());
            hash.update([b'\n']);
        }
        open.extend(component.components());
    }
    hash.finalize().into()
}

fn rename(component: &mut Component, renamed: &[(String, String)]) {
    for property in component.properties_mut() {
        let new = property
            .param("TZID")
            .and_then(|tzid| renamed.iter().find(|(old, _)| *old == tzid).map(|(_, new)| new.clone()));
        if let Some(new) = new {
            *property = property.without_param("TZID").with_param("TZID", &new);
        }
    }
    // Components of components (alarms) are two levels at most in what PUT lets through; the depth is bounded there.
    for inner in component.components_mut() {
        rename(inner, renamed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(uid: &str, offset: &str) -> Document {
        let text = format!(
            "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VTIMEZONE\nTZID:Shared/Zone\nBEGIN:STANDARD\n\
             DTSTART:19700101T000000\nTZOFFSETFROM:{offset}\nTZOFFSETTO:{offset}\nEND:STANDARD\nEND:VTIMEZONE\n\
             BEGIN:VEVENT\nUID:{uid}\nDTSTART;TZID=Shared/Zone:20261121T120000\nEND:VEVENT\nEND:VCALENDAR\n"
        );
        Document::parse(&Bytes::from(text)).expect("a document")
    }

    fn merged(objects: &[Document]) -> String {
        let mut merger = Merger::default();
        let mut out = merger.head(&[]);
        for object in objects {
            out.extend(merger.add(object));
        }
        out.extend_from_slice(&merger.tail());
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_zone_stands_once() {
        let text = merged(&[object("a", "+0300"), object("b", "+0300")]);
        assert_eq!(text.matches("BEGIN:VTIMEZONE\r\n").count(), 1);
        assert_eq!(text.matches("DTSTART;TZID=Shared/Zone:").count(), 2);
        assert!(!text.replace("\r\n", "").contains('\n'), "every line ends with CRLF");
    }

    #[test]
    fn two_meanings_of_one_name_stay_apart() {
        let text = merged(&[object("a", "+0300"), object("b", "-0500"), object("c", "-0500"), object("d", "+0300")]);
        assert_eq!(text.matches("BEGIN:VTIMEZONE\r\n").count(), 2);
        assert_eq!(text.matches("TZID:Shared/Zone (2)\r\n").count(), 1);
        assert_eq!(text.matches("DTSTART;TZID=Shared/Zone (2):").count(), 2);
        assert_eq!(text.matches("DTSTART;TZID=Shared/Zone:").count(), 2);
    }
}
