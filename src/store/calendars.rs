//! Calendars: which there are, who may do what with them, and their settings.

use super::sql::{Cells, StoreError, args};
use super::tx::{ReadTx, WriteTx};
use crate::domain::access::{Access, Caller, Right};
use crate::domain::calendar::{Calendar, CalendarSettings, ComponentSet, ScheduleTransparency, Seq};
use crate::domain::change::Cause;
use crate::domain::ids::{CalendarId, FirmId, Slug, UserId, UserName};

/// How many calendars a user may have: far beyond what people keep, and a listing of a home stays small.
pub const CALENDARS_PER_USER_MAX: i64 = 1_000;

/// Why a calendar cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// There is none of that name that this caller may know of.
    #[error("there is no such calendar")]
    NotFound,
    /// The caller may see it, but not do this.
    #[error("the right to {0:?} is missing")]
    Forbidden(Right),
    /// The name is taken.
    #[error("a calendar of that name exists")]
    Exists,
    /// The user has [`CALENDARS_PER_USER_MAX`].
    #[error("a user has at most {CALENDARS_PER_USER_MAX} calendars")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const COLUMNS: &str = "c.calendar_id, c.user_id, u.name, c.slug, c.display_name, c.description, c.color, \
     c.sort_order, c.timezone, c.components, c.transparent, c.seq, c.created_ms, c.modified_ms";

pub(super) fn calendar_of(row: &impl Cells) -> Result<Calendar, StoreError> {
    let transparency = if row.a_flag(10)? { ScheduleTransparency::Transparent } else { ScheduleTransparency::Opaque };
    Ok(Calendar {
        id: CalendarId::from_text(row.a_text(0)?),
        owner: UserId::from_text(row.a_text(1)?),
        owner_name: row.a_word(2, |t| UserName::parse(t).ok())?,
        slug: row.a_word(3, |t| Slug::parse(t).ok())?,
        settings: CalendarSettings {
            display_name: row.own_text(4)?,
            description: row.own_text(5)?,
            color: row.own_text(6)?,
            order: row.cell_int(7)?,
            timezone: row.own_text(8)?,
            components: row.a_word(9, |t| ComponentSet::from_names(t.split(' ')))?,
            transparency,
        },
        seq: Seq(row.an_int(11)?),
        created: row.an_instant(12)?,
        modified: row.an_instant(13)?,
    })
}

/// What a caller may do with a calendar at most. Sharing will add cases here and nowhere else.
fn right_of(caller: &Caller, calendar: &Calendar) -> Option<Right> {
    (calendar.owner == caller.user).then_some(Right::Own)
}

impl ReadTx {
    /// One calendar by its path, and the proof that the caller may do `right` with it.
    ///
    /// # Errors
    /// [`CalendarError::NotFound`] for whatever the caller may not know of; [`CalendarError::Forbidden`] for what
    /// they may see but not do, or what their credential does not allow.
    pub async fn calendar_for(
        &mut self,
        caller: &Caller,
        owner: &UserName,
        slug: &Slug,
        right: Right,
    ) -> Result<(Access, Calendar), CalendarError> {
        let sql = format!(
            "select {COLUMNS} from users u join calendars c on c.firm_id = u.firm_id and c.user_id = u.user_id \
             where u.firm_id = $1 and u.name = $2 and c.slug = $3"
        );
        let found = self.find(&sql, args![&caller.firm, owner, slug], |row| calendar_of(row)).await?;
        self.admit(caller, found, right)
    }

    /// One calendar by its id, and the proof that the caller may do `right` with it.
    ///
    /// # Errors
    /// As [`ReadTx::calendar_for`].
    pub async fn calendar_by_id(
        &mut self,
        caller: &Caller,
        id: &CalendarId,
        right: Right,
    ) -> Result<(Access, Calendar), CalendarError> {
        let sql = format!(
            "select {COLUMNS} from calendars c join users u on c.firm_id = u.firm_id and c.user_id = u.user_id \
             where c.firm_id = $1 and c.calendar_id = $2"
        );
        let found = self.find(&sql, args![&caller.firm, id], |row| calendar_of(row)).await?;
        self.admit(caller, found, right)
    }

