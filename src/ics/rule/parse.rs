//! The text of a rule: read leniently, written canonically.
//!
//! Lenient where calendars in the wild are loose and the meaning is plain: any case, blanks, empty parts, a leading `+`,
//! unknown parts (RFC 7529's among them), COUNT beside UNTIL, a leap second. Strict where a guess would move appointments.

use std::fmt;

use jiff::civil::Weekday;

use super::super::value::When;
use super::{Frequency, Rule, Until, WeekdayNum};

/// Why a rule cannot be read. The object keeps its bytes; its DTSTART still counts as an instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// There is no FREQ, so there is no rule.
    #[error("the rule has no FREQ")]
    NoFrequency,
    /// A part that must have a value the RFC allows has another.
    #[error("{part} cannot be {value:?}")]
    BadValue {
        /// The rule part.
        part: &'static str,
        /// What it holds, cut to a printable length.
        value: String,
    },
    /// RSCALE names another calendar than the Gregorian; counting its months in ours would be wrong.
    #[error("the calendar scale {0:?} is not supported")]
    Scale(String),
}

/// Longest piece of a bad value that an error repeats.
const QUOTED_CHARS_MAX: usize = 40;

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Monday),
    ("TU", Weekday::Tuesday),
    ("WE", Weekday::Wednesday),
    ("TH", Weekday::Thursday),
    ("FR", Weekday::Friday),
    ("SA", Weekday::Saturday),
    ("SU", Weekday::Sunday),
];

const FREQUENCIES: [(&str, Frequency); 7] = [
    ("SECONDLY", Frequency::Secondly),
    ("MINUTELY", Frequency::Minutely),
    ("HOURLY", Frequency::Hourly),
    ("DAILY", Frequency::Daily),
    ("WEEKLY", Frequency::Weekly),
    ("MONTHLY", Frequency::Monthly),
    ("YEARLY", Frequency::Yearly),
];

/// Whether a list also counts from the end with negative numbers.
#[derive(Clone, Copy)]
enum Signed {
    No,
    Yes,
}

impl Rule {
    /// Reads the value of an RRULE or EXRULE property.
    ///
    /// # Errors
    /// [`RuleError`] where no reading is safe: no FREQ, an INTERVAL or COUNT of 0, a number outside its range, an
    /// unreadable UNTIL, a calendar other than the Gregorian.
    pub fn parse(text: &str) -> Result<Rule, RuleError> {
        let mut freq = None;
        let mut rule = Rule::every(Frequency::Yearly);
        for part in text.split(';') {
            let Some((name, value)) = part.split_once('=') else { continue };
            let value = value.trim();
            match name.trim().to_ascii_uppercase().as_str() {
                "FREQ" => freq = Some(lookup("FREQ", value, &FREQUENCIES)?),
                "INTERVAL" => rule.interval = positive("INTERVAL", value)?,
                "COUNT" => rule.count = Some(positive("COUNT", value)?),
                "UNTIL" => rule.until = Some(until(value)?),
                "WKST" => rule.week_start = lookup("WKST", value, &WEEKDAYS)?,
                "BYMONTH" => rule.by_month = numbers("BYMONTH", value, 1, 12, Signed::No)?,
                "BYWEEKNO" => rule.by_week_no = numbers("BYWEEKNO", value, 1, 53, Signed::Yes)?,
                "BYYEARDAY" => rule.by_year_day = numbers("BYYEARDAY", value, 1, 366, Signed::Yes)?,
                "BYMONTHDAY" => rule.by_month_day = numbers("BYMONTHDAY", value, 1, 31, Signed::Yes)?,
                "BYDAY" => rule.by_day = weekdays(value)?,
                "BYHOUR" => rule.by_hour = numbers("BYHOUR", value, 0, 23, Signed::No)?,
                "BYMINUTE" => rule.by_minute = numbers("BYMINUTE", value, 0, 59, Signed::No)?,
                "BYSECOND" => rule.by_second = seconds(value)?,
                "BYSETPOS" => rule.by_set_pos = numbers("BYSETPOS", value, 1, 366, Signed::Yes)?,
                "RSCALE" if !value.eq_ignore_ascii_case("GREGORIAN") => return Err(RuleError::Scale(quoted(value))),
                _ => {}
            }
        }
        rule.freq = freq.ok_or(RuleError::NoFrequency)?;
        Ok(rule)
    }
}

