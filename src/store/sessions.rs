//! Browser sessions: kept here and not in a cookie, so that signing out ends them and every node knows them.

use super::accounts::{USER_COLUMNS, User, user_of};
use super::sql::{StoreError, args};
use super::tx::{ReadTx, WriteTx};
use crate::domain::ids::{FirmId, SessionId, UserId};
use crate::domain::time::Instant;

impl ReadTx {
    /// The session with that keyed hash and its user, if it has not expired and the user is not disabled.
    ///
    /// # Errors
    /// The database failed.
    pub async fn session_by_hash(&mut self, hash: &[u8]) -> Result<Option<(User, SessionId)>, StoreError> {
        let sql = format!(
            "select {USER_COLUMNS}, s.session_id from sessions s \
             join users u on u.firm_id = s.firm_id and u.user_id = s.user_id \
             where s.secret_hash = $1 and s.expires_ms > $2 and u.disabled_ms is null"
        );
        let now = self.now();
        let row = self.first(&sql, args![hash, now]).await?;
        row.map(|r| Ok((user_of(&r)?, SessionId::from_text(r.text(10)?)))).transpose()
    }
}

impl WriteTx {
    /// Begins a session by the keyed hash of its secret; takes the occasion to forget the user's expired ones.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_session(
        &mut self,
        firm: &FirmId,
        user: &UserId,
        hash: &[u8],
        expires: Instant,
    ) -> Result<SessionId, StoreError> {
        let now = self.now();
        let id = SessionId::new(now, self.random());
        self.exec(
            "delete from sessions where firm_id = $1 and user_id = $2 and expires_ms <= $3",
            args![firm, user, now],
        )
        .await?;
        self.exec(
            "insert into sessions (firm_id, session_id, user_id, secret_hash, created_ms, expires_ms) \
             values ($1, $2, $3, $4, $5, $6)",
            args![firm, &id, user, hash, now, expires],
        )
        .await?;
        Ok(id)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_session(&mut self, firm: &FirmId, id: &SessionId) -> Result<(), StoreError> {
        self.exec("delete from sessions where firm_id = $1 and session_id = $2", args![firm, id]).await.map(|_| ())
    }
}
