//! Attempts of a whole firm in pages, with totals, and the figures of a connection's attempts.
//!
//! A firm may have millions. So a page is a range of ids and never skips rows, and a total is the sum of days counted as
//! they were recorded, plus the rows of the days that the range cuts.

use super::attempts::{ATTEMPT_COLUMN_COUNT, ATTEMPT_COLUMNS, Attempt, attempt_of, day_of};
use crate::domain::ids::{AttemptId, ConnectionId, FirmId, UserId};
use crate::domain::sync::{ErrorClass, Provider};
use crate::domain::time::{DAY_MS, Instant};
use crate::store::sql::{Arg, StoreError, args, like};
use crate::store::tx::ReadTx;

/// Connections that are asked one by one; more are asked together, newest attempt first.
const FEW: i64 = 20;
/// How far back a search by text looks, in attempts that the other filters leave.
const SEARCH_MAX: i64 = 10_000;
/// Appointments of a project that are looked for.
const PROJECT_MAX: i64 = 2_000;

/// How attempts ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptState {
    /// They succeeded.
    Success,
    /// They failed.
    Failed,
    /// They failed, and were not tried as often as they may be.
    FailedNotExhausted,
    /// They failed, and were tried as often as they may be.
    Exhausted,
    /// They failed and are to be tried again, at a time that has not come.
    PendingRetry,
    /// They failed and may be tried again now, and were not yet.
    EligibleForRetry,
}

impl AttemptState {
    /// The state of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<AttemptState> {
        Some(match text {
            "success" => AttemptState::Success,
            "failed" => AttemptState::Failed,
            "exhausted" => AttemptState::Exhausted,
            "pending_retry" => AttemptState::PendingRetry,
            "eligible_for_retry" => AttemptState::EligibleForRetry,
            _ => return None,
        })
    }

    /// Whether the time to be tried again is still to come; `None`: it does not matter.
    const fn waits(self) -> Option<bool> {
        match self {
            AttemptState::PendingRetry => Some(true),
            AttemptState::EligibleForRetry => Some(false),
            _ => None,
        }
    }

    /// What the rows say, but for the time; the words are literal, so that the partial indexes serve.
    const fn condition(self) -> &'static str {
        match self {
            AttemptState::Success => " and a.outcome = 'success'",
            AttemptState::Failed => " and a.outcome = 'failed'",
            AttemptState::FailedNotExhausted => " and a.outcome = 'failed' and a.max_retries_reached = 0",
            AttemptState::Exhausted => " and a.outcome = 'failed' and a.max_retries_reached = 1",
            AttemptState::PendingRetry | AttemptState::EligibleForRetry => {
                " and a.outcome = 'failed' and a.unanswered = 1 and a.next_retry_ms is not null"
            }
        }
    }
}

/// Which attempts a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptFilter {
    /// Ended so.
    pub state: Option<AttemptState>,
    /// Failed so.
    pub class: Option<ErrorClass>,
    /// Of this connection.
    pub connection: Option<ConnectionId>,
    /// Of this user's connections.
    pub user: Option<UserId>,
    /// At this provider.
    pub provider: Option<Provider>,
    /// Of appointments of this project.
    pub project: Option<String>,
    /// In a reason, an id of an appointment or event, or the correlation id.
    pub text: Option<String>,
    /// Begun at or after.
    pub from: Option<Instant>,
    /// Begun before.
    pub until: Option<Instant>,
}

/// An attempt with whose it is.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    /// The attempt.
    pub attempt: Attempt,
    /// At which provider.
    pub provider: Provider,
    /// Whose connection it is: id and name.
    pub user: (UserId, String),
}

/// A page of attempts.
#[derive(Clone, Debug)]
pub struct AttemptPage {
    /// Newest first.
    pub rows: Vec<AttemptRow>,
    /// How many there are in all.
    pub total: i64,
    /// After which one the next page begins; `None`: this is the last.
    pub next: Option<AttemptId>,
}

/// Figures of a connection's attempts that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptFigures {
    /// How many there were.
    pub total: i64,
    /// That succeeded.
    pub successes: i64,
    /// That failed.
    pub failures: i64,
    /// That failed for the last time.
    pub exhausted: i64,
    /// Failed ones to be tried again later.
    pub pending: i64,
    /// Failed ones that may be tried again now.
    pub eligible: i64,
    /// Failed in each class: transient, rate limited, non retryable.
    pub by_class: [i64; 3],
    /// When the latest success began.
    pub last_success: Option<Instant>,
}

