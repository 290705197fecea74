//! Listings: the calendars, and what there is in one with its change keys, page by page and whole each time.

use serde_json::{Map, Value, json};

use super::super::lens::held::{Held, text};
use super::super::{Batch, Entry, Failure, Folded, Next, RemoteCalendar};
use super::read::{etag, flag};
use crate::domain::sync::{RemoteCalendarId, RemoteId, Snapshot};

/// What is asked of every event in a listing: enough to see that it changed.
pub(super) const SELECT: &str = "id,changeKey,type,seriesMasterId,isCancelled";
/// How many events are asked for on a page.
pub(super) const PAGE_EVENTS: &str = "500";

/// The entries of an answer, and the address of the next page.
pub(super) fn page(body: &Value) -> Result<(&[Value], Option<&str>), Failure> {
    let entries = body.get("value").and_then(Value::as_array);
    let entries = entries.ok_or_else(|| Failure::BadAnswer("it is no listing".into()))?;
    let next = body.get("@odata.nextLink").and_then(Value::as_str).filter(|link| !link.is_empty());
    Ok((entries, next))
}

/// A page of events with their tags.
pub(super) fn inventory(body: &Value) -> Result<Batch, Failure> {
    let (entries, next) = page(body)?;
    let mut batch = Batch {
        entries: Vec::with_capacity(entries.len()),
        unreadable: Vec::new(),
        // The listing is whole when its pages end; nothing is kept for the next one.
        next: next.map_or_else(|| Next::Complete("all".to_owned()), |next| Next::Page(next.to_owned())),
        zone: None,
    };
    for (number, entry) in entries.iter().enumerate() {
        let whole = |e: &&Map<String, Value>| {
            !text(e, "id").is_empty() && !etag(e).is_empty() && e.get("type").is_none_or(Value::is_string)
        };
        let Some(event) = entry.as_object().filter(whole) else {
            batch.unreadable.push(format!("entry {number}: its id, its change key or its type cannot be read"));
            continue;
        };
        let (id, part) = match text(event, "type") {
            // What an instance says is read with its series.
            "occurrence" => continue,
            "exception" => (text(event, "seriesMasterId"), Some(text(event, "id"))),
            _ => (text(event, "id"), None),
        };
        if id.is_empty() {
            batch.unreadable.push(format!("entry {number}: it does not say which series it belongs to"));
            continue;
        }
        let payload =
            json!({ "part": part, "etag": etag(event), "gone": part.is_none() && flag(event, "isCancelled") })
                .to_string();
        batch.entries.push(Entry { item: RemoteId(id.to_owned()), payload });
    }
    Ok(batch)
}

/// What is known after a listing: what was held, if every tag in it is the same, else it has to be asked for.
pub(super) fn fold(held: Option<&Snapshot>, entries: &[Entry]) -> Folded {
    let Some(held) = held else { return Folded::Incomplete };
    let known = Held::of(held);
    let same = |entry: &Entry| -> Option<()> {
        let entry: Map<String, Value> = serde_json::from_str(&entry.payload).ok()?;
        let event = match entry.get("part").and_then(Value::as_str) {
            None => known.master.as_ref()?,
            Some(part) => known.exceptions.values().find(|event| text(event, "id") == part)?,
        };
        (text(event, "etag") == text(&entry, "etag")).then_some(())
    };
    let whole = entries.iter().any(|entry| entry.payload.contains("\"part\":null"));
    if whole && entries.iter().all(|entry| same(entry).is_some()) {
        Folded::Present(held.clone())
    } else {
        Folded::Incomplete
    }
}

/// What is known of an item that a listing names and that is not there when it is asked for: nothing, where its organiser
/// did not cancel it. Whichever of the two is late, the next listing says it again or does not name it.
pub(super) fn alone(entries: &[Entry]) -> Folded {
    let gone = entries.iter().any(|entry| entry.payload.contains("\"gone\":true"));
    if gone { Folded::Gone } else { Folded::Incomplete }
}

/// A page of calendars. `zone`: the mailbox's.
pub(super) fn calendars(entries: &[Value], zone: Option<&str>) -> Vec<RemoteCalendar> {
    let of = |entry: &Value| {
        let entry = entry.as_object()?;
        let id = text(entry, "id").to_owned();
        let name = Some(text(entry, "name")).filter(|name| !name.is_empty()).unwrap_or(&id).to_owned();
        (!id.is_empty()).then(|| RemoteCalendar {
            id: RemoteCalendarId(id.clone()),
            name,
            zone: zone.map(str::to_owned),
            writable: flag(entry, "canEdit"),
            primary: flag(entry, "isDefaultCalendar"),
        })
    };
    entries.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_names_what_changed_and_only_its_end_is_complete() {
        let body = json!({ "@odata.nextLink": "http://x/next", "value": [
            { "id": "a", "changeKey": "1", "type": "singleInstance" },
            { "id": "x", "@odata.etag": "W/\"3\"", "type": "exception", "seriesMasterId": "m" },
            { "id": "o", "changeKey": "4", "type": "occurrence", "seriesMasterId": "m" },
            { "id": "b", "type": "singleInstance" }, 7,
        ] });
        let batch = inventory(&body).expect("a page");
        assert_eq!(batch.entries.iter().map(|e| e.item.as_str()).collect::<Vec<_>>(), ["a", "m"]);
        assert_eq!((batch.unreadable.len(), &batch.next), (2, &Next::Page("http://x/next".into())));
        assert_eq!(inventory(&json!({ "value": [] })).expect("a page").next, Next::Complete("all".into()));
        for wrong in [json!({}), json!([]), json!({ "value": {} })] {
            assert!(inventory(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_named_is_not_gone_unless_it_was_cancelled() {
        let entries = |cancelled: bool| {
            let event = json!({ "id": "a", "changeKey": "1", "type": "singleInstance", "isCancelled": cancelled });
            inventory(&json!({ "value": [event] })).expect("a page").entries
        };
        assert_eq!((alone(&entries(false)), alone(&entries(true))), (Folded::Incomplete, Folded::Gone));
    }

    #[test]
    fn only_equal_tags_spare_a_question() {
        let held = |etag: &str| {
            let event = json!({ "id": "a", "etag": etag }).as_object().cloned();
            Held { master: event, exceptions: [].into() }.snapshot()
        };
        let entry = |part: Option<&str>, etag: &str| Entry {
            item: RemoteId("a".into()),
            payload: json!({ "part": part, "etag": etag }).to_string(),
        };
        let known = held("1");
        assert_eq!(fold(Some(&known), &[entry(None, "1")]), Folded::Present(known.clone()));
        assert_eq!(fold(Some(&known), &[entry(None, "2")]), Folded::Incomplete);
        assert_eq!(fold(Some(&known), &[entry(None, "1"), entry(Some("x"), "1")]), Folded::Incomplete);
        assert_eq!(fold(Some(&known), &[entry(Some("a"), "1")]), Folded::Incomplete);
        assert_eq!(fold(None, &[entry(None, "1")]), Folded::Incomplete);
    }
}
