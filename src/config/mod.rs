//! What the operator decides: read once from the command line, the environment and a file (in that order of
//! precedence), checked, and then passed as a plain struct. Nothing here is global.

mod kept;
mod layer;
mod notify;
mod upstreams;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Serialize;

use crate::store::Database;

pub use kept::{Days, KeptConfig};
pub use layer::Layer;
pub use notify::{HookConfig, MailConfig, NotifyConfig};
pub use upstreams::{GoogleClient, MicrosoftClient, UpstreamsConfig};

/// Where the server listens when nobody says otherwise: loopback, so that a first try exposes nothing.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:8840";
/// The database file in the data folder.
pub const DATABASE_FILE: &str = "kalends.db";
/// The key file in the data folder.
pub const KEY_FILE: &str = "encryption.key";
/// What is logged when nobody says otherwise: sqlx tells at every start that the schema is known.
pub const LOG_DEFAULT: &str = "info,sqlx=warn";
/// The configuration file in the data folder, read when no other is named.
pub const CONFIG_FILE: &str = "kalends.toml";

/// Why a configuration cannot be used; a sentence for the operator that names the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Certificate and key files for TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsFiles {
    /// PEM: the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// The effective configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder for the database, keys and the configuration file.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Scheme and authority under which clients reach the server, without a slash at the end; `None`: as each
    /// request says.
    pub base_url: Option<String>,
    /// Certificate files; `None`: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Addresses of proxies whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// What is logged, as `tracing` filters.
    pub log: String,
    /// The encryption keys, newest first; `None`: those of the key file.
    pub encryption_key: Option<SecretString>,
    /// The providers of calendars.
    pub upstreams: UpstreamsConfig,
    /// By what the clock is set forward, in tests.
    pub clock_file: Option<PathBuf>,
    /// How notices are told besides in the program.
    pub notify: NotifyConfig,
    /// For how long what is old is kept.
    pub kept: KeptConfig,
}

impl Config {
    /// Puts the layers together, the first one winning, and checks the result.
    ///
    /// # Errors
    /// A setting is malformed or contradicts another; the sentence names it.
    pub fn from_layers(layers: impl IntoIterator<Item = Layer>) -> Result<Config, ConfigError> {
        let set = layers.into_iter().fold(Layer::default(), Layer::or);
        let base = set.base_url.as_deref().map(base_url).transpose()?;
        let upstreams = UpstreamsConfig::of(&set, base.as_deref())?;
        let notify = NotifyConfig::of(&set)?;
        let kept = KeptConfig::of(&set)?;
        let data_dir = set.data_dir.unwrap_or_else(|| PathBuf::from("data"));
        let database = match set.database {
            Some(url) => url.parse().map_err(|e| ConfigError(format!("database: {e}")))?,
            None => Database::Sqlite(data_dir.join(DATABASE_FILE)),
        };
        let listen = set.listen.as_deref().unwrap_or(LISTEN_DEFAULT);
        let listen = listen.parse().map_err(|_| {
            ConfigError(format!("listen: {listen:?} is not an address and port such as 127.0.0.1:8840"))
        })?;
        let tls = match (set.tls_certificate, set.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            _ => return Err(ConfigError("tls_certificate and tls_key go together: one of them is missing".into())),
        };
        let log_format = match set.log_format.as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => return Err(ConfigError(format!("log_format: {other:?} is neither text nor json"))),
        };
        let trusted_proxies = set
            .trusted_proxies
            .unwrap_or_default()
            .iter()
            .map(|a| a.parse().map_err(|_| ConfigError(format!("trusted_proxies: {a:?} is not an IP address"))))
            .collect::<Result<_, _>>()?;
        Ok(Config {
            data_dir,
            database,
            listen,
            base_url: base,
            tls,
            trusted_proxies,
            log_format,
            log: set.log.unwrap_or_else(|| LOG_DEFAULT.to_owned()),
            encryption_key: set.encryption_key.map(SecretString::from),
            upstreams,
            clock_file: set.clock_file,
            notify,
            kept,
        })
    }

    /// The configuration as it may be shown: without secrets.
    #[must_use]
    pub fn redacted(&self) -> serde_json::Value {
        serde_json::json!({
            "data_dir": self.data_dir,
            "database": self.database.redacted(),
            "listen": self.listen.to_string(),
            "base_url": self.base_url,
            "tls": self.tls,
            "trusted_proxies": self.trusted_proxies,
            "log_format": self.log_format,
            "log": self.log,
            "upstreams": self.upstreams.redacted(),
            "notify": self.notify.redacted(),
            "kept": self.kept,
            "encryption_key": if self.encryption_key.is_some() { "set" } else { "from the key file in data_dir" },
        })
    }
}

