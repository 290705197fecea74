//! What may lie in a range of time, by the index alone. Neighbours: [`super::objects`] gives the bytes, by which whoever
//! asks decides; [`super::appointments`] asks in the same words.

use super::objects::name_of;
use super::sql::{Cells, LiveRow, StoreError, args};
use super::tx::ReadTx;
use crate::domain::access::Access;
use crate::domain::ids::ResourceName;
use crate::domain::object::{ComponentKind, ETag, Span};
use crate::domain::time::Instant;

/// An object that may lie in a time range, told by the index alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: ResourceName,
    /// Its tag.
    pub etag: ETag,
    /// Where it lies; `None`: undated.
    pub span: Option<Span>,
    /// Whether it has more than one instance, so that the span alone does not decide.
    pub recurring: bool,
    /// Whether it is all-day.
    pub all_day: bool,
    /// Whether TRANSP is TRANSPARENT.
    pub transparent: bool,
    /// STATUS in upper case.
    pub status: Option<String>,
}

const CANDIDATE_COLUMNS: &str = "etag, starts_ms, ends_ms, floating, recurring, all_day, transparent, status";

/// A page of candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// In the order of their names.
    pub found: Vec<Candidate>,
    /// Whether there may be more after the last of them.
    pub more: bool,
}

/// All of a calendar, walked in the order of names, which is that of its rows.
fn candidates_by_name() -> String {
    format!(
        "select name, {CANDIDATE_COLUMNS} from objects where firm_id = $1 and calendar_id = $2 and component = $3 \
         and name > $4 order by name limit $5"
    )
}

/// An object from its first start to its last end is short below this, 32 days, and long from there on. Two indexes know
/// them apart: a short one that overlaps a range begins near it, so that neither what was nor what will be is looked at.
/// Long ones, mostly series, are few, and looked at unless they are over. The indexes say the same in their own words
/// (`migrations/0009_short_and_long.sql`), and no database takes them for conditions in others.
const SHORT_MS: i64 = 2_764_800_000;
/// The condition of short ones, for statements in which `from` is the range's beginning, `to` its end and `near` is
/// [`near`] of its beginning.
pub(super) fn short(from: &str, to: &str, near: &str) -> String {
    format!("ends_ms < starts_ms + {SHORT_MS} and starts_ms > {near} and starts_ms <= {to} and ends_ms >= {from}")
}

/// The condition of long ones; see [`short`].
pub(super) fn long(from: &str, to: &str) -> String {
    format!("ends_ms >= starts_ms + {SHORT_MS} and ends_ms >= {from} and starts_ms <= {to}")
}

/// Before when no short object begins that overlaps a range.
pub(super) fn near(from: Instant) -> Instant {
    from.plus_ms(-SHORT_MS)
}

/// What lies in a range, found in the indexes of short and long objects. `order` puts it into the order of names
/// afterwards: who walks the names looks at every row. Joined to nothing, a name is no longer what the rows are in the
/// order of, and no planner is tempted to.
fn candidates_by_span(order: &str) -> String {
    let of = "from objects where firm_id = $1 and calendar_id = $2 and component = $3 and name || '' > $4 and";
    let columns = format!("name || '' as name, {CANDIDATE_COLUMNS}");
    let (short, long) = (short("$6", "$7", "$8"), long("$6", "$7"));
    format!(
        "select name, {CANDIDATE_COLUMNS} from (select {columns} {of} {short} union all select {columns} {of} {long} \
         union all select {columns} {of} ends_ms is null) as found {order} limit $5"
    )
}

impl ReadTx {
    /// Objects of one kind that may have an instance that ends after `from` and starts before `to`, and those
    /// without any date. At most `limit`, in the order of their names after `after`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn candidates(
        &mut self,
        access: &Access,
        component: ComponentKind,
        (from, to): (Instant, Instant),
        after: Option<&ResourceName>,
        limit: u32,
    ) -> Result<Candidates, StoreError> {
        let is_everything = from == Instant::FAR_PAST && to == Instant::FAR_FUTURE;
        let most = i64::from(limit);
        let values = |after: &str| {
            let mut values = args![access.firm(), access.calendar(), component.name(), after, most];
            if !is_everything {
                values.extend(args![from, to, near(from)]);
            }
            values
        };
        let is_full = |found: &[Candidate]| found.len() >= limit as usize;
        if !is_everything && after.is_none() {
            // Nearly always all of it, which the database need not put in order to cut it off.
            let mut found = self.gather(&candidates_by_span(""), values(""), candidate_of).await?;
            if !is_full(&found) {
                found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
                return Ok(Candidates { found, more: false });
            }
        }
        let sql = if is_everything { candidates_by_name() } else { candidates_by_span("order by name") };
        let found = self.gather(&sql, values(after.map_or("", ResourceName::as_str)), candidate_of).await?;
        let more = is_full(&found);
        Ok(Candidates { found, more })
    }
}

fn candidate_of(row: &LiveRow<'_>) -> Result<Candidate, StoreError> {
    Ok(Candidate {
        name: name_of(row, 0)?,
        etag: ETag::new(row.a_text(1)?),
        span: span_of(row, 2)?,
        recurring: row.an_int(5)? != 0,
        all_day: row.an_int(6)? != 0,
        transparent: row.an_int(7)? != 0,
        status: row.cell_text(8)?.map(str::to_owned),
    })
}

/// Where an object lies, from its index columns.
fn span_of(row: &LiveRow<'_>, starts: usize) -> Result<Option<Span>, StoreError> {
    let floating = row.an_int(starts + 2)? != 0;
    let at = |column| Ok::<_, StoreError>(row.cell_int(column)?.map(Instant::from_ms));
    Ok(match (at(starts)?, at(starts + 1)?) {
        (Some(s), Some(e)) => Some(Span { starts: s, ends: (e != Instant::FAR_FUTURE).then_some(e), floating }),
        _ => None,
    })
}
