//! Free time: working hours less what is busy.
//!
//! Job: the hours a person works, as they set them, and the free slots they leave. Pure. Neighbours: `recurrence` says
//! what is busy; the API asks. It must never know whose appointments they were.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time, Weekday};

use super::recurrence::{BusyPeriod, Window};
use super::time::Instant;
use crate::ics::zone::Zone;

/// Free slots of one answer at most: two months of quarter hours round the clock fit.
pub const SLOTS_MAX: usize = 10_000;
/// Spans of work in one day: more are no plan any more.
const SPANS_PER_DAY_MAX: usize = 24;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// The hours a person works, by weekday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkingHours([Vec<Span>; 7]);

/// From a local time to a later one of the same day; `None` is the end of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: Time,
    to: Option<Time>,
}

/// A stretch of free time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// From here
    pub from: Instant,
    /// to here.
    pub to: Instant,
}

/// Why working hours cannot be: where, as `mon[0]`, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadHours {
    /// The day, or the day and the number of the span.
    pub at: String,
    /// A sentence.
    pub reason: &'static str,
}

impl Default for WorkingHours {
    /// Monday to Friday, nine to five.
    fn default() -> WorkingHours {
        let workday = vec![Span { from: Time::constant(9, 0, 0, 0), to: Some(Time::constant(17, 0, 0, 0)) }];
        let mut days: [Vec<Span>; 7] = Default::default();
        for day in days.iter_mut().take(5) {
            day.clone_from(&workday);
        }
        WorkingHours(days)
    }
}

impl WorkingHours {
    /// Reads hours as a user sets them: by day, `mon` to `sun`, spans such as `["09:00", "12:30"]`. A day that is not
    /// named is free.
    ///
    /// # Errors
    /// An unknown day, a time that is none, a span that ends before it begins or overlaps the one before.
    pub fn parse(days: &BTreeMap<String, Vec<[String; 2]>>) -> Result<WorkingHours, BadHours> {
        let mut hours = WorkingHours(Default::default());
        for (name, spans) in days {
            let bad = |at: String, reason| Err(BadHours { at, reason });
            let Some((_, weekday)) = DAYS.iter().find(|(day, _)| day == name) else {
                return bad(name.clone(), "the days are mon, tue, wed, thu, fri, sat and sun");
            };
            if spans.len() > SPANS_PER_DAY_MAX {
                return bad(name.clone(), "at most 24 spans a day");
            }
            let mut read: Vec<Span> = Vec::with_capacity(spans.len());
            for (number, [from, to]) in spans.iter().enumerate() {
                let at = format!("{name}[{number}]");
                let (Some(from), Some(to)) = (clock(from).flatten(), clock(to)) else {
                    return bad(at, "a span is written [\"09:00\", \"17:00\"]; the day ends at 24:00");
                };
                if to.is_some_and(|to| to <= from) {
                    return bad(at, "a span ends after it begins");
                }
                if read.last().is_some_and(|before| before.to.is_none_or(|end| end > from)) {
                    return bad(at, "spans follow each other");
                }
                read.push(Span { from, to });
            }
            if let Some(day) = hours.0.get_mut(index(*weekday)) {
                *day = read;
            }
        }
        Ok(hours)
    }

    /// The working time inside a window, in order.
    fn within(&self, window: Window, zone: &Zone) -> Vec<Free> {
        let first = local_date(window.from, zone);
        let last = local_date(window.to, zone);
        let mut spans = Vec::new();
        let mut date = first;
        while date <= last {
            for span in self.0.get(index(date.weekday())).into_iter().flatten() {
                let from = Instant::from(zone.instant(date.to_datetime(span.from)));
                let to = match span.to {
                    Some(to) => zone.instant(date.to_datetime(to)),
                    None => zone.instant(date.tomorrow().unwrap_or(date).to_datetime(Time::midnight())),
                };
                let to = Instant::from(to);
                if from < to {
                    spans.push(Free { from, to });
                }
            }
            match date.tomorrow() {
                Ok(next) => date = next,
                Err(_) => break,
            }
        }
        spans
    }

