//! Lists of events: a calendar's, a view of a window, a series' instances; and how a list is cut into pages.

use serde_json::{Map, Value, json};

use super::{
    call::{Call, Target},
    events::Reply,
    filter::{Filter, order},
    item::Item,
    moment::{DAY_MS, query_ms},
    oauth::Caller,
    refusal::Refusal,
    render::Reader,
    request::Ask,
    world::World,
};
use crate::token;

/// Entries of a page when nobody says, and at most.
pub(crate) const PAGE_DEFAULT: usize = 10;
const PAGE_MAX: usize = 1000;
/// The widest window of a view.
const WINDOW_DAYS_MAX: i64 = 1825;

/// How faults bend a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bend {
    /// At most so many entries, and more to come.
    pub(crate) page_max: Option<usize>,
    /// The page begins with the last entry of the page before.
    pub(crate) repeat: bool,
    /// The last entry of the page is left out, though it is there.
    pub(crate) omit: bool,
    /// The entries come in another order.
    pub(crate) shuffle: bool,
    /// A delta tells again of changes that were told before.
    pub(crate) again: bool,
    /// A delta does not know of so many latest changes yet.
    pub(crate) stale: usize,
    /// A delta leaves out what was deleted.
    pub(crate) no_deletes: bool,
}

/// How the next page is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paging {
    /// `$skip`, a number.
    Skip,
    /// `$skiptoken`, opaque.
    Token,
}

/// A place in a list: where the page begins and how long it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    from: usize,
    max: usize,
    paging: Paging,
}

impl Page {
    pub(crate) fn read(ask: &Ask, seed: u64, paging: Paging, bend: Bend) -> Result<Self, Refusal> {
        let top = ask.number("$top", 1)?.unwrap_or(PAGE_DEFAULT);
        if top > PAGE_MAX {
            return Err(Refusal::query(format!("The limit of '{PAGE_MAX}' for Top query has been exceeded.")));
        }
        let from = match ask.query.get("$skiptoken") {
            Some(given) => {
                let [at] = token::read::<1>(seed, "skip", "", given)
                    .ok_or_else(|| Refusal::query("The skip token is not valid."))?;
                usize::try_from(at).unwrap_or(0)
            }
            None => ask.number("$skip", 0)?.unwrap_or(0),
        };
        let from = if bend.repeat { from.saturating_sub(1) } else { from };
        Ok(Self { from, max: top.min(bend.page_max.unwrap_or(PAGE_MAX)), paging })
    }

    /// The entries of this page.
    pub(crate) fn cut<T>(&self, all: impl Iterator<Item = T>) -> Vec<T> {
        all.skip(self.from).take(self.max).collect()
    }

    /// The address of the next page, if there is one.
    pub(crate) fn next(&self, ask: &Ask, seed: u64, total: usize) -> Option<String> {
        let next = self.from.saturating_add(self.max);
        if next >= total {
            return None;
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in ask.query.pairs().iter().filter(|(name, _)| name != "$skip" && name != "$skiptoken") {
            query.append_pair(name, value);
        }
        match self.paging {
            Paging::Skip => query.append_pair("$skip", &next.to_string()),
            Paging::Token => {
                let at = i64::try_from(next).unwrap_or(i64::MAX);
                query.append_pair("$skiptoken", &token::make(seed, "skip", "", &[at]))
            }
        };
        Some(format!("{}{}?{}", ask.base(), ask.path, query.finish()))
    }
}

/// The whole answer of a list.
pub(crate) fn envelope(ask: &Ask, of: &str, value: Vec<Value>, next: Option<String>) -> Reply {
    let mut body = Map::new();
    body.insert("@odata.context".into(), json!(format!("{}/v1.0/$metadata#{of}", ask.base())));
    body.insert("value".into(), Value::Array(value));
    if let Some(next) = next {
        body.insert("@odata.nextLink".into(), json!(next));
    }
    Reply::Json(200, Value::Object(body))
}

/// The window of a view.
pub(crate) fn window(ask: &Ask) -> Result<(i64, i64), Refusal> {
    let at = |name: &str| {
        let text = ask.query.get(name).ok_or_else(|| {
            Refusal::invalid("This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.")
        })?;
        query_ms(text).ok_or_else(|| Refusal::invalid(format!("The value '{text}' of parameter '{name}' is invalid.")))
    };
    let (from, to) = (at("startDateTime")?, at("endDateTime")?);
    if to < from {
        return Err(Refusal::invalid("The end time must be after the start time."));
    }
    if to.saturating_sub(from) > WINDOW_DAYS_MAX * DAY_MS {
        return Err(Refusal::invalid(format!(
            "Your request can't be completed. The range between the start and end dates is greater than the allowed range. \
             Maximum number of days: {WINDOW_DAYS_MAX}"
        )));
    }
    Ok((from, to))
}

impl World {
    /// Singles and series of a calendar; occurrences are behind their series.
    pub(crate) fn events_list(
        &self,
        ask: &Ask,
        caller: &Caller,
        target: &Target,
        bend: Bend,
    ) -> Result<Reply, Refusal> {
        let (id, _) = self.calendar_of(caller, Call::EventsList, target)?;
        let reader = Reader::of(ask, self.settings.any_iana_zone)?;
        let page = Page::read(ask, self.seed, Paging::Skip, bend)?;
        let filter = Filter::read(ask.query.get("$filter"))?;
        let calendar = self.calendars.get(&id).ok_or_else(Refusal::not_found)?;
        let all = calendar.keys.iter().filter_map(|key| self.events.get(key));
        let plain = ask.query.get("$orderby").is_none() && ask.query.get("$filter").is_none();
        let plain = plain && !self.settings.list_exceptions;
        let (shown, total): (Vec<Item>, usize) = if plain {
            (page.cut(all).into_iter().map(Item::whole).collect(), calendar.keys.len())
        } else {
            let changed = |event| -> Vec<Item> {
                let mut items = vec![Item::whole(event)];
                if self.settings.list_exceptions {
                    items.extend(event.exceptions.keys().map(|date| Item::on(event, *date)));
                }
                items
            };
            let mut items: Vec<Item> = all.flat_map(changed).filter(|item| filter.takes(item)).collect();
            order(&mut items, ask.query.get("$orderby"))?;
            let total = items.len();
            (page.cut(items.into_iter()), total)
        };
        Ok(self.listed(ask, &reader, &page, shown, total, bend, "events"))
    }

