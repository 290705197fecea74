//! What an appointment was: its versions with who caused them, and the way back, from deletion as well.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find::{Found, calendar_by_default, calendar_named};
use super::single::{file_name, view};
use super::story::{StoryItem, story};
use super::view::{AppointmentView, tag, tag_of};
use crate::api::answer::{Answer, Key};
use crate::api::extract::{Body, Demands, Id, IdAndNumber, Nothing, Query, Who};
use crate::api::page::{Cut, Page, PageQuery};
use crate::api::problem::Problem;
use crate::api::times::stamp;
use crate::auth::Gate;
use crate::domain::access::{Access, Caller, Right};
use crate::domain::change::{ChangeKind, Guard, Via};
use crate::domain::ids::{ObjectId, ResourceName};
use crate::domain::object::{CalendarObject, ComponentKind};
use crate::store::{CalendarError, Version, VersionData, WriteTx, Writing};

/// Through which door a change came.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Via)]
pub enum ViaView {
    /// A CalDAV client.
    Caldav,
    /// This API.
    Api,
    /// The web pages.
    Web,
    /// An import.
    Import,
    /// A run of a link.
    Sync,
    /// The server itself.
    System,
}

/// What happened to an appointment.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ChangeKind)]
pub enum ChangeView {
    /// It came into being, or came back under its UID.
    Created,
    /// It was changed.
    Updated,
    /// It was moved to another name or calendar.
    Moved,
    /// An earlier state was put back.
    Restored,
    /// It was deleted.
    Deleted,
}

/// A state of an appointment.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Version)]
pub struct VersionView {
    /// Its number, from 1.
    version: i64,
    /// What happened.
    change: ChangeView,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Through which door.
    via: ViaView,
    /// The name of the user who did it, if a person did.
    #[schema(required)]
    user: Option<String>,
    /// The client program as it names itself.
    #[schema(required)]
    client: Option<String>,
    /// The request that did it, as in the logs.
    #[schema(required)]
    correlation_id: Option<String>,
    /// The id of the calendar it was in.
    calendar: String,
    /// The ETag it had; `null` for a deletion.
    #[schema(required)]
    etag: Option<String>,
    /// Whether this is the present state.
    current: bool,
}

/// A state with what it said.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VersionContent {
    /// The state.
    #[serde(flatten)]
    version: VersionView,
    /// Its text in iCalendar; `null` for a deletion.
    #[schema(required)]
    ics: Option<String>,
    /// The platform's type it had.
    #[schema(required)]
    appointment_type: Option<String>,
    /// The platform's client it had.
    #[schema(required)]
    client_id: Option<String>,
    /// The member of staff who held it.
    #[schema(required)]
    staff_user_id: Option<String>,
    /// The platform's project it had.
    #[schema(required)]
    project_id: Option<String>,
}

/// A deleted appointment that can be restored.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeletedAppointment {
    /// Its id.
    id: String,
    /// Its title.
    #[schema(required)]
    title: Option<String>,
    /// Its deletion.
    deletion: VersionView,
}

/// Part of a history, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct History {
    /// The states.
    items: Vec<VersionView>,
    /// How many there are in all.
    #[schema(minimum = 0)]
    total: i64,
    /// What `before` must be for the next part; `null` if this is the last.
    #[schema(required)]
    next_before: Option<i64>,
    /// Everything that happened to it in order, oldest first: changes, what links carried where, what failed on the way,
    /// conflicts and decisions. Told with the first part.
    story: Vec<StoryItem>,
}

/// Which part of a history.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// How many states at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Only states before this number.
    #[param(minimum = 1)]
    before: Option<i64>,
}

/// What to put back.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restoration {
    /// The number of the state; by default the last one before the present, or before the deletion.
    #[schema(minimum = 1)]
    version: Option<i64>,
    /// Id or slug of the calendar for a deleted appointment; by default the one it was in, or the caller's first if
    /// that is gone.
    calendar: Option<String>,
}

