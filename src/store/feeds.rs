//! ICS feeds: who may see what under which secret.

use serde::{Deserialize, Serialize};

use super::accounts::{USER_COLUMNS, User, user_of};
use super::sql::{Row, StoreError, args, json};
use super::tx::{ReadTx, WriteTx};
use crate::domain::access::{Caller, Credential, Right};
use crate::domain::feed::FeedSettings;
use crate::domain::ids::{FeedId, FirmId, UserId};
use crate::domain::time::Instant;

/// How many feeds a user may have.
pub const FEEDS_PER_USER_MAX: i64 = 500;
/// Names of client programs are kept to this length.
const AGENT_CHARS_MAX: usize = 200;

/// A feed as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its id.
    pub id: FeedId,
    /// Its name, in its owner's words.
    pub label: String,
    /// What it shows.
    pub settings: FeedSettings,
    /// When it was made.
    pub created: Instant,
    /// When its settings or secret were last changed.
    pub changed: Instant,
    /// When it stops working by itself.
    pub expires: Option<Instant>,
    /// Since when it is refused.
    pub revoked: Option<Instant>,
    /// When it was last fetched, and by which client.
    pub last_fetched: Option<(Instant, String)>,
    /// How often it was fetched.
    pub fetch_count: i64,
    /// The secret, sealed; opens at [`secret_place`].
    pub secret_sealed: Vec<u8>,
}

/// A feed that a secret opened, with its owner.
#[derive(Clone, Debug)]
pub struct FeedGrant {
    /// The feed.
    pub feed: Feed,
    /// Whose it is.
    pub owner: User,
}

impl FeedGrant {
    /// The owner, as far as the feed's secret stands for them: they may read.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller {
            firm: self.owner.firm.clone(),
            user: self.owner.id.clone(),
            name: self.owner.name.clone(),
            role: self.owner.role,
            credential: Credential::Feed(self.feed.id.as_str().to_owned()),
            most: Right::Read,
        }
    }
}

/// A feed to add.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewFeed {
    /// Its name, in its owner's words.
    pub label: String,
    /// What it shows.
    pub settings: FeedSettings,
    /// When it stops working by itself, in milliseconds since the epoch.
    pub expires_ms: Option<i64>,
}

/// Where a feed's secret is sealed.
#[must_use]
pub fn secret_place(id: &FeedId) -> crate::crypto::Place<'_> {
    crate::crypto::Place { table: "feeds", row: id.as_str(), column: "secret_sealed" }
}

const COLUMNS: &str = "f.feed_id, f.label, f.settings, f.created_ms, f.changed_ms, f.expires_ms, f.revoked_ms, \
     f.last_fetched_ms, f.last_fetched_by, f.fetch_count, f.secret_sealed";

fn feed_of(row: &Row, at: usize) -> Result<Feed, StoreError> {
    let fetched_by = row.opt_text(at + 8)?;
    Ok(Feed {
        id: FeedId::from_text(row.text(at)?),
        label: row.text(at + 1)?,
        settings: row.json(at + 2)?,
        created: row.instant(at + 3)?,
        changed: row.instant(at + 4)?,
        expires: row.opt_instant(at + 5)?,
        revoked: row.opt_instant(at + 6)?,
        last_fetched: row.opt_instant(at + 7)?.map(|t| (t, fetched_by.unwrap_or_default())),
        fetch_count: row.int(at + 9)?,
        secret_sealed: row.bytes(at + 10)?,
    })
}

impl ReadTx {
    /// The feed whose secret has that keyed hash, with its owner, if it is neither revoked nor expired and its
    /// owner not disabled.
    ///
    /// # Errors
    /// The database failed.
    pub async fn feed_by_hash(&mut self, hash: &[u8]) -> Result<Option<FeedGrant>, StoreError> {
        let sql = format!(
            "select {USER_COLUMNS}, {COLUMNS} from feeds f \
             join users u on u.firm_id = f.firm_id and u.user_id = f.user_id \
             where f.secret_hash = $1 and f.revoked_ms is null and u.disabled_ms is null \
             and (f.expires_ms is null or f.expires_ms > $2)"
        );
        let now = self.now();
        let row = self.first(&sql, args![hash, now]).await?;
        row.map(|r| Ok(FeedGrant { owner: user_of(&r)?, feed: feed_of(&r, 10)? })).transpose()
    }

