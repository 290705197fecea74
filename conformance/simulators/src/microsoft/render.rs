//! Events as Graph shows them.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{
    body,
    ids::{Form, change_key, etag, occurrence_uid},
    item::{Item, Kind},
    moment::stamp,
    refusal::Refusal,
    request::Ask,
    shape::Shape,
    world::World,
    zones::zone,
};

/// How events are read.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) form: Form,
    pub(crate) zone_name: String,
    pub(crate) zone: TimeZone,
    pub(crate) text: bool,
    pub(crate) shape: Shape,
}

impl Reader {
    /// As a request asks.
    pub(crate) fn of(ask: &Ask, all_zones: bool) -> Result<Self, Refusal> {
        let name = ask.prefer.zone.clone().unwrap_or_else(|| "UTC".to_owned());
        let zone = zone(&name, all_zones).ok_or_else(|| Refusal::time_zone(&name))?;
        Ok(Self {
            form: ask.prefer.form(),
            zone_name: name,
            zone,
            text: ask.prefer.text,
            shape: Shape::read(&ask.query)?,
        })
    }

    /// Everything, in UTC, under ids that stay.
    pub(crate) fn plain() -> Self {
        Self {
            form: Form::Immutable,
            zone_name: "UTC".into(),
            zone: TimeZone::UTC,
            text: false,
            shape: Shape::default(),
        }
    }
}

