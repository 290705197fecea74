//! Looking anew by somebody's word, trying again, and the id that goes with a piece of work from end to end.

use kalends::domain::change::{Cause, Guard, Via};
use kalends::domain::ids::{ObjectId, ResourceName};
use kalends::domain::object::CalendarObject;
use kalends::domain::sync::{ErrorClass, LinkStatus, RunKind, RunStatus};
use kalends::domain::time::{HOUR_MS, Instant, MINUTE_MS};
use kalends::store::{Attempt, AttemptFilter, AttemptState};
use kalends::sync::desk::{Bounds, DeskError};
use kalends::upstream::Failure;

use crate::double::Fault;
use crate::house::{House, both, down, event, plain, retitled};

fn on(day: &str) -> Instant {
    let at: jiff::Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
    Instant::from(at)
}

/// An event in March.
fn march(uid: &str, title: &str) -> String {
    event(uid, &format!("DTSTART:20270301T100000Z\nDTEND:20270301T110000Z\nSUMMARY:{title}"))
}

pub async fn attempts(house: &House, state: Option<AttemptState>) -> Vec<Attempt> {
    let mut tx = house.bench.store.read().await.unwrap();
    let filter = AttemptFilter { state, ..AttemptFilter::default() };
    let page = tx.attempts(&house.ada.firm, &filter, None, 100).await.unwrap();
    page.rows.into_iter().map(|r| r.attempt).collect()
}

pub async fn audited(house: &House) -> Vec<(String, String)> {
    let mut tx = house.bench.store.read().await.unwrap();
    let events = tx.audit_events(&house.ada.firm, 0, 100).await.unwrap();
    events.into_iter().map(|e| (e.act.action, e.act.correlation_id)).collect()
}

/// Puts as a request with this id.
async fn put_as(house: &House, text: &str, id: &str) -> ObjectId {
    let object = CalendarObject::parse(text.to_owned().into()).unwrap();
    let name = ResourceName::for_uid(object.uid());
    let mut tx = house.bench.store.write().await.unwrap();
    let cause = Cause::by(Via::Api, "ada", None, Some(id));
    let done = tx.put_object(&house.access, &name, &object, &Guard::NONE, &cause).await.unwrap();
    tx.commit().await.unwrap();
    done.id
}

#[tokio::test]
async fn a_bounded_resync_leaves_what_lies_outside_as_it_is() {
    let house = both().await;
    for (uid, text) in [("in", plain("in", "A")), ("out", march("out", "A"))] {
        house.there.human(uid, &text);
        house.there.human(&format!("{uid}-gone"), &text.replace(&format!("UID:{uid}"), &format!("UID:{uid}-gone")));
    }
    house.put(&plain("in-here", "H")).await;
    house.put(&march("out-here", "H")).await;
    house.run().await;
    assert_eq!(house.there.live().len(), 6);
    let cursor = house.link().await.cursor;
    for uid in ["in", "out"] {
        house.there.edit(uid, |ics| retitled(&ics, "A", "B"));
        house.there.remove(&format!("{uid}-gone"));
    }
    house.there.human("new-in", &plain("new-in", "New"));
    house.there.human("new-out", &march("new-out", "New"));
    house.there.correlations();
    house.there.calls();
    let bounds = Bounds { from: Some(on("2026-12-01")), until: Some(on("2026-12-02")) };
    let done =
        house.desk.resync(house.ada.firm.clone(), house.connection.clone(), bounds, "ask-1".into()).await.unwrap();
    assert_eq!((done.status, done.correlation_id.as_str()), (RunStatus::Success, "ask-1"), "{done:?}");
    // in, in-here, new-in, and in-gone, which was asked for.
    assert_eq!(done.synced, 4);
    assert!(house.here("in").await.unwrap().contains("SUMMARY:B"));
    assert!(house.here("in-gone").await.unwrap().contains("STATUS:CANCELLED"));
    assert!(house.here("new-in").await.is_some());
    assert!(house.here("out").await.unwrap().contains("SUMMARY:A"));
    assert!(!house.here("out-gone").await.unwrap().contains("CANCELLED"));
    assert_eq!(house.here("new-out").await, None);
    assert_eq!(house.link().await.cursor, cursor, "the next run goes on where the last one ended");
    assert!(house.there.correlations().iter().all(|c| c.ends_with(" ask-1")));
    let calls = house.there.calls();
    assert!(calls.iter().all(|c| matches!(c.as_str(), "changes" | "fetch")), "{calls:?}");
    assert!(house.there("in").is_some_and(|ics| ics.contains("SUMMARY:B")));
    house.later(MINUTE_MS).await;
    assert!(house.here("out").await.unwrap().contains("SUMMARY:B"));
    assert!(house.here("out-gone").await.unwrap().contains("STATUS:CANCELLED"));
    assert!(house.here("new-out").await.is_some());
    assert_eq!(house.there.live().len(), 6);
}

