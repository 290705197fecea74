//! What an item says, freed of everything that changes by itself: tags, times of change, links, answers of the server.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::dialect::Dialect;
use super::held::{Held, is_cancelled};
use super::said::{Said, video, visibility_of};
use super::series::Series;
use super::time::At;
use crate::domain::appointment::Status;
use crate::domain::sync::Snapshot;

/// Times without a zone of their own are compared as instants, whatever the calendar's zone.
const NO_ZONE: &str = "UTC";

/// A text that is equal for equal content.
pub(in crate::upstream) fn normal(item: &Snapshot, dialect: &Dialect) -> String {
    let held = Held::of(item);
    let mut out = Map::new();
    let master = held.master.as_ref().and_then(|event| Said::of_json(event, NO_ZONE));
    if let (Some(said), Some(event)) = (&master, &held.master) {
        out.insert("event".into(), told(said));
        out.insert("visibility".into(), json!(visibility_of(said.class)));
        out.insert("video".into(), json!(video(event)));
        let series = Series::of_held(&held, NO_ZONE, dialect);
        out.insert("rules".into(), json!(series.rules));
        out.insert("unless".into(), json!(series.unless));
        out.insert("added".into(), json!(series.added));
        out.insert("removed".into(), json!(series.removed));
    }
    let mut exceptions = Map::new();
    for (key, event) in held.exceptions.iter().filter(|(_, event)| !is_cancelled(event)) {
        let Some(said) = Said::of_json(event, NO_ZONE) else { continue };
        let zone = said.start.zone().unwrap_or(NO_ZONE);
        let slot = At::of_key(key, zone);
        if let (Some(master), Some(slot)) = (&master, &slot)
            && slot.is_day() != master.start.is_day()
        {
            continue;
        }
        let usual = master.as_ref().zip(slot).map(|(master, slot)| told(&master.in_slot(&slot)));
        let own = told(&said);
        if usual.as_ref() != Some(&own) {
            exceptions.insert(key.clone(), own);
        }
    }
    out.insert("exceptions".into(), Value::Object(exceptions));
    sorted(Value::Object(out)).to_string()
}

/// The same with the names of each object in their order, whatever order maps keep. As deep as what is made here.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> = fields.into_iter().collect();
            Value::Object(fields.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn told(said: &Said) -> Value {
    let guests: Vec<Value> =
        said.guests.iter().map(|g| json!({ "email": g.email, "optional": g.optional, "answer": g.answer })).collect();
    json!({
        "summary": said.summary,
        "description": said.description,
        "location": said.location,
        "start": said.start.to_json(),
        "end": said.end.to_json(),
        "tentative": said.status == Status::Tentative,
        "transparent": said.transparent,
        "busy": said.busy,
        "categories": said.categories,
        "reminders": said.reminders.to_json(),
        "guests": guests,
    })
}
