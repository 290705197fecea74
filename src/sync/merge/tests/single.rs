//! One appointment without repetition.

use super::*;

const TEN: &str = "DTSTART;TZID=Europe/Berlin:20260105T100000\nDTEND;TZID=Europe/Berlin:20260105T110000";
const NOON: &str = "DTSTART;TZID=Europe/Berlin:20260105T120000\nDTEND;TZID=Europe/Berlin:20260105T130000";

fn event(lines: &[&str]) -> CalendarObject {
    object(&[&lines.join("\n")])
}

#[test]
fn changes_of_different_things_go_together() {
    let base = event(&[TEN, "SUMMARY:a", "LOCATION:here", "X-OWN;X-P=1:kept  as\\it is"]);
    let local = event(&[TEN, "SUMMARY:b", "LOCATION:here", "X-OWN;X-P=1:kept  as\\it is"]);
    let after = event(&[NOON, "SUMMARY:a", "LOCATION:there", "X-OWN;X-P=1:kept  as\\it is"]);
    let merged = merged(&base, &local, &after, &Prefer::Neither);
    assert_eq!(
        says(&merged.object),
        [
            "DTSTART;TZID=Europe/Berlin:20260105T120000",
            "DTEND;TZID=Europe/Berlin:20260105T130000",
            "SUMMARY:b",
            "LOCATION:there",
            "X-OWN;X-P=1:kept  as\\it is",
        ]
    );
    assert!(merged.took_local && merged.took_remote && merged.conflicts.is_empty() && !merged.refused);
}

#[test]
fn without_a_remote_change_not_a_byte_changes() {
    let base = event(&[TEN, "SUMMARY:a"]);
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\nsummary;LANGUAGE=en:b\n b\nDTSTART;TZID=\"Europe/Berlin\":20260105T100000\n\
                DURATION:PT1H\nX-ODD:\nEND:VEVENT\nEND:VCALENDAR\n";
    let local = CalendarObject::parse(Bytes::from(text)).expect("an object");
    // The provider says the end in its own way and knows nothing of LANGUAGE.
    let before = event(&[TEN, "SUMMARY:A"]);
    let sides = Sides { base: &base, local: &local, before: &before, after: &before };
    let merged = merge(sides, &WriteBack::all(), &Prefer::Remote, now()).expect("a merge");
    assert_eq!(merged.object.bytes(), text);
    assert!(merged.took_local && !merged.took_remote);
}

#[test]
fn the_same_change_on_both_sides_is_no_conflict() {
    let base = event(&[TEN, "SUMMARY:a"]);
    let local = event(&["DTSTART;TZID=Europe/Berlin:20260105T120000", "DURATION:PT60M", "SUMMARY;LANGUAGE=de:b"]);
    let after = event(&[NOON, "SUMMARY;language=de:b"]);
    let merged = merged(&base, &local, &after, &Prefer::Neither);
    assert_eq!(merged.object.bytes(), local.bytes());
    assert!(!merged.took_local && !merged.took_remote && merged.conflicts.is_empty());
}

#[test]
fn one_thing_changed_twice_is_a_conflict_that_somebody_decides() {
    let (base, local) = (event(&[TEN, "SUMMARY:a", "STATUS:TENTATIVE"]), event(&[TEN, "SUMMARY:b"]));
    let after = event(&[NOON, "SUMMARY:c", "STATUS:TENTATIVE"]);
    let undecided = merged(&base, &local, &after, &Prefer::Neither);
    assert_eq!(fields(&undecided), ["data_mismatch title"]);
    let conflict = &undecided.conflicts[0];
    let shown = [&conflict.base, &conflict.local, &conflict.remote].map(|v| v.as_deref().unwrap_or_default());
    assert_eq!(shown, ["a", "b", "c"]);
    assert!(says(&undecided.object).contains(&"SUMMARY:b".to_owned()), "the rest goes on");
    assert!(says(&undecided.object).contains(&"DTSTART;TZID=Europe/Berlin:20260105T120000".to_owned()));
    assert!(!says(&undecided.object).iter().any(|line| line.starts_with("STATUS")));

    let side =
        |prefer| says(&merged(&base, &local, &after, &prefer).object).into_iter().find(|l| l.starts_with("SUMMARY"));
    let title = Field { part: Part::Title, item: String::new(), instance: None };
    assert_eq!(side(Prefer::Remote).as_deref(), Some("SUMMARY:c"));
    assert_eq!(side(Prefer::Local).as_deref(), Some("SUMMARY:b"));
    assert_eq!(side(Prefer::PerField([(title, Side::Remote)].into())).as_deref(), Some("SUMMARY:c"));
}

