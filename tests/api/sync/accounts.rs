//! Providers, consent, an account's calendars, the end of a connection, erasure and export.

use axum::http::StatusCode;
use kalends::domain::access::Scope;
use kalends::domain::sync::{MappingState, Origin, RemoteId};
use kalends::store::{Due, Mapping};
use serde_json::{Value, json};

use super::{SECRETS, audited, engine, ok, problem, refused, synced};
use crate::house::House;

on_both! {
    without_an_engine_that_is_said
    an_account_is_connected_by_those_who_began
    an_account_s_calendars_are_listed
    a_connection_ends
    what_was_synced_is_erased
    the_export_tells_of_connections_and_keeps_their_secrets
    syncing_needs_its_scope
}

const CONNECT: &str = "/api/schedule/sync/connect";
const CALLBACK: &str = "/api/schedule/sync/callback";
const DISCONNECT: &str = "/api/schedule/sync/disconnect";

fn by_name(providers: &Value, name: &str) -> Value {
    let all = providers["providers"].as_array().expect("a list");
    all.iter().find(|p| p["provider"] == name).expect(name).clone()
}

async fn without_an_engine_that_is_said(house: House) {
    let things = synced(&house, &house.ada).await;
    let providers = ok(&house, "GET", "/api/schedule/sync/providers", json!({})).await;
    assert_eq!(by_name(&providers, "google")["configured"], false);
    let link = json!({ "linkId": things.link.as_str() });
    for (path, body) in [
        (CONNECT, json!({ "provider": "google", "redirectUri": "https://app.example/" })),
        ("/api/schedule/sync/preview", link.clone()),
        ("/api/schedule/sync/sync-now", link),
    ] {
        assert_eq!(refused(&house, "POST", path, body).await, problem(503, "sync_unavailable", ""), "{path}");
    }
}

async fn an_account_is_connected_by_those_who_began(house: House) {
    engine(&house);
    let providers = ok(&house, "GET", "/api/schedule/sync/providers", json!({})).await;
    assert_eq!(by_name(&providers, "google")["configured"], true);
    assert_eq!(by_name(&providers, "microsoft")["aliases"], json!(["outlook"]));
    assert_eq!(by_name(&providers, "ics")["writable"], false);

    let google = json!({ "provider": "google", "redirectUri": "http://127.0.0.1:9/callback" });
    let begun = ok(&house, "POST", CONNECT, google.clone()).await;
    assert!(begun["authUrl"].as_str().expect("a URL").starts_with("https://provider.example/auth"));
    let back = json!({ "provider": "google", "code": SECRETS[2], "state": begun["state"] });
    let other_token = house.token(&[Scope::Sync]).await;
    let stolen = house.ask("POST", CALLBACK).bearer(&other_token).json(&back).send().await;
    assert_eq!(stolen.problem(), problem(400, "bad_consent", "state"), "another token of the same user");
    let connected = ok(&house, "POST", CALLBACK, back.clone()).await;
    assert_eq!((&connected["success"], &connected["calendarId"]), (&json!(true), &json!("primary")));
    assert_eq!(connected["account"], "ada@example.org");
    assert_eq!(refused(&house, "POST", CALLBACK, back).await, problem(400, "bad_consent", "state"), "used");
    assert!(audited(&house).await.contains(&"calendar_connection_connected".to_owned()));

    let again = json!({ "provider": "google", "redirectUri": "https://app.example/", "connectionId": connected["connectionId"] });
    let begun = ok(&house, "POST", CONNECT, again).await;
    assert!(begun["authUrl"].as_str().expect("a URL").ends_with("hint=ada@example.org"));
    let status = ok(&house, "GET", "/api/schedule/sync/status", json!({})).await;
    assert_eq!(status["connections"].as_array().map(Vec::len), Some(1));

    for (body, expected) in [
        (json!({ "provider": "yahoo", "redirectUri": "https://a/" }), problem(400, "bad_value", "provider")),
        (json!({ "provider": "apple", "redirectUri": "https://a/" }), problem(409, "not_configured", "provider")),
        (json!({ "provider": "ics", "redirectUri": "https://a/" }), problem(409, "not_configured", "provider")),
        (json!({ "provider": "google", "redirectUri": "http://a.example/" }), problem(400, "bad_value", "redirectUri")),
        (json!({ "provider": "google", "redirectUri": "javascript:x" }), problem(400, "bad_value", "redirectUri")),
        (json!({ "provider": "google" }), problem(400, "missing_field", "redirectUri")),
        (json!({ "provider": "google", "redirectUri": "https://a/", "x": 1 }), problem(400, "unknown_field", "x")),
        (
            json!({ "provider": "google", "redirectUri": "https://a/", "connectionId": "nothing" }),
            problem(404, "not_found", ""),
        ),
    ] {
        assert_eq!(refused(&house, "POST", CONNECT, body.clone()).await, expected, "{body}");
    }
    for (body, expected) in [
        (json!({ "provider": "google", "code": "", "state": "s" }), problem(400, "bad_value", "code")),
        (json!({ "provider": "google", "code": "c", "state": "x".repeat(5_000) }), problem(400, "bad_value", "state")),
        (json!({ "provider": "google", "code": "c" }), problem(400, "missing_field", "state")),
    ] {
        assert_eq!(refused(&house, "POST", CALLBACK, body.clone()).await, expected, "{body}");
    }
}

