//! Graph's events, read into the words of the common translation.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde_json::{Map, Value, json};

use super::super::lens::fields::{OWN_ID, OWN_MARK, OWN_UID};
use super::super::lens::held::{Event, Held, text};
use super::super::lens::time::{At, zone_of};
use super::pattern::Recurrence;
use super::{html, uid, zone};
use crate::domain::recurrence::lawful_rule;

/// The set of our properties at Graph.
const SET: &str = "6f1d4b52-9c0e-4b7a-8a35-2f7c1e9d0b64";
/// The key that an event of ours was created with.
pub(super) const OWN_KEY: &str = "kalendsKey";
/// What we keep on events.
pub(super) const OWN: [&str; 4] = [OWN_ID, OWN_UID, OWN_MARK, OWN_KEY];
/// Why an item is no object, as it is kept in its snapshot.
pub(super) const UNFIT: &str = "unfit";
/// What of an event is kept as Graph says it.
const KEPT: [&str; 6] = ["type", "showAs", "sensitivity", "transactionId", "isOnlineMeeting", "originalStartTimeZone"];

/// Graph's name of a property of ours.
pub(super) fn property(name: &str) -> String {
    format!("String {{{SET}}} Name {name}")
}

/// What has to be asked for so that our properties come with an event.
pub(super) fn expand() -> String {
    let all: Vec<String> = OWN.iter().map(|name| format!("id eq '{}'", property(name))).collect();
    format!("singleValueExtendedProperties($filter={})", all.join(" or "))
}

/// An item: an event of Graph's, and for a series what was asked for about its exceptions. What cannot be an
/// appointment is kept with the reason.
pub(super) fn item(raw: &Map<String, Value>, topology: Option<&Map<String, Value>>) -> Held {
    let mut held = Held::default();
    match event(raw) {
        Err(why) => held.master = Some(unfit(raw, why)),
        Ok(master) => {
            if let Some(topology) = topology
                && let Err(why) = exceptions(&mut held, &master, topology)
            {
                held.exceptions.clear();
                held.master = Some(unfit(raw, why));
                return held;
            }
            held.master = Some(master);
        }
    }
    held
}

fn unfit(raw: &Map<String, Value>, why: &'static str) -> Event {
    let mut event = Event::new();
    for (name, value) in [("id", text(raw, "id")), ("etag", &etag(raw)), ("iCalUID", &uid::of(text(raw, "iCalUId")))] {
        event.insert(name.to_owned(), json!(value));
    }
    event.insert(UNFIT.into(), json!(why));
    event
}

/// The tag that a write is conditional on.
pub(super) fn etag(raw: &Map<String, Value>) -> String {
    match (text(raw, "@odata.etag"), text(raw, "changeKey")) {
        ("", "") => String::new(),
        ("", key) => format!("W/\"{key}\""),
        (tag, _) => tag.to_owned(),
    }
}

pub(super) fn flag(raw: &Map<String, Value>, name: &str) -> bool {
    raw.get(name).and_then(Value::as_bool) == Some(true)
}

