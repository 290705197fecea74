//! Time zones by the names that the service knows: Windows' own, and some of the tz database.

use jiff::tz::TimeZone;

use super::zone_table::ZONES;

/// Newer spellings beside those of the table.
const NEWER: &[&str] = &[
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Yangon",
    "Europe/Kyiv",
    "America/Nuuk",
    "America/Argentina/Buenos_Aires",
    "America/Indiana/Indianapolis",
    "Asia/Ho_Chi_Minh",
];

/// The zone of that name, as far as the service knows it. `all`: every name of the tz database is known.
pub(crate) fn zone(name: &str, all: bool) -> Option<TimeZone> {
    if let Some((_, iana)) = ZONES.iter().find(|(windows, _)| windows.eq_ignore_ascii_case(name)) {
        return TimeZone::get(iana).ok();
    }
    let known = name == "UTC"
        || name.starts_with("Etc/GMT")
        || NEWER.contains(&name)
        || ZONES.iter().any(|(_, iana)| *iana == name)
        || all && name.contains('/');
    if known { TimeZone::get(name).ok() } else { None }
}

/// The zone of a name that was checked when it came in.
pub(crate) fn known(name: &str) -> TimeZone {
    zone(name, true).unwrap_or(TimeZone::UTC)
}

/// Windows' name for a zone, where there is one.
pub(crate) fn windows_name(name: &str) -> Option<&'static str> {
    let same = |windows: &str, iana: &str| windows.eq_ignore_ascii_case(name) || iana == name;
    ZONES.iter().find(|(windows, iana)| same(windows, iana)).map(|(windows, _)| *windows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_names_are_known_and_others_are_not() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(zone("W. Europe Standard Time", false), Some(berlin.clone()));
        assert_eq!(zone("Europe/Berlin", false), Some(berlin));
        for name in ["Europe/Zurich", "Mars/Olympus", "", "Customized Time Zone", "tzone://Microsoft/Custom"] {
            assert_eq!(zone(name, false), None, "{name}");
        }
        assert!(zone("Europe/Zurich", true).is_some());
        assert_eq!(windows_name("Europe/Paris"), Some("Romance Standard Time"));
        assert_eq!(windows_name("Europe/Zurich"), None);
    }

    #[test]
    fn every_name_of_the_table_is_a_zone() {
        assert!(ZONES.iter().all(|(windows, _)| zone(windows, false).is_some()));
    }
}
