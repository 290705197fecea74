//! What `kalends doctor` knows of rows without the rows that they belong to.

use super::backup::tables_of_firms;
use super::doctor::Report;
use super::sql::{StoreError, args};
use super::tx::ReadTx;

/// Tables whose rows are somebody's.
const OF_USERS: [&str; 6] = ["app_passwords", "api_tokens", "sessions", "connections", "links", "notices"];
/// Tables whose rows belong to a link, which stays as long as any of them do.
const OF_LINKS: [&str; 6] = ["mappings", "outbox", "channels", "conflicts", "runs", "attempts"];

/// Queries whose every row is a finding: check, sentence, query giving one text.
const ORPHANS: [(&str, &str, &str); 11] = [
    (
        "orphan_object",
        "its calendar does not exist",
        "select object_id from objects o where not exists (select 1 from calendars c where c.firm_id = o.firm_id \
         and c.calendar_id = o.calendar_id) limit 100",
    ),
    (
        "orphan_tombstone",
        "its calendar does not exist",
        "select name from tombstones t where not exists (select 1 from calendars c where c.firm_id = t.firm_id \
         and c.calendar_id = t.calendar_id) limit 100",
    ),
    (
        "tombstone_of_the_living",
        "the name is both present and gone",
        "select t.name from tombstones t join objects o on o.firm_id = t.firm_id and o.calendar_id = t.calendar_id \
         and o.name = t.name limit 100",
    ),
    (
        "object_ahead_of_calendar",
        "its seq is beyond its calendar's",
        "select o.object_id from objects o join calendars c on c.firm_id = o.firm_id \
         and c.calendar_id = o.calendar_id where o.seq > c.seq limit 100",
    ),
    (
        "tombstone_ahead_of_calendar",
        "its seq is beyond its calendar's",
        "select t.name from tombstones t join calendars c on c.firm_id = t.firm_id \
         and c.calendar_id = t.calendar_id where t.seq > c.seq limit 100",
    ),
    (
        "seq_used_twice",
        "two objects have one seq",
        "select o.object_id from objects o join objects p on p.firm_id = o.firm_id \
         and p.calendar_id = o.calendar_id and p.seq = o.seq and p.name < o.name limit 100",
    ),
    (
        "version_gap",
        "the history before the present state is not complete",
        "select o.object_id from objects o where o.version > 1 and not exists (select 1 from versions v \
         where v.firm_id = o.firm_id and v.object_id = o.object_id and v.version = o.version - 1) \
         and exists (select 1 from versions v where v.firm_id = o.firm_id and v.object_id = o.object_id) limit 100",
    ),
    (
        "orphan_calendar",
        "its owner does not exist",
        "select calendar_id from calendars c where not exists (select 1 from users u where u.firm_id = c.firm_id \
         and u.user_id = c.user_id) limit 100",
    ),
    (
        "orphan_link",
        "its connection does not exist",
        "select link_id from links l where not exists (select 1 from connections k where k.firm_id = l.firm_id \
         and k.connection_id = l.connection_id) limit 100",
    ),
    (
        "audit_chain",
        "audit events of a firm that does not exist",
        "select distinct firm_id from audit_events e where not exists (select 1 from firms f \
         where f.firm_id = e.firm_id) limit 100",
    ),
    (
        "audit_chain",
        "the end of an audit trail of a firm that does not exist",
        "select firm_id from audit_heads h where not exists (select 1 from firms f where f.firm_id = h.firm_id) limit 100",
    ),
];

impl ReadTx {
    /// Rows without what they belong to. One that cannot be read is told, and the rest is looked at.
    pub(super) async fn check_orphans(&mut self, report: &mut Report) -> Result<(), StoreError> {
        for (check, what, sql) in ORPHANS {
            let done = self.check_each(check, what, sql, report).await;
            report.unreadable(check, "the rows it is about".to_owned(), done)?;
        }
        let of = |check: &'static str, owner: &'static str, column: &'static str, whose: &'static str| {
            move |table: &'static str| (check, owner, column, whose, table)
        };
        let firms = tables_of_firms().filter(|table| !table.starts_with("audit_"));
        let all = firms
            .map(of("orphan_of_firm", "firms", "firm_id", "its firm"))
            .chain(OF_USERS.into_iter().map(of("orphan_of_user", "users", "user_id", "its user")))
            .chain(OF_LINKS.into_iter().map(of("orphan_of_link", "links", "link_id", "its link")));
        for (check, owner, column, whose, table) in all {
            let sql = format!(
                "select {column}, count(*) from {table} t where not exists (select 1 from {owner} o \
                 where o.firm_id = t.firm_id and o.{column} = t.{column}) group by {column} order by {column} limit 100"
            );
            let done = self.check_owners((check, table, whose), &sql, report).await;
            report.unreadable(check, table.to_owned(), done)?;
        }
        Ok(())
    }

    async fn check_each(
        &mut self,
        check: &'static str,
        what: &str,
        sql: &'static str,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        for row in self.all(sql, args![]).await? {
            report.found(check, row.text(0)?, what);
        }
        Ok(())
    }

    async fn check_owners(
        &mut self,
        (check, table, whose): (&'static str, &str, &str),
        sql: &str,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        for row in self.all(sql, args![]).await? {
            let what = format!("{whose} does not exist ({} of {})", row.int(1)?, row.text(0)?);
            report.found(check, table.to_owned(), what);
        }
        Ok(())
    }
}
