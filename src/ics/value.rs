//! Typed values: small parsers over the text of one property. Tolerant where clients are known to be wrong
//! and the meaning is plain, strict where reading on would change the meaning.

use jiff::civil::{Date, DateTime, Time};

use super::limits::LIST_ITEMS_MAX;
use super::line::Property;

pub use super::duration::Duration;

/// Why a value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a DATE or DATE-TIME, or a day that does not exist.
    #[error("{0:?} is not a date or a date with a time")]
    Date(String),
    /// Not a DURATION, or one longer than any calendar.
    #[error("{0:?} is not a duration")]
    Duration(String),
    /// Not a PERIOD.
    #[error("{0:?} is not a period")]
    Period(String),
    /// Not a UTC-OFFSET.
    #[error("{0:?} is not an offset from UTC")]
    Offset(String),
    /// Not an INTEGER.
    #[error("{0:?} is not a number")]
    Integer(String),
    /// More items than a list may have.
    #[error("the list has more than {LIST_ITEMS_MAX} values")]
    TooMany,
}

/// A DATE or DATE-TIME in one of the forms of RFC 5545 section 3.3.5.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum When {
    /// A whole day.
    Date(Date),
    /// Wall-clock time wherever the reader is.
    Floating(DateTime),
    /// UTC.
    Utc(DateTime),
    /// Wall-clock time in a zone, named as the object names it.
    Zoned {
        /// The wall clock.
        local: DateTime,
        /// The TZID parameter, decoded.
        tzid: String,
    },
}

impl When {
    /// The first (or only) value of a property such as DTSTART.
    pub fn of(property: &Property) -> Result<Self, ValueError> {
        Self::parse(property.value(), property.param("TZID").as_deref())
    }

    /// All values of a list property such as EXDATE. An empty value is an empty list, as some exporters write it.
    pub fn list_of(property: &Property) -> Result<Vec<Self>, ValueError> {
        let tzid = property.param("TZID");
        items(property.value())?.map(|item| Self::parse(item, tzid.as_deref())).collect()
    }

    /// Reads `20261231`, `20261231T100000` or `20261231T100000Z`. The form decides, not the VALUE parameter,
    /// which exporters forget. A TZID on a UTC value is ignored, an empty one as well.
    /// Google's birthday calendars write dates as `20131210Z`.
    pub fn parse(value: &str, tzid: Option<&str>) -> Result<Self, ValueError> {
        let value = value.trim();
        let wrong = || ValueError::Date(excerpt(value));
        let (day, time) = match value.split_once(['T', 't']) {
            Some((day, time)) => (day, Some(time)),
            None => (value.strip_suffix('Z').unwrap_or(value), None),
        };
        let date = parse_date(day).ok_or_else(wrong)?;
        let Some(time) = time else { return Ok(Self::Date(date)) };
        let (time, utc) = match time.strip_suffix(['Z', 'z']) {
            Some(time) => (time, true),
            None => (time, false),
        };
        let local = parse_time(date, time).ok_or_else(wrong)?;
        Ok(match tzid.map(str::trim).filter(|tzid| !tzid.is_empty()) {
            _ if utc => Self::Utc(local),
            Some(tzid) => Self::Zoned { local, tzid: tzid.to_owned() },
            None => Self::Floating(local),
        })
    }

    /// The date and time as written; midnight for a date.
    pub fn local(&self) -> DateTime {
        match self {
            Self::Date(date) => date.to_datetime(Time::midnight()),
            Self::Floating(local) | Self::Utc(local) | Self::Zoned { local, .. } => *local,
        }
    }

    /// Whether it is a DATE.
    pub fn is_date(&self) -> bool {
        matches!(self, Self::Date(_))
    }

    /// The zone it names.
    pub fn tzid(&self) -> Option<&str> {
        match self {
            Self::Zoned { tzid, .. } => Some(tzid),
            Self::Date(_) | Self::Floating(_) | Self::Utc(_) => None,
        }
    }

