//! The start page, with or without somebody signed in, and the two forms on it.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use crate::auth::{AuthError, Gate, Purpose, SESSION_SECONDS, SessionCookie, Visit};
use crate::domain::access::{Caller, Credential};
use crate::domain::ids::SessionId;
use crate::store::{NewAudit, StoreError};

#[derive(Template)]
#[template(path = "start.html")]
struct Start<'a> {
    base_url: &'a str,
    version: &'static str,
    name: Option<&'a str>,
    problem: Option<&'a str>,
    tried: &'a str,
    calendars: Vec<Row>,
}

struct Row {
    name: String,
    path: String,
    what: &'static str,
}

#[derive(Deserialize)]
pub(super) struct SignIn {
    name: String,
    password: String,
}

fn page(status: StatusCode, start: &Start<'_>) -> Response {
    match start.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn signed_out<'a>(visit: &'a Visit, problem: Option<&'a str>, tried: &'a str) -> Start<'a> {
    let version = env!("CARGO_PKG_VERSION");
    Start { base_url: &visit.base_url, version, name: None, problem, tried, calendars: Vec::new() }
}

/// Anybody may see where things are; who is signed in also sees their calendars.
pub(super) async fn start(
    State(gate): State<Gate>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Response {
    let Some(caller) = session(&gate, &visit, &headers).await else {
        return page(StatusCode::OK, &signed_out(&visit, None, ""));
    };
    match calendars(&gate, &caller).await {
        Ok(calendars) => {
            let version = env!("CARGO_PKG_VERSION");
            let name = Some(caller.name.as_str());
            let start = Start { base_url: &visit.base_url, version, name, problem: None, tried: "", calendars };
            page(StatusCode::OK, &start)
        }
        Err(_) => page(StatusCode::SERVICE_UNAVAILABLE, &signed_out(&visit, Some(BUSY), "")),
    }
}

const BUSY: &str = "The database is busy; please try again in a moment.";

/// Begins a session.
pub(super) async fn sign_in(
    State(gate): State<Gate>,
    Extension(visit): Extension<Visit>,
    form: Result<Form<SignIn>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else {
        return page(StatusCode::BAD_REQUEST, &signed_out(&visit, Some("Enter a name and a password."), ""));
    };
    let user = match gate.sign_in(&form.name, &form.password, &visit).await {
        Ok(user) => user,
        Err(AuthError::Throttled(seconds)) => {
            let problem = format!("Too many failed attempts; try again in {seconds} seconds.");
            return page(StatusCode::TOO_MANY_REQUESTS, &signed_out(&visit, Some(&problem), &form.name));
        }
        Err(AuthError::Store(_)) => {
            return page(StatusCode::SERVICE_UNAVAILABLE, &signed_out(&visit, Some(BUSY), &form.name));
        }
        Err(AuthError::Wrong | AuthError::Missing) => {
            let problem = "The name or the password is wrong.";
            return page(StatusCode::UNAUTHORIZED, &signed_out(&visit, Some(problem), &form.name));
        }
    };
    let secret = gate.store.chance().secret();
    let begun = async {
        let mut tx = gate.store.write().await?;
        let expires = tx.now().plus_ms(SESSION_SECONDS * 1_000);
        tx.add_session(&user.firm, &user.id, &gate.hash(Purpose::Session, &secret), expires).await?;
        let act = NewAudit {
            actor: user.name.as_str().to_owned(),
            action: "signed_in".to_owned(),
            target: user.name.as_str().to_owned(),
            details: "{}".to_owned(),
            correlation_id: visit.correlation_id.clone(),
            address: visit.address.to_string(),
        };
        tx.audit(&user.firm, &act).await?;
        tx.commit().await
    };
    match begun.await {
        Ok(()) => see_start(&SessionCookie::begin(&secret, &visit.base_url)),
        Err(_) => page(StatusCode::SERVICE_UNAVAILABLE, &signed_out(&visit, Some(BUSY), &form.name)),
    }
}

/// Ends the session.
pub(super) async fn sign_out(
    State(gate): State<Gate>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Response {
    if let Some(caller) = session(&gate, &visit, &headers).await
        && let Credential::Session(id) = &caller.credential
        && end(&gate, &caller, &SessionId::from_text(id.clone())).await.is_err()
    {
        return page(StatusCode::SERVICE_UNAVAILABLE, &signed_out(&visit, Some(BUSY), ""));
    }
    see_start(&SessionCookie::end(&visit.base_url))
}

async fn end(gate: &Gate, caller: &Caller, id: &SessionId) -> Result<(), StoreError> {
    let mut tx = gate.store.write().await?;
    tx.end_session(&caller.firm, id).await?;
    tx.commit().await
}

/// The caller by their session cookie alone: a page is not for bearers of tokens.
pub(super) async fn session(gate: &Gate, visit: &Visit, headers: &HeaderMap) -> Option<Caller> {
    if headers.contains_key(header::AUTHORIZATION) {
        return None;
    }
    gate.any(headers, visit).await.ok()
}

async fn calendars(gate: &Gate, caller: &Caller) -> Result<Vec<Row>, StoreError> {
    let calendars = gate.store.read().await?.calendars(caller).await?;
    let row = |c: crate::domain::calendar::Calendar| Row {
        name: c.settings.display_name.clone().unwrap_or_else(|| c.slug.as_str().to_owned()),
        path: format!("/dav/calendars/{}/{}/", c.owner_name, c.slug),
        what: if c.settings.components.event { "appointments" } else { "tasks" },
    };
    Ok(calendars.into_iter().map(|(_, c)| row(c)).collect())
}

fn see_start(cookie: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, "/"), (header::SET_COOKIE, cookie)]).into_response()
}
