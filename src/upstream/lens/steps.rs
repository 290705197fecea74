//! What has to be written so that an item says what is wanted of it.

use serde_json::{Map, Value};

use super::fields::patch;
use super::held::{Event, Held, is_cancelled};
use super::said::Said;
use super::time;

/// What one exception needs.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::upstream) enum Step {
    /// These fields.
    Patch(Map<String, Value>),
    /// Its removal.
    Remove,
}

/// What would change the item's own event: empty where it says so already.
pub(in crate::upstream) fn of_master(held: &Held, wanted: &Held) -> Map<String, Value> {
    match (&held.master, &wanted.master) {
        (Some(held), Some(wanted)) => patch(held, wanted),
        _ => Map::new(),
    }
}

/// Whether the item says all that is wanted of it.
pub(in crate::upstream) fn says(held: &Held, wanted: &Held) -> bool {
    of_master(held, wanted).is_empty()
        && of_exceptions(held, wanted).is_empty()
        && held.master.is_some() == wanted.master.is_some()
}

/// Whether the item says all that was sent of it, and of no other instance than was sent.
pub(in crate::upstream) fn echoes(held: &Held, sent: &Held) -> bool {
    says(held, sent) && held.exceptions.keys().all(|slot| sent.exceptions.contains_key(slot))
}

/// What would change its exceptions, in the order of slots.
pub(in crate::upstream) fn of_exceptions(held: &Held, wanted: &Held) -> Vec<(String, Step)> {
    let step = |(slot, wanted): (&String, &Event)| {
        let known = held.exceptions.get(slot);
        let step = match (is_cancelled(wanted), known) {
            (true, Some(known)) if is_cancelled(known) => return None,
            (true, _) => Step::Remove,
            // What a cancelled exception still says is nobody's word.
            (false, Some(known)) if is_cancelled(known) => Step::Patch(wanted.clone()),
            (false, known) => {
                let usual = || held.master.as_ref().and_then(|master| usual(master, slot)).unwrap_or_default();
                let fields = match known {
                    Some(known) => patch(known, wanted),
                    None => patch(&usual(), wanted),
                };
                if fields.is_empty() {
                    return None;
                }
                Step::Patch(fields)
            }
        };
        Some((slot.clone(), step))
    };
    wanted.exceptions.iter().filter_map(step).collect()
}

/// The instance of a series in a slot, as Google shows it before anybody changed it.
pub(in crate::upstream) fn usual(master: &Event, slot: &str) -> Option<Event> {
    let said = Said::of_json(master, "UTC")?;
    let slot = time::At::of_key(slot, said.start.zone().unwrap_or("UTC"))?;
    let instance = said.in_slot(&slot);
    let mut event = master.clone();
    event.remove("recurrence");
    event.insert("start".into(), instance.start.to_json());
    event.insert("end".into(), instance.end.to_json());
    Some(event)
}
