//! What managers order, and that its end is told: by whom it was asked of, by whom it was left to, by who comes after.

use kalends::domain::ids::AttemptId;
use kalends::domain::sync::{ConnectionStatus, LinkStatus, RemoteCalendarId, RunKind, RunStatus};
use kalends::domain::time::{Clock as _, HOUR_MS, MINUTE_MS};
use kalends::store::{AttemptState, Due, LEASE_MS, Lease, NewAudit, NewLink, OrderPart, Waits};
use kalends::sync::budget::BREAKER_FAILURES;
use kalends::sync::desk::{Anew, Ask, Bounds, DeskError};
use kalends::upstream::Failure;

use crate::anew::{attempts, audited};
use crate::double::Fault;
use crate::house::{House, both, down, plain};

/// Orders something as a manager's request does.
async fn order(house: &House, action: &str, target: &str, request: &str) -> Ask {
    let act = NewAudit {
        actor: "mia".into(),
        action: action.into(),
        target: target.into(),
        details: "{}".into(),
        correlation_id: request.into(),
        address: "192.0.2.1".into(),
    };
    let mut tx = house.bench.store.write().await.unwrap();
    let order = tx.begin_order(&house.ada.firm, &act).await.unwrap();
    tx.commit().await.unwrap();
    Ask { correlation_id: request.into(), order: Some(order) }
}

async fn replay(house: &House, id: &AttemptId, request: &str) -> Result<Anew, DeskError> {
    let ask = order(house, "calendar_sync_manual_replay", id.as_str(), request).await;
    house.desk.replay(house.ada.firm.clone(), id.clone(), ask).await
}

/// Another node works on the link.
async fn busy(house: &House) -> Lease {
    let due = Due { firm: house.ada.firm.clone(), link: house.link.clone() };
    let mut tx = house.bench.store.write().await.unwrap();
    let lease = tx.take_lease(&due, "another").await.unwrap().expect("it is free");
    tx.commit().await.unwrap();
    lease
}

async fn free(house: &House, lease: Lease) {
    let mut tx = house.bench.store.write().await.unwrap();
    tx.release(&lease).await.unwrap();
    tx.commit().await.unwrap();
}

/// How an order ended, as the audit was told: what, and with what. Nobody was told anything else under its id.
async fn ended(house: &House, request: &str) -> Option<(String, serde_json::Value)> {
    let mut tx = house.bench.store.read().await.unwrap();
    let events = tx.audit_events(&house.ada.firm, 0, 100).await.unwrap();
    let mut own =
        events.into_iter().filter(|e| e.act.correlation_id == request && e.act.action != "calendar_sync_retry");
    let (first, second) = (own.next(), own.next());
    assert_eq!(second, None, "{request} is told once");
    first.map(|event| {
        assert_eq!((event.act.actor.as_str(), event.act.address.as_str()), ("mia", "192.0.2.1"));
        (event.act.action, serde_json::from_str(&event.act.details).unwrap())
    })
}

const REPLAYED: &str = "calendar_sync_manual_replay_success";
const NOT_REPLAYED: &str = "calendar_sync_manual_replay_failed";

fn told(action: &str, details: serde_json::Value) -> Option<(String, serde_json::Value)> {
    Some((action.to_owned(), details))
}

/// An appointment that could not be sent twice: its attempts, oldest first.
async fn failed_twice(house: &House) -> Vec<AttemptId> {
    house.run().await;
    house.put(&plain("a", "A")).await;
    for _ in 0..2 {
        house.there.fault("create", Fault::Before(down()));
        house.work().await;
        house.bench.clock.advance_ms(MINUTE_MS);
    }
    let mut failed = attempts(house, Some(AttemptState::Failed)).await;
    failed.reverse();
    failed.into_iter().map(|attempt| attempt.id).collect()
}

