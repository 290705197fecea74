//! Everything the provider keeps: accounts, calendars, events.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::{
    chance::Chance,
    moment::{Moment, zone_or_utc},
    oauth::OAuth,
};

/// Letters of ids that Google makes: base32hex, lower case.
const ID_LETTERS: &[u8] = b"0123456789abcdefghijklmnopqrstuv";

/// What an account may do with a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees when the owner is busy, not why.
    FreeBusyReader,
    /// Sees the events; private ones as busy blocks.
    Reader,
    /// Writes, but sees private events as busy blocks.
    WriterWithoutPrivateAccess,
    /// Reads and writes.
    Writer,
    /// Reads, writes, and shares.
    Owner,
}

impl Role {
    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::FreeBusyReader => "freeBusyReader",
            Self::Reader => "reader",
            Self::WriterWithoutPrivateAccess => "writerWithoutPrivateAccess",
            Self::Writer => "writer",
            Self::Owner => "owner",
        }
    }

    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::FreeBusyReader, Self::Reader, Self::WriterWithoutPrivateAccess, Self::Writer, Self::Owner]
            .into_iter()
            .find(|role| role.name() == name)
    }

    pub(crate) fn writes(self) -> bool {
        self >= Self::WriterWithoutPrivateAccess
    }

    pub(crate) fn sees_private(self) -> bool {
        self >= Self::Writer
    }
}

/// An account: its list of calendars.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Sync tokens of the calendar list made before are dead.
    pub(crate) list_epoch: u64,
}

/// A calendar in an account's list.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) role: Role,
    pub(crate) summary_override: Option<String>,
    pub(crate) color: String,
    pub(crate) hidden: bool,
    pub(crate) selected: bool,
    pub(crate) default_reminders: Vec<Value>,
    pub(crate) etag: u64,
    pub(crate) seq: u64,
    /// No longer in the list.
    pub(crate) deleted: bool,
}

/// A calendar and its events.
#[derive(Debug)]
pub(crate) struct Calendar {
    pub(crate) id: String,
    pub(crate) summary: String,
    pub(crate) description: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) zone: Arc<str>,
    pub(crate) owner: String,
    pub(crate) primary: bool,
    pub(crate) etag: u64,
    pub(crate) updated_ms: i64,
    pub(crate) deleted: bool,
    /// The client that made it through the API.
    pub(crate) made_by: Option<String>,
    /// Holiday and subscribed calendars cannot be watched.
    pub(crate) watchable: bool,
    /// Sync tokens of another epoch are dead.
    pub(crate) epoch: u64,
    pub(crate) events: Vec<Event>,
    pub(crate) ids: HashMap<String, usize>,
    pub(crate) uids: HashMap<String, Vec<usize>>,
    /// Change number to event; an event is in it once, at its latest change.
    pub(crate) changes: BTreeMap<u64, usize>,
}

impl Calendar {
    pub(crate) fn new(id: &str, name: &str, owner: &str, zone: &str, etag: u64) -> Self {
        Self {
            id: id.to_owned(),
            summary: name.to_owned(),
            description: None,
            location: None,
            zone: zone.into(),
            owner: owner.to_owned(),
            primary: id == owner,
            etag,
            updated_ms: 0,
            deleted: false,
            made_by: None,
            watchable: true,
            epoch: 0,
            events: Vec::new(),
            ids: HashMap::new(),
            uids: HashMap::new(),
            changes: BTreeMap::new(),
        }
    }

    pub(crate) fn time_zone(&self) -> TimeZone {
        zone_or_utc(&self.zone)
    }

    pub(crate) fn event(&self, id: &str) -> Option<&Event> {
        self.ids.get(id).and_then(|at| self.events.get(*at))
    }
}

/// Whether an event is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Live,
    /// Deleted; an exception: its occurrence is removed.
    Cancelled,
    /// An exception whose slot its series no longer has.
    Stray,
}

/// An event as stored: a single one, a series, or an exception of a series.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) uid: String,
    pub(crate) etag: u64,
    pub(crate) seq: u64,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    pub(crate) life: Life,
    pub(crate) tentative: bool,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) recurrence: Vec<String>,
    /// An exception's series and slot.
    pub(crate) slot: Option<Slot>,
    /// A series' exceptions by the instant of their slot.
    pub(crate) exceptions: BTreeMap<i64, usize>,
    /// Everything else that clients write, in canonical form: nothing empty, no defaults.
    pub(crate) fields: Map<String, Value>,
    pub(crate) attendees: Vec<Map<String, Value>>,
    /// Reminders belong to the reader: by account.
    pub(crate) reminders: BTreeMap<String, Value>,
    pub(crate) organizer: Person,
    pub(crate) creator: Person,
    pub(crate) sequence: i64,
    pub(crate) event_type: String,
    pub(crate) private_copy: bool,
}

/// Which occurrence an exception stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slot {
    pub(crate) master_id: String,
    pub(crate) start: Moment,
}

