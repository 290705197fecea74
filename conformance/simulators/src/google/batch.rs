//! Many calls in one request: `multipart/mixed`, each part a request of its own.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};

use super::{Google, answer, refusal::Refusal, request::Ask};

/// Calls of one batch.
const CALLS_MAX: usize = 50;

impl Google {
    pub(crate) fn batch(&mut self, ask: &Ask) -> Response<Bytes> {
        let Some(boundary) = boundary(ask) else {
            return Refusal::bad_request("Failed to parse batch request, error: missing boundary.").response();
        };
        let text = String::from_utf8_lossy(&ask.body).into_owned();
        let parts: Vec<&str> =
            text.split(&format!("--{boundary}")).skip(1).take_while(|part| !part.starts_with("--")).collect();
        if parts.len() > CALLS_MAX {
            return Refusal::bad_request("The batch request exceeds the limit of 50 calls.").response();
        }
        if parts.is_empty() {
            return Refusal::bad_request("Failed to parse batch request, error: 0 items.").response();
        }
        let mark = format!("batch_{:016x}", super::chance::check(self.world.seed, &boundary));
        let mut body = String::new();
        for part in parts {
            let (id, request) = read(part, ask);
            let response = match request {
                Some(request) => self.part(ask.now_ms, &request),
                None => Refusal::bad_request("Failed to parse batch part.").response(),
            };
            body.push_str(&format!("--{mark}\r\nContent-Type: application/http\r\n"));
            if let Some(id) = id {
                body.push_str(&format!("Content-ID: <response-{}>\r\n", id.trim_matches(['<', '>'])));
            }
            let status = response.status();
            body.push_str(&format!("\r\nHTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or("")));
            for (name, value) in response.headers() {
                body.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
            }
            body.push_str("\r\n");
            body.push_str(&String::from_utf8_lossy(response.body()));
            body.push_str("\r\n");
        }
        body.push_str(&format!("--{mark}--\r\n"));
        answer::with_type(200, &format!("multipart/mixed; boundary={mark}"), body.into_bytes())
    }
}

fn boundary(ask: &Ask) -> Option<String> {
    let kind = ask.header(header::CONTENT_TYPE)?;
    if !kind.to_ascii_lowercase().starts_with("multipart/mixed") {
        return None;
    }
    let value = kind.split(';').map(str::trim).find_map(|part| part.strip_prefix("boundary="))?;
    let value = value.trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

/// A part's Content-ID and request. The outer headers hold for it, those of the content excepted.
fn read(part: &str, outer: &Ask) -> (Option<String>, Option<Request<Bytes>>) {
    let part = part.replace("\r\n", "\n");
    let Some((head, inner)) = part.trim_start_matches('\n').split_once("\n\n") else { return (None, None) };
    let id = fields(head).find(|(name, _)| name.eq_ignore_ascii_case("content-id")).map(|(_, value)| value.to_owned());
    (id, request(inner, outer))
}

fn fields(head: &str) -> impl Iterator<Item = (&str, &str)> {
    head.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.trim(), value.trim()))
}

fn request(inner: &str, outer: &Ask) -> Option<Request<Bytes>> {
    let (head, body) = inner.split_once("\n\n").unwrap_or((inner, ""));
    let (line, rest) = head.split_once('\n').unwrap_or((head, ""));
    let mut words = line.split_whitespace();
    let method: Method = words.next()?.parse().ok()?;
    let uri = words.next()?;
    let mut headers = HeaderMap::new();
    for (name, value) in &outer.headers {
        if !name.as_str().starts_with("content-") {
            headers.insert(name.clone(), value.clone());
        }
    }
    for (name, value) in fields(rest) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    let body = Bytes::from(body.trim_end_matches('\n').to_owned());
    let mut request = Request::builder().method(method).uri(uri).body(body).ok()?;
    *request.headers_mut() = headers;
    Some(request)
}
