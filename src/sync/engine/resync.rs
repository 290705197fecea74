//! Looking anew, because somebody asked: at everything of a connection, at what lies between two times, at one
//! appointment, or at what a call that failed was about. What lies outside of the bounds is left as it is.

use std::collections::{HashMap, HashSet};

use tracing::Instrument as _;

use super::account::ask;
use super::desk::unusable;
use super::hear::{CONFIRM_MAX, Listing, News};
use super::loss::Loss;
use super::orders::Teller;
use super::pull::{ITEMS_PER_WRITE, PAGES_MAX};
use super::record::listing;
use super::{Engine, Job, Stop, ends_everything};
use crate::domain::ids::{AttemptId, ConnectionId, FirmId, ObjectId};
use crate::domain::object::CalendarObject;
use crate::domain::sync::{AttemptKind, ConnectionStatus, ErrorClass, LinkStatus, RemoteId, RunKind, RunStatus, Way};
use crate::store::{Attempt, Connection, Due, Link, Mapping, NewAttempt, Waits, WriteTx};
use crate::sync::desk::{Anew, Ask, Bounds, DeskError};
use crate::upstream::{Folded, Next};

/// Attempts that a replay looks through for its own.
const ATTEMPTS_MAX: u32 = 100;

fn due_of(link: &Link) -> Due {
    Due { firm: link.firm.clone(), link: link.id.clone() }
}

/// What several links came to. Where one could not be begun, what the others did is told, and that it is not all.
struct Several {
    all: Anew,
    done: usize,
    refused: Option<DeskError>,
}

impl Several {
    fn of(ask: &Ask) -> Several {
        Several { all: Anew::begun(&ask.correlation_id), done: 0, refused: None }
    }

