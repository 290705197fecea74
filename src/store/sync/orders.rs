//! What managers ordered, until its end is told: resyncs and replays. An order stands in the database with who asked for
//! it, so that its end is audited whoever brings it about: the process that was asked, another one that was at work on the
//! link just then, or the next one after a crash.
//!
//! An order has a row for whoever carries it out, and one for each link whose work is to end a part of it. A row goes in
//! the transaction that ends its part; the last one to go tells the audit what became of all.

use super::leases::{LEASE_MS, Lease};
use crate::domain::ids::{AttemptId, FirmId, LinkId, ObjectId, OrderId};
use crate::domain::sync::RunStatus;
use crate::domain::time::Instant;
use crate::store::audit::NewAudit;
use crate::store::sql::{Row, StoreError, args};
use crate::store::tx::{ReadTx, WriteTx};

/// The row of whoever carries an order out.
const CARRIER: &str = "";
/// What is replayed is a success from then on.
const REPLAY: &str = "calendar_sync_manual_replay";
/// Rows of one order: more links than anybody has.
const PARTS_MAX: i64 = 1_000;
/// Rows that nobody ends any more, looked at in one go.
const LEFT_MAX: i64 = 100;
/// Of an order that nobody goes on with.
const CUT_OFF: &str = "it was cut off before its end";

/// What a part of an order came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it went.
    pub status: RunStatus,
    /// Appointments that were looked at.
    pub synced: u64,
    /// Why it did not all succeed; without content of events.
    pub why: Option<String>,
}

impl Outcome {
    /// It went well.
    #[must_use]
    pub const fn success(synced: u64) -> Outcome {
        Outcome { status: RunStatus::Success, synced, why: None }
    }

    /// It failed.
    #[must_use]
    pub fn failed(why: impl Into<String>) -> Outcome {
        Outcome { status: RunStatus::Failed, synced: 0, why: Some(why.into()) }
    }

    /// This and another part together.
    fn and(self, other: Outcome) -> Outcome {
        let worse = if rank(other.status) > rank(self.status) { other.status } else { self.status };
        Outcome { status: worse, synced: self.synced + other.synced, why: self.why.or(other.why) }
    }
}

fn rank(status: RunStatus) -> u8 {
    match status {
        RunStatus::Running => 0,
        RunStatus::Success => 1,
        RunStatus::Partial => 2,
        RunStatus::Failed => 3,
    }
}

/// A part of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderPart {
    /// The order.
    pub order: OrderId,
    /// The link whose work ends it; empty: whoever carries it out.
    pub link: LinkId,
}

impl OrderPart {
    /// Of whoever carries the order out.
    #[must_use]
    pub fn of_carrier(order: OrderId) -> OrderPart {
        OrderPart { order, link: LinkId::from_text(CARRIER) }
    }
}

/// A part that nobody ends any more, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftPart {
    /// The firm.
    pub firm: FirmId,
    /// The part.
    pub part: OrderPart,
    /// Nothing, where it was to be carried out by who is gone.
    pub outcome: Option<Outcome>,
}

/// What the work on a link is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits<'a> {
    /// A listing, and what it sends.
    Listing,
    /// One appointment that was queued then.
    Sending(&'a ObjectId, Instant),
}

fn part_of(row: &Row) -> Result<OrderPart, StoreError> {
    Ok(OrderPart { order: OrderId::from_text(row.text(0)?), link: LinkId::from_text(row.text(1)?) })
}

/// What is known of the parts that ended, in the columns of [`WriteTx::end_order`].
fn known_of(row: &Row) -> Result<Option<Outcome>, StoreError> {
    let Some(word) = row.opt_text(8)? else { return Ok(None) };
    let status = RunStatus::parse(&word).unwrap_or(RunStatus::Failed);
    Ok(Some(Outcome { status, synced: u64::try_from(row.int(9)?).unwrap_or(0), why: row.opt_text(10)? }))
}

fn together(one: Option<Outcome>, other: Option<Outcome>) -> Option<Outcome> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(other)),
        (one, other) => one.or(other),
    }
}

