//! When everything is listed again: a listing of changes may leave something out without saying so, and then only a listing
//! of everything tells. Once a day for every link, each at its own time of day.

use sha2::{Digest as _, Sha256};

use crate::domain::ids::LinkId;
use crate::domain::time::{DAY_MS, Instant};

/// Whether everything is to be listed instead of what changed. `listed`: when that was last done to its end.
#[must_use]
pub fn is_due(listed: Option<Instant>, link: &LinkId, now: Instant) -> bool {
    // A day of the link's own, so that links made together do not list together.
    let day = |at: Instant| at.ms().saturating_add(phase(link)).div_euclid(DAY_MS);
    listed.is_none_or(|listed| day(listed) < day(now))
}

/// When in the day the link's own day begins.
fn phase(link: &LinkId) -> i64 {
    let digest = Sha256::digest(link.as_str());
    digest.iter().take(7).fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte)).rem_euclid(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::HOUR_MS;

    const NOW: Instant = Instant::from_ms(1_795_248_000_000);

    #[test]
    fn class_04_everything_is_listed_once_a_day() {
        let link = LinkId::from_text("01a1fd1e-8c00-7cba-ab38-a0bf059b96cd");
        assert!(is_due(None, &link, NOW));
        let mut listed = NOW;
        let mut times = 0;
        for hour in 0..240 {
            let now = NOW.plus_ms(hour * HOUR_MS);
            if is_due(Some(listed), &link, now) {
                (listed, times) = (now, times + 1);
            }
        }
        assert_eq!(times, 10, "in ten days");
        assert!(!is_due(Some(listed), &link, listed));
    }

    #[test]
    fn links_made_together_list_at_different_hours() {
        let hours: std::collections::BTreeSet<i64> = (0..1_000)
            .map(|n| phase(&LinkId::from_text(format!("01a1fd1e-8c00-7000-8000-{n:012}"))) / HOUR_MS)
            .collect();
        assert_eq!(hours.len(), 24, "{hours:?}");
    }
}
