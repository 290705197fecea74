//! What somebody else did to an item while we wrote it in several calls: it is read again after them, and what neither
//! they nor the provider's own rules explain is not what both sides agreed on.

use super::fields::{WRITTEN, differs};
use super::held::{Event, Held, is_cancelled, text};
use super::steps::usual;

/// What is there `now`, without what was done meanwhile by somebody else; and whether there is any of that. `before`: what
/// was there, with the answers of our calls in it; `wanted`: what we are about to say, or have said.
pub(in crate::upstream) fn without_theirs(before: &Held, now: Held, wanted: &Held) -> (Held, bool) {
    let mut known = now;
    let mut any = false;
    if let (Some(master), Some(was)) = (&known.master, &before.master)
        && !is_same(master, was)
        && WRITTEN.iter().any(|name| differs(name, master, was))
    {
        known.master = Some(was.clone());
        any = true;
    }
    let master = known.master.clone().unwrap_or_default();
    let slots: Vec<String> = known.exceptions.keys().cloned().collect();
    for slot in slots {
        let (was, ours) = (before.exceptions.get(&slot), wanted.exceptions.get(&slot));
        let Some(told) = known.exceptions.get(&slot) else { continue };
        let explained = match (is_cancelled(told), was) {
            (_, Some(was)) if is_same(told, was) => true,
            (true, was) => was.is_some_and(is_cancelled) || ours.is_some_and(is_cancelled),
            (false, was) => {
                let was = was.filter(|was| !is_cancelled(was));
                // A field that an instance has not of its own follows its series.
                let usual = usual(&master, &slot);
                let sources: Vec<&Event> = was.into_iter().chain(ours).chain(usual.as_ref()).collect();
                WRITTEN.iter().all(|name| sources.iter().any(|source| !differs(name, told, source)))
            }
        };
        if !explained {
            any = true;
            match was {
                Some(was) => known.exceptions.insert(slot, was.clone()),
                None => known.exceptions.remove(&slot),
            };
        }
    }
    (known, any)
}

/// The instances after their series was changed, where that cannot be read: what they had of it follows it.
pub(in crate::upstream) fn follow(held: &mut Held, was: &Event) {
    let Some(master) = &held.master else { return };
    for event in held.exceptions.values_mut().filter(|event| !is_cancelled(event)) {
        for name in WRITTEN.iter().filter(|name| !["start", "end", "recurrence", "status"].contains(*name)) {
            if differs(name, master, was) && !differs(name, event, was) {
                match master.get(*name) {
                    Some(value) => event.insert((*name).to_owned(), value.clone()),
                    None => event.remove(*name),
                };
            }
        }
    }
}

fn is_same(one: &Event, other: &Event) -> bool {
    !text(one, "etag").is_empty() && text(one, "etag") == text(other, "etag")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(title: &str, extra: &Value) -> Value {
        let mut event = json!({ "id": "m", "status": "confirmed", "summary": title,
            "start": { "dateTime": "2026-11-10T09:00:00Z" }, "end": { "dateTime": "2026-11-10T10:00:00Z" } });
        if let (Some(event), Some(extra)) = (event.as_object_mut(), extra.as_object()) {
            event.extend(extra.clone());
        }
        event
    }

    fn held(master: &str, exceptions: &Value) -> Held {
        let master = event(master, &json!({ "recurrence": ["RRULE:FREQ=DAILY"] }));
        serde_json::from_value(json!({ "master": master, "exceptions": exceptions })).expect("a snapshot")
    }

    fn on_11th(title: &str) -> Value {
        event(
            title,
            &json!({ "start": { "dateTime": "2026-11-11T09:00:00Z" }, "end": { "dateTime": "2026-11-11T10:00:00Z" } }),
        )
    }

    const SLOT: &str = "20261111T090000Z";

    #[test]
    fn what_follows_the_series_or_what_we_say_is_not_theirs() {
        let before = held("new", &json!({ SLOT: on_11th("old") }));
        for title in ["old", "new", "ours"] {
            let now = held("new", &json!({ SLOT: on_11th(title) }));
            let wanted = held("new", &json!({ SLOT: on_11th("ours") }));
            assert_eq!(without_theirs(&before, now.clone(), &wanted), (now, false), "{title}");
        }
        let reset = held("new", &json!({}));
        assert_eq!(without_theirs(&before, reset.clone(), &reset), (reset, false));
    }

    #[test]
    fn what_an_instance_has_of_its_series_follows_it() {
        let (was, mut now) = (held("old", &json!({})), held("new", &json!({ SLOT: on_11th("old") })));
        follow(&mut now, was.master.as_ref().expect("a series"));
        assert_eq!(now, held("new", &json!({ SLOT: on_11th("new") })));
        let mut own = held("new", &json!({ SLOT: on_11th("own") }));
        follow(&mut own, was.master.as_ref().expect("a series"));
        assert_eq!(own, held("new", &json!({ SLOT: on_11th("own") })));
    }

    #[test]
    fn what_nobody_here_said_is_left_out_part_by_part() {
        let before = held("new", &json!({ SLOT: on_11th("old") }));
        let gone = json!({ "id": "m_x", "status": "cancelled" });
        for told in [on_11th("theirs"), gone.clone()] {
            let now = held("new", &json!({ SLOT: told }));
            assert_eq!(without_theirs(&before, now, &before), (before.clone(), true));
        }
        let plain = held("new", &json!({}));
        for told in [on_11th("theirs"), gone] {
            let now = held("new", &json!({ SLOT: told }));
            assert_eq!(without_theirs(&plain, now, &plain), (plain.clone(), true));
        }
        let now = held("theirs", &json!({ SLOT: on_11th("old") }));
        assert_eq!(without_theirs(&before, now, &before), (before.clone(), true));
    }
}
