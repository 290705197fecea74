//! A calendar object: parsed once, kept with the exact bytes it was given, and what an index needs of it.

use std::fmt;

use bytes::Bytes;

use super::time::Instant;

/// A strong entity tag without its quotes: made of the exact bytes, so equal tags mean equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ETag(String);

impl ETag {
    /// Takes a tag as the store or a header gave it, without quotes.
    #[must_use]
    pub fn new(text: impl Into<String>) -> ETag {
        ETag(text.into())
    }

    /// Without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As headers and `DAV:getetag` carry it.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
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

/// One UID with all its overrides, checked, with the bytes it came in.
#[derive(Clone, Debug)]
pub struct CalendarObject {
    bytes: Bytes,
    etag: ETag,
    uid: String,
    component: ComponentKind,
    index: ObjectIndex,
}

impl CalendarObject {
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

    /// What the store keeps beside the bytes.
    #[must_use]
    pub fn index(&self) -> &ObjectIndex {
        &self.index
    }
}
