//! Two sides changed one appointment since they agreed on it: what it says now.
//!
//! Job: a three-way merge of calendar objects, unit by unit. Each side is compared with its own base, by meaning and not by
//! bytes, so that what a provider cannot express, or writes in its own way, is no change. What only the remote side
//! changed is carried into the local object's own lines; every other line keeps its bytes. Neighbours: `plan` asks for a
//! merge and decides about whole objects; [`crate::domain::appointment`] moves the instances of a series. It must never
//! know a provider, a link or a policy: those come as [`WriteBack`] and [`Prefer`].
//!
//! | file | what it holds |
//! | --- | --- |
//! | `field` | the names of what is decided about |
//! | `units` | a component taken apart into comparable units |
//! | `time` | the time as one unit |
//! | `text` | a text merged line by line |
//! | `components` | masters and overrides of the four objects, side by side |
//! | `judge` | who changed what, and who wins |
//! | `patch` | a unit carried from one component into another |
//! | `series` | master and overrides decided about together |
//! | `assemble` | the merged object written |
//!
//! What it decides where the RFC leaves room: a new override starts from what its series says on its own side, so that an
//! instance moved here and a series renamed there is a moved and renamed instance; whether one
//! instance is excluded is a question about that instance, so that one deleted here and another there are both deleted, and
//! a series moved there takes along what was deleted here; SEQUENCE, DTSTAMP,
//! CREATED and LAST-MODIFIED are nobody's change.

mod assemble;
mod components;
mod field;
mod judge;
mod patch;
mod series;
mod text;
mod time;
mod units;

#[cfg(test)]
mod tests;

pub use components::instances_of;
pub use field::{Field, NoField, Part, Prefer, Side, WriteBack};

use std::borrow::Cow;

use super::contact::object_without_contact;
use crate::domain::object::{CalendarObject, ObjectError};
use crate::domain::sync::ConflictKind;
use crate::domain::time::Instant;
use components::Views;
use judge::Judge;

/// What two sides made of what they agreed on.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// Ours, as last agreed.
    pub base: &'a CalendarObject,
    /// Ours now.
    pub local: &'a CalendarObject,
    /// The remote item as last agreed, put onto the base.
    pub before: &'a CalendarObject,
    /// The remote item now, put onto the base.
    pub after: &'a CalendarObject,
}

/// What they made together.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The local object with what came in; its very bytes where nothing did.
    pub object: CalendarObject,
    /// Whether it keeps a local change that the remote side lacks.
    pub took_local: bool,
    /// Whether a remote change came in.
    pub took_remote: bool,
    /// Whether a remote change was not let in because it may not flow back: the remote side should be told ours again.
    pub refused: bool,
    /// What both sides changed to different ends and nobody was preferred for; it stays as it is here.
    pub conflicts: Vec<FieldConflict>,
}

/// One thing that two sides changed to different ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldConflict {
    /// What kind of disagreement it is.
    pub kind: ConflictKind,
    /// What it is about.
    pub field: Field,
    /// What it was, for a person; `None`: nothing.
    pub base: Option<String>,
    /// What it is here.
    pub local: Option<String>,
    /// What it is there.
    pub remote: Option<String>,
}

/// Why there is no merged object. Nothing was lost: both sides are as they were.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmergeable {
    /// A task and an appointment.
    #[error("the two sides are not of one kind")]
    Kinds,
    /// One TZID, two zones of somebody's own.
    #[error("the two sides mean different time zones by one name")]
    Zones,
    /// Nothing is left of it.
    #[error("neither side has anything left of it")]
    Nothing,
    /// What came out is no calendar object.
    #[error("what the two sides say does not go together: {0}")]
    Invalid(ObjectError),
}

/// Merges. With no remote change the object is the local one, byte for byte; merging the result again changes nothing.
///
/// # Errors
/// [`Unmergeable`] where no lawful object says what both sides say.
pub fn merge(sides: Sides<'_>, writable: &WriteBack, prefer: &Prefer, now: Instant) -> Result<Merged, Unmergeable> {
    if [sides.base, sides.before, sides.after].iter().any(|o| o.component() != sides.local.component()) {
        return Err(Unmergeable::Kinds);
    }
    let [before, after] = [sides.before, sides.after].map(|object| match writable.has_contact_line() {
        true => Cow::Owned(object_without_contact(object)),
        false => Cow::Borrowed(object),
    });
    let sides = Sides { before: &before, after: &after, ..sides };
    let views = Views::of(&sides).ok_or(Unmergeable::Nothing)?;
    let mut judge =
        Judge { writable, prefer, conflicts: Vec::new(), took_local: false, took_remote: false, refused: false };
    let verdict = series::decide(&views, &mut judge);
    let object = assemble::write(&views, verdict, now)?;
    let Judge { conflicts, took_local, refused, .. } = judge;
    let took_remote = judge.took_remote && object.bytes() != sides.local.bytes();
    Ok(Merged { object, took_local, took_remote, refused, conflicts })
}
