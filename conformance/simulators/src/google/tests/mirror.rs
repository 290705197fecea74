//! A client that knows the provider by its deltas alone sees the same occurrences as the provider does, whatever people do and
//! however the deltas are cut, repeated and shuffled.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    super::{Fault, Rule, chance::Chance},
    Bench, NOW, WORK, hour, weekly,
};

const CALENDAR: &str = "work@group.calendar.google.com";
const OTHER: &str = "ada@example.com";
const SEEDS: u64 = 150;
const STEPS: u64 = 40;
const ROUND: u64 = 8;

/// What a client keeps: the entries by id, as they came last.
#[derive(Default)]
struct Mirror {
    entries: BTreeMap<String, Value>,
    token: String,
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap_or_default()
}

impl Mirror {
    /// One delta, or everything anew where the token is dead.
    fn pull(&mut self, bench: &mut Bench) {
        let (mut page, mut fresh) = (String::new(), BTreeMap::new());
        for _ in 0..1000 {
            let mut path = format!("{WORK}?showDeleted=true&maxResults=3");
            for (name, value) in [("syncToken", &self.token), ("pageToken", &page)] {
                if !value.is_empty() {
                    path.push_str(&format!("&{name}={value}"));
                }
            }
            let got = bench.get(&path);
            if got.status != 200 {
                // Everything anew; what is known stays until then.
                (page, fresh) = (String::new(), BTreeMap::new());
                self.token.clear();
                continue;
            }
            for item in got.body["items"].as_array().unwrap() {
                fresh.insert(text(item, "id").to_owned(), item.clone());
            }
            page = got.text("nextPageToken");
            if page.is_empty() {
                if self.token.is_empty() {
                    self.entries.clear();
                }
                self.entries.extend(fresh);
                self.token = got.text("nextSyncToken");
                return;
            }
        }
        panic!("the pages never end");
    }

    /// The ids and titles of all occurrences, as the entries say.
    fn occurrences(&self, bench: &Bench) -> BTreeSet<(String, String)> {
        let live = |entry: &&Value| text(entry, "status") != "cancelled";
        let mut found = BTreeSet::new();
        for entry in self.entries.values().filter(live) {
            if entry.get("recurrence").is_none() {
                found.insert((text(entry, "id").to_owned(), text(entry, "summary").to_owned()));
                continue;
            }
            for id in bench.google.first_occurrences(CALENDAR, text(entry, "id"), 50) {
                if !self.entries.contains_key(&id) {
                    found.insert((id, text(entry, "summary").to_owned()));
                }
            }
        }
        found
    }
}

fn act(bench: &mut Bench, chance: &mut Chance, step: u64) {
    let ids: Vec<String> = bench.google.events(CALENDAR).iter().map(|event| text(event, "id").to_owned()).collect();
    let gone: Vec<String> = bench.google.deleted(CALENDAR).iter().map(|event| text(event, "id").to_owned()).collect();
    let away: Vec<String> = bench.google.events(OTHER).iter().map(|event| text(event, "id").to_owned()).collect();
    let mut pick = |from: &[String]| {
        let at = usize::try_from(chance.below(from.len() as u64)).unwrap();
        from.get(at).cloned().unwrap_or_default()
    };
    let (id, dead, there) = (pick(&ids), pick(&gone), pick(&away));
    let occurrences = bench.google.first_occurrences(CALENDAR, &id, 5);
    let one = pick(&occurrences);
    let title = json!({ "summary": format!("Edit {step}") });
    bench.now_ms += 1000;
    let now = bench.now_ms;
    // What cannot be done is refused, which is all right.
    let _ = match chance.below(14) {
        0 | 1 => bench.google.human(now, CALENDAR).create(&hour("Single")).map(|_| ()),
        2 => bench.google.human(now, CALENDAR).create(&weekly("Series")).map(|_| ()),
        3 => bench.google.human(now, CALENDAR).edit(&id, &title).map(|_| ()),
        4 | 5 => bench.google.human(now, CALENDAR).edit(&one, &title).map(|_| ()),
        6 => bench.google.human(now, CALENDAR).delete(&one),
        7 => bench.google.human(now, CALENDAR).delete(&id),
        8 => bench.google.human(now, CALENDAR).restore(&dead),
        9 => bench
            .google
            .human(now, CALENDAR)
            .shift(&id, 3_600_000 * if chance.below(2) == 0 { 1 } else { -1 })
            .map(|_| ()),
        10 => bench.google.human(now, CALENDAR).split(&one, &title).map(|_| ()),
        11 => bench.google.human(now, CALENDAR).move_to(&id, OTHER).map(|_| ()),
        12 => bench.google.human(now, OTHER).move_to(&there, CALENDAR).map(|_| ()),
        _ => {
            // As a client revives what was deleted.
            bench.call("PUT", &format!("{WORK}/{dead}"), weekly("Revived"));
            Ok(())
        }
    };
}

#[test]
fn deltas_tell_everything() {
    for seed in 0..SEEDS {
        let mut bench = Bench::new();
        bench.google.settings_mut().user_per_minute = usize::MAX;
        let mut chance = Chance::new(seed);
        let mut mirror = Mirror::default();
        let bends = vec![
            Fault::SkipItem,
            Fault::RepeatItem,
            Fault::RepeatChanges,
            Fault::StaleDelta { changes: 2 },
            Fault::ShortPage { entries: 1 },
            Fault::ShortPage { entries: 0 },
            Fault::NewEtags,
            Fault::Shuffle,
            Fault::FullSyncRequired,
            Fault::Backend { status: 503 },
        ];
        for step in 0..STEPS {
            act(&mut bench, &mut chance, step);
            if chance.below(ROUND) == 0 {
                bench.google.faults().randomly(seed ^ step, 300, bends.clone());
                mirror.pull(&mut bench);
                bench.google.faults().clear();
            }
            if chance.below(20) == 0 {
                bench.google.expire_sync_tokens(CALENDAR);
            }
        }
        mirror.pull(&mut bench);
        let theirs = bench.google.occurrences(CALENDAR, 0, NOW * 2);
        let theirs: BTreeSet<_> =
            theirs.iter().map(|event| (text(event, "id").to_owned(), text(event, "summary").to_owned())).collect();
        assert_eq!(mirror.occurrences(&bench), theirs, "seed {seed}");
    }
}

#[test]
fn a_fault_that_lies_is_told_apart() {
    let mut bench = Bench::new();
    let id = bench.insert(hour("One")).text("id");
    bench.google.faults().push(Rule::new(Fault::FalseRemoval));
    let got = bench.get(WORK);
    assert_eq!(got.body["items"][0]["status"], "cancelled");
    assert_eq!(bench.get(&format!("{WORK}/{id}")).body["status"], "confirmed");
    bench.google.faults().push(Rule::new(Fault::NoEtag));
    assert_eq!(bench.get(WORK).body["items"][0].get("etag"), None);
}

#[test]
fn the_same_seed_and_the_same_calls_give_the_same_bytes() {
    let run = || {
        let mut bench = Bench::new();
        let mut chance = Chance::new(3);
        for step in 0..STEPS {
            act(&mut bench, &mut chance, step);
        }
        bench.get(&format!("{WORK}?showDeleted=true")).body.to_string()
    };
    assert_eq!(run(), run());
}
