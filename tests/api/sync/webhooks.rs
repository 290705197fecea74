//! Notifications of providers: whoever knows the token is heard, and nobody else.

use kalends::auth::Purpose;
use kalends::domain::ids::ChannelId;
use kalends::domain::sync::RunKind;
use kalends::domain::time::Instant;
use kalends::store::Due;

use super::{problem, synced};
use crate::house::{Answer, House};

on_both! {
    a_notification_asks_for_a_run
    what_is_not_known_is_not_there
    microsoft_is_answered_with_its_own_token
    microsofts_notifications_are_heard_by_their_state
    microsofts_lifecycle_is_minded
}

const PATH: &str = "/api/webhooks/google/calendar";
const TOKEN: &str = "the token of this channel";

/// A channel, and its link planned for a day from now.
async fn channel(house: &House) -> (ChannelId, super::Synced) {
    let things = synced(house, &house.ada).await;
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let due = Due { firm: house.ada.user.firm.clone(), link: things.link.clone() };
    let was = tx.link_by_id(&due.firm, &due.link).await.expect("a query").expect("a link").due;
    let lease = tx.take_lease(&due, "n").await.expect("a query").expect("free");
    let id = tx.new_channel_id();
    let hash = house.gate.hash(Purpose::Webhook, TOKEN);
    let later = tx.now().plus_ms(86_400_000);
    tx.add_channel(&lease, &id, "res-1", &hash, later).await.expect("added");
    let begun = tx.begin_pull(&lease, was).await.expect("begun");
    let status = kalends::domain::sync::RunStatus::Success;
    tx.end_pull(&lease, begun, status, (later, RunKind::Pull)).await.expect("ended");
    tx.commit().await.expect("a commit");
    (id, things)
}

async fn notify(house: &House, headers: &[(&str, &str)]) -> Answer {
    let ask = headers.iter().fold(house.ask("POST", PATH), |ask, (name, value)| ask.header(name, value));
    ask.send().await
}

async fn due(house: &House, things: &super::Synced) -> (Instant, RunKind) {
    let mut tx = house.bench.store.read().await.expect("a transaction");
    let link = tx.link_by_id(&house.ada.user.firm, &things.link).await.expect("a query").expect("there");
    (link.due, link.due_kind)
}

async fn a_notification_asks_for_a_run(house: House) {
    let (id, things) = channel(&house).await;
    let planned = due(&house, &things).await;
    let send = async |state: &str| {
        let headers = [
            ("x-goog-channel-id", id.as_str()),
            ("x-goog-channel-token", TOKEN),
            ("x-goog-resource-id", "res-1"),
            ("x-goog-resource-state", state),
            ("x-goog-message-number", "2"),
        ];
        let answer = notify(&house, &headers).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0), "{state}");
    };
    send("sync").await;
    assert_eq!(due(&house, &things).await, planned, "the first message says nothing");
    let now = house.bench.store.now();
    send("exists").await;
    assert_eq!(due(&house, &things).await, (now.plus_ms(5_000), RunKind::Webhook));
    house.bench.clock.advance_ms(1_000);
    for _ in 0..3 {
        send("exists").await;
    }
    let (at, _) = due(&house, &things).await;
    assert!(at <= now.plus_ms(5_000) && at > now.plus_ms(4_900), "a burst is one run, not put off: {at:?}");
    let mut tx = house.bench.store.read().await.expect("a transaction");
    let heard = tx.channel(&id).await.expect("a query").expect("there");
    assert_eq!(heard.last_notified, Some(now.plus_ms(1_000)));
}

async fn what_is_not_known_is_not_there(house: House) {
    let (id, things) = channel(&house).await;
    let planned = due(&house, &things).await;
    let right = [
        ("x-goog-channel-id", id.as_str()),
        ("x-goog-channel-token", TOKEN),
        ("x-goog-resource-id", "res-1"),
        ("x-goog-resource-state", "exists"),
    ];
    let long = "x".repeat(300);
    let mut wrong: Vec<Vec<(&str, &str)>> = vec![vec![]];
    for (at, values) in [
        (0, vec!["019aa0f3-9a6e-7c2e-a3c4-111111111111", "", "x"]),
        (1, vec!["another token", "", &long]),
        (2, vec!["res-2", ""]),
        (3, vec!["gone", ""]),
    ] {
        let mut missing = right.to_vec();
        missing.remove(at);
        wrong.push(missing);
        for value in values {
            let mut other = right.to_vec();
            other[at].1 = value;
            wrong.push(other);
        }
    }
    for headers in &wrong {
        assert_eq!(notify(&house, headers).await.problem(), problem(404, "not_found", ""), "{headers:?}");
    }
    house.bench.clock.advance_ms(86_400_000);
    assert_eq!(notify(&house, &right).await.status, 404, "the channel has ended");
    assert_eq!(due(&house, &things).await, planned, "nothing happened");
    let mut tx = house.bench.store.read().await.expect("a transaction");
    assert_eq!(tx.channel(&id).await.expect("a query").expect("there").last_notified, None);
}

