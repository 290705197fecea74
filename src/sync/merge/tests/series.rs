//! Series and their instances.

use super::*;

const WEEKLY: &str = "DTSTART;TZID=Europe/Berlin:20260105T100000\nDTEND;TZID=Europe/Berlin:20260105T110000\n\
                      RRULE:FREQ=WEEKLY;COUNT=4\nSUMMARY:a";
/// The second and the third, moved and renamed.
const SECOND: &str = "RECURRENCE-ID;TZID=Europe/Berlin:20260112T100000\nDTSTART;TZID=Europe/Berlin:20260112T150000\n\
                      DTEND;TZID=Europe/Berlin:20260112T160000\nSUMMARY:a";
const THIRD: &str = "RECURRENCE-ID;TZID=Europe/Berlin:20260119T100000\nDTSTART;TZID=Europe/Berlin:20260119T100000\n\
                     DTEND;TZID=Europe/Berlin:20260119T110000\nSUMMARY:third";

fn rest_of(object: &CalendarObject) -> Vec<String> {
    instances(object)
}

#[test]
fn overrides_of_different_instances_go_together() {
    let merged = three(&[WEEKLY], &[WEEKLY, SECOND], &[WEEKLY, THIRD]);
    assert!(merged.conflicts.is_empty() && merged.took_local && merged.took_remote);
    assert_eq!(
        rest_of(&merged.object),
        ["2026-01-05T10:00:00 a", "2026-01-12T15:00:00 a", "2026-01-19T10:00:00 third", "2026-01-26T10:00:00 a"]
    );
}

#[test]
fn one_instance_moved_here_and_renamed_there_is_both() {
    let renamed = SECOND.replace("T150000", "T100000").replace("T160000", "T110000").replace("SUMMARY:a", "SUMMARY:b");
    for (local, after) in [(SECOND, renamed.as_str()), (renamed.as_str(), SECOND)] {
        let new = three(&[WEEKLY], &[WEEKLY, local], &[WEEKLY, after]);
        assert!(new.conflicts.is_empty());
        assert_eq!(rest_of(&new.object)[1], "2026-01-12T15:00:00 b", "{local}");
        assert_eq!(new.object.overrides().count(), 1);
    }
    let plain = SECOND.replace("T150000", "T100000").replace("T160000", "T110000");
    let old = three(&[WEEKLY, &plain], &[WEEKLY, SECOND], &[WEEKLY, &renamed]);
    assert_eq!((rest_of(&old.object)[1].as_str(), old.conflicts.len()), ("2026-01-12T15:00:00 b", 0));
}

#[test]
fn a_new_override_says_what_its_series_says_newly_on_the_other_side() {
    let renamed = WEEKLY.replace("SUMMARY:a", "SUMMARY:b");
    for merged in [three(&[WEEKLY], &[WEEKLY, SECOND], &[&renamed]), three(&[WEEKLY], &[&renamed], &[WEEKLY, SECOND])] {
        assert!(merged.conflicts.is_empty());
        assert_eq!(
            rest_of(&merged.object),
            ["2026-01-05T10:00:00 b", "2026-01-12T15:00:00 b", "2026-01-19T10:00:00 b", "2026-01-26T10:00:00 b"]
        );
    }
    let kept = three(&[WEEKLY, SECOND], &[WEEKLY, SECOND], &[&renamed, SECOND]);
    assert_eq!(rest_of(&kept.object)[1], "2026-01-12T15:00:00 a", "an old one has words of its own");
}

#[test]
fn a_series_that_moves_takes_its_instances_along() {
    let later = WEEKLY.replace("T100000", "T120000").replace("T110000", "T130000");
    let third_later = THIRD.replace("T100000", "T120000").replace("T110000", "T130000");
    let renamed = THIRD.replace("SUMMARY:third", "SUMMARY:3");
    // There the series was moved; here an instance was renamed, and one made.
    let moved = three(&[WEEKLY, THIRD], &[WEEKLY, &renamed, SECOND], &[&later, &third_later]);
    assert_eq!(fields(&moved), [] as [&str; 0]);
    assert_eq!(
        rest_of(&moved.object),
        ["2026-01-05T12:00:00 a", "2026-01-12T15:00:00 a", "2026-01-19T12:00:00 3", "2026-01-26T12:00:00 a"]
    );
    // And the other way round.
    let moved = three(&[WEEKLY, THIRD], &[&later, &third_later], &[WEEKLY, &renamed, SECOND]);
    assert_eq!(fields(&moved), [] as [&str; 0]);
    assert_eq!(
        rest_of(&moved.object),
        ["2026-01-05T12:00:00 a", "2026-01-12T15:00:00 a", "2026-01-19T12:00:00 3", "2026-01-26T12:00:00 a"]
    );
    // Both moved it alike; one renamed.
    let third_renamed = third_later.replace("SUMMARY:third", "SUMMARY:3");
    let moved = three(&[WEEKLY, THIRD], &[&later, &third_later], &[&later, &third_renamed]);
    assert_eq!((rest_of(&moved.object)[2].as_str(), moved.conflicts.len()), ("2026-01-19T12:00:00 3", 0));
}

#[test]
fn a_move_by_which_nobody_can_tell_the_instances_apart_is_a_conflict() {
    // By a week: what was the second is now named as the third was.
    let next_week = WEEKLY.replace("20260105", "20260112");
    let second = SECOND.replace("SUMMARY:a", "SUMMARY:2");
    let ambiguous = [next_week.as_str(), THIRD];
    let merged = three(&[WEEKLY, &second, THIRD], &[WEEKLY, &second, THIRD], &ambiguous);
    assert_eq!(fields(&merged)[0], "time_change time");
    assert_eq!(rest_of(&merged.object).len(), 4);
}

