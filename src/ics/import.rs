//! A file of many appointments as calendar objects: one per UID, with its overrides and the time zones it names.
//!
//! The file is read twice. The first reading notes where which component lies (some 40 bytes each) and judges it;
//! the second fetches the components of one object at a time. So a file of any size takes little memory, and one
//! bad appointment costs only itself.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::build;
use super::error::IcsError;
use super::limits::{BODY_BYTES_MAX, COMPONENTS_MAX};
use super::line::Property;
use super::repair::{Repair, mend};
use super::split::{Piece, RawComponent, Splitter, component_of};
use super::tree::Component;
use super::validate::OBJECT_COMPONENTS;
use super::value::{When, integer};

/// Most faults and repairs that are kept to be shown; the rest is counted. Nobody reads more.
pub const NOTES_MAX: usize = 1_000;
/// Most time zones of one file. A file with one VCALENDAR per appointment repeats them.
const ZONES_MAX: usize = 200_000;
/// Most properties of its calendars that are kept.
const PROPERTIES_MAX: usize = 200;

/// What the first reading of a file found.
#[derive(Debug, Default)]
pub struct Import {
    entries: Vec<Entry>,
    zones: Vec<Zone>,
    /// The first zone of each name in the file.
    zones_by_name: HashMap<String, usize>,
    properties: Vec<Property>,
    faults: Notes<IcsError>,
    repairs: Notes<Repair>,
}

/// A list that is kept up to [`NOTES_MAX`] and counted beyond.
#[derive(Debug, Clone)]
pub struct Notes<T> {
    /// The first of them.
    pub first: Vec<T>,
    /// How many there were.
    pub total: usize,
}

/// One calendar object of a file.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Its UID; made from its content where the file gave none.
    pub uid: String,
    /// Where in the file its first component begins, counted in lines from 1.
    pub line: u32,
    /// The object: a VCALENDAR with the time zones it names.
    pub bytes: Bytes,
    /// Components of the file that say the same instance again and lost to a later edition.
    pub superseded: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    uid: [u8; 16],
    kind: u8,
    calendar: u32,
    line: u32,
    start: u64,
    length: u32,
}

#[derive(Debug)]
struct Zone {
    calendar: u32,
    tzid: String,
    line: u32,
    at: Range<u64>,
}

impl<T> Default for Notes<T> {
    fn default() -> Self {
        Self { first: Vec::new(), total: 0 }
    }
}

impl<T> Notes<T> {
    fn add(&mut self, note: T) {
        self.total += 1;
        if self.first.len() < NOTES_MAX {
            self.first.push(note);
        }
    }
}

impl Import {
    /// Reads through a whole file, from its beginning.
    ///
    /// # Errors
    /// Only those of the reader; what is wrong with the content is in [`Import::faults`].
    pub fn scan(reader: impl BufRead) -> io::Result<Self> {
        let mut import = Self::default();
        let mut pieces = Splitter::new(reader);
        while let Some(piece) = pieces.next_piece()? {
            match piece {
                Piece::Property(property) if import.properties.len() < PROPERTIES_MAX => {
                    import.properties.push(property);
                }
                Piece::Property(_) => {}
                Piece::Bad(fault) => import.faults.add(fault),
                Piece::Component(raw) => {
                    if let Err(fault) = import.note(&raw) {
                        import.faults.add(fault);
                    }
                }
            }
        }
        import.entries.sort_by_key(|entry| (entry.uid, entry.start));
        Ok(import)
    }

