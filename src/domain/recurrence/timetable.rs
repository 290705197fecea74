//! When the instances of an event lie in a stretch of time, and how they take it: little enough to be remembered, so
//! that the next question about the same bytes need not read them again.
//!
//! What a timetable answers is what [`super::super::timerange`] and [`super::busy`] answer, or nothing.

use super::{BusyKind, BusyPeriod, Series, Window, busy_kind, cut};
use crate::domain::object::{CalendarObject, ComponentKind};
use crate::domain::time::{DAY_MS, Instant};
use crate::domain::timerange::spans_overlap;
use crate::ics::zone::Zone;

/// Stretches begin this far apart and are twice as long, so that every window up to this length lies whole in one. Four
/// months hold what people look at; more would make the table of a daily series long for nobody.
const STEP_MS: i64 = 128 * DAY_MS;
/// Instances in one table: eight a day all through a stretch, and no more than this file's purpose of being small allows.
const SLOTS_MAX: usize = 2_048;

/// What a timetable covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stretch {
    /// All of time, for what does not repeat.
    All,
    /// One of the stretches time is divided into.
    Step(i64),
}

impl Stretch {
    /// The stretch in which a window lies whole; `None` where it is too long for any.
    #[must_use]
    pub fn around(window: Window) -> Option<Stretch> {
        let step = window.from.ms().div_euclid(STEP_MS);
        let stretch = Stretch::Step(step);
        (window.to <= stretch.window().to).then_some(stretch)
    }

    fn window(self) -> Window {
        let Stretch::Step(step) = self else { return Window::ALL };
        let begins = |step: i64| Instant::from_ms(step.saturating_mul(STEP_MS));
        Window { from: begins(step), to: begins(step.saturating_add(2)) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    starts: Instant,
    ends: Instant,
    /// `None`: it takes no time.
    kind: Option<BusyKind>,
}

/// The instances of one event in one stretch.
#[derive(Clone, Debug)]
pub struct Timetable {
    /// `None`: there are too many, or the rules could not be followed to the end; ask the event itself.
    slots: Option<Box<[Slot]>>,
}

impl Timetable {
    /// Reads an event. What is none has no timetable that answers.
    #[must_use]
    pub fn of(object: &CalendarObject, stretch: Stretch, reader: &Zone) -> Timetable {
        if object.component() != ComponentKind::Event {
            return Timetable { slots: None };
        }
        let series = Series::of(object);
        if stretch == Stretch::All && series.is_recurring() {
            return Timetable { slots: None };
        }
        let expansion = series.expand(stretch.window(), reader);
        if expansion.truncated || expansion.instances.len() > SLOTS_MAX {
            return Timetable { slots: None };
        }
        let slots = expansion.instances.iter().map(|instance| Slot {
            starts: instance.starts.at,
            ends: instance.ends.at,
            kind: busy_kind(instance.component),
        });
        Timetable { slots: Some(slots.collect()) }
    }

    /// Whether an instance overlaps a window inside the stretch (RFC 4791 §9.9); `None` if the table does not say.
    #[must_use]
    pub fn overlaps(&self, window: Window) -> Option<bool> {
        let slots = self.slots.as_ref()?;
        Some(before(slots, window.to).iter().any(|slot| spans_overlap(slot.starts, slot.ends, window)))
    }

    /// What the event takes of a window inside the stretch; `None` if the table does not say.
    pub fn busy(&self, window: Window) -> Option<impl Iterator<Item = BusyPeriod> + '_> {
        let slots = before(self.slots.as_ref()?, window.to);
        let taken = slots.iter().filter(move |slot| spans_overlap(slot.starts, slot.ends, window));
        Some(
            taken
                .filter_map(move |slot| cut(BusyPeriod { kind: slot.kind?, from: slot.starts, to: slot.ends }, window)),
        )
    }

    /// The memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Timetable>() + self.slots.as_ref().map_or(0, |slots| size_of_val(&**slots))
    }
}

