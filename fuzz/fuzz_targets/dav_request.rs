//! A request to the CalDAV server, as its text: method, path, headers, body. Whatever it says, the answer is not our
//! fault: no panic, no 5xx but 501, 503 and 507, and a multistatus is XML.
#![no_main]

use std::sync::{Arc, LazyLock};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use bytes::Bytes;
use kalends::auth::{Gate, Purpose, Visit};
use kalends::crypto::{Chance, KeyRing};
use kalends::dav::{Dav, handle, wants};
use kalends::domain::access::{Caller, Credential, Right, Role};
use kalends::domain::change::{Cause, Guard};
use kalends::domain::ids::{ResourceName, Slug, UserName};
use kalends::domain::object::CalendarObject;
use kalends::domain::time::{Instant, ManualClock};
use kalends::store::{Database, NewUser, Store};
use kalends::xml::Document;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

const USER: &str = "ada";
/// The placeholders of `fixtures/xml`, which are the seeds.
const PLACEHOLDERS: [(&str, &str); 4] = [
    ("{user}", USER),
    ("{calendar}", "calendar"),
    ("{tasks}", "tasks"),
    ("{etag}", "\"00000000000000000000000000000000\""),
];
const OBJECTS: [(&str, &str, &str); 4] = [
    (
        "calendar",
        "weekly.ics",
        "BEGIN:VEVENT\nUID:weekly\nDTSTAMP:20261101T000000Z\nDTSTART;TZID=Europe/Berlin:20261102T090000\n\
         DURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE\nEXDATE;TZID=Europe/Berlin:20261109T090000\n\
         SUMMARY;LANGUAGE=de:Straße\nATTENDEE;CN=\"Ada, L.\":mailto:ada@example.org\nBEGIN:VALARM\n\
         ACTION:DISPLAY\nTRIGGER:-PT15M\nDESCRIPTION:x\nEND:VALARM\nEND:VEVENT\nBEGIN:VEVENT\nUID:weekly\n\
         DTSTAMP:20261101T000000Z\nRECURRENCE-ID;TZID=Europe/Berlin:20261116T090000\n\
         DTSTART;TZID=Europe/Berlin:20261117T100000\nEND:VEVENT\n",
    ),
    (
        "calendar",
        "all day.ics",
        "BEGIN:VEVENT\nUID:day\nDTSTAMP:20261101T000000Z\nDTSTART;VALUE=DATE:20261120\nSUMMARY:Day\nEND:VEVENT\n",
    ),
    ("tasks", "a.ics", "BEGIN:VTODO\nUID:a\nDTSTAMP:20261101T000000Z\nDUE;VALUE=DATE:20261120\nEND:VTODO\n"),
    ("tasks", "b.ics", "BEGIN:VTODO\nUID:b\nDTSTAMP:20261101T000000Z\nSUMMARY:Undated\nEND:VTODO\n"),
];

struct Bench {
    runtime: Runtime,
    dav: Dav,
    authorization: HeaderValue,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (dav, authorization) = runtime.block_on(open());
    Bench { runtime, dav, authorization }
});

async fn open() -> (Dav, HeaderValue) {
    let folder = std::env::var_os("TMPDIR").map_or_else(|| "/dev/shm".into(), std::path::PathBuf::from);
    let file = folder.join(format!("kalends-fuzz-{}.db", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let keys = Arc::new(KeyRing::parse(&"11".repeat(32)).expect("a key"));
    let clock = Arc::new(ManualClock::at(Instant::from_seconds(1_795_248_000)));
    let store = Store::open(&Database::Sqlite(file), &keys, clock, Arc::new(Chance::seeded(7))).await.expect("a store");
    let gate = Gate::new(store.clone(), keys);
    let name = UserName::parse(USER).expect("a name");
    let new = NewUser { name: name.clone(), role: Role::Manager, display_name: None, email: None, password_hash: None };
    let mut tx = store.write().await.expect("a transaction");
    let firm = tx.ensure_firm("default").await.expect("a firm");
    let user = tx.add_user(&firm, &new).await.expect("a user");
    let secret = "A".repeat(43);
    tx.add_app_password(&firm, &user.id, "fuzz", false, &gate.hash(Purpose::AppPassword, &secret))
        .await
        .expect("a secret");
    let caller =
        Caller { firm, user: user.id, name, role: Role::Manager, credential: Credential::Console, most: Right::Own };
    for (slug, at, inside) in OBJECTS {
        let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{inside}END:VCALENDAR\n").replace('\n', "\r\n");
        let object = CalendarObject::parse(Bytes::from(text)).expect("an object");
        let (slug, at) = (Slug::parse(slug).expect("a slug"), ResourceName::parse(at).expect("a name"));
        let (access, _) = tx.calendar_for(&caller, &caller.name, &slug, Right::Write).await.expect("a calendar");
        tx.put_object(&access, &at, &object, &Guard::default(), &Cause::system()).await.expect("put");
    }
    tx.commit().await.expect("a commit");
    // "ada:" and the secret in base64.
    let basic = "Basic YWRhOkFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    (Dav::new(gate), HeaderValue::from_static(basic))
}

fn filled(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some((first, tail)) = rest.split_first() {
        match PLACEHOLDERS.iter().find(|(name, _)| rest.starts_with(name.as_bytes())) {
            Some((name, value)) => {
                out.extend_from_slice(value.as_bytes());
                rest = &rest[name.len()..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn request(data: &[u8], authorization: &HeaderValue) -> Option<Request<Body>> {
    let (head, body) = match data.windows(4).position(|w| w == b"\r\n\r\n") {
        Some(at) => (&data[..at], &data[at + 4..]),
        None => match data.windows(2).position(|w| w == b"\n\n") {
            Some(at) => (&data[..at], &data[at + 2..]),
            None => (data, &data[data.len()..]),
        },
    };
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut first = lines.next()?.split(|byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let target = std::str::from_utf8(first.next()?).ok()?.parse::<Uri>().ok()?;
    let mut request = Request::new(Body::from(body.to_vec()));
    (*request.method_mut(), *request.uri_mut()) = (method, target);
    for line in lines.take(40) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    // The client never counts right after a mutation; the length is what it is.
    request.headers_mut().remove(header::CONTENT_LENGTH);
    request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    let base_url = "http://cal.example".to_owned();
    request.extensions_mut().insert(Visit { correlation_id: "fuzz".to_owned(), address, base_url });
    Some(request)
}

fuzz_target!(|data: &[u8]| {
    let bench = &*BENCH;
    let Some(request) = request(&filled(data), &bench.authorization) else { return };
    if !wants(request.method(), request.uri().path()) {
        return;
    }
    let said = format!("{} {}", request.method(), request.uri());
    let (status, body) = bench.runtime.block_on(async {
        let response = handle(&bench.dav, request).await;
        let status = response.status().as_u16();
        (status, to_bytes(response.into_body(), usize::MAX).await.expect("a whole answer"))
    });
    assert!(status < 500 || matches!(status, 501 | 503 | 507), "{said}: {status}");
    if status == 207 {
        Document::parse(&body, usize::MAX)
            .unwrap_or_else(|error| panic!("{said}: a multistatus that is no XML: {error}"));
    }
});