    fn note(&mut self, raw: &RawComponent) -> Result<(), IcsError> {
        let (component, mut repairs) = raw.read()?;
        if component.is("VTIMEZONE") {
            if let Some(tzid) = component.text("TZID")
                && self.zones.len() < ZONES_MAX
            {
                self.zones_by_name.entry(tzid.clone()).or_insert(self.zones.len());
                self.zones.push(Zone { calendar: raw.calendar, tzid, line: raw.line, at: raw.at.clone() });
            }
            return Ok(());
        }
        let kind = kind_of(&component)?;
        let (uid, _) = mend(&mut with_uid(component), &mut repairs)?;
        for repair in repairs {
            self.repairs.add(repair);
        }
        self.entries.push(Entry {
            uid: digest(uid.as_bytes()),
            kind,
            calendar: raw.calendar,
            line: raw.line,
            start: raw.at.start,
            length: u32::try_from(raw.at.end - raw.at.start).unwrap_or(u32::MAX),
        });
        Ok(())
    }

    /// The properties of its calendars: NAME, X-WR-CALNAME, X-WR-TIMEZONE, REFRESH-INTERVAL and what else there was.
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// What cannot be kept, and why.
    pub fn faults(&self) -> &Notes<IcsError> {
        &self.faults
    }

    /// What was put right.
    pub fn repairs(&self) -> &Notes<Repair> {
        &self.repairs
    }

    /// How many objects [`Import::objects`] will try to give.
    pub fn objects_count(&self) -> usize {
        self.entries.chunk_by(|a, b| a.uid == b.uid).count()
    }

    /// The objects, one at a time, read from the same file again. An `Err` inside is a fault of that object only.
    pub fn objects<S: Read + Seek>(
        &self,
        mut source: S,
    ) -> impl Iterator<Item = io::Result<Result<Imported, IcsError>>> {
        self.entries.chunk_by(|a, b| a.uid == b.uid).map(move |entries| self.object(entries, &mut source))
    }

