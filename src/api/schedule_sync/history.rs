//! Runs: which there were, what each did, again, and undone.

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find;
use super::links::{AskedRun, audit_target, provider};
use crate::api::appointments::reader_zone;
use crate::api::extract::{Id, Nothing, Query, Syncer, Visitor};
use crate::api::page::{Cut, Page};
use crate::api::problem::{Code, Problem};
use crate::api::times::{Given, stamp};
use crate::auth::Gate;
use crate::domain::ids::RunId;
use crate::domain::sync::{LinkStatus, RunKind, RunStatus};
use crate::store::{Attempt, ReadTx, Run, RunFilter, RunItem};
use crate::sync::desk::{Bounds, Desk};

/// Items of a run that its details show; the rest is counted.
const ITEMS_MAX: u32 = 1_000;

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct HistoryQuery {
    /// Ended so: `running`, `success`, `partial` or `failed`.
    status: Option<String>,
    /// At this provider.
    provider: Option<String>,
    /// Of this link.
    link_id: Option<String>,
    /// Begun at or after this time.
    from: Option<String>,
    /// Begun before this time.
    until: Option<String>,
    /// Items on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Items to skip.
    #[param(minimum = 0, maximum = 10_000_000, default = 0)]
    offset: Option<u32>,
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncRun)]
pub struct RunView {
    /// Its id.
    sync_id: String,
    /// The link.
    link_id: String,
    /// Its connection.
    connection_id: String,
    /// `full`, `push`, `pull`, `webhook`, `manual`, `resync` or `undo`.
    sync_type: &'static str,
    /// `running`, `success`, `partial` or `failed`.
    status: &'static str,
    /// When it began.
    #[schema(format = DateTime)]
    started_at: String,
    /// When it ended.
    #[schema(required, format = DateTime)]
    completed_at: Option<String>,
    /// Items written there.
    items_pushed: i64,
    /// Appointments written here.
    items_pulled: i64,
    /// Removed on either side.
    items_deleted: i64,
    /// Conflicts found.
    conflicts: i64,
    /// What was left.
    errors: i64,
    /// Why it is partial or failed.
    #[schema(required)]
    error_summary: Option<String>,
    /// As in the logs.
    correlation_id: String,
    /// The run that undid it.
    #[schema(required)]
    undone_by: Option<String>,
}

/// What a run did to one side of one appointment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncRunItem)]
pub struct RunItemView {
    /// Its place in the run.
    number: i64,
    /// `pull`: here; `push`: there.
    direction: &'static str,
    /// `created`, `updated`, `deleted`, `cancelled`, `linked`, `conflict`, `withdrawn`, `parked` …
    action: String,
    /// The appointment here.
    #[schema(required)]
    appointment_id: Option<String>,
    /// The event there.
    #[schema(required)]
    external_event_id: Option<String>,
    /// Why.
    #[schema(required)]
    note: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    at: String,
}

/// A call to the provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncAttempt)]
pub struct AttemptView {
    /// Its id.
    attempt_id: String,
    /// `list_changes`, `upsert`, `delete` or `resync`.
    operation: &'static str,
    /// `pull` or `push`.
    direction: &'static str,
    /// The appointment.
    #[schema(required)]
    appointment_id: Option<String>,
    /// `success` or `failed`.
    outcome: &'static str,
    /// `transient`, `rate_limited` or `non_retryable`.
    #[schema(required)]
    error_class: Option<&'static str>,
    /// Why it failed.
    #[schema(required)]
    error_summary: Option<String>,
    /// How often it was tried before.
    retry_count: i64,
    /// When it is tried again.
    #[schema(required, format = DateTime)]
    next_retry_at: Option<String>,
    /// Whether it was tried as often as it may be; the next scheduled run tries once more.
    max_retries_reached: bool,
    /// When it began.
    #[schema(format = DateTime)]
    started_at: String,
}

/// A run with what it did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SyncRunDetails)]
pub struct RunDetails {
    /// The run.
    #[serde(flatten)]
    run: RunView,
    /// What it did, in its order; the first thousand.
    items: Vec<RunItemView>,
    /// The calls it made that were recorded.
    attempts: Vec<AttemptView>,
}

impl RunView {
    /// As the JSON shows a run.
    pub(super) fn of(run: Run) -> RunView {
        RunView {
            sync_id: run.id.as_str().to_owned(),
            link_id: run.link.as_str().to_owned(),
            connection_id: run.connection.as_str().to_owned(),
            sync_type: run.kind.as_str(),
            status: run.status.as_str(),
            started_at: stamp(run.started),
            completed_at: run.completed.map(stamp),
            items_pushed: run.totals.pushed,
            items_pulled: run.totals.pulled,
            items_deleted: run.totals.deleted,
            conflicts: run.totals.conflicts,
            errors: run.totals.errors,
            error_summary: run.error_summary,
            correlation_id: run.correlation_id,
            undone_by: run.undone_by.map(|id| id.as_str().to_owned()),
        }
    }
}

fn item_view(item: RunItem) -> RunItemView {
    RunItemView {
        number: item.number,
        direction: item.way.as_str(),
        action: item.action,
        appointment_id: item.object.map(|id| id.as_str().to_owned()),
        external_event_id: item.remote,
        note: item.note,
        at: stamp(item.at),
    }
}

