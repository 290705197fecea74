//! Change notifications: subscribing, renewing, and what is POSTed to the receivers.

use std::collections::BTreeMap;

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{
    events::Reply,
    faults::{Fault, Faults},
    ids::{Form, etag},
    moment::{MINUTE_MS, query_ms, stamp},
    oauth::Caller,
    refusal::Refusal,
    request::Ask,
    world::World,
};
use crate::{
    chance::TOKEN_LETTERS,
    outcome::{Delivery, Received},
};

/// Events are watched for less than seven days.
const LIFE_MAX_MINUTES: i64 = 10_080;
/// Less than this is made this.
const LIFE_MIN_MINUTES: i64 = 45;
const CLIENT_STATE_MAX: usize = 255;
const PER_MAILBOX_MAX: usize = 1000;
/// A receiver that fails is tried again, ever later, for four hours.
const RETRY_FIRST_MS: i64 = 10_000;
const RETRY_FOR_MS: i64 = 4 * 3_600_000;

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    account: String,
    client: String,
    resource: String,
    /// The calendar; `None`: all of the mailbox.
    calendar: Option<String>,
    change_types: Vec<String>,
    pub(crate) url: String,
    lifecycle_url: Option<String>,
    pub(crate) expires_ms: i64,
    client_state: Option<String>,
    form: Form,
}

/// What is to be POSTed, and since when it is tried.
#[derive(Clone, Debug)]
struct Due {
    at_ms: i64,
    delivery: Delivery,
}

/// The subscriptions, and what is due.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) all: BTreeMap<String, Subscription>,
    due: Vec<Due>,
    /// Requests that wait for their receivers.
    waiting: BTreeMap<u64, (Subscription, Vec<String>)>,
}

/// What creating a subscription needs first.
pub(crate) struct Handshake {
    pub(crate) ticket: u64,
    pub(crate) posts: Vec<Delivery>,
}

impl World {
    /// Reads a subscription, and asks its receivers whether they want it.
    pub(crate) fn subscribe(&mut self, ask: &Ask, caller: &Caller) -> Result<Handshake, Refusal> {
        let body = ask.json()?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let need = |name: &str| {
            text(name)
                .filter(|text| !text.is_empty())
                .ok_or_else(|| invalid(format!("The {name} property is missing.")))
        };
        let change_types: Vec<String> = need("changeType")?.split(',').map(|one| one.trim().to_lowercase()).collect();
        if !change_types.iter().all(|one| matches!(one.as_str(), "created" | "updated" | "deleted")) {
            return Err(invalid("The changeType is not supported."));
        }
        let url = need("notificationUrl")?.to_owned();
        let lifecycle_url = text("lifecycleNotificationUrl").map(str::to_owned);
        for url in [Some(&url), lifecycle_url.as_ref()].into_iter().flatten() {
            if !self.may_call(url) {
                return Err(invalid("The notification URL must be HTTPS."));
            }
        }
        let resource = need("resource")?.to_owned();
        let calendar = self.watched(caller, &resource)?;
        let client_state = text("clientState").map(str::to_owned);
        if client_state.as_ref().is_some_and(|state| state.len() > CLIENT_STATE_MAX) {
            return Err(invalid("The clientState is longer than 255 characters."));
        }
        let expires_ms = expiry(ask.now_ms, need("expirationDateTime")?)?;
        let alive = |one: &&Subscription| one.account == caller.account && one.expires_ms > ask.now_ms;
        let known: Vec<&Subscription> = self.subscriptions.all.values().filter(alive).collect();
        if known.len() >= PER_MAILBOX_MAX {
            return Err(Refusal::new(403, "ErrorAccessDenied", "The mailbox has reached its limit of subscriptions."));
        }
        let twin = |one: &&Subscription| {
            one.client == caller.client && one.resource == resource && one.change_types == change_types
        };
        if self.settings.one_subscription && known.into_iter().any(|one| twin(&one)) {
            return Err(Refusal::new(409, "Conflict", "Subscription for this resource already exists."));
        }
        let subscription = Subscription {
            id: self.new_guid(),
            account: caller.account.clone(),
            client: caller.client.clone(),
            resource,
            calendar,
            change_types,
            url,
            lifecycle_url,
            expires_ms,
            client_state,
            form: ask.prefer.form(),
        };
        let urls = [Some(&subscription.url), subscription.lifecycle_url.as_ref()].into_iter().flatten().cloned();
        let (mut posts, mut tokens) = (Vec::new(), Vec::new());
        for url in urls.collect::<Vec<_>>() {
            // Characters that must be decoded, and that must not become HTML.
            let token = format!(
                "Validation: Testing client application reachability for subscription Request-Id: {}+&<b>",
                self.chance.text(TOKEN_LETTERS, 24)
            );
            let mark = if url.contains('?') { '&' } else { '?' };
            posts.push(Delivery {
                url: format!("{url}{mark}validationToken={}", utf8_percent_encode(&token, NON_ALPHANUMERIC)),
                headers: vec![("Content-Type", "text/plain; charset=utf-8".to_owned())],
                body: Bytes::new(),
                failed: 0,
            });
            tokens.push(token);
        }
        let ticket = self.next_key();
        self.subscriptions.waiting.insert(ticket, (subscription, tokens));
        Ok(Handshake { ticket, posts })
    }

