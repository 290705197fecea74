//! What strangers are told of a calendar object.
//!
//! Job: decide how much of each component is told, and write that much. What is told less than whole is built anew from
//! values that were understood, one by one; no line, parameter or name of the original is ever copied, so that nothing
//! can be forgotten. Neighbours: [`super::recurrence`] gives the instances; `feed` publishes what is made here. It must
//! never know who reads.
//!
//! | file | what it holds |
//! |---|---|
//! | `busy` | times somebody is busy, and nothing else |
//! | `title` | times and titles |
//! | `zone` | a time zone's rules without its names and comments |

mod busy;
mod title;
mod zone;

use super::feed::{FeedPrivacy, PrivateAppointments};
use super::object::{CalendarObject, Class, ComponentKind};

pub use busy::{BUSY_TITLE, BusyTime, BusyTimes, busy_times};
pub use title::{Retitle, titled, undated_start};
pub use zone::plain_zone;

/// How much is told. Ordered: a later one tells what the earlier ones tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Telling {
    /// Not even that it exists.
    Nothing,
    /// When somebody is busy.
    Busy,
    /// When, and the title.
    Title,
    /// Every line.
    All,
}

impl Telling {
    /// How much is told of a component of this class.
    #[must_use]
    pub fn of(class: Class, privacy: FeedPrivacy, private: PrivateAppointments) -> Telling {
        match (class, private) {
            (Class::Public, _) => match privacy {
                FeedPrivacy::Details => Telling::All,
                FeedPrivacy::TitlesOnly => Telling::Title,
                FeedPrivacy::BusyOnly => Telling::Busy,
            },
            (Class::Private | Class::Confidential, PrivateAppointments::Mask) => Telling::Busy,
            (Class::Private | Class::Confidential, PrivateAppointments::Omit) => Telling::Nothing,
        }
    }
}

/// How much is told of an object, component by component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    whole: Telling,
    components: Vec<Telling>,
}

impl Told {
    /// Decides for an object. What is private of a series is private of its instances too, whatever they say
    /// themselves; an instance may be private in a series that is not.
    #[must_use]
    pub fn of(object: &CalendarObject, privacy: FeedPrivacy, private: PrivateAppointments) -> Told {
        let told = |component| Telling::of(Class::of(component), privacy, private);
        let own: Vec<Telling> = object.components().map(told).collect();
        let mut whole = match object.master() {
            Some(master) => told(master),
            None => own.iter().copied().max().unwrap_or(Telling::Nothing),
        };
        // A private override for all later instances cannot be cut out of the rule that makes them.
        let reaching = object.overrides().filter(|c| is_for_later_ones(c)).map(told).min();
        if let Some(least) = reaching.filter(|least| *least < whole && whole > Telling::Busy) {
            whole = least;
        }
        // Periods of free-busy time have no title.
        if object.component() == ComponentKind::FreeBusy && whole == Telling::Title {
            whole = Telling::Busy;
        }
        Told { whole, components: own.into_iter().map(|telling| telling.min(whole)).collect() }
    }

    /// Tells everything, whatever it says of itself.
    #[must_use]
    pub fn all(object: &CalendarObject) -> Told {
        Told { whole: Telling::All, components: object.components().map(|_| Telling::All).collect() }
    }

    /// How much is told of the object; single components may be told less.
    #[must_use]
    pub fn whole(&self) -> Telling {
        self.whole
    }

    /// How much is told of a component, by its position in [`CalendarObject::components`].
    #[must_use]
    pub fn component(&self, index: usize) -> Telling {
        self.components.get(index).copied().unwrap_or(Telling::Nothing)
    }

    /// Whether every component is told as much as the object.
    #[must_use]
    pub fn is_uniform(&self) -> bool {
        self.components.iter().all(|telling| *telling == self.whole)
    }
}

fn is_for_later_ones(component: &crate::ics::Component) -> bool {
    let range = component.property("RECURRENCE-ID").and_then(|p| p.param("RANGE"));
    range.is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE"))
}

#[cfg(test)]
mod tests;
