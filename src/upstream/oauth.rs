//! OAuth 2.0 with a provider: where to send the user, and what comes back.
//!
//! Job: the authorisation-code flow with PKCE, refreshing, revoking. Neighbours: web and api send users to
//! [`Provider::authorise`] and hand the code to [`Provider::exchange`]; `sync` refreshes. It must never keep a token: who
//! asks stores what comes back. Chance is an argument, so is the time.

use std::sync::atomic::{AtomicU16, Ordering};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Request, StatusCode};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::Failure;
use super::http::{Effect, Limits, Transport, TransportError, retry_after};
use crate::domain::time::Instant;

/// Stands where no redirect is registered: each consent brings its own, and nothing else is ever sent there.
pub const NO_REDIRECT: &str = "http://127.0.0.1/";

/// A token response is some hundred bytes.
const TOKEN_BYTES_MAX: usize = 1024 * 1024;
/// How long an access token lasts where its provider does not say (RFC 6749 leaves it open): short, so that it is
/// renewed early rather than late.
pub(super) const LIFETIME_DEFAULT_S: u64 = 300;
/// Chance that goes into a PKCE verifier: 32 bytes make its 43 characters (RFC 7636 §4.1).
pub const VERIFIER_BYTES: usize = 32;

/// One provider's OAuth as the operator set it up. Holds no state; cheap to keep.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Where the user is sent.
    pub auth_url: String,
    /// Where codes and refresh tokens become access tokens.
    pub token_url: String,
    /// Where a code for another device is got; not every provider has one.
    pub device_url: Option<String>,
    /// Where a grant is ended; not every provider has one.
    pub revoke_url: Option<String>,
    /// What tells who granted: a JSON answer, and the pointer to the name in it.
    pub account: (String, &'static str),
    /// Our name at the provider.
    pub client_id: String,
    /// Our secret at the provider.
    pub client_secret: Option<SecretString>,
    /// Where the user comes back to.
    pub redirect_uri: String,
    /// What is asked for in order to read and write.
    pub scopes: Vec<String>,
    /// What is asked for in order to read only.
    pub scopes_reading: Vec<String>,
    /// Any one scope of a group will do in its place: `(asked, wider ones)`.
    pub wider: Vec<(&'static str, &'static [&'static str])>,
    /// Of the scopes, those that tell what was granted; empty: all of them. Some providers leave others unsaid.
    pub needed: Vec<&'static str>,
    /// What the provider's own words in a refusal mean, where they mean more than the error's name.
    pub explain: fn(&Provider, &str) -> Option<Failure>,
    /// Parameters of the provider's own for the user's way there.
    pub extra: Vec<(&'static str, &'static str)>,
}

/// What a user is asked to grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To read only.
    Reading,
    /// To read and write.
    Writing,
}

/// What a user granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// Reading and writing.
    Writing,
    /// Reading only.
    Reading,
    /// Less than a link can do anything with: connected, but unusable until more is granted.
    TooLittle,
}

/// What the token endpoint gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// For the calls.
    pub access: SecretString,
    /// For the next access token. `None`: the one that is held stays good.
    pub refresh: Option<SecretString>,
    /// When the access token ends.
    pub expires_at: Instant,
    /// What was granted, which may be less than what was asked for. Empty where the provider does not say: all of it.
    pub scopes: Vec<String>,
}

/// The secret half of PKCE. Kept with the OAuth `state` until the user comes back.
#[derive(Clone, Debug)]
pub struct Verifier(SecretString);

impl Verifier {
    /// From chance.
    #[must_use]
    pub fn new(chance: [u8; VERIFIER_BYTES]) -> Verifier {
        use base64::Engine;
        Verifier(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(chance).into())
    }

    /// As it was kept.
    #[must_use]
    pub fn kept(text: SecretString) -> Verifier {
        Verifier(text)
    }

    /// To be kept.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    fn pkce(&self) -> PkceCodeVerifier {
        PkceCodeVerifier::new(self.0.expose_secret().to_owned())
    }
}

type Ready = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

