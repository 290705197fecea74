//! Making, reading, changing, listing and deleting appointments.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::{BASE_URL, House, masked, redacted};

on_both! {
    an_appointment_is_an_object_and_an_object_an_appointment
    a_change_is_guarded_by_its_tag
    a_repeated_request_is_answered_as_before
    lists_are_filtered
    lists_are_cut_into_pages
    times_are_exact
    instances_are_listed_by_start
    an_appointment_moves_with_its_past
    tasks_are_no_appointments
}

fn lesson() -> Value {
    json!({
        "title": "Piano, with Zoë", "notes": "Bring\nnotes", "location": "Studio 4", "url": "https://x.example/a",
        "start": "2026-12-01T10:00:00", "end": "2026-12-01T11:00:00", "time_zone": "Europe/Berlin",
        "recurrence": { "rrule": ["FREQ=WEEKLY;COUNT=4"], "exdate": ["2026-12-08T10:00:00"] },
        "private": true, "status": "tentative", "categories": ["Music", "Kids, small"],
        "attendees": [{ "email": "Zoe@x.example", "name": "Zoë", "role": "optional" }],
        "reminders": [15, { "minutes_before": 1440 }, { "at": "2026-12-01T06:00:00Z", "action": "audio" }],
        "appointment_type": "one_on_one", "client_id": "c-1", "staff_user_id": "s-1", "project_id": "p-1",
    })
}

async fn an_appointment_is_an_object_and_an_object_an_appointment(house: House) {
    let answer = house.ada("POST", "/api/appointments").json(&lesson()).send().await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let made = answer.json();
    insta::assert_snapshot!("created", redacted(&made));
    let path = answer.header("location").to_owned();
    assert_eq!(answer.header("etag"), made["etag"]);
    let read = house.ada("GET", &path).send().await;
    assert_eq!((read.status, read.json()), (StatusCode::OK, made.clone()));

    let (text, name) = house.object(made["id"].as_str().expect("an id")).await;
    insta::assert_snapshot!("created_ics", masked(&text));
    for fact in ["one_on_one", "c-1", "s-1", "p-1"] {
        assert!(!text.contains(fact), "{fact} is in no iCalendar text");
    }

    // A phone writes the object anew: the facts stay, the rest is what the phone says.
    house.put("calendar", &name, &text.replace("SUMMARY:Piano\\, with Zoë", "SUMMARY:Organ")).await;
    let read = house.ada("GET", &path).send().await.json();
    assert_eq!((&read["title"], &read["client_id"], &read["version"]), (&json!("Organ"), &json!("c-1"), &json!(2)));

    assert_eq!(house.ada("DELETE", &path).send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.ada("GET", &path).send().await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.ada("DELETE", &path).send().await.status, StatusCode::NOT_FOUND);
}

