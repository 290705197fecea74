//! The page to edit by hand.

use bytes::Bytes;
use http::Request;

use super::{super::Outcome, Bench, weekly};

const PAGE: &str = "/c/work%40group%2Ecalendar%2Egoogle%2Ecom";
const CALENDAR: &str = "work@group.calendar.google.com";

fn page(bench: &mut Bench, path: &str) -> String {
    let Outcome::Answer(response) = bench.google.handle(bench.now_ms, &Request::get(path).body(Bytes::new()).unwrap())
    else {
        panic!()
    };
    assert_eq!(response.status(), 200, "{path}");
    String::from_utf8(response.body().to_vec()).unwrap()
}

fn post(bench: &mut Bench, path: &str, form: &str) -> u16 {
    let request = Request::post(path).body(Bytes::from(form.to_owned())).unwrap();
    let Outcome::Answer(response) = bench.google.handle(bench.now_ms, &request) else { panic!() };
    response.status().as_u16()
}

#[test]
fn an_event_is_made_changed_deleted_and_restored() {
    let mut bench = Bench::new();
    assert!(page(&mut bench, "/").contains(PAGE));
    let form = "title=%3CLunch%3E&day=2027-01-20&from=12:00&to=13:00&zone=Europe/Berlin&repeat=&rule=&location=&notes=";
    assert_eq!(post(&mut bench, PAGE, form), 302);
    assert!(page(&mut bench, PAGE).contains("&lt;Lunch&gt;"));
    let id = bench.google.events(CALENDAR)[0]["id"].as_str().unwrap().to_owned();
    let event = format!("{PAGE}/e/{id}");
    assert!(page(&mut bench, &event).contains("value=\"12:00\""));
    assert_eq!(post(&mut bench, &event, &form.replace("&from=12:00", "&all_day=1")), 302);
    assert_eq!(bench.google.events(CALENDAR)[0]["start"]["date"], "2027-01-20");
    assert_eq!(post(&mut bench, &event, "action=delete"), 302);
    assert!(page(&mut bench, PAGE).contains("Deleted"));
    assert!(page(&mut bench, &event).contains("Restore"));
    assert_eq!(post(&mut bench, &event, "action=restore"), 302);
    assert_eq!(bench.google.events(CALENDAR).len(), 1);
    assert_eq!(post(&mut bench, &event, "action=move&to=ada%40example.com"), 302);
    assert_eq!(bench.google.events("ada@example.com").len(), 1);
    assert_eq!(post(&mut bench, PAGE, "title=x"), 400);
}

#[test]
fn one_occurrence_or_all_that_follow() {
    let mut bench = Bench::new();
    let id = bench.insert(weekly("Group")).text("id");
    assert!(page(&mut bench, &format!("{PAGE}/e/{id}")).contains("20260317T160000Z"));
    let form = "title=Other&day=2026-03-17&from=10:00&to=11:00&zone=America/Los_Angeles&location=&notes=";
    assert_eq!(post(&mut bench, &format!("{PAGE}/e/{id}_20260317T160000Z"), &format!("{form}&action=save")), 302);
    assert_eq!(bench.google.event(CALENDAR, &format!("{id}_20260317T160000Z")).unwrap()["summary"], "Other");
    let form = form.replace("03-17", "03-24");
    assert_eq!(post(&mut bench, &format!("{PAGE}/e/{id}_20260324T160000Z"), &format!("{form}&action=following")), 302);
    assert!(bench.google.event(CALENDAR, &format!("{id}_R20260324T090000")).is_some());
    assert_eq!(post(&mut bench, &format!("{PAGE}/e/{id}_20260310T160000Z"), "action=delete"), 302);
    assert_eq!(bench.google.occurrences(CALENDAR, 0, i64::MAX / 2).len(), 4);
}

#[test]
fn saving_keeps_what_the_form_does_not_show() {
    let mut bench = Bench::new();
    let mut body = weekly("Group");
    body["recurrence"] = serde_json::json!(["RRULE:FREQ=WEEKLY", "EXDATE;TZID=America/Los_Angeles:20260317T090000"]);
    let id = bench.insert(body).text("id");
    let mut form =
        "title=Other&day=2026-03-10&from=09:00&to=10:00&zone=America/Los_Angeles&rule=&repeat=RRULE:FREQ%3DWEEKLY"
            .to_owned();
    assert_eq!(post(&mut bench, &format!("{PAGE}/e/{id}"), &form), 302);
    assert_eq!(bench.google.event(CALENDAR, &id).unwrap()["recurrence"].as_array().unwrap().len(), 2);
    form.push_str("%3BCOUNT%3D3");
    assert_eq!(post(&mut bench, &format!("{PAGE}/e/{id}"), &form), 302);
    assert_eq!(
        bench.google.event(CALENDAR, &id).unwrap()["recurrence"],
        serde_json::json!(["RRULE:FREQ=WEEKLY;COUNT=3"])
    );
    assert!(bench.google.requests_as_lines().starts_with("{\"method\":\"POST\",\"path\":\"/calendar/v3/"));
}

#[test]
fn a_form_of_another_site_does_nothing() {
    let mut bench = Bench::new();
    let request = Request::post(PAGE).header("origin", "https://evil.example").header("host", "127.0.0.1:1");
    let Outcome::Answer(response) = bench.google.handle(0, &request.body(Bytes::new()).unwrap()) else { panic!() };
    assert_eq!(response.status(), 403);
}
