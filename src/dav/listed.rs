//! What a listing in pages has told already. Pages come in the order of changes, so an object that changes meanwhile
//! comes once more; whoever was told of it is not told again.

use std::collections::HashSet;
use std::hash::Hash;

use crate::domain::calendar::Seq;

/// Names or ids that were told.
#[derive(Debug)]
pub struct Listed<T> {
    /// The count of changes before the first page: only what changed after it can come a second time.
    since: Seq,
    told: Vec<T>,
    /// What was told up to now, in the order of a set once one is looked for: nearly always none is.
    known: HashSet<T>,
}

impl<T: Eq + Hash> Listed<T> {
    /// Nothing was told yet. `since`: the calendar's count of changes now, or an earlier one.
    #[must_use]
    pub fn since(since: Seq) -> Listed<T> {
        Listed { since, told: Vec::new(), known: HashSet::new() }
    }

    /// These were told.
    pub fn add(&mut self, told: impl Iterator<Item = T>) {
        self.told.extend(told);
    }

    /// Whether one that last changed at `seq` was told.
    pub fn has(&mut self, one: &T, seq: Seq) -> bool {
        if seq <= self.since {
            return false;
        }
        self.known.extend(self.told.drain(..));
        self.known.contains(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_since_is_looked_for_and_nothing_else() {
        let mut listed = Listed::since(Seq(5));
        listed.add(["a", "b"].into_iter());
        assert!(!listed.has(&"a", Seq(5)), "cannot come twice");
        assert!(listed.has(&"a", Seq(6)) && !listed.has(&"c", Seq(7)));
        listed.add(std::iter::once("c"));
        assert!(listed.has(&"c", Seq(8)) && listed.has(&"b", Seq(9)));
    }
}
