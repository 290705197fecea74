//! Microsoft 365 and Outlook.com (Microsoft Graph v1.0).
//!
//! Job: the calls, and Graph's events in the words of `super::lens`, which translates. Neighbours: `super::http` carries
//! the calls, [`super::oauth`] gets the tokens. What changed is found by listing what there is with its change keys; no
//! cursor of Graph's is kept, and no window narrows what is seen.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `setup` | addresses, scopes, and what the sign-in's refusals mean |
//! | `call`, `refusal` | one call; what an error means |
//! | `list`, `fetch` | listings; items read whole, many at once |
//! | `write` | creating, changing, deleting |
//! | `read`, `body` | Graph's events in our words, and back |
//! | `pattern`, `zone`, `uid`, `html` | recurrence, names of zones, identifiers, bodies |

mod body;
mod call;
mod fetch;
mod html;
mod list;
mod pattern;
mod read;
mod refusal;
mod setup;
mod uid;
mod write;
mod zone;

#[cfg(test)]
mod laws;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use http::Method;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::http::Transport;
use super::lens::dialect::Dialect;
use super::lens::fields::{own_property, uid_of};
use super::lens::held::{Event, Held, text, wanted};
use super::lens::series::Series;
use super::lens::{get, normal, put, steps, time};
use super::{
    Answer, At, Batch, Channel, Entry, Failure, Fetched, Folded, Lens, Outgoing, RemoteCalendar, Unfit, Upstream,
    Written,
};
use crate::domain::object::CalendarObject;
use crate::domain::sync::{Provider, RemoteId, Snapshot};
use crate::domain::time::{Clock, Instant, MINUTE_MS};

use body::{DAY_ZONE, Invite};
use call::Call;
use pattern::Recurrence;
use read::{OWN_KEY, UNFIT};
use refusal::Asked;
pub use setup::Setup;

/// Where the API is when the operator does not say otherwise.
pub const GRAPH_URL: &str = "https://graph.microsoft.com/v1.0";
/// Where users sign in: the authority without its tenant.
pub const AUTHORITY_URL: &str = "https://login.microsoftonline.com";

/// The most calendars on a page.
const PAGE_CALENDARS: &str = "100";
/// Pages of calendars that are asked for: nobody has 2,000 calendars.
const CALENDAR_PAGES_MAX: usize = 20;
/// Requests under way for one mailbox: Graph takes four, and one is left to people.
const LANES: usize = 3;
/// Mailboxes whose lanes are remembered while nobody uses them.
const MAILBOXES_IDLE_MAX: usize = 1_000;
/// The longest title that Outlook takes, in UTF-16 units.
const TITLE_MAX: usize = 255;
/// How long a subscription is asked for: Graph gives just under seven days, 10,080 minutes.
const SUBSCRIPTION_MINUTES: i64 = 10_070;
/// Bytes of the hash that names a transaction.
const TRANSACTION_BYTES: usize = 20;

/// What Outlook can hold.
pub(super) const DIALECT: Dialect = Dialect {
    name: "Outlook",
    tentative: false,
    colours: true,
    dates: false,
    reminders: 1,
    mails: false,
    // A year: what its number holds is more than anybody means.
    minutes_max: 525_600,
    title_max: Some(TITLE_MAX),
    reminders_left: "some reminders stay here: Outlook has one, in minutes before the start",
    canon: |rule, start, is_day, zone| {
        Recurrence::of_rule(&rule, start, is_day, zone).map(|found| found.to_rule(start, is_day))
    },
    zone: zone::canonical,
};

/// Microsoft 365 and Outlook.com.
#[derive(Clone)]
pub struct Microsoft {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    base_url: String,
    lanes: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

impl Microsoft {
    /// Speaks to the API at that address.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>, base_url: String) -> Microsoft {
        Microsoft { transport, clock, base_url, lanes: Arc::default() }
    }

