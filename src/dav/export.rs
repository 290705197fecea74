//! GET of a calendar: everything in it as one iCalendar file, streamed. Bodies are cut where that does, and parsed where
//! not: what was checked when it was put consists of lines that begin and end components.

use std::collections::HashSet;

use axum::body::Body;
use axum::http::{Response, header};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::Ask;
use super::error::{At, DavError, Done};
use super::headers::{self, http_date, not_modified};
use super::listed::Listed;
use super::method::Method;
use super::path::{Resource, segment};
use crate::domain::access::{Access, Right};
use crate::domain::calendar::{Calendar, Seq};
use crate::domain::ids::ObjectId;
use crate::domain::object::ETag;
use crate::ics::limits::FOLD_OCTETS;
use crate::ics::merge::Merger;
use crate::ics::{Document, Property};
use crate::store::{Store, StoreError};

/// Objects read at a time.
const PAGE_OBJECTS: u32 = 200;
/// Definitions of time zones remembered as written; a calendar has a handful, a kilobyte each. Objects that bring others
/// are parsed, which is slower and gives the same.
const DEFINITIONS_MAX: usize = 500;

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
    let merge = Merge::default();
    let name = calendar.settings.display_name.as_deref().map(|name| Property::text("X-WR-CALNAME", name));
    let mut text = merge.merger.head(name.as_slice());
    let export = Export { store, access, after: Seq(0), written: Listed::since(calendar.seq), merge };
    let (first, export) = export.page().await?;
    text.extend_from_slice(&first);
    // Nearly always the whole file.
    let Some(export) = export else { return Ok(Body::from(text)) };
    let first = stream::once(async move { Ok::<_, StoreError>(Bytes::from(text)) });
    let rest = stream::try_unfold(Some(export), |export| async move {
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
    /// What earlier pages hold: it is not written again when it changes meanwhile.
    written: Listed<ObjectId>,
    merge: Merge,
}

impl Export {
    /// The next objects and how to go on; after the last ones the end of the file, and `None`.
    async fn page(mut self) -> Result<(Bytes, Option<Export>), StoreError> {
        let mut tx = self.store.read().await?;
        // Without an end: what changes between two pages moves behind the last one and must not be missing.
        let objects = tx.bare_bodies(&self.access, self.after, Seq(i64::MAX), PAGE_OBJECTS).await?;
        drop(tx);
        let mut text = Vec::with_capacity(objects.iter().map(|o| o.bytes.len()).sum());
        for object in &objects {
            if !self.written.has(&object.id, object.seq) && !self.merge.add(&object.bytes, &mut text) {
                tracing::warn!(object = %object.id, "an object is left out of an export: it cannot be read");
            }
        }
        match objects.last() {
            Some(last) if objects.len() == PAGE_OBJECTS as usize => {
                self.after = last.seq;
                self.written.add(objects.into_iter().map(|object| object.id));
                Ok((Bytes::from(text), Some(self)))
            }
            _ => {
                text.extend_from_slice(&self.merge.merger.tail());
                Ok((Bytes::from(text), None))
            }
        }
    }
}

/// Puts objects together.
#[derive(Default)]
struct Merge {
    merger: Merger,
    /// Definitions that stand in the file under the names they came with.
    written: HashSet<Vec<u8>>,
    /// The one of them that came last: most objects bring the same.
    last: Vec<u8>,
}

impl Merge {
    /// Appends the components of one stored object. `false` if it cannot be read.
    fn add(&mut self, bytes: &Bytes, out: &mut Vec<u8>) -> bool {
        let cut = cut(bytes);
        if let Some(cut) = &cut
            && cut.zones.iter().all(|zone| self.last.as_slice() == *zone || self.written.contains(*zone))
        {
            cut.components.iter().for_each(|component| out.extend_from_slice(component));
            if let Some(zone) = cut.zones.first().filter(|zone| self.last.as_slice() != **zone) {
                self.last = zone.to_vec();
            }
            return true;
        }
        let Ok(document) = Document::parse(bytes) else { return false };
        let added = self.merger.add(&document);
        if let Some(cut) = cut
            && added.ends_with(&cut.components.concat())
            && self.written.len() < DEFINITIONS_MAX
        {
            self.written.extend(cut.zones.into_iter().map(<[u8]>::to_vec));
        }
        out.extend_from_slice(&added);
        true
    }
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

/// The components directly in a calendar, as they stand in the bytes.
#[derive(Debug, Default)]
struct Cut<'a> {
    zones: Vec<&'a [u8]>,
    components: Vec<&'a [u8]>,
}

/// Cuts an object. `None` where the bytes cannot be taken as they are: a line is not by the letter of RFC 5545 §3.1, or
/// one that begins or ends something may be folded, so that only a parser can tell.
fn cut(bytes: &[u8]) -> Option<Cut<'_>> {
    let mut found = Cut::default();
    let mut depth = 0_usize;
    let mut open: Option<(bool, usize)> = None;
    let mut at = 0;
    let mut is_keyword = false;
    for text in bytes.split_inclusive(|b| *b == b'\n') {
        let content = text.strip_suffix(b"\r\n")?;
        let is_lawful =
            content.len() <= FOLD_OCTETS && !content.contains(&b'\r') && std::str::from_utf8(content).is_ok();
        if !is_lawful || content.trim_ascii().is_empty() {
            return None;
        }
        let end = at + text.len();
        if matches!(content.first(), Some(b' ' | b'\t')) {
            if is_keyword {
                return None;
            }
        } else {
            // What is folded may be a keyword of which this is just the beginning.
            is_keyword = matches!(content.first(), Some(b'B' | b'b' | b'E' | b'e'));
            match line(content) {
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
                        let list = if is_zone { &mut found.zones } else { &mut found.components };
                        list.push(bytes.get(start..end)?);
                    }
                }
                Line::Other => {}
                Line::Unclear => return None,
            }
        }
        at = end;
    }
    (depth == 0 && !found.components.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(objects: &[&str]) -> String {
        let mut merge = Merge::default();
        let mut out = Vec::new();
        for object in objects {
            assert!(merge.add(&Bytes::copy_from_slice(object.as_bytes()), &mut out));
        }
        String::from_utf8(out).unwrap()
    }

    fn zone(offset: &str) -> String {
        format!(
            "BEGIN:VTIMEZONE\r\nTZID:X\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:{offset}\r\n\
             TZOFFSETTO:{offset}\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
        )
    }

    fn event(uid: &str, tzid: &str) -> String {
        format!("BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART;TZID={tzid}:20260101T100000\r\nEND:VEVENT\r\n")
    }

    fn object(inner: &str) -> String {
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{inner}END:VCALENDAR\r\n")
    }

    #[test]
    fn components_are_cut_out_and_a_zone_is_written_once() {
        let (a, b) = (zone("+0300"), zone("-0500"));
        let text = written(&[
            &object(&format!("{a}{}", event("1", "X"))),
            &object(&format!("{a}{}", event("2", "X"))),
            &object(&format!("{b}{}", event("3", "X"))),
            &object(&format!("{b}{}", event("4", "X"))),
            &object(&format!("{a}{}", event("5", "X"))),
        ]);
        let named = b.replace("TZID:X", "TZID:X (2)");
        let (one, two) = (|uid| event(uid, "X"), |uid| event(uid, "X (2)"));
        assert_eq!(text, format!("{a}{}{}{named}{}{}{}", one("1"), one("2"), two("3"), two("4"), one("5")));
    }

    #[test]
    fn a_folded_line_is_left_to_the_parser() {
        for odd in [
            "BEGIN:VCALENDAR\r\nBEG\r\n IN:VEVENT\r\nUID:1\r\nEN\r\n D:VEVENT\r\nEND:VCALENDAR\r\n",
            "BEGIN:VCALENDAR\r\nBEGIN:VEV\r\n ENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            "BEGIN:VCALENDAR\r\nBEGIN;X=1:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\nEND:VCALENDAR\n",
            "\u{feff}BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR",
        ] {
            assert!(cut(odd.as_bytes()).is_none(), "{odd}");
            let text = written(&[odd]).replace("\r\n ", "");
            assert!(text.contains("UID:1\r\n") && text.ends_with("END:VEVENT\r\n"), "{odd}");
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
                let parsed = document.calendar().unwrap().components().filter(|c| !c.is("VTIMEZONE"));
                let parsed: Vec<Bytes> = parsed.map(|c| c.lawful()).collect();
                assert!(found.components.iter().eq(parsed.iter()), "{:?}", file.path());
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
