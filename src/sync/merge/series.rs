//! Master and overrides decided about together: first the series, whose time names the instances, then each instance that
//! has an override anywhere.

use super::components::{AFTER, BASE, BEFORE, LOCAL, Slot, State, Views};
use super::field::{Part, Side};
use super::judge::{Action, Four, Judge, Plan};
use super::time;
use super::units::Units;

/// What becomes of a component.
#[derive(Debug)]
pub(super) enum Fate {
    /// It stays, with this carried in; `None` of a component that is not there.
    Stay(Plan),
    /// It goes.
    Go,
    /// The remote one comes in as it is.
    Come,
    /// A new override begins as what the series says here, with this carried in.
    Begin(Plan),
}

/// What becomes of one instance.
pub(super) struct Outcome {
    pub fate: Fate,
    /// Whether the instance shall be there: by its override, by the series, or not at all.
    pub shall: Presence,
}

/// Whether an instance is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is.
    There,
    /// It is not.
    Excluded,
    /// As the time of the series says it here.
    AsItIs,
}

/// What becomes of everything.
pub(super) struct Verdict {
    pub master: Fate,
    /// Whether the series has the remote side's time now.
    pub remote_time: bool,
    /// By the order of the slots.
    pub outcomes: Vec<Outcome>,
}

/// Decides about a whole object.
pub(super) fn decide(views: &Views<'_>, judge: &mut Judge<'_>) -> Verdict {
    let plain = [BASE, LOCAL, BEFORE, AFTER].map(|at| views.all.get(at).map(|v| v.plain()).unwrap_or_default());
    let (master, remote_time) = decide_master(views, judge);
    let outcomes = views.slots.iter().map(|slot| decide_slot(views, slot, &plain, remote_time, judge)).collect();
    Verdict { master, remote_time, outcomes }
}

fn decide_master(views: &Views<'_>, judge: &mut Judge<'_>) -> (Fate, bool) {
    let [base, local, before, after] = [BASE, LOCAL, BEFORE, AFTER].map(|at| master_units(views, at));
    let has = [&base, &local, &before, &after].map(Option::is_some);
    let unwrapped = |units: Option<Units>| units.unwrap_or_default();
    let four =
        Four { base: unwrapped(base), local: unwrapped(local), before: unwrapped(before), after: unwrapped(after) };
    let [_, has_local, has_before, has_after] = has;
    let stay = (Fate::Stay(Plan::new()), false);
    match (has_local, has_after) {
        (true, true) => {
            let unsure = views.local_space.ambiguous || views.remote_space.ambiguous;
            let plan = judge.plan(None, four, unsure);
            let takes_time =
                plan.iter().any(|((part, _), action)| *part == Part::Time && matches!(action, Action::Carry { .. }));
            (Fate::Stay(plan), takes_time)
        }
        (false, false) => stay,
        (true, false) if !has_before => stay,
        (false, true) if has_before && !four.remote_changed() => stay,
        (is_here, _) => {
            if !judge.writable.allows(Part::Instance, None) {
                judge.refused = true;
                return stay;
            }
            let fate = || if is_here { Fate::Go } else { Fate::Come };
            let shown = ["the series", "the series", "the series"].map(Some);
            let disputed = if is_here { four.local_changed() } else { has_before };
            if !disputed {
                judge.took_remote = true;
                return (fate(), !is_here);
            }
            match judge.existence(None, shown) {
                Some(Side::Remote) => (fate(), !is_here),
                Some(Side::Local) | None => stay,
            }
        }
    }
}

fn master_units(views: &Views<'_>, which: usize) -> Option<Units> {
    let (view, apart) = (views.all.get(which)?, views.apart.get(which)?);
    let master = view.master.as_ref()?;
    let mut units = view.master_contents();
    if let Some(unit) = time::whole(master.component, &view.zones, &|key| apart.contains(&key)) {
        units.insert((Part::Time, String::new()), unit);
    }
    Some(units)
}

