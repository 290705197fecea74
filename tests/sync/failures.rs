//! The ways in which sync fails elsewhere, each with the rule that keeps it from failing here.

use kalends::domain::sync::{ConnectionStatus, LinkStatus, MappingState, ParkReason, RunKind, RunStatus};
use kalends::domain::time::{DAY_MS, MINUTE_MS};
use kalends::store::Due;
use kalends::upstream::Failure;

use crate::double::Fault;
use crate::house::{INTERVAL, both, down, lost, plain, retitled};

#[tokio::test]
async fn class_1_a_create_whose_answer_is_lost_is_found_and_not_repeated() {
    for fault in [Fault::After(lost()), Fault::Before(lost()), Fault::After(down()), Fault::Before(down())] {
        let house = both().await;
        house.run().await;
        house.put(&plain("a", "A")).await;
        house.there.fault("create", fault.clone());
        house.work().await;
        house.later(MINUTE_MS).await;
        assert!(house.there("a").is_some(), "{fault:?}");
        let calls = house.there.calls();
        let creates = calls.iter().filter(|c| *c == "create").count();
        let carried_out = matches!(fault, Fault::After(_));
        assert_eq!(creates, if carried_out { 1 } else { 2 }, "{fault:?} {calls:?}");
    }
}

#[tokio::test]
async fn class_3_a_listing_that_lost_most_events_stops_before_anything_is_removed() {
    let house = both().await;
    for n in 0..60 {
        house.there.human(&format!("e{n}"), &plain(&format!("u{n}"), "E"));
    }
    house.run().await;
    for n in 0..30 {
        house.there.remove(&format!("e{n}"));
    }
    house.later(INTERVAL).await;
    assert_eq!(house.status().await, LinkStatus::NeedsConfirmation);
    for n in 0..60 {
        assert!(house.here(&format!("u{n}")).await.is_some_and(|e| !e.contains("CANCELLED")));
    }
    let mut tx = house.bench.store.write().await.unwrap();
    assert!(tx.confirm_link(&house.ada.firm, &house.link, 30).await.unwrap());
    tx.commit().await.unwrap();
    house.later(INTERVAL).await;
    assert_eq!(house.status().await, LinkStatus::Active);
    for n in 0..60 {
        assert_eq!(house.here(&format!("u{n}")).await.is_some_and(|e| e.contains("CANCELLED")), n < 30);
    }
}

#[tokio::test]
async fn class_3_a_client_that_lost_its_calendar_does_not_empty_the_other_side() {
    let house = both().await;
    for n in 0..40 {
        house.put(&plain(&format!("u{n}"), "E")).await;
    }
    house.run().await;
    assert_eq!(house.there.live().len(), 40);
    for n in 0..40 {
        house.delete(&format!("u{n}")).await;
    }
    house.work().await;
    assert_eq!(house.there.live().len(), 40);
    assert_eq!(house.status().await, LinkStatus::NeedsConfirmation);
}

#[tokio::test]
async fn class_5_a_lost_cursor_lists_everything_and_neither_doubles_nor_deletes() {
    let house = both().await;
    for n in 0..20 {
        house.there.human(&format!("e{n}"), &plain(&format!("u{n}"), "E"));
    }
    house.put(&plain("own", "O")).await;
    house.run().await;
    house.there.forget_cursors();
    house.there.remove("e0");
    house.there.edit("e1", |e| retitled(&e, "E", "Edited"));
    house.there.pages_of(7);
    house.later(INTERVAL).await;
    assert_eq!(house.count_here().await, 21);
    assert!(house.here("u0").await.unwrap().contains("CANCELLED"));
    assert!(house.here("u1").await.unwrap().contains("Edited"));
    assert!(house.here("u2").await.is_some_and(|e| !e.contains("CANCELLED")));
    assert_eq!(house.there.live().len(), 20);
}

#[tokio::test]
async fn class_7_an_event_of_ours_is_not_cloned_when_it_comes_back() {
    let house = both().await;
    house.put(&plain("a", "A")).await;
    house.run().await;
    let (id, ics) = house.there.live().into_iter().next().unwrap();
    // The very event under another name, mark and all: somebody's copy is an event of its own, once.
    house.there.human("copy", &ics.replace("UID:a", "UID:copied"));
    house.later(INTERVAL).await;
    house.later(INTERVAL).await;
    assert_eq!((house.there.live().len(), house.count_here().await), (2, 2));
    assert!(house.there.live().contains_key(&id));
}

#[tokio::test]
async fn class_8_an_update_is_never_a_deletion_and_a_creation() {
    let house = both().await;
    house.put(&plain("a", "A")).await;
    house.run().await;
    let id = house.id_there("a");
    house.there.calls();
    house.put(&plain("a", "A2")).await;
    house.work().await;
    assert_eq!(house.there.calls(), ["update"]);
    assert_eq!(house.id_there("a"), id);
}

#[tokio::test]
async fn class_16_an_item_that_changed_under_an_update_is_read_and_merged() {
    let house = both().await;
    house.put(&plain("a", "A")).await;
    house.run().await;
    let id = house.id_there("a");
    house.there.edit(&id, |e| e.replace("SUMMARY:A", "SUMMARY:A\r\nLOCATION:Hall"));
    house.put(&plain("a", "A2")).await;
    house.work().await; // pushes before it pulls: 412
    for side in [house.here("a").await.unwrap(), house.there("a").unwrap()] {
        assert!(side.contains("SUMMARY:A2") && side.contains("LOCATION:Hall"), "{side}");
    }
}

