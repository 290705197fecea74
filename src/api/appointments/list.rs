//! Lists of appointments: by what the index knows, and by time exactly.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find::{calendar_named, reader_zone};
use super::input::AppointmentStatus;
use super::instances;
use super::view::{AppointmentView, Place};
use crate::api::extract::{Query, Who};
use crate::api::page::Cut;
use crate::api::problem::Problem;
use crate::api::times::Given;
use crate::auth::Gate;
use crate::domain::access::Right;
use crate::domain::appointment::Status;
use crate::domain::object::CalendarObject;
use crate::domain::recurrence::Window;
use crate::domain::time::{DAY_MS, Instant};
use crate::domain::timerange;
use crate::ics::zone::Zone;
use crate::store::{AppointmentFilter, AppointmentRow, Page as Rows, ReadTx};

/// Appointments read at once; their bodies are in memory together.
const ROWS_AT_ONCE: u32 = 50;
/// Appointments looked at for one answer by time: beyond this the time must be shorter.
const CANDIDATES_MAX: i64 = 20_000;
/// What the texts on one page may come to; a page that would be larger ends earlier.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest time that is expanded into instances.
const EXPAND_DAYS_MAX: i64 = 750;
/// The longest text to search for.
const TEXT_CHARS_MAX: usize = 200;

/// Which appointments to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// That have not ended by then: a time with an offset, or a local time or date in the caller's zone.
    #[param(example = "2026-12-01")]
    from: Option<String>,
    /// That begin before then.
    #[param(example = "2027-01-01")]
    to: Option<String>,
    /// Series as their instances, by start; asks for `from` and `to`.
    expand: Option<bool>,
    /// In the calendar of this id or slug.
    calendar: Option<String>,
    /// Of this type.
    appointment_type: Option<String>,
    /// Of this client.
    client_id: Option<String>,
    /// Held by this member of staff.
    staff_user_id: Option<String>,
    /// Of this project.
    project_id: Option<String>,
    /// That stand so.
    #[param(inline)]
    status: Option<AppointmentStatus>,
    /// That came from there: `local`, or a provider.
    origin: Option<String>,
    /// With this in title, place or notes.
    #[param(max_length = 200)]
    text: Option<String>,
    /// Items on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Items to skip.
    #[param(minimum = 0, maximum = 10_000_000, default = 0)]
    offset: Option<u32>,
}

/// A part of a list of appointments.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppointmentPage {
    /// The appointments, or their instances.
    pub items: Vec<AppointmentView>,
    /// How many there are on all pages.
    #[schema(minimum = 0)]
    pub total: i64,
    /// How many were asked for. A page that would be too large holds fewer; go on after its last item.
    pub limit: u32,
    /// How many were skipped.
    pub offset: u32,
    /// Ids of series that repeat too often to be shown in full: their first instances are there, and more exist.
    pub truncated: Vec<String>,
}

/// Lists the caller's appointments, by their first start.
#[utoipa::path(
    get, path = "/api/appointments", tag = "appointments", operation_id = "listAppointments", params(ListQuery),
    responses((status = 200, description = "A page of them", body = AppointmentPage)),
)]
pub async fn list(
    State(gate): State<Gate>,
    Who(visitor): Who,
    Query(query): Query<ListQuery>,
) -> Result<Json<AppointmentPage>, Problem> {
    let caller = &visitor.caller;
    let cut = Cut::of(query.limit, query.offset)?;
    let mut tx = gate.store.read().await?;
    let zone = reader_zone(&mut tx, caller).await?;
    let window = window(&query, &zone)?;
    let mut filter = filter(&query, window)?;
    if let Some(name) = &query.calendar {
        filter.calendar = Some(calendar_named(&mut tx, caller, name, Right::Read, "calendar").await?.1.id);
    }
    if query.expand == Some(true) {
        // An instance may stand otherwise than its series.
        let status = query.status.map(Status::from);
        filter.status = None;
        let rows = Walk::begin(&mut tx, caller, filter, CANDIDATES_MAX);
        return instances::page(rows, window, &zone, status, cut).await.map(Json);
    }
    let most = if window == Window::ALL { i64::MAX } else { CANDIDATES_MAX };
    let mut rows = Walk::begin(&mut tx, caller, filter, most);
    if window == Window::ALL {
        rows.skip(cut.offset);
    }
    let mut page = Filling::new(cut);
    while let Some((batch, total)) = rows.next().await? {
        if window == Window::ALL {
            page.total = total;
        }
        for row in batch {
            let Ok(object) = CalendarObject::from_stored(row.bytes.clone()) else { continue };
            if window == Window::ALL {
                page.put(&row, &object);
            } else if is_inside(&object, window, &zone) {
                page.total += 1;
                if page.total > i64::from(cut.offset) {
                    page.put(&row, &object);
                }
            }
        }
        if window == Window::ALL && page.is_full() {
            break;
        }
    }
    let Cut { limit, offset } = cut;
    Ok(Json(AppointmentPage { items: page.items, total: page.total, limit, offset, truncated: Vec::new() }))
}

