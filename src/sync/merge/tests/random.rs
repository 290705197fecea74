//! Series that nobody thought of, edited on two sides, against a second opinion.
//!
//! The second opinion knows nothing of lines: to it an appointment is a map from names to words, and a merge is the table
//! that every three-way merge follows. `model` has the appointments and their edits, this file the laws.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::model::{Edit, Kind, Model, Part as Piece, edited, model, read, rendered};
use super::*;

/// What a second opinion has: words by owner and name, how each instance stands, and what is in dispute.
#[derive(Debug, Default, PartialEq, Eq)]
struct Opinion {
    words: BTreeMap<String, String>,
    kinds: BTreeMap<u8, Kind>,
    disputed: BTreeSet<String>,
}

/// The table: whoever changed it wins; both alike is one change; both otherwise is a dispute, and ours stays.
fn table(base: Option<&String>, local: Option<&String>, remote: Option<&String>) -> (Option<String>, bool) {
    let disputed = local != base && remote != base && local != remote;
    let taken = if remote == base || disputed { local } else { remote };
    (taken.cloned(), disputed)
}

/// Notes have a fixed number of lines here, so the table holds for each of them.
fn notes(base: &str, local: &str, remote: &str) -> (String, bool) {
    let lines = |text: &str| text.split("\\n").map(str::to_owned).collect::<Vec<_>>();
    let (base, local, remote) = (lines(base), lines(local), lines(remote));
    let merged: Vec<(Option<String>, bool)> =
        base.iter().zip(&local).zip(&remote).map(|((b, l), r)| table(Some(b), Some(l), Some(r))).collect();
    if merged.iter().any(|(_, disputed)| *disputed) {
        return (local.join("\\n"), true);
    }
    (merged.into_iter().filter_map(|(line, _)| line).collect::<Vec<_>>().join("\\n"), false)
}

fn words_of(owner: &str, pieces: &Piece) -> BTreeMap<String, String> {
    pieces.words().into_iter().map(|(name, word)| (format!("{owner}/{name}"), word)).collect()
}

/// Whether somebody was invited or uninvited on some side; then they come and go with their answer.
fn join_answers(states: &mut [BTreeMap<String, String>; 3]) {
    let [base, local, remote] = &*states;
    let attendees: BTreeSet<String> = [base, local, remote]
        .into_iter()
        .flat_map(|s| s.keys())
        .filter(|k| k.contains("/attendee:"))
        .cloned()
        .collect();
    let joined: Vec<String> = attendees
        .into_iter()
        .filter(|k| !(base.contains_key(k) == local.contains_key(k) && base.contains_key(k) == remote.contains_key(k)))
        .collect();
    for state in states {
        for key in &joined {
            if let Some(answer) = state.remove(&key.replace("/attendee:", "/participation:")) {
                state.entry(key.clone()).and_modify(|word| *word = format!("{word}|{answer}"));
            }
        }
    }
}

fn merge_words(owner: &str, [b, l, r]: [&Piece; 3], opinion: &mut Opinion) {
    let mut states = [b, l, r].map(|piece| words_of(owner, piece));
    join_answers(&mut states);
    let [base, local, remote] = states;
    let names: BTreeSet<&String> = [&base, &local, &remote].into_iter().flat_map(|s| s.keys()).collect();
    for name in names {
        let [b, l, r] = [&base, &local, &remote].map(|state| state.get(name));
        let (word, disputed) = match (name.ends_with("/notes"), b, l, r) {
            (true, Some(b), Some(l), Some(r)) => {
                let (text, disputed) = notes(b, l, r);
                (Some(text), disputed)
            }
            _ => table(b, l, r),
        };
        if let Some(word) = word {
            match (name.contains("/attendee:"), word.split_once('|')) {
                (true, Some((who, answer))) => {
                    opinion.words.insert(name.replace("/attendee:", "/participation:"), answer.to_owned());
                    opinion.words.insert(name.clone(), who.to_owned());
                }
                _ => {
                    opinion.words.insert(name.clone(), word);
                }
            }
        }
        if disputed {
            opinion.disputed.insert(name.clone());
        }
    }
}

