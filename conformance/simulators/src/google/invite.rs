//! What reaches the other people of a meeting: their copies, their answers, and the mails that would be sent.

use serde_json::{Map, Value, json};

use super::{
    request::Ask,
    world::{Event, Life, Mail, World},
};

/// Whom a write mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendUpdates {
    All,
    ExternalOnly,
    None,
}

impl SendUpdates {
    pub(crate) fn of(ask: &Ask) -> Self {
        match (ask.query.get("sendUpdates"), ask.query.get("sendNotifications")) {
            (Some("all"), _) | (None, Some("true")) => Self::All,
            (Some("externalOnly"), _) => Self::ExternalOnly,
            _ => Self::None,
        }
    }
}

pub(crate) fn email(attendee: &Map<String, Value>) -> &str {
    attendee.get("email").and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn answer(attendee: &Map<String, Value>) -> &str {
    attendee.get("responseStatus").and_then(Value::as_str).unwrap_or("needsAction")
}

impl World {
    /// Notes the mails of a write by the organizer (`REQUEST`, `CANCEL`) or by an attendee (`REPLY`).
    pub(crate) fn mail(&mut self, now_ms: i64, send: SendUpdates, calendar: &str, event: &Event, method: &'static str) {
        if send == SendUpdates::None {
            return;
        }
        let recipients: Vec<String> = if method == "REPLY" {
            vec![event.organizer.email.clone()]
        } else {
            event.attendees.iter().map(|attendee| email(attendee).to_owned()).filter(|to| to != calendar).collect()
        };
        for recipient in recipients {
            if send == SendUpdates::ExternalOnly && self.accounts.contains_key(&recipient) {
                continue;
            }
            self.mails.push(Mail {
                at_ms: now_ms,
                calendar: calendar.to_owned(),
                event: event.id.clone(),
                uid: event.uid.clone(),
                recipient,
                method,
            });
        }
    }

    /// After a write on the organizer's calendar: the attendees who have accounts here get, keep or lose their copies.
    pub(crate) fn propagate(&mut self, now_ms: i64, calendar: &str, event: &Event) {
        if event.organizer.email != calendar || event.private_copy {
            return;
        }
        let invited: Vec<String> = event.attendees.iter().map(|attendee| email(attendee).to_owned()).collect();
        let accounts: Vec<String> = self.accounts.keys().filter(|account| *account != calendar).cloned().collect();
        for account in accounts {
            let wanted = invited.contains(&account);
            let Some(primary) = self.calendars.get(&account) else { continue };
            let existing = primary.event(&event.id).cloned();
            let copy = match existing {
                None if wanted && event.life == Life::Live => self.copy_for(event, &account, None),
                Some(old) if old.organizer.email != calendar => continue,
                Some(old) if wanted && event.life == Life::Live => self.copy_for(event, &account, Some(old)),
                Some(old) if old.life == Life::Live => Event { life: event.life_when_gone(), ..old },
                _ => continue,
            };
            self.store(now_ms, &account, copy, false);
        }
    }

    fn copy_for(&self, event: &Event, account: &str, old: Option<Event>) -> Event {
        let mut copy = event.clone();
        let (reminders, own_fields) = match &old {
            Some(old) => (old.reminders.clone(), old.fields.clone()),
            None => (Default::default(), Map::new()),
        };
        copy.reminders = reminders;
        // Colour, transparency and private properties belong to each copy.
        for name in ["colorId", "transparency"] {
            copy.fields.remove(name);
            if let Some(value) = own_fields.get(name) {
                copy.fields.insert(name.into(), value.clone());
            }
        }
        let shared = event.fields.get("extendedProperties").and_then(|all| all.get("shared")).cloned();
        let private = own_fields.get("extendedProperties").and_then(|all| all.get("private")).cloned();
        copy.fields.remove("extendedProperties");
        let mut properties = Map::new();
        for (side, value) in [("private", private), ("shared", shared)] {
            if let Some(value) = value {
                properties.insert(side.into(), value);
            }
        }
        if !properties.is_empty() {
            copy.fields.insert("extendedProperties".into(), Value::Object(properties));
        }
        if let Some(index) = self.calendars.get(account) {
            copy.exceptions = index.event(&event.id).map(|old| old.exceptions.clone()).unwrap_or_default();
        }
        copy
    }

    /// After an attendee answered on their copy: the organizer's event and the other copies know it.
    pub(crate) fn answered(&mut self, now_ms: i64, attendee: &str, copy: &Event, response: &str) {
        let organizer = copy.organizer.email.clone();
        let Some(mut event) = self.calendars.get(&organizer).and_then(|calendar| calendar.event(&copy.id)).cloned()
        else {
            return;
        };
        let Some(entry) = event.attendees.iter_mut().find(|entry| email(entry) == attendee) else { return };
        entry.insert("responseStatus".into(), json!(response));
        self.store(now_ms, &organizer, event.clone(), false);
        let others: Vec<String> = event
            .attendees
            .iter()
            .map(|entry| email(entry).to_owned())
            .filter(|to| to != attendee && *to != organizer)
            .collect();
        for other in others {
            let Some(mut theirs) = self.calendars.get(&other).and_then(|calendar| calendar.event(&copy.id)).cloned()
            else {
                continue;
            };
            theirs.attendees.clone_from(&event.attendees);
            self.store(now_ms, &other, theirs, false);
        }
    }
}

impl Event {
    /// How a copy ends when the organizer's event does, or when its owner is no longer invited.
    fn life_when_gone(&self) -> Life {
        if self.life == Life::Stray { Life::Stray } else { Life::Cancelled }
    }
}
