//! What a legal calendar object is: the rules of RFC 4791 section 4.1 and those of RFC 5545 whose breach would
//! make some reader see another appointment, or none. Everything else passes: clients send what they send.
//!
//! Deliberately let through: a missing VERSION, PRODID or DTSTAMP, TZIDs without a VTIMEZONE, unknown components and
//! properties, parameters without a value, an end equal to the start, a DATE end of a timed start, tasks due before
//! they start, overrides without their master.

use std::collections::HashSet;

use super::error::{IcsError, shorten};
use super::limits::{ALARMS_MAX, ATTENDEES_MAX, COMPONENTS_MAX, LIST_ITEMS_MAX, UID_BYTES_MAX, WHAT_ATTENDEES};
use super::line::Property;
use super::rule::{Rule, RuleError};
use super::text::is_forbidden;
use super::tree::{Component, Document, Item};
use super::value::{Duration, Period, ValueError, When};

/// The components a calendar object can be made of.
pub const OBJECT_COMPONENTS: [&str; 4] = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"];

/// What every legal calendar object has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The one UID of its components, unescaped.
    pub uid: String,
    /// One of [`OBJECT_COMPONENTS`].
    pub component: &'static str,
}

/// The components of the document that make up the calendar object: everything but time zones and the unknown.
pub fn object_components(document: &Document) -> impl Iterator<Item = &Component> {
    document.calendar().into_iter().flat_map(Component::components).filter(|c| object_name(c).is_some())
}

/// Checks a whole document, most basic faults first.
pub fn check(document: &Document) -> Result<Shape, IcsError> {
    check_lines(document)?;
    let calendar = the_calendar(document)?;
    check_calendar(calendar)?;
    check_places(calendar)?;

    let mut shape: Option<Shape> = None;
    let mut instances = HashSet::new();
    for (count, component) in object_components(document).enumerate() {
        if count >= COMPONENTS_MAX {
            let what = "number of components";
            return Err(IcsError::TooLarge { line: component.line(), what, limit: COMPONENTS_MAX });
        }
        let (uid, instance) = check_component(component)?;
        let found = object_name(component).unwrap_or_default();
        match &shape {
            None => shape = Some(Shape { uid, component: found }),
            Some(first) if first.component != found => {
                return Err(IcsError::MixedComponents { line: component.line(), first: first.component, found });
            }
            Some(first) if first.uid != uid => {
                let line = component.property("UID").map_or(component.line(), Property::line);
                return Err(IcsError::SecondUid { line });
            }
            Some(_) => {}
        }
        if !instances.insert(instance) {
            return Err(IcsError::SameInstance { line: component.line() });
        }
    }
    shape.ok_or_else(|| match calendar.components().find(|c| !c.is("VTIMEZONE")) {
        Some(unknown) => IcsError::UnsupportedComponent { line: unknown.line(), name: shorten(unknown.name()) },
        None => IcsError::NoComponent,
    })
}

/// UID and component of a document that was checked when it was stored; `None` if there is neither.
/// A rule that became stricter since must not make a stored object unreadable.
pub fn shape_of_stored(document: &Document) -> Option<Shape> {
    let component = object_components(document).next()?;
    Some(Shape { uid: component.text("UID")?.trim().to_owned(), component: object_name(component)? })
}

