//! An appointment as the JSON shows it.

use serde::Serialize;
use utoipa::ToSchema;

use super::input::AppointmentStatus;
use super::people::{AttendeeView, OrganizerView};
use super::reminders::ReminderView;
use crate::api::times::{show, stamp, zone_name};
use crate::domain::appointment::{Appointment, Organizer};
use crate::domain::ids::{CalendarId, Slug};
use crate::domain::object::CalendarObject;
use crate::ics::zone::Zones;
use crate::ics::{Component, When};
use crate::store::ObjectHead;

/// What an appointment repeats by.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Recurrence)]
pub struct RecurrenceView {
    /// Rules of RFC 5545.
    rrule: Vec<String>,
    /// Further starts.
    rdate: Vec<String>,
    /// Starts that are left out.
    exdate: Vec<String>,
}

/// An appointment.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Appointment)]
pub struct AppointmentView {
    /// Its id; the same in every calendar it is moved to, and after it was deleted and restored.
    id: String,
    /// Its UID in iCalendar.
    uid: String,
    /// For `If-Match`, with its quotes.
    etag: String,
    /// How many states it has had.
    version: i64,
    /// The id of its calendar.
    calendar: String,
    /// The name of its calendar in paths.
    calendar_slug: String,
    /// A line.
    #[schema(required)]
    title: Option<String>,
    /// A text of any lines.
    #[schema(required)]
    notes: Option<String>,
    /// Where it is.
    #[schema(required)]
    location: Option<String>,
    /// A page about it.
    #[schema(required)]
    url: Option<String>,
    /// RFC 3339 with the offset of its zone that day; without one if floating; a date if all-day.
    start: String,
    /// What is not part of it any more, in the same form.
    end: String,
    /// Whether it takes whole days.
    all_day: bool,
    /// The zone it is in: an IANA name, or what a client calls a zone nobody else knows. `null` if floating or all-day.
    #[schema(required)]
    time_zone: Option<String>,
    /// What it repeats by; `null` for a single one, and for an instance.
    #[schema(required)]
    recurrence: Option<RecurrenceView>,
    /// Of an instance: which one it is, by the start it has or had before it was moved.
    #[schema(required)]
    recurrence_id: Option<String>,
    /// How it stands.
    status: AppointmentStatus,
    /// Whether feeds and others may not see what it is about.
    private: bool,
    /// Whether it leaves its owner free.
    transparent: bool,
    /// Who invites.
    #[schema(required)]
    organizer: Option<OrganizerView>,
    /// Who takes part.
    attendees: Vec<AttendeeView>,
    /// When to remind.
    reminders: Vec<ReminderView>,
    /// Words to find it by.
    categories: Vec<String>,
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
    /// Where it came from: `local`, or the provider whose link brought it.
    origin: String,
    /// When it was first put here.
    #[schema(format = DateTime)]
    created: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    changed: String,
}

/// Where a stored appointment is.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Everything but its text.
    pub head: &'a ObjectHead,
    /// Its calendar.
    pub calendar: &'a CalendarId,
    /// Its calendar's name in paths.
    pub slug: &'a Slug,
}

/// The tag of an appointment: of its state here, since facts change without a byte of its text.
#[must_use]
pub fn tag(head: &ObjectHead) -> String {
    tag_of(head.version, head.etag.as_str())
}

/// As [`tag`], by version and the tag of the bytes.
#[must_use]
pub fn tag_of(version: i64, etag: &str) -> String {
    format!("\"{version}-{etag}\"")
}

impl AppointmentView {
    /// The whole appointment. `None` if its text is none, which nothing stored is.
    #[must_use]
    pub fn of(place: Place<'_>, object: &CalendarObject) -> Option<AppointmentView> {
        let zones = Zones::of(object.document().calendar()?);
        let speaker = object.master().or_else(|| object.components().next())?;
        let id = speaker.property("RECURRENCE-ID").and_then(|p| When::of(p).ok());
        Some(AppointmentView::made(place, &Appointment::of(object)?, speaker, &zones, id))
    }

    /// One instance: its record, and which one it is.
    #[must_use]
    pub fn instance(
        place: Place<'_>,
        record: &Appointment,
        component: &Component,
        zones: &Zones<'_>,
        id: When,
    ) -> AppointmentView {
        AppointmentView::made(place, record, component, zones, Some(id))
    }

    fn made(
        place: Place<'_>,
        record: &Appointment,
        component: &Component,
        zones: &Zones<'_>,
        id: Option<When>,
    ) -> AppointmentView {
        let Place { head, calendar, slug } = place;
        let dates = |list: &[When]| list.iter().map(|when| show(when, zones)).collect();
        let recurrence = &record.recurrence;
        let repeats = !recurrence.is_single() || !recurrence.removed.is_empty();
        AppointmentView {
            id: head.id.as_str().to_owned(),
            uid: head.uid.clone(),
            etag: tag(head),
            version: head.version,
            calendar: calendar.as_str().to_owned(),
            calendar_slug: slug.as_str().to_owned(),
            title: record.title.clone(),
            notes: record.notes.clone(),
            location: record.location.clone(),
            url: record.url.clone(),
            start: show(&record.start, zones),
            end: show(&record.end, zones),
            all_day: record.start.is_date(),
            time_zone: zone_name(&record.start).map(str::to_owned),
            recurrence: repeats.then(|| RecurrenceView {
                rrule: recurrence.rules.clone(),
                rdate: dates(&recurrence.added),
                exdate: dates(&recurrence.removed),
            }),
            recurrence_id: id.map(|id| show(&id, zones)),
            status: record.status.into(),
            private: record.private,
            transparent: record.transparent,
            organizer: Organizer::of(component).map(OrganizerView::of),
            attendees: record.attendees.iter().map(AttendeeView::of).collect(),
            reminders: record.reminders.iter().map(ReminderView::of).collect(),
            categories: record.categories.clone(),
            appointment_type: head.facts.appointment_type.clone(),
            client_id: head.facts.client_id.clone(),
            staff_user_id: head.facts.staff_user_id.clone(),
            project_id: head.facts.project_id.clone(),
            origin: head.origin.clone(),
            created: stamp(head.created),
            changed: stamp(head.changed),
        }
    }
}
