//! The desk between those who are asked by people (API, pages, command line) and the engine, which alone speaks to
//! providers: what can be asked for, and what is promised.
//!
//! Job: carry an order to the engine of this process and its answer back. Neighbours: `api`, `web` and `cli` hold a
//! [`Desk`], the engine works off its [`Orders`]. It must never decide anything: no rule of reconciliation is here, no
//! query, no call to a provider. What needs no provider (settings, pausing, lists) goes to the store without it.
//!
//! Whoever orders has checked that the thing belongs to the one who asks; the engine trusts the ids, and answers
//! [`DeskError::NotFound`] for those that are not there any more.

use std::sync::{Arc, OnceLock};

use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot};

use crate::domain::ids::{AttemptId, ConflictId, ConnectionId, FirmId, LinkId, ObjectId, OrderId, RunId, UserId};
use crate::domain::sync::{Provider, Resolution, RunKind, RunStatus, Way};
use crate::domain::time::Instant;
use crate::store::{RunTotals, StoreError};

pub use crate::upstream::{Failure, RemoteCalendar};

/// Orders that may wait at once. Each is a person before a page; more than this is no queue any more.
const ORDERS_MAX: usize = 64;

/// Why an order came to nothing. The sentences hold no content of an event and no secret.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// No engine runs in this process.
    #[error("the sync engine does not run here")]
    Closed,
    /// Too many orders wait.
    #[error("the sync engine is busy; try again in a moment")]
    Busy,
    /// It is not there, or not any more.
    #[error("it is not there")]
    NotFound,
    /// The provider is not set up, or not known to this version.
    #[error("{0}")]
    NotConfigured(String),
    /// The consent is unknown, used, over, or somebody else's.
    #[error("this consent is unknown, used or over: begin again")]
    BadConsent,
    /// It cannot be done in the state that it is in.
    #[error("{0}")]
    Refused(String),
    /// The provider could not be asked, or refused.
    #[error("{0}")]
    Provider(#[from] Failure),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A provider as this installation offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Which.
    pub provider: Provider,
    /// Whether its accounts can be connected.
    pub configured: bool,
    /// The redirect URI that its operator registered (`GOOGLE_REDIRECT_URI` and its like), if one is set.
    pub redirect_uri: Option<String>,
}

/// A consent to begin.
#[derive(Clone, Debug)]
pub struct NewConsent {
    /// The firm.
    pub firm: FirmId,
    /// Whose account it will be.
    pub user: UserId,
    /// At which provider.
    pub provider: Provider,
    /// The session or token that begins; no other may finish.
    pub bound_to: String,
    /// Where the provider sends the person back to.
    pub redirect_uri: String,
    /// Whether reading is all that is asked for.
    pub read_only: bool,
    /// The account to consent with again, if it is known.
    pub login_hint: Option<String>,
}

/// A consent that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Where the person goes.
    pub auth_url: String,
    /// What comes back with the code; used once, within a quarter of an hour.
    pub state: String,
}

/// A consent that goes on another device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceBegun {
    /// What the person types there.
    pub user_code: String,
    /// Where they type it.
    pub page: String,
    /// What to ask with whether they did.
    pub state: String,
    /// How long to wait between two questions, in seconds.
    pub interval_s: i64,
    /// Until when the code is good.
    pub expires: Instant,
}

/// A question whether somebody consented on another device.
#[derive(Clone, Debug)]
pub struct DeviceAsked {
    /// The firm.
    pub firm: FirmId,
    /// Who asks.
    pub user: UserId,
    /// The session or token that asks.
    pub bound_to: String,
    /// What [`Desk::begin_device`] gave.
    pub state: String,
}

/// A consent to finish.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The firm.
    pub firm: FirmId,
    /// Who finishes.
    pub user: UserId,
    /// The session or token that finishes.
    pub bound_to: String,
    /// At which provider; `None`: whichever the state says.
    pub provider: Option<Provider>,
    /// What came back.
    pub code: SecretString,
    /// What came back with it.
    pub state: String,
}

/// An account that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The connection: new, or the one that this account had before, with its links and mappings.
    pub connection: ConnectionId,
    /// The account's own name at the provider.
    pub account: String,
    /// Whether it was granted to write.
    pub writable: bool,
    /// Whether too little was granted to do anything; the connection is there and says so (`needs_reauth`).
    pub too_little: bool,
}

/// What a run would do to one side of one appointment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewItem {
    /// Which side would change: `pull` this one, `push` that one.
    pub way: Way,
    /// What would happen, in the words of [`crate::store::RunItem::action`].
    pub action: String,
    /// The appointment here.
    pub object: Option<ObjectId>,
    /// The item there.
    pub remote: Option<String>,
    /// What the appointment is called; for its owner's eyes.
    pub title: Option<String>,
    /// When it is.
    pub start: Option<Instant>,
    /// Why, without content of the event.
    pub note: Option<String>,
}

/// What a run would do now. Nothing was changed by asking, here or there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The operations in their order, the first [`PREVIEW_ITEMS_MAX`] of them.
    pub items: Vec<PreviewItem>,
    /// How many there are in all.
    pub total: u64,
    /// What the mass-change guard would stop the run with.
    pub stopped: Option<String>,
    /// What could not be looked at, in sentences.
    pub warnings: Vec<String>,
}

