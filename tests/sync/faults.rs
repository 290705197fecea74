//! What providers and processes do to a run, and what must not come of it: every one of these was found once by a
//! simulated world or a reader.

use std::sync::Arc;
use std::time::Duration;

use kalends::domain::ids::LinkId;
use kalends::domain::sync::{Direction, LinkPolicy, LinkStatus, MappingState, ParkReason, RemoteCalendarId, RunStatus};
use kalends::domain::time::{DAY_MS, MINUTE_MS};
use kalends::store::{Due, LEASE_MS, LinkSettings, NewLink};
use kalends::sync::scheduler;
use kalends::upstream::Failure;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::double::Fault;
use crate::house::{INTERVAL, both, down, event, lost, plain, retitled};

/// Nothing here takes so long; it only ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn class_4_a_removal_that_is_none_is_not_believed() {
    let house = both().await;
    house.there.human("e1", &plain("u1", "E"));
    house.there.human("e2", &plain("u2", "E"));
    house.run().await;
    house.there.slander("e1");
    house.there.remove("e2");
    house.later(INTERVAL).await;
    assert!(house.here("u1").await.is_some_and(|e| !e.contains("CANCELLED")), "it is there");
    assert!(house.here("u2").await.is_some_and(|e| e.contains("CANCELLED")), "it is not");
}

#[tokio::test]
async fn class_4_what_a_listing_of_changes_left_out_is_heard_of_within_a_day() {
    let house = both().await;
    house.there.human("e1", &plain("u1", "E"));
    house.there.human("e2", &plain("u2", "E"));
    house.run().await;
    house.there.edit("e1", |e| retitled(&e, "E", "Edited"));
    house.there.leave_out("e1");
    house.later(INTERVAL).await;
    house.there.remove("e2");
    house.there.leave_out("e2");
    house.later(INTERVAL).await;
    assert!(house.here("u1").await.is_some_and(|e| e.contains("SUMMARY:E")), "nothing was said of it");
    house.later(DAY_MS).await;
    assert!(house.here("u1").await.is_some_and(|e| e.contains("Edited")));
    assert!(house.here("u2").await.is_some_and(|e| e.contains("CANCELLED")));
}

#[tokio::test]
async fn class_21_an_item_that_cannot_be_had_does_not_keep_the_others_from_coming() {
    let house = both().await;
    house.there.human("e1", &plain("u1", "E"));
    house.there.human("e2", &plain("u2", "E"));
    house.run().await;
    house.there.remove("e1");
    house.there.edit("e2", |e| retitled(&e, "E", "Edited"));
    house.there.fault("fetch", Fault::Before(Failure::Refused("400".to_owned())));
    house.later(INTERVAL).await;
    assert!(house.here("u1").await.is_some_and(|e| !e.contains("CANCELLED")), "left as it was");
    assert!(house.here("u2").await.is_some_and(|e| e.contains("Edited")));
    let run = house.last_run().await;
    assert_eq!((run.status, run.totals.errors, run.totals.pulled), (RunStatus::Partial, 1, 1));
    // What was left is looked at again with everything else, and soon.
    house.later(INTERVAL).await;
    assert!(house.here("u1").await.is_some_and(|e| e.contains("CANCELLED")));
}

#[tokio::test]
async fn class_21_an_item_whose_failure_never_passes_is_left_after_the_last_retry() {
    let house = both().await;
    house.there.human("e1", &plain("u1", "E"));
    house.there.human("e2", &plain("u2", "E"));
    house.run().await;
    house.there.remove("e1");
    house.there.edit("e2", |e| retitled(&e, "E", "Edited"));
    for _ in 0..6 {
        house.there.fault("fetch", Fault::Before(down()));
    }
    for tries in 1..=5 {
        house.later(MINUTE_MS).await;
        assert_eq!(house.link().await.failures, tries, "the run is tried again");
    }
    house.later(INTERVAL).await;
    assert_eq!(house.link().await.failures, 0);
    assert!(house.here("u2").await.is_some_and(|e| e.contains("Edited")));
    assert!(house.here("u1").await.is_some_and(|e| !e.contains("CANCELLED")));
}

#[tokio::test]
async fn class_1_an_edit_of_what_a_lost_answer_created_is_kept() {
    for here in [true, false] {
        let house = both().await;
        house.run().await;
        house.put(&plain("a", "A")).await;
        house.there.fault("create", Fault::After(lost()));
        house.work().await;
        let edit = |e: String| e.replace("SUMMARY:A", "SUMMARY:A\r\nLOCATION:Hall");
        if here {
            house.put(&edit(plain("a", "A"))).await;
        } else {
            let id = house.id_there("a");
            house.there.edit(&id, edit);
        }
        house.later(MINUTE_MS).await;
        house.later(INTERVAL).await;
        for side in [house.here("a").await.unwrap(), house.there("a").unwrap()] {
            assert!(side.contains("LOCATION:Hall"), "edited here: {here}\n{side}");
        }
    }
}

