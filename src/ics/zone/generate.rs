//! A VTIMEZONE for an IANA zone.
//!
//! Changes that follow a yearly pattern become an RRULE for as long as the pattern holds; the others are listed as dates.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday, date};
use jiff::tz::{Offset, TimeZone};

use super::super::text::fold;
use super::super::value::utc_offset_value;
use super::Zone;

/// Years looked ahead when no last year is given: long enough that all seven positions of a weekday have been seen in
/// every pattern, and for the changes that tzdata lists one by one.
const YEARS_AHEAD: i16 = 50;
/// Shortest run that is worth a rule; shorter ones are listed.
const RUN_MIN: usize = 3;
/// Changes before this year do not open a definition: clients disagree about local mean times with odd seconds.
const OLDEST_YEAR: i16 = 1970;

/// One change of the clock.
#[derive(Clone, Debug)]
struct Change {
    at: Timestamp,
    /// On the wall before the change.
    wall: DateTime,
}

/// What all changes of one sub-component share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    from: i32,
    to: i32,
    daylight: bool,
    name: String,
}

/// Changes of one kind that one sub-component writes.
struct Run {
    changes: Vec<Change>,
    /// The yearly rule they follow, without UNTIL; `None` for a list.
    rule: Option<String>,
    /// Whether the rule goes on after the last change that was looked at.
    endless: bool,
}

/// The VTIMEZONE component of an IANA zone as iCalendar text, lines ended by CRLF, its TZID being `name` as given.
///
/// Right for every time from the start of `from_year` to the end of `to_year`; without one, rules go on for ever.
/// `None` if the zone is not in the database.
#[must_use]
pub fn vtimezone(name: &str, from_year: i16, to_year: Option<i16>) -> Option<String> {
    let zone = match Zone::iana(name)? {
        Zone::Iana(zone) => zone,
        _ => TimeZone::UTC,
    };
    let from_year = from_year.clamp(1, 9_900);
    let to_year = to_year.unwrap_or(from_year.saturating_add(YEARS_AHEAD)).clamp(from_year, 9_998);
    let mut lines = vec!["BEGIN:VTIMEZONE".to_owned(), format!("TZID:{name}")];
    for (kind, run) in runs(&zone, from_year, to_year)? {
        write_observance(&mut lines, &kind, &run);
    }
    lines.push("END:VTIMEZONE".to_owned());
    Some(lines.iter().map(|line| fold(line)).collect())
}

/// Every sub-component, in the order of first onsets.
fn runs(zone: &TimeZone, from_year: i16, to_year: i16) -> Option<Vec<(Kind, Run)>> {
    let start = zone.to_timestamp(date(from_year, 1, 1).into()).ok()?;
    let end = zone.to_timestamp(date(to_year, 12, 31).at(23, 59, 59, 0)).ok()?;
    let mut kinds: BTreeMap<Kind, Vec<Change>> = BTreeMap::new();
    let opening = opening(zone, start);
    let since = opening.1.at;
    kinds.entry(opening.0).or_default().push(opening.1);
    for transition in zone.following(since).take_while(|t| t.timestamp() <= end) {
        if let Some((kind, change)) = change(zone, transition.timestamp())
            && kind.from != kind.to
        {
            kinds.entry(kind).or_default().push(change);
        }
    }
    let last_year = to_year;
    let mut all: Vec<(Kind, Run)> = kinds
        .into_iter()
        .flat_map(|(kind, changes)| split(&changes, last_year).into_iter().map(move |run| (kind.clone(), run)))
        .collect();
    all.sort_by_key(|(_, run)| run.changes.first().map(|change| change.at));
    Some(all)
}

/// The change that brought the offset in force at the start; where it lies too far back, one that changes nothing.
fn opening(zone: &TimeZone, start: Timestamp) -> (Kind, Change) {
    let changed = zone
        .preceding(start + jiff::SignedDuration::from_secs(1))
        .take_while(|t| Offset::UTC.to_datetime(t.timestamp()).year() >= OLDEST_YEAR)
        .filter_map(|t| change(zone, t.timestamp()))
        .find(|(kind, _)| kind.from != kind.to);
    changed.unwrap_or_else(|| {
        let info = zone.to_offset_info(start);
        let offset = info.offset().seconds();
        let kind =
            Kind { from: offset, to: offset, daylight: info.dst().is_dst(), name: info.abbreviation().to_owned() };
        let wall = info.offset().to_datetime(start).min(date(OLDEST_YEAR, 1, 1).into());
        let at = info.offset().to_timestamp(wall).unwrap_or(start);
        (kind, Change { at, wall })
    })
}

fn change(zone: &TimeZone, at: Timestamp) -> Option<(Kind, Change)> {
    let before = zone.to_offset(at.checked_sub(jiff::SignedDuration::from_secs(1)).ok()?);
    let after = zone.to_offset_info(at);
    let kind = Kind {
        from: before.seconds(),
        to: after.offset().seconds(),
        daylight: after.dst().is_dst(),
        name: after.abbreviation().to_owned(),
    };
    Some((kind, Change { at, wall: before.to_datetime(at) }))
}

