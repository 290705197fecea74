//! What a listing took away: weighed before the guard, and then carried out here as the link's policy says.

use super::record::Deed;
use super::{Engine, Job, Stop};
use crate::domain::change::Guard;
use crate::domain::ids::MappingId;
use crate::domain::sync::{MappingState, ParkReason, RemoteId, Snapshot, apart};
use crate::store::{Buried, Mapping, WriteTx};
use crate::sync::decide::{Act, Heard, Local, Removal, heard};

/// Items set aside that are looked through for one that goes on under another name. Few are ever set aside.
const ASIDE_MAX: u32 = 200;

/// What is told of what went there and cannot go here.
const KEPT: &str = "it was removed there and is kept here";

/// Something that a listing took away.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    pub(super) mapping: MappingId,
}

impl Engine {
    pub(super) async fn remove(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        mut mapping: Mapping,
        local: Option<Local>,
        removal: Removal,
    ) -> Result<(), Stop> {
        let Some(local) = local else { return Ok(()) };
        let before = Some(local.head.version);
        mapping.warnings.clear();
        let (action, after) = match removal {
            Removal::Delete => match apart::parts(&local.head.id) {
                // One instance: the series is left without it.
                Some(instance) => match self.put_instance(tx, job, &local, instance, None).await? {
                    Ok(outcome) => {
                        mapping.bury(Buried::There);
                        ("deleted", Some(outcome.version))
                    }
                    Err(why) => {
                        mapping.warnings = vec![format!("{KEPT}: {why}")];
                        mapping.state = MappingState::Parked(ParkReason::RemovedThere);
                        ("kept", before)
                    }
                },
                None => {
                    let cause = self.cause(job);
                    tx.delete_object(&job.access, &local.head.name, &Guard::exactly(local.head.etag.clone()), &cause)
                        .await?;
                    mapping.bury(Buried::There);
                    ("deleted", None)
                }
            },
            Removal::Cancel(object) => match self.put(tx, job, Some(&local), &object).await? {
                Ok((outcome, bytes)) => {
                    mapping.base = Some(bytes);
                    mapping.base_version = outcome.version;
                    mapping.state = MappingState::Parked(ParkReason::RemovedThere);
                    ("cancelled", Some(outcome.version))
                }
                Err(why) => {
                    mapping.warnings = vec![format!("{KEPT}: {why}")];
                    mapping.state = MappingState::Parked(ParkReason::RemovedThere);
                    ("kept", before)
                }
            },
            Removal::Flag => {
                mapping.state = MappingState::Parked(ParkReason::RemovedThere);
                ("kept", before)
            }
        };
        mapping.seen_item = None;
        tx.put_mapping(&job.lease, &mapping).await?;
        job.totals.deleted += 1;
        self.note(tx, job, &mapping, Deed::here(action, before, after).because("gone there")).await?;
        self.close_conflict(tx, job, &mapping, "gone there").await
    }

    /// How many of the losses would remove something here, and how many are gone on both sides.
    pub(super) async fn weigh(&self, tx: &mut WriteTx, job: &Job, losses: &[Loss]) -> Result<(u64, u64), Stop> {
        let (mut removals, mut gone) = (0, 0);
        for loss in losses {
            match self.loss(tx, job, loss).await? {
                Some((_, _, Act::Remove(_))) => removals += 1,
                Some((_, _, Act::Forget)) => gone += 1,
                _ => {}
            }
        }
        Ok((removals, gone))
    }

    async fn loss(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        loss: &Loss,
    ) -> Result<Option<(Mapping, Option<Local>, Act)>, Stop> {
        let Some(mapping) = tx.mapping(&job.lease.firm, &job.lease.link, &loss.mapping).await? else { return Ok(None) };
        let local = match &mapping.object {
            Some(object) => self.local(tx, job, object).await?,
            None => None,
        };
        let act = heard(&self.ground(job, "", None), Some(&mapping), local.as_ref(), Heard::Gone);
        Ok(Some((mapping, local, act)))
    }

    /// Carries out what a loss means.
    pub(super) async fn lose(&self, tx: &mut WriteTx, job: &mut Job, loss: &Loss) -> Result<(), Stop> {
        let Some((mapping, local, act)) = self.loss(tx, job, loss).await? else { return Ok(()) };
        if let (Act::Remove(_), Some(here)) = (&act, &local)
            && let Some((id, item)) = self.successor(tx, job, here).await?
        {
            let moved = Mapping { remote: Some(id.clone()), ..mapping };
            tx.put_mapping(&job.lease, &moved).await?;
            let generation = moved.generation;
            return self.apply_item(tx, job, Some(moved), &id, &item, generation, None).await;
        }
        self.act(tx, job, mapping, local, None, act).await
    }

    /// The item that an object's event goes on as, where its provider gave it another name: it came with the object's UID
    /// while the old one still stood for it, and so was set aside. Its own mapping is forgotten.
    async fn successor(&self, tx: &mut WriteTx, job: &Job, here: &Local) -> Result<Option<(RemoteId, Snapshot)>, Stop> {
        let aside = tx.mappings_set_aside(&job.lease.firm, &job.lease.link, ASIDE_MAX).await?;
        for mapping in aside {
            let (Some(id), Some(item)) = (mapping.remote, mapping.seen_item) else { continue };
            if job.up.uid(&item).as_deref() == Some(here.object.uid()) {
                tx.drop_mapping(&job.lease, &mapping.id).await?;
                return Ok(Some((id, item)));
            }
        }
        Ok(None)
    }
}
