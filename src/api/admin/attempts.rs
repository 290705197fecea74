//! Attempts: all of the firm's, those that failed, those of one connection that failed.

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::connections::of_firm;
use super::manager::Manager;
use super::query;
use crate::api::extract::{Id, Query, is_id};
use crate::api::problem::Problem;
use crate::api::times::stamp;
use crate::auth::Gate;
use crate::domain::ids::{AttemptId, ConnectionId};
use crate::domain::sync::ErrorClass;
use crate::store::{AttemptFilter, AttemptPage, AttemptRow, AttemptState};

const PATH: &str = "/api/calendar/admin/sync-attempts/";
const FAILED_PATH: &str = "/api/calendar/admin/sync-attempts/failed/";
const CLASSES: &str = "transient, rate_limited or non_retryable";

/// Which attempts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AttemptsQuery {
    /// `success`, `failed`, `exhausted` (tried as often as they may be, and not through since), `pending_retry` (at a time
    /// that has not come) or `eligible_for_retry` (at any time now).
    status: Option<String>,
    /// Failed so: `transient`, `rate_limited` or `non_retryable`.
    error_class: Option<String>,
    /// At this provider.
    provider: Option<String>,
    /// Of this connection.
    connection_id: Option<String>,
    /// Of this user's connections: id or name.
    user: Option<String>,
    /// Of appointments of this project.
    project: Option<String>,
    /// In the reason, the correlation id, or the id of the appointment or event; the newest 10,000 that the other
    /// filters leave are looked through.
    text: Option<String>,
    /// Begun on or after this day or time.
    start_date: Option<String>,
    /// Begun until this day, or before this time.
    end_date: Option<String>,
    /// Items on a page.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<u32>,
    /// Where the page begins: from `next` of the page before.
    cursor: Option<String>,
}

/// Which attempts that failed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FailedQuery {
    /// Also those that were tried as often as they may be.
    #[serde(default, deserialize_with = "query::switch")]
    include_exhausted: bool,
    /// `exhausted`, `pending_retry` or `eligible_for_retry`: those alone; `failed`: all of them.
    status: Option<String>,
    /// Failed so: `transient`, `rate_limited` or `non_retryable`.
    error_class: Option<String>,
    /// At this provider.
    provider: Option<String>,
    /// Of this user's connections: id or name.
    user: Option<String>,
    /// Of appointments of this project.
    project: Option<String>,
    /// In the reason, the correlation id, or the id of the appointment or event; the newest 10,000 that the other
    /// filters leave are looked through.
    text: Option<String>,
    /// Begun on or after this day or time.
    start_date: Option<String>,
    /// Begun until this day, or before this time.
    end_date: Option<String>,
    /// Items on a page.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<u32>,
    /// Where the page begins: from `next` of the page before.
    cursor: Option<String>,
}

/// An attempt of the firm.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminAttempt)]
pub struct AttemptItem {
    /// Its id.
    attempt_id: String,
    /// The connection.
    connection_id: String,
    /// The link.
    link_id: String,
    /// The run.
    run_id: String,
    /// The provider.
    provider: &'static str,
    /// Whose connection it is.
    user_id: String,
    /// Their name.
    user_name: String,
    /// `list_changes`, `upsert`, `delete` or `resync`.
    operation: &'static str,
    /// `pull` or `push`.
    direction: &'static str,
    /// `success` or `failed`.
    status: &'static str,
    /// `transient`, `rate_limited` or `non_retryable`.
    #[schema(required)]
    error_class: Option<&'static str>,
    /// Why it failed; without content of events.
    #[schema(required)]
    error_summary: Option<String>,
    /// How often it was tried before.
    #[schema(minimum = 0)]
    retry_count: i64,
    /// Whether it was tried as often as it may be, and what it is about has not got through since.
    max_retries_reached: bool,
    /// When it is tried again.
    #[schema(required, format = DateTime)]
    next_retry_at: Option<String>,
    /// When it began.
    #[schema(format = DateTime)]
    started_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    completed_at: String,
    /// The appointment.
    #[schema(required)]
    appointment_id: Option<String>,
    /// The event there.
    #[schema(required)]
    external_event_id: Option<String>,
    /// As in the logs.
    correlation_id: String,
    /// When a replay of it succeeded: its status is `success` since, its error is what it was.
    #[schema(required, format = DateTime)]
    replayed_at: Option<String>,
    /// When what it is about got through, after it had been tried as often as it may be.
    #[schema(required, format = DateTime)]
    recovered_at: Option<String>,
}

/// A page of attempts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminAttempts)]
pub struct AttemptItems {
    /// Newest first.
    sync_attempts: Vec<AttemptItem>,
    /// How many there are on all pages.
    #[schema(minimum = 0)]
    total_count: i64,
    /// The path of the next page; `null`: this is the last.
    #[schema(required)]
    next: Option<String>,
}