/// Those that start before an instant; the slots are in the order of their starts.
fn before(slots: &[Slot], to: Instant) -> &[Slot] {
    slots.get(..slots.partition_point(|slot| slot.starts < to)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::recurrence::{busy, merge};
    use crate::domain::timerange;

    fn event(lines: &str) -> CalendarObject {
        let text = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n");
        CalendarObject::from_stored(Bytes::from(text.replace('\n', "\r\n"))).expect("an event")
    }

    const SECOND: &str = "END:VEVENT\nBEGIN:VEVENT\nUID:u\n";

    fn events() -> Vec<CalendarObject> {
        [
            "DTSTART:20260301T100000Z\nDTEND:20260301T110000Z".to_owned(),
            "DTSTART:20260301T100000Z".to_owned(),
            "DTSTART;VALUE=DATE:20260301\nTRANSP:TRANSPARENT".to_owned(),
            "DTSTART:20260301T100000\nDURATION:P3D\nSTATUS:TENTATIVE".to_owned(),
            "DTSTART;TZID=Europe/Berlin:20250105T233000\nDURATION:PT2H\nRRULE:FREQ=DAILY".to_owned(),
            "DTSTART;TZID=America/New_York:20200105T093000\nDURATION:P2W\nRRULE:FREQ=MONTHLY;BYDAY=2MO".to_owned(),
            format!(
                "DTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY\nEXDATE:20260202T090000Z\n{SECOND}\
                 RECURRENCE-ID:20260302T090000Z\nDTSTART:20260304T090000Z\nDURATION:PT3H\nSTATUS:CANCELLED\n{SECOND}\
                 RECURRENCE-ID;RANGE=THISANDFUTURE:20260601T090000Z\nDTSTART:20260602T100000Z\nDURATION:PT30M"
            ),
            format!(
                "RECURRENCE-ID:20260302T090000Z\nDTSTART:20260304T090000Z\nDURATION:PT3H\n{SECOND}\
                 RECURRENCE-ID:20260309T090000Z\nDTSTART:20260309T090000Z"
            ),
        ]
        .iter()
        .map(|lines| event(lines))
        .collect()
    }

    proptest! {
        #[test]
        fn a_table_says_what_the_event_says(
            from_h in 0_i64..18_000, hours in 1_i64..3_000, minutes in 0_i64..60, which in 0_usize..8, zone in 0_usize..3
        ) {
            // 2025-01-01, an hour each
            let from = Instant::from_ms(1_735_689_600_000 + from_h * 3_600_000 + minutes * 60_000);
            let window = Window { from, to: from.plus_ms(hours * 3_600_000) };
            let reader = Zone::named(["UTC", "Pacific/Auckland", "America/Los_Angeles"][zone]).expect("a zone");
            let event = &events()[which];
            let mut stretches = vec![Stretch::around(window).expect("a stretch")];
            if which < 4 {
                stretches.push(Stretch::All);
            }
            for stretch in stretches {
                let table = Timetable::of(event, stretch, &reader);
                let direct = timerange::overlapping(event, window, &reader);
                prop_assert_eq!(table.overlaps(window), Some(!direct.components.is_empty()));
                let told: Vec<BusyPeriod> = table.busy(window).expect("a table").collect();
                prop_assert_eq!(merge(told), merge(busy(event, window, &reader).periods));
            }
        }
    }

    #[test]
    fn what_cannot_be_told_whole_is_not_told() {
        let window = Window { from: Instant::from_ms(0), to: Instant::from_ms(STEP_MS) };
        let stretch = Stretch::around(window).expect("a stretch");
        let flood = event("DTSTART:19700101T000000Z\nDURATION:PT1M\nRRULE:FREQ=MINUTELY");
        let daily = event("DTSTART:19700101T000000Z\nDURATION:PT1M\nRRULE:FREQ=DAILY");
        assert!(Timetable::of(&flood, stretch, &Zone::Utc).overlaps(window).is_none());
        assert!(Timetable::of(&daily, Stretch::All, &Zone::Utc).busy(window).is_none());
        assert!(Timetable::of(&daily, stretch, &Zone::Utc).bytes() < 10_000);
    }

    #[test]
    fn a_window_lies_whole_in_its_stretch_or_in_none() {
        let at = |from: i64, to: i64| Window { from: Instant::from_ms(from), to: Instant::from_ms(to) };
        assert_eq!(Stretch::around(at(0, STEP_MS)), Some(Stretch::Step(0)));
        assert_eq!(Stretch::around(at(-1, 1)), Some(Stretch::Step(-1)));
        assert_eq!(Stretch::around(at(STEP_MS - 1, 2 * STEP_MS)), Some(Stretch::Step(0)));
        assert_eq!(Stretch::around(at(STEP_MS - 1, 2 * STEP_MS + 1)), None);
        assert_eq!(Stretch::around(Window::ALL), None);
        let late = Window { from: Instant::from_ms(i64::MAX - 1), to: Instant::FAR_FUTURE };
        assert!(Stretch::around(late).is_some());
    }
}
