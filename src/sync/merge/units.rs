//! A component taken apart into what is decided about one by one, each with its meaning as comparable text.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::field::Part;
use super::time;
use crate::ics::zone::Zones;
use crate::ics::{CalAddress, Component, Duration, Property, When, text};

/// What is decided about on its own: a part, and which of several.
pub(super) type UnitKey = (Part, String);

/// All of one component.
pub(super) type Units = BTreeMap<UnitKey, Unit>;

/// What one unit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Equal for equal meanings, and for no others.
    pub meaning: String,
    /// For a person.
    pub shown: String,
}

/// Lines that say when somebody wrote and not what, or name what they belong to.
const STAMPS: [&str; 6] = ["UID", "RECURRENCE-ID", "DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE"];

/// Properties that are one value each, with what their absence means.
const SINGLE: [(&str, Part, &str); 8] = [
    ("SUMMARY", Part::Title, ""),
    ("DESCRIPTION", Part::Notes, ""),
    ("LOCATION", Part::Location, ""),
    ("URL", Part::Url, ""),
    ("STATUS", Part::Status, "CONFIRMED"),
    ("CLASS", Part::Private, "PUBLIC"),
    ("TRANSP", Part::Transparency, "OPAQUE"),
    ("ORGANIZER", Part::Organizer, ""),
];

/// Properties whose values are a set, one value a line; each value comes and goes by itself.
const LINE_SETS: [&str; 6] = ["COMMENT", "CONTACT", "RELATED-TO", "REQUEST-STATUS", "CONFERENCE", "IMAGE"];

/// The name of the property that a part is.
pub(super) fn single_name(part: Part) -> Option<&'static str> {
    SINGLE.iter().find(|(_, of, _)| *of == part).map(|(name, _, _)| *name)
}

/// Everything but the time.
pub(super) fn contents(component: &Component, zones: &Zones<'_>) -> Units {
    let (mut units, mut ordinals) = (Units::new(), Ordinals::default());
    for property in component.properties().filter(|p| !STAMPS.iter().any(|name| p.is(name)) && !time::is_line(p)) {
        of_property(property, component, &mut units, &mut ordinals);
    }
    for inner in component.components() {
        let key = ordinals.named(component_key(inner, zones));
        let shown = if key.0 == Part::Reminder { key.1.clone() } else { inner.name().to_owned() };
        units.insert(key, Unit { meaning: inner_meaning(inner), shown });
    }
    units
}

fn of_property(property: &Property, component: &Component, units: &mut Units, ordinals: &mut Ordinals) {
    if let Some((_, part, absent)) = SINGLE.iter().find(|(name, _, _)| property.is(name)) {
        let value = match part {
            Part::Status | Part::Private | Part::Transparency => property.value().trim().to_ascii_uppercase(),
            Part::Organizer => CalAddress::new(property.value()).uri().to_owned(),
            Part::Url => property.value().trim().to_owned(),
            _ => property.to_text().into_owned(),
        };
        let is_default =
            value.trim().is_empty() || (value == *absent && (*part != Part::Status || component.is("VEVENT")));
        if !is_default {
            add(units, (*part, String::new()), line(property, &value), value);
        }
        return;
    }
    if property.is("ATTENDEE") {
        let address = CalAddress::new(property.value()).uri().to_owned();
        let (_, item) = ordinals.named((Part::Attendee, address));
        let participation =
            property.param("PARTSTAT").map_or("NEEDS-ACTION".to_owned(), |p| p.trim().to_ascii_uppercase());
        let meaning = params(property, &["PARTSTAT"]);
        units
            .insert((Part::Participation, item.clone()), Unit { shown: participation.clone(), meaning: participation });
        units.insert((Part::Attendee, item.clone()), Unit { meaning, shown: item });
    } else if is_list(property) {
        for (key, value) in list_items(property) {
            let shown = value.clone();
            units.insert(key, Unit { meaning: value, shown });
        }
    } else if property.is("ATTACH") {
        let (_, item) = ordinals.named((Part::Attachment, attachment_key(property)));
        let shown = item.clone();
        units.insert((Part::Attachment, item), Unit { meaning: params(property, &[]), shown });
    } else {
        add(units, (Part::Property, line_key(property)), line(property, property.value()), property.value().to_owned());
    }
}

/// Adds to what lines of one name say together, in whatever order.
fn add(units: &mut Units, key: UnitKey, meaning: String, shown: String) {
    match units.get_mut(&key) {
        None => {
            units.insert(key, Unit { meaning, shown });
        }
        Some(unit) => {
            let mut lines: Vec<&str> = unit.meaning.split('\u{1e}').collect();
            lines.push(&meaning);
            lines.sort_unstable();
            unit.meaning = lines.join("\u{1e}");
        }
    }
}

