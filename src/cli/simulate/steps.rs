//! How a world goes on: people edit, time passes, links are worked on, nodes crash, and in the end it is quiet.

use std::collections::BTreeSet;

use kalends_simulators::google::Fault;

use super::world::World;
use super::{Fate, Violation};
use crate::domain::sync::{ConnectionStatus, LinkStatus, RunKind};
use crate::domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::store::{Connection, Due, LEASE_MS, Passing, RunFilter};

/// Rounds within which a world without faults has to be quiet.
const ROUNDS_MAX: usize = 24;
/// Looks of the scheduler in one round.
const LOOKS_MAX: usize = 40;
/// Passages of a work in which it is stopped, at most: a look at a link takes some dozens.
const PASSAGES: u64 = 60;

/// What happens to a work that is held at its gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The process dies.
    Crash,
    /// People go on editing.
    Edit,
    /// It is thought dead for longer than its lease, and the other node takes over.
    Lapse,
}

impl World {
    /// Whatever this seed brings, and then quiet.
    pub(super) async fn live(&mut self) -> Fate<()> {
        for calendar in 0..self.calendars.len() {
            for _ in 0..self.dice.below(4) {
                self.create_here(calendar).await?;
            }
        }
        for there in self.places_there() {
            for _ in 0..self.dice.below(4) {
                self.create_there(&there)?;
            }
        }
        if self.dice.percent(70) {
            self.plan_faults();
        }
        let steps = self.dice.between(8, 30);
        for _ in 0..steps {
            self.step().await?;
        }
        let struck = self.google().faults().struck() + self.microsoft().faults().struck();
        self.covered.faults = struck;
        self.google().faults().clear();
        self.microsoft().faults().clear();
        self.tell(|| "faults stop".to_owned());
        self.quiet().await?;
        if self.deaf {
            // What a listing of changes left out for good is heard of when everything is listed: within a day.
            self.pass(DAY_MS);
            self.quiet().await?;
        }
        Ok(())
    }

    pub(super) fn places_there(&self) -> Vec<String> {
        let all: BTreeSet<String> = self.links.iter().map(|l| l.there.clone()).collect();
        all.into_iter().collect()
    }

    fn plan_faults(&mut self) {
        let mut all = vec![
            Fault::LoseRequest,
            Fault::LoseResponse,
            Fault::Delay { ms: 5_000 },
            Fault::Delay { ms: 90_000 },
            Fault::Truncate { per_mille: 500 },
            Fault::Unauthorized,
            Fault::UserRateLimit,
            Fault::RateLimit,
            Fault::TooManyRequests { retry_after_s: Some(30) },
            Fault::TooManyRequests { retry_after_s: None },
            Fault::Backend { status: 500 },
            Fault::Backend { status: 503 },
            Fault::BackendAfter { status: 500 },
            Fault::BackendAfter { status: 502 },
            Fault::Html,
            Fault::WrongJson,
            Fault::FullSyncRequired,
            Fault::PageTokenExpired,
            Fault::ShortPage { entries: 0 },
            Fault::ShortPage { entries: 1 },
            Fault::ShortPage { entries: 2 },
            Fault::RepeatItem,
            Fault::SkipItem,
            Fault::RepeatChanges,
            Fault::Shuffle,
            Fault::NewEtags,
            Fault::PreconditionFailed,
            Fault::Conflict,
            Fault::StaleDelta { changes: 1 },
            Fault::StaleDelta { changes: 3 },
        ];
        if self.dice.percent(40) {
            all.extend([Fault::FalseRemoval, Fault::OmitDeletes]);
        }
        if self.dice.percent(30) {
            all.extend([Fault::InvalidGrant, Fault::Forbidden, Fault::NotFound, Fault::Invalid, Fault::QuotaExceeded]);
            all.extend([Fault::NoEtag, Fault::WrongTypes, Fault::Duplicate, Fault::Deleted]);
            self.covered.harsh += 1;
        }
        let kinds = self.dice.between(1, i64::try_from(all.len()).unwrap_or(1));
        let mut some = Vec::new();
        for _ in 0..kinds {
            some.extend(self.dice.pick(&all).cloned());
        }
        let (seed, often) = (self.dice.any(), u32::try_from(self.dice.between(20, 350)).unwrap_or(100));
        self.tell(|| format!("faults {often} in a thousand: {some:?}"));
        // What is said not to be there, in a listing or when it is asked for, is taken for gone.
        let denies = |fault: &Fault| {
            matches!(fault, Fault::FalseRemoval | Fault::OmitDeletes | Fault::NotFound | Fault::Deleted)
        };
        self.deaf = some.iter().any(denies);
        self.google().faults().randomly(seed, often, some);
        if self.dice.percent(70) {
            self.microsoft().faults().randomly(seed, often, super::outlook::faults());
        }
    }

