//! events: get, create, update, delete.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Target},
    draft::{Draft, recurrence},
    ids::uid,
    item::Item,
    oauth::Caller,
    refusal::Refusal,
    render::{Reader, join_url},
    request::Ask,
    world::{Content, Event, World},
};
use crate::chance::check;

/// A successful answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status and a body.
    Json(u16, Value),
    /// 202 or 204.
    Empty(u16),
}

const TRANSACTION_MAX: usize = 255;

impl World {
    pub(crate) fn events_get(&self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let (event, date) = self.event_of(caller, Call::EventsGet, target)?;
        let reader = Reader::of(ask, self.settings.any_iana_zone)?;
        Ok(self.reply(ask, 200, &Item::of(event, date), &reader))
    }

    fn reply(&self, ask: &Ask, status: u16, item: &Item, reader: &Reader) -> Reply {
        let mut body = Map::new();
        body.insert(
            "@odata.context".into(),
            json!(format!("{}/v1.0/$metadata#users('me')/events/$entity", ask.base())),
        );
        body.extend(self.show(item, reader));
        Reply::Json(status, Value::Object(body))
    }

    pub(crate) fn events_create(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let (calendar, _) = self.calendar_of(caller, Call::EventsCreate, target)?;
        let reader = Reader::of(ask, self.settings.any_iana_zone)?;
        let given = ask.json()?;
        let draft = Draft::read(&given, self.settings.any_iana_zone)?;
        if draft.transaction.as_ref().is_some_and(|id| id.is_empty() || id.len() > TRANSACTION_MAX) {
            return Err(Refusal::property("At least one property failed validation. Property: TransactionId."));
        }
        let digest = check(0, &format!("{calendar} {}", Value::Object(given)));
        if let Some(id) = &draft.transaction
            && let Some((known, key)) = self.transactions.get(&(caller.account.clone(), id.clone())).copied()
            && let Some(event) = self.events.get(&key)
        {
            return if known == digest && !event.deleted {
                Ok(self.reply(ask, 201, &Item::whole(event), &reader))
            } else {
                let existing = (!event.deleted).then(|| self.event_id(event, None, reader.form));
                Err(Refusal::used_transaction(self.settings.duplicate_status, existing))
            };
        }
        let key = self.create(ask.now_ms, &caller.account, &calendar, &draft)?;
        if let Some(id) = &draft.transaction {
            self.transactions.insert((caller.account.clone(), id.clone()), (digest, key));
        }
        let event = self.events.get(&key).ok_or_else(Refusal::not_found)?;
        let (about, content) = (Self::about(&Item::whole(event)), event.content.clone());
        let reply = self.reply(ask, 201, &Item::whole(event), &reader);
        self.mail_invites(ask.now_ms, &about, &content);
        Ok(reply)
    }

    /// Puts a new event into a calendar. Answers with its number.
    pub(crate) fn create(&mut self, now_ms: i64, account: &str, calendar: &str, draft: &Draft) -> Result<u64, Refusal> {
        let missing = |name: &str| {
            Refusal::property(format!("At least one property failed validation. Property: {name} is missing."))
        };
        let start = draft.start.clone().ok_or_else(|| missing("Event.Start"))?;
        let end = draft.end.clone().ok_or_else(|| missing("Event.End"))?;
        let mut content = Content { start, end, all_day: false, fields: Map::new(), extended: BTreeMap::new() };
        draft.lay(&mut content)?;
        let recurrence = match &draft.recurrence {
            Some(Some(value)) => Some(recurrence(value, &content.start, content.all_day, self.settings.any_iana_zone)?),
            _ => None,
        };
        let key = self.next_key();
        meet_online(&mut content, key);
        let name = self.accounts.get(account).map(|account| account.name.clone()).unwrap_or_default();
        let event = Event {
            key,
            calendar: calendar.to_owned(),
            moves: 0,
            uid: uid(self.seed, key, now_ms),
            change: 0,
            seq: 0,
            created_ms: now_ms,
            modified_ms: now_ms,
            deleted: false,
            content,
            recurrence,
            exceptions: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            transaction: draft.transaction.clone(),
            organizer: (name, account.to_owned()),
            own: true,
        };
        Ok(self.store(now_ms, event))
    }

    pub(crate) fn events_update(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let (event, date) = self.event_of(caller, Call::EventsUpdate, target)?;
        let reader = Reader::of(ask, self.settings.any_iana_zone)?;
        self.if_match(ask, &Item::of(event, date))?;
        let given = ask.json()?;
        if given.contains_key("transactionId") && given.get("transactionId") != Some(&json!(event.transaction)) {
            return Err(Refusal::property("At least one property failed validation. Property: TransactionId."));
        }
        let draft = Draft::read(&given, self.settings.any_iana_zone)?;
        let key = event.key;
        self.update(ask.now_ms, key, date, &draft, true)?;
        let event = self.events.get(&key).ok_or_else(Refusal::not_found)?;
        Ok(self.reply(ask, 200, &Item::of(event, date), &reader))
    }

