//! What a series repeats by: the event's `recurrence` lines with its cancelled exceptions, and the RRULE, RDATE, EXDATE and
//! cancelled overrides of an object.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::ToSpan;
use jiff::civil::DateTime;
use serde_json::{Value, json};

use super::dialect::Dialect;
use super::held::{Held, is_cancelled};
use super::time::{At, zone_of};
use crate::domain::appointment::{Appointment, Status};
use crate::domain::recurrence::lawful_rule;
use crate::ics::rule::{Budget, LastStart, Rule, Truncated, Until};
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Document, Period, Property, When};

/// More lines than this are no recurrence that anybody wrote.
const LINES_MAX: usize = 20_000;

/// What a series repeats by. Slots are keys: see [`At::key`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::upstream) struct Series {
    /// RRULE, by the letter.
    pub(in crate::upstream) rules: BTreeSet<String>,
    /// EXRULE, by the letter.
    pub(in crate::upstream) unless: BTreeSet<String>,
    /// RDATE.
    pub(in crate::upstream) added: BTreeSet<String>,
    /// EXDATE, and slots that are cancelled.
    pub(in crate::upstream) removed: BTreeSet<String>,
}

impl Series {
    /// Of an item.
    pub(in crate::upstream) fn of_held(held: &Held, zone: &str, dialect: &Dialect) -> Series {
        let Some(master) = &held.master else { return Series::default() };
        let Some(start) = master.get("start").and_then(|start| At::of_json(start, zone)) else {
            return Series::default();
        };
        let lines = Lines::of_json(master.get("recurrence"));
        if lines.0.is_empty() {
            return Series::default();
        }
        let mut series = lines.read(&start, dialect);
        let slots = Slots::of(&series, &start);
        let mut budget = Budget::default();
        let cancelled = held.exceptions.iter().filter(|(_, event)| is_cancelled(event)).map(|(slot, _)| slot);
        // A provider keeps cancelled slots that a series has lost since, by a new end or a new start.
        let lost: Vec<String> = cancelled.filter(|slot| slots.has(slot, &mut budget)).cloned().collect();
        series.removed.extend(lost);
        for (slot, _) in held.exceptions.iter().filter(|(_, event)| !is_cancelled(event)) {
            series.removed.remove(slot);
        }
        series
    }

    /// Of an object: its master, and the slots of its overrides, each with whether it is cancelled.
    pub(in crate::upstream) fn of_object(
        master: &Component,
        record: &Appointment,
        overridden: &BTreeMap<String, Status>,
        (zones, zone): (&Zones<'_>, &str),
        dialect: &Dialect,
    ) -> Series {
        let form = Form { start: &record.start, zones, zone };
        // A floating series is one of the calendar's zone to a provider.
        let start = form.slot(&record.start).to_when();
        let rules = |name: &'static str| -> BTreeSet<String> {
            master.properties_named(name).map(|p| by_the_letter(p.value(), &start, &form.zone(), dialect)).collect()
        };
        let keys = |dates: &[When]| -> BTreeSet<String> { dates.iter().map(|when| form.slot(when).key()).collect() };
        let mut series = Series {
            rules: rules("RRULE"),
            unless: rules("EXRULE"),
            added: keys(&record.recurrence.added),
            removed: keys(&record.recurrence.removed),
        };
        if series.is_single() {
            return Series::default();
        }
        let slots = Slots::of(&series, &form.slot(&record.start));
        let mut budget = Budget::default();
        for (slot, status) in overridden {
            if *status == Status::Cancelled {
                series.removed.insert(slot.clone());
            } else {
                series.removed.remove(slot);
                if !slots.has(slot, &mut budget) {
                    // An override of no instance takes place all the same: there it is one of a date of its own.
                    series.added.insert(slot.clone());
                }
            }
        }
        series
    }

    /// Whether the series, which starts then, has that slot, be it removed.
    pub(in crate::upstream) fn has_slot(&self, start: &At, key: &str) -> bool {
        Slots::of(self, start).has(key, &mut Budget::default())
    }

    pub(in crate::upstream) fn is_single(&self) -> bool {
        self.rules.is_empty() && self.added.is_empty()
    }

    /// Whether only the removed slots may differ.
    pub(in crate::upstream) fn same_but_removed(&self, other: &Series) -> bool {
        self.rules == other.rules && self.unless == other.unless && self.added == other.added
    }

    /// Of the lines alone.
    pub(in crate::upstream) fn of_lines(lines: Option<&Value>, start: &At, dialect: &Dialect) -> Series {
        Lines::of_json(lines).read(start, dialect)
    }