/// Values of a statement and the conditions they are in.
struct Where {
    values: Vec<Arg>,
    text: String,
}

impl Where {
    fn firm(firm: &FirmId) -> Where {
        Where { values: args![firm], text: "a.firm_id = $1".to_owned() }
    }

    fn bind(&mut self, value: impl Into<Arg>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn add(&mut self, condition: &str, value: impl Into<Arg>) {
        let place = self.bind(value);
        self.text.push_str(&condition.replace('?', &place));
    }
}

/// Which connections a filter leaves.
enum Of {
    All,
    These(Vec<ConnectionId>),
    At(Provider),
}

impl Of {
    fn narrow(&self, to: &mut Where, column: &str) {
        match self {
            Of::All => {}
            Of::These(ids) => {
                let places: Vec<String> = ids.iter().map(|id| to.bind(id)).collect();
                to.text.push_str(&format!(" and {column} in ({})", places.join(", ")));
            }
            Of::At(provider) => {
                let place = to.bind(provider.as_str());
                to.text.push_str(&format!(
                    " and {column} in (select connection_id from connections where firm_id = $1 and provider = {place})"
                ));
            }
        }
    }
}

impl ReadTx {
    /// A page of a firm's attempts, newest first, after one of them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn attempts(
        &mut self,
        firm: &FirmId,
        filter: &AttemptFilter,
        after: Option<&AttemptId>,
        limit: u32,
    ) -> Result<AttemptPage, StoreError> {
        let nothing = AttemptPage { rows: Vec::new(), total: 0, next: None };
        let of = self.connections_left(firm, filter).await?;
        if matches!(&of, Of::These(ids) if ids.is_empty()) {
            return Ok(nothing);
        }
        let total = self.count_attempts(firm, filter, &of).await?;
        if total == 0 {
            return Ok(nothing);
        }
        let (mut page, now) = (Where::firm(firm), self.now());
        let wanted = i64::from(limit) + 1;
        let inner = match (&of, &filter.project) {
            (Of::These(ids), None) => {
                // One index walk each: however many attempts others have, these are found at once.
                let walks = ids.iter().map(|id| {
                    let mut one = Where { values: std::mem::take(&mut page.values), text: "a.firm_id = $1".to_owned() };
                    one.add(" and a.connection_id = ?", id);
                    let found = found(&mut one, (filter, now), after);
                    let limit = one.bind(wanted);
                    page.values = one.values;
                    format!("select * from (select a.* {found} order by a.attempt_id desc limit {limit}) w")
                });
                walks.collect::<Vec<_>>().join(" union all ")
            }
            _ => {
                of.narrow(&mut page, "a.connection_id");
                let found = found(&mut page, (filter, now), after);
                let limit = page.bind(wanted);
                format!("select a.* {found} order by a.attempt_id desc limit {limit}")
            }
        };
        let limit = page.bind(wanted);
        let sql = format!(
            "select {ATTEMPT_COLUMNS}, k.provider, k.user_id, u.name from ({inner}) a \
             join connections k on k.firm_id = a.firm_id and k.connection_id = a.connection_id \
             join users u on u.firm_id = k.firm_id and u.user_id = k.user_id order by a.attempt_id desc limit {limit}"
        );
        let found = self.all(&sql, page.values).await?;
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            rows.push(AttemptRow {
                attempt: attempt_of(row)?,
                provider: row.word(ATTEMPT_COLUMN_COUNT, Provider::parse)?,
                user: (UserId::from_text(row.text(ATTEMPT_COLUMN_COUNT + 1)?), row.text(ATTEMPT_COLUMN_COUNT + 2)?),
            });
        }
        let more = rows.len() > limit_of(wanted);
        rows.truncate(limit_of(wanted));
        let next = rows.last().filter(|_| more).map(|r| r.attempt.id.clone());
        Ok(AttemptPage { rows, total, next })
    }

    async fn connections_left(&mut self, firm: &FirmId, filter: &AttemptFilter) -> Result<Of, StoreError> {
        let mut of = Where { values: args![firm], text: "k.firm_id = $1".to_owned() };
        let limit = match (&filter.connection, &filter.user, filter.provider) {
            (None, None, None) => return Ok(Of::All),
            (None, None, Some(_)) => FEW + 1,
            _ => 100,
        };
        if let Some(id) = &filter.connection {
            of.add(" and k.connection_id = ?", id);
        }
        if let Some(user) = &filter.user {
            of.add(" and k.user_id = ?", user);
        }
        if let Some(provider) = filter.provider {
            of.add(" and k.provider = ?", provider.as_str());
        }
        let place = of.bind(limit);
        let sql = format!("select k.connection_id from connections k where {} limit {place}", of.text);
        let rows = self.all(&sql, of.values).await?;
        match filter.provider {
            Some(provider) if limit == FEW + 1 && rows.len() > limit_of(limit) => Ok(Of::At(provider)),
            _ => Ok(Of::These(rows.iter().map(|r| r.text(0).map(ConnectionId::from_text)).collect::<Result<_, _>>()?)),
        }
    }

    async fn count_attempts(&mut self, firm: &FirmId, filter: &AttemptFilter, of: &Of) -> Result<i64, StoreError> {
        let waits = filter.state.is_some_and(|state| state.waits().is_some());
        let searched = filter.project.is_some() || filter.text.is_some() || waits;
        // Days are counted by provider: a few connections have their own index.
        let few = matches!(of, Of::These(_)) && !(filter.connection.is_none() && filter.user.is_none());
        if searched || few {
            return self.count_rows(firm, filter, of, (filter.from, filter.until)).await;
        }
        // Whole days are summed; what the bounds cut off a day is counted.
        let (from, until) = (filter.from, filter.until);
        let first = from.map_or(i64::MIN, |at| day_of(at.plus_ms(DAY_MS - 1)));
        let end = until.map_or(i64::MAX, day_of);
        if first > end {
            return self.count_rows(firm, filter, of, (from, until)).await;
        }
        let mut total = self.sum_days(firm, filter, (first, end)).await?;
        let start_of = |day: i64| Instant::from_ms(day.saturating_mul(DAY_MS));
        if let Some(from) = from.filter(|from| *from < start_of(first)) {
            total += self.count_rows(firm, filter, of, (Some(from), Some(start_of(first)))).await?;
        }
        if let Some(until) = until.filter(|until| start_of(end) < *until) {
            total += self.count_rows(firm, filter, of, (Some(start_of(end)), Some(until))).await?;
        }
        Ok(total)
    }

    async fn count_rows(
        &mut self,
        firm: &FirmId,
        filter: &AttemptFilter,
        of: &Of,
        (from, until): (Option<Instant>, Option<Instant>),
    ) -> Result<i64, StoreError> {
        let mut one = Where::firm(firm);
        of.narrow(&mut one, "a.connection_id");
        let within = AttemptFilter { from, until, ..filter.clone() };
        let found = found(&mut one, (&within, self.now()), None);
        let sql = format!("select count(*) {found}");
        self.first(&sql, one.values).await?.map_or(Ok(0), |r| r.int(0))
    }

    async fn sum_days(
        &mut self,
        firm: &FirmId,
        filter: &AttemptFilter,
        (first, end): (i64, i64),
    ) -> Result<i64, StoreError> {
        let mut days = Where::firm(firm);
        days.text.push_str(" and a.kept = 1");
        days.add(" and a.day >= ?", first);
        days.add(" and a.day < ?", end);
        if let Some(provider) = filter.provider {
            days.add(" and a.provider = ?", provider.as_str());
        }
        // Days count calls as they ended; what was replayed since with success is a success in the lists.
        let sum = match filter.state {
            None => "a.attempts",
            Some(AttemptState::Success) => "case when a.outcome = 'success' then a.attempts else a.repaired end",
            Some(failed) => {
                days.text.push_str(failed.condition());
                "a.attempts - a.repaired"
            }
        };
        if let Some(class) = filter.class {
            days.add(" and a.error_class = ?", class.as_str());
        }
        let sql = format!("select cast(coalesce(sum({sum}), 0) as bigint) from attempt_days a where {}", days.text);
        self.first(&sql, days.values).await?.map_or(Ok(0), |r| r.int(0))
    }

    /// The figures of a connection's attempts.
    ///
    /// # Errors
    /// The database failed.
    pub async fn attempt_figures(&mut self, firm: &FirmId, id: &ConnectionId) -> Result<AttemptFigures, StoreError> {
        let mut figures = AttemptFigures::default();
        let all = "select count(*) from attempts where firm_id = $1 and connection_id = $2";
        figures.total = self.first(all, args![firm, id]).await?.map_or(Ok(0), |r| r.int(0))?;
        let failed = "select error_class, max_retries_reached, count(*) from attempts where firm_id = $1 \
             and connection_id = $2 and outcome = 'failed' group by error_class, max_retries_reached limit 20";
        for row in &self.all(failed, args![firm, id]).await? {
            let count = row.int(2)?;
            figures.failures += count;
            if row.flag(1)? {
                figures.exhausted += count;
            }
            let place = match row.opt_text(0)?.and_then(|word| ErrorClass::parse(&word)) {
                Some(ErrorClass::Transient) => 0,
                Some(ErrorClass::RateLimited) => 1,
                Some(ErrorClass::NonRetryable) | None => 2,
            };
            figures.by_class[place] += count;
        }
        figures.successes = figures.total - figures.failures;
        let now = self.now();
        let waiting = self
            .first(
                "select cast(coalesce(sum(case when a.next_retry_ms > $3 then 1 else 0 end), 0) as bigint), \
                 cast(coalesce(sum(case when a.next_retry_ms <= $3 then 1 else 0 end), 0) as bigint) from attempts a \
                 join links l on l.firm_id = a.firm_id and l.link_id = a.link_id \
                 where a.firm_id = $1 and l.connection_id = $2 and a.unanswered = 1 and a.next_retry_ms is not null",
                args![firm, id, now],
            )
            .await?;
        if let Some(row) = waiting {
            (figures.pending, figures.eligible) = (row.int(0)?, row.int(1)?);
        }
        let last = self
            .first(
                "select a.started_ms from attempts a where a.firm_id = $1 and a.connection_id = $2 \
                 and a.outcome = 'success' order by a.attempt_id desc limit 1",
                args![firm, id],
            )
            .await?;
        figures.last_success = last.map(|r| r.instant(0)).transpose()?;
        Ok(figures)
    }
}