/// The rule as RFC 5545 writes it, parts in the RFC's order and defaults left out.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FREQ={}", name_of(self.freq, &FREQUENCIES))?;
        match self.until {
            Some(Until::Date(date)) => write!(f, ";UNTIL={}", date.strftime("%Y%m%d"))?,
            Some(Until::Local(wall)) => write!(f, ";UNTIL={}", wall.strftime("%Y%m%dT%H%M%S"))?,
            Some(Until::Utc(wall)) => write!(f, ";UNTIL={}Z", wall.strftime("%Y%m%dT%H%M%S"))?,
            None => {}
        }
        if let Some(count) = self.count {
            write!(f, ";COUNT={count}")?;
        }
        if self.interval != 1 {
            write!(f, ";INTERVAL={}", self.interval)?;
        }
        for (name, list) in [
            ("BYSECOND", &self.by_second),
            ("BYMINUTE", &self.by_minute),
            ("BYHOUR", &self.by_hour),
            ("BYMONTHDAY", &self.by_month_day),
            ("BYYEARDAY", &self.by_year_day),
            ("BYWEEKNO", &self.by_week_no),
            ("BYMONTH", &self.by_month),
            ("BYSETPOS", &self.by_set_pos),
        ] {
            write_list(f, name, list.iter())?;
        }
        write_list(f, "BYDAY", self.by_day.iter())?;
        if self.week_start != Weekday::Monday {
            write!(f, ";WKST={}", name_of(self.week_start, &WEEKDAYS))?;
        }
        Ok(())
    }
}

impl fmt::Display for WeekdayNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ordinal) = self.ordinal {
            write!(f, "{ordinal}")?;
        }
        f.write_str(name_of(self.weekday, &WEEKDAYS))
    }
}

fn write_list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, list: impl Iterator<Item = T>) -> fmt::Result {
    for (index, item) in list.enumerate() {
        match index {
            0 => write!(f, ";{name}={item}")?,
            _ => write!(f, ",{item}")?,
        }
    }
    Ok(())
}

fn quoted(value: &str) -> String {
    value.chars().take(QUOTED_CHARS_MAX).collect()
}

fn bad(part: &'static str, value: &str) -> RuleError {
    RuleError::BadValue { part, value: quoted(value) }
}

fn lookup<T: Copy>(part: &'static str, value: &str, table: &[(&str, T)]) -> Result<T, RuleError> {
    table
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(value))
        .map(|(_, found)| *found)
        .ok_or_else(|| bad(part, value))
}

fn name_of<T: Copy + PartialEq>(wanted: T, table: &[(&'static str, T)]) -> &'static str {
    table.iter().find(|(_, item)| *item == wanted).map_or("", |(name, _)| name)
}

/// A number from 1 on. One too large for our type means "practically for ever" and is read as the largest.
fn positive(part: &'static str, value: &str) -> Result<u32, RuleError> {
    let digits = value.strip_prefix('+').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad(part, value));
    }
    match digits.parse().unwrap_or(u32::MAX) {
        0 => Err(bad(part, value)),
        number => Ok(number),
    }
}

fn numbers(part: &'static str, value: &str, min: i16, max: i16, signed: Signed) -> Result<Vec<i16>, RuleError> {
    let mut list = Vec::new();
    for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let number: i16 = item.parse().map_err(|_| bad(part, item))?;
        let size = match signed {
            Signed::Yes => number.saturating_abs(),
            Signed::No => number,
        };
        if size < min || size > max {
            return Err(bad(part, item));
        }
        list.push(number);
    }
    list.sort_unstable();
    list.dedup();
    Ok(list)
}

/// The 60th second is a leap second, which no wall clock here knows: the last ordinary one stands for it.
fn seconds(value: &str) -> Result<Vec<i16>, RuleError> {
    let mut list = numbers("BYSECOND", value, 0, 60, Signed::No)?;
    for second in &mut list {
        *second = (*second).min(59);
    }
    list.dedup();
    Ok(list)
}

fn weekdays(value: &str) -> Result<Vec<WeekdayNum>, RuleError> {
    let mut list: Vec<WeekdayNum> = Vec::new();
    for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let split = item.len().checked_sub(2).and_then(|at| item.split_at_checked(at));
        let Some((ordinal, day)) = split else { return Err(bad("BYDAY", item)) };
        let weekday = lookup("BYDAY", day, &WEEKDAYS).map_err(|_| bad("BYDAY", item))?;
        let ordinal = match ordinal.trim() {
            "" => None,
            text => match text.parse::<i8>() {
                Ok(number) if (1..=53).contains(&number.unsigned_abs()) => Some(number),
                _ => return Err(bad("BYDAY", item)),
            },
        };
        list.push(WeekdayNum { ordinal, weekday });
    }
    list.sort_unstable_by_key(|day| (day.ordinal, day.weekday.to_monday_zero_offset()));
    list.dedup();
    Ok(list)
}