    #[expect(clippy::too_many_arguments, reason = "all of it is the list")]
    fn listed(
        &self,
        ask: &Ask,
        reader: &Reader,
        page: &Page,
        mut shown: Vec<Item>,
        total: usize,
        bend: Bend,
        of: &str,
    ) -> Reply {
        if bend.omit {
            shown.pop();
        }
        if bend.shuffle {
            shown.reverse();
        }
        let value = shown.iter().map(|item| Value::Object(self.show(item, reader))).collect();
        let next = page.next(ask, self.seed, total);
        let mut reply = envelope(ask, &format!("users('me')/{of}"), value, next);
        if let (Some("true"), Reply::Json(_, Value::Object(body))) = (ask.query.get("$count"), &mut reply) {
            body.insert("@odata.count".into(), json!(total));
        }
        reply
    }

    /// Singles, occurrences and exceptions within a window.
    pub(crate) fn calendar_view(
        &self,
        ask: &Ask,
        caller: &Caller,
        target: &Target,
        bend: Bend,
    ) -> Result<Reply, Refusal> {
        let (id, _) = self.calendar_of(caller, Call::CalendarView, target)?;
        let (from, to) = window(ask)?;
        let reader = Reader::of(ask, self.settings.any_iana_zone)?;
        let page = Page::read(ask, self.seed, Paging::Token, bend)?;
        let filter = Filter::read(ask.query.get("$filter"))?;
        let mut items = self.view(&id, from, to);
        items.retain(|item| filter.takes(item));
        order(&mut items, ask.query.get("$orderby"))?;
        let total = items.len();
        let shown = page.cut(items.into_iter());
        Ok(self.listed(ask, &reader, &page, shown, total, bend, "calendarView"))
    }

    /// The first events get new change keys; nothing else changes, and nobody is told.
    pub(crate) fn new_change_keys(&mut self, account: &str, named: &str) {
        const TOUCHED: usize = 3;
        let id = self.calendar_id(account, named);
        let keys =
            self.calendars.get(&id).map(|calendar| calendar.keys.iter().take(TOUCHED).copied().collect::<Vec<_>>());
        for key in keys.unwrap_or_default() {
            let change = self.next_seq();
            if let Some(event) = self.events.get_mut(&key) {
                event.change = change;
            }
        }
    }

    /// What a calendar shows in a window, in the order of the starts.
    pub(crate) fn view(&self, calendar: &str, from_ms: i64, to_ms: i64) -> Vec<Item<'_>> {
        let Some(calendar) = self.calendars.get(calendar) else { return Vec::new() };
        let mut items = Vec::new();
        for event in calendar.keys.iter().filter_map(|key| self.events.get(key)) {
            if event.recurrence.is_some() {
                items.extend(event.occurrences(from_ms, to_ms));
            } else {
                let item = Item::whole(event);
                if item.within(from_ms, to_ms) {
                    items.push(item);
                }
            }
        }
        items.sort_by_key(|item| (item.content.start.ms(), item.event.key, item.date));
        items
    }

    /// A series' occurrences and exceptions within a window.
    pub(crate) fn events_instances(
        &self,
        ask: &Ask,
        caller: &Caller,
        target: &Target,
        bend: Bend,
    ) -> Result<Reply, Refusal> {
        let (event, date) = self.event_of(caller, Call::EventsInstances, target)?;
        let (from, to) = window(ask)?;
        let reader = Reader::of(ask, self.settings.any_iana_zone)?;
        let page = Page::read(ask, self.seed, Paging::Token, bend)?;
        if event.recurrence.is_none() || date.is_some() {
            return Err(Refusal::invalid(
                "Your request can't be completed. The requested event is not a series master.",
            ));
        }
        let items = event.occurrences(from, to);
        let total = items.len();
        let shown = page.cut(items.into_iter());
        Ok(self.listed(ask, &reader, &page, shown, total, bend, "instances"))
    }
}
