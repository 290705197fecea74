//! A unit carried from one component into another: the lines about it change, all others keep their bytes.

use std::collections::BTreeMap;

use super::field::Part;
use super::time;
use super::units::{Ordinals, UnitKey, attachment_key, component_key, is_list, line_key, list_items, single_name};
use crate::ics::zone::Zones;
use crate::ics::{CalAddress, Component, Property, text};

/// Makes `target` say about a unit what `source` says. People are carried together, by [`carry_people`].
pub(super) fn carry(target: &mut Component, source: &Component, key: &UnitKey, zones: (&Zones<'_>, &Zones<'_>)) {
    let (part, item) = key;
    match part {
        Part::Time => carry_time(target, source),
        Part::Category => carry_list_item(target, source, "CATEGORIES", key),
        Part::Property if item.starts_with("RESOURCES=") => carry_list_item(target, source, "RESOURCES", key),
        Part::Attachment => carry_keyed(target, source, &|p| p.is("ATTACH"), &attachment_key, item),
        Part::Property => {
            let name = item.split_once('=').map_or(item.as_str(), |(name, _)| name);
            carry_lines(target, source, name, &|p| line_key(p) == *item);
        }
        Part::Reminder | Part::Component => carry_component(target, source, key, zones),
        Part::Instance | Part::Attendee | Part::Participation => {}
        Part::Title
        | Part::Notes
        | Part::Location
        | Part::Url
        | Part::Status
        | Part::Private
        | Part::Transparency
        | Part::Organizer => carry_lines(target, source, single_name(*part).unwrap_or_default(), &|_| true),
    }
}

/// The lines of a name that `about` takes become those of the source. A line that says the same keeps its bytes.
fn carry_lines(target: &mut Component, source: &Component, name: &str, about: &dyn Fn(&Property) -> bool) {
    let wanted: Vec<Property> = source.properties_named(name).filter(|p| about(p)).cloned().collect();
    put_lines(target, wanted, &|p| p.is(name) && about(p));
}

fn put_lines(target: &mut Component, wanted: Vec<Property>, about: &dyn Fn(&Property) -> bool) {
    let mut missing = wanted;
    let mut stays: Vec<bool> = Vec::new();
    for property in target.properties().filter(|p| about(p)) {
        let found = missing.iter().position(|w| w == property);
        if let Some(at) = found {
            missing.remove(at);
        }
        stays.push(found.is_some());
    }
    // What is new takes the places of what goes, as far as they reach.
    let mut missing = missing.into_iter();
    for (property, stays) in target.properties_mut().filter(|p| about(p)).zip(&mut stays) {
        if !*stays && let Some(new) = missing.next() {
            *property = new;
            *stays = true;
        }
    }
    let mut stays = stays.into_iter();
    target.retain(|p| !about(p) || stays.next().unwrap_or(true));
    for new in missing {
        target.push(new);
    }
}

fn carry_time(target: &mut Component, source: &Component) {
    for name in time::LINES {
        carry_lines(target, source, name, &|_| true);
    }
    if let (Some(id), range) = (target.property("RECURRENCE-ID"), time::range_of(source))
        && range != time::range_of(target)
    {
        let id = id.without_param("RANGE");
        target.set(range.map_or(id.clone(), |range| id.with_param("RANGE", &range)));
    }
}

fn carry_list_item(target: &mut Component, source: &Component, name: &str, key: &UnitKey) {
    let holds = |c: &Component| c.properties_named(name).any(|p| list_items(p).iter().any(|(k, _)| k == key));
    let Some((_, value)) = source.properties_named(name).flat_map(list_items).find(|(k, _)| k == key) else {
        for property in target.properties_mut().filter(|p| p.is(name)) {
            let items = list_items(property);
            if items.iter().any(|(k, _)| k == key) {
                let left: Vec<&str> = items.iter().filter(|(k, _)| k != key).map(|(_, v)| v.as_str()).collect();
                *property = property.with_value(&text::join(left));
            }
        }
        target.retain(|p| !(p.is(name) && is_list(p) && p.value().trim().is_empty()));
        return;
    };
    if holds(target) {
        return;
    }
    match target.properties_mut().filter(|p| p.is(name)).last() {
        Some(property) if !property.value().trim().is_empty() => {
            *property = property.with_value(&format!("{},{}", property.value(), text::escape(&value)));
        }
        _ => target.push(Property::text(name, &value)),
    }
}

