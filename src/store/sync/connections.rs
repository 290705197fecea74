//! Connections: accounts at providers, with their secrets sealed for their rows.

use super::attempts::Recovered;
use super::links::STOPPED;
use super::runs::RunsOf;
use crate::crypto::Place;
use crate::domain::ids::{ConnectionId, FirmId, UserId};
use crate::domain::sync::{ConnectionStatus, Provider};
use crate::domain::time::Instant;
use crate::store::sql::{Row, StoreError, args};
use crate::store::tx::{ReadTx, WriteTx};

/// How many connections a user may have: nobody has that many accounts.
pub const CONNECTIONS_PER_USER_MAX: i64 = 100;

/// An account at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The firm.
    pub firm: FirmId,
    /// Its id.
    pub id: ConnectionId,
    /// Whose it is.
    pub user: UserId,
    /// The provider.
    pub provider: Provider,
    /// The account's own name there; a URL for CalDAV and ICS.
    pub account: String,
    /// What its owner calls it.
    pub label: String,
    /// Whether it can be used.
    pub status: ConnectionStatus,
    /// Why, for a person.
    pub status_note: Option<String>,
    /// What was granted.
    pub scopes: String,
    /// The secret, sealed at [`connection_place`].
    pub secret_sealed: Option<Vec<u8>>,
    /// When the access token ends.
    pub token_expires: Option<Instant>,
    /// Counts exchanges of the secret.
    pub secret_version: i64,
    /// No call before this: the provider said that it is too much.
    pub slow_until: Option<Instant>,
    /// When it was made.
    pub created: Instant,
    /// When it was last changed.
    pub changed: Instant,
}

/// A connection to add, or to find again.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// The provider.
    pub provider: Provider,
    /// The account's own name there.
    pub account: String,
    /// What its owner calls it.
    pub label: String,
    /// What was granted.
    pub scopes: String,
    /// When the access token ends.
    pub token_expires: Option<Instant>,
}

/// Where a connection's secret is sealed.
#[must_use]
pub fn connection_place(id: &ConnectionId) -> Place<'_> {
    Place { table: "connections", row: id.as_str(), column: "secret_sealed" }
}

pub(super) const CONNECTION_COLUMNS: &str = "k.firm_id, k.connection_id, k.user_id, k.provider, k.account, k.label, k.status, k.status_note, \
     k.scopes, k.secret_sealed, k.token_expires_ms, k.secret_version, k.slow_until_ms, k.created_ms, k.changed_ms";

pub(super) fn connection_of(row: &Row) -> Result<Connection, StoreError> {
    Ok(Connection {
        firm: FirmId::from_text(row.text(0)?),
        id: ConnectionId::from_text(row.text(1)?),
        user: UserId::from_text(row.text(2)?),
        provider: row.word(3, Provider::parse)?,
        account: row.text(4)?,
        label: row.text(5)?,
        status: row.word(6, ConnectionStatus::parse)?,
        status_note: row.opt_text(7)?,
        scopes: row.text(8)?,
        secret_sealed: row.opt_bytes(9)?,
        token_expires: row.opt_instant(10)?,
        secret_version: row.int(11)?,
        slow_until: row.opt_instant(12)?,
        created: row.instant(13)?,
        changed: row.instant(14)?,
    })
}

impl ReadTx {
    /// A user's connections, oldest first, revoked ones included.
    ///
    /// # Errors
    /// The database failed.
    pub async fn connections(&mut self, firm: &FirmId, user: &UserId) -> Result<Vec<Connection>, StoreError> {
        let sql = format!(
            "select {CONNECTION_COLUMNS} from connections k where k.firm_id = $1 and k.user_id = $2 order by k.connection_id limit $3"
        );
        self.all(&sql, args![firm, user, CONNECTIONS_PER_USER_MAX]).await?.iter().map(connection_of).collect()
    }

    /// A firm's connections after an id, for managers.
    ///
    /// # Errors
    /// The database failed.
    pub async fn firm_connections(
        &mut self,
        firm: &FirmId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Connection>, StoreError> {
        let sql = format!(
            "select {CONNECTION_COLUMNS} from connections k where k.firm_id = $1 and k.connection_id > $2 \
             order by k.connection_id limit $3"
        );
        self.all(&sql, args![firm, after, i64::from(limit)]).await?.iter().map(connection_of).collect()
    }

    /// One of a firm's connections. Callers that act for a user compare [`Connection::user`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn connection(&mut self, firm: &FirmId, id: &ConnectionId) -> Result<Option<Connection>, StoreError> {
        let sql =
            format!("select {CONNECTION_COLUMNS} from connections k where k.firm_id = $1 and k.connection_id = $2");
        self.first(&sql, args![firm, id]).await?.as_ref().map(connection_of).transpose()
    }
}

