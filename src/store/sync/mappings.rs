//! Mappings: one appointment and its external event, with the base that both sides last agreed on.

use bytes::Bytes;

use super::leases::Lease;
use crate::domain::ids::{FirmId, LinkId, MappingId, ObjectId};
use crate::domain::sync::{MappingState, Origin, ParkReason, RemoteId, Snapshot};
use crate::domain::time::Instant;
use crate::store::sql::{Row, StoreError, args, json, placeholders};
use crate::store::tx::{ReadTx, WriteTx};

/// One appointment ↔ one external event under a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its id.
    pub id: MappingId,
    /// The appointment; `None` for an item that has none here.
    pub object: Option<ObjectId>,
    /// The external event; `None`: not created there yet.
    pub remote: Option<RemoteId>,
    /// Where it stands.
    pub state: MappingState,
    /// Where it came from first.
    pub origin: Origin,
    /// The object's version that both sides agreed on; 0: none yet.
    pub base_version: i64,
    /// That version's bytes.
    pub base: Option<Bytes>,
    /// The item as the provider gave it back at that time.
    pub base_item: Option<Snapshot>,
    /// The latest the provider said, where that is not agreed on yet; or what was tried, see [`Mapping::tried`].
    pub seen_item: Option<Snapshot>,
    /// The last full listing that had it.
    pub generation: i64,
    /// How often we wrote only because the other side rewrites, and since when that is counted.
    pub rewrites: (i64, Instant),
    /// No new conflict before this.
    pub cool_until: Option<Instant>,
    /// What the provider cannot express.
    pub warnings: Vec<String>,
}

/// How an item that its mapping remembers as gone came to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buried {
    /// Its object was deleted here, and so it was there.
    Here,
    /// It was removed there, and so its object was here.
    There,
    /// Its object was deleted here; the item, which is somebody else's, was left.
    Left,
}

/// Instead of a version in [`Mapping::base_version`]: no version was agreed on last, but that the item goes.
const BURIED_HERE: i64 = -1;
/// See [`BURIED_HERE`].
const BURIED_THERE: i64 = -2;

impl Mapping {
    /// What an earlier create carried of which nobody knows whether it arrived: what is heard of may say that.
    #[must_use]
    pub fn tried(&self) -> Option<&Snapshot> {
        let open = matches!(self.state, MappingState::Synced | MappingState::Pushing(_) | MappingState::Unsure { .. });
        self.seen_item.as_ref().filter(|_| open && self.base_item.is_none() && self.base.is_some())
    }

    /// Remembers an item that is gone, and how it went.
    pub fn bury(&mut self, how: Buried) {
        self.state = MappingState::Tombstoned;
        self.seen_item = None;
        self.base_version = match how {
            Buried::Here => BURIED_HERE,
            Buried::There => BURIED_THERE,
            Buried::Left => self.base_version.max(0),
        };
    }

    /// Whether there is an item, as far as anybody knows.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match &self.state {
            MappingState::Pushing(_) | MappingState::Unsure { .. } | MappingState::Conflict => true,
            MappingState::Synced
            | MappingState::Parked(
                ParkReason::Refused { .. }
                | ParkReason::Quarantine { .. }
                | ParkReason::RewriteLoop
                | ParkReason::Undone,
            ) => self.remote.is_some() && self.base_item.is_some(),
            MappingState::Parked(
                ParkReason::Withdrawn
                | ParkReason::Expanded
                | ParkReason::RemovedThere
                | ParkReason::OwnCopy
                | ParkReason::OneWay,
            )
            | MappingState::Tombstoned
            | MappingState::Detached => false,
        }
    }

    /// How the item went; `None`: it is not gone.
    #[must_use]
    pub fn buried(&self) -> Option<Buried> {
        let gone = self.state == MappingState::Tombstoned;
        gone.then_some(match self.base_version {
            BURIED_HERE => Buried::Here,
            BURIED_THERE => Buried::There,
            _ => Buried::Left,
        })
    }
}

/// What a new mapping begins with.
pub type NewMapping = Mapping;