    fn object(&self, entries: &[Entry], source: &mut (impl Read + Seek)) -> io::Result<Result<Imported, IcsError>> {
        let size: u64 = entries.iter().map(|entry| u64::from(entry.length)).sum();
        let line = entries.iter().map(|entry| entry.line).min().unwrap_or(0);
        if size > BODY_BYTES_MAX as u64 {
            let what = "calendar object in bytes";
            return Ok(Err(IcsError::TooLarge { line, what, limit: BODY_BYTES_MAX }));
        }
        if entries.len() > COMPONENTS_MAX {
            let what = "number of components";
            return Ok(Err(IcsError::TooLarge { line, what, limit: COMPONENTS_MAX }));
        }
        let mut read = Vec::with_capacity(entries.len());
        for entry in entries {
            let raw = fetch(source, entry.start, u64::from(entry.length))?;
            match edition(&raw, entry) {
                Ok(edition) => read.push(edition),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        if let Some(fault) = mixed(entries) {
            return Ok(Err(fault));
        }
        let superseded = keep_latest(&mut read);
        let zones = self.zones_for(entries, &read, source)?;
        let uid = read.first().and_then(|edition| edition.component.text("UID")).unwrap_or_default().trim().to_owned();
        let components = zones.into_iter().chain(read.into_iter().map(|edition| edition.component));
        let bytes = build::calendar(components).to_bytes();
        Ok(Ok(Imported { uid, line, bytes, superseded }))
    }

    /// The VTIMEZONEs an object names: those of its own VCALENDAR, else any of that name in the file.
    fn zones_for(
        &self,
        entries: &[Entry],
        read: &[Edition],
        source: &mut (impl Read + Seek),
    ) -> io::Result<Vec<Component>> {
        let calendar = entries.first().map_or(0, |entry| entry.calendar);
        let mut named = BTreeSet::new();
        for property in read.iter().flat_map(|edition| edition.component.deep_properties()) {
            if let Some(tzid) = property.param("TZID") {
                named.insert(tzid.into_owned());
            }
        }
        let mut found = Vec::new();
        for tzid in named {
            let own = self.zones_of(calendar).iter().find(|zone| zone.tzid == tzid);
            let any = || self.zones_by_name.get(&tzid).and_then(|at| self.zones.get(*at));
            let Some(zone) = own.or_else(any) else { continue };
            let raw = fetch(source, zone.at.start, zone.at.end - zone.at.start)?;
            if let Ok((component, _)) = component_of(&raw, zone.line) {
                found.push(component.normalized());
            }
        }
        Ok(found)
    }

    /// The time zones of one VCALENDAR; they lie together, since they are in the order of the file.
    fn zones_of(&self, calendar: u32) -> &[Zone] {
        let from = self.zones.partition_point(|zone| zone.calendar < calendar);
        let to = self.zones.partition_point(|zone| zone.calendar <= calendar);
        self.zones.get(from..to).unwrap_or_default()
    }
}

/// One component with what decides which of two editions of an instance is the later one.
struct Edition {
    component: Component,
    line: u32,
    instance: Option<When>,
    rank: (i64, String),
}

fn edition(raw: &[u8], entry: &Entry) -> Result<Edition, IcsError> {
    let (component, mut repairs) = component_of(raw, entry.line)?;
    let mut component = with_uid(component).normalized();
    // What is put right here was noted by the first reading.
    let (_, instance) = mend(&mut component, &mut repairs)?;
    let sequence = component.property("SEQUENCE").and_then(|p| integer(p.value()).ok()).unwrap_or(0);
    let stamp = component.text("LAST-MODIFIED").or_else(|| component.text("DTSTAMP")).unwrap_or_default();
    Ok(Edition { component, line: entry.line, instance, rank: (sequence, stamp) })
}

/// Leaves one edition of each instance, master first: the highest SEQUENCE, then the last modified, then the last in
/// the file. Gives the lines of the others.
fn keep_latest(read: &mut Vec<Edition>) -> Vec<u32> {
    let mut seen = HashSet::new();
    let mut superseded = Vec::new();
    read.sort_by(|a, b| (&b.rank, b.line).cmp(&(&a.rank, a.line)));
    read.retain(|edition| {
        let first = seen.insert(edition.instance.clone());
        if !first {
            superseded.push(edition.line);
        }
        first
    });
    read.sort_by_key(|edition| (edition.instance.is_some(), edition.line));
    superseded.sort_unstable();
    superseded
}

fn mixed(entries: &[Entry]) -> Option<IcsError> {
    let first = entries.first()?;
    let other = entries.iter().find(|entry| entry.kind != first.kind)?;
    let name = |kind: u8| OBJECT_COMPONENTS.get(usize::from(kind)).copied().unwrap_or_default();
    Some(IcsError::MixedComponents { line: other.line, first: name(first.kind), found: name(other.kind) })
}

fn kind_of(component: &Component) -> Result<u8, IcsError> {
    let position = (0_u8..).zip(OBJECT_COMPONENTS).find(|(_, name)| component.is(name));
    position.map(|(kind, _)| kind).ok_or_else(|| IcsError::UnsupportedComponent {
        line: component.line(),
        name: super::error::shorten(component.name()),
    })
}

/// The component with a UID made of what it says, if it has none. The same appointment gets the same UID from each
/// download of a feed, so the properties that exporters set to the time of the download do not count.
fn with_uid(mut component: Component) -> Component {
    if component.text("UID").is_some_and(|uid| !uid.trim().is_empty()) {
        return component;
    }
    component.remove("UID");
    let changing = ["DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE"];
    let mut lines: Vec<&str> = component
        .deep_properties()
        .into_iter()
        .filter(|p| !changing.iter().any(|name| p.is(name)))
        .map(Property::unfolded)
        .collect();
    lines.sort_unstable();
    let uid = format!("{}@kalends.invalid", hex::encode(digest(lines.join("\n").as_bytes())));
    component.push(Property::new("UID", &uid));
    component
}

/// Half of a SHA-256: enough that no two UIDs share one, and short enough for an index of a million.
fn digest(bytes: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(Sha256::digest(bytes)) {
        *to = from;
    }
    half
}

fn fetch(source: &mut (impl Read + Seek), start: u64, length: u64) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(start))?;
    let mut raw = Vec::new();
    source.take(length).read_to_end(&mut raw)?;
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::tree::Document;
    use super::super::validate;
    use super::*;

