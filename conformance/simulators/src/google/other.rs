//! freebusy.query, colors.get, settings.

use serde_json::{Map, Value, json};

use super::{
    call::Target,
    filter::Filter,
    moment::{parse_instant, utc_ms, with_offset, zone},
    oauth::Caller,
    refusal::Refusal,
    request::Ask,
    world::World,
    write::Reply,
};

/// Calendars of one query.
const FREEBUSY_MAX: usize = 50;
const SETTINGS: &[(&str, &str)] =
    &[("timezone", ""), ("locale", "en"), ("format24HourTime", "true"), ("weekStart", "1"), ("dateFieldOrder", "YMD")];
/// Background colours of events, from 1; the foreground is `#1d1d1d`.
const EVENT_COLORS: &[&str] = &[
    "#a4bdfc", "#7ae7bf", "#dbadff", "#ff887c", "#fbd75b", "#ffb878", "#46d6db", "#e1e1e1", "#5484ed", "#51b749",
    "#dc2127",
];
/// The same for calendars.
const CALENDAR_COLORS: usize = 24;

impl World {
    pub(crate) fn freebusy(&self, ask: &Ask, caller: &Caller) -> Result<Reply, Refusal> {
        let body = ask.json()?;
        let time = |name: &'static str| {
            let text = body
                .get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| Refusal::required(format!("Missing {name} parameter.")))?;
            parse_instant(text).ok_or_else(|| Refusal::bad_request("Bad Request"))
        };
        let (from, to) = (time("timeMin")?, time("timeMax")?);
        if to <= from {
            return Err(Refusal::time_range_empty());
        }
        let zone = match body.get("timeZone").and_then(Value::as_str) {
            Some(name) => zone(name).ok_or_else(|| Refusal::invalid("Invalid time zone."))?,
            None => jiff::tz::TimeZone::UTC,
        };
        let items = body.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if items.len() > FREEBUSY_MAX {
            return Err(Refusal::invalid("Too many calendars requested."));
        }
        let mut calendars = Map::new();
        for item in items {
            let named = item.get("id").and_then(Value::as_str).ok_or_else(|| Refusal::required("Missing id."))?;
            let id = self.calendar_id(&caller.account, named);
            let answer = match self.role(&caller.account, id).and_then(|_| self.calendars.get(id)) {
                None => json!({ "errors": [{ "domain": "global", "reason": "notFound" }], "busy": [] }),
                Some(calendar) => {
                    let mut busy: Vec<(i64, i64)> = Vec::new();
                    let own = calendar.time_zone();
                    for event in Filter::window(calendar, from, to).sorted(calendar) {
                        if event.text("transparency") == Some("transparent") {
                            continue;
                        }
                        let (start, end) = (event.start.ms(&own).max(from), event.end.ms(&own).min(to));
                        match busy.last_mut() {
                            Some((_, last)) if start <= *last => *last = end.max(*last),
                            _ => busy.push((start, end)),
                        }
                    }
                    let busy: Vec<Value> =
                        busy.iter().map(|(start, end)| json!({ "start": with_offset(*start, &zone), "end": with_offset(*end, &zone) })).collect();
                    json!({ "busy": busy })
                }
            };
            calendars.insert(named.to_owned(), answer);
        }
        Ok(Reply::Json(
            json!({ "kind": "calendar#freeBusy", "timeMin": utc_ms(from), "timeMax": utc_ms(to), "calendars": calendars }),
        ))
    }

    pub(crate) fn colors(&self) -> Reply {
        let numbered = |colors: &mut dyn Iterator<Item = &str>| -> Map<String, Value> {
            let named = |(at, color): (usize, &str)| {
                ((at + 1).to_string(), json!({ "background": color, "foreground": "#1d1d1d" }))
            };
            colors.enumerate().map(named).collect()
        };
        let calendar = numbered(&mut EVENT_COLORS.iter().copied().cycle().take(CALENDAR_COLORS));
        let event = numbered(&mut EVENT_COLORS.iter().copied());
        Reply::Json(
            json!({ "kind": "calendar#colors", "updated": "2012-02-14T00:00:00.000Z", "calendar": calendar, "event": event }),
        )
    }

    fn setting(&self, caller: &Caller, name: &str, value: &str) -> Value {
        let own = self.calendars.get(&caller.account).map_or("UTC", |calendar| &calendar.zone);
        let value = if name == "timezone" { own } else { value };
        json!({ "kind": "calendar#setting", "etag": "\"0\"", "id": name, "value": value })
    }

    pub(crate) fn settings_list(&self, caller: &Caller) -> Reply {
        let items: Vec<Value> = SETTINGS.iter().map(|(name, value)| self.setting(caller, name, value)).collect();
        Reply::Json(
            json!({ "kind": "calendar#settings", "etag": "\"p0\"", "items": items, "nextSyncToken": "settings" }),
        )
    }

    pub(crate) fn settings_get(&self, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let found = SETTINGS.iter().find(|(name, _)| *name == target.event).ok_or_else(Refusal::not_found)?;
        Ok(Reply::Json(self.setting(caller, found.0, found.1)))
    }
}
