//! What a client may say about an appointment, and the record it makes of the one before. Pure: a change, a record and
//! the zones in, a record or a problem out.

use serde::Deserialize;
use utoipa::ToSchema;

use super::people::{self, AttendeeInput};
use super::reminders::{self, ReminderInput};
use super::schedule;
use super::text::{self, Limit};
use crate::api::given::given;
use crate::api::problem::{Code, Problem};
use crate::domain::appointment::{Appointment, FACT_CHARS_MAX, Facts, Recurrence, Status};
use crate::ics::When;
use crate::ics::zone::Zones;

/// How an appointment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AppointmentStatus {
    /// It takes place.
    Confirmed,
    /// It may take place.
    Tentative,
    /// It does not take place.
    Cancelled,
}

impl From<AppointmentStatus> for Status {
    fn from(status: AppointmentStatus) -> Status {
        match status {
            AppointmentStatus::Confirmed => Status::Confirmed,
            AppointmentStatus::Tentative => Status::Tentative,
            AppointmentStatus::Cancelled => Status::Cancelled,
        }
    }
}

impl From<Status> for AppointmentStatus {
    fn from(status: Status) -> AppointmentStatus {
        match status {
            Status::Confirmed => AppointmentStatus::Confirmed,
            Status::Tentative => AppointmentStatus::Tentative,
            Status::Cancelled => AppointmentStatus::Cancelled,
        }
    }
}

/// What an appointment repeats by.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecurrenceInput {
    /// Rules of RFC 5545, such as `FREQ=WEEKLY;BYDAY=MO,WE;COUNT=10`.
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["FREQ=WEEKLY;COUNT=10"]))]
    pub rrule: Vec<String>,
    /// Further starts.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub rdate: Vec<String>,
    /// Starts that are left out; of a timed appointment also whole days.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub exdate: Vec<String>,
}

/// An appointment to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAppointment {
    /// Id or slug of the calendar; by default the caller's first one that takes appointments.
    pub calendar: Option<String>,
    /// A line.
    #[schema(max_length = 1000, example = "Piano lesson")]
    pub title: Option<String>,
    /// A text of any lines.
    #[schema(max_length = 100_000)]
    pub notes: Option<String>,
    /// Where it is.
    #[schema(max_length = 2000)]
    pub location: Option<String>,
    /// A page about it.
    #[schema(max_length = 2000)]
    pub url: Option<String>,
    /// RFC 3339 with an offset, or a local time in `time_zone` (without one: floating, wherever the reader is), or a
    /// date for all-day appointments.
    #[schema(example = "2026-12-01T10:00:00")]
    pub start: String,
    /// As `start`; what is not part of it any more: of an all-day appointment the day after the last, and there
    /// optional.
    #[schema(example = "2026-12-01T11:00:00")]
    pub end: Option<String>,
    /// Whether it takes whole days; follows from `start`.
    pub all_day: Option<bool>,
    /// The IANA zone it is in, which decides when it repeats. Without one, an offset is kept as UTC.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// What it repeats by.
    pub recurrence: Option<RecurrenceInput>,
    /// Confirmed unless said otherwise.
    pub status: Option<AppointmentStatus>,
    /// Whether feeds and others may not see what it is about.
    pub private: Option<bool>,
    /// Whether it leaves its owner free.
    pub transparent: Option<bool>,
    /// Who takes part.
    #[schema(max_items = 500)]
    pub attendees: Option<Vec<AttendeeInput>>,
    /// When to remind.
    #[schema(max_items = 20)]
    pub reminders: Option<Vec<ReminderInput>>,
    /// Words to find it by.
    #[schema(max_items = 50)]
    pub categories: Option<Vec<String>>,
    /// The platform's type, e.g. `one_on_one`. This and the three ids are never part of what calendar clients see.
    #[schema(max_length = 200)]
    pub appointment_type: Option<String>,
    /// The platform's client.
    #[schema(max_length = 200)]
    pub client_id: Option<String>,
    /// The member of staff who holds it.
    #[schema(max_length = 200)]
    pub staff_user_id: Option<String>,
    /// The platform's project.
    #[schema(max_length = 200)]
    pub project_id: Option<String>,
}

/// A change of an appointment: what is not named stays, `null` empties. Of a series it changes the whole series, whose
/// exceptions follow when it begins at another time; `?recurrence_id=` changes one instance.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppointmentChange {
    /// Id or slug of the calendar to move it to.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub calendar: Option<String>,
    /// A line.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub title: Option<Option<String>>,
    /// A text of any lines.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 100_000)]
    pub notes: Option<Option<String>>,
    /// Where it is.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 2000)]
    pub location: Option<Option<String>>,
    /// A page about it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 2000)]
    pub url: Option<Option<String>>,
    /// As in a new appointment; a local time is in the zone it has. The end stays where it is unless given as well.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub start: Option<String>,
    /// As in a new appointment.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub end: Option<String>,
    /// Can be changed together with `start` and `end` only.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub all_day: Option<bool>,
    /// Without new times the clock shows the same in the new zone. `null`: floating.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub time_zone: Option<Option<String>>,
    /// Replaces all of it; `null` leaves the first instance only.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<RecurrenceInput>)]
    pub recurrence: Option<Option<RecurrenceInput>>,
    /// How it stands.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub status: Option<AppointmentStatus>,
    /// Whether feeds and others may not see what it is about.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub private: Option<bool>,
    /// Whether it leaves its owner free.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub transparent: Option<bool>,
    /// Replaces the list. Who stays keeps what is not named again.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<AttendeeInput>>, max_items = 500)]
    pub attendees: Option<Option<Vec<AttendeeInput>>>,
    /// Replaces the list.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<ReminderInput>>, max_items = 20)]
    pub reminders: Option<Option<Vec<ReminderInput>>>,
    /// Replaces the list.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    pub categories: Option<Option<Vec<String>>>,
    /// The platform's type.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub appointment_type: Option<Option<String>>,
    /// The platform's client.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub client_id: Option<Option<String>>,
    /// The member of staff who holds it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub staff_user_id: Option<Option<String>>,
    /// The platform's project.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub project_id: Option<Option<String>>,
}

