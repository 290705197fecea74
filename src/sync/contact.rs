//! The line with a client's contact that some links put under an appointment's notes: put on before it goes out, taken off
//! before what comes back is compared.

use crate::domain::object::CalendarObject;
use crate::ics::{Document, Property, text, validate};

/// How the line begins. It is ours alone; what follows it is never compared.
const PREFIX: &str = "Client contact: ";

/// What parts it from the notes.
const GAP: &str = "\n\n";

/// Notes with the line under them, in place of one that is there.
#[must_use]
pub fn with_contact(notes: &str, contact: &str) -> String {
    let notes = without_contact(notes);
    let contact = contact.split_whitespace().collect::<Vec<_>>().join(" ");
    match (contact.is_empty(), notes.is_empty()) {
        (true, _) => notes.to_owned(),
        (false, true) => format!("{PREFIX}{contact}"),
        (false, false) => format!("{notes}{GAP}{PREFIX}{contact}"),
    }
}

/// Notes without the line.
#[must_use]
pub fn without_contact(notes: &str) -> &str {
    let said = notes.trim_end();
    let (above, last) = said.rsplit_once('\n').unwrap_or(("", said));
    if !last.starts_with(PREFIX) {
        return notes;
    }
    above.strip_suffix('\n').unwrap_or(above)
}

/// An object without the line in any of its components; itself where there is none.
#[must_use]
pub fn object_without_contact(object: &CalendarObject) -> CalendarObject {
    let is_ours = |p: &Property| p.is("DESCRIPTION") && without_contact(&p.to_text()) != p.to_text();
    if !object.components().any(|c| c.properties().any(is_ours)) {
        return object.clone();
    }
    let mut document: Document = object.document().clone();
    if let Some(calendar) = document.calendar_mut() {
        for component in calendar.components_mut().filter(|c| validate::OBJECT_COMPONENTS.iter().any(|name| c.is(name)))
        {
            for property in component.properties_mut().filter(|p| is_ours(p)) {
                let notes = text::escape(without_contact(&property.to_text()));
                *property = property.with_value(&notes);
            }
            component.retain(|p| !p.is("DESCRIPTION") || !p.value().is_empty());
        }
    }
    CalendarObject::from_stored(document.to_bytes()).unwrap_or_else(|_| object.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn the_line_comes_and_goes_without_a_trace() {
        for notes in ["", "a", "a\nb", "a\n", "a\n\n", "Client contacted: yes"] {
            let with = with_contact(notes, "Ada\n+41 1");
            assert!(with.ends_with("Client contact: Ada +41 1"), "{with}");
            assert_eq!(without_contact(&with), notes);
            assert_eq!(without_contact(&format!("{with}\r\n \n")), notes, "a provider adds blank lines");
            assert_eq!(with_contact(&with, "Ada\n+41 1"), with, "once is enough");
            assert_eq!(with_contact(&with, " "), notes);
        }
    }

    #[test]
    fn an_object_loses_the_line_and_nothing_else() {
        let text = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTART:20260101T100000Z\r\nDESCRIPTION;LANGUAGE=en:a\\, b\\n\\n\
                    Client contact: Ada\r\nX-A:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let object = CalendarObject::parse(Bytes::from(text)).unwrap();
        let without = object_without_contact(&object);
        assert_eq!(without.bytes(), &text.replace("\\n\\nClient contact: Ada", ""));
        assert_eq!(object_without_contact(&without).bytes(), without.bytes());
        let alone = CalendarObject::parse(Bytes::from(text.replace("a\\, b\\n\\n", ""))).unwrap();
        assert!(!object_without_contact(&alone).bytes().windows(11).any(|w| w == b"DESCRIPTION"));
    }
}