    /// Goes on with a subscription whose receivers answered. Without answers they are believed.
    pub(crate) fn subscribed(
        &mut self,
        ask: &Ask,
        ticket: u64,
        answers: Option<Vec<Option<Received>>>,
    ) -> Result<Reply, Refusal> {
        let (subscription, tokens) = self.subscriptions.waiting.remove(&ticket).ok_or_else(Refusal::not_found)?;
        for (at, token) in tokens.iter().enumerate() {
            let Some(answers) = &answers else { break };
            let why = match answers.get(at).and_then(Option::as_ref) {
                None => "Notification endpoint did not answer in time.".to_owned(),
                Some(one) if one.status != 200 => {
                    format!(
                        "Notification endpoint must respond with 200 OK to validation request, it was {}.",
                        one.status
                    )
                }
                Some(one) if !one.content_type.starts_with("text/plain") => {
                    "Notification endpoint must respond with Content-Type text/plain.".to_owned()
                }
                Some(one) if one.body != token.as_bytes() => {
                    "Notification endpoint must respond with the decoded validation token.".to_owned()
                }
                Some(_) => continue,
            };
            return Err(Refusal::new(400, "ValidationError", format!("Subscription validation request failed. {why}")));
        }
        let id = subscription.id.clone();
        self.subscriptions.all.insert(id.clone(), subscription);
        self.subscription_reply(ask, &id, 201)
    }

    fn subscription_reply(&self, ask: &Ask, id: &str, status: u16) -> Result<Reply, Refusal> {
        let found = self.subscriptions.all.get(id).ok_or_else(Refusal::not_found)?;
        let mut body = Map::new();
        body.insert("@odata.context".into(), json!(format!("{}/v1.0/$metadata#subscriptions/$entity", ask.base())));
        if let Value::Object(shown) = found.show(&self.guid(&found.account)) {
            body.extend(shown);
        }
        Ok(Reply::Json(status, Value::Object(body)))
    }

    /// Which calendar a resource names; its own form of path, with or without a slash before it.
    fn watched(&self, caller: &Caller, resource: &str) -> Result<Option<String>, Refusal> {
        let path = format!("/v1.0/{}", resource.trim_start_matches('/').trim_start_matches("v1.0/"));
        let (call, target) = super::call::route(&http::Method::GET, &path);
        if call != super::Call::EventsList {
            return Err(invalid(format!("Resource '{resource}' is not supported.")));
        }
        let named = !target.calendar.is_empty() || path.ends_with("/calendar/events");
        let (id, _) = self.calendar_of(caller, call, &target)?;
        Ok(named.then_some(id))
    }

