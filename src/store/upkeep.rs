//! What is kept for a time only: attempts, runs, versions, tombstones. Taken away in small transactions, so that no writer
//! waits long, by the one node that holds the job.

use super::audit::NewAudit;
use super::sql::{StoreError, args};
use super::tx::{Store, WriteTx};
use crate::domain::ids::{AttemptId, FirmId, RunId};
use crate::domain::time::{DAY_MS, Instant, MINUTE_MS};

/// For how long what is old is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Attempts, and runs with what they did. Attempts live on as counts by day.
    pub attempts_ms: i64,
    /// A past state after another took its place.
    pub versions_ms: i64,
    /// A deletion, for clients that come back with an old sync token.
    pub tombstones_ms: i64,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { attempts_ms: 90 * DAY_MS, versions_ms: 90 * DAY_MS, tombstones_ms: 400 * DAY_MS }
    }
}

/// Rows that one transaction takes away: a few milliseconds of work.
const BATCH: i64 = 500;
/// A job that was not prolonged for so long is another node's.
const JOB_MS: i64 = 5 * MINUTE_MS;

/// What was taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// Attempts, whose counts stay.
    pub attempts: u64,
    /// Runs with what they did.
    pub runs: u64,
    /// Past states.
    pub versions: u64,
    /// Deletions.
    pub tombstones: u64,
}

impl Removed {
    fn add(&mut self, other: Removed) {
        self.attempts += other.attempts;
        self.runs += other.runs;
        self.versions += other.versions;
        self.tombstones += other.tombstones;
    }
}

impl Store {
    /// Takes a job for this node, if nobody has it and it was not done within `every_ms`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take_job(&self, name: &str, owner: &str, every_ms: i64) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now();
        let rows = tx
            .exec(
                "insert into jobs (name, owner, until_ms) values ($1, $2, $3) on conflict (name) do update \
                 set owner = excluded.owner, until_ms = excluded.until_ms \
                 where (jobs.until_ms <= $4 or jobs.owner = excluded.owner) \
                 and (jobs.done_ms is null or jobs.done_ms <= $5)",
                args![name, owner, now.plus_ms(JOB_MS), now, now.plus_ms(-every_ms)],
            )
            .await?;
        tx.commit().await?;
        Ok(rows == 1)
    }

    /// Notes that this node did its job.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_job(&self, name: &str, owner: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now();
        tx.exec("update jobs set done_ms = $3, until_ms = $3 where name = $1 and owner = $2", args![name, owner, now])
            .await?;
        tx.commit().await
    }

    /// Takes away now what a firm has that is older than it is kept, whenever that was last done. Its audit is told of `act`
    /// with what was taken away.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take_away_now(&self, firm: &FirmId, kept: &Kept, act: &NewAudit) -> Result<Removed, StoreError> {
        let owner = hex::encode(self.chance().bytes::<8>());
        let job = format!("take_away {owner}");
        self.take_job(&job, &owner, 0).await?;
        let (removed, _) = self.take_away_of(firm, (&job, &owner), kept).await?;
        let details = serde_json::to_string(&removed).unwrap_or_default();
        let mut tx = self.write().await?;
        tx.audit(firm, &NewAudit { details, ..act.clone() }).await?;
        tx.exec("delete from jobs where name = $1", args![&job]).await?;
        tx.commit().await?;
        Ok(removed)
    }

    /// Takes away what is older than it is kept, batch by batch. `owner` has to hold the job all the while.
    ///
    /// # Errors
    /// The database failed; what was taken away until then is gone.
    pub async fn take_away(&self, job: &str, owner: &str, kept: &Kept) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        for (firm, _) in self.read().await?.firms().await? {
            let (of_firm, held) = self.take_away_of(&firm, (job, owner), kept).await?;
            removed.add(of_firm);
            if !held {
                break;
            }
        }
        Ok(removed)
    }

    /// What was taken away of one firm, and whether the job is still held.
    async fn take_away_of(
        &self,
        firm: &FirmId,
        (job, owner): (&str, &str),
        kept: &Kept,
    ) -> Result<(Removed, bool), StoreError> {
        let (mut removed, now) = (Removed::default(), self.now());
        let first_day = (now.ms() - kept.attempts_ms).div_euclid(DAY_MS);
        let midnight = Instant::from_ms(first_day.saturating_mul(DAY_MS));
        let mut tx = self.write().await?;
        tx.summarise(firm, first_day).await?;
        tx.commit().await?;
        loop {
            let mut tx = self.write().await?;
            let attempts = tx.drop_attempts(firm, midnight).await?;
            let runs = tx.drop_runs(firm, midnight).await?;
            let held = tx.keep_job(job, owner).await?;
            tx.commit().await?;
            removed.attempts += attempts;
            removed.runs += runs;
            if !held {
                return Ok((removed, false));
            }
            if attempts + runs == 0 {
                break;
            }
        }
        removed.versions += self.drop_versions(firm, now.plus_ms(-kept.versions_ms), (job, owner)).await?;
        loop {
            let mut tx = self.write().await?;
            let tombstones = tx.drop_tombstones(firm, now.plus_ms(-kept.tombstones_ms)).await?;
            let held = tx.keep_job(job, owner).await?;
            tx.commit().await?;
            removed.tombstones += tombstones;
            if !held || tombstones == 0 {
                return Ok((removed, held));
            }
        }
    }

    /// Past states that another replaced before `cutoff`, and deletions from before it that nothing followed. Oldest
    /// first, so that what is left of a history is its end.
    async fn drop_versions(
        &self,
        firm: &FirmId,
        cutoff: Instant,
        (job, owner): (&str, &str),
    ) -> Result<u64, StoreError> {
        let (mut removed, mut after) = (0, (i64::MIN, String::new(), 0));
        loop {
            let mut tx = self.write().await?;
            let page = tx
                .all(
                    "select at_ms, object_id, version from versions where firm_id = $1 and at_ms < $2 and (at_ms > $3 \
                     or (at_ms = $3 and (object_id > $4 or (object_id = $4 and version > $5)))) \
                     order by at_ms, object_id, version limit $6",
                    args![firm, cutoff, after.0, &after.1, after.2, BATCH],
                )
                .await?;
            let Some(last) = page.last() else { return Ok(removed) };
            after = (last.int(0)?, last.text(1)?, last.int(2)?);
            for row in &page {
                removed += tx
                    .exec(
                        "delete from versions where firm_id = $1 and object_id = $2 and version = $3 and (\
                         exists (select 1 from versions n where n.firm_id = $1 and n.object_id = $2 \
                         and n.version = $3 + 1 and n.at_ms < $4) or exists (select 1 from objects o \
                         where o.firm_id = $1 and o.object_id = $2 and o.version = $3 + 1 and o.changed_ms < $4) \
                         or (kind = 'deleted' and not exists (select 1 from versions n where n.firm_id = $1 \
                         and n.object_id = $2 and n.version > $3) and not exists (select 1 from objects o \
                         where o.firm_id = $1 and o.object_id = $2)))",
                        args![firm, row.text(1)?, row.int(2)?, cutoff],
                    )
                    .await?;
            }
            let held = tx.keep_job(job, owner).await?;
            tx.commit().await?;
            if !held {
                return Ok(removed);
            }
        }
    }
}

