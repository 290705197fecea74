//! The gate that every request passes: headers in, caller out.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use moka::sync::Cache;

use super::password::{hash_password, verify_password};
use super::secrets::{Purpose, looks_like_app_password};
use super::session::SessionCookie;
use super::throttle::Throttle;
use super::visit::Visit;
use crate::crypto::KeyRing;
use crate::domain::access::{Caller, Credential, Right};
use crate::domain::ids::UserName;
use crate::store::{Store, StoreError, User, is_touch_due};

/// How long a verified password is remembered: clients send it with every request, and argon2 takes longer than
/// everything else together. A changed password is refused at once all the same, since its hash is part of the key.
const VERIFIED_FOR: Duration = Duration::from_secs(300);
/// Verified passwords remembered at once.
const VERIFIED_MAX: u64 = 10_000;
/// How often it is written down that a user was seen.
const SEEN_EVERY: Duration = Duration::from_secs(3_600);
/// Longer credentials than this are not even decoded.
const AUTHORIZATION_BYTES_MAX: usize = 4_096;

/// Why there is no caller.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No credentials came with the request.
    #[error("sign in to see this")]
    Missing,
    /// They are wrong, revoked or expired; which of these is nobody's business.
    #[error("the name or password is wrong, or the credential was revoked")]
    Wrong,
    /// Too many failures.
    #[error("too many failed attempts; try again in {0} seconds")]
    Throttled(i64),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The gate: the store, the keys, and what it remembers. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    /// The store.
    pub store: Store,
    /// The keys that open sealed secrets.
    pub keys: Arc<KeyRing>,
    /// Failures per account and address; feeds count their misses here too.
    pub throttle: Throttle,
    verified: Cache<[u8; 32], ()>,
    /// Users whose visit was written down lately.
    seen: Cache<String, ()>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// A gate in front of a store.
    #[must_use]
    pub fn new(store: Store, keys: Arc<KeyRing>) -> Gate {
        let verified = Cache::builder().max_capacity(VERIFIED_MAX).time_to_live(VERIFIED_FOR).build();
        let seen = Cache::builder().max_capacity(VERIFIED_MAX).time_to_live(SEEN_EVERY).build();
        Gate { store, keys, throttle: Throttle::default(), verified, seen }
    }

    /// The caller by HTTP Basic: a user's own password or an app password. For CalDAV.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn basic(&self, headers: &HeaderMap, visit: &Visit) -> Result<Caller, AuthError> {
        let (name, password) = basic_credentials(headers).ok_or(AuthError::Missing)?;
        let now = self.store.now();
        if let Some(seconds) = self.throttle.wait_seconds(&name, visit.address, now) {
            // A phone that has the right password is let in even while somebody guesses from its network.
            return self.remembered(&name, &password).await?.ok_or(AuthError::Throttled(seconds));
        }
        match self.password_caller(&name, &password).await? {
            Some(caller) => {
                if caller.credential == Credential::Password {
                    self.note_seen(&caller).await;
                }
                Ok(caller)
            }
            None => {
                self.throttle.failed(&name, visit.address, now);
                Err(AuthError::Wrong)
            }
        }
    }

    /// The caller by whatever they brought: bearer token, session cookie or HTTP Basic. For the API and the pages.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn any(&self, headers: &HeaderMap, visit: &Visit) -> Result<Caller, AuthError> {
        if let Some(token) = bearer(headers) {
            // A token cannot be guessed, so a right one is let in whatever others from its address try.
            if let Some(caller) = self.token_caller(&token).await? {
                return Ok(caller);
            }
            let now = self.store.now();
            if let Some(seconds) = self.throttle.wait_seconds("bearer", visit.address, now) {
                return Err(AuthError::Throttled(seconds));
            }
            self.throttle.failed("bearer", visit.address, now);
            return Err(AuthError::Wrong);
        }
        if headers.contains_key(AUTHORIZATION) {
            return self.basic(headers, visit).await;
        }
        let secret = SessionCookie::read(headers).ok_or(AuthError::Missing)?;
        let caller = self.session_caller(&secret).await?.ok_or(AuthError::Missing)?;
        self.note_seen(&caller).await;
        Ok(caller)
    }

    /// Writes down that a user was here, for the figures of use. They are let in whether or not it can be.
    async fn note_seen(&self, caller: &Caller) {
        if self.seen.contains_key(caller.user.as_str()) {
            return;
        }
        self.seen.insert(caller.user.as_str().to_owned(), ());
        let noted = async {
            let mut tx = self.store.write().await?;
            tx.note_seen(&caller.firm, &caller.user).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            tracing::debug!(%error, "a visit could not be written down");
        }
    }

    /// Signs a person in with their own password, for a browser session.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn sign_in(&self, name: &str, password: &str, visit: &Visit) -> Result<User, AuthError> {
        let now = self.store.now();
        if let Some(seconds) = self.throttle.wait_seconds(name, visit.address, now) {
            return Err(AuthError::Throttled(seconds));
        }
        match self.verified_user(name, password).await? {
            Some(user) => Ok(user),
            None => {
                self.throttle.failed(name, visit.address, now);
                Err(AuthError::Wrong)
            }
        }
    }

    /// Hashes a new password with a fresh salt.
    ///
    /// # Errors
    /// The password is too short or too long.
    pub async fn hash_password(&self, password: &str) -> Result<String, super::PasswordError> {
        hash_password(password, self.store.chance().bytes()).await
    }

    /// The keyed hash under which a secret is looked up.
    #[must_use]
    pub fn hash(&self, purpose: Purpose, secret: &str) -> [u8; 32] {
        self.store.hash(purpose.as_str(), secret)
    }

    /// Whether a secret is the one of which this keyed hash is kept; takes as long wherever they differ.
    #[must_use]
    pub fn is_secret(&self, purpose: Purpose, secret: &str, hash: &[u8]) -> bool {
        crate::crypto::same(&self.hash(purpose, secret), hash)
    }

    async fn password_caller(&self, name: &str, password: &str) -> Result<Option<Caller>, AuthError> {
        if looks_like_app_password(password) {
            let hash = self.hash(Purpose::AppPassword, password);
            let found = self.store.read().await?.app_password_by_hash(&hash).await?;
            if let Some((user, secret)) = found.filter(|(user, _)| is_named(user, name)) {
                if is_touch_due(secret.last_used, self.store.now()) {
                    let mut tx = self.store.write().await?;
                    tx.touch_app_password(&user.firm, &secret.id).await?;
                    tx.commit().await?;
                }
                let most = if secret.read_only { Right::Read } else { Right::Own };
                return Ok(Some(caller(user, Credential::AppPassword(secret.id.as_str().to_owned()), most)));
            }
        }
        Ok(self.verified_user(name, password).await?.map(|user| caller(user, Credential::Password, Right::Own)))
    }

    /// As [`Gate::password_caller`], but only for what was found right a short while ago or costs no guess.
    async fn remembered(&self, name: &str, password: &str) -> Result<Option<Caller>, AuthError> {
        if looks_like_app_password(password) {
            return self.password_caller(name, password).await;
        }
        let Some(user) = self.user(name).await? else { return Ok(None) };
        let known = self.verified.get(&self.verified_key(&user, password)).is_some();
        Ok(known.then(|| caller(user, Credential::Password, Right::Own)))
    }

    async fn user(&self, name: &str) -> Result<Option<User>, AuthError> {
        let Ok(name) = UserName::parse(name) else { return Ok(None) };
        let user = self.store.read().await?.user_by_name(&name).await?;
        Ok(user.filter(|u| u.disabled.is_none()))
    }

    async fn verified_user(&self, name: &str, password: &str) -> Result<Option<User>, AuthError> {
        let user = self.user(name).await?;
        let hash = user.as_ref().and_then(|u| u.password_hash.as_deref());
        if let (Some(user), Some(_)) = (&user, hash) {
            let key = self.verified_key(user, password);
            if self.verified.get(&key).is_some() {
                return Ok(Some(user.clone()));
            }
        }
        if !verify_password(password, hash).await {
            return Ok(None);
        }
        if let Some(user) = &user {
            self.verified.insert(self.verified_key(user, password), ());
        }
        Ok(user)
    }

    fn verified_key(&self, user: &User, password: &str) -> [u8; 32] {
        let hash = user.password_hash.as_deref().unwrap_or_default();
        self.store.hash("verified_password", &format!("{}\0{hash}\0{password}", user.id))
    }

    async fn token_caller(&self, token: &str) -> Result<Option<Caller>, AuthError> {
        let hash = self.hash(Purpose::Token, token);
        let Some((user, token)) = self.store.read().await?.token_by_hash(&hash).await? else { return Ok(None) };
        if is_touch_due(token.last_used, self.store.now()) {
            let mut tx = self.store.write().await?;
            tx.touch_token(&user.firm, &token.id).await?;
            tx.commit().await?;
        }
        let credential = Credential::Token(token.id.as_str().to_owned(), token.scopes);
        Ok(Some(caller(user, credential, Right::Own)))
    }

    async fn session_caller(&self, secret: &str) -> Result<Option<Caller>, AuthError> {
        let hash = self.hash(Purpose::Session, secret);
        let found = self.store.read().await?.session_by_hash(&hash).await?;
        Ok(found.map(|(user, id)| caller(user, Credential::Session(id.as_str().to_owned()), Right::Own)))
    }
}

fn is_named(user: &User, name: &str) -> bool {
    user.name.as_str() == name
}

fn caller(user: User, credential: Credential, most: Right) -> Caller {
    Caller { firm: user.firm, user: user.id, name: user.name, role: user.role, credential, most }
}

/// Name and password of HTTP Basic (RFC 7617), in UTF-8.
fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let text = scheme(headers, "basic")?;
    let decoded = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    scheme(headers, "bearer").map(|t| t.trim().to_owned())
}

fn scheme(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    if value.len() > AUTHORIZATION_BYTES_MAX {
        return None;
    }
    let (scheme, rest) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then(|| rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().expect("a header"));
        headers
    }

    #[test]
    fn basic_credentials_are_read_in_utf8() {
        let ada = Some(("ada".to_owned(), "päss:wort".to_owned()));
        assert_eq!(basic_credentials(&with(&format!("basic {}", STANDARD.encode("ada:päss:wort")))), ada);
        for bad in ["Basic", "Basic !!!", "Basic YWRh", "Bearer YWRhOng="] {
            assert_eq!(basic_credentials(&with(bad)), None, "{bad}");
        }
        assert_eq!(bearer(&with("Bearer abc")).as_deref(), Some("abc"));
    }
}
