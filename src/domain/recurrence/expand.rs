//! The instances of a series inside a window.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::series::{Key, Master, Overridden, Override};
use super::times::{DAY_S, Length, moment, moment_at, plus_seconds, timestamp, wall_seconds};
use super::{Expansion, INSTANCES_MAX, Instance, Moment, Series, Window};
use crate::domain::timerange;
use crate::ics::rule::{Budget, Rule, Until};
use crate::ics::zone::Zone;

/// An instance the master gives, before overrides.
struct Generated {
    key: Key,
    at: Timestamp,
    /// On the master's wall clock.
    local: DateTime,
    /// Where an RDATE brings its own.
    length: Option<Length>,
}

/// Where a start can lie that matters to a window: as instants, in seconds, and wider on the master's wall clock.
struct Reach {
    earliest: i64,
    latest: i64,
    from: DateTime,
    to: DateTime,
}

impl<'a> Series<'a> {
    /// The instances that overlap a window; see [`super::expand`].
    #[must_use]
    pub fn expand(&self, window: Window, reader: &Zone) -> Expansion<'a> {
        self.expand_where(window, 0, reader, |instance| timerange::instance_overlaps(instance, window))
    }

    /// The instances that lie within `margin_ms` of a window and satisfy `wanted`.
    pub(in crate::domain) fn expand_where(
        &self,
        window: Window,
        margin_ms: i64,
        reader: &Zone,
        wanted: impl Fn(&Instance<'a>) -> bool,
    ) -> Expansion<'a> {
        let near = Window { from: window.from.plus_ms(-margin_ms), to: window.to.plus_ms(margin_ms) };
        let (keys, overridden) = self.overridden(reader);
        let mut expansion = Expansion { instances: Vec::new(), truncated: !self.zones_complete };
        if let Some(master) = &self.master {
            let length = master.times.length(reader);
            let (generated, truncated) = self.generated(master, length, near, &overridden, reader);
            expansion.truncated |= truncated;
            let recurring = self.is_recurring();
            for one in generated {
                let instance = match overridden.later_than(one.key) {
                    Some((position, shift)) => self.overrides.get(position).map(|o| o.later(&one, shift, reader)),
                    None => Some(master.instance(&one, length, recurring, reader)),
                };
                expansion.instances.extend(instance.filter(|instance| wanted(instance)));
            }
        }
        let standing = Series::standing(&keys);
        for (position, (over, key)) in self.overrides.iter().zip(&keys).enumerate() {
            if standing.get(key) == Some(&position) {
                expansion.instances.extend(Some(over.instance(reader)).filter(|instance| wanted(instance)));
            }
        }
        expansion.instances.sort_by_key(|instance| (instance.starts.at, instance.recurrence_id.map(|id| id.at)));
        expansion.truncated |= expansion.instances.len() > INSTANCES_MAX;
        expansion.instances.truncate(INSTANCES_MAX);
        expansion
    }

    /// What the master's start, rules and dates give near the window, less what is excluded or overridden.
    fn generated(
        &self,
        master: &Master<'a>,
        length: Length,
        window: Window,
        overridden: &Overridden,
        reader: &Zone,
    ) -> (Vec<Generated>, bool) {
        let reach = self.reach(master, length, window, overridden, reader);
        let mut budget = Budget::default();
        let (mut generated, mut truncated) = (Vec::new(), false);
        for rule in &master.rules {
            truncated |= master.walk(rule, &reach, reader, &mut budget, &mut generated);
        }
        if master.rules.is_empty() && reach.holds(master.times.start.when.local()) {
            generated.push(master.generated(master.times.start.when.local(), reader));
        }
        for (date, length) in &master.dates {
            let at = master.instant(date, reader);
            let local = master.times.start.zone.or(reader).local(at);
            if reach.holds(local) {
                let local = if master.times.is_all_day() { date.when.local().date().into() } else { local };
                // What takes whole days does so however few hours a period names.
                let length = length.as_ref().filter(|_| !master.times.is_all_day());
                let length = length.map(|length| length.length(at, reader));
                generated.push(Generated { length, ..master.generated(local, reader) });
            }
        }
        // One with a length of its own comes first and is the one that stays.
        generated.sort_by_key(|one| (one.key, one.length.is_none()));
        generated.dedup_by_key(|one| one.key);

        let (mut excluded, excluded_days) = master.exclusions(reader);
        if let (Some(first), Some(last)) = (generated.first(), generated.last()) {
            let reach = Reach { from: first.local, to: plus_seconds(last.local, 2 * DAY_S), ..reach };
            truncated |= master.exclude_by_rules(&reach, reader, &mut budget, &mut excluded);
        }
        generated.retain(|one| {
            !overridden.keys.contains(&one.key)
                && !excluded.contains(&one.key)
                && !excluded_days.contains(&one.local.date())
        });
        (generated, truncated)
    }

    /// An instance overlaps the window only if it starts less than a length (and a shift) away from it. On the wall two
    /// days more on both sides, for clocks are a day apart at most and do not run in step with instants.
    fn reach(
        &self,
        master: &Master<'a>,
        length: Length,
        window: Window,
        overridden: &Overridden,
        reader: &Zone,
    ) -> Reach {
        let mut longest = length.seconds_at_most();
        for (date, length) in &master.dates {
            if let Some(length) = length {
                let own = length.length(master.instant(date, reader), reader);
                longest = longest.max(own.seconds_at_most());
            }
        }
        let mut shifted = 0;
        for (_, position, shift) in &overridden.from {
            shifted = shifted.max(shift.saturating_abs());
            let length = self.overrides.get(*position).map(|over| over.times.length(reader));
            longest = longest.max(length.map_or(0, Length::seconds_at_most));
        }
        let (from, to) = (timestamp(window.from), timestamp(window.to));
        let back = longest.saturating_add(shifted);
        let wall = |at| Offset::UTC.to_datetime(at);
        Reach {
            earliest: from.as_second().saturating_sub(back).saturating_sub(1),
            latest: to.as_second().saturating_add(shifted).saturating_add(1),
            from: plus_seconds(wall(from), -back.saturating_add(2 * DAY_S)),
            to: plus_seconds(wall(to), shifted.saturating_add(2 * DAY_S)),
        }
    }
}

