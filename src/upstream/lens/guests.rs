//! Attendees: those of an event, and those of an object, and who invited them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::held::{Event, text};
use crate::domain::appointment::{Attendee, AttendeeRole, AttendeeStatus};
use crate::ics::{CalAddress, Component, Property};

/// An attendee as both sides can say it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::upstream) struct Guest {
    pub(in crate::upstream) email: String,
    pub(in crate::upstream) optional: bool,
    /// As the provider names it.
    pub(in crate::upstream) answer: &'static str,
}

const ANSWERS: [(&str, AttendeeStatus); 4] = [
    ("needsAction", AttendeeStatus::NeedsAction),
    ("accepted", AttendeeStatus::Accepted),
    ("declined", AttendeeStatus::Declined),
    ("tentative", AttendeeStatus::Tentative),
];

/// The attendees of an event, by address.
pub(in crate::upstream) fn of_json(event: &Event) -> Vec<Guest> {
    let mut all: Vec<Guest> = entries(event).filter_map(guest).collect();
    sort(&mut all);
    all
}

/// Those of an object that have a mail address, by address.
pub(in crate::upstream) fn of_attendees(attendees: &[Attendee]) -> Vec<Guest> {
    let mut all: Vec<Guest> = attendees.iter().filter_map(of_attendee).collect();
    sort(&mut all);
    all
}

fn sort(all: &mut Vec<Guest>) {
    all.sort_by(|a, b| a.email.cmp(&b.email));
    all.dedup_by(|later, first| later.email == first.email);
}

