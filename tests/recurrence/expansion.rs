//! Objects with rules, dates, exceptions and overrides, expanded inside windows.

use crate::support::{check, check_in, components, events, lines, object, window, zone};
use kalends::domain::recurrence::{INSTANCES_MAX, Window, expand};

#[test]
fn an_event_without_recurrence_is_its_one_instance() {
    let event = events(&["DTSTART:20260105T100000Z\nDTEND:20260105T110000Z"]);
    check(&event, "2026-01-01 2026-02-01", &["0: 2026-01-05T10:00Z/2026-01-05T11:00Z"]);
    check(&event, "- -", &["0: 2026-01-05T10:00Z/2026-01-05T11:00Z"]);
    check(&event, "2026-01-05T11:00 2026-02-01", &[]);
    check(&event, "2026-01-05T10:59 2026-01-05T11:00", &["0: 2026-01-05T10:00Z/2026-01-05T11:00Z"]);
    check(&event, "2026-01-01 2026-01-05T10:00", &[]);
    let whole = expand(&event, Window::ALL, &zone("UTC"));
    assert!(whole.instances.iter().all(|instance| instance.recurrence_id.is_none()));
}

#[test]
fn what_says_nothing_of_its_end_lasts_a_day_or_no_time() {
    check(&events(&["DTSTART;VALUE=DATE:20260105"]), "2026-01-05 2026-01-06", &["0: 2026-01-05/2026-01-06"]);
    check(
        &events(&["DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260105"]),
        "2026-01-05 2026-01-06",
        &["0: 2026-01-05/2026-01-06"],
    );
    check(
        &events(&["DTSTART;VALUE=DATE:20260105\nDURATION:P2D"]),
        "2026-01-06 2026-01-07",
        &["0: 2026-01-05/2026-01-07"],
    );
    check(&events(&["DTSTART;VALUE=DATE:20260105\nDURATION:PT36H"]), "- -", &["0: 2026-01-05/2026-01-06"]);
    let moment = events(&["DTSTART:20260105T100000Z"]);
    check(&moment, "2026-01-05T10:00 2026-01-06", &["0: 2026-01-05T10:00Z"]);
    check(&moment, "2026-01-05T09:00 2026-01-05T10:00", &[]);
    check(&moment, "2026-01-05T10:01 2026-01-06", &[]);
}

#[test]
fn whole_days_and_floating_times_are_the_readers() {
    let day = events(&["DTSTART;VALUE=DATE:20260105"]);
    check_in("Asia/Tokyo", &day, "2026-01-05T15:00 2026-01-06T12:00", &[]);
    check_in("Asia/Tokyo", &day, "2026-01-04T14:00 2026-01-04T15:01", &["0: 2026-01-05/2026-01-06"]);
    let floating = events(&["DTSTART:20260105T100000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2"]);
    check_in(
        "America/New_York",
        &floating,
        "- -",
        &["0: 2026-01-05T15:00Z/2026-01-05T16:00Z", "0: 2026-01-06T15:00Z/2026-01-06T16:00Z"],
    );
    let unknown = events(&["DTSTART;TZID=Nowhere:20260105T100000\nDURATION:PT1H"]);
    check_in("America/New_York", &unknown, "- -", &["0: 2026-01-05T15:00Z/2026-01-05T16:00Z"]);
}

#[test]
fn a_series_keeps_its_wall_clock_across_the_change_of_clocks() {
    let weekly = events(&["DTSTART;TZID=Europe/Berlin:20260318T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY"]);
    check(
        &weekly,
        "2026-03-20 2026-04-05",
        &["0: 2026-03-25T08:00Z/2026-03-25T09:00Z", "0: 2026-04-01T07:00Z/2026-04-01T08:00Z"],
    );
    // 02:30 does not exist on 29 March, and is read with the offset before.
    let gap = events(&["DTSTART;TZID=Europe/Berlin:20260328T023000\nRRULE:FREQ=DAILY;COUNT=3"]);
    check(&gap, "- -", &["0: 2026-03-28T01:30Z", "0: 2026-03-29T01:30Z", "0: 2026-03-30T00:30Z"]);
    // 02:30 exists twice on 25 October; the first is meant.
    let twice = events(&["DTSTART;TZID=Europe/Berlin:20261024T023000\nRRULE:FREQ=DAILY;COUNT=3"]);
    check(&twice, "- -", &["0: 2026-10-24T00:30Z", "0: 2026-10-25T00:30Z", "0: 2026-10-26T01:30Z"]);
}