#[test]
fn the_time_is_one_thing() {
    let base = event(&[TEN, "RRULE:FREQ=WEEKLY;COUNT=5"]);
    let local = event(&[TEN, "RRULE:FREQ=WEEKLY;COUNT=6"]);
    let after = event(&[NOON, "RRULE:FREQ=WEEKLY;COUNT=5"]);
    let undecided = merged(&base, &local, &after, &Prefer::Neither);
    assert_eq!(fields(&undecided), ["time_change time"]);
    assert_eq!(undecided.object.bytes(), local.bytes());
    let remote = merged(&base, &local, &after, &Prefer::Remote);
    assert_eq!(says(&remote.object), says(&after));
    let shown = undecided.conflicts[0].remote.as_deref();
    assert_eq!(shown, Some("2026-01-05 12:00 Europe/Berlin – 2026-01-05 13:00 Europe/Berlin; FREQ=WEEKLY;COUNT=5"));
}

#[test]
fn class_13_a_zone_by_another_name_is_the_same_zone() {
    let base = event(&[
        TEN,
        "SUMMARY:a",
        "EXDATE;TZID=Europe/Berlin:20260112T100000",
        "RRULE:FREQ=WEEKLY;UNTIL=20260401T080000Z",
    ]);
    let local = event(&[
        "DTSTART;TZID=W. Europe Standard Time:20260105T100000",
        "DURATION:PT1H",
        "SUMMARY:a",
        "RRULE:UNTIL=20260401T080000Z;FREQ=weekly",
        "EXDATE:20260112T090000Z",
    ]);
    let after = event(&[
        TEN,
        "SUMMARY:b",
        "EXDATE;TZID=Europe/Berlin:20260112T100000",
        "RRULE:FREQ=WEEKLY;UNTIL=20260401T080000Z",
    ]);
    let merged = merged(&base, &local, &after, &Prefer::Neither);
    assert!(merged.conflicts.is_empty() && !merged.took_local);
    assert!(says(&merged.object).contains(&"DTSTART;TZID=W. Europe Standard Time:20260105T100000".to_owned()));
    assert_eq!(instances(&merged.object).len(), instances(&after).len());
    // An hour later in one zone is not the same wall clock in another.
    let moved = event(&[
        "DTSTART:20260105T090000Z",
        "DTEND:20260105T100000Z",
        "SUMMARY:a",
        "RRULE:FREQ=WEEKLY;UNTIL=20260401T080000Z",
    ]);
    assert_eq!(
        fields(&super::merged(&base, &moved, &event(&[NOON, "SUMMARY:a"]), &Prefer::Neither)),
        ["time_change time"]
    );
}

#[test]
fn class_14_an_all_day_event_keeps_its_day() {
    let day = "DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260106";
    let (base, local) = (event(&[day, "SUMMARY:a"]), event(&["DTSTART;VALUE=DATE:20260105", "SUMMARY:b"]));
    let merged_days = merged(&base, &local, &event(&["DTSTART;VALUE=DATE:20260107", "SUMMARY:a"]), &Prefer::Neither);
    assert_eq!(says(&merged_days.object), ["DTSTART;VALUE=DATE:20260107", "SUMMARY:b"]);
    // Midnight in UTC is another thing than a day.
    let midnight = event(&["DTSTART:20260105T000000Z", "DTEND:20260106T000000Z", "SUMMARY:a"]);
    let moved = event(&["DTSTART;VALUE=DATE:20260108", "SUMMARY:a"]);
    assert_eq!(fields(&merged(&base, &moved, &midnight, &Prefer::Neither)), ["time_change time"]);
    assert_eq!(says(&merged(&base, &local, &midnight, &Prefer::Neither).object)[0], "DTSTART:20260105T000000Z");
}

