//! A component read as a record.

use jiff::ToSpan;
use jiff::civil::DateTime;

use super::{Appointment, Attendee, Recurrence, Status, reminder, zones};
use crate::domain::object::{CalendarObject, ComponentKind};
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Duration, Period, Property, When, text};

impl Appointment {
    /// The appointment that an object is: its master, or its first instance where there is none. `None` if it is no
    /// VEVENT.
    #[must_use]
    pub fn of(object: &CalendarObject) -> Option<Appointment> {
        if object.component() != ComponentKind::Event {
            return None;
        }
        let zones = Zones::of(object.document().calendar()?);
        Appointment::of_component(speaker(object)?, &zones)
    }

    /// What one VEVENT says. `None` if it has no start.
    #[must_use]
    pub fn of_component(component: &Component, zones: &Zones<'_>) -> Option<Appointment> {
        let start = zones::named(When::of(component.property("DTSTART")?).ok()?, zones);
        let word = |name: &str| component.property(name).map(|p| p.value().trim().to_ascii_uppercase());
        Some(Appointment {
            title: component.text("SUMMARY"),
            notes: component.text("DESCRIPTION"),
            location: component.text("LOCATION"),
            url: component.property("URL").map(|p| p.value().to_owned()),
            end: end_of(component, &start, zones),
            start,
            recurrence: recurrence(component, zones),
            status: word("STATUS").map(|s| Status::from_ics(&s)).unwrap_or_default(),
            private: word("CLASS").is_some_and(|class| !class.is_empty() && class != "PUBLIC"),
            transparent: word("TRANSP").is_some_and(|transp| transp == "TRANSPARENT"),
            categories: categories(component),
            attendees: component.properties_named("ATTENDEE").map(Attendee::of).collect(),
            reminders: reminder::all(component),
        })
    }
}

/// The component that speaks for an object.
#[must_use]
pub(super) fn speaker(object: &CalendarObject) -> Option<&Component> {
    object.master().or_else(|| object.components().next())
}

fn categories(component: &Component) -> Vec<String> {
    component
        .properties_named("CATEGORIES")
        .flat_map(|p| text::list(p.value()))
        .map(|c| c.trim().to_owned())
        .filter(|c| !c.is_empty())
        .collect()
}

fn recurrence(component: &Component, zones: &Zones<'_>) -> Recurrence {
    let dates = |name: &'static str| -> Vec<When> {
        component.properties_named(name).flat_map(dates_of).map(|when| zones::named(when, zones)).collect()
    };
    Recurrence {
        rules: component.properties_named("RRULE").map(|p| p.value().trim().to_owned()).collect(),
        added: dates("RDATE"),
        removed: dates("EXDATE"),
    }
}

/// The dates of an RDATE or EXDATE; of periods their starts. One that cannot be read holds none.
pub(super) fn dates_of(property: &Property) -> Vec<When> {
    if property.value().contains('/') {
        return Period::list_of(property).unwrap_or_default().into_iter().map(|period| period.start).collect();
    }
    When::list_of(property).unwrap_or_default()
}

/// Where a component ends: DTEND, or DTSTART and DURATION, or what RFC 5545 §3.6.1 says of one with neither.
pub(super) fn end_of(component: &Component, start: &When, zones: &Zones<'_>) -> When {
    if let Some(end) = component.property("DTEND").and_then(|p| When::of(p).ok()) {
        return zones::named(end, zones);
    }
    match component.property("DURATION").and_then(|p| Duration::parse(p.value()).ok()) {
        Some(duration) => later(start, duration, &zones.of_value(start)),
        None => match start {
            When::Date(date) => When::Date(date.tomorrow().unwrap_or(*date)),
            other => other.clone(),
        },
    }
}

/// A time so much later: days on the wall clock, the rest exactly (RFC 5545 §3.3.6). Stays within the calendar.
fn later(start: &When, duration: Duration, zone: &Zone) -> When {
    let days = jiff::Span::new().try_days(duration.days).unwrap_or_else(|_| 0.days());
    let wall = start.local().checked_add(days).unwrap_or(DateTime::MAX);
    match start {
        When::Date(_) => {
            let days = jiff::Span::new().try_seconds(duration.seconds).unwrap_or_else(|_| 0.seconds());
            When::Date(wall.checked_add(days).unwrap_or(DateTime::MAX).date())
        }
        When::Floating(_) | When::Utc(_) | When::Zoned { .. } if duration.seconds == 0 => zones::with_wall(start, wall),
        When::Floating(_) | When::Utc(_) | When::Zoned { .. } => {
            let exact = jiff::Span::new().try_seconds(duration.seconds).unwrap_or_else(|_| 0.seconds());
            let at = zone.instant(wall).checked_add(exact).unwrap_or(jiff::Timestamp::MAX);
            zones::with_wall(start, zone.local(at))
        }
    }
}
