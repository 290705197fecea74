//! The merged object written: the local one with what was decided carried into it.

use std::collections::BTreeMap;

use super::components::{AFTER, LOCAL, Over, State, View, Views};
use super::field::Part;
use super::judge::{Action, Plan};
use super::series::{Fate, Outcome, Presence, Verdict};
use super::units::{UnitKey, single_name};
use super::{Unmergeable, patch, time};
use crate::domain::appointment::{Shift, Spelling, instant_utc, repeats_of};
use crate::domain::object::CalendarObject;
use crate::domain::time::Instant;
use crate::ics::validate::OBJECT_COMPONENTS;
use crate::ics::zone::Zones;
use crate::ics::{Component, Property, When, value};

/// What becomes of the local components, by their place; and what is new.
struct Draft<'v, 'a> {
    views: &'v Views<'a>,
    local: &'v View<'a>,
    after: &'v View<'a>,
    spelling: Spelling,
    now: Instant,
    /// Changed components; `None` for those that go.
    changed: BTreeMap<usize, Option<Component>>,
    new: Vec<Component>,
    /// From which start to which the names of instances move: those of the local overrides, and of the remote ones.
    local_moves: Option<(When, When)>,
    remote_moves: Option<(When, When)>,
    carried_time: bool,
}

/// Writes the object.
pub(super) fn write(views: &Views<'_>, verdict: Verdict, now: Instant) -> Result<CalendarObject, Unmergeable> {
    let (Some(local), Some(after)) = (views.all.get(LOCAL), views.all.get(AFTER)) else {
        return Err(Unmergeable::Nothing);
    };
    let here = views.local_space.anchor().cloned();
    let there = views.remote_space.anchor().cloned();
    let moves = |from: Option<When>, to: Option<When>| from.zip(to).filter(|(from, to)| from != to);
    let (local_moves, remote_moves) = match verdict.remote_time {
        true => (moves(here, there), None),
        false => (None, moves(there, here)),
    };
    let mut draft = Draft {
        views,
        local,
        after,
        spelling: Spelling::of(local.calendar),
        now,
        changed: BTreeMap::new(),
        new: Vec::new(),
        local_moves,
        remote_moves,
        carried_time: false,
    };
    draft.master(&verdict);
    for (slot, outcome) in verdict.outcomes.iter().enumerate() {
        draft.slot(slot, outcome);
    }
    draft.exclusions(&verdict);
    draft.finish()
}

