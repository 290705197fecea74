//! The simulated Outlook in the words in which the worlds talk of the simulated Google: what is there, and what people do.

use jiff::civil::DateTime;
use kalends_simulators::microsoft::Fault;
use serde_json::{Map, Value, json};

use super::there::word;

/// What the provider may do wrong without needing a person.
pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::LoseRequest,
        Fault::LoseResponse,
        Fault::Delay { ms: 5_000 },
        Fault::Delay { ms: 90_000 },
        Fault::Truncate { per_mille: 500 },
        Fault::Unauthorized,
        Fault::Locked,
        Fault::Throttled { retry_after_s: Some(30) },
        Fault::Throttled { retry_after_s: None },
        Fault::Backend { status: 500, retry_after_s: None },
        Fault::Backend { status: 503, retry_after_s: Some(20) },
        Fault::BackendAfter { status: 502 },
        Fault::BackendAfter { status: 504 },
        Fault::Html,
        Fault::WrongJson,
        Fault::ShortPage { entries: 0 },
        Fault::ShortPage { entries: 1 },
        Fault::RepeatItem,
        Fault::OmitItem,
        Fault::Shuffle,
        Fault::NewChangeKeys,
        Fault::Conflict { status: 409 },
        Fault::Conflict { status: 412 },
    ]
}

fn text(event: &Value, pointer: &str) -> String {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn point(event: &Value, name: &str) -> Value {
    let at = text(event, &format!("/{name}/dateTime"));
    match event.get("isAllDay").and_then(Value::as_bool) {
        Some(true) => json!({ "date": at.split('T').next() }),
        _ => json!({ "dateTime": format!("{}Z", at.split('.').next().unwrap_or_default()) }),
    }
}

/// One event or occurrence.
pub(super) fn seen(event: &Value) -> Value {
    let sensitivity = word(event, "sensitivity").to_owned();
    let reminds = event.get("isReminderOn").and_then(Value::as_bool).unwrap_or(false);
    let mut out = json!({
        "id": word(event, "id"),
        "status": if event["isCancelled"] == json!(true) { "cancelled" } else { "confirmed" },
        "summary": word(event, "subject"),
        "description": word(event, "bodyPreview"),
        "location": text(event, "/location/displayName"),
        "iCalUID": event["iCalUId"].clone(),
        "start": point(event, "start"),
        "end": point(event, "end"),
        "transparency": word(event, "showAs"),
        "reminders": if reminds { event["reminderMinutesBeforeStart"].clone() } else { Value::Null },
    });
    if sensitivity != "normal" {
        out["visibility"] = json!(sensitivity);
    }
    if event["recurrence"].is_object() {
        out["recurrence"] = event["recurrence"].clone();
    }
    if let Some(series) = event.get("seriesMasterId").and_then(Value::as_str) {
        out["recurringEventId"] = json!(series);
    }
    out
}

/// A single event, or a series with its exceptions and the instances that were taken out of it.
pub(super) fn whole(event: &Value) -> Vec<Value> {
    let master = seen(event);
    let list = |name: &str| event.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let gone = list("cancelledOccurrences").into_iter().map(|day| {
        json!({ "id": format!("{} {day}", word(event, "id")), "recurringEventId": word(event, "id"), "status": "cancelled" })
    });
    let changed = list("exceptionOccurrences").iter().map(seen).collect::<Vec<_>>();
    std::iter::once(master).chain(changed).chain(gone).collect()
}

/// What somebody writes, as Graph has it. `start` is the event's own, where the words do not say one.
pub(super) fn draft(event: &Value, start: &Value) -> Value {
    let mut out = Map::new();
    for (name, value) in event.as_object().into_iter().flatten() {
        match name.as_str() {
            "summary" => drop(out.insert("subject".to_owned(), value.clone())),
            "description" => {
                out.insert("body".to_owned(), json!({ "contentType": "text", "content": value }));
            }
            "location" => drop(out.insert("location".to_owned(), json!({ "displayName": value }))),
            "visibility" => drop(out.insert("sensitivity".to_owned(), value.clone())),
            "start" | "end" => {
                let day = value.get("date").and_then(Value::as_str);
                out.insert("isAllDay".to_owned(), json!(day.is_some()));
                let at = match day {
                    Some(day) => json!({ "dateTime": format!("{day}T00:00:00"), "timeZone": "UTC" }),
                    None => value.clone(),
                };
                out.insert(name.clone(), at);
            }
            "reminders" => {
                let minutes = value.pointer("/overrides/0/minutes").cloned().unwrap_or(json!(15));
                out.insert("isReminderOn".to_owned(), json!(true));
                out.insert("reminderMinutesBeforeStart".to_owned(), minutes);
            }
            "recurrence" => {
                let rule = value.pointer("/0").and_then(Value::as_str).unwrap_or_default();
                let begins = event.get("start").unwrap_or(start);
                out.insert(name.clone(), pattern(rule, begins));
            }
            _ => {}
        }
    }
    Value::Object(out)
}

/// The rules that people make here, as patterns.
fn pattern(rule: &str, start: &Value) -> Value {
    let part = |name: &str| rule.split([';', ':']).find_map(|p| p.strip_prefix(name)).map(str::to_owned);
    let begins = start.get("date").or_else(|| start.get("dateTime")).and_then(Value::as_str).unwrap_or_default();
    let day = begins.split('T').next().unwrap_or_default();
    let interval = part("INTERVAL=").and_then(|n| n.parse::<i64>().ok()).unwrap_or(1);
    let weekly = part("FREQ=").as_deref() == Some("WEEKLY");
    let mut pattern = json!({ "type": if weekly { "weekly" } else { "daily" }, "interval": interval });
    if weekly {
        const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let parsed = format!("{day}T00:00:00").parse::<DateTime>();
        let at = parsed.map_or(0, |t| usize::try_from(t.date().weekday().to_monday_zero_offset()).unwrap_or(0));
        pattern["daysOfWeek"] = json!([DAYS.get(at).unwrap_or(&"monday")]);
        pattern["firstDayOfWeek"] = json!("monday");
    }
    let range = match part("COUNT=").and_then(|n| n.parse::<i64>().ok()) {
        Some(count) => json!({ "type": "numbered", "startDate": day, "numberOfOccurrences": count }),
        None => json!({ "type": "endDate", "startDate": day, "endDate": "2027-05-01" }),
    };
    json!({ "pattern": pattern, "range": range })
}
