//! The way from a simulated node to the simulated provider: in process, through the node's gate, with the connection's own
//! faults as the provider orders them.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use kalends_simulators::google::{Google, Outcome};

use crate::domain::time::{Clock, ManualClock};
use crate::store::{Gate, Passing};
use crate::upstream::http::{Limits, Transport, TransportError};

/// The provider, shared by all who reach it.
pub(super) type Provider = Arc<Mutex<Google>>;

/// One node's way.
pub(super) struct Wire {
    pub(super) provider: Provider,
    pub(super) clock: Arc<ManualClock>,
    pub(super) gate: Arc<Gate>,
}

impl Transport for Wire {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            self.gate.pass(Passing::Request).await;
            let outcome = {
                let mut provider = self.provider.lock().unwrap_or_else(PoisonError::into_inner);
                provider.handle(self.clock.now().ms(), &request)
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
