//! One calendar here between a simulated Google and a simulated Outlook, with the real engine and the real connectors: what
//! happens on any of the three is seen on the other two, once, and then there is quiet.

#[expect(dead_code, reason = "the stores' suite uses the rest")]
#[path = "support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use kalends::domain::access::{Access, Right, Role};
use kalends::domain::calendar::Seq;
use kalends::domain::change::{Cause, Guard, Via};
use kalends::domain::ids::{LinkId, ResourceName, Slug};
use kalends::domain::object::CalendarObject;
use kalends::domain::sync::{
    DeletePolicy, Direction, LinkPolicy, LinkStatus, MappingState, PrivatePolicy, Provider, RemoteCalendarId, RunKind,
    UnsupportedRecurrence,
};
use kalends::domain::time::{Clock, MINUTE_MS};
use kalends::store::{Due, LinkSettings, Mapping, NewConnection, NewLink, User};
use kalends::sync::engine::{Engine, Secret, seal_secret};
use kalends::upstream::google::Google;
use kalends::upstream::http::{Limits, Transport, TransportError};
use kalends::upstream::microsoft::Microsoft;
use kalends::upstream::registry::Upstreams;
use kalends_simulators::{google as sim_google, microsoft as sim_microsoft};
use serde_json::{Value, json};
use support::stores::{Bench, caller, sqlite};

const ADA: &str = "ada@example.com";
const ZONE: &str = "Europe/Berlin";

/// Both providers as one way out.
struct Wire {
    google: Mutex<sim_google::Google>,
    microsoft: Mutex<sim_microsoft::Microsoft>,
    clock: Arc<dyn Clock>,
    /// Whether guests may go to Outlook.
    invites: bool,
}

impl Transport for Wire {
    fn send(&self, mut request: Request<Bytes>, _: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        async move {
            let now = self.clock.now().ms();
            let host = request.uri().host().and_then(|host| host.parse().ok()).expect("a host");
            request.headers_mut().insert(http::header::HOST, host);
            let lost = || Err(TransportError::Lost("simulated".into()));
            if request.uri().host() == Some("google.test") {
                match google(self).handle(now, &request) {
                    sim_google::Outcome::Answer(response) => Ok(response),
                    _ => lost(),
                }
            } else {
                let body = String::from_utf8_lossy(request.body());
                assert!(self.invites || !body.contains("\"attendees\""), "guests would be invited: {body}");
                match microsoft(self).handle(now, &request) {
                    sim_microsoft::Outcome::Answer(response) => Ok(response),
                    _ => lost(),
                }
            }
        }
        .boxed()
    }
}

fn google(wire: &Wire) -> MutexGuard<'_, sim_google::Google> {
    wire.google.lock().unwrap_or_else(PoisonError::into_inner)
}

fn microsoft(wire: &Wire) -> MutexGuard<'_, sim_microsoft::Microsoft> {
    wire.microsoft.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Hub {
    bench: Bench,
    ada: User,
    access: Access,
    wire: Arc<Wire>,
    engine: Engine,
    links: Vec<LinkId>,
    outlook: String,
}

impl Hub {
    async fn new() -> Hub {
        Hub::with(LinkPolicy { delete: Some(DeletePolicy::Delete), ..LinkPolicy::default() }).await
    }