#[test]
fn a_length_from_dtend_is_exact_and_one_from_duration_is_nominal() {
    let start = "DTSTART;TZID=Europe/Berlin:20260321T120000";
    let rule = "RRULE:FREQ=WEEKLY;COUNT=2";
    check(
        &events(&[&format!("{start}\nDTEND;TZID=Europe/Berlin:20260322T120000\n{rule}")]),
        "2026-03-25 -",
        &["0: 2026-03-28T11:00Z/2026-03-29T11:00Z"],
    );
    check(
        &events(&[&format!("{start}\nDURATION:P1D\n{rule}")]),
        "2026-03-25 -",
        &["0: 2026-03-28T11:00Z/2026-03-29T10:00Z"],
    );
    check(
        &events(&[&format!("{start}\nDURATION:P1DT1H\n{rule}")]),
        "2026-03-25 -",
        &["0: 2026-03-28T11:00Z/2026-03-29T11:00Z"],
    );
    check(
        &events(&[&format!("{start}\nDURATION:PT24H\n{rule}")]),
        "2026-03-25 -",
        &["0: 2026-03-28T11:00Z/2026-03-29T11:00Z"],
    );
}

#[test]
fn the_start_is_an_instance_and_counts_even_where_the_rule_does_not_give_it() {
    let monday = events(&["DTSTART;VALUE=DATE:20260107\nRRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=3"]);
    check(&monday, "- -", &["0: 2026-01-07/2026-01-08", "0: 2026-01-12/2026-01-13", "0: 2026-01-19/2026-01-20"]);
    let ended = events(&["DTSTART;VALUE=DATE:20260107\nRRULE:FREQ=WEEKLY;UNTIL=20250101"]);
    check(&ended, "- -", &["0: 2026-01-07/2026-01-08"]);
}

#[test]
fn until_ends_in_the_form_it_is_written_in() {
    let timed = |until: &str| {
        events(&[&format!("DTSTART;TZID=America/New_York:20260101T210000\nRRULE:FREQ=DAILY;UNTIL={until}")])
    };
    let two = ["0: 2026-01-02T02:00Z", "0: 2026-01-03T02:00Z"];
    check(&timed("20260103T020000Z"), "- -", &two);
    check(&timed("20260103T015959Z"), "- -", &two[..1]);
    check(&timed("20260102T210000"), "- -", &two);
    check(&timed("20260102T205959"), "- -", &two[..1]);
    check(&timed("20260102"), "- -", &two);
    let days = |until: &str| events(&[&format!("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY;UNTIL={until}")]);
    let three = ["0: 2026-01-01/2026-01-02", "0: 2026-01-02/2026-01-03", "0: 2026-01-03/2026-01-04"];
    check(&days("20260103"), "- -", &three);
    check(&days("20260103T000000Z"), "- -", &three);
    check(&days("20260102T230000Z"), "- -", &three[..2]);
    let floating = events(&["DTSTART:20260101T210000\nRRULE:FREQ=DAILY;UNTIL=20260102T210000Z"]);
    check_in("Asia/Tokyo", &floating, "- -", &["0: 2026-01-01T12:00Z", "0: 2026-01-02T12:00Z"]);
}

#[test]
fn dates_and_several_rules_make_one_set() {
    let event = events(&[
        "DTSTART:20260101T100000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=2\nRRULE:FREQ=DAILY;INTERVAL=7;COUNT=3\n\
         RDATE:20260103T100000Z,20260108T100000Z\nRDATE;TZID=Europe/Berlin:20260104T120000\n\
         RDATE;VALUE=PERIOD:20260105T100000Z/PT30M,20260106T100000Z/20260106T140000Z\nRDATE;VALUE=DATE:20260107",
    ]);
    check(
        &event,
        "- -",
        &[
            "0: 2026-01-01T10:00Z/2026-01-01T11:00Z",
            "0: 2026-01-03T10:00Z/2026-01-03T11:00Z",
            "0: 2026-01-04T11:00Z/2026-01-04T12:00Z",
            "0: 2026-01-05T10:00Z/2026-01-05T10:30Z",
            "0: 2026-01-06T10:00Z/2026-01-06T14:00Z",
            "0: 2026-01-07T10:00Z/2026-01-07T11:00Z",
            "0: 2026-01-08T10:00Z/2026-01-08T11:00Z",
            "0: 2026-01-15T10:00Z/2026-01-15T11:00Z",
        ],
    );
    check(&event, "2026-01-06T13:00 2026-01-06T13:30", &["0: 2026-01-06T10:00Z/2026-01-06T14:00Z"]);
}