    /// An end in the kind that its start is of, as RFC 5545 3.8.2.2 asks; `None` where it is of that kind already, or of
    /// one that goes with it.
    pub fn in_kind_of(&self, start: &Self) -> Option<Self> {
        match (start, self) {
            (Self::Date(_), Self::Date(_)) => None,
            (Self::Date(_), _) => Some(Self::Date(self.local().date())),
            (Self::Utc(_), Self::Date(_) | Self::Floating(_)) => Some(Self::Utc(self.local())),
            (Self::Floating(_), Self::Date(_)) => Some(Self::Floating(self.local())),
            (Self::Zoned { tzid, .. }, Self::Date(_) | Self::Floating(_)) => {
                Some(Self::Zoned { local: self.local(), tzid: tzid.clone() })
            }
            (Self::Utc(_) | Self::Floating(_) | Self::Zoned { .. }, _) => None,
        }
    }

    /// As it is written in a value, without parameters.
    pub fn to_value(&self) -> String {
        let local = self.local();
        let day = format!("{:04}{:02}{:02}", local.year(), local.month(), local.day());
        let time = format!("T{:02}{:02}{:02}", local.hour(), local.minute(), local.second());
        match self {
            Self::Date(_) => day,
            Self::Floating(_) | Self::Zoned { .. } => day + &time,
            Self::Utc(_) => day + &time + "Z",
        }
    }

    /// As a property of that name, with VALUE=DATE or TZID where needed.
    pub fn to_property(&self, name: &str) -> Property {
        let property = Property::new(name, &self.to_value());
        match self {
            Self::Date(_) => property.with_param("VALUE", "DATE"),
            Self::Zoned { tzid, .. } => property.with_param("TZID", tzid),
            Self::Floating(_) | Self::Utc(_) => property,
        }
    }
}

/// A PERIOD: a start with an end or a duration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Period {
    /// Where it starts.
    pub start: When,
    /// Where it ends.
    pub end: PeriodEnd,
}

/// The second half of a [`Period`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PeriodEnd {
    /// An explicit end.
    At(When),
    /// A length.
    After(Duration),
}

impl Period {
    /// Reads `start/end` or `start/duration`.
    pub fn parse(value: &str, tzid: Option<&str>) -> Result<Self, ValueError> {
        let wrong = || ValueError::Period(excerpt(value));
        let (start, end) = value.split_once('/').ok_or_else(wrong)?;
        let start = When::parse(start, tzid).map_err(|_| wrong())?;
        let end = if end.trim_start().starts_with(['P', 'p', '+', '-']) {
            PeriodEnd::After(Duration::parse(end).map_err(|_| wrong())?)
        } else {
            PeriodEnd::At(When::parse(end, tzid).map_err(|_| wrong())?)
        };
        Ok(Self { start, end })
    }

    /// All values of FREEBUSY or of an RDATE of periods.
    pub fn list_of(property: &Property) -> Result<Vec<Self>, ValueError> {
        let tzid = property.param("TZID");
        items(property.value())?.map(|item| Self::parse(item, tzid.as_deref())).collect()
    }
}

/// Reads a UTC-OFFSET such as `+0200`, `-0330` or `+005328`: seconds east of UTC, less than a day.
/// A missing sign is read as plus.
pub fn utc_offset(value: &str) -> Result<i32, ValueError> {
    let wrong = || ValueError::Offset(excerpt(value));
    let text = value.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !matches!(digits.len(), 4 | 6) {
        return Err(wrong());
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), number).and_then(|n| i32::try_from(n).ok());
    let (Some(hours), Some(minutes), Some(seconds)) = (part(0), part(2), part(4)) else { return Err(wrong()) };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return Err(wrong());
    }
    let offset = hours * 3600 + minutes * 60 + seconds;
    Ok(if negative { -offset } else { offset })
}

