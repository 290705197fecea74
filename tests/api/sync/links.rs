//! Links: made, set, previewed, run, paused; and how they are shown.

use axum::http::StatusCode;
use kalends::domain::sync::{ConnectionStatus, LinkStatus};
use serde_json::{Value, json};

use super::{Synced, engine, ok, problem, refused, synced};
use crate::house::{House, redacted};

on_both! {
    a_calendar_is_linked_once_and_not_in_circles
    settings_are_changed_and_shown
    what_cannot_be_set_is_named
    the_status_tells_how_everything_stands
    the_status_is_streamed
    a_preview_changes_nothing
    links_run_pause_resume_and_are_confirmed
    nothing_of_another_is_linked_set_or_run
}

const LINKS: &str = "/api/schedule/sync/links";
const SETTINGS: &str = "/api/schedule/sync/settings";

async fn a_calendar_is_linked_once_and_not_in_circles(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    house.make("/api/calendars", json!({ "name": "Second", "slug": "second" })).await;
    let body = |remote: &str, calendar: &str| json!({ "connectionId": things.connection.as_str(), "remoteCalendarId": remote, "calendar": calendar });
    let link = house.make(LINKS, body("team@group.example", "calendar")).await;
    assert_eq!(
        (&link["remoteCalendarName"], &link["syncDirection"]),
        (&json!("Calendar team@group.example"), &json!("both"))
    );
    assert_eq!(link["isActive"], true);

    for (body, expected) in [
        (body("team@group.example", "calendar"), problem(409, "link_exists", "remoteCalendarId")),
        // Under its other name.
        (body("nowhere", "calendar"), problem(400, "bad_value", "remoteCalendarId")),
        (body("primary", "nowhere"), problem(400, "bad_value", "calendar")),
        (body("primary", "tasks"), problem(400, "bad_value", "calendar")),
        (body("holidays", "calendar"), problem(400, "bad_value", "direction")),
        (json!({ "connectionId": things.connection.as_str() }), problem(400, "missing_field", "remoteCalendarId")),
    ] {
        assert_eq!(refused(&house, "POST", LINKS, body.clone()).await, expected, "{body}");
    }
    let mut reading = body("holidays", "second");
    reading["direction"] = json!("pull");
    house.make(LINKS, reading).await;

    // calendar ↔ team ↔ second, and second ↔ primary ↔ calendar would close the circle.
    house.make(LINKS, body("team@group.example", "second")).await;
    let circle = refused(&house, "POST", LINKS, body("primary", "second")).await;
    assert_eq!(circle, problem(409, "link_cycle", "direction"));
    let mut third = body("third@group.example", "second");
    third["direction"] = json!("push");
    house.make(LINKS, third).await;
    let mut back = body("third@group.example", "calendar");
    back["direction"] = json!("pull");
    assert_eq!(refused(&house, "POST", LINKS, back.clone()).await, problem(409, "link_cycle", "direction"));
    back["direction"] = json!("push");
    let made = house.make(LINKS, back).await;
    let turned = json!({ "linkId": made["linkId"], "direction": "both" });
    assert_eq!(refused(&house, "PUT", SETTINGS, turned).await, problem(409, "link_cycle", "direction"));

    let keyed = || house.ada("POST", LINKS).header("idempotency-key", "k").json(&body("primary", "second")).send();
    assert_eq!(keyed().await.problem().1, "link_cycle", "a refusal is not kept");
}

