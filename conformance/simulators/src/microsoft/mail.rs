//! Mail that the service sends of its own accord as soon as an event has attendees. Nobody can keep it from doing so.

use serde_json::Value;

use super::{
    item::Item,
    world::{Content, Mail, World},
};

/// The addresses of an event's attendees.
pub(crate) fn guests(content: &Content) -> Vec<String> {
    let list = content.fields.get("attendees").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let address = |one: &Value| {
        one.get("emailAddress").and_then(|one| one.get("address")).and_then(Value::as_str).map(str::to_owned)
    };
    list.iter().filter_map(address).collect()
}

impl World {
    fn note_mail(&mut self, now_ms: i64, about: (String, String, String), recipient: String, kind: &'static str) {
        let (calendar, uid, subject) = about;
        self.mails.push(Mail { at_ms: now_ms, calendar, uid, subject, recipient, kind });
    }

    /// What is told of it in a mail.
    pub(crate) fn about(item: &Item) -> (String, String, String) {
        (item.event.calendar.clone(), item.uid(), item.subject().to_owned())
    }

    /// Invites everybody to a new event.
    pub(crate) fn mail_invites(&mut self, now_ms: i64, about: &(String, String, String), after: &Content) {
        for guest in guests(after) {
            self.note_mail(now_ms, about.clone(), guest, "invite");
        }
    }

    /// After a change: those who are new are invited, those who are gone are told, the others get an update unless nothing but
    /// the attendees changed.
    pub(crate) fn mail_update(
        &mut self,
        now_ms: i64,
        about: &(String, String, String),
        before: &Content,
        after: &Content,
        only_attendees: bool,
    ) {
        let (old, new) = (guests(before), guests(after));
        for guest in &new {
            let kind = if old.contains(guest) { "update" } else { "invite" };
            if kind == "invite" || !only_attendees {
                self.note_mail(now_ms, about.clone(), guest.clone(), kind);
            }
        }
        for guest in old.iter().filter(|guest| !new.contains(guest)) {
            self.note_mail(now_ms, about.clone(), guest.clone(), "cancel");
        }
    }

    /// Tells everybody that it does not take place.
    pub(crate) fn mail_cancel(&mut self, now_ms: i64, about: &(String, String, String), before: &Content) {
        for guest in guests(before) {
            self.note_mail(now_ms, about.clone(), guest, "cancel");
        }
    }

    /// Tells the organizer what a guest answers.
    pub(crate) fn mail_answer(
        &mut self,
        now_ms: i64,
        about: (String, String, String),
        organizer: String,
        kind: &'static str,
    ) {
        self.note_mail(now_ms, about, organizer, kind);
    }
}
