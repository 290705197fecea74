//! What is known of one item: a series (or single event) and its exceptions, as the snapshot keeps them.
//!
//! The snapshot is JSON: `master`, absent where the series is not there for us, and `exceptions` by the slot they stand
//! for (`20261231`, or `20261231T090000Z` in UTC), cancelled ones included. Events are kept as the provider gave them, in
//! the words used here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::{Entry, Folded, Outgoing};
use super::fields::{OWN_MARK, own_property};
use super::time;
use crate::domain::sync::{RemoteId, Snapshot};

/// An event in the words used here.
pub(in crate::upstream) type Event = Map<String, Value>;

/// A snapshot, read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::upstream) struct Held {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::upstream) master: Option<Event>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::upstream) exceptions: BTreeMap<String, Event>,
}

impl Held {
    /// Reads a snapshot; one that is none of ours holds nothing.
    pub(in crate::upstream) fn of(snapshot: &Snapshot) -> Held {
        serde_json::from_str(&snapshot.0).unwrap_or_default()
    }

    pub(in crate::upstream) fn snapshot(&self) -> Snapshot {
        Snapshot(serde_json::to_string(self).unwrap_or_default())
    }

    /// The item's own event, or the first of the exceptions that stand alone.
    pub(in crate::upstream) fn speaker(&self) -> Option<&Event> {
        self.master.as_ref().or_else(|| self.exceptions.values().next())
    }

    /// Our mark on it.
    pub(in crate::upstream) fn mark(&self) -> Option<String> {
        self.master.as_ref().and_then(|event| own_property(event, OWN_MARK)).map(str::to_owned)
    }

    /// When anything of it was last changed there, in ms.
    pub(in crate::upstream) fn changed_ms(&self) -> Option<i64> {
        let times = self.master.iter().chain(self.exceptions.values()).map(|event| text(event, "updated"));
        times.filter_map(|time| time.parse::<jiff::Timestamp>().ok()).map(|at| at.as_millisecond()).max()
    }

    /// Takes one more event; `false`: it is the item's own, and deleted.
    fn take(&mut self, event: Event) -> bool {
        match slot(&event) {
            Some(slot) => {
                self.exceptions.insert(slot, event);
                true
            }
            None if is_cancelled(&event) => false,
            None => {
                if !event.contains_key("recurrence") {
                    self.exceptions.clear();
                }
                self.master = Some(event);
                true
            }
        }
    }

    /// Whether anything of it takes place.
    fn is_alive(&self) -> bool {
        self.master.is_some() || self.exceptions.values().any(|event| !is_cancelled(event))
    }
}

/// What an item should say.
pub(in crate::upstream) fn wanted(item: &Outgoing) -> Held {
    serde_json::from_str(&item.payload).unwrap_or_default()
}

/// What is held, with these entries carried into it. What stands for whole things comes before what is deleted, as
/// a provider may list a split series in either order.
pub(in crate::upstream) fn fold(held: Option<&Snapshot>, entries: &[Entry]) -> Folded {
    let known = held.map(Held::of);
    let had = known.is_some();
    let mut whole = known.unwrap_or_default();
    let mut gone = false;
    let mut parts = Vec::new();
    for event in entries.iter().filter_map(read) {
        if slot(&event).is_some() {
            parts.push(event);
        } else {
            // The last word counts: an item that was deleted and revived is there.
            gone = !whole.take(event);
        }
    }
    if gone {
        return Folded::Gone;
    }
    if whole.master.is_none() && !had {
        return if parts.is_empty() { Folded::Gone } else { Folded::Incomplete };
    }
    let (cancelled, live): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_cancelled);
    let newest = |event: &Event, whole: &Held| {
        let held = slot(event).and_then(|slot| whole.exceptions.get(&slot).cloned());
        // Of two entries about one slot in one listing, the one changed last holds.
        held.is_none_or(|held| text(&held, "updated") <= text(event, "updated") || text(event, "updated").is_empty())
    };
    for event in live.into_iter().chain(cancelled) {
        if newest(&event, &whole) {
            whole.take(event);
        }
    }
    if whole.is_alive() { Folded::Present(whole.snapshot()) } else { Folded::Gone }
}

/// What entries are whose series is not there for us.
pub(in crate::upstream) fn alone(entries: &[Entry]) -> Folded {
    let mut whole = Held::default();
    for event in entries.iter().filter_map(read).filter(|event| slot(event).is_some()) {
        whole.take(event);
    }
    if whole.is_alive() { Folded::Present(whole.snapshot()) } else { Folded::Gone }
}

