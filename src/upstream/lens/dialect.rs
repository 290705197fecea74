//! What a provider can hold, where providers differ. What it cannot is the same on both sides for it, and so no change.

use jiff::civil::DateTime;

use crate::ics::rule::Rule;
use crate::ics::zone::Zone;

/// A rule as a provider keeps it, for a series that starts then on the wall clock of its zone; `bool`: by days.
///
/// # Errors
/// Why it cannot keep it: a sentence.
pub(in crate::upstream) type Canon = fn(Rule, DateTime, bool, &Zone) -> Result<Rule, &'static str>;

/// One provider's measure.
#[derive(Debug)]
pub(in crate::upstream) struct Dialect {
    /// What people call it.
    pub(in crate::upstream) name: &'static str,
    /// Whether an event can be tentative.
    pub(in crate::upstream) tentative: bool,
    /// Whether events have categories, and say how busy they make.
    pub(in crate::upstream) colours: bool,
    /// Whether a series can have dates beside its rule, more than one rule, and rules of exclusion.
    pub(in crate::upstream) dates: bool,
    /// How many reminders an event has.
    pub(in crate::upstream) reminders: usize,
    /// Whether a reminder can be a mail.
    pub(in crate::upstream) mails: bool,
    /// The longest time of a reminder before the start.
    pub(in crate::upstream) minutes_max: i64,
    /// What of its reminders stays here, as a sentence.
    pub(in crate::upstream) reminders_left: &'static str,
    /// The one name of all zones that it takes for the same.
    pub(in crate::upstream) zone: fn(&str) -> String,
    /// Its rules.
    pub(in crate::upstream) canon: Canon,
}
