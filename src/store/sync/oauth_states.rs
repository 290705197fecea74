//! Consents under way: each state is used once, by the one who began.

use crate::crypto::Place;
use crate::domain::ids::{FirmId, UserId};
use crate::domain::sync::Provider;
use crate::domain::time::{Instant, MINUTE_MS};
use crate::store::sql::{StoreError, args};
use crate::store::tx::WriteTx;

/// How long a person has to consent.
pub const CONSENT_MS: i64 = 15 * MINUTE_MS;

/// A consent under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthState {
    /// Who began.
    pub user: UserId,
    /// At which provider.
    pub provider: Provider,
    /// The session or token that began.
    pub bound_to: String,
    /// The PKCE verifier, sealed at [`verifier_place`].
    pub verifier_sealed: Vec<u8>,
    /// Where the provider sends the person back to.
    pub redirect_uri: String,
}

/// Where a consent's PKCE verifier is sealed; `row` is the state's hash in hexadecimal.
#[must_use]
pub fn verifier_place(row: &str) -> Place<'_> {
    Place { table: "oauth_states", row, column: "verifier_sealed" }
}

impl WriteTx {
    /// Remembers a consent by the keyed hash of its state, and forgets those that are over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin_consent(&mut self, firm: &FirmId, hash: &[u8], new: &OauthState) -> Result<(), StoreError> {
        let now = self.now();
        self.exec("delete from oauth_states where firm_id = $1 and expires_ms < $2", args![firm, now]).await?;
        self.exec(
            "insert into oauth_states (firm_id, state_hash, user_id, bound_to, provider, verifier_sealed, redirect_uri, \
             created_ms, expires_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            args![
                firm,
                hash,
                &new.user,
                &new.bound_to,
                new.provider.as_str(),
                new.verifier_sealed.as_slice(),
                &new.redirect_uri,
                now,
                now.plus_ms(CONSENT_MS)
            ],
        )
        .await
        .map(|_| ())
    }

    /// Takes a consent out, so that it is used once. `None`: never begun, used, or over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn finish_consent(&mut self, firm: &FirmId, hash: &[u8]) -> Result<Option<OauthState>, StoreError> {
        let now: Instant = self.now();
        let row = self
            .first(
                "delete from oauth_states where firm_id = $1 and state_hash = $2 returning user_id, provider, bound_to, \
                 verifier_sealed, redirect_uri, expires_ms",
                args![firm, hash],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.instant(5)? <= now {
            return Ok(None);
        }
        Ok(Some(OauthState {
            user: UserId::from_text(row.text(0)?),
            provider: row.word(1, Provider::parse)?,
            bound_to: row.text(2)?,
            verifier_sealed: row.bytes(3)?,
            redirect_uri: row.text(4)?,
        }))
    }
}
