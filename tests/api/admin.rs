//! What managers do and see: who may, what each call answers, what is left in the audit.

use axum::http::StatusCode;
use base64::Engine as _;
use kalends::domain::ids::{AttemptId, ConflictId, MappingId, ObjectId};
use kalends::domain::sync::{AttemptKind, ConflictKind, ErrorClass, Resolution, RunKind, Way};
use kalends::domain::time::DAY_MS;
use kalends::store::{Conflict, Due, NewAttempt, NewAudit, RunItem, StoreError};
use serde_json::{Value, json};

use crate::document::operations;
use crate::house::{Answer, House};
use crate::sync::{SECRETS, Synced, engine, synced};

on_both! {
    managers_of_the_firm_and_nobody_else
    a_slash_at_the_end_may_be_left_out
    a_connection_is_told_by_its_attempts
    failed_attempts_are_listed_with_and_without_the_exhausted
    attempts_are_found_by_filters_and_counted
    a_long_list_comes_in_pages_of_a_hundred
    what_failed_is_replayed_and_nothing_else
    connections_are_looked_at_anew
    connections_are_paused_resumed_and_revoked
    a_guarded_link_is_confirmed
    acts_are_listed_and_chained
    the_summary_adds_up
    an_appointment_s_story_is_told_in_order
    another_firm_s_manager_finds_nothing
    calls_without_a_body_take_none
    a_cursor_is_ours_or_refused
    failed_attempts_and_acts_are_found_by_filters
    webhooks_are_found_by_text_and_project
    who_is_seen_is_counted
}

const ROOT: &str = "/api/calendar/admin";
const NOBODY: &str = "019aa0f3-9a6e-7c2e-a3c4-111111111111";

