//! What links still have to carry out: one row per link and object, written in the transaction of the change.

use crate::domain::change::{Cause, Via};
use crate::domain::ids::{CalendarId, FirmId, LinkId, ObjectId};
use crate::domain::time::Instant;
use crate::store::sql::{Row, StoreError, args};
use crate::store::tx::{ReadTx, WriteTx};

use super::attempts::Recovered;
use super::leases::Lease;
use super::orders::Outcome;

/// How many rows a worker takes at a time.
pub const OUTBOX_PAGE: i64 = 100;

/// What a row that is there already becomes when its object is queued again. Its time always changes, so that whoever
/// works on what was queued before does not take it off ([`WriteTx::unqueue`]), however fast the edits come.
const AGAIN: &str = "queued_ms = case when outbox.queued_ms >= excluded.queued_ms then outbox.queued_ms + 1 \
     else excluded.queued_ms end, not_before_ms = excluded.not_before_ms";

/// An object that a link has to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The object, which may be gone by now.
    pub object: ObjectId,
    /// When it was queued last; a row that was queued again since is not taken off.
    pub queued: Instant,
    /// How often it was tried.
    pub tries: i64,
    /// Whether a user's own edit is in it.
    pub by_user: bool,
    /// The request that changed it last.
    pub correlation_id: Option<String>,
}

fn outgoing_of(row: &Row) -> Result<Outgoing, StoreError> {
    Ok(Outgoing {
        object: ObjectId::from_text(row.text(0)?),
        queued: row.instant(1)?,
        tries: row.int(2)?,
        by_user: row.flag(3)?,
        correlation_id: row.opt_text(4)?,
    })
}

impl ReadTx {
    /// What a link has to carry out now, longest waiting first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outgoing(&mut self, firm: &FirmId, link: &LinkId) -> Result<Vec<Outgoing>, StoreError> {
        let now = self.now();
        let rows = self
            .all(
                "select object_id, queued_ms, tries, by_user, correlation_id from outbox where firm_id = $1 and link_id = $2 \
                 and not_before_ms <= $3 order by not_before_ms, queued_ms, object_id limit $4",
                args![firm, link, now, OUTBOX_PAGE],
            )
            .await?;
        rows.iter().map(outgoing_of).collect()
    }

    /// Everything that a link has to carry out, due or put off.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outgoing_all(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        limit: u32,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let rows = self
            .all(
                "select object_id, queued_ms, tries, by_user, correlation_id from outbox where firm_id = $1 and link_id = $2 \
                 order by queued_ms, object_id limit $3",
                args![firm, link, i64::from(limit)],
            )
            .await?;
        rows.iter().map(outgoing_of).collect()
    }

    /// What a link has to carry out about one object, due or put off.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outgoing_of(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        object: &ObjectId,
    ) -> Result<Option<Outgoing>, StoreError> {
        let row = self
            .first(
                "select object_id, queued_ms, tries, by_user, correlation_id from outbox where firm_id = $1 \
                 and link_id = $2 and object_id = $3",
                args![firm, link, object],
            )
            .await?;
        row.as_ref().map(outgoing_of).transpose()
    }

    /// How many objects are gone here whose items a link would delete there. The instances of a series that stand there by
    /// themselves are named by its id, which is 36 characters, and a slot, and are one removal.
    ///
    /// # Errors
    /// The database failed.
    pub async fn waiting_removals(&mut self, firm: &FirmId, link: &LinkId) -> Result<i64, StoreError> {
        let row = self
            .first(
                "select count(distinct substr(o.object_id, 1, 36)) from outbox o join mappings m on m.firm_id = o.firm_id and m.link_id = o.link_id \
                 and m.object_id = o.object_id where o.firm_id = $1 and o.link_id = $2 and m.word = 'synced' \
                 and not exists (select 1 from objects b join links l on l.firm_id = b.firm_id \
                 and l.calendar_id = b.calendar_id where b.firm_id = o.firm_id and b.object_id = substr(o.object_id, 1, 36) \
                 and l.link_id = o.link_id)",
                args![firm, link],
            )
            .await?;
        row.map_or(Ok(0), |r| r.int(0))
    }

    /// How many rows a link's outbox has, and since when the oldest waits.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_depth(&mut self, firm: &FirmId, link: &LinkId) -> Result<(i64, Option<Instant>), StoreError> {
        let row = self
            .first("select count(*), min(queued_ms) from outbox where firm_id = $1 and link_id = $2", args![firm, link])
            .await?;
        row.map_or(Ok((0, None)), |r| Ok((r.int(0)?, r.opt_instant(1)?)))
    }
}

