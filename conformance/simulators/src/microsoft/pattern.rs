//! Patterned recurrences: read and checked as the service checks them, and written with its zero-filled members.

use jiff::civil::{Date, Weekday};
use serde_json::{Map, Value, json};

use super::refusal::Refusal;

const INTERVAL_MAX: i64 = 999;
const COUNT_MAX: i64 = 999;
const DAYS: [(&str, Weekday); 7] = [
    ("sunday", Weekday::Sunday),
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
];

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Daily,
    Weekly,
    AbsoluteMonthly,
    RelativeMonthly,
    AbsoluteYearly,
    RelativeYearly,
}

const KINDS: [(&str, Kind); 6] = [
    ("daily", Kind::Daily),
    ("weekly", Kind::Weekly),
    ("absoluteMonthly", Kind::AbsoluteMonthly),
    ("relativeMonthly", Kind::RelativeMonthly),
    ("absoluteYearly", Kind::AbsoluteYearly),
    ("relativeYearly", Kind::RelativeYearly),
];
const INDEXES: [&str; 5] = ["first", "second", "third", "fourth", "last"];

/// Where a series ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Never,
    /// On that day at the latest.
    On(Date),
    /// After so many slots.
    After(usize),
}

/// A patternedRecurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recurrence {
    pub(crate) kind: Kind,
    pub(crate) interval: i64,
    pub(crate) days: Vec<Weekday>,
    pub(crate) first_day: Weekday,
    pub(crate) day_of_month: i8,
    pub(crate) month: i8,
    /// 0 to 3 from the front, 4 for the last.
    pub(crate) index: usize,
    pub(crate) start: Date,
    pub(crate) end: End,
    /// The zone in which it recurs, where it is named.
    pub(crate) zone: Option<String>,
}

fn wrong(what: impl std::fmt::Display) -> Refusal {
    Refusal::property(format!("At least one property failed validation. Property: Recurrence, {what}."))
}

impl Recurrence {
    /// Reads one for an event that starts on that day.
    pub(crate) fn read(value: &Value, starts: Date) -> Result<Self, Refusal> {
        let part =
            |name: &str| value.get(name).and_then(Value::as_object).ok_or_else(|| wrong(format!("{name} is missing")));
        let (pattern, range) = (part("pattern")?, part("range")?);
        let name = text(pattern, "type")?.ok_or_else(|| wrong("pattern.type is missing"))?;
        let kind = KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| Refusal::body(format!("Requested value '{name}' was not found.")))?;
        let interval = number(pattern, "interval")?.unwrap_or(0);
        if !(1..=INTERVAL_MAX).contains(&interval) {
            return Err(wrong("pattern.interval must be at least 1"));
        }
        let days = days(pattern)?;
        let first_day = match text(pattern, "firstDayOfWeek")? {
            Some(name) => weekday(name)?,
            None => Weekday::Sunday,
        };
        let small = |name: &'static str, max: i64| -> Result<i8, Refusal> {
            let given = number(pattern, name)?.unwrap_or(0);
            if !(0..=max).contains(&given) {
                return Err(wrong(format!("pattern.{name} is out of range")));
            }
            Ok(i8::try_from(given).unwrap_or(0))
        };
        let (day_of_month, month) = (small("dayOfMonth", 31)?, small("month", 12)?);
        let index = match text(pattern, "index")? {
            None => 0,
            Some(name) => INDEXES
                .iter()
                .position(|known| *known == name)
                .ok_or_else(|| Refusal::body(format!("Requested value '{name}' was not found.")))?,
        };
        let absolute = matches!(kind, Kind::AbsoluteMonthly | Kind::AbsoluteYearly);
        let relative = matches!(kind, Kind::RelativeMonthly | Kind::RelativeYearly);
        let yearly = matches!(kind, Kind::AbsoluteYearly | Kind::RelativeYearly);
        for (needed, given, name) in [
            (absolute, day_of_month != 0, "dayOfMonth"),
            (yearly, month != 0, "month"),
            (relative || kind == Kind::Weekly, !days.is_empty(), "daysOfWeek"),
        ] {
            if needed && !given {
                return Err(wrong(format!("pattern.{name} is missing")));
            }
            if given && !needed {
                return Err(wrong(format!("pattern.{name} does not belong to this type")));
            }
        }
        if index != 0 && !relative {
            return Err(wrong("pattern.index does not belong to this type"));
        }
        let (start, end) = read_range(range, starts)?;
        let zone = text(range, "recurrenceTimeZone")?.filter(|zone| !zone.is_empty()).map(str::to_owned);
        Ok(Self { kind, interval, days, first_day, day_of_month, month, index, start, end, zone })
    }

    /// The object.
    pub(crate) fn write(&self, event_zone: &str) -> Value {
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or("daily", |(name, _)| *name);
        let mut pattern = json!({
            "type": kind, "interval": self.interval, "month": self.month, "dayOfMonth": self.day_of_month,
            "firstDayOfWeek": day_name(self.first_day), "index": INDEXES.get(self.index).copied().unwrap_or("first"),
        });
        if let (false, Some(fields)) = (self.days.is_empty(), pattern.as_object_mut()) {
            fields.insert("daysOfWeek".into(), self.days.iter().map(|day| day_name(*day)).collect());
        }
        let (kind, end, count) = match self.end {
            End::Never => ("noEnd", "0001-01-01".to_owned(), 0),
            End::On(date) => ("endDate", date.to_string(), 0),
            End::After(count) => ("numbered", "0001-01-01".to_owned(), count),
        };
        let zone = self.zone.as_deref().unwrap_or(event_zone);
        json!({
            "pattern": pattern,
            "range": {
                "type": kind, "startDate": self.start.to_string(), "endDate": end, "recurrenceTimeZone": zone,
                "numberOfOccurrences": count,
            },
        })
    }
}

