//! Links: made, set, previewed, run, paused.

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::find::{self, Target};
use super::settings::{NewLinkInput, SettingsChange, blank};
use super::status::{self, LinkView};
use crate::api::answer::{Answer, Key};
use crate::api::appointments::{calendar_named, reader_zone};
use crate::api::extract::{Body, Nothing, Query, Syncer, Visitor};
use crate::api::problem::{Code, Problem};
use crate::api::times::stamp;
use crate::auth::Gate;
use crate::domain::access::Right;
use crate::domain::ids::LinkId;
use crate::domain::sync::{
    ConflictPolicy, ConnectionStatus, Direction, LinkStatus, LinkWay, Provider, Remote, RunKind, RunStatus,
};
use crate::store::{Connection, Link, LinkObstacle, LinkSettings, NewLink, WriteTx};
use crate::sync::desk::{Asked, Bounds, Desk};

/// The link that a request is about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OneLink {
    /// The link.
    link_id: String,
}

/// The link or the connection that a request is about; one of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LinkOrConnection {
    /// The link.
    link_id: Option<String>,
    /// The connection with all its links.
    connection_id: Option<String>,
}

/// Which links to run: one, those of a connection or a provider, or all that are active.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SyncNow {
    /// The link.
    link_id: Option<String>,
    /// The links of a connection.
    connection_id: Option<String>,
    /// The links at a provider.
    #[schema(example = "google")]
    provider: Option<String>,
}

/// A run that was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AskedRun {
    /// The link.
    link_id: String,
    /// The run; `null`: another one is under way, after which it begins.
    #[schema(required)]
    sync_id: Option<String>,
    /// `running`, or how it ended already.
    status: &'static str,
}

/// Runs that were asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AskedRuns {
    /// The first of the runs.
    #[schema(required)]
    sync_id: Option<String>,
    /// How it stands.
    status: &'static str,
    /// All of them.
    runs: Vec<AskedRun>,
}

/// What would happen to one side of one appointment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncPreviewItem)]
pub struct PreviewItemView {
    /// `pull`: here; `push`: there.
    direction: &'static str,
    /// `created`, `updated`, `deleted`, `cancelled`, `linked`, `conflict`, `withdrawn`, `expanded`, `parked` …
    action: String,
    /// The appointment here.
    #[schema(required)]
    appointment_id: Option<String>,
    /// The event there.
    #[schema(required)]
    external_event_id: Option<String>,
    /// What it is called.
    #[schema(required)]
    title: Option<String>,
    /// When it is.
    #[schema(required, format = DateTime)]
    start: Option<String>,
    /// Why.
    #[schema(required)]
    note: Option<String>,
}

/// What a run would do now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncPreview)]
pub struct PreviewView {
    /// The operations in their order; the first thousand of them.
    items: Vec<PreviewItemView>,
    /// How many there are in all.
    total: u64,
    /// What would stop the run before it applies anything: it removes too much at once.
    #[schema(required)]
    stopped: Option<String>,
    /// What is told of appointments of the link as it stands, and what could not be looked at.
    warnings: Vec<String>,
}

