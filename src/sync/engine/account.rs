//! The secret of a connection: opened for a call, renewed before it ends, and the account slowed down or given up when
//! the provider says so.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Account, Engine, Job, Stop};
use crate::crypto::{Chance, CryptoError, KeyRing};
use crate::domain::ids::ConnectionId;
use crate::domain::sync::{ConnectionStatus, ErrorClass, LinkStatus};
use crate::domain::time::{Instant, MINUTE_MS};
use crate::store::{Connection, StoreError, WriteTx, connection_place};
use crate::sync::budget::{Outcome, Permit};
use crate::sync::retry;
use crate::upstream::Failure;
use crate::upstream::http::correlated;

/// An access token is renewed this long before it ends, so that no call starts with one that ends under way.
const RENEW_BEFORE_MS: i64 = 5 * MINUTE_MS;

/// What a connection keeps secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Secret {
    /// For the calls; a password for CalDAV.
    pub access: String,
    /// For the next access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
}

/// Seals a secret for its connection's row.
#[must_use]
pub fn seal_secret(keys: &KeyRing, chance: &Chance, id: &ConnectionId, secret: &Secret) -> Vec<u8> {
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(secret).unwrap_or_default());
    keys.seal(connection_place(id), &plain, chance)
}

/// Opens the secret of a connection's row.
///
/// # Errors
/// It was sealed with a key that is not configured, or for another row.
pub fn open_secret(keys: &KeyRing, id: &ConnectionId, sealed: &[u8]) -> Result<Secret, CryptoError> {
    let plain = keys.open(connection_place(id), sealed)?;
    serde_json::from_slice(&plain).map_err(|_| CryptoError::Broken)
}

impl Engine {
    /// A secret to call with: renewed where it ends soon.
    pub(super) async fn secret(&self, account: &mut Account) -> Result<SecretString, Failure> {
        let soon = self.store().now().plus_ms(RENEW_BEFORE_MS);
        if account.connection.token_expires.is_some_and(|end| end <= soon) {
            self.renew(account).await?;
        }
        let secret = self.opened(&account.connection)?;
        Ok(SecretString::from(secret.access))
    }

    fn opened(&self, connection: &Connection) -> Result<Secret, Failure> {
        let sealed = connection.secret_sealed.as_deref();
        let sealed = sealed.ok_or_else(|| Failure::NeedsConsent("the connection has no secret any more".to_owned()))?;
        open_secret(self.keys(), &connection.id, sealed).map_err(|error| {
            let why = format!("the connection's secret cannot be opened: {error}");
            match error {
                // Whoever connects the account again mends that; a key that is missing has to come back.
                CryptoError::Broken => Failure::NeedsConsent(why),
                CryptoError::UnknownKey(_) | CryptoError::BadKey => Failure::Refused(why),
            }
        })
    }

    /// Gets a new access token. The rotated refresh token is stored before anything is done with the new access token;
    /// of two nodes that renew at once one wins, and the other takes what that one stored.
    pub(super) async fn renew(&self, account: &mut Account) -> Result<(), Failure> {
        let held = self.opened(&account.connection)?;
        let (Some(refresh), Some(oauth)) = (&held.refresh, self.registry().oauth(account.connection.provider)) else {
            return Err(Failure::NeedsConsent("the provider does not take the secret any more".to_owned()));
        };
        let refresh = SecretString::from(refresh.clone());
        let transport = &**self.registry().transport();
        let asked = oauth.refresh(transport, &refresh, self.store().now());
        let tokens = correlated(&account.correlation_id, asked).await?;
        let next = Secret {
            access: tokens.access.expose_secret().to_owned(),
            refresh: tokens.refresh.map(|t| t.expose_secret().to_owned()).or(held.refresh),
        };
        let sealed = seal_secret(self.keys(), self.store().chance(), &account.connection.id, &next);
        let stored = self.store_secret(&account.connection, &sealed, tokens.expires_at).await;
        let stored = stored.map_err(|error| Failure::Transient(error.to_string(), None))?;
        account.connection = stored.ok_or_else(|| Failure::NeedsConsent("the connection is gone".to_owned()))?;
        Ok(())
    }

    /// Stores an exchanged secret, unless another node was faster; gives what holds now.
    async fn store_secret(
        &self,
        held: &Connection,
        sealed: &[u8],
        expires: Instant,
    ) -> Result<Option<Connection>, StoreError> {
        let mut tx = self.store().write().await?;
        tx.set_connection_secret(&held.firm, &held.id, held.secret_version, sealed, Some(expires)).await?;
        let connection = tx.connection(&held.firm, &held.id).await?;
        tx.commit().await?;
        Ok(connection)
    }

