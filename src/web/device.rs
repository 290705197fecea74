//! Connecting an account by a code that is typed on another device.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::pages::session;
use super::sync::{by_consent, came_in, failed, see, shown};
use crate::auth::{Gate, Visit};
use crate::sync::desk::{Desk, DeviceAsked, NewConsent};

/// States and codes are some dozen characters, and pages hardly more.
const FIELD_CHARS_MAX: usize = 512;

#[derive(Template)]
#[template(path = "device.html")]
struct Code {
    page: String,
    user_code: String,
    state: String,
    problem: Option<&'static str>,
}

/// What the page gave itself to remember.
#[derive(Deserialize)]
pub(super) struct Typed {
    state: String,
    user_code: String,
    page: String,
}

/// Gets a code and shows it.
pub(super) async fn begin(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Extension(visit): Extension<Visit>,
    Path(word): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(caller) = session(&gate, &visit, &headers).await else { return see("/") };
    let Some(provider) = by_consent(&word) else { return see("/sync") };
    let new = NewConsent {
        firm: caller.firm.clone(),
        user: caller.user.clone(),
        provider,
        bound_to: caller.binding(),
        redirect_uri: String::new(),
        read_only: false,
        login_hint: None,
    };
    match desk.begin_device(new).await {
        Ok(begun) => {
            let code = Code { page: begun.page, user_code: begun.user_code, state: begun.state, problem: None };
            shown(StatusCode::OK, &code)
        }
        Err(error) => failed(&gate, &desk, &caller, &error).await,
    }
}

/// Asks whether it was typed.
pub(super) async fn typed(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    form: Result<Form<Typed>, FormRejection>,
) -> Response {
    let Some(caller) = session(&gate, &visit, &headers).await else { return see("/") };
    let fits = |form: &Typed| {
        let short = [&form.state, &form.user_code, &form.page].iter().all(|field| field.len() <= FIELD_CHARS_MAX);
        short && (form.page.starts_with("https://") || form.page.starts_with("http://"))
    };
    let Some(form) = form.ok().map(|Form(form)| form).filter(fits) else { return see("/sync") };
    let asked = DeviceAsked {
        firm: caller.firm.clone(),
        user: caller.user.clone(),
        bound_to: caller.binding(),
        state: form.state.clone(),
    };
    match desk.finish_device(asked).await {
        Ok(Some(connected)) => came_in(&gate, &desk, &visit, &caller, connected).await,
        Ok(None) => {
            let problem = Some("Nobody has typed it yet, or the provider has not noticed: try again in a moment.");
            let code = Code { page: form.page, user_code: form.user_code, state: form.state, problem };
            shown(StatusCode::OK, &code)
        }
        Err(error) => failed(&gate, &desk, &caller, &error).await,
    }
}
