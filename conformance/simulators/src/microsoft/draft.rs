//! What a client writes of an event: read, checked, and laid over what was there.

use serde_json::{Map, Value, json};

use super::{body, moment::Moment, pattern::Recurrence, refusal::Refusal, world::Content};

const SUBJECT_MAX: usize = 255;
const ATTENDEES_MAX: usize = 500;
const CATEGORY_MAX: usize = 255;
/// The longest body: the service takes 4 MB in one request.
const BODY_MAX: usize = 3_500_000;
const SHOW_AS: &[&str] = &["unknown", "free", "tentative", "busy", "oof", "workingElsewhere"];
const SENSITIVITY: &[&str] = &["normal", "personal", "private", "confidential"];
const IMPORTANCE: &[&str] = &["low", "normal", "high"];
const ATTENDEE_TYPE: &[&str] = &["required", "optional", "resource"];
/// Members that only the service writes: what a client says of them is passed over.
const READ_ONLY: &[&str] = &[
    "id",
    "changeKey",
    "createdDateTime",
    "lastModifiedDateTime",
    "iCalUId",
    "type",
    "seriesMasterId",
    "originalStart",
    "webLink",
    "bodyPreview",
    "organizer",
    "isOrganizer",
    "responseStatus",
    "isCancelled",
    "isDraft",
    "hasAttachments",
    "onlineMeeting",
    "onlineMeetingUrl",
    "originalStartTimeZone",
    "originalEndTimeZone",
    "cancelledOccurrences",
    "transactionId",
];

/// What a write says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) start: Option<Moment>,
    pub(crate) end: Option<Moment>,
    pub(crate) all_day: Option<bool>,
    /// `Some(None)` ends the series.
    pub(crate) recurrence: Option<Option<Value>>,
    pub(crate) fields: Map<String, Value>,
    pub(crate) extended: Vec<(String, String)>,
    pub(crate) transaction: Option<String>,
}

impl Draft {
    /// Reads an event of a request. `all_zones`: every name of the tz database is a zone.
    pub(crate) fn read(given: &Map<String, Value>, all_zones: bool) -> Result<Self, Refusal> {
        let mut draft = Self::default();
        for (name, value) in given {
            draft.member(name, value, all_zones)?;
        }
        Ok(draft)
    }