const OUTLOOK: &str = "/api/webhooks/microsoft/calendar";

async fn microsoft_is_answered_with_its_own_token(house: House) {
    let token = "Validation: Testing reachability Request-Id: abc+&<b>é";
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let answer = house.ask("POST", &format!("{OUTLOOK}?validationToken={encoded}")).send().await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, token.to_owned()));
    assert!(answer.header("content-type").starts_with("text/plain"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    for token in ["".to_owned(), "%0D%0Ax".to_owned(), "x".repeat(3_000)] {
        let answer = house.ask("POST", &format!("{OUTLOOK}?validationToken={token}")).send().await;
        assert_eq!(answer.status, 404, "{token}");
    }
}

fn notification(id: &ChannelId, extra: serde_json::Value) -> serde_json::Value {
    let mut one = serde_json::json!({ "subscriptionId": "res-1", "clientState": format!("{id}.{TOKEN}"),
        "changeType": "updated", "resource": "Users/u/Events/e", "tenantId": "t" });
    for (name, value) in extra.as_object().cloned().unwrap_or_default() {
        one[name] = value;
    }
    one
}

async fn microsofts_notifications_are_heard_by_their_state(house: House) {
    let (id, things) = channel(&house).await;
    let planned = due(&house, &things).await;
    let null = serde_json::Value::Null;
    for wrong in [
        serde_json::json!({}),
        serde_json::json!({ "value": [] }),
        serde_json::json!({ "value": [notification(&id, serde_json::json!({ "clientState": format!("{id}.other") }))] }),
        serde_json::json!({ "value": [notification(&id, serde_json::json!({ "clientState": null }))] }),
        serde_json::json!({ "value": [notification(&id, serde_json::json!({ "clientState": "x" }))] }),
        serde_json::json!({ "value": [notification(&id, serde_json::json!({ "subscriptionId": "res-2" }))] }),
    ] {
        let answer = house.ask("POST", OUTLOOK).json(&wrong).send().await;
        assert_eq!(answer.status, 404, "{wrong}");
    }
    assert_eq!(due(&house, &things).await, planned, "nothing happened");
    let now = house.bench.store.now();
    let strange = notification(&id, serde_json::json!({ "clientState": "of another program" }));
    let batch = serde_json::json!({ "value": [strange, notification(&id, null)] });
    let answer = house.ask("POST", OUTLOOK).json(&batch).send().await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (202, 0));
    assert_eq!(due(&house, &things).await, (now.plus_ms(5_000), RunKind::Webhook));
}

async fn microsofts_lifecycle_is_minded(house: House) {
    let (id, things) = channel(&house).await;
    let now = house.bench.store.now();
    for event in ["missed", "reauthorizationRequired", "subscriptionRemoved"] {
        let one = notification(&id, serde_json::json!({ "lifecycleEvent": event }));
        let answer = house.ask("POST", OUTLOOK).json(&serde_json::json!({ "value": [one] })).send().await;
        assert_eq!(answer.status, 202, "{event}");
        // One that is asked for already is due a moment earlier, so that a run under way knows that it was asked again.
        let (at, kind) = due(&house, &things).await;
        assert!(
            at > now.plus_ms(4_990) && at <= now.plus_ms(5_000) && kind == RunKind::Webhook,
            "{event}: {at} {kind:?}"
        );
        let mut tx = house.bench.store.read().await.expect("a transaction");
        let channel = tx.channel(&id).await.expect("a query");
        match event {
            // Made anew by the run.
            "subscriptionRemoved" => assert_eq!(channel, None),
            // Renewed by the run, as if it were at its end.
            "reauthorizationRequired" => assert_eq!(channel.expect("there").created, Instant::from_ms(0)),
            _ => assert_eq!(channel.expect("there").last_notified, Some(now)),
        }
    }
}
