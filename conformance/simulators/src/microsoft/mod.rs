//! Microsoft Graph v1.0 calendars with the identity platform, as a deterministic state machine.
//!
//! `call` and `request` take a request apart; `authority`, `consent`, `device`, `oauth`, `scope`, `aadsts` decide who may; `find`,
//! `draft`, `events`, `occurrence`, `list`, `delta`, `shape`, `filter`, `render` are the API; `pattern` and `dates` are its
//! recurrence; `world` is the state. It knows no clock, no socket, and nothing of its clients.

mod aadsts;
mod authority;
mod batch;
mod body;
mod calendars;
mod call;
mod consent;
mod control;
mod dates;
mod delta;
mod device;
mod draft;
mod events;
mod faults;
mod filter;
mod find;
mod human;
mod ids;
mod inspect;
mod item;
mod list;
mod mail;
mod moment;
mod oauth;
mod occurrence;
mod page;
mod page_form;
mod pattern;
mod refusal;
mod render;
mod request;
mod respond;
mod scope;
pub mod serve;
mod settings;
mod setup;
mod shape;
mod subscriptions;
#[cfg(test)]
mod tests;
mod throttle;
mod world;
mod zone_table;
mod zones;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};

pub use authority::PERSONAL_TENANT;
pub use call::Call;
pub use faults::{Fault, Faults, Rule};
pub use human::{Human, Refused};
pub use oauth::{OldRefreshTokens, Tokens};
pub use settings::Settings;
pub use world::{Access, Mail};

pub use crate::outcome::{Delivery, Outcome, Received};

use crate::{answer, serve::Reaction};
use call::{Target, route};
use events::Reply;
use list::Bend;
use refusal::Refusal;
use request::Ask;
use world::World;

/// The class of the calendar group that everybody has.
const GROUP_CLASS: &str = "0006f0b7-0000-0000-c000-000000000046";

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
pub struct Microsoft {
    world: World,
    seen: Vec<Seen>,
    counts: BTreeMap<Call, u64>,
    faults: Faults,
    ahead_ms: i64,
    /// Requests whose receivers were asked.
    waiting: BTreeMap<u64, (Request<Bytes>, Option<Fault>)>,
}

impl Microsoft {
    /// An empty provider. The same seed and the same calls give the same answers.
    pub fn new(seed: u64) -> Self {
        Self {
            world: World::new(seed),
            seen: Vec::new(),
            counts: BTreeMap::new(),
            faults: Faults::default(),
            ahead_ms: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// Answers one request. Receivers of notifications are believed without being asked.
    pub fn handle(&mut self, now_ms: i64, request: &Request<Bytes>) -> Outcome {
        match self.begin(now_ms, request) {
            Reaction::Done(outcome) => outcome,
            Reaction::Asks { ticket, .. } => self.go_on(now_ms, ticket, None),
        }
    }

    /// Answers one request, or says which receivers must be asked first.
    pub fn begin(&mut self, now_ms: i64, request: &Request<Bytes>) -> Reaction {
        let now_ms = now_ms.saturating_add(self.ahead_ms);
        let ask = Ask::new(now_ms, request);
        let (call, target) = route(&ask.method, &ask.path);
        *self.counts.entry(call).or_default() += 1;
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        let fault = self.faults.pick(call, ask.method.as_str(), path);
        let trace = self.world.guid(&format!("request {}", self.seen.len()));
        let instead = fault.as_ref().and_then(|fault| fault.instead(now_ms, &trace));
        if call == Call::SubscriptionsCreate && instead.is_none() && fault != Some(Fault::LoseRequest) {
            match self.subscribe(&ask) {
                Ok(handshake) => {
                    self.waiting.insert(handshake.ticket, (request.clone(), fault));
                    return Reaction::Asks { ticket: handshake.ticket, posts: handshake.posts };
                }
                Err(refusal) => {
                    let response = self.dress(&ask, refusal.response(now_ms, &trace), &trace);
                    return Reaction::Done(self.finish(&ask, call, request, Outcome::Answer(response)));
                }
            }
        }
        let outcome = match (&fault, instead) {
            (Some(Fault::LoseRequest), _) => Outcome::Lost,
            (_, Some(response)) => Outcome::Answer(response),
            (None, None) => self.late(call, self.world.settings.answer_ms, |own| {
                own.answer(&ask, call, &target, Bend::default(), &trace)
            }),
            (Some(fault), None) => {
                let takes_ms = match fault {
                    Fault::Delay { ms } => *ms,
                    _ => self.world.settings.answer_ms,
                };
                let here = format!("{}{path}", ask.base());
                if *fault == Fault::NewChangeKeys
                    && let Ok(caller) = self.world.caller(now_ms, ask.token())
                {
                    self.world.new_change_keys(&caller.account, &target.calendar);
                }
                self.late(call, takes_ms, |own| {
                    let response = own.answer(&ask, call, &target, fault.bend(), &trace);
                    fault.spoil(now_ms, &here, response)
                })
            }
        };
        let outcome = spoilt(outcome, fault.as_ref());
        Reaction::Done(self.finish(&ask, call, request, outcome))
    }

    /// Goes on with a request whose receivers answered; `None`: they are believed.
    pub(crate) fn go_on(&mut self, now_ms: i64, ticket: u64, answers: Option<Vec<Option<Received>>>) -> Outcome {
        let now_ms = now_ms.saturating_add(self.ahead_ms);
        let Some((request, fault)) = self.waiting.remove(&ticket) else { return Outcome::Lost };
        let ask = Ask::new(now_ms, &request);
        let trace = self.world.guid(&format!("request {}", self.seen.len()));
        let response = match self.world.subscribed(&ask, ticket, answers) {
            Ok(reply) => written(reply),
            Err(refusal) => refusal.response(now_ms, &trace),
        };
        let response = self.dress(&ask, response, &trace);
        let response = match &fault {
            Some(fault) => fault.spoil(now_ms, "", response),
            None => response,
        };
        let outcome = spoilt(Outcome::Answer(response), fault.as_ref());
        self.finish(&ask, Call::SubscriptionsCreate, &request, outcome)
    }

    /// An answer that takes a while, if answers do.
    fn late(&mut self, call: Call, takes_ms: u64, answer: impl FnOnce(&mut Self) -> Response<Bytes>) -> Outcome {
        self.world.takes_ms = takes_ms;
        let response = answer(self);
        // Who is refused is refused at once.
        let waits = call.needs_token() || call == Call::Batch || takes_ms != self.world.settings.answer_ms;
        if takes_ms > 0 && waits && response.status() != 429 {
            return Outcome::Late { after_ms: takes_ms, response };
        }
        Outcome::Answer(response)
    }

    fn finish(&mut self, ask: &Ask, call: Call, request: &Request<Bytes>, outcome: Outcome) -> Outcome {
        let status = match &outcome {
            Outcome::Lost => None,
            Outcome::Answer(response) | Outcome::Late { response, .. } | Outcome::Truncated { response, .. } => {
                Some(response.status().as_u16())
            }
        };
        if !matches!(call, Call::Control | Call::Page) {
            self.note(Seen { at_ms: ask.now_ms, call, request: request.clone(), status });
        }
        outcome
    }

    fn note(&mut self, seen: Seen) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.drain(..SEEN_MAX / 2);
        }
        self.seen.push(seen);
    }

