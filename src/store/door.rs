//! The one door through which an object changes: seq, guarded write, index, version and tombstone in one
//! transaction. CalDAV, the API, imports and pulled remote changes all come through here.

use super::calendars::{CalendarError, demand};
use super::index::index_args;
use super::objects::{facts_of, name_of};
use super::sql::{StoreError, args, json};
use super::transfer::Moved;
use super::tx::WriteTx;
use crate::domain::access::{Access, Right};
use crate::domain::appointment::Facts;
use crate::domain::calendar::Seq;
use crate::domain::change::{Cause, ChangeKind, Guard};
use crate::domain::ids::{ObjectId, ResourceName};
use crate::domain::object::{CalendarObject, ETag};

/// Why an object was not written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("the object is not in the state that was asked for")]
    GuardFailed,
    /// Another object of the calendar has this UID, or this object has another UID (RFC 4791 §5.3.2.1).
    #[error("the UID belongs to {name}")]
    UidConflict {
        /// The object that is in the way.
        name: ResourceName,
    },
    /// The calendar takes no components of this kind.
    #[error("the calendar takes no {0}")]
    ComponentNotTaken(&'static str),
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// The access proves too little.
    #[error("the right to {0:?} is missing")]
    Forbidden(Right),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CalendarError> for PutError {
    fn from(error: CalendarError) -> PutError {
        match error {
            CalendarError::Store(e) => PutError::Store(e),
            CalendarError::Forbidden(right) => PutError::Forbidden(right),
            CalendarError::NotFound | CalendarError::Exists | CalendarError::TooMany => PutError::NotFound,
        }
    }
}

/// What a write came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutOutcome {
    /// The object's id.
    pub id: ObjectId,
    /// Whether it is new under this name.
    pub created: bool,
    /// `false` if it already was exactly so: then nothing was written and there is no new version.
    pub changed: bool,
    /// The tag of the stored bytes.
    pub etag: ETag,
    /// The calendar's seq at this change.
    pub seq: Seq,
    /// The number of this state.
    pub version: i64,
}

/// What a write does beside replacing the bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writing<'a> {
    /// New facts; `None` keeps those that the object has.
    pub facts: Option<&'a Facts>,
    /// `Some` if this puts an earlier version back.
    pub restoring: Option<&'a ObjectId>,
    /// Where a new object came from: the provider whose link brings it. `None`: it was made here.
    pub origin: Option<&'a str>,
}

/// What stands at a name or holds a UID.
struct Standing {
    name: ResourceName,
    uid: String,
    id: ObjectId,
    etag: ETag,
    version: i64,
    facts: Facts,
}

/// What a put will do, decided from what stands.
enum Plan {
    Create,
    Keep(Standing),
    Replace(Standing),
}

fn decide(
    name: &ResourceName,
    object: &CalendarObject,
    standing: Vec<Standing>,
    guard: &Guard,
    writing: Writing<'_>,
) -> Result<Plan, PutError> {
    let (here, elsewhere): (Vec<_>, Vec<_>) = standing.into_iter().partition(|s| s.name == *name);
    let here = here.into_iter().next();
    if !guard.holds(here.as_ref().map(|s| &s.etag)) {
        return Err(PutError::GuardFailed);
    }
    if let Some(other) = elsewhere.into_iter().next() {
        return Err(PutError::UidConflict { name: other.name });
    }
    match here {
        None => Ok(Plan::Create),
        Some(here) if here.uid != object.uid() => Err(PutError::UidConflict { name: here.name }),
        Some(here) if here.etag == *object.etag() && writing.facts.is_none_or(|f| *f == here.facts) => {
            Ok(Plan::Keep(here))
        }
        Some(here) => Ok(Plan::Replace(here)),
    }
}

impl WriteTx {
    /// Puts an object under a name: the single write door. The object's id, history and facts are kept when it is
    /// replaced, and come back when a deleted UID is put again.
    ///
    /// # Errors
    /// See [`PutError`]; nothing was changed then.
    pub async fn put_object(
        &mut self,
        access: &Access,
        name: &ResourceName,
        object: &CalendarObject,
        guard: &Guard,
        cause: &Cause,
    ) -> Result<PutOutcome, PutError> {
        self.write_object(access, name, object, guard, cause, Writing::default()).await
    }

