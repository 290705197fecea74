//! When somebody of the firm has time: times alone, nothing of what fills them.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Query, Who, is_id};
use super::problem::Problem;
use super::times::{Given, show_at};
use crate::auth::Gate;
use crate::domain::access::{Caller, Role};
use crate::domain::availability::{Free, SLOTS_MAX, WorkingHours};
use crate::domain::ids::UserId;
use crate::domain::object::CalendarObject;
use crate::domain::recurrence::{BusyPeriod, Window, busy_bounded};
use crate::domain::time::{DAY_MS, Instant, MINUTE_MS};
use crate::ics::zone::Zone;
use crate::store::{ReadTx, User};

/// The longest time looked at: two months of booking ahead.
const DAYS_MAX: i64 = 62;
/// The shortest and longest slot, in minutes.
const SLOT_MINUTES: std::ops::RangeInclusive<i64> = 5..=24 * 60;
/// Objects of one calendar looked at; more in two months are no calendar of a person.
const OBJECTS_MAX: u32 = 5_000;

/// Whose time, and which.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AvailabilityQuery {
    /// Name or id of a user: oneself, or one who works for the firm.
    #[param(example = "ada")]
    staff: String,
    /// A time with an offset, or a local time or date in that user's zone.
    #[param(example = "2026-12-01")]
    from: String,
    /// At most 62 days after `from`.
    #[param(example = "2026-12-08")]
    to: String,
    /// The length of a slot, such as `30m`, `1h` or `1h30m`, of 5 minutes to 24 hours. Without it whole stretches are
    /// answered.
    #[serde(default)]
    #[param(example = "30m", pattern = "^([0-9]{1,2}h)?([0-9]{1,4}m)?$")]
    slot: Option<String>,
}

/// A free stretch of time.
#[derive(Debug, Serialize, ToSchema)]
pub struct FreeTime {
    /// From here
    #[schema(format = DateTime)]
    start: String,
    /// to here.
    #[schema(format = DateTime)]
    end: String,
}

/// When somebody has time.
#[derive(Debug, Serialize, ToSchema)]
pub struct Availability {
    /// The user's name.
    staff: String,
    /// The IANA zone the times are shown in.
    time_zone: String,
    /// The length of the slots in minutes; `null` for stretches.
    #[schema(required)]
    slot_minutes: Option<i64>,
    /// Free slots in order: working hours less all that is busy.
    items: Vec<FreeTime>,
}

/// Tells when a user has time: their working hours less everything busy in their calendars.
#[utoipa::path(
    get, path = "/api/availability", tag = "availability", operation_id = "availability", params(AvailabilityQuery),
    responses((status = 200, description = "Free times", body = Availability)),
)]
pub async fn availability(
    State(gate): State<Gate>,
    Who(visitor): Who,
    Query(query): Query<AvailabilityQuery>,
) -> Result<Json<Availability>, Problem> {
    let slot = query.slot.as_deref().map(slot_minutes).transpose()?;
    let mut tx = gate.store.read().await?;
    let user = staff(&mut tx, &visitor.caller, &query.staff).await?;
    let zone = user.settings.timezone.as_deref().and_then(Zone::iana).unwrap_or(Zone::Utc);
    let from = Given::parse("from", &query.from)?.instant(&zone);
    let to = Given::parse("to", &query.to)?.instant(&zone);
    if to <= from || to.ms().saturating_sub(from.ms()) > DAYS_MAX * DAY_MS {
        return Err(Problem::value("to", format!("it lies after from, by at most {DAYS_MAX} days")));
    }
    let window = Window { from, to };
    let taken = taken(&mut tx, &visitor.caller, &user, window, &zone).await?;
    let hours = user.settings.working_hours.as_ref().map(WorkingHours::parse);
    let hours = hours.transpose().map_err(|_| Problem::internal())?.unwrap_or_default();
    let free = match slot {
        Some(minutes) => hours.slots(window, &zone, &taken, minutes * MINUTE_MS),
        None => hours.free(window, &zone, &taken),
    };
    if free.len() > SLOTS_MAX {
        return Err(Problem::value("slot", format!("these are more than {SLOTS_MAX} slots; ask for longer ones")));
    }
    Ok(Json(Availability {
        staff: user.name.as_str().to_owned(),
        time_zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        slot_minutes: slot,
        items: free.iter().map(|free| shown(free, &zone)).collect(),
    }))
}

/// The user whose time may be asked for.
async fn staff(tx: &mut ReadTx, caller: &Caller, name: &str) -> Result<User, Problem> {
    let user = match is_id(name) {
        true => tx.user(&caller.firm, &UserId::from_text(name)).await?,
        false => tx.user_in_firm(&caller.firm, name).await?,
    };
    let may_be_asked = |user: &User| user.id == caller.user || (user.role != Role::Client && user.disabled.is_none());
    user.filter(may_be_asked).ok_or_else(|| Problem::not_found().at("staff"))
}

/// Everything busy in a user's calendars.
async fn taken(
    tx: &mut ReadTx,
    caller: &Caller,
    user: &User,
    window: Window,
    zone: &Zone,
) -> Result<Vec<BusyPeriod>, Problem> {
    let mut taken = Vec::new();
    let mut floods = 0;
    for calendar in tx.busy_calendars(caller, user).await? {
        let objects = tx.busy_objects(caller, &calendar.id, (window.from, window.to), OBJECTS_MAX).await?;
        if objects.len() >= OBJECTS_MAX as usize {
            // What cannot be looked at as a whole might be busy: better no answer than a wrong one.
            return Err(Problem::value("to", "there is too much in this time; ask for a shorter one"));
        }
        for bytes in objects {
            let Ok(object) = CalendarObject::from_stored(bytes) else { continue };
            taken.extend(busy_bounded(&object, window, zone, &mut floods));
        }
    }
    Ok(taken)
}

fn shown(free: &Free, zone: &Zone) -> FreeTime {
    let text = |at: Instant| show_at(at.timestamp().unwrap_or_default(), zone);
    FreeTime { start: text(free.from), end: text(free.to) }
}

/// `30m`, `2h`, `1h30m`.
fn slot_minutes(text: &str) -> Result<i64, Problem> {
    let bad = || Problem::value("slot", "a slot is written 30m, 1h or 1h30m, and has 5 minutes to 24 hours");
    let (hours, rest) = match text.split_once('h') {
        Some((hours, rest)) => (hours, rest),
        None => ("0", text),
    };
    let minutes = match rest {
        "" => "0",
        rest => rest.strip_suffix('m').ok_or_else(bad)?,
    };
    let number = |digits: &str| -> Result<i64, Problem> {
        let is_number = (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten().ok_or_else(bad)
    };
    let minutes = number(hours)? * 60 + number(minutes)?;
    SLOT_MINUTES.contains(&minutes).then_some(minutes).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_told_in_hours_and_minutes() {
        for (text, expected) in [
            ("30m", Some(30)),
            ("1h", Some(60)),
            ("1h30m", Some(90)),
            ("24h", Some(1_440)),
            ("", None),
            ("30", None),
            ("1s", None),
            ("4m", None),
            ("25h", None),
            ("-5m", None),
            ("1h1h", None),
            ("99999999m", None),
            ("٣0m", None),
        ] {
            assert_eq!(slot_minutes(text).ok(), expected, "{text:?}");
        }
    }
}
