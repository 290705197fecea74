//! The calendar objects in `fixtures/ics`, one folder for each producer: what may be stored is read and comes out
//! unchanged, what may not is refused by the precondition its table names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kalends::ics::{Document, Refusal, validate};

/// A folder with its own table of expectations, in `src/ics/cases.rs`.
const OTHER_TABLE: &str = "cases";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ics")
}

/// Every file as `folder/name.ics` with its octets, in order.
fn files() -> BTreeMap<String, Bytes> {
    let mut files = BTreeMap::new();
    for folder in fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()) {
        if !folder.is_dir() || folder.ends_with(OTHER_TABLE) {
            continue;
        }
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            files.insert(name, Bytes::from(fs::read(&file).unwrap()));
        }
    }
    files
}

/// `refused.tsv`: file → precondition.
fn refusals() -> BTreeMap<String, String> {
    let table = fs::read_to_string(root().join("refused.tsv")).unwrap();
    table
        .lines()
        .map(|line| {
            let mut cells = line.split('\t');
            (cells.next().unwrap().to_owned(), cells.next().unwrap().to_owned())
        })
        .collect()
}

const fn precondition(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::CalendarData => "valid-calendar-data",
        Refusal::UnsupportedData => "supported-calendar-data",
        Refusal::ObjectResource => "valid-calendar-object-resource",
        Refusal::UnsupportedComponent => "supported-calendar-component",
        Refusal::Size => "max-resource-size",
        Refusal::Attendees => "max-attendees-per-instance",
    }
}

/// What a PUT of these octets comes to: `None` when they may be stored.
fn refused_by(bytes: &Bytes) -> Option<&'static str> {
    let error = Document::parse(bytes).and_then(|document| validate::check(&document)).err()?;
    Some(precondition(error.refusal()))
}

#[test]
fn every_object_is_stored_or_refused_as_its_name_says() {
    let refusals = refusals();
    let files = files();
    assert!(files.len() >= 300, "only {} fixtures found", files.len());
    let mut wrong = Vec::new();
    for (name, bytes) in &files {
        let expected = refusals.get(name).map(String::as_str);
        assert_eq!(expected.is_some(), name.ends_with(".refused.ics"), "{name} and refused.tsv differ");
        let found = refused_by(bytes);
        if found != expected {
            wrong.push(format!("{name}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refusals.keys().all(|name| files.contains_key(name)), "refused.tsv names a file that is not there");
}

#[test]
fn every_object_comes_out_octet_for_octet() {
    for (name, bytes) in files() {
        if let Ok(document) = Document::parse(&bytes) {
            assert_eq!(document.to_bytes(), bytes, "{name} came out changed");
        }
    }
}