    /// As [`WriteTx::put_object`], and sets facts or puts an earlier version back.
    ///
    /// # Errors
    /// As [`WriteTx::put_object`].
    pub async fn write_object(
        &mut self,
        access: &Access,
        name: &ResourceName,
        object: &CalendarObject,
        guard: &Guard,
        cause: &Cause,
        writing: Writing<'_>,
    ) -> Result<PutOutcome, PutError> {
        demand(access, Right::Write)?;
        let seq = self.seq_for(access, object.component().name()).await?;
        let standing = self.standing(access, name, object.uid()).await?;
        match decide(name, object, standing, guard, writing)? {
            Plan::Keep(here) => {
                // Nothing changed, so nobody who syncs shall look again. The row is ours since the number was taken.
                self.exec(
                    "update calendars set seq = seq - 1 where firm_id = $1 and calendar_id = $2 and seq = $3",
                    args![access.firm(), access.calendar(), seq],
                )
                .await?;
                let (created, changed, seq) = (false, false, Seq(seq.0 - 1));
                Ok(PutOutcome { id: here.id, created, changed, etag: here.etag, seq, version: here.version })
            }
            Plan::Replace(here) => self.replace(access, here, object, seq, cause, writing).await,
            Plan::Create => self.create(access, name, object, seq, cause, writing).await,
        }
    }

    /// Deletes an object; its last state becomes a version, and its name a tombstone for clients that sync.
    ///
    /// # Errors
    /// [`PutError::NotFound`], [`PutError::GuardFailed`].
    pub async fn delete_object(
        &mut self,
        access: &Access,
        name: &ResourceName,
        guard: &Guard,
        cause: &Cause,
    ) -> Result<ObjectId, PutError> {
        demand(access, Right::Write)?;
        let seq = self.next_seq(access).await?;
        let here = self.standing(access, name, "").await?.into_iter().find(|s| s.name == *name);
        let here = here.ok_or(PutError::NotFound)?;
        if !guard.holds(Some(&here.etag)) {
            return Err(PutError::GuardFailed);
        }
        self.leave_version(access, name, &here.etag).await?;
        let (firm, calendar, owner, now) = (access.firm(), access.calendar(), access.owner(), self.now());
        self.exec(&add_deletion(" and name = $6"), args![firm, calendar, owner, json(cause), now, name]).await?;
        let rows = self
            .exec(
                "delete from objects where firm_id = $1 and calendar_id = $2 and name = $3 and etag = $4",
                args![access.firm(), access.calendar(), name, &here.etag],
            )
            .await?;
        if rows != 1 {
            return Err(PutError::GuardFailed);
        }
        self.tombstone(access, name, seq, (&here.id, &here.uid), Moved::No).await?;
        self.queue(access.firm(), access.calendar(), &here.id, cause).await?;
        Ok(here.id)
    }

    /// The next seq, if the calendar takes such components.
    async fn seq_for(&mut self, access: &Access, component: &'static str) -> Result<Seq, PutError> {
        let now = self.now();
        let row = self
            .first(
                "update calendars set seq = seq + 1, modified_ms = $3 where firm_id = $1 and calendar_id = $2 \
                 returning seq, components",
                args![access.firm(), access.calendar(), now],
            )
            .await?
            .ok_or(PutError::NotFound)?;
        if row.text(1)?.split(' ').any(|c| c == component) {
            Ok(Seq(row.int(0)?))
        } else {
            Err(PutError::ComponentNotTaken(component))
        }
    }

    async fn standing(&mut self, access: &Access, name: &ResourceName, uid: &str) -> Result<Vec<Standing>, StoreError> {
        let rows = self.all(&either(STANDING, "objects"), args![access.firm(), access.calendar(), name, uid]).await?;
        rows.iter()
            .map(|r| {
                Ok(Standing {
                    name: name_of(r, 0)?,
                    uid: r.text(1)?,
                    id: ObjectId::from_text(r.text(2)?),
                    etag: ETag::new(r.text(3)?),
                    version: r.int(4)?,
                    facts: facts_of(r, 5)?,
                })
            })
            .collect()
    }

