//! Single instances of a series: read, changed, left out.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::{Answer, House, masked};

on_both! {
    one_instance_is_changed_and_the_others_are_not
    one_instance_is_left_out
    what_belongs_to_the_series_is_no_instances
}

async fn weekly(house: &House) -> String {
    let made = house
        .make(
            "/api/appointments",
            json!({
                "title": "Piano", "start": "2026-12-01T10:00:00", "end": "2026-12-01T11:00:00", "time_zone": "Europe/Berlin",
                "recurrence": { "rrule": ["FREQ=WEEKLY;COUNT=4"] }, "reminders": [15],
            }),
        )
        .await;
    format!("/api/appointments/{}", made["id"].as_str().expect("an id"))
}

const SECOND: &str = "recurrence_id=2026-12-08T10:00:00%2B01:00";

async fn starts(house: &House) -> Vec<String> {
    let page = house.ada("GET", "/api/appointments?expand=true&from=2026-12-01&to=2027-01-01").send().await.json();
    let items = page["items"].as_array().expect("items");
    items.iter().map(|i| format!("{} {}", i["title"], i["start"]).replace('"', "")).collect()
}

async fn change(house: &House, path: &str, body: Value) -> Answer {
    let answer = house.ada("PATCH", path).json(&body).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{body}: {}", answer.text());
    answer
}

async fn one_instance_is_changed_and_the_others_are_not(house: House) {
    let path = weekly(&house).await;
    let second = format!("{path}?{SECOND}");
    let read = house.ada("GET", &second).send().await.json();
    assert_eq!((&read["start"], &read["recurrence"]), (&json!("2026-12-08T10:00:00+01:00"), &Value::Null));
    let moved = json!({ "start": "2026-12-09T15:00:00", "end": "2026-12-09T16:00:00", "title": "Late" });
    let changed = change(&house, &second, moved).await.json();
    assert_eq!(
        (&changed["start"], &changed["recurrence_id"], &changed["version"]),
        (&json!("2026-12-09T15:00:00+01:00"), &json!("2026-12-08T10:00:00+01:00"), &json!(2))
    );
    assert_eq!(
        starts(&house).await,
        [
            "Piano 2026-12-01T10:00:00+01:00",
            "Late 2026-12-09T15:00:00+01:00",
            "Piano 2026-12-15T10:00:00+01:00",
            "Piano 2026-12-22T10:00:00+01:00",
        ]
    );
    // It goes by its old name, also where it was moved to, and is one override however often it is changed.
    let again = change(&house, &second, json!({ "notes": "x", "reminders": [] })).await.json();
    assert_eq!((&again["title"], &again["notes"], &again["reminders"]), (&json!("Late"), &json!("x"), &json!([])));
    let id = path.rsplit('/').next().expect("an id");
    let (text, _) = house.object(id).await;
    assert_eq!((text.matches("BEGIN:VEVENT").count(), text.matches("RRULE:FREQ=WEEKLY").count()), (2, 1), "{text}");
    insta::assert_snapshot!("override_ics", masked(&text));

    // A series that begins at another time takes it along, in its place among the days.
    change(&house, &path, json!({ "start": "2026-12-01T09:00:00", "end": "2026-12-01T10:00:00" })).await;
    assert_eq!(starts(&house).await[1], "Late 2026-12-09T15:00:00+01:00");
    assert_eq!(house.ada("GET", &second).send().await.problem(), (404, "not_found".into(), "recurrence_id".into()));
    let renamed = house.ada("GET", &format!("{path}?recurrence_id=2026-12-08T09:00:00")).send().await;
    assert_eq!(renamed.json()["title"], "Late", "a local time is in the zone of the series");
}

async fn one_instance_is_left_out(house: House) {
    let path = weekly(&house).await;
    change(&house, &format!("{path}?{SECOND}"), json!({ "title": "Late" })).await;
    for id in [SECOND, "recurrence_id=2026-12-15T09:00:00Z"] {
        let deleted = house.ada("DELETE", &format!("{path}?{id}")).send().await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{}", deleted.text());
        let again = house.ada("DELETE", &format!("{path}?{id}")).send().await;
        assert_eq!(again.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(starts(&house).await, ["Piano 2026-12-01T10:00:00+01:00", "Piano 2026-12-22T10:00:00+01:00"]);
    let whole = house.ada("GET", &path).send().await.json();
    assert_eq!(whole["recurrence"]["exdate"], json!(["2026-12-08T10:00:00+01:00", "2026-12-15T10:00:00+01:00"]));
}

async fn what_belongs_to_the_series_is_no_instances(house: House) {
    let path = weekly(&house).await;
    for field in ["recurrence", "calendar", "client_id"] {
        let refused = house.ada("PATCH", &format!("{path}?{SECOND}")).json(&json!({ field: null })).send().await;
        let calendar = if field == "calendar" { json!({ "calendar": "calendar" }) } else { json!({ field: null }) };
        let refused = if field == "calendar" {
            house.ada("PATCH", &format!("{path}?{SECOND}")).json(&calendar).send().await
        } else {
            refused
        };
        assert_eq!(refused.problem(), (400, "bad_value".into(), field.into()));
    }
    let single = house.make("/api/appointments", json!({ "start": "2026-12-08" })).await;
    let path = format!("/api/appointments/{}?recurrence_id=2026-12-08", single["id"].as_str().expect("an id"));
    assert_eq!(house.ada("GET", &path).send().await.status, StatusCode::NOT_FOUND, "there is no series");
}
