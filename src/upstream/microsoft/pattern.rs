//! Recurrence: Graph's pattern and range, and the RRULE that gives the same dates. What has no counterpart is refused
//! with a sentence; nothing is approximated.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday};
use serde_json::{Map, Value, json};

use crate::ics::rule::{Budget, Frequency, Rule, Until, WeekdayNum};
use crate::ics::zone::Zone;

/// All seven, as `relativeMonthly` takes them for "the last day of the month".
const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];
const DAY_NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const INDEXES: [(&str, i8); 5] = [("first", 1), ("second", 2), ("third", 3), ("fourth", 4), ("last", -1)];

/// How often, without when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Daily,
    Weekly { days: Vec<Weekday>, first: Weekday },
    AbsoluteMonthly { day: i8 },
    RelativeMonthly { days: Vec<Weekday>, index: i8 },
    AbsoluteYearly { day: i8, month: i8 },
    RelativeYearly { days: Vec<Weekday>, index: i8, month: i8 },
}

/// When it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Never,
    /// The last day that may have an instance, on the wall clock of the series.
    On(Date),
    After(u32),
}

/// A recurrence that both sides can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recurrence {
    pub(super) pattern: Pattern,
    pub(super) interval: u32,
    pub(super) end: End,
}

/// Why a rule has no pattern.
type Why = &'static str;

const TOO_OFTEN: Why = "Outlook cannot repeat an appointment more often than daily";
const NO_PATTERN: Why = "Outlook has no pattern for the rule it repeats by";
const SHORT_MONTHS: Why =
    "Outlook moves the 29th, 30th and 31st to the end of shorter months, and the rule leaves them out";
const START_OUTSIDE: Why = "the appointment begins on a day that its rule does not give, which Outlook cannot say";
const BACKWARDS: Why = "the rule it repeats by ends before it begins";

impl Recurrence {
    /// Of a rule for a series that starts then on the wall clock of its zone.
    pub(super) fn of_rule(rule: &Rule, start: DateTime, is_day: bool, zone: &Zone) -> Result<Recurrence, Why> {
        let mut rule = if is_day { rule.clone().for_dates() } else { rule.clone() };
        if rule.freq < Frequency::Daily {
            return Err(TOO_OFTEN);
        }
        let own = [
            (&mut rule.by_hour, i16::from(start.hour())),
            (&mut rule.by_minute, i16::from(start.minute())),
            (&mut rule.by_second, i16::from(start.second())),
        ];
        for (list, own) in own {
            if list.len() > 1 {
                return Err(TOO_OFTEN);
            }
            if list.iter().any(|value| *value != own) {
                return Err(NO_PATTERN);
            }
            list.clear();
        }
        if !rule.by_week_no.is_empty() || !rule.by_year_day.is_empty() {
            return Err(NO_PATTERN);
        }
        let pattern = pattern_of(&rule, start.date())?;
        if !rule.gives_start(start) {
            return Err(START_OUTSIDE);
        }
        let end = match (rule.count, rule.until) {
            (Some(_), Some(_)) => return Err(NO_PATTERN),
            (Some(count), None) => End::After(count.max(1)),
            (None, None) => End::Never,
            (None, Some(until)) => {
                let wall = match until {
                    Until::Date(date) => date.at(23, 59, 59, 0),
                    Until::Local(wall) => wall,
                    Until::Utc(wall) => zone.local(Zone::Utc.instant(wall)),
                };
                // A day counts where its instance is not behind the end.
                let date = if is_day || wall.time() >= start.time() {
                    wall.date()
                } else {
                    wall.date().saturating_sub(1.day())
                };
                if date < start.date() {
                    return Err(BACKWARDS);
                }
                End::On(date)
            }
        };
        Ok(Recurrence { pattern, interval: rule.interval.max(1), end })
    }