/// An attempt that failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminFailedAttempt)]
pub struct FailedItem {
    /// Its id.
    attempt_id: String,
    /// `list_changes`, `upsert`, `delete` or `resync`.
    operation: &'static str,
    /// `pull` or `push`.
    direction: &'static str,
    /// `transient`, `rate_limited` or `non_retryable`.
    #[schema(required)]
    error_class: Option<&'static str>,
    /// Why it failed; without content of events.
    #[schema(required)]
    error_summary: Option<String>,
    /// How often it was tried before.
    #[schema(minimum = 0)]
    retry_count: i64,
    /// Whether it was tried as often as it may be, and what it is about has not got through since.
    max_retries_reached: bool,
    /// When it is tried again.
    #[schema(required, format = DateTime)]
    next_retry_at: Option<String>,
    /// When it began.
    #[schema(format = DateTime)]
    started_at: String,
    /// The appointment.
    #[schema(required)]
    appointment_id: Option<String>,
}

/// An attempt that failed, and whose.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminFailedAttemptOfConnection)]
pub struct FailedOf {
    /// The attempt.
    #[serde(flatten)]
    attempt: FailedItem,
    /// The connection.
    connection_id: String,
    /// The provider.
    provider: &'static str,
}

/// Attempts of one connection that failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailedOfConnection {
    /// The connection.
    connection_id: String,
    /// Newest first.
    failed_attempts: Vec<FailedItem>,
    /// How many there are on all pages.
    #[schema(minimum = 0)]
    total_count: i64,
    /// The path of the next page; `null`: this is the last.
    #[schema(required)]
    next: Option<String>,
}

/// Attempts that failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailedAttempts {
    /// Newest first.
    failed_attempts: Vec<FailedOf>,
    /// How many there are on all pages.
    #[schema(minimum = 0)]
    total_count: i64,
    /// The path of the next page; `null`: this is the last.
    #[schema(required)]
    next: Option<String>,
}

fn item(row: AttemptRow) -> AttemptItem {
    let attempt = row.attempt;
    let status = attempt.outcome();
    let (replayed_at, recovered_at) = (attempt.replayed.map(stamp), attempt.recovered.map(stamp));
    let what = attempt.what;
    let (class, summary) = what.failure.map_or((None, None), |(class, summary)| (Some(class), Some(summary)));
    AttemptItem {
        attempt_id: attempt.id.as_str().to_owned(),
        connection_id: attempt.connection.as_str().to_owned(),
        link_id: attempt.link.as_str().to_owned(),
        run_id: attempt.run.as_str().to_owned(),
        provider: row.provider.as_str(),
        user_id: row.user.0.as_str().to_owned(),
        user_name: row.user.1,
        operation: what.operation.as_str(),
        direction: what.way.as_str(),
        status,
        error_class: class.map(|c| c.as_str()),
        error_summary: summary,
        retry_count: what.retry_count,
        max_retries_reached: what.max_retries_reached,
        next_retry_at: what.next_retry.map(stamp),
        started_at: stamp(what.started),
        completed_at: stamp(attempt.completed),
        appointment_id: what.object.map(|id| id.as_str().to_owned()),
        external_event_id: what.remote,
        correlation_id: attempt.correlation_id,
        replayed_at,
        recovered_at,
    }
}

fn failed_item(item: AttemptItem) -> FailedItem {
    FailedItem {
        attempt_id: item.attempt_id,
        operation: item.operation,
        direction: item.direction,
        error_class: item.error_class,
        error_summary: item.error_summary,
        retry_count: item.retry_count,
        max_retries_reached: item.max_retries_reached,
        next_retry_at: item.next_retry_at,
        started_at: item.started_at,
        appointment_id: item.appointment_id,
    }
}