#[tokio::test]
async fn replays_that_are_left_to_somebody_are_each_told_how_they_ended() {
    let house = both().await;
    let failed = failed_twice(&house).await;
    assert_eq!(failed.len(), 2);
    let asked = [("ask-1", &failed[0]), ("ask-2", &failed[1]), ("ask-3", &failed[1])];
    // First it goes wrong for all of them, then it goes well.
    house.there.fault("create", Fault::Before(down()));
    for (word, why) in [(NOT_REPLAYED, serde_json::json!({ "result": "503" })), (REPLAYED, serde_json::Value::Null)] {
        let lease = busy(&house).await;
        for (request, attempt) in asked {
            let request = format!("{request} {word}");
            assert_eq!(replay(&house, attempt, &request).await.unwrap().status, RunStatus::Running);
            assert_eq!(ended(&house, &request).await, None);
        }
        free(&house, lease).await;
        house.work().await;
        for (request, _) in asked {
            let (action, details) = ended(&house, &format!("{request} {word}")).await.expect("it is told");
            assert_eq!(action, word, "{request}");
            match why.is_null() {
                true => assert_eq!(details["result"], "success"),
                false => assert!(details["result"].as_str().is_some_and(|why| why.contains("503")), "{details}"),
            }
        }
        house.bench.clock.advance_ms(MINUTE_MS);
    }
    assert_eq!(house.there.live().len(), 1);
    assert!(attempts(&house, Some(AttemptState::Failed)).await.iter().all(|a| !failed.contains(&a.id)));
}

#[tokio::test]
async fn a_replay_of_what_got_through_meanwhile_succeeds_with_nothing_to_do() {
    let house = both().await;
    let failed = failed_twice(&house).await;
    house.work().await;
    assert!(house.there("a").is_some(), "the schedule sent it");
    let lease = busy(&house).await;
    assert_eq!(replay(&house, &failed[1], "ask-1").await.unwrap().status, RunStatus::Running);
    free(&house, lease).await;
    house.work().await;
    assert_eq!(
        ended(&house, "ask-1").await,
        told(REPLAYED, serde_json::json!({ "result": "success", "synced_count": 0 }))
    );
    // So it is where nobody is at work.
    let done = replay(&house, &failed[0], "ask-2").await.unwrap();
    assert_eq!((done.status, done.synced), (RunStatus::Success, 0));
    assert_eq!(
        ended(&house, "ask-2").await,
        told(REPLAYED, serde_json::json!({ "result": "success", "synced_count": 0 }))
    );
}

#[tokio::test]
async fn a_resync_that_is_left_to_somebody_lists_everything_and_is_told_how_it_ended() {
    let house = both().await;
    house.there.human("a", &plain("a", "A"));
    house.put(&plain("b", "B")).await;
    house.run().await;
    for (faults, action) in
        [(true, "calendar_connection_resync_failed"), (false, "calendar_connection_resync_completed")]
    {
        let lease = busy(&house).await;
        let ask = order(&house, "calendar_connection_resync", house.connection.as_str(), action).await;
        let whole = Bounds::default();
        let done = house.desk.resync(house.ada.firm.clone(), house.connection.clone(), whole, ask).await.unwrap();
        assert_eq!((done.status, done.synced), (RunStatus::Running, 0));
        free(&house, lease).await;
        assert_eq!(ended(&house, action).await, None);
        if faults {
            house.there.fault("changes", Fault::Before(Failure::Refused("403".to_owned())));
        }
        house.work().await;
        let (word, details) = ended(&house, action).await.expect("it is told");
        assert_eq!(word, action);
        match faults {
            true => assert!(details["result"].as_str().is_some_and(|why| why.contains("403")), "{details}"),
            false => assert_eq!(details, serde_json::json!({ "result": "success", "synced_count": 2 })),
        }
        house.bench.clock.advance_ms(MINUTE_MS);
    }
    assert_eq!(house.last_run().await.kind, RunKind::Resync);
}

