//! Attempts: the calls inside runs, as they were recorded. Each is counted by day in the same transaction, so that lists
//! know their totals without walking through a million rows.

use super::links::Link;
use crate::domain::ids::{AttemptId, ConnectionId, FirmId, LinkId, ObjectId, RunId, UserId};
use crate::domain::sync::{AttemptKind, ErrorClass, Way};
use crate::domain::time::{DAY_MS, Instant};
use crate::store::sql::{Row, StoreError, args};
use crate::store::tx::{ReadTx, WriteTx};

/// A call to record.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// What was done.
    pub operation: AttemptKind,
    /// Which way.
    pub way: Way,
    /// On which object.
    pub object: Option<ObjectId>,
    /// On which item.
    pub remote: Option<String>,
    /// How it failed: class and a sentence without content or secrets; `None`: it succeeded.
    pub failure: Option<(ErrorClass, String)>,
    /// How often it was tried before.
    pub retry_count: i64,
    /// When it is tried again.
    pub next_retry: Option<Instant>,
    /// Whether it was tried as often as it may be; the next scheduled run tries once more.
    pub max_retries_reached: bool,
    /// When it began.
    pub started: Instant,
}

impl NewAttempt {
    /// `success` or `failed`.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        if self.failure.is_some() { "failed" } else { "success" }
    }
}

/// One call-level operation inside a run.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// The run.
    pub run: RunId,
    /// The link.
    pub link: LinkId,
    /// The connection.
    pub connection: ConnectionId,
    /// What it was.
    pub what: NewAttempt,
    /// When it ended.
    pub completed: Instant,
    /// As in the logs.
    pub correlation_id: String,
    /// When a replay of it succeeded: what it was about is done.
    pub replayed: Option<Instant>,
    /// When what it was about got through, after it had been tried as often as it may be; it does not count as such since.
    pub recovered: Option<Instant>,
}

impl Attempt {
    /// `success` or `failed`; what was replayed with success succeeded.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        if self.replayed.is_some() { "success" } else { self.what.outcome() }
    }
}

pub(super) const ATTEMPT_COLUMNS: &str = "a.attempt_id, a.run_id, a.link_id, a.connection_id, a.operation, a.way, a.object_id, \
     a.remote_id, a.outcome, a.error_class, a.error_summary, a.retry_count, a.next_retry_ms, a.max_retries_reached, \
     a.started_ms, a.completed_ms, a.correlation_id, a.replayed_ms, a.recovered_ms";
/// How many columns those are.
pub(super) const ATTEMPT_COLUMN_COUNT: usize = 19;

pub(super) fn attempt_of(row: &Row) -> Result<Attempt, StoreError> {
    let class = row.opt_text(9)?.and_then(|t| ErrorClass::parse(&t));
    let summary = row.opt_text(10)?.unwrap_or_default();
    Ok(Attempt {
        id: AttemptId::from_text(row.text(0)?),
        run: RunId::from_text(row.text(1)?),
        link: LinkId::from_text(row.text(2)?),
        connection: ConnectionId::from_text(row.text(3)?),
        what: NewAttempt {
            operation: row.word(4, AttemptKind::parse)?,
            way: row.word(5, Way::parse)?,
            object: row.opt_text(6)?.map(ObjectId::from_text),
            remote: row.opt_text(7)?,
            failure: class.map(|c| (c, summary)),
            retry_count: row.int(11)?,
            next_retry: row.opt_instant(12)?,
            max_retries_reached: row.flag(13)?,
            started: row.instant(14)?,
        },
        completed: row.instant(15)?,
        correlation_id: row.text(16)?,
        replayed: row.opt_instant(17)?,
        recovered: row.opt_instant(18)?,
    })
}

/// The day that an attempt is counted under.
pub(super) fn day_of(at: Instant) -> i64 {
    at.ms().div_euclid(DAY_MS)
}

/// Which of eight counters a connection's attempts are counted in.
fn shard_of(connection: &ConnectionId) -> i64 {
    connection.as_str().bytes().last().map_or(0, |b| i64::from(b & 7))
}