    /// A hub whose links both have this policy.
    async fn with(policy: LinkPolicy) -> Hub {
        let bench = sqlite().await;
        let ada = bench.user("default", "ada", Role::Staff).await;
        let now = bench.clock.now().ms();
        let mut at_google = sim_google::Google::new(1);
        at_google.add_account(ADA, ZONE);
        at_google.add_client("client", "secret", &[]);
        let mut at_microsoft = sim_microsoft::Microsoft::new(2);
        at_microsoft.add_account(ADA, ZONE);
        at_microsoft.add_client("client", Some("secret"), &[]);
        let outlook = at_microsoft.default_calendar(ADA).expect("a calendar");
        let scopes = ["calendar.events", "calendar.calendarlist.readonly"];
        let google_token = at_google.grant(now, ADA, "client", &scopes).access_token;
        let scopes = ["offline_access", "User.Read", "MailboxSettings.Read", "Calendars.ReadWrite"];
        let microsoft_token = at_microsoft.grant(now, ADA, "client", &scopes).access_token;
        let clock: Arc<dyn Clock> = bench.clock.clone();
        let wire = Arc::new(Wire {
            google: Mutex::new(at_google),
            microsoft: Mutex::new(at_microsoft),
            clock: Arc::clone(&clock),
            invites: policy.invite_attendees,
        });
        let connectors: Vec<Arc<dyn kalends::upstream::Upstream>> = vec![
            Arc::new(Google::new(wire.clone(), Arc::clone(&clock), "http://google.test/calendar/v3".into())),
            Arc::new(Microsoft::new(wire.clone(), clock, "http://graph.test/v1.0".into())),
        ];
        let registry = Arc::new(Upstreams::of_these(connectors, wire.clone()));
        let engine = Engine::new(bench.store.clone(), bench.keys.clone(), registry, "node".to_owned(), None);
        let slug = Slug::parse("calendar").expect("a slug");
        let mut tx = bench.store.write().await.expect("a transaction");
        let (access, _) = tx.calendar_for(&caller(&ada), &ada.name, &slug, Right::Own).await.expect("a calendar");
        let mut links = Vec::new();
        for (provider, token, remote) in
            [(Provider::Google, google_token, ADA.to_owned()), (Provider::Microsoft, microsoft_token, outlook.clone())]
        {
            let new = NewConnection {
                provider,
                account: ADA.to_owned(),
                label: provider.as_str().to_owned(),
                scopes: String::new(),
                token_expires: None,
            };
            let connection = tx.connect((&ada.firm, &ada.id), &new).await.expect("the store").expect("a connection");
            let sealed =
                seal_secret(&bench.keys, bench.store.chance(), &connection, &Secret { access: token, refresh: None });
            tx.set_connection_secret(&ada.firm, &connection, 1, &sealed, None).await.expect("the store");
            let policy = policy.clone();
            let new = NewLink {
                connection,
                calendar: access.calendar().clone(),
                remote: RemoteCalendarId(remote),
                remote_name: provider.as_str().to_owned(),
                zone: ZONE.to_owned(),
                settings: LinkSettings { direction: Direction::Both, interval_ms: 15 * MINUTE_MS, policy },
            };
            links.push(tx.add_link((&ada.firm, &ada.id), &new).await.expect("the store").expect("a link"));
        }
        tx.commit().await.expect("a commit");
        Hub { bench, ada, access, wire, engine, links, outlook }
    }

    /// Runs both links until nothing is on its way any more.
    async fn settle(&self) {
        for _ in 0..3 {
            for link in &self.links {
                self.bench.clock.advance_ms(2_000);
                let mut tx = self.bench.store.write().await.expect("a transaction");
                let now = tx.now();
                tx.ask_for_run(&self.ada.firm, link, RunKind::Pull, now).await.expect("the store");
                tx.commit().await.expect("a commit");
                let due = Due { firm: self.ada.firm.clone(), link: link.clone() };
                assert!(self.engine.work(&due).await.expect("the store"), "the link is worked on");
                let mut tx = self.bench.store.read().await.expect("a transaction");
                let link = tx.link_by_id(&self.ada.firm, link).await.expect("the store").expect("a link");
                assert_eq!((link.status, link.failures), (LinkStatus::Active, 0), "{:?}", link.status_note);
            }
        }
    }

    async fn put(&self, lines: &str, uid: &str) {
        let text = format!(
            "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//T//EN\nBEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20261101T000000Z\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n"
        );
        let object = CalendarObject::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("a lawful object");
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let cause = Cause::by(Via::Caldav, "ada", None, None);
        let name = ResourceName::for_uid(uid);
        tx.put_object(&self.access, &name, &object, &Guard::NONE, &cause).await.expect("a put");
        tx.commit().await.expect("a commit");
    }

    async fn delete(&self, uid: &str) {
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let cause = Cause::by(Via::Caldav, "ada", None, None);
        tx.delete_object(&self.access, &ResourceName::for_uid(uid), &Guard::NONE, &cause).await.expect("a deletion");
        tx.commit().await.expect("a commit");
    }

