//! Writing single events and series, one at a time.

use serde_json::{Value, json};

use super::{Bench, WORK, hour, weekly};

#[test]
fn an_event_comes_back_in_googles_form() {
    let mut bench = Bench::new();
    let got = bench.insert(hour("Lunch"));
    assert_eq!(
        got.body["start"],
        json!({ "dateTime": "2026-03-10T12:00:00-04:00", "timeZone": "America/Los_Angeles" })
    );
    assert_eq!(
        got.body["organizer"],
        json!({ "email": "work@group.calendar.google.com", "displayName": "Work", "self": true })
    );
    assert_eq!(got.body["reminders"], json!({ "useDefault": true }));
    assert_eq!(got.text("id").len(), 26);
    assert_eq!(got.text("iCalUID"), format!("{}@google.com", got.text("id")));
    assert_eq!(got.body.get("transparency"), None);
    assert_eq!(got.headers["etag"].to_str().unwrap(), got.text("etag"));
    let again = bench.get(&format!("{WORK}/{}", got.text("id")));
    assert_eq!(again.body, got.body);
    let same = bench.call_with(
        "GET",
        &format!("{WORK}/{}", got.text("id")),
        Value::Null,
        &[("if-none-match", &got.text("etag"))],
    );
    assert_eq!(same.status, 304);
}

#[test]
fn an_id_is_ours_once_and_for_ever() {
    let mut bench = Bench::new();
    let mut body = hour("Once");
    body["id"] = json!("abcdefv0123");
    bench.insert(body.clone());
    let twice = bench.call("POST", WORK, body.clone());
    assert_eq!((twice.status, twice.reason()), (409, "duplicate"));
    assert_eq!(bench.call("DELETE", &format!("{WORK}/abcdefv0123"), Value::Null).status, 204);
    let gone = bench.call("DELETE", &format!("{WORK}/abcdefv0123"), Value::Null);
    assert_eq!((gone.status, gone.reason()), (410, "deleted"));
    assert_eq!(bench.call("POST", WORK, body.clone()).status, 409);
    assert_eq!(bench.get(&format!("{WORK}/abcdefv0123")).body["status"], "cancelled");
    // An update revives what was deleted.
    body.as_object_mut().unwrap().remove("id");
    body["status"] = json!("confirmed");
    assert_eq!(bench.call("PUT", &format!("{WORK}/abcdefv0123"), body).body["status"], "confirmed");
    for id in ["abcz", "abcdewxyz", "ABCDEF"] {
        let mut body = hour("x");
        body["id"] = json!(id);
        assert_eq!(bench.call("POST", WORK, body).reason(), "invalid", "{id}");
    }
}

#[test]
fn a_write_holds_only_for_the_etag_it_was_made_on() {
    let mut bench = Bench::new();
    let first = bench.insert(hour("One"));
    let path = format!("{WORK}/{}", first.text("id"));
    let second = bench.call_with("PATCH", &path, json!({ "summary": "Two" }), &[("if-match", &first.text("etag"))]);
    assert_eq!((second.status, second.text("summary").as_str()), (200, "Two"));
    let stale = bench.call_with("PUT", &path, hour("Three"), &[("if-match", &first.text("etag"))]);
    assert_eq!((stale.status, stale.reason()), (412, "conditionNotMet"));
    assert_eq!(bench.call_with("DELETE", &path, Value::Null, &[("if-match", &first.text("etag"))]).status, 412);
    assert_eq!(bench.call_with("PUT", &path, hour("Three"), &[("if-match", "*")]).status, 200);
}

#[test]
fn reminders_alone_move_the_etag_and_not_the_time_of_change() {
    let mut bench = Bench::new();
    let first = bench.insert(hour("One"));
    let path = format!("{WORK}/{}", first.text("id"));
    let second =
        bench.call("PATCH", &path, json!({ "reminders": { "overrides": [{ "method": "popup", "minutes": 5 }] } }));
    assert_eq!(second.text("updated"), first.text("updated"));
    assert_ne!(second.text("etag"), first.text("etag"));
    assert_eq!(
        second.body["reminders"],
        json!({ "useDefault": false, "overrides": [{ "method": "popup", "minutes": 5 }] })
    );
    let third = bench.call("PATCH", &path, json!({ "location": "Here" }));
    assert_ne!(third.text("updated"), first.text("updated"));
}

#[test]
fn one_occurrence_is_changed_under_its_own_id() {
    let mut bench = Bench::new();
    let series = bench.insert(weekly("Group"));
    // The third falls after the change of clocks in neither zone: 9:00 in Los Angeles is 16:00 UTC.
    let path = format!("{WORK}/{}_20260324T160000Z", series.text("id"));
    let plain = bench.get(&path);
    assert_eq!(plain.text("recurringEventId"), series.text("id"));
    assert_eq!(plain.body["originalStartTime"]["dateTime"], "2026-03-24T12:00:00-04:00");
    let moved = bench.call("PATCH", &path, json!({ "start": { "dateTime": "2026-03-24T11:00:00-07:00" }, "end": { "dateTime": "2026-03-24T12:00:00-07:00" } }));
    assert_eq!(moved.status, 200, "{}", moved.body);
    assert_eq!(moved.body["originalStartTime"]["dateTime"], "2026-03-24T12:00:00-04:00");
    assert_eq!(
        bench.call("DELETE", &format!("{WORK}/{}_20260317T160000Z", series.text("id")), Value::Null).status,
        204
    );
    assert_eq!(bench.get(&format!("{WORK}/{}_20260318T160000Z", series.text("id"))).status, 404);
    let list = bench.get(WORK);
    let statuses: Vec<&str> =
        list.body["items"].as_array().unwrap().iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["confirmed", "confirmed", "cancelled"]);
    let removed = &list.body["items"][2];
    assert_eq!(
        removed.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["kind", "etag", "id", "status", "recurringEventId", "originalStartTime"]
    );
}

#[test]
fn a_day_becomes_an_hour_only_when_the_day_is_cleared() {
    let mut bench = Bench::new();
    let first = bench.insert(hour("One"));
    let path = format!("{WORK}/{}", first.text("id"));
    let day = json!({ "start": { "date": "2026-03-10" }, "end": { "date": "2026-03-11" } });
    assert_eq!(bench.call("PATCH", &path, day).reason(), "invalid");
    let day = json!({ "start": { "date": "2026-03-10", "dateTime": null }, "end": { "date": "2026-03-11", "dateTime": null } });
    let got = bench.call("PATCH", &path, day);
    assert_eq!(got.body["start"], json!({ "date": "2026-03-10" }));
    assert_eq!(got.body["sequence"], 1);
}

#[test]
fn an_update_clears_what_it_leaves_out_and_a_patch_does_not() {
    let mut bench = Bench::new();
    let mut body = hour("One");
    body["location"] = json!("Here");
    body["extendedProperties"] = json!({ "private": { "a": "1", "b": "2" } });
    let first = bench.insert(body);
    let path = format!("{WORK}/{}", first.text("id"));
    let patched = bench.call("PATCH", &path, json!({ "extendedProperties": { "private": { "a": null, "c": "3" } } }));
    assert_eq!(patched.body["extendedProperties"], json!({ "private": { "b": "2", "c": "3" } }));
    assert_eq!(patched.text("location"), "Here");
    let put = bench.call("PUT", &path, hour("One"));
    assert_eq!((put.body.get("location"), put.body.get("extendedProperties")), (None, None));
}
