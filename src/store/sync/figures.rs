//! Figures of a user's links, for the status: one look for all of them.

use std::collections::{BTreeMap, HashMap};

use super::mappings::MappingCounts;
use crate::domain::ids::{FirmId, LinkId, ObjectId, UserId};
use crate::domain::sync::apart;
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
    /// What is told of its appointments.
    pub warnings: Vec<Warning>,
}

/// What is told of some appointments of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The sentence.
    pub text: String,
    /// Of how many it is told.
    pub count: i64,
    /// One of them.
    pub object: Option<ObjectId>,
}

impl Warning {
    /// The sentence, and of how many it is told.
    #[must_use]
    pub fn told(&self) -> String {
        match self.count {
            1 => format!("1 appointment: {}", self.text),
            count => format!("{count} appointments: {}", self.text),
        }
    }
}

/// Counts what rows of warnings, a number and one of the objects say, the most frequent sentence first.
fn warnings_of<'a>(rows: impl Iterator<Item = &'a Row>, at: usize) -> Result<Vec<Warning>, StoreError> {
    let mut told: BTreeMap<String, (i64, Option<ObjectId>)> = BTreeMap::new();
    for row in rows {
        let sentences: Vec<String> = serde_json::from_str(&row.text(at)?).unwrap_or_default();
        let (count, object) = (row.int(at + 1)?, row.opt_text(at + 2)?);
        for sentence in sentences {
            let one = told.entry(sentence).or_default();
            one.0 += count;
            if one.1.is_none() {
                one.1 = object.clone().map(|id| apart::whole(&ObjectId::from_text(id)));
            }
        }
    }
    let mut all: Vec<Warning> =
        told.into_iter().map(|(text, (count, object))| Warning { text, count, object }).collect();
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
    all.truncate(WARNINGS_MAX);
    Ok(all)
}

/// Sentences that are told of one link: a provider has a dozen of its own, and what it refuses it says in a few more.
const WARNINGS_MAX: usize = 50;

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
        // A sentence about a mapping that is gone is told no more.
        let warnings = format!(
            "select link_id, warnings, count(*), min(object_id) from mappings where firm_id = $1 and warnings is not null \
             and word <> 'tombstoned' and link_id {links} group by link_id, warnings order by link_id limit $3"
        );
        let rows = self.all(&warnings, args![firm, user, ROWS_MAX]).await?;
        let ids = rows.iter().map(of).collect::<Result<Vec<_>, _>>()?;
        for (id, same) in ids.iter().zip(&rows).fold(HashMap::<&LinkId, Vec<&Row>>::new(), |mut by, (id, row)| {
            by.entry(id).or_default().push(row);
            by
        }) {
            figures.entry(id.clone()).or_default().warnings = warnings_of(same.into_iter(), 1)?;
        }
        Ok(figures)
    }

    /// What is told of the appointments of one link.
    ///
    /// # Errors
    /// The database failed.
    pub async fn link_warnings(&mut self, firm: &FirmId, link: &LinkId) -> Result<Vec<Warning>, StoreError> {
        let rows = self
            .all(
                "select warnings, count(*), min(object_id) from mappings where firm_id = $1 and link_id = $2 \
                 and warnings is not null and word <> 'tombstoned' group by warnings limit $3",
                args![firm, link, ROWS_MAX],
            )
            .await?;
        warnings_of(rows.iter(), 0)
    }
}
