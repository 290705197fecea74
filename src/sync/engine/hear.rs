//! What the pages of a listing say of each item: folded into what was said of it before, asked for where that is not all
//! of it, doubted where it would take something away.

use std::collections::BTreeMap;

use super::account::ask;
use super::pull::ITEMS_PER_WRITE;
use super::{Engine, Job, Stop};
use crate::domain::sync::{ErrorClass, MappingState, ParkReason, RemoteId, RunKind, Snapshot};
use crate::store::Mapping;
use crate::sync::retry;
use crate::upstream::{Entry, Failure, Folded, Upstream};

/// Removals and absent items of one run that are asked for one by one, each a call; a run stays within an account's measure.
/// More than that within the guard's measure is a calendar of thousands: where all of so many are gone, the others are
/// believed to be, and where one of them is there, nothing of the rest is.
pub(super) const CONFIRM_MAX: usize = 200;
/// What is told of an item that a listing names and that is not there when it is asked for.
const NOT_THERE: &str = "an event that is listed there could not be read: it is left as it was";

/// What a page says of one item.
pub(super) struct News {
    pub(super) id: RemoteId,
    pub(super) folded: Folded,
}

/// A listing under way.
pub(super) struct Listing {
    /// Whether it is of everything: then what it says is all there is.
    full: bool,
    /// The number of a full one.
    generation: i64,
    /// Whether it names everything with its tag, so that what is held is what there is while the tag is the same.
    names_all: bool,
    /// Whether nothing is written before its end.
    dry: bool,
    /// What a full one has said so far of items that come in parts, which may be on several pages: half a series must not
    /// be taken for the whole of one that is known.
    waiting: BTreeMap<RemoteId, Snapshot>,
}

impl Listing {
    pub(super) fn new(up: &dyn Upstream, full: bool, generation: i64) -> Listing {
        Listing { full, generation, names_all: up.lists_all(), dry: false, waiting: BTreeMap::new() }
    }

    /// One of which nothing is written.
    pub(super) fn dry(mut self) -> Listing {
        self.dry = true;
        self
    }

    /// What the fold of new entries begins with.
    fn held<'a>(&'a self, id: &RemoteId, mapping: Option<&'a Mapping>) -> Option<&'a Snapshot> {
        let seen = |m: &'a Mapping| m.seen_item.as_ref().filter(|_| m.tried().is_none());
        let known = mapping.and_then(|m| seen(m).or(m.base_item.as_ref()));
        if !self.full || self.names_all {
            return known;
        }
        let said_before = mapping.is_some_and(|m| m.generation == self.generation);
        self.waiting.get(id).or(known.filter(|_| said_before))
    }

    /// Whether an item is named again, and as it was. Who asked to look anew looks at it all the same.
    fn says_nothing_new(&self, job: &Job, id: &RemoteId, mapping: Option<&Mapping>, folded: &Folded) -> bool {
        let same = matches!(folded, Folded::Present(item) if self.held(id, mapping) == Some(item));
        self.names_all && job.kind != RunKind::Resync && same && mapping.is_some_and(is_live)
    }

    /// Whether what was folded waits for the end.
    fn waits(&self, id: &RemoteId, mapping: Option<&Mapping>) -> bool {
        let is_older = mapping.is_some_and(|m| m.generation != self.generation);
        self.full && !self.names_all && (self.dry || is_older || self.waiting.contains_key(id))
    }

    /// Whether nothing waits for the end.
    pub(super) fn is_said(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What waited, once everything was said.
    pub(super) fn rest(&mut self) -> Vec<News> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        waiting.map(|(id, item)| News { id, folded: Folded::Present(item) }).collect()
    }
}

