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
    /// The longest title of an event, in UTF-16 units; `None`: nobody says.
    pub(in crate::upstream) title_max: Option<usize>,
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

impl Dialect {
    /// A title as the provider holds it.
    pub(in crate::upstream) fn title(&self, whole: String) -> String {
        let Some(max) = self.title_max.filter(|max| whole.encode_utf16().count() > *max) else { return whole };
        let mut left = max;
        let fits = |c: &char| {
            let fits = c.len_utf16() <= left;
            left -= c.len_utf16().min(left);
            fits
        };
        let cut: String = whole.chars().take_while(fits).collect();
        cut.trim_end().to_owned()
    }
}
