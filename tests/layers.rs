//! The walls of the house: who may know whom, which package is spoken where, and how long a file may grow. Reads
//! every file under `src` and names the line that breaks a rule. The reasons are in `ARCHITECTURE.md`.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in reading order, each with what it may import of ours: a room, or a single name of it.
const ROOMS: [(&str, &[&str]); 16] = [
    ("ics", &[]),
    ("xml", &[]),
    ("domain", &["ics"]),
    ("crypto", &[]),
    ("store", &["domain", "crypto"]),
    ("upstream", &["domain", "ics", "xml"]),
    ("sync", &["domain", "store", "upstream", "ics", "crypto"]),
    ("auth", &["domain", "store", "crypto"]),
    ("dav", FACE),
    ("feed", FACE),
    ("api", SIGNING_IN),
    ("web", SIGNING_IN),
    ("config", &["store::Database"]),
    ("telemetry", &["config"]),
    (
        "app",
        &["config", "telemetry", "crypto", "domain", "store", "auth", "dav", "feed", "api", "web", "sync", "upstream"],
    ),
    ("cli", &["config", "telemetry", "crypto", "domain", "store", "auth", "ics", "xml", "sync", "upstream", "app"]),
];
const FACE: &[&str] = &["auth", "domain", "store", "ics", "xml"];
const SIGNING_IN: &[&str] = &["auth", "domain", "store", "ics", "xml", "sync::desk"];

/// Packages that are spoken in some rooms only. A package that is not here may be used anywhere.
const PACKAGES: [(&[&str], &[&str]); 15] = [
    (&["sqlx", "rusqlite"], &["store"]),
    (&["axum", "axum_core", "tower", "tower_http"], &["auth", "dav", "feed", "api", "web", "app"]),
    (&["hyper", "hyper_util", "tokio_rustls"], &["app"]),
    (&["rustls"], &["app", "upstream"]),
    (&["utoipa", "utoipa_axum"], &["api"]),
    (&["askama", "askama_web"], &["web"]),
    (&["reqwest", "oauth2"], &["upstream"]),
    (&["tokio", "tokio_stream"], &["store", "upstream", "sync", "auth", "dav", "feed", "api", "web", "app", "cli"]),
    (&["tracing"], &["store", "upstream", "sync", "auth", "dav", "feed", "api", "web", "telemetry", "app", "cli"]),
    (&["tracing_subscriber"], &["telemetry"]),
    (&["icalendar"], &["ics"]),
    (&["quick_xml"], &["xml"]),
    (&["aes_gcm", "hmac", "rand"], &["crypto"]),
    (&["argon2"], &["auth"]),
    (&["clap", "clap_complete", "clap_mangen"], &["cli"]),
];

/// Second opinions for tests; the product must not stand on them.
const TESTS_ONLY: [&str; 3] = ["rrule", "chrono", "chrono_tz"];

/// A longer file has more than one purpose.
const LINES_MAX: usize = 500;
/// Files that may be longer, each with its reason.
const LONGER: [(&str, &str); 0] = [];

/// Macros that stand for work not done, or for work being done.
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// An identifier or keyword.
    Word(String),
    /// `::`
    Colons,
    /// Any other character that is no space.
    Mark(char),
}

