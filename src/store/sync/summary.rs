//! Figures over everything: of one firm for its managers, of all firms for the metrics.

use std::collections::BTreeMap;

use super::attempts::day_of;
use crate::domain::ids::{FirmId, LinkId};
use crate::domain::time::{DAY_MS, Instant};
use crate::store::sql::{Arg, Row, StoreError, args};
use crate::store::tx::ReadTx;

/// Links whose lag is told one by one.
const LINKS_MAX: i64 = 10_000;
/// A user who was seen within this time is active.
const ACTIVE_WITHIN_MS: i64 = 30 * DAY_MS;

/// Attempts of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptSum {
    /// At which provider.
    pub provider: String,
    /// What was done.
    pub operation: String,
    /// Which way.
    pub way: String,
    /// `success` or `failed`.
    pub outcome: String,
    /// Empty where they succeeded.
    pub class: String,
    /// How many.
    pub attempts: i64,
}

/// Runs of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSum {
    /// At which provider.
    pub provider: String,
    /// What made them.
    pub kind: String,
    /// How they ended.
    pub status: String,
    /// How many.
    pub runs: i64,
}

/// One day's attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySum {
    /// Its beginning.
    pub day: Instant,
    /// Attempts.
    pub attempts: i64,
    /// That failed.
    pub failures: i64,
}

/// How far a link is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkLag {
    /// The link.
    pub link: LinkId,
    /// At which provider.
    pub provider: String,
    /// Since its last success, or since it was made.
    pub lag_ms: i64,
}

/// How often something is there, by provider and state.
pub type Tally = BTreeMap<(String, String), i64>;

/// Everything at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Attempts by provider, operation, way, outcome and class.
    pub attempts: Vec<AttemptSum>,
    /// Runs by provider, kind and status.
    pub runs: Vec<RunSum>,
    /// Connections by provider and status.
    pub connections: Tally,
    /// Links by provider and status.
    pub links: Tally,
    /// Webhook channels by provider and state.
    pub channels: Tally,
    /// Lags of active links, longest first.
    pub lags: Vec<LinkLag>,
    /// Appointments that wait to be sent, and since when the oldest waits.
    pub waiting: (i64, Option<Instant>),
    /// Those of them that were tried before.
    pub retries: i64,
    /// Conflicts that wait for a decision.
    pub open_conflicts: i64,
    /// Links that wait for a word on a mass change.
    pub needs_confirmation: i64,
    /// Users, and those who were seen within a month.
    pub users: (i64, i64),
    /// Feeds that are not revoked, and how often all were fetched.
    pub feeds: (i64, i64),
    /// Notifications that wait, and such that were given up.
    pub notifications: (i64, i64),
    /// Attempts that are not summarised yet.
    pub attempts_kept: i64,
    /// Audit events.
    pub audit_events: i64,
}

/// The condition that narrows a query to a firm, or to none.
struct Scope<'a>(Option<&'a FirmId>);

impl Scope<'_> {
    fn of(&self, table: &str) -> String {
        match self.0 {
            Some(_) => format!("{table}.firm_id = $1"),
            // Binds the place all the same.
            None => "$1 = ''".to_owned(),
        }
    }

    fn values(&self) -> Vec<Arg> {
        args![self.0.map_or("", FirmId::as_str)]
    }
}

fn tally(rows: &[Row]) -> Result<Tally, StoreError> {
    rows.iter().map(|r| Ok(((r.text(0)?, r.text(1)?), r.int(2)?))).collect()
}

