//! Free time: who may ask about whom, and what makes busy.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::{Guest, House};

on_both! {
    busy_time_is_what_really_takes_place
    a_flood_of_instances_keeps_nobody_from_an_answer
    a_client_books_with_staff_and_learns_nothing_else
    clocks_change_and_working_hours_stay
}

async fn free(house: &House, guest: &Guest, query: &str) -> Vec<String> {
    let answer = house.ask("GET", &format!("/api/availability?{query}")).as_(guest).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text());
    let json = answer.json();
    let items = json["items"].as_array().expect("items");
    let time = |t: &Value| t.as_str().expect("a time").get(11..16).expect("a clock").to_owned();
    items.iter().map(|i| format!("{}-{}", time(&i["start"]), time(&i["end"]))).collect()
}

async fn busy_time_is_what_really_takes_place(house: House) {
    let zone = house.ada("PATCH", "/api/me").json(&json!({ "time_zone": "Europe/Berlin" })).send().await;
    assert_eq!(zone.status, StatusCode::OK);
    house.bench.clock.advance_ms(1);
    let transparent =
        house.make("/api/calendars", json!({ "name": "Birthdays", "slug": "birthdays", "transparent": true })).await;
    assert_eq!(transparent["transparent"], true);
    let at = |from: &str, to: &str| json!({ "start": format!("2026-12-01T{from}"), "end": format!("2026-12-01T{to}"), "time_zone": "Europe/Berlin" });
    let with = |mut body: Value, more: Value| {
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    for body in [
        at("09:30:00", "10:00:00"),
        with(at("11:00:00", "12:00:00"), json!({ "transparent": true })),
        with(at("12:00:00", "13:00:00"), json!({ "status": "cancelled" })),
        with(at("13:00:00", "14:00:00"), json!({ "status": "tentative", "private": true })),
        with(at("16:00:00", "17:00:00"), json!({ "calendar": "birthdays" })),
        // Weekly since long ago, today's instance moved by hand below.
        with(
            json!({ "start": "2026-11-03T15:00:00", "end": "2026-11-03T15:30:00", "time_zone": "Europe/Berlin" }),
            json!({ "recurrence": { "rrule": ["FREQ=WEEKLY"] } }),
        ),
        // Floating is in the zone of whoever's calendar it is.
        json!({ "start": "2026-12-01T10:30:00", "end": "2026-12-01T10:45:00" }),
    ] {
        house.make("/api/appointments", body).await;
    }
    let day = "staff=ada&from=2026-12-01&to=2026-12-02";
    assert_eq!(
        free(&house, &house.ada, day).await,
        ["09:00-09:30", "10:00-10:30", "10:45-13:00", "14:00-15:00", "15:30-17:00"]
    );
    assert_eq!(
        free(&house, &house.ada, &format!("{day}&slot=1h")).await,
        ["11:00-12:00", "12:00-13:00", "14:00-15:00", "16:00-17:00"]
    );
    let series = house.ada("GET", "/api/appointments?from=2026-11-03&to=2026-11-04").send().await.json();
    let path = format!(
        "/api/appointments/{}?recurrence_id=2026-12-01T15:00:00",
        series["items"][0]["id"].as_str().expect("an id")
    );
    let moved = json!({ "start": "2026-12-01T16:00:00", "end": "2026-12-01T16:30:00" });
    assert_eq!(house.ada("PATCH", &path).json(&moved).send().await.status, StatusCode::OK);
    assert_eq!(
        free(&house, &house.ada, &format!("{day}&slot=1h")).await,
        ["11:00-12:00", "12:00-13:00", "14:00-15:00", "15:00-16:00"]
    );
    house.make("/api/appointments", json!({ "start": "2026-12-01" })).await;
    assert_eq!(free(&house, &house.ada, day).await, Vec::<String>::new(), "all day");
    assert_eq!(
        free(&house, &house.ada, "staff=ada&from=2026-12-05&to=2026-12-07").await,
        Vec::<String>::new(),
        "a weekend"
    );
}

async fn a_flood_of_instances_keeps_nobody_from_an_answer(house: House) {
    let flood = |start: &str, end: &str, rule: &str| {
        let (start, end) = (format!("2026-12-{start}Z"), format!("2026-12-{end}Z"));
        json!({ "start": start, "end": end, "recurrence": { "rrule": [rule] } })
    };
    // Every second of the hour from noon on, for ever; and a moment every second, which takes no time.
    house.make("/api/appointments", flood("01T12:00:00", "01T12:00:01", "FREQ=SECONDLY;BYHOUR=12")).await;
    house.make("/api/appointments", flood("01T00:00:00", "01T00:00:00", "FREQ=SECONDLY")).await;
    let two_months = "staff=ada&from=2026-12-01&to=2027-01-31&slot=1h";
    let slots = free(&house, &house.ada, two_months).await;
    assert!(slots.contains(&"13:00-14:00".to_owned()) && !slots.contains(&"12:00-13:00".to_owned()));
    // What cannot be counted even for a day takes the day.
    house.make("/api/appointments", flood("07T00:00:00", "07T00:00:01", "FREQ=SECONDLY;COUNT=80000")).await;
    let week = |day: &str| format!("staff=ada&from=2026-12-{day}&to=2026-12-{day}T23:00:00&slot=1h");
    assert_eq!(free(&house, &house.ada, &week("07")).await, Vec::<String>::new());
    assert_eq!(free(&house, &house.ada, &week("08")).await.len(), 7);
}

async fn a_client_books_with_staff_and_learns_nothing_else(house: House) {
    let secret = json!({ "title": "Surgery", "start": "2026-12-01T09:00:00Z", "end": "2026-12-01T12:00:00Z" });
    house.make("/api/appointments", secret).await;
    let path = "/api/availability?staff=ada&from=2026-12-01&to=2026-12-02";
    let seen = house.ask("GET", path).as_(&house.bob).send().await;
    let expected = json!({
        "staff": "ada", "time_zone": "UTC", "slot_minutes": null,
        "items": [{ "start": "2026-12-01T12:00:00Z", "end": "2026-12-01T17:00:00Z" }],
    });
    assert_eq!((seen.status, seen.json()), (StatusCode::OK, expected));
    let by_id = path.replace("ada", house.ada.user.id.as_str());
    assert_eq!(house.ask("GET", &by_id).as_(&house.bob).send().await.body, seen.body);
    for (guest, staff) in
        [(&house.eve, "ada"), (&house.ada, "bob"), (&house.mia, "bob"), (&house.ada, "eve"), (&house.ada, "nobody")]
    {
        let answer = house.ask("GET", &path.replace("ada", staff)).as_(guest).send().await;
        assert_eq!(answer.problem(), (404, "not_found".into(), "staff".into()), "{staff}");
    }
    assert_eq!(house.ask("GET", &path.replace("ada", "bob")).as_(&house.bob).send().await.status, StatusCode::OK);
}

async fn clocks_change_and_working_hours_stay(house: House) {
    let me = json!({ "time_zone": "Europe/Berlin", "working_hours": { "sun": [["01:00", "04:00"]], "mon": [["09:00", "11:00"]] } });
    assert_eq!(house.ada("PATCH", "/api/me").json(&me).send().await.status, StatusCode::OK);
    let weekly = json!({
        "start": "2026-03-23T09:30:00", "end": "2026-03-23T10:00:00", "time_zone": "Europe/Berlin",
        "recurrence": { "rrule": ["FREQ=WEEKLY"] },
    });
    house.make("/api/appointments", weekly).await;
    for (day, expected) in [
        ("2026-03-23", vec!["09:00-09:30", "10:00-10:30", "10:30-11:00"]),
        ("2026-03-30", vec!["09:00-09:30", "10:00-10:30", "10:30-11:00"]),
        ("2026-10-26", vec!["09:00-09:30", "10:00-10:30", "10:30-11:00"]),
    ] {
        let query = format!("staff=ada&from={day}&to={day}T23:00:00&slot=30m");
        assert_eq!(free(&house, &house.ada, &query).await, expected, "{day}");
    }
    let spring = free(&house, &house.ada, "staff=ada&from=2026-03-29&to=2026-03-30&slot=1h").await;
    assert_eq!(spring, ["01:00-03:00", "03:00-04:00"], "an hour is missing");
    let answer =
        house.ada("GET", "/api/availability?staff=ada&from=2026-10-25&to=2026-10-26&slot=1h").send().await.json();
    let starts: Vec<&str> =
        answer["items"].as_array().expect("items").iter().filter_map(|i| i["start"].as_str()).collect();
    assert_eq!(
        starts,
        [
            "2026-10-25T01:00:00+02:00",
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T03:00:00+01:00",
        ],
        "an hour comes twice"
    );
}
