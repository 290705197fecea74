//! RRULE: the recurrence rule as RFC 5545 3.3.10 writes it, and the walk that turns it into wall-clock starts.
//!
//! Job: read a rule as leniently as calendars in the wild need, and enumerate its occurrences on the wall clock.
//! Neighbours: `ics::zone` walks the rules of a VTIMEZONE with it; `domain::recurrence` maps wall times to instants and
//! adds RDATE, EXDATE and overrides. It must never know time zones, components or the real clock: one engine then
//! serves IANA zones, custom zones, floating and all-day starts alike.
//!
//! | file | what it holds |
//! |---|---|
//! | `parse` | text to [`Rule`] and back |
//! | `day` | day numbers, months and weeks of the Gregorian calendar |
//! | `plan` | a rule joined with its start: which days and times of a period belong to it |
//! | `walk` | the ordered occurrences of a plan inside a window, within a budget |

mod day;
mod parse;
mod plan;
mod walk;

use jiff::civil::{Date, DateTime, Weekday};

pub use parse::RuleError;
pub use walk::{Budget, LastStart, Truncated, Walk};

/// How often a rule repeats. Ordered from the shortest period to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Frequency {
    /// Every INTERVAL seconds.
    Secondly,
    /// Every INTERVAL minutes.
    Minutely,
    /// Every INTERVAL hours.
    Hourly,
    /// Every INTERVAL days.
    Daily,
    /// Every INTERVAL weeks.
    Weekly,
    /// Every INTERVAL months.
    Monthly,
    /// Every INTERVAL years.
    Yearly,
}

/// A BYDAY entry: a weekday, or with an ordinal the n-th such weekday of the month or year (from its end if negative).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WeekdayNum {
    /// `None` means every such weekday.
    pub ordinal: Option<i8>,
    /// The day of the week.
    pub weekday: Weekday,
}

/// The value of UNTIL, in the form it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Until {
    /// The whole of this local day is still inside.
    Date(Date),
    /// The last wall-clock time that may occur.
    Local(DateTime),
    /// The last instant that may occur, as a UTC wall time.
    Utc(DateTime),
}

/// One recurrence rule. Lists are sorted and without duplicates when it comes from [`Rule::parse`].
///
/// The walk takes any field values: an INTERVAL of 0 counts as 1 and values outside a list's range match nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// FREQ.
    pub freq: Frequency,
    /// INTERVAL, 1 if absent.
    pub interval: u32,
    /// COUNT; DTSTART is the first that it counts.
    pub count: Option<u32>,
    /// UNTIL. When COUNT is given as well, whichever ends first ends the rule.
    pub until: Option<Until>,
    /// WKST, Monday if absent.
    pub week_start: Weekday,
    /// BYMONTH, 1 to 12.
    pub by_month: Vec<i16>,
    /// BYWEEKNO, 1 to 53 or negative.
    pub by_week_no: Vec<i16>,
    /// BYYEARDAY, 1 to 366 or negative.
    pub by_year_day: Vec<i16>,
    /// BYMONTHDAY, 1 to 31 or negative.
    pub by_month_day: Vec<i16>,
    /// BYDAY.
    pub by_day: Vec<WeekdayNum>,
    /// BYHOUR, 0 to 23.
    pub by_hour: Vec<i16>,
    /// BYMINUTE, 0 to 59.
    pub by_minute: Vec<i16>,
    /// BYSECOND, 0 to 59 (a leap second is read as 59).
    pub by_second: Vec<i16>,
    /// BYSETPOS, 1 to 366 or negative.
    pub by_set_pos: Vec<i16>,
}

impl Rule {
    /// A rule with nothing but its frequency: every period, without end.
    #[must_use]
    pub fn every(freq: Frequency) -> Rule {
        Rule {
            freq,
            interval: 1,
            count: None,
            until: None,
            week_start: Weekday::Monday,
            by_month: Vec::new(),
            by_week_no: Vec::new(),
            by_year_day: Vec::new(),
            by_month_day: Vec::new(),
            by_day: Vec::new(),
            by_hour: Vec::new(),
            by_minute: Vec::new(),
            by_second: Vec::new(),
            by_set_pos: Vec::new(),
        }
    }

    /// Whether neither COUNT nor UNTIL ends it.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        self.count.is_none() && self.until.is_none()
    }

    /// The same rule for a DATE start: a day has no hours, so BYHOUR, BYMINUTE and BYSECOND are ignored (RFC 5545
    /// 3.3.10), sub-daily frequencies reduce to the days they reach at midnight, and UNTIL is a day.
    #[must_use]
    pub fn for_dates(mut self) -> Rule {
        let midnight_only = self.freq < Frequency::Daily;
        for list in [&mut self.by_hour, &mut self.by_minute, &mut self.by_second] {
            list.clear();
            if midnight_only {
                list.push(0);
            }
        }
        self.until = self.until.map(|until| match until {
            Until::Date(date) => Until::Date(date),
            Until::Local(wall) | Until::Utc(wall) => Until::Date(wall.date()),
        });
        self
    }

    /// The same rule for a floating start: there is no zone to compare a UTC bound in, so its digits bound the wall clock.
    #[must_use]
    pub fn for_floating(mut self) -> Rule {
        if let Some(Until::Utc(wall)) = self.until {
            self.until = Some(Until::Local(wall));
        }
        self
    }
}
