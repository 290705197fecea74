//! Transactions: a [`ReadTx`] sees one state of everything and can write nothing; a [`WriteTx`] can do both and is
//! nothing until it is committed. One at a time per task, none held across a network await.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::{PgPool, Postgres, Transaction};

use super::gate::{Gate, Passing};
use super::group::{Turn, WriterQueue};
use super::sql::{Arg, Link, LiveRow, Row, StoreError};
use super::sqlite::{Readers, Reading};
use crate::crypto::{Chance, HashKey};
use crate::domain::time::{Clock, Instant};

/// The store. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
    pub(super) gate: Option<Arc<Gate>>,
}

pub(super) struct Inner {
    pub(super) db: Db,
    pub(super) epoch: String,
    pub(super) hash_key: HashKey,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) chance: Arc<Chance>,
    /// Rung after a commit that left something for the sync engine to do.
    pub(super) bell: tokio::sync::Notify,
}

pub(super) enum Db {
    Sqlite { writer: WriterQueue, readers: Readers },
    Postgres(PgPool),
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.inner.db {
            Db::Sqlite { .. } => "Store(sqlite)",
            Db::Postgres(_) => "Store(postgres)",
        })
    }
}

impl Store {
    /// Begins to read: one state of everything, for as long as the transaction lives.
    ///
    /// # Errors
    /// The database is busy or gone.
    pub async fn read(&self) -> Result<ReadTx, StoreError> {
        self.pass(Passing::Read).await;
        let conn = match &self.inner.db {
            Db::Sqlite { readers, .. } => Conn::SqliteRead(readers.begin().await?),
            Db::Postgres(pool) => Conn::Postgres(begun(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?),
        };
        Ok(self.tx(conn))
    }

    /// Begins to write. On SQLite this waits for the one writer's turn.
    ///
    /// # Errors
    /// The database is busy, full or gone.
    pub async fn write(&self) -> Result<WriteTx, StoreError> {
        self.pass(Passing::Write).await;
        let conn = match &self.inner.db {
            Db::Sqlite { writer, .. } => Conn::SqliteWrite(writer.turn().await?),
            Db::Postgres(pool) => Conn::Postgres(begun(pool, "BEGIN").await?),
        };
        Ok(WriteTx { read: self.tx(conn), rings: false })
    }

    /// The same store behind a gate: every transaction of this handle passes it.
    #[must_use]
    pub fn behind(&self, gate: Arc<Gate>) -> Store {
        Store { inner: Arc::clone(&self.inner), gate: Some(gate) }
    }

    async fn pass(&self, at: Passing) {
        if let Some(gate) = &self.gate {
            gate.pass(at).await;
        }
    }

    fn tx(&self, conn: Conn) -> ReadTx {
        ReadTx { conn, store: self.clone(), now: self.inner.clock.now() }
    }

    /// Has the database look how much is in it, after a first part of much that is written at once. Until PostgreSQL has
    /// looked by itself, which may take a minute, it takes an empty calendar for granted and walks all of it for every
    /// object that is put. SQLite needs nothing of the kind.
    ///
    /// # Errors
    /// The database is busy or gone.
    pub async fn take_measure(&self) -> Result<(), StoreError> {
        if let Db::Postgres(pool) = &self.inner.db {
            sqlx::raw_sql("analyze objects; analyze tombstones").execute(pool).await?;
        }
        Ok(())
    }

    /// The life of this store, for sync tokens.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.inner.epoch
    }

    /// The present time by the store's clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.inner.clock.now()
    }

    /// The store's source of chance.
    #[must_use]
    pub fn chance(&self) -> &Chance {
        &self.inner.chance
    }

    /// The keyed hash of a secret, under which it is looked up.
    #[must_use]
    pub fn hash(&self, purpose: &str, secret: &str) -> [u8; 32] {
        self.inner.hash_key.hash(purpose, secret)
    }

    /// The key of keyed hashes.
    pub(super) fn hash_key(&self) -> &HashKey {
        &self.inner.hash_key
    }

    /// Waits until a commit of this process left something for the sync engine to do. It says "look", not what: other
    /// nodes' commits are found by looking now and then.
    pub async fn rung(&self) {
        self.inner.bell.notified().await;
    }

    /// The name of the database engine, for logs and metrics.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        match self.inner.db {
            Db::Sqlite { .. } => "sqlite",
            Db::Postgres(_) => "postgres",
        }
    }

    /// Connections of the read pool (PostgreSQL: of the pool): all, and those waiting for work.
    #[must_use]
    pub fn pool_size(&self) -> (u32, usize) {
        match &self.inner.db {
            Db::Sqlite { readers, .. } => readers.size(),
            Db::Postgres(pool) => (pool.size(), pool.num_idle()),
        }
    }

    /// Closes every connection after the work on it is done.
    pub async fn close(&self) {
        match &self.inner.db {
            Db::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Db::Postgres(pool) => pool.close().await,
        }
    }
}