impl WriteTx {
    /// The user's connection to this account: a new one, or the one that was there, so that a reconnect finds its links
    /// and mappings. The secret is set by [`WriteTx::set_connection_secret`] in the same transaction. `None` if the user
    /// has [`CONNECTIONS_PER_USER_MAX`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn connect(
        &mut self,
        (firm, user): (&FirmId, &UserId),
        new: &NewConnection,
    ) -> Result<Option<ConnectionId>, StoreError> {
        let (now, id) = (self.now(), ConnectionId::new(self.now(), self.random()));
        let row = self
            .first(
                "insert into connections (firm_id, connection_id, user_id, provider, account, label, status, scopes, \
                 token_expires_ms, secret_version, created_ms, changed_ms) \
                 select $1, $2, $3, $4, $5, $6, 'active', $7, $8, 1, $9, $9 \
                 where (select count(*) from connections where firm_id = $1 and user_id = $3) < $10 \
                 or exists (select 1 from connections where firm_id = $1 and user_id = $3 and provider = $4 \
                 and account = $5) \
                 on conflict (firm_id, user_id, provider, account) do update set status = 'active', status_note = null, \
                 scopes = excluded.scopes, token_expires_ms = excluded.token_expires_ms, slow_until_ms = null, \
                 secret_version = connections.secret_version + 1, changed_ms = excluded.changed_ms \
                 returning connection_id",
                args![
                    firm,
                    &id,
                    user,
                    new.provider.as_str(),
                    &new.account,
                    &new.label,
                    &new.scopes,
                    new.token_expires,
                    now,
                    CONNECTIONS_PER_USER_MAX
                ],
            )
            .await?;
        row.map(|r| Ok(ConnectionId::from_text(r.text(0)?))).transpose()
    }

    /// Sets a connection's sealed secret. `version` is what was read with the secret that this one replaces: of two who
    /// refreshed at once, only the first succeeds (`false` for the other, who reads again).
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_connection_secret(
        &mut self,
        firm: &FirmId,
        id: &ConnectionId,
        version: i64,
        sealed: &[u8],
        expires: Option<Instant>,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "update connections set secret_sealed = $4, token_expires_ms = $5, secret_version = secret_version + 1, \
                 changed_ms = $6 where firm_id = $1 and connection_id = $2 and secret_version = $3 \
                 and status <> 'revoked'",
                args![firm, id, version, sealed, expires, now],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Sets a connection's status and why. Revoking forgets the secret.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_connection_status(
        &mut self,
        firm: &FirmId,
        id: &ConnectionId,
        status: ConnectionStatus,
        note: Option<&str>,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let forget =
            if status == ConnectionStatus::Revoked { ", secret_sealed = null, token_expires_ms = null" } else { "" };
        let sql = format!(
            "update connections set status = $3, status_note = $4, changed_ms = $5{forget} \
             where firm_id = $1 and connection_id = $2"
        );
        let rows = self.exec(&sql, args![firm, id, status.as_str(), note, now]).await?;
        if rows == 1 && status == ConnectionStatus::Active {
            self.settle_stopped(firm, id.as_str()).await?;
        }
        if matches!(status, ConnectionStatus::Paused | ConnectionStatus::Revoked) {
            // Whoever works on one of its links stops: nothing is carried out for it any more.
            let sql = "update links set fence = fence + 1, lease_owner = null, lease_until_ms = null \
                 where firm_id = $1 and connection_id = $2 and lease_owner is not null";
            self.exec(sql, args![firm, id]).await?;
            self.end_running(firm, RunsOf::Connection(id), STOPPED).await?;
        }
        if status == ConnectionStatus::Revoked {
            self.recovered(firm, Recovered::Connection(id)).await?;
        }
        self.wake();
        Ok(rows == 1)
    }

    /// Makes all of an account wait.
    ///
    /// # Errors
    /// The database failed.
    pub async fn slow_connection(
        &mut self,
        firm: &FirmId,
        id: &ConnectionId,
        until: Instant,
    ) -> Result<(), StoreError> {
        self.exec(
            "update connections set slow_until_ms = $3 where firm_id = $1 and connection_id = $2 \
             and (slow_until_ms is null or slow_until_ms < $3)",
            args![firm, id, until],
        )
        .await
        .map(|_| ())
    }

    /// Every sealed secret of the store, for re-sealing with a new key: connection id and sealed bytes, after an id.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sealed_connection_secrets(
        &mut self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<(ConnectionId, Vec<u8>)>, StoreError> {
        let rows = self
            .all(
                "select connection_id, secret_sealed from connections where connection_id > $1 \
                 and secret_sealed is not null order by connection_id limit $2",
                args![after, i64::from(limit)],
            )
            .await?;
        rows.iter().map(|r| Ok((ConnectionId::from_text(r.text(0)?), r.bytes(1)?))).collect()
    }

    /// Replaces a sealed secret by the same secret sealed anew, unless it was exchanged meanwhile.
    ///
    /// # Errors
    /// The database failed.
    pub async fn reseal_connection_secret(
        &mut self,
        id: &ConnectionId,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, StoreError> {
        let rows = self
            .exec(
                "update connections set secret_sealed = $3 where connection_id = $1 and secret_sealed = $2",
                args![id, old, new],
            )
            .await?;
        Ok(rows == 1)
    }
}
