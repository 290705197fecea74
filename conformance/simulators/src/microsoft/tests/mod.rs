//! The whole provider, through its requests.

mod access;
mod batch;
mod control;
mod delta;
mod events;
mod faults;
mod notices;
mod series;
mod served;

use bytes::Bytes;
use http::{HeaderMap, Request};
use serde_json::{Value, json};

use super::{Access, Microsoft, Outcome};

pub(super) const NOW: i64 = 1_772_500_000_000;
pub(super) const ADA: &str = "ada@example.com";
pub(super) const WORK: &str = "AAMkADwork=";
pub(super) const EVENTS: &str = "/v1.0/me/calendars/AAMkADwork%3D/events";
pub(super) const SCOPES: &[&str] = &[
    "offline_access",
    "openid",
    "User.Read",
    "MailboxSettings.Read",
    "Calendars.ReadWrite",
    "Calendars.ReadWrite.Shared",
];

/// What came back.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) headers: HeaderMap,
}

impl Got {
    pub(super) fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(super) fn values(&self) -> &[Value] {
        self.body["value"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// One member of every entry.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.values().iter().map(|one| one[name].as_str().unwrap_or_default()).collect()
    }

    pub(super) fn next(&self) -> String {
        let link = self.body["@odata.nextLink"].as_str().or(self.body["@odata.deltaLink"].as_str()).unwrap_or_default();
        link.trim_start_matches("https://graph.microsoft.com").to_owned()
    }
}

/// A provider with an account, a calendar, an application, and a token.
pub(super) struct Bench {
    pub(super) microsoft: Microsoft,
    pub(super) token: String,
    pub(super) refresh: String,
    pub(super) now_ms: i64,
}

impl Bench {
    pub(super) fn new() -> Self {
        let mut microsoft = Microsoft::new(7);
        microsoft.add_account(ADA, "Europe/Berlin");
        microsoft.add_account("bob@example.com", "UTC");
        microsoft.add_calendar(ADA, WORK, "Work", Access::Own);
        microsoft.add_client("client", Some("secret"), &["https://kalends.example.com/callback", "http://localhost"]);
        microsoft.add_client("public", None, &["http://localhost"]);
        let tokens = microsoft.grant(NOW, ADA, "client", SCOPES);
        Self { microsoft, token: tokens.access_token, refresh: tokens.refresh_token, now_ms: NOW }
    }

    pub(super) fn send(&mut self, request: &Request<Bytes>) -> Got {
        let response = match self.microsoft.handle(self.now_ms, request) {
            Outcome::Answer(response) | Outcome::Late { response, .. } => response,
            other => panic!("no answer: {other:?}"),
        };
        Got {
            status: response.status().as_u16(),
            body: serde_json::from_slice(response.body()).unwrap_or(Value::Null),
            headers: response.headers().clone(),
        }
    }

    pub(super) fn call(&mut self, method: &str, path: &str, body: Value) -> Got {
        self.call_with(method, path, body, &[])
    }

    pub(super) fn call_with(&mut self, method: &str, path: &str, body: Value, headers: &[(&str, &str)]) -> Got {
        self.now_ms += 1000;
        let mut request = Request::builder()
            .method(method)
            .uri(path.replace(' ', "%20"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.send(&request.body(body).unwrap())
    }

    pub(super) fn get(&mut self, path: &str) -> Got {
        self.call("GET", path, Value::Null)
    }

    pub(super) fn create(&mut self, body: Value) -> Got {
        let got = self.call("POST", EVENTS, body);
        assert_eq!(got.status, 201, "{}", got.body);
        got
    }

    pub(super) fn form(&mut self, path: &str, form: &str) -> Got {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.send(&request.body(Bytes::from(form.to_owned())).unwrap())
    }
}

pub(super) fn event_path(id: &str) -> String {
    format!("/v1.0/me/events/{}", percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC))
}

/// An hour at nine in Berlin.
pub(super) fn hour(subject: &str) -> Value {
    json!({
        "subject": subject,
        "start": { "dateTime": "2026-03-10T09:00:00", "timeZone": "Europe/Berlin" },
        "end": { "dateTime": "2026-03-10T10:00:00", "timeZone": "Europe/Berlin" },
    })
}

/// That hour on five Tuesdays, over the change of clocks.
pub(super) fn weekly(subject: &str) -> Value {
    let mut body = hour(subject);
    body["recurrence"] = json!({
        "pattern": { "type": "weekly", "interval": 1, "daysOfWeek": ["tuesday"] },
        "range": { "type": "numbered", "startDate": "2026-03-10", "numberOfOccurrences": 5 },
    });
    body
}