#[test]
fn an_instance_deleted_there_goes_and_one_edited_meanwhile_does_not() {
    let without = format!("{WEEKLY}\nEXDATE;TZID=Europe/Berlin:20260112T100000");
    let gone = three(&[WEEKLY, SECOND], &[WEEKLY, SECOND], &[&without]);
    assert_eq!((gone.object.overrides().count(), rest_of(&gone.object).len(), gone.conflicts.len()), (0, 3, 0));

    let edited = SECOND.replace("SUMMARY:a", "SUMMARY:mine");
    for base in [&[WEEKLY, SECOND][..], &[WEEKLY]] {
        let object = [base, &[WEEKLY, &edited], &[&without]].map(object);
        let [base, local, after] = &object;
        let undecided = merged(base, local, after, &Prefer::Neither);
        assert_eq!(fields(&undecided), ["deleted instance@2026-01-12T09:00:00Z"]);
        assert_eq!(rest_of(&undecided.object)[1], "2026-01-12T15:00:00 mine");
        assert!(!says(&undecided.object).iter().any(|line| line.starts_with("EXDATE")));
        assert_eq!(rest_of(&merged(base, local, after, &Prefer::Local).object).len(), 4);
        let remote = merged(base, local, after, &Prefer::Remote).object;
        assert_eq!((rest_of(&remote).len(), remote.overrides().count()), (3, 0));
        // The other way round: deleted here, edited there.
        let undecided = merged(base, after, local, &Prefer::Neither);
        assert_eq!(fields(&undecided), ["deleted instance@2026-01-12T09:00:00Z"]);
        assert_eq!(undecided.object.bytes(), after.bytes());
        let remote = merged(base, after, local, &Prefer::Remote).object;
        assert_eq!(rest_of(&remote)[1], "2026-01-12T15:00:00 mine");
        assert!(!says(&remote).iter().any(|line| line.starts_with("EXDATE")));
    }
}

#[test]
fn an_override_of_a_tail_that_was_cut_off_is_not_lost_in_silence() {
    let cut = WEEKLY.replace("COUNT=4", "COUNT=1");
    let merged = three(&[WEEKLY], &[WEEKLY, SECOND], &[&cut]);
    assert_eq!(fields(&merged), ["deleted instance@2026-01-12T09:00:00Z"]);
    assert_eq!(rest_of(&merged.object), ["2026-01-05T10:00:00 a", "2026-01-12T15:00:00 a"]);
    let untouched = three(&[WEEKLY, SECOND], &[WEEKLY, SECOND], &[&cut]);
    assert_eq!(rest_of(&untouched.object), ["2026-01-05T10:00:00 a"]);
}

#[test]
fn an_override_the_provider_cannot_hold_stays() {
    let renamed = WEEKLY.replace("SUMMARY:a", "SUMMARY:b");
    let objects = [object(&[WEEKLY, SECOND]), object(&[WEEKLY]), object(&[&renamed])];
    let [base, before, after] = &objects;
    let sides = Sides { base, local: base, before, after };
    let merged = merge(sides, &WriteBack::all(), &Prefer::Remote, now()).expect("a merge");
    assert_eq!(rest_of(&merged.object)[..2], ["2026-01-05T10:00:00 b", "2026-01-12T15:00:00 a"]);
}

#[test]
fn an_override_put_back_there_goes_here() {
    let merged = three(&[WEEKLY, SECOND], &[WEEKLY, SECOND], &[WEEKLY]);
    assert_eq!((merged.object.overrides().count(), rest_of(&merged.object).len()), (0, 4));
    assert!(merged.took_remote && merged.conflicts.is_empty());
}

#[test]
fn class_23_only_the_time_of_a_masked_instance_flows_back() {
    let busy = SECOND.replace("SUMMARY:a", "SUMMARY:Busy").replace("T15", "T17").replace("T16", "T18");
    let objects = [object(&[WEEKLY]), object(&[WEEKLY, &busy])];
    let [base, after] = &objects;
    let sides = Sides { base, local: base, before: base, after };
    let merged = merge(sides, &WriteBack::only([Part::Time]), &Prefer::Remote, now()).expect("a merge");
    assert_eq!(rest_of(&merged.object)[1], "2026-01-12T17:00:00 a");
    assert!(merged.refused);
    let nothing = merge(sides, &WriteBack::none(), &Prefer::Remote, now()).expect("a merge");
    assert_eq!(nothing.object.bytes(), base.bytes());
}

#[test]
fn an_invitation_to_single_instances_is_merged_without_a_series() {
    let (second, third) = (SECOND, THIRD);
    let moved = THIRD.replace("DTSTART;TZID=Europe/Berlin:20260119T10", "DTSTART;TZID=Europe/Berlin:20260119T08");
    let merged = three(&[second, third], &[second, third], &[second, &moved]);
    assert_eq!(rest_of(&merged.object), ["2026-01-12T15:00:00 a", "2026-01-19T08:00:00 third"]);
    let master = three(&[second], &[second], &[WEEKLY, second]);
    assert_eq!(rest_of(&master.object).len(), 4);
    let nothing = [object(&[WEEKLY]), object(&[WEEKLY, SECOND])];
    assert_eq!(merged_instances(&nothing[0], &nothing[1]), 4);
}

fn merged_instances(base: &CalendarObject, after: &CalendarObject) -> usize {
    instances(&merged(base, base, after, &Prefer::Neither).object).len()
}
