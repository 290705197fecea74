//! One object carried out there: the intent is committed before the call, the call is conditional, and what the provider
//! gave back is what both sides agree on. A call whose outcome nobody knows is looked for before anything else.

use bytes::Bytes;

use super::account::ask;
use super::consider::Considered;
use super::expand::KEPT;
use super::outgoing::Edit;
use super::recall::{Recalled, stood};
use super::record::Deed;
use super::send::{STANDS, Send, Why};
use super::{Engine, Job, Stop};
use crate::domain::sync::{AttemptKind, Calling, MappingState, ParkReason, RemoteId, Snapshot, Way, apart};
use crate::domain::time::{DAY_MS, Instant};
use crate::store::{Buried, Mapping, Outgoing as Waiting};
use crate::sync::decide::{Heard, Local, as_far_as_written, has_arrived, heard, is_older_create};
use crate::sync::guard::{REMOVALS_FREE, Verdict, verdict};
use crate::upstream::{Failure, Outgoing, Written};

/// How often one object is looked at anew because the item changed under us, after what stood there before was asked for.
const LOOKS_MAX: usize = 4;

/// A call to make, with everything it needs.
#[derive(Debug)]
enum Call {
    Create { key: String, item: Outgoing, invite: bool },
    Update { id: RemoteId, held: Snapshot, item: Outgoing, invite: bool, again: bool },
    Delete { id: RemoteId, held: Option<Snapshot>, why: Why, invite: bool },
    Find { key: String },
    Fetch { id: RemoteId },
}

/// What is to be done next for an object.
enum Step {
    /// This call.
    Call(Box<Intent>),
    /// First to ask for what stood there before.
    Recall(Box<Mapping>, RemoteId),
}

/// A call's answer.
#[derive(Debug)]
enum Answered {
    Written(Box<Written>),
    Deleted,
    There(RemoteId, Snapshot),
    NotThere,
}

/// What the intent was: the mapping as it was written before the call, and the object it carries.
struct Intent {
    mapping: Mapping,
    local: Option<Local>,
    call: Call,
}

impl Engine {
    /// Sends what waits in the link's outbox.
    pub(super) async fn push(&self, job: &mut Job) -> Result<(), Stop> {
        if !job.link.settings.direction.pushes() || !job.up.writable() {
            return Ok(());
        }
        loop {
            let mut tx = self.store().read().await?;
            let waiting = tx.outgoing(&job.lease.firm, &job.lease.link).await?;
            let removals =
                if waiting.is_empty() { 0 } else { tx.waiting_removals(&job.lease.firm, &job.lease.link).await? };
            drop(tx);
            if waiting.is_empty() {
                if self.bring_whole(job).await? {
                    continue;
                }
                return self.used_up(job).await;
            }
            self.guard_push(job, removals).await?;
            for one in &waiting {
                self.push_one(job, one).await?;
            }
        }
    }

    /// What somebody confirmed was carried out, and nothing more may be removed by it.
    async fn used_up(&self, job: &mut Job) -> Result<(), Stop> {
        if job.link.confirmed > 0 && job.link.held_way == Some(Way::Push) {
            let mut tx = self.held(job).await?;
            tx.clear_confirmation(&job.lease).await?;
            tx.commit().await?;
            job.link.confirmed = 0;
        }
        Ok(())
    }

    /// A client that lost its calendar must not empty the one over there.
    async fn guard_push(&self, job: &Job, removals: i64) -> Result<(), Stop> {
        let removals = u64::try_from(removals).unwrap_or(0);
        if removals <= REMOVALS_FREE || removals <= job.link.confirmed_removals(Way::Push) {
            return Ok(());
        }
        let mut tx = self.held(job).await?;
        let counts = tx.count_mappings(&job.lease.firm, &job.lease.link).await?;
        if let Verdict::Confirm { removals, mappings } =
            verdict(u64::try_from(counts.live + counts.conflicts).unwrap_or(0), removals, 0)
        {
            let note =
                format!("{removals} of {mappings} events would be removed there, because they were deleted here");
            let firm = &job.lease.firm;
            tx.hold_back(&job.lease, Way::Push, removals, &note).await?;
            let whom = (firm, &job.link.user);
            tx.notify_user(whom, "needs_confirmation", job.link.id.as_str(), &note).await?;
            tx.commit().await?;
            return Err(Stop::Guarded(removals, mappings));
        }
        Ok(())
    }

