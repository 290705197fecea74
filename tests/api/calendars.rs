//! The caller's calendars.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::{House, redacted};

on_both! {
    calendars_are_made_changed_and_deleted
    a_calendar_is_guarded_by_its_tag
}

async fn calendars_are_made_changed_and_deleted(house: House) {
    let list = house.ada("GET", "/api/calendars").send().await.json();
    insta::assert_snapshot!("calendars", redacted(&list));
    let body = json!({
        "name": "Ünterricht", "slug": "unter richt", "description": "What I teach", "color": "#4C6EF5", "order": 3,
        "components": ["event", "todo"], "transparent": true,
    });
    let made = house.make("/api/calendars", body.clone()).await;
    insta::assert_snapshot!("calendar", redacted(&made));
    let taken = house.ada("POST", "/api/calendars").json(&body).send().await;
    assert_eq!(taken.problem(), (409, "name_taken".into(), "slug".into()));
    let nameless = house.make("/api/calendars", json!({ "name": "No slug" })).await;
    assert_eq!(nameless["components"], json!(["event"]));

    let path = format!("/api/calendars/{}", made["id"].as_str().expect("an id"));
    let change =
        json!({ "name": "Lessons", "slug": "lessons", "description": null, "color": null, "transparent": false });
    let changed = house.ada("PATCH", &path).json(&change).send().await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let changed = changed.json();
    assert_eq!(
        (&changed["name"], &changed["slug"], &changed["description"], &changed["order"]),
        (&json!("Lessons"), &json!("lessons"), &Value::Null, &json!(3))
    );
    assert_eq!(house.ada("GET", &path).send().await.json(), changed);
    let taken = house.ada("PATCH", &path).json(&json!({ "slug": "tasks" })).send().await;
    assert_eq!(taken.problem(), (409, "name_taken".into(), "slug".into()));
    for slug in ["inbox", "a/b", "019aa0f3-9a6e-7c2e-a3c4-111111111111"] {
        let refused = house.ada("PATCH", &path).json(&json!({ "slug": slug })).send().await;
        assert_eq!(refused.problem(), (400, "bad_value".into(), "slug".into()), "{slug}");
    }
    assert_eq!(house.ada("DELETE", &path).send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.ada("GET", &path).send().await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.ada("GET", "/api/calendars?limit=1&offset=2").send().await.json()["total"], 3);
}

async fn a_calendar_is_guarded_by_its_tag(house: House) {
    let made = house.make("/api/calendars", json!({ "name": "Work", "slug": "work" })).await;
    let path = format!("/api/calendars/{}", made["id"].as_str().expect("an id"));
    let tag = made["etag"].as_str().expect("a tag");
    let same = house.ada("GET", &path).header("if-none-match", tag).send().await;
    assert_eq!(same.status, StatusCode::NOT_MODIFIED);
    house.make("/api/appointments", json!({ "start": "2026-12-01", "calendar": "work" })).await;
    let stale = house.ada("DELETE", &path).header("if-match", tag).send().await;
    assert_eq!(stale.problem().0, 412, "something came into it");
    let stale = house.ada("PATCH", &path).header("if-match", tag).json(&json!({ "name": "x" })).send().await;
    assert_eq!(stale.problem().0, 412);
}
