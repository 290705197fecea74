//! A rule joined with its start: every default settled, every list a bit set, so that a period's days are a filter.

use jiff::civil::DateTime;

use super::day::{DAY_S, Day, YEAR_MAX, month_len, number_of, seconds_of, week_floor, week_of, year_len};
use super::{Frequency, Rule};

/// More days than all years that a date can be written in have; keeps far periods out of overflow.
const DAYS_MAX: i64 = 366 * (YEAR_MAX + 1);

/// What one period of the rule holds.
pub(super) enum Period {
    /// The period's occurrences are `bases × offsets`; the bases were put into the caller's buffer, possibly none.
    Filled,
    /// Nothing before this period index.
    SkipTo(i64),
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    freq: Frequency,
    interval: i64,
    week_start: i64,
    /// Start as wall seconds.
    pub start: i64,
    start_day: Day,
    months: Bits,
    weeks: Signed,
    year_days: Signed,
    month_days: Signed,
    weekdays: Bits,
    /// Weekdays with an ordinal and its scope.
    nth: Vec<(i64, i64)>,
    nth_scope: Scope,
    has_by_day: bool,
    hours: Bits,
    minutes: Bits,
    seconds: Bits,
    /// Seconds into a day (or into a shorter period) at which it occurs, ascending, never empty.
    pub offsets: Vec<i64>,
    /// BYSETPOS.
    pub positions: Vec<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Month,
    Year,
}

/// A set of numbers below 384; when nothing was put in, it holds everything.
#[derive(Clone, Debug, Default)]
struct Bits([u128; 3], bool);

impl Bits {
    fn of(list: impl IntoIterator<Item = i64>) -> Bits {
        let mut bits = Bits::default();
        for number in list {
            bits.1 = true;
            if let Ok(n) = usize::try_from(number)
                && let Some(word) = bits.0.get_mut(n / 128)
            {
                *word |= 1 << (n % 128);
            }
        }
        bits
    }

    fn is_any(&self) -> bool {
        !self.1
    }

    fn holds(&self, number: i64) -> bool {
        self.is_any()
            || usize::try_from(number).is_ok_and(|n| self.0.get(n / 128).is_some_and(|word| word >> (n % 128) & 1 == 1))
    }

    fn next_from(&self, number: i64, below: i64) -> Option<i64> {
        (number..below).find(|n| self.holds(*n))
    }
}

/// Numbers that count from the front (positive) or the back (negative) of something.
#[derive(Clone, Debug, Default)]
struct Signed {
    front: Bits,
    back: Bits,
    any: bool,
}

impl Signed {
    fn of(list: &[i16]) -> Signed {
        let wide = || list.iter().map(|n| i64::from(*n));
        Signed {
            front: Bits::of(wide().filter(|n| *n > 0)),
            back: Bits::of(wide().filter(|n| *n < 0).map(|n| -n)),
            any: list.is_empty(),
        }
    }

    /// Whether the `index`-th of `len` (from 1) is named from either side.
    fn holds(&self, index: i64, len: i64) -> bool {
        self.any
            || !self.front.is_any() && self.front.holds(index)
            || !self.back.is_any() && self.back.holds(len + 1 - index)
    }
}

fn wide(list: &[i16]) -> impl Iterator<Item = i64> {
    list.iter().map(|n| i64::from(*n))
}

impl Plan {
    pub fn new(rule: &Rule, start: DateTime) -> Plan {
        let start_s = seconds_of(start);
        let start_day = Day::of_number(start_s.div_euclid(DAY_S));
        let by_period = matches!(rule.freq, Frequency::Monthly | Frequency::Yearly);
        // An ordinal means something only inside a month or a year, and week numbers already say which week.
        let ordinals = by_period && (rule.freq == Frequency::Monthly || rule.by_week_no.is_empty());
        let named = |ordinal: bool| rule.by_day.iter().filter(move |d| (ordinals && d.ordinal.is_some()) == ordinal);
        let monday_zero = |w: jiff::civil::Weekday| i64::from(w.to_monday_zero_offset());
        let mut plan = Plan {
            freq: rule.freq,
            interval: i64::from(rule.interval.max(1)),
            week_start: monday_zero(rule.week_start),
            start: start_s,
            start_day,
            months: Bits::of(wide(&rule.by_month)),
            weeks: Signed::of(&rule.by_week_no),
            year_days: Signed::of(&rule.by_year_day),
            month_days: Signed::of(&rule.by_month_day),
            weekdays: Bits::of(named(false).map(|d| monday_zero(d.weekday))),
            nth: named(true).filter_map(|d| Some((i64::from(d.ordinal?), monday_zero(d.weekday)))).collect(),
            nth_scope: if rule.freq == Frequency::Yearly && rule.by_month.is_empty() {
                Scope::Year
            } else {
                Scope::Month
            },
            has_by_day: !rule.by_day.is_empty(),
            hours: Bits::of(wide(&rule.by_hour)),
            minutes: Bits::of(wide(&rule.by_minute)),
            seconds: Bits::of(wide(&rule.by_second)),
            offsets: Vec::new(),
            positions: wide(&rule.by_set_pos).collect(),
        };
        plan.default_days(rule);
        plan.offsets = plan.offsets_of(rule, start);
        plan
    }

