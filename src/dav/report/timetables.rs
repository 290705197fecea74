//! Timetables of events that were read before. They are kept under the tag of the bytes they were read from and not
//! under any name: whoever changed an object, here or on another node, changed its tag, and finds none.

use std::sync::Arc;

use moka::sync::Cache;

use crate::domain::object::{CalendarObject, ETag};
use crate::domain::recurrence::{Stretch, Timetable, Window};
use crate::ics::zone::Zone;
use crate::store::Candidate;

/// The memory of all of them together: some ten thousand events, a tenth of them series.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What the cache itself needs for each.
const ENTRY_BYTES: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// Of the event's bytes.
    tag: u128,
    stretch: Stretch,
    /// Where the reader is, for events whose times are the reader's own.
    reader: Option<Arc<str>>,
}

/// The timetables that are remembered. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Timetables {
    known: Cache<Key, Arc<Timetable>>,
}

impl Default for Timetables {
    fn default() -> Timetables {
        let weight = |_: &Key, table: &Arc<Timetable>| u32::try_from(table.bytes() + ENTRY_BYTES).unwrap_or(u32::MAX);
        Timetables { known: Cache::builder().weigher(weight).max_capacity(BYTES_MAX).build() }
    }
}

impl std::fmt::Debug for Timetables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Timetables({})", self.known.entry_count())
    }
}

/// A question about a window, by one reader.
#[derive(Clone, Debug)]
pub struct Asking {
    tables: Timetables,
    window: Window,
    stretch: Stretch,
    reader: Zone,
    reader_name: Option<Arc<str>>,
}

/// An event that has a timetable, or will have.
#[derive(Clone, Debug)]
pub struct Place(Key);

impl Timetables {
    /// Asks about a window. `None` where it is too long for a timetable.
    #[must_use]
    pub fn asking(&self, window: Window, reader: &Zone) -> Option<Asking> {
        let stretch = Stretch::around(window)?;
        let reader_name = reader.iana_name().map(Arc::from);
        Some(Asking { tables: self.clone(), window, stretch, reader: reader.clone(), reader_name })
    }
}

impl Asking {
    /// Where the timetable of a candidate is, if it can have one.
    #[must_use]
    pub fn place(&self, candidate: &Candidate) -> Option<Place> {
        let is_readers = candidate.span.is_none_or(|span| span.floating);
        let reader = if is_readers { Some(self.reader_name.clone()?) } else { None };
        let stretch = if candidate.recurring { self.stretch } else { Stretch::All };
        Some(Place(Key { tag: tag(&candidate.etag)?, stretch, reader }))
    }

    /// The timetable at a place, if it is known.
    #[must_use]
    pub fn known(&self, place: &Place) -> Option<Arc<Timetable>> {
        self.tables.known.get(&place.0)
    }

    /// Reads the timetable of an object and remembers it. `None` if it is not the object of that place any more.
    #[must_use]
    pub fn read(&self, place: &Place, object: &CalendarObject) -> Option<Arc<Timetable>> {
        if tag(object.etag()) != Some(place.0.tag) {
            return None;
        }
        let table = Arc::new(Timetable::of(object, place.0.stretch, &self.reader));
        self.tables.known.insert(place.0.clone(), Arc::clone(&table));
        Some(table)
    }

    /// The window that is asked about.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }
}

/// A tag as the number that it is.
fn tag(etag: &ETag) -> Option<u128> {
    u128::from_str_radix(etag.as_str(), 16).ok()
}
