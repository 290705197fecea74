//! Whether a run may remove as much as it would: the mass-change guard.
//!
//! A feed that turns empty, a listing that came back short, an account that lost a calendar: each looks like somebody
//! deleted everything. Beyond a bound a person decides.

/// So many removals are ordinary work on any link.
pub const REMOVALS_FREE: u64 = 10;
/// Beyond [`REMOVALS_FREE`], this share of a link's mappings may go in one run.
pub const REMOVALS_PERCENT: u64 = 20;

/// What the guard says of a run before anything of it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be applied.
    Go,
    /// It stops; the link waits for somebody to confirm.
    Confirm {
        /// How many would be deleted or cancelled, on either side.
        removals: u64,
        /// Of how many.
        mappings: u64,
    },
}

/// The verdict on a run that would delete or cancel `removals` of a link's `mappings`. `gone` are those that neither side
/// has any more: taking their mappings away removes nothing, so they are neither; that both sides are empty is allowed.
///
/// Stopped is what removes more than [`REMOVALS_FREE`] and more than [`REMOVALS_PERCENT`], or all of more than one.
#[must_use]
pub fn verdict(mappings: u64, removals: u64, gone: u64) -> Verdict {
    let there = mappings.saturating_sub(gone).max(removals);
    let many = removals > REMOVALS_FREE && removals.saturating_mul(100) > there.saturating_mul(REMOVALS_PERCENT);
    let all = there > 1 && removals == there;
    if many || all { Verdict::Confirm { removals, mappings: there } } else { Verdict::Go }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_may_remove_ten_or_a_fifth_but_not_everything() {
        for (mappings, removals, gone, may) in [
            (0, 0, 0, true),
            (1, 0, 0, true),
            (1, 1, 0, true),
            (2, 1, 0, true),
            (2, 2, 0, false),
            (10, 9, 0, true),
            (10, 10, 0, false),
            (11, 10, 0, true),
            (12, 11, 0, false),
            (50, 10, 0, true),
            (50, 11, 0, false),
            (55, 11, 0, true),
            (59, 12, 0, false),
            (60, 12, 0, true),
            (1_000, 200, 0, true),
            (1_000, 201, 0, false),
            (u64::MAX, u64::MAX, 0, false),
        ] {
            let verdict = verdict(mappings, removals, gone);
            assert_eq!(verdict == Verdict::Go, may, "{removals} of {mappings}: {verdict:?}");
        }
    }

    #[test]
    fn what_both_sides_have_lost_is_no_removal() {
        assert_eq!(verdict(500, 0, 500), Verdict::Go);
        assert_eq!(verdict(500, 1, 499), Verdict::Go, "the last one");
        assert_eq!(verdict(500, 2, 498), Verdict::Confirm { removals: 2, mappings: 2 });
        assert_eq!(verdict(100, 11, 60), Verdict::Confirm { removals: 11, mappings: 40 }, "a fifth of what is there");
        assert_eq!(
            verdict(3, 5, 3),
            Verdict::Confirm { removals: 5, mappings: 5 },
            "counts that contradict each other"
        );
    }
}
