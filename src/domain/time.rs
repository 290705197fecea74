//! Points in time as the store keeps them, and the clock as an argument.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Calendar dates and local times are other types
/// (`jiff::civil`); nothing converts between them and an `Instant` without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

/// Milliseconds in a minute, an hour and a day; for widening spans and for limits, never for calendar arithmetic.
pub const MINUTE_MS: i64 = 60_000;
/// See [`MINUTE_MS`].
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// See [`MINUTE_MS`].
pub const DAY_MS: i64 = 24 * HOUR_MS;

impl Instant {
    /// Later than every point that a calendar can name: the end of a rule without end.
    pub const FAR_FUTURE: Instant = Instant(i64::MAX);
    /// Earlier than every point that a calendar can name.
    pub const FAR_PAST: Instant = Instant(i64::MIN);

    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Instant {
        Instant(ms)
    }

    /// From whole seconds since the epoch.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Instant {
        Instant(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This point moved by `ms` milliseconds; stays at the ends of the range instead of wrapping.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Instant {
        Instant(self.0.saturating_add(ms))
    }

    /// As a `jiff` timestamp, if it lies in the years -9999 to 9999.
    #[must_use]
    pub fn timestamp(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_millisecond(self.0).ok()
    }

    /// RFC 3339 in UTC with a precision of seconds, or `None` outside the years that it can name.
    #[must_use]
    pub fn rfc3339(self) -> Option<String> {
        self.timestamp().map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
}

impl From<jiff::Timestamp> for Instant {
    fn from(t: jiff::Timestamp) -> Instant {
        Instant(t.as_millisecond())
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rfc3339() {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// Where "now" comes from. The program has one; tests and the simulation move their own.
pub trait Clock: Send + Sync {
    /// The present point in time.
    fn now(&self) -> Instant;
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn at(start: Instant) -> ManualClock {
        ManualClock(AtomicI64::new(start.ms()))
    }

    /// Moves the clock by `ms` milliseconds, forwards or backwards.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_before_the_epoch_rounds_down() {
        assert_eq!(Instant::from_ms(-1).seconds(), -1);
        assert_eq!(Instant::from_ms(-1).rfc3339().as_deref(), Some("1969-12-31T23:59:59Z"));
    }

    #[test]
    fn arithmetic_stays_in_range() {
        assert_eq!(Instant::FAR_FUTURE.plus_ms(1), Instant::FAR_FUTURE);
        assert_eq!(Instant::FAR_PAST.plus_ms(-1), Instant::FAR_PAST);
    }
}
