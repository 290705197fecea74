//! Buckets and breakers under a clock that the test moves.

use super::*;

fn at(ms: i64) -> Instant {
    Instant::from_ms(1_000_000 + ms)
}

const TEN_A_SECOND: Rate = Rate { calls: 10, per: Duration::from_secs(1) };

#[test]
fn a_bucket_gives_what_it_holds_and_then_steadily() {
    let mut bucket = Bucket::new(TEN_A_SECOND, at(0));
    assert_eq!(bucket.left(at(0)), 10);
    assert!((0..10).all(|_| bucket.take(at(0)).is_ok()));
    assert_eq!(bucket.take(at(0)), Err(Duration::from_millis(100)));
    assert_eq!(bucket.take(at(40)), Err(Duration::from_millis(60)), "a wait costs nothing");
    assert_eq!(bucket.take(at(100)), Ok(()));
    assert_eq!((bucket.left(at(100)), bucket.left(at(350))), (0, 2));
    assert_eq!(bucket.left(at(60_000)), 10, "never more than it holds");
}

#[test]
fn a_clock_that_is_set_back_stops_nothing_for_long() {
    let mut bucket = Bucket::new(TEN_A_SECOND, at(1_000_000));
    while bucket.take(at(1_000_000)).is_ok() {}
    assert_eq!(bucket.take(at(0)), Err(Duration::from_millis(100)));
    assert_eq!(bucket.take(at(100)), Ok(()));
}

#[test]
fn never_more_calls_than_the_rate_allows_in_any_stretch() {
    let mut bucket = Bucket::new(Rate { calls: 7, per: Duration::from_secs(3) }, at(0));
    let mut taken = Vec::new();
    for ms in 0..60_000 {
        if ms % 3 != 1 && bucket.take(at(ms)).is_ok() {
            taken.push(ms);
        }
    }
    for (first, start) in taken.iter().enumerate() {
        let inside = taken[first..].iter().take_while(|ms| **ms < start + 3_000).count();
        assert!(inside <= 14, "{inside} from {start} on");
    }
    assert!(taken.len() <= 7 + 140, "{}", taken.len());
    assert!(taken.len() > 140, "{}", taken.len());
}

#[test]
fn class_20_a_slowed_account_waits_whole_and_no_other() {
    let mut budgets: Budgets<&str, u8> = Budgets::new(TEN_A_SECOND, Rate { calls: 1_000, per: Duration::from_secs(1) });
    assert_eq!(budgets.take(&"ada", &1, at(0)), Ok(()));
    budgets.slow(&"ada", at(0), Duration::from_secs(60));
    assert_eq!(budgets.take(&"ada", &1, at(1)), Err(Duration::from_millis(59_999)));
    assert_eq!(budgets.account_left(&"ada", at(59_999)), 0);
    assert_eq!(budgets.take(&"bob", &1, at(1)), Ok(()));
    assert_eq!(budgets.take(&"ada", &1, at(60_000)), Ok(()));
    assert_eq!(budgets.take(&"ada", &1, at(60_000)), Err(Duration::from_millis(100)), "it starts from nothing");
}

#[test]
fn a_call_takes_of_both_budgets_or_of_neither() {
    let mut budgets: Budgets<u32, &str> = Budgets::new(TEN_A_SECOND, Rate { calls: 3, per: Duration::from_secs(3) });
    assert_eq!(budgets.provider_left(&"google", at(0)), 3);
    for account in 0..3 {
        assert_eq!(budgets.take(&account, &"google", at(0)), Ok(()));
    }
    assert_eq!(budgets.take(&9, &"google", at(0)), Err(Duration::from_secs(1)));
    assert_eq!((budgets.account_left(&9, at(0)), budgets.account_left(&0, at(0))), (10, 9));
    assert_eq!(budgets.take(&9, &"microsoft", at(0)), Ok(()));
}

#[test]
fn forgotten_accounts_are_those_that_rested() {
    let mut budgets: Budgets<u32, u8> =
        Budgets::new(TEN_A_SECOND, Rate { calls: 100_000, per: Duration::from_secs(1) });
    for account in 0..=10_000 {
        assert_eq!(budgets.take(&account, &1, at(0)), Ok(()));
    }
    budgets.slow(&5, at(0), Duration::from_secs(60));
    assert_eq!(budgets.take(&20_000, &1, at(1_000)), Ok(()));
    assert_eq!(budgets.accounts.len(), 2);
    assert_eq!(budgets.account_left(&5, at(1_000)), 0);
}

#[test]
fn a_breaker_opens_after_five_failures_in_a_row() {
    let mut breaker = Breaker::default();
    for _ in 0..4 {
        breaker.settle(Outcome::Failed, at(0));
    }
    breaker.settle(Outcome::Answered, at(0));
    for _ in 0..4 {
        breaker.settle(Outcome::Failed, at(0));
        assert_eq!(breaker.permit(at(0)), Permit::Go);
    }
    breaker.settle(Outcome::Failed, at(0));
    assert_eq!((breaker.permit(at(0)), breaker.level()), (Permit::Wait(at(30_000)), 2));
    breaker.settle(Outcome::Failed, at(10));
    assert_eq!(breaker.permit(at(29_999)), Permit::Wait(at(30_000)), "late failures prolong nothing");
}

#[test]
fn one_probe_decides() {
    let open = Breaker::opened(at(0), 1);
    let mut breaker = open;
    assert_eq!((breaker.permit(at(30_000)), breaker.level()), (Permit::Probe, 1));
    assert_eq!(breaker.permit(at(30_000)), Permit::Wait(at(35_000)), "one is enough, and is soon heard of");
    breaker.settle(Outcome::Failed, at(31_000));
    assert_eq!(breaker.permit(at(31_000)), Permit::Wait(at(91_000)), "twice as long");
    assert_eq!(breaker.permit(at(91_000)), Permit::Probe);
    breaker.settle(Outcome::Answered, at(92_000));
    assert_eq!(breaker, Breaker::default());

    let mut breaker = open;
    assert_eq!(breaker.permit(at(30_000)), Permit::Probe);
    assert_eq!(breaker.permit(at(150_000)), Permit::Probe, "the first was lost");
    let mut breaker = Breaker::opened(at(0), 40);
    assert_eq!(breaker.permit(at(0)), Permit::Wait(at(300_000)));
}
