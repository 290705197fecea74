//! events.list: full listings, deltas, pages.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Target},
    filter::Filter,
    find::not_modified,
    moment::utc_ms,
    oauth::Caller,
    refusal::Refusal,
    render::{Reader, full, tombstone},
    request::Ask,
    token,
    world::{Calendar, Event, Life, World},
    write::Reply,
};

/// Entries of a page when nobody says, and at most.
const PAGE_DEFAULT: usize = 250;
const PAGE_MAX: usize = 2500;
/// What a listing by sync token must not have beside it.
const NOT_WITH_SYNC_TOKEN: &[&str] = &[
    "iCalUID",
    "orderBy",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMin",
    "timeMax",
    "updatedMin",
];
/// `updatedMin` reaches back so far.
const UPDATED_MIN_MS: i64 = 30 * super::moment::DAY_MS;

/// How faults bend a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bend {
    /// At most so many entries, and more to come.
    pub(crate) page_max: Option<usize>,
    /// The page begins with the last entry of the page before.
    pub(crate) repeat: bool,
    /// One entry is left out: its turn never comes in this listing.
    pub(crate) skip: bool,
    /// A delta begins a few changes too early.
    pub(crate) again: bool,
    /// A delta ends so many changes too early.
    pub(crate) stale: usize,
    /// A delta leaves out what was deleted.
    pub(crate) no_deletes: bool,
    /// The entries come in another order.
    pub(crate) shuffle: bool,
}

/// Where a listing stands.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// The change number at the first page: the next sync token's.
    head: u64,
    /// The next entry: an index, a change number, or an offset, by the kind of listing.
    at: u64,
}

impl World {
    pub(crate) fn events_list(
        &mut self,
        ask: &Ask,
        caller: &Caller,
        target: &Target,
        bend: Bend,
    ) -> Result<Reply, Refusal> {
        let place = self.place(caller, Call::EventsList, target)?;
        let reader = self.reader(caller, &place, ask)?;
        let calendar = self.calendar(&place.calendar)?;
        let since = self.since(ask, calendar, bend)?;
        let filter = Filter::read(ask, calendar, since.is_some())?;
        if let Some(min) = filter.updated_min_ms
            && min < ask.now_ms - UPDATED_MIN_MS
        {
            return Err(Refusal::updated_min_too_long_ago());
        }
        let cursor = self.cursor(ask, calendar, &filter, since, bend)?;
        let max =
            ask.query.count("maxResults")?.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX).min(bend.page_max.unwrap_or(PAGE_MAX));
        let (mut items, next) = match since {
            Some(_) => delta(calendar, &reader, &filter, cursor, max, bend),
            None if filter.ordered() => {
                let sorted = filter.sorted(calendar);
                let from = usize::try_from(cursor.at).unwrap_or(usize::MAX);
                let page = sorted.iter().skip(from).take(max).map(|event| show(calendar, event, &reader));
                let items: Vec<Value> = page.collect();
                let next = from.saturating_add(items.len());
                (items, (next < sorted.len()).then_some(next as u64))
            }
            None => whole(calendar, &reader, &filter, cursor, max),
        };
        let skipped = if bend.skip { items.pop() } else { None };
        if bend.shuffle {
            items.reverse();
        }
        let mut body = self.envelope(calendar, caller, &reader)?;
        let own_etag = body.get("etag").and_then(Value::as_str).unwrap_or_default().to_owned();
        if not_modified(ask, &own_etag) {
            return Ok(Reply::NotModified);
        }
        let about = &place.calendar;
        let head = i64::try_from(cursor.head).unwrap_or(i64::MAX);
        let epoch = i64::try_from(calendar.epoch).unwrap_or(0);
        match next {
            Some(at) => {
                let at = i64::try_from(at).unwrap_or(i64::MAX);
                let numbers = [head, at, epoch, ask.now_ms, filter.fingerprint(since.is_some())];
                body.insert("nextPageToken".into(), json!(token::make(self.seed, "p", about, &numbers)));
            }
            // A listing that is a search, or sorted, has no place to continue from.
            None if filter.syncable() => {
                body.insert(
                    "nextSyncToken".into(),
                    json!(token::make(self.seed, "s", about, &[head, epoch, ask.now_ms])),
                );
            }
            None => {}
        }
        body.insert("items".into(), Value::Array(items));
        let skipped =
            skipped.and_then(|item| item.get("id").and_then(Value::as_str).and_then(|id| calendar.event(id)).cloned());
        if let Some(event) = skipped {
            // It changed just now, so that its turn is after this listing.
            self.store(ask.now_ms, &place.calendar, event, true);
        }
        Ok(Reply::Json(Value::Object(body)))
    }

    /// The change number a delta starts after.
    fn since(&self, ask: &Ask, calendar: &Calendar, bend: Bend) -> Result<Option<u64>, Refusal> {
        let Some(given) = ask.query.get("syncToken") else { return Ok(None) };
        for name in NOT_WITH_SYNC_TOKEN {
            if ask.query.has(name) {
                return Err(Refusal::bad_request(format!("Sync token cannot be used with {name}.")));
            }
        }
        if ask.query.flag("showDeleted")? == Some(false) {
            return Err(Refusal::bad_request("Sync token cannot be used with showDeleted set to false."));
        }
        let known = token::read::<3>(self.seed, "s", &calendar.id, given);
        let alive = known.filter(|[_, epoch, made_ms]| {
            u64::try_from(*epoch) == Ok(calendar.epoch)
                && ask.now_ms.saturating_sub(*made_ms) < self.settings.sync_token_life_ms
        });
        match alive {
            Some([seq, _, _]) => {
                let seq = u64::try_from(seq).unwrap_or(0);
                let earlier =
                    calendar.changes.range(..=seq).rev().take(3).last().map_or(0, |(at, _)| at.saturating_sub(1));
                Ok(Some(if bend.again { earlier } else { seq }))
            }
            _ => Err(Refusal::full_sync_required()),
        }
    }

    fn cursor(
        &self,
        ask: &Ask,
        calendar: &Calendar,
        filter: &Filter,
        since: Option<u64>,
        bend: Bend,
    ) -> Result<Cursor, Refusal> {
        let Some(given) = ask.query.get("pageToken") else {
            let at = since.unwrap_or(0);
            let late = calendar.changes.keys().rev().take(bend.stale).next_back().map(|seq| seq.saturating_sub(1));
            let head = match (since, late) {
                (Some(since), Some(late)) => late.max(since),
                _ => self.seq(),
            };
            return Ok(Cursor { head, at });
        };
        let invalid = || Refusal::invalid_parameter("pageToken", "Invalid page token value.");
        let [head, at, epoch, made_ms, kind] =
            token::read::<5>(self.seed, "p", &calendar.id, given).ok_or_else(invalid)?;
        if kind != filter.fingerprint(since.is_some()) {
            return Err(invalid());
        }
        let old = ask.now_ms.saturating_sub(made_ms) >= self.settings.page_token_life_ms
            || u64::try_from(epoch) != Ok(calendar.epoch);
        if old {
            // Within a delta the sync token has gone with it.
            return Err(if since.is_some() { Refusal::full_sync_required() } else { invalid() });
        }
        let back = u64::from(bend.repeat);
        Ok(Cursor { head: u64::try_from(head).unwrap_or(0), at: u64::try_from(at).unwrap_or(0).saturating_sub(back) })
    }

    /// The first live events get new etags; nothing else changes.
    pub(crate) fn new_etags(&mut self, now_ms: i64, account: &str, named: &str) {
        const TOUCHED: usize = 3;
        let id = self.calendar_id(account, named).to_owned();
        let Some(calendar) = self.calendars.get(&id) else { return };
        let touched: Vec<Event> = calendar.events.iter().filter(|event| event.live()).take(TOUCHED).cloned().collect();
        for event in touched {
            self.store(now_ms, &id, event, true);
        }
    }

    /// Everything of the answer but its entries and tokens.
    pub(crate) fn envelope(
        &self,
        calendar: &Calendar,
        caller: &Caller,
        reader: &Reader,
    ) -> Result<Map<String, Value>, Refusal> {
        let entry = self.accounts.get(&caller.account).and_then(|account| account.entries.get(&calendar.id));
        let latest =
            calendar.changes.last_key_value().map_or(calendar.etag, |(seq, _)| calendar.etag.wrapping_add(*seq));
        let mut body = Map::new();
        body.insert("kind".into(), json!("calendar#events"));
        body.insert("etag".into(), json!(format!("\"p{latest}\"")));
        body.insert("summary".into(), json!(calendar.summary));
        if let Some(description) = &calendar.description {
            body.insert("description".into(), json!(description));
        }
        body.insert("updated".into(), json!(utc_ms(calendar.updated_ms)));
        body.insert("timeZone".into(), json!(reader.zone.iana_name().unwrap_or("UTC")));
        body.insert("accessRole".into(), json!(reader.role.name()));
        body.insert(
            "defaultReminders".into(),
            json!(entry.map(|entry| entry.default_reminders.clone()).unwrap_or_default()),
        );
        Ok(body)
    }
}

