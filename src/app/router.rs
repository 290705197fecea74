//! Which face answers which path. CalDAV comes first, because it must see paths and methods as they came.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt;
use tower::ServiceExt;
use tower_http::catch_panic::{DefaultResponseForPanic, ResponseForPanic};

use super::visit::{Doorstep, greet};
use super::{App, exposition};
use crate::dav::Dav;
use crate::{api, dav, feed, web};

/// The whole server. Cheap to clone.
#[derive(Clone)]
pub struct House(Arc<Rooms>);

struct Rooms {
    doorstep: Doorstep,
    caldav: Dav,
    /// Everything but CalDAV.
    faces: Router,
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("House")
    }
}

impl House {
    /// All faces of an app.
    #[must_use]
    pub fn new(app: &App) -> House {
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
        House(Arc::new(Rooms { doorstep: Doorstep::new(app), caldav: Dav::new(app.gate.clone()), faces }))
    }

    /// Answers a request.
    pub async fn answer(self, request: Request) -> Response {
        let rooms = &*self.0;
        greet(&rooms.doorstep, request, |request| async {
            let answer = AssertUnwindSafe(rooms.answer(request)).catch_unwind().await;
            answer.unwrap_or_else(|panic| DefaultResponseForPanic::default().response_for_panic(panic).map(Body::new))
        })
        .await
    }
}

impl Rooms {
    /// CalDAV clients look for their server at the root, where people find the start page: method and path decide.
    /// CalDAV is no route among the others: these would add their `Allow` to its answers.
    async fn answer(&self, request: Request) -> Response {
        if dav::wants(request.method(), request.uri().path()) {
            return dav::handle(&self.caldav, request).await;
        }
        match self.faces.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

async fn nothing() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "There is nothing here.\n")
}

async fn render_metrics(State(app): State<App>) -> Response {
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