    fn import(text: &str) -> (Import, Vec<Result<Imported, IcsError>>) {
        let import = Import::scan(text.as_bytes()).unwrap();
        let objects = import.objects(Cursor::new(text)).map(Result::unwrap).collect();
        (import, objects)
    }

    /// The lines of an object between BEGIN:VCALENDAR and its end, LF instead of CRLF.
    fn body(object: &Result<Imported, IcsError>) -> String {
        let bytes = &object.as_ref().unwrap().bytes;
        validate::check(&Document::parse(bytes).unwrap()).unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap().replace("\r\n", "\n");
        let head = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Kalends//Kalends//EN\n";
        text.strip_prefix(head).unwrap().strip_suffix("END:VCALENDAR\n").unwrap().to_owned()
    }

    #[test]
    fn overrides_join_their_master_and_bring_their_zones() {
        let (import, objects) = import(
            "BEGIN:VCALENDAR\nMETHOD:PUBLISH\nX-WR-CALNAME:Club\n\
             BEGIN:VTIMEZONE\nTZID:A\nEND:VTIMEZONE\nBEGIN:VTIMEZONE\nTZID:B\nEND:VTIMEZONE\n\
             BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;TZID=A:20260102T100000\nDTSTART;TZID=A:20260102T110000\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:2\nDTSTART:20260101T100000Z\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:1\nDTSTART;TZID=A:20260101T100000\nRRULE:FREQ=DAILY\nEND:VEVENT\nEND:VCALENDAR\n",
        );
        assert_eq!(
            import.properties().iter().map(Property::unfolded).collect::<Vec<_>>(),
            ["METHOD:PUBLISH", "X-WR-CALNAME:Club"]
        );
        assert_eq!((import.objects_count(), import.faults().total), (2, 0));
        let bodies: Vec<_> = objects.iter().map(body).collect();
        let series = "BEGIN:VTIMEZONE\nTZID:A\nEND:VTIMEZONE\n\
            BEGIN:VEVENT\nUID:1\nDTSTART;TZID=A:20260101T100000\nRRULE:FREQ=DAILY\nEND:VEVENT\n\
            BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;TZID=A:20260102T100000\nDTSTART;TZID=A:20260102T110000\nEND:VEVENT\n";
        assert!(bodies.iter().any(|body| body == series), "{bodies:?}");
    }

