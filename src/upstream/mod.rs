//! Providers: what every one of them can be asked, and how each is asked.
//!
//! Job: speak a provider's protocol and translate between its items and calendar objects. Neighbours: `sync` asks and
//! decides; [`crate::domain::sync`] has the words. It must never know the store: no transaction can be open while it
//! waits for the network.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `answer` | what a provider said, and how a call failed |
//! | `http` | the one way out |
//! | `oauth`, `device` | the user's consent, here or on another device, and the tokens that come of it |
//! | `lens` | events and calendar objects, for connectors whose provider has events of its own |
//! | `google` | Google Calendar |
//! | `microsoft` | Microsoft 365 and Outlook.com |
//! | `registry` | the providers that the operator set up |

pub mod answer;
pub mod device;
pub mod google;
pub mod http;
mod lens;
pub mod microsoft;
pub mod oauth;
pub mod registry;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use crate::domain::object::CalendarObject;
use crate::domain::sync::{Provider, RemoteCalendarId, RemoteId, Snapshot};

pub use answer::{Batch, Channel, Entry, Failure, Folded, Next, RemoteCalendar, Unfit, Written};

/// One call's answer.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Failure>>;

/// One of many items that were asked for, with its own outcome; `None`: it is not there.
pub type Fetched = (RemoteId, Result<Option<Snapshot>, Failure>);

/// Where a call goes: the account's credential and the calendar.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// An access token, or a password; never logged.
    pub secret: &'a SecretString,
    /// The account's address: a name for the provider, or a URL for CalDAV and ICS.
    pub account: &'a str,
    /// The remote calendar.
    pub calendar: &'a RemoteCalendarId,
}

/// What a translation may know beside object and item.
#[derive(Clone, Copy, Debug)]
pub struct Lens<'a> {
    /// The remote calendar's own IANA zone, for items that name none.
    pub zone: &'a str,
    /// Our signed mark for this object; every item that we create or update carries it.
    pub mark: &'a str,
    /// Whether attendees travel as attendees. Else they are a text at the end of the description.
    pub attendees_live: bool,
}

/// What an item should say, in the provider's own format; JSON text that only its connector reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The item.
    pub payload: String,
    /// What the provider cannot express, one sentence each without content of the event. Shown, never approximated.
    pub warnings: Vec<String>,
}

/// A provider of calendars.
///
/// The first half asks over the network; nothing of it retries by itself. The second half is pure and translates.
///
/// # Laws (property-tested for each connector)
/// With `s` an item, `o` an object that came from it or went into it:
/// - `put(s, Some(o))` where `s` says what `get(o)` said is `o`, byte for byte;
/// - `normal(s')` where `s'` is `get(put(s, o), s)` carried out equals `normal(s)`;
/// - `normal` is idempotent: it depends on nothing that the provider changes by itself (tags, times of change, links).
pub trait Upstream: Send + Sync {
    /// Which one it is; for records only.
    fn provider(&self) -> Provider;

    /// Whether an item can stay there as cancelled. Where it cannot, a cancelled appointment is taken away there.
    fn keeps_cancelled(&self) -> bool {
        true
    }

    /// Whether guests are told of every change of an item, even where nobody is to be invited: then what nobody asked to
    /// tell them is not written.
    fn tells_guests_always(&self) -> bool {
        false
    }

    /// Whether items can be written at all.
    fn writable(&self) -> bool;

