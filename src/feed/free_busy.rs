//! A feed that is one VFREEBUSY: when its owner's time is taken, and how.

use super::render::write;
use crate::domain::appointment::instant_utc;
use crate::domain::feed::{FeedPrivacy, FeedSettings};
use crate::domain::object::CalendarObject;
use crate::domain::privacy::{Telling, Told};
use crate::domain::recurrence::{BusyPeriod, Window, busy_where, merge};
use crate::domain::time::Instant;
use crate::ics::zone::Zone;
use crate::ics::{Component, Property, When};
use crate::store::Selected;

/// The periods found so far.
#[derive(Debug)]
pub(super) struct FreeBusy {
    settings: FeedSettings,
    window: Window,
    /// The zone in which the owner's days begin.
    owner: Zone,
    uid: String,
    /// Merged from time to time, so that many appointments at one time cost the memory of one.
    periods: Vec<BusyPeriod>,
    merge_at: usize,
    /// Periods that may still be looked at.
    left: usize,
    truncated: bool,
}

/// Periods gathered before they are merged for the first time.
const MERGE_AT: usize = 10_000;

/// Periods looked at for one answer: a hundred series by the hour over three years are two million and tell nothing that
/// one period does not.
const PERIODS_MAX: usize = 1_000_000;

impl FreeBusy {
    pub fn new(settings: FeedSettings, window: Window, owner: Zone, uid: String) -> FreeBusy {
        FreeBusy {
            settings,
            window,
            owner,
            uid,
            periods: Vec::new(),
            merge_at: MERGE_AT,
            left: PERIODS_MAX,
            truncated: false,
        }
    }

    pub fn object(&mut self, selected: &Selected) {
        if self.left == 0 {
            self.truncated = true;
            return;
        }
        let Ok(object) = CalendarObject::from_stored(selected.bytes.clone()) else { return };
        let told = Told::of(&object, FeedPrivacy::BusyOnly, self.settings.private);
        let is_told = |index| told.component(index) >= Telling::Busy;
        let busy = busy_where(&object, self.window, &self.owner, is_told);
        self.truncated |= busy.truncated;
        self.left = self.left.saturating_sub(busy.periods.len());
        self.periods.extend(busy.periods);
        if self.periods.len() >= self.merge_at {
            self.periods = merge(std::mem::take(&mut self.periods));
            self.merge_at = MERGE_AT.max(self.periods.len().saturating_mul(2));
        }
    }

    /// Writes the component, and says whether there may be more periods than were found.
    pub fn finish(self, stamp: Instant, out: &mut Vec<u8>) -> bool {
        let mut component = Component::new("VFREEBUSY");
        component.push(Property::text("UID", &self.uid));
        component.push(instant_utc(stamp).to_property("DTSTAMP"));
        component.push(instant_utc(self.window.from).to_property("DTSTART"));
        component.push(instant_utc(self.window.to).to_property("DTEND"));
        for period in merge(self.periods) {
            let (from, to) = (utc(period.from), utc(period.to));
            let line = Property::new("FREEBUSY", &format!("{from}/{to}"));
            component.push(line.with_param("FBTYPE", period.kind.name()));
        }
        write(&component, out);
        self.truncated
    }
}

fn utc(at: Instant) -> String {
    When::to_value(&instant_utc(at))
}
