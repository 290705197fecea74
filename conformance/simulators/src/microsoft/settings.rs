//! How the provider is set: what its documents leave open, and how fast things run out.

use serde::{Deserialize, Serialize};

use super::oauth::OldRefreshTokens;

/// How the provider is set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Seconds an access token lives.
    pub access_token_life_s: i64,
    /// What becomes of a refresh token once it was exchanged.
    pub old_refresh_tokens: OldRefreshTokens,
    /// Scopes are said as `https://graph.microsoft.com/…`.
    pub full_scope_names: bool,
    /// Only an administrator may consent.
    pub admin_consent_only: bool,
    /// The device flow says `slow_down` to who asks too often.
    pub slow_down: bool,
    /// What an etag that does not match is answered with: 412 or 409.
    pub conflict_status: u16,
    /// What a transaction that made another event is answered with: 400 or 409.
    pub duplicate_status: u16,
    /// Requests of an application that a mailbox answers at once.
    pub concurrency_max: usize,
    /// Requests of an application to a mailbox in ten minutes.
    pub window_max: usize,
    /// The `Retry-After` of 429; it is not promised.
    pub retry_after_s: Option<u32>,
    /// Milliseconds that an answer takes. Without any, nothing is ever at once.
    pub answer_ms: u64,
    /// Every zone of the tz database is known, not only those that the documents list.
    pub any_iana_zone: bool,
    /// Zones come back under Windows' names.
    pub windows_zones: bool,
    /// A delta's round begins with an empty page.
    pub delta_opens_empty: bool,
    /// A delta leaves out the changed occurrences of series.
    pub delta_omits_exceptions: bool,
    /// A delta tells of removed occurrences.
    pub delta_tells_cancelled: bool,
    /// `events/delta` is there.
    pub events_delta: bool,
    /// A list of events has the changed occurrences of series too.
    pub list_exceptions: bool,
    /// A series forgets its exceptions when its recurrence is written, even as it was.
    pub rewriting_resets: bool,
    /// `exceptionOccurrences` is passed over.
    pub hide_exceptions: bool,
    /// A second subscription to the same is refused.
    pub one_subscription: bool,
    /// Notifications may go to this machine without TLS.
    pub loopback_hooks: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_token_life_s: 3_599,
            old_refresh_tokens: OldRefreshTokens::DieOnUse,
            full_scope_names: false,
            admin_consent_only: false,
            slow_down: false,
            conflict_status: 412,
            duplicate_status: 400,
            concurrency_max: 4,
            window_max: 10_000,
            retry_after_s: Some(1),
            answer_ms: 0,
            any_iana_zone: false,
            windows_zones: false,
            delta_opens_empty: true,
            delta_omits_exceptions: false,
            delta_tells_cancelled: false,
            events_delta: false,
            list_exceptions: false,
            rewriting_resets: true,
            hide_exceptions: false,
            one_subscription: false,
            loopback_hooks: false,
        }
    }
}
