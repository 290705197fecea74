//! What users do, end to end.

use kalends::domain::sync::{ConflictPolicy, DeletePolicy, Direction, LinkPolicy, LinkStatus, Resolution, RunStatus};
use kalends::sync::desk::{Decided, Decision, Imported, Side};

use crate::house::{House, INTERVAL, both, event, plain, retitled};

fn policy(conflict: ConflictPolicy) -> LinkPolicy {
    LinkPolicy { conflict, ..LinkPolicy::default() }
}

#[tokio::test]
async fn a_first_run_brings_both_sides_together() {
    let house = both().await;
    house.put(&plain("here", "Here")).await;
    house.there.human("there", &plain("there", "There"));
    house.run().await;
    assert!(house.there("here").is_some_and(|e| e.contains("SUMMARY:Here")));
    assert!(house.here("there").await.is_some_and(|e| e.contains("SUMMARY:There")));
    house.there.calls();
    house.later(INTERVAL).await;
    assert_eq!(house.there.calls(), ["changes"], "nothing to do costs one call");
    assert_eq!((house.there.live().len(), house.count_here().await), (2, 2));
    assert!(house.runs().await.iter().all(|r| r.status == RunStatus::Success));
}

#[tokio::test]
async fn edits_and_deletions_go_either_way() {
    let house = both().await;
    house.put(&plain("a", "A")).await;
    house.there.human("b", &plain("b", "B"));
    house.run().await;
    house.put(&plain("a", "A2")).await;
    house.there.edit("b", |e| retitled(&e, "B", "B2"));
    house.work().await;
    house.later(INTERVAL).await;
    assert!(house.there("a").unwrap().contains("SUMMARY:A2"));
    assert!(house.here("b").await.unwrap().contains("SUMMARY:B2"));
    house.delete("a").await;
    house.work().await;
    assert_eq!(house.there("a"), None);
    house.delete("b").await;
    house.work().await;
    assert_eq!(house.there("b"), None);
    house.later(INTERVAL).await;
    assert_eq!((house.there.live().len(), house.count_here().await), (0, 0));
}

#[tokio::test]
async fn disjoint_edits_of_one_event_merge_by_themselves() {
    let house = both().await;
    let text = event("a", "DTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nSUMMARY:A\nLOCATION:L");
    house.put(&text).await;
    house.run().await;
    house.put(&text.replace("LOCATION:L", "LOCATION:Hall")).await;
    let id = house.id_there("a");
    house.there.edit(&id, |e| retitled(&e, "A", "B"));
    house.later(INTERVAL).await;
    for side in [house.here("a").await.unwrap(), house.there("a").unwrap()] {
        assert!(side.contains("SUMMARY:B") && side.contains("LOCATION:Hall"), "{side}");
    }
    assert!(house.open_conflicts().await.is_empty());
    house.there.calls();
    house.later(INTERVAL).await;
    assert_eq!(house.there.calls(), ["changes"]);
}

#[tokio::test]
async fn a_conflict_waits_and_each_resolution_is_carried_out() {
    for (how, side, expected) in [
        (Resolution::KeepPlatform, None, "Ours"),
        (Resolution::KeepExternal, None, "Theirs"),
        (Resolution::Merge, Some(Side::External), "Theirs"),
        (Resolution::Merge, Some(Side::Platform), "Ours"),
    ] {
        let house = both().await;
        let object = house.put(&plain("a", "A")).await;
        house.put(&plain("b", "B")).await;
        house.run().await;
        house.put(&plain("a", "Ours")).await;
        let id = house.id_there("a");
        house.there.edit(&id, |e| retitled(&e, "A", "Theirs"));
        house.put(&plain("b", "B2")).await;
        house.later(INTERVAL).await;
        let open = house.open_conflicts().await;
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].object.as_ref(), Some(&object));
        let fields: serde_json::Value = serde_json::from_str(&open[0].fields).unwrap();
        let told = serde_json::json!({ "title": { "base": "A", "platform": "Ours", "external": "Theirs" } });
        assert_eq!(fields, told, "by its name, as a person chooses it");
        assert!(house.here("a").await.unwrap().contains("Ours") && house.there("a").unwrap().contains("Theirs"));
        assert!(house.there("b").unwrap().contains("B2"), "everything else on the link goes on");
        let choices = side.into_iter().map(|side| ("title".to_owned(), side)).collect();
        let decision = Decision { conflict: open[0].id.clone(), resolution: how, choices };
        let firm = house.ada.firm.clone();
        let answers = house.desk.resolve(firm.clone(), "ada".to_owned(), vec![decision.clone()]).await.unwrap();
        assert_eq!(answers, [Decided::Yes]);
        for side in [house.here("a").await.unwrap(), house.there("a").unwrap()] {
            assert!(side.contains(&format!("SUMMARY:{expected}")), "{how}: {side}");
        }
        assert!(house.open_conflicts().await.is_empty());
        let again = house.desk.resolve(firm, "ada".to_owned(), vec![decision]).await.unwrap();
        assert_eq!(again, [Decided::Already]);
        house.there.calls();
        house.later(INTERVAL).await;
        assert_eq!(house.there.calls(), ["changes"], "{how}: it is over");
    }
}

