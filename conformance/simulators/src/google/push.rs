//! Notification channels.

/// The channels that are open.
#[derive(Debug, Default)]
pub(crate) struct Push {}

impl Push {
    pub(crate) fn changed(&mut self, _now_ms: i64, _calendar: &str) {}
}
