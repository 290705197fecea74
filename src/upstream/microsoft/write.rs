//! Writing: one call for the event itself, then one for each instance that differs. What is there in the end is read
//! again, since a change of an instance changes its series.

use http::Method;
use jiff::ToSpan;
use serde_json::{Map, Value, json};

use super::super::lens::fields::{OWN_ID, body, own_property};
use super::super::lens::held::{Event, Held, is_cancelled, text};
use super::super::lens::steps::{Step, of_exceptions, of_master};
use super::super::lens::theirs::{follow, without_theirs};
use super::super::lens::time;
use super::super::{At, Failure, Written};
use super::body::{Invite, of};
use super::read::{self, OWN_KEY};
use super::refusal::Asked;
use super::{Microsoft, transaction};
use crate::domain::sync::RemoteId;

/// How often a transaction is begun anew whose first event was deleted since: Graph remembers it and gives nothing back.
const TRANSACTIONS_MAX: usize = 4;
/// Pages of the instances around one slot.
const INSTANCE_PAGES_MAX: usize = 5;
/// What guests are told of when it changes.
const TOLD: [&str; 6] = ["summary", "location", "description", "start", "end", "recurrence"];

/// Fields as Graph takes them.
///
/// # Errors
/// A rule without a pattern: writing nothing in its place would end the series.
fn graph(fields: &Event, whole: &Event, invite: Invite) -> Result<Map<String, Value>, Failure> {
    let out = of(fields, whole, invite);
    let has_rule = whole.get("recurrence").and_then(Value::as_array).is_some_and(|lines| !lines.is_empty());
    if has_rule && out.get("recurrence").is_some_and(Value::is_null) {
        return Err(Failure::Refused("Outlook has no pattern for the rule it repeats by".into()));
    }
    Ok(out)
}

impl Microsoft {
    pub(super) async fn insert(
        &self,
        at: At<'_>,
        key: &str,
        wanted: &Held,
        invite: Invite,
    ) -> Result<Written, Failure> {
        let Some(event) = &wanted.master else {
            return Err(Failure::Refused("an instance without its series cannot be created at Outlook".into()));
        };
        let mut fields = body(event);
        let base = transaction(key);
        own(&mut fields, &base, Some(&base));
        let mut new = graph(&fields, event, invite)?;
        if fields.get("recurrence").is_none() {
            new.remove("recurrence");
        }
        for attempt in 0..TRANSACTIONS_MAX {
            let name = if attempt == 0 { base.clone() } else { format!("{base}-{attempt}") };
            new.insert("transactionId".into(), json!(name));
            let call = self.call(Asked::Writing, Method::POST, at, &["events"]).body(new.clone());
            match self.ask(call, at).await {
                Err(Failure::Exists) => {
                    if self.created(at, &base).await?.is_some() {
                        return Err(Failure::Exists);
                    }
                }
                answer => {
                    let mut master = event_of(answer?)?;
                    let id = RemoteId(text(&master, "id").to_owned());
                    carried(&mut master, &fields, &id);
                    let held = Held { master: Some(master), exceptions: [].into() };
                    return Ok(self.exceptions(at, &id, held, wanted, invite, false).await);
                }
            }
        }
        Err(Failure::Transient("Outlook remembers the event and does not show it".into(), None))
    }

    pub(super) async fn change(
        &self,
        at: At<'_>,
        id: &RemoteId,
        mut held: Held,
        wanted: &Held,
        invite: Invite,
    ) -> Result<Written, Failure> {
        let mut fields = of_master(&held, wanted);
        if invite == Invite::No {
            fields.remove("attendees");
        }
        // An instance that was taken away cannot be put back: the series is begun anew, without its exceptions.
        let restores = wanted
            .exceptions
            .iter()
            .any(|(slot, event)| !is_cancelled(event) && held.exceptions.get(slot).is_some_and(is_cancelled));
        if restores && let Some(event) = &wanted.master {
            for name in ["recurrence", "start", "end"] {
                fields.insert(name.into(), event.get(name).cloned().unwrap_or_default());
            }
        }
        let (Some(known), Some(event)) = (&held.master, &wanted.master) else {
            return Ok(self.exceptions(at, id, held, wanted, invite, false).await);
        };
        if fields.is_empty() {
            return Ok(self.exceptions(at, id, held, wanted, invite, false).await);
        }
        tells_guests(known, &fields, invite)?;
        let resets = ["recurrence", "start", "end"].iter().any(|name| fields.contains_key(*name));
        let mut wanted = wanted.clone();
        if resets && event.get("recurrence").and_then(Value::as_array).is_some_and(|lines| !lines.is_empty()) {
            // What was taken away stays so, if the series forgets it now.
            for (slot, gone) in held.exceptions.iter().filter(|(_, event)| is_cancelled(event)) {
                wanted.exceptions.entry(slot.clone()).or_insert_with(|| gone.clone());
            }
        }
        if let Some(properties) = event.get("extendedProperties") {
            fields.insert("extendedProperties".into(), properties.clone());
            own(&mut fields, id.as_str(), None);
        }
        let etag = text(known, "etag").to_owned();
        let call = self
            .call(Asked::Writing, Method::PATCH, at, &["events", id.as_str()])
            .if_match(&etag)
            .body(graph(&fields, event, invite)?);
        let key = own_property(known, OWN_KEY).map(str::to_owned);
        let mut changed = event_of(self.ask(call, at).await?)?;
        carried(&mut changed, &fields, id);
        if let (Some(key), Some(private)) = (key, private_of(&mut changed)) {
            private.insert(OWN_KEY.into(), json!(key));
        }
        let had_exceptions = !held.exceptions.is_empty() || !wanted.exceptions.is_empty();
        let was = held.master.replace(changed).unwrap_or_default();
        if had_exceptions {
            // The change may have reset exceptions: what they say now is what counts, but for what somebody else did.
            match self.whole(at, id.as_str()).await {
                Ok(Some(now)) => {
                    let (known, theirs) = without_theirs(&held, now, &wanted);
                    if theirs {
                        return Ok(written(id, known, Some(Failure::Changed)));
                    }
                    held = known;
                }
                Ok(None) => return Ok(written(id, held, Some(Failure::Changed))),
                Err(failure) => {
                    follow(&mut held, &was);
                    return Ok(written(id, held, Some(failure)));
                }
            }
        } else {
            held.exceptions.clear();
        }
        Ok(self.exceptions(at, id, held, &wanted, invite, true).await)
    }

