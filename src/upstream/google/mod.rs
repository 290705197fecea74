//! Google Calendar (API v3).
//!
//! Job: the calls, and the translation between Google's events and calendar objects. Neighbours: `super::http` carries the
//! calls, [`super::oauth`] gets the tokens, `super::lens` translates.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `call`, `refusal` | one call; what an error means |
//! | `page` | listings, read |
//! | `write` | creating, changing, deleting |

mod call;
mod page;
mod refusal;
mod write;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::FutureExt;
use http::Method;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::http::Transport;
use super::lens::dialect::Dialect;
use super::lens::fields::uid_of;
use super::lens::held::{self, Event, Held, is_cancelled, slot, text, wanted};
use super::lens::{get, normal, put, steps};
use super::{
    Answer, At, Batch, Channel, Entry, Failure, Folded, Lens, Outgoing, RemoteCalendar, Unfit, Upstream, Written, oauth,
};
use crate::domain::object::CalendarObject;
use crate::domain::sync::{Provider, RemoteId, Snapshot};
use crate::domain::time::{Clock, Instant};
use crate::ics::rule::Frequency;

use call::Call;
use refusal::Asked;

/// Where the API is when the operator does not say otherwise.
pub const API_URL: &str = "https://www.googleapis.com/calendar/v3";
/// Where users consent.
pub const AUTH_URL: &str = "https://accounts.google.com/o/oauth2/v2/auth";
/// Where tokens are.
pub const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// Where grants end.
pub const REVOKE_URL: &str = "https://oauth2.googleapis.com/revoke";

/// The most entries Google puts on a page of events.
const PAGE_ENTRIES: &str = "2500";
/// The most entries Google puts on a page of calendars.
const PAGE_CALENDARS: &str = "250";
/// Pages of calendars that are asked for: nobody has 5,000 calendars.
const CALENDAR_PAGES_MAX: usize = 20;
/// Pages of one series' exceptions that are asked for.
const SERIES_PAGES_MAX: usize = 40;
/// Bytes of the hash that become an id: 160 bits are 32 letters without a rest.
const ID_BYTES: usize = 20;

/// What Google is to be asked for: the events, and which calendars there are.
const SCOPE_EVENTS: &str = "https://www.googleapis.com/auth/calendar.events";
const SCOPE_EVENTS_READONLY: &str = "https://www.googleapis.com/auth/calendar.events.readonly";
const SCOPE_LIST_READONLY: &str = "https://www.googleapis.com/auth/calendar.calendarlist.readonly";
const SCOPE_LIST: &str = "https://www.googleapis.com/auth/calendar.calendarlist";
const SCOPE_ALL: &str = "https://www.googleapis.com/auth/calendar";
const SCOPE_ALL_READONLY: &str = "https://www.googleapis.com/auth/calendar.readonly";

/// What the operator set up for Google.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our name at Google.
    pub client_id: String,
    /// Our secret at Google.
    pub client_secret: SecretString,
    /// Where users come back to.
    pub redirect_uri: String,
    /// The API.
    pub api_url: String,
    /// Where users consent.
    pub auth_url: String,
    /// Where tokens are.
    pub token_url: String,
    /// Where grants end.
    pub revoke_url: String,
}

impl Setup {
    /// With Google's own addresses.
    #[must_use]
    pub fn new(client_id: String, client_secret: SecretString, redirect_uri: String) -> Setup {
        Setup {
            client_id,
            client_secret,
            redirect_uri,
            api_url: API_URL.into(),
            auth_url: AUTH_URL.into(),
            token_url: TOKEN_URL.into(),
            revoke_url: REVOKE_URL.into(),
        }
    }

