//! A calendar object: parsed once, kept with the exact bytes it was given, and what an index needs of it.
//!
//! Neighbours: [`crate::ics`] reads and judges the text; the store writes bytes, tag and index side by side.
//! It must never know who sent an object or where it is kept. `index` works out [`ObjectIndex`].

mod index;

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::time::Instant;
use crate::ics::{Component, Document, IcsError, Shape, validate};

/// A strong entity tag without its quotes: made of the exact bytes, so equal tags mean equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ETag(String);

impl ETag {
    /// Takes a tag as the store or a header gave it, without quotes.
    #[must_use]
    pub fn new(text: impl Into<String>) -> ETag {
        ETag(text.into())
    }

    /// The tag of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> ETag {
        let mut digits = hex::encode(Sha256::digest(bytes));
        digits.truncate(ETAG_DIGITS);
        ETag(digits)
    }

    /// Without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As headers and `DAV:getetag` carry it.
    #[must_use]
    pub fn quoted(&self) -> String {
        ["\"", &self.0, "\""].concat()
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kind of components an object is made of; never mixed in one object (RFC 4791 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentKind {
    /// VEVENT: an appointment.
    Event,
    /// VTODO
    Todo,
    /// VJOURNAL
    Journal,
    /// VFREEBUSY
    FreeBusy,
}

impl ComponentKind {
    /// The component's name in iCalendar.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ComponentKind::Event => "VEVENT",
            ComponentKind::Todo => "VTODO",
            ComponentKind::Journal => "VJOURNAL",
            ComponentKind::FreeBusy => "VFREEBUSY",
        }
    }

    /// The kind of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<ComponentKind> {
        [ComponentKind::Event, ComponentKind::Todo, ComponentKind::Journal, ComponentKind::FreeBusy]
            .into_iter()
            .find(|k| k.name().eq_ignore_ascii_case(name))
    }
}

/// From the first start to the last end of everything in an object. Never too narrow: where a zone is unknown or
/// left to the reader it is wider, so that an index built on it loses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first start.
    pub starts: Instant,
    /// The last end; `None` for a rule without end.
    pub ends: Option<Instant>,
    /// Whether any of it is floating or all-day, so that the reader's zone decides the exact times.
    pub floating: bool,
}

/// RFC 5545 §3.8.1.3
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// PUBLIC, or none given.
    Public,
    /// PRIVATE, or a value that is not known (RFC 5545: treat as PRIVATE).
    Private,
    /// CONFIDENTIAL
    Confidential,
}

impl Class {
    /// The class of one component. Where it names several, what is not PUBLIC counts.
    #[must_use]
    pub fn of(component: &Component) -> Class {
        let named = component.properties_named("CLASS").map(|p| match p.value().trim().to_ascii_uppercase().as_str() {
            "" | "PUBLIC" => Class::Public,
            "CONFIDENTIAL" => Class::Confidential,
            _ => Class::Private,
        });
        named.fold(Class::Public, |so_far, class| if so_far == Class::Public { class } else { so_far })
    }
}

/// What the store keeps beside the bytes, so that lists and queries need not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectIndex {
    /// SUMMARY of the master, unescaped.
    pub summary: Option<String>,
    /// Title, location and notes in lower case, shortened; what a text search looks at.
    pub search_text: String,
    /// STATUS of the master in upper case.
    pub status: Option<String>,
    /// CLASS of the master.
    pub class: Class,
    /// Whether TRANSP of the master is TRANSPARENT.
    pub transparent: bool,
    /// CATEGORIES of all components, each once, in their order.
    pub categories: Vec<String>,
    /// Whether the master's DTSTART is a date.
    pub all_day: bool,
    /// Whether there is a rule, an RDATE or an override.
    pub recurring: bool,
    /// Where in time it lies; `None` for tasks and journals without any date.
    pub span: Option<Span>,
}

/// The longest [`ObjectIndex::search_text`], in characters: enough for titles and the gist of notes.
pub const SEARCH_TEXT_CHARS_MAX: usize = 2_000;

/// Why bytes are no calendar object: a sentence with a line, and the kind of refusal it is.
pub type ObjectError = IcsError;

/// Hexadecimal digits of the digest that make a tag: 128 bits, so that no two texts ever share one.
const ETAG_DIGITS: usize = 32;

/// One UID with all its overrides, checked, with the bytes it came in.
#[derive(Clone, Debug)]
pub struct CalendarObject {
    bytes: Bytes,
    etag: ETag,
    uid: String,
    component: ComponentKind,
    document: Document,
    index: OnceLock<ObjectIndex>,
}

impl CalendarObject {
    /// Reads what a client, the API or a provider gave. This is the one place where a text becomes an object.
    ///
    /// # Errors
    /// What [`validate::check`] refuses.
    pub fn parse(bytes: Bytes) -> Result<CalendarObject, ObjectError> {
        let document = Document::parse(&bytes)?;
        let shape = validate::check(&document)?;
        CalendarObject::assemble(bytes, document, shape)
    }