impl Engine {
    /// The entries of a page by item, in their order, with what has to be asked for besides.
    pub(super) async fn gather(
        &self,
        job: &mut Job,
        entries: Vec<Entry>,
        listing: &mut Listing,
    ) -> Result<Vec<News>, Stop> {
        let mut order: Vec<RemoteId> = Vec::new();
        let mut by_item: BTreeMap<RemoteId, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            let held = by_item.entry(entry.item.clone()).or_default();
            if held.is_empty() {
                order.push(entry.item.clone());
            }
            held.push(entry);
        }
        if order.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&RemoteId> = order.iter().collect();
        let mappings: BTreeMap<RemoteId, Mapping> = {
            let mut tx = self.store().read().await?;
            let found = tx.mappings_by_remote(&job.lease.firm, &job.lease.link, &ids).await?;
            found.into_iter().filter_map(|m| Some((m.remote.clone()?, m))).collect()
        };
        let fold = |id: RemoteId| {
            let entries = by_item.remove(&id).unwrap_or_default();
            let folded = job.up.fold(listing.held(&id, mappings.get(&id)), &entries);
            (id, entries, folded)
        };
        let said: Vec<(RemoteId, Vec<Entry>, Folded)> = order.into_iter().map(fold).collect();
        let mut asked = BTreeMap::new();
        if listing.names_all {
            let unknown = said.iter().filter(|(.., folded)| *folded == Folded::Incomplete);
            asked = self.ask_for_many(job, unknown.map(|(id, ..)| id.clone()).collect()).await?;
        }
        let mut news = Vec::with_capacity(said.len());
        for (id, entries, folded) in said {
            let mapping = mappings.get(&id);
            if listing.says_nothing_new(job, &id, mapping, &folded) {
                // Heard of, and that is all.
                news.push(News { id, folded: Folded::Incomplete });
                continue;
            }
            let lost = matches!(folded, Folded::Gone) && mapping.is_some_and(is_live) && !self.is_confirmed(job);
            let folded = if lost && job.hearing.asked >= CONFIRM_MAX {
                if job.hearing.lied {
                    job.hearing.missed = true;
                    continue;
                }
                folded
            } else if lost || matches!(folded, Folded::Incomplete) {
                // A removal is believed when the item itself is asked for and not there; a part without its whole is completed.
                job.hearing.asked += usize::from(lost);
                match self.ask_for(job, &id, asked.remove(&id)).await? {
                    Some(Some(item)) => {
                        job.hearing.lied |= lost;
                        Folded::Present(item)
                    }
                    Some(None) if lost => Folded::Gone,
                    Some(None) => {
                        let alone = job.up.alone(&entries);
                        if alone == Folded::Incomplete {
                            job.leave(NOT_THERE);
                        }
                        alone
                    }
                    // It is named, and so not absent: that of others is told all the same.
                    None if listing.names_all && !lost => Folded::Incomplete,
                    None => {
                        job.hearing.missed = true;
                        continue;
                    }
                }
            } else {
                folded
            };
            let folded = match folded {
                Folded::Present(item) if job.up.in_parts(&item) && listing.waits(&id, mapping) => {
                    listing.waiting.insert(id, item);
                    continue;
                }
                folded => {
                    listing.waiting.remove(&id);
                    folded
                }
            };
            news.push(News { id, folded });
        }
        Ok(news)
    }

    /// Asks together for what a listing that names everything with its tag shows to be new or changed.
    async fn ask_for_many(
        &self,
        job: &mut Job,
        unknown: Vec<RemoteId>,
    ) -> Result<BTreeMap<RemoteId, Result<Option<Snapshot>, Failure>>, Stop> {
        let mut asked = BTreeMap::new();
        for chunk in unknown.chunks(ITEMS_PER_WRITE) {
            let up = job.up.clone();
            asked.extend(ask!(self, &mut job.account, |at| up.fetch_all(at, chunk))?);
        }
        Ok(asked)
    }

    /// Asks for one item. `None`: it cannot be had, and is left as it was; the run goes on with the others. `early`: what
    /// was answered when many were asked for together.
    ///
    /// # Errors
    /// What ends the run: the account cannot be asked any more, or the failure may pass and the run is tried again soon.
    /// A run that failed so often by it that nothing retries it any more is not kept from the rest for ever.
    pub(super) async fn ask_for(
        &self,
        job: &mut Job,
        id: &RemoteId,
        early: Option<Result<Option<Snapshot>, Failure>>,
    ) -> Result<Option<Option<Snapshot>>, Stop> {
        let up = job.up.clone();
        let answer = match early {
            // A token that ended among many is renewed for the next.
            None | Some(Err(Failure::Unauthorised)) => ask!(self, &mut job.account, |at| up.fetch(at, id)),
            Some(answer) => answer,
        };
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(failure) => {
                let passes = failure.class() != ErrorClass::NonRetryable;
                let patient = job.link.failures < i64::from(retry::MAX_RETRIES);
                if super::ends_everything(&failure) || (passes && patient) {
                    return Err(failure.into());
                }
                job.leave(failure.to_string());
                Ok(None)
            }
        }
    }
}

/// Whether the removal of its item would take something away here.
fn is_live(mapping: &Mapping) -> bool {
    !matches!(
        mapping.state,
        MappingState::Parked(
            ParkReason::Withdrawn
                | ParkReason::Expanded
                | ParkReason::Undone
                | ParkReason::RemovedThere
                | ParkReason::OwnCopy
                | ParkReason::OneWay
        ) | MappingState::Detached
            | MappingState::Tombstoned
    )
}