    /// The stretches of working time inside a window that nothing busy touches, in order.
    #[must_use]
    pub fn free(&self, window: Window, zone: &Zone, busy: &[BusyPeriod]) -> Vec<Free> {
        let busy = flattened(busy);
        let mut free = Vec::new();
        for span in self.within(window, zone) {
            let (mut from, to) = (span.from.max(window.from), span.to.min(window.to));
            let begun = busy.partition_point(|b| b.to <= from);
            for taken in busy.iter().skip(begun).take_while(|b| b.from < to) {
                if from < taken.from {
                    free.push(Free { from, to: taken.from });
                }
                from = from.max(taken.to);
            }
            if from < to {
                free.push(Free { from, to });
            }
        }
        free
    }

    /// The free slots of a length inside a window: they begin at multiples of it after the work does, and nothing busy
    /// touches them. At most [`SLOTS_MAX`] and one more.
    #[must_use]
    pub fn slots(&self, window: Window, zone: &Zone, busy: &[BusyPeriod], slot_ms: i64) -> Vec<Free> {
        let busy = flattened(busy);
        let mut slots = Vec::new();
        for span in self.within(window, zone) {
            let behind = window.from.ms().saturating_sub(span.from.ms()).max(0);
            let mut from = span.from.plus_ms(behind.div_euclid(slot_ms) * slot_ms);
            while slots.len() <= SLOTS_MAX {
                let slot = Free { from, to: from.plus_ms(slot_ms) };
                if slot.to > span.to.min(window.to) {
                    break;
                }
                let next = busy.partition_point(|b| b.to <= slot.from);
                let is_taken = busy.get(next).is_some_and(|b| b.from < slot.to);
                if !is_taken && slot.from >= window.from {
                    slots.push(slot);
                }
                from = slot.to;
            }
        }
        slots
    }
}

/// Everything busy, whatever its kind, in order and without overlaps.
fn flattened(busy: &[BusyPeriod]) -> Vec<Free> {
    let mut all: Vec<Free> = busy.iter().map(|b| Free { from: b.from, to: b.to }).collect();
    all.sort_unstable_by_key(|b| (b.from, b.to));
    let mut merged: Vec<Free> = Vec::with_capacity(all.len());
    for period in all {
        match merged.last_mut() {
            Some(last) if period.from <= last.to => last.to = last.to.max(period.to),
            _ => merged.push(period),
        }
    }
    merged
}

fn local_date(at: Instant, zone: &Zone) -> Date {
    at.timestamp().map_or(Date::MAX, |at| zone.local(at).date())
}

fn index(weekday: Weekday) -> usize {
    usize::try_from(weekday.to_monday_zero_offset()).unwrap_or(0)
}