/// One component of a calendar object by itself; gives its UID and which instance it is (`None`: the master).
pub(crate) fn check_component(component: &Component) -> Result<(String, Option<When>), IcsError> {
    let mut counts = Counts::default();
    for property in component.properties() {
        counts.see(property)?;
    }
    if component.components_named("VALARM").count() > ALARMS_MAX {
        let what = "number of alarms";
        return Err(IcsError::TooLarge { line: component.line(), what, limit: ALARMS_MAX });
    }
    let uid = match component.text("UID").map(|uid| uid.trim().to_owned()) {
        Some(uid) if !uid.is_empty() => uid,
        _ => return Err(missing(component, "UID")),
    };
    if uid.len() > UID_BYTES_MAX {
        let line = component.property("UID").map_or(0, Property::line);
        return Err(IcsError::TooLarge { line, what: "UID in bytes", limit: UID_BYTES_MAX });
    }
    let start = when(component, "DTSTART")?;
    let end = when(component, "DTEND")?;
    when(component, "DUE")?;
    let instance = when(component, "RECURRENCE-ID")?;
    let duration = match component.property("DURATION") {
        Some(p) => Some((p, Duration::parse(p.value()).map_err(|reason| bad(p, reason))?)),
        None => None,
    };
    if let Some((p, _)) = duration {
        for (second, given) in [("DTEND", end.is_some()), ("DUE", component.property("DUE").is_some())] {
            if given {
                return Err(IcsError::Exclusive { line: p.line(), first: "DURATION", second });
            }
        }
    }
    if component.is("VEVENT") {
        let Some((_, start)) = &start else { return Err(missing(component, "DTSTART")) };
        match (&end, duration) {
            (Some((p, end)), _) if certainly_before(end, start) => {
                return Err(IcsError::EndsBeforeStart { line: p.line() });
            }
            (_, Some((p, duration))) if duration.is_negative() => {
                return Err(IcsError::EndsBeforeStart { line: p.line() });
            }
            _ => {}
        }
    }
    Ok((uid, instance.map(|(_, when)| when)))
}

/// Characters that no report could carry, lines that are none, and line ends that most readers do not see.
fn check_lines(document: &Document) -> Result<(), IcsError> {
    for other in document.strays() {
        if !other.is_blank() {
            return Err(IcsError::NotAContentLine { line: other.line() });
        }
    }
    for property in document.all_properties() {
        if let Some(character) = property.unfolded().chars().find(|c| is_forbidden(*c)) {
            return Err(IcsError::ControlCharacter { line: property.line(), character });
        }
        if property.raw().last() == Some(&b'\r') {
            return Err(IcsError::ControlCharacter { line: property.line(), character: '\r' });
        }
    }
    Ok(())
}

fn the_calendar(document: &Document) -> Result<&Component, IcsError> {
    let mut calendar = None;
    for item in document.items() {
        match item {
            Item::Component(c) if c.is("VCALENDAR") && calendar.is_some() => {
                return Err(IcsError::SecondCalendar { line: c.line() });
            }
            Item::Component(c) if c.is("VCALENDAR") => calendar = Some(c),
            Item::Component(c) => {
                return Err(IcsError::OutsideCalendar { line: c.line(), name: shorten(c.name()) });
            }
            Item::Property(p) => return Err(IcsError::OutsideCalendar { line: p.line(), name: shorten(p.name()) }),
            Item::Other(_) => {}
        }
    }
    calendar.ok_or(IcsError::NoCalendar)
}

fn check_calendar(calendar: &Component) -> Result<(), IcsError> {
    for property in calendar.properties() {
        let value = property.value().trim();
        if property.is("METHOD") {
            return Err(IcsError::Method { line: property.line() });
        }
        if property.is("VERSION") && !value.split(';').any(|version| version.trim() == "2.0") {
            return Err(IcsError::Version { line: property.line(), found: shorten(value) });
        }
        if property.is("CALSCALE") && !value.eq_ignore_ascii_case("GREGORIAN") {
            return Err(IcsError::Scale { line: property.line(), found: shorten(value) });
        }
    }
    Ok(())
}

/// Appointments, tasks and time zones stand directly in the calendar; anywhere else no reader finds them.
fn check_places(calendar: &Component) -> Result<(), IcsError> {
    let mut open: Vec<&Component> = calendar.components().collect();
    while let Some(parent) = open.pop() {
        for child in parent.components() {
            if object_name(child).is_some() || child.is("VTIMEZONE") || child.is("VCALENDAR") {
                let (name, parent) = (shorten(child.name()), shorten(parent.name()));
                return Err(IcsError::Misplaced { line: child.line(), name, parent });
            }
            open.push(child);
        }
    }
    match calendar.components().find(|c| c.is("VCALENDAR")) {
        Some(c) => {
            Err(IcsError::Misplaced { line: c.line(), name: shorten(c.name()), parent: shorten(calendar.name()) })
        }
        None => Ok(()),
    }
}

