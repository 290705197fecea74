//! What PROPPATCH, MKCALENDAR and extended MKCOL may set: decided purely for all properties of a request, so that
//! either everything is done or nothing.

use super::find;
use crate::dav::error::Precondition;
use crate::dav::multistatus::Line;
use crate::dav::path::Kind;
use crate::domain::access::Right;
use crate::domain::calendar::{CalendarSettings, ScheduleTransparency};
use crate::ics;
use crate::ics::zone::{Zone, vtimezone};
use crate::store::{PropertyKey, StoredProperty};
use crate::xml::{Document, Element, Name, names};

/// The largest property that is kept: a calendar's time zone with a century of rules has 20 KB.
pub const PROPERTY_BYTES_MAX: usize = 100_000;
/// Properties in one request: far more than one resource keeps.
const CHANGES_MAX: usize = 1_000;
/// How far back a VTIMEZONE goes that is written for a zone that was only named.
const TIMEZONE_FROM_YEAR: i16 = 1970;

/// One instruction of a request.
#[derive(Clone, Copy, Debug)]
pub enum Change<'d> {
    /// Set it to what the element says.
    Set(&'d Element),
    /// Remove it.
    Remove(&'d Element),
}

impl Change<'_> {
    /// The property.
    #[must_use]
    pub fn name(&self) -> &Name {
        match self {
            Change::Set(element) | Change::Remove(element) => element.name(),
        }
    }
}

/// The instructions in a `DAV:propertyupdate`, `CALDAV:mkcalendar` or `DAV:mkcol`, in their order, which matters.
///
/// # Errors
/// There are too many.
pub fn changes(root: &Element) -> Result<Vec<Change<'_>>, &'static str> {
    let mut found = Vec::new();
    for step in root.children() {
        let props = step.children_named(&names::PROP).flat_map(Element::children);
        if step.is(&names::SET) {
            found.extend(props.map(Change::Set));
        } else if step.is(&names::REMOVE) {
            found.extend(props.map(Change::Remove));
        }
    }
    if found.len() > CHANGES_MAX { Err("too many properties at once") } else { Ok(found) }
}

/// Why a property is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The property's status.
    pub line: Line,
    /// The precondition behind it, if it has a name.
    pub precondition: Option<Precondition>,
}

impl Refused {
    fn because(precondition: Precondition) -> Refused {
        Refused { line: Line::Forbidden, precondition: Some(precondition) }
    }

    fn unreadable() -> Refused {
        Refused { line: Line::Conflict, precondition: None }
    }

    /// There is no room for it.
    #[must_use]
    pub fn no_room() -> Refused {
        Refused { line: Line::InsufficientStorage, precondition: None }
    }
}

/// What a request comes to.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Every property of the request, in order, with the reason where it is refused. If one is, nothing is done.
    pub verdicts: Vec<(Name, Option<Refused>)>,
    /// A calendar's settings, if they change.
    pub settings: Option<CalendarSettings>,
    /// What to keep for the caller.
    pub keep: Vec<StoredProperty>,
    /// What to forget of what was kept for the caller.
    pub forget: Vec<PropertyKey>,
}

impl Decision {
    /// Whether something is refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.verdicts.iter().any(|(_, refused)| refused.is_some())
    }

    fn keep(&mut self, property: StoredProperty) {
        self.forget.retain(|key| *key != property.key);
        self.keep.retain(|other| other.key != property.key);
        self.keep.push(property);
    }

    fn forget(&mut self, key: PropertyKey) {
        self.keep.retain(|other| other.key != key);
        self.forget.push(key);
    }
}

/// The live properties of a calendar that can be set.
const SETTINGS: [Name; 7] = [
    names::DISPLAYNAME,
    names::CALENDAR_DESCRIPTION,
    names::CALENDAR_COLOR,
    names::CALENDAR_ORDER,
    names::CALENDAR_TIMEZONE,
    names::CALENDAR_TIMEZONE_ID,
    names::SCHEDULE_CALENDAR_TRANSP,
];

/// Live properties that no table has and no client may keep as its own.
const NEVER: [Name; 4] =
    [names::LOCKDISCOVERY, names::SUPPORTEDLOCK, names::QUOTA_AVAILABLE_BYTES, names::SCHEDULE_TAG];

fn is_protected(name: &Name) -> bool {
    let kinds = [Kind::Root, Kind::Principal, Kind::Home, Kind::Calendar, Kind::Object];
    !SETTINGS.contains(name) && (NEVER.contains(name) || kinds.iter().any(|kind| find(*kind, name).is_some()))
}

