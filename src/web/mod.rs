//! Pages for people: signing in, where everything is, and connecting calendars. Server-rendered, no script, no request to anywhere else.
//! It speaks to the store through the same methods as the API and knows nothing of CalDAV.

mod device;
mod pages;
mod sync;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Extension, Router};
use tower_http::csrf::CsrfLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::auth::Gate;
use crate::sync::desk::Desk;

/// Only our own style sheet and images, no script, no frame, forms only to ourselves.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("assets/style.css");

/// The pages.
pub fn router(gate: Gate, desk: Desk) -> Router {
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
    };
    Router::new()
        .route("/", get(pages::start))
        .route("/sign-in", post(pages::sign_in).get(pages::start))
        .route("/sign-out", post(pages::sign_out))
        .route("/sync", get(sync::overview))
        .route("/sync/paste", post(sync::pasted))
        .route("/sync/device", post(device::typed))
        .route("/sync/device/{provider}", post(device::begin))
        .route("/sync/connections/{id}", get(sync::choose).post(sync::chosen))
        .route("/api/sync/{provider}/connect", get(sync::connect))
        .route("/api/sync/{provider}/callback", get(sync::callback))
        .layer(Extension(desk))
        .layer(CsrfLayer::new())
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .route("/assets/style.css", get(style))
        .layer(header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .with_state(gate)
}

async fn style() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")];
    (headers, STYLE)
}
