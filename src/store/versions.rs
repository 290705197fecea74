//! An object's past: every state it had, who caused it, and the way back.

use bytes::Bytes;

use super::objects::{facts_of, name_of};
use super::sql::{Row, StoreError, args};
use super::tx::ReadTx;
use crate::domain::access::Caller;
use crate::domain::appointment::Facts;
use crate::domain::change::{Cause, ChangeKind};
use crate::domain::ids::{CalendarId, FirmId, ObjectId, ResourceName};
use crate::domain::object::{ComponentKind, ETag};
use crate::domain::time::Instant;

/// One state of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The object.
    pub object: ObjectId,
    /// Its number, from 1.
    pub number: i64,
    /// What happened.
    pub kind: ChangeKind,
    /// Where the object was.
    pub calendar: CalendarId,
    /// Under which name.
    pub name: ResourceName,
    /// Its UID.
    pub uid: String,
    /// The tag of its bytes; `None` for a deletion.
    pub etag: Option<ETag>,
    /// Who or what caused it.
    pub cause: Cause,
    /// When.
    pub at: Instant,
    /// Whether this is the present state.
    pub current: bool,
}

/// A state's content, to show or to put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionData {
    /// The state.
    pub version: Version,
    /// Its bytes; `None` for a deletion.
    pub bytes: Option<Bytes>,
    /// Its facts.
    pub facts: Facts,
}

const PAST: &str =
    "v.object_id, v.version, v.kind, v.calendar_id, v.name, v.uid, v.etag, v.cause, v.at_ms, cast(0 as bigint)";
const PRESENT: &str =
    "o.object_id, o.version, o.kind, o.calendar_id, o.name, o.uid, o.etag, o.cause, o.changed_ms, cast(1 as bigint)";

fn version_of(row: &Row) -> Result<Version, StoreError> {
    Ok(Version {
        object: ObjectId::from_text(row.text(0)?),
        number: row.int(1)?,
        kind: row.word(2, ChangeKind::parse)?,
        calendar: CalendarId::from_text(row.text(3)?),
        name: name_of(row, 4)?,
        uid: row.text(5)?,
        etag: row.opt_text(6)?.map(ETag::new),
        cause: row.json(7)?,
        at: row.instant(8)?,
        current: row.flag(9)?,
    })
}

impl ReadTx {
    /// The states of one of the caller's objects, newest first, at most `limit` of those before the number
    /// `before`. Empty for objects that are not the caller's.
    ///
    /// # Errors
    /// The database failed.
    pub async fn history(
        &mut self,
        caller: &Caller,
        object: &ObjectId,
        before: i64,
        limit: u32,
    ) -> Result<Vec<Version>, StoreError> {
        let sql = format!(
            "select {PAST} from versions v where v.firm_id = $1 and v.object_id = $2 and v.user_id = $3 \
             and v.version < $4 \
             union all select {PRESENT} from objects o join calendars c on c.firm_id = o.firm_id \
             and c.calendar_id = o.calendar_id where o.firm_id = $1 and o.object_id = $2 and c.user_id = $3 \
             and o.version < $4 order by 2 desc limit $5"
        );
        let rows = self.all(&sql, args![&caller.firm, object, &caller.user, before, i64::from(limit)]).await?;
        rows.iter().map(version_of).collect()
    }

    /// One past or present state of one of the caller's objects.
    ///
    /// # Errors
    /// The database failed.
    pub async fn version(
        &mut self,
        caller: &Caller,
        object: &ObjectId,
        number: i64,
    ) -> Result<Option<VersionData>, StoreError> {
        let facts = |t: &str| format!("{t}.appointment_type, {t}.client_id, {t}.staff_user_id, {t}.project_id");
        let sql = format!(
            "select {PAST}, v.data, {} from versions v where v.firm_id = $1 and v.object_id = $2 and v.user_id = $3 \
             and v.version = $4 \
             union all select {PRESENT}, o.data, {} from objects o join calendars c on c.firm_id = o.firm_id \
             and c.calendar_id = o.calendar_id where o.firm_id = $1 and o.object_id = $2 and c.user_id = $3 \
             and o.version = $4 limit 1",
            facts("v"),
            facts("o")
        );
        let row = self.first(&sql, args![&caller.firm, object, &caller.user, number]).await?;
        row.map(|r| {
            Ok(VersionData {
                version: version_of(&r)?,
                bytes: r.opt_bytes(10)?.map(Bytes::from),
                facts: facts_of(&r, 11)?,
            })
        })
        .transpose()
    }

    /// Who or what caused an object's present state; `None`: it is not there.
    ///
    /// # Errors
    /// The database failed.
    pub async fn present_cause(&mut self, firm: &FirmId, object: &ObjectId) -> Result<Option<Cause>, StoreError> {
        let sql = "select cause from objects where firm_id = $1 and object_id = $2";
        self.first(sql, args![firm, object]).await?.map(|r| r.json(0)).transpose()
    }

    /// The caller's deleted objects of one kind that can still be restored, latest deletion first, each with the title
    /// it had, and how many there are in all.
    ///
    /// # Errors
    /// The database failed.
    pub async fn deleted(
        &mut self,
        caller: &Caller,
        kind: ComponentKind,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<(Version, Option<String>)>, i64), StoreError> {
        let deleted = "versions v where v.firm_id = $1 and v.user_id = $2 and v.kind = 'deleted' and v.component = $3 \
             and not exists (select 1 from versions n where n.firm_id = v.firm_id and n.object_id = v.object_id \
             and n.version > v.version) \
             and not exists (select 1 from objects o where o.firm_id = v.firm_id and o.object_id = v.object_id)";
        let values = || args![&caller.firm, &caller.user, kind.name()];
        let total = self.first(&format!("select count(*) from {deleted}"), values()).await?;
        let sql =
            format!("select {PAST}, v.summary from {deleted} order by v.at_ms desc, v.object_id limit $4 offset $5");
        let mut page = values();
        page.extend(args![i64::from(limit), i64::from(offset)]);
        let rows = self.all(&sql, page).await?;
        let rows = rows.iter().map(|r| Ok((version_of(r)?, r.opt_text(10)?))).collect::<Result<_, StoreError>>()?;
        Ok((rows, total.map(|r| r.int(0)).transpose()?.unwrap_or(0)))
    }
}
