//! What properties are asked of, and what has been loaded about it.

use crate::dav::home_token::HomeToken;
use crate::dav::path::{Kind, Resource, calendar_href};
use crate::domain::access::{Caller, Right};
use crate::domain::calendar::Calendar;
use crate::domain::ids::ResourceName;
use crate::domain::object::ETag;
use crate::store::{ObjectHead, StoredProperty, User};
use crate::xml::Name;

/// What holds for everything in one answer.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Who asks.
    pub caller: Caller,
    /// What the store knows of them; loaded if [`Needs::user`](super::Needs).
    pub user: Option<User>,
    /// The state of the caller's home; loaded if [`Needs::home`](super::Needs).
    pub home_token: Option<HomeToken>,
    /// The life of the store, for sync tokens.
    pub epoch: String,
    /// The host name under which the caller reached us.
    pub host: String,
}

impl Scene {
    /// The caller's principal.
    #[must_use]
    pub fn principal_href(&self) -> String {
        Resource::Principal(self.caller.name.clone()).href()
    }

    /// The caller's home.
    #[must_use]
    pub fn home_href(&self) -> String {
        Resource::Home(self.caller.name.clone()).href()
    }
}

/// A resource with what is known of it.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A place that holds nothing of anybody's: the entry, the root, the two collections of users.
    Place(&'a Resource),
    /// The caller's principal, with the properties they keep on it.
    Principal(&'a [StoredProperty]),
    /// The caller's home, with the properties they keep on it.
    Home(&'a [StoredProperty]),
    /// A calendar.
    Calendar(CalendarSubject<'a>),
    /// A calendar object.
    Object(ObjectSubject<'a>),
}

/// A calendar with what was loaded.
#[derive(Clone, Copy, Debug)]
pub struct CalendarSubject<'a> {
    /// The calendar.
    pub calendar: &'a Calendar,
    /// What the caller keeps on it; empty unless loaded.
    pub kept: &'a [StoredProperty],
    /// How many bytes its objects have, if that was loaded.
    pub bytes: Option<i64>,
}

/// A calendar object with what was loaded.
#[derive(Clone, Copy, Debug)]
pub struct ObjectSubject<'a> {
    /// Its calendar.
    pub calendar: &'a Calendar,
    /// Its name.
    pub name: &'a ResourceName,
    /// Its tag.
    pub etag: &'a ETag,
    /// Everything but the body, if that was loaded.
    pub head: Option<&'a ObjectHead>,
    /// `CALDAV:calendar-data`, in reports that were asked for it.
    pub data: Option<&'a str>,
}

impl Subject<'_> {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Subject::Place(resource) => resource.kind(),
            Subject::Principal(_) => Kind::Principal,
            Subject::Home(_) => Kind::Home,
            Subject::Calendar(_) => Kind::Calendar,
            Subject::Object(_) => Kind::Object,
        }
    }

    /// Its path.
    #[must_use]
    pub fn href(&self, scene: &Scene) -> String {
        match self {
            Subject::Place(resource) => resource.href(),
            Subject::Principal(_) => scene.principal_href(),
            Subject::Home(_) => scene.home_href(),
            Subject::Calendar(c) => calendar_href(&c.calendar.owner_name, &c.calendar.slug),
            Subject::Object(o) => {
                let calendar = calendar_href(&o.calendar.owner_name, &o.calendar.slug);
                format!("{calendar}{}", crate::dav::path::segment(o.name.as_str()))
            }
        }
    }

    /// What the caller keeps on it.
    #[must_use]
    pub fn kept(&self) -> &[StoredProperty] {
        match self {
            Subject::Principal(kept) | Subject::Home(kept) => kept,
            Subject::Calendar(c) => c.kept,
            Subject::Place(_) | Subject::Object(_) => &[],
        }
    }

    /// One property that the caller keeps on it, as it came.
    #[must_use]
    pub fn kept_named(&self, name: &Name) -> Option<&str> {
        let kept = self.kept().iter();
        kept.filter(|p| p.key.namespace == name.namespace() && p.key.name == name.local())
            .map(|p| p.xml.as_str())
            .next()
    }
}

impl Scene {
    /// What the caller may do with what belongs to `owner` at most.
    #[must_use]
    pub fn right_on(&self, calendar: &Calendar) -> Right {
        if calendar.owner == self.caller.user { self.caller.most } else { self.caller.most.min(Right::Read) }
    }
}
