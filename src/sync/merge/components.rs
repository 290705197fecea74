//! The four objects of a merge side by side: masters, and overrides by the instance they are of.
//!
//! An override is named by the time its instance would have had. When a series begins at another time, that name moves
//! along; here every override is found by the name it has in the base.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::time::{self, Key};
use super::units::{self, Units};
use crate::domain::appointment::Shift;
use crate::domain::object::CalendarObject;
use crate::domain::recurrence::{Series, Window};
use crate::domain::time::{DAY_MS, Instant};
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, When};

/// One of the four objects.
pub(super) struct View<'a> {
    pub object: &'a CalendarObject,
    pub calendar: &'a Component,
    pub zones: Zones<'a>,
    pub master: Option<Over<'a>>,
    pub start: Option<When>,
    pub overrides: Vec<Over<'a>>,
}

/// A component and its place among those of its object.
#[derive(Clone)]
pub(super) struct Over<'a> {
    pub index: usize,
    pub component: &'a Component,
    /// Its RECURRENCE-ID; of a master its start.
    id: Option<When>,
}

impl<'a> View<'a> {
    /// `None` for an object without a VCALENDAR, which none is.
    pub fn of(object: &'a CalendarObject) -> Option<View<'a>> {
        let calendar = object.document().calendar()?;
        let zones = Zones::of(calendar);
        let (mut master, mut overrides) = (None, Vec::new());
        for (index, component) in object.components().enumerate() {
            match component.property("RECURRENCE-ID") {
                Some(property) => {
                    let id = When::of(property).ok().map(|id| time::named(id, &zones));
                    overrides.push(Over { index, component, id });
                }
                None if master.is_none() => master = Some(Over { index, component, id: None }),
                None => {}
            }
        }
        let start = master.as_ref().and_then(|m: &Over<'_>| time::start_of(m.component, &zones));
        Some(View { object, calendar, zones, master, start, overrides })
    }

    pub fn key(&self, id: &When) -> Key {
        time::key(self.start.as_ref(), id, &self.zones)
    }

    /// What its master says, without the time.
    pub fn master_contents(&self) -> Units {
        self.master.as_ref().map(|m| units::contents(m.component, &self.zones)).unwrap_or_default()
    }

    /// What an instance without an override of its own says.
    pub fn plain(&self) -> Units {
        let mut units = self.master_contents();
        if let Some(unit) = self.master.as_ref().and_then(|m| time::in_place(m.component, &self.zones)) {
            units.insert((super::Part::Time, String::new()), unit);
        }
        units
    }

    /// What an override says.
    pub fn override_units(&self, over: &Over<'_>) -> Units {
        let mut units = units::contents(over.component, &self.zones);
        if let Some(unit) = time::of_override(over.component, &self.zones, self.start.as_ref()) {
            units.insert((super::Part::Time, String::new()), unit);
        }
        units
    }

    /// Which of these instances the series gives by itself. Where that takes too long to find out: those that are not
    /// excluded.
    fn given(&self, wanted: &BTreeSet<Key>) -> HashSet<Key> {
        let (Some(first), Some(last), Some(master)) = (wanted.first(), wanted.last(), &self.master) else {
            return HashSet::new();
        };
        let window = Window {
            from: Instant::from_seconds(*first).plus_ms(-2 * DAY_MS),
            to: Instant::from_seconds(*last).plus_ms(2 * DAY_MS),
        };
        let expansion = Series::of(self.object).expand(window, &Zone::Utc);
        let mut given: HashSet<Key> = expansion
            .instances
            .iter()
            .map(|instance| instance.recurrence_id.unwrap_or(instance.starts).at.seconds())
            .collect();
        if expansion.truncated {
            let excluded = time::excluded(master.component, &self.zones);
            given.extend(wanted.iter().filter(|key| !excluded.contains(key)));
        }
        given
    }
}

/// How the names of instances in one object follow from those in another.
pub(super) struct Space {
    from: Option<When>,
    to: Option<When>,
    /// Names moved with the start.
    pub shifted: bool,
    /// They may have, or not: as many instances would be the same either way.
    pub ambiguous: bool,
}

impl Space {
    /// From an older state to a newer one.
    pub fn between(old: &View<'_>, new: &View<'_>) -> Space {
        let mut space = Space { from: old.start.clone(), to: new.start.clone(), shifted: false, ambiguous: false };
        if space.from.is_none() || space.to.is_none() || space.from == space.to {
            return space;
        }
        space.shifted = true;
        let known: HashSet<Key> = old.overrides.iter().filter_map(|o| o.id.as_ref()).map(|id| old.key(id)).collect();
        let (mut kept, mut moved) = (0, 0);
        for id in new.overrides.iter().filter_map(|o| o.id.as_ref()) {
            kept += usize::from(known.contains(&new.key(id)));
            moved += usize::from(known.contains(&old.key(&space.back(id, &new.zones))));
        }
        space.ambiguous = kept == moved && kept > 0;
        space.shifted = moved >= kept;
        space
    }

    /// The older name of what is `id` now.
    pub fn back(&self, id: &When, zones: &Zones<'_>) -> When {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) if self.shifted => Shift::between(to, from, zones).moved(id, zones),
            _ => id.clone(),
        }
    }

    /// The newer name of what was `id`.
    pub fn forth(&self, id: &When, zones: &Zones<'_>) -> When {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) if self.shifted => Shift::between(from, to, zones).moved(id, zones),
            _ => id.clone(),
        }
    }

    /// The start that names count from: the newer one where they moved with it.
    pub fn anchor(&self) -> Option<&When> {
        if self.shifted { self.to.as_ref() } else { self.from.as_ref() }
    }
}

