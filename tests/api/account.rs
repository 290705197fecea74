//! The account: app passwords, tokens, the profile, the export; and who may not touch them.

use axum::http::StatusCode;
use base64::Engine;
use kalends::domain::access::Scope;
use serde_json::{Value, json};

use crate::house::{House, redacted};

on_both! {
    an_app_password_works_until_it_is_revoked
    a_profile_sets_up_an_apple_device
    a_token_hands_on_no_more_than_it_has
    a_read_only_app_password_changes_nothing
    a_device_cannot_manage_the_account
    a_person_says_when_they_work
    everything_can_be_taken_along
}

fn basic(secret: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("ada:{secret}")))
}

async fn acts(house: &House) -> Vec<String> {
    let mut tx = house.bench.store.read().await.expect("a transaction");
    let events = tx.audit_events(&house.ada.user.firm, 0, 100).await.expect("a query");
    events.into_iter().map(|e| e.act.action).collect()
}

async fn an_app_password_works_until_it_is_revoked(house: House) {
    let ask = || {
        house.ada("POST", "/api/app-passwords").header("idempotency-key", "k").json(&json!({ "name": "Phone" })).send()
    };
    let made = ask().await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(ask().await.body, made.body, "asked twice, made once, and the secret is not lost");
    let made = made.json();
    insta::assert_snapshot!("app_password", redacted(&made));
    let secret = made["secret"].as_str().expect("a secret");
    let me = || house.ask("GET", "/api/me").header("authorization", &basic(secret)).send();
    assert_eq!(me().await.json()["name"], "ada");
    let listed = house.ada("GET", "/api/app-passwords").send().await;
    assert!(!listed.text().contains(secret), "shown once");
    assert!(listed.json()["items"][0]["last_used_at"].is_string());
    let path = format!("/api/app-passwords/{}", made["id"].as_str().expect("an id"));
    for _ in 0..2 {
        assert_eq!(house.ada("DELETE", &path).send().await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(me().await.problem(), (401, "wrong_credentials".into(), String::new()));
    assert_eq!(acts(&house).await, ["app_password_created", "app_password_revoked"]);
}

async fn a_profile_sets_up_an_apple_device(house: House) {
    let profile = house
        .ada("POST", "/api/app-passwords")
        .header("accept", "application/x-apple-aspen-config, */*;q=0.1")
        .json(&json!({ "name": "Phone" }))
        .send()
        .await;
    assert_eq!(
        (profile.status, profile.header("content-type")),
        (StatusCode::CREATED, "application/x-apple-aspen-config")
    );
    let text = profile.text();
    let begin = text.split("<key>CalDAVPassword</key><string>").nth(1).expect("a password");
    let secret = begin.split('<').next().expect("a password");
    let me = house.ask("GET", "/api/me").header("authorization", &basic(secret)).send().await;
    assert_eq!(me.json()["name"], "ada");
}

async fn a_token_hands_on_no_more_than_it_has(house: House) {
    let make = |token: String, scopes: Value| {
        house.ask("POST", "/api/tokens").bearer(&token).json(&json!({ "name": "t", "scopes": scopes })).send()
    };
    let narrow = house.token(&[Scope::Appointments]).await;
    let made = make(narrow.clone(), json!(["appointments", "appointments"])).await;
    assert_eq!(
        (made.status, &made.json()["scopes"]),
        (StatusCode::CREATED, &json!(["appointments"])),
        "{}",
        made.text()
    );
    let (id, secret) = (made.json()["id"].clone(), made.json()["secret"].clone());
    let me = house.ask("GET", "/api/me").bearer(secret.as_str().expect("a secret")).send().await;
    assert_eq!(me.status, StatusCode::OK);
    assert_eq!(
        make(narrow.clone(), json!(["appointments", "sync"])).await.problem(),
        (403, "scope_missing".into(), "scopes".into())
    );
    assert_eq!(make(narrow.clone(), json!([])).await.problem(), (400, "bad_value".into(), "scopes".into()));
    assert_eq!(
        make(house.ada.token.clone(), json!(["admin"])).await.problem(),
        (403, "scope_missing".into(), "scopes".into()),
        "ada is no manager"
    );
    assert_eq!(make(house.mia.token.clone(), json!(["admin"])).await.status, StatusCode::CREATED);

    let elsewhere = house.token(&[Scope::Sync]).await;
    assert_eq!(make(elsewhere.clone(), json!(["sync"])).await.problem().1, "scope_missing");
    let list = house.ask("GET", "/api/appointments").bearer(&elsewhere).send().await;
    assert_eq!(list.problem(), (403, "scope_missing".into(), String::new()));
    assert_eq!(house.ask("GET", "/api/me").bearer(&elsewhere).send().await.status, StatusCode::OK);

    let all = house.ask("GET", "/api/tokens").bearer(&narrow).send().await.json();
    let wide = all["items"]
        .as_array()
        .expect("items")
        .iter()
        .find(|t| t["scopes"].as_array().map(Vec::len) == Some(3))
        .expect("ada's");
    let path = |id: &Value| format!("/api/tokens/{}", id.as_str().expect("an id"));
    let refused = house.ask("DELETE", &path(&wide["id"])).bearer(&narrow).send().await;
    assert_eq!(refused.problem().1, "scope_missing");
    assert_eq!(house.ask("DELETE", &path(&id)).bearer(&narrow).send().await.status, StatusCode::NO_CONTENT);
    let gone = house.ask("GET", "/api/me").bearer(secret.as_str().expect("a secret")).send().await;
    assert_eq!(gone.problem().1, "wrong_credentials");
}

async fn a_read_only_app_password_changes_nothing(house: House) {
    let phone = house.app_password(true).await;
    let made = house.make("/api/appointments", json!({ "start": "2026-12-01" })).await;
    let path = format!("/api/appointments/{}", made["id"].as_str().expect("an id"));
    assert_eq!(house.ask("GET", &path).header("authorization", &phone).send().await.status, StatusCode::OK);
    for (method, path) in [
        ("POST", "/api/appointments"),
        ("PATCH", path.as_str()),
        ("DELETE", path.as_str()),
        ("POST", "/api/calendars"),
        ("PATCH", "/api/me"),
    ] {
        let answer = house
            .ask(method, path)
            .header("authorization", &phone)
            .json(&json!({ "start": "2026-12-01" }))
            .send()
            .await;
        assert_eq!(answer.problem(), (403, "read_only".into(), String::new()), "{method} {path}");
    }
}

async fn a_device_cannot_manage_the_account(house: House) {
    let phone = house.app_password(false).await;
    let made = house
        .ask("POST", "/api/appointments")
        .header("authorization", &phone)
        .json(&json!({ "start": "2026-12-01" }))
        .send()
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    for (method, path) in [
        ("GET", "/api/feeds"),
        ("POST", "/api/feeds"),
        ("GET", "/api/tokens"),
        ("POST", "/api/tokens"),
        ("POST", "/api/app-passwords"),
        ("PATCH", "/api/me"),
        ("GET", "/api/me/export"),
    ] {
        let answer = house.ask(method, path).header("authorization", &phone).json(&json!({ "name": "x" })).send().await;
        assert_eq!(answer.problem(), (403, "account_only".into(), String::new()), "{method} {path}");
    }
    assert_eq!(house.ask("GET", "/api/me").header("authorization", &phone).send().await.status, StatusCode::OK);
}

async fn a_person_says_when_they_work(house: House) {
    let me = house.ada("GET", "/api/me").send().await.json();
    insta::assert_snapshot!("me", redacted(&me));
    let change = json!({
        "display_name": "Ada L.", "email": null, "time_zone": "europe/berlin",
        "working_hours": { "mon": [["09:00", "12:00"], ["13:00", "24:00"]], "tue": [] },
    });
    let changed = house.ada("PATCH", "/api/me").json(&change).send().await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let changed = changed.json();
    assert_eq!((&changed["time_zone"], &changed["email"]), (&json!("Europe/Berlin"), &Value::Null));
    assert_eq!(house.ada("GET", "/api/me").send().await.json(), changed);
    for (body, field) in [
        (json!({ "time_zone": "Mars/Olympus" }), "time_zone"),
        (json!({ "email": "nobody" }), "email"),
        (json!({ "display_name": "" }), "display_name"),
        (json!({ "working_hours": { "mon": [["09:00", "08:00"]] } }), "working_hours.mon[0]"),
        (json!({ "working_hours": { "monday": [] } }), "working_hours.monday"),
    ] {
        let refused = house.ada("PATCH", "/api/me").json(&body).send().await;
        assert_eq!(refused.problem(), (400, "bad_value".into(), field.into()), "{body}");
    }
    assert_eq!(
        house.ada("PATCH", "/api/me").json(&json!({ "working_hours": null })).send().await.json()["working_hours"],
        Value::Null
    );
}

async fn everything_can_be_taken_along(house: House) {
    for day in 0..230 {
        let ics = format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u{day}\nDTSTART:20261201T100000Z\nSUMMARY:\"{day}\"\nEND:VEVENT\nEND:VCALENDAR\n"
        );
        house.put("calendar", &format!("{day}.ics"), &ics).await;
    }
    house.make("/api/appointments", json!({ "start": "2026-12-01", "client_id": "c-1" })).await;
    let export = house.ada("GET", "/api/me/export").send().await;
    assert_eq!(export.status, StatusCode::OK);
    assert!(export.header("content-disposition").starts_with("attachment"));
    let json = export.json();
    assert_eq!((&json["complete"], &json["user"]["name"]), (&json!(true), &json!("ada")));
    let calendars = json["calendars"].as_array().expect("calendars");
    assert_eq!(
        calendars.iter().map(|c| c["slug"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
        ["calendar", "tasks"]
    );
    let objects = calendars[0]["objects"].as_array().expect("objects");
    assert_eq!(objects.len(), 231);
    assert!(objects[7]["ics"].as_str().is_some_and(|ics| ics.contains("SUMMARY:\"7\"\r\n")));
    assert_eq!(objects[230]["client_id"], "c-1");
    assert_eq!(calendars[1]["objects"], json!([]));
    assert_eq!(acts(&house).await, ["account_exported"]);
}
