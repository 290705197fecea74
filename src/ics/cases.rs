//! Every fixture with what is made of it, the public test files read in place, and properties that hold for any bytes.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;

use super::tree::Document;
use super::{Property, validate};

/// What a PUT of each file in fixtures/ics/cases comes to: the UID, or the sentence of the refusal.
const CASES: &[(&str, Result<&str, &str>)] = &[
    ("01-x-props-dup-order", Ok("1")),
    ("02-param-quoted-colon-semi", Ok("1")),
    ("03-param-order-multi", Ok("1")),
    ("04-dup-conference-relatedto", Ok("1")),
    ("05-nested-alarm-vtimezone", Ok("1")),
    ("06-rfc6868", Ok("1")),
    ("07-text-escapes", Ok("1")),
    ("08-fold-mid-utf8", Err("line 4: VEVENT has no DTSTART")),
    ("09-lf-only", Ok("1")),
    ("10-missing-end", Err("line 6: END:VCALENDAR does not close VEVENT")),
    ("11-lower-case", Ok("1")),
    ("12-bom", Err("line 4: VEVENT has no DTSTART")),
    ("13-categories-list", Ok("1")),
    ("14-recurrence-id-range", Ok("1")),
    ("15-value-date-rdate-period", Ok("1")),
    ("16-multi-vcalendar", Err("line 8: a calendar object holds one VCALENDAR, here a second one begins")),
    ("17-trailing-line", Err("line 8: X-COMMENT stands outside of the calendar")),
    ("18-tzid-blank-empty-param", Ok("1")),
    ("19-x-prop-value-uri-binary", Ok("1")),
    ("20-journal-two-descriptions", Ok("1")),
    ("21-two-rrules-exrule", Ok("1")),
    ("22-no-uid-no-dtstamp", Err("line 4: VEVENT has no UID")),
    ("23-tab-fold-long-utf8", Ok("1")),
    ("24-group-prefix-underscore", Ok("1")),
    ("25-tzoffset-seconds", Err("the calendar holds no VEVENT, VTODO, VJOURNAL or VFREEBUSY")),
    ("26-line-blank-in-middle", Ok("1")),
    ("27-invalid-utf8-latin1", Err("line 6: the text is not UTF-8")),
    ("28-nul", Err("line 6: the character U+0000 cannot be part of a calendar")),
    ("29-rrule-unknown-part", Ok("1")),
    ("30-trigger-datetime-neg-dur", Ok("1")),
    ("31-cr-only-and-space-lines", Ok("1")),
    ("32-geo-class-unknown", Ok("1")),
    ("33-dtstart-local-seconds60", Ok("1")),
    ("34-url-escaped-comma", Ok("1")),
    ("35-equals-no-value-param", Ok("1")),
    ("36-duplicate-param", Ok("1")),
    ("37-attach-base64-text", Ok("1")),
    ("38-ios26-structured-location", Ok("1")),
    ("39-one-junk-line", Err("line 9: this is not a content line (a name, then a colon)")),
    ("41-quoted-empty-and-caret", Ok("1")),
    ("42-nest-2000-stack-overflow-in-icalendar", Err("line 17: the nesting exceeds the limit of 16")),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ics/cases")
}

fn fixture(name: &str) -> Bytes {
    Bytes::from(std::fs::read(fixtures().join(format!("{name}.ics"))).unwrap())
}

fn lossless(bytes: &Bytes, name: &str) {
    if let Ok(document) = Document::parse(bytes) {
        assert_eq!(document.to_bytes(), bytes, "{name} came out changed");
    }
}

#[test]
fn every_case_comes_out_as_expected() {
    let on_disk = std::fs::read_dir(fixtures()).unwrap().count();
    assert_eq!(on_disk, CASES.len(), "a fixture is missing from the table, or the reverse");
    for (name, expected) in CASES {
        let bytes = fixture(name);
        lossless(&bytes, name);
        let found = Document::parse(&bytes).and_then(|document| validate::check(&document));
        let found = found.map(|shape| shape.uid).map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), *expected, "{name}");
    }
}

fn properties(name: &str) -> Vec<Property> {
    let document = Document::parse(&fixture(name)).unwrap();
    document.all_properties().into_iter().cloned().collect()
}

