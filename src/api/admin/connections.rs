//! Connections of the firm: the list, how one stands, pausing, resuming, revoking; and a link's confirmation.

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::manager::Manager;
use super::query::{self, NoFields, PerhapsBody};
use crate::api::extract::{Id, Nothing, Query};
use crate::api::problem::{Code, Problem};
use crate::api::times::stamp;
use crate::auth::Gate;
use crate::domain::ids::{ConnectionId, LinkId};
use crate::domain::sync::{ConnectionStatus, LinkStatus};
use crate::store::{AttemptFigures, Connection, ConnectionFilter, ConnectionRow, Link, ReadTx};
use crate::sync::desk::{Desk, Imported};

const PATH: &str = "/api/calendar/admin/connections/";
/// Characters of a cursor that are shown: enough to see that it moves.
const CURSOR_CHARS: usize = 6;

/// Which connections.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConnectionsQuery {
    /// `active`, `paused`, `needs_reauth` or `revoked`.
    status: Option<String>,
    /// At this provider.
    provider: Option<String>,
    /// Of this user: id or name.
    user: Option<String>,
    /// That carry an appointment of this project.
    project: Option<String>,
    /// In the account, the label, the user's name or the reason of the state.
    text: Option<String>,
    /// Made on or after this day or time.
    start_date: Option<String>,
    /// Made until this day, or before this time.
    end_date: Option<String>,
    /// Items on a page.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<u32>,
    /// Where the page begins: from `next` of the page before.
    cursor: Option<String>,
}

/// A connection of the firm.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminConnection)]
pub struct ConnectionItem {
    /// Its id.
    connection_id: String,
    /// The provider.
    provider: &'static str,
    /// `active`, `paused`, `needs_reauth` or `revoked`.
    status: &'static str,
    /// Why.
    #[schema(required)]
    status_note: Option<String>,
    /// The account's own name there.
    account: String,
    /// What its owner calls it.
    label: String,
    /// Whose it is.
    user_id: String,
    /// Their name.
    user_name: String,
    /// Its links that are not detached.
    #[schema(minimum = 0)]
    links: i64,
    /// Those of them that run.
    #[schema(minimum = 0)]
    active_links: i64,
    /// Conflicts that wait for a decision.
    #[schema(minimum = 0)]
    open_conflicts: i64,
    /// When one of its links last ran.
    #[schema(required, format = DateTime)]
    last_sync_at: Option<String>,
    /// When a run of one last came to an end.
    #[schema(required, format = DateTime)]
    last_success_at: Option<String>,
    /// How the worst of its links' last runs ended: `success`, `partial` or `failed`.
    #[schema(required)]
    last_sync_status: Option<&'static str>,
    /// No call before this: the provider said that it is too much.
    #[schema(required, format = DateTime)]
    slow_until: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// A page of connections.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminConnections)]
pub struct ConnectionItems {
    /// Newest first.
    connections: Vec<ConnectionItem>,
    /// How many there are on all pages.
    #[schema(minimum = 0)]
    total_count: i64,
    /// The path of the next page; `null`: this is the last.
    #[schema(required)]
    next: Option<String>,
}

/// How a connection stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncStatusOfConnection {
    /// Its id.
    connection_id: String,
    /// The provider.
    provider: &'static str,
    /// `active`, `paused`, `needs_reauth` or `revoked`.
    status: &'static str,
    /// When one of its links last ran.
    #[schema(required, format = DateTime)]
    last_sync_at: Option<String>,
    /// Where the next listing goes on, shortened.
    #[schema(required)]
    last_sync_cursor: Option<String>,
    /// Figures of its attempts that are kept.
    statistics: Statistics,
}

/// Figures of a connection's attempts.
#[derive(Debug, Serialize, ToSchema)]
pub struct Statistics {
    /// Attempts.
    #[schema(minimum = 0)]
    total_attempts: i64,
    /// That succeeded.
    #[schema(minimum = 0)]
    successes: i64,
    /// That failed.
    #[schema(minimum = 0)]
    failures: i64,
    /// How many of a hundred succeeded.
    #[schema(example = "96.7%")]
    success_rate: String,
    /// That were tried as often as they may be.
    #[schema(minimum = 0)]
    max_retries_reached: i64,
    /// That are tried again later.
    #[schema(minimum = 0)]
    pending_retry: i64,
    /// That may be tried again now.
    #[schema(minimum = 0)]
    eligible_for_retry: i64,
    /// The failures by class.
    error_breakdown: ErrorBreakdown,
    /// When the latest success began.
    #[schema(required, format = DateTime)]
    last_successful_sync: Option<String>,
    /// As above.
    #[schema(required)]
    last_sync_cursor: Option<String>,
}

