//! Whatever is sent, an answer comes and nothing breaks.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{
    super::{Outcome, chance::Chance},
    Bench, WORK, weekly,
};

const SEEDS: u64 = 6_000;

fn nasty(chance: &mut Chance) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("é\u{0}\u{202e}"),
        json!("9999-12-31"),
        json!("0000-01-01"),
        json!("-9999-01-01T00:00:00Z"),
        json!("9999-12-31T23:59:59-23:59"),
        json!("2026-02-30T25:61:61Z"),
        json!("20260310T090000Z"),
        json!("Pacific/Apia"),
        json!([]),
        json!([null]),
        json!({}),
        json!({ "date": "9999-12-31" }),
        json!({ "date": "-009999-01-01" }),
        json!({ "dateTime": "9999-12-31T23:59:59Z", "timeZone": "Pacific/Kiritimati" }),
        json!({ "dateTime": "0001-01-01T00:00:00", "timeZone": "America/New_York" }),
        json!({ "private": { "a": 7 } }),
        json!(["RRULE:FREQ=SECONDLY"]),
        json!(["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"]),
        json!(["RRULE:FREQ=DAILY;INTERVAL=65535;COUNT=4294967295"]),
        json!(["RRULE:FREQ=YEARLY;INTERVAL=65535"]),
        json!(["RRULE:FREQ=MINUTELY;BYSECOND=61"]),
        json!(["RRULE:FREQ=WEEKLY;BYSETPOS=366;BYDAY=53MO"]),
        json!(["RRULE:FREQ=DAILY;UNTIL=99991231T235959Z"]),
        json!(["RRULE:FREQ=DAILY;UNTIL=00010101"]),
        json!(["RDATE;TZID=Nowhere/Land:20260310T090000", "EXDATE:"]),
        json!(["EXDATE;VALUE=DATE:20260310,é", "RDATE;VALUE=PERIOD:20260310T090000Z/PT1H"]),
    ];
    let at = usize::try_from(chance.below(values.len() as u64)).unwrap();
    values[at].clone()
}

const FIELDS: &[&str] = &[
    "start",
    "end",
    "recurrence",
    "summary",
    "attendees",
    "reminders",
    "extendedProperties",
    "sequence",
    "status",
    "iCalUID",
    "id",
    "organizer",
    "visibility",
    "eventType",
    "address",
    "expiration",
    "params",
    "items",
    "timeMin",
    "do",
    "event",
    "fault",
    "advanceMs",
];

const PARAMETERS: &[&str] = &[
    "maxResults",
    "pageToken",
    "syncToken",
    "timeMin",
    "timeMax",
    "timeZone",
    "updatedMin",
    "orderBy",
    "singleEvents",
    "showDeleted",
    "originalStart",
    "maxAttendees",
    "q",
    "iCalUID",
    "privateExtendedProperty",
    "destination",
];

fn one_of<'a>(chance: &mut Chance, from: &[&'a str]) -> &'a str {
    from[usize::try_from(chance.below(from.len() as u64)).unwrap()]
}

#[test]
fn nothing_that_is_sent_breaks_it() {
    let mut bench = Bench::new();
    bench.google.settings_mut().user_per_minute = usize::MAX;
    bench.google.settings_mut().project_per_minute = usize::MAX;
    let id = bench.insert(weekly("Group")).text("id");
    let tails = [
        String::new(),
        format!("/{id}"),
        format!("/{id}_20260317T160000Z"),
        format!("/{id}_99991231T235959Z"),
        format!("/{id}_é"),
        "/_".into(),
        format!("/{id}/instances"),
        format!("/{id}/move"),
        "/import".into(),
        "/watch".into(),
        "/quickAdd".into(),
    ];
    let others = [
        "/calendar/v3/freeBusy",
        "/calendar/v3/users/me/calendarList",
        "/calendar/v3/users/me/calendarList/primary",
        "/calendar/v3/calendars",
        "/calendar/v3/channels/stop",
        "/_control/human",
        "/_control/settings",
        "/_control/faults",
        "/batch/calendar/v3",
        "/token",
        "/revoke",
        "/o/oauth2/v2/auth",
        "/c/primary",
        "/c/ada%40example%2Ecom",
        "/%ff/%00",
    ];
    let mut statuses = [0_u64; 6];
    for seed in 0..SEEDS {
        let mut chance = Chance::new(seed);
        let method = one_of(&mut chance, &["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]);
        let tail = &tails[usize::try_from(chance.below(tails.len() as u64)).unwrap()];
        let path = if chance.below(4) == 0 { one_of(&mut chance, &others).to_owned() } else { format!("{WORK}{tail}") };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for _ in 0..chance.below(4) {
            let value = nasty(&mut chance);
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            query.append_pair(one_of(&mut chance, PARAMETERS), &value);
        }
        let mut body = weekly("Group");
        for _ in 0..1 + chance.below(3) {
            body[one_of(&mut chance, FIELDS)] = nasty(&mut chance);
        }
        let mut text = body.to_string().into_bytes();
        if chance.below(20) == 0 {
            text.truncate(usize::try_from(chance.below(text.len() as u64)).unwrap());
        }
        let encoded = percent_encoding::utf8_percent_encode(&path, percent_encoding::CONTROLS).to_string();
        let request = Request::builder()
            .method(method)
            .uri(format!("{encoded}?{}", query.finish()))
            .header("authorization", format!("Bearer {}", bench.token))
            .header("content-type", "multipart/mixed; boundary=b")
            .header("if-match", "*");
        let outcome = bench.google.handle(bench.now_ms, &request.body(Bytes::from(text)).unwrap());
        let Outcome::Answer(response) = outcome else { continue };
        statuses[usize::from(response.status().as_u16() / 100)] += 1;
        bench.google.faults().clear();
    }
    assert_eq!(statuses[5], 0, "{statuses:?}");
    assert!(statuses[2] > SEEDS / 20, "{statuses:?}");
    assert!(bench.google.occurrences("work@group.calendar.google.com", 0, super::NOW).len() < 100_000);
}
