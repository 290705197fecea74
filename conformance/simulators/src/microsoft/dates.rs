//! Which days a recurrence has. A day of the month that a month lacks is its last one.

use jiff::{ToSpan, civil::Date};

use super::pattern::{End, Kind, Recurrence};

/// An endless series is followed so far: more than 100 years of days. Beyond it there is nothing.
const STEPS_MAX: i64 = 40_000;

impl Recurrence {
    /// Its days up to and including `last`, at most `max`, in order.
    pub(crate) fn dates(&self, last: Option<Date>, max: usize) -> Vec<Date> {
        let (until, max) = match self.end {
            End::Never => (last, max),
            End::On(end) => (Some(last.map_or(end, |last| last.min(end))), max),
            End::After(count) => (last, max.min(count)),
        };
        let mut found = Vec::new();
        for step in 0..STEPS_MAX {
            let Some(days) = self.step(step) else { break };
            for day in days {
                if day < self.start {
                    continue;
                }
                if until.is_some_and(|until| day > until) || found.len() >= max {
                    return found;
                }
                found.push(day);
            }
        }
        found
    }

    /// Whether it has this day.
    pub(crate) fn has(&self, date: Date) -> bool {
        date >= self.start && self.dates(Some(date), usize::MAX).last() == Some(&date)
    }

    /// The day before and the day after one of its days.
    pub(crate) fn neighbours(&self, date: Date) -> (Option<Date>, Option<Date>) {
        let until = self.dates(Some(date), usize::MAX);
        let before = until.iter().rev().find(|day| **day < date).copied();
        let next = self.dates(None, until.len().saturating_add(1)).last().copied().filter(|day| *day > date);
        (before, next)
    }

    /// The days of its n-th day, week, month or year; `None` beyond the calendar.
    fn step(&self, n: i64) -> Option<Vec<Date>> {
        let by = n.checked_mul(self.interval)?;
        match self.kind {
            Kind::Daily => Some(vec![self.start.checked_add(by.days()).ok()?]),
            Kind::Weekly => {
                let back = self.start.weekday().since(self.first_day);
                let week = self.start.checked_sub(i64::from(back).days()).ok()?.checked_add(by.weeks()).ok()?;
                let mut days: Vec<i8> = self.days.iter().map(|day| day.since(self.first_day)).collect();
                days.sort_unstable();
                days.into_iter().map(|day| week.checked_add(i64::from(day).days()).ok()).collect()
            }
            Kind::AbsoluteMonthly | Kind::RelativeMonthly => {
                self.in_month(self.start.first_of_month().checked_add(by.months()).ok()?)
            }
            Kind::AbsoluteYearly | Kind::RelativeYearly => {
                let year = self.start.first_of_year().checked_add(by.years()).ok()?;
                self.in_month(Date::new(year.year(), self.month, 1).ok()?)
            }
        }
    }

    fn in_month(&self, first: Date) -> Option<Vec<Date>> {
        if matches!(self.kind, Kind::AbsoluteMonthly | Kind::AbsoluteYearly) {
            let day = self.day_of_month.min(first.days_in_month());
            return Some(vec![Date::new(first.year(), first.month(), day).ok()?]);
        }
        let all = (1..=first.days_in_month()).filter_map(|day| Date::new(first.year(), first.month(), day).ok());
        let fitting: Vec<Date> = all.filter(|day| self.days.contains(&day.weekday())).collect();
        let one = if self.index == 4 { fitting.last() } else { fitting.get(self.index) };
        Some(one.copied().into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn days(pattern: Value, start: &str, range: Value, max: usize) -> Vec<String> {
        let mut range = range;
        range["startDate"] = json!(start);
        let value = json!({ "pattern": pattern, "range": range });
        let read = Recurrence::read(&value, start.parse().unwrap()).unwrap();
        read.dates(None, max).iter().map(|day| day.to_string()[5..].to_owned()).collect()
    }

    fn endless(pattern: Value, start: &str) -> Vec<String> {
        days(pattern, start, json!({ "type": "noEnd" }), 4)
    }

    #[test]
    fn weeks_begin_where_they_are_said_to() {
        let pattern = |first: &str| json!({ "type": "weekly", "interval": 2, "daysOfWeek": ["sunday", "tuesday"], "firstDayOfWeek": first });
        assert_eq!(endless(pattern("monday"), "2026-03-10"), ["03-10", "03-15", "03-24", "03-29"]);
        assert_eq!(endless(pattern("sunday"), "2026-03-10"), ["03-10", "03-22", "03-24", "04-05"]);
    }

    #[test]
    fn a_first_day_that_does_not_fit_is_none() {
        let pattern = json!({ "type": "weekly", "interval": 1, "daysOfWeek": ["friday"] });
        assert_eq!(endless(pattern, "2026-03-10"), ["03-13", "03-20", "03-27", "04-03"]);
    }

    #[test]
    fn short_months_have_their_last_day_instead() {
        let pattern = json!({ "type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31 });
        assert_eq!(endless(pattern, "2026-01-31"), ["01-31", "02-28", "03-31", "04-30"]);
        let pattern = json!({ "type": "absoluteYearly", "interval": 1, "dayOfMonth": 29, "month": 2 });
        assert_eq!(endless(pattern, "2024-02-29"), ["02-29", "02-28", "02-28", "02-28"]);
    }

    #[test]
    fn the_last_weekday_and_the_second_monday() {
        let pattern = json!({ "type": "relativeMonthly", "interval": 1, "index": "last", "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"] });
        assert_eq!(endless(pattern, "2026-01-30"), ["01-30", "02-27", "03-31", "04-30"]);
        let pattern =
            json!({ "type": "relativeYearly", "interval": 1, "index": "second", "daysOfWeek": ["monday"], "month": 5 });
        assert_eq!(endless(pattern, "2026-05-11"), ["05-11", "05-10", "05-08", "05-14"]);
    }

    #[test]
    fn ends_are_kept_and_neighbours_known() {
        let daily = json!({ "type": "daily", "interval": 3 });
        let range = json!({ "type": "numbered", "numberOfOccurrences": 2 });
        assert_eq!(days(daily.clone(), "2026-03-10", range, 9), ["03-10", "03-13"]);
        let range = json!({ "type": "endDate", "endDate": "2026-03-16" });
        assert_eq!(days(daily.clone(), "2026-03-10", range, 9), ["03-10", "03-13", "03-16"]);
        let value = json!({ "pattern": daily, "range": { "type": "noEnd", "startDate": "2026-03-10" } });
        let read = Recurrence::read(&value, "2026-03-10".parse().unwrap()).unwrap();
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(read.neighbours(day("2026-03-13")), (Some(day("2026-03-10")), Some(day("2026-03-16"))));
        assert!(read.has(day("2026-03-16")) && !read.has(day("2026-03-17")));
    }
}