impl VersionView {
    fn of(version: &Version) -> VersionView {
        VersionView {
            version: version.number,
            change: match version.kind {
                ChangeKind::Created => ChangeView::Created,
                ChangeKind::Updated => ChangeView::Updated,
                ChangeKind::Moved => ChangeView::Moved,
                ChangeKind::Restored => ChangeView::Restored,
                ChangeKind::Deleted => ChangeView::Deleted,
            },
            at: stamp(version.at),
            via: match version.cause.via {
                Via::Caldav => ViaView::Caldav,
                Via::Api => ViaView::Api,
                Via::Web => ViaView::Web,
                Via::Import => ViaView::Import,
                Via::Sync => ViaView::Sync,
                Via::System => ViaView::System,
            },
            user: version.cause.user.clone(),
            client: version.cause.client.clone(),
            correlation_id: version.cause.correlation_id.clone(),
            calendar: version.calendar.as_str().to_owned(),
            etag: version.etag.as_ref().map(|etag| tag_of(version.number, etag.as_str())),
            current: version.current,
        }
    }
}

/// The history of an appointment, deleted or not.
#[utoipa::path(
    get, path = "/api/appointments/{id}/history", tag = "appointments", operation_id = "appointmentHistory",
    params(("id" = String, Path, description = "Its id"), HistoryQuery),
    responses((status = 200, description = "Its states, newest first", body = History)),
)]
pub async fn history(
    State(gate): State<Gate>,
    Who(visitor): Who,
    Id(id): Id,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, Problem> {
    let limit = Cut::of(query.limit, None)?.limit;
    let before = query.before.unwrap_or(i64::MAX);
    if before < 1 {
        return Err(Problem::value("before", "versions are counted from 1"));
    }
    let mut tx = gate.store.read().await?;
    let id = ObjectId::from_text(id);
    let newest = newest(&mut tx, &visitor.caller, &id).await?;
    let versions = tx.history(&visitor.caller, &id, before, limit).await?;
    let last = versions.last().map_or(1, |v| v.number);
    let story = match query.before {
        None => story(&mut tx, &visitor.caller, &id).await?,
        Some(_) => Vec::new(),
    };
    Ok(Json(History {
        items: versions.iter().map(VersionView::of).collect(),
        total: newest.version.number,
        next_before: (last > 1).then_some(last),
        story,
    }))
}

/// One state of an appointment with its text.
#[utoipa::path(
    get, path = "/api/appointments/{id}/versions/{number}", tag = "appointments", operation_id = "appointmentVersion",
    params(("id" = String, Path, description = "Its id"), ("number" = i64, Path, description = "The state's number", minimum = 1)),
    responses((status = 200, description = "The state", body = VersionContent)),
)]
pub async fn version(
    State(gate): State<Gate>,
    Who(visitor): Who,
    _: Query<Nothing>,
    IdAndNumber(id, number): IdAndNumber,
) -> Result<Json<VersionContent>, Problem> {
    let mut tx = gate.store.read().await?;
    let id = ObjectId::from_text(id);
    newest(&mut tx, &visitor.caller, &id).await?;
    let data = tx.version(&visitor.caller, &id, number).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(VersionContent {
        version: VersionView::of(&data.version),
        ics: data.bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        appointment_type: data.facts.appointment_type,
        client_id: data.facts.client_id,
        staff_user_id: data.facts.staff_user_id,
        project_id: data.facts.project_id,
    }))
}