/// Writes a UTC-OFFSET: seconds east of UTC.
pub fn utc_offset_value(seconds: i32) -> String {
    let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let (hours, minutes, rest) = (size / 3600, size / 60 % 60, size % 60);
    if rest == 0 { format!("{sign}{hours:02}{minutes:02}") } else { format!("{sign}{hours:02}{minutes:02}{rest:02}") }
}

/// Reads an INTEGER such as PRIORITY or SEQUENCE; `05` and `+5` are five.
pub fn integer(value: &str) -> Result<i64, ValueError> {
    value.trim().parse().map_err(|_| ValueError::Integer(excerpt(value)))
}

/// The values STATUS may have in a component of that name (RFC 5545 3.8.1.11); none for those that have no STATUS.
pub fn statuses(component: &str) -> &'static [&'static str] {
    match component.to_ascii_uppercase().as_str() {
        "VEVENT" => &["TENTATIVE", "CONFIRMED", "CANCELLED"],
        "VTODO" => &["NEEDS-ACTION", "COMPLETED", "IN-PROCESS", "CANCELLED"],
        "VJOURNAL" => &["DRAFT", "FINAL", "CANCELLED"],
        _ => &[],
    }
}

/// The values of TRANSP (RFC 5545 3.8.2.7).
pub const TRANSPARENCIES: [&str; 2] = ["OPAQUE", "TRANSPARENT"];

/// A CAL-ADDRESS: who is meant by ORGANIZER or ATTENDEE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CalAddress(String);

impl CalAddress {
    /// Takes any URI. Scheme and address of a `mailto:` are compared without regard to case, as mail servers do.
    pub fn new(value: &str) -> Self {
        let value = value.trim();
        Self(match email_in(value) {
            Some(email) => format!("mailto:{}", email.to_lowercase()),
            None => value.to_owned(),
        })
    }

    /// The URI, with a `mailto:` in lower case.
    pub fn uri(&self) -> &str {
        &self.0
    }

    /// The mail address, in lower case, if it is one.
    pub fn email(&self) -> Option<&str> {
        email_in(&self.0)
    }
}

fn email_in(uri: &str) -> Option<&str> {
    let (scheme, address) = uri.split_once(':')?;
    scheme.eq_ignore_ascii_case("mailto").then(|| address.split_once('?').map_or(address, |(email, _)| email).trim())
}

/// The comma list of a value without text, bounded; none for an empty value.
fn items(value: &str) -> Result<impl Iterator<Item = &str>, ValueError> {
    if value.bytes().filter(|b| *b == b',').count() >= LIST_ITEMS_MAX {
        return Err(ValueError::TooMany);
    }
    Ok(value.split(',').map(str::trim).filter(|item| !item.is_empty()))
}

fn parse_date(text: &str) -> Option<Date> {
    if text.len() != 8 {
        return None;
    }
    let year = number(text.get(0..4)?)?;
    let month = number(text.get(4..6)?)?;
    let day = number(text.get(6..8)?)?;
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// `HHMMSS` on a day. A leap second is the second before it; 24:00:00 is the next midnight.
fn parse_time(date: Date, text: &str) -> Option<DateTime> {
    if text.len() != 6 {
        return None;
    }
    let hour = number(text.get(0..2)?)?;
    let minute = number(text.get(2..4)?)?;
    let second = number(text.get(4..6)?)?;
    if (hour, minute, second) == (24, 0, 0) {
        return Some(date.tomorrow().ok()?.to_datetime(Time::midnight()));
    }
    let second = if second == 60 { 59 } else { second };
    let time = Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, i8::try_from(second).ok()?, 0).ok()?;
    Some(date.to_datetime(time))
}