    fn add(&mut self, one: Result<Anew, DeskError>) -> Result<(), DeskError> {
        match one {
            Ok(one) => {
                self.done += 1;
                self.all.add(one);
            }
            Err(DeskError::Refused(why)) => drop(self.refused.get_or_insert(DeskError::Refused(why))),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn done(mut self) -> Result<Anew, DeskError> {
        match self.refused {
            Some(why) if self.done == 0 => Err(why),
            Some(why) => {
                let rest = Anew::begun(&self.all.correlation_id);
                self.all.add(Anew { status: RunStatus::Partial, why: Some(why.to_string()), ..rest });
                Ok(self.all)
            }
            None => Ok(self.all),
        }
    }
}

impl Engine {
    /// Everything of a connection's active links, or what lies between two times.
    pub(super) async fn resync(
        &self,
        firm: &FirmId,
        id: &ConnectionId,
        bounds: Bounds,
        ask: Ask,
    ) -> Result<Anew, DeskError> {
        let (engine, own, id, asked) = (self.clone(), firm.clone(), id.clone(), ask.clone());
        self.in_time(firm, &ask, async move {
            let mut tx = engine.store().read().await?;
            let connection = tx.connection(&own, &id).await?.ok_or(DeskError::NotFound)?;
            let mut links = tx.links_of_connection(&own, &id).await?;
            drop(tx);
            engine.demand_usable(&connection)?;
            links.retain(|l| l.status == LinkStatus::Active);
            if links.is_empty() {
                return Err(DeskError::Refused("no link of this connection is active".to_owned()));
            }
            let is_whole = bounds == Bounds::default();
            let mut all = Several::of(&asked);
            for link in &links {
                all.add(match is_whole {
                    true => engine.resync_whole(link, &asked).await,
                    false => engine.resync_between(link, bounds, &asked).await,
                })?;
            }
            let all = all.done()?;
            Ok((all, if is_whole { Teller::Links } else { Teller::Carrier }))
        })
        .await
    }

    /// One appointment on every active link that carries it or would.
    pub(super) async fn resync_one(&self, firm: &FirmId, object: &ObjectId, ask: Ask) -> Result<Anew, DeskError> {
        let (engine, own, object, asked) = (self.clone(), firm.clone(), object.clone(), ask.clone());
        self.in_time(firm, &ask, async move {
            let mut tx = engine.store().read().await?;
            let links = tx.links_for_object(&own, &object).await?.ok_or(DeskError::NotFound)?;
            drop(tx);
            if links.is_empty() {
                return Err(DeskError::Refused("no active link carries this appointment".to_owned()));
            }
            let mut all = Several::of(&asked);
            for link in &links {
                all.add(engine.resync_object(link, &object, &asked).await)?;
            }
            Ok((all.done()?, Teller::Carrier))
        })
        .await
    }

    /// What a call that failed was about, once more and at once.
    pub(super) async fn replay(&self, firm: &FirmId, attempt: &AttemptId, ask: Ask) -> Result<Anew, DeskError> {
        let (engine, own, attempt, asked) = (self.clone(), firm.clone(), attempt.clone(), ask.clone());
        self.in_time(firm, &ask, async move {
            let mut tx = engine.store().read().await?;
            let attempt = tx.attempt(&own, &attempt).await?.ok_or(DeskError::NotFound)?;
            let link = tx.link_by_id(&own, &attempt.link).await?.ok_or(DeskError::NotFound)?;
            let connection = tx.connection(&own, &link.connection).await?.ok_or(DeskError::NotFound)?;
            drop(tx);
            match attempt.what.failure {
                _ if attempt.replayed.is_some() => {
                    return Err(DeskError::Refused("this attempt was replayed with success".to_owned()));
                }
                None => return Err(DeskError::Refused("this attempt succeeded".to_owned())),
                Some((ErrorClass::NonRetryable, _)) => {
                    return Err(DeskError::Refused("what failed for good is not tried again".to_owned()));
                }
                Some(_) => {}
            }
            engine.demand_usable(&connection)?;
            demand_active(&link)?;
            let what = attempt.what;
            let done = match (what.way, &what.object) {
                (Way::Push, Some(object)) => engine.send_again(&link, object, &asked).await?,
                (Way::Pull, Some(object)) => {
                    return Ok((engine.resync_object(&link, object, &asked).await?, Teller::Carrier));
                }
                (_, None) if what.operation == AttemptKind::Resync => engine.resync_whole(&link, &asked).await?,
                (_, None) => engine.list_again(&link, RunKind::Manual, &asked).await?,
            };
            Ok((done, Teller::Links))
        })
        .await
    }

    fn demand_usable(&self, connection: &Connection) -> Result<(), DeskError> {
        if connection.status != ConnectionStatus::Active {
            return Err(DeskError::Refused(format!("the connection is {}", connection.status)));
        }
        let now = self.store().now();
        if let Some(until) = connection.slow_until.filter(|until| *until > now) {
            return Err(DeskError::Refused(format!("the provider wants no calls before {until}")));
        }
        // Trying again would fail without a call, and count as one that was made.
        match self.breaker(connection.provider, |b| b.rests(now)) {
            Some(until) => Err(DeskError::Refused(format!(
                "the provider failed repeatedly and is left alone; it is asked again after {until}"
            ))),
            None => Ok(()),
        }
    }

    async fn resync_whole(&self, link: &Link, ask: &Ask) -> Result<Anew, DeskError> {
        self.list_again(link, RunKind::Resync, ask).await
    }

    /// A run of the link that lists, and in a resync sends everything; what it came to. The lease is taken with what is
    /// asked for: the scheduler, which hears of that, would begin it before whoever waits for its end.
    async fn list_again(&self, link: &Link, kind: RunKind, ask: &Ask) -> Result<Anew, DeskError> {
        let id = ask.correlation_id.as_str();
        let mut tx = self.store().write().await?;
        let lease = tx.take_lease(&due_of(link), &self.inner.node).await?;
        if kind == RunKind::Resync {
            tx.queue_between(&link.firm, &link.id, None, None).await?;
        }
        let now = tx.now();
        tx.ask_for_run_as(&link.firm, &link.id, kind, now, Some(id)).await?;
        self.order_of_link(&mut tx, (ask, link), lease.as_ref(), Waits::Listing).await?;
        tx.commit().await?;
        let run = match lease {
            Some(lease) => self.work_with(lease).await?,
            None => None,
        };
        let Some(run) = run else { return self.left_to_others(link, id).await };
        let mut tx = self.store().read().await?;
        let run = tx.run(&link.firm, &run).await?;
        let counts = tx.count_mappings(&link.firm, &link.id).await?;
        drop(tx);
        let status = run.as_ref().map_or(RunStatus::Running, |r| r.status);
        // Of a listing that failed nobody knows how much was looked at.
        let looked = matches!(status, RunStatus::Success | RunStatus::Partial);
        let synced = if looked { u64::try_from(counts.live).unwrap_or(0) } else { 0 };
        let why = run.and_then(|r| r.error_summary);
        let done = Anew { status, synced, why, ..Anew::begun(id) };
        self.told_of_link(ask, link, &done).await?;
        Ok(done)
    }

    /// What is to be said where somebody else works on the link and has been told, or took it over in the middle: that it
    /// goes on, unless the link or its connection was put to rest.
    async fn left_to_others(&self, link: &Link, correlation_id: &str) -> Result<Anew, DeskError> {
        let mut tx = self.store().read().await?;
        let link = tx.link_by_id(&link.firm, &link.id).await?.ok_or(DeskError::NotFound)?;
        let connection = tx.connection(&link.firm, &link.connection).await?.ok_or(DeskError::NotFound)?;
        drop(tx);
        let rests = match (link.status, connection.status) {
            (LinkStatus::Active, ConnectionStatus::Active) => None,
            (LinkStatus::Active, status) => Some(format!("the connection is {status}")),
            (status, _) => Some(format!("the link is {status}")),
        };
        let status = if rests.is_some() { RunStatus::Failed } else { RunStatus::Running };
        Ok(Anew { status, why: rests, ..Anew::begun(correlation_id) })
    }

    async fn send_again(&self, link: &Link, object: &ObjectId, ask: &Ask) -> Result<Anew, DeskError> {
        if !link.settings.direction.pushes() {
            return Err(DeskError::Refused("the link sends nothing any more".to_owned()));
        }
        let id = ask.correlation_id.as_str();
        let mut tx = self.store().write().await?;
        let since = tx.now();
        let before = tx.attempts_since(link, since, ATTEMPTS_MAX).await?;
        let lease = tx.take_lease(&due_of(link), &self.inner.node).await?;
        let queued = tx.queue_one_as(&link.firm, &link.id, object, Some(id)).await?;
        self.order_of_link(&mut tx, (ask, link), lease.as_ref(), Waits::Sending(object, queued)).await?;
        tx.commit().await?;
        if let Some(lease) = lease {
            self.work_with(lease).await?;
        }
        let mut tx = self.store().read().await?;
        let attempts = tx.attempts_since(link, since, ATTEMPTS_MAX).await?;
        let mapping = tx.mapping_of_object(&link.firm, &link.id, object).await?;
        let left = tx.outgoing_of(&link.firm, &link.id, object).await?;
        drop(tx);
        let is_own = |a: &Attempt| a.correlation_id == id && !before.iter().any(|b| b.id == a.id);
        let own = attempts.into_iter().find(is_own);
        let why = mapping.as_ref().and_then(|m| m.state.why_left());
        let begun = Anew { remote: mapping.and_then(|m| m.remote).map(|r| r.0), ..Anew::begun(id) };
        let done = match own.map(|a| a.what.failure) {
            Some(None) => Anew { synced: 1, ..begun },
            Some(Some((_, why))) => Anew { status: RunStatus::Failed, why: Some(why), ..begun },
            None if left.is_some() => Anew { status: RunStatus::Running, ..begun },
            None if why.is_some() => Anew { status: RunStatus::Failed, why, ..begun },
            // Nothing had to be sent any more.
            None => begun,
        };
        self.told_of_link(ask, link, &done).await?;
        Ok(done)
    }

    async fn resync_between(&self, link: &Link, bounds: Bounds, ask: &Ask) -> Result<Anew, DeskError> {
        let mut job = self.begin_anew(link, &ask.correlation_id).await?;
        let started = self.store().now();
        let (lease, span) = (job.lease.clone(), job.span());
        let outcome = self.under(&lease, self.look_between(&mut job, bounds)).instrument(span).await;
        let looked = listing(AttemptKind::Resync, None, started);
        self.end_anew(job, looked, outcome, None).await
    }

    async fn resync_object(&self, link: &Link, object: &ObjectId, ask: &Ask) -> Result<Anew, DeskError> {
        let mut job = self.begin_anew(link, &ask.correlation_id).await?;
        let started = self.store().now();
        let (lease, span) = (job.lease.clone(), job.span());
        let outcome = self.under(&lease, self.look_at(&mut job, object)).instrument(span).await;
        let looked = NewAttempt { object: Some(object.clone()), ..listing(AttemptKind::Resync, None, started) };
        self.end_anew(job, looked, outcome, Some(object)).await
    }

    /// The link's lease, and what the work on it needs.
    async fn begin_anew(&self, link: &Link, correlation_id: &str) -> Result<Job, DeskError> {
        demand_active(link)?;
        let busy = || DeskError::Refused("the link is at work; try again in a moment".to_owned());
        let lease = self.take(&due_of(link)).await?.ok_or_else(busy)?;
        let begun = async {
            let mut job = self.job(&lease).await?.ok_or_else(unusable)?;
            job.kind = RunKind::Resync;
            correlation_id.clone_into(&mut job.account.correlation_id);
            let mut tx = self.held(&job).await?;
            tx.end_stale_runs(&job.lease).await?;
            self.run_of(&mut tx, &mut job).await?;
            tx.commit().await?;
            Ok::<Job, DeskError>(job)
        };
        match begun.await {
            Ok(job) => Ok(job),
            Err(error) => {
                self.give_back(&lease).await?;
                Err(error)
            }
        }
    }

    /// Sends what is to be sent, records how it went and gives the lease back.
    async fn end_anew(
        &self,
        mut job: Job,
        mut looked: NewAttempt,
        outcome: Result<u64, Stop>,
        object: Option<&ObjectId>,
    ) -> Result<Anew, DeskError> {
        let lease = job.lease.clone();
        let ended = self.end_anew_under(&mut job, &mut looked, outcome, object).await;
        self.give_back(&lease).await?;
        ended
    }

    async fn end_anew_under(
        &self,
        job: &mut Job,
        looked: &mut NewAttempt,
        outcome: Result<u64, Stop>,
        object: Option<&ObjectId>,
    ) -> Result<Anew, DeskError> {
        let run = job.run.clone();
        let (synced, stop) = match outcome {
            Ok(synced) => {
                let (lease, span) = (job.lease.clone(), job.span());
                (synced, self.under(&lease, self.push(job)).instrument(span).await.err())
            }
            Err(stop) => (0, Some(stop)),
        };
        if let Some(Stop::Fenced | Stop::Store(_) | Stop::NoCalendar) = &stop {
            return stop.map_or(Err(DeskError::Closed), |stop| Err(stop.into()));
        }
        let mut tx = self.held(job).await?;
        if let Some(Stop::Call(failure)) = &stop {
            looked.failure = Some((failure.class(), failure.to_string()));
            self.consequences(&mut tx, job, failure).await?;
        }
        self.record(&mut tx, job, looked.clone()).await?;
        tx.commit().await?;
        let correlation_id = job.account.correlation_id.clone();
        self.end(job, stop.as_ref()).await?;
        let mut tx = self.store().read().await?;
        let run = match &run {
            Some(run) => tx.run(&job.lease.firm, run).await?,
            None => None,
        };
        let remote = match object {
            Some(object) => tx.mapping_of_object(&job.lease.firm, &job.lease.link, object).await?,
            None => None,
        };
        Ok(Anew {
            status: run.as_ref().map_or(RunStatus::Success, |r| r.status),
            synced,
            why: run.and_then(|r| r.error_summary),
            remote: remote.and_then(|m| m.remote).map(|r| r.0),
            correlation_id,
        })
    }

    /// Everything on both sides that lies between two times; how much there was.
    async fn look_between(&self, job: &mut Job, bounds: Bounds) -> Result<u64, Stop> {
        let (mut seen, mut page, mut looked) = (HashSet::new(), None::<String>, 0);
        let mut listing = Listing::new(&*job.up, true, job.link.generation + 1).dry();
        for _ in 0..PAGES_MAX {
            let up = job.up.clone();
            let batch = ask!(self, &mut job.account, |at| up.changes(at, None, page.as_deref()))?;
            for why in batch.unreadable {
                job.leave(why);
            }
            let mut news = self.gather(job, batch.entries, &mut listing).await?;
            if !matches!(batch.next, Next::Page(_)) {
                news.extend(listing.rest());
            }
            for chunk in news.chunks(ITEMS_PER_WRITE) {
                looked += self.apply_between(job, chunk, bounds, &mut seen).await?;
            }
            match batch.next {
                Next::Page(next) => page = Some(next),
                Next::Complete(_) | Next::Partial => break,
            }
        }
        let mut tx = self.store().read().await?;
        let here = tx.mapped_between(&job.lease.firm, &job.lease.link, bounds.from, bounds.until).await?;
        drop(tx);
        let missing = here.into_iter().filter(|m| m.remote.as_ref().is_some_and(|id| !seen.contains(id)));
        looked += self.look_for(job, missing.take(CONFIRM_MAX).collect()).await?;
        let mut tx = self.held(job).await?;
        tx.queue_between(&job.lease.firm, &job.lease.link, bounds.from, bounds.until).await?;
        tx.commit().await?;
        Ok(looked)
    }

    async fn apply_between(
        &self,
        job: &mut Job,
        news: &[News],
        bounds: Bounds,
        seen: &mut HashSet<RemoteId>,
    ) -> Result<u64, Stop> {
        let mut tx = self.held(job).await?;
        let ids: Vec<&RemoteId> = news.iter().map(|n| &n.id).collect();
        let found = tx.mappings_by_remote(&job.lease.firm, &job.lease.link, &ids).await?;
        let mut mappings: HashMap<RemoteId, Mapping> =
            found.into_iter().filter_map(|m| Some((m.remote.clone()?, m))).collect();
        let mut looked = 0;
        for one in news {
            // What a listing says is gone is asked for with everything else that it does not name.
            let Folded::Present(item) = &one.folded else { continue };
            seen.insert(one.id.clone());
            let mapping = mappings.remove(&one.id);
            let lens = self.ground(job, "", None).lens;
            let there = job.up.put(item, None, lens).is_ok_and(|object| bounds.hold(&object));
            if there || self.is_here_between(&mut tx, job, mapping.as_ref(), bounds).await? {
                let generation = mapping.as_ref().map_or(job.link.generation, |m| m.generation);
                self.apply_item(&mut tx, job, mapping, &one.id, item, generation, None).await?;
                looked += 1;
            }
        }
        tx.commit().await?;
        Ok(looked)
    }

    async fn is_here_between(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        mapping: Option<&Mapping>,
        bounds: Bounds,
    ) -> Result<bool, Stop> {
        let Some(object) = mapping.and_then(|m| m.object.as_ref()) else { return Ok(false) };
        Ok(self.local(tx, job, object).await?.is_some_and(|local| bounds.hold(&local.object)))
    }

    /// One appointment on both sides.
    async fn look_at(&self, job: &mut Job, object: &ObjectId) -> Result<u64, Stop> {
        let mut tx = self.store().read().await?;
        let mapping = tx.mapping_of_object(&job.lease.firm, &job.lease.link, object).await?;
        drop(tx);
        self.look_for(job, mapping.into_iter().filter(|m| m.remote.is_some()).collect()).await?;
        let mut tx = self.held(job).await?;
        tx.queue_one(&job.lease.firm, &job.lease.link, object).await?;
        tx.commit().await?;
        Ok(1)
    }

    /// Asks for items one by one. What is gone goes through the guard together.
    async fn look_for(&self, job: &mut Job, mappings: Vec<Mapping>) -> Result<u64, Stop> {
        let (mut losses, mut looked) = (Vec::new(), 0);
        for mapping in mappings {
            let Some(id) = mapping.remote.clone() else { continue };
            let up = job.up.clone();
            match ask!(self, &mut job.account, |at| up.fetch(at, &id)) {
                Ok(Some(item)) => {
                    let mut tx = self.held(job).await?;
                    let mapping = tx.mapping(&job.lease.firm, &job.lease.link, &mapping.id).await?;
                    let generation = mapping.as_ref().map_or(job.link.generation, |m| m.generation);
                    self.apply_item(&mut tx, job, mapping, &id, &item, generation, None).await?;
                    tx.commit().await?;
                    looked += 1;
                }
                Ok(None) => losses.push(Loss { mapping: mapping.id }),
                Err(failure) if ends_everything(&failure) => return Err(failure.into()),
                Err(failure) => {
                    job.totals.errors += 1;
                    job.left.get_or_insert_with(|| failure.to_string());
                }
            }
        }
        if !losses.is_empty() {
            let (cursor, generation) = (job.link.cursor.clone(), job.link.generation);
            looked += losses.len() as u64;
            self.conclude(job, cursor.as_deref(), (generation, true, false), losses).await?;
        }
        Ok(looked)
    }
}

impl Bounds {
    /// Whether an object lies between them, be it in part.
    fn hold(&self, object: &CalendarObject) -> bool {
        object.index().span.is_some_and(|span| {
            let after = |from| span.ends.is_none_or(|ends| ends > from);
            self.from.is_none_or(after) && self.until.is_none_or(|until| span.starts < until)
        })
    }
}

fn demand_active(link: &Link) -> Result<(), DeskError> {
    match link.status {
        LinkStatus::Active => Ok(()),
        status => Err(DeskError::Refused(format!("the link is {status}"))),
    }
}
