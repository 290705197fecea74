//! Calendar objects that are VEVENTs, as the API lists them: by time, calendar, facts, status, origin and text,
//! over all calendars of the caller, in pages with totals.

use super::accounts::User;
use super::candidates::{long, near, short};
use super::objects::{HEAD_COLUMNS, HEAD_LEN, ObjectHead, head_of};
use super::sql::{Arg, StoreError, args};
use super::tx::ReadTx;
use crate::domain::access::{Caller, Role};
use crate::domain::calendar::Calendar;
use crate::domain::ids::{CalendarId, Slug, UserName};
use crate::domain::time::Instant;
use bytes::Bytes;

/// What to list; `None` means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppointmentFilter {
    /// In one calendar, by its id.
    pub calendar: Option<CalendarId>,
    /// That may have an instance which ends after this.
    pub from: Option<Instant>,
    /// That may have an instance which starts before this.
    pub to: Option<Instant>,
    /// Of this type.
    pub appointment_type: Option<String>,
    /// Of this client.
    pub client_id: Option<String>,
    /// Held by this member of staff.
    pub staff_user_id: Option<String>,
    /// Of this project.
    pub project_id: Option<String>,
    /// With this STATUS, in upper case; an appointment without one counts as CONFIRMED.
    pub status: Option<String>,
    /// From there.
    pub origin: Option<String>,
    /// With this in title, location or notes, whatever the case.
    pub text: Option<String>,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many at most.
    pub limit: u32,
    /// How many to skip.
    pub offset: u32,
}

/// An appointment in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppointmentRow {
    /// Everything but the bytes.
    pub head: ObjectHead,
    /// The bytes.
    pub bytes: Bytes,
    /// The calendar.
    pub calendar: CalendarId,
    /// The calendar's owner.
    pub owner_name: UserName,
    /// The calendar's name in paths.
    pub slug: Slug,
}

impl AppointmentFilter {
    /// The condition and its values, `$3` and on.
    fn condition(&self) -> (String, Vec<Arg>) {
        let mut sql = String::new();
        let mut values: Vec<Arg> = Vec::new();
        let mut add = |text: &str, value: Arg| {
            values.push(value);
            sql.push_str(&text.replace('?', &format!("${}", values.len() + 2)));
        };
        let words = [
            (" and o.appointment_type = ?", &self.appointment_type),
            (" and o.client_id = ?", &self.client_id),
            (" and o.staff_user_id = ?", &self.staff_user_id),
            (" and o.project_id = ?", &self.project_id),
            (" and coalesce(o.status, 'CONFIRMED') = ?", &self.status),
            (" and o.origin = ?", &self.origin),
        ];
        for (text, value) in words {
            if let Some(value) = value {
                add(text, value.into());
            }
        }
        if let Some(calendar) = &self.calendar {
            add(" and o.calendar_id = ?", calendar.into());
        }
        if let Some(from) = self.from {
            add(" and o.ends_ms >= ?", from.into());
        }
        if let Some(to) = self.to {
            add(" and o.starts_ms <= ?", to.into());
        }
        if let Some(text) = &self.text {
            add(" and o.search_text like ? escape '!'", like(text).into());
        }
        (sql, values)
    }
}

/// A pattern that finds `text` anywhere, whatever it holds.
fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl ReadTx {
    /// The caller's appointments that the filter lets through, by first start, and how many there are in all. The
    /// time range is the index's: a recurring one may turn out to have no instance in it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn appointments(
        &mut self,
        caller: &Caller,
        filter: &AppointmentFilter,
        page: Page,
    ) -> Result<(Vec<AppointmentRow>, i64), StoreError> {
        let (condition, values) = filter.condition();
        let tables = "objects o join calendars c on c.firm_id = o.firm_id and c.calendar_id = o.calendar_id \
             join users u on u.firm_id = c.firm_id and u.user_id = c.user_id \
             where o.firm_id = $1 and c.user_id = $2 and o.component = 'VEVENT'";
        let mut count_values = args![&caller.firm, &caller.user];
        count_values.extend(values);
        let mut page_values = count_values.clone();
        let total = self.first(&format!("select count(*) from {tables}{condition}"), count_values).await?;
        let at = page_values.len();
        page_values.extend(args![i64::from(page.limit), i64::from(page.offset)]);
        let sql = format!(
            "select {HEAD_COLUMNS}, o.data, o.calendar_id, u.name, c.slug from {tables}{condition} \
             order by o.starts_ms, o.object_id limit ${} offset ${}",
            at + 1,
            at + 2
        );
        let rows = self.all(&sql, page_values).await?;
        let rows = rows
            .iter()
            .map(|r| {
                Ok(AppointmentRow {
                    head: head_of(r)?,
                    bytes: Bytes::from(r.bytes(HEAD_LEN)?),
                    calendar: CalendarId::from_text(r.text(HEAD_LEN + 1)?),
                    owner_name: r.word(HEAD_LEN + 2, |t| UserName::parse(t).ok())?,
                    slug: r.word(HEAD_LEN + 3, |t| Slug::parse(t).ok())?,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok((rows, total.map(|r| r.int(0)).transpose()?.unwrap_or(0)))
    }

    /// The calendars whose appointments make a user busy, for availability: all of theirs that are not transparent.
    /// Empty unless the user is the caller or works for the same firm; when a client is busy, only they may know.
    ///
    /// # Errors
    /// The database failed.
    pub async fn busy_calendars(&mut self, caller: &Caller, user: &User) -> Result<Vec<Calendar>, StoreError> {
        if user.firm != caller.firm || (user.role == Role::Client && user.id != caller.user) {
            return Ok(Vec::new());
        }
        self.opaque_calendars(&caller.firm, &user.name).await
    }

    /// The objects of one of those calendars that may make busy between `from` and `to`: their bytes.
    ///
    /// # Errors
    /// The database failed.
    pub async fn busy_objects(
        &mut self,
        caller: &Caller,
        calendar: &CalendarId,
        (from, to): (Instant, Instant),
        limit: u32,
    ) -> Result<Vec<Bytes>, StoreError> {
        let of = "select data, starts_ms from objects where firm_id = $1 and calendar_id = $2 \
                  and component in ('VEVENT', 'VFREEBUSY') and";
        let (short, long) = (short("$3", "$4", "$6"), long("$3", "$4"));
        let sql = format!("select data from ({of} {short} union all {of} {long}) as found order by starts_ms limit $5");
        let values = args![&caller.firm, calendar, from, to, i64::from(limit), near(from)];
        let rows = self.all(&sql, values).await?;
        rows.iter().map(|r| r.bytes(0).map(Bytes::from)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_its_text_literally() {
        assert_eq!(like("50% Off_!"), "%50!% off!_!!%");
    }

    #[test]
    fn placeholders_follow_their_values() {
        let filter = AppointmentFilter {
            client_id: Some("c".into()),
            from: Some(Instant::from_ms(1)),
            ..AppointmentFilter::default()
        };
        let (sql, values) = filter.condition();
        assert_eq!(sql, " and o.client_id = $3 and o.ends_ms >= $4");
        assert_eq!(values.len(), 2);
    }
}