impl<'a> Draft<'_, 'a> {
    fn master(&mut self, verdict: &Verdict) {
        match (&verdict.master, self.local.master.clone(), self.after.master.clone()) {
            (Fate::Stay(plan), Some(own), Some(remote)) if !plan.is_empty() => {
                let component = self.patched(own.component.clone(), remote.component, plan);
                self.changed.insert(own.index, Some(component));
            }
            (Fate::Go, Some(own), _) => {
                self.changed.insert(own.index, None);
            }
            (Fate::Come, _, Some(remote)) => {
                self.carried_time = true;
                self.new.push(remote.component.clone());
            }
            _ => {}
        }
    }

    fn slot(&mut self, at: usize, outcome: &Outcome) {
        let Some(slot) = self.views.slots.get(at) else { return };
        let [_, local, _, after] = slot.states;
        let own = self.over(self.local, local);
        let remote = self.over(self.after, after).map(|over| self.moved_remote(&over));
        match (&outcome.fate, own, remote) {
            (Fate::Go, Some(own), _) => {
                self.changed.insert(own.index, None);
            }
            (Fate::Stay(plan), Some(own), remote) => {
                let moved = self.moved_local(&own);
                // Of an instance that the remote side says nothing special about, its series speaks.
                let source =
                    remote.or_else(|| self.after.master.as_ref().map(|m| in_place(m.component, &moved, self.after)));
                let component = match source {
                    Some(source) if !plan.is_empty() => self.patched(moved, &source, plan),
                    _ => moved,
                };
                if component.to_bytes() != own.component.to_bytes() {
                    self.changed.insert(own.index, Some(component));
                }
            }
            (Fate::Begin(plan), None, Some(remote)) => {
                let begun = match &self.local.master {
                    Some(master) => in_place(master.component, &remote, self.local),
                    None => remote.clone(),
                };
                let component = self.patched(begun, &remote, plan);
                self.new.push(component);
            }
            (Fate::Come, own, Some(remote)) => {
                self.carried_time = true;
                match own {
                    Some(own) => {
                        self.changed.insert(own.index, Some(remote));
                    }
                    None => self.new.push(remote),
                }
            }
            _ => {}
        }
    }

    fn over(&self, view: &View<'a>, state: State) -> Option<Over<'a>> {
        match state {
            State::Own(at) => view.overrides.get(at).cloned(),
            _ => None,
        }
    }

    /// A local override under the name it has in the merged series.
    fn moved_local(&mut self, over: &Over<'_>) -> Component {
        let mut component = over.component.clone();
        if let Some((from, to)) = &self.local_moves {
            Shift::between(from, to, &self.local.zones).move_override(
                &mut component,
                &self.local.zones,
                &mut self.spelling,
            );
        }
        component
    }

    /// A remote override under the name it has in the merged series.
    fn moved_remote(&mut self, over: &Over<'_>) -> Component {
        let mut component = over.component.clone();
        if let Some((from, to)) = &self.remote_moves {
            Shift::between(from, to, &self.after.zones).move_override(
                &mut component,
                &self.after.zones,
                &mut self.spelling,
            );
        }
        component
    }

    /// A component with a plan carried out, and stamped.
    fn patched(&mut self, mut component: Component, source: &Component, plan: &Plan) -> Component {
        let sequence = [sequence(&component), sequence(source)];
        let old = component.to_bytes();
        let old_time = time_lines(&component);
        let is_of_people = |key: &UnitKey| matches!(key.0, Part::Attendee | Part::Participation);
        let mut people: Vec<(&UnitKey, bool)> = plan
            .iter()
            .filter(|(key, _)| is_of_people(key))
            .map(|(key, action)| (key, *action == Action::Carry { whole: true }))
            .collect();
        for (key, action) in plan {
            if is_of_people(key) {
                // All of them where the first has its turn.
                if !people.is_empty() {
                    patch::carry_people(&mut component, source, &std::mem::take(&mut people));
                }
                continue;
            }
            match action {
                Action::Text(text) => {
                    let line = component.property("DESCRIPTION").map_or_else(
                        || Property::text("DESCRIPTION", text),
                        |old| old.with_value(&crate::ics::text::escape(text)),
                    );
                    component.set(line);
                }
                Action::Carry { .. } => {
                    let zones: (&Zones<'_>, &Zones<'_>) = (&self.local.zones, &self.after.zones);
                    patch::carry(&mut component, source, key, zones);
                    self.carried_time |= key.0 == Part::Time;
                }
            }
            forget_repeats(&mut component, source, key.0);
        }
        if component.to_bytes() == old {
            return component;
        }
        stamp(&mut component, self.now);
        let [ours, theirs] = sequence;
        // What neither side has said before is a revision of its own.
        let is_new = time_lines(&component) != old_time && time_lines(&component) != time_lines(source);
        let next = ours.max(theirs).saturating_add(i64::from(is_new)).min(i64::from(i32::MAX));
        if next != ours {
            component.set(Property::new("SEQUENCE", &next.to_string()));
        }
        component
    }

    /// Lets EXDATE say of the instances with overrides what was decided about them.
    fn exclusions(&mut self, verdict: &Verdict) {
        let Some(own) = self.local.master.clone() else { return };
        let mut master = match self.changed.get(&own.index) {
            Some(None) => return,
            Some(Some(changed)) => changed.clone(),
            None => own.component.clone(),
        };
        let before = master.to_bytes();
        let local = self.local;
        let start = time::start_of(&master, &local.zones);
        for (slot, outcome) in self.views.slots.iter().zip(&verdict.outcomes) {
            let [_, local_id, _, after_id] = &slot.ids;
            let [_, local_state, _, after_state] = slot.states;
            let [_, here, _, there] = slot.excluded;
            let id = if verdict.remote_time { after_id } else { local_id };
            let key = time::key(start.as_ref(), id, &local.zones);
            let shall = match outcome.shall {
                // The lines stayed, and so did what they say of this instance.
                Presence::AsItIs if !verdict.remote_time => continue,
                // The lines came from there.
                Presence::AsItIs if here && after_state != State::Gone => Presence::Excluded,
                Presence::AsItIs if local_state == State::Gone => continue,
                Presence::AsItIs => Presence::There,
                Presence::There if here && local_state.is_own() => continue,
                shall => shall,
            };
            let is_excluded = time::excluded(&master, &local.zones).contains(&key);
            match shall {
                Presence::There if is_excluded => include(&mut master, key, start.as_ref(), &local.zones),
                Presence::Excluded if !is_excluded && (here || there) => {
                    let value = start.as_ref().map_or_else(|| id.clone(), |start| in_kind(id, start, &local.zones));
                    master.push(self.spelling.property("EXDATE", &value));
                }
                Presence::There | Presence::Excluded | Presence::AsItIs => {}
            }
        }
        if master.to_bytes() != before {
            stamp(&mut master, self.now);
            self.changed.insert(own.index, Some(master));
        }
    }

    fn finish(self) -> Result<CalendarObject, Unmergeable> {
        if self.changed.is_empty() && self.new.is_empty() {
            return Ok(self.local.object.clone());
        }
        let mut document = self.local.object.document().clone();
        let calendar = document.calendar_mut().ok_or(Unmergeable::Nothing)?;
        let is_object = |c: &Component| OBJECT_COMPONENTS.iter().any(|name| c.is(name));
        let mut changed = self.changed;
        let mut goes = Vec::new();
        for (index, component) in calendar.components_mut().filter(|c| is_object(c)).enumerate() {
            match changed.remove(&index) {
                Some(Some(new)) => *component = new,
                other => {
                    if other.is_some() {
                        goes.push(index);
                    }
                }
            }
        }
        let mut index = 0;
        calendar.retain_components(|c| {
            index += usize::from(is_object(c));
            !is_object(c) || !goes.contains(&(index - 1))
        });
        for component in self.new {
            calendar.push_component(component);
        }
        if !calendar.components().any(is_object) {
            return Err(Unmergeable::Nothing);
        }
        if self.carried_time {
            define_zones(calendar, self.after)?;
        }
        self.spelling.define(calendar);
        CalendarObject::parse(document.to_bytes()).map_err(Unmergeable::Invalid)
    }
}

