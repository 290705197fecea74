//! What a link shows of an appointment, and what may come back through it.
//!
//! Job: decide whether an appointment goes out at all, make what goes out, and say through which of its parts a change may
//! flow back. It is the only way out: whatever a provider is sent was made here. Neighbours: [`crate::domain::privacy`]
//! says how much is told and builds what is told less than whole; [`super::merge`] takes the [`WriteBack`]. It must never
//! know a provider.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `filter` | whether a link wants an appointment |
//! | `mask` | times without anything else |
//! | `mapping` | field mappings, notes left out, contact lines |

mod filter;
mod mapping;
mod mask;

#[cfg(test)]
mod tests;

pub use filter::{Unwanted, Wanted, matches, wants};

use crate::domain::appointment::Facts;
use crate::domain::feed::{FeedPrivacy, PrivateAppointments};
use crate::domain::ids::ObjectId;
use crate::domain::object::CalendarObject;
use crate::domain::privacy::{Telling, Told};
use crate::domain::sync::{LinkPolicy, PrivatePolicy};
use crate::ics::{CalAddress, value};
use crate::sync::merge::{Part, WriteBack, instances_of};

/// What is known of an appointment beside its object.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its id, which names it where its own UID may not be told.
    pub id: &'a ObjectId,
    /// What the platform knows.
    pub facts: &'a Facts,
    /// How its client is reached, in one line; used only by links that say so.
    pub client_contact: Option<&'a str>,
}

/// What goes out for an object; `None`: nothing of it may be seen. An object of which nothing is hidden or changed goes out
/// in its own bytes. What is masked is built anew, from values that were understood, under a UID of its own.
#[must_use]
pub fn outgoing(policy: &LinkPolicy, object: &CalendarObject, known: &Known<'_>) -> Option<CalendarObject> {
    let told = told(policy, object);
    match told.whole() {
        Telling::Nothing => None,
        Telling::Busy | Telling::Title => mask::masked(object, known.id),
        Telling::All => {
            let shown = mapping::mapped(policy, object, known)?;
            mask::partly(&shown, &told)
        }
    }
}

/// Whether a link tells less than all of an object because it is private.
#[must_use]
pub fn hides(policy: &LinkPolicy, object: &CalendarObject) -> bool {
    let told = told(policy, object);
    !told.is_uniform() || told.whole() != Telling::All
}

/// Through which parts of an object a change on the other side may come back. Of what is masked, only the time; of what a
/// template made, or what was left out, nothing.
#[must_use]
pub fn write_back(policy: &LinkPolicy, object: &CalendarObject) -> WriteBack {
    let told = told(policy, object);
    let mut writable = match told.whole() {
        Telling::Nothing => return WriteBack::none(),
        Telling::Busy | Telling::Title => return WriteBack::only([Part::Time]),
        Telling::All => WriteBack::all(),
    };
    for (target, part) in mapping::TARGETS {
        if policy.field_mapping.contains_key(target) {
            writable = writable.without(part);
        }
    }
    if policy.omit_notes {
        writable = writable.without(Part::Notes);
    }
    if policy.include_client_contact {
        writable = writable.under_contact_line();
    }
    for (index, name) in instances_of(object) {
        if told.component(index) != Telling::All {
            writable = writable.times_only_of(name);
        }
    }
    writable
}

/// Somebody whom a provider may write to when an object is sent with its attendees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Invitation {
    /// The instance, or nothing for the appointment or its series.
    pub recurrence_id: String,
    /// Its revision.
    pub sequence: i64,
    /// Usually `mailto:…`.
    pub recipient: String,
}

/// Everybody whom an object invites, each once for each instance that names them; its organizer invites nobody to their own.
#[must_use]
pub fn invitations(object: &CalendarObject) -> Vec<Invitation> {
    let names = instances_of(object);
    let mut found = Vec::new();
    for (index, component) in object.components().enumerate() {
        let recurrence_id = names.iter().find(|(at, _)| *at == index).map_or(String::new(), |(_, name)| name.clone());
        let sequence = component.property("SEQUENCE").and_then(|p| value::integer(p.value()).ok()).unwrap_or(0);
        let organizer = component.property("ORGANIZER").map(|p| CalAddress::new(p.value()));
        let addresses = component.properties_named("ATTENDEE").map(|p| CalAddress::new(p.value()));
        for address in addresses.filter(|address| organizer.as_ref() != Some(address)) {
            let recipient = address.uri().to_owned();
            let invitation = Invitation { recurrence_id: recurrence_id.clone(), sequence, recipient };
            if !found.contains(&invitation) {
                found.push(invitation);
            }
        }
    }
    found
}

/// Whether one of these mail addresses organises all of it. An object that names nobody is its owner's.
#[must_use]
pub fn is_organised_by(object: &CalendarObject, addresses: &[String]) -> bool {
    object.components().filter_map(|component| component.property("ORGANIZER")).all(|organizer| {
        let organizer = CalAddress::new(organizer.value());
        organizer.email().is_some_and(|mail| addresses.iter().any(|own| own.eq_ignore_ascii_case(mail)))
    })
}

/// How much of an object, and of each of its components, a link tells.
fn told(policy: &LinkPolicy, object: &CalendarObject) -> Told {
    match policy.private {
        PrivatePolicy::Exclude => Told::of(object, FeedPrivacy::Details, PrivateAppointments::Omit),
        PrivatePolicy::Mask => Told::of(object, FeedPrivacy::Details, PrivateAppointments::Mask),
        PrivatePolicy::Include => Told::all(object),
    }
}