impl ReadTx {
    /// The attempts of a run, in their order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn attempts_of_run(&mut self, firm: &FirmId, run: &RunId) -> Result<Vec<Attempt>, StoreError> {
        let sql = format!(
            "select {ATTEMPT_COLUMNS} from attempts a where a.firm_id = $1 and a.run_id = $2 order by a.attempt_id limit 1000"
        );
        self.all(&sql, args![firm, run]).await?.iter().map(attempt_of).collect()
    }

    /// What failed with an object on its way, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn failures_of_object(
        &mut self,
        firm: &FirmId,
        object: &ObjectId,
        limit: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        let sql = format!(
            "select {ATTEMPT_COLUMNS} from attempts a where a.firm_id = $1 and a.object_id = $2 and a.outcome = 'failed' \
             order by a.attempt_id limit $3"
        );
        self.all(&sql, args![firm, object, i64::from(limit)]).await?.iter().map(attempt_of).collect()
    }

    /// One of a firm's attempts.
    ///
    /// # Errors
    /// The database failed.
    pub async fn attempt(&mut self, firm: &FirmId, id: &AttemptId) -> Result<Option<Attempt>, StoreError> {
        let sql = format!("select {ATTEMPT_COLUMNS} from attempts a where a.firm_id = $1 and a.attempt_id = $2");
        self.first(&sql, args![firm, id]).await?.as_ref().map(attempt_of).transpose()
    }

    /// The latest attempts of a link that began at or after a point in time, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn attempts_since(
        &mut self,
        link: &Link,
        since: Instant,
        limit: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        let sql = format!(
            "select {ATTEMPT_COLUMNS} from attempts a where a.firm_id = $1 and a.connection_id = $2 and a.link_id = $3 \
             and a.attempt_id >= $4 order by a.attempt_id desc limit $5"
        );
        let from = AttemptId::first_at(since);
        let values = args![&link.firm, &link.connection, &link.id, &from, i64::from(limit)];
        self.all(&sql, values).await?.iter().map(attempt_of).collect()
    }
}

/// Whose attempts there is nothing left to do about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recovered<'a> {
    /// Those of a link on an object; `None`: on its listing.
    Object(&'a LinkId, Option<&'a ObjectId>),
    /// All of a connection, which ended.
    Connection(&'a ConnectionId),
}