/// An organizer or a creator.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Person {
    pub(crate) email: String,
    pub(crate) name: Option<String>,
}

impl Person {
    pub(crate) fn of(email: &str) -> Self {
        Self { email: email.to_owned(), name: None }
    }
}

impl Event {
    pub(crate) fn is_series(&self) -> bool {
        !self.recurrence.is_empty()
    }

    pub(crate) fn live(&self) -> bool {
        self.life == Life::Live
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    pub(crate) fn is_private(&self) -> bool {
        matches!(self.text("visibility"), Some("private" | "confidential"))
    }
}

/// A mail that Google would have sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// When.
    pub at_ms: i64,
    /// The calendar whose event it is about.
    pub calendar: String,
    /// The event.
    pub event: String,
    /// Its UID.
    pub uid: String,
    /// To whom.
    pub recipient: String,
    /// `REQUEST`, `CANCEL` or `REPLY`.
    pub method: &'static str,
}

/// The state behind the API.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) chance: Chance,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) calendars: BTreeMap<String, Calendar>,
    pub(crate) oauth: OAuth,
    pub(crate) mails: Vec<Mail>,
    pub(crate) settings: super::Settings,
    pub(crate) push: super::push::Push,
    pub(crate) quota: super::quota::Quota,
    seq: u64,
    last_etag: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            chance: Chance::new(seed),
            accounts: BTreeMap::new(),
            calendars: BTreeMap::new(),
            oauth: OAuth::default(),
            mails: Vec::new(),
            settings: super::Settings::default(),
            push: super::push::Push::default(),
            quota: super::quota::Quota::default(),
            seq: 0,
            last_etag: 0,
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

    /// A new etag: numeric, growing with time, never given twice.
    pub(crate) fn next_etag(&mut self, now_ms: i64) -> u64 {
        let by_time = u64::try_from(now_ms).unwrap_or(0).saturating_mul(2000);
        self.last_etag = by_time.max(self.last_etag + 2);
        self.last_etag
    }

    pub(crate) fn new_id(&mut self) -> String {
        self.chance.text(ID_LETTERS, 26)
    }

    /// Puts an event into its calendar as changed now: new etag, new place among the changes. Without `quiet`, `updated` moves.
    pub(crate) fn store(&mut self, now_ms: i64, calendar_id: &str, mut event: Event, quiet: bool) -> usize {
        if self.settings.tidy_text {
            tidy(&mut event.fields);
        }
        event.etag = self.next_etag(now_ms);
        event.seq = self.next_seq();
        if !quiet {
            event.updated_ms = now_ms;
        }
        let seq = event.seq;
        let Some(calendar) = self.calendars.get_mut(calendar_id) else { return 0 };
        calendar.updated_ms = now_ms;
        let at = match calendar.ids.get(&event.id).copied() {
            Some(at) => {
                if let Some(old) = calendar.events.get_mut(at) {
                    calendar.changes.remove(&old.seq);
                    if old.uid != event.uid {
                        if let Some(same) = calendar.uids.get_mut(&old.uid) {
                            same.retain(|other| *other != at);
                        }
                        calendar.uids.entry(event.uid.clone()).or_default().push(at);
                    }
                    *old = event;
                }
                at
            }
            None => {
                let at = calendar.events.len();
                calendar.ids.insert(event.id.clone(), at);
                calendar.uids.entry(event.uid.clone()).or_default().push(at);
                calendar.events.push(event);
                at
            }
        };
        calendar.changes.insert(seq, at);
        let slot = calendar.events.get(at).and_then(|event| event.slot.as_ref());
        if let Some((key, id)) = slot.map(|slot| (slot.start.ms(&TimeZone::UTC), slot.master_id.as_str()))
            && let Some(master) = calendar.ids.get(id).copied()
            && let Some(master) = calendar.events.get_mut(master)
        {
            master.exceptions.insert(key, at);
        }
        self.push.changed(now_ms, calendar_id);
        at
    }

    /// The calendar's id behind what a path names.
    pub(crate) fn calendar_id<'a>(&self, account: &'a str, named: &'a str) -> &'a str {
        if named == "primary" { account } else { named }
    }

    /// The role of an account on a live calendar.
    pub(crate) fn role(&self, account: &str, calendar: &str) -> Option<Role> {
        let found = self.calendars.get(calendar).filter(|found| !found.deleted)?;
        let entry = self.accounts.get(account).and_then(|account| account.entries.get(calendar));
        match entry {
            Some(entry) if !entry.deleted => Some(entry.role),
            _ if found.owner == account => Some(Role::Owner),
            _ => None,
        }
    }
}

/// Texts as some layers of the provider give them back.
fn tidy(fields: &mut Map<String, Value>) {
    for name in ["summary", "description", "location"] {
        let Some(Value::String(text)) = fields.get_mut(name) else { continue };
        let tidied = text.replace("\r\n", "\n").trim().to_owned();
        if tidied.is_empty() {
            fields.remove(name);
        } else {
            *text = tidied;
        }
    }
}
