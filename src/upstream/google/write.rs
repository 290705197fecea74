//! Writing: one call for the event itself, then one for each exception that differs.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::super::{At, Failure, Written};
use super::Google;
use super::refusal::Asked;
use crate::domain::sync::RemoteId;
use crate::upstream::lens::fields::{OWN_ID, body};
use crate::upstream::lens::held::{Event, Held, is_cancelled, text};
use crate::upstream::lens::steps::{Step, of_exceptions, of_master};
use crate::upstream::lens::theirs::without_theirs;
use crate::upstream::lens::time;

/// Whether a change reaches exceptions that its conditions do not protect: a series' tag says nothing of them, although
/// its change may reset them; and one that is not known here has no tag to name.
fn is_blind(held: &Held, wanted: &Held, of_master: &Map<String, Value>) -> bool {
    let any = !held.exceptions.is_empty() || !wanted.exceptions.is_empty();
    let unknown = || of_exceptions(held, wanted).iter().any(|(slot, _)| !held.exceptions.contains_key(slot));
    any && (!of_master.is_empty() || unknown())
}

/// Whether nobody touched an exception since it was heard of.
fn same_exceptions(now: &Held, held: &Held) -> bool {
    let live = |held: &Held| -> BTreeMap<String, String> {
        let live = held.exceptions.iter().filter(|(_, event)| !is_cancelled(event));
        live.map(|(slot, event)| (slot.clone(), text(event, "etag").to_owned())).collect()
    };
    // Google forgets what was cancelled long ago; what it tells of now has to be known.
    let mut cancelled = now.exceptions.iter().filter(|(_, event)| is_cancelled(event));
    live(now) == live(held) && cancelled.all(|(slot, _)| held.exceptions.get(slot).is_some_and(is_cancelled))
}

impl Google {
    pub(super) async fn insert(
        &self,
        at: At<'_>,
        id: &RemoteId,
        wanted: &Held,
        invite: bool,
    ) -> Result<Written, Failure> {
        let Some(event) = &wanted.master else {
            return Err(Failure::Refused("an instance without its series cannot be created at Google".into()));
        };
        let mut fields = body(event);
        own(&mut fields, id);
        let mut new = fields.clone();
        new.insert("id".into(), json!(id.as_str()));
        let call =
            self.call(Asked::Writing, Method::POST, at, &["events"]).with("sendUpdates", updates(invite)).body(new);
        let master = match self.send(call, at.secret).await {
            Err(Failure::Exists) => self.revive(at, id, fields, invite).await?,
            answer => event_of(answer?)?,
        };
        let held = Held { master: Some(master), exceptions: [].into() };
        Ok(self.exceptions(at, id, held, wanted, invite).await)
    }

    /// An id that was used and deleted cannot be inserted again: what it names is written anew and brought back.
    async fn revive(
        &self,
        at: At<'_>,
        id: &RemoteId,
        mut fields: Map<String, Value>,
        invite: bool,
    ) -> Result<Event, Failure> {
        let known = match self.event(at, id.as_str()).await {
            Ok(known) => known,
            Err(Failure::Gone) => {
                return Err(Failure::Transient("Google has the id and does not show it".into(), None));
            }
            Err(other) => return Err(other),
        };
        if !is_cancelled(&known) {
            return Err(Failure::Exists);
        }
        fields.entry("status").or_insert_with(|| json!("confirmed"));
        let call = self
            .call(Asked::Writing, Method::PUT, at, &["events", id.as_str()])
            .with("sendUpdates", updates(invite))
            .if_match(text(&known, "etag"))
            .body(fields);
        event_of(self.send(call, at.secret).await?)
    }

    pub(super) async fn change(
        &self,
        at: At<'_>,
        id: &RemoteId,
        mut held: Held,
        wanted: &Held,
        invite: bool,
    ) -> Result<Written, Failure> {
        let mut fields = of_master(&held, wanted);
        if is_blind(&held, wanted, &fields)
            && !self.whole(at, id).await?.is_some_and(|now| same_exceptions(&now, &held))
        {
            return Err(Failure::Changed);
        }
        if let (false, Some(known)) = (fields.is_empty(), &held.master) {
            if let Some(properties) = wanted.master.as_ref().and_then(|event| event.get("extendedProperties")) {
                fields.insert("extendedProperties".into(), properties.clone());
                own(&mut fields, id);
            }
            let call = self
                .call(Asked::Writing, Method::PATCH, at, &["events", id.as_str()])
                .with("sendUpdates", updates(invite))
                .if_match(text(known, "etag"))
                .body(fields);
            let changed = event_of(self.send(call, at.secret).await?)?;
            let has_exceptions = !held.exceptions.is_empty() || !wanted.exceptions.is_empty();
            held.master = Some(changed);
            if has_exceptions {
                // The change may have reset exceptions: what they say now is what counts, but for what somebody else did.
                match self.whole(at, id).await {
                    Ok(Some(now)) => {
                        let (known, theirs) = without_theirs(&held, now, wanted);
                        if theirs {
                            return Ok(written(id, known, Some(Failure::Changed)));
                        }
                        held = known;
                    }
                    Ok(None) => return Ok(written(id, held, Some(Failure::Changed))),
                    Err(failure) => return Ok(written(id, held, Some(failure))),
                }
            } else if !held.master.as_ref().is_some_and(|event| event.contains_key("recurrence")) {
                held.exceptions.clear();
            }
        }
        Ok(self.exceptions(at, id, held, wanted, invite).await)
    }