impl WriteTx {
    /// Records a call.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_attempt(
        &mut self,
        link: &Link,
        run: &RunId,
        correlation_id: &str,
        new: &NewAttempt,
    ) -> Result<AttemptId, StoreError> {
        // Ids go by when the call began: a list between two times is a range of ids.
        let (now, id) = (self.now(), AttemptId::new(new.started, self.random()));
        let (object, outcome) = (new.object.as_ref().map(ObjectId::as_str), new.outcome());
        self.exec(
            "update attempts set unanswered = 0 where firm_id = $1 and link_id = $2 and unanswered = 1 \
             and coalesce(object_id, '') = $3",
            args![&link.firm, &link.id, object.unwrap_or_default()],
        )
        .await?;
        self.exec(
            "insert into attempts (firm_id, attempt_id, run_id, link_id, connection_id, operation, way, object_id, \
             remote_id, outcome, error_class, error_summary, retry_count, next_retry_ms, max_retries_reached, started_ms, \
             completed_ms, correlation_id, unanswered) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
             $14, $15, $16, $17, $18, $19)",
            args![
                &link.firm,
                &id,
                run,
                &link.id,
                &link.connection,
                new.operation.as_str(),
                new.way.as_str(),
                object,
                new.remote.as_deref(),
                outcome,
                new.failure.as_ref().map(|f| f.0.as_str()),
                new.failure.as_ref().map(|f| f.1.as_str()),
                new.retry_count,
                new.next_retry,
                new.max_retries_reached,
                new.started,
                now,
                correlation_id,
                new.failure.is_some()
            ],
        )
        .await?;
        self.exec(
            "insert into attempt_days (firm_id, day, shard, provider, operation, way, outcome, error_class, \
             max_retries_reached, kept, attempts) select $1, $2, $3, provider, $4, $5, $6, $7, $8, 1, 1 from connections \
             where firm_id = $1 and connection_id = $9 \
             on conflict (firm_id, day, shard, provider, operation, way, outcome, error_class, max_retries_reached, kept) \
             do update set attempts = attempt_days.attempts + 1",
            args![
                &link.firm,
                day_of(new.started),
                shard_of(&link.connection),
                new.operation.as_str(),
                new.way.as_str(),
                outcome,
                new.failure.as_ref().map_or("", |f| f.0.as_str()),
                new.max_retries_reached,
                &link.connection
            ],
        )
        .await?;
        if new.failure.is_none() {
            self.recovered(&link.firm, Recovered::Object(&link.id, new.object.as_ref())).await?;
        }
        Ok(id)
    }

    /// An attempt was replayed with success: it is a success from now on, and its day's counts know.
    pub(super) async fn replayed(&mut self, firm: &FirmId, id: &AttemptId) -> Result<(), StoreError> {
        let now = self.now();
        let sql = "update attempts set outcome = 'success', unanswered = 0, next_retry_ms = null, replayed_ms = $3 \
             where firm_id = $1 and attempt_id = $2 and outcome = 'failed'";
        if self.exec(sql, args![firm, id, now]).await? != 1 {
            return Ok(());
        }
        let Some(attempt) = self.attempt(firm, id).await? else { return Ok(()) };
        self.exec(
            "update attempt_days set repaired = repaired + 1 where firm_id = $1 and day = $2 and shard = $3 \
             and operation = $4 and way = $5 and outcome = 'failed' and error_class = $6 and max_retries_reached = $7 \
             and kept = 1 and provider = (select provider from connections where firm_id = $1 and connection_id = $8)",
            args![
                firm,
                day_of(attempt.what.started),
                shard_of(&attempt.connection),
                attempt.what.operation.as_str(),
                attempt.what.way.as_str(),
                attempt.what.failure.as_ref().map_or("", |f| f.0.as_str()),
                attempt.what.max_retries_reached,
                &attempt.connection
            ],
        )
        .await
        .map(|_| ())
    }

    /// What was tried as often as it may be got through after all, or is not to be sent any more: those attempts failed,
    /// but there is nothing left to do about them, and their days' counts know.
    pub(super) async fn recovered(&mut self, firm: &FirmId, of: Recovered<'_>) -> Result<(), StoreError> {
        let now = self.now();
        let (clause, first, second) = match of {
            Recovered::Object(link, object) => {
                ("link_id = $3 and coalesce(object_id, '') = $4", link.as_str(), object.map_or("", ObjectId::as_str))
            }
            Recovered::Connection(id) => ("connection_id = $3 and $4 = ''", id.as_str(), ""),
        };
        let sql = format!(
            "update attempts set max_retries_reached = 0, recovered_ms = $2 where firm_id = $1 and {clause} \
             and outcome = 'failed' and max_retries_reached = 1 \
             returning started_ms, connection_id, operation, way, coalesce(error_class, '')"
        );
        let rows = self.all(&sql, args![firm, now, first, second]).await?;
        for row in &rows {
            let connection = ConnectionId::from_text(row.text(1)?);
            let key = args![
                firm,
                day_of(row.instant(0)?),
                shard_of(&connection),
                &connection,
                row.text(2)?,
                row.text(3)?,
                row.text(4)?
            ];
            self.exec(
                "update attempt_days set attempts = attempts - 1 where firm_id = $1 and day = $2 and shard = $3 \
                 and operation = $5 and way = $6 and outcome = 'failed' and error_class = $7 and max_retries_reached = 1 \
                 and kept = 1 and provider = (select provider from connections where firm_id = $1 and connection_id = $4)",
                key.clone(),
            )
            .await?;
            self.exec(
                "insert into attempt_days (firm_id, day, shard, provider, operation, way, outcome, error_class, \
                 max_retries_reached, kept, attempts) select $1, $2, $3, provider, $5, $6, 'failed', $7, 0, 1, 1 \
                 from connections where firm_id = $1 and connection_id = $4 \
                 on conflict (firm_id, day, shard, provider, operation, way, outcome, error_class, max_retries_reached, \
                 kept) do update set attempts = attempt_days.attempts + 1",
                key,
            )
            .await?;
        }
        Ok(())
    }

    /// Takes the attempts of a user's links away; the days keep their counts.
    pub(super) async fn remove_attempts_of(&mut self, firm: &FirmId, user: &UserId) -> Result<u64, StoreError> {
        let links = "link_id in (select link_id from links where firm_id = $1 and user_id = $2)";
        // A call stays counted as it ended, whatever a replay made of it.
        let counted = "case when replayed_ms is null then outcome else 'failed' end";
        let grouped = format!(
            "select connection_id, started_ms / {DAY_MS}, operation, way, {counted}, coalesce(error_class, ''), \
             max_retries_reached, count(*), count(replayed_ms) from attempts where firm_id = $1 and {links} \
             group by connection_id, started_ms / {DAY_MS}, operation, way, {counted}, coalesce(error_class, ''), \
             max_retries_reached"
        );
        for row in self.all(&grouped, args![firm, user]).await? {
            let connection = ConnectionId::from_text(row.text(0)?);
            let key = args![
                firm,
                row.int(1)?,
                shard_of(&connection),
                &connection,
                row.text(2)?,
                row.text(3)?,
                row.text(4)?,
                row.text(5)?,
                row.int(6)?,
                row.int(7)?
            ];
            let same = "firm_id = $1 and day = $2 and shard = $3 and operation = $5 and way = $6 and outcome = $7 \
                 and error_class = $8 and max_retries_reached = $9 \
                 and provider = (select provider from connections where firm_id = $1 and connection_id = $4)";
            let mut with_repaired = key.clone();
            with_repaired.push(row.int(8)?.into());
            let sql = format!(
                "update attempt_days set attempts = attempts - $10, repaired = repaired - $11 where {same} and kept = 1"
            );
            self.exec(&sql, with_repaired).await?;
            self.exec(
                "insert into attempt_days (firm_id, day, shard, provider, operation, way, outcome, error_class, \
                 max_retries_reached, kept, attempts) select $1, $2, $3, provider, $5, $6, $7, $8, $9, 0, $10 \
                 from connections where firm_id = $1 and connection_id = $4 \
                 on conflict (firm_id, day, shard, provider, operation, way, outcome, error_class, max_retries_reached, \
                 kept) do update set attempts = attempt_days.attempts + excluded.attempts",
                key,
            )
            .await?;
        }
        self.exec(&format!("delete from attempts where firm_id = $1 and {links}"), args![firm, user]).await
    }
}
