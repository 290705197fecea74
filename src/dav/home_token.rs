//! The sync token of a home (RFC 6578): which calendars there are, and how much has happened in them.
//!
//! A calendar counts its own changes; their sum only grows as long as the calendars are the same. So an equal token
//! means that nothing happened, a larger sum that something did, and another set of calendars makes a token invalid:
//! what is gone from a home nobody keeps a record of, and clients then list the home anew, which is short.

use sha2::{Digest, Sha256};

use crate::domain::calendar::Calendar;
use crate::domain::ids::UserId;

const PREFIX: &str = "data:,kalends-home-";
/// Hexadecimal digits that stand for a set of calendars.
const MEMBERS_DIGITS: usize = 16;

/// The token of one state of a home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeToken {
    /// The life of the store and the user, which make tokens of others foreign.
    whose: String,
    members: String,
    changes: i64,
}

/// What a client that has a token has missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// Nothing.
    Nothing,
    /// Something in some of the calendars.
    Something,
}

impl HomeToken {
    /// The token of a home with these calendars.
    pub fn of<'a>(epoch: &str, user: &UserId, calendars: impl IntoIterator<Item = &'a Calendar>) -> HomeToken {
        let mut names = Vec::new();
        let mut changes = 0_i64;
        for calendar in calendars {
            names.push(format!("{}/{}/{}\n", calendar.id, calendar.owner_name, calendar.slug));
            changes = changes.saturating_add(calendar.seq.0);
        }
        names.sort();
        let mut members = hex::encode(Sha256::digest(names.concat()));
        members.truncate(MEMBERS_DIGITS);
        HomeToken { whose: format!("{epoch}.{user}"), members, changes }
    }

    /// The token as the URI that RFC 6578 asks for.
    #[must_use]
    pub fn to_uri(&self) -> String {
        format!("{PREFIX}{}.{}.{}", self.whose, self.members, self.changes)
    }

    /// What somebody with that token has missed of this state; `None`: it is no token of this home as it is.
    #[must_use]
    pub fn since(&self, token: &str) -> Option<Missed> {
        let rest = token.trim().strip_prefix(PREFIX)?.strip_prefix(&self.whose)?.strip_prefix('.')?;
        let changes = rest.strip_prefix(&self.members)?.strip_prefix('.')?;
        let changes: i64 = changes.bytes().all(|b| b.is_ascii_digit()).then(|| changes.parse().ok())??;
        match changes.cmp(&self.changes) {
            std::cmp::Ordering::Equal => Some(Missed::Nothing),
            std::cmp::Ordering::Less => Some(Missed::Something),
            std::cmp::Ordering::Greater => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_home_and_its_past() {
        let token = |user: &str, members: &str, changes| HomeToken {
            whose: format!("e.{user}"),
            members: members.to_owned(),
            changes,
        };
        let now = token("u", "aa", 7);
        for (other, missed) in [
            (now.clone(), Some(Missed::Nothing)),
            (token("u", "aa", 6), Some(Missed::Something)),
            (token("u", "aa", 8), None),
            (token("u", "ab", 7), None),
            (token("v", "aa", 7), None),
        ] {
            assert_eq!(now.since(&other.to_uri()), missed);
        }
        for foreign in ["", "data:,kalends-e.c.7", "data:,kalends-home-e.u.aa.", "data:,kalends-home-e.u.aa.+7"] {
            assert_eq!(now.since(foreign), None, "{foreign}");
        }
    }
}