    /// The rule that gives the same dates.
    pub(super) fn to_rule(&self, start: DateTime, is_day: bool) -> Rule {
        let mut rule = Rule::every(Frequency::Daily);
        rule.interval = self.interval;
        match &self.pattern {
            Pattern::Daily => {}
            Pattern::Weekly { days, first } => {
                rule.freq = Frequency::Weekly;
                rule.by_day = plain(days);
                // Where every week counts, it makes no difference when weeks begin.
                if self.interval > 1 {
                    rule.week_start = *first;
                }
            }
            Pattern::AbsoluteMonthly { day } => {
                rule.freq = Frequency::Monthly;
                month_day(&mut rule, *day, 28);
            }
            Pattern::RelativeMonthly { days, index } => {
                rule.freq = Frequency::Monthly;
                relative(&mut rule, days, *index);
            }
            Pattern::AbsoluteYearly { day, month } => {
                rule.freq = Frequency::Yearly;
                rule.by_month = vec![i16::from(*month)];
                month_day(&mut rule, *day, shortest(*month));
            }
            Pattern::RelativeYearly { days, index, month } => {
                rule.freq = Frequency::Yearly;
                rule.by_month = vec![i16::from(*month)];
                relative(&mut rule, days, *index);
            }
        }
        match self.end {
            End::Never => {}
            End::After(count) => rule.count = Some(count),
            End::On(date) if is_day => rule.until = Some(Until::Date(date)),
            End::On(date) => rule.until = Some(Until::Local(date.to_datetime(start.time()))),
        }
        rule
    }

    /// The first date on or after `start` that the pattern gives: Graph's range may begin before it.
    pub(super) fn first(&self, start: DateTime, is_day: bool) -> DateTime {
        let rule = Recurrence { end: End::Never, ..self.clone() }.to_rule(start, is_day);
        if rule.gives_start(start) {
            return start;
        }
        let mut budget = Budget::default();
        // The walk begins with its start, which counts here only if the rule gives it.
        let second = rule.walk(start, start..DateTime::MAX, &mut budget).nth(1);
        second.and_then(Result::ok).unwrap_or(start)
    }

    /// Of a `patternedRecurrence`.
    pub(super) fn of_json(value: &Value) -> Result<Recurrence, Why> {
        let (pattern, range) = (part(value, "pattern")?, part(value, "range")?);
        let number = |name: &str| pattern.get(name).and_then(Value::as_i64);
        let days = || -> Result<Vec<Weekday>, Why> {
            let named = pattern.get("daysOfWeek").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let mut days: Vec<Weekday> = named.iter().filter_map(Value::as_str).filter_map(day_of).collect();
            days.sort_by_key(|day| day.to_monday_zero_offset());
            days.dedup();
            if days.is_empty() { Err(UNREADABLE) } else { Ok(days) }
        };
        let index = || -> Result<i8, Why> {
            match pattern.get("index").and_then(Value::as_str) {
                None => Ok(1),
                Some(word) => {
                    let found = INDEXES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
                    found.map(|(_, index)| *index).ok_or(UNREADABLE)
                }
            }
        };
        let within = |name: &str, most: i64| -> Result<i8, Why> {
            let number = number(name).filter(|number| (1..=most).contains(number)).ok_or(UNREADABLE)?;
            i8::try_from(number).map_err(|_| UNREADABLE)
        };
        let kind = pattern.get("type").and_then(Value::as_str).unwrap_or_default();
        let found = match kind.to_ascii_lowercase().as_str() {
            "daily" => Pattern::Daily,
            "weekly" => {
                let first = pattern.get("firstDayOfWeek").and_then(Value::as_str).and_then(day_of);
                Pattern::Weekly { days: days()?, first: first.unwrap_or(Weekday::Sunday) }
            }
            "absolutemonthly" => Pattern::AbsoluteMonthly { day: within("dayOfMonth", 31)? },
            "relativemonthly" => Pattern::RelativeMonthly { days: days()?, index: index()? },
            "absoluteyearly" => Pattern::AbsoluteYearly { day: within("dayOfMonth", 31)?, month: within("month", 12)? },
            "relativeyearly" => Pattern::RelativeYearly { days: days()?, index: index()?, month: within("month", 12)? },
            _ => return Err(UNREADABLE),
        };
        let interval = number("interval").and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(1);
        let kind = range.get("type").and_then(Value::as_str).unwrap_or_default();
        let end = match kind.to_ascii_lowercase().as_str() {
            "noend" => End::Never,
            "enddate" => {
                let date = range.get("endDate").and_then(Value::as_str).and_then(|text| text.get(..10));
                End::On(date.and_then(|date| date.parse().ok()).ok_or(UNREADABLE)?)
            }
            "numbered" => {
                let count = range.get("numberOfOccurrences").and_then(Value::as_i64);
                End::After(count.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).ok_or(UNREADABLE)?)
            }
            _ => return Err(UNREADABLE),
        };
        Ok(Recurrence { pattern: found, interval, end })
    }

    /// As a `patternedRecurrence` with nothing in it that its type does not take.
    pub(super) fn to_json(&self, start: Date, zone: Option<&str>) -> Value {
        let mut pattern = Map::new();
        let mut set = |name: &str, value: Value| {
            pattern.insert(name.to_owned(), value);
        };
        set("interval", json!(self.interval));
        let kind = match &self.pattern {
            Pattern::Daily => "daily",
            Pattern::Weekly { days, first } => {
                set("daysOfWeek", names(days));
                set("firstDayOfWeek", json!(name_of(*first)));
                "weekly"
            }
            Pattern::AbsoluteMonthly { day } => {
                set("dayOfMonth", json!(day));
                "absoluteMonthly"
            }
            Pattern::RelativeMonthly { days, index } => {
                set("daysOfWeek", names(days));
                set("index", json!(index_name(*index)));
                "relativeMonthly"
            }
            Pattern::AbsoluteYearly { day, month } => {
                set("dayOfMonth", json!(day));
                set("month", json!(month));
                "absoluteYearly"
            }
            Pattern::RelativeYearly { days, index, month } => {
                set("daysOfWeek", names(days));
                set("index", json!(index_name(*index)));
                set("month", json!(month));
                "relativeYearly"
            }
        };
        set("type", json!(kind));
        let mut range = json!({ "startDate": start.to_string() });
        let (kind, more) = match self.end {
            End::Never => ("noEnd", None),
            End::On(date) => ("endDate", Some(("endDate", json!(date.to_string())))),
            End::After(count) => ("numbered", Some(("numberOfOccurrences", json!(count)))),
        };
        range["type"] = json!(kind);
        if let Some((name, value)) = more {
            range[name] = value;
        }
        if let Some(zone) = zone {
            range["recurrenceTimeZone"] = json!(zone);
        }
        json!({ "pattern": pattern, "range": range })
    }
}

