//! What is the other side's own, and what both sides made for one and the same appointment.

use kalends::domain::sync::{ConflictKind, DeletePolicy, Direction, LinkPolicy, MappingState, PrivatePolicy};
use kalends::domain::time::MINUTE_MS;

use crate::double::Fault;
use crate::house::{House, INTERVAL, both, down, event, plain, retitled};

const PRIVATE: &str = "DTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nSUMMARY:Dentist\nCLASS:PRIVATE";

/// A private event of theirs is their own, and no secret of this side's.
#[tokio::test]
async fn what_is_private_there_and_came_from_there_is_changed_there() {
    for private in [PrivatePolicy::Exclude, PrivatePolicy::Mask, PrivatePolicy::Include] {
        let house = House::new(Direction::Both, LinkPolicy { private, ..LinkPolicy::default() }).await;
        house.there.human("a", &event("a", PRIVATE));
        house.run().await;
        house.put(&retitled(&event("a", PRIVATE), "Dentist", "Dentist at nine").replace("T10", "T09")).await;
        house.later(INTERVAL).await;
        let there = house.there("a").unwrap();
        assert!(there.contains("SUMMARY:Dentist at nine") && there.contains("T090000Z"), "{private:?}: {there}");
        house.there.edit("a", |e| retitled(&e, "Dentist at nine", "Dentist by hand"));
        house.later(INTERVAL).await;
        assert!(house.here("a").await.unwrap().contains("SUMMARY:Dentist by hand"), "{private:?}");
        assert!(house.open_conflicts().await.is_empty());
    }
}

