//! What can be wrong with bytes that claim to be a calendar. One sentence each, with the line where it is wrong.

/// Why bytes are refused. The line is counted from 1 in the physical lines of what was sent; 0 means "as a whole".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IcsError {
    /// A named limit of [`super::limits`] is exceeded.
    #[error("{}the {what} exceeds the limit of {limit}", at(*line))]
    TooLarge {
        /// Where the limit was passed.
        line: u32,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Bytes that are not UTF-8, even after unfolding.
    #[error("{}the text is not UTF-8", at(*line))]
    NotUtf8 {
        /// First offending line.
        line: u32,
    },
    /// A control character, or a character XML cannot carry: it would break every report that shows this object.
    #[error("{}the character U+{:04X} cannot be part of a calendar", at(*line), u32::from(*character))]
    ControlCharacter {
        /// Where it is.
        line: u32,
        /// The character.
        character: char,
    },
    /// A line that is no `NAME:value`.
    #[error("{}this is not a content line (a name, then a colon)", at(*line))]
    NotAContentLine {
        /// Where it is.
        line: u32,
    },
    /// A property outside of any component.
    #[error("{}{name} stands outside of the calendar", at(*line))]
    OutsideCalendar {
        /// Where it is.
        line: u32,
        /// The property or component found there.
        name: String,
    },
    /// `END` without `BEGIN`, or of another component than the open one.
    #[error("{}END:{found} does not close {open}", at(*line))]
    WrongEnd {
        /// Where it is.
        line: u32,
        /// What the line closes.
        found: String,
        /// What is open there.
        open: String,
    },
    /// A component that is never closed.
    #[error("{}{name} is never closed (no END:{name})", at(*line))]
    NoEnd {
        /// Where it begins.
        line: u32,
        /// Its name.
        name: String,
    },
    /// A component in a place where nobody would look for it, such as a VEVENT inside a VEVENT.
    #[error("{}{name} inside {parent}", at(*line))]
    Misplaced {
        /// Where it begins.
        line: u32,
        /// Its name.
        name: String,
        /// What it stands in.
        parent: String,
    },
    /// A value that cannot be read.
    #[error("{}{name}: {reason}", at(*line))]
    BadValue {
        /// Where it is.
        line: u32,
        /// The property.
        name: String,
        /// What is wrong with its value.
        reason: super::value::ValueError,
    },
    /// A recurrence rule that cannot be read.
    #[error("{}RRULE: {reason}", at(*line))]
    BadRule {
        /// Where it is.
        line: u32,
        /// What is wrong with it.
        reason: super::rule::RuleError,
    },
    /// A property that must be there and is not.
    #[error("{}{component} has no {property}", at(*line))]
    Missing {
        /// Where the component begins.
        line: u32,
        /// The component.
        component: String,
        /// The property.
        property: &'static str,
    },
    /// A property that may be given once is given twice.
    #[error("{}{name} is given a second time", at(*line))]
    Repeated {
        /// Where the second one is.
        line: u32,
        /// The property.
        name: String,
    },
    /// Two properties that exclude each other.
    #[error("{}{first} and {second} exclude each other", at(*line))]
    Exclusive {
        /// Where the second one is.
        line: u32,
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The end lies before the start.
    #[error("{}the end lies before DTSTART", at(*line))]
    EndsBeforeStart {
        /// Where the end is given.
        line: u32,
    },
    /// No VCALENDAR at all.
    #[error("there is no VCALENDAR")]
    NoCalendar,
    /// A version of the format that is not 2.0.
    #[error("{}VERSION is {found}; only iCalendar 2.0 is understood", at(*line))]
    Version {
        /// Where it is.
        line: u32,
        /// What was given.
        found: String,
    },
    /// A calendar scale other than GREGORIAN.
    #[error("{}CALSCALE is {found}; only GREGORIAN is understood", at(*line))]
    Scale {
        /// Where it is.
        line: u32,
        /// What was given.
        found: String,
    },
    /// More than one VCALENDAR.
    #[error("{}a calendar object holds one VCALENDAR, here a second one begins", at(*line))]
    SecondCalendar {
        /// Where the second begins.
        line: u32,
    },
    /// METHOD is for messages, not for stored objects.
    #[error("{}a stored calendar object must not have a METHOD", at(*line))]
    Method {
        /// Where it is.
        line: u32,
    },
    /// Nothing but time zones, or nothing.
    #[error("the calendar holds no VEVENT, VTODO, VJOURNAL or VFREEBUSY")]
    NoComponent,
    /// Only components that this server does not know as calendar objects.
    #[error("{}{name} is not a component this server keeps", at(*line))]
    UnsupportedComponent {
        /// Where it begins.
        line: u32,
        /// Its name.
        name: String,
    },
    /// Components of two types in one object.
    #[error("{}{found} in an object that holds {first}", at(*line))]
    MixedComponents {
        /// Where the second type begins.
        line: u32,
        /// The type that came first.
        first: &'static str,
        /// The other type.
        found: &'static str,
    },
    /// Components of two UIDs in one object.
    #[error("{}a second UID in one calendar object", at(*line))]
    SecondUid {
        /// Where the second UID is.
        line: u32,
    },
    /// Two components for the same instance, or two masters.
    #[error("{}a second component for the same instance (same UID, same RECURRENCE-ID)", at(*line))]
    SameInstance {
        /// Where the second component begins.
        line: u32,
    },
}

/// Which kind of refusal an [`IcsError`] is; a DAV server words it as an RFC 4791 precondition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not a legal calendar: `CALDAV:valid-calendar-data`.
    CalendarData,
    /// Another format or version: `CALDAV:supported-calendar-data`.
    UnsupportedData,
    /// A legal calendar, but not one object: `CALDAV:valid-calendar-object-resource`.
    ObjectResource,
    /// A component type that is not kept: `CALDAV:supported-calendar-component`.
    UnsupportedComponent,
    /// Larger than the server takes: `CALDAV:max-resource-size`.
    Size,
    /// More attendees in one instance than the server takes: `CALDAV:max-attendees-per-instance`.
    Attendees,
}

impl IcsError {
    /// The kind of refusal.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::TooLarge { what, .. } if *what == super::limits::WHAT_ATTENDEES => Refusal::Attendees,
            Self::TooLarge { .. } => Refusal::Size,
            Self::Version { .. } | Self::Scale { .. } => Refusal::UnsupportedData,
            Self::UnsupportedComponent { .. } => Refusal::UnsupportedComponent,
            Self::SecondCalendar { .. }
            | Self::Method { .. }
            | Self::NoComponent
            | Self::MixedComponents { .. }
            | Self::SecondUid { .. }
            | Self::SameInstance { .. } => Refusal::ObjectResource,
            Self::NotUtf8 { .. }
            | Self::ControlCharacter { .. }
            | Self::NotAContentLine { .. }
            | Self::OutsideCalendar { .. }
            | Self::WrongEnd { .. }
            | Self::NoEnd { .. }
            | Self::Misplaced { .. }
            | Self::BadValue { .. }
            | Self::BadRule { .. }
            | Self::Missing { .. }
            | Self::Repeated { .. }
            | Self::Exclusive { .. }
            | Self::EndsBeforeStart { .. }
            | Self::NoCalendar => Refusal::CalendarData,
        }
    }
}

/// Enough of something foreign for a message.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

fn at(line: u32) -> String {
    if line == 0 { String::new() } else { format!("line {line}: ") }
}
