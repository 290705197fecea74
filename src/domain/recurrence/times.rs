//! When a component starts and how long it lasts, before and after it is moved to an instance.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

pub(super) use super::Moment;
use crate::domain::time::Instant;
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Duration, PeriodEnd, When};

/// Seconds of a nominal day.
pub(super) const DAY_S: i64 = 86_400;

/// A value and what it is local to.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub when: When,
    pub zone: Zone,
}

impl Placed {
    pub fn of(when: When, zones: &Zones<'_>) -> Placed {
        let zone = zones.of_value(&when);
        Placed { when, zone }
    }

    pub fn property(component: &Component, name: &str, zones: &Zones<'_>) -> Option<Placed> {
        When::of(component.property(name)?).ok().map(|when| Placed::of(when, zones))
    }

    pub fn at(&self, reader: &Zone) -> Timestamp {
        self.zone.or(reader).instant(self.when.local())
    }
}

/// A component's own start and end.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub start: Placed,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    At(Placed),
    After(Duration),
    /// Nothing is said: a date lasts its day, a time has no length.
    Default,
}

/// How long an instance lasts, the reader's zone being known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    /// Whole days, for dates.
    Days(i64),
    /// Exact seconds: RFC 5545 3.8.5.3 keeps the exact duration where DTEND or DUE gave it.
    Seconds(i64),
    /// Days on the wall clock, then seconds: where DURATION gave it.
    Nominal(Duration),
}

impl Times {
    /// `None` for a component without DTSTART or DUE.
    pub fn of(component: &Component, zones: &Zones<'_>) -> Option<Times> {
        let start = Placed::property(component, "DTSTART", zones);
        let due = Placed::property(component, "DUE", zones);
        let Some(start) = start else { return Some(Times { start: due?, end: End::After(Duration::default()) }) };
        let end = match Placed::property(component, "DTEND", zones).or(due) {
            Some(end) => End::At(end),
            None => match component.property("DURATION").map(|p| Duration::parse(p.value())) {
                Some(Ok(duration)) => End::After(duration),
                Some(Err(_)) | None => End::Default,
            },
        };
        Some(Times { start, end })
    }

    /// The start, and the end where one is written.
    pub fn places(&self) -> Vec<&Placed> {
        match &self.end {
            End::At(end) => vec![&self.start, end],
            End::After(_) | End::Default => vec![&self.start],
        }
    }

    pub fn is_all_day(&self) -> bool {
        self.start.when.is_date()
    }

    /// Never negative; a date without a later end, or ending on the day it starts, lasts that day.
    pub fn length(&self, reader: &Zone) -> Length {
        let (start, all_day) = (&self.start, self.is_all_day());
        match &self.end {
            End::Default if all_day => Length::Days(1),
            End::Default => Length::Seconds(0),
            End::After(duration) if duration.is_negative() => Length::Seconds(0),
            End::After(duration) if all_day && *duration == Duration::default() => Length::Seconds(0),
            End::After(duration) if all_day => Length::Days((duration.days + duration.seconds / DAY_S).max(1)),
            End::After(duration) => Length::Nominal(*duration),
            End::At(end) if all_day => {
                let from = wall_seconds(start.when.local());
                let to = wall_seconds(end.when.local());
                Length::Days((to - from + DAY_S - 1).div_euclid(DAY_S).max(1))
            }
            // Two wall clocks of the reader: their difference, whatever his clock does in between.
            End::At(end) if is_floating(start) && is_floating(end) => {
                Length::Seconds((wall_seconds(end.when.local()) - wall_seconds(start.when.local())).max(0))
            }
            End::At(end) => {
                let zone = if end.when.is_date() { start.zone.or(reader) } else { end.zone.or(reader) };
                let (from, to) = (start.at(reader), zone.instant(end.when.local()));
                Length::Seconds((to.as_second() - from.as_second()).max(0))
            }
        }
    }
}

impl Length {
    /// More seconds than an instance can last, changes of the clock included.
    pub fn seconds_at_most(self) -> i64 {
        match self {
            Length::Days(days) => days.saturating_mul(DAY_S).saturating_add(DAY_S),
            Length::Seconds(seconds) => seconds,
            Length::Nominal(d) => d.days.saturating_mul(DAY_S).saturating_add(d.seconds).saturating_add(DAY_S),
        }
    }

    /// The end of an instance that starts then and there.
    pub fn end_of(self, start: Moment, zone: &Zone) -> Moment {
        match self {
            Length::Days(days) => moment(plus_days(start.local, days), zone),
            Length::Seconds(0) => start,
            Length::Seconds(seconds) => after(start.at, seconds, zone),
            Length::Nominal(duration) => {
                let day = moment(plus_days(start.local, duration.days), zone);
                if duration.seconds == 0 { day } else { after(day.at, duration.seconds, zone) }
            }
        }
    }
}

/// The end of a period as an exact length from its start.
pub(super) fn period_length(start: &Placed, end: &PeriodEnd, zones: &Zones<'_>) -> PeriodLength {
    match end {
        PeriodEnd::After(duration) => PeriodLength::After(*duration),
        PeriodEnd::At(end) => {
            let zone = if matches!(end, When::Floating(_)) { start.zone.clone() } else { zones.of_value(end) };
            PeriodLength::Until(Placed { when: end.clone(), zone })
        }
    }
}

/// How an RDATE with a period says how long its instance lasts.
#[derive(Clone, Debug)]
pub(super) enum PeriodLength {
    Until(Placed),
    After(Duration),
}

impl PeriodLength {
    pub fn length(&self, start: Timestamp, reader: &Zone) -> Length {
        match self {
            PeriodLength::Until(end) => Length::Seconds((end.at(reader).as_second() - start.as_second()).max(0)),
            PeriodLength::After(duration) if duration.is_negative() => Length::Seconds(0),
            PeriodLength::After(duration) => Length::Nominal(*duration),
        }
    }
}

/// A wall clock of a zone.
pub(super) fn moment(local: DateTime, zone: &Zone) -> Moment {
    Moment { at: Instant::from(zone.instant(local)), local }
}

/// An instant on the wall clock of a zone.
pub(super) fn moment_at(at: Timestamp, zone: &Zone) -> Moment {
    Moment { at: Instant::from(at), local: zone.local(at) }
}

fn after(start: Instant, seconds: i64, zone: &Zone) -> Moment {
    moment_at(timestamp(start.plus_ms(seconds.saturating_mul(1000))), zone)
}

/// The nearest timestamp there is.
pub(super) fn timestamp(at: Instant) -> Timestamp {
    at.timestamp().unwrap_or(if at.ms() < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

fn plus_days(local: DateTime, days: i64) -> DateTime {
    plus_seconds(local, days.saturating_mul(DAY_S))
}

/// A wall clock moved by seconds of the wall; stays in the calendar.
pub(super) fn plus_seconds(local: DateTime, seconds: i64) -> DateTime {
    local.saturating_add(SignedDuration::from_secs(seconds))
}

/// Wall-clock seconds since the epoch on the same wall.
pub(super) fn wall_seconds(local: DateTime) -> i64 {
    Offset::UTC.to_timestamp(local).map_or(0, Timestamp::as_second)
}

fn is_floating(placed: &Placed) -> bool {
    matches!(placed.zone, Zone::Floating)
}
