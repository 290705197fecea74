//! Which zone a TZID is known by.
//!
//! RFC 5545 leaves TZIDs to whoever writes them; in practice nearly all name an IANA zone in some disguise. A known name
//! wins over the VTIMEZONE beside it, because clients ship stale ones. A mere guess loses against it.

use jiff::tz::Offset;

use super::{Zone, database, windows};

/// Names that are neither IANA's nor Windows's and are unmistakable.
const ALIASES: &[(&str, &str)] = &[
    ("tzone://Microsoft/Utc", "UTC"),
    ("Z", "UTC"),
    ("Coordinated Universal Time", "UTC"),
    ("US-Eastern", "America/New_York"),
    ("US-Central", "America/Chicago"),
    ("US-Mountain", "America/Denver"),
    ("US-Pacific", "America/Los_Angeles"),
    ("US/Pacific-New", "America/Los_Angeles"),
    ("Asia/Beijing", "Asia/Shanghai"),
    // As Lotus Notes has it.
    ("Western/Central Europe", "Europe/Berlin"),
    // Names that Windows has given up.
    ("Armenian Standard Time", "Asia/Yerevan"),
    ("Kamchatka Standard Time", "Asia/Kamchatka"),
    ("Mexico Standard Time", "America/Mexico_City"),
    ("Mexico Standard Time 2", "America/Chihuahua"),
    ("Mid-Atlantic Standard Time", "Atlantic/South_Georgia"),
];

/// No zone name is longer; what is longer is not looked at.
const NAME_BYTES_MAX: usize = 200;

/// Furthest from UTC that a clock was ever set, with room: beyond it an offset is a misreading.
const OFFSET_S_MAX: i32 = 18 * 3600;

/// Exactly a name of the database, in any case.
pub(super) fn iana(name: &str) -> Option<Zone> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    if name.eq_ignore_ascii_case("UTC") || name.eq_ignore_ascii_case("Etc/UTC") {
        return Some(Zone::Utc);
    }
    let zone = database().get(name).ok()?;
    // "Factory" and "Etc/Unknown" say that nobody has set a zone.
    (!zone.is_unknown() && zone.iana_name() != Some("Factory")).then_some(Zone::Iana(zone))
}

/// An IANA name, with whatever a client puts around it.
pub(super) fn located(tzid: &str) -> Option<Zone> {
    let name = bare(tzid)?;
    iana(name)
        .or_else(|| prefixed(name))
        .or_else(|| name.contains('/').then(|| iana(&name.replace(' ', "_"))).flatten())
}

/// Another name that leaves no doubt: one of Windows, or an alias.
pub(super) fn renamed(tzid: &str) -> Option<Zone> {
    let name = bare(tzid)?;
    windows::windows_to_iana(name)
        .and_then(iana)
        .or_else(|| alias(name))
        .or_else(|| windows::displayed(without_offset(name)?).and_then(iana))
}

/// A name whose meaning is likely, for want of a definition.
pub(super) fn guessed(tzid: &str) -> Option<Zone> {
    let name = bare(tzid)?;
    windows::displayed(name).and_then(iana).or_else(|| offset(name).map(Zone::Fixed))
}

/// Without quotes and blanks around it.
fn bare(tzid: &str) -> Option<&str> {
    let name = tzid.trim().trim_matches(['"', '\'']).trim();
    (!name.is_empty() && name.len() <= NAME_BYTES_MAX).then_some(name)
}

/// `/freeassociation.sourceforge.net/Tzfile/Europe/Berlin`, `/mozilla.org/20070129_1/Europe/Berlin` and the like: the
/// longest tail that is a zone. One with a slash, so that `/somewhere/Japan` is left to its definition.
fn prefixed(name: &str) -> Option<Zone> {
    let mut tail = name.strip_prefix('/')?;
    loop {
        if let Some(zone) = (tail.contains('/') || tail.eq_ignore_ascii_case("UTC")).then(|| iana(tail)).flatten() {
            return Some(zone);
        }
        tail = tail.split_once('/')?.1;
    }
}

fn alias(name: &str) -> Option<Zone> {
    let (_, zone) = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name))?;
    iana(zone)
}

/// `Amsterdam, Berlin, …` of `(UTC+01:00) Amsterdam, Berlin, …`, also with `GMT` and a dot.
fn without_offset(name: &str) -> Option<&str> {
    let (bracketed, rest) = name.strip_prefix('(')?.split_once(')')?;
    let digits = strip_prefix_any_case(bracketed, "UTC").or_else(|| strip_prefix_any_case(bracketed, "GMT"))?;
    (digits.is_empty() || clock_offset(digits).is_some()).then(|| rest.trim())
}

