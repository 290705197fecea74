//! How fast a provider may be asked, and when it is left alone: token buckets and a circuit breaker.
//!
//! Pure state: the time is an argument, and whoever holds these decides where to wait. They forget when the program
//! ends; a provider's own limits do not, and its 429 brings them back.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::domain::time::Instant;

/// How many calls fit into how much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls that may be made at once after a rest.
    pub calls: u32,
    /// In how much time as many calls come back.
    pub per: Duration,
}

/// Calls that may still be made, coming back steadily.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: Rate,
    /// Milliseconds of rest that are saved up; a call costs `per / calls` of them, in thousandths of a millisecond.
    saved_us: u64,
    at: Instant,
    /// Nothing is given before: the provider said so.
    closed_until: Instant,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: Rate, now: Instant) -> Bucket {
        let mut bucket = Bucket { rate, saved_us: 0, at: now, closed_until: Instant::FAR_PAST };
        bucket.saved_us = bucket.full_us();
        bucket
    }

    /// Takes one call, or says how long to wait for it.
    ///
    /// # Errors
    /// The wait, at least a millisecond; nothing was taken.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        match self.wait(now) {
            None => {
                self.saved_us = self.saved_us.saturating_sub(self.cost_us());
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }

    /// How many calls could be made now, one after the other.
    #[must_use]
    pub fn left(&mut self, now: Instant) -> u32 {
        self.refill(now);
        if now < self.closed_until {
            return 0;
        }
        u32::try_from(self.saved_us / self.cost_us()).unwrap_or(u32::MAX)
    }

    /// Gives nothing before `until`, and starts from nothing then: the account had too many calls.
    pub fn close_until(&mut self, until: Instant) {
        self.closed_until = self.closed_until.max(until);
        self.saved_us = 0;
        self.at = self.at.max(self.closed_until.plus_ms(-self.cost_ms()));
    }

    /// How long to wait for the next call; `None`: not at all.
    fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.refill(now);
        let closed_ms = u64::try_from(self.closed_until.ms().saturating_sub(now.ms())).unwrap_or(0);
        let missing_ms = self.cost_us().saturating_sub(self.saved_us).div_ceil(1_000);
        match closed_ms.max(missing_ms) {
            0 => None,
            ms => Some(Duration::from_millis(ms)),
        }
    }

    /// A clock that was set back brings nothing and costs nothing.
    fn refill(&mut self, now: Instant) {
        if let Ok(rested_ms) = u64::try_from(now.ms().saturating_sub(self.at.ms())) {
            self.saved_us = self.saved_us.saturating_add(rested_ms.saturating_mul(1_000)).min(self.full_us());
            self.at = now;
        } else if now.ms() < self.at.ms() && now >= self.closed_until {
            self.at = now;
        }
    }

    fn full_us(&self) -> u64 {
        self.cost_us().saturating_mul(u64::from(self.rate.calls.max(1)))
    }

    fn cost_us(&self) -> u64 {
        let per = u64::try_from(self.rate.per.as_micros()).unwrap_or(u64::MAX);
        (per / u64::from(self.rate.calls.max(1))).max(1)
    }

    fn cost_ms(&self) -> i64 {
        i64::try_from(self.cost_us() / 1_000).unwrap_or(i64::MAX)
    }
}

/// Buckets that a call needs a token of each: of its account and of its provider.
#[derive(Debug)]
pub struct Budgets<Account, Provider> {
    account_rate: Rate,
    provider_rate: Rate,
    accounts: HashMap<Account, Bucket>,
    providers: HashMap<Provider, Bucket>,
}

/// Beyond so many accounts, those that have rested are forgotten; a forgotten bucket is a full one.
const ACCOUNTS_MAX: usize = 10_000;

impl<Account: Clone + Eq + Hash, Provider: Clone + Eq + Hash> Budgets<Account, Provider> {
    /// Budgets in which every account, and every provider over all accounts, has its rate.
    #[must_use]
    pub fn new(account_rate: Rate, provider_rate: Rate) -> Self {
        Budgets { account_rate, provider_rate, accounts: HashMap::new(), providers: HashMap::new() }
    }