async fn an_account_s_calendars_are_listed(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let path = format!("/api/schedule/sync/calendars?connectionId={}", things.connection);
    let calendars = ok(&house, "GET", &path, json!({})).await;
    let ids: Vec<&Value> =
        calendars["calendars"].as_array().expect("a list").iter().map(|c| &c["remoteCalendarId"]).collect();
    assert_eq!(ids, ["holidays", "primary", "team@group.example", "third@group.example"]);
    assert_eq!(
        calendars["calendars"][0],
        json!({ "remoteCalendarId": "holidays", "name": "Calendar holidays", "timeZone": "Europe/Berlin",
                "writable": false, "primary": false })
    );
    let none = house.ada("GET", "/api/schedule/sync/calendars").send().await;
    assert_eq!(none.problem(), problem(400, "missing_field", "connectionId"));
}

async fn a_connection_ends(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    for (body, expected) in [
        (json!({}), problem(400, "missing_field", "connectionId")),
        (
            json!({ "provider": "google", "connectionId": things.connection.as_str() }),
            problem(400, "bad_value", "provider"),
        ),
        (json!({ "provider": "microsoft" }), problem(404, "not_found", "")),
        (json!({ "provider": "google", "imported": "burn" }), problem(400, "bad_value", "imported")),
    ] {
        assert_eq!(refused(&house, "DELETE", DISCONNECT, body.clone()).await, expected, "{body}");
    }
    let done = ok(&house, "DELETE", DISCONNECT, json!({ "provider": "google", "imported": "remove" })).await;
    assert_eq!(done, json!({ "success": true, "links": 1, "removed": 0, "revokedAtProvider": true }));
    assert_eq!(refused(&house, "DELETE", DISCONNECT, json!({ "provider": "google" })).await.0, 404);
    assert!(audited(&house).await.contains(&"calendar_connection_revoked".to_owned()));
    let calendars = format!("/api/schedule/sync/calendars?connectionId={}", things.connection);
    assert_eq!(refused(&house, "GET", &calendars, json!({})).await, problem(409, "needs_consent", "connectionId"));
    let link =
        json!({ "connectionId": things.connection.as_str(), "remoteCalendarId": "primary", "calendar": "calendar" });
    let refused_link = refused(&house, "POST", "/api/schedule/sync/links", link).await;
    assert_eq!(refused_link, problem(409, "needs_consent", "connectionId"));
}