#[test]
fn exceptions_take_away_by_instant_by_wall_clock_and_by_day() {
    let daily = "DTSTART;TZID=America/New_York:20260101T210000\nRRULE:FREQ=DAILY;COUNT=4\n";
    let left = ["0: 2026-01-02T02:00Z", "0: 2026-01-05T02:00Z"];
    for exceptions in [
        "EXDATE:20260103T020000Z,20260104T020000Z",
        "EXDATE;TZID=America/New_York:20260102T210000\nEXDATE;TZID=Europe/Berlin:20260104T030000",
        "EXDATE:20260102T210000,20260103T210000",
        "EXDATE;VALUE=DATE:20260102,20260103",
        "EXRULE:FREQ=DAILY;BYMONTHDAY=2,3",
    ] {
        check(&events(&[&format!("{daily}{exceptions}")]), "- -", &left);
    }
    let days = "DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY;COUNT=3\n";
    for exception in ["EXDATE;VALUE=DATE:20260102", "EXDATE:20260102T000000Z", "EXDATE:20260102"] {
        check(
            &events(&[&format!("{days}{exception}")]),
            "- -",
            &["0: 2026-01-01/2026-01-02", "0: 2026-01-03/2026-01-04"],
        );
    }
    check(
        &events(&["DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE;VALUE=DATE:20260101"]),
        "- -",
        &["0: 2026-01-02/2026-01-03"],
    );
}

#[test]
fn an_override_replaces_its_instance_wherever_it_goes() {
    let event = events(&[
        "DTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260106T090000\nDTSTART;TZID=Europe/Berlin:20260220T090000\nDURATION:PT2H",
        "RECURRENCE-ID:20260107T080000Z\nDTSTART:20260107T080000Z\nDURATION:PT3H\nSUMMARY:the same in UTC",
    ]);
    check(
        &event,
        "- -",
        &[
            "0: 2026-01-05T08:00Z/2026-01-05T09:00Z",
            "2: 2026-01-07T08:00Z/2026-01-07T11:00Z",
            "0: 2026-01-08T08:00Z/2026-01-08T09:00Z",
            "1: 2026-02-20T08:00Z/2026-02-20T10:00Z was 2026-01-06T08:00Z",
        ],
    );
    check(&event, "2026-01-06 2026-01-07", &[]);
    check(&event, "2026-02-01 2026-03-01", &["1: 2026-02-20T08:00Z/2026-02-20T10:00Z was 2026-01-06T08:00Z"]);
}

#[test]
fn an_override_is_found_by_the_form_of_its_series() {
    let days = events(&[
        "DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY;COUNT=2",
        "RECURRENCE-ID:20260106T000000Z\nDTSTART:20260106T100000Z\nDURATION:PT1H",
    ]);
    check(&days, "- -", &["0: 2026-01-05/2026-01-06", "1: 2026-01-06T10:00Z/2026-01-06T11:00Z was 2026-01-06"]);
    let timed = events(&[
        "DTSTART;TZID=Europe/Berlin:20260105T090000\nRRULE:FREQ=DAILY;COUNT=2",
        "RECURRENCE-ID;VALUE=DATE:20260106\nDTSTART;VALUE=DATE:20260106",
    ]);
    check(&timed, "- -", &["0: 2026-01-05T08:00Z", "1: 2026-01-06/2026-01-07"]);
}

