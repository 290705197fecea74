//! The time of a component as one thing: what it means, whatever way it is written.

use std::collections::BTreeSet;

use jiff::civil::DateTime;

use super::units::Unit;
use crate::domain::recurrence::lawful_rule;
use crate::ics::rule::Rule;
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Duration, Period, PeriodEnd, Property, When};

/// The lines that say when.
pub(super) const LINES: [&str; 8] = ["DTSTART", "DTEND", "DUE", "DURATION", "RRULE", "RDATE", "EXDATE", "EXRULE"];

/// Those that an instance has none of.
const REPEATING: [&str; 4] = ["RRULE", "RDATE", "EXDATE", "EXRULE"];

/// Whether a line is one of the time.
pub(super) fn is_line(property: &Property) -> bool {
    LINES.iter().any(|name| property.is(name))
}

/// Whether a line is one that instances have none of.
pub(super) fn is_repeating(property: &Property) -> bool {
    REPEATING.iter().any(|name| property.is(name))
}

/// A time with the zone's IANA name where it has one; `UTC` by any name is UTC.
pub(super) fn named(when: When, zones: &Zones<'_>) -> When {
    let When::Zoned { local, tzid } = when else { return when };
    match zones.get(&tzid).and_then(|zone| zone.iana_name().map(str::to_owned)) {
        Some(name) if ["UTC", "Etc/UTC"].contains(&name.as_str()) => When::Utc(local),
        Some(tzid) => When::Zoned { local, tzid },
        None => When::Zoned { local, tzid },
    }
}

/// Where a component starts, or is due.
pub(super) fn start_of(component: &Component, zones: &Zones<'_>) -> Option<When> {
    let property = component.property("DTSTART").or_else(|| component.property("DUE"))?;
    When::of(property).ok().map(|when| named(when, zones))
}

/// What tells the instances of a series apart: the second they start at; of days, their midnight in UTC.
pub(super) type Key = i64;

/// The instance that a value means in a series that starts so.
pub(super) fn key(start: Option<&When>, value: &When, zones: &Zones<'_>) -> Key {
    let wall = |local: DateTime| Zone::Utc.instant(local).as_second();
    match (start, value) {
        (Some(When::Date(_)), _) => wall(value.local().date().into()),
        (Some(start), When::Date(date)) => seconds(start, date.to_datetime(start.local().time()), zones),
        (Some(start), When::Floating(local)) => seconds(start, *local, zones),
        (_, value) => seconds(value, value.local(), zones),
    }
}

/// A wall clock of the zone that a value is in.
fn seconds(of: &When, local: DateTime, zones: &Zones<'_>) -> i64 {
    zones.of_value(of).instant(local).as_second()
}

/// The dates that EXDATE names.
pub(super) fn excluded_dates(component: &Component) -> Vec<When> {
    component.properties_named("EXDATE").flat_map(|p| When::list_of(p).unwrap_or_default()).collect()
}

/// The same as instances.
pub(super) fn excluded(component: &Component, zones: &Zones<'_>) -> BTreeSet<Key> {
    let start = start_of(component, zones);
    excluded_dates(component).into_iter().map(|when| key(start.as_ref(), &when, zones)).collect()
}

/// The time of a master, or of a component by itself. Instances in `apart` are decided about on their own: whether they
/// are excluded does not count.
pub(super) fn whole(component: &Component, zones: &Zones<'_>, apart: &dyn Fn(Key) -> bool) -> Option<Unit> {
    let start = start_of(component, zones)?;
    let zone = zones.of_value(&start);
    let mut rules: Vec<String> = Vec::new();
    for name in ["RRULE", "EXRULE"] {
        rules.extend(component.properties_named(name).map(|p| match Rule::parse(p.value()) {
            Ok(rule) => format!("{name} {}", lawful_rule(rule, &start, &zone)),
            Err(_) => format!("{name} {}", p.value().trim().to_ascii_uppercase()),
        }));
    }
    rules.sort();
    let mut added: Vec<String> = component.properties_named("RDATE").flat_map(|p| added_by(p, zones)).collect();
    added.sort();
    added.dedup();
    let excluded: BTreeSet<Key> = excluded(component, zones).into_iter().filter(|key| !apart(*key)).collect();
    let length = length(component, &start, zones);
    let meaning = format!("{} {length} {rules:?} {added:?} {excluded:?}", canonical(&start));
    let mut shown = shown(component, &start, zones);
    for rule in &rules {
        shown += &format!("; {}", rule.strip_prefix("RRULE ").unwrap_or(rule));
    }
    for (list, word) in [(added.len(), "added"), (excluded.len(), "left out")] {
        if list > 0 {
            shown += &format!("; {list} {word}");
        }
    }
    Some(Unit { meaning, shown })
}

