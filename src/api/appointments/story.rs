//! What happened to an appointment, told in order: who changed it, which link carried it where, what failed on the way,
//! and which conflict was decided how.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::api::times::stamp;
use crate::domain::access::Caller;
use crate::domain::change::{ChangeKind, Via};
use crate::domain::ids::{LinkId, ObjectId};
use crate::domain::sync::Way;
use crate::domain::time::Instant;
use crate::store::{Attempt, Conflict, ReadTx, RunItem, Version};

/// How much of each kind is told; a longer story begins later.
const EACH_MAX: u32 = 500;

/// One thing that happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = StoryItem)]
pub struct StoryItem {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// `version`: it changed here; `sync`: a link carried it; `failure`: a link could not; `conflict`: both sides had
    /// changed; `decision`: somebody or a policy decided.
    kind: &'static str,
    /// What happened, in a word: `created`, `updated`, `deleted`, `linked`, `withdrawn`, `transient`, `keep_platform` …
    what: String,
    /// The same as a sentence, without what the appointment says.
    text: String,
    /// Who did it, if a person or a policy did.
    #[schema(required)]
    user: Option<String>,
    /// The state that came of it.
    #[schema(required)]
    version: Option<i64>,
    /// The link that carried it.
    #[schema(required)]
    link_id: Option<String>,
    /// The run of that link.
    #[schema(required)]
    run_id: Option<String>,
    /// The event there.
    #[schema(required)]
    external_event_id: Option<String>,
    /// The conflict.
    #[schema(required)]
    conflict_id: Option<String>,
    /// The request or run, as in the logs.
    #[schema(required)]
    correlation_id: Option<String>,
}

/// An item and what it is ordered by: time, and at one time the order of telling.
type Told = (Instant, u8, StoryItem);

fn blank(at: Instant, kind: &'static str, what: &str, text: String) -> StoryItem {
    StoryItem {
        at: stamp(at),
        kind,
        what: what.to_owned(),
        text,
        user: None,
        version: None,
        link_id: None,
        run_id: None,
        external_event_id: None,
        conflict_id: None,
        correlation_id: None,
    }
}

/// The story of one of the caller's appointments, oldest first.
pub(super) async fn story(tx: &mut ReadTx, caller: &Caller, object: &ObjectId) -> Result<Vec<StoryItem>, Problem> {
    let firm = &caller.firm;
    let versions = tx.history(caller, object, i64::MAX, EACH_MAX).await?;
    let items = tx.story(firm, object, EACH_MAX).await?;
    let failures = tx.failures_of_object(firm, object, EACH_MAX).await?;
    let conflicts = tx.conflicts_of_object(firm, object).await?;
    let mut names = Names(HashMap::new());
    let mut told: Vec<Told> = Vec::new();
    for version in &versions {
        let link = version.cause.link.clone().map(LinkId::from_text);
        let name = match &link {
            Some(link) => Some(names.of(tx, caller, link).await?),
            None => None,
        };
        told.push((version.at, 0, of_version(version, name.as_deref())));
    }
    for item in &items {
        let name = names.of(tx, caller, &item.link).await?;
        told.push((item.at, 1, of_item(item, &name)));
    }
    for failure in &failures {
        let name = names.of(tx, caller, &failure.link).await?;
        told.push((failure.what.started, 2, of_failure(failure, &name)));
    }
    for conflict in &conflicts {
        let name = names.of(tx, caller, &conflict.link).await?;
        told.push((conflict.opened, 3, of_conflict(conflict, &name)));
        if let Some((at, how, by)) = &conflict.resolved {
            let mut item = blank(*at, "decision", how.as_str(), format!("{by} decided the conflict: {how}"));
            item.user = Some(by.clone());
            item.link_id = Some(conflict.link.as_str().to_owned());
            item.conflict_id = Some(conflict.id.as_str().to_owned());
            told.push((*at, 4, item));
        }
    }
    told.sort_by_key(|(at, order, item)| (*at, *order, item.version));
    Ok(told.into_iter().map(|(_, _, item)| item).collect())
}

