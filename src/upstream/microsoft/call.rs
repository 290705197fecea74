//! One call to Graph: a request under its limits, an answer that is what was asked for, or a failure.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, IF_MATCH};
use http::{Method, Request, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::super::Failure;
use super::super::http::{Effect, Limits, Transport, retry_after};
use super::refusal::{Asked, failure};
use crate::domain::time::Instant;

/// Ids that stay when an item moves between folders. Needed with every request.
pub(super) const PREFER: (&str, &str) = ("prefer", "IdType=\"ImmutableId\"");

/// What a segment of a path may not hold as it is.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'+')
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
    /// Below the API's address.
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Map<String, Value>>,
    if_match: Option<&'a str>,
}

impl<'a> Call<'a> {
    pub(super) fn new(asked: Asked, method: Method, path: &[&str]) -> Call<'a> {
        let mut below = String::new();
        for segment in path {
            below.push('/');
            below.extend(utf8_percent_encode(segment, SEGMENT));
        }
        Call { asked, method, path: below, query: Vec::new(), body: None, if_match: None }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Call<'a> {
        self.query.push((name, value.into()));
        self
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

    fn target(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        // Graph takes a plus for a plus.
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.query).finish();
        format!("{}?{}", self.path, query.replace('+', "%20"))
    }

    /// As one of the requests of a batch, which only reads.
    pub(super) fn in_batch(&self, id: usize) -> Value {
        json!({ "id": id.to_string(), "method": self.method.as_str(), "url": self.target(),
            "headers": { "Prefer": PREFER.1 } })
    }

    /// Sends it. `Null` for an answer without a body.
    pub(super) async fn send(
        self,
        base: &str,
        transport: &dyn Transport,
        secret: &SecretString,
        now: Instant,
    ) -> Result<Value, Failure> {
        let url = format!("{}{}", base.trim_end_matches('/'), self.target());
        self.send_to(url, transport, secret, now).await
    }

    /// Sends it to an address that Graph itself gave, within the API's own.
    pub(super) async fn send_to(
        self,
        url: String,
        transport: &dyn Transport,
        secret: &SecretString,
        now: Instant,
    ) -> Result<Value, Failure> {
        let effect = if self.asked == Asked::Writing { Effect::Writes } else { Effect::Reads };
        let limits = match self.asked {
            Asked::Listing | Asked::Calendars => Limits::PAGE,
            Asked::Item | Asked::Writing | Asked::Channel => Limits::ONE,
        };
        let asked = self.asked;
        let empty = self.method == Method::DELETE;
        let mut request = Request::builder()
            .method(self.method)
            .uri(url)
            .header(AUTHORIZATION, format!("Bearer {}", secret.expose_secret()))
            .header(HeaderName::from_static(PREFER.0), PREFER.1);
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
        let request =
            request.body(body).map_err(|_| Failure::Refused("the call cannot be written as a request".into()))?;
        let answer = transport.send(request, limits).await.map_err(|e| e.failure(effect))?;
        let status = answer.status();
        let read = serde_json::from_slice::<Value>(answer.body());
        match status {
            StatusCode::NO_CONTENT | StatusCode::ACCEPTED => return Ok(Value::Null),
            StatusCode::OK | StatusCode::CREATED if empty => return Ok(Value::Null),
            StatusCode::OK | StatusCode::CREATED => {}
            _ => {
                let wait = retry_after(answer.headers(), now);
                return Err(failure(asked, status.as_u16(), &read.unwrap_or_default(), wait));
            }
        }
        match read {
            Ok(body) if body.is_object() => Ok(body),
            // A write that was answered, unreadably, may well have been carried out.
            Ok(_) | Err(_) if effect == Effect::Writes => Err(Failure::Unknown("the answer is not JSON".into())),
            Ok(_) | Err(_) => Err(Failure::BadAnswer("it is not JSON".into())),
        }
    }
}