    /// Carries out what is wanted of the exceptions, one after the other.
    async fn exceptions(&self, at: At<'_>, id: &RemoteId, mut held: Held, wanted: &Held, invite: bool) -> Written {
        let mut left = None;
        for (slot, step) in of_exceptions(&held, wanted) {
            let known = held.exceptions.get(&slot);
            let name = known.map(|event| text(event, "id").to_owned()).filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| format!("{}_{slot}", id.as_str()));
            let etag = known.map(|event| text(event, "etag").to_owned()).unwrap_or_default();
            match self.step(at, id, &slot, &name, &etag, step, invite).await {
                Ok(event) => {
                    held.exceptions.insert(slot, event);
                }
                Err(Failure::Gone) if self.is_changed(at, id, &held, wanted).await => {
                    return written(id, held, Some(Failure::Changed));
                }
                Err(failure @ (Failure::Refused(_) | Failure::Gone)) => {
                    // This one cannot be said; the others can.
                    let failure = match failure {
                        Failure::Gone => Failure::Refused("Google has no instance at that time".into()),
                        other => other,
                    };
                    left.get_or_insert(failure);
                }
                Err(failure) => return written(id, held, Some(failure)),
            }
        }
        written(id, held, left)
    }

    /// Whether somebody else changed it since, as far as that can be asked.
    async fn is_changed(&self, at: At<'_>, id: &RemoteId, held: &Held, wanted: &Held) -> bool {
        match self.whole(at, id).await {
            Ok(Some(now)) => without_theirs(held, now, wanted).1,
            Ok(None) => true,
            Err(_) => false,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one exception is named by all of these")]
    async fn step(
        &self,
        at: At<'_>,
        id: &RemoteId,
        slot: &str,
        name: &str,
        etag: &str,
        step: Step,
        invite: bool,
    ) -> Result<Event, Failure> {
        match step {
            Step::Patch(fields) => {
                let call = self
                    .call(Asked::Writing, Method::PATCH, at, &["events", name])
                    .with("sendUpdates", updates(invite))
                    .if_match(etag)
                    .body(fields);
                event_of(self.send(call, at.secret).await?)
            }
            Step::Remove => {
                self.remove(at, name, etag, invite).await?;
                let mut event = Event::new();
                event.insert("id".into(), json!(name));
                event.insert("recurringEventId".into(), json!(id.as_str()));
                event.insert("status".into(), json!("cancelled"));
                if let Some(slot) = time::At::of_key(slot, "UTC") {
                    event.insert("originalStartTime".into(), slot.to_json());
                }
                Ok(event)
            }
        }
    }

    /// Deletes one event or instance. Gone already is done.
    pub(super) async fn remove(&self, at: At<'_>, name: &str, etag: &str, invite: bool) -> Result<(), Failure> {
        let call = self
            .call(Asked::Writing, Method::DELETE, at, &["events", name])
            .with("sendUpdates", updates(invite))
            .if_match(etag);
        match self.send(call, at.secret).await {
            Ok(_) | Err(Failure::Gone) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

fn written(id: &RemoteId, held: Held, left: Option<Failure>) -> Written {
    Written { id: id.clone(), item: held.snapshot(), left }
}

/// Nobody is mailed unless a user asked for exactly that.
fn updates(invite: bool) -> &'static str {
    if invite { "all" } else { "none" }
}

/// Our properties name the event they are on.
fn own(fields: &mut Map<String, Value>, id: &RemoteId) {
    let private = fields.get_mut("extendedProperties").and_then(|all| all.get_mut("private"));
    if let Some(private) = private.and_then(Value::as_object_mut) {
        private.insert(OWN_ID.into(), json!(id.as_str()));
    }
}

/// The event that a write gave back. Without one nobody knows what is there now.
fn event_of(answer: Value) -> Result<Event, Failure> {
    match answer {
        Value::Object(event) if !text(&event, "id").is_empty() => Ok(event),
        _ => Err(Failure::Unknown("the answer is no event".into())),
    }
}
