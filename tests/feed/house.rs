//! A user with calendars and feeds, and subscribers who ask for them.

use std::io::Read;
use std::net::IpAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use kalends::auth::{Gate, Purpose, Visit};
use kalends::domain::access::{Access, Caller, Right, Role};
use kalends::domain::appointment::Facts;
use kalends::domain::calendar::{Calendar, CalendarSettings, ComponentSet};
use kalends::domain::change::{Cause, Guard};
use kalends::domain::feed::FeedSettings;
use kalends::domain::ids::{FeedId, ResourceName, Slug};
use kalends::domain::object::CalendarObject;
use kalends::feed;
use kalends::store::{Feed, NewFeed, User, Writing, secret_place};
use tower::ServiceExt;

use crate::support::stores::{Bench, caller, sqlite};

/// Where requests come from unless a test says otherwise.
pub const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// A store with one user, ada, and her feeds.
pub struct House {
    pub bench: Bench,
    pub gate: Gate,
    pub ada: User,
    router: Router,
}

/// A feed and its secret.
pub struct Link {
    pub id: FeedId,
    pub secret: String,
}

/// What a subscriber got.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a plain header"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.plain()).expect("UTF-8")
    }

    /// The body with its coding undone.
    pub fn plain(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        match self.header("content-encoding") {
            None => plain.extend_from_slice(&self.body),
            Some("gzip") => drop(flate2::read::GzDecoder::new(&*self.body).read_to_end(&mut plain).expect("gzip")),
            Some("br") => drop(brotli::Decompressor::new(&*self.body, 4_096).read_to_end(&mut plain).expect("brotli")),
            Some(other) => panic!("unknown coding {other}"),
        }
        plain
    }
}

impl House {
    pub async fn new() -> House {
        House::on(sqlite().await).await
    }

    pub async fn on(bench: Bench) -> House {
        let ada = bench.user("acme", "ada", Role::Staff).await;
        let gate = Gate::new(bench.store.clone(), bench.keys.clone());
        let router = feed::router(gate.clone());
        House { bench, gate, ada, router }
    }

    pub fn caller(&self) -> Caller {
        caller(&self.ada)
    }

    /// One of ada's calendars, made if there is none of that name.
    pub async fn calendar(&self, slug: &str) -> (Access, Calendar) {
        let (caller, slug_name) = (self.caller(), Slug::parse(slug).expect("a slug"));
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let found = match tx.calendar_for(&caller, &caller.name, &slug_name, Right::Own).await {
            Ok(found) => found,
            Err(_) => {
                let settings = CalendarSettings::named(slug, ComponentSet::ALL);
                tx.create_calendar(&caller, &slug_name, &settings).await.expect("a calendar")
            }
        };
        tx.commit().await.expect("a commit");
        found
    }

    /// Puts a whole object.
    pub async fn put(&self, slug: &str, name: &str, ics: &str) {
        self.put_with(slug, name, ics, &Facts::default()).await;
    }

    pub async fn put_with(&self, slug: &str, name: &str, ics: &str, facts: &Facts) {
        self.try_put(slug, name, Bytes::from(ics.to_owned()), facts).await.expect("the object is stored");
    }

    pub async fn try_put(&self, slug: &str, name: &str, ics: Bytes, facts: &Facts) -> Result<(), String> {
        let object = CalendarObject::parse(ics).map_err(|e| e.to_string())?;
        let (access, _) = self.calendar(slug).await;
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let name = ResourceName::parse(name).expect("a name");
        let writing = Writing { facts: Some(facts), ..Writing::default() };
        let put = tx.write_object(&access, &name, &object, &Guard::NONE, &Cause::system(), writing).await;
        tx.commit().await.expect("a commit");
        put.map(|_| ()).map_err(|e| e.to_string())
    }

    /// Adds a feed.
    pub async fn feed(&self, settings: &FeedSettings) -> Link {
        let new = NewFeed { label: "TAINT label".into(), settings: settings.clone(), expires_ms: None };
        self.add_feed(&self.ada, &new).await
    }

    pub async fn add_feed(&self, owner: &User, new: &NewFeed) -> Link {
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let (id, secret) = (tx.new_feed_id(), self.bench.store.chance().secret());
        let (hash, sealed) = self.seal(&id, &secret);
        assert!(tx.add_feed((&owner.firm, &owner.id), &id, new, &hash, &sealed).await.expect("a feed"));
        tx.commit().await.expect("a commit");
        Link { id, secret }
    }

    /// A secret as the store keeps it.
    pub fn seal(&self, id: &FeedId, secret: &str) -> ([u8; 32], Vec<u8>) {
        let sealed = self.bench.keys.seal(secret_place(id), secret.as_bytes(), self.bench.store.chance());
        (self.gate.hash(Purpose::Feed, secret), sealed)
    }

    /// The feed as its owner sees it.
    pub async fn state(&self, id: &FeedId) -> Feed {
        let mut tx = self.bench.store.read().await.expect("a transaction");
        tx.feed(&self.ada.firm, &self.ada.id, id).await.expect("it is read").expect("it is there")
    }

    pub async fn get(&self, link: &Link) -> Answer {
        self.get_with(link, &[]).await
    }

    pub async fn get_with(&self, link: &Link, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, &format!("/api/ics/{}.ics", link.secret), headers, HOME).await
    }

    /// The calendar that a feed of these settings shows.
    pub async fn shown(&self, settings: &FeedSettings) -> String {
        let answer = self.get(&self.feed(settings).await).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.text()
    }

    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], from: IpAddr) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let visit = Visit { correlation_id: "c".into(), address: from, base_url: "http://localhost".into() };
        let request = request.extension(visit).body(Body::empty()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("the router answers");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// An object of these components: each the lines between BEGIN and END of an event, or whole from its BEGIN on.
pub fn ics(components: &[&str]) -> String {
    let mut text = String::from("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n");
    for component in components {
        if component.starts_with("BEGIN") {
            text += &format!("{component}\n");
        } else {
            text += &format!("BEGIN:VEVENT\nDTSTAMP:20261101T120000Z\n{component}\nEND:VEVENT\n");
        }
    }
    format!("{text}END:VCALENDAR\n").replace('\n', "\r\n")
}

/// An event of an hour.
pub fn event(uid: &str, start: &str) -> String {
    ics(&[&format!("UID:{uid}\nDTSTART:{start}\nDURATION:PT1H\nSUMMARY:{uid}")])
}

/// The values of the properties of that name, in the order of lines.
pub fn values(calendar: &str, name: &str) -> Vec<String> {
    let document = kalends::ics::Document::parse(&Bytes::from(calendar.to_owned())).expect("it parses");
    let lines = document.all_properties();
    lines.iter().filter(|line| line.is(name)).map(|line| line.value().to_owned()).collect()
}
