//! Three texts made one, line by line.

/// Lines of one text times lines of the other that are compared at most, after what they have in common at both ends. Two
/// texts of 2,000 lines that differ from the first line to the last are no edit but another text.
const CELLS_MAX: usize = 4_000_000;

/// What two people made of a text, made one text; `None` where both changed the same lines to different ends.
pub(super) fn diff3(base: &str, left: &str, right: &str) -> Option<String> {
    let [base, left, right] = [base, left, right].map(|text| text.split('\n').collect::<Vec<_>>());
    let (in_left, in_right) = (matches(&base, &left)?, matches(&base, &right)?);
    let mut merged: Vec<&str> = Vec::with_capacity(left.len().max(right.len()));
    let (mut b, mut l, mut r) = (0, 0, 0);
    let stable = in_left.iter().zip(&in_right).enumerate().filter_map(|(at, (l, r))| Some((at, (*l)?, (*r)?)));
    for (next_b, next_l, next_r) in stable.chain([(base.len(), left.len(), right.len())]) {
        let [old, ours, theirs] = [base.get(b..next_b)?, left.get(l..next_l)?, right.get(r..next_r)?];
        merged.extend_from_slice(match () {
            () if ours == old || ours == theirs => theirs,
            () if theirs == old => ours,
            () => return None,
        });
        merged.extend(base.get(next_b));
        (b, l, r) = (next_b + 1, next_l + 1, next_r + 1);
    }
    Some(merged.join("\n"))
}

/// For each line of `base` the line of `other` that it became, in order; `None` when there is too much to compare.
fn matches(base: &[&str], other: &[&str]) -> Option<Vec<Option<usize>>> {
    let head = base.iter().zip(other).take_while(|(a, b)| a == b).count();
    let tail_max = base.len().min(other.len()) - head;
    let tail = base.iter().rev().zip(other.iter().rev()).take(tail_max).take_while(|(a, b)| a == b).count();
    let (old, new) = (base.get(head..base.len() - tail)?, other.get(head..other.len() - tail)?);
    let width = new.len() + 1;
    if (old.len() + 1).saturating_mul(width) > CELLS_MAX {
        return None;
    }
    // The longest common subsequence of what lies between, from the end.
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    let at = |o: usize, n: usize| o * width + n;
    for (o, old_line) in old.iter().enumerate().rev() {
        for (n, new_line) in new.iter().enumerate().rev() {
            let best = if old_line == new_line {
                longest.get(at(o + 1, n + 1))? + 1
            } else {
                *longest.get(at(o + 1, n))?.max(longest.get(at(o, n + 1))?)
            };
            *longest.get_mut(at(o, n))? = best;
        }
    }
    let mut found = (0..head).map(Some).collect::<Vec<_>>();
    let (mut o, mut n) = (0, 0);
    while let Some(old_line) = old.get(o) {
        match new.get(n) {
            Some(new_line) if new_line == old_line => {
                found.push(Some(head + n));
                (o, n) = (o + 1, n + 1);
            }
            Some(_) if longest.get(at(o, n + 1))? >= longest.get(at(o + 1, n))? => n += 1,
            _ => {
                found.push(None);
                o += 1;
            }
        }
    }
    found.extend((other.len() - tail..other.len()).map(Some));
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edits_of_different_lines_go_together() {
        for (base, left, right, merged) in [
            ("a\nb\nc", "A\nb\nc", "a\nb\nC", Some("A\nb\nC")),
            ("a\nb\nc", "a\nb\nc", "a\nc", Some("a\nc")),
            ("a\nb\nc", "x\na\nb\nc", "a\nb\nc\ny", Some("x\na\nb\nc\ny")),
            ("a\nb\nc", "a\nX\nc", "a\nX\nc", Some("a\nX\nc")),
            ("a\nb\nc", "a\nX\nc", "a\nY\nc", None),
            ("a\nb\nc", "a\nc", "a\nB\nc", None),
            ("a\nb\nc", "A\nb\nc", "a\nB\nc", None),
            ("", "x", "y", None),
            ("", "x", "", Some("x")),
            ("a", "", "a\nb", None),
            ("a\n", "a\nmine\n", "a\n", Some("a\nmine\n")),
            ("same", "same", "same", Some("same")),
        ] {
            assert_eq!(diff3(base, left, right).as_deref(), merged, "{base:?} {left:?} {right:?}");
            assert_eq!(diff3(base, right, left).as_deref(), merged, "{base:?} {right:?} {left:?}");
        }
    }

    #[test]
    fn texts_without_anything_in_common_are_not_compared_for_ever() {
        let text = |from: usize| (from..from + 3_000).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(diff3(&text(0), &text(10_000), &text(20_000)), None);
    }

    fn lines() -> impl Strategy<Value = String> {
        prop::collection::vec("[a-d]", 0..8).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        #[test]
        fn one_side_alone_wins_and_order_does_not_count(base in lines(), left in lines(), right in lines()) {
            prop_assert_eq!(diff3(&base, &left, &base), Some(left.clone()));
            prop_assert_eq!(diff3(&base, &base, &right), Some(right.clone()));
            prop_assert_eq!(diff3(&base, &left, &left), Some(left.clone()));
            prop_assert_eq!(diff3(&base, &left, &right), diff3(&base, &right, &left));
        }
    }
}
