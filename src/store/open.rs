//! Opening a store: connections, migrations, and what a fresh one is born with.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::Value;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};
use zeroize::Zeroizing;

use super::group::WriterQueue;
use super::sql::{Link, StoreError, args};
use super::sqlite::{Purpose, Readers, Sqlite};
use super::tx::{Db, Inner, Store};
use crate::crypto::{Chance, CryptoError, HashKey, KEY_BYTES, KeyRing, Place};
use crate::domain::time::Clock;

/// The schema's history, compiled in; forward only.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a migration waits for another process to finish its write.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections per node; PostgreSQL's own default allows a hundred for all.
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long a request waits for a connection before it is told that the database is busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Statements kept prepared per connection; there are fewer.
const STATEMENTS_CACHED: usize = 256;

/// Where a store is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// The embedded database in one file.
    Sqlite(PathBuf),
    /// A PostgreSQL URL.
    Postgres(String),
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither `sqlite:PATH` nor `postgres://…`.
    #[error("a database is sqlite:PATH or postgres://USER@HOST/NAME, not {0:?}")]
    BadUrl(String),
    /// A newer program has been here; an older one would misunderstand what it finds.
    #[error(
        "the database was written by a newer version of kalends (its schema {0} is unknown here); use that version"
    )]
    Newer(i64),
    /// The schema could not be brought up to date.
    #[error("the database's schema could not be brought up to date: {0}")]
    Migrate(#[source] MigrateError),
    /// The configured encryption keys do not fit this store.
    #[error("the configured encryption keys do not open this database: {0}")]
    Keys(#[from] CryptoError),
    /// The folder of the database cannot be made.
    #[error("cannot create the folder {0}: {1}")]
    Folder(PathBuf, #[source] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> OpenError {
        OpenError::Store(error.into())
    }
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> OpenError {
        match error {
            MigrateError::VersionMissing(version) => OpenError::Newer(version),
            other => OpenError::Migrate(other),
        }
    }
}

impl FromStr for Database {
    type Err = OpenError;

    fn from_str(url: &str) -> Result<Database, OpenError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Database::Postgres(url.to_owned()));
        }
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
        match path.filter(|p| !p.is_empty()) {
            Some(path) => Ok(Database::Sqlite(PathBuf::from(path))),
            None => Err(OpenError::BadUrl(without_password(url))),
        }
    }
}

/// A URL as it may be shown: without what stands between `:` and `@`.
fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(start), Some(at)) if start < at => format!("{}://…{}", &url[..start], &url[at..]),
        _ => url.to_owned(),
    }
}

impl Database {
    /// The database as it may be shown in logs and `config check`.
    #[must_use]
    pub fn redacted(&self) -> String {
        match self {
            Database::Sqlite(path) => format!("sqlite:{}", path.display()),
            Database::Postgres(url) => without_password(url),
        }
    }
}

impl Store {
    /// Opens a store, making or migrating it where needed.
    ///
    /// # Errors
    /// The database is newer than the program, out of reach, or sealed with other keys.
    pub async fn open(
        database: &Database,
        keys: &KeyRing,
        clock: Arc<dyn Clock>,
        chance: Arc<Chance>,
    ) -> Result<Store, OpenError> {
        let db = match database {
            Database::Sqlite(path) => open_sqlite(path).await?,
            Database::Postgres(url) => open_postgres(url).await?,
        };
        let (epoch, born) = birth(&db, keys, &chance).await?;
        let bell = tokio::sync::Notify::new();
        let inner = Inner { db, epoch, hash_key: born.key, clock, chance, bell };
        let store = Store { inner: Arc::new(inner), gate: None };
        if !born.trails_sealed {
            store.seal_trails(keys).await?;
        }
        Ok(store)
    }
}

/// Makes the file of an SQLite store if it is not there, and brings its schema up to date. Migrations are the only
/// statements that go through the driver of both databases; see [`super::sqlite`] for all others.
pub(super) async fn migrate_file(path: &Path) -> Result<(), OpenError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(SQLITE_BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    MIGRATIONS.run(&mut connection).await?;
    Ok(connection.close().await?)
}

async fn open_sqlite(path: &Path) -> Result<Db, OpenError> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| OpenError::Folder(folder.to_owned(), e))?;
    }
    let readers = match current(path) {
        Some(readers) => readers,
        None => {
            migrate_file(path).await?;
            Readers::open(path)?
        }
    };
    let writer = WriterQueue::new(Sqlite::open(path, Purpose::Write)?);
    Ok(Db::Sqlite { writer, readers })
}

