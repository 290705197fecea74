//! A user with one calendar linked to one remote calendar, and an engine between them.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kalends::domain::access::{Access, Right, Role};
use kalends::domain::change::{Cause, Guard, Via};
use kalends::domain::ids::{ConnectionId, LinkId, ObjectId, ResourceName, Slug};
use kalends::domain::object::CalendarObject;
use kalends::domain::sync::{ConnectionStatus, Direction, LinkPolicy, LinkStatus, Provider, RemoteCalendarId, RunKind};
use kalends::domain::time::MINUTE_MS;
use kalends::store::{
    Conflict, ConflictFilter, Due, Link, LinkSettings, Mapping, NewConnection, NewLink, Run, RunFilter, User,
};
use kalends::sync::desk::Desk;
use kalends::sync::engine::{Engine, Secret, seal_secret};
use kalends::upstream::Failure;
use kalends::upstream::http::{Limits, Transport, TransportError};
use kalends::upstream::registry::Upstreams;

use crate::double::Double;
use crate::support::stores::{Bench, caller, sqlite};

/// Every 15 minutes.
pub const INTERVAL: i64 = 15 * MINUTE_MS;

/// No call goes out past the double.
struct Nowhere;

impl Transport for Nowhere {
    fn send(&self, _: http::Request<Bytes>, _: Limits) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async { Err(TransportError::Unsent("there is no network".to_owned())) })
    }
}

pub struct House {
    pub bench: Bench,
    pub ada: User,
    pub access: Access,
    pub there: Arc<Double>,
    pub engine: Engine,
    pub desk: Desk,
    pub connection: ConnectionId,
    pub link: LinkId,
}

/// An event with these lines beside UID and DTSTAMP.
pub fn event(uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20261101T000000Z\r\n{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        lines.replace('\n', "\r\n")
    )
}

/// A plain event of one hour.
pub fn plain(uid: &str, title: &str) -> String {
    event(uid, &format!("DTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nSUMMARY:{title}"))
}

/// A link both ways as links are by default.
pub async fn both() -> House {
    House::new(Direction::Both, LinkPolicy::default()).await
}

/// Nobody knows how the call ended.
pub fn lost() -> Failure {
    Failure::Unknown("the connection was cut".to_owned())
}

/// The provider is ill for the moment.
pub fn down() -> Failure {
    Failure::Transient("503".to_owned(), None)
}

impl House {
    pub async fn new(direction: Direction, policy: LinkPolicy) -> House {
        House::at(sqlite().await, direction, policy).await
    }

    pub async fn at(bench: Bench, direction: Direction, policy: LinkPolicy) -> House {
        let ada = bench.user("default", "ada", Role::Staff).await;
        let caller = caller(&ada);
        let there = Arc::new(Double::default());
        let registry = Arc::new(Upstreams::of_these(vec![there.clone()], Arc::new(Nowhere)));
        let engine = Engine::new(bench.store.clone(), bench.keys.clone(), registry, "node".to_owned(), None);
        let desk = Desk::default();
        tokio::spawn(engine.clone().serve(desk.open().expect("the first")));
        let mut tx = bench.store.write().await.expect("a transaction");
        let new = NewConnection {
            provider: Provider::Google,
            account: "ada@example.com".to_owned(),
            label: "Ada".to_owned(),
            scopes: String::new(),
            token_expires: None,
        };
        let connection = tx.connect((&ada.firm, &ada.id), &new).await.expect("the store").expect("a connection");
        let secret = Secret { access: "token".to_owned(), refresh: None };
        let sealed = seal_secret(&bench.keys, bench.store.chance(), &connection, &secret);
        tx.set_connection_secret(&ada.firm, &connection, 1, &sealed, None).await.expect("the store");
        let slug = Slug::parse("calendar").expect("a slug");
        let (access, _) = tx.calendar_for(&caller, &ada.name, &slug, Right::Own).await.expect("a calendar");
        let new = NewLink {
            connection: connection.clone(),
            calendar: access.calendar().clone(),
            remote: RemoteCalendarId("primary".to_owned()),
            remote_name: "Primary".to_owned(),
            zone: "UTC".to_owned(),
            settings: LinkSettings { direction, interval_ms: INTERVAL, policy },
        };
        let link = tx.add_link((&ada.firm, &ada.id), &new).await.expect("the store").expect("a link");
        tx.commit().await.expect("a commit");
        House { bench, ada, access, there, engine, desk, connection, link }
    }

