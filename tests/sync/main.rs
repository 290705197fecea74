//! The sync engine against a provider in memory: what goes where, and what happens when it goes wrong.

#[expect(dead_code, reason = "the stores' suite uses the rest")]
#[path = "../support/mod.rs"]
mod support;

mod anew;
mod apart;
mod classes;
mod double;
mod expanded;
mod failures;
mod faults;
mod figures;
mod guests;
mod house;
mod mail;
mod notices;
mod ordered;
mod ours;
mod stories;
mod theirs;
