//! Field mappings, notes left out, contact lines.

use super::Known;
use crate::domain::appointment::{Appointment, repeats_of};
use crate::domain::object::CalendarObject;
use crate::domain::sync::LinkPolicy;
use crate::ics::validate::OBJECT_COMPONENTS;
use crate::ics::zone::Zones;
use crate::ics::{Component, Property, text};
use crate::sync::contact::with_contact;
use crate::sync::merge::Part;

/// What a field mapping may fill, with the part it is.
pub(super) const TARGETS: [(&str, Part); 3] =
    [("title", Part::Title), ("notes", Part::Notes), ("location", Part::Location)];

/// The longest text that a template makes, in characters. Titles are read in lists.
const TEXT_CHARS_MAX: usize = 10_000;

/// The object with a link's own ideas of title, notes and location; itself where there are none.
pub(super) fn mapped(policy: &LinkPolicy, object: &CalendarObject, known: &Known<'_>) -> Option<CalendarObject> {
    let contact = known.client_contact.filter(|_| policy.include_client_contact);
    if policy.field_mapping.is_empty() && !policy.omit_notes && contact.is_none() {
        return Some(object.clone());
    }
    let zones = Zones::of(object.document().calendar()?);
    let mut document = object.document().clone();
    let calendar = document.calendar_mut()?;
    let is_object = |c: &Component| OBJECT_COMPONENTS.iter().any(|name| c.is(name));
    for component in calendar.components_mut().filter(|c| is_object(c)) {
        let Some(mut record) = Appointment::of_component(component, &zones) else { continue };
        if policy.omit_notes {
            record.notes = None;
        }
        let filled = |target: &str| policy.field_mapping.get(target).map(|template| fill(template, &record, known));
        let title = filled("title").or_else(|| record.title.clone());
        let location = filled("location").or_else(|| record.location.clone());
        let notes = filled("notes").or_else(|| record.notes.clone());
        let notes = match contact {
            Some(contact) => Some(with_contact(notes.as_deref().unwrap_or_default(), contact)),
            None => notes,
        };
        for (name, wanted) in [("SUMMARY", title), ("LOCATION", location), ("DESCRIPTION", notes)] {
            put(component, name, wanted.filter(|text| !text.is_empty()));
        }
    }
    CalendarObject::from_stored(document.to_bytes()).ok()
}

/// Puts a text; where it is another than before, what repeats the old one goes.
fn put(component: &mut Component, name: &str, wanted: Option<String>) {
    let old = component.text(name).filter(|text| !text.is_empty());
    if old == wanted {
        return;
    }
    for repeat in repeats_of(name) {
        component.remove(repeat);
    }
    match (wanted, component.property(name)) {
        (Some(wanted), Some(line)) => {
            let line = line.without_param("ALTREP").with_value(&text::escape(&wanted));
            component.set(line);
        }
        (Some(wanted), None) => component.set(Property::text(name, &wanted)),
        (None, _) => {
            component.remove(name);
        }
    }
}

/// A template with its fields filled in. A field that nobody knows, or that has no value, is nothing.
fn fill(template: &str, record: &Appointment, known: &Known<'_>) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        filled.push_str(&value_of(name.trim(), record, known));
        rest = after;
    }
    filled.push_str(rest);
    filled.chars().take(TEXT_CHARS_MAX).collect::<String>().trim().to_owned()
}

fn value_of(name: &str, record: &Appointment, known: &Known<'_>) -> String {
    let facts = known.facts;
    let value = match name {
        "title" => &record.title,
        "notes" => &record.notes,
        "location" => &record.location,
        "url" => &record.url,
        "appointment_type" => &facts.appointment_type,
        "client_id" => &facts.client_id,
        "staff_user_id" => &facts.staff_user_id,
        "project_id" => &facts.project_id,
        "status" => return record.status.as_ics().to_lowercase(),
        "categories" => return record.categories.join(", "),
        _ => &None,
    };
    value.clone().unwrap_or_default()
}
