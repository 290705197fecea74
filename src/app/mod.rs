//! All wiring: what the configuration asks for is opened here and handed down. The only room that knows every other.
//!
//! `clock` tells the time, `listener` accepts connections, `tls` keeps the certificate fresh, `visit` looks at a request before anybody
//! else, `body` cuts requests that never end, `router` decides which face answers,
//! `console` asks the admin API from the machine itself, `sync` sets the sync engine going, `housekeeping` takes away what is old, `notify` tells notices, `exposition` the figures.

mod body;
mod clock;
mod console;
pub mod exposition;
mod housekeeping;
mod listener;
pub mod notify;
mod router;
pub mod sync;
mod tls;
mod visit;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use secrecy::ExposeSecret;

use crate::auth::Gate;
use crate::config::{Config, ConfigError, KEY_FILE};
use crate::crypto::{Chance, CryptoError, KeyRing};
use crate::domain::time::{Clock, DAY_MS};
use crate::store::{Kept, OpenError, Store};
use crate::sync::desk::Desk;
use crate::sync::engine::Engine;
use crate::telemetry::Metrics;

pub use clock::{SetForward, SystemClock};
pub use console::Errand;
pub use listener::{ServeError, Server};
pub use router::House;
pub use visit::Doorstep;

/// Why the program cannot start; a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key is wrong.
    #[error("the encryption key: {0}")]
    Key(#[from] CryptoError),
    /// The key file cannot be read or made.
    #[error("the key file {0}: {1}")]
    KeyFile(String, #[source] std::io::Error),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Everything that a server or a command works with.
#[derive(Clone)]
pub struct App {
    /// What the operator decided.
    pub config: Arc<Config>,
    /// The gate, with the store and the keys.
    pub gate: Gate,
    /// The metrics.
    pub metrics: Metrics,
    /// Where the faces and the commands leave orders for the sync engine of this process.
    pub desk: Desk,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The sync engine of this process, once there is one.
    pub engine: Arc<OnceLock<Engine>>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.config).finish_non_exhaustive()
    }
}

impl App {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn open(config: Config) -> Result<App, AppError> {
        let clock: Arc<dyn Clock> = match config.clock_file.clone() {
            Some(file) => Arc::new(SetForward::by(file)),
            None => Arc::new(SystemClock),
        };
        Self::open_with(config, clock, Arc::new(Chance::from_os())).await
    }

    /// As [`App::open`], with a clock and chance of the caller's choice.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn open_with(config: Config, clock: Arc<dyn Clock>, chance: Arc<Chance>) -> Result<App, AppError> {
        let keys = Arc::new(key_ring(&config, &chance)?);
        let store = Store::open(&config.database, &keys, Arc::clone(&clock), chance).await?;
        Ok(App {
            config: Arc::new(config),
            gate: Gate::new(store, keys),
            metrics: Metrics::default(),
            desk: Desk::default(),
            clock,
            engine: Arc::default(),
        })
    }

    /// For how long what is old is kept.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let days = &self.config.kept;
        Kept {
            attempts_ms: days.attempts_days * DAY_MS,
            versions_ms: days.versions_days * DAY_MS,
            tombstones_ms: days.tombstones_days * DAY_MS,
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.gate.store
    }
}

/// The configured keys, or those of the key file; `None` if there is neither.
///
/// # Errors
/// A key is malformed, or the file cannot be read.
pub fn configured_keys(config: &Config) -> Result<Option<KeyRing>, AppError> {
    if let Some(keys) = &config.encryption_key {
        return Ok(Some(KeyRing::parse(keys.expose_secret())?));
    }
    let path = config.data_dir.join(KEY_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(KeyRing::parse(&text)?)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(AppError::KeyFile(path.display().to_string(), e)),
    }
}

/// The configured keys, or those of the key file; a fresh install makes one.
fn key_ring(config: &Config, chance: &Chance) -> Result<KeyRing, AppError> {
    let path = config.data_dir.join(KEY_FILE);
    let failed = |e| AppError::KeyFile(path.display().to_string(), e);
    match configured_keys(config)? {
        Some(keys) => Ok(keys),
        None => {
            let key = KeyRing::generate(chance);
            fs::create_dir_all(&config.data_dir).map_err(failed)?;
            match write_private(&path, &key) {
                Ok(()) => {
                    tracing::info!(file = %path.display(), "made an encryption key; back it up apart from the database");
                    Ok(KeyRing::parse(&key)?)
                }
                // Another process was first.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                    Ok(KeyRing::parse(&fs::read_to_string(&path).map_err(failed)?)?)
                }
                Err(e) => Err(failed(e)),
            }
        }
    }
}

/// Writes a new file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let part = path.with_extension("part");
    let _ = fs::remove_file(&part);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // A link fails where the name is taken; a rename would replace the key of somebody who was first.
    let linked = fs::hard_link(&part, path);
    fs::remove_file(&part)?;
    linked
}
