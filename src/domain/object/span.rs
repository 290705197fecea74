//! From the first start to the last end of an object, never too narrow.
//!
//! A wall-clock time without a zone, or in one nobody knows, counts with every zone there is. Where a rule cannot be
//! followed to its end within the budget, the object has no end.

use std::collections::HashMap;

use jiff::civil::{Date, DateTime};

use super::{CalendarObject, Span};
use crate::domain::time::{DAY_MS, HOUR_MS, Instant};
use crate::ics::rule::{Budget, LastStart, Rule, Until};
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Duration, Period, PeriodEnd, Property, When};

/// The clocks of the world lie within 14 hours of UTC.
const ZONE_SLACK_MS: i64 = 14 * HOUR_MS;

/// Spans are kept for years while governments change their clocks: a span must still hold the appointment when the
/// zone is read by next year's rules.
const DECREE_SLACK_MS: i64 = 2 * HOUR_MS;

/// How far a length in days can differ from the same number of 24 hours, summed over the two changes of clocks
/// that a start and an end can lie on different sides of.
const CLOCK_CHANGE_MS: i64 = 2 * HOUR_MS;

/// The instants a time can mean.
#[derive(Clone, Copy)]
struct Range {
    from: i64,
    to: i64,
}

/// Whether a component starts with a date.
pub(super) fn is_all_day(component: &Component) -> bool {
    component
        .property("DTSTART")
        .or_else(|| component.property("DUE"))
        .is_some_and(|p| When::of(p).is_ok_and(|when| when.is_date()))
}

/// The span of an object; `None` when nothing in it has a date.
pub(super) fn of(object: &CalendarObject) -> Option<Span> {
    let calendar = object.document().calendar()?;
    let mut reading = Reading { zones: Zones::of(calendar), known: HashMap::new(), budget: Budget::default() };
    let extents = object.components().filter_map(|component| reading.extent(component));
    let total = extents.reduce(Extent::joined)?;
    let to = match reading.later_instances(object) {
        Moved::By(room) => total.to.map(|to| to.saturating_add(room)),
        Moved::Unknown => None,
    };
    Some(Span { starts: Instant::from_ms(total.from), ends: to.map(Instant::from_ms), floating: total.floating })
}

struct Extent {
    from: i64,
    to: Option<i64>,
    floating: bool,
}

impl Extent {
    fn joined(self, other: Extent) -> Extent {
        Extent {
            from: self.from.min(other.from),
            to: self.to.zip(other.to).map(|(a, b)| a.max(b)),
            floating: self.floating || other.floating,
        }
    }
}

/// How much later than the master knows the last instance can end.
enum Moved {
    By(i64),
    Unknown,
}

/// What one reading of an object needs: its zones, each looked up once, and the steps its rules may take.
struct Reading<'a> {
    zones: Zones<'a>,
    known: HashMap<String, Zone>,
    budget: Budget,
}

