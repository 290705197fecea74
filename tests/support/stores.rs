//! A fresh store on either database, with a clock that stands still and chance that can be foreseen.

use std::sync::Arc;

use kalends::crypto::{Chance, KeyRing};
use kalends::domain::access::{Caller, Credential, Right, Role};
use kalends::domain::ids::UserName;
use kalends::domain::time::{Instant, ManualClock};
use kalends::store::{Database, NewUser, Store, User};
use sqlx::{Connection, Executor};

/// 2026-11-21T08:00:00Z
pub const START: Instant = Instant::from_ms(1_795_248_000_000);

/// A store to work on and what belongs to it.
pub struct Bench {
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub keys: Arc<KeyRing>,
    pub database: Database,
    /// Gone with the bench.
    _folder: Option<tempfile::TempDir>,
}

fn keys() -> Arc<KeyRing> {
    Arc::new(KeyRing::parse(&"11".repeat(32)).expect("a key"))
}

async fn open(database: Database, folder: Option<tempfile::TempDir>) -> Bench {
    let clock = Arc::new(ManualClock::at(START));
    let keys = keys();
    let chance = Arc::new(Chance::seeded(7));
    let store = Store::open(&database, &keys, clock.clone(), chance).await.expect("the store opens");
    Bench { store, clock, keys, database, _folder: folder }
}

/// A fresh store on SQLite.
pub async fn sqlite() -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::Sqlite(folder.path().join("kalends.db"));
    open(database, Some(folder)).await
}

/// A fresh store on PostgreSQL, in a database of its own. `None` only where `KALENDS_TEST_POSTGRES=none` says that
/// this machine goes without; nothing is skipped by accident.
pub async fn postgres() -> Option<Bench> {
    let admin = std::env::var("KALENDS_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!("set KALENDS_TEST_POSTGRES to a PostgreSQL URL (conformance/postgres.sh start prints one) or to none")
    });
    if admin == "none" {
        return None;
    }
    let name = format!("kalends_test_{}", hex::encode(Chance::from_os().bytes::<8>()));
    let mut connection = sqlx::PgConnection::connect(&admin).await.expect("the PostgreSQL of the tests answers");
    connection.execute(sqlx::AssertSqlSafe(format!("create database {name}"))).await.expect("a database");
    let (server, _) = admin.rsplit_once('/').expect("a URL with a database");
    Some(open(Database::Postgres(format!("{server}/{name}")), None).await)
}

impl Bench {
    /// Opens the same store once more, as another node would.
    pub async fn reopen(&self) -> Store {
        let chance = Arc::new(Chance::seeded(8));
        Store::open(&self.database, &self.keys, self.clock.clone(), chance).await.expect("the store opens again")
    }

    /// Adds a user to a firm.
    pub async fn user(&self, firm: &str, name: &str, role: Role) -> User {
        let mut tx = self.store.write().await.expect("a transaction");
        let firm = tx.ensure_firm(firm).await.expect("a firm");
        let new = NewUser {
            name: UserName::parse(name).expect("a name"),
            role,
            display_name: None,
            email: Some(format!("{name}@example.org")),
            password_hash: None,
        };
        let user = tx.add_user(&firm, &new).await.expect("a user");
        tx.commit().await.expect("a commit");
        user
    }
}

/// A user who signed in with their own password.
pub fn caller(user: &User) -> Caller {
    Caller {
        firm: user.firm.clone(),
        user: user.id.clone(),
        name: user.name.clone(),
        role: user.role,
        credential: Credential::Password,
        most: Right::Own,
    }
}