    async fn push_one(&self, job: &mut Job, waiting: &Waiting) -> Result<(), Stop> {
        // The request that changed the object is the one that this call belongs to.
        let own = job.account.correlation_id.clone();
        if let Some(id) = &waiting.correlation_id {
            job.account.correlation_id.clone_from(id);
        }
        let outcome = self.push_this(job, waiting).await;
        job.account.correlation_id = own;
        if let Some((series, _)) = apart::parts(&waiting.object) {
            job.waits.insert(series); // it may wait for this one
        }
        outcome
    }

    async fn push_this(&self, job: &mut Job, waiting: &Waiting) -> Result<(), Stop> {
        // Of this very look: whoever dies between it and the create asks again.
        let mut absent = false;
        for _ in 0..=LOOKS_MAX {
            let Some(step) = self.intend(job, waiting, absent).await? else { return Ok(()) };
            let intent = match step {
                Step::Call(intent) => *intent,
                Step::Recall(mapping, id) => match self.recall(job, waiting, *mapping, &id).await? {
                    Recalled::Later => return Ok(()),
                    recalled => {
                        absent = recalled == Recalled::Absent;
                        continue;
                    }
                },
            };
            let started = self.store().now();
            let answer = self.call(job, &intent).await;
            if self.settle_push(job, waiting, intent, answer, started).await? {
                return Ok(());
            }
        }
        // It changes faster than we can look: another time.
        let failure = Failure::Transient("the item keeps changing".to_owned(), None);
        self.put_off(job, waiting, None, &failure, self.store().now(), AttemptKind::Upsert).await
    }