/// How many mappings a link has, by what they are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappingCounts {
    /// In step, or on the way there.
    pub live: i64,
    /// Waiting for a decision.
    pub conflicts: i64,
    /// Left alone.
    pub parked: i64,
}

impl MappingCounts {
    /// Counts `n` more in the state of that word.
    pub(super) fn add(&mut self, word: &str, n: i64) {
        match word {
            "synced" | "pushing" | "unsure" => self.live += n,
            "conflict" => self.conflicts += n,
            "parked" => self.parked += n,
            _ => {}
        }
    }
}

const COLUMNS: &str = "m.mapping_id, m.object_id, m.remote_id, m.state, m.origin, m.base_version, m.base_data, \
     m.base_item, m.seen_item, m.generation, m.rewrites, m.rewrites_since_ms, m.cool_until_ms, m.warnings";

fn mapping_of(row: &Row) -> Result<Mapping, StoreError> {
    Ok(Mapping {
        id: MappingId::from_text(row.text(0)?),
        object: row.opt_text(1)?.map(ObjectId::from_text),
        remote: row.opt_text(2)?.map(RemoteId),
        state: row.json(3)?,
        origin: row.word(4, Origin::parse)?,
        base_version: row.int(5)?,
        base: row.opt_bytes(6)?.map(Bytes::from),
        base_item: row.opt_text(7)?.map(Snapshot),
        seen_item: row.opt_text(8)?.map(Snapshot),
        generation: row.int(9)?,
        rewrites: (row.int(10)?, row.instant(11)?),
        cool_until: row.opt_instant(12)?,
        warnings: row.opt_text(13)?.map_or_else(Vec::new, |t| serde_json::from_str(&t).unwrap_or_default()),
    })
}

