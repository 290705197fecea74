//! Figures of a user's links, for the status: one look for all of them.

use std::collections::HashMap;

use super::mappings::MappingCounts;
use crate::domain::ids::{FirmId, LinkId, UserId};
use crate::domain::time::Instant;
use crate::store::sql::{Row, StoreError, args};
use crate::store::tx::ReadTx;

/// How one link stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFigures {
    /// Its mappings.
    pub mappings: MappingCounts,
    /// Rows in its outbox, and since when the oldest waits.
    pub waiting: (i64, Option<Instant>),
    /// Conflicts that wait for a decision.
    pub open_conflicts: i64,
    /// Why its latest run was partial or failed.
    pub last_error: Option<String>,
}

/// Links of a user, times words of a mapping.
const ROWS_MAX: i64 = 10_000;

impl ReadTx {
    /// The figures of a user's links that have any.
    ///
    /// # Errors
    /// The database failed.
    pub async fn link_figures(
        &mut self,
        firm: &FirmId,
        user: &UserId,
    ) -> Result<HashMap<LinkId, LinkFigures>, StoreError> {
        let mut figures: HashMap<LinkId, LinkFigures> = HashMap::new();
        let of = |row: &Row| row.text(0).map(LinkId::from_text);
        let links = "in (select link_id from links where firm_id = $1 and user_id = $2)";
        let grouped = format!(
            "select link_id, word, count(*) from mappings where firm_id = $1 and link_id {links} \
             group by link_id, word limit $3"
        );
        for row in &self.all(&grouped, args![firm, user, ROWS_MAX]).await? {
            figures.entry(of(row)?).or_default().mappings.add(&row.text(1)?, row.int(2)?);
        }
        let waiting = format!(
            "select link_id, count(*), min(queued_ms) from outbox where firm_id = $1 and link_id {links} \
             group by link_id limit $3"
        );
        for row in &self.all(&waiting, args![firm, user, ROWS_MAX]).await? {
            figures.entry(of(row)?).or_default().waiting = (row.int(1)?, row.opt_instant(2)?);
        }
        let conflicts = "select link_id, count(*) from conflicts where firm_id = $1 and user_id = $2 \
             and resolved_ms is null group by link_id limit $3";
        for row in &self.all(conflicts, args![firm, user, ROWS_MAX]).await? {
            figures.entry(of(row)?).or_default().open_conflicts = row.int(1)?;
        }
        let errors = "select r.link_id, r.error_summary from runs r where r.firm_id = $1 and r.user_id = $2 \
             and r.run_id = (select max(n.run_id) from runs n where n.firm_id = r.firm_id and n.link_id = r.link_id \
             and n.status <> 'running') limit $3";
        for row in &self.all(errors, args![firm, user, ROWS_MAX]).await? {
            figures.entry(of(row)?).or_default().last_error = row.opt_text(1)?;
        }
        Ok(figures)
    }
}