fn attempt_view(attempt: Attempt) -> AttemptView {
    let what = attempt.what;
    let (class, summary) = what.failure.map_or((None, None), |(class, summary)| (Some(class), Some(summary)));
    AttemptView {
        attempt_id: attempt.id.as_str().to_owned(),
        operation: what.operation.as_str(),
        direction: what.way.as_str(),
        appointment_id: what.object.map(|id| id.as_str().to_owned()),
        outcome: if class.is_some() { "failed" } else { "success" },
        error_class: class.map(|c| c.as_str()),
        error_summary: summary,
        retry_count: what.retry_count,
        next_retry_at: what.next_retry.map(stamp),
        max_retries_reached: what.max_retries_reached,
        started_at: stamp(what.started),
    }
}

async fn own(tx: &mut ReadTx, visitor: &Visitor, id: &str) -> Result<Run, Problem> {
    let found = tx.run(&visitor.caller.firm, &RunId::from_text(id)).await?;
    found.filter(|r| r.user == visitor.caller.user).ok_or_else(Problem::not_found)
}

/// Lists the runs of the caller's links, newest first.
#[utoipa::path(
    get, path = "/api/schedule/sync/history", tag = "sync", operation_id = "syncHistory", params(HistoryQuery),
    responses((status = 200, description = "A page of them", body = Page<RunView>)),
)]
pub async fn history(
    State(gate): State<Gate>,
    Syncer(visitor): Syncer,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<Page<RunView>>, Problem> {
    let cut = Cut::of(query.limit, query.offset)?;
    let mut tx = gate.store.read().await?;
    let zone = reader_zone(&mut tx, &visitor.caller).await?;
    let status = |text: &str| {
        RunStatus::parse(text).ok_or_else(|| Problem::value("status", "running, success, partial or failed"))
    };
    let time = |field: &str, text: &str| Ok::<_, Problem>(Given::parse(field, text)?.instant(&zone));
    let link = match &query.link_id {
        Some(id) => Some(find::link(&mut tx, &visitor, id).await?.id),
        None => None,
    };
    let filter = RunFilter {
        status: query.status.as_deref().map(status).transpose()?,
        provider: query.provider.as_deref().map(provider).transpose()?,
        link,
        from: query.from.as_deref().map(|t| time("from", t)).transpose()?,
        until: query.until.as_deref().map(|t| time("until", t)).transpose()?,
    };
    let caller = &visitor.caller;
    let (runs, total) = tx.runs((&caller.firm, &caller.user), &filter, (cut.limit, cut.offset)).await?;
    Ok(Json(cut.with(runs.into_iter().map(RunView::of).collect(), total)))
}

/// Tells what a run did, and how its calls went.
#[utoipa::path(
    get, path = "/api/schedule/sync/history/{id}", tag = "sync", operation_id = "syncRun",
    params(("id" = String, Path, description = "The run")),
    responses((status = 200, description = "The run", body = RunDetails)),
)]
pub async fn run(
    State(gate): State<Gate>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    Id(id): Id,
) -> Result<Json<RunDetails>, Problem> {
    let mut tx = gate.store.read().await?;
    let run = own(&mut tx, &visitor, &id).await?;
    let items = tx.run_items(&visitor.caller.firm, &run.id, 0, ITEMS_MAX).await?;
    let attempts = tx.attempts_of_run(&visitor.caller.firm, &run.id).await?;
    Ok(Json(RunDetails {
        run: RunView::of(run),
        items: items.into_iter().map(item_view).collect(),
        attempts: attempts.into_iter().map(attempt_view).collect(),
    }))
}

/// Tries again what a failed or partial run left: everything that waits for its next try is due at once.
#[utoipa::path(
    post, path = "/api/schedule/sync/history/{id}/retry", tag = "sync", operation_id = "retrySync",
    params(("id" = String, Path, description = "The run")),
    responses((status = 200, description = "The new run", body = AskedRun)),
)]
pub async fn retry(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    Id(id): Id,
) -> Result<Json<AskedRun>, Problem> {
    let mut tx = gate.store.write().await?;
    let run = own(&mut tx, &visitor, &id).await?;
    if !matches!(run.status, RunStatus::Failed | RunStatus::Partial) {
        return Err(Problem::new(Code::NotPossible, format!("this run is {}: nothing was left", run.status)));
    }
    let link = find::link(&mut tx, &visitor, run.link.as_str()).await?;
    if link.status != LinkStatus::Active {
        return Err(Problem::new(Code::NotPossible, format!("the link is {}", link.status)));
    }
    tx.retry_outbox(&link.firm, &link.id).await?;
    audit_target(&mut tx, &visitor, "sync_run_retried", run.id.as_str()).await?;
    tx.commit().await?;
    let asked = desk.run_now(link.firm, link.id, RunKind::Manual, Bounds::default()).await?;
    Ok(Json(AskedRun::of(&run.link, &asked)))
}

/// Undoes what a run did, on both sides. What was changed since is left alone.
#[utoipa::path(
    post, path = "/api/schedule/sync/history/{id}/undo", tag = "sync", operation_id = "undoSync",
    params(("id" = String, Path, description = "The run")),
    responses((status = 200, description = "The run that undid it", body = AskedRun)),
)]
pub async fn undo(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    Id(id): Id,
) -> Result<Json<AskedRun>, Problem> {
    let mut tx = gate.store.write().await?;
    let run = own(&mut tx, &visitor, &id).await?;
    if run.status == RunStatus::Running {
        return Err(Problem::new(Code::NotPossible, "this run is under way"));
    }
    if run.undone_by.is_some() {
        return Err(Problem::new(Code::NotPossible, "this run was undone already"));
    }
    audit_target(&mut tx, &visitor, "sync_run_undone", run.id.as_str()).await?;
    tx.commit().await?;
    let by = visitor.caller.name.as_str().to_owned();
    let asked = desk.undo(visitor.caller.firm.clone(), run.id, by).await?;
    Ok(Json(AskedRun::of(&run.link, &asked)))
}
