//! One source of settings, in which everything may be absent.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;
use super::kept::Days;

/// Settings of one source. The names are those of the file; the environment's are beside them in [`Layer::from_env`].
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// `KALENDS_DATA_DIR`, `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `DATABASE_URL`, `--database`
    pub database: Option<String>,
    /// `KALENDS_LISTEN`, `--listen`
    pub listen: Option<String>,
    /// `KALENDS_BASE_URL`, `--base-url`
    pub base_url: Option<String>,
    /// `KALENDS_TLS_CERTIFICATE`
    pub tls_certificate: Option<PathBuf>,
    /// `KALENDS_TLS_KEY`
    pub tls_key: Option<PathBuf>,
    /// `KALENDS_TRUSTED_PROXIES`, separated by commas
    pub trusted_proxies: Option<Vec<String>>,
    /// `KALENDS_LOG_FORMAT`
    pub log_format: Option<String>,
    /// `KALENDS_LOG`
    pub log: Option<String>,
    /// `CALENDAR_ENCRYPTION_KEY`
    pub encryption_key: Option<String>,
    /// `GOOGLE_CLIENT_ID`
    pub google_client_id: Option<String>,
    /// `GOOGLE_CLIENT_SECRET`
    pub google_client_secret: Option<String>,
    /// `GOOGLE_REDIRECT_URI`
    pub google_redirect_uri: Option<String>,
    /// `GOOGLE_API_URL`
    pub google_api_url: Option<String>,
    /// `GOOGLE_AUTH_URL`
    pub google_auth_url: Option<String>,
    /// `GOOGLE_TOKEN_URL`
    pub google_token_url: Option<String>,
    /// `GOOGLE_REVOKE_URL`
    pub google_revoke_url: Option<String>,
    /// `MICROSOFT_CLIENT_ID`
    pub microsoft_client_id: Option<String>,
    /// `MICROSOFT_CLIENT_SECRET`
    pub microsoft_client_secret: Option<String>,
    /// `MICROSOFT_REDIRECT_URI`
    pub microsoft_redirect_uri: Option<String>,
    /// `MICROSOFT_TENANT`
    pub microsoft_tenant: Option<String>,
    /// `MICROSOFT_GRAPH_URL`
    pub microsoft_graph_url: Option<String>,
    /// `MICROSOFT_AUTHORITY_URL`
    pub microsoft_authority_url: Option<String>,
    /// `KALENDS_ALLOW_PRIVATE_UPSTREAMS`: `true` or `false`
    pub allow_private_upstreams: Option<bool>,
    /// `KALENDS_CLOCK_FILE`, for tests alone: the clock is ahead by as many milliseconds as this file says
    #[serde(skip)]
    pub clock_file: Option<PathBuf>,
    /// `KALENDS_NOTIFY_URL`
    pub notify_url: Option<String>,
    /// `KALENDS_NOTIFY_SECRET`
    pub notify_secret: Option<String>,
    /// `KALENDS_SMTP_URL`
    pub smtp_url: Option<String>,
    /// `KALENDS_MAIL_FROM`
    pub mail_from: Option<String>,
    /// `KALENDS_ATTEMPTS_KEPT_DAYS`
    pub attempts_kept_days: Option<Days>,
    /// `KALENDS_VERSIONS_KEPT_DAYS`
    pub versions_kept_days: Option<Days>,
    /// `KALENDS_TOMBSTONES_KEPT_DAYS`
    pub tombstones_kept_days: Option<Days>,
}

