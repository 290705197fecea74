//! Events: creating, reading, changing, deleting, listing.

use serde_json::{Value, json};

use super::{ADA, Bench, EVENTS, WORK, event_path, hour, weekly};

const IMMUTABLE: (&str, &str) = ("prefer", "IdType=\"ImmutableId\"");

#[test]
fn an_event_is_made_read_changed_and_deleted() {
    let mut bench = Bench::new();
    let made = bench.create(hour("One"));
    assert_eq!(made.headers["etag"], made.text("@odata.etag").as_str());
    assert_eq!(made.body["type"], "singleInstance");
    assert_eq!(made.body["originalStartTimeZone"], "Europe/Berlin");
    assert_eq!(made.body["start"], json!({ "dateTime": "2026-03-10T08:00:00.0000000", "timeZone": "UTC" }));
    let path = event_path(&made.text("id"));
    let prefer = [("prefer", "outlook.timezone=\"W. Europe Standard Time\"")];
    let read = bench.call_with("GET", &path, Value::Null, &prefer);
    assert_eq!(
        read.body["start"],
        json!({ "dateTime": "2026-03-10T09:00:00.0000000", "timeZone": "W. Europe Standard Time" })
    );
    assert_eq!(read.headers["preference-applied"], "outlook.timezone=\"W. Europe Standard Time\"");
    let changed = bench.call(
        "PATCH",
        &path,
        json!({ "subject": "Two", "showAs": "oof", "categories": ["Red"], "sensitivity": "private" }),
    );
    assert_eq!(
        (changed.status, changed.text("subject").as_str(), changed.text("showAs").as_str()),
        (200, "Two", "oof")
    );
    assert_ne!(changed.text("changeKey"), made.text("changeKey"));
    assert_eq!(bench.call("DELETE", &path, Value::Null).status, 204);
    assert_eq!(bench.get(&path).code(), "ErrorItemNotFound");
    assert_eq!(bench.get("/v1.0/me/events/garbled").code(), "ErrorInvalidIdMalformed");
    assert_eq!(bench.microsoft.deleted(WORK).len(), 1);
}

#[test]
fn an_immutable_id_outlives_a_move_and_a_mutable_one_does_not() {
    let mut bench = Bench::new();
    let own = bench.create(hour("One")).text("id");
    let lasting = bench.call_with("GET", &event_path(&own), Value::Null, &[IMMUTABLE]).text("id");
    assert_ne!(own, lasting);
    let home = bench.microsoft.default_calendar(ADA).unwrap();
    bench.microsoft.human(super::NOW, WORK).move_to(&lasting, &home).unwrap();
    assert_eq!(bench.get(&event_path(&own)).status, 404);
    let moved = bench.call_with("GET", &event_path(&lasting), Value::Null, &[IMMUTABLE]);
    assert_eq!((moved.status, moved.text("id")), (200, lasting.clone()));
    assert_eq!(bench.get(EVENTS).values().len(), 0);
    let body = json!({ "inputIds": [lasting], "sourceIdType": "restImmutableEntryId", "targetIdType": "restId" });
    let translated = bench.call("POST", "/v1.0/me/translateExchangeIds", body);
    let new = translated.values()[0]["targetId"].as_str().unwrap().to_owned();
    assert_ne!(new, own);
    assert_eq!(bench.get(&event_path(&new)).status, 200);
}

#[test]
fn a_transaction_makes_one_event() {
    let mut bench = Bench::new();
    let mut body = hour("One");
    body["transactionId"] = json!("t-1");
    let first = bench.create(body.clone());
    assert_eq!(first.body["transactionId"], "t-1");
    assert_eq!(bench.create(body.clone()).text("id"), first.text("id"));
    body["subject"] = json!("Other");
    let refused = bench.call("POST", EVENTS, body.clone());
    assert_eq!((refused.status, refused.code()), (400, "ErrorDuplicateTransactionId"));
    assert_eq!(refused.body["error"]["@event.existingEventId"], first.body["id"]);
    bench.microsoft.settings_mut().duplicate_status = 409;
    assert_eq!(bench.call("POST", EVENTS, body).status, 409);
    assert_eq!(bench.get(EVENTS).values().len(), 1);
    bench.microsoft.forget_transactions();
    let mut body = hour("One");
    body["transactionId"] = json!("t-1");
    assert_ne!(bench.create(body).text("id"), first.text("id"));
}