#[tokio::test]
async fn an_order_outlives_who_carries_it_out() {
    let house = both().await;
    let failed = failed_twice(&house).await;
    let firm = &house.ada.firm;
    // Whoever took the link for it stopped at once, as at a crash.
    let ask = order(&house, "calendar_sync_manual_replay", failed[0].as_str(), "ask-1").await;
    let object = attempts(&house, Some(AttemptState::Failed)).await.remove(0).what.object.unwrap();
    let lease = busy(&house).await;
    let mut tx = house.bench.store.write().await.unwrap();
    let queued = tx.queue_one_as(firm, &house.link, &object, Some("ask-1")).await.unwrap();
    let (id, waits) = (ask.order.as_ref().unwrap(), Waits::Sending(&object, queued));
    tx.order_of_link((firm, id, &house.link), Some(&lease), waits).await.unwrap();
    tx.commit().await.unwrap();
    // Another order did not get so far.
    order(&house, "appointment_resync", object.as_str(), "ask-2").await;
    house.engine.end_left_orders().await.unwrap();
    house.bench.clock.advance_ms(LEASE_MS);
    house.work().await;
    assert!(house.there("a").is_some());
    house.engine.end_left_orders().await.unwrap();
    assert_eq!(
        ended(&house, "ask-1").await,
        told(REPLAYED, serde_json::json!({ "result": "success", "synced_count": 1 }))
    );
    let cut_off = serde_json::json!({ "result": "it was cut off before its end" });
    assert_eq!(ended(&house, "ask-2").await, told("appointment_resync_failed", cut_off));
    house.engine.end_left_orders().await.unwrap();
    assert!(ended(&house, "ask-1").await.is_some() && ended(&house, "ask-2").await.is_some(), "once");
}

#[tokio::test]
async fn an_order_for_a_link_that_rests_is_told_so() {
    let house = both().await;
    let failed = failed_twice(&house).await;
    let lease = busy(&house).await;
    assert_eq!(replay(&house, &failed[0], "ask-1").await.unwrap().status, RunStatus::Running);
    free(&house, lease).await;
    house.engine.end_left_orders().await.unwrap();
    assert_eq!(ended(&house, "ask-1").await, None, "it is about to be carried out");
    let mut tx = house.bench.store.write().await.unwrap();
    tx.set_link_status(&house.ada.firm, &house.link, LinkStatus::Paused, None).await.unwrap();
    tx.commit().await.unwrap();
    house.engine.end_left_orders().await.unwrap();
    let rests = serde_json::json!({ "result": "the link is paused" });
    assert_eq!(ended(&house, "ask-1").await, told(NOT_REPLAYED, rests));
    // Whoever asks now is told at once, and so is the audit.
    assert!(matches!(replay(&house, &failed[0], "ask-2").await, Err(DeskError::Refused(_))));
    assert_eq!(ended(&house, "ask-2").await.map(|(action, _)| action).as_deref(), Some(NOT_REPLAYED));
}

#[tokio::test]
async fn who_asks_before_a_listing_begins_is_told_by_it() {
    let house = both().await;
    house.run().await;
    // Somebody has the lease, and did not look at the link yet.
    let lease = busy(&house).await;
    let ask = async |request: &str| {
        let ask = order(&house, "calendar_connection_resync", house.connection.as_str(), request).await;
        let done = house.desk.resync(house.ada.firm.clone(), house.connection.clone(), Bounds::default(), ask.clone());
        assert_eq!(done.await.unwrap().status, RunStatus::Running);
        OrderPart { order: ask.order.unwrap(), link: house.link.clone() }
    };
    let before = ask("ask-1").await;
    let was = house.link().await.due;
    let mut tx = house.bench.store.write().await.unwrap();
    tx.begin_pull(&lease, was).await.unwrap();
    assert_eq!(tx.orders_of_listing(&lease).await.unwrap(), std::slice::from_ref(&before));
    tx.commit().await.unwrap();
    // Who asks now asks for another one.
    let after = ask("ask-2").await;
    let mut tx = house.bench.store.write().await.unwrap();
    assert_eq!(tx.orders_of_listing(&lease).await.unwrap(), [before]);
    tx.release(&lease).await.unwrap();
    tx.commit().await.unwrap();
    house.work().await;
    for request in ["ask-1", "ask-2"] {
        let word = ended(&house, request).await.map(|(word, _)| word);
        assert_eq!(word.as_deref(), Some("calendar_connection_resync_completed"), "{request} {after:?}");
    }
}