    /// What the rule leaves open about the day comes from the start.
    fn default_days(&mut self, rule: &Rule) {
        let names_days = self.has_by_day || !rule.by_month_day.is_empty() || !rule.by_year_day.is_empty();
        match rule.freq {
            Frequency::Weekly if !self.has_by_day => self.only_start_weekday(),
            Frequency::Yearly if !names_days && !rule.by_week_no.is_empty() => self.only_start_weekday(),
            Frequency::Monthly | Frequency::Yearly if !names_days && rule.by_week_no.is_empty() => {
                self.month_days = Signed { front: Bits::of([self.start_day.day]), back: Bits::default(), any: false };
                if rule.freq == Frequency::Yearly && self.months.is_any() {
                    self.months = Bits::of([self.start_day.month]);
                }
            }
            _ => {}
        }
    }

    fn only_start_weekday(&mut self) {
        self.weekdays = Bits::of([self.start_day.weekday()]);
        self.has_by_day = true;
    }

    /// The times inside one base. Hours, minutes and seconds finer than the frequency multiply; the others limit slots.
    fn offsets_of(&self, rule: &Rule, start: DateTime) -> Vec<i64> {
        let or_start = |list: &[i16], own: i8| -> Vec<i64> {
            if list.is_empty() { vec![i64::from(own)] } else { wide(list).collect() }
        };
        let limits_only = vec![0];
        let hours =
            if rule.freq >= Frequency::Daily { or_start(&rule.by_hour, start.hour()) } else { limits_only.clone() };
        let minutes = if rule.freq >= Frequency::Hourly {
            or_start(&rule.by_minute, start.minute())
        } else {
            limits_only.clone()
        };
        let seconds =
            if rule.freq >= Frequency::Minutely { or_start(&rule.by_second, start.second()) } else { limits_only };
        let mut offsets = Vec::with_capacity(hours.len() * minutes.len() * seconds.len());
        for hour in &hours {
            for minute in &minutes {
                offsets.extend(seconds.iter().map(|second| hour * 3600 + minute * 60 + second));
            }
        }
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }

    /// Seconds of a slot of a sub-daily frequency, or of a day.
    fn unit(&self) -> i64 {
        match self.freq {
            Frequency::Secondly => 1,
            Frequency::Minutely => 60,
            Frequency::Hourly => 3600,
            _ => DAY_S,
        }
    }

    /// The last period that starts at or before the wall second.
    pub fn period_at(&self, wall: i64) -> i64 {
        let day = Day::of_number(wall.div_euclid(DAY_S));
        let units = match self.freq {
            Frequency::Yearly => day.year - self.start_day.year,
            Frequency::Monthly => (day.year - self.start_day.year) * 12 + day.month - self.start_day.month,
            Frequency::Weekly => (self.week(day.number) - self.week(self.start_day.number)) / 7,
            _ => wall.div_euclid(self.unit()) - self.start.div_euclid(self.unit()),
        };
        units.div_euclid(self.interval)
    }

    fn week(&self, day: i64) -> i64 {
        week_floor(day, self.week_start)
    }

    /// The wall second at which a period begins; none of its occurrences is earlier.
    pub fn period_start(&self, index: i64) -> i64 {
        let units = index.saturating_mul(self.interval);
        match self.freq {
            Frequency::Yearly => number_of(self.start_day.year.saturating_add(units).min(YEAR_MAX + 1), 1, 1) * DAY_S,
            Frequency::Monthly => {
                let (year, month) = self.month_at(units);
                number_of(year, month, 1) * DAY_S
            }
            Frequency::Weekly => (self.week(self.start_day.number) + units.saturating_mul(7).min(DAYS_MAX)) * DAY_S,
            _ => (self.start.div_euclid(self.unit()).saturating_add(units)).saturating_mul(self.unit()),
        }
    }

    fn month_at(&self, units: i64) -> (i64, i64) {
        let months =
            (self.start_day.year * 12 + self.start_day.month - 1).saturating_add(units).min((YEAR_MAX + 1) * 12);
        (months.div_euclid(12), months.rem_euclid(12) + 1)
    }

