//! Identifiers. Ours are UUIDv7 text made from the clock and chance that the caller hands in, so that they sort by
//! age and a test can foresee them. Names that people or clients choose are checked once, here.

use std::fmt;

use sha2::{Digest, Sha256};

use super::time::Instant;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// A new identifier from the present time and ten random bytes.
            #[must_use]
            pub fn new(now: Instant, random: [u8; 10]) -> $name {
                $name(uuid_v7(now, random))
            }

            /// Before every identifier that is made at or after this time, and after all that were made before.
            #[must_use]
            pub fn first_at(time: Instant) -> $name {
                $name(uuid_v7(time, [0; 10]))
            }

            /// Takes an identifier that the store or a path gave, unchecked: an unknown one finds nothing.
            #[must_use]
            pub fn from_text(text: impl Into<String>) -> $name {
                $name(text.into())
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

id! {
    /// A tenant.
    FirmId
    /// A user.
    UserId
    /// A calendar. A deleted and recreated name is a new calendar with a new id.
    CalendarId
    /// A calendar object; kept through moves, deletion and restoring.
    ObjectId
    /// An app password.
    AppPasswordId
    /// An API token.
    TokenId
    /// An ICS feed.
    FeedId
    /// A browser session (the id is not the secret).
    SessionId
    /// An audit event.
    AuditId
    /// An authenticated account at a provider.
    ConnectionId
    /// A mapping between one calendar here and one remote calendar.
    LinkId
    /// One appointment and its external event under a link.
    MappingId
    /// One execution of a link's sync.
    RunId
    /// One call-level operation inside a run.
    AttemptId
    /// A resync or replay that a manager ordered.
    OrderId
    /// Two sides that changed the same thing.
    ConflictId
    /// A webhook channel at a provider.
    ChannelId
    /// What a user should know although nobody asked.
    NoticeId
}

fn uuid_v7(now: Instant, random: [u8; 10]) -> String {
    // A clock before 1970 only loses the sorting by age, never uniqueness.
    let ms = u64::try_from(now.ms()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().hyphenated().to_string()
}

/// Why a name is refused; a sentence for the person who chose it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(pub &'static str);

/// The longest resource name, in bytes: file-system based clients keep objects as files of this name.
pub const RESOURCE_NAME_BYTES_MAX: usize = 255;

/// The name of a calendar object in its calendar: the last path segment, percent-decoded, as its client chose it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName(String);

impl ResourceName {
    /// Checks a decoded path segment.
    ///
    /// # Errors
    /// Empty, `.`/`..`, longer than [`RESOURCE_NAME_BYTES_MAX`], or with a slash or control character.
    pub fn parse(segment: &str) -> Result<ResourceName, BadName> {
        if segment.is_empty() || segment == "." || segment == ".." {
            return Err(BadName("a resource name is neither empty nor . nor .."));
        }
        if segment.len() > RESOURCE_NAME_BYTES_MAX {
            return Err(BadName("a resource name has at most 255 bytes"));
        }
        if segment.contains('/') || segment.chars().any(char::is_control) {
            return Err(BadName("a resource name has no slash and no control character"));
        }
        Ok(ResourceName(segment.to_owned()))
    }

    /// The name for an object that comes without one: its UID where that is a tame file name, else a hash of it.
    #[must_use]
    pub fn for_uid(uid: &str) -> ResourceName {
        let tame = |c: char| c.is_ascii_alphanumeric() || "-_.@{}+=".contains(c);
        if (1..=RESOURCE_NAME_BYTES_MAX - 4).contains(&uid.len()) && uid.chars().all(tame) && !uid.starts_with('.') {
            ResourceName(format!("{uid}.ics"))
        } else {
            ResourceName::hashed(uid)
        }
    }

    /// A name made of a hash of the UID.
    #[must_use]
    pub fn hashed(uid: &str) -> ResourceName {
        ResourceName(format!("{}.ics", hex::encode(&Sha256::digest(uid.as_bytes())[..16])))
    }

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A calendar's name in paths, unique among its owner's calendars.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

impl Slug {
    /// Checks a decoded path segment. Clients choose UUIDs, e-mail-like names and words in any script.
    ///
    /// # Errors
    /// What [`ResourceName::parse`] refuses, and the names that scheduling reserves.
    pub fn parse(segment: &str) -> Result<Slug, BadName> {
        ResourceName::parse(segment)?;
        if matches!(segment, "inbox" | "outbox") {
            return Err(BadName("inbox and outbox are reserved for scheduling"));
        }
        Ok(Slug(segment.to_owned()))
    }

    /// The slug as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest user name, in characters.
pub const USER_NAME_CHARS_MAX: usize = 64;

/// The name a user signs in with and is found under in paths. One name belongs to one user of the whole
/// installation, since signing in comes before a firm is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

impl UserName {
    /// Checks a name.
    ///
    /// # Errors
    /// Not 1 to 64 characters of letters, digits and `. _ - @ +`, or not beginning with a letter or digit.
    /// A colon would end the name in HTTP Basic.
    pub fn parse(text: &str) -> Result<UserName, BadName> {
        let fits = (1..=USER_NAME_CHARS_MAX).contains(&text.chars().count());
        let first = text.chars().next().is_some_and(char::is_alphanumeric);
        if fits && first && text.chars().all(|c| c.is_alphanumeric() || "._-@+".contains(c)) {
            Ok(UserName(text.to_owned()))
        } else {
            Err(BadName("a user name has 1 to 64 letters, digits or . _ - @ + and begins with a letter or digit"))
        }
    }

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! show {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
show! { ResourceName Slug UserName }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_age() {
        let early = ObjectId::new(Instant::from_ms(1_000), [255; 10]);
        let late = ObjectId::new(Instant::from_ms(2_000), [0; 10]);
        assert!(early < late);
    }

    #[test]
    fn names_that_would_leave_their_folder_are_refused() {
        for bad in ["", ".", "..", "a/b", "a\0b", "a\nb", &"x".repeat(256)] {
            assert!(ResourceName::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a.ics", "ü ö.ics", "a@b.ics", "{5}.ics", "%2F.ics", "..ics"] {
            assert!(ResourceName::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_uid_becomes_a_name_that_is_one() {
        for uid in ["a@b", "", "..", "a/b", "ü", "x y", &"x".repeat(300)] {
            let name = ResourceName::for_uid(uid);
            assert_eq!(ResourceName::parse(name.as_str()), Ok(name));
        }
        assert_eq!(ResourceName::for_uid("a@b").as_str(), "a@b.ics");
    }

    #[test]
    fn a_user_name_cannot_hold_what_basic_or_a_path_would_split() {
        for bad in ["", "a:b", "a/b", "-a", " a", "a b", &"x".repeat(65)] {
            assert!(UserName::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["ada", "ada@example.org", "José", "a.b-c_d+e"] {
            assert!(UserName::parse(good).is_ok(), "{good:?}");
        }
    }
}
