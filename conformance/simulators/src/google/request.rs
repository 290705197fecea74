//! A request taken apart.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use serde_json::{Map, Value};

use super::refusal::Refusal;
pub(crate) use crate::query::Query;

/// The request as the handlers see it.
pub(crate) struct Ask {
    pub(crate) now_ms: i64,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn new(now_ms: i64, request: &Request<Bytes>) -> Self {
        Self {
            now_ms,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: Query::parse(request.uri().query().unwrap_or_default()),
            headers: request.headers().clone(),
            body: request.body().clone(),
        }
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The access token: the header's, or the query's.
    pub(crate) fn token(&self) -> Option<&str> {
        match self.header(header::AUTHORIZATION) {
            Some(value) => {
                value.split_once(' ').filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer")).map(|(_, t)| t.trim())
            }
            None => self.query.get("oauth_token").or_else(|| self.query.get("access_token")),
        }
    }

    /// The body as a JSON object.
    pub(crate) fn json(&self) -> Result<Map<String, Value>, Refusal> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(fields)) => Ok(fields),
            _ => Err(Refusal::parse_error()),
        }
    }

    /// The body as a form.
    pub(crate) fn form(&self) -> Query {
        Query::parse(std::str::from_utf8(&self.body).unwrap_or_default())
    }

    pub(crate) fn pretty(&self) -> bool {
        self.query.get("prettyPrint") != Some("false")
    }
}

/// What Google says to a parameter that is none.
impl Query {
    /// A boolean parameter.
    pub(crate) fn flag(&self, name: &'static str) -> Result<Option<bool>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Refusal::invalid_parameter(name, format!("Invalid boolean value: '{other}'."))),
        }
    }

    /// A whole number of at least 1.
    pub(crate) fn count(&self, name: &'static str) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(number) if number >= 1 => Ok(Some(number)),
            _ => Err(Refusal::invalid_parameter(
                name,
                format!("Invalid value '{text}'. Values must be within the range: [1, 2147483647]"),
            )),
        }
    }
}