/// Brings the zones that came in with times.
fn define_zones(calendar: &mut Component, after: &View<'_>) -> Result<(), Unmergeable> {
    let mut used: Vec<String> = Vec::new();
    for component in calendar.components().filter(|c| OBJECT_COMPONENTS.iter().any(|name| c.is(name))) {
        let named = component.properties().filter(|p| time::is_line(p) || p.is("RECURRENCE-ID"));
        for tzid in named.filter_map(|p| p.param("TZID")).map(|tzid| tzid.trim().to_owned()) {
            if !used.contains(&tzid) {
                used.push(tzid);
            }
        }
    }
    let mut missing = Vec::new();
    let own = Zones::of(calendar);
    for tzid in used {
        let Some(theirs) = after.zones.definition(&tzid) else { continue };
        let known = after.zones.get(&tzid).is_some_and(|zone| zone.iana_name().is_some());
        match own.definition(&tzid) {
            None => missing.push(theirs.clone()),
            Some(ours) if !known && ours.to_bytes() != theirs.to_bytes() => return Err(Unmergeable::Zones),
            Some(_) => {}
        }
    }
    for zone in missing {
        calendar.insert_component(zone);
    }
    Ok(())
}

/// What the series says of the instance that `like` is of, as an override of its own.
fn in_place(master: &Component, like: &Component, view: &View<'_>) -> Component {
    let mut component = master.clone();
    component.retain(|p| !time::is_repeating(p));
    let Some((line, id)) = like.property("RECURRENCE-ID").and_then(|p| Some((p.clone(), When::of(p).ok()?))) else {
        return component;
    };
    component.set(line);
    let Some(start) = master.property("DTSTART").and_then(|p| When::of(p).ok()) else { return component };
    let id = in_kind(&id, &start, &view.zones);
    let shift = Shift::between(&start, &id, &view.zones);
    let moved = ["DTSTART", "DTEND", "DUE"].map(|name| {
        let when = master.property(name).and_then(|p| When::of(p).ok())?;
        // An end in a zone of its own stays in it.
        let end = shift.moved(&when, &view.zones);
        Some(in_kind(&end, &when, &view.zones).to_property(name))
    });
    for line in moved.into_iter().flatten() {
        component.set(line);
    }
    component
}