impl Reading<'_> {
    fn extent(&mut self, component: &Component) -> Option<Extent> {
        let free_busy = self.free_busy(component);
        let start = when(component, "DTSTART");
        let end = when(component, "DTEND").or_else(|| when(component, "DUE"));
        let Some(first) = start.as_ref().or(end.as_ref()) else { return free_busy };
        let first_range = self.range(first);
        let length = self.length(component, first, end.as_ref());
        let mut floating = self.is_floating(first) || end.as_ref().is_some_and(|end| self.is_floating(end));

        let mut from = first_range.from;
        let mut to = Some(first_range.to.saturating_add(length));
        for rule in component.properties_named("RRULE") {
            let last = self.last_start(rule, first);
            to = to.zip(last).map(|(to, last)| to.max(last.saturating_add(length).saturating_add(CLOCK_CHANGE_MS)));
        }
        for property in component.properties_named("RDATE") {
            for (date, own_end) in self.recurrence_dates(property) {
                floating |= self.is_floating(&date);
                let date = self.range(&date);
                from = from.min(date.from);
                let end = own_end.unwrap_or_else(|| date.to.saturating_add(length).saturating_add(CLOCK_CHANGE_MS));
                to = to.map(|to| to.max(end));
            }
        }
        let extent = Extent { from, to, floating };
        Some(match free_busy {
            Some(other) => extent.joined(other),
            None => extent,
        })
    }

    /// An override for this and all later instances moves them as far as it was moved itself and gives them its length.
    fn later_instances(&mut self, object: &CalendarObject) -> Moved {
        let mut room = 0_i64;
        for component in object.overrides() {
            let Some(instance) = component.property("RECURRENCE-ID") else { continue };
            if !instance.param("RANGE").is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE")) {
                continue;
            }
            let (Ok(instance), Some(start), true) =
                (When::of(instance), when(component, "DTSTART"), object.master().is_some())
            else {
                return Moved::Unknown;
            };
            let end = when(component, "DTEND").or_else(|| when(component, "DUE"));
            let shift = self.range(&start).to.saturating_sub(self.range(&instance).from).max(0);
            room = room.max(shift.saturating_add(self.length(component, &start, end.as_ref())));
        }
        Moved::By(room)
    }

    /// How long one instance lasts at most.
    fn length(&mut self, component: &Component, first: &When, end: Option<&When>) -> i64 {
        if let Some(end) = end {
            return self.range(end).to.saturating_sub(self.range(first).from).max(0);
        }
        match component.property("DURATION").map(|p| Duration::parse(p.value())) {
            Some(Ok(duration)) => duration_ms(duration),
            Some(Err(_)) | None if first.is_date() => DAY_MS,
            Some(Err(_)) | None => 0,
        }
    }

    /// The latest instant a rule can start an instance at; `None` for a rule without end, or one whose end is not found.
    fn last_start(&mut self, property: &Property, first: &When) -> Option<i64> {
        // A rule that cannot be read here may be read elsewhere, and never end.
        let rule = Rule::parse(property.value()).ok()?;
        let rule = match first {
            When::Date(_) => rule.for_dates(),
            When::Floating(_) => rule.for_floating(),
            When::Utc(_) | When::Zoned { .. } => rule,
        };
        let until = rule.until.map(|until| match until {
            Until::Date(date) => self.range(&at_wall(first, end_of(date))).to,
            Until::Local(wall) => self.range(&at_wall(first, wall)).to,
            Until::Utc(wall) => ms(wall),
        });
        // UNTIL alone is enough, so that a rule with both is not counted out.
        until.or_else(|| match rule.last_counted(first.local(), &mut self.budget) {
            Ok(LastStart::At(wall)) => Some(self.range(&at_wall(first, wall)).to),
            Ok(LastStart::Uncounted) | Err(_) => None,
        })
    }

    fn recurrence_dates(&mut self, property: &Property) -> Vec<(When, Option<i64>)> {
        if !property.value().contains('/') {
            let dates = When::list_of(property).unwrap_or_default();
            return dates.into_iter().map(|date| (date, None)).collect();
        }
        let periods = Period::list_of(property).unwrap_or_default();
        periods.into_iter().map(|period| (period.start.clone(), Some(self.period_end(&period)))).collect()
    }

    fn free_busy(&mut self, component: &Component) -> Option<Extent> {
        let periods = component.properties_named("FREEBUSY").flat_map(|p| Period::list_of(p).unwrap_or_default());
        let extents = periods.map(|period| Extent {
            from: self.range(&period.start).from,
            to: Some(self.period_end(&period)),
            floating: self.is_floating(&period.start),
        });
        extents.reduce(Extent::joined)
    }

    fn period_end(&mut self, period: &Period) -> i64 {
        match &period.end {
            PeriodEnd::At(end) => self.range(end).to,
            PeriodEnd::After(duration) => self.range(&period.start).to.saturating_add(duration_ms(*duration)),
        }
    }
    fn zone(&mut self, when: &When) -> Zone {
        let Some(tzid) = when.tzid() else { return self.zones.of_value(when) };
        if let Some(zone) = self.known.get(tzid) {
            return zone.clone();
        }
        let zone = self.zones.of_value(when);
        self.known.insert(tzid.to_owned(), zone.clone());
        zone
    }

    fn is_floating(&mut self, when: &When) -> bool {
        matches!(self.zone(when), Zone::Floating)
    }

    fn range(&mut self, when: &When) -> Range {
        let (at, slack) = match self.zone(when) {
            Zone::Utc => (ms(when.local()), 0),
            Zone::Floating => (ms(when.local()), ZONE_SLACK_MS),
            zone @ (Zone::Fixed(_) | Zone::Iana(_) | Zone::Custom(_)) => {
                (zone.instant(when.local()).as_millisecond(), DECREE_SLACK_MS)
            }
        };
        Range { from: at.saturating_sub(slack), to: at.saturating_add(slack) }
    }
}