/// Failures by class.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBreakdown {
    /// That pass by themselves.
    #[schema(minimum = 0)]
    transient: i64,
    /// That nobody tries again.
    #[schema(minimum = 0)]
    non_retryable: i64,
    /// That were too many at once.
    #[schema(minimum = 0)]
    rate_limited: i64,
}

/// A connection that was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectionDone {
    /// What was done.
    message: String,
    /// Its id.
    connection_id: String,
    /// The provider.
    provider: &'static str,
    /// How it is now.
    status: &'static str,
}

/// A link that was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkDone {
    /// What was done.
    message: String,
    /// Its id.
    link_id: String,
    /// How it is now.
    status: &'static str,
}

fn item(row: ConnectionRow) -> ConnectionItem {
    let connection = row.connection;
    ConnectionItem {
        connection_id: connection.id.as_str().to_owned(),
        provider: connection.provider.as_str(),
        status: connection.status.as_str(),
        status_note: connection.status_note,
        account: connection.account,
        label: connection.label,
        user_id: connection.user.as_str().to_owned(),
        user_name: row.user,
        links: row.links.0,
        active_links: row.links.1,
        open_conflicts: row.open_conflicts,
        last_sync_at: row.last.0.map(stamp),
        last_success_at: row.last.1.map(stamp),
        last_sync_status: row.last_status.map(|s| s.as_str()),
        slow_until: connection.slow_until.map(stamp),
        created_at: stamp(connection.created),
    }
}

/// A connection of the manager's firm.
pub(super) async fn of_firm(tx: &mut ReadTx, manager: &Manager, id: &str) -> Result<Connection, Problem> {
    let found = tx.connection(&manager.0.caller.firm, &ConnectionId::from_text(id)).await?;
    found.ok_or_else(Problem::not_found)
}

/// Lists the firm's connections, newest first.
#[utoipa::path(
    get, path = "/api/calendar/admin/connections/", tag = "admin", operation_id = "adminConnections",
    params(ConnectionsQuery), responses((status = 200, description = "A page of them", body = ConnectionItems)),
)]
pub async fn connections(
    State(gate): State<Gate>,
    manager: Manager,
    Query(asked): Query<ConnectionsQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Json<ConnectionItems>, Problem> {
    let caller = &manager.0.caller;
    let (limit, after) = (query::limit(asked.limit)?, query::cursor(&gate, caller, PATH, asked.cursor.as_deref())?);
    let after = after.map(ConnectionId::from_text);
    let mut tx = gate.store.read().await?;
    let (start, end) = (asked.start_date.as_deref(), asked.end_date.as_deref());
    let (from, until) = query::range(&mut tx, caller, (start, end)).await?;
    let words = "active, paused, needs_reauth or revoked";
    let filter = ConnectionFilter {
        status: query::one_of("status", asked.status.as_deref(), ConnectionStatus::parse, words)?,
        provider: query::provider(asked.provider.as_deref())?,
        user: query::user(&mut tx, caller, asked.user.as_deref()).await?,
        project: query::word("project", asked.project)?,
        text: query::word("text", asked.text)?,
        from,
        until,
    };
    let (mut rows, total) = tx.connection_page(&caller.firm, &filter, after.as_ref(), limit + 1).await?;
    let last = query::cut(&mut rows, limit, |row| row.connection.id.as_str().to_owned());
    let next = query::next(&gate, caller, PATH, raw.as_deref(), last.as_deref());
    Ok(Json(ConnectionItems { connections: rows.into_iter().map(item).collect(), total_count: total, next }))
}

/// Tells how a connection stands, from its attempts.
#[utoipa::path(
    get, path = "/api/calendar/admin/connections/{id}/sync-status/", tag = "admin", operation_id = "adminSyncStatus",
    params(("id" = String, Path, description = "The connection")),
    responses((status = 200, description = "How it stands", body = SyncStatusOfConnection)),
)]
pub async fn sync_status(
    State(gate): State<Gate>,
    manager: Manager,
    _: Query<Nothing>,
    Id(id): Id,
) -> Result<Json<SyncStatusOfConnection>, Problem> {
    let mut tx = gate.store.read().await?;
    let connection = of_firm(&mut tx, &manager, &id).await?;
    let links = tx.links_of_connection(&connection.firm, &connection.id).await?;
    let figures = tx.attempt_figures(&connection.firm, &connection.id).await?;
    let latest = links.iter().max_by_key(|l| l.last.0);
    let cursor = latest.and_then(|l: &Link| l.cursor.as_deref()).map(shortened);
    Ok(Json(SyncStatusOfConnection {
        connection_id: connection.id.as_str().to_owned(),
        provider: connection.provider.as_str(),
        status: connection.status.as_str(),
        last_sync_at: latest.and_then(|l| l.last.0).map(stamp),
        last_sync_cursor: cursor.clone(),
        statistics: Statistics::of(&figures, cursor),
    }))
}

