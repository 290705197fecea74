//! The fields of an event that we write, and how two events differ in them.

use serde_json::{Map, Value, json};

use super::held::{Event, text};
use super::prose;
use super::reminders::Reminders;
use super::time::At;

/// What we write. Everything else in an event is the provider's or somebody else's.
pub(in crate::upstream) const WRITTEN: [&str; 13] = [
    "summary",
    "description",
    "location",
    "start",
    "end",
    "recurrence",
    "status",
    "transparency",
    "visibility",
    "reminders",
    "attendees",
    "categories",
    "busy",
];

/// A field without what makes no difference: `None` where it says what its absence does.
fn bare(name: &str, value: Option<&Value>) -> Option<Value> {
    let value = value.filter(|value| !value.is_null())?;
    let default = match name {
        "status" => "confirmed",
        "transparency" => "opaque",
        "visibility" => "default",
        "busy" => "busy",
        _ => "",
    };
    match name {
        "start" | "end" => Some(At::of_json(value, "UTC").map_or_else(|| value.clone(), |at| at.to_json())),
        "reminders" => match Reminders::of_json(Some(value)) {
            Reminders::Inherited => None,
            these => Some(these.to_json()),
        },
        "recurrence" | "attendees" | "categories" => value.as_array().filter(|all| !all.is_empty()).map(|all| {
            let mut all = all.clone();
            all.sort_by_key(|one| one.as_str().map_or_else(|| one["email"].to_string(), str::to_owned));
            Value::Array(all)
        }),
        _ => value.as_str().filter(|text| *text != default).map(|text| json!(text)),
    }
}

/// Whether two events say something else in a field.
pub(in crate::upstream) fn differs(name: &str, one: &Event, other: &Event) -> bool {
    let (one, other) = (one.get(name), other.get(name));
    let dressed = |plain: Option<&Value>, html| plain.is_some_and(|plain| is_dressed(name, plain, html));
    bare(name, one) != bare(name, other) && !dressed(one, other) && !dressed(other, one)
}

/// The fields of `wanted` that would change `held`, as a merge patch.
pub(in crate::upstream) fn patch(held: &Event, wanted: &Event) -> Map<String, Value> {
    let mut out = Map::new();
    for name in WRITTEN {
        let Some(value) = wanted.get(name) else { continue };
        if bare(name, Some(value)) != bare(name, held.get(name)) && !is_dressed(name, value, held.get(name)) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    if ["start", "end", "recurrence"].iter().any(|name| out.contains_key(*name)) {
        // Start and end go together, and a series needs their zone.
        for name in ["start", "end"] {
            let Some(at) = wanted.get(name).and_then(|value| At::of_json(value, "UTC")) else { continue };
            let before = held.get(name).and_then(|value| At::of_json(value, "UTC"));
            let mut value = wanted.get(name).filter(|value| value.get("timeZone").is_some()).cloned();
            if value.is_none() {
                value = Some(at.to_json());
            }
            let mut value = value.unwrap_or_default();
            if before.is_some_and(|before| before.is_day() != at.is_day())
                && let Some(fields) = value.as_object_mut()
            {
                // A patch merges: what the other kind of time is made of must go.
                for other in if at.is_day() { &["dateTime", "timeZone"][..] } else { &["date"][..] } {
                    fields.insert((*other).to_owned(), Value::Null);
                }
            }
            out.insert(name.to_owned(), value);
        }
    }
    out
}

/// Whether the provider only made HTML of a description that is plain text.
fn is_dressed(name: &str, wanted: &Value, held: Option<&Value>) -> bool {
    let (Some(wanted), Some(held)) = (wanted.as_str(), held.and_then(Value::as_str)) else { return false };
    let plain = |html: &str| prose::plain(html).trim_end().to_owned();
    name == "description" && prose::is_html(held) && !prose::is_html(wanted) && plain(held) == wanted.trim_end()
}

/// A new event's body: what says nothing is left out.
pub(in crate::upstream) fn body(wanted: &Event) -> Map<String, Value> {
    let said = |name: &str, value: &Value| match name {
        "start" | "end" | "reminders" => Some(value.clone()),
        _ if WRITTEN.contains(&name) => bare(name, Some(value)).map(|_| value.clone()),
        _ => Some(value.clone()),
    };
    wanted.iter().filter_map(|(name, value)| Some((name.clone(), said(name, value)?))).collect()
}

/// A property of ours on an event.
pub(in crate::upstream) fn own_property<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    let private = event.get("extendedProperties")?.get("private")?;
    // A copy that somebody made in the provider's pages has the properties and another id.
    (private.get(OWN_ID)?.as_str()? == text(event, "id")).then_some(())?;
    private.get(name)?.as_str()
}