#[tokio::test]
async fn policies_decide_without_asking() {
    for (conflict, expected) in [(ConflictPolicy::KeepPlatform, "Ours"), (ConflictPolicy::KeepExternal, "Theirs")] {
        let house = House::new(Direction::Both, policy(conflict)).await;
        house.put(&plain("a", "A")).await;
        house.run().await;
        house.put(&plain("a", "Ours")).await;
        let id = house.id_there("a");
        house.there.edit(&id, |e| retitled(&e, "A", "Theirs"));
        house.later(INTERVAL).await;
        for side in [house.here("a").await.unwrap(), house.there("a").unwrap()] {
            assert!(side.contains(&format!("SUMMARY:{expected}")), "{side}");
        }
        assert!(house.open_conflicts().await.is_empty());
    }
}

#[tokio::test]
async fn an_external_deletion_follows_the_links_policy() {
    for (delete, kept, cancelled) in [
        (None, true, true),
        (Some(DeletePolicy::Cancel), true, true),
        (Some(DeletePolicy::MarkExternalRemoved), true, false),
        (Some(DeletePolicy::Delete), false, false),
    ] {
        let house = House::new(Direction::Both, LinkPolicy { delete, ..LinkPolicy::default() }).await;
        house.there.human("x", &plain("a", "A"));
        house.run().await;
        house.there.remove("x");
        house.later(INTERVAL).await;
        let here = house.here("a").await;
        assert_eq!(here.is_some(), kept, "{delete:?}");
        assert_eq!(here.is_some_and(|e| e.contains("STATUS:CANCELLED")), cancelled, "{delete:?}");
        house.later(INTERVAL).await;
        assert!(house.there.live().is_empty(), "{delete:?}: nothing comes back");
    }
    // What was made here is kept by default.
    let house = both().await;
    house.put(&plain("a", "A")).await;
    house.run().await;
    let id = house.id_there("a");
    house.there.remove(&id);
    house.later(INTERVAL).await;
    assert!(house.here("a").await.is_some_and(|e| !e.contains("CANCELLED")));
    house.later(INTERVAL).await;
    assert!(house.there.live().is_empty());
}

#[tokio::test]
async fn a_deletion_against_an_edit_is_a_conflict_or_the_edit_wins() {
    let house = both().await;
    house.put(&plain("a", "A")).await;
    house.put(&plain("b", "B")).await;
    house.run().await;
    house.put(&plain("a", "Edited")).await;
    let (a, b) = (house.id_there("a"), house.id_there("b"));
    house.there.remove(&a);
    house.delete("b").await;
    house.there.edit(&b, |e| retitled(&e, "B", "Edited"));
    house.later(INTERVAL).await;
    assert_eq!(house.open_conflicts().await.len(), 2);

    let house = House::new(Direction::Both, policy(ConflictPolicy::KeepExternal)).await;
    house.put(&plain("a", "A")).await;
    house.put(&plain("b", "B")).await;
    house.run().await;
    house.put(&plain("a", "Edited")).await;
    let (a, b) = (house.id_there("a"), house.id_there("b"));
    house.there.remove(&a);
    house.delete("b").await;
    house.there.edit(&b, |e| retitled(&e, "B", "Edited"));
    house.later(INTERVAL).await;
    house.later(INTERVAL).await;
    for uid in ["a", "b"] {
        assert!(house.here(uid).await.is_some_and(|e| e.contains("Edited")), "{uid} here");
        assert!(house.there(uid).is_some_and(|e| e.contains("Edited")), "{uid} there");
    }
}

