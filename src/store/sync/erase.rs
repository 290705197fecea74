//! Erasing what was synced: events that came from providers with their past, mappings, tokens, runs, attempts.

use crate::domain::ids::{FirmId, UserId};
use crate::store::sql::{StoreError, args};
use crate::store::tx::WriteTx;

/// How many rows were erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Appointments that had come from a provider.
    pub appointments: u64,
    /// Their past states.
    pub versions: u64,
    /// Mappings.
    pub mappings: u64,
    /// Links.
    pub links: u64,
    /// Connections.
    pub connections: u64,
    /// Runs and the attempts in them.
    pub records: u64,
}

impl WriteTx {
    /// Erases everything that a user has by syncing: the appointments that came from a provider, with their versions;
    /// connections with their secrets, links, mappings, outboxes, runs, attempts, conflicts, channels, notices, and whom they
    /// invited. What was
    /// made here stays, and nothing is deleted at a provider. CalDAV clients see the appointments as deleted.
    ///
    /// # Errors
    /// The database failed; nothing was erased.
    pub async fn erase_synced(&mut self, firm: &FirmId, user: &UserId) -> Result<Erased, StoreError> {
        let now = self.now();
        let links = "(select link_id from links where firm_id = $1 and user_id = $2)";
        // Also what lies in another calendar of the user's by now, or was deleted: a mapping knows its object for ever.
        let objects = format!(
            "(select m.object_id from mappings m where m.firm_id = $1 and m.link_id in {links} and m.origin = 'there' \
             and m.object_id is not null)"
        );
        let calendars = "(select calendar_id from calendars where firm_id = $1 and user_id = $2)";
        let here = format!("firm_id = $1 and calendar_id in {calendars} and object_id in {objects}");

        // Whom the user's appointments invited; the ledger knows them by UID only, so what another user has too stays.
        self.exec(
            &format!(
                "delete from mail_ledger where firm_id = $1 and uid in (select v.uid from (select firm_id, object_id, uid \
                 from objects where firm_id = $1 union select firm_id, object_id, uid from versions where firm_id = $1) v \
                 join mappings m on m.firm_id = v.firm_id and m.object_id = v.object_id where m.link_id in {links}) \
                 and uid not in (select o.uid from objects o join calendars c on c.firm_id = o.firm_id \
                 and c.calendar_id = o.calendar_id where o.firm_id = $1 and c.user_id <> $2)"
            ),
            args![firm, user],
        )
        .await?;

        // A seq of its own for each calendar's deletions, as for any other change.
        self.exec(
            &format!(
                "update calendars set seq = seq + 1, modified_ms = $3 where firm_id = $1 and user_id = $2 \
                 and calendar_id in (select calendar_id from objects where {here})"
            ),
            args![firm, user, now],
        )
        .await?;
        self.exec(
            &format!(
                // Without the UID: the name is all that a client needs in order to forget it too.
                "insert into tombstones (firm_id, calendar_id, name, seq, object_id, uid, moved, deleted_ms) \
                 select o.firm_id, o.calendar_id, o.name, c.seq, o.object_id, '', 0, $3 from objects o \
                 join calendars c on c.firm_id = o.firm_id and c.calendar_id = o.calendar_id \
                 where o.firm_id = $1 and c.user_id = $2 and o.object_id in {objects}"
            ),
            args![firm, user, now],
        )
        .await?;
        let sql = format!("delete from properties where firm_id = $1 and resource_id in {objects}");
        self.exec(&sql, args![firm, user]).await?;
        let sql = format!("update tombstones set uid = '' where firm_id = $1 and object_id in {objects}");
        self.exec(&sql, args![firm, user]).await?;
        let mut erased = Erased {
            appointments: self.exec(&format!("delete from objects where {here}"), args![firm, user]).await?,
            versions: self
                .exec(
                    &format!("delete from versions where firm_id = $1 and user_id = $2 and object_id in {objects}"),
                    args![firm, user],
                )
                .await?,
            ..Erased::default()
        };
        for table in ["outbox", "channels", "conflicts", "run_items"] {
            self.exec(&format!("delete from {table} where firm_id = $1 and link_id in {links}"), args![firm, user])
                .await?;
        }
        erased.records = self.remove_attempts_of(firm, user).await?;
        let sql = format!("delete from runs where firm_id = $1 and link_id in {links}");
        erased.records += self.exec(&sql, args![firm, user]).await?;
        let sql = format!("delete from mappings where firm_id = $1 and link_id in {links}");
        erased.mappings = self.exec(&sql, args![firm, user]).await?;
        let sql = "delete from notifications where firm_id = $1 and notice_id in \
             (select notice_id from notices where firm_id = $1 and user_id = $2)";
        self.exec(sql, args![firm, user]).await?;
        for (table, count) in [
            ("oauth_states", None),
            ("notices", None),
            ("links", Some(&mut erased.links)),
            ("connections", Some(&mut erased.connections)),
        ] {
            let sql = format!("delete from {table} where firm_id = $1 and user_id = $2");
            let rows = self.exec(&sql, args![firm, user]).await?;
            if let Some(count) = count {
                *count = rows;
            }
        }
        Ok(erased)
    }
}
