//! Rules and patterns against each other, one by one and generated.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

fn at(text: &str) -> DateTime {
    text.parse().expect("a time")
}

fn read(rule: &str, start: &str) -> Result<Recurrence, Why> {
    let zone = Zone::iana("Europe/Berlin").expect("a zone");
    Recurrence::of_rule(&Rule::parse(rule).expect("a rule"), at(start), false, &zone)
}

/// The first dates of a rule.
fn dates(rule: &Rule, start: DateTime) -> Vec<DateTime> {
    let mut budget = Budget::default();
    rule.walk(start, start..DateTime::MAX, &mut budget).take(40).map_while(Result::ok).collect()
}

#[test]
fn what_has_a_pattern_becomes_it() {
    for (rule, start, said, back) in [
        ("FREQ=DAILY;INTERVAL=3", "2026-03-02T09:00", "daily", "FREQ=DAILY;INTERVAL=3"),
        ("FREQ=DAILY;BYDAY=MO,TU", "2026-03-02T09:00", "weekly", "FREQ=WEEKLY;BYDAY=MO,TU"),
        ("FREQ=WEEKLY", "2026-03-03T09:00", "weekly", "FREQ=WEEKLY;BYDAY=TU"),
        (
            "FREQ=WEEKLY;WKST=SU;INTERVAL=2;BYDAY=SU,TU",
            "2026-03-03T09:00",
            "weekly",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU",
        ),
        ("FREQ=MONTHLY", "2026-03-15T09:00", "absoluteMonthly", "FREQ=MONTHLY;BYMONTHDAY=15"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-03-31T09:00", "relativeMonthly", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("FREQ=MONTHLY;BYDAY=2TU", "2026-03-10T09:00", "relativeMonthly", "FREQ=MONTHLY;BYDAY=2TU"),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "2026-03-31T09:00",
            "relativeMonthly",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
            "2026-03-31T09:00",
            "absoluteMonthly",
            "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
        ),
        ("FREQ=YEARLY", "2026-01-31T09:00", "absoluteYearly", "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=31"),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "2026-11-26T09:00", "relativeYearly", "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH"),
        ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0", "2026-03-02T09:00", "daily", "FREQ=DAILY"),
        ("FREQ=DAILY;COUNT=4", "2026-03-02T09:00", "daily", "FREQ=DAILY;COUNT=4"),
        // 08:00 UTC is the instance itself; a second earlier the day before is the last.
        ("FREQ=DAILY;UNTIL=20260305T080000Z", "2026-03-02T09:00", "daily", "FREQ=DAILY;UNTIL=20260305T090000"),
        ("FREQ=DAILY;UNTIL=20260305T075959Z", "2026-03-02T09:00", "daily", "FREQ=DAILY;UNTIL=20260304T090000"),
        ("FREQ=DAILY;UNTIL=20260305", "2026-03-02T09:00", "daily", "FREQ=DAILY;UNTIL=20260305T090000"),
    ] {
        let found = read(rule, start).unwrap_or_else(|why| panic!("{rule}: {why}"));
        let json = found.to_json(at(start).date(), Some("Europe/Berlin"));
        assert_eq!(json["pattern"]["type"], said, "{rule}");
        assert_eq!(found.to_rule(at(start), false), Rule::parse(back).expect("a rule"), "{rule}");
        assert_eq!(Recurrence::of_json(&json), Ok(found), "{rule}");
    }
}

