//! A listing, page by page, into decisions. What a page brings is applied with the page; what it takes away is withheld
//! until the listing is proven complete and the guard has seen all of it. The cursor is stored in the transaction that
//! applies the end.

use std::collections::{BTreeMap, HashSet};

use super::account::ask;
use super::loss::Loss;
use super::record;
use super::{Engine, Job, Stop};
use crate::domain::ids::MappingId;
use crate::domain::sync::{
    AttemptKind, ErrorClass, MappingState, ParkReason, RemoteId, RunKind, RunStatus, Snapshot, Way,
};
use crate::domain::time::Instant;
use crate::store::Mapping;
use crate::sync::guard::{REMOVALS_FREE, Verdict, verdict};
use crate::sync::{listing, retry};
use crate::upstream::{Entry, Failure, Folded, Next, Upstream};

/// Items applied in one transaction: others write between two of them, and a page is not held up by its size.
pub(super) const ITEMS_PER_WRITE: usize = 100;
/// Pages of one listing. A provider that never ends a listing does not hold a link for ever: 2,500 events a page.
pub(super) const PAGES_MAX: usize = 4_000;
/// Removals and absent items of one run that are asked for one by one, each a call; a run stays within an account's measure.
/// More than that within the guard's measure is a calendar of thousands: where all of so many are gone, the others are
/// believed to be, and where one of them is there, nothing of the rest is.
pub(super) const CONFIRM_MAX: usize = 200;
/// Mappings looked at together when a full listing is over.
const ABSENT_PAGE: u32 = 500;

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
        let known = mapping.and_then(|m| m.seen_item.as_ref().or(m.base_item.as_ref()));
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

    /// What waited, once everything was said.
    pub(super) fn rest(&mut self) -> Vec<News> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        waiting.map(|(id, item)| News { id, folded: Folded::Present(item) }).collect()
    }
}

impl Engine {
    /// Pulls what changed, or everything if there is no cursor.
    pub(super) async fn pull(&self, job: &mut Job) -> Result<(), Stop> {
        // What changes is asked for often, and once a day everything: a listing of changes may leave something out.
        job.hearing.anew = job.kind == RunKind::Resync;
        if job.link.cursor.is_some() && listing::is_due(job.link.listed, &job.link.id, self.store().now()) {
            job.hearing.anew = true;
            job.kind = if job.kind == RunKind::Resync { RunKind::Resync } else { RunKind::Full };
        }
        let mut tx = self.held(job).await?;
        tx.end_stale_runs(&job.lease).await?;
        let begun = tx.begin_pull(&job.lease).await?;
        self.run_of(&mut tx, job).await?;
        tx.commit().await?;
        let started = self.store().now();
        let outcome = self.list(job).await;
        self.note_pull(job, begun, started, outcome.as_ref().err()).await?;
        outcome
    }

