//! Edits of the line tree: whatever name and value somebody gives, they become one line, and no other line changes.
#![no_main]

use bytes::Bytes;
use kalends::ics::{Document, Property, text};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Edit<'a> {
    /// Which component, from the first one down.
    depth: u8,
    name: &'a str,
    value: &'a str,
    parameter: Option<(&'a str, &'a str)>,
    how: How,
}

#[derive(Arbitrary, Debug)]
enum How {
    Set,
    Push,
    Remove,
}

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    edits: Vec<Edit<'a>>,
    body: &'a [u8],
}

/// Edited where the body is no calendar: folded, nested, twice the same name, a blank line, LF beside CRLF.
const CALENDAR: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY;LANGUAGE=en:a\r\n b\r\n\
     COMMENT:1\nCOMMENT:2\r\n\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

fuzz_target!(|case: Case<'_>| {
    let body = Bytes::copy_from_slice(case.body);
    let read = Document::parse(&body).ok().filter(|document| document.calendar().is_some());
    let mut document = read.unwrap_or_else(|| Document::parse(&Bytes::from(CALENDAR)).expect("a calendar"));
    for edit in case.edits.iter().take(8) {
        let before = document.all_properties().len();
        let mut property = Property::text(edit.name, edit.value);
        assert_eq!(property.to_text(), text::clean(edit.value), "a text comes back as it was given");
        if let Some((name, value)) = edit.parameter {
            property = property.with_param(name, value);
        }
        if ["BEGIN", "END"].iter().any(|word| property.is(word)) || property.name().is_empty() {
            continue;
        }
        let Some(mut component) = document.calendar_mut() else { return };
        for _ in 0..edit.depth % 4 {
            if component.components().next().is_none() {
                break;
            }
            component = component.components_mut().next().expect("just seen");
        }
        let there = component.properties_named(property.name()).count();
        let expected = match edit.how {
            How::Set => {
                component.set(property);
                before + 1 - there
            }
            How::Push => {
                component.push(property);
                before + 1
            }
            How::Remove => {
                component.remove(property.name());
                before - there
            }
        };
        let bytes = document.to_bytes();
        let again = Document::parse(&bytes).expect("an edited document is a document");
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.all_properties().len(), expected, "one edit, one line");
        document = again;
    }
});
