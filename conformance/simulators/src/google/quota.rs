//! Requests per minute, per project and per user of a project, in a sliding window.

use std::collections::{BTreeMap, VecDeque};

use super::{call::Call, oauth::Caller, refusal::Refusal, world::World};

const WINDOW_MS: i64 = 60_000;

/// What was used of late.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    projects: BTreeMap<String, VecDeque<i64>>,
    users: BTreeMap<(String, String), VecDeque<i64>>,
}

impl World {
    /// Counts a call, or refuses it: what is refused counts too.
    pub(crate) fn charge(&mut self, now_ms: i64, caller: &Caller, call: Call) -> Result<(), Refusal> {
        let units = if call == Call::EventsPatch { self.settings.patch_units } else { 1 };
        let user = (caller.client.clone(), caller.account.clone());
        let by_user = spend(self.quota.users.entry(user).or_default(), now_ms, units);
        let by_project = spend(self.quota.projects.entry(caller.client.clone()).or_default(), now_ms, units);
        if by_user > self.settings.user_per_minute {
            return Err(Refusal::user_rate_limit());
        }
        if by_project > self.settings.project_per_minute {
            return Err(Refusal::rate_limit());
        }
        Ok(())
    }

    /// Units that a user of a project spent in the last minute.
    pub(crate) fn spent(&self, now_ms: i64, client: &str, account: &str) -> usize {
        let used = self.quota.users.get(&(client.to_owned(), account.to_owned()));
        used.map_or(0, |used| used.iter().filter(|at| **at > now_ms - WINDOW_MS).count())
    }
}

fn spend(used: &mut VecDeque<i64>, now_ms: i64, units: usize) -> usize {
    while used.front().is_some_and(|at| *at <= now_ms - WINDOW_MS) {
        used.pop_front();
    }
    used.extend(std::iter::repeat_n(now_ms, units));
    used.len()
}
