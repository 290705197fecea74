//! The provider over HTTP.

use std::sync::MutexGuard;

use bytes::Bytes;

use super::{Delivery, Microsoft, Outcome, Received};
use crate::serve::{Provider, Reaction};

/// A Microsoft that listens: the API below `/v1.0`, the identity platform below `/{tenant}`.
pub type Server = crate::serve::Server<Microsoft>;

impl Server {
    /// The provider, to set up, break and look at while it is served.
    pub fn microsoft(&self) -> MutexGuard<'_, Microsoft> {
        self.provider()
    }
}

impl Provider for Microsoft {
    fn begin(&mut self, now_ms: i64, request: &http::Request<Bytes>) -> Reaction {
        Self::begin(self, now_ms, request)
    }

    fn resume(&mut self, now_ms: i64, ticket: u64, answers: Vec<Option<Received>>) -> Outcome {
        self.go_on(now_ms, ticket, Some(answers))
    }

    fn due(&mut self, now_ms: i64) -> Vec<Delivery> {
        self.deliveries(now_ms)
    }

    fn posted(&mut self, now_ms: i64, delivery: &Delivery, status: Option<u16>) {
        if !status.is_some_and(|status| (200..300).contains(&status)) {
            self.delivery_failed(now_ms, delivery);
        }
    }
}