async fn settings_are_changed_and_shown(house: House) {
    let things = synced(&house, &house.ada).await;
    let appointment = house.make("/api/appointments", json!({ "title": "A", "start": "2026-12-01" })).await;
    let settings = json!({
        "linkId": things.link.as_str(),
        "direction": "pull",
        "frequency": 60,
        "filters": {
            "appointmentTypes": ["one_on_one"], "clientIds": ["c"], "staffUserIds": ["s"], "projectIds": ["p"],
            "categories": ["work"], "from": "2026-01-01T00:00:00Z", "until": "2027-01-01",
            "include": [appointment["id"]], "exclude": [],
            "rules": [{ "field": "title", "operator": "contains", "value": "x" }, { "field": "location", "operator": "exists" }],
        },
        "privacy": "mask_private",
        "conflictPolicy": { "policy": "rules", "rules": [
            { "field": "category", "operator": "equals", "value": "work", "resolution": "keep_platform" }] },
        "deletePolicy": "delete",
        "syncNotes": false,
        "includeClientContact": true,
        "inviteAttendees": true,
        "unsupportedRecurrence": "expand",
        "fieldMapping": { "title": "{appointment_type}: {title}" },
    });
    let shown = ok(&house, "PUT", SETTINGS, settings.clone()).await;
    let again = ok(&house, "GET", "/api/schedule/sync/status", json!({})).await;
    assert_eq!(again["links"][0]["settings"], shown["settings"]);
    insta::allow_duplicates! { insta::assert_snapshot!("settings", redacted(&shown["settings"])) };

    let untouched = ok(&house, "PUT", SETTINGS, json!({ "linkId": things.link.as_str() })).await;
    assert_eq!(untouched["settings"], shown["settings"], "what is not named stays");
    let mut back = shown["settings"].clone();
    back["linkId"] = json!(things.link.as_str());
    let same = ok(&house, "PUT", SETTINGS, back).await;
    assert_eq!(same["settings"], shown["settings"], "what is shown can be said");

    let priority = json!({ "policy": "source_priority", "links": [things.link.as_str()] });
    let change =
        json!({ "linkId": things.link.as_str(), "conflictPolicy": priority, "deletePolicy": null, "filters": {} });
    let shown = ok(&house, "PUT", SETTINGS, change).await["settings"].clone();
    assert_eq!((&shown["conflictPolicy"], &shown["deletePolicy"]), (&priority, &Value::Null));
    assert_eq!(shown["filters"]["clientIds"], json!([]));
}

async fn what_cannot_be_set_is_named(house: House) {
    let things = synced(&house, &house.ada).await;
    let words = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>();
    for (change, code, field) in [
        (json!({ "colour": 1 }), "unknown_field", "colour"),
        (json!({ "direction": "sideways" }), "bad_value", "direction"),
        (json!({ "direction": null }), "bad_value", "direction"),
        (json!({ "frequency": 7 }), "bad_value", "frequency"),
        (json!({ "frequency": -5 }), "bad_value", "frequency"),
        (json!({ "frequency": "15" }), "bad_value", "frequency"),
        (json!({ "filters": { "colour": [] } }), "unknown_field", "filters.colour"),
        (json!({ "filters": [] }), "bad_value", "filters"),
        (json!({ "filters": { "clientIds": words(201) } }), "bad_value", "filters.clientIds"),
        (json!({ "filters": { "clientIds": ["a", ""] } }), "bad_value", "filters.clientIds[1]"),
        (json!({ "filters": { "categories": ["x".repeat(201)] } }), "bad_value", "filters.categories[0]"),
        (json!({ "filters": { "from": "soon" } }), "bad_value", "filters.from"),
        (json!({ "filters": { "from": "2026-02-01", "until": "2026-01-01" } }), "bad_value", "filters.until"),
        (json!({ "filters": { "include": ["a"], "exclude": ["a"] } }), "bad_value", "filters.exclude"),
        (
            json!({ "filters": { "rules": [{ "field": "secret", "operator": "equals", "value": "x" }] } }),
            "bad_value",
            "filters.rules[0].field",
        ),
        (
            json!({ "filters": { "rules": [{ "field": "title", "operator": "equals" }] } }),
            "bad_value",
            "filters.rules[0].value",
        ),
        (json!({ "privacy": "all" }), "bad_value", "privacy"),
        (json!({ "conflictPolicy": { "policy": "coin" } }), "bad_value", "conflictPolicy.policy"),
        (json!({ "conflictPolicy": {} }), "missing_field", "conflictPolicy.policy"),
        (json!({ "conflictPolicy": { "policy": "source_priority" } }), "bad_value", "conflictPolicy.links"),
        (
            json!({ "conflictPolicy": { "policy": "source_priority", "links": ["nobody's"] } }),
            "bad_value",
            "conflictPolicy.links[0]",
        ),
        (json!({ "conflictPolicy": { "policy": "manual", "links": ["x"] } }), "bad_value", "conflictPolicy.links"),
        (json!({ "conflictPolicy": { "policy": "rules" } }), "bad_value", "conflictPolicy.rules"),
        (
            json!({ "conflictPolicy": { "policy": "rules", "rules": [
                { "field": "title", "operator": "exists", "resolution": "merge" }] } }),
            "bad_value",
            "conflictPolicy.rules[0].resolution",
        ),
        (json!({ "deletePolicy": "burn" }), "bad_value", "deletePolicy"),
        (json!({ "syncNotes": "yes" }), "bad_value", "syncNotes"),
        (json!({ "fieldMapping": { "start": "x" } }), "bad_value", "fieldMapping.start"),
        (json!({ "fieldMapping": { "title": "{secret}" } }), "bad_value", "fieldMapping.title"),
        (json!({ "fieldMapping": { "notes": "{title" } }), "bad_value", "fieldMapping.notes"),
    ] {
        let mut body = change.clone();
        body["linkId"] = json!(things.link.as_str());
        assert_eq!(refused(&house, "PUT", SETTINGS, body).await, problem(400, code, field), "{change}");
    }
    assert_eq!(refused(&house, "PUT", SETTINGS, json!({})).await, problem(400, "missing_field", "linkId"));
    assert_eq!(refused(&house, "PUT", SETTINGS, json!({ "linkId": "x" })).await, problem(404, "not_found", ""));
}