    /// Puts the wall seconds of the period's days (or of its single slot) into `bases`, ascending.
    pub fn fill(&self, index: i64, bases: &mut Vec<i64>) -> Period {
        bases.clear();
        let begin = self.period_start(index);
        let first = Day::of_number(begin.div_euclid(DAY_S));
        match self.freq {
            Frequency::Yearly => {
                for month in 1..=12 {
                    self.fill_month(first.year, month, bases);
                }
            }
            Frequency::Monthly => self.fill_month(first.year, first.month, bases),
            Frequency::Weekly => {
                let days = (first.number..first.number + 7).map(Day::of_number);
                bases.extend(days.filter(|day| self.holds_day(*day)).map(|day| day.number * DAY_S));
            }
            _ => {
                if let Some(next) = self.excluded_until(begin, first) {
                    return Period::SkipTo(self.index_from(next).max(index + 1));
                }
                bases.push(begin);
            }
        }
        Period::Filled
    }

    /// Where the next slot may lie if the one at `slot` is ruled out.
    fn excluded_until(&self, slot: i64, day: Day) -> Option<i64> {
        if !self.months.holds(day.month) {
            return Some(number_of(day.year, day.month, 1 + day.month_len()) * DAY_S);
        }
        let midnight = day.number * DAY_S;
        if !self.holds_day(day) {
            return Some(midnight + DAY_S);
        }
        let (hour, minute, second) = ((slot - midnight) / 3600, (slot - midnight) / 60 % 60, slot.rem_euclid(60));
        let hour_start = midnight + hour * 3600;
        if self.freq <= Frequency::Hourly && !self.hours.holds(hour) {
            return Some(self.hours.next_from(hour, 24).map_or(midnight + DAY_S, |next| midnight + next * 3600));
        }
        if self.freq <= Frequency::Minutely && !self.minutes.holds(minute) {
            return Some(self.minutes.next_from(minute, 60).map_or(hour_start + 3600, |next| hour_start + next * 60));
        }
        if self.freq == Frequency::Secondly && !self.seconds.holds(second) {
            let minute_start = slot - second;
            return Some(self.seconds.next_from(second, 60).map_or(minute_start + 60, |next| minute_start + next));
        }
        None
    }

    /// The first period of a daily or sub-daily frequency that starts at or after the wall second.
    fn index_from(&self, wall: i64) -> i64 {
        let units = -(-wall).div_euclid(self.unit()) - self.start.div_euclid(self.unit());
        -(-units).div_euclid(self.interval)
    }

    fn fill_month(&self, year: i64, month: i64, bases: &mut Vec<i64>) {
        if !self.months.holds(month) {
            return;
        }
        let first = number_of(year, month, 1);
        for day in 1..=month_len(year, month) {
            let day = Day { number: first + day - 1, year, month, day };
            if self.holds_day(day) {
                bases.push(day.number * DAY_S);
            }
        }
    }

    /// Every BYxxx part about days, all of which must agree.
    fn holds_day(&self, day: Day) -> bool {
        self.month_days.holds(day.day, day.month_len())
            && self.months.holds(day.month)
            && (!self.has_by_day || self.holds_weekday(day))
            && (self.year_days.any || self.year_days.holds(day.year_day(), year_len(day.year)))
            && (self.weeks.any || {
                let (week, weeks) = week_of(day, self.week_start);
                self.weeks.holds(week, weeks)
            })
    }

    /// Plain weekdays and ordinal ones are alternatives: `MO,-1FR` is every Monday and the last Friday.
    fn holds_weekday(&self, day: Day) -> bool {
        let weekday = day.weekday();
        if !self.weekdays.is_any() && self.weekdays.holds(weekday) {
            return true;
        }
        if self.nth.iter().all(|(_, wanted)| *wanted != weekday) {
            return false;
        }
        let (index, len) = match self.nth_scope {
            Scope::Month => (day.day, day.month_len()),
            Scope::Year => (day.year_day(), year_len(day.year)),
        };
        let (from_front, from_back) = ((index - 1) / 7 + 1, (len - index) / 7 + 1);
        self.nth.iter().any(|(n, wanted)| *wanted == weekday && (*n == from_front || -*n == from_back))
    }

    /// For rules whose occurrences are evenly spaced: the spacing in seconds. COUNT then needs no counting.
    pub fn even_step(&self, rule: &Rule) -> Option<i64> {
        let only_start_day = rule.freq != Frequency::Weekly
            || rule.by_day.iter().all(|d| i64::from(d.weekday.to_monday_zero_offset()) == self.start_day.weekday());
        let plain = [
            &rule.by_month,
            &rule.by_week_no,
            &rule.by_year_day,
            &rule.by_month_day,
            &rule.by_hour,
            &rule.by_minute,
            &rule.by_second,
            &rule.by_set_pos,
        ];
        let by_day_plain = rule.freq == Frequency::Weekly || rule.by_day.is_empty();
        let even =
            rule.freq <= Frequency::Weekly && only_start_day && by_day_plain && plain.iter().all(|l| l.is_empty());
        let unit = if rule.freq == Frequency::Weekly { 7 * DAY_S } else { self.unit() };
        even.then(|| self.interval.saturating_mul(unit))
    }
}