fn read_range(range: &Map<String, Value>, starts: Date) -> Result<(Date, End), Refusal> {
    let date = |name: &'static str| -> Result<Option<Date>, Refusal> {
        match text(range, name)? {
            None => Ok(None),
            Some(text) => {
                text.parse().map(Some).map_err(|_| Refusal::body(format!("Cannot convert '{text}' to Edm.Date.")))
            }
        }
    };
    let start = date("startDate")?.ok_or_else(|| wrong("range.startDate is missing"))?;
    if start != starts {
        return Err(wrong("range.startDate must be the day on which the event starts"));
    }
    let end = match text(range, "type")? {
        Some("noEnd") => End::Never,
        Some("endDate") => {
            let end = date("endDate")?.ok_or_else(|| wrong("range.endDate is missing"))?;
            if end < start {
                return Err(wrong("range.endDate is before range.startDate"));
            }
            End::On(end)
        }
        Some("numbered") => match number(range, "numberOfOccurrences")? {
            Some(count) if (1..=COUNT_MAX).contains(&count) => End::After(usize::try_from(count).unwrap_or(1)),
            _ => return Err(wrong("range.numberOfOccurrences must be at least 1")),
        },
        Some(other) => return Err(Refusal::body(format!("Requested value '{other}' was not found."))),
        None => return Err(wrong("range.type is missing")),
    };
    Ok((start, end))
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::body(format!("Cannot convert the value of {name}."))),
    }
}

fn number(object: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(Refusal::body(format!("Cannot convert the value of {name} to Edm.Int32."))),
        },
    }
}

fn weekday(name: &str) -> Result<Weekday, Refusal> {
    let found = DAYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, day)| *day).ok_or_else(|| Refusal::body(format!("Requested value '{name}' was not found.")))
}

fn day_name(day: Weekday) -> &'static str {
    DAYS.iter().find(|(_, known)| *known == day).map_or("sunday", |(name, _)| *name)
}

fn days(pattern: &Map<String, Value>) -> Result<Vec<Weekday>, Refusal> {
    let given = match pattern.get("daysOfWeek") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(given)) => given,
        Some(_) => return Err(Refusal::body("daysOfWeek is no collection.")),
    };
    let mut days = Vec::new();
    for name in given {
        let day = weekday(name.as_str().unwrap_or_default())?;
        if !days.contains(&day) {
            days.push(day);
        }
    }
    days.sort_by_key(|day| day.to_sunday_zero_offset());
    Ok(days)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn read(pattern: Value, range: Value) -> Result<Recurrence, Refusal> {
        Recurrence::read(&json!({ "pattern": pattern, "range": range }), date(2026, 3, 10))
    }

    fn endless() -> Value {
        json!({ "type": "noEnd", "startDate": "2026-03-10" })
    }

    #[test]
    fn it_is_written_with_everything_filled() {
        let pattern = json!({ "type": "weekly", "interval": 2, "daysOfWeek": ["tuesday", "monday"] });
        let written =
            read(pattern, json!({ "type": "numbered", "startDate": "2026-03-10", "numberOfOccurrences": 5 })).unwrap();
        let wanted = json!({
            "pattern": {
                "type": "weekly", "interval": 2, "month": 0, "dayOfMonth": 0, "firstDayOfWeek": "sunday", "index": "first",
                "daysOfWeek": ["monday", "tuesday"],
            },
            "range": {
                "type": "numbered", "startDate": "2026-03-10", "endDate": "0001-01-01", "recurrenceTimeZone": "UTC",
                "numberOfOccurrences": 5,
            },
        });
        assert_eq!(written.write("UTC"), wanted);
        assert_eq!(Recurrence::read(&wanted, date(2026, 3, 10)).unwrap().write("UTC"), wanted);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        for pattern in [
            json!({ "type": "weekly", "interval": 1 }),
            json!({ "type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "dayOfMonth": 3 }),
            json!({ "type": "daily", "interval": 0 }),
            json!({ "type": "daily", "interval": 1, "daysOfWeek": ["monday"] }),
            json!({ "type": "daily", "interval": 1, "index": "last" }),
            json!({ "type": "absoluteMonthly", "interval": 1 }),
            json!({ "type": "absoluteMonthly", "interval": 1, "dayOfMonth": 32 }),
            json!({ "type": "absoluteYearly", "interval": 1, "dayOfMonth": 3 }),
            json!({ "type": "relativeMonthly", "interval": 1, "daysOfWeek": ["monday"], "index": "fifth" }),
            json!({ "type": "hourly", "interval": 1 }),
            json!({ "interval": 1 }),
            json!({ "type": "daily", "interval": "1" }),
            json!({ "type": "weekly", "interval": 1, "daysOfWeek": "monday" }),
        ] {
            assert_eq!(read(pattern.clone(), endless()).unwrap_err().status, 400, "{pattern}");
        }
        let daily = json!({ "type": "daily", "interval": 1 });
        for range in [
            json!({ "type": "noEnd" }),
            json!({ "type": "noEnd", "startDate": "2026-03-11" }),
            json!({ "type": "endDate", "startDate": "2026-03-10" }),
            json!({ "type": "endDate", "startDate": "2026-03-10", "endDate": "2026-03-09" }),
            json!({ "type": "numbered", "startDate": "2026-03-10", "numberOfOccurrences": 0 }),
            json!({ "type": "until", "startDate": "2026-03-10" }),
            json!({ "startDate": "2026-03-10" }),
        ] {
            assert_eq!(read(daily.clone(), range.clone()).unwrap_err().status, 400, "{range}");
        }
    }
}
