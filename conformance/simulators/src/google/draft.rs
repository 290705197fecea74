//! An event as a client writes it: read, checked, in canonical form.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{moment::Moment, recur::Series, refusal::Refusal};

/// Longest key and value of an extended property, their number, and their sum.
const PROPERTY_KEY_MAX: usize = 44;
const PROPERTY_VALUE_MAX: usize = 1024;
const PROPERTIES_MAX: usize = 300;
const PROPERTIES_BYTES_MAX: usize = 32 * 1024;
const OVERRIDES_MAX: usize = 5;
const OVERRIDE_MINUTES_MAX: i64 = 40_320;
const ATTACHMENTS_MAX: usize = 25;

const TEXTS: &[&str] = &["summary", "description", "location", "colorId", "eventLabelId"];
/// Flags with their default, at which they are left out.
const FLAGS: &[(&str, bool)] = &[
    ("guestsCanInviteOthers", true),
    ("guestsCanModify", false),
    ("guestsCanSeeOtherGuests", true),
    ("anyoneCanAddSelf", false),
    ("attendeesOmitted", false),
    ("endTimeUnspecified", false),
];
/// Words with their default, at which they are left out.
const WORDS: &[(&str, &str, &[&str])] = &[
    ("transparency", "opaque", &["opaque", "transparent"]),
    ("visibility", "default", &["default", "public", "private", "confidential"]),
];
const OBJECTS: &[&str] = &[
    "source",
    "gadget",
    "outOfOfficeProperties",
    "focusTimeProperties",
    "workingLocationProperties",
    "birthdayProperties",
];

/// What may be written beyond the usual.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed {
    /// `conferenceDataVersion=1`.
    pub(crate) conference: bool,
    /// `supportsAttachments=true`.
    pub(crate) attachments: bool,
}

/// The status a client writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Confirmed,
    Tentative,
    Cancelled,
}

/// The writable half of an event.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) id: Option<String>,
    pub(crate) uid: Option<String>,
    pub(crate) status: Option<Status>,
    pub(crate) start: Option<(Moment, bool)>,
    pub(crate) end: Option<(Moment, bool)>,
    pub(crate) recurrence: Vec<String>,
    pub(crate) fields: Map<String, Value>,
    pub(crate) attendees: Vec<Map<String, Value>>,
    pub(crate) reminders: Option<Value>,
    pub(crate) sequence: Option<i64>,
    pub(crate) event_type: Option<String>,
    pub(crate) organizer: Option<(String, Option<String>)>,
}

