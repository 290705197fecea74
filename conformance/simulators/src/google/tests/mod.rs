//! The provider as its clients see it.

mod access;
mod control;
mod events;
mod faults;
mod hostile;
mod lists;
mod mirror;
mod more;
mod page;
mod people;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{Google, Outcome, Role};

pub(super) const NOW: i64 = 1_800_000_000_000;
pub(super) const WORK: &str = "/calendar/v3/calendars/work@group.calendar.google.com/events";

/// A provider with two accounts and somebody's token.
pub(super) struct Bench {
    pub(super) google: Google,
    pub(super) token: String,
    pub(super) now_ms: i64,
}

pub(super) struct Got {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) headers: http::HeaderMap,
}

impl Got {
    pub(super) fn reason(&self) -> &str {
        self.body["error"]["errors"][0]["reason"].as_str().unwrap_or_default()
    }

    pub(super) fn ids(&self) -> Vec<&str> {
        self.body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_default().to_owned()
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with_scopes(&["calendar"])
    }

    pub(super) fn with_scopes(scopes: &[&str]) -> Self {
        let mut google = Google::new(7);
        google.add_account("ada@example.com", "Europe/Berlin");
        google.add_account("bob@example.com", "America/New_York");
        google.add_calendar(
            "ada@example.com",
            "work@group.calendar.google.com",
            "Work",
            Role::Owner,
            "America/New_York",
        );
        google.add_client("client", "secret", &["https://kalends.example.com/callback", "http://127.0.0.1"]);
        let token = google.grant(NOW, "ada@example.com", "client", scopes).access_token;
        Self { google, token, now_ms: NOW }
    }

    pub(super) fn send(&mut self, request: &Request<Bytes>) -> Got {
        let Outcome::Answer(response) = self.google.handle(self.now_ms, request) else { panic!("no answer") };
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
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.send(&request.body(body).unwrap())
    }

    pub(super) fn get(&mut self, path: &str) -> Got {
        self.call("GET", path, Value::Null)
    }

    pub(super) fn insert(&mut self, body: Value) -> Got {
        let got = self.call("POST", WORK, body);
        assert_eq!(got.status, 200, "{}", got.body);
        got
    }
}

/// An hour at nine in Los Angeles.
pub(super) fn hour(summary: &str) -> Value {
    json!({
        "summary": summary,
        "start": { "dateTime": "2026-03-10T09:00:00", "timeZone": "America/Los_Angeles" },
        "end": { "dateTime": "2026-03-10T10:00:00", "timeZone": "America/Los_Angeles" },
    })
}

/// That hour every week.
pub(super) fn weekly(summary: &str) -> Value {
    let mut body = hour(summary);
    body["recurrence"] = json!(["RRULE:FREQ=WEEKLY;COUNT=5"]);
    body
}