/// The connections to a file whose schema is this program's. `None` where there is something to do, or to find fault
/// with: at nearly every start there is neither, and asking takes less than the driver needs to begin.
fn current(path: &Path) -> Option<Readers> {
    let mut first = Sqlite::open(path, Purpose::Read).ok()?;
    let done = first.all("select version, checksum, success from _sqlx_migrations order by version", &[]).ok()?;
    let known: Vec<Box<[Value]>> = MIGRATIONS
        .iter()
        .filter(|migration| migration.migration_type.is_up_migration())
        .map(|m| [Value::Integer(m.version), Value::Blob(m.checksum.to_vec()), Value::Integer(1)].into())
        .collect();
    (done == known).then(|| Readers::of(path, first))
}

async fn open_postgres(url: &str) -> Result<Db, OpenError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| OpenError::BadUrl(without_password(url)))?
        .application_name("kalends")
        .statement_cache_capacity(STATEMENTS_CACHED)
        .disable_statement_logging();
    let mut first = options.connect().await?;
    MIGRATIONS.run(&mut first).await?;
    first.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    Ok(Db::Postgres(pool))
}

const EPOCH: &str = "epoch";
const HASH_KEY: &str = "hash_key";
/// Stands in `store_meta` where users were there and the hash key was not.
pub(super) const HASH_KEY_LOST: &str = "hash_key_lost";

fn hash_key_place() -> Place<'static> {
    Place { table: "store_meta", row: HASH_KEY, column: "value" }
}

/// Follows the bytes of a hash key where every audit trail's end is noted under a seal, since schema 7. It lies inside what is
/// sealed with the encryption key: who has the database alone cannot take it off, to have a trail of their own making
/// sealed as one from before.
const TRAILS_SEALED: u8 = 1;

/// What the hash key's row says.
struct Born {
    key: HashKey,
    trails_sealed: bool,
}

fn born_of(opened: &[u8]) -> Result<Born, CryptoError> {
    let (key, rest) = opened.split_at_checked(KEY_BYTES).ok_or(CryptoError::Broken)?;
    let trails_sealed = match rest {
        [] => false,
        [TRAILS_SEALED] => true,
        _ => return Err(CryptoError::Broken),
    };
    Ok(Born { key: HashKey::from_bytes(key).ok_or(CryptoError::Broken)?, trails_sealed })
}

/// Reads the epoch and the hash key; the first node to open a fresh store makes them.
async fn birth(db: &Db, keys: &KeyRing, chance: &Chance) -> Result<(String, Born), OpenError> {
    let epoch = meta(db, EPOCH, || hex::encode(chance.bytes::<6>()).into_bytes()).await?;
    let made = || {
        let plain = Zeroizing::new([chance.bytes::<KEY_BYTES>().as_slice(), &[TRAILS_SEALED]].concat());
        keys.seal(hash_key_place(), &plain, chance)
    };
    let is_missing = !holds(db, "select 1 from store_meta where name = 'hash_key'").await?;
    if is_missing && holds(db, "select 1 from users limit 1").await? {
        // Whoever took the key away took more than we can bring back; the doctor is to know it too.
        tracing::error!(
            "the key of keyed hashes is gone; another is made, which knows no token and no trail of before"
        );
        meta(db, HASH_KEY_LOST, || b"1".to_vec()).await?;
    }
    let sealed = meta(db, HASH_KEY, made).await?;
    let opened = keys.open(hash_key_place(), &sealed)?;
    Ok((String::from_utf8_lossy(&epoch).into_owned(), born_of(&opened)?))
}

impl Store {
    /// Seals the ends of all audit trails from before schema 7, and remembers under the encryption key that it was done.
    async fn seal_trails(&self, keys: &KeyRing) -> Result<(), OpenError> {
        let mut tx = self.write().await?;
        // Another node may be at it: on PostgreSQL this waits for it.
        tx.exec("update store_meta set value = value where name = $1", args![HASH_KEY]).await?;
        let row = tx.first("select value from store_meta where name = $1", args![HASH_KEY]).await?;
        let opened = keys.open(hash_key_place(), &row.map(|r| r.bytes(0)).transpose()?.unwrap_or_default())?;
        if born_of(&opened)?.trails_sealed {
            return Ok(());
        }
        tx.seal_trails().await?;
        let plain = Zeroizing::new([opened.as_slice(), &[TRAILS_SEALED]].concat());
        let sealed = keys.seal(hash_key_place(), &plain, self.chance());
        tx.exec("update store_meta set value = $2 where name = $1", args![HASH_KEY, sealed]).await?;
        Ok(tx.commit().await?)
    }
}

