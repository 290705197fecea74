//! Why an object changed, and what a writer demands of the state before.

use serde::{Deserialize, Serialize};

use super::ids::{LinkId, RunId};
use super::object::ETag;

/// Through which door a change came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A CalDAV client.
    Caldav,
    /// The JSON API.
    Api,
    /// The web pages.
    Web,
    /// `kalends import`.
    Import,
    /// A run of a link.
    Sync,
    /// The server itself, e.g. what a fresh demo holds.
    System,
}

/// Who or what caused a version. Kept with it, shown in histories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Through which door.
    pub via: Via,
    /// The acting user's name, if a person acted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// The client program as it names itself, shortened to [`CLIENT_CHARS_MAX`] characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client: Option<String>,
    /// The request that did it, as in the logs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub correlation_id: Option<String>,
    /// The link that carried it here, and the run that did; no outbox row goes back to that link.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link: Option<String>,
    /// See `link`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<String>,
}

/// Long enough to tell every known client's version; a header may be of any length.
pub const CLIENT_CHARS_MAX: usize = 120;

impl Cause {
    /// A change by the program itself.
    #[must_use]
    pub fn system() -> Cause {
        Cause { via: Via::System, user: None, client: None, correlation_id: None, link: None, run: None }
    }

    /// A change that a link's run carried here.
    #[must_use]
    pub fn sync(link: &LinkId, run: &RunId, correlation_id: &str) -> Cause {
        Cause {
            via: Via::Sync,
            user: None,
            client: None,
            correlation_id: Some(correlation_id.to_owned()),
            link: Some(link.as_str().to_owned()),
            run: Some(run.as_str().to_owned()),
        }
    }

    /// A change by a user.
    #[must_use]
    pub fn by(via: Via, user: &str, client: Option<&str>, correlation_id: Option<&str>) -> Cause {
        Cause {
            via,
            user: Some(user.to_owned()),
            client: client.map(|c| c.chars().take(CLIENT_CHARS_MAX).collect()),
            correlation_id: correlation_id.map(str::to_owned),
            link: None,
            run: None,
        }
    }
}

/// What happened to an object in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It came into being, or came back under its UID.
    Created,
    /// It was replaced.
    Updated,
    /// It moved to another name or calendar.
    Moved,
    /// An earlier version was put back.
    Restored,
    /// It was deleted.
    Deleted,
}

impl ChangeKind {
    /// As the store and the API write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Created => "created",
            ChangeKind::Updated => "updated",
            ChangeKind::Moved => "moved",
            ChangeKind::Restored => "restored",
            ChangeKind::Deleted => "deleted",
        }
    }

    /// Reads what [`ChangeKind::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<ChangeKind> {
        [ChangeKind::Created, ChangeKind::Updated, ChangeKind::Moved, ChangeKind::Restored, ChangeKind::Deleted]
            .into_iter()
            .find(|k| k.as_str() == text)
    }
}

/// An `If-Match` or `If-None-Match` list (RFC 9110 §13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtagList {
    /// `*`: any current state.
    Any,
    /// One of these.
    OneOf(Vec<ETag>),
}

/// What a writer demands of the state before (RFC 9110 §13.1). Empty demands nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// `If-Match`.
    pub if_match: Option<EtagList>,
    /// `If-None-Match`.
    pub if_none_match: Option<EtagList>,
}

impl Guard {
    /// Demands nothing.
    pub const NONE: Guard = Guard { if_match: None, if_none_match: None };

    /// Demands that nothing is there (`If-None-Match: *`).
    #[must_use]
    pub fn absent() -> Guard {
        Guard { if_match: None, if_none_match: Some(EtagList::Any) }
    }

    /// Demands this very state (`If-Match`).
    #[must_use]
    pub fn exactly(etag: ETag) -> Guard {
        Guard { if_match: Some(EtagList::OneOf(vec![etag])), if_none_match: None }
    }

    /// Whether the present state (`None`: nothing is there) meets the demands.
    #[must_use]
    pub fn holds(&self, current: Option<&ETag>) -> bool {
        let matched = match (&self.if_match, current) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(EtagList::Any), Some(_)) => true,
            (Some(EtagList::OneOf(list)), Some(etag)) => list.contains(etag),
        };
        let unmatched = match (&self.if_none_match, current) {
            (None, _) | (Some(_), None) => true,
            (Some(EtagList::Any), Some(_)) => false,
            (Some(EtagList::OneOf(list)), Some(etag)) => !list.contains(etag),
        };
        matched && unmatched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_decides_as_rfc_9110_does() {
        let (a, b) = (ETag::new("a"), ETag::new("b"));
        let cases = [
            (Guard::NONE, None, true),
            (Guard::NONE, Some(&a), true),
            (Guard::absent(), None, true),
            (Guard::absent(), Some(&a), false),
            (Guard::exactly(a.clone()), Some(&a), true),
            (Guard::exactly(a.clone()), Some(&b), false),
            (Guard::exactly(a.clone()), None, false),
            (Guard { if_match: Some(EtagList::Any), if_none_match: None }, None, false),
            (Guard { if_match: Some(EtagList::Any), if_none_match: None }, Some(&b), true),
            (Guard { if_match: None, if_none_match: Some(EtagList::OneOf(vec![a.clone()])) }, Some(&a), false),
            (Guard { if_match: None, if_none_match: Some(EtagList::OneOf(vec![a.clone()])) }, Some(&b), true),
        ];
        for (guard, current, expected) in cases {
            assert_eq!(guard.holds(current), expected, "{guard:?} {current:?}");
        }
    }
}