    /// The calendars of the account.
    fn calendars<'a>(&'a self, secret: &'a SecretString, account: &'a str) -> Answer<'a, Vec<RemoteCalendar>>;

    /// Whether a listing always names all that there is, each with a tag that tells whether it changed. No cursor is kept
    /// then: [`Upstream::fold`] is given what was held and says [`Folded::Incomplete`] where the tag is another, and what
    /// a whole listing does not name is gone once it was asked for.
    fn lists_all(&self) -> bool {
        false
    }

    /// What changed since the cursor (`None`: everything), page by page: `page` is what the last [`Batch`] gave.
    ///
    /// # Errors
    /// [`Failure::CursorLost`]: ask again without a cursor.
    fn changes<'a>(&'a self, at: At<'a>, cursor: Option<&'a str>, page: Option<&'a str>) -> Answer<'a, Batch>;

    /// One item whole, with every exception of its series; `None`: it is not there (never, deleted, cancelled).
    fn fetch<'a>(&'a self, at: At<'a>, id: &'a RemoteId) -> Answer<'a, Option<Snapshot>>;

    /// As [`Upstream::fetch`] of each, with each its own outcome; in fewer calls where the provider has a way.
    fn fetch_all<'a>(&'a self, at: At<'a>, ids: &'a [RemoteId]) -> Answer<'a, Vec<Fetched>> {
        Box::pin(async move {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.push((id.clone(), self.fetch(at, id).await));
            }
            Ok(found)
        })
    }

    /// The id under which an object is created: made of `key`, so that a second try finds the first. `None`: the
    /// provider chooses, and [`Upstream::find`] looks for the key.
    fn id_for(&self, key: &str) -> Option<RemoteId>;

    /// The item that was created with this key, if it is there.
    fn find<'a>(&'a self, at: At<'a>, key: &'a str) -> Answer<'a, Option<(RemoteId, Snapshot)>>;

    /// Creates an item. Nobody is mailed unless `invite`.
    ///
    /// # Errors
    /// [`Failure::Exists`]: the key was used; [`Upstream::find`] tells for what. [`Failure::Unknown`]: nobody knows
    /// whether it was carried out.
    fn create<'a>(&'a self, at: At<'a>, key: &'a str, item: &'a Outgoing, invite: bool) -> Answer<'a, Written>;

    /// Changes an item in place, from `held` (whose tag guards the call) to `item`. An item with exceptions may take
    /// several calls; [`Written::left`] tells what stopped them.
    ///
    /// # Errors
    /// [`Failure::Changed`]: somebody changed it since `held`.
    fn update<'a>(
        &'a self,
        at: At<'a>,
        id: &'a RemoteId,
        held: &'a Snapshot,
        item: &'a Outgoing,
        invite: bool,
    ) -> Answer<'a, Written>;

    /// Deletes an item. Gone already is done.
    fn delete<'a>(&'a self, at: At<'a>, id: &'a RemoteId, held: Option<&'a Snapshot>, invite: bool) -> Answer<'a, ()>;

    /// Asks for notifications about the calendar to `address`; `token` comes back with each. `id` is ours and unique.
    fn watch<'a>(&'a self, at: At<'a>, id: &'a str, address: &'a str, token: &'a str) -> Answer<'a, Channel>;

    /// Has a channel go on for longer. `None`: the provider cannot, or has it no more, and another is needed.
    fn renew<'a>(&'a self, at: At<'a>, channel: &'a Channel) -> Answer<'a, Option<Channel>> {
        let _ = (at, channel);
        Box::pin(async { Ok(None) })
    }

    /// Stops notifications. Gone already is done.
    fn unwatch<'a>(&'a self, at: At<'a>, channel: &'a Channel) -> Answer<'a, ()>;

    /// What is known of an item after these entries, in their order. `held` is what was known before; in a full listing
    /// nothing is. An entry that repeats what is held changes nothing.
    fn fold(&self, held: Option<&Snapshot>, entries: &[Entry]) -> Folded;

    /// What the entries are by themselves, once [`Upstream::fetch`] has said that their whole is not there for us: an
    /// invitation to one instance of somebody else's series.
    fn alone(&self, entries: &[Entry]) -> Folded {
        let _ = entries;
        Folded::Gone
    }

    /// What the item says, freed of everything that may change without its content changing: equal texts mean equal
    /// content.
    fn normal(&self, item: &Snapshot) -> String;

    /// The object that the item stands for. `onto` is patched: what the item cannot express stays as it is there.
    ///
    /// # Errors
    /// [`Unfit`]: what the item says cannot be a calendar object.
    fn put(&self, item: &Snapshot, onto: Option<&CalendarObject>, lens: Lens<'_>) -> Result<CalendarObject, Unfit>;

    /// Whether the provider can repeat as the object does.
    ///
    /// # Errors
    /// [`Unfit`]: why it cannot.
    fn repeats(&self, object: &CalendarObject, lens: Lens<'_>) -> Result<(), Unfit> {
        let _ = (object, lens);
        Ok(())
    }

    /// What the item should say to stand for the object. `held` keeps what only the provider knows.
    ///
    /// # Errors
    /// [`Unfit`]: the provider cannot hold it at all.
    fn get(&self, object: &CalendarObject, held: Option<&Snapshot>, lens: Lens<'_>) -> Result<Outgoing, Unfit>;

    /// Whether a listing may tell of the item in several entries, on several pages: a series and its exceptions.
    fn in_parts(&self, _item: &Snapshot) -> bool {
        false
    }

    /// Whether carrying `item` out would leave the item's content as it is.
    fn says(&self, held: &Snapshot, item: &Outgoing) -> bool;

    /// Whether an item says what was sent and nothing besides: then nobody but us has touched it since.
    fn echoes(&self, held: &Snapshot, sent: &Outgoing) -> bool {
        self.says(held, sent)
    }

    /// Our mark on the item, if it carries one.
    fn mark(&self, item: &Snapshot) -> Option<String>;

    /// The UID of the object that the item stands for, if the item says so.
    fn uid(&self, item: &Snapshot) -> Option<String>;

    /// When the item was last changed by its own account, in ms; shown, and asked by the policy `most_recent` only.
    fn changed_ms(&self, item: &Snapshot) -> Option<i64>;

    /// Whether the item may be written: not somebody else's invitation, not of a kind that the provider keeps to itself.
    fn may_write(&self, item: &Snapshot) -> bool;
}
