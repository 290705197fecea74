//! Runs with what they did to each side.

use bytes::Bytes;

use super::leases::Lease;
use super::links::Link;
use crate::domain::ids::{ConnectionId, FirmId, LinkId, ObjectId, RunId, UserId};
use crate::domain::sync::{Provider, RunKind, RunStatus, Way};
use crate::domain::time::Instant;
use crate::store::sql::{Row, StoreError, args};
use crate::store::tx::{ReadTx, WriteTx};

/// What a run counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunTotals {
    /// Items written there.
    pub pushed: i64,
    /// Objects written here.
    pub pulled: i64,
    /// Removed on either side.
    pub deleted: i64,
    /// Conflicts found.
    pub conflicts: i64,
    /// What was left.
    pub errors: i64,
}

impl RunTotals {
    /// Whether anything happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == RunTotals::default()
    }
}

/// One execution of a link's sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The link.
    pub link: LinkId,
    /// Its connection.
    pub connection: ConnectionId,
    /// Whose link it is.
    pub user: UserId,
    /// What made it.
    pub kind: RunKind,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    pub started: Instant,
    /// When it ended.
    pub completed: Option<Instant>,
    /// What it counted.
    pub totals: RunTotals,
    /// Why it is partial or failed; without content of events.
    pub error_summary: Option<String>,
    /// As in the logs.
    pub correlation_id: String,
    /// The run that undid it.
    pub undone_by: Option<RunId>,
}

/// Which runs a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Ended so.
    pub status: Option<RunStatus>,
    /// Of this provider.
    pub provider: Option<Provider>,
    /// Of this link.
    pub link: Option<LinkId>,
    /// Begun at or after.
    pub from: Option<Instant>,
    /// Begun before.
    pub until: Option<Instant>,
}

/// What a run did to one side of one mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunItem {
    /// The run.
    pub run: RunId,
    /// Its place in the run.
    pub number: i64,
    /// The link.
    pub link: LinkId,
    /// The object here.
    pub object: Option<ObjectId>,
    /// The item there.
    pub remote: Option<String>,
    /// Which side was changed: `pull` this one, `push` that one.
    pub way: Way,
    /// What happened: `created`, `updated`, `deleted`, `cancelled`, `linked`, `conflict`, `withdrawn`, `parked` …
    pub action: String,
    /// The version that the object had before; `None`: it was not there.
    pub before_version: Option<i64>,
    /// The object as both sides knew it before, for what was pushed.
    pub before: Option<Bytes>,
    /// The version that the object has after it.
    pub after_version: Option<i64>,
    /// Why, without content of the event.
    pub note: Option<String>,
    /// When.
    pub at: Instant,
}

const RUN_COLUMNS: &str = "r.run_id, r.link_id, r.connection_id, r.user_id, r.kind, r.status, r.started_ms, \
     r.completed_ms, r.pushed, r.pulled, r.deleted, r.conflicts, r.errors, r.error_summary, r.correlation_id, r.undone_by";

fn run_of(row: &Row) -> Result<Run, StoreError> {
    Ok(Run {
        id: RunId::from_text(row.text(0)?),
        link: LinkId::from_text(row.text(1)?),
        connection: ConnectionId::from_text(row.text(2)?),
        user: UserId::from_text(row.text(3)?),
        kind: row.word(4, RunKind::parse)?,
        status: row.word(5, RunStatus::parse)?,
        started: row.instant(6)?,
        completed: row.opt_instant(7)?,
        totals: RunTotals {
            pushed: row.int(8)?,
            pulled: row.int(9)?,
            deleted: row.int(10)?,
            conflicts: row.int(11)?,
            errors: row.int(12)?,
        },
        error_summary: row.opt_text(13)?,
        correlation_id: row.text(14)?,
        undone_by: row.opt_text(15)?.map(RunId::from_text),
    })
}

const ITEM_COLUMNS: &str = "i.run_id, i.number, i.link_id, i.object_id, i.remote_id, i.way, i.action, i.before_version, \
     i.before_data, i.after_version, i.note, i.at_ms";

