//! Who fetched a feed, when and how often: counted in memory and noted in the store once a minute per feed at most, behind
//! the answer's back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::ids::{FeedId, FirmId};
use crate::store::{Store, StoreError};

/// A feed is noted no more often.
const NOTE_EVERY: Duration = Duration::from_secs(60);
/// Feeds counted at once; a fetch beyond them is answered and not counted.
const FEEDS_MAX: usize = 10_000;

/// Fetches that are not noted yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pending {
    count: i64,
    agent: String,
}

/// The counts.
#[derive(Clone, Default)]
pub(super) struct Fetches(Arc<Mutex<HashMap<FeedId, Pending>>>);

impl Fetches {
    /// Counts a fetch. The first one is noted at once, what comes within a minute together at its end.
    pub fn count(&self, store: &Store, firm: &FirmId, feed: &FeedId, agent: &str) {
        if !self.add(feed, agent) {
            return;
        }
        let (counts, store, firm, feed) = (self.clone(), store.clone(), firm.clone(), feed.clone());
        tokio::spawn(async move {
            while let Some(pending) = counts.take(&feed) {
                if let Err(error) = note(&store, &firm, &feed, &pending).await {
                    tracing::warn!(%feed, %error, "fetches of a feed could not be noted; trying again in a minute");
                    counts.put_back(&feed, pending);
                }
                tokio::time::sleep(NOTE_EVERY).await;
            }
        });
    }

    /// Adds one; whether nobody sees to this feed yet.
    fn add(&self, feed: &FeedId, agent: &str) -> bool {
        let mut feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pending) = feeds.get_mut(feed) {
            pending.count += 1;
            agent.clone_into(&mut pending.agent);
            return false;
        }
        if feeds.len() >= FEEDS_MAX {
            return false;
        }
        feeds.insert(feed.clone(), Pending { count: 1, agent: agent.to_owned() });
        true
    }

    /// What has come since the last time; where that is nothing, the feed is forgotten.
    fn take(&self, feed: &FeedId) -> Option<Pending> {
        let mut feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = feeds.get_mut(feed).map(std::mem::take).filter(|pending| pending.count > 0);
        if pending.is_none() {
            feeds.remove(feed);
        }
        pending
    }

    fn put_back(&self, feed: &FeedId, failed: Pending) {
        let mut feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = feeds.entry(feed.clone()).or_default();
        pending.count += failed.count;
        if pending.agent.is_empty() {
            pending.agent = failed.agent;
        }
    }
}

async fn note(store: &Store, firm: &FirmId, feed: &FeedId, pending: &Pending) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    tx.touch_feed(firm, feed, &pending.agent, pending.count).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(count: i64, agent: &str) -> Option<Pending> {
        Some(Pending { count, agent: agent.to_owned() })
    }

    #[test]
    fn fetches_are_taken_together_and_once() {
        let (fetches, feed, other) = (Fetches::default(), FeedId::from_text("f"), FeedId::from_text("g"));
        assert!(fetches.add(&feed, "phone"), "somebody has to see to it");
        assert_eq!(fetches.take(&feed), pending(1, "phone"));
        assert!(!fetches.add(&feed, "phone") && !fetches.add(&feed, "desk") && fetches.add(&other, "desk"));
        assert_eq!(fetches.take(&feed), pending(2, "desk"));
        assert_eq!(fetches.take(&feed), None);
        assert!(fetches.add(&feed, "phone"), "it was forgotten");
    }

    #[test]
    fn what_could_not_be_noted_is_noted_later() {
        let (fetches, feed) = (Fetches::default(), FeedId::from_text("f"));
        fetches.add(&feed, "phone");
        let failed = fetches.take(&feed).expect("one");
        fetches.put_back(&feed, failed.clone());
        assert_eq!(fetches.take(&feed), pending(1, "phone"));
        fetches.add(&feed, "desk");
        fetches.put_back(&feed, failed);
        assert_eq!(fetches.take(&feed), pending(2, "desk"));
    }

    #[test]
    fn a_crowd_of_feeds_costs_bounded_memory() {
        let fetches = Fetches::default();
        for n in 0..FEEDS_MAX + 10 {
            fetches.add(&FeedId::from_text(n.to_string()), "x");
        }
        assert_eq!(fetches.0.lock().expect("not poisoned").len(), FEEDS_MAX);
    }
}