    #[test]
    fn a_bad_component_costs_only_itself() {
        let (import, objects) = import(
            "BEGIN:VCALENDAR\n\
             BEGIN:VEVENT\nUID:1\nDTSTART:tomorrow\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:2\nSUMMARY:never closed\n\
             BEGIN:VEVENT\nUID:3\nDTSTART:20260101T100000Z\njunk\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:4\nDTSTART:20260101T100000Z\nBEGIN:VALARM\nEND:VEVENT\n\
             BEGIN:X-OWN\nEND:X-OWN\n\
             BEGIN:VEVENT\nUID:5\nDTSTART:20260101T100000Z\n",
        );
        let faults: Vec<_> = import.faults().first.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "line 4: DTSTART: \"tomorrow\" is not a date or a date with a time",
                "line 6: VEVENT is never closed (no END:VEVENT)",
                "line 18: END:VEVENT does not close VALARM",
                "line 19: X-OWN is not a component this server keeps",
                "line 21: VEVENT is never closed (no END:VEVENT)",
            ]
        );
        let repairs: Vec<_> = import.repairs().first.iter().map(ToString::to_string).collect();
        assert_eq!(repairs, ["line 12 was not a content line and is left out"]);
        assert_eq!(
            objects.iter().map(body).collect::<Vec<_>>(),
            ["BEGIN:VEVENT\nUID:3\nDTSTART:20260101T100000Z\nEND:VEVENT\n"]
        );
    }

    #[test]
    fn an_appointment_without_uid_gets_the_same_one_each_time() {
        let file = |stamp: &str, summary: &str| {
            format!("BEGIN:VEVENT\nDTSTAMP:{stamp}\nSUMMARY:{summary}\nDTSTART:20260101T100000Z\nEND:VEVENT\n")
        };
        let uid = |text: &str| import(text).1.first().unwrap().as_ref().unwrap().uid.clone();
        let first = uid(&file("20260101T000000Z", "a"));
        assert_eq!(first, uid(&file("20260202T000000Z", "a")));
        assert_ne!(first, uid(&file("20260101T000000Z", "b")));
        assert!(first.ends_with("@kalends.invalid"));
    }

    #[test]
    fn the_latest_edition_of_an_instance_wins() {
        let event = |sequence: u32, summary: &str| {
            format!(
                "BEGIN:VEVENT\nUID:1\nDTSTART:20260101T100000Z\nSEQUENCE:{sequence}\nSUMMARY:{summary}\nEND:VEVENT\n"
            )
        };
        let (_, objects) = import(&[event(1, "old"), event(2, "new"), event(2, "newer"), event(0, "oldest")].concat());
        assert_eq!(objects.len(), 1);
        assert_eq!(body(&objects[0]), event(2, "newer"));
        assert_eq!(objects[0].as_ref().unwrap().superseded, [1, 7, 19]);
    }

    #[test]
    fn one_uid_for_two_kinds_is_a_fault_of_that_object() {
        let (_, objects) = import(
            "BEGIN:VEVENT\nUID:1\nDTSTART:20260101T100000Z\nEND:VEVENT\nBEGIN:VTODO\nUID:1\nEND:VTODO\n\
             BEGIN:VTODO\nUID:2\nEND:VTODO\n",
        );
        let faults: Vec<_> =
            objects.iter().filter_map(|object| object.as_ref().err()).map(ToString::to_string).collect();
        assert_eq!(faults, ["line 5: VTODO in an object that holds VEVENT"]);
        assert_eq!(objects.len(), 2);
    }

    #[test]
    fn an_end_nobody_can_mean_is_left_out() {
        let (import, objects) = import(
            "BEGIN:VEVENT\nUID:1\nDTSTART:20260101T100000Z\nDTEND:20260101T090000Z\nDURATION:PT1H\nDTSTART:20270101\nEND:VEVENT\n",
        );
        assert_eq!(body(&objects[0]), "BEGIN:VEVENT\nUID:1\nDTSTART:20260101T100000Z\nEND:VEVENT\n");
        let repairs: Vec<_> = import.repairs().first.iter().map(ToString::to_string).collect();
        assert_eq!(
            repairs,
            [
                "line 6 said a second time what may be said once and is left out",
                "line 5 gave a duration beside an end and is left out",
                "line 4 put the end before the start and is left out",
            ]
        );
    }

    #[test]
    fn old_files_are_read() {
        let (_, objects) = import(
            "\u{feff}BEGIN:VCALENDAR\rBEGIN:VEVENT\rUID:1\rDTSTART:20260101\rSUMMARY:a\r b\rEND:VEVENT\rEND:VCALENDAR\r",
        );
        assert_eq!(body(&objects[0]), "BEGIN:VEVENT\nUID:1\nDTSTART:20260101\nSUMMARY:a\n b\nEND:VEVENT\n");
        let latin: &[u8] = b"BEGIN:VEVENT\nUID:1\nDTSTART:20260101\nSUMMARY:caf\xe9\nEND:VEVENT\n";
        let import = Import::scan(latin).unwrap();
        let object = import.objects(Cursor::new(latin)).next().unwrap().unwrap();
        assert!(body(&object).contains("SUMMARY:café\n"));
    }
}