#[tokio::test]
async fn class_1_a_create_that_is_heard_of_before_it_is_looked_for_keeps_both_sides_edits() {
    let house = both().await;
    house.run().await;
    house.put(&plain("a", "A")).await;
    house.there.fault("create", Fault::After(lost()));
    house.work().await;
    let id = house.id_there("a");
    house.there.edit(&id, |e| e.replace("SUMMARY:A", "SUMMARY:A\r\nLOCATION:Hall"));
    house.put(&plain("a", "A2")).await;
    house.later(INTERVAL).await; // pulls first
    house.later(INTERVAL).await;
    assert!(house.open_conflicts().await.is_empty());
    for side in [house.here("a").await.unwrap(), house.there("a").unwrap()] {
        assert!(side.contains("SUMMARY:A2") && side.contains("LOCATION:Hall"), "{side}");
    }
}

#[tokio::test]
async fn class_11_a_create_that_stopped_before_the_exceptions_does_not_take_them_back() {
    let house = both().await;
    house.run().await;
    let series = "DTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nRRULE:FREQ=DAILY;COUNT=5\nSUMMARY:S";
    let change = "\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:s\r\nDTSTAMP:20261101T000000Z\r\n\
                  RECURRENCE-ID:20261203T100000Z\r\nDTSTART:20261203T120000Z\r\nDTEND:20261203T130000Z\r\n\
                  SUMMARY:moved\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let bare = event("s", series);
    let whole = event("s", &format!("{series}\nEXDATE:20261202T100000Z"))
        .replace("\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", change);
    house.put(&whole).await;
    house.there.fault("create", Fault::After(lost()));
    house.work().await;
    let id = house.id_there("s");
    house.there.human(&id, &bare); // its first call was carried out, the others never went out
    house.later(INTERVAL).await;
    house.later(INTERVAL).await;
    for side in [house.here("s").await.unwrap(), house.there("s").unwrap()] {
        assert!(side.contains("SUMMARY:moved") && side.contains("EXDATE:20261202T100000Z"), "{side}");
    }
}

#[tokio::test]
async fn a_deletion_that_meets_a_conflict_is_not_taken_for_a_creation() {
    let house = both().await;
    house.there.human("e1", &plain("u1", "E"));
    house.run().await;
    house.delete("u1").await;
    house.there.fault("delete", Fault::Before(Failure::Exists));
    house.work().await;
    house.later(INTERVAL).await;
    assert!(house.there.live().is_empty(), "it is deleted after all");
    assert_eq!(house.count_here().await, 0);
}

#[tokio::test]
async fn a_deletion_that_a_provider_only_claimed_is_made_again_when_everything_is_listed() {
    let house = both().await;
    house.there.human("e1", &plain("u1", "E"));
    house.run().await;
    house.delete("u1").await;
    house.there.fault("delete", Fault::Pretend);
    house.work().await;
    house.later(INTERVAL).await;
    assert_eq!((house.there.live().len(), house.count_here().await), (1, 0), "it answered that it is gone");
    house.later(DAY_MS).await;
    assert_eq!((house.there.live().len(), house.count_here().await), (0, 0));
}

#[tokio::test]
async fn class_3_a_confirmation_holds_for_what_was_counted_and_for_no_more() {
    let house = both().await;
    for n in 0..60 {
        house.there.human(&format!("e{n}"), &plain(&format!("u{n}"), "E"));
    }
    house.run().await;
    (0..20).for_each(|n| house.there.remove(&format!("e{n}")));
    house.later(INTERVAL).await;
    assert_eq!(house.status().await, LinkStatus::NeedsConfirmation);
    (20..40).for_each(|n| house.there.remove(&format!("e{n}")));
    let mut tx = house.bench.store.write().await.unwrap();
    assert!(tx.confirm_link(&house.ada.firm, &house.link, i64::MAX).await.unwrap());
    tx.commit().await.unwrap();
    house.later(INTERVAL).await;
    assert_eq!(house.status().await, LinkStatus::NeedsConfirmation, "twenty were confirmed, not forty");
    for n in 0..60 {
        assert!(house.here(&format!("u{n}")).await.is_some_and(|e| !e.contains("CANCELLED")), "u{n}");
    }
    let mut tx = house.bench.store.write().await.unwrap();
    assert!(tx.confirm_link(&house.ada.firm, &house.link, i64::MAX).await.unwrap());
    tx.commit().await.unwrap();
    house.later(INTERVAL).await;
    assert_eq!((house.status().await, house.link().await.confirmed), (LinkStatus::Active, 0));
    assert!(house.here("u39").await.is_some_and(|e| e.contains("CANCELLED")));
}

