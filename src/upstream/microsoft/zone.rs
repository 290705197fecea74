//! Names of time zones: Graph's, which are those of Windows and some of IANA's, and ours.

use crate::ics::zone::{Zone, iana_to_windows, windows_to_iana};

/// Windows names that Unicode's table has no more, for events that were made under them.
const OBSOLETE: [(&str, &str); 2] =
    [("Kamchatka Standard Time", "Asia/Kamchatka"), ("Mid-Atlantic Standard Time", "Etc/GMT+2")];

/// The IANA zone of a name that Graph gave. `None`: nobody knows it, as with zones that somebody drew by hand.
pub(super) fn iana(name: &str) -> Option<String> {
    if Zone::iana(name).is_some() {
        return Some(canonical(name));
    }
    let obsolete = || OBSOLETE.iter().find(|(old, _)| old.eq_ignore_ascii_case(name)).map(|(_, iana)| *iana);
    windows_to_iana(name).or_else(obsolete).map(str::to_owned)
}

/// The one name of all zones that are one to Windows: what a zone is after it went there and came back.
pub(super) fn canonical(name: &str) -> String {
    if matches!(Zone::iana(name), Some(Zone::Utc)) {
        return "UTC".to_owned();
    }
    let there = iana_to_windows(name).and_then(windows_to_iana).unwrap_or(name);
    if there == "Etc/UTC" { "UTC".to_owned() } else { there.to_owned() }
}

/// The name that Graph takes for a zone.
pub(super) fn written(iana: &str) -> &str {
    if iana == "UTC" { iana } else { iana_to_windows(iana).unwrap_or(iana) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_iana_names_are_one() {
        for (name, zone) in [
            ("W. Europe Standard Time", Some("Europe/Berlin")),
            ("Europe/Vienna", Some("Europe/Berlin")),
            ("UTC", Some("UTC")),
            ("UTC+12", Some("Etc/GMT-12")),
            ("Kamchatka Standard Time", Some("Asia/Kamchatka")),
            ("tzone://Microsoft/Custom", None),
            ("Customized Time Zone", None),
            ("", None),
        ] {
            assert_eq!(iana(name).as_deref(), zone, "{name}");
        }
        for (old, new) in [("Europe/Kiev", "Europe/Kyiv"), ("Asia/Calcutta", "Asia/Kolkata")] {
            assert_eq!(iana(old), iana(new));
        }
        assert_eq!(iana("India Standard Time"), iana("Asia/Kolkata"));
        assert_eq!(iana("FLE Standard Time"), iana("Europe/Kyiv"));
    }

    #[test]
    fn a_zone_that_went_there_stays_what_it_is() {
        let mut seen = 0;
        for name in crate::ics::zone::iana_names() {
            let there = canonical(&name);
            assert_eq!(iana(written(&there)).as_deref(), Some(there.as_str()), "{name}");
            assert_eq!(canonical(&there), there, "{name}");
            seen += 1;
        }
        assert!(seen > 400);
    }
}
