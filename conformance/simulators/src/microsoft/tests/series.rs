//! Series: occurrences, exceptions, cancelled ones, views, instances.

use serde_json::{Value, json};

use super::{Bench, EVENTS, WORK, event_path, weekly};

const WINDOW: &str = "startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-05-01T00:00:00Z";

fn instances(bench: &mut Bench, id: &str) -> Vec<Value> {
    let got = bench.get(&format!("{}/instances?{WINDOW}", event_path(id)));
    assert_eq!(got.status, 200, "{}", got.body);
    got.values().to_vec()
}

#[test]
fn a_series_stands_in_the_list_and_its_occurrences_in_the_view() {
    let mut bench = Bench::new();
    let made = bench.create(weekly("Group"));
    assert_eq!(made.body["type"], "seriesMaster");
    assert_eq!(made.body["recurrence"]["pattern"]["dayOfMonth"], 0);
    assert_eq!(bench.get(EVENTS).all("type"), ["seriesMaster"]);
    let view = bench.get(&format!("/v1.0/me/calendars/{WORK}/calendarView?{WINDOW}"));
    assert_eq!(view.all("type"), ["occurrence"; 5]);
    // The hour stays on the wall over the change of clocks.
    let times: Vec<&str> = view.values().iter().map(|one| one["start"]["dateTime"].as_str().unwrap()).collect();
    assert_eq!((&times[0][..16], &times[4][..16]), ("2026-03-10T08:00", "2026-04-07T07:00"));
    assert_eq!(view.values()[1]["seriesMasterId"], made.body["id"]);
    assert_ne!(view.values()[1]["iCalUId"], made.body["iCalUId"]);
    assert_eq!(view.values()[1]["originalStart"], "2026-03-17T08:00:00.0000000Z");
}

