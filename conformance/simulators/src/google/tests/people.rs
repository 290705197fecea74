//! People at the provider's own page, as their edits reach a client.

use serde_json::{Value, json};

use super::{Bench, NOW, WORK, hour, weekly};

const CALENDAR: &str = "work@group.calendar.google.com";

fn delta(bench: &mut Bench, token: &mut String) -> Vec<Value> {
    let got = bench.get(&format!("{WORK}?showDeleted=true&syncToken={token}"));
    *token = got.text("nextSyncToken");
    got.body["items"].as_array().unwrap().clone()
}

fn token(bench: &mut Bench) -> String {
    bench.get(&format!("{WORK}?showDeleted=true")).text("nextSyncToken")
}

fn said(items: &[Value]) -> Vec<(String, String)> {
    items
        .iter()
        .map(|item| (item["id"].as_str().unwrap().to_owned(), item["status"].as_str().unwrap().to_owned()))
        .collect()
}

fn pair(id: &str, status: &str) -> (String, String) {
    (id.to_owned(), status.to_owned())
}

#[test]
fn this_and_following_makes_a_second_series_and_rekeys_what_was_changed() {
    let mut bench = Bench::new();
    let id = bench.insert(weekly("Group")).text("id");
    bench
        .google
        .human(NOW, CALENDAR)
        .edit(&format!("{id}_20260331T160000Z"), &json!({ "summary": "Special" }))
        .unwrap();
    bench.google.human(NOW, CALENDAR).delete(&format!("{id}_20260317T160000Z")).unwrap();
    let mut token = token(&mut bench);
    let new = bench
        .google
        .human(NOW, CALENDAR)
        .split(&format!("{id}_20260324T160000Z"), &json!({ "summary": "Rest" }))
        .unwrap();
    assert_eq!(new, format!("{id}_R20260324T090000"));
    let items = delta(&mut bench, &mut token);
    assert_eq!(
        said(&items),
        [
            pair(&id, "confirmed"),
            pair(&format!("{id}_20260331T160000Z"), "cancelled"),
            pair(&new, "confirmed"),
            pair(&format!("{new}_20260331T160000Z"), "confirmed"),
        ]
    );
    assert_eq!(items[0]["recurrence"], json!(["RRULE:FREQ=WEEKLY;UNTIL=20260324T155959Z"]));
    assert_eq!(items[2]["recurrence"], json!(["RRULE:FREQ=WEEKLY;COUNT=3"]));
    assert_ne!(items[0]["iCalUID"], items[2]["iCalUID"]);
    assert_eq!(items[3]["summary"], "Special");
    let all = bench.google.occurrences(CALENDAR, 0, NOW * 2);
    let summaries: Vec<&str> = all.iter().map(|event| event["summary"].as_str().unwrap()).collect();
    assert_eq!(summaries, ["Group", "Rest", "Special", "Rest"]);
}

#[test]
fn moving_a_series_drops_the_exceptions_that_no_longer_fit() {
    let mut bench = Bench::new();
    let id = bench.insert(weekly("Group")).text("id");
    let changed = format!("{id}_20260331T160000Z");
    bench.google.human(NOW, CALENDAR).edit(&changed, &json!({ "summary": "Special" })).unwrap();
    let mut token = token(&mut bench);
    bench.google.human(NOW, CALENDAR).shift(&id, 3_600_000).unwrap();
    assert_eq!(said(&delta(&mut bench, &mut token)), [pair(&id, "confirmed"), pair(&changed, "cancelled")]);
    assert_eq!(bench.google.occurrences(CALENDAR, 0, NOW * 2).len(), 5);
    // Moved back, the occurrence is as the series has it.
    bench.google.human(NOW, CALENDAR).shift(&id, -3_600_000).unwrap();
    assert_eq!(bench.get(&format!("{WORK}/{changed}")).text("summary"), "Group");
}

