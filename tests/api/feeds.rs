//! Feeds: made, shown, changed, rotated, revoked.

use axum::http::StatusCode;
use kalends::auth::Purpose;
use serde_json::{Value, json};

use crate::house::{BASE_URL, House, redacted};

on_both! {
    a_feed_opens_under_its_address_alone
    a_feed_says_what_it_shows
}

/// Whether a secret in an address opens a feed.
async fn opens(house: &House, url: &Value) -> bool {
    let url = url.as_str().expect("a URL");
    let secret = url.strip_prefix(&format!("{BASE_URL}/api/ics/")).expect("ours").trim_end_matches(".ics");
    let hash = house.gate.hash(Purpose::Feed, secret);
    house.bench.store.read().await.expect("a transaction").feed_by_hash(&hash).await.expect("a query").is_some()
}

async fn a_feed_opens_under_its_address_alone(house: House) {
    let ask = || {
        house
            .ada("POST", "/api/feeds")
            .header("idempotency-key", "k")
            .json(&json!({ "name": "Phone", "calendars": ["calendar"] }))
            .send()
    };
    let made = ask().await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(ask().await.body, made.body, "asked twice, made once");
    let made = made.json();
    insta::assert_snapshot!("feed", redacted(&made));
    assert!(opens(&house, &made["url"]).await);
    let path = format!("/api/feeds/{}", made["id"].as_str().expect("an id"));
    assert_eq!(house.ada("GET", &path).send().await.json()["url"], made["url"], "its owner can see it again");
    let qr = house.ada("GET", &format!("{path}/qr.svg")).send().await;
    assert_eq!((qr.status, qr.header("content-type")), (StatusCode::OK, "image/svg+xml"));
    assert!(qr.text().contains("<svg"));

    let rotated = house.ada("POST", &format!("{path}/rotate")).send().await.json();
    assert_ne!(rotated["url"], made["url"]);
    assert!(!opens(&house, &made["url"]).await && opens(&house, &rotated["url"]).await);
    assert_eq!(house.ada("DELETE", &path).send().await.status, StatusCode::NO_CONTENT);
    assert!(!opens(&house, &rotated["url"]).await);
    assert_eq!(house.ada("DELETE", &path).send().await.status, StatusCode::NO_CONTENT, "gone is gone");
    let revoked = house.ada("GET", &path).send().await.json();
    assert!(revoked["url"].is_null() && revoked["revoked_at"].is_string());
    assert_eq!(house.ada("POST", &format!("{path}/rotate")).send().await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.ada("GET", &format!("{path}/qr.svg")).send().await.status, StatusCode::NOT_FOUND);

    let mut tx = house.bench.store.read().await.expect("a transaction");
    let events = tx.audit_events(&house.ada.user.firm, 0, 100).await.expect("a query");
    let acts: Vec<&str> = events.iter().map(|e| e.act.action.as_str()).collect();
    assert_eq!(acts, ["feed_created", "feed_rotated", "feed_revoked"]);
    let secret = made["url"].as_str().and_then(|u| u.rsplit('/').next()).expect("a secret").trim_end_matches(".ics");
    assert!(events.iter().all(|e| !e.act.details.contains(secret)));
}

async fn a_feed_says_what_it_shows(house: House) {
    let body = json!({
        "name": "Shared", "kind": "free_busy", "privacy": "busy_only", "private": "omit", "window": "all",
        "filters": { "categories": ["Music"], "client_ids": ["c-1"] }, "expires_at": "2027-01-01T00:00:00Z",
    });
    let made = house.make("/api/feeds", body).await;
    let path = format!("/api/feeds/{}", made["id"].as_str().expect("an id"));
    let change = json!({ "name": "Mine", "window": { "days": { "back": 7, "ahead": 14 } }, "filters": {}, "expires_at": null, "calendars": ["tasks", "calendar"] });
    let changed = house.ada("PATCH", &path).json(&change).send().await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    insta::assert_snapshot!("changed_feed", redacted(&changed.json()));
    let unchanged = house.ada("PATCH", &path).json(&json!({})).send().await.json();
    assert_eq!(unchanged["calendars"], changed.json()["calendars"]);
    for (body, field) in [
        (json!({ "calendars": ["nobody"] }), "calendars[0]"),
        (json!({ "window": { "days": { "back": 4000, "ahead": 1 } } }), "window"),
        (json!({ "expires_at": "2026-11-21T07:59:59Z" }), "expires_at"),
        (json!({ "filters": { "categories": [""] } }), "filters.categories[0]"),
        (json!({ "filters": [] }), "filters"),
        (json!({ "name": " " }), "name"),
    ] {
        let refused = house.ada("PATCH", &path).json(&body).send().await;
        assert_eq!(refused.problem(), (400, "bad_value".into(), field.into()), "{body}");
    }
}
