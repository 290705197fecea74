//! Which occurrences a series has.
//!
//! The rules run on the wall clock of the series' zone (dressed as UTC), and each wall time is then placed in the zone: what a
//! gap swallows starts after it, what comes twice is taken the first time. Left out, as the rule engine leaves it out:
//! RSCALE and SKIP; EXRULE is honoured; a period in RDATE counts with its start only; a first start that its rule does not
//! match is an occurrence all the same, and not counted by COUNT.

use std::collections::BTreeSet;

use chrono::TimeZone as _;
use jiff::civil::{Date, DateTime};
use rrule::{RRule, RRuleSet, Tz, Unvalidated};

use super::{
    moment::{Moment, instant, zone, zone_or_utc},
    refusal::Refusal,
};

/// An endless rule is followed so far: more than 100 years of days. Beyond it there is nothing.
const STEPS_MAX: usize = 40_000;
/// Lines of one event.
const LINES_MAX: usize = 1_000;

/// A series, read.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    start: Moment,
    first: DateTime,
    rules: Vec<RRule<rrule::Validated>>,
    without: Vec<RRule<rrule::Validated>>,
    dates: BTreeSet<DateTime>,
    except: BTreeSet<DateTime>,
    except_days: BTreeSet<Date>,
}

impl Series {
    /// Reads the lines of `recurrence`.
    pub(crate) fn read(lines: &[String], start: &Moment) -> Result<Self, Refusal> {
        let mut series = Self {
            start: start.clone(),
            first: start.wall(),
            rules: Vec::new(),
            without: Vec::new(),
            dates: BTreeSet::new(),
            except: BTreeSet::new(),
            except_days: BTreeSet::new(),
        };
        if lines.len() > LINES_MAX {
            return Err(bad());
        }
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(bad)?;
            let mut parts = name.split(';');
            let property = parts.next().unwrap_or_default().to_ascii_uppercase();
            match property.as_str() {
                "RRULE" => series.rules.push(rule(value, start)?),
                "EXRULE" => series.without.push(rule(value, start)?),
                "RDATE" | "EXDATE" => {
                    let zone_name =
                        parts.filter_map(|part| part.split_once('=')).find(|(key, _)| key.eq_ignore_ascii_case("TZID"));
                    for text in value.split(',') {
                        let text = text.split('/').next().unwrap_or_default();
                        let wall = wall(text, zone_name.map(|(_, zone)| zone), start)?;
                        match (property.as_str(), text.len()) {
                            ("RDATE", _) => _ = series.dates.insert(wall),
                            (_, 8) if !start.is_date() => _ = series.except_days.insert(wall.date()),
                            _ => _ = series.except.insert(wall),
                        }
                    }
                }
                _ => return Err(bad()),
            }
        }
        Ok(series)
    }

    /// The wall starts up to and including `last`, at most `max`, in order.
    pub(crate) fn walls(&self, last: Option<DateTime>, max: usize) -> Vec<DateTime> {
        let first = dressed(self.first);
        let mut found = BTreeSet::from([self.first]);
        found.extend(self.dates.iter().copied());
        for rule in &self.rules {
            let set = RRuleSet::new(first).rrule(rule.clone()).limit();
            // The start is the first of a count, be it of the rule or not.
            let counted = rule.get_count().and_then(|count| usize::try_from(count).ok());
            let mut left = counted.unwrap_or(usize::MAX);
            for (at, one) in set.into_iter().take(STEPS_MAX.min(max.saturating_add(1))).enumerate() {
                let Some(wall) = undressed(one) else { break };
                if at == 0 && wall != self.first {
                    left = left.saturating_sub(1);
                }
                if left == 0 {
                    break;
                }
                left -= 1;
                if last.is_some_and(|last| wall > last) {
                    break;
                }
                found.insert(wall);
            }
        }
        if !self.without.is_empty() {
            let end = found.last().copied().unwrap_or(self.first);
            for rule in &self.without {
                let set = RRuleSet::new(first).rrule(rule.clone()).limit();
                for at in set.into_iter().take(STEPS_MAX) {
                    let Some(wall) = undressed(at).filter(|wall| *wall <= end) else { break };
                    found.remove(&wall);
                }
            }
        }
        found
            .into_iter()
            .filter(|wall| last.is_none_or(|last| *wall <= last))
            .filter(|wall| !self.except.contains(wall) && !self.except_days.contains(&wall.date()))
            .take(max)
            .collect()
    }

    /// How many occurrences the rules make before this wall time; exceptions count, extra dates do not.
    pub(crate) fn rule_walls_before(&self, wall: &DateTime) -> usize {
        let rules =
            Self { dates: BTreeSet::new(), except: BTreeSet::new(), except_days: BTreeSet::new(), ..self.clone() };
        rules.walls(Some(*wall), STEPS_MAX).iter().filter(|one| *one < wall).count()
    }

    /// The starts of occurrences up to and including `last`.
    pub(crate) fn starts(&self, last: Option<DateTime>, max: usize) -> Vec<Moment> {
        self.walls(last, max).into_iter().map(|wall| self.start.at_wall(wall)).collect()
    }

    /// Whether an occurrence starts then.
    pub(crate) fn has(&self, start: &Moment) -> bool {
        if start.is_date() != self.start.is_date() {
            return false;
        }
        let wall = match start {
            Moment::Date(_) => start.wall(),
            Moment::Time { ms, .. } => match &self.start {
                Moment::Time { zone, .. } => instant(*ms).to_zoned(zone_or_utc(zone)).datetime(),
                Moment::Date(_) => return false,
            },
        };
        wall >= self.first && self.walls(Some(wall), STEPS_MAX).last() == Some(&wall)
    }
}

