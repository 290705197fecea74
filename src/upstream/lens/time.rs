//! Google's times: `{"date"}` or `{"dateTime", "timeZone"}`, and the times of a calendar object.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use serde_json::{Value, json};

use crate::ics::When;
use crate::ics::zone::Zone;

/// A time as both sides can say it: equal where both mean the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum At {
    /// A whole day.
    Day(Date),
    /// An instant, seen in an IANA zone.
    Time {
        /// The instant.
        at: Timestamp,
        /// The zone's name; `UTC` where there is none.
        zone: String,
    },
}

impl At {
    /// What an EventDateTime says; `zone` is the calendar's.
    pub(in crate::upstream) fn of_json(value: &Value, zone: &str) -> Option<At> {
        if let Some(date) = value.get("date") {
            return Some(At::Day(date.as_str()?.parse().ok()?));
        }
        let text = value.get("dateTime")?.as_str()?;
        let named = value.get("timeZone").and_then(Value::as_str);
        let name = named.filter(|name| Zone::iana(name).is_some()).unwrap_or(zone);
        let at = match text.parse::<Timestamp>() {
            Ok(at) => at,
            // Without an offset it is the wall clock of its zone.
            Err(_) => zone_of(name).instant(text.parse::<DateTime>().ok()?),
        };
        // Google keeps whole seconds.
        let at = Timestamp::from_second(at.as_second()).ok()?;
        let zone = if matches!(zone_of(name), Zone::Utc) { "UTC" } else { name };
        Some(At::Time { at, zone: zone.to_owned() })
    }

    /// What an object's time says; a floating one is of the calendar's zone. The zone is resolved already; what the
    /// database does not know is told in UTC.
    pub(in crate::upstream) fn of_when(when: &When, resolved: &Zone, calendar_zone: &str) -> At {
        let local = when.local();
        match when {
            When::Date(date) => At::Day(*date),
            When::Utc(_) => At::Time { at: Zone::Utc.instant(local), zone: "UTC".to_owned() },
            When::Floating(_) | When::Zoned { .. } => match resolved {
                Zone::Floating => {
                    At::Time { at: zone_of(calendar_zone).instant(local), zone: calendar_zone.to_owned() }
                }
                other => At::Time { at: other.instant(local), zone: name_of(other).unwrap_or("UTC".to_owned()) },
            },
        }
    }

