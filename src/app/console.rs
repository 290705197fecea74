//! What managers do, from the machine itself: the requests of the admin API, asked in this very process. So the command
//! line shows, filters, does and records what the API does, and nothing else.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use serde_json::Value;
use tower::ServiceExt;

use super::App;
use crate::api::{self, Console};
use crate::auth::Visit;
use crate::domain::ids::FirmId;

/// The largest answer: pages of a hundred items are far smaller.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request of the console's.
#[derive(Clone, Debug)]
pub struct Errand<'a> {
    /// The firm that it is about.
    pub firm: &'a FirmId,
    /// Whether it changes something.
    pub changes: bool,
    /// The path below `/api/calendar/admin/`.
    pub path: &'a str,
    /// The query.
    pub query: &'a [(&'a str, String)],
    /// The body, where there is one.
    pub body: Option<Value>,
}

impl App {
    /// An id for what is done from the command line.
    #[must_use]
    pub fn correlation_id(&self) -> String {
        hex::encode(self.store().chance().bytes::<12>())
    }

    /// Does an errand; what came of it, or a sentence that says why nothing did.
    ///
    /// # Errors
    /// The sentence of the API's problem.
    pub async fn manage(&self, errand: Errand<'_>) -> Result<Value, String> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(errand.query);
        let uri = format!("/api/calendar/admin/{}?{}", errand.path, query.finish());
        let body = errand.body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = Request::new(body);
        *request.uri_mut() = uri.parse().map_err(|_| "this is no id".to_owned())?;
        *request.method_mut() = if errand.changes { Method::POST } else { Method::GET };
        request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        request.extensions_mut().insert(Console(errand.firm.clone()));
        request.extensions_mut().insert(Visit {
            correlation_id: self.correlation_id(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            base_url: String::new(),
        });
        let router = api::console(self.gate.clone(), self.desk.clone());
        let answer = match router.oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let done = answer.status().is_success();
        let bytes = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|e| e.to_string())?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| "there is no such thing".to_owned())?;
        if done { Ok(value) } else { Err(sentence(&value)) }
    }
}

/// What a problem says, with the field it says it about.
fn sentence(problem: &Value) -> String {
    let detail = problem["detail"].as_str().unwrap_or("it was refused");
    match problem["field"].as_str() {
        Some(field) => format!("{field}: {detail}"),
        None => detail.to_owned(),
    }
}
