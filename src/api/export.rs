//! Everything of the caller in one JSON document, streamed: the account, and every calendar with the exact text of every
//! object in it.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::calendars::CalendarView;
use super::extract::{Holder, Nothing, Query, Visitor};
use super::me::{self, Me};
use super::problem::Problem;
use super::schedule_sync::{self, SyncExport};
use super::times::stamp;
use crate::auth::Gate;
use crate::domain::access::Access;
use crate::domain::calendar::{Calendar, Seq};
use crate::store::{StoreError, StoredObject};

/// Objects read at once; their bodies are in memory together.
const OBJECTS_AT_ONCE: u32 = 100;

/// Everything of a user.
#[derive(Serialize, ToSchema)]
pub struct Export {
    /// When it was made.
    #[schema(format = DateTime)]
    exported_at: String,
    /// The account.
    user: Me,
    /// The calendars with everything in them.
    calendars: Vec<ExportedCalendar>,
    /// Connections, links, runs, conflicts, notices.
    sync: SyncExport,
    /// Whether this is all of it: `false`, in the last place, if the server failed on the way.
    complete: bool,
}

/// A calendar with everything in it.
#[derive(Serialize, ToSchema)]
pub struct ExportedCalendar {
    /// The calendar.
    #[serde(flatten)]
    calendar: CalendarView,
    /// What is in it.
    objects: Vec<ExportedObject>,
}

/// A calendar object.
#[derive(Serialize, ToSchema)]
pub struct ExportedObject {
    /// Its id.
    id: String,
    /// Its name in the calendar.
    name: String,
    /// The platform's type.
    #[schema(required)]
    appointment_type: Option<String>,
    /// The platform's client.
    #[schema(required)]
    client_id: Option<String>,
    /// The member of staff who holds it.
    #[schema(required)]
    staff_user_id: Option<String>,
    /// The platform's project.
    #[schema(required)]
    project_id: Option<String>,
    /// When it was first put here.
    #[schema(format = DateTime)]
    created: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    changed: String,
    /// Its text in iCalendar.
    ics: String,
}

/// Exports everything of the caller.
#[utoipa::path(
    get, path = "/api/me/export", tag = "account", operation_id = "exportMe",
    responses((status = 200, description = "Everything, as a download", body = Export)),
)]
pub async fn export(State(gate): State<Gate>, Holder(visitor): Holder, _: Query<Nothing>) -> Result<Response, Problem> {
    let mut tx = gate.store.read().await?;
    let user = me::user(&mut tx, &visitor).await?;
    let calendars = tx.calendars(&visitor.caller).await?;
    let audit = visitor.visit.act(&visitor.caller, "account_exported", user.id.as_str(), &json!({}));
    drop(tx);
    let mut tx = gate.store.write().await?;
    tx.audit(&user.firm, &audit).await?;
    tx.commit().await?;

    let base_url = visitor.visit.base_url.clone();
    let user = json!({ "exported_at": stamp(gate.store.now()), "user": Me::of(&user, &base_url) });
    let telling = Telling { gate, visitor, base_url, calendars: calendars.into(), next: Next::Begin(user) };
    let body = Body::from_stream(stream::unfold(telling, |mut telling| async move {
        let chunk = telling.chunk().await?;
        Some((Ok::<Bytes, Infallible>(Bytes::from(chunk)), telling))
    }));
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"kalends.json\""),
    ];
    Ok((headers, body).into_response())
}

/// An export that is being written, page by page; nothing is held while the client reads.
struct Telling {
    gate: Gate,
    visitor: Visitor,
    base_url: String,
    calendars: VecDeque<(Access, Calendar)>,
    next: Next,
}

/// What comes next.
enum Next {
    /// The account.
    Begin(serde_json::Value),
    /// A calendar; whether one came before.
    Calendar(bool),
    /// What is in a calendar, after a seq.
    Objects(Access, Seq, Seq),
    /// Nothing.
    Nothing,
}

impl Telling {
    async fn chunk(&mut self) -> Option<String> {
        let (chunk, next) = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Begin(user) => (format!("{},\"calendars\":[", open(&user)), Next::Calendar(false)),
            Next::Calendar(follows) => match self.calendars.pop_front() {
                Some((access, calendar)) => {
                    let view = serde_json::to_value(CalendarView::of(&calendar, &self.base_url)).unwrap_or_default();
                    let comma = if follows { "," } else { "" };
                    let begun = format!("{comma}{},\"objects\":[", open(&view));
                    (begun, Next::Objects(access, Seq(0), calendar.seq))
                }
                None => (format!("],{}}}", self.sync().await), Next::Nothing),
            },
            Next::Objects(access, after, up_to) => match self.objects(&access, after, up_to).await {
                Ok(objects) => {
                    let comma = if after == Seq(0) || objects.is_empty() { "" } else { "," };
                    let texts: Vec<String> = objects.iter().map(|o| ExportedObject::of(o).to_json()).collect();
                    let text = format!("{comma}{}", texts.join(","));
                    match objects.last() {
                        Some(last) if objects.len() == OBJECTS_AT_ONCE as usize => {
                            (text, Next::Objects(access, last.head.seq, up_to))
                        }
                        _ => (text + "]}", Next::Calendar(true)),
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "an export ended early");
                    ("]}],\"complete\":false}".to_owned(), Next::Nothing)
                }
            },
            Next::Nothing => return None,
        };
        self.next = next;
        Some(chunk)
    }

    /// The syncing, and whether all of the export is there.
    async fn sync(&self) -> String {
        let told = schedule_sync::everything(&self.gate, &self.visitor).await;
        match told.ok().and_then(|sync| serde_json::to_string(&sync).ok()) {
            Some(sync) => format!("\"sync\":{sync},\"complete\":true"),
            None => "\"sync\":null,\"complete\":false".to_owned(),
        }
    }

    async fn objects(&self, access: &Access, after: Seq, up_to: Seq) -> Result<Vec<StoredObject>, StoreError> {
        self.gate.store.read().await?.bodies(access, after, up_to, OBJECTS_AT_ONCE).await
    }
}

impl ExportedObject {
    fn of(object: &StoredObject) -> ExportedObject {
        let (head, facts) = (&object.head, object.head.facts.clone());
        ExportedObject {
            id: head.id.as_str().to_owned(),
            name: head.name.as_str().to_owned(),
            appointment_type: facts.appointment_type,
            client_id: facts.client_id,
            staff_user_id: facts.staff_user_id,
            project_id: facts.project_id,
            created: stamp(head.created),
            changed: stamp(head.changed),
            ics: String::from_utf8_lossy(&object.bytes).into_owned(),
        }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "null".to_owned())
    }
}

/// A JSON object without its closing brace.
fn open(object: &serde_json::Value) -> String {
    let mut text = object.to_string();
    text.pop();
    text
}
