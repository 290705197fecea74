//! Sync as the product speaks of it: connections, links and their policy, mappings and their states, runs, attempts,
//! conflicts.
//!
//! Job: the words and the rules that hold for every provider, as plain types. Neighbours: the store keeps them, `sync`
//! acts on them, `upstream` speaks to providers in them. It must never know a provider's wire format.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `words` | providers, statuses, kinds, error classes: closed sets with fixed names |
//! | `policy` | what a link carries, how it decides, what it never shows |
//! | `check` | what a policy may say |
//! | `cycle` | links that would go round in circles |
//! | `state` | where one mapping stands |
//! | `apart` | the names of instances that stand at a provider by themselves |

pub mod apart;
mod check;
mod cycle;
mod policy;
mod state;
mod words;

pub use check::{BadPolicy, MAPPED_FIELDS, POLICY_WORD_CHARS_MAX, TEMPLATE_CHARS_MAX, TEMPLATE_FIELDS};
pub use cycle::{Remote, Way as LinkWay, closes_cycle};
pub use policy::{
    ConflictPolicy, DeletePolicy, FieldMapping, Filters, LinkPolicy, POLICY_ITEMS_MAX, PrivatePolicy, Rule, RuleField,
    RuleOperator, UnsupportedRecurrence,
};
pub use state::{Calling, DELETION, MappingState, Origin, ParkReason};
pub use words::{
    AttemptKind, ConflictKind, ConnectionStatus, Direction, ErrorClass, LinkStatus, Provider, Resolution, RunKind,
    RunStatus, SYNC_INTERVALS_MIN, Way,
};

/// What a provider's item says, as the connector keeps it: opaque JSON text to everyone else. One item is one calendar
/// object: a series with everything that is known of its exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot(pub String);

/// The name of an item in a remote calendar.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteId(pub String);

/// The name of a remote calendar in its account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteCalendarId(pub String);

impl RemoteId {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RemoteCalendarId {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