impl From<NewAppointment> for AppointmentChange {
    fn from(new: NewAppointment) -> AppointmentChange {
        AppointmentChange {
            calendar: new.calendar,
            title: new.title.map(Some),
            notes: new.notes.map(Some),
            location: new.location.map(Some),
            url: new.url.map(Some),
            start: Some(new.start),
            end: new.end,
            all_day: new.all_day,
            time_zone: new.time_zone.map(Some),
            recurrence: new.recurrence.map(Some),
            status: new.status,
            private: new.private,
            transparent: new.transparent,
            attendees: new.attendees.map(Some),
            reminders: new.reminders.map(Some),
            categories: new.categories.map(Some),
            appointment_type: new.appointment_type.map(Some),
            client_id: new.client_id.map(Some),
            staff_user_id: new.staff_user_id.map(Some),
            project_id: new.project_id.map(Some),
        }
    }
}

/// Which part of an appointment a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// One instance of a series, which has no rules of its own.
    Instance,
}

impl AppointmentChange {
    /// The record of a new appointment.
    ///
    /// # Errors
    /// What cannot be, with the field.
    pub fn fresh(self, zones: &Zones<'_>) -> Result<Appointment, Problem> {
        let (start, end) = schedule::fresh(&self)?;
        let before = blank(start, end);
        self.rest(before, zones)
    }

    /// The record after the change of the one before. `zones` are those of its object.
    ///
    /// # Errors
    /// What cannot be, with the field.
    pub fn made(self, before: &Appointment, part: Part, zones: &Zones<'_>) -> Result<Appointment, Problem> {
        if let (Part::Instance, Some(field)) = (part, self.field_of_series()) {
            return Err(Problem::value(field, "it belongs to the series; leave recurrence_id out to change it"));
        }
        let mut wanted = before.clone();
        (wanted.start, wanted.end) = schedule::changed(&self, before, zones)?;
        if part == Part::Whole {
            before.carry_along(&mut wanted, zones);
        }
        self.rest(wanted, zones)
    }

    /// Everything but the times.
    fn rest(self, mut wanted: Appointment, zones: &Zones<'_>) -> Result<Appointment, Problem> {
        text::put(&mut wanted.title, self.title, "title", Limit::LINE)?;
        text::put(&mut wanted.notes, self.notes, "notes", Limit::TEXT)?;
        text::put(&mut wanted.location, self.location, "location", Limit::PLACE)?;
        text::put(&mut wanted.url, self.url, "url", Limit::URL)?;
        if let Some(recurrence) = self.recurrence {
            wanted.recurrence = match recurrence {
                Some(input) => schedule::recurrence(&input, &wanted, zones)?,
                None => Recurrence::default(),
            };
        }
        wanted.status = self.status.map_or(wanted.status, Status::from);
        wanted.private = self.private.unwrap_or(wanted.private);
        wanted.transparent = self.transparent.unwrap_or(wanted.transparent);
        if let Some(attendees) = self.attendees {
            wanted.attendees = people::read(&attendees.unwrap_or_default(), &wanted.attendees)?;
        }
        if let Some(reminders) = self.reminders {
            wanted.reminders = reminders::read(&reminders.unwrap_or_default(), &wanted.reminders)?;
        }
        if let Some(categories) = self.categories {
            wanted.categories = text::words("categories", categories.unwrap_or_default())?;
        }
        Ok(wanted)
    }

    /// The facts after the change of those before.
    ///
    /// # Errors
    /// One is empty or too long.
    pub fn facts(&self, before: &Facts) -> Result<Facts, Problem> {
        let mut facts = before.clone();
        for (field, place, given) in [
            ("appointment_type", &mut facts.appointment_type, &self.appointment_type),
            ("client_id", &mut facts.client_id, &self.client_id),
            ("staff_user_id", &mut facts.staff_user_id, &self.staff_user_id),
            ("project_id", &mut facts.project_id, &self.project_id),
        ] {
            if let Some(given) = given {
                if let Some(value) = given {
                    text::check_word(field, value, FACT_CHARS_MAX)?;
                }
                place.clone_from(given);
            }
        }
        Ok(facts)
    }

    /// A field that no single instance has.
    fn field_of_series(&self) -> Option<&'static str> {
        let named = [
            ("calendar", self.calendar.is_some()),
            ("recurrence", self.recurrence.is_some()),
            ("appointment_type", self.appointment_type.is_some()),
            ("client_id", self.client_id.is_some()),
            ("staff_user_id", self.staff_user_id.is_some()),
            ("project_id", self.project_id.is_some()),
        ];
        named.into_iter().find_map(|(field, is_named)| is_named.then_some(field))
    }
}

fn blank(start: When, end: When) -> Appointment {
    Appointment {
        title: None,
        notes: None,
        location: None,
        url: None,
        start,
        end,
        recurrence: Recurrence::default(),
        status: Status::Confirmed,
        private: false,
        transparent: false,
        categories: Vec::new(),
        attendees: Vec::new(),
        reminders: Vec::new(),
    }
}

/// A list that is longer than it may be.
pub(super) fn check_count(field: &str, count: usize, max: usize) -> Result<(), Problem> {
    if count > max {
        return Err(Problem::new(Code::BadValue, format!("at most {max} of them")).at(field));
    }
    Ok(())
}