    /// Somebody gives the appointment of that title another one here.
    async fn retitle(&self, from: &str, to: &str) {
        let mut tx = self.bench.store.write().await.expect("a transaction");
        let all = tx.bodies(&self.access, Seq(0), Seq(i64::MAX), 100).await.expect("the store");
        let line = format!("SUMMARY:{from}\r\n");
        let found = all.iter().find(|o| String::from_utf8_lossy(&o.bytes).contains(&line)).expect("it is here");
        let text = String::from_utf8_lossy(&found.bytes).replace(&line, &format!("SUMMARY:{to}\r\n"));
        let object = CalendarObject::parse(Bytes::from(text)).expect("a lawful object");
        let cause = Cause::by(Via::Caldav, "ada", None, None);
        tx.put_object(&self.access, &found.head.name, &object, &Guard::NONE, &cause).await.expect("a put");
        tx.commit().await.expect("a commit");
    }

    /// How the object of that UID stands under a link.
    async fn mapping(&self, uid: &str, link: usize) -> Mapping {
        let mut tx = self.bench.store.read().await.expect("a transaction");
        let found = tx.object_by_uid(&self.access, uid).await.expect("the store").expect("here");
        let found = tx.mapping_of_object(&self.ada.firm, &self.links[link], &found.head.id).await.expect("the store");
        found.expect("a mapping")
    }

    async fn count_here(&self) -> i64 {
        let mut tx = self.bench.store.read().await.expect("a transaction");
        tx.calendar_size(&self.access).await.expect("the store").0
    }

    fn now(&self) -> i64 {
        self.bench.clock.now().ms()
    }

    /// Titles of what is at Google and in Outlook.
    fn titles(&self) -> (Vec<String>, Vec<String>) {
        let sorted = |all: Vec<Value>, name: &str| {
            let all = all.iter().filter(|event| event["status"] != "cancelled" && event["isCancelled"] != true);
            let mut titles: Vec<String> =
                all.map(|event| event[name].as_str().unwrap_or_default().to_owned()).collect();
            titles.sort();
            titles
        };
        (
            sorted(google(&self.wire).events(ADA), "summary"),
            sorted(microsoft(&self.wire).events(&self.outlook), "subject"),
        )
    }

    /// Starts and titles of all occurrences at Google and in Outlook, which must be the same.
    fn occurrences(&self) -> Vec<(String, String)> {
        let (from, to) = (self.now() - 40 * 86_400_000, self.now() + 200 * 86_400_000);
        let of_google = google(&self.wire).occurrences(ADA, from, to);
        let of_outlook = microsoft(&self.wire).occurrences(&self.outlook, from, to);
        let mut there: Vec<(String, String)> = of_google
            .iter()
            .map(|event| {
                let at = event["start"]["dateTime"].as_str().map_or_else(
                    || event["start"]["date"].as_str().unwrap_or_default().to_owned(),
                    |at| at.parse::<jiff::Timestamp>().expect("a time").to_string(),
                );
                (at, event["summary"].as_str().unwrap_or_default().to_owned())
            })
            .collect();
        let mut outlook: Vec<(String, String)> = of_outlook
            .iter()
            .map(|event| {
                let at = event["start"]["dateTime"].as_str().unwrap_or_default();
                let at = if event["isAllDay"] == true {
                    at.get(..10).unwrap_or_default().to_owned()
                } else {
                    let at: jiff::civil::DateTime = at.parse().expect("a time");
                    jiff::tz::Offset::UTC.to_timestamp(at).expect("a moment").to_string()
                };
                (at, event["subject"].as_str().unwrap_or_default().to_owned())
            })
            .collect();
        there.sort();
        outlook.sort();
        assert_eq!(there, outlook, "Google on the left, Outlook on the right");
        there
    }

