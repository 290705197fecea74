//! Google Calendar API v3 with its OAuth, as a deterministic state machine.
//!
//! `call` and `request` take a request apart, `oauth`, `consent` and `scope` decide who may, `find`, `draft`, `write`, `list`,
//! `filter`, `recur`, `render` are the API, `world` is the state. It knows no clock, no socket, and nothing of its clients.

mod batch;
mod calendar_list;
mod calendars;
mod call;
mod consent;
mod control;
mod draft;
mod faults;
mod filter;
mod find;
mod human;
mod inspect;
mod invite;
mod list;
mod moment;
mod more_events;
mod oauth;
mod other;
mod page;
mod page_form;
mod push;
mod quota;
mod recur;
mod refusal;
mod render;
mod request;
mod scope;
pub mod serve;
mod split;
#[cfg(test)]
mod tests;
mod upkeep;
mod world;
mod write;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};

pub use call::Call;
pub use faults::{Fault, Faults, Rule};
pub use human::{Human, Refused};
pub use oauth::Tokens;
pub use scope::SCOPE_PREFIX;
pub use world::{Mail, Role};

pub use crate::outcome::{Delivery, Outcome};

use crate::{answer, chance, html, token};
use call::{Target, route};
use list::Bend;
use oauth::Client;
use refusal::Refusal;
use request::Ask;
use scope::Reach;
use world::{Calendar, World};
use write::{Kind, Reply};

/// How the provider is set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Seconds an access token lives.
    pub access_token_life_s: i64,
    /// Milliseconds a sync token lives.
    pub sync_token_life_ms: i64,
    /// Milliseconds a page token lives.
    pub page_token_life_ms: i64,
    /// Units a minute, for a project.
    pub project_per_minute: usize,
    /// Units a minute, for a user of a project.
    pub user_per_minute: usize,
    /// What a patch costs.
    pub patch_units: usize,
    /// Texts come back tidied: line ends as `\n`, no white space at either end.
    pub tidy_text: bool,
    /// Notifications may go to this machine without TLS.
    pub loopback_hooks: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_token_life_s: 3599,
            sync_token_life_ms: 28 * moment::DAY_MS,
            page_token_life_ms: moment::DAY_MS,
            project_per_minute: 10_000,
            user_per_minute: 600,
            patch_units: 1,
            tidy_text: false,
            loopback_hooks: false,
        }
    }
}

/// A request that was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at_ms: i64,
    /// What it meant.
    pub call: Call,
    /// The request with all its headers and its body.
    pub request: Request<Bytes>,
    /// The status of the answer; `None` where nothing came back.
    pub status: Option<u16>,
}

/// Of more requests the older half is forgotten, so that a demo may run for weeks.
const SEEN_MAX: usize = 200_000;

/// The provider.
#[derive(Debug)]
pub struct Google {
    world: World,
    seen: Vec<Seen>,
    counts: BTreeMap<Call, u64>,
    faults: Faults,
    ahead_ms: i64,
}

impl Google {
    /// An empty provider. The same seed and the same calls give the same answers.
    pub fn new(seed: u64) -> Self {
        Self {
            world: World::new(seed),
            seen: Vec::new(),
            counts: BTreeMap::new(),
            faults: Faults::default(),
            ahead_ms: 0,
        }
    }

