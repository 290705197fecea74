//! The connector of Google against the simulated Google: consent to revocation, and an item's whole life.
//!
//! KALENDS_GOOGLE_REQUESTS=FILE: the requests that were sent are written there as JSON lines, for the judge of
//! `conformance/google_client.py`.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use kalends::domain::object::CalendarObject;
use kalends::domain::sync::{RemoteCalendarId, RemoteId, Snapshot};
use kalends::domain::time::{Clock, Instant, ManualClock};
use kalends::upstream::google::{Google, Setup};
use kalends::upstream::http::{Limits, Transport, TransportError};
use kalends::upstream::oauth::{VERIFIER_BYTES, Verifier, Wanted};
use kalends::upstream::{At, Entry, Failure, Folded, Lens, Next, Upstream, Written};
use kalends_simulators::google as simulated;
use kalends_simulators::google::{Call, Fault, Outcome, Role, Rule};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

const NOW_MS: i64 = 1_800_000_000_000;
const ADA: &str = "ada@example.com";
const WORK: &str = "work@group.calendar.google.com";
const LENS: Lens<'static> = Lens { zone: "America/New_York", mark: "mark", attendees_live: false };

/// The way out, which leads to the simulated provider.
struct ToSimulator {
    google: Arc<Mutex<simulated::Google>>,
    clock: Arc<ManualClock>,
}

impl Transport for ToSimulator {
    fn send(&self, request: Request<Bytes>, _: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let now_ms = self.clock.now().ms();
        let outcome = self.google.lock().unwrap_or_else(PoisonError::into_inner).handle(now_ms, &request);
        let answer = match outcome {
            Outcome::Answer(response) => Ok(response),
            Outcome::Lost | Outcome::Late { .. } | Outcome::Truncated { .. } => Err(TransportError::Lost("cut".into())),
        };
        async { answer }.boxed()
    }
}

struct Ground {
    google: Arc<Mutex<simulated::Google>>,
    transport: Arc<dyn Transport>,
    connector: Google,
    secret: SecretString,
    calendar: RemoteCalendarId,
}

impl Ground {
    fn new() -> Ground {
        let mut google = simulated::Google::new(1);
        google.add_account(ADA, "Europe/Berlin");
        google.add_calendar(ADA, WORK, "Work", Role::Owner, "America/New_York");
        google.add_client("client", "secret", &["https://kalends.example.com/back"]);
        let scopes = ["calendar.events", "calendar.calendarlist.readonly"];
        let secret = google.grant(NOW_MS, ADA, "client", &scopes).access_token.into();
        let google = Arc::new(Mutex::new(google));
        let clock = Arc::new(ManualClock::at(Instant::from_ms(NOW_MS)));
        let transport: Arc<dyn Transport> = Arc::new(ToSimulator { google: google.clone(), clock: clock.clone() });
        let connector = Google::new(transport.clone(), clock, "http://simulated/calendar/v3".into());
        Ground { google, transport, connector, secret, calendar: RemoteCalendarId(WORK.into()) }
    }

    fn at(&self) -> At<'_> {
        At { secret: &self.secret, account: ADA, calendar: &self.calendar }
    }

    fn sim(&self) -> std::sync::MutexGuard<'_, simulated::Google> {
        self.google.lock().expect("nobody panicked")
    }

    /// Everything since the cursor, and the next one.
    async fn changes(&self, cursor: Option<&str>) -> Result<(Vec<Entry>, String), Failure> {
        let (mut entries, mut page): (Vec<Entry>, Option<String>) = (Vec::new(), None);
        loop {
            let batch = self.connector.changes(self.at(), cursor, page.as_deref()).await?;
            assert!(batch.unreadable.is_empty(), "{:?}", batch.unreadable);
            entries.extend(batch.entries);
            match batch.next {
                Next::Page(next) => page = Some(next),
                Next::Complete(cursor) => return Ok((entries, cursor)),
                Next::Partial => panic!("the listing proves nothing"),
            }
        }
    }

    /// What is known of one item after these entries.
    fn folded(&self, held: Option<&Snapshot>, id: &RemoteId, entries: &[Entry]) -> Folded {
        let own: Vec<Entry> = entries.iter().filter(|entry| entry.item == *id).cloned().collect();
        self.connector.fold(held, &own)
    }
}

