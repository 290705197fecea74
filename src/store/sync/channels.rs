//! Webhook channels: who may tell us that something changed.

use super::leases::Lease;
use crate::domain::ids::{ChannelId, FirmId, LinkId};
use crate::domain::time::Instant;
use crate::store::sql::{Row, StoreError, args};
use crate::store::tx::{ReadTx, WriteTx};

/// A channel at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedChannel {
    /// The firm.
    pub firm: FirmId,
    /// Our id for it, which comes with every notification.
    pub id: ChannelId,
    /// The link.
    pub link: LinkId,
    /// The provider's name of what is watched.
    pub resource: String,
    /// Keyed hash of the token that comes with every notification.
    pub token_hash: Vec<u8>,
    /// When it ends.
    pub expires: Instant,
    /// When it was made.
    pub created: Instant,
    /// When it last spoke.
    pub last_notified: Option<Instant>,
    /// Whether another took its place.
    pub replaced: bool,
}

pub(super) const CHANNEL_COLUMNS: &str = "c.firm_id, c.channel_id, c.link_id, c.resource, c.token_hash, c.expires_ms, \
     c.created_ms, c.last_notified_ms, c.replaced";

pub(super) fn channel_of(row: &Row) -> Result<WatchedChannel, StoreError> {
    Ok(WatchedChannel {
        firm: FirmId::from_text(row.text(0)?),
        id: ChannelId::from_text(row.text(1)?),
        link: LinkId::from_text(row.text(2)?),
        resource: row.text(3)?,
        token_hash: row.bytes(4)?,
        expires: row.instant(5)?,
        created: row.instant(6)?,
        last_notified: row.opt_instant(7)?,
        replaced: row.flag(8)?,
    })
}

impl ReadTx {
    /// A channel by the id that a notification names. The firm is not known yet: the id is ours and random, and the
    /// token decides.
    ///
    /// # Errors
    /// The database failed.
    pub async fn channel(&mut self, id: &ChannelId) -> Result<Option<WatchedChannel>, StoreError> {
        let sql = format!("select {CHANNEL_COLUMNS} from channels c where c.channel_id = $1");
        self.first(&sql, args![id]).await?.as_ref().map(channel_of).transpose()
    }

    /// The channels of a link.
    ///
    /// # Errors
    /// The database failed.
    pub async fn channels(&mut self, firm: &FirmId, link: &LinkId) -> Result<Vec<WatchedChannel>, StoreError> {
        let sql = format!(
            "select {CHANNEL_COLUMNS} from channels c where c.firm_id = $1 and c.link_id = $2 order by created_ms, channel_id limit 20"
        );
        self.all(&sql, args![firm, link]).await?.iter().map(channel_of).collect()
    }
}

impl WriteTx {
    /// A new channel id.
    #[must_use]
    pub fn new_channel_id(&self) -> ChannelId {
        ChannelId::new(self.now(), self.random())
    }

    /// Notes a channel; those that the link had are replaced by it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_channel(
        &mut self,
        lease: &Lease,
        id: &ChannelId,
        resource: &str,
        token_hash: &[u8],
        expires: Instant,
    ) -> Result<(), StoreError> {
        let now = self.now();
        self.exec(
            "update channels set replaced = 1 where firm_id = $1 and link_id = $2",
            args![&lease.firm, &lease.link],
        )
        .await?;
        self.exec(
            "insert into channels (firm_id, channel_id, link_id, resource, token_hash, expires_ms, created_ms, replaced) \
             values ($1, $2, $3, $4, $5, $6, $7, 0)",
            args![&lease.firm, id, &lease.link, resource, token_hash, expires, now],
        )
        .await
        .map(|_| ())
    }

    /// Notes that a channel spoke.
    ///
    /// # Errors
    /// The database failed.
    pub async fn touch_channel(&mut self, firm: &FirmId, id: &ChannelId) -> Result<(), StoreError> {
        let now = self.now();
        self.exec(
            "update channels set last_notified_ms = $3 where firm_id = $1 and channel_id = $2",
            args![firm, id, now],
        )
        .await
        .map(|_| ())
    }

    /// Has a channel go on until then.
    ///
    /// # Errors
    /// The database failed.
    pub async fn renew_channel(&mut self, lease: &Lease, id: &ChannelId, expires: Instant) -> Result<(), StoreError> {
        let now = self.now();
        self.exec(
            "update channels set expires_ms = $3, created_ms = $4 where firm_id = $1 and channel_id = $2",
            args![&lease.firm, id, expires, now],
        )
        .await
        .map(|_| ())
    }

    /// Has a channel be renewed with the next run, whenever it ends.
    ///
    /// # Errors
    /// The database failed.
    pub async fn hasten_channel(&mut self, firm: &FirmId, id: &ChannelId) -> Result<(), StoreError> {
        // A channel is renewed towards the end of its life: one that was made at the beginning of time is there.
        self.exec("update channels set created_ms = 0 where firm_id = $1 and channel_id = $2", args![firm, id])
            .await
            .map(|_| ())
    }

    /// Forgets a channel.
    ///
    /// # Errors
    /// The database failed.
    pub async fn drop_channel(&mut self, firm: &FirmId, id: &ChannelId) -> Result<(), StoreError> {
        self.exec("delete from channels where firm_id = $1 and channel_id = $2", args![firm, id]).await.map(|_| ())
    }
}
