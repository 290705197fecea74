//! Steering from outside.

use serde_json::{Value, json};

use super::{Bench, WORK, hour};

#[test]
fn everything_is_set_up_broken_and_looked_at_over_http() {
    let mut bench = Bench::new();
    let ok = |bench: &mut Bench, path: &str, body: Value| {
        let got = bench.call("POST", &format!("/_control/{path}"), body);
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        got.body
    };
    ok(&mut bench, "accounts", json!({ "email": "cy@example.com", "timeZone": "UTC" }));
    ok(
        &mut bench,
        "calendars",
        json!({ "account": "cy@example.com", "id": "c@group.calendar.google.com", "name": "C", "role": "reader" }),
    );
    ok(&mut bench, "clients", json!({ "id": "two", "secret": "s", "redirects": ["http://localhost"] }));
    let tokens = ok(
        &mut bench,
        "grant",
        json!({ "account": "ada@example.com", "client": "two", "scopes": ["calendar.events"] }),
    );
    bench.token = tokens["access_token"].as_str().unwrap().to_owned();
    let body = json!({ "do": "create", "calendar": "work@group.calendar.google.com", "event": hour("By hand") });
    let id = ok(&mut bench, "human", body)["id"].as_str().unwrap().to_owned();
    let body = json!({ "do": "edit", "calendar": "work@group.calendar.google.com", "id": id, "patch": { "summary": "Edited" } });
    ok(&mut bench, "human", body);
    assert_eq!(bench.get(&format!("{WORK}/{id}")).text("summary"), "Edited");
    ok(&mut bench, "faults", json!([{ "fault": { "backend": { "status": 502 } }, "call": "events.get" }]));
    assert_eq!(bench.get("/_control/faults").body.as_array().unwrap().len(), 1);
    assert_eq!(bench.get(&format!("{WORK}/{id}")).status, 502);
    ok(&mut bench, "faults/random", json!({ "seed": 1, "perMille": 1000, "faults": ["unauthorized"] }));
    assert_eq!(bench.get(WORK).status, 401);
    assert_eq!(bench.call("DELETE", "/_control/faults", Value::Null).status, 200);
    ok(&mut bench, "settings", json!({ "userPerMinute": 7 }));
    assert_eq!(bench.get("/_control/settings").body["userPerMinute"], 7);
    ok(&mut bench, "clock", json!({ "advanceMs": 3_600_000 }));
    assert_eq!(bench.get(WORK).status, 401, "the token ran out");
    assert_eq!(bench.get("/_control/counts").body["events.get"], 2);
    let requests = bench.get("/_control/requests").body;
    assert_eq!(requests[0]["call"], "events.get");
    assert_eq!(
        bench.get("/_control/events?calendar=work%40group.calendar.google.com").body.as_array().unwrap().len(),
        1
    );
    for (path, body) in [
        ("nothing", json!({})),
        ("faults", json!({ "fault": "nothing" })),
        ("human", json!({ "do": "x" })),
        ("settings", json!({ "x": 1 })),
    ] {
        assert_eq!(bench.call("POST", &format!("/_control/{path}"), body).status, 400, "{path}");
    }
}