impl ReadTx {
    /// The mappings of these items, in no order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mappings_by_remote(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        remotes: &[&RemoteId],
    ) -> Result<Vec<Mapping>, StoreError> {
        let mut found = Vec::with_capacity(remotes.len());
        for chunk in remotes.chunks(crate::store::objects::NAMES_PER_STATEMENT) {
            let sql = format!(
                "select {COLUMNS} from mappings m where m.firm_id = $1 and m.link_id = $2 and m.remote_id in ({})",
                placeholders(3, chunk.len())
            );
            let mut values = args![firm, link];
            values.extend(chunk.iter().map(|r| crate::store::sql::Arg::from(r.as_str())));
            for row in self.all(&sql, values).await? {
                found.push(mapping_of(&row)?);
            }
        }
        Ok(found)
    }

    /// The mapping of an object under a link.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mapping_of_object(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        object: &ObjectId,
    ) -> Result<Option<Mapping>, StoreError> {
        let sql =
            format!("select {COLUMNS} from mappings m where m.firm_id = $1 and m.link_id = $2 and m.object_id = $3");
        self.first(&sql, args![firm, link, object]).await?.as_ref().map(mapping_of).transpose()
    }

    /// One mapping.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mapping(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        id: &MappingId,
    ) -> Result<Option<Mapping>, StoreError> {
        let sql =
            format!("select {COLUMNS} from mappings m where m.firm_id = $1 and m.link_id = $2 and m.mapping_id = $3");
        self.first(&sql, args![firm, link, id]).await?.as_ref().map(mapping_of).transpose()
    }

    /// Every mapping of an object, with its link.
    ///
    /// # Errors
    /// The database failed.
    pub async fn links_of_object(
        &mut self,
        firm: &FirmId,
        object: &ObjectId,
    ) -> Result<Vec<(LinkId, Mapping)>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, m.link_id from mappings m where m.firm_id = $1 and m.object_id = $2 order by m.link_id"
        );
        let rows = self.all(&sql, args![firm, object]).await?;
        rows.iter().map(|r| Ok((LinkId::from_text(r.text(14)?), mapping_of(r)?))).collect()
    }

    /// A link's mappings after an id, to walk through all of them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mappings_after(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Mapping>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from mappings m where m.firm_id = $1 and m.link_id = $2 and m.mapping_id > $3 \
             order by m.mapping_id limit $4"
        );
        self.all(&sql, args![firm, link, after, i64::from(limit)]).await?.iter().map(mapping_of).collect()
    }

    /// The live mappings that the full listing of this generation has not seen, after an id.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unseen_mappings(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        generation: i64,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Mapping>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from mappings m where m.firm_id = $1 and m.link_id = $2 and m.generation < $3 \
             and m.remote_id is not null and m.word in ('synced', 'conflict') and m.mapping_id > $4 \
             order by m.mapping_id limit $5"
        );
        self.all(&sql, args![firm, link, generation, after, i64::from(limit)]).await?.iter().map(mapping_of).collect()
    }

    /// Mappings of items that have no object here because they cannot be taken as they are, latest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mappings_set_aside(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        limit: u32,
    ) -> Result<Vec<Mapping>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from mappings m where m.firm_id = $1 and m.link_id = $2 and m.word = 'parked' \
             and m.object_id is null and m.seen_item is not null order by m.mapping_id desc limit $3"
        );
        self.all(&sql, args![firm, link, i64::from(limit)]).await?.iter().map(mapping_of).collect()
    }

    /// The live mappings whose objects lie between two times (`None`: no bound), as far as anybody looks at them together.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mapped_between(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        from: Option<Instant>,
        until: Option<Instant>,
    ) -> Result<Vec<Mapping>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from mappings m join objects o on o.firm_id = m.firm_id and o.object_id = m.object_id \
             where m.firm_id = $1 and m.link_id = $2 and m.remote_id is not null and m.word in ('synced', 'conflict') \
             and o.ends_ms > $3 and o.starts_ms < $4 order by m.mapping_id limit 10000"
        );
        let (from, until) = (from.unwrap_or(Instant::FAR_PAST), until.unwrap_or(Instant::FAR_FUTURE));
        self.all(&sql, args![firm, link, from, until]).await?.iter().map(mapping_of).collect()
    }

    /// The instances of a series that have mappings of their own under a link.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mapped_instances(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        series: &ObjectId,
    ) -> Result<Vec<ObjectId>, StoreError> {
        let rows = self
            .all(
                "select object_id from mappings where firm_id = $1 and link_id = $2 and object_id like $3 \
                 order by object_id limit 100000",
                args![firm, link, format!("{series}@%")],
            )
            .await?;
        rows.iter().map(|r| r.text(0).map(ObjectId::from_text)).collect()
    }

    /// The mappings of a series' instances that have an item, or may have one by now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn instances_there(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        series: &ObjectId,
    ) -> Result<Vec<Mapping>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from mappings m where m.firm_id = $1 and m.link_id = $2 and m.object_id like $3 \
             order by m.object_id limit 100000"
        );
        let rows = self.all(&sql, args![firm, link, format!("{series}@%")]).await?;
        let all = rows.iter().map(mapping_of).collect::<Result<Vec<_>, _>>()?;
        Ok(all.into_iter().filter(Mapping::is_there).collect())
    }

    /// The series whose instances stand there as events of their own.
    ///
    /// # Errors
    /// The database failed.
    pub async fn expanded_series(
        &mut self,
        firm: &FirmId,
        link: &LinkId,
        limit: u32,
    ) -> Result<Vec<ObjectId>, StoreError> {
        let rows = self
            .all(
                "select object_id from mappings where firm_id = $1 and link_id = $2 and word = 'parked' \
                 and state like '%\"expanded\"%' and object_id is not null order by object_id limit $3",
                args![firm, link, i64::from(limit)],
            )
            .await?;
        rows.iter().map(|r| r.text(0).map(ObjectId::from_text)).collect()
    }

    /// How many mappings a link has.
    ///
    /// # Errors
    /// The database failed.
    pub async fn count_mappings(&mut self, firm: &FirmId, link: &LinkId) -> Result<MappingCounts, StoreError> {
        let rows = self
            .all(
                "select word, count(*) from mappings where firm_id = $1 and link_id = $2 group by word limit 20",
                args![firm, link],
            )
            .await?;
        let mut counts = MappingCounts::default();
        for row in &rows {
            counts.add(&row.text(0)?, row.int(1)?);
        }
        Ok(counts)
    }
}