impl ReadTx {
    /// Parts of orders that nobody ends any more: their carrier is gone, their link does not work, or what they wait for is
    /// not waited for by the link.
    ///
    /// # Errors
    /// The database failed.
    pub async fn left_orders(&mut self) -> Result<Vec<LeftPart>, StoreError> {
        let rows = self
            .all(
                "select o.order_id, o.link_id, o.firm_id, l.status, k.status, l.direction, o.object_id from orders o \
                 left join links l on l.firm_id = o.firm_id and l.link_id = o.link_id \
                 left join connections k on k.firm_id = l.firm_id and k.connection_id = l.connection_id \
                 where case when o.link_id = '' then case when o.until_ms <= $1 then 1 else 0 end \
                 when exists (select 1 from orders c where c.firm_id = o.firm_id and c.order_id = o.order_id \
                 and c.link_id = '' and c.until_ms > $1) then 0 \
                 when l.status is null or l.status <> 'active' or k.status <> 'active' then 1 \
                 when o.object_id is not null and (l.direction = 'pull' or not exists (select 1 from outbox b \
                 where b.firm_id = o.firm_id and b.link_id = o.link_id and b.object_id = o.object_id)) then 1 \
                 else 0 end = 1 limit $2",
                args![self.now(), LEFT_MAX],
            )
            .await?;
        let left = |row: &Row| {
            let part = part_of(row)?;
            let (link, connection) = (row.opt_text(3)?, row.opt_text(4)?);
            let outcome = match (link.as_deref(), connection.as_deref()) {
                _ if part.link.as_str() == CARRIER => None,
                (Some("active"), Some("active")) if row.opt_text(5)?.as_deref() == Some("pull") => {
                    Some(Outcome::failed("the link sends nothing any more"))
                }
                // It was taken off the outbox, by whoever.
                (Some("active"), Some("active")) => Some(Outcome::success(0)),
                (Some("active"), Some(status)) => Some(Outcome::failed(format!("the connection is {status}"))),
                (Some(status), _) => Some(Outcome::failed(format!("the link is {status}"))),
                (None, _) => Some(Outcome::failed("the link is gone")),
            };
            Ok(LeftPart { firm: FirmId::from_text(row.text(2)?), part, outcome })
        };
        rows.iter().map(left).collect()
    }
}