/// What one object has of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// An override: which of [`View::overrides`].
    Own(usize),
    /// What the series says.
    Plain,
    /// Nothing: excluded, or not one of the series.
    Gone,
}

impl State {
    pub fn is_own(self) -> bool {
        matches!(self, State::Own(_))
    }
}

/// One instance that has an override in some of the objects, or is excluded in some and not in others.
pub(super) struct Slot {
    /// For fields and their decisions.
    pub name: String,
    /// In base, local, before and after.
    pub states: [State; 4],
    /// Its names there.
    pub ids: [When; 4],
    /// Whether an EXDATE names it there.
    pub excluded: [bool; 4],
}

/// Which of the four.
pub(super) const BASE: usize = 0;
pub(super) const LOCAL: usize = 1;
pub(super) const BEFORE: usize = 2;
pub(super) const AFTER: usize = 3;

/// The four together.
pub(super) struct Views<'a> {
    pub all: [View<'a>; 4],
    pub local_space: Space,
    pub remote_space: Space,
    pub slots: Vec<Slot>,
    /// The keys of the slots, in each object.
    pub apart: [BTreeSet<Key>; 4],
}

impl<'a> Views<'a> {
    pub fn of(sides: &super::Sides<'a>) -> Option<Views<'a>> {
        let all = [View::of(sides.base)?, View::of(sides.local)?, View::of(sides.before)?, View::of(sides.after)?];
        let [base, local, before, after] = &all;
        let local_space = Space::between(base, local);
        let lens_space = Space::between(base, before);
        let remote_space = Space::between(before, after);

        let in_base = |which: usize, id: &When, zones: &Zones<'_>| match which {
            LOCAL => local_space.back(id, zones),
            BEFORE => lens_space.back(id, zones),
            AFTER => lens_space.back(&remote_space.back(id, zones), zones),
            _ => id.clone(),
        };
        let mut found: BTreeMap<Key, (When, [Option<usize>; 4])> = BTreeMap::new();
        let mut excluded: BTreeMap<Key, (When, BTreeSet<usize>)> = BTreeMap::new();
        for (which, view) in all.iter().enumerate() {
            for (position, over) in view.overrides.iter().enumerate() {
                let Some(id) = &over.id else { continue };
                let id = in_base(which, id, &view.zones);
                let (_, owns) = found.entry(base.key(&id)).or_insert((id, [None; 4]));
                if let Some(own) = owns.get_mut(which) {
                    own.get_or_insert(position);
                }
            }
            for date in view.master.iter().flat_map(|m| time::excluded_dates(m.component)) {
                let id = in_base(which, &time::named(date, &view.zones), &view.zones);
                excluded.entry(base.key(&id)).or_insert((id, BTreeSet::new())).1.insert(which);
            }
        }
        // An instance that is excluded everywhere is nobody's question.
        for (key, (id, _)) in excluded.iter().filter(|(_, (_, by))| by.len() < all.len()) {
            found.entry(*key).or_insert((id.clone(), [None; 4]));
        }
        let mut slots = Vec::with_capacity(found.len());
        let mut apart: [BTreeSet<Key>; 4] = Default::default();
        for (key, (id, owns)) in found {
            let of_before = lens_space.forth(&id, &before.zones);
            let ids = [
                id.clone(),
                local_space.forth(&id, &local.zones),
                of_before.clone(),
                remote_space.forth(&of_before, &after.zones),
            ];
            for ((keys, view), id) in apart.iter_mut().zip(&all).zip(&ids) {
                keys.insert(view.key(id));
            }
            let states = owns.map(|own| own.map_or(State::Gone, State::Own));
            let by = excluded.get(&key).map(|(_, by)| by);
            let excluded = [BASE, LOCAL, BEFORE, AFTER].map(|which| by.is_some_and(|by| by.contains(&which)));
            slots.push(Slot { name: instance_name(key, base.start.as_ref().unwrap_or(&id)), states, ids, excluded });
        }
        for (which, (view, keys)) in all.iter().zip(&apart).enumerate() {
            let given = view.given(keys);
            for slot in &mut slots {
                if let (Some(state), Some(id)) = (slot.states.get_mut(which), slot.ids.get(which))
                    && *state == State::Gone
                    && given.contains(&view.key(id))
                {
                    *state = State::Plain;
                }
            }
        }
        Some(Views { all, local_space, remote_space, slots, apart })
    }

    /// What an object says of an instance; of one that it has no override for, what its series says.
    pub fn said(&self, which: usize, state: State, plain: &[Units; 4]) -> Units {
        let own = match state {
            State::Own(at) => self.all.get(which).and_then(|v| v.overrides.get(at).map(|o| v.override_units(o))),
            State::Plain | State::Gone => None,
        };
        own.or_else(|| plain.get(which).cloned()).unwrap_or_default()
    }
}

/// The overrides of an object by their place among its components, each with the instance it is of as fields name it.
#[must_use]
pub fn instances_of(object: &CalendarObject) -> Vec<(usize, String)> {
    let Some(view) = View::of(object) else { return Vec::new() };
    let named = view.overrides.iter().filter_map(|over| {
        let id = over.id.as_ref()?;
        Some((over.index, instance_name(view.key(id), view.start.as_ref().unwrap_or(id))))
    });
    named.collect()
}

/// An instance as fields name it: its day, or its instant.
fn instance_name(key: Key, like: &When) -> String {
    let at = Instant::from_seconds(key);
    match (like, at.timestamp()) {
        (When::Date(_), Some(at)) => Zone::Utc.local(at).date().to_string(),
        _ => at.to_string(),
    }
}