fn duration_ms(duration: Duration) -> i64 {
    let exact = duration.days.saturating_mul(DAY_MS).saturating_add(duration.seconds.saturating_mul(1000));
    let slack = if duration.days == 0 { 0 } else { CLOCK_CHANGE_MS };
    exact.saturating_add(slack).max(0)
}

fn when(component: &Component, name: &str) -> Option<When> {
    component.property(name).and_then(|p| When::of(p).ok())
}

/// The same kind of time at another wall clock.
fn at_wall(kind: &When, wall: DateTime) -> When {
    match kind {
        When::Utc(_) => When::Utc(wall),
        When::Zoned { tzid, .. } => When::Zoned { local: wall, tzid: tzid.clone() },
        When::Date(_) | When::Floating(_) => When::Floating(wall),
    }
}

fn end_of(date: Date) -> DateTime {
    date.at(23, 59, 59, 0)
}

/// A wall clock read as UTC.
fn ms(wall: DateTime) -> i64 {
    let days = i64::from(wall.date().since(Date::constant(1970, 1, 1)).map_or(0, |span| span.get_days()));
    let time = wall.time();
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    days.saturating_mul(DAY_MS).saturating_add(seconds * 1000)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const ZONES: [&str; 7] =
        ["Z", "", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "Unknown/Zone"];

    fn rule() -> impl Strategy<Value = String> {
        let freq = prop::sample::select(vec!["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"]);
        let end = prop_oneof![
            (1_u32..60).prop_map(|count| format!(";COUNT={count}")),
            (2000_u32..2045, 1_u32..13).prop_map(|(year, month)| format!(";UNTIL={year}{month:02}15T120000Z")),
            (2000_u32..2045, 1_u32..13).prop_map(|(year, month)| format!(";UNTIL={year}{month:02}15")),
        ];
        let by = prop::sample::select(vec![
            "",
            ";BYDAY=MO,SU",
            ";BYMONTHDAY=-1,31",
            ";BYHOUR=2,3;BYMINUTE=30",
            ";BYMONTH=3,10",
        ]);
        (freq, 1_u32..5, by, end)
            .prop_map(|(freq, interval, by, end)| format!("FREQ={freq};INTERVAL={interval}{by}{end}"))
    }

    proptest! {
        /// Whatever zone a reader is in, each occurrence lies in the span.
        #[test]
        fn no_occurrence_is_outside_its_span(
            rule in rule(),
            zone in prop::sample::select(&ZONES[..]),
            day in 0_i64..15_000,
            hour in 0_u32..24,
            reader in prop::sample::select(vec!["Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"]),
        ) {
            let date = Date::constant(1995, 1, 1).saturating_add(jiff::Span::new().days(day));
            let local = date.at(i8::try_from(hour).unwrap(), 30, 0, 0);
            let start = match zone {
                "Z" => When::Utc(local),
                "" => When::Floating(local),
                tzid => When::Zoned { local, tzid: tzid.into() },
            };
            let text = format!(
                "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u\r\n{}\r\nDURATION:P1DT1H\r\nRRULE:{rule}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
                start.to_property("DTSTART").unfolded(),
            );
            let object = CalendarObject::parse(Bytes::from(text)).unwrap();
            let span = object.index().span.unwrap();
            // A rule that takes too long to count has no end.
            let ends = span.ends.unwrap_or(Instant::FAR_FUTURE);

            let reader = Zone::iana(reader).unwrap();
            let zones = Zones::of(object.document().calendar().unwrap());
            let zone = zones.of_value(&start);
            let zone = zone.or(&reader);
            let parsed = Rule::parse(&rule).unwrap();
            let parsed = if matches!(start, When::Floating(_)) { parsed.for_floating() } else { parsed };
            let mut budget = Budget::of(3_000);
            for wall in parsed.walk(local, local..DateTime::MAX, &mut budget).map_while(Result::ok) {
                let from = zone.instant(wall).as_millisecond();
                // An UNTIL in UTC is only bounded loosely by the walk.
                if let Some(Until::Utc(until)) = parsed.until && from > ms(until) {
                    continue;
                }
                let tomorrow = wall.checked_add(jiff::Span::new().days(1).hours(1)).unwrap();
                let to = zone.instant(tomorrow).as_millisecond();
                prop_assert!(span.starts.ms() <= from, "{wall} before {}", span.starts);
                prop_assert!(to <= ends.ms(), "{wall} ends after {ends}");
            }
        }
    }
}
