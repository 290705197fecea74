//! Consent on another device: a code is shown, typed there, and asked about until it was.

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts::{ConnectedView, shown, with_consent};
use crate::api::extract::{Body, Nothing, Query, Syncer};
use crate::api::problem::Problem;
use crate::auth::Gate;
use crate::sync::desk::{Desk, DeviceAsked, NewConsent};

/// States are some dozen characters.
const STATE_CHARS_MAX: usize = 256;

/// A consent on another device to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DeviceInput {
    /// The provider.
    #[schema(example = "microsoft")]
    provider: String,
    /// Whether reading is all that is asked for.
    #[serde(default)]
    read_only: bool,
}

/// A consent on another device that began.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceView {
    /// What the person types there.
    user_code: String,
    /// Where they type it, on whatever device has a browser.
    verification_uri: String,
    /// What to ask with whether they did.
    state: String,
    /// Seconds to wait between two questions.
    interval: i64,
    /// Until when the code is good.
    expires_at: String,
}

/// A question whether a code was typed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DevicePollInput {
    /// `state` of the beginning.
    #[schema(max_length = 256)]
    state: String,
}

/// How it stands with a code.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DevicePollView {
    /// Whether nobody typed it yet.
    pending: bool,
    /// The account, once somebody did.
    #[schema(required)]
    connection: Option<ConnectedView>,
}

/// Begins to connect an account on another device: show the code and the page, then ask `poll` until it is not pending.
#[utoipa::path(
    post, path = "/api/schedule/sync/device", tag = "sync", operation_id = "connectSyncDevice",
    request_body = DeviceInput,
    responses((status = 200, description = "The code", body = DeviceView)),
)]
pub async fn device(
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<DeviceInput>,
) -> Result<Json<DeviceView>, Problem> {
    let caller = &visitor.caller;
    let new = NewConsent {
        firm: caller.firm.clone(),
        user: caller.user.clone(),
        provider: with_consent(&body.value.provider)?,
        bound_to: caller.binding(),
        redirect_uri: String::new(),
        read_only: body.value.read_only,
        login_hint: None,
    };
    let begun = desk.begin_device(new).await?;
    Ok(Json(DeviceView {
        user_code: begun.user_code,
        verification_uri: begun.page,
        state: begun.state,
        interval: begun.interval_s,
        expires_at: begun.expires.to_string(),
    }))
}

/// Asks whether somebody consented on the other device.
#[utoipa::path(
    post, path = "/api/schedule/sync/device/poll", tag = "sync", operation_id = "pollSyncDevice",
    request_body = DevicePollInput,
    responses((status = 200, description = "Whether they did", body = DevicePollView)),
)]
pub async fn device_poll(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<DevicePollInput>,
) -> Result<Json<DevicePollView>, Problem> {
    let state = body.value.state;
    if state.is_empty() || state.len() > STATE_CHARS_MAX {
        return Err(Problem::value("state", format!("1 to {STATE_CHARS_MAX} characters")));
    }
    let caller = &visitor.caller;
    let asked = DeviceAsked { firm: caller.firm.clone(), user: caller.user.clone(), bound_to: caller.binding(), state };
    let connection = match desk.finish_device(asked).await? {
        Some(connected) => Some(shown(&gate, &desk, &visitor, connected).await?),
        None => None,
    };
    Ok(Json(DevicePollView { pending: connection.is_none(), connection }))
}
