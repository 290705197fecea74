//! A VTIMEZONE, evaluated: its observances become a sorted list of transitions.

use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::Offset;

use super::super::rule::{Budget, Rule, Until};
use super::super::tree::Component;
use super::super::value::{When, utc_offset};

/// Observances one VTIMEZONE may have. A full history of a restless zone has some 200.
const OBSERVANCES_MAX: usize = 1_000;
/// Steps its rules may take together: two endless yearly rules over the evaluated years need about 800.
const STEPS_MAX: u32 = 20_000;
/// The years whose transitions are laid out at once; a time outside is evaluated when it is asked for.
const LAID_OUT: (i16, i16) = (1900, 2100);
/// Years evaluated before the one that is asked for, so that the last change before it is among them.
const LOOK_BACK_YEARS: i16 = 3;

/// One VTIMEZONE by its own rules. It belongs to the object it came in.
#[derive(Debug)]
pub struct Definition {
    observances: Vec<Observance>,
    transitions: Vec<Transition>,
    /// Offset before the first transition.
    before: i32,
    complete: bool,
}

/// A STANDARD or DAYLIGHT component.
#[derive(Debug)]
struct Observance {
    start: DateTime,
    /// Seconds east of UTC before and after its onsets.
    from: i32,
    to: i32,
    rules: Vec<Rule>,
    dates: Vec<DateTime>,
}

/// From this second of UTC on, this offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Transition {
    at: i64,
    offset: i32,
}

impl Definition {
    /// Evaluates a VTIMEZONE component. `None` if none of its observances can be read.
    #[must_use]
    pub fn of(component: &Component) -> Option<Definition> {
        let observances: Vec<Observance> = component
            .components()
            .filter(|c| c.is("STANDARD") || c.is("DAYLIGHT"))
            .take(OBSERVANCES_MAX)
            .filter_map(Observance::of)
            .collect();
        let mut budget = Budget::of(STEPS_MAX);
        let (transitions, complete) = transitions(&observances, LAID_OUT.0, LAID_OUT.1, &mut budget);
        let before = observances.iter().min_by_key(|o| o.start)?.from;
        Some(Definition { observances, transitions, before, complete })
    }

    /// Whether every rule could be evaluated; a VTIMEZONE made to exhaust us cannot.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The seconds at which its offset changes, of those laid out.
    #[cfg(test)]
    pub(super) fn changes(&self) -> impl Iterator<Item = i64> {
        self.transitions.iter().map(|transition| transition.at)
    }

    /// The offset from UTC in force at an instant.
    #[must_use]
    pub fn offset(&self, at: Timestamp) -> Offset {
        let second = at.as_second();
        let found = match self.beyond(Offset::UTC.to_datetime(at)) {
            Some(own) => offset_at(&own, second),
            None => offset_at(&self.transitions, second),
        };
        Offset::from_seconds(found.unwrap_or(self.before)).unwrap_or(Offset::UTC)
    }

    /// The instant of a local time; see [`super::Zone::instant`]. `None` outside of what a timestamp can hold.
    #[must_use]
    pub fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let wall = Offset::UTC.to_timestamp(local).ok()?.as_second();
        let offset = match self.beyond(local) {
            Some(own) => self.offset_of_wall(&own, wall),
            None => self.offset_of_wall(&self.transitions, wall),
        };
        Timestamp::from_second(wall - i64::from(offset)).ok()
    }

    /// The transitions around a time later than those laid out.
    fn beyond(&self, time: DateTime) -> Option<Vec<Transition>> {
        if time.year() < LAID_OUT.1 - 1 {
            return None;
        }
        let mut budget = Budget::of(STEPS_MAX);
        let to = time.year().saturating_add(2);
        Some(transitions(&self.observances, time.year() - LOOK_BACK_YEARS, to, &mut budget).0)
    }

    fn offset_of_wall(&self, transitions: &[Transition], wall: i64) -> i32 {
        let before = |index: usize| {
            index.checked_sub(1).and_then(|i| transitions.get(i)).map_or(self.before, |transition| transition.offset)
        };
        // A clock that still showed the old time would have reached this one at the change: passed it.
        let passed = partition(transitions.len(), |i| {
            transitions.get(i).is_some_and(|transition| wall - i64::from(before(i)) >= transition.at)
        });
        let Some(last) = passed.checked_sub(1).and_then(|i| transitions.get(i)) else { return self.before };
        let skipped = wall - i64::from(last.offset) < last.at;
        if skipped { before(passed - 1) } else { last.offset }
    }
}

