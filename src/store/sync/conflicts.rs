//! Conflicts: mappings whose two sides changed the same thing, awaiting a decision, and decisions as history. And the
//! ledger of who was invited to what.

use crate::domain::ids::{ConflictId, FirmId, LinkId, MappingId, ObjectId, UserId};
use crate::domain::sync::{ConflictKind, Resolution};
use crate::domain::time::Instant;
use crate::store::sql::{Row, StoreError, args};
use crate::store::tx::{ReadTx, WriteTx};

/// A conflict, open or decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Its id.
    pub id: ConflictId,
    /// The link.
    pub link: LinkId,
    /// The mapping.
    pub mapping: MappingId,
    /// Whose it is.
    pub user: UserId,
    /// The object here; `None`: it is gone.
    pub object: Option<ObjectId>,
    /// The item there.
    pub remote: Option<String>,
    /// What the two sides disagree on.
    pub kind: ConflictKind,
    /// JSON: the fields with the base's, this and that side's values.
    pub fields: String,
    /// Since when.
    pub opened: Instant,
    /// When it was decided, how, and by whom.
    pub resolved: Option<(Instant, Resolution, String)>,
    /// JSON: the sides chosen field by field.
    pub choices: Option<String>,
}

/// Which conflicts a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictFilter {
    /// Open ones (`Some(true)`), decided ones, or both.
    pub open: Option<bool>,
    /// Of this link.
    pub link: Option<LinkId>,
}

const COLUMNS: &str = "c.conflict_id, c.link_id, c.mapping_id, c.user_id, c.object_id, c.remote_id, c.kind, c.fields, \
     c.opened_ms, c.resolved_ms, c.resolution, c.resolved_by, c.choices";

fn conflict_of(row: &Row) -> Result<Conflict, StoreError> {
    let resolution = row.opt_text(10)?.and_then(|t| Resolution::parse(&t));
    let by = row.opt_text(11)?.unwrap_or_default();
    Ok(Conflict {
        id: ConflictId::from_text(row.text(0)?),
        link: LinkId::from_text(row.text(1)?),
        mapping: MappingId::from_text(row.text(2)?),
        user: UserId::from_text(row.text(3)?),
        object: row.opt_text(4)?.map(ObjectId::from_text),
        remote: row.opt_text(5)?,
        kind: row.word(6, ConflictKind::parse)?,
        fields: row.text(7)?,
        opened: row.instant(8)?,
        resolved: row.opt_instant(9)?.zip(resolution).map(|(at, how)| (at, how, by)),
        choices: row.opt_text(12)?,
    })
}

impl ReadTx {
    /// A user's conflicts, newest first, and how many there are in all.
    ///
    /// # Errors
    /// The database failed.
    pub async fn conflicts(
        &mut self,
        (firm, user): (&FirmId, &UserId),
        filter: &ConflictFilter,
        (limit, offset): (u32, u32),
    ) -> Result<(Vec<Conflict>, i64), StoreError> {
        let open = match filter.open {
            Some(true) => " and c.resolved_ms is null",
            Some(false) => " and c.resolved_ms is not null",
            None => "",
        };
        let of_link = filter.link.as_ref().map_or("", |_| " and c.link_id = $3");
        let conditions = format!("c.firm_id = $1 and c.user_id = $2{of_link}{open}");
        let mut values = args![firm, user];
        values.extend(filter.link.iter().map(crate::store::sql::Arg::from));
        let total = self.first(&format!("select count(*) from conflicts c where {conditions}"), values.clone()).await?;
        let n = values.len();
        values.extend(args![i64::from(limit), i64::from(offset)]);
        let sql = format!(
            "select {COLUMNS} from conflicts c where {conditions} order by c.conflict_id desc limit ${} offset ${}",
            n + 1,
            n + 2
        );
        let rows = self.all(&sql, values).await?;
        let conflicts = rows.iter().map(conflict_of).collect::<Result<_, _>>()?;
        Ok((conflicts, total.map(|r| r.int(0)).transpose()?.unwrap_or(0)))
    }

