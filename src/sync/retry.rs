//! When a call that failed is made again: the retry matrix as one function.

use std::time::Duration;

use crate::domain::sync::ErrorClass;

/// Most tries after the first. What still fails then waits for the next scheduled run.
pub const MAX_RETRIES: u32 = 5;
/// Each wait is this many times the one before.
pub const EXPONENT_BASE: u64 = 2;
/// The longest wait that nobody asked for.
pub const MAX_DELAY: Duration = Duration::from_secs(300);
/// How far a wait strays from its middle, so that calls that failed together do not come back together.
pub const JITTER: f64 = 0.1;
/// The longest wait that a provider is granted. The next scheduled run asks long before a day is over.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The first wait after a transient failure.
const TRANSIENT_FIRST: Duration = Duration::from_secs(1);
/// The first wait after too many calls, where the provider names none.
const RATE_LIMITED_FIRST: Duration = Duration::from_secs(60);
/// [`JITTER`] in thousandths.
const JITTER_MILLI: u64 = 100;

/// How long to wait before the next try, or `None`: no further one. `failures_so_far` counts the present one, so it is 1
/// after the first try. `jitter` is chance.
///
/// What a provider asks for by Retry-After is waited for in full, never less; a failure that is transient waits for the
/// longer of that and its own turn.
#[must_use]
pub fn next(class: ErrorClass, failures_so_far: u32, retry_after: Option<Duration>, jitter: u64) -> Option<Duration> {
    if failures_so_far > MAX_RETRIES {
        return None;
    }
    let first = match class {
        ErrorClass::Transient => TRANSIENT_FIRST,
        ErrorClass::RateLimited => RATE_LIMITED_FIRST,
        ErrorClass::NonRetryable => return None,
    };
    let own = jittered(grown(first, failures_so_far.saturating_sub(1)), jitter);
    let asked = retry_after.map(|after| after.clamp(TRANSIENT_FIRST, RETRY_AFTER_MAX));
    Some(match (class, asked) {
        (ErrorClass::RateLimited, Some(asked)) => asked,
        (_, Some(asked)) => own.max(asked),
        (_, None) => own,
    })
}

/// The wait after so many others, without jitter.
fn grown(first: Duration, others: u32) -> Duration {
    let factor = u32::try_from(EXPONENT_BASE.saturating_pow(others)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(MAX_DELAY)
}

fn jittered(wait: Duration, jitter: u64) -> Duration {
    let milli = 1_000 - JITTER_MILLI + jitter % (2 * JITTER_MILLI + 1);
    let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(ms.saturating_mul(milli) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chance that hits the middle.
    const EVEN: u64 = JITTER_MILLI;

    fn waits(class: ErrorClass, jitter: u64) -> Vec<Option<f64>> {
        (1..=7).map(|failures| next(class, failures, None, jitter).map(|wait| wait.as_secs_f64())).collect()
    }

    #[test]
    fn waits_double_and_end_after_five() {
        let waits = |class| waits(class, EVEN);
        let some = |list: [f64; 5]| list.map(Some).into_iter().chain([None, None]).collect::<Vec<_>>();
        assert_eq!(waits(ErrorClass::Transient), some([1.0, 2.0, 4.0, 8.0, 16.0]));
        assert_eq!(waits(ErrorClass::RateLimited), some([60.0, 120.0, 240.0, 300.0, 300.0]));
        assert_eq!(waits(ErrorClass::NonRetryable), vec![None; 7]);
    }

    #[test]
    fn a_tenth_is_chance_and_no_more() {
        for (jitter, middle) in [(0, 0.9), (2 * JITTER_MILLI, 1.1), (2 * JITTER_MILLI + 1, 0.9)] {
            assert_eq!(waits(ErrorClass::Transient, jitter)[0], Some(middle));
        }
        for jitter in [0, 1, 57, 12_345, u64::MAX] {
            for (failures, middle) in [(1, 60.0), (2, 120.0), (3, 240.0), (4, 300.0), (5, 300.0)] {
                let wait = next(ErrorClass::RateLimited, failures, None, jitter).unwrap().as_secs_f64();
                assert!((wait - middle).abs() <= middle * JITTER + 1e-9, "{jitter} {failures}: {wait}");
            }
        }
    }

    #[test]
    fn a_provider_that_names_a_wait_gets_it() {
        let seconds = Duration::from_secs;
        let asked = |class, failures, after| next(class, failures, Some(seconds(after)), 0);
        assert_eq!(asked(ErrorClass::RateLimited, 1, 7), Some(seconds(7)));
        assert_eq!(asked(ErrorClass::RateLimited, 5, 900), Some(seconds(900)), "longer than our own longest");
        assert_eq!(asked(ErrorClass::RateLimited, 1, 0), Some(seconds(1)), "never at once");
        assert_eq!(asked(ErrorClass::RateLimited, 1, u64::MAX), Some(RETRY_AFTER_MAX));
        assert_eq!(asked(ErrorClass::RateLimited, 6, 7), None, "five is five");
        assert_eq!(asked(ErrorClass::Transient, 1, 30), Some(seconds(30)));
        assert_eq!(asked(ErrorClass::Transient, 5, 1), Some(Duration::from_millis(14_400)));
        assert_eq!(asked(ErrorClass::NonRetryable, 1, 7), None);
    }

    #[test]
    fn class_20_what_fails_for_good_is_never_tried_again() {
        for failures in [0, 1, 5, u32::MAX] {
            assert_eq!(next(ErrorClass::NonRetryable, failures, Some(Duration::from_secs(1)), 1), None);
            assert_eq!(next(ErrorClass::Transient, failures, None, 1).is_some(), failures <= MAX_RETRIES);
        }
    }
}
