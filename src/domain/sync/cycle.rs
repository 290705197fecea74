//! Whether links go round in circles: an event that leaves a calendar by one link must not come back by another.

use std::collections::{BTreeMap, BTreeSet};

use super::RemoteCalendarId;
use super::words::{Direction, Provider};

/// The name under which Google's API also knows an account's main calendar.
const GOOGLE_PRIMARY: &str = "primary";

/// A remote calendar as all of its readers know it, whatever connection they reach it by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remote {
    provider: Provider,
    name: String,
}

impl Remote {
    /// The calendar `remote` of the account `account`.
    #[must_use]
    pub fn new(provider: Provider, account: &str, remote: &RemoteCalendarId) -> Remote {
        let name = match provider {
            // Ids are the same for everybody who sees the calendar; that of the main one is the account's name.
            Provider::Google if remote.as_str() == GOOGLE_PRIMARY => account.to_lowercase(),
            Provider::Google => remote.as_str().to_lowercase(),
            // URLs.
            Provider::Caldav | Provider::Apple | Provider::Ics => remote.as_str().to_owned(),
            // Ids are an account's own.
            Provider::Microsoft => format!("{} {}", account.to_lowercase(), remote.as_str()),
        };
        Remote { provider, name }
    }
}

/// One link as a way for events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The calendar here.
    pub here: String,
    /// The calendar there.
    pub there: Remote,
    /// Which way events go.
    pub direction: Direction,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Here(&'a str),
    There(&'a Remote),
}

impl Way {
    fn steps(&self) -> impl Iterator<Item = (Place<'_>, Place<'_>)> {
        let (here, there) = (Place::Here(&self.here), Place::There(&self.there));
        let push = self.direction.pushes().then(|| (here.clone(), there.clone()));
        let pull = self.direction.pulls().then_some((there, here));
        push.into_iter().chain(pull)
    }
}

/// Whether an event that goes along `new` could come back along `others` to where it began. A link that goes both ways
/// is no circle by itself.
#[must_use]
pub fn closes_cycle(others: &[Way], new: &Way) -> bool {
    let mut next: BTreeMap<Place<'_>, Vec<Place<'_>>> = BTreeMap::new();
    for (from, to) in others.iter().flat_map(Way::steps) {
        next.entry(from).or_default().push(to);
    }
    new.steps().any(|(from, to)| {
        let (mut seen, mut open) = (BTreeSet::from([to.clone()]), vec![to]);
        while let Some(place) = open.pop() {
            if place == from {
                return true;
            }
            open.extend(next.get(&place).into_iter().flatten().filter(|p| seen.insert((*p).clone())).cloned());
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(here: &str, there: &str, direction: Direction) -> Way {
        let there = Remote::new(Provider::Google, "ada@example.org", &RemoteCalendarId(there.to_owned()));
        Way { here: here.to_owned(), there, direction }
    }

    #[test]
    fn what_comes_back_by_another_link_is_a_circle() {
        use Direction::{Both, Pull, Push};
        for (others, new, expected) in [
            (vec![], way("a", "x", Both), false),
            // One calendar here and two there, and the other way round: a star.
            (vec![way("a", "x", Both)], way("a", "y", Both), false),
            (vec![way("a", "x", Both)], way("b", "x", Both), false),
            // The same pair twice, by another connection.
            (vec![way("a", "primary", Both)], way("a", "Ada@Example.org", Both), true),
            (vec![way("a", "x", Push)], way("a", "x", Push), false),
            (vec![way("a", "x", Push)], way("a", "x", Pull), true),
            // Round by two calendars on each side.
            (vec![way("a", "x", Both), way("b", "x", Both), way("b", "y", Both)], way("a", "y", Pull), true),
            (vec![way("a", "x", Push), way("b", "x", Pull), way("b", "y", Push)], way("a", "y", Pull), true),
            (vec![way("a", "x", Push), way("b", "x", Pull), way("b", "y", Push)], way("a", "y", Push), false),
            (vec![way("a", "x", Push), way("b", "x", Push), way("b", "y", Push)], way("a", "y", Pull), false),
        ] {
            assert_eq!(closes_cycle(&others, &new), expected, "{others:?} {new:?}");
        }
    }

    #[test]
    fn a_long_way_round_is_found_without_recursion() {
        let mut ways: Vec<Way> = Vec::new();
        for n in 0..20_000 {
            ways.push(way(&format!("h{n}"), &format!("t{n}"), Direction::Push));
            ways.push(way(&format!("h{}", n + 1), &format!("t{n}"), Direction::Pull));
        }
        assert!(closes_cycle(&ways, &way("h0", "t19999", Direction::Pull)));
        assert!(!closes_cycle(&ways, &way("h0", "elsewhere", Direction::Both)));
    }
}
