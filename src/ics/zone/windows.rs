//! Windows zone names, by Unicode's table in `windows_zones.txt`.

use std::collections::HashMap;
use std::sync::OnceLock;

/// The table, by its columns. Keys are in lower case.
struct Table {
    by_name: HashMap<String, &'static str>,
    by_display: HashMap<String, &'static str>,
    by_iana: HashMap<String, &'static str>,
}

/// The IANA zone of a Windows name such as `W. Europe Standard Time`, in any case. The name of its summer half
/// (`… Daylight Time`), which some exporters write, means the same zone.
#[must_use]
pub fn windows_to_iana(name: &str) -> Option<&'static str> {
    let name = name.trim().to_ascii_lowercase();
    let by_name = &table().by_name;
    by_name.get(&name).or_else(|| by_name.get(&name.replace(" daylight time", " standard time"))).copied()
}

/// The Windows name of an IANA zone, old spellings included. `None` where Windows has no such zone.
#[must_use]
pub fn iana_to_windows(name: &str) -> Option<&'static str> {
    table().by_iana.get(&name.trim().to_ascii_lowercase()).copied()
}

/// The IANA zone of what Windows shows for a zone, without the offset in front.
pub(super) fn displayed(text: &str) -> Option<&'static str> {
    table().by_display.get(&text.replace('\\', "").to_ascii_lowercase()).copied()
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table { by_name: HashMap::new(), by_display: HashMap::new(), by_iana: HashMap::new() };
        for line in include_str!("windows_zones.txt").lines().filter(|line| !line.starts_with('#')) {
            let mut columns = line.split('|');
            let (Some(name), Some(display), Some(iana)) = (columns.next(), columns.next(), columns.next()) else {
                continue;
            };
            table.by_name.insert(name.to_ascii_lowercase(), iana);
            table.by_display.insert(display.to_ascii_lowercase(), iana);
            for zone in columns.next().unwrap_or_default().split(' ').chain([iana]) {
                table.by_iana.insert(zone.to_ascii_lowercase(), name);
            }
        }
        table
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Zone, iana_names};
    use super::*;

    #[test]
    fn every_row_has_its_columns_and_a_zone_of_the_database() {
        let rows: Vec<&str> = include_str!("windows_zones.txt").lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!((rows.len(), table().by_name.len(), table().by_display.len()), (142, 142, 142));
        for row in rows {
            let columns: Vec<&str> = row.split('|').collect();
            let [name, display, iana, ..] = columns.as_slice() else { panic!("{row}") };
            assert!(!name.is_empty() && !display.is_empty(), "{row}");
            assert_eq!(iana_to_windows(iana), Some(*name), "both ways");
            for zone in columns.get(3).into_iter().flat_map(|others| others.split(' ')).chain([*iana]) {
                assert!(Zone::iana(zone).is_some(), "{zone} of {name} is not in the database");
            }
        }
    }

    #[test]
    fn old_and_new_spellings_have_the_same_windows_name() {
        for (iana, windows) in [
            ("Europe/Kiev", "FLE Standard Time"),
            ("Europe/Kyiv", "FLE Standard Time"),
            ("asia/calcutta", "India Standard Time"),
            ("Asia/Kolkata", "India Standard Time"),
            ("America/Vancouver", "British Columbia Standard Time"),
            ("UTC", "UTC"),
        ] {
            assert_eq!(iana_to_windows(iana), Some(windows), "{iana}");
        }
    }

    #[test]
    fn the_zones_windows_does_not_have_are_few() {
        let missing: Vec<String> = iana_names().filter(|name| iana_to_windows(name).is_none()).collect();
        assert_eq!(missing, ["Antarctica/Troll"]);
    }
}