/// A non-empty run of ASCII digits.
pub(super) fn number(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The beginning of a value, for a message.
pub(super) fn excerpt(value: &str) -> String {
    value.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_all_their_forms() {
        for (value, tzid, written) in [
            ("20260228", None, Some("DTSTART;VALUE=DATE:20260228")),
            ("20131210Z", Some("Etc/GMT"), Some("DTSTART;VALUE=DATE:20131210")),
            ("20260101T100000", None, Some("DTSTART:20260101T100000")),
            ("20260101T100000", Some(""), Some("DTSTART:20260101T100000")),
            ("20260101t100000z", Some("Europe/Berlin"), Some("DTSTART:20260101T100000Z")),
            (" 20260101T100000 ", Some("Europe/Berlin"), Some("DTSTART;TZID=Europe/Berlin:20260101T100000")),
            ("20260101T100000", Some("A: \"b\""), Some("DTSTART;TZID=\"A: ^'b^'\":20260101T100000")),
            ("20261231T235960Z", None, Some("DTSTART:20261231T235959Z")),
            ("20261231T240000", None, Some("DTSTART:20270101T000000")),
            ("20260229", None, None),
            ("20260101T240001", None, None),
            ("20260101T1000", None, None),
            ("2026-01-01", None, None),
            ("20260101T", None, None),
            ("99991231T240000", None, None),
            ("", None, None),
            ("２０２６0101", None, None),
            ("+2260101", None, None),
        ] {
            let read = When::parse(value, tzid).map(|when| when.to_property("DTSTART").unfolded().to_owned());
            assert_eq!(read.ok().as_deref(), written, "{value:?} {tzid:?}");
        }
    }

    #[test]
    fn periods_end_at_a_time_or_after_a_while() {
        let start = When::parse("20260101T100000Z", None).unwrap();
        let end = PeriodEnd::At(When::parse("20260101T120000Z", None).unwrap());
        let period = Period::parse("20260101T100000Z/20260101T120000Z", None);
        assert_eq!(period, Ok(Period { start: start.clone(), end }));
        let after = PeriodEnd::After(Duration { days: 0, seconds: 3600 });
        assert_eq!(Period::parse("20260101T100000Z/PT1H", None), Ok(Period { start, end: after }));
        for value in ["20260101T100000Z", "/PT1H", "20260101T100000Z/", "PT1H/20260101T100000Z"] {
            assert!(Period::parse(value, None).is_err(), "{value:?}");
        }
    }

    #[test]
    fn offsets_may_have_seconds() {
        for (value, expected) in [
            ("+0200", Some(7200)),
            ("-0330", Some(-12600)),
            ("+005328", Some(3208)),
            ("-0000", Some(0)),
            ("0100", Some(3600)),
            ("+2400", None),
            ("+0160", None),
            ("+02", None),
            ("+02:00", None),
            ("+0é00", None),
        ] {
            assert_eq!(utc_offset(value).ok(), expected, "{value:?}");
        }
    }

    #[test]
    fn mail_addresses_compare_without_case() {
        assert_eq!(CalAddress::new("MAILTO:Ada@Example.org"), CalAddress::new("mailto:ada@example.ORG "));
        assert_eq!(CalAddress::new("mailto:ada@example.org?subject=x").email(), Some("ada@example.org"));
        assert_eq!(CalAddress::new("urn:uuid:1").email(), None);
    }

    #[test]
    fn lists_are_bounded_and_forgive_empty_items() {
        let read = |value: &str| When::list_of(&Property::new("EXDATE", value));
        assert_eq!(read("").unwrap(), []);
        assert_eq!(read("20260101,,20260102,").unwrap().len(), 2);
        assert_eq!(read("20260101,x").unwrap_err(), ValueError::Date("x".into()));
        assert_eq!(read(&",".repeat(LIST_ITEMS_MAX)).unwrap_err(), ValueError::TooMany);
    }

    #[test]
    fn integers_may_have_leading_zeros() {
        assert_eq!((integer(" 05"), integer("+5"), integer("-1")), (Ok(5), Ok(5), Ok(-1)));
        assert!(integer("").is_err() && integer("5.0").is_err() && integer("99999999999999999999").is_err());
    }
}