/// `GMT+0200`, `UTC-3:30`, `+02:00`, `(UTC+02:00)`, `UTC`: a fixed offset, east positive as people write it.
fn offset(name: &str) -> Option<Offset> {
    let name = name.strip_prefix('(').and_then(|name| name.strip_suffix(')')).unwrap_or(name);
    match strip_prefix_any_case(name, "UTC").or_else(|| strip_prefix_any_case(name, "GMT")) {
        Some("") => Some(Offset::UTC),
        Some(rest) => clock_offset(rest.trim_start()),
        None => (name.len() >= "+02".len()).then(|| clock_offset(name)).flatten(),
    }
}

/// A sign, then hours with or without minutes, with or without `:` or `.` between them.
fn clock_offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = match digits.split_once([':', '.']) {
        Some((hours, minutes)) if minutes.len() == 2 => (hours, minutes),
        Some(_) => return None,
        None if digits.len() > 2 => digits.split_at_checked(digits.len() - 2)?,
        None => (digits, "0"),
    };
    let number = |text: &str| {
        let plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse::<i32>().ok()).flatten()
    };
    let seconds = number(hours)? * 3600 + number(minutes).filter(|m| *m < 60)? * 60;
    (seconds <= OFFSET_S_MAX).then(|| Offset::from_seconds(sign * seconds).ok()).flatten()
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(tzid: &str) -> String {
        match Zone::named(tzid) {
            Some(Zone::Fixed(offset)) => offset.to_string(),
            Some(zone) => zone.iana_name().unwrap_or("?").to_owned(),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn a_tzid_in_disguise_is_recognised() {
        for (tzid, zone) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("europe/BERLIN", "Europe/Berlin"),
            ("\"Europe/Berlin\"", "Europe/Berlin"),
            (" Europe/Berlin ", "Europe/Berlin"),
            ("America/New York", "America/New_York"),
            ("/freeassociation.sourceforge.net/Europe/Berlin", "Europe/Berlin"),
            ("/freeassociation.sourceforge.net/Tzfile/Europe/Berlin", "Europe/Berlin"),
            ("/mozilla.org/20070129_1/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
            ("/Europe/Stockholm", "Europe/Stockholm"),
            ("/citadel.org/20190914_1/Europe/Vienna", "Europe/Vienna"),
            ("/softwarestudio.org/Olson_20011030_5/America/Chicago", "America/Chicago"),
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("w. europe standard time", "Europe/Berlin"),
            ("British Columbia Standard Time", "America/Vancouver"),
            ("Pacific Daylight Time", "America/Los_Angeles"),
            ("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "Europe/Berlin"),
            ("(GMT-05.00) Eastern Time (US & Canada)", "America/New_York"),
            ("Eastern Time (US & Canada)", "America/New_York"),
            ("(UTC) Coordinated Universal Time", "UTC"),
            ("tzone://Microsoft/Utc", "UTC"),
            ("US-Eastern", "America/New_York"),
            ("Western/Central Europe", "Europe/Berlin"),
            ("utc", "UTC"),
            ("GMT+0200", "+02"),
            ("GMT-5", "-05"),
            ("UTC+05:30", "+05:30"),
            ("UTC-3.30", "-03:30"),
            ("+02:00", "+02"),
            ("(UTC+02:00)", "+02"),
            // POSIX turns the sign around in the names that IANA took over.
            ("Etc/GMT+5", "Etc/GMT+5"),
            ("GMT", "GMT"),
            ("UTC+12", "Etc/GMT-12"),
        ] {
            assert_eq!(found(tzid), zone, "{tzid}");
        }
    }

    #[test]
    fn what_names_no_zone_is_not_guessed() {
        for tzid in [
            "",
            "Customized Time Zone",
            "Shared/Zone",
            "/somewhere/Japan",
            "Factory",
            "Etc/Unknown",
            "GMT+25",
            "GMT+0260",
            "GMT+",
            "+",
            "+2",
            "UTC+1:5",
            "é",
            "(UTCé",
            "2026",
        ] {
            assert_eq!(found(tzid), "none", "{tzid}");
        }
        assert_eq!(found(&"a/".repeat(5_000)), "none");
    }

    proptest! {
        #[test]
        fn any_tzid_is_answered(tzid in "\\PC{0,40}", offset in "(\\(?UTC|gmt|/)?[+-]?[0-9:.é]{0,7}\\)?") {
            let _ = Zone::named(&tzid);
            let _ = Zone::named(&offset);
        }
    }
}
