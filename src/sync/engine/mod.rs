//! The engine: takes what is due, asks providers, decides, writes, and sends.
//!
//! One walk for everything: a lease on one link, a pull if one is due, then what waits in its outbox. Every write demands
//! the lease's fencing token; no transaction is open while a provider is asked. What is decided is decided in
//! [`super::decide`]; this module only acts.
//!
//! | file | what it does |
//! | --- | --- |
//! | `account` | the secret of a connection: opened, renewed, slowed down |
//! | `pull` | a listing, page by page, into decisions |
//! | `hear` | what the pages say of each item: folded, completed, doubted |
//! | `apply` | one decision carried out here, in one transaction with its mapping |
//! | `expand` | series that go out as their instances |
//! | `whole` | such a series as its instances see it |
//! | `loss` | what a listing took away |
//! | `push` | one object carried out there: intent, call, settlement |
//! | `recall` | what stood there once, asked for before it is made anew |
//! | `failed` | what a failed call means, and when it is tried again |
//! | `consider` | what the link shows of one object, and what would be sent for it |
//! | `record` | what was done, written down in the run that did it |
//! | `outgoing` | what goes with an object: key, mark, invitations |
//! | `send` | what one object needs to have sent: pure |
//! | `channel` | webhook channels, made, renewed and stopped |
//! | `preview` | a run that is taken back before anybody sees it |
//! | `undo` | a run's deeds taken back on both sides |
//! | `orders` | what became of what managers ordered, told wherever it becomes so |
//! | `resync` | everything between two times, one appointment, or one failed call, anew |
//! | `desk`, `device` | people's orders; consent on another device |

mod account;
mod apply;
mod channel;
mod consider;
mod desk;
mod device;
mod expand;
mod failed;
mod hear;
mod loss;
mod orders;
mod outgoing;
mod preview;
mod pull;
mod push;
mod recall;
mod record;
mod resync;
mod send;
mod undo;
mod whole;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tracing::Instrument;

use super::budget::{Breaker, Budgets, Rate};
use super::figures::{Figures, Told};
use crate::crypto::KeyRing;
use crate::domain::access::{Access, Caller, Right};
use crate::domain::ids::{ConnectionId, ObjectId, RunId};
use crate::domain::sync::{LinkStatus, Provider, RemoteCalendarId, RunKind};
use crate::store::{
    CalendarError, Connection, Due, LEASE_MS, Lease, Link, PutError, RunTotals, Store, StoreError, WriteTx,
};
use crate::upstream::registry::Upstreams;
use crate::upstream::{Failure, Upstream};

pub use account::{Secret, open_secret, seal_secret};

/// Calls that an account may have: below the providers' own measure (Google: 600 a minute and user).
const ACCOUNT_RATE: Rate = Rate { calls: 500, per: Duration::from_mins(1) };
/// Calls that a provider may have from this node (Google: 10,000 a minute and project).
const PROVIDER_RATE: Rate = Rate { calls: 8_000, per: Duration::from_mins(1) };

/// A lease is prolonged so often while its work goes on: several times within its length.
const BEAT: Duration = Duration::from_millis((LEASE_MS / 4).unsigned_abs());

/// What the engine works with. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
    beat: Duration,
}

struct Inner {
    store: Store,
    keys: Arc<KeyRing>,
    registry: Arc<Upstreams>,
    node: String,
    /// Where providers can reach us, if they can: the base of webhook addresses.
    public_url: Option<String>,
    budgets: Mutex<Budgets<ConnectionId, Provider>>,
    breakers: Mutex<HashMap<Provider, Breaker>>,
    figures: Mutex<Figures>,
}

/// Why work on a link stops. The rest of it is done by whoever takes the link next.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lease is lost: somebody else works on the link.
    #[error("another node works on this link")]
    Fenced,
    /// The provider failed in a way that ends the run.
    #[error(transparent)]
    Call(#[from] Failure),
    /// The guard stopped the run: so many of so many would be removed.
    #[error("{0} of {1} would be removed; somebody must confirm")]
    Guarded(u64, u64),
    /// The calendar here is gone.
    #[error("the calendar here is gone")]
    NoCalendar,
}

impl From<CalendarError> for Stop {
    fn from(error: CalendarError) -> Stop {
        match error {
            CalendarError::Store(error) => Stop::Store(error),
            _ => Stop::NoCalendar,
        }
    }
}

impl From<PutError> for Stop {
    fn from(error: PutError) -> Stop {
        match error {
            PutError::Store(error) => Stop::Store(error),
            PutError::NotFound => Stop::NoCalendar,
            other => Stop::Store(StoreError::Corrupt(other.to_string())),
        }
    }
}

/// Whom a call is made for.
struct Account {
    connection: Connection,
    /// The calendar that calls concern; empty where they concern the account.
    calendar: RemoteCalendarId,
    /// Goes with every call.
    correlation_id: String,
}

