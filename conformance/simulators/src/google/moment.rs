//! A start or an end: a day, or an instant with the zone it was written in.

use std::sync::Arc;

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// The zone of that name in the bundled database.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// The zone, or UTC: for names that were checked when they came in.
pub(crate) fn zone_or_utc(name: &str) -> TimeZone {
    zone(name).unwrap_or(TimeZone::UTC)
}

/// Google's EventDateTime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Date(Date),
    Time { ms: i64, zone: Arc<str> },
}

impl Moment {
    /// Reads an EventDateTime. `None` where the object names no time at all.
    /// The second value says whether it named its zone.
    pub(crate) fn read(value: &Value, default_zone: &Arc<str>) -> Result<Option<(Self, bool)>, Refusal> {
        let Some(fields) = value.as_object() else {
            return Err(Refusal::parse_error());
        };
        let text = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Refusal::parse_error()),
        };
        let named = match text("timeZone")? {
            Some(name) => {
                zone(name).ok_or_else(|| Refusal::invalid(format!("Invalid time zone definition: {name}.")))?;
                Some(Arc::<str>::from(name))
            }
            None => None,
        };
        match (text("date")?, text("dateTime")?) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Refusal::invalid("Invalid start or end time: date and dateTime are both given.")),
            (Some(date), None) => {
                let date: Date =
                    date.parse().map_err(|_| Refusal::invalid(format!("Invalid value for: date {date}")))?;
                Ok(Some((Self::Date(date), named.is_some())))
            }
            (None, Some(time)) => {
                let ms = match parse_instant(time) {
                    Some(ms) => ms,
                    None => {
                        let wall: DateTime = time.parse().map_err(|_| bad_time(time))?;
                        let Some(name) = &named else {
                            return Err(Refusal::required("Missing time zone definition for start time."));
                        };
                        wall_ms(wall, &zone_or_utc(name)).ok_or_else(|| bad_time(time))?
                    }
                };
                let explicit = named.is_some();
                Ok(Some((Self::Time { ms, zone: named.unwrap_or_else(|| default_zone.clone()) }, explicit)))
            }
        }
    }

    /// The object, its time with the offset of the response's zone.
    pub(crate) fn write(&self, response_zone: &TimeZone) -> Value {
        let mut fields = Map::new();
        match self {
            Self::Date(date) => {
                fields.insert("date".into(), Value::String(date.to_string()));
            }
            Self::Time { ms, zone } => {
                fields.insert("dateTime".into(), Value::String(with_offset(*ms, response_zone)));
                fields.insert("timeZone".into(), Value::String(zone.to_string()));
            }
        }
        Value::Object(fields)
    }

    pub(crate) fn is_date(&self) -> bool {
        matches!(self, Self::Date(_))
    }

    /// The instant; a day begins in the calendar's zone.
    pub(crate) fn ms(&self, calendar_zone: &TimeZone) -> i64 {
        match self {
            Self::Date(date) => wall_ms(date.to_datetime(jiff::civil::Time::midnight()), calendar_zone).unwrap_or(0),
            Self::Time { ms, .. } => *ms,
        }
    }

    /// What the wall clock shows in the moment's own zone.
    pub(crate) fn wall(&self) -> DateTime {
        match self {
            Self::Date(date) => date.to_datetime(jiff::civil::Time::midnight()),
            Self::Time { ms, zone } => instant(*ms).to_zoned(zone_or_utc(zone)).datetime(),
        }
    }

    /// The same kind of moment at another wall time.
    pub(crate) fn at_wall(&self, wall: DateTime) -> Self {
        match self {
            Self::Date(_) => Self::Date(wall.date()),
            Self::Time { zone, .. } => {
                Self::Time { ms: wall_ms(wall, &zone_or_utc(zone)).unwrap_or(0), zone: zone.clone() }
            }
        }
    }

    /// How an instance's id ends: the original start, in UTC or as a day.
    pub(crate) fn suffix(&self) -> String {
        match self {
            Self::Date(date) => date.strftime("%Y%m%d").to_string(),
            Self::Time { ms, .. } => instant(*ms).strftime("%Y%m%dT%H%M%SZ").to_string(),
        }
    }

    /// How the id of a split-off series ends, after `_R`: the local start.
    pub(crate) fn local_suffix(&self) -> String {
        match self {
            Self::Date(date) => date.strftime("%Y%m%d").to_string(),
            Self::Time { .. } => self.wall().strftime("%Y%m%dT%H%M%S").to_string(),
        }
    }

    /// This moment moved by a whole number of milliseconds (days for dates).
    pub(crate) fn plus_ms(&self, by: i64) -> Self {
        match self {
            Self::Date(date) => {
                let days = by.div_euclid(DAY_MS);
                Self::Date(date.saturating_add(jiff::Span::new().try_days(days).unwrap_or_default()))
            }
            Self::Time { ms, zone } => Self::Time { ms: ms.saturating_add(by), zone: zone.clone() },
        }
    }
}