async fn the_status_tells_how_everything_stands(house: House) {
    synced(&house, &house.ada).await;
    house.make("/api/appointments", json!({ "title": "A", "start": "2026-12-01" })).await;
    let status = ok(&house, "GET", "/api/schedule/sync/status", json!({})).await;
    insta::allow_duplicates! { insta::assert_snapshot!("status", redacted(&status)) };
    let nothing = house.ask("GET", "/api/schedule/sync/status").as_(&house.bob).send().await.json();
    assert_eq!(nothing, json!({ "links": [], "connections": [] }));
}

async fn the_status_is_streamed(house: House) {
    synced(&house, &house.ada).await;
    let first = house.ada("GET", "/api/schedule/sync/status/stream").first_chunk().await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.header("content-type"), "text/event-stream");
    let text = first.text();
    let data = text.strip_prefix("event: status\ndata: ").expect("an event");
    let status: Value = serde_json::from_str(data.trim_end()).expect("JSON");
    assert_eq!(status, ok(&house, "GET", "/api/schedule/sync/status", json!({})).await);
}

async fn a_preview_changes_nothing(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let preview = ok(&house, "POST", "/api/schedule/sync/preview", json!({ "linkId": things.link.as_str() })).await;
    assert_eq!((&preview["total"], &preview["stopped"]), (&json!(12), &json!("it would delete 12 of 20")));
    assert_eq!(
        preview["items"][0],
        json!({ "direction": "push", "action": "deleted", "appointmentId": null, "externalEventId": "event1",
                "title": "Lunch", "start": "2026-11-21T08:00:00Z", "note": null })
    );
}

async fn set(house: &House, things: &Synced, status: LinkStatus) {
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let firm = &house.ada.user.firm;
    assert!(tx.set_link_status(firm, &things.link, status, Some("12 of 20")).await.expect("set"));
    tx.commit().await.expect("a commit");
}

async fn links_run_pause_resume_and_are_confirmed(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let (link, connection) =
        (json!({ "linkId": things.link.as_str() }), json!({ "connectionId": things.connection.as_str() }));
    let post = async |call: &str, body: &Value| {
        let answer = house.ada("POST", &format!("/api/schedule/sync/{call}")).json(body).send().await;
        if answer.status.is_success() {
            (answer.status.as_u16(), String::new())
        } else {
            (answer.problem().0, answer.problem().1)
        }
    };
    let state = async || {
        let status = ok(&house, "GET", "/api/schedule/sync/status", json!({})).await;
        let word = |v: &Value| v.as_str().expect("a word").to_owned();
        (
            word(&status["links"][0]["status"]),
            word(&status["connections"][0]["status"]),
            status["links"][0]["isActive"] == true,
        )
    };
    let (done, impossible) = ((204, String::new()), (409, "not_possible".to_owned()));
    for body in [&link, &connection, &json!({ "provider": "google" }), &json!({})] {
        let asked = ok(&house, "POST", "/api/schedule/sync/sync-now", body.clone()).await;
        assert_eq!((&asked["status"], &asked["runs"][0]["linkId"]), (&json!("running"), &json!(things.link.as_str())));
        assert_eq!(asked["syncId"], asked["runs"][0]["syncId"]);
    }
    assert_eq!(post("pause", &link).await, done);
    assert_eq!(state().await, ("paused".into(), "active".into(), false));
    assert_eq!(post("sync-now", &link).await, impossible);
    assert_eq!(post("sync-now", &connection).await.0, 404, "none of its links is active");
    assert_eq!(post("resume", &link).await, done);
    assert_eq!(post("pause", &connection).await, done);
    assert_eq!(state().await, ("active".into(), "paused".into(), false));
    assert_eq!(post("resume", &connection).await, done);
    assert_eq!(state().await, ("active".into(), "active".into(), true));
    assert_eq!(post("confirm", &link).await, impossible);
    set(&house, &things, LinkStatus::NeedsConfirmation).await;
    assert_eq!(post("resume", &link).await, impossible, "it is confirmed, not resumed");
    assert_eq!(post("confirm", &link).await, done);
    assert_eq!(state().await.0, "active");
    set(&house, &things, LinkStatus::Detached).await;
    for call in ["pause", "resume", "preview", "sync-now", "confirm"] {
        assert_eq!(post(call, &link).await, impossible, "{call}");
    }
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let firm = &house.ada.user.firm;
    tx.set_connection_status(firm, &things.connection, ConnectionStatus::NeedsReauth, None).await.expect("set");
    tx.commit().await.expect("a commit");
    assert_eq!(post("resume", &connection).await, (409, "needs_consent".to_owned()));
    for (body, field) in [(json!({}), "linkId"), (json!({ "linkId": "a", "connectionId": "b" }), "connectionId")] {
        let answer = house.ada("POST", "/api/schedule/sync/pause").json(&body).send().await.problem();
        assert_eq!((answer.0, answer.2.as_str()), (400, field));
    }
}

