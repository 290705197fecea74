//! How notices are told besides in the program: a webhook of the platform.

use secrecy::SecretString;

use super::{ConfigError, Layer};

/// A webhook of the platform.
#[derive(Clone, Debug)]
pub struct HookConfig {
    /// Where requests go.
    pub url: String,
    /// What they are signed with.
    pub secret: Option<SecretString>,
}

/// The ways of telling that are set up.
#[derive(Clone, Debug, Default)]
pub struct NotifyConfig {
    /// By webhook.
    pub hook: Option<HookConfig>,
}

impl NotifyConfig {
    /// What the layers say.
    ///
    /// # Errors
    /// It is no URL.
    pub(super) fn of(set: &Layer) -> Result<NotifyConfig, ConfigError> {
        let hook = match &set.notify_url {
            Some(url) => {
                let parsed = url::Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https"));
                parsed.ok_or_else(|| ConfigError(format!("notify_url: {url:?} is no http or https URL")))?;
                Some(HookConfig { url: url.clone(), secret: set.notify_secret.clone().map(SecretString::from) })
            }
            None => None,
        };
        Ok(NotifyConfig { hook })
    }

    /// As it may be shown.
    #[must_use]
    pub fn redacted(&self) -> serde_json::Value {
        serde_json::json!({
            "notify_url": self.hook.as_ref().map(|_| "set"),
            "notify_secret": self.hook.as_ref().and_then(|hook| hook.secret.as_ref()).map(|_| "set"),
        })
    }
}