impl WriteTx {
    /// Notes an order whose request the audit is told in the same transaction: `act` as its end will be told, its action
    /// without the last word. Whoever carries it out holds it as long as a lease.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin_order(&mut self, firm: &FirmId, act: &NewAudit) -> Result<OrderId, StoreError> {
        let (now, id) = (self.now(), OrderId::new(self.now(), self.random()));
        self.exec(
            "insert into orders (firm_id, order_id, link_id, action, target, actor, address, correlation_id, details, \
             until_ms, fence) values ($1, $2, '', $3, $4, $5, $6, $7, $8, $9, 0)",
            args![
                firm,
                &id,
                &act.action,
                &act.target,
                &act.actor,
                &act.address,
                &act.correlation_id,
                &act.details,
                now.plus_ms(LEASE_MS)
            ],
        )
        .await?;
        Ok(id)
    }

    /// Whoever carries it out is still at it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn keep_order(&mut self, firm: &FirmId, order: &OrderId) -> Result<(), StoreError> {
        let until = self.now().plus_ms(LEASE_MS);
        let sql = "update orders set until_ms = $3 where firm_id = $1 and order_id = $2 and link_id = ''";
        self.exec(sql, args![firm, order, until]).await.map(|_| ())
    }

    /// Has the work on a link end a part of an order, in the transaction that asks for that work. With a lease its holder
    /// ends it by [`WriteTx::end_order`], and only who comes after them does it in their stead; without one whoever works
    /// on the link does, though a listing that has begun before does not count.
    ///
    /// # Errors
    /// The database failed.
    pub async fn order_of_link(
        &mut self,
        (firm, order, link): (&FirmId, &OrderId, &LinkId),
        lease: Option<&Lease>,
        waits: Waits<'_>,
    ) -> Result<(), StoreError> {
        let (object, queued) = match waits {
            Waits::Listing => (None, None),
            Waits::Sending(object, queued) => (Some(object.as_str()), Some(queued)),
        };
        // No fencing token is as low as that.
        let anybody = lease.is_none() && object.is_some();
        self.exec(
            "insert into orders (firm_id, order_id, link_id, action, target, actor, address, correlation_id, details, \
             until_ms, fence, object_id, queued_ms) select o.firm_id, o.order_id, l.link_id, o.action, o.target, o.actor, \
             o.address, o.correlation_id, o.details, o.until_ms, case when $4 = 1 then -1 else l.fence end, $5, $6 \
             from orders o join links l on l.firm_id = o.firm_id and l.link_id = $3 where o.firm_id = $1 \
             and o.order_id = $2 and o.link_id = ''",
            args![firm, order, link, anybody, object, queued],
        )
        .await
        .map(|_| ())
    }

    /// Ends a part of an order; `None`: with nothing to tell of it. The last part tells the audit. Nothing where it had
    /// ended before.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_order(
        &mut self,
        firm: &FirmId,
        part: &OrderPart,
        outcome: Option<Outcome>,
    ) -> Result<(), StoreError> {
        // Two parts that end at once wait for each other, so that one of them is the last.
        self.exec("update firms set name = name where firm_id = $1", args![firm]).await?;
        let rows = self
            .all(
                "select order_id, link_id, action, target, actor, address, correlation_id, details, status, synced, failure \
                 from orders where firm_id = $1 and order_id = $2 order by link_id limit $3",
                args![firm, &part.order, PARTS_MAX],
            )
            .await?;
        let mut parts = Vec::with_capacity(rows.len());
        for row in &rows {
            parts.push((part_of(row)?, known_of(row)?, row));
        }
        let Some(place) = parts.iter().position(|(one, ..)| one == part) else { return Ok(()) };
        let (_, before, own) = parts.swap_remove(place);
        let known = together(before, outcome);
        let sql = "delete from orders where firm_id = $1 and order_id = $2 and link_id = $3";
        self.exec(sql, args![firm, &part.order, &part.link]).await?;
        match (parts.into_iter().next(), known) {
            // What is known goes with another part.
            (Some((other, theirs, _)), Some(known)) => {
                let known = together(theirs, Some(known.clone())).unwrap_or(known);
                self.exec(
                    "update orders set status = $4, synced = $5, failure = $6 where firm_id = $1 and order_id = $2 \
                     and link_id = $3",
                    args![
                        firm,
                        &other.order,
                        &other.link,
                        known.status.as_str(),
                        i64::try_from(known.synced).unwrap_or(i64::MAX),
                        known.why
                    ],
                )
                .await
                .map(|_| ())
            }
            (Some(_), None) => Ok(()),
            (None, known) => {
                let act = NewAudit {
                    action: own.text(2)?,
                    target: own.text(3)?,
                    actor: own.text(4)?,
                    address: own.text(5)?,
                    correlation_id: own.text(6)?,
                    details: own.text(7)?,
                };
                self.tell_end(firm, act, known.unwrap_or_else(|| Outcome::failed(CUT_OFF))).await
            }
        }
    }

    async fn tell_end(&mut self, firm: &FirmId, mut act: NewAudit, outcome: Outcome) -> Result<(), StoreError> {
        let (is_replay, failed) = (act.action == REPLAY, outcome.status == RunStatus::Failed);
        if is_replay && !failed {
            self.replayed(firm, &AttemptId::from_text(act.target.clone())).await?;
        }
        let word = match (failed, is_replay) {
            (true, _) => "failed",
            (false, true) => "success",
            (false, false) => "completed",
        };
        let mut details: serde_json::Value = serde_json::from_str(&act.details).unwrap_or_default();
        if let Some(details) = details.as_object_mut() {
            match (failed, outcome.why) {
                (true, why) => drop(details.insert("result".to_owned(), why.unwrap_or_default().into())),
                (false, why) => {
                    details.insert("result".to_owned(), outcome.status.as_str().into());
                    details.insert("synced_count".to_owned(), outcome.synced.into());
                    why.map(|why| details.insert("error_summary".to_owned(), why.into()));
                }
            }
        }
        act.action = format!("{}_{word}", act.action);
        act.details = details.to_string();
        self.audit(firm, &act).await
    }

    /// Has all orders that wait for a listing of this link be answered by the one that begins under this lease.
    pub(super) async fn answer_by_listing(&mut self, lease: &Lease) -> Result<(), StoreError> {
        self.exec(
            "update orders set fence = $3 - 1 where firm_id = $1 and link_id = $2 and object_id is null and fence >= $3",
            args![&lease.firm, &lease.link, lease.fence],
        )
        .await
        .map(|_| ())
    }

    /// What orders wait for a listing of this link that begins after they were given, as one under this lease does.
    ///
    /// # Errors
    /// The database failed.
    pub async fn orders_of_listing(&mut self, lease: &Lease) -> Result<Vec<OrderPart>, StoreError> {
        let rows = self
            .all(
                "select order_id, link_id from orders where firm_id = $1 and link_id = $2 and object_id is null \
                 and fence < $3 limit $4",
                args![&lease.firm, &lease.link, lease.fence, PARTS_MAX],
            )
            .await?;
        rows.iter().map(part_of).collect()
    }

    /// Ends what orders wait for an appointment to be sent that was queued at that time or before.
    pub(super) async fn end_orders_of_sending(
        &mut self,
        lease: &Lease,
        object: &ObjectId,
        queued: Instant,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        let rows = self
            .all(
                "select order_id, link_id from orders where firm_id = $1 and link_id = $2 and object_id = $3 \
                 and fence < $4 and queued_ms <= $5 limit $6",
                args![&lease.firm, &lease.link, object, lease.fence, queued, PARTS_MAX],
            )
            .await?;
        for row in &rows {
            self.end_order(&lease.firm, &part_of(row)?, Some(outcome.clone())).await?;
        }
        Ok(())
    }
}