    /// As lines, of an object that starts then. `left_out`: removed slots that are known as cancelled there.
    pub(in crate::upstream) fn to_json(&self, start: &At, left_out: &BTreeSet<String>) -> Value {
        let mut lines: Vec<String> = self.rules.iter().map(|rule| format!("RRULE:{rule}")).collect();
        lines.extend(self.unless.iter().map(|rule| format!("EXRULE:{rule}")));
        let mut dates = |name: &str, keys: Vec<&String>| {
            let zone = start.zone().unwrap_or("UTC");
            for when in keys.into_iter().filter_map(|key| At::of_key(key, zone)).map(|at| at.to_when()) {
                lines.push(when.to_property(name).unfolded().to_owned());
            }
        };
        dates("RDATE", self.added.iter().collect());
        dates("EXDATE", self.removed.iter().filter(|slot| !left_out.contains(*slot)).collect());
        json!(lines)
    }
}

/// The slots that a series has, removed ones included.
struct Slots {
    rules: Vec<Option<Rule>>,
    added: BTreeSet<String>,
    start: At,
    zone: Zone,
}

impl Slots {
    fn of(series: &Series, start: &At) -> Slots {
        let for_start = |rule: Rule| if start.is_day() { rule.for_dates() } else { rule };
        Slots {
            rules: series.rules.iter().map(|rule| Rule::parse(rule).ok().map(for_start)).collect(),
            added: series.added.clone(),
            start: start.clone(),
            zone: start.zone().map_or(Zone::Utc, zone_of),
        }
    }

    /// Whether it has that slot. A rule that cannot be read, or not within the budget, has every slot.
    fn has(&self, key: &str, budget: &mut Budget) -> bool {
        let Some(slot) = At::of_key(key, "UTC") else { return false };
        let local = |at: &At| match at {
            At::Day(date) => date.at(0, 0, 0, 0),
            At::Time { at, .. } => self.zone.local(*at),
        };
        if slot.is_day() != self.start.is_day() {
            return false;
        }
        if self.added.contains(key) || slot.same_moment(&self.start) {
            return true;
        }
        // A wall clock that is skipped shows another time than the rule says: what counts is the instant.
        let (from, to) = (local(&slot).saturating_sub(NEAR.hours()), local(&slot).saturating_add(NEAR.hours()));
        let is_slot = |found: Result<DateTime, Truncated>| match (found, &slot) {
            (Err(Truncated), _) => true,
            (Ok(found), At::Day(date)) => found.date() == *date,
            (Ok(found), At::Time { at, .. }) => self.zone.instant(found) == *at,
        };
        self.rules.iter().any(|rule| {
            rule.as_ref().is_none_or(|rule| {
                // The walk reads an end in UTC loosely.
                let in_time = match (rule.until, &slot) {
                    (Some(Until::Utc(until)), At::Time { at, .. }) => *at <= Zone::Utc.instant(until),
                    _ => true,
                };
                in_time && rule.walk(local(&self.start), from..to, budget).any(is_slot)
            })
        })
    }
}

/// Hours around a wall clock in which a change of clocks may have moved it.
const NEAR: i64 = 3;

/// How the dates of one series are written, and what they mean.
pub(in crate::upstream) struct Form<'a> {
    pub(in crate::upstream) start: &'a When,
    pub(in crate::upstream) zones: &'a Zones<'a>,
    /// The calendar's.
    pub(in crate::upstream) zone: &'a str,
}

impl Form<'_> {
    /// The zone that the series is expanded in.
    pub(in crate::upstream) fn zone(&self) -> Zone {
        match self.zones.of_value(self.start) {
            Zone::Floating => zone_of(self.zone),
            zone => zone,
        }
    }

    /// The slot that a date of the series means, in the kind of the start: a day stands for the instance of that day.
    pub(in crate::upstream) fn slot(&self, when: &When) -> At {
        let zone = self.zones.of_value(when);
        match (self.start, when) {
            (When::Date(_), When::Date(date)) => At::Day(*date),
            (When::Date(_), other) => At::Day(other.local().date()),
            (start, When::Date(date)) => {
                let local = date.to_datetime(start.local().time());
                At::of_when(&with_local(start, local), &self.zones.of_value(start), self.zone)
            }
            (start, When::Floating(_)) => {
                At::of_when(&with_local(start, when.local()), &self.zones.of_value(start), self.zone)
            }
            _ => At::of_when(when, &zone, self.zone),
        }
    }

    /// A rule by the letter, with its end in the form of the start.
    pub(in crate::upstream) fn rule(&self, rule: &str) -> String {
        let Ok(mut parsed) = Rule::parse(rule) else { return rule.to_owned() };
        if let (When::Floating(_), Some(Until::Utc(until))) = (self.start, parsed.until) {
            parsed.until = Some(Until::Local(self.zone().local(Zone::Utc.instant(until))));
        }
        parsed.to_string()
    }

    /// The date of a slot, in the form of the start.
    pub(in crate::upstream) fn date(&self, slot: &At) -> When {
        match (self.start, slot) {
            (_, At::Day(date)) => When::Date(*date),
            (When::Date(_), At::Time { at, .. }) => When::Date(self.zone().local(*at).date()),
            (start, At::Time { at, .. }) => with_local(start, self.zone().local(*at)),
        }
    }
}

