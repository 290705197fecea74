//! A recurrence rule from any start in any window: in order, inside the window, within the budget.
#![no_main]

use jiff::ToSpan;
use jiff::civil::{DateTime, date};
use kalends::ics::rule::{Budget, Rule};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const STEPS: u32 = 20_000;

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    start_day: u16,
    start_second: u32,
    window_day: i32,
    window_days: u16,
    rule: &'a str,
}

fn day(days: i64) -> DateTime {
    date(1970, 1, 1).at(0, 0, 0, 0).saturating_add(days.days())
}

fuzz_target!(|case: Case<'_>| {
    let Ok(rule) = Rule::parse(case.rule) else { return };
    let written = rule.to_string();
    let again = Rule::parse(&written).expect("a written rule can be read");
    assert_eq!(again, rule, "{written}");

    let start = day(case.start_day.into()).saturating_add(i64::from(case.start_second % 86_400).seconds());
    let from = day(i64::from(case.window_day % 1_000_000));
    let to = from.saturating_add(i64::from(case.window_days % 800).days());
    let mut budget = Budget::of(STEPS);
    let mut last = None;
    let mut count = 0_u32;
    for occurrence in rule.walk(start, from..to, &mut budget) {
        let Ok(occurrence) = occurrence else { break };
        assert!(occurrence >= start && (from..to).contains(&occurrence), "{occurrence} is outside");
        assert!(last.is_none_or(|last| last < occurrence), "{occurrence} is out of order");
        last = Some(occurrence);
        count += 1;
        assert!(count <= STEPS + 1);
    }
    let _ = rule.gives_start(start);
    let _ = rule.last_counted(start, &mut Budget::of(STEPS));
    let _ = (rule.clone().for_dates(), rule.is_endless(), rule.for_floating());
});