fn item_of(row: &Row) -> Result<RunItem, StoreError> {
    Ok(RunItem {
        run: RunId::from_text(row.text(0)?),
        number: row.int(1)?,
        link: LinkId::from_text(row.text(2)?),
        object: row.opt_text(3)?.map(ObjectId::from_text),
        remote: row.opt_text(4)?,
        way: row.word(5, Way::parse)?,
        action: row.text(6)?,
        before_version: row.opt_int(7)?,
        before: row.opt_bytes(8)?.map(Bytes::from),
        after_version: row.opt_int(9)?,
        note: row.opt_text(10)?,
        at: row.instant(11)?,
    })
}

impl ReadTx {
    /// A user's runs, newest first, and how many there are in all.
    ///
    /// # Errors
    /// The database failed.
    pub async fn runs(
        &mut self,
        (firm, user): (&FirmId, &UserId),
        filter: &RunFilter,
        (limit, offset): (u32, u32),
    ) -> Result<(Vec<Run>, i64), StoreError> {
        let mut values = args![firm, user];
        let mut conditions = String::from("r.firm_id = $1 and r.user_id = $2");
        let mut add = |condition: &str, value: crate::store::sql::Arg| {
            values.push(value);
            conditions.push_str(&condition.replace('?', &format!("${}", values.len())));
        };
        if let Some(status) = filter.status {
            add(" and r.status = ?", status.as_str().into());
        }
        if let Some(link) = &filter.link {
            add(" and r.link_id = ?", link.into());
        }
        if let Some(from) = filter.from {
            add(" and r.started_ms >= ?", from.ms().into());
        }
        if let Some(until) = filter.until {
            add(" and r.started_ms < ?", until.ms().into());
        }
        if let Some(provider) = filter.provider {
            let of = " and exists (select 1 from connections k where k.firm_id = r.firm_id \
                      and k.connection_id = r.connection_id and k.provider = ?)";
            add(of, provider.as_str().into());
        }
        let total = self.first(&format!("select count(*) from runs r where {conditions}"), values.clone()).await?;
        let n = values.len();
        values.extend(args![i64::from(limit), i64::from(offset)]);
        let sql = format!(
            "select {RUN_COLUMNS} from runs r where {conditions} order by r.run_id desc limit ${} offset ${}",
            n + 1,
            n + 2
        );
        let rows = self.all(&sql, values).await?;
        let runs = rows.iter().map(run_of).collect::<Result<_, _>>()?;
        Ok((runs, total.map(|r| r.int(0)).transpose()?.unwrap_or(0)))
    }

    /// One of a firm's runs. Callers that act for a user compare [`Run::user`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn run(&mut self, firm: &FirmId, id: &RunId) -> Result<Option<Run>, StoreError> {
        let sql = format!("select {RUN_COLUMNS} from runs r where r.firm_id = $1 and r.run_id = $2");
        self.first(&sql, args![firm, id]).await?.as_ref().map(run_of).transpose()
    }

    /// What a run did, in its order, after a number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn run_items(
        &mut self,
        firm: &FirmId,
        run: &RunId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<RunItem>, StoreError> {
        let sql = format!(
            "select {ITEM_COLUMNS} from run_items i where i.firm_id = $1 and i.run_id = $2 and i.number > $3 \
             order by i.number limit $4"
        );
        self.all(&sql, args![firm, run, after, i64::from(limit)]).await?.iter().map(item_of).collect()
    }

    /// What runs did with an object, oldest first: the links' part of its story.
    ///
    /// # Errors
    /// The database failed.
    pub async fn story(&mut self, firm: &FirmId, object: &ObjectId, limit: u32) -> Result<Vec<RunItem>, StoreError> {
        let sql = format!(
            "select {ITEM_COLUMNS} from run_items i where i.firm_id = $1 and i.object_id = $2 \
             order by i.at_ms, i.run_id, i.number limit $3"
        );
        self.all(&sql, args![firm, object, i64::from(limit)]).await?.iter().map(item_of).collect()
    }
}