impl WriteTx {
    async fn keep_job(&mut self, name: &str, owner: &str) -> Result<bool, StoreError> {
        let until = self.now().plus_ms(JOB_MS);
        let rows = self
            .exec("update jobs set until_ms = $3 where name = $1 and owner = $2", args![name, owner, until])
            .await?;
        Ok(rows == 1)
    }

    /// From now on these days stand for their attempts.
    async fn summarise(&mut self, firm: &FirmId, first_day: i64) -> Result<(), StoreError> {
        self.exec(
            "insert into attempt_days (firm_id, day, shard, provider, operation, way, outcome, error_class, \
             max_retries_reached, kept, attempts) select firm_id, day, shard, provider, operation, way, outcome, \
             error_class, max_retries_reached, 0, attempts from attempt_days where firm_id = $1 and day < $2 and kept = 1 \
             on conflict (firm_id, day, shard, provider, operation, way, outcome, error_class, max_retries_reached, kept) \
             do update set attempts = attempt_days.attempts + excluded.attempts",
            args![firm, first_day],
        )
        .await?;
        self.exec("delete from attempt_days where firm_id = $1 and day < $2 and kept = 1", args![firm, first_day])
            .await
            .map(|_| ())
    }

    async fn drop_attempts(&mut self, firm: &FirmId, before: Instant) -> Result<u64, StoreError> {
        self.exec(
            "delete from attempts where firm_id = $1 and attempt_id in (select attempt_id from attempts \
             where firm_id = $1 and attempt_id < $2 order by attempt_id limit $3)",
            args![firm, &AttemptId::first_at(before), BATCH],
        )
        .await
    }

    async fn drop_runs(&mut self, firm: &FirmId, before: Instant) -> Result<u64, StoreError> {
        let before = RunId::first_at(before);
        let old = "(select run_id from runs where firm_id = $1 and run_id < $2 and status <> 'running' \
             order by run_id limit $3)";
        let sql = format!("delete from run_items where firm_id = $1 and run_id in {old}");
        self.exec(&sql, args![firm, &before, BATCH / 5]).await?;
        let sql = format!("delete from runs where firm_id = $1 and run_id in {old}");
        self.exec(&sql, args![firm, &before, BATCH / 5]).await
    }

    /// A token from before a deletion that is forgotten is no token any more: the calendar keeps how far back it knows.
    async fn drop_tombstones(&mut self, firm: &FirmId, before: Instant) -> Result<u64, StoreError> {
        let rows = self
            .all(
                "select calendar_id, name, seq from tombstones where firm_id = $1 and deleted_ms < $2 \
                 order by deleted_ms limit $3",
                args![firm, before, BATCH],
            )
            .await?;
        for row in &rows {
            self.exec(
                "update calendars set forgotten_seq = $3 where firm_id = $1 and calendar_id = $2 and forgotten_seq < $3",
                args![firm, row.text(0)?, row.int(2)?],
            )
            .await?;
            self.exec(
                "delete from tombstones where firm_id = $1 and calendar_id = $2 and name = $3 and seq = $4",
                args![firm, row.text(0)?, row.text(1)?, row.int(2)?],
            )
            .await?;
        }
        Ok(rows.len() as u64)
    }
}