    /// Reads an object that was checked when it was stored. Rules that became stricter since do not apply.
    ///
    /// # Errors
    /// Where there is no component with a UID, which no stored object lacks.
    pub fn from_stored(bytes: Bytes) -> Result<CalendarObject, ObjectError> {
        let document = Document::parse(&bytes)?;
        let shape = validate::shape_of_stored(&document).ok_or(IcsError::NoComponent)?;
        CalendarObject::assemble(bytes, document, shape)
    }

    fn assemble(bytes: Bytes, document: Document, shape: Shape) -> Result<CalendarObject, ObjectError> {
        let component = ComponentKind::from_name(shape.component).ok_or(IcsError::NoComponent)?;
        let etag = ETag::of(&bytes);
        Ok(CalendarObject { bytes, etag, uid: shape.uid, component, document, index: OnceLock::new() })
    }

    /// Everything it says, as a tree.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The component without a RECURRENCE-ID; an invitation to a single instance has none.
    #[must_use]
    pub fn master(&self) -> Option<&Component> {
        self.components().find(|c| c.property("RECURRENCE-ID").is_none())
    }

    /// The components with a RECURRENCE-ID, in their order.
    pub fn overrides(&self) -> impl Iterator<Item = &Component> {
        self.components().filter(|c| c.property("RECURRENCE-ID").is_some())
    }

    /// Master and overrides, in their order.
    pub fn components(&self) -> impl Iterator<Item = &Component> {
        validate::object_components(&self.document)
    }

    /// The exact bytes it was given.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The strong tag of those bytes.
    #[must_use]
    pub fn etag(&self) -> &ETag {
        &self.etag
    }

    /// The one UID of its components.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The kind of its components.
    #[must_use]
    pub fn component(&self) -> ComponentKind {
        self.component
    }