    async fn step(&mut self) -> Fate<()> {
        match self.dice.below(11) {
            0..=2 => self.edit_here_somewhere().await,
            3..=5 => self.edit_there_somewhere(),
            6 => {
                let ms = match self.dice.below(6) {
                    0 => 1_000,
                    1 => self.dice.between(1, 60) * MINUTE_MS,
                    2 => self.dice.between(1, 40) * HOUR_MS,
                    3 => {
                        let ahead = self.dice.between(-15, 16) * MINUTE_MS;
                        self.google().advance(ahead);
                        self.microsoft().advance(ahead);
                        0
                    }
                    _ => 16 * MINUTE_MS,
                };
                self.pass(ms);
                Ok(())
            }
            7 => self.tend().await,
            _ => self.look(true).await.map(|_| ()),
        }
    }

    fn pass(&mut self, ms: i64) {
        self.clock.advance_ms(ms);
        self.tell(|| format!("{ms} ms pass"));
    }

    async fn edit_here_somewhere(&mut self) -> Fate<()> {
        let calendar = usize::try_from(self.dice.below(self.calendars.len() as u64)).unwrap_or(0);
        if self.dice.percent(25) { self.create_here(calendar).await } else { self.edit_here(calendar).await }
    }

    fn edit_there_somewhere(&mut self) -> Fate<()> {
        let places = self.places_there();
        let Some(there) = self.dice.pick(&places).cloned() else { return Ok(()) };
        if self.dice.percent(25) { self.create_there(&there) } else { self.edit_there(&there) }
    }

    /// One look of the scheduler; how many links it found something to do for.
    async fn look(&mut self, wild: bool) -> Fate<usize> {
        let mut tx = self.store.read().await?;
        let due = tx.due_links().await?;
        drop(tx);
        for one in &due {
            self.work(0, one, wild).await?;
        }
        Ok(due.len())
    }

    /// Has a node work on a link; in wild times things happen while it does.
    pub(super) async fn work(&mut self, node: usize, due: &Due, wild: bool) -> Fate<()> {
        let stop = (wild && self.dice.percent(45)).then(|| 1 + self.dice.below(PASSAGES));
        let Some((engine, gate)) = self.nodes.get(node).map(|n| (n.engine.clone(), std::sync::Arc::clone(&n.gate)))
        else {
            return Ok(());
        };
        gate.close_at(stop);
        self.covered.works += 1;
        self.tell(|| format!("node {node} works on {}", due.link.as_str()));
        let mut work = engine.work(due);
        loop {
            let held = tokio::select! {
                biased;
                held = gate.held() => held,
                done = &mut work => {
                    done?;
                    return Ok(());
                }
            };
            let turn = match self.dice.below(10) {
                0..=4 => Turn::Crash,
                5..=7 => Turn::Edit,
                _ => Turn::Lapse,
            };
            // Where the one writer's turn is taken, nobody else can write here: only crashes tell.
            let turn = if held == Passing::Commit { Turn::Crash } else { turn };
            let at = gate.passed();
            self.tell(|| format!("node {node} is held at {held:?} ({at}): {turn:?}"));
            match turn {
                Turn::Crash => {
                    drop(work);
                    self.covered.crashes += 1;
                    let fresh = self.node("again");
                    if let Some(place) = self.nodes.get_mut(node) {
                        *place = fresh;
                    }
                    return Ok(());
                }
                Turn::Edit => {
                    self.edit_here_somewhere().await?;
                    self.edit_there_somewhere()?;
                    let at = usize::try_from(self.dice.below(self.links.len() as u64)).unwrap_or(0);
                    match self.dice.below(20) {
                        0 => self.disconnect(at).await?,
                        1..=3 => self.notify(at).await?,
                        _ => {}
                    }
                    self.covered.meddled += 1;
                }
                Turn::Lapse => {
                    self.pass(LEASE_MS + 1);
                    if node == 0 {
                        self.covered.lapses += 1;
                        Box::pin(self.work(1, due, false)).await?;
                    }
                }
            }
            let again = self.dice.percent(30).then(|| at + 1 + self.dice.below(10));
            gate.open(again);
        }
    }

