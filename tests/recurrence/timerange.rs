//! The tables of RFC 4791 section 9.9, row by row, and what `limit-recurrence-set` leaves.

use crate::support::{components, events, object, window, zone};
use kalends::domain::object::CalendarObject;
use kalends::domain::timerange::{limited, overlapping, ringing};

/// Which components overlap, for a reader in UTC.
fn check(object: &CalendarObject, in_window: &str, expected: &[usize]) {
    let found = overlapping(object, window(in_window), &zone("UTC"));
    let components: Vec<usize> = found.components.into_iter().collect();
    assert_eq!(components, expected, "{in_window}\n{}", String::from_utf8_lossy(object.bytes()));
    assert!(!found.truncated);
}

fn check_all(object: &CalendarObject, rows: &[(&str, bool)]) {
    for (in_window, expected) in rows {
        check(object, in_window, if *expected { &[0] } else { &[] });
    }
}

#[test]
fn an_event_overlaps_by_its_length_or_its_start() {
    let with_end = events(&["DTSTART:20260105T100000Z\nDTEND:20260105T110000Z"]);
    let with_duration = events(&["DTSTART:20260105T100000Z\nDURATION:PT1H"]);
    for event in [with_end, with_duration] {
        check_all(
            &event,
            &[
                ("2026-01-05T09:00 2026-01-05T10:00", false),
                ("2026-01-05T09:00 2026-01-05T10:01", true),
                ("2026-01-05T10:59 2026-01-05T12:00", true),
                ("2026-01-05T11:00 2026-01-05T12:00", false),
                ("- 2026-01-05T10:01", true),
                ("2026-01-05T10:59 -", true),
            ],
        );
    }
    check_all(
        &events(&["DTSTART:20260105T100000Z"]),
        &[
            ("2026-01-05T10:00 2026-01-05T10:01", true),
            ("2026-01-05T09:00 2026-01-05T10:00", false),
            ("2026-01-05T10:01 2026-01-05T11:00", false),
        ],
    );
    check_all(
        &events(&["DTSTART;VALUE=DATE:20260105"]),
        &[
            ("2026-01-05T23:59 2026-01-06T12:00", true),
            ("2026-01-06 2026-01-07", false),
            ("2026-01-04 2026-01-05", false),
        ],
    );
}

#[test]
fn a_task_overlaps_by_what_it_has() {
    let task = |lines: &str| components("VTODO", &[lines]);
    let (before, after) = ("2026-01-01 2026-01-05T10:00", "2026-01-05T12:01 2026-01-07");
    let (touches_start, inside) = ("2026-01-05T09:00 2026-01-05T10:01", "2026-01-05T10:30 2026-01-05T11:00");
    let from_end = "2026-01-05T12:00 2026-01-07";
    check_all(
        &task("DTSTART:20260105T100000Z\nDURATION:PT2H"),
        &[(before, false), (after, false), (touches_start, true), (inside, true), (from_end, true)],
    );
    check_all(
        &task("DTSTART:20260105T100000Z\nDUE:20260105T120000Z"),
        &[(before, false), (after, false), (touches_start, true), (inside, true), (from_end, false)],
    );
    check_all(
        &task("DTSTART:20260105T100000Z"),
        &[(before, false), (touches_start, true), (inside, false), ("2026-01-05T10:00 2026-01-06", true)],
    );
    check_all(
        &task("DUE:20260105T120000Z"),
        &[(inside, false), ("2026-01-05T11:00 2026-01-05T12:00", true), (from_end, false)],
    );
    let both = "CREATED:20260101T000000Z\nCOMPLETED:20260105T000000Z";
    check_all(
        &task(both),
        &[
            ("2026-01-02 2026-01-03", true),
            ("2026-01-05 2026-01-06", true),
            ("2026-01-06 2026-01-07", false),
            ("2025-12-01 2025-12-02", false),
        ],
    );
    check_all(
        &task("COMPLETED:20260105T000000Z"),
        &[
            ("2026-01-04 2026-01-05", true),
            ("2026-01-05 2026-01-06", true),
            ("2026-01-01 2026-01-02", false),
            ("2026-01-06 2026-01-07", false),
        ],
    );
    check_all(&task("CREATED:20260105T000000Z"), &[("2026-01-06 2026-01-07", true), ("2026-01-01 2026-01-05", false)]);
    check_all(&task("SUMMARY:some day"), &[("1970-01-01 1970-01-02", true)]);
    check_all(
        &task("DTSTART:20260105T100000Z\nDUE:20260105T120000Z\nRRULE:FREQ=DAILY"),
        &[("2030-07-01T11:00 2030-07-01T11:30", true), ("2030-07-01T13:00 2030-07-01T14:00", false)],
    );
}

#[test]
fn a_journal_entry_overlaps_on_its_day() {
    let entry = |lines: &str| components("VJOURNAL", &[lines]);
    check_all(
        &entry("DTSTART;VALUE=DATE:20260105"),
        &[("2026-01-05T12:00 2026-01-05T13:00", true), ("2026-01-06 2026-01-07", false)],
    );
    check_all(
        &entry("DTSTART:20260105T100000Z"),
        &[("2026-01-05T10:00 2026-01-05T13:00", true), ("2026-01-05T10:01 2026-01-05T13:00", false)],
    );
    check_all(&entry("SUMMARY:undated"), &[("- -", false)]);
}