/// Properties that change the meaning when they are given twice.
const ONCE: [&str; 6] = ["UID", "DTSTART", "DTEND", "DUE", "DURATION", "RECURRENCE-ID"];

#[derive(Default)]
struct Counts {
    seen: [bool; ONCE.len()],
    attendees: usize,
    list_items: usize,
}

impl Counts {
    fn see(&mut self, property: &Property) -> Result<(), IcsError> {
        for (name, seen) in ONCE.into_iter().zip(&mut self.seen) {
            if property.is(name) && std::mem::replace(seen, true) {
                return Err(IcsError::Repeated { line: property.line(), name: name.to_owned() });
            }
        }
        if property.is("ATTENDEE") {
            self.attendees += 1;
            if self.attendees > ATTENDEES_MAX {
                return Err(IcsError::TooLarge { line: property.line(), what: WHAT_ATTENDEES, limit: ATTENDEES_MAX });
            }
        }
        if property.is("RRULE") {
            check_rule(property)?;
        }
        if property.is("EXDATE") {
            self.add(property, When::list_of(property).map_err(|reason| bad(property, reason))?.len())?;
        } else if property.is("RDATE") {
            self.add(property, recurrence_dates(property).map_err(|reason| bad(property, reason))?)?;
        }
        Ok(())
    }

    fn add(&mut self, property: &Property, items: usize) -> Result<(), IcsError> {
        self.list_items += items;
        if self.list_items > LIST_ITEMS_MAX {
            let what = "number of dates in EXDATE and RDATE";
            return Err(IcsError::TooLarge { line: property.line(), what, limit: LIST_ITEMS_MAX });
        }
        Ok(())
    }
}

/// Refuses a rule that most readers refuse the whole appointment for. An INTERVAL or COUNT that makes no sense they
/// forgive, and a calendar scale that is not understood here others do understand.
fn check_rule(property: &Property) -> Result<(), IcsError> {
    match Rule::parse(property.value()) {
        Ok(_) | Err(RuleError::Scale(_) | RuleError::BadValue { part: "INTERVAL" | "COUNT", .. }) => Ok(()),
        Err(reason) => Err(IcsError::BadRule { line: property.line(), reason }),
    }
}

fn recurrence_dates(property: &Property) -> Result<usize, ValueError> {
    if property.value().contains('/') {
        Ok(Period::list_of(property)?.len())
    } else {
        Ok(When::list_of(property)?.len())
    }
}

fn when<'a>(component: &'a Component, name: &str) -> Result<Option<(&'a Property, When)>, IcsError> {
    match component.property(name) {
        Some(property) => Ok(Some((property, When::of(property).map_err(|reason| bad(property, reason))?))),
        None => Ok(None),
    }
}

/// Whether one lies before the other in every zone there is: compared only where both are of one kind and zone,
/// and by day where one of them is a date.
fn certainly_before(end: &When, start: &When) -> bool {
    if end.is_date() || start.is_date() {
        return end.local().date() < start.local().date();
    }
    match (end, start) {
        (When::Utc(_), When::Utc(_)) | (When::Floating(_), When::Floating(_)) => end.local() < start.local(),
        (When::Zoned { tzid: a, .. }, When::Zoned { tzid: b, .. }) if a == b => end.local() < start.local(),
        _ => false,
    }
}

fn object_name(component: &Component) -> Option<&'static str> {
    OBJECT_COMPONENTS.into_iter().find(|name| component.is(name))
}

fn bad(property: &Property, reason: ValueError) -> IcsError {
    IcsError::BadValue { line: property.line(), name: property.name().to_ascii_uppercase(), reason }
}

fn missing(component: &Component, property: &'static str) -> IcsError {
    IcsError::Missing { line: component.line(), component: component.name().to_ascii_uppercase(), property }
}
