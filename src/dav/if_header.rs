//! The `If` header (RFC 4918 §10.4), as far as a server without locks needs it: a condition on a lock can never be
//! met, one on an entity tag is as good as `If-Match`.

use super::headers::etag;
use crate::domain::object::ETag;

/// What the header demands of the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing that is not so already.
    Nothing,
    /// What cannot be: a lock, or two tags at once.
    Never,
    /// The resource has one of these tags.
    OneOf(Vec<ETag>),
}

/// One condition of a list.
enum Condition<'a> {
    Lock { negated: bool },
    Tag { negated: bool, tag: &'a str },
}

/// Longer headers are not read.
const CONDITIONS_MAX: usize = 200;

/// Reads the header; `None` if it is malformed. Tags before a list (`<uri>`) are taken to mean the resource of the
/// request.
pub fn demand(line: &str) -> Option<Demand> {
    let mut tags = Vec::new();
    let mut is_met_already = false;
    let mut rest = line.trim();
    let mut conditions = 0;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('<') {
            rest = after.split_once('>')?.1.trim_start();
            continue;
        }
        let (mut list, after) = inside(rest)?;
        rest = after.trim_start();
        let mut wanted: Vec<&str> = Vec::new();
        let mut is_possible = true;
        while !list.is_empty() {
            let (condition, after) = condition(list)?;
            list = after.trim_start();
            conditions += 1;
            if conditions > CONDITIONS_MAX {
                return None;
            }
            match condition {
                Condition::Lock { negated: true } => {}
                Condition::Tag { negated: false, tag } => wanted.push(tag),
                // What a tag is not cannot be said to the store; no client is known to ask for it.
                Condition::Lock { negated: false } | Condition::Tag { negated: true, .. } => is_possible = false,
            }
        }
        match (is_possible, wanted.as_slice()) {
            (true, []) => is_met_already = true,
            (true, [tag]) => tags.push(etag(tag)),
            (true, [tag, others @ ..]) if others.iter().all(|other| other == tag) => tags.push(etag(tag)),
            (true | false, _) => {}
        }
    }
    Some(match (is_met_already, tags.is_empty()) {
        (true, _) => Demand::Nothing,
        (false, true) => Demand::Never,
        (false, false) => Demand::OneOf(tags),
    })
}

/// What stands between the parentheses at the beginning, and what comes after. A tag may hold a parenthesis.
fn inside(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('(')?;
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        c == ')' && !quoted
    })?;
    Some((text.get(..end)?.trim(), text.get(end + 1..)?))
}

fn condition(text: &str) -> Option<(Condition<'_>, &str)> {
    let (negated, text) = match text.get(..3) {
        Some(not) if not.eq_ignore_ascii_case("not") => (true, text.get(3..)?.trim_start()),
        _ => (false, text),
    };
    if let Some(after) = text.strip_prefix('<') {
        let (_, rest) = after.split_once('>')?;
        return Some((Condition::Lock { negated }, rest));
    }
    let (tag, rest) = text.strip_prefix('[')?.split_once(']')?;
    Some((Condition::Tag { negated, tag }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_never_held_and_tags_are_compared() {
        let one = |tag: &str| Demand::OneOf(vec![ETag::new(tag)]);
        for (line, expected) in [
            ("([\"a\"])", Some(one("a"))),
            ("<http://x/y> ([W/\"a\"] [\"a\"])", Some(Demand::Never)),
            ("([\"a\"] [\"a\"])", Some(one("a"))),
            ("(<urn:uuid:1>) ([\"a\"])", Some(one("a"))),
            ("(<urn:uuid:1> [\"a\"])", Some(Demand::Never)),
            ("(Not <DAV:no-lock>)", Some(Demand::Nothing)),
            ("([\"a)\"])", Some(one("a)"))),
            ("([\"a\"] [\"b\"])", Some(Demand::Never)),
            ("(<urn:uuid:1>", None),
            ("junk", None),
            ("(junk)", None),
        ] {
            assert_eq!(demand(line), expected, "{line}");
        }
    }
}
