//! What one object needs to have sent under one link: pure.

use crate::domain::object::{CalendarObject, ComponentKind};
use crate::domain::sync::{ErrorClass, LinkPolicy, MappingState, Origin, ParkReason};
use crate::domain::time::DAY_MS;
use crate::store::Mapping;
use crate::sync::decide::{Ground, Local};
use crate::sync::merge::{Prefer, Sides, WriteBack, merge};
use crate::sync::project;
use crate::upstream::Outgoing;

/// So often in a day we answer the provider's rewriting of one item before we stop and tell.
pub(super) const REWRITES_PER_DAY_MAX: i64 = 3;

/// What is told of an item made there whose object this side changed and does not show.
const STAYS: &str = "by this link's settings it is not shown there: what was changed here stays here";

/// What is told of a series that is to stand there as a whole again while single events of it still do.
pub(super) const WAITS: &str = "it is not sent as a series while single events of it stand there";

/// What is told of a series that stands there while its instances are to take its place.
pub(super) const STANDS: &str = "the series stands there as it was, and its instances are not sent while it does";

/// Why an item is deleted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The object was deleted here.
    Deleted,
    /// The link's filters do not want it any more.
    Withdrawn,
    /// Its instances take its place.
    Expanded,
}

/// What is to be sent.
#[derive(Clone, Debug)]
pub(super) enum Send {
    /// Nothing.
    Done,
    /// Nothing: the item says what the object says.
    Agree(Vec<String>),
    /// Nothing: the item is theirs, and what was changed here is not shown there. It is told.
    Stay(&'static str),
    /// The item is gone with its object; the mapping remembers.
    Bury,
    /// A new item.
    Create(Outgoing),
    /// Another content. `again`: nothing changed here since both agreed; the provider wrote it otherwise.
    Update { item: Outgoing, again: bool },
    /// Nothing any more.
    Delete(Why),
    /// First look how the last call ended.
    Look,
    /// First decide the conflict anew.
    Judge,
    /// Nothing yet: its instances, which stand there by themselves, go first.
    Wait,
    /// Nothing, until something changes.
    Park(ParkReason),
}

/// What a link shows of an object; `None`: nothing.
pub(super) type Shown<'a> = Option<&'a CalendarObject>;

/// Decides. `by_user`: a person's own edit is in it.
pub(super) fn send(
    ground: &Ground<'_>,
    mapping: Option<&Mapping>,
    local: Option<&Local>,
    shown: Shown<'_>,
    by_user: bool,
) -> Send {
    let event = local.is_some_and(|l| l.object.component() == ComponentKind::Event);
    let shown = shown.filter(|_| event && !local.is_some_and(|l| is_taken_away(ground, l)));
    let Some(mapping) = mapping else {
        return shown.map_or(Send::Done, |shown| create(ground, shown));
    };
    let edited = local.is_some_and(|l| !mapping.base.as_ref().is_some_and(|base| l.says(base)));
    match &mapping.state {
        MappingState::Detached => Send::Done,
        MappingState::Pushing(_) | MappingState::Unsure { .. } => Send::Look,
        MappingState::Conflict if mapping.object.is_some() => Send::Judge,
        MappingState::Conflict => Send::Done,
        MappingState::Tombstoned => shown.map_or(Send::Done, |shown| create(ground, shown)),
        MappingState::Parked(reason) => match (reason, local) {
            (ParkReason::OwnCopy | ParkReason::OneWay, _) | (ParkReason::Undone, None) => Send::Done,
            (ParkReason::Withdrawn | ParkReason::Expanded | ParkReason::RemovedThere, None) => Send::Bury,
            (ParkReason::Withdrawn | ParkReason::Expanded, Some(_)) => {
                shown.map_or(Send::Done, |shown| create(ground, shown))
            }
            (ParkReason::RemovedThere, Some(local)) => {
                let alive = local.object.index().status.as_deref() != Some("CANCELLED");
                match shown.filter(|_| by_user && alive && edited) {
                    Some(shown) => create(ground, shown),
                    None => Send::Done,
                }
            }
            // What an undo left there goes when it is not to be seen any more.
            (ParkReason::Undone, Some(_)) if shown.is_none() && edited => live(ground, mapping, local, None, edited),
            (ParkReason::Undone, Some(_)) => match shown.filter(|_| by_user && edited) {
                Some(shown) if mapping.remote.is_none() => create(ground, shown),
                Some(shown) => live(ground, mapping, local, Some(shown), edited),
                None => Send::Done,
            },
            (ParkReason::RewriteLoop, Some(_)) if !(by_user && edited) => Send::Done,
            _ => live(ground, mapping, local, shown, edited),
        },
        MappingState::Synced => live(ground, mapping, local, shown, edited),
    }
}

/// What a link shows of an object whose item was made there. A mask or a template has no business in somebody's own
/// event: through the parts that they concern nothing goes out, and the rest of the item stays as it says.
pub(super) fn returned(
    ground: &Ground<'_>,
    policy: &LinkPolicy,
    mapping: &Mapping,
    local: &Local,
    shown: CalendarObject,
) -> Option<CalendarObject> {
    let writable = project::write_back(policy, &local.object);
    let held = mapping.base_item.as_ref().filter(|_| mapping.origin == Origin::There && writable != WriteBack::all());
    let Some(held) = held else { return Some(shown) };
    let theirs = ground.up.put(held, Some(&local.object), ground.lens).ok()?;
    let sides = Sides { base: &theirs, local: &theirs, before: &theirs, after: &local.object };
    merge(sides, &writable, &Prefer::Remote, ground.now).ok().map(|merged| merged.object)
}

/// Whether the object is cancelled where the provider keeps nothing that is.
fn is_taken_away(ground: &Ground<'_>, local: &Local) -> bool {
    local.object.index().status.as_deref() == Some("CANCELLED") && !ground.up.keeps_cancelled()
}

fn create(ground: &Ground<'_>, shown: &CalendarObject) -> Send {
    match ground.up.get(shown, None, ground.lens) {
        Ok(item) => Send::Create(item),
        Err(unfit) => Send::Park(ParkReason::Refused { class: ErrorClass::NonRetryable, reason: unfit.0 }),
    }
}

fn live(ground: &Ground<'_>, mapping: &Mapping, local: Option<&Local>, shown: Shown<'_>, edited: bool) -> Send {
    let (Some(_), Some(held)) = (&mapping.remote, &mapping.base_item) else {
        return match (local, shown) {
            (None, _) => Send::Bury,
            (_, None) => Send::Done,
            (_, Some(shown)) => create(ground, shown),
        };
    };
    let writable = ground.up.may_write(held);
    let Some(local) = local else {
        // Somebody else's meeting is not cancelled because its guest tidied up.
        return if writable { Send::Delete(Why::Deleted) } else { Send::Bury };
    };
    let Some(shown) = shown else {
        return match mapping.origin {
            Origin::Here => Send::Delete(Why::Withdrawn),
            // It is cancelled for everybody; that a filter does not want it is this side's own affair.
            Origin::There if is_taken_away(ground, local) && writable => Send::Delete(Why::Withdrawn),
            Origin::There if edited => Send::Stay(STAYS),
            Origin::There => Send::Done,
        };
    };
    let item = match ground.up.get(shown, Some(held), ground.lens) {
        Ok(item) => item,
        Err(unfit) => {
            let reason = format!("{}: what stands there is as it was before", unfit.0);
            return Send::Park(ParkReason::Refused { class: ErrorClass::NonRetryable, reason });
        }
    };
    if ground.up.says(held, &item) {
        return Send::Agree(item.warnings);
    }
    if !writable {
        let reason = "only its organiser can change this event there".to_owned();
        return Send::Park(ParkReason::Refused { class: ErrorClass::NonRetryable, reason });
    }
    let again = !edited && mapping.base_version == local.head.version;
    let (count, since) = mapping.rewrites;
    let today = ground.now.ms() - since.ms() < DAY_MS;
    if again && today && count >= REWRITES_PER_DAY_MAX {
        return Send::Park(ParkReason::RewriteLoop);
    }
    Send::Update { item, again }
}