    /// Changes an event, a series, or one occurrence.
    pub(crate) fn update(
        &mut self,
        now_ms: i64,
        key: u64,
        date: Option<Date>,
        draft: &Draft,
        mails: bool,
    ) -> Result<(), Refusal> {
        let mut event = self.events.get(&key).filter(|event| !event.deleted).cloned().ok_or_else(Refusal::not_found)?;
        let before = Item::of(&event, date).content;
        match date {
            Some(date) => self.change_occurrence(now_ms, &mut event, date, draft)?,
            None => {
                draft.lay(&mut event.content)?;
                self.change_series(&mut event, &before, draft)?;
                meet_online(&mut event.content, key);
            }
        }
        let (about, after) = {
            let item = Item::of(&event, date);
            (Self::about(&item), item.content)
        };
        let changed_occurrences = event.exceptions.len();
        let own = event.own;
        self.store(now_ms, event);
        if mails && own {
            let only = draft.fields.len() == 1
                && draft.fields.contains_key("attendees")
                && draft.start.is_none()
                && draft.end.is_none()
                && draft.recurrence.is_none();
            self.mail_update(now_ms, &about, &before, &after, only);
            // One more for each changed occurrence of a series.
            for _ in 0..if date.is_none() && !only { changed_occurrences } else { 0 } {
                self.mail_update(now_ms, &about, &after, &after, false);
            }
        }
        Ok(())
    }

    /// A series whose time or pattern changed forgets its exceptions.
    fn change_series(&self, event: &mut Event, before: &Content, draft: &Draft) -> Result<(), Refusal> {
        let all_zones = self.settings.any_iana_zone;
        let content = &event.content;
        let was = event.recurrence.clone();
        match &draft.recurrence {
            Some(None) => event.recurrence = None,
            Some(Some(value)) => {
                event.recurrence = Some(recurrence(value, &content.start, content.all_day, all_zones)?);
            }
            None => {
                // The series begins with its event: a new start moves the range.
                if let Some(own) = &mut event.recurrence {
                    let zone = own.zone.as_deref().filter(|_| !content.all_day);
                    own.start = zone
                        .map_or(content.start.wall, |name| content.start.wall_in(&super::zones::known(name)))
                        .date();
                }
            }
        }
        let moved = before.start != content.start || before.end != content.end || before.all_day != content.all_day;
        let rewritten = self.settings.rewriting_resets && draft.recurrence.is_some();
        if moved || rewritten || was != event.recurrence {
            event.exceptions.clear();
            event.cancelled.clear();
        }
        Ok(())
    }

    pub(crate) fn events_delete(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let (event, date) = self.event_of(caller, Call::EventsDelete, target)?;
        let item = Item::of(event, date);
        self.if_match(ask, &item)?;
        let (key, own, about, before) = (event.key, event.own, Self::about(&item), item.content);
        self.remove(ask.now_ms, key, date)?;
        if own {
            self.mail_cancel(ask.now_ms, &about, &before);
        }
        Ok(Reply::Empty(204))
    }

    /// Deletes an event, a series, or one occurrence.
    pub(crate) fn remove(&mut self, now_ms: i64, key: u64, date: Option<Date>) -> Result<(), Refusal> {
        let mut event = self.events.get(&key).filter(|event| !event.deleted).cloned().ok_or_else(Refusal::not_found)?;
        match date {
            Some(date) => {
                event.exceptions.remove(&date);
                event.cancelled.insert(date);
            }
            None => event.deleted = true,
        }
        self.store(now_ms, event);
        Ok(())
    }
}

/// A meeting online gets its address into the body.
fn meet_online(content: &mut Content, key: u64) {
    if content.fields.get("isOnlineMeeting") != Some(&json!(true)) {
        return;
    }
    let url = join_url(key);
    let html = content.fields.get("body").and_then(Value::as_str).unwrap_or_default();
    if html.contains(&url) {
        return;
    }
    let blob =
        format!("{}<div>________________</div><div><a href=\"{url}\">Join the meeting now</a></div>", inner(html));
    let whole = super::body::read(&json!({ "contentType": "html", "content": blob })).unwrap_or_default();
    content.fields.insert("body".into(), json!(whole));
    content.fields.insert("onlineMeetingProvider".into(), json!("teamsForBusiness"));
}

fn inner(html: &str) -> &str {
    html.split_once("<body>").and_then(|(_, rest)| rest.split_once("</body>")).map_or("", |(inner, _)| inner)
}