/// Deleted appointments that can be restored, latest deletion first.
#[utoipa::path(
    get, path = "/api/appointments/deleted", tag = "appointments", operation_id = "deletedAppointments", params(PageQuery),
    responses((status = 200, description = "A page of them", body = Page<DeletedAppointment>)),
)]
pub async fn deleted(
    State(gate): State<Gate>,
    Who(visitor): Who,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<DeletedAppointment>>, Problem> {
    let caller = &visitor.caller;
    let cut = query.cut()?;
    let mut tx = gate.store.read().await?;
    let (versions, total) = tx.deleted(caller, ComponentKind::Event, cut.limit, cut.offset).await?;
    let items = versions.iter().map(|(version, title)| DeletedAppointment {
        id: version.object.as_str().to_owned(),
        title: title.clone(),
        deletion: VersionView::of(version),
    });
    Ok(Json(cut.with(items.collect(), total)))
}

/// Puts an earlier state of an appointment back, or a deleted appointment.
#[utoipa::path(
    post, path = "/api/appointments/{id}/restore", tag = "appointments", operation_id = "restoreAppointment",
    request_body = Restoration,
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the state that may be replaced."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and request get the same answer for a day.", max_length = 255),
    ),
    responses((status = 200, description = "The appointment as it is now", body = AppointmentView)),
)]
pub async fn restore(
    State(gate): State<Gate>,
    Who(visitor): Who,
    _: Query<Nothing>,
    Id(id): Id,
    demands: Demands,
    key: Key,
    body: Body<Restoration>,
) -> Result<Answer, Problem> {
    let caller = &visitor.caller;
    if let Some(answer) = key.answered(&gate, caller, &body.hash).await? {
        return Ok(answer);
    }
    let asked = body.value;
    let object_id = ObjectId::from_text(id.as_str());
    let mut tx = gate.store.write().await?;
    let newest = newest(&mut tx, caller, &object_id).await?;
    let number = asked.version.unwrap_or(newest.version.number - 1);
    let past = tx.version(caller, &object_id, number).await?;
    let Some(VersionData { version: past, bytes: Some(bytes), facts }) = past else {
        return Err(Problem::value("version", "there is no such state that could be put back"));
    };
    let object = CalendarObject::from_stored(bytes)?;
    let present = tx.object_by_id(caller, &object_id, Right::Write).await?;
    let (access, name, guard) = if present.is_some() {
        if asked.calendar.is_some() {
            return Err(Problem::value("calendar", "it is not deleted; move it with PATCH"));
        }
        let found = Found::held(&mut tx, caller, &id, None).await?;
        demands.allow(&tag(&found.stored.head))?;
        (found.access, found.stored.head.name, Guard::exactly(found.stored.head.etag))
    } else {
        demands.allow_absent()?;
        let access = home(&mut tx, caller, &past, asked.calendar.as_deref()).await?;
        let is_free = tx.object_head(&access, &past.name).await?.is_none();
        let name: ResourceName = if is_free { past.name } else { file_name(&object_id)? };
        (access, name, Guard::absent())
    };
    let writing = Writing { facts: Some(&facts), restoring: Some(&object_id), origin: None };
    tx.write_object(&access, &name, &object, &guard, &visitor.cause, writing).await?;
    let stored = tx.object(&access, &name).await?.ok_or_else(Problem::internal)?;
    let answer = Answer::ok(&view(&access, &stored, &object)?)?.tagged(tag(&stored.head));
    key.settle(&gate, tx, caller, &body.hash, answer).await
}

/// Where a deleted appointment goes back to.
async fn home(tx: &mut WriteTx, caller: &Caller, past: &Version, asked: Option<&str>) -> Result<Access, Problem> {
    if let Some(name) = asked {
        return Ok(calendar_named(tx, caller, name, Right::Write, "calendar").await?.0);
    }
    match tx.calendar_by_id(caller, &past.calendar, Right::Write).await {
        Ok((access, _)) => Ok(access),
        Err(CalendarError::NotFound) => Ok(calendar_by_default(tx, caller).await?.0),
        Err(other) => Err(other.into()),
    }
}

/// The newest state of one of the caller's appointments, with its text where it has one.
async fn newest(tx: &mut crate::store::ReadTx, caller: &Caller, id: &ObjectId) -> Result<VersionData, Problem> {
    let last = tx.history(caller, id, i64::MAX, 1).await?.into_iter().next().ok_or_else(Problem::not_found)?;
    let data = tx.version(caller, id, last.number).await?.ok_or_else(Problem::not_found)?;
    let text = match (&data.bytes, last.number) {
        (None, number) if number > 1 => tx.version(caller, id, number - 1).await?.and_then(|d| d.bytes),
        (bytes, _) => bytes.clone(),
    };
    // Tasks and journal entries have histories as well, but not here.
    let object = text.and_then(|bytes| CalendarObject::from_stored(bytes).ok());
    match object.map(|o| o.component()) {
        Some(ComponentKind::Event) => Ok(data),
        _ => Err(Problem::not_found()),
    }
}