fn object(lines: &str) -> CalendarObject {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//T//T//EN\n{lines}\nEND:VCALENDAR\n");
    CalendarObject::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("a lawful object")
}

const SERIES: &str = "BEGIN:VEVENT\nUID:series@example.com\nDTSTAMP:20260101T000000Z\nSUMMARY:Group\n\
    DTSTART;TZID=America/New_York:20270303T090000\nDTEND;TZID=America/New_York:20270303T100000\n\
    RRULE:FREQ=WEEKLY;COUNT=6\nEXDATE;TZID=America/New_York:20270310T090000\nEND:VEVENT\n\
    BEGIN:VEVENT\nUID:series@example.com\nDTSTAMP:20260101T000000Z\nSUMMARY:Group elsewhere\n\
    RECURRENCE-ID;TZID=America/New_York:20270317T090000\n\
    DTSTART;TZID=America/New_York:20270317T110000\nDTEND;TZID=America/New_York:20270317T120000\nEND:VEVENT";

#[tokio::test]
async fn consent_is_asked_exchanged_refreshed_and_ended() {
    let ground = Ground::new();
    let mut setup = Setup::new("client".into(), "secret".to_owned().into(), "https://kalends.example.com/back".into());
    setup.api_url = "http://simulated/calendar/v3".into();
    setup.auth_url = "http://simulated/o/oauth2/v2/auth".into();
    setup.token_url = "http://simulated/token".into();
    setup.revoke_url = "http://simulated/revoke".into();
    let oauth = setup.oauth();
    let (transport, now) = (&*ground.transport, Instant::from_ms(NOW_MS));
    let verifier = Verifier::new([7; VERIFIER_BYTES]);
    let url = oauth.authorise(Wanted::Writing, "state", &verifier, Some(ADA)).expect("a URL");
    ground.sim().auto_approve(Some(ADA));
    let asked = Request::get(url.to_string()).body(Bytes::new()).expect("a request");
    let Outcome::Answer(consent) = ground.sim().handle(NOW_MS, &asked) else { panic!("no answer") };
    let back = url::Url::parse(consent.headers()["location"].to_str().expect("text")).expect("a URL");
    let code = back.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let tokens = oauth.exchange(transport, &code, &verifier, now).await.expect("tokens");
    assert_eq!(oauth.account(transport, &tokens.access, now).await.expect("a name"), ADA);
    let refresh = tokens.refresh.expect("a refresh token");
    assert!(oauth.refresh(transport, &refresh, now).await.expect("tokens").refresh.is_none());
    oauth.revoke(transport, &refresh, now).await.expect("revoked");
    assert!(matches!(oauth.refresh(transport, &refresh, now).await, Err(Failure::NeedsConsent(_))));
}

