//! Everything beside plain events: import, move, instances, calendars, channels, batches, free-busy.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{
    super::{Call, Fault, Outcome, Rule},
    Bench, WORK, hour, weekly,
};

#[test]
fn an_import_is_private_and_repeats_as_an_update() {
    let mut bench = Bench::new();
    let path = "/calendar/v3/calendars/primary/events/import";
    let mut body = hour("Theirs");
    body["iCalUID"] = json!("meeting@elsewhere.example");
    body["organizer"] = json!({ "email": "eve@elsewhere.example", "displayName": "Eve" });
    body["sequence"] = json!(2);
    assert_eq!(bench.call("POST", path, body.clone()).reason(), "participantIsNeitherOrganizerNorAttendee");
    body["attendees"] = json!([{ "email": "ada@example.com" }]);
    let first = bench.call("POST", path, body.clone());
    assert_eq!((first.status, &first.body["privateCopy"]), (200, &json!(true)), "{}", first.body);
    assert!(first.text("id").starts_with('_'));
    assert_eq!(first.body["attendees"][0]["self"], true);
    body["summary"] = json!("Theirs, moved");
    let again = bench.call("POST", path, body.clone());
    assert_eq!((again.text("id"), again.text("summary").as_str()), (first.text("id"), "Theirs, moved"));
    body["sequence"] = json!(1);
    assert_eq!(bench.call("POST", path, body.clone()).reason(), "invalid");
    body["id"] = json!("abcdef");
    assert_eq!(bench.call("POST", path, body.clone()).reason(), "invalid");
    body["id"] = Value::Null;
    body["sequence"] = Value::Null;
    // Deleted, it comes back by import and not by insert.
    bench.call("DELETE", &format!("/calendar/v3/calendars/primary/events/{}", first.text("id")), Value::Null);
    assert_eq!(bench.call("POST", "/calendar/v3/calendars/primary/events", body.clone()).reason(), "duplicate");
    assert_eq!(bench.call("POST", path, body).body["status"], "confirmed");
    assert!(bench.google.mails().is_empty());
}

#[test]
fn a_move_keeps_the_id_and_leaves_a_tombstone() {
    let mut bench = Bench::new();
    let id = bench.insert(weekly("Group")).text("id");
    let one = format!("{WORK}/{id}_20260317T160000Z");
    bench.call("PATCH", &one, json!({ "summary": "Special" }));
    assert_eq!(bench.call("POST", &format!("{one}/move?destination=primary"), Value::Null).status, 400);
    let moved = bench.call("POST", &format!("{WORK}/{id}/move?destination=primary"), Value::Null);
    assert_eq!((moved.status, &moved.body["organizer"]["email"]), (200, &json!("ada@example.com")));
    assert_eq!(bench.get(&format!("{WORK}/{id}")).body["status"], "cancelled");
    assert_eq!(bench.google.occurrences("ada@example.com", 0, super::NOW * 2).len(), 5);
    assert!(bench.google.occurrences("work@group.calendar.google.com", 0, super::NOW * 2).is_empty());
    assert_eq!(bench.call("POST", &format!("{WORK}/{id}/move"), Value::Null).reason(), "required");
}

#[test]
fn instances_are_bounded_paged_and_found_by_their_original_start() {
    let mut bench = Bench::new();
    let id = bench.insert(weekly("Group")).text("id");
    let path = format!("{WORK}/{id}/instances");
    assert_eq!(bench.get(&path).ids().len(), 5);
    let first = bench.get(&format!("{path}?maxResults=3"));
    let rest = bench.get(&format!("{path}?maxResults=3&pageToken={}", first.text("nextPageToken")));
    assert_eq!((first.ids().len(), rest.ids().len(), rest.body.get("nextPageToken")), (3, 2, None));
    // The lower bound is inclusive here.
    assert_eq!(bench.get(&format!("{path}?timeMin=2026-03-10T17:00:00Z")).ids().len(), 5);
    let moved = format!("{id}_20260324T160000Z");
    bench.call(
        "PATCH",
        &format!("{WORK}/{moved}"),
        json!({ "start": { "dateTime": "2026-03-25T16:00:00Z" }, "end": { "dateTime": "2026-03-25T17:00:00Z" } }),
    );
    assert_eq!(bench.get(&format!("{path}?originalStart=2026-03-24T16:00:00Z")).ids(), [moved.as_str()]);
    bench.call("DELETE", &format!("{WORK}/{moved}"), Value::Null);
    assert_eq!(bench.get(&path).ids().len(), 4);
    assert_eq!(bench.get(&format!("{path}?showDeleted=true")).ids().len(), 5);
}

