//! Properties: one table for each kind of resource, and how a request for properties is answered from it.
//!
//! A property is a name, whether `allprop` shows it, what must be loaded to know it, and a function from a subject to
//! its value. What the tables do not name is a dead property: kept for each user by PROPPATCH, byte for byte.
//!
//! | file | what |
//! | --- | --- |
//! | `request` | `DAV:prop`, `DAV:allprop`, `DAV:propname` |
//! | `subject` | what properties are asked of, and what was loaded about it |
//! | `plan` | a request resolved for one kind of resource; writes responses |
//! | `common`, `principal`, `calendar`, `object` | the tables |
//! | `value` | what a property holds |
//! | `patch` | what PROPPATCH, MKCALENDAR and MKCOL may set |

mod calendar;
mod common;
mod object;
pub mod patch;
mod plan;
mod principal;
mod request;
mod subject;
mod value;

#[expect(unused_imports, reason = "reports need them")]
pub use calendar::{COLLATIONS, sync_token};
pub use plan::{Needs, Plan};
pub use request::{NAMES_MAX, PropRequest};
pub use subject::{CalendarSubject, ObjectSubject, Scene, Subject};
pub use value::Value;

use super::path::Kind;
use crate::xml::Name;

/// A property that the server knows.
pub struct Property {
    /// Its name.
    pub name: Name,
    /// Whether `DAV:allprop` asks for it too. CalDAV's own properties are only told to those who name them
    /// (RFC 4791 §5.2), as are those that cost something.
    pub in_allprop: bool,
    /// What must have been loaded.
    pub needs: Needs,
    /// Its value; `None`: the subject does not have it.
    pub value: fn(&Scene, &Subject<'_>) -> Option<Value>,
}

// The tables in which a kind of resource finds its properties, the most special first.
static OF_PLACES: &[&[Property]] = &[common::PROPERTIES];
static OF_PRINCIPALS: &[&[Property]] = &[principal::PROPERTIES, common::PROPERTIES];
static OF_HOMES: &[&[Property]] = &[calendar::OF_HOME, common::PROPERTIES];
static OF_CALENDARS: &[&[Property]] = &[calendar::PROPERTIES, common::PROPERTIES];
static OF_OBJECTS: &[&[Property]] = &[object::PROPERTIES, common::PROPERTIES];

fn tables(kind: Kind) -> &'static [&'static [Property]] {
    match kind {
        Kind::Entry | Kind::Root | Kind::Principals | Kind::Calendars => OF_PLACES,
        Kind::Principal => OF_PRINCIPALS,
        Kind::Home => OF_HOMES,
        Kind::Calendar => OF_CALENDARS,
        Kind::Object => OF_OBJECTS,
    }
}

/// The property of that name that a kind of resource may have.
#[must_use]
pub fn find(kind: Kind, name: &Name) -> Option<&'static Property> {
    tables(kind).iter().flat_map(|table| table.iter()).find(|property| property.name == *name)
}

/// Every property that a kind of resource may have.
pub fn all(kind: Kind) -> impl Iterator<Item = &'static Property> {
    tables(kind).iter().flat_map(|table| table.iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_has_a_property_twice() {
        for kind in [Kind::Entry, Kind::Principal, Kind::Home, Kind::Calendar, Kind::Object] {
            let names: Vec<&Name> = all(kind).map(|p| &p.name).collect();
            for (at, name) in names.iter().enumerate() {
                assert!(!names.iter().take(at).any(|other| other == name), "{kind:?} {name}");
            }
        }
    }
}