pub(crate) const DAY_MS: i64 = 86_400_000;

fn bad_time(text: &str) -> Refusal {
    Refusal::invalid(format!("Invalid value for: Invalid format: \"{text}\""))
}

/// The instant of whole seconds, within what the calendar can name.
pub(crate) fn instant(ms: i64) -> Timestamp {
    Timestamp::from_second(ms.div_euclid(1000)).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// Reads RFC 3339 with its offset; sub-seconds are dropped.
pub(crate) fn parse_instant(text: &str) -> Option<i64> {
    let at: Timestamp = text.parse().ok()?;
    // Far years would leave the calendar when shown in another zone.
    let ms = at.as_millisecond().div_euclid(1000).checked_mul(1000)?;
    (-62_000_000_000_000..=253_000_000_000_000).contains(&ms).then_some(ms)
}

/// The instant at which the zone's clock shows this; the earlier one when it shows it twice, and the moment after a gap.
pub(crate) fn wall_ms(wall: DateTime, zone: &TimeZone) -> Option<i64> {
    let at = zone.to_ambiguous_timestamp(wall).compatible().ok()?;
    Some(at.as_millisecond().div_euclid(1000) * 1000)
}

/// RFC 3339 with the zone's offset; `Z` where that is nought.
pub(crate) fn with_offset(ms: i64, zone: &TimeZone) -> String {
    let at = instant(ms).to_zoned(zone.clone());
    let wall = at.datetime();
    let seconds = at.offset().seconds();
    let mut text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        wall.year(),
        wall.month(),
        wall.day(),
        wall.hour(),
        wall.minute(),
        wall.second()
    );
    if seconds == 0 {
        text.push('Z');
    } else {
        let minutes = seconds.abs() / 60;
        let sign = if seconds < 0 { '-' } else { '+' };
        text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
    }
    text
}

/// UTC with milliseconds, as `created` and `updated` have it.
pub(crate) fn utc_ms(ms: i64) -> String {
    let text = with_offset(ms, &TimeZone::UTC);
    format!("{}.{:03}Z", text.trim_end_matches('Z'), ms.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Moment {
        Moment::read(&value, &Arc::from("Europe/Berlin")).unwrap().unwrap().0
    }

    #[test]
    fn a_time_is_shown_with_the_offset_of_the_responses_zone_and_keeps_its_own_zone() {
        let moment = read(json!({ "dateTime": "2026-03-10T09:00:00", "timeZone": "America/Los_Angeles" }));
        assert_eq!(
            moment.write(&zone_or_utc("America/New_York")),
            json!({ "dateTime": "2026-03-10T12:00:00-04:00", "timeZone": "America/Los_Angeles" })
        );
        assert_eq!(moment.suffix(), "20260310T160000Z");
        assert_eq!(moment.local_suffix(), "20260310T090000");
    }

    #[test]
    fn a_wall_time_without_a_zone_is_refused() {
        let zone = Arc::from("UTC");
        assert_eq!(Moment::read(&json!({ "dateTime": "2026-03-10T09:00:00" }), &zone).unwrap_err().reason, "required");
        assert_eq!(Moment::read(&json!({ "dateTime": 7 }), &zone).unwrap_err().reason, "parseError");
        assert_eq!(Moment::read(&json!({}), &zone), Ok(None));
    }

    #[test]
    fn a_day_has_no_zone() {
        let moment = read(json!({ "date": "2026-03-10", "timeZone": "Asia/Tokyo" }));
        assert_eq!(moment.write(&TimeZone::UTC), json!({ "date": "2026-03-10" }));
        assert_eq!(moment.plus_ms(DAY_MS).suffix(), "20260311");
    }

    #[test]
    fn utc_has_milliseconds() {
        assert_eq!(utc_ms(1_800_000_000_007), "2027-01-15T08:00:00.007Z");
    }
}
