//! A person's decision on a conflict, as the merge understands it. Pure.

use super::decide::{Ground, Local, most_recent};
use super::merge::{Field, Prefer};
use crate::domain::sync::{Resolution, Snapshot};
use crate::store::Conflict;

/// What a decided conflict asks of the merge.
#[must_use]
pub fn prefer(conflict: &Conflict, ground: &Ground<'_>, local: &Local, item: &Snapshot) -> Prefer {
    match conflict.resolved.as_ref().map(|(_, how, _)| how) {
        Some(Resolution::MostRecent) => most_recent(ground, local, item),
        _ => prefer_blind(conflict),
    }
}

/// As [`prefer`], where one side is gone and nothing can be compared: the one that is there is the most recent.
#[must_use]
pub fn prefer_blind(conflict: &Conflict) -> Prefer {
    match conflict.resolved.as_ref().map(|(_, how, _)| how) {
        Some(Resolution::KeepExternal) => Prefer::Remote,
        Some(Resolution::Merge) => Prefer::PerField(choices(conflict)),
        Some(Resolution::KeepPlatform | Resolution::MostRecent) | None => Prefer::Local,
    }
}

/// The choices as they were kept: field → `platform` or `external`.
fn choices(conflict: &Conflict) -> std::collections::BTreeMap<Field, super::merge::Side> {
    let kept: std::collections::BTreeMap<Field, String> =
        conflict.choices.as_deref().and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default();
    let side = |word: String| if word == "external" { super::merge::Side::Remote } else { super::merge::Side::Local };
    kept.into_iter().map(|(field, word)| (field, side(word))).collect()
}
