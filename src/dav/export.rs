//! GET of a calendar: everything in it as one iCalendar file, streamed. Bodies are cut, not parsed: what was checked
//! when it was put consists of lines that begin and end components.

use std::collections::HashSet;

use axum::body::Body;
use axum::http::{Response, header};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::Ask;
use super::error::{At, DavError, Done};
use super::headers::{self, http_date, not_modified};
use super::method::Method;
use super::path::{Resource, segment};
use crate::domain::access::{Access, Right};
use crate::domain::calendar::{Calendar, Seq};
use crate::domain::object::ETag;
use crate::ics::{Document, Property};
use crate::store::{Store, StoreError};

/// Objects read at a time.
const PAGE_OBJECTS: u32 = 200;
/// Time zones remembered as written; a calendar has a handful. Beyond it one may be written twice.
const ZONES_MAX: usize = 10_000;

const BEGIN: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Kalends//EN\r\nCALSCALE:GREGORIAN\r\n";
const END: &str = "END:VCALENDAR\r\n";

/// The tag of a calendar as a file: it changes with every change of the calendar, and is no other calendar's.
pub(super) fn etag(calendar: &Calendar) -> ETag {
    ETag::new(format!("{}.{}", calendar.id, calendar.seq.0))
}

/// Answers GET and HEAD of a calendar.
///
/// # Errors
/// What [`DavError`] says.
pub(super) async fn get(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let Resource::Calendar(owner, slug) = ask.resource.clone() else { return Err(DavError::NotFound) };
    let mut tx = ask.store.read().await?;
    let (access, calendar) =
        tx.calendar_for(&ask.caller, &owner, &slug, Right::Read).await.map_err(|e| e.at(&ask.href()))?;
    drop(tx);
    let tag = etag(&calendar);
    let modified = calendar.modified;
    let is_known = not_modified(&ask.headers, &tag, modified.seconds())?;
    let mut response = match (is_known, ask.method) {
        (true, _) => Done::NotModified.empty(),
        (false, Method::Head) => Done::Ok.calendar(CONTENT_TYPE, Body::empty()),
        (false, _) => {
            let file = format!("attachment; filename=\"{}.ics\"", segment(slug.as_str()));
            let mut response = Done::Ok.calendar(CONTENT_TYPE, body(ask.store.clone(), access, &calendar).await?);
            headers::set(response.headers_mut(), header::CONTENT_DISPOSITION, &file);
            response
        }
    };
    headers::set(response.headers_mut(), header::ETAG, &tag.quoted());
    if let Some(date) = http_date(modified) {
        headers::set(response.headers_mut(), header::LAST_MODIFIED, &date);
    }
    headers::set(response.headers_mut(), header::CACHE_CONTROL, "private, no-cache");
    Ok(response)
}

const CONTENT_TYPE: &str = "text/calendar; charset=utf-8";

/// The file, a page at a time. The first one is read before the answer begins.
async fn body(store: Store, access: Access, calendar: &Calendar) -> Result<Body, DavError> {
    let mut text = BEGIN.as_bytes().to_vec();
    if let Some(name) = &calendar.settings.display_name {
        text.extend_from_slice(Property::text("X-WR-CALNAME", name).raw());
    }
    let export = Export { store, access, after: Seq(0), up_to: calendar.seq, zones: Zones::default() };
    let (first, export) = export.page().await?;
    text.extend_from_slice(&first);
    let first = stream::once(async move { Ok::<_, StoreError>(Bytes::from(text)) });
    let rest = stream::try_unfold(export, |export| async move {
        let Some(export) = export else { return Ok(None) };
        let (piece, export) = export.page().await?;
        Ok(Some((piece, export)))
    });
    Ok(Body::from_stream(first.chain(rest)))
}

struct Export {
    store: Store,
    access: Access,
    after: Seq,
    up_to: Seq,
    zones: Zones,
}

impl Export {
    /// The next objects and how to go on; after the last ones the end of the file, and `None`.
    async fn page(mut self) -> Result<(Bytes, Option<Export>), StoreError> {
        let mut tx = self.store.read().await?;
        let objects = tx.bodies(&self.access, self.after, self.up_to, PAGE_OBJECTS).await?;
        drop(tx);
        let Some(last) = objects.last() else { return Ok((Bytes::from_static(END.as_bytes()), None)) };
        self.after = last.head.seq;
        let mut text = Vec::with_capacity(objects.iter().map(|o| o.bytes.len()).sum());
        for object in &objects {
            if !write_object(&object.bytes, &mut self.zones, &mut text) {
                tracing::warn!(object = %object.head.id, "an object is left out of an export: it cannot be read");
            }
        }
        Ok((Bytes::from(text), Some(self)))
    }
}

/// Which time zones have been written.
#[derive(Default)]
struct Zones {
    /// Definitions seen, by their digest, so that each is looked at once.
    seen: HashSet<[u8; 32]>,
    names: HashSet<String>,
}

impl Zones {
    /// Whether a definition has to be written. The first one of a name counts for all.
    fn is_new(&mut self, definition: &[u8]) -> bool {
        if self.seen.len() < ZONES_MAX && !self.seen.insert(Sha256::digest(definition).into()) {
            return false;
        }
        let mut calendar = b"BEGIN:VCALENDAR\r\n".to_vec();
        calendar.extend_from_slice(definition);
        calendar.extend_from_slice(END.as_bytes());
        let document = Document::parse(&Bytes::from(calendar)).ok();
        let name = document.as_ref().and_then(|d| d.calendar()?.components().next()?.text("TZID"));
        name.is_none_or(|name| self.names.len() >= ZONES_MAX || self.names.insert(name))
    }
}