    /// A call about a calendar.
    fn call<'a>(&self, asked: Asked, method: Method, at: At<'_>, path: &[&str]) -> Call<'a> {
        let mut whole = vec!["me", "calendars", at.calendar.as_str()];
        whole.extend(path);
        Call::new(asked, method, &whole)
    }

    /// The lanes of a mailbox, shared by everything that asks it.
    fn lanes(&self, account: &str) -> Arc<Semaphore> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() > MAILBOXES_IDLE_MAX {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        Arc::clone(lanes.entry(account.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(LANES))))
    }

    async fn send(&self, call: Call<'_>, secret: &SecretString, account: &str) -> Result<Value, Failure> {
        let lanes = self.lanes(account);
        let _lane = lanes.acquire().await.map_err(|_| Failure::Transient("nobody asks any more".into(), None))?;
        call.send(&self.base_url, &*self.transport, secret, self.clock.now()).await
    }

    async fn ask(&self, call: Call<'_>, at: At<'_>) -> Result<Value, Failure> {
        self.send(call, at.secret, at.account).await
    }

    /// The next page, at the address that Graph gave. Our token goes nowhere else than to the API.
    async fn follow_at(
        &self,
        asked: Asked,
        secret: &SecretString,
        account: &str,
        link: &str,
    ) -> Result<Value, Failure> {
        let origin = |text: &str| url::Url::parse(text).map(|url| url.origin());
        match (origin(link), origin(&self.base_url)) {
            (Ok(there), Ok(here)) if there == here && there.is_tuple() => {}
            _ => return Err(Failure::BadAnswer("the next page is somewhere else".into())),
        }
        let lanes = self.lanes(account);
        let _lane = lanes.acquire().await.map_err(|_| Failure::Transient("nobody asks any more".into(), None))?;
        let call = Call::new(asked, Method::GET, &[]);
        call.send_to(link.to_owned(), &*self.transport, secret, self.clock.now()).await
    }

    async fn follow(&self, asked: Asked, at: At<'_>, link: &str) -> Result<Value, Failure> {
        self.follow_at(asked, at.secret, at.account, link).await
    }

    async fn calendar_list(&self, secret: &SecretString, account: &str) -> Result<Vec<RemoteCalendar>, Failure> {
        // Days begin at the mailbox's midnight. Where that may not be asked, at that of UTC.
        let settings = Call::new(Asked::Item, Method::GET, &["me", "mailboxSettings"]).with("$select", "timeZone");
        let zone = match self.send(settings, secret, account).await {
            Ok(answer) => answer.get("timeZone").and_then(Value::as_str).and_then(zone::iana),
            Err(Failure::Unauthorised) => return Err(Failure::Unauthorised),
            Err(_) => None,
        };
        let first = Call::new(Asked::Calendars, Method::GET, &["me", "calendars"]).with("$top", PAGE_CALENDARS);
        let mut answer = self.send(first, secret, account).await?;
        let mut all = Vec::new();
        for _ in 0..CALENDAR_PAGES_MAX {
            let (entries, next) = list::page(&answer)?;
            all.extend(list::calendars(entries, zone.as_deref()));
            let Some(next) = next.map(str::to_owned) else { return Ok(all) };
            answer = self.follow_at(Asked::Calendars, secret, account, &next).await?;
        }
        Err(Failure::BadAnswer("the list of calendars does not end".into()))
    }

    /// The event that was created under that name of a transaction, if it is there. Copies that people made of it do
    /// not count.
    async fn created(&self, at: At<'_>, base: &str) -> Result<Option<(RemoteId, Held)>, Failure> {
        let id = read::property(OWN_KEY);
        let filter = format!("singleValueExtendedProperties/any(ep: ep/id eq '{id}' and ep/value eq '{base}')");
        let call = self
            .call(Asked::Listing, Method::GET, at, &["events"])
            .with("$filter", filter)
            .with("$expand", read::expand());
        let answer = self.ask(call, at).await?;
        for found in list::page(&answer)?.0.iter().filter_map(Value::as_object) {
            if let Some(held) = self.whole(at, text(found, "id")).await?
                && held.master.as_ref().is_some_and(|event| own_property(event, OWN_KEY) == Some(base))
            {
                return Ok(Some((RemoteId(text(found, "id").to_owned()), held)));
            }
        }
        Ok(None)
    }
}

