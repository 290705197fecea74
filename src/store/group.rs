//! SQLite's one writer. Whoever wants to write waits in line, works inside a savepoint of a transaction that may be
//! shared, and is answered when that transaction is on disk: the commit is done by the last in line, so a crowd of
//! small writes shares one fsync and a lone write waits for nobody. A writer that fails or goes away undoes its own
//! savepoint only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::sql::StoreError;
use super::sqlite::Sqlite;

/// How many writers share a commit at most: bounds how long the first one waits for its answer.
const GROUP_MAX: usize = 64;

/// How long a group waits for another process (the command line beside a running server) to finish its write: five
/// seconds, looking every ten milliseconds.
const BEGIN_TRIES: u32 = 500;
const BEGIN_PAUSE: Duration = Duration::from_millis(10);

type Answer = Result<(), Arc<StoreError>>;

/// The connection and the transaction open on it, if any.
pub(super) struct Writer {
    connection: Sqlite,
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
                let writer = Arc::clone(&queue.writer).lock_owned().await;
                if queue.in_line.load(Ordering::SeqCst) == 0 && writer.is_open {
                    commit_apart(writer);
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
    pub(super) fn new(connection: Sqlite) -> WriterQueue {
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
                begin(&mut writer.connection).await?;
                writer.is_open = true;
            }
            writer.connection.exec("SAVEPOINT turn", &[])?;
        }
        Ok(turn)
    }

    /// Closes the connection when the last turn is over.
    pub(super) async fn close(&self) {
        let mut writer = self.writer.lock().await;
        if writer.is_open {
            commit(&mut writer);
        }
        // Checkpoints the log, so that the database is one file again.
        let _ = writer.connection.run("PRAGMA wal_checkpoint(TRUNCATE)");
    }
}

impl Turn {
    /// The connection, inside this turn's savepoint.
    pub(super) fn connection(&mut self) -> Result<&mut Sqlite, StoreError> {
        match self.writer.as_mut() {
            Some(writer) => Ok(&mut writer.connection),
            None => Err(over()),
        }
    }

    /// Releases the savepoint and returns when the change is on disk.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        let Some(writer) = self.writer.as_mut() else {
            return Err(over());
        };
        writer.connection.exec("RELEASE turn", &[])?;
        let (sender, answer) = oneshot::channel();
        writer.waiting.push(sender);
        // From here on the change belongs to the group: dropping this future must not undo it.
        let Some(writer) = self.writer.take() else {
            return Err(over());
        };
        if self.queue.in_line.load(Ordering::SeqCst) == 0 || writer.waiting.len() >= GROUP_MAX {
            commit_apart(writer);
        } else {
            // The next in line needs it.
            drop(writer);
        }
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(group_failed(&error)),
            Err(_) => Err(over()),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        if writer.connection.run("ROLLBACK TO turn; RELEASE turn").is_err() {
            // The savepoint is in an unknown state: nothing of this group may be committed.
            abandon(&mut writer);
        } else if self.queue.in_line.load(Ordering::SeqCst) == 0 {
            commit_apart(writer);
        }
    }
}

/// Opens the transaction of a group. The command line beside a running server may be writing.
async fn begin(connection: &mut Sqlite) -> Result<(), StoreError> {
    for _ in 1..BEGIN_TRIES {
        match connection.exec("BEGIN IMMEDIATE", &[]) {
            Err(StoreError::Busy(_)) => tokio::time::sleep(BEGIN_PAUSE).await,
            other => return other.map(|_| ()),
        }
    }
    connection.exec("BEGIN IMMEDIATE", &[]).map(|_| ())
}

/// Commits where waiting for the disk keeps no other task waiting, and where a client that hangs up cannot interrupt the
/// commit of others.
fn commit_apart(mut writer: OwnedMutexGuard<Writer>) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || commit(&mut writer))),
        Err(_) => commit(&mut writer),
    }
}

/// Commits what the group has done and answers all who wait for it.
fn commit(writer: &mut Writer) {
    let result = writer.connection.exec("COMMIT", &[]).map(|_| ()).map_err(Arc::new);
    if result.is_err() {
        // After a full disk SQLite may or may not have rolled back by itself.
        let _ = writer.connection.exec("ROLLBACK", &[]);
    }
    writer.is_open = false;
    for waiting in writer.waiting.drain(..) {
        let _ = waiting.send(result.clone());
    }
}

/// Gives a group up: nothing of it is kept and everyone in it is told.
fn abandon(writer: &mut Writer) {
    let _ = writer.connection.exec("ROLLBACK", &[]);
    writer.is_open = false;
    let error = Arc::new(over());
    for waiting in writer.waiting.drain(..) {
        let _ = waiting.send(Err(error.clone()));
    }
}

/// Nobody can tell any more what became of a change, other than that it was not acknowledged.
fn over() -> StoreError {
    StoreError::Database("the writer's turn is over".into())
}

/// A shared error, told to each of those who shared the commit.
fn group_failed(error: &StoreError) -> StoreError {
    match error {
        StoreError::Busy(reason) => StoreError::Busy(reason.to_string().into()),
        StoreError::Full(reason) => StoreError::Full(reason.to_string().into()),
        StoreError::Database(reason) => StoreError::Database(reason.to_string().into()),
        other => StoreError::Database(other.to_string().into()),
    }
}
