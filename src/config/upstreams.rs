//! What the operator set up for providers of calendars.

use secrecy::SecretString;

use super::{ConfigError, Layer};

/// Where a provider sends users back to, under the base URL.
const GOOGLE_REDIRECT_PATH: &str = "/api/sync/google/callback";
const MICROSOFT_REDIRECT_PATH: &str = "/api/sync/microsoft/callback";

/// The providers of calendars.
#[derive(Clone, Debug, Default)]
pub struct UpstreamsConfig {
    /// Google Calendar; `None`: it cannot be connected.
    pub google: Option<GoogleClient>,
    /// Microsoft 365 and Outlook.com; `None`: it cannot be connected.
    pub microsoft: Option<MicrosoftClient>,
    /// Whether users may name private addresses for CalDAV and ICS.
    pub allow_private: bool,
}

/// Our client at Google. Addresses that are `None` are Google's own.
#[derive(Clone, Debug)]
pub struct GoogleClient {
    /// The client id.
    pub id: String,
    /// The client secret.
    pub secret: SecretString,
    /// Where users come back to, as registered there. `None`: wherever they reached us when they left.
    pub redirect_uri: Option<String>,
    /// The API.
    pub api_url: Option<String>,
    /// Where users consent.
    pub auth_url: Option<String>,
    /// Where tokens are.
    pub token_url: Option<String>,
    /// Where grants end.
    pub revoke_url: Option<String>,
}

/// Our client at Microsoft. Addresses that are `None` are Microsoft's own.
#[derive(Clone, Debug)]
pub struct MicrosoftClient {
    /// The client id.
    pub id: String,
    /// The client secret; a public client has none.
    pub secret: Option<SecretString>,
    /// Where users come back to, as registered there. `None`: wherever they reached us when they left.
    pub redirect_uri: Option<String>,
    /// Whose accounts may sign in: `common`, `organizations`, `consumers` or a tenant.
    pub tenant: Option<String>,
    /// The API.
    pub graph_url: Option<String>,
    /// Where users sign in, without the tenant.
    pub authority_url: Option<String>,
}

impl UpstreamsConfig {
    pub(super) fn of(set: &Layer, base_url: Option<&str>) -> Result<UpstreamsConfig, ConfigError> {
        for (name, value) in [
            ("google_redirect_uri", &set.google_redirect_uri),
            ("google_api_url", &set.google_api_url),
            ("google_auth_url", &set.google_auth_url),
            ("google_token_url", &set.google_token_url),
            ("google_revoke_url", &set.google_revoke_url),
            ("microsoft_redirect_uri", &set.microsoft_redirect_uri),
            ("microsoft_graph_url", &set.microsoft_graph_url),
            ("microsoft_authority_url", &set.microsoft_authority_url),
        ] {
            let is_web = |text: &str| {
                url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            };
            if let Some(text) = value.as_deref().filter(|text| !is_web(text)) {
                return Err(ConfigError(format!("{name}: {text:?} is not an http or https URL")));
            }
        }
        let google = match (&set.google_client_id, &set.google_client_secret) {
            (None, None) => None,
            (Some(id), Some(secret)) => {
                let redirect_uri = set.google_redirect_uri.clone();
                let redirect_uri =
                    redirect_uri.or_else(|| base_url.map(|base| format!("{base}{GOOGLE_REDIRECT_PATH}")));
                Some(GoogleClient {
                    id: id.clone(),
                    secret: secret.clone().into(),
                    redirect_uri,
                    api_url: set.google_api_url.clone(),
                    auth_url: set.google_auth_url.clone(),
                    token_url: set.google_token_url.clone(),
                    revoke_url: set.google_revoke_url.clone(),
                })
            }
            _ => {
                return Err(ConfigError(
                    "google_client_id and google_client_secret go together: one of them is missing".into(),
                ));
            }
        };
        if let Some(tenant) = set.microsoft_tenant.as_deref()
            && (tenant.is_empty() || !tenant.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')))
        {
            return Err(ConfigError(format!("microsoft_tenant: {tenant:?} is no tenant")));
        }
        let microsoft = match (&set.microsoft_client_id, &set.microsoft_client_secret) {
            (None, None) => None,
            (None, Some(_)) => return Err(ConfigError("microsoft_client_secret needs microsoft_client_id".into())),
            (Some(id), secret) => {
                let redirect_uri = set.microsoft_redirect_uri.clone();
                Some(MicrosoftClient {
                    id: id.clone(),
                    secret: secret.clone().map(Into::into),
                    redirect_uri: redirect_uri
                        .or_else(|| base_url.map(|base| format!("{base}{MICROSOFT_REDIRECT_PATH}"))),
                    tenant: set.microsoft_tenant.clone(),
                    graph_url: set.microsoft_graph_url.clone(),
                    authority_url: set.microsoft_authority_url.clone(),
                })
            }
        };
        Ok(UpstreamsConfig { google, microsoft, allow_private: set.allow_private_upstreams.unwrap_or(false) })
    }

    pub(super) fn redacted(&self) -> serde_json::Value {
        serde_json::json!({
            "google": self.google.as_ref().map(|google| serde_json::json!({
                "client_id": google.id,
                "client_secret": "set",
                "redirect_uri": google.redirect_uri,
                "api_url": google.api_url,
            })),
            "microsoft": self.microsoft.as_ref().map(|microsoft| serde_json::json!({
                "client_id": microsoft.id,
                "client_secret": microsoft.secret.as_ref().map(|_| "set"),
                "redirect_uri": microsoft.redirect_uri,
                "tenant": microsoft.tenant,
                "graph_url": microsoft.graph_url,
            })),
            "allow_private": self.allow_private,
        })
    }
}
