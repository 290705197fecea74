//! Consent from another device (RFC 8628): a code that a person types into a page of the provider's, for installations
//! that no browser can come back to.

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::Failure;
use super::http::{Effect, Transport, retry_after};
use super::oauth::{LIFETIME_DEFAULT_S, LIMITS, Provider, Tokens, Wanted, misconfigured, named, refused};
use crate::domain::time::Instant;

/// How long the provider wants us to wait between two questions, where it does not say (RFC 8628 §3.2).
const INTERVAL_DEFAULT_S: i64 = 5;
/// How long a code is good, where the provider does not say.
const CODE_LIFE_DEFAULT_S: i64 = 900;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What a person needs in order to consent elsewhere, and what we need to ask whether they did.
#[derive(Clone, Debug)]
pub struct DeviceCode {
    /// Ours, to ask with. Secret.
    pub code: SecretString,
    /// What the person types.
    pub user_code: String,
    /// Where they type it.
    pub page: String,
    /// Until when.
    pub expires_at: Instant,
    /// How long to wait between two questions, in seconds.
    pub interval_s: i64,
}

/// How it stands with a code.
#[derive(Clone, Debug)]
pub enum Device {
    /// Nobody typed it yet.
    Pending,
    /// We ask too often: wait five seconds longer from now on (RFC 8628 §3.5).
    SlowDown,
    /// They consented.
    Granted(Box<Tokens>),
}

impl Provider {
    /// A code for another device.
    ///
    /// # Errors
    /// The provider has no such way, or does not know us.
    pub async fn device(&self, transport: &dyn Transport, wanted: Wanted, now: Instant) -> Result<DeviceCode, Failure> {
        let url = self.device_url.as_deref();
        let url = url.ok_or_else(|| Failure::Refused("the provider gives no codes for other devices".into()))?;
        let scopes = if wanted == Wanted::Writing { &self.scopes } else { &self.scopes_reading };
        let (status, answer) =
            self.post(transport, url, &[("client_id", &self.client_id), ("scope", &scopes.join(" "))], now).await?;
        if status != 200 {
            return Err(self.told(&answer));
        }
        let word = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let page = word("verification_uri").or_else(|| word("verification_url"));
        let page = page.filter(|page| page.starts_with("https://") || page.starts_with("http://"));
        let number = |name: &str, other: i64| answer.get(name).and_then(Value::as_i64).unwrap_or(other).max(1);
        match (word("device_code"), word("user_code"), page) {
            (Some(code), Some(user_code), Some(page)) => Ok(DeviceCode {
                code: code.to_owned().into(),
                user_code: user_code.to_owned(),
                page: page.to_owned(),
                expires_at: now.plus_ms(number("expires_in", CODE_LIFE_DEFAULT_S).saturating_mul(1000)),
                interval_s: number("interval", INTERVAL_DEFAULT_S),
            }),
            _ => Err(Failure::BadAnswer("it is no code for another device".into())),
        }
    }

    /// Asks whether somebody consented.
    ///
    /// # Errors
    /// [`Failure::NeedsConsent`]: they declined, or the code is over.
    pub async fn device_tokens(
        &self,
        transport: &dyn Transport,
        code: &SecretString,
        now: Instant,
    ) -> Result<Device, Failure> {
        let form = [("grant_type", GRANT), ("client_id", &self.client_id), ("device_code", code.expose_secret())];
        let (status, answer) = self.post(transport, &self.token_url, &form, now).await?;
        let word = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if status != 200 {
            return match word("error") {
                Some("authorization_pending") => Ok(Device::Pending),
                Some("slow_down") => Ok(Device::SlowDown),
                Some("expired_token" | "code_expired") => {
                    Err(Failure::NeedsConsent("the code was not typed in time: ask for another".into()))
                }
                Some("authorization_declined") => Err(named("access_denied")),
                _ => Err(self.told(&answer)),
            };
        }
        let access = word("access_token").ok_or_else(|| Failure::BadAnswer("there is no token in it".into()))?;
        let life = answer.get("expires_in").and_then(Value::as_i64).filter(|life| *life > 0);
        let life = life.unwrap_or(i64::try_from(LIFETIME_DEFAULT_S).unwrap_or(0));
        Ok(Device::Granted(Box::new(Tokens {
            access: access.to_owned().into(),
            refresh: word("refresh_token").map(|token| token.to_owned().into()),
            expires_at: now.plus_ms(life.saturating_mul(1000)),
            scopes: word("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        })))
    }

    /// What a refusal says.
    fn told(&self, answer: &Value) -> Failure {
        let word = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        (self.explain)(self, word("error_description")).unwrap_or_else(|| named(word("error")))
    }

    async fn post(
        &self,
        transport: &dyn Transport,
        url: &str,
        form: &[(&str, &str)],
        now: Instant,
    ) -> Result<(u16, Value), Failure> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|_| misconfigured("device"))?;
        // Asking again is safe: a code that was taken after all says so.
        let answer = transport.send(request, LIMITS).await.map_err(|e| e.failure(Effect::Reads))?;
        let status = answer.status().as_u16();
        match serde_json::from_slice::<Value>(answer.body()) {
            Ok(body) if body.is_object() && (status == 200 || (400..429).contains(&status)) => Ok((status, body)),
            _ if status == 200 => Err(Failure::BadAnswer("it is not JSON".into())),
            _ => Err(refused(status, answer.headers(), now, retry_after(answer.headers(), now))),
        }
    }
}
