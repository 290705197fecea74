//! Everything the provider keeps: accounts, calendars, events.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::URL_SAFE};
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::{
    ids::{self, Form, Named},
    moment::Moment,
    oauth::OAuth,
    pattern::Recurrence,
    refusal::Refusal,
    subscriptions::Subscriptions,
    throttle::Throttle,
};
use crate::chance::{Chance, check};

/// What an account may do with a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// `canEdit` is false: birthdays, holidays, shared to look at.
    Read,
    /// `canEdit` is true.
    Edit,
    /// Its own.
    Own,
}

/// An account with its mailbox.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) guid: String,
    pub(crate) name: String,
    pub(crate) tenant: String,
    pub(crate) zone: String,
    pub(crate) default_calendar: String,
    /// In the order of the list.
    pub(crate) calendars: Vec<(String, Access)>,
    /// Without a licence for Exchange there is no mailbox.
    pub(crate) mailbox: bool,
}

/// A calendar.
#[derive(Debug)]
pub(crate) struct Calendar {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) color: String,
    pub(crate) change: u64,
    pub(crate) deleted: bool,
    /// Delta tokens of another epoch are dead.
    pub(crate) epoch: u64,
    /// Events that are there, by number.
    pub(crate) keys: BTreeSet<u64>,
    /// Change number to event; an event is in it once, at its latest change.
    pub(crate) changes: BTreeMap<u64, u64>,
}

/// When and what: an event's, or that of one occurrence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) all_day: bool,
    /// Everything else, by the API's names; `body` is the HTML.
    pub(crate) fields: Map<String, Value>,
    pub(crate) extended: BTreeMap<String, String>,
}

/// An occurrence that differs from its series: what it does not override is the series'.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exception {
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) all_day: bool,
    pub(crate) fields: Map<String, Value>,
    pub(crate) extended: BTreeMap<String, String>,
    pub(crate) change: u64,
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
}

/// An event as stored: a single one, or a series with its exceptions.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) key: u64,
    pub(crate) calendar: String,
    pub(crate) moves: u32,
    pub(crate) uid: String,
    pub(crate) change: u64,
    pub(crate) seq: u64,
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
    pub(crate) deleted: bool,
    pub(crate) content: Content,
    pub(crate) recurrence: Option<Recurrence>,
    pub(crate) exceptions: BTreeMap<Date, Exception>,
    pub(crate) cancelled: BTreeSet<Date>,
    pub(crate) transaction: Option<String>,
    /// Name and address.
    pub(crate) organizer: (String, String),
    /// The mailbox's owner organises it.
    pub(crate) own: bool,
}

/// A mail that the service would have sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// When.
    pub at_ms: i64,
    /// The calendar whose event it is about.
    pub calendar: String,
    /// The event's UID.
    pub uid: String,
    /// Its subject.
    pub subject: String,
    /// To whom.
    pub recipient: String,
    /// `invite`, `update`, `cancel`, `accept`, `tentativelyAccept` or `decline`.
    pub kind: &'static str,
}