    /// How the provider is set.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.world.settings
    }

    /// What goes wrong, and when.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// From now on the provider's clock is so much further ahead of the caller's; backwards if negative.
    pub fn advance(&mut self, by_ms: i64) {
        self.ahead_ms = self.ahead_ms.saturating_add(by_ms);
    }

    /// Answers one request.
    pub fn handle(&mut self, now_ms: i64, request: &Request<Bytes>) -> Outcome {
        let now_ms = now_ms.saturating_add(self.ahead_ms);
        let ask = Ask::new(now_ms, request);
        let (call, target) = route(&ask.method, &ask.path);
        *self.counts.entry(call).or_default() += 1;
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        let fault = self.faults.pick(call, ask.method.as_str(), path);
        let outcome = self.meet(&ask, call, &target, fault);
        let status = match &outcome {
            Outcome::Lost => None,
            Outcome::Answer(response) | Outcome::Late { response, .. } | Outcome::Truncated { response, .. } => {
                Some(response.status().as_u16())
            }
        };
        if !matches!(call, Call::Control | Call::Page) {
            self.note(Seen { at_ms: now_ms, call, request: request.clone(), status });
        }
        outcome
    }

    /// Carries a request out, as far as the fault lets it.
    fn meet(&mut self, ask: &Ask, call: Call, target: &Target, fault: Option<Fault>) -> Outcome {
        let Some(fault) = fault else { return Outcome::Answer(self.answer(ask, call, target, Bend::default())) };
        if fault == Fault::LoseRequest {
            return Outcome::Lost;
        }
        if let Some(response) = fault.instead(call) {
            return Outcome::Answer(response);
        }
        if fault == Fault::NewEtags
            && let Ok(caller) = self.world.caller(ask.now_ms, ask.token())
        {
            self.world.new_etags(ask.now_ms, &caller.account, &target.calendar);
        }
        let response = fault.spoil(self.answer(ask, call, target, fault.bend()));
        match fault {
            Fault::LoseResponse => Outcome::Lost,
            Fault::Delay { ms } => Outcome::Late { after_ms: ms, response },
            Fault::Truncate { per_mille } => {
                let part = response.body().len() as u64 * u64::from(per_mille.min(1000)) / 1000;
                Outcome::Truncated { after_bytes: usize::try_from(part).unwrap_or(0), response }
            }
            _ => Outcome::Answer(response),
        }
    }

    fn answer(&mut self, ask: &Ask, call: Call, target: &Target, bend: Bend) -> Response<Bytes> {
        match call {
            Call::Authorize => return self.world.authorize(ask),
            Call::Token => return self.world.token(ask),
            Call::Revoke => return self.world.revoke(ask),
            Call::Userinfo => return self.world.userinfo(ask),
            Call::Batch => return self.batch(ask),
            Call::Control => return self.control(ask),
            Call::Page => return self.page(ask),
            Call::Unknown => return Refusal::not_found().response(),
            _ => {}
        }
        match self.carry_out(ask, call, target, bend) {
            Ok(Reply::Json(body)) => {
                let mut response = answer::json(200, &body, ask.pretty());
                let own = body
                    .get("etag")
                    .and_then(serde_json::Value::as_str)
                    .and_then(|etag| http::HeaderValue::from_str(etag).ok());
                if let Some(own) = own {
                    response.headers_mut().insert(http::header::ETAG, own);
                }
                response
            }
            Ok(Reply::Empty) => answer::empty(204),
            Ok(Reply::NotModified) => answer::empty(304),
            Err(refusal) => refusal.response(),
        }
    }

    /// One call of a batch, with its own faults as far as they answer in its place.
    fn part(&mut self, now_ms: i64, request: &Request<Bytes>) -> Response<Bytes> {
        let ask = Ask::new(now_ms, request);
        let (call, target) = route(&ask.method, &ask.path);
        let response = if call.needs_token() {
            *self.counts.entry(call).or_default() += 1;
            let path = request.uri().path_and_query().map_or("", |path| path.as_str());
            let fault = self.faults.pick(call, ask.method.as_str(), path);
            let instead = fault.as_ref().and_then(|fault| fault.instead(call));
            instead.unwrap_or_else(|| self.answer(&ask, call, &target, Bend::default()))
        } else {
            Refusal::not_found().response()
        };
        self.note(Seen { at_ms: now_ms, call, request: request.clone(), status: Some(response.status().as_u16()) });
        response
    }

    fn note(&mut self, seen: Seen) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.drain(..SEEN_MAX / 2);
        }
        self.seen.push(seen);
    }

    fn carry_out(&mut self, ask: &Ask, call: Call, target: &Target, bend: Bend) -> Result<Reply, Refusal> {
        let world = &mut self.world;
        let caller = world.caller(ask.now_ms, ask.token())?;
        if !Reach::of(call, &caller.scopes).any() {
            return Err(Refusal::insufficient_scope(call.name()));
        }
        world.charge(ask.now_ms, &caller, call)?;
        let caller = &caller;
        match call {
            Call::CalendarListList => world.calendar_list_list(ask, caller),
            Call::CalendarListGet => world.calendar_list_get(ask, caller, target),
            Call::CalendarListInsert => world.calendar_list_insert(ask, caller),
            Call::CalendarListPatch | Call::CalendarListUpdate => world.calendar_list_change(ask, caller, target, call),
            Call::CalendarListDelete => world.calendar_list_delete(ask, caller, target),
            Call::CalendarListWatch => world.calendar_list_watch(ask, caller),
            Call::CalendarsGet => world.calendars_get(ask, caller, target),
            Call::CalendarsInsert => world.calendars_insert(ask, caller),
            Call::CalendarsPatch => world.calendars_change(ask, caller, target, false),
            Call::CalendarsUpdate => world.calendars_change(ask, caller, target, true),
            Call::CalendarsDelete => world.calendars_delete(ask, caller, target),
            Call::EventsList => world.events_list(ask, caller, target, bend),
            Call::EventsGet => world.events_get(ask, caller, target),
            Call::EventsInsert => world.events_insert(ask, caller, target),
            Call::EventsImport => world.events_import(ask, caller, target),
            Call::EventsUpdate => world.events_change(ask, caller, target, Kind::Update),
            Call::EventsPatch => world.events_change(ask, caller, target, Kind::Patch),
            Call::EventsDelete => world.events_delete(ask, caller, target),
            Call::EventsMove => world.events_move(ask, caller, target),
            Call::EventsInstances => world.events_instances(ask, caller, target),
            Call::EventsWatch => world.events_watch(ask, caller, target),
            Call::EventsQuickAdd => world.events_quick_add(ask, caller, target),
            Call::FreebusyQuery => world.freebusy(ask, caller),
            Call::ColorsGet => Ok(world.colors()),
            Call::SettingsList => Ok(world.settings_list(caller)),
            Call::SettingsGet => world.settings_get(caller, target),
            Call::ChannelsStop => world.channels_stop(ask, caller),
            Call::Authorize
            | Call::Token
            | Call::Revoke
            | Call::Userinfo
            | Call::Batch
            | Call::Control
            | Call::Page
            | Call::Unknown => Err(Refusal::not_found()),
        }
    }
}

