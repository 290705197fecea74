//! The page about the ways in which sync fails tells of tests that are there.

use std::collections::BTreeSet;
use std::path::Path;

/// As many kinds of failure as are known.
const KINDS: usize = 25;

/// The names of all functions below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            functions(&entry, found);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&entry).expect("a file");
            found.extend(text.split("fn ").skip(1).filter_map(|rest| {
                let name = rest.split_once(['(', '<'])?.0;
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_').then(|| name.to_owned())
            }));
        }
    }
}

#[test]
fn every_way_in_which_sync_fails_has_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for folder in ["src", "tests"] {
        functions(&root.join(folder), &mut found);
    }
    let page = std::fs::read_to_string(root.join("docs/sync-failures.md")).expect("the page");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("| ---") && !line.starts_with("| failure "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), KINDS);
    for row in rows {
        let [kind, _, _, tests] = row.as_slice() else { panic!("{row:?}") };
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{kind} has no test");
        for name in named {
            assert!(found.contains(name), "{kind}: there is no {name}");
        }
    }
}
