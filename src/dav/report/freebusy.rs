//! `CALDAV:free-busy-query` (RFC 4791 §7.10): the time that is taken, as one VFREEBUSY.
//!
//! Neighbours: [`crate::domain::recurrence`] knows what an object takes. It tells when, never what or with whom.

use std::collections::HashMap;
use std::sync::Arc;

use super::range::{self, RangeError};
use super::telling::{Load, Target, aside, load};
use super::timetables::{Asking, Place};
use super::{Asked, query};
use crate::dav::error::{DavError, Done, Precondition};
use crate::domain::calendar::ScheduleTransparency;
use crate::domain::ids::ResourceName;
use crate::domain::object::{CalendarObject, ComponentKind, ETag};
use crate::domain::recurrence::{BusyKind, BusyPeriod, Window, busy_bounded, merge};
use crate::domain::time::Instant;
use crate::ics::build::PRODID;
use crate::ics::zone::Zone;
use crate::ics::{Component, Document, Property, When};
use crate::store::{Candidate, ReadTx};
use crate::xml::{Element, names};

/// Candidates asked of the index at once.
const PAGE: u32 = 2_000;
/// Objects read at once.
const PIECE: usize = 200;
/// Periods one answer may hold. A year has nine thousand hours; an answer that takes each of them apart helps nobody.
pub const PERIODS_MAX: usize = 20_000;

/// Answers a free-busy-query.
///
/// # Errors
/// The range is missing or wrong, too much is going on in it, or the store failed.
pub async fn answer(asked: Asked<'_>) -> Result<axum::http::Response<axum::body::Body>, DavError> {
    let window = window_of(asked.request)?;
    let zone = query::zone_of(asked.request)?;
    let mut tx = asked.store.read().await?;
    let (targets, only) = asked.everything(&mut tx, zone.as_ref()).await?;
    let mut periods = Vec::new();
    for target in &targets {
        // Of a home, what does not count for its owner does not count (RFC 6638 §9.1).
        if targets.len() > 1 && target.calendar.settings.transparency == ScheduleTransparency::Transparent {
            continue;
        }
        for kind in [ComponentKind::Event, ComponentKind::FreeBusy] {
            let asking = asked.timetables.asking(window, &target.reader).filter(|_| kind == ComponentKind::Event);
            taken(&mut tx, (target, asking.as_ref()), (kind, only.as_ref()), window, &mut periods).await?;
        }
    }
    let periods = merge(periods);
    if periods.len() > PERIODS_MAX {
        return Err(Precondition::NumberOfMatchesWithinLimits.into());
    }
    let uid = format!("{}-{}-{}", asked.scene.caller.user, window.from.seconds(), window.to.seconds());
    let text = written(&periods, window, &uid, asked.store.now()).ok_or(Precondition::NumberOfMatchesWithinLimits)?;
    Ok(Done::Ok.calendar("text/calendar; charset=utf-8; component=vfreebusy", text))
}

/// RFC 4791 wants a range, and one without an end has no answer.
fn window_of(request: &Element) -> Result<Window, DavError> {
    let range = request.child(&names::TIME_RANGE).ok_or(RangeError::Missing("start"));
    range.and_then(range::closed).map_err(|error| DavError::Bad(format!("time-range: {error}")))
}