    fn answer(&mut self, ask: &Ask, call: Call, target: &Target, bend: Bend, trace: &str) -> Response<Bytes> {
        let response = match call {
            Call::Authorize => return self.world.authorize(ask, &target.tenant),
            Call::Token => return self.world.token(ask, &target.tenant),
            Call::DeviceCode => return self.world.device_code(ask, &target.tenant),
            Call::DeviceLogin => return self.world.device_login(ask),
            Call::AdminConsent => return self.world.admin_consent(ask, &target.tenant),
            Call::Configuration => return self.world.configuration(ask, &target.tenant),
            Call::Control => return self.control(ask),
            Call::Page => return self.page(ask),
            Call::Batch => self.batch(ask),
            _ => match self.carry_out(ask, call, target, bend) {
                Ok(reply) => written(reply),
                Err(refusal) => refusal.response(ask.now_ms, trace),
            },
        };
        self.dress(ask, response, trace)
    }

    /// The headers of every answer of the API.
    fn dress(&self, ask: &Ask, mut response: Response<Bytes>, trace: &str) -> Response<Bytes> {
        let headers = response.headers_mut();
        let own = HeaderValue::from_str(trace).unwrap_or_else(|_| HeaderValue::from_static(""));
        headers.insert("client-request-id", ask.headers.get("client-request-id").unwrap_or(&own).clone());
        headers.insert("request-id", own);
        let mut applied = Vec::new();
        if ask.prefer.immutable {
            applied.push("IdType=\"ImmutableId\"".to_owned());
        }
        if let Some(zone) = &ask.prefer.zone {
            applied.push(format!("outlook.timezone=\"{zone}\""));
        }
        if ask.prefer.text {
            applied.push("outlook.body-content-type=\"text\"".to_owned());
        }
        if let (false, Ok(value)) = (applied.is_empty(), HeaderValue::from_str(&applied.join(", "))) {
            headers.insert("preference-applied", value);
        }
        response
    }

    /// One request of a batch, with its own faults as far as they answer in its place.
    pub(crate) fn part(&mut self, now_ms: i64, request: &Request<Bytes>) -> Response<Bytes> {
        let ask = Ask::new(now_ms, request);
        let (call, target) = route(&ask.method, &ask.path);
        let trace = self.world.guid(&format!("request {}", self.seen.len()));
        let response = if call.needs_token() {
            *self.counts.entry(call).or_default() += 1;
            let path = request.uri().path_and_query().map_or("", |path| path.as_str());
            let fault = self.faults.pick(call, ask.method.as_str(), path);
            let instead = fault.as_ref().and_then(|fault| fault.instead(now_ms, &trace));
            // The batch itself takes its time; its parts take none of their own.
            self.world.takes_ms = 0;
            match (instead, fault) {
                (Some(response), _) => response,
                (None, None) => self.answer(&ask, call, &target, Bend::default(), &trace),
                (None, Some(fault)) => {
                    let response = self.answer(&ask, call, &target, fault.bend(), &trace);
                    fault.spoil(now_ms, path, response)
                }
            }
        } else {
            Refusal::no_segment().response(now_ms, &trace)
        };
        self.note(Seen { at_ms: now_ms, call, request: request.clone(), status: Some(response.status().as_u16()) });
        response
    }

