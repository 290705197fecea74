//! What is known of a request before anybody has read it.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;

use crate::domain::access::Caller;
use crate::domain::change::{Cause, Via};
use crate::store::NewAudit;

/// One request's circumstances. The listener puts it into the request's extensions; every face finds it there.
#[derive(Clone, Debug)]
pub struct Visit {
    /// In the answer's `X-Correlation-Id`, the logs, the versions and the audit.
    pub correlation_id: String,
    /// Whom the request comes from; behind a trusted proxy the address that it names.
    pub address: IpAddr,
    /// Scheme and authority under which the caller reached us, without a slash at the end.
    pub base_url: String,
}

impl Visit {
    /// The cause to keep with what this request changes.
    #[must_use]
    pub fn cause(&self, via: Via, caller: &Caller, headers: &HeaderMap) -> Cause {
        let agent = headers.get(USER_AGENT).and_then(|v| v.to_str().ok());
        Cause::by(via, caller.name.as_str(), agent, Some(&self.correlation_id))
    }

    /// An act of this caller for the audit.
    #[must_use]
    pub fn act(&self, caller: &Caller, action: &str, target: &str, details: &serde_json::Value) -> NewAudit {
        NewAudit {
            actor: caller.name.as_str().to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            details: details.to_string(),
            correlation_id: self.correlation_id.clone(),
            address: self.address.to_string(),
        }
    }
}

/// Whether a body ended because it came too slowly: the listener cuts it with an error of kind `TimedOut`, which
/// whoever reads it finds below others.
#[must_use]
pub fn came_too_slowly(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|e| e.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut))
}
