//! SQLite's one writer. Whoever wants to write waits in line, works inside a savepoint of a transaction that may be
//! shared, and is answered when that transaction is on disk: the commit is done by the last in line, so a crowd of
//! small writes shares one fsync and a lone write waits for nobody. A writer that fails or goes away undoes its own
//! savepoint only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::sql::StoreError;

/// How many writers share a commit at most: bounds how long the first one waits for its answer.
const GROUP_MAX: usize = 64;

type Answer = Result<(), Arc<sqlx::Error>>;

/// The connection and the transaction open on it, if any.
pub(super) struct Writer {
    connection: SqliteConnection,
    /// Those whose savepoints are released into the open transaction and who wait for its commit.
    waiting: Vec<oneshot::Sender<Answer>>,
    is_open: bool,
}

/// The line in front of the writer.
#[derive(Clone)]
pub(super) struct WriterQueue {
    writer: Arc<Mutex<Writer>>,
    in_line: Arc<AtomicUsize>,
}

/// One who stands in line. Whoever gives up waiting must not leave those hanging who left the commit to them.
struct Ticket {
    queue: WriterQueue,
    gave_up: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.in_line.fetch_sub(1, Ordering::SeqCst);
        if let (true, Ok(runtime)) = (self.gave_up, tokio::runtime::Handle::try_current()) {
            let queue = self.queue.clone();
            runtime.spawn(async move {
                let mut writer = queue.writer.lock().await;
                if queue.in_line.load(Ordering::SeqCst) == 0 && writer.is_open {
                    commit(&mut writer).await;
                }
            });
        }
    }
}

/// The turn of one writer: exclusive, inside its own savepoint.
pub(super) struct Turn {
    /// `None` once the turn is over.
    writer: Option<OwnedMutexGuard<Writer>>,
    queue: WriterQueue,
}

impl WriterQueue {
    pub(super) fn new(connection: SqliteConnection) -> WriterQueue {
        let writer = Writer { connection, waiting: Vec::new(), is_open: false };
        WriterQueue { writer: Arc::new(Mutex::new(writer)), in_line: Arc::default() }
    }

    /// Waits for its turn and opens a savepoint.
    pub(super) async fn turn(&self) -> Result<Turn, StoreError> {
        self.in_line.fetch_add(1, Ordering::SeqCst);
        let mut ticket = Ticket { queue: self.clone(), gave_up: true };
        let guard = Arc::clone(&self.writer).lock_owned().await;
        ticket.gave_up = false;
        drop(ticket);
        let mut turn = Turn { writer: Some(guard), queue: self.clone() };
        if let Some(writer) = turn.writer.as_mut() {
            if !writer.is_open {
                run(&mut writer.connection, "BEGIN IMMEDIATE").await?;
                writer.is_open = true;
            }
            run(&mut writer.connection, "SAVEPOINT turn").await?;
        }
        Ok(turn)
    }

    /// Closes the connection when the last turn is over.
    pub(super) async fn close(&self) {
        let mut writer = self.writer.lock().await;
        if writer.is_open {
            commit(&mut writer).await;
        }
        // Checkpoints the log, so that the database is one file again.
        let _ = run(&mut writer.connection, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    }
}

impl Turn {
    /// The connection, inside this turn's savepoint.
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        match self.writer.as_mut() {
            Some(writer) => Ok(&mut writer.connection),
            None => Err(StoreError::Database(sqlx::Error::WorkerCrashed)),
        }
    }

    /// Releases the savepoint and returns when the change is on disk.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        let Some(writer) = self.writer.as_mut() else {
            return Err(StoreError::Database(sqlx::Error::WorkerCrashed));
        };
        run(&mut writer.connection, "RELEASE turn").await?;
        let (sender, answer) = oneshot::channel();
        writer.waiting.push(sender);
        // From here on the change belongs to the group: dropping this future must not undo it.
        let Some(mut writer) = self.writer.take() else {
            return Err(StoreError::Database(sqlx::Error::WorkerCrashed));
        };
        if self.queue.in_line.load(Ordering::SeqCst) == 0 || writer.waiting.len() >= GROUP_MAX {
            // In a task of its own, so that a client that hangs up cannot interrupt the commit of others.
            tokio::spawn(async move { commit(&mut writer).await });
        } else {
            // The next in line needs it.
            drop(writer);
        }
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(group_failed(&error)),
            Err(_) => Err(StoreError::Database(sqlx::Error::WorkerCrashed)),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let queue = self.queue.clone();
        runtime.spawn(async move {
            let undone = run(&mut writer.connection, "ROLLBACK TO turn; RELEASE turn").await;
            if undone.is_err() {
                // The savepoint is in an unknown state: nothing of this group may be committed.
                abandon(&mut writer).await;
            } else if queue.in_line.load(Ordering::SeqCst) == 0 {
                commit(&mut writer).await;
            }
        });
    }
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await.map(|_| ())
}

/// Commits what the group has done and answers all who wait for it.
async fn commit(writer: &mut Writer) {
    let result = run(&mut writer.connection, "COMMIT").await.map_err(Arc::new);
    if result.is_err() {
        // After a full disk SQLite may or may not have rolled back by itself.
        let _ = run(&mut writer.connection, "ROLLBACK").await;
    }
    writer.is_open = false;
    for waiting in writer.waiting.drain(..) {
        let _ = waiting.send(result.clone());
    }
}

/// Gives a group up: nothing of it is kept and everyone in it is told.
async fn abandon(writer: &mut Writer) {
    let _ = run(&mut writer.connection, "ROLLBACK").await;
    writer.is_open = false;
    let error = Arc::new(sqlx::Error::WorkerCrashed);
    for waiting in writer.waiting.drain(..) {
        let _ = waiting.send(Err(error.clone()));
    }
    let _ = writer.connection.ping().await;
}

/// A shared error, told to each of those who shared the commit.
fn group_failed(error: &sqlx::Error) -> StoreError {
    let copy = sqlx::Error::Protocol(error.to_string());
    match error.as_database_error().and_then(|e| e.code()).and_then(|c| c.parse::<i32>().ok()).map(|c| c & 0xff) {
        Some(5 | 6) => StoreError::Busy(copy),
        // FULL, and IOERR: the system's word for a disk that takes no more
        Some(13) => StoreError::Full(copy),
        _ => StoreError::Database(copy),
    }
}
