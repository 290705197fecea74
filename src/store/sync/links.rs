//! Links: one calendar here and one there, and what their user set.

use serde::{Deserialize, Serialize};

use super::runs::RunsOf;
use crate::domain::ids::{CalendarId, ConnectionId, FirmId, LinkId, ObjectId, UserId};
use crate::domain::sync::{
    Direction, LinkPolicy, LinkStatus, LinkWay, Provider, Remote, RemoteCalendarId, RunKind, RunStatus, Way,
    closes_cycle,
};
use crate::domain::time::Instant;
use crate::store::sql::{Row, StoreError, args, json};
use crate::store::tx::{ReadTx, WriteTx};

/// How many links a user may have.
pub const LINKS_PER_USER_MAX: i64 = 500;

/// What a user sets about a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSettings {
    /// Which way changes go.
    pub direction: Direction,
    /// How often it runs by itself.
    pub interval_ms: i64,
    /// What it carries and how it decides.
    pub policy: LinkPolicy,
}

/// A link to add.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// The connection.
    pub connection: ConnectionId,
    /// The calendar here.
    pub calendar: CalendarId,
    /// The calendar there.
    pub remote: RemoteCalendarId,
    /// What people call the calendar there.
    pub remote_name: String,
    /// Its IANA zone.
    pub zone: String,
    /// What its user set.
    pub settings: LinkSettings,
}

/// One calendar here and one there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The firm.
    pub firm: FirmId,
    /// Its id.
    pub id: LinkId,
    /// The connection.
    pub connection: ConnectionId,
    /// Whose it is.
    pub user: UserId,
    /// The calendar here.
    pub calendar: CalendarId,
    /// The calendar there.
    pub remote: RemoteCalendarId,
    /// What people call the calendar there.
    pub remote_name: String,
    /// Its IANA zone.
    pub zone: String,
    /// What its user set.
    pub settings: LinkSettings,
    /// Whether it runs.
    pub status: LinkStatus,
    /// Why, for a person.
    pub status_note: Option<String>,
    /// Where the next listing goes on.
    pub cursor: Option<String>,
    /// Counts full listings.
    pub generation: i64,
    /// Where a full listing stands (the page that comes next).
    pub progress: Option<String>,
    /// The fencing token of the latest lease.
    pub fence: i64,
    /// When the lease ends.
    pub lease_until: Option<Instant>,
    /// When the next run is due.
    pub due: Instant,
    /// What kind of run it is.
    pub due_kind: RunKind,
    /// How many removals somebody confirmed; see [`Link::confirmed_removals`].
    pub confirmed: i64,
    /// Which side the guard's last stop spared.
    pub held_way: Option<Way>,
    /// When everything there was listed to the end; `None`: not yet, or something was missed since.
    pub listed: Option<Instant>,
    /// Failed runs in a row.
    pub failures: i64,
    /// When it last ran, last succeeded, and how the last run ended.
    pub last: (Option<Instant>, Option<Instant>, Option<RunStatus>),
    /// When it was made.
    pub created: Instant,
    /// The request or notification that asked for the next run.
    pub due_correlation: Option<String>,
}

/// What keeps two calendars from being linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkObstacle {
    /// They are linked already, perhaps over another connection.
    Exists,
    /// Over other links, what goes one way would come back.
    Cycle,
}

/// Links of a firm read at once.
const WAYS_PAGE: i64 = 1_000;

const COLUMNS: &str = "l.firm_id, l.link_id, l.connection_id, l.user_id, l.calendar_id, l.remote_calendar, \
     l.remote_name, l.zone, l.direction, l.policy, l.status, l.status_note, l.interval_ms, l.cursor, l.generation, \
     l.progress, l.fence, l.lease_until_ms, l.due_ms, l.due_kind, l.confirmed, l.failures, l.last_run_ms, \
     l.last_success_ms, l.last_status, l.created_ms, l.listed_ms, l.held_way, l.due_correlation";

fn link_of(row: &Row) -> Result<Link, StoreError> {
    let status = row.opt_text(24)?.and_then(|t| RunStatus::parse(&t));
    Ok(Link {
        firm: FirmId::from_text(row.text(0)?),
        id: LinkId::from_text(row.text(1)?),
        connection: ConnectionId::from_text(row.text(2)?),
        user: UserId::from_text(row.text(3)?),
        calendar: CalendarId::from_text(row.text(4)?),
        remote: RemoteCalendarId(row.text(5)?),
        remote_name: row.text(6)?,
        zone: row.text(7)?,
        settings: LinkSettings {
            direction: row.word(8, Direction::parse)?,
            policy: row.json(9)?,
            interval_ms: row.int(12)?,
        },
        status: row.word(10, LinkStatus::parse)?,
        status_note: row.opt_text(11)?,
        cursor: row.opt_text(13)?,
        generation: row.int(14)?,
        progress: row.opt_text(15)?,
        fence: row.int(16)?,
        lease_until: row.opt_instant(17)?,
        due: row.instant(18)?,
        due_kind: row.word(19, RunKind::parse)?,
        confirmed: row.int(20)?,
        failures: row.int(21)?,
        last: (row.opt_instant(22)?, row.opt_instant(23)?, status),
        created: row.instant(25)?,
        listed: row.opt_instant(26)?,
        held_way: row.opt_text(27)?.and_then(|t| Way::parse(&t)),
        due_correlation: row.opt_text(28)?,
    })
}

