//! A run's deeds taken back on both sides: each side becomes what it was before, and stays so until somebody edits it.
//! What was changed since by somebody else is left alone.

use std::collections::HashMap;

use bytes::Bytes;

use super::account::ask;
use super::desk::unusable;
use super::expand::ShownInstance;
use super::record::Deed;
use super::{Engine, Job, Stop};
use crate::domain::appointment::Facts;
use crate::domain::change::Guard;
use crate::domain::ids::{FirmId, ObjectId};
use crate::domain::object::CalendarObject;
use crate::domain::sync::{Calling, MappingState, ParkReason, RemoteId, RunKind, RunStatus, Snapshot, Way, apart};
use crate::store::{Due, Mapping, ObjectHead, Outgoing as Waiting, Run, RunItem, RunTotals, WriteTx, Writing};
use crate::sync::decide::Local;
use crate::sync::desk::{Asked, DeskError};
use crate::sync::project;
use crate::upstream::Failure;

/// The versions that this undo has made so far, and the past ones that they say again: what was done before it is still
/// all that was done.
type Again = HashMap<ObjectId, (i64, i64)>;

/// Deeds read together.
const ITEMS_PAGE: u32 = 10_000;

impl Engine {
    pub(super) async fn undo_run(&self, run: &Run, firm: &FirmId, by: &str) -> Result<Asked, DeskError> {
        let due = Due { firm: firm.clone(), link: run.link.clone() };
        let busy = || DeskError::Refused("the link is at work; try again in a moment".to_owned());
        let lease = self.take(&due).await?.ok_or_else(busy)?;
        let outcome = self.under(&lease, self.undo_under(run, &lease, by)).await;
        self.give_back(&lease).await?;
        outcome
    }

    async fn undo_under(&self, run: &Run, lease: &crate::store::Lease, by: &str) -> Result<Asked, DeskError> {
        let mut job = self.job(lease).await?.ok_or_else(unusable)?;
        job.kind = RunKind::Undo;
        let mut tx = self.held(&job).await?;
        let undoing = self.run_of(&mut tx, &mut job).await?;
        if !tx.mark_undone(&lease.firm, &run.id, &undoing).await? {
            return Err(DeskError::Refused("this run was undone already".to_owned()));
        }
        let mut items = tx.run_items(&lease.firm, &run.id, 0, ITEMS_PAGE).await?;
        tx.commit().await?;
        items.reverse();
        let mut again = Again::new();
        for item in &items {
            let done = match item.way {
                Way::Pull => self.undo_here(&mut job, item, &mut again).await,
                Way::Push => self.undo_there(&mut job, item).await,
            };
            match done {
                Ok(true) => {}
                Ok(false) => {
                    job.totals.errors += 1;
                    job.left.get_or_insert_with(|| "something was changed since, and left alone".to_owned());
                }
                Err(Stop::Call(failure)) => {
                    job.totals.errors += 1;
                    job.left.get_or_insert_with(|| failure.to_string());
                }
                Err(stop) => return Err(stop.into()),
            }
        }
        tracing::info!(link_id = lease.link.as_str(), by, "a run was undone");
        let totals = job.totals;
        self.end(&mut job, None).await?;
        let mut tx = self.store().read().await?;
        let status = tx.run(&lease.firm, &undoing).await?.map_or(RunStatus::Success, |r| r.status);
        Ok(Asked { run: Some(undoing), status, totals: RunTotals { ..totals } })
    }

