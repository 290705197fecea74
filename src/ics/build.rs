//! New components, for what does not come from a client: appointments made through the API or mapped from a provider.
//!
//! The `icalendar` crate knows the properties and their values; its output never reaches a client directly, since it
//! writes parameters that end their own line, adds random UIDs and folds at 76 octets. Its properties are read off
//! and written by [`super::line`], which cleans, encodes and folds.

use icalendar::{Attendee, Component as _, EventLike as _, ValueType};
use jiff::civil::DateTime;

use super::line::Property;
use super::text;
use super::tree::{Component, Document};
use super::value::{Duration, When};

pub use icalendar::{CUType as UserType, Class, EventStatus as Status, PartStat as Participation, Role};

/// Who wrote a document made here.
pub const PRODID: &str = "-//Kalends//Kalends//EN";

/// A new VEVENT. Everything beyond UID, DTSTAMP and DTSTART is optional.
#[derive(Debug, Clone)]
pub struct Event {
    /// UID.
    pub uid: String,
    /// DTSTAMP, in UTC.
    pub stamp: DateTime,
    /// DTSTART.
    pub start: When,
    /// DTEND or DURATION.
    pub end: Option<End>,
    /// RECURRENCE-ID: which instance of a series this one replaces.
    pub recurrence_id: Option<When>,
    /// RRULE, as its value is written.
    pub rrule: Option<String>,
    /// RDATE.
    pub added: Vec<When>,
    /// EXDATE.
    pub removed: Vec<When>,
    /// SEQUENCE.
    pub sequence: u32,
    /// CREATED, in UTC.
    pub created: Option<DateTime>,
    /// SUMMARY.
    pub summary: Option<String>,
    /// DESCRIPTION.
    pub description: Option<String>,
    /// LOCATION.
    pub location: Option<String>,
    /// URL.
    pub url: Option<String>,
    /// STATUS.
    pub status: Option<Status>,
    /// CLASS.
    pub class: Option<Class>,
    /// TRANSP; none leaves it to the default, which is opaque.
    pub transparency: Option<Transparency>,
    /// CATEGORIES.
    pub categories: Vec<String>,
    /// ORGANIZER.
    pub organizer: Option<Participant>,
    /// ATTENDEE.
    pub attendees: Vec<Participant>,
    /// VALARM.
    pub alarms: Vec<Alarm>,
}

/// How the end of an event is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// DTEND.
    At(When),
    /// DURATION.
    After(Duration),
}

/// TRANSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transparency {
    /// It makes its owner busy.
    Opaque,
    /// It does not.
    Transparent,
}

/// An organizer or attendee.
#[derive(Debug, Clone, Default)]
pub struct Participant {
    /// Usually `mailto:…`.
    pub address: String,
    /// CN.
    pub name: Option<String>,
    /// CUTYPE.
    pub kind: Option<UserType>,
    /// ROLE.
    pub role: Option<Role>,
    /// PARTSTAT.
    pub participation: Option<Participation>,
    /// RSVP.
    pub rsvp: Option<bool>,
}

/// A reminder that shows a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its own UID (RFC 9074), so that a snoozed reminder is recognised.
    pub uid: String,
    /// When it comes.
    pub trigger: Trigger,
    /// What it says; readers require some text.
    pub description: String,
}

/// When a reminder comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// This long after the start; negative for before.
    FromStart(Duration),
    /// This long after the end; negative for before.
    FromEnd(Duration),
    /// At a point in time, in UTC.
    At(DateTime),
}

impl Event {
    /// An event with nothing but the required.
    pub fn new(uid: &str, stamp: DateTime, start: When) -> Self {
        Self {
            uid: uid.to_owned(),
            stamp,
            start,
            end: None,
            recurrence_id: None,
            rrule: None,
            added: Vec::new(),
            removed: Vec::new(),
            sequence: 0,
            created: None,
            summary: None,
            description: None,
            location: None,
            url: None,
            status: None,
            class: None,
            transparency: None,
            categories: Vec::new(),
            organizer: None,
            attendees: Vec::new(),
            alarms: Vec::new(),
        }
    }