impl Provider {
    /// Where to send the user. `state` comes back with the code and must be bound to the user's session; `login_hint` is
    /// the account to consent again with, if one is known.
    ///
    /// # Errors
    /// A URL of the configuration is none.
    pub fn authorise(
        &self,
        wanted: Wanted,
        state: &str,
        verifier: &Verifier,
        login_hint: Option<&str>,
    ) -> Result<Url, Failure> {
        let client = self.client()?;
        let scopes = match wanted {
            Wanted::Writing => &self.scopes,
            Wanted::Reading => &self.scopes_reading,
        };
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.to_owned()))
            .add_scopes(scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier.pkce()));
        for (name, value) in &self.extra {
            request = request.add_extra_param(*name, *value);
        }
        if let Some(hint) = login_hint {
            request = request.add_extra_param("login_hint", hint);
        }
        Ok(request.url().0)
    }

    /// What the code that came back with the user is good for.
    ///
    /// # Errors
    /// [`Failure::NeedsConsent`]: the code is used, too old or not for us.
    pub async fn exchange(
        &self,
        transport: &dyn Transport,
        code: &str,
        verifier: &Verifier,
        now: Instant,
    ) -> Result<Tokens, Failure> {
        let (client, wire) = (self.client()?, Wire::new(transport, now));
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(verifier.pkce())
            .request_async(&wire)
            .await;
        answer.map(|answer| tokens(&answer, now)).map_err(|error| wire.failure(error, self))
    }

    /// A new access token. Where the answer has a refresh token too, the old one may be dead: store the new one before
    /// anything is done with the access token.
    ///
    /// # Errors
    /// [`Failure::NeedsConsent`]: the grant is gone (`invalid_grant`).
    pub async fn refresh(
        &self,
        transport: &dyn Transport,
        refresh: &SecretString,
        now: Instant,
    ) -> Result<Tokens, Failure> {
        let (client, wire) = (self.client()?, Wire::new(transport, now));
        let held = RefreshToken::new(refresh.expose_secret().to_owned());
        let answer = client.exchange_refresh_token(&held).request_async(&wire).await;
        answer.map(|answer| tokens(&answer, now)).map_err(|error| wire.failure(error, self))
    }

    /// Ends the grant, by its refresh or access token. One that is gone already is done.
    ///
    /// # Errors
    /// The provider could not be asked.
    pub async fn revoke(&self, transport: &dyn Transport, token: &SecretString, now: Instant) -> Result<(), Failure> {
        let Some(url) = &self.revoke_url else { return Ok(()) };
        let form =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("token", token.expose_secret()).finish();
        let request = Request::post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|_| misconfigured("revocation"))?;
        let answer = transport.send(request, LIMITS).await.map_err(|e| e.failure(Effect::Reads))?;
        match answer.status().as_u16() {
            200..=299 | 400 => Ok(()),
            status => Err(refused(status, answer.headers(), now, None)),
        }
    }

    /// The name of the account that an access token is for; usually its mail address.
    ///
    /// # Errors
    /// As any call with the token.
    pub async fn account(
        &self,
        transport: &dyn Transport,
        access: &SecretString,
        now: Instant,
    ) -> Result<String, Failure> {
        let (url, pointer) = &self.account;
        let request = Request::get(url)
            .header(AUTHORIZATION, format!("Bearer {}", access.expose_secret()))
            .body(Bytes::new())
            .map_err(|_| misconfigured("account"))?;
        let answer = transport.send(request, LIMITS).await.map_err(|e| e.failure(Effect::Reads))?;
        match answer.status().as_u16() {
            200 => {
                let name = serde_json::from_slice::<Value>(answer.body()).ok();
                let name = name.as_ref().and_then(|v| v.pointer(pointer)).and_then(Value::as_str);
                name.map(str::to_owned).ok_or_else(|| Failure::BadAnswer("no account is named in it".into()))
            }
            401 => Err(Failure::Unauthorised),
            403 => Err(Failure::NeedsConsent("the calendars of the account may not be listed".into())),
            status => Err(refused(status, answer.headers(), now, None)),
        }
    }

    /// What these scopes allow. An empty list is what was asked for.
    #[must_use]
    pub fn granted(&self, scopes: &[String]) -> Granted {
        let has = |asked: &String| {
            if !self.needed.is_empty() && !self.needed.contains(&asked.as_str()) {
                return true;
            }
            let wider = self.wider.iter().find(|(name, _)| name == asked).map_or(&[][..], |(_, wider)| wider);
            scopes.iter().any(|scope| scope == asked || wider.contains(&scope.as_str()))
        };
        if scopes.is_empty() || self.scopes.iter().all(has) {
            Granted::Writing
        } else if self.scopes_reading.iter().all(has) {
            Granted::Reading
        } else {
            Granted::TooLittle
        }
    }

    fn client(&self) -> Result<Ready, Failure> {
        let auth = AuthUrl::new(self.auth_url.clone()).map_err(|_| misconfigured("authorisation"))?;
        let token = TokenUrl::new(self.token_url.clone()).map_err(|_| misconfigured("token"))?;
        let redirect = RedirectUrl::new(self.redirect_uri.clone()).map_err(|_| misconfigured("redirect"))?;
        let mut client = BasicClient::new(ClientId::new(self.client_id.clone()));
        if let Some(secret) = &self.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        Ok(client
            .set_auth_type(oauth2::AuthType::RequestBody)
            .set_auth_uri(auth)
            .set_token_uri(token)
            .set_redirect_uri(redirect))
    }
}

