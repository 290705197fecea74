//! What time it is: the machine's clock, and one that a test sets forward.

use std::path::PathBuf;

use crate::domain::time::{Clock, Instant};

/// The machine's clock; the only place that asks it.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> Instant {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Instant::from_ms(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// The machine's clock, ahead by as many milliseconds as a file says at the moment (`KALENDS_CLOCK_FILE`): retries,
/// intervals and ends of tokens are judged within seconds. A file that cannot be read says nothing.
#[derive(Clone, Debug)]
pub struct SetForward(PathBuf);

impl SetForward {
    /// Ahead by what this file says.
    #[must_use]
    pub fn by(file: PathBuf) -> SetForward {
        SetForward(file)
    }
}

impl Clock for SetForward {
    fn now(&self) -> Instant {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        SystemClock.now().plus_ms(text.trim().parse().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_follows_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("clock");
        let clock = SetForward::by(file.clone());
        let ahead = |clock: &SetForward| clock.now().ms() - SystemClock.now().ms();
        assert!(ahead(&clock).abs() < 60_000, "no file");
        std::fs::write(&file, "3600000\n").expect("written");
        assert!((ahead(&clock) - 3_600_000).abs() < 60_000);
        std::fs::write(&file, "soon").expect("written");
        assert!(ahead(&clock).abs() < 60_000, "nonsense");
    }
}