    /// Whether a call may be made now.
    pub(super) fn permit(&self, account: &Account) -> Result<(), Failure> {
        let (now, provider) = (self.store().now(), account.connection.provider);
        if let Permit::Wait(until) = self.breaker(provider, |b| b.permit(now)) {
            let wait = std::time::Duration::from_millis(u64::try_from(until.ms() - now.ms()).unwrap_or(0));
            return Err(Failure::Transient(
                "the provider failed repeatedly and is left alone for a while".to_owned(),
                Some(wait),
            ));
        }
        let mut budgets = self.inner.budgets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        budgets
            .take(&account.connection.id, &provider, now)
            .map_err(|wait| Failure::RateLimited("the account's own measure is used up".to_owned(), Some(wait)))
    }

    /// Tells breaker and budget how a call went.
    pub(super) fn settle(&self, account: &Account, failure: Option<&Failure>, began: Instant) {
        let now = self.store().now();
        let ended = failure.map_or("success", |f| f.class().as_str());
        self.count(|figures| figures.called(account.connection.provider, ended, now.ms() - began.ms()));
        let outcome = match failure {
            Some(Failure::Transient(..) | Failure::Unknown(_) | Failure::BadAnswer(_)) => Outcome::Failed,
            _ => Outcome::Answered,
        };
        self.breaker(account.connection.provider, |b| b.settle(outcome, now));
    }

    /// What a failure means for the account and the link beyond the one call.
    pub(super) async fn consequences(&self, tx: &mut WriteTx, job: &Job, failure: &Failure) -> Result<(), Stop> {
        let (firm, now) = (&job.lease.firm, self.store().now());
        match failure {
            Failure::RateLimited(..) => {
                let jitter = u64::from_le_bytes(self.store().chance().bytes());
                let tries =
                    u32::try_from(job.link.failures).unwrap_or(u32::MAX).saturating_add(1).min(retry::MAX_RETRIES);
                let wait = retry::next(ErrorClass::RateLimited, tries, failure.retry_after(), jitter);
                let wait = wait.unwrap_or(retry::MAX_DELAY);
                let ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                tx.slow_connection(firm, &job.account.connection.id, now.plus_ms(ms)).await?;
            }
            Failure::NeedsConsent(why) => {
                let status = ConnectionStatus::NeedsReauth;
                tx.set_connection_status(firm, &job.account.connection.id, status, Some(why)).await?;
                let text = format!(
                    "{} needs your consent again: {}",
                    job.account.connection.label, job.account.connection.provider
                );
                let whom = (firm, &job.link.user);
                tx.notify_user(whom, "needs_reauth", job.account.connection.id.as_str(), &text).await?;
            }
            Failure::CalendarGone(why) => {
                tx.set_link_status(firm, &job.link.id, LinkStatus::Broken, Some(why)).await?;
                let text = format!("{} cannot be reached any more; nothing was deleted here", job.link.remote_name);
                tx.notify_user((firm, &job.link.user), "link_broken", job.link.id.as_str(), &text).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Asks a provider within budget and breaker, with a secret that is renewed once if it is not taken. The call is an
/// expression over `at`.
macro_rules! ask {
    ($engine:expr, $account:expr, |$at:ident| $call:expr) => {{
        let mut renewed = false;
        loop {
            let secret = match $engine.secret($account).await {
                Ok(secret) => secret,
                Err(failure) => break Err(failure),
            };
            if let Err(failure) = $engine.permit($account) {
                break Err(failure);
            }
            let began = $engine.store().now();
            let answer = {
                let account: &$crate::sync::engine::Account = $account;
                let $at = $crate::upstream::At {
                    secret: &secret,
                    account: &account.connection.account,
                    calendar: &account.calendar,
                };
                $crate::upstream::http::correlated(&account.correlation_id, $call).await
            };
            $engine.settle($account, answer.as_ref().err(), began);
            match answer {
                Err($crate::upstream::Failure::Unauthorised) if !renewed => {
                    renewed = true;
                    if let Err(failure) = $engine.renew($account).await {
                        break Err(failure);
                    }
                }
                Err($crate::upstream::Failure::Unauthorised) => {
                    break Err($crate::upstream::Failure::NeedsConsent(
                        "the provider does not take a fresh access token".to_owned(),
                    ));
                }
                answer => break answer,
            }
        }
    }};
}
pub(super) use ask;