async fn a_change_is_guarded_by_its_tag(house: House) {
    let made = house.make("/api/appointments", lesson()).await;
    let (id, tag) = (made["id"].as_str().expect("an id"), made["etag"].as_str().expect("a tag"));
    let path = format!("/api/appointments/{id}");
    let change = |body: Value, tag: &str| house.ada("PATCH", &path).header("if-match", tag).json(&body).send();

    let changed = change(json!({ "client_id": "c-2" }), tag).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let newer = changed.header("etag").to_owned();
    assert_ne!(newer, tag, "facts are part of the state");
    let stale = change(json!({ "title": "x" }), tag).await;
    assert_eq!(stale.problem(), (412, "precondition_failed".into(), "if-match".into()));
    let stale = house.ada("DELETE", &path).header("if-match", tag).send().await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let same = change(json!({}), &newer).await;
    assert_eq!((same.status, same.header("etag")), (StatusCode::OK, newer.as_str()), "nothing to do");
    let any = change(json!({ "title": "Organ", "notes": null }), &format!("\"other\", {newer}")).await;
    assert_eq!(any.status, StatusCode::OK);
    let now = any.json();
    assert_eq!((&now["title"], &now["notes"], &now["client_id"]), (&json!("Organ"), &Value::Null, &json!("c-2")));

    let same = house.ada("GET", &path).header("if-none-match", any.header("etag")).send().await;
    assert_eq!((same.status, same.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(house.ada("DELETE", &path).header("if-match", "*").send().await.status, StatusCode::NO_CONTENT);
}

async fn a_repeated_request_is_answered_as_before(house: House) {
    let ask = |body: &Value, key: &str| {
        house.ada("POST", "/api/appointments").header("idempotency-key", key).json(body).send()
    };
    let (first, again) = (ask(&lesson(), "k1").await, ask(&lesson(), "k1").await);
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!((first.header("location"), first.header("etag")), (again.header("location"), again.header("etag")));
    assert_ne!(ask(&lesson(), "k2").await.body, first.body);
    let other = ask(&json!({ "start": "2026-12-24" }), "k1").await;
    assert_eq!(other.problem(), (422, "key_reused".into(), "idempotency-key".into()));
    let refused = ask(&json!({ "start": "never" }), "k3").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        ask(&json!({ "start": "2026-12-24" }), "k3").await.status,
        StatusCode::CREATED,
        "a refusal keeps no key"
    );
    assert_eq!(house.ada("GET", "/api/appointments").send().await.json()["total"], 3);

    let both = tokio::join!(ask(&lesson(), "k4"), ask(&lesson(), "k4"));
    let made: Vec<_> = [both.0, both.1].into_iter().filter(|a| a.status == StatusCode::CREATED).collect();
    assert!(made.iter().all(|a| a.body == made[0].body) && !made.is_empty());
    assert_eq!(house.ada("GET", "/api/appointments").send().await.json()["total"], 4);
}

async fn titles(house: &House, query: &str) -> String {
    let answer = house.ada("GET", &format!("/api/appointments?{query}")).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text());
    let page = answer.json();
    let items = page["items"].as_array().expect("items");
    let titles: Vec<&str> = items.iter().map(|i| i["title"].as_str().unwrap_or("-")).collect();
    format!("{} of {}", titles.join(" "), page["total"])
}

async fn lists_are_filtered(house: House) {
    house.make("/api/calendars", json!({ "name": "Work", "slug": "work" })).await;
    for (title, day, more) in [
        ("A", 1, json!({ "appointment_type": "assessment", "client_id": "c1" })),
        ("B", 2, json!({ "client_id": "c1", "calendar": "work", "status": "cancelled" })),
        ("C", 3, json!({ "project_id": "p1", "notes": "100% sure", "status": "tentative" })),
        ("D", 4, json!({ "staff_user_id": "s1", "location": "Über dem Hof" })),
    ] {
        let mut body = json!({ "title": title, "start": format!("2026-12-0{day}T10:00:00Z"), "end": format!("2026-12-0{day}T11:00:00Z") });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        house.make("/api/appointments", body).await;
    }
    for (query, expected) in [
        ("", "A B C D of 4"),
        ("client_id=c1", "A B of 2"),
        ("client_id=c1&appointment_type=assessment", "A of 1"),
        ("calendar=work", "B of 1"),
        ("calendar=calendar", "A C D of 3"),
        ("project_id=p1", "C of 1"),
        ("staff_user_id=s1", "D of 1"),
        ("status=confirmed", "A D of 2"),
        ("status=cancelled", "B of 1"),
        ("origin=local", "A B C D of 4"),
        ("origin=google", " of 0"),
        ("text=%25", "C of 1"),
        ("text=hof", "D of 1"),
        ("text=ÜBER", "D of 1"),
        ("client_id=c2", " of 0"),
    ] {
        assert_eq!(titles(&house, query).await, expected, "{query}");
    }
}