impl Statistics {
    fn of(figures: &AttemptFigures, cursor: Option<String>) -> Statistics {
        let [transient, rate_limited, non_retryable] = figures.by_class;
        Statistics {
            total_attempts: figures.total,
            successes: figures.successes,
            failures: figures.failures,
            success_rate: percent(figures.successes, figures.total),
            max_retries_reached: figures.exhausted,
            pending_retry: figures.pending,
            eligible_for_retry: figures.eligible,
            error_breakdown: ErrorBreakdown { transient, non_retryable, rate_limited },
            last_successful_sync: figures.last_success.map(stamp),
            last_sync_cursor: cursor,
        }
    }
}

/// A share with one decimal, rounded to the nearest; of nothing, nothing.
pub(super) fn percent(part: i64, whole: i64) -> String {
    if whole <= 0 {
        return "0.0%".to_owned();
    }
    let tenths = (i128::from(part) * 1_000 + i128::from(whole) / 2) / i128::from(whole);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// The beginning of a cursor, and how long it is: a provider's cursor may tell more than a reader should know.
fn shortened(cursor: &str) -> String {
    let length = cursor.chars().count();
    let shown: String = cursor.chars().take(CURSOR_CHARS.min(length / 3)).collect();
    format!("{shown}… ({length} characters)")
}

async fn set(gate: &Gate, manager: &Manager, id: &str, to: ConnectionStatus) -> Result<ConnectionDone, Problem> {
    let mut tx = gate.store.write().await?;
    let connection = of_firm(&mut tx, manager, id).await?;
    if !matches!(connection.status, ConnectionStatus::Active | ConnectionStatus::Paused) {
        let why = format!("the connection is {}: its user connects it again", connection.status);
        return Err(Problem::new(Code::NotPossible, why));
    }
    let by = format!("paused by {}", manager.0.caller.name);
    let (note, action, message) = match to {
        ConnectionStatus::Paused => (Some(by.as_str()), "calendar_connection_paused", "The connection is paused"),
        _ => (None, "calendar_connection_resumed", "The connection runs again"),
    };
    tx.set_connection_status(&connection.firm, &connection.id, to, note).await?;
    manager.record(&mut tx, action, connection.id.as_str(), &json!({ "user_id": connection.user.as_str() })).await?;
    tx.commit().await?;
    Ok(ConnectionDone {
        message: message.to_owned(),
        connection_id: connection.id.as_str().to_owned(),
        provider: connection.provider.as_str(),
        status: to.as_str(),
    })
}

/// Pauses a connection with all its links. Changes are kept and carried out after it resumes.
#[utoipa::path(
    post, path = "/api/calendar/admin/connections/{id}/pause/", tag = "admin", operation_id = "adminPauseConnection",
    params(("id" = String, Path, description = "The connection")), request_body = Option<NoFields>,
    responses((status = 200, description = "It is paused", body = ConnectionDone)),
)]
pub async fn pause(
    State(gate): State<Gate>,
    manager: Manager,
    _: Query<Nothing>,
    Id(id): Id,
    _: PerhapsBody<NoFields>,
) -> Result<Json<ConnectionDone>, Problem> {
    Ok(Json(set(&gate, &manager, &id, ConnectionStatus::Paused).await?))
}

