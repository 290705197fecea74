//! Slows down guessing: failures are counted per account and per address, and past a limit the answer is 429 until
//! the count has drained. Successes are never throttled, and a first request without credentials, which clients
//! send all the time, is no failure.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use crate::domain::time::{Instant, MINUTE_MS};

/// Wrong passwords for one account from one address before it has to wait.
const ACCOUNT_FAILURES_MAX: u32 = 10;
/// Failures from one address, whatever the account: a firm behind one address mistypes more than a person.
const ADDRESS_FAILURES_MAX: u32 = 100;
/// One failure is forgiven per this long.
const FORGIVEN_EVERY_MS: i64 = MINUTE_MS / 4;
/// Counters are forgotten when untouched this long; all have drained by then.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);
/// Counters kept at once, so that a flood of addresses costs bounded memory.
const COUNTERS_MAX: u64 = 100_000;

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    since: Instant,
}

impl Count {
    /// What is left of the count at `now`.
    fn drained(self, now: Instant) -> u32 {
        let forgiven = now.ms().saturating_sub(self.since.ms()).max(0) / FORGIVEN_EVERY_MS;
        self.failures.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }
}

/// The counters. Cheap to clone; all clones share them.
#[derive(Clone)]
pub struct Throttle(Arc<Cache<String, Count>>);

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Throttle({} counters)", self.0.entry_count())
    }
}

impl Default for Throttle {
    fn default() -> Throttle {
        Throttle(Arc::new(Cache::builder().max_capacity(COUNTERS_MAX).time_to_idle(FORGET_AFTER).build()))
    }
}

impl Throttle {
    /// How many seconds to wait before trying again; `None`: go ahead.
    #[must_use]
    pub fn wait_seconds(&self, account: &str, address: IpAddr, now: Instant) -> Option<i64> {
        let over = |count: Count, max: u32| {
            let failures = count.drained(now);
            (failures >= max).then(|| i64::from(failures - max + 1) * FORGIVEN_EVERY_MS / 1_000)
        };
        // Whatever fails is counted for its address as well.
        let of_address = self.0.get(&address_key(address))?;
        let of_account = self.0.get(&account_key(account, address));
        over(of_address, ADDRESS_FAILURES_MAX).max(of_account.and_then(|count| over(count, ACCOUNT_FAILURES_MAX)))
    }

    /// Counts a failure.
    pub fn failed(&self, account: &str, address: IpAddr, now: Instant) {
        for key in [account_key(account, address), address_key(address)] {
            self.0.entry(key).and_upsert_with(|old| {
                let failures = old.map_or(0, |entry| entry.into_value().drained(now));
                Count { failures: failures.saturating_add(1), since: now }
            });
        }
    }
}

fn account_key(account: &str, address: IpAddr) -> String {
    format!("{} {}", account.to_lowercase(), network(address))
}

fn address_key(address: IpAddr) -> String {
    network(address)
}

/// An IPv6 customer has a /64 at least: counting single addresses would count nothing.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => v6.segments().iter().take(4).map(|s| format!("{s:x}:")).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn guessing_is_slowed_down_and_forgiven_with_time() {
        let (throttle, start) = (Throttle::default(), Instant::from_ms(0));
        for _ in 0..ACCOUNT_FAILURES_MAX {
            assert_eq!(throttle.wait_seconds("ada", HOME, start), None);
            throttle.failed("ada", HOME, start);
        }
        assert_eq!(throttle.wait_seconds("ada", HOME, start), Some(15));
        assert_eq!(throttle.wait_seconds("ADA", HOME, start), Some(15));
        assert_eq!(throttle.wait_seconds("bob", HOME, start), None);
        assert_eq!(throttle.wait_seconds("ada", HOME, start.plus_ms(FORGIVEN_EVERY_MS)), None);
    }

    #[test]
    fn an_address_that_tries_many_accounts_has_to_wait_too() {
        let (throttle, start) = (Throttle::default(), Instant::from_ms(0));
        for n in 0..ADDRESS_FAILURES_MAX {
            throttle.failed(&format!("user{n}"), HOME, start);
        }
        assert!(throttle.wait_seconds("somebody-else", HOME, start).is_some());
        let elsewhere = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
        assert_eq!(throttle.wait_seconds("somebody-else", elsewhere, start), None);
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let (throttle, start) = (Throttle::default(), Instant::from_ms(0));
        for n in 0..ADDRESS_FAILURES_MAX {
            let address: IpAddr = format!("2001:db8::{n:x}").parse().expect("an address");
            throttle.failed("ada", address, start);
        }
        let other: IpAddr = "2001:db8::ffff".parse().expect("an address");
        assert!(throttle.wait_seconds("zoe", other, start).is_some());
    }
}