    /// Decides what to send and commits the intent. `None`: nothing is left to send. `absent`: what stood there before was
    /// asked for and is not there.
    async fn intend(&self, job: &mut Job, waiting: &Waiting, absent: bool) -> Result<Option<Step>, Stop> {
        let mut tx = self.held(job).await?;
        let mut considered = self.consider(&mut tx, job, waiting).await?;
        self.stand(&mut tx, job, &waiting.object, &mut considered).await?;
        let Considered { mut mapping, local, shown, sending, apart } = considered;
        if let (Send::Create(_), Some(id), false) = (&sending, stood(&mapping), absent) {
            tx.commit().await?;
            return Ok(Some(Step::Recall(Box::new(mapping), id)));
        }
        let version = local.as_ref().map_or(0, |l| l.head.version);
        let key = self.create_key(job, &waiting.object);
        let edit = Edit { mapping: &mapping, local: local.as_ref(), shown: shown.as_ref() };
        let invite = match &sending {
            Send::Create(_) | Send::Update { .. } => self.invites(&mut tx, job, waiting, edit).await?,
            // Nobody is told that something was taken away, but where that cannot be done without.
            Send::Delete(_) if job.up.tells_guests_always() => {
                self.invites(&mut tx, job, waiting, Edit { shown: None, ..edit }).await?
            }
            _ => false,
        };
        let call = match sending {
            Send::Done => {
                // A create that never went out, of what is not wanted there any more.
                if mapping.state == MappingState::Synced
                    && mapping.remote.is_none()
                    && mapping.base.is_some()
                    && apart.is_none()
                {
                    mapping.state = MappingState::Parked(ParkReason::Withdrawn);
                    tx.put_mapping(&job.lease, &mapping).await?;
                }
                None
            }
            Send::Agree(warnings) => {
                if let Some(local) = &local {
                    mapping.base_version = version;
                    mapping.base = Some(local.object.bytes().clone());
                    mapping.state = MappingState::Synced;
                    mapping.warnings = warnings;
                    tx.put_mapping(&job.lease, &mapping).await?;
                }
                None
            }
            Send::Stay(why) => {
                if mapping.warnings.as_slice() != [why] {
                    mapping.warnings = vec![why.to_owned()];
                    tx.put_mapping(&job.lease, &mapping).await?;
                }
                None
            }
            Send::Bury => {
                mapping.warnings.clear();
                mapping.bury(Buried::Left);
                tx.put_mapping(&job.lease, &mapping).await?;
                None
            }
            Send::Park(reason) => {
                let word = reason.sentence();
                mapping.state = MappingState::Parked(reason);
                mapping.warnings = vec![word.clone()];
                tx.put_mapping(&job.lease, &mapping).await?;
                job.leave(&word);
                let deed = Deed::there("parked", Some(version), Some(version)).because(word);
                self.note(&mut tx, job, &mapping, deed).await?;
                None
            }
            Send::Judge => {
                self.judge(&mut tx, job, mapping.clone(), local.clone()).await?;
                None
            }
            Send::Wait => {
                self.wait_for_instances(&mut tx, job, waiting, mapping).await?;
                tx.commit().await?;
                return Ok(None);
            }
            Send::Look => Some(match &mapping.remote {
                Some(id) if !mapping.state.call().is_some_and(|call| call.create) => Call::Fetch { id: id.clone() },
                _ => Call::Find { key },
            }),
            Send::Create(item) => {
                // What is about to be sent is what both sides will agree on, if the call turns out to have succeeded.
                mapping.state = MappingState::Pushing(Calling::saying(true, version, &item.payload));
                mapping.base = local.as_ref().map(|l| l.object.bytes().clone());
                mapping.base_version = version;
                mapping.base_item = None;
                mapping.remote = job.up.id_for(&key);
                mapping.warnings.clone_from(&item.warnings);
                tx.put_mapping(&job.lease, &mapping).await?;
                Some(Call::Create { key, item, invite })
            }
            Send::Update { item, again } => {
                mapping.state = MappingState::Pushing(Calling::saying(false, version, &item.payload));
                mapping.warnings.clone_from(&item.warnings);
                mapping.warnings.extend(self.made_private(job, &mapping, local.as_ref()));
                tx.put_mapping(&job.lease, &mapping).await?;
                let (Some(id), Some(held)) = (mapping.remote.clone(), mapping.base_item.clone()) else {
                    return Ok(None);
                };
                Some(Call::Update { id, held, item, invite, again })
            }
            Send::Delete(why) => {
                let Some(id) = mapping.remote.clone() else { return Ok(None) };
                mapping.state = MappingState::Pushing(Calling::deletion());
                let held = mapping.base_item.clone();
                tx.put_mapping(&job.lease, &mapping).await?;
                Some(Call::Delete { id, held, why, invite })
            }
        };
        let Some(call) = call else {
            tx.unqueue(&job.lease, waiting).await?;
            tx.commit().await?;
            return Ok(None);
        };
        tx.commit().await?;
        Ok(Some(Step::Call(Box::new(Intent { mapping, local, call }))))
    }

    async fn call(&self, job: &mut Job, intent: &Intent) -> Result<Answered, Failure> {
        let up = job.up.clone();
        match &intent.call {
            Call::Create { key, item, invite } => ask!(self, &mut job.account, |at| up.create(at, key, item, *invite))
                .map(|w| Answered::Written(Box::new(w))),
            Call::Update { id, held, item, invite, .. } => ask!(self, &mut job.account, |at| up
                .update(at, id, held, item, *invite))
            .map(|w| Answered::Written(Box::new(w))),
            Call::Delete { id, held, invite, .. } => {
                ask!(self, &mut job.account, |at| up.delete(at, id, held.as_ref(), *invite)).map(|()| Answered::Deleted)
            }
            Call::Find { key } => ask!(self, &mut job.account, |at| up.find(at, key))
                .map(|found| found.map_or(Answered::NotThere, |(id, item)| Answered::There(id, item))),
            Call::Fetch { id } => ask!(self, &mut job.account, |at| up.fetch(at, id))
                .map(|found| found.map_or(Answered::NotThere, |item| Answered::There(id.clone(), item))),
        }
    }

