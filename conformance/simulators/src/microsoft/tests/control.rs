//! Steering from outside, and the page to edit by hand.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{super::Outcome, Bench, EVENTS, WORK, event_path, hour, weekly};

#[test]
fn everything_is_set_up_broken_and_looked_at_over_http() {
    let mut bench = Bench::new();
    let ok = |bench: &mut Bench, path: &str, body: Value| {
        let got = bench.call("POST", &format!("/_control/{path}"), body);
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        got.body
    };
    let made = ok(&mut bench, "accounts", json!({ "email": "cy@example.com", "timeZone": "UTC", "personal": true }));
    assert!(made["calendar"].is_string());
    ok(&mut bench, "calendars", json!({ "account": "cy@example.com", "id": "c", "name": "C", "access": "read" }));
    ok(&mut bench, "clients", json!({ "id": "two", "redirects": ["http://localhost"] }));
    let scopes = ["Calendars.ReadWrite", "offline_access"];
    let tokens = ok(&mut bench, "grant", json!({ "account": "ada@example.com", "client": "two", "scopes": scopes }));
    bench.token = tokens["access_token"].as_str().unwrap().to_owned();
    let id = ok(&mut bench, "human", json!({ "do": "create", "calendar": WORK, "event": hour("By hand") }))["id"]
        .as_str()
        .unwrap()
        .to_owned();
    ok(&mut bench, "human", json!({ "do": "edit", "calendar": WORK, "id": id, "patch": { "subject": "Edited" } }));
    assert_eq!(bench.get(&event_path(&id)).text("subject"), "Edited");
    ok(
        &mut bench,
        "human",
        json!({ "do": "invited", "calendar": WORK, "event": hour("From Bob"), "organizer": "bob@elsewhere.example" }),
    );
    ok(&mut bench, "faults", json!([{ "fault": { "backend": { "status": 502 } }, "call": "events.get" }]));
    assert_eq!(bench.get("/_control/faults").body.as_array().unwrap().len(), 1);
    assert_eq!(bench.get(&event_path(&id)).status, 502);
    ok(&mut bench, "faults/random", json!({ "seed": 1, "perMille": 1000, "faults": ["unauthorized"] }));
    assert_eq!(bench.get(EVENTS).status, 401);
    assert_eq!(bench.call("DELETE", "/_control/faults", Value::Null).status, 200);
    assert_eq!(bench.get("/_control/struck").body, 2);
    ok(&mut bench, "settings", json!({ "conflictStatus": 409, "oldRefreshTokens": "dieAtOnce" }));
    assert_eq!(bench.get("/_control/settings").body["conflictStatus"], 409);
    assert_eq!(bench.get("/_control/counts").body["events.get"], 2);
    let requests = bench.get("/_control/requests").body;
    assert_eq!(
        (&requests[0]["call"], &requests[0]["headers"]["content-type"]),
        (&json!("events.get"), &json!("application/json"))
    );
    assert!(requests[0]["headers"].get("authorization").is_none());
    assert_eq!(bench.get(&format!("/_control/events?calendar={WORK}")).body.as_array().unwrap().len(), 2);
    ok(&mut bench, "clock", json!({ "advanceMs": 3_600_000 }));
    assert_eq!(bench.get(EVENTS).status, 401, "the token ran out");
    for name in ["accounts", "calendars", "occurrences", "deleted", "subscriptions", "mails", "concurrency"] {
        assert_eq!(bench.get(&format!("/_control/{name}?calendar={WORK}")).status, 200, "{name}");
    }
    for (path, body) in [
        ("nothing", json!({})),
        ("faults", json!({ "fault": "nothing" })),
        ("human", json!({ "do": "x" })),
        ("settings", json!({ "x": 1 })),
        ("lifecycle", json!({ "id": "x", "event": "missed" })),
    ] {
        assert_eq!(bench.call("POST", &format!("/_control/{path}"), body).status, 400, "{path}");
    }
}

#[test]
fn a_series_is_split_by_hand() {
    let mut bench = Bench::new();
    bench.create(weekly("Group"));
    let id = bench.microsoft.events(WORK)[0]["id"].as_str().unwrap().to_owned();
    let ids = bench.microsoft.human(bench.now_ms, WORK).occurrences(&id, 5);
    let mut human = bench.microsoft.human(bench.now_ms, WORK);
    human.edit(&ids[3], &json!({ "subject": "Fourth" })).unwrap();
    let new = human.split(&ids[2], &json!({})).unwrap();
    assert_eq!(human.occurrences(&id, 9).len(), 2);
    assert_eq!(human.occurrences(&new, 9).len(), 3);
    assert_eq!(human.show(&new).unwrap()["recurrence"]["range"]["startDate"], "2026-03-24");
    let later = human.occurrences(&new, 9)[1].clone();
    assert_eq!(human.show(&later).unwrap()["subject"], "Fourth");
    let other = human.split(&later, &json!({ "subject": "Other" })).unwrap();
    assert_eq!(human.show(&other).unwrap()["recurrence"]["range"]["numberOfOccurrences"], 2);
    assert_eq!(human.split(&ids[0], &json!({ "subject": "All" })).unwrap(), id);
    assert!(human.split(&id, &json!({})).is_err());
}

