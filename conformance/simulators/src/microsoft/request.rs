//! A request taken apart.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use serde_json::{Map, Value};

use super::{ids::Form, refusal::Refusal};
use crate::query::Query;

/// What the `Prefer` headers ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    pub(crate) immutable: bool,
    pub(crate) zone: Option<String>,
    pub(crate) text: bool,
    pub(crate) page: Option<usize>,
}

impl Prefer {
    fn read(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let lines = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
        // No value of ours holds a comma.
        for part in lines.flat_map(|line| line.split(',')) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "idtype" => prefer.immutable = value.eq_ignore_ascii_case("ImmutableId"),
                "outlook.timezone" => prefer.zone = Some(value.to_owned()),
                "outlook.body-content-type" => prefer.text = value.eq_ignore_ascii_case("text"),
                "odata.maxpagesize" => prefer.page = value.parse().ok(),
                _ => {}
            }
        }
        prefer
    }

    pub(crate) fn form(&self) -> Form {
        if self.immutable { Form::Immutable } else { Form::Rest }
    }
}

/// The request as the handlers see it.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) now_ms: i64,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) prefer: Prefer,
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
            prefer: Prefer::read(request.headers()),
        }
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn token(&self) -> Option<&str> {
        let value = self.header(header::AUTHORIZATION)?;
        value.split_once(' ').filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim())
    }

    /// The address that the client called, for links back.
    pub(crate) fn base(&self) -> String {
        match self.header(header::HOST) {
            Some(host) => format!("http://{host}"),
            None => "https://graph.microsoft.com".to_owned(),
        }
    }

    /// The body as a JSON object.
    pub(crate) fn json(&self) -> Result<Map<String, Value>, Refusal> {
        let kind = self.header(header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
        if !kind.starts_with("application/json") {
            return Err(Refusal::body("A supported Content-Type must be given: application/json."));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(fields)) => Ok(fields),
            _ => Err(Refusal::query(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            )),
        }
    }

    pub(crate) fn form(&self) -> Query {
        Query::parse(std::str::from_utf8(&self.body).unwrap_or_default())
    }

    /// A number of a query, at least `least`.
    pub(crate) fn number(&self, name: &str, least: usize) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.query.get(name) else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(number) if number >= least => Ok(Some(number)),
            _ => Err(Refusal::query(format!("Invalid value '{text}' for {name} query option found."))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_come_in_lines_or_joined() {
        let request = Request::get("/v1.0/me/events")
            .header("prefer", "IdType=\"ImmutableId\", outlook.timezone=\"Europe/Berlin\"")
            .header("prefer", "outlook.body-content-type=\"text\"")
            .header("prefer", "odata.maxpagesize=7");
        let ask = Ask::new(0, &request.body(Bytes::new()).unwrap());
        let wanted = Prefer { immutable: true, zone: Some("Europe/Berlin".into()), text: true, page: Some(7) };
        assert_eq!(ask.prefer, wanted);
        assert_eq!(Prefer::read(&HeaderMap::new()), Prefer::default());
    }
}