/// The same point as the kind of value that `like` is.
fn in_kind(when: &When, like: &When, zones: &Zones<'_>) -> When {
    let wall = |to: &When| match (when, to) {
        (When::Utc(_) | When::Zoned { .. }, When::Utc(_) | When::Zoned { .. }) => {
            zones.of_value(to).local(zones.of_value(when).instant(when.local()))
        }
        _ => when.local(),
    };
    match like {
        When::Date(_) => When::Date(when.local().date()),
        When::Floating(_) => When::Floating(wall(like)),
        _ if when.is_date() => with_wall(like, when.local().date().to_datetime(like.local().time())),
        When::Utc(_) | When::Zoned { .. } => with_wall(like, wall(like)),
    }
}

fn with_wall(like: &When, local: jiff::civil::DateTime) -> When {
    match like {
        When::Date(_) => When::Date(local.date()),
        When::Floating(_) => When::Floating(local),
        When::Utc(_) => When::Utc(local),
        When::Zoned { tzid, .. } => When::Zoned { local, tzid: tzid.clone() },
    }
}

/// Takes an instance out of the EXDATEs.
fn include(master: &mut Component, key: time::Key, start: Option<&When>, zones: &Zones<'_>) {
    for property in master.properties_mut().filter(|p| p.is("EXDATE")) {
        let Ok(list) = When::list_of(property) else { continue };
        let left: Vec<&When> = list.iter().filter(|when| time::key(start, when, zones) != key).collect();
        if left.len() < list.len() {
            let written: Vec<String> = left.iter().map(|when| when.to_value()).collect();
            *property = property.with_value(&written.join(","));
        }
    }
    master.retain(|p| !p.is("EXDATE") || !p.value().is_empty());
}

/// Says on a component that it was changed now.
fn stamp(component: &mut Component, now: Instant) {
    let now = instant_utc(now);
    component.set(now.to_property("DTSTAMP"));
    component.set(now.to_property("LAST-MODIFIED"));
}

fn sequence(component: &Component) -> i64 {
    component.property("SEQUENCE").and_then(|p| value::integer(p.value()).ok()).unwrap_or(0).max(0)
}

fn time_lines(component: &Component) -> Vec<Property> {
    component.properties().filter(|p| time::is_line(p) || p.is("STATUS")).cloned().collect()
}

/// Drops the lines that repeat, in words of old, what came in. Where the remote side brings its own, they came in too.
fn forget_repeats(component: &mut Component, source: &Component, part: Part) {
    let name = single_name(part).unwrap_or_default();
    for repeat in repeats_of(name) {
        let stale = component.property(repeat).is_some() && component.property(repeat) == source.property(repeat);
        if stale {
            component.remove(repeat);
        }
    }
}
