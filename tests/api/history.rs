//! Versions: told, shown, put back; also from deletion, and when the calendar is gone.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::{House, redacted};

on_both! {
    every_state_is_told_and_can_come_back
    what_is_deleted_comes_back
    what_was_in_a_deleted_calendar_comes_back
}

async fn appointment(house: &House, more: Value) -> String {
    let mut body = json!({ "title": "One", "start": "2026-12-01", "client_id": "c-1" });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let made = house.make("/api/appointments", body).await;
    format!("/api/appointments/{}", made["id"].as_str().expect("an id"))
}

async fn every_state_is_told_and_can_come_back(house: House) {
    let path = appointment(&house, json!({})).await;
    let id = path.rsplit('/').next().expect("an id");
    let (text, name) = house.object(id).await;
    house.bench.clock.advance_ms(60_000);
    house.put("calendar", &name, &text.replace("SUMMARY:One", "SUMMARY:Two")).await;
    house.bench.clock.advance_ms(60_000);
    let change = json!({ "title": "Three", "client_id": "c-3" });
    let changed = house.ada("PATCH", &path).header("user-agent", "platform/2").json(&change).send().await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());

    let history = house.ada("GET", &format!("{path}/history")).send().await.json();
    insta::assert_snapshot!("history", redacted(&history));
    let part = house.ada("GET", &format!("{path}/history?limit=1&before=3")).send().await.json();
    assert_eq!((&part["items"][0]["version"], &part["total"], &part["next_before"]), (&json!(2), &json!(3), &json!(2)));
    let first = house.ada("GET", &format!("{path}/versions/1")).send().await.json();
    assert_eq!(
        (first["ics"].as_str(), &first["client_id"]),
        (Some(text.replace('\n', "\r\n").as_str()), &json!("c-1"))
    );
    assert_eq!(house.ada("GET", &format!("{path}/versions/4")).send().await.status, StatusCode::NOT_FOUND);

    let restore = |body: Value| house.ada("POST", &format!("{path}/restore")).json(&body).send();
    let back = restore(json!({ "version": 1 })).await;
    assert_eq!(back.status, StatusCode::OK, "{}", back.text());
    let back = back.json();
    assert_eq!((&back["title"], &back["client_id"], &back["version"]), (&json!("One"), &json!("c-1"), &json!(4)));
    assert_eq!(house.object(id).await.0, text);
    assert_eq!(restore(json!({})).await.json()["title"], "Three", "the state before");
    for (body, field) in [(json!({ "version": 99 }), "version"), (json!({ "calendar": "calendar" }), "calendar")] {
        assert_eq!(restore(body).await.problem(), (400, "bad_value".into(), field.into()));
    }
    let stale =
        house.ada("POST", &format!("{path}/restore")).header("if-match", "\"1-x\"").json(&json!({})).send().await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
}

async fn what_is_deleted_comes_back(house: House) {
    let path = appointment(&house, json!({})).await;
    let created = house.ada("GET", &path).send().await.json()["created"].clone();
    house.bench.clock.advance_ms(60_000);
    assert_eq!(house.ada("DELETE", &path).send().await.status, StatusCode::NO_CONTENT);
    let task = "BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:t\nSUMMARY:Task\nEND:VTODO\nEND:VCALENDAR\n";
    house.put("tasks", "t.ics", task).await;
    let deleted = house.ada("GET", "/api/appointments/deleted").send().await.json();
    insta::assert_snapshot!("deleted", redacted(&deleted));
    assert_eq!(house.ada("GET", &format!("{path}/history")).send().await.json()["total"], 2);

    let ask = || house.ada("POST", &format!("{path}/restore")).header("idempotency-key", "k").json(&json!({})).send();
    let back = ask().await;
    assert_eq!(back.status, StatusCode::OK, "{}", back.text());
    assert_eq!((&back.json()["title"], &back.json()["client_id"]), (&json!("One"), &json!("c-1")));
    assert_eq!(ask().await.body, back.body, "asked twice, restored once");
    let now = house.ada("GET", &path).send().await.json();
    assert_eq!((&now["version"], &now["created"]), (&json!(3), &created), "it is the one it was");
    assert_ne!(now["changed"], created);
    assert_eq!(house.ada("GET", "/api/appointments/deleted").send().await.json()["total"], 0);
}

async fn what_was_in_a_deleted_calendar_comes_back(house: House) {
    let calendar = house.make("/api/calendars", json!({ "name": "Work", "slug": "work" })).await;
    let path = appointment(&house, json!({ "calendar": "work" })).await;
    let other = appointment(&house, json!({ "calendar": "work", "title": "Other" })).await;
    let calendar = format!("/api/calendars/{}", calendar["id"].as_str().expect("an id"));
    assert_eq!(house.ada("DELETE", &calendar).send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.ada("GET", "/api/appointments/deleted?limit=1").send().await.json()["total"], 2);
    let back = house.ada("POST", &format!("{path}/restore")).json(&json!({})).send().await;
    assert_eq!((back.status, &back.json()["calendar_slug"]), (StatusCode::OK, &json!("calendar")));
    house.make("/api/calendars", json!({ "name": "New", "slug": "new" })).await;
    let back = house.ada("POST", &format!("{other}/restore")).json(&json!({ "calendar": "new" })).send().await;
    assert_eq!((back.status, &back.json()["calendar_slug"]), (StatusCode::OK, &json!("new")));
}
