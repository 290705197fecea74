//! Times and titles.

use super::zone::rules;
use crate::domain::appointment::instant_utc;
use crate::domain::recurrence::lawful_rule;
use crate::domain::time::Instant;
use crate::ics::zone::Zones;
use crate::ics::{Component, Duration, Period, PeriodEnd, Property, When, value};

/// What a title's component takes from outside.
pub struct Retitle<'a> {
    /// The UID to show.
    pub uid: &'a str,
    /// DTSTAMP where the component has none.
    pub changed: Instant,
    /// The zones of the object.
    pub zones: &'a Zones<'a>,
    /// The name to show for a zone the object names; `None`: nobody knows the zone, its times float.
    pub zone: &'a dyn Fn(&str) -> Option<String>,
    /// Instances of a series that are not to be shown with it, as RECURRENCE-ID names them.
    pub without: &'a [When],
}

/// When something is and what it is called: start, end, recurrence, title, and whether it takes place at all.
#[must_use]
pub fn titled(component: &Component, to: &Retitle<'_>) -> Component {
    let kind = kind(component);
    let mut shown = Component::new(kind);
    shown.push(Property::text("UID", to.uid));
    shown.push(stamp(component).unwrap_or_else(|| instant_utc(to.changed)).to_property("DTSTAMP"));
    if let Some(sequence) = component.property("SEQUENCE").and_then(|p| value::integer(p.value()).ok()) {
        shown.push(Property::new("SEQUENCE", &sequence.max(0).to_string()));
    }
    if let Some(property) = component.property("RECURRENCE-ID")
        && let Ok(when) = When::of(property)
    {
        let id = placed(&when, to).to_property("RECURRENCE-ID");
        let later = property.param("RANGE").is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE"));
        shown.push(if later { id.with_param("RANGE", "THISANDFUTURE") } else { id });
    }
    let start = component.property("DTSTART").and_then(|p| When::of(p).ok());
    for name in ["DTSTART", "DTEND", "DUE"] {
        if let Some(when) = component.property(name).and_then(|p| When::of(p).ok()) {
            let alike = start.as_ref().and_then(|start| when.in_kind_of(start)).unwrap_or(when);
            shown.push(placed(&alike, to).to_property(name));
        }
    }
    if let Some(duration) = component.property("DURATION").and_then(|p| Duration::parse(p.value()).ok()) {
        shown.push(Property::new("DURATION", &duration.to_value()));
    }
    for (name, rule) in rules(component) {
        let rule = match &start {
            Some(start) => lawful_rule(rule, start, &to.zones.of_value(start)),
            None => rule,
        };
        shown.push(Property::new(name, &rule.to_string()));
    }
    let is_ruled = shown.property("RRULE").is_some();
    if let Some(start) = undated_start(component).filter(|_| !is_ruled) {
        shown.push(placed(&start, to).to_property("RDATE"));
    }
    for property in dates(component, start.as_ref(), to) {
        shown.push(property);
    }
    if let Some(title) = component.text("SUMMARY").filter(|title| !title.is_empty()) {
        shown.push(Property::text("SUMMARY", &title));
    }
    for (name, words) in [("STATUS", value::statuses(kind)), ("TRANSP", &value::TRANSPARENCIES[..])] {
        let given = component.property(name).map(|p| p.value().trim());
        if let Some(word) = words.iter().find(|word| given.is_some_and(|g| g.eq_ignore_ascii_case(word))) {
            shown.push(Property::new(name, word));
        }
    }
    shown
}

/// The start of a series that has dates, where it is not one of them. Where there is no rule either, it should be said
/// as a date too: ical.js 2.2 and Python's ical 14.3 leave the start out of such a series.
#[must_use]
pub fn undated_start(component: &Component) -> Option<When> {
    if component.property("RDATE").is_none() || component.property("RECURRENCE-ID").is_some() {
        return None;
    }
    let start = When::of(component.property("DTSTART")?).ok()?;
    let lists = component.properties_named("RDATE").filter(|property| !property.value().contains('/'));
    let mut dates = lists.flat_map(|property| When::list_of(property).unwrap_or_default());
    dates.all(|date| date != start).then_some(start)
}

fn kind(component: &Component) -> &'static str {
    ["VTODO", "VJOURNAL"].into_iter().find(|kind| component.is(kind)).unwrap_or("VEVENT")
}

fn stamp(component: &Component) -> Option<When> {
    let when = component.property("DTSTAMP").and_then(|p| When::of(p).ok())?;
    Some(When::Utc(when.local()))
}

/// The same time, its zone under the name that is shown.
fn placed(when: &When, to: &Retitle<'_>) -> When {
    match when {
        When::Zoned { local, tzid } => match (to.zone)(tzid) {
            Some(tzid) => When::Zoned { local: *local, tzid },
            None => When::Floating(*local),
        },
        When::Date(_) | When::Floating(_) | When::Utc(_) => when.clone(),
    }
}

/// RDATE and EXDATE, a line for each date; what is added is of the kind that the start is of.
fn dates(component: &Component, start: Option<&When>, to: &Retitle<'_>) -> Vec<Property> {
    let alike = |when: &When| start.and_then(|start| when.in_kind_of(start)).unwrap_or_else(|| when.clone());
    let mut lines = Vec::new();
    for property in component.properties_named("RDATE") {
        if property.value().contains('/') {
            let periods = Period::list_of(property).unwrap_or_default();
            let timed = periods.iter().filter(|period| !period.start.is_date());
            lines.extend(timed.map(|period| match start {
                Some(When::Date(_)) => alike(&period.start).to_property("RDATE"),
                _ => period_line(period, to),
            }));
        } else {
            let dates = When::list_of(property).unwrap_or_default();
            lines.extend(dates.iter().map(|when| placed(&alike(when), to).to_property("RDATE")));
        }
    }
    let excluded = component.properties_named("EXDATE").flat_map(|p| When::list_of(p).unwrap_or_default());
    lines.extend(excluded.map(|when| placed(&when, to).to_property("EXDATE")));
    if component.property("RECURRENCE-ID").is_none() {
        lines.extend(to.without.iter().map(|when| placed(when, to).to_property("EXDATE")));
    }
    lines
}

fn period_line(period: &Period, to: &Retitle<'_>) -> Property {
    let start = placed(&period.start, to);
    let end = match &period.end {
        PeriodEnd::At(end) => placed(end, to).to_value(),
        PeriodEnd::After(duration) => duration.to_value(),
    };
    let line = Property::new("RDATE", &format!("{}/{end}", start.to_value())).with_param("VALUE", "PERIOD");
    match start.tzid() {
        Some(tzid) => line.with_param("TZID", tzid),
        None => line,
    }
}
