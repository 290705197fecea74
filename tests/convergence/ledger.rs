//! Everything that was written and what came of it, and whether the end fits.
//!
//! Each state of an object has a marker that no other has, and each object one that all its states share. Who writes says
//! on which state; the server takes the write on that state only. So the acknowledged writes of an object are a chain.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server said it is done.
    Done,
    /// Nobody knows.
    Unknown,
}

#[derive(Clone, Debug)]
struct Write {
    by: String,
    born: String,
    base: Option<String>,
    state: Option<String>,
    outcome: Outcome,
}

#[derive(Default)]
pub struct Ledger(Mutex<Vec<Write>>);

impl Ledger {
    /// Notes a write: on which state (`None`: there was none), and the state it makes (`None`: a deletion).
    pub fn note(&self, by: &str, born: &str, base: Option<&str>, state: Option<&str>, outcome: Outcome) {
        self.0.lock().expect("no panic").push(Write {
            by: by.to_owned(),
            born: born.to_owned(),
            base: base.map(str::to_owned),
            state: state.map(str::to_owned),
            outcome,
        });
    }

    /// Holds what was acknowledged against what is there in the end.
    pub fn judge(&self, seed: u64, truth: &BTreeMap<String, String>) {
        let writes = self.0.lock().expect("no panic").clone();
        let mut present: HashMap<String, String> = HashMap::new();
        let mut uids = HashSet::new();
        for (name, text) in truth {
            let (born, state) = markers(text);
            let uid = value(text, "UID:");
            assert!(uids.insert(uid.clone()), "sequence {seed}: the UID {uid} is there twice");
            assert!(
                present.insert(born.clone(), state).is_none(),
                "sequence {seed}: {born} is doubled, once as {name}: {}",
                told(&writes, &born)
            );
        }
        let mut bases = HashSet::new();
        for write in &writes {
            let now = present.get(&write.born);
            let story = || format!("sequence {seed}, {write:?}, now {now:?}: {}", told(&writes, &write.born));
            if write.outcome == Outcome::Unknown {
                continue;
            }
            // A creation without an answer that is sent again may bring back what others deleted meanwhile: no server
            // can tell that from a new wish.
            let made_once =
                |state: &String| writes.iter().filter(|other| other.state.as_ref() == Some(state)).count() == 1;
            if let Some(base) = write.base.as_ref().filter(|base| made_once(base)) {
                assert!(bases.insert((write.born.clone(), base.clone())), "two were taken on one state: {}", story());
                assert_ne!(now, Some(base), "what was replaced is there: {}", story());
            }
            if let Some(state) = &write.state {
                let succeeded = writes.iter().any(|later| later.base.as_ref() == Some(state));
                assert!(now == Some(state) || succeeded, "an acknowledged state is lost: {}", story());
            }
        }
        for (born, state) in &present {
            let written = writes.iter().any(|write| write.state.as_ref() == Some(state));
            assert!(written, "sequence {seed}: nobody wrote {state}: {}", told(&writes, born));
        }
    }
}

fn told(writes: &[Write], born: &str) -> String {
    let mine = writes.iter().filter(|write| write.born == born);
    mine.map(|w| format!("\n  {} {:?} -> {:?} {:?}", w.by, w.base, w.state, w.outcome)).collect()
}

/// What an object says of itself: which one it is, and in which state.
pub fn markers(text: &str) -> (String, String) {
    (value(text, "DESCRIPTION:"), value(text, "SUMMARY:"))
}

fn value(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
}