#[test]
fn a_series_is_deleted_and_restored_with_its_exceptions() {
    let mut bench = Bench::new();
    let id = bench.insert(weekly("Group")).text("id");
    let (changed, removed) = (format!("{id}_20260331T160000Z"), format!("{id}_20260317T160000Z"));
    bench.google.human(NOW, CALENDAR).edit(&changed, &json!({ "summary": "Special" })).unwrap();
    bench.google.human(NOW, CALENDAR).delete(&removed).unwrap();
    let before = bench.google.occurrences(CALENDAR, 0, NOW * 2).len();
    let mut token = token(&mut bench);
    bench.google.human(NOW, CALENDAR).delete(&id).unwrap();
    assert_eq!(said(&delta(&mut bench, &mut token)), [pair(&id, "cancelled"), pair(&changed, "cancelled")]);
    bench.google.human(NOW, CALENDAR).restore(&id).unwrap();
    assert_eq!(
        said(&delta(&mut bench, &mut token)),
        [pair(&id, "confirmed"), pair(&removed, "cancelled"), pair(&changed, "confirmed")]
    );
    assert_eq!(bench.google.occurrences(CALENDAR, 0, NOW * 2).len(), before);
}

#[test]
fn a_moved_event_is_gone_here_and_new_there() {
    let mut bench = Bench::new();
    let event = bench.insert(hour("Lunch"));
    let mut token = token(&mut bench);
    bench.google.human(NOW, CALENDAR).move_to(&event.text("id"), "ada@example.com").unwrap();
    assert_eq!(said(&delta(&mut bench, &mut token)), [pair(&event.text("id"), "cancelled")]);
    let there = bench.get(&format!("/calendar/v3/calendars/primary/events/{}", event.text("id")));
    assert_eq!(there.text("iCalUID"), event.text("iCalUID"));
    assert_eq!(there.body["organizer"]["email"], "ada@example.com");
}

#[test]
fn an_invitation_reaches_the_guest_and_the_answer_comes_back() {
    let mut bench = Bench::new();
    let mut body = hour("Meeting");
    body["attendees"] = json!([{ "email": "bob@example.com" }, { "email": "eve@elsewhere.example" }]);
    let id = bench.call("POST", "/calendar/v3/calendars/primary/events?sendUpdates=externalOnly", body).text("id");
    let to: Vec<&str> = bench.google.mails().iter().map(|mail| mail.recipient.as_str()).collect();
    assert_eq!(to, ["eve@elsewhere.example"]);
    let copy = bench.google.event("bob@example.com", &id).unwrap();
    assert_eq!(copy["organizer"], json!({ "email": "ada@example.com" }));
    bench.google.human(NOW, "bob@example.com").respond(&id, "accepted").unwrap();
    let own = bench.google.event("ada@example.com", &id).unwrap();
    assert_eq!(own["attendees"][0]["responseStatus"], "accepted");
    // A guest changes nothing that all share.
    bench.token = bench.google.grant(NOW, "bob@example.com", "client", &["calendar"]).access_token;
    let path = format!("/calendar/v3/calendars/primary/events/{id}");
    let refused = bench.call("PATCH", &path, json!({ "summary": "Mine" }));
    assert_eq!((refused.status, refused.reason()), (403, "forbiddenForNonOrganizer"));
    assert_eq!(bench.call("PATCH", &path, json!({ "colorId": "3", "transparency": "transparent" })).status, 200);
    bench.call("DELETE", &path, Value::Null);
    assert_eq!(bench.google.event("ada@example.com", &id).unwrap()["attendees"][0]["responseStatus"], "declined");
    // And when the organizer deletes, the copies go.
    bench.google.human(NOW, "ada@example.com").delete(&id).unwrap();
    assert!(bench.google.events("bob@example.com").is_empty());
}

#[test]
fn a_copy_carries_what_programs_noted_and_days_become_hours() {
    let mut bench = Bench::new();
    let mut body = hour("Marked");
    body["extendedProperties"] = json!({ "private": { "origin": "us" } });
    let id = bench.insert(body).text("id");
    let copy = bench.google.human(NOW, CALENDAR).copy(&id, 86_400_000).unwrap();
    let shown = bench.google.event(CALENDAR, &copy).unwrap();
    assert_eq!(shown["extendedProperties"]["private"]["origin"], "us");
    assert_ne!(shown["iCalUID"], json!(format!("{id}@google.com")));
    let mut human = bench.google.human(NOW, CALENDAR);
    human.move_time(&copy, &json!({ "date": "2026-03-12" }), &json!({ "date": "2026-03-13" })).unwrap();
    assert_eq!(human.show(&copy).unwrap()["start"], json!({ "date": "2026-03-12" }));
    let hour = json!({ "dateTime": "2026-03-12T09:00:00", "timeZone": "UTC" });
    human.move_time(&copy, &hour, &hour).unwrap();
    assert_eq!(human.show(&copy).unwrap()["start"]["dateTime"], "2026-03-12T05:00:00-04:00");
}