    async fn replace(
        &mut self,
        access: &Access,
        here: Standing,
        object: &CalendarObject,
        seq: Seq,
        cause: &Cause,
        writing: Writing<'_>,
    ) -> Result<PutOutcome, PutError> {
        self.leave_version(access, &here.name, &here.etag).await?;
        let facts = writing.facts.unwrap_or(&here.facts);
        let kind = if writing.restoring.is_some() { ChangeKind::Restored } else { ChangeKind::Updated };
        let mut values = args![
            access.firm(),
            access.calendar(),
            &here.name,
            &here.etag,
            object.etag(),
            seq,
            here.version + 1,
            kind.as_str(),
            json(cause),
            self.now(),
            i64::try_from(object.bytes().len()).unwrap_or(i64::MAX),
            object.bytes(),
            &facts.appointment_type,
            &facts.client_id,
            &facts.staff_user_id,
            &facts.project_id,
        ];
        values.extend(index_args(object));
        let rows = self
            .exec(
                "update objects set etag = $5, seq = $6, version = $7, kind = $8, cause = $9, changed_ms = $10, \
                 bytes_len = $11, data = $12, appointment_type = $13, client_id = $14, staff_user_id = $15, \
                 project_id = $16, component = $17, starts_ms = $18, ends_ms = $19, floating = $20, recurring = $21, \
                 all_day = $22, transparent = $23, status = $24, class = $25, summary = $26, search_text = $27, \
                 categories = $28 where firm_id = $1 and calendar_id = $2 and name = $3 and etag = $4",
                values,
            )
            .await?;
        if rows != 1 {
            return Err(PutError::GuardFailed);
        }
        self.queue(access.firm(), access.calendar(), &here.id, cause).await?;
        Ok(PutOutcome {
            id: here.id,
            created: false,
            changed: true,
            etag: object.etag().clone(),
            seq,
            version: here.version + 1,
        })
    }

    async fn create(
        &mut self,
        access: &Access,
        name: &ResourceName,
        object: &CalendarObject,
        seq: Seq,
        cause: &Cause,
        writing: Writing<'_>,
    ) -> Result<PutOutcome, PutError> {
        let past = self.past_of(access, name, object.uid(), writing.restoring).await?;
        let (id, version, past_facts) = match past {
            Some((id, version, facts)) => (id, version + 1, facts),
            None => (ObjectId::new(self.now(), self.random()), 1, Facts::default()),
        };
        let facts = writing.facts.unwrap_or(&past_facts);
        let kind = if writing.restoring.is_some() { ChangeKind::Restored } else { ChangeKind::Created };
        let mut values = args![
            access.firm(),
            access.calendar(),
            name,
            &id,
            object.etag(),
            seq,
            version,
            kind.as_str(),
            json(cause),
            self.now(),
            i64::try_from(object.bytes().len()).unwrap_or(i64::MAX),
            object.bytes(),
            &facts.appointment_type,
            &facts.client_id,
            &facts.staff_user_id,
            &facts.project_id,
        ];
        values.extend(index_args(object));
        values.push(object.uid().into());
        values.push(writing.origin.unwrap_or("local").into());
        let rows = self
            .exec(
                &format!(
                    "insert into objects (firm_id, calendar_id, name, object_id, etag, seq, version, kind, cause, \
                     created_ms, changed_ms, bytes_len, data, appointment_type, client_id, staff_user_id, project_id, \
                     component, starts_ms, ends_ms, floating, recurring, all_day, transparent, status, class, summary, \
                     search_text, categories, uid, origin) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
                     coalesce(({FIRST_PUT}), $10), $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, \
                     $23, $24, $25, $26, $27, $28, $29, $30) on conflict (firm_id, calendar_id, name) do nothing"
                ),
                values,
            )
            .await?;
        if rows != 1 {
            return Err(PutError::GuardFailed);
        }
        self.queue(access.firm(), access.calendar(), &id, cause).await?;
        Ok(PutOutcome { id, created: true, changed: true, etag: object.etag().clone(), seq, version })
    }

    /// The id, last version and facts of an object that was here under this UID (or is being restored), and forgets
    /// the tombstone at this name.
    async fn past_of(
        &mut self,
        access: &Access,
        name: &ResourceName,
        uid: &str,
        restoring: Option<&ObjectId>,
    ) -> Result<Option<(ObjectId, i64, Facts)>, StoreError> {
        let (firm, calendar) = (access.firm(), access.calendar());
        let rows = self.all(&gone(), args![firm, calendar, name, uid]).await?;
        let mut id = restoring.cloned();
        for row in &rows {
            if id.is_none() && row.text(1)? == uid && !row.flag(3)? {
                id = Some(ObjectId::from_text(row.text(2)?));
            }
            if row.text(0)? == name.as_str() {
                self.exec(
                    "delete from tombstones where firm_id = $1 and calendar_id = $2 and name = $3",
                    args![firm, calendar, name],
                )
                .await?;
            }
        }
        let Some(id) = id else { return Ok(None) };
        // The UID may live on in another calendar: then this one is new.
        let row = self
            .first(
                "select version, appointment_type, client_id, staff_user_id, project_id from versions \
                 where firm_id = $1 and object_id = $2 and user_id = $3 and not exists \
                 (select 1 from objects o where o.firm_id = $1 and o.object_id = $2) order by version desc limit 1",
                args![firm, &id, access.owner()],
            )
            .await?;
        row.map(|r| {
            let facts = facts_of(&r, 1)?;
            Ok((id, r.int(0)?, facts))
        })
        .transpose()
    }

    /// Copies an object's present state to its versions, before it is overwritten.
    pub(super) async fn leave_version(
        &mut self,
        access: &Access,
        name: &ResourceName,
        etag: &ETag,
    ) -> Result<(), PutError> {
        let values = args![access.firm(), access.calendar(), access.owner(), name, etag];
        let rows = self.exec(&copy_present(" and name = $4 and etag = $5"), values).await?;
        if rows == 1 { Ok(()) } else { Err(PutError::GuardFailed) }
    }

    /// Copies the present state of every object of a calendar to its versions, each followed by its deletion.
    pub(super) async fn bury_all(&mut self, access: &Access, cause: &Cause) -> Result<u64, StoreError> {
        let (firm, calendar, owner, now) = (access.firm(), access.calendar(), access.owner(), self.now());
        self.exec(&copy_present(""), args![firm, calendar, owner]).await?;
        self.exec(&add_deletion(""), args![firm, calendar, owner, json(cause), now]).await
    }
}

