//! From the first start to the last end of an object, never too narrow: what an index finds it by.
//!
//! Times that are the reader's own count with the easternmost and the westernmost clock there is. Where a rule cannot be
//! followed to its end within the budget, the object has no end.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::Series;
use super::busy::bounds;
use super::series::{Master, Override};
use super::times::{Length, Moment, Placed, moment};
use crate::domain::object::{CalendarObject, Span};
use crate::domain::time::{HOUR_MS, Instant};
use crate::ics::rule::{Budget, LastStart, Rule, Until};
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Period, When};

/// The clocks of the world lie within 14 hours of UTC.
const CLOCKS: [Zone; 2] = [Zone::Fixed(Offset::constant(14)), Zone::Fixed(Offset::constant(-14))];

/// Spans are kept for years while governments change their clocks: a span must still hold the appointment when the
/// zone is read by next year's rules. It also covers that a series in a zone with summer time does not end in the order
/// it starts.
const DECREE_SLACK_MS: i64 = 2 * HOUR_MS;

/// The span of an object; `None` when nothing in it has a date.
#[must_use]
pub fn span(object: &CalendarObject) -> Option<Span> {
    let series = Series::of(object);
    let lasts = series.last_walls();
    let mut places: Vec<&Placed> = Vec::new();
    if let Some(master) = &series.master {
        places.extend(master.times.places());
        places.extend(master.dates.iter().map(|(date, _)| date));
    }
    places.extend(series.overrides.iter().flat_map(|over| over.times.places().into_iter().chain([&over.instance])));
    let free_busy = free_busy(object);
    let floating = places.iter().any(|place| matches!(place.zone, Zone::Floating)) || free_busy.iter().any(is_floating);
    let decreed = places.iter().any(|place| matches!(place.zone, Zone::Iana(_) | Zone::Custom(_)));

    let calendar = object.document().calendar()?;
    let zones = Zones::of(calendar);
    let mut total: Option<Extent> = None;
    for reader in &CLOCKS {
        let periods = free_busy.iter().map(|period| bounds(period, &zones, reader));
        let listed = periods.map(|(from, to)| Extent { from, to: Some(to) });
        for extent in series.extents(&lasts, reader).into_iter().chain(listed) {
            total = Some(total.map_or(extent, |total| total.joined(extent)));
        }
    }
    let slack = if decreed { DECREE_SLACK_MS } else { 0 };
    total.map(|total| Span { starts: total.from.plus_ms(-slack), ends: total.to.map(|to| to.plus_ms(slack)), floating })
}

#[derive(Clone, Copy)]
struct Extent {
    from: Instant,
    to: Option<Instant>,
}

impl Extent {
    fn of(starts: Moment, length: Length, zone: &Zone) -> Extent {
        Extent { from: starts.at, to: Some(length.end_of(starts, zone).at) }
    }

    fn joined(self, other: Extent) -> Extent {
        Extent { from: self.from.min(other.from), to: self.to.zip(other.to).map(|(a, b)| a.max(b)) }
    }
}

/// The last start a rule can give.
#[derive(Clone, Copy)]
enum Last {
    Wall(DateTime),
    At(Timestamp),
    Never,
}

impl Series<'_> {
    fn last_walls(&self) -> Vec<Last> {
        let mut budget = Budget::default();
        let Some(master) = &self.master else { return Vec::new() };
        let start = master.times.start.when.local();
        // A rule that cannot be read here may be read elsewhere, and never end.
        let unread = master.component.properties_named("RRULE").count() > master.rules.len();
        let lasts = master.rules.iter().map(|rule| last(rule, start, &mut budget));
        lasts.chain(unread.then_some(Last::Never)).collect()
    }

    fn extents(&self, lasts: &[Last], reader: &Zone) -> Vec<Extent> {
        let mut extents = Vec::new();
        let mut last_original = None;
        if let Some(master) = &self.master {
            last_original = master.last_original(lasts, reader);
            extents.push(master.extent(last_original, reader));
        }
        for over in &self.overrides {
            let zone = over.times.start.zone.or(reader);
            let own = moment(over.times.start.when.local(), zone);
            extents.push(Extent::of(own, over.times.length(reader), zone));
            if over.and_future {
                extents.push(Extent { from: own.at, to: self.last_end(over, last_original, reader) });
            }
        }
        extents
    }

    /// Where the last instance ends that an override for this and all later instances moves.
    fn last_end(&self, over: &Override<'_>, last_original: Option<Timestamp>, reader: &Zone) -> Option<Instant> {
        let shift = over.shift(self.master.as_ref()?.instant(&over.instance, reader), reader);
        let zone = over.times.start.zone.or(reader);
        let starts = moment(over.moved(last_original?, shift, reader), zone);
        Some(over.times.length(reader).end_of(starts, zone).at)
    }
}

impl Master<'_> {
    /// The last start its rules and dates give; `None` if there is none.
    fn last_original(&self, lasts: &[Last], reader: &Zone) -> Option<Timestamp> {
        let zone = self.times.start.zone.or(reader);
        let dates = self.dates.iter().map(|(date, _)| self.instant(date, reader));
        let mut latest = dates.chain([self.times.start.at(reader)]).max()?;
        for last in lasts {
            latest = latest.max(match last {
                Last::Wall(wall) => zone.instant(*wall),
                Last::At(at) => *at,
                Last::Never => return None,
            });
        }
        Some(latest)
    }

    fn extent(&self, last: Option<Timestamp>, reader: &Zone) -> Extent {
        let zone = self.times.start.zone.or(reader);
        let length = self.times.length(reader);
        let at = |at: Timestamp| Moment { at: at.into(), local: zone.local(at) };
        let mut extent = Extent::of(at(self.times.start.at(reader)), length, zone);
        for (date, own) in &self.dates {
            let starts = self.instant(date, reader);
            let length = own.as_ref().map_or(length, |own| own.length(starts, reader));
            extent = extent.joined(Extent::of(at(starts), length, zone));
        }
        Extent { to: last.and_then(|last| extent.to.max(Some(length.end_of(at(last), zone).at))), ..extent }
    }
}

fn last(rule: &Rule, start: DateTime, budget: &mut Budget) -> Last {
    // UNTIL alone is enough, so that a rule with both is not counted out.
    match rule.until {
        Some(Until::Date(date)) => Last::Wall(date.at(23, 59, 59, 0)),
        Some(Until::Local(wall)) => Last::Wall(wall),
        Some(Until::Utc(utc)) => Last::At(Zone::Utc.instant(utc)),
        None => match rule.last_counted(start, budget) {
            Ok(LastStart::At(wall)) => Last::Wall(wall),
            Ok(LastStart::Uncounted) | Err(_) => Last::Never,
        },
    }
}

fn free_busy(object: &CalendarObject) -> Vec<Period> {
    let properties = object.components().flat_map(|component| component.properties_named("FREEBUSY"));
    properties.flat_map(|property| Period::list_of(property).unwrap_or_default()).collect()
}

fn is_floating(period: &Period) -> bool {
    matches!(period.start, When::Date(_) | When::Floating(_))
}