    fn member(&mut self, name: &str, value: &Value, all_zones: bool) -> Result<(), Refusal> {
        match name {
            "start" => self.start = Some(Moment::read("Event.Start", value, all_zones)?),
            "end" => self.end = Some(Moment::read("Event.End", value, all_zones)?),
            "isAllDay" => self.all_day = Some(flag(name, value)?),
            "recurrence" => self.recurrence = Some((!value.is_null()).then(|| value.clone())),
            "transactionId" => self.transaction = value.as_str().map(str::to_owned),
            "body" => {
                let html = body::read(value)?;
                if html.len() > BODY_MAX {
                    return Err(Refusal::new(
                        413,
                        "ErrorMessageSizeExceeded",
                        "The message exceeds the maximum supported size.",
                    ));
                }
                self.fields.insert("body".into(), json!(html));
            }
            "subject" => {
                let subject = match value {
                    Value::Null => "",
                    Value::String(text) => text,
                    _ => return Err(mistyped(name)),
                };
                if subject.chars().count() > SUBJECT_MAX {
                    return Err(Refusal::property("At least one property failed validation. Property: Subject."));
                }
                self.fields.insert(name.into(), json!(subject));
            }
            "categories" => {
                let list = value.as_array().ok_or_else(|| mistyped(name))?;
                let fine =
                    |one: &Value| one.as_str().is_some_and(|text| !text.is_empty() && text.len() <= CATEGORY_MAX);
                if !list.iter().all(fine) {
                    return Err(mistyped(name));
                }
                self.fields.insert(name.into(), value.clone());
            }
            "showAs" => self.choice(name, value, SHOW_AS)?,
            "sensitivity" => self.choice(name, value, SENSITIVITY)?,
            "importance" => self.choice(name, value, IMPORTANCE)?,
            "isReminderOn" | "responseRequested" | "allowNewTimeProposals" | "hideAttendees" | "isOnlineMeeting" => {
                self.fields.insert(name.into(), json!(flag(name, value)?));
            }
            "reminderMinutesBeforeStart" => {
                let minutes =
                    value.as_i64().and_then(|minutes| i32::try_from(minutes).ok()).ok_or_else(|| mistyped(name))?;
                if minutes < 0 {
                    return Err(Refusal::property(
                        "At least one property failed validation. Property: ReminderMinutesBeforeStart.",
                    ));
                }
                self.fields.insert(name.into(), json!(minutes));
            }
            "onlineMeetingProvider" => {
                self.choice(name, value, &["unknown", "skypeForBusiness", "skypeForConsumer", "teamsForBusiness"])?;
            }
            "location" => {
                let place = location(value)?;
                let list = if place.is_empty() { json!([]) } else { json!([place]) };
                self.fields.insert("location".into(), Value::Object(place));
                self.fields.insert("locations".into(), list);
            }
            "locations" => {
                let list = value.as_array().ok_or_else(|| mistyped(name))?;
                let list = list.iter().map(location).collect::<Result<Vec<_>, _>>()?;
                // `location` is the first of them, or all their names.
                let names: Vec<&str> =
                    list.iter().filter_map(|place| place.get("displayName").and_then(Value::as_str)).collect();
                if !self.fields.contains_key("location") || list.len() > 1 {
                    let first = list.first().cloned().unwrap_or_default();
                    let joined = json!({ "displayName": names.join("; "), "locationType": "default" });
                    let one = if list.len() > 1 { joined } else { Value::Object(first) };
                    self.fields.insert("location".into(), one);
                }
                self.fields.insert(name.into(), json!(list));
            }
            "attendees" => {
                let list = value.as_array().ok_or_else(|| mistyped(name))?;
                if list.len() > ATTENDEES_MAX {
                    return Err(Refusal::invalid("The number of attendees exceeds the limit of 500."));
                }
                let list = list.iter().map(attendee).collect::<Result<Vec<_>, _>>()?;
                self.fields.insert(name.into(), json!(list));
            }
            "singleValueExtendedProperties" => {
                for entry in value.as_array().ok_or_else(|| mistyped(name))? {
                    let text = |part: &str| entry.get(part).and_then(Value::as_str);
                    let (Some(id), Some(value)) = (text("id").and_then(property_id), text("value")) else {
                        return Err(Refusal::new(
                            400,
                            "ErrorInvalidProperty",
                            "The extended property id or value is not valid.",
                        ));
                    };
                    self.extended.push((id, value.to_owned()));
                }
            }
            // Accepted and not kept: the connector has no use for them.
            "multiValueExtendedProperties" | "extensions" => {}
            _ if name.starts_with('@') || name.contains("@odata.") || READ_ONLY.contains(&name) => {}
            _ => {
                return Err(Refusal::body(format!(
                    "The property '{name}' does not exist on type 'microsoft.graph.event'. Make sure to only use property names \
                     that are defined by the type or mark the type as open type."
                )));
            }
        }
        Ok(())
    }

    fn choice(&mut self, name: &str, value: &Value, known: &[&str]) -> Result<(), Refusal> {
        let text = value.as_str().unwrap_or_default();
        let found = known.iter().find(|one| one.eq_ignore_ascii_case(text));
        let found = found.ok_or_else(|| Refusal::body(format!("Requested value '{text}' was not found.")))?;
        self.fields.insert(name.into(), json!(found));
        Ok(())
    }

    /// Lays it over what was there.
    pub(crate) fn lay(&self, content: &mut Content) -> Result<(), Refusal> {
        if let Some(start) = &self.start {
            content.start = start.clone();
        }
        if let Some(end) = &self.end {
            content.end = end.clone();
        }
        if let Some(all_day) = self.all_day {
            content.all_day = all_day;
        }
        let meeting = content.fields.get("isOnlineMeeting") == Some(&json!(true));
        for (name, value) in &self.fields {
            // Once there is an online meeting it can neither be taken back nor changed.
            if meeting && matches!(name.as_str(), "isOnlineMeeting" | "onlineMeetingProvider") {
                continue;
            }
            content.fields.insert(name.clone(), value.clone());
        }
        for (id, value) in &self.extended {
            content.extended.insert(id.clone(), value.clone());
        }
        check(content)
    }
}

