//! calendarView/delta: what is in a fixed window, and then what changed in it, with all the ways in which that is not quite true.

use serde_json::{Map, Value, json};

use super::{
    call::{Call, Target},
    events::Reply,
    ids::etag,
    item::{Item, Kind},
    list::{Bend, window},
    oauth::Caller,
    refusal::Refusal,
    render::Reader,
    request::Ask,
    world::{Calendar, World},
};
use crate::token;

/// Entries of a page when nobody says.
const PAGE_DEFAULT: usize = 10;
const PAGE_MAX: usize = 1000;
/// What the service does not know here.
const UNSUPPORTED: &[&str] = &["$select", "$expand", "$filter", "$orderby", "$search", "$top"];

/// Where a round stands: all of it is in the tokens.
#[derive(Clone, Copy, Debug)]
struct Round {
    from_ms: i64,
    to_ms: i64,
    epoch: u64,
    /// The change that the client knows; 0 for the first round.
    since: u64,
    /// The latest change when the round began.
    head: u64,
    /// The next entry.
    at: usize,
}

impl Round {
    fn numbers(&self) -> [i64; 6] {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        [self.from_ms, self.to_ms, number(self.epoch), number(self.since), number(self.head), number(self.at as u64)]
    }

    fn of([from_ms, to_ms, epoch, since, head, at]: [i64; 6]) -> Self {
        let number = |value: i64| u64::try_from(value).unwrap_or(0);
        Self {
            from_ms,
            to_ms,
            epoch: number(epoch),
            since: number(since),
            head: number(head),
            at: usize::try_from(at).unwrap_or(0),
        }
    }
}

