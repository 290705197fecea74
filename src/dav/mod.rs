//! The CalDAV face of the store.

pub mod report;
