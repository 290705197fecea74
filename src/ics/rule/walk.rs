//! The occurrences of a rule in order, inside a wall-clock window, within a budget.

use std::ops::Range;

use jiff::civil::DateTime;

use super::day::{DAY_S, YEAR_MAX, number_of, seconds_of, wall_of};
use super::plan::{Period, Plan};
use super::{Rule, Until};

/// Steps (periods looked at plus occurrences given out) one expansion may take. RFC 5545 sets no bound; an endless
/// minutely rule would run for minutes. 100,000 covers 270 years of days and costs a few milliseconds at most.
pub const STEPS_MAX: u32 = 100_000;

/// How far a local time may lie from UTC: TZOFFSETTO is below 24 hours. A UTC bound is widened by it on the wall clock and
/// compared exactly, as an instant, by whoever knows the zone.
const OFFSET_S_MAX: i64 = DAY_S;

/// What an expansion may still spend. One budget is handed through all rules of an object, so that a thousand cheap
/// rules cost no more than one expensive one.
#[derive(Clone, Debug)]
pub struct Budget {
    steps: u32,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::of(STEPS_MAX)
    }
}

impl Budget {
    /// A budget of that many steps.
    #[must_use]
    pub fn of(steps: u32) -> Budget {
        Budget { steps }
    }

    /// Takes one step.
    ///
    /// # Errors
    /// [`Truncated`] when nothing is left.
    pub fn spend(&mut self) -> Result<(), Truncated> {
        self.steps = self.steps.checked_sub(1).ok_or(Truncated)?;
        Ok(())
    }
}

/// The budget ended before the rule did: what came so far is right but not all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rule has more occurrences than may be expanded at once")]
pub struct Truncated;

/// Where a rule with COUNT ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastStart {
    /// The occurrence that COUNT (or the end of the calendar) makes the last.
    At(DateTime),
    /// Without COUNT nothing is counted.
    Uncounted,
}

/// The walk over a rule's occurrences; see [`Rule::walk`]. After an `Err` it is finished.
#[derive(Debug)]
pub struct Walk<'b> {
    plan: Plan,
    budget: &'b mut Budget,
    /// First wall second that is wanted.
    from: i64,
    /// First wall second that is not.
    end: i64,
    /// Occurrences COUNT still allows, where they must be counted one by one.
    left: Option<usize>,
    start_pending: bool,
    done: bool,
    /// The next period to look at.
    period: i64,
    bases: Vec<i64>,
    /// With BYSETPOS, the chosen indexes into the period's set; otherwise empty and all are chosen.
    picks: Vec<usize>,
    next: usize,
    len: usize,
    last_skipped: i64,
}

impl Rule {
    /// The occurrences of a series that starts at `start`, as wall-clock times in ascending order, those in `window` only.
    ///
    /// `start` itself is the first occurrence and counts towards COUNT, whether or not it fits the rule. An UNTIL in UTC is
    /// only bounded loosely here (one day): compare the instants. Without COUNT the walk begins at the window, however old
    /// the series is. It ends with `Err(Truncated)` when the budget does, never silently.
    pub fn walk<'b>(&self, start: DateTime, window: Range<DateTime>, budget: &'b mut Budget) -> Walk<'b> {
        let plan = Plan::new(self, start);
        let from = seconds_of(window.start);
        let mut end = seconds_of(window.end).min(number_of(YEAR_MAX + 1, 1, 1) * DAY_S);
        let start_pending = (from..end).contains(&plan.start);
        end = match self.until {
            None => end,
            Some(Until::Date(date)) => end.min(seconds_of(date.into()) + DAY_S),
            Some(Until::Local(wall)) => end.min(seconds_of(wall) + 1),
            Some(Until::Utc(wall)) => end.min(seconds_of(wall) + 1 + OFFSET_S_MAX),
        };
        let mut left = self.count.map(|count| usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX));
        if let Some(last) = even_last(self, &plan) {
            end = end.min(last.saturating_add(1));
            left = None;
        }
        let period = if left.is_none() { plan.period_at(from.max(plan.start)).max(0) } else { 0 };
        Walk {
            last_skipped: plan.start,
            plan,
            budget,
            from,
            end,
            left,
            start_pending,
            done: false,
            period,
            bases: Vec::new(),
            picks: Vec::new(),
            next: 0,
            len: 0,
        }
    }

    /// Whether the rule itself gives its start, which is the first occurrence either way.
    #[must_use]
    pub fn gives_start(&self, start: DateTime) -> bool {
        let mut budget = Budget::of(1);
        let mut walk = self.walk(start, start..DateTime::MAX, &mut budget);
        (walk.period, walk.end, walk.left) = (0, i64::MAX, None);
        let start = seconds_of(start);
        walk.load().is_ok() && {
            let at = walk.first_where(|wall| wall >= start);
            at < walk.len && walk.value(at) == start
        }
    }

    /// Where COUNT ends a series that starts at `start`. UNTIL is left out of account: it may end it earlier.
    ///
    /// # Errors
    /// [`Truncated`] when counting takes longer than the budget allows.
    pub fn last_counted(&self, start: DateTime, budget: &mut Budget) -> Result<LastStart, Truncated> {
        if self.count.is_none() {
            return Ok(LastStart::Uncounted);
        }
        let counted = Rule { until: None, ..self.clone() };
        let mut walk = counted.walk(start, start..DateTime::MAX, budget);
        let last = match even_last(&counted, &walk.plan) {
            Some(last) => last,
            None => {
                walk.from = i64::MAX;
                while !walk.done {
                    walk.load()?;
                }
                walk.last_skipped
            }
        };
        Ok(LastStart::At(wall_of(last).unwrap_or(DateTime::MAX)))
    }
}