/// What links are called.
struct Names(HashMap<LinkId, String>);

impl Names {
    async fn of(&mut self, tx: &mut ReadTx, caller: &Caller, id: &LinkId) -> Result<String, Problem> {
        if let Some(name) = self.0.get(id) {
            return Ok(name.clone());
        }
        let link = tx.link_by_id(&caller.firm, id).await?.filter(|l| l.user == caller.user);
        let name = match link {
            Some(link) => {
                let connection = tx.connection(&caller.firm, &link.connection).await?;
                let provider = connection.map_or("a provider", |k| k.provider.as_str());
                format!("{} at {provider}", link.remote_name)
            }
            None => "a calendar that is not linked any more".to_owned(),
        };
        self.0.insert(id.clone(), name.clone());
        Ok(name)
    }
}

fn of_version(version: &Version, link: Option<&str>) -> StoryItem {
    let cause = &version.cause;
    let done = match version.kind {
        ChangeKind::Created => "created it",
        ChangeKind::Updated => "changed it",
        ChangeKind::Moved => "moved it",
        ChangeKind::Restored => "put an earlier state back",
        ChangeKind::Deleted => "deleted it",
    };
    let door = match cause.via {
        Via::Caldav => "over CalDAV",
        Via::Api => "over the API",
        Via::Web => "on the web pages",
        Via::Import => "by an import",
        Via::Sync => "by syncing",
        Via::System => "by itself",
    };
    let who = match (&cause.user, link) {
        (Some(user), _) => user.clone(),
        (None, Some(link)) => format!("What was done in {link}"),
        (None, None) => "The server".to_owned(),
    };
    let client = cause.client.as_ref().map(|client| format!(" ({client})")).unwrap_or_default();
    let text = format!("{who} {done} {door}{client}");
    let mut item = blank(version.at, "version", version.kind.as_str(), text);
    item.user.clone_from(&cause.user);
    item.version = Some(version.number);
    item.link_id.clone_from(&cause.link);
    item.run_id.clone_from(&cause.run);
    item.correlation_id.clone_from(&cause.correlation_id);
    item
}

fn of_item(item: &RunItem, link: &str) -> StoryItem {
    let way = match item.way {
        Way::Push => format!("Carried to {link}"),
        Way::Pull => format!("Carried here from {link}"),
    };
    let note = item.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    let mut told = blank(item.at, "sync", &item.action, format!("{way}: {}{note}", item.action));
    told.version = item.after_version;
    told.link_id = Some(item.link.as_str().to_owned());
    told.run_id = Some(item.run.as_str().to_owned());
    told.external_event_id.clone_from(&item.remote);
    told
}

fn of_failure(failure: &Attempt, link: &str) -> StoryItem {
    let (class, why) = failure.what.failure.as_ref().map_or(("", ""), |(class, why)| (class.as_str(), why.as_str()));
    let again = match failure.what.next_retry {
        Some(at) => format!("; tried again at {at}"),
        None if failure.what.max_retries_reached || failure.recovered.is_some() => {
            "; tried as often as it may be".to_owned()
        }
        None => String::new(),
    };
    let text = format!("{} with {link} failed: {why}{again}", failure.what.operation);
    let mut told = blank(failure.what.started, "failure", class, text);
    told.link_id = Some(failure.link.as_str().to_owned());
    told.run_id = Some(failure.run.as_str().to_owned());
    told.external_event_id.clone_from(&failure.what.remote);
    told.correlation_id = Some(failure.correlation_id.clone());
    told
}

fn of_conflict(conflict: &Conflict, link: &str) -> StoryItem {
    let text = format!("Both sides had changed it, here and in {link}: {}", conflict.kind);
    let mut told = blank(conflict.opened, "conflict", conflict.kind.as_str(), text);
    told.link_id = Some(conflict.link.as_str().to_owned());
    told.external_event_id.clone_from(&conflict.remote);
    told.conflict_id = Some(conflict.id.as_str().to_owned());
    told
}