/// Adds what a calendar's objects of one kind take.
async fn taken(
    tx: &mut ReadTx,
    (target, asking): (&Target, Option<&Asking>),
    (kind, only): (ComponentKind, Option<&ResourceName>),
    window: Window,
    periods: &mut Vec<BusyPeriod>,
) -> Result<(), DavError> {
    let mut after: Option<ResourceName> = None;
    let mut floods = 0;
    loop {
        let page = tx.candidates(&target.access, kind, (window.from, window.to), after.as_ref(), PAGE).await?;
        after = page.found.last().map(|last| last.name.clone());
        let counts = |candidate: &&Candidate| {
            // An instance of a series may be told apart from it, so only the plain ones are settled by the index.
            let free = candidate.transparent || candidate.status.as_deref() == Some("CANCELLED");
            only.is_none_or(|only| *only == candidate.name) && (candidate.recurring || !free)
        };
        let mut places: HashMap<ETag, Place> = HashMap::new();
        let mut names: Vec<(ResourceName, Load)> = Vec::new();
        for candidate in page.found.iter().filter(counts) {
            let place = asking.and_then(|asking| asking.place(candidate));
            let table = asking.zip(place.as_ref()).and_then(|(asking, place)| asking.known(place));
            if let Some(busy) = table.as_ref().and_then(|table| table.busy(window)) {
                periods.extend(busy);
                if periods.len() > 2 * PERIODS_MAX {
                    within_limits(periods)?;
                }
                continue;
            }
            if table.is_none() {
                places.extend(place.map(|place| (candidate.etag.clone(), place)));
            }
            names.push((candidate.name.clone(), Load::Body));
        }
        within_limits(periods)?;
        let places = Arc::new(places);
        let mut rest = names.as_slice();
        while !rest.is_empty() {
            let piece = rest.get(..PIECE).unwrap_or(rest);
            let (done, found) = load(tx, &target.access, piece).await?;
            rest = rest.get(done.max(1)..).unwrap_or_default();
            let (reader, asking, places) = (target.reader.clone(), asking.cloned(), Arc::clone(&places));
            let busy = aside(move || {
                let bytes = found.into_values().filter_map(|loaded| loaded.bytes);
                let objects = bytes.filter_map(|bytes| CalendarObject::from_stored(bytes).ok());
                let mut all = Vec::new();
                for object in objects {
                    let place = places.get(object.etag());
                    let table = asking.as_ref().zip(place).and_then(|(asking, place)| asking.read(place, &object));
                    match table.as_ref().and_then(|table| table.busy(window)) {
                        Some(busy) => all.extend(busy),
                        None => all.extend(busy_bounded(&object, window, &reader, &mut floods)),
                    }
                    if all.len() > PERIODS_MAX {
                        all = merge(all);
                    }
                    if all.len() > PERIODS_MAX {
                        return Err(Precondition::NumberOfMatchesWithinLimits);
                    }
                }
                Ok((merge(all), floods))
            });
            let (more, counted) = busy.await?;
            floods = counted;
            periods.extend(more);
            within_limits(periods)?;
        }
        if !page.more {
            return Ok(());
        }
    }
}

/// Merges periods, of which an answer has a limited number.
fn within_limits(periods: &mut Vec<BusyPeriod>) -> Result<(), DavError> {
    *periods = merge(std::mem::take(periods));
    if periods.len() > PERIODS_MAX { Err(Precondition::NumberOfMatchesWithinLimits.into()) } else { Ok(()) }
}

/// The answer as text. `uid` tells this answer from others; `periods` are merged already.
fn written(periods: &[BusyPeriod], window: Window, uid: &str, now: Instant) -> Option<String> {
    let mut busy = Component::new("VFREEBUSY");
    busy.push(Property::text("UID", uid));
    for (name, at) in [("DTSTAMP", now), ("DTSTART", window.from), ("DTEND", window.to)] {
        busy.push(Property::new(name, &utc(at)?));
    }
    for period in periods {
        let value = format!("{}/{}", utc(period.from)?, utc(period.to)?);
        let property = Property::new("FREEBUSY", &value);
        busy.push(match period.kind {
            // What RFC 5545 §3.2.9 takes for granted.
            BusyKind::Busy => property,
            BusyKind::Unavailable | BusyKind::Tentative => property.with_param("FBTYPE", period.kind.name()),
        });
    }
    let mut calendar = Component::new("VCALENDAR");
    calendar.push(Property::new("VERSION", "2.0"));
    calendar.push(Property::new("PRODID", PRODID));
    calendar.push_component(busy);
    Some(Document::new(calendar).to_text())
}