/// The last occurrence of an evenly spaced rule with COUNT.
fn even_last(rule: &Rule, plan: &Plan) -> Option<i64> {
    let steps = i64::from(rule.count?.saturating_sub(1));
    Some(plan.start.saturating_add(plan.even_step(rule)?.saturating_mul(steps)))
}

impl Iterator for Walk<'_> {
    type Item = Result<DateTime, Truncated>;

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::take(&mut self.start_pending) {
            return wall_of(self.plan.start).map(Ok);
        }
        while !self.done {
            if self.next < self.len {
                let wall = self.value(self.next);
                self.next += 1;
                if wall >= self.end || self.left == Some(0) {
                    break;
                }
                self.left = self.left.map(|left| left - 1);
                return match self.budget.spend() {
                    Ok(()) => wall_of(wall).map(Ok),
                    Err(truncated) => self.truncate(truncated),
                };
            }
            if let Err(truncated) = self.load() {
                return self.truncate(truncated);
            }
        }
        self.done = true;
        None
    }
}

impl Walk<'_> {
    fn truncate(&mut self, truncated: Truncated) -> Option<Result<DateTime, Truncated>> {
        self.done = true;
        Some(Err(truncated))
    }

    /// The `index`-th occurrence of the loaded period.
    fn value(&self, index: usize) -> i64 {
        let index = self.picks.get(index).copied().unwrap_or(index);
        let times = self.plan.offsets.len().max(1);
        let base = self.bases.get(index / times).copied().unwrap_or(i64::MAX);
        base.saturating_add(self.plan.offsets.get(index % times).copied().unwrap_or(0))
    }

    /// Loads the next period that is not ruled out as a whole, up to the first occurrence that is wanted.
    fn load(&mut self) -> Result<(), Truncated> {
        if self.plan.period_start(self.period) >= self.end || self.left == Some(0) {
            self.done = true;
            return Ok(());
        }
        self.budget.spend()?;
        self.next = 0;
        self.len = 0;
        match self.plan.fill(self.period, &mut self.bases) {
            Period::SkipTo(period) => {
                self.period = period;
                return Ok(());
            }
            Period::Filled => self.period += 1,
        }
        self.pick();
        let after_start = self.first_where(|wall| wall > self.plan.start);
        self.next = self.first_where(|wall| wall >= self.from).max(after_start);
        if let Some(left) = self.left {
            let skipped = (self.next - after_start).min(left);
            if skipped > 0 {
                self.last_skipped = self.value(after_start + skipped - 1);
            }
            self.left = Some(left - skipped);
        }
        Ok(())
    }

    /// BYSETPOS over the loaded period. The set is the whole period's, also where the series starts inside it.
    fn pick(&mut self) {
        let total = self.bases.len() * self.plan.offsets.len();
        self.picks.clear();
        self.len = total;
        if self.plan.positions.is_empty() {
            return;
        }
        for position in &self.plan.positions {
            let size = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
            if (1..=total).contains(&size) {
                self.picks.push(if *position > 0 { size - 1 } else { total - size });
            }
        }
        self.picks.sort_unstable();
        self.picks.dedup();
        self.len = self.picks.len();
    }

    fn first_where(&self, holds: impl Fn(i64) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low.midpoint(high);
            if holds(self.value(middle)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}
