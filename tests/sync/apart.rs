//! A series stands at a provider as a whole or as its instances, never as both, and what becomes of an instance there is
//! never lost in silence.

use kalends::domain::sync::{
    DeletePolicy, Direction, LinkPolicy, PrivatePolicy, Resolution, RunStatus, UnsupportedRecurrence,
};
use kalends::sync::desk::Decision;
use kalends::upstream::Failure;

use crate::double::Fault;
use crate::expanded::{LAST, at, expanding, is_quiet, policy, set, starts, warnings};
use crate::house::{House, INTERVAL, down, event, retitled};

const GUESTS: &str = "ORGANIZER:mailto:ada@example.com\nATTENDEE:mailto:guest@example.net";

/// Every week from the same day on, which the double can repeat.
fn weekly() -> String {
    LAST.replace("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "FREQ=WEEKLY;COUNT=4")
}

fn refused() -> Fault {
    Fault::Before(Failure::Refused("Outlook answered 400".to_owned()))
}

async fn is_told(house: &House, words: &str) -> bool {
    warnings(house).await.iter().any(|w| w.text.contains(words))
}

/// How many items repeat, and how many there are.
fn shapes(house: &House) -> (usize, usize) {
    let there = house.there.live();
    (there.values().filter(|ics| ics.contains("RRULE")).count(), there.len())
}

#[tokio::test]
async fn instances_wait_until_their_series_is_gone_there() {
    let house = expanding().await;
    house.put(&event("a", &weekly())).await;
    house.run().await;
    house.there.fault("delete", refused());
    house.put(&event("a", LAST)).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!(shapes(&house), (1, 1));
    assert!(is_told(&house, "the series stands there as it was, and its instances are not sent while it does").await);
    house.put(&event("a", &LAST.replace("Pay", "Pay day"))).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!(shapes(&house).0, 0);
    assert!(shapes(&house).1 > 3 && !is_told(&house, "stands there as it was").await);
}

#[tokio::test]
async fn an_instance_that_cannot_be_taken_away_there_keeps_its_series_apart() {
    let house = expanding().await;
    house.put(&event("a", LAST)).await;
    house.run().await;
    house.there.fault("delete", refused());
    house.put(&event("a", &weekly())).await;
    let preview = house.desk.preview(house.ada.firm.clone(), house.link.clone()).await.unwrap();
    assert!(preview.items.iter().any(|i| i.action == "created" && i.note.is_some()), "{preview:?}");
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!(shapes(&house), (0, 4), "nothing of it is missing there");
    assert_eq!(starts(&house).first().map(String::as_str), Some("20261130T100000Z"));
    assert!(is_told(&house, "one of its single events there could not be taken away").await);
    // The next edit tries again.
    house.put(&event("a", &weekly().replace("Pay", "Pay day"))).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!(shapes(&house), (1, 1));
    assert_eq!(warnings(&house).await, Vec::new());
}

#[tokio::test]
async fn an_instance_that_its_series_does_not_have_any_more_does_not_hold_it_up() {
    let house = expanding().await;
    house.put(&event("a", LAST)).await;
    house.run().await;
    house.there.fault("delete", refused());
    house.put(&event("a", &weekly().replace("20261130T1", "20261201T1"))).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!((shapes(&house), warnings(&house).await.len()), ((1, 1), 0));
}

/// The last of its instances goes late, or with another process than the one that saw it wait.
#[tokio::test]
async fn a_series_follows_as_soon_as_the_last_of_its_instances_is_gone() {
    let house = expanding().await;
    house.put(&event("a", LAST)).await;
    house.run().await;
    house.there.fault("delete", Fault::Before(down()));
    house.put(&event("a", &weekly())).await;
    house.run().await;
    assert_eq!(shapes(&house), (0, 1));
    house.bench.clock.advance_ms(3_000);
    house.work().await;
    assert_eq!(shapes(&house), (1, 1), "not with the next run of the schedule");
    is_quiet(&house).await;
    assert_eq!(warnings(&house).await, Vec::new());
}

/// A person decides about one instance; the others stay where people look for them.
#[tokio::test]
async fn a_conflict_about_one_instance_leaves_the_others_there() {
    let house = expanding().await;
    house.put(&event("a", LAST)).await;
    house.run().await;
    house.there.edit(&at(&house, "20261130T100000Z"), |e| retitled(&e, "Pay", "There"));
    house.put(&event("a", &weekly().replace("Pay", "Here"))).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    let open = house.open_conflicts().await;
    assert_eq!((open.len(), shapes(&house)), (1, (0, 4)), "{open:?}");
    assert!(is_told(&house, "waits for a decision").await);
    let decision = Decision { conflict: open[0].id.clone(), resolution: Resolution::KeepPlatform, choices: Vec::new() };
    house.desk.resolve(house.ada.firm.clone(), "ada".to_owned(), vec![decision]).await.unwrap();
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!((shapes(&house), warnings(&house).await.len()), ((1, 1), 0));
    assert!(house.there.live().values().all(|ics| ics.contains("SUMMARY:Here")));

    // One that is no instance of it any more holds nothing up.
    let house = expanding().await;
    house.put(&event("a", LAST)).await;
    house.run().await;
    house.there.edit(&at(&house, "20261231T100000Z"), |e| retitled(&e, "Pay", "There"));
    house.put(&event("a", &weekly())).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!((house.open_conflicts().await.len(), shapes(&house)), (1, (1, 2)));
}

/// A series with guests is not taken away for the sake of a rule: they would hear that it is cancelled.
#[tokio::test]
async fn class_9_a_series_that_somebody_is_invited_to_stays_as_it_is_there() {
    for unsupported_recurrence in [UnsupportedRecurrence::KeepLocal, UnsupportedRecurrence::Expand] {
        let first = LinkPolicy { invite_attendees: true, ..policy(unsupported_recurrence) };
        let house = House::new(Direction::Both, first.clone()).await;
        house.put(&event("a", &format!("{}\n{GUESTS}", weekly()))).await;
        house.run().await;
        house.there.calls();
        house.put(&event("a", &format!("{LAST}\n{GUESTS}"))).await;
        house.later(INTERVAL).await;
        set(&house, LinkPolicy { unsupported_recurrence: UnsupportedRecurrence::Expand, ..first }).await;
        house.later(INTERVAL).await;
        is_quiet(&house).await;
        assert_eq!(shapes(&house), (1, 1), "{unsupported_recurrence:?}");
        assert!(!house.there.calls().iter().any(|call| call == "delete" || call == "create"));
        assert!(is_told(&house, "as it was before").await);
        assert!(is_told(&house, "its guests would be told that it is cancelled").await);
        // Repeatable again, it follows.
        house.put(&event("a", &format!("{}\n{GUESTS}", weekly().replace("COUNT=4", "COUNT=5")))).await;
        house.later(INTERVAL).await;
        is_quiet(&house).await;
        assert_eq!((shapes(&house), warnings(&house).await.len()), ((1, 1), 0));
    }
}

#[tokio::test]
async fn class_9_guests_of_instances_are_not_invited_and_that_is_told() {
    let house =
        House::new(Direction::Both, LinkPolicy { invite_attendees: true, ..policy(UnsupportedRecurrence::Expand) })
            .await;
    house.put(&event("a", &format!("{LAST}\n{GUESTS}"))).await;
    house.run().await;
    assert!(shapes(&house).1 > 3);
    assert_eq!(house.there.invitations(), 0);
    assert!(is_told(&house, "to which its guests are not invited").await);
}

/// Somebody invited a guest to one of the single events.
#[tokio::test]
async fn class_9_an_instance_with_guests_keeps_its_series_apart() {
    let house = expanding().await;
    house.put(&event("a", LAST)).await;
    house.run().await;
    let count = shapes(&house).1;
    let one = at(&house, "20261231T100000Z");
    house.there.edit(&one, |e| e.replace("END:VEVENT", &format!("{}\r\nEND:VEVENT", GUESTS.replace('\n', "\r\n"))));
    house.later(INTERVAL).await;
    let guests = house.here("a").await.unwrap();
    assert!(guests.contains("ATTENDEE"), "{guests}");
    let native = guests.replace(";BYSETPOS=-1", ";COUNT=60").replace("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR", "FREQ=DAILY");
    house.put(&native).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!(shapes(&house).0, 0);
    assert!(shapes(&house).1 > count);
    assert!(is_told(&house, "somebody is invited there to one of its single events").await);
    // Without them it stands there as a series again.
    house.there.edit(&one, |e| e.replace(&format!("{}\r\n", GUESTS.replace('\n', "\r\n")), ""));
    house.later(INTERVAL).await;
    house.put(&house.here("a").await.unwrap().replace("COUNT=60", "COUNT=61")).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!(shapes(&house), (1, 1));
}

async fn undo(house: &House) -> (RunStatus, i64) {
    let run = house.last_run().await;
    let asked = house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.unwrap();
    (asked.status, asked.totals.errors)
}

#[tokio::test]
async fn a_run_of_instances_is_undone_as_any_other() {
    // What came from there: both instances are as they were here.
    let house = expanding().await;
    house.put(&event("a", LAST)).await;
    house.run().await;
    for (day, title) in [("20261231", "One"), ("20270129", "Two")] {
        house.there.edit(&at(&house, &format!("{day}T100000Z")), |e| retitled(&e, "Pay", title));
    }
    house.later(INTERVAL).await;
    let here = house.here("a").await.unwrap();
    assert!(here.contains("SUMMARY:One") && here.contains("SUMMARY:Two"));
    assert_eq!(undo(&house).await, (RunStatus::Success, 0));
    let here = house.here("a").await.unwrap();
    assert!(!here.contains("SUMMARY:One") && !here.contains("SUMMARY:Two"), "{here}");
    is_quiet(&house).await;
    let titled = |title: &str| house.there.live().values().filter(|e| e.contains(&format!("SUMMARY:{title}"))).count();
    assert_eq!((titled("One"), titled("Two")), (1, 1), "the sides differ until somebody edits one of them");

    // What went there: all of them are as they were there.
    house.put(&event("a", &LAST.replace("Pay", "Pay day"))).await;
    house.later(INTERVAL).await;
    let count = house.there.live().len();
    assert_eq!(titled("Pay day"), count);
    assert_eq!(undo(&house).await, (RunStatus::Success, 0));
    assert_eq!((titled("Pay day"), titled("Pay")), (0, count));
    is_quiet(&house).await;
    assert_eq!(titled("Pay day"), 0);
}

/// Deletions too, one after the other.
#[tokio::test]
async fn instances_that_a_run_took_away_come_back_with_its_undo() {
    for delete in [DeletePolicy::Delete, DeletePolicy::Cancel] {
        let expand = LinkPolicy { delete: Some(delete), ..policy(UnsupportedRecurrence::Expand) };
        let house = House::new(Direction::Both, expand).await;
        house.put(&event("a", LAST)).await;
        house.run().await;
        let count = starts(&house).len();
        house.there.remove(&at(&house, "20261231T100000Z"));
        house.there.remove(&at(&house, "20270129T100000Z"));
        house.later(INTERVAL).await;
        assert_eq!(undo(&house).await, (RunStatus::Success, 0), "{delete:?}");
        let here = house.here("a").await.unwrap();
        assert!(!here.contains("EXDATE") && !here.contains("CANCELLED"), "{delete:?}: {here}");
        is_quiet(&house).await;
        assert_eq!(starts(&house).len(), count - 2);
        house.put(&event("a", &LAST.replace("Pay", "Pay day"))).await;
        house.later(INTERVAL).await;
        is_quiet(&house).await;
        assert_eq!(starts(&house).len(), count);
    }
}

/// One instance is taken out of a change of all that follow: those that follow go on as they are.
#[tokio::test]
async fn what_happens_there_to_the_first_of_all_that_follow_happens_to_that_one() {
    let expand = LinkPolicy { delete: Some(DeletePolicy::Delete), ..policy(UnsupportedRecurrence::Expand) };
    for delete in [false, true] {
        let house = House::new(Direction::Both, expand.clone()).await;
        let from = "RECURRENCE-ID;RANGE=THISANDFUTURE:20261231T100000Z\nDTSTART:20261231T120000Z\nDTEND:20261231T130000Z\n\
             SUMMARY:Later";
        let one = event("a", from);
        let one = &one[one.find("BEGIN:VEVENT").unwrap()..one.find("END:VCALENDAR").unwrap()];
        house.put(&event("a", LAST).replace("END:VCALENDAR", &format!("{one}END:VCALENDAR"))).await;
        house.run().await;
        let there = starts(&house);
        let first = at(&house, "20261231T120000Z");
        if delete {
            house.there.remove(&first);
        } else {
            house.there.edit(&first, |e| retitled(&e, "Later", "Theirs"));
        }
        house.later(INTERVAL).await;
        let here = house.here("a").await.unwrap();
        assert!(here.contains("RECURRENCE-ID;RANGE=THISANDFUTURE:20270129T100000Z"), "{here}");
        assert!(here.contains("DTSTART:20270129T120000Z"), "{here}");
        assert_eq!(here.contains("RECURRENCE-ID:20261231T100000Z"), !delete);
        assert_eq!((here.contains("SUMMARY:Theirs"), here.contains("EXDATE:20261231T100000Z")), (!delete, delete));
        is_quiet(&house).await;
        let left: Vec<_> = there.into_iter().filter(|start| !delete || start != "20261231T120000Z").collect();
        assert_eq!(starts(&house), left);
        let later = house.there.live().values().filter(|e| e.contains("SUMMARY:Later")).count();
        assert_eq!((later, house.open_conflicts().await.len()), (left.len() - 1 - usize::from(!delete), 0));
    }
}

/// What cannot be an appointment here is told with the link, until it can be.
#[tokio::test]
async fn what_is_left_alone_is_told() {
    let house = expanding().await;
    house.put(&event("a", LAST)).await;
    house.run().await;
    let one = at(&house, "20261231T100000Z");
    house.there.edit(&one, |e| e.replace("END:VEVENT", "RRULE:FREQ=NEVER\r\nEND:VEVENT"));
    house.later(INTERVAL).await;
    let told = warnings(&house).await;
    let preview = house.desk.preview(house.ada.firm.clone(), house.link.clone()).await.unwrap();
    assert_eq!((told.len(), preview.warnings.len()), (2, 2), "{told:?}");
    house.there.edit(&one, |e| e.replace("RRULE:FREQ=NEVER\r\n", "LOCATION:Hall\r\n"));
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!(warnings(&house).await.len(), 1);
    assert!(house.here("a").await.unwrap().contains("LOCATION:Hall"));
}

/// An override is one instance: a series made of it there is a series here.
#[tokio::test]
async fn an_instance_that_becomes_a_series_there_is_one_of_its_own_here() {
    let house = expanding().await;
    house.put(&event("a", LAST)).await;
    house.run().await;
    let count = starts(&house).len();
    let one = at(&house, "20261231T100000Z");
    house
        .there
        .edit(&one, |e| retitled(&e, "Pay", "Sprint").replace("END:VEVENT", "RRULE:FREQ=WEEKLY;COUNT=3\r\nEND:VEVENT"));
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!(house.count_here().await, 2);
    let series = house.here("a").await.unwrap();
    assert!(series.contains("EXDATE:20261231T100000Z") && !series.contains("COUNT=3"), "{series}");
    assert_eq!((shapes(&house), house.open_conflicts().await.len()), ((1, count), 0));
    assert!(house.there.live()[&one].contains("RRULE:FREQ=WEEKLY;COUNT=3"));
    // From now on it goes its own way.
    house.there.edit(&one, |e| retitled(&e, "Sprint", "Sprints"));
    house.delete("a").await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!((house.count_here().await, house.there.live().len()), (1, 1));
}

/// What somebody makes private there goes from there, as everything private does, and that is told.
#[tokio::test]
async fn what_is_made_private_there_goes_from_there_and_that_is_told() {
    for (private, words, shown) in [
        (PrivatePolicy::Exclude, "it was taken away there", 0),
        (PrivatePolicy::Mask, "this link masks what is private", 1),
    ] {
        let house = House::new(Direction::Both, LinkPolicy { private, ..LinkPolicy::default() }).await;
        house.put(&crate::house::plain("a", "Call")).await;
        house.run().await;
        house.there.edit(&house.id_there("a"), |e| {
            retitled(&e, "Call", "Doctor").replace("END:VEVENT", "CLASS:PRIVATE\r\nEND:VEVENT")
        });
        house.later(INTERVAL).await;
        is_quiet(&house).await;
        let there = house.there.live();
        assert_eq!(there.values().filter(|e| !e.contains("Doctor")).count(), shown, "{private:?}: {there:?}");
        assert_eq!(there.len(), shown);
        assert!(house.here("a").await.unwrap().contains("SUMMARY:Doctor"));
        assert!(is_told(&house, words).await, "{private:?}: {:?}", warnings(&house).await);
        // Public again, nothing of that is told any more.
        house.put(&crate::house::plain("a", "Dentist")).await;
        house.later(INTERVAL).await;
        assert_eq!((house.there.live().len(), warnings(&house).await.len()), (1, 0));
    }
}

/// Who made one of the instances there by hand has it once, and who made it otherwise is asked.
#[tokio::test]
async fn the_twin_of_an_instance_is_that_instance() {
    for (more, conflicts) in [("", 0), ("\nLOCATION:Elsewhere", 1)] {
        let house = expanding().await;
        let theirs = format!("DTSTART:20261231T100000Z\nDTEND:20261231T110000Z\nSUMMARY:Pay{more}");
        house.there.human("theirs", &event("theirs", &theirs));
        house.there.human("other", &event("other", "DTSTART:20270129T100000Z\nDTEND:20270129T113000Z\nSUMMARY:Pay"));
        house
            .put(&event(
                "a",
                &format!("{LAST}\nLOCATION:Here").replace(if more.is_empty() { "\nLOCATION:Here" } else { "" }, ""),
            ))
            .await;
        house.run().await;
        is_quiet(&house).await;
        let at = |start: &str| starts(&house).iter().filter(|s| *s == start).count();
        assert_eq!((at("20261231T100000Z"), at("20270129T100000Z"), at("20270226T100000Z")), (1, 2, 1));
        assert_eq!(house.count_here().await, 2, "the other one is another");
        let open = house.open_conflicts().await;
        assert_eq!(open.len(), conflicts);
        assert!(open.iter().all(|c| c.kind == kalends::domain::sync::ConflictKind::CreatedExternally));
        // From now on it is an instance like the others.
        if more.is_empty() {
            house.put(&event("a", &LAST.replace("Pay", "Pay day"))).await;
            house.later(INTERVAL).await;
            is_quiet(&house).await;
            assert!(house.there.live()["theirs"].contains("SUMMARY:Pay day"));
            house.put(&event("a", &weekly())).await;
            house.later(INTERVAL).await;
            is_quiet(&house).await;
            assert_eq!(shapes(&house), (1, 2));
        }
    }
}

/// Times are compared as they are, also where an event names its zone without saying what it is.
#[tokio::test]
async fn the_twin_of_an_instance_is_known_in_its_zone() {
    let zoned = LAST.replace("DTSTART:", "DTSTART;TZID=Europe/Berlin:").replace("DTEND:", "DTEND;TZID=Europe/Berlin:");
    let zoned = zoned.replace("00Z", "00");
    let house = expanding().await;
    house.there.human("theirs", &event("theirs", "DTSTART:20261231T090000Z\nDTEND:20261231T100000Z\nSUMMARY:Pay"));
    house.put(&event("a", &zoned)).await;
    house.run().await;
    is_quiet(&house).await;
    let there = house.there.live();
    let on_the_day = |ics: &&String| ics.contains("DTSTART:20261231") || ics.contains("Berlin:20261231");
    assert_eq!((there.values().filter(on_the_day).count(), house.count_here().await), (1, 1), "{there:?}");
}
