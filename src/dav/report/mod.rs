//! REPORT: what clients ask a collection for.
//!
//! | file | what |
//! | --- | --- |
//! | `range` | stretches of time as requests name them |
//! | `collation` | how texts are compared |
//! | `filter`, `evaluate` | `CALDAV:filter`, and an object held against it |
//! | `data` | `CALDAV:calendar-data`; `select`, `expand`, `limit` do its parts |

pub mod collation;
pub mod data;
pub mod evaluate;
pub mod expand;
pub mod filter;
pub mod freebusy;
pub mod limit;
pub mod range;
pub mod select;
pub mod zone;

#[cfg(test)]
mod examples;
