//! Reading calendar objects: one, some by name, all of a calendar, what changed since.
//! Listings come in pages in the order of changes and touch no body.

use bytes::Bytes;

use super::sql::{Arg, Cells, LiveRow, StoreError, args, placeholders};
use super::tx::ReadTx;
use crate::domain::access::{Access, Caller, Right};
use crate::domain::appointment::Facts;
use crate::domain::calendar::Seq;
use crate::domain::ids::{LinkId, ObjectId, ResourceName};
use crate::domain::object::{ComponentKind, ETag, Span};
use crate::domain::time::Instant;

/// How many names one statement asks for: SQLite and PostgreSQL take many more, but a page should stay small.
pub const NAMES_PER_STATEMENT: usize = 200;
/// As many names a statement has room for. Few different statements stay prepared; the room that is left over is filled
/// with the last name once more, which finds nothing new.
const ROOMS: [usize; 5] = [1, 5, 20, 60, NAMES_PER_STATEMENT];

/// The placeholders for some names, and their values after those that are there.
fn named(names: &[ResourceName], values: &mut Vec<Arg>) -> String {
    let room = ROOMS.into_iter().find(|room| *room >= names.len()).unwrap_or(names.len());
    let list = placeholders(values.len() + 1, room);
    let fill = names.last().into_iter().cycle().take(room - names.len());
    values.extend(names.iter().chain(fill).map(Arg::from));
    list
}

/// A name in a calendar and the state behind it; `etag` is `None` where the object is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object's name.
    pub name: ResourceName,
    /// Its present tag; `None`: deleted or moved away.
    pub etag: Option<ETag>,
    /// The calendar's seq at its last change.
    pub seq: Seq,
}

/// A page of changes and what it takes to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The changes in their order, each name once.
    pub entries: Vec<Entry>,
    /// What a client that has seen these is up to date with: the last entry's seq if there is more, else the
    /// calendar's own. Read in the same transaction as the entries.
    pub up_to: Seq,
    /// Whether there are changes beyond `up_to`.
    pub more: bool,
}

/// Everything about an object but its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its id, kept through moves and deletion.
    pub id: ObjectId,
    /// Its name.
    pub name: ResourceName,
    /// Its UID.
    pub uid: String,
    /// The tag of its bytes.
    pub etag: ETag,
    /// The calendar's seq at its last change.
    pub seq: Seq,
    /// How many states it has had.
    pub version: i64,
    /// The kind of its components.
    pub component: ComponentKind,
    /// When it was first put.
    pub created: Instant,
    /// When it was last changed.
    pub changed: Instant,
    /// The size of its body in bytes.
    pub bytes_len: i64,
    /// The platform's facts.
    pub facts: Facts,
    /// Where it came from; `local` unless a link brought it.
    pub origin: String,
}

/// An object with the exact bytes it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Everything but the body.
    pub head: ObjectHead,
    /// The body.
    pub bytes: Bytes,
}

/// The bytes of an object that was asked for by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedBody {
    /// The name.
    pub name: ResourceName,
    /// The tag of the bytes.
    pub etag: ETag,
    /// The body.
    pub bytes: Bytes,
}

/// The bytes of an object that is one of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BareBody {
    /// The calendar's seq at its last change.
    pub seq: Seq,
    /// Its id.
    pub id: ObjectId,
    /// The body.
    pub bytes: Bytes,
}

pub(super) const HEAD_COLUMNS: &str = "o.object_id, o.name, o.uid, o.etag, o.seq, o.version, o.component, o.created_ms, o.changed_ms, \
     o.bytes_len, o.appointment_type, o.client_id, o.staff_user_id, o.project_id, o.origin";
/// Columns of a head, for queries that have more.
/// Appointments of one title at one time that are looked at: nobody has more, and one of them is enough.
const TWINS_MAX: u32 = 20;

pub(super) const HEAD_LEN: usize = 15;

pub(super) fn head_of(row: &impl Cells) -> Result<ObjectHead, StoreError> {
    let component = row.a_text(6)?;
    Ok(ObjectHead {
        id: ObjectId::from_text(row.a_text(0)?),
        name: name_of(row, 1)?,
        uid: row.a_text(2)?.to_owned(),
        etag: ETag::new(row.a_text(3)?),
        seq: Seq(row.an_int(4)?),
        version: row.an_int(5)?,
        component: ComponentKind::from_name(component).ok_or_else(|| StoreError::Corrupt(component.to_owned()))?,
        created: Instant::from_ms(row.an_int(7)?),
        changed: Instant::from_ms(row.an_int(8)?),
        bytes_len: row.an_int(9)?,
        facts: facts_of(row, 10)?,
        origin: row.a_text(14)?.to_owned(),
    })
}

