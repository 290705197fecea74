//! A rule as strict readers want it.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::ics::When;
use crate::ics::rule::{Budget, LastStart, Rule, Until};
use crate::ics::zone::Zone;

/// The same occurrences by the letter of RFC 5545 3.3.10: UNTIL in the form of DTSTART (in UTC where that has a zone), and
/// COUNT or UNTIL but not both. `zone` is that of the start.
#[must_use]
pub fn lawful_rule(rule: Rule, start: &When, zone: &Zone) -> Rule {
    let is_floating = matches!(start, When::Floating(_)) || (start.tzid().is_some() && matches!(zone, Zone::Floating));
    let mut rule = match start {
        When::Date(_) => rule.for_dates(),
        _ if is_floating => rule.for_floating(),
        When::Floating(_) | When::Utc(_) | When::Zoned { .. } => rule,
    };
    if let (Some(until), Some(_)) = (rule.until, rule.count) {
        let counted = Rule { until: None, ..rule.clone() }.last_counted(start.local(), &mut Budget::default());
        match counted {
            Ok(LastStart::At(last)) if last <= wall(until, zone) => rule.until = None,
            // Counting that takes too long ends after any date.
            Ok(_) | Err(_) => rule.count = None,
        }
    }
    let at = |local| Until::Utc(Offset::UTC.to_datetime(zone.instant(local)));
    rule.until = rule.until.map(|until| match until {
        Until::Date(date) if start.is_date() => Until::Date(date),
        Until::Date(date) if is_floating => Until::Local(date.at(23, 59, 59, 0)),
        Until::Date(date) => at(date.at(23, 59, 59, 0)),
        Until::Local(local) if start.is_date() || is_floating => Until::Local(local),
        Until::Local(local) => at(local),
        Until::Utc(utc) => Until::Utc(utc),
    });
    rule
}

/// The last moment a rule may start at, on the wall clock of its zone.
fn wall(until: Until, zone: &Zone) -> DateTime {
    match until {
        Until::Date(date) => date.at(23, 59, 59, 0),
        Until::Local(local) => local,
        Until::Utc(utc) => Offset::UTC.to_timestamp(utc).map_or(utc, |at| zone.local(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_has_the_form_of_the_start_and_stands_alone() {
        let berlin = Zone::iana("Europe/Berlin").expect("an IANA zone");
        for (start, tzid, zone, rule, lawful) in [
            ("20260105", None, &Zone::Floating, "UNTIL=20260110T100000Z", "UNTIL=20260110"),
            ("20260105T100000", None, &Zone::Floating, "UNTIL=20260110", "UNTIL=20260110T235959"),
            ("20260105T100000", None, &Zone::Floating, "UNTIL=20260110T100000Z", "UNTIL=20260110T100000"),
            ("20260105T100000Z", None, &Zone::Utc, "UNTIL=20260110", "UNTIL=20260110T235959Z"),
            ("20260105T100000", Some("B"), &berlin, "UNTIL=20260110", "UNTIL=20260110T225959Z"),
            ("20260705T100000", Some("B"), &berlin, "UNTIL=20260710T100000", "UNTIL=20260710T080000Z"),
            ("20260105T100000", Some("B"), &berlin, "UNTIL=20260110T090000Z", "UNTIL=20260110T090000Z"),
            ("20260105T100000", Some("nobody's"), &Zone::Floating, "UNTIL=20260110", "UNTIL=20260110T235959"),
            ("20260105T100000Z", None, &Zone::Utc, "UNTIL=20260110;COUNT=3", "COUNT=3"),
            ("20260105T100000Z", None, &Zone::Utc, "UNTIL=20260110;COUNT=6", "COUNT=6"),
            ("20260105T100000Z", None, &Zone::Utc, "UNTIL=20260110;COUNT=7", "UNTIL=20260110T235959Z"),
            ("20260105T100000", Some("B"), &berlin, "COUNT=6;UNTIL=20260110T085959Z", "UNTIL=20260110T085959Z"),
            ("20260105T100000", Some("B"), &berlin, "COUNT=6;UNTIL=20260110T090000Z", "COUNT=6"),
            ("20260105T100000Z", None, &Zone::Utc, "COUNT=3;INTERVAL=2", "COUNT=3;INTERVAL=2"),
        ] {
            let start = When::parse(start, tzid).expect("a start");
            let rule = Rule::parse(&format!("FREQ=DAILY;{rule}")).expect("a rule");
            assert_eq!(lawful_rule(rule, &start, zone).to_string(), format!("FREQ=DAILY;{lawful}"), "{start:?}");
        }
    }
}
