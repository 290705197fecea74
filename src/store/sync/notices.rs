//! Notices: what a user should know although nobody asked, told once.

use crate::domain::ids::{ConflictId, FirmId, LinkId, NoticeId, UserId};
use crate::domain::time::Instant;
use crate::store::sql::{Row, StoreError, args};
use crate::store::tx::{ReadTx, WriteTx};

/// What comes up anew with every run until it is settled: that somebody saw it is no reason to tell it again.
const LASTING: &str = "retries_exhausted";

/// What a user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its id.
    pub id: NoticeId,
    /// Which kind, e.g. `needs_reauth`.
    pub kind: String,
    /// About what: the id of a connection, link or conflict.
    pub target: String,
    /// A sentence without content of an event.
    pub text: String,
    /// Since when.
    pub created: Instant,
    /// When the user saw it.
    pub seen: Option<Instant>,
}

fn notice_of(row: &Row) -> Result<Notice, StoreError> {
    Ok(Notice {
        id: NoticeId::from_text(row.text(0)?),
        kind: row.text(1)?,
        target: row.text(2)?,
        text: row.text(3)?,
        created: row.instant(4)?,
        seen: row.opt_instant(5)?,
    })
}

impl ReadTx {
    /// A user's notices, newest first, and how many there are in all; those that were seen only with `seen`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notices(
        &mut self,
        (firm, user): (&FirmId, &UserId),
        seen: bool,
        (limit, offset): (u32, u32),
    ) -> Result<(Vec<Notice>, i64), StoreError> {
        let unseen = if seen { "" } else { " and seen_ms is null" };
        let of = format!("from notices where firm_id = $1 and user_id = $2{unseen}");
        let total = self.first(&format!("select count(*) {of}"), args![firm, user]).await?;
        let sql = format!(
            "select notice_id, kind, target, text, created_ms, seen_ms {of} order by notice_id desc limit $3 offset $4"
        );
        let rows = self.all(&sql, args![firm, user, i64::from(limit), i64::from(offset)]).await?;
        let notices = rows.iter().map(notice_of).collect::<Result<_, _>>()?;
        Ok((notices, total.map(|r| r.int(0)).transpose()?.unwrap_or(0)))
    }
}

impl WriteTx {
    /// Tells a user something once: a notice of this kind about this target that is not seen yet is not repeated, and one
    /// that lasts not before it was settled.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notify_user(
        &mut self,
        (firm, user): (&FirmId, &UserId),
        kind: &str,
        target: &str,
        text: &str,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let id = NoticeId::new(now, self.random());
        let rows = self
            .exec(
                "insert into notices (firm_id, notice_id, user_id, kind, target, text, created_ms) \
                 select $1, $2, $3, $4, $5, $6, $7 where not exists (select 1 from notices where firm_id = $1 \
                 and user_id = $3 and kind = $4 and target = $5 and settled_ms is null \
                 and (seen_ms is null or kind = $8))",
                args![firm, &id, user, kind, target, text, now, LASTING],
            )
            .await?;
        if rows == 1 {
            self.queue_notifications(firm, &id).await?;
        }
        Ok(rows == 1)
    }

    /// Notes that a user saw a notice. Whether there is such a one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn see_notice(&mut self, (firm, user): (&FirmId, &UserId), id: &NoticeId) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "update notices set seen_ms = coalesce(seen_ms, $4) where firm_id = $1 and user_id = $2 \
                 and notice_id = $3",
                args![firm, user, id, now],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Notes that whatever was to be said about a target is settled.
    ///
    /// # Errors
    /// The database failed.
    pub async fn settle_notices(&mut self, (firm, user): (&FirmId, &UserId), target: &str) -> Result<(), StoreError> {
        let now = self.now();
        self.exec(
            "update notices set seen_ms = coalesce(seen_ms, $4), settled_ms = $4 where firm_id = $1 and user_id = $2 \
             and target = $3 and settled_ms is null",
            args![firm, user, target, now],
        )
        .await
        .map(|_| ())
    }

    /// What was to be said about a connection or link that stopped or was let go of is settled: it runs again.
    pub(super) async fn settle_stopped(&mut self, firm: &FirmId, target: &str) -> Result<(), StoreError> {
        let now = self.now();
        self.exec(
            "update notices set seen_ms = coalesce(seen_ms, $3), settled_ms = $3 where firm_id = $1 and target = $2 \
             and kind in ('needs_reauth', 'needs_confirmation', 'link_broken') and settled_ms is null",
            args![firm, target, now],
        )
        .await
        .map(|_| ())
    }

    /// With a link's last open conflict its notice is settled: the next conflict is told again.
    pub(super) async fn settle_conflicts(&mut self, firm: &FirmId, decided: &ConflictId) -> Result<(), StoreError> {
        let now = self.now();
        self.exec(
            "update notices set seen_ms = coalesce(seen_ms, $3), settled_ms = $3 where firm_id = $1 \
             and target = (select link_id from conflicts where firm_id = $1 and conflict_id = $2) \
             and kind = 'conflicts' and settled_ms is null and not exists (select 1 from conflicts c \
             where c.firm_id = $1 and c.link_id = notices.target and c.resolved_ms is null)",
            args![firm, decided, now],
        )
        .await
        .map(|_| ())
    }

    /// With the last of a link's appointments that were tried too often its notice is settled.
    pub(super) async fn settle_exhausted(&mut self, firm: &FirmId, link: &LinkId) -> Result<(), StoreError> {
        let now = self.now();
        self.exec(
            "update notices set seen_ms = coalesce(seen_ms, $3), settled_ms = $3 where firm_id = $1 and target = $2 \
             and kind = $4 and settled_ms is null and not exists (select 1 from outbox o \
             join attempts a on a.firm_id = o.firm_id and a.object_id = o.object_id and a.link_id = o.link_id \
             where o.firm_id = $1 and o.link_id = $2 and a.max_retries_reached = 1)",
            args![firm, link, now, LASTING],
        )
        .await
        .map(|_| ())
    }
}