/// What the second opinion makes of three appointments.
fn opinion(base: &Model, local: &Model, remote: &Model) -> Opinion {
    let mut found = Opinion::default();
    let apart = apart(&[base, local, remote]);
    let series = [base, local, remote].map(|m| m.series(&apart));
    merge_words("m", [&series[0], &series[1], &series[2]], &mut found);
    let when = [&series[0], &series[1], &series[2]].map(|s| s.time.as_ref());
    let remote_time = when[0] == when[1] && when[1] != when[2];
    for at in apart {
        let [b, l, r] = [base, local, remote].map(|m| m.kind(at));
        let says = [base, local, remote].map(|m| m.says(at));
        let [sb, sl, sr] = [&says[0], &says[1], &says[2]];
        let ours = (b, sb) != (l, sl) && (b != l || l == Kind::Own);
        let follows = l == Kind::Own && b != Kind::Own && b == r;
        let theirs = (b, sb) != (r, sr) && (b != r || r == Kind::Own || follows);
        let owner = format!("o{at}");
        // Cut off with the end of a series whose time did not come in.
        let cut = b != Kind::Gone && r == Kind::Gone && !remote.without.contains(&at) && !remote_time;
        let kind = match (l, r) {
            (kind, _) if cut => Some(kind),
            (Kind::Own, _) if !theirs => Some(Kind::Own),
            (kind, _) if !theirs => Some(kind),
            (Kind::Own, Kind::Own) => Some(Kind::Own),
            (Kind::Own, r) if follows || (r == Kind::Plain && b != Kind::Own) => Some(Kind::Own),
            (kind, Kind::Own) if kind != Kind::Own && !ours => Some(Kind::Own),
            (l, r) if l == r => Some(l),
            (_, r) if !ours => Some(r),
            _ => None,
        };
        let kept = kind.unwrap_or_else(|| {
            found.disputed.insert(format!("{owner}/instance"));
            l
        });
        if kept == Kind::Own && kind.is_some() && theirs && !cut {
            merge_words(&owner, [sb, sl, sr], &mut found);
        } else if kept == Kind::Own {
            found.words.extend(words_of(&owner, sl));
        }
        found.kinds.insert(at, kept);
    }
    // An instance that was moved to where its series is now is in place; calendar objects cannot tell.
    let hour = found.words.get("m/time").and_then(|time| time.split(' ').next()).map(|hour| format!("at {hour}"));
    for (name, word) in &mut found.words {
        if name.ends_with("/time") && Some(&*word) == hour.as_ref() {
            *word = "in place".to_owned();
        }
    }
    found
}

/// What a merge made, as an opinion.
fn outcome(merged: &Merged, apart: &BTreeSet<u8>) -> Opinion {
    let model = read(&merged.object);
    let mut found = Opinion::default();
    found.words.extend(words_of("m", &model.series(apart)));
    for at in apart {
        found.kinds.insert(*at, model.kind(*at));
        if model.kind(*at) == Kind::Own {
            found.words.extend(words_of(&format!("o{at}"), &model.says(*at)));
        }
    }
    for conflict in &merged.conflicts {
        let owner =
            conflict.field.instance.as_ref().map_or("m".to_owned(), |name| format!("o{}", model::week_of(name)));
        let name = match conflict.field.part {
            Part::Reminder | Part::Category | Part::Attendee | Part::Participation => {
                format!("{}:{}", conflict.field.part.as_str(), conflict.field.item)
            }
            Part::Property => conflict.field.item.clone(),
            part => part.as_str().to_owned(),
        };
        found.disputed.insert(format!("{owner}/{name}"));
    }
    found
}

/// Weeks that are a question of their own: those with an override somewhere, or left out here and not there.
fn apart(models: &[&Model]) -> BTreeSet<u8> {
    let own = models.iter().flat_map(|m| m.own.keys().copied());
    let out = models.iter().flat_map(|m| m.without.iter().copied());
    own.chain(out.filter(|week| !models.iter().all(|m| m.without.contains(week)))).collect()
}

fn sides() -> impl Strategy<Value = (Model, Vec<Edit>, Vec<Edit>)> {
    let edits = || prop::collection::vec(model::edit(), 0..6);
    (model(), edits(), edits())
}

/// The three appointments and their objects.
fn states((base, ours, theirs): (Model, Vec<Edit>, Vec<Edit>)) -> ([Model; 3], [CalendarObject; 3]) {
    let models = [base.clone(), edited(&base, &ours), edited(&base, &theirs)];
    let objects = [rendered(&models[0]), rendered(&models[1]), rendered(&models[2])];
    (models, objects)
}

