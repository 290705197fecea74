//! A request for properties, resolved once for one kind of resource: what must be loaded, and how a response is
//! written. Ten thousand objects look nothing up.

use std::ops::BitOr;

use super::request::PropRequest;
use super::subject::{Scene, Subject};
use super::value::Value;
use super::{Property, all, find};
use crate::dav::multistatus::{Line, propstat};
use crate::dav::path::{Href, Kind};
use crate::xml::{Name, Writer, names};

/// What must be loaded beside what is known anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The user.
    pub user: bool,
    /// What the caller keeps on the resource.
    pub kept: bool,
    /// The object's head.
    pub head: bool,
    /// The size of what is in the calendar.
    pub bytes: bool,
    /// The state of the caller's home.
    pub home: bool,
}

impl Needs {
    /// Nothing.
    pub const NOTHING: Needs = Needs { user: false, kept: false, head: false, bytes: false, home: false };
    /// The user.
    pub const USER: Needs = Needs { user: true, ..Needs::NOTHING };
    /// What the caller keeps on the resource.
    pub const KEPT: Needs = Needs { kept: true, ..Needs::NOTHING };
    /// The object's head.
    pub const HEAD: Needs = Needs { head: true, ..Needs::NOTHING };
    /// The size of what is in the calendar.
    pub const BYTES: Needs = Needs { bytes: true, ..Needs::NOTHING };
    /// The state of the caller's home.
    pub const HOME: Needs = Needs { home: true, ..Needs::NOTHING };
}

impl BitOr for Needs {
    type Output = Needs;

    fn bitor(self, other: Needs) -> Needs {
        Needs {
            user: self.user || other.user,
            kept: self.kept || other.kept,
            head: self.head || other.head,
            bytes: self.bytes || other.bytes,
            home: self.home || other.home,
        }
    }
}

/// A name that was asked for, and the property behind it, if there is one.
struct Chosen {
    name: Name,
    property: Option<&'static Property>,
    /// Whether the client named it, and so wants to be told that it is missing.
    is_named: bool,
}

/// Whether dead properties are told that nobody named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dead {
    Named,
    All,
}

/// Whether values are told or just names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Values,
    Names,
}

/// A request for properties of one kind of resource.
pub struct Plan {
    chosen: Vec<Chosen>,
    dead: Dead,
    told: Told,
    minimal: bool,
}

impl Plan {
    /// Resolves a request. `minimal`: what is not found is left out (RFC 8144 §2.1).
    #[must_use]
    pub fn new(request: &PropRequest, kind: Kind, minimal: bool) -> Plan {
        let known = |property: &'static Property| Chosen {
            name: property.name.clone(),
            property: Some(property),
            is_named: false,
        };
        let named = |name: &Name| Chosen { name: name.clone(), property: find(kind, name), is_named: true };
        let (chosen, dead, told) = match request {
            PropRequest::Named(list) => (list.iter().map(named).collect(), Dead::Named, Told::Values),
            PropRequest::All(include) => {
                let mut chosen: Vec<Chosen> = all(kind).filter(|p| p.in_allprop).map(known).collect();
                for name in include {
                    if !chosen.iter().any(|c| c.name == *name) {
                        chosen.push(named(name));
                    }
                }
                (chosen, Dead::All, Told::Values)
            }
            PropRequest::Names => (all(kind).map(known).collect(), Dead::All, Told::Names),
        };
        Plan { chosen, dead, told, minimal }
    }

    /// What must be loaded for [`Plan::write`].
    #[must_use]
    pub fn needs(&self) -> Needs {
        let dead = if self.dead == Dead::All { Needs::KEPT } else { Needs::NOTHING };
        self.chosen.iter().map(|c| c.property.map_or(Needs::KEPT, |p| p.needs)).fold(dead, BitOr::bitor)
    }

    /// Whether a property of that name was asked for.
    #[must_use]
    pub fn has(&self, name: &Name) -> bool {
        self.chosen.iter().any(|c| c.name == *name)
    }

    /// Writes the `DAV:response` of a subject.
    pub fn write(&self, scene: &Scene, subject: &Subject<'_>, writer: &mut Writer) {
        self.write_at(Href::of(&subject.href(scene)), scene, subject, writer);
    }

    /// As [`Plan::write`], where the path is known.
    pub fn write_at(&self, href: Href<'_>, scene: &Scene, subject: &Subject<'_>, writer: &mut Writer) {
        writer.open(&names::RESPONSE);
        href.write(writer);
        self.write_propstats(scene, subject, writer);
        writer.close(&names::RESPONSE);
    }

    /// Writes a response whose values come from elsewhere than a table.
    pub fn write_values(&self, href: &str, value: impl Fn(&Name) -> Option<Value>, writer: &mut Writer) {
        writer.open(&names::RESPONSE);
        writer.leaf(&names::HREF, href);
        self.propstats(|chosen| value(&chosen.name), &[], writer);
        writer.close(&names::RESPONSE);
    }

    /// Writes the `DAV:propstat`s alone: those found under 200, the others under 404. A response has at least one.
    pub fn write_propstats(&self, scene: &Scene, subject: &Subject<'_>, writer: &mut Writer) {
        let mut dead = Vec::new();
        if self.dead == Dead::All {
            for kept in subject.kept() {
                let name = Name::owned(kept.key.namespace.clone(), kept.key.name.clone());
                if !self.has(&name) && find(subject.kind(), &name).is_none() {
                    dead.push((name, Value::Kept(kept.xml.clone())));
                }
            }
        }
        self.propstats(|chosen| chosen.value(scene, subject), &dead, writer);
    }

    fn propstats(&self, value: impl Fn(&Chosen) -> Option<Value>, dead: &[(Name, Value)], writer: &mut Writer) {
        let mut missing: Vec<&Name> = Vec::new();
        let mut found = Found { writer, is_open: false };
        for chosen in &self.chosen {
            match value(chosen) {
                Some(value) => self.tell(&chosen.name, &value, found.open()),
                None if chosen.is_named => missing.push(&chosen.name),
                None => {}
            }
        }
        for (name, value) in dead {
            self.tell(name, value, found.open());
        }
        let tells_missing = !missing.is_empty() && !self.minimal;
        if !tells_missing {
            found.open();
        }
        let writer = found.close();
        if tells_missing {
            propstat(writer, Line::NotFound, |writer| missing.iter().for_each(|name| writer.empty(name)));
        }
    }

    fn tell(&self, name: &Name, value: &Value, writer: &mut Writer) {
        match self.told {
            Told::Values => value.write(name, writer),
            Told::Names => writer.empty(name),
        }
    }
}

impl Chosen {
    fn value(&self, scene: &Scene, subject: &Subject<'_>) -> Option<Value> {
        match self.property {
            Some(property) => (property.value)(scene, subject),
            None => subject.kept_named(&self.name).map(|xml| Value::Kept(xml.to_owned())),
        }
    }
}

/// The propstat of what was found, which begins with the first of it.
struct Found<'w> {
    writer: &'w mut Writer,
    is_open: bool,
}

impl<'w> Found<'w> {
    fn open(&mut self) -> &mut Writer {
        if !self.is_open {
            self.is_open = true;
            self.writer.open(&names::PROPSTAT);
            self.writer.open(&names::PROP);
        }
        self.writer
    }

    fn close(self) -> &'w mut Writer {
        if self.is_open {
            self.writer.close(&names::PROP);
            self.writer.leaf(&names::STATUS, Line::Ok.text());
            self.writer.close(&names::PROPSTAT);
        }
        self.writer
    }
}