    /// As an EventDateTime.
    pub(in crate::upstream) fn to_json(&self) -> Value {
        match self {
            At::Day(date) => json!({ "date": date.strftime("%Y-%m-%d").to_string() }),
            At::Time { at, zone } => {
                let offset = zone_of(zone).offset(*at);
                let local = offset.to_datetime(*at);
                let text = if offset == Offset::UTC {
                    local.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
                } else {
                    let seconds = offset.seconds();
                    let sign = if seconds < 0 { '-' } else { '+' };
                    let size = seconds.unsigned_abs();
                    // Offsets with seconds are of another century; RFC 3339 has no place for them.
                    if !size.is_multiple_of(60) {
                        Offset::UTC.to_datetime(*at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
                    } else {
                        let wall = local.strftime("%Y-%m-%dT%H:%M:%S");
                        format!("{wall}{sign}{:02}:{:02}", size / 3600, size / 60 % 60)
                    }
                };
                json!({ "dateTime": text, "timeZone": zone })
            }
        }
    }

    /// As a time of an object.
    pub(in crate::upstream) fn to_when(&self) -> When {
        match self {
            At::Day(date) => When::Date(*date),
            At::Time { at, zone } if zone == "UTC" => When::Utc(Zone::Utc.local(*at)),
            At::Time { at, zone } => {
                let resolved = zone_of(zone);
                let local = resolved.local(*at);
                if resolved.instant(local) == *at {
                    When::Zoned { local, tzid: zone.clone() }
                } else {
                    // The second of two equal wall clocks, which iCalendar cannot name in a zone.
                    When::Utc(Zone::Utc.local(*at))
                }
            }
        }
    }

    /// As the key of a slot.
    pub(in crate::upstream) fn key(&self) -> String {
        match self {
            At::Day(date) => date.strftime("%Y%m%d").to_string(),
            At::Time { at, .. } => Offset::UTC.to_datetime(*at).strftime("%Y%m%dT%H%M%SZ").to_string(),
        }
    }

    /// The slot of a key.
    pub(in crate::upstream) fn of_key(key: &str, zone: &str) -> Option<At> {
        match When::parse(key, None).ok()? {
            When::Date(date) => Some(At::Day(date)),
            When::Utc(local) => Some(At::Time { at: Zone::Utc.instant(local), zone: zone.to_owned() }),
            When::Floating(_) | When::Zoned { .. } => None,
        }
    }

    /// The same moment, whatever zone it is seen in.
    pub(in crate::upstream) fn same_moment(&self, other: &At) -> bool {
        match (self, other) {
            (At::Day(a), At::Day(b)) => a == b,
            (At::Time { at: a, .. }, At::Time { at: b, .. }) => a == b,
            (At::Day(_), At::Time { .. }) | (At::Time { .. }, At::Day(_)) => false,
        }
    }

    pub(in crate::upstream) fn zone(&self) -> Option<&str> {
        match self {
            At::Day(_) => None,
            At::Time { zone, .. } => Some(zone),
        }
    }

    pub(in crate::upstream) fn is_day(&self) -> bool {
        matches!(self, At::Day(_))
    }
}

/// The key of the slot that an `originalStartTime` names.
pub(in crate::upstream) fn key_of(value: &Value) -> Option<String> {
    At::of_json(value, "UTC").map(|at| at.key())
}

/// A zone by its IANA name; UTC for what is none, which was checked where it came in.
pub(in crate::upstream) fn zone_of(name: &str) -> Zone {
    Zone::iana(name).unwrap_or(Zone::Utc)
}

/// The name that Google knows a zone by: of the database, or for a fixed distance of whole hours.
pub(in crate::upstream) fn name_of(zone: &Zone) -> Option<String> {
    match zone {
        Zone::Fixed(offset) if offset.seconds() == 0 => Some("UTC".to_owned()),
        Zone::Fixed(offset) if offset.seconds() % 3600 == 0 => {
            // These names count westwards.
            let name = format!("Etc/GMT{:+}", -(offset.seconds() / 3600));
            Zone::iana(&name).is_some().then_some(name)
        }
        other => other.iana_name().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> String {
        At::of_json(&value, "Europe/Berlin")
            .map_or("none".into(), |at| at.to_when().to_property("DTSTART").unfolded().to_owned())
    }

    #[test]
    fn googles_times_are_read_in_their_zone() {
        for (value, line) in [
            (json!({ "date": "2026-12-31" }), "DTSTART;VALUE=DATE:20261231"),
            (
                json!({ "dateTime": "2026-07-01T18:00:00+02:00", "timeZone": "America/Los_Angeles" }),
                "DTSTART;TZID=America/Los_Angeles:20260701T090000",
            ),
            (json!({ "dateTime": "2026-07-01T18:00:00+02:00" }), "DTSTART;TZID=Europe/Berlin:20260701T180000"),
            (json!({ "dateTime": "2026-07-01T18:00:00Z", "timeZone": "UTC" }), "DTSTART:20260701T180000Z"),
            (
                json!({ "dateTime": "2026-07-01T18:00:00", "timeZone": "Asia/Tokyo" }),
                "DTSTART;TZID=Asia/Tokyo:20260701T180000",
            ),
            (
                json!({ "dateTime": "2026-07-01T18:00:00.123Z", "timeZone": "Nowhere/Else" }),
                "DTSTART;TZID=Europe/Berlin:20260701T200000",
            ),
            // 2:30 comes twice: the first is said in the zone, the second cannot be.
            (
                json!({ "dateTime": "2026-10-25T02:30:00+02:00", "timeZone": "Europe/Berlin" }),
                "DTSTART;TZID=Europe/Berlin:20261025T023000",
            ),
            (
                json!({ "dateTime": "2026-10-25T02:30:00+01:00", "timeZone": "Europe/Berlin" }),
                "DTSTART:20261025T013000Z",
            ),
            (json!({ "dateTime": 5 }), "none"),
            (json!({}), "none"),
            (json!(null), "none"),
        ] {
            assert_eq!(read(value.clone()), line, "{value}");
        }
    }

    #[test]
    fn times_are_written_with_offset_and_zone() {
        for (at, zone, written) in [
            ("2026-07-01T16:00:00Z", "America/Los_Angeles", "2026-07-01T09:00:00-07:00"),
            ("2026-12-01T17:00:00Z", "America/Los_Angeles", "2026-12-01T09:00:00-08:00"),
            ("2026-12-01T17:00:00Z", "Asia/Kolkata", "2026-12-01T22:30:00+05:30"),
            ("2026-12-01T17:00:00Z", "UTC", "2026-12-01T17:00:00Z"),
            ("1900-01-01T00:00:00Z", "Europe/Amsterdam", "1900-01-01T00:00:00Z"),
        ] {
            let at = At::Time { at: at.parse().expect("an instant"), zone: zone.into() };
            assert_eq!(at.to_json()["timeZone"], zone);
            assert_eq!(At::of_json(&at.to_json(), "UTC"), Some(at.clone()));
            if !written.starts_with("1900") {
                assert_eq!(at.to_json()["dateTime"], written);
            }
        }
    }

    #[test]
    fn fixed_distances_have_a_name_where_they_are_whole_hours() {
        let fixed = |seconds| Zone::Fixed(Offset::from_seconds(seconds).expect("an offset"));
        assert_eq!(name_of(&fixed(7200)).as_deref(), Some("Etc/GMT-2"));
        assert_eq!(name_of(&fixed(-3600)).as_deref(), Some("Etc/GMT+1"));
        assert_eq!(name_of(&fixed(0)).as_deref(), Some("UTC"));
        assert_eq!(name_of(&fixed(5400)), None);
    }
}
