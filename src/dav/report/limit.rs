//! `CALDAV:limit-recurrence-set` and `CALDAV:limit-freebusy-set` (RFC 4791 §9.6.6, §9.6.7): an object without the
//! overrides and busy times that lie elsewhere.
//!
//! Neighbours: [`crate::domain::timerange`] decides which overrides matter; `data` writes the result.

use crate::domain::object::CalendarObject;
use crate::domain::recurrence::Window;
use crate::domain::timerange;
use crate::ics::tree::Item;
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Period, PeriodEnd, Property};

/// The VCALENDAR with the master and the overrides that concern the window.
#[must_use]
pub fn limit_recurrence_set(object: &CalendarObject, window: Window, reader: &Zone) -> Option<Component> {
    let kept = timerange::limited(object, window, reader);
    let dropped: Vec<&Component> =
        object.components().enumerate().filter(|(index, _)| !kept.contains(index)).map(|(_, c)| c).collect();
    Some(copy(object.document().calendar()?, &|component| !dropped.iter().any(|d| std::ptr::eq(*d, component))))
}

/// The component without the components that `keep` does not want.
fn copy(component: &Component, keep: &impl Fn(&Component) -> bool) -> Component {
    let mut copied = Component::new(component.name());
    for item in component.items() {
        match item {
            Item::Property(property) => copied.push(property.clone()),
            Item::Component(inner) if keep(inner) => copied.push_component(inner.clone()),
            Item::Component(_) | Item::Other(_) => {}
        }
    }
    copied
}

/// Takes the FREEBUSY periods that do not overlap the window out of a VCALENDAR.
pub fn limit_freebusy_set(calendar: &mut Component, window: Window, reader: &Zone) {
    let zones_of = calendar.clone();
    let zones = Zones::of(&zones_of);
    for component in calendar.components_mut().filter(|c| c.is("VFREEBUSY")) {
        component
            .retain(|property| !property.is("FREEBUSY") || !overlapping(property, window, &zones, reader).is_empty());
        for property in component.properties_mut().filter(|p| p.is("FREEBUSY")) {
            let kept = overlapping(property, window, &zones, reader);
            if kept.len() < property.value().split(',').count() {
                let value = kept.join(",");
                *property = property.with_value(&value);
            }
        }
    }
}

/// The periods of a FREEBUSY property that overlap the window. One that cannot be read is nobody's to leave out.
fn overlapping<'p>(property: &'p Property, window: Window, zones: &Zones<'_>, reader: &Zone) -> Vec<&'p str> {
    let tzid = property.param("TZID");
    let overlaps = |text: &str| {
        let Ok(period) = Period::parse(text, tzid.as_deref()) else { return true };
        let zone = zones.of_value(&period.start);
        let at = |when: &crate::ics::When| zones.of_value(when).or(reader).instant(when.local());
        let starts = at(&period.start);
        let ends = match &period.end {
            PeriodEnd::At(end) => at(end),
            PeriodEnd::After(duration) => {
                let days = jiff::SignedDuration::from_secs(duration.days.saturating_mul(86_400));
                let day = zone.or(reader).instant(period.start.local().saturating_add(days));
                day.saturating_add(jiff::SignedDuration::from_secs(duration.seconds)).unwrap_or(day)
            }
        };
        window.from < ends.into() && window.to > starts.into()
    };
    property.value().split(',').filter(|text| overlaps(text)).collect()
}