fn utc(at: Instant) -> Option<String> {
    at.timestamp().map(|at| When::Utc(Zone::Utc.local(at)).to_value())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::recurrence::busy;

    fn at(text: &str) -> Instant {
        match When::parse(text, None) {
            Ok(When::Utc(local)) => Zone::Utc.instant(local).into(),
            other => panic!("{other:?}"),
        }
    }

    /// The FREEBUSY lines for these objects.
    fn lines(objects: &[&str], from: &str, to: &str) -> Vec<String> {
        let window = Window { from: at(from), to: at(to) };
        let mut periods = Vec::new();
        for text in objects {
            let object = CalendarObject::from_stored(Bytes::copy_from_slice(text.as_bytes())).expect("an object");
            periods.extend(busy(&object, window, &Zone::Utc).periods);
        }
        let text = written(&merge(periods), window, "u", at("20050125T090000Z")).expect("in range");
        let head = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{PRODID}\r\nBEGIN:VFREEBUSY\r\nUID:u\r\n\
             DTSTAMP:20050125T090000Z\r\nDTSTART:{from}\r\nDTEND:{to}\r\n"
        );
        let body = text.strip_prefix(&head).and_then(|rest| rest.strip_suffix("END:VFREEBUSY\r\nEND:VCALENDAR\r\n"));
        body.unwrap_or_else(|| panic!("{text}")).lines().map(str::to_owned).collect()
    }

    fn event(lines: &str) -> String {
        format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n")
    }

    /// RFC 4791 §7.10.1 on the calendar of its Appendix B.
    #[test]
    fn the_example_of_the_rfc() {
        let calendar = [
            include_str!("../../../fixtures/ics/rfc4791/abcd1.ics"),
            include_str!("../../../fixtures/ics/rfc4791/abcd2.ics"),
            include_str!("../../../fixtures/ics/rfc4791/abcd3.ics"),
            include_str!("../../../fixtures/ics/rfc4791/abcd4.ics"),
            include_str!("../../../fixtures/ics/rfc4791/abcd8.ics"),
        ];
        assert_eq!(
            lines(&calendar, "20060104T140000Z", "20060104T220000Z"),
            [
                "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20060104T150000Z/20060104T160000Z",
                "FREEBUSY:20060104T190000Z/20060104T200000Z"
            ]
        );
    }

    #[test]
    fn only_what_takes_time_is_told_and_what_touches_is_one() {
        let found = lines(
            &[
                &event("DTSTART:20260105T100000Z\nDTEND:20260105T110000Z"),
                &event("DTSTART:20260105T110000Z\nDURATION:PT1H\nSTATUS:CONFIRMED"),
                &event("DTSTART:20260105T113000Z\nDTEND:20260105T123000Z\nSTATUS:TENTATIVE"),
                &event("DTSTART:20260105T140000Z\nDTEND:20260105T150000Z\nTRANSP:TRANSPARENT"),
                &event("DTSTART:20260105T150000Z\nDTEND:20260105T160000Z\nSTATUS:CANCELLED"),
                &event("DTSTART:20260105T160000Z"),
                &event("DTSTART:20260105T230000Z\nDTEND:20260106T010000Z"),
                "BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:u\nDTSTART:20260105T170000Z\nDUE:20260105T180000Z\nEND:VTODO\nEND:VCALENDAR\n",
                "BEGIN:VCALENDAR\nBEGIN:VFREEBUSY\nUID:u\nFREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20260105T000000Z/PT8H\n\
                 FREEBUSY;FBTYPE=FREE:20260105T180000Z/PT1H\nEND:VFREEBUSY\nEND:VCALENDAR\n",
            ],
            "20260105T060000Z",
            "20260106T000000Z",
        );
        assert_eq!(
            found,
            [
                "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20260105T060000Z/20260105T080000Z",
                "FREEBUSY:20260105T100000Z/20260105T120000Z",
                "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260105T113000Z/20260105T123000Z",
                "FREEBUSY:20260105T230000Z/20260106T000000Z",
            ]
        );
    }

    #[test]
    fn a_window_beyond_the_calendar_has_no_answer() {
        let window = Window { from: Instant::FAR_PAST, to: Instant::FAR_FUTURE };
        assert_eq!(written(&[], window, "u", Instant::from_ms(0)), None);
    }
}