/// What must hold for the times of an event.
fn check(content: &Content) -> Result<(), Refusal> {
    if content.all_day {
        for (name, moment) in [("Start", &content.start), ("End", &content.end)] {
            if !moment.is_midnight() {
                return Err(Refusal::invalid(format!(
                    "The Event.{name} property for an all-day event needs to be set to midnight."
                )));
            }
        }
        if content.start.zone != content.end.zone {
            return Err(Refusal::invalid(
                "The Event.Start and Event.End properties for an all-day event need to be in the same time zone.",
            ));
        }
        if content.end.wall <= content.start.wall {
            return Err(Refusal::invalid("The duration of an event marked as All day must be at least 24 hours."));
        }
    }
    if content.end.ms() < content.start.ms() {
        return Err(Refusal::property(
            "At least one property failed validation. Property: EndDateTime is before StartDateTime.",
        ));
    }
    Ok(())
}

/// The recurrence of a draft, for an event that starts then.
pub(crate) fn recurrence(value: &Value, start: &Moment, all_day: bool, all_zones: bool) -> Result<Recurrence, Refusal> {
    let zone = value.get("range").and_then(|range| range.get("recurrenceTimeZone")).and_then(Value::as_str);
    let zone = zone.filter(|name| !name.is_empty());
    if let Some(name) = zone
        && super::zones::zone(name, all_zones).is_none()
    {
        return Err(Refusal::time_zone(name));
    }
    let day = match zone {
        Some(name) if !all_day => start.wall_in(&super::zones::known(name)).date(),
        _ => start.wall.date(),
    };
    Recurrence::read(value, day)
}

fn mistyped(name: &str) -> Refusal {
    Refusal::body(format!("Cannot convert the value of '{name}' to its type."))
}

fn flag(name: &str, value: &Value) -> Result<bool, Refusal> {
    value.as_bool().ok_or_else(|| mistyped(name))
}

fn location(value: &Value) -> Result<Map<String, Value>, Refusal> {
    let mut place = match value {
        Value::Null => Map::new(),
        Value::Object(place) => place.clone(),
        _ => return Err(mistyped("location")),
    };
    const KNOWN: &[&str] = &[
        "displayName",
        "locationEmailAddress",
        "address",
        "coordinates",
        "locationUri",
        "locationType",
        "uniqueId",
        "uniqueIdType",
    ];
    if let Some(name) = place.keys().find(|name| !KNOWN.contains(&name.as_str()) && !name.starts_with('@')) {
        return Err(Refusal::body(format!("The property '{name}' does not exist on type 'microsoft.graph.location'.")));
    }
    place.retain(|_, value| !value.is_null());
    if place.is_empty() || place.len() == 1 && place.get("displayName") == Some(&json!("")) {
        return Ok(Map::new());
    }
    let name = place.get("displayName").cloned().unwrap_or_else(|| json!(""));
    place.entry("locationType").or_insert_with(|| json!("default"));
    place.entry("uniqueId").or_insert(name);
    place.entry("uniqueIdType").or_insert_with(|| json!("private"));
    Ok(place)
}

fn attendee(value: &Value) -> Result<Value, Refusal> {
    let address = value.get("emailAddress").and_then(|one| one.get("address")).and_then(Value::as_str);
    let address = address
        .filter(|text| text.contains('@'))
        .ok_or_else(|| Refusal::new(400, "ErrorInvalidRecipients", "At least one recipient is not valid."))?;
    let name = value.get("emailAddress").and_then(|one| one.get("name")).and_then(Value::as_str).unwrap_or(address);
    let kind = value.get("type").and_then(Value::as_str).unwrap_or("required");
    if !ATTENDEE_TYPE.contains(&kind) {
        return Err(Refusal::body(format!("Requested value '{kind}' was not found.")));
    }
    Ok(json!({
        "type": kind, "status": { "response": "none", "time": "0001-01-01T00:00:00Z" },
        "emailAddress": { "name": name, "address": address },
    }))
}

/// `String {guid} Name name` or `String 0x1234`, the guid in lower case as the service writes it.
pub(crate) fn property_id(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["String", guid, "Name" | "Id", name @ ..] if guid.len() == 38 && guid.starts_with('{') && !name.is_empty() => {
            let kind = words.get(2)?;
            Some(format!("String {} {kind} {}", guid.to_ascii_lowercase(), name.join(" ")))
        }
        ["String", tag] if tag.starts_with("0x") => Some(format!("String {tag}")),
        _ => None,
    }
}
