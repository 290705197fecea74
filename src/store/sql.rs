//! The waist between two databases and one SQL text. Arguments are four kinds of values, rows give the same four
//! back; `$1` placeholders, `on conflict` and `returning` read the same on both.

use bytes::Bytes;
use futures_util::TryStreamExt;
use rusqlite::types::{Value, ValueRef};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, AssertSqlSafe, PgConnection, Row as _};

use super::sqlite::Sqlite;

/// What a database, a driver or a waiting line says for itself.
pub(super) type Reason = Box<dyn std::error::Error + Send + Sync>;

/// Why the store could not do what was asked. What a caller may want to tell apart is in the answers of the
/// methods themselves; this is the rest.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else holds what is needed; worth trying again soon.
    #[error("the database is busy")]
    Busy(#[source] Reason),
    /// The disk or the database's quota is full. Nothing was changed.
    #[error("the database has no room left")]
    Full(#[source] Reason),
    /// A row that must be unique is there already.
    #[error("already there")]
    Duplicate,
    /// What the database holds cannot be what we wrote.
    #[error("the database holds something unreadable: {0}")]
    Corrupt(String),
    /// The database could not be reached or refused.
    #[error("the database failed: {0}")]
    Database(#[source] Reason),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        let code = error.as_database_error().and_then(|e| e.code()).map(|c| c.into_owned());
        match (&error, code.as_deref()) {
            (sqlx::Error::PoolTimedOut, _) => StoreError::Busy(error.into()),
            // PostgreSQL's SQLSTATE; what SQLite says is read in `sqlite`, its migrations' errors are nobody's to wait for.
            (sqlx::Error::Database(_), Some(code)) => match code {
                "23505" => StoreError::Duplicate,
                "40001" | "40P01" | "55P03" | "57P03" | "53300" => StoreError::Busy(error.into()),
                "53100" | "53400" => StoreError::Full(error.into()),
                _ => StoreError::Database(error.into()),
            },
            _ => StoreError::Database(error.into()),
        }
    }
}

/// A value bound to a statement.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    /// bigint
    Int(Option<i64>),
    /// text
    Text(Option<String>),
    /// bytea
    Bytes(Option<Vec<u8>>),
}

macro_rules! arg_from {
    ($($from:ty => |$v:ident| $to:expr;)*) => {$(
        impl From<$from> for Arg {
            fn from($v: $from) -> Arg {
                $to
            }
        }
    )*};
}
arg_from! {
    i64 => |v| Arg::Int(Some(v));
    Option<i64> => |v| Arg::Int(v);
    bool => |v| Arg::Int(Some(i64::from(v)));
    &str => |v| Arg::Text(Some(v.to_owned()));
    String => |v| Arg::Text(Some(v));
    &String => |v| Arg::Text(Some(v.clone()));
    Option<String> => |v| Arg::Text(v);
    &Option<String> => |v| Arg::Text(v.clone());
    Option<&str> => |v| Arg::Text(v.map(str::to_owned));
    Vec<u8> => |v| Arg::Bytes(Some(v));
    &[u8] => |v| Arg::Bytes(Some(v.to_vec()));
    &Bytes => |v| Arg::Bytes(Some(v.to_vec()));
    Option<Vec<u8>> => |v| Arg::Bytes(v);
    crate::domain::time::Instant => |v| Arg::Int(Some(v.ms()));
    Option<crate::domain::time::Instant> => |v| Arg::Int(v.map(|i| i.ms()));
    crate::domain::calendar::Seq => |v| Arg::Int(Some(v.0));
}

macro_rules! arg_from_names {
    ($($name:ident)*) => {$(
        impl From<&crate::domain::ids::$name> for Arg {
            fn from(v: &crate::domain::ids::$name) -> Arg {
                Arg::Text(Some(v.as_str().to_owned()))
            }
        }
    )*};
}
arg_from_names! {
    FirmId UserId CalendarId ObjectId AppPasswordId TokenId FeedId SessionId AuditId ConnectionId LinkId MappingId RunId
    AttemptId OrderId ConflictId ChannelId NoticeId ResourceName Slug UserName
}

impl From<&crate::domain::object::ETag> for Arg {
    fn from(v: &crate::domain::object::ETag) -> Arg {
        Arg::Text(Some(v.as_str().to_owned()))
    }
}

/// Binds values in the order of their placeholders.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::Arg::from($value)),*] };
}
pub(super) use args;

/// A row of either database.
pub(super) enum Row {
    /// From SQLite.
    Sqlite(Box<[Value]>),
    /// From PostgreSQL.
    Postgres(PgRow),
}

