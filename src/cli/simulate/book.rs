//! What people did, written down by the world, so that nothing of it can be lost without anybody noticing.

use std::collections::{BTreeMap, BTreeSet};

/// Where somebody did something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// One of [`super::world::World::calendars`].
    Here(usize),
    /// A calendar at the provider.
    There(String),
}

/// An event that somebody made, with everything that was made of it since.
#[derive(Clone, Debug, Default)]
pub(super) struct Birth {
    /// Where people touched it.
    pub(super) places: BTreeSet<Place>,
    /// Somebody deleted it, or a part of it, somewhere.
    pub(super) deleted: bool,
    /// How often it was copied or split.
    pub(super) copies: u32,
    /// It was private at some time.
    pub(super) private: bool,
    /// How whoever touched it last left it, by place and UID or id.
    pub(super) left: BTreeMap<(Place, String), String>,
}

/// A text that somebody wrote.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) token: String,
    pub(super) birth: u32,
    pub(super) place: Place,
    /// The UID or id.
    pub(super) item: String,
    pub(super) field: &'static str,
}

/// A text that may not be seen everywhere.
#[derive(Clone, Debug)]
pub(super) struct Taint {
    pub(super) token: String,
    pub(super) home: Place,
}

/// Everything that people did.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub(super) births: BTreeMap<u32, Birth>,
    pub(super) edits: Vec<Edit>,
    pub(super) taints: Vec<Taint>,
    /// What was deleted here: calendar, bytes, event.
    pub(super) births_gone: Vec<(usize, String, u32)>,
    /// What was private at a provider from its beginning: an account's own secret, which may go back to where it is from.
    pub(super) private_there: BTreeSet<String>,
    /// The same by calendar and UID: who deleted it and brought it back has it made anew where it is from.
    pub(super) private_born: BTreeSet<(String, String)>,
    /// Events that somebody made public: what is written elsewhere before that is heard of becomes public with the rest.
    pub(super) disclosed: BTreeSet<u32>,
    /// Somebody confirmed a mass removal.
    pub(super) confirmed: bool,
    /// Events of which a run was undone: the two sides may differ about them, and what people left may be taken back.
    pub(super) undone: BTreeSet<u32>,
    /// What somebody brought back there from the bin while another item of the same event was there already: whoever did
    /// that made a second one.
    pub(super) beside: BTreeSet<String>,
    /// Links that somebody had looked at whole again.
    pub(super) mended: BTreeSet<String>,
    next: u32,
}

impl Book {
    /// A number nobody had.
    pub(super) fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// A text nobody wrote before; a secret one is watched.
    pub(super) fn text(&mut self, home: &Place, secret: bool) -> String {
        let number = self.number();
        if secret {
            let token = format!("SECRET{number}x");
            self.taints.push(Taint { token: token.clone(), home: home.clone() });
            token
        } else {
            format!("T{number}x")
        }
    }

    /// The event.
    pub(super) fn birth(&mut self, number: u32) -> &mut Birth {
        self.births.entry(number).or_default()
    }

    /// Somebody touched an item of this event.
    pub(super) fn touch(&mut self, number: u32, place: &Place, item: &str, left: String) {
        let birth = self.birth(number);
        birth.places.insert(place.clone());
        birth.left.insert((place.clone(), item.to_owned()), left);
    }

    /// Somebody deleted something of this event.
    pub(super) fn delete(&mut self, number: u32, place: &Place, item: &str) {
        let birth = self.birth(number);
        birth.places.insert(place.clone());
        birth.deleted = true;
        birth.left.remove(&(place.clone(), item.to_owned()));
    }

    /// Whether a text belongs to an event that somebody made public. `said`: where it stands, if that names the event.
    pub(super) fn is_disclosed(&self, token: &str, said: &str) -> bool {
        self.edits.iter().any(|edit| edit.token == token && self.disclosed.contains(&edit.birth))
            || self.disclosed.iter().any(|birth| said.contains(&format!("B{birth} {token}")))
    }

    /// Somebody wrote a text.
    pub(super) fn wrote(&mut self, token: &str, birth: u32, place: &Place, item: &str, field: &'static str) {
        self.edits.push(Edit { token: token.to_owned(), birth, place: place.clone(), item: item.to_owned(), field });
    }
}

/// Which event a title says it is: every one has `B` and a number in it.
pub(super) fn birth_of(title: &str) -> Option<u32> {
    title.split_whitespace().find_map(|word| word.strip_prefix('B')?.parse().ok())
}