    /// HTTPS; plain HTTP to this machine where the settings allow it.
    fn may_call(&self, address: &str) -> bool {
        let Ok(url) = url::Url::parse(address) else { return false };
        let here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        url.scheme() == "https" || self.settings.loopback_hooks && url.scheme() == "http" && here
    }

    fn own_subscription(&mut self, ask: &Ask, caller: &Caller, id: &str) -> Result<&mut Subscription, Refusal> {
        let now_ms = ask.now_ms;
        self.subscriptions
            .all
            .get_mut(id)
            .filter(|one| one.client == caller.client && one.account == caller.account && one.expires_ms > now_ms)
            .ok_or_else(|| Refusal::new(404, "ResourceNotFound", "The object was not found."))
    }

    pub(crate) fn subscriptions_list(&self, ask: &Ask, caller: &Caller) -> Reply {
        let own =
            self.subscriptions.all.values().filter(|one| {
                one.client == caller.client && one.account == caller.account && one.expires_ms > ask.now_ms
            });
        super::list::envelope(ask, "subscriptions", own.map(|one| one.show(&self.guid(&one.account))).collect(), None)
    }

    pub(crate) fn subscriptions_get(&mut self, ask: &Ask, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
        self.own_subscription(ask, caller, id)?;
        self.subscription_reply(ask, id, 200)
    }

    pub(crate) fn subscriptions_update(&mut self, ask: &Ask, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
        let body = ask.json()?;
        let until = body
            .get("expirationDateTime")
            .and_then(Value::as_str)
            .ok_or_else(|| invalid("The expirationDateTime property is missing."))?;
        let expires_ms = expiry(ask.now_ms, until)?;
        self.own_subscription(ask, caller, id)?.expires_ms = expires_ms;
        self.subscription_reply(ask, id, 200)
    }

    pub(crate) fn subscriptions_delete(&mut self, ask: &Ask, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
        self.own_subscription(ask, caller, id)?;
        self.subscriptions.all.remove(id);
        Ok(Reply::Empty(204))
    }

    /// An event changed: whoever watches it is told.
    pub(crate) fn tell(&mut self, now_ms: i64, key: u64, what: &str) {
        let Some(event) = self.events.get(&key) else { return };
        let mut due = Vec::new();
        for one in self.subscriptions.all.values() {
            let owner = self.calendars.get(&event.calendar).map(|calendar| calendar.owner.as_str());
            let about = match &one.calendar {
                Some(calendar) => *calendar == event.calendar,
                None => owner == Some(one.account.as_str()),
            };
            if !about || one.expires_ms <= now_ms || !one.change_types.iter().any(|kind| kind == what) {
                continue;
            }
            let user = self.guid(&one.account);
            let id = self.event_id(event, None, one.form);
            let resource = format!("Users/{user}/Events/{id}");
            let mut value = one.head(&self.guid(&format!("tenant of {}", one.account)));
            value.insert("changeType".into(), json!(what));
            value.insert("resource".into(), json!(resource));
            value.insert(
                "resourceData".into(),
                json!({ "@odata.type": "#Microsoft.Graph.Event", "@odata.id": resource, "@odata.etag": etag(event.change), "id": id }),
            );
            due.push(Due { at_ms: now_ms, delivery: post(&one.url, Value::Object(value)) });
        }
        self.subscriptions.due.extend(due);
    }