    /// Carries out what is wanted of the instances, one after the other, and reads what came of it. `reset`: the series
    /// was begun anew, so that what is to be taken away may not be there.
    async fn exceptions(
        &self,
        at: At<'_>,
        id: &RemoteId,
        mut held: Held,
        wanted: &Held,
        invite: Invite,
        reset: bool,
    ) -> Written {
        let mut left = None;
        let mut done = false;
        for (slot, step) in of_exceptions(&held, wanted) {
            match self.step(at, id, &held, (&slot, &step), wanted, invite).await {
                Ok(answer) => {
                    done = true;
                    held.exceptions.insert(slot, answer);
                }
                Err(Failure::Gone) if step == Step::Remove => done |= reset,
                Err(failure @ (Failure::Refused(_) | Failure::Gone)) => {
                    // This one cannot be said; the others can.
                    let failure = match failure {
                        Failure::Gone => {
                            // Unless somebody took it away just now, which is told by what is there.
                            done = true;
                            Failure::Refused("Outlook has no instance at that time".into())
                        }
                        other => other,
                    };
                    left.get_or_insert(failure);
                }
                Err(failure) => {
                    left = Some(failure);
                    break;
                }
            }
        }
        if !done {
            return written(id, held, left);
        }
        match self.whole(at, id.as_str()).await {
            Ok(Some(now)) => match without_theirs(&held, now, wanted) {
                (known, true) => written(id, known, Some(Failure::Changed)),
                (known, false) => written(id, known, left),
            },
            Ok(None) => written(id, held, Some(Failure::Changed)),
            Err(failure) => written(id, held, Some(left.unwrap_or(failure))),
        }
    }

    async fn step(
        &self,
        at: At<'_>,
        id: &RemoteId,
        held: &Held,
        (slot, step): (&str, &Step),
        wanted: &Held,
        invite: Invite,
    ) -> Result<Event, Failure> {
        let known = held.exceptions.get(slot).filter(|event| !is_cancelled(event));
        let (name, etag) = match known {
            Some(event) => (text(event, "id").to_owned(), text(event, "etag").to_owned()),
            None => (self.instance(at, id, held, slot).await?, String::new()),
        };
        let guests = known.or(held.master.as_ref());
        match step {
            Step::Patch(fields) => {
                let mut fields = fields.clone();
                if invite == Invite::No {
                    fields.remove("attendees");
                }
                if let Some(event) = guests {
                    tells_guests(event, &fields, invite)?;
                }
                let whole = wanted.exceptions.get(slot).unwrap_or(&fields);
                let call = self
                    .call(Asked::Writing, Method::PATCH, at, &["events", &name])
                    .if_match(&etag)
                    .body(graph(&fields, whole, invite)?);
                let answer = self.ask(call, at).await?;
                let mut event =
                    answer.as_object().and_then(|raw| read::event(raw).ok()).unwrap_or_else(|| whole.clone());
                event.remove("recurrence");
                Ok(event)
            }
            Step::Remove => {
                if let Some(event) = guests {
                    may_be_deleted(event, invite)?;
                }
                let call = self.call(Asked::Writing, Method::DELETE, at, &["events", &name]).if_match(&etag);
                self.ask(call, at).await?;
                Ok(wanted.exceptions.get(slot).cloned().unwrap_or_default())
            }
        }
    }

    /// The name of the instance in a slot that nobody changed yet.
    async fn instance(&self, at: At<'_>, id: &RemoteId, held: &Held, slot: &str) -> Result<String, Failure> {
        match self.listed_instance(at, id, held, slot).await {
            // A listing may leave something out; what is left out twice is not there.
            Err(Failure::Gone) => self.listed_instance(at, id, held, slot).await,
            found => found,
        }
    }

