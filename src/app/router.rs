//! Which face answers which path. CalDAV comes first, because it must see paths and methods as they came.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use super::visit::{Doorstep, greet};
use super::{App, exposition};
use crate::dav::Dav;
use crate::{api, dav, feed, telemetry, web};

/// The whole server as one service.
pub fn router(app: &App) -> Router {
    let ops = Router::new()
        .route("/metrics", get(render_metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(app.clone());
    let faces = Router::new()
        .merge(ops)
        .merge(feed::router(app.gate.clone()))
        .merge(api::router(app.gate.clone(), app.desk.clone()))
        .merge(web::router(app.gate.clone(), app.desk.clone()))
        .fallback(nothing);
    let caldav = Arc::new(Dav::new(app.gate.clone()));
    // Around the other faces and not as a layer on their routes: these would add their `Allow` to CalDAV's answers.
    Router::new()
        .fallback(move |request: Request| answer(caldav.clone(), faces.clone(), request))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn_with_state(Doorstep::new(app), greet))
}

/// CalDAV clients look for their server at the root, where people find the start page: method and path decide.
async fn answer(caldav: Arc<Dav>, faces: Router, request: Request) -> Response {
    if dav::wants(request.method(), request.uri().path()) {
        return dav::handle(&caldav, request).await;
    }
    match faces.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn nothing() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "There is nothing here.\n")
}

async fn render_metrics(State(app): State<App>) -> Response {
    telemetry::pool_state(app.store().pool_size());
    match exposition::render(&app).await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::warn!(%error, "the metrics could not be told");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response()
        }
    }
}

/// Ready when the database answers.
async fn ready(State(app): State<App>) -> Response {
    let asked = async { app.store().read().await?.firms().await };
    match asked.await {
        Ok(_) => "ready\n".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
    }
}