impl WriteTx {
    /// A new mapping id.
    #[must_use]
    pub fn new_mapping_id(&self) -> MappingId {
        MappingId::new(self.now(), self.random())
    }

    /// Writes a mapping, new or changed. Held leases only.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`]: the object or the item has another mapping under this link.
    pub async fn put_mapping(&mut self, lease: &Lease, mapping: &Mapping) -> Result<(), StoreError> {
        let now = self.now();
        let warnings = (!mapping.warnings.is_empty()).then(|| json(&mapping.warnings));
        self.exec(
            "insert into mappings (firm_id, link_id, mapping_id, object_id, remote_id, state, word, origin, \
             base_version, base_data, base_item, seen_item, generation, rewrites, rewrites_since_ms, cool_until_ms, \
             warnings, changed_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
             $18) on conflict (firm_id, link_id, mapping_id) do update set object_id = excluded.object_id, \
             remote_id = excluded.remote_id, state = excluded.state, word = excluded.word, origin = excluded.origin, \
             base_version = excluded.base_version, base_data = excluded.base_data, base_item = excluded.base_item, \
             seen_item = excluded.seen_item, generation = excluded.generation, rewrites = excluded.rewrites, \
             rewrites_since_ms = excluded.rewrites_since_ms, cool_until_ms = excluded.cool_until_ms, \
             warnings = excluded.warnings, changed_ms = excluded.changed_ms",
            args![
                &lease.firm,
                &lease.link,
                &mapping.id,
                mapping.object.as_ref().map(ObjectId::as_str),
                mapping.remote.as_ref().map(RemoteId::as_str),
                json(&mapping.state),
                mapping.state.word(),
                mapping.origin.as_str(),
                mapping.base_version,
                mapping.base.as_ref().map(|b| b.to_vec()),
                mapping.base_item.as_ref().map(|i| i.0.as_str()),
                mapping.seen_item.as_ref().map(|i| i.0.as_str()),
                mapping.generation,
                mapping.rewrites.0,
                mapping.rewrites.1,
                mapping.cool_until,
                warnings,
                now
            ],
        )
        .await
        .map(|_| ())
    }

    /// Notes that a full listing has seen these items. Held leases only.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mark_seen(&mut self, lease: &Lease, generation: i64, remotes: &[&RemoteId]) -> Result<(), StoreError> {
        for chunk in remotes.chunks(crate::store::objects::NAMES_PER_STATEMENT) {
            let sql = format!(
                "update mappings set generation = $3 where firm_id = $1 and link_id = $2 and remote_id in ({})",
                placeholders(4, chunk.len())
            );
            let mut values = args![&lease.firm, &lease.link, generation];
            values.extend(chunk.iter().map(|r| crate::store::sql::Arg::from(r.as_str())));
            self.exec(&sql, values).await?;
        }
        Ok(())
    }

    /// Forgets the mapping of an object that was let go of here on purpose: its item, heard of again, is a new one, and
    /// is nothing that was deleted here.
    ///
    /// # Errors
    /// The database failed.
    pub async fn let_go(&mut self, firm: &FirmId, link: &LinkId, id: &MappingId) -> Result<(), StoreError> {
        self.exec("delete from mappings where firm_id = $1 and link_id = $2 and mapping_id = $3", args![firm, link, id])
            .await
            .map(|_| ())
    }

    /// Forgets a mapping. Held leases only.
    ///
    /// # Errors
    /// The database failed.
    pub async fn drop_mapping(&mut self, lease: &Lease, id: &MappingId) -> Result<(), StoreError> {
        self.exec(
            "delete from mappings where firm_id = $1 and link_id = $2 and mapping_id = $3",
            args![&lease.firm, &lease.link, id],
        )
        .await
        .map(|_| ())
    }
}
