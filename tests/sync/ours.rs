//! What we did ourselves is never taken for what somebody else did, and what is taken back leaves alone what others did
//! since.

use kalends::domain::sync::{DeletePolicy, Direction, Filters, LinkPolicy, RunStatus};
use kalends::store::LinkSettings;

use crate::double::Fault;
use crate::house::{House, INTERVAL, event, lost, plain, retitled};

/// As a user changes a link's settings, now.
async fn set(house: &House, direction: Direction, policy: LinkPolicy) {
    let mut tx = house.bench.store.write().await.unwrap();
    let settings = LinkSettings { direction, interval_ms: INTERVAL, policy };
    assert!(tx.set_link(&house.ada.firm, &house.link, &settings).await.unwrap());
    tx.commit().await.unwrap();
}

fn keeping(categories: &[&str], delete: DeletePolicy) -> LinkPolicy {
    let categories = categories.iter().map(|c| (*c).to_owned()).collect();
    LinkPolicy { filters: Filters { categories, ..Filters::default() }, delete: Some(delete), ..LinkPolicy::default() }
}

/// A withdrawal is carried out and its answer lost; the next run hears of the deletion, under every delete policy.
#[tokio::test]
async fn class_1_a_withdrawal_whose_answer_is_lost_takes_nothing_away_here() {
    for policy in [DeletePolicy::Delete, DeletePolicy::Cancel, DeletePolicy::MarkExternalRemoved] {
        for widened in [false, true] {
            let house = House::new(Direction::Both, keeping(&[], policy)).await;
            house.put(&plain("a", "A")).await;
            house.run().await;
            assert!(house.there("a").is_some());
            set(&house, Direction::Both, keeping(&["kept"], policy)).await;
            house.there.fault("delete", Fault::After(lost()));
            house.work().await;
            assert!(house.there("a").is_none(), "the deletion was carried out");
            if widened {
                set(&house, Direction::Both, keeping(&[], policy)).await;
            }
            house.later(INTERVAL).await;
            house.later(INTERVAL).await;
            let here = house.here("a").await;
            assert!(here.is_some_and(|a| !a.contains("CANCELLED")), "{policy:?}: nobody took it away");
            assert_eq!(house.there("a").is_some(), widened, "{policy:?}: it is there if it is to be seen there");
            set(&house, Direction::Both, keeping(&[], policy)).await;
            house.later(INTERVAL).await;
            assert!(house.there("a").is_some(), "{policy:?}: it matches again");
        }
    }
}

#[tokio::test]
async fn an_undo_leaves_alone_what_was_changed_since() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.put(&plain("a", "A")).await;
    house.put(&plain("b", "A")).await;
    house.run().await;
    for uid in ["a", "b"] {
        house.put(&plain(uid, "B")).await;
    }
    house.later(INTERVAL).await;
    let runs = house.runs().await;
    assert_eq!(runs.len(), 2);
    house.put(&plain("a", "C")).await;
    house.there.edit(&house.id_there("b"), |e| e.replace("SUMMARY:B", "SUMMARY:B\r\nLOCATION:There"));
    house.later(INTERVAL).await;
    for run in runs {
        let done = house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.unwrap();
        assert_eq!((done.status, done.totals.pushed), (RunStatus::Failed, 0), "{done:?}");
    }
    house.later(INTERVAL).await;
    assert!(house.there("a").unwrap().contains("SUMMARY:C"));
    assert!(house.there("b").unwrap().contains("LOCATION:There"));
}

#[tokio::test]
async fn an_undo_shows_nothing_that_is_not_to_be_seen_now() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.put(&plain("a", "A")).await;
    house.run().await;
    house.put(&event("a", "DTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nSUMMARY:A\nCLASS:PRIVATE")).await;
    house.later(INTERVAL).await;
    let run = house.runs().await.remove(0);
    assert!(house.there("a").is_none(), "it was withdrawn");
    let done = house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.unwrap();
    assert_eq!(done.status, RunStatus::Failed, "{done:?}");
    house.later(INTERVAL).await;
    assert!(house.there("a").is_none());
}

#[tokio::test]
async fn an_undo_can_be_undone_here() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.there.human("b", &plain("b", "B"));
    house.run().await;
    house.there.edit("b", |e| retitled(&e, "B", "B2"));
    house.later(INTERVAL).await;
    for title in ["SUMMARY:B\r\n", "SUMMARY:B2\r\n"] {
        let run = house.runs().await.remove(0);
        let done = house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.unwrap();
        assert_eq!(done.status, RunStatus::Success, "{done:?}");
        assert!(house.here("b").await.unwrap().contains(title));
    }
}