/// Whether a line is a list of which each item comes and goes by itself.
pub(super) fn is_list(property: &Property) -> bool {
    property.is("CATEGORIES") || property.is("RESOURCES")
}

/// The items of such a line, each once, by the key of its unit.
pub(super) fn list_items(property: &Property) -> Vec<(UnitKey, String)> {
    let items = text::list(property.value()).map(|item| item.trim().to_owned()).filter(|item| !item.is_empty());
    let key = |item: &str| match property.is("CATEGORIES") {
        true => (Part::Category, item.to_owned()),
        false => (Part::Property, format!("RESOURCES={item}")),
    };
    items.map(|item| (key(&item), item)).collect()
}

/// Which item of [`Part::Property`] a line belongs to.
pub(super) fn line_key(property: &Property) -> String {
    let name = property.name().to_ascii_uppercase();
    match LINE_SETS.contains(&name.as_str()) {
        true => format!("{name}={}", line(property, property.value())),
        false => name,
    }
}

/// An attachment by its URI, or by what is in it.
pub(super) fn attachment_key(property: &Property) -> String {
    let value = property.value().trim();
    let inline = property.param("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("BINARY"));
    if inline { format!("sha256:{}", digest(value)) } else { value.to_owned() }
}

/// A component inside: an alarm by trigger and action, others by their UID or by all they say.
pub(super) fn component_key(inner: &Component, zones: &Zones<'_>) -> UnitKey {
    if inner.is("VALARM") {
        let action = inner.property("ACTION").map_or(String::new(), |p| p.value().trim().to_ascii_uppercase());
        return (Part::Reminder, format!("{} {action}", trigger(inner, zones)));
    }
    let name = inner.name().to_ascii_uppercase();
    let which = inner.text("UID").unwrap_or_else(|| digest(&inner_meaning(inner)));
    (Part::Component, format!("{name}={which}"))
}

fn trigger(alarm: &Component, zones: &Zones<'_>) -> String {
    let Some(trigger) = alarm.property("TRIGGER") else { return String::new() };
    match (Duration::parse(trigger.value()), When::of(trigger)) {
        (Ok(duration), _) => {
            let end = trigger.param("RELATED").is_some_and(|related| related.eq_ignore_ascii_case("END"));
            format!("{}{}", duration.to_value(), if end { " END" } else { "" })
        }
        (Err(_), Ok(when)) => time::canonical(&time::named(when, zones)),
        (Err(_), Err(_)) => trigger.value().to_owned(),
    }
}

/// Names that are given already: two alarms may ring at once, and one person be invited twice.
#[derive(Debug, Default)]
pub(super) struct Ordinals {
    given: BTreeSet<UnitKey>,
    /// Where the search for the next number begins.
    next: BTreeMap<UnitKey, u32>,
}

impl Ordinals {
    /// The key, with a number where it is taken.
    pub fn named(&mut self, key: UnitKey) -> UnitKey {
        if self.given.insert(key.clone()) {
            return key;
        }
        let first = self.next.get(&key).copied().unwrap_or(2);
        for number in first..u32::MAX {
            let numbered = (key.0, format!("{} #{number}", key.1));
            if self.given.insert(numbered.clone()) {
                self.next.insert(key, number + 1);
                return numbered;
            }
        }
        key
    }
}

/// All that a component inside says, but what names it.
fn inner_meaning(inner: &Component) -> String {
    let named =
        |p: &Property| ["UID", "X-WR-ALARMUID", "BEGIN", "END", "TRIGGER", "ACTION"].iter().any(|name| p.is(name));
    let mut lines: Vec<String> = inner
        .lines()
        .into_iter()
        .filter(|p| !named(p))
        .map(|p| format!("{} {}", p.name().to_ascii_uppercase(), line(p, p.value())))
        .collect();
    lines.sort();
    lines.join("\u{1f}")
}

/// A line's parameters and value.
fn line(property: &Property, value: &str) -> String {
    let params = params(property, &[]);
    if params.is_empty() { value.to_owned() } else { format!("{value} [{params}]") }
}

/// The parameters in one order and one way of writing.
fn params(property: &Property, without: &[&str]) -> String {
    let mut params: Vec<String> = property
        .params()
        .filter(|param| !without.iter().any(|name| param.is(name)))
        .map(|param| {
            let values: Vec<_> = param.values().collect();
            format!("{}={values:?}", param.name().to_ascii_uppercase())
        })
        .collect();
    params.sort();
    params.join(";")
}

fn digest(text: &str) -> String {
    let mut digits = hex::encode(Sha256::digest(text));
    digits.truncate(32);
    digits
}