/// Links a calendar here with one there. Its first run begins at once.
#[utoipa::path(
    post, path = "/api/schedule/sync/links", tag = "sync", operation_id = "createSyncLink", request_body = NewLinkInput,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and request get the same answer for a day.", max_length = 255)),
    responses((status = 201, description = "The link", body = LinkView)),
)]
pub async fn create(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    key: Key,
    body: Body<NewLinkInput>,
) -> Result<Answer, Problem> {
    let (caller, input) = (&visitor.caller, &body.value);
    if let Some(answer) = key.answered(&gate, caller, &body.hash).await? {
        return Ok(answer);
    }
    let mut tx = gate.store.read().await?;
    let zone = reader_zone(&mut tx, caller).await?;
    let settings = input.onto(blank(), &zone)?;
    let connection = find::connection(&mut tx, &visitor, &input.connection_id).await?;
    demand_usable(&connection)?;
    calendar_named(&mut tx, caller, &input.calendar, Right::Own, "calendar").await?;
    // Nothing is held open while the provider is asked.
    drop(tx);
    let calendars = desk.remote_calendars(caller.firm.clone(), connection.id.clone()).await?;
    let remote = calendars.into_iter().find(|c| c.id.as_str() == input.remote_calendar_id);
    let none = || Problem::value("remoteCalendarId", "the account has no such calendar");
    let remote = remote.ok_or_else(none)?;
    if settings.direction.pushes() && !remote.writable {
        return Err(Problem::value("direction", "that calendar cannot be written: only pull is possible"));
    }

    let mut tx = gate.store.write().await?;
    let connection = find::connection(&mut tx, &visitor, &input.connection_id).await?;
    demand_usable(&connection)?;
    let (access, calendar) = calendar_named(&mut tx, caller, &input.calendar, Right::Own, "calendar").await?;
    if !calendar.settings.components.event {
        return Err(Problem::value("calendar", "that calendar takes no appointments"));
    }
    check_settings(&mut tx, &visitor, &settings).await?;
    let way = LinkWay {
        here: access.calendar().as_str().to_owned(),
        there: Remote::new(connection.provider, &connection.account, &remote.id),
        direction: settings.direction,
    };
    check_cycle(&mut tx, &visitor, &way, None).await?;
    let new = NewLink {
        connection: connection.id.clone(),
        calendar: access.calendar().clone(),
        remote: remote.id,
        remote_name: remote.name,
        zone: remote.zone.unwrap_or_else(|| "UTC".to_owned()),
        settings,
    };
    let full = || Problem::new(Code::LimitReached, "detached links count as well; there are as many as there may be");
    let id = tx.add_link((&caller.firm, &caller.user), &new).await?.ok_or_else(full)?;
    audit(&mut tx, &visitor, "sync_link_created", &id).await?;
    let view = status::view(&mut tx, &visitor, &id).await?;
    let answer = Answer::created("/api/schedule/sync/status".to_owned(), &view)?;
    key.settle(&gate, tx, caller, &body.hash, answer).await
}

/// Changes what is set about a link. Everything is looked at anew: what does not match any more is withdrawn there.
#[utoipa::path(
    put, path = "/api/schedule/sync/settings", tag = "sync", operation_id = "changeSyncSettings",
    request_body = SettingsChange,
    responses((status = 200, description = "The link as it is now", body = LinkView)),
)]
pub async fn set(
    State(gate): State<Gate>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<SettingsChange>,
) -> Result<Json<LinkView>, Problem> {
    let input = &body.value;
    let mut tx = gate.store.write().await?;
    let zone = reader_zone(&mut tx, &visitor.caller).await?;
    let link = live(find::link(&mut tx, &visitor, &input.link_id).await?)?;
    let settings = input.onto(link.settings.clone(), &zone)?;
    if settings != link.settings {
        check_settings(&mut tx, &visitor, &settings).await?;
        if settings.direction != link.settings.direction {
            let connection = find::connection(&mut tx, &visitor, link.connection.as_str()).await?;
            let way = way_of(&link, &connection, settings.direction);
            check_cycle(&mut tx, &visitor, &way, Some(&link.id)).await?;
        }
        tx.set_link(&link.firm, &link.id, &settings).await?;
        audit(&mut tx, &visitor, "sync_link_changed", &link.id).await?;
    }
    let view = status::view(&mut tx, &visitor, &link.id).await?;
    tx.commit().await?;
    Ok(Json(view))
}

/// Tells what a run of a link would do now, without doing it.
#[utoipa::path(
    post, path = "/api/schedule/sync/preview", tag = "sync", operation_id = "previewSync", request_body = OneLink,
    responses((status = 200, description = "The operations", body = PreviewView)),
)]
pub async fn preview(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<OneLink>,
) -> Result<Json<PreviewView>, Problem> {
    let link = live(find::link(&mut gate.store.read().await?, &visitor, &body.value.link_id).await?)?;
    let preview = desk.preview(link.firm, link.id).await?;
    let view = |item: crate::sync::desk::PreviewItem| PreviewItemView {
        direction: item.way.as_str(),
        action: item.action,
        appointment_id: item.object.map(|id| id.as_str().to_owned()),
        external_event_id: item.remote,
        title: item.title,
        start: item.start.map(stamp),
        note: item.note,
    };
    Ok(Json(PreviewView {
        items: preview.items.into_iter().map(view).collect(),
        total: preview.total,
        stopped: preview.stopped,
        warnings: preview.warnings,
    }))
}