impl Draft {
    pub(crate) fn read(body: &Map<String, Value>, zone: &Arc<str>, allowed: Allowed) -> Result<Self, Refusal> {
        let mut fields = Map::new();
        for name in TEXTS {
            if let Some(text) = text(body, name)?.filter(|text| !text.is_empty()) {
                if *name == "colorId" && !text.parse::<u8>().is_ok_and(|number| (1..=11).contains(&number)) {
                    return Err(Refusal::invalid(format!("Invalid value for: colorId {text}")));
                }
                fields.insert((*name).into(), json!(text));
            }
        }
        for (name, default) in FLAGS {
            if let Some(flag) = flag(body, name)?.filter(|flag| flag != default) {
                fields.insert((*name).into(), json!(flag));
            }
        }
        for (name, default, words) in WORDS {
            if let Some(word) = text(body, name)? {
                if !words.contains(&word) {
                    return Err(Refusal::invalid(format!("Invalid value for: {word} is not a valid value")));
                }
                if word != *default {
                    fields.insert((*name).into(), json!(word));
                }
            }
        }
        for name in OBJECTS {
            if let Some(object) = object(body, name)?.filter(|object| !object.is_empty()) {
                fields.insert((*name).into(), Value::Object(object.clone()));
            }
        }
        if let Some(properties) = extended(body)? {
            fields.insert("extendedProperties".into(), properties);
        }
        if let (true, Some(conference)) = (allowed.conference, object(body, "conferenceData")?) {
            fields.insert("conferenceData".into(), Value::Object(conference.clone()));
        }
        if let (true, Some(attachments)) = (allowed.attachments, array(body, "attachments")?) {
            if attachments.len() > ATTACHMENTS_MAX {
                return Err(Refusal::invalid("Too many attachments."));
            }
            if !attachments.is_empty() {
                fields.insert("attachments".into(), Value::Array(attachments.clone()));
            }
        }
        let organizer = match object(body, "organizer")? {
            Some(organizer) => match text(organizer, "email")? {
                Some(email) => Some((email.to_ascii_lowercase(), text(organizer, "displayName")?.map(str::to_owned))),
                None => None,
            },
            None => None,
        };
        Ok(Self {
            id: text(body, "id")?.map(str::to_owned),
            uid: text(body, "iCalUID")?.filter(|uid| !uid.is_empty()).map(str::to_owned),
            status: match text(body, "status")? {
                None => None,
                Some("confirmed") => Some(Status::Confirmed),
                Some("tentative") => Some(Status::Tentative),
                Some("cancelled") => Some(Status::Cancelled),
                Some(other) => {
                    return Err(Refusal::invalid(format!("Invalid value for: {other} is not a valid value")));
                }
            },
            start: moment(body, "start", zone)?,
            end: moment(body, "end", zone)?,
            recurrence: recurrence(body)?,
            fields,
            attendees: attendees(body)?,
            reminders: reminders(body)?,
            sequence: match body.get("sequence") {
                None | Some(Value::Null) => None,
                Some(value) => Some(
                    value
                        .as_i64()
                        .filter(|number| (0..=i64::from(i32::MAX)).contains(number))
                        .ok_or_else(Refusal::parse_error)?,
                ),
            },
            event_type: text(body, "eventType")?.map(str::to_owned),
            organizer,
        })
    }

    /// Start, end and rules, when they make an event.
    pub(crate) fn times(&self) -> Result<(Moment, Moment), Refusal> {
        let (start, start_named) = self.start.clone().ok_or_else(|| Refusal::required("Missing start time."))?;
        let (end, end_named) = self.end.clone().ok_or_else(|| Refusal::required("Missing end time."))?;
        if start.is_date() != end.is_date() {
            return Err(Refusal::invalid("Start and end times must either both be date or both be dateTime."));
        }
        let utc = jiff::tz::TimeZone::UTC;
        if end.ms(&utc) < start.ms(&utc) || start.is_date() && end.ms(&utc) == start.ms(&utc) {
            return Err(Refusal::time_range_empty());
        }
        if !self.recurrence.is_empty() {
            if !start.is_date() && !start_named {
                return Err(Refusal::required("Missing time zone definition for start time."));
            }
            if !end.is_date() && !end_named {
                return Err(Refusal::required("Missing time zone definition for end time."));
            }
            Series::read(&self.recurrence, &start)?;
        }
        Ok((start, end))
    }
}

/// RFC 7396: null removes, objects merge, everything else is replaced.
pub(crate) fn merge(into: &mut Map<String, Value>, patch: &Map<String, Value>) {
    // Objects of an event are three deep; what is deeper is replaced, so that depth is bounded.
    merge_to(into, patch, 4);
}

fn merge_to(into: &mut Map<String, Value>, patch: &Map<String, Value>, depth: u8) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                into.remove(name);
            }
            Value::Object(inner) if depth > 0 => {
                let slot = into.entry(name.clone()).or_insert_with(|| json!({}));
                if !slot.is_object() {
                    *slot = json!({});
                }
                if let Some(fields) = slot.as_object_mut() {
                    merge_to(fields, inner, depth - 1);
                }
            }
            _ => {
                into.insert(name.clone(), value.clone());
            }
        }
    }
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::parse_error()),
    }
}

fn flag(body: &Map<String, Value>, name: &str) -> Result<Option<bool>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(Refusal::parse_error()),
    }
}

