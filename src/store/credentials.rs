//! App passwords and API tokens: looked up by the keyed hash of the secret, shown once, revocable.

use super::accounts::{USER_COLUMNS, User, user_of};
use super::sql::{Row, StoreError, args};
use super::tx::{ReadTx, WriteTx};
use crate::domain::access::Scope;
use crate::domain::ids::{AppPasswordId, FirmId, TokenId, UserId};
use crate::domain::time::{Instant, MINUTE_MS};

/// "Last used" is kept to this precision, so that a polling client costs one write an interval and not one a request.
const LAST_USED_EVERY_MS: i64 = 15 * MINUTE_MS;

/// A per-device secret for CalDAV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPassword {
    /// Its id.
    pub id: AppPasswordId,
    /// The device, in its owner's words.
    pub label: String,
    /// Whether it may only read.
    pub read_only: bool,
    /// When it was made.
    pub created: Instant,
    /// When it was last used, to a quarter of an hour.
    pub last_used: Option<Instant>,
    /// Since when it is refused.
    pub revoked: Option<Instant>,
}

/// A bearer secret for the platform and scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id.
    pub id: TokenId,
    /// What it is for, in its owner's words.
    pub label: String,
    /// What it may ask for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created: Instant,
    /// When it was last used, to a quarter of an hour.
    pub last_used: Option<Instant>,
    /// Since when it is refused.
    pub revoked: Option<Instant>,
}

const APP_PASSWORD_COLUMNS: &str =
    "p.app_password_id, p.label, p.read_only, p.created_ms, p.last_used_ms, p.revoked_ms";
const TOKEN_COLUMNS: &str = "t.token_id, t.label, t.scopes, t.created_ms, t.last_used_ms, t.revoked_ms";
/// Columns of a [`User`] come first in the look-ups.
const AFTER_USER: usize = 10;

fn app_password_of(row: &Row, at: usize) -> Result<AppPassword, StoreError> {
    Ok(AppPassword {
        id: AppPasswordId::from_text(row.text(at)?),
        label: row.text(at + 1)?,
        read_only: row.flag(at + 2)?,
        created: row.instant(at + 3)?,
        last_used: row.opt_instant(at + 4)?,
        revoked: row.opt_instant(at + 5)?,
    })
}

fn token_of(row: &Row, at: usize) -> Result<ApiToken, StoreError> {
    let scopes = |text: &str| text.split(' ').filter(|s| !s.is_empty()).map(Scope::parse).collect();
    Ok(ApiToken {
        id: TokenId::from_text(row.text(at)?),
        label: row.text(at + 1)?,
        scopes: row.word(at + 2, scopes)?,
        created: row.instant(at + 3)?,
        last_used: row.opt_instant(at + 4)?,
        revoked: row.opt_instant(at + 5)?,
    })
}

impl ReadTx {
    /// The app password with that keyed hash and its user, if neither is revoked or disabled.
    ///
    /// # Errors
    /// The database failed.
    pub async fn app_password_by_hash(&mut self, hash: &[u8]) -> Result<Option<(User, AppPassword)>, StoreError> {
        let sql = format!(
            "select {USER_COLUMNS}, {APP_PASSWORD_COLUMNS} from app_passwords p \
             join users u on u.firm_id = p.firm_id and u.user_id = p.user_id \
             where p.secret_hash = $1 and p.revoked_ms is null and u.disabled_ms is null"
        );
        let row = self.first(&sql, args![hash]).await?;
        row.map(|r| Ok((user_of(&r)?, app_password_of(&r, AFTER_USER)?))).transpose()
    }

    /// The API token with that keyed hash and its user, if neither is revoked or disabled.
    ///
    /// # Errors
    /// The database failed.
    pub async fn token_by_hash(&mut self, hash: &[u8]) -> Result<Option<(User, ApiToken)>, StoreError> {
        let sql = format!(
            "select {USER_COLUMNS}, {TOKEN_COLUMNS} from api_tokens t \
             join users u on u.firm_id = t.firm_id and u.user_id = t.user_id \
             where t.secret_hash = $1 and t.revoked_ms is null and u.disabled_ms is null"
        );
        let row = self.first(&sql, args![hash]).await?;
        row.map(|r| Ok((user_of(&r)?, token_of(&r, AFTER_USER)?))).transpose()
    }