fn bad() -> Refusal {
    Refusal::invalid("Invalid recurrence rule.")
}

fn rule(text: &str, start: &Moment) -> Result<RRule<rrule::Validated>, Refusal> {
    let mut parts = Vec::new();
    for part in text.split(';').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(bad)?;
        if name.eq_ignore_ascii_case("INTERVAL") && value.parse::<u16>().is_ok_and(|every| every == 0) {
            return Err(bad());
        }
        if name.eq_ignore_ascii_case("UNTIL") {
            let until = wall(value, None, start)?;
            let until = if value.len() == 8 && !start.is_date() { until.date().at(23, 59, 59, 0) } else { until };
            parts.push(format!("UNTIL={}", until.strftime("%Y%m%dT%H%M%SZ")));
        } else {
            parts.push(part.to_ascii_uppercase());
        }
    }
    let rule: RRule<Unvalidated> = parts.join(";").parse().map_err(|_| bad())?;
    rule.validate(dressed(start.wall())).map_err(|_| bad())
}

/// A date or date-time of a line as wall time of the series.
fn wall(text: &str, zone_name: Option<&str>, start: &Moment) -> Result<DateTime, Refusal> {
    let digits = |from: usize, to: usize| -> Result<i16, Refusal> {
        text.get(from..to)
            .filter(|part| part.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|part| part.parse().ok())
            .ok_or_else(bad)
    };
    let small = |from: usize, to: usize| -> Result<i8, Refusal> { i8::try_from(digits(from, to)?).map_err(|_| bad()) };
    let date = Date::new(digits(0, 4)?, small(4, 6)?, small(6, 8)?).map_err(|_| bad())?;
    if text.len() == 8 {
        // A timed series' extra date stands for the usual hour.
        return Ok(DateTime::from_parts(
            date,
            if start.is_date() { jiff::civil::Time::midnight() } else { start.wall().time() },
        ));
    }
    if text.get(8..9) != Some("T") || !matches!(text.len(), 15 | 16) {
        return Err(bad());
    }
    let time = jiff::civil::Time::new(small(9, 11)?, small(11, 13)?, small(13, 15)?.min(59), 0).map_err(|_| bad())?;
    let written = DateTime::from_parts(date, time);
    let Moment::Time { zone: own, .. } = start else { return Ok(date.to_datetime(jiff::civil::Time::midnight())) };
    let from = match (text.ends_with('Z'), zone_name) {
        (true, _) => jiff::tz::TimeZone::UTC,
        (false, Some(name)) => zone(name).ok_or_else(bad)?,
        (false, None) => return Ok(written),
    };
    let at = from.to_ambiguous_timestamp(written).compatible().map_err(|_| bad())?;
    Ok(at.to_zoned(zone_or_utc(own)).datetime())
}