const UNREADABLE: Why = "nobody can read the pattern it repeats by";

fn part<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>, Why> {
    value.get(name).and_then(Value::as_object).ok_or(UNREADABLE)
}

fn pattern_of(rule: &Rule, start: Date) -> Result<Pattern, Why> {
    let bare = rule.by_month.is_empty() && rule.by_month_day.is_empty() && rule.by_set_pos.is_empty();
    let unnumbered = || -> Result<Vec<Weekday>, Why> {
        let days: Vec<Weekday> = rule.by_day.iter().filter(|d| d.ordinal.is_none()).map(|d| d.weekday).collect();
        if days.len() == rule.by_day.len() { Ok(sorted(days)) } else { Err(NO_PATTERN) }
    };
    match rule.freq {
        Frequency::Daily if !bare => Err(NO_PATTERN),
        Frequency::Daily if rule.by_day.is_empty() => Ok(Pattern::Daily),
        Frequency::Daily if rule.interval <= 1 => Ok(Pattern::Weekly { days: unnumbered()?, first: Weekday::Monday }),
        Frequency::Weekly if bare => {
            let days = if rule.by_day.is_empty() { vec![start.weekday()] } else { unnumbered()? };
            let first = if rule.interval > 1 { rule.week_start } else { Weekday::Monday };
            Ok(Pattern::Weekly { days, first })
        }
        Frequency::Monthly if rule.by_month.is_empty() => {
            if let Some((days, index)) = relative_of(rule)? {
                return Ok(Pattern::RelativeMonthly { days, index });
            }
            match absolute_of(rule, start, 28)? {
                -1 => Ok(Pattern::RelativeMonthly { days: WEEK.to_vec(), index: -1 }),
                day => Ok(Pattern::AbsoluteMonthly { day }),
            }
        }
        Frequency::Yearly => {
            let month = match rule.by_month.as_slice() {
                [] if rule.by_day.is_empty() && rule.by_month_day.is_empty() => start.month(),
                [month] => i8::try_from(*month).map_err(|_| NO_PATTERN)?,
                _ => return Err(NO_PATTERN),
            };
            if let Some((days, index)) = relative_of(rule)? {
                return Ok(Pattern::RelativeYearly { days, index, month });
            }
            match absolute_of(rule, start, shortest(month))? {
                -1 => Ok(Pattern::RelativeYearly { days: WEEK.to_vec(), index: -1, month }),
                day => Ok(Pattern::AbsoluteYearly { day, month }),
            }
        }
        _ => Err(NO_PATTERN),
    }
}