impl Observance {
    fn of(component: &Component) -> Option<Observance> {
        let offset = |name| component.property(name).and_then(|p| utc_offset(p.value()).ok());
        let to = offset("TZOFFSETTO")?;
        let start = When::of(component.property("DTSTART")?).ok()?.local();
        let rules = component.properties_named("RRULE").filter_map(|p| Rule::parse(p.value()).ok()).collect();
        let from = offset("TZOFFSETFROM").unwrap_or(to);
        let dates = component.properties_named("RDATE").filter_map(|p| When::list_of(p).ok()).flatten();
        let dates = dates.map(|when| match when {
            // An RDATE in UTC is meant as the instant; onsets are counted on the wall before the change.
            When::Utc(utc) => utc.checked_add(jiff::SignedDuration::from_secs(i64::from(from))).unwrap_or(utc),
            When::Date(_) | When::Floating(_) | When::Zoned { .. } => when.local(),
        });
        Some(Observance { start, from, to, rules, dates: dates.collect() })
    }

    /// Its onsets on the wall, those of its rules only inside the years. False when the budget was not enough.
    fn onsets(&self, from_year: i16, to_year: i16, budget: &mut Budget, onsets: &mut Vec<Transition>) -> bool {
        let window = date(from_year.clamp(1, 9999), 1, 1).into()..date(to_year.clamp(1, 9999), 12, 31).into();
        let mut complete = true;
        let mut push = |wall: DateTime| {
            if let Ok(as_utc) = Offset::UTC.to_timestamp(wall) {
                onsets.push(Transition { at: as_utc.as_second() - i64::from(self.from), offset: self.to });
            }
        };
        push(self.start);
        for wall in &self.dates {
            complete &= budget.spend().is_ok();
            if complete {
                push(*wall);
            }
        }
        for rule in &self.rules {
            // UNTIL is in UTC here by the RFC, which makes it the wall before the change plus its offset.
            let until = match rule.until {
                Some(Until::Utc(utc)) => utc.checked_add(jiff::SignedDuration::from_secs(i64::from(self.from))).ok(),
                _ => None,
            };
            for step in rule.walk(self.start, window.clone(), budget) {
                match step {
                    Ok(wall) if until.is_none_or(|until| wall <= until) => push(wall),
                    Ok(_) => {}
                    Err(_) => complete = false,
                }
            }
        }
        complete
    }
}

fn transitions(observances: &[Observance], from: i16, to: i16, budget: &mut Budget) -> (Vec<Transition>, bool) {
    let mut found = Vec::new();
    let mut complete = true;
    for observance in observances {
        complete &= observance.onsets(from, to, budget, &mut found);
    }
    // Stable: of two changes at one instant (a rule repeats its DTSTART) the later one stays.
    found.sort_by_key(|transition| transition.at);
    found.reverse();
    found.dedup_by_key(|transition| transition.at);
    found.reverse();
    (found, complete)
}

fn offset_at(transitions: &[Transition], second: i64) -> Option<i32> {
    let passed = transitions.partition_point(|transition| transition.at <= second);
    passed.checked_sub(1).and_then(|i| transitions.get(i)).map(|transition| transition.offset)
}

