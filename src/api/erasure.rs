//! Erasing everything that came by syncing.

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::extract::{Nothing, Query, Syncer};
use super::problem::Problem;
use crate::auth::Gate;
use crate::domain::sync::ConnectionStatus;
use crate::sync::desk::{Desk, Imported};

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErasedView {
    /// Appointments that had come from a provider.
    appointments: u64,
    /// Their past states.
    versions: u64,
    /// Records of which appointment is which event.
    mappings: u64,
    /// Links.
    links: u64,
    /// Connections, with their tokens.
    connections: u64,
    /// Runs, and the calls in them.
    records: u64,
}

/// Erases everything that came by syncing: the appointments that came from providers with their past, connections and
/// tokens, links, mappings, runs, attempts, conflicts. What was made here stays; nothing is deleted at a provider. One line
/// in the audit remains, without content.
#[utoipa::path(
    delete, path = "/api/me/synced-data", tag = "account", operation_id = "eraseSyncedData",
    responses((status = 200, description = "What was erased", body = ErasedView)),
)]
pub async fn erase(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
) -> Result<Json<ErasedView>, Problem> {
    let caller = &visitor.caller;
    let connections = gate.store.read().await?.connections(&caller.firm, &caller.user).await?;
    for connection in connections.into_iter().filter(|k| k.status != ConnectionStatus::Revoked) {
        // The grant is ended at the provider where that can be done. What is here goes in any case.
        let by = caller.name.as_str().to_owned();
        if let Err(error) = desk.disconnect(connection.firm, connection.id, Imported::Keep, by).await {
            tracing::warn!(%error, "a grant could not be ended at its provider before an erasure");
        }
    }
    let mut tx = gate.store.write().await?;
    let erased = tx.erase_synced(&caller.firm, &caller.user).await?;
    let act = visitor.visit.act(caller, "synced_data_erased", caller.user.as_str(), &json!({}));
    tx.audit(&caller.firm, &act).await?;
    tx.commit().await?;
    Ok(Json(ErasedView {
        appointments: erased.appointments,
        versions: erased.versions,
        mappings: erased.mappings,
        links: erased.links,
        connections: erased.connections,
        records: erased.records,
    }))
}