    /// One of a firm's conflicts. Callers that act for a user compare [`Conflict::user`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn conflict(&mut self, firm: &FirmId, id: &ConflictId) -> Result<Option<Conflict>, StoreError> {
        let sql = format!("select {COLUMNS} from conflicts c where c.firm_id = $1 and c.conflict_id = $2");
        self.first(&sql, args![firm, id]).await?.as_ref().map(conflict_of).transpose()
    }

    /// The open conflict of a mapping.
    ///
    /// # Errors
    /// The database failed.
    pub async fn open_conflict(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        mapping: &MappingId,
    ) -> Result<Option<Conflict>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from conflicts c where c.firm_id = $1 and c.link_id = $2 and c.mapping_id = $3 \
             and c.resolved_ms is null order by c.conflict_id desc limit 1"
        );
        self.first(&sql, args![firm, link, mapping]).await?.as_ref().map(conflict_of).transpose()
    }

    /// The latest decision on a mapping's conflicts that was not carried out yet, if the mapping still is in conflict.
    ///
    /// # Errors
    /// The database failed.
    pub async fn decision(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        mapping: &MappingId,
    ) -> Result<Option<Conflict>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from conflicts c where c.firm_id = $1 and c.link_id = $2 and c.mapping_id = $3 \
             order by c.conflict_id desc limit 1"
        );
        let latest = self.first(&sql, args![firm, link, mapping]).await?.as_ref().map(conflict_of).transpose()?;
        Ok(latest.filter(|c| c.resolved.is_some()))
    }

    /// Every conflict that an object was in, oldest first: its story's decisions.
    ///
    /// # Errors
    /// The database failed.
    pub async fn conflicts_of_object(&mut self, firm: &FirmId, object: &ObjectId) -> Result<Vec<Conflict>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from conflicts c where c.firm_id = $1 and c.object_id = $2 order by c.conflict_id limit 500"
        );
        self.all(&sql, args![firm, object]).await?.iter().map(conflict_of).collect()
    }
}

impl WriteTx {
    /// Opens a conflict, or brings the open one of its mapping up to date. Gives its id, and whether it is new.
    ///
    /// # Errors
    /// The database failed.
    pub async fn open_or_update_conflict(
        &mut self,
        firm: &FirmId,
        new: &Conflict,
    ) -> Result<(ConflictId, bool), StoreError> {
        if let Some(open) = self.open_conflict(firm, &new.link, &new.mapping).await? {
            self.exec(
                "update conflicts set kind = $3, fields = $4 where firm_id = $1 and conflict_id = $2",
                args![firm, &open.id, new.kind.as_str(), &new.fields],
            )
            .await?;
            return Ok((open.id, false));
        }
        let (now, id) = (self.now(), ConflictId::new(self.now(), self.random()));
        self.exec(
            "insert into conflicts (firm_id, conflict_id, link_id, mapping_id, user_id, object_id, remote_id, kind, \
             fields, opened_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            args![
                firm,
                &id,
                &new.link,
                &new.mapping,
                &new.user,
                new.object.as_ref().map(ObjectId::as_str),
                new.remote.as_deref(),
                new.kind.as_str(),
                &new.fields,
                now
            ],
        )
        .await?;
        Ok((id, true))
    }

    /// Decides an open conflict. `false`: it is decided already.
    ///
    /// # Errors
    /// The database failed.
    pub async fn resolve_conflict(
        &mut self,
        firm: &FirmId,
        id: &ConflictId,
        how: Resolution,
        choices: Option<&str>,
        by: &str,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "update conflicts set resolved_ms = $3, resolution = $4, choices = $5, resolved_by = $6 \
                 where firm_id = $1 and conflict_id = $2 and resolved_ms is null",
                args![firm, id, now, how.as_str(), choices, by],
            )
            .await?;
        if rows == 1 {
            self.settle_conflicts(firm, id).await?;
        }
        Ok(rows == 1)
    }

    /// Notes that somebody is about to be invited or uninvited. `false`: they were already.
    ///
    /// # Errors
    /// The database failed.
    pub async fn note_mail(
        &mut self,
        firm: &FirmId,
        (uid, recurrence_id, sequence): (&str, &str, i64),
        recipient: &str,
        method: &str,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "insert into mail_ledger (firm_id, uid, recurrence_id, sequence, recipient, method, at_ms) \
                 values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
                args![firm, uid, recurrence_id, sequence, recipient, method, now],
            )
            .await?;
        Ok(rows == 1)
    }
}