    /// The component, its properties in a fixed order: equal events are written as equal bytes.
    pub fn to_component(&self) -> Component {
        let mut event = icalendar::Event::with_uid(&text::clean(&self.uid));
        event.append_property(time("DTSTAMP", &When::Utc(self.stamp)));
        event.append_property(time("DTSTART", &self.start));
        event.sequence(self.sequence);
        match &self.end {
            Some(End::At(end)) => event.append_property(time("DTEND", end)),
            Some(End::After(duration)) => event.add_property("DURATION", duration.to_value()),
            None => &mut event,
        };
        if let Some(created) = self.created {
            event.append_property(time("CREATED", &When::Utc(created)));
        }
        if let Some(instance) = &self.recurrence_id {
            event.append_property(time("RECURRENCE-ID", instance));
        }
        if let Some(rule) = &self.rrule {
            event.add_property("RRULE", text::clean(rule));
        }
        for (name, dates) in [("RDATE", &self.added), ("EXDATE", &self.removed)] {
            for date in dates {
                event.append_multi_property(time(name, date));
            }
        }
        if let Some(summary) = &self.summary {
            event.summary(&text::clean(summary));
        }
        if let Some(description) = &self.description {
            event.description(&text::clean(description));
        }
        if let Some(location) = &self.location {
            event.location(&text::clean(location));
        }
        if let Some(url) = &self.url {
            event.url(&text::clean(url));
        }
        if let Some(status) = self.status {
            event.status(status);
        }
        if let Some(class) = self.class {
            event.class(class);
        }
        match self.transparency {
            Some(Transparency::Opaque) => event.add_property("TRANSP", "OPAQUE"),
            Some(Transparency::Transparent) => event.add_property("TRANSP", "TRANSPARENT"),
            None => &mut event,
        };
        if !self.categories.is_empty() {
            event.categories(self.categories.iter().map(|category| text::clean(category)));
        }

        let mut component = adopt(&event);
        if let Some(organizer) = &self.organizer {
            component.push(organizer.to_organizer());
        }
        for attendee in &self.attendees {
            component.push(attendee.to_attendee());
        }
        for alarm in &self.alarms {
            component.push_component(alarm.to_component());
        }
        component
    }
}

impl Participant {
    /// Someone with an address and nothing else.
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), ..Self::default() }
    }

    /// As an ATTENDEE.
    pub fn to_attendee(&self) -> Property {
        let mut attendee = Attendee::new(text::clean(&self.address).into_owned());
        attendee.cn = self.name.clone();
        attendee.cutype = self.kind;
        attendee.role = self.role;
        attendee.part_stat = self.participation;
        attendee.rsvp = self.rsvp;
        line(&attendee.into())
    }

    /// As the ORGANIZER.
    pub fn to_organizer(&self) -> Property {
        let organizer = Property::new("ORGANIZER", &self.address);
        match &self.name {
            Some(name) => organizer.with_param("CN", name),
            None => organizer,
        }
    }
}

impl Alarm {
    /// As a VALARM. Written without the crate, whose alarms take a random UID.
    pub fn to_component(&self) -> Component {
        let mut alarm = Component::new("VALARM");
        alarm.push(Property::text("UID", &self.uid));
        alarm.push(Property::new("ACTION", "DISPLAY"));
        alarm.push(match &self.trigger {
            Trigger::FromStart(duration) => Property::new("TRIGGER", &duration.to_value()),
            Trigger::FromEnd(duration) => Property::new("TRIGGER", &duration.to_value()).with_param("RELATED", "END"),
            Trigger::At(utc) => Property::new("TRIGGER", &When::Utc(*utc).to_value()).with_param("VALUE", "DATE-TIME"),
        });
        alarm.push(Property::text("DESCRIPTION", &self.description));
        alarm
    }
}

/// A calendar of these components in this order: time zones first, then the object's own.
pub fn calendar(components: impl IntoIterator<Item = Component>) -> Document {
    let mut calendar = Component::new("VCALENDAR");
    calendar.push(Property::new("VERSION", "2.0"));
    calendar.push(Property::text("PRODID", PRODID));
    for component in components {
        calendar.push_component(component);
    }
    Document::new(calendar)
}