    fn admit(
        &self,
        caller: &Caller,
        found: Option<Calendar>,
        right: Right,
    ) -> Result<(Access, Calendar), CalendarError> {
        let calendar = found.ok_or(CalendarError::NotFound)?;
        let has = right_of(caller, &calendar).ok_or(CalendarError::NotFound)?;
        if has < right || caller.most < right {
            return Err(CalendarError::Forbidden(right));
        }
        Ok((Access::checked(caller, &calendar, right), calendar))
    }

    /// Every calendar the caller may see in their home, in the order they set, each with the proof that they may
    /// read it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn calendars(&mut self, caller: &Caller) -> Result<Vec<(Access, Calendar)>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from calendars c join users u on c.firm_id = u.firm_id and c.user_id = u.user_id \
             where c.firm_id = $1 and c.user_id = $2 order by coalesce(c.sort_order, 9999), c.created_ms, c.slug limit $3"
        );
        let rows = self.all(&sql, args![&caller.firm, &caller.user, CALENDARS_PER_USER_MAX]).await?;
        rows.iter().map(|row| calendar_of(row).map(|c| (Access::checked(caller, &c, Right::Read), c))).collect()
    }
}

impl WriteTx {
    /// Makes a calendar in the caller's own home.
    ///
    /// # Errors
    /// [`CalendarError::Exists`], [`CalendarError::TooMany`], or the credential may only read.
    pub async fn create_calendar(
        &mut self,
        caller: &Caller,
        slug: &Slug,
        settings: &CalendarSettings,
    ) -> Result<(Access, Calendar), CalendarError> {
        if caller.most < Right::Own {
            return Err(CalendarError::Forbidden(Right::Own));
        }
        let count = self
            .first(
                "select count(*) from calendars where firm_id = $1 and user_id = $2",
                args![&caller.firm, &caller.user],
            )
            .await?;
        if count.map(|r| r.int(0)).transpose()?.unwrap_or(0) >= CALENDARS_PER_USER_MAX {
            return Err(CalendarError::TooMany);
        }
        if !self.insert_calendar(&caller.firm, &caller.user, slug, settings).await? {
            return Err(CalendarError::Exists);
        }
        self.calendar_for(caller, &caller.name, slug, Right::Own).await
    }

