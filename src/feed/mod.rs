//! ICS feeds: what anyone with a secret URL may read.
//!
//! Job: find the feed behind a secret, say whether it changed, and write its calendar. Neighbours: `auth` hashes the
//! secret and slows down guessing, `store` hands out the rows of the feed's owner, `domain::privacy` decides what may be
//! told. It must never know another face, and never ask for another credential than the URL.
//!
//! | file | what it holds |
//! |---|---|
//! | `answer` | a request in, an answer out: 200, 304, 404, 429 |
//! | `plan` | what a feed shows now, and the version of that |
//! | `walk` | the feed's objects, page by page, as bytes |
//! | `head`, `color` | the properties of the calendar itself |
//! | `render` | one object as the feed tells it |
//! | `lawful` | lines as every reader takes them |
//! | `zones` | the VTIMEZONEs a feed needs |
//! | `free_busy` | a feed that is one VFREEBUSY |
//! | `coding`, `kept` | gzip and brotli; bodies kept for the next subscriber |
//! | `fetches` | who fetched when, noted once a minute |

mod answer;
mod coding;
mod color;
mod fetches;
mod free_busy;
mod head;
mod kept;
mod lawful;
mod plan;
mod render;
mod walk;
mod zones;

use axum::Router;
use axum::routing::get;

use crate::auth::Gate;

/// The feeds: `GET` and `HEAD` of `/api/ics/{secret}`, with or without `.ics` behind it. A request carries its
/// [`crate::auth::Visit`] as an extension.
pub fn router(gate: Gate) -> Router {
    Router::new().route("/api/ics/{secret}", get(answer::answer)).with_state(answer::Feeds::new(gate))
}