/// Runs links at once.
#[utoipa::path(
    post, path = "/api/schedule/sync/sync-now", tag = "sync", operation_id = "syncNow", request_body = SyncNow,
    responses((status = 200, description = "The runs that began", body = AskedRuns)),
)]
pub async fn sync_now(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<SyncNow>,
) -> Result<Json<AskedRuns>, Problem> {
    let input = body.value;
    let provider = input.provider.as_deref().map(provider).transpose()?;
    let ids = (input.link_id.as_deref(), input.connection_id.as_deref());
    let mut links = find::links(&mut gate.store.read().await?, &visitor, ids, provider).await?;
    match (input.link_id.is_some(), links.as_slice()) {
        (true, [link]) if link.status != LinkStatus::Active => {
            let why = format!("the link is {}", link.status);
            return Err(Problem::new(Code::NotPossible, why).at("linkId"));
        }
        (true, _) => {}
        (false, _) => links.retain(|l| l.status == LinkStatus::Active),
    }
    if links.is_empty() {
        return Err(Problem::not_found());
    }
    let mut runs = Vec::with_capacity(links.len());
    for link in links {
        let asked = desk.run_now(link.firm, link.id.clone(), RunKind::Manual, Bounds::default()).await?;
        runs.push(AskedRun::of(&link.id, &asked));
    }
    let first = runs.first();
    Ok(Json(AskedRuns {
        sync_id: first.and_then(|r| r.sync_id.clone()),
        status: first.map_or(RunStatus::Running.as_str(), |r| r.status),
        runs,
    }))
}

