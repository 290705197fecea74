//! A start or an end: Graph's dateTimeTimeZone.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde_json::{Value, json};

use super::{
    refusal::Refusal,
    zones::{known, zone},
};

pub(crate) const DAY_MS: i64 = 86_400_000;
pub(crate) const MINUTE_MS: i64 = 60_000;

/// What a clock on a wall shows, and where the wall is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) wall: DateTime,
    pub(crate) zone: String,
}

impl Moment {
    /// Reads a dateTimeTimeZone.
    pub(crate) fn read(name: &'static str, value: &Value, all_zones: bool) -> Result<Self, Refusal> {
        let text = |part: &str| value.get(part).and_then(Value::as_str);
        let time = text("dateTime").ok_or_else(|| {
            Refusal::property(format!("At least one property failed validation. Property: {name}.DateTime"))
        })?;
        let wall: DateTime = time
            .parse()
            .ok()
            .filter(|wall: &DateTime| (1601..=4500).contains(&wall.year()))
            .ok_or_else(|| Refusal::property(format!("The value '{time}' of {name}.DateTime is not valid.")))?;
        let zone_name = text("timeZone").unwrap_or("UTC");
        if zone(zone_name, all_zones).is_none() {
            return Err(Refusal::time_zone(zone_name));
        }
        // Whole seconds: the service keeps no more of a start.
        let wall = wall.with().subsec_nanosecond(0).build().unwrap_or(wall);
        Ok(Self { wall, zone: zone_name.to_owned() })
    }

    /// The instant.
    pub(crate) fn ms(&self) -> i64 {
        wall_ms(self.wall, &known(&self.zone))
    }

    /// What the wall shows elsewhere.
    pub(crate) fn wall_in(&self, zone: &TimeZone) -> DateTime {
        instant(self.ms()).to_zoned(zone.clone()).datetime()
    }

    /// The object, in another zone under that zone's name; days stay days.
    pub(crate) fn write(&self, zone_name: &str, zone: &TimeZone, all_day: bool) -> Value {
        let wall = if all_day { self.wall } else { self.wall_in(zone) };
        json!({ "dateTime": format!("{}.0000000", wall.strftime("%Y-%m-%dT%H:%M:%S")), "timeZone": zone_name })
    }

    pub(crate) fn is_midnight(&self) -> bool {
        self.wall.time() == jiff::civil::Time::midnight()
    }

    pub(crate) fn plus_ms(&self, by: i64) -> Self {
        let span = jiff::SignedDuration::from_millis(by);
        Self { wall: self.wall.saturating_add(span), zone: self.zone.clone() }
    }
}

/// The instant at which the zone's clock shows this; the earlier one when it shows it twice, and the moment after a gap.
pub(crate) fn wall_ms(wall: DateTime, zone: &TimeZone) -> i64 {
    zone.to_ambiguous_timestamp(wall).compatible().map_or(0, |at| at.as_millisecond())
}

/// The instant, within what the calendar can name.
pub(crate) fn instant(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// A DateTimeOffset: UTC with seven digits, as `createdDateTime` has it.
pub(crate) fn stamp(ms: i64) -> String {
    let text = instant(ms).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    format!("{text}.{:03}0000Z", ms.rem_euclid(1000))
}

/// An instant of a query: ISO 8601, UTC where no offset is named.
pub(crate) fn query_ms(text: &str) -> Option<i64> {
    // A plus of an offset that nobody escaped comes as a blank.
    let text = text.trim().replace(' ', "+");
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => {
            let wall: DateTime = text.parse().or_else(|_| text.parse::<Date>().map(|day| day.at(0, 0, 0, 0))).ok()?;
            TimeZone::UTC.to_timestamp(wall).ok()?
        }
    };
    Some(at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_where_it_is_asked_for_and_a_day_everywhere_the_same() {
        let nine = json!({ "dateTime": "2026-03-10T09:00:00.1234567", "timeZone": "Pacific Standard Time" });
        let nine = Moment::read("Event.Start", &nine, false).unwrap();
        let utc = json!({ "dateTime": "2026-03-10T16:00:00.0000000", "timeZone": "UTC" });
        assert_eq!(nine.write("UTC", &TimeZone::UTC, false), utc);
        let day = Moment { wall: "2026-03-10T00:00".parse().unwrap(), zone: "Europe/Berlin".into() };
        assert_eq!(day.write("UTC", &TimeZone::UTC, true)["dateTime"], "2026-03-10T00:00:00.0000000");
    }

    #[test]
    fn nonsense_is_refused() {
        for value in [
            json!({}),
            json!({ "dateTime": "tomorrow" }),
            json!({ "dateTime": "2026-03-10T09:00:00Z", "timeZone": "UTC" }),
            json!({ "dateTime": "2026-03-10T09:00:00", "timeZone": "Mars" }),
        ] {
            assert_eq!(Moment::read("Event.Start", &value, false).unwrap_err().status, 400, "{value}");
        }
    }

    #[test]
    fn a_query_has_utc_where_no_offset_is_named() {
        assert_eq!(query_ms("2026-03-10T00:00:00"), query_ms("2026-03-10T01:00:00+01:00"));
        assert_eq!(query_ms("2026-03-10"), query_ms("2026-03-10T00:00:00.000Z"));
        assert_eq!(query_ms("soon"), None);
        assert_eq!(stamp(1_800_000_000_007), "2027-01-15T08:00:00.0070000Z");
    }
}
