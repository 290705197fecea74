//! Subscriptions and what is POSTed to their receivers.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{
    super::{Delivery, Fault, Outcome, Received, Rule},
    Bench, EVENTS, event_path, hour,
};
use crate::serve::Reaction;

const URL: &str = "https://kalends.example.com/hook?x=1";

fn body(bench: &Bench, minutes: i64) -> Value {
    let until = super::super::moment::stamp(bench.now_ms + minutes * 60_000);
    json!({
        "changeType": "created,updated,deleted", "notificationUrl": URL, "lifecycleNotificationUrl": "https://kalends.example.com/life",
        "resource": "me/calendars/AAMkADwork=/events", "expirationDateTime": until, "clientState": "state",
    })
}

fn subscribe(bench: &mut Bench) -> super::Got {
    let body = body(bench, 1000);
    bench.call_with("POST", "/v1.0/subscriptions", body, &[("prefer", "IdType=\"ImmutableId\"")])
}

fn due(bench: &mut Bench) -> Vec<Delivery> {
    bench.microsoft.deliveries(bench.now_ms)
}

fn notice(delivery: &Delivery) -> Value {
    serde_json::from_slice::<Value>(&delivery.body).unwrap()["value"][0].clone()
}

#[test]
fn a_receiver_must_echo_the_decoded_token_as_text() {
    let mut bench = Bench::new();
    for (answer, status) in [(0, 201), (1, 400), (2, 400), (3, 400), (4, 400)] {
        let request = Request::post("/v1.0/subscriptions")
            .header("authorization", format!("Bearer {}", bench.token))
            .header("content-type", "application/json")
            .body(Bytes::from(body(&bench, 1000).to_string()))
            .unwrap();
        let Reaction::Asks { ticket, posts } = bench.microsoft.begin(bench.now_ms, &request) else { panic!() };
        assert_eq!(posts.len(), 2);
        assert!(posts[0].url.starts_with(&format!("{URL}&validationToken=")));
        let echo = |post: &Delivery| {
            let url = url::Url::parse(&post.url).unwrap();
            let token = url.query_pairs().find(|(name, _)| name == "validationToken").unwrap().1.into_owned();
            let raw = post.url.split("validationToken=").nth(1).unwrap().to_owned();
            let good =
                Received { status: 200, content_type: "text/plain; charset=utf-8".into(), body: Bytes::from(token) };
            match answer {
                0 => Some(good),
                1 => None,
                2 => Some(Received { status: 202, ..good }),
                3 => Some(Received { content_type: "text/html".into(), ..good }),
                _ => Some(Received { body: Bytes::from(raw), ..good }),
            }
        };
        let outcome = bench.microsoft.go_on(bench.now_ms, ticket, Some(posts.iter().map(echo).collect()));
        let Outcome::Answer(response) = outcome else { panic!() };
        assert_eq!(response.status().as_u16(), status, "{answer}");
    }
    assert_eq!(bench.microsoft.subscriptions(bench.now_ms).len(), 1);
}

#[test]
fn changes_are_told_with_the_secret_and_the_lasting_id() {
    let mut bench = Bench::new();
    let made = subscribe(&mut bench);
    assert_eq!((made.status, made.text("clientState").as_str()), (201, "state"));
    let id = bench.create(hour("One")).text("id");
    bench.call("PATCH", &event_path(&id), json!({ "subject": "Two" }));
    bench.call("DELETE", &event_path(&id), Value::Null);
    bench.call("POST", "/v1.0/me/events", hour("Elsewhere"));
    let told: Vec<Value> = due(&mut bench).iter().map(notice).collect();
    assert_eq!(
        told.iter().map(|one| one["changeType"].as_str().unwrap()).collect::<Vec<_>>(),
        ["created", "updated", "deleted"]
    );
    assert_eq!(told[0]["clientState"], "state");
    assert!(told[0]["resourceData"]["id"].as_str().unwrap().starts_with("AAkALg"));
    assert!(due(&mut bench).is_empty());
}

