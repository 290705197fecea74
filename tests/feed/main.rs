//! ICS feeds as their subscribers see them: the router over a real store, one request at a time.

mod house;
mod http;
mod privacy;
mod selection;
#[expect(dead_code, reason = "the stores' suite uses the rest")]
#[path = "../support/mod.rs"]
mod support;
mod validity;
