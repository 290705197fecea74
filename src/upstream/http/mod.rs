//! The one way out: every request to a provider goes through a [`Transport`].
//!
//! Job: send one request under limits and say truthfully whether it went out. Neighbours: connectors and
//! [`super::oauth`] build requests and read answers; tests answer in process. It must never know a provider, follow a
//! redirect or try again.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `net` | the network |
//! | `correlation` | the id that goes with every request of one piece of work |
//! | `guard` | which addresses a user may name |
//! | `retry_after` | how long a provider wants us to wait |

mod correlation;
mod guard;
mod net;
mod retry_after;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};

pub use correlation::{CORRELATION, correlated, correlation_of_call};
pub use guard::{Forbidden, is_public, judged};
pub use net::Net;
pub use retry_after::retry_after;

use super::Failure;

/// How long a whole exchange may take. Google gives up on its own side after a minute.
pub const WITHIN: Duration = Duration::from_secs(60);
/// The largest answer about one thing. An event with 200 guests and a full description stays far below.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The largest page of a listing: 2,500 events of 10 kB.
pub const PAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Who we are, to those we ask.
pub const USER_AGENT: &str = concat!("Kalends/", env!("CARGO_PKG_VERSION"));

/// Who named the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The operator, in the configuration: any address will do.
    Operator,
    /// A user, or an answer: only public addresses unless the operator allows others.
    User,
}

/// What one exchange may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte out to the last one in.
    pub within: Duration,
    /// The largest body of an answer; a longer one is cut off and refused.
    pub bytes_max: usize,
    /// Who named the address.
    pub named_by: NamedBy,
}

impl Limits {
    /// For an answer about one thing, from an address in the configuration.
    pub const ONE: Limits = Limits { within: WITHIN, bytes_max: ANSWER_BYTES_MAX, named_by: NamedBy::Operator };
    /// For a page of a listing, from an address in the configuration.
    pub const PAGE: Limits = Limits { within: WITHIN, bytes_max: PAGE_BYTES_MAX, named_by: NamedBy::Operator };
}

/// Why there is no answer. The sentences hold neither addresses nor content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nothing went out.
    #[error("the provider cannot be reached: {0}")]
    Unsent(String),
    /// It went out, and what became of it is not known.
    #[error("the connection broke: {0}")]
    Lost(String),
    /// The answer is larger than any that would make sense.
    #[error("the answer is too large")]
    TooLarge,
    /// The address is none that a user may name.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
}

/// Sends requests.
pub trait Transport: Send + Sync {
    /// One request, one answer; the answer may be a redirect or an error, which is for the caller to read.
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>>;
}

/// Whether a request changes anything at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only asks.
    Reads,
    /// It changes something; a lost answer leaves us not knowing.
    Writes,
}

impl TransportError {
    /// What it means for a request of that effect.
    #[must_use]
    pub fn failure(self, effect: Effect) -> Failure {
        match (&self, effect) {
            (TransportError::Lost(_) | TransportError::TooLarge, Effect::Writes) => Failure::Unknown(self.to_string()),
            (TransportError::Unsent(_) | TransportError::Lost(_), _) => Failure::Transient(self.to_string(), None),
            (TransportError::TooLarge, Effect::Reads) => Failure::BadAnswer(self.to_string()),
            (TransportError::Forbidden(_), _) => Failure::Refused(self.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_answer_is_unknown_only_where_something_may_have_changed() {
        let lost = || TransportError::Lost("reset".into());
        assert!(matches!(lost().failure(Effect::Writes), Failure::Unknown(_)));
        assert!(matches!(lost().failure(Effect::Reads), Failure::Transient(..)));
        assert!(matches!(TransportError::Unsent("dns".into()).failure(Effect::Writes), Failure::Transient(..)));
        assert!(matches!(TransportError::TooLarge.failure(Effect::Reads), Failure::BadAnswer(_)));
        assert!(matches!(TransportError::TooLarge.failure(Effect::Writes), Failure::Unknown(_)));
        assert!(matches!(TransportError::Forbidden(Forbidden).failure(Effect::Reads), Failure::Refused(_)));
    }
}