/// The order properties are written in; what is not named here follows.
const ORDER: [&str; 21] = [
    "UID",
    "DTSTAMP",
    "CREATED",
    "SEQUENCE",
    "RECURRENCE-ID",
    "DTSTART",
    "DTEND",
    "DURATION",
    "RRULE",
    "RDATE",
    "EXDATE",
    "SUMMARY",
    "LOCATION",
    "DESCRIPTION",
    "URL",
    "STATUS",
    "CLASS",
    "TRANSP",
    "CATEGORIES",
    "ORGANIZER",
    "ATTENDEE",
];

/// What the crate's builder holds, as a component of ours.
fn adopt(built: &icalendar::Event) -> Component {
    let several = built.multi_properties().values().flatten();
    let mut properties: Vec<_> = built.properties().values().chain(several).collect();
    properties.sort_by_key(|p| ORDER.iter().position(|name| *name == p.key()).unwrap_or(ORDER.len()));
    let mut component = Component::new("VEVENT");
    for property in properties {
        component.push(line(property));
    }
    component
}

/// One property of the crate's, written by our rules.
fn line(property: &icalendar::Property) -> Property {
    let name = property.key();
    // A list is held escaped already.
    let is_list = name == "CATEGORIES" || name == "RESOURCES";
    let line = match property.value_type() {
        Some(ValueType::Text) if !is_list => Property::text(name, property.value()),
        _ => Property::new(name, property.value()),
    };
    property.params().values().fold(line, |line, param| line.with_param(param.key(), param.value()))
}

