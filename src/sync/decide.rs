//! What is to be done about one mapping, decided from what both sides say: pure, and the same for a run and a preview.
//!
//! Three things are compared: the base that both sides last agreed on, the object here, and the item there. Change is
//! difference from the base; no clock decides whether something changed.

use bytes::Bytes;

use super::merge::{FieldConflict, Prefer, Sides, merge};
use super::project;
use crate::domain::appointment::{Status, is_same_single};
use crate::domain::object::{CalendarObject, ComponentKind};
use crate::domain::sync::{
    ConflictKind, ConflictPolicy, DeletePolicy, Direction, MappingState, Origin, ParkReason, Resolution, Snapshot,
    apart,
};
use crate::domain::time::Instant;
use crate::ics::Component;
use crate::store::{Buried, Link, Mapping, ObjectHead};
use crate::upstream::{Lens, Upstream};

mod both;

pub use both::{as_far_as_written, has_arrived, most_recent};
use both::{both, side};

/// An object here, parsed, with what the store knows beside its bytes.
#[derive(Clone, Debug)]
pub struct Local {
    /// What the store knows.
    pub head: ObjectHead,
    /// What it says.
    pub object: CalendarObject,
    /// The link that wrote its present state, if one did.
    pub by_link: Option<String>,
}

impl Local {
    /// Whether it says what was agreed on. An instance that stands there by itself says less than its bytes do: they change
    /// with whatever becomes of its series.
    #[must_use]
    pub fn says(&self, agreed: &Bytes) -> bool {
        let is_instance = || apart::parts(&self.head.id).is_some();
        let of = |bytes: &Bytes| CalendarObject::from_stored(bytes.clone()).ok();
        agreed == self.object.bytes()
            || (is_instance() && of(agreed).is_some_and(|agreed| is_same_single(&agreed, &self.object)))
    }
}

/// What was heard of an item.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// It says this.
    Item(&'a Snapshot),
    /// It is not there.
    Gone,
}

/// The ground a decision stands on.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The provider's pure half.
    pub up: &'a dyn Upstream,
    /// The link.
    pub link: &'a Link,
    /// What translations may know.
    pub lens: Lens<'a>,
    /// The present; for marks of change in what is written and for cool-downs, never to tell what changed.
    pub now: Instant,
    /// Whether everything is being listed: what is heard of is there, and not only something that changed.
    pub whole: bool,
    /// A person's decision about this mapping, which beats every policy.
    pub decision: Option<&'a Prefer>,
}