    /// Somebody looks after what waits for a person; then everything is worked on until a whole round changes nothing.
    pub(super) async fn quiet(&mut self) -> Fate<()> {
        for round in 0..ROUNDS_MAX {
            self.pass(16 * MINUTE_MS);
            self.mend().await?;
            let before = self.writes().await?;
            let mut looks = 0;
            while self.look(false).await? > 0 {
                looks += 1;
                if looks > LOOKS_MAX {
                    return Err(Violation::of("progress", "the links have always something to do"));
                }
            }
            let mended = self.mend().await?;
            if self.writes().await? == before && !mended && round > 1 && self.waits().await?.is_none() {
                return Ok(());
            }
        }
        let waits = self.waits().await?;
        Err(Violation::of("progress", format!("not quiet after {ROUNDS_MAX} rounds: {waits:?}")))
    }

    /// What still waits: an outbox, a link that does not run, a pull that failed.
    async fn waits(&self) -> Fate<Option<String>> {
        let mut tx = self.store.read().await?;
        for linked in &self.links {
            let firm = self.calendars.get(linked.here).map(|c| c.caller.firm.clone());
            let firm = firm.ok_or_else(|| Violation::broken("no calendar"))?;
            let Some(link) = tx.link_by_id(&firm, &linked.id).await? else { return Ok(Some("no link".to_owned())) };
            let outgoing = tx.outgoing_all(&firm, &linked.id, 5).await?;
            if !outgoing.is_empty() || link.status != LinkStatus::Active || link.failures > 0 {
                let mut mappings = Vec::new();
                for one in &outgoing {
                    mappings.push(tx.mapping_of_object(&firm, &linked.id, &one.object).await?.map(|m| m.state));
                }
                let filter = RunFilter { link: Some(linked.id.clone()), ..RunFilter::default() };
                let (runs, _) = tx.runs((&firm, &link.user), &filter, (1, 0)).await?;
                let why = runs.first().and_then(|run| run.error_summary.clone()).unwrap_or_default();
                let (status, failures) = (link.status, link.failures);
                let what = format!(
                    "{} {status} {:?} failures {failures} {outgoing:?} {mappings:?} {:?}",
                    linked.there, why, linked.settings
                );
                return Ok(Some(what));
            }
        }
        Ok(None)
    }

    /// What a person does when the product tells them to: consents again, confirms, starts a link again.
    async fn mend(&mut self) -> Fate<bool> {
        let mut mended = false;
        for linked in self.links.clone() {
            let Some(caller) = self.calendars.get(linked.here).map(|c| c.caller.clone()) else { continue };
            let mut tx = self.store.write().await?;
            let link = tx.link_by_id(&caller.firm, &linked.id).await?;
            let connection = tx.connection(&caller.firm, &linked.connection).await?;
            if let Some(link) = link {
                match link.status {
                    LinkStatus::NeedsConfirmation => {
                        tx.confirm_link(&caller.firm, &linked.id, 1_000).await?;
                        self.covered.guarded += 1;
                        self.book.confirmed = true;
                        mended = true;
                    }
                    LinkStatus::Broken | LinkStatus::Paused => {
                        tx.set_link_status(&caller.firm, &linked.id, LinkStatus::Active, None).await?;
                        mended = true;
                    }
                    _ => {}
                }
                if self.covered.harsh > 0 && !self.book.mended.contains(linked.id.as_str()) {
                    // What was refused for good is tried again when somebody asks for everything to be looked at.
                    tx.set_link(&caller.firm, &linked.id, &linked.settings).await?;
                    tx.ask_for_run(&caller.firm, &linked.id, RunKind::Resync, self.clock_now()).await?;
                    self.book.mended.insert(linked.id.as_str().to_owned());
                    mended = true;
                }
            }
            tx.commit().await?;
            let ended = |c: Connection| matches!(c.status, ConnectionStatus::NeedsReauth | ConnectionStatus::Revoked);
            if connection.is_some_and(ended) {
                self.reconnect(&linked).await?;
                mended = true;
            }
        }
        Ok(mended)
    }
}