fn property(name: &str, wanted: &str) -> Property {
    properties(name).into_iter().find(|p| p.is(wanted)).unwrap()
}

#[test]
fn parameters_are_read_as_meant() {
    let attendee = property("02-param-quoted-colon-semi", "ATTENDEE");
    assert_eq!(attendee.param("cn").unwrap(), "Doe; John: x, y");
    assert_eq!(attendee.param("X-P").unwrap(), "a:b");
    assert_eq!(attendee.value(), "mailto:a@b.c");

    let attendee = property("03-param-order-multi", "ATTENDEE");
    let names: Vec<_> = attendee.params().map(|p| p.name().to_owned()).collect();
    assert_eq!(names, ["ROLE", "CN", "DELEGATED-TO", "PARTSTAT"]);
    let delegated: Vec<_> = attendee.params().nth(2).unwrap().values().map(String::from).collect();
    assert_eq!(delegated, ["mailto:a@b.c", "mailto:d@e.f"]);

    let attendee = property("06-rfc6868", "ATTENDEE");
    assert_eq!(attendee.param("CN").unwrap(), "George Herman \"Babe\" Ruth");
    assert_eq!(attendee.param("X-ADDR").unwrap(), "a\nb^c");

    let attendee = property("35-equals-no-value-param", "ATTENDEE");
    assert_eq!((attendee.param("RSVP").unwrap().as_ref(), attendee.value()), ("", "mailto:a@b.c"));

    let attendee = property("36-duplicate-param", "ATTENDEE");
    let members: Vec<_> = attendee.params().flat_map(|p| p.values()).map(String::from).collect();
    assert_eq!(members, ["mailto:a@b.c", "mailto:d@e.f"]);

    let place = property("38-ios26-structured-location", "X-APPLE-STRUCTURED-LOCATION");
    assert_eq!(place.param("X-APPLE-MAPKIT-HANDLE").unwrap(), "CAES1AE/x=");
    assert_eq!(place.param("X-TITLE").unwrap(), "Main St 1-5; 4041 Linz");
    assert_eq!(place.param("X-APPLE-RADIUS").unwrap(), "70.5");
    assert_eq!(place.value(), "geo:48.3,14.2");

    let organizer = property("41-quoted-empty-and-caret", "ORGANIZER");
    assert_eq!(organizer.param("CN").unwrap(), "O'Neil \n ^");
}

#[test]
fn values_are_read_as_meant() {
    assert_eq!(property("07-text-escapes", "SUMMARY").to_text(), "a, b; c\\ d\nE \n f");
    assert_eq!(property("08-fold-mid-utf8", "SUMMARY").value(), "café fin");
    assert_eq!(property("31-cr-only-and-space-lines", "SUMMARY").value(), "a  b");
    assert_eq!(property("19-x-prop-value-uri-binary", "X-JSON").value(), "{\"a\":[1,2];\"b\":\"c:d\"}");
    assert_eq!(property("37-attach-base64-text", "ATTACH").value(), "aGVsbG8sIHdvcmxk");
    let categories = properties("13-categories-list");
    let categories: Vec<_> = categories.iter().filter(|p| p.is("CATEGORIES")).collect();
    let categories: Vec<_> = categories.iter().flat_map(|p| super::text::list(p.value())).collect();
    assert_eq!(categories, ["A", "B,C", "D", "E"]);
}

/// The public test files of other projects; they stay where they are, so their absence is no failure, but is said.
pub(super) fn corpus() -> Vec<(String, Bytes)> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let root = std::env::var_os("KALENDS_CORPUS").map_or(beside, PathBuf::from);
    let mut files = Vec::new();
    for folder in std::fs::read_dir(&root).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "ics") {
                files.push((path.display().to_string(), Bytes::from(std::fs::read(&path).unwrap())));
            }
        }
    }
    if files.is_empty() {
        eprintln!("SKIPPED: no corpus at {} (set KALENDS_CORPUS)", root.display());
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    files
}

#[test]
fn the_corpus_is_read_without_loss() {
    for (name, bytes) in corpus() {
        lossless(&bytes, &name);
        // Deliberately broken files are refused with a sentence; nothing else may happen to them.
        if let Err(error) = Document::parse(&bytes).and_then(|document| validate::check(&document)) {
            assert!(!error.to_string().is_empty(), "{name}");
        }
    }
}

