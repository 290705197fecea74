//! Closed sets of words with the names that the API, the store and the logs use.

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// The one of that name.
            #[must_use]
            pub fn parse(text: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|w| w.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+};
}

words! {
    /// Where accounts are.
    Provider {
        /// Google Calendar.
        Google = "google",
        /// Microsoft 365 and Outlook.
        Microsoft = "microsoft",
        /// iCloud.
        Apple = "apple",
        /// Any CalDAV server.
        Caldav = "caldav",
        /// An ICS URL, read only.
        Ics = "ics",
    }
    /// Whether a connection can be used.
    ConnectionStatus {
        /// In use.
        Active = "active",
        /// Somebody paused it.
        Paused = "paused",
        /// The provider wants its user to consent again.
        NeedsReauth = "needs_reauth",
        /// Disconnected; its tokens are gone.
        Revoked = "revoked",
    }
    /// Whether a link runs.
    LinkStatus {
        /// It runs.
        Active = "active",
        /// Somebody paused it.
        Paused = "paused",
        /// The mass-change guard stopped a run before it applied anything; somebody must confirm.
        NeedsConfirmation = "needs_confirmation",
        /// The remote calendar is gone or forbidden; nothing is deleted because of it.
        Broken = "broken",
        /// Disconnected: mappings are kept so that a reconnect finds them.
        Detached = "detached",
    }
    /// Which way a link carries changes.
    Direction {
        /// From here to the provider.
        Push = "push",
        /// From the provider to here.
        Pull = "pull",
        /// Both.
        Both = "both",
    }
    /// Which way one operation went.
    Way {
        /// From here to the provider.
        Push = "push",
        /// From the provider to here.
        Pull = "pull",
    }
    /// What made a run.
    RunKind {
        /// The first run of a link, or one after a lost cursor.
        Full = "full",
        /// Local changes going out.
        Push = "push",
        /// The schedule.
        Pull = "pull",
        /// A notification of the provider.
        Webhook = "webhook",
        /// Somebody asked for it.
        Manual = "manual",
        /// A manager or the command line asked for everything anew.
        Resync = "resync",
        /// Somebody undid an earlier run.
        Undo = "undo",
    }
    /// How a run ended.
    RunStatus {
        /// Not yet.
        Running = "running",
        /// Everything was carried out.
        Success = "success",
        /// Something was left; the rest was carried out.
        Partial = "partial",
        /// Nothing could be carried out.
        Failed = "failed",
    }
    /// What an attempt did.
    AttemptKind {
        /// Asked for changes.
        ListChanges = "list_changes",
        /// Created or updated one item.
        Upsert = "upsert",
        /// Deleted one item.
        Delete = "delete",
        /// Listed everything anew.
        Resync = "resync",
    }
    /// How a failure is treated.
    ErrorClass {
        /// Network, timeout, 5xx, 408, 409 lock, 423, busy database.
        Transient = "transient",
        /// 429 and its relatives: the whole account slows down.
        RateLimited = "rate_limited",
        /// Never tried again by itself.
        NonRetryable = "non_retryable",
    }
    /// What two sides disagree on.
    ConflictKind {
        /// When it is.
        TimeChange = "time_change",
        /// One side deleted what the other changed.
        Deleted = "deleted",
        /// Anything else.
        DataMismatch = "data_mismatch",
        /// The same event is on both sides, unlinked.
        CreatedExternally = "created_externally",
    }
    /// What is to happen with a conflict.
    Resolution {
        /// Our side wins.
        KeepPlatform = "keep_platform",
        /// The provider's side wins.
        KeepExternal = "keep_external",
        /// Field by field.
        Merge = "merge",
        /// The side changed last, by what the two sides say themselves.
        MostRecent = "most_recent",
    }
}

/// The intervals that a link may have, in minutes; the last is a day.
pub const SYNC_INTERVALS_MIN: [i64; 6] = [5, 10, 15, 30, 60, 1_440];

impl Provider {
    /// The provider a user means; `outlook` is an alias.
    #[must_use]
    pub fn of_user(text: &str) -> Option<Provider> {
        if text == "outlook" { Some(Provider::Microsoft) } else { Provider::parse(text) }
    }
}

impl Direction {
    /// Whether changes here go out.
    #[must_use]
    pub const fn pushes(self) -> bool {
        matches!(self, Direction::Push | Direction::Both)
    }

    /// Whether changes there come in.
    #[must_use]
    pub const fn pulls(self) -> bool {
        matches!(self, Direction::Pull | Direction::Both)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_back() {
        for provider in Provider::ALL {
            assert_eq!(Provider::parse(provider.as_str()), Some(*provider));
            assert_eq!(serde_json::to_value(provider).unwrap(), provider.as_str());
        }
        assert_eq!(Provider::of_user("outlook"), Some(Provider::Microsoft));
        assert_eq!(Provider::parse("outlook"), None);
    }

    #[test]
    fn a_direction_says_which_ways_it_goes() {
        assert!(Direction::Both.pulls() && Direction::Both.pushes());
        assert!(!Direction::Push.pulls() && !Direction::Pull.pushes());
    }
}
