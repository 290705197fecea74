//! One appointment: made, read, changed, deleted; a whole series or one of its instances.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::find::{Found, calendar_by_default, calendar_named, reader_zone};
use super::input::{AppointmentChange, NewAppointment, Part};
use super::view::{AppointmentView, Place, tag};
use crate::api::answer::{Answer, Key};
use crate::api::extract::{Body, Demands, Id, Nothing, Query, Visitor, Who};
use crate::api::problem::{Code, Problem};
use crate::api::times::Given;
use crate::auth::Gate;
use crate::domain::access::{Access, Right};
use crate::domain::appointment::{self, Appointment, Facts, Occurrence};
use crate::domain::change::Guard;
use crate::domain::ids::{CalendarId, ObjectId, ResourceName, Slug};
use crate::domain::object::CalendarObject;
use crate::domain::time::Instant;
use crate::ics::Component;
use crate::ics::zone::Zones;
use crate::store::{Overwrite, ReadTx, StoredObject, WriteTx, Writing};

/// Which part of an appointment.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct InstanceQuery {
    /// One instance of a series: the start it has by the rules, as an expanded list shows it.
    #[param(example = "2026-12-08T10:00:00+01:00")]
    recurrence_id: Option<String>,
}

/// Makes an appointment.
#[utoipa::path(
    post, path = "/api/appointments", tag = "appointments", operation_id = "createAppointment",
    request_body = NewAppointment,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and request get the same answer for a day.", max_length = 255)),
    responses((status = 201, description = "Made", body = AppointmentView)),
)]
pub async fn create(
    State(gate): State<Gate>,
    Who(visitor): Who,
    _: Query<Nothing>,
    key: Key,
    body: Body<NewAppointment>,
) -> Result<Answer, Problem> {
    let caller = &visitor.caller;
    if let Some(answer) = key.answered(&gate, caller, &body.hash).await? {
        return Ok(answer);
    }
    let change = AppointmentChange::from(body.value);
    let facts = change.facts(&Facts::default())?;
    let mut tx = gate.store.write().await?;
    let (access, _) = match &change.calendar {
        Some(name) => calendar_named(&mut tx, caller, name, Right::Write, "calendar").await?,
        None => calendar_by_default(&mut tx, caller).await?,
    };
    let nothing = Component::new("VCALENDAR");
    let record = change.fresh(&Zones::of(&nothing))?;
    let uid = ObjectId::new(tx.now(), gate.store.chance().bytes());
    let object = CalendarObject::parse(appointment::create(&record, uid.as_str(), tx.now()))?;
    let name = file_name(&uid)?;
    let writing = Writing { facts: Some(&facts), restoring: None, origin: None };
    tx.write_object(&access, &name, &object, &Guard::absent(), &visitor.cause, writing).await?;
    let stored = tx.object(&access, &name).await?.ok_or_else(Problem::internal)?;
    let view = view(&access, &stored, &object)?;
    let answer = Answer::created(format!("/api/appointments/{}", stored.head.id), &view)?.tagged(tag(&stored.head));
    key.settle(&gate, tx, caller, &body.hash, answer).await
}

/// Reads an appointment, or one of its instances.
#[utoipa::path(
    get, path = "/api/appointments/{id}", tag = "appointments", operation_id = "readAppointment",
    params(
        ("id" = String, Path, description = "Its id"), InstanceQuery,
        ("If-None-Match" = Option<String>, Header, description = "The ETag of the state that the client has."),
    ),
    responses(
        (status = 200, description = "The appointment", body = AppointmentView),
        (status = 304, description = "It is in the state that If-None-Match names"),
    ),
)]
pub async fn read(
    State(gate): State<Gate>,
    Who(visitor): Who,
    Id(id): Id,
    Query(query): Query<InstanceQuery>,
    demands: Demands,
) -> Result<Response, Problem> {
    let mut tx = gate.store.read().await?;
    let found = Found::read(&mut tx, &visitor.caller, &id, Right::Read).await?;
    let tag = tag(&found.stored.head);
    if demands.has(&tag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        if let Ok(tag) = HeaderValue::try_from(tag) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        return Ok(response);
    }
    let view = match instance_asked_for(&mut tx, &visitor, &query, &found.object).await? {
        Some((_, occurrence)) => instance_view(&found.access, &found.stored, &found.object, &occurrence)?,
        None => view(&found.access, &found.stored, &found.object)?,
    };
    Ok(Answer::ok(&view)?.tagged(tag).into_response())
}

