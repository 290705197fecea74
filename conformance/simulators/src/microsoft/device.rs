//! The device code flow: a program shows a code, a person enters it somewhere else.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Response;
use serde_json::json;

use super::{aadsts::Aadsts, oauth::Tokens, request::Ask, world::World};
use crate::{answer, chance::TOKEN_LETTERS, html::escape, query::Query};

const LIFE_MS: i64 = 900_000;
const INTERVAL_S: i64 = 5;
/// Letters of codes that are typed: none that look alike.
const CODE_LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Open,
    Allowed(String),
    Declined,
    Redeemed,
}

#[derive(Debug)]
struct Device {
    user_code: String,
    client: String,
    authority: String,
    scopes: Vec<String>,
    made_ms: i64,
    polled_ms: Option<i64>,
    decision: Decision,
}

/// Codes that were given out.
#[derive(Debug, Default)]
pub(crate) struct Devices(BTreeMap<String, Device>);

impl World {
    /// `POST /{tenant}/oauth2/v2.0/devicecode`.
    pub(crate) fn device_code(&mut self, ask: &Ask, authority: &str) -> Response<Bytes> {
        let form = ask.form();
        let trace = self.new_guid();
        let client = form.get("client_id").unwrap_or_default().to_owned();
        if let Err(error) = self.check_authority(authority, &client) {
            return error.response(ask.now_ms, &trace);
        }
        let scopes: Vec<String> =
            form.get("scope").unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() {
            return Aadsts::of(90014).response(ask.now_ms, &trace);
        }
        let (user_code, device_code) = (self.chance.text(CODE_LETTERS, 9), self.chance.text(TOKEN_LETTERS, 80));
        let device = Device {
            user_code: user_code.clone(),
            client,
            authority: authority.to_owned(),
            scopes,
            made_ms: ask.now_ms,
            polled_ms: None,
            decision: Decision::Open,
        };
        self.oauth.devices.0.insert(device_code.clone(), device);
        let address = format!("{}/devicelogin", ask.base());
        let message = format!(
            "To sign in, use a web browser to open the page {address} and enter the code {user_code} to authenticate."
        );
        answer::json(
            200,
            &json!({
                "user_code": user_code, "device_code": device_code, "verification_uri": address, "expires_in": LIFE_MS / 1000,
                "interval": INTERVAL_S, "message": message,
            }),
            false,
        )
    }

    /// The token endpoint's part of it.
    pub(crate) fn redeem_device(&mut self, now_ms: i64, client: &str, form: &Query) -> Result<Tokens, Aadsts> {
        let name = form.get("device_code").ok_or(Aadsts::of(7000014))?;
        let strict = self.settings.slow_down;
        let device =
            self.oauth.devices.0.get_mut(name).filter(|device| device.client == client).ok_or(Aadsts::of(70018))?;
        if now_ms.saturating_sub(device.made_ms) > LIFE_MS {
            return Err(Aadsts::of(70020));
        }
        let soon = device.polled_ms.is_some_and(|at| now_ms.saturating_sub(at) < INTERVAL_S * 1000);
        device.polled_ms = Some(now_ms);
        match device.decision.clone() {
            Decision::Open if soon && strict => Err(Aadsts { error: "slow_down", ..Aadsts::of(70016) }),
            Decision::Open => Err(Aadsts::of(70016)),
            Decision::Declined => Err(Aadsts { error: "authorization_declined", ..Aadsts::of(65004) }),
            Decision::Redeemed => Err(Aadsts::of(54005)),
            Decision::Allowed(account) => {
                device.decision = Decision::Redeemed;
                let scopes = device.scopes.clone();
                Ok(self.new_grant(now_ms, &account, client, scopes))
            }
        }
    }

    /// A person enters a code, and agrees for an account or does not.
    pub(crate) fn decide_device(&mut self, now_ms: i64, user_code: &str, account: Option<&str>) -> Result<(), Aadsts> {
        let open = |device: &&mut Device| {
            device.user_code.eq_ignore_ascii_case(user_code.trim()) && device.decision == Decision::Open
        };
        let authority = {
            let device = self.oauth.devices.0.values_mut().find(open).ok_or(Aadsts::of(70018))?;
            if now_ms.saturating_sub(device.made_ms) > LIFE_MS {
                return Err(Aadsts::of(70019));
            }
            device.authority.clone()
        };
        if let Some(account) = account
            && !self.admits(&authority, account)
        {
            return Err(Aadsts::of(50020));
        }
        if let Some(device) = self.oauth.devices.0.values_mut().find(open) {
            device.decision = account.map_or(Decision::Declined, |account| Decision::Allowed(account.to_owned()));
        }
        Ok(())
    }

    /// The page on which the code is entered.
    pub(crate) fn device_login(&mut self, ask: &Ask) -> Response<Bytes> {
        if ask.method == http::Method::POST {
            let form = ask.form();
            let account = form.get("account").filter(|_| form.get("answer") == Some("allow"));
            let done = self.decide_device(ask.now_ms, form.get("code").unwrap_or_default(), account);
            let (status, text) = match done {
                Ok(()) => (200, "You may close this page.".to_owned()),
                Err(error) => (400, error.sentence()),
            };
            return answer::html(status, crate::html::frame("Sign in", &format!("<p>{}</p>", escape(&text))));
        }
        let mut body = String::from(
            "<form method=post action=\"/devicelogin\"><p><label>Code <input name=code autofocus required></label></p><p><label>Account <select name=account>",
        );
        for account in self.accounts.keys() {
            body.push_str(&format!("<option>{}</option>", escape(account)));
        }
        body.push_str("</select></label></p><button class=main name=answer value=allow>Accept</button> <button name=answer value=deny>Cancel</button></form>");
        answer::html(200, crate::html::frame("Enter the code", &body))
    }
}