    /// The account is connected again, as a consent does it.
    pub async fn reconnect(&self) {
        let (firm, bench) = (&self.ada.firm, &self.bench);
        let mut tx = bench.store.write().await.expect("a transaction");
        tx.set_connection_status(firm, &self.connection, ConnectionStatus::Active, None).await.expect("the store");
        let secret = Secret { access: "token".to_owned(), refresh: None };
        let sealed = seal_secret(&bench.keys, bench.store.chance(), &self.connection, &secret);
        let version =
            tx.connection(firm, &self.connection).await.expect("the store").expect("it is there").secret_version;
        tx.set_connection_secret(firm, &self.connection, version, &sealed, None).await.expect("the store");
        tx.reattach_link(firm, &self.link).await.expect("the store");
        tx.ask_for_run(firm, &self.link, RunKind::Full, tx.now()).await.expect("the store");
        tx.commit().await.expect("a commit");
    }

    /// Works on the link now, whatever is due.
    pub async fn work(&self) {
        let due = Due { firm: self.ada.firm.clone(), link: self.link.clone() };
        assert!(self.engine.work(&due).await.expect("the store"), "the link is worked on");
    }

    /// A run of the schedule: everything that is due is due.
    pub async fn run(&self) {
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let now = tx.now();
        tx.ask_for_run(&self.ada.firm, &self.link, RunKind::Pull, now).await.expect("the store");
        tx.commit().await.expect("a commit");
        self.work().await;
    }

    /// Lets time pass and runs.
    pub async fn later(&self, ms: i64) {
        self.bench.clock.advance_ms(ms);
        self.run().await;
    }

    pub async fn put(&self, text: &str) -> ObjectId {
        let object = CalendarObject::parse(Bytes::from(text.to_owned())).expect("a legal object");
        let name = ResourceName::for_uid(object.uid());
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let cause = Cause::by(Via::Caldav, "ada", None, None);
        let done = tx.put_object(&self.access, &name, &object, &Guard::NONE, &cause).await.expect("a put");
        tx.commit().await.expect("a commit");
        done.id
    }

    pub async fn delete(&self, uid: &str) {
        let name = ResourceName::for_uid(uid);
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let cause = Cause::by(Via::Caldav, "ada", None, None);
        tx.delete_object(&self.access, &name, &Guard::NONE, &cause).await.expect("a deletion");
        tx.commit().await.expect("a commit");
    }

    /// The object of this UID here.
    pub async fn here(&self, uid: &str) -> Option<String> {
        let mut tx = self.bench.store.read().await.expect("a transaction");
        let found = tx.object_by_uid(&self.access, uid).await.expect("the store");
        found.map(|o| String::from_utf8(o.bytes.to_vec()).expect("UTF-8"))
    }

    /// How many objects there are here.
    pub async fn count_here(&self) -> i64 {
        let mut tx = self.bench.store.read().await.expect("a transaction");
        tx.calendar_size(&self.access).await.expect("the store").0
    }

    /// The one event over there with this UID.
    pub fn there(&self, uid: &str) -> Option<String> {
        let all = self.all_there(uid);
        assert!(all.len() < 2, "{uid} is there {} times", all.len());
        all.into_iter().next().map(|(_, ics)| ics)
    }

    /// The id of the one event over there with this UID.
    pub fn id_there(&self, uid: &str) -> String {
        self.all_there(uid).remove(0).0
    }

    fn all_there(&self, uid: &str) -> Vec<(String, String)> {
        let line = format!("\r\nUID:{uid}\r\n");
        self.there.live().into_iter().filter(|(_, ics)| ics.contains(&line)).collect()
    }

    pub async fn link(&self) -> Link {
        let mut tx = self.bench.store.read().await.expect("a transaction");
        tx.link_by_id(&self.ada.firm, &self.link).await.expect("the store").expect("a link")
    }

    pub async fn status(&self) -> LinkStatus {
        self.link().await.status
    }

    pub async fn mapping(&self, object: &ObjectId) -> Option<Mapping> {
        let mut tx = self.bench.store.read().await.expect("a transaction");
        tx.mapping_of_object(&self.ada.firm, &self.link, object).await.expect("the store")
    }

    /// How the latest run ended.
    pub async fn last_run(&self) -> Run {
        self.runs().await.remove(0)
    }

    pub async fn runs(&self) -> Vec<Run> {
        let mut tx = self.bench.store.read().await.expect("a transaction");
        tx.runs((&self.ada.firm, &self.ada.id), &RunFilter::default(), (100, 0)).await.expect("the store").0
    }

    pub async fn open_conflicts(&self) -> Vec<Conflict> {
        let filter = ConflictFilter { open: Some(true), link: None };
        let mut tx = self.bench.store.read().await.expect("a transaction");
        tx.conflicts((&self.ada.firm, &self.ada.id), &filter, (100, 0)).await.expect("the store").0
    }
}

/// The text with one title for another.
pub fn retitled(ics: &str, from: &str, to: &str) -> String {
    let (from, to) = (format!("SUMMARY:{from}"), format!("SUMMARY:{to}"));
    assert!(ics.contains(&from), "{from} is not in {ics}");
    ics.replace(&from, &to)
}