    pub(super) async fn insert_calendar(
        &mut self,
        firm: &FirmId,
        user: &UserId,
        slug: &Slug,
        settings: &CalendarSettings,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let id = CalendarId::new(now, self.random());
        let rows = self
            .exec(
                "insert into calendars (firm_id, calendar_id, user_id, slug, display_name, description, color, \
                 sort_order, timezone, components, transparent, seq, created_ms, modified_ms) \
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $12) \
                 on conflict (firm_id, user_id, slug) do nothing",
                args![
                    firm,
                    &id,
                    user,
                    slug,
                    &settings.display_name,
                    &settings.description,
                    &settings.color,
                    settings.order,
                    &settings.timezone,
                    settings.components.names().join(" "),
                    settings.transparency == ScheduleTransparency::Transparent,
                    now
                ],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Replaces a calendar's settings (not its component set, which is fixed at creation).
    ///
    /// # Errors
    /// [`CalendarError::Forbidden`] unless the access proves [`Right::Own`].
    pub async fn set_calendar(&mut self, access: &Access, settings: &CalendarSettings) -> Result<(), CalendarError> {
        demand(access, Right::Own)?;
        let now = self.now();
        self.exec(
            "update calendars set display_name = $3, description = $4, color = $5, sort_order = $6, timezone = $7, \
             transparent = $8, seq = seq + 1, modified_ms = $9 where firm_id = $1 and calendar_id = $2",
            args![
                access.firm(),
                access.calendar(),
                &settings.display_name,
                &settings.description,
                &settings.color,
                settings.order,
                &settings.timezone,
                settings.transparency == ScheduleTransparency::Transparent,
                now
            ],
        )
        .await?;
        Ok(())
    }

    /// Gives a calendar another name in paths. Its objects, history and sync tokens stay.
    ///
    /// # Errors
    /// [`CalendarError::Exists`] if the name is taken.
    pub async fn rename_calendar(&mut self, access: &Access, slug: &Slug) -> Result<(), CalendarError> {
        demand(access, Right::Own)?;
        let now = self.now();
        let rows = self
            .exec(
                "update calendars set slug = $3, seq = seq + 1, modified_ms = $4 \
                 where firm_id = $1 and calendar_id = $2 and not exists \
                 (select 1 from calendars x where x.firm_id = $1 and x.user_id = $5 and x.slug = $3)",
                args![access.firm(), access.calendar(), slug, now, access.owner()],
            )
            .await?;
        if rows == 1 { Ok(()) } else { Err(CalendarError::Exists) }
    }

    /// Deletes a calendar. Every object in it leaves its last version and can be restored into another calendar. Its links
    /// are detached: nothing is deleted at a provider because a calendar went.
    ///
    /// # Errors
    /// [`CalendarError::Forbidden`] unless the access proves [`Right::Own`].
    pub async fn delete_calendar(&mut self, access: &Access, cause: &Cause) -> Result<u64, CalendarError> {
        demand(access, Right::Own)?;
        // Locks the row on PostgreSQL, so that no object is put while its calendar goes.
        self.next_seq(access).await?;
        let deleted = self.bury_all(access, cause).await?;
        for sql in [
            "delete from outbox where firm_id = $1 and link_id in \
             (select link_id from links where firm_id = $1 and calendar_id = $2)",
            "update links set status = 'detached', status_note = 'its calendar was deleted here' \
             where firm_id = $1 and calendar_id = $2",
            "delete from objects where firm_id = $1 and calendar_id = $2",
            "delete from tombstones where firm_id = $1 and calendar_id = $2",
            "delete from properties where firm_id = $1 and resource_id = $2",
            "delete from calendars where firm_id = $1 and calendar_id = $2",
        ] {
            self.exec(sql, args![access.firm(), access.calendar()]).await?;
        }
        Ok(deleted)
    }

    /// Makes other writers of these calendars wait until this transaction ends, so that what is read from now on still
    /// holds when it is written. On SQLite they wait already.
    ///
    /// # Errors
    /// The database failed.
    pub async fn hold<'a>(&mut self, calendars: impl IntoIterator<Item = &'a Access>) -> Result<(), StoreError> {
        let mut calendars: Vec<&Access> = calendars.into_iter().collect();
        // In the order of their ids, so that two who hold the same cannot wait for each other.
        calendars.sort_by_key(|access| access.calendar());
        calendars.dedup_by_key(|access| access.calendar());
        for access in calendars {
            self.exec(
                "update calendars set seq = seq where firm_id = $1 and calendar_id = $2",
                args![access.firm(), access.calendar()],
            )
            .await?;
        }
        Ok(())
    }

    /// Counts one more change of the calendar. On PostgreSQL this locks its row until the end of the transaction,
    /// so that the order of numbers is the order of commits.
    pub(super) async fn next_seq(&mut self, access: &Access) -> Result<Seq, StoreError> {
        let now = self.now();
        let row = self
            .first(
                "update calendars set seq = seq + 1, modified_ms = $3 where firm_id = $1 and calendar_id = $2 \
                 returning seq",
                args![access.firm(), access.calendar(), now],
            )
            .await?;
        match row {
            Some(row) => Ok(Seq(row.int(0)?)),
            // Deleted since the access was checked, which only another node on PostgreSQL can do.
            None => Err(StoreError::Busy("the calendar is being deleted".into())),
        }
    }
}

/// Refuses an access that proves too little.
pub(super) fn demand(access: &Access, right: Right) -> Result<(), CalendarError> {
    if access.right() < right { Err(CalendarError::Forbidden(right)) } else { Ok(()) }
}

impl ReadTx {
    /// A user's calendars that make them busy.
    pub(super) async fn opaque_calendars(
        &mut self,
        firm: &FirmId,
        name: &UserName,
    ) -> Result<Vec<Calendar>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from users u join calendars c on c.firm_id = u.firm_id and c.user_id = u.user_id \
             where u.firm_id = $1 and u.name = $2 and c.transparent = 0 order by c.calendar_id limit $3"
        );
        let rows = self.all(&sql, args![firm, name, CALENDARS_PER_USER_MAX]).await?;
        rows.iter().map(calendar_of).collect()
    }
}
