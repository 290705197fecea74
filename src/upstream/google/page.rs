//! Google's listings, read: one entry that makes no sense does not spoil its page.

use serde_json::Value;

use super::super::lens::held::{Event, is_cancelled, item_of, slot, text};
use super::super::lens::time::At;
use super::super::{Batch, Entry, Failure, Next, RemoteCalendar};
use crate::domain::sync::RemoteCalendarId;
use crate::ics::zone::Zone;

/// Google lets 200 be invited, 500 in some editions. Each is compared on four sides where two sides changed an event.
const ATTENDEES_MAX: usize = 1_000;

/// A page of `events.list`.
pub(super) fn events(body: &Value) -> Result<Batch, Failure> {
    let items = items(body, "calendar#events")?;
    let mut batch = Batch {
        entries: Vec::with_capacity(items.len()),
        unreadable: Vec::new(),
        next: next(body),
        zone: body.get("timeZone").and_then(Value::as_str).filter(|z| Zone::iana(z).is_some()).map(str::to_owned),
    };
    for (number, item) in items.iter().enumerate() {
        let event = item.as_object();
        match event.map(|event| (item_of(event), wrong(event))) {
            Some((Some(id), None)) => batch.entries.push(Entry { item: id, payload: item.to_string() }),
            Some((Some(id), Some(what))) => batch.unreadable.push(format!("{}: {what}", shortened(id.as_str()))),
            Some((None, _)) | None => batch.unreadable.push(format!("entry {number}: it has no id")),
        }
    }
    Ok(batch)
}

/// Why an event cannot be read.
pub(super) fn wrong(event: &Event) -> Option<&'static str> {
    if text(event, "id").is_empty() {
        return Some("it has no id");
    }
    if event.contains_key("recurringEventId") && slot(event).is_none() {
        return Some("it does not say which instance it is");
    }
    if is_cancelled(event) {
        return None;
    }
    let at = |name: &str| event.get(name).and_then(|value| At::of_json(value, "UTC"));
    match (at("start"), at("end")) {
        (Some(start), Some(end)) if start.is_day() == end.is_day() => {}
        _ => return Some("it has no readable start and end"),
    }
    let wrong_type = ["summary", "description", "location", "status", "transparency", "visibility", "etag"]
        .iter()
        .any(|name| event.get(*name).is_some_and(|value| !value.is_string()));
    let wrong_list =
        ["recurrence", "attendees"].iter().any(|name| event.get(*name).is_some_and(|value| !value.is_array()));
    if wrong_type || wrong_list {
        return Some("a field has the wrong type");
    }
    let crowd = event.get("attendees").and_then(Value::as_array).is_some_and(|all| all.len() > ATTENDEES_MAX);
    crowd.then_some("it has more attendees than Google lets anybody invite")
}

/// A page of `calendarList.list`, and the token of the next.
pub(super) fn calendars(body: &Value) -> Result<(Vec<RemoteCalendar>, Option<String>), Failure> {
    let items = items(body, "calendar#calendarList")?;
    let flag = |item: &Value, name: &str| item.get(name).and_then(Value::as_bool) == Some(true);
    let word = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let calendars = items.iter().filter(|item| !flag(item, "deleted")).filter_map(|item| {
        let id = word(item, "id").filter(|id| !id.is_empty())?;
        let role = word(item, "accessRole").unwrap_or_default();
        Some(RemoteCalendar {
            name: word(item, "summaryOverride").or_else(|| word(item, "summary")).unwrap_or_else(|| id.clone()),
            id: RemoteCalendarId(id),
            zone: word(item, "timeZone").filter(|zone| Zone::iana(zone).is_some()),
            writable: matches!(role.as_str(), "owner" | "writer" | "writerWithoutPrivateAccess"),
            primary: flag(item, "primary"),
        })
    });
    let next = body.get("nextPageToken").and_then(Value::as_str).map(str::to_owned);
    Ok((calendars.collect(), next))
}

/// The items of a listing of that kind; a listing without any has none.
fn items<'a>(body: &'a Value, kind: &str) -> Result<&'a [Value], Failure> {
    if body.get("kind").is_some_and(|found| found.as_str() != Some(kind)) || !body.is_object() {
        return Err(Failure::BadAnswer("it is not the listing that was asked for".into()));
    }
    match body.get("items") {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Failure::BadAnswer("its items are no list".into())),
    }
}

/// Only a listing that says so is complete.
fn next(body: &Value) -> Next {
    let token = |name: &str| body.get(name).and_then(Value::as_str).filter(|token| !token.is_empty());
    match (token("nextPageToken"), token("nextSyncToken")) {
        (Some(page), _) => Next::Page(page.to_owned()),
        (None, Some(cursor)) => Next::Complete(cursor.to_owned()),
        (None, None) => Next::Partial,
    }
}

fn shortened(id: &str) -> String {
    id.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_bad_entry_leaves_the_others() {
        let times = json!({ "dateTime": "2026-07-01T10:00:00Z" });
        let batch =
            events(&json!({ "kind": "calendar#events", "timeZone": "Europe/Berlin", "nextSyncToken": "s", "items": [
            { "id": "a", "start": times, "end": times },
            { "id": "b", "start": { "date": "2026-07-01" }, "end": times },
            { "id": "c", "status": "cancelled" },
            { "start": times, "end": times },
            7,
            { "id": "d", "start": times, "end": times, "summary": 5 },
            { "id": "e", "start": times, "end": times, "attendees": vec![json!({}); ATTENDEES_MAX + 1] },
            { "id": "f", "start": times, "end": times, "attendees": vec![json!({}); ATTENDEES_MAX] },
            { "id": "m_20260701T100000Z", "recurringEventId": "m", "status": "cancelled",
              "originalStartTime": { "dateTime": "2026-07-01T10:00:00Z" } },
            { "id": "x", "recurringEventId": "m", "status": "cancelled" },
        ] }))
            .expect("a page");
        assert_eq!(batch.entries.iter().map(|e| e.item.as_str()).collect::<Vec<_>>(), ["a", "c", "f", "m"]);
        assert_eq!(batch.unreadable.len(), 6);
        assert_eq!((batch.next, batch.zone.as_deref()), (Next::Complete("s".into()), Some("Europe/Berlin")));
    }

    #[test]
    fn only_a_sync_token_closes_a_listing() {
        assert_eq!(events(&json!({ "nextPageToken": "p" })).expect("a page").next, Next::Page("p".into()));
        assert_eq!(events(&json!({ "items": [] })).expect("a page").next, Next::Partial);
        for wrong in [json!([]), json!("x"), json!({ "items": {} }), json!({ "kind": "calendar#event", "id": "x" })] {
            assert!(events(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn calendars_say_what_may_be_done_with_them() {
        let (found, next) = calendars(&json!({ "nextPageToken": "p", "items": [
            { "id": "ada@example.org", "summary": "Ada", "primary": true, "accessRole": "owner", "timeZone": "Europe/Berlin" },
            { "id": "h", "summary": "Holidays", "summaryOverride": "Days off", "accessRole": "reader" },
            { "id": "gone", "deleted": true },
        ] }))
        .expect("a page");
        assert_eq!(next.as_deref(), Some("p"));
        let told: Vec<_> = found.iter().map(|c| (c.name.as_str(), c.writable, c.primary)).collect();
        assert_eq!(told, [("Ada", true, true), ("Days off", false, false)]);
    }
}
