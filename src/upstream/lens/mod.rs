//! The translation between an event and a calendar object, as far as it is the same for every provider.
//!
//! Job: what an event says and what an object says, compared and carried over. Neighbours: each connector reads its
//! provider's events into the words used here (JSON in the manner of Google's API, which is closest to iCalendar) and
//! says in a [`dialect::Dialect`] what its provider can hold. It must never know how anything is asked or sent. An item is
//! an event, or a series with all its exceptions; its snapshot is what `held` describes.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `dialect` | what a provider can hold |
//! | `held` | what is known of an item, and what entries add to it |
//! | `time`, `prose`, `reminders`, `guests`, `busy` | single fields, both ways |
//! | `said`, `series`, `view` | what both sides can say, and an object seen so |
//! | `get`, `put` | the two directions of the translation |
//! | `fields`, `steps`, `normal` | what is written; what is compared |
//! | `theirs` | what somebody else did while we wrote |

pub(super) mod busy;
pub(super) mod dialect;
pub(super) mod fields;
pub(super) mod get;
pub(super) mod guests;
pub(super) mod held;
pub(super) mod normal;
pub(super) mod prose;
pub(super) mod put;
pub(super) mod reminders;
pub(super) mod said;
pub(super) mod series;
pub(super) mod steps;
pub(super) mod theirs;
pub(super) mod time;
pub(super) mod view;