#[test]
fn an_etag_that_does_not_match_is_refused_one_way_or_the_other() {
    let mut bench = Bench::new();
    let made = bench.create(hour("One"));
    let path = event_path(&made.text("id"));
    let etag = made.text("@odata.etag");
    let changed = bench.call_with("PATCH", &path, json!({ "subject": "Two" }), &[("if-match", &etag)]);
    assert_eq!(changed.status, 200);
    for status in [412, 409] {
        bench.microsoft.settings_mut().conflict_status = status;
        for method in ["PATCH", "DELETE"] {
            let refused = bench.call_with(method, &path, json!({ "subject": "Three" }), &[("if-match", &etag)]);
            assert_eq!((refused.status, refused.code()), (status, "ErrorIrresolvableConflict"));
        }
    }
    assert_eq!(
        bench.call_with("DELETE", &path, Value::Null, &[("if-match", &changed.text("@odata.etag"))]).status,
        204
    );
}

#[test]
fn a_day_begins_at_midnight_and_has_no_zone() {
    let mut bench = Bench::new();
    let day = |from: &str, to: &str, zone: &str| {
        json!({
            "isAllDay": true, "start": { "dateTime": from, "timeZone": zone }, "end": { "dateTime": to, "timeZone": "Europe/Berlin" },
        })
    };
    let made = bench.create(day("2026-03-10T00:00:00", "2026-03-11T00:00:00", "Europe/Berlin"));
    assert_eq!(made.body["start"]["dateTime"], "2026-03-10T00:00:00.0000000");
    let refused = bench.call("POST", EVENTS, day("2026-03-10T09:00:00", "2026-03-11T00:00:00", "Europe/Berlin"));
    assert_eq!(
        refused.body["error"]["message"],
        "The Event.Start property for an all-day event needs to be set to midnight."
    );
    for (from, to, zone) in [
        ("2026-03-10T00:00:00", "2026-03-11T00:00:00", "UTC"),
        ("2026-03-10T00:00:00", "2026-03-10T00:00:00", "Europe/Berlin"),
    ] {
        assert_eq!(bench.call("POST", EVENTS, day(from, to, zone)).code(), "ErrorInvalidRequest");
    }
}

#[test]
fn what_is_not_of_the_type_is_refused() {
    let mut bench = Bench::new();
    for (name, value, code) in [
        ("summary", json!("x"), "RequestBodyRead"),
        ("showAs", json!("away"), "RequestBodyRead"),
        ("isReminderOn", json!("yes"), "RequestBodyRead"),
        ("reminderMinutesBeforeStart", json!(-5), "ErrorPropertyValidationFailure"),
        ("subject", json!("x".repeat(256)), "ErrorPropertyValidationFailure"),
        (
            "start",
            json!({ "dateTime": "2026-03-10T09:00:00", "timeZone": "Europe/Zurich" }),
            "TimeZoneNotSupportedException",
        ),
        ("end", json!({ "dateTime": "2026-03-09T09:00:00", "timeZone": "UTC" }), "ErrorPropertyValidationFailure"),
        ("body", json!({ "contentType": "markdown", "content": "x" }), "RequestBodyRead"),
        ("attendees", json!([{ "emailAddress": { "address": "nobody" } }]), "ErrorInvalidRecipients"),
        ("singleValueExtendedProperties", json!([{ "id": "hub", "value": "x" }]), "ErrorInvalidProperty"),
    ] {
        let mut body = hour("One");
        body[name] = value;
        let refused = bench.call("POST", EVENTS, body);
        assert_eq!((refused.status, refused.code()), (400, code), "{name}");
        assert!(refused.body["error"]["innerError"]["request-id"].is_string());
    }
    assert_eq!(bench.call("POST", EVENTS, json!({ "subject": "x" })).status, 400);
    let request = http::Request::post(EVENTS).header("authorization", format!("Bearer {}", bench.token));
    assert_eq!(bench.send(&request.body(bytes::Bytes::from("{}")).unwrap()).code(), "RequestBodyRead");
}

