//! Moving an object to another name or calendar: one object with one history before and after, gone from one
//! change log and new in the other at the same moment.

use super::calendars::{CalendarError, demand};
use super::door::{PutError, PutOutcome};
use super::sql::{StoreError, args, json};
use super::tx::WriteTx;
use crate::domain::access::{Access, Right};
use crate::domain::calendar::Seq;
use crate::domain::change::{Cause, ChangeKind, Guard};
use crate::domain::ids::{ObjectId, ResourceName};

/// What to do with an object that stands at the destination (RFC 4918 §10.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// `Overwrite: T`, also by default: it is deleted first.
    Yes,
    /// `Overwrite: F`: nothing is done.
    No,
}

/// Why a move was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Something stands at the destination and may not be overwritten.
    #[error("something is there already")]
    DestinationExists,
    /// As for a put.
    #[error(transparent)]
    Put(#[from] PutError),
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> TransferError {
        TransferError::Put(error.into())
    }
}

impl From<CalendarError> for TransferError {
    fn from(error: CalendarError) -> TransferError {
        TransferError::Put(error.into())
    }
}

/// Whether an object lives on elsewhere after it left a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Yes,
    No,
}

impl WriteTx {
    /// Moves an object. `created` in the outcome tells whether the destination was free.
    ///
    /// # Errors
    /// As for [`WriteTx::put_object`], and [`TransferError::DestinationExists`].
    pub async fn move_object(
        &mut self,
        (from, name): (&Access, &ResourceName),
        (to, new_name): (&Access, &ResourceName),
        guard: &Guard,
        overwrite: Overwrite,
        cause: &Cause,
    ) -> Result<PutOutcome, TransferError> {
        demand(from, Right::Write)?;
        demand(to, Right::Write)?;
        // Calendars are locked in the order of their ids, so that two opposite moves cannot wait for each other.
        if to.calendar() < from.calendar() {
            self.next_seq(to).await?;
        }
        let left = self.next_seq(from).await?;
        let head = self.object_head(from, name).await?.ok_or(PutError::NotFound)?;
        if !guard.holds(Some(&head.etag)) {
            return Err(PutError::GuardFailed.into());
        }
        if (from.calendar(), name) == (to.calendar(), new_name) {
            return Err(PutError::UidConflict { name: name.clone() }.into());
        }
        self.expect_taken(to, head.component.name()).await?;
        let there = self.object_head(to, new_name).await?;
        if there.is_some() && overwrite == Overwrite::No {
            return Err(TransferError::DestinationExists);
        }
        if there.is_some() {
            self.delete_object(to, new_name, &Guard::NONE, cause).await?;
        }
        if from.calendar() != to.calendar() {
            let row = self
                .first(
                    "select name from objects where firm_id = $1 and calendar_id = $2 and uid = $3",
                    args![to.firm(), to.calendar(), &head.uid],
                )
                .await?;
            if let Some(row) = row {
                return Err(PutError::UidConflict { name: super::objects::name_of(&row, 0)? }.into());
            }
        }
        self.leave_version(from, name, &head.etag).await?;
        let arrived = self.next_seq(to).await?;
        let rows = self
            .exec(
                "update objects set calendar_id = $5, name = $6, seq = $7, version = version + 1, kind = $8, \
                 cause = $9, changed_ms = $10 where firm_id = $1 and calendar_id = $2 and name = $3 and etag = $4",
                args![
                    from.firm(),
                    from.calendar(),
                    name,
                    &head.etag,
                    to.calendar(),
                    new_name,
                    arrived,
                    ChangeKind::Moved.as_str(),
                    json(cause),
                    self.now()
                ],
            )
            .await?;
        if rows != 1 {
            return Err(PutError::GuardFailed.into());
        }
        self.tombstone(from, name, left, (&head.id, &head.uid), Moved::Yes).await?;
        self.exec(
            "delete from tombstones where firm_id = $1 and calendar_id = $2 and name = $3",
            args![to.firm(), to.calendar(), new_name],
        )
        .await?;
        self.queue(from.firm(), from.calendar(), &head.id, cause).await?;
        self.queue(to.firm(), to.calendar(), &head.id, cause).await?;
        Ok(PutOutcome {
            id: head.id,
            created: there.is_none(),
            changed: true,
            etag: head.etag,
            seq: arrived,
            version: head.version + 1,
        })
    }

    /// Marks a name as gone for clients that sync.
    pub(super) async fn tombstone(
        &mut self,
        access: &Access,
        name: &ResourceName,
        seq: Seq,
        (id, uid): (&ObjectId, &str),
        moved: Moved,
    ) -> Result<(), StoreError> {
        let now = self.now();
        self.exec(
            "insert into tombstones (firm_id, calendar_id, name, seq, object_id, uid, moved, deleted_ms) \
             values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (firm_id, calendar_id, name) do update set \
             seq = excluded.seq, object_id = excluded.object_id, uid = excluded.uid, moved = excluded.moved, \
             deleted_ms = excluded.deleted_ms",
            args![access.firm(), access.calendar(), name, seq, id, uid, moved == Moved::Yes, now],
        )
        .await
        .map(|_| ())
    }

    async fn expect_taken(&mut self, access: &Access, component: &'static str) -> Result<(), PutError> {
        let row = self
            .first(
                "select components from calendars where firm_id = $1 and calendar_id = $2",
                args![access.firm(), access.calendar()],
            )
            .await?
            .ok_or(PutError::NotFound)?;
        if row.text(0)?.split(' ').any(|c| c == component) {
            Ok(())
        } else {
            Err(PutError::ComponentNotTaken(component))
        }
    }
}