#[tokio::test]
async fn class_18_a_grant_that_is_gone_asks_for_consent_and_loses_nothing() {
    let house = both().await;
    house.put(&plain("a", "A")).await;
    house.run().await;
    house.there.fault("changes", Fault::Before(Failure::NeedsConsent("invalid_grant".to_owned())));
    house.later(INTERVAL).await;
    let mut tx = house.bench.store.read().await.unwrap();
    let connection = tx.connection(&house.ada.firm, &house.connection).await.unwrap().unwrap();
    assert_eq!(connection.status, ConnectionStatus::NeedsReauth);
    drop(tx);
    assert_eq!(house.count_here().await, 1);
    let mut tx = house.bench.store.write().await.unwrap();
    tx.set_connection_status(&house.ada.firm, &house.connection, ConnectionStatus::Active, None).await.unwrap();
    tx.commit().await.unwrap();
    house.later(INTERVAL).await;
    assert_eq!((house.there.live().len(), house.count_here().await), (1, 1));
}

#[tokio::test]
async fn class_19_a_notification_during_a_run_is_not_lost() {
    let house = both().await;
    house.run().await;
    let due = Due { firm: house.ada.firm.clone(), link: house.link.clone() };
    let was = house.link().await.due;
    let mut tx = house.bench.store.write().await.unwrap();
    let lease = tx.take_lease(&due, "node").await.unwrap().unwrap();
    let begun = tx.begin_pull(&lease, was).await.unwrap();
    let at = tx.now().plus_ms(5_000);
    tx.ask_for_run(&house.ada.firm, &house.link, RunKind::Webhook, at).await.unwrap();
    let next = (tx.now().plus_ms(INTERVAL), RunKind::Pull);
    tx.end_pull(&lease, begun, RunStatus::Success, next).await.unwrap();
    tx.release(&lease).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(house.link().await.due, at);
}

#[tokio::test]
async fn class_20_failures_are_tried_five_times_and_then_wait_for_the_schedule() {
    let house = both().await;
    house.run().await;
    let object = house.put(&plain("a", "A")).await;
    for _ in 0..6 {
        house.there.fault("create", Fault::Before(down()));
    }
    house.there.calls();
    for _ in 0..12 {
        house.bench.clock.advance_ms(20_000);
        let due = Due { firm: house.ada.firm.clone(), link: house.link.clone() };
        house.engine.work(&due).await.unwrap();
    }
    let tries = house.there.calls().iter().filter(|c| *c == "create").count();
    assert_eq!(tries, 6, "the first and five more");
    house.later(INTERVAL).await;
    house.later(INTERVAL).await;
    assert!(house.there("a").is_some());
    assert_eq!(house.mapping(&object).await.unwrap().state, MappingState::Synced);
}

#[tokio::test]
async fn class_21_one_poison_event_leaves_the_run_partial_and_everything_else_synced() {
    let house = both().await;
    house.there.human("good", &plain("good", "G"));
    house.there.human("poison", "BEGIN:VCALENDAR\r\nnonsense\r\nEND:VCALENDAR\r\n");
    house.there.human("fine", &plain("fine", "F"));
    let refused = house.put(&plain("refused", "R")).await;
    house.there.fault("create", Fault::Before(Failure::Refused("400 required".to_owned())));
    house.put(&plain("taken", "T")).await;
    house.run().await;
    assert_eq!(house.runs().await[0].status, RunStatus::Partial);
    assert!(house.here("good").await.is_some() && house.here("fine").await.is_some());
    let parked = [house.there("refused").is_none(), house.there("taken").is_none()];
    assert_eq!(parked.iter().filter(|p| **p).count(), 1, "one of the two was refused");
    if house.there("refused").is_none() {
        assert!(matches!(
            house.mapping(&refused).await.unwrap().state,
            MappingState::Parked(ParkReason::Refused { .. })
        ));
    }
}

#[tokio::test]
async fn class_25_a_reconnect_finds_its_mappings() {
    let house = both().await;
    house.put(&plain("a", "A")).await;
    house.there.human("b", &plain("b", "B"));
    house.run().await;
    let mut tx = house.bench.store.write().await.unwrap();
    tx.set_link_status(&house.ada.firm, &house.link, LinkStatus::Detached, None).await.unwrap();
    tx.commit().await.unwrap();
    house.put(&plain("a", "A2")).await;
    let mut tx = house.bench.store.write().await.unwrap();
    tx.set_link_status(&house.ada.firm, &house.link, LinkStatus::Active, None).await.unwrap();
    tx.queue_all(&house.ada.firm, &house.link).await.unwrap();
    tx.commit().await.unwrap();
    house.later(DAY_MS).await;
    assert_eq!((house.there.live().len(), house.count_here().await), (2, 2));
    assert!(house.there("a").unwrap().contains("A2"));
}

#[tokio::test]
async fn class_2_and_4_an_item_that_a_full_listing_left_out_is_asked_for_before_it_counts_as_gone() {
    let house = both().await;
    for n in 0..12 {
        house.there.human(&format!("e{n}"), &plain(&format!("u{n}"), "E"));
    }
    house.run().await;
    house.there.forget_cursors();
    house.there.remove("e0");
    house.there.leave_out("e1");
    house.later(INTERVAL).await;
    assert!(house.here("u0").await.unwrap().contains("CANCELLED"), "this one is gone");
    assert!(house.here("u1").await.is_some_and(|e| !e.contains("CANCELLED")), "this one is only not listed");
    assert!(house.there.live().contains_key("e1"));
}
