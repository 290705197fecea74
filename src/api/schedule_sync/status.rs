//! How everything stands: every link with its figures, once or as a stream that speaks when something changed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use utoipa::ToSchema;

use super::settings::SettingsView;
use super::words::DirectionName;
use crate::api::extract::{Nothing, Query, Syncer, Visitor};
use crate::api::problem::Problem;
use crate::api::times::stamp;
use crate::auth::Gate;
use crate::domain::ids::{ConnectionId, LinkId};
use crate::domain::sync::{ConnectionStatus, LinkStatus};
use crate::domain::time::Instant;
use crate::store::{Connection, Link, LinkFigures, ReadTx, Warning};

/// How often a stream looks whether something changed.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// After so many looks a stream ends, and the client asks again, with credentials that are looked at anew.
const LOOKS_MAX: u32 = 200;

/// An account at a provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncConnection)]
pub struct ConnectionView {
    /// Its id.
    connection_id: String,
    /// The provider.
    provider: &'static str,
    /// The account's own name there.
    account: String,
    /// What its owner calls it.
    label: String,
    /// `active`, `paused`, `needs_reauth` or `revoked`.
    status: &'static str,
    /// Why.
    #[schema(required)]
    status_note: Option<String>,
    /// No call before this: the provider said that it is too much.
    #[schema(required, format = DateTime)]
    slow_until: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// A link and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncLink)]
pub struct LinkView {
    /// Its id.
    link_id: String,
    /// The connection.
    connection_id: String,
    /// The provider.
    provider: &'static str,
    /// The account's own name there.
    account: String,
    /// The calendar here.
    calendar_id: String,
    /// The calendar there.
    remote_calendar_id: String,
    /// What people call it.
    remote_calendar_name: String,
    /// Whether it runs: neither it nor its connection is paused, broken or waiting for somebody.
    is_active: bool,
    /// `active`, `paused`, `needs_confirmation`, `broken` or `detached`.
    status: &'static str,
    /// Why.
    #[schema(required)]
    status_note: Option<String>,
    /// Which way changes go.
    sync_direction: DirectionName,
    /// When it last ran.
    #[schema(required, format = DateTime)]
    last_sync_at: Option<String>,
    /// When a run last came to an end.
    #[schema(required, format = DateTime)]
    last_success_at: Option<String>,
    /// How its last run ended: `success`, `partial` or `failed`.
    #[schema(required)]
    last_sync_status: Option<&'static str>,
    /// When it runs next; `null`: not by itself.
    #[schema(required, format = DateTime)]
    next_sync_at: Option<String>,
    /// Appointments that are in step, or on the way there.
    #[schema(minimum = 0)]
    items_synced: i64,
    /// Appointments that wait to be sent.
    #[schema(minimum = 0)]
    items_waiting: i64,
    /// Appointments that are left alone, with their reasons in the history.
    #[schema(minimum = 0)]
    items_parked: i64,
    /// Conflicts that wait for a decision.
    #[schema(minimum = 0)]
    open_conflicts: i64,
    /// What is wrong, in sentences.
    errors: Vec<String>,
    /// What the provider cannot hold of some appointments, and what is left as it is.
    #[schema(max_items = 50)]
    warnings: Vec<WarningView>,
    /// What is set.
    settings: SettingsView,
}

/// What is told of some appointments of a link.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncWarning)]
pub struct WarningView {
    /// The sentence.
    warning: String,
    /// Of how many appointments it is told.
    #[schema(minimum = 1)]
    appointments: i64,
    /// One of them.
    #[schema(required)]
    appointment_id: Option<String>,
}

/// How everything stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SyncStatus)]
pub struct StatusView {
    /// The caller's links, oldest first; detached ones are not among them.
    links: Vec<LinkView>,
    /// The caller's connections, oldest first.
    connections: Vec<ConnectionView>,
}

impl ConnectionView {
    /// As the JSON shows a connection.
    pub(super) fn of(connection: &Connection) -> ConnectionView {
        ConnectionView {
            connection_id: connection.id.as_str().to_owned(),
            provider: connection.provider.as_str(),
            account: connection.account.clone(),
            label: connection.label.clone(),
            status: connection.status.as_str(),
            status_note: connection.status_note.clone(),
            slow_until: connection.slow_until.map(stamp),
            created_at: stamp(connection.created),
        }
    }
}

impl WarningView {
    fn of(warning: &Warning) -> WarningView {
        WarningView {
            warning: warning.text.clone(),
            appointments: warning.count,
            appointment_id: warning.object.as_ref().map(|id| id.as_str().to_owned()),
        }
    }
}

impl LinkView {
    fn of(link: &Link, connection: &Connection, figures: &LinkFigures) -> LinkView {
        let is_active = link.status == LinkStatus::Active && connection.status == ConnectionStatus::Active;
        let (last_run, last_success, last_status) = link.last;
        let notes = [
            connection.status_note.as_ref().filter(|_| connection.status != ConnectionStatus::Active),
            link.status_note.as_ref().filter(|_| link.status != LinkStatus::Active),
            figures.last_error.as_ref(),
        ];
        LinkView {
            link_id: link.id.as_str().to_owned(),
            connection_id: link.connection.as_str().to_owned(),
            provider: connection.provider.as_str(),
            account: connection.account.clone(),
            calendar_id: link.calendar.as_str().to_owned(),
            remote_calendar_id: link.remote.as_str().to_owned(),
            remote_calendar_name: link.remote_name.clone(),
            is_active,
            status: link.status.as_str(),
            status_note: link.status_note.clone(),
            sync_direction: link.settings.direction.into(),
            last_sync_at: last_run.map(stamp),
            last_success_at: last_success.map(stamp),
            last_sync_status: last_status.map(|s| s.as_str()),
            next_sync_at: is_active.then(|| stamp(link.due.max(connection.slow_until.unwrap_or(Instant::FAR_PAST)))),
            items_synced: figures.mappings.live,
            items_waiting: figures.waiting.0,
            items_parked: figures.mappings.parked,
            open_conflicts: figures.open_conflicts,
            errors: notes.into_iter().flatten().cloned().collect(),
            warnings: figures.warnings.iter().map(WarningView::of).collect(),
            settings: SettingsView::of(&link.settings),
        }
    }
}

/// How everything of the caller stands.
pub(super) async fn stand(tx: &mut ReadTx, visitor: &Visitor) -> Result<StatusView, Problem> {
    let (firm, user) = (&visitor.caller.firm, &visitor.caller.user);
    let connections = tx.connections(firm, user).await?;
    let by_id: HashMap<&ConnectionId, &Connection> = connections.iter().map(|k| (&k.id, k)).collect();
    let figures = tx.link_figures(firm, user).await?;
    let none = LinkFigures::default();
    let links = tx.links(firm, user).await?;
    let live = links.iter().filter(|l| l.status != LinkStatus::Detached);
    let views =
        live.filter_map(|l| Some(LinkView::of(l, by_id.get(&l.connection)?, figures.get(&l.id).unwrap_or(&none))));
    Ok(StatusView { links: views.collect(), connections: connections.iter().map(ConnectionView::of).collect() })
}

/// One link, as the status shows it.
pub(super) async fn view(tx: &mut ReadTx, visitor: &Visitor, id: &LinkId) -> Result<LinkView, Problem> {
    let all = stand(tx, visitor).await?.links;
    all.into_iter().find(|l| l.link_id == id.as_str()).ok_or_else(Problem::not_found)
}

/// Tells how everything stands. The same live, as server-sent events named `status`, at `/api/schedule/sync/status/stream`.
#[utoipa::path(
    get, path = "/api/schedule/sync/status", tag = "sync", operation_id = "syncStatus",
    responses((status = 200, description = "The links and connections", body = StatusView)),
)]
pub async fn status(
    State(gate): State<Gate>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
) -> Result<Json<StatusView>, Problem> {
    Ok(Json(stand(&mut gate.store.read().await?, &visitor).await?))
}

