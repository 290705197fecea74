//! Many requests in one.

use serde_json::{Value, json};

use super::{
    super::{Call, Fault, Rule},
    Bench, EVENTS, event_path, hour,
};

const BATCH: &str = "/v1.0/$batch";

fn answer(got: &super::Got, id: &str) -> Value {
    got.body["responses"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone()
}

#[test]
fn each_request_is_answered_on_its_own_and_in_any_order() {
    let mut bench = Bench::new();
    let ids: Vec<String> = (0..12).map(|at| bench.create(hour(&format!("{at}"))).text("id")).collect();
    let requests: Vec<Value> = ids
        .iter()
        .enumerate()
        .map(|(at, id)| json!({ "id": at.to_string(), "method": "GET", "url": event_path(id).replace("/v1.0", "") }))
        .collect();
    bench.microsoft.faults().push(Rule::new(Fault::Throttled { retry_after_s: Some(3) }).at(Call::EventsGet).after(4));
    let got = bench.call("POST", BATCH, json!({ "requests": requests }));
    assert_eq!(got.status, 200);
    let order: Vec<&str> =
        got.body["responses"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(order.len(), 12);
    assert!(!order.is_sorted());
    let refused = answer(&got, "4");
    assert_eq!((refused["status"].as_u64(), refused["headers"]["Retry-After"].as_str()), (Some(429), Some("3")));
    assert_eq!(answer(&got, "5")["body"]["subject"], "5");
    assert_eq!(bench.microsoft.count(Call::EventsGet), 12);
}

#[test]
fn what_failed_takes_along_what_depends_on_it() {
    let mut bench = Bench::new();
    let post = |id: &str, body: Value, on: Value| json!({ "id": id, "method": "POST", "url": EVENTS.replace("/v1.0", ""), "headers": { "Content-Type": "application/json" }, "body": body, "dependsOn": on });
    let requests =
        json!([post("a", json!({}), json!([])), post("b", hour("b"), json!(["a"])), post("c", hour("c"), json!([]))]);
    let got = bench.call("POST", BATCH, json!({ "requests": requests }));
    let status = |id: &str| answer(&got, id)["status"].as_u64().unwrap();
    assert_eq!((status("a"), status("b"), status("c")), (400, 424, 201));
    assert_eq!(bench.get(EVENTS).all("subject"), ["c"]);
}

#[test]
fn malformed_batches_are_refused() {
    let mut bench = Bench::new();
    let get = |id: &str| json!({ "id": id, "method": "GET", "url": "/me" });
    let many: Vec<Value> = (0..21).map(|at| get(&at.to_string())).collect();
    for requests in [
        json!(many),
        json!([get("a"), get("A")]),
        json!([{ "id": "a", "method": "GET" }]),
        json!([{ "id": "a", "method": "GET", "url": "/me", "dependsOn": ["b"] }]),
        json!("x"),
    ] {
        assert_eq!(bench.call("POST", BATCH, json!({ "requests": requests })).status, 400, "{requests}");
    }
    let odd = json!([
        { "id": "a", "method": "GET", "url": "https://elsewhere.example/me" }, { "id": "b", "method": "GET", "url": "/nothing" },
        { "id": "c", "method": "POST", "url": "/me/events", "body": {} }, { "id": "d", "method": "GET", "url": "/../common/oauth2/v2.0/token" },
    ]);
    let got = bench.call("POST", BATCH, json!({ "requests": odd }));
    for id in ["a", "b", "c", "d"] {
        assert_eq!(answer(&got, id)["status"], 400, "{id}");
    }
}
