//! Pages for people: signing in, and where everything is. Server-rendered, no script, no request to anywhere else.
//! It speaks to the store through the same methods as the API and knows nothing of CalDAV.

mod pages;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tower_http::csrf::CsrfLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::auth::Gate;

/// Only our own style sheet and images, no script, no frame, forms only to ourselves.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("assets/style.css");

/// The pages.
pub fn router(gate: Gate) -> Router {
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
    };
    Router::new()
        .route("/", get(pages::start))
        .route("/sign-in", post(pages::sign_in).get(pages::start))
        .route("/sign-out", post(pages::sign_out))
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