    /// Its OAuth.
    #[must_use]
    pub fn oauth(&self) -> oauth::Provider {
        let base = self.api_url.trim_end_matches('/');
        oauth::Provider {
            auth_url: self.auth_url.clone(),
            token_url: self.token_url.clone(),
            device_url: None,
            revoke_url: Some(self.revoke_url.clone()),
            // The main calendar's name is the account's address.
            account: (format!("{base}/users/me/calendarList/primary"), "/id"),
            client_id: self.client_id.clone(),
            client_secret: Some(self.client_secret.clone()),
            redirect_uri: self.redirect_uri.clone(),
            scopes: vec![SCOPE_EVENTS.into(), SCOPE_LIST_READONLY.into()],
            scopes_reading: vec![SCOPE_EVENTS_READONLY.into(), SCOPE_LIST_READONLY.into()],
            wider: vec![
                (SCOPE_EVENTS, &[SCOPE_ALL]),
                (SCOPE_EVENTS_READONLY, &[SCOPE_EVENTS, SCOPE_ALL, SCOPE_ALL_READONLY]),
                (SCOPE_LIST_READONLY, &[SCOPE_LIST, SCOPE_ALL, SCOPE_ALL_READONLY]),
            ],
            // Without the first there is no refresh token, without the second none after the first consent.
            needed: Vec::new(),
            explain: |_, _| None,
            extra: vec![("access_type", "offline"), ("prompt", "consent"), ("include_granted_scopes", "true")],
        }
    }
}

/// Google Calendar.
#[derive(Clone)]
pub struct Google {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    base_url: String,
}

impl Google {
    /// Speaks to the API at that address.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>, base_url: String) -> Google {
        Google { transport, clock, base_url }
    }

    /// A call about a calendar's events.
    fn call<'a>(&self, asked: Asked, method: Method, at: At<'_>, path: &[&str]) -> Call<'a> {
        let mut whole = vec!["calendars", at.calendar.as_str()];
        whole.extend(path);
        Call::new(asked, method, &self.base_url, &whole)
    }

    async fn send(&self, call: Call<'_>, secret: &SecretString) -> Result<Value, Failure> {
        call.send(&*self.transport, secret, self.clock.now()).await
    }

    /// One event as it is now, be it cancelled.
    async fn event(&self, at: At<'_>, id: &str) -> Result<Event, Failure> {
        match self.send(self.call(Asked::Item, Method::GET, at, &["events", id]), at.secret).await? {
            Value::Object(event) if page::wrong(&event).is_none() => Ok(event),
            _ => Err(Failure::BadAnswer("it is no event".into())),
        }
    }

    /// An item with everything that belongs to it.
    async fn whole(&self, at: At<'_>, id: &RemoteId) -> Result<Option<Held>, Failure> {
        let master = match self.event(at, id.as_str()).await {
            Ok(event) if is_cancelled(&event) => return Ok(None),
            Ok(event) => event,
            Err(Failure::Gone) => return Ok(None),
            Err(other) => return Err(other),
        };
        let mut held = Held::default();
        if master.contains_key("recurrence") {
            let uid = text(&master, "iCalUID").to_owned();
            let mut token: Option<String> = None;
            for _ in 0..SERIES_PAGES_MAX {
                let call = self
                    .call(Asked::Listing, Method::GET, at, &["events"])
                    .with("iCalUID", &uid)
                    .with("showDeleted", "true")
                    .with("singleEvents", "false")
                    .with("maxResults", PAGE_ENTRIES)
                    .with_some("pageToken", token.as_deref());
                let page = self.send(call, at.secret).await.map_err(|failure| match failure {
                    // There is no cursor in it that could be lost.
                    Failure::CursorLost => Failure::Transient("Google could not list the series".into(), None),
                    other => other,
                })?;
                let batch = page::events(&page)?;
                if !batch.unreadable.is_empty() {
                    return Err(Failure::BadAnswer("an exception of the series cannot be read".into()));
                }
                for entry in batch.entries.iter().filter(|entry| entry.item == *id) {
                    let Ok(event) = serde_json::from_str::<Event>(&entry.payload) else { continue };
                    if let Some(slot) = slot(&event) {
                        held.exceptions.insert(slot, event);
                    }
                }
                match batch.next {
                    super::Next::Page(next) => token = Some(next),
                    super::Next::Complete(_) | super::Next::Partial => {
                        token = None;
                        break;
                    }
                }
            }
            if token.is_some() {
                return Err(Failure::BadAnswer("the series has more exceptions than can be listed".into()));
            }
        }
        held.master = Some(master);
        Ok(Some(held))
    }

    async fn calendar_list(&self, secret: &SecretString) -> Result<Vec<RemoteCalendar>, Failure> {
        let mut all = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..CALENDAR_PAGES_MAX {
            let call = Call::new(Asked::Calendars, Method::GET, &self.base_url, &["users", "me", "calendarList"])
                .with("maxResults", PAGE_CALENDARS)
                .with("showHidden", "true")
                .with_some("pageToken", token.as_deref());
            let (found, next) = page::calendars(&self.send(call, secret).await?)?;
            all.extend(found);
            match next {
                Some(next) => token = Some(next),
                None => return Ok(all),
            }
        }
        Err(Failure::BadAnswer("the list of calendars does not end".into()))
    }
}