#[test]
fn calendars_are_made_changed_and_deleted() {
    let mut bench = Bench::new();
    let made = bench.call("POST", "/calendar/v3/calendars", json!({ "summary": "New", "timeZone": "Asia/Tokyo" }));
    let path = format!("/calendar/v3/calendars/{}", made.text("id"));
    assert_eq!(bench.call("PATCH", &path, json!({ "description": "x" })).text("timeZone"), "Asia/Tokyo");
    assert_eq!(bench.get(&path).text("description"), "x");
    assert_eq!(bench.call("DELETE", &path, Value::Null).status, 204);
    assert_eq!(bench.get(&path).status, 404);
    assert_eq!(bench.call("DELETE", "/calendar/v3/calendars/primary", Value::Null).status, 403);
    assert_eq!(bench.call("POST", "/calendar/v3/calendars", json!({})).reason(), "required");
    let entry = bench.call(
        "PATCH",
        "/calendar/v3/users/me/calendarList/primary",
        json!({ "hidden": true, "summaryOverride": "Me" }),
    );
    assert_eq!((entry.text("summaryOverride").as_str(), &entry.body["hidden"]), ("Me", &json!(true)));
    assert_eq!(bench.get("/calendar/v3/users/me/calendarList").ids().len(), 1);
}

#[test]
fn a_channel_is_opened_told_and_stopped() {
    let mut bench = Bench::new();
    let path = format!("{WORK}/watch");
    let mut body = json!({ "id": "one", "type": "web_hook", "address": "http://127.0.0.1:9/hook", "token": "t" });
    assert_eq!(bench.call("POST", &path, body.clone()).reason(), "webhookUrlNotHttps");
    bench.google.settings_mut().loopback_hooks = true;
    let channel = bench.call("POST", &path, body.clone());
    assert_eq!(channel.status, 200, "{}", channel.body);
    assert_eq!(channel.text("expiration"), (bench.now_ms + 604_800_000).to_string());
    assert_eq!(bench.call("POST", &path, body.clone()).reason(), "channelIdNotUnique");
    let said = |bench: &mut Bench| -> Vec<(String, String)> {
        let now = bench.now_ms;
        let header = |delivery: &super::super::Delivery, name: &str| {
            delivery.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let all = bench.google.deliveries(now);
        all.iter().map(|one| (header(one, "X-Goog-Resource-State"), header(one, "X-Goog-Message-Number"))).collect()
    };
    assert_eq!(said(&mut bench), [("sync".to_owned(), "1".to_owned())]);
    bench.insert(hour("x"));
    assert_eq!(said(&mut bench), [("exists".to_owned(), "3".to_owned())]);
    for (fault, expect) in
        [(Fault::DropDelivery, 0), (Fault::DuplicateDelivery, 2), (Fault::DelayDelivery { ms: 5000 }, 0)]
    {
        bench.google.faults().push(Rule::new(fault));
        bench.insert(hour("x"));
        assert_eq!(said(&mut bench).len(), expect);
    }
    bench.now_ms += 5000;
    assert_eq!(said(&mut bench).len(), 1);
    let stop = json!({ "id": "one", "resourceId": channel.text("resourceId") });
    assert_eq!(bench.call("POST", "/calendar/v3/channels/stop", stop.clone()).status, 204);
    assert_eq!(bench.call("POST", "/calendar/v3/channels/stop", stop).status, 404);
    body["params"] = json!({ "ttl": "60" });
    bench.call("POST", &path, body);
    bench.now_ms += 60_000;
    bench.insert(hour("x"));
    assert_eq!(said(&mut bench).len(), 1, "the sync message and nothing after the end");
    bench.google.set_watchable("work@group.calendar.google.com", false);
    let refused =
        bench.call("POST", &path, json!({ "id": "two", "type": "web_hook", "address": "https://x.example/" }));
    assert_eq!(refused.reason(), "pushNotSupportedForRequestedResource");
}

fn batch(bench: &mut Bench, parts: &[String]) -> (u16, String) {
    let mut body = String::new();
    for (at, part) in parts.iter().enumerate() {
        body.push_str(&format!("--b\r\nContent-Type: application/http\r\nContent-ID: <x + {at}>\r\n\r\n{part}\r\n"));
    }
    body.push_str("--b--");
    let request = Request::post("/batch/calendar/v3")
        .header("authorization", format!("Bearer {}", bench.token))
        .header("content-type", "multipart/mixed; boundary=\"b\"");
    let Outcome::Answer(response) = bench.google.handle(bench.now_ms, &request.body(Bytes::from(body)).unwrap()) else {
        panic!()
    };
    (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
}

#[test]
fn a_batch_is_many_calls() {
    let mut bench = Bench::new();
    let post = format!("POST {WORK} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{}", hour("In a batch"));
    let get = "GET /calendar/v3/calendars/nobody@example.com/events HTTP/1.1\r\n".to_owned();
    bench.google.faults().push(Rule::new(Fault::Conflict).at(Call::EventsInsert).after(1));
    let (status, text) = batch(&mut bench, &[post.clone(), get, post.clone()]);
    assert_eq!(status, 200);
    assert!(text.contains("Content-ID: <response-x + 0>\r\n\r\nHTTP/1.1 200 OK"), "{text}");
    assert!(text.contains("HTTP/1.1 404 Not Found") && text.contains("HTTP/1.1 409 Conflict"));
    assert_eq!(bench.google.events("work@group.calendar.google.com").len(), 1);
    assert_eq!(bench.google.count(Call::EventsInsert), 2);
    assert_eq!(batch(&mut bench, &vec![post; 51]).0, 400);
}

#[test]
fn free_and_busy_are_told_without_reasons() {
    let mut bench = Bench::new();
    bench.insert(weekly("Group"));
    let mut free = hour("Free");
    free["transparency"] = json!("transparent");
    bench.insert(free);
    let body = json!({
        "timeMin": "2026-03-10T00:00:00Z", "timeMax": "2026-03-20T00:00:00Z",
        "items": [{ "id": "work@group.calendar.google.com" }, { "id": "nobody@example.com" }],
    });
    let got = bench.call("POST", "/calendar/v3/freeBusy", body);
    assert_eq!(
        got.body["calendars"]["work@group.calendar.google.com"]["busy"],
        json!([
            { "start": "2026-03-10T16:00:00Z", "end": "2026-03-10T17:00:00Z" },
            { "start": "2026-03-17T16:00:00Z", "end": "2026-03-17T17:00:00Z" },
        ])
    );
    assert_eq!(got.body["calendars"]["nobody@example.com"]["errors"][0]["reason"], "notFound");
    assert_eq!(bench.get("/calendar/v3/users/me/settings/timezone").text("value"), "Europe/Berlin");
    assert_eq!(bench.get("/calendar/v3/colors").body["event"].as_object().unwrap().len(), 11);
}

#[test]
fn types_of_events_do_not_change() {
    let mut bench = Bench::new();
    let mut away = hour("Away");
    away["eventType"] = json!("outOfOffice");
    assert_eq!(bench.call("POST", WORK, away.clone()).reason(), "invalid");
    let got = bench.call("POST", "/calendar/v3/calendars/primary/events", away);
    let path = format!("/calendar/v3/calendars/primary/events/{}", got.text("id"));
    assert_eq!(bench.call("PATCH", &path, json!({ "eventType": "default" })).reason(), "invalid");
    assert_eq!(bench.call("PATCH", &path, json!({ "colorId": "3" })).status, 200);
    assert_eq!(
        bench.call("POST", &format!("{path}/move?destination=work@group.calendar.google.com"), Value::Null).status,
        400
    );
}
