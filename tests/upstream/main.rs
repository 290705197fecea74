//! Providers behind [`kalends::upstream::Upstream`]: one suite for all of them, and what only one of them has.
//!
//! With `KALENDS_RECORD_REQUESTS` naming a file, every request body that a connector sends is added to it, one JSON
//! object a line, for checks against the provider's own description.

mod google;
mod google_calls;
mod meanwhile;
mod microsoft;
mod microsoft_calls;
mod oauth;
mod producers;
mod remote;
mod suite;
