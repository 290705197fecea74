//! SQLite, spoken to from the thread that asks. What is read here takes microseconds, less than handing a question to
//! another thread and its answer back; whoever waits for the disk (the commit of a group) goes to a thread of its own.
//!
//! [`Readers`] lends connections that can only read; the one that writes belongs to `group`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::sql::{Arg, StoreError};

/// More readers than cores gain nothing; a few more keep long listings, which wait for their clients, from starving
/// short reads.
const READERS: u32 = 8;
/// How long a request waits for a connection before it is told that the database is busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a reader waits for another process that recovers or ends the log, which is rare and short. Nobody else can
/// keep a reader waiting.
const READER_PATIENCE: Duration = Duration::from_secs(5);
/// Statements kept prepared per connection; there are fewer.
const STATEMENTS_CACHED: usize = 256;
/// Kibibytes of pages that a connection keeps. The system keeps the file in memory as well, so that a small one costs
/// little time, and eight large ones would be most of what this program needs.
const READER_CACHE_KIB: u32 = 2_048;
/// As [`READER_CACHE_KIB`], for the one that also holds what is not committed yet.
const WRITER_CACHE_KIB: u32 = 8_192;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
}

/// A connection.
pub(super) struct Sqlite {
    connection: Connection,
}

impl ToSql for Arg {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Arg::Int(Some(v)) => ValueRef::Integer(*v),
            Arg::Text(Some(v)) => ValueRef::Text(v.as_bytes()),
            Arg::Bytes(Some(v)) => ValueRef::Blob(v),
            Arg::Int(None) | Arg::Text(None) | Arg::Bytes(None) => ValueRef::Null,
        }))
    }
}

impl Sqlite {
    /// Opens a file that is there and has its schema. One that writes waits for nobody on its thread: `group` asks again.
    pub(super) fn open(path: &Path, purpose: Purpose) -> Result<Sqlite, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        let (query_only, cache, patience) = match purpose {
            Purpose::Read => (1, READER_CACHE_KIB, READER_PATIENCE),
            Purpose::Write => (0, WRITER_CACHE_KIB, Duration::ZERO),
        };
        // Full: an acknowledged write has been fsynced.
        connection.execute_batch(&format!(
            "PRAGMA foreign_keys = 1; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA cache_size = -{cache}; PRAGMA query_only = {query_only}"
        ))?;
        connection.busy_timeout(patience)?;
        Ok(Sqlite { connection })
    }

    /// Runs statements that take and give nothing.
    pub(super) fn run(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch(sql)?)
    }

    /// Runs a statement; the number of rows it changed.
    pub(super) fn exec(&mut self, sql: &str, args: &[Arg]) -> Result<u64, StoreError> {
        let mut statement = self.bound(sql, args)?;
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        drop(rows);
        drop(statement);
        Ok(self.connection.changes())
    }

    /// Runs a query; all its rows.
    pub(super) fn all(&mut self, sql: &str, args: &[Arg]) -> Result<Vec<Box<[Value]>>, StoreError> {
        let mut found = Vec::new();
        self.each(sql, args, |row| {
            found.push(values(row)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Runs a query; its first row.
    pub(super) fn first(&mut self, sql: &str, args: &[Arg]) -> Result<Option<Box<[Value]>>, StoreError> {
        let mut found = None;
        self.each(sql, args, |row| {
            found = Some(values(row)?);
            Ok(false)
        })?;
        Ok(found)
    }

    /// Shows the rows of a query one by one, where they are, until `tell` has enough.
    pub(super) fn each(
        &mut self,
        sql: &str,
        args: &[Arg],
        mut tell: impl FnMut(&rusqlite::Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self.bound(sql, args)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if !tell(row)? {
                break;
            }
        }
        Ok(())
    }

    /// A prepared statement with its values. A placeholder is `$1` to PostgreSQL. SQLite takes that for a name and would
    /// be asked for the name of every place, by which it looks through all of them; `?1` is the first place itself.
    fn bound(&mut self, sql: &str, args: &[Arg]) -> Result<CachedStatement<'_>, StoreError> {
        let mut statement = self.connection.prepare_cached(&sql.replace('$', "?"))?;
        let places = statement.parameter_count();
        let values =
            args.get(..places).ok_or_else(|| StoreError::Corrupt(format!("a statement lacks its value {places}")))?;
        for (value, place) in values.iter().zip(1..) {
            statement.raw_bind_parameter(place, value)?;
        }
        Ok(statement)
    }
}

/// A row's values, taken out of it.
fn values(row: &rusqlite::Row<'_>) -> Result<Box<[Value]>, StoreError> {
    let columns = row.as_ref().column_count();
    let values = (0..columns).map(|at| row.get_ref(at).map(Value::try_from));
    Ok(values.map(|v| v?.map_err(rusqlite::Error::from)).collect::<Result<_, _>>()?)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        let code = error.sqlite_error().map(|e| e.extended_code);
        match code {
            // SQLITE_CONSTRAINT_UNIQUE and SQLITE_CONSTRAINT_PRIMARYKEY
            Some(2067 | 1555) => StoreError::Duplicate,
            // SQLITE_IOERR_WRITE is the system's word for a disk that takes no more.
            Some(778) => StoreError::Full(error.into()),
            // The low byte is the primary code: BUSY, LOCKED, FULL.
            Some(code) => match code & 0xff {
                5 | 6 => StoreError::Busy(error.into()),
                13 => StoreError::Full(error.into()),
                _ => StoreError::Database(error.into()),
            },
            None => StoreError::Database(error.into()),
        }
    }
}

/// The connections that read.
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Sqlite>>>,
    places: Arc<Semaphore>,
}

