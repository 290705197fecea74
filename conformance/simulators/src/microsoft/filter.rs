//! `$filter` and `$orderby` of lists of events, as far as clients of calendars use them.

use super::{draft::property_id, item::Item, moment::query_ms, refusal::Refusal, shape::quoted};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// An extended property of that id has that value, or exists.
    Extended(String, Option<String>),
    Text(String, Op, String),
    Flag(String, bool),
    Time(String, Op, i64),
    StartsWith(String),
}

/// What a list takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter(Vec<Test>);

impl Filter {
    pub(crate) fn read(text: Option<&str>) -> Result<Self, Refusal> {
        let Some(text) = text else { return Ok(Self::default()) };
        parts(text).into_iter().map(test).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn takes(&self, item: &Item) -> bool {
        self.0.iter().all(|test| test.takes(item))
    }
}

impl Test {
    fn takes(&self, item: &Item) -> bool {
        let text = |name: &str| -> String {
            match name {
                "iCalUId" => item.uid(),
                "type" => item.kind.name().to_owned(),
                name => item.content.fields.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned(),
            }
        };
        match self {
            Self::Extended(id, value) => {
                item.content.extended.get(id).is_some_and(|own| value.as_ref().is_none_or(|value| value == own))
            }
            Self::Text(name, op, value) => op.holds(text(name).as_str().cmp(value)),
            Self::Flag(name, value) => match name.as_str() {
                "isAllDay" => item.content.all_day == *value,
                name => (item.content.fields.get(name) == Some(&serde_json::json!(true))) == *value,
            },
            Self::Time(name, op, ms) => {
                let own = match name.as_str() {
                    "start/dateTime" => item.content.start.ms(),
                    "end/dateTime" => item.content.end.ms(),
                    "createdDateTime" => item.created_ms,
                    _ => item.modified_ms,
                };
                op.holds(own.cmp(ms))
            }
            Self::StartsWith(start) => text("subject").to_lowercase().starts_with(&start.to_lowercase()),
        }
    }
}

impl Op {
    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
        }
    }
}

/// The conditions that ` and ` joins outside of quotes and parentheses.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut within, mut from) = (0_i32, false, 0);
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '\'' => within = !within,
            '(' if !within => depth += 1,
            ')' if !within => depth -= 1,
            ' ' if !within && depth == 0 && text.get(at..).is_some_and(|rest| rest.starts_with(" and ")) => {
                found.push(text.get(from..at).unwrap_or_default());
                from = at + 5;
            }
            _ => {}
        }
    }
    found.push(text.get(from..).unwrap_or_default());
    found
}

fn bad(what: &str) -> Refusal {
    Refusal::query(format!("Invalid filter clause: {what}"))
}

fn test(text: &str) -> Result<Test, Refusal> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("singlevalueextendedproperties/any(") {
        let values = quoted(text);
        let id = values.first().and_then(|id| property_id(id)).ok_or_else(|| bad(text))?;
        return Ok(Test::Extended(id, values.get(1).cloned()));
    }
    if lower.starts_with("startswith(subject") {
        return Ok(Test::StartsWith(quoted(text).into_iter().next().ok_or_else(|| bad(text))?));
    }
    let mut words = text.splitn(3, ' ');
    let (Some(name), Some(op), Some(value)) = (words.next(), words.next(), words.next()) else { return Err(bad(text)) };
    let op = match op {
        "eq" => Op::Eq,
        "ne" => Op::Ne,
        "gt" => Op::Gt,
        "ge" => Op::Ge,
        "lt" => Op::Lt,
        "le" => Op::Le,
        _ => return Err(bad(text)),
    };
    match name {
        "iCalUId" | "subject" | "type" | "showAs" | "sensitivity" | "importance" => {
            Ok(Test::Text(name.into(), op, quoted(value).into_iter().next().ok_or_else(|| bad(text))?))
        }
        "isAllDay" | "isOnlineMeeting" | "isReminderOn" if op == Op::Eq => {
            Ok(Test::Flag(name.into(), value.parse().map_err(|_| bad(text))?))
        }
        "start/dateTime" | "end/dateTime" | "createdDateTime" | "lastModifiedDateTime" => {
            Ok(Test::Time(name.into(), op, query_ms(value.trim_matches('\'')).ok_or_else(|| bad(text))?))
        }
        _ => Err(bad(text)),
    }
}

/// Puts items in the order that `$orderby` names.
pub(crate) fn order(items: &mut [Item], by: Option<&str>) -> Result<(), Refusal> {
    let Some(by) = by else { return Ok(()) };
    let (name, way) = by.split_once(' ').unwrap_or((by, "asc"));
    match name {
        "start/dateTime" => items.sort_by_key(|item| item.content.start.ms()),
        "end/dateTime" => items.sort_by_key(|item| item.content.end.ms()),
        "createdDateTime" => items.sort_by_key(|item| item.created_ms),
        "lastModifiedDateTime" => items.sort_by_key(|item| item.modified_ms),
        "subject" => items.sort_by_cached_key(|item| item.subject().to_owned()),
        _ => return Err(Refusal::query(format!("Could not find a property named '{name}'."))),
    }
    match way.trim() {
        "asc" => Ok(()),
        "desc" => {
            items.reverse();
            Ok(())
        }
        other => Err(Refusal::query(format!("Syntax error: '{other}'."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_taken_apart() {
        let id = "String {00020329-0000-0000-C000-000000000046} Name hub";
        let text = format!(
            "singleValueExtendedProperties/any(ep: ep/id eq '{id}' and ep/value eq 'it''s and') and type eq 'seriesMaster' and start/dateTime ge '2026-01-01T00:00:00' and isAllDay eq true and startswith(subject,'A')"
        );
        let filter = Filter::read(Some(&text)).unwrap();
        assert_eq!(filter.0.len(), 5);
        assert_eq!(
            filter.0[0],
            Test::Extended(
                id.to_ascii_lowercase().replace("string", "String").replace("name", "Name"),
                Some("it's and".into())
            )
        );
        for bad in [
            "nothing",
            "x eq 1",
            "subject like 'a'",
            "isAllDay eq maybe",
            "start/dateTime ge soon",
            "iCalUId eq 7",
            "singleValueExtendedProperties/any(x)",
        ] {
            assert!(Filter::read(Some(bad)).is_err(), "{bad}");
        }
        assert_eq!(Filter::read(None).unwrap(), Filter::default());
    }
}