/// Refuses every change, for a resource of which no property can be set.
#[must_use]
pub fn refuse_all(changes: &[Change<'_>]) -> Decision {
    let refused = Refused::because(Precondition::CannotModifyProtectedProperty);
    let verdicts = changes.iter().map(|change| (change.name().clone(), Some(refused.clone())));
    Decision { verdicts: verdicts.collect(), ..Decision::default() }
}

/// Decides about the changes of a resource that is no calendar.
#[must_use]
pub fn decide(document: &Document, changes: &[Change<'_>]) -> Decision {
    let mut decision = Decision::default();
    for change in changes {
        let name = change.name();
        let refused = if is_protected(name) {
            Some(Refused::because(Precondition::CannotModifyProtectedProperty))
        } else {
            keep_or_forget(&mut decision, document, change).err()
        };
        decision.verdicts.push((name.clone(), refused));
    }
    decision
}

/// Decides about the changes of a calendar by somebody with this right on it. Who may only read it sets its properties
/// for themselves: macOS does not go on after a refusal.
#[must_use]
pub fn decide_calendar(
    document: &Document,
    changes: &[Change<'_>],
    right: Right,
    settings: &CalendarSettings,
) -> Decision {
    let mut decision = Decision::default();
    let mut new = settings.clone();
    for change in changes {
        let name = change.name();
        let result = if is_protected(name) {
            Err(Refused::because(Precondition::CannotModifyProtectedProperty))
        } else if SETTINGS.contains(name) {
            let mut wanted = new.clone();
            apply(&mut wanted, change).and_then(|()| {
                let has_attributes = matches!(change, Change::Set(element) if !element.attributes().is_empty());
                if right < Right::Own || has_attributes {
                    keep_or_forget(&mut decision, document, change)?;
                } else {
                    decision.forget(key(name));
                }
                if right >= Right::Own {
                    // What was kept of the other name of the same thing no longer holds.
                    if *name == names::CALENDAR_TIMEZONE {
                        decision.forget(key(&names::CALENDAR_TIMEZONE_ID));
                    } else if *name == names::CALENDAR_TIMEZONE_ID {
                        decision.forget(key(&names::CALENDAR_TIMEZONE));
                    }
                    new = wanted;
                }
                Ok(())
            })
        } else {
            keep_or_forget(&mut decision, document, change)
        };
        decision.verdicts.push((name.clone(), result.err()));
    }
    decision.settings = (new != *settings).then_some(new);
    decision
}

fn key(name: &Name) -> PropertyKey {
    PropertyKey { namespace: name.namespace().to_owned(), name: name.local().to_owned() }
}

fn keep_or_forget(decision: &mut Decision, document: &Document, change: &Change<'_>) -> Result<(), Refused> {
    match change {
        Change::Remove(element) => decision.forget(key(element.name())),
        Change::Set(element) => {
            let xml = document.keep(element);
            if xml.len() > PROPERTY_BYTES_MAX {
                return Err(Refused::no_room());
            }
            decision.keep(StoredProperty { key: key(element.name()), xml });
        }
    }
    Ok(())
}

/// Applies a change of one of [`SETTINGS`].
fn apply(settings: &mut CalendarSettings, change: &Change<'_>) -> Result<(), Refused> {
    let (name, element) = match change {
        Change::Set(element) => (element.name(), Some(*element)),
        Change::Remove(element) => (element.name(), None),
    };
    let text = element.map(Element::text);
    if text.as_ref().is_some_and(|t| t.len() > PROPERTY_BYTES_MAX) {
        return Err(Refused::no_room());
    }
    if *name == names::DISPLAYNAME {
        settings.display_name = text;
    } else if *name == names::CALENDAR_DESCRIPTION {
        settings.description = text;
    } else if *name == names::CALENDAR_COLOR {
        settings.color = text;
    } else if *name == names::CALENDAR_ORDER {
        settings.order = text.map(|t| t.trim().parse().map_err(|_| Refused::unreadable())).transpose()?;
    } else if *name == names::CALENDAR_TIMEZONE {
        if text.as_deref().is_some_and(|t| timezone_id(t).is_none()) {
            let reason = "not a VCALENDAR with one VTIMEZONE".to_owned();
            return Err(Refused::because(Precondition::ValidCalendarData(reason)));
        }
        settings.timezone = text;
    } else if *name == names::CALENDAR_TIMEZONE_ID {
        settings.timezone = match text {
            None => None,
            Some(id) if settings.timezone.as_deref().and_then(timezone_id).as_deref() == Some(id.trim()) => {
                settings.timezone.take()
            }
            Some(id) => Some(timezone_named(id.trim()).ok_or(Refused::because(Precondition::ValidTimezone))?),
        };
    } else if *name == names::SCHEDULE_CALENDAR_TRANSP {
        settings.transparency = match element {
            None => ScheduleTransparency::Opaque,
            Some(e) if e.child(&names::OPAQUE).is_some() => ScheduleTransparency::Opaque,
            Some(e) if e.child(&names::TRANSPARENT).is_some() => ScheduleTransparency::Transparent,
            Some(_) => return Err(Refused::unreadable()),
        };
    }
    Ok(())
}

/// The TZID of the one VTIMEZONE in a calendar's time zone; `None` if it is no such thing (RFC 4791 §5.2.2).
#[must_use]
pub fn timezone_id(text: &str) -> Option<String> {
    let document = ics::Document::parse(&bytes::Bytes::copy_from_slice(text.as_bytes())).ok()?;
    let mut zones = document.calendar()?.components();
    let zone = zones.next().filter(|zone| zone.is("VTIMEZONE"))?;
    if zones.next().is_some() {
        return None;
    }
    zone.text("TZID").map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())
}

fn timezone_named(id: &str) -> Option<String> {
    let zone = Zone::iana(id)?;
    let definition = vtimezone(zone.iana_name()?, TIMEZONE_FROM_YEAR, None)?;
    Some(format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Kalends//EN\r\n{definition}END:VCALENDAR\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::ComponentSet;

    const NAMESPACES: &str = "xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' \
        xmlns:A='http://apple.com/ns/ical/' xmlns:x='urn:x'";

    fn run(steps: &str, right: Right) -> Decision {
        let text = format!("<propertyupdate {NAMESPACES}>{steps}</propertyupdate>");
        let document = Document::parse(text.as_bytes(), 1_000_000).unwrap();
        let changes = changes(document.root()).unwrap();
        decide_calendar(&document, &changes, right, &CalendarSettings::named("Work", ComponentSet::EVENTS))
    }

    fn set(props: &str) -> String {
        format!("<set><prop>{props}</prop></set>")
    }

    #[test]
    fn an_owner_sets_the_calendar_and_a_reader_their_own_view() {
        let steps = set("<displayname>A</displayname><A:calendar-order> 3 </A:calendar-order><x:foo>b</x:foo>");
        let own = run(&steps, Right::Own);
        assert!(!own.is_refused());
        let settings = own.settings.unwrap();
        assert_eq!((settings.display_name.as_deref(), settings.order), (Some("A"), Some(3)));
        assert_eq!(own.keep.len(), 1);
        assert_eq!(own.forget.len(), 2);
        let read = run(&steps, Right::Read);
        assert_eq!((read.settings, read.keep.len(), read.forget.len()), (None, 3, 0));
    }

    #[test]
    fn an_element_with_attributes_is_kept_beside_the_setting() {
        let decision = run(&set("<A:calendar-color symbolic-color='orange'>#FD8208FF</A:calendar-color>"), Right::Own);
        assert_eq!(decision.settings.unwrap().color.as_deref(), Some("#FD8208FF"));
        assert!(decision.keep[0].xml.contains("symbolic-color='orange'"));
    }

    #[test]
    fn what_the_server_keeps_is_not_set() {
        for name in
            ["resourcetype", "getetag", "C:supported-calendar-component-set", "C:calendar-home-set", "lockdiscovery"]
        {
            for steps in [set(&format!("<{name}/>")), format!("<remove><prop><{name}/></prop></remove>")] {
                let decision = run(&steps, Right::Own);
                let refused = decision.verdicts[0].1.clone().unwrap();
                assert_eq!(refused.precondition, Some(Precondition::CannotModifyProtectedProperty), "{name}");
            }
        }
    }

    #[test]
    fn a_time_zone_is_a_calendar_with_one_zone() {
        let zone = "BEGIN:VTIMEZONE\nTZID:X\nEND:VTIMEZONE\n";
        for (inner, id) in [
            (zone.to_owned(), Some("X")),
            (format!("{zone}{zone}"), None),
            (String::new(), None),
            ("BEGIN:VEVENT\nEND:VEVENT\n".to_owned(), None),
        ] {
            let text = format!("BEGIN:VCALENDAR\n{inner}END:VCALENDAR\n");
            assert_eq!(timezone_id(&text).as_deref(), id, "{text}");
        }
        assert!(run(&set("<C:calendar-timezone>junk</C:calendar-timezone>"), Right::Read).is_refused());
    }

    #[test]
    fn a_zone_may_be_named_instead() {
        let id = "<C:calendar-timezone-id>Europe/Berlin</C:calendar-timezone-id>";
        let named = run(&set(id), Right::Own).settings.unwrap();
        assert_eq!(named.timezone.as_deref().and_then(timezone_id).as_deref(), Some("Europe/Berlin"));
        // Given both ways, the definition stays as it came.
        let text = "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nEND:VTIMEZONE\nEND:VCALENDAR\n";
        let given = format!("<C:calendar-timezone>{text}</C:calendar-timezone>");
        for both in [format!("{given}{id}"), format!("{id}{given}")] {
            assert_eq!(run(&set(&both), Right::Own).settings.unwrap().timezone.as_deref(), Some(text));
        }
        let nowhere = run(&set("<C:calendar-timezone-id>Mars/Olympus</C:calendar-timezone-id>"), Right::Own);
        assert_eq!(nowhere.verdicts[0].1.clone().unwrap().precondition, Some(Precondition::ValidTimezone));
    }

    #[test]
    fn the_order_of_instructions_matters() {
        let steps = format!(
            "{}<remove><prop><x:foo/><displayname/></prop></remove>",
            set("<x:foo/><displayname>A</displayname>")
        );
        let decision = run(&steps, Right::Own);
        assert!(decision.keep.is_empty());
        assert_eq!(decision.settings.unwrap().display_name, None);
    }
}