/// Lets a paused connection run again.
#[utoipa::path(
    post, path = "/api/calendar/admin/connections/{id}/resume/", tag = "admin", operation_id = "adminResumeConnection",
    params(("id" = String, Path, description = "The connection")), request_body = Option<NoFields>,
    responses((status = 200, description = "It runs again", body = ConnectionDone)),
)]
pub async fn resume(
    State(gate): State<Gate>,
    manager: Manager,
    _: Query<Nothing>,
    Id(id): Id,
    _: PerhapsBody<NoFields>,
) -> Result<Json<ConnectionDone>, Problem> {
    Ok(Json(set(&gate, &manager, &id, ConnectionStatus::Active).await?))
}

/// Ends a connection: its links end, the grant is revoked at the provider, the tokens are forgotten. What it brought
/// stays.
#[utoipa::path(
    post, path = "/api/calendar/admin/connections/{id}/revoke/", tag = "admin", operation_id = "adminRevokeConnection",
    params(("id" = String, Path, description = "The connection")), request_body = Option<NoFields>,
    responses((status = 200, description = "It is revoked", body = ConnectionDone)),
)]
pub async fn revoke(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    manager: Manager,
    _: Query<Nothing>,
    Id(id): Id,
    _: PerhapsBody<NoFields>,
) -> Result<Json<ConnectionDone>, Problem> {
    let connection = of_firm(&mut gate.store.read().await?, &manager, &id).await?;
    let by = manager.0.caller.name.as_str().to_owned();
    let done = desk.disconnect(connection.firm, connection.id, Imported::Keep, by).await?;
    let details = json!({ "user_id": connection.user.as_str(), "links": done.links,
        "revoked_at_provider": done.revoked_there });
    let mut tx = gate.store.write().await?;
    manager.record(&mut tx, "calendar_connection_revoked", &id, &details).await?;
    tx.commit().await?;
    Ok(Json(ConnectionDone {
        message: "The connection is revoked".to_owned(),
        connection_id: id,
        provider: connection.provider.as_str(),
        status: ConnectionStatus::Revoked.as_str(),
    }))
}

/// Lets a link that the mass-change guard stopped remove what its preview shows, once.
#[utoipa::path(
    post, path = "/api/calendar/admin/links/{id}/confirm/", tag = "admin", operation_id = "adminConfirmLink",
    params(("id" = String, Path, description = "The link")), request_body = Option<NoFields>,
    responses((status = 200, description = "Its next run begins at once", body = LinkDone)),
)]
pub async fn confirm(
    State(gate): State<Gate>,
    manager: Manager,
    _: Query<Nothing>,
    Id(id): Id,
    _: PerhapsBody<NoFields>,
) -> Result<Json<LinkDone>, Problem> {
    let mut tx = gate.store.write().await?;
    let link = tx.link_by_id(&manager.0.caller.firm, &LinkId::from_text(id.as_str())).await?;
    let link = link.ok_or_else(Problem::not_found)?;
    if !tx.confirm_link(&link.firm, &link.id, i64::MAX).await? {
        let why = format!("the link is {}: nothing waits for confirmation", link.status);
        return Err(Problem::new(Code::NotPossible, why));
    }
    tx.settle_notices((&link.firm, &link.user), link.id.as_str()).await?;
    manager.record(&mut tx, "sync_link_confirmed", link.id.as_str(), &json!({ "user_id": link.user.as_str() })).await?;
    tx.commit().await?;
    let message = "Its next run removes what the preview shows".to_owned();
    Ok(Json(LinkDone { message, link_id: id, status: LinkStatus::Active.as_str() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_one_decimal() {
        for (part, whole, expected) in
            [(29, 30, "96.7%"), (1, 3, "33.3%"), (2, 3, "66.7%"), (5, 5, "100.0%"), (0, 7, "0.0%"), (0, 0, "0.0%")]
        {
            assert_eq!(percent(part, whole), expected);
        }
    }

    #[test]
    fn a_cursor_is_not_told() {
        assert_eq!(shortened("CPDAlvWDx70CEPDAlvWDx70CGAU="), "CPDAlv… (28 characters)");
        assert_eq!(shortened("abc"), "a… (3 characters)");
    }
}
