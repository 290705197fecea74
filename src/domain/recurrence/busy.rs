//! The time that instances take: for free-busy answers and for finding free time.

use super::{Series, Window};
use crate::domain::object::{CalendarObject, ComponentKind};
use crate::domain::time::{DAY_MS, Instant, MINUTE_MS};
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Period};

use super::times::{Placed, period_length, timestamp};

/// How a stretch of time is taken: FBTYPE without FREE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BusyKind {
    /// BUSY
    Busy,
    /// BUSY-UNAVAILABLE
    Unavailable,
    /// BUSY-TENTATIVE
    Tentative,
}

impl BusyKind {
    /// As FBTYPE writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BusyKind::Busy => "BUSY",
            BusyKind::Unavailable => "BUSY-UNAVAILABLE",
            BusyKind::Tentative => "BUSY-TENTATIVE",
        }
    }
}

/// A stretch of time that is taken, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyPeriod {
    /// How it is taken.
    pub kind: BusyKind,
    /// From here
    pub from: Instant,
    /// to here.
    pub to: Instant,
}

/// What an object takes of a window.
#[derive(Clone, Debug, Default)]
pub struct Busy {
    /// In no order, cut to the window; [`merge`] them when all objects are together.
    pub periods: Vec<BusyPeriod>,
    /// Whether a bound was reached and there may be more.
    pub truncated: bool,
}

/// The time an object takes inside a window. Transparent and cancelled instances take none, neither do tasks and journal
/// entries; a VFREEBUSY takes the periods it lists.
#[must_use]
pub fn busy(object: &CalendarObject, window: Window, reader: &Zone) -> Busy {
    busy_where(object, window, reader, |_| true)
}

/// As [`busy`], of the components that `wanted` takes, by their position in [`CalendarObject::components`].
#[must_use]
pub fn busy_where(object: &CalendarObject, window: Window, reader: &Zone, wanted: impl Fn(usize) -> bool) -> Busy {
    match object.component() {
        ComponentKind::Event => {
            let expansion = Series::of(object).expand(window, reader);
            let taken = expansion.instances.iter().filter(|instance| wanted(instance.index));
            let periods = taken.filter_map(|instance| {
                cut(
                    BusyPeriod { kind: busy_kind(instance.component)?, from: instance.starts.at, to: instance.ends.at },
                    window,
                )
            });
            Busy { periods: periods.collect(), truncated: expansion.truncated }
        }
        ComponentKind::FreeBusy if wanted(0) => Busy { periods: listed(object, window, reader), truncated: false },
        ComponentKind::FreeBusy | ComponentKind::Todo | ComponentKind::Journal => Busy::default(),
    }
}

/// An object that repeats too often to be counted at once is counted in pieces of its window: of a day, and longer ones
/// where it has more days than this.
const PIECES_MAX: i64 = 100;
/// Objects of one answer that are counted in pieces; further ones of that kind take all of the window.
const FLOODS_MAX: usize = 10;
/// Periods of one object; where it has more, short gaps between them count as taken. An hourly series has as many in
/// four months.
const OBJECT_PERIODS_MAX: usize = 3_000;
/// The gaps that are closed, one after the other until the rest is few enough.
const GAPS_MS: [i64; 4] = [5 * MINUTE_MS, 15 * MINUTE_MS, 60 * MINUTE_MS, DAY_MS];

/// As [`busy`], merged, and never without an answer: what cannot be counted counts as taken, so that one object that
/// floods the calendar does not cost everybody the whole answer. `floods` counts such objects.
#[must_use]
pub fn busy_bounded(object: &CalendarObject, window: Window, reader: &Zone, floods: &mut usize) -> Vec<BusyPeriod> {
    let whole = busy(object, window, reader);
    if !whole.truncated || whole.periods.is_empty() {
        return coarser(merge(whole.periods));
    }
    *floods += 1;
    let pieces = if *floods > FLOODS_MAX { vec![window] } else { pieces(window) };
    let periods = pieces.into_iter().flat_map(|piece| {
        let found = busy(object, piece, reader);
        match found.truncated && !found.periods.is_empty() {
            true => vec![BusyPeriod { kind: BusyKind::Busy, from: piece.from, to: piece.to }],
            false => merge(found.periods),
        }
    });
    coarser(merge(periods.collect()))
}