async fn what_was_synced_is_erased(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let imported = house.make("/api/appointments", json!({ "title": "From there", "start": "2026-12-01" })).await;
    house.make("/api/appointments", json!({ "title": "From here", "start": "2026-12-02" })).await;
    let firm = &house.ada.user.firm;
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let due = Due { firm: firm.clone(), link: things.link.clone() };
    let lease = tx.take_lease(&due, "n").await.expect("a query").expect("free");
    let mapping = Mapping {
        id: tx.new_mapping_id(),
        object: Some(kalends::domain::ids::ObjectId::from_text(imported["id"].as_str().expect("an id"))),
        remote: Some(RemoteId("e".into())),
        state: MappingState::Synced,
        origin: Origin::There,
        base_version: 1,
        base: None,
        base_item: None,
        seen_item: None,
        generation: 1,
        rewrites: (0, house.bench.store.now()),
        cool_until: None,
        warnings: vec![],
    };
    tx.put_mapping(&lease, &mapping).await.expect("put");
    tx.commit().await.expect("a commit");

    let erased = ok(&house, "DELETE", "/api/me/synced-data", json!({})).await;
    assert_eq!(
        erased,
        json!({ "appointments": 1, "versions": 0, "mappings": 1, "links": 1, "connections": 1, "records": 1 })
    );
    let left = ok(&house, "GET", "/api/appointments", json!({})).await;
    assert_eq!((&left["total"], &left["items"][0]["title"]), (&json!(1), &json!("From here")));
    let status = ok(&house, "GET", "/api/schedule/sync/status", json!({})).await;
    assert_eq!(status, json!({ "links": [], "connections": [] }));
    let deleted = ok(&house, "GET", "/api/appointments/deleted", json!({})).await;
    assert_eq!(deleted["total"], 0, "it cannot be brought back");
    let told = audited(&house).await;
    assert_eq!(told.iter().filter(|a| *a == "synced_data_erased").count(), 1);
    let mut tx = house.bench.store.read().await.expect("a transaction");
    let events = tx.audit_events(firm, 0, 100).await.expect("a query");
    assert!(events.iter().all(|e| !e.act.details.contains("From there")));
}

async fn the_export_tells_of_connections_and_keeps_their_secrets(house: House) {
    let things = synced(&house, &house.ada).await;
    let export = ok(&house, "GET", "/api/me/export", json!({})).await;
    assert_eq!((&export["complete"], &export["sync"]["complete"]), (&json!(true), &json!(true)));
    assert_eq!(export["sync"]["links"][0]["linkId"], things.link.as_str());
    assert_eq!(export["sync"]["connections"][0]["account"], "Secret@example.org");
    assert_eq!(export["sync"]["conflicts"][0]["conflictId"], things.conflict.as_str());
    assert_eq!(export["sync"]["runs"][0]["syncId"], things.run.as_str());
    assert_eq!(export["sync"]["notices"][0]["noticeId"], things.notice.as_str());
    let nothing = house.ask("GET", "/api/me/export").as_(&house.bob).send().await.json();
    assert_eq!(nothing["sync"]["links"], json!([]));
}

async fn syncing_needs_its_scope(house: House) {
    let appointments = house.token(&[Scope::Appointments]).await;
    let sync = house.token(&[Scope::Sync]).await;
    let password = house.app_password(false).await;
    for (verb, path) in [
        ("GET", "/api/schedule/sync/status"),
        ("GET", "/api/schedule/sync/status/stream"),
        ("GET", "/api/schedule/sync/providers"),
        ("DELETE", "/api/me/synced-data"),
    ] {
        let ask = || house.ask(verb, path).json(&json!({}));
        assert_eq!(ask().bearer(&appointments).send().await.problem(), problem(403, "scope_missing", ""), "{path}");
        let device = ask().header("authorization", &password).send().await;
        assert_eq!(device.problem(), problem(403, "account_only", ""), "{path}");
        assert_eq!(ask().send().await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let answer = house.ask("GET", "/api/schedule/sync/status").bearer(&sync).send().await;
    assert_eq!(answer.status, StatusCode::OK);
}
