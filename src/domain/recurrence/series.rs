//! A calendar object read once: what its instances are made of.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::object::CalendarObject;
use super::super::time::Instant;
use super::times::{DAY_S, PeriodLength, Placed, Times, moment_at, period_length, plus_seconds, wall_seconds};
use crate::ics::rule::Rule;
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Period, Property, When};

/// A calendar object, ready to be expanded any number of times.
#[derive(Debug)]
pub struct Series<'a> {
    pub(super) master: Option<Master<'a>>,
    pub(super) overrides: Vec<Override<'a>>,
    /// Whether all time zones the object defines could be evaluated to their end.
    pub(super) zones_complete: bool,
}

/// The component that the others are instances of.
#[derive(Debug)]
pub(super) struct Master<'a> {
    pub component: &'a Component,
    pub index: usize,
    pub times: Times,
    pub rules: Vec<Rule>,
    pub dates: Vec<(Placed, Option<PeriodLength>)>,
    pub excluded: Vec<Placed>,
    pub excluding_rules: Vec<Rule>,
}

/// A component that replaces an instance, or from one on.
#[derive(Debug)]
pub(super) struct Override<'a> {
    pub component: &'a Component,
    pub index: usize,
    pub times: Times,
    pub instance: Placed,
    pub and_future: bool,
}

/// What tells the instances of a series apart: the second they start at; of dates, their day in UTC.
pub(super) type Key = i64;

impl<'a> Series<'a> {
    /// Reads the object. Components without any time have no instances and are left out.
    #[must_use]
    pub fn of(object: &'a CalendarObject) -> Series<'a> {
        let mut series = Series { master: None, overrides: Vec::new(), zones_complete: true };
        let Some(calendar) = object.document().calendar() else { return series };
        let zones = Zones::of(calendar);
        for (index, component) in object.components().enumerate() {
            let Some(times) = Times::of(component, &zones) else { continue };
            match component.property("RECURRENCE-ID") {
                Some(id) => series.overrides.extend(Override::of(component, index, times, id, &zones)),
                None if series.master.is_none() => series.master = Some(Master::of(component, index, times, &zones)),
                None => {}
            }
        }
        let all_times = series.master.iter().map(|m| &m.times).chain(series.overrides.iter().map(|o| &o.times));
        series.zones_complete = all_times.into_iter().all(|times| match &times.start.zone {
            Zone::Custom(definition) => definition.is_complete(),
            Zone::Utc | Zone::Fixed(_) | Zone::Iana(_) | Zone::Floating => true,
        });
        series
    }

    /// Whether it has, or may have, more than one instance.
    #[must_use]
    pub fn is_recurring(&self) -> bool {
        !self.overrides.is_empty() || self.master.as_ref().is_some_and(Master::repeats)
    }
}

/// Where an override lies, and where its instance lay before.
pub(in crate::domain) struct OverrideReach {
    pub index: usize,
    pub starts: Instant,
    pub ends: Instant,
    pub original_starts: Instant,
    pub original_ends: Instant,
    pub and_future: bool,
}

impl Series<'_> {
    /// The first start anything in it has, as written.
    pub(in crate::domain) fn first_start(&self, reader: &Zone) -> Option<Instant> {
        let times = self.master.iter().map(|m| &m.times).chain(self.overrides.iter().map(|o| &o.times));
        times.map(|times| Instant::from(times.start.at(reader))).min()
    }

    /// Before when a component's last instance starts, for those that another one takes over from; by index.
    pub(in crate::domain) fn starts_before(&self, reader: &Zone) -> HashMap<usize, Instant> {
        let (_, overridden) = self.overridden(reader);
        let master = self.master.as_ref().map(|master| (master.index, 0));
        let later = overridden
            .from
            .iter()
            .map(|(_, position, shift)| self.overrides.get(*position).map(|over| (over.index, *shift)));
        // Each speaks for the series until the next one for this and all later instances.
        let successions = std::iter::once(master).chain(later).zip(&overridden.from);
        let bound = |key: Key, shift: i64| Instant::from_seconds(key.saturating_add(shift).saturating_add(2 * DAY_S));
        let mut bounds: HashMap<usize, Instant> =
            successions.filter_map(|(one, (key, ..))| one.map(|(index, shift)| (index, bound(*key, shift)))).collect();
        for over in self.overrides.iter().filter(|over| !over.and_future) {
            bounds.insert(over.index, Instant::from(over.times.start.at(reader)).plus_ms(1));
        }
        bounds
    }

    /// Where its overrides lie.
    pub(in crate::domain) fn override_reaches(&self, reader: &Zone) -> Vec<OverrideReach> {
        let reach = |over: &Override<'_>| {
            let own = over.instance(reader);
            let original = match &self.master {
                Some(master) => {
                    let zone = master.times.start.zone.or(reader);
                    let starts = moment_at(master.instant(&over.instance, reader), zone);
                    (starts.at, master.times.length(reader).end_of(starts, zone).at)
                }
                None => own.recurrence_id.map_or((own.starts.at, own.ends.at), |id| (id.at, id.at)),
            };
            OverrideReach {
                index: over.index,
                starts: own.starts.at,
                ends: own.ends.at,
                original_starts: original.0,
                original_ends: original.1,
                and_future: over.and_future,
            }
        };
        self.overrides.iter().map(reach).collect()
    }
}