    /// This side of one deed. `false`: somebody changed it since.
    async fn undo_here(&self, job: &mut Job, item: &RunItem, again: &mut Again) -> Result<bool, Stop> {
        let Some(object) = &item.object else { return Ok(true) };
        if !matches!(item.action.as_str(), "created" | "updated" | "deleted" | "cancelled" | "restored") {
            return Ok(true);
        }
        let mut tx = self.held(job).await?;
        let local = self.local(&mut tx, job, object).await?;
        let mapping = self.mapping_of_deed(&mut tx, job, item, object).await?;
        let version = local.as_ref().map(|l| l.head.version);
        let stands_for = again.get(object).filter(|(made, _)| Some(*made) == version).map(|(_, past)| *past);
        if stands_for.or(version) != item.after_version {
            return Ok(false);
        }
        let cause = self.cause(job);
        let (after, action) = match (&local, item.before_version) {
            (Some(local), None) => {
                tx.delete_object(&job.access, &local.head.name, &Guard::exactly(local.head.etag.clone()), &cause)
                    .await?;
                (None, "deleted")
            }
            (_, Some(before)) => {
                let Some(past) = tx.version(&job.caller, object, before).await? else { return Ok(false) };
                let Some(bytes) = past.bytes else { return Ok(false) };
                let Ok(restored) = CalendarObject::from_stored(bytes) else { return Ok(false) };
                let writing = Writing { restoring: Some(object), facts: Some(&past.facts), origin: None };
                let guard = local.as_ref().map_or_else(Guard::absent, |l| Guard::exactly(l.head.etag.clone()));
                let name = &past.version.name;
                let put = tx.write_object(&job.access, name, &restored, &guard, &cause, writing).await?;
                again.insert(object.clone(), (put.version, before));
                (Some((put.version, restored.bytes().clone())), "restored")
            }
            (None, None) => return Ok(true),
        };
        if let Some(mut mapping) = mapping {
            let own = item.remote.as_deref().is_none_or(|id| mapping.remote.as_ref().is_some_and(|r| r.as_str() == id));
            let instance = mapping.object.clone().filter(|id| apart::parts(id).is_some());
            let after = match (instance, after) {
                // What its series says of it now.
                (Some(instance), Some((version, _))) => {
                    let local = self.local(&mut tx, job, &instance).await?;
                    local.map(|l| (version, l.object.bytes().clone()))
                }
                (_, after) => after,
            };
            // What an earlier undo took away here alone is still there.
            let is_there = mapping.state == MappingState::Parked(ParkReason::Undone) && mapping.remote.is_some();
            self.disagree(&mut mapping, after.as_ref());
            if is_there && after.is_some() {
                mapping.state = MappingState::Synced;
                // Unless it was taken away there since, which nobody minded then: it is looked for.
                if job.link.settings.direction.pushes()
                    && let Some(object) = &mapping.object
                {
                    let call = Calling { create: false, version: mapping.base_version, sent: None, undoes: false };
                    mapping.state = MappingState::Unsure { call, since_ms: tx.now().ms() };
                    tx.queue_one(&job.lease.firm, &job.lease.link, object).await?;
                }
            } else if own && matches!(item.action.as_str(), "deleted" | "cancelled") {
                mapping.remote = None; // gone there: an edit here makes it anew
            }
            tx.put_mapping(&job.lease, &mapping).await?;
            job.totals.pulled += 1;
            let after = after.map(|(version, _)| version);
            let deed = Deed::here(action, item.after_version, after).because("undone");
            self.note(&mut tx, job, &mapping, deed).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The two sides may differ from now on, until one of them is edited.
    fn disagree(&self, mapping: &mut Mapping, here: Option<&(i64, Bytes)>) {
        mapping.seen_item = None;
        match here {
            Some((version, bytes)) => {
                mapping.base_version = *version;
                mapping.base = Some(bytes.clone());
                let expanded = MappingState::Parked(ParkReason::Expanded);
                if !matches!(mapping.state, MappingState::Synced | MappingState::Conflict) && mapping.state != expanded
                {
                    mapping.state = MappingState::Parked(ParkReason::Undone);
                }
            }
            None => mapping.state = MappingState::Parked(ParkReason::Undone),
        }
    }

    /// That side of one deed. `false`: somebody changed it since.
    async fn undo_there(&self, job: &mut Job, item: &RunItem) -> Result<bool, Stop> {
        let Some(object) = &item.object else { return Ok(true) };
        let mut tx = self.held(job).await?;
        let Some(mut mapping) = self.mapping_of_deed(&mut tx, job, item, object).await? else { return Ok(true) };
        // An instance that stands there by itself is undone as what it is.
        let object = &mapping.object.clone().unwrap_or_else(|| object.clone());
        let local = self.local(&mut tx, job, object).await?;
        let marked = self.mark_for(&mut tx, job, object).await?;
        let own = item.remote.as_deref().is_none_or(|id| mapping.remote.as_ref().is_some_and(|r| r.as_str() == id));
        if mapping.state == MappingState::Parked(ParkReason::Expanded) || !own {
            return Ok(false); // it follows what is here
        }
        let up = job.up.clone();
        let before = item.before.clone().and_then(|b| CalendarObject::from_stored(b).ok());
        if matches!(item.action.as_str(), "created" | "updated") && Some(mapping.base_version) != item.after_version {
            return Ok(false); // one of the sides said something else since
        }
        if item.action == "updated" && local.is_none() {
            return Ok(false); // what was deleted here since goes there, too
        }
        let instance = apart::parts(object);
        let is_removal = matches!(item.action.as_str(), "deleted" | "withdrawn");
        let mut lens = self.ground(job, &marked, None).lens;
        lens.attendees_live &= instance.is_none();
        // What the link shows of what it was.
        let before = match (before, &instance) {
            (Some(before), Some((series, _))) => {
                let Some(whole) = self.local(&mut tx, job, series).await? else { return Ok(false) };
                let past =
                    Local { head: ObjectHead { id: object.clone(), ..whole.head }, object: before, by_link: None };
                match self.shown_instance(&mut tx, job, &past, series, lens).await? {
                    ShownInstance::Apart(shown) => Some(Some(*shown)),
                    // Not by itself now.
                    ShownInstance::InSeries | ShownInstance::No => return Ok(false),
                }
            }
            (before, _) => before.map(|before| {
                let facts = Facts::default();
                let known = project::Known { id: object, facts: &facts, client_contact: None };
                project::outgoing(&job.link.settings.policy, &before, &known)
            }),
        };
        drop(tx);
        let as_it_was = |shown: Option<CalendarObject>, held: Option<&Snapshot>| {
            let said = shown.map(|shown| up.get(&shown, held, lens));
            said.transpose().map_err(|unfit| Stop::from(Failure::Refused(unfit.0)))
        };
        if is_removal
            && instance.is_none()
            && let Some(local) = &local
        {
            let (policy, facts) = (&job.link.settings.policy, &local.head.facts);
            if !project::wants(policy, &local.object, &local.head.id, facts).is_wanted() {
                return Ok(false); // what is not to be seen there now is not brought back
            }
        }
        let (remote, held) = (mapping.remote.clone(), mapping.base_item.clone());
        let version = local.as_ref().map_or(0, |l| l.head.version);
        let row = match (item.action.as_str(), before) {
            ("created", _) => {
                let Some(id) = remote else { return Ok(true) };
                mapping.state = MappingState::Pushing(Calling::deletion().undoing());
                let row = self.intend_undo(job, &mapping).await?;
                ask!(self, &mut job.account, |at| up.delete(at, &id, held.as_ref(), false))?;
                mapping.remote = None; // gone there: an edit here makes it anew
                mapping.state = MappingState::Parked(ParkReason::Undone);
                row
            }
            ("updated", Some(before)) => {
                let (Some(id), Some(held)) = (remote, held) else { return Ok(false) };
                let Some(outgoing) = as_it_was(before, Some(&held))? else { return Ok(true) };
                mapping.state = MappingState::Pushing(Calling::saying(false, version, &outgoing.payload).undoing());
                let row = self.intend_undo(job, &mapping).await?;
                let written = ask!(self, &mut job.account, |at| up.update(at, &id, &held, &outgoing, false))?;
                mapping.base_item = Some(written.item);
                mapping.state = MappingState::Synced;
                if let Some(local) = &local {
                    self.disagree(&mut mapping, Some(&(local.head.version, local.object.bytes().clone())));
                }
                row
            }
            ("deleted" | "withdrawn", Some(before)) => {
                let Some(outgoing) = as_it_was(before, None)? else { return Ok(true) };
                let key = self.create_key(job, object);
                mapping.remote = up.id_for(&key);
                mapping.base_item = None;
                mapping.state = MappingState::Pushing(Calling::saying(true, version, &outgoing.payload).undoing());
                let row = self.intend_undo(job, &mapping).await?;
                let written = ask!(self, &mut job.account, |at| up.create(at, &key, &outgoing, false))?;
                mapping.remote = Some(written.id);
                mapping.base_item = Some(written.item);
                mapping.state = MappingState::Parked(ParkReason::Undone);
                row
            }
            // What an undo took back there is not known any more as it was before.
            ("restored", _) => return Ok(false),
            _ => return Ok(true),
        };
        let mut tx = self.held(job).await?;
        tx.put_mapping(&job.lease, &mapping).await?;
        if let Some(row) = &row {
            tx.unqueue(&job.lease, row).await?; // nothing is to be looked at: it ended well
        }
        job.totals.pushed += 1;
        let version = local.map(|l| l.head.version);
        self.note(&mut tx, job, &mapping, Deed::there("restored", version, version).because("undone")).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Commits what is about to be called, and that it is looked at if nobody hears how it ended.
    async fn intend_undo(&self, job: &mut Job, mapping: &Mapping) -> Result<Option<Waiting>, Stop> {
        let mut tx = self.held(job).await?;
        tx.put_mapping(&job.lease, mapping).await?;
        let mut row = None;
        if let Some(object) = mapping.object.as_ref().filter(|_| job.link.settings.direction.pushes()) {
            tx.queue_one(&job.lease.firm, &job.lease.link, object).await?;
            row = tx.outgoing_of(&job.lease.firm, &job.lease.link, object).await?;
        }
        tx.commit().await?;
        Ok(row)
    }

    /// The mapping that a deed was done to: an instance that stands there by itself has its own.
    async fn mapping_of_deed(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        item: &RunItem,
        object: &ObjectId,
    ) -> Result<Option<Mapping>, Stop> {
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        if let Some(remote) = item.remote.clone().map(RemoteId) {
            let found = tx.mappings_by_remote(firm, link, &[&remote]).await?;
            let of_it = |id: &ObjectId| apart::parts(id).is_some_and(|(series, _)| series == *object);
            let instance = found.into_iter().find(|m| m.object.as_ref().is_some_and(of_it));
            if instance.is_some() {
                return Ok(instance);
            }
        }
        Ok(tx.mapping_of_object(firm, link, object).await?)
    }
}
