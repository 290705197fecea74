//! Appointments as their instances inside a time, in the order of starts.

use super::list::{AppointmentPage, Walk};
use super::view::{AppointmentView, Place};
use crate::api::page::{Cut, Page};
use crate::api::problem::Problem;
use crate::domain::appointment::{Appointment, Occurrence, Status};
use crate::domain::object::CalendarObject;
use crate::domain::recurrence::{Instance, Window, expand};
use crate::domain::time::Instant;
use crate::ics::When;
use crate::ics::zone::{Zone, Zones};
use crate::store::AppointmentRow;

/// The bodies kept until the page is cut.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Instances of one series on all pages together: a year of days eight times over, a month of quarter hours.
const SERIES_INSTANCES_MAX: usize = 3_000;
/// Instances of all series together; each is a few bytes here.
const HITS_MAX: usize = 60_000;

/// An instance by what tells it from the others of its series.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hit {
    starts: Instant,
    row: usize,
    recurrence_id: Option<Instant>,
}

/// The page of instances. A series with more than [`SERIES_INSTANCES_MAX`] of them shows the first ones and is named as
/// cut short, so that it does not hide the others.
///
/// # Errors
/// There are more than can be counted, or the store failed.
pub(super) async fn page(
    mut rows: Walk<'_>,
    window: Window,
    zone: &Zone,
    status: Option<Status>,
    cut: Cut,
) -> Result<AppointmentPage, Problem> {
    let too_many = || Problem::value("to", "there are too many instances in this time; ask for a shorter one");
    let (mut kept, mut hits): (Vec<AppointmentRow>, Vec<Hit>) = (Vec::new(), Vec::new());
    let (mut bytes, mut truncated) = (0_usize, Vec::new());
    while let Some((batch, _)) = rows.next().await? {
        for row in batch {
            let Ok(object) = CalendarObject::from_stored(row.bytes.clone()) else { continue };
            let expansion = expand(&object, window, zone);
            let before = hits.len();
            let standing = expansion.instances.iter().filter(|instance| stands(instance, status));
            hits.extend(standing.take(SERIES_INSTANCES_MAX + 1).map(|instance| Hit {
                starts: instance.starts.at,
                row: kept.len(),
                recurrence_id: instance.recurrence_id.map(|id| id.at),
            }));
            if expansion.truncated || hits.len() > before + SERIES_INSTANCES_MAX {
                hits.truncate(before + SERIES_INSTANCES_MAX);
                truncated.push(row.head.id.as_str().to_owned());
            }
            if hits.len() > HITS_MAX {
                return Err(too_many());
            }
            if hits.len() > before {
                bytes = bytes.saturating_add(row.bytes.len());
                kept.push(row);
            }
            if bytes > KEPT_BYTES_MAX {
                return Err(too_many());
            }
        }
    }
    hits.sort_unstable();
    let total = i64::try_from(hits.len()).unwrap_or(i64::MAX);
    let items = hits.iter().skip(cut.offset as usize).take(cut.limit as usize);
    let items = items.filter_map(|hit| kept.get(hit.row).and_then(|row| shown(row, hit, zone))).collect();
    let Page { items, total, limit, offset } = cut.with(items, total);
    Ok(AppointmentPage { items, total, limit, offset, truncated })
}

fn stands(instance: &Instance<'_>, status: Option<Status>) -> bool {
    let own = || instance.component.property("STATUS").map_or(Status::Confirmed, |p| Status::from_ics(p.value()));
    status.is_none_or(|status| own() == status)
}

/// The instance as JSON: found again at its start.
fn shown(row: &AppointmentRow, hit: &Hit, zone: &Zone) -> Option<AppointmentView> {
    let object = CalendarObject::from_stored(row.bytes.clone()).ok()?;
    let zones = Zones::of(object.document().calendar()?);
    let at = Window { from: hit.starts, to: hit.starts.plus_ms(1) };
    let instances = expand(&object, at, zone).instances;
    let instance =
        instances.iter().find(|i| i.starts.at == hit.starts && i.recurrence_id.map(|id| id.at) == hit.recurrence_id)?;
    let place = Place { head: &row.head, calendar: &row.calendar, slug: &row.slug };
    let record: Appointment = Occurrence::record(instance, &zones)?;
    match Occurrence::of(instance, &zones) {
        Some(occurrence) => {
            let id: When = occurrence.id;
            Some(AppointmentView::instance(place, &record, instance.component, &zones, id))
        }
        None => AppointmentView::of(place, &object),
    }
}
