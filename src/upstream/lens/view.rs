//! A calendar object as the provider would see it: its master, and its overrides by the slots they stand for.

use std::collections::BTreeMap;

use super::super::Unfit;
use super::dialect::Dialect;
use super::said::Said;
use super::series::{Form, Series};
use super::time::At;
use crate::domain::appointment::{Appointment, Status};
use crate::domain::object::{CalendarObject, Class, ComponentKind};
use crate::ics::zone::Zones;
use crate::ics::{Component, When};

/// One component, read.
pub(in crate::upstream) struct Part<'a> {
    /// Which VEVENT of the calendar it is.
    pub(in crate::upstream) at: usize,
    pub(in crate::upstream) component: &'a Component,
    pub(in crate::upstream) record: Appointment,
    pub(in crate::upstream) said: Said,
}

/// An object, read.
pub(in crate::upstream) struct View<'a> {
    pub(in crate::upstream) zones: Zones<'a>,
    pub(in crate::upstream) master: Option<Part<'a>>,
    /// Overrides by slot, cancelled ones included.
    pub(in crate::upstream) parts: BTreeMap<String, Part<'a>>,
    pub(in crate::upstream) series: Series,
    /// The strictest of all its components: providers have one for a whole series.
    pub(in crate::upstream) class: Class,
}

impl<'a> View<'a> {
    /// `zone` is the remote calendar's.
    pub(in crate::upstream) fn of(
        object: &'a CalendarObject,
        zone: &str,
        dialect: &Dialect,
    ) -> Result<View<'a>, Unfit> {
        if object.component() != ComponentKind::Event {
            return Err(Unfit(format!("{} holds appointments only, no tasks or journals", dialect.name)));
        }
        let calendar = object.document().calendar().ok_or_else(|| Unfit("there is no calendar in it".into()))?;
        let zones = Zones::of(calendar);
        let class = object.components().map(Class::of).fold(Class::Public, stricter);
        let mut master = None;
        let mut rest = Vec::new();
        for (at, component) in calendar.components_named("VEVENT").enumerate() {
            let record = Appointment::of_component(component, &zones)
                .ok_or_else(|| Unfit("a part of it has no readable start".into()))?;
            let said = Said::of_appointment(component, &record, class, (&zones, zone), dialect);
            let part = Part { at, component, record, said };
            match component.property("RECURRENCE-ID") {
                None => master = Some(part),
                Some(id) if id.param("RANGE").is_some() => {
                    return Err(Unfit("a change to an instance and all that follow cannot be carried".into()));
                }
                Some(id) => {
                    let id = When::of(id).map_err(|_| Unfit("a part of it has no readable RECURRENCE-ID".into()))?;
                    rest.push((id, part));
                }
            }
        }
        let mut parts = BTreeMap::new();
        for (id, part) in rest {
            let start = master.as_ref().map_or(&id, |m| &m.record.start);
            let slot = Form { start, zones: &zones, zone }.slot(&id);
            parts.insert(slot.key(), part);
        }
        let overridden = parts.iter().map(|(slot, part)| (slot.clone(), part.said.status)).collect();
        let series = match &master {
            Some(m) => Series::of_object(m.component, &m.record, &overridden, (&zones, zone), dialect),
            None => Series::default(),
        };
        Ok(View { zones, master, parts, series, class })
    }

    /// The slot of a key as this series writes it.
    pub(in crate::upstream) fn slot(&self, key: &str) -> Option<At> {
        let zone = self.master.as_ref().and_then(|m| m.said.start.zone()).unwrap_or("UTC");
        At::of_key(key, zone)
    }

    /// Whether that slot is overridden by something that takes place.
    pub(in crate::upstream) fn live(&self, key: &str) -> Option<&Part<'a>> {
        self.parts.get(key).filter(|part| part.said.status != Status::Cancelled)
    }
}

fn stricter(a: Class, b: Class) -> Class {
    let rank = |class: &Class| match class {
        Class::Public => 0,
        Class::Private => 1,
        Class::Confidential => 2,
    };
    if rank(&b) > rank(&a) { b } else { a }
}
