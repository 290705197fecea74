//! `/_control/…`: what tests in other languages set up, break and look at, as JSON over the same port.
//!
//! | `POST` | body |
//! | --- | --- |
//! | `accounts` | `email`, `timeZone`, `personal`; answers with the default calendar's `calendar` |
//! | `calendars` | `account`, `id`, `name`, `access` (`read`, `edit`, `own`) |
//! | `clients` | `id`, `secret` (absent: a public one), `redirects`, `tenant` |
//! | `grant` | `account`, `client`, `scopes`; answers with tokens |
//! | `faults` | a [`Rule`] or a list of them; `DELETE` clears all, those by chance too |
//! | `faults/random` | `seed`, `perMille`, `faults` |
//! | `human` | `calendar`, `do`, `id` and what that needs: `event`, `patch`, `start`, `end`, `byMs`, `to`, `response`, `organizer` |
//! | `settings` | any of [`Settings`] |
//! | `clock` | `advanceMs` |
//! | `access`, `unshare` | `account`, `calendar`, `access` |
//! | `revoke` | `account`, `client`, `aadsts` (50173) |
//! | `deleteCalendar`, `expireDeltaTokens` | `calendar` |
//! | `expireAccess`, `autoApprove` | `account` |
//! | `withholdScopes` | `scopes` |
//! | `device` | `code`, `account` (absent: declined) |
//! | `secretExpired` | `client` |
//! | `lifecycle` | `id`, `event`: `reauthorizationRequired`, `subscriptionRemoved`, `missed` |
//! | `dropSubscriptions`, `forgetRequests`, `forgetTransactions` | nothing |
//!
//! `GET`: `accounts`, `calendars`, `events?calendar=`, `occurrences?calendar=&from=&to=`, `deleted?calendar=`, `faults`, `settings`,
//! `struck`, `subscriptions`, `counts`, `requests`, `mails`, `concurrency`.

use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value, json};

use super::{Access, Fault, Microsoft, Rule, Settings, human::Refused, request::Ask};
use crate::answer;

impl Microsoft {
    pub(crate) fn control(&mut self, ask: &Ask) -> Response<Bytes> {
        let name = ask.path.trim_start_matches("/_control").trim_matches('/').to_owned();
        let body: Value = if ask.body.is_empty() {
            json!({})
        } else {
            match serde_json::from_slice(&ask.body) {
                Ok(body) => body,
                Err(error) => return answer::json(400, &json!({ "error": error.to_string() }), true),
            }
        };
        // The clock was moved forward when the request came in; what is called here moves it again.
        let now_ms = ask.now_ms.saturating_sub(self.ahead_ms);
        let done = match ask.method.as_str() {
            "GET" => self.look(&name, ask),
            "DELETE" if name == "faults" => {
                self.faults.clear();
                Ok(json!({}))
            }
            "POST" => self.steer(&name, now_ms, &body),
            _ => Err(Refused("GET, POST, or DELETE /_control/faults".into())),
        };
        match done {
            Ok(body) => answer::json(200, &body, true),
            Err(Refused(why)) => answer::json(400, &json!({ "error": why }), true),
        }
    }

    fn look(&self, name: &str, ask: &Ask) -> Result<Value, Refused> {
        let calendar = ask.query.get("calendar").unwrap_or_default();
        let wrong = |error: serde_json::Error| Refused(error.to_string());
        match name {
            "accounts" => {
                let entry = |(email, own): (&String, &super::world::Account)| json!({ "email": email, "id": own.guid, "tenant": own.tenant, "calendar": own.default_calendar });
                Ok(Value::Array(self.world.accounts.iter().map(entry).collect()))
            }
            "calendars" => Ok(json!(self.calendars())),
            "events" => Ok(json!(self.events(calendar))),
            "deleted" => Ok(json!(self.deleted(calendar))),
            "occurrences" => {
                let at = |name: &str| ask.query.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
                Ok(json!(self.occurrences(calendar, at("from"), at("to"))))
            }
            "faults" => serde_json::to_value(self.faults.rules()).map_err(wrong),
            "struck" => Ok(json!(self.faults.struck())),
            "settings" => serde_json::to_value(&self.world.settings).map_err(wrong),
            "subscriptions" => {
                let entry = |one: &super::subscriptions::Subscription| json!({ "id": one.id, "notificationUrl": one.url, "expiresMs": one.expires_ms });
                Ok(Value::Array(self.world.subscriptions.all.values().map(entry).collect()))
            }
            "counts" => {
                let counts: Map<String, Value> =
                    self.counts.iter().map(|(call, count)| (call.name().to_owned(), json!(count))).collect();
                Ok(Value::Object(counts))
            }
            "concurrency" => Ok(json!({ "mostAtOnce": self.most_at_once() })),
            "requests" => {
                let seen = self.seen.iter().map(|seen| {
                    let path = seen.request.uri().path_and_query().map_or("", |path| path.as_str());
                    let headers: Map<String, Value> = seen
                        .request
                        .headers()
                        .iter()
                        .filter(|(name, _)| *name != "authorization")
                        .map(|(name, value)| (name.as_str().to_owned(), json!(value.to_str().unwrap_or_default())))
                        .collect();
                    json!({
                        "call": seen.call.name(), "method": seen.request.method().as_str(), "path": path, "status": seen.status,
                        "headers": headers, "body": String::from_utf8_lossy(seen.request.body()),
                    })
                });
                Ok(Value::Array(seen.collect()))
            }
            "mails" => {
                let mails = self.mails().iter().map(|mail| {
                    json!({
                        "calendar": mail.calendar, "uid": mail.uid, "subject": mail.subject, "recipient": mail.recipient, "kind": mail.kind,
                    })
                });
                Ok(Value::Array(mails.collect()))
            }
            _ => Err(Refused(format!("there is no {name} to look at"))),
        }
    }