/// The UID of the object that an event stands for: ours, if we made it, else the provider's.
pub(in crate::upstream) fn uid_of(event: &Event) -> Option<String> {
    let own = own_property(event, OWN_UID).map(str::to_owned);
    own.or_else(|| Some(text(event, "iCalUID").to_owned()))
        .map(|uid| uid.trim().to_owned())
        .filter(|uid| !uid.is_empty())
}

/// The id of the event that our properties were written on.
pub(in crate::upstream) const OWN_ID: &str = "kalendsId";
/// The UID of the object that it stands for.
pub(in crate::upstream) const OWN_UID: &str = "kalendsUid";
/// Our signed mark.
pub(in crate::upstream) const OWN_MARK: &str = "kalendsMark";

#[cfg(test)]
mod tests {
    use super::*;

    fn event(value: Value) -> Event {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn only_what_differs_is_written() {
        let held = event(json!({ "summary": "A", "colorId": "3", "reminders": { "useDefault": true },
            "start": { "dateTime": "2026-07-01T10:00:00+02:00", "timeZone": "Europe/Berlin" },
            "end": { "dateTime": "2026-07-01T11:00:00+02:00", "timeZone": "Europe/Berlin" } }));
        let same = event(json!({ "summary": "A", "description": "", "status": "confirmed", "transparency": "opaque",
            "recurrence": [], "reminders": { "useDefault": true },
            "start": { "dateTime": "2026-07-01T08:00:00Z", "timeZone": "Europe/Berlin" } }));
        assert!(patch(&held, &same).is_empty());
        let other = event(json!({ "summary": "", "reminders": { "useDefault": false } }));
        assert_eq!(Value::Object(patch(&held, &other)), json!({ "summary": "", "reminders": { "useDefault": false } }));
    }

    #[test]
    fn another_kind_of_time_takes_the_old_one_away() {
        let held = event(json!({ "start": { "date": "2026-07-01" }, "end": { "date": "2026-07-02" } }));
        let wanted = event(json!({ "start": { "dateTime": "2026-07-01T08:00:00Z", "timeZone": "UTC" },
            "end": { "dateTime": "2026-07-01T09:00:00Z", "timeZone": "UTC" } }));
        let there = patch(&held, &wanted);
        assert_eq!(there["start"], json!({ "date": null, "dateTime": "2026-07-01T08:00:00Z", "timeZone": "UTC" }));
        assert_eq!(patch(&wanted, &held)["end"], json!({ "date": "2026-07-02", "dateTime": null, "timeZone": null }));
    }

    #[test]
    fn a_new_body_has_no_emptiness() {
        let wanted = event(json!({ "summary": "", "visibility": "default", "recurrence": [], "attendees": [],
            "reminders": { "useDefault": false }, "start": { "date": "2026-07-01" }, "location": "x" }));
        let mut names: Vec<String> = body(&wanted).keys().cloned().collect();
        names.sort();
        assert_eq!(names, ["location", "reminders", "start"]);
    }

    #[test]
    fn a_copy_does_not_carry_our_mark() {
        let mut own =
            event(json!({ "id": "a", "extendedProperties": { "private": { "kalendsId": "a", "kalendsUid": "u" } } }));
        assert_eq!(own_property(&own, OWN_UID), Some("u"));
        own.insert("id".into(), json!("b"));
        assert_eq!(own_property(&own, OWN_UID), None);
    }
}
