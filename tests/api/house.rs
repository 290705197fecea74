//! A firm with users, another firm, and requests as their clients send them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use base64::Engine;
use bytes::Bytes;
use http_body_util::BodyExt;
use kalends::auth::{Gate, Purpose, Visit};
use kalends::domain::access::{Right, Role, Scope};
use kalends::domain::change::{Cause, Guard};
use kalends::domain::ids::{ResourceName, Slug};
use kalends::domain::object::CalendarObject;
use kalends::store::User;
use kalends::sync::desk::Desk;
use kalends::{api, web};
use serde_json::Value;
use tower::ServiceExt;

use crate::support::stores::{Bench, caller};

/// Where everything is, as a client outside sees it.
pub const BASE_URL: &str = "https://cal.example";

/// A store, the API in front of it, and those who use it.
pub struct House {
    pub bench: Bench,
    pub gate: Gate,
    pub desk: Desk,
    /// Works for the firm.
    pub ada: Guest,
    /// A client of the same firm.
    pub bob: Guest,
    /// Its manager.
    pub mia: Guest,
    /// The manager of another firm.
    pub eve: Guest,
    router: Router,
}

/// A user with an API token for everything that they may do.
pub struct Guest {
    pub user: User,
    pub token: String,
}

/// A request being put together.
pub struct Ask<'a> {
    house: &'a House,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Body,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl House {
    pub async fn on(bench: Bench) -> House {
        let gate = Gate::new(bench.store.clone(), bench.keys.clone());
        let desk = Desk::default();
        let router = api::router(gate.clone(), desk.clone()).merge(web::router(gate.clone(), desk.clone()));
        let mut guests = Vec::new();
        for (firm, name, role) in [
            ("acme", "ada", Role::Staff),
            ("acme", "bob", Role::Client),
            ("acme", "mia", Role::Manager),
            ("elsewhere", "eve", Role::Manager),
        ] {
            let user = bench.user(firm, name, role).await;
            let token = token(&gate, &user, &Scope::ALL).await;
            guests.push(Guest { user, token });
        }
        let [ada, bob, mia, eve]: [Guest; 4] = guests.try_into().ok().expect("four of them");
        House { bench, gate, desk, ada, bob, mia, eve, router }
    }

    /// A browser session of a guest, as its cookie.
    pub async fn session(&self, guest: &Guest) -> String {
        let secret = self.gate.store.chance().secret();
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let expires = tx.now().plus_ms(3_600_000);
        let hash = self.gate.hash(Purpose::Session, &secret);
        tx.add_session(&guest.user.firm, &guest.user.id, &hash, expires).await.expect("begun");
        tx.commit().await.expect("a commit");
        format!("__Host-kalends={secret}")
    }

    /// A token of ada's with these scopes.
    pub async fn token(&self, scopes: &[Scope]) -> String {
        token(&self.gate, &self.ada.user, scopes).await
    }

    /// An app password of ada's, as HTTP Basic sends it.
    pub async fn app_password(&self, read_only: bool) -> String {
        let secret = self.gate.store.chance().secret();
        let hash = self.gate.hash(Purpose::AppPassword, &secret);
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let user = &self.ada.user;
        tx.add_app_password(&user.firm, &user.id, "phone", read_only, &hash).await.expect("added");
        tx.commit().await.expect("a commit");
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{}:{secret}", user.name)))
    }

    /// A request without credentials.
    pub fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Ask { house: self, method, path: path.to_owned(), headers: Vec::new(), body: Body::empty() }
    }

    /// A request of ada's.
    pub fn ada(&self, method: &str, path: &str) -> Ask<'_> {
        self.ask(method, path).as_(&self.ada)
    }

    /// Makes something as ada and gives what the API says it is.
    pub async fn make(&self, path: &str, body: Value) -> Value {
        let answer = self.ada("POST", path).json(&body).send().await;
        assert_eq!(answer.status, StatusCode::CREATED, "{body}: {}", answer.text());
        answer.json()
    }

    /// Puts an object into one of ada's calendars, as a CalDAV client would.
    pub async fn put(&self, slug: &str, name: &str, ics: &str) {
        let object = CalendarObject::parse(Bytes::from(ics.replace('\n', "\r\n"))).expect("a legal object");
        let (caller, slug) = (caller(&self.ada.user), Slug::parse(slug).expect("a slug"));
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let (access, _) = tx.calendar_for(&caller, &caller.name, &slug, Right::Write).await.expect("hers");
        let name = ResourceName::parse(name).expect("a name");
        let cause = Cause::by(kalends::domain::change::Via::Caldav, "ada", Some("phone/1.0"), None);
        tx.put_object(&access, &name, &object, &Guard::NONE, &cause).await.expect("put");
        tx.commit().await.expect("a commit");
    }

    /// The text of the object behind one of ada's appointments, and its name.
    pub async fn object(&self, id: &str) -> (String, String) {
        let mut tx = self.bench.store.read().await.expect("a transaction");
        let id = kalends::domain::ids::ObjectId::from_text(id);
        let found = tx.object_by_id(&caller(&self.ada.user), &id, Right::Read).await.expect("a query");
        let (_, stored) = found.expect("there");
        let text = String::from_utf8(stored.bytes.to_vec()).expect("UTF-8");
        (text.replace("\r\n", "\n"), stored.head.name.as_str().to_owned())
    }
}

