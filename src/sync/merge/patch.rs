//! A unit carried from one component into another: the lines about it change, all others keep their bytes.

use super::field::Part;
use super::time;
use super::units::{
    UnitKey, Units, attachment_key, component_key, is_list, line_key, list_items, single_name, with_ordinal,
};
use crate::ics::zone::Zones;
use crate::ics::{CalAddress, Component, Property, text};

/// Makes `target` say about a unit what `source` says. `whole`: an attendee comes with the participation.
pub(super) fn carry(
    target: &mut Component,
    source: &Component,
    key: &UnitKey,
    whole: bool,
    zones: (&Zones<'_>, &Zones<'_>),
) {
    let (part, item) = key;
    match part {
        Part::Time => carry_time(target, source),
        Part::Category => carry_list_item(target, source, "CATEGORIES", key),
        Part::Property if item.starts_with("RESOURCES=") => carry_list_item(target, source, "RESOURCES", key),
        Part::Attendee => carry_attendee(target, source, item, whole),
        Part::Participation => carry_participation(target, source, item),
        Part::Attachment => carry_keyed(target, source, &|p| p.is("ATTACH"), &attachment_key, item),
        Part::Property => {
            let name = item.split_once('=').map_or(item.as_str(), |(name, _)| name);
            carry_lines(target, source, name, &|p| line_key(p) == *item);
        }
        Part::Reminder | Part::Component => carry_component(target, source, key, zones),
        Part::Instance => {}
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

/// The line of an attendee, by address and by which of several with that address.
fn attendee<'a>(component: &'a Component, item: &str) -> Option<&'a Property> {
    let mut seen = Units::new();
    component.properties_named("ATTENDEE").find(|p| attendee_key(p, &mut seen) == item)
}

fn attendee_key(property: &Property, seen: &mut Units) -> String {
    let key = with_ordinal((Part::Attendee, CalAddress::new(property.value()).uri().to_owned()), seen);
    seen.insert(key.clone(), super::units::Unit { meaning: String::new(), shown: String::new() });
    key.1
}

fn replace_attendee(target: &mut Component, item: &str, line: Option<Property>) {
    let mut seen = Units::new();
    let own: Vec<bool> = target.properties_named("ATTENDEE").map(|p| attendee_key(p, &mut seen) == item).collect();
    let mut own_lines = own.iter().copied();
    let mut line = line;
    if line.is_none() {
        target.retain(|p| !p.is("ATTENDEE") || !own_lines.next().unwrap_or(false));
        return;
    }
    for property in target.properties_mut().filter(|p| p.is("ATTENDEE")) {
        if own_lines.next().unwrap_or(false)
            && let Some(new) = line.take()
        {
            *property = new;
        }
    }
    if let Some(new) = line {
        target.push(new);
    }
}

fn carry_attendee(target: &mut Component, source: &Component, item: &str, whole: bool) {
    let mut line = attendee(source, item).cloned();
    if let (Some(new), Some(old), false) = (&mut line, attendee(target, item), whole) {
        *new = new.without_param("PARTSTAT");
        if let Some(participation) = old.param("PARTSTAT") {
            *new = new.with_param("PARTSTAT", &participation);
        }
    }
    replace_attendee(target, item, line);
}

fn carry_participation(target: &mut Component, source: &Component, item: &str) {
    let (Some(from), Some(old)) = (attendee(source, item), attendee(target, item)) else { return };
    let mut line = old.without_param("PARTSTAT");
    if let Some(participation) = from.param("PARTSTAT") {
        line = line.with_param("PARTSTAT", &participation);
    }
    replace_attendee(target, item, Some(line));
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
    let mut seen = Units::new();
    component.components().position(|inner| {
        let found = with_ordinal(component_key(inner, zones), &seen);
        seen.insert(found.clone(), super::units::Unit { meaning: String::new(), shown: String::new() });
        found == *key
    })
}