/// The name of the transaction that creates an object: made of its key, so that a second try finds the first.
fn transaction(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()).get(..TRANSACTION_BYTES).unwrap_or_default())
}

fn invite_of(invite: bool) -> Invite {
    if invite { Invite::Yes } else { Invite::No }
}

/// Why an item is no object.
fn unfit(held: &Held) -> Option<Unfit> {
    let why = held.master.as_ref().map(|event| text(event, UNFIT)).filter(|why| !why.is_empty());
    why.map(|why| Unfit(why.to_owned()))
}

/// Graph has no lists of dates: what is taken out of a series is an instance that is deleted. Whole days begin at the
/// calendar's midnight, and the text of an online meeting is Outlook's, for the way into the meeting is in it.
fn adapted(mut wanted: Held, held: &Held, lens: Lens<'_>, warnings: &mut Vec<String>) -> Held {
    let start = wanted.master.as_ref().and_then(|event| time::At::of_json(event.get("start")?, "UTC"));
    if let (Some(master), Some(start)) = (&mut wanted.master, start) {
        let series = Series::of_lines(master.get("recurrence"), &start, &DIALECT);
        for slot in series.removed.iter().filter(|slot| series.has_slot(&start, slot)) {
            wanted.exceptions.entry(slot.clone()).or_insert_with(|| {
                let mut event = Event::new();
                event.insert("status".into(), json!("cancelled"));
                event
            });
        }
        let known = held.master.as_ref().and_then(|event| event.get("recurrence"));
        let same = |known: &&Value| Series::of_lines(Some(known), &start, &DIALECT).rules == series.rules;
        let lines: Vec<String> = series.rules.iter().map(|rule| format!("RRULE:{rule}")).collect();
        master.insert("recurrence".into(), known.filter(same).cloned().unwrap_or(json!(lines)));
    }
    for event in wanted.master.iter_mut().chain(wanted.exceptions.values_mut()) {
        if event.contains_key("start") {
            event.insert(DAY_ZONE.into(), json!(lens.zone));
        }
    }
    let online =
        |event: &Event| event.get("graph").is_some_and(|kept| kept.get("isOnlineMeeting") == Some(&json!(true)));
    if let (Some(master), Some(known)) = (&mut wanted.master, held.master.as_ref().filter(|event| online(event))) {
        let theirs = known.get("description").cloned().unwrap_or(json!(""));
        if master.get("description").is_some_and(|ours| *ours != theirs) {
            master.insert("description".into(), theirs);
            warnings.push("the text of an online meeting stays as it is in Outlook".to_owned());
        }
    }
    wanted
}

impl Upstream for Microsoft {
    fn provider(&self) -> Provider {
        Provider::Microsoft
    }

    fn keeps_cancelled(&self) -> bool {
        false
    }

    fn tells_guests_always(&self) -> bool {
        true
    }

    fn writable(&self) -> bool {
        true
    }

    fn lists_all(&self) -> bool {
        true
    }

