//! What was done and by whom.

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::manager::Manager;
use super::query;
use crate::api::extract::{Query, is_id};
use crate::api::problem::Problem;
use crate::api::times::stamp;
use crate::auth::Gate;
use crate::domain::ids::UserId;
use crate::store::{AuditEvent, AuditFilter, AuditState};

const STATES: &str = "requested, success, failed, refused or done";
const PATH: &str = "/api/calendar/admin/audit-events/";

/// Which audit events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Of this kind, such as `calendar_connection_resync_requested`.
    event: Option<String>,
    /// By this user (id or name), or `console` or `system`.
    user: Option<String>,
    /// `requested`, `success`, `failed`, `refused` or `done`.
    status: Option<String>,
    /// On a connection at this provider, a link of one or an attempt with one.
    provider: Option<String>,
    /// On an appointment of this project, or an attempt with one.
    project: Option<String>,
    /// On this target.
    target: Option<String>,
    /// In any of its words.
    text: Option<String>,
    /// On or after this day or time.
    start_date: Option<String>,
    /// Until this day, or before this time.
    end_date: Option<String>,
    /// Items on a page.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<u32>,
    /// Where the page begins: from `next` of the page before.
    cursor: Option<String>,
}

/// An administrative or security act.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminAuditEvent)]
pub struct AuditItem {
    /// Its id.
    audit_event_id: String,
    /// Its place in the firm's chain, from 1.
    #[schema(minimum = 1)]
    number: i64,
    /// What was done.
    event: String,
    /// `requested`: what came of it is an event of its own; `success` or `failed`: what came of it; `refused`; `done`: it
    /// was done as it was asked for.
    status: &'static str,
    /// Who did it: a user's name, `console` or `system`.
    actor: String,
    /// On what: an id or name.
    target: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// From where; empty for the machine itself.
    address: String,
    /// The request, as in the logs.
    correlation_id: String,
    /// What else is worth knowing.
    details: serde_json::Value,
    /// Its hash over all of that and the event before, in hexadecimal; to compare with what was noted elsewhere.
    chain: String,
}

/// A page of audit events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminAuditEvents)]
pub struct AuditItems {
    /// Newest first.
    audit_events: Vec<AuditItem>,
    /// How many there are on all pages.
    #[schema(minimum = 0)]
    total_count: i64,
    /// The path of the next page; `null`: this is the last.
    #[schema(required)]
    next: Option<String>,
}

fn audit_item(event: AuditEvent) -> AuditItem {
    AuditItem {
        audit_event_id: event.id.as_str().to_owned(),
        number: event.number,
        status: AuditState::of(&event.act.action).as_str(),
        event: event.act.action,
        actor: event.act.actor,
        target: event.act.target,
        at: stamp(event.at),
        address: event.act.address,
        correlation_id: event.act.correlation_id,
        details: serde_json::from_str(&event.act.details).unwrap_or_default(),
        chain: event.chain.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Lists the firm's audit events, newest first.
#[utoipa::path(
    get, path = "/api/calendar/admin/audit-events/", tag = "admin", operation_id = "adminAuditEvents",
    params(AuditQuery), responses((status = 200, description = "A page of them", body = AuditItems)),
)]
pub async fn audit_events(
    State(gate): State<Gate>,
    manager: Manager,
    Query(asked): Query<AuditQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Json<AuditItems>, Problem> {
    let caller = &manager.0.caller;
    let limit = query::limit(asked.limit)?;
    let after = query::cursor(&gate, caller, PATH, asked.cursor.as_deref())?;
    // What we signed is a number.
    let before = after.and_then(|number| number.parse().ok());
    let mut tx = gate.store.read().await?;
    let (start, end) = (asked.start_date.as_deref(), asked.end_date.as_deref());
    let (from, until) = query::range(&mut tx, caller, (start, end)).await?;
    let filter = AuditFilter {
        action: query::word("event", asked.event)?,
        actor: match query::word("user", asked.user)? {
            Some(id) if is_id(&id) => {
                let user = tx.user(&caller.firm, &UserId::from_text(id)).await?;
                Some(user.map(|user| user.name.as_str().to_owned()).unwrap_or_default())
            }
            other => other,
        },
        state: query::one_of("status", asked.status.as_deref(), AuditState::parse, STATES)?,
        provider: query::provider(asked.provider.as_deref())?,
        project: query::word("project", asked.project)?,
        target: query::word("target", asked.target)?,
        text: query::word("text", asked.text)?,
        from,
        until,
    };
    let (mut events, total) = tx.audit_page(&caller.firm, &filter, before, limit + 1).await?;
    let last = query::cut(&mut events, limit, |event| event.number.to_string());
    let next = query::next(&gate, caller, PATH, raw.as_deref(), last.as_deref());
    Ok(Json(AuditItems { audit_events: events.into_iter().map(audit_item).collect(), total_count: total, next }))
}
