//! Backup and restore. A backup is one SQLite file whichever database it was taken from: a consistent state of
//! every table, verified before it gets its name. A restore fills an empty store on either database and begins a
//! new epoch, so that clients which synced after the backup was taken are told to start over.

use std::path::{Path, PathBuf};

use super::open::{MIGRATIONS, OpenError, migrate_file};
use super::sql::{Arg, Link, StoreError, args, placeholders};
use super::sqlite::{Purpose, Sqlite};
use super::tx::{Db, Store, WriteTx};
use crate::crypto::KeyRing;

/// Rows copied in one go.
const PAGE: i64 = 500;

/// Why a backup or restore was not done.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file of that name exists; it is left alone.
    #[error("{0} exists already and is left alone")]
    Exists(PathBuf),
    /// The file cannot be written, read or renamed.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] std::io::Error),
    /// The file is no backup, or a damaged one.
    #[error("{0} is not a sound backup: {1}")]
    NotSound(PathBuf, String),
    /// The store to restore into holds users already.
    #[error("the store to restore into is not empty; restore into a fresh data folder or database")]
    NotEmpty,
    /// The backup cannot be opened, e.g. because it is newer than the program.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The tables in an order in which foreign keys hold, with the keys they are read by.
const TABLES: [(&str, &[&str]); 32] = [
    ("store_meta", &["name"]),
    ("firms", &["firm_id"]),
    ("users", &["firm_id", "user_id"]),
    ("app_passwords", &["firm_id", "app_password_id"]),
    ("api_tokens", &["firm_id", "token_id"]),
    ("sessions", &["firm_id", "session_id"]),
    ("calendars", &["firm_id", "calendar_id"]),
    ("objects", &["firm_id", "calendar_id", "name"]),
    ("tombstones", &["firm_id", "calendar_id", "name"]),
    ("versions", &["firm_id", "object_id", "version"]),
    ("properties", &["firm_id", "resource_id", "user_id", "namespace", "name"]),
    ("feeds", &["firm_id", "feed_id"]),
    ("idempotency", &["firm_id", "user_id", "idempotency_key"]),
    ("audit_events", &["firm_id", "number"]),
    ("audit_heads", &["firm_id"]),
    ("connections", &["firm_id", "connection_id"]),
    ("oauth_states", &["firm_id", "state_hash"]),
    ("links", &["firm_id", "link_id"]),
    ("mappings", &["firm_id", "link_id", "mapping_id"]),
    ("outbox", &["firm_id", "link_id", "object_id"]),
    ("orders", &["firm_id", "order_id", "link_id"]),
    ("runs", &["firm_id", "run_id"]),
    ("run_days", &["firm_id", "day", "shard", "provider", "kind", "status"]),
    ("run_items", &["firm_id", "run_id", "number"]),
    ("attempts", &["firm_id", "attempt_id"]),
    (
        "attempt_days",
        &[
            "firm_id",
            "day",
            "shard",
            "provider",
            "operation",
            "way",
            "outcome",
            "error_class",
            "max_retries_reached",
            "kept",
        ],
    ),
    ("conflicts", &["firm_id", "conflict_id"]),
    ("channels", &["firm_id", "channel_id"]),
    ("mail_ledger", &["firm_id", "uid", "recurrence_id", "sequence", "recipient", "method"]),
    ("notices", &["firm_id", "notice_id"]),
    ("notifications", &["firm_id", "notice_id", "way"]),
    ("jobs", &["name"]),
];

/// The tables whose rows belong to firms, but for the firms themselves.
pub(super) fn tables_of_firms() -> impl Iterator<Item = &'static str> {
    let of_firms = TABLES.iter().filter(|(name, keys)| *name != "firms" && keys.first() == Some(&"firm_id"));
    of_firms.map(|(name, _)| *name)
}

/// A column's name and whether it holds integers (`i`), text (`t`) or bytes (`b`).
type Column = (String, char);

