//! What this node counted since it started: calls to providers and how long they took, retries, webhook channels. What
//! the database knows is not counted here.

use std::collections::BTreeMap;

use crate::domain::sync::Provider;

/// Upper bounds of the buckets of a call's time, in milliseconds.
pub const CALL_BUCKETS_MS: [i64; 9] = [25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 30_000];

/// How long calls took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Calls within each bound, none counted twice; beyond all bounds they are only in `count`.
    pub within: [u64; CALL_BUCKETS_MS.len()],
    /// All of them together.
    pub sum_ms: i64,
    /// How many.
    pub count: u64,
}

/// Counters of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls by provider and how they ended: `success` or an error class.
    pub calls: BTreeMap<(Provider, &'static str), u64>,
    /// How long they took.
    pub latency: BTreeMap<Provider, Latency>,
    /// Calls that were made again after a failure.
    pub retries: BTreeMap<Provider, u64>,
    /// Webhook channels that were made or renewed, and such that could not be: `success` or `failed`.
    pub channels: BTreeMap<(Provider, &'static str), u64>,
}

impl Figures {
    /// Counts a call.
    pub fn called(&mut self, provider: Provider, ended: &'static str, took_ms: i64) {
        *self.calls.entry((provider, ended)).or_default() += 1;
        let latency = self.latency.entry(provider).or_default();
        latency.count += 1;
        latency.sum_ms = latency.sum_ms.saturating_add(took_ms.max(0));
        let place = CALL_BUCKETS_MS.iter().zip(&mut latency.within).find(|(bound, _)| took_ms <= **bound);
        if let Some((_, count)) = place {
            *count += 1;
        }
    }
}

/// What a node can tell of itself now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What it counted.
    pub figures: Figures,
    /// Calls that each provider may still have.
    pub quota_left: BTreeMap<Provider, u32>,
    /// How each provider's breaker stands: 0 closed, 1 waiting for a probe, 2 open.
    pub breakers: BTreeMap<Provider, u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_in_one_bucket() {
        let mut figures = Figures::default();
        for took_ms in [0, 25, 26, 40_000, -5] {
            figures.called(Provider::Google, "success", took_ms);
        }
        let latency = figures.latency[&Provider::Google];
        assert_eq!((latency.count, latency.sum_ms, latency.within[..3].to_vec()), (5, 40_051, vec![3, 1, 0]));
        assert_eq!(latency.within.iter().sum::<u64>(), 4);
    }
}