#[test]
fn free_busy_overlaps_by_its_bounds_or_its_periods() {
    let component = |lines: &str| components("VFREEBUSY", &[lines]);
    check_all(
        &component("DTSTART:20260105T000000Z\nDTEND:20260106T000000Z"),
        &[
            ("2026-01-06 2026-01-07", true),
            ("2026-01-04 2026-01-05", false),
            ("2026-01-05T10:00 2026-01-05T11:00", true),
        ],
    );
    check_all(
        &component("FREEBUSY:20260105T100000Z/PT1H,20260107T100000Z/20260107T110000Z"),
        &[
            ("2026-01-05T10:30 2026-01-05T10:31", true),
            ("2026-01-05T11:00 2026-01-07T10:00", false),
            ("2026-01-07T10:00 2026-01-07T10:01", true),
        ],
    );
    check_all(&component("SUMMARY:nothing"), &[("- -", false)]);
}

#[test]
fn each_component_answers_for_its_own_instances() {
    let event = events(&[
        "DTSTART:20260105T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY",
        "RECURRENCE-ID:20260106T100000Z\nDTSTART:20260220T200000Z\nDURATION:PT1H",
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20260110T100000Z\nDTSTART:20260110T120000Z\nDURATION:PT1H",
    ]);
    check(&event, "2026-01-06 2026-01-07", &[]);
    check(&event, "2026-01-07 2026-01-08", &[0]);
    check(&event, "2026-02-20 2026-02-21", &[1, 2]);
    check(&event, "2026-01-01 -", &[0, 1, 2]);
    check(&event, "2040-01-01 -", &[2]);
    check(&event, "- 2026-01-08", &[0]);
}

#[test]
fn an_open_window_is_settled_without_walking_to_the_end_of_time() {
    let minutely = events(&["DTSTART:20200101T000000Z\nRRULE:FREQ=MINUTELY"]);
    check(&minutely, "2026-01-01 -", &[0]);
    check(&minutely, "- -", &[0]);
    let rare = events(&["DTSTART:20200229T000000Z\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SA"]);
    check(&rare, "2020-03-01 -", &[0]);
    check(&rare, "2020-03-01 2048-02-29", &[]);
}

#[test]
fn alarms_ring_before_and_after_and_again() {
    let with = |alarm: &str, more: &str| {
        object(&format!(
            "BEGIN:VEVENT\nUID:a\nDTSTAMP:20260101T000000Z\nDTSTART;TZID=Europe/Berlin:20260105T100000\nDURATION:PT1H\n{more}\n\
             BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\n{alarm}\nEND:VALARM\nEND:VEVENT"
        ))
    };
    let check = |event: &CalendarObject, rows: &[(&str, bool)]| {
        for (in_window, expected) in rows {
            let found = ringing(event, window(in_window), &zone("UTC"));
            assert_eq!(
                found.alarms.contains(&(0, 0)),
                *expected,
                "{in_window}\n{}",
                String::from_utf8_lossy(event.bytes())
            );
            assert!(!found.truncated);
        }
    };
    check(
        &with("TRIGGER:-PT15M", ""),
        &[
            ("2026-01-05T08:45 2026-01-05T08:46", true),
            ("2026-01-05T08:46 2026-01-05T12:00", false),
            ("2026-01-05T08:00 2026-01-05T08:45", false),
        ],
    );
    check(&with("TRIGGER;RELATED=END:PT5M", ""), &[("2026-01-05T10:05 2026-01-05T10:06", true)]);
    check(
        &with("TRIGGER;VALUE=DATE-TIME:20260101T120000Z", ""),
        &[("2026-01-01T12:00 2026-01-01T12:01", true), ("2026-01-05T08:00 2026-01-05T12:00", false)],
    );
    check(
        &with("TRIGGER:-PT1H\nREPEAT:3\nDURATION:PT10M", ""),
        &[
            ("2026-01-05T08:10 2026-01-05T08:11", true),
            ("2026-01-05T08:30 2026-01-05T08:31", true),
            ("2026-01-05T08:31 2026-01-05T12:00", false),
            ("2026-01-05T08:11 2026-01-05T08:20", false),
        ],
    );
    // The clocks change on 29 March: the evening before stays the evening before.
    let weekly = with("TRIGGER:-P1D", "RRULE:FREQ=WEEKLY");
    check(
        &weekly,
        &[
            ("2026-03-29T08:00 2026-03-29T08:01", true),
            ("2026-03-29T09:00 2026-03-29T09:01", false),
            ("2026-03-29T00:00 -", true),
        ],
    );
    check(
        &with("TRIGGER:-P30D", "RRULE:FREQ=YEARLY"),
        &[("2027-12-06 2027-12-07", true), ("2027-12-07 2027-12-31", false)],
    );
}

#[test]
fn a_limited_set_keeps_the_overrides_that_matter_to_the_window() {
    let event = events(&[
        "DTSTART:20260105T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY",
        "RECURRENCE-ID:20260106T100000Z\nDTSTART:20260106T200000Z\nDURATION:PT1H",
        "RECURRENCE-ID:20260107T100000Z\nDTSTART:20260220T200000Z\nDURATION:PT1H",
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20260110T100000Z\nDTSTART:20260110T120000Z\nDURATION:PT1H",
    ]);
    for (in_window, expected) in [
        ("2026-01-06 2026-01-07", vec![0, 1]),
        ("2026-01-07 2026-01-08", vec![0, 2]),
        ("2026-02-20 2026-02-21", vec![0, 2, 3]),
        ("2026-05-01 2026-05-02", vec![0, 3]),
        ("2026-01-08 2026-01-09", vec![0]),
    ] {
        let found: Vec<usize> = limited(&event, window(in_window), &zone("UTC")).into_iter().collect();
        assert_eq!(found, expected, "{in_window}");
    }
}