    fn calendars<'a>(&'a self, secret: &'a SecretString, account: &'a str) -> Answer<'a, Vec<RemoteCalendar>> {
        self.calendar_list(secret, account).boxed()
    }

    fn changes<'a>(&'a self, at: At<'a>, _: Option<&'a str>, page: Option<&'a str>) -> Answer<'a, Batch> {
        async move {
            let answer = match page {
                Some(link) => self.follow(Asked::Listing, at, link).await?,
                None => {
                    let call = self
                        .call(Asked::Listing, Method::GET, at, &["events"])
                        .with("$select", list::SELECT)
                        .with("$top", list::PAGE_EVENTS);
                    self.ask(call, at).await?
                }
            };
            list::inventory(&answer)
        }
        .boxed()
    }

    fn fetch<'a>(&'a self, at: At<'a>, id: &'a RemoteId) -> Answer<'a, Option<Snapshot>> {
        async move { Ok(self.whole(at, id.as_str()).await?.map(|held| held.snapshot())) }.boxed()
    }

    fn fetch_all<'a>(&'a self, at: At<'a>, ids: &'a [RemoteId]) -> Answer<'a, Vec<Fetched>> {
        async move {
            let found = self.wholes(at, ids).await;
            Ok(found.into_iter().map(|(id, one)| (id, one.map(|held| held.map(|held| held.snapshot())))).collect())
        }
        .boxed()
    }

    fn id_for(&self, _: &str) -> Option<RemoteId> {
        None
    }

    fn find<'a>(&'a self, at: At<'a>, key: &'a str) -> Answer<'a, Option<(RemoteId, Snapshot)>> {
        async move { Ok(self.created(at, &transaction(key)).await?.map(|(id, held)| (id, held.snapshot()))) }.boxed()
    }

    /// A key whose item was deleted at Outlook is used again, under another name of its transaction.
    fn create<'a>(&'a self, at: At<'a>, key: &'a str, item: &'a Outgoing, invite: bool) -> Answer<'a, Written> {
        async move { self.insert(at, key, &wanted(item), invite_of(invite)).await }.boxed()
    }

    fn update<'a>(
        &'a self,
        at: At<'a>,
        id: &'a RemoteId,
        held: &'a Snapshot,
        item: &'a Outgoing,
        invite: bool,
    ) -> Answer<'a, Written> {
        async move { self.change(at, id, Held::of(held), &wanted(item), invite_of(invite)).await }.boxed()
    }

    fn delete<'a>(&'a self, at: At<'a>, id: &'a RemoteId, held: Option<&'a Snapshot>, invite: bool) -> Answer<'a, ()> {
        async move {
            let held = held.map(Held::of).unwrap_or_default();
            self.remove(at, id.as_str(), held.master.as_ref(), invite_of(invite)).await
        }
        .boxed()
    }

    fn watch<'a>(&'a self, at: At<'a>, id: &'a str, address: &'a str, token: &'a str) -> Answer<'a, Channel> {
        async move { self.subscribe(at, id, address, token).await }.boxed()
    }

    fn renew<'a>(&'a self, at: At<'a>, channel: &'a Channel) -> Answer<'a, Option<Channel>> {
        async move {
            let mut body = Map::new();
            body.insert("expirationDateTime".into(), json!(self.subscription_end()));
            let path = ["subscriptions", channel.resource.as_str()];
            let call = Call::new(Asked::Channel, Method::PATCH, &path).body(body);
            match self.ask(call, at).await {
                Ok(answer) => Ok(Some(Channel { id: channel.id.clone(), ..subscription(&answer)? })),
                Err(Failure::Gone) => Ok(None),
                Err(other) => Err(other),
            }
        }
        .boxed()
    }

    fn unwatch<'a>(&'a self, at: At<'a>, channel: &'a Channel) -> Answer<'a, ()> {
        async move {
            let call = Call::new(Asked::Channel, Method::DELETE, &["subscriptions", channel.resource.as_str()]);
            match self.ask(call, at).await {
                Ok(_) | Err(Failure::Gone) => Ok(()),
                Err(other) => Err(other),
            }
        }
        .boxed()
    }

    fn fold(&self, held: Option<&Snapshot>, entries: &[Entry]) -> Folded {
        list::fold(held, entries)
    }

    fn alone(&self, entries: &[Entry]) -> Folded {
        list::alone(entries)
    }

    fn normal(&self, item: &Snapshot) -> String {
        match unfit(&Held::of(item)) {
            Some(Unfit(why)) => why,
            None => normal::normal(item, &DIALECT),
        }
    }

    fn put(&self, item: &Snapshot, onto: Option<&CalendarObject>, lens: Lens<'_>) -> Result<CalendarObject, Unfit> {
        match unfit(&Held::of(item)) {
            Some(why) => Err(why),
            None => put::put(item, onto, lens, &DIALECT),
        }
    }

    fn repeats(&self, object: &CalendarObject, lens: Lens<'_>) -> Result<(), Unfit> {
        get::repeats(object, lens, &DIALECT)
    }

    fn get(&self, object: &CalendarObject, held: Option<&Snapshot>, lens: Lens<'_>) -> Result<Outgoing, Unfit> {
        let known = held.map(Held::of).unwrap_or_default();
        if let Some(why) = unfit(&known) {
            return Err(why);
        }
        let mut out = get::get(object, held, lens, &DIALECT)?;
        let adapted = adapted(wanted(&out), &known, lens, &mut out.warnings);
        out.payload = adapted.snapshot().0;
        Ok(out)
    }

    fn says(&self, held: &Snapshot, item: &Outgoing) -> bool {
        steps::says(&Held::of(held), &wanted(item))
    }

    fn echoes(&self, held: &Snapshot, sent: &Outgoing) -> bool {
        steps::echoes(&Held::of(held), &wanted(sent))
    }

    fn mark(&self, item: &Snapshot) -> Option<String> {
        Held::of(item).mark()
    }

    fn uid(&self, item: &Snapshot) -> Option<String> {
        Held::of(item).speaker().and_then(uid_of)
    }

    fn changed_ms(&self, item: &Snapshot) -> Option<i64> {
        Held::of(item).changed_ms()
    }

    fn may_write(&self, item: &Snapshot) -> bool {
        let held = Held::of(item);
        let own = |event: &Event| event.get("organizer").and_then(|o| o.get("self")) == Some(&json!(true));
        unfit(&held).is_none() && held.speaker().is_some_and(own)
    }
}

