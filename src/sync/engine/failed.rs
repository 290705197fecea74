//! A call that failed: what that means for its object, and when it is tried again.

use super::{Engine, Job, Stop, ends_everything};
use crate::domain::sync::{AttemptKind, Calling, ErrorClass, MappingState, ParkReason, RemoteId};
use crate::domain::time::Instant;
use crate::store::{Mapping, Outgoing as Waiting};
use crate::sync::retry;
use crate::upstream::Failure;

impl Engine {
    /// What a failed call means for its object. `false`: look at it once more now.
    pub(super) async fn failed(
        &self,
        job: &mut Job,
        waiting: &Waiting,
        mut mapping: Mapping,
        failure: &Failure,
        started: Instant,
        operation: AttemptKind,
    ) -> Result<bool, Stop> {
        let call = mapping.state.call().cloned();
        let unsure = |call: Calling| MappingState::Unsure { call, since_ms: started.ms() };
        // What never was there is not gone, and what is there is not looked for as if it were to be created.
        let create = mapping.base_item.is_none();
        let made = |version| Calling {
            create,
            version,
            sent: call.as_ref().and_then(|call| call.sent.clone()),
            undoes: call.as_ref().is_some_and(|call| call.undoes),
        };
        let version = call.as_ref().map_or(0, |call| call.version);
        match failure {
            // Not errors: the item has to be looked at.
            Failure::Gone if mapping.state.is_deletion() => mapping.state = unsure(Calling::deletion()),
            Failure::Changed | Failure::Gone | Failure::Exists => {
                mapping.state = unsure(made(if create { 0 } else { version }))
            }
            Failure::Unknown(_) if mapping.state.is_deletion() => mapping.state = unsure(Calling::deletion()),
            Failure::Unknown(_) => mapping.state = unsure(made(version)),
            _ if failure.class() == ErrorClass::NonRetryable && !ends_everything(failure) => {
                let class = failure.class();
                mapping.warnings = vec![failure.to_string()];
                mapping.state = MappingState::Parked(ParkReason::Refused { class, reason: failure.to_string() });
            }
            _ => {}
        }
        let mut tx = self.held(job).await?;
        tx.put_mapping(&job.lease, &mapping).await?;
        if matches!(failure, Failure::Changed | Failure::Gone | Failure::Exists) {
            tx.commit().await?;
            return Ok(false);
        }
        if let MappingState::Parked(_) = mapping.state {
            tx.unqueue(&job.lease, waiting).await?;
            job.leave(failure.to_string());
            let attempt = self.attempt(operation, waiting, mapping.remote.as_ref(), Some(failure), started);
            self.record(&mut tx, job, attempt).await?;
            tx.commit().await?;
            return Ok(true);
        }
        tx.commit().await?;
        self.put_off(job, waiting, mapping.remote.as_ref(), failure, started, operation).await?;
        if ends_everything(failure) { Err(Stop::Call(failure.clone())) } else { Ok(true) }
    }

    /// Puts an object off after a failure that may pass.
    pub(super) async fn put_off(
        &self,
        job: &mut Job,
        waiting: &Waiting,
        remote: Option<&RemoteId>,
        failure: &Failure,
        started: Instant,
        operation: AttemptKind,
    ) -> Result<(), Stop> {
        let now = self.store().now();
        let tries = waiting.tries + 1;
        let jitter = u64::from_le_bytes(self.store().chance().bytes());
        let wait =
            retry::next(failure.class(), u32::try_from(tries).unwrap_or(u32::MAX), failure.retry_after(), jitter);
        let next = wait.map(|w| now.plus_ms(i64::try_from(w.as_millis()).unwrap_or(i64::MAX)));
        // After the last retry it waits for the next scheduled run, and counts anew from there.
        let not_before = next.unwrap_or_else(|| now.plus_ms(job.link.settings.interval_ms));
        let mut tx = self.held(job).await?;
        let again = (if next.is_some() { tries } else { 0 }, not_before);
        tx.put_off(&job.lease, waiting, again, Some(&failure.to_string())).await?;
        job.leave(failure.to_string());
        let mut attempt = self.attempt(operation, waiting, remote, Some(failure), started);
        attempt.next_retry = next;
        attempt.max_retries_reached = next.is_none() && failure.class() != ErrorClass::NonRetryable;
        if attempt.max_retries_reached {
            let text =
                format!("Appointments could not be sent to {}; they wait for the next run", job.link.remote_name);
            tx.notify_user((&job.lease.firm, &job.link.user), "retries_exhausted", job.link.id.as_str(), &text).await?;
        }
        self.record(&mut tx, job, attempt).await?;
        self.consequences(&mut tx, job, failure).await?;
        tx.commit().await?;
        Ok(())
    }
}
