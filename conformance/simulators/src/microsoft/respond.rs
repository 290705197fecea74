//! Answers to invitations, cancelling, and what else is done to an event.

use serde_json::{Value, json};

use super::{
    call::{Call, Target},
    events::Reply,
    item::Item,
    moment::stamp,
    oauth::Caller,
    refusal::Refusal,
    request::Ask,
    world::World,
};

impl World {
    pub(crate) fn events_respond(
        &mut self,
        ask: &Ask,
        caller: &Caller,
        call: Call,
        target: &Target,
    ) -> Result<Reply, Refusal> {
        let (event, date) = self.event_of(caller, call, target)?;
        let (key, own) = (event.key, event.own);
        let item = Item::of(event, date);
        let (about, organizer) = (Self::about(&item), event.organizer.1.clone());
        let given = if ask.body.is_empty() { serde_json::Map::new() } else { ask.json()? };
        let member =
            |name: &str| given.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
        if own {
            return Err(Refusal::invalid(
                "Your request can't be completed. You can't respond to this meeting because you're the meeting organizer.",
            ));
        }
        let tells = member("sendResponse") != Some(json!(false));
        let requested = item.content.fields.get("responseRequested") != Some(&json!(false));
        if tells && !requested {
            return Err(Refusal::invalid(
                "Your request can't be completed. The meeting organizer hasn't requested a response.",
            ));
        }
        let (kind, response) = match call {
            Call::EventsAccept => ("accept", "accepted"),
            Call::EventsTentative => ("tentativelyAccept", "tentativelyAccepted"),
            _ => ("decline", "declined"),
        };
        if call == Call::EventsDecline {
            self.remove(ask.now_ms, key, date)?;
        } else {
            self.set_response(ask.now_ms, key, response)?;
        }
        if tells {
            self.mail_answer(ask.now_ms, about, organizer, kind);
        }
        Ok(Reply::Empty(202))
    }

    /// What the mailbox's owner answered is noted at the event, and in its list of attendees.
    pub(crate) fn set_response(&mut self, now_ms: i64, key: u64, response: &str) -> Result<(), Refusal> {
        let mut event = self.events.get(&key).cloned().ok_or_else(Refusal::not_found)?;
        let status = json!({ "response": response, "time": stamp(now_ms) });
        let owner = self.calendars.get(&event.calendar).map(|calendar| calendar.owner.clone()).unwrap_or_default();
        if let Some(Value::Array(attendees)) = event.content.fields.get_mut("attendees") {
            for attendee in attendees.iter_mut() {
                let own = attendee.pointer("/emailAddress/address").and_then(Value::as_str) == Some(owner.as_str());
                if let (true, Some(fields)) = (own, attendee.as_object_mut()) {
                    fields.insert("status".into(), status.clone());
                }
            }
        }
        event.content.fields.insert("responseStatus".into(), status);
        self.store(now_ms, event);
        Ok(())
    }

    pub(crate) fn events_cancel(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let (event, date) = self.event_of(caller, Call::EventsCancel, target)?;
        if !event.own {
            return Err(Refusal::denied());
        }
        let item = Item::of(event, date);
        let (key, about, before) = (event.key, Self::about(&item), item.content);
        self.remove(ask.now_ms, key, date)?;
        self.mail_cancel(ask.now_ms, &about, &before);
        Ok(Reply::Empty(202))
    }

    pub(crate) fn events_dismiss(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let (event, _) = self.event_of(caller, Call::EventsDismissReminder, target)?;
        // The reminder is gone, and the change key with it; nothing that anybody wrote changed.
        let event = event.clone();
        self.store(ask.now_ms, event);
        Ok(Reply::Empty(200))
    }
}