#[tokio::test]
async fn a_resync_that_is_taken_over_in_its_middle_goes_on_and_one_that_is_put_to_rest_does_not() {
    let house = both().await;
    house.run().await;
    for (calls, rests, status) in [(1, false, RunStatus::Running), (2, true, RunStatus::Failed)] {
        let request = status.as_str();
        let ask = order(&house, "calendar_connection_resync", house.connection.as_str(), request).await;
        house.there.stall("changes");
        let done = house.desk.resync(house.ada.firm.clone(), house.connection.clone(), Bounds::default(), ask);
        let meanwhile = async {
            house.there.stalled(calls).await;
            let (firm, link) = (&house.ada.firm, &house.link);
            let mut tx = house.bench.store.write().await.unwrap();
            if rests {
                tx.set_link_status(firm, link, LinkStatus::Paused, None).await.unwrap();
            } else {
                let settings = tx.link_by_id(firm, link).await.unwrap().unwrap().settings;
                tx.set_link(firm, link, &settings).await.unwrap();
            }
            tx.commit().await.unwrap();
            house.there.go();
        };
        let (done, ()) = tokio::join!(done, meanwhile);
        let done = done.unwrap();
        assert_eq!((done.status, done.synced), (status, 0), "{done:?}");
        house.work().await;
        house.engine.end_left_orders().await.unwrap();
        let word = if rests { "calendar_connection_resync_failed" } else { "calendar_connection_resync_completed" };
        assert_eq!(ended(&house, request).await.map(|(told, _)| told).as_deref(), Some(word));
    }
}

#[tokio::test]
async fn a_replay_that_another_node_carries_out_is_audited_when_it_ends() {
    let house = both().await;
    house.run().await;
    house.there.fault("create", Fault::Before(down()));
    house.put(&plain("a", "A")).await;
    house.work().await;
    let failed = attempts(&house, Some(AttemptState::Failed)).await.remove(0);
    // It fails once more, and then it does not.
    for (request, faults, action) in
        [("ask-1", true, "calendar_sync_manual_replay_failed"), ("ask-2", false, "calendar_sync_manual_replay_success")]
    {
        let lease = busy(&house).await;
        assert_eq!(replay(&house, &failed.id, request).await.unwrap().status, RunStatus::Running);
        assert!(!audited(&house).await.iter().any(|(_, id)| id == request), "nobody knows yet");
        free(&house, lease).await;
        if faults {
            house.there.fault("create", Fault::Before(down()));
        }
        house.bench.clock.advance_ms(1);
        house.work().await;
        let told: Vec<_> = audited(&house).await.into_iter().filter(|(what, _)| what.contains("replay")).collect();
        assert_eq!(told.last(), Some(&(action.to_owned(), request.to_owned())), "{told:?}");
        assert_eq!(told.iter().filter(|(_, id)| id == request).count(), 1);
    }
    assert!(house.there("a").is_some());
    let left = attempts(&house, Some(AttemptState::Failed)).await;
    assert!(left.iter().all(|a| a.id != failed.id), "it has not failed any more");
    // So it is with a listing, whose run says how it went.
    house.bench.clock.advance_ms(MINUTE_MS);
    house.there.fault("changes", Fault::Before(down()));
    house.run().await;
    let failed = attempts(&house, Some(AttemptState::Failed)).await;
    let listing = failed.into_iter().find(|a| a.what.object.is_none()).unwrap();
    let lease = busy(&house).await;
    assert_eq!(replay(&house, &listing.id, "ask-3").await.unwrap().status, RunStatus::Running);
    free(&house, lease).await;
    house.bench.clock.advance_ms(MINUTE_MS);
    house.work().await;
    let told = audited(&house).await;
    assert!(told.contains(&("calendar_sync_manual_replay_success".to_owned(), "ask-3".to_owned())), "{told:?}");
    assert!(attempts(&house, Some(AttemptState::Failed)).await.iter().all(|a| a.id != listing.id));
}

