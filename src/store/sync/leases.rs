//! Who works on a link, and when. A lease belongs to one node until it ends; its fencing token is demanded by every
//! write of a run, so that a node that was thought dead can change nothing any more.

use crate::domain::ids::{FirmId, LinkId};
use crate::domain::sync::{RunKind, RunStatus, Way};
use crate::domain::time::{Instant, MINUTE_MS};
use crate::store::sql::{StoreError, args};
use crate::store::tx::{ReadTx, WriteTx};

/// How long a lease lasts after its last write: longer than the longest single call to a provider.
pub const LEASE_MS: i64 = 2 * MINUTE_MS;
/// How many links the scheduler takes in one look.
pub const DUE_MAX: i64 = 200;

/// The right to work on a link until the lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The firm.
    pub firm: FirmId,
    /// The link.
    pub link: LinkId,
    /// The fencing token.
    pub fence: i64,
}

/// A link that has something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The firm.
    pub firm: FirmId,
    /// The link.
    pub link: LinkId,
}

impl ReadTx {
    /// Links with something to do that nobody works on: a run that is due, or an outbox row. Firms and links in an
    /// order that favours nobody for long: what waits longest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn due_links(&mut self) -> Result<Vec<Due>, StoreError> {
        let now = self.now();
        let rows = self
            .all(
                "select l.firm_id, l.link_id, l.due_ms from links l \
                 join connections k on k.firm_id = l.firm_id and k.connection_id = l.connection_id \
                 where l.status = 'active' and l.due_ms <= $1 and k.status = 'active' \
                 and (l.lease_until_ms is null or l.lease_until_ms <= $1) \
                 and (k.slow_until_ms is null or k.slow_until_ms <= $1) \
                 union select o.firm_id, o.link_id, o.not_before_ms from (select firm_id, link_id, \
                 min(not_before_ms) as not_before_ms from outbox where not_before_ms <= $1 group by firm_id, link_id) o \
                 join links l on l.firm_id = o.firm_id and l.link_id = o.link_id \
                 join connections k on k.firm_id = l.firm_id and k.connection_id = l.connection_id \
                 where l.status = 'active' and k.status = 'active' \
                 and (l.lease_until_ms is null or l.lease_until_ms <= $1) \
                 and (k.slow_until_ms is null or k.slow_until_ms <= $1) \
                 order by 3 limit $2",
                args![now, DUE_MAX],
            )
            .await?;
        let mut due: Vec<Due> = Vec::with_capacity(rows.len());
        for row in &rows {
            let one = Due { firm: FirmId::from_text(row.text(0)?), link: LinkId::from_text(row.text(1)?) };
            if !due.contains(&one) {
                due.push(one);
            }
        }
        Ok(due)
    }

    /// When the next link will have something to do that may be done then: not before its account may be asked again, and
    /// a lease has ended. `None`: nothing is planned.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next_due(&mut self) -> Result<Option<Instant>, StoreError> {
        let row = self
            .first(
                "select min(case when t.due < t.slow and t.held <= t.slow then t.slow when t.due < t.held then t.held \
                 else t.due end) from (select case when o.due < l.due_ms then o.due else l.due_ms end as due, \
                 coalesce(k.slow_until_ms, 0) as slow, coalesce(l.lease_until_ms, 0) as held from links l \
                 join connections k on k.firm_id = l.firm_id and k.connection_id = l.connection_id \
                 left join (select firm_id, link_id, min(not_before_ms) as due from outbox group by firm_id, link_id) o \
                 on o.firm_id = l.firm_id and o.link_id = l.link_id \
                 where l.status = 'active' and k.status = 'active') t",
                args![],
            )
            .await?;
        row.map_or(Ok(None), |r| r.opt_instant(0))
    }
}