impl WriteTx {
    /// Queues a changed object for every link of its calendar that pushes, but for the one that brought the change.
    pub(crate) async fn queue(
        &mut self,
        firm: &FirmId,
        calendar: &CalendarId,
        object: &ObjectId,
        cause: &Cause,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let by_user = matches!(cause.via, Via::Caldav | Via::Api | Via::Web);
        let rows = self
            .exec(
                &format!(
                    "insert into outbox (firm_id, link_id, object_id, queued_ms, not_before_ms, tries, by_user, \
                 correlation_id) select firm_id, link_id, $3, $4, $4, 0, $5, $7 from links where firm_id = $1 and calendar_id = $2 \
                 and direction in ('push', 'both') and status <> 'detached' and link_id <> $6 \
                 on conflict (firm_id, link_id, object_id) do update set {AGAIN}, tries = 0, \
                 correlation_id = coalesce(excluded.correlation_id, outbox.correlation_id), by_user = case when outbox.by_user = 1 then 1 else excluded.by_user end"
                ),
                args![
                    firm,
                    calendar,
                    object,
                    now,
                    by_user,
                    cause.link.as_deref().unwrap_or(""),
                    cause.correlation_id.as_deref()
                ],
            )
            .await?;
        if rows > 0 {
            self.wake();
        }
        Ok(())
    }

    /// Queues one object for one link.
    ///
    /// # Errors
    /// The database failed.
    pub async fn queue_one(&mut self, firm: &FirmId, link: &LinkId, object: &ObjectId) -> Result<(), StoreError> {
        self.queue_one_as(firm, link, object, None).await.map(|_| ())
    }

    /// As [`WriteTx::queue_one`], with the id of the request that asks for it. As of when it is queued.
    ///
    /// # Errors
    /// The database failed.
    pub async fn queue_one_as(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        object: &ObjectId,
        correlation_id: Option<&str>,
    ) -> Result<Instant, StoreError> {
        let now = self.now();
        let row = self
            .first(
                &format!(
                    "insert into outbox (firm_id, link_id, object_id, queued_ms, not_before_ms, tries, by_user, \
             correlation_id) values ($1, $2, $3, $4, $4, 0, 0, $5) on conflict (firm_id, link_id, object_id) do update \
             set {AGAIN}, tries = 0, correlation_id = coalesce(excluded.correlation_id, outbox.correlation_id) \
             returning queued_ms"
                ),
                args![firm, link, object, now, correlation_id],
            )
            .await?;
        self.wake();
        row.map_or(Ok(now), |row| row.instant(0))
    }

