//! A second engine's opinion: the `rrule` crate on the rules it gets right, and chrono-tz where its data are current.
//!
//! Left out of the comparison, because rrule 0.14 has them wrong: a weekday with and without ordinal in one rule, fifth
//! weekdays from the end, BYSETPOS in weekly rules, BYWEEKNO without BYDAY or with WKST or for weeks that lie in
//! two years, frequencies below a day, UNTIL that is not in
//! UTC or lies before DTSTART, starts inside a change of clocks.

use std::str::FromStr;

use chrono::Offset;
use chrono_tz::Tz;
use jiff::civil::{DateTime, datetime};
use jiff::{SignedDuration, Timestamp};
use kalends::ics::rule::{Budget, Rule};
use kalends::ics::zone::{Zone, iana_names};
use proptest::prelude::*;

/// Occurrences compared of each rule.
const COMPARED: u16 = 40;

fn numbers(name: &'static str, range: std::ops::RangeInclusive<i32>, negative: bool) -> impl Strategy<Value = String> {
    let number = (range, any::<bool>()).prop_map(move |(n, back)| if back && negative { -n } else { n });
    proptest::collection::btree_set(number, 1..4).prop_map(move |set| {
        let list: Vec<String> = set.iter().map(i32::to_string).collect();
        format!(";{name}={}", list.join(","))
    })
}