/// The status as server-sent events: at once, and whenever it changed. It ends after some minutes; clients of the kind
/// that browsers have ask again by themselves.
pub async fn stream(State(gate): State<Gate>, Syncer(visitor): Syncer, _: Query<Nothing>) -> Result<Response, Problem> {
    let first = text(&gate, &visitor).await?;
    let begun = Watch { gate, visitor, said: String::new(), next: Some(first), looks: 0 };
    let events = stream::unfold(begun, |mut watch| async move {
        let text = match watch.next.take() {
            Some(first) => first,
            None => watch.change().await?,
        };
        watch.said.clone_from(&text);
        Some((Ok::<Event, Infallible>(Event::default().event("status").data(text)), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// Somebody who watches the status.
struct Watch {
    gate: Gate,
    visitor: Visitor,
    said: String,
    next: Option<String>,
    looks: u32,
}

impl Watch {
    /// The status once it is another one. `None`: the stream ends.
    async fn change(&mut self) -> Option<String> {
        while self.looks < LOOKS_MAX {
            tokio::time::sleep(LOOK_EVERY).await;
            self.looks += 1;
            // A database that is busy is asked again at the next look.
            if let Ok(now) = text(&self.gate, &self.visitor).await
                && now != self.said
            {
                return Some(now);
            }
        }
        None
    }
}

async fn text(gate: &Gate, visitor: &Visitor) -> Result<String, Problem> {
    let status = stand(&mut gate.store.read().await?, visitor).await?;
    serde_json::to_string(&status).map_err(|_| Problem::internal())
}