/// Cuts the changes of one kind into runs that follow a yearly rule, and one list of what is left.
fn split(changes: &[Change], last_year: i16) -> Vec<Run> {
    let (mut runs, mut left) = (Vec::new(), Vec::new());
    let mut rest = changes;
    while let Some(first) = rest.first() {
        let mut pattern = Pattern::of(first.wall);
        let mut len = 1;
        while let Some(longer) = rest.get(len).and_then(|next| pattern.extended(next.wall)) {
            pattern = longer;
            len += 1;
        }
        let (run, after) = rest.split_at(len);
        if len >= RUN_MIN {
            let endless = after.is_empty() && run.last().is_some_and(|change| change.wall.year() == last_year);
            runs.push(Run { changes: run.to_vec(), rule: Some(pattern.rule()), endless });
        } else {
            left.extend_from_slice(run);
        }
        rest = after;
    }
    if !left.is_empty() {
        runs.push(Run { changes: left, rule: None, endless: false });
    }
    runs
}

/// What the changes of consecutive years have in common.
#[derive(Clone, Debug)]
struct Pattern {
    last: DateTime,
    /// The n-th weekday of the month from its start, if it always is.
    from_start: Option<i8>,
    /// The same from its end.
    from_end: Option<i8>,
    /// The day of the month, if it always is, whatever the weekday.
    month_day: Option<i8>,
    /// The weekday, if it always is, with the first and last day of the month it fell on.
    weekday: Option<Weekday>,
    days: (i8, i8),
}

impl Pattern {
    fn of(wall: DateTime) -> Pattern {
        Pattern {
            last: wall,
            from_start: Some((wall.day() - 1) / 7 + 1),
            from_end: Some((wall.days_in_month() - wall.day()) / 7 + 1),
            month_day: Some(wall.day()),
            weekday: Some(wall.weekday()),
            days: (wall.day(), wall.day()),
        }
    }

    /// The pattern with one more year, if there still is one.
    fn extended(&self, wall: DateTime) -> Option<Pattern> {
        if wall.year() != self.last.year() + 1 || wall.month() != self.last.month() || wall.time() != self.last.time() {
            return None;
        }
        let next = Pattern::of(wall);
        let both = |a: Option<i8>, b: Option<i8>| a.filter(|a| Some(*a) == b);
        let weekday = self.weekday.filter(|weekday| next.weekday == Some(*weekday));
        let days = (self.days.0.min(wall.day()), self.days.1.max(wall.day()));
        let weekday = weekday.filter(|_| days.1 - days.0 < 7);
        let found = Pattern {
            last: wall,
            from_start: both(self.from_start, next.from_start).filter(|_| weekday.is_some()),
            from_end: both(self.from_end, next.from_end).filter(|_| weekday.is_some()),
            month_day: both(self.month_day, next.month_day),
            weekday,
            days,
        };
        (found.weekday.is_some() || found.month_day.is_some()).then_some(found)
    }

    fn rule(&self) -> String {
        let month = self.last.month();
        let weekday = match self.last.weekday() {
            Weekday::Monday => "MO",
            Weekday::Tuesday => "TU",
            Weekday::Wednesday => "WE",
            Weekday::Thursday => "TH",
            Weekday::Friday => "FR",
            Weekday::Saturday => "SA",
            Weekday::Sunday => "SU",
        };
        let mut rule = format!("FREQ=YEARLY;BYMONTH={month}");
        // Writing to a String does not fail.
        let _ = match (self.weekday, self.from_end, self.from_start) {
            (None, _, _) => write!(rule, ";BYMONTHDAY={}", self.last.day()),
            (Some(_), Some(1), _) => write!(rule, ";BYDAY=-1{weekday}"),
            (Some(_), _, Some(n)) => write!(rule, ";BYDAY={n}{weekday}"),
            (Some(_), Some(n), None) => write!(rule, ";BYDAY=-{n}{weekday}"),
            (Some(_), None, None) => {
                let days: Vec<String> = (self.days.0..=self.days.1).map(|day| day.to_string()).collect();
                write!(rule, ";BYDAY={weekday};BYMONTHDAY={}", days.join(","))
            }
        };
        rule
    }
}

