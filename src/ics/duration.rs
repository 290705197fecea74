//! DURATION: how long something takes, or how far from something else it is.

use super::value::{ValueError, excerpt, number};

/// A DURATION. Days (and weeks) are nominal, they follow the wall clock; the rest is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Duration {
    /// Days, weeks included; negative for a duration that goes back.
    pub days: i64,
    /// Hours, minutes and seconds in seconds, with the same sign.
    pub seconds: i64,
}

impl Duration {
    /// Reads `P1W`, `-PT15M`, `P1DT2H`, also with zeros, in lower case, or with weeks and days together.
    pub fn parse(value: &str) -> Result<Self, ValueError> {
        parse_duration(value.trim()).ok_or_else(|| ValueError::Duration(excerpt(value)))
    }

    /// Whether it goes back in time.
    pub fn is_negative(&self) -> bool {
        self.days < 0 || self.seconds < 0
    }

    /// As it is written in a value.
    pub fn to_value(&self) -> String {
        let sign = if self.is_negative() { "-" } else { "" };
        let (days, seconds) = (self.days.unsigned_abs(), self.seconds.unsigned_abs());
        let mut out = format!("{sign}P");
        if days > 0 {
            out += &format!("{days}D");
        }
        if seconds > 0 || days == 0 {
            out.push('T');
            for (amount, unit) in [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M'), (seconds % 60, 'S')] {
                if amount > 0 || (unit == 'S' && seconds == 0) {
                    out += &format!("{amount}{unit}");
                }
            }
        }
        out
    }
}

/// Longest duration that is read: beyond ten thousand years every sum leaves the calendar.
const DURATION_DAYS_MAX: i64 = 3_660_000;

fn parse_duration(text: &str) -> Option<Duration> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut rest = text.strip_prefix(['P', 'p'])?;
    let (mut days, mut seconds, mut in_time, mut parts) = (0_i64, 0_i64, false, 0);
    while let Some(first) = rest.chars().next() {
        if matches!(first, 'T' | 't') && !in_time {
            in_time = true;
            rest = &rest[1..];
            continue;
        }
        let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
        let amount = number(&rest[..unit_at])?;
        let unit = rest[unit_at..].chars().next()?.to_ascii_uppercase();
        let (days_in, seconds_in) = match (in_time, unit) {
            (false, 'W') => (7, 0),
            (false, 'D') => (1, 0),
            (true, 'H') => (0, 3600),
            (true, 'M') => (0, 60),
            (true, 'S') => (0, 1),
            _ => return None,
        };
        days = days.checked_add(amount.checked_mul(days_in)?)?;
        seconds = seconds.checked_add(amount.checked_mul(seconds_in)?)?;
        rest = &rest[unit_at + 1..];
        parts += 1;
    }
    if parts == 0 || days > DURATION_DAYS_MAX || seconds > DURATION_DAYS_MAX * 86_400 {
        return None;
    }
    let sign = if negative { -1 } else { 1 };
    Some(Duration { days: days * sign, seconds: seconds * sign })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duration(days: i64, seconds: i64) -> Result<Duration, ()> {
        Ok(Duration { days, seconds })
    }

    #[test]
    fn durations_are_read_as_meant_or_refused() {
        for (value, expected) in [
            ("P1W", duration(7, 0)),
            ("-PT15M", duration(0, -900)),
            ("-PT00H15M00S", duration(0, -900)),
            ("+P1DT2H", duration(1, 7200)),
            ("p1w2dt3h4m5s", duration(9, 11045)),
            ("PT0S", duration(0, 0)),
            ("P0D", duration(0, 0)),
            ("P", Err(())),
            ("PT", Err(())),
            ("P15M", Err(())),
            ("PT1H30", Err(())),
            ("1H", Err(())),
            ("PT1.5H", Err(())),
            ("PTT1H", Err(())),
            ("P999999999999999999W", Err(())),
            ("P99999999999999999999W", Err(())),
            ("PT9223372036854775807H", Err(())),
            ("Pé", Err(())),
        ] {
            assert_eq!(Duration::parse(value).map_err(|_| ()), expected, "{value:?}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for value in ["P1D", "PT15M", "-PT15M", "P1DT2H", "PT1H1S", "PT0S", "-P1DT1S"] {
            assert_eq!(Duration::parse(value).unwrap().to_value(), value);
        }
    }
}
