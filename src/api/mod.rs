//! The JSON API: what the platform that owns the appointments, scripts and the web pages speak.
//!
//! Job: JSON in and out of the store's own questions and its one write door. Neighbours: `auth` says who asks, `domain`
//! what an appointment is, `store` keeps it. It must never write SQL or iCalendar lines itself, and never know the
//! other faces.
//!
//! | file | what |
//! | --- | --- |
//! | `problem` | errors as RFC 9457, each with a stable code |
//! | `extract` | caller, body, query, id and demands, refused before a handler runs |
//! | `given` | fields that may be left out |
//! | `answer` | answers that an `Idempotency-Key` can call for again |
//! | `page`, `times` | pages with totals; times in JSON |
//! | `openapi`, `docs` | the document generated from the handlers, and a page to read it |
//! | `appointments`, `availability`, `calendars`, `feeds` | what their names say |
//! | `credentials`, `profile` | app passwords and API tokens; the profile that sets up an Apple device |
//! | `schedule_sync` | connections, links, runs, conflicts; what needs a provider is ordered at the engine's desk |
//! | `admin` | what managers do and see |
//! | `webhooks` | notifications of providers |
//! | `me`, `export`, `erasure` | the caller's own account, everything in it, and the end of what was synced |
//!
//! Conventions: unknown fields and parameters are errors that name them; what belongs to another user or firm answers
//! like what does not exist; a POST that creates may carry an `Idempotency-Key`; what can be changed has an `ETag` and
//! honours `If-Match`.

mod admin;
mod answer;
mod appointments;
mod availability;
mod calendars;
mod credentials;
mod docs;
mod erasure;
mod export;
mod extract;
mod feeds;
mod given;
mod me;
mod openapi;
mod page;
mod problem;
mod profile;
mod schedule_sync;
mod times;
mod webhooks;

use std::sync::{Arc, LazyLock};

use axum::http::{HeaderName, HeaderValue, header};
use axum::routing::{any, get, post};
use axum::{Extension, Router, middleware};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use admin::Console;
pub use problem::{Code, Problem};

use crate::auth::Gate;
use crate::sync::desk::Desk;

/// Every operation, with its documentation. The order here is the order in the document.
fn operations() -> OpenApiRouter<Gate> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(appointments::list, appointments::create))
        .routes(routes!(appointments::deleted))
        .routes(routes!(appointments::read, appointments::change, appointments::delete))
        .routes(routes!(appointments::history))
        .routes(routes!(appointments::version))
        .routes(routes!(appointments::restore))
        .routes(routes!(availability::availability))
        .routes(routes!(calendars::list, calendars::create))
        .routes(routes!(calendars::read, calendars::change, calendars::delete))
        .routes(routes!(feeds::list, feeds::create))
        .routes(routes!(feeds::read, feeds::change, feeds::delete))
        .routes(routes!(feeds::rotate))
        .routes(routes!(feeds::qr))
        .routes(routes!(credentials::app_passwords, credentials::create_app_password))
        .routes(routes!(credentials::revoke_app_password))
        .routes(routes!(credentials::tokens, credentials::create_token))
        .routes(routes!(credentials::revoke_token))
        .routes(routes!(me::read, me::change))
        .routes(routes!(export::export))
        .routes(routes!(erasure::erase))
        .routes(routes!(schedule_sync::providers))
        .routes(routes!(schedule_sync::connect))
        .routes(routes!(schedule_sync::callback))
        .routes(routes!(schedule_sync::device))
        .routes(routes!(schedule_sync::device_poll))
        .routes(routes!(schedule_sync::calendars))
        .routes(routes!(schedule_sync::create))
        .routes(routes!(schedule_sync::status))
        .routes(routes!(schedule_sync::set))
        .routes(routes!(schedule_sync::preview))
        .routes(routes!(schedule_sync::sync_now))
        .routes(routes!(schedule_sync::pause))
        .routes(routes!(schedule_sync::resume))
        .routes(routes!(schedule_sync::confirm))
        .routes(routes!(schedule_sync::history))
        .routes(routes!(schedule_sync::run))
        .routes(routes!(schedule_sync::retry))
        .routes(routes!(schedule_sync::undo))
        .routes(routes!(schedule_sync::conflicts))
        .routes(routes!(schedule_sync::resolve))
        .routes(routes!(schedule_sync::disconnect))
        .routes(routes!(schedule_sync::notices))
        .routes(routes!(schedule_sync::seen))
        .routes(routes!(admin::connections))
        .routes(routes!(admin::sync_status))
        .routes(routes!(admin::failed_of))
        .routes(routes!(admin::resync_connection))
        .routes(routes!(admin::pause))
        .routes(routes!(admin::resume))
        .routes(routes!(admin::revoke))
        .routes(routes!(admin::confirm))
        .routes(routes!(admin::resync_appointment))
        .routes(routes!(admin::attempts))
        .routes(routes!(admin::failed))
        .routes(routes!(admin::replay))
        .routes(routes!(admin::audit_events))
        .routes(routes!(admin::webhooks))
        .routes(routes!(admin::metrics_summary))
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    openapi::finished(operations().to_openapi())
}

/// What managers do, for the machine's own command line: every request of it carries a [`Console`] and a
/// [`crate::auth::Visit`], and is answered and recorded as over HTTP.
pub fn console(gate: Gate, desk: Desk) -> Router {
    admin::without_slash()
        .layer(middleware::from_fn_with_state(gate.clone(), admin::audited))
        .layer(Extension(desk))
        .with_state(gate)
}

/// The page may load its style and nothing else; JSON that a browser is made to show may do nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";

fn header_layer(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Everything under `/api` but the feeds, which are not JSON. The listener's layers put a [`crate::auth::Visit`] into
/// every request before it comes here.
pub fn router(gate: Gate, desk: Desk) -> Router {
    let (operations, _) = operations().split_for_parts();
    // Written when somebody first asks: hardly anybody does, and it takes its time and memory.
    let text = |kind: &'static str, write: fn() -> String| {
        let text = Arc::new(LazyLock::new(write));
        get(move || std::future::ready(([(header::CONTENT_TYPE, kind)], String::clone(&text))))
    };
    let json = || serde_json::to_string_pretty(&document()).unwrap_or_default();
    let page = || docs::page(&document());
    operations
        .merge(admin::without_slash())
        .layer(middleware::from_fn_with_state(gate.clone(), admin::audited))
        .route("/api/openapi.json", text("application/json", json))
        .route("/api/docs", text("text/html; charset=utf-8", page))
        .route("/api/docs.css", text("text/css; charset=utf-8", || docs::STYLE.to_owned()))
        // Endless, so that nobody who asks every path of the document waits for its end.
        .route("/api/schedule/sync/status/stream", get(schedule_sync::stream))
        .route("/api/webhooks/google/calendar", post(webhooks::google))
        .route("/api/webhooks/microsoft/calendar", post(webhooks::microsoft))
        .route("/api/{*rest}", any(|| std::future::ready(Problem::not_found())))
        .method_not_allowed_fallback(|| {
            std::future::ready(Problem::new(Code::MethodNotAllowed, "the Allow header names the methods of this path"))
        })
        .layer(Extension(desk))
        .layer(header_layer(header::CACHE_CONTROL, "no-store"))
        .layer(header_layer(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header_layer(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .with_state(gate)
}