    /// When the next pull is due, and what the failure means beyond this run.
    async fn note_pull(
        &self,
        job: &mut Job,
        begun: Instant,
        started: Instant,
        stop: Option<&Stop>,
    ) -> Result<(), Stop> {
        let failure = match stop {
            Some(Stop::Fenced | Stop::Store(_) | Stop::NoCalendar) => return Ok(()),
            Some(Stop::Call(failure)) => Some(failure),
            Some(Stop::Guarded(..)) | None => None,
        };
        let now = self.store().now();
        let tries = u32::try_from(job.link.failures).unwrap_or(u32::MAX).saturating_add(1);
        let jitter = u64::from_le_bytes(self.store().chance().bytes());
        let again = failure.and_then(|f| retry::next(f.class(), tries, f.retry_after(), jitter));
        let scheduled = now.plus_ms(job.link.settings.interval_ms);
        let next = again.map_or(scheduled, |wait| {
            let wait = now.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            if wait < scheduled { wait } else { scheduled }
        });
        let full = job.kind == RunKind::Full || job.kind == RunKind::Resync;
        let kind = if failure.is_some() && full { job.kind } else { RunKind::Pull };
        let mut tx = self.held(job).await?;
        let operation = if full { AttemptKind::Resync } else { AttemptKind::ListChanges };
        let mut attempt = record::listing(operation, failure, started);
        attempt.retry_count = job.link.failures;
        attempt.next_retry = again.map(|_| next);
        attempt.max_retries_reached = again.is_none() && failure.is_some_and(|f| f.class() != ErrorClass::NonRetryable);
        self.record(&mut tx, job, attempt).await?;
        if let Some(failure) = failure {
            self.consequences(&mut tx, job, failure).await?;
        }
        let status = if failure.is_some() { RunStatus::Failed } else { RunStatus::Success };
        tx.end_pull(&job.lease, begun, status, (next, kind)).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn list(&self, job: &mut Job) -> Result<(), Stop> {
        match self.list_from(job).await {
            Err(Stop::Call(Failure::CursorLost)) => {
                // Generation N+1: everything is listed beside the old rows. What it does not find goes through the guard.
                let mut tx = self.held(job).await?;
                tx.set_cursor(&job.lease, None, job.link.generation, None).await?;
                tx.commit().await?;
                job.link.cursor = None;
                job.link.progress = None;
                job.kind = RunKind::Full;
                job.hearing.missed = false;
                self.list_from(job).await
            }
            outcome => outcome,
        }
    }

    async fn list_from(&self, job: &mut Job) -> Result<(), Stop> {
        let anew = job.hearing.anew;
        if anew {
            job.link.cursor = None; // of this run only, until a page is carried out
        }
        // Where every listing names all there is, none of them goes on from another.
        let cursor = job.link.cursor.clone().filter(|_| !job.up.lists_all());
        let full = cursor.is_none();
        // A full listing that was stopped goes on where it stood, in the generation it began.
        let resumed = job.link.progress.clone().filter(|_| full && !anew);
        job.link.progress.clone_from(&resumed);
        let generation = job.link.generation + i64::from(full && resumed.is_none());
        let mut page = resumed.clone();
        let mut losses = Vec::new();
        let mut listing = Listing::new(&*job.up, full, generation);
        for _ in 0..PAGES_MAX {
            let up = job.up.clone();
            let asked = ask!(self, &mut job.account, |at| up.changes(at, cursor.as_deref(), page.as_deref()));
            let batch = match asked {
                // A remembered page may be forgotten by the provider: from the start, then.
                Err(Failure::Refused(_) | Failure::CursorLost) if page.is_some() && page == resumed => {
                    page = None;
                    continue;
                }
                asked => asked?,
            };
            for why in &batch.unreadable {
                job.hearing.missed = true;
                job.leave(why);
            }
            if let Some(zone) = batch.zone {
                job.link.zone = zone;
            }
            let mut news = self.gather(job, batch.entries, &mut listing).await?;
            if !matches!(batch.next, Next::Page(_)) {
                news.extend(listing.rest());
            }
            job.heard |= news.iter().any(|one| one.folded != Folded::Incomplete);
            for chunk in news.chunks(ITEMS_PER_WRITE) {
                self.apply_news(job, chunk, generation, &mut losses).await?;
            }
            match batch.next {
                Next::Page(next) => {
                    // Whoever goes on from here does not know what waits.
                    if full && listing.waiting.is_empty() {
                        let mut tx = self.held(job).await?;
                        tx.set_cursor(&job.lease, None, generation, Some(&next)).await?;
                        tx.commit().await?;
                    }
                    job.link.generation = generation;
                    page = Some(next);
                }
                Next::Complete(cursor) => {
                    // A resumed listing has seen only its own part since: what is missing is told by the next whole one.
                    let whole = full && !job.hearing.missed && resumed.is_none();
                    let whole = whole && self.confirm_absent(job, generation).await?;
                    return self.conclude(job, Some(&cursor), (generation, full, whole), losses).await;
                }
                // Nothing that is missing may be taken for absent, and the next listing starts where this one did.
                Next::Partial => {
                    return self.conclude(job, cursor.as_deref(), (generation, full, false), Vec::new()).await;
                }
            }
        }
        Err(Stop::Call(Failure::BadAnswer(format!("the listing has more than {PAGES_MAX} pages"))))
    }

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
        let mut asked = self.ask_for_many(job, &order, &by_item, &mappings, listing).await?;
        let mut news = Vec::with_capacity(order.len());
        for id in order {
            let entries = by_item.remove(&id).unwrap_or_default();
            let mapping = mappings.get(&id);
            let folded = job.up.fold(listing.held(&id, mapping), &entries);
            if listing.says_nothing_new(job, &id, mapping, &folded) {
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
                    Some(None) => job.up.alone(&entries),
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
        order: &[RemoteId],
        by_item: &BTreeMap<RemoteId, Vec<Entry>>,
        mappings: &BTreeMap<RemoteId, Mapping>,
        listing: &Listing,
    ) -> Result<BTreeMap<RemoteId, Result<Option<Snapshot>, Failure>>, Stop> {
        let mut asked = BTreeMap::new();
        if !job.up.lists_all() {
            return Ok(asked);
        }
        let is_unknown = |id: &&RemoteId| {
            let entries = by_item.get(*id).map_or(&[][..], Vec::as_slice);
            job.up.fold(listing.held(id, mappings.get(*id)), entries) == Folded::Incomplete
        };
        let unknown: Vec<RemoteId> = order.iter().filter(is_unknown).cloned().collect();
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
    async fn ask_for(
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

    /// Whether somebody confirmed that as much as this run finds gone is gone.
    fn is_confirmed(&self, job: &Job) -> bool {
        job.link.confirmed_removals(Way::Pull) > 0
    }

    /// The mappings that a complete full listing has not seen.
    pub(super) async fn absent_in(
        &self,
        tx: &mut crate::store::WriteTx,
        job: &Job,
        generation: i64,
        losses: &mut Vec<Loss>,
    ) -> Result<(), Stop> {
        let known: HashSet<MappingId> = losses.iter().map(|l| l.mapping.clone()).collect();
        let mut after = String::new();
        loop {
            let page = tx.unseen_mappings(&job.lease.firm, &job.lease.link, generation, &after, ABSENT_PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            last.id.as_str().clone_into(&mut after);
            losses.extend(page.into_iter().filter(|m| !known.contains(&m.id)).map(|m| Loss { mapping: m.id }));
        }
    }

    /// Asks for every item that a whole listing did not name: a listing may be short, an item that is there is there.
    /// `false`: nothing is taken for absent this time. Where the guard stops the run anyway, or somebody confirmed, nobody
    /// is asked.
    async fn confirm_absent(&self, job: &mut Job, generation: i64) -> Result<bool, Stop> {
        let (firm, link) = (job.lease.firm.clone(), job.lease.link.clone());
        let mut tx = self.store().read().await?;
        let limit = u32::try_from(CONFIRM_MAX).unwrap_or(u32::MAX);
        let absent = tx.unseen_mappings(&firm, &link, generation, "", limit).await?;
        let counts = tx.count_mappings(&firm, &link).await?;
        drop(tx);
        let (mappings, removals) = (u64::try_from(counts.live + counts.conflicts).unwrap_or(0), absent.len() as u64);
        let stopped = matches!(verdict(mappings, removals, 0), Verdict::Confirm { .. });
        let few = removals <= REMOVALS_FREE && job.up.lists_all();
        if self.is_confirmed(job) || (stopped && !few) {
            return Ok(true);
        }
        let more = absent.len() >= CONFIRM_MAX;
        let mut there = false;
        for mapping in absent {
            let Some(id) = mapping.remote.clone() else { continue };
            let found = self.ask_for(job, &id, None).await?;
            if let Some(None) = found {
                continue;
            }
            let mut tx = self.held(job).await?;
            tx.mark_seen(&job.lease, generation, &[&id]).await?;
            if let Some(Some(item)) = found {
                there = true;
                let mapping = tx.mapping(&firm, &link, &mapping.id).await?;
                self.apply_item(&mut tx, job, mapping, &id, &item, generation, None).await?;
            }
            tx.commit().await?;
        }
        Ok(!(more && there))
    }

    /// Lets the guard see what would be removed, removes it, and stores the cursor, in one transaction.
    pub(super) async fn conclude(
        &self,
        job: &mut Job,
        cursor: Option<&str>,
        (generation, full, whole): (i64, bool, bool),
        mut losses: Vec<Loss>,
    ) -> Result<(), Stop> {
        let mut tx = self.held(job).await?;
        if whole {
            self.absent_in(&mut tx, job, generation, &mut losses).await?;
        }
        if !losses.is_empty() {
            let counts = tx.count_mappings(&job.lease.firm, &job.lease.link).await?;
            let mappings = u64::try_from(counts.live + counts.conflicts).unwrap_or(0);
            let (removals, gone) = self.weigh(&mut tx, job, &losses).await?;
            let confirmed = job.link.confirmed_removals(Way::Pull);
            // That nothing is left of several is suspicious where it was inferred, and a person's right where they said so.
            let said = (!full || job.up.lists_all()) && removals <= REMOVALS_FREE;
            if let Verdict::Confirm { removals, mappings } = verdict(mappings, removals, gone)
                && removals > confirmed
                && !said
            {
                let note =
                    format!("{removals} of {mappings} appointments would be removed here, because they are gone there");
                let firm = job.lease.firm.clone();
                tx.hold_back(&job.lease, Way::Pull, removals, &note).await?;
                let whom = (&firm, &job.link.user);
                tx.notify_user(whom, "needs_confirmation", job.link.id.as_str(), &note).await?;
                tx.commit().await?;
                return Err(Stop::Guarded(removals, mappings));
            }
            for loss in &losses {
                self.lose(&mut tx, job, loss).await?;
            }
        }
        tx.set_cursor(&job.lease, cursor, generation, None).await?;
        if self.is_confirmed(job) {
            tx.clear_confirmation(&job.lease).await?;
            job.link.confirmed = 0;
        }
        // A listing of changes that could not be heard to its end is made good by one of everything, and that one, where
        // something of it stays unreadable, by the next day's. One that was taken up in its middle has not seen everything.
        match (full, job.hearing.missed) {
            (true, _) if job.link.progress.is_none() || whole => tx.note_listed(&job.lease, Some(tx.now())).await?,
            (false, true) => tx.note_listed(&job.lease, None).await?,
            _ => {}
        }
        tx.commit().await?;
        job.link.cursor = cursor.map(str::to_owned);
        job.link.generation = generation;
        job.link.progress = None;
        Ok(())
    }
}

/// Whether the removal of its item would take something away here.
fn is_live(mapping: &Mapping) -> bool {
    !matches!(
        mapping.state,
        MappingState::Parked(
            ParkReason::Withdrawn | ParkReason::Undone | ParkReason::RemovedThere | ParkReason::OwnCopy
        ) | MappingState::Detached
            | MappingState::Tombstoned
    )
}
