//! One decision carried out here: object, mapping, outbox, conflict and record in one transaction.

use std::collections::HashMap;

use super::hear::News;
use super::loss::Loss;
use super::record::Deed;
use super::{Engine, Job, Stop};
use crate::domain::access::Right;
use crate::domain::change::{Cause, Guard};
use crate::domain::ids::{ObjectId, ResourceName};
use crate::domain::object::CalendarObject;
use crate::domain::sync::{Calling, MappingState, Origin, ParkReason, RemoteId, Snapshot, apart};
use crate::domain::time::MINUTE_MS;
use crate::store::{Buried, Mapping, PutError, PutOutcome, StoreError, StoredObject, WriteTx, Writing};
use crate::sync::decide::{Act, Ground, Heard, Local, heard};
use crate::sync::merge::Prefer;
use crate::sync::{mark, project};
use crate::upstream::{Folded, Lens};

/// After a decision on a mapping, automatic policies leave a new conflict to a person for so long, so that two sides do
/// not overwrite each other in turns.
const COOL_DOWN_MS: i64 = 10 * MINUTE_MS;

/// An object as decisions see it.
pub(super) fn local_of(stored: StoredObject, by_link: Option<String>) -> Result<Local, StoreError> {
    let object = CalendarObject::from_stored(stored.bytes).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    Ok(Local { head: stored.head, object, by_link })
}