#[test]
fn an_invitation_is_answered() {
    let mut bench = Bench::new();
    let mut body = hour("Party");
    body["attendees"] = json!([{ "emailAddress": { "address": "ada@example.com" }, "type": "required" }]);
    let id = bench.microsoft.human(bench.now_ms, WORK).invited(&body, "bob@elsewhere.example").unwrap();
    let path = event_path(&id);
    assert_eq!(bench.get(&path).body["isOrganizer"], false);
    assert_eq!(bench.call("POST", &format!("{path}/cancel"), json!({})).status, 403);
    assert_eq!(bench.call("POST", &format!("{path}/accept"), json!({ "sendResponse": true })).status, 202);
    assert_eq!(bench.get(&path).body["attendees"][0]["status"]["response"], "accepted");
    assert_eq!(bench.microsoft.mails().last().unwrap().recipient, "bob@elsewhere.example");
    assert_eq!(bench.call("POST", &format!("{path}/decline"), Value::Null).status, 202);
    assert_eq!(bench.get(&path).status, 404);
    let own = event_path(&bench.create(hour("Mine")).text("id"));
    assert_eq!(bench.call("POST", &format!("{own}/accept"), json!({})).status, 400);
    assert_eq!(bench.call("POST", &format!("{own}/dismissReminder"), Value::Null).status, 200);
    assert_eq!(bench.call("POST", &format!("{own}/cancel"), json!({ "comment": "no" })).status, 202);
}

const PAGE: &str = "/c/AAMkADwork%3D";

fn page(bench: &mut Bench, path: &str) -> String {
    let outcome = bench.microsoft.handle(bench.now_ms, &Request::get(path).body(Bytes::new()).unwrap());
    let Outcome::Answer(response) = outcome else { panic!() };
    assert_eq!(response.status(), 200, "{path}");
    String::from_utf8(response.body().to_vec()).unwrap()
}

#[test]
fn an_event_is_made_changed_deleted_and_restored_by_hand() {
    let mut bench = Bench::new();
    assert!(page(&mut bench, "/").contains(PAGE));
    let form = "title=%3CLunch%3E&day=2027-01-20&from=12:00&to=13:00&zone=Europe/Berlin&repeat=&location=Hall&notes=a";
    assert_eq!(bench.form(PAGE, form).status, 302);
    assert!(page(&mut bench, PAGE).contains("&lt;Lunch&gt;"));
    let id = bench.microsoft.events(WORK)[0]["id"].as_str().unwrap().to_owned();
    let event = format!("{PAGE}/e/{}", percent_encoding::utf8_percent_encode(&id, percent_encoding::NON_ALPHANUMERIC));
    assert!(page(&mut bench, &event).contains("value=\"12:00\""));
    assert_eq!(bench.form(&event, &form.replace("&from=12:00", "&all_day=1")).status, 302);
    assert_eq!(bench.microsoft.events(WORK)[0]["isAllDay"], true);
    assert_eq!(bench.form(&event, "action=delete").status, 302);
    assert!(page(&mut bench, PAGE).contains("Deleted"));
    assert!(page(&mut bench, &event).contains("Restore"));
    assert_eq!(bench.form(&event, "action=restore").status, 302);
    assert_eq!(bench.form(&event, "action=copy").status, 302);
    assert_eq!(bench.microsoft.events(WORK).len(), 2);
    let home = bench.microsoft.default_calendar(super::ADA).unwrap();
    assert_eq!(bench.form(&event, &format!("action=move&to={}", home.replace('=', "%3D"))).status, 302);
    assert_eq!(bench.microsoft.events(WORK).len(), 1);
    assert_eq!(bench.form(PAGE, "title=x").status, 400);
    let foreign = Request::post(PAGE).header("origin", "https://evil.example").header("host", "127.0.0.1:1");
    let Outcome::Answer(response) = bench.microsoft.handle(0, &foreign.body(Bytes::new()).unwrap()) else { panic!() };
    assert_eq!(response.status(), 403);
}

#[test]
fn one_occurrence_is_changed_by_hand_and_the_series_keeps_its_pattern() {
    let mut bench = Bench::new();
    bench.create(weekly("Group"));
    let id = bench.microsoft.events(WORK)[0]["id"].as_str().unwrap().to_owned();
    let second = bench.microsoft.human(bench.now_ms, WORK).occurrences(&id, 5)[1].clone();
    let link = |id: &str| {
        format!("{PAGE}/e/{}", percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC))
    };
    assert!(page(&mut bench, &link(&id)).contains("First occurrences"));
    let form = "title=Other&day=2026-03-17&from=10:00&to=11:00&zone=Europe/Berlin&location=&notes=&action=save";
    assert_eq!(bench.form(&link(&second), form).status, 302);
    assert_eq!(bench.microsoft.event(&second).unwrap()["subject"], "Other");
    let form = "title=All&day=2026-03-10&from=09:00&to=10:00&zone=Europe/Berlin&repeat=keep&location=&notes=";
    assert_eq!(bench.form(&link(&id), form).status, 302);
    let series = bench.microsoft.event(&id).unwrap();
    assert_eq!((&series["subject"], series["exceptionOccurrences"].as_array().unwrap().len()), (&json!("All"), 1));
    assert_eq!(bench.form(&link(&second), "action=delete").status, 302);
    assert_eq!(bench.microsoft.event(&id).unwrap()["cancelledOccurrences"], json!(["2026-03-17"]));
}