fn dressed(wall: DateTime) -> chrono::DateTime<Tz> {
    let date = chrono::NaiveDate::from_ymd_opt(
        i32::from(wall.year()),
        wall.month().unsigned_abs().into(),
        wall.day().unsigned_abs().into(),
    );
    let time = chrono::NaiveTime::from_hms_opt(
        wall.hour().unsigned_abs().into(),
        wall.minute().unsigned_abs().into(),
        wall.second().unsigned_abs().into(),
    );
    let naive = date.unwrap_or_default().and_time(time.unwrap_or_default());
    Tz::UTC.from_utc_datetime(&naive)
}

fn undressed(at: chrono::DateTime<Tz>) -> Option<DateTime> {
    let seconds = at.timestamp();
    let at = jiff::Timestamp::from_second(seconds).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).datetime())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn start(value: serde_json::Value) -> Moment {
        Moment::read(&value, &Arc::from("UTC")).unwrap().unwrap().0
    }

    fn suffixes(lines: &[&str], from: serde_json::Value, max: usize) -> Vec<String> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        Series::read(&lines, &start(from)).unwrap().starts(None, max).iter().map(Moment::suffix).collect()
    }

    #[test]
    fn the_hour_stays_on_the_wall_across_a_change_of_clocks() {
        let berlin = json!({ "dateTime": "2026-03-27T09:00:00", "timeZone": "Europe/Berlin" });
        assert_eq!(
            suffixes(&["RRULE:FREQ=DAILY;COUNT=4", "EXDATE;TZID=Europe/Berlin:20260328T090000"], berlin, 10),
            ["20260327T080000Z", "20260329T070000Z", "20260330T070000Z"]
        );
    }

    #[test]
    fn until_is_an_instant_for_times_and_a_day_for_days() {
        let new_york = json!({ "dateTime": "2026-03-02T20:00:00", "timeZone": "America/New_York" });
        // 8 pm in New York is 1 am UTC of the next day: the third is still within.
        assert_eq!(suffixes(&["RRULE:FREQ=DAILY;UNTIL=20260305T010000Z"], new_york, 10).len(), 3);
        assert_eq!(suffixes(&["RRULE:FREQ=DAILY;UNTIL=20260305"], json!({ "date": "2026-03-02" }), 10).len(), 4);
    }

    #[test]
    fn extra_dates_come_and_an_endless_rule_ends_at_the_bound() {
        let day = json!({ "date": "2026-03-02" });
        assert_eq!(
            suffixes(&["RDATE;VALUE=DATE:20260401,20260310"], day.clone(), 10),
            ["20260302", "20260310", "20260401"]
        );
        assert_eq!(suffixes(&["RRULE:FREQ=WEEKLY"], day, 3), ["20260302", "20260309", "20260316"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "RRULE:FREQ=OFTEN",
            "RRULE",
            "DTSTART:20260101",
            "EXDATE:2026-01-01",
            "RRULE:FREQ=DAILY;INTERVAL=0",
            "RRULE:é=é;UNTIL=é",
            "EXDATE:é0260101T",
        ] {
            let start = start(json!({ "date": "2026-03-02" }));
            assert!(Series::read(&[line.to_owned()], &start).is_err(), "{line}");
        }
    }

    #[test]
    fn it_knows_its_occurrences() {
        let first = start(json!({ "dateTime": "2026-03-27T09:00:00", "timeZone": "Europe/Berlin" }));
        let series = Series::read(&["RRULE:FREQ=WEEKLY".to_owned()], &first).unwrap();
        assert!(series.has(&start(json!({ "dateTime": "2026-04-03T07:00:00Z" }))));
        assert!(!series.has(&start(json!({ "dateTime": "2026-04-03T08:00:00Z" }))));
        assert!(!series.has(&start(json!({ "date": "2026-04-03" }))));
    }
}
