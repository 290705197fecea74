//! Appointments: a calendar object that is a VEVENT, seen as a record, and the way back into its lines.
//!
//! Job: say what an object means to a person, and carry a changed record back into the object so that only the lines
//! that must change do. Neighbours: `ics` has the lines and values, `domain::recurrence` the instances; the API shows
//! the record as JSON. It must never know columns, requests or users; the platform's [`Facts`] stand beside the record
//! and never enter a line.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `facts` | what only the platform knows |
//! | `people` | attendees and the organizer |
//! | `reminder` | VALARMs that remind |
//! | `read` | a component to a record |
//! | `create` | a new object for a record |
//! | `apply` | a changed record back into its component |
//! | `instance` | one instance of a series: found, changed, left out, taken apart from it |
//! | `series` | what follows when a series begins at another time |
//! | `zones` | how an object spells the zones that a record names |

mod apply;
mod create;
mod facts;
mod instance;
mod people;
mod read;
mod reminder;
mod series;
mod zones;

#[cfg(test)]
mod tests;

pub use apply::{apply, carry, instant_utc, repeats_of};
pub use create::create;
pub use facts::{FACT_CHARS_MAX, Facts};
pub use instance::{Occurrence, apply_instance, cancel_instance, is_same_single, replaced, single};
pub use people::{Attendee, AttendeeRole, AttendeeStatus, Organizer};
pub use reminder::{Action, Reminder, ReminderTime};
pub use series::Shift;
pub use zones::Spelling;

use crate::ics::When;

/// An appointment as a person sees it. A zone that the IANA database knows goes by its IANA name here, whatever the
/// object calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appointment {
    /// SUMMARY.
    pub title: Option<String>,
    /// DESCRIPTION.
    pub notes: Option<String>,
    /// LOCATION.
    pub location: Option<String>,
    /// URL.
    pub url: Option<String>,
    /// DTSTART.
    pub start: When,
    /// The first moment, or day, that does not belong to it any more.
    pub end: When,
    /// What it repeats by; without anything in it there is one instance.
    pub recurrence: Recurrence,
    /// STATUS.
    pub status: Status,
    /// Whether CLASS is anything but PUBLIC.
    pub private: bool,
    /// Whether it leaves its owner free (TRANSP).
    pub transparent: bool,
    /// CATEGORIES.
    pub categories: Vec<String>,
    /// ATTENDEE.
    pub attendees: Vec<Attendee>,
    /// VALARM.
    pub reminders: Vec<Reminder>,
}

/// RRULE, RDATE and EXDATE as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recurrence {
    /// The values of RRULE.
    pub rules: Vec<String>,
    /// RDATE; of a period its start.
    pub added: Vec<When>,
    /// EXDATE.
    pub removed: Vec<When>,
}

impl Recurrence {
    /// Whether there is neither a rule nor an added date.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.rules.is_empty() && self.added.is_empty()
    }
}

/// STATUS of an appointment; none given means confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// CONFIRMED
    #[default]
    Confirmed,
    /// TENTATIVE
    Tentative,
    /// CANCELLED
    Cancelled,
}

impl Status {
    /// As STATUS writes it.
    #[must_use]
    pub const fn as_ics(self) -> &'static str {
        match self {
            Status::Confirmed => "CONFIRMED",
            Status::Tentative => "TENTATIVE",
            Status::Cancelled => "CANCELLED",
        }
    }

    /// What a STATUS means; one that is not known is confirmed.
    #[must_use]
    pub fn from_ics(value: &str) -> Status {
        [Status::Tentative, Status::Cancelled]
            .into_iter()
            .find(|s| s.as_ics().eq_ignore_ascii_case(value.trim()))
            .unwrap_or_default()
    }
}