/// The state behind the API.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) chance: Chance,
    pub(crate) settings: super::Settings,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) calendars: BTreeMap<String, Calendar>,
    pub(crate) events: BTreeMap<u64, Event>,
    /// What made which event: mailbox and transaction, to the body's digest and the event.
    pub(crate) transactions: BTreeMap<(String, String), (u64, u64)>,
    pub(crate) oauth: OAuth,
    pub(crate) mails: Vec<Mail>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) throttle: Throttle,
    /// How long the request takes that is being answered.
    pub(crate) takes_ms: u64,
    last_key: u64,
    seq: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            chance: Chance::new(seed),
            settings: super::Settings::default(),
            accounts: BTreeMap::new(),
            calendars: BTreeMap::new(),
            events: BTreeMap::new(),
            transactions: BTreeMap::new(),
            oauth: OAuth::default(),
            mails: Vec::new(),
            subscriptions: Subscriptions::default(),
            throttle: Throttle::default(),
            takes_ms: 0,
            last_key: 0,
            seq: 0,
        }
    }

    /// The number of the next change.
    pub(crate) fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// The number of the latest change.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// The number of a new event.
    pub(crate) fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }

    /// An id of 36 characters, made from its seed and some text.
    pub(crate) fn guid(&self, of: &str) -> String {
        guid(check(self.seed, of), check(self.seed ^ 1, of))
    }

    /// A new id of 36 characters.
    pub(crate) fn new_guid(&mut self) -> String {
        guid(self.chance.draw(), self.chance.draw())
    }

    /// The id of an account's default calendar.
    pub(crate) fn default_id(email: &str) -> String {
        format!("AQMkAD{}", URL_SAFE.encode(format!("calendar of {email}")))
    }

    pub(crate) fn event_id(&self, event: &Event, date: Option<Date>, form: Form) -> String {
        ids::write(self.seed, Named { form, key: event.key, moves: event.moves, date })
    }

    /// What an id names, if it is there.
    pub(crate) fn find(&self, id: &str) -> Result<(&Event, Option<Date>), Refusal> {
        let named = ids::read(self.seed, id).ok_or_else(Refusal::malformed_id)?;
        let event = self.events.get(&named.key).filter(|event| !event.deleted).ok_or_else(Refusal::not_found)?;
        if named.form == Form::Rest && named.moves != event.moves {
            return Err(Refusal::not_found());
        }
        match named.date {
            None => Ok((event, None)),
            Some(date) => {
                let there = event.recurrence.as_ref().is_some_and(|recurrence| recurrence.has(date));
                if !there || event.cancelled.contains(&date) {
                    return Err(Refusal::not_found());
                }
                Ok((event, Some(date)))
            }
        }
    }

    /// The calendar's id behind what a path names.
    pub(crate) fn calendar_id(&self, account: &str, named: &str) -> String {
        match self.accounts.get(account) {
            Some(account) if named.is_empty() => account.default_calendar.clone(),
            _ => named.to_owned(),
        }
    }

    /// What an account may do with a calendar that is there.
    pub(crate) fn access(&self, account: &str, calendar: &str) -> Option<Access> {
        let found = self.calendars.get(calendar).filter(|found| !found.deleted)?;
        if found.owner == account {
            return Some(Access::Own);
        }
        let entries = &self.accounts.get(account)?.calendars;
        entries.iter().find(|(id, _)| id == calendar).map(|(_, access)| *access)
    }

    /// Puts an event into its calendar as changed now: new change key, new place among the changes.
    pub(crate) fn store(&mut self, now_ms: i64, mut event: Event) -> u64 {
        let seq = self.next_seq();
        let key = event.key;
        let what = match self.events.get(&key) {
            _ if event.deleted => "deleted",
            Some(old) if !old.deleted => "updated",
            _ => "created",
        };
        if let Some(old) = self.events.get(&key) {
            let (calendar, old_seq) = (old.calendar.clone(), old.seq);
            if let Some(calendar) = self.calendars.get_mut(&calendar) {
                calendar.changes.remove(&old_seq);
                calendar.keys.remove(&key);
            }
        }
        event.change = seq;
        event.seq = seq;
        event.modified_ms = now_ms;
        if let Some(calendar) = self.calendars.get_mut(&event.calendar) {
            calendar.changes.insert(seq, key);
            if !event.deleted {
                calendar.keys.insert(key);
            }
        }
        self.events.insert(key, event);
        self.tell(now_ms, key, what);
        key
    }
}

fn guid(high: u64, low: u64) -> String {
    let (high, low) = (format!("{high:016x}"), format!("{low:016x}"));
    let part = |text: &str, from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    format!(
        "{}-{}-4{}-8{}-{}",
        part(&high, 0, 8),
        part(&high, 8, 12),
        part(&high, 13, 16),
        part(&low, 1, 4),
        part(&low, 4, 16)
    )
}