#[tokio::test]
async fn a_bounded_resync_sends_what_was_lost_there_and_is_stopped_by_the_guard() {
    let house = both().await;
    for n in 0..30 {
        house.there.human(&format!("e{n}"), &plain(&format!("u{n}"), "E"));
    }
    house.run().await;
    for n in 0..30 {
        house.there.remove(&format!("e{n}"));
    }
    let bounds = Bounds { from: Some(on("2026-12-01")), until: None };
    let done =
        house.desk.resync(house.ada.firm.clone(), house.connection.clone(), bounds, "ask-2".into()).await.unwrap();
    assert_eq!((done.status, house.status().await), (RunStatus::Partial, LinkStatus::NeedsConfirmation));
    for n in 0..30 {
        assert!(!house.here(&format!("u{n}")).await.unwrap().contains("CANCELLED"));
    }
    let again = house.desk.resync(house.ada.firm.clone(), house.connection.clone(), bounds, "ask-3".into()).await;
    assert!(matches!(again, Err(DeskError::Refused(_))), "{again:?}");
}

#[tokio::test]
async fn a_full_resync_looks_at_everything() {
    let house = both().await;
    for uid in ["a", "b"] {
        house.there.human(uid, &plain(uid, "A"));
    }
    house.put(&march("c", "A")).await;
    house.run().await;
    let whole = Bounds::default();
    let done =
        house.desk.resync(house.ada.firm.clone(), house.connection.clone(), whole, "ask-1".into()).await.unwrap();
    assert_eq!((done.status, done.synced), (RunStatus::Success, 3), "{done:?}");
    let runs = house.runs().await;
    let own = runs.iter().find(|r| r.correlation_id == "ask-1");
    assert_eq!(own.map(|r| r.kind), Some(RunKind::Resync));
    assert_eq!((house.count_here().await, house.there.live().len()), (3, 3));
}

#[tokio::test]
async fn one_appointment_is_looked_at_alone() {
    let house = both().await;
    for uid in ["a", "b"] {
        house.there.human(uid, &plain(uid, "A"));
    }
    house.run().await;
    for uid in ["a", "b"] {
        house.there.edit(uid, |ics| retitled(&ics, "A", "B"));
    }
    let mut tx = house.bench.store.read().await.unwrap();
    let object = tx.object_by_uid(&house.access, "a").await.unwrap().unwrap().head.id;
    drop(tx);
    let done = house.desk.resync_one(house.ada.firm.clone(), object, "ask-1".into()).await.unwrap();
    assert_eq!((done.status, done.synced, done.remote.as_deref()), (RunStatus::Success, 1, Some("a")));
    assert!(house.here("a").await.unwrap().contains("SUMMARY:B"));
    assert!(house.here("b").await.unwrap().contains("SUMMARY:A"));
    // One that never went out goes out.
    let object = house.put(&plain("c", "C")).await;
    let done = house.desk.resync_one(house.ada.firm.clone(), object, "ask-2".into()).await.unwrap();
    assert_eq!((done.status, done.remote.is_some(), house.there("c").is_some()), (RunStatus::Success, true, true));
    let nobody = ObjectId::from_text("019aa0f3-9a6e-7c2e-a3c4-111111111111");
    let none = house.desk.resync_one(house.ada.firm.clone(), nobody, "ask-3".into()).await;
    assert!(matches!(none, Err(DeskError::NotFound)));
}

#[tokio::test]
async fn a_failed_call_is_replayed_at_once_and_once() {
    let house = both().await;
    house.run().await;
    house.there.fault("create", Fault::Before(down()));
    house.put(&plain("a", "A")).await;
    house.work().await;
    let failed = attempts(&house, Some(AttemptState::PendingRetry)).await.remove(0);
    assert_eq!(failed.what.failure.as_ref().map(|f| f.0), Some(ErrorClass::Transient));
    let replay = async |id| house.desk.replay(house.ada.firm.clone(), id, "ask-1".into()).await;
    house.there.fault("create", Fault::Before(down()));
    let done = replay(failed.id.clone()).await.unwrap();
    assert_eq!((done.status, done.why.is_some()), (RunStatus::Failed, true));
    let done = replay(failed.id.clone()).await.unwrap();
    assert_eq!((done.status, done.synced), (RunStatus::Success, 1));
    assert!(house.there("a").is_some());
    let done = replay(failed.id).await.unwrap();
    assert_eq!(done.status, RunStatus::Success, "nothing is left to do");
    assert_eq!(house.there.live().len(), 1);
    assert!(attempts(&house, Some(AttemptState::PendingRetry)).await.is_empty());
    let success = attempts(&house, Some(AttemptState::Success)).await.remove(0);
    assert!(matches!(replay(success.id).await, Err(DeskError::Refused(_))));
    // A listing that failed is a listing again.
    house.bench.clock.advance_ms(1);
    house.there.fault("changes", Fault::Before(down()));
    house.run().await;
    let failed = attempts(&house, Some(AttemptState::Failed)).await;
    let listing = failed.into_iter().find(|a| a.what.object.is_none()).unwrap();
    house.bench.clock.advance_ms(1);
    assert_eq!(replay(listing.id).await.unwrap().status, RunStatus::Success);
}

