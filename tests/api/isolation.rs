//! Nobody finds anything of another user or firm, not even that it is there. Walks every operation of the document, so
//! that a new one is judged by being there.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::document::operations;
use crate::house::{Guest, House};

on_both! {
    every_operation_asks_who_it_is
    nothing_of_another_is_found_or_changed
}

/// One thing of every kind, all ada's: the paths they are under.
struct Things {
    paths: Vec<(&'static str, String)>,
}

async fn things(house: &House) -> Things {
    let made = |value: Value| value["id"].as_str().expect("an id").to_owned();
    let appointment = made(
        house.make("/api/appointments", json!({ "title": "Secret", "start": "2026-12-01", "client_id": "hush" })).await,
    );
    let deleted = made(house.make("/api/appointments", json!({ "title": "Gone", "start": "2026-12-01" })).await);
    house.ada("DELETE", &format!("/api/appointments/{deleted}")).send().await;
    let synced = crate::sync::synced(house, &house.ada).await;
    Things {
        paths: vec![
            ("/api/schedule/sync/history/", synced.run.as_str().to_owned()),
            ("/api/schedule/sync/notices/", synced.notice.as_str().to_owned()),
            ("/api/appointments/", appointment),
            ("/api/appointments/", deleted),
            (
                "/api/calendars/",
                made(house.make("/api/calendars", json!({ "name": "Secret", "slug": "secret" })).await),
            ),
            ("/api/feeds/", made(house.make("/api/feeds", json!({ "name": "Secret" })).await)),
            ("/api/app-passwords/", made(house.make("/api/app-passwords", json!({ "name": "Secret" })).await)),
            (
                "/api/tokens/",
                made(house.make("/api/tokens", json!({ "name": "Secret", "scopes": ["appointments"] })).await),
            ),
        ],
    }
}

/// Everything of ada's there is, as the export and the lists tell it.
async fn state(house: &House) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in [
        "/api/appointments",
        "/api/appointments/deleted",
        "/api/calendars",
        "/api/feeds",
        "/api/app-passwords",
        "/api/me",
        "/api/schedule/sync/status",
        "/api/schedule/sync/history",
        "/api/schedule/sync/conflicts?status=all",
        "/api/schedule/sync/notices?seen=true",
    ] {
        seen.push(house.ada("GET", path).send().await.json());
    }
    seen
}

fn document(house: &House) -> impl Future<Output = Value> {
    let answer = house.ask("GET", "/api/openapi.json").send();
    async move { answer.await.json() }
}

async fn every_operation_asks_who_it_is(house: House) {
    let things = things(&house).await;
    let before = state(&house).await;
    let mut seen = 0;
    for (verb, path, _) in operations(&document(&house).await) {
        for (_, id) in &things.paths {
            let path = path.replace("{id}", id).replace("{number}", "1");
            let answer = house.ask(&verb, &path).json(&json!({})).send().await;
            assert_eq!(answer.problem(), (401, "not_signed_in".into(), String::new()), "{verb} {path}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            let answer = house.ask(&verb, &path).bearer(&"A".repeat(43)).json(&json!({})).send().await;
            // Guessing is slowed down on the way.
            assert!(matches!(answer.status.as_u16(), 401 | 429), "{verb} {path}: {}", answer.text());
            seen += 1;
        }
    }
    assert!(seen > 100);
    // Whoever has a right to is not kept waiting by another address only; ada shares hers here.
    house.bench.clock.advance_ms(3_600_000);
    assert_eq!(state(&house).await, before);
}

/// A body with which the operation would do something to a thing of one's own.
fn body(path: &str) -> Value {
    match path {
        "/api/appointments/{id}" => json!({ "title": "Mine now" }),
        "/api/calendars/{id}" => json!({ "name": "Mine now" }),
        "/api/feeds/{id}" => json!({ "privacy": "details" }),
        _ => json!({}),
    }
}

async fn nothing_of_another_is_found_or_changed(house: House) {
    let things = things(&house).await;
    let before = state(&house).await;
    let nobody = "019aa0f3-9a6e-7c2e-a3c4-111111111111";
    let mut asked = 0;
    for (verb, path, _) in operations(&document(&house).await) {
        for stranger in [&house.bob, &house.mia, &house.eve] {
            if path.starts_with("/api/calendar/admin/") {
                continue; // managers look at others there: `admin` has who may and what is found
            }
            if !path.contains("{id}") {
                lists_show_nothing(&house, stranger, &verb, &path).await;
                continue;
            }
            for (prefix, id) in &things.paths {
                if !path.starts_with(prefix) {
                    continue;
                }
                let ask = |id: &str| {
                    let path = path.replace("{id}", id).replace("{number}", "1");
                    house.ask(&verb, &path).as_(stranger).json(&body(&path.replace(id, "{id}"))).send()
                };
                let (of_another, of_nobody) = (ask(id).await, ask(nobody).await);
                assert_eq!(of_another.status, StatusCode::NOT_FOUND, "{verb} {path}: {}", of_another.text());
                assert_eq!(of_another.body, of_nobody.body, "{verb} {path}");
                assert_eq!(of_another.headers, of_nobody.headers, "{verb} {path}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 3 * 20, "{asked}");
    for stranger in [&house.bob, &house.mia, &house.eve] {
        names_of_another_are_names_of_nothing(&house, stranger, &things).await;
    }
    assert_eq!(state(&house).await, before);
}

async fn lists_show_nothing(house: &House, stranger: &Guest, verb: &str, path: &str) {
    if verb != "GET" {
        return;
    }
    let query = if path == "/api/availability" { "?staff=bob&from=2026-12-01&to=2026-12-02" } else { "" };
    let answer = house.ask(verb, &format!("{path}{query}")).as_(stranger).send().await;
    for secret in ["Secret", "Gone", "hush", house.ada.user.id.as_str()] {
        assert!(!answer.text().contains(secret), "{path} tells {secret}");
    }
}

/// Things of another that a body or a query names.
async fn names_of_another_are_names_of_nothing(house: &House, stranger: &Guest, things: &Things) {
    let calendar = things.paths.iter().find(|(p, _)| *p == "/api/calendars/").map(|(_, id)| id.as_str()).expect("one");
    for (verb, path, body) in [
        ("POST", "/api/appointments".to_owned(), json!({ "start": "2026-12-01", "calendar": calendar })),
        ("POST", "/api/appointments".to_owned(), json!({ "start": "2026-12-01", "calendar": "secret" })),
        ("POST", "/api/feeds".to_owned(), json!({ "name": "x", "calendars": [calendar] })),
        ("GET", format!("/api/appointments?calendar={calendar}"), json!({})),
        ("GET", "/api/appointments?calendar=secret".to_owned(), json!({})),
    ] {
        let answer = house.ask(verb, &path).as_(stranger).json(&body).send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{verb} {path}: {}", answer.text());
        assert!(answer.text().contains("there is no such calendar"), "{}", answer.text());
    }
}