/// The time of one instance of its own: where its series would have it, or elsewhere.
pub(super) fn of_override(component: &Component, zones: &Zones<'_>, series: Option<&When>) -> Option<Unit> {
    let start = start_of(component, zones)?;
    let id = When::of(component.property("RECURRENCE-ID")?).ok()?;
    let in_place = start.is_date() == series.unwrap_or(&id).is_date()
        && key(series, &id, zones) == key(Some(&start), &start, zones)
        && zone_name(&start) == zone_name(series.unwrap_or(&start));
    let place = if in_place { "in place".to_owned() } else { canonical(&start) };
    let length = length(component, &start, zones);
    let range = range_of(component).map(|range| format!(" {range}")).unwrap_or_default();
    Some(Unit { meaning: format!("{place} {length}{range}"), shown: shown(component, &start, zones) })
}

/// Which other instances an override speaks for.
pub(super) fn range_of(component: &Component) -> Option<String> {
    component.property("RECURRENCE-ID")?.param("RANGE").map(|range| range.trim().to_ascii_uppercase())
}

/// The time of an instance that is as its series says.
pub(super) fn in_place(master: &Component, zones: &Zones<'_>) -> Option<Unit> {
    let start = start_of(master, zones)?;
    let length = length(master, &start, zones);
    Some(Unit { meaning: format!("in place {length}"), shown: "as its series".to_owned() })
}

fn zone_name(when: &When) -> &str {
    match when {
        When::Date(_) => "date",
        When::Floating(_) => "floating",
        When::Utc(_) => "UTC",
        When::Zoned { tzid, .. } => tzid,
    }
}

/// A time in one way of writing.
pub(super) fn canonical(when: &When) -> String {
    format!("{}[{}]", When::Floating(when.local()).to_value(), zone_name(when))
}

fn added_by(property: &Property, zones: &Zones<'_>) -> Vec<String> {
    let text = |when: When| canonical(&named(when, zones));
    if !property.value().contains('/') {
        return When::list_of(property).unwrap_or_default().into_iter().map(text).collect();
    }
    let period = |period: Period| {
        let end = match period.end {
            PeriodEnd::At(end) => text(end),
            PeriodEnd::After(duration) => duration.to_value(),
        };
        format!("{}/{end}", text(period.start))
    };
    Period::list_of(property).unwrap_or_default().into_iter().map(period).collect()
}

/// How long a component lasts: days for dates, else seconds, with the zone of an end that has another.
fn length(component: &Component, start: &When, zones: &Zones<'_>) -> String {
    let end = ["DTEND", "DUE"].iter().find_map(|name| component.property(name)).and_then(|p| When::of(p).ok());
    let duration = component.property("DURATION").and_then(|p| Duration::parse(p.value()).ok());
    match (start, end, duration) {
        (When::Date(from), Some(to), _) => {
            let days = to.local().date().since(*from).map_or(0, |span| span.get_days());
            format!("{}d", days.max(1))
        }
        (When::Date(_), None, Some(duration)) => format!("{}d", (duration.days + duration.seconds / 86_400).max(1)),
        (When::Date(_), None, None) => "1d".to_owned(),
        (_, Some(end), _) => {
            let end = named(end, zones);
            let wall = |when: &When| Zone::Utc.instant(when.local()).as_second();
            let seconds = match (start, &end) {
                (When::Floating(_), When::Floating(_)) => wall(&end) - wall(start),
                // A date, or a floating time, ends where the start is.
                (_, When::Date(_) | When::Floating(_)) => {
                    seconds(start, end.local(), zones) - seconds(start, start.local(), zones)
                }
                _ => seconds(&end, end.local(), zones) - seconds(start, start.local(), zones),
            };
            match zone_name(&end) == zone_name(start) || end.is_date() {
                true => format!("{seconds}s"),
                false => format!("{seconds}s[{}]", zone_name(&end)),
            }
        }
        (_, None, Some(duration)) => {
            let days = jiff::Span::new().try_days(duration.days).unwrap_or_default();
            let wall = start.local().checked_add(days).unwrap_or(start.local());
            let nominal = seconds(start, wall, zones) - seconds(start, start.local(), zones);
            format!("{}s", nominal.saturating_add(duration.seconds))
        }
        (_, None, None) => "0s".to_owned(),
    }
}

/// For a person.
fn shown(component: &Component, start: &When, zones: &Zones<'_>) -> String {
    let text = |when: &When| match when {
        When::Date(date) => date.to_string(),
        When::Floating(local) => local.strftime("%Y-%m-%d %H:%M").to_string(),
        When::Utc(local) => format!("{} UTC", local.strftime("%Y-%m-%d %H:%M")),
        When::Zoned { local, tzid } => format!("{} {tzid}", local.strftime("%Y-%m-%d %H:%M")),
    };
    let end = ["DTEND", "DUE"].iter().find_map(|name| component.property(name));
    match end.and_then(|p| When::of(p).ok()).map(|end| named(end, zones)) {
        Some(end) => format!("{} – {}", text(start), text(&end)),
        None => text(start),
    }
}