/// Lists the firm's attempts, newest first.
#[utoipa::path(
    get, path = "/api/calendar/admin/sync-attempts/", tag = "admin", operation_id = "adminAttempts",
    params(AttemptsQuery), responses((status = 200, description = "A page of them", body = AttemptItems)),
)]
pub async fn attempts(
    State(gate): State<Gate>,
    manager: Manager,
    Query(asked): Query<AttemptsQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Json<AttemptItems>, Problem> {
    let caller = &manager.0.caller;
    let (limit, after) = (query::limit(asked.limit)?, query::cursor(&gate, caller, PATH, asked.cursor.as_deref())?);
    let after = after.map(AttemptId::from_text);
    if asked.connection_id.as_deref().is_some_and(|id| !is_id(id)) {
        return Err(Problem::value("connection_id", "there is no such connection"));
    }
    let mut tx = gate.store.read().await?;
    let (start, end) = (asked.start_date.as_deref(), asked.end_date.as_deref());
    let (from, until) = query::range(&mut tx, caller, (start, end)).await?;
    let states = "success, failed, exhausted, pending_retry or eligible_for_retry";
    let filter = AttemptFilter {
        state: query::one_of("status", asked.status.as_deref(), AttemptState::parse, states)?,
        class: query::one_of("error_class", asked.error_class.as_deref(), ErrorClass::parse, CLASSES)?,
        connection: asked.connection_id.as_deref().map(ConnectionId::from_text),
        user: query::user(&mut tx, caller, asked.user.as_deref()).await?,
        provider: query::provider(asked.provider.as_deref())?,
        project: query::word("project", asked.project)?,
        text: query::word("text", asked.text)?,
        from,
        until,
    };
    let page = tx.attempts(&caller.firm, &filter, after.as_ref(), limit).await?;
    let next = query::next(&gate, caller, PATH, raw.as_deref(), place(&page));
    Ok(Json(AttemptItems { sync_attempts: page.rows.into_iter().map(item).collect(), total_count: page.total, next }))
}

/// What a list of failed attempts shows, and the path of its next page.
async fn failures(
    gate: &Gate,
    manager: &Manager,
    (asked, raw): (FailedQuery, Option<&str>),
    connection: Option<&str>,
) -> Result<(AttemptPage, Option<String>), Problem> {
    let caller = &manager.0.caller;
    let path = match connection {
        Some(id) => format!("/api/calendar/admin/connections/{id}/failed-attempts/"),
        None => FAILED_PATH.to_owned(),
    };
    let (limit, after) = (query::limit(asked.limit)?, query::cursor(gate, caller, &path, asked.cursor.as_deref())?);
    let after = after.map(AttemptId::from_text);
    let mut tx = gate.store.read().await?;
    let connection = match connection {
        Some(id) => Some(of_firm(&mut tx, manager, id).await?.id),
        None => None,
    };
    let (start, end) = (asked.start_date.as_deref(), asked.end_date.as_deref());
    let (from, until) = query::range(&mut tx, caller, (start, end)).await?;
    let some = |word: &str| AttemptState::parse(word).filter(|state| *state != AttemptState::Success);
    let state = query::one_of(
        "status",
        asked.status.as_deref(),
        some,
        "failed, exhausted, pending_retry or eligible_for_retry",
    )?;
    let all = if asked.include_exhausted { AttemptState::Failed } else { AttemptState::FailedNotExhausted };
    let filter = AttemptFilter {
        state: Some(state.unwrap_or(all)),
        class: query::one_of("error_class", asked.error_class.as_deref(), ErrorClass::parse, CLASSES)?,
        connection,
        user: query::user(&mut tx, caller, asked.user.as_deref()).await?,
        provider: query::provider(asked.provider.as_deref())?,
        project: query::word("project", asked.project)?,
        text: query::word("text", asked.text)?,
        from,
        until,
    };
    let page = tx.attempts(&caller.firm, &filter, after.as_ref(), limit).await?;
    let next = query::next(gate, caller, &path, raw, place(&page));
    Ok((page, next))
}

/// Where the next page goes on.
fn place(page: &AttemptPage) -> Option<&str> {
    page.next.as_ref().map(AttemptId::as_str)
}

/// Lists a connection's attempts that failed, newest first; those that were tried as often as they may be on demand.
#[utoipa::path(
    get, path = "/api/calendar/admin/connections/{id}/failed-attempts/", tag = "admin",
    operation_id = "adminFailedAttemptsOfConnection",
    params(("id" = String, Path, description = "The connection"), FailedQuery),
    responses((status = 200, description = "A page of them", body = FailedOfConnection)),
)]
pub async fn failed_of(
    State(gate): State<Gate>,
    manager: Manager,
    Id(id): Id,
    Query(asked): Query<FailedQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Json<FailedOfConnection>, Problem> {
    let (page, next) = failures(&gate, &manager, (asked, raw.as_deref()), Some(&id)).await?;
    let failed_attempts = page.rows.into_iter().map(|row| failed_item(item(row))).collect();
    Ok(Json(FailedOfConnection { connection_id: id, failed_attempts, total_count: page.total, next }))
}

/// Lists the attempts of all connections that failed, newest first; those that were tried as often as they may be on
/// demand.
#[utoipa::path(
    get, path = "/api/calendar/admin/sync-attempts/failed/", tag = "admin", operation_id = "adminFailedAttempts",
    params(FailedQuery), responses((status = 200, description = "A page of them", body = FailedAttempts)),
)]
pub async fn failed(
    State(gate): State<Gate>,
    manager: Manager,
    Query(asked): Query<FailedQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Json<FailedAttempts>, Problem> {
    let (page, next) = failures(&gate, &manager, (asked, raw.as_deref()), None).await?;
    let of = |row: AttemptRow| {
        let item = item(row);
        let (connection_id, provider) = (item.connection_id.clone(), item.provider);
        FailedOf { attempt: failed_item(item), connection_id, provider }
    };
    Ok(Json(FailedAttempts { failed_attempts: page.rows.into_iter().map(of).collect(), total_count: page.total, next }))
}