/// Changes an appointment, or one of its instances.
#[utoipa::path(
    patch, path = "/api/appointments/{id}", tag = "appointments", operation_id = "changeAppointment",
    request_body = AppointmentChange,
    params(
        ("id" = String, Path, description = "Its id"), InstanceQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the state that may be changed."),
    ),
    responses((status = 200, description = "The appointment as it is now", body = AppointmentView)),
)]
pub async fn change(
    State(gate): State<Gate>,
    Who(visitor): Who,
    Id(id): Id,
    Query(query): Query<InstanceQuery>,
    demands: Demands,
    body: Body<AppointmentChange>,
) -> Result<Answer, Problem> {
    let (caller, change) = (&visitor.caller, body.value);
    let mut tx = gate.store.write().await?;
    // Whether there is such an appointment comes before whether there is such a calendar.
    Found::read(&mut tx, caller, &id, Right::Write).await?;
    let to = match &change.calendar {
        Some(name) => Some(calendar_named(&mut tx, caller, name, Right::Write, "calendar").await?.0),
        None => None,
    };
    let found = Found::held(&mut tx, caller, &id, to.as_ref()).await?;
    demands.allow(&tag(&found.stored.head))?;
    let facts = change.facts(&found.stored.head.facts)?;
    let instance = instance_asked_for(&mut tx, &visitor, &query, &found.object).await?;
    let bytes = changed(change, &found.object, instance.as_ref().map(|(_, occurrence)| occurrence), tx.now())?;
    let instance_at = instance.map(|(at, _)| at);
    let object = match bytes == *found.object.bytes() {
        // What was stored once is not judged again.
        true => found.object.clone(),
        false => CalendarObject::parse(bytes)?,
    };
    let name = &found.stored.head.name;
    let guard = Guard::exactly(found.stored.head.etag.clone());
    let writing = Writing { facts: Some(&facts), restoring: None, origin: None };
    tx.write_object(&found.access, name, &object, &guard, &visitor.cause, writing).await?;
    let access = match to.filter(|to| to.calendar() != found.access.calendar()) {
        Some(to) => relocate(&gate, &mut tx, (&found.access, name), to, &visitor).await?,
        None => found.access,
    };
    let id = ObjectId::from_text(id);
    let (_, stored) = tx.object_by_id(caller, &id, Right::Read).await?.ok_or_else(Problem::internal)?;
    let zone = reader_zone(&mut tx, caller).await?;
    let view = match instance_at.and_then(|at| Occurrence::find(&object, at, &zone)) {
        Some(occurrence) => instance_view(&access, &stored, &object, &occurrence)?,
        None => view(&access, &stored, &object)?,
    };
    tx.commit().await?;
    Ok(Answer::ok(&view)?.tagged(tag(&stored.head)))
}

