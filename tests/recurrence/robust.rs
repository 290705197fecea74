//! Whatever is written, expansion ends, stays in its window and says when it is not all.

use std::time::Instant as Stopwatch;

use jiff::civil::{DateTime, datetime};
use kalends::domain::object::CalendarObject;
use kalends::domain::recurrence::{INSTANCES_MAX, Window, busy, expand};
use kalends::domain::time::Instant;
use kalends::domain::timerange::{limited, overlapping, ringing};
use kalends::ics::rule::{Budget, Rule};
use kalends::ics::zone::Zone;
use proptest::prelude::*;

use crate::support::{shown, window, zone};

fn list(name: &'static str, range: std::ops::RangeInclusive<i32>) -> impl Strategy<Value = String> {
    proptest::collection::vec(range, 0..6).prop_map(move |numbers| {
        let numbers: Vec<String> = numbers.iter().filter(|n| **n != 0).map(i32::to_string).collect();
        if numbers.is_empty() { String::new() } else { format!(";{name}={}", numbers.join(",")) }
    })
}

fn rarely(part: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    proptest::option::weighted(0.3, part).prop_map(Option::unwrap_or_default)
}

/// Any rule the grammar allows, sense or nonsense.
fn any_rule() -> impl Strategy<Value = String> {
    let freq = proptest::sample::select(vec!["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]);
    let interval = prop_oneof![3 => Just(1_u32), 2 => 1..40_u32, 1 => any::<u32>().prop_map(|n| n.max(1))];
    let end = prop_oneof![
        3 => Just(String::new()),
        2 => (1..2_000_000_u32).prop_map(|n| format!(";COUNT={n}")),
        1 => (1..9999_u32).prop_map(|year| format!(";UNTIL={year:04}0701")),
        1 => (1..9999_u32).prop_map(|year| format!(";UNTIL={year:04}0701T120000Z")),
    ];
    let by_day = proptest::collection::vec(
        (-53..=53_i32, proptest::sample::select(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"])),
        1..4,
    )
    .prop_map(|days| {
        let day = |(n, day): &(i32, &str)| if *n == 0 || n.abs() > 5 { (*day).to_owned() } else { format!("{n}{day}") };
        format!(";BYDAY={}", days.iter().map(day).collect::<Vec<_>>().join(","))
    });
    let dates = (
        rarely(list("BYMONTH", 1..=12)),
        rarely(list("BYMONTHDAY", -31..=31)),
        rarely(list("BYYEARDAY", -366..=366)),
        rarely(list("BYWEEKNO", -53..=53)),
        rarely(by_day),
    );
    let times = (rarely(list("BYHOUR", 1..=23)), rarely(list("BYMINUTE", 1..=59)), rarely(list("BYSECOND", 1..=60)));
    let position = rarely(list("BYSETPOS", -366..=366));
    (freq, interval, end, dates, times, position).prop_map(|(freq, interval, end, d, t, position)| {
        format!(
            "FREQ={freq};INTERVAL={interval}{end}{}{}{}{}{}{}{}{}{position}",
            d.0, d.1, d.2, d.3, d.4, t.0, t.1, t.2
        )
    })
}

fn any_wall() -> impl Strategy<Value = DateTime> {
    let year = prop_oneof![5 => 1990_i16..2040, 1 => 1_i16..9999];
    (year, 1_i8..13, 1_i8..29, 0_i8..24, 0_i8..60).prop_map(|(y, m, d, h, min)| datetime(y, m, d, h, min, 0, 0))
}

/// The value of a DTSTART, RECURRENCE-ID … with its parameters.
fn value(wall: DateTime, form: u8) -> String {
    let text = wall.strftime("%Y%m%dT%H%M%S");
    match form % 6 {
        0 => format!(";VALUE=DATE:{}", wall.strftime("%Y%m%d")),
        1 => format!(":{text}"),
        2 => format!(":{text}Z"),
        3 => format!(";TZID=Europe/Berlin:{text}"),
        4 => format!(";TZID=Own/Zone:{text}"),
        _ => format!(";TZID=Nobody/Knows:{text}"),
    }
}

const OWN_ZONE: &str = "BEGIN:VTIMEZONE\r\nTZID:Own/Zone\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+1100\r\n\
                        TZOFFSETTO:-0930\r\nRRULE:FREQ=YEARLY;BYMONTH=4\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:19701001T000000\r\n\
                        TZOFFSETFROM:-0930\r\nTZOFFSETTO:+1100\r\nRRULE:FREQ=YEARLY;BYMONTH=10\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n";

/// An object of a master and some overrides near its start, as lines.
fn any_object() -> impl Strategy<Value = CalendarObject> {
    let near = (0_i64..40 * 24, any::<u8>(), -50_i64..50, any::<bool>());
    let end = proptest::sample::select(vec!["", "DURATION:PT1H", "DURATION:P3D", "DURATION:P1DT1H", "DURATION:PT0S"]);
    let master = (any_wall(), any::<u8>(), proptest::option::of(any_rule()), end.clone(), any::<bool>());
    (master, proptest::collection::vec(near, 0..5), end).prop_map(
        |((start, form, rule, end, has_master), near, other_end)| {
            let plus = |hours: i64| start.saturating_add(jiff::SignedDuration::from_hours(hours));
            let component = |lines: String| {
                let lines: String = lines.lines().filter(|l| !l.is_empty()).map(|l| format!("{l}\r\n")).collect();
                format!(
                    "BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n{lines}BEGIN:VALARM\r\nACTION:DISPLAY\r\n\
                     TRIGGER:-P1DT1H\r\nREPEAT:2\r\nDURATION:PT5M\r\nEND:VALARM\r\nEND:VEVENT\r\n"
                )
            };
            let mut lines = format!("DTSTART{}\n{end}\n", value(start, form));
            lines += &rule.map_or(String::new(), |rule| format!("RRULE:{rule}\n"));
            let mut text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{OWN_ZONE}");
            let mut overrides = String::new();
            for (number, (hours, other_form, shift, future)) in near.into_iter().enumerate() {
                match number {
                    0 => lines += &format!("RDATE{}\n", value(plus(hours), other_form)),
                    1 => lines += &format!("EXDATE{}\n", value(plus(hours), other_form)),
                    _ => {
                        let range = if future { ";RANGE=THISANDFUTURE" } else { "" };
                        // A different minute each, for no instance may be overridden twice.
                        let original = plus(hours).saturating_add(jiff::SignedDuration::from_mins(number as i64));
                        overrides += &component(format!(
                            "RECURRENCE-ID{range}{}\nDTSTART{}\n{other_end}",
                            value(original, 1 + other_form % 5),
                            value(plus(hours + shift), other_form / 7)
                        ));
                    }
                }
            }
            if has_master || overrides.is_empty() {
                text += &component(lines);
            }
            text += &overrides;
            text += "END:VCALENDAR\r\n";
            CalendarObject::parse(text.clone().into()).unwrap_or_else(|error| panic!("{error}\n{text}"))
        },
    )
}

fn any_window() -> impl Strategy<Value = Window> {
    let ends = (any_wall(), 1_i64..500 * 24);
    prop_oneof![
        30 => ends.prop_map(|(from, hours)| {
            let from: Instant = Zone::Utc.instant(from).into();
            Window { from, to: from.plus_ms(hours * 3_600_000) }
        }),
        1 => Just(Window::ALL),
        1 => any_wall().prop_map(|from| Window { from: Zone::Utc.instant(from).into(), to: Instant::FAR_FUTURE }),
    ]
}

proptest! {
    #[test]
    fn any_rule_ends_in_order_and_inside_its_window(rule in any_rule(), start in any_wall(), from in any_wall(), to in any_wall()) {
        let parsed = Rule::parse(&rule);
        prop_assert!(parsed.is_ok(), "{}: {:?}", rule, parsed);
        let mut budget = Budget::of(20_000);
        let mut last = None;
        let mut given = 0;
        for step in parsed.expect("read").walk(start, from..to, &mut budget) {
            let Ok(wall) = step else { break };
            prop_assert!(wall >= start && (from..to).contains(&wall), "{} {}", rule, wall);
            prop_assert!(last < Some(wall), "{} {:?} {}", rule, last, wall);
            last = Some(wall);
            given += 1;
        }
        prop_assert!(given <= 20_001, "{}", given);
    }

    #[test]
    fn any_object_is_expanded_in_order_inside_the_window_and_the_span(
        object in any_object(),
        window in any_window(),
        reader in proptest::sample::select(vec!["UTC", "Pacific/Kiritimati", "America/Los_Angeles"]),
    ) {
        let reader = zone(reader);
        let expansion = expand(&object, window, &reader);
        prop_assert!(expansion.instances.len() <= INSTANCES_MAX);
        prop_assert!(expansion.instances.is_sorted_by_key(|instance| instance.starts.at));
        let span = object.index().span;
        for instance in &expansion.instances {
            prop_assert!(instance.starts.at < window.to && instance.ends.at >= window.from, "{}", shown(instance));
            prop_assert!(instance.starts.at <= instance.ends.at);
            let span = span.expect("what has instances has a span");
            prop_assert!(span.starts <= instance.starts.at, "{} starts before {:?}", shown(instance), span);
            prop_assert!(span.ends.is_none_or(|ends| instance.ends.at <= ends), "{} ends after {:?}", shown(instance), span);
        }
        let found = overlapping(&object, window, &reader);
        for instance in &expansion.instances {
            prop_assert!(found.truncated || found.components.contains(&instance.index), "{}", shown(instance));
        }
        if !expansion.truncated {
            prop_assert!(found.components.iter().all(|index| expansion.instances.iter().any(|i| i.index == *index)));
        }
        prop_assert!(limited(&object, window, &reader).is_superset(&found.components));
        let _ = (ringing(&object, window, &reader), busy(&object, window, &reader));
    }

    #[test]
    fn two_windows_side_by_side_show_what_one_over_both_shows(
        object in any_object(),
        from in any_wall(),
        first in 1_i64..400,
        second in 1_i64..400,
    ) {
        let from: Instant = Zone::Utc.instant(from).into();
        let middle = from.plus_ms(first * 3_600_000);
        let to = middle.plus_ms(second * 3_600_000);
        let shown_in = |from, to| {
            let expansion = expand(&object, Window { from, to }, &zone("Europe/London"));
            let lines: std::collections::BTreeSet<String> = expansion.instances.iter().map(shown).collect();
            (lines, expansion.truncated)
        };
        let (mut left, cut_left) = shown_in(from, middle);
        let (right, cut_right) = shown_in(middle, to);
        let (whole, cut) = shown_in(from, to);
        left.extend(right);
        if !(cut || cut_left || cut_right) {
            prop_assert_eq!(left, whole);
        }
    }
}

/// What an attacker would send, each within a time no other work notices. The limit is generous: builds without
/// optimisation run it too.
#[test]
fn hostile_objects_cost_little() {
    let seconds = "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,\
                   40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59";
    let all = format!("BYMINUTE={seconds};BYSECOND={seconds}");
    let many_rules = "RRULE:FREQ=SECONDLY\n".repeat(2_000);
    let dates: Vec<String> =
        (0..6_000).map(|n| format!("2026{:02}{:02}T{:02}0000Z", n / 28 % 12 + 1, n % 28 + 1, n % 24)).collect();
    for lines in [
        "RRULE:FREQ=SECONDLY".to_owned(),
        format!(
            "RRULE:FREQ=YEARLY;{all};BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=1,-1"
        ),
        format!("RRULE:FREQ=YEARLY;{all};COUNT=4000000000"),
        "RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;COUNT=5".to_owned(),
        "RRULE:FREQ=MINUTELY;INTERVAL=1441;BYHOUR=25;COUNT=5".replace("25", "3"),
        "RRULE:FREQ=DAILY;INTERVAL=4294967295;COUNT=4294967295".to_owned(),
        many_rules,
        format!("RDATE:{0}\nEXDATE:{0}\nRDATE:{0}\nRRULE:FREQ=DAILY", dates.join(",")),
    ] {
        let object = crate::support::events(&[&format!("DTSTART:00010101T000000Z\n{lines}")]);
        for in_window in ["- -", "2026-01-01 2027-01-01", "2026-01-01 -"] {
            #[expect(clippy::disallowed_methods, reason = "the time that hostile input costs is what is measured")]
            let watch = Stopwatch::now();
            let expansion = expand(&object, window(in_window), &zone("America/New_York"));
            let _ = overlapping(&object, window(in_window), &zone("America/New_York"));
            let taken = watch.elapsed();
            let start = lines.chars().take(60).collect::<String>();
            assert!(taken.as_secs() < 5, "{start} {in_window}: {taken:?}");
            assert!(expansion.instances.len() <= INSTANCES_MAX);
        }
    }
}