impl Layer {
    /// From the environment's variables. An empty one counts as absent.
    pub fn from_env(variables: impl IntoIterator<Item = (String, String)>) -> Layer {
        let mut layer = Layer::default();
        for (name, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "KALENDS_DATA_DIR" => layer.data_dir = Some(value.into()),
                "DATABASE_URL" => layer.database = Some(value),
                "KALENDS_LISTEN" => layer.listen = Some(value),
                "KALENDS_BASE_URL" => layer.base_url = Some(value),
                "KALENDS_TLS_CERTIFICATE" => layer.tls_certificate = Some(value.into()),
                "KALENDS_TLS_KEY" => layer.tls_key = Some(value.into()),
                "KALENDS_TRUSTED_PROXIES" => {
                    layer.trusted_proxies = Some(value.split(',').map(|a| a.trim().to_owned()).collect());
                }
                "KALENDS_LOG_FORMAT" => layer.log_format = Some(value),
                "KALENDS_LOG" => layer.log = Some(value),
                "CALENDAR_ENCRYPTION_KEY" => layer.encryption_key = Some(value),
                "GOOGLE_CLIENT_ID" => layer.google_client_id = Some(value),
                "GOOGLE_CLIENT_SECRET" => layer.google_client_secret = Some(value),
                "GOOGLE_REDIRECT_URI" => layer.google_redirect_uri = Some(value),
                "GOOGLE_API_URL" => layer.google_api_url = Some(value),
                "GOOGLE_AUTH_URL" => layer.google_auth_url = Some(value),
                "GOOGLE_TOKEN_URL" => layer.google_token_url = Some(value),
                "GOOGLE_REVOKE_URL" => layer.google_revoke_url = Some(value),
                "MICROSOFT_CLIENT_ID" => layer.microsoft_client_id = Some(value),
                "MICROSOFT_CLIENT_SECRET" => layer.microsoft_client_secret = Some(value),
                "MICROSOFT_REDIRECT_URI" => layer.microsoft_redirect_uri = Some(value),
                "MICROSOFT_TENANT" => layer.microsoft_tenant = Some(value),
                "MICROSOFT_GRAPH_URL" => layer.microsoft_graph_url = Some(value),
                "MICROSOFT_AUTHORITY_URL" => layer.microsoft_authority_url = Some(value),
                "KALENDS_ALLOW_PRIVATE_UPSTREAMS" => {
                    layer.allow_private_upstreams = Some(matches!(value.as_str(), "1" | "true" | "yes"));
                }
                "KALENDS_CLOCK_FILE" => layer.clock_file = Some(value.into()),
                "KALENDS_NOTIFY_URL" => layer.notify_url = Some(value),
                "KALENDS_NOTIFY_SECRET" => layer.notify_secret = Some(value),
                "KALENDS_SMTP_URL" => layer.smtp_url = Some(value),
                "KALENDS_MAIL_FROM" => layer.mail_from = Some(value),
                "KALENDS_ATTEMPTS_KEPT_DAYS" => layer.attempts_kept_days = Some(Days::Text(value)),
                "KALENDS_VERSIONS_KEPT_DAYS" => layer.versions_kept_days = Some(Days::Text(value)),
                "KALENDS_TOMBSTONES_KEPT_DAYS" => layer.tombstones_kept_days = Some(Days::Text(value)),
                _ => {}
            }
        }
        layer
    }

    /// From the text of a TOML file; `name` is for the error.
    ///
    /// # Errors
    /// Malformed, or with a setting that is not known.
    pub fn from_toml(text: &str, name: &str) -> Result<Layer, ConfigError> {
        toml::from_str(text).map_err(|e| ConfigError(format!("{name}: {}", e.message())))
    }

    /// From a TOML file.
    ///
    /// # Errors
    /// Not readable, malformed, or with a setting that is not known.
    pub fn from_file(path: &Path) -> Result<Layer, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|e| ConfigError(format!("{}: {e}", path.display())))?;
        Layer::from_toml(&text, &path.display().to_string())
    }

    /// This layer where it says something, else the other.
    #[must_use]
    pub fn or(self, other: Layer) -> Layer {
        Layer {
            data_dir: self.data_dir.or(other.data_dir),
            database: self.database.or(other.database),
            listen: self.listen.or(other.listen),
            base_url: self.base_url.or(other.base_url),
            tls_certificate: self.tls_certificate.or(other.tls_certificate),
            tls_key: self.tls_key.or(other.tls_key),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            log_format: self.log_format.or(other.log_format),
            log: self.log.or(other.log),
            encryption_key: self.encryption_key.or(other.encryption_key),
            google_client_id: self.google_client_id.or(other.google_client_id),
            google_client_secret: self.google_client_secret.or(other.google_client_secret),
            google_redirect_uri: self.google_redirect_uri.or(other.google_redirect_uri),
            google_api_url: self.google_api_url.or(other.google_api_url),
            google_auth_url: self.google_auth_url.or(other.google_auth_url),
            google_token_url: self.google_token_url.or(other.google_token_url),
            google_revoke_url: self.google_revoke_url.or(other.google_revoke_url),
            microsoft_client_id: self.microsoft_client_id.or(other.microsoft_client_id),
            microsoft_client_secret: self.microsoft_client_secret.or(other.microsoft_client_secret),
            microsoft_redirect_uri: self.microsoft_redirect_uri.or(other.microsoft_redirect_uri),
            microsoft_tenant: self.microsoft_tenant.or(other.microsoft_tenant),
            microsoft_graph_url: self.microsoft_graph_url.or(other.microsoft_graph_url),
            microsoft_authority_url: self.microsoft_authority_url.or(other.microsoft_authority_url),
            allow_private_upstreams: self.allow_private_upstreams.or(other.allow_private_upstreams),
            clock_file: self.clock_file.or(other.clock_file),
            notify_url: self.notify_url.or(other.notify_url),
            notify_secret: self.notify_secret.or(other.notify_secret),
            smtp_url: self.smtp_url.or(other.smtp_url),
            mail_from: self.mail_from.or(other.mail_from),
            attempts_kept_days: self.attempts_kept_days.or(other.attempts_kept_days),
            versions_kept_days: self.versions_kept_days.or(other.versions_kept_days),
            tombstones_kept_days: self.tombstones_kept_days.or(other.tombstones_kept_days),
        }
    }
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}