impl Store {
    /// Writes a backup to a new file while the store is in use. The number of rows in it.
    ///
    /// # Errors
    /// See [`BackupError`]; no file of that name is left behind then.
    pub async fn backup(&self, file: &Path) -> Result<u64, BackupError> {
        if file.exists() {
            return Err(BackupError::Exists(file.to_owned()));
        }
        let mut part = file.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let failed = |e| BackupError::File(part.clone(), e);
        match std::fs::remove_file(&part) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        let done = self.write_backup(&part).await;
        if done.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        let rows = done?;
        std::fs::File::open(&part).and_then(|f| f.sync_all()).map_err(failed)?;
        std::fs::rename(&part, file).map_err(|e| BackupError::File(file.to_owned(), e))?;
        Ok(rows)
    }

    async fn write_backup(&self, part: &Path) -> Result<u64, BackupError> {
        match &self.inner.db {
            Db::Sqlite { readers, .. } => {
                // A connection of its own: it may only read what is here, and makes another file of it.
                let mut source = Sqlite::open(readers.path(), Purpose::Write)?;
                let target = Arg::from(part.to_string_lossy().into_owned());
                tokio::task::spawn_blocking(move || source.exec("VACUUM INTO $1", &[target]))
                    .await
                    .map_err(|e| StoreError::Database(e.into()))??;
            }
            Db::Postgres(_) => {
                migrate_file(part).await?;
                let mut target = Sqlite::open(part, Purpose::Write)?;
                let mut source = self.read().await?;
                target.run("BEGIN")?;
                for (table, keys) in TABLES {
                    let columns = columns_of(&mut target, table).await?;
                    let mut after = None;
                    while let Some(page) = next_page(source.link()?, table, keys, &columns, &mut after).await? {
                        for row in page {
                            Link::Sqlite(&mut target).exec(&insert_text(table, &columns), row).await?;
                        }
                    }
                }
                target.run("COMMIT")?;
            }
        }
        let mut written = Sqlite::open(part, Purpose::Write)?;
        let rows = verify(&mut written, part).await?;
        written.run("PRAGMA journal_mode = DELETE")?;
        Ok(rows)
    }

    /// Fills this store, which must be empty, from a backup that was sealed with one of these keys. The number of rows
    /// restored. The store must be opened anew afterwards: its epoch and hash key are others now.
    ///
    /// # Errors
    /// See [`BackupError`]; the store is as it was then.
    pub async fn restore(&self, file: &Path, keys: &KeyRing) -> Result<u64, BackupError> {
        let mut source = open_backup(file, keys).await?;
        let mut target = self.write().await?;
        if target.first("select name from users limit 1", args![]).await?.is_some() {
            return Err(BackupError::NotEmpty);
        }
        let rows = target.restore_from(&mut source).await?;
        target.commit().await?;
        Ok(rows)
    }
}

impl WriteTx {
    async fn restore_from(&mut self, source: &mut Sqlite) -> Result<u64, BackupError> {
        let mut restored = 0;
        for (table, _) in TABLES.iter().rev() {
            self.exec(&format!("delete from {table}"), args![]).await?;
        }
        for (table, keys) in TABLES {
            let columns = columns_of(source, table).await?;
            let mut after = None;
            while let Some(page) = next_page(Link::Sqlite(source), table, keys, &columns, &mut after).await? {
                restored += page.len() as u64;
                for row in page {
                    self.exec(&insert_text(table, &columns), row).await?;
                }
            }
        }
        let epoch = hex::encode(self.store.chance().bytes::<6>());
        self.exec("update store_meta set value = $1 where name = 'epoch'", args![epoch.into_bytes()]).await?;
        Ok(restored)
    }
}

/// Checks that a file is a sound backup which these keys open, before a store to restore into is made.
///
/// # Errors
/// See [`BackupError`].
pub async fn check_backup(file: &Path, keys: &KeyRing) -> Result<(), BackupError> {
    open_backup(file, keys).await.map(|_| ())
}