impl Item<'_> {
    pub(crate) fn subject(&self) -> &str {
        self.content.fields.get("subject").and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn uid(&self) -> String {
        match self.date {
            Some(date) => occurrence_uid(&self.event.uid, date),
            None => self.event.uid.clone(),
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.content.fields.get(name) == Some(&json!(true))
    }
}

/// What a member is where nobody wrote it.
fn default(name: &str) -> Value {
    match name {
        "categories" | "locations" | "attendees" => json!([]),
        "subject" => json!(""),
        "importance" | "sensitivity" => json!("normal"),
        "showAs" => json!("busy"),
        "isReminderOn" | "responseRequested" | "allowNewTimeProposals" => json!(true),
        "reminderMinutesBeforeStart" => json!(15),
        "location" => {
            json!({ "displayName": "", "locationType": "default", "uniqueIdType": "unknown", "address": {}, "coordinates": {} })
        }
        "onlineMeetingProvider" => json!("unknown"),
        _ => json!(false),
    }
}

impl World {
    /// An event, or an occurrence, in a reader's form.
    pub(crate) fn show(&self, item: &Item, reader: &Reader) -> Map<String, Value> {
        let (event, content, shape) = (item.event, &item.content, &reader.shape);
        let written = |name: &str| {
            let own = content.fields.get(name).filter(|value| !value.as_object().is_some_and(Map::is_empty));
            own.cloned().unwrap_or_else(|| default(name))
        };
        let id = self.event_id(event, item.date, reader.form);
        let mut out = Map::new();
        out.insert("@odata.etag".into(), json!(etag(item.change)));
        out.insert("id".into(), json!(id));
        let mut put = |name: &str, value: Value| {
            if shape.shows(name) {
                out.insert(name.into(), value);
            }
        };
        put("createdDateTime", json!(stamp(item.created_ms)));
        put("lastModifiedDateTime", json!(stamp(item.modified_ms)));
        put("changeKey", json!(change_key(item.change)));
        put("categories", written("categories"));
        put("transactionId", json!(event.transaction));
        put("originalStartTimeZone", json!(self.zone_as_kept(&content.start.zone)));
        put("originalEndTimeZone", json!(self.zone_as_kept(&content.end.zone)));
        put("iCalUId", json!(item.uid()));
        for name in ["reminderMinutesBeforeStart", "isReminderOn"] {
            put(name, written(name));
        }
        put("hasAttachments", json!(false));
        put("subject", written("subject"));
        let html = content.fields.get("body").and_then(Value::as_str).unwrap_or_default();
        put("bodyPreview", json!(body::preview(html)));
        put("importance", written("importance"));
        put("sensitivity", written("sensitivity"));
        put("isAllDay", json!(content.all_day));
        put("isCancelled", written("isCancelled"));
        put("isOrganizer", json!(event.own));
        put("responseRequested", written("responseRequested"));
        let master = item.date.map(|_| self.event_id(event, None, reader.form));
        put("seriesMasterId", json!(master));
        put("showAs", written("showAs"));
        put("type", json!(item.kind.name()));
        put("webLink", json!(format!("https://outlook.office365.com/owa/?itemid={id}&exvsurl=1&path=/calendar/item")));
        put("onlineMeetingUrl", Value::Null);
        put("isOnlineMeeting", written("isOnlineMeeting"));
        put("onlineMeetingProvider", written("onlineMeetingProvider"));
        put("allowNewTimeProposals", written("allowNewTimeProposals"));
        put("isDraft", json!(false));
        put("hideAttendees", written("hideAttendees"));
        let series = event.recurrence.as_ref().filter(|_| item.kind == Kind::Series);
        put("recurrence", json!(series.map(|recurrence| recurrence.write(event.recurrence_zone()))));
        let meeting = item.flag("isOnlineMeeting").then(|| json!({ "joinUrl": join_url(event.key) }));
        put("onlineMeeting", json!(meeting));
        let response = if event.own { "organizer" } else { "notResponded" };
        let answered = content.fields.get("responseStatus").cloned();
        put(
            "responseStatus",
            answered.unwrap_or_else(|| {
                let alone = content.fields.get("attendees").and_then(Value::as_array).is_none_or(Vec::is_empty);
                let response = if event.own && alone { "none" } else { response };
                json!({ "response": response, "time": "0001-01-01T00:00:00Z" })
            }),
        );
        put("body", body::write(html, reader.text));
        put("start", content.start.write(&reader.zone_name, &reader.zone, content.all_day));
        put("end", content.end.write(&reader.zone_name, &reader.zone, content.all_day));
        for name in ["location", "locations", "attendees"] {
            put(name, written(name));
        }
        let (name, address) = &event.organizer;
        put("organizer", json!({ "emailAddress": { "name": name, "address": address } }));
        if item.date.is_some() {
            put("originalStart", json!(stamp(item.slot_ms)));
        }
        // What is not there is not said.
        for name in ["transactionId", "seriesMasterId"] {
            if out.get(name) == Some(&Value::Null) && name == "transactionId" {
                out.remove(name);
            }
        }
        if let Some(ids) = &shape.extended {
            let found: Vec<Value> = ids
                .iter()
                .filter_map(|id| content.extended.get(id).map(|value| json!({ "id": id, "value": value })))
                .collect();
            if !found.is_empty() {
                out.insert("singleValueExtendedProperties".into(), json!(found));
            }
        }
        if item.kind == Kind::Series {
            self.show_topology(item, reader, &mut out);
        }
        out
    }

    /// What of a series is only shown when it is asked for.
    fn show_topology(&self, item: &Item, reader: &Reader, out: &mut Map<String, Value>) {
        let event = item.event;
        if reader.shape.names("cancelledOccurrences") {
            let id = self.event_id(event, None, reader.form);
            let gone: Vec<String> = event.cancelled.iter().map(|date| format!("OID.{id}.{date}")).collect();
            out.insert("cancelledOccurrences".into(), json!(gone));
        }
        if let Some(inner) = &reader.shape.exceptions
            && !self.settings.hide_exceptions
        {
            let reader = Reader { shape: (**inner).clone(), ..reader.clone() };
            let changed: Vec<Value> = event
                .exceptions
                .keys()
                .filter(|date| !event.cancelled.contains(date))
                .map(|date| Value::Object(self.show(&Item::on(event, *date), &reader)))
                .collect();
            out.insert("exceptionOccurrences".into(), json!(changed));
        }
    }

    /// The name under which a zone is kept.
    fn zone_as_kept(&self, name: &str) -> String {
        match super::zones::windows_name(name) {
            Some(windows) if self.settings.windows_zones => windows.to_owned(),
            _ => name.to_owned(),
        }
    }
}

/// Where people meet.
pub(crate) fn join_url(key: u64) -> String {
    format!("https://teams.microsoft.com/l/meetup-join/19%3ameeting_{key}%40thread.v2/0")
}
