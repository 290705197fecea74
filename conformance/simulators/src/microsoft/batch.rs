//! `$batch`: up to twenty requests in one, answered in any order.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use serde_json::{Map, Value, json};

use super::{Microsoft, refusal::Refusal, request::Ask};
use crate::answer;

const REQUESTS_MAX: usize = 20;

struct Part {
    id: String,
    depends: Vec<String>,
    request: Result<Request<Bytes>, Refusal>,
}

impl Microsoft {
    pub(crate) fn batch(&mut self, ask: &Ask) -> Response<Bytes> {
        let trace = self.world.new_guid();
        let parts = match read(ask) {
            Ok(parts) => parts,
            Err(refusal) => return refusal.response(ask.now_ms, &trace),
        };
        let mut done: BTreeMap<String, u16> = BTreeMap::new();
        let mut responses = Vec::new();
        for part in parts {
            // What a request depends on stands before it; what failed takes it along.
            let held = part.depends.iter().any(|id| done.get(id).is_none_or(|status| *status >= 300));
            let response = match part.request {
                _ if held => {
                    let failed = Refusal::new(
                        424,
                        "FailedDependency",
                        "The request failed because a request it depends on failed.",
                    );
                    failed.response(ask.now_ms, &trace)
                }
                Ok(request) => self.part(ask.now_ms, &request),
                Err(refusal) => refusal.response(ask.now_ms, &trace),
            };
            let status = response.status().as_u16();
            done.insert(part.id.to_lowercase(), status);
            responses.push(written(&part.id, &response));
        }
        // In no order that anybody may count on.
        for at in (1..responses.len()).rev() {
            let other = usize::try_from(self.world.chance.below(at as u64 + 1)).unwrap_or(0);
            responses.swap(at, other);
        }
        answer::json(200, &json!({ "responses": responses }), false)
    }
}

fn written(id: &str, response: &Response<Bytes>) -> Value {
    let headers: Map<String, Value> = response
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((title(name.as_str()), json!(value.to_str().ok()?))))
        .collect();
    let mut out = json!({ "id": id, "status": response.status().as_u16(), "headers": headers });
    if let (false, Some(fields)) = (response.body().is_empty(), out.as_object_mut()) {
        let body = serde_json::from_slice(response.body())
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(response.body()).into_owned()));
        fields.insert("body".into(), body);
    }
    out
}

/// `retry-after` as `Retry-After`.
fn title(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

fn read(ask: &Ask) -> Result<Vec<Part>, Refusal> {
    let body = ask.json()?;
    let list = body.get("requests").and_then(Value::as_array);
    let list = list.ok_or_else(|| Refusal::query("Invalid batch payload format."))?;
    if list.len() > REQUESTS_MAX {
        return Err(Refusal::query(format!(
            "Number of batch request steps exceeds the maximum value of {REQUESTS_MAX}."
        )));
    }
    let mut ids = BTreeSet::new();
    let mut parts = Vec::new();
    for one in list {
        let text = |name: &str| one.get(name).and_then(Value::as_str);
        let (Some(id), Some(method), Some(url)) = (text("id"), text("method"), text("url")) else {
            return Err(Refusal::query("Invalid batch payload format."));
        };
        if !ids.insert(id.to_lowercase()) {
            return Err(Refusal::query(format!("Request id '{id}' is not unique.")));
        }
        let depends: Vec<String> = one
            .get("dependsOn")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_lowercase)
            .collect();
        if !depends.iter().all(|on| ids.contains(on)) {
            return Err(Refusal::query("Invalid dependency in batch request."));
        }
        parts.push(Part { id: id.to_owned(), depends, request: request(ask, one, method, url) });
    }
    Ok(parts)
}

fn request(ask: &Ask, one: &Value, method: &str, url: &str) -> Result<Request<Bytes>, Refusal> {
    let bad = || Refusal::query("Invalid batch request step.");
    if url.contains("://") {
        return Err(Refusal::query("The url of a batch request step must be relative."));
    }
    let body = match one.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(body) => Bytes::from(body.to_string()),
    };
    let uri: String = url.chars().map(|c| if c == ' ' { "%20".to_owned() } else { c.to_string() }).collect();
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| bad())?;
    *request.uri_mut() = format!("/v1.0/{}", uri.trim_start_matches('/')).parse().map_err(|_| bad())?;
    for name in ["authorization", "host"] {
        if let Some(value) = ask.headers.get(name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    for (name, value) in one.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let value = HeaderValue::from_str(value.as_str().unwrap_or_default()).map_err(|_| bad())?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}