fn pieces(window: Window) -> Vec<Window> {
    let length_ms = window.to.ms().saturating_sub(window.from.ms());
    let piece_ms = DAY_MS.max(length_ms / PIECES_MAX + 1);
    let mut pieces = Vec::new();
    let mut from = window.from;
    while from < window.to {
        let to = from.plus_ms(piece_ms).min(window.to);
        pieces.push(Window { from, to });
        from = to;
    }
    pieces
}

/// Merged periods, with gaps closed until there are at most [`OBJECT_PERIODS_MAX`] or no such gaps.
fn coarser(mut periods: Vec<BusyPeriod>) -> Vec<BusyPeriod> {
    for gap_ms in GAPS_MS {
        if periods.len() <= OBJECT_PERIODS_MAX {
            break;
        }
        let wider = periods.iter().map(|period| BusyPeriod { to: period.to.plus_ms(gap_ms), ..*period });
        let shorter = |period: BusyPeriod| BusyPeriod { to: period.to.plus_ms(-gap_ms), ..period };
        periods = merge(wider.collect()).into_iter().map(shorter).collect();
    }
    periods
}

/// Periods of each kind in order, those of one kind that touch or overlap made one. Kinds stay apart: where a tentative
/// and a firm appointment overlap, both are told.
#[must_use]
pub fn merge(mut periods: Vec<BusyPeriod>) -> Vec<BusyPeriod> {
    periods.sort_unstable_by_key(|period| (period.kind, period.from, period.to));
    let mut merged: Vec<BusyPeriod> = Vec::with_capacity(periods.len());
    for period in periods {
        match merged.last_mut() {
            Some(last) if last.kind == period.kind && period.from <= last.to => last.to = last.to.max(period.to),
            _ => merged.push(period),
        }
    }
    merged.sort_by_key(|period| period.from);
    merged
}

/// How an event takes its time; `None` if it takes none.
#[must_use]
pub fn busy_kind(event: &Component) -> Option<BusyKind> {
    let is = |name, value: &str| event.property(name).is_some_and(|p| p.value().trim().eq_ignore_ascii_case(value));
    if is("TRANSP", "TRANSPARENT") || is("STATUS", "CANCELLED") {
        return None;
    }
    Some(if is("STATUS", "TENTATIVE") { BusyKind::Tentative } else { BusyKind::Busy })
}

/// The part inside the window, if there is one.
pub(super) fn cut(period: BusyPeriod, window: Window) -> Option<BusyPeriod> {
    let (from, to) = (period.from.max(window.from), period.to.min(window.to));
    (from < to).then_some(BusyPeriod { from, to, ..period })
}

fn listed(object: &CalendarObject, window: Window, reader: &Zone) -> Vec<BusyPeriod> {
    let Some(calendar) = object.document().calendar() else { return Vec::new() };
    let zones = Zones::of(calendar);
    let mut found = Vec::new();
    for property in object.components().flat_map(|c| c.properties_named("FREEBUSY")) {
        let kind = match property.param("FBTYPE").map(|kind| kind.to_ascii_uppercase()).as_deref() {
            Some("FREE") => continue,
            Some("BUSY-TENTATIVE") => BusyKind::Tentative,
            Some("BUSY-UNAVAILABLE") => BusyKind::Unavailable,
            // RFC 5545 3.2.9: what is not known counts as BUSY.
            Some(_) | None => BusyKind::Busy,
        };
        for period in Period::list_of(property).unwrap_or_default() {
            let (from, to) = bounds(&period, &zones, reader);
            found.extend(cut(BusyPeriod { kind, from, to }, window));
        }
    }
    found
}

/// Where a PERIOD starts and ends.
pub(in crate::domain) fn bounds(period: &Period, zones: &Zones<'_>, reader: &Zone) -> (Instant, Instant) {
    let start = Placed::of(period.start.clone(), zones);
    let at = start.at(reader);
    let length = period_length(&start, &period.end, zones).length(at, reader);
    let starts = super::times::moment_at(timestamp(at.into()), start.zone.or(reader));
    (starts.at, length.end_of(starts, start.zone.or(reader)).at)
}