impl WriteTx {
    /// Asks for a run of a link, not before `at`. A run that is due earlier stays due earlier, by a millisecond more, so
    /// that [`WriteTx::end_pull`] sees that somebody asked during a run; a stronger kind (`resync` before
    /// `full` before all others) is not weakened.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ask_for_run(
        &mut self,
        firm: &FirmId,
        id: &LinkId,
        kind: RunKind,
        at: Instant,
    ) -> Result<bool, StoreError> {
        self.ask_for_run_as(firm, id, kind, at, None).await
    }

    /// As [`WriteTx::ask_for_run`], with the id of the request or notification that asks: the run has it too.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ask_for_run_as(
        &mut self,
        firm: &FirmId,
        id: &LinkId,
        kind: RunKind,
        at: Instant,
        correlation_id: Option<&str>,
    ) -> Result<bool, StoreError> {
        let rows = self
            .exec(
                "update links set due_ms = case when due_ms <= $4 then due_ms - 1 else $4 end, \
                 due_kind = case when due_kind = 'resync' or due_kind = 'full' and $3 <> 'resync' then due_kind \
                 else $3 end, \
                 due_correlation = coalesce($5, due_correlation) \
                 where firm_id = $1 and link_id = $2 and status <> 'detached'",
                args![firm, id, kind.as_str(), at, correlation_id],
            )
            .await?;
        self.wake();
        Ok(rows == 1)
    }

    /// Stops a link whose run would remove so many on one side, until somebody confirms.
    ///
    /// # Errors
    /// The database failed.
    pub async fn hold_back(&mut self, lease: &Lease, way: Way, removals: u64, note: &str) -> Result<(), StoreError> {
        let now = self.now();
        self.exec(
            "update links set status = 'needs_confirmation', status_note = $4, held_back = $5, held_way = $6, \
             changed_ms = $7, due_ms = $7 where firm_id = $1 and link_id = $2 and fence = $3",
            args![
                &lease.firm,
                &lease.link,
                lease.fence,
                note,
                i64::try_from(removals).unwrap_or(i64::MAX),
                way.as_str(),
                now
            ],
        )
        .await?;
        self.wake();
        Ok(())
    }

    /// Lets a link remove as many as somebody confirmed, at most those that the guard counted when it stopped, and run
    /// again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn confirm_link(&mut self, firm: &FirmId, id: &LinkId, removals: i64) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "update links set confirmed = case when held_back < $3 then held_back else $3 end, status = 'active', status_note = null, due_ms = $4 \
                 where firm_id = $1 and link_id = $2 and status = 'needs_confirmation'",
                args![firm, id, removals, now],
            )
            .await?;
        if rows == 1 {
            self.settle_stopped(firm, id.as_str()).await?;
        }
        self.wake();
        Ok(rows == 1)
    }

    /// Takes the lease of a link for `owner`. `None`: somebody else has it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take_lease(&mut self, due: &Due, owner: &str) -> Result<Option<Lease>, StoreError> {
        let now = self.now();
        let row = self
            .first(
                "update links set lease_owner = $3, lease_until_ms = $4, fence = fence + 1 \
                 where firm_id = $1 and link_id = $2 and (lease_until_ms is null or lease_until_ms <= $5) \
                 returning fence",
                args![&due.firm, &due.link, owner, now.plus_ms(LEASE_MS), now],
            )
            .await?;
        row.map(|r| Ok(Lease { firm: due.firm.clone(), link: due.link.clone(), fence: r.int(0)? })).transpose()
    }

    /// Demands that the lease is still ours and prolongs it; first thing in every write of a run. `false`: it is lost,
    /// and nothing of this transaction may be committed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn keep_lease(&mut self, lease: &Lease) -> Result<bool, StoreError> {
        let until = self.now().plus_ms(LEASE_MS);
        let rows = self
            .exec(
                "update links set lease_until_ms = $4 where firm_id = $1 and link_id = $2 and fence = $3 \
                 and lease_owner is not null",
                args![&lease.firm, &lease.link, lease.fence, until],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Gives a lease back.
    ///
    /// # Errors
    /// The database failed.
    pub async fn release(&mut self, lease: &Lease) -> Result<(), StoreError> {
        self.exec(
            "update links set lease_owner = null, lease_until_ms = null where firm_id = $1 and link_id = $2 and fence = $3",
            args![&lease.firm, &lease.link, lease.fence],
        )
        .await?;
        // What came while the lease was held waits for a look.
        self.wake();
        Ok(())
    }

    /// Sets where a link's listing stands. Held leases only.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_cursor(
        &mut self,
        lease: &Lease,
        cursor: Option<&str>,
        generation: i64,
        progress: Option<&str>,
    ) -> Result<(), StoreError> {
        self.exec(
            "update links set cursor = $4, generation = $5, progress = $6 where firm_id = $1 and link_id = $2 and fence = $3",
            args![&lease.firm, &lease.link, lease.fence, cursor, generation, progress],
        )
        .await
        .map(|_| ())
    }

    /// Begins a pull: notes that it is due again when the lease would have ended, so that a node that dies is followed
    /// by another, and whoever asks for a run meanwhile is not forgotten. Gives that time, for [`WriteTx::end_pull`].
    /// `was` is when the link was due as it was looked at: who asked since asked for more than what begins here, and
    /// whoever asked before is answered by it, also where they asked after its lease was taken.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin_pull(&mut self, lease: &Lease, was: Instant) -> Result<Instant, StoreError> {
        let again = self.now().plus_ms(LEASE_MS);
        let rows = self
            .exec(
                "update links set due_ms = $4, due_correlation = null where firm_id = $1 and link_id = $2 and fence = $3 \
                 and due_ms = $5",
                args![&lease.firm, &lease.link, lease.fence, again, was],
            )
            .await?;
        if rows == 1 {
            self.answer_by_listing(lease).await?;
        }
        Ok(again)
    }

    /// Notes how a pull ended and when the next is due, unless somebody asked for one meanwhile.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_pull(
        &mut self,
        lease: &Lease,
        begun: Instant,
        status: RunStatus,
        (next, kind): (Instant, RunKind),
    ) -> Result<(), StoreError> {
        let now = self.now();
        let success = (status != RunStatus::Failed).then_some(now);
        self.exec(
            "update links set last_run_ms = $4, last_success_ms = coalesce($5, last_success_ms), last_status = $6, \
             failures = case when $6 = 'failed' then failures + 1 else 0 end, \
             due_kind = case when due_ms = $7 then $9 else due_kind end, due_ms = case when due_ms = $7 then $8 else due_ms end \
             where firm_id = $1 and link_id = $2 and fence = $3",
            args![&lease.firm, &lease.link, lease.fence, now, success, status.as_str(), begun, next, kind.as_str()],
        )
        .await
        .map(|_| ())
    }

    /// Notes when everything there was listed to the end; `None`: something was missed, everything is to be listed soon.
    ///
    /// # Errors
    /// The database failed.
    pub async fn note_listed(&mut self, lease: &Lease, listed: Option<Instant>) -> Result<(), StoreError> {
        self.exec(
            "update links set listed_ms = $4 where firm_id = $1 and link_id = $2 and fence = $3",
            args![&lease.firm, &lease.link, lease.fence, listed],
        )
        .await
        .map(|_| ())
    }

    /// Uses up what somebody confirmed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn clear_confirmation(&mut self, lease: &Lease) -> Result<(), StoreError> {
        self.exec(
            "update links set confirmed = 0, held_back = null, held_way = null where firm_id = $1 and link_id = $2 and fence = $3",
            args![&lease.firm, &lease.link, lease.fence],
        )
        .await
        .map(|_| ())
    }
}
