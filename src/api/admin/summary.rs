//! Everything of the firm at a glance.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::connections::percent;
use super::manager::Manager;
use crate::api::extract::Query;
use crate::api::problem::Problem;
use crate::api::times::stamp;
use crate::auth::Gate;
use crate::domain::time::DAY_MS;
use crate::store::{AttemptSum, Summary, Tally};

/// Days looked back unless asked otherwise, and at most.
const DAYS: (u32, u32) = (7, 366);

/// How far back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SummaryQuery {
    /// Days that attempts and runs are counted over, today included.
    #[param(minimum = 1, maximum = 366, default = 7)]
    days: Option<u32>,
}

/// So many, at a provider and in a state.
#[derive(Debug, Serialize, ToSchema)]
pub struct Counted {
    /// The provider.
    provider: String,
    /// The state.
    status: String,
    /// How many.
    #[schema(minimum = 0)]
    count: i64,
}

/// Attempts of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountedAttempts {
    /// The provider.
    provider: String,
    /// `list_changes`, `upsert`, `delete` or `resync`.
    operation: String,
    /// `pull` or `push`.
    direction: String,
    /// `success` or `failed`.
    status: String,
    /// `transient`, `rate_limited` or `non_retryable`.
    #[schema(required)]
    error_class: Option<String>,
    /// How many.
    #[schema(minimum = 0)]
    count: i64,
}

/// A day's attempts.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountedDay {
    /// When it begins, in UTC.
    #[schema(format = DateTime)]
    day: String,
    /// Attempts.
    #[schema(minimum = 0)]
    attempts: i64,
    /// That failed.
    #[schema(minimum = 0)]
    failures: i64,
}

/// Everything at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct MetricsSummary {
    /// Days that attempts and runs are counted over.
    days: u32,
    /// How many of a hundred attempts succeeded.
    #[schema(example = "96.7%")]
    success_rate: String,
    /// Attempts.
    #[schema(minimum = 0)]
    total_attempts: i64,
    /// That failed.
    #[schema(minimum = 0)]
    failures: i64,
    /// By what they were.
    attempts: Vec<CountedAttempts>,
    /// Day by day, oldest first.
    attempts_by_day: Vec<CountedDay>,
    /// Runs by how they ended.
    runs: Vec<Counted>,
    /// Connections by state.
    connections: Vec<Counted>,
    /// Links by state.
    links: Vec<Counted>,
    /// Webhook channels by state.
    webhooks: Vec<Counted>,
    /// Appointments that wait to be sent.
    #[schema(minimum = 0)]
    queue_depth: i64,
    /// How long the oldest waits.
    #[schema(required, minimum = 0)]
    queue_age_seconds: Option<i64>,
    /// Of those that wait, how many were tried before.
    #[schema(minimum = 0)]
    pending_retries: i64,
    /// The longest time since an active link's last success.
    #[schema(required, minimum = 0)]
    max_lag_seconds: Option<i64>,
    /// Conflicts that wait for a decision.
    #[schema(minimum = 0)]
    open_conflicts: i64,
    /// Links that wait for a word on a mass change.
    #[schema(minimum = 0)]
    needs_confirmation: i64,
    /// Users that are not disabled.
    #[schema(minimum = 0)]
    users: i64,
    /// Those who were seen within 30 days.
    #[schema(minimum = 0)]
    active_users: i64,
    /// Feeds that are not revoked.
    #[schema(minimum = 0)]
    feeds: i64,
    /// How often feeds were fetched.
    #[schema(minimum = 0)]
    feed_fetches: i64,
}

fn counted(tally: Tally) -> Vec<Counted> {
    tally.into_iter().map(|((provider, status), count)| Counted { provider, status, count }).collect()
}

fn runs(summary: &Summary) -> Tally {
    let mut tally = Tally::new();
    for sum in &summary.runs {
        *tally.entry((sum.provider.clone(), sum.status.clone())).or_default() += sum.runs;
    }
    tally
}

fn attempts(sum: &AttemptSum) -> CountedAttempts {
    CountedAttempts {
        provider: sum.provider.clone(),
        operation: sum.operation.clone(),
        direction: sum.way.clone(),
        status: sum.outcome.clone(),
        error_class: Some(sum.class.clone()).filter(|c| !c.is_empty()),
        count: sum.attempts,
    }
}

/// Tells how everything of the firm stands.
#[utoipa::path(
    get, path = "/api/calendar/admin/metrics-summary/", tag = "admin", operation_id = "adminMetricsSummary",
    params(SummaryQuery), responses((status = 200, description = "The figures", body = MetricsSummary)),
)]
pub async fn metrics_summary(
    State(gate): State<Gate>,
    manager: Manager,
    Query(asked): Query<SummaryQuery>,
) -> Result<Json<MetricsSummary>, Problem> {
    let days = asked.days.unwrap_or(DAYS.0);
    if !(1..=DAYS.1).contains(&days) {
        return Err(Problem::value("days", format!("between 1 and {}", DAYS.1)));
    }
    let firm = &manager.0.caller.firm;
    let mut tx = gate.store.read().await?;
    let now = tx.now();
    let since = now.plus_ms(-(i64::from(days) - 1) * DAY_MS);
    let summary = tx.summary(Some(firm), since).await?;
    let by_day = tx.attempts_by_day(firm, since).await?;
    let total: i64 = by_day.iter().map(|d| d.attempts).sum();
    let failures: i64 = by_day.iter().map(|d| d.failures).sum();
    Ok(Json(MetricsSummary {
        days,
        success_rate: percent(total - failures, total),
        total_attempts: total,
        failures,
        attempts: summary.attempts.iter().map(attempts).collect(),
        attempts_by_day: by_day
            .into_iter()
            .map(|d| CountedDay { day: stamp(d.day), attempts: d.attempts, failures: d.failures })
            .collect(),
        runs: counted(runs(&summary)),
        connections: counted(summary.connections),
        links: counted(summary.links),
        webhooks: counted(summary.channels),
        queue_depth: summary.waiting.0,
        queue_age_seconds: summary.waiting.1.map(|since| (now.ms() - since.ms()).max(0) / 1_000),
        pending_retries: summary.retries,
        max_lag_seconds: summary.lags.iter().map(|l| l.lag_ms / 1_000).max(),
        open_conflicts: summary.open_conflicts,
        needs_confirmation: summary.needs_confirmation,
        users: summary.users.0,
        active_users: summary.users.1,
        feeds: summary.feeds.0,
        feed_fetches: summary.feeds.1,
    }))
}