    /// Queues everything that a link might have to carry out: the objects of its calendar and of its mappings.
    ///
    /// # Errors
    /// The database failed.
    pub async fn queue_all(&mut self, firm: &FirmId, link: &LinkId) -> Result<u64, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                &format!(
                    "insert into outbox (firm_id, link_id, object_id, queued_ms, not_before_ms, tries, by_user) \
                 select l.firm_id, l.link_id, o.object_id, $3, $3, 0, 0 from links l join (\
                 select c.link_id, b.object_id from links c join objects b on b.firm_id = c.firm_id \
                 and b.calendar_id = c.calendar_id where c.firm_id = $1 and c.link_id = $2 and b.component = 'VEVENT' \
                 union select m.link_id, m.object_id from mappings m where m.firm_id = $1 and m.link_id = $2 \
                 and m.object_id is not null) o on o.link_id = l.link_id where l.firm_id = $1 and l.link_id = $2 \
                 and l.direction in ('push', 'both') \
                 on conflict (firm_id, link_id, object_id) do update set {AGAIN}"
                ),
                args![firm, link, now],
            )
            .await?;
        self.wake();
        Ok(rows)
    }

    /// Queues what lies between two points in time (`None`: no bound), as [`WriteTx::queue_all`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn queue_between(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        from: Option<Instant>,
        until: Option<Instant>,
    ) -> Result<u64, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                &format!("insert into outbox (firm_id, link_id, object_id, queued_ms, not_before_ms, tries, by_user) \
                 select l.firm_id, l.link_id, o.object_id, $3, $3, 0, 0 from links l join objects o \
                 on o.firm_id = l.firm_id and o.calendar_id = l.calendar_id where l.firm_id = $1 and l.link_id = $2 \
                 and l.direction in ('push', 'both') and o.component = 'VEVENT' and o.ends_ms > $4 and o.starts_ms < $5 \
                 on conflict (firm_id, link_id, object_id) do update set {AGAIN}"),
                args![firm, link, now, from.unwrap_or(Instant::FAR_PAST), until.unwrap_or(Instant::FAR_FUTURE)],
            )
            .await?;
        self.wake();
        Ok(rows)
    }

    /// Makes everything that waits for its next try due at once.
    ///
    /// # Errors
    /// The database failed.
    pub async fn retry_outbox(&mut self, firm: &FirmId, link: &LinkId) -> Result<u64, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "update outbox set not_before_ms = $3, tries = 0 where firm_id = $1 and link_id = $2 \
                 and not_before_ms > $3",
                args![firm, link, now],
            )
            .await?;
        self.wake();
        Ok(rows)
    }

    /// Takes a row off, unless its object was queued again since it was read. What waited for that is told: orders, and
    /// attempts that were made as often as they may be. The mapping says already how the object stands.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unqueue(&mut self, lease: &Lease, out: &Outgoing) -> Result<(), StoreError> {
        let (firm, link) = (&lease.firm, &lease.link);
        self.exec(
            "delete from outbox where firm_id = $1 and link_id = $2 and object_id = $3 and queued_ms = $4",
            args![firm, link, &out.object, out.queued],
        )
        .await?;
        let awaited = "select 1 from orders where firm_id = $1 and link_id = $2 and object_id = $3 \
             union all select 1 from attempts where firm_id = $1 and link_id = $2 and object_id = $3 \
             and outcome = 'failed' and max_retries_reached = 1 limit 1";
        if self.first(awaited, args![firm, link, &out.object]).await?.is_some() {
            let mapping = self.mapping_of_object(firm, link, &out.object).await?;
            let outcome = match mapping.and_then(|mapping| mapping.state.why_left()) {
                Some(why) => Outcome::failed(why),
                None => {
                    self.recovered(firm, Recovered::Object(link, Some(&out.object))).await?;
                    let sent = "select 1 from attempts where firm_id = $1 and link_id = $2 and object_id = $3 \
                         and outcome = 'success' and completed_ms > $4 limit 1";
                    let sent = self.first(sent, args![firm, link, &out.object, out.queued]).await?;
                    Outcome::success(u64::from(sent.is_some()))
                }
            };
            self.end_orders_of_sending(lease, &out.object, out.queued, &outcome).await?;
        }
        self.settle_exhausted(firm, link).await
    }

    /// Puts a row off: after a failure, of which orders that wait for it are told, or because something else has to go first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn put_off(
        &mut self,
        lease: &Lease,
        out: &Outgoing,
        (tries, not_before): (i64, Instant),
        why: Option<&str>,
    ) -> Result<(), StoreError> {
        self.exec(
            "update outbox set tries = $5, not_before_ms = $6 where firm_id = $1 and link_id = $2 and object_id = $3 \
             and queued_ms = $4",
            args![&lease.firm, &lease.link, &out.object, out.queued, tries, not_before],
        )
        .await?;
        match why {
            Some(why) => self.end_orders_of_sending(lease, &out.object, out.queued, &Outcome::failed(why)).await,
            None => Ok(()),
        }
    }
}