pub(super) const LIMITS: Limits = Limits { bytes_max: TOKEN_BYTES_MAX, ..Limits::ONE };

/// Our transport as the OAuth library wants it, keeping what the library drops.
struct Wire<'a> {
    transport: &'a dyn Transport,
    now: Instant,
    status: AtomicU16,
    wait: std::sync::Mutex<Option<std::time::Duration>>,
}

// Written out, since a closure here makes every future that refreshes a token one that no task can take over.
impl<'c> oauth2::AsyncHttpClient<'c> for Wire<'_> {
    type Error = TransportError;
    type Future = futures_util::future::BoxFuture<'c, Result<oauth2::HttpResponse, TransportError>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl<'a> Wire<'a> {
    fn new(transport: &'a dyn Transport, now: Instant) -> Wire<'a> {
        Wire { transport, now, status: AtomicU16::new(0), wait: std::sync::Mutex::new(None) }
    }

    async fn send(&self, request: oauth2::HttpRequest) -> Result<oauth2::HttpResponse, TransportError> {
        let answer = self.transport.send(request.map(Bytes::from), LIMITS).await?;
        self.status.store(answer.status().as_u16(), Ordering::Relaxed);
        *self.wait.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = retry_after(answer.headers(), self.now);
        Ok(answer.map(|body| body.to_vec()))
    }

    fn failure(
        &self,
        error: RequestTokenError<TransportError, oauth2::basic::BasicErrorResponse>,
        provider: &Provider,
    ) -> Failure {
        let status = self.status.load(Ordering::Relaxed);
        let wait = *self.wait.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match error {
            // Asking again is safe: a code that was used after all says so.
            RequestTokenError::Request(error) => error.failure(Effect::Reads),
            RequestTokenError::ServerResponse(_) if status == 429 || status >= 500 => {
                refused(status, &HeaderMap::new(), self.now, wait)
            }
            RequestTokenError::ServerResponse(answer) => {
                let explained = answer.error_description().and_then(|text| (provider.explain)(provider, text));
                explained.unwrap_or_else(|| named(answer.error().as_ref()))
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) if status == 200 => {
                Failure::BadAnswer("the token endpoint's answer is no token".into())
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                refused(status, &HeaderMap::new(), self.now, wait)
            }
        }
    }
}

/// What the errors of RFC 6749 §5.2 mean.
pub(super) fn named(error: &str) -> Failure {
    match error {
        "invalid_grant" => Failure::NeedsConsent("the grant is gone: expired, revoked or used".into()),
        "interaction_required" | "consent_required" => {
            Failure::NeedsConsent("the provider wants you to sign in again".into())
        }
        "access_denied" | "invalid_scope" => Failure::NeedsConsent("the provider denied access".into()),
        "invalid_client" | "unauthorized_client" => {
            Failure::Refused("the provider does not know our client id and secret".into())
        }
        other => Failure::Refused(format!("the token endpoint said {:?}", excerpt(other))),
    }
}

/// A status without a reason that would say more.
pub(super) fn refused(status: u16, headers: &HeaderMap, now: Instant, wait: Option<std::time::Duration>) -> Failure {
    let wait = wait.or_else(|| retry_after(headers, now));
    let said = format!("the provider's sign-in answered {status}");
    match StatusCode::from_u16(status) {
        Ok(StatusCode::TOO_MANY_REQUESTS) => Failure::RateLimited(said, wait),
        Ok(StatusCode::REQUEST_TIMEOUT) => Failure::Transient(said, wait),
        Ok(status) if status.is_server_error() => Failure::Transient(said, wait),
        Ok(status) if status.is_redirection() || headers.contains_key(LOCATION) => Failure::BadAnswer(said),
        _ => Failure::Refused(said),
    }
}

fn tokens(answer: &oauth2::basic::BasicTokenResponse, now: Instant) -> Tokens {
    let lifetime = answer.expires_in().map_or(LIFETIME_DEFAULT_S, |d| d.as_secs());
    let scopes = answer.scopes().map(|all| all.iter().map(|s| s.to_string()).collect()).unwrap_or_default();
    Tokens {
        access: answer.access_token().secret().clone().into(),
        refresh: answer.refresh_token().map(|t| t.secret().clone().into()),
        expires_at: now.plus_ms(i64::try_from(lifetime).unwrap_or(0).saturating_mul(1000)),
        scopes,
    }
}

pub(super) fn misconfigured(what: &str) -> Failure {
    Failure::Refused(format!("the {what} URL of the configuration is no URL"))
}

/// The beginning of what a provider said, for a sentence.
fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
