//! `$select` and `$expand`: which members an answer has.

use super::{draft::property_id, refusal::Refusal};
use crate::query::Query;

/// Which members are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// All that are usual, or these.
    pub(crate) select: Option<Vec<String>>,
    /// The extended properties of these ids.
    pub(crate) extended: Option<Vec<String>>,
    /// The changed occurrences of a series, so shown.
    pub(crate) exceptions: Option<Box<Shape>>,
}

impl Shape {
    pub(crate) fn read(query: &Query) -> Result<Self, Refusal> {
        let mut shape = Self { select: query.get("$select").map(names), ..Self::default() };
        if let Some(text) = query.get("$expand") {
            shape.expand(text, true)?;
        }
        Ok(shape)
    }

    /// Whether this member is shown.
    pub(crate) fn shows(&self, name: &str) -> bool {
        self.select.as_ref().is_none_or(|names| names.iter().any(|one| one == name))
    }

    /// Whether this member, which is only shown when it is named, is.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.select.as_ref().is_some_and(|names| names.iter().any(|one| one == name))
    }

    fn expand(&mut self, text: &str, outer: bool) -> Result<(), Refusal> {
        for one in split(text, ',') {
            let (name, options) = match one.trim().split_once('(') {
                Some((name, rest)) => (name, rest.strip_suffix(')').ok_or_else(|| bad(one))?),
                None => (one.trim(), ""),
            };
            let option = |wanted: &str| {
                split(options, ';').into_iter().find_map(|part| part.trim().strip_prefix(wanted)).map(str::to_owned)
            };
            match name {
                "singleValueExtendedProperties" => {
                    let filter = option("$filter=").ok_or_else(|| bad(one))?;
                    let ids: Vec<String> = quoted(&filter).iter().filter_map(|id| property_id(id)).collect();
                    if ids.is_empty() {
                        return Err(bad(one));
                    }
                    self.extended = Some(ids);
                }
                "exceptionOccurrences" if outer => {
                    let mut inner = Self { select: option("$select=").as_deref().map(names), ..Self::default() };
                    if let Some(text) = option("$expand=") {
                        inner.expand(&text, false)?;
                    }
                    self.exceptions = Some(Box::new(inner));
                }
                // Known, and empty here.
                "attachments" | "extensions" | "calendar" | "multiValueExtendedProperties" | "instances" => {}
                _ => return Err(bad(one)),
            }
        }
        Ok(())
    }
}

fn bad(what: &str) -> Refusal {
    Refusal::query(format!("Could not find a property named '{what}' on type 'microsoft.graph.event'."))
}

fn names(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The parts between separators that stand neither in quotes nor in parentheses.
pub(crate) fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut within, mut from) = (0_i32, false, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '\'' => within = !within,
            '(' if !within => depth += 1,
            ')' if !within => depth -= 1,
            _ if c == separator && !within && depth == 0 => {
                parts.push(text.get(from..at).unwrap_or_default());
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// All texts in quotes; a doubled quote stands for one.
pub(crate) fn quoted(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('\'') {
        let mut one = String::new();
        let mut tail = after;
        loop {
            let Some((part, next)) = tail.split_once('\'') else {
                return found;
            };
            one.push_str(part);
            match next.strip_prefix('\'') {
                Some(more) => {
                    one.push('\'');
                    tail = more;
                }
                None => {
                    tail = next;
                    break;
                }
            }
        }
        found.push(one);
        rest = tail;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "String {00020329-0000-0000-c000-000000000046} Name hub";

    #[test]
    fn members_are_chosen_and_expanded() {
        let text = format!(
            "$select=id,cancelledOccurrences&$expand=exceptionOccurrences($select=id,subject;$expand=singleValueExtendedProperties($filter=id eq '{ID}')),singleValueExtendedProperties($filter=id eq '{ID}' or id eq 'String 0x1A')"
        );
        let shape = Shape::read(&Query::parse(&text)).unwrap();
        assert!(shape.shows("id") && !shape.shows("subject") && shape.names("cancelledOccurrences"));
        assert_eq!(shape.extended.as_ref().unwrap().len(), 2);
        let inner = shape.exceptions.unwrap();
        assert!(inner.shows("subject") && !inner.shows("start"));
        assert_eq!(inner.extended.unwrap(), [ID.to_owned()]);
        for bad in [
            "nothing",
            "singleValueExtendedProperties",
            "exceptionOccurrences($select=id",
            "singleValueExtendedProperties($filter=id eq 'x')",
        ] {
            assert!(Shape::read(&Query::parse(&format!("$expand={bad}"))).is_err(), "{bad}");
        }
    }

    #[test]
    fn quotes_are_doubled_within() {
        assert_eq!(quoted("a eq 'it''s' and b eq 'x'"), ["it's", "x"]);
        assert_eq!(quoted("open '"), Vec::<String>::new());
        assert_eq!(split("a(b,c),'d,e',f", ','), ["a(b,c)", "'d,e'", "f"]);
    }
}
