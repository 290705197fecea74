//! What a feed shows, as far as columns decide: the owner's objects by kind, window and facts, with their bodies. One
//! pass over a calendar in the order of changes, after a measure that says how large it is.

use std::collections::HashMap;

use bytes::Bytes;

use super::sql::{Arg, Row, StoreError, args, placeholders};
use super::tx::ReadTx;
use crate::domain::access::Access;
use crate::domain::calendar::Seq;
use crate::domain::feed::FeedFilters;
use crate::domain::ids::{CalendarId, ObjectId};
use crate::domain::object::ComponentKind;
use crate::domain::time::Instant;

/// How many UIDs that lie in several calendars are told apart one by one; beyond it all of them are.
const SHARED_UIDS_MAX: i64 = 100_000;

/// Which objects of a calendar.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Of these kinds; empty: of all.
    pub kinds: Vec<ComponentKind>,
    /// That may overlap this stretch of time, or have no date; `None`: whenever they are. By the index, so never too
    /// few: whether an instance really does is for whoever reads the bytes.
    pub window: Option<(Instant, Instant)>,
    /// With these facts and categories.
    pub filters: FeedFilters,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The calendar's seq at its last change: where to go on.
    pub seq: Seq,
    /// Its id.
    pub id: ObjectId,
    /// Its UID.
    pub uid: String,
    /// When it was last changed.
    pub changed: Instant,
    /// Whether the index alone says that it overlaps the window.
    pub is_settled: bool,
    /// Whether it has one of the categories asked for.
    pub has_category: bool,
    /// Its bytes.
    pub bytes: Bytes,
}

/// How much a selection comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Objects.
    pub count: i64,
    /// Bytes of their bodies together.
    pub bytes: i64,
    /// Bytes of the largest body.
    pub largest_bytes: i64,
    /// The earliest start among them.
    pub first_start: Option<Instant>,
}

/// UIDs that lie in more than one of some calendars, and which of these keeps each: the oldest, so that the answer does
/// not depend on what is shown of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedUids {
    /// These, with their keepers.
    These(HashMap<String, CalendarId>),
    /// More than can be listed: any may be one, and the oldest calendar keeps them all.
    Any(CalendarId),
}

impl SharedUids {
    /// Whether an object of this calendar keeps its UID.
    #[must_use]
    pub fn keeps(&self, calendar: &CalendarId, uid: &str) -> bool {
        match self {
            SharedUids::These(keepers) => keepers.get(uid).is_none_or(|keeper| keeper == calendar),
            SharedUids::Any(keeper) => keeper == calendar,
        }
    }
}

impl Selection {
    /// Adds the condition and its values behind those that are there.
    fn condition(&self, values: &mut Vec<Arg>) -> String {
        let mut sql = String::new();
        if !self.kinds.is_empty() {
            sql += &format!(" and o.component in ({})", placeholders(values.len() + 1, self.kinds.len()));
            values.extend(self.kinds.iter().map(|kind| Arg::from(kind.name())));
        }
        if let Some((from, to)) = self.window {
            let at = values.len();
            sql += &format!(" and (o.ends_ms is null or (o.ends_ms >= ${} and o.starts_ms < ${}))", at + 1, at + 2);
            values.extend(args![from, to]);
        }
        let facts = [
            ("o.project_id", &self.filters.project_ids),
            ("o.staff_user_id", &self.filters.staff_user_ids),
            ("o.appointment_type", &self.filters.appointment_types),
            ("o.client_id", &self.filters.client_ids),
        ];
        for (column, wanted) in facts {
            if !wanted.is_empty() {
                sql += &format!(" and {column} in ({})", placeholders(values.len() + 1, wanted.len()));
                values.extend(wanted.iter().map(Arg::from));
            }
        }
        sql
    }

    /// Whether an object with these categories is among them, whatever the case of letters.
    fn takes_categories(&self, categories: &[String]) -> bool {
        let wanted = &self.filters.categories;
        wanted.is_empty() || wanted.iter().any(|w| categories.iter().any(|c| c.to_lowercase() == w.to_lowercase()))
    }

    /// Whether an object that lies there certainly overlaps the window: it does not repeat, and lies inside on both
    /// sides of the index's slack.
    fn settles(&self, row: &Row, starts: usize) -> Result<bool, StoreError> {
        let Some((from, to)) = self.window else { return Ok(true) };
        let (Some(starts_at), Some(ends_at)) = (row.opt_instant(starts)?, row.opt_instant(starts + 1)?) else {
            return Ok(true);
        };
        Ok(!row.flag(starts + 2)? && starts_at > from && ends_at < to)
    }
}