    async fn listed_instance(&self, at: At<'_>, id: &RemoteId, held: &Held, slot: &str) -> Result<String, Failure> {
        let start = held.master.as_ref().and_then(|event| time::At::of_json(event.get("start")?, "UTC"));
        let slot = start.as_ref().and_then(|start| time::At::of_key(slot, start.zone().unwrap_or("UTC")));
        let (Some(start), Some(slot)) = (start, slot) else { return Err(Failure::Gone) };
        let middle = match &slot {
            time::At::Day(date) => date.at(12, 0, 0, 0),
            time::At::Time { at, .. } => time::zone_of("UTC").local(*at),
        };
        let stamp = |local: jiff::civil::DateTime| local.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let call = self
            .call(Asked::Listing, Method::GET, at, &["events", id.as_str(), "instances"])
            .with("startDateTime", stamp(middle.saturating_sub(2.days())))
            .with("endDateTime", stamp(middle.saturating_add(2.days())));
        let mut answer = self.ask(call, at).await.map_err(|failure| match failure {
            Failure::CalendarGone(_) => Failure::Gone,
            other => other,
        })?;
        for _ in 0..INSTANCE_PAGES_MAX {
            let (entries, next) = super::list::page(&answer)?;
            let found = entries.iter().filter_map(Value::as_object).find(|one| {
                let told = read::slot(one, &start).or_else(|| {
                    // An untouched instance is where its start is.
                    let event = read::event(one).ok()?;
                    time::At::of_json(event.get("start")?, "UTC")
                });
                told.is_some_and(|told| told.same_moment(&slot))
            });
            if let Some(one) = found {
                return Ok(text(one, "id").to_owned());
            }
            let Some(next) = next.map(str::to_owned) else { return Err(Failure::Gone) };
            answer = self.follow(Asked::Listing, at, &next).await?;
        }
        Err(Failure::Gone)
    }

    /// Deletes one event. Gone already is done.
    pub(super) async fn remove(
        &self,
        at: At<'_>,
        name: &str,
        held: Option<&Event>,
        invite: Invite,
    ) -> Result<(), Failure> {
        if let Some(event) = held {
            may_be_deleted(event, invite)?;
        }
        let etag = held.map(|event| text(event, "etag")).unwrap_or_default();
        let call = self.call(Asked::Writing, Method::DELETE, at, &["events", name]).if_match(etag);
        match self.ask(call, at).await {
            Ok(_) | Err(Failure::Gone) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

fn has_guests(event: &Event) -> bool {
    event.get("attendees").and_then(Value::as_array).is_some_and(|all| !all.is_empty())
}

/// Outlook tells guests of every change, and nobody can keep it from that: what nobody asked it to tell is not written.
fn tells_guests(event: &Event, fields: &Event, invite: Invite) -> Result<(), Failure> {
    if invite == Invite::No && has_guests(event) && TOLD.iter().any(|name| fields.contains_key(*name)) {
        return Err(Failure::Refused(
            "Outlook would mail the guests about this change, which nobody here asked it to: make it in Outlook, or make it here as \
             the organiser on a link that invites attendees"
                .into(),
        ));
    }
    Ok(())
}

fn may_be_deleted(event: &Event, invite: Invite) -> Result<(), Failure> {
    if invite == Invite::No && has_guests(event) {
        return Err(Failure::Refused(
            "Outlook would mail the guests that it is cancelled, which nobody here asked it to: delete it in Outlook, or make \
             the change here as the organiser on a link that invites attendees"
                .into(),
        ));
    }
    Ok(())
}

fn written(id: &RemoteId, held: Held, left: Option<Failure>) -> Written {
    Written { id: id.clone(), item: held.snapshot(), left }
}

fn private_of(event: &mut Event) -> Option<&mut Map<String, Value>> {
    event.get_mut("extendedProperties")?.get_mut("private")?.as_object_mut()
}

/// Our properties name the event they are on.
fn own(fields: &mut Event, id: &str, key: Option<&str>) {
    if let Some(private) = private_of(fields) {
        private.insert(OWN_ID.into(), json!(id));
        if let Some(key) = key {
            private.insert(OWN_KEY.into(), json!(key));
        }
    }
}

/// The answer to a write has no properties of ours; they are what was written.
fn carried(event: &mut Event, fields: &Event, id: &RemoteId) {
    if let Some(properties) = fields.get("extendedProperties") {
        event.insert("extendedProperties".into(), properties.clone());
        own(event, id.as_str(), None);
    }
}

/// The event that a write gave back. Without one nobody knows what is there now.
fn event_of(answer: Value) -> Result<Event, Failure> {
    let raw = answer.as_object().filter(|event| !text(event, "id").is_empty());
    let raw = raw.ok_or_else(|| Failure::Unknown("the answer is no event".into()))?;
    read::item(raw, None).master.ok_or_else(|| Failure::Unknown("the answer is no event".into()))
}
