//! What Kalends is about, without any machinery: identifiers, time, calendars, calendar objects, appointments,
//! who may do what. Pure: no I/O, no wall clock, no chance. It may know `ics` and nothing else of ours.
//!
//! # Glossary
//! - **firm**: a tenant; every row belongs to one, nothing crosses.
//! - **user**: a person of a firm with a [`access::Role`]; a CalDAV principal.
//! - **calendar**: a collection of calendar objects owned by a user.
//! - **calendar object**: one iCalendar UID with all its overrides, kept with the exact bytes it was given.
//! - **appointment**: a calendar object that is a VEVENT, seen as a domain record, with the platform's facts
//!   beside it ([`appointment::Facts`]).
//! - **version**: one past state of a calendar object, with its [`change::Cause`].
//! - **connection**, **link**, **mapping**, **run**, **attempt**, **conflict**: see [`sync`].
//! - **seq**: a calendar's count of changes; with the store's epoch it makes a sync token.

pub mod access;
pub mod appointment;
pub mod availability;
pub mod calendar;
pub mod change;
pub mod feed;
pub mod ids;
pub mod object;
pub mod privacy;
pub mod recurrence;
pub mod sync;
pub mod time;
pub mod timerange;