impl Engine {
    pub(super) fn ground<'a>(&self, job: &'a Job, mark: &'a str, decision: Option<&'a Prefer>) -> Ground<'a> {
        let policy = &job.link.settings.policy;
        let lens = Lens { zone: &job.link.zone, mark, attendees_live: policy.invite_attendees };
        let whole = job.link.cursor.is_none() || job.up.lists_all();
        Ground { up: &*job.up, link: &job.link, lens, now: self.store().now(), whole, decision }
    }

    /// Applies what a page says of some items; what it takes away is added to the losses.
    pub(super) async fn apply_news(
        &self,
        job: &mut Job,
        news: &[News],
        generation: i64,
        losses: &mut Vec<Loss>,
    ) -> Result<(), Stop> {
        let mut tx = self.held(job).await?;
        self.apply_in(&mut tx, job, news, generation, losses).await?;
        tx.commit().await?;
        Ok(())
    }

    /// As [`Engine::apply_news`], in a transaction that somebody else commits or takes back.
    pub(super) async fn apply_in(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        news: &[News],
        generation: i64,
        losses: &mut Vec<Loss>,
    ) -> Result<(), Stop> {
        let ids: Vec<&RemoteId> = news.iter().map(|n| &n.id).collect();
        tx.mark_seen(&job.lease, generation, &ids).await?;
        let found = tx.mappings_by_remote(&job.lease.firm, &job.lease.link, &ids).await?;
        let mut mappings: HashMap<RemoteId, Mapping> =
            found.into_iter().filter_map(|m| Some((m.remote.clone()?, m))).collect();
        for one in news {
            let mapping = mappings.remove(&one.id);
            match &one.folded {
                Folded::Present(item) => {
                    self.apply_item(tx, job, mapping, &one.id, item, generation, None).await?;
                }
                Folded::Gone => losses.extend(mapping.map(|m| Loss { mapping: m.id })),
                Folded::Incomplete => {}
            }
        }
        Ok(())
    }

    /// Applies what one item says. `decision`: somebody decided the mapping's conflict.
    #[expect(clippy::too_many_arguments, reason = "one item, its mapping and where they come from")]
    pub(super) async fn apply_item(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        mapping: Option<Mapping>,
        id: &RemoteId,
        item: &Snapshot,
        generation: i64,
        decision: Option<&Prefer>,
    ) -> Result<(), Stop> {
        let (mapping, local) = match self.meet(tx, job, mapping, item).await? {
            Met::Known(mapping, local) => (mapping, local),
            Met::OwnCopy => {
                let parked = MappingState::Parked(ParkReason::OwnCopy);
                let mapping = self.fresh(tx, None, id, item, generation, parked);
                return Ok(tx.put_mapping(&job.lease, &mapping).await?);
            }
        };
        let act = heard(&self.ground(job, "", decision), mapping.as_ref(), local.as_ref(), Heard::Item(item));
        let mut mapping = mapping.unwrap_or_else(|| {
            let object = local.as_ref().map(|l| l.head.id.clone());
            self.fresh(tx, object, id, item, generation, MappingState::Synced)
        });
        // A create of which nobody heard what the provider called it is heard of under that name.
        mapping.remote.get_or_insert_with(|| id.clone());
        self.act(tx, job, mapping, local, Some(item), act).await
    }

    /// What an item without a mapping belongs to: by our mark, else by its UID.
    async fn meet(&self, tx: &mut WriteTx, job: &Job, mapping: Option<Mapping>, item: &Snapshot) -> Result<Met, Stop> {
        if let Some(mapping) = mapping {
            let local = match &mapping.object {
                Some(object) => self.local(tx, job, object).await?,
                None => None,
            };
            return Ok(Met::Known(Some(mapping), local));
        }
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        if let Some(root) = job.up.mark(item).and_then(|m| mark::verified(self.store(), &m)) {
            let mapped = tx.mapping_of_object(firm, link, &root).await?;
            let local = self.local(tx, job, &root).await?;
            match (mapped, local) {
                // Our own create, whose name over there was not noted any more.
                (Some(mapping), local) if mapping.remote.is_none() => return Ok(Met::Known(Some(mapping), local)),
                (None, Some(local)) => return Ok(Met::Known(None, Some(local))),
                // A copy that somebody made of our event, with our mark in it: an event of its own.
                (Some(_), _) => return Ok(Met::Known(None, None)),
                // Ours, from another calendar of the same person: shown there already, not carried in circles.
                (None, None) if tx.object_by_id(&job.caller, &apart::whole(&root), Right::Read).await?.is_some() => {
                    return Ok(Met::OwnCopy);
                }
                (None, None) => {}
            }
        }
        let Some(uid) = job.up.uid(item) else { return Ok(Met::Known(None, None)) };
        let Some(stored) = tx.object_by_uid(&job.access, &uid).await? else {
            return Ok(Met::Known(None, self.twin(tx, job, item).await?));
        };
        let mapped = tx.mapping_of_object(firm, link, &stored.head.id).await?;
        match mapped {
            None => Ok(Met::Known(None, Some(local_of(stored, None)?))),
            Some(mapping) if mapping.remote.is_none() => Ok(Met::Known(Some(mapping), Some(local_of(stored, None)?))),
            // The event moved over there and came under another name; what it left is heard of as gone, or is a twin.
            Some(mapping)
                if matches!(
                    mapping.state,
                    MappingState::Tombstoned | MappingState::Parked(ParkReason::RemovedThere)
                ) =>
            {
                Ok(Met::Known(Some(Mapping { remote: None, ..mapping }), Some(local_of(stored, None)?)))
            }
            Some(_) => Ok(Met::Known(None, None)),
        }
    }

    /// The object that was made here for the very appointment that somebody made there: the same title at the same time,
    /// of the same kind, on neither side linked to anything. What the link does not show there has no twin there.
    async fn twin(&self, tx: &mut WriteTx, job: &Job, item: &Snapshot) -> Result<Option<Local>, Stop> {
        let Ok(theirs) = job.up.put(item, None, self.ground(job, "", None).lens) else { return Ok(None) };
        let index = theirs.index();
        let (Some(span), Some(title)) = (index.span, index.summary.as_deref().filter(|title| !title.is_empty())) else {
            return Ok(None);
        };
        let found = tx.unlinked_twins(&job.access, &job.lease.link, title, (span, index.all_day)).await?;
        if found.is_empty() && !index.recurring {
            return self.twin_instance(tx, job, title, &theirs).await;
        }
        for stored in found {
            let local = local_of(stored, None)?;
            let wanted =
                project::wants(&job.link.settings.policy, &local.object, &local.head.id, &local.head.facts).is_wanted();
            if wanted && local.object.index().recurring == index.recurring {
                return Ok(Some(local));
            }
        }
        Ok(None)
    }

    /// The object of an id, if it is in the link's calendar.
    pub(super) async fn local(&self, tx: &mut WriteTx, job: &Job, object: &ObjectId) -> Result<Option<Local>, Stop> {
        if let Some(instance) = apart::parts(object) {
            return Box::pin(self.local_instance(tx, job, object, instance)).await;
        }
        let found = tx.object_by_id(&job.caller, object, Right::Read).await?;
        let Some((access, stored)) = found.filter(|(access, _)| access.calendar() == job.access.calendar()) else {
            return Ok(None);
        };
        drop(access);
        let cause = tx.present_cause(&job.lease.firm, object).await?;
        Ok(Some(local_of(stored, cause.and_then(|c| c.link))?))
    }

    fn fresh(
        &self,
        tx: &WriteTx,
        object: Option<ObjectId>,
        id: &RemoteId,
        item: &Snapshot,
        generation: i64,
        state: MappingState,
    ) -> Mapping {
        Mapping {
            id: tx.new_mapping_id(),
            object,
            remote: Some(id.clone()),
            state,
            origin: Origin::There,
            base_version: 0,
            base: None,
            base_item: Some(item.clone()),
            seen_item: None,
            generation,
            rewrites: (0, tx.now()),
            cool_until: None,
            warnings: Vec::new(),
        }
    }

    /// Carries a decision out. `item`: what the provider says; `None`: the item is gone.
    pub(super) async fn act(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        mut mapping: Mapping,
        local: Option<Local>,
        item: Option<&Snapshot>,
        act: Act,
    ) -> Result<(), Stop> {
        let before = local.as_ref().map(|l| l.head.version);
        let was_ours = matches!(act, Act::BringBack(_));
        match act {
            Act::Note => {
                if item.is_some() && mapping.base_item.as_ref() != item && mapping.state == MappingState::Synced {
                    mapping.base_item = item.cloned();
                    tx.put_mapping(&job.lease, &mapping).await?;
                }
            }
            Act::Forget => {
                if mapping.base.is_some() || mapping.base_item.is_some() {
                    mapping.bury(Buried::Here);
                    tx.put_mapping(&job.lease, &mapping).await?;
                }
                self.close_conflict(tx, job, &mapping, "gone on both sides").await?;
            }
            Act::Arrived => self.arrived(tx, job, mapping, local, item).await?,
            Act::Ignore(reason) => {
                if reason == ParkReason::Undone && item.is_none() {
                    mapping.remote = None; // gone there: an edit here makes it anew
                }
                mapping.state = MappingState::Parked(reason);
                tx.put_mapping(&job.lease, &mapping).await?;
            }
            Act::Quarantine(why) => self.quarantine(tx, job, mapping, item, why).await?,
            Act::Adopt => {
                if let Some(local) = &local {
                    self.agree(&mut mapping, local.head.version, local.object.bytes().clone(), item);
                    mapping.object = Some(local.head.id.clone());
                    tx.put_mapping(&job.lease, &mapping).await?;
                    self.note(tx, job, &mapping, Deed::here("linked", before, before)).await?;
                    self.close_conflict(tx, job, &mapping, "both sides agree").await?;
                }
            }
            Act::Import(object) | Act::BringBack(object) => {
                let put = self.bring(tx, job, &mapping, &object).await?;
                match put {
                    Ok((outcome, bytes)) => {
                        mapping.object = Some(outcome.id.clone());
                        // Whatever it was made of once: what is here now came from there, and is bent by nothing on its way back.
                        mapping.origin = Origin::There;
                        self.agree(&mut mapping, outcome.version, bytes, item);
                        // A filter may want less of it there than it says: looked at like every object.
                        tx.put_mapping(&job.lease, &mapping).await?;
                        if was_ours {
                            self.look_again(tx, job, &outcome.id).await?;
                        }
                        job.totals.pulled += 1;
                        self.note(tx, job, &mapping, Deed::here("created", None, Some(outcome.version))).await?;
                        self.close_conflict(tx, job, &mapping, "the edit there brought it back").await?;
                    }
                    Err(why) => self.quarantine(tx, job, mapping, item, why).await?,
                }
            }
            Act::Write { object, base, push } => {
                let Some(local) = &local else { return Ok(()) };
                if let Some(instance) = apart::parts(&local.head.id).filter(|_| object.index().recurring) {
                    return self.set_free(tx, job, mapping, local, instance, (*object, item)).await;
                }
                match self.put(tx, job, Some(local), &object).await? {
                    Ok((outcome, bytes)) => {
                        mapping.object = Some(outcome.id.clone());
                        let version = if push { 0 } else { outcome.version };
                        self.agree(&mut mapping, version, if push { base } else { bytes }, item);
                        mapping.warnings.clear();
                        tx.put_mapping(&job.lease, &mapping).await?;
                        self.look_again(tx, job, &outcome.id).await?;
                        job.totals.pulled += 1;
                        self.note(tx, job, &mapping, Deed::here("updated", before, Some(outcome.version))).await?;
                        self.close_conflict(tx, job, &mapping, "carried out").await?;
                    }
                    Err(why) => self.quarantine(tx, job, mapping, item, why).await?,
                }
            }
            Act::Absorb { base, push } => {
                let Some(local) = &local else { return Ok(()) };
                mapping.object = Some(local.head.id.clone());
                let version = if push { 0 } else { local.head.version };
                self.agree(&mut mapping, version, base, item);
                tx.put_mapping(&job.lease, &mapping).await?;
                self.look_again(tx, job, &local.head.id).await?;
                self.close_conflict(tx, job, &mapping, "carried out").await?;
            }
            Act::PushBack => {
                // What is there is what the deletion, or the new item, has to be held against.
                mapping.base_item = item.cloned().or(mapping.base_item);
                mapping.seen_item = None;
                mapping.state = if item.is_some() {
                    MappingState::Synced
                } else {
                    MappingState::Unsure {
                        call: Calling { create: true, version: 0, sent: None, undoes: false },
                        since_ms: tx.now().ms(),
                    }
                };
                tx.put_mapping(&job.lease, &mapping).await?;
                if let Some(object) = &mapping.object {
                    tx.queue_one(&job.lease.firm, &job.lease.link, object).await?;
                }
                self.close_conflict(tx, job, &mapping, "carried out").await?;
            }
            Act::Conflict { kind, fields } => {
                mapping.state = MappingState::Conflict;
                mapping.seen_item = item.cloned();
                if mapping.object.is_none() {
                    mapping.object = local.as_ref().map(|l| l.head.id.clone());
                }
                tx.put_mapping(&job.lease, &mapping).await?;
                let conflict = self.conflict_of(tx, job, &mapping, kind, &fields);
                let (_, new) = tx.open_or_update_conflict(&job.lease.firm, &conflict).await?;
                if new {
                    job.totals.conflicts += 1;
                    let text = format!("Appointments in {} wait for your decision", job.link.remote_name);
                    let whom = (&job.lease.firm, &job.link.user);
                    tx.notify_user(whom, "conflicts", job.link.id.as_str(), &text).await?;
                    let deed = Deed::here("conflict", before, before).because(kind.as_str());
                    self.note(tx, job, &mapping, deed).await?;
                }
            }
            Act::Settled { act, how, kind, fields } => {
                let conflict = self.conflict_of(tx, job, &mapping, kind, &fields);
                let (id, _) = tx.open_or_update_conflict(&job.lease.firm, &conflict).await?;
                tx.resolve_conflict(&job.lease.firm, &id, how, None, "the link's policy").await?;
                job.totals.conflicts += 1;
                let deed = Deed::here("conflict", before, before).because(format!("{kind}: {how}"));
                self.note(tx, job, &mapping, deed).await?;
                Box::pin(self.act(tx, job, mapping, local, item, *act)).await?;
            }
            Act::Remove(removal) => self.remove(tx, job, mapping, local, removal).await?,
        }
        Ok(())
    }

    /// A call whose outcome nobody knew was carried out: what it carried is what both sides agree on. What an undo carried
    /// is what may differ from now on.
    async fn arrived(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        mut mapping: Mapping,
        local: Option<Local>,
        item: Option<&Snapshot>,
    ) -> Result<(), Stop> {
        let Some(call) = mapping.state.call().cloned() else { return Ok(()) };
        let undone = MappingState::Parked(ParkReason::Undone);
        mapping.base_item = item.cloned();
        match (&local, &mapping.object) {
            (Some(local), _) if call.undoes => {
                self.agree(&mut mapping, local.head.version, local.object.bytes().clone(), item);
            }
            (Some(local), Some(object)) => {
                let (version, sent) = if call.create {
                    (mapping.base_version, mapping.base.clone())
                } else {
                    let past = tx.version(&job.caller, object, call.version).await?;
                    (call.version, past.and_then(|past| past.bytes))
                };
                let known = sent.map_or_else(|| (0, local.object.bytes().clone()), |bytes| (version, bytes));
                self.agree(&mut mapping, known.0, known.1, item);
            }
            _ => mapping.state = if call.undoes { undone } else { MappingState::Synced },
        }
        tx.put_mapping(&job.lease, &mapping).await?;
        match &mapping.object {
            Some(object) if !call.undoes => self.look_again(tx, job, object).await,
            // What an undo left is not sent anew, unless somebody edited it meanwhile.
            Some(object) if local.is_none_or(|local| local.head.version == call.version) => {
                let left = tx.outgoing_of(&job.lease.firm, &job.lease.link, object).await?;
                match left.filter(|left| !left.by_user) {
                    Some(left) => Ok(tx.unqueue(&job.lease, &left).await?),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Leaves alone what cannot be an appointment, where everybody sees that it is left alone.
    pub(super) async fn quarantine(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        mut mapping: Mapping,
        item: Option<&Snapshot>,
        why: String,
    ) -> Result<(), Stop> {
        mapping.state = MappingState::Parked(ParkReason::Quarantine { reason: why.clone() });
        mapping.warnings = vec![why.clone()];
        mapping.seen_item = item.cloned();
        tx.put_mapping(&job.lease, &mapping).await?;
        job.leave(&why);
        self.note(tx, job, &mapping, Deed::here("quarantined", None, None).because(why)).await
    }

    /// Has the object looked at once more after its item changed: what that has to say of it beside what it was told (its
    /// guests as text, say) is known when it is held against the item, and nothing is sent where nothing is missing.
    pub(super) async fn look_again(&self, tx: &mut WriteTx, job: &Job, object: &ObjectId) -> Result<(), Stop> {
        if job.link.settings.direction.pushes() {
            tx.queue_one(&job.lease.firm, &job.lease.link, object).await?;
        }
        Ok(())
    }

    fn agree(&self, mapping: &mut Mapping, version: i64, base: bytes::Bytes, item: Option<&Snapshot>) {
        if matches!(mapping.state, MappingState::Parked(ParkReason::Quarantine { .. })) {
            mapping.warnings.clear();
        }
        mapping.base_version = version;
        mapping.base = Some(base);
        if let Some(item) = item {
            mapping.base_item = Some(item.clone());
        }
        mapping.seen_item = None;
        mapping.state = MappingState::Synced;
    }

    pub(super) fn cause(&self, job: &Job) -> Cause {
        let run = job.run.clone().unwrap_or_else(|| crate::domain::ids::RunId::from_text(""));
        Cause::sync(&job.lease.link, &run, &job.account.correlation_id)
    }

    /// Puts an object through the write door. What the calendar cannot take is a sentence, not an error.
    pub(super) async fn put(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        over: Option<&Local>,
        object: &CalendarObject,
    ) -> Result<Result<(PutOutcome, bytes::Bytes), String>, Stop> {
        if let Some((local, instance)) = over.and_then(|local| Some((local, apart::parts(&local.head.id)?))) {
            let put = self.put_instance(tx, job, local, instance, Some(object)).await?;
            return Ok(put.map(|outcome| (outcome, object.bytes().clone())));
        }
        self.run_of(tx, job).await?;
        let cause = self.cause(job);
        let (name, guard) = match over {
            Some(local) => (local.head.name.clone(), Guard::exactly(local.head.etag.clone())),
            None => (ResourceName::for_uid(object.uid()), Guard::absent()),
        };
        let origin = job.account.connection.provider.as_str();
        let writing = Writing { origin: Some(origin), ..Writing::default() };
        let mut put = tx.write_object(&job.access, &name, object, &guard, &cause, writing).await;
        if over.is_none() && matches!(put, Err(PutError::GuardFailed)) {
            // Somebody else's object has that name: another one, made of the UID.
            let name = ResourceName::hashed(object.uid());
            put = tx.write_object(&job.access, &name, object, &guard, &cause, writing).await;
        }
        match put {
            Ok(outcome) => Ok(Ok((outcome, object.bytes().clone()))),
            Err(error @ (PutError::ComponentNotTaken(_) | PutError::UidConflict { .. })) => Ok(Err(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Until when automatic policies leave this mapping's next conflict to a person.
    pub(super) fn cool_down(&self) -> crate::domain::time::Instant {
        self.store().now().plus_ms(COOL_DOWN_MS)
    }
}

/// What an item without a mapping belongs to.
#[expect(clippy::large_enum_variant, reason = "made and taken apart at once")]
enum Met {
    /// This mapping and object, as far as there are any.
    Known(Option<Mapping>, Option<Local>),
    /// One of our own events, come back through another link.
    OwnCopy,
}