#[tokio::test]
async fn one_way_links_go_one_way() {
    let house = House::new(Direction::Push, LinkPolicy::default()).await;
    house.put(&plain("a", "A")).await;
    house.there.human("b", &plain("b", "B"));
    house.run().await;
    assert!(house.there("a").is_some() && house.here("b").await.is_none());
    let id = house.id_there("a");
    house.there.edit(&id, |e| retitled(&e, "A", "Theirs"));
    house.later(INTERVAL).await;
    assert!(house.there("a").unwrap().contains("SUMMARY:A\r\n"));

    let house = House::new(Direction::Pull, LinkPolicy::default()).await;
    house.put(&plain("a", "A")).await;
    house.there.human("b", &plain("b", "B"));
    house.run().await;
    assert!(house.there("a").is_none() && house.here("b").await.is_some());
    house.put(&plain("b", "Ours")).await;
    house.there.edit("b", |e| retitled(&e, "B", "Theirs"));
    house.later(INTERVAL).await;
    assert!(house.here("b").await.unwrap().contains("Theirs"));
    assert!(house.there("b").unwrap().contains("Theirs"));
}

#[tokio::test]
async fn a_disconnect_keeps_or_removes_what_came_from_there_and_deletes_nothing_there() {
    for (imported, left) in [(Imported::Keep, 2), (Imported::Remove, 1)] {
        let house = both().await;
        house.put(&plain("a", "A")).await;
        house.there.human("b", &plain("b", "B"));
        house.run().await;
        let (firm, connection) = (house.ada.firm.clone(), house.connection.clone());
        house.desk.disconnect(firm, connection, imported, "ada".to_owned()).await.unwrap();
        assert_eq!(house.count_here().await, left);
        assert_eq!(house.there.live().len(), 2);
        assert_eq!(house.status().await, LinkStatus::Detached);
        house.reconnect().await;
        house.run().await;
        assert_eq!(
            (house.there.live().len(), house.count_here().await),
            (2, 2),
            "{imported:?}: nothing lost or doubled"
        );
    }
}

#[tokio::test]
async fn a_preview_says_what_is_then_done_and_changes_nothing() {
    let house = both().await;
    house.put(&plain("a", "A")).await;
    house.there.human("b", &plain("b", "B"));
    let preview = house.desk.preview(house.ada.firm.clone(), house.link.clone()).await.unwrap();
    let told: Vec<_> = preview.items.iter().map(|i| (i.way.as_str(), i.action.as_str())).collect();
    assert_eq!(told, [("pull", "created"), ("push", "created")]);
    assert_eq!((house.there.live().len(), house.count_here().await, house.runs().await.len()), (1, 1, 0));
    house.run().await;
    let run = house.runs().await.remove(0);
    let mut tx = house.bench.store.read().await.unwrap();
    let done = tx.run_items(&house.ada.firm, &run.id, 0, 100).await.unwrap();
    let done: Vec<_> = done.iter().map(|i| (i.way.as_str(), i.action.as_str())).collect();
    assert_eq!(told, done);
}

#[tokio::test]
async fn an_undone_run_leaves_both_sides_as_they_were() {
    let house = both().await;
    house.put(&plain("a", "A")).await;
    house.there.human("b", &plain("b", "B"));
    house.there.human("c", &plain("c", "C"));
    house.run().await;
    house.put(&plain("a", "A2")).await;
    house.put(&plain("d", "D")).await;
    house.there.edit("b", |e| retitled(&e, "B", "B2"));
    house.there.human("e", &plain("e", "E"));
    house.there.remove("c");
    house.later(INTERVAL).await;
    let run = house.runs().await.remove(0);
    let done = house.desk.undo(house.ada.firm.clone(), run.id.clone(), "ada".to_owned()).await.unwrap();
    assert_eq!(done.status, RunStatus::Success, "{done:?}");
    assert!(house.here("a").await.unwrap().contains("SUMMARY:A2"));
    assert!(house.there("a").unwrap().contains("SUMMARY:A\r\n"));
    assert!(house.here("b").await.unwrap().contains("SUMMARY:B\r\n"));
    assert!(house.there("b").unwrap().contains("SUMMARY:B2"));
    assert!(house.here("c").await.is_some_and(|e| !e.contains("CANCELLED")));
    assert!(house.here("d").await.is_some() && house.there("d").is_none());
    assert!(house.here("e").await.is_none() && house.there("e").is_some());
    house.later(INTERVAL).await;
    assert!(house.here("e").await.is_none() && house.there("d").is_none(), "and it stays so");
    assert!(house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.is_err());
}

#[tokio::test]
async fn an_event_that_is_restored_there_after_it_was_deleted_here_comes_back() {
    let house = both().await;
    house.there.human("x", &plain("a", "A"));
    house.run().await;
    house.delete("a").await;
    house.work().await;
    assert!(house.there.live().is_empty());
    house.there.human("x", &plain("a", "A"));
    house.later(INTERVAL).await;
    assert!(house.here("a").await.is_some_and(|e| e.contains("SUMMARY:A")));
    assert_eq!((house.there.live().len(), house.count_here().await), (1, 1));
}
