//! Syncing as its user sees it: accounts at providers, links between calendars, what runs did, what waits for a decision.
//!
//! What needs a provider is ordered at the [`Desk`]; everything else is a question to the store. Names are in camelCase
//! here, as the documents of the platform have them.
//!
//! | file | what |
//! | --- | --- |
//! | `accounts` | providers, consent, an account's calendars, disconnecting |
//! | `device` | consent on another device |
//! | `links` | links made, set, previewed, run, paused |
//! | `settings`, `words` | what a user may say about a link, and how it is shown |
//! | `status` | how everything stands, once or live |
//! | `history` | runs, their details, again and undone |
//! | `conflicts` | conflicts and decisions |
//! | `notices` | what a user should know although nobody asked |
//! | `export` | all of it at once |
//! | `find` | links and connections by what a request names |

mod accounts;
mod conflicts;
mod device;
mod export;
mod find;
mod history;
mod links;
mod notices;
mod settings;
mod status;
mod words;

pub use accounts::{
    __path_calendars, __path_callback, __path_connect, __path_disconnect, __path_providers, calendars, callback,
    connect, disconnect, providers,
};
pub use conflicts::{__path_conflicts, __path_resolve, conflicts, resolve};
pub use device::{__path_device, __path_device_poll, device, device_poll};
pub use export::{SyncExport, everything};
pub use history::{__path_history, __path_retry, __path_run, __path_undo, history, retry, run, undo};
pub use links::{
    __path_confirm, __path_create, __path_pause, __path_preview, __path_resume, __path_set, __path_sync_now, confirm,
    create, pause, preview, resume, set, sync_now,
};
pub use notices::{__path_notices, __path_seen, notices, seen};
pub use status::{__path_status, status, stream};

use super::problem::{Code, Problem};
use crate::sync::desk::{DeskError, Failure};

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Problem {
        let sentence = error.to_string();
        match error {
            DeskError::Closed | DeskError::Busy => Problem::new(Code::SyncUnavailable, sentence),
            DeskError::NotFound => Problem::not_found(),
            DeskError::NotConfigured(_) => Problem::new(Code::NotConfigured, sentence).at("provider"),
            DeskError::BadConsent => Problem::new(Code::BadConsent, sentence).at("state"),
            DeskError::Refused(_) => Problem::new(Code::NotPossible, sentence),
            DeskError::Provider(Failure::NeedsConsent(_)) => Problem::new(Code::NeedsConsent, sentence),
            DeskError::Provider(_) => Problem::new(Code::ProviderFailed, sentence),
            DeskError::Store(error) => error.into(),
        }
    }
}
