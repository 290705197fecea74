//! An event as the API shows it to a reader.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{
    draft::Status,
    moment::utc_ms,
    world::{Calendar, Event, Life, Person, Role},
};

/// Who reads, and how.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) account: String,
    pub(crate) role: Role,
    pub(crate) zone: TimeZone,
    pub(crate) attendees_max: Option<usize>,
}

pub(crate) fn etag(number: u64) -> String {
    format!("\"{number}\"")
}

impl Event {
    pub(crate) fn status(&self) -> &'static str {
        match (self.life, self.tentative) {
            (Life::Live, false) => "confirmed",
            (Life::Live, true) => "tentative",
            _ => "cancelled",
        }
    }

    pub(crate) fn set_status(&mut self, status: Status) {
        self.tentative = status == Status::Tentative;
        self.life = if status == Status::Cancelled { Life::Cancelled } else { Life::Live };
    }
}

/// The whole event.
pub(crate) fn full(calendar: &Calendar, event: &Event, reader: &Reader) -> Map<String, Value> {
    let mut out = head(event);
    let masked = reader.role == Role::FreeBusyReader || event.is_private() && !reader.role.sees_private();
    if !masked {
        out.insert("htmlLink".into(), json!(format!("https://www.google.com/calendar/event?eid={}", event.id)));
    }
    out.insert("created".into(), json!(utc_ms(event.created_ms)));
    out.insert("updated".into(), json!(utc_ms(event.updated_ms)));
    if masked {
        out.insert("visibility".into(), json!("private"));
        if let Some(transparency) = event.fields.get("transparency") {
            out.insert("transparency".into(), transparency.clone());
        }
    } else {
        for (name, value) in &event.fields {
            out.insert(name.clone(), value.clone());
        }
        out.insert("creator".into(), person(&event.creator, calendar));
        out.insert("organizer".into(), person(&event.organizer, calendar));
    }
    out.insert("start".into(), event.start.write(&reader.zone));
    out.insert("end".into(), event.end.write(&reader.zone));
    if event.is_series() {
        out.insert("recurrence".into(), json!(event.recurrence));
    }
    slot(event, reader, &mut out);
    out.insert("iCalUID".into(), json!(event.uid));
    out.insert("sequence".into(), json!(event.sequence));
    if !masked {
        attendees(calendar, event, reader, &mut out);
        let reminders = event.reminders.get(&reader.account).cloned();
        out.insert("reminders".into(), reminders.unwrap_or_else(|| json!({ "useDefault": true })));
        if event.private_copy {
            out.insert("privateCopy".into(), json!(true));
        }
    }
    out.insert("eventType".into(), json!(event.event_type));
    out
}

/// What a list says of an event that is gone: an exception's slot, of others nothing but the id.
pub(crate) fn tombstone(event: &Event, reader: &Reader) -> Map<String, Value> {
    let mut out = head(event);
    slot(event, reader, &mut out);
    out
}

fn head(event: &Event) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("kind".into(), json!("calendar#event"));
    out.insert("etag".into(), json!(etag(event.etag)));
    out.insert("id".into(), json!(event.id));
    out.insert("status".into(), json!(event.status()));
    out
}

fn slot(event: &Event, reader: &Reader, out: &mut Map<String, Value>) {
    if let Some(slot) = &event.slot {
        out.insert("recurringEventId".into(), json!(slot.master_id));
        out.insert("originalStartTime".into(), slot.start.write(&reader.zone));
    }
}

fn person(person: &Person, calendar: &Calendar) -> Value {
    let mut out = Map::new();
    out.insert("email".into(), json!(person.email));
    if let Some(name) = &person.name {
        out.insert("displayName".into(), json!(name));
    } else if person.email == calendar.id && !calendar.primary {
        out.insert("displayName".into(), json!(calendar.summary));
    }
    if person.email == calendar.id {
        out.insert("self".into(), json!(true));
    }
    Value::Object(out)
}

fn attendees(calendar: &Calendar, event: &Event, reader: &Reader, out: &mut Map<String, Value>) {
    if event.attendees.is_empty() {
        return;
    }
    let is_self =
        |attendee: &&Map<String, Value>| attendee.get("email").and_then(Value::as_str) == Some(calendar.id.as_str());
    let omitted = reader.attendees_max.is_some_and(|max| event.attendees.len() > max);
    let shown = event.attendees.iter().filter(|attendee| !omitted || is_self(attendee)).map(|attendee| {
        let mut shown = attendee.clone();
        if attendee.get("email").and_then(Value::as_str) == Some(event.organizer.email.as_str()) {
            shown.insert("organizer".into(), json!(true));
        }
        if is_self(&attendee) {
            shown.insert("self".into(), json!(true));
        }
        Value::Object(shown)
    });
    let shown: Vec<Value> = shown.collect();
    if !shown.is_empty() {
        out.insert("attendees".into(), Value::Array(shown));
    }
    if omitted {
        out.insert("attendeesOmitted".into(), json!(true));
    }
}

/// The half of an event that clients write, as they would write it: what a patch merges into.
pub(crate) fn writable(event: &Event, account: &str, zone: &TimeZone) -> Map<String, Value> {
    let mut out = event.fields.clone();
    out.insert("start".into(), event.start.write(zone));
    out.insert("end".into(), event.end.write(zone));
    if event.is_series() {
        out.insert("recurrence".into(), json!(event.recurrence));
    }
    if !event.attendees.is_empty() {
        out.insert("attendees".into(), json!(event.attendees));
    }
    if let Some(reminders) = event.reminders.get(account) {
        out.insert("reminders".into(), reminders.clone());
    }
    out.insert("status".into(), json!(event.status()));
    out
}