/// One link's work under one lease.
struct Job {
    lease: Lease,
    link: Link,
    account: Account,
    up: Arc<dyn Upstream>,
    access: Access,
    caller: Caller,
    /// The run that records it; begun when there is something to record.
    run: Option<RunId>,
    kind: RunKind,
    totals: RunTotals,
    /// The first thing that was left, for the run's summary.
    left: Option<String>,
    /// What the listing is worth, as far as it was heard.
    hearing: Hearing,
    /// Whether the listing told of anything.
    heard: bool,
    /// Series that wait for their instances to go.
    waits: BTreeSet<ObjectId>,
    /// The series whose instances were looked at last.
    read: Mutex<Option<Arc<whole::Whole>>>,
}

/// What a listing is worth.
#[derive(Clone, Copy, Debug, Default)]
struct Hearing {
    /// There was a listing, and not one item after the other.
    listed: bool,
    /// Everything is listed although there is a cursor.
    anew: bool,
    /// How many of the removals it told of were asked about.
    asked: usize,
    /// One of them was there all the same: none is believed unasked.
    lied: bool,
    /// Something of it could not be heard.
    missed: bool,
}

impl Job {
    /// Something of one item is left as it was; the rest of the run goes on.
    fn leave(&mut self, why: impl Into<String>) {
        self.totals.errors += 1;
        self.left.get_or_insert_with(|| why.into());
    }
}

impl Job {
    /// What every log line of this work has.
    fn span(&self) -> tracing::Span {
        tracing::info_span!(
            "work",
            correlation_id = self.account.correlation_id,
            connection_id = self.link.connection.as_str(),
            link_id = self.link.id.as_str()
        )
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// An engine on this store. `node` names this process in leases.
    #[must_use]
    pub fn new(
        store: Store,
        keys: Arc<KeyRing>,
        registry: Arc<Upstreams>,
        node: String,
        public_url: Option<String>,
    ) -> Engine {
        let budgets = Mutex::new(Budgets::new(ACCOUNT_RATE, PROVIDER_RATE));
        let breakers = Mutex::new(HashMap::new());
        let inner = Inner { store, keys, registry, node, public_url, budgets, breakers, figures: Mutex::default() };
        Engine { inner: Arc::new(inner), beat: BEAT }
    }

    /// The same engine, prolonging the leases it works under so often.
    #[must_use]
    pub fn beating(self, every: Duration) -> Engine {
        Engine { beat: every, ..self }
    }

    /// The store it works on.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The providers it can ask.
    #[must_use]
    pub fn registry(&self) -> &Upstreams {
        &self.inner.registry
    }

    /// The keys that seal secrets.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.inner.keys
    }

    /// What this node can tell of itself: what it counted, and how the providers stand with it.
    #[must_use]
    pub fn told(&self) -> Told {
        let now = self.inner.store.now();
        let figures = self.inner.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut told = Told { figures, ..Told::default() };
        for provider in Provider::ALL.iter().filter(|p| self.registry().of(**p).is_some()) {
            let mut budgets = self.inner.budgets.lock().unwrap_or_else(PoisonError::into_inner);
            told.quota_left.insert(*provider, budgets.provider_left(provider, now));
            drop(budgets);
            told.breakers.insert(*provider, self.breaker(*provider, |b| b.level()));
        }
        told
    }

