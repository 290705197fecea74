//! Both sides of one mapping are there, and the item changed: what both of them say now.

use bytes::Bytes;

use super::{Act, Ground, Local, met};
use crate::domain::object::CalendarObject;
use crate::domain::sync::{ConflictKind, ConflictPolicy, Direction, Origin, Resolution, Snapshot};
use crate::ics::Component;
use crate::store::Mapping;
use crate::sync::merge::{FieldConflict, Merged, Prefer, Sides, WriteBack, merge};
use crate::sync::project;
use crate::upstream::{Outgoing, Upstream};

/// The item changed; the object is there.
pub(super) fn both(ground: &Ground<'_>, mapping: &Mapping, local: &Local, item: &Snapshot) -> Act {
    let link = &ground.link.settings;
    let Some(base_bytes) = &mapping.base else { return met(ground, Some(local), item) };
    if !link.direction.pulls() {
        // One way out: what is said there is overwritten.
        return Act::Absorb { base: base_bytes.clone(), push: true };
    }
    let policy = &link.policy;
    let Ok(base) = CalendarObject::from_stored(base_bytes.clone()) else {
        return met(ground, Some(local), item);
    };
    let sides = (|| {
        let after = ground.up.put(item, Some(&base), ground.lens)?;
        let before = match &mapping.base_item {
            // What was agreed on may be unreadable, from an answer that was not as it should be: then it said what the base
            // says.
            Some(held) => ground.up.put(held, Some(&base), ground.lens).unwrap_or_else(|_| base.clone()),
            // Of a create whose answer was lost only what it carried is known, or what an earlier one had.
            None => match mapping.tried().and_then(|tried| ground.up.put(tried, Some(&base), ground.lens).ok()) {
                Some(tried) => as_far_as_sent(&tried, &after).unwrap_or(tried),
                None => as_far_as_sent(&base, &after).unwrap_or_else(|| base.clone()),
            },
        };
        Ok::<_, crate::upstream::Unfit>((before, after))
    })();
    let (before, after) = match sides {
        Ok(sides) => sides,
        Err(unfit) => return Act::Quarantine(unfit.0),
    };
    if ground.decision.is_none() && already_says(ground, local, item) {
        return Act::Absorb { base: local.object.bytes().clone(), push: false };
    }
    // Nothing of what came from there was ever hidden or made up there: all of it may be said anew.
    let writable = match mapping.origin {
        Origin::There => WriteBack::all(),
        Origin::Here => project::write_back(policy, &local.object),
    };
    let with = |local: &CalendarObject, prefer: &Prefer| {
        merge(Sides { base: &base, local, before: &before, after: &after }, &writable, prefer, ground.now)
    };
    // What both agree on from now on: the base with what changed there, whatever this side made of it.
    let absorbed = match with(&base, &Prefer::Remote) {
        Ok(absorbed) => absorbed.object.bytes().clone(),
        Err(unfit) => return Act::Quarantine(unfit.to_string()),
    };
    let first = match ground.decision {
        Some(prefer) => with(&local.object, prefer),
        None => with(&local.object, &Prefer::Neither),
    };
    let merged = match first {
        Ok(merged) => merged,
        Err(unfit) => return Act::Quarantine(unfit.to_string()),
    };
    let pushes = match mapping.base_item {
        _ if !link.direction.pushes() => Pushes::Never,
        Some(_) => Pushes::Changes,
        None => Pushes::Always,
    };
    if merged.conflicts.is_empty() {
        return carried(local, merged, absorbed, pushes);
    }
    let decided = if link.direction == Direction::Pull {
        Some(Prefer::Remote)
    } else if mapping.cool_until.is_some_and(|until| until > ground.now) {
        None
    } else {
        side(ground, local, item)
    };
    let Some(prefer) = decided else {
        return Act::Conflict { kind: kind_of(&merged.conflicts), fields: merged.conflicts };
    };
    match with(&local.object, &prefer) {
        Ok(settled) if settled.conflicts.is_empty() => Act::Settled {
            act: Box::new(carried(local, settled, absorbed, pushes)),
            how: if prefer == Prefer::Remote { Resolution::KeepExternal } else { Resolution::KeepPlatform },
            kind: kind_of(&merged.conflicts),
            fields: merged.conflicts,
        },
        Ok(merged) => Act::Conflict { kind: kind_of(&merged.conflicts), fields: merged.conflicts },
        Err(unfit) => Act::Quarantine(unfit.to_string()),
    }
}

/// Whether the item says what a call carried of which nobody knew how it ended: it was carried out.
pub fn has_arrived(up: &dyn Upstream, mapping: &Mapping, item: &Snapshot) -> bool {
    let sent = mapping.state.call().and_then(|call| call.sent.clone());
    sent.is_some_and(|payload| !payload.is_empty() && up.echoes(item, &Outgoing { payload, warnings: Vec::new() }))
}