fn until(value: &str) -> Result<Until, RuleError> {
    match When::parse(value, None) {
        Ok(When::Date(date)) => Ok(Until::Date(date)),
        Ok(When::Floating(wall)) => Ok(Until::Local(wall)),
        Ok(When::Utc(wall)) => Ok(Until::Utc(wall)),
        Ok(When::Zoned { .. }) | Err(_) => Err(bad("UNTIL", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        Rule::parse(text).map_or_else(|error| format!("error: {error}"), |rule| rule.to_string())
    }

    #[test]
    fn a_rule_reads_as_loosely_as_it_is_written() {
        for (text, expected) in [
            ("FREQ=DAILY", "FREQ=DAILY"),
            ("freq=weekly;byday=mo,+2tu,-1Fr;", "FREQ=WEEKLY;BYDAY=MO,-1FR,2TU"),
            ("FREQ=DAILY;INTERVAL=+2;COUNT=10;UNTIL=20260110", "FREQ=DAILY;UNTIL=20260110;COUNT=10;INTERVAL=2"),
            ("FREQ=DAILY;UNTIL=20260110T090000", "FREQ=DAILY;UNTIL=20260110T090000"),
            ("FREQ=DAILY;UNTIL=20260110T090060Z", "FREQ=DAILY;UNTIL=20260110T090059Z"),
            ("RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD;X-A=1;JUNK", "FREQ=MONTHLY"),
            ("FREQ=MINUTELY;BYSECOND=60,59,0", "FREQ=MINUTELY;BYSECOND=0,59"),
            ("FREQ=YEARLY;BYMONTH=,3, 1 ,3;WKST=SU", "FREQ=YEARLY;BYMONTH=1,3;WKST=SU"),
            ("FREQ=SECONDLY;INTERVAL=99999999999", "FREQ=SECONDLY;INTERVAL=4294967295"),
            ("FREQ=MONTHLY;BYDAY=-5MO", "FREQ=MONTHLY;BYDAY=-5MO"),
            ("FREQ=YEARLY;BYDAY=-53FR;BYWEEKNO=-1", "FREQ=YEARLY;BYWEEKNO=-1;BYDAY=-53FR"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn what_would_be_a_guess_is_refused() {
        for (text, expected) in [
            ("", "error: the rule has no FREQ"),
            ("INTERVAL=2", "error: the rule has no FREQ"),
            ("FREQ=FORTNIGHTLY", "error: FREQ cannot be \"FORTNIGHTLY\""),
            ("FREQ=DAILY;INTERVAL=0", "error: INTERVAL cannot be \"0\""),
            ("FREQ=DAILY;COUNT=0", "error: COUNT cannot be \"0\""),
            ("FREQ=DAILY;COUNT=-1", "error: COUNT cannot be \"-1\""),
            ("FREQ=MONTHLY;BYDAY=0MO", "error: BYDAY cannot be \"0MO\""),
            ("FREQ=MONTHLY;BYDAY=é", "error: BYDAY cannot be \"é\""),
            ("FREQ=MONTHLY;BYDAY=aéO", "error: BYDAY cannot be \"aéO\""),
            ("FREQ=MONTHLY;BYMONTHDAY=0", "error: BYMONTHDAY cannot be \"0\""),
            ("FREQ=MONTHLY;BYMONTHDAY=32", "error: BYMONTHDAY cannot be \"32\""),
            ("FREQ=YEARLY;BYMONTH=-1", "error: BYMONTH cannot be \"-1\""),
            ("FREQ=DAILY;UNTIL=20260230", "error: UNTIL cannot be \"20260230\""),
            ("FREQ=DAILY;UNTIL=2026", "error: UNTIL cannot be \"2026\""),
            ("RSCALE=HEBREW;FREQ=YEARLY", "error: the calendar scale \"HEBREW\" is not supported"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_was_read_reads_back(text in "(FREQ=[A-Z]{5,8};)?[A-Z=;,0-9+ é-]{0,60}") {
            if let Ok(rule) = Rule::parse(&text) {
                prop_assert_eq!(Rule::parse(&rule.to_string()), Ok(rule));
            }
        }
    }
}