    fn writes(&self) -> usize {
        let write = |method: &http::Method| matches!(method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE");
        let outlook = microsoft(&self.wire);
        let there = outlook
            .seen()
            .iter()
            .filter(|seen| write(seen.request.method()) && seen.call != sim_microsoft::Call::Batch);
        google(&self.wire).seen().iter().filter(|seen| write(seen.request.method())).count() + there.count()
    }

    /// Nothing is doubled, lost or sent again, and nobody was mailed.
    async fn is_quiet(&self, titles: &[&str]) {
        let (at_google, at_outlook) = self.titles();
        assert_eq!((&at_google, &at_outlook), (&at_google, &at_google));
        assert_eq!(at_google, titles);
        assert_eq!(self.count_here().await, i64::try_from(titles.len()).expect("few"));
        let writes = self.writes();
        self.settle().await;
        assert_eq!(self.writes(), writes, "what is settled is not sent again");
        assert_eq!((google(&self.wire).mails().len(), microsoft(&self.wire).mails().len()), (0, 0));
    }
}

#[tokio::test]
async fn what_begins_anywhere_is_everywhere_once() {
    let hub = Hub::new().await;
    let now = hub.now();
    let moment = |hour: u8| json!({ "dateTime": format!("2026-12-01T{hour:02}:00:00+01:00"), "timeZone": ZONE });
    let at_google = google(&hub.wire)
        .human(now, ADA)
        .create(&json!({ "summary": "From Google", "start": moment(9), "end": moment(10) }))
        .expect("made");
    let local = |hour: u8| json!({ "dateTime": format!("2026-12-02T{hour:02}:00:00"), "timeZone": ZONE });
    let at_outlook = microsoft(&hub.wire)
        .human(now, &hub.outlook)
        .create(&json!({ "subject": "From Outlook", "start": local(9), "end": local(10), "categories": ["Red"] }))
        .expect("made");
    hub.put("SUMMARY:From here\nDTSTART;VALUE=DATE:20261203\nDTEND;VALUE=DATE:20261204\nATTENDEE;CN=Bob:mailto:bob@example.org", "h").await;
    hub.settle().await;
    hub.is_quiet(&["From Google", "From Outlook", "From here"]).await;
    assert_eq!(hub.occurrences().len(), 3);

    hub.bench.clock.advance_ms(60_000);
    let now = hub.now();
    microsoft(&hub.wire)
        .human(now, &hub.outlook)
        .edit(&at_outlook, &json!({ "subject": "From Outlook 2" }))
        .expect("may");
    google(&hub.wire).human(now, ADA).edit(&at_google, &json!({ "summary": "From Google 2" })).expect("may");
    hub.put("SUMMARY:From here 2\nDTSTART;VALUE=DATE:20261204\nDTEND;VALUE=DATE:20261206", "h").await;
    hub.settle().await;
    hub.is_quiet(&["From Google 2", "From Outlook 2", "From here 2"]).await;
    hub.occurrences();

    hub.bench.clock.advance_ms(60_000);
    let now = hub.now();
    microsoft(&hub.wire).human(now, &hub.outlook).delete(&at_outlook).expect("may");
    hub.settle().await;
    hub.is_quiet(&["From Google 2", "From here 2"]).await;
    google(&hub.wire).human(now, ADA).delete(&at_google).expect("may");
    hub.settle().await;
    hub.is_quiet(&["From here 2"]).await;
}

#[tokio::test]
async fn a_series_has_the_same_instances_on_all_sides() {
    let hub = Hub::new().await;
    hub.put(
        "SUMMARY:Daily\nDTSTART;TZID=Europe/Vienna:20261201T090000\nDTEND;TZID=Europe/Vienna:20261201T100000\n\
         RRULE:FREQ=WEEKLY;COUNT=10\nEXDATE;TZID=Europe/Vienna:20261208T090000",
        "s",
    )
    .await;
    hub.settle().await;
    hub.is_quiet(&["Daily"]).await;
    assert_eq!(hub.occurrences().len(), 9);
    hub.bench.clock.advance_ms(60_000);
    let now = hub.now();
    {
        let mut outlook = microsoft(&hub.wire);
        let series = outlook.events(&hub.outlook)[0]["id"].as_str().expect("an id").to_owned();
        let mut person = outlook.human(now, &hub.outlook);
        let third = person.occurrences(&series, 5).get(2).cloned().expect("a third");
        person.edit(&third, &json!({ "subject": "Moved" })).expect("may");
        let fourth = person.occurrences(&series, 5).get(3).cloned().expect("a fourth");
        person.delete(&fourth).expect("may");
    }
    hub.settle().await;
    let found = hub.occurrences();
    assert_eq!(found.len(), 8, "{found:?}");
    assert_eq!(found.iter().filter(|(_, title)| title == "Moved").count(), 1, "{found:?}");
    let writes = hub.writes();
    hub.settle().await;
    assert_eq!(hub.writes(), writes, "what is settled is not sent again");
}

#[tokio::test]
async fn what_outlook_cannot_repeat_stays_here_and_goes_to_google() {
    let hub = Hub::new().await;
    hub.put(
        "SUMMARY:Pay day\nDTSTART;TZID=Europe/Berlin:20261201T090000\nDTEND;TZID=Europe/Berlin:20261201T100000\n\
         RRULE:FREQ=MONTHLY;BYMONTHDAY=1,15",
        "p",
    )
    .await;
    hub.settle().await;
    let (at_google, at_outlook) = hub.titles();
    assert_eq!((at_google.as_slice(), at_outlook.as_slice()), (&["Pay day".to_owned()][..], &[][..]));
    assert_eq!(hub.count_here().await, 1);
    // Why is told with the appointment, and once.
    let mut tx = hub.bench.store.read().await.expect("a transaction");
    let found = tx.object_by_uid(&hub.access, "p").await.expect("the store").expect("here");
    let mapping = tx
        .mapping_of_object(&hub.ada.firm, &hub.links[1], &found.head.id)
        .await
        .expect("the store")
        .expect("a mapping");
    assert!(matches!(mapping.state, MappingState::Parked(_)), "{:?}", mapping.state);
    assert_eq!(mapping.warnings, ["Outlook has no pattern for the rule it repeats by"]);
}

const MEETING: &str = "DTSTART;TZID=Europe/Berlin:20261201T090000\nDTEND;TZID=Europe/Berlin:20261201T100000\n\
     ORGANIZER:mailto:ada@example.com\nATTENDEE:mailto:guest@example.org";

fn inviting(private: PrivatePolicy) -> LinkPolicy {
    LinkPolicy { invite_attendees: true, private, ..LinkPolicy::default() }
}

/// An organiser's own edit reaches guests who were invited, also where it is no new revision.
#[tokio::test]
async fn an_organisers_own_edit_reaches_invited_guests() {
    let hub = Hub::with(inviting(PrivatePolicy::Exclude)).await;
    hub.put(&format!("SUMMARY:Meeting\n{MEETING}"), "m").await;
    hub.settle().await;
    assert_eq!((google(&hub.wire).mails().len(), microsoft(&hub.wire).mails().len()), (1, 1));
    hub.put(&format!("SUMMARY:Meeting in the hall\nLOCATION:Hall\n{MEETING}"), "m").await;
    hub.settle().await;
    let title = vec!["Meeting in the hall".to_owned()];
    assert_eq!(hub.titles(), (title.clone(), title));
    assert_eq!(google(&hub.wire).mails().len(), 1, "the same revision is no mail where nobody has to be told");
    assert_eq!(microsoft(&hub.wire).mails().len(), 2);
    hub.settle().await;
    assert_eq!((google(&hub.wire).mails().len(), microsoft(&hub.wire).mails().len()), (1, 2), "and once");
}

/// A meeting that its organiser makes private, or deletes, is not readable anywhere any more.
#[tokio::test]
async fn a_meeting_made_private_is_hidden_from_everybody() {
    for private in [PrivatePolicy::Exclude, PrivatePolicy::Mask] {
        let hub = Hub::with(inviting(private)).await;
        hub.put(&format!("SUMMARY:Meeting\nLOCATION:Hall\n{MEETING}"), "m").await;
        hub.settle().await;
        hub.put(&format!("SUMMARY:Meeting\nLOCATION:Hall\nCLASS:PRIVATE\n{MEETING}"), "m").await;
        hub.settle().await;
        let masked = if private == PrivatePolicy::Mask { vec!["Busy".to_owned()] } else { Vec::new() };
        assert_eq!(hub.titles(), (masked.clone(), masked), "{private:?}");
        let there = format!("{:?}", microsoft(&hub.wire).events(&hub.outlook));
        assert!(!there.contains("Hall") && !there.contains("guest@"), "{private:?}: {there}");
    }
    let hub = Hub::with(inviting(PrivatePolicy::Exclude)).await;
    hub.put(&format!("SUMMARY:Meeting\n{MEETING}"), "m").await;
    hub.settle().await;
    hub.delete("m").await;
    hub.settle().await;
    assert_eq!(hub.titles(), (Vec::new(), Vec::new()));
}

/// What nobody here did as the organiser mails nobody, and whoever looks is told that it was not done.
#[tokio::test]
async fn what_is_nobodys_own_edit_mails_nobody_and_is_told() {
    let hub = Hub::with(inviting(PrivatePolicy::Exclude)).await;
    hub.put(&format!("SUMMARY:Meeting\n{MEETING}"), "m").await;
    hub.settle().await;
    let mails = microsoft(&hub.wire).mails().len();
    let id = google(&hub.wire).events(ADA)[0]["id"].as_str().expect("an id").to_owned();
    hub.bench.clock.advance_ms(60_000);
    let now = hub.now();
    google(&hub.wire).human(now, ADA).edit(&id, &json!({ "location": "Elsewhere" })).expect("may");
    hub.settle().await;
    assert_eq!(microsoft(&hub.wire).mails().len(), mails);
    let warnings = hub.mapping("m", 1).await.warnings;
    assert!(warnings.iter().any(|w| w.contains("nobody here asked")), "{warnings:?}");
}

/// A private event of theirs that is changed here is changed there, and goes nowhere else.
#[tokio::test]
async fn what_is_private_there_is_changed_there_and_goes_nowhere_else() {
    let hub = Hub::new().await;
    let now = hub.now();
    let local = |day: u8| {
        let moment = |hour: u8| json!({ "dateTime": format!("2026-12-{day:02}T{hour:02}:00:00"), "timeZone": ZONE });
        (moment(9), moment(10))
    };
    let ((start, end), (start2, end2)) = (local(1), local(2));
    google(&hub.wire)
        .human(now, ADA)
        .create(&json!({ "summary": "Dentist", "start": start, "end": end, "visibility": "private" }))
        .expect("made");
    microsoft(&hub.wire)
        .human(now, &hub.outlook)
        .create(&json!({ "subject": "Doctor", "start": start2, "end": end2, "sensitivity": "private" }))
        .expect("made");
    hub.settle().await;
    for (from, to) in [("Dentist", "Dentist moved"), ("Doctor", "Doctor moved")] {
        hub.retitle(from, to).await;
    }
    hub.settle().await;
    assert_eq!(hub.titles(), (vec!["Dentist moved".to_owned()], vec!["Doctor moved".to_owned()]));
}

/// The same title at the same time, on three sides that know nothing of each other, is one appointment.
#[tokio::test]
async fn twins_that_nobody_linked_are_one() {
    let hub = Hub::new().await;
    let now = hub.now();
    let (start, end) = (
        json!({ "dateTime": "2026-12-01T09:00:00", "timeZone": ZONE }),
        json!({ "dateTime": "2026-12-01T10:00:00", "timeZone": ZONE }),
    );
    google(&hub.wire).human(now, ADA).create(&json!({ "summary": "Twin", "start": start, "end": end })).expect("made");
    microsoft(&hub.wire)
        .human(now, &hub.outlook)
        .create(&json!({ "subject": "Twin", "start": start, "end": end }))
        .expect("made");
    hub.put(
        "SUMMARY:Twin\nDTSTART;TZID=Europe/Berlin:20261201T090000\nDTEND;TZID=Europe/Berlin:20261201T100000",
        "own",
    )
    .await;
    hub.settle().await;
    let twin = vec!["Twin".to_owned()];
    assert_eq!(hub.titles(), (twin.clone(), twin));
    assert_eq!(hub.count_here().await, 1);
    let writes = hub.writes();
    hub.settle().await;
    assert_eq!(hub.writes(), writes, "what is settled is not sent again");
}

fn expanding() -> LinkPolicy {
    LinkPolicy {
        unsupported_recurrence: UnsupportedRecurrence::Expand,
        delete: Some(DeletePolicy::Delete),
        ..LinkPolicy::default()
    }
}

/// What Outlook has no pattern for is a series at Google and single events in Outlook, and a change of one of them goes
/// everywhere, once.
#[tokio::test]
async fn what_outlook_cannot_repeat_goes_there_as_single_events() {
    let hub = Hub::with(expanding()).await;
    hub.put(
        "SUMMARY:Pay day\nDTSTART;TZID=Europe/Berlin:20261201T090000\nDTEND;TZID=Europe/Berlin:20261201T100000\n\
         RRULE:FREQ=MONTHLY;BYMONTHDAY=1,15;COUNT=6",
        "p",
    )
    .await;
    hub.settle().await;
    let at_google = google(&hub.wire).events(ADA).len();
    assert_eq!((at_google, hub.titles().1.len()), (1, 6));
    assert_eq!(hub.occurrences().len(), 6);
    hub.bench.clock.advance_ms(60_000);
    let now = hub.now();
    {
        let mut outlook = microsoft(&hub.wire);
        let mut all = outlook.events(&hub.outlook);
        all.sort_by_key(|event| event["start"]["dateTime"].as_str().unwrap_or_default().to_owned());
        let id = |at: usize| all[at]["id"].as_str().expect("an id").to_owned();
        let mut person = outlook.human(now, &hub.outlook);
        person.edit(&id(2), &json!({ "subject": "Late pay" })).expect("may");
        person.delete(&id(3)).expect("may");
    }
    hub.settle().await;
    let found = hub.occurrences();
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(found.iter().filter(|(_, title)| title == "Late pay").count(), 1, "{found:?}");
    for count in [6, 4] {
        let lines = "SUMMARY:Pay\nDTSTART;TZID=Europe/Berlin:20261201T090000\nDTEND;TZID=Europe/Berlin:20261201T100000";
        hub.put(&format!("{lines}\nRRULE:FREQ=MONTHLY;BYMONTHDAY=1,15;COUNT={count}"), "p").await;
        hub.settle().await;
        let titles: Vec<String> = hub.occurrences().into_iter().map(|(_, title)| title).collect();
        assert_eq!(titles, vec!["Pay"; count]);
    }
    let writes = hub.writes();
    hub.settle().await;
    assert_eq!(hub.writes(), writes, "what is settled is not sent again");
    assert_eq!(hub.count_here().await, 1);
}

/// A change of an instance and all that follow is carried by no provider: kept here and told, or carried as instances.
#[tokio::test]
async fn what_changes_all_that_follow_is_told_or_goes_as_single_events() {
    let range = "SUMMARY:Team\nDTSTART;TZID=Europe/Berlin:20261201T090000\nDTEND;TZID=Europe/Berlin:20261201T100000\n\
         RRULE:FREQ=WEEKLY;COUNT=5\nEND:VEVENT\nBEGIN:VEVENT\nUID:r\nDTSTAMP:20261101T000000Z\nSUMMARY:New team\n\
         RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20261215T090000\n\
         DTSTART;TZID=Europe/Berlin:20261215T110000\nDTEND;TZID=Europe/Berlin:20261215T120000";
    let hub = Hub::new().await;
    hub.put(range, "r").await;
    hub.settle().await;
    assert_eq!(hub.titles(), (Vec::new(), Vec::new()));
    for link in [0, 1] {
        let told = hub.mapping("r", link).await.warnings;
        assert_eq!(told, ["a change to an instance and all that follow cannot be carried"]);
    }
    let hub = Hub::with(expanding()).await;
    hub.put(range, "r").await;
    hub.settle().await;
    let titles: Vec<String> = hub.occurrences().into_iter().map(|(_, title)| title).collect();
    assert_eq!(titles, ["Team", "Team", "New team", "New team", "New team"]);
    let writes = hub.writes();
    hub.settle().await;
    assert_eq!(hub.writes(), writes, "what is settled is not sent again");
}
