//! Runs, conflicts and notices.

use serde_json::{Value, json};

use super::{audited, engine, ok, problem, refused, synced};
use crate::house::{House, redacted};

on_both! {
    runs_are_listed_told_retried_and_undone
    conflicts_are_listed_and_decided
    a_notice_is_seen
}

const RESOLVE: &str = "/api/schedule/sync/resolve-conflict";

async fn runs_are_listed_told_retried_and_undone(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let run = format!("/api/schedule/sync/history/{}", things.run);
    for (query, expected) in [
        ("", 1),
        ("?status=partial", 1),
        ("?status=success", 0),
        ("?provider=google", 1),
        ("?provider=outlook", 0),
        ("?from=2026-11-21T08:00:00Z&until=2026-11-22", 1),
        ("?until=2026-11-21", 0),
        ("?limit=1&offset=1", 1),
    ] {
        let page = ok(&house, "GET", &format!("/api/schedule/sync/history{query}"), json!({})).await;
        assert_eq!(page["total"], expected, "{query}");
    }
    for (query, field) in [
        ("?status=odd", "status"),
        ("?provider=yahoo", "provider"),
        ("?from=soon", "from"),
        ("?limit=0", "limit"),
        ("?limt=1", "limt"),
    ] {
        let answer = refused(&house, "GET", &format!("/api/schedule/sync/history{query}"), json!({})).await;
        assert_eq!((answer.0, answer.2.as_str()), (400, field), "{query}");
    }
    let told = ok(&house, "GET", &run, json!({})).await;
    insta::allow_duplicates! { insta::assert_snapshot!("run", redacted(&told)) };

    let again = ok(&house, "POST", &format!("{run}/retry"), json!({})).await;
    assert_eq!((&again["status"], &again["linkId"]), (&json!("running"), &json!(things.link.as_str())));
    let running = format!("/api/schedule/sync/history/{}", again["syncId"].as_str().expect("a run"));
    for call in ["retry", "undo"] {
        let answer = refused(&house, "POST", &format!("{running}/{call}"), json!({})).await;
        assert_eq!(answer, problem(409, "not_possible", ""), "{call}");
    }
    let undone = ok(&house, "POST", &format!("{run}/undo"), json!({})).await;
    assert_eq!(undone["status"], "success");
    let told = audited(&house).await;
    assert!(["sync_run_retried", "sync_run_undone"].iter().all(|a| told.contains(&(*a).to_owned())), "{told:?}");
}

async fn conflicts_are_listed_and_decided(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let list = async |query: &str| ok(&house, "GET", &format!("/api/schedule/sync/conflicts{query}"), json!({})).await;
    let open = list("").await;
    insta::allow_duplicates! { insta::assert_snapshot!("conflicts", redacted(&open)) };
    assert_eq!(
        (list("?status=resolved").await["total"].clone(), list("?status=all").await["total"].clone()),
        (json!(0), json!(1))
    );
    let id = things.conflict.as_str();
    let merge = |choices: Value| json!({ "conflictId": id, "resolution": "merge", "choices": choices });
    let nobody = "019aa0f3-9a6e-7c2e-a3c4-111111111111";
    for (body, expected) in [
        (json!({}), problem(400, "missing_field", "conflictId")),
        (json!({ "conflictId": id }), problem(400, "missing_field", "resolution")),
        (json!({ "conflictId": id, "resolution": "coin" }), problem(400, "bad_value", "resolution")),
        (json!({ "conflictId": nobody, "resolution": "merge" }), problem(404, "not_found", "")),
        (
            json!({ "conflictId": id, "conflictIds": [id], "resolution": "merge" }),
            problem(400, "bad_value", "conflictIds"),
        ),
        (json!({ "conflictIds": [], "resolution": "keep_platform" }), problem(400, "bad_value", "conflicts")),
        (merge(json!({})), problem(400, "missing_field", "choices")),
        (merge(json!({ "title": "platform", "place": "external" })), problem(400, "bad_value", "choices")),
        (merge(json!({ "title": "both" })), problem(400, "bad_value", "choices.title")),
        (
            json!({ "conflictId": id, "resolution": "keep_platform", "choices": { "title": "platform" } }),
            problem(400, "bad_value", "choices"),
        ),
        (
            json!({ "conflicts": [{ "conflictId": id, "resolution": "merge", "choices": {} }] }),
            problem(400, "missing_field", "conflicts[0].choices"),
        ),
    ] {
        assert_eq!(refused(&house, "POST", RESOLVE, body.clone()).await, expected, "{body}");
    }
    assert_eq!(list("").await["total"], 1, "nothing was decided");

    let bulk = json!({ "conflictIds": [nobody, id], "resolution": "keep_external" });
    let done = ok(&house, "POST", RESOLVE, bulk.clone()).await;
    assert_eq!(
        done,
        json!({ "success": false, "results": [
            { "conflictId": nobody, "status": "not_found" }, { "conflictId": id, "status": "resolved" }] })
    );
    assert_eq!(ok(&house, "POST", RESOLVE, bulk).await["results"][1]["status"], "already_resolved");
    let again = refused(&house, "POST", RESOLVE, merge(json!({ "title": "platform" }))).await;
    assert_eq!(again, problem(409, "already_decided", "conflictId"));
    let decided = list("?status=resolved").await["items"][0].clone();
    assert_eq!((&decided["resolution"], &decided["resolvedBy"]), (&json!("keep_external"), &json!("ada")));
    assert!(audited(&house).await.contains(&"sync_conflict_resolved".to_owned()));
}

async fn a_notice_is_seen(house: House) {
    let things = synced(&house, &house.ada).await;
    let list = async |query: &str| ok(&house, "GET", &format!("/api/schedule/sync/notices{query}"), json!({})).await;
    let all = list("").await;
    assert_eq!(
        (&all["items"][0]["kind"], &all["items"][0]["target"]),
        (&json!("needs_reauth"), &json!(things.connection.as_str()))
    );
    let path = format!("/api/schedule/sync/notices/{}/seen", things.notice);
    assert_eq!(house.ada("POST", &path).send().await.status, 204);
    assert_eq!(house.ask("POST", &path).as_(&house.bob).send().await.status, 404);
    assert_eq!((list("").await["total"].clone(), list("?seen=true").await["total"].clone()), (json!(0), json!(1)));
}