/// How something that is gone there goes here.
#[derive(Clone, Debug)]
pub enum Removal {
    /// The object is deleted.
    Delete,
    /// The object becomes cancelled.
    Cancel(Box<CalendarObject>),
    /// The object is kept; the mapping remembers.
    Flag,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Act {
    /// Nothing changed but, at most, what the provider changes by itself.
    Note,
    /// The item becomes a new object here.
    Import(Box<CalendarObject>),
    /// The item is remembered and left alone.
    Ignore(ParkReason),
    /// The call of which nobody knew how it ended was carried out.
    Arrived,
    /// Object and item are one event and say the same.
    Adopt,
    /// The object is written, and both agree on `base`. `push`: the object says more than the item, which follows.
    Write {
        /// What the object becomes.
        object: Box<CalendarObject>,
        /// What both sides agree on now.
        base: Bytes,
        /// Whether the item has to follow.
        push: bool,
    },
    /// The object stays; both agree on `base`, and the item has to follow if `push`.
    Absorb {
        /// What both sides agree on now.
        base: Bytes,
        /// Whether the item has to follow.
        push: bool,
    },
    /// The object was deleted here and edited there: the edit wins and brings it back.
    BringBack(Box<CalendarObject>),
    /// The item was deleted there and edited here: the edit wins and brings it back.
    PushBack,
    /// The item is gone; this is to happen here. Withheld until the whole run is known.
    Remove(Removal),
    /// Gone on both sides.
    Forget,
    /// Somebody must decide.
    Conflict {
        /// What the two sides disagree on.
        kind: ConflictKind,
        /// Field by field.
        fields: Vec<FieldConflict>,
    },
    /// Both sides changed the same, and a policy said which of them holds; what the other said is kept with that.
    Settled {
        /// What is to be done.
        act: Box<Act>,
        /// Who held.
        how: Resolution,
        /// What the two sides disagreed on.
        kind: ConflictKind,
        /// Field by field.
        fields: Vec<FieldConflict>,
    },
    /// What the item says cannot be an appointment.
    Quarantine(String),
}

/// What is to be done about what was heard.
#[must_use]
pub fn heard(ground: &Ground<'_>, mapping: Option<&Mapping>, local: Option<&Local>, item: Heard<'_>) -> Act {
    match (mapping, item) {
        (None, Heard::Gone) => Act::Forget,
        (None, Heard::Item(item)) => met(ground, local, item),
        (Some(mapping), Heard::Gone) => gone(ground, mapping, local),
        (Some(mapping), Heard::Item(item)) => known(ground, mapping, local, item),
    }
}

/// An item without a mapping. `local` is the object that has its UID, or our mark's.
fn met(ground: &Ground<'_>, local: Option<&Local>, item: &Snapshot) -> Act {
    let Some(local) = local else {
        return match (ground.link.settings.direction.pulls(), ground.up.put(item, None, ground.lens)) {
            (false, _) => Act::Ignore(ParkReason::OneWay),
            (true, Ok(object)) => Act::Import(Box::new(object)),
            (true, Err(unfit)) => Act::Quarantine(unfit.0),
        };
    };
    let after = match ground.up.put(item, Some(&local.object), ground.lens) {
        Ok(after) => after,
        Err(unfit) => return Act::Quarantine(unfit.0),
    };
    let sides = Sides { base: &local.object, local: &local.object, before: &local.object, after: &after };
    let merged = match merge(
        sides,
        &project::write_back(&ground.link.settings.policy, &local.object),
        &Prefer::Neither,
        ground.now,
    ) {
        Ok(merged) => merged,
        Err(unfit) => return Act::Quarantine(unfit.to_string()),
    };
    if !merged.took_remote {
        return Act::Adopt;
    }
    // Two events of one UID that nobody linked: there is no base, so every difference is a question.
    match ground.decision.cloned().or_else(|| side(ground, local, item)) {
        Some(Prefer::Remote) => {
            Act::Write { base: merged.object.bytes().clone(), object: Box::new(merged.object), push: false }
        }
        Some(Prefer::Local) => Act::Absorb { base: after.bytes().clone(), push: true },
        Some(Prefer::Neither | Prefer::PerField(_)) | None => {
            Act::Conflict { kind: ConflictKind::CreatedExternally, fields: Vec::new() }
        }
    }
}

/// An item whose mapping is known.
fn known(ground: &Ground<'_>, mapping: &Mapping, local: Option<&Local>, item: &Snapshot) -> Act {
    if has_arrived(ground.up, mapping, item) {
        return Act::Arrived;
    }
    let same = mapping.base_item.as_ref().is_some_and(|base| ground.up.normal(base) == ground.up.normal(item));
    if let (true, Some(base), Some(_)) = (is_older_create(mapping), &mapping.base, local) {
        return Act::Absorb { base: base.clone(), push: ground.link.settings.direction.pushes() };
    }
    match (&mapping.state, local) {
        // What was withdrawn or kept after a removal is not brought here by being heard of.
        (MappingState::Parked(ParkReason::Withdrawn | ParkReason::Expanded | ParkReason::OwnCopy), _) => Act::Note,
        // What an undo left stays so until somebody edits it; a state from before the undo, heard of late, is no edit. What is
        // in a listing of everything is there, whatever was said of it.
        (MappingState::Parked(ParkReason::Undone), None) if same && stays_undone(ground, mapping, item) => Act::Note,
        (MappingState::Parked(ParkReason::Undone), None) => met(ground, None, item),
        (MappingState::Parked(ParkReason::Undone), Some(_)) if !ground.whole && was(mapping, item) => Act::Note,
        (MappingState::Parked(ParkReason::Undone), Some(local)) => both(ground, mapping, local, item),
        // The link pulls now.
        (MappingState::Parked(ParkReason::OneWay), local) if ground.link.settings.direction.pulls() => {
            met(ground, local, item)
        }
        (MappingState::Parked(ParkReason::OneWay), _) => Act::Note,
        // Removed there, and there again.
        (MappingState::Parked(ParkReason::RemovedThere), Some(local)) => match uncancelled(mapping, local) {
            Some(_) if !ground.whole && was(mapping, item) => Act::Note,
            Some(object) => there_again(ground, mapping, local, item, object),
            None => both(ground, mapping, local, item),
        },
        (MappingState::Detached, _) => Act::Note,
        // Gone on both sides. The very state that was deleted, heard of late, brings nothing back; another one does.
        (MappingState::Tombstoned, None) if was(mapping, item) => undeleted(ground, mapping, item),
        (MappingState::Tombstoned, None) if !ground.link.settings.direction.pulls() => Act::Note,
        (MappingState::Tombstoned, None) => met(ground, None, item),
        (MappingState::Tombstoned, _) | (_, None) if mapping.object.is_none() || mapping.base.is_none() => {
            met(ground, None, item)
        }
        // Gone on both sides, and on both there again: one event, as before. But not where its old state is heard of late.
        (MappingState::Tombstoned, Some(_)) if !ground.whole && was(mapping, item) => Act::Note,
        (MappingState::Tombstoned, Some(local)) => both(ground, mapping, local, item),
        (_, None) if same => Act::Note,
        (_, None) => deleted_here(ground, mapping, item),
        (MappingState::Conflict, Some(local)) => both(ground, mapping, local, item),
        (_, Some(_)) if same && ground.decision.is_none() => Act::Note,
        (_, Some(local)) => both(ground, mapping, local, item),
    }
}

/// Whether a mapping's item stands for a create before the one that was last tried, whose key was taken: what it says was
/// said by us and is not known here any more.
pub fn is_older_create(mapping: &Mapping) -> bool {
    let older = matches!(&mapping.state, MappingState::Unsure { call, .. } if call.create && call.version == 0);
    older && mapping.base.is_some() && mapping.base_item.is_none() && mapping.tried().is_none()
}

/// Whether an item is where an undo left it: still there, or told of late. What the undo took away there and is there
/// again was brought back by somebody.
fn stays_undone(ground: &Ground<'_>, mapping: &Mapping, item: &Snapshot) -> bool {
    mapping.remote.is_some() || (!ground.whole && was(mapping, item))
}

/// Whether an item is in the very state in which it was last.
fn was(mapping: &Mapping, item: &Snapshot) -> bool {
    mapping.base_item.as_ref() == Some(item)
}

/// An item is as it was when it was taken for gone. A listing of what changed may tell of it late; one of everything says
/// that it is there: then a provider said of it that it was not, wrongly, and what was to happen has not happened.
fn undeleted(ground: &Ground<'_>, mapping: &Mapping, item: &Snapshot) -> Act {
    let direction = ground.link.settings.direction;
    match mapping.buried().filter(|_| ground.whole) {
        Some(Buried::Here) if direction.pushes() && ground.up.may_write(item) => Act::PushBack,
        Some(Buried::There) if direction.pulls() => met(ground, None, item),
        _ => Act::Note,
    }
}

/// The item changed; the object was deleted here.
fn deleted_here(ground: &Ground<'_>, mapping: &Mapping, item: &Snapshot) -> Act {
    let direction = ground.link.settings.direction;
    if direction == Direction::Push {
        return Act::PushBack;
    }
    let manual = matches!(ground.link.settings.policy.conflict, ConflictPolicy::Manual) && direction == Direction::Both;
    match ground.decision {
        Some(Prefer::Local) => return Act::PushBack,
        Some(_) => {}
        None if manual => return Act::Conflict { kind: ConflictKind::Deleted, fields: Vec::new() },
        None => {}
    }
    let base = mapping.base.clone().and_then(|b| CalendarObject::from_stored(b).ok());
    match ground.up.put(item, base.as_ref(), ground.lens) {
        Ok(object) => Act::BringBack(Box::new(object)),
        Err(unfit) => Act::Quarantine(unfit.0),
    }
}

/// The item is not there.
fn gone(ground: &Ground<'_>, mapping: &Mapping, local: Option<&Local>) -> Act {
    match &mapping.state {
        MappingState::Parked(
            ParkReason::Withdrawn
            | ParkReason::Expanded
            | ParkReason::Undone
            | ParkReason::RemovedThere
            | ParkReason::OneWay,
        )
        | MappingState::Detached
        | MappingState::Tombstoned => return Act::Note,
        _ => {}
    }
    let Some(local) = local else { return Act::Forget };
    if mapping.state.is_deletion() {
        // Nobody took it away but we, whatever a link shows meanwhile.
        let undoes = mapping.state.call().is_some_and(|call| call.undoes);
        return Act::Ignore(if undoes { ParkReason::Undone } else { ParkReason::Withdrawn });
    }
    let settings = &ground.link.settings;
    let edited = mapping.base.as_ref().is_some_and(|base| !local.says(base));
    if edited && settings.direction.pushes() {
        return match ground.decision {
            Some(Prefer::Remote) => removal(ground, mapping, local),
            Some(_) => Act::PushBack,
            None if matches!(settings.policy.conflict, ConflictPolicy::Manual) => {
                Act::Conflict { kind: ConflictKind::Deleted, fields: Vec::new() }
            }
            // The edit wins: work is never destroyed by a deletion that did not know of it.
            None => Act::PushBack,
        };
    }
    removal(ground, mapping, local)
}

fn removal(ground: &Ground<'_>, mapping: &Mapping, local: &Local) -> Act {
    let policy = ground.link.settings.policy.delete.unwrap_or(match mapping.origin {
        Origin::There => DeletePolicy::Cancel,
        Origin::Here => DeletePolicy::MarkExternalRemoved,
    });
    Act::Remove(match policy {
        DeletePolicy::Delete => Removal::Delete,
        DeletePolicy::MarkExternalRemoved => Removal::Flag,
        DeletePolicy::Cancel => match cancelled(&local.object, ground.now) {
            Some(object) => Removal::Cancel(Box::new(object)),
            None => Removal::Flag,
        },
    })
}

/// The object with STATUS:CANCELLED; `None` if that cannot be said of it.
fn cancelled(object: &CalendarObject, now: Instant) -> Option<CalendarObject> {
    if object.component() != ComponentKind::Event {
        return None;
    }
    let mut document = object.document().clone();
    let stamp = now.timestamp()?.strftime("%Y%m%dT%H%M%SZ").to_string();
    for component in document.calendar_mut()?.components_mut().filter(|c| c.name().eq_ignore_ascii_case("VEVENT")) {
        component.set(crate::ics::Property::new("STATUS", Status::Cancelled.as_ics()));
        component.set(crate::ics::Property::new("LAST-MODIFIED", &stamp));
    }
    CalendarObject::parse(document.to_bytes()).ok()
}

/// The object as it was before its item's removal made it cancelled; `None`: that is not what it is.
fn uncancelled(mapping: &Mapping, local: &Local) -> Option<CalendarObject> {
    let is_cancelled = |c: &Component| c.property("STATUS").is_some_and(|p| p.value().trim() == "CANCELLED");
    mapping.base.as_ref().filter(|base| local.says(base))?;
    local.object.components().find(|c| is_cancelled(c))?;
    let mut document = local.object.document().clone();
    for component in document.calendar_mut()?.components_mut().filter(|c| is_cancelled(c)) {
        component.remove("STATUS");
    }
    CalendarObject::parse(document.to_bytes()).ok()
}

/// What was removed there takes place again where it is there again: nobody here cancelled it.
fn there_again(ground: &Ground<'_>, mapping: &Mapping, local: &Local, item: &Snapshot, object: CalendarObject) -> Act {
    if mapping.origin == Origin::There {
        return match ground.up.put(item, Some(&object), ground.lens) {
            Ok(object) => Act::Write { base: object.bytes().clone(), object: Box::new(object), push: false },
            Err(unfit) => Act::Quarantine(unfit.0),
        };
    }
    let known = Mapping { base: Some(object.bytes().clone()), ..mapping.clone() };
    let here = Local { object: object.clone(), ..local.clone() };
    match both(ground, &known, &here, item) {
        Act::Absorb { base, push } => Act::Write { object: Box::new(object), base, push },
        act => act,
    }
}
