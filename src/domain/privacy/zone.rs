//! A time zone's rules without its names and comments.

use crate::ics::rule::Rule;
use crate::ics::{Component, Property, When, value};

/// The rules of a VTIMEZONE under another TZID: offsets, onsets and recurrences, nothing that somebody wrote.
#[must_use]
pub fn plain_zone(definition: &Component, tzid: &str) -> Component {
    let mut zone = Component::new("VTIMEZONE");
    zone.push(Property::text("TZID", tzid));
    for observance in definition.components() {
        if let Some(plain) = plain_observance(observance) {
            zone.push_component(plain);
        }
    }
    zone
}

fn plain_observance(observance: &Component) -> Option<Component> {
    let name = ["STANDARD", "DAYLIGHT"].into_iter().find(|name| observance.is(name))?;
    let mut plain = Component::new(name);
    let start = When::of(observance.property("DTSTART")?).ok()?.local();
    plain.push(When::Floating(start).to_property("DTSTART"));
    let offset = |name| observance.property(name).and_then(|p| value::utc_offset(p.value()).ok());
    let to = offset("TZOFFSETTO")?;
    for (name, seconds) in [("TZOFFSETFROM", offset("TZOFFSETFROM").unwrap_or(to)), ("TZOFFSETTO", to)] {
        plain.push(Property::new(name, &value::utc_offset_value(seconds)));
    }
    for (name, rule) in rules(observance) {
        plain.push(Property::new(name, &rule.to_string()));
    }
    let is_ruled = plain.property("RRULE").is_some();
    // The first onset as a date too, as `ics::zone::vtimezone` does and for the same readers.
    if !is_ruled {
        plain.push(When::Floating(start).to_property("RDATE"));
    }
    for date in observance.properties_named("RDATE").flat_map(|p| When::list_of(p).unwrap_or_default()) {
        let date = match date {
            When::Utc(_) => date,
            When::Date(_) | When::Floating(_) | When::Zoned { .. } => When::Floating(date.local()),
        };
        if is_ruled || date != When::Floating(start) {
            plain.push(date.to_property("RDATE"));
        }
    }
    Some(plain)
}

/// The recurrence rules that can be read, with the names of their properties.
pub(super) fn rules(component: &Component) -> Vec<(&'static str, Rule)> {
    let named = |name| component.properties_named(name).filter_map(move |p| Some((name, Rule::parse(p.value()).ok()?)));
    named("RRULE").chain(named("EXRULE")).collect()
}