impl Link {
    /// How many removals on one side somebody confirmed: those that the guard had counted when it stopped, and no others.
    #[must_use]
    pub fn confirmed_removals(&self, way: Way) -> u64 {
        let meant = self.held_way.is_none_or(|held| held == way);
        if meant { u64::try_from(self.confirmed).unwrap_or(0) } else { 0 }
    }
}

impl ReadTx {
    /// A user's links, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn links(&mut self, firm: &FirmId, user: &UserId) -> Result<Vec<Link>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from links l where l.firm_id = $1 and l.user_id = $2 order by l.link_id limit $3"
        );
        self.all(&sql, args![firm, user, LINKS_PER_USER_MAX]).await?.iter().map(link_of).collect()
    }

    /// The links of a connection, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn links_of_connection(&mut self, firm: &FirmId, id: &ConnectionId) -> Result<Vec<Link>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from links l where l.firm_id = $1 and l.connection_id = $2 order by l.link_id limit $3"
        );
        self.all(&sql, args![firm, id, LINKS_PER_USER_MAX]).await?.iter().map(link_of).collect()
    }

    /// A firm's links after an id.
    ///
    /// # Errors
    /// The database failed.
    pub async fn firm_links(&mut self, firm: &FirmId, after: &str, limit: u32) -> Result<Vec<Link>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from links l where l.firm_id = $1 and l.link_id > $2 order by l.link_id limit $3"
        );
        self.all(&sql, args![firm, after, i64::from(limit)]).await?.iter().map(link_of).collect()
    }

    /// The active links that carry an object or would: of its calendar, and such as have a mapping of it. `None`: the
    /// firm has and had no such object.
    ///
    /// # Errors
    /// The database failed.
    pub async fn links_for_object(
        &mut self,
        firm: &FirmId,
        object: &ObjectId,
    ) -> Result<Option<Vec<Link>>, StoreError> {
        let known = "select object_id from objects where firm_id = $1 and object_id = $2 and component = 'VEVENT' \
             union all select object_id from mappings where firm_id = $1 and object_id = $2 limit 1";
        if self.first(known, args![firm, object]).await?.is_none() {
            return Ok(None);
        }
        let sql = format!(
            "select {COLUMNS} from links l where l.firm_id = $1 and l.status = 'active' and (l.calendar_id in \
             (select calendar_id from objects where firm_id = $1 and object_id = $2) or l.link_id in \
             (select link_id from mappings where firm_id = $1 and object_id = $2)) order by l.link_id limit $3"
        );
        let rows = self.all(&sql, args![firm, object, LINKS_PER_USER_MAX]).await?;
        rows.iter().map(link_of).collect::<Result<_, _>>().map(Some)
    }

    /// One of a firm's links. Callers that act for a user compare [`Link::user`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn link_by_id(&mut self, firm: &FirmId, id: &LinkId) -> Result<Option<Link>, StoreError> {
        let sql = format!("select {COLUMNS} from links l where l.firm_id = $1 and l.link_id = $2");
        self.first(&sql, args![firm, id]).await?.as_ref().map(link_of).transpose()
    }
}

/// What is told of a run in whose middle its link, or the connection, was set to rest.
pub(super) const STOPPED: &str = "it was stopped: its link or its connection was paused or ended";

impl WriteTx {
    /// What keeps two calendars from being linked so, among the links of the firm but `but`. Other writers of them wait
    /// until this transaction ends, so that it still holds when the link is written.
    ///
    /// # Errors
    /// The database failed.
    pub async fn link_obstacle(
        &mut self,
        firm: &FirmId,
        new: &LinkWay,
        but: Option<&LinkId>,
    ) -> Result<Option<LinkObstacle>, StoreError> {
        self.exec("update firms set name = name where firm_id = $1", args![firm]).await?;
        let (mut ways, mut after) = (Vec::new(), String::new());
        loop {
            let rows = self
                .all(
                    "select l.link_id, l.calendar_id, k.provider, k.account, l.remote_calendar, l.direction from links l \
                     join connections k on k.firm_id = l.firm_id and k.connection_id = l.connection_id \
                     where l.firm_id = $1 and l.link_id > $2 and l.status <> 'detached' order by l.link_id limit $3",
                    args![firm, &after, WAYS_PAGE],
                )
                .await?;
            let Some(last) = rows.last() else { break };
            after = last.text(0)?;
            for row in &rows {
                if but.is_some_and(|id| row.text(0).is_ok_and(|text| text == id.as_str())) {
                    continue;
                }
                let there = Remote::new(row.word(2, Provider::parse)?, &row.text(3)?, &RemoteCalendarId(row.text(4)?));
                ways.push(LinkWay { here: row.text(1)?, there, direction: row.word(5, Direction::parse)? });
            }
        }
        if ways.iter().any(|w| w.here == new.here && w.there == new.there) {
            return Ok(Some(LinkObstacle::Exists));
        }
        Ok(closes_cycle(&ways, new).then_some(LinkObstacle::Cycle))
    }