impl ReadTx {
    /// How much a selection comes to, categories left out of account.
    ///
    /// # Errors
    /// The database failed.
    pub async fn measure(&mut self, access: &Access, selection: &Selection) -> Result<Measure, StoreError> {
        let mut values = args![access.firm(), access.calendar()];
        let condition = selection.condition(&mut values);
        let sql = format!(
            "select count(*), cast(coalesce(sum(o.bytes_len), 0) as bigint), coalesce(max(o.bytes_len), 0), \
             min(o.starts_ms) from objects o where o.firm_id = $1 and o.calendar_id = $2{condition}"
        );
        let Some(row) = self.first(&sql, values).await? else { return Ok(Measure::default()) };
        Ok(Measure {
            count: row.int(0)?,
            bytes: row.int(1)?,
            largest_bytes: row.int(2)?,
            first_start: row.opt_instant(3)?,
        })
    }

    /// At most `limit` selected objects with their bodies, in the order of their last changes after `after`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn selected(
        &mut self,
        access: &Access,
        selection: &Selection,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<Selected>, StoreError> {
        let mut values = args![access.firm(), access.calendar(), after];
        let condition = selection.condition(&mut values);
        values.extend(args![i64::from(limit)]);
        let sql = format!(
            "select o.seq, o.object_id, o.uid, o.changed_ms, o.starts_ms, o.ends_ms, o.recurring, o.categories, o.data \
             from objects o where o.firm_id = $1 and o.calendar_id = $2 and o.seq > $3{condition} \
             order by o.seq limit ${}",
            values.len()
        );
        let by_category = !selection.filters.categories.is_empty();
        let one = |row: &Row| -> Result<Selected, StoreError> {
            let categories: Vec<String> = if by_category { row.json(7)? } else { Vec::new() };
            Ok(Selected {
                seq: Seq(row.int(0)?),
                id: ObjectId::from_text(row.text(1)?),
                uid: row.text(2)?,
                changed: row.instant(3)?,
                is_settled: selection.settles(row, 4)?,
                has_category: selection.takes_categories(&categories),
                bytes: Bytes::from(row.bytes(8)?),
            })
        };
        self.all(&sql, values).await?.iter().map(one).collect()
    }

    /// The UIDs that lie in more than one of these calendars of one firm.
    ///
    /// # Errors
    /// The database failed.
    pub async fn shared_uids(&mut self, calendars: &[&Access]) -> Result<SharedUids, StoreError> {
        let oldest = calendars.iter().map(|access| access.calendar()).min();
        let (Some(first), Some(oldest), true) = (calendars.first(), oldest, calendars.len() > 1) else {
            return Ok(SharedUids::These(HashMap::new()));
        };
        let mut values = args![first.firm()];
        values.extend(calendars.iter().map(|access| Arg::from(access.calendar())));
        values.extend(args![SHARED_UIDS_MAX]);
        let sql = format!(
            "select uid, min(calendar_id) from objects where firm_id = $1 and calendar_id in ({}) group by uid \
             having count(*) > 1 limit ${}",
            placeholders(2, calendars.len()),
            values.len()
        );
        let rows = self.all(&sql, values).await?;
        if i64::try_from(rows.len()).is_ok_and(|found| found >= SHARED_UIDS_MAX) {
            return Ok(SharedUids::Any(oldest.clone()));
        }
        let keepers = rows.iter().map(|row| Ok((row.text(0)?, CalendarId::from_text(row.text(1)?))));
        Ok(SharedUids::These(keepers.collect::<Result<_, StoreError>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_counts_on_from_the_values_that_are_there() {
        let selection = Selection {
            kinds: vec![ComponentKind::Event, ComponentKind::FreeBusy],
            window: Some((Instant::from_ms(1), Instant::from_ms(2))),
            filters: FeedFilters { client_ids: vec!["c".into(), "d".into()], ..FeedFilters::default() },
        };
        let mut values = args![1_i64, 2_i64];
        assert_eq!(
            selection.condition(&mut values),
            " and o.component in ($3, $4) and (o.ends_ms is null or (o.ends_ms >= $5 and o.starts_ms < $6)) \
             and o.client_id in ($7, $8)"
        );
        assert_eq!(values.len(), 8);
    }

    #[test]
    fn a_category_is_found_whatever_its_case() {
        let filters = FeedFilters { categories: vec!["ÜBUNG".into()], ..FeedFilters::default() };
        let selection = Selection { filters, ..Selection::default() };
        assert!(selection.takes_categories(&["other".into(), "Übung".into()]));
        assert!(!selection.takes_categories(&[]));
        assert!(Selection::default().takes_categories(&[]));
    }
}
