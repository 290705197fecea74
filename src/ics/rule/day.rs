//! The Gregorian calendar as day numbers: day 0 is 1970-01-01.
//!
//! The walk steps over whole days, months and years millions of times; plain integers keep a step in nanoseconds.

use jiff::civil::{Date, DateTime, Time};

/// Seconds of a wall-clock day.
pub(super) const DAY_S: i64 = 86_400;
/// The last year a date-time can be written in (four digits).
pub(super) const YEAR_MAX: i64 = 9999;

/// One day with everything a BYxxx part may ask of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    /// Days since 1970-01-01.
    pub number: i64,
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
}

impl Day {
    pub fn of_number(number: i64) -> Day {
        // Counting years from 1 March puts the leap day last, so month lengths follow one formula.
        let shifted = number + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Day { number, year, month, day }
    }

    /// 0 is Monday.
    pub fn weekday(self) -> i64 {
        (self.number + 3).rem_euclid(7)
    }

    pub fn month_len(self) -> i64 {
        month_len(self.year, self.month)
    }

    /// 1 to 366.
    pub fn year_day(self) -> i64 {
        self.number - number_of(self.year, 1, 1) + 1
    }
}

/// The day number of a date; the day may lie outside its month and then counts on.
pub(super) fn number_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn year_len(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

pub(super) fn month_len(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The first day of the week that holds `number`, weeks starting on `week_start` (0 is Monday).
pub(super) fn week_floor(number: i64, week_start: i64) -> i64 {
    number - (number + 3 - week_start).rem_euclid(7)
}

/// The number of the day's week and how many weeks its week-year has: week 1 is the first with four days in the year.
pub(super) fn week_of(day: Day, week_start: i64) -> (i64, i64) {
    let first_week = |year: i64| week_floor(number_of(year, 1, 4), week_start);
    let mut year = day.year;
    if day.number < first_week(year) {
        year -= 1;
    } else if day.number >= first_week(year + 1) {
        year += 1;
    }
    let first = first_week(year);
    ((day.number - first) / 7 + 1, (first_week(year + 1) - first) / 7)
}

/// Wall-clock seconds since 1970-01-01T00:00:00 on the same wall.
pub(super) fn seconds_of(wall: DateTime) -> i64 {
    let days = number_of(i64::from(wall.year()), i64::from(wall.month()), i64::from(wall.day()));
    days * DAY_S + i64::from(wall.hour()) * 3600 + i64::from(wall.minute()) * 60 + i64::from(wall.second())
}

/// The wall time of such seconds; `None` outside the years a date-time can hold.
pub(super) fn wall_of(seconds: i64) -> Option<DateTime> {
    let day = Day::of_number(seconds.div_euclid(DAY_S));
    let second = seconds.rem_euclid(DAY_S);
    let date = Date::new(i16::try_from(day.year).ok()?, i8::try_from(day.month).ok()?, i8::try_from(day.day).ok()?);
    let small = |n: i64| i8::try_from(n).ok();
    let time = Time::new(small(second / 3600)?, small(second / 60 % 60)?, small(second % 60)?, 0);
    Some(DateTime::from_parts(date.ok()?, time.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use jiff::civil::date;

    #[test]
    fn day_numbers_agree_with_the_calendar_library() {
        let epoch = date(1970, 1, 1);
        for number in (-719_162..2_932_896).step_by(97) {
            let day = Day::of_number(number);
            let expected = epoch.checked_add(number.days()).expect("inside the library's range");
            let found = (day.year, day.month, day.day, day.weekday(), day.year_day(), day.month_len());
            let wanted = (
                i64::from(expected.year()),
                i64::from(expected.month()),
                i64::from(expected.day()),
                i64::from(expected.weekday().to_monday_zero_offset()),
                i64::from(expected.day_of_year()),
                i64::from(expected.days_in_month()),
            );
            assert_eq!(found, wanted, "day {number}");
            assert_eq!(number_of(day.year, day.month, day.day), number);
            let iso = expected.iso_week_date();
            assert_eq!(week_of(day, 0), (i64::from(iso.week()), i64::from(iso.weeks_in_year())), "{expected}");
            let wall = expected.at(23, 59, 58, 0);
            assert_eq!(wall_of(seconds_of(wall)), Some(wall));
        }
    }
}