/// Whose runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum RunsOf<'a> {
    /// A link's.
    Link(&'a LinkId),
    /// Those of all links of a connection.
    Connection(&'a ConnectionId),
}

impl WriteTx {
    /// Begins a run.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin_run(&mut self, link: &Link, kind: RunKind, correlation_id: &str) -> Result<RunId, StoreError> {
        let (now, id) = (self.now(), RunId::new(self.now(), self.random()));
        self.exec(
            "insert into runs (firm_id, run_id, link_id, connection_id, user_id, kind, status, started_ms, pushed, \
             pulled, deleted, conflicts, errors, correlation_id) \
             values ($1, $2, $3, $4, $5, $6, 'running', $7, 0, 0, 0, 0, 0, $8)",
            args![&link.firm, &id, &link.id, &link.connection, &link.user, kind.as_str(), now, correlation_id],
        )
        .await?;
        Ok(id)
    }

    /// Ends a run.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_run(
        &mut self,
        firm: &FirmId,
        id: &RunId,
        status: RunStatus,
        totals: &RunTotals,
        summary: Option<&str>,
    ) -> Result<(), StoreError> {
        let now = self.now();
        self.exec(
            "update runs set status = $3, completed_ms = $4, pushed = $5, pulled = $6, deleted = $7, conflicts = $8, \
             errors = $9, error_summary = $10 where firm_id = $1 and run_id = $2",
            args![
                firm,
                id,
                status.as_str(),
                now,
                totals.pushed,
                totals.pulled,
                totals.deleted,
                totals.conflicts,
                totals.errors,
                summary
            ],
        )
        .await?;
        self.count_run(firm, id).await
    }

    /// Counts a run that has ended with the others of its day.
    async fn count_run(&mut self, firm: &FirmId, id: &RunId) -> Result<(), StoreError> {
        self.exec(
            "insert into run_days (firm_id, day, shard, provider, kind, status, runs) \
             select r.firm_id, r.started_ms / 86400000, $3, k.provider, r.kind, r.status, 1 from runs r \
             join connections k on k.firm_id = r.firm_id and k.connection_id = r.connection_id \
             where r.firm_id = $1 and r.run_id = $2 on conflict (firm_id, day, shard, provider, kind, status) \
             do update set runs = run_days.runs + 1",
            args![firm, id, id.as_str().bytes().last().map_or(0, |b| i64::from(b & 7))],
        )
        .await
        .map(|_| ())
    }

    /// Ends the runs of a link that a stopped node left running.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_stale_runs(&mut self, lease: &Lease) -> Result<(), StoreError> {
        self.end_running(&lease.firm, RunsOf::Link(&lease.link), "the node that ran it stopped").await
    }

    /// Ends what runs under something that nobody works on any more.
    pub(super) async fn end_running(
        &mut self,
        firm: &FirmId,
        of: RunsOf<'_>,
        why: &'static str,
    ) -> Result<(), StoreError> {
        let (column, id) = match of {
            RunsOf::Link(id) => ("link_id", id.as_str()),
            RunsOf::Connection(id) => ("connection_id", id.as_str()),
        };
        let sql = format!(
            "update runs set status = 'failed', completed_ms = $3, error_summary = $4 \
             where firm_id = $1 and {column} = $2 and status = 'running' returning run_id"
        );
        let now = self.now();
        for row in self.all(&sql, args![firm, id, now, why]).await? {
            self.count_run(firm, &RunId::from_text(row.text(0)?)).await?;
        }
        Ok(())
    }

    /// Notes what a run did. Numbers go up by themselves.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_run_item(&mut self, firm: &FirmId, item: &RunItem) -> Result<(), StoreError> {
        self.exec(
            "insert into run_items (firm_id, run_id, number, link_id, object_id, remote_id, way, action, before_version, \
             before_data, after_version, note, at_ms) select $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5, $6, $7, \
             $8, $9, $10, $11, $12 from run_items where firm_id = $1 and run_id = $2",
            args![
                firm,
                &item.run,
                &item.link,
                item.object.as_ref().map(ObjectId::as_str),
                item.remote.as_deref(),
                item.way.as_str(),
                &item.action,
                item.before_version,
                item.before.as_ref().map(|b| b.to_vec()),
                item.after_version,
                item.note.as_deref(),
                item.at
            ],
        )
        .await
        .map(|_| ())
    }

    /// Notes that a run was undone by another.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mark_undone(&mut self, firm: &FirmId, run: &RunId, by: &RunId) -> Result<bool, StoreError> {
        let rows = self
            .exec(
                "update runs set undone_by = $3 where firm_id = $1 and run_id = $2 and undone_by is null",
                args![firm, run, by],
            )
            .await?;
        Ok(rows == 1)
    }
}