const STANDING: &str = "name, uid, object_id, etag, version, appointment_type, client_id, staff_user_id, project_id";

/// When an object that was here before was first put. Its versions are in the order of time; for the least time of all, a
/// planner walks an index of times through everything that ever was.
const FIRST_PUT: &str = "select at_ms from versions where firm_id = $1 and object_id = $4 order by version limit 1";

/// The query for what is gone from a name or had a UID, latest first. By an expression, since in the order of an index
/// over seq every tombstone of the calendar would be looked at.
fn gone() -> String {
    let gone = either("name, uid, object_id, moved, seq", "tombstones");
    format!("select * from ({gone}) as gone order by seq + 0 desc limit 100")
}

/// The query for what has a name or a UID in a calendar, each looked up in its own unique index.
fn either(columns: &str, table: &str) -> String {
    format!(
        "select {columns} from {table} where firm_id = $1 and calendar_id = $2 and name = $3 \
         union all select {columns} from {table} where firm_id = $1 and calendar_id = $2 and uid = $4 and name <> $3"
    )
}

const VERSION_COLUMNS: &str = "firm_id, object_id, version, calendar_id, user_id, name, uid, component, summary, kind, etag, data, \
     appointment_type, client_id, staff_user_id, project_id, cause, at_ms";
/// The statement that copies present states to the versions; the caller adds the condition. `$3` is the calendar's
/// owner.
fn copy_present(condition: &str) -> String {
    format!(
        "insert into versions ({VERSION_COLUMNS}) select firm_id, object_id, version, calendar_id, $3, name, uid, \
         component, summary, kind, etag, data, appointment_type, client_id, staff_user_id, project_id, cause, changed_ms from objects \
         where firm_id = $1 and calendar_id = $2{condition}"
    )
}

/// The statement that adds a deletion to the versions. `$3` is the calendar's owner, `$4` the cause, `$5` the time.
fn add_deletion(condition: &str) -> String {
    format!(
        "insert into versions ({VERSION_COLUMNS}) select firm_id, object_id, version + 1, calendar_id, $3, name, \
         uid, component, summary, 'deleted', null, null, appointment_type, client_id, staff_user_id, project_id, $4, $5 from objects \
         where firm_id = $1 and calendar_id = $2{condition}"
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::types::Value;

    use super::*;
    use crate::store::open::migrate_file;
    use crate::store::sql::Arg;
    use crate::store::sqlite::{Purpose, Sqlite};

    #[tokio::test]
    async fn what_a_put_looks_up_does_not_grow_with_what_is_and_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.db");
        migrate_file(&path).await.expect("a schema");
        let mut database = Sqlite::open(&path, Purpose::Read).expect("a database");
        for statement in [gone(), FIRST_PUT.to_owned(), either(STANDING, "objects")] {
            let plan = database.all(&format!("explain query plan {statement}"), &vec![Arg::Int(None); 4]);
            for step in plan.expect("a plan") {
                let Some(Value::Text(step)) = step.get(3) else { panic!("{step:?}") };
                let is_narrow = ["name=?", "uid=?", "object_id=?"].iter().any(|by| step.contains(by));
                assert!(is_narrow || !step.contains("firm_id"), "{statement}: {step}");
                assert!(!step.starts_with("SCAN") || step.starts_with("SCAN gone"), "{statement}: {step}");
            }
        }
    }
}