impl Reach {
    fn holds(&self, local: DateTime) -> bool {
        (self.from..=self.to).contains(&local)
    }
}

impl Overridden {
    /// The override for this and all later instances that an instance falls under, with its shift.
    fn later_than(&self, key: Key) -> Option<(usize, i64)> {
        let before = self.from.partition_point(|(from, _, _)| *from <= key);
        let (_, position, shift) = self.from.get(before.checked_sub(1)?)?;
        Some((*position, *shift))
    }
}

impl<'a> Master<'a> {
    /// Adds what a rule gives; true if that is not all of it.
    fn walk(&self, rule: &Rule, reach: &Reach, reader: &Zone, budget: &mut Budget, found: &mut Vec<Generated>) -> bool {
        // UNTIL in UTC is compared as an instant, which only a zone can do.
        let until = match rule.until {
            Some(Until::Utc(utc)) => wall_seconds(utc),
            Some(Until::Date(_) | Until::Local(_)) | None => i64::MAX,
        };
        let start = self.times.start.when.local();
        let room = found.len() + INSTANCES_MAX;
        for step in rule.walk(start, reach.from..reach.to, budget) {
            let Ok(local) = step else { return true };
            let one = self.generated(local, reader);
            let at = one.at.as_second();
            if at < reach.earliest || at > reach.latest || (local != start && at > until) {
                continue;
            }
            if found.len() >= room {
                return true;
            }
            found.push(one);
        }
        false
    }

    /// Adds what the EXRULEs of old give, which count from DTSTART without holding it by themselves.
    fn exclude_by_rules(&self, reach: &Reach, reader: &Zone, budget: &mut Budget, excluded: &mut HashSet<Key>) -> bool {
        let start = self.times.start.when.local();
        let mut truncated = false;
        for rule in &self.excluding_rules {
            let mut found = Vec::new();
            truncated |= self.walk(rule, reach, reader, budget, &mut found);
            let given = rule.gives_start(start);
            excluded.extend(found.iter().filter(|one| given || one.local != start).map(|one| one.key));
        }
        truncated
    }

    fn generated(&self, local: DateTime, reader: &Zone) -> Generated {
        let at = self.times.start.zone.or(reader).instant(local);
        let key = if self.times.is_all_day() { wall_seconds(local) } else { at.as_second() };
        Generated { key, at, local, length: None }
    }

    fn instance(&self, one: &Generated, length: Length, recurring: bool, reader: &Zone) -> Instance<'a> {
        let zone = self.times.start.zone.or(reader);
        let starts = Moment { at: one.at.into(), local: one.local };
        Instance {
            component: self.component,
            index: self.index,
            recurrence_id: recurring.then_some(starts),
            starts,
            ends: one.length.unwrap_or(length).end_of(starts, zone),
            all_day: self.times.is_all_day(),
        }
    }
}

impl<'a> Override<'a> {
    /// The instance it was written for.
    pub(super) fn instance(&self, reader: &Zone) -> Instance<'a> {
        let start = moment(self.times.start.when.local(), self.times.start.zone.or(reader));
        self.at(moment(self.instance.when.local(), self.instance.zone.or(reader)), start, reader)
    }

    /// A later instance, which it moves as far as it moved its own.
    fn later(&self, one: &Generated, shift: i64, reader: &Zone) -> Instance<'a> {
        let starts = moment(self.moved(one.at, shift, reader), self.times.start.zone.or(reader));
        self.at(moment_at(one.at, self.instance.zone.or(reader)), starts, reader)
    }

    fn at(&self, recurrence_id: Moment, starts: Moment, reader: &Zone) -> Instance<'a> {
        Instance {
            component: self.component,
            index: self.index,
            recurrence_id: Some(recurrence_id),
            starts,
            ends: self.times.length(reader).end_of(starts, self.times.start.zone.or(reader)),
            all_day: self.times.is_all_day(),
        }
    }
}
