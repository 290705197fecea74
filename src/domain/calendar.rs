//! A calendar as its clients see it: its properties, its count of changes and the sync tokens made of it.

use super::ids::{CalendarId, Slug, UserId, UserName};
use super::time::Instant;

/// A calendar's count of changes. Every change has its own number; the numbers' order is the order of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub i64);

/// What a client keeps between two syncs of a calendar (RFC 6578 §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncToken {
    /// The life of this store. A restore from a backup begins a new one, so that numbers given out after the
    /// backup was taken are not mistaken for those given out after the restore.
    pub epoch: String,
    /// The calendar itself, so that a recreated name does not answer its predecessor's tokens.
    pub calendar: CalendarId,
    /// The last change that the token covers.
    pub seq: Seq,
}

/// The longest token that is looked at; ours are far shorter.
const SYNC_TOKEN_BYTES_MAX: usize = 256;

impl SyncToken {
    /// The token as the URI that RFC 6578 asks for.
    #[must_use]
    pub fn to_uri(&self) -> String {
        format!("data:,kalends-{}.{}.{}", self.epoch, self.calendar, self.seq.0)
    }

    /// Reads a token back; `None` for everything that [`SyncToken::to_uri`] cannot have made.
    #[must_use]
    pub fn parse(text: &str) -> Option<SyncToken> {
        let text = text.trim();
        if text.len() > SYNC_TOKEN_BYTES_MAX {
            return None;
        }
        let mut parts = text.strip_prefix("data:,kalends-")?.split('.');
        let (epoch, calendar, seq) = (parts.next()?, parts.next()?, parts.next()?);
        let canonical = !seq.is_empty() && seq.bytes().all(|b| b.is_ascii_digit());
        if parts.next().is_some() || epoch.is_empty() || calendar.is_empty() || !canonical {
            return None;
        }
        Some(SyncToken {
            epoch: epoch.to_owned(),
            calendar: CalendarId::from_text(calendar),
            seq: Seq(seq.parse().ok()?),
        })
    }
}

/// Which components a calendar takes (RFC 4791 §5.2.3), in the order clients expect them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComponentSet {
    /// VEVENT
    pub event: bool,
    /// VTODO
    pub todo: bool,
    /// VJOURNAL
    pub journal: bool,
    /// VFREEBUSY
    pub free_busy: bool,
}

impl ComponentSet {
    /// Everything that a calendar may hold.
    pub const ALL: ComponentSet = ComponentSet { event: true, todo: true, journal: true, free_busy: true };
    /// Appointments only.
    pub const EVENTS: ComponentSet = ComponentSet { event: true, todo: false, journal: false, free_busy: false };
    /// Tasks only.
    pub const TODOS: ComponentSet = ComponentSet { event: false, todo: true, journal: false, free_busy: false };

    /// From component names in any case; `None` if one is no calendar component or there is none.
    #[must_use]
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<ComponentSet> {
        let mut set = ComponentSet { event: false, todo: false, journal: false, free_busy: false };
        for name in names {
            match name.trim().to_ascii_uppercase().as_str() {
                "VEVENT" => set.event = true,
                "VTODO" => set.todo = true,
                "VJOURNAL" => set.journal = true,
                "VFREEBUSY" => set.free_busy = true,
                _ => return None,
            }
        }
        (set.event || set.todo || set.journal || set.free_busy).then_some(set)
    }

    /// The component names in it.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        [(self.event, "VEVENT"), (self.todo, "VTODO"), (self.journal, "VJOURNAL"), (self.free_busy, "VFREEBUSY")]
            .into_iter()
            .filter_map(|(has, name)| has.then_some(name))
            .collect()
    }

    /// Whether the calendar takes components of this name.
    #[must_use]
    pub fn takes(self, name: &str) -> bool {
        self.names().iter().any(|n| n.eq_ignore_ascii_case(name))
    }
}

/// Whether a calendar counts for its owner's free-busy time (RFC 6638 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleTransparency {
    /// Its appointments make the owner busy.
    Opaque,
    /// They do not.
    Transparent,
}

/// What a person may set on a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarSettings {
    /// `DAV:displayname`.
    pub display_name: Option<String>,
    /// `CALDAV:calendar-description`.
    pub description: Option<String>,
    /// `calendar-color` as clients write it, e.g. `#FD8208FF`.
    pub color: Option<String>,
    /// `calendar-order`.
    pub order: Option<i64>,
    /// `CALDAV:calendar-timezone`: the VCALENDAR text, byte for byte.
    pub timezone: Option<String>,
    /// Which components it takes; fixed at creation.
    pub components: ComponentSet,
    /// Whether it counts for free-busy time.
    pub transparency: ScheduleTransparency,
}

impl CalendarSettings {
    /// A calendar with a name and nothing else set.
    #[must_use]
    pub fn named(display_name: &str, components: ComponentSet) -> CalendarSettings {
        CalendarSettings {
            display_name: Some(display_name.to_owned()),
            description: None,
            color: None,
            order: None,
            timezone: None,
            components,
            transparency: ScheduleTransparency::Opaque,
        }
    }
}

/// A calendar as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Its id.
    pub id: CalendarId,
    /// Whose it is.
    pub owner: UserId,
    /// Its owner's name, for paths.
    pub owner_name: UserName,
    /// Its name in paths.
    pub slug: Slug,
    /// What its owner set.
    pub settings: CalendarSettings,
    /// How many changes it has seen; the ctag.
    pub seq: Seq,
    /// When it was made.
    pub created: Instant,
    /// When it, or something in it, was last changed.
    pub modified: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_token_comes_back_as_it_was_given() {
        let token = SyncToken { epoch: "0af1".into(), calendar: CalendarId::from_text("0198-aa"), seq: Seq(42) };
        assert_eq!(SyncToken::parse(&token.to_uri()), Some(token));
    }

    #[test]
    fn foreign_tokens_are_no_tokens() {
        for text in [
            "",
            "data:,1",
            "http://sabre.io/ns/sync/5",
            "data:,kalends-a.b",
            "data:,kalends-a.b.-1",
            "data:,kalends-a.b.1.2",
            "data:,kalends-..1",
            "data:,kalends-a.b.+1",
            "data:,kalends-a.b.99999999999999999999",
        ] {
            assert_eq!(SyncToken::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_component_set_keeps_to_calendar_components() {
        assert_eq!(ComponentSet::from_names(["vevent"]), Some(ComponentSet::EVENTS));
        assert_eq!(ComponentSet::from_names(["VALARM"]), None);
        assert_eq!(ComponentSet::from_names([]), None);
        assert!(ComponentSet::TODOS.takes("vtodo") && !ComponentSet::TODOS.takes("VEVENT"));
    }
}