async fn get(house: &House, path: &str) -> Value {
    let answer = house.ask("GET", &format!("{ROOT}{path}")).as_(&house.mia).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

async fn post(house: &House, path: &str) -> Answer {
    house.ask("POST", &format!("{ROOT}{path}")).as_(&house.mia).send().await
}

fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

async fn acts(house: &House) -> Vec<NewAudit> {
    let mut tx = house.bench.store.read().await.expect("a transaction");
    let events = tx.audit_events(&house.mia.user.firm, 0, 1_000).await.expect("a query");
    events.into_iter().map(|e| e.act).collect()
}

async fn events(house: &House) -> Vec<String> {
    acts(house).await.into_iter().map(|act| act.action).collect()
}

/// The last act: what it was, on what, and a detail.
async fn last(house: &House, detail: &str) -> (String, String, Value) {
    let act = acts(house).await.pop().expect("one");
    let details: Value = serde_json::from_str(&act.details).expect("JSON");
    (act.action, act.target, details[detail].clone())
}

/// An attempt of the link, with whatever a test changes about it.
fn attempt(house: &House) -> NewAttempt {
    NewAttempt {
        operation: AttemptKind::Upsert,
        way: Way::Push,
        object: None,
        remote: Some("event1".into()),
        failure: None,
        retry_count: 0,
        next_retry: None,
        max_retries_reached: false,
        started: house.bench.store.now(),
    }
}

fn failed(house: &House, class: ErrorClass) -> NewAttempt {
    NewAttempt { failure: Some((class, "the provider answered 503".into())), ..attempt(house) }
}

async fn record(house: &House, things: &Synced, new: &[NewAttempt]) -> Vec<AttemptId> {
    let firm = &house.ada.user.firm;
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let link = tx.link_by_id(firm, &things.link).await.expect("a query").expect("there");
    let run = tx.begin_run(&link, RunKind::Push, "c-2").await.expect("begun");
    let mut ids = Vec::new();
    for one in new {
        ids.push(tx.add_attempt(&link, &run, "request-7", one).await.expect("recorded"));
    }
    tx.commit().await.expect("a commit");
    ids
}

async fn managers_of_the_firm_and_nobody_else(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let attempts = record(&house, &things, &[failed(&house, ErrorClass::Transient)]).await;
    let appointment = house.make("/api/appointments", json!({ "title": "Lunch", "start": "2026-12-01" })).await;
    let appointment = appointment["id"].as_str().expect("an id").to_owned();
    let document = house.ask("GET", "/api/openapi.json").send().await.json();
    let mut walked = 0;
    for (verb, path, _) in operations(&document) {
        let Some(rest) = path.strip_prefix(ROOT) else { continue };
        let id = match rest.split('/').nth(1).expect("a segment") {
            "connections" => things.connection.as_str(),
            "links" => things.link.as_str(),
            "sync-attempts" => attempts[0].as_str(),
            _ => appointment.as_str(),
        };
        let path = path.replace("{id}", id);
        let before = events(&house).await.len();
        let answer = house.ask(&verb, &path).send().await;
        assert_eq!(answer.problem(), (401, "not_signed_in".into(), String::new()), "{verb} {path}");
        assert_eq!(events(&house).await.len(), before, "{verb} {path}: of nobody nothing is known");
        for guest in [&house.ada, &house.bob] {
            let answer = house.ask(&verb, &path).as_(guest).send().await;
            assert_eq!(answer.problem(), (403, "managers_only".into(), String::new()), "{verb} {path}");
        }
        let app_password = house.app_password(false).await;
        let answer = house.ask(&verb, &path).header("authorization", &app_password).send().await;
        assert_eq!(answer.problem().0, 403, "{verb} {path}");
        let told = acts(&house).await;
        let denied: Vec<_> = told[before..].iter().map(|a| (a.actor.as_str(), a.action.as_str())).collect();
        assert_eq!(denied, ["ada", "bob", "ada"].map(|who| (who, "calendar_admin_denied")), "{verb} {path}");
        let last = told.last().expect("one");
        let details: Value = serde_json::from_str(&last.details).expect("JSON");
        let below = path.strip_prefix(ROOT).expect("below").trim_matches('/');
        assert_eq!((last.target.as_str(), &details["code"]), (below, &json!("account_only")));
        assert_eq!((&details["method"], &details["status"]), (&json!(verb), &json!(403)));
        let answer = house.ask(&verb, &path).as_(&house.eve).send().await;
        if path.contains(id) {
            assert_eq!(answer.problem(), (404, "not_found".into(), String::new()), "{verb} {path}");
            let nothing = house.ask(&verb, &path.replace(id, NOBODY)).as_(&house.eve).send().await;
            assert_eq!((nothing.status, nothing.body), (answer.status, answer.body), "{verb} {path}");
        } else {
            assert_eq!(answer.status, StatusCode::OK, "{verb} {path}");
            for word in [things.connection.as_str(), things.link.as_str(), attempts[0].as_str(), "ada", "Secret"] {
                assert!(!answer.text().contains(word), "{path} tells {word}");
            }
        }
        if verb == "GET" {
            let answer = house.ask(&verb, &path).as_(&house.mia).send().await;
            assert_eq!(answer.status, StatusCode::OK, "{verb} {path}");
            assert_eq!(events(&house).await.last().map(String::as_str), Some("calendar_admin_read"), "{path}");
            assert!(!SECRETS.iter().any(|secret| answer.text().contains(secret)), "{path}");
        }
        walked += 1;
    }
    assert_eq!(walked, 15);
    let token = house.token(&[kalends::domain::access::Scope::Sync]).await;
    let answer = house.ask("GET", &format!("{ROOT}/connections/")).bearer(&token).send().await;
    assert_eq!(answer.problem(), (403, "scope_missing".into(), String::new()));
}

async fn a_slash_at_the_end_may_be_left_out(house: House) {
    engine(&house);
    let document = house.ask("GET", "/api/openapi.json").send().await.json();
    for (verb, path, _) in operations(&document) {
        if !path.starts_with(ROOT) {
            continue;
        }
        assert!(path.ends_with('/'), "{path}");
        let path = path.replace("{id}", NOBODY);
        let with = house.ask(&verb, &path).as_(&house.mia).send().await;
        let without = house.ask(&verb, path.trim_end_matches('/')).as_(&house.mia).send().await;
        assert_eq!(with.status, without.status, "{verb} {path}");
        let wrong = if verb == "GET" { "POST" } else { "GET" };
        let refused = house.ask(wrong, path.trim_end_matches('/')).as_(&house.mia).send().await;
        assert_eq!(refused.problem().0, 405, "{wrong} {path}");
    }
}

async fn a_connection_is_told_by_its_attempts(house: House) {
    let things = synced(&house, &house.ada).await;
    let later = Some(house.bench.store.now().plus_ms(60_000));
    let due = Some(house.bench.store.now());
    let object = |n: u8| Some(ObjectId::from_text(format!("019aa0f3-9a6e-7c2e-a3c4-00000000000{n}")));
    let mut all = vec![attempt(&house); 83];
    all.push(NewAttempt { object: object(1), next_retry: later, ..failed(&house, ErrorClass::Transient) });
    all.push(NewAttempt { object: object(2), next_retry: due, ..failed(&house, ErrorClass::RateLimited) });
    all.push(NewAttempt { object: object(4), max_retries_reached: true, ..failed(&house, ErrorClass::Transient) });
    // Tried again since, and successfully.
    all.push(NewAttempt { object: object(3), next_retry: later, ..failed(&house, ErrorClass::Transient) });
    all.extend([NewAttempt { object: object(3), ..attempt(&house) }; 1]);
    all.extend(vec![attempt(&house); 32]);
    all.push(failed(&house, ErrorClass::NonRetryable));
    all.truncate(120);
    record(&house, &things, &all).await;
    let id = things.connection.as_str();
    let told = get(&house, &format!("/connections/{id}/sync-status/")).await;
    let names = ["connection_id", "last_sync_at", "last_sync_cursor", "provider", "statistics", "status"];
    assert_eq!(fields(&told), names);
    assert_eq!(
        (&told["connection_id"], &told["provider"], &told["status"]),
        (&json!(id), &json!("google"), &json!("active"))
    );
    let at = told["statistics"]["last_successful_sync"].clone();
    assert_eq!(
        told["statistics"],
        json!({
            "total_attempts": 120, "successes": 116, "failures": 4, "success_rate": "96.7%",
            "max_retries_reached": 1, "pending_retry": 1, "eligible_for_retry": 1,
            "error_breakdown": { "transient": 3, "non_retryable": 0, "rate_limited": 1 },
            "last_successful_sync": at, "last_sync_cursor": null,
        })
    );
    assert!(at.is_string());
    // The lists mean the same by the same words, before and after a time has come.
    let both = async |after_ms: i64| {
        house.bench.clock.advance_ms(after_ms);
        let statistics = get(&house, &format!("/connections/{id}/sync-status/")).await["statistics"].take();
        let listed = async |status: &str| {
            let page = get(&house, &format!("/sync-attempts/?connection_id={id}&status={status}")).await;
            let items = page["sync_attempts"].as_array().expect("a list").len();
            assert_eq!(json!(items), page["total_count"], "{status}");
            page["total_count"].clone()
        };
        assert_eq!(statistics["pending_retry"], listed("pending_retry").await);
        assert_eq!(statistics["eligible_for_retry"], listed("eligible_for_retry").await);
        assert_eq!(statistics["max_retries_reached"], listed("exhausted").await);
        (statistics["pending_retry"].clone(), statistics["eligible_for_retry"].clone())
    };
    assert_eq!(both(0).await, (json!(1), json!(1)));
    assert_eq!(both(60_000).await, (json!(0), json!(2)));
}

async fn failed_attempts_are_listed_with_and_without_the_exhausted(house: House) {
    let things = synced(&house, &house.ada).await;
    let object = ObjectId::from_text("019aa0f3-9a6e-7c2e-a3c4-000000000001");
    let next = house.bench.store.now().plus_ms(1_000);
    let plain = NewAttempt { object: Some(object), next_retry: Some(next), ..failed(&house, ErrorClass::Transient) };
    let last = NewAttempt { max_retries_reached: true, retry_count: 5, ..failed(&house, ErrorClass::Transient) };
    let ids = record(&house, &things, &[attempt(&house), plain, last, failed(&house, ErrorClass::NonRetryable)]).await;
    let of = format!("/connections/{}/failed-attempts/", things.connection);
    let told = get(&house, &of).await;
    assert_eq!(fields(&told), ["connection_id", "failed_attempts", "next", "total_count"]);
    assert_eq!((&told["total_count"], &told["connection_id"]), (&json!(2), &json!(things.connection.as_str())));
    let items = told["failed_attempts"].as_array().expect("a list");
    let own = items.iter().find(|i| i["attempt_id"] == ids[1].as_str()).expect("the one to be retried");
    let names = [
        "appointment_id",
        "attempt_id",
        "direction",
        "error_class",
        "error_summary",
        "max_retries_reached",
        "next_retry_at",
        "operation",
        "retry_count",
        "started_at",
    ];
    assert_eq!(fields(own), names);
    assert_eq!(
        *own,
        json!({
            "attempt_id": ids[1].as_str(), "operation": "upsert", "direction": "push", "error_class": "transient",
            "error_summary": "the provider answered 503", "retry_count": 0, "max_retries_reached": false,
            "next_retry_at": "2026-11-21T08:00:01Z", "started_at": "2026-11-21T08:00:00Z",
            "appointment_id": "019aa0f3-9a6e-7c2e-a3c4-000000000001",
        })
    );
    let whole = get(&house, &format!("{of}?include_exhausted=true")).await;
    assert_eq!(whole["total_count"], 3);
    assert!(whole["failed_attempts"].as_array().expect("a list").iter().any(|i| i["max_retries_reached"] == true));
    for (query, expected) in [("", 2), ("?include_exhausted=true", 3)] {
        let all = get(&house, &format!("/sync-attempts/failed/{query}")).await;
        assert_eq!(
            (fields(&all), &all["total_count"]),
            (vec!["failed_attempts", "next", "total_count"], &json!(expected))
        );
        assert_eq!(all["failed_attempts"][0]["connection_id"], things.connection.as_str());
    }
}

async fn attempts_are_found_by_filters_and_counted(house: House) {
    let things = synced(&house, &house.ada).await;
    let appointment =
        house.make("/api/appointments", json!({ "title": "Lunch", "start": "2026-12-01", "project_id": "p-1" })).await;
    let object = Some(ObjectId::from_text(appointment["id"].as_str().expect("an id")));
    let yesterday = house.bench.store.now().plus_ms(-DAY_MS);
    let old = NewAttempt { started: yesterday, operation: AttemptKind::ListChanges, way: Way::Pull, ..attempt(&house) };
    let next_retry = Some(house.bench.store.now().plus_ms(1_000));
    let retried = NewAttempt { object, next_retry, ..failed(&house, ErrorClass::Transient) };
    let last = NewAttempt { max_retries_reached: true, ..failed(&house, ErrorClass::RateLimited) };
    let ids = record(&house, &things, &[old, attempt(&house), retried, last]).await;
    let connection = format!("connection_id={}", things.connection);
    for (query, expected) in [
        ("", 4),
        ("status=success", 2),
        ("status=failed", 2),
        ("status=exhausted", 1),
        ("status=pending_retry", 1),
        ("error_class=rate_limited", 1),
        ("provider=google", 4),
        ("provider=outlook", 0),
        ("user=ada", 4),
        ("user=bob", 0),
        ("user=nobody-at-all", 0),
        (&format!("user={}", house.ada.user.id), 4),
        (&connection, 4),
        (&format!("{connection}&status=failed&user=ada"), 2),
        (&format!("connection_id={NOBODY}"), 0),
        ("project=p-1", 1),
        ("project=p-2", 0),
        ("text=ANSWERED%20503", 2),
        ("text=50%25", 0),
        ("text=request-7&status=success", 2),
        ("start_date=2026-11-21", 3),
        ("end_date=2026-11-20", 1),
        ("start_date=2026-11-20&end_date=2026-11-21", 4),
        ("start_date=2026-11-20T08:00:00Z&end_date=2026-11-20T08:00:01Z", 1),
        ("start_date=2026-11-20T07:00:00Z&end_date=2026-11-21T08:00:01Z&provider=google", 4),
        ("start_date=2026-11-21T09:00:00Z", 0),
    ] {
        let page = get(&house, &format!("/sync-attempts/?{query}")).await;
        let items = page["sync_attempts"].as_array().expect("a list");
        assert_eq!((items.len(), &page["total_count"]), (expected, &json!(expected)), "{query}");
        assert_eq!(page["next"], Value::Null);
    }
    let all = get(&house, "/sync-attempts/").await;
    assert_eq!(fields(&all), ["next", "sync_attempts", "total_count"]);
    assert_eq!(all["sync_attempts"][3]["attempt_id"], ids[0].as_str(), "newest first");
    for (query, field) in [
        ("status=odd", "status"),
        ("error_class=odd", "error_class"),
        ("provider=yahoo", "provider"),
        ("connection_id=7", "connection_id"),
        ("start_date=soon", "start_date"),
        ("start_date=2026-11-21&end_date=2026-11-20", "end_date"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        ("text=", "text"),
        ("colour=red", "colour"),
    ] {
        let path = format!("{ROOT}/sync-attempts/?{query}");
        let answer = house.ask("GET", &path).as_(&house.mia).send().await.problem();
        assert_eq!((answer.0, answer.2.as_str()), (400, field), "{query}");
    }
}

async fn a_long_list_comes_in_pages_of_a_hundred(house: House) {
    let things = synced(&house, &house.ada).await;
    let mut all = vec![attempt(&house); 203];
    all.extend(vec![failed(&house, ErrorClass::Transient); 102]);
    record(&house, &things, &all).await;
    for (list, total) in [
        ("/sync-attempts/", 305),
        ("/sync-attempts/?status=success", 203),
        ("/sync-attempts/?text=event1&limit=60", 305),
        ("/sync-attempts/?user=ada&limit=99", 305),
        ("/sync-attempts/failed/", 102),
    ] {
        let (mut path, mut seen, mut pages) = (format!("{ROOT}{list}"), Vec::new(), 0);
        loop {
            let page = house.ask("GET", &path).as_(&house.mia).send().await.json();
            assert_eq!(page["total_count"], total, "{path}");
            let items = page.get("sync_attempts").or(page.get("failed_attempts")).expect("items");
            seen.extend(items.as_array().expect("a list").iter().map(|i| i["attempt_id"].to_string()));
            pages += 1;
            match page["next"].as_str() {
                Some(next) => path = next.to_owned(),
                None => break,
            }
        }
        let count = seen.len();
        assert!(seen.is_sorted_by(|a, b| a > b), "newest first, none twice");
        assert_eq!(count, total, "{list} in {pages} pages");
    }
}

async fn what_failed_is_replayed_and_nothing_else(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let broken = NewAttempt { remote: Some("broken".into()), ..failed(&house, ErrorClass::RateLimited) };
    let all =
        [attempt(&house), failed(&house, ErrorClass::NonRetryable), failed(&house, ErrorClass::Transient), broken];
    let ids = record(&house, &things, &all).await;
    let replay = async |id: &str| post(&house, &format!("/sync-attempts/{id}/replay/")).await;
    let refused = "calendar_sync_manual_replay_refused".to_owned();
    for (id, expected) in [
        (ids[0].as_str(), (409, "not_possible", "")),
        (ids[1].as_str(), (400, "bad_value", "id")),
        (NOBODY, (404, "not_found", "")),
    ] {
        let (status, code, field) = expected;
        assert_eq!(replay(id).await.problem(), (status, code.to_owned(), field.to_owned()));
        assert_eq!(last(&house, "code").await, (refused.clone(), id.to_owned(), json!(code)));
    }
    let answer = replay(ids[2].as_str()).await;
    assert_eq!(
        answer.json(),
        json!({ "message": "Replay completed", "attempt_id": ids[2].as_str(),
            "result": { "status": "success", "correlation_id": "request-1", "synced_count": 1 } })
    );
    let told = events(&house).await;
    assert!(told.ends_with(&[
        "calendar_sync_manual_replay_requested".to_owned(),
        "calendar_sync_manual_replay_success".to_owned()
    ]));
    // What was repaired has not failed any more, in no list and no figure; once is enough.
    assert_eq!(replay(ids[2].as_str()).await.problem().0, 409);
    let path = format!("/connections/{}", things.connection);
    for (list, expected) in [
        ("/sync-attempts/failed/".to_owned(), [ids[3].as_str(), ids[1].as_str()]),
        (format!("{path}/failed-attempts/"), [ids[3].as_str(), ids[1].as_str()]),
        ("/sync-attempts/?status=success".to_owned(), [ids[2].as_str(), ids[0].as_str()]),
    ] {
        let page = get(&house, &list).await;
        let items = page.get("failed_attempts").or(page.get("sync_attempts")).expect("items");
        let found: Vec<_> = items.as_array().expect("a list").iter().map(|i| i["attempt_id"].clone()).collect();
        assert_eq!((found.len(), &page["total_count"]), (2, &json!(2)), "{list}");
        assert!(expected.iter().all(|id| found.contains(&json!(id))), "{list}: {found:?}");
    }
    let page = get(&house, &format!("/sync-attempts/?text={}", "event1")).await;
    let own = page["sync_attempts"].as_array().expect("a list").iter().find(|i| i["attempt_id"] == ids[2].as_str());
    let own = own.expect("there");
    assert_eq!((&own["status"], &own["error_class"]), (&json!("success"), &json!("transient")), "what it was is kept");
    assert!(own["replayed_at"].is_string());
    let figures = &get(&house, &format!("{path}/sync-status/")).await["statistics"];
    assert_eq!((&figures["failures"], &figures["successes"]), (&json!(2), &json!(2)));
    let answer = replay(ids[3].as_str()).await.json();
    assert_eq!((&answer["message"], &answer["result"]["status"]), (&json!("Replay failed"), &json!("failed")));
    assert_eq!(events(&house).await.last().map(String::as_str), Some("calendar_sync_manual_replay_failed"));
    // An erasure takes all of them, and the lists say so.
    let mut tx = house.bench.store.write().await.expect("a transaction");
    tx.erase_synced(&house.ada.user.firm, &house.ada.user.id).await.expect("erased");
    tx.commit().await.expect("a commit");
    for list in ["/sync-attempts/", "/sync-attempts/?status=success", "/sync-attempts/failed/?include_exhausted"] {
        assert_eq!(get(&house, list).await["total_count"], 0, "{list}");
    }
}

async fn connections_are_looked_at_anew(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let path = format!("{ROOT}/connections/{}/resync/", things.connection);
    let answer = house.ask("POST", &path).as_(&house.mia).send().await;
    let mut told = answer.json();
    assert_eq!(told["result"]["error_summary"].take(), "None to None");
    assert_eq!(
        told,
        json!({ "message": "Resync completed", "connection_id": things.connection.as_str(), "provider": "google",
            "result": { "status": "success", "correlation_id": "request-1", "synced_count": 7, "error_summary": null } })
    );
    let body = json!({ "start_date": "2026-12-01", "end_date": "2026-12-02" });
    let answer = house.ask("POST", &path).as_(&house.mia).json(&body).send().await.json();
    // From the midnight that begins the first day to the one that ends the last.
    assert_eq!(answer["result"]["error_summary"], "Some(1796083200000) to Some(1796256000000)");
    for (body, field) in [
        (json!({ "start_date": "soon" }), "start_date"),
        (json!({ "start_date": "2026-12-02", "end_date": "2026-12-01" }), "end_date"),
        (json!({ "from": "2026-12-02" }), "from"),
        (json!({ "start_date": null, "end_date": 7 }), "end_date"),
    ] {
        let answer = house.ask("POST", &path).as_(&house.mia).json(&body).send().await.problem();
        assert_eq!((answer.0, answer.2.as_str()), (400, field), "{body}");
    }
    let appointment = house.make("/api/appointments", json!({ "title": "Lunch", "start": "2026-12-01" })).await;
    let id = appointment["id"].as_str().expect("an id");
    let answer = post(&house, &format!("/appointments/{id}/resync/")).await;
    assert_eq!(
        answer.json(),
        json!({ "message": "Resync completed", "appointment_id": id, "external_event_id": "event1",
            "result": { "status": "success", "correlation_id": "request-1", "synced_count": 1 } })
    );
    let told = events(&house).await;
    for event in ["calendar_connection_resync", "appointment_resync"] {
        for word in ["requested", "completed"] {
            assert!(told.contains(&format!("{event}_{word}")), "{event}_{word}");
        }
    }
    // Dates are recorded as they were given.
    let body = json!({ "start_date": "2026-12-01", "end_date": "9999-12-31" });
    assert_eq!(house.ask("POST", &path).as_(&house.mia).json(&body).send().await.status, StatusCode::OK);
    let acts = acts(&house).await;
    let [.., asked, done] = acts.as_slice() else { panic!("two at least") };
    let details: Value = serde_json::from_str(&asked.details).expect("JSON");
    assert_eq!((&details["start_date"], &details["end_date"]), (&json!("2026-12-01"), &json!("9999-12-31")));
    assert_eq!(
        (done.action.as_str(), &done.correlation_id),
        ("calendar_connection_resync_completed", &asked.correlation_id)
    );
    assert_eq!((done.actor.as_str(), done.target.as_str()), ("mia", things.connection.as_str()));
}

/// Another firm's manager and the ids of this one, call by call and with the bodies that the calls take.
async fn another_firm_s_manager_finds_nothing(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let attempts = record(&house, &things, &[failed(&house, ErrorClass::Transient)]).await;
    let appointment = house.make("/api/appointments", json!({ "title": "Lunch", "start": "2026-12-01" })).await;
    let appointment = appointment["id"].as_str().expect("an id");
    let (connection, bounds) = (&things.connection, json!({ "start_date": "2026-12-01", "end_date": "2026-12-31" }));
    let before = (events(&house).await.len(), get(&house, "/sync-attempts/").await["total_count"].clone());
    for (verb, path, body) in [
        ("POST", format!("/connections/{connection}/resync/"), bounds),
        ("POST", format!("/connections/{connection}/resync/"), json!({})),
        ("POST", format!("/connections/{connection}/pause/"), json!({})),
        ("POST", format!("/connections/{connection}/resume/"), json!({})),
        ("POST", format!("/connections/{connection}/revoke/"), json!({})),
        ("POST", format!("/links/{}/confirm/", things.link), json!({})),
        ("POST", format!("/appointments/{appointment}/resync/"), json!({})),
        ("POST", format!("/sync-attempts/{}/replay/", attempts[0]), json!({})),
        ("GET", format!("/connections/{connection}/sync-status/"), json!({})),
        ("GET", format!("/connections/{connection}/failed-attempts/"), json!({})),
    ] {
        let path = format!("{ROOT}{path}");
        let ask = house.ask(verb, &path).as_(&house.eve);
        let answer = if verb == "GET" { ask.send().await } else { ask.json(&body).send().await };
        assert_eq!(answer.problem(), (404, "not_found".into(), String::new()), "{verb} {path}");
        // Her own trail knows it, theirs does not.
        let mut tx = house.bench.store.read().await.expect("a transaction");
        let own = tx.audit_events(&house.eve.user.firm, 0, 1_000).await.expect("a query").pop().expect("one").act;
        let expected = "_refused";
        assert!(own.action.ends_with(expected) && own.actor == "eve", "{own:?}");
    }
    for query in [format!("connection_id={connection}"), format!("user={}", house.ada.user.id), "user=ada".to_owned()] {
        let page = house.ask("GET", &format!("{ROOT}/sync-attempts/?{query}")).as_(&house.eve).send().await.json();
        assert_eq!(page["total_count"], 0, "{query}");
    }
    let page =
        house.ask("GET", &format!("{ROOT}/audit-events/?user={}", house.mia.user.id)).as_(&house.eve).send().await;
    assert_eq!(page.json()["total_count"], 0);
    // One more read of mia's is there than before, and nothing else.
    assert_eq!(events(&house).await.len(), before.0 + 1);
    let status = get(&house, &format!("/connections/{connection}/sync-status/")).await;
    assert_eq!((&status["status"], before.1), (&json!("active"), json!(1)));
}

async fn calls_without_a_body_take_none(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let attempts = record(&house, &things, &[failed(&house, ErrorClass::Transient)]).await;
    let appointment = house.make("/api/appointments", json!({ "title": "Lunch", "start": "2026-12-01" })).await;
    let appointment = appointment["id"].as_str().expect("an id");
    let connection = &things.connection;
    for (path, refused) in [
        (format!("/connections/{connection}/pause/"), "calendar_connection_pause_refused"),
        (format!("/connections/{connection}/resume/"), "calendar_connection_resume_refused"),
        (format!("/connections/{connection}/revoke/"), "calendar_connection_revoke_refused"),
        (format!("/links/{}/confirm/", things.link), "sync_link_confirm_refused"),
        (format!("/appointments/{appointment}/resync/"), "appointment_resync_refused"),
        (format!("/sync-attempts/{}/replay/", attempts[0]), "calendar_sync_manual_replay_refused"),
    ] {
        let ask = || house.ask("POST", &format!("{ROOT}{path}")).as_(&house.mia);
        for (body, expected) in [
            ("{\"until\":\"friday\"}", (400, "unknown_field", "until")),
            ("[]", (400, "bad_json", "")),
            ("pause it", (400, "bad_json", "")),
        ] {
            let answer = ask().header("content-type", "application/json").body(body).send().await.problem();
            assert_eq!((answer.0, answer.1.as_str(), answer.2.as_str()), expected, "{path} {body}");
            assert_eq!(last(&house, "code").await.0, refused);
        }
        let answer = ask().header("content-type", "text/plain").body("now").send().await.problem();
        assert_eq!((answer.0, answer.1.as_str()), (415, "not_json"), "{path}");
    }
    for body in ["", "{}", " { } "] {
        let ask = house.ask("POST", &format!("{ROOT}/connections/{connection}/pause/")).as_(&house.mia);
        let answer = ask.header("content-type", "application/json").body(body).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{body:?}: {}", answer.text());
    }
}

async fn a_cursor_is_ours_or_refused(house: House) {
    let things = synced(&house, &house.ada).await;
    record(&house, &things, &vec![failed(&house, ErrorClass::Transient); 3]).await;
    let own = |page: &Value| {
        let next = page["next"].as_str().expect("more");
        next.split("cursor=").nth(1).expect("a cursor").to_owned()
    };
    let attempts = own(&get(&house, "/sync-attempts/?limit=1").await);
    get(&house, "/webhooks/").await;
    let acts = own(&get(&house, "/audit-events/?limit=1").await);
    let page = get(&house, &format!("/sync-attempts/?limit=1&cursor={attempts}")).await;
    assert_eq!(page["sync_attempts"].as_array().map(Vec::len), Some(1));
    let of = format!("/connections/{}/failed-attempts/", things.connection);
    for path in ["/sync-attempts/", "/sync-attempts/failed/", "/connections/", "/webhooks/", "/audit-events/", &of] {
        let mut wrong = vec![
            NOBODY.to_owned(),
            "1".to_owned(),
            "x".to_owned(),
            String::new(),
            format!("{NOBODY}.0011223344556677"),
        ];
        if path != "/sync-attempts/" {
            wrong.push(attempts.clone());
        }
        if path != "/audit-events/" {
            wrong.push(acts.clone());
        }
        for cursor in wrong {
            let path = format!("{ROOT}{path}?cursor={cursor}");
            let answer = house.ask("GET", &path).as_(&house.mia).send().await.problem();
            assert_eq!((answer.0, answer.1.as_str(), answer.2.as_str()), (400, "bad_value", "cursor"), "{path}");
        }
    }
    let path = format!("{ROOT}/audit-events/?cursor={acts}");
    let answer = house.ask("GET", &path).as_(&house.eve).send().await.problem();
    assert_eq!((answer.0, answer.2.as_str()), (400, "cursor"), "another firm's");
}

async fn failed_attempts_and_acts_are_found_by_filters(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let lunch = json!({ "title": "Lunch", "start": "2026-12-01", "project_id": "p-1" });
    let appointment = house.make("/api/appointments", lunch).await;
    let appointment = appointment["id"].as_str().expect("an id").to_owned();
    let object = Some(ObjectId::from_text(appointment.as_str()));
    let yesterday = house.bench.store.now().plus_ms(-DAY_MS);
    let of_project = NewAttempt { object, ..failed(&house, ErrorClass::Transient) };
    let last = NewAttempt { max_retries_reached: true, started: yesterday, ..failed(&house, ErrorClass::RateLimited) };
    let ids = record(&house, &things, &[attempt(&house), of_project, last]).await;
    let of = format!("/connections/{}/failed-attempts/", things.connection);
    for path in ["/sync-attempts/failed/", &of] {
        for (query, expected) in [
            ("", 1),
            ("include_exhausted", 2),
            ("include_exhausted=", 2),
            ("include_exhausted=true", 2),
            ("include_exhausted=1", 2),
            ("include_exhausted=0", 1),
            ("include_exhausted=false", 1),
            ("status=exhausted", 1),
            ("status=failed", 2),
            ("include_exhausted&error_class=rate_limited", 1),
            ("include_exhausted&provider=google&user=ada", 2),
            ("include_exhausted&provider=apple", 0),
            ("include_exhausted&user=bob", 0),
            ("project=p-1", 1),
            ("project=p-2", 0),
            ("include_exhausted&text=ANSWERED%20503", 2),
            ("text=nothing", 0),
            ("include_exhausted&end_date=2026-11-20", 1),
            ("include_exhausted&start_date=2026-11-21", 1),
        ] {
            let page = get(&house, &format!("{path}?{query}")).await;
            let items = page["failed_attempts"].as_array().expect("a list").len();
            assert_eq!((items, &page["total_count"]), (expected, &json!(expected)), "{path}?{query}");
        }
        for (query, field) in [
            ("include_exhausted=maybe", "include_exhausted"),
            ("status=success", "status"),
            ("provider=yahoo", "provider"),
        ] {
            let answer = house.ask("GET", &format!("{ROOT}{path}?{query}")).as_(&house.mia).send().await.problem();
            assert_eq!((answer.0, answer.2.as_str()), (400, field), "{query}");
        }
    }
    let connection = things.connection.as_str();
    post(&house, &format!("/connections/{connection}/pause/")).await;
    post(&house, &format!("/connections/{connection}/resume/")).await;
    post(&house, &format!("/links/{}/confirm/", things.link)).await;
    post(&house, &format!("/appointments/{appointment}/resync/")).await;
    post(&house, &format!("/sync-attempts/{}/replay/", ids[1])).await;
    for (query, expected) in [
        // Paused, resumed; the link's refused confirmation; the attempt's replay and what came of it.
        ("provider=google", 5),
        ("provider=microsoft", 0),
        // The appointment's resync and what came of it; the attempt's replay and what came of it.
        ("project=p-1", 4),
        ("project=p-2", 0),
        ("status=requested", 2),
        ("status=success", 2),
        // And the reads above that were refused.
        ("status=refused", 7),
        ("status=refused&provider=google&user=mia&text=not_possible", 1),
        ("status=failed", 0),
        ("status=done&provider=google", 2),
        (&format!("user={}&status=done&provider=google", house.mia.user.id), 2),
        (&format!("user={}", house.bob.user.id), 0),
        (&format!("user={}", house.eve.user.id), 0),
        (&format!("user={NOBODY}"), 0),
        ("user=system", 0),
    ] {
        let page = get(&house, &format!("/audit-events/?{query}")).await;
        let items = page["audit_events"].as_array().expect("a list").len();
        assert_eq!((items, &page["total_count"]), (expected, &json!(expected)), "{query}");
    }
    let page = get(&house, "/audit-events/?status=requested").await;
    assert_eq!(page["audit_events"][0]["status"], "requested");
    for query in ["status=odd", "provider=yahoo"] {
        let answer = house.ask("GET", &format!("{ROOT}/audit-events/?{query}")).as_(&house.mia).send().await.problem();
        assert_eq!(answer.0, 400, "{query}");
    }
}

async fn webhooks_are_found_by_text_and_project(house: House) {
    let things = synced(&house, &house.ada).await;
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let due = Due { firm: house.ada.user.firm.clone(), link: things.link.clone() };
    let lease = tx.take_lease(&due, "n").await.expect("a query").expect("free");
    let id = tx.new_channel_id();
    let later = tx.now().plus_ms(DAY_MS);
    tx.add_channel(&lease, &id, "res-1", b"hash", later).await.expect("added");
    tx.commit().await.expect("a commit");
    for (query, expected) in [
        ("", 1),
        ("text=ADA", 1),
        (&format!("text={id}"), 1),
        (&format!("text={}", things.link), 1),
        (&format!("text={}", things.connection), 1),
        ("text=nothing", 0),
        ("project=p-1", 0),
        ("status=active&provider=google&user=ada", 1),
    ] {
        let page = get(&house, &format!("/webhooks/?{query}")).await;
        let items = page["webhooks"].as_array().expect("a list").len();
        assert_eq!((items, &page["total_count"]), (expected, &json!(expected)), "{query}");
    }
}

async fn who_is_seen_is_counted(house: House) {
    let active = async || get(&house, "/metrics-summary/").await["active_users"].clone();
    // Mia, by the token that asks.
    assert_eq!(active().await, 1);
    let hash = house.gate.hash_password("correct horse battery").await.expect("a hash");
    let mut tx = house.bench.store.write().await.expect("a transaction");
    tx.set_password_hash(&house.bob.user.firm, &house.bob.user.id, Some(&hash)).await.expect("set");
    tx.commit().await.expect("a commit");
    let basic = base64::engine::general_purpose::STANDARD.encode("bob:correct horse battery");
    let answer = house.ask("GET", "/api/me").header("authorization", &format!("Basic {basic}")).send().await;
    assert_eq!((answer.status, active().await), (StatusCode::OK, json!(2)), "the account's own password");
    // A session that began long ago and is in use.
    let cookie = house.session(&house.ada).await;
    house.bench.clock.advance_ms(45 * 60_000);
    let answer = house.ask("GET", "/api/me").header("cookie", &cookie).send().await;
    assert_eq!((answer.status, active().await), (StatusCode::OK, json!(3)));
}

async fn connections_are_paused_resumed_and_revoked(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let id = things.connection.as_str();
    for (call, status, event) in [
        ("pause", "paused", "calendar_connection_paused"),
        ("resume", "active", "calendar_connection_resumed"),
        ("revoke", "revoked", "calendar_connection_revoked"),
    ] {
        let answer = post(&house, &format!("/connections/{id}/{call}/")).await.json();
        assert_eq!(fields(&answer), ["connection_id", "message", "provider", "status"]);
        assert_eq!((&answer["connection_id"], &answer["status"]), (&json!(id), &json!(status)));
        assert_eq!(events(&house).await.last().map(String::as_str), Some(event));
        let list = get(&house, &format!("/connections/?status={status}&provider=google&user=ada&text=secret")).await;
        assert_eq!((&list["total_count"], &list["connections"][0]["connection_id"]), (&json!(1), &json!(id)));
        assert_eq!(list["connections"][0]["user_name"], "ada");
    }
    for query in ["status=active", "user=bob", "text=nothing", "project=p", "end_date=2026-11-20"] {
        assert_eq!(get(&house, &format!("/connections/?{query}")).await["total_count"], 0, "{query}");
    }
    let answer = post(&house, &format!("/connections/{id}/resume/")).await.problem();
    assert_eq!((answer.0, answer.1.as_str()), (409, "not_possible"), "a revoked one is connected again by its user");
}

async fn a_guarded_link_is_confirmed(house: House) {
    let things = synced(&house, &house.ada).await;
    let (firm, id) = (&house.ada.user.firm, things.link.as_str());
    assert_eq!(post(&house, &format!("/links/{id}/confirm/")).await.problem().0, 409);
    let refused = ("sync_link_confirm_refused".to_owned(), id.to_owned(), json!("not_possible"));
    assert_eq!(last(&house, "code").await, refused);
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let status = kalends::domain::sync::LinkStatus::NeedsConfirmation;
    tx.set_link_status(firm, &things.link, status, Some("12 of 20")).await.expect("set");
    tx.commit().await.expect("a commit");
    let answer = post(&house, &format!("/links/{id}/confirm/")).await.json();
    assert_eq!((fields(&answer), &answer["status"]), (vec!["link_id", "message", "status"], &json!("active")));
    assert_eq!(events(&house).await.last().map(String::as_str), Some("sync_link_confirmed"));
}

async fn acts_are_listed_and_chained(house: House) {
    let things = synced(&house, &house.ada).await;
    for call in ["pause", "resume"].repeat(60) {
        assert_eq!(post(&house, &format!("/connections/{}/{call}/", things.connection)).await.status, StatusCode::OK);
    }
    let page = get(&house, "/audit-events/?event=calendar_connection_paused&user=mia").await;
    assert_eq!((&page["total_count"], &page["next"]), (&json!(60), &Value::Null));
    let own = &page["audit_events"][0];
    let names = [
        "actor",
        "address",
        "at",
        "audit_event_id",
        "chain",
        "correlation_id",
        "details",
        "event",
        "number",
        "status",
        "target",
    ];
    assert_eq!(fields(own), names);
    assert_eq!(
        (&own["actor"], &own["address"], &own["correlation_id"]),
        (&json!("mia"), &json!("192.0.2.1"), &json!("request-1"))
    );
    assert_eq!(own["target"], things.connection.as_str());
    let all = get(&house, "/audit-events/").await;
    assert_eq!(all["audit_events"].as_array().map(Vec::len), Some(100));
    let next = house.ask("GET", all["next"].as_str().expect("more")).as_(&house.mia).send().await.json();
    let (last, first) = (&all["audit_events"][99]["number"], &next["audit_events"][0]["number"]);
    assert_eq!(last.as_i64().expect("a number") - 1, first.as_i64().expect("a number"));
    assert_eq!(get(&house, "/audit-events/?text=PAUSED&end_date=2026-11-21").await["total_count"], 60);
    assert_eq!(house.bench.store.doctor().await.expect("a report").finding_count, 0);
    let webhooks = get(&house, "/webhooks/?status=active&provider=google&user=ada").await;
    assert_eq!((fields(&webhooks), &webhooks["total_count"]), (vec!["next", "total_count", "webhooks"], &json!(0)));
}

async fn the_summary_adds_up(house: House) {
    let things = synced(&house, &house.ada).await;
    let mut all = vec![attempt(&house); 29];
    all.push(failed(&house, ErrorClass::Transient));
    all.push(NewAttempt { started: house.bench.store.now().plus_ms(-8 * DAY_MS), ..attempt(&house) });
    record(&house, &things, &all).await;
    let told = get(&house, "/metrics-summary/").await;
    assert_eq!((&told["success_rate"], &told["total_attempts"]), (&json!("96.7%"), &json!(30)));
    assert_eq!(get(&house, "/metrics-summary/?days=9").await["total_attempts"], 31);
    assert_eq!(told["connections"], json!([{ "provider": "google", "status": "active", "count": 1 }]));
    assert_eq!(told["runs"], json!([{ "provider": "google", "status": "partial", "count": 1 }]));
    assert_eq!((&told["open_conflicts"], &told["users"]), (&json!(1), &json!(3)));
    let answer = house.ask("GET", &format!("{ROOT}/metrics-summary/?days=0")).as_(&house.mia).send().await.problem();
    assert_eq!((answer.0, answer.2.as_str()), (400, "days"));
    // An erasure takes the attempts, and the lists say so; what was counted stays counted.
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let erased: Result<_, StoreError> = tx.erase_synced(&house.ada.user.firm, &house.ada.user.id).await;
    erased.expect("erased");
    tx.commit().await.expect("a commit");
    assert_eq!(get(&house, "/sync-attempts/").await["total_count"], 0);
    assert_eq!(get(&house, "/metrics-summary/").await["total_attempts"], 30);
}

async fn an_appointment_s_story_is_told_in_order(house: House) {
    let things = synced(&house, &house.ada).await;
    let made = house.make("/api/appointments", json!({ "title": "Lunch", "start": "2026-12-01" })).await;
    let id = made["id"].as_str().expect("an id").to_owned();
    let (firm, object) = (house.ada.user.firm.clone(), ObjectId::from_text(id.as_str()));
    house.bench.clock.advance_ms(1_000);
    let fault = NewAttempt { object: Some(object.clone()), ..failed(&house, ErrorClass::Transient) };
    record(&house, &things, &[fault]).await;
    house.bench.clock.advance_ms(1_000);
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let link = tx.link_by_id(&firm, &things.link).await.expect("a query").expect("there");
    let run = tx.begin_run(&link, RunKind::Push, "c-3").await.expect("begun");
    let item = RunItem {
        run,
        number: 0,
        link: link.id.clone(),
        object: Some(object.clone()),
        remote: Some("event9".into()),
        way: Way::Push,
        action: "created".into(),
        before_version: None,
        before: None,
        after_version: Some(1),
        note: None,
        at: tx.now(),
    };
    tx.add_run_item(&firm, &item).await.expect("noted");
    tx.commit().await.expect("a commit");
    house.bench.clock.advance_ms(1_000);
    house.ada("PATCH", &format!("/api/appointments/{id}")).json(&json!({ "title": "Dinner" })).send().await;
    house.bench.clock.advance_ms(1_000);
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let new = Conflict {
        id: ConflictId::from_text(""),
        link: link.id.clone(),
        mapping: MappingId::from_text("m9"),
        user: house.ada.user.id.clone(),
        object: Some(object),
        remote: Some("event9".into()),
        kind: ConflictKind::DataMismatch,
        fields: "[]".into(),
        opened: tx.now(),
        resolved: None,
        choices: None,
    };
    let (conflict, _) = tx.open_or_update_conflict(&firm, &new).await.expect("opened");
    tx.commit().await.expect("a commit");
    house.bench.clock.advance_ms(1_000);
    let mut tx = house.bench.store.write().await.expect("a transaction");
    tx.resolve_conflict(&firm, &conflict, Resolution::KeepPlatform, None, "mia").await.expect("decided");
    tx.commit().await.expect("a commit");
    let told = house.ada("GET", &format!("/api/appointments/{id}/history")).send().await.json();
    let story: Vec<(String, String)> = told["story"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|i| (i["kind"].as_str().expect("a kind").to_owned(), i["text"].as_str().expect("a text").to_owned()))
        .collect();
    let expected = [
        ("version", "ada created it over the API"),
        ("failure", "upsert with Secret at google failed: the provider answered 503"),
        ("sync", "Carried to Secret at google: created"),
        ("version", "ada changed it over the API"),
        ("conflict", "Both sides had changed it, here and in Secret at google: data_mismatch"),
        ("decision", "mia decided the conflict: keep_platform"),
    ];
    assert_eq!(story, expected.map(|(kind, text)| (kind.to_owned(), text.to_owned())));
    assert_eq!(told["story"][2]["external_event_id"], "event9");
    assert!(!told["story"].to_string().contains("Dinner"), "no title is told");
}