/// Text with a good share of what matters to this format.
pub(super) fn calendar_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"BEGIN:VEVENT\r\n".to_vec()),
        Just(b"END:VEVENT\r\n".to_vec()),
        Just(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n".to_vec()),
        Just(b"END:VCALENDAR\r\n".to_vec()),
        Just(b"UID:1\r\nDTSTART:20260101T000000Z\r\n".to_vec()),
        Just(b"\r\n \xc3".to_vec()),
        Just("\u{fe0f}é".as_bytes().to_vec()),
        "[A-Z;:=,\"\\\\^n \t]{0,12}(\r\n|\n|\r|)".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Documents that parse, with properties at several levels.
fn sound_document() -> impl Strategy<Value = String> {
    let line = "(X-[A-C]|SUMMARY|LOCATION)(;P=(a|\"b:c\"))?:[a-zé\\\\, ]{0,100}";
    let end = prop_oneof![Just("\r\n"), Just("\n"), Just("\r\n\r\n"), Just("\r\n \t ")];
    let lines = proptest::collection::vec((line, end), 0..8);
    (lines.clone(), lines).prop_map(|(outer, inner)| {
        let join = |lines: Vec<(String, &str)>| lines.into_iter().map(|(l, e)| l + e).collect::<String>() + "\r\n";
        format!("BEGIN:VCALENDAR\r\n{}BEGIN:VEVENT\n{}END:VEVENT\r\nEND:VCALENDAR", join(outer), join(inner))
    })
}

proptest! {
    #[test]
    fn any_bytes_are_kept_or_refused(bytes in calendar_like()) {
        let bytes = Bytes::from(bytes);
        if let Ok(document) = Document::parse(&bytes) {
            prop_assert_eq!(document.to_bytes(), bytes);
            let _ = document.to_text();
            if validate::check(&document).is_ok() {
                let again = Document::parse(&Bytes::from(document.to_text())).unwrap();
                prop_assert_eq!(validate::check(&again), validate::check(&document));
            }
        }
    }

    #[test]
    fn an_edit_keeps_every_other_byte(text in sound_document(), value in "\\PC{0,200}") {
        let bytes = Bytes::from(text);
        let mut document = Document::parse(&bytes).unwrap();
        let before: Vec<Vec<u8>> = document.all_properties().iter().map(|p| p.raw().to_vec()).collect();
        let event = document.calendar_mut().unwrap().components_mut().next().unwrap();
        let had = event.properties_named("SUMMARY").count();
        event.set(Property::text("SUMMARY", &value));
        let written = document.to_bytes();

        let again = Document::parse(&written).unwrap();
        let event = again.calendar().unwrap().components().next().unwrap();
        prop_assert_eq!(event.text("SUMMARY").unwrap(), &*super::text::clean(&value));
        prop_assert_eq!(event.properties_named("SUMMARY").count(), 1);
        let after: Vec<Vec<u8>> = again.all_properties().iter().map(|p| p.raw().to_vec()).collect();
        let kept = |lines: &[Vec<u8>]| {
            lines.iter().filter(|l| !l.starts_with(b"SUMMARY")).cloned().collect::<Vec<_>>()
        };
        // The outer SUMMARY lines are other components' and stay as well.
        prop_assert_eq!(kept(&before), kept(&after));
        let outer = |lines: &[Vec<u8>]| lines.iter().filter(|l| l.starts_with(b"SUMMARY")).count();
        prop_assert_eq!(outer(&before) - had + 1, outer(&after));
    }

    #[test]
    fn a_new_line_says_what_it_was_given(name in "\\PC{0,12}", param in any::<String>(), value in any::<String>()) {
        let line = Property::text(&format!("X-{name}"), &value).with_param("CN", &param);
        let text = format!("BEGIN:A\r\n{}END:A\r\n", std::str::from_utf8(line.raw()).unwrap());
        let document = Document::parse(&Bytes::from(text)).unwrap();
        let read = document.components().next().unwrap().properties().next().cloned().unwrap();
        prop_assert_eq!(&read, &line);
        prop_assert_eq!(read.to_text(), super::text::clean(&value));
        prop_assert_eq!(read.param("CN").unwrap(), super::text::clean(&param));
        prop_assert_eq!(document.all_properties().len(), 3);
    }
}
