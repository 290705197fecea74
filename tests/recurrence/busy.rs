//! The time objects take.

use crate::support::{components, events, window, zone};
use kalends::domain::object::CalendarObject;
use kalends::domain::recurrence::{BusyPeriod, busy, merge};

fn taken(objects: &[&CalendarObject], in_window: &str) -> Vec<String> {
    let periods = objects.iter().flat_map(|object| busy(object, window(in_window), &zone("UTC")).periods).collect();
    let short =
        |period: &BusyPeriod| format!("{} {}/{}", period.kind.name(), period.from, period.to).replace(":00:00Z", "");
    merge(periods).iter().map(short).collect()
}

#[test]
fn what_touches_or_overlaps_is_one_period_and_kinds_stay_apart() {
    let one = events(&["DTSTART:20260105T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2"]);
    let touching = events(&["DTSTART:20260105T110000Z\nDURATION:PT1H"]);
    let tentative = events(&["DTSTART:20260105T110000Z\nDURATION:PT2H\nSTATUS:TENTATIVE"]);
    assert_eq!(
        taken(&[&one, &touching, &tentative], "2026-01-01 2026-02-01"),
        [
            "BUSY 2026-01-05T10/2026-01-05T12",
            "BUSY-TENTATIVE 2026-01-05T11/2026-01-05T13",
            "BUSY 2026-01-06T10/2026-01-06T11",
        ]
    );
}

#[test]
fn periods_are_cut_to_the_window() {
    let long = events(&["DTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20260111"]);
    assert_eq!(taken(&[&long], "2026-01-05 2026-01-06"), ["BUSY 2026-01-05T00/2026-01-06T00"]);
    assert!(taken(&[&long], "2026-01-11 2026-01-12").is_empty());
}

#[test]
fn transparent_cancelled_and_momentary_instances_take_no_time() {
    for lines in [
        "DTSTART:20260105T100000Z\nDURATION:PT1H\nTRANSP:TRANSPARENT",
        "DTSTART:20260105T100000Z\nDURATION:PT1H\nSTATUS:CANCELLED",
        "DTSTART:20260105T100000Z",
    ] {
        assert!(taken(&[&events(&[lines])], "- -").is_empty(), "{lines}");
    }
    let cancelled_once = events(&[
        "DTSTART:20260105T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3",
        "RECURRENCE-ID:20260106T100000Z\nDTSTART:20260106T100000Z\nDURATION:PT1H\nSTATUS:CANCELLED",
        "RECURRENCE-ID:20260107T100000Z\nDTSTART:20260107T150000Z\nDURATION:PT1H\nTRANSP:OPAQUE",
    ]);
    assert_eq!(
        taken(&[&cancelled_once], "- -"),
        ["BUSY 2026-01-05T10/2026-01-05T11", "BUSY 2026-01-07T15/2026-01-07T16",]
    );
    assert!(taken(&[&components("VTODO", &["DTSTART:20260105T100000Z\nDURATION:PT1H"])], "- -").is_empty());
}

#[test]
fn a_free_busy_component_takes_what_it_lists() {
    let listed = components(
        "VFREEBUSY",
        &["FREEBUSY:20260105T100000Z/PT1H,20260105T130000Z/20260105T140000Z\n\
         FREEBUSY;FBTYPE=FREE:20260105T150000Z/PT1H\nFREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20260105T160000Z/PT1H\n\
         FREEBUSY;FBTYPE=X-AWAY:20260105T180000Z/PT1H"],
    );
    assert_eq!(
        taken(&[&listed], "- -"),
        [
            "BUSY 2026-01-05T10/2026-01-05T11",
            "BUSY 2026-01-05T13/2026-01-05T14",
            "BUSY-UNAVAILABLE 2026-01-05T16/2026-01-05T17",
            "BUSY 2026-01-05T18/2026-01-05T19",
        ]
    );
    assert_eq!(
        taken(&[&listed], "2026-01-05T13:30 2026-01-05T13:45"),
        ["BUSY 2026-01-05T13:30:00Z/2026-01-05T13:45:00Z"]
    );
}
