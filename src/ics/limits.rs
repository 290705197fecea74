//! Every bound this module puts on what comes from outside, with its reason.

/// Largest calendar object. Attachments inside an event reach a few megabytes; ten of them do not belong in a calendar.
pub const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Deepest nesting. Real objects reach 4 (VCALENDAR, VEVENT, VALARM, VLOCATION).
pub const DEPTH_MAX: usize = 16;
/// Longest unfolded line. An inline attachment is one line.
pub const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most lines in one object: a long series with many overrides has some ten thousand.
pub const LINES_MAX: usize = 200_000;
/// Most values in one list property (EXDATE, CATEGORIES); beyond this an answer would cost many times its bytes.
pub const LIST_ITEMS_MAX: usize = 20_000;
/// Most ATTENDEEs in one component, the largest meeting that providers allow being below it.
pub const ATTENDEES_MAX: usize = 5_000;
/// Most VALARMs in one component. A phone that receives more keeps ringing.
pub const ALARMS_MAX: usize = 500;
/// Most overrides (and other components) of one object.
pub const COMPONENTS_MAX: usize = 10_000;
/// Longest UID. It is a key in an index, and PostgreSQL refuses index rows beyond some 2,700 octets.
pub const UID_BYTES_MAX: usize = 1_024;
/// Where new lines are folded (RFC 5545 section 3.1), without the line end.
pub const FOLD_OCTETS: usize = 75;

pub(crate) const WHAT_ATTENDEES: &str = "number of attendees";