/// The code of a file with its lines: no comments, no strings, no character literals.
fn tokens(source: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut found, mut line, mut i) = (Vec::new(), 1, 0);
    while i < chars.len() {
        let begin = i;
        match at(i) {
            '/' if at(i + 1) == '/' => i += chars[i..].iter().take_while(|c| **c != '\n').count(),
            '/' if at(i + 1) == '*' => i = end_of_comment(&chars, i),
            '"' => i = end_of_string(&chars, i),
            '\'' if at(i + 1) == '\\' => i += 3 + chars[i + 3..].iter().take_while(|c| **c != '\'').count() + 1,
            '\'' if at(i + 2) == '\'' => i += 3,
            ':' if at(i + 1) == ':' => {
                found.push((line, Token::Colons));
                i += 2;
            }
            c if is_word(c) => {
                i += chars[i..].iter().take_while(|c| is_word(**c)).count();
                let word: String = chars[begin..i].iter().collect();
                let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
                match word.as_str() {
                    "r" | "br" | "cr" if at(i + hashes) == '"' => i = end_of_raw_string(&chars, i + hashes, hashes),
                    "b" | "c" if at(i) == '"' => i = end_of_string(&chars, i),
                    _ => found.push((line, Token::Word(word))),
                }
            }
            c => {
                if !c.is_whitespace() {
                    found.push((line, Token::Mark(c)));
                }
                i += 1;
            }
        }
        line += chars[begin..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn end_of_comment(chars: &[char], begin: usize) -> usize {
    let (mut depth, mut i) = (0, begin);
    loop {
        match chars.get(i..i + 2) {
            Some(['/', '*']) => (depth, i) = (depth + 1, i + 2),
            Some(['*', '/']) => (depth, i) = (depth - 1, i + 2),
            Some(_) => i += 1,
            None => return chars.len(),
        }
        if depth == 0 {
            return i;
        }
    }
}

fn end_of_string(chars: &[char], begin: usize) -> usize {
    let mut i = begin + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn end_of_raw_string(chars: &[char], begin: usize, hashes: usize) -> usize {
    let ends =
        |i: usize| chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    let end = (begin + 1..chars.len()).find(|i| ends(*i)).unwrap_or(chars.len());
    end + 1 + hashes
}

/// A path that code names: where, and its segments; `crate` and `super` are resolved, so that a path of ours begins
/// with an empty segment.
type Named = (usize, Vec<String>);

/// Every path in the code of the module `module` (`["dav", "report"]`).
fn paths(tokens: &[(usize, Token)], module: &[String]) -> Vec<Named> {
    let mut found = Vec::new();
    // How many braces are open, and the modules opened with one, each with how many were open before it.
    let (mut depth, mut inner): (usize, Vec<(String, usize)>) = (0, Vec::new());
    let mut i = 0;
    while i < tokens.len() {
        match (&tokens[i].1, tokens.get(i + 1).map(|t| &t.1), tokens.get(i + 2).map(|t| &t.1)) {
            (Token::Word(word), Some(Token::Word(name)), Some(Token::Mark('{'))) if word == "mod" => {
                inner.push((name.clone(), depth));
                depth += 1;
                i += 3;
            }
            (Token::Word(_), Some(Token::Colons), _) => {
                let here = module.iter().chain(inner.iter().map(|(name, _)| name)).cloned().collect();
                i = path(tokens, i, here, &mut found);
            }
            // `use axum;` and `use axum as web;`
            (Token::Word(word), Some(Token::Word(name)), Some(next))
                if word == "use" && (*next == Token::Mark(';') || *next == Token::Word("as".to_owned())) =>
            {
                found.push((tokens[i + 1].0, vec![name.clone()]));
                i += 2;
            }
            (Token::Mark('{'), ..) => (depth, i) = (depth + 1, i + 1),
            (Token::Mark('}'), ..) => {
                depth = depth.saturating_sub(1);
                inner.retain(|(_, opened_at)| *opened_at < depth);
                i += 1;
            }
            _ => i += 1,
        }
    }
    found
}

/// Reads one path with its groups; gives the index behind it.
fn path(tokens: &[(usize, Token)], begin: usize, here: Vec<String>, found: &mut Vec<Named>) -> usize {
    // Prefixes of the groups that are open, the path being read, and whether it has more than its group's prefix.
    let (mut groups, mut current, mut has_more): (Vec<Vec<String>>, Vec<String>, bool) =
        (Vec::new(), Vec::new(), false);
    let (mut i, mut line) = (begin, tokens[begin].0);
    loop {
        let after_colons = i > begin && tokens[i - 1].1 == Token::Colons;
        let token = tokens.get(i).map(|t| &t.1);
        match token {
            Some(Token::Word(word)) if after_colons || !has_more => {
                (line, has_more) = (tokens[i].0, true);
                match word.as_str() {
                    "crate" => current = vec![String::new()],
                    "self" if current.is_empty() => current = ours(&here),
                    "super" => {
                        current = if current.is_empty() { ours(&here) } else { current };
                        current.truncate((current.len() - 1).max(1));
                    }
                    _ => current.push(word.clone()),
                }
            }
            Some(Token::Colons) => {}
            Some(Token::Mark('*')) if after_colons => current.push("*".to_owned()),
            Some(Token::Mark('{')) if after_colons => {
                groups.push(current.clone());
                has_more = false;
            }
            // The alias is no path.
            Some(Token::Word(word)) if word == "as" && !groups.is_empty() => i += 1,
            _ => {
                if has_more {
                    found.push((line, current));
                }
                match token {
                    Some(Token::Mark(',')) if !groups.is_empty() => {
                        current = groups.last().cloned().unwrap_or_default()
                    }
                    Some(Token::Mark('}')) if !groups.is_empty() => current = groups.pop().unwrap_or_default(),
                    _ => return i,
                }
                has_more = false;
            }
        }
        i += 1;
    }
}

fn ours(module: &[String]) -> Vec<String> {
    std::iter::once(String::new()).chain(module.iter().cloned()).collect()
}

/// What a file breaks: line and sentence.
fn broken_walls(file: &str, source: &str) -> Vec<(usize, String)> {
    let module = module_of(file);
    let Some(room) = module.first() else { return Vec::new() };
    let Some((_, may)) = ROOMS.iter().find(|(name, _)| name == room) else {
        return vec![(1, format!("{room} is no room of the house: give it its neighbours in tests/layers.rs"))];
    };
    let named = paths(&tokens(source), &module);
    let judged = named.iter().filter_map(|(line, path)| {
        let (first, second) = (path.first()?, path.get(1).map(String::as_str).unwrap_or_default());
        let wrong = match first.as_str() {
            "" if second.is_empty() || second == "*" || second == room || ROOMS.iter().all(|(n, _)| *n != second) => {
                None
            }
            "" => {
                let full = path[1..].join("::");
                let fits = |m: &&str| full == **m || full.starts_with(&format!("{m}::"));
                (!may.iter().any(fits)).then(|| format!("{room} must not know {full}"))
            }
            package if TESTS_ONLY.contains(&package) => Some(format!("{package} is for tests only")),
            package => PACKAGES
                .iter()
                .find(|(names, rooms)| names.contains(&package) && !rooms.contains(&room.as_str()))
                .map(|(_, rooms)| format!("{package} is spoken in {} only, not in {room}", rooms.join(", "))),
        };
        Some((*line, wrong?))
    });
    judged.collect()
}

/// `src/dav/report/mod.rs` is `["dav", "report"]`.
fn module_of(file: &str) -> Vec<String> {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
    let parts = inside.split('/').filter(|p| !["mod", "lib", "main"].contains(p));
    parts.map(str::to_owned).collect()
}

/// Every Rust file under `src`: its name from the root of the tree, and its text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) = (vec![root.join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 50, "only {} files under src: this test looks in the wrong place", files.len());
    let name = |path: &Path| path.strip_prefix(root).expect("under the root").display().to_string();
    files.iter().map(|path| (name(path), fs::read_to_string(path).expect("a text"))).collect()
}

fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}\n  {}", broken.join("\n  "));
}