/// How many rows of a page are shown: one more is asked for, to see whether another page follows.
fn limit_of(wanted: i64) -> usize {
    usize::try_from(wanted - 1).unwrap_or(0)
}

/// `from … where …`: what the filter finds. A search by text reads a bounded part of what the other filters leave.
fn found(one: &mut Where, (filter, now): (&AttemptFilter, Instant), after: Option<&AttemptId>) -> String {
    narrow(one, (filter, now), after);
    let Some(text) = &filter.text else { return format!("from attempts a where {}", one.text) };
    let (limit, pattern) = (one.bind(SEARCH_MAX), one.bind(like(text)));
    let either = ["error_summary", "remote_id", "object_id", "correlation_id"]
        .map(|column| format!("lower(coalesce(a.{column}, '')) like {pattern} escape '!'"))
        .join(" or ");
    format!(
        "from (select a.* from attempts a where {} order by a.attempt_id desc limit {limit}) a where ({either})",
        one.text
    )
}

/// Conditions that are about the attempt itself.
fn narrow(one: &mut Where, (filter, now): (&AttemptFilter, Instant), after: Option<&AttemptId>) {
    one.text.push_str(filter.state.map_or("", AttemptState::condition));
    match filter.state.and_then(AttemptState::waits) {
        Some(true) => one.add(" and a.next_retry_ms > ?", now),
        Some(false) => one.add(" and a.next_retry_ms <= ?", now),
        None => {}
    }
    if let Some(class) = filter.class {
        one.add(" and a.error_class = ?", class.as_str());
    }
    if let Some(from) = filter.from {
        one.add(" and a.attempt_id >= ?", &AttemptId::first_at(from));
    }
    if let Some(until) = filter.until {
        one.add(" and a.attempt_id < ?", &AttemptId::first_at(until));
    }
    if let Some(after) = after {
        one.add(" and a.attempt_id < ?", after);
    }
    if let Some(project) = &filter.project {
        let (project, limit) = (one.bind(project), one.bind(PROJECT_MAX));
        one.text.push_str(&format!(
            " and a.object_id in (select o.object_id from objects o where o.firm_id = $1 and o.project_id = {project} \
             limit {limit})"
        ));
    }
}
