//! Notification channels: opening and stopping them, and what they have to say.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Delivery,
    call::{Call, Target},
    chance::check,
    faults::{Fault, Faults},
    oauth::Caller,
    refusal::Refusal,
    request::Ask,
    world::World,
    write::Reply,
};

/// Google's own limit on a channel's life.
const LIFE_MAX_MS: i64 = 7 * super::moment::DAY_MS;
const ID_MAX: usize = 64;
const TOKEN_MAX: usize = 256;
/// A receiver that fails is tried again, a little later each time.
const RETRIES_MAX: u32 = 6;

#[derive(Debug)]
struct Channel {
    client: String,
    subject: Subject,
    resource_id: String,
    uri: String,
    address: String,
    token: Option<String>,
    expires_ms: i64,
    number: u64,
}

/// What a channel is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Events(String),
    List(String),
}

/// The channels that are open, and what is due.
#[derive(Debug, Default)]
pub(crate) struct Push {
    channels: BTreeMap<String, Channel>,
    due: Vec<(i64, Delivery)>,
    /// Taken to be sent, and not answered yet.
    under_way: usize,
}

impl Push {
    /// Events of a calendar changed.
    pub(crate) fn changed(&mut self, now_ms: i64, calendar: &str) {
        self.tell(now_ms, |subject| matches!(subject, Subject::Events(id) if id == calendar));
    }

    /// An account's calendar list changed.
    pub(crate) fn list_changed(&mut self, now_ms: i64, account: &str) {
        self.tell(now_ms, |subject| matches!(subject, Subject::List(id) if id == account));
    }

    fn tell(&mut self, now_ms: i64, about: impl Fn(&Subject) -> bool) {
        for (id, channel) in &mut self.channels {
            if about(&channel.subject) && channel.expires_ms > now_ms {
                // Increasing, but not consecutive.
                channel.number += 2;
                self.due.push((now_ms, channel.delivery(id, "exists")));
            }
        }
    }

    /// What is to be sent by now, as faults leave it.
    pub(crate) fn take(&mut self, now_ms: i64, faults: &mut Faults) -> Vec<Delivery> {
        let (ready, waiting): (Vec<_>, Vec<_>) = self.due.drain(..).partition(|(at, _)| *at <= now_ms);
        self.due = waiting;
        let mut out = Vec::new();
        for (_, delivery) in ready {
            match faults.pick_delivery() {
                Some(Fault::DropDelivery) => {}
                Some(Fault::DuplicateDelivery) => out.extend([delivery.clone(), delivery]),
                Some(Fault::DelayDelivery { ms }) => {
                    let later = now_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
                    self.due.push((later, delivery));
                }
                _ => out.push(delivery),
            }
        }
        self.under_way += out.len();
        out
    }

    /// The receiver answered, or did not.
    pub(crate) fn arrived(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Notifications that nobody has answered yet.
    pub(crate) fn unanswered(&self) -> usize {
        self.due.len() + self.under_way
    }

    /// The receiver answered 500, 502, 503 or 504, or not at all.
    pub(crate) fn again(&mut self, now_ms: i64, delivery: &Delivery) {
        if delivery.failed < RETRIES_MAX {
            let wait_ms = 1000 << delivery.failed;
            self.due
                .push((now_ms.saturating_add(wait_ms), Delivery { failed: delivery.failed + 1, ..delivery.clone() }));
        }
    }

    /// When the next one is due.
    pub(crate) fn next_due_ms(&self) -> Option<i64> {
        self.due.iter().map(|(at, _)| *at).min()
    }

    pub(crate) fn forget_channels(&mut self) {
        self.channels.clear();
    }

    pub(crate) fn open(&self, now_ms: i64) -> usize {
        self.channels.values().filter(|channel| channel.expires_ms > now_ms).count()
    }
}

impl Channel {
    fn delivery(&self, id: &str, state: &str) -> Delivery {
        let at = super::moment::instant(self.expires_ms);
        let mut headers = vec![
            ("X-Goog-Channel-ID", id.to_owned()),
            ("X-Goog-Channel-Expiration", at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
            ("X-Goog-Message-Number", self.number.to_string()),
            ("X-Goog-Resource-ID", self.resource_id.clone()),
            ("X-Goog-Resource-State", state.to_owned()),
            ("X-Goog-Resource-URI", self.uri.clone()),
        ];
        if let Some(token) = &self.token {
            headers.push(("X-Goog-Channel-Token", token.clone()));
        }
        Delivery { url: self.address.clone(), headers, body: bytes::Bytes::new(), failed: 0 }
    }
}

impl World {
    pub(crate) fn events_watch(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let place = self.place(caller, Call::EventsWatch, target)?;
        if !self.calendar(&place.calendar)?.watchable {
            return Err(Refusal::new(
                400,
                "push",
                "pushNotSupportedForRequestedResource",
                "Push notifications are not supported by this resource.",
            ));
        }
        let encoded = percent_encoding::utf8_percent_encode(&place.calendar, percent_encoding::NON_ALPHANUMERIC);
        let uri = format!("https://www.googleapis.com/calendar/v3/calendars/{encoded}/events?alt=json");
        self.watch(ask, caller, Subject::Events(place.calendar), uri)
    }

