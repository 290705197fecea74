//! Attendees, and who speaks for whom.

use super::*;

const TEN: &str = "DTSTART:20260105T100000Z\nDTEND:20260105T110000Z\nORGANIZER:mailto:boss@here.org";

fn with(attendees: &[&str]) -> CalendarObject {
    object(&[&format!("{TEN}\n{}", attendees.join("\n"))])
}

const ADA: &str = "ATTENDEE;CN=Ada;PARTSTAT=NEEDS-ACTION;X-SEAT=3:mailto:ada@here.org";
const BOB: &str = "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:bob@there.org";

fn attendees(object: &CalendarObject) -> Vec<String> {
    says(object).into_iter().filter(|line| line.starts_with("ATTENDEE")).collect()
}

#[test]
fn attendees_are_a_set_by_address() {
    let base = with(&[ADA, BOB]);
    let local = with(&[ADA, BOB, "ATTENDEE:mailto:eve@here.org"]);
    let after = with(&[
        "ATTENDEE;CN=Ada Lovelace;PARTSTAT=NEEDS-ACTION;X-SEAT=3:MAILTO:ADA@here.org",
        "ATTENDEE:mailto:joe@there.org",
    ]);
    let merged = merged(&base, &local, &after, &Prefer::Neither);
    assert!(merged.conflicts.is_empty());
    assert_eq!(
        attendees(&merged.object),
        [
            "ATTENDEE;CN=Ada Lovelace;X-SEAT=3;PARTSTAT=NEEDS-ACTION:MAILTO:ADA@here.org",
            "ATTENDEE:mailto:eve@here.org",
            "ATTENDEE:mailto:joe@there.org",
        ]
    );
}

#[test]
fn an_answer_and_a_change_of_the_list_go_together() {
    let local = with(&[&ADA.replace("NEEDS-ACTION", "ACCEPTED"), BOB]);
    let after = with(&[&ADA.replace("Ada", "A."), &BOB.replace("NEEDS-ACTION", "DECLINED")]);
    let merged = merged(&with(&[ADA, BOB]), &local, &after, &Prefer::Neither);
    assert!(merged.conflicts.is_empty());
    assert_eq!(
        attendees(&merged.object),
        [
            "ATTENDEE;CN=A.;X-SEAT=3;PARTSTAT=ACCEPTED:mailto:ada@here.org",
            "ATTENDEE;PARTSTAT=DECLINED:mailto:bob@there.org"
        ]
    );
}

#[test]
fn a_participation_comes_from_the_attendees_own_side() {
    let people = WriteBack::all()
        .with_people(vec![CalAddress::new("mailto:ADA@here.org")], vec![CalAddress::new("mailto:bob@there.org")]);
    let local = with(&[&ADA.replace("NEEDS-ACTION", "ACCEPTED"), &BOB.replace("NEEDS-ACTION", "ACCEPTED")]);
    let after = with(&[&ADA.replace("NEEDS-ACTION", "DECLINED"), &BOB.replace("NEEDS-ACTION", "DECLINED")]);
    let base = with(&[ADA, BOB]);
    let sides = Sides { base: &base, local: &local, before: &base, after: &after };
    let own = merge(sides, &people, &Prefer::Neither, now()).expect("a merge");
    assert!(own.conflicts.is_empty() && own.refused);
    assert_eq!(
        attendees(&own.object),
        [ADA.replace("NEEDS-ACTION", "ACCEPTED"), BOB.replace("NEEDS-ACTION", "DECLINED")]
    );
    assert_eq!(
        fields(&merged(&base, &local, &after, &Prefer::Neither)),
        ["data_mismatch participation:mailto:ada@here.org", "data_mismatch participation:mailto:bob@there.org"],
        "of those who live on no side both sides may speak"
    );
}

#[test]
fn the_list_comes_from_the_organizers_side() {
    let (base, after) = (with(&[ADA]), with(&[ADA, BOB]));
    let sides = Sides { base: &base, local: &base, before: &base, after: &after };
    let boss = || vec![CalAddress::new("mailto:boss@here.org")];
    let ours = merge(sides, &WriteBack::all().with_people(boss(), vec![]), &Prefer::Remote, now()).expect("a merge");
    assert_eq!((ours.object.bytes(), ours.refused), (base.bytes(), true));
    let theirs = merge(sides, &WriteBack::all().with_people(vec![], boss()), &Prefer::Local, now()).expect("a merge");
    assert_eq!(attendees(&theirs.object), [ADA, BOB]);
}

#[test]
fn somebody_removed_who_answered_meanwhile_is_a_conflict() {
    let local = with(&[&ADA.replace("NEEDS-ACTION", "ACCEPTED"), BOB]);
    let (base, after) = (with(&[ADA, BOB]), with(&[BOB]));
    let undecided = merged(&base, &local, &after, &Prefer::Neither);
    assert_eq!(fields(&undecided), ["data_mismatch attendee:mailto:ada@here.org"]);
    assert_eq!(undecided.object.bytes(), local.bytes());
    assert_eq!(attendees(&merged(&base, &local, &after, &Prefer::Remote).object), [BOB]);
    assert_eq!(attendees(&merged(&base, &after, &local, &Prefer::Remote).object).len(), 2, "the other way round");
}
