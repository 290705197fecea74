//! Every way to be refused: status, code and field, as the table says.

use axum::http::StatusCode;
use kalends::auth::{Purpose, SessionCookie};
use serde_json::{Value, json};

use crate::house::{Answer, BASE_URL, House};

on_both! {
    what_is_wrong_is_named
    what_is_too_much_is_refused
    what_is_not_json_is_refused
    methods_that_a_path_has_not_are_named
    a_browser_on_another_site_changes_nothing
    guessing_is_slowed_down
}

async fn what_is_wrong_is_named(house: House) {
    let made = house
        .make(
            "/api/appointments",
            json!({ "title": "x", "start": "2026-12-01T10:00:00Z", "end": "2026-12-01T11:00:00Z" }),
        )
        .await;
    let one = format!("/api/appointments/{}", made["id"].as_str().expect("an id"));
    let new = |more: Value| {
        let mut body = json!({ "start": "2026-12-01T10:00:00Z", "end": "2026-12-01T11:00:00Z" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let none = || json!({});
    for (verb, path, body, status, code, field) in [
        ("POST", "/api/appointments", json!({}), 400, "missing_field", "start"),
        ("POST", "/api/appointments", new(json!({ "titel": "x" })), 400, "unknown_field", "titel"),
        ("POST", "/api/appointments", new(json!({ "title": 1 })), 400, "bad_value", "title"),
        ("POST", "/api/appointments", new(json!({ "title": "x".repeat(1001) })), 400, "bad_value", "title"),
        ("POST", "/api/appointments", new(json!({ "title": "a\nb" })), 400, "bad_value", "title"),
        ("POST", "/api/appointments", new(json!({ "notes": "\u{1}" })), 400, "bad_value", "notes"),
        ("POST", "/api/appointments", new(json!({ "notes": "\u{0}" })), 400, "bad_value", ""),
        ("POST", "/api/appointments", new(json!({ "url": "not a url" })), 400, "bad_value", "url"),
        ("POST", "/api/appointments", new(json!({ "status": "done" })), 400, "bad_value", "status"),
        ("POST", "/api/appointments", new(json!({ "start": "yesterday" })), 400, "bad_value", "start"),
        ("POST", "/api/appointments", new(json!({ "end": "2026-12-01T09:00:00Z" })), 400, "bad_value", "end"),
        ("POST", "/api/appointments", new(json!({ "time_zone": "Mars" })), 400, "bad_value", "time_zone"),
        ("POST", "/api/appointments", new(json!({ "all_day": true })), 400, "bad_value", "start"),
        (
            "POST",
            "/api/appointments",
            new(json!({ "recurrence": { "rrule": ["FREQ=DAILY;INTERVAL=0"] } })),
            400,
            "bad_value",
            "recurrence.rrule[0]",
        ),
        (
            "POST",
            "/api/appointments",
            new(json!({ "recurrence": { "rule": [] } })),
            400,
            "unknown_field",
            "recurrence.rule",
        ),
        ("POST", "/api/appointments", new(json!({ "attendees": [{}] })), 400, "missing_field", "attendees[0].email"),
        (
            "POST",
            "/api/appointments",
            new(json!({ "attendees": [{ "email": "x" }] })),
            400,
            "bad_value",
            "attendees[0].email",
        ),
        (
            "POST",
            "/api/appointments",
            new(json!({ "attendees": [{ "email": "a@x" }, { "email": "A@x" }] })),
            400,
            "bad_value",
            "attendees[1]",
        ),
        (
            "POST",
            "/api/appointments",
            new(json!({ "attendees": [{ "email": "a@x", "role": "boss" }] })),
            400,
            "bad_value",
            "attendees[0].role",
        ),
        (
            "POST",
            "/api/appointments",
            new(json!({ "attendees": vec![json!({ "email": "a@x" }); 501] })),
            400,
            "bad_value",
            "attendees",
        ),
        ("POST", "/api/appointments", new(json!({ "reminders": ["soon"] })), 400, "bad_value", "reminders[0]"),
        (
            "POST",
            "/api/appointments",
            new(json!({ "reminders": [{}] })),
            400,
            "missing_field",
            "reminders[0].minutes_before",
        ),
        (
            "POST",
            "/api/appointments",
            new(json!({ "reminders": [{ "minutes": 5 }] })),
            400,
            "unknown_field",
            "reminders[0].minutes",
        ),
        (
            "POST",
            "/api/appointments",
            new(json!({ "reminders": [9_999_999_999_i64] })),
            400,
            "bad_value",
            "reminders[0]",
        ),
        (
            "POST",
            "/api/appointments",
            new(json!({ "reminders": [{ "minutes_before": 5, "action": "email" }] })),
            400,
            "bad_value",
            "reminders[0].action",
        ),
        (
            "POST",
            "/api/appointments",
            new(json!({ "reminders": [{ "at": "2026-12-01" }] })),
            400,
            "bad_value",
            "reminders[0].at",
        ),
        ("POST", "/api/appointments", new(json!({ "categories": ["a", " "] })), 400, "bad_value", "categories[1]"),
        ("POST", "/api/appointments", new(json!({ "client_id": "" })), 400, "bad_value", "client_id"),
        ("POST", "/api/appointments", new(json!({ "client_id": "x".repeat(201) })), 400, "bad_value", "client_id"),
        ("POST", "/api/appointments", new(json!({ "calendar": "nobody's" })), 400, "bad_value", "calendar"),
        ("POST", "/api/appointments", new(json!({ "calendar": "tasks" })), 409, "not_taken", "calendar"),
        ("PATCH", one.as_str(), json!({ "start": null }), 400, "bad_value", "start"),
        ("PATCH", one.as_str(), json!({ "start": "2026-12-01T12:00:00Z" }), 400, "bad_value", "end"),
        ("PATCH", one.as_str(), json!({ "all_day": true }), 400, "missing_field", "start"),
        ("PATCH", one.as_str(), json!({ "id": "x" }), 400, "unknown_field", "id"),
        ("PATCH", "/api/appointments/none", json!({ "title": "x" }), 404, "not_found", ""),
        ("GET", "/api/appointments/%00", none(), 404, "not_found", ""),
        ("GET", "/api/appointments/..%2f..%2fadmin", none(), 404, "not_found", ""),
        ("GET", "/api/nowhere", none(), 404, "not_found", ""),
        ("GET", "/api/appointments?limit=0", none(), 400, "bad_value", "limit"),
        ("GET", "/api/appointments?limit=501", none(), 400, "bad_value", "limit"),
        ("GET", "/api/appointments?limit=x", none(), 400, "bad_value", "limit"),
        ("GET", "/api/appointments?offset=-1", none(), 400, "bad_value", "offset"),
        ("GET", "/api/me?page=2", none(), 400, "unknown_field", "page"),
        ("POST", "/api/calendars?x=", json!({ "name": "x" }), 400, "unknown_field", "x"),
        ("GET", "/api/appointments?page=2", none(), 400, "unknown_field", "page"),
        ("GET", "/api/appointments?from=yesterday", none(), 400, "bad_value", "from"),
        ("GET", "/api/appointments?from=2027-02-01&to=2027-01-01", none(), 400, "bad_value", "to"),
        ("GET", "/api/appointments?expand=true&to=2027-01-01", none(), 400, "missing_field", "from"),
        ("GET", "/api/appointments?expand=true&from=2020-01-01&to=2027-01-01", none(), 400, "bad_value", "to"),
        ("GET", "/api/appointments?status=done", none(), 400, "bad_value", "status"),
        ("GET", "/api/appointments?text=%00", none(), 400, "bad_value", "text"),
        ("GET", "/api/appointments?calendar=..", none(), 400, "bad_value", "calendar"),
        ("GET", "/api/availability?from=2026-12-01&to=2026-12-02", none(), 400, "missing_field", "staff"),
        ("GET", "/api/availability?staff=ada&from=2026-12-01&to=2027-12-02", none(), 400, "bad_value", "to"),
        ("GET", "/api/availability?staff=ada&from=2026-12-01&to=2026-12-02&slot=1s", none(), 400, "bad_value", "slot"),
        ("POST", "/api/calendars", json!({ "name": "" }), 400, "bad_value", "name"),
        ("POST", "/api/calendars", json!({ "name": "x", "color": "red" }), 400, "bad_value", "color"),
        ("POST", "/api/calendars", json!({ "name": "x", "components": [] }), 400, "bad_value", "components"),
        ("POST", "/api/calendars", json!({ "name": "x", "components": ["alarm"] }), 400, "bad_value", "components[0]"),
        ("POST", "/api/calendars", json!({ "name": "x", "order": -1 }), 400, "bad_value", "order"),
        ("POST", "/api/calendars", json!({ "name": "x", "slug": ".." }), 400, "bad_value", "slug"),
        ("POST", "/api/feeds", json!({}), 400, "missing_field", "name"),
        (
            "POST",
            "/api/feeds",
            json!({ "name": "x", "window": { "days": { "back": 1 } } }),
            400,
            "missing_field",
            "window.days.ahead",
        ),
        ("POST", "/api/tokens", json!({ "name": "x", "scopes": ["root"] }), 400, "bad_value", "scopes[0]"),
        ("POST", "/api/tokens", json!({ "name": "x" }), 400, "missing_field", "scopes"),
        ("POST", "/api/app-passwords", json!({ "name": "x", "read_only": "yes" }), 400, "bad_value", "read_only"),
        ("PATCH", "/api/me", json!({ "role": "manager" }), 400, "unknown_field", "role"),
    ] {
        let answer = house.ada(verb, path).json(&body).send().await;
        assert_eq!(
            answer.problem(),
            (status, code.to_owned(), field.to_owned()),
            "{verb} {path} {body}: {}",
            answer.text()
        );
    }
    for (name, value) in [("if-match", "x"), ("if-none-match", "\"a"), ("idempotency-key", "")] {
        let verb = if name == "idempotency-key" { "POST" } else { "PATCH" };
        let path = if verb == "POST" { "/api/appointments" } else { one.as_str() };
        let answer = house.ada(verb, path).header(name, value).json(&json!({})).send().await;
        assert_eq!(answer.problem(), (400, "bad_header".into(), name.into()));
    }
    assert_eq!(house.ada("GET", &one).send().await.json(), made, "nothing of it was done");
}

async fn what_is_too_much_is_refused(house: House) {
    let large = format!("{{\"start\": \"2026-12-01\", \"notes\": \"{}\"}}", "x".repeat(1024 * 1024));
    let ask = || house.ada("POST", "/api/appointments").header("content-type", "application/json");
    let known = ask().header("content-length", &large.len().to_string()).body(large.clone()).send().await;
    assert_eq!(known.problem(), (413, "too_large".into(), String::new()));
    let chunks = futures_util::stream::iter(large.into_bytes().chunks(1000).map(<[u8]>::to_vec).collect::<Vec<_>>());
    let chunks = futures_util::StreamExt::map(chunks, Ok::<_, std::convert::Infallible>);
    let unknown = ask().body(axum::body::Body::from_stream(chunks)).send().await;
    assert_eq!(unknown.problem(), (413, "too_large".into(), String::new()));
    let deep = format!("{{\"start\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(ask().body(deep).send().await.status, StatusCode::BAD_REQUEST);
}

async fn what_is_not_json_is_refused(house: House) {
    for (kind, body, status, code) in [
        ("application/x-www-form-urlencoded", "start=2026-12-01", 415, "not_json"),
        ("text/plain", "{}", 415, "not_json"),
        ("application/json", "", 400, "bad_json"),
        ("application/json", "{", 400, "bad_json"),
        ("application/json", "null", 400, "bad_json"),
        ("application/json", "[\"2026-12-01\"]", 400, "bad_json"),
        ("application/json", "{\"start\": \"2026-12-01\"} {}", 400, "bad_json"),
        ("application/json", "{\"start\": \"2026-12-01\", \"start\": \"2026-12-02\"}", 400, "bad_value"),
    ] {
        let answer = house.ada("POST", "/api/appointments").header("content-type", kind).body(body).send().await;
        assert_eq!((answer.problem().0, answer.problem().1.as_str()), (status, code), "{kind} {body}");
    }
    let latin = house.ada("POST", "/api/appointments").header("content-type", "application/json");
    let latin = latin.body(b"{\"start\": \"2026-12-01\", \"title\": \"caf\xe9\"}".to_vec()).send().await;
    assert_eq!(latin.status, StatusCode::BAD_REQUEST);
    assert_eq!(house.ada("POST", "/api/appointments").body("{}").send().await.problem().1, "not_json");
    let charset = house.ada("POST", "/api/appointments").header("content-type", "application/json; charset=utf-8");
    assert_eq!(charset.body("{\"start\": \"2026-12-01\"}").send().await.status, StatusCode::CREATED);
}

async fn methods_that_a_path_has_not_are_named(house: House) {
    for (verb, path, allowed) in [
        ("PUT", "/api/appointments", "GET,HEAD,POST"),
        ("POST", "/api/me", "GET,HEAD,PATCH"),
        ("DELETE", "/api/availability", "GET,HEAD"),
        ("OPTIONS", "/api/feeds", "GET,HEAD,POST"),
        ("BREW", "/api/openapi.json", "GET,HEAD"),
    ] {
        let answer = house.ada(verb, path).send().await;
        assert_eq!(answer.problem().1, "method_not_allowed", "{verb} {path}");
        let mut found: Vec<&str> = answer.header("allow").split(',').collect();
        found.sort_unstable();
        assert_eq!(found.join(","), allowed, "{verb} {path}");
    }
    let head = house.ada("HEAD", "/api/me").send().await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
}

async fn a_browser_on_another_site_changes_nothing(house: House) {
    let secret = house.gate.store.chance().secret();
    let user = &house.ada.user;
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let expires = tx.now().plus_ms(3_600_000);
    tx.add_session(&user.firm, &user.id, &house.gate.hash(Purpose::Session, &secret), expires).await.expect("begun");
    tx.commit().await.expect("a commit");
    let cookie = SessionCookie::begin(&secret, BASE_URL);
    let cookie = cookie.split(';').next().expect("a pair");
    let ask = |site: &'static str| {
        let ask = house.ask("POST", "/api/appointments").header("cookie", cookie).header("sec-fetch-site", site);
        ask.json(&json!({ "start": "2026-12-01" })).send()
    };
    assert_eq!(ask("same-origin").await.status, StatusCode::CREATED);
    assert_eq!(ask("cross-site").await.problem(), (403, "cross_site".into(), String::new()));
    let read = house.ask("GET", "/api/me").header("cookie", cookie).header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(read.status, StatusCode::OK, "reading is what CORS keeps");
}

async fn guessing_is_slowed_down(house: House) {
    let guess = |n: usize| house.ask("GET", "/api/me").bearer(&format!("{n:043}")).send();
    let mut last: Option<Answer> = None;
    for n in 0..20 {
        last = Some(guess(n).await);
    }
    let last = last.expect("an answer");
    assert_eq!(last.problem(), (429, "throttled".into(), String::new()));
    let wait: i64 = last.header("retry-after").parse().expect("seconds");
    house.bench.clock.advance_ms(wait * 1_000);
    assert_eq!(guess(21).await.status, StatusCode::UNAUTHORIZED);
}