async fn lists_are_cut_into_pages(house: House) {
    for hour in 10..17 {
        let (start, end) = (format!("2026-12-01T{hour}:00:00Z"), format!("2026-12-01T{hour}:30:00Z"));
        house.make("/api/appointments", json!({ "title": hour.to_string(), "start": start, "end": end })).await;
    }
    for (query, expected) in [
        ("limit=3", "10 11 12 of 7"),
        ("limit=3&offset=6", "16 of 7"),
        ("limit=3&offset=9", " of 7"),
        ("limit=2&offset=1&from=2026-12-01T11:30:00Z&to=2026-12-01T15:00:00Z", "13 14 of 3"),
        ("limit=2&from=2026-12-01T11:30:00Z", "12 13 of 5"),
        ("limit=2&offset=1&expand=true&from=2026-12-01&to=2026-12-02", "11 12 of 7"),
    ] {
        assert_eq!(titles(&house, query).await, expected, "{query}");
    }
    assert_eq!(house.ada("GET", "/api/appointments?limit=3&offset=1").send().await.json()["limit"], 3);
}

async fn times_are_exact(house: House) {
    let zone = house.ada("PATCH", "/api/me").json(&json!({ "time_zone": "Europe/Berlin" })).send().await;
    assert_eq!(zone.status, StatusCode::OK, "{}", zone.text());
    for body in [
        json!({ "title": "zoned", "start": "2026-12-01T10:00:00", "end": "2026-12-01T11:00:00", "time_zone": "Europe/Berlin" }),
        json!({ "title": "day", "start": "2026-12-02" }),
        json!({ "title": "floating", "start": "2026-12-03T10:00:00", "end": "2026-12-03T11:00:00" }),
        json!({ "title": "weekly", "start": "2026-12-04T10:00:00Z", "end": "2026-12-04T11:00:00Z", "recurrence": { "rrule": ["FREQ=WEEKLY"] } }),
    ] {
        house.make("/api/appointments", body).await;
    }
    for (query, expected) in [
        ("from=2026-12-01T10:00:00Z&to=2026-12-01T11:00:00Z", " of 0"),
        ("from=2026-12-01T09:59:59Z&to=2026-12-01T11:00:00Z", "zoned of 1"),
        ("from=2026-12-01T10:59:59%2B01:00&to=2026-12-01T12:00:00%2B01:00", "zoned of 1"),
        ("from=2026-12-01T10:59:59+01:00&to=2026-12-01T12:00:00+01:00", "zoned of 1"),
        // The day begins where the caller is.
        ("from=2026-12-01T22:00:00Z&to=2026-12-01T23:00:00Z", " of 0"),
        ("from=2026-12-01T22:00:00Z&to=2026-12-01T23:00:01Z", "day of 1"),
        ("from=2026-12-02&to=2026-12-03", "day of 1"),
        ("from=2026-12-03T09:00:00Z&to=2026-12-03T09:30:00Z", "floating of 1"),
        ("from=2026-12-03T10:00:00Z&to=2026-12-03T10:30:00Z", " of 0"),
        // Between two of a series there is none.
        ("from=2026-12-12&to=2026-12-13", " of 0"),
        ("from=2026-12-11&to=2026-12-12", "weekly of 1"),
        ("from=2030-01-01", "weekly of 1"),
        ("to=2026-12-02", "zoned of 1"),
    ] {
        assert_eq!(titles(&house, query).await, expected, "{query}");
    }
}

