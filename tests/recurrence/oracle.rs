//! A thousand rules with the instances that an independent expander gives (tzdata 2025b): see the fixture's README.

use std::io::Read;

use flate2::read::GzDecoder;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use kalends::domain::recurrence::{Window, expand};
use kalends::domain::time::Instant;
use kalends::ics::rule::{Budget, Rule, Until};
use serde::Deserialize;

use crate::support::{events, zone};

/// One case. `expect` holds the first instances in seconds since the epoch (for floating and date starts: as if in UTC).
#[derive(Deserialize)]
struct Case {
    id: u32,
    kind: String,
    tz: Option<String>,
    dtstart: String,
    rule: String,
    /// Horizon: the oracle looked no further.
    hz: i64,
    expect: Vec<i64>,
}

/// As many instances as the oracle wrote down at most.
const LISTED_MAX: usize = 15;

fn cases() -> Vec<Case> {
    let packed = include_bytes!("../../fixtures/recur/oracle-cases.jsonl.gz");
    let mut text = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("a gzip file of text");
    text.lines().map(|line| serde_json::from_str(line).expect("a case")).collect()
}

impl Case {
    fn zone(&self) -> TimeZone {
        let name = self.tz.as_deref().unwrap_or("UTC");
        TimeZoneDatabase::bundled().get(name).expect("the cases use IANA names")
    }

    fn rule(&self) -> Rule {
        let rule = Rule::parse(&self.rule).unwrap_or_else(|error| panic!("case {}: {error}", self.id));
        match self.kind.as_str() {
            "date" => rule.for_dates(),
            "floating" => rule.for_floating(),
            _ => rule,
        }
    }

    /// Our instances, by the oracle's convention: DTSTART is one only if the rule gives it.
    fn found(&self) -> Vec<i64> {
        let zone = self.zone();
        let start: DateTime = self.dtstart.parse().expect("a date and time");
        let instant = |wall: DateTime| zone.to_timestamp(wall).expect("in range").as_second();
        let start_fits = self.expect.first() == Some(&instant(start));
        let mut rule = self.rule();
        if !start_fits {
            rule.count = rule.count.map(|count| count + 1);
        }
        let until = match rule.until {
            Some(Until::Utc(wall)) => TimeZone::UTC.to_timestamp(wall).expect("in range").as_second(),
            _ => i64::MAX,
        };
        let mut budget = Budget::default();
        let horizon = Timestamp::from_second(self.hz + 2 * 86_400).expect("in range");
        let end = TimeZone::UTC.to_datetime(horizon);
        let mut found: Vec<i64> = rule
            .walk(start, start..end, &mut budget)
            .map_while(Result::ok)
            .skip(usize::from(!start_fits))
            .map(instant)
            .filter(|at| *at <= until.min(self.hz))
            .take(LISTED_MAX + 1)
            .collect();
        found.sort_unstable();
        found.dedup();
        found.truncate(LISTED_MAX);
        found
    }
}

impl Case {
    /// The same through a whole calendar object: its DTSTART in the form of the case, its rule written anew.
    fn expanded(&self) -> Vec<i64> {
        let form = match (self.kind.as_str(), &self.tz) {
            ("date", _) => format!(";VALUE=DATE:{}", self.dtstart.get(..8).expect("a date")),
            ("utc", _) => format!(":{}Z", self.dtstart),
            ("zoned", Some(tz)) => format!(";TZID={tz}:{}", self.dtstart),
            _ => format!(":{}", self.dtstart),
        };
        let start: DateTime = self.dtstart.parse().expect("a date and time");
        let mut rule = Rule::parse(&self.rule).expect("read");
        let given = self.rule().gives_start(start);
        if !given {
            rule.count = rule.count.map(|count| count + 1);
        }
        let object = events(&[&format!("DTSTART{form}\nRRULE:{rule}")]);
        let window = Window { from: Instant::FAR_PAST, to: Instant::from_seconds(self.hz + 1) };
        let expansion = expand(&object, window, &zone("UTC"));
        let starts = expansion.instances.iter().map(|instance| instance.starts.at.seconds());
        starts.skip(usize::from(!given)).take(LISTED_MAX).collect()
    }
}

#[test]
fn a_thousand_objects_give_what_an_independent_expander_gives() {
    for case in cases() {
        assert_eq!(case.expanded(), case.expect, "{} {:?} {} {}", case.id, case.tz, case.dtstart, case.rule);
    }
}

#[test]
fn a_thousand_rules_give_what_an_independent_expander_gives() {
    let cases = cases();
    assert_eq!(cases.len(), 1000);
    let mut wrong = Vec::new();
    for case in &cases {
        let found = case.found();
        if found != case.expect {
            wrong.push(format!(
                "{} {:?} {} {}: {found:?} for {:?}",
                case.id, case.tz, case.dtstart, case.rule, case.expect
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