fn read(entry: &Entry) -> Option<Event> {
    serde_json::from_str(&entry.payload).ok()
}

/// The item that an event belongs to.
pub(in crate::upstream) fn item_of(event: &Event) -> Option<RemoteId> {
    let id = event.get("recurringEventId").or_else(|| event.get("id"))?.as_str()?;
    (!id.is_empty()).then(|| RemoteId(id.to_owned()))
}

/// The slot of the series that an exception stands for.
pub(in crate::upstream) fn slot(event: &Event) -> Option<String> {
    event.get("recurringEventId")?.as_str()?;
    event.get("originalStartTime").and_then(time::key_of).or_else(|| {
        // Google's instance ids end in the slot.
        let id = event.get("id")?.as_str()?;
        id.rsplit_once('_').map(|(_, slot)| slot.to_owned())
    })
}

pub(in crate::upstream) fn is_cancelled(event: &Event) -> bool {
    text(event, "status") == "cancelled"
}

/// A text field; empty where there is none.
pub(in crate::upstream) fn text<'a>(event: &'a Event, name: &str) -> &'a str {
    event.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(event: &Value) -> Entry {
        let map = event.as_object().expect("an object");
        Entry { item: item_of(map).expect("an id"), payload: event.to_string() }
    }

    fn master() -> Value {
        json!({ "id": "m", "status": "confirmed", "recurrence": ["RRULE:FREQ=DAILY"],
            "start": { "dateTime": "2026-11-10T09:00:00Z" }, "end": { "dateTime": "2026-11-10T10:00:00Z" } })
    }

    fn exception(status: &str, updated: &str) -> Value {
        json!({ "id": "m_20261111T090000Z", "recurringEventId": "m", "status": status, "updated": updated,
            "originalStartTime": { "dateTime": "2026-11-11T10:00:00+01:00" } })
    }

    fn present(folded: Folded) -> Held {
        match folded {
            Folded::Present(snapshot) => Held::of(&snapshot),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_series_gathers_its_exceptions_in_any_order() {
        for order in [[master(), exception("confirmed", "1")], [exception("confirmed", "1"), master()]] {
            let held = present(fold(None, &order.map(|e| entry(&e))));
            assert!(held.master.is_some());
            assert_eq!(held.exceptions.keys().collect::<Vec<_>>(), ["20261111T090000Z"]);
        }
    }

    #[test]
    fn an_exception_joins_what_is_held_or_waits_for_its_whole() {
        let held = present(fold(None, &[entry(&master())])).snapshot();
        let both = present(fold(Some(&held), &[entry(&exception("cancelled", "1"))]));
        assert!(is_cancelled(&both.exceptions["20261111T090000Z"]));
        assert_eq!(fold(None, &[entry(&exception("confirmed", "1"))]), Folded::Incomplete);
        let lonely = present(alone(&[entry(&exception("confirmed", "1"))]));
        assert!(lonely.master.is_none());
        let still = fold(Some(&lonely.snapshot()), &[entry(&exception("cancelled", "2"))]);
        assert_eq!(still, Folded::Gone);
        assert_eq!(alone(&[entry(&exception("cancelled", "1"))]), Folded::Gone);
    }

    #[test]
    fn what_repeats_changes_nothing_and_the_last_word_counts() {
        let entries = [entry(&master()), entry(&exception("confirmed", "2"))];
        let held = present(fold(None, &entries)).snapshot();
        assert_eq!(fold(Some(&held), &entries), Folded::Present(held.clone()));
        let older = present(fold(Some(&held), &[entry(&exception("cancelled", "1"))]));
        assert!(!is_cancelled(&older.exceptions["20261111T090000Z"]), "an entry older than what is held");
        let deleted = json!({ "id": "m", "status": "cancelled" });
        assert_eq!(fold(Some(&held), &[entry(&deleted)]), Folded::Gone);
        assert_eq!(fold(None, &[entry(&deleted)]), Folded::Gone);
        assert!(matches!(fold(Some(&held), &[entry(&deleted), entry(&master())]), Folded::Present(_)), "revived");
    }

    #[test]
    fn a_series_that_became_single_forgets_its_exceptions() {
        let held = present(fold(None, &[entry(&master()), entry(&exception("confirmed", "1"))])).snapshot();
        let mut single = master();
        single.as_object_mut().expect("an object").remove("recurrence");
        assert!(present(fold(Some(&held), &[entry(&single)])).exceptions.is_empty());
    }
}
