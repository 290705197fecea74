//! For how long what is old is kept.

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

use super::ConfigError;

/// A number of days as a source has it: the file a number, the environment a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Days {
    /// As the file has it.
    Number(i64),
    /// As the environment has it.
    Text(String),
}

/// Whatever stands there is taken: what is wrong with it is said by [`KeptConfig`], which knows the setting's name.
impl<'de> Deserialize<'de> for Days {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Days, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Days;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of days")
            }
            fn visit_i64<E>(self, days: i64) -> Result<Days, E> {
                Ok(Days::Number(days))
            }
            fn visit_f64<E>(self, days: f64) -> Result<Days, E> {
                Ok(Days::Text(days.to_string()))
            }
            fn visit_str<E>(self, days: &str) -> Result<Days, E> {
                Ok(Days::Text(days.to_owned()))
            }
        }
        from.deserialize_any(Any)
    }
}

/// For how many days what is old is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeptConfig {
    /// Attempts, and runs with what they did. Their counts by day stay.
    pub attempts_days: i64,
    /// A past state after another took its place.
    pub versions_days: i64,
    /// A deletion, for clients that come back with an old sync token.
    pub tombstones_days: i64,
}

impl Default for KeptConfig {
    fn default() -> KeptConfig {
        KeptConfig { attempts_days: 90, versions_days: 90, tombstones_days: 400 }
    }
}

/// A week: the figures at a glance look back so far, and a failure of Friday evening is there on Monday.
const ATTEMPTS_DAYS_MIN: i64 = 7;
/// A week: a run is undone from what was there before it.
const VERSIONS_DAYS_MIN: i64 = 7;
/// A month: a device that was away on holiday should not have to begin anew.
const TOMBSTONES_DAYS_MIN: i64 = 30;
/// A hundred years: for ever.
const DAYS_MAX: i64 = 36_500;

impl KeptConfig {
    pub(super) fn of(set: &super::Layer) -> Result<KeptConfig, ConfigError> {
        let default = KeptConfig::default();
        Ok(KeptConfig {
            attempts_days: days(&set.attempts_kept_days, default.attempts_days, ATTEMPTS_DAYS_MIN)
                .map_err(|why| ConfigError(format!("attempts_kept_days: {why}")))?,
            versions_days: days(&set.versions_kept_days, default.versions_days, VERSIONS_DAYS_MIN)
                .map_err(|why| ConfigError(format!("versions_kept_days: {why}")))?,
            tombstones_days: days(&set.tombstones_kept_days, default.tombstones_days, TOMBSTONES_DAYS_MIN)
                .map_err(|why| ConfigError(format!("tombstones_kept_days: {why}")))?,
        })
    }
}

fn days(given: &Option<Days>, default: i64, least: i64) -> Result<i64, String> {
    let (number, told) = match given {
        None => return Ok(default),
        Some(Days::Number(number)) => (Some(*number), number.to_string()),
        Some(Days::Text(text)) => (text.trim().parse().ok(), format!("{text:?}")),
    };
    let fits = |number: &i64| (least..=DAYS_MAX).contains(number);
    number.filter(fits).ok_or_else(|| format!("{told} is no number of days between {least} and {DAYS_MAX}"))
}