#[test]
fn every_room_knows_only_its_neighbours() {
    let broken: Vec<_> = sources()
        .iter()
        .flat_map(|(file, text)| {
            broken_walls(file, text).into_iter().map(move |(line, what)| format!("{file}:{line}: {what}"))
        })
        .collect();
    none("walls are broken (the table is at the top of tests/layers.rs):", &broken);
}

#[test]
fn the_rooms_are_in_reading_order() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("src/lib.rs");
    let declared: Vec<_> = lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let expected: Vec<_> = ROOMS.iter().map(|(name, _)| *name).filter(|name| declared.contains(name)).collect();
    assert_eq!(declared, expected, "src/lib.rs lists the modules in the order in which they are read");
}

#[test]
fn a_file_has_one_purpose_and_says_it() {
    let mut broken = Vec::new();
    let files = sources();
    for (file, text) in &files {
        let lines = text.lines().count();
        let excused = LONGER.iter().any(|(name, _)| name == file);
        match (lines > LINES_MAX, excused) {
            (true, false) => {
                broken.push(format!("{file}:{lines}: more than {LINES_MAX} lines and not excused in LONGER"))
            }
            (false, true) => broken.push(format!("{file}:1: is excused in LONGER but has only {lines} lines")),
            _ => {}
        }
        let says = text.lines().next().is_some_and(|l| l.strip_prefix("//! ").is_some_and(|doc| doc.len() > 10));
        if !says && file != "src/main.rs" {
            broken.push(format!("{file}:1: does not begin with a module doc (//! …)"));
        }
    }
    for (name, reason) in LONGER {
        assert!(!reason.is_empty() && files.iter().any(|(file, _)| file == name), "LONGER names {name} in vain");
    }
    none("files that are too long or do not say what they are for:", &broken);
}

