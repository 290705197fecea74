//! Where one mapping stands. Illegal transitions have no function here.

use serde::{Deserialize, Serialize};

use super::words::ErrorClass;

/// Where the appointment of a mapping came from first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It was made here.
    Here,
    /// It was made at the provider.
    There,
}

impl Origin {
    /// As the store writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Origin::Here => "here",
            Origin::There => "there",
        }
    }

    /// Reads what [`Origin::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Origin> {
        [Origin::Here, Origin::There].into_iter().find(|o| o.as_str() == text)
    }
}

/// Why a mapping is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum ParkReason {
    /// The provider refused it for good.
    Refused {
        /// How the failure is treated.
        class: ErrorClass,
        /// A sentence without content of the event.
        reason: String,
    },
    /// What the provider said cannot be an appointment.
    Quarantine {
        /// A sentence without content of the event.
        reason: String,
    },
    /// Provider and Kalends rewrote each other's text too many times in a day.
    RewriteLoop,
    /// The link's filters do not want it any more; its copy there is withdrawn. A filter that matches again restores it.
    Withdrawn,
    /// The provider cannot repeat the series: its instances stand there as events of their own, each with a mapping.
    Expanded,
    /// Somebody undid the run that brought it; it stays where it is until it is edited.
    Undone,
    /// The other side removed it and the delete policy kept it here.
    RemovedThere,
    /// It was brought by another link of ours and is not carried on (origin mark of our own).
    OwnCopy,
    /// It was made there, and the link only pushes.
    OneWay,
}

/// A call that is made for a mapping, written down before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calling {
    /// Whether it creates the item.
    pub create: bool,
    /// The object's version that is carried; [`DELETION`] where it deletes the item.
    pub version: i64,
    /// What the item is to say, in the provider's own format: whatever is heard of it that says so was said by us, however
    /// the link is set by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// Whether it undoes what a run did: then the two sides may differ after it.
    #[serde(default)]
    pub undoes: bool,
}

impl Calling {
    /// A call that makes the item say this.
    #[must_use]
    pub fn saying(create: bool, version: i64, payload: &str) -> Calling {
        Calling { create, version, sent: Some(payload.to_owned()), undoes: false }
    }

    /// A call that deletes the item.
    #[must_use]
    pub const fn deletion() -> Calling {
        Calling { create: false, version: DELETION, sent: None, undoes: false }
    }

    /// The same, to undo what a run did.
    #[must_use]
    pub fn undoing(self) -> Calling {
        Calling { undoes: true, ..self }
    }

    /// Whether it deletes the item.
    #[must_use]
    pub const fn is_deletion(&self) -> bool {
        !self.create && self.version == DELETION
    }
}

impl ParkReason {
    /// Why, for a person.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            ParkReason::Refused { reason, .. } | ParkReason::Quarantine { reason } => reason.clone(),
            ParkReason::RewriteLoop => "the provider rewrites this event every time".to_owned(),
            ParkReason::Withdrawn => "the link's filters do not want it there".to_owned(),
            ParkReason::Expanded => "its instances stand there as single events".to_owned(),
            ParkReason::Undone => "the run that carried it was undone".to_owned(),
            ParkReason::RemovedThere => "it was removed there and is kept here".to_owned(),
            ParkReason::OwnCopy => "it is a copy of an appointment that is here already".to_owned(),
            ParkReason::OneWay => "it was made there, and the link only pushes".to_owned(),
        }
    }
}

/// Where one mapping stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum MappingState {
    /// Both sides agreed on the base.
    Synced,
    /// A call is being made. Written before the call, with the key that makes it safe to look for.
    Pushing(Calling),
    /// A call was made and nobody knows how it ended: look by key before anything else.
    Unsure {
        /// The call.
        #[serde(flatten)]
        call: Calling,
        /// Since when, in ms.
        since_ms: i64,
    },
    /// Both sides changed the same thing; see the conflict.
    Conflict,
    /// Left alone.
    Parked(ParkReason),
    /// Gone on both sides; kept so that it is not made anew.
    Tombstoned,
    /// Disconnected; the user kept the copy.
    Detached,
}

/// In place of a version: the call deletes the item, because its object went or is not shown there any more.
pub const DELETION: i64 = -1;

impl MappingState {
    /// Why it is left as it is although the two sides do not agree, for a person; `None`: they do, or are about to.
    #[must_use]
    pub fn why_left(&self) -> Option<String> {
        match self {
            MappingState::Conflict => Some("both sides changed it; it waits for a decision".to_owned()),
            MappingState::Parked(
                why @ (ParkReason::Refused { .. } | ParkReason::Quarantine { .. } | ParkReason::RewriteLoop),
            ) => Some(why.sentence()),
            _ => None,
        }
    }

    /// The call that is under way, or of which nobody knows how it ended.
    #[must_use]
    pub const fn call(&self) -> Option<&Calling> {
        match self {
            MappingState::Pushing(call) | MappingState::Unsure { call, .. } => Some(call),
            _ => None,
        }
    }

    /// Whether a deletion of ours is under way, or nobody knows how it ended: that the item is gone is our own doing.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        self.call().is_some_and(Calling::is_deletion)
    }

    /// One word for lists and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            MappingState::Synced => "synced",
            MappingState::Pushing(_) => "pushing",
            MappingState::Unsure { .. } => "unsure",
            MappingState::Conflict => "conflict",
            MappingState::Parked(_) => "parked",
            MappingState::Tombstoned => "tombstoned",
            MappingState::Detached => "detached",
        }
    }
}
