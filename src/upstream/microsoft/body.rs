//! What is to be written, in Graph's words.

use serde_json::{Map, Value, json};

use super::super::lens::held::Event;
use super::super::lens::reminders::Reminders;
use super::super::lens::time::{At, zone_of};
use super::pattern::Recurrence;
use super::read::{OWN, property, wall};
use super::{html, zone};
use crate::ics::rule::Rule;

/// The zone whose midnights are days, as a payload carries it.
pub(super) const DAY_ZONE: &str = "dayZone";

/// Whether guests may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invite {
    Yes,
    No,
}

/// Changes of an event as Graph takes them. `whole` is what the event is to say, for what belongs together.
pub(super) fn of(fields: &Event, whole: &Event, invite: Invite) -> Map<String, Value> {
    let mut out = Map::new();
    let day_zone = whole.get(DAY_ZONE).and_then(Value::as_str).unwrap_or("UTC");
    for (name, value) in fields {
        let text = value.as_str().unwrap_or_default();
        match name.as_str() {
            "summary" => drop(out.insert("subject".into(), json!(text))),
            "location" => drop(out.insert("location".into(), json!({ "displayName": text }))),
            "description" => drop(out.insert("body".into(), html::written(text))),
            "busy" => drop(out.insert("showAs".into(), json!(text))),
            "visibility" => {
                let word = if text.is_empty() || text == "default" { "normal" } else { text };
                out.insert("sensitivity".into(), json!(word));
            }
            "categories" => drop(out.insert("categories".into(), value.clone())),
            "reminders" => {
                let minutes = match Reminders::of_json(Some(value)) {
                    Reminders::Inherited => None,
                    Reminders::These(these) => these.first().map(|(_, minutes)| *minutes),
                };
                out.insert("isReminderOn".into(), json!(minutes.is_some()));
                if let Some(minutes) = minutes {
                    out.insert("reminderMinutesBeforeStart".into(), json!(minutes));
                }
            }
            "start" | "end" => {
                let Some(at) = said(value) else { continue };
                out.insert(name.clone(), time(&at, day_zone));
                out.insert("isAllDay".into(), json!(at.is_day()));
            }
            "recurrence" => drop(out.insert("recurrence".into(), recurrence(value, whole))),
            "attendees" if invite == Invite::Yes => drop(out.insert("attendees".into(), attendees(value))),
            "extendedProperties" => {
                let private = value.get("private");
                let all: Vec<Value> = OWN
                    .iter()
                    .filter_map(|name| Some(json!({ "id": property(name), "value": private?.get(*name)? })))
                    .collect();
                out.insert("singleValueExtendedProperties".into(), Value::Array(all));
            }
            // `transparency` goes with `busy`; Graph has no status and takes no guests but by invitation.
            _ => {}
        }
    }
    // A pattern begins with its event, and in the event's zone.
    let lines = whole.get("recurrence").filter(|lines| lines.as_array().is_some_and(|lines| !lines.is_empty()));
    if let Some(lines) = lines.filter(|_| fields.contains_key("start")) {
        out.insert("recurrence".into(), recurrence(lines, whole));
    }
    out
}

/// The time that a field says; a patch names what is to go as `null`.
fn said(value: &Value) -> Option<At> {
    let fields = value.as_object()?.iter().filter(|(_, value)| !value.is_null());
    At::of_json(&fields.map(|(name, value)| (name.clone(), value.clone())).collect(), "UTC")
}

/// A `dateTimeTimeZone`.
fn time(at: &At, day_zone: &str) -> Value {
    let local = wall(at).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let named = match at {
        At::Day(_) => zone::written(day_zone),
        At::Time { at, zone: name } => {
            // The second of two equal wall clocks can be said in UTC only.
            let there = zone_of(name);
            if there.instant(there.local(*at)) != *at {
                let utc = At::Time { at: *at, zone: "UTC".to_owned() };
                return time(&utc, day_zone);
            }
            zone::written(name)
        }
    };
    json!({ "dateTime": local, "timeZone": named })
}

/// The pattern of the one rule in the lines, `null` where there is none. What has no pattern was refused before.
fn recurrence(lines: &Value, whole: &Event) -> Value {
    let mut all = lines.as_array().into_iter().flatten().filter_map(Value::as_str);
    let rule = all.find_map(|line| line.strip_prefix("RRULE:")).and_then(|rule| Rule::parse(rule).ok());
    let start = whole.get("start").and_then(said);
    let (Some(rule), Some(start)) = (rule, start) else { return Value::Null };
    let zone = start.zone().map_or(crate::ics::zone::Zone::Utc, zone_of);
    match Recurrence::of_rule(&rule, wall(&start), start.is_day(), &zone) {
        Ok(found) => found.to_json(wall(&start).date(), start.zone().map(zone::written)),
        Err(_) => Value::Null,
    }
}

fn attendees(value: &Value) -> Value {
    let all = value.as_array().map_or(&[][..], Vec::as_slice);
    let one = |entry: &Value| {
        let word = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let optional = entry.get("optional").and_then(Value::as_bool) == Some(true);
        let kind = match word("kind") {
            "resource" => "resource",
            _ if optional => "optional",
            _ => "required",
        };
        let mut address = json!({ "address": word("email") });
        if !word("displayName").is_empty() {
            address["name"] = json!(word("displayName"));
        }
        json!({ "emailAddress": address, "type": kind })
    };
    Value::Array(all.iter().map(one).collect())
}