fn object<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Map<String, Value>>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(fields)) => Ok(Some(fields)),
        Some(_) => Err(Refusal::parse_error()),
    }
}

fn array<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Vec<Value>>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(_) => Err(Refusal::parse_error()),
    }
}

fn moment(body: &Map<String, Value>, name: &str, zone: &Arc<str>) -> Result<Option<(Moment, bool)>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => Moment::read(value, zone),
    }
}

fn recurrence(body: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let Some(lines) = array(body, "recurrence")? else { return Ok(Vec::new()) };
    lines.iter().map(|line| line.as_str().map(str::to_owned).ok_or_else(Refusal::parse_error)).collect()
}

fn attendees(body: &Map<String, Value>) -> Result<Vec<Map<String, Value>>, Refusal> {
    let mut found: Vec<Map<String, Value>> = Vec::new();
    for value in array(body, "attendees")?.into_iter().flatten() {
        let given = value.as_object().ok_or_else(Refusal::parse_error)?;
        let email = text(given, "email")?.ok_or_else(|| Refusal::required("Missing attendee email."))?;
        if !email.contains('@') || email.contains(char::is_whitespace) {
            return Err(Refusal::invalid("Invalid attendee email."));
        }
        let email = email.to_ascii_lowercase();
        if found.iter().any(|other| other.get("email").and_then(Value::as_str) == Some(&email)) {
            continue;
        }
        let mut attendee = Map::new();
        attendee.insert("email".into(), json!(email));
        for name in ["displayName", "comment"] {
            if let Some(text) = text(given, name)?.filter(|text| !text.is_empty()) {
                attendee.insert(name.into(), json!(text));
            }
        }
        for name in ["optional", "resource"] {
            if flag(given, name)? == Some(true) {
                attendee.insert(name.into(), json!(true));
            }
        }
        if let Some(count) = given.get("additionalGuests").and_then(Value::as_i64).filter(|count| *count > 0) {
            attendee.insert("additionalGuests".into(), json!(count));
        }
        let answer = text(given, "responseStatus")?.unwrap_or("needsAction");
        if !["needsAction", "declined", "tentative", "accepted"].contains(&answer) {
            return Err(Refusal::invalid(format!("Invalid value for: {answer} is not a valid value")));
        }
        attendee.insert("responseStatus".into(), json!(answer));
        found.push(attendee);
    }
    Ok(found)
}

fn reminders(body: &Map<String, Value>) -> Result<Option<Value>, Refusal> {
    let Some(given) = object(body, "reminders")? else { return Ok(None) };
    let use_default = flag(given, "useDefault")?.unwrap_or(false);
    let mut overrides = Vec::new();
    for item in array(given, "overrides")?.into_iter().flatten() {
        let item = item.as_object().ok_or_else(Refusal::parse_error)?;
        let method = text(item, "method")?.ok_or_else(|| Refusal::required("Missing reminder method."))?;
        let minutes = item
            .get("minutes")
            .and_then(Value::as_i64)
            .ok_or_else(|| Refusal::required("Missing reminder minutes."))?;
        if !["email", "popup"].contains(&method) || !(0..=OVERRIDE_MINUTES_MAX).contains(&minutes) {
            return Err(Refusal::invalid("Invalid value for: reminder"));
        }
        overrides.push(json!({ "method": method, "minutes": minutes }));
    }
    if overrides.len() > OVERRIDES_MAX {
        return Err(Refusal::invalid("Too many override reminders."));
    }
    if use_default && !overrides.is_empty() {
        return Err(Refusal::new(
            400,
            "calendar",
            "cannotUseDefaultRemindersAndSpecifyOverride",
            "Cannot specify both default reminders and overrides at the same time.",
        ));
    }
    let mut kept = Map::new();
    kept.insert("useDefault".into(), json!(use_default));
    if !overrides.is_empty() {
        kept.insert("overrides".into(), Value::Array(overrides));
    }
    Ok(Some(Value::Object(kept)))
}