/// Setting up.
impl Google {
    /// An account with its primary calendar, whose id is the address.
    pub fn add_account(&mut self, email: &str, time_zone: &str) {
        self.world.accounts.entry(email.to_owned()).or_default();
        self.add_calendar(email, email, email, Role::Owner, time_zone);
    }

    /// A calendar in an account's list. A calendar that exists already is shared with the account, in that role.
    pub fn add_calendar(&mut self, account: &str, id: &str, name: &str, role: Role, time_zone: &str) {
        let world = &mut self.world;
        let etag = world.next_etag(0);
        world.calendars.entry(id.to_owned()).or_insert_with(|| Calendar::new(id, name, account, time_zone, etag));
        world.list(0, account, id, role);
    }

    /// An OAuth client. A redirect of `http://127.0.0.1` or `http://localhost` stands for any port and path there.
    pub fn add_client(&mut self, id: &str, secret: &str, redirects: &[&str]) {
        let redirects = redirects.iter().map(|uri| (*uri).to_owned()).collect();
        self.world.oauth.clients.insert(id.to_owned(), Client { secret: secret.to_owned(), redirects });
    }

    /// Tokens without the browser. Scopes are full names, or short ones as `calendar.events`.
    pub fn grant(&mut self, now_ms: i64, account: &str, client: &str, scopes: &[&str]) -> Tokens {
        let full = |scope: &&str| match *scope {
            "openid" | "email" | "profile" => (*scope).to_owned(),
            scope if scope.contains('/') => scope.to_owned(),
            scope => format!("{SCOPE_PREFIX}{scope}"),
        };
        let scopes = scopes.iter().map(full).collect();
        self.world.new_grant(now_ms, account, client, scopes, true).1
    }

    /// From now on authorisation requests are agreed to at once, for this account or the one that `login_hint` names.
    pub fn auto_approve(&mut self, account: Option<&str>) {
        self.world.oauth.auto_approve = account.map(str::to_owned);
    }

    /// From now on the user unticks scopes that end so.
    pub fn withhold_scopes(&mut self, endings: &[&str]) {
        self.world.oauth.withheld = endings.iter().map(|ending| (*ending).to_owned()).collect();
    }

    /// What an account granted ends, to one client or to all: refreshing answers `invalid_grant` from now on.
    pub fn revoke(&mut self, account: &str, client: Option<&str>) {
        self.world.end_grants(account, client);
    }

    /// An account's access tokens run out.
    pub fn expire_access_tokens(&mut self, account: &str) {
        self.world.expire_access(account);
    }
}
