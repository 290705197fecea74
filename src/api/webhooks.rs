//! Notifications of providers: "something changed", and nothing else. Whoever sends one is believed by the token that
//! was given to the provider for this channel; everybody else finds nothing here. Nothing is asked or decided while the
//! provider waits: a run is asked for, and that is all.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::extract::is_id;
use super::problem::Problem;
use crate::auth::{Gate, Purpose, Visit};
use crate::domain::ids::ChannelId;
use crate::domain::sync::RunKind;

/// How long changes are gathered: an edit over there often sends several notifications.
const DEBOUNCE_MS: i64 = 5_000;
/// Tokens of ours are 43 characters; longer ones are not even hashed.
const TOKEN_CHARS_MAX: usize = 256;

/// `POST /api/webhooks/google/calendar`: the channel, its token, what it watches and how that is, all in headers.
pub(super) async fn google(
    State(gate): State<Gate>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).filter(|v| v.len() <= TOKEN_CHARS_MAX);
    let (Some(id), Some(token), Some(resource), Some(state)) = (
        text("x-goog-channel-id").filter(|id| is_id(id)),
        text("x-goog-channel-token"),
        text("x-goog-resource-id"),
        text("x-goog-resource-state"),
    ) else {
        return Err(Problem::not_found());
    };
    let found = gate.store.read().await?.channel(&ChannelId::from_text(id)).await?;
    let known = found.filter(|channel| {
        let is_ours = gate.is_secret(Purpose::Webhook, token, &channel.token_hash);
        is_ours && channel.resource == resource && channel.expires > gate.store.now()
    });
    let channel = known.ok_or_else(Problem::not_found)?;
    let is_change = match state {
        "exists" | "not_exists" => true,
        // The first message of a channel: it is heard.
        "sync" => false,
        _ => return Err(Problem::not_found()),
    };
    let mut tx = gate.store.write().await?;
    tx.touch_channel(&channel.firm, &channel.id).await?;
    if is_change {
        let at = tx.now().plus_ms(DEBOUNCE_MS);
        let id = Some(visit.correlation_id.as_str());
        tx.ask_for_run_as(&channel.firm, &channel.link, RunKind::Webhook, at, id).await?;
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