#[tokio::test]
async fn class_3_a_confirmed_removal_here_lets_nothing_be_removed_there() {
    let house = both().await;
    for n in 0..60 {
        house.there.human(&format!("e{n}"), &plain(&format!("u{n}"), "E"));
    }
    house.run().await;
    (0..20).for_each(|n| house.there.remove(&format!("e{n}")));
    house.later(INTERVAL).await;
    for n in 40..60 {
        house.delete(&format!("u{n}")).await;
    }
    let mut tx = house.bench.store.write().await.unwrap();
    assert!(tx.confirm_link(&house.ada.firm, &house.link, i64::MAX).await.unwrap());
    tx.commit().await.unwrap();
    house.later(INTERVAL).await;
    assert_eq!(house.there.live().len(), 40, "what a client lost is asked about by itself");
    assert_eq!(house.status().await, LinkStatus::NeedsConfirmation);
}

#[tokio::test]
async fn class_24_an_event_that_its_provider_gives_another_name_stays_one_event() {
    for removed_first in [true, false] {
        let house = both().await;
        let (old, new) = if removed_first { ("a", "b") } else { ("b", "a") }; // listed in this order
        house.there.human(old, &plain("u", "E"));
        house.there.human("other", &plain("other", "O"));
        house.run().await;
        house.there.remove(old);
        house.there.human(new, &plain("u", "E"));
        house.later(INTERVAL).await;
        let here = house.here("u").await.unwrap();
        assert!(!here.contains("CANCELLED"), "{here}");
        assert_eq!((house.count_here().await, house.there.live().len()), (2, 2));
        house.there.edit(new, |e| retitled(&e, "E", "Edited"));
        house.later(INTERVAL).await;
        assert!(house.here("u").await.unwrap().contains("Edited"), "it is the one that is followed");
    }
}

#[tokio::test]
async fn class_22_a_run_that_left_something_does_not_say_success() {
    let house = both().await;
    house.run().await;
    house.put(&plain("a", "A")).await;
    house.put(&plain("b", "B")).await;
    house.there.fault("create", Fault::Before(down()));
    house.bench.clock.advance_ms(1_000);
    house.work().await;
    let run = house.last_run().await;
    assert_eq!((run.status, run.totals.pushed, run.totals.errors), (RunStatus::Partial, 1, 1), "one of two went out");
    assert!(run.error_summary.is_some());
    house.bench.clock.advance_ms(MINUTE_MS);
    house.there.fault("create", Fault::Before(Failure::Refused("400".to_owned())));
    house.work().await;
    let run = house.last_run().await;
    assert_eq!((run.status, run.totals.pushed), (RunStatus::Failed, 0), "nothing of what it tried");
    house.there.fault("changes", Fault::Before(down()));
    let before = house.link().await.last.1;
    house.later(INTERVAL).await;
    assert_eq!(house.last_run().await.status, RunStatus::Failed);
    assert_eq!(house.link().await.last.1, before, "it did not succeed since");
}

#[tokio::test]
async fn a_long_call_keeps_its_lease() {
    let house = both().await;
    house.run().await;
    house.put(&plain("a", "A")).await;
    house.there.stall("create");
    let due = Due { firm: house.ada.firm.clone(), link: house.link.clone() };
    let engine = house.engine.clone().beating(Duration::from_millis(1));
    let work = tokio::spawn(async move { engine.work(&due).await });
    timeout(PATIENCE, house.there.stalled(1)).await.expect("the call");
    for _ in 0..4 {
        house.bench.clock.advance_ms(LEASE_MS - 1);
        let wanted = house.bench.store.now().plus_ms(LEASE_MS / 2);
        let prolonged = async {
            while house.link().await.lease_until.is_none_or(|until| until < wanted) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, prolonged).await.expect("the lease is prolonged while the call goes on");
    }
    let due = Due { firm: house.ada.firm.clone(), link: house.link.clone() };
    assert!(!house.engine.work(&due).await.unwrap(), "nobody else takes it");
    house.there.go();
    timeout(PATIENCE, work).await.expect("it ends").unwrap().unwrap();
    assert!(house.there("a").is_some());
}