/// More operations than anybody reads.
pub const PREVIEW_ITEMS_MAX: usize = 1_000;

/// A run that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The run; `None` while another of the link's runs is under way, after which it begins.
    pub run: Option<RunId>,
    /// How it stands. `Running` where it did not end yet.
    pub status: RunStatus,
    /// What it did, once it ended.
    pub totals: RunTotals,
}

/// From which time on everything is looked at anew; `None` at either end: no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Ends after this.
    pub from: Option<Instant>,
    /// Starts before this.
    pub until: Option<Instant>,
}

/// Which side a field is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Ours.
    Platform,
    /// The provider's.
    External,
}

/// A decision on a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The conflict.
    pub conflict: ConflictId,
    /// How.
    pub resolution: Resolution,
    /// Field → side, for [`Resolution::Merge`]; empty for the others. The fields are those that the conflict names.
    pub choices: Vec<(String, Side)>,
}

/// How a decision went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is recorded, and carried out by the link's next look, which begins at once.
    Yes,
    /// It was decided before; nothing was changed.
    Already,
    /// There is no such conflict.
    NotFound,
}

/// What becomes of the appointments that a connection brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// They stay, as appointments of their own.
    Keep,
    /// They are deleted here; their versions stay restorable as those of any deleted appointment.
    Remove,
}

/// What a disconnect came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disconnected {
    /// Links that were detached.
    pub links: u64,
    /// Appointments that were deleted here.
    pub removed: u64,
    /// Whether the provider confirmed that the grant is gone. The tokens are forgotten here either way.
    pub revoked_there: bool,
}

/// Who wants to know what comes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The request's; of the runs, attempts and calls that come of it.
    pub correlation_id: String,
    /// The order that stands in the database until its end is told; `None`: nobody but who waits for the answer.
    pub order: Option<OrderId>,
}

impl From<&str> for Ask {
    fn from(correlation_id: &str) -> Ask {
        Ask { correlation_id: correlation_id.to_owned(), order: None }
    }
}

/// What looking anew came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anew {
    /// The worst of the runs.
    pub status: RunStatus,
    /// Of the runs, their attempts and their calls.
    pub correlation_id: String,
    /// Appointments that were looked at.
    pub synced: u64,
    /// The item there, where it was about one appointment.
    pub remote: Option<String>,
    /// Why it did not all succeed; without content of events.
    pub why: Option<String>,
}

impl Anew {
    /// Nothing yet.
    #[must_use]
    pub fn begun(correlation_id: &str) -> Anew {
        Anew {
            status: RunStatus::Success,
            correlation_id: correlation_id.to_owned(),
            synced: 0,
            remote: None,
            why: None,
        }
    }

    /// This and another together.
    pub fn add(&mut self, other: Anew) {
        let rank = |status: RunStatus| match status {
            RunStatus::Success => 0,
            RunStatus::Running => 1,
            RunStatus::Partial => 2,
            RunStatus::Failed => 3,
        };
        if rank(other.status) > rank(self.status) {
            self.status = other.status;
        }
        self.synced += other.synced;
        self.remote = self.remote.take().or(other.remote);
        self.why = self.why.take().or(other.why);
    }
}