    /// Takes one call of both budgets, or of neither.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&mut self, account: &Account, provider: &Provider, now: Instant) -> Result<(), Duration> {
        self.forget(now);
        let account = self.accounts.entry(account.clone()).or_insert_with(|| Bucket::new(self.account_rate, now));
        let provider = self.providers.entry(provider.clone()).or_insert_with(|| Bucket::new(self.provider_rate, now));
        match account.wait(now).max(provider.wait(now)) {
            Some(wait) => Err(wait),
            None => account.take(now).and_then(|()| provider.take(now)),
        }
    }

    /// The whole account waits: it had too many calls.
    pub fn slow(&mut self, account: &Account, now: Instant, wait: Duration) {
        let ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let bucket = self.accounts.entry(account.clone()).or_insert_with(|| Bucket::new(self.account_rate, now));
        bucket.close_until(now.plus_ms(ms));
    }

    /// Calls left to an account.
    #[must_use]
    pub fn account_left(&mut self, account: &Account, now: Instant) -> u32 {
        self.accounts.get_mut(account).map_or(self.account_rate.calls, |bucket| bucket.left(now))
    }

    /// Calls left to a provider.
    #[must_use]
    pub fn provider_left(&mut self, provider: &Provider, now: Instant) -> u32 {
        self.providers.get_mut(provider).map_or(self.provider_rate.calls, |bucket| bucket.left(now))
    }

    fn forget(&mut self, now: Instant) {
        if self.accounts.len() > ACCOUNTS_MAX {
            let calls = self.account_rate.calls;
            self.accounts.retain(|_, bucket| bucket.left(now) < calls);
        }
    }
}

/// Consecutive transient failures of a host after which it is left alone.
pub const BREAKER_FAILURES: u32 = 5;
/// How long it is left alone the first time; each probe that fails doubles it.
pub const BREAKER_FIRST: Duration = Duration::from_secs(30);
/// The longest that it is left alone.
pub const BREAKER_MAX: Duration = Duration::from_secs(300);
/// A probe that has not been heard of for so long is lost, and another may go.
pub const PROBE_LOST: Duration = Duration::from_secs(120);

/// How long others wait while a probe is under way: most are answered by then.
pub const PROBE_ANSWERS: Duration = Duration::from_secs(5);

/// Whether a host is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Ask.
    Go,
    /// Ask, and nobody else until it is settled.
    Probe,
    /// Do not ask before this.
    Wait(Instant),
}

/// How a call ended, as far as its host is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, be it with a refusal.
    Answered,
    /// It did not, or with an error of its own.
    Failed,
}

/// The circuit breaker of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Calls go through.
    Closed {
        /// Consecutive failures so far.
        failures: u32,
    },
    /// None go through.
    Open {
        /// Until then.
        until: Instant,
        /// How often it was opened in a row.
        times: u32,
    },
    /// One call goes through, to see.
    HalfOpen {
        /// When it went.
        since: Instant,
        /// How often it was opened in a row.
        times: u32,
    },
}

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether a call may be made now. A probe that is allowed is taken: settle it.
    pub fn permit(&mut self, now: Instant) -> Permit {
        match *self {
            Breaker::Closed { .. } => Permit::Go,
            Breaker::Open { until, .. } if now < until => Permit::Wait(until),
            Breaker::HalfOpen { since, .. } if now < plus(since, PROBE_LOST) && now >= since => {
                Permit::Wait(plus(now, PROBE_ANSWERS))
            }
            Breaker::Open { times, .. } | Breaker::HalfOpen { times, .. } => {
                *self = Breaker::HalfOpen { since: now, times };
                Permit::Probe
            }
        }
    }

    /// Takes note of how a call ended. Calls that were under way when it opened change nothing by failing.
    pub fn settle(&mut self, outcome: Outcome, now: Instant) {
        *self = match (*self, outcome) {
            (Breaker::Open { .. }, Outcome::Failed) => *self,
            (_, Outcome::Answered) => Breaker::default(),
            (Breaker::Closed { failures }, Outcome::Failed) if failures + 1 < BREAKER_FAILURES => {
                Breaker::Closed { failures: failures + 1 }
            }
            (Breaker::Closed { .. }, Outcome::Failed) => Breaker::opened(now, 1),
            (Breaker::HalfOpen { times, .. }, Outcome::Failed) => Breaker::opened(now, times.saturating_add(1)),
        };
    }

    /// Until when nobody is asked, whoever it be; `None`: somebody may be.
    #[must_use]
    pub fn rests(&self, now: Instant) -> Option<Instant> {
        match *self {
            Breaker::Open { until, .. } if now < until => Some(until),
            _ => None,
        }
    }

    /// For metrics: 0 closed, 1 half open, 2 open.
    #[must_use]
    pub const fn level(&self) -> u8 {
        match self {
            Breaker::Closed { .. } => 0,
            Breaker::HalfOpen { .. } => 1,
            Breaker::Open { .. } => 2,
        }
    }

    fn opened(now: Instant, times: u32) -> Breaker {
        let factor = 2_u32.saturating_pow(times.saturating_sub(1));
        Breaker::Open { until: plus(now, BREAKER_FIRST.saturating_mul(factor).min(BREAKER_MAX)), times }
    }
}

fn plus(at: Instant, wait: Duration) -> Instant {
    at.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