impl World {
    pub(crate) fn delta(
        &self,
        ask: &Ask,
        caller: &Caller,
        call: Call,
        target: &Target,
        bend: Bend,
    ) -> Result<Reply, Refusal> {
        let (id, _) = self.calendar_of(caller, call, target)?;
        if let Some(name) = UNSUPPORTED.iter().find(|name| ask.query.has(name)) {
            return Err(Refusal::invalid(format!(
                "The following parameters are not supported with change tracking over the 'Events' resource: '{name}'."
            )));
        }
        let calendar = self.calendars.get(&id).ok_or_else(Refusal::not_found)?;
        let (skip, since) = (ask.query.get("$skiptoken"), ask.query.get("$deltatoken"));
        let read = |kind: &str, text: &str| {
            let round = token::read::<6>(self.seed, kind, &id, text).map(Round::of).ok_or_else(Refusal::sync_state)?;
            if round.epoch == calendar.epoch { Ok(round) } else { Err(Refusal::sync_state()) }
        };
        let whole = call == Call::EventsDelta;
        // A round never ends with its first answer: that one is empty and goes on.
        let (round, opens) = match (skip, since) {
            (Some(text), _) => (read("n", text)?, false),
            (None, Some(text)) => {
                let last = read("d", text)?;
                (Round { since: last.head, head: self.head(calendar, last.head, bend), at: 0, ..last }, true)
            }
            (None, None) => {
                let (from_ms, to_ms) = if whole { (i64::MIN / 4, i64::MAX / 4) } else { window(ask)? };
                let head = self.head(calendar, 0, bend);
                (Round { from_ms, to_ms, epoch: calendar.epoch, since: 0, head, at: 0 }, true)
            }
        };
        let reader = Reader { shape: Default::default(), ..Reader::of(ask, self.settings.any_iana_zone)? };
        let entries = self.entries(calendar, &round, &reader, bend, whole);
        let max = ask.prefer.page.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX).min(bend.page_max.unwrap_or(PAGE_MAX));
        let max = if opens && self.settings.delta_opens_empty { 0 } else { max };
        let from = if bend.repeat { round.at.saturating_sub(1) } else { round.at };
        let mut value: Vec<Value> = entries.iter().skip(from).take(max).cloned().collect();
        let next = from.saturating_add(max);
        if bend.omit {
            value.pop();
        }
        if bend.shuffle {
            value.reverse();
        }
        let mut body = Map::new();
        body.insert("@odata.context".into(), json!(format!("{}/v1.0/$metadata#Collection(event)", ask.base())));
        body.insert("value".into(), Value::Array(value));
        let link = |name: &str, kind: &str, numbers: &Round| {
            format!("{}{}?{name}={}", ask.base(), ask.path, token::make(self.seed, kind, &id, &numbers.numbers()))
        };
        if opens || next < entries.len() {
            body.insert("@odata.nextLink".into(), json!(link("$skiptoken", "n", &Round { at: next, ..round })));
        } else {
            body.insert("@odata.deltaLink".into(), json!(link("$deltatoken", "d", &Round { at: 0, ..round })));
        }
        Ok(Reply::Json(200, Value::Object(body)))
    }

    /// The latest change that a round knows of.
    fn head(&self, calendar: &Calendar, since: u64, bend: Bend) -> u64 {
        let late = calendar.changes.keys().rev().take(bend.stale).next_back().map(|seq| seq.saturating_sub(1));
        late.map_or(self.seq(), |late| late.max(since))
    }

    /// Everything that a round tells, in its order.
    fn entries(&self, calendar: &Calendar, round: &Round, reader: &Reader, bend: Bend, whole: bool) -> Vec<Value> {
        let since = match (round.since, bend.again) {
            (0, _) => 0,
            (since, true) => {
                calendar.changes.range(..=since).rev().take(3).last().map_or(0, |(seq, _)| seq.saturating_sub(1))
            }
            (since, false) => since,
        };
        let mut entries = Vec::new();
        for (_, key) in calendar.changes.range(since.saturating_add(1)..).take_while(|(seq, _)| **seq <= round.head) {
            let Some(event) = self.events.get(key) else { continue };
            let removed = |date| {
                json!({
                    "@odata.type": "#microsoft.graph.event", "id": self.event_id(event, date, reader.form),
                    "@removed": { "reason": "deleted" },
                })
            };
            // Of what is gone, a first round knows nothing.
            if event.deleted || event.calendar != calendar.id {
                if round.since > 0 && !bend.no_deletes {
                    entries.push(removed(None));
                }
                continue;
            }
            let items = match (&event.recurrence, whole) {
                (Some(_), false) => event.occurrences(round.from_ms, round.to_ms),
                _ => vec![Item::whole(event)],
            };
            let mut shown = 0;
            for item in &items {
                let within = item.within(round.from_ms, round.to_ms);
                if item.kind == Kind::Exception && self.settings.delta_omits_exceptions {
                    continue;
                }
                if within || whole {
                    shown += 1;
                    entries.push(if item.kind == Kind::Occurrence || whole {
                        self.sparse(item, reader)
                    } else {
                        self.entry(item, reader)
                    });
                }
            }
            // Added, changed or deleted outside of the window: removed, says the service.
            if shown == 0 && round.since > 0 {
                entries.push(removed(None));
            }
            if self.settings.delta_tells_cancelled && round.since > 0 && !whole {
                entries.extend(event.cancelled.iter().map(|date| removed(Some(*date))));
            }
        }
        entries
    }

    fn entry(&self, item: &Item, reader: &Reader) -> Value {
        let mut out = Map::new();
        out.insert("@odata.type".into(), json!("#microsoft.graph.event"));
        out.extend(self.show(item, reader));
        Value::Object(out)
    }

    /// All that is told of an occurrence.
    fn sparse(&self, item: &Item, reader: &Reader) -> Value {
        let time = |moment: &super::moment::Moment| moment.write(&reader.zone_name, &reader.zone, item.content.all_day);
        let mut out = json!({
            "@odata.type": "#microsoft.graph.event", "@odata.etag": etag(item.change), "type": item.kind.name(),
            "start": time(&item.content.start), "end": time(&item.content.end),
            "id": self.event_id(item.event, item.date, reader.form),
        });
        if let (Some(_), Some(fields)) = (item.date, out.as_object_mut()) {
            fields.insert("seriesMasterId".into(), json!(self.event_id(item.event, None, reader.form)));
        }
        out
    }
}
