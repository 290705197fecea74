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
    /// Somebody undid the run that brought it; it stays where it is until it is edited.
    Undone,
    /// The other side removed it and the delete policy kept it here.
    RemovedThere,
    /// It was brought by another link of ours and is not carried on (origin mark of our own).
    OwnCopy,
    /// It was made there, and the link only pushes.
    OneWay,
}

/// Where one mapping stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum MappingState {
    /// Both sides agreed on the base.
    Synced,
    /// A call is being made. Written before the call, with the key that makes it safe to look for.
    Pushing {
        /// Whether the call creates the item.
        create: bool,
        /// The object's version that is carried; [`DELETION`] where the call deletes the item.
        version: i64,
    },
    /// A call was made and nobody knows how it ended: look by key before anything else.
    Unsure {
        /// Whether the call was to create the item.
        create: bool,
        /// The object's version that was carried; [`DELETION`] where the call was to delete the item.
        version: i64,
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
    /// Whether a deletion of ours is under way, or nobody knows how it ended: that the item is gone is our own doing.
    #[must_use]
    pub const fn is_deletion(&self) -> bool {
        matches!(
            self,
            MappingState::Pushing { create: false, version: DELETION }
                | MappingState::Unsure { create: false, version: DELETION, .. }
        )
    }

    /// One word for lists and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            MappingState::Synced => "synced",
            MappingState::Pushing { .. } => "pushing",
            MappingState::Unsure { .. } => "unsure",
            MappingState::Conflict => "conflict",
            MappingState::Parked(_) => "parked",
            MappingState::Tombstoned => "tombstoned",
            MappingState::Detached => "detached",
        }
    }
}
