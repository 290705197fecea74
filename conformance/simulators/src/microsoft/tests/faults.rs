//! What goes wrong on demand, and how much is too much.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{
    super::{Call, Fault, Outcome, Rule},
    Bench, EVENTS, NOW, WORK, hour,
};

fn post(bench: &Bench, body: &Value) -> Request<Bytes> {
    let request = Request::post(EVENTS).header("authorization", format!("Bearer {}", bench.token));
    request.header("content-type", "application/json").body(Bytes::from(body.to_string())).unwrap()
}

fn get(bench: &Bench) -> Request<Bytes> {
    Request::get(EVENTS).header("authorization", format!("Bearer {}", bench.token)).body(Bytes::new()).unwrap()
}

#[test]
fn a_lost_answer_was_carried_out_and_a_lost_request_was_not() {
    let mut bench = Bench::new();
    let mut body = hour("One");
    body["transactionId"] = json!("t");
    bench.microsoft.faults().push(Rule::new(Fault::LoseRequest).at(Call::EventsCreate));
    bench.microsoft.faults().push(Rule::new(Fault::LoseResponse).at(Call::EventsCreate));
    let request = post(&bench, &body);
    assert!(matches!(bench.microsoft.handle(NOW, &request), Outcome::Lost));
    assert!(bench.microsoft.events(WORK).is_empty());
    assert!(matches!(bench.microsoft.handle(NOW, &request), Outcome::Lost));
    assert_eq!(bench.microsoft.events(WORK).len(), 1);
    assert_eq!(bench.send(&request).status, 201);
    assert_eq!(bench.microsoft.events(WORK).len(), 1);
    assert_eq!(bench.microsoft.seen().iter().map(|seen| seen.status).collect::<Vec<_>>(), [None, None, Some(201)]);
}