    /// A lifecycle notification: `reauthorizationRequired`, `subscriptionRemoved` or `missed`. A removed one is gone.
    pub(crate) fn lifecycle(&mut self, now_ms: i64, id: &str, event: &str) -> bool {
        let Some(one) = self.subscriptions.all.get(id) else { return false };
        let tenant = self.guid(&format!("tenant of {}", one.account));
        if let Some(url) = &one.lifecycle_url {
            let mut value = one.head(&tenant);
            value.insert("lifecycleEvent".into(), json!(event));
            self.subscriptions.due.push(Due { at_ms: now_ms, delivery: post(url, Value::Object(value)) });
        }
        if event == "subscriptionRemoved" {
            self.subscriptions.all.remove(id);
        }
        true
    }
}

impl Subscription {
    fn show(&self, user: &str) -> Value {
        json!({
            "id": self.id, "resource": self.resource, "applicationId": self.client, "changeType": self.change_types.join(","),
            "clientState": self.client_state, "notificationUrl": self.url, "notificationQueryOptions": null,
            "lifecycleNotificationUrl": self.lifecycle_url, "expirationDateTime": stamp(self.expires_ms), "creatorId": user,
            "includeResourceData": null, "latestSupportedTlsVersion": "v1_2", "encryptionCertificate": null,
            "encryptionCertificateId": null, "notificationUrlAppId": null,
        })
    }

    /// What every notification has.
    fn head(&self, tenant: &str) -> Map<String, Value> {
        let mut value = Map::new();
        value.insert("subscriptionId".into(), json!(self.id));
        value.insert("subscriptionExpirationDateTime".into(), json!(stamp(self.expires_ms)));
        value.insert("clientState".into(), json!(self.client_state));
        value.insert("tenantId".into(), json!(tenant));
        value
    }
}

impl Subscriptions {
    /// What is to be sent by now, as faults leave it.
    pub(crate) fn take(&mut self, now_ms: i64, faults: &mut Faults) -> Vec<Delivery> {
        let (ready, waiting): (Vec<_>, Vec<_>) = self.due.drain(..).partition(|due| due.at_ms <= now_ms);
        self.due = waiting;
        let mut out = Vec::new();
        for Due { delivery, .. } in ready {
            match faults.pick_delivery() {
                Some(Fault::DropDelivery) => {}
                Some(Fault::DuplicateDelivery) => out.extend([delivery.clone(), delivery]),
                Some(Fault::DelayDelivery { ms }) => {
                    let at_ms = now_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
                    self.due.push(Due { at_ms, delivery });
                }
                _ => out.push(delivery),
            }
        }
        out
    }

    /// The receiver did not take it: it comes again, ever later, up to four hours.
    pub(crate) fn again(&mut self, now_ms: i64, delivery: &Delivery) {
        let wait_ms = RETRY_FIRST_MS.saturating_mul(1 << delivery.failed.min(20));
        if wait_ms < RETRY_FOR_MS {
            let delivery = Delivery { failed: delivery.failed + 1, ..delivery.clone() };
            self.due.push(Due { at_ms: now_ms.saturating_add(wait_ms), delivery });
        }
    }

    /// When the next one is due.
    pub(crate) fn next_due_ms(&self) -> Option<i64> {
        self.due.iter().map(|due| due.at_ms).min()
    }
}

fn post(url: &str, value: Value) -> Delivery {
    let body = Bytes::from(json!({ "value": [value] }).to_string());
    let headers = vec![("Content-Type", "application/json; charset=utf-8".to_owned())];
    Delivery { url: url.to_owned(), headers, body, failed: 0 }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidRequest", message)
}

fn expiry(now_ms: i64, text: &str) -> Result<i64, Refusal> {
    let at = query_ms(text).ok_or_else(|| invalid("The expirationDateTime is not valid."))?;
    if at <= now_ms {
        return Err(invalid("Subscription expiration must be in the future."));
    }
    if at.saturating_sub(now_ms) > LIFE_MAX_MINUTES * MINUTE_MS {
        return Err(invalid(format!("Subscription expiration can only be {LIFE_MAX_MINUTES} minutes in the future.")));
    }
    Ok(at.max(now_ms.saturating_add(LIFE_MIN_MINUTES * MINUTE_MS)))
}