macro_rules! getter {
    ($(#[$doc:meta])* $name:ident, $kind:ty, $($pattern:pat => $value:expr),*) => {
        $(#[$doc])*
        pub(super) fn $name(&self, column: usize) -> Result<$kind, StoreError> {
            match self {
                Row::Sqlite(row) => match row.get(column) {
                    $(Some($pattern) => Ok($value),)*
                    other => Err(StoreError::Corrupt(mismatch(column, other))),
                },
                Row::Postgres(row) => row.try_get(column).map_err(|e| StoreError::Corrupt(e.to_string())),
            }
        }
    };
}

/// What a column holds instead of what was expected; not the value, which may be a title.
fn mismatch(column: usize, value: Option<&Value>) -> String {
    format!("column {column} holds {:?}", value.map(Value::data_type))
}

impl Row {
    getter!(/// A bigint.
        int, i64, Value::Integer(v) => *v);
    getter!(/// A bigint or null.
        opt_int, Option<i64>, Value::Integer(v) => Some(*v), Value::Null => None);
    getter!(/// A text.
        text, String, Value::Text(v) => v.clone());
    getter!(/// A text or null.
        opt_text, Option<String>, Value::Text(v) => Some(v.clone()), Value::Null => None);
    getter!(/// A bytea.
        bytes, Vec<u8>, Value::Blob(v) => v.clone());
    getter!(/// A bytea or null.
        opt_bytes, Option<Vec<u8>>, Value::Blob(v) => Some(v.clone()), Value::Null => None);

    /// A flag kept as 0 or 1.
    pub(super) fn flag(&self, column: usize) -> Result<bool, StoreError> {
        self.int(column).map(|v| v != 0)
    }

    /// A point in time.
    pub(super) fn instant(&self, column: usize) -> Result<crate::domain::time::Instant, StoreError> {
        self.int(column).map(crate::domain::time::Instant::from_ms)
    }

    /// A point in time or null.
    pub(super) fn opt_instant(&self, column: usize) -> Result<Option<crate::domain::time::Instant>, StoreError> {
        Ok(self.opt_int(column)?.map(crate::domain::time::Instant::from_ms))
    }

    /// A text that `parse` must understand.
    pub(super) fn word<T>(&self, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| StoreError::Corrupt(format!("unknown word {text:?}")))
    }

    /// A JSON text.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, column: usize) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|e| StoreError::Corrupt(e.to_string()))
    }
}

/// What one row holds, whether it was taken out of its query or is still inside it.
pub(super) trait Cells {
    /// A bigint or null.
    fn cell_int(&self, column: usize) -> Result<Option<i64>, StoreError>;
    /// A text or null.
    fn cell_text(&self, column: usize) -> Result<Option<&str>, StoreError>;
    /// A bytea or null.
    fn cell_bytes(&self, column: usize) -> Result<Option<&[u8]>, StoreError>;

    /// A bigint.
    fn an_int(&self, column: usize) -> Result<i64, StoreError> {
        self.cell_int(column)?.ok_or_else(|| null(column))
    }

    /// A text.
    fn a_text(&self, column: usize) -> Result<&str, StoreError> {
        self.cell_text(column)?.ok_or_else(|| null(column))
    }

    /// A flag kept as 0 or 1.
    fn a_flag(&self, column: usize) -> Result<bool, StoreError> {
        self.an_int(column).map(|v| v != 0)
    }

    /// A point in time.
    fn an_instant(&self, column: usize) -> Result<crate::domain::time::Instant, StoreError> {
        self.an_int(column).map(crate::domain::time::Instant::from_ms)
    }

    /// A text that `parse` must understand.
    fn a_word<T>(&self, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        let text = self.a_text(column)?;
        parse(text).ok_or_else(|| StoreError::Corrupt(format!("unknown word {text:?}")))
    }

    /// A text of one's own, or null.
    fn own_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        Ok(self.cell_text(column)?.map(str::to_owned))
    }

    /// A bytea.
    fn some_bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        self.cell_bytes(column)?.ok_or_else(|| null(column))
    }
}

fn null(column: usize) -> StoreError {
    StoreError::Corrupt(format!("column {column} holds nothing"))
}

impl Cells for Row {
    fn cell_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        self.opt_int(column)
    }

    fn cell_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        match self {
            Row::Sqlite(row) => match row.get(column) {
                Some(Value::Text(text)) => Ok(Some(text)),
                Some(Value::Null) => Ok(None),
                other => Err(StoreError::Corrupt(mismatch(column, other))),
            },
            Row::Postgres(row) => row.try_get(column).map_err(|e| StoreError::Corrupt(e.to_string())),
        }
    }

    fn cell_bytes(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        match self {
            Row::Sqlite(row) => match row.get(column) {
                Some(Value::Blob(bytes)) => Ok(Some(bytes)),
                Some(Value::Null) => Ok(None),
                other => Err(StoreError::Corrupt(mismatch(column, other))),
            },
            Row::Postgres(row) => row.try_get(column).map_err(|e| StoreError::Corrupt(e.to_string())),
        }
    }
}