async fn instances_are_listed_by_start(house: House) {
    house.make("/api/appointments", lesson()).await;
    house.make("/api/appointments", json!({ "title": "Holiday", "start": "2026-12-14", "end": "2026-12-17" })).await;
    let path = "/api/appointments?expand=true&from=2026-12-01&to=2027-01-01";
    let page = house.ada("GET", path).send().await.json();
    let items = page["items"].as_array().expect("items");
    let shown: Vec<String> = items
        .iter()
        .map(|i| format!("{} {} {} {}", i["title"], i["start"], i["end"], i["recurrence_id"]).replace('"', ""))
        .collect();
    assert_eq!(
        shown,
        [
            "Piano, with Zoë 2026-12-01T10:00:00+01:00 2026-12-01T11:00:00+01:00 2026-12-01T10:00:00+01:00",
            "Holiday 2026-12-14 2026-12-17 null",
            "Piano, with Zoë 2026-12-15T10:00:00+01:00 2026-12-15T11:00:00+01:00 2026-12-15T10:00:00+01:00",
            "Piano, with Zoë 2026-12-22T10:00:00+01:00 2026-12-22T11:00:00+01:00 2026-12-22T10:00:00+01:00",
        ]
    );
    assert_eq!(items[2]["recurrence"], Value::Null);
    // One that floods the list hides none of the others.
    let flood = json!({
        "title": "Flood", "start": "2026-12-20T00:00:00Z", "end": "2026-12-20T00:00:00Z", "recurrence": { "rrule": ["FREQ=SECONDLY"] },
    });
    let flood = house.make("/api/appointments", flood).await;
    let page = house.ada("GET", path).send().await.json();
    assert_eq!((&page["total"], &page["truncated"]), (&json!(3_004), &json!([flood["id"]])));
    assert_eq!(page["items"][3]["title"], "Flood");
    let last = house.ada("GET", &format!("{path}&offset=3003")).send().await.json();
    assert_eq!(last["items"][0]["start"], "2026-12-22T10:00:00+01:00");
    assert_eq!(page["items"].as_array().map(Vec::len), Some(50));
}

async fn an_appointment_moves_with_its_past(house: House) {
    house.make("/api/calendars", json!({ "name": "Work", "slug": "work" })).await;
    let made = house.make("/api/appointments", lesson()).await;
    let path = format!("/api/appointments/{}", made["id"].as_str().expect("an id"));
    let moved = house.ada("PATCH", &path).json(&json!({ "calendar": "work", "title": "Moved" })).send().await;
    assert_eq!(moved.status, StatusCode::OK, "{}", moved.text());
    let moved = moved.json();
    assert_eq!(
        (&moved["calendar_slug"], &moved["title"], &moved["client_id"]),
        (&json!("work"), &json!("Moved"), &json!("c-1"))
    );
    assert_eq!(house.ada("GET", &path).send().await.json(), moved);
    let history = house.ada("GET", &format!("{path}/history")).send().await.json();
    let kinds: Vec<&Value> = history["items"].as_array().expect("items").iter().map(|v| &v["change"]).collect();
    assert_eq!(kinds, ["moved", "updated", "created"]);
    let refused = house.ada("PATCH", &path).json(&json!({ "calendar": "tasks" })).send().await;
    assert_eq!(refused.problem(), (409, "not_taken".into(), "calendar".into()));
    assert_eq!(house.ada("GET", &path).send().await.json(), moved, "nothing of a refused change is kept");
}

async fn tasks_are_no_appointments(house: House) {
    let task = "BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:t\nSUMMARY:Task\nEND:VTODO\nEND:VCALENDAR\n";
    house.put("tasks", "t.ics", task).await;
    let mut tx = house.bench.store.read().await.expect("a transaction");
    let caller = crate::support::stores::caller(&house.ada.user);
    let slug = kalends::domain::ids::Slug::parse("tasks").expect("a slug");
    let (access, _) =
        tx.calendar_for(&caller, &caller.name, &slug, kalends::domain::access::Right::Read).await.expect("a calendar");
    let name = kalends::domain::ids::ResourceName::parse("t.ics").expect("a name");
    let id = tx.object_head(&access, &name).await.expect("a query").expect("there").id;
    drop(tx);
    for (method, path) in [("GET", ""), ("DELETE", ""), ("GET", "/history"), ("GET", "/versions/1")] {
        let answer = house.ada(method, &format!("/api/appointments/{id}{path}")).send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
    }
    assert_eq!(titles(&house, "").await, " of 0");
    let me = house.ada("GET", "/api/me").send().await.json();
    assert_eq!(me["caldav_url"], format!("{BASE_URL}/dav/"));
}