/// One state of everything, on a connection that is lent for as long as this lives.
pub(super) struct Reading {
    /// `None` only while it is given back.
    connection: Option<Sqlite>,
    idle: Arc<Mutex<Vec<Sqlite>>>,
    _place: OwnedSemaphorePermit,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Readers, StoreError> {
        Ok(Readers::of(path, Sqlite::open(path, Purpose::Read)?))
    }

    /// With a first one of them.
    pub(super) fn of(path: &Path, first: Sqlite) -> Readers {
        let idle = Arc::new(Mutex::new(vec![first]));
        Readers { path: path.to_owned(), idle, places: Arc::new(Semaphore::new(READERS as usize)) }
    }

    /// Waits for a connection and begins to read on it.
    pub(super) async fn begin(&self) -> Result<Reading, StoreError> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => match tokio::time::timeout(ACQUIRE_TIMEOUT, Arc::clone(&self.places).acquire_owned()).await {
                Ok(Ok(place)) => place,
                Ok(Err(closed)) => return Err(StoreError::Database(closed.into())),
                Err(elapsed) => return Err(StoreError::Busy(elapsed.into())),
            },
        };
        let idle = locked(&self.idle).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Sqlite::open(&self.path, Purpose::Read)?,
        };
        connection.exec("BEGIN", &[])?;
        Ok(Reading { connection: Some(connection), idle: Arc::clone(&self.idle), _place: place })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Connections: all, and those waiting for work.
    pub(super) fn size(&self) -> (u32, usize) {
        let idle = locked(&self.idle).len();
        let lent = READERS as usize - self.places.available_permits().min(READERS as usize);
        (u32::try_from(idle + lent).unwrap_or(u32::MAX), idle)
    }

    /// Closes every connection after the work on it is done.
    pub(super) async fn close(&self) {
        let _all = self.places.acquire_many(READERS).await;
        self.places.close();
        locked(&self.idle).clear();
    }
}

impl Reading {
    /// The connection, inside the transaction.
    pub(super) fn connection(&mut self) -> Result<&mut Sqlite, StoreError> {
        self.connection.as_mut().ok_or_else(|| StoreError::Database("the reading is over".into()))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // A connection that cannot end its transaction is in an unknown state and is closed.
        if let Some(mut connection) = self.connection.take()
            && connection.exec("ROLLBACK", &[]).is_ok()
        {
            locked(&self.idle).push(connection);
        }
    }
}

fn locked(idle: &Mutex<Vec<Sqlite>>) -> MutexGuard<'_, Vec<Sqlite>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.db");
        let made = Connection::open(&path).expect("a database");
        made.execute_batch("create table t (a bigint primary key, b text, c bytea)").expect("a table");
        (folder, path)
    }

    #[test]
    fn a_placeholder_means_the_value_of_its_number_wherever_it_stands() {
        let (_folder, path) = fresh();
        let mut writer = Sqlite::open(&path, Purpose::Write).expect("open");
        let args = [Arg::Text(Some("b".to_owned())), Arg::Int(Some(7)), Arg::Bytes(None)];
        assert_eq!(writer.exec("insert into t (a, b, c) values ($2, $1, $3)", &args).ok(), Some(1));
        let row = writer.first("select a, b, c from t where b = $1 and a = $2 or a = $2", &args).expect("asked");
        let values = [Value::Integer(7), Value::Text("b".to_owned()), Value::Null];
        assert_eq!(row.as_deref(), Some(values.as_slice()));
        let twice = writer.exec("insert into t (a) values ($2)", &args);
        assert!(matches!(twice, Err(StoreError::Duplicate)), "{twice:?}");
        assert!(writer.exec("insert into t (a) values ($4)", &args).is_err());
    }

    #[tokio::test]
    async fn a_reading_sees_one_state_and_writes_nothing() {
        let (_folder, path) = fresh();
        let mut writer = Sqlite::open(&path, Purpose::Write).expect("open");
        let readers = Readers::open(&path).expect("open");
        let mut reading = readers.begin().await.expect("a reading");
        let count = |reading: &mut Reading| {
            let connection = reading.connection().expect("a connection");
            connection.all("select a from t", &[]).expect("read").len()
        };
        assert_eq!(count(&mut reading), 0);
        writer.exec("insert into t (a) values (1)", &[]).expect("written");
        assert_eq!(count(&mut reading), 0);
        assert!(reading.connection().expect("a connection").exec("delete from t", &[]).is_err());
        assert_eq!(readers.size(), (1, 0));
        drop(reading);
        assert_eq!(readers.size(), (1, 1));
        assert_eq!(count(&mut readers.begin().await.expect("a reading")), 1);
        readers.close().await;
        assert!(readers.begin().await.is_err());
    }
}
