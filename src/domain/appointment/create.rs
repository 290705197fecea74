//! A new object for a record.

use bytes::Bytes;

use super::{
    Appointment, AttendeeRole, AttendeeStatus, Reminder, ReminderTime, Status, apply::instant_utc, reminder, zones,
};
use crate::domain::time::Instant;
use crate::ics::When;
use crate::ics::build::{self, Alarm, Class, End, Event, Participant, Participation, Role, Transparency, Trigger};

/// The text of a new object that says what the record does, with the time zones it needs.
#[must_use]
pub fn create(record: &Appointment, uid: &str, now: Instant) -> Bytes {
    let stamp = instant_utc(now).local();
    let mut event = Event::new(uid, stamp, record.start.clone());
    event.created = Some(stamp);
    event.end = Some(End::At(record.end.clone()));
    let mut rules = record.recurrence.rules.iter();
    event.rrule = rules.next().cloned();
    event.added = record.recurrence.added.clone();
    event.removed = record.recurrence.removed.clone();
    event.summary = record.title.clone();
    event.description = record.notes.clone();
    event.location = record.location.clone();
    event.url = record.url.clone();
    event.status = Some(match record.status {
        Status::Confirmed => build::Status::Confirmed,
        Status::Tentative => build::Status::Tentative,
        Status::Cancelled => build::Status::Cancelled,
    });
    event.class = record.private.then_some(Class::Private);
    event.transparency = record.transparent.then_some(Transparency::Transparent);
    event.categories = record.categories.clone();
    event.attendees = record.attendees.iter().map(participant).collect();
    let title = record.title.as_deref().filter(|t| !t.is_empty()).unwrap_or("Reminder");
    let (shown, others): (Vec<_>, Vec<_>) = record.reminders.iter().partition(|r| r.action == super::Action::Display);
    event.alarms = shown.into_iter().map(|r| alarm(r, uid, title)).collect();

    let mut component = event.to_component();
    for rule in rules {
        component.push(crate::ics::Property::new("RRULE", rule));
    }
    for other in others {
        component.push_component(other.to_component(&other.uid(uid), title));
    }
    let definitions = zones_of(record).into_iter().filter_map(|(name, year)| zones::definition(&name, year));
    build::calendar(definitions.chain([component])).to_bytes()
}

fn participant(attendee: &super::Attendee) -> Participant {
    Participant {
        address: attendee.address.uri().to_owned(),
        name: attendee.name.clone(),
        role: Some(match attendee.role {
            AttendeeRole::Chair => Role::Chair,
            AttendeeRole::Required => Role::ReqParticipant,
            AttendeeRole::Optional => Role::OptParticipant,
            AttendeeRole::Informed => Role::NonParticipant,
        }),
        participation: Some(match attendee.status {
            AttendeeStatus::NeedsAction => Participation::NeedsAction,
            AttendeeStatus::Accepted => Participation::Accepted,
            AttendeeStatus::Declined => Participation::Declined,
            AttendeeStatus::Tentative => Participation::Tentative,
            AttendeeStatus::Delegated => Participation::Delegated,
        }),
        ..Participant::default()
    }
}

fn alarm(reminder: &Reminder, uid: &str, title: &str) -> Alarm {
    let trigger = match &reminder.time {
        ReminderTime::BeforeStart(seconds) => Trigger::FromStart(reminder::after(*seconds)),
        ReminderTime::BeforeEnd(seconds) => Trigger::FromEnd(reminder::after(*seconds)),
        ReminderTime::At(at) => Trigger::At(*at),
    };
    Alarm { uid: reminder.uid(uid), trigger, description: title.to_owned() }
}

/// The zones it names, each with the first year it is needed in.
fn zones_of(record: &Appointment) -> Vec<(String, i16)> {
    let dates = record.recurrence.added.iter().chain(&record.recurrence.removed);
    let mut found: Vec<(String, i16)> = Vec::new();
    for when in [&record.start, &record.end].into_iter().chain(dates) {
        let When::Zoned { local, tzid } = when else { continue };
        match found.iter_mut().find(|(name, _)| name == tzid) {
            Some((_, year)) => *year = (*year).min(local.year()),
            None => found.push((tzid.clone(), local.year())),
        }
    }
    found
}
