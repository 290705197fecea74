//! REPORT as calendar programs see it: answers to the octet, syncs that lose nothing, and bodies that nobody should
//! have to read.

mod asking;
mod calendar;
mod clauses;
mod examples;
mod hostile;
mod people;
mod restored;
#[expect(dead_code, reason = "the stores' suite uses the rest")]
#[path = "../support/mod.rs"]
mod support;
mod sync;
mod talk;
mod tokens;
