//! The page's form for an event: filled from one, and read back.

use jiff::civil::{Date, Time};
use serde_json::{Map, Value, json};

use super::{
    body,
    human::Refused,
    item::Item,
    moment::{instant, wall_ms},
    pattern::{Kind, Recurrence},
    zones::known,
};
use crate::{html::escape, query::Query};

/// The patterns that the form offers by name.
const REPEATS: &[(&str, &str)] = &[
    ("", "Does not repeat"),
    ("daily", "Every day"),
    ("weekdays", "Every weekday"),
    ("weekly", "Every week"),
    ("monthly", "Every month on that day"),
    ("relative", "Every month on that weekday"),
    ("yearly", "Every year"),
    ("keep", "As it is"),
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const HOUR_MS: i64 = 3_600_000;

/// When an event is, as the form has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    day: Date,
    last_day: Date,
    from: Time,
    to: Time,
    all_day: bool,
    zone: String,
}

impl Times {
    /// The next full hour.
    pub(crate) fn fresh(now_ms: i64, zone: &str) -> Self {
        let start = (now_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS;
        let at = |ms: i64| instant(ms).to_zoned(known(zone)).datetime();
        let (start, end) = (at(start), at(start + HOUR_MS));
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
    pub(crate) fn of(item: &Item) -> Self {
        let (content, zone) = (&item.content, item.content.start.zone.clone());
        let (start, end) = if content.all_day {
            (content.start.wall, content.end.wall)
        } else {
            (content.start.wall, content.end.wall_in(&known(&zone)))
        };
        let last = if content.all_day { end.date().yesterday().unwrap_or(end.date()) } else { end.date() };
        Self { day: start.date(), last_day: last, from: start.time(), to: end.time(), all_day: content.all_day, zone }
    }

    /// For a person to read.
    pub(crate) fn sentence(&self) -> String {
        let day = |date: Date| date.strftime("%a %d %b %Y").to_string();
        let until = if self.last_day == self.day { String::new() } else { format!(" – {}", day(self.last_day)) };
        if self.all_day {
            return format!("{}{until}", day(self.day));
        }
        let clock = |time: Time| time.strftime("%H:%M").to_string();
        format!("{}, {} – {}{until} ({})", day(self.day), clock(self.from), clock(self.to), self.zone)
    }
}

/// A recurrence for a person to read.
pub(crate) fn sentence(recurrence: &Recurrence) -> String {
    let unit = match recurrence.kind {
        Kind::Daily => "day",
        Kind::Weekly => "week",
        Kind::AbsoluteMonthly | Kind::RelativeMonthly => "month",
        Kind::AbsoluteYearly | Kind::RelativeYearly => "year",
    };
    if recurrence.interval == 1 { format!("every {unit}") } else { format!("every {} {unit}s", recurrence.interval) }
}

/// The form, with these buttons.
pub(crate) fn form(action: &str, times: &Times, item: Option<&Item>, buttons: &str) -> String {
    let fields = item.map(|item| &item.content.fields);
    let text =
        |name: &str| escape(fields.and_then(|fields| fields.get(name)).and_then(Value::as_str).unwrap_or_default());
    let place = fields
        .and_then(|fields| fields.get("location"))
        .and_then(|place| place.get("displayName"))
        .and_then(Value::as_str);
    let html = fields.and_then(|fields| fields.get("body")).and_then(Value::as_str).unwrap_or_default();
    let clock = |time: Time| time.strftime("%H:%M").to_string();
    let mut out = format!("<form class=box method=post action=\"{action}\">");
    out.push_str(&format!(
        "<label class=wide>Title <input name=title value=\"{}\" autofocus></label>",
        text("subject")
    ));
    out.push_str(&format!("<label>Day <input type=date name=day value=\"{}\" required></label>", times.day));
    out.push_str(&format!("<label>From <input type=time name=from value=\"{}\"></label>", clock(times.from)));
    out.push_str(&format!("<label>To <input type=time name=to value=\"{}\"></label>", clock(times.to)));
    out.push_str(&format!("<label>Last day <input type=date name=last value=\"{}\"></label>", times.last_day));
    let checked = if times.all_day { " checked" } else { "" };
    out.push_str(&format!("<label>All day <input type=checkbox name=all_day value=1{checked}></label>"));
    out.push_str(&format!("<label>Time zone <input name=zone value=\"{}\"></label>", escape(&times.zone)));
    if item.is_none_or(|item| item.date.is_none()) {
        let own = if item.is_some_and(|item| item.event.recurrence.is_some()) { "keep" } else { "" };
        out.push_str("<label>Repeats <select name=repeat>");
        for (name, label) in REPEATS.iter().filter(|(name, _)| *name != "keep" || own == "keep") {
            let selected = if *name == own { " selected" } else { "" };
            out.push_str(&format!("<option value=\"{name}\"{selected}>{label}</option>"));
        }
        out.push_str("</select></label>");
    }
    out.push_str(&format!(
        "<label class=wide>Place <input name=location value=\"{}\"></label>",
        escape(place.unwrap_or_default())
    ));
    out.push_str(&format!(
        "<label class=wide>Notes <textarea name=notes rows=2>{}</textarea></label>",
        escape(body::text(html).trim_end())
    ));
    out.push_str(&format!("<div class=wide>{buttons}</div></form>"));
    out
}

/// What the form says, in the API's form.
pub(crate) fn event(form: &Query, mailbox_zone: &str) -> Result<Value, Refused> {
    let filled = |name: &str| form.get(name).map(str::trim).filter(|text| !text.is_empty());
    let date =
        |name: &str| filled(name).map(|text| text.parse::<Date>().map_err(|_| Refused(format!("{text} is no day"))));
    let time = |name: &str| {
        let text = filled(name).ok_or_else(|| Refused("A time is missing.".into()))?;
        text.parse::<Time>().map_err(|_| Refused(format!("{text} is no time")))
    };
    let far = |_| Refused("The day is too far away.".into());
    let day = date("day").ok_or_else(|| Refused("The day is missing.".into()))??;
    let mut last = date("last").transpose()?.filter(|last| *last > day).unwrap_or(day);
    let zone = filled("zone").unwrap_or(mailbox_zone);
    let at = |day: Date, time: Time| json!({ "dateTime": day.to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": zone });
    let all_day = filled("all_day").is_some();
    let (start, end) = if all_day {
        let midnight = Time::midnight();
        (at(day, midnight), at(last.tomorrow().map_err(far)?, midnight))
    } else {
        let (from, to) = (time("from")?, time("to")?);
        if last == day && to < from {
            last = day.tomorrow().map_err(far)?;
        }
        (at(day, from), at(last, to))
    };
    let mut fields = Map::new();
    fields.insert("start".into(), start);
    fields.insert("end".into(), end);
    fields.insert("isAllDay".into(), json!(all_day));
    if form.has("title") {
        fields.insert("subject".into(), json!(filled("title").unwrap_or_default()));
    }
    if form.has("location") {
        fields.insert("location".into(), json!({ "displayName": filled("location").unwrap_or_default() }));
    }
    if form.has("notes") {
        fields.insert("body".into(), json!({ "contentType": "text", "content": filled("notes").unwrap_or_default() }));
    }
    if let Some(repeat) = form.get("repeat").filter(|repeat| *repeat != "keep") {
        fields.insert("recurrence".into(), recurrence(repeat, day));
    }
    Ok(Value::Object(fields))
}

fn recurrence(repeat: &str, day: Date) -> Value {
    let weekday =
        WEEKDAYS.get(usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())).copied().unwrap_or("monday");
    let index = ["first", "second", "third", "fourth", "last"].get(usize::from((day.day() - 1).unsigned_abs() / 7));
    let pattern = match repeat {
        "daily" => json!({ "type": "daily", "interval": 1 }),
        "weekdays" => json!({ "type": "weekly", "interval": 1, "daysOfWeek": WEEKDAYS.get(..5) }),
        "weekly" => json!({ "type": "weekly", "interval": 1, "daysOfWeek": [weekday] }),
        "monthly" => json!({ "type": "absoluteMonthly", "interval": 1, "dayOfMonth": day.day() }),
        "relative" => json!({ "type": "relativeMonthly", "interval": 1, "daysOfWeek": [weekday], "index": index }),
        "yearly" => json!({ "type": "absoluteYearly", "interval": 1, "dayOfMonth": day.day(), "month": day.month() }),
        _ => return Value::Null,
    };
    json!({ "pattern": pattern, "range": { "type": "noEnd", "startDate": day.to_string() } })
}

/// The instant at which a day begins in a zone.
pub(crate) fn day_ms(day: Date, zone: &str) -> i64 {
    wall_ms(day.to_datetime(Time::midnight()), &known(zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read() {
        let read = |text: &str| event(&Query::parse(text), "UTC");
        let lunch =
            read("title=Lunch&day=2026-03-10&from=23:00&to=01:00&zone=Europe/Berlin&repeat=relative&notes=a").unwrap();
        assert_eq!(lunch["end"], json!({ "dateTime": "2026-03-11T01:00:00", "timeZone": "Europe/Berlin" }));
        assert_eq!(lunch["recurrence"]["pattern"]["index"], "second");
        assert_eq!(lunch["recurrence"]["pattern"]["daysOfWeek"], json!(["tuesday"]));
        let days = read("day=2026-03-10&last=2026-03-12&all_day=1&repeat=keep").unwrap();
        assert_eq!(days["end"], json!({ "dateTime": "2026-03-13T00:00:00", "timeZone": "UTC" }));
        assert!(days.get("recurrence").is_none());
        for nonsense in ["", "day=x&from=1&to=2", "day=2026-03-10", "day=9999-12-31&all_day=1"] {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
    }
}