/// What Google Calendar can hold.
pub(super) const DIALECT: Dialect = Dialect {
    name: "Google",
    tentative: true,
    colours: false,
    dates: true,
    reminders: 5,
    mails: true,
    // Four weeks.
    minutes_max: 40_320,
    title_max: None,
    reminders_left: "some reminders stay here: Google has five at most, in minutes before the start",
    zone: str::to_owned,
    canon: |rule, _, _, _| {
        let times = [&rule.by_hour, &rule.by_minute, &rule.by_second];
        if rule.freq < Frequency::Daily || times.iter().any(|list| list.len() > 1) {
            return Err("Google cannot repeat an appointment more often than daily");
        }
        Ok(rule)
    },
};

impl Upstream for Google {
    fn provider(&self) -> Provider {
        Provider::Google
    }

    fn keeps_cancelled(&self) -> bool {
        false
    }

    fn writable(&self) -> bool {
        true
    }

    fn calendars<'a>(&'a self, secret: &'a SecretString, _account: &'a str) -> Answer<'a, Vec<RemoteCalendar>> {
        self.calendar_list(secret).boxed()
    }

    fn changes<'a>(&'a self, at: At<'a>, cursor: Option<&'a str>, page: Option<&'a str>) -> Answer<'a, Batch> {
        async move {
            // The same parameters with and without a cursor: Google wants them equal.
            let call = self
                .call(Asked::Listing, Method::GET, at, &["events"])
                .with("singleEvents", "false")
                .with("showDeleted", "true")
                .with("maxResults", PAGE_ENTRIES)
                .with_some("syncToken", cursor)
                .with_some("pageToken", page);
            page::events(&self.send(call, at.secret).await?)
        }
        .boxed()
    }

    fn fetch<'a>(&'a self, at: At<'a>, id: &'a RemoteId) -> Answer<'a, Option<Snapshot>> {
        async move { Ok(self.whole(at, id).await?.map(|held| held.snapshot())) }.boxed()
    }

    fn id_for(&self, key: &str) -> Option<RemoteId> {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        let digest = Sha256::digest(key.as_bytes());
        let mut id = String::with_capacity(ID_BYTES * 8 / 5);
        let (mut bits, mut count) = (0_u32, 0_u32);
        for byte in digest.iter().take(ID_BYTES) {
            bits = (bits << 8) | u32::from(*byte);
            count += 8;
            while count >= 5 {
                count -= 5;
                let letter = LETTERS.get(usize::try_from((bits >> count) & 31).unwrap_or(0)).copied().unwrap_or(b'0');
                id.push(char::from(letter));
                bits &= (1 << count) - 1;
            }
        }
        Some(RemoteId(id))
    }

    fn find<'a>(&'a self, at: At<'a>, key: &'a str) -> Answer<'a, Option<(RemoteId, Snapshot)>> {
        async move {
            let Some(id) = self.id_for(key) else { return Ok(None) };
            Ok(self.whole(at, &id).await?.map(|held| (id, held.snapshot())))
        }
        .boxed()
    }

    /// A key whose item was deleted at Google is used again: the deleted item is written anew and brought back.
    fn create<'a>(&'a self, at: At<'a>, key: &'a str, item: &'a Outgoing, invite: bool) -> Answer<'a, Written> {
        async move {
            let id = self.id_for(key).ok_or_else(|| Failure::Refused("there is no id for the key".into()))?;
            self.insert(at, &id, &wanted(item), invite).await
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        at: At<'a>,
        id: &'a RemoteId,
        held: &'a Snapshot,
        item: &'a Outgoing,
        invite: bool,
    ) -> Answer<'a, Written> {
        async move { self.change(at, id, Held::of(held), &wanted(item), invite).await }.boxed()
    }

    fn delete<'a>(&'a self, at: At<'a>, id: &'a RemoteId, held: Option<&'a Snapshot>, invite: bool) -> Answer<'a, ()> {
        async move {
            let held = held.map(Held::of).unwrap_or_default();
            if held.master.is_some() || held.exceptions.is_empty() {
                let etag = held.master.as_ref().map(|event| text(event, "etag")).unwrap_or_default();
                return self.remove(at, id.as_str(), etag, invite).await;
            }
            for event in held.exceptions.values().filter(|event| !is_cancelled(event)) {
                self.remove(at, text(event, "id"), text(event, "etag"), invite).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn watch<'a>(&'a self, at: At<'a>, id: &'a str, address: &'a str, token: &'a str) -> Answer<'a, Channel> {
        async move {
            let mut body = Map::new();
            for (name, value) in [("id", id), ("type", "web_hook"), ("address", address), ("token", token)] {
                body.insert(name.into(), json!(value));
            }
            let call = self.call(Asked::Channel, Method::POST, at, &["events", "watch"]).body(body);
            let answer = self.send(call, at.secret).await?;
            let word = |name: &str| answer.get(name).and_then(Value::as_str);
            let expires = match answer.get("expiration") {
                Some(Value::String(text)) => text.parse().ok(),
                Some(other) => other.as_i64(),
                None => None,
            };
            match (word("id"), word("resourceId"), expires) {
                (Some(id), Some(resource), Some(ms)) => {
                    Ok(Channel { id: id.to_owned(), resource: resource.to_owned(), expires: Instant::from_ms(ms) })
                }
                _ => Err(Failure::BadAnswer("it is no channel".into())),
            }
        }
        .boxed()
    }

    fn unwatch<'a>(&'a self, at: At<'a>, channel: &'a Channel) -> Answer<'a, ()> {
        async move {
            let mut body = Map::new();
            body.insert("id".into(), json!(channel.id));
            body.insert("resourceId".into(), json!(channel.resource));
            let call = Call::new(Asked::Channel, Method::POST, &self.base_url, &["channels", "stop"]).body(body);
            match self.send(call, at.secret).await {
                Ok(_) | Err(Failure::Gone) => Ok(()),
                Err(other) => Err(other),
            }
        }
        .boxed()
    }

    fn fold(&self, held: Option<&Snapshot>, entries: &[Entry]) -> Folded {
        held::fold(held, entries)
    }

    fn alone(&self, entries: &[Entry]) -> Folded {
        held::alone(entries)
    }

    fn normal(&self, item: &Snapshot) -> String {
        normal::normal(item, &DIALECT)
    }

    fn put(&self, item: &Snapshot, onto: Option<&CalendarObject>, lens: Lens<'_>) -> Result<CalendarObject, Unfit> {
        put::put(item, onto, lens, &DIALECT)
    }

    fn repeats(&self, object: &CalendarObject, lens: Lens<'_>) -> Result<(), Unfit> {
        get::repeats(object, lens, &DIALECT)
    }

    fn get(&self, object: &CalendarObject, held: Option<&Snapshot>, lens: Lens<'_>) -> Result<Outgoing, Unfit> {
        get::get(object, held, lens, &DIALECT)
    }

    fn in_parts(&self, item: &Snapshot) -> bool {
        let held = Held::of(item);
        held.master.as_ref().is_none_or(|event| event.contains_key("recurrence"))
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
        held.speaker().is_some_and(may_write)
    }
}

/// Not somebody else's meeting, not of a kind that Google keeps to itself, not locked, and not a private event of which
/// only its time is shown.
fn may_write(event: &Event) -> bool {
    let is_true = |value: Option<&Value>| value.and_then(Value::as_bool) == Some(true);
    let own = |name: &str| is_true(event.get(name).and_then(|person| person.get("self")));
    let known = event.contains_key("organizer") || event.contains_key("creator");
    let masked = !known && matches!(text(event, "visibility"), "private" | "confidential");
    let kind = text(event, "eventType");
    (kind.is_empty() || kind == "default")
        && !is_true(event.get("locked"))
        && !masked
        && (!known || own("organizer") || is_true(event.get("guestsCanModify")) || is_true(event.get("privateCopy")))
}

impl std::fmt::Debug for Google {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Google").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