#[test]
fn nothing_is_left_undone() {
    let mut broken = Vec::new();
    for (file, text) in sources() {
        for pair in tokens(&text).windows(2) {
            if let [(line, Token::Word(word)), (_, Token::Mark('!'))] = pair
                && UNFINISHED.contains(&word.as_str())
            {
                broken.push(format!("{file}:{line}: {word}!"));
            }
        }
    }
    none("macros that stand for work not done:", &broken);
}

/// The rules are only as good as their reading of the code: each line here breaks one, or looks as if it did.
#[test]
fn the_test_itself_sees_what_it_should() {
    let seen =
        |file: &str, source: &str| -> Vec<usize> { broken_walls(file, source).iter().map(|(line, _)| *line).collect() };
    let clean: [usize; 0] = [];
    assert_eq!(seen("src/dav/put.rs", "use crate::feed::Feeds;"), [1]);
    assert_eq!(seen("src/dav/put.rs", "use crate::{\n  auth::Gate,\n  api::{a, b::*},\n};"), [3, 3]);
    assert_eq!(seen("src/dav/put.rs", "fn f() -> u8 { let x = 1;\n crate::web::page() }"), [2]);
    assert_eq!(seen("src/dav/report/mod.rs", "use super::super::sync::Plan;"), [1]);
    assert_eq!(seen("src/dav/report/query.rs", "use super::sync::Token;"), clean, "dav::report::sync is no room");
    assert_eq!(seen("src/crypto.rs", "mod tests {\n use super::*;\n use super::store::Seal;\n}"), clean);
    assert_eq!(seen("src/crypto.rs", "mod tests { fn f() { if a { b } } }\nuse super::store::Seal;"), [2]);
    assert_eq!(seen("src/config/mod.rs", "use crate::store::{Database, OpenError};"), [1]);
    assert_eq!(seen("src/config/mod.rs", "use crate::{store::{Database as D,}, telemetry};"), [1], "telemetry alone");
    assert_eq!(seen("src/domain/time.rs", "#[tokio::test]\nasync fn f() { sqlx::query(1) }"), [1, 2]);
    assert_eq!(seen("src/feed/plan.rs", "use sqlx;\nuse rrule as r;"), [1, 2]);
    assert_eq!(seen("src/feed/plan.rs", "use {std::fmt, sqlx::Row};"), [1]);
    let harmless = r##"
        //! `crate::web` and [`crate::api::Thing`] are only spoken of.
        /* use crate::dav::X; /* nested */ use crate::web::Y; */
        const A: &str = "use crate::dav::X; \" crate::web::Y";
        const B: &str = r#"crate::dav::X " crate::web::Y"#;
        const C: [char; 3] = ['"', '\'', '\u{22}'];
        fn f<'a>(x: &'a crate::domain::time::Instant) -> my::sqlx::Thing<'a> { crate::feed::head::f(x) }
    "##;
    assert_eq!(seen("src/feed/plan.rs", harmless), clean);
    assert_eq!(seen("src/attic/mod.rs", "").len(), 1, "a room that nobody knows");
    let lines: Vec<_> = tokens("a\n/* b\n */ c \"d\n\" e").into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 3, 4]);
}