#[test]
fn notes_are_merged_line_by_line() {
    let notes = |text: &str| event(&[TEN, &format!("DESCRIPTION;LANGUAGE=en:{text}")]);
    let base = notes("one\\ntwo\\, too\\nthree");
    let clean = merged(&base, &notes("ONE\\ntwo\\, too\\nthree"), &notes("one\\ntwo\\, too\\nTHREE"), &Prefer::Neither);
    assert!(says(&clean.object).contains(&"DESCRIPTION;LANGUAGE=en:ONE\\ntwo\\, too\\nTHREE".to_owned()));
    assert!(clean.took_local && clean.took_remote && clean.conflicts.is_empty());
    let torn = merged(&base, &notes("one\\n2\\nthree"), &notes("one\\nII\\nthree"), &Prefer::Neither);
    assert_eq!(fields(&torn), ["data_mismatch notes"]);
}

#[test]
fn class_17_reminders_are_a_set_and_what_a_side_cannot_say_is_no_change() {
    let alarm = |minutes: u32, more: &str| {
        format!("BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT{minutes}M\nDESCRIPTION:x\n{more}END:VALARM")
    };
    let with = |alarms: &[String]| object(&[&format!("{TEN}\n{}", alarms.join("\n"))]);
    let acknowledged = alarm(10, "ACKNOWLEDGED:20260101T000000Z\n");
    let base = with(&[alarm(10, ""), alarm(30, "")]);
    let local = with(&[acknowledged, alarm(30, ""), alarm(60, "")]);
    let after = with(&[alarm(10, ""), alarm(5, "")]);
    let merged_set = merged(&base, &local, &after, &Prefer::Neither);
    let triggers: Vec<_> =
        says(&merged_set.object).into_iter().filter(|l| l.starts_with("TRIGGER") || l.starts_with("ACK")).collect();
    assert_eq!(triggers, ["TRIGGER:-PT10M", "ACKNOWLEDGED:20260101T000000Z", "TRIGGER:-PT60M", "TRIGGER:-PT5M"]);
    // A side that has no reminders at all changed nothing by having none.
    let without = object(&[TEN]);
    let sides = Sides { base: &base, local: &local, before: &without, after: &without };
    let kept = merge(sides, &WriteBack::all(), &Prefer::Remote, now()).expect("a merge");
    assert_eq!(kept.object.bytes(), local.bytes());
    // A reminder that one side removed and the other changed is nobody's to lose.
    let removed = merged(&base, &local, &with(&[alarm(30, "")]), &Prefer::Neither);
    assert_eq!(fields(&removed), ["data_mismatch reminder:-PT600S DISPLAY"].map(|f| f.replace("600S", "10M")));
}

#[test]
fn categories_and_attachments_come_and_go_one_by_one() {
    let base = event(&[TEN, "CATEGORIES:A,B\\,b,C", "ATTACH:https://example.org/1"]);
    let local = event(&[
        TEN,
        "CATEGORIES:A,C,D",
        "ATTACH:https://example.org/1",
        "ATTACH;FMTTYPE=text/plain:https://example.org/2",
    ]);
    let after = event(&[TEN, "CATEGORIES:A,B\\,b,E\\;e", "ATTACH:https://example.org/3"]);
    let merged = merged(&base, &local, &after, &Prefer::Neither);
    assert!(merged.conflicts.is_empty());
    let mut lines = says(&merged.object);
    lines.retain(|line| !line.starts_with("DT"));
    assert_eq!(
        lines,
        ["CATEGORIES:A,D,E\\;e", "ATTACH;FMTTYPE=text/plain:https://example.org/2", "ATTACH:https://example.org/3"]
    );
}

#[test]
fn class_16_a_stamp_is_nobodys_change_and_no_clock_is_compared() {
    let stamped = |stamp: &str, sequence: u32, title: &str| {
        event(&[TEN, &format!("LAST-MODIFIED:{stamp}"), &format!("SEQUENCE:{sequence}"), &format!("SUMMARY:{title}")])
    };
    let base = stamped("20260101T000000Z", 1, "a");
    let newer = stamped("20990101T000000Z", 9, "a");
    assert_eq!(merged(&base, &base, &newer, &Prefer::Remote).object.bytes(), base.bytes());
    // A change made by a clock that is years behind is as good as any other.
    let slow = stamped("19990101T000000Z", 2, "b");
    let merged = merged(&base, &newer, &slow, &Prefer::Neither);
    assert!(merged.conflicts.is_empty() && says(&merged.object).contains(&"SUMMARY:b".to_owned()));
    let sequence = merged.object.master().and_then(|m| m.property("SEQUENCE").map(|p| p.value().to_owned()));
    assert_eq!(sequence.as_deref(), Some("9"), "the higher of the two");
}

