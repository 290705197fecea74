//! Notifications of providers: "something changed", and nothing else. Whoever sends one is believed by the token that
//! was given to the provider for this channel; everybody else finds nothing here. Nothing is asked or decided while the
//! provider waits: a run is asked for, and that is all.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::extract::is_id;
use super::problem::Problem;
use crate::auth::{Gate, Purpose, Visit};
use crate::domain::ids::ChannelId;
use crate::domain::sync::RunKind;
use crate::store::{StoreError, WatchedChannel};

/// How long changes are gathered: an edit over there often sends several notifications.
const DEBOUNCE_MS: i64 = 5_000;
/// Tokens of ours are 43 characters; longer ones are not even hashed.
const TOKEN_CHARS_MAX: usize = 256;

/// Microsoft's tokens of validation are about a hundred characters.
const VALIDATION_CHARS_MAX: usize = 2_048;
/// Notifications of Microsoft are some hundred bytes each, and come in batches of at most a few hundred.
const NOTIFICATIONS_MAX: usize = 1_000;

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

/// A batch of Microsoft's notifications, as far as it matters here.
#[derive(Deserialize)]
struct Batch {
    value: Vec<Notification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    subscription_id: String,
    client_state: Option<String>,
    lifecycle_event: Option<String>,
}

/// `POST /api/webhooks/microsoft/calendar`: a question whether we are there, or notifications, several at once and of
/// several subscriptions. Those of subscriptions that are ours are heard.
pub(super) async fn microsoft(
    State(gate): State<Gate>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    if let Some((_, token)) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "validationToken")
    {
        return validated(&token);
    }
    let batch: Batch = serde_json::from_slice(&body).map_err(|_| Problem::not_found())?;
    let mut heard = false;
    for notification in batch.value.iter().take(NOTIFICATIONS_MAX) {
        if let Some(channel) = known(&gate, notification).await? {
            hear(&gate, &channel, notification.lifecycle_event.as_deref(), visit.correlation_id.as_str()).await?;
            heard = true;
        }
    }
    if heard { Ok(StatusCode::ACCEPTED.into_response()) } else { Err(Problem::not_found()) }
}

/// The token as it was before it was put into the address, to the letter. Anybody may ask for anything to be said here:
/// it is plain text, which no browser may take for anything else, and none may run what is in it.
fn validated(token: &str) -> Result<Response, Problem> {
    let plain = |c: char| !c.is_control();
    if token.is_empty() || token.len() > VALIDATION_CHARS_MAX || !token.chars().all(plain) {
        return Err(Problem::not_found());
    }
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("content-security-policy"), "default-src 'none'; sandbox"),
    ];
    Ok((StatusCode::OK, headers, token.to_owned()).into_response())
}

/// The channel of a notification, if it knows what only its subscription was told.
async fn known(gate: &Gate, notification: &Notification) -> Result<Option<WatchedChannel>, StoreError> {
    let state = notification.client_state.as_deref().filter(|state| state.len() <= TOKEN_CHARS_MAX);
    let Some((id, token)) = state.and_then(|state| state.split_once('.')).filter(|(id, _)| is_id(id)) else {
        return Ok(None);
    };
    let found = gate.store.read().await?.channel(&ChannelId::from_text(id)).await?;
    Ok(found.filter(|channel| {
        let is_ours = gate.is_secret(Purpose::Webhook, token, &channel.token_hash);
        is_ours && channel.resource == notification.subscription_id && channel.expires > gate.store.now()
    }))
}

/// Whatever it says, looking is the answer: what was missed is found, and the channel is renewed or made anew on the way.
async fn hear(gate: &Gate, channel: &WatchedChannel, lifecycle: Option<&str>, id: &str) -> Result<(), StoreError> {
    let mut tx = gate.store.write().await?;
    tx.touch_channel(&channel.firm, &channel.id).await?;
    match lifecycle {
        Some("subscriptionRemoved") => tx.drop_channel(&channel.firm, &channel.id).await?,
        Some("reauthorizationRequired") => tx.hasten_channel(&channel.firm, &channel.id).await?,
        // `missed`, a change, or a word that is new.
        Some(_) | None => {}
    }
    let at = tx.now().plus_ms(DEBOUNCE_MS);
    tx.ask_for_run_as(&channel.firm, &channel.link, RunKind::Webhook, at, Some(id)).await?;
    tx.commit().await
}