/// How many of `len` things, in order, hold.
fn partition(len: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::Document;
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn definition(observances: &[&str]) -> Option<Definition> {
        let blocks: String = observances.iter().map(|lines| lines.replace(' ', "\r\n") + "\r\n").collect();
        let text = format!("BEGIN:VTIMEZONE\r\nTZID:X\r\n{blocks}END:VTIMEZONE\r\n");
        Definition::of(Document::parse(&Bytes::from(text)).ok()?.components().next()?)
    }

    fn check(definition: &Definition, local: &str, utc: &str) {
        let instant = definition.instant(local.parse().expect("a date and time")).expect("in range");
        assert_eq!(instant.to_string(), utc, "{local}");
        assert_eq!(definition.offset(instant).to_datetime(instant).date(), local.parse().expect("a date"), "{local}");
    }

    #[test]
    fn yearly_rules_hold_for_ever_and_before_the_first_change_its_old_offset_does() {
        let definition = definition(&[
            "BEGIN:STANDARD DTSTART:20001029T030000 RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10 TZOFFSETFROM:+0200 \
             TZOFFSETTO:+0100 END:STANDARD",
            "BEGIN:DAYLIGHT DTSTART:20000326T020000 RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3 TZOFFSETFROM:+0100 \
             TZOFFSETTO:+0200 END:DAYLIGHT",
        ])
        .expect("two observances");
        for (local, utc) in [
            ("1999-07-01T12:00:00", "1999-07-01T11:00:00Z"),
            ("2026-07-01T12:00:00", "2026-07-01T10:00:00Z"),
            ("2026-01-01T12:00:00", "2026-01-01T11:00:00Z"),
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
            ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
            ("2099-12-31T12:00:00", "2099-12-31T11:00:00Z"),
            ("2526-07-01T12:00:00", "2526-07-01T10:00:00Z"),
            ("2526-12-01T12:00:00", "2526-12-01T11:00:00Z"),
            ("9998-12-01T12:00:00", "9998-12-01T11:00:00Z"),
        ] {
            check(&definition, local, utc);
        }
        assert!(definition.is_complete());
    }

    #[test]
    fn dates_until_and_utc_dates_end_and_begin_observances() {
        let definition = definition(&[
            "BEGIN:DAYLIGHT DTSTART:20100401T020000 RRULE:FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=1;UNTIL=20120401T020000Z \
             TZOFFSETFROM:+0000 TZOFFSETTO:+0100 END:DAYLIGHT",
            "BEGIN:STANDARD DTSTART:20101001T020000 RDATE:20111001T020000,20121001T020000 RDATE:20130601T000000Z \
             TZOFFSETFROM:+0100 TZOFFSETTO:+0000 END:STANDARD",
            "BEGIN:STANDARD DTSTART:20130501T000000 TZOFFSETFROM:+0000 TZOFFSETTO:-003000 END:STANDARD",
        ])
        .expect("three observances");
        for (local, utc) in [
            ("2010-05-01T12:00:00", "2010-05-01T11:00:00Z"),
            ("2012-05-01T12:00:00", "2012-05-01T11:00:00Z"),
            ("2012-11-01T12:00:00", "2012-11-01T12:00:00Z"),
            ("2013-05-02T12:00:00", "2013-05-02T12:30:00Z"),
            ("2013-07-02T12:00:00", "2013-07-02T12:00:00Z"),
        ] {
            check(&definition, local, utc);
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_said() {
        let endless = "BEGIN:STANDARD DTSTART:20100401T020000 RRULE:FREQ=SECONDLY TZOFFSETFROM:+0000 TZOFFSETTO:+0100 \
                       END:STANDARD";
        assert!(!definition(&[endless]).expect("an observance").is_complete());
        assert!(definition(&["BEGIN:STANDARD DTSTART:20100401T020000 END:STANDARD"]).is_none());
    }

    proptest! {
        #[test]
        fn local_times_and_instants_agree_in_any_zone(
            changes in proptest::collection::vec((1970_i16..2105, 1_i8..13, -23_i32..24, -23_i32..24), 1..8),
            local in (1960_i16..2300, 1_i8..13, 1_i8..29, 0_i8..24),
        ) {
            let blocks: Vec<String> = changes.iter().map(|(year, month, from, to)| format!(
                "BEGIN:STANDARD DTSTART:{year}{month:02}01T020000 TZOFFSETFROM:{from:+03}00 TZOFFSETTO:{to:+03}00 END:STANDARD"
            )).collect();
            let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
            let zone = definition(&blocks).expect("observances");
            let local = jiff::civil::datetime(local.0, local.1, local.2, local.3, 0, 0, 0);
            let instant = zone.instant(local).expect("in range");
            // The wall clock shows the time again, unless it was skipped: then it shows a later one.
            prop_assert!(zone.offset(instant).to_datetime(instant) >= local);
        }
    }
}