fn take(objects: &[CalendarObject; 3], prefer: &Prefer) -> Merged {
    merged(&objects[0], &objects[1], &objects[2], prefer)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: model::cases(), ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back((base, edits, _) in sides()) {
        let model = edited(&base, &edits);
        prop_assert_eq!(read(&rendered(&model)), model);
    }

    #[test]
    fn two_opinions_agree(given in sides()) {
        let (models, objects) = states(given);
        let merged = take(&objects, &Prefer::Neither);
        let apart = apart(&[&models[0], &models[1], &models[2]]);
        let mut expected = opinion(&models[0], &models[1], &models[2]);
        // A week that one side put back is still not one of a series that the other made shorter.
        let weeks = read(&merged.object).weeks;
        for (_, kind) in expected.kinds.iter_mut().filter(|(week, kind)| **week >= weeks && **kind == Kind::Plain) {
            *kind = Kind::Gone;
        }
        prop_assert_eq!(outcome(&merged, &apart), expected);
    }

    #[test]
    fn without_local_changes_it_is_the_remote_one(given in sides()) {
        let (_, objects) = states(given);
        let merged = merged(&objects[0], &objects[0], &objects[2], &Prefer::Neither);
        prop_assert_eq!(read(&merged.object), read(&objects[2]));
        prop_assert!(merged.conflicts.is_empty() && !merged.took_local && !merged.refused);
        prop_assert_eq!(merged.took_remote, read(&objects[0]) != read(&objects[2]));
        prop_assert_eq!(instances(&merged.object), instances(&objects[2]));
    }

    #[test]
    fn without_remote_changes_it_is_the_local_one_to_the_byte(given in sides(), prefer in prefer()) {
        let (_, objects) = states(given);
        let merged = merge(
            Sides { base: &objects[0], local: &objects[1], before: &objects[2], after: &objects[2] },
            &WriteBack::all(), &prefer, now(),
        ).expect("a merge");
        prop_assert_eq!(merged.object.bytes(), objects[1].bytes());
        prop_assert!(!merged.took_remote && merged.conflicts.is_empty());
    }

    #[test]
    fn class_06_merged_again_it_stays_as_it_is(given in sides(), prefer in prefer()) {
        let (_, objects) = states(given);
        let once = take(&objects, &prefer);
        let again = merged(&objects[0], &once.object, &objects[2], &prefer);
        prop_assert_eq!(again.object.bytes(), once.object.bytes());
        prop_assert!(!again.took_remote);
    }

    #[test]
    fn it_does_not_matter_who_is_who(given in sides()) {
        let (_, objects) = states(given);
        let here = take(&objects, &Prefer::Neither);
        let there = merged(&objects[0], &objects[2], &objects[1], &Prefer::Neither);
        let names = |merged: &Merged| merged.conflicts.iter().map(|c| c.field.clone()).collect::<BTreeSet<_>>();
        // Where the time of the series is in dispute, each side's own decides what else there is to ask.
        let when = |merged: &Merged| names(merged).iter().any(|f| f.part == Part::Time && f.instance.is_none());
        prop_assert_eq!(when(&here), when(&there));
        if !when(&here) {
            prop_assert_eq!(names(&here), names(&there));
        }
        if here.conflicts.is_empty() {
            prop_assert_eq!(read(&here.object), read(&there.object));
            prop_assert_eq!(instances(&here.object), instances(&there.object));
        }
    }

    #[test]
    fn somebody_preferred_leaves_nothing_in_dispute(given in sides()) {
        let (models, objects) = states(given);
        let (ours, theirs) = (take(&objects, &Prefer::Local), take(&objects, &Prefer::Remote));
        prop_assert!(ours.conflicts.is_empty() && theirs.conflicts.is_empty());
        let none = BTreeSet::new();
        let [base, local, remote] = [&models[0], &models[1], &models[2]].map(|m| m.series(&none).words());
        let words = |merged: &Merged| read(&merged.object).series(&none).words();
        for (name, word) in words(&ours).into_iter().filter(|(name, _)| !["notes", "time"].contains(&name.as_str())) {
            prop_assert!(base.get(&name) == local.get(&name) || local.get(&name) == Some(&word), "{name}");
        }
        for (name, word) in words(&theirs).into_iter().filter(|(name, _)| !["notes", "time"].contains(&name.as_str())) {
            let joined = name.starts_with("participation:");
            prop_assert!(joined || base.get(&name) == remote.get(&name) || remote.get(&name) == Some(&word), "{name}");
        }
    }

    #[test]
    fn what_a_provider_cannot_hold_is_never_lost(given in sides()) {
        let (models, objects) = states(given);
        let before = rendered(&models[0].poor(&models[0]));
        let after = rendered(&models[2].poor(&models[0]));
        let sides = Sides { base: &objects[0], local: &objects[1], before: &before, after: &after };
        let merged = merge(sides, &WriteBack::all(), &Prefer::Remote, now()).expect("a merge");
        let (kept, local) = (read(&merged.object), &models[1]);
        prop_assert_eq!(&kept.master.alarms, &local.master.alarms);
        prop_assert_eq!(&kept.master.others, &local.master.others);
    }

    #[test]
    fn class_13_what_it_writes_keeps_the_form_of_the_start(given in sides()) {
        let (_, objects) = states(given);
        let merged = take(&objects, &Prefer::Remote);
        for component in merged.object.components() {
            for line in component.properties().filter(|p| p.is("EXDATE") || p.is("RECURRENCE-ID")) {
                let zone = line.param("TZID").map(|zone| zone.into_owned());
                prop_assert_eq!(zone.as_deref(), Some("Europe/Berlin"), "{:?}", line);
            }
        }
    }
}

fn prefer() -> impl Strategy<Value = Prefer> {
    prop_oneof![Just(Prefer::Neither), Just(Prefer::Local), Just(Prefer::Remote)]
}
