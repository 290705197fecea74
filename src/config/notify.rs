//! How notices are told besides in the program: a webhook of the platform, and mail.

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

/// A mail server.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// `smtps://user:password@host`, `smtp://user:password@host?tls=required`, or `smtp://host` without TLS.
    pub url: SecretString,
    /// Whom mail is from.
    pub from: String,
}

/// The ways of telling that are set up.
#[derive(Clone, Debug, Default)]
pub struct NotifyConfig {
    /// By webhook.
    pub hook: Option<HookConfig>,
    /// By mail.
    pub mail: Option<MailConfig>,
}

impl NotifyConfig {
    /// What the layers say.
    ///
    /// # Errors
    /// It is no URL, or would give a password away.
    pub(super) fn of(set: &Layer) -> Result<NotifyConfig, ConfigError> {
        let hook = match &set.notify_url {
            Some(url) => {
                let parsed = url::Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https"));
                parsed.ok_or_else(|| ConfigError(format!("notify_url: {url:?} is no http or https URL")))?;
                Some(HookConfig { url: url.clone(), secret: set.notify_secret.clone().map(SecretString::from) })
            }
            None => None,
        };
        let mail = match (&set.smtp_url, &set.mail_from) {
            (Some(url), Some(from)) => Some(mail(url, from)?),
            (None, None) => None,
            _ => return Err(ConfigError("smtp_url and mail_from go together: one of them is missing".into())),
        };
        Ok(NotifyConfig { hook, mail })
    }

    /// As it may be shown.
    #[must_use]
    pub fn redacted(&self) -> serde_json::Value {
        serde_json::json!({
            "notify_url": self.hook.as_ref().map(|_| "set"),
            "notify_secret": self.hook.as_ref().and_then(|hook| hook.secret.as_ref()).map(|_| "set"),
            "smtp_url": self.mail.as_ref().map(|_| "set"),
            "mail_from": self.mail.as_ref().map(|mail| &mail.from),
        })
    }
}

/// The URL is never repeated: a password is in it.
fn mail(url: &str, from: &str) -> Result<MailConfig, ConfigError> {
    let refused = |why: &str| ConfigError(format!("smtp_url: {why}"));
    let parsed = url::Url::parse(url)
        .ok()
        .filter(|u| matches!(u.scheme(), "smtp" | "smtps") && u.host_str().is_some_and(|host| !host.is_empty()))
        .ok_or_else(|| refused("it is no URL such as smtps://user:password@mail.example.org"))?;
    let tls = parsed.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    if !matches!(tls.as_deref(), None | Some("required" | "opportunistic")) {
        return Err(refused("tls is required or opportunistic"));
    }
    let here = match parsed.host_str().unwrap_or_default().trim_matches(['[', ']']) {
        "localhost" => true,
        host => host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback()),
    };
    let sealed = parsed.scheme() == "smtps" || tls.as_deref() == Some("required");
    if parsed.password().is_some() && !sealed && !here {
        return Err(refused("a password is sent to another machine by smtps:// or with ?tls=required only"));
    }
    if !from.contains('@') {
        return Err(ConfigError(format!("mail_from: {from:?} is no mail address")));
    }
    Ok(MailConfig { url: url.to_owned().into(), from: from.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_travels_sealed() {
        for (url, taken) in [
            ("smtps://u:geheim@mail.example", true),
            ("smtp://u:geheim@mail.example?tls=required", true),
            ("smtp://u:geheim@127.0.0.1:25", true),
            ("smtp://u:geheim@[::1]:25", true),
            ("smtp://mail.example", true),
            ("smtp://u:geheim@mail.example", false),
            ("smtp://u:geheim@mail.example?tls=opportunistic", false),
            ("smtp://u:geheim@mail.example?tls=never", false),
            ("http://u:geheim@mail.example", false),
            ("geheim", false),
        ] {
            match mail(url, "kalends@mail.example") {
                Ok(_) => assert!(taken, "{url}"),
                Err(error) => assert!(!taken && !error.0.contains("geheim"), "{url}: {error}"),
            }
        }
    }
}
