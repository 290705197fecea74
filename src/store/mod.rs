//! The one store: what Kalends knows, on SQLite or PostgreSQL, behind transactions whose types say what they may
//! do. The only place that speaks SQL, and the only door through which an object changes ([`WriteTx::put_object`]).
//! It never knows HTTP, XML or a provider.
//!
//! | file | what |
//! | --- | --- |
//! | `open` | opening, migrating, epoch and hash key |
//! | `sql` | the waist: one SQL text, two databases |
//! | `sqlite` | SQLite's connections; those that read |
//! | `group` | SQLite's one writer, whose commits are shared |
//! | `tx` | [`ReadTx`], [`WriteTx`] |
//! | `gate` | where the simulation stops an engine |
//! | `accounts`, `credentials`, `sessions` | firms, users; app passwords, API tokens; browser sessions |
//! | `calendars`, `properties` | calendars, and what PROPPATCH keeps |
//! | `objects`, `door`, `transfer`, `versions` | reading objects; writing them; moving and copying; their past |
//! | `index` | what an object's columns say of its bytes; made anew with new time zone data |
//! | `candidates` | what may lie in a range of time, by the index |
//! | `appointments` | objects that are VEVENTs, as the API lists them |
//! | `selection` | the objects that a feed shows |
//! | `sync` | connections, links, mappings, outbox, runs, conflicts |
//! | `upkeep` | what is kept for a time only, taken away |
//! | `audit`, `trail` | what was done and by whom; what holds that together |
//! | `feeds`, `idempotency`, `doctor`, `orphans`, `backup` | what their names say |

mod accounts;
mod appointments;
mod audit;
mod backup;
mod calendars;
mod candidates;
mod credentials;
mod doctor;
mod door;
mod feeds;
mod gate;
mod group;
mod idempotency;
mod index;
mod objects;
mod open;
mod orphans;
mod properties;
mod selection;
mod sessions;
mod sql;
mod sqlite;
mod sync;
mod trail;
mod transfer;
mod tx;
mod upkeep;
mod versions;

pub use accounts::{NewUser, User, UserSettings};
pub use appointments::{AppointmentFilter, AppointmentRow, Page};
pub use audit::{AuditEvent, AuditFilter, AuditState, NewAudit};
pub use backup::{BackupError, check_backup};
pub use calendars::CalendarError;
pub use candidates::{Candidate, Candidates};
pub use credentials::{ApiToken, AppPassword, is_touch_due};
pub use doctor::{Finding, Report};
pub use door::{PutError, PutOutcome, Writing};
pub use feeds::{Feed, FeedGrant, NewFeed, secret_place};
pub use gate::{Gate, Passing};
pub use idempotency::{Remembered, answer_place};
pub use index::Reindexed;
pub use objects::{BareBody, Changes, Entry, NamedBody, ObjectHead, StoredObject};
pub use open::{Database, OpenError};
pub use properties::{PropertyKey, StoredProperty};
pub use selection::{Measure, Selected, Selection, SharedUids};
pub use sql::StoreError;
pub use sync::*;
pub use transfer::{Overwrite, TransferError};
pub use tx::{ReadTx, Store, WriteTx};
pub use upkeep::{Kept, Removed};
pub use versions::{Version, VersionData};
