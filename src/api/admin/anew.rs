//! Looking anew and trying again, by a manager's word.

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::connections::of_firm;
use super::manager::Manager;
use super::query::{self, NoFields, PerhapsBody};
use crate::api::extract::{Id, Nothing, Query};
use crate::api::problem::{Code, Problem};
use crate::api::times::stamp;
use crate::auth::Gate;
use crate::domain::ids::{AttemptId, ObjectId};
use crate::domain::sync::{ErrorClass, RunStatus};
use crate::sync::desk::{Anew, Bounds, Desk};

/// What is looked at anew: everything, or what lies between two times.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResyncInput {
    /// What ends on or after this day or time.
    #[schema(example = "2026-03-01")]
    start_date: Option<String>,
    /// What starts until this day, or before this time.
    #[schema(example = "2026-03-31")]
    end_date: Option<String>,
}

/// What it came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResyncResult)]
pub struct ResultView {
    /// `success`, `partial`, `failed`, or `running`: it goes on by itself.
    status: &'static str,
    /// Of the runs, the attempts and the calls that came of it.
    correlation_id: String,
    /// Appointments that were looked at.
    #[schema(minimum = 0)]
    synced_count: u64,
    /// Why it did not all succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_summary: Option<String>,
}

/// A connection that was looked at anew.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResyncedConnection {
    /// What was done.
    message: &'static str,
    /// The connection.
    connection_id: String,
    /// The provider.
    provider: &'static str,
    /// What it came to.
    result: ResultView,
}

/// An appointment that was looked at anew.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResyncedAppointment {
    /// What was done.
    message: &'static str,
    /// The appointment.
    appointment_id: String,
    /// The event there.
    #[schema(required)]
    external_event_id: Option<String>,
    /// What it came to.
    result: ResultView,
}

/// An attempt that was tried again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// What was done.
    message: &'static str,
    /// The attempt.
    attempt_id: String,
    /// What it came to.
    result: ResultView,
}

fn told(anew: &Anew, what: [&'static str; 3]) -> (&'static str, ResultView) {
    let [done, running, failed] = what;
    let message = match anew.status {
        RunStatus::Success | RunStatus::Partial => done,
        RunStatus::Running => running,
        RunStatus::Failed => failed,
    };
    let result = ResultView {
        status: anew.status.as_str(),
        correlation_id: anew.correlation_id.clone(),
        synced_count: anew.synced,
        error_summary: anew.why.clone(),
    };
    (message, result)
}

const RESYNC: [&str; 3] = ["Resync completed", "Resync is under way", "Resync failed"];
const REPLAY: [&str; 3] = ["Replay completed", "Replay is under way", "Replay failed"];

/// Looks at everything of a connection anew, or at what lies between two times; what lies outside is left as it is.
#[utoipa::path(
    post, path = "/api/calendar/admin/connections/{id}/resync/", tag = "admin", operation_id = "adminResyncConnection",
    params(("id" = String, Path, description = "The connection")), request_body = Option<ResyncInput>,
    responses((status = 200, description = "What it came to", body = ResyncedConnection)),
)]
pub async fn resync_connection(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    manager: Manager,
    _: Query<Nothing>,
    Id(id): Id,
    body: PerhapsBody<ResyncInput>,
) -> Result<Json<ResyncedConnection>, Problem> {
    let mut tx = gate.store.write().await?;
    let connection = of_firm(&mut tx, &manager, &id).await?;
    let (start, end) = (body.0.start_date.as_deref(), body.0.end_date.as_deref());
    let (from, until) = query::range(&mut tx, &manager.0.caller, (start, end)).await?;
    // The days as they were given, and the times that they are in the reader's zone.
    let details = json!({ "user_id": connection.user.as_str(), "provider": connection.provider,
        "start_date": start, "end_date": end, "from": from.map(stamp), "until": until.map(stamp) });
    let ask = manager.order(&mut tx, "calendar_connection_resync", &id, &details).await?;
    tx.commit().await?;
    let done = desk.resync(connection.firm, connection.id, Bounds { from, until }, ask.clone()).await;
    manager.ended(&gate, &ask, &done).await?;
    let (message, result) = told(&done?, RESYNC);
    Ok(Json(ResyncedConnection { message, connection_id: id, provider: connection.provider.as_str(), result }))
}

/// Looks at one appointment anew, here and at every provider that a link carries it to.
#[utoipa::path(
    post, path = "/api/calendar/admin/appointments/{id}/resync/", tag = "admin", operation_id = "adminResyncAppointment",
    params(("id" = String, Path, description = "The appointment")), request_body = Option<NoFields>,
    responses((status = 200, description = "What it came to", body = ResyncedAppointment)),
)]
pub async fn resync_appointment(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    manager: Manager,
    _: Query<Nothing>,
    Id(id): Id,
    _: PerhapsBody<NoFields>,
) -> Result<Json<ResyncedAppointment>, Problem> {
    let (firm, object) = (manager.0.caller.firm.clone(), ObjectId::from_text(id.as_str()));
    let mut tx = gate.store.write().await?;
    tx.links_for_object(&firm, &object).await?.ok_or_else(Problem::not_found)?;
    let ask = manager.order(&mut tx, "appointment_resync", &id, &json!({})).await?;
    tx.commit().await?;
    let done = desk.resync_one(firm, object, ask.clone()).await;
    manager.ended(&gate, &ask, &done).await?;
    let anew = done?;
    let (message, result) = told(&anew, RESYNC);
    Ok(Json(ResyncedAppointment { message, appointment_id: id, external_event_id: anew.remote, result }))
}

/// Tries again what failed, at once. What succeeded is refused with 409, what failed for good with 400.
#[utoipa::path(
    post, path = "/api/calendar/admin/sync-attempts/{id}/replay/", tag = "admin", operation_id = "adminReplayAttempt",
    params(("id" = String, Path, description = "The attempt")), request_body = Option<NoFields>,
    responses((status = 200, description = "What it came to", body = Replayed)),
)]
pub async fn replay(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    manager: Manager,
    _: Query<Nothing>,
    Id(id): Id,
    _: PerhapsBody<NoFields>,
) -> Result<Json<Replayed>, Problem> {
    let (firm, attempt) = (manager.0.caller.firm.clone(), AttemptId::from_text(id.as_str()));
    let mut tx = gate.store.write().await?;
    let known = tx.attempt(&firm, &attempt).await?.ok_or_else(Problem::not_found)?;
    match &known.what.failure {
        _ if known.replayed.is_some() => {
            let why = "this attempt was replayed with success: there is nothing left to replay";
            return Err(Problem::new(Code::NotPossible, why));
        }
        None => return Err(Problem::new(Code::NotPossible, "this attempt succeeded: there is nothing to replay")),
        Some((ErrorClass::NonRetryable, _)) => {
            return Err(Problem::value("id", "this attempt failed for good: it would fail again"));
        }
        Some(_) => {}
    }
    let details = json!({ "connection_id": known.connection.as_str(), "link_id": known.link.as_str(),
        "operation": known.what.operation });
    let ask = manager.order(&mut tx, "calendar_sync_manual_replay", &id, &details).await?;
    tx.commit().await?;
    let done = desk.replay(firm, attempt, ask.clone()).await;
    manager.ended(&gate, &ask, &done).await?;
    let (message, result) = told(&done?, REPLAY);
    Ok(Json(Replayed { message, attempt_id: id, result }))
}