macro_rules! orders {
    ($($(#[$doc:meta])* $variant:ident / $method:ident ($($arg:ident: $kind:ty),*) -> $reply:ty;)+) => {
        /// An order with the place where its answer is waited for. An answer that nobody waits for any more is dropped.
        #[derive(Debug)]
        #[expect(missing_docs, reason = "the arguments are those of the desk's methods")]
        pub enum Order {
            $(#[doc = concat!("See [`Desk::", stringify!($method), "`].")]
              $variant { $($arg: $kind,)* reply: Reply<$reply> },)+
        }

        impl Desk {
            $($(#[$doc])*
            ///
            /// # Errors
            /// See [`DeskError`].
            pub async fn $method(&self, $($arg: $kind),*) -> Result<$reply, DeskError> {
                self.ask(|reply| Order::$variant { $($arg,)* reply }).await
            })+
        }
    };
}

/// Where an order's answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, DeskError>>;

orders! {
    /// The providers, each with whether its accounts can be connected.
    Offers / offers() -> Vec<Offer>;
    /// Begins a consent: keeps its state's hash and the sealed PKCE verifier, and tells where the person goes.
    BeginConsent / begin_consent(new: NewConsent) -> Begun;
    /// Finishes a consent: takes its state out, exchanges the code, asks whose account it is, and keeps the sealed tokens
    /// in the account's connection. A connection that was there before is used again and its links run at once. Of the
    /// arguments nothing is kept or logged.
    FinishConsent / finish_consent(granted: Granted) -> Connected;
    /// Begins a consent on another device, for programs and people that no browser can come back to. Its redirect is not
    /// looked at.
    BeginDevice / begin_device(new: NewConsent) -> DeviceBegun;
    /// Asks whether it was given. `None`: not yet; to be asked again after the interval, with the same state.
    FinishDevice / finish_device(asked: DeviceAsked) -> Option<Connected>;
    /// The calendars of a connection's account, as the provider lists them now.
    RemoteCalendars / remote_calendars(firm: FirmId, connection: ConnectionId) -> Vec<RemoteCalendar>;
    /// What a run of the link would do now: the very plan that a run would carry out, not carried out.
    Preview / preview(firm: FirmId, link: LinkId) -> Preview;
    /// Asks for a run at once and gives its id as soon as it began; it does not wait for its end. With bounds (of a
    /// resync) everything between them is looked at anew, without them everything.
    RunNow / run_now(firm: FirmId, link: LinkId, kind: RunKind, bounds: Bounds) -> Asked;
    /// Decides conflicts, one after the other; `by` is the user's name for the record. As many answers in the same order.
    Resolve / resolve(firm: FirmId, by: String, decisions: Vec<Decision>) -> Vec<Decided>;
    /// Undoes what a run did on both sides, as a run of its own, and waits for it. What was changed since by somebody else
    /// is left alone and counted as an error.
    Undo / undo(firm: FirmId, run: RunId, by: String) -> Asked;
    /// Looks at everything of a connection's active links anew, or at what lies between two times and nothing else. It
    /// waits for the end, though not for ever: `running` is what goes on by itself.
    Resync / resync(firm: FirmId, connection: ConnectionId, bounds: Bounds, ask: Ask) -> Anew;
    /// Looks at one appointment anew, on every active link that carries it or would.
    ResyncOne / resync_one(firm: FirmId, object: ObjectId, ask: Ask) -> Anew;
    /// Does at once what a failed attempt tried. Refused for what succeeded or failed for good.
    Replay / replay(firm: FirmId, attempt: AttemptId, ask: Ask) -> Anew;
    /// Detaches the connection's links, stops their channels, ends the grant at the provider and forgets the tokens.
    /// Mappings stay, so that a reconnect finds them; with [`Imported::Remove`] what came from there is deleted here.
    /// Nothing is ever deleted at the provider. It ends well even where the provider cannot be asked.
    Disconnect / disconnect(firm: FirmId, connection: ConnectionId, imported: Imported, by: String) -> Disconnected;
}

/// The handle. Cheap to clone; all clones are one desk. Closed until an engine takes its orders.
#[derive(Clone, Debug, Default)]
pub struct Desk(Arc<OnceLock<mpsc::Sender<Order>>>);

/// The orders of a desk, for the engine.
#[derive(Debug)]
pub struct Orders(mpsc::Receiver<Order>);

impl Desk {
    /// Opens the desk. `None`: an engine has its orders already.
    #[must_use]
    pub fn open(&self) -> Option<Orders> {
        let (sender, receiver) = mpsc::channel(ORDERS_MAX);
        self.0.set(sender).ok().map(|()| Orders(receiver))
    }

    async fn ask<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, DeskError> {
        let sender = self.0.get().ok_or(DeskError::Closed)?;
        let (reply, answer) = oneshot::channel();
        sender.try_send(order(reply)).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => DeskError::Busy,
            mpsc::error::TrySendError::Closed(_) => DeskError::Closed,
        })?;
        answer.await.unwrap_or(Err(DeskError::Closed))
    }
}

impl Orders {
    /// The next order; `None` once every handle of the desk is gone.
    pub async fn next(&mut self) -> Option<Order> {
        self.0.recv().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_desk_without_an_engine_says_so() {
        let desk = Desk::default();
        assert!(matches!(desk.offers().await, Err(DeskError::Closed)));
        let orders = desk.open().expect("the first");
        assert!(desk.clone().open().is_none(), "one engine a desk");
        drop(orders);
        assert!(matches!(desk.offers().await, Err(DeskError::Closed)));
    }

    #[tokio::test]
    async fn an_order_comes_back_answered() {
        let desk = Desk::default();
        let mut orders = desk.open().expect("the first");
        let engine = async {
            match orders.next().await {
                Some(Order::Preview { link, reply, .. }) => {
                    assert_eq!(link.as_str(), "l");
                    reply.send(Err(DeskError::NotFound)).expect("somebody waits");
                }
                other => panic!("{other:?}"),
            }
        };
        let (answer, ()) = tokio::join!(desk.preview(FirmId::from_text("f"), LinkId::from_text("l")), engine);
        assert!(matches!(answer, Err(DeskError::NotFound)));
    }

    #[tokio::test]
    async fn nobody_waits_in_a_queue_without_end() {
        let desk = Desk::default();
        let _orders = desk.open().expect("the first");
        let waiting: Vec<_> = (0..ORDERS_MAX)
            .map(|_| {
                tokio::spawn({
                    let desk = desk.clone();
                    async move { desk.offers().await }
                })
            })
            .collect();
        // A runtime lets so many tasks run before it comes back here; every one of these has to have had its turn.
        for _ in 0..ORDERS_MAX {
            tokio::task::yield_now().await;
        }
        assert!(matches!(desk.offers().await, Err(DeskError::Busy)));
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