    fn count(&self, count: impl FnOnce(&mut Figures)) {
        count(&mut self.inner.figures.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Works on a link until nothing of it is due. `false`: somebody else has its lease, or it cannot be worked on.
    ///
    /// # Errors
    /// The database failed. What a provider does is recorded, never an error here.
    pub fn work<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let Some(lease) = self.take(due).await? else { return Ok(false) };
            self.work_with(lease).await.map(|_| true)
        })
    }

    /// As [`Engine::work`], with the lease that whoever asks has taken already. The run that recorded the work, if there
    /// was something to record and it was brought to its end under this lease.
    async fn work_with(&self, lease: Lease) -> Result<Option<RunId>, StoreError> {
        let mut run = None;
        let work = async {
            match self.job(&lease).await? {
                Some(mut job) => {
                    let span = job.span();
                    let outcome = self.work_on(&mut job).instrument(span).await;
                    run = job.run;
                    outcome
                }
                None => Ok(()),
            }
        };
        let outcome = self.under(&lease, work).await;
        match outcome {
            Ok(()) | Err(Stop::Call(_) | Stop::Guarded(..)) => self.give_back(&lease).await?,
            Err(Stop::NoCalendar) => {
                let mut tx = self.inner.store.write().await?;
                if tx.keep_lease(&lease).await? {
                    let note = Some("the calendar here was deleted");
                    tx.set_link_status(&lease.firm, &lease.link, LinkStatus::Detached, note).await?;
                    tx.release(&lease).await?;
                    tx.commit().await?;
                }
            }
            Err(Stop::Fenced) => {
                tracing::info!(link_id = lease.link.as_str(), "the lease was lost; another node goes on");
                return Ok(None);
            }
            Err(Stop::Store(error)) => {
                self.give_back(&lease).await.ok();
                return Err(error);
            }
        }
        Ok(run)
    }

    /// Works under a lease that is prolonged all the while, also where one step takes many calls; lost, it ends the work
    /// right there, before its next write here or call there.
    async fn under<T, E: From<Stop>>(&self, lease: &Lease, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let lost = async {
            loop {
                tokio::time::sleep(self.beat).await;
                match self.prolong(lease).await {
                    Ok(true) => {}
                    Ok(false) => return Stop::Fenced,
                    // Whether it is lost is not known; the next write of the work demands it anyway.
                    Err(error) => tracing::warn!(link_id = lease.link.as_str(), %error, "a lease was not prolonged"),
                }
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            stop = lost => Err(stop.into()),
        }
    }

    async fn prolong(&self, lease: &Lease) -> Result<bool, StoreError> {
        let mut tx = self.inner.store.write().await?;
        let held = tx.keep_lease(lease).await?;
        tx.commit().await?;
        Ok(held)
    }

    async fn take(&self, due: &Due) -> Result<Option<Lease>, StoreError> {
        let mut tx = self.inner.store.write().await?;
        let lease = tx.take_lease(due, &self.inner.node).await?;
        tx.commit().await?;
        Ok(lease)
    }

    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut tx = self.inner.store.write().await?;
        tx.release(lease).await?;
        tx.commit().await
    }

    /// Looks at everything that the work needs. `None`: link or connection cannot be used now.
    async fn job(&self, lease: &Lease) -> Result<Option<Job>, Stop> {
        let mut tx = self.inner.store.read().await?;
        let Some(link) = tx.link_by_id(&lease.firm, &lease.link).await? else { return Ok(None) };
        if link.fence != lease.fence {
            return Err(Stop::Fenced);
        }
        let Some(connection) = tx.connection(&lease.firm, &link.connection).await? else { return Ok(None) };
        let usable = link.status == LinkStatus::Active
            && connection.status == crate::domain::sync::ConnectionStatus::Active
            && connection.slow_until.is_none_or(|until| until <= tx.now());
        let Some(up) = self.inner.registry.of(connection.provider).filter(|_| usable) else { return Ok(None) };
        let Some(user) = tx.user(&lease.firm, &link.user).await? else { return Ok(None) };
        let caller = user.acted_for();
        let (access, _) = tx.calendar_by_id(&caller, &link.calendar, Right::Write).await?;
        let asked = link.due_correlation.clone();
        let correlation_id = asked.unwrap_or_else(|| self.new_correlation());
        let kind = link.due_kind;
        Ok(Some(Job {
            lease: lease.clone(),
            account: Account { connection, calendar: link.remote.clone(), correlation_id },
            link,
            up,
            access,
            caller,
            run: None,
            kind,
            totals: RunTotals::default(),
            left: None,
            hearing: Hearing::default(),
            heard: false,
            waits: BTreeSet::new(),
            read: Mutex::default(),
        }))
    }

    async fn work_on(&self, job: &mut Job) -> Result<(), Stop> {
        let pulled = if job.link.due <= self.inner.store.now() {
            let pulled = self.pull(job).await;
            self.mind_channel(job).await?;
            self.roll(job).await?;
            pulled
        } else {
            job.kind = RunKind::Push;
            Ok(())
        };
        // A run that failed at its listing still sends what waits: that is another call, and may well succeed.
        let outcome = match pulled {
            Ok(()) | Err(Stop::Guarded(..)) => self.push(job).await.and(pulled),
            Err(Stop::Call(failure)) if !ends_everything(&failure) => {
                self.push(job).await.and(Err(Stop::Call(failure)))
            }
            stopped => stopped,
        };
        self.end(job, outcome.as_ref().err()).await?;
        outcome
    }

    /// A transaction to write in, with the lease prolonged.
    async fn held(&self, job: &Job) -> Result<WriteTx, Stop> {
        let mut tx = self.inner.store.write().await?;
        if tx.keep_lease(&job.lease).await? { Ok(tx) } else { Err(Stop::Fenced) }
    }

    /// An id for work that nobody asked for.
    fn new_correlation(&self) -> String {
        hex::encode(self.inner.store.chance().bytes::<8>())
    }

    fn breaker<T>(&self, provider: Provider, ask: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breakers = self.inner.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        ask(breakers.entry(provider).or_default())
    }
}

/// Whether nothing more can be done for this account now.
fn ends_everything(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::RateLimited(..) | Failure::Unauthorised | Failure::NeedsConsent(_) | Failure::CalendarGone(_)
    )
}