    /// A user's app passwords, oldest first, revoked ones included.
    ///
    /// # Errors
    /// The database failed.
    pub async fn app_passwords(&mut self, firm: &FirmId, user: &UserId) -> Result<Vec<AppPassword>, StoreError> {
        let sql = format!(
            "select {APP_PASSWORD_COLUMNS} from app_passwords p where p.firm_id = $1 and p.user_id = $2 \
             order by p.app_password_id"
        );
        self.all(&sql, args![firm, user]).await?.iter().map(|r| app_password_of(r, 0)).collect()
    }

    /// A user's API tokens, oldest first, revoked ones included.
    ///
    /// # Errors
    /// The database failed.
    pub async fn tokens(&mut self, firm: &FirmId, user: &UserId) -> Result<Vec<ApiToken>, StoreError> {
        let sql = format!(
            "select {TOKEN_COLUMNS} from api_tokens t where t.firm_id = $1 and t.user_id = $2 order by t.token_id"
        );
        self.all(&sql, args![firm, user]).await?.iter().map(|r| token_of(r, 0)).collect()
    }
}

impl WriteTx {
    /// Adds an app password by the keyed hash of its secret.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_app_password(
        &mut self,
        firm: &FirmId,
        user: &UserId,
        label: &str,
        read_only: bool,
        hash: &[u8],
    ) -> Result<AppPassword, StoreError> {
        let now = self.now();
        let id = AppPasswordId::new(now, self.random());
        self.exec(
            "insert into app_passwords (firm_id, app_password_id, user_id, label, secret_hash, read_only, created_ms) \
             values ($1, $2, $3, $4, $5, $6, $7)",
            args![firm, &id, user, label, hash, read_only, now],
        )
        .await?;
        Ok(AppPassword { id, label: label.to_owned(), read_only, created: now, last_used: None, revoked: None })
    }

    /// Adds an API token by the keyed hash of its secret.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_token(
        &mut self,
        firm: &FirmId,
        user: &UserId,
        label: &str,
        scopes: &[Scope],
        hash: &[u8],
    ) -> Result<ApiToken, StoreError> {
        let now = self.now();
        let id = TokenId::new(now, self.random());
        let words = scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" ");
        self.exec(
            "insert into api_tokens (firm_id, token_id, user_id, label, scopes, secret_hash, created_ms) \
             values ($1, $2, $3, $4, $5, $6, $7)",
            args![firm, &id, user, label, words, hash, now],
        )
        .await?;
        let scopes = scopes.to_vec();
        Ok(ApiToken { id, label: label.to_owned(), scopes, created: now, last_used: None, revoked: None })
    }

    /// Revokes one of a user's app passwords. Whether there was such a one, revoked already or not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn revoke_app_password(
        &mut self,
        firm: &FirmId,
        user: &UserId,
        id: &AppPasswordId,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "update app_passwords set revoked_ms = coalesce(revoked_ms, $4) \
                 where firm_id = $1 and user_id = $2 and app_password_id = $3",
                args![firm, user, id, now],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Revokes one of a user's API tokens. Whether there was such a one, revoked already or not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn revoke_token(&mut self, firm: &FirmId, user: &UserId, id: &TokenId) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "update api_tokens set revoked_ms = coalesce(revoked_ms, $4) \
                 where firm_id = $1 and user_id = $2 and token_id = $3",
                args![firm, user, id, now],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Notes that an app password was used.
    ///
    /// # Errors
    /// The database failed.
    pub async fn touch_app_password(&mut self, firm: &FirmId, id: &AppPasswordId) -> Result<(), StoreError> {
        let now = self.now();
        self.exec(
            "update app_passwords set last_used_ms = $3 where firm_id = $1 and app_password_id = $2",
            args![firm, id, now],
        )
        .await
        .map(|_| ())
    }

    /// Notes that an API token was used.
    ///
    /// # Errors
    /// The database failed.
    pub async fn touch_token(&mut self, firm: &FirmId, id: &TokenId) -> Result<(), StoreError> {
        let now = self.now();
        self.exec("update api_tokens set last_used_ms = $3 where firm_id = $1 and token_id = $2", args![firm, id, now])
            .await
            .map(|_| ())
    }
}

/// Whether "last used" is old enough to be written anew.
#[must_use]
pub fn is_touch_due(last_used: Option<Instant>, now: Instant) -> bool {
    last_used.is_none_or(|at| now.ms().saturating_sub(at.ms()) >= LAST_USED_EVERY_MS)
}