#[test]
fn an_override_without_its_master_or_its_instance_is_an_instance_all_the_same() {
    let alone = events(&["RECURRENCE-ID:20260106T080000Z\nDTSTART:20260106T100000Z\nDURATION:PT1H"]);
    check(&alone, "- -", &["0: 2026-01-06T10:00Z/2026-01-06T11:00Z was 2026-01-06T08:00Z"]);
    let stray = events(&[
        "DTSTART:20260105T080000Z\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE:20260106T080000Z",
        "RECURRENCE-ID:20260109T080000Z\nDTSTART:20260109T090000Z",
        "RECURRENCE-ID:20260106T080000Z\nDTSTART:20260106T090000Z",
    ]);
    check(
        &stray,
        "- -",
        &[
            "0: 2026-01-05T08:00Z",
            "2: 2026-01-06T09:00Z was 2026-01-06T08:00Z",
            "1: 2026-01-09T09:00Z was 2026-01-09T08:00Z",
        ],
    );
}

#[test]
fn an_override_for_this_and_the_future_moves_all_that_follow() {
    let event = events(&[
        "DTSTART;TZID=Europe/Berlin:20260323T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=8",
        "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260325T090000\n\
         DTSTART;TZID=Europe/Berlin:20260325T140000\nDURATION:PT30M",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260327T090000\nDTSTART;TZID=Europe/Berlin:20260327T200000",
        "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260329T090000\n\
         DTSTART;TZID=Europe/Berlin:20260330T090000\nDURATION:PT15M",
    ]);
    check(
        &event,
        "- -",
        &[
            "0: 2026-03-23T08:00Z/2026-03-23T09:00Z",
            "0: 2026-03-24T08:00Z/2026-03-24T09:00Z",
            "1: 2026-03-25T13:00Z/2026-03-25T13:30Z was 2026-03-25T08:00Z",
            "1: 2026-03-26T13:00Z/2026-03-26T13:30Z was 2026-03-26T08:00Z",
            "2: 2026-03-27T19:00Z was 2026-03-27T08:00Z",
            "1: 2026-03-28T13:00Z/2026-03-28T13:30Z was 2026-03-28T08:00Z",
            "3: 2026-03-30T07:00Z/2026-03-30T07:15Z was 2026-03-29T07:00Z",
            "3: 2026-03-31T07:00Z/2026-03-31T07:15Z was 2026-03-30T07:00Z",
        ],
    );
    check(&event, "2026-03-31 2026-04-01", &["3: 2026-03-31T07:00Z/2026-03-31T07:15Z was 2026-03-30T07:00Z"]);
    let days = events(&[
        "DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=WEEKLY;COUNT=3",
        "RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20260108\nDTSTART;VALUE=DATE:20260109\nDURATION:P2D",
    ]);
    check(
        &days,
        "- -",
        &[
            "0: 2026-01-01/2026-01-02",
            "1: 2026-01-09/2026-01-11 was 2026-01-08",
            "1: 2026-01-16/2026-01-18 was 2026-01-15",
        ],
    );
}

#[test]
fn values_come_back_in_the_form_they_are_written_in() {
    let event = events(&[
        "DTSTART;TZID=Europe/Berlin:20260105T090000\nDTEND;TZID=Europe/Berlin:20260105T100000\nRRULE:FREQ=DAILY;COUNT=3",
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20260106T080000Z\nDTSTART;TZID=America/New_York:20260106T040000",
    ]);
    let expansion = expand(&event, Window::ALL, &zone("UTC"));
    let values: Vec<[String; 3]> = expansion
        .instances
        .iter()
        .map(|i| [i.recurrence_id_value(), i.start_value(), i.end_value()])
        .map(|values| values.map(|value| value.map_or("none".into(), |v| v.to_property("X").unfolded().to_owned())))
        .collect();
    let berlin = |time: &str| format!("X;TZID=Europe/Berlin:{time}");
    let new_york = |time: &str| format!("X;TZID=America/New_York:{time}");
    assert_eq!(
        values,
        [
            [berlin("20260105T090000"), berlin("20260105T090000"), berlin("20260105T100000")],
            ["X:20260106T080000Z".to_owned(), new_york("20260106T040000"), new_york("20260106T040000")],
            ["X:20260107T080000Z".to_owned(), new_york("20260107T040000"), new_york("20260107T040000")],
        ]
    );
    let day = events(&["DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY;COUNT=1"]);
    let instance = expand(&day, Window::ALL, &zone("Asia/Tokyo")).instances.remove(0);
    assert_eq!(instance.end_value().map(|v| v.to_value()).as_deref(), Some("20260106"));
}