    /// What the store keeps beside the bytes. Worked out when it is first asked for.
    #[must_use]
    pub fn index(&self) -> &ObjectIndex {
        self.index.get_or_init(|| index::of(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object of one calendar with these lines between its BEGIN and END.
    fn object(lines: &str) -> CalendarObject {
        let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\n{lines}\nEND:VCALENDAR\n").replace('\n', "\r\n");
        CalendarObject::parse(Bytes::from(text)).unwrap()
    }

    fn event(lines: &str) -> CalendarObject {
        object(&format!("BEGIN:VEVENT\nUID:u\n{lines}\nEND:VEVENT"))
    }

    fn span(object: &CalendarObject) -> (String, String, bool) {
        let span = object.index().span.unwrap();
        (span.starts.to_string(), span.ends.map_or("never".into(), |end| end.to_string()), span.floating)
    }

    #[test]
    fn equal_tags_mean_equal_bytes() {
        assert_eq!(ETag::of(b"").as_str(), "e3b0c44298fc1c149afbf4c8996fb924");
        let (a, b) = (event("DTSTART:20260101T100000Z"), event("DTSTART:20260101T100001Z"));
        assert_ne!(a.etag(), b.etag());
        let stored = CalendarObject::from_stored(a.bytes().clone()).unwrap();
        assert_eq!((stored.etag(), stored.uid(), stored.index()), (a.etag(), a.uid(), a.index()));
    }

    #[test]
    fn an_index_reads_what_a_person_wrote() {
        let object = event(
            "DTSTART;VALUE=DATE:20260101\nSUMMARY:Café\\, late\nLOCATION:HERE\nDESCRIPTION:Notes\\nmore\nstatus:tentative\n\
             CLASS:x-secret\nTRANSP:transparent\nCATEGORIES:A,B\\,C\nCATEGORIES:A,,D\nRRULE:FREQ=DAILY;COUNT=2",
        );
        let index = object.index();
        assert_eq!(index.summary.as_deref(), Some("Café, late"));
        assert_eq!(index.search_text, "café, late\nhere\nnotes\nmore");
        assert_eq!(index.status.as_deref(), Some("TENTATIVE"));
        assert_eq!(index.categories, ["A", "B,C", "D"]);
        assert_eq!((index.class, index.transparent), (Class::Private, true));
        assert!(index.all_day && index.recurring);
    }

    #[test]
    fn an_override_alone_is_an_object() {
        let object = event("RECURRENCE-ID:20260101T100000Z\nDTSTART:20260101T110000Z\nSUMMARY:moved");
        assert!(object.master().is_none() && object.overrides().count() == 1);
        assert!(object.index().recurring);
        assert_eq!(object.index().summary.as_deref(), Some("moved"));
    }

    #[test]
    fn a_long_description_is_cut_for_the_search() {
        let object = event(&format!("DTSTART:20260101T100000Z\nSUMMARY:x\nDESCRIPTION:{}", "ß".repeat(5_000)));
        assert_eq!(object.index().search_text.chars().count(), SEARCH_TEXT_CHARS_MAX);
    }

    #[test]
    fn spans_are_exact_in_utc_and_wide_elsewhere() {
        for (lines, starts, ends, floating) in [
            ("DTSTART:20260101T100000Z\nDTEND:20260101T110000Z", "2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z", false),
            ("DTSTART:20260101T100000Z\nDURATION:PT30M", "2026-01-01T10:00:00Z", "2026-01-01T10:30:00Z", false),
            ("DTSTART:20260101T100000Z", "2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z", false),
            ("DTSTART:20260101T100000Z\nRRULE:FREQ=DAILY", "2026-01-01T10:00:00Z", "never", false),
            (
                "DTSTART:20260101T100000Z\nRRULE:FREQ=DAILY;COUNT=3\nRRULE:FREQ=YEARLY;UNTIL=20300101T100000Z",
                "2026-01-01T10:00:00Z",
                "2030-01-01T10:00:00Z",
                false,
            ),
            (
                "DTSTART:20260110T100000Z\nRDATE:20260301T100000Z\nRDATE;VALUE=PERIOD:20260101T100000Z/PT1H",
                "2026-01-01T10:00:00Z",
                "2026-03-01T10:00:00Z",
                false,
            ),
        ] {
            assert_eq!(span(&event(lines)), (starts.into(), ends.into(), floating), "{lines}");
        }
    }

    #[test]
    fn a_zone_settles_a_span_but_for_a_decree() {
        let zone = "BEGIN:VTIMEZONE\nTZID:Own\nBEGIN:STANDARD\nDTSTART:16010101T000000\nTZOFFSETFROM:-0500\nTZOFFSETTO:-0500\n\
            END:STANDARD\nEND:VTIMEZONE\n";
        for (tzid, starts, ends, floating) in [
            ("Europe/Berlin", "2026-07-01T08:00:00Z", "2026-07-03T12:00:00Z", false),
            ("Own", "2026-07-01T15:00:00Z", "2026-07-03T19:00:00Z", false),
            ("Nowhere", "2026-06-30T22:00:00Z", "2026-07-04T02:00:00Z", true),
        ] {
            let event = object(&format!(
                "{zone}BEGIN:VEVENT\nUID:u\nDTSTART;TZID={tzid}:20260701T120000\nDURATION:PT0S\n\
                 RRULE:FREQ=DAILY;COUNT=3\nEND:VEVENT"
            ));
            assert_eq!(span(&event), (starts.into(), ends.into(), floating), "{tzid}");
        }
    }

    #[test]
    fn an_all_day_event_lasts_a_day_in_every_zone() {
        let (starts, ends, floating) = span(&event("DTSTART;VALUE=DATE:20260102"));
        assert!(floating && starts.as_str() <= "2026-01-01T10:00:00Z" && ends.as_str() >= "2026-01-03T12:00:00Z");
    }

    #[test]
    fn overrides_and_moves_of_the_future_widen_the_span() {
        let series = "BEGIN:VEVENT\nUID:u\nDTSTART:20260105T100000Z\nDTEND:20260105T110000Z\nRRULE:FREQ=DAILY;COUNT=10\nEND:VEVENT\n";
        let one = "BEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20260106T100000Z\nDTSTART:20260101T080000Z\nDTEND:20260101T090000Z\nEND:VEVENT";
        assert_eq!(span(&object(&format!("{series}{one}"))).0, "2026-01-01T08:00:00Z");
        let future = "BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260106T100000Z\nDTSTART:20260108T100000Z\n\
            DTEND:20260108T200000Z\nEND:VEVENT";
        let (_, ends, _) = span(&object(&format!("{series}{future}")));
        assert!(ends.as_str() >= "2026-01-16T20:00:00Z", "{ends}");
        let alone = object(future);
        assert_eq!(alone.index().span.unwrap().ends, None);
    }

    #[test]
    fn a_task_may_have_no_date_at_all() {
        let task = |lines: &str| object(&format!("BEGIN:VTODO\nUID:u\n{lines}SUMMARY:x\nEND:VTODO"));
        assert_eq!(task("").index().span, None);
        assert_eq!(span(&task("DUE:20260101T100000Z\n")).1, "2026-01-01T10:00:00Z");
        assert_eq!(span(&task("DUE:20260101T100000Z\nRRULE:FREQ=WEEKLY\n")).1, "never");
    }

    #[test]
    fn free_busy_spans_its_periods() {
        let object = object(
            "BEGIN:VFREEBUSY\nUID:u\nDTSTART:20260101T000000Z\nDTEND:20260102T000000Z\n\
             FREEBUSY:20260103T100000Z/PT1H,20251231T100000Z/20251231T110000Z\nEND:VFREEBUSY",
        );
        assert_eq!(object.component(), ComponentKind::FreeBusy);
        assert_eq!(span(&object), ("2025-12-31T10:00:00Z".into(), "2026-01-03T11:00:00Z".into(), false));
    }

    #[test]
    fn a_rule_that_cannot_be_followed_has_no_end() {
        let endless = event("DTSTART:20260101T100000Z\nRRULE:FREQ=YEARLY;COUNT=3;RSCALE=CHINESE");
        assert_eq!(endless.index().span.unwrap().ends, None);
    }
}
