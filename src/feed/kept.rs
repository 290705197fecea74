//! Bodies kept for the next subscriber, by feed and coding. A body is only given out for the version it was made of, so a
//! change needs to tell nobody.

use std::time::Duration;

use bytes::Bytes;
use moka::sync::Cache;

use super::coding::Coding;
use crate::domain::ids::FeedId;

/// Bytes of all bodies kept.
const KEPT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// A body larger than this would push out too many others.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What an entry costs beside its body.
const ENTRY_BYTES: usize = 300;
/// A feed that nobody asked for this long is made anew.
const FORGET_AFTER: Duration = Duration::from_secs(6 * 3_600);

#[derive(Clone)]
struct Body {
    version: String,
    bytes: Bytes,
}

/// The bodies.
#[derive(Clone)]
pub(super) struct Kept(Cache<(FeedId, Coding), Body>);

impl Kept {
    pub fn new() -> Kept {
        let weigh = |_: &(FeedId, Coding), body: &Body| {
            u32::try_from(body.bytes.len().saturating_add(ENTRY_BYTES)).unwrap_or(u32::MAX)
        };
        Kept(Cache::builder().max_capacity(KEPT_BYTES_MAX).weigher(weigh).time_to_idle(FORGET_AFTER).build())
    }

    /// The body of this version in this coding, if it is here.
    pub fn get(&self, feed: &FeedId, coding: Coding, version: &str) -> Option<Bytes> {
        self.0.get(&(feed.clone(), coding)).filter(|body| body.version == version).map(|body| body.bytes)
    }

    /// The body of this version in any coding, if it is here.
    pub fn any(&self, feed: &FeedId, version: &str) -> Option<(Coding, Bytes)> {
        Coding::ALL.into_iter().find_map(|coding| self.get(feed, coding, version).map(|bytes| (coding, bytes)))
    }

    /// Keeps a body in place of an older version's.
    pub fn keep(&self, feed: &FeedId, coding: Coding, version: &str, bytes: &Bytes) {
        if bytes.len() <= BODY_BYTES_MAX {
            let body = Body { version: version.to_owned(), bytes: bytes.clone() };
            self.0.insert((feed.clone(), coding), body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_given_out_for_its_own_version_and_coding() {
        let (kept, feed) = (Kept::new(), FeedId::from_text("f"));
        let body = Bytes::from_static(b"body");
        kept.keep(&feed, Coding::Gzip, "1", &body);
        assert_eq!(kept.get(&feed, Coding::Gzip, "1"), Some(body.clone()));
        assert_eq!(kept.get(&feed, Coding::Gzip, "2"), None);
        assert_eq!(kept.get(&feed, Coding::Brotli, "1"), None);
        assert_eq!(kept.get(&FeedId::from_text("g"), Coding::Gzip, "1"), None);
        assert_eq!(kept.any(&feed, "1"), Some((Coding::Gzip, body)));
        kept.keep(&feed, Coding::Gzip, "2", &Bytes::from_static(b"newer"));
        assert_eq!(kept.get(&feed, Coding::Gzip, "1"), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let kept = Kept::new();
        let megabyte = Bytes::from(vec![0; 1024 * 1024]);
        for n in 0..100 {
            kept.keep(&FeedId::from_text(n.to_string()), Coding::Identity, "1", &megabyte);
        }
        kept.0.run_pending_tasks();
        assert!(kept.0.weighted_size() <= KEPT_BYTES_MAX);
        let large = Bytes::from(vec![0; BODY_BYTES_MAX + 1]);
        kept.keep(&FeedId::from_text("large"), Coding::Identity, "1", &large);
        assert_eq!(kept.any(&FeedId::from_text("large"), "1"), None);
    }
}