/// Whoever deletes here, brings it back there from the bin and here by hand has one appointment and no second one.
#[tokio::test]
async fn what_was_brought_back_there_is_not_made_a_second_time() {
    for changed in [false, true] {
        let house = both().await;
        house.there.human("theirs", &plain("a", "A"));
        house.run().await;
        house.delete("a").await;
        house.work().await;
        assert!(house.there.live().is_empty());
        let back = if changed { plain("a", "A\nLOCATION:Hall") } else { plain("a", "A") };
        house.there.human("theirs", &back);
        let id = house.put(&plain("a", "A\nDESCRIPTION:mine")).await;
        house.there.calls();
        house.work().await;
        let calls = house.there.calls();
        assert!(!calls.iter().any(|call| call == "create" || call == "changes"), "{calls:?}");
        house.later(INTERVAL).await;
        let live = house.there.live();
        assert_eq!(live.keys().collect::<Vec<_>>(), ["theirs"]);
        let (there, here) = (&live["theirs"], house.here("a").await.unwrap());
        for side in [there.as_str(), here.as_str()] {
            assert!(side.contains("DESCRIPTION:mine") && side.contains("LOCATION:Hall") == changed, "{side}");
        }
        assert_eq!(house.mapping(&id).await.unwrap().state, MappingState::Synced);
        assert!(house.open_conflicts().await.is_empty());
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_now_is_not_made_anew_now() {
    let house = both().await;
    house.there.human("theirs", &plain("a", "A"));
    house.run().await;
    house.delete("a").await;
    house.work().await;
    house.there.human("theirs", &plain("a", "A"));
    house.put(&plain("a", "B")).await;
    house.there.fault("fetch", Fault::Before(down()));
    house.work().await;
    assert!(house.there("a").unwrap().contains("SUMMARY:A"));
    assert_eq!((house.there.live().len(), house.count_here().await), (1, 1));
    house.later(MINUTE_MS).await;
    assert!(house.there("a").unwrap().contains("SUMMARY:B"));
    assert_eq!((house.there.live().len(), house.count_here().await), (1, 1));
    // Where it is not there, it is made anew.
    house.delete("a").await;
    house.work().await;
    house.put(&plain("a", "C")).await;
    house.work().await;
    assert!(house.there("a").unwrap().contains("SUMMARY:C"));
    assert_eq!(house.there.live().len(), 1);
}

/// What a link withdrew and somebody brought back there is the one that is shown again.
#[tokio::test]
async fn what_was_withdrawn_and_brought_back_there_is_taken_up_again() {
    let house = both().await;
    let id = house.put(&plain("a", "A")).await;
    house.run().await;
    let there = house.id_there("a");
    house.put(&plain("a", "A\nCLASS:PRIVATE")).await;
    house.work().await;
    assert!(house.there.live().is_empty());
    house.there.human(&there, &plain("a", "A"));
    house.put(&plain("a", "A\nLOCATION:Hall")).await;
    house.work().await;
    assert!(house.there("a").unwrap().contains("LOCATION:Hall"));
    assert_eq!(house.there.live().len(), 1);
    assert_eq!(house.mapping(&id).await.unwrap().state, MappingState::Synced);
}

/// What was deleted on both sides and comes under another name there is that very appointment; the link goes on.
#[tokio::test]
async fn what_comes_again_under_another_name_takes_the_place_of_what_is_gone() {
    let house = both().await;
    house.there.human("one", &plain("a", "A"));
    house.run().await;
    house.delete("a").await;
    house.work().await;
    house.there.human("two", &plain("a", "A2"));
    house.later(INTERVAL).await;
    assert!(house.here("a").await.unwrap().contains("SUMMARY:A2"));
    house.put(&plain("a", "A3")).await;
    house.later(INTERVAL).await;
    assert_eq!(house.there.live().keys().collect::<Vec<_>>(), ["two"]);
    assert!(house.there("a").unwrap().contains("SUMMARY:A3"));
}

/// What an undo made anew there stands for the appointment; the old one, brought back beside it, is left alone and told.
#[tokio::test]
async fn a_second_one_beside_what_an_undo_made_anew_is_told() {
    let house = both().await;
    house.there.human("one", &plain("a", "A"));
    house.run().await;
    house.delete("a").await;
    house.work().await;
    let run = house.runs().await.into_iter().find(|run| run.totals.deleted == 1).unwrap();
    house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.unwrap();
    assert_eq!(house.there.live().len(), 1);
    house.there.human("one", &plain("a", "A"));
    house.later(INTERVAL).await;
    assert_eq!((house.count_here().await, house.there.live().len()), (0, 2));
    assert!(house.last_run().await.error_summary.is_some_and(|why| why.contains("stands for the same appointment")));
    house.there.human("other", &plain("other", "Other"));
    house.later(INTERVAL).await;
    assert!(house.here("other").await.is_some(), "the link goes on");
}

/// What is made private here is this side's secret, wherever it came from.
#[tokio::test]
async fn what_is_made_private_here_tells_nothing_more_and_says_so() {
    let house = both().await;
    house.there.human("a", &plain("a", "Open"));
    house.run().await;
    let id = house.put(&event("a", &PRIVATE.replace("Dentist", "Secret"))).await;
    house.later(INTERVAL).await;
    assert!(!house.there("a").unwrap().contains("Secret"));
    let mapping = house.mapping(&id).await.unwrap();
    assert_eq!(mapping.state, MappingState::Synced);
    assert!(mapping.warnings.iter().any(|w| w.contains("stays here")), "{:?}", mapping.warnings);
}

#[tokio::test]
async fn one_title_at_one_time_on_both_sides_is_one_appointment() {
    let house = both().await;
    house.put(&plain("here", "Twin")).await;
    house.there.human("there", &plain("there", "Twin"));
    house.run().await;
    house.later(INTERVAL).await;
    assert_eq!((house.count_here().await, house.there.live().len()), (1, 1));
    assert!(house.open_conflicts().await.is_empty(), "they say the same");
    house.put(&plain("here", "Renamed")).await;
    house.later(INTERVAL).await;
    assert!(house.there.live().values().all(|e| e.contains("SUMMARY:Renamed")), "they are linked");
}

#[tokio::test]
async fn twins_that_say_different_things_wait_for_somebody() {
    let house = both().await;
    house.put(&plain("here", "Twin\nDESCRIPTION:ours")).await;
    house.there.human("there", &plain("there", "Twin\nDESCRIPTION:theirs"));
    house.run().await;
    house.later(INTERVAL).await;
    assert_eq!((house.count_here().await, house.there.live().len()), (1, 1), "both are left alone");
    let open = house.open_conflicts().await;
    assert_eq!(open.iter().map(|c| c.kind).collect::<Vec<_>>(), [ConflictKind::CreatedExternally]);
}

#[tokio::test]
async fn what_only_looks_alike_is_two() {
    let other = |lines: &str| event("there", &format!("{lines}\nSUMMARY:Twin"));
    for (there, why) in [
        (plain("there", "Other"), "another title"),
        (other("DTSTART:20261201T100000Z\nDTEND:20261201T120000Z"), "another end"),
        (other("DTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nRRULE:FREQ=DAILY;COUNT=3"), "a series"),
    ] {
        let house = both().await;
        house.put(&plain("here", "Twin")).await;
        house.there.human("there", &there);
        house.run().await;
        house.later(INTERVAL).await;
        assert_eq!((house.count_here().await, house.there.live().len()), (2, 2), "{why}");
    }
    // Two of a kind on one side were meant to be two.
    let house = both().await;
    for uid in ["one", "two"] {
        house.there.human(uid, &plain(uid, "Twin"));
    }
    house.run().await;
    house.later(INTERVAL).await;
    assert_eq!((house.count_here().await, house.there.live().len()), (2, 2));
    // What the link keeps here is no twin of anything.
    let house = both().await;
    house.put(&event("here", PRIVATE)).await;
    house.there.human("there", &event("there", &PRIVATE.replace("\nCLASS:PRIVATE", "")));
    house.run().await;
    house.later(INTERVAL).await;
    assert_eq!((house.count_here().await, house.there.live().len()), (2, 1));
}

/// Whoever deletes there and takes it back keeps it, here and there: nobody here cancelled it.
#[tokio::test]
async fn what_was_deleted_there_and_brought_back_takes_place_again() {
    let series = "\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20261202T100000Z";
    for (origin_here, lines) in [(false, ""), (false, series), (true, "")] {
        for title in ["A", "B"] {
            let policy = LinkPolicy { delete: Some(DeletePolicy::Cancel), ..LinkPolicy::default() };
            let house = House::new(Direction::Both, policy).await;
            let text = plain("a", &format!("A\nX-OURS:kept{lines}"));
            if origin_here {
                house.put(&text).await;
            } else {
                house.there.human("theirs", &text);
            }
            house.run().await;
            let id = house.id_there("a");
            house.there.remove(&id);
            house.later(INTERVAL).await;
            assert!(house.here("a").await.unwrap().contains("STATUS:CANCELLED"));
            house.there.edit(&id, |ics| retitled(&ics, "A", title));
            house.later(INTERVAL).await;
            house.later(INTERVAL).await;
            let here = house.here("a").await.unwrap();
            assert!(!here.contains("CANCELLED") && here.contains("X-OURS:kept"), "{here}");
            assert!(here.contains(&format!("SUMMARY:{title}")), "{here}");
            assert_eq!(here.contains("EXDATE:20261202T100000Z"), !lines.is_empty(), "{here}");
            assert_eq!(house.there.live().len(), 1, "{origin_here} {lines}");
            // What somebody here cancels after that is cancelled.
            house.put(&here.replace("SUMMARY:", "STATUS:CANCELLED\r\nSUMMARY:")).await;
            house.later(INTERVAL).await;
            house.later(INTERVAL).await;
            assert!(house.here("a").await.unwrap().contains("STATUS:CANCELLED"));
        }
    }
}