fn write_observance(lines: &mut Vec<String>, kind: &Kind, run: &Run) {
    let (Some(first), Some(last)) = (run.changes.first(), run.changes.last()) else { return };
    let component = if kind.daylight { "DAYLIGHT" } else { "STANDARD" };
    lines.push(format!("BEGIN:{component}"));
    lines.push(format!("TZNAME:{}", kind.name));
    lines.push(format!("TZOFFSETFROM:{}", utc_offset_value(kind.from)));
    lines.push(format!("TZOFFSETTO:{}", utc_offset_value(kind.to)));
    lines.push(format!("DTSTART:{}", first.wall.strftime("%Y%m%dT%H%M%S")));
    match &run.rule {
        Some(rule) if run.endless => lines.push(format!("RRULE:{rule}")),
        Some(rule) => {
            let until = Offset::UTC.to_datetime(last.at);
            lines.push(format!("RRULE:{rule};UNTIL={}", until.strftime("%Y%m%dT%H%M%SZ")));
        }
        // The first one too, which DTSTART says already: ical.js 2.2 takes only the dates where there are some, and
        // Python's ical 14.3 nothing where there are none.
        None => {
            lines.extend(run.changes.iter().map(|change| format!("RDATE:{}", change.wall.strftime("%Y%m%dT%H%M%S"))))
        }
    }
    lines.push(format!("END:{component}"));
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::Document;
    use super::super::{Definition, iana_names};
    use super::*;
    use bytes::Bytes;

    fn evaluated(name: &str) -> Definition {
        let text = vtimezone(name, 2020, None).expect("an IANA zone");
        let document = Document::parse(&Bytes::from(text)).expect("well-formed");
        Definition::of(document.components().next().expect("one")).expect("observances")
    }

    fn second(year: i16) -> i64 {
        Offset::UTC.to_timestamp(date(year, 1, 1).into()).expect("in range").as_second()
    }

    /// The first second at which the written zone and the database differ between 2020 and 2045, if any: both are
    /// constant between changes, so looking around each change of either is looking at every second.
    fn difference(name: &str) -> Option<Timestamp> {
        let (written, zone) = (evaluated(name), Zone::iana(name).expect("an IANA zone"));
        let (start, end) = (second(2020), second(2046));
        let mut seconds: Vec<i64> = written.changes().filter(|at| (start..end).contains(at)).collect();
        if let Zone::Iana(zone) = &zone {
            let changes = zone.following(Timestamp::from_second(start).expect("in range"));
            seconds.extend(changes.map(|t| t.timestamp().as_second()).take_while(|at| *at < end));
        }
        seconds.extend([start, end - 1]);
        let around = seconds.iter().flat_map(|at| [at - 1, *at]).filter(|at| *at >= start);
        let mut instants = around.map(|at| Timestamp::from_second(at).expect("in range"));
        instants.find(|at| written.offset(*at) != zone.offset(*at))
    }

    #[test]
    fn every_zone_written_says_what_the_database_says() {
        let names: Vec<String> = iana_names().collect();
        assert!(names.len() > 590, "{}", names.len());
        for name in names {
            assert_eq!(difference(&name), None, "{name}:\n{}", vtimezone(&name, 2020, None).unwrap_or_default());
        }
    }

    #[test]
    fn hour_by_hour_a_written_zone_reads_local_times_as_the_database_does() {
        for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago"] {
            let (written, zone) = (evaluated(name), Zone::iana(name).expect("an IANA zone"));
            let mut local = date(2024, 1, 1).at(0, 30, 0, 0);
            while local.year() < 2028 {
                assert_eq!(written.instant(local), Some(zone.instant(local)), "{name} {local}");
                local = local.checked_add(jiff::SignedDuration::from_mins(30)).expect("in range");
            }
        }
    }

    #[test]
    fn a_zone_is_written_with_rules_where_they_hold_and_dates_where_not() {
        assert_eq!(
            vtimezone("Europe/Berlin", 2026, None).expect("an IANA zone").replace("\r\n", "\n"),
            "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\n\
             BEGIN:STANDARD\nTZNAME:CET\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nDTSTART:20251026T030000\n\
             RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nEND:STANDARD\n\
             BEGIN:DAYLIGHT\nTZNAME:CEST\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nDTSTART:20260329T020000\n\
             RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nEND:DAYLIGHT\nEND:VTIMEZONE\n"
        );
        assert_eq!(
            vtimezone("Asia/Tokyo", 2026, None).expect("an IANA zone").replace("\r\n", "\n"),
            "BEGIN:VTIMEZONE\nTZID:Asia/Tokyo\nBEGIN:STANDARD\nTZNAME:JST\nTZOFFSETFROM:+0900\nTZOFFSETTO:+0900\n\
             DTSTART:19700101T000000\nRDATE:19700101T000000\nEND:STANDARD\nEND:VTIMEZONE\n"
        );
        assert_eq!(vtimezone("Nowhere/Else", 2026, None), None);
        assert!(vtimezone("UTC", 2026, None).is_some_and(|text| text.contains("TZOFFSETTO:+0000")));
    }

    #[test]
    fn a_last_year_bounds_what_is_looked_at() {
        let bounded = vtimezone("Asia/Gaza", 2020, Some(2021)).expect("an IANA zone");
        let full = vtimezone("Asia/Gaza", 2020, None).expect("an IANA zone");
        assert!(bounded.len() < full.len() / 2, "{} {}", bounded.len(), full.len());
    }
}