/// Pauses a link, or a connection with all its links. Changes are kept and carried out after it resumes.
#[utoipa::path(
    post, path = "/api/schedule/sync/pause", tag = "sync", operation_id = "pauseSync", request_body = LinkOrConnection,
    responses((status = 204, description = "Paused")),
)]
pub async fn pause(
    State(gate): State<Gate>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<LinkOrConnection>,
) -> Result<axum::http::StatusCode, Problem> {
    let mut tx = gate.store.write().await?;
    let input = body.value;
    let by = format!("paused by {}", visitor.caller.name);
    match find::target(&mut tx, &visitor, input.link_id.as_deref(), input.connection_id.as_deref()).await? {
        Target::Link(link) => {
            let link = live(*link)?;
            tx.set_link_status(&link.firm, &link.id, LinkStatus::Paused, Some(&by)).await?;
            audit(&mut tx, &visitor, "sync_link_paused", &link.id).await?;
        }
        Target::Connection(connection) => {
            demand_usable(&connection)?;
            tx.set_connection_status(&connection.firm, &connection.id, ConnectionStatus::Paused, Some(&by)).await?;
            audit_target(&mut tx, &visitor, "calendar_connection_paused", connection.id.as_str()).await?;
        }
    }
    tx.commit().await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

/// Resumes what was paused, or tries again what is broken.
#[utoipa::path(
    post, path = "/api/schedule/sync/resume", tag = "sync", operation_id = "resumeSync", request_body = LinkOrConnection,
    responses((status = 204, description = "It runs again")),
)]
pub async fn resume(
    State(gate): State<Gate>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<LinkOrConnection>,
) -> Result<axum::http::StatusCode, Problem> {
    let mut tx = gate.store.write().await?;
    let input = body.value;
    match find::target(&mut tx, &visitor, input.link_id.as_deref(), input.connection_id.as_deref()).await? {
        Target::Link(link) => {
            let link = live(*link)?;
            if link.status == LinkStatus::NeedsConfirmation {
                let why = "a run would remove many appointments at once: look at the preview and confirm";
                return Err(Problem::new(Code::NotPossible, why).at("linkId"));
            }
            tx.set_link_status(&link.firm, &link.id, LinkStatus::Active, None).await?;
            audit(&mut tx, &visitor, "sync_link_resumed", &link.id).await?;
        }
        Target::Connection(connection) => {
            demand_usable(&connection)?;
            tx.set_connection_status(&connection.firm, &connection.id, ConnectionStatus::Active, None).await?;
            audit_target(&mut tx, &visitor, "calendar_connection_resumed", connection.id.as_str()).await?;
        }
    }
    tx.commit().await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

/// Lets a link that the mass-change guard stopped remove what its preview shows, once.
#[utoipa::path(
    post, path = "/api/schedule/sync/confirm", tag = "sync", operation_id = "confirmSync", request_body = OneLink,
    responses((status = 204, description = "Its next run begins at once")),
)]
pub async fn confirm(
    State(gate): State<Gate>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<OneLink>,
) -> Result<axum::http::StatusCode, Problem> {
    let mut tx = gate.store.write().await?;
    let link = find::link(&mut tx, &visitor, &body.value.link_id).await?;
    if !tx.confirm_link(&link.firm, &link.id, i64::MAX).await? {
        return Err(Problem::new(Code::NotPossible, "nothing waits for confirmation").at("linkId"));
    }
    audit(&mut tx, &visitor, "sync_link_confirmed", &link.id).await?;
    tx.commit().await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

impl AskedRun {
    /// As the JSON shows what the engine said of a link's run.
    pub(super) fn of(link: &LinkId, asked: &Asked) -> AskedRun {
        AskedRun {
            link_id: link.as_str().to_owned(),
            sync_id: asked.run.as_ref().map(|id| id.as_str().to_owned()),
            status: asked.status.as_str(),
        }
    }
}

/// The provider of that name.
pub(super) fn provider(name: &str) -> Result<Provider, Problem> {
    let unknown = || Problem::value("provider", "google, microsoft (or outlook), apple, caldav or ics");
    Provider::of_user(name).ok_or_else(unknown)
}

fn live(link: Link) -> Result<Link, Problem> {
    match link.status {
        LinkStatus::Detached => {
            Err(Problem::new(Code::NotPossible, "the link is detached: make it again").at("linkId"))
        }
        _ => Ok(link),
    }
}

fn demand_usable(connection: &Connection) -> Result<(), Problem> {
    match connection.status {
        ConnectionStatus::Active | ConnectionStatus::Paused => Ok(()),
        ConnectionStatus::NeedsReauth | ConnectionStatus::Revoked => {
            Err(Problem::new(Code::NeedsConsent, "connect the account again first").at("connectionId"))
        }
    }
}

fn way_of(link: &Link, connection: &Connection, direction: Direction) -> LinkWay {
    let there = Remote::new(connection.provider, &connection.account, &link.remote);
    LinkWay { here: link.calendar.as_str().to_owned(), there, direction }
}

/// Refuses a link over which events would come back by others of the firm, or whose two calendars are linked already.
async fn check_cycle(tx: &mut WriteTx, visitor: &Visitor, new: &LinkWay, but: Option<&LinkId>) -> Result<(), Problem> {
    match tx.link_obstacle(&visitor.caller.firm, new, but).await? {
        None => Ok(()),
        Some(LinkObstacle::Exists) => {
            Err(Problem::new(Code::LinkExists, "these two calendars are linked already").at("remoteCalendarId"))
        }
        Some(LinkObstacle::Cycle) => {
            let why = "over other links, appointments would come back to where they came from";
            Err(Problem::new(Code::LinkCycle, why).at("direction"))
        }
    }
}

/// What a policy says about other things of the caller's.
async fn check_settings(tx: &mut WriteTx, visitor: &Visitor, settings: &LinkSettings) -> Result<(), Problem> {
    if let ConflictPolicy::SourcePriority { links } = &settings.policy.conflict {
        let mine = tx.links(&visitor.caller.firm, &visitor.caller.user).await?;
        for (at, id) in links.iter().enumerate() {
            if !mine.iter().any(|l| l.id.as_str() == id) {
                return Err(Problem::value(&format!("conflictPolicy.links[{at}]"), "there is no such link"));
            }
        }
    }
    Ok(())
}

async fn audit(tx: &mut WriteTx, visitor: &Visitor, action: &str, link: &LinkId) -> Result<(), Problem> {
    audit_target(tx, visitor, action, link.as_str()).await
}

/// Records an act of the caller's on a link, connection or run.
pub(super) async fn audit_target(
    tx: &mut WriteTx,
    visitor: &Visitor,
    action: &str,
    target: &str,
) -> Result<(), Problem> {
    let act = visitor.visit.act(&visitor.caller, action, target, &serde_json::json!({}));
    Ok(tx.audit(&visitor.caller.firm, &act).await?)
}
