//! Connections and webhook channels of a whole firm in pages, for its managers.

use super::channels::{CHANNEL_COLUMNS, WatchedChannel, channel_of};
use super::connections::{CONNECTION_COLUMNS, Connection, connection_of};
use crate::domain::ids::{ChannelId, ConnectionId, FirmId, UserId};
use crate::domain::sync::{ConnectionStatus, Provider, RunStatus};
use crate::domain::time::Instant;
use crate::store::sql::{Arg, Row, StoreError, args, like};
use crate::store::tx::ReadTx;

/// Which connections a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// In this state.
    pub status: Option<ConnectionStatus>,
    /// At this provider.
    pub provider: Option<Provider>,
    /// Of this user.
    pub user: Option<UserId>,
    /// That carry an appointment of this project.
    pub project: Option<String>,
    /// In the account, the label, the user's name or the reason of the state.
    pub text: Option<String>,
    /// Made at or after.
    pub from: Option<Instant>,
    /// Made before.
    pub until: Option<Instant>,
}

/// A connection and how its links stand.
#[derive(Clone, Debug)]
pub struct ConnectionRow {
    /// The connection.
    pub connection: Connection,
    /// Whose it is, by name.
    pub user: String,
    /// Its links that are not detached, and how many of them run.
    pub links: (i64, i64),
    /// When one of them last ran, and last came to an end.
    pub last: (Option<Instant>, Option<Instant>),
    /// How the worst of their last runs ended.
    pub last_status: Option<RunStatus>,
    /// Conflicts that wait for a decision.
    pub open_conflicts: i64,
}

/// How a channel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// It speaks.
    Active,
    /// Its time is over.
    Expired,
    /// Another took its place.
    Replaced,
}

impl ChannelState {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ChannelState::Active => "active",
            ChannelState::Expired => "expired",
            ChannelState::Replaced => "replaced",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<ChannelState> {
        [ChannelState::Active, ChannelState::Expired, ChannelState::Replaced].into_iter().find(|s| s.as_str() == text)
    }

    /// The state of a channel now.
    #[must_use]
    pub fn of(channel: &WatchedChannel, now: Instant) -> ChannelState {
        match channel.replaced {
            true => ChannelState::Replaced,
            false if channel.expires <= now => ChannelState::Expired,
            false => ChannelState::Active,
        }
    }
}

/// Which channels a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelFilter {
    /// In this state.
    pub state: Option<ChannelState>,
    /// At this provider.
    pub provider: Option<Provider>,
    /// Of this user.
    pub user: Option<UserId>,
    /// Of a connection that carries an appointment of this project.
    pub project: Option<String>,
    /// In the account, the connection's label, the user's name, or the id of the channel, link or connection.
    pub text: Option<String>,
    /// Made at or after.
    pub from: Option<Instant>,
    /// Made before.
    pub until: Option<Instant>,
}

/// A channel and whose it is.
#[derive(Clone, Debug)]
pub struct ChannelRow {
    /// The channel.
    pub channel: WatchedChannel,
    /// Its connection.
    pub connection: ConnectionId,
    /// At which provider.
    pub provider: Provider,
    /// Whose it is: id and name.
    pub user: (UserId, String),
}

struct Conditions {
    values: Vec<Arg>,
    text: String,
}

impl Conditions {
    fn add(&mut self, condition: &str, value: Option<impl Into<Arg>>) {
        if let Some(value) = value {
            self.values.push(value.into());
            self.text.push_str(&condition.replace('?', &format!("${}", self.values.len())));
        }
    }
}

fn row_of(row: &Row) -> Result<ConnectionRow, StoreError> {
    let rank = row.opt_int(20)?;
    Ok(ConnectionRow {
        connection: connection_of(row)?,
        user: row.text(15)?,
        links: (row.int(16)?, row.int(17)?),
        last: (row.opt_instant(18)?, row.opt_instant(19)?),
        last_status: rank.map(|rank| match rank {
            0 => RunStatus::Success,
            1 => RunStatus::Partial,
            _ => RunStatus::Failed,
        }),
        open_conflicts: row.int(21)?,
    })
}

/// That a connection carries an appointment of a project.
const OF_PROJECT: &str = " and k.connection_id in (select l.connection_id from objects o \
     join mappings m on m.firm_id = o.firm_id and m.object_id = o.object_id \
     join links l on l.firm_id = m.firm_id and l.link_id = m.link_id where o.firm_id = $1 and o.project_id = ?)";

/// What a connection's links say of it together.
const OF_LINKS: &str = "(select count(*) from links l where l.firm_id = k.firm_id and l.connection_id = k.connection_id \
     and l.status <> 'detached'), \
     (select count(*) from links l where l.firm_id = k.firm_id and l.connection_id = k.connection_id and l.status = 'active'), \
     (select max(l.last_run_ms) from links l where l.firm_id = k.firm_id and l.connection_id = k.connection_id), \
     (select max(l.last_success_ms) from links l where l.firm_id = k.firm_id and l.connection_id = k.connection_id), \
     (select max(case l.last_status when 'failed' then 2 when 'partial' then 1 else 0 end) from links l \
     where l.firm_id = k.firm_id and l.connection_id = k.connection_id and l.last_status is not null \
     and l.status <> 'detached'), \
     (select count(*) from conflicts c join links l on l.firm_id = c.firm_id and l.link_id = c.link_id \
     where c.firm_id = k.firm_id and l.connection_id = k.connection_id and c.resolved_ms is null)";