/// Appends the components of one stored object. `false` if it cannot be read.
fn write_object(bytes: &Bytes, zones: &mut Zones, out: &mut Vec<u8>) -> bool {
    if let Some(components) = cut(bytes) {
        for (is_zone, component) in components {
            if !is_zone || zones.is_new(component) {
                out.extend_from_slice(component);
            }
        }
        return true;
    }
    let Ok(document) = Document::parse(bytes) else { return false };
    let Some(calendar) = document.calendar() else { return false };
    for component in calendar.components() {
        let component_bytes = component.to_bytes();
        if !component.is("VTIMEZONE") || zones.is_new(&component_bytes) {
            out.extend_from_slice(&component_bytes);
        }
    }
    true
}

/// What a line does.
#[derive(PartialEq, Eq)]
enum Line<'a> {
    Begin(&'a [u8]),
    End,
    Other,
    /// It might begin or end something in a way that only a parser sees.
    Unclear,
}

fn line(text: &[u8]) -> Line<'_> {
    let keyword = |word: &[u8]| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let after = |word: &[u8]| text.get(word.len()..).unwrap_or_default();
    for (word, is_begin) in [(&b"BEGIN"[..], true), (&b"END"[..], false)] {
        if keyword(word) {
            return match after(word).split_first() {
                Some((b':', name)) if is_begin => Line::Begin(name.trim_ascii()),
                Some((b':', _)) => Line::End,
                Some((b';', _)) | None => Line::Unclear,
                Some(_) => Line::Other,
            };
        }
    }
    Line::Other
}

/// The components directly in the calendar, as they stand in the bytes, and whether each is a time zone. `None`: only
/// a parser can tell, since a line that begins or ends something may be folded.
fn cut(bytes: &[u8]) -> Option<Vec<(bool, &[u8])>> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut open: Option<(bool, usize)> = None;
    let mut at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut before = Line::Other;
    let mut could_be_keyword = false;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let length = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |end| end + 1);
        let text = rest.get(..length)?;
        let is_fold = matches!(text.first(), Some(b' ' | b'\t'));
        if is_fold {
            if could_be_keyword || before != Line::Other {
                return None;
            }
        } else {
            before = line(text);
            could_be_keyword = matches!(text.first(), Some(b'B' | b'b' | b'E' | b'e'));
            match before {
                Line::Begin(name) => {
                    depth += 1;
                    if depth == 2 {
                        open = Some((name.eq_ignore_ascii_case(b"VTIMEZONE"), at));
                    }
                }
                Line::End => {
                    depth = depth.checked_sub(1)?;
                    if depth == 1 {
                        let (is_zone, start) = open.take()?;
                        let component = bytes.get(start..at + length)?;
                        found.push((is_zone, component));
                    }
                }
                Line::Other => {}
                Line::Unclear => return None,
            }
        }
        at += length;
    }
    (depth == 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(objects: &[&str]) -> String {
        let mut zones = Zones::default();
        let mut out = Vec::new();
        for object in objects {
            assert!(write_object(&Bytes::copy_from_slice(object.as_bytes()), &mut zones, &mut out));
        }
        String::from_utf8(out).unwrap()
    }

    const ZONE: &str = "BEGIN:VTIMEZONE\r\nTZID:X\r\nEND:VTIMEZONE\r\n";

    #[test]
    fn components_are_cut_out_and_a_zone_is_written_once() {
        let event = |uid: &str| format!("BEGIN:VEVENT\r\nUID:{uid}\r\nBEGIN:VALARM\r\nEND:VALARM\r\nEND:VEVENT\r\n");
        let object = |uid: &str| format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{ZONE}{}END:VCALENDAR\r\n", event(uid));
        assert_eq!(written(&[&object("1"), &object("2")]), format!("{ZONE}{}{}", event("1"), event("2")));
    }

    #[test]
    fn a_folded_line_is_left_to_the_parser() {
        for odd in [
            "BEGIN:VCALENDAR\nBEG\n IN:VEVENT\nUID:1\nEN\n D:VEVENT\nEND:VCALENDAR\n",
            "BEGIN:VCALENDAR\nBEGIN:VEV\n ENT\nUID:1\nEND:VEVENT\nEND:VCALENDAR\n",
            "BEGIN:VCALENDAR\nBEGIN;X=1:VEVENT\nUID:1\nEND:VEVENT\nEND:VCALENDAR\n",
        ] {
            assert!(cut(odd.as_bytes()).is_none(), "{odd}");
            assert!(written(&[odd]).contains("UID:1"), "{odd}");
        }
    }

    #[test]
    fn cutting_and_parsing_agree() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ics");
        let mut seen = 0;
        for producer in std::fs::read_dir(folder).unwrap().flatten().filter(|e| e.path().is_dir()) {
            for file in std::fs::read_dir(producer.path()).unwrap().flatten() {
                let bytes = Bytes::from(std::fs::read(file.path()).unwrap());
                if crate::domain::object::CalendarObject::parse(bytes.clone()).is_err() {
                    continue;
                }
                let Some(found) = cut(&bytes) else { continue };
                let document = Document::parse(&bytes).unwrap();
                let parsed: Vec<Bytes> = document.calendar().unwrap().components().map(|c| c.to_bytes()).collect();
                assert!(found.iter().map(|(_, c)| *c).eq(parsed.iter().map(|c| &**c)), "{:?}", file.path());
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
