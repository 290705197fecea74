//! The page's form for an event: filled from one, and read back.

use jiff::{
    Timestamp,
    civil::{Date, Time},
};
use serde_json::{Map, Value, json};

use super::{
    html::escape,
    human::Refused,
    moment::{instant, parse_instant, zone_or_utc},
    request::Query,
};

/// The rules that the form offers by name.
const REPEATS: &[(&str, &str)] = &[
    ("", "Does not repeat"),
    ("RRULE:FREQ=DAILY", "Every day"),
    ("RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "Every weekday"),
    ("RRULE:FREQ=WEEKLY", "Every week"),
    ("RRULE:FREQ=MONTHLY", "Every month"),
    ("RRULE:FREQ=YEARLY", "Every year"),
];

/// When an event is, as the form has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) day: Date,
    pub(crate) last_day: Date,
    pub(crate) from: Time,
    pub(crate) to: Time,
    pub(crate) all_day: bool,
    pub(crate) zone: String,
}

impl Times {
    /// The next full hour.
    pub(crate) fn fresh(now_ms: i64, zone: &str) -> Self {
        const HOUR_MS: i64 = 3_600_000;
        let start = (now_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS;
        Self::between(instant(start), instant(start + HOUR_MS), zone)
    }

    fn between(start: Timestamp, end: Timestamp, zone: &str) -> Self {
        let (start, end) = (start.to_zoned(zone_or_utc(zone)).datetime(), end.to_zoned(zone_or_utc(zone)).datetime());
        Self {
            day: start.date(),
            last_day: end.date(),
            from: start.time(),
            to: end.time(),
            all_day: false,
            zone: zone.to_owned(),
        }
    }

    /// When the event is, in its own zone.
    pub(crate) fn of(event: &Value, now_ms: i64, zone: &str) -> Self {
        let part = |side: &str, name: &str| event.get(side).and_then(|time| time.get(name)).and_then(Value::as_str);
        let date = |side: &str| part(side, "date").and_then(|text| text.parse::<Date>().ok());
        if let (Some(day), Some(end)) = (date("start"), date("end")) {
            let fresh = Self::fresh(now_ms, zone);
            return Self { day, last_day: end.yesterday().unwrap_or(end), all_day: true, ..fresh };
        }
        let at = |side: &str| part(side, "dateTime").and_then(parse_instant).map(instant);
        let own = part("start", "timeZone").unwrap_or(zone);
        match (at("start"), at("end")) {
            (Some(start), Some(end)) => Self::between(start, end, own),
            _ => Self::fresh(now_ms, zone),
        }
    }
}

/// The form, without its buttons.
pub(crate) fn form(action: &str, times: &Times, event: &Value, kind: &str) -> String {
    let text = |name: &str| escape(event.get(name).and_then(Value::as_str).unwrap_or_default());
    let clock = |time: Time| time.strftime("%H:%M").to_string();
    let rule = event.get("recurrence").and_then(|lines| lines.get(0)).and_then(Value::as_str).unwrap_or_default();
    let mut out = format!("<form class=box method=post action=\"{action}\">");
    out.push_str(&format!(
        "<label class=wide>Title <input name=title value=\"{}\" autofocus></label>",
        text("summary")
    ));
    out.push_str(&format!("<label>Day <input type=date name=day value=\"{}\" required></label>", times.day));
    out.push_str(&format!("<label>From <input type=time name=from value=\"{}\"></label>", clock(times.from)));
    out.push_str(&format!("<label>To <input type=time name=to value=\"{}\"></label>", clock(times.to)));
    out.push_str(&format!("<label>Last day <input type=date name=last value=\"{}\"></label>", times.last_day));
    let checked = if times.all_day { " checked" } else { "" };
    out.push_str(&format!("<label>All day <input type=checkbox name=all_day value=1{checked}></label>"));
    out.push_str(&format!("<label>Time zone <input name=zone value=\"{}\"></label>", escape(&times.zone)));
    if kind != "one" {
        out.push_str("<label>Repeats <select name=repeat>");
        if !REPEATS.iter().any(|(known, _)| *known == rule) {
            out.push_str(&format!("<option value=\"{0}\" selected>{0}</option>", escape(rule)));
        }
        for (known, name) in REPEATS {
            let selected = if *known == rule { " selected" } else { "" };
            out.push_str(&format!("<option value=\"{known}\"{selected}>{name}</option>"));
        }
        out.push_str(
            "</select></label><label>or a rule <input name=rule placeholder=\"RRULE:FREQ=WEEKLY;COUNT=10\"></label>",
        );
    }
    out.push_str(&format!("<label class=wide>Place <input name=location value=\"{}\"></label>", text("location")));
    out.push_str(&format!(
        "<label class=wide>Notes <textarea name=notes rows=2>{}</textarea></label>",
        text("description")
    ));
    out.push_str("</form>");
    out
}

/// What the form says, in the API's form; empty fields clear.
pub(crate) fn event(form: &Query, calendar_zone: &str) -> Result<Value, Refused> {
    let filled = |name: &str| form.get(name).map(str::trim).filter(|text| !text.is_empty());
    let date =
        |name: &str| filled(name).map(|text| text.parse::<Date>().map_err(|_| Refused(format!("{text} is no day"))));
    let time = |name: &str| {
        let text = filled(name).ok_or_else(|| Refused("A time is missing.".into()))?;
        text.parse::<Time>().map_err(|_| Refused(format!("{text} is no time")))
    };
    let day = date("day").ok_or_else(|| Refused("The day is missing.".into()))??;
    let mut last = date("last").transpose()?.filter(|last| *last > day).unwrap_or(day);
    let mut fields = Map::new();
    if filled("all_day").is_some() {
        let end = last.tomorrow().map_err(|_| Refused("The day is too far away.".into()))?;
        fields.insert("start".into(), json!({ "date": day.to_string() }));
        fields.insert("end".into(), json!({ "date": end.to_string() }));
    } else {
        let (from, to) = (time("from")?, time("to")?);
        if last == day && to < from {
            last = day.tomorrow().map_err(|_| Refused("The day is too far away.".into()))?;
        }
        let zone = filled("zone").unwrap_or(calendar_zone);
        let at = |day: Date, time: Time| json!({ "dateTime": day.to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": zone });
        fields.insert("start".into(), at(day, from));
        fields.insert("end".into(), at(last, to));
    }
    for (name, field) in [("title", "summary"), ("location", "location"), ("notes", "description")] {
        if form.has(name) {
            fields.insert(field.into(), filled(name).map_or(Value::Null, |text| json!(text)));
        }
    }
    if form.has("repeat") {
        let rule = filled("rule").or_else(|| filled("repeat"));
        fields.insert("recurrence".into(), rule.map_or(Value::Null, |rule| json!([rule])));
    }
    Ok(Value::Object(fields))
}

/// When, for a person to read.
pub(crate) fn when(event: &Value, zone: &str) -> String {
    if event.get("start").is_none() {
        return String::new();
    }
    let times = Times::of(event, 0, zone);
    let day = |date: Date| date.strftime("%a %d %b %Y").to_string();
    let until = if times.last_day == times.day { String::new() } else { format!(" – {}", day(times.last_day)) };
    if times.all_day {
        return format!("{}{until}", day(times.day));
    }
    format!(
        "{}, {} – {}{until} ({})",
        day(times.day),
        times.from.strftime("%H:%M"),
        times.to.strftime("%H:%M"),
        times.zone
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_it_was_filled() {
        let event_was = json!({
            "summary": "Lunch & co", "start": { "dateTime": "2026-03-10T23:00:00+01:00", "timeZone": "Europe/Berlin" },
            "end": { "dateTime": "2026-03-11T01:00:00+01:00", "timeZone": "Europe/Berlin" },
        });
        let times = Times::of(&event_was, 0, "UTC");
        assert_eq!(when(&event_was, "UTC"), "Tue 10 Mar 2026, 23:00 – 01:00 – Wed 11 Mar 2026 (Europe/Berlin)");
        assert!(form("/", &times, &event_was, "").contains("value=\"Lunch &amp; co\""));
        let filled = Query::parse(
            "title=Lunch&day=2026-03-10&from=23:00&to=01:00&zone=Europe/Berlin&location=&repeat=RRULE:FREQ%3DDAILY&rule=",
        );
        assert_eq!(
            event(&filled, "UTC").unwrap(),
            json!({
                "start": { "dateTime": "2026-03-10T23:00:00", "timeZone": "Europe/Berlin" },
                "end": { "dateTime": "2026-03-11T01:00:00", "timeZone": "Europe/Berlin" },
                "summary": "Lunch", "location": null, "recurrence": ["RRULE:FREQ=DAILY"],
            })
        );
        let days = event(&Query::parse("day=2026-03-10&last=2026-03-12&all_day=1"), "UTC").unwrap();
        assert_eq!(days, json!({ "start": { "date": "2026-03-10" }, "end": { "date": "2026-03-13" } }));
        for nonsense in ["", "day=x&from=1&to=2", "day=2026-03-10", "day=9999-12-31&all_day=1"] {
            assert!(event(&Query::parse(nonsense), "UTC").is_err(), "{nonsense}");
        }
    }
}