#[tokio::test]
async fn what_was_tried_as_often_as_it_may_be_is_nothing_to_do_once_it_got_through() {
    let house = both().await;
    house.run().await;
    let exhaust = async |uid: &str| {
        house.put(&plain(uid, "A")).await;
        for _ in 0..6 {
            house.there.fault("create", Fault::Before(down()));
            house.work().await;
            house.bench.clock.advance_ms(MINUTE_MS);
        }
    };
    let figures = async || {
        let mut tx = house.bench.store.read().await.unwrap();
        let figures = tx.attempt_figures(&house.ada.firm, &house.connection).await.unwrap();
        // The list and its total, which is a sum of days.
        let state = Some(AttemptState::Exhausted);
        let page =
            tx.attempts(&house.ada.firm, &AttemptFilter { state, ..AttemptFilter::default() }, None, 9).await.unwrap();
        assert_eq!((page.rows.len() as i64, page.total), (figures.exhausted, figures.exhausted));
        let state = Some(AttemptState::FailedNotExhausted);
        let page =
            tx.attempts(&house.ada.firm, &AttemptFilter { state, ..AttemptFilter::default() }, None, 99).await.unwrap();
        assert_eq!(page.total, figures.failures - figures.exhausted);
        (figures.exhausted, figures.failures)
    };
    exhaust("a").await;
    assert_eq!(figures().await, (1, 6));
    // The next scheduled run sends it.
    house.later(HOUR_MS).await;
    assert!(house.there("a").is_some());
    assert_eq!(figures().await, (0, 6), "the failures stay what they were");
    let left = attempts(&house, Some(AttemptState::Failed)).await;
    assert_eq!(left.iter().filter(|a| a.recovered.is_some()).count(), 1);
    // So it is where it is not wanted any more.
    exhaust("b").await;
    assert_eq!(figures().await, (1, 12));
    house.delete("b").await;
    house.work().await;
    assert_eq!(figures().await, (0, 12));
}

#[tokio::test]
async fn what_failed_for_good_is_not_replayed() {
    let house = both().await;
    house.run().await;
    house.there.fault("create", Fault::Before(Failure::Refused("400".to_owned())));
    house.put(&plain("a", "A")).await;
    house.work().await;
    let failed = attempts(&house, Some(AttemptState::Failed)).await.remove(0);
    assert_eq!((failed.what.max_retries_reached, failed.what.next_retry), (false, None));
    let refused = house.desk.replay(house.ada.firm.clone(), failed.id, "ask-1".into()).await;
    assert!(matches!(refused, Err(DeskError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn one_id_goes_from_the_request_to_run_attempts_calls_and_audit() {
    let house = both().await;
    house.run().await;
    house.there.correlations();
    house.there.fault("create", Fault::Before(down()));
    house.bench.clock.advance_ms(1);
    put_as(&house, &plain("a", "A"), "request-1").await;
    house.work().await;
    assert_eq!(house.there.correlations(), ["create request-1"]);
    assert_eq!(house.runs().await[0].correlation_id, "request-1");
    assert_eq!(attempts(&house, Some(AttemptState::Failed)).await[0].correlation_id, "request-1");
    house.bench.clock.advance_ms(MINUTE_MS);
    house.work().await;
    assert!(house.there("a").is_some());
    assert_eq!(attempts(&house, None).await[0].correlation_id, "request-1");
    assert_eq!(audited(&house).await, [("calendar_sync_retry".to_owned(), "request-1".to_owned())]);
}

#[tokio::test]
async fn one_id_goes_from_the_notification_to_run_calls_and_version() {
    let house = both().await;
    house.run().await;
    house.there.human("a", &plain("a", "A"));
    house.there.correlations();
    house.bench.clock.advance_ms(1);
    let mut tx = house.bench.store.write().await.unwrap();
    let now = tx.now();
    tx.ask_for_run_as(&house.ada.firm, &house.link, RunKind::Webhook, now, Some("hook-1")).await.unwrap();
    tx.commit().await.unwrap();
    house.work().await;
    assert_eq!(house.there.correlations(), ["changes hook-1"]);
    let run = &house.runs().await[0];
    assert_eq!((run.kind, run.correlation_id.as_str()), (RunKind::Webhook, "hook-1"));
    assert_eq!(attempts(&house, None).await[0].correlation_id, "hook-1");
    let mut tx = house.bench.store.read().await.unwrap();
    let object = tx.object_by_uid(&house.access, "a").await.unwrap().unwrap().head.id;
    let cause = tx.present_cause(&house.ada.firm, &object).await.unwrap().unwrap();
    assert_eq!(cause.correlation_id.as_deref(), Some("hook-1"));
    drop(tx);
    // The next one is nobody's.
    house.later(MINUTE_MS).await;
    assert_ne!(house.runs().await[0].correlation_id, "hook-1");
}
