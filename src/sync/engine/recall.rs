//! What stood there once is asked for before it is made anew: whoever brought it back there from a bin has it there
//! already, and a second one beside it would be a double.

use bytes::Bytes;

use super::account::ask;
use super::{Engine, Job, Stop, ends_everything};
use crate::domain::object::CalendarObject;
use crate::domain::sync::{AttemptKind, ErrorClass, MappingState, ParkReason, RemoteId};
use crate::store::{Mapping, Outgoing as Waiting, PutOutcome, WriteTx};
use crate::upstream::Failure;

/// What is told of an item beside another one of the same event.
const SECOND: &str = "another event there stands for the same appointment";

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recalled {
    /// It is there, and stands for its object again: what is still to be said of it is looked at anew.
    There,
    /// It is not there: another one is made.
    Absent,
    /// It could not be asked for now.
    Later,
}

/// The item that stood for an object before it was taken away, whoever took it away.
pub(super) fn stood(mapping: &Mapping) -> Option<RemoteId> {
    let is_away = matches!(
        mapping.state,
        MappingState::Tombstoned
            | MappingState::Parked(ParkReason::Withdrawn | ParkReason::Expanded | ParkReason::RemovedThere)
    );
    mapping.remote.clone().filter(|_| is_away)
}

impl Engine {
    /// Asks for the item that stood for an object, and takes it up where it is there.
    pub(super) async fn recall(
        &self,
        job: &mut Job,
        waiting: &Waiting,
        mut mapping: Mapping,
        id: &RemoteId,
    ) -> Result<Recalled, Stop> {
        let started = self.store().now();
        let up = job.up.clone();
        let item = match ask!(self, &mut job.account, |at| up.fetch(at, id)) {
            Ok(Some(item)) => item,
            Ok(None) | Err(Failure::Gone) => return Ok(Recalled::Absent),
            // That it cannot be read keeps nothing from being sent.
            Err(failure) if failure.class() == ErrorClass::NonRetryable && !ends_everything(&failure) => {
                return Ok(Recalled::Absent);
            }
            Err(failure) => {
                self.put_off(job, waiting, Some(id), &failure, started, AttemptKind::Upsert).await?;
                return if ends_everything(&failure) { Err(Stop::Call(failure)) } else { Ok(Recalled::Later) };
            }
        };
        let mut tx = self.held(job).await?;
        mapping.state = MappingState::Synced;
        mapping.base_version = 0;
        tx.put_mapping(&job.lease, &mapping).await?;
        let generation = mapping.generation;
        self.apply_item(&mut tx, job, Some(mapping), id, &item, generation, None).await?;
        tx.commit().await?;
        Ok(Recalled::There)
    }
}

impl Engine {
    /// Puts what comes from there as an object of its own. Where it is one that was deleted here, that one comes back, and
    /// what is known of another item for it gives way; where that item is still there, this one is a second.
    pub(super) async fn bring(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        mapping: &Mapping,
        object: &CalendarObject,
    ) -> Result<Result<(PutOutcome, Bytes), String>, Stop> {
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        if let Some(deleted) = tx.deleted_by_uid(&job.access, object.uid()).await?
            && let Some(other) = tx.mapping_of_object(firm, link, &deleted).await?.filter(|m| m.id != mapping.id)
        {
            if other.is_there() {
                return Ok(Err(SECOND.to_owned()));
            }
            tx.drop_mapping(&job.lease, &other.id).await?;
        }
        self.put(tx, job, None, object).await
    }
}