#[test]
fn guests_are_mailed_whether_one_likes_it_or_not() {
    let mut bench = Bench::new();
    let guest = |name: &str| json!({ "emailAddress": { "address": format!("{name}@elsewhere.example"), "name": name }, "type": "required" });
    let mut body = hour("Party");
    body["attendees"] = json!([guest("eve")]);
    let path = event_path(&bench.create(body).text("id"));
    bench.call("PATCH", &path, json!({ "attendees": [guest("eve"), guest("dan")] }));
    bench.call("PATCH", &path, json!({ "subject": "Feast" }));
    bench.call("DELETE", &path, Value::Null);
    let mails: Vec<(&str, &str)> =
        bench.microsoft.mails().iter().map(|mail| (mail.recipient.split('@').next().unwrap(), mail.kind)).collect();
    let wanted = [
        ("eve", "invite"),
        ("dan", "invite"),
        ("eve", "update"),
        ("dan", "update"),
        ("eve", "cancel"),
        ("dan", "cancel"),
    ];
    assert_eq!(mails, wanted);
}

#[test]
fn an_extended_property_is_kept_shown_on_request_and_found() {
    let mut bench = Bench::new();
    let id = "String {00020329-0000-0000-C000-000000000046} Name hub";
    let mut body = hour("One");
    body["singleValueExtendedProperties"] = json!([{ "id": id, "value": "it's" }]);
    let path = event_path(&bench.create(body).text("id"));
    bench.create(hour("Two"));
    assert!(bench.get(&path).body.get("singleValueExtendedProperties").is_none());
    let shown = bench.get(&format!("{path}?$expand=singleValueExtendedProperties($filter=id eq '{id}')"));
    assert_eq!(shown.body["singleValueExtendedProperties"][0]["value"], "it's");
    let filter = |value: &str| {
        format!("{EVENTS}?$filter=singleValueExtendedProperties/any(ep: ep/id eq '{id}' and ep/value eq '{value}')")
    };
    assert_eq!(bench.get(&filter("it''s")).all("subject"), ["One"]);
    assert_eq!(bench.get(&filter("other")).values().len(), 0);
}

#[test]
fn a_list_is_paged_and_shows_what_was_chosen() {
    let mut bench = Bench::new();
    for subject in ["a", "b", "c", "d", "e"] {
        bench.create(hour(subject));
    }
    bench.create(weekly("f"));
    let mut path = format!("{EVENTS}?$select=id,changeKey,type&$top=4");
    let (mut ids, mut pages) = (Vec::new(), 0);
    while !path.is_empty() {
        let got = bench.get(&path);
        assert_eq!(got.status, 200, "{}", got.body);
        assert!(got.values().iter().all(|one| one.as_object().unwrap().len() == 4));
        ids.extend(got.all("id").iter().map(|id| (*id).to_owned()));
        path = got.next();
        pages += 1;
    }
    ids.dedup();
    assert_eq!((ids.len(), pages), (6, 2));
    assert_eq!(bench.get(&format!("{EVENTS}?$filter=type eq 'seriesMaster'")).all("subject"), ["f"]);
    assert_eq!(bench.get(&format!("{EVENTS}?$orderby=subject desc&$top=2")).all("subject"), ["f", "e"]);
    for query in ["$top=0", "$top=1001", "$filter=x", "$orderby=x", "$skiptoken=x", "$expand=x"] {
        assert_eq!(bench.get(&format!("{EVENTS}?{query}")).status, 400, "{query}");
    }
}

#[test]
fn a_body_does_not_grow_but_is_wrapped() {
    let mut bench = Bench::new();
    let mut body = hour("One");
    body["body"] = json!({ "contentType": "text", "content": "a\nb" });
    let path = event_path(&bench.create(body).text("id"));
    let first = bench.get(&path).body["body"].clone();
    assert_eq!(first["contentType"], "html");
    bench.call("PATCH", &path, json!({ "body": first }));
    assert_eq!(bench.get(&path).body["body"], first);
    let text = bench.call_with("GET", &path, Value::Null, &[("prefer", "outlook.body-content-type=\"text\"")]);
    assert_eq!(text.body["body"], json!({ "contentType": "text", "content": "a\r\nb\r\n" }));
    assert_eq!(text.body["bodyPreview"], "a b");
}

#[test]
fn a_meeting_online_stays_one() {
    let mut bench = Bench::new();
    let mut body = hour("One");
    body["isOnlineMeeting"] = json!(true);
    let made = bench.create(body);
    let url = made.body["onlineMeeting"]["joinUrl"].as_str().unwrap();
    assert!(made.body["body"]["content"].as_str().unwrap().contains(url));
    let after = bench.call("PATCH", &event_path(&made.text("id")), json!({ "isOnlineMeeting": false }));
    assert_eq!(after.body["isOnlineMeeting"], true);
}