fn with_local(kind: &When, local: DateTime) -> When {
    match kind {
        When::Date(_) => When::Date(local.date()),
        When::Floating(_) => When::Floating(local),
        When::Utc(_) => When::Utc(local),
        When::Zoned { tzid, .. } => When::Zoned { local, tzid: tzid.clone() },
    }
}

/// A rule as strict readers want it; one that nobody can read, as it is. A count that begins with a start outside of the
/// rule becomes an end: readers disagree about whether such a start is counted.
pub(in crate::upstream) fn by_the_letter(rule: &str, start: &When, zone: &Zone, dialect: &Dialect) -> String {
    let Ok(mut parsed) = Rule::parse(rule.trim()) else { return rule.trim().to_uppercase() };
    if start.is_date() {
        parsed = parsed.for_dates();
    }
    if parsed.count.is_some()
        && !parsed.gives_start(start.local())
        && let Ok(LastStart::At(last)) = parsed.last_counted(start.local(), &mut Budget::default())
    {
        parsed.count = None;
        parsed.until = Some(if start.is_date() { Until::Date(last.date()) } else { Until::Local(last) });
    }
    let lawful = lawful_rule(parsed, start, zone);
    match (dialect.canon)(lawful.clone(), start.local(), start.is_date(), zone) {
        Ok(kept) => lawful_rule(kept, start, zone).to_string(),
        Err(_) => lawful.to_string(),
    }
}

/// Whether a rule is one that a provider can keep for a series with that start: read by everybody, and with an end behind it.
pub(in crate::upstream) fn makes_sense(rule: &str, start: &At) -> bool {
    let Ok(rule) = Rule::parse(rule) else { return false };
    match (rule.until, start) {
        (Some(Until::Date(until)), At::Day(start)) => until >= *start,
        (Some(Until::Utc(until)), At::Time { at, .. }) => Zone::Utc.instant(until) >= *at,
        _ => true,
    }
}

/// The lines of an event, read as properties.
struct Lines(Vec<Property>);

impl Lines {
    fn of_json(value: Option<&Value>) -> Lines {
        let lines = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let wanted = |line: &&str| {
            let name = line.split([':', ';']).next().unwrap_or_default().trim();
            ["RRULE", "EXRULE", "RDATE", "EXDATE"].iter().any(|known| name.eq_ignore_ascii_case(known))
        };
        let mut text = String::from("BEGIN:X\r\n");
        for line in lines.filter(wanted).take(LINES_MAX) {
            text.push_str(&line.replace(['\r', '\n'], ""));
            text.push_str("\r\n");
        }
        text.push_str("END:X\r\n");
        let read = Document::parse(&Bytes::from(text)).ok();
        let properties = read.and_then(|document| {
            let found: Option<Vec<Property>> = document.components().next().map(|c| c.properties().cloned().collect());
            found
        });
        Lines(properties.unwrap_or_default())
    }

    fn read(&self, start: &At, dialect: &Dialect) -> Series {
        let start_when = start.to_when();
        let zone = start.zone().map_or(Zone::Floating, zone_of);
        let rules = |name: &str| -> BTreeSet<String> {
            self.0
                .iter()
                .filter(|p| p.is(name))
                .map(|p| by_the_letter(p.value(), &start_when, &zone, dialect))
                .collect()
        };
        let keys = |name: &str| -> BTreeSet<String> {
            let dates = self.0.iter().filter(|p| p.is(name)).flat_map(dates_of);
            dates.map(|when| slot_of(&when, start, &zone).key()).collect()
        };
        Series { rules: rules("RRULE"), unless: rules("EXRULE"), added: keys("RDATE"), removed: keys("EXDATE") }
    }
}

fn dates_of(property: &Property) -> Vec<When> {
    if property.value().contains('/') {
        return Period::list_of(property).unwrap_or_default().into_iter().map(|period| period.start).collect();
    }
    When::list_of(property).unwrap_or_default()
}

/// The slot that one of the provider's dates means.
fn slot_of(when: &When, start: &At, zone: &Zone) -> At {
    let named = start.zone().unwrap_or("UTC");
    match (start, when) {
        (At::Day(_), When::Date(date)) => At::Day(*date),
        (At::Day(_), other) => At::Day(other.local().date()),
        (At::Time { at, .. }, When::Date(date)) => {
            let local = date.to_datetime(zone.local(*at).time());
            At::Time { at: zone.instant(local), zone: named.to_owned() }
        }
        (At::Time { .. }, When::Zoned { local, tzid }) => {
            let own = Zone::named(tzid).unwrap_or_else(|| zone.clone());
            At::Time { at: own.instant(*local), zone: named.to_owned() }
        }
        (At::Time { .. }, When::Utc(local)) => At::Time { at: Zone::Utc.instant(*local), zone: named.to_owned() },
        (At::Time { .. }, When::Floating(local)) => At::Time { at: zone.instant(*local), zone: named.to_owned() },
    }
}