/// Deletes an appointment, or leaves one of its instances out. What was deleted can be restored.
#[utoipa::path(
    delete, path = "/api/appointments/{id}", tag = "appointments", operation_id = "deleteAppointment",
    params(
        ("id" = String, Path, description = "Its id"), InstanceQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the state that may be deleted."),
    ),
    responses((status = 204, description = "Deleted")),
)]
pub async fn delete(
    State(gate): State<Gate>,
    Who(visitor): Who,
    Id(id): Id,
    Query(query): Query<InstanceQuery>,
    demands: Demands,
) -> Result<StatusCode, Problem> {
    let mut tx = gate.store.write().await?;
    let found = Found::held(&mut tx, &visitor.caller, &id, None).await?;
    demands.allow(&tag(&found.stored.head))?;
    let name = &found.stored.head.name;
    let guard = Guard::exactly(found.stored.head.etag.clone());
    match instance_asked_for(&mut tx, &visitor, &query, &found.object).await? {
        Some((_, occurrence)) => {
            let bytes = appointment::cancel_instance(&found.object, &occurrence, tx.now()).ok_or_else(|| {
                Problem::value("recurrence_id", "this is an invitation to single instances; delete it as a whole")
            })?;
            let object = CalendarObject::parse(bytes)?;
            tx.put_object(&found.access, name, &object, &guard, &visitor.cause).await?;
        }
        None => {
            tx.delete_object(&found.access, name, &guard, &visitor.cause).await?;
        }
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The name of the object of a new appointment.
pub(super) fn file_name(uid: &ObjectId) -> Result<ResourceName, Problem> {
    ResourceName::parse(&format!("{uid}.ics")).map_err(|_| Problem::internal())
}

/// The JSON of a stored appointment.
pub(super) fn view(
    access: &Access,
    stored: &StoredObject,
    object: &CalendarObject,
) -> Result<AppointmentView, Problem> {
    AppointmentView::of(place(access, stored), object).ok_or_else(Problem::internal)
}

fn place<'a>(access: &'a Access, stored: &'a StoredObject) -> Place<'a> {
    let (calendar, slug): (&CalendarId, &Slug) = (access.calendar(), access.slug());
    Place { head: &stored.head, calendar, slug }
}

fn instance_view(
    access: &Access,
    stored: &StoredObject,
    object: &CalendarObject,
    occurrence: &Occurrence<'_>,
) -> Result<AppointmentView, Problem> {
    let calendar = object.document().calendar().ok_or_else(Problem::internal)?;
    let zones = Zones::of(calendar);
    let Occurrence { id, component, record, .. } = occurrence;
    Ok(AppointmentView::instance(place(access, stored), record, component, &zones, id.clone()))
}

/// The instance that the query names, if it names one, and the instant that it is named by.
async fn instance_asked_for<'a>(
    tx: &mut ReadTx,
    visitor: &Visitor,
    query: &InstanceQuery,
    object: &'a CalendarObject,
) -> Result<Option<(Instant, Occurrence<'a>)>, Problem> {
    let Some(text) = &query.recurrence_id else { return Ok(None) };
    let given = Given::parse("recurrence_id", text)?;
    let zone = reader_zone(tx, &visitor.caller).await?;
    let at = match (given, appointment_zone(object)) {
        (Given::Local(_), Some(own)) => given.instant(own.or(&zone)),
        (Given::Date(_) | Given::At { .. } | Given::Local(_), _) => given.instant(&zone),
    };
    let found = Occurrence::find(object, at, &zone);
    found
        .map(|found| Some((at, found)))
        .ok_or_else(|| Problem::new(Code::NotFound, "there is no such instance").at("recurrence_id"))
}

/// What the start of the series is local to.
fn appointment_zone(object: &CalendarObject) -> Option<crate::ics::zone::Zone> {
    let start = Appointment::of(object)?.start;
    Some(Zones::of(object.document().calendar()?).of_value(&start))
}

/// The text after a change of the whole or of one instance.
fn changed(
    change: AppointmentChange,
    object: &CalendarObject,
    occurrence: Option<&Occurrence<'_>>,
    now: Instant,
) -> Result<bytes::Bytes, Problem> {
    let zones = Zones::of(object.document().calendar().ok_or_else(Problem::internal)?);
    let bytes = match occurrence {
        Some(occurrence) => {
            let wanted = change.made(&occurrence.record, Part::Instance, &zones)?;
            appointment::apply_instance(object, occurrence, &wanted, now)
        }
        None => {
            let before = Appointment::of(object).ok_or_else(Problem::internal)?;
            let wanted = change.made(&before, Part::Whole, &zones)?;
            appointment::apply(object, &wanted, now)
        }
    };
    bytes.ok_or_else(Problem::internal)
}

/// Moves an appointment to another calendar; its id, history and facts go with it.
async fn relocate(
    gate: &Gate,
    tx: &mut WriteTx,
    (from, name): (&Access, &ResourceName),
    to: Access,
    visitor: &Visitor,
) -> Result<Access, Problem> {
    let is_free = tx.object_head(&to, name).await?.is_none();
    let new_name = match is_free {
        true => name.clone(),
        false => file_name(&ObjectId::new(tx.now(), gate.store.chance().bytes()))?,
    };
    tx.move_object((from, name), (&to, &new_name), &Guard::NONE, Overwrite::No, &visitor.cause).await?;
    Ok(to)
}