/// Whether an instance lies inside. Where that cannot be settled within bounds, it may.
fn is_inside(object: &CalendarObject, window: Window, zone: &Zone) -> bool {
    let found = timerange::overlapping(object, window, zone);
    !found.components.is_empty() || found.truncated
}

/// A page being filled.
struct Filling {
    cut: Cut,
    items: Vec<AppointmentView>,
    bytes: usize,
    is_full: bool,
    total: i64,
}

impl Filling {
    fn new(cut: Cut) -> Filling {
        Filling { cut, items: Vec::new(), bytes: 0, is_full: false, total: 0 }
    }

    fn is_full(&self) -> bool {
        self.is_full
    }

    fn put(&mut self, row: &AppointmentRow, object: &CalendarObject) {
        let bytes = self.bytes.saturating_add(row.bytes.len());
        self.is_full |= bytes > PAGE_BYTES_MAX && !self.items.is_empty();
        if !self.is_full {
            let place = Place { head: &row.head, calendar: &row.calendar, slug: &row.slug };
            self.items.extend(AppointmentView::of(place, object));
            self.bytes = bytes;
            self.is_full = self.items.len() >= self.cut.limit as usize;
        }
    }
}

/// The rows of a list, some at a time.
pub(super) struct Walk<'a> {
    tx: &'a mut ReadTx,
    caller: &'a crate::domain::access::Caller,
    filter: AppointmentFilter,
    most: i64,
    at: u32,
    is_done: bool,
}

impl<'a> Walk<'a> {
    fn begin(
        tx: &'a mut ReadTx,
        caller: &'a crate::domain::access::Caller,
        filter: AppointmentFilter,
        most: i64,
    ) -> Walk<'a> {
        Walk { tx, caller, filter, most, at: 0, is_done: false }
    }

    fn skip(&mut self, rows: u32) {
        self.at = rows;
    }

    /// The next rows and how many there are in all; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<(Vec<AppointmentRow>, i64)>, Problem> {
        if self.is_done {
            return Ok(None);
        }
        let page = Rows { limit: ROWS_AT_ONCE, offset: self.at };
        let (rows, total) = self.tx.appointments(self.caller, &self.filter, page).await?;
        if total > self.most {
            let detail = format!("more than {} appointments may lie in this time; ask for a shorter one", self.most);
            return Err(Problem::value("from", detail));
        }
        self.is_done = rows.len() < ROWS_AT_ONCE as usize;
        self.at = self.at.saturating_add(ROWS_AT_ONCE);
        Ok(Some((rows, total)))
    }
}

fn window(query: &ListQuery, zone: &Zone) -> Result<Window, Problem> {
    let instant = |field: &str, text: &Option<String>| -> Result<Option<Instant>, Problem> {
        text.as_deref().map(|text| Given::parse(field, text).map(|given| given.instant(zone))).transpose()
    };
    let (from, to) = (instant("from", &query.from)?, instant("to", &query.to)?);
    if let (Some(from), Some(to)) = (from, to)
        && to <= from
    {
        return Err(Problem::value("to", "it must lie after from"));
    }
    if query.expand == Some(true) {
        let (Some(from), Some(to)) = (from, to) else {
            let field = if from.is_none() { "from" } else { "to" };
            return Err(Problem::missing(field, "expand asks for from and to"));
        };
        if to.ms().saturating_sub(from.ms()) > EXPAND_DAYS_MAX * DAY_MS {
            return Err(Problem::value("to", format!("at most {EXPAND_DAYS_MAX} days are expanded")));
        }
    }
    Ok(Window { from: from.unwrap_or(Instant::FAR_PAST), to: to.unwrap_or(Instant::FAR_FUTURE) })
}

fn filter(query: &ListQuery, window: Window) -> Result<AppointmentFilter, Problem> {
    if query.text.as_ref().is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX) {
        return Err(Problem::value("text", format!("at most {TEXT_CHARS_MAX} characters")));
    }
    Ok(AppointmentFilter {
        calendar: None,
        from: (window.from != Instant::FAR_PAST).then_some(window.from),
        to: (window.to != Instant::FAR_FUTURE).then_some(window.to),
        appointment_type: query.appointment_type.clone(),
        client_id: query.client_id.clone(),
        staff_user_id: query.staff_user_id.clone(),
        project_id: query.project_id.clone(),
        status: query.status.map(|status| Status::from(status).as_ics().to_owned()),
        origin: query.origin.clone(),
        text: query.text.clone(),
    })
}