/// What is gone is shown by its id alone.
fn show(calendar: &Calendar, event: &Event, reader: &Reader) -> Value {
    Value::Object(if event.live() { full(calendar, event, reader) } else { tombstone(event, reader) })
}

/// The next page of everything, in the order of creation.
fn whole(
    calendar: &Calendar,
    reader: &Reader,
    filter: &Filter,
    cursor: Cursor,
    max: usize,
) -> (Vec<Value>, Option<u64>) {
    let mut items = Vec::new();
    let from = usize::try_from(cursor.at).unwrap_or(usize::MAX);
    for (at, event) in calendar.events.iter().enumerate().skip(from) {
        if !filter.takes(calendar, event) {
            continue;
        }
        if items.len() == max {
            return (items, Some(at as u64));
        }
        items.push(show(calendar, event, reader));
    }
    (items, None)
}

/// The next page of what changed, in the order of change; what changes while paging comes with the next delta.
fn delta(
    calendar: &Calendar,
    reader: &Reader,
    filter: &Filter,
    cursor: Cursor,
    max: usize,
    bend: Bend,
) -> (Vec<Value>, Option<u64>) {
    let mut items = Vec::new();
    let mut last = cursor.at;
    for (seq, at) in calendar.changes.range(cursor.at.saturating_add(1)..) {
        if *seq > cursor.head {
            break;
        }
        let Some(event) = calendar.events.get(*at) else { continue };
        let shown = if bend.no_deletes && !event.live() { Vec::new() } else { filter.in_delta(calendar, event) };
        if shown.is_empty() {
            continue;
        }
        // A series' occurrences stay together, so a page may be longer than asked.
        if items.len() >= max {
            return (items, Some(last));
        }
        items.extend(shown.iter().map(|event| show(calendar, event, reader)));
        last = *seq;
    }
    (items, None)
}

/// An instant for comparison.
pub(crate) fn start_ms(event: &Event, zone: &TimeZone) -> i64 {
    event.start.ms(zone)
}

/// Whether the series of an exception is there.
pub(crate) fn series_lives(calendar: &Calendar, event: &Event) -> bool {
    calendar.master_of(event).is_some_and(|master| master.life == Life::Live)
}