/// The n-th of some weekdays, if the rule says that.
fn relative_of(rule: &Rule) -> Result<Option<(Vec<Weekday>, i8)>, Why> {
    if rule.by_day.is_empty() {
        return Ok(None);
    }
    if !rule.by_month_day.is_empty() {
        return Err(NO_PATTERN);
    }
    let said = |index: i8| INDEXES.iter().any(|(_, known)| *known == index);
    match (rule.by_day.as_slice(), rule.by_set_pos.as_slice()) {
        ([WeekdayNum { ordinal: Some(index), weekday }], []) if said(*index) => Ok(Some((vec![*weekday], *index))),
        (days, [position]) if days.iter().all(|day| day.ordinal.is_none()) => {
            let index = i8::try_from(*position).ok().filter(|index| said(*index)).ok_or(NO_PATTERN)?;
            Ok(Some((sorted(days.iter().map(|day| day.weekday).collect()), index)))
        }
        _ => Err(NO_PATTERN),
    }
}

/// The day of the month, −1 for the last. `always`: up to which day every such month goes.
fn absolute_of(rule: &Rule, start: Date, always: i8) -> Result<i8, Why> {
    match (rule.by_month_day.as_slice(), rule.by_set_pos.as_slice()) {
        ([], []) if start.day() <= always => Ok(start.day()),
        ([-1], []) => Ok(-1),
        ([day], []) if (1..=i16::from(always)).contains(day) => i8::try_from(*day).map_err(|_| NO_PATTERN),
        // "The 31st, or whatever is last": what Outlook means by a day that some months do not have.
        (days, [-1])
            if days.len() > 1 && days.iter().copied().eq(i16::from(always)..=days.last().copied().unwrap_or(0)) =>
        {
            days.last().and_then(|day| i8::try_from(*day).ok()).filter(|day| *day <= 31).ok_or(NO_PATTERN)
        }
        ([] | [1..=31], []) => Err(SHORT_MONTHS),
        _ => Err(NO_PATTERN),
    }
}

fn month_day(rule: &mut Rule, day: i8, always: i8) {
    if day <= always {
        rule.by_month_day = vec![i16::from(day)];
    } else {
        rule.by_month_day = (i16::from(always)..=i16::from(day)).collect();
        rule.by_set_pos = vec![-1];
    }
}

fn relative(rule: &mut Rule, days: &[Weekday], index: i8) {
    match days {
        _ if days.len() == 7 && index == -1 => rule.by_month_day = vec![-1],
        [day] => rule.by_day = vec![WeekdayNum { ordinal: Some(index), weekday: *day }],
        _ => {
            rule.by_day = plain(days);
            rule.by_set_pos = vec![i16::from(index)];
        }
    }
}

/// How long that month is in every year.
fn shortest(month: i8) -> i8 {
    match month {
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn plain(days: &[Weekday]) -> Vec<WeekdayNum> {
    days.iter().map(|weekday| WeekdayNum { ordinal: None, weekday: *weekday }).collect()
}

fn sorted(mut days: Vec<Weekday>) -> Vec<Weekday> {
    days.sort_by_key(|day| day.to_monday_zero_offset());
    days.dedup();
    days
}

fn name_of(day: Weekday) -> &'static str {
    let at = usize::try_from(day.to_monday_zero_offset()).unwrap_or(0);
    DAY_NAMES.get(at).copied().unwrap_or("monday")
}

fn names(days: &[Weekday]) -> Value {
    json!(days.iter().map(|day| name_of(*day)).collect::<Vec<_>>())
}

fn day_of(name: &str) -> Option<Weekday> {
    let at = DAY_NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
    WEEK.get(at).copied()
}

fn index_name(index: i8) -> &'static str {
    INDEXES.iter().find(|(_, known)| *known == index).map_or("first", |(name, _)| name)
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