/// A row that is still in its query: what is read from it is not copied first. It lives until the next one.
pub(super) enum LiveRow<'r> {
    /// From SQLite.
    Sqlite(&'r rusqlite::Row<'r>),
    /// From PostgreSQL.
    Postgres(PgRow),
}

impl LiveRow<'_> {
    fn unread<T>(&self, column: usize, found: &ValueRef<'_>) -> Result<T, StoreError> {
        Err(StoreError::Corrupt(format!("column {column} holds {:?}", found.data_type())))
    }
}

impl Cells for LiveRow<'_> {
    fn cell_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self {
            LiveRow::Sqlite(row) => match row.get_ref(column)? {
                ValueRef::Integer(v) => Ok(Some(v)),
                ValueRef::Null => Ok(None),
                other => self.unread(column, &other),
            },
            LiveRow::Postgres(row) => row.try_get(column).map_err(|e| StoreError::Corrupt(e.to_string())),
        }
    }

    fn cell_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        match self {
            LiveRow::Sqlite(row) => match row.get_ref(column)? {
                ValueRef::Text(v) => {
                    std::str::from_utf8(v).map(Some).map_err(|e| StoreError::Corrupt(format!("column {column}: {e}")))
                }
                ValueRef::Null => Ok(None),
                other => self.unread(column, &other),
            },
            LiveRow::Postgres(row) => row.try_get(column).map_err(|e| StoreError::Corrupt(e.to_string())),
        }
    }

    fn cell_bytes(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        match self {
            LiveRow::Sqlite(row) => match row.get_ref(column)? {
                ValueRef::Blob(v) => Ok(Some(v)),
                ValueRef::Null => Ok(None),
                other => self.unread(column, &other),
            },
            LiveRow::Postgres(row) => row.try_get(column).map_err(|e| StoreError::Corrupt(e.to_string())),
        }
    }
}

/// JSON for a text column.
pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// `$from, $from+1, …` for a list of `count` values.
pub(super) fn placeholders(from: usize, count: usize) -> String {
    (from..from + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// A pattern that finds the text anywhere, in whatever case.
pub(super) fn like(text: &str) -> String {
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

/// Values as PostgreSQL's driver takes them.
fn bound(args: Vec<Arg>) -> Result<PgArguments, StoreError> {
    let mut bound = PgArguments::default();
    for arg in args {
        match arg {
            Arg::Int(v) => bound.add(v),
            Arg::Text(v) => bound.add(v),
            Arg::Bytes(v) => bound.add(v),
        }
        .map_err(|e| StoreError::Corrupt(e.to_string()))?;
    }
    Ok(bound)
}

/// A connection of either database, borrowed from a transaction.
pub(super) enum Link<'a> {
    /// To SQLite.
    Sqlite(&'a mut Sqlite),
    /// To PostgreSQL.
    Postgres(&'a mut PgConnection),
}

impl Link<'_> {
    /// Runs a statement; the number of rows it changed.
    pub(super) async fn exec(self, sql: &str, args: Vec<Arg>) -> Result<u64, StoreError> {
        match self {
            Link::Sqlite(c) => c.exec(sql, &args),
            Link::Postgres(c) => {
                Ok(sqlx::query_with(AssertSqlSafe(sql), bound(args)?).execute(c).await?.rows_affected())
            }
        }
    }

    /// Runs a query; all its rows. Every query that could have many has a `limit`.
    pub(super) async fn all(self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Link::Sqlite(c) => c.all(sql, &args)?.into_iter().map(Row::Sqlite).collect(),
            Link::Postgres(c) => {
                let rows = sqlx::query_with(AssertSqlSafe(sql), bound(args)?).fetch_all(c).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Runs a query and shows its rows one by one, where they are, until `tell` has enough.
    pub(super) async fn each(
        self,
        sql: &str,
        args: Vec<Arg>,
        mut tell: impl FnMut(LiveRow<'_>) -> Result<bool, StoreError> + Send,
    ) -> Result<(), StoreError> {
        match self {
            Link::Sqlite(c) => c.each(sql, &args, |row| tell(LiveRow::Sqlite(row))),
            Link::Postgres(c) => {
                let mut rows = sqlx::query_with(AssertSqlSafe(sql), bound(args)?).fetch(c);
                while let Some(row) = rows.try_next().await? {
                    if !tell(LiveRow::Postgres(row))? {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// Runs a query; its first row.
    pub(super) async fn first(self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Link::Sqlite(c) => c.first(sql, &args)?.map(Row::Sqlite),
            Link::Postgres(c) => {
                let row = sqlx::query_with(AssertSqlSafe(sql), bound(args)?).fetch_optional(c).await?;
                row.map(Row::Postgres)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_count_on() {
        assert_eq!(placeholders(3, 3), "$3, $4, $5");
        assert_eq!(placeholders(1, 0), "");
    }
}
