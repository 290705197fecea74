//! A listing, page by page, into decisions. What a page brings is applied with the page; what it takes away is withheld
//! until the listing is proven complete and the guard has seen all of it. The cursor is stored in the transaction that
//! applies the end.

use std::collections::HashSet;

use super::account::ask;
use super::hear::{CONFIRM_MAX, Listing};
use super::loss::Loss;
use super::record;
use super::{Engine, Job, Stop};
use crate::domain::ids::MappingId;
use crate::domain::sync::{AttemptKind, ErrorClass, RunKind, RunStatus, Way};
use crate::domain::time::Instant;
use crate::sync::guard::{REMOVALS_FREE, Verdict, verdict};
use crate::sync::{listing, retry};
use crate::upstream::{Failure, Folded, Next};

/// Items applied in one transaction: others write between two of them, and a page is not held up by its size.
pub(super) const ITEMS_PER_WRITE: usize = 100;
/// Pages of one listing. A provider that never ends a listing does not hold a link for ever: 2,500 events a page.
pub(super) const PAGES_MAX: usize = 4_000;
/// Mappings looked at together when a full listing is over.
const ABSENT_PAGE: u32 = 500;

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
        let begun = tx.begin_pull(&job.lease, job.link.due).await?;
        self.run_of(&mut tx, job).await?;
        tx.commit().await?;
        job.hearing.listed = true;
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
                // A remembered page may be forgotten by the provider, or be at an address that is its no more: from the start.
                Err(Failure::Refused(_) | Failure::CursorLost | Failure::BadAnswer(_))
                    if page.is_some() && page == resumed =>
                {
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
                    if full && listing.is_said() {
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

    /// Whether somebody confirmed that as much as this run finds gone is gone.
    pub(super) fn is_confirmed(&self, job: &Job) -> bool {
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