/// What comes back here by undoing an undo, and was taken away there in between, is dealt with as what is taken away there.
#[tokio::test]
async fn what_is_undone_twice_and_was_taken_away_there_in_between_is_gone_there() {
    for (taken, cancelled) in [(false, false), (true, true)] {
        let house = House::new(Direction::Both, LinkPolicy::default()).await;
        house.there.human("b", &plain("b", "B"));
        house.run().await;
        house.bench.clock.advance_ms(1);
        let undo = async || {
            let run = house.runs().await.remove(0);
            house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.unwrap()
        };
        assert_eq!(undo().await.status, RunStatus::Success);
        assert_eq!(house.here("b").await, None);
        let undoing = house.last_run().await;
        if taken {
            house.there.remove("b");
        }
        house.later(INTERVAL).await;
        let done = house.desk.undo(house.ada.firm.clone(), undoing.id, "ada".to_owned()).await.unwrap();
        assert_eq!(done.status, RunStatus::Success);
        assert!(house.here("b").await.unwrap().contains("SUMMARY:B"));
        house.later(INTERVAL).await;
        assert_eq!(house.here("b").await.unwrap().contains("STATUS:CANCELLED"), cancelled);
        // Whichever it is, an edit of either side is heard of on the other.
        house.put(&plain("b", "B2")).await;
        house.later(INTERVAL).await;
        assert_eq!(house.there.live().len(), 1);
        assert!(house.there.live().values().all(|text| text.contains("SUMMARY:B2")));
    }
}

/// What was deleted here after the run that is undone is deleted there, and no state of before stays there without it.
#[tokio::test]
async fn an_undo_keeps_nothing_there_that_was_deleted_here_since() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.put(&plain("a", "A")).await;
    house.run().await;
    house.put(&plain("a", "A2")).await;
    house.later(INTERVAL).await;
    let run = house.last_run().await;
    house.delete("a").await;
    house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.unwrap();
    house.later(INTERVAL).await;
    assert_eq!((house.count_here().await, house.there.live().len()), (0, 0));
}

/// What an undo took away there is one event again when somebody brings it back there from the bin.
#[tokio::test]
async fn what_an_undo_took_away_there_can_be_brought_back_there() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.put(&plain("a", "A")).await;
    house.run().await;
    let there = house.id_there("a");
    let run = house.runs().await.remove(0);
    house.delete("a").await;
    house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.unwrap();
    assert!(house.there.live().is_empty());
    house.there.human(&there, &plain("a", "A"));
    house.later(INTERVAL).await;
    assert_eq!((house.count_here().await, house.there.live().len()), (1, 1));
    house.there.edit(&there, |e| retitled(&e, "A", "B"));
    house.later(INTERVAL).await;
    assert!(house.here("a").await.unwrap().contains("SUMMARY:B"), "they are linked");
}

#[tokio::test]
async fn a_link_that_pulls_at_last_brings_what_was_there_before() {
    let house = House::new(Direction::Push, LinkPolicy::default()).await;
    house.there.human("old", &plain("old", "Old"));
    house.run().await;
    house.there.human("new", &plain("new", "New"));
    house.later(INTERVAL).await;
    assert_eq!(house.count_here().await, 0);
    set(&house, Direction::Both, LinkPolicy::default()).await;
    house.later(INTERVAL).await;
    assert_eq!((house.count_here().await, house.there.live().len()), (2, 2));
    house.there.edit("old", |e| retitled(&e, "Old", "Older"));
    house.later(INTERVAL).await;
    assert!(house.here("old").await.unwrap().contains("SUMMARY:Older"));
}

#[tokio::test]
async fn class_9_nobody_is_invited_to_somebody_elses_meeting() {
    let policy = LinkPolicy { invite_attendees: true, ..LinkPolicy::default() };
    let house = House::new(Direction::Both, policy).await;
    for (uid, organizer, invited) in [("theirs", "boss@corp.example", 0), ("own", "ADA@example.com", 1)] {
        let lines = "DTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nSUMMARY:M\nSEQUENCE:0\n";
        let guests = format!("ORGANIZER:mailto:{organizer}\nATTENDEE:mailto:guest@example.net");
        house.put(&event(uid, &format!("{lines}{guests}"))).await;
        house.work().await;
        assert!(house.there(uid).is_some());
        assert_eq!(house.there.invitations(), invited, "{uid}");
    }
}

/// What a link shows by a template is sent, nobody hears how that ended, and the link shows it otherwise by then.
#[tokio::test]
async fn what_was_sent_by_older_settings_is_not_taken_for_theirs() {
    let bent = || {
        let mut policy = LinkPolicy::default();
        policy.field_mapping.insert("title".to_owned(), "Busy: {title}".to_owned());
        policy
    };
    for call in ["create", "update"] {
        let house = House::new(Direction::Both, bent()).await;
        if call == "update" {
            house.put(&plain("a", "A")).await;
            house.run().await;
            house.put(&plain("a", "B")).await;
        } else {
            house.put(&plain("a", "B")).await;
        }
        house.there.fault(call, Fault::After(lost()));
        house.later(INTERVAL).await;
        set(&house, Direction::Both, LinkPolicy::default()).await;
        house.later(INTERVAL).await;
        house.later(INTERVAL).await;
        assert!(house.here("a").await.unwrap().contains("SUMMARY:B\r\n"), "{call}: nobody retitled it here");
        assert!(house.there("a").unwrap().contains("SUMMARY:B\r\n"), "{call}: and it is shown as it is now");
        assert!(house.open_conflicts().await.is_empty(), "{call}");
    }
}

