//! What a provider said, and how a call failed. The engine decides by these and by nothing else.

use std::time::Duration;

use crate::domain::sync::{ErrorClass, RemoteCalendarId, RemoteId, Snapshot};
use crate::domain::time::Instant;

/// A calendar as its account lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCalendar {
    /// Its name in the account.
    pub id: RemoteCalendarId,
    /// What people call it.
    pub name: String,
    /// Its IANA zone.
    pub zone: Option<String>,
    /// Whether its events can be written with what was granted.
    pub writable: bool,
    /// Whether it is the account's main one.
    pub primary: bool,
}

/// One thing that a listing said about an item. Several entries may concern one item (a series and its exceptions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The item it concerns.
    pub item: RemoteId,
    /// What it said; JSON text that only the connector reads.
    pub payload: String,
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What it said, in its order.
    pub entries: Vec<Entry>,
    /// How many entries could not be read; they are recorded, never taken for absent, and keep a full listing from
    /// proving that anything is absent.
    pub unreadable: Vec<String>,
    /// What comes next.
    pub next: Next,
    /// The calendar's zone, where the listing says so.
    pub zone: Option<String>,
}

/// What comes after a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another page.
    Page(String),
    /// The listing is complete: the chain of pages is closed, and this is where the next one goes on.
    Complete(String),
    /// The listing ended without proof that it is complete; nothing may be taken for absent. The cursor, if any, stays.
    Partial,
}

/// What is known of an item after some entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folded {
    /// This.
    Present(Snapshot),
    /// It is gone, by the provider's own word.
    Gone,
    /// The entries concern parts whose whole is not known: it must be fetched. Where it is not there, the parts stand
    /// by themselves ([`super::Upstream::alone`]).
    Incomplete,
}

/// What a write left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The item's name.
    pub id: RemoteId,
    /// What the provider gave back, which is what the item says now.
    pub item: Snapshot,
    /// What stopped a write of several calls before its end; the rest of the item is as `item` says.
    pub left: Option<Failure>,
}

/// A webhook channel at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Our id for it.
    pub id: String,
    /// The provider's name of what is watched.
    pub resource: String,
    /// When it ends.
    pub expires: Instant,
}

/// Why an item or an object cannot be translated: a sentence without content of the event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

/// How a call failed. The sentences hold no content of an event and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing was carried out; it is worth trying again soon.
    #[error("{0}")]
    Transient(String, Option<Duration>),
    /// A write was sent and its outcome is not known.
    #[error("the answer was lost: {0}")]
    Unknown(String),
    /// Too many calls, or too much of a quota used; all of the account waits.
    #[error("{0}")]
    RateLimited(String, Option<Duration>),
    /// The access token is not taken; a fresh one may be.
    #[error("the provider does not take the access token")]
    Unauthorised,
    /// The grant is gone (`invalid_grant`, or a scope is missing): only the user can give a new one.
    #[error("{0}")]
    NeedsConsent(String),
    /// The cursor is not taken any more.
    #[error("the provider has forgotten the cursor")]
    CursorLost,
    /// The item was changed since it was read (412).
    #[error("somebody changed it meanwhile")]
    Changed,
    /// What is to be created is there (409).
    #[error("it is there already")]
    Exists,
    /// The item is not there.
    #[error("it is not there")]
    Gone,
    /// The calendar is not there, or not for this account.
    #[error("{0}")]
    CalendarGone(String),
    /// Refused for good.
    #[error("{0}")]
    Refused(String),
    /// The answer is not what the protocol says; nothing may be concluded from it.
    #[error("the provider's answer cannot be read: {0}")]
    BadAnswer(String),
}

impl Failure {
    /// How it is treated by the retry matrix.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Failure::Transient(..) | Failure::Unknown(_) | Failure::Changed | Failure::BadAnswer(_) => {
                ErrorClass::Transient
            }
            Failure::RateLimited(..) => ErrorClass::RateLimited,
            Failure::Unauthorised
            | Failure::NeedsConsent(_)
            | Failure::CursorLost
            | Failure::Exists
            | Failure::Gone
            | Failure::CalendarGone(_)
            | Failure::Refused(_) => ErrorClass::NonRetryable,
        }
    }

    /// How long the provider wants us to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Failure::Transient(_, after) | Failure::RateLimited(_, after) => *after,
            _ => None,
        }
    }
}