    fn subscribe(&mut self, ask: &Ask) -> Result<subscriptions::Handshake, Refusal> {
        let caller = self.world.caller(ask.now_ms, ask.token())?;
        scope::allowed(Call::SubscriptionsCreate, &caller)?;
        self.world.charge(ask.now_ms, &caller, 0)?;
        self.world.subscribe(ask, &caller)
    }

    fn carry_out(&mut self, ask: &Ask, call: Call, target: &Target, bend: Bend) -> Result<Reply, Refusal> {
        let world = &mut self.world;
        if call == Call::Unknown {
            return Err(Refusal::no_segment());
        }
        let caller = world.caller(ask.now_ms, ask.token())?;
        scope::allowed(call, &caller)?;
        world.charge(ask.now_ms, &caller, world.takes_ms)?;
        let caller = &caller;
        match call {
            Call::Me => world.me(ask, caller, target),
            Call::RevokeSessions => {
                world.end_grants(&caller.account, None, 50173);
                Ok(Reply::Json(200, serde_json::json!({ "value": true })))
            }
            Call::MailboxSettings => world.mailbox_settings(ask, caller, target),
            Call::TimeZones => Ok(world.time_zones(ask)),
            Call::Translate => world.translate(ask),
            Call::GroupsList => world.groups_list(ask, caller, target),
            Call::CalendarsList => world.calendars_list(ask, caller, target, bend),
            Call::CalendarsGet => world.calendars_get(ask, caller, target),
            Call::CalendarsCreate => world.calendars_create(ask, caller, target),
            Call::CalendarsUpdate => world.calendars_update(ask, caller, target),
            Call::CalendarsDelete => world.calendars_delete(caller, target),
            Call::EventsList => world.events_list(ask, caller, target, bend),
            Call::EventsGet => world.events_get(ask, caller, target),
            Call::EventsCreate => world.events_create(ask, caller, target),
            Call::EventsUpdate => world.events_update(ask, caller, target),
            Call::EventsDelete | Call::EventsPermanentDelete => world.events_delete(ask, caller, target),
            Call::EventsInstances => world.events_instances(ask, caller, target, bend),
            Call::EventsAccept | Call::EventsTentative | Call::EventsDecline => {
                world.events_respond(ask, caller, call, target)
            }
            Call::EventsCancel => world.events_cancel(ask, caller, target),
            Call::EventsDismissReminder => world.events_dismiss(ask, caller, target),
            Call::CalendarView => world.calendar_view(ask, caller, target, bend),
            Call::EventsDelta if !world.settings.events_delta => Err(Refusal::no_segment()),
            Call::CalendarViewDelta | Call::EventsDelta => world.delta(ask, caller, call, target, bend),
            Call::SubscriptionsList => Ok(world.subscriptions_list(ask, caller)),
            Call::SubscriptionsGet => world.subscriptions_get(ask, caller, &target.id),
            Call::SubscriptionsUpdate => world.subscriptions_update(ask, caller, &target.id),
            Call::SubscriptionsDelete => world.subscriptions_delete(ask, caller, &target.id),
            Call::SubscriptionsReauthorize => {
                world.subscriptions_get(ask, caller, &target.id).map(|_| Reply::Empty(204))
            }
            Call::Authorize
            | Call::Token
            | Call::DeviceCode
            | Call::DeviceLogin
            | Call::AdminConsent
            | Call::Configuration
            | Call::Batch
            | Call::Control
            | Call::Page
            | Call::SubscriptionsCreate
            | Call::Unknown => Err(Refusal::no_segment()),
        }
    }
}

fn written(reply: Reply) -> Response<Bytes> {
    match reply {
        Reply::Json(status, body) => {
            let etag = body.get("@odata.etag").and_then(serde_json::Value::as_str);
            let etag = etag.and_then(|etag| HeaderValue::from_str(etag).ok());
            let mut response = answer::with_type(
                status,
                "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
                body.to_string().into_bytes(),
            );
            if let Some(etag) = etag {
                response.headers_mut().insert(header::ETAG, etag);
            }
            response
        }
        Reply::Empty(status) => answer::empty(status),
    }
}

/// What a fault makes of the connection.
fn spoilt(outcome: Outcome, fault: Option<&Fault>) -> Outcome {
    match (fault, outcome) {
        (Some(Fault::LoseResponse), _) => Outcome::Lost,
        (Some(Fault::Truncate { per_mille }), Outcome::Answer(response) | Outcome::Late { response, .. }) => {
            let part = response.body().len() as u64 * u64::from((*per_mille).min(1000)) / 1000;
            Outcome::Truncated { after_bytes: usize::try_from(part).unwrap_or(0), response }
        }
        (_, outcome) => outcome,
    }
}