fn decide_slot(
    views: &Views<'_>,
    slot: &Slot,
    plain: &[Units; 4],
    remote_time: bool,
    judge: &mut Judge<'_>,
) -> Outcome {
    let [base, local, before, after] = slot.states;
    let keep = |shall| Outcome { fate: Fate::Stay(Plan::new()), shall };
    let here = if local == State::Gone { Presence::Excluded } else { Presence::There };
    let [_, _, _, excluded_there] = slot.excluded;
    if before != State::Gone && after == State::Gone && !excluded_there && !remote_time {
        // The series ends before it over there; that is a matter of the time, which did not come in.
        judge.took_local |= local != State::Gone;
        return keep(Presence::AsItIs);
    }
    let said = |which, state| views.said(which, state, plain);
    let four = Four {
        base: said(BASE, base),
        local: said(LOCAL, local),
        before: said(BEFORE, before),
        after: said(AFTER, after),
    };
    let kind_changed =
        |from: State, to: State| from.is_own() != to.is_own() || (from == State::Gone) != (to == State::Gone);
    // An override that is new here takes what its series says newly there.
    let follows = local.is_own() && !base.is_own() && before == after && !after.is_own();
    let remote_changed = kind_changed(before, after) || ((after.is_own() || follows) && four.remote_changed());
    let local_changed = kind_changed(base, local) || (local.is_own() && four.local_changed());
    if !remote_changed {
        judge.took_local |= local_changed && kind_changed(local, after);
        if local_changed && local.is_own() && after.is_own() {
            judge.plan(Some(&slot.name), four, false);
        }
        return keep(Presence::AsItIs);
    }
    let unsure = (views.local_space.ambiguous || views.remote_space.ambiguous) && remote_changed;
    match (local, after) {
        (State::Own(_), State::Own(_)) if !unsure => {
            Outcome { fate: Fate::Stay(judge.plan(Some(&slot.name), four, false)), shall: Presence::There }
        }
        (State::Own(_), State::Plain | State::Gone)
            if (follows || (after, base.is_own()) == (State::Plain, false)) && !unsure =>
        {
            Outcome { fate: Fate::Stay(judge.plan(Some(&slot.name), four, false)), shall: Presence::There }
        }
        (State::Plain | State::Gone, State::Own(_)) if !local_changed && !unsure => {
            let refused = std::mem::take(&mut judge.refused);
            let plan = judge.plan(Some(&slot.name), four, false);
            let hindered = judge.refused;
            judge.refused |= refused;
            if plan.is_empty() && hindered {
                return keep(Presence::AsItIs);
            }
            // One that says what its series says is an override all the same: it will not follow the series.
            judge.took_remote = true;
            Outcome { fate: Fate::Begin(plan), shall: Presence::There }
        }
        // What is left takes the instance, or its override, away on one side.
        _ => {
            if !judge.writable.allows(Part::Instance, Some(&slot.name)) {
                judge.refused = true;
                return keep(Presence::AsItIs);
            }
            if !kind_changed(local, after) && !local.is_own() {
                return keep(here);
            }
            let winner = match local_changed || unsure {
                false => {
                    judge.took_remote = true;
                    Some(Side::Remote)
                }
                true => {
                    let title = |units: &Units, state: State| match state {
                        State::Gone => None,
                        State::Own(_) | State::Plain => units
                            .get(&(Part::Title, String::new()))
                            .map(|unit| unit.shown.clone())
                            .or(Some(String::new())),
                    };
                    let shown = [title(&four.base, base), title(&four.local, local), title(&four.after, after)];
                    let [b, l, r] = &shown;
                    judge.existence(Some(&slot.name), [b.as_deref(), l.as_deref(), r.as_deref()])
                }
            };
            match (winner, after) {
                (Some(Side::Remote), State::Own(_)) => Outcome { fate: Fate::Come, shall: Presence::There },
                (Some(Side::Remote), State::Plain) => Outcome { fate: Fate::Go, shall: Presence::There },
                (Some(Side::Remote), State::Gone) => Outcome { fate: Fate::Go, shall: Presence::Excluded },
                (Some(Side::Local) | None, _) => keep(here),
            }
        }
    }
}