impl<'a> Master<'a> {
    fn of(component: &'a Component, index: usize, times: Times, zones: &Zones<'_>) -> Master<'a> {
        let rules = |name| component.properties_named(name).filter_map(|p| rule_for(p, &times)).collect();
        Master {
            rules: rules("RRULE"),
            excluding_rules: rules("EXRULE"),
            dates: component.properties_named("RDATE").flat_map(|p| dates_of(p, zones)).collect(),
            excluded: component
                .properties_named("EXDATE")
                .flat_map(|p| When::list_of(p).unwrap_or_default())
                .map(|when| Placed::of(when, zones))
                .collect(),
            component,
            index,
            times,
        }
    }

    pub fn repeats(&self) -> bool {
        !self.rules.is_empty() || !self.dates.is_empty()
    }

    /// The key of the instance that a value of this series means.
    pub fn key(&self, value: &Placed, reader: &Zone) -> Key {
        if self.times.is_all_day() {
            return wall_seconds(value.when.local().date().into());
        }
        self.instant(value, reader).as_second()
    }

    /// The instant a value of this series means: in a series of days its day, else a date is that day at the time of
    /// DTSTART and a floating time is in the zone of DTSTART.
    pub fn instant(&self, value: &Placed, reader: &Zone) -> Timestamp {
        let zone = self.times.start.zone.or(reader);
        match &value.when {
            _ if self.times.is_all_day() => zone.instant(value.when.local().date().into()),
            When::Date(date) => zone.instant(date.to_datetime(self.times.start.when.local().time())),
            When::Floating(local) => zone.instant(*local),
            When::Utc(_) | When::Zoned { .. } => value.at(reader),
        }
    }

    /// The keys EXDATE takes away, and for timed instances the days it does.
    pub fn exclusions(&self, reader: &Zone) -> (HashSet<Key>, HashSet<Date>) {
        let all_day = self.times.is_all_day();
        let (days, times): (Vec<&Placed>, Vec<&Placed>) =
            self.excluded.iter().partition(|value| !all_day && value.when.is_date());
        (
            times.into_iter().map(|value| self.key(value, reader)).collect(),
            days.into_iter().map(|value| value.when.local().date()).collect(),
        )
    }
}

impl<'a> Override<'a> {
    fn of(
        component: &'a Component,
        index: usize,
        times: Times,
        id: &Property,
        zones: &Zones<'_>,
    ) -> Option<Override<'a>> {
        let instance = Placed::of(When::of(id).ok()?, zones);
        let and_future = id.param("RANGE").is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE"));
        Some(Override { component, index, times, instance, and_future })
    }

    /// How far it moves its instance on the wall clock of its own zone.
    pub fn shift(&self, original: Timestamp, reader: &Zone) -> i64 {
        let before = self.times.start.zone.or(reader).local(original);
        wall_seconds(self.times.start.when.local()) - wall_seconds(before)
    }

    /// Where an original start comes to lie when moved by that much.
    pub fn moved(&self, original: Timestamp, shift: i64, reader: &Zone) -> jiff::civil::DateTime {
        let local = plus_seconds(self.times.start.zone.or(reader).local(original), shift);
        if self.times.is_all_day() { local.date().into() } else { local }
    }
}

/// Which override speaks for which instance: by key, and from a key on.
#[derive(Debug, Default)]
pub(super) struct Overridden {
    pub keys: HashSet<Key>,
    /// Overrides for this and all later instances, by key, with the shift they bring.
    pub from: Vec<(Key, usize, i64)>,
}

impl Series<'_> {
    /// The keys of the overrides, in their order, and what they replace.
    pub(super) fn overridden(&self, reader: &Zone) -> (Vec<Key>, Overridden) {
        let mut found = Overridden::default();
        let mut keys = Vec::with_capacity(self.overrides.len());
        for (position, over) in self.overrides.iter().enumerate() {
            let (key, original) = match &self.master {
                Some(master) => (master.key(&over.instance, reader), master.instant(&over.instance, reader)),
                None => (over.instance.at(reader).as_second(), over.instance.at(reader)),
            };
            keys.push(key);
            found.keys.insert(key);
            if over.and_future {
                found.from.push((key, position, over.shift(original, reader)));
            }
        }
        found.from.sort_unstable();
        (keys, found)
    }

    /// Of several overrides for one instance (which no valid object has) the last stands: the positions of those.
    pub(super) fn standing(keys: &[Key]) -> HashMap<Key, usize> {
        keys.iter().enumerate().map(|(position, key)| (*key, position)).collect()
    }
}

/// A rule as it applies to this kind of start. One that cannot be read gives nothing; DTSTART stays an instance.
fn rule_for(property: &Property, times: &Times) -> Option<Rule> {
    let rule = Rule::parse(property.value()).ok()?;
    Some(match (&times.start.when, &times.start.zone) {
        (When::Date(_), _) => rule.for_dates(),
        (_, Zone::Floating) => rule.for_floating(),
        _ => rule,
    })
}

fn dates_of(property: &Property, zones: &Zones<'_>) -> Vec<(Placed, Option<PeriodLength>)> {
    if !property.value().contains('/') {
        let dates = When::list_of(property).unwrap_or_default();
        return dates.into_iter().map(|when| (Placed::of(when, zones), None)).collect();
    }
    let periods = Period::list_of(property).unwrap_or_default();
    let placed = periods.into_iter().map(|period| {
        let start = Placed::of(period.start, zones);
        let length = period_length(&start, &period.end, zones);
        (start, Some(length))
    });
    placed.collect()
}