fn extended(body: &Map<String, Value>) -> Result<Option<Value>, Refusal> {
    let Some(given) = object(body, "extendedProperties")? else { return Ok(None) };
    let mut kept = Map::new();
    let (mut count, mut bytes) = (0, 0);
    for side in ["private", "shared"] {
        let Some(properties) = object(given, side)? else { continue };
        let mut own = Map::new();
        for (key, value) in properties {
            let Some(value) = value.as_str() else {
                if value.is_null() {
                    continue;
                }
                return Err(Refusal::parse_error());
            };
            count += 1;
            bytes += key.len() + value.len();
            if key.len() > PROPERTY_KEY_MAX || value.len() > PROPERTY_VALUE_MAX {
                return Err(Refusal::invalid("Extended property key or value is too long."));
            }
            own.insert(key.clone(), json!(value));
        }
        if !own.is_empty() {
            kept.insert(side.into(), Value::Object(own));
        }
    }
    if count > PROPERTIES_MAX || bytes > PROPERTIES_BYTES_MAX {
        return Err(Refusal::invalid("Too many extended properties."));
    }
    Ok((!kept.is_empty()).then_some(Value::Object(kept)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<Draft, Refusal> {
        Draft::read(body.as_object().unwrap(), &Arc::from("Europe/Berlin"), Allowed::default())
    }

    #[test]
    fn defaults_and_emptiness_are_left_out() {
        let draft = read(json!({
            "summary": "", "location": "Here", "transparency": "opaque", "visibility": "private", "guestsCanModify": false,
            "guestsCanInviteOthers": false, "unheardOf": 7, "conferenceData": { "notes": "x" }, "extendedProperties": { "private": {} },
        }))
        .unwrap();
        assert_eq!(
            Value::Object(draft.fields),
            json!({ "location": "Here", "guestsCanInviteOthers": false, "visibility": "private" })
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let reason = |body: Value| read(body).and_then(|draft| draft.times().map(|_| ())).unwrap_err().reason;
        let start = json!({ "dateTime": "2026-03-10T09:00:00+01:00" });
        assert_eq!(reason(json!({ "summary": 7 })), "parseError");
        assert_eq!(reason(json!({ "start": start })), "required");
        assert_eq!(reason(json!({ "start": start, "end": { "date": "2026-03-10" } })), "invalid");
        assert_eq!(
            reason(json!({ "start": start, "end": { "dateTime": "2026-03-10T08:00:00+01:00" } })),
            "timeRangeEmpty"
        );
        assert_eq!(
            reason(json!({ "start": { "date": "2026-03-10" }, "end": { "date": "2026-03-10" } })),
            "timeRangeEmpty"
        );
        assert_eq!(reason(json!({ "start": start, "end": start, "recurrence": ["RRULE:FREQ=DAILY"] })), "required");
        assert_eq!(reason(json!({ "attendees": [{ "displayName": "x" }] })), "required");
        assert_eq!(
            reason(json!({ "reminders": { "useDefault": true, "overrides": [{ "method": "popup", "minutes": 5 }] } })),
            "cannotUseDefaultRemindersAndSpecifyOverride"
        );
        assert_eq!(reason(json!({ "extendedProperties": { "private": { "x".repeat(45): "y" } } })), "invalid");
    }

    #[test]
    fn a_patch_merges_and_null_clears() {
        let mut now = json!({ "start": { "dateTime": "a", "timeZone": "b" }, "summary": "x", "attendees": [1] })
            .as_object()
            .unwrap()
            .clone();
        merge(
            &mut now,
            json!({ "start": { "dateTime": null, "date": "c" }, "summary": null, "attendees": [2] })
                .as_object()
                .unwrap(),
        );
        assert_eq!(Value::Object(now), json!({ "start": { "timeZone": "b", "date": "c" }, "attendees": [2] }));
    }
}