#[tokio::test]
async fn what_one_of_several_links_could_not_do_does_not_hide_what_the_others_did() {
    let house = both().await;
    let mut tx = house.bench.store.write().await.unwrap();
    let second = NewLink {
        connection: house.connection.clone(),
        calendar: house.access.calendar().clone(),
        remote: RemoteCalendarId("second".to_owned()),
        remote_name: "Second".to_owned(),
        zone: "UTC".to_owned(),
        settings: house.link().await.settings,
    };
    let second = tx.add_link((&house.ada.firm, &house.ada.id), &second).await.unwrap().unwrap();
    let due = Due { firm: house.ada.firm.clone(), link: second };
    tx.take_lease(&due, "another").await.unwrap().expect("it is free");
    tx.commit().await.unwrap();
    house.run().await;
    let bounds = Bounds { from: Some(house.bench.clock.now()), until: None };
    let resync = async |request: &str| {
        let ask = order(&house, "calendar_connection_resync", house.connection.as_str(), request).await;
        house.desk.resync(house.ada.firm.clone(), house.connection.clone(), bounds, ask).await
    };
    let done = resync("ask-1").await.unwrap();
    assert_eq!(done.status, RunStatus::Partial);
    assert!(done.why.is_some_and(|why| why.contains("the link is at work")));
    assert_eq!(
        ended(&house, "ask-1").await.map(|(word, _)| word).as_deref(),
        Some("calendar_connection_resync_completed")
    );
    // Where none can, nothing was done.
    let lease = busy(&house).await;
    assert!(matches!(resync("ask-2").await, Err(DeskError::Refused(_))));
    free(&house, lease).await;
}

#[tokio::test]
async fn a_provider_that_is_left_alone_is_not_tried_by_a_replay() {
    let house = both().await;
    house.run().await;
    for _ in 0..BREAKER_FAILURES {
        house.there.fault("changes", Fault::Before(down()));
        house.run().await;
    }
    let failed: Vec<_> = attempts(&house, Some(AttemptState::Failed)).await.into_iter().map(|a| a.id).collect();
    let count = attempts(&house, None).await.len();
    let refused = replay(&house, &failed[0], "ask-1").await;
    assert!(matches!(&refused, Err(DeskError::Refused(why)) if why.contains("left alone")), "{refused:?}");
    assert_eq!(attempts(&house, None).await.len(), count, "nothing was tried");
    house.bench.clock.advance_ms(HOUR_MS);
    assert_eq!(replay(&house, &failed[0], "ask-2").await.unwrap().status, RunStatus::Success);
}

#[tokio::test]
async fn of_a_connection_that_ended_nothing_is_left_to_do() {
    let house = both().await;
    house.run().await;
    house.put(&plain("a", "A")).await;
    for _ in 0..6 {
        house.there.fault("create", Fault::Before(down()));
        house.work().await;
        house.bench.clock.advance_ms(MINUTE_MS);
    }
    assert_eq!(attempts(&house, Some(AttemptState::Exhausted)).await.len(), 1);
    let mut tx = house.bench.store.write().await.unwrap();
    tx.set_connection_status(&house.ada.firm, &house.connection, ConnectionStatus::Revoked, None).await.unwrap();
    tx.commit().await.unwrap();
    assert!(attempts(&house, Some(AttemptState::Exhausted)).await.is_empty());
    let mut tx = house.bench.store.read().await.unwrap();
    let figures = tx.attempt_figures(&house.ada.firm, &house.connection).await.unwrap();
    assert_eq!((figures.failures, figures.exhausted), (6, 0));
}
