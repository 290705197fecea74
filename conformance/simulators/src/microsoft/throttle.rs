//! How much an application may ask of a mailbox: so many requests at once, and so many in ten minutes.

use std::collections::{BTreeMap, VecDeque};

use super::{oauth::Caller, refusal::Refusal, world::World};

const WINDOW_MS: i64 = 600_000;

#[derive(Debug, Default)]
struct Use {
    /// When requests end that are being answered.
    ends: Vec<i64>,
    /// When requests began.
    starts: VecDeque<i64>,
}

/// By application and mailbox.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    uses: BTreeMap<(String, String), Use>,
    /// The most requests that one mailbox had at once, refused ones included.
    pub(crate) most_at_once: usize,
}

impl World {
    /// Counts a request that takes so long, or refuses it.
    pub(crate) fn charge(&mut self, now_ms: i64, caller: &Caller, takes_ms: u64) -> Result<(), Refusal> {
        let (at_once, in_window) = (self.settings.concurrency_max, self.settings.window_max);
        let used = self.throttle.uses.entry((caller.client.clone(), caller.account.clone())).or_default();
        used.ends.retain(|end| *end > now_ms);
        while used.starts.front().is_some_and(|at| now_ms.saturating_sub(*at) >= WINDOW_MS) {
            used.starts.pop_front();
        }
        let together = used.ends.len().saturating_add(1);
        self.throttle.most_at_once = self.throttle.most_at_once.max(together);
        if together > at_once {
            return Err(Refusal::throttled("MailboxConcurrency", self.settings.retry_after_s));
        }
        if used.starts.len() >= in_window {
            return Err(Refusal::throttled("MailboxRequests", self.settings.retry_after_s.or(Some(60))));
        }
        used.starts.push_back(now_ms);
        if takes_ms > 0 {
            used.ends.push(now_ms.saturating_add(i64::try_from(takes_ms).unwrap_or(i64::MAX)));
        }
        Ok(())
    }
}