/// `09:30`; `24:00` is `Some(None)`, the end of the day.
fn clock(text: &str) -> Option<Option<Time>> {
    if text == "24:00" {
        return Some(None);
    }
    let (hour, minute) = text.split_once(':')?;
    let part = |digits: &str| -> Option<i8> {
        (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
    };
    Time::new(part(hour)?, part(minute)?, 0, 0).ok().map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::recurrence::BusyKind;
    use super::super::time::{HOUR_MS, MINUTE_MS};
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse::<jiff::Timestamp>().expect("a time").into()
    }

    fn window(from: &str, to: &str) -> Window {
        Window { from: at(from), to: at(to) }
    }

    fn busy(from: &str, to: &str) -> BusyPeriod {
        BusyPeriod { kind: BusyKind::Busy, from: at(from), to: at(to) }
    }

    fn shown(free: &[Free]) -> Vec<String> {
        free.iter().map(|f| format!("{}/{}", f.from, f.to)).collect()
    }

    fn hours(json: &str) -> Result<WorkingHours, BadHours> {
        WorkingHours::parse(&serde_json::from_str(json).expect("JSON"))
    }

    #[test]
    fn hours_that_cannot_be_are_named() {
        for (json, expected) in [
            (r#"{"monday":[]}"#, "monday"),
            (r#"{"mon":[["9:00","17:00"]]}"#, "mon[0]"),
            (r#"{"mon":[["09:00","09:00"]]}"#, "mon[0]"),
            (r#"{"tue":[["09:00","12:00"],["11:00","17:00"]]}"#, "tue[1]"),
            (r#"{"tue":[["20:00","24:00"],["22:00","23:00"]]}"#, "tue[1]"),
            (r#"{"sun":[["24:00","24:00"]]}"#, "sun[0]"),
        ] {
            assert_eq!(hours(json).map_err(|b| b.at), Err(expected.to_owned()), "{json}");
        }
        assert_eq!(hours(r#"{}"#).map(|h| h.0.iter().all(Vec::is_empty)), Ok(true));
    }

    #[test]
    fn slots_lie_on_the_grid_of_the_working_day() {
        let (zone, hours) = (Zone::iana("Europe/Berlin").expect("a zone"), WorkingHours::default());
        let day = window("2026-03-02T08:10:00Z", "2026-03-02T12:00:00Z");
        let taken = [
            busy("2026-03-02T09:15:00Z", "2026-03-02T10:00:00Z"),
            busy("2026-03-02T09:20:00Z", "2026-03-02T09:30:00Z"),
        ];
        assert_eq!(
            shown(&hours.slots(day, &zone, &taken, HOUR_MS / 2)),
            [
                "2026-03-02T08:30:00Z/2026-03-02T09:00:00Z",
                "2026-03-02T10:00:00Z/2026-03-02T10:30:00Z",
                "2026-03-02T10:30:00Z/2026-03-02T11:00:00Z",
                "2026-03-02T11:00:00Z/2026-03-02T11:30:00Z",
                "2026-03-02T11:30:00Z/2026-03-02T12:00:00Z",
            ]
        );
        assert_eq!(
            shown(&hours.free(day, &zone, &taken)),
            ["2026-03-02T08:10:00Z/2026-03-02T09:15:00Z", "2026-03-02T10:00:00Z/2026-03-02T12:00:00Z"]
        );
    }

    #[test]
    fn the_working_day_follows_the_clock_and_not_the_sun() {
        let zone = Zone::iana("Europe/Berlin").expect("a zone");
        let weekend = window("2026-03-27T00:00:00Z", "2026-03-31T00:00:00Z");
        assert_eq!(
            shown(&WorkingHours::default().free(weekend, &zone, &[])),
            ["2026-03-27T08:00:00Z/2026-03-27T16:00:00Z", "2026-03-30T07:00:00Z/2026-03-30T15:00:00Z"]
        );
        let night = hours(r#"{"sun":[["00:00","06:00"]]}"#).expect("hours");
        // One night has five hours, the other seven.
        for (from, to, count) in
            [("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z", 5), ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z", 7)]
        {
            assert_eq!(night.slots(window(from, to), &zone, &[], HOUR_MS).len(), count, "{from}");
        }
        let whole = hours(r#"{"sun":[["00:00","24:00"]]}"#).expect("hours");
        let sunday = window("2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z");
        assert_eq!(shown(&whole.free(sunday, &zone, &[])), ["2026-10-24T22:00:00Z/2026-10-25T23:00:00Z"]);
    }

    #[test]
    fn a_flood_of_slots_ends() {
        let whole = hours(r#"{"mon":[["00:00","24:00"]],"tue":[["00:00","24:00"]]}"#).expect("hours");
        let years = window("2000-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
        assert_eq!(whole.slots(years, &Zone::Utc, &[], MINUTE_MS).len(), SLOTS_MAX + 1);
    }

    proptest! {
        #[test]
        fn no_slot_is_busy_and_none_is_missed(
            periods in prop::collection::vec((0_i64..72, 1_i64..20), 0..8),
            quarters in 1_i64..9,
        ) {
            let start = at("2026-03-02T00:00:00Z");
            let quarter = 15 * MINUTE_MS;
            let busy: Vec<BusyPeriod> = periods
                .iter()
                .map(|(from, length)| {
                    let from = start.plus_ms(from * quarter);
                    BusyPeriod { kind: BusyKind::Tentative, from, to: from.plus_ms(length * quarter) }
                })
                .collect();
            let day = Window { from: start, to: start.plus_ms(96 * quarter) };
            let slot = quarters * quarter;
            let slots = WorkingHours::default().slots(day, &Zone::Utc, &busy, slot);
            let mut expected = Vec::new();
            let mut from = at("2026-03-02T09:00:00Z");
            while from.plus_ms(slot) <= at("2026-03-02T17:00:00Z") {
                let to = from.plus_ms(slot);
                if busy.iter().all(|b| b.to <= from || to <= b.from) {
                    expected.push(Free { from, to });
                }
                from = to;
            }
            prop_assert_eq!(&slots, &expected);
            let free = WorkingHours::default().free(day, &Zone::Utc, &busy);
            for slot in &slots {
                prop_assert!(free.iter().any(|f| f.from <= slot.from && slot.to <= f.to));
            }
        }
    }
}