#[test]
fn an_occurrence_becomes_an_exception_and_the_masters_change_key_moves() {
    let mut bench = Bench::new();
    let made = bench.create(weekly("Group"));
    let (id, path) = (made.text("id"), event_path(&made.text("id")));
    let second = instances(&mut bench, &id)[1]["id"].as_str().unwrap().to_owned();
    let changed = bench.call("PATCH", &event_path(&second), json!({ "subject": "Other" }));
    assert_eq!((changed.text("type").as_str(), changed.text("id")), ("exception", second.clone()));
    let master = bench.get(&path);
    assert_ne!(master.body["changeKey"], made.body["changeKey"]);
    assert_eq!(master.body["subject"], "Group");
    let third = instances(&mut bench, &id)[2]["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.call("DELETE", &event_path(&third), Value::Null).status, 204);
    assert_eq!(bench.get(&event_path(&third)).status, 404);
    let whole = bench.get(&format!(
        "{path}?$select=subject,cancelledOccurrences&$expand=exceptionOccurrences($select=id,subject,originalStart)"
    ));
    assert_eq!(whole.body["cancelledOccurrences"], json!([format!("OID.{id}.2026-03-24")]));
    assert_eq!(whole.body["exceptionOccurrences"][0]["subject"], "Other");
    assert!(whole.body["exceptionOccurrences"][0].get("start").is_none());
    // What the exception does not override is the series'.
    bench.call("PATCH", &path, json!({ "showAs": "free", "subject": "New" }));
    let exception = bench.get(&event_path(&second));
    assert_eq!((exception.text("subject").as_str(), exception.text("showAs").as_str()), ("Other", "free"));
    // Another time for the series: its exceptions are gone.
    let moved = json!({
        "start": { "dateTime": "2026-03-10T11:00:00", "timeZone": "Europe/Berlin" }, "end": { "dateTime": "2026-03-10T12:00:00", "timeZone": "Europe/Berlin" },
    });
    assert_eq!(bench.call("PATCH", &path, moved).status, 200);
    assert!(instances(&mut bench, &id).iter().all(|one| one["type"] == "occurrence"));
    assert_eq!(instances(&mut bench, &id).len(), 5);
}

#[test]
fn an_occurrence_stays_between_its_neighbours() {
    let mut bench = Bench::new();
    let id = bench.create(weekly("Group")).text("id");
    let second = instances(&mut bench, &id)[1]["id"].as_str().unwrap().to_owned();
    let to = |day: &str| {
        let at = |hour: &str| json!({ "dateTime": format!("2026-03-{day}T{hour}:00:00"), "timeZone": "Europe/Berlin" });
        json!({ "start": at("09"), "end": at("10") })
    };
    for day in ["10", "09", "24", "25"] {
        let refused = bench.call("PATCH", &event_path(&second), to(day));
        assert_eq!((refused.status, refused.code()), (400, "ErrorOccurrenceCrossingBoundary"), "{day}");
    }
    for day in ["11", "23"] {
        assert_eq!(bench.call("PATCH", &event_path(&second), to(day)).status, 200, "{day}");
    }
}

#[test]
fn a_series_becomes_a_single_event_and_back() {
    let mut bench = Bench::new();
    let path = event_path(&bench.create(weekly("Group")).text("id"));
    let single = bench.call("PATCH", &path, json!({ "recurrence": null }));
    assert_eq!((single.text("type").as_str(), &single.body["recurrence"]), ("singleInstance", &Value::Null));
    let series = bench.call("PATCH", &path, json!({ "recurrence": weekly("")["recurrence"] }));
    assert_eq!(series.text("type"), "seriesMaster");
    let mut wrong = weekly("")["recurrence"].clone();
    wrong["range"]["startDate"] = json!("2026-03-11");
    assert_eq!(bench.call("PATCH", &path, json!({ "recurrence": wrong })).status, 400);
    assert_eq!(bench.get(&format!("{path}/instances")).status, 400);
}

#[test]
fn a_view_is_at_most_1825_days_wide_and_paged() {
    let mut bench = Bench::new();
    bench.create(weekly("Group"));
    let view = |from: &str, to: &str| {
        format!("/v1.0/me/calendars/{WORK}/calendarView?startDateTime={from}&endDateTime={to}&$top=2")
    };
    let refused = bench.get(&view("2026-01-01", "2031-01-01"));
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("Maximum number of days: 1825"));
    let mut path = view("2026-01-01", "2030-12-30");
    let mut count = Vec::new();
    while !path.is_empty() {
        let got = bench.get(&path);
        count.push(got.values().len());
        path = got.next();
    }
    assert_eq!(count, [2, 2, 1]);
    assert_eq!(bench.get(&format!("/v1.0/me/calendars/{WORK}/calendarView")).status, 400);
    assert_eq!(bench.get(&view("2026-02-01", "2026-01-01")).status, 400);
}

#[test]
fn a_list_may_have_the_exceptions_too() {
    let mut bench = Bench::new();
    let id = bench.create(weekly("Group")).text("id");
    let second = instances(&mut bench, &id)[1]["id"].as_str().unwrap().to_owned();
    bench.call("PATCH", &event_path(&second), json!({ "subject": "Other" }));
    assert_eq!(bench.get(EVENTS).all("type"), ["seriesMaster"]);
    bench.microsoft.settings_mut().list_exceptions = true;
    let listed = bench.get(EVENTS);
    assert_eq!(listed.all("type"), ["seriesMaster", "exception"]);
    assert_eq!(listed.values()[1]["seriesMasterId"], listed.values()[0]["id"]);
}

#[test]
fn a_recurrence_that_is_written_again_brings_back_what_was_taken_away() {
    for (resets, count) in [(true, 5), (false, 4)] {
        let mut bench = Bench::new();
        bench.microsoft.settings_mut().rewriting_resets = resets;
        let id = bench.create(weekly("Group")).text("id");
        let second = instances(&mut bench, &id)[1]["id"].as_str().unwrap().to_owned();
        bench.call("DELETE", &event_path(&second), Value::Null);
        assert_eq!(
            bench.call("PATCH", &event_path(&id), json!({ "recurrence": weekly("")["recurrence"] })).status,
            200
        );
        assert_eq!(instances(&mut bench, &id).len(), count);
    }
}