async fn token(gate: &Gate, user: &User, scopes: &[Scope]) -> String {
    let secret = gate.store.chance().secret();
    let mut tx = gate.store.write().await.expect("a transaction");
    tx.add_token(&user.firm, &user.id, "test", scopes, &gate.hash(Purpose::Token, &secret)).await.expect("added");
    tx.commit().await.expect("a commit");
    secret
}

impl Ask<'_> {
    pub fn as_(self, guest: &Guest) -> Self {
        let token = guest.token.clone();
        self.bearer(&token)
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub async fn send(self) -> Answer {
        let (parts, body) = self.begin().await;
        let body = to_bytes(body, 64 * 1024 * 1024).await.expect("a body");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends, and takes the first piece of the answer's body alone.
    pub async fn first_chunk(self) -> Answer {
        let (parts, mut body) = self.begin().await;
        let frame = body.frame().await.expect("a frame").expect("a body");
        let body = frame.into_data().expect("data");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn begin(self) -> (axum::http::response::Parts, Body) {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(self.body).expect("a request");
        request.extensions_mut().insert(Visit {
            correlation_id: "request-1".to_owned(),
            address: IpAddr::from([192, 0, 2, 1]),
            base_url: BASE_URL.to_owned(),
        });
        let response = self.house.router.clone().oneshot(request).await.expect("an answer");
        response.into_parts()
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().expect("a plain header")
    }

    /// Status, code and field of a problem.
    pub fn problem(&self) -> (u16, String, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16(), "{json}");
        let word = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        assert!(!word("title").is_empty() && !word("detail").is_empty(), "{json}");
        assert_eq!(word("type"), format!("urn:kalends:problem:{}", word("code")));
        (self.status.as_u16(), word("code"), word("field"))
    }
}

/// JSON to compare with a snapshot: ids, secrets and tags, which are new every time, are replaced by their kind.
pub fn redacted(value: &Value) -> String {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                // By name: their order is serde_json's, which another crate's features may change.
                let sorted: BTreeMap<String, Value> = std::mem::take(fields).into_iter().collect();
                fields.extend(sorted);
                fields.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::String(text) => *text = masked(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut value = value.clone();
    walk(&mut value);
    serde_json::to_string_pretty(&value).expect("JSON")
}

/// A text with ids, tags and secrets replaced.
pub fn masked(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find(is_word) {
        let (before, after) = rest.split_at(begin);
        let word = &after[..after.find(|c| !is_word(c)).unwrap_or(after.len())];
        out.push_str(before);
        let is_hex = |w: &str| w.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        match word.len() {
            36 if is_hex(word) => out.push_str("<id>"),
            37.. if is_hex(&word[..36]) && word.as_bytes()[8] == b'-' && word.as_bytes()[23] == b'-' => {
                out.push_str(&format!("<id>{}", &word[36..]))
            }
            43 => out.push_str("<secret>"),
            34.. if is_hex(word) && word.contains('-') => out.push_str("<tag>"),
            _ => out.push_str(word),
        }
        rest = &after[word.len()..];
    }
    out + rest
}
