//! What the store keeps beside the bytes, read off the components.

use crate::ics::{Component, When, text};

use super::super::recurrence;
use super::{CalendarObject, Class, ObjectIndex, SEARCH_TEXT_CHARS_MAX};

/// Most categories that are kept apart; the bytes keep them all.
const CATEGORIES_MAX: usize = 100;

/// The index of an object. Without a master its first override speaks for it.
pub(super) fn of(object: &CalendarObject) -> ObjectIndex {
    let speaker = object.master().or_else(|| object.components().next());
    let text_of = |name: &str| speaker.and_then(|c| c.text(name));
    ObjectIndex {
        summary: text_of("SUMMARY"),
        search_text: search_text(object),
        status: text_of("STATUS").map(|status| status.trim().to_ascii_uppercase()),
        class: speaker.map_or(Class::Public, Class::of),
        transparent: text_of("TRANSP").is_some_and(|transp| transp.trim().eq_ignore_ascii_case("TRANSPARENT")),
        categories: categories(object),
        all_day: speaker.is_some_and(is_all_day),
        recurring: object.components().any(recurs),
        span: recurrence::span(object),
    }
}

/// Whether a component starts with a date.
fn is_all_day(component: &Component) -> bool {
    let start = component.property("DTSTART").or_else(|| component.property("DUE"));
    start.is_some_and(|p| When::of(p).is_ok_and(|when| when.is_date()))
}

/// Whether a component repeats, or is one of those of a component that does.
fn recurs(component: &Component) -> bool {
    component.properties().any(|p| ["RRULE", "RDATE", "RECURRENCE-ID"].iter().any(|name| p.is(name)))
}

/// Titles first, over all components: a search must find the one instance that was renamed.
fn search_text(object: &CalendarObject) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut length = 0;
    for name in ["SUMMARY", "LOCATION", "DESCRIPTION"] {
        for text in object.components().filter_map(|c| c.text(name)) {
            if length > SEARCH_TEXT_CHARS_MAX {
                break;
            }
            let text: String = text.chars().take(SEARCH_TEXT_CHARS_MAX).collect::<String>().to_lowercase();
            if !text.trim().is_empty() && !texts.contains(&text) {
                length += text.chars().count();
                texts.push(text);
            }
        }
    }
    texts.join("\n").chars().take(SEARCH_TEXT_CHARS_MAX).collect()
}

fn categories(object: &CalendarObject) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for property in object.components().flat_map(|c| c.properties_named("CATEGORIES")) {
        for category in text::list(property.value()) {
            let category = category.trim();
            if found.len() < CATEGORIES_MAX && !category.is_empty() && !found.iter().any(|known| known == category) {
                found.push(category.to_owned());
            }
        }
    }
    found
}