#[test]
fn a_receiver_that_fails_is_tried_again_for_four_hours() {
    let mut bench = Bench::new();
    subscribe(&mut bench);
    bench.create(hour("One"));
    let mut delivery = due(&mut bench).remove(0);
    let mut tries = 0;
    loop {
        bench.microsoft.delivery_failed(bench.now_ms, &delivery);
        let Some(at) = bench.microsoft.next_delivery_ms() else { break };
        assert!(at > bench.now_ms);
        bench.now_ms = at;
        delivery = due(&mut bench).remove(0);
        tries += 1;
    }
    assert!((8..20).contains(&tries), "{tries}");
}

#[test]
fn they_are_renewed_and_end() {
    let mut bench = Bench::new();
    let made = subscribe(&mut bench);
    let path = format!("/v1.0/subscriptions/{}", made.text("id"));
    let until = |bench: &Bench, minutes: i64| json!({ "expirationDateTime": super::super::moment::stamp(bench.now_ms + minutes * 60_000) });
    let wanted = until(&bench, 10_079);
    let renewed = bench.call("PATCH", &path, wanted.clone());
    assert_eq!((renewed.status, &renewed.body["expirationDateTime"]), (200, &wanted["expirationDateTime"]));
    let long = until(&bench, 10_090);
    assert_eq!(bench.call("PATCH", &path, long).status, 400);
    let short = until(&bench, 1);
    assert_ne!(
        bench.call("PATCH", &path, short.clone()).body["expirationDateTime"],
        short["expirationDateTime"],
        "45 minutes at least"
    );
    assert_eq!(bench.call("POST", &format!("{path}/reauthorize"), Value::Null).status, 204);
    assert_eq!(bench.get("/v1.0/subscriptions").values().len(), 1);
    bench.microsoft.advance(46 * 60_000);
    assert_eq!(bench.get(&path).status, 404);
    let again = until(&bench, 100);
    assert_eq!(bench.call("PATCH", &path, again).status, 404);
    bench.create(hour("One"));
    assert!(due(&mut bench).is_empty());
    bench.microsoft.advance(-46 * 60_000);
    assert_eq!(bench.call("DELETE", &path, Value::Null).status, 204);
    assert_eq!(bench.get(&path).status, 404);
}

#[test]
fn lifecycle_is_told_apart() {
    let mut bench = Bench::new();
    let id = subscribe(&mut bench).text("id");
    for event in ["reauthorizationRequired", "missed", "subscriptionRemoved"] {
        assert!(bench.microsoft.lifecycle(bench.now_ms, &id, event));
        let sent = due(&mut bench).remove(0);
        assert_eq!(
            (sent.url.as_str(), notice(&sent)["lifecycleEvent"].as_str()),
            ("https://kalends.example.com/life", Some(event))
        );
    }
    assert!(!bench.microsoft.lifecycle(bench.now_ms, &id, "missed"));
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let mut bench = Bench::new();
    for (name, value) in [
        ("resource", json!("me/messages")),
        ("resource", json!("me/calendars/nothing/events")),
        ("changeType", json!("moved")),
        ("notificationUrl", json!("http://127.0.0.1:1/hook")),
        ("notificationUrl", json!(null)),
        ("expirationDateTime", json!("2020-01-01T00:00:00Z")),
        ("clientState", json!("x".repeat(256))),
    ] {
        let mut body = body(&bench, 1000);
        body[name] = value;
        let refused = bench.call("POST", "/v1.0/subscriptions", body);
        assert!(matches!(refused.status, 400 | 404), "{name}: {}", refused.body);
    }
    subscribe(&mut bench);
    bench.microsoft.settings_mut().one_subscription = true;
    assert_eq!(subscribe(&mut bench).status, 409);
}

#[test]
fn notices_get_lost_doubled_and_late() {
    let mut bench = Bench::new();
    subscribe(&mut bench);
    for (fault, count) in
        [(Fault::DropDelivery, 0), (Fault::DuplicateDelivery, 2), (Fault::DelayDelivery { ms: 5000 }, 0)]
    {
        bench.microsoft.faults().push(Rule::new(fault));
        bench.create(hour("One"));
        assert_eq!(due(&mut bench).len(), count);
    }
    bench.now_ms += 10_000;
    assert_eq!(due(&mut bench).len(), 1);
    assert_eq!(bench.get(EVENTS).status, 200);
}