/// An undo takes away there what a run made, nobody hears how that ended, and the next run hears of the deletion.
#[tokio::test]
async fn an_undo_whose_answer_is_lost_takes_nothing_away_here() {
    let policy = LinkPolicy { delete: Some(DeletePolicy::Delete), ..LinkPolicy::default() };
    let house = House::new(Direction::Both, policy).await;
    house.put(&plain("a", "A")).await;
    house.run().await;
    let run = house.runs().await.remove(0);
    house.there.fault("delete", Fault::After(lost()));
    let done = house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.unwrap();
    assert_ne!(done.status, RunStatus::Success, "{done:?}");
    for _ in 0..3 {
        house.later(INTERVAL).await;
        assert!(house.here("a").await.is_some(), "nobody deleted it");
        assert!(house.there("a").is_none(), "the undo was carried out");
    }
    house.put(&plain("a", "B")).await;
    house.later(INTERVAL).await;
    assert!(house.there("a").unwrap().contains("SUMMARY:B"), "an edit makes it anew");
    assert!(house.open_conflicts().await.is_empty());
}

/// An undo turns back there what a run changed, and nobody hears how that ended.
#[tokio::test]
async fn an_undo_whose_answer_is_lost_turns_nothing_back_here() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.put(&plain("a", "A")).await;
    house.run().await;
    house.put(&plain("a", "B")).await;
    house.later(INTERVAL).await;
    let run = house.runs().await.remove(0);
    house.there.fault("update", Fault::After(lost()));
    house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.unwrap();
    for _ in 0..3 {
        house.later(INTERVAL).await;
        assert!(house.here("a").await.unwrap().contains("SUMMARY:B"), "here it is as it was left");
        assert!(house.there("a").unwrap().contains("SUMMARY:A"), "there it is as it was before the run");
    }
}

#[tokio::test]
async fn what_an_undo_left_stays_until_somebody_edits_it() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.there.human("b", &plain("b", "B"));
    house.run().await;
    let run = house.runs().await.remove(0);
    house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.unwrap();
    house.later(INTERVAL).await;
    assert!(house.here("b").await.is_none() && house.there("b").is_some());
    house.there.edit("b", |e| retitled(&e, "B", "B2"));
    house.later(INTERVAL).await;
    assert!(house.here("b").await.unwrap().contains("SUMMARY:B2"));
}

#[tokio::test]
async fn a_link_that_only_pulls_has_nothing_to_send() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.put(&plain("a", "A")).await;
    set(&house, Direction::Pull, LinkPolicy::default()).await;
    house.work().await;
    let mut tx = house.bench.store.read().await.unwrap();
    assert!(tx.due_links().await.unwrap().is_empty(), "it would be looked at again and again");
    drop(tx);
    set(&house, Direction::Both, LinkPolicy::default()).await;
    house.work().await;
    assert!(house.there("a").is_some());
}

/// A series of one calendar linked to two accounts is deleted here, and somebody restores it in one of them.
#[tokio::test]
async fn what_is_there_again_on_both_sides_is_one() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.put(&plain("a", "A")).await;
    house.run().await;
    let id = house.id_there("a");
    let was = house.there("a").unwrap();
    house.delete("a").await;
    house.later(INTERVAL).await;
    assert!(house.there("a").is_none());
    house.there.human(&id, &was.replace("SUMMARY:A", "SUMMARY:A\r\nLOCATION:There"));
    house.put(&plain("a", "A")).await;
    house.later(INTERVAL).await;
    house.later(INTERVAL).await;
    assert_eq!((house.count_here().await, house.there.live().len()), (1, 1));
}

/// An alarm says less there than here: that a write arrived, though its answer was lost, is no change.
#[tokio::test]
async fn a_reminder_that_arrived_keeps_its_words_here() {
    let with = |minutes: u32| {
        let alarm = format!("BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:soon\nTRIGGER:-PT{minutes}M\nEND:VALARM");
        event("a", &format!("DTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nSUMMARY:A\n{alarm}"))
    };
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.put(&with(15)).await;
    house.run().await;
    house.put(&with(2)).await;
    house.there.fault("update", Fault::After(lost()));
    house.later(INTERVAL).await;
    house.later(INTERVAL).await;
    let here = house.here("a").await.unwrap();
    assert!(here.contains("DESCRIPTION:soon") && here.contains("TRIGGER:-PT2M"), "{here}");
    assert!(house.open_conflicts().await.is_empty());
}