/// Makes `target` say about people what `source` says, all of them in one pass: there may be thousands. `whole`: an attendee
/// comes with the participation.
pub(super) fn carry_people(target: &mut Component, source: &Component, people: &[(&UnitKey, bool)]) {
    let theirs = attendees(source);
    let own = attendees(target);
    // What becomes of a line; `None`: it goes.
    let mut lines: BTreeMap<&str, Option<Property>> = BTreeMap::new();
    for ((part, item), whole) in people {
        let (from, old) = (theirs.get(item), own.get(item));
        let now = lines.get(item.as_str()).map_or(old, Option::as_ref);
        let line = match (part, from, now) {
            (Part::Attendee, Some(new), Some(old)) if !whole => Some(answered(new, old)),
            (Part::Attendee, from, _) => from.cloned(),
            (Part::Participation, Some(from), Some(old)) => Some(answered(old, from)),
            _ => continue,
        };
        lines.insert(item, line);
    }
    let mut seen = Ordinals::default();
    let mut gone = Vec::new();
    for property in target.properties_mut().filter(|p| p.is("ATTENDEE")) {
        let line = lines.remove(attendee_key(property, &mut seen).as_str());
        gone.push(matches!(line, Some(None)));
        if let Some(Some(new)) = line {
            *property = new;
        }
    }
    if gone.contains(&true) {
        let mut gone = gone.into_iter();
        target.retain(|p| !p.is("ATTENDEE") || !gone.next().unwrap_or(false));
    }
    for new in lines.into_values().flatten() {
        target.push(new);
    }
}

/// The lines of attendees, by address and by which of several with that address.
fn attendees(component: &Component) -> BTreeMap<String, Property> {
    let mut seen = Ordinals::default();
    component.properties_named("ATTENDEE").map(|p| (attendee_key(p, &mut seen), p.clone())).collect()
}

fn attendee_key(property: &Property, seen: &mut Ordinals) -> String {
    seen.named((Part::Attendee, CalAddress::new(property.value()).uri().to_owned())).1
}

/// The line with the participation of the other.
fn answered(line: &Property, by: &Property) -> Property {
    let line = line.without_param("PARTSTAT");
    match by.param("PARTSTAT") {
        Some(participation) => line.with_param("PARTSTAT", &participation),
        None => line,
    }
}

/// A line of several, each with a key of its own.
fn carry_keyed(
    target: &mut Component,
    source: &Component,
    about: &dyn Fn(&Property) -> bool,
    key: &dyn Fn(&Property) -> String,
    item: &str,
) {
    let base = item.split(" #").next().unwrap_or(item);
    let is_it = |p: &Property| about(p) && (key(p) == item || key(p) == base);
    let wanted: Vec<Property> = source.properties().filter(|p| is_it(p)).cloned().collect();
    put_lines(target, wanted, &is_it);
}

fn carry_component(target: &mut Component, source: &Component, key: &UnitKey, zones: (&Zones<'_>, &Zones<'_>)) {
    let wanted = position(source, key, zones.1).and_then(|at| source.components().nth(at)).cloned();
    match (position(target, key, zones.0), wanted) {
        (Some(at), Some(wanted)) => {
            if let Some(old) = target.components_mut().nth(at) {
                *old = wanted;
            }
        }
        (Some(at), None) => {
            let mut seen = 0;
            target.retain_components(|_| {
                seen += 1;
                seen - 1 != at
            });
        }
        (None, Some(wanted)) => target.push_component(wanted),
        (None, None) => {}
    }
}

fn position(component: &Component, key: &UnitKey, zones: &Zones<'_>) -> Option<usize> {
    let mut seen = Ordinals::default();
    component.components().position(|inner| seen.named(component_key(inner, zones)) == *key)
}
