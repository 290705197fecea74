//! What follows when a series begins at another time: its exceptions are named by the times they would have had, so they
//! move with it, by as much on the wall clock.

use jiff::civil::DateTime;

use super::zones::{Spelling, named, with_wall};
use super::{Appointment, read};
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, When};

/// From one start of a series to another.
pub struct Shift {
    from: DateTime,
    from_zone: Zone,
    to: When,
    to_zone: Zone,
}

impl Shift {
    /// The way between two starts, of which the zones are those of their object.
    #[must_use]
    pub fn between(from: &When, to: &When, zones: &Zones<'_>) -> Shift {
        Shift { from: from.local(), from_zone: zones.of_value(from), to: to.clone(), to_zone: zones.of_value(to) }
    }

    /// Where an instance that would have begun at `when` begins now.
    #[must_use]
    pub fn moved(&self, when: &When, zones: &Zones<'_>) -> When {
        if let (When::Date(date), false) = (when, self.to.is_date()) {
            // An exception that names the day of a timed series (or the series was all-day until now).
            let days = self.to.local().date().since(self.from.date()).unwrap_or_default();
            let date = date.checked_add(days).unwrap_or(*date);
            return with_wall(&self.to, date.to_datetime(self.to.local().time()));
        }
        let wall = match when {
            When::Date(_) | When::Floating(_) => when.local(),
            When::Utc(_) | When::Zoned { .. } => {
                self.from_zone.local(zones.of_value(when).or(&self.from_zone).instant(when.local()))
            }
        };
        with_wall(&self.to, self.shifted(wall))
    }

    fn shifted(&self, wall: DateTime) -> DateTime {
        self.to.local().since(self.from).and_then(|by| wall.checked_add(by)).unwrap_or(wall)
    }

    /// A rule whose UNTIL moves along, in the form that belongs to the new start (RFC 5545 §3.3.10).
    fn rule(&self, rule: &str) -> String {
        let part = |part: &str| -> Option<String> {
            let (name, value) = part.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("UNTIL") {
                return None;
            }
            let until = When::parse(value, None).ok()?;
            let moved = match &until {
                When::Utc(wall) => self.shifted(self.from_zone.local(Zone::Utc.instant(*wall))),
                When::Date(date) => {
                    let days = self.to.local().date().since(self.from.date()).ok()?;
                    return Some(format!("UNTIL={}", When::Date(date.checked_add(days).ok()?).to_value()));
                }
                When::Floating(wall) | When::Zoned { local: wall, .. } => self.shifted(*wall),
            };
            let moved = match &self.to {
                When::Date(_) => When::Date(moved.date()),
                When::Floating(_) => When::Floating(moved),
                When::Utc(_) | When::Zoned { .. } => When::Utc(Zone::Utc.local(self.to_zone.instant(moved))),
            };
            Some(format!("UNTIL={}", moved.to_value()))
        };
        rule.split(';').map(|p| part(p).unwrap_or_else(|| p.to_owned())).collect::<Vec<_>>().join(";")
    }

    /// Names the instance that an override replaces by its new time. One that had not been moved moves as well.
    pub fn move_override(&self, component: &mut Component, zones: &Zones<'_>, spelling: &mut Spelling) {
        let Some((property, id)) = component.property("RECURRENCE-ID").and_then(|p| Some((p, When::of(p).ok()?)))
        else {
            return;
        };
        let range = property.param("RANGE").map(|range| range.into_owned());
        let start = component.property("DTSTART").and_then(|p| When::of(p).ok());
        let in_place = start.as_ref().is_some_and(|start| self.instant(start, zones) == self.instant(&id, zones));
        if let (Some(start), true) = (start, in_place) {
            let end = read::end_of(component, &named(start.clone(), zones), zones);
            let had_end = component.property("DTEND").is_some();
            component.set(spelling.property("DTSTART", &self.moved(&start, zones)));
            if had_end {
                component.set(spelling.property("DTEND", &self.moved(&end, zones)));
            }
        }
        let mut id = spelling.property("RECURRENCE-ID", &self.moved(&id, zones));
        if let Some(range) = range {
            id = id.with_param("RANGE", &range);
        }
        component.set(id);
    }

    fn instant(&self, when: &When, zones: &Zones<'_>) -> jiff::Timestamp {
        zones.of_value(when).or(&self.from_zone).instant(when.local())
    }
}

impl Appointment {
    /// Lets the exceptions and the end of a series follow its new start, unless they were changed as well.
    /// `self` is what the record was; `zones` are those of its object.
    pub fn carry_along(&self, wanted: &mut Appointment, zones: &Zones<'_>) {
        if self.start == wanted.start {
            return;
        }
        let shift = Shift::between(&self.start, &wanted.start, zones);
        let moved = |dates: &[When]| -> Vec<When> { dates.iter().map(|when| shift.moved(when, zones)).collect() };
        if wanted.recurrence.rules == self.recurrence.rules {
            wanted.recurrence.rules = self.recurrence.rules.iter().map(|rule| shift.rule(rule)).collect();
        }
        if wanted.recurrence.added == self.recurrence.added {
            wanted.recurrence.added = moved(&self.recurrence.added);
        }
        if wanted.recurrence.removed == self.recurrence.removed {
            wanted.recurrence.removed = moved(&self.recurrence.removed);
        }
    }
}