fn entries(event: &Event) -> impl Iterator<Item = &Map<String, Value>> {
    event.get("attendees").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn guest(entry: &Map<String, Value>) -> Option<Guest> {
    let answer = text(entry, "responseStatus");
    Some(Guest {
        email: address(text(entry, "email"))?,
        optional: entry.get("optional").and_then(Value::as_bool) == Some(true),
        answer: ANSWERS.iter().find(|(name, _)| *name == answer).map_or("needsAction", |(name, _)| name),
    })
}

fn of_attendee(attendee: &Attendee) -> Option<Guest> {
    Some(Guest {
        email: address(attendee.address.email()?)?,
        optional: matches!(attendee.role, AttendeeRole::Optional | AttendeeRole::Informed),
        answer: ANSWERS.iter().find(|(_, status)| *status == attendee.status).map_or("needsAction", |(name, _)| name),
    })
}

fn address(email: &str) -> Option<String> {
    let email = email.trim().to_lowercase();
    (email.contains('@') && !email.contains(char::is_whitespace)).then_some(email)
}

/// `attendees` for an event: who is there already stays as the provider has it, but for what is ours to say. An answer is
/// its attendee's own: of those who are there already, only that of the calendar's owner is written.
pub(in crate::upstream) fn to_json(attendees: &[Attendee], held: Option<&Event>) -> Value {
    let mut written: Vec<Value> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for attendee in attendees {
        let Some(guest) = of_attendee(attendee) else { continue };
        if seen.contains(&guest.email) {
            continue;
        }
        let known = held
            .into_iter()
            .flat_map(entries)
            .find(|entry| address(text(entry, "email")).as_deref() == Some(guest.email.as_str()));
        let mut entry = match known {
            Some(known) => known.clone(),
            None => {
                let mut entry = Map::new();
                entry.insert("email".into(), json!(guest.email));
                if let Some(name) = &attendee.name {
                    entry.insert("displayName".into(), json!(name));
                }
                entry.insert("responseStatus".into(), json!(guest.answer));
                entry
            }
        };
        if guest.optional {
            entry.insert("optional".into(), json!(true));
        } else {
            entry.remove("optional");
        }
        if entry.get("self").and_then(Value::as_bool) == Some(true) {
            entry.insert("responseStatus".into(), json!(guest.answer));
        }
        seen.push(guest.email);
        written.push(Value::Object(entry));
    }
    Value::Array(written)
}

/// Whether the object's attendees say what the event's do, as far as they are the object's to say.
pub(in crate::upstream) fn same(object: &[Guest], google: &Event) -> bool {
    let theirs = of_json(google);
    let own = entries(google)
        .find(|entry| entry.get("self").and_then(Value::as_bool) == Some(true))
        .and_then(|entry| address(text(entry, "email")));
    object.len() == theirs.len()
        && object.iter().zip(&theirs).all(|(a, b)| {
            a.email == b.email && a.optional == b.optional && (own.as_ref() != Some(&a.email) || a.answer == b.answer)
        })
}

/// The attendees of an object that is to have those of an event. Who is there already keeps everything that the provider does
/// not say otherwise. `keep` decides about those whom the event does not name.
pub(in crate::upstream) fn onto(event: &Event, before: &[Attendee], keep: impl Fn(&Attendee) -> bool) -> Vec<Attendee> {
    let theirs: Vec<(Guest, Option<String>)> =
        entries(event).filter_map(|entry| Some((guest(entry)?, Some(text(entry, "displayName").to_owned())))).collect();
    let mut out: Vec<Attendee> = Vec::new();
    for attendee in before {
        let Some(ours) = of_attendee(attendee) else {
            out.push(attendee.clone());
            continue;
        };
        match theirs.iter().find(|(guest, _)| guest.email == ours.email) {
            Some((guest, _)) => {
                let mut changed = attendee.clone();
                if guest.optional != ours.optional {
                    changed.role = if guest.optional { AttendeeRole::Optional } else { AttendeeRole::Required };
                }
                if guest.answer != ours.answer {
                    changed.status = status(guest.answer);
                }
                out.push(changed);
            }
            None if keep(attendee) => out.push(attendee.clone()),
            None => {}
        }
    }
    let is_there =
        |out: &[Attendee], guest: &Guest| out.iter().filter_map(of_attendee).any(|known| known.email == guest.email);
    for (guest, name) in theirs {
        if !is_there(&out, &guest) {
            out.push(Attendee {
                address: CalAddress::new(&format!("mailto:{}", guest.email)),
                name: name.filter(|name| !name.trim().is_empty()),
                role: if guest.optional { AttendeeRole::Optional } else { AttendeeRole::Required },
                status: status(guest.answer),
            });
        }
    }
    out
}

fn status(answer: &str) -> AttendeeStatus {
    ANSWERS.iter().find(|(name, _)| *name == answer).map_or(AttendeeStatus::NeedsAction, |(_, status)| *status)
}

/// The lines that stand for attendees in a description: those whom the event does not have as attendees.
pub(in crate::upstream) fn as_text(attendees: &[Attendee], held: Option<&Event>) -> Vec<String> {
    let live = held.map(of_json).unwrap_or_default();
    let is_live = |email: &str| live.iter().any(|guest| guest.email == email);
    let mut lines: Vec<String> = Vec::new();
    for attendee in attendees {
        let email = attendee.address.email().unwrap_or(attendee.address.uri());
        let line = match attendee.name.as_deref().map(one_line).filter(|name| !name.is_empty()) {
            Some(name) => format!("{name} <{email}>"),
            None => email.to_owned(),
        };
        if !is_live(&email.to_lowercase()) && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Those whom such lines stand for, where nothing else names them any more. A line that nobody wrote for an attendee is none.
pub(in crate::upstream) fn of_text(lines: &[String], known: &[Attendee]) -> Vec<Attendee> {
    let mut seen: BTreeSet<String> = known.iter().filter_map(of_attendee).map(|guest| guest.email).collect();
    let mut out = Vec::new();
    for line in lines {
        let named = line.strip_suffix('>').and_then(|line| line.rsplit_once(" <"));
        let (name, email) = named.map_or((None, line.as_str()), |(name, email)| (Some(name.to_owned()), email));
        let Some(email) = address(email).filter(|email| !email.contains(['<', '>', '"'])) else { continue };
        let address = CalAddress::new(&format!("mailto:{email}"));
        let attendee = Attendee { address, name, role: AttendeeRole::Required, status: AttendeeStatus::NeedsAction };
        if as_text(std::slice::from_ref(&attendee), None) == [line.as_str()] && seen.insert(email) {
            out.push(attendee);
        }
    }
    out
}

/// Who invited, where there are guests and nobody is named yet.
pub(in crate::upstream) fn organizer(component: &mut Component, event: &Event) {
    if component.property("ATTENDEE").is_none() || component.property("ORGANIZER").is_some() {
        return;
    }
    let Some(organizer) = event.get("organizer").and_then(Value::as_object) else { return };
    let email = text(organizer, "email");
    if !email.contains('@') {
        return;
    }
    let mut line = Property::new("ORGANIZER", &format!("mailto:{email}"));
    let name = text(organizer, "displayName");
    if !name.is_empty() {
        line = line.with_param("CN", name);
    }
    component.push(line);
}

fn one_line(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attendee(email: &str, status: AttendeeStatus) -> Attendee {
        Attendee {
            address: CalAddress::new(&format!("mailto:{email}")),
            name: Some("Name".into()),
            role: AttendeeRole::Chair,
            status,
        }
    }

    fn event() -> Event {
        json!({ "attendees": [
            { "email": "Ada@example.org", "self": true, "responseStatus": "needsAction", "comment": "late" },
            { "email": "bob@example.org", "responseStatus": "declined", "optional": true },
        ] })
        .as_object()
        .cloned()
        .unwrap_or_default()
    }

    #[test]
    fn an_answer_is_written_by_its_owner_only() {
        let ours = [
            attendee("ada@example.org", AttendeeStatus::Accepted),
            attendee("bob@example.org", AttendeeStatus::Accepted),
        ];
        let written = to_json(&ours, Some(&event()));
        assert_eq!(written[0]["responseStatus"], "accepted");
        assert_eq!(written[0]["comment"], "late", "what the provider keeps stays");
        assert_eq!(written[1]["responseStatus"], "declined");
        assert!(written[1].get("optional").is_none());
        assert!(!same(&of_attendees(&ours), &event()));
    }

    #[test]
    fn googles_answers_reach_the_object_and_nothing_else_changes() {
        let before = [
            attendee("bob@example.org", AttendeeStatus::Delegated),
            attendee("eve@example.org", AttendeeStatus::Accepted),
        ];
        let after = onto(&event(), &before, |_| false);
        assert_eq!(after.len(), 2);
        assert_eq!((after[0].status, after[0].role), (AttendeeStatus::Declined, AttendeeRole::Optional));
        assert_eq!(after[1].address.email(), Some("ada@example.org"));
        assert_eq!(onto(&event(), &before, |_| true).len(), 3);
    }

    #[test]
    fn text_names_those_who_are_not_attendees_there() {
        let ours = [
            attendee("ada@example.org", AttendeeStatus::Accepted),
            attendee("eve@example.org", AttendeeStatus::Accepted),
        ];
        assert_eq!(as_text(&ours, Some(&event())), ["Name <eve@example.org>"]);
        assert_eq!(as_text(&ours, None).len(), 2);
    }

    #[test]
    fn attendees_come_back_from_their_lines() {
        let mut ours = [
            attendee("ada@example.org", AttendeeStatus::NeedsAction),
            attendee("eve@example.org", AttendeeStatus::NeedsAction),
        ];
        ours[0].role = AttendeeRole::Required;
        ours[1] = Attendee { name: None, ..ours[0].clone() };
        ours[1].address = CalAddress::new("mailto:eve@example.org");
        let mut lines = as_text(&ours, None);
        assert_eq!(of_text(&lines, &[]), ours);
        assert_eq!(of_text(&lines, &ours[..1]), ours[1..], "nobody is named twice");
        lines.extend(
            ["bring cake", "<bob@example.org>", "bob at example.org", "Bob <bob@example.org"].map(str::to_owned),
        );
        assert_eq!(of_text(&lines, &[]), ours, "what no attendee's line says names none");
    }
}