async fn nothing_of_another_is_linked_set_or_run(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let before = ok(&house, "GET", "/api/schedule/sync/status", json!({})).await;
    let (link, connection) = (things.link.as_str(), things.connection.as_str());
    let nobody = "019aa0f3-9a6e-7c2e-a3c4-111111111111";
    for stranger in [&house.bob, &house.mia, &house.eve] {
        for (verb, path, of) in [
            ("PUT", SETTINGS, "linkId"),
            ("POST", "/api/schedule/sync/preview", "linkId"),
            ("POST", "/api/schedule/sync/sync-now", "linkId"),
            ("POST", "/api/schedule/sync/sync-now", "connectionId"),
            ("POST", "/api/schedule/sync/pause", "linkId"),
            ("POST", "/api/schedule/sync/pause", "connectionId"),
            ("POST", "/api/schedule/sync/resume", "linkId"),
            ("POST", "/api/schedule/sync/resume", "connectionId"),
            ("POST", "/api/schedule/sync/confirm", "linkId"),
            ("DELETE", "/api/schedule/sync/disconnect", "connectionId"),
            ("POST", "/api/schedule/sync/resolve-conflict", "conflictId"),
        ] {
            let ask = |id: &str| {
                let mut body = json!({ of: id });
                if of == "conflictId" {
                    body["resolution"] = json!("keep_platform");
                }
                house.ask(verb, path).as_(stranger).json(&body).send()
            };
            let id = match of {
                "linkId" => link,
                "connectionId" => connection,
                _ => things.conflict.as_str(),
            };
            let (theirs, none) = (ask(id).await, ask(nobody).await);
            assert_eq!(theirs.problem(), problem(404, "not_found", ""), "{path} {of}");
            assert_eq!(theirs.body, none.body);
        }
        for path in [
            format!("/api/schedule/sync/calendars?connectionId={connection}"),
            format!("/api/schedule/sync/history?linkId={link}"),
            format!("/api/schedule/sync/conflicts?linkId={link}"),
        ] {
            let answer = house.ask("GET", &path).as_(stranger).send().await;
            assert_eq!(answer.problem(), problem(404, "not_found", ""), "{path}");
        }
        let body = json!({ "connectionId": connection, "remoteCalendarId": "primary", "calendar": "calendar" });
        let answer = house.ask("POST", LINKS).as_(stranger).json(&body).send().await;
        assert_eq!(answer.problem(), problem(404, "not_found", ""));
        let erased = house.ask("DELETE", "/api/me/synced-data").as_(stranger).send().await;
        assert_eq!(erased.json()["links"], 0);
        let provider = house.ask("DELETE", "/api/schedule/sync/disconnect").as_(stranger);
        assert_eq!(provider.json(&json!({ "provider": "google" })).send().await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(ok(&house, "GET", "/api/schedule/sync/status", json!({})).await, before);
}
