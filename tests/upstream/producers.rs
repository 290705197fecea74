//! What real programs write, carried to Google and back: every object of the fixtures, and of the public test files of
//! other projects where they are at hand (`KALENDS_CORPUS`).

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use kalends::domain::object::{CalendarObject, ComponentKind};
use kalends::domain::recurrence::{Window, expand};
use kalends::domain::time::{DAY_MS, Instant};
use kalends::ics::import::Import;
use kalends::ics::zone::Zone;
use kalends::upstream::{Failure, Upstream};
use serde_json::Value;

use super::google::{ADA, Bench};
use super::remote::{LENS, Remote, text};

/// Days that are compared from the first instance on.
const DAYS: i64 = 400;

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = std::env::var_os("KALENDS_CORPUS").map_or(root.join("../shared/corpus"), PathBuf::from);
    let (mut folders, mut files) = (vec![root.join("fixtures/ics"), corpus.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            match entry.extension() {
                _ if entry.is_dir() => folders.push(entry),
                Some(extension) if extension == "ics" => files.push(entry),
                _ => {}
            }
        }
    }
    if !corpus.is_dir() {
        eprintln!("SKIPPED: no corpus at {} (set KALENDS_CORPUS)", corpus.display());
    }
    files.sort();
    files
}

/// The appointments in a file, each with a name to speak of it.
fn objects(file: &Path) -> Vec<(String, CalendarObject)> {
    let bytes = fs::read(file).expect("a file");
    let Ok(import) = Import::scan(Cursor::new(&bytes)) else { return Vec::new() };
    let found = import.objects(Cursor::new(&bytes)).flatten().flatten();
    let parsed = found.filter_map(|imported| CalendarObject::parse(imported.bytes).ok());
    parsed
        .filter(|object| object.component() == ComponentKind::Event)
        .map(|object| (format!("{} {}", file.display(), object.uid()), object))
        .collect()
}

/// Start and title of what takes place, by our own reckoning.
fn here(object: &CalendarObject, window: Window) -> BTreeSet<(String, String)> {
    let berlin = Zone::iana("Europe/Berlin").expect("a zone");
    let all = expand(object, window, &berlin).instances;
    let live =
        all.iter().filter(|i| i.component.text("STATUS").is_none_or(|s| !s.trim().eq_ignore_ascii_case("CANCELLED")));
    live.map(|instance| {
        let start = match instance.dates() {
            Some((day, _)) => day.to_string(),
            None => instance.starts.at.to_string(),
        };
        (start, instance.component.text("SUMMARY").unwrap_or_default())
    })
    .collect()
}

/// The same by the provider's reckoning.
fn there(bench: &Bench, window: Window) -> BTreeSet<(String, String)> {
    let found = bench.provider().occurrences(ADA, window.from.ms(), window.to.ms());
    let start = |event: &Value| match event["start"]["date"].as_str() {
        Some(day) => day.to_owned(),
        None => {
            let at: jiff::Timestamp = event["start"]["dateTime"].as_str().expect("a time").parse().expect("a time");
            Instant::from(at).to_string()
        }
    };
    found.iter().map(|event| (start(event), event["summary"].as_str().unwrap_or_default().to_owned())).collect()
}

#[tokio::test]
async fn what_programs_write_goes_there_and_comes_back() {
    let (mut carried, mut unfit, mut refused, mut partly, mut wrong) = (0, 0, Vec::new(), Vec::new(), Vec::new());
    for (name, object) in files().iter().flat_map(|file| objects(file)) {
        let bench = Bench::new();
        let google = &bench.google;
        let Ok(out) = google.get(&object, None, LENS) else {
            unfit += 1;
            continue;
        };
        let written = match google.create(bench.at(), &name, &out, false).await {
            Ok(written) => written,
            Err(Failure::Refused(_)) => {
                refused.push(name);
                continue;
            }
            Err(other) => panic!("{name}: {other}"),
        };
        if let Some(left) = &written.left {
            partly.push(format!("{name}: {left}"));
            continue;
        }
        carried += 1;
        let item = google.fetch(bench.at(), &written.id).await.expect("asked").expect("there");
        let back = google.put(&item, Some(&object), LENS).expect("an object");
        let again = google.get(&object, Some(&item), LENS).expect("expressible");
        if google.normal(&item) != google.normal(&written.item) {
            wrong.push(format!("{name}: what was written is not what is there"));
        }
        if text(&back) != text(&object) || back.bytes() != object.bytes() {
            wrong.push(format!("{name}: changed on its way\n{}\n{}", text(&object), text(&back)));
        }
        if !google.says(&item, &again) {
            wrong.push(format!("{name}: something is left to say\n{}\n{}", item.0, again.payload));
        }
        let own = google.put(&item, None, LENS).expect("an object of its own");
        let Some(span) = object.index().span else { continue };
        let window = Window { from: span.starts.plus_ms(-2 * DAY_MS), to: span.starts.plus_ms(DAYS * DAY_MS) };
        let (ours, theirs) = (here(&object, window), there(&bench, window));
        if ours != theirs {
            wrong.push(format!("{name}: instances differ\n{ours:?}\n{theirs:?}\n{}", text(&object)));
        }
        let copied = here(&own, window);
        if copied != theirs {
            wrong.push(format!("{name}: the copy's instances differ\n{copied:?}\n{theirs:?}\n{}", text(&own)));
        }
    }
    eprintln!("{carried} carried, {unfit} unfit, {refused:?} refused, {} partly:\n{}", partly.len(), partly.join("\n"));
    // Google does not hold the first day of our era.
    assert!(refused.iter().all(|name| name.contains("far-past-and-future")), "{refused:?}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(carried > 100, "only {carried} objects were carried");
}