/// Whether the item says all that the object says and nothing else: a write whose answer was lost has arrived, or both
/// sides were changed to the same. What a provider cannot say, or writes in its own way, is then no difference.
fn already_says(ground: &Ground<'_>, local: &Local, item: &Snapshot) -> bool {
    let onto = ground.up.put(item, Some(&local.object), ground.lens);
    let said = ground.up.get(&local.object, Some(item), ground.lens);
    onto.is_ok_and(|onto| onto.bytes() == local.object.bytes()) && said.is_ok_and(|said| ground.up.says(item, &said))
}

fn kind_of(conflicts: &[FieldConflict]) -> ConflictKind {
    conflicts.iter().map(|c| c.kind).min().unwrap_or(ConflictKind::DataMismatch)
}

/// The base as far as a create that may have stopped in the middle had carried it: a series goes out before the changes to
/// its instances, and those that are not there yet were not taken back by anybody.
fn as_far_as_sent(base: &CalendarObject, after: &CalendarObject) -> Option<CalendarObject> {
    let instance = |component: &Component| component.property("RECURRENCE-ID").map(|p| p.value().to_owned());
    let there: Vec<_> = after.overrides().filter_map(instance).collect();
    let mut document = base.document().clone();
    let calendar = document.calendar_mut()?;
    calendar.retain_components(|c| instance(c).is_none_or(|id| there.contains(&id)));
    if let (Some(master), Some(sent)) =
        (calendar.components_mut().find(|c| c.is("VEVENT") && instance(c).is_none()), after.master())
    {
        master.remove("EXDATE");
        for line in sent.properties_named("EXDATE") {
            master.push(line.clone());
        }
    }
    CalendarObject::parse(document.to_bytes()).ok()
}

/// The object as far as a call of several parts that stopped in the middle had carried it.
pub fn as_far_as_written(ground: &Ground<'_>, local: &Local, sent: &Outgoing, item: &Snapshot) -> Bytes {
    let onto = |item: &Snapshot| ground.up.put(item, Some(&local.object), ground.lens).ok();
    let merged = (|| {
        let (before, after) = (onto(&Snapshot(sent.payload.clone()))?, onto(item)?);
        let sides = Sides { base: &local.object, local: &local.object, before: &before, after: &after };
        merge(sides, &WriteBack::all(), &Prefer::Remote, ground.now).ok()
    })();
    merged.map_or_else(|| local.object.bytes().clone(), |merged| merged.object.bytes().clone())
}

/// When an item has to follow what became of its object.
#[derive(Clone, Copy, Debug)]
enum Pushes {
    /// Nothing goes out.
    Never,
    /// Where it lacks something of it.
    Changes,
    /// It is not known what it lacks.
    Always,
}

fn carried(local: &Local, merged: Merged, absorbed: Bytes, pushes: Pushes) -> Act {
    let push = match pushes {
        Pushes::Never => false,
        // What was said there where nothing may flow back is said again as it is here.
        Pushes::Changes => merged.took_local || merged.refused,
        Pushes::Always => true,
    };
    if merged.object.bytes() == local.object.bytes() {
        Act::Absorb { base: if push { absorbed } else { merged.object.bytes().clone() }, push }
    } else {
        let base = if push { absorbed } else { merged.object.bytes().clone() };
        Act::Write { object: Box::new(merged.object), base, push }
    }
}

/// The side that a policy prefers; `None`: somebody must decide.
pub(super) fn side(ground: &Ground<'_>, local: &Local, item: &Snapshot) -> Option<Prefer> {
    let link = ground.link;
    match &link.settings.policy.conflict {
        ConflictPolicy::KeepPlatform => Some(Prefer::Local),
        ConflictPolicy::KeepExternal => Some(Prefer::Remote),
        ConflictPolicy::MostRecent => Some(most_recent(ground, local, item)),
        ConflictPolicy::SourcePriority { links } => {
            let rank = |id: &str| links.iter().position(|l| l == id);
            let (ours, theirs) = (local.by_link.as_deref().and_then(rank), rank(link.id.as_str()));
            Some(match (ours, theirs) {
                (_, None) => Prefer::Local,
                (None, Some(_)) => Prefer::Remote,
                (Some(ours), Some(theirs)) if ours <= theirs => Prefer::Local,
                (Some(_), Some(_)) => Prefer::Remote,
            })
        }
        ConflictPolicy::Rules { rules } => {
            let hit = rules.iter().find(|(rule, _)| project::matches(rule, &local.object, &local.head.facts));
            match hit.map(|(_, how)| how) {
                Some(Resolution::KeepPlatform) => Some(Prefer::Local),
                Some(Resolution::KeepExternal) => Some(Prefer::Remote),
                Some(Resolution::MostRecent) => Some(most_recent(ground, local, item)),
                Some(Resolution::Merge) | None => None,
            }
        }
        ConflictPolicy::Manual => None,
    }
}

/// By what the two sides say themselves; where the other says nothing, this side.
#[must_use]
pub fn most_recent(ground: &Ground<'_>, local: &Local, item: &Snapshot) -> Prefer {
    match ground.up.changed_ms(item) {
        Some(there) if there > local.head.changed.ms() => Prefer::Remote,
        _ => Prefer::Local,
    }
}