/// One event, exceptions aside.
pub(super) fn event(raw: &Map<String, Value>) -> Result<Event, &'static str> {
    const UNREADABLE: &str = "its times cannot be read";
    let wrong = |name: &str| raw.get(name).is_some_and(|value| !value.is_string() && !value.is_null());
    if text(raw, "id").is_empty() || ["subject", "showAs", "sensitivity", "iCalUId"].iter().any(|name| wrong(name)) {
        return Err("a field of it has the wrong type");
    }
    let mut out = Event::new();
    let mut set = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    set("id", json!(text(raw, "id")));
    set("etag", json!(etag(raw)));
    set("iCalUID", json!(uid::of(text(raw, "iCalUId"))));
    set("created", json!(text(raw, "createdDateTime")));
    set("updated", json!(text(raw, "lastModifiedDateTime")));
    set("summary", json!(text(raw, "subject")));
    set("description", json!(html::read(raw.get("body"))));
    set(
        "location",
        raw.get("location").and_then(|l| l.get("displayName")).filter(|l| l.is_string()).cloned().unwrap_or(json!("")),
    );
    set("status", json!(if flag(raw, "isCancelled") { "cancelled" } else { "confirmed" }));

    let recurrence = raw.get("recurrence").filter(|value| !value.is_null());
    let (start, end) = times(raw, recurrence).ok_or(UNREADABLE)?;
    let (start, end) = match recurrence {
        None => (start?, end?),
        Some(value) => {
            let found = Recurrence::of_json(value)?;
            let (start, end) = (start.map_err(|_| LOST_ZONE)?, end.map_err(|_| LOST_ZONE)?);
            let (start, end) = begun(&found, start, end);
            set("recurrence", json!([format!("RRULE:{}", rule(&found, &start))]));
            (start, end)
        }
    };
    set("start", start.to_json());
    set("end", end.to_json());

    let busy = match text(raw, "showAs") {
        busy @ ("free" | "tentative" | "oof" | "workingElsewhere") => busy,
        _ => "busy",
    };
    set("busy", json!(busy));
    set("transparency", json!(if busy == "free" { "transparent" } else { "opaque" }));
    let visibility = match text(raw, "sensitivity") {
        word @ ("personal" | "private" | "confidential") => word,
        _ => "default",
    };
    set("visibility", json!(visibility));
    set("categories", raw.get("categories").filter(|all| all.is_array()).cloned().unwrap_or(json!([])));
    let minutes = raw.get("reminderMinutesBeforeStart").and_then(Value::as_i64).filter(|_| flag(raw, "isReminderOn"));
    let reminders: Vec<Value> = minutes.iter().map(|m| json!({ "method": "popup", "minutes": m })).collect();
    set("reminders", json!({ "useDefault": false, "overrides": reminders }));
    set("attendees", json!(attendees(raw)));
    let organizer = raw.get("organizer").and_then(|o| o.get("emailAddress"));
    let of = |name: &str| organizer.and_then(|o| o.get(name)).and_then(Value::as_str).unwrap_or_default();
    let own = raw.get("isOrganizer").and_then(Value::as_bool) != Some(false);
    set("organizer", json!({ "email": of("address"), "displayName": of("name"), "self": own }));
    if let Some(url) = raw.get("onlineMeeting").and_then(|m| m.get("joinUrl")).and_then(Value::as_str) {
        set("conferenceData", json!({ "entryPoints": [{ "entryPointType": "video", "uri": url }] }));
    }
    let kept: Map<String, Value> =
        KEPT.iter().filter_map(|name| Some(((*name).to_owned(), raw.get(*name)?.clone()))).collect();
    set("graph", Value::Object(kept));
    if let Some(private) = own_properties(raw) {
        set("extendedProperties", json!({ "private": private }));
    }
    Ok(out)
}

const LOST_ZONE: &str = "the series is in a time zone that nobody knows by name";

/// Our properties. The id they were written for becomes the event's where it is that event: a copy that somebody made in
/// Outlook has the properties, and neither the id nor the transaction.
fn own_properties(raw: &Map<String, Value>) -> Option<Map<String, Value>> {
    let all = raw.get("singleValueExtendedProperties")?.as_array()?;
    let mut private = Map::new();
    for name in OWN {
        let id = property(name);
        let found = all
            .iter()
            .find(|p| p.get("id").and_then(Value::as_str).is_some_and(|known| known.eq_ignore_ascii_case(&id)));
        if let Some(value) = found.and_then(|p| p.get("value")).filter(|value| value.is_string()) {
            private.insert(name.to_owned(), value.clone());
        }
    }
    let named = text(&private, OWN_ID);
    let transaction = text(raw, "transactionId");
    let made = !named.is_empty()
        && transaction.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    if made {
        private.insert(OWN_ID.into(), json!(text(raw, "id")));
    }
    (!private.is_empty()).then_some(private)
}

fn attendees(raw: &Map<String, Value>) -> Vec<Value> {
    let all = raw.get("attendees").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let one = |entry: &Value| {
        let address = entry.get("emailAddress")?;
        let kind = entry.get("type").and_then(Value::as_str).unwrap_or_default();
        let answer = entry.pointer("/status/response").and_then(Value::as_str).unwrap_or_default();
        let answer = match answer {
            "accepted" | "organizer" => "accepted",
            "declined" => "declined",
            "tentativelyAccepted" => "tentative",
            _ => "needsAction",
        };
        let mut out = json!({ "email": address.get("address")?.as_str()?, "responseStatus": answer, "kind": kind });
        if let Some(name) = address.get("name").and_then(Value::as_str) {
            out["displayName"] = json!(name);
        }
        if kind == "optional" {
            out["optional"] = json!(true);
        }
        Some(out)
    };
    all.iter().filter_map(one).collect()
}

/// Start and end; each may be in a zone that nobody knows.
type Times = (Result<At, &'static str>, Result<At, &'static str>);

fn times(raw: &Map<String, Value>, recurrence: Option<&Value>) -> Option<Times> {
    let (start, end) = (raw.get("start")?, raw.get("end")?);
    if flag(raw, "isAllDay") {
        // A day is a day, whatever zone it is told in.
        let day = |value: &Value| -> Option<Date> { value.get("dateTime")?.as_str()?.get(..10)?.parse().ok() };
        return Some((Ok(At::Day(day(start)?)), Ok(At::Day(day(end)?))));
    }
    let of_series = recurrence.and_then(|r| r.pointer("/range/recurrenceTimeZone")).and_then(Value::as_str);
    let authored = |name: &str| {
        let own = of_series.filter(|zone| !zone.is_empty()).unwrap_or_else(|| text(raw, name));
        if own.is_empty() { Some("UTC".to_owned()) } else { zone::iana(own) }
    };
    let at = |value: &Value, zone: Option<String>| -> Option<Result<At, &'static str>> {
        let at = instant(value)?;
        Some(match (zone, recurrence) {
            (Some(zone), _) => Ok(At::Time { at, zone }),
            // One appointment is at that moment in any zone; a series is not.
            (None, None) => Ok(At::Time { at, zone: "UTC".to_owned() }),
            (None, Some(_)) => Err(LOST_ZONE),
        })
    };
    Some((at(start, authored("originalStartTimeZone"))?, at(end, authored("originalEndTimeZone"))?))
}