    fn steer(&mut self, name: &str, now_ms: i64, body: &Value) -> Result<Value, Refused> {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let need = |name: &str| text(name).ok_or_else(|| Refused(format!("{name} is missing")));
        let list = |name: &str| -> Vec<&str> {
            body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let access = || match text("access").unwrap_or("own") {
            "read" => Ok(Access::Read),
            "edit" => Ok(Access::Edit),
            "own" => Ok(Access::Own),
            _ => Err(Refused("there is no such access".into())),
        };
        match name {
            "accounts" => {
                let (email, zone) = (need("email")?, text("timeZone").unwrap_or("UTC"));
                if body.get("personal") == Some(&json!(true)) {
                    self.add_personal_account(email, zone);
                } else {
                    self.add_account(email, zone);
                }
                return Ok(json!({ "calendar": self.default_calendar(email) }));
            }
            "calendars" => {
                self.add_calendar(need("account")?, need("id")?, text("name").unwrap_or_default(), access()?)
            }
            "clients" => {
                self.add_client(need("id")?, text("secret"), &list("redirects"));
                self.restrict_client(need("id")?, text("tenant"));
            }
            "grant" => {
                let tokens = self.grant(now_ms, need("account")?, need("client")?, &list("scopes"));
                return Ok(json!({
                    "access_token": tokens.access_token, "refresh_token": tokens.refresh_token, "expires_in": tokens.expires_in,
                    "scope": tokens.scope,
                }));
            }
            "faults" => {
                let rules = if body.is_array() { body.clone() } else { json!([body]) };
                let rules: Vec<Rule> = serde_json::from_value(rules).map_err(|error| Refused(error.to_string()))?;
                rules.into_iter().for_each(|rule| self.faults.push(rule));
            }
            "faults/random" => {
                let faults: Vec<Fault> = serde_json::from_value(body.get("faults").cloned().unwrap_or_default())
                    .map_err(|error| Refused(error.to_string()))?;
                let number = |name: &str| body.get(name).and_then(Value::as_u64).unwrap_or(0);
                self.faults.randomly(number("seed"), u32::try_from(number("perMille")).unwrap_or(1000), faults);
            }
            "settings" => {
                let mut all = serde_json::to_value(&self.world.settings).map_err(|error| Refused(error.to_string()))?;
                if let (Some(all), Some(given)) = (all.as_object_mut(), body.as_object()) {
                    all.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
                }
                self.world.settings =
                    serde_json::from_value::<Settings>(all).map_err(|error| Refused(error.to_string()))?;
            }
            "clock" => self.advance(body.get("advanceMs").and_then(Value::as_i64).unwrap_or(0)),
            "access" => self.share(need("account")?, need("calendar")?, access()?),
            "unshare" => self.unshare(need("account")?, need("calendar")?),
            "deleteCalendar" => self.delete_calendar(need("calendar")?),
            "expireDeltaTokens" => self.expire_delta_tokens(need("calendar")?),
            "expireAccess" => self.expire_access_tokens(need("account")?),
            "revoke" => {
                let why = body.get("aadsts").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
                self.revoke(need("account")?, text("client"), why.unwrap_or(50173));
            }
            "autoApprove" => self.auto_approve(text("account")),
            "withholdScopes" => self.withhold_scopes(&list("scopes")),
            "device" => self.decide_device(now_ms, need("code")?, text("account"))?,
            "secretExpired" => self.expire_secret(need("client")?),
            "lifecycle" => {
                if !self.lifecycle(now_ms, need("id")?, need("event")?) {
                    return Err(Refused("there is no such subscription".into()));
                }
            }
            "dropSubscriptions" => self.drop_subscriptions(),
            "forgetRequests" => self.forget_seen(),
            "forgetTransactions" => self.forget_transactions(),
            "human" => return self.human_act(now_ms, body),
            _ => return Err(Refused(format!("there is no {name} to steer"))),
        }
        Ok(json!({}))
    }

    /// One edit at the provider's page: `do` names it.
    fn human_act(&mut self, now_ms: i64, body: &Value) -> Result<Value, Refused> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let value = |name: &str| body.get(name).cloned().unwrap_or(Value::Null);
        let by_ms = body.get("byMs").and_then(Value::as_i64).unwrap_or(0);
        let id = text("id");
        let mut human = self.human(now_ms, text("calendar"));
        let written = match text("do") {
            "create" => human.create(&value("event"))?,
            "invited" => human.invited(&value("event"), text("organizer"))?,
            "edit" => human.edit(id, &value("patch"))?,
            "moveTime" => human.move_time(id, &value("start"), &value("end"))?,
            "shift" => human.shift(id, by_ms)?,
            "split" => human.split(id, &value("patch"))?,
            "copy" => human.copy(id, by_ms)?,
            "moveTo" => human.move_to(id, text("to"))?,
            "respond" => human.respond(id, text("response"))?,
            "delete" => human.delete(id).map(|()| id.to_owned())?,
            "restore" => human.restore(id).map(|()| id.to_owned())?,
            "occurrences" => return Ok(json!({ "ids": human.occurrences(id, 100) })),
            other => return Err(Refused(format!("nobody can do {other}"))),
        };
        Ok(json!({ "id": written }))
    }
}