#[test]
fn what_has_none_is_refused() {
    for (rule, start) in [
        ("FREQ=HOURLY", "2026-03-02T09:00"),
        ("FREQ=DAILY;BYHOUR=9,15", "2026-03-02T09:00"),
        ("FREQ=DAILY;BYHOUR=10", "2026-03-02T09:00"),
        ("FREQ=YEARLY;BYWEEKNO=10", "2026-03-02T09:00"),
        ("FREQ=YEARLY;BYYEARDAY=61", "2026-03-02T09:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=2,15", "2026-03-02T09:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=-2", "2026-03-30T09:00"),
        ("FREQ=MONTHLY", "2026-03-31T09:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=29", "2026-03-29T09:00"),
        ("FREQ=YEARLY", "2028-02-29T09:00"),
        ("FREQ=MONTHLY;BYDAY=5MO", "2026-03-30T09:00"),
        ("FREQ=MONTHLY;BYDAY=-2MO", "2026-03-23T09:00"),
        ("FREQ=MONTHLY;BYDAY=1MO,3MO", "2026-03-02T09:00"),
        ("FREQ=MONTHLY;BYDAY=MO", "2026-03-02T09:00"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=5", "2026-03-30T09:00"),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "2026-03-13T09:00"),
        ("FREQ=YEARLY;BYMONTH=3,6", "2026-03-02T09:00"),
        ("FREQ=YEARLY;BYDAY=10MO", "2026-03-09T09:00"),
        ("FREQ=YEARLY;BYMONTHDAY=2", "2026-03-02T09:00"),
        ("FREQ=DAILY;BYMONTH=3", "2026-03-02T09:00"),
        ("FREQ=DAILY;INTERVAL=2;BYDAY=MO", "2026-03-02T09:00"),
        ("FREQ=WEEKLY;BYDAY=TU", "2026-03-02T09:00"),
        ("FREQ=DAILY;UNTIL=20260301T000000Z", "2026-03-02T09:00"),
    ] {
        assert!(read(rule, start).is_err(), "{rule}");
    }
}

#[test]
fn a_range_that_begins_before_its_pattern_starts_with_the_first_date() {
    let value = json!({ "pattern": { "type": "weekly", "interval": 1, "daysOfWeek": ["tuesday"], "firstDayOfWeek": "sunday",
        "month": 0, "dayOfMonth": 0, "index": "first" },
        "range": { "type": "noEnd", "startDate": "2026-03-02", "endDate": "0001-01-01", "numberOfOccurrences": 0 } });
    let found = Recurrence::of_json(&value).expect("a pattern");
    assert_eq!(found.first(at("2026-03-02T09:00"), false), at("2026-03-03T09:00"));
    assert_eq!(found.first(at("2026-03-03T09:00"), false), at("2026-03-03T09:00"));
}

#[test]
fn odd_patterns_are_refused() {
    for value in [
        json!(null),
        json!({ "pattern": {}, "range": {} }),
        json!({ "pattern": { "type": "weekly", "daysOfWeek": [] }, "range": { "type": "noEnd" } }),
        json!({ "pattern": { "type": "absoluteMonthly", "dayOfMonth": 0 }, "range": { "type": "noEnd" } }),
        json!({ "pattern": { "type": "hourly" }, "range": { "type": "noEnd" } }),
        json!({ "pattern": { "type": "daily" }, "range": { "type": "endDate", "endDate": "é" } }),
        json!({ "pattern": { "type": "daily" }, "range": { "type": "numbered", "numberOfOccurrences": 0 } }),
    ] {
        assert!(Recurrence::of_json(&value).is_err(), "{value}");
    }
}

fn days() -> impl Strategy<Value = Vec<Weekday>> {
    subsequence(WEEK.to_vec(), 1..=7)
}

fn index() -> impl Strategy<Value = i8> {
    select(vec![1, 2, 3, 4, -1])
}

prop_compose! {
    fn a_recurrence()(
        pattern in prop_oneof![
            Just(Pattern::Daily),
            (days(), select(WEEK.to_vec())).prop_map(|(days, first)| Pattern::Weekly { days, first }),
            (1_i8..=31).prop_map(|day| Pattern::AbsoluteMonthly { day }),
            (days(), index()).prop_map(|(days, index)| Pattern::RelativeMonthly { days, index }),
            (1_i8..=28, 1_i8..=12).prop_map(|(day, month)| Pattern::AbsoluteYearly { day, month }),
            (days(), index(), 1_i8..=12).prop_map(|(days, index, month)| Pattern::RelativeYearly { days, index, month }),
        ],
        interval in 1_u32..5,
        end in prop_oneof![Just(End::Never), (1_u32..9).prop_map(End::After)],
    ) -> Recurrence {
        Recurrence { pattern, interval, end }
    }
}

fn a_rule() -> impl Strategy<Value = String> {
    let freq = select(vec!["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]);
    let part = select(vec![
        "",
        "",
        ";BYDAY=MO",
        ";BYDAY=MO,WE,FR",
        ";BYDAY=2TU",
        ";BYDAY=-1FR",
        ";BYDAY=5MO",
        ";BYMONTHDAY=15",
        ";BYMONTHDAY=-1",
        ";BYMONTHDAY=31",
        ";BYMONTHDAY=1,15",
        ";BYMONTH=3",
        ";BYMONTH=2;BYMONTHDAY=29",
        ";BYMONTH=3;BYDAY=1MO",
        ";BYDAY=MO,TU,WE,TH,FR;BYSETPOS=2",
        ";BYMONTHDAY=28,29,30;BYSETPOS=-1",
    ]);
    let end = select(vec!["", "", ";COUNT=5", ";UNTIL=20270101T000000Z", ";UNTIL=20260401"]);
    (freq, 1_u32..4, part, end, select(vec!["", ";WKST=SU"]))
        .prop_map(|(freq, interval, part, end, week)| format!("FREQ={freq};INTERVAL={interval}{part}{end}{week}"))
}

proptest! {
    #[test]
    fn a_pattern_survives_being_a_rule_and_json(found in a_recurrence(), day in 1_i8..=31, is_day in any::<bool>()) {
        let start = found.first(Date::constant(2026, 3, day).at(if is_day { 0 } else { 9 }, 0, 0, 0), is_day);
        let json = found.to_json(start.date(), None);
        prop_assert_eq!(Recurrence::of_json(&json), Ok(found.clone()));
        let rule = found.to_rule(start, is_day);
        let back = Recurrence::of_rule(&rule, start, is_day, &Zone::Utc).map_err(|why| TestCaseError::fail(format!("{rule}: {why}")))?;
        prop_assert_eq!(back.to_rule(start, is_day), rule);
    }

    #[test]
    fn a_rule_with_a_pattern_gives_the_same_dates(rule in a_rule(), day in 1_i8..=31, hour in 0_i8..24) {
        let parsed = Rule::parse(&rule).expect("a rule");
        let start = Date::constant(2026, 3, day).at(hour, 30, 0, 0);
        if let Ok(found) = Recurrence::of_rule(&parsed, start, false, &Zone::Utc) {
            let back = found.to_rule(start, false);
            let as_walked = Rule { until: parsed.until.map(|until| match until { Until::Utc(wall) => Until::Local(wall), other => other }), ..parsed };
            prop_assert_eq!(dates(&back, start), dates(&as_walked, start), "{} {}", rule, back);
            prop_assert_eq!(found.first(start, false), start);
        }
    }
}