/// The moment that a `dateTimeTimeZone` means, in whole seconds.
pub(super) fn instant(value: &Value) -> Option<Timestamp> {
    let local: DateTime = value.get("dateTime")?.as_str()?.trim_end_matches('Z').parse().ok()?;
    let zone = zone::iana(value.get("timeZone").and_then(Value::as_str).unwrap_or("UTC"))?;
    let at = zone_of(&zone).instant(local);
    Timestamp::from_second(at.as_second()).ok()
}

/// On the wall clock of its zone.
pub(super) fn wall(at: &At) -> DateTime {
    match at {
        At::Day(date) => date.at(0, 0, 0, 0),
        At::Time { at, zone } => zone_of(zone).local(*at),
    }
}

/// A series begins with its first date, which may be behind the start of its range.
fn begun(found: &Recurrence, start: At, end: At) -> (At, At) {
    let (from, to) = (wall(&start), wall(&end));
    let first = found.first(from, start.is_day());
    if first == from {
        return (start, end);
    }
    let moved = |at: &At, local: DateTime| match at {
        At::Day(_) => At::Day(local.date()),
        At::Time { zone, .. } => At::Time { at: zone_of(zone).instant(local), zone: zone.clone() },
    };
    let long = from.duration_until(to);
    let last = first.checked_add(long).unwrap_or(first);
    (moved(&start, first), moved(&end, last))
}

/// The rule of a recurrence, by the letter.
fn rule(found: &Recurrence, start: &At) -> String {
    let zone = start.zone().map_or(crate::ics::zone::Zone::Floating, zone_of);
    lawful_rule(found.to_rule(wall(start), start.is_day()), &start.to_when(), &zone).to_string()
}

/// What differs from the rule: events of their own, and dates that are cancelled.
fn exceptions(held: &mut Held, master: &Event, topology: &Map<String, Value>) -> Result<(), &'static str> {
    let start = master.get("start").and_then(|start| At::of_json(start, "UTC")).ok_or(LOST_ZONE)?;
    let list = |name: &str| topology.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for one in list("exceptionOccurrences").iter().filter_map(Value::as_object) {
        let slot = slot(one, &start).ok_or("an exception of the series does not say which instance it is")?;
        let mut event = event(one)?;
        event.insert("recurringEventId".into(), json!(text(master, "id")));
        event.insert("originalStartTime".into(), slot.to_json());
        event.remove("recurrence");
        held.exceptions.insert(slot.key(), event);
    }
    for one in list("cancelledOccurrences").iter().filter_map(Value::as_str) {
        let date: Option<Date> = one.rsplit('.').next().and_then(|date| date.parse().ok());
        let slot = on_day(&start, date.ok_or("a cancelled instance of the series has no date")?);
        held.exceptions.entry(slot.key()).or_insert_with(|| cancelled(one, text(master, "id"), &slot));
    }
    Ok(())
}

/// An instance that is taken away.
pub(super) fn cancelled(id: &str, master: &str, slot: &At) -> Event {
    let mut event = Event::new();
    event.insert("id".into(), json!(id));
    event.insert("recurringEventId".into(), json!(master));
    event.insert("status".into(), json!("cancelled"));
    event.insert("originalStartTime".into(), slot.to_json());
    event
}

/// The slot of a series on that day of its zone.
fn on_day(start: &At, date: Date) -> At {
    match start {
        At::Day(_) => At::Day(date),
        At::Time { zone, .. } => {
            At::Time { at: zone_of(zone).instant(date.to_datetime(wall(start).time())), zone: zone.clone() }
        }
    }
}

/// The slot that an instance stands for.
pub(super) fn slot(raw: &Map<String, Value>, start: &At) -> Option<At> {
    let at: Timestamp = text(raw, "originalStart").parse().ok()?;
    match start {
        At::Time { zone, .. } => {
            Some(At::Time { at: Timestamp::from_second(at.as_second()).ok()?, zone: zone.clone() })
        }
        At::Day(_) => {
            let utc = zone_of("UTC").local(at);
            let named = zone::iana(text(raw, "originalStartTimeZone"));
            // Midnight is told in UTC, or in the zone of the mailbox.
            let local =
                named.filter(|_| utc.time() != jiff::civil::Time::midnight()).map(|zone| zone_of(&zone).local(at));
            Some(At::Day(local.unwrap_or(utc).date()))
        }
    }
}