#[tokio::test]
async fn a_lost_lease_ends_the_work_before_its_next_write() {
    let house = both().await;
    house.run().await;
    let object = house.put(&plain("a", "A")).await;
    house.put(&plain("b", "B")).await;
    house.there.stall("create");
    let due = Due { firm: house.ada.firm.clone(), link: house.link.clone() };
    let engine = house.engine.clone(); // which does not prolong it for half a minute
    let late = tokio::spawn(async move { engine.work(&due).await });
    timeout(PATIENCE, house.there.stalled(1)).await.expect("the call");
    house.bench.clock.advance_ms(LEASE_MS + 1);
    let mut tx = house.bench.store.write().await.unwrap();
    let due = Due { firm: house.ada.firm.clone(), link: house.link.clone() };
    let lease = tx.take_lease(&due, "another").await.unwrap().expect("it has ended");
    tx.commit().await.unwrap();
    house.there.calls();
    house.there.go();
    timeout(PATIENCE, late).await.expect("it ends").unwrap().unwrap();
    assert_eq!(house.there.calls(), ["create"], "the call that was under way, and no other");
    let states = house.mapping(&object).await.map(|m| m.state);
    assert!(!matches!(states, Some(MappingState::Synced)), "whoever was late wrote nothing: {states:?}");
    let mut tx = house.bench.store.write().await.unwrap();
    tx.release(&lease).await.unwrap();
    tx.commit().await.unwrap();
    house.later(INTERVAL).await;
    assert!(house.there("a").is_some() && house.there("b").is_some(), "and once each");
}

#[tokio::test]
async fn a_lost_lease_ends_a_call_that_goes_on() {
    let house = both().await;
    house.run().await;
    house.put(&plain("a", "A")).await;
    house.there.stall("create");
    let due = Due { firm: house.ada.firm.clone(), link: house.link.clone() };
    let engine = house.engine.clone().beating(Duration::from_millis(50));
    let late = tokio::spawn(async move { engine.work(&due).await });
    timeout(PATIENCE, house.there.stalled(1)).await.expect("the call");
    let mut tx = house.bench.store.write().await.unwrap();
    let firm = house.ada.firm.clone();
    // As if it had ended and another had it.
    tx.release(&kalends::store::Lease { firm, link: house.link.clone(), fence: house.link().await.fence })
        .await
        .unwrap();
    let due = Due { firm: house.ada.firm.clone(), link: house.link.clone() };
    tx.take_lease(&due, "another").await.unwrap().expect("it is free");
    tx.commit().await.unwrap();
    timeout(PATIENCE, late).await.expect("it ends although the call does not").unwrap().unwrap();
}

#[tokio::test]
async fn a_program_stops_although_as_many_links_are_worked_on_as_there_may_be() {
    let house = both().await;
    let mut tx = house.bench.store.write().await.unwrap();
    for n in 0..12 {
        let new = NewLink {
            connection: house.connection.clone(),
            calendar: house.access.calendar().clone(),
            remote: RemoteCalendarId(format!("r{n}")),
            remote_name: format!("R{n}"),
            zone: "UTC".to_owned(),
            settings: LinkSettings { direction: Direction::Both, interval_ms: INTERVAL, policy: LinkPolicy::default() },
        };
        let _: LinkId = tx.add_link((&house.ada.firm, &house.ada.id), &new).await.unwrap().unwrap();
    }
    tx.commit().await.unwrap();
    house.there.stall("changes");
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let running = tokio::spawn(scheduler::run(house.engine.clone(), async move { stopped.notified().await }));
    timeout(PATIENCE, house.there.stalled(8)).await.expect("eight links are asked about");
    stop.notify_one();
    timeout(PATIENCE, running).await.expect("it does not wait for a place for the ninth").unwrap();
}

#[tokio::test]
async fn class_10_somebody_elses_meeting_is_not_deleted_because_its_guest_tidied_up() {
    let house = both().await;
    let meeting = event(
        "m",
        "DTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nSUMMARY:M\nORGANIZER:mailto:boss@example.com\n\
         ATTENDEE:mailto:ada@example.com",
    );
    house.there.human("m", &meeting);
    house.there.human("n", &meeting.replace("UID:m", "UID:n"));
    house.run().await;
    house.there.calls();
    house.delete("m").await;
    let object = house.put(&retitled(&house.here("n").await.unwrap(), "M", "Mine")).await;
    house.work().await;
    house.later(DAY_MS).await;
    assert_eq!(house.there.live().len(), 2, "both meetings are there");
    let calls = house.there.calls();
    assert!(!calls.iter().any(|c| c == "delete" || c == "update" || c == "create"), "{calls:?}");
    assert!(house.here("m").await.is_none(), "and what was tidied up stays away");
    let state = house.mapping(&object).await.unwrap().state;
    assert!(matches!(state, MappingState::Parked(ParkReason::Refused { .. })), "{state:?}");
}