impl Microsoft {
    fn subscription_end(&self) -> String {
        let end = self.clock.now().plus_ms(SUBSCRIPTION_MINUTES * MINUTE_MS);
        jiff::Timestamp::from_millisecond(end.ms()).unwrap_or_default().to_string()
    }

    /// Our id and token come back together with every notification.
    async fn subscribe(&self, at: At<'_>, id: &str, address: &str, token: &str) -> Result<Channel, Failure> {
        let mut body = Map::new();
        for (name, value) in [
            ("changeType", "created,updated,deleted"),
            ("notificationUrl", address),
            ("lifecycleNotificationUrl", address),
            ("resource", &format!("me/calendars/{}/events", at.calendar.as_str())),
            ("expirationDateTime", &self.subscription_end()),
            ("clientState", &format!("{id}.{token}")),
        ] {
            body.insert(name.into(), json!(value));
        }
        let call = Call::new(Asked::Channel, Method::POST, &["subscriptions"]).body(body);
        let made = subscription(&self.ask(call, at).await?)?;
        Ok(Channel { id: id.to_owned(), ..made })
    }
}

/// A subscription: Graph's name for it is what its notifications are known by.
fn subscription(answer: &Value) -> Result<Channel, Failure> {
    let word = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let end = word("expirationDateTime").and_then(|end| end.parse::<jiff::Timestamp>().ok());
    match (word("id"), end) {
        (Some(name), Some(end)) => Ok(Channel {
            id: String::new(),
            resource: name.to_owned(),
            expires: Instant::from_ms(end.as_millisecond()),
        }),
        _ => Err(Failure::BadAnswer("it is no subscription".into())),
    }
}

impl std::fmt::Debug for Microsoft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Microsoft").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