/// A date or time for the crate's builder.
fn time(name: &str, when: &When) -> icalendar::Property {
    let mut property = icalendar::Property::new(name, when.to_value());
    match when {
        When::Date(_) => property.add_parameter("VALUE", "DATE"),
        When::Zoned { tzid, .. } => property.add_parameter("TZID", tzid),
        When::Floating(_) | When::Utc(_) => &mut property,
    };
    property
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::civil::{date, datetime};

    use super::super::validate;
    use super::*;

    fn written(event: &Event) -> String {
        String::from_utf8(event.to_component().to_bytes().to_vec()).unwrap()
    }

    fn plain() -> Event {
        Event::new("u@x", datetime(2026, 1, 1, 0, 0, 0, 0), When::Utc(datetime(2026, 1, 2, 10, 0, 0, 0)))
    }

    #[test]
    fn an_event_with_everything_is_written_in_order() {
        let berlin = |local| When::Zoned { local, tzid: "Europe/Berlin".into() };
        let mut event = plain();
        event.start = berlin(datetime(2026, 1, 2, 10, 0, 0, 0));
        event.end = Some(End::At(berlin(datetime(2026, 1, 2, 11, 0, 0, 0))));
        event.rrule = Some("FREQ=WEEKLY;BYDAY=MO,FR".into());
        event.removed = vec![berlin(datetime(2026, 1, 9, 10, 0, 0, 0)), berlin(datetime(2026, 1, 16, 10, 0, 0, 0))];
        event.added = vec![When::Date(date(2026, 2, 1))];
        event.sequence = 3;
        event.created = Some(datetime(2025, 12, 31, 0, 0, 0, 0));
        event.summary = Some("Lunch; with, Zoë".into());
        event.location = Some("C:\\here".into());
        event.description = Some("one\r\ntwo".into());
        event.url = Some("https://x.example/a;b,c".into());
        event.status = Some(Status::Tentative);
        event.class = Some(Class::Private);
        event.transparency = Some(Transparency::Transparent);
        event.categories = vec!["A, B".into(), "C".into()];
        event.organizer = Some(Participant { name: Some("Ada".into()), ..Participant::new("mailto:ada@x.example") });
        event.attendees = vec![Participant {
            name: Some("Bob; \"the\" builder".into()),
            kind: Some(UserType::Individual),
            role: Some(Role::ReqParticipant),
            participation: Some(Participation::NeedsAction),
            rsvp: Some(true),
            ..Participant::new("mailto:bob@x.example")
        }];
        event.alarms = vec![Alarm {
            uid: "a1".into(),
            trigger: Trigger::FromStart(Duration { days: 0, seconds: -900 }),
            description: "Lunch".into(),
        }];
        let expected = "BEGIN:VEVENT\n\
            UID:u@x\n\
            DTSTAMP:20260101T000000Z\n\
            CREATED:20251231T000000Z\n\
            SEQUENCE:3\n\
            DTSTART;TZID=Europe/Berlin:20260102T100000\n\
            DTEND;TZID=Europe/Berlin:20260102T110000\n\
            RRULE:FREQ=WEEKLY;BYDAY=MO,FR\n\
            RDATE;VALUE=DATE:20260201\n\
            EXDATE;TZID=Europe/Berlin:20260109T100000\n\
            EXDATE;TZID=Europe/Berlin:20260116T100000\n\
            SUMMARY:Lunch\\; with\\, Zoë\n\
            LOCATION:C:\\\\here\n\
            DESCRIPTION:one\\ntwo\n\
            URL:https://x.example/a;b,c\n\
            STATUS:TENTATIVE\n\
            CLASS:PRIVATE\n\
            TRANSP:TRANSPARENT\n\
            CATEGORIES:A\\, B,C\n\
            ORGANIZER;CN=Ada:mailto:ada@x.example\n\
            ATTENDEE;CN=\"Bob; ^'the^' builder\";CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION;\n ROLE=REQ-PARTICIPANT;RSVP=TRUE:mailto:bob@x.example\n\
            BEGIN:VALARM\n\
            UID:a1\n\
            ACTION:DISPLAY\n\
            TRIGGER:-PT15M\n\
            DESCRIPTION:Lunch\n\
            END:VALARM\n\
            END:VEVENT\n";
        assert_eq!(written(&event).replace("\r\n", "\n"), expected);
    }

    #[test]
    fn nothing_a_person_types_becomes_a_line_of_its_own() {
        let evil = "x\r\nATTENDEE:mailto:evil@x\n\u{0}BEGIN:VALARM\r";
        let mut event = plain();
        event.uid = evil.into();
        event.summary = Some(evil.into());
        event.url = Some(evil.into());
        event.rrule = Some(format!("FREQ=DAILY{evil}"));
        event.categories = vec![evil.into()];
        event.start = When::Zoned { local: datetime(2026, 1, 2, 10, 0, 0, 0), tzid: format!("\"{evil}") };
        event.organizer = Some(Participant { name: Some(format!("\"{evil}")), ..Participant::new(evil) });
        event.attendees = vec![Participant { name: Some(format!("\"{evil}\"")), ..Participant::new(evil) }];
        event.alarms = vec![Alarm { uid: evil.into(), trigger: Trigger::At(event.stamp), description: evil.into() }];
        let bytes = calendar([event.to_component()]).to_bytes();
        let document = Document::parse(&bytes).unwrap();
        let event = document.calendar().unwrap().components().next().unwrap();
        assert_eq!(event.components().count(), 1);
        assert_eq!(event.properties_named("ATTENDEE").count(), 1);
        assert_eq!(event.text("SUMMARY").unwrap(), text::clean(evil));
        assert_eq!(event.property("ORGANIZER").unwrap().param("CN").unwrap(), text::clean(&format!("\"{evil}")));
        assert_eq!(event.property("ATTENDEE").unwrap().param("CN").unwrap(), text::clean(&format!("\"{evil}\"")));
    }

    #[test]
    fn what_is_built_is_a_legal_object_and_the_same_every_time() {
        let build = || calendar([plain().to_component()]).to_bytes();
        let document = Document::parse(&build()).unwrap();
        assert_eq!(validate::check(&document).unwrap().uid, "u@x");
        assert_eq!(build(), build());
        assert_eq!(document.to_bytes(), Bytes::from(document.to_text()));
    }
}