#[tokio::test]
async fn an_item_is_created_found_changed_and_deleted_and_all_requests_are_googles() {
    let ground = Ground::new();
    let connector = &ground.connector;
    let calendars = connector.calendars(&ground.secret, ADA).await.expect("a list");
    assert_eq!(
        calendars.iter().map(|one| (one.primary, one.writable)).collect::<Vec<_>>(),
        [(true, true), (false, true)]
    );
    let (none, cursor) = ground.changes(None).await.expect("a listing");
    assert!(none.is_empty());

    // The answer to the creation is lost: what was created is found by its key.
    let series = object(SERIES);
    let out = connector.get(&series, None, LENS).expect("expressible");
    assert!(out.warnings.is_empty(), "{:?}", out.warnings);
    ground.sim().faults().push(Rule::new(Fault::LoseResponse).at(Call::EventsInsert));
    assert!(matches!(connector.create(ground.at(), "key", &out, false).await, Err(Failure::Unknown(_))));
    let (id, _) = connector.find(ground.at(), "key").await.expect("an answer").expect("it is there");
    assert_eq!(Some(&id), connector.id_for("key").as_ref());

    // The series is there without its exceptions; the second half of the write follows.
    let held = connector.fetch(ground.at(), &id).await.expect("an answer").expect("it is there");
    let written = connector.update(ground.at(), &id, &held, &out, false).await.expect("written");
    assert_eq!(written.left, None);
    assert!(connector.says(&written.item, &out));
    let starts: Vec<String> = ground
        .sim()
        .occurrences(WORK, 0, i64::MAX / 4)
        .iter()
        .map(|event| event["start"]["dateTime"].as_str().unwrap_or_default().to_owned())
        .collect();
    // The clocks change on 14 March; the tenth is removed, the seventeenth moved.
    let expected =
        ["03-03T09:00:00-05", "03-17T11:00:00-04", "03-24T09:00:00-04", "03-31T09:00:00-04", "04-07T09:00:00-04"];
    assert_eq!(starts, expected.map(|start| format!("2027-{start}:00")));

    // It comes back as what it was.
    let (entries, cursor) = ground.changes(Some(&cursor)).await.expect("a delta");
    let Folded::Present(seen) = ground.folded(None, &id, &entries) else { panic!("{entries:?}") };
    assert_eq!(connector.normal(&seen), connector.normal(&written.item));
    let back = connector.put(&seen, Some(&series), LENS).expect("an object");
    assert_eq!(back.bytes(), series.bytes());
    assert_eq!(connector.mark(&seen).as_deref(), Some("mark"));

    // A person changes one occurrence; our older view of it does not overwrite that.
    let moved = format!("{}_20270324T130000Z", id.as_str());
    ground.sim().human(NOW_MS, WORK).edit(&moved, &json!({ "summary": "By hand" })).expect("edited");
    let (entries, cursor) = ground.changes(Some(&cursor)).await.expect("a delta");
    let Folded::Present(seen) = ground.folded(Some(&seen), &id, &entries) else { panic!("{entries:?}") };
    let merged = connector.put(&seen, Some(&series), LENS).expect("an object");
    assert!(String::from_utf8_lossy(merged.bytes()).contains("SUMMARY:By hand"));
    ground.sim().human(NOW_MS, WORK).edit(id.as_str(), &json!({ "location": "Room" })).expect("edited");
    let changed = object(&SERIES.replace("SUMMARY:Group\n", "SUMMARY:Renamed\n"));
    let out = connector.get(&changed, Some(&seen), LENS).expect("expressible");
    let stale = connector.update(ground.at(), &id, &seen, &out, false).await;
    assert!(matches!(stale, Err(Failure::Changed)), "{stale:?}");
    let fresh = connector.fetch(ground.at(), &id).await.expect("an answer").expect("it is there");
    let out = connector.get(&changed, Some(&fresh), LENS).expect("expressible");
    let written = connector.update(ground.at(), &id, &fresh, &out, false).await.expect("written");
    assert!(connector.says(&written.item, &out));

    // Nor does a change of the series that does not know of an occurrence's: the series' own tag is the same as before.
    ground.sim().human(NOW_MS, WORK).edit(&moved, &json!({ "location": "Garden" })).expect("edited");
    let later = object(&SERIES.replace("SUMMARY:Group\n", "SUMMARY:Renamed again\n"));
    let out = connector.get(&later, Some(&written.item), LENS).expect("expressible");
    let stale = connector.update(ground.at(), &id, &written.item, &out, false).await;
    assert!(matches!(stale, Err(Failure::Changed)), "{stale:?}");
    assert_eq!(ground.sim().event(WORK, &moved).expect("it is there")["location"], "Garden");
    // An occurrence that was changed there first, and here for the first time too.
    let first = format!("{}_20270303T140000Z", id.as_str());
    let fresh = connector.fetch(ground.at(), &id).await.expect("an answer").expect("it is there");
    let own = "BEGIN:VEVENT\nUID:series@example.com\nDTSTAMP:20260101T000000Z\nSUMMARY:First\n\
        RECURRENCE-ID;TZID=America/New_York:20270303T090000\nDTSTART;TZID=America/New_York:20270303T090000\n\
        DTEND;TZID=America/New_York:20270303T100000\nEND:VEVENT";
    let both = connector.put(&fresh, Some(&changed), LENS).expect("an object");
    let both = String::from_utf8_lossy(both.bytes())
        .replace("END:VCALENDAR", &format!("{}\r\nEND:VCALENDAR", own.replace('\n', "\r\n")));
    let both = CalendarObject::parse(Bytes::from(both)).expect("a lawful object");
    let out = connector.get(&both, Some(&fresh), LENS).expect("expressible");
    ground.sim().human(NOW_MS, WORK).edit(&first, &json!({ "location": "Hall" })).expect("edited");
    let stale = connector.update(ground.at(), &id, &fresh, &out, false).await;
    assert!(matches!(stale, Err(Failure::Changed)), "{stale:?}");
    assert_eq!(ground.sim().event(WORK, &first).expect("it is there")["summary"], "Renamed");
    let written = Written { id: id.clone(), item: fresh, left: None };

    // An all-day event and an hour take each other's place.
    let day =
        object("BEGIN:VEVENT\nUID:d\nDTSTAMP:20260101T000000Z\nSUMMARY:Day\nDTSTART;VALUE=DATE:20270401\nEND:VEVENT");
    let hour = object(
        "BEGIN:VEVENT\nUID:d\nDTSTAMP:20260101T000000Z\nDTSTART:20270401T080000Z\nDTEND:20270401T090000Z\nCLASS:PRIVATE\nBEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT10M\nEND:VALARM\nEND:VEVENT",
    );
    let out = connector.get(&day, None, LENS).expect("expressible");
    let single = connector.create(ground.at(), "day", &out, false).await.expect("created");
    let out = connector.get(&hour, Some(&single.item), LENS).expect("expressible");
    let single = connector.update(ground.at(), &single.id, &single.item, &out, false).await.expect("written");
    assert!(connector.says(&single.item, &out));

    // Deleted, it is gone, and a second time too; created again under its key, it is revived.
    connector.delete(ground.at(), &id, Some(&written.item), false).await.expect("deleted");
    connector.delete(ground.at(), &id, None, false).await.expect("gone already");
    let (entries, _) = ground.changes(Some(&cursor)).await.expect("a delta");
    assert!(matches!(ground.folded(Some(&seen), &id, &entries), Folded::Gone));
    assert_eq!(connector.fetch(ground.at(), &id).await.expect("an answer"), None);
    let out = connector.get(&series, None, LENS).expect("expressible");
    let again = connector.create(ground.at(), "key", &out, false).await.expect("revived");
    assert_eq!((again.id, again.left), (id, None));
    assert_eq!(ground.sim().occurrences(WORK, 0, i64::MAX / 4).len(), 6);

    // A lost cursor says so; a channel is opened and stopped.
    ground.sim().expire_sync_tokens(WORK);
    assert!(matches!(ground.changes(Some(&cursor)).await, Err(Failure::CursorLost)));
    let channel =
        connector.watch(ground.at(), "channel", "https://kalends.example.com/hook", "token").await.expect("open");
    assert_eq!(ground.sim().channels_open(NOW_MS), 1);
    connector.unwatch(ground.at(), &channel).await.expect("stopped");
    connector.unwatch(ground.at(), &channel).await.expect("gone already");

    let sim = ground.sim();
    assert!(sim.mails().is_empty(), "{:?}", sim.mails());
    if let Some(file) = std::env::var_os("KALENDS_GOOGLE_REQUESTS") {
        std::fs::write(file, sim.requests_as_lines()).expect("written");
    }
    assert!(sim.seen().len() > 20);
    let bearer = format!("Bearer {}", ground.secret.expose_secret());
    assert!(sim.seen().iter().all(|seen| seen.request.headers()["authorization"] == bearer.as_str()));
}
