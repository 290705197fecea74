//! The way from a simulated node to the simulated providers: in process, through the node's gate, with the connection's own
//! faults as they order them.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use kalends_simulators::outcome::Outcome;

use super::person::Shared;
use crate::domain::time::{Clock, ManualClock};
use crate::store::{Gate, Passing};
use crate::upstream::http::{Limits, Transport, TransportError};

/// One node's way.
pub(super) struct Wire {
    pub(super) provider: Shared,
    pub(super) clock: Arc<ManualClock>,
    pub(super) gate: Arc<Gate>,
}

impl Transport for Wire {
    fn send(
        &self,
        mut request: Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            self.gate.pass(Passing::Request).await;
            if let Some(host) = request.uri().host().and_then(|host| host.parse().ok()) {
                request.headers_mut().insert(http::header::HOST, host);
            }
            let outcome = {
                let now = self.clock.now().ms();
                match request.uri().host() {
                    Some("google.example") => self.provider.google().handle(now, &request),
                    _ => self.provider.microsoft().handle(now, &request),
                }
            };
            let lost = || TransportError::Lost("the connection was cut".to_owned());
            let answer = match outcome {
                Outcome::Answer(response) => Ok(response),
                Outcome::Lost | Outcome::Truncated { .. } => Err(lost()),
                Outcome::Late { after_ms, response } => {
                    let within = u64::try_from(limits.within.as_millis()).unwrap_or(u64::MAX);
                    self.clock.advance_ms(i64::try_from(after_ms.min(within)).unwrap_or(0));
                    if after_ms > within { Err(lost()) } else { Ok(response) }
                }
            };
            self.gate.pass(Passing::Answer).await;
            match answer {
                Ok(response) if response.body().len() > limits.bytes_max => Err(TransportError::TooLarge),
                answer => answer,
            }
        })
    }
}
