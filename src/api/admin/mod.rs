//! What managers do and see, inside their own firm: connections, attempts, webhooks, acts, figures; looking anew,
//! replaying, pausing, revoking, confirming.
//!
//! Everybody else is refused before anything is looked at. Every call is an audit event: those that only read as
//! `calendar_admin_read` with what was read, the others by their own names, what was refused to somebody known as
//! `…_refused` or `calendar_admin_denied`. `kalends admin` sends the same requests. Paths end in a slash and are answered
//! without it as well; names are in snake_case here, as the documents of the platform have them.
//!
//! | file | what |
//! | --- | --- |
//! | `manager` | who may, and the audit of what is read or refused |
//! | `query` | filters, pages and what comes after a page |
//! | `connections` | the list, one's figures, pause, resume, revoke; a link's confirmation |
//! | `attempts` | attempts of all or one connection |
//! | `anew` | resyncs and replays |
//! | `events`, `webhooks` | audit events; the providers' channels to us |
//! | `summary` | everything at a glance |

mod anew;
mod attempts;
mod connections;
mod events;
mod manager;
mod query;
mod summary;
mod webhooks;

pub use anew::{
    __path_replay, __path_resync_appointment, __path_resync_connection, replay, resync_appointment, resync_connection,
};
pub use attempts::{__path_attempts, __path_failed, __path_failed_of, attempts, failed, failed_of};
pub use connections::{
    __path_confirm, __path_connections, __path_pause, __path_resume, __path_revoke, __path_sync_status, confirm,
    connections, pause, resume, revoke, sync_status,
};
pub use events::{__path_audit_events, audit_events};
pub use manager::{Console, audited};
pub use summary::{__path_metrics_summary, metrics_summary};
pub use webhooks::{__path_webhooks, webhooks};

use axum::Router;
use axum::routing::{get, post};

use crate::auth::Gate;

/// The paths without the slash at their end.
pub fn without_slash() -> Router<Gate> {
    Router::new()
        .route("/api/calendar/admin/connections", get(connections))
        .route("/api/calendar/admin/connections/{id}/resync", post(resync_connection))
        .route("/api/calendar/admin/connections/{id}/sync-status", get(sync_status))
        .route("/api/calendar/admin/connections/{id}/failed-attempts", get(failed_of))
        .route("/api/calendar/admin/connections/{id}/pause", post(pause))
        .route("/api/calendar/admin/connections/{id}/resume", post(resume))
        .route("/api/calendar/admin/connections/{id}/revoke", post(revoke))
        .route("/api/calendar/admin/links/{id}/confirm", post(confirm))
        .route("/api/calendar/admin/appointments/{id}/resync", post(resync_appointment))
        .route("/api/calendar/admin/sync-attempts", get(attempts))
        .route("/api/calendar/admin/sync-attempts/failed", get(failed))
        .route("/api/calendar/admin/sync-attempts/{id}/replay", post(replay))
        .route("/api/calendar/admin/audit-events", get(audit_events))
        .route("/api/calendar/admin/webhooks", get(webhooks))
        .route("/api/calendar/admin/metrics-summary", get(metrics_summary))
}