impl ReadTx {
    /// Everything at a glance, of one firm or of all; attempts and runs that began on or after the day of `since`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn summary(&mut self, firm: Option<&FirmId>, since: Instant) -> Result<Summary, StoreError> {
        let (of, now, first) = (Scope(firm), self.now(), day_of(since));
        let mut summary = Summary::default();
        let mut values = of.values();
        values.push(first.into());
        let sql = format!(
            "select provider, operation, way, outcome, error_class, cast(sum(attempts) as bigint) from attempt_days a \
             where {} and a.day >= $2 group by provider, operation, way, outcome, error_class",
            of.of("a")
        );
        for row in &self.all(&sql, values.clone()).await? {
            summary.attempts.push(AttemptSum {
                provider: row.text(0)?,
                operation: row.text(1)?,
                way: row.text(2)?,
                outcome: row.text(3)?,
                class: row.text(4)?,
                attempts: row.int(5)?,
            });
        }
        let sql = format!(
            "select provider, kind, status, cast(sum(runs) as bigint) from run_days a where {} and a.day >= $2 \
             group by provider, kind, status",
            of.of("a")
        );
        for row in &self.all(&sql, values).await? {
            let (provider, kind) = (row.text(0)?, row.text(1)?);
            summary.runs.push(RunSum { provider, kind, status: row.text(2)?, runs: row.int(3)? });
        }
        let sql = format!(
            "select k.provider, k.status, count(*) from connections k where {} group by k.provider, k.status",
            of.of("k")
        );
        summary.connections = tally(&self.all(&sql, of.values()).await?)?;
        let with = "join connections k on k.firm_id = l.firm_id and k.connection_id = l.connection_id";
        let sql = format!(
            "select k.provider, l.status, count(*) from links l {with} where {} group by k.provider, l.status",
            of.of("l")
        );
        summary.links = tally(&self.all(&sql, of.values()).await?)?;
        let waits = |(key, count): (&(String, String), &i64)| (key.1 == "needs_confirmation").then_some(*count);
        summary.needs_confirmation = summary.links.iter().filter_map(waits).sum();
        let mut values = of.values();
        values.push(now.into());
        let state = "case when c.replaced = 1 then 'replaced' when c.expires_ms <= $2 then 'expired' else 'active' end";
        let sql = format!(
            "select k.provider, {state}, count(*) from channels c join links l on l.firm_id = c.firm_id \
             and l.link_id = c.link_id {with} where {} group by k.provider, {state}",
            of.of("c")
        );
        summary.channels = tally(&self.all(&sql, values).await?)?;
        self.add_queues(&of, &mut summary, now).await?;
        self.add_adoption(&of, &mut summary, now).await?;
        Ok(summary)
    }

    async fn add_queues(&mut self, of: &Scope<'_>, summary: &mut Summary, now: Instant) -> Result<(), StoreError> {
        let sql = format!(
            "select l.link_id, k.provider, coalesce(l.last_success_ms, l.created_ms) from links l \
             join connections k on k.firm_id = l.firm_id and k.connection_id = l.connection_id \
             where {} and l.status = 'active' and k.status = 'active' order by 3 limit {LINKS_MAX}",
            of.of("l")
        );
        for row in &self.all(&sql, of.values()).await? {
            summary.lags.push(LinkLag {
                link: LinkId::from_text(row.text(0)?),
                provider: row.text(1)?,
                lag_ms: (now.ms() - row.int(2)?).max(0),
            });
        }
        let sql = format!(
            "select count(*), min(o.queued_ms), cast(coalesce(sum(case when o.tries > 0 then 1 else 0 end), 0) as bigint) \
             from outbox o where {}",
            of.of("o")
        );
        if let Some(row) = self.first(&sql, of.values()).await? {
            summary.waiting = (row.int(0)?, row.opt_instant(1)?);
            summary.retries = row.int(2)?;
        }
        let sql = format!("select count(*) from conflicts c where {} and c.resolved_ms is null", of.of("c"));
        summary.open_conflicts = self.first(&sql, of.values()).await?.map_or(Ok(0), |r| r.int(0))?;
        Ok(())
    }

    async fn add_adoption(&mut self, of: &Scope<'_>, summary: &mut Summary, now: Instant) -> Result<(), StoreError> {
        let mut values = of.values();
        values.push(now.plus_ms(-ACTIVE_WITHIN_MS).into());
        let seen = |table: &str, column: &str| {
            format!(
                "exists (select 1 from {table} t where t.firm_id = u.firm_id and t.user_id = u.user_id \
                 and t.{column} > $2)"
            )
        };
        let sql = format!(
            "select count(*), cast(coalesce(sum(case when {} or {} or {} or {} or u.last_seen_ms > $2 then 1 else 0 end), 0) as bigint) \
             from users u where {} and u.disabled_ms is null",
            seen("app_passwords", "last_used_ms"),
            seen("api_tokens", "last_used_ms"),
            seen("sessions", "created_ms"),
            seen("links", "last_success_ms"),
            of.of("u")
        );
        if let Some(row) = self.first(&sql, values).await? {
            summary.users = (row.int(0)?, row.int(1)?);
        }
        let sql = format!(
            "select cast(coalesce(sum(case when f.revoked_ms is null then 1 else 0 end), 0) as bigint), \
             cast(coalesce(sum(f.fetch_count), 0) as bigint) from feeds f where {}",
            of.of("f")
        );
        if let Some(row) = self.first(&sql, of.values()).await? {
            summary.feeds = (row.int(0)?, row.int(1)?);
        }
        let sql = format!(
            "select cast(coalesce(sum(case when t.state = 'waiting' then 1 else 0 end), 0) as bigint), \
             cast(coalesce(sum(case when t.state = 'failed' then 1 else 0 end), 0) as bigint) from notifications t where {}",
            of.of("t")
        );
        if let Some(row) = self.first(&sql, of.values()).await? {
            summary.notifications = (row.int(0)?, row.int(1)?);
        }
        for (what, sum, table) in [
            (&mut summary.attempts_kept, "case when kept = 1 then attempts else 0 end", "attempt_days"),
            (&mut summary.audit_events, "number", "audit_heads"),
        ] {
            let sql = format!("select cast(coalesce(sum({sum}), 0) as bigint) from {table} where {}", of.of(table));
            *what = self.first(&sql, of.values()).await?.map_or(Ok(0), |r| r.int(0))?;
        }
        Ok(())
    }

    /// A firm's attempts day by day, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn attempts_by_day(&mut self, firm: &FirmId, since: Instant) -> Result<Vec<DaySum>, StoreError> {
        let rows = self
            .all(
                "select day, cast(sum(attempts) as bigint), \
                 cast(sum(case when outcome = 'failed' then attempts else 0 end) as bigint) from attempt_days \
                 where firm_id = $1 and day >= $2 group by day order by day limit 400",
                args![firm, day_of(since)],
            )
            .await?;
        let sum = |r: &Row| {
            let day = Instant::from_ms(r.int(0)?.saturating_mul(DAY_MS));
            Ok(DaySum { day, attempts: r.int(1)?, failures: r.int(2)? })
        };
        rows.iter().map(sum).collect()
    }
}