#[test]
fn a_zone_belongs_to_the_object_that_defines_it() {
    let shared = |offset: &str| {
        object(&format!(
            "BEGIN:VTIMEZONE\nTZID:Shared/Zone\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:{offset}\n\
             TZOFFSETTO:{offset}\nEND:STANDARD\nEND:VTIMEZONE\n\
             BEGIN:VEVENT\nUID:a\nDTSTAMP:20260101T000000Z\nDTSTART;TZID=Shared/Zone:20260105T120000\nEND:VEVENT"
        ))
    };
    check(&shared("+0300"), "- -", &["0: 2026-01-05T09:00Z"]);
    check(&shared("-0500"), "- -", &["0: 2026-01-05T17:00Z"]);
}

#[test]
fn a_custom_zone_is_followed_by_its_own_rules() {
    let event = object(
        "BEGIN:VTIMEZONE
         TZID:Customized Time Zone
         BEGIN:STANDARD
         DTSTART:16010101T030000
         TZOFFSETFROM:+0500
         TZOFFSETTO:+0400
         RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=2
         END:STANDARD
         BEGIN:DAYLIGHT
         DTSTART:16010101T020000
         TZOFFSETFROM:+0400
         TZOFFSETTO:+0500
         RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=1
         END:DAYLIGHT
         END:VTIMEZONE
         BEGIN:VEVENT
         UID:a
         DTSTAMP:20260101T000000Z
         DTSTART;TZID=Customized Time Zone:20260103T120000
         RRULE:FREQ=WEEKLY;COUNT=6;BYDAY=SA
         END:VEVENT",
    );
    check(
        &event,
        "- -",
        &[
            "0: 2026-01-03T08:00Z",
            "0: 2026-01-10T07:00Z",
            "0: 2026-01-17T07:00Z",
            "0: 2026-01-24T07:00Z",
            "0: 2026-01-31T07:00Z",
            "0: 2026-02-07T08:00Z",
        ],
    );
}

#[test]
fn tasks_are_expanded_by_their_start_or_their_due_time() {
    let tasks = |lines: &str| components("VTODO", &[lines]);
    check(
        &tasks("DTSTART:20260105T100000Z\nDUE:20260105T120000Z\nRRULE:FREQ=DAILY;COUNT=2"),
        "- -",
        &["0: 2026-01-05T10:00Z/2026-01-05T12:00Z", "0: 2026-01-06T10:00Z/2026-01-06T12:00Z"],
    );
    check(
        &tasks("DUE:20260105T120000Z\nRRULE:FREQ=DAILY;COUNT=2"),
        "- -",
        &["0: 2026-01-05T12:00Z", "0: 2026-01-06T12:00Z"],
    );
    check(&tasks("SUMMARY:some day"), "- -", &[]);
}

#[test]
fn a_rule_without_end_is_cut_and_says_so() {
    let minutely = events(&["DTSTART:20200101T000000Z\nRRULE:FREQ=MINUTELY"]);
    let day = expand(&minutely, window("2026-01-01 2026-01-02"), &zone("UTC"));
    assert_eq!((day.instances.len(), day.truncated), (1440, false));
    let year = expand(&minutely, window("2026-01-01 2027-01-01"), &zone("UTC"));
    assert_eq!((year.instances.len(), year.truncated), (INSTANCES_MAX, true));
    let all = expand(&minutely, Window::ALL, &zone("UTC"));
    assert_eq!((all.instances.len(), all.truncated), (INSTANCES_MAX, true));
    let rare = events(&["DTSTART:20200101T000000Z\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"]);
    assert_eq!(lines(&expand(&rare, Window::ALL, &zone("UTC"))), ["0: 2020-01-01"]);
    let counted = events(&["DTSTART:00010101T000000Z\nRRULE:FREQ=DAILY;BYHOUR=0,12;COUNT=4000000"]);
    assert!(expand(&counted, window("2026-01-01 2026-01-02"), &zone("UTC")).truncated, "counting is bounded too");
}