/// A backup, verified and ready to be read.
async fn open_backup(file: &Path, keys: &KeyRing) -> Result<Sqlite, BackupError> {
    let not_sound = |e: String| BackupError::NotSound(file.to_owned(), e);
    std::fs::metadata(file).map_err(|e| BackupError::File(file.to_owned(), e))?;
    let mut source = Sqlite::open(file, Purpose::Read).map_err(|e| not_sound(e.to_string()))?;
    verify(&mut source, file).await?;
    let applied = Link::Sqlite(&mut source).first("select max(version) from _sqlx_migrations", args![]).await;
    let applied = applied.map_err(|e| not_sound(e.to_string()))?.map(|r| r.opt_int(0)).transpose()?.flatten();
    let known = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
    if let Some(newer) = applied.filter(|applied| *applied > known) {
        return Err(OpenError::Newer(newer).into());
    }
    super::open::hash_key_in(Link::Sqlite(&mut source), keys).await?;
    Ok(source)
}

/// Checks that a file is a sound database with our tables; the number of rows in them.
async fn verify(connection: &mut Sqlite, file: &Path) -> Result<u64, BackupError> {
    let not_sound = |what: String| BackupError::NotSound(file.to_owned(), what);
    let row = Link::Sqlite(connection)
        .first("PRAGMA integrity_check", args![])
        .await
        .map_err(|e| not_sound(e.to_string()))?;
    match row.map(|r| r.text(0)).transpose()? {
        Some(answer) if answer == "ok" => {}
        other => return Err(not_sound(other.unwrap_or_default())),
    }
    let mut rows = 0;
    for (table, _) in TABLES {
        let count = Link::Sqlite(connection)
            .first(&format!("select count(*) from {table}"), args![])
            .await
            .map_err(|e| not_sound(e.to_string()))?;
        rows += count.map(|r| r.int(0)).transpose()?.unwrap_or(0).unsigned_abs();
    }
    Ok(rows)
}

async fn columns_of(connection: &mut Sqlite, table: &str) -> Result<Vec<Column>, StoreError> {
    let rows = Link::Sqlite(connection).all(&format!("pragma table_info({table})"), args![]).await?;
    rows.iter()
        .map(|r| {
            let kind = match r.text(2)?.to_ascii_lowercase().as_str() {
                "bigint" => 'i',
                "bytea" => 'b',
                _ => 't',
            };
            Ok((r.text(1)?, kind))
        })
        .collect()
}

/// The next rows of a table after the key of the last one; `None` when all were read.
async fn next_page(
    link: Link<'_>,
    table: &str,
    keys: &[&str],
    columns: &[Column],
    after: &mut Option<Vec<Arg>>,
) -> Result<Option<Vec<Vec<Arg>>>, StoreError> {
    let names = columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let order = keys.join(", ");
    let (condition, mut values) = match after.take() {
        Some(key) => (format!("where ({order}) > ({})", placeholders(1, key.len())), key),
        None => (String::new(), Vec::new()),
    };
    values.push(PAGE.into());
    let sql = format!("select {names} from {table} {condition} order by {order} limit ${}", values.len());
    let rows = link.all(&sql, values).await?;
    let mut page = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut values = Vec::with_capacity(columns.len());
        for (at, (_, kind)) in columns.iter().enumerate() {
            values.push(match kind {
                'i' => Arg::Int(row.opt_int(at)?),
                'b' => Arg::Bytes(row.opt_bytes(at)?),
                _ => Arg::Text(row.opt_text(at)?),
            });
        }
        page.push(values);
    }
    let Some(last) = page.last() else { return Ok(None) };
    let key_at = |key: &&str| columns.iter().position(|(name, _)| name == key);
    *after = Some(keys.iter().filter_map(key_at).filter_map(|at| last.get(at).cloned()).collect());
    Ok(Some(page))
}

fn insert_text(table: &str, columns: &[Column]) -> String {
    let names = columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    format!("insert into {table} ({names}) values ({})", placeholders(1, columns.len()))
}