fn weekdays(ordinals: bool) -> impl Strategy<Value = String> {
    let day = proptest::sample::select(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"]);
    let ordinal = (1..=4_i32, any::<bool>()).prop_map(|(n, back)| if back { -n } else { n });
    proptest::collection::btree_set((ordinal, day), 1..4).prop_map(move |set| {
        let item = |(n, day): &(i32, &str)| if ordinals { format!("{n}{day}") } else { (*day).to_owned() };
        let list: std::collections::BTreeSet<String> = set.iter().map(item).collect();
        format!(";BYDAY={}", list.into_iter().collect::<Vec<_>>().join(","))
    })
}

fn maybe(part: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    proptest::option::weighted(0.4, part).prop_map(Option::unwrap_or_default)
}

fn times() -> impl Strategy<Value = String> {
    (maybe(numbers("BYHOUR", 0..=23, false)), maybe(numbers("BYMINUTE", 0..=59, false))).prop_map(|(h, m)| h + &m)
}

fn days() -> BoxedStrategy<String> {
    let months = || maybe(numbers("BYMONTH", 1..=12, false));
    let month_days = || maybe(numbers("BYMONTHDAY", 1..=31, true));
    let position = || maybe(numbers("BYSETPOS", 1..=5, true));
    prop_oneof![
        (months(), month_days(), maybe(weekdays(false))).prop_map(|(m, d, w)| format!("FREQ=DAILY{m}{d}{w}")),
        (months(), maybe(weekdays(false))).prop_map(|(m, w)| format!("FREQ=WEEKLY{m}{w}")),
        (months(), month_days(), weekdays(false), position())
            .prop_map(|(m, d, w, p)| format!("FREQ=MONTHLY{m}{d}{w}{p}")),
        (months(), weekdays(true), position()).prop_map(|(m, w, p)| format!("FREQ=MONTHLY{m}{w}{p}")),
        (months(), month_days(), weekdays(false), position())
            .prop_map(|(m, d, w, p)| format!("FREQ=YEARLY{m}{d}{w}{p}")),
        (months(), weekdays(true), position()).prop_map(|(m, w, p)| format!("FREQ=YEARLY{m}{w}{p}")),
        (numbers("BYWEEKNO", 2..=50, true), weekdays(false)).prop_map(|(n, w)| format!("FREQ=YEARLY{n}{w}")),
        (numbers("BYYEARDAY", 1..=366, true), maybe(weekdays(false))).prop_map(|(y, w)| format!("FREQ=YEARLY{y}{w}")),
    ]
    .boxed()
}

fn rules() -> impl Strategy<Value = String> {
    let interval = proptest::option::of(1..8).prop_map(|n| n.map_or(String::new(), |n| format!(";INTERVAL={n}")));
    let end = prop_oneof![
        Just(String::new()),
        (1..60).prop_map(|n| format!(";COUNT={n}")),
        (2031..2040).prop_map(|year| format!(";UNTIL={year}0615T101500Z")),
    ];
    let start_of_week = proptest::sample::select(vec!["", ";WKST=MO", ";WKST=SU", ";WKST=TH"]);
    (days(), times(), interval, end, start_of_week).prop_map(|(d, t, i, e, w)| {
        let w = if d.contains("BYWEEKNO") { "" } else { w };
        format!("{d}{t}{i}{e}{w}")
    })
}

fn starts() -> impl Strategy<Value = DateTime> {
    (1990_i16..2030, 1_i8..13, 1_i8..29, 0_i8..24, 0_i8..60)
        .prop_map(|(y, m, d, h, min)| datetime(y, m, d, h, min, 0, 0))
}

/// As rrule counts: DTSTART is an occurrence only if the rule gives it.
fn ours(rule: &str, start: DateTime) -> Vec<i64> {
    let mut rule = Rule::parse(rule).expect("a valid rule");
    let given = rule.gives_start(start);
    if !given {
        rule.count = rule.count.map(|count| count + 1);
    }
    let until = match rule.until {
        Some(kalends::ics::rule::Until::Utc(utc)) => Zone::Utc.instant(utc),
        _ => Timestamp::MAX,
    };
    let mut budget = Budget::of(u32::MAX);
    rule.walk(start, start..datetime(2150, 1, 1, 0, 0, 0, 0), &mut budget)
        .map(|step| Zone::Utc.instant(step.expect("within the budget")))
        .skip(usize::from(!given))
        .take_while(|at| *at <= until)
        .take(usize::from(COMPARED))
        .map(Timestamp::as_second)
        .collect()
}

fn theirs(rule: &str, start: DateTime) -> Option<Vec<i64>> {
    let text = format!("DTSTART:{}\nRRULE:{rule}", start.strftime("%Y%m%dT%H%M%SZ"));
    let found = rrule::RRuleSet::from_str(&text).ok()?.all(COMPARED);
    let end = Zone::Utc.instant(datetime(2150, 1, 1, 0, 0, 0, 0)).as_second();
    Some(found.dates.iter().map(|date| date.timestamp()).filter(|at| *at < end).collect())
}

proptest! {
    #[test]
    fn the_rrule_crate_gives_the_same_occurrences(rule in rules(), start in starts()) {
        let theirs = theirs(&rule, start);
        prop_assert!(theirs.is_some(), "rrule refuses {}", rule);
        prop_assert_eq!(Some(ours(&rule, start)), theirs, "{} {}", start, rule);
    }

    /// Any window shows the slice of the whole that lies in it.
    #[test]
    fn a_window_shows_a_slice_of_the_whole(rule in rules(), start in starts(), skip in 0_i64..4000, len in 1_i64..900) {
        let rule = Rule::parse(&rule).expect("a valid rule");
        let days = |n: i64| start.saturating_add(SignedDuration::from_hours(24 * n));
        let (from, to) = (days(skip), days(skip + len));
        let walk = |from, to| -> Vec<DateTime> {
            rule.walk(start, from..to, &mut Budget::of(u32::MAX)).map(|step| step.expect("within the budget")).collect()
        };
        let whole: Vec<DateTime> = walk(start, to).into_iter().filter(|wall| *wall >= from).collect();
        prop_assert_eq!(walk(from, to), whole, "{} {} {}", start, rule, from);
    }
}

/// Where tzdata 2025b, which chrono-tz has, and the release in use differ between 2024 and 2030.
const CHANGED_SINCE_2025B: &[&str] = &[
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "America/Edmonton",
    "America/Inuvik",
    "America/Rainy_River",
    "America/Vancouver",
    "America/Winnipeg",
    "America/Yellowknife",
    "Canada/Central",
    "Canada/Mountain",
    "Canada/Pacific",
    "Europe/Chisinau",
    "Europe/Tiraspol",
];

#[test]
fn chrono_tz_knows_the_same_offsets_where_its_data_are_current() {
    let start = Zone::Utc.instant(datetime(2024, 1, 1, 0, 0, 0, 0));
    let end = Zone::Utc.instant(datetime(2030, 1, 1, 0, 0, 0, 0));
    let mut different = std::collections::BTreeSet::new();
    let mut compared = 0;
    for name in iana_names() {
        let (Ok(other), Some(zone)) = (Tz::from_str(&name), Zone::iana(&name)) else { continue };
        compared += 1;
        let mut at = start;
        while at < end {
            if other_offset(other, at) != zone.offset(at).seconds() {
                different.insert(name.clone());
                break;
            }
            at += SignedDuration::from_hours(6);
        }
    }
    assert!(compared > 590, "{compared}");
    assert_eq!(different.into_iter().collect::<Vec<_>>(), CHANGED_SINCE_2025B);
}

fn other_offset(zone: Tz, at: Timestamp) -> i32 {
    let at = chrono::DateTime::from_timestamp(at.as_second(), 0).expect("in range");
    at.with_timezone(&zone).offset().fix().local_minus_utc()
}

/// Where rrule 0.14 gives a wrong answer or none: start, rule, and what must be among the first occurrences.
const WRONG_THERE: &[(&str, &str, &[&str])] = &[
    ("2004-12-07T01:30:00", "FREQ=MONTHLY;BYDAY=-1TU,FR", &["2004-12-10T01:30:00", "2004-12-28T01:30:00"]),
    ("2023-05-26T12:59:30", "FREQ=WEEKLY;INTERVAL=3;BYDAY=TH,MO,FR;BYSETPOS=1", &["2023-06-12T12:59:30"]),
    ("2026-01-01T09:00:00", "FREQ=WEEKLY;BYDAY=1MO,+2TU", &["2026-01-05T09:00:00", "2026-01-06T09:00:00"]),
    ("2024-02-29T00:30:00", "FREQ=MINUTELY;INTERVAL=13;BYHOUR=0,9,23", &["2024-02-29T00:56:00", "2024-02-29T09:10:00"]),
    ("2026-01-01T09:00:00", "FREQ=YEARLY;BYWEEKNO=1", &["2027-01-07T09:00:00", "2028-01-06T09:00:00"]),
    ("1990-01-01T09:00:00", "FREQ=YEARLY;BYWEEKNO=52;BYDAY=SA", &["1992-12-26T09:00:00", "1994-01-01T09:00:00"]),
    ("2026-01-01T09:00:00", "FREQ=MONTHLY;BYDAY=-5MO", &["2026-03-02T09:00:00"]),
    ("2026-01-01T09:00:00", "FREQ=YEARLY;BYDAY=-53FR", &["2027-01-01T09:00:00"]),
    ("1990-05-07T23:30:30", "FREQ=MINUTELY;BYDAY=MO,SU,FR,TH,SA;BYHOUR=1,3;BYMINUTE=5", &["1990-05-10T01:05:30"]),
    ("2026-01-01T09:00:00", "FREQ=DAILY;UNTIL=20260110", &["2026-01-10T09:00:00"]),
    ("2026-01-01T09:00:00", "FREQ=DAILY;UNTIL=20260110T090000", &["2026-01-10T09:00:00"]),
    ("2026-01-01T09:00:00", "FREQ=DAILY;UNTIL=20200110", &["2026-01-01T09:00:00"]),
    ("2026-01-01T09:00:00", "FREQ=DAILY;RSCALE=GREGORIAN;SKIP=FORWARD;X-A=b", &["2026-01-02T09:00:00"]),
    ("2026-01-01T09:00:00", "FREQ=MINUTELY;BYSECOND=60", &["2026-01-01T09:00:59"]),
    ("2026-01-01T09:00:00", "FREQ=SECONDLY;INTERVAL=70000", &["2026-01-02T04:26:40"]),
];

#[test]
fn where_the_rrule_crate_is_wrong_we_are_not() {
    for (start, rule, expected) in WRONG_THERE {
        let parsed = Rule::parse(rule).unwrap_or_else(|error| panic!("{rule}: {error}"));
        let start: DateTime = start.parse().expect("a date and time");
        let mut budget = Budget::default();
        let found: Vec<String> = parsed
            .walk(start, start..DateTime::MAX, &mut budget)
            .map_while(Result::ok)
            .take(60)
            .map(|wall| wall.to_string())
            .collect();
        for wall in *expected {
            assert!(found.iter().any(|found| found == wall), "{rule} lacks {wall}: {found:?}");
        }
    }
    assert!(Rule::parse("FREQ=MONTHLY;BYDAY=0MO").is_err());
}