impl Store {
    /// Seals the hash key anew with the newest key. Whether it was not yet.
    ///
    /// # Errors
    /// The database failed, or none of the keys opens it.
    pub async fn reseal_hash_key(&self, keys: &KeyRing) -> Result<bool, OpenError> {
        let mut tx = self.write().await?;
        let row = tx.first("select value from store_meta where name = $1", args![HASH_KEY]).await?;
        let old = row.map(|r| r.bytes(0)).transpose()?.unwrap_or_default();
        if keys.is_newest(&old) {
            return Ok(false);
        }
        let new = keys.seal(hash_key_place(), &keys.open(hash_key_place(), &old)?, self.chance());
        tx.exec("update store_meta set value = $2 where name = $1", args![HASH_KEY, new]).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Opens the hash key that a database holds.
pub(super) async fn hash_key_in(link: Link<'_>, keys: &KeyRing) -> Result<HashKey, OpenError> {
    let row = link.first("select value from store_meta where name = $1", args![HASH_KEY]).await?;
    let sealed = row.map(|r| r.bytes(0)).transpose()?.unwrap_or_default();
    Ok(born_of(&keys.open(hash_key_place(), &sealed)?)?.key)
}

/// Whether a query finds anything.
async fn holds(db: &Db, sql: &str) -> Result<bool, StoreError> {
    Ok(match db {
        Db::Sqlite { writer, .. } => {
            let mut turn = writer.turn().await?;
            let found = Link::Sqlite(turn.connection()?).first(sql, args![]).await?.is_some();
            turn.commit().await?;
            found
        }
        Db::Postgres(pool) => Link::Postgres(&mut *pool.acquire().await?).first(sql, args![]).await?.is_some(),
    })
}

async fn meta(db: &Db, name: &str, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, StoreError> {
    const READ: &str = "select value from store_meta where name = $1";
    const WRITE: &str = "insert into store_meta (name, value) values ($1, $2) on conflict (name) do nothing";
    match db {
        Db::Sqlite { writer, .. } => {
            let mut turn = writer.turn().await?;
            if let Some(row) = Link::Sqlite(turn.connection()?).first(READ, args![name]).await? {
                let value = row.bytes(0)?;
                turn.commit().await?;
                return Ok(value);
            }
            let value = make();
            Link::Sqlite(turn.connection()?).exec(WRITE, args![name, value.clone()]).await?;
            turn.commit().await?;
            Ok(value)
        }
        Db::Postgres(pool) => {
            let mut connection = pool.acquire().await?;
            if let Some(row) = Link::Postgres(&mut connection).first(READ, args![name]).await? {
                return row.bytes(0);
            }
            Link::Postgres(&mut connection).exec(WRITE, args![name, make()]).await?;
            // Another node may have been first.
            match Link::Postgres(&mut connection).first(READ, args![name]).await? {
                Some(row) => row.bytes(0),
                None => Err(StoreError::Corrupt("store_meta".to_owned())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_read_and_shown_without_its_password() {
        assert_eq!("sqlite:/x/y.db".parse::<Database>().ok(), Some(Database::Sqlite("/x/y.db".into())));
        let pg: Database = "postgres://ada:geheim@db/kalends".parse().expect("a url");
        assert_eq!(pg.redacted(), "postgres://…@db/kalends");
        assert!("mysql://root:geheim@db".parse::<Database>().is_err_and(|e| !e.to_string().contains("geheim")));
    }

    #[tokio::test]
    async fn only_a_file_with_exactly_this_schema_is_taken_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.db");
        assert!(current(&path).is_none() && !path.exists());
        migrate_file(&path).await.expect("a schema");
        assert!(current(&path).is_some());
        for (change, undo) in [
            (
                "insert into _sqlx_migrations select 9999, description, installed_on, success, checksum, execution_time \
              from _sqlx_migrations where version = 1",
                "delete from _sqlx_migrations where version = 9999",
            ),
            ("update _sqlx_migrations set success = 0 where version = 1", "update _sqlx_migrations set success = 1"),
            ("update _sqlx_migrations set checksum = x'00' where version = 1", "select 1"),
        ] {
            let mut writer = Sqlite::open(&path, Purpose::Write).expect("open");
            writer.exec(change, &[]).expect(change);
            assert!(current(&path).is_none(), "{change}");
            writer.exec(undo, &[]).expect(undo);
        }
    }
}