    pub(crate) fn calendar_list_watch(&mut self, ask: &Ask, caller: &Caller) -> Result<Reply, Refusal> {
        let uri = "https://www.googleapis.com/calendar/v3/users/me/calendarList?alt=json".to_owned();
        self.watch(ask, caller, Subject::List(caller.account.clone()), uri)
    }

    fn watch(&mut self, ask: &Ask, caller: &Caller, subject: Subject, uri: String) -> Result<Reply, Refusal> {
        let body = ask.json()?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let refuse = |reason: &'static str, message: &str| Refusal::new(400, "push", reason, message);
        let id = text("id").filter(|id| !id.is_empty()).ok_or_else(|| Refusal::required("Missing channel id."))?;
        if id.len() > ID_MAX {
            return Err(Refusal::invalid("Invalid channel id."));
        }
        if !matches!(text("type"), Some("web_hook" | "webhook")) {
            return Err(refuse("unknownChannelType", "Unknown channel type."));
        }
        let address = text("address").ok_or_else(|| Refusal::required("Missing address."))?;
        if !self.may_call(address) {
            return Err(refuse("webhookUrlNotHttps", &format!("WebHook callback must be HTTPS: {address}")));
        }
        let token = text("token").map(str::to_owned);
        if token.as_ref().is_some_and(|token| token.len() > TOKEN_MAX) {
            return Err(Refusal::invalid("Invalid channel token."));
        }
        if self.push.channels.get(id).is_some_and(|open| open.client == caller.client && open.expires_ms > ask.now_ms) {
            return Err(refuse("channelIdNotUnique", &format!("Channel id {id} not unique")));
        }
        let number =
            |value: Option<&Value>| value.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
        let asked = number(body.get("expiration"));
        let ttl = number(body.get("params").and_then(|params| params.get("ttl")));
        let expires_ms = [asked, ttl.map(|seconds| ask.now_ms.saturating_add(seconds.saturating_mul(1000)))]
            .into_iter()
            .flatten()
            .fold(ask.now_ms.saturating_add(LIFE_MAX_MS), i64::min);
        let resource_id =
            format!("{:016x}{:08x}", check(self.seed, &format!("{subject:?}")), check(1, &caller.client) >> 32);
        let channel = Channel {
            client: caller.client.clone(),
            subject,
            resource_id: resource_id.clone(),
            uri: uri.clone(),
            address: address.to_owned(),
            token: token.clone(),
            expires_ms,
            number: 1,
        };
        self.push.due.push((ask.now_ms, channel.delivery(id, "sync")));
        self.push.channels.insert(id.to_owned(), channel);
        let mut answer = json!({
            "kind": "api#channel", "id": id, "resourceId": resource_id, "resourceUri": uri, "expiration": expires_ms.to_string(),
        });
        if let (Some(token), Some(fields)) = (token, answer.as_object_mut()) {
            fields.insert("token".into(), json!(token));
        }
        Ok(Reply::Json(answer))
    }

    /// HTTPS; plain HTTP to this machine where the settings allow it.
    fn may_call(&self, address: &str) -> bool {
        let Ok(url) = url::Url::parse(address) else { return false };
        let here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        url.scheme() == "https" || self.settings.loopback_hooks && url.scheme() == "http" && here
    }

    pub(crate) fn channels_stop(&mut self, ask: &Ask, caller: &Caller) -> Result<Reply, Refusal> {
        let body = ask.json()?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = text("id").to_owned();
        let found = self.push.channels.get(&id).filter(|open| {
            open.resource_id == text("resourceId") && open.client == caller.client && open.expires_ms > ask.now_ms
        });
        if found.is_none() {
            return Err(Refusal::new(404, "global", "notFound", format!("Channel '{id}' not found for project")));
        }
        self.push.channels.remove(&id);
        Ok(Reply::Empty)
    }
}

/// Push.
impl super::Google {
    /// The notifications that are due, as faults leave them: each is to be POSTed once.
    pub fn deliveries(&mut self, now_ms: i64) -> Vec<Delivery> {
        self.world.push.take(now_ms.saturating_add(self.ahead_ms), &mut self.faults)
    }

    /// The receiver answered 500, 502, 503 or 504, or not at all: the notification comes again, later.
    pub fn delivery_failed(&mut self, now_ms: i64, delivery: &Delivery) {
        self.world.push.again(now_ms.saturating_add(self.ahead_ms), delivery);
    }

    /// When the next notification is due, on the caller's clock.
    pub fn next_delivery_ms(&self) -> Option<i64> {
        self.world.push.next_due_ms().map(|at| at.saturating_sub(self.ahead_ms))
    }

    /// All channels are forgotten, and nobody is told.
    pub fn drop_channels(&mut self) {
        self.world.push.forget_channels();
    }

    /// How many channels are open.
    pub fn channels_open(&self, now_ms: i64) -> usize {
        self.world.push.open(now_ms)
    }
}
