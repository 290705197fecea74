//! `CALDAV:expand` (RFC 4791 §9.6.5): a calendar object as the instances it has inside a window, each a component of its
//! own, in UTC and without rules or time zones.
//!
//! Neighbours: [`crate::domain::recurrence`] makes the instances; `data` writes the result. It must never decide which
//! objects are asked for.

use crate::domain::object::CalendarObject;
use crate::domain::recurrence::{Instance, Moment, Series, Window};
use crate::domain::time::Instant;
use crate::ics::tree::Item;
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Duration, Property, When};

/// Bytes one object may grow to. A year of an hourly series is eight thousand components; with long notes in each that
/// is some ten megabytes, and no client shows more.
pub const EXPANDED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The object has more instances in the window than one answer may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object has more instances in this range than one answer may carry")]
pub struct TooManyInstances;

/// The VCALENDAR of the instances that overlap the window. Floating and all-day ones stay as they are written; the
/// reader's zone decides whether they overlap.
///
/// # Errors
/// More instances than the recurrence engine gives, or than [`EXPANDED_BYTES_MAX`] allows.
pub fn expand(object: &CalendarObject, window: Window, reader: &Zone) -> Result<Component, TooManyInstances> {
    let mut expanded = Component::new("VCALENDAR");
    let Some(calendar) = object.document().calendar() else { return Ok(expanded) };
    for property in calendar.properties() {
        expanded.push(property.clone());
    }
    let clocks = Clocks { zones: Zones::of(calendar), reader };
    for component in calendar.components().filter(|c| !c.is("VTIMEZONE") && !has_instances(c)) {
        expanded.push_component(clocks.in_utc(component));
    }
    let expansion = Series::of(object).expand(window, reader);
    if expansion.truncated {
        return Err(TooManyInstances);
    }
    let sizes: Vec<usize> = object.components().map(Component::bytes_len).collect();
    let mut bytes = 0_usize;
    for instance in &expansion.instances {
        bytes = bytes.saturating_add(sizes.get(instance.index).copied().unwrap_or(0));
        if bytes > EXPANDED_BYTES_MAX {
            return Err(TooManyInstances);
        }
        expanded.push_component(clocks.instance(instance));
    }
    Ok(expanded)
}

/// Free-busy components, undated tasks and what is not known here stand as they are.
fn has_instances(component: &Component) -> bool {
    let dated = component.property("DTSTART").is_some() || component.property("DUE").is_some();
    dated && ["VEVENT", "VTODO", "VJOURNAL"].iter().any(|name| component.is(name))
}

/// What the times in the object mean.
struct Clocks<'a> {
    zones: Zones<'a>,
    reader: &'a Zone,
}

impl Clocks<'_> {
    fn instance(&self, instance: &Instance<'_>) -> Component {
        let mut component = self.in_utc(instance.component);
        let own = instance.component;
        for name in ["RRULE", "RDATE", "EXDATE", "EXRULE"] {
            component.remove(name);
        }
        // A task that only says when it is due starts and ends there.
        for (name, moment) in [("DTSTART", instance.starts), ("DTEND", instance.ends), ("DUE", instance.ends)] {
            if let Some(property) = own.property(name) {
                component.set(at(property, moment));
            }
        }
        if !own.properties().any(|p| p.is("DTEND") || p.is("DUE")) {
            set_duration(&mut component, instance);
        }
        if let (Some(id), Some(start)) =
            (instance.recurrence_id, own.property("RECURRENCE-ID").or(own.property("DTSTART")))
        {
            let id = at(start, id).without_param("RANGE");
            component.set(renamed(&id, "RECURRENCE-ID"));
        }
        component
    }

    /// The component with every time that names a zone in UTC. Calls itself once per level, of which a parsed document
    /// has few.
    fn in_utc(&self, component: &Component) -> Component {
        let mut converted = component.emptied();
        for item in component.items() {
            match item {
                Item::Property(property) => converted.push(self.property_in_utc(property)),
                Item::Component(inner) => converted.push_component(self.in_utc(inner)),
                Item::Other(_) => {}
            }
        }
        converted
    }

    fn property_in_utc(&self, property: &Property) -> Property {
        if property.param("TZID").is_none() {
            return property.clone();
        }
        let Ok(values) = When::list_of(property) else { return property.clone() };
        let values: Vec<String> = values
            .iter()
            .map(|when| match when {
                When::Zoned { local, .. } => utc(self.zones.of_value(when).or(self.reader).instant(*local)).to_value(),
                When::Date(_) | When::Floating(_) | When::Utc(_) => when.to_value(),
            })
            .collect();
        property.without_param("TZID").with_value(&values.join(","))
    }
}

/// The property at another time, in the form it was written in, zones turned into UTC.
fn at(property: &Property, moment: Moment) -> Property {
    let value = match When::of(property) {
        Ok(When::Date(_)) => When::Date(moment.local.date()),
        Ok(When::Floating(_)) => When::Floating(moment.local),
        Ok(When::Utc(_) | When::Zoned { .. }) | Err(_) => utc_at(moment.at),
    };
    property.without_param("TZID").with_value(&value.to_value())
}

fn utc_at(at: Instant) -> When {
    utc(at.timestamp().unwrap_or(if at.ms() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX }))
}

fn utc(at: jiff::Timestamp) -> When {
    When::Utc(Zone::Utc.local(at))
}

/// The same value and, of the parameters, the one that says it is a date, under another name.
fn renamed(property: &Property, name: &str) -> Property {
    let plain = Property::new(name, property.value());
    match property.param("VALUE") {
        Some(kind) => plain.with_param("VALUE", &kind),
        None => plain,
    }
}

/// DURATION says in UTC how long the instance really lasts: a nominal day may have 23 hours, an RDATE may bring its own
/// length.
fn set_duration(component: &mut Component, instance: &Instance<'_>) {
    if instance.all_day {
        return;
    }
    let seconds = instance.ends.at.ms().saturating_sub(instance.starts.at.ms()) / 1000;
    let written = component.property("DURATION").map(|p| Duration::parse(p.value()).unwrap_or_default());
    let says = written.map_or(0, |duration| duration.days.saturating_mul(86_400).saturating_add(duration.seconds));
    if says != seconds {
        component.set(Property::new("DURATION", &Duration { days: 0, seconds }.to_value()));
    }
}