    /// A user's feeds, oldest first, revoked ones included.
    ///
    /// # Errors
    /// The database failed.
    pub async fn feeds(&mut self, firm: &FirmId, user: &UserId) -> Result<Vec<Feed>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from feeds f where f.firm_id = $1 and f.user_id = $2 order by f.feed_id limit $3"
        );
        self.all(&sql, args![firm, user, FEEDS_PER_USER_MAX]).await?.iter().map(|r| feed_of(r, 0)).collect()
    }

    /// One of a user's feeds.
    ///
    /// # Errors
    /// The database failed.
    pub async fn feed(&mut self, firm: &FirmId, user: &UserId, id: &FeedId) -> Result<Option<Feed>, StoreError> {
        let sql = format!("select {COLUMNS} from feeds f where f.firm_id = $1 and f.user_id = $2 and f.feed_id = $3");
        self.first(&sql, args![firm, user, id]).await?.map(|r| feed_of(&r, 0)).transpose()
    }
}

impl WriteTx {
    /// A new feed id, so that the secret can be sealed for its row before the row is written.
    #[must_use]
    pub fn new_feed_id(&self) -> FeedId {
        FeedId::new(self.now(), self.random())
    }

    /// Adds a feed by the keyed hash of its secret and the sealed secret. `false` if the user has
    /// [`FEEDS_PER_USER_MAX`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_feed(
        &mut self,
        (firm, user): (&FirmId, &UserId),
        id: &FeedId,
        new: &NewFeed,
        hash: &[u8],
        sealed: &[u8],
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "insert into feeds (firm_id, feed_id, user_id, label, secret_hash, secret_sealed, settings, created_ms, \
                 changed_ms, expires_ms, fetch_count) select $1, $2, $3, $4, $5, $6, $7, $8, $8, $9, 0 \
                 where (select count(*) from feeds where firm_id = $1 and user_id = $3) < $10",
                args![
                    firm,
                    id,
                    user,
                    &new.label,
                    hash,
                    sealed,
                    json(&new.settings),
                    now,
                    new.expires_ms,
                    FEEDS_PER_USER_MAX
                ],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Replaces a feed's name, settings and expiry. Whether there is such a feed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_feed(
        &mut self,
        (firm, user): (&FirmId, &UserId),
        id: &FeedId,
        new: &NewFeed,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "update feeds set label = $4, settings = $5, expires_ms = $6, changed_ms = $7 \
                 where firm_id = $1 and user_id = $2 and feed_id = $3",
                args![firm, user, id, &new.label, json(&new.settings), new.expires_ms, now],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Gives a feed another secret; the old one stops working at once. A revoked feed stays revoked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn rotate_feed(
        &mut self,
        (firm, user): (&FirmId, &UserId),
        id: &FeedId,
        hash: &[u8],
        sealed: &[u8],
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "update feeds set secret_hash = $4, secret_sealed = $5, changed_ms = $6 \
                 where firm_id = $1 and user_id = $2 and feed_id = $3 and revoked_ms is null",
                args![firm, user, id, hash, sealed, now],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Revokes a feed for good. Whether there is such a feed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn revoke_feed(&mut self, (firm, user): (&FirmId, &UserId), id: &FeedId) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "update feeds set revoked_ms = coalesce(revoked_ms, $4) \
                 where firm_id = $1 and user_id = $2 and feed_id = $3",
                args![firm, user, id, now],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Notes that a feed was fetched, `count` times since this was last noted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn touch_feed(&mut self, firm: &FirmId, id: &FeedId, agent: &str, count: i64) -> Result<(), StoreError> {
        let agent: String = agent.chars().take(AGENT_CHARS_MAX).collect();
        let now = self.now();
        self.exec(
            "update feeds set last_fetched_ms = $3, last_fetched_by = $4, fetch_count = fetch_count + $5 \
             where firm_id = $1 and feed_id = $2",
            args![firm, id, now, agent, count],
        )
        .await
        .map(|_| ())
    }

    /// Every sealed secret of the store, for re-sealing with a new key: feed id and sealed bytes, after an id.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sealed_feed_secrets(&mut self, after: &str, limit: u32) -> Result<Vec<(FeedId, Vec<u8>)>, StoreError> {
        let rows = self
            .all(
                "select feed_id, secret_sealed from feeds where feed_id > $1 order by feed_id limit $2",
                args![after, i64::from(limit)],
            )
            .await?;
        rows.iter().map(|r| Ok((FeedId::from_text(r.text(0)?), r.bytes(1)?))).collect()
    }

    /// Replaces a sealed secret by the same secret sealed anew, unless it was rotated meanwhile.
    ///
    /// # Errors
    /// The database failed.
    pub async fn reseal_feed_secret(&mut self, id: &FeedId, old: &[u8], new: &[u8]) -> Result<bool, StoreError> {
        let rows = self
            .exec("update feeds set secret_sealed = $3 where feed_id = $1 and secret_sealed = $2", args![id, old, new])
            .await?;
        Ok(rows == 1)
    }
}
