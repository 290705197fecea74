//! iCalendar (RFC 5545) as bytes, lines, a tree and values. Pure.
//!
//! Job: read what clients send without losing a byte of it, say what is wrong with it, change single lines,
//! and write new components. Neighbours: [`crate::domain`] gives it meaning; this module knows neither
//! calendars nor users nor the clock, and must never decide what to do about anything.
//!
//! Reading order: `limits`, `error`, `text`, `line`, `tree`, `value`, `duration`, `rule`, `zone`,
//! `validate`, `build`, `merge`, `repair`, `split`, `import`.

pub mod build;
mod duration;
pub mod error;
pub mod import;
pub mod limits;
pub mod line;
pub mod merge;
pub mod repair;
pub mod rule;
pub mod split;
pub mod text;
pub mod tree;
pub mod validate;
pub mod value;
pub mod zone;

#[cfg(test)]
mod cases;

pub use error::{IcsError, Refusal};
pub use line::{Param, Property};
pub use tree::{Component, Document};
pub use validate::Shape;
pub use value::{CalAddress, Duration, Period, PeriodEnd, ValueError, When};