/// Facts from four columns beginning at `at`.
pub(super) fn facts_of(row: &impl Cells, at: usize) -> Result<Facts, StoreError> {
    let text = |column| Ok::<_, StoreError>(row.cell_text(column)?.map(str::to_owned));
    Ok(Facts {
        appointment_type: text(at)?,
        client_id: text(at + 1)?,
        staff_user_id: text(at + 2)?,
        project_id: text(at + 3)?,
    })
}

pub(super) fn name_of(row: &impl Cells, column: usize) -> Result<ResourceName, StoreError> {
    ResourceName::parse(row.a_text(column)?).map_err(|bad| StoreError::Corrupt(bad.to_string()))
}

fn object_of(row: &impl Cells) -> Result<StoredObject, StoreError> {
    Ok(StoredObject { head: head_of(row)?, bytes: Bytes::copy_from_slice(row.some_bytes(HEAD_LEN)?) })
}

fn entry_of(row: &LiveRow<'_>) -> Result<Entry, StoreError> {
    Ok(Entry { seq: Seq(row.an_int(0)?), name: name_of(row, 1)?, etag: Some(ETag::new(row.a_text(2)?)) })
}

impl ReadTx {
    /// One object by its name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn object(&mut self, access: &Access, name: &ResourceName) -> Result<Option<StoredObject>, StoreError> {
        let sql = format!(
            "select {HEAD_COLUMNS}, o.data from objects o where o.firm_id = $1 and o.calendar_id = $2 and o.name = $3"
        );
        self.find(&sql, args![access.firm(), access.calendar(), name], |row| object_of(row)).await
    }

    /// One object by its name, without its body.
    ///
    /// # Errors
    /// The database failed.
    pub async fn object_head(
        &mut self,
        access: &Access,
        name: &ResourceName,
    ) -> Result<Option<ObjectHead>, StoreError> {
        let sql =
            format!("select {HEAD_COLUMNS} from objects o where o.firm_id = $1 and o.calendar_id = $2 and o.name = $3");
        self.find(&sql, args![access.firm(), access.calendar(), name], |row| head_of(row)).await
    }

    /// One object by its id wherever the caller may do `right`, with the proof of it.
    ///
    /// # Errors
    /// The database failed. An object out of the caller's sight is `None`.
    pub async fn object_by_id(
        &mut self,
        caller: &Caller,
        id: &ObjectId,
        right: Right,
    ) -> Result<Option<(Access, StoredObject)>, super::CalendarError> {
        let sql = format!(
            "select {HEAD_COLUMNS}, o.data, o.calendar_id from objects o where o.firm_id = $1 and o.object_id = $2"
        );
        let Some(row) = self.first(&sql, args![&caller.firm, id]).await? else { return Ok(None) };
        let calendar = crate::domain::ids::CalendarId::from_text(row.text(HEAD_LEN + 1)?);
        match self.calendar_by_id(caller, &calendar, right).await {
            Ok((access, _)) => Ok(Some((access, object_of(&row)?))),
            Err(super::CalendarError::NotFound) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The object of a calendar that has this UID.
    ///
    /// # Errors
    /// The database failed.
    pub async fn object_by_uid(&mut self, access: &Access, uid: &str) -> Result<Option<StoredObject>, StoreError> {
        let sql = format!(
            "select {HEAD_COLUMNS}, o.data from objects o where o.firm_id = $1 and o.calendar_id = $2 and o.uid = $3"
        );
        self.find(&sql, args![access.firm(), access.calendar(), uid], |row| object_of(row)).await
    }

    /// The object that comes back when this UID is put in the calendar again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn deleted_by_uid(&mut self, access: &Access, uid: &str) -> Result<Option<ObjectId>, StoreError> {
        let sql = "select object_id, moved from tombstones where firm_id = $1 and calendar_id = $2 and uid = $3 \
                   order by seq + 0 desc limit 100";
        for row in self.all(sql, args![access.firm(), access.calendar(), uid]).await? {
            if !row.flag(1)? {
                return Ok(Some(ObjectId::from_text(row.text(0)?)));
            }
        }
        Ok(None)
    }

    /// The appointments of a calendar with this title and these times that a link has nothing to do with yet, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unlinked_twins(
        &mut self,
        access: &Access,
        link: &LinkId,
        title: &str,
        (span, all_day): (Span, bool),
    ) -> Result<Vec<StoredObject>, StoreError> {
        // Ordered by an expression, so that the times are looked up and not every object of the firm by its id.
        let sql = format!(
            "select {HEAD_COLUMNS}, o.data from objects o where o.firm_id = $1 and o.calendar_id = $2 \
             and o.ends_ms = $5 and o.starts_ms = $4 and o.component = 'VEVENT' and o.summary = $6 and o.all_day = $7 \
             and not exists (select 1 from mappings m where m.firm_id = o.firm_id and m.link_id = $3 \
             and m.object_id = o.object_id) order by o.object_id || '' limit {TWINS_MAX}"
        );
        let values = args![access.firm(), access.calendar(), link, span.starts, span.ends, title, all_day];
        self.gather(&sql, values, |row| object_of(row)).await
    }

    /// The series of this title that reach over these times and that a link has nothing to do with yet, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unlinked_series(
        &mut self,
        access: &Access,
        link: &LinkId,
        title: &str,
        (from, to): (Instant, Instant),
    ) -> Result<Vec<StoredObject>, StoreError> {
        let sql = format!(
            "select {HEAD_COLUMNS}, o.data from objects o where o.firm_id = $1 and o.calendar_id = $2 \
             and o.ends_ms >= $5 and o.starts_ms <= $4 and o.component = 'VEVENT' and o.summary = $6 and o.recurring = 1 \
             and not exists (select 1 from mappings m where m.firm_id = o.firm_id and m.link_id = $3 \
             and m.object_id = o.object_id) order by o.object_id || '' limit {TWINS_MAX}"
        );
        let values = args![access.firm(), access.calendar(), link, from, to, title];
        self.gather(&sql, values, |row| object_of(row)).await
    }

    /// The bodies of these names that exist, in no particular order. `None` where these have more bytes together, of which
    /// not much more were read.
    ///
    /// # Errors
    /// The database failed.
    pub async fn bodies_named(
        &mut self,
        access: &Access,
        names: &[ResourceName],
        bytes_max: usize,
    ) -> Result<Option<Vec<NamedBody>>, StoreError> {
        let mut found = Vec::with_capacity(names.len());
        let mut bytes = 0_usize;
        for chunk in names.chunks(NAMES_PER_STATEMENT) {
            let mut values = args![access.firm(), access.calendar()];
            let sql = format!(
                "select o.name, o.etag, o.data from objects o where o.firm_id = $1 and o.calendar_id = $2 and o.name in ({})",
                named(chunk, &mut values)
            );
            let tell = |row: LiveRow<'_>| {
                let (name, etag) = (name_of(&row, 0)?, ETag::new(row.a_text(1)?));
                let body = NamedBody { name, etag, bytes: Bytes::copy_from_slice(row.some_bytes(2)?) };
                bytes = bytes.saturating_add(body.bytes.len());
                found.push(body);
                Ok(bytes <= bytes_max)
            };
            self.link()?.each(&sql, values, tell).await?;
            if bytes > bytes_max {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    /// Everything but the bodies of the objects of these names that exist, in no particular order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn heads_named(
        &mut self,
        access: &Access,
        names: &[ResourceName],
    ) -> Result<Vec<ObjectHead>, StoreError> {
        let mut found = Vec::with_capacity(names.len());
        for chunk in names.chunks(NAMES_PER_STATEMENT) {
            let mut values = args![access.firm(), access.calendar()];
            let sql = format!(
                "select {HEAD_COLUMNS} from objects o where o.firm_id = $1 and o.calendar_id = $2 and o.name in ({})",
                named(chunk, &mut values)
            );
            found.extend(self.gather(&sql, values, |row| head_of(row)).await?);
        }
        Ok(found)
    }

    /// A page of a calendar's present objects in the order of their changes, from the index alone: those with a
    /// seq in `after+1 ..= up_to`. Whoever reads several pages in several transactions must mind that what changes
    /// meanwhile moves to the end: a sync bounds its pages by the seq of its token and the change comes with the next
    /// one; a listing goes on until nothing is left, and leaves out what it has.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entries(
        &mut self,
        access: &Access,
        after: Seq,
        up_to: Seq,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let sql = "select seq, name, etag from objects where firm_id = $1 and calendar_id = $2 and seq > $3 \
                   and seq <= $4 order by seq limit $5";
        self.gather(sql, args![access.firm(), access.calendar(), after, up_to, i64::from(limit)], entry_of).await
    }

    /// As [`ReadTx::entries`], with everything but the bodies.
    ///
    /// # Errors
    /// The database failed.
    pub async fn heads(
        &mut self,
        access: &Access,
        after: Seq,
        up_to: Seq,
        limit: u32,
    ) -> Result<Vec<ObjectHead>, StoreError> {
        let sql = format!(
            "select {HEAD_COLUMNS} from objects o where o.firm_id = $1 and o.calendar_id = $2 and o.seq > $3 and o.seq <= $4 \
             order by o.seq limit $5"
        );
        self.gather(&sql, args![access.firm(), access.calendar(), after, up_to, i64::from(limit)], |row| head_of(row))
            .await
    }

    /// As [`ReadTx::entries`], with bodies.
    ///
    /// # Errors
    /// The database failed.
    pub async fn bodies(
        &mut self,
        access: &Access,
        after: Seq,
        up_to: Seq,
        limit: u32,
    ) -> Result<Vec<StoredObject>, StoreError> {
        let sql = format!(
            "select {HEAD_COLUMNS}, o.data from objects o where o.firm_id = $1 and o.calendar_id = $2 and o.seq > $3 \
             and o.seq <= $4 order by o.seq limit $5"
        );
        self.gather(&sql, args![access.firm(), access.calendar(), after, up_to, i64::from(limit)], |row| object_of(row))
            .await
    }

    /// As [`ReadTx::bodies`], with nothing of the heads but what tells the objects apart.
    ///
    /// # Errors
    /// The database failed.
    pub async fn bare_bodies(
        &mut self,
        access: &Access,
        after: Seq,
        up_to: Seq,
        limit: u32,
    ) -> Result<Vec<BareBody>, StoreError> {
        let sql = "select seq, object_id, data from objects where firm_id = $1 and calendar_id = $2 and seq > $3 \
                   and seq <= $4 order by seq limit $5";
        let values = args![access.firm(), access.calendar(), after, up_to, i64::from(limit)];
        let read = |row: &LiveRow<'_>| {
            let (seq, id) = (Seq(row.an_int(0)?), ObjectId::from_text(row.a_text(1)?));
            Ok(BareBody { seq, id, bytes: Bytes::copy_from_slice(row.some_bytes(2)?) })
        };
        self.gather(sql, values, read).await
    }

    /// What changed after `since`, at most `limit` names, and the seq that a client is then up to date with.
    /// `Seq(0)` is a first sync: it lists what is there and nothing that is gone.
    ///
    /// # Errors
    /// The database failed.
    pub async fn changes(&mut self, access: &Access, since: Seq, limit: u32) -> Result<Changes, StoreError> {
        let (firm, calendar) = (access.firm(), access.calendar());
        let current = self
            .first("select seq from calendars where firm_id = $1 and calendar_id = $2", args![firm, calendar])
            .await?;
        let current = current.map(|r| r.int(0)).transpose()?.map_or(since, Seq);
        let ask = i64::from(limit) + 1;
        let mut entries = self.entries(access, since, current, limit.saturating_add(1)).await?;
        if since.0 > 0 {
            let rows = self
                .all(
                    "select seq, name from tombstones where firm_id = $1 and calendar_id = $2 and seq > $3 \
                     order by seq limit $4",
                    args![firm, calendar, since, ask],
                )
                .await?;
            for row in &rows {
                entries.push(Entry { seq: Seq(row.int(0)?), name: name_of(row, 1)?, etag: None });
            }
            entries.sort_by_key(|e| e.seq);
        }
        let limit = limit as usize;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let up_to = match entries.last() {
            Some(last) if more => last.seq,
            _ => current,
        };
        Ok(Changes { entries, up_to, more })
    }

    /// The highest seq of a deletion in a calendar that is not remembered any more: whoever saw less may have missed it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forgotten(&mut self, access: &Access) -> Result<Seq, StoreError> {
        let sql = "select forgotten_seq from calendars where firm_id = $1 and calendar_id = $2";
        let row = self.first(sql, args![access.firm(), access.calendar()]).await?;
        row.map_or(Ok(Seq(0)), |r| r.int(0).map(Seq))
    }

    /// How many objects a calendar holds, and their size in bytes.
    ///
    /// # Errors
    /// The database failed.
    pub async fn calendar_size(&mut self, access: &Access) -> Result<(i64, i64), StoreError> {
        let row = self
            .first(
                "select count(*), cast(coalesce(sum(bytes_len), 0) as bigint) from objects \
                 where firm_id = $1 and calendar_id = $2",
                args![access.firm(), access.calendar()],
            )
            .await?;
        row.map_or(Ok((0, 0)), |r| Ok((r.int(0)?, r.int(1)?)))
    }
}
