//! One call to the Calendar API: a request under its limits, an answer that is what was asked for, or a failure.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, IF_MATCH};
use http::{Method, Request, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::super::Failure;
use super::super::http::{Effect, Limits, Transport, retry_after};
use super::refusal::{Asked, Reason, failure};
use crate::domain::time::Instant;

/// What a segment of a path may not hold as it is.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// A call being put together.
pub(super) struct Call<'a> {
    asked: Asked,
    method: Method,
    url: String,
    query: Vec<(&'static str, String)>,
    body: Option<Map<String, Value>>,
    if_match: Option<&'a str>,
    limits: Limits,
}

impl<'a> Call<'a> {
    pub(super) fn new(asked: Asked, method: Method, base: &str, path: &[&str]) -> Call<'a> {
        let mut url = base.trim_end_matches('/').to_owned();
        for segment in path {
            url.push('/');
            url.extend(utf8_percent_encode(segment, SEGMENT));
        }
        let limits = if asked == Asked::Listing || asked == Asked::Calendars { Limits::PAGE } else { Limits::ONE };
        Call { asked, method, url, query: Vec::new(), body: None, if_match: None, limits }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Call<'a> {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn with_some(self, name: &'static str, value: Option<&str>) -> Call<'a> {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn body(mut self, body: Map<String, Value>) -> Call<'a> {
        self.body = Some(body);
        self
    }

    /// Only if the event still has this tag.
    pub(super) fn if_match(mut self, etag: &'a str) -> Call<'a> {
        self.if_match = Some(etag).filter(|etag| !etag.is_empty());
        self
    }

    /// Sends it. `Null` for an answer without a body.
    pub(super) async fn send(
        self,
        transport: &dyn Transport,
        secret: &SecretString,
        now: Instant,
    ) -> Result<Value, Failure> {
        let effect = match self.asked {
            Asked::Writing => Effect::Writes,
            Asked::Calendars | Asked::Listing | Asked::Item | Asked::Channel => Effect::Reads,
        };
        let (asked, limits) = (self.asked, self.limits);
        let is_delete = self.method == Method::DELETE;
        let request = self.request(secret)?;
        let answer = transport.send(request, limits).await.map_err(|e| e.failure(effect))?;
        let status = answer.status();
        if status == StatusCode::NO_CONTENT && (is_delete || asked == Asked::Channel) {
            return Ok(Value::Null);
        }
        if status != StatusCode::OK {
            return Err(refused(asked, status, answer.headers(), answer.body(), now));
        }
        if is_delete {
            // A deletion is answered with nothing; anything else comes from somebody on the way.
            let said = answer.body().is_empty();
            return if said { Ok(Value::Null) } else { Err(Failure::Unknown("the answer is not Google's".into())) };
        }
        match serde_json::from_slice::<Value>(answer.body()) {
            Ok(body) if body.is_object() => Ok(body),
            // A write that was answered, unreadably, may well have been carried out.
            Ok(_) | Err(_) if effect == Effect::Writes => Err(Failure::Unknown("the answer is not JSON".into())),
            Ok(_) | Err(_) => Err(Failure::BadAnswer("it is not JSON".into())),
        }
    }

    fn request(self, secret: &SecretString) -> Result<Request<Bytes>, Failure> {
        let mut url = self.url;
        if !self.query.is_empty() {
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.query).finish();
            url = format!("{url}?{query}");
        }
        let mut request = Request::builder()
            .method(self.method)
            .uri(url)
            .header(AUTHORIZATION, format!("Bearer {}", secret.expose_secret()));
        if let Some(etag) = self.if_match {
            request = request.header(IF_MATCH, etag);
        }
        let body = match self.body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(Value::Object(body).to_string())
            }
            None => Bytes::new(),
        };
        request.body(body).map_err(|_| Failure::Refused("the call cannot be written as a request".into()))
    }
}

fn refused(asked: Asked, status: StatusCode, headers: &HeaderMap, body: &[u8], now: Instant) -> Failure {
    failure(asked, status.as_u16(), &Reason::of(body), retry_after(headers, now))
}