#[test]
fn class_23_what_may_not_flow_back_does_not() {
    let (base, after) = (event(&[TEN, "SUMMARY:secret"]), event(&[NOON, "SUMMARY:Busy!", "DESCRIPTION:x"]));
    let before = event(&[TEN, "SUMMARY:Busy"]);
    let sides = Sides { base: &base, local: &base, before: &before, after: &after };
    let merged = merge(sides, &WriteBack::only([Part::Time]), &Prefer::Remote, now()).expect("a merge");
    assert!(merged.refused && merged.took_remote && merged.conflicts.is_empty());
    assert_eq!(
        says(&merged.object),
        ["DTSTART;TZID=Europe/Berlin:20260105T120000", "DTEND;TZID=Europe/Berlin:20260105T130000", "SUMMARY:secret"]
    );
}

#[test]
fn lines_that_repeat_old_words_go_with_them() {
    let base = event(&[TEN, "LOCATION:a", "X-APPLE-STRUCTURED-LOCATION;X-TITLE=a:geo:1,2", "X-ALT-DESC:<b>"]);
    let after = event(&[TEN, "LOCATION:b", "X-APPLE-STRUCTURED-LOCATION;X-TITLE=a:geo:1,2", "X-ALT-DESC:<b>"]);
    let merged = merged(&base, &base, &after, &Prefer::Neither);
    assert!(says(&merged.object).contains(&"LOCATION:b".to_owned()));
    assert!(!says(&merged.object).iter().any(|line| line.starts_with("X-APPLE")));
    assert!(says(&merged.object).contains(&"X-ALT-DESC:<b>".to_owned()));
}

#[test]
fn zones_come_with_the_times_that_name_them() {
    let zone = |offset: &str| {
        format!(
            "BEGIN:VTIMEZONE\nTZID:Own\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:{offset}\nTZOFFSETTO:{offset}\n\
             END:STANDARD\nEND:VTIMEZONE"
        )
    };
    let own = "DTSTART;TZID=Own:20260105T100000\nDURATION:PT1H";
    let (base, after) = (object(&[TEN]), object(&[&zone("+0300"), own]));
    let brought = merged(&base, &base, &after, &Prefer::Neither);
    assert_eq!(brought.object.document().calendar().expect("one").components_named("VTIMEZONE").count(), 1);
    let local = object(&[&zone("+0500"), TEN]);
    let sides = Sides { base: &base, local: &local, before: &base, after: &after };
    assert_eq!(merge(sides, &WriteBack::all(), &Prefer::Neither, now()).map(|_| ()), Err(Unmergeable::Zones));
}

#[test]
fn what_is_not_of_one_kind_is_not_merged() {
    let task = object(&["BEGIN:VTODO\nUID:u\nDTSTART:20260105T100000Z\nDUE:20260105T110000Z\nSUMMARY:a\nEND:VTODO"]);
    let event = event(&[TEN]);
    let sides = Sides { base: &event, local: &event, before: &event, after: &task };
    assert_eq!(merge(sides, &WriteBack::all(), &Prefer::Neither, now()).map(|_| ()), Err(Unmergeable::Kinds));
    let later = object(&["BEGIN:VTODO\nUID:u\nDTSTART:20260105T100000Z\nDUE:20260105T120000Z\nSUMMARY:a\nEND:VTODO"]);
    let renamed = object(&["BEGIN:VTODO\nUID:u\nDTSTART:20260105T100000Z\nDUE:20260105T110000Z\nSUMMARY:b\nEND:VTODO"]);
    let merged = merged(&task, &renamed, &later, &Prefer::Neither);
    assert!(says(&merged.object).contains(&"DUE:20260105T120000Z".to_owned()));
    assert!(says(&merged.object).contains(&"SUMMARY:b".to_owned()));
}