    /// Adds a link, due at once for its first full run. `None` if this pair is linked already, or the user has
    /// [`LINKS_PER_USER_MAX`]. A detached link of the same pair comes back with its mappings.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_link(
        &mut self,
        (firm, user): (&FirmId, &UserId),
        new: &NewLink,
    ) -> Result<Option<LinkId>, StoreError> {
        let (now, id) = (self.now(), LinkId::new(self.now(), self.random()));
        let row = self
            .first(
                "insert into links (firm_id, link_id, connection_id, user_id, calendar_id, remote_calendar, remote_name, \
                 zone, direction, policy, status, interval_ms, generation, fence, due_ms, due_kind, confirmed, failures, \
                 created_ms, changed_ms) select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'active', $11, 0, 0, $12, \
                 'full', 0, 0, $12, $12 where (select count(*) from links where firm_id = $1 and user_id = $4) < $13 \
                 or exists (select 1 from links where firm_id = $1 and calendar_id = $5 and connection_id = $3 \
                 and remote_calendar = $6) \
                 on conflict (firm_id, calendar_id, connection_id, remote_calendar) do update set status = 'active', \
                 status_note = null, remote_name = excluded.remote_name, zone = excluded.zone, \
                 direction = excluded.direction, policy = excluded.policy, \
                 interval_ms = excluded.interval_ms, cursor = null, progress = null, listed_ms = null, \
                 due_ms = excluded.due_ms, due_kind = 'full', changed_ms = excluded.changed_ms where links.status = 'detached' \
                 returning link_id",
                args![
                    firm,
                    &id,
                    &new.connection,
                    user,
                    &new.calendar,
                    new.remote.as_str(),
                    &new.remote_name,
                    &new.zone,
                    new.settings.direction.as_str(),
                    json(&new.settings.policy),
                    new.settings.interval_ms,
                    now,
                    LINKS_PER_USER_MAX
                ],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let id = LinkId::from_text(row.text(0)?);
        self.queue_all(firm, &id).await?;
        Ok(Some(id))
    }

    /// Replaces what a user set about a link; everything is looked at anew, since filters may match otherwise. Whoever works
    /// on the link by the old settings loses its lease: nothing is carried out by them any more.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_link(&mut self, firm: &FirmId, id: &LinkId, settings: &LinkSettings) -> Result<bool, StoreError> {
        let now = self.now();
        let rows = self
            .exec(
                "update links set cursor = case when direction = $3 then cursor else null end, \
                 progress = case when direction = $3 then progress else null end, \
                 listed_ms = case when direction = $3 then listed_ms else null end, \
                 direction = $3, policy = $4, interval_ms = $5, changed_ms = $6, due_ms = $6, fence = fence + 1, \
                 lease_owner = null, lease_until_ms = null where firm_id = $1 and link_id = $2",
                args![firm, id, settings.direction.as_str(), json(&settings.policy), settings.interval_ms, now],
            )
            .await?;
        if rows == 1 && settings.direction.pushes() {
            self.queue_all(firm, id).await?;
        } else if rows == 1 {
            // Nothing goes out any more; what is to go out is found anew when the link pushes again.
            self.exec("delete from outbox where firm_id = $1 and link_id = $2", args![firm, id]).await?;
        }
        Ok(rows == 1)
    }

    /// Sets a link's status and why. One that is to rest loses its lease: a run that is under way does nothing more.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_link_status(
        &mut self,
        firm: &FirmId,
        id: &LinkId,
        status: LinkStatus,
        note: Option<&str>,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let rests = matches!(status, LinkStatus::Paused | LinkStatus::Detached);
        let lease = if rests { ", fence = fence + 1, lease_owner = null, lease_until_ms = null" } else { "" };
        let sql = format!(
            "update links set status = $3, status_note = $4, changed_ms = $5, due_ms = $5{lease} \
             where firm_id = $1 and link_id = $2"
        );
        let rows = self.exec(&sql, args![firm, id, status.as_str(), note, now]).await?;
        if rows == 1 && status == LinkStatus::Active {
            self.settle_stopped(firm, id.as_str()).await?;
        }
        if rows == 1 && rests {
            self.end_running(firm, RunsOf::Link(id), STOPPED).await?;
        }
        self.wake();
        Ok(rows == 1)
    }

    /// Takes up a detached link again: everything there and here is looked at anew, for its cursor does not tell of what
    /// was let go of meanwhile.
    ///
    /// # Errors
    /// The database failed.
    pub async fn reattach_link(&mut self, firm: &FirmId, id: &LinkId) -> Result<(), StoreError> {
        self.set_link_status(firm, id, LinkStatus::Active, None).await?;
        let sql =
            "update links set cursor = null, progress = null, listed_ms = null where firm_id = $1 and link_id = $2";
        self.exec(sql, args![firm, id]).await?;
        self.queue_all(firm, id).await.map(|_| ())
    }
}
