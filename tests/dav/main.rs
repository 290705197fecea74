//! CalDAV, asked as clients ask: whole requests in, whole answers out.

#[expect(dead_code, reason = "the stores' suite uses the rest")]
#[path = "../support/mod.rs"]
mod support;

mod calendars;
mod discovery;
mod home;
mod hostile;
mod isolation;
mod listing;
mod members;
mod objects;
mod properties;
mod server;
mod traps;
mod writers;