    /// Notes how the call ended. `false`: the object has to be looked at once more.
    async fn settle_push(
        &self,
        job: &mut Job,
        waiting: &Waiting,
        intent: Intent,
        answer: Result<Answered, Failure>,
        started: Instant,
    ) -> Result<bool, Stop> {
        let Intent { mut mapping, local, call } = intent;
        let operation = if matches!(call, Call::Delete { .. }) { AttemptKind::Delete } else { AttemptKind::Upsert };
        match answer {
            Ok(Answered::Written(written)) => {
                let mut tx = self.held(job).await?;
                let created = mapping.base_item.is_none();
                let before = if created { None } else { mapping.base.clone() };
                let before_version = (!created).then_some(mapping.base_version);
                mapping.remote = Some(written.id.clone());
                mapping.base_item = Some(written.item.clone());
                mapping.seen_item = None;
                mapping.state = MappingState::Synced;
                if matches!(call, Call::Update { again: true, .. }) {
                    // Counted when it was taken, not when it was tried: a call that failed rewrote nothing.
                    let (count, since) = mapping.rewrites;
                    let today = tx.now().ms() - since.ms() < DAY_MS;
                    mapping.rewrites = if today { (count + 1, since) } else { (1, tx.now()) };
                }
                if let Some(local) = &local {
                    mapping.base = Some(match &written.left {
                        // Somebody changed a part before we came to it: what did not go out is still to be said.
                        Some(Failure::Changed) => self.agreed_so_far(job, local, &call, &written.item),
                        _ => local.object.bytes().clone(),
                    });
                    // Where a part is left, nothing counts as agreed on by version, and the row stays.
                    mapping.base_version = if written.left.is_some() { 0 } else { local.head.version };
                }
                tx.put_mapping(&job.lease, &mapping).await?;
                job.totals.pushed += 1;
                let after = local.as_ref().map(|l| l.head.version);
                let deed = Deed::there(if created { "created" } else { "updated" }, before_version, after).over(before);
                self.note(&mut tx, job, &mapping, deed).await?;
                let attempt = self.attempt(operation, waiting, Some(&written.id), None, started);
                self.record(&mut tx, job, attempt).await?;
                match written.left {
                    None => {
                        tx.unqueue(&job.lease, waiting).await?;
                        tx.commit().await?;
                        Ok(true)
                    }
                    Some(failure) => {
                        tx.commit().await?;
                        self.failed(job, waiting, mapping, &failure, started, operation).await
                    }
                }
            }
            Ok(Answered::Deleted) => {
                let mut tx = self.held(job).await?;
                let why = if let Call::Delete { why, .. } = &call { *why } else { Why::Deleted };
                let withdrawn = why != Why::Deleted;
                let before = mapping.base_version;
                match why {
                    // What is told of it is told of its instances.
                    Why::Expanded => mapping.state = MappingState::Parked(ParkReason::Expanded),
                    Why::Withdrawn => mapping.state = MappingState::Parked(ParkReason::Withdrawn),
                    Why::Deleted => mapping.bury(Buried::Here),
                }
                if why != Why::Expanded {
                    mapping.warnings = self.made_private(job, &mapping, local.as_ref()).into_iter().collect();
                }
                tx.put_mapping(&job.lease, &mapping).await?;
                if why != Why::Expanded {
                    tx.unqueue(&job.lease, waiting).await?;
                }
                job.totals.deleted += 1;
                let action = if withdrawn { "withdrawn" } else { "deleted" };
                let deed = Deed::there(action, Some(before), None).over(mapping.base.clone());
                self.note(&mut tx, job, &mapping, deed).await?;
                let attempt = self.attempt(operation, waiting, mapping.remote.as_ref(), None, started);
                self.record(&mut tx, job, attempt).await?;
                self.close_conflict(&mut tx, job, &mapping, "deleted on both sides").await?;
                tx.commit().await?;
                Ok(why != Why::Expanded) // now its instances
            }
            Ok(Answered::There(id, item)) => {
                let mut tx = self.held(job).await?;
                let older = is_older_create(&mapping);
                if has_arrived(&*job.up, &mapping, &item) {
                    let generation = mapping.generation;
                    mapping.remote = Some(id.clone());
                    self.apply_item(&mut tx, job, Some(mapping), &id, &item, generation, None).await?;
                    let left = tx.outgoing_of(&job.lease.firm, &job.lease.link, &waiting.object).await?;
                    if left.is_none() {
                        tx.commit().await?;
                        return Ok(true);
                    }
                } else if older {
                    // It stands for what was sent then; what has to be said now is looked at next.
                    mapping.remote = Some(id);
                    mapping.base_item = Some(item);
                    mapping.base_version = 0;
                    mapping.state = MappingState::Synced;
                    tx.put_mapping(&job.lease, &mapping).await?;
                } else {
                    mapping.remote = Some(id.clone());
                    // What the call left is what is there; whether anything is still to be sent is looked at anew.
                    if mapping.state.call().is_some() {
                        mapping.state = MappingState::Synced;
                        tx.put_mapping(&job.lease, &mapping).await?;
                    }
                    let generation = mapping.generation;
                    self.apply_item(&mut tx, job, Some(mapping), &id, &item, generation, None).await?;
                }
                tx.commit().await?;
                Ok(false)
            }
            Ok(Answered::NotThere) => {
                let mut tx = self.held(job).await?;
                if matches!(call, Call::Find { .. }) {
                    // It was not carried out, or is not shown yet: from the start; an undo is not begun again.
                    let undoes = mapping.state.call().is_some_and(|call| call.undoes);
                    if mapping.base_item.is_none() && mapping.seen_item.is_none() {
                        let sent = mapping.state.call().filter(|call| call.create).and_then(|call| call.sent.clone());
                        mapping.seen_item = sent.map(Snapshot);
                    }
                    mapping.state =
                        if undoes { MappingState::Parked(ParkReason::Undone) } else { MappingState::Synced };
                    mapping.remote = None;
                    mapping.base_item = None;
                    tx.put_mapping(&job.lease, &mapping).await?;
                } else {
                    // A deletion of ours stays one: nobody else took the item away.
                    if !mapping.state.is_deletion() {
                        mapping.state = MappingState::Synced;
                    }
                    let act = heard(&self.ground(job, "", None), Some(&mapping), local.as_ref(), Heard::Gone);
                    self.act(&mut tx, job, mapping, local, None, act).await?;
                }
                tx.commit().await?;
                Ok(false)
            }
            Err(failure) => {
                let failure = match (&call, failure) {
                    (Call::Delete { why: Why::Expanded, .. }, Failure::Refused(why)) => {
                        Failure::Refused(format!("{STANDS}: {why}"))
                    }
                    (Call::Delete { .. }, Failure::Refused(why)) if apart::parts(&waiting.object).is_some() => {
                        Failure::Refused(format!("{KEPT}: {why}"))
                    }
                    (_, failure) => failure,
                };
                self.failed(job, waiting, mapping, &failure, started, operation).await
            }
        }
    }

    fn agreed_so_far(&self, job: &Job, local: &Local, call: &Call, item: &Snapshot) -> Bytes {
        match call {
            Call::Create { item: sent, .. } | Call::Update { item: sent, .. } => {
                as_far_as_written(&self.ground(job, "", None), local, sent, item)
            }
            _ => local.object.bytes().clone(),
        }
    }
}