/// Begins a transaction in a task of its own, so that a client that hangs up cannot interrupt it: sqlx 0.9 gives a
/// connection whose BEGIN nobody waited for back to the pool inside that transaction, and the next one there would read
/// many states of everything, or write into what is read-only.
async fn begun(pool: &PgPool, statement: &'static str) -> Result<Transaction<'static, Postgres>, StoreError> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(statement).await }).await;
    Ok(begun.map_err(|_| sqlx::Error::WorkerCrashed)??)
}

pub(super) enum Conn {
    SqliteRead(Reading),
    SqliteWrite(Turn),
    Postgres(Transaction<'static, Postgres>),
}

/// One state of everything, to read.
pub struct ReadTx {
    conn: Conn,
    pub(super) store: Store,
    pub(super) now: Instant,
}

/// Reads and writes that happen together or not at all. Dropped without [`WriteTx::commit`] it never happened.
pub struct WriteTx {
    read: ReadTx,
    rings: bool,
}

impl ReadTx {
    pub(super) fn link(&mut self) -> Result<Link<'_>, StoreError> {
        Ok(match &mut self.conn {
            Conn::SqliteRead(reading) => Link::Sqlite(reading.connection()?),
            Conn::SqliteWrite(turn) => Link::Sqlite(turn.connection()?),
            Conn::Postgres(tx) => Link::Postgres(tx),
        })
    }

    pub(super) async fn all(&mut self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        self.link()?.all(sql, args).await
    }

    /// Runs a query of many rows; what `read` makes of each, read where it is.
    pub(super) async fn gather<T: Send>(
        &mut self,
        sql: &str,
        args: Vec<Arg>,
        read: impl Fn(&LiveRow<'_>) -> Result<T, StoreError> + Send + Sync,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        let tell = |row: LiveRow<'_>| {
            found.push(read(&row)?);
            Ok(true)
        };
        self.link()?.each(sql, args, tell).await?;
        Ok(found)
    }

    /// Runs a query of one row; what `read` makes of it, read where it is.
    pub(super) async fn find<T: Send>(
        &mut self,
        sql: &str,
        args: Vec<Arg>,
        read: impl Fn(&LiveRow<'_>) -> Result<T, StoreError> + Send + Sync,
    ) -> Result<Option<T>, StoreError> {
        let mut found = None;
        let tell = |row: LiveRow<'_>| {
            found = Some(read(&row)?);
            Ok(false)
        };
        self.link()?.each(sql, args, tell).await?;
        Ok(found)
    }

    pub(super) async fn first(&mut self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        self.link()?.first(sql, args).await
    }

    /// When this transaction began, by the store's clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }
}

impl WriteTx {
    pub(super) async fn exec(&mut self, sql: &str, args: Vec<Arg>) -> Result<u64, StoreError> {
        self.link()?.exec(sql, args).await
    }

    /// Ten random bytes for an identifier.
    pub(super) fn random(&self) -> [u8; 10] {
        self.read.store.chance().bytes()
    }

    /// Makes everything done in it durable; returns when it is on disk.
    ///
    /// # Errors
    /// Nothing of it happened: the database is full, busy or gone.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.read.store.pass(Passing::Commit).await;
        match self.read.conn {
            Conn::SqliteWrite(turn) => turn.commit().await?,
            Conn::SqliteRead(reading) => drop(reading),
            Conn::Postgres(tx) => tx.commit().await?,
        }
        if self.rings {
            self.read.store.inner.bell.notify_one();
        }
        Ok(())
    }

    /// After the commit, whoever waits for [`Store::rung`] looks for work.
    pub(super) fn wake(&mut self) {
        self.rings = true;
    }
}

impl Deref for WriteTx {
    type Target = ReadTx;
    fn deref(&self) -> &ReadTx {
        &self.read
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut ReadTx {
        &mut self.read
    }
}