impl ReadTx {
    /// A page of a firm's connections, newest first, after one of them; and how many there are in all.
    ///
    /// # Errors
    /// The database failed.
    pub async fn connection_page(
        &mut self,
        firm: &FirmId,
        filter: &ConnectionFilter,
        after: Option<&ConnectionId>,
        limit: u32,
    ) -> Result<(Vec<ConnectionRow>, i64), StoreError> {
        let mut all = Conditions { values: args![firm], text: "k.firm_id = $1".to_owned() };
        all.add(" and k.status = ?", filter.status.map(ConnectionStatus::as_str));
        all.add(" and k.provider = ?", filter.provider.map(Provider::as_str));
        all.add(" and k.user_id = ?", filter.user.as_ref());
        all.add(" and k.created_ms >= ?", filter.from);
        all.add(" and k.created_ms < ?", filter.until);
        all.add(OF_PROJECT, filter.project.as_ref());
        let in_text = " and (lower(k.account) like ? escape '!' or lower(k.label) like ? escape '!' \
             or lower(coalesce(k.status_note, '')) like ? escape '!' or lower(u.name) like ? escape '!')";
        all.add(in_text, filter.text.as_deref().map(like));
        let from = "from connections k join users u on u.firm_id = k.firm_id and u.user_id = k.user_id";
        let sql = format!("select count(*) {from} where {}", all.text);
        let total = self.first(&sql, all.values.clone()).await?.map_or(Ok(0), |r| r.int(0))?;
        all.add(" and k.connection_id < ?", after);
        all.values.push(i64::from(limit).into());
        let sql = format!(
            "select {CONNECTION_COLUMNS}, u.name, {OF_LINKS} {from} where {} order by k.connection_id desc limit ${}",
            all.text,
            all.values.len()
        );
        let rows = self.all(&sql, all.values).await?.iter().map(row_of).collect::<Result<_, _>>()?;
        Ok((rows, total))
    }

    /// A page of a firm's webhook channels, newest first, after one of them; and how many there are in all.
    ///
    /// # Errors
    /// The database failed.
    pub async fn channel_page(
        &mut self,
        firm: &FirmId,
        filter: &ChannelFilter,
        after: Option<&ChannelId>,
        limit: u32,
    ) -> Result<(Vec<ChannelRow>, i64), StoreError> {
        let now = self.now();
        let mut all = Conditions { values: args![firm], text: "c.firm_id = $1".to_owned() };
        match filter.state {
            None => {}
            Some(ChannelState::Replaced) => all.text.push_str(" and c.replaced = 1"),
            Some(ChannelState::Active) => all.add(" and c.replaced = 0 and c.expires_ms > ?", Some(now)),
            Some(ChannelState::Expired) => all.add(" and c.replaced = 0 and c.expires_ms <= ?", Some(now)),
        }
        all.add(" and k.provider = ?", filter.provider.map(Provider::as_str));
        all.add(" and k.user_id = ?", filter.user.as_ref());
        all.add(OF_PROJECT, filter.project.as_ref());
        let in_text = " and (lower(k.account) like ? escape '!' or lower(k.label) like ? escape '!' \
             or lower(u.name) like ? escape '!' or c.channel_id like ? escape '!' or c.link_id like ? escape '!' \
             or k.connection_id like ? escape '!')";
        all.add(in_text, filter.text.as_deref().map(like));
        all.add(" and c.created_ms >= ?", filter.from);
        all.add(" and c.created_ms < ?", filter.until);
        let from = "from channels c join links l on l.firm_id = c.firm_id and l.link_id = c.link_id \
             join connections k on k.firm_id = l.firm_id and k.connection_id = l.connection_id \
             join users u on u.firm_id = k.firm_id and u.user_id = k.user_id";
        let sql = format!("select count(*) {from} where {}", all.text);
        let total = self.first(&sql, all.values.clone()).await?.map_or(Ok(0), |r| r.int(0))?;
        all.add(" and c.channel_id < ?", after);
        all.values.push(i64::from(limit).into());
        let sql = format!(
            "select {CHANNEL_COLUMNS}, k.connection_id, k.provider, k.user_id, u.name {from} where {} \
             order by c.channel_id desc limit ${}",
            all.text,
            all.values.len()
        );
        let mut rows = Vec::new();
        for row in &self.all(&sql, all.values).await? {
            rows.push(ChannelRow {
                channel: channel_of(row)?,
                connection: ConnectionId::from_text(row.text(9)?),
                provider: row.word(10, Provider::parse)?,
                user: (UserId::from_text(row.text(11)?), row.text(12)?),
            });
        }
        Ok((rows, total))
    }
}
