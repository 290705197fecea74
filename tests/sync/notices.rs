//! What a user is told: once, and again only after it changed.

use kalends::domain::sync::{ConflictPolicy, Direction, LinkPolicy, Resolution};
use kalends::domain::time::{HOUR_MS, MINUTE_MS};
use kalends::store::Notice;

use crate::double::Fault;
use crate::house::{House, INTERVAL, both, down, plain, retitled};

/// Every notice so far, oldest first: its kind, and whether it needs no attention any more.
pub async fn told(house: &House) -> Vec<(String, bool)> {
    notices(house).await.into_iter().map(|n| (n.kind, n.seen.is_some())).collect()
}

pub async fn notices(house: &House) -> Vec<Notice> {
    let mut tx = house.bench.store.read().await.unwrap();
    let (mut all, _) = tx.notices((&house.ada.firm, &house.ada.id), true, (100, 0)).await.unwrap();
    all.reverse();
    all
}

#[tokio::test]
async fn conflicts_are_told_once_and_again_after_they_were_decided() {
    let policy = LinkPolicy { conflict: ConflictPolicy::Manual, ..LinkPolicy::default() };
    let house = House::new(Direction::Both, policy).await;
    for uid in ["a", "b", "c"] {
        house.there.human(uid, &plain(uid, "A"));
    }
    house.run().await;
    let clash = async |uid: &str| {
        house.there.edit(uid, |ics| retitled(&ics, "A", "There"));
        house.put(&plain(uid, "Here")).await;
        house.later(MINUTE_MS).await;
    };
    clash("a").await;
    clash("b").await;
    house.later(HOUR_MS).await;
    assert_eq!(told(&house).await, [("conflicts".to_owned(), false)]);
    let decide = async || {
        let open = house.open_conflicts().await;
        let mut tx = house.bench.store.write().await.unwrap();
        assert!(
            tx.resolve_conflict(&house.ada.firm, &open[0].id, Resolution::KeepPlatform, None, "ada").await.unwrap()
        );
        tx.commit().await.unwrap();
        open.len()
    };
    assert_eq!(decide().await, 2);
    assert_eq!(told(&house).await, [("conflicts".to_owned(), false)], "one is open still");
    assert_eq!(decide().await, 1);
    assert_eq!(told(&house).await, [("conflicts".to_owned(), true)]);
    clash("c").await;
    assert_eq!(told(&house).await, [("conflicts".to_owned(), true), ("conflicts".to_owned(), false)]);
}

#[tokio::test]
async fn exhausted_retries_are_told_once_and_again_after_they_went_through() {
    let house = both().await;
    house.run().await;
    let exhaust = async |uid: &str| {
        house.put(&plain(uid, "A")).await;
        for _ in 0..2 {
            // Twice as often as it may be tried, which is told once.
            for _ in 0..6 {
                house.there.fault("create", Fault::Before(down()));
                house.work().await;
                house.bench.clock.advance_ms(MINUTE_MS);
            }
            house.bench.clock.advance_ms(INTERVAL);
            // That somebody saw it settles nothing.
            let id = notices(&house).await.last().unwrap().id.clone();
            let mut tx = house.bench.store.write().await.unwrap();
            tx.see_notice((&house.ada.firm, &house.ada.id), &id).await.unwrap();
            tx.commit().await.unwrap();
        }
    };
    exhaust("a").await;
    assert_eq!(told(&house).await, [("retries_exhausted".to_owned(), true)]);
    house.later(HOUR_MS).await;
    assert!(house.there("a").is_some());
    exhaust("b").await;
    let exhausted = ("retries_exhausted".to_owned(), true);
    assert_eq!(told(&house).await, [exhausted.clone(), exhausted]);
}

#[tokio::test]
async fn a_guard_stop_is_told_once_and_again_after_it_was_confirmed() {
    let house = both().await;
    let empty = async || {
        for n in 0..30 {
            house.there.remove(&format!("e{n}"));
        }
        for _ in 0..3 {
            house.later(HOUR_MS).await;
        }
    };
    for n in 0..30 {
        house.there.human(&format!("e{n}"), &plain(&format!("u{n}"), "E"));
    }
    house.run().await;
    empty().await;
    assert_eq!(told(&house).await, [("needs_confirmation".to_owned(), false)]);
    let mut tx = house.bench.store.write().await.unwrap();
    assert!(tx.confirm_link(&house.ada.firm, &house.link, 30).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(told(&house).await, [("needs_confirmation".to_owned(), true)]);
    house.later(MINUTE_MS).await;
    for n in 0..30 {
        house.there.human(&format!("e{n}"), &plain(&format!("v{n}"), "E"));
    }
    house.later(HOUR_MS).await;
    empty().await;
    let kind = "needs_confirmation".to_owned();
    assert_eq!(told(&house).await, [(kind.clone(), true), (kind, false)]);
}