#[test]
fn answers_are_spoiled_in_every_way() {
    let mut bench = Bench::new();
    bench.create(hour("One"));
    bench.create(hour("Two"));
    let mut with = |fault: Fault| {
        bench.microsoft.faults().push(Rule::new(fault));
        bench.get(EVENTS)
    };
    assert_eq!(with(Fault::WrongJson).body, Value::Null);
    assert!(with(Fault::Html).headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert_eq!(with(Fault::WrongTypes).values()[0]["start"], "tomorrow");
    assert_eq!(with(Fault::UnknownType).values()[0]["type"], "hologram");
    assert_eq!(with(Fault::CustomTimeZone).values()[0]["originalStartTimeZone"], "tzone://Microsoft/Custom");
    assert_eq!(with(Fault::ImpossibleRecurrence).values()[0]["recurrence"]["pattern"]["interval"], 0);
    assert_eq!(with(Fault::ManyAttendees { count: 5000 }).values()[0]["attendees"].as_array().unwrap().len(), 5000);
    assert_eq!(with(Fault::Huge { bytes: 50_000 }).body.to_string().len(), 49_999 - 2);
    assert_eq!(with(Fault::Redirect { to: "http://127.0.0.1:1/".into() }).status, 302);
    assert_eq!(with(Fault::ForeignNextLink { to: "http://127.0.0.1:1/".into() }).next(), "http://127.0.0.1:1/");
    assert!(with(Fault::EndlessNextLink).next().ends_with("/events"));
    assert_eq!(with(Fault::NoUid).all("iCalUId")[0], "");
    let before = with(Fault::Shuffle).all("changeKey").iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    assert!(with(Fault::NewChangeKeys).all("changeKey").iter().all(|key| !before.iter().any(|old| old == key)));
    assert!(with(Fault::NoEtag).values()[0].get("changeKey").is_none());
    assert_eq!(with(Fault::Shuffle).all("subject"), ["Two", "One"]);
    assert_eq!(with(Fault::OmitItem).all("subject"), ["One"]);
    let short = with(Fault::ShortPage { entries: 1 });
    assert_eq!((short.values().len(), short.next().is_empty()), (1, false));
    assert_eq!(with(Fault::ShortPage { entries: 0 }).values().len(), 0);
    assert_eq!(with(Fault::ClaimsChallenge).status, 401);
    for (fault, status) in [
        (Fault::Unauthorized, 401),
        (Fault::Forbidden, 403),
        (Fault::NotFound, 404),
        (Fault::NoMailbox, 404),
        (Fault::Throttled { retry_after_s: None }, 429),
        (Fault::Backend { status: 503, retry_after_s: Some(5) }, 503),
        (Fault::BackendAfter { status: 504 }, 504),
    ] {
        assert_eq!(with(fault.clone()).status, status, "{fault:?}");
    }
    let repeated = {
        let first = with(Fault::ShortPage { entries: 1 });
        bench.microsoft.faults().push(Rule::new(Fault::RepeatItem));
        bench.get(&first.next())
    };
    assert_eq!(repeated.all("subject"), ["One", "Two"]);
}

#[test]
fn writes_are_refused_in_every_way() {
    let mut bench = Bench::new();
    let mut with = |fault: Fault| {
        bench.microsoft.faults().push(Rule::new(fault));
        let got = bench.call("POST", EVENTS, hour("x"));
        (got.status, got.code().to_owned())
    };
    assert_eq!(with(Fault::Duplicate { status: 409 }), (409, "ErrorDuplicateTransactionId".into()));
    assert_eq!(with(Fault::Invalid), (400, "ErrorPropertyValidationFailure".into()));
    assert_eq!(with(Fault::TooLarge), (413, "ErrorMessageSizeExceeded".into()));
    assert_eq!(with(Fault::Locked), (423, "Locked".into()));
    assert_eq!(with(Fault::QuotaExceeded), (507, "ErrorQuotaExceeded".into()));
    assert!(bench.microsoft.events(WORK).is_empty());
}

#[test]
fn a_mailbox_answers_four_at_once() {
    let mut bench = Bench::new();
    bench.microsoft.settings_mut().answer_ms = 50;
    let request = get(&bench);
    let mut at = |ms: i64| match bench.microsoft.handle(NOW + ms, &request) {
        Outcome::Late { after_ms: 50, response } => response.status().as_u16(),
        Outcome::Answer(response) => response.status().as_u16(),
        other => panic!("{other:?}"),
    };
    assert_eq!([at(0), at(0), at(0), at(0), at(1), at(49), at(50)], [200, 200, 200, 200, 429, 429, 200]);
    assert_eq!(bench.microsoft.most_at_once(), 5);
    let refused = bench.microsoft.seen()[4].status;
    assert_eq!(refused, Some(429));
}

#[test]
fn ten_minutes_hold_only_so_many_requests() {
    let mut bench = Bench::new();
    bench.microsoft.settings_mut().window_max = 3;
    let statuses: Vec<u16> = (0..4).map(|_| bench.get(EVENTS).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    bench.now_ms += 600_000;
    assert_eq!(bench.get(EVENTS).status, 200);
}

#[test]
fn an_answer_comes_late_or_breaks_off() {
    let mut bench = Bench::new();
    let request = get(&bench);
    bench.microsoft.faults().push(Rule::new(Fault::Delay { ms: 700 }));
    assert!(matches!(bench.microsoft.handle(NOW, &request), Outcome::Late { after_ms: 700, .. }));
    bench.microsoft.faults().push(Rule::new(Fault::Truncate { per_mille: 500 }));
    let Outcome::Truncated { response, after_bytes } = bench.microsoft.handle(NOW + 1000, &request) else { panic!() };
    assert_eq!(after_bytes, response.body().len() / 2);
}

#[test]
fn chance_is_the_same_for_the_same_seed() {
    let run = || {
        let mut bench = Bench::new();
        bench.microsoft.faults().randomly(
            11,
            300,
            vec![Fault::LoseResponse, Fault::Backend { status: 500, retry_after_s: None }],
        );
        let request = post(&bench, &hour("x"));
        (0..50).map(|_| format!("{:?}", bench.microsoft.handle(NOW, &request))).collect::<Vec<_>>()
    };
    let outcomes = run();
    assert_eq!(outcomes, run());
    assert!(outcomes.iter().any(|outcome| outcome == "Lost"));
}
