//! What reconciliation remembers: connections and their sealed secrets, links and their leases, mappings with the base
//! both sides agreed on, the outbox, runs with what they did, attempts, conflicts, webhook channels.
//!
//! Every write of a run goes through [`WriteTx::hold`], which demands the run's fencing token: a run that lost its lease
//! can change nothing any more.

mod attempt_lists;
mod attempts;
mod channels;
mod conflicts;
mod connections;
mod erase;
mod figures;
mod firm_lists;
mod leases;
mod links;
mod mappings;
mod notices;
mod notifications;
mod oauth_states;
mod orders;
mod outbox;
mod runs;
mod summary;

pub use attempt_lists::{AttemptFigures, AttemptFilter, AttemptPage, AttemptRow, AttemptState};
pub use attempts::{Attempt, NewAttempt};
pub use channels::WatchedChannel;
pub use conflicts::{Conflict, ConflictFilter};
pub use connections::{Connection, NewConnection, connection_place};
pub use erase::Erased;
pub use figures::{LinkFigures, Warning};
pub use firm_lists::{ChannelFilter, ChannelRow, ChannelState, ConnectionFilter, ConnectionRow};
pub use leases::{Due, LEASE_MS, Lease};
pub use links::{Link, LinkObstacle, LinkSettings, NewLink};
pub use mappings::{Buried, Mapping, MappingCounts, NewMapping};
pub use notices::Notice;
pub use notifications::{Notification, NotificationWay, Notified};
pub use oauth_states::{OauthState, verifier_place};
pub use orders::{LeftPart, OrderPart, Outcome, Waits};
pub use outbox::{OUTBOX_PAGE, Outgoing};
pub use runs::{Run, RunFilter, RunItem, RunTotals};
pub use summary::{AttemptSum, DaySum, LinkLag, RunSum, Summary, Tally};
