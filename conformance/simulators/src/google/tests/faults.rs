//! What goes wrong on demand.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{
    super::{Call, Fault, Outcome, Rule},
    Bench, NOW, WORK, hour,
};

fn post(bench: &Bench, body: &Value) -> Request<Bytes> {
    let request = Request::post(WORK).header("authorization", format!("Bearer {}", bench.token));
    request.body(Bytes::from(body.to_string())).unwrap()
}

#[test]
fn a_lost_answer_was_carried_out_and_a_lost_request_was_not() {
    let mut bench = Bench::new();
    let mut body = hour("One");
    body["id"] = json!("abcdef");
    bench.google.faults().push(Rule::new(Fault::LoseRequest).at(Call::EventsInsert));
    bench.google.faults().push(Rule::new(Fault::LoseResponse).at(Call::EventsInsert));
    let request = post(&bench, &body);
    assert!(matches!(bench.google.handle(NOW, &request), Outcome::Lost));
    assert!(bench.google.events("work@group.calendar.google.com").is_empty());
    assert!(matches!(bench.google.handle(NOW, &request), Outcome::Lost));
    assert_eq!(bench.google.events("work@group.calendar.google.com").len(), 1);
    assert_eq!(bench.send(&request).reason(), "duplicate");
    assert_eq!(bench.google.seen().iter().map(|seen| seen.status).collect::<Vec<_>>(), [None, None, Some(409)]);
}

#[test]
fn rules_wait_count_and_choose() {
    let mut bench = Bench::new();
    bench.google.faults().push(Rule::new(Fault::Backend { status: 503 }).at(Call::EventsList).after(1).times(2));
    bench.google.faults().push(Rule::new(Fault::TooManyRequests { retry_after_s: Some(7) }).on("calendarList"));
    let statuses: Vec<u16> = (0..4).map(|_| bench.get(WORK).status).collect();
    assert_eq!(statuses, [200, 503, 503, 200]);
    let slow = bench.get("/calendar/v3/users/me/calendarList");
    assert_eq!((slow.status, slow.headers["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(bench.google.faults().struck(), 3);
    assert!(bench.google.faults().rules().is_empty());
}

#[test]
fn a_rule_reads_as_json() {
    let rule: Rule = serde_json::from_value(
        json!({ "fault": { "tooManyRequests": { "retryAfterS": null } }, "part": "pageToken=", "times": null }),
    )
    .unwrap();
    assert_eq!(rule, Rule::new(Fault::TooManyRequests { retry_after_s: None }).on("pageToken=").always());
    let rule: Rule = serde_json::from_value(json!({ "fault": "loseResponse", "call": "events.insert" })).unwrap();
    assert_eq!(rule, Rule::new(Fault::LoseResponse).at(Call::EventsInsert));
    assert!(serde_json::from_value::<Rule>(json!({ "fault": "nothing" })).is_err());
}

#[test]
fn answers_are_spoiled_in_every_way() {
    let mut bench = Bench::new();
    bench.insert(hour("One"));
    bench.insert(hour("Two"));
    let mut with = |fault: Fault| {
        bench.google.faults().push(Rule::new(fault));
        bench.get(WORK)
    };
    assert_eq!(with(Fault::WrongJson).body, Value::Null);
    assert!(with(Fault::Html).headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert_eq!(with(Fault::WrongTypes).body["items"][0]["start"], "tomorrow");
    assert_eq!(with(Fault::UnknownEventType).body["items"][0]["eventType"], "holodeck");
    assert_eq!(
        with(Fault::ManyAttendees { count: 10_000 }).body["items"][0]["attendees"].as_array().unwrap().len(),
        10_000
    );
    assert_eq!(with(Fault::Huge { bytes: 50_000 }).text("summary").len(), 50_000 - 42);
    assert_eq!(with(Fault::Redirect { to: "http://127.0.0.1:1/".into() }).status, 302);
    assert_eq!(with(Fault::FullSyncRequired).reason(), "fullSyncRequired");
    assert_eq!(with(Fault::ShortPage { entries: 1 }).ids().len(), 1);
    let empty = with(Fault::ShortPage { entries: 0 });
    assert_eq!((empty.ids().len(), empty.text("nextPageToken").is_empty()), (0, false));
    let skipped = with(Fault::SkipItem);
    assert_eq!(skipped.ids().len(), 1);
    let delta = bench.get(&format!("{WORK}?syncToken={}", skipped.text("nextSyncToken")));
    assert_eq!(delta.ids().len(), 1, "what was left out comes with the delta");
}

#[test]
fn deltas_are_bent() {
    let mut bench = Bench::new();
    let id = bench.insert(hour("One")).text("id");
    let token = bench.get(WORK).text("nextSyncToken");
    bench.google.faults().push(Rule::new(Fault::RepeatChanges));
    assert_eq!(bench.get(&format!("{WORK}?syncToken={token}")).ids(), [id.as_str()]);
    bench.call("DELETE", &format!("{WORK}/{id}"), Value::Null);
    bench.google.faults().push(Rule::new(Fault::OmitDeletes));
    assert!(bench.get(&format!("{WORK}?syncToken={token}")).ids().is_empty());
    let second = bench.insert(hour("Two"));
    let token = bench.get(WORK).text("nextSyncToken");
    bench.google.faults().push(Rule::new(Fault::NewEtags));
    let flaky = bench.get(&format!("{WORK}?syncToken={token}"));
    assert_ne!(flaky.body["items"][0]["etag"], second.body["etag"]);
    assert_eq!(flaky.body["items"][0]["updated"], second.body["updated"]);
}

#[test]
fn chance_is_the_same_for_the_same_seed() {
    let run = || {
        let mut bench = Bench::new();
        bench.google.faults().randomly(
            11,
            300,
            vec![Fault::LoseResponse, Fault::Backend { status: 500 }, Fault::InvalidGrant],
        );
        let request = post(&bench, &hour("x"));
        (0..50).map(|_| format!("{:?}", bench.google.handle(NOW, &request))).collect::<Vec<_>>()
    };
    let outcomes = run();
    assert_eq!(outcomes, run());
    assert!(outcomes.iter().any(|outcome| outcome == "Lost"));
}
