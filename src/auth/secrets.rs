//! The generated secrets: what they look like, and under which purpose each is hashed.

/// What a secret opens; the same text under two purposes has unrelated hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An app password.
    AppPassword,
    /// An API token.
    Token,
    /// A browser session.
    Session,
    /// An ICS feed.
    Feed,
    /// A provider that notifies us.
    Webhook,
}

impl Purpose {
    /// The name under which the keyed hash is made.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Purpose::AppPassword => "app_password",
            Purpose::Token => "api_token",
            Purpose::Session => "session",
            Purpose::Feed => "feed",
            Purpose::Webhook => "webhook token",
        }
    }
}

/// Whether a text has the form of a generated secret (43 characters of base64url), so that it is looked up by its
/// hash before anybody tries it as a person's password.
#[must_use]
pub fn looks_like_app_password(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
