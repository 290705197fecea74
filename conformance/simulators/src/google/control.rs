//! `/_control/…`: what tests in other languages set up, break and look at, as JSON over the same port.
//!
//! | `POST` | body |
//! | --- | --- |
//! | `accounts` | `email`, `timeZone` |
//! | `calendars` | `account`, `id`, `name`, `role`, `timeZone` |
//! | `clients` | `id`, `secret`, `redirects` |
//! | `grant` | `account`, `client`, `scopes`; answers with tokens |
//! | `faults` | a [`Rule`] or a list of them; `DELETE` clears all, those by chance too |
//! | `faults/random` | `seed`, `perMille`, `faults` |
//! | `human` | `calendar`, `do`, `id` and what that needs: `event`, `patch`, `start`, `end`, `byMs`, `to`, `response`, `reminders` |
//! | `fill` | `calendar`, `events`: a person makes all of these; answers with their ids |
//! | `settings` | any of [`Settings`] |
//! | `clock` | `advanceMs` |
//! | `role`, `unshare`, `revoke` | `account`, `calendar`, `role`; `account`, `calendar`; `account`, `client` |
//! | `deleteCalendar`, `expireSyncTokens`, `watchable` | `calendar` |
//! | `expireListTokens`, `expireAccess`, `autoApprove` | `account` |
//! | `withholdScopes` | `scopes` |
//! | `dropChannels`, `forgetRequests` | nothing |
//!
//! `GET`: `accounts`, `calendars`, `events?calendar=`, `occurrences?calendar=&from=&to=`, `faults`, `settings`, `channels`, `counts`,
//! `requests`, `mails`.

use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value, json};

use super::{Fault, Google, Role, Rule, Settings, answer, human::Refused, request::Ask};

impl Google {
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
        let done = match ask.method.as_str() {
            "GET" => self.look(&name, ask),
            "DELETE" if name == "faults" => {
                self.faults.clear();
                Ok(json!({}))
            }
            "POST" => self.steer(&name, ask.now_ms, &body),
            _ => Err(Refused("GET, POST, or DELETE /_control/faults".into())),
        };
        match done {
            Ok(body) => answer::json(200, &body, true),
            Err(Refused(why)) => answer::json(400, &json!({ "error": why }), true),
        }
    }

    fn look(&self, name: &str, ask: &Ask) -> Result<Value, Refused> {
        let calendar = ask.query.get("calendar").unwrap_or_default();
        match name {
            "accounts" => Ok(json!(self.accounts())),
            "calendars" => Ok(json!(self.calendars())),
            "events" => Ok(json!(self.events(calendar))),
            "occurrences" => {
                let at = |name: &str| ask.query.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
                Ok(json!(self.occurrences(calendar, at("from"), at("to"))))
            }
            "faults" => serde_json::to_value(self.faults.rules()).map_err(|error| Refused(error.to_string())),
            "settings" => serde_json::to_value(&self.world.settings).map_err(|error| Refused(error.to_string())),
            "channels" => {
                let unanswered = self.world.push.unanswered();
                Ok(json!({ "open": self.channels_open(ask.now_ms), "unanswered": unanswered }))
            }
            "counts" => {
                let counts: Map<String, Value> =
                    self.counts.iter().map(|(call, count)| (call.name().to_owned(), json!(count))).collect();
                Ok(Value::Object(counts))
            }
            "requests" => {
                let seen = self.seen.iter().map(|seen| {
                    let path = seen.request.uri().path_and_query().map_or("", |path| path.as_str());
                    let headers: Map<String, Value> = (seen.request.headers().iter())
                        .map(|(name, value)| (name.as_str().to_owned(), json!(String::from_utf8_lossy(value.as_bytes()))))
                        .collect();
                    json!({
                        "at": seen.at_ms, "headers": headers,
                        "call": seen.call.name(), "method": seen.request.method().as_str(), "path": path, "status": seen.status,
                        "body": String::from_utf8_lossy(seen.request.body()),
                    })
                });
                Ok(Value::Array(seen.collect()))
            }
            "mails" => {
                let mails = self.mails().iter().map(|mail| {
                    json!({ "calendar": mail.calendar, "event": mail.event, "uid": mail.uid, "recipient": mail.recipient, "method": mail.method })
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
        let role =
            || Role::named(text("role").unwrap_or("owner")).ok_or_else(|| Refused("there is no such role".into()));
        let zone = text("timeZone").unwrap_or("UTC");
        match name {
            "accounts" => self.add_account(need("email")?, zone),
            "calendars" => {
                self.add_calendar(need("account")?, need("id")?, text("name").unwrap_or_default(), role()?, zone)
            }
            "clients" => self.add_client(need("id")?, need("secret")?, &list("redirects")),
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
            "role" => self.set_role(now_ms, need("account")?, need("calendar")?, role()?),
            "unshare" => self.unshare(now_ms, need("account")?, need("calendar")?),
            "deleteCalendar" => self.delete_calendar(now_ms, need("calendar")?),
            "expireSyncTokens" => self.expire_sync_tokens(need("calendar")?),
            "expireListTokens" => self.expire_list_tokens(need("account")?),
            "expireAccess" => self.expire_access_tokens(need("account")?),
            "revoke" => self.revoke(need("account")?, text("client")),
            "autoApprove" => self.auto_approve(text("account")),
            "withholdScopes" => self.withhold_scopes(&list("scopes")),
            "dropChannels" => self.drop_channels(),
            "watchable" => self.set_watchable(need("calendar")?, body.get("watchable") != Some(&Value::Bool(false))),
            "forgetRequests" => self.forget_seen(),
            "human" => return self.human_act(now_ms, body),
            "fill" => {
                let mut human = self.human(now_ms, need("calendar")?);
                let events = body.get("events").and_then(Value::as_array).into_iter().flatten();
                let ids = events.map(|event| human.create(event)).collect::<Result<Vec<_>, _>>()?;
                return Ok(json!({ "ids": ids }));
            }
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
            "edit" => human.edit(id, &value("patch"))?,
            "moveTime" => human.move_time(id, &value("start"), &value("end"))?,
            "shift" => human.shift(id, by_ms)?,
            "split" => human.split(id, &value("patch"))?,
            "copy" => human.copy(id, by_ms)?,
            "moveTo" => human.move_to(id, text("to"))?,
            "respond" => human.respond(id, text("response"))?,
            "reminders" => human.set_reminders(id, &value("reminders"))?,
            "delete" => human.delete(id).map(|()| id.to_owned())?,
            "restore" => human.restore(id).map(|()| id.to_owned())?,
            other => return Err(Refused(format!("nobody can do {other}"))),
        };
        Ok(json!({ "id": written }))
    }
}