/// Checks a base URL and gives it without a slash at the end.
fn base_url(text: &str) -> Result<String, ConfigError> {
    let bad = || ConfigError(format!("base_url: {text:?} is not an http or https URL without a path"));
    let url = url::Url::parse(text).map_err(|_| bad())?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !plain || !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(toml: &str) -> Result<Config, ConfigError> {
        Config::from_layers([Layer::from_toml(toml, "test")?])
    }

    #[test]
    fn nothing_set_listens_on_loopback_with_sqlite() {
        let config = config("").expect("defaults");
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.database, Database::Sqlite("data/kalends.db".into()));
    }

    #[test]
    fn an_earlier_layer_wins() {
        let env = Layer::from_env([("KALENDS_LISTEN".to_owned(), "127.0.0.1:1".to_owned())]);
        let file = Layer::from_toml("listen = '127.0.0.1:2'\nlog = 'debug'", "test").expect("toml");
        let config = Config::from_layers([env, file]).expect("a configuration");
        assert_eq!((config.listen.port(), config.log.as_str()), (1, "debug"));
    }

    #[test]
    fn mistakes_are_named() {
        for (toml, named) in [
            ("listen = 'nowhere'", "listen"),
            ("lissten = 'x'", "lissten"),
            ("base_url = 'ftp://x'", "base_url"),
            ("base_url = 'https://x/path'", "base_url"),
            ("tls_key = 'k.pem'", "tls_certificate"),
            ("log_format = 'xml'", "log_format"),
            ("trusted_proxies = ['proxy']", "trusted_proxies"),
            ("database = 'mysql://x'", "database"),
            ("google_client_id = 'x'", "google_client_secret"),
            ("google_api_url = 'nowhere'", "google_api_url"),
            ("smtp_url = 'smtp://mail.example'", "mail_from"),
            ("mail_from = 'nobody'\nsmtp_url = 'smtp://mail.example'", "mail_from"),
            ("mail_from = 'a@b.example'\nsmtp_url = 'mail.example'", "smtp_url"),
            ("attempts_kept_days = 6", "attempts_kept_days: 6 is no number of days between 7 and 36500"),
            ("versions_kept_days = -1", "versions_kept_days"),
            ("versions_kept_days = 1.5", "versions_kept_days"),
            ("tombstones_kept_days = 29", "tombstones_kept_days: 29 is no number of days between 30 and 36500"),
            ("tombstones_kept_days = 'ever'", "tombstones_kept_days"),
            ("attempts_kept_days = 9223372036854775807", "attempts_kept_days"),
        ] {
            let error = config(toml).expect_err(toml);
            assert!(error.0.contains(named), "{error}");
        }
    }

    #[test]
    fn what_is_old_is_kept_as_long_as_it_is_said() {
        assert_eq!(config("").expect("defaults").kept, KeptConfig::default());
        let env = Layer::from_env([("KALENDS_VERSIONS_KEPT_DAYS".to_owned(), "3650".to_owned())]);
        let file = Layer::from_toml("versions_kept_days = 7\ntombstones_kept_days = 30", "test").expect("toml");
        let kept = Config::from_layers([env, file]).expect("a configuration").kept;
        assert_eq!(kept, KeptConfig { attempts_days: 90, versions_days: 3650, tombstones_days: 30 });
        let env = Layer::from_env([("KALENDS_ATTEMPTS_KEPT_DAYS".to_owned(), "a week".to_owned())]);
        assert!(Config::from_layers([env]).expect_err("no number").0.contains("attempts_kept_days: \"a week\""));
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = config(
            "encryption_key = 'geheim'\ndatabase = 'postgres://u:geheim@h/d'\nbase_url = 'https://x'\n\
             google_client_id = 'id'\ngoogle_client_secret = 'geheim'\nmail_from = 'a@b.example'\n\
             smtp_url = 'smtps://u:geheim@mail.example'",
        )
        .expect("set")
        .redacted();
        assert!(!shown.to_string().contains("geheim"));
    }
}
