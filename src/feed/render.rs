//! One object as the feed tells it.

use std::borrow::Cow;
use std::collections::HashMap;

use super::lawful::{Place, is_lawful_alarm, lawful, lawful_bound};
use super::zones::{Naming, ZoneBook};
use crate::domain::appointment::instant_utc;
use crate::domain::feed::{FeedPrivacy, FeedSettings};
use crate::domain::ids::{CalendarId, FeedId};
use crate::domain::object::CalendarObject;
use crate::domain::privacy::{BusyTime, Retitle, Telling, Told, busy_times, titled, undated_start};
use crate::domain::recurrence::{Series, Window};
use crate::domain::time::Instant;
use crate::domain::timerange::overlapping;
use crate::ics::tree::Item;
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Property, When};
use crate::store::{Selected, SharedUids};

/// The properties whose values are times, and may lie in a zone.
const TIMES: [&str; 6] = ["DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "RDATE", "EXDATE"];
/// The properties that a component may have once (RFC 5545 3.6). Clients are known to double some; then the first counts.
const ONCE: [&str; 21] = [
    "UID",
    "DTSTAMP",
    "DTSTART",
    "DTEND",
    "DUE",
    "DURATION",
    "RECURRENCE-ID",
    "CLASS",
    "COLOR",
    "COMPLETED",
    "CREATED",
    "GEO",
    "LAST-MODIFIED",
    "LOCATION",
    "ORGANIZER",
    "PERCENT-COMPLETE",
    "PRIORITY",
    "SEQUENCE",
    "STATUS",
    "TRANSP",
    "URL",
];
/// As [`ONCE`], but not in a VJOURNAL.
const ONCE_BUT_IN_JOURNALS: [&str; 2] = ["SUMMARY", "DESCRIPTION"];
/// Busy times that one series may come to: one an hour for the window that feeds have by default.
const SERIES_TIMES_MAX: usize = 6_000;
/// Busy times that all series of a feed may come to; subscribers give up on calendars much larger. Appointments that do
/// not repeat always come all.
const FEED_TIMES_MAX: usize = 50_000;
/// Digits of a UID that stands for another: 128 bits.
const UID_DIGITS: usize = 32;

/// A keyed hash, so that what is hashed cannot be found by trying.
pub(super) type Keyed = Box<dyn Fn(&str) -> [u8; 32] + Send + Sync>;

/// What a feed needs to tell its objects.
pub(super) struct Renderer {
    settings: FeedSettings,
    feed: FeedId,
    /// DTSTAMP of busy times. It is the feed's own age: when an appointment was last changed is nobody's business.
    stamp: Instant,
    window: Option<Window>,
    expanding: Window,
    shared: SharedUids,
    keyed: Keyed,
    zones: ZoneBook,
    /// They come last, all together: their places among other objects would tell which belong together.
    busy: Vec<(BusyTime, String)>,
    /// How many of them series came to.
    of_series: usize,
    truncated: bool,
}

/// What a feed is made with, beside its settings.
pub(super) struct Making {
    /// The feed.
    pub feed: FeedId,
    /// When it was made.
    pub created: Instant,
    /// The time it shows.
    pub window: Option<Window>,
    /// The time within which busy times of series are told.
    pub expanding: Window,
    /// UIDs that lie in several of its calendars.
    pub shared: SharedUids,
    /// The year of the earliest start in it.
    pub from_year: i16,
    /// For UIDs.
    pub keyed: Keyed,
}

impl Renderer {
    pub fn new(settings: FeedSettings, making: Making) -> Renderer {
        let naming = match settings.privacy {
            FeedPrivacy::Details => Naming::AsWritten,
            FeedPrivacy::TitlesOnly | FeedPrivacy::BusyOnly => Naming::Plain,
        };
        Renderer {
            settings,
            feed: making.feed,
            stamp: making.created,
            window: making.window,
            expanding: making.expanding,
            shared: making.shared,
            keyed: making.keyed,
            zones: ZoneBook::new(naming, making.from_year),
            busy: Vec::new(),
            of_series: 0,
            truncated: false,
        }
    }

    /// Writes what is told of an object, and the zones that it is the first to need.
    pub fn object(&mut self, calendar: &CalendarId, selected: &Selected, out: &mut Vec<u8>) {
        // What was checked when it was stored reads; `kalends doctor` finds what does not.
        let Ok(object) = CalendarObject::from_stored(selected.bytes.clone()) else { return };
        let told = Told::of(&object, self.settings.privacy, self.settings.private);
        let tells_busy = told.whole() == Telling::Busy || !told.is_uniform();
        if tells_busy {
            self.busy_times(calendar, &object, &told);
        }
        if told.whole() <= Telling::Busy || !(selected.is_settled || self.touches(&object)) {
            return;
        }
        if told.whole() == Telling::Title {
            self.titles(calendar, selected, &object, &told, out);
        } else {
            self.whole(calendar, selected, &object, &told, out);
        }
    }

    /// Writes the busy times of all objects, and says whether there may be more of them than were found.
    pub fn finish(mut self, out: &mut Vec<u8>) -> bool {
        self.busy.sort_by(|(a, a_uid), (b, b_uid)| (a.starts.local(), a_uid).cmp(&(b.starts.local(), b_uid)));
        for (time, uid) in &self.busy {
            write(&time.to_component(uid, self.stamp), out);
        }
        self.truncated
    }

    fn touches(&self, object: &CalendarObject) -> bool {
        let Some(window) = self.window else { return true };
        let found = overlapping(object, window, &Zone::Utc);
        !found.components.is_empty() || found.truncated
    }

    fn busy_times(&mut self, calendar: &CalendarId, object: &CalendarObject, told: &Told) {
        let is_series = Series::of(object).is_recurring();
        let room =
            if is_series { SERIES_TIMES_MAX.min(FEED_TIMES_MAX.saturating_sub(self.of_series)) } else { usize::MAX };
        if room == 0 {
            self.truncated = true;
            return;
        }
        let window = match self.window {
            Some(window) => window,
            None if is_series => self.expanding,
            None => Window::ALL,
        };
        let is_busy = |index| match told.whole() {
            Telling::Busy => told.component(index) >= Telling::Busy,
            Telling::Nothing | Telling::Title | Telling::All => told.component(index) == Telling::Busy,
        };
        let found = busy_times(object, window, is_busy);
        self.truncated |= found.truncated || found.times.len() > room;
        for time in found.times.into_iter().take(room) {
            let uid = self.uid(calendar, object.uid(), Some(&time.of));
            self.busy.push((time, uid));
            self.of_series += usize::from(is_series);
        }
    }

    fn titles(
        &mut self,
        calendar: &CalendarId,
        selected: &Selected,
        object: &CalendarObject,
        told: &Told,
        out: &mut Vec<u8>,
    ) {
        let Some(document) = object.document().calendar() else { return };
        let zones = Zones::of(document);
        let uid = self.uid(calendar, object.uid(), None);
        let without = withheld(object, told);
        for component in told_whole(object, told) {
            let mut names: HashMap<String, Option<String>> = HashMap::new();
            let lines = component.properties().filter(|line| is_time(line) && is_local(line.value()));
            let used = lines.filter_map(|line| line.param("TZID").map(|tzid| tzid.trim().to_owned()));
            for tzid in used.chain(without.iter().filter_map(|when| when.tzid().map(str::to_owned))) {
                let name = self.zones.name(&tzid, &zones, out);
                names.insert(tzid, name);
            }
            let zone = |tzid: &str| names.get(tzid.trim()).cloned().flatten();
            let changed = selected.changed;
            let to = Retitle { uid: &uid, changed, zones: &zones, zone: &zone, without: &without };
            write(&titled(component, &to), out);
        }
    }

    fn whole(
        &mut self,
        calendar: &CalendarId,
        selected: &Selected,
        object: &CalendarObject,
        told: &Told,
        out: &mut Vec<u8>,
    ) {
        let Some(document) = object.document().calendar() else { return };
        let zones = Zones::of(document);
        let kept = self.shared.keeps(calendar, &selected.uid);
        let uid = (!kept).then(|| Property::text("UID", &self.uid(calendar, object.uid(), None)));
        let without = withheld(object, told);
        for component in told_whole(object, told) {
            let start = component.property("DTSTART").and_then(|p| When::of(p).ok());
            let mut lines = Vec::new();
            let place = Place { component, start: start.as_ref(), zones: &zones };
            self.lines(&place, uid.as_ref(), out, &mut lines);
            let added = self.added(&place, selected, &without, out);
            for (at, line) in lines.iter().enumerate() {
                out.extend_from_slice(&line.lawful());
                if at == 0 {
                    added.iter().for_each(|line| out.extend_from_slice(&line.lawful()));
                }
            }
        }
    }

    /// Gathers the lines of a component and of those in it as they are published; zones that are needed for them go to
    /// `out`. Calls itself once for each level, of which a parsed document has few.
    fn lines<'a>(
        &mut self,
        place: &Place<'a>,
        uid: Option<&Property>,
        out: &mut Vec<u8>,
        lines: &mut Vec<Cow<'a, Property>>,
    ) {
        let mut once = Once::in_a(place.component);
        lines.push(lawful_bound(place.component.begin()));
        for item in place.component.items() {
            match (item, uid) {
                (Item::Property(line), Some(uid)) if line.is("UID") => lines.push(Cow::Owned(uid.clone())),
                (Item::Property(line), _) => {
                    let Some(line) = lawful(line, place).filter(|line| !once.is_repeated(line)) else { continue };
                    let zoned = self.zoned(&line, place.zones, out);
                    lines.push(zoned.map_or(line, Cow::Owned));
                }
                (Item::Component(inner), _) if inner.is("VALARM") && !is_lawful_alarm(inner) => {}
                (Item::Component(inner), _) => self.lines(&Place { component: inner, ..*place }, None, out, lines),
                (Item::Other(_), _) => {}
            }
        }
        lines.push(lawful_bound(place.component.end()));
    }

    /// What RFC 5545 or readers demand of a component and it does not have, and instances that are told apart from it.
    fn added(&mut self, place: &Place<'_>, selected: &Selected, without: &[When], out: &mut Vec<u8>) -> Vec<Property> {
        let mut added = Vec::new();
        if !place.component.properties_named("DTSTAMP").any(|line| lawful(line, place).is_some()) {
            added.push(instant_utc(selected.changed).to_property("DTSTAMP"));
        }
        let is_ruled = place.component.properties_named("RRULE").any(|line| lawful(line, place).is_some());
        let start = undated_start(place.component).filter(|_| !is_ruled);
        let dates = start.iter().map(|when| when.to_property("RDATE"));
        let is_series = place.component.property("RECURRENCE-ID").is_none();
        let excluded = without.iter().filter(|_| is_series).map(|when| when.to_property("EXDATE"));
        for line in dates.chain(excluded) {
            added.push(self.zoned(&line, place.zones, out).unwrap_or(line));
        }
        added
    }

    /// The line with the zone it is shown in, where that has another name there, or none.
    fn zoned(&mut self, line: &Property, zones: &Zones<'_>, out: &mut Vec<u8>) -> Option<Property> {
        let tzid = line.param("TZID")?;
        let name = if is_time(line) && !is_local(line.value()) { None } else { self.zones.name(&tzid, zones, out) };
        match name {
            Some(name) if name == tzid => None,
            Some(name) => Some(line.without_param("TZID").with_param("TZID", &name)),
            None => Some(line.without_param("TZID")),
        }
    }

    /// A UID that stands for an object's own, or for one of its instances, in this feed and nowhere else.
    fn uid(&self, calendar: &CalendarId, uid: &str, instance: Option<&str>) -> String {
        let instance = instance.map_or_else(String::new, |of| format!("@{of}"));
        keyed_uid(&self.keyed, &format!("{}\0{calendar}\0{uid}\0{instance}", self.feed))
    }
}

/// A UID that is the same for the same text, and tells nothing of it.
pub(super) fn keyed_uid(keyed: &Keyed, text: &str) -> String {
    let mut digits = hex::encode(keyed(text));
    digits.truncate(UID_DIGITS);
    digits
}

/// Which of the properties that may stand once have been seen.
struct Once {
    seen: [bool; ONCE.len() + ONCE_BUT_IN_JOURNALS.len()],
    in_journal: bool,
    /// RFC 5545 and its followers let other components repeat other things.
    applies: bool,
}

impl Once {
    fn in_a(component: &Component) -> Once {
        let applies = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"].iter().any(|name| component.is(name));
        Once { seen: Default::default(), in_journal: component.is("VJOURNAL"), applies }
    }

    fn is_repeated(&mut self, line: &Property) -> bool {
        if !self.applies {
            return false;
        }
        let others = ONCE_BUT_IN_JOURNALS.iter().filter(|_| !self.in_journal);
        let named = ONCE.iter().chain(others).zip(&mut self.seen).find(|(name, _)| line.is(name));
        named.is_some_and(|(_, seen)| std::mem::replace(seen, true))
    }
}

/// The components that are told as much of as of the object.
fn told_whole<'a>(object: &'a CalendarObject, told: &Told) -> impl Iterator<Item = &'a Component> {
    let told = told.clone();
    object.components().enumerate().filter(move |(at, _)| told.component(*at) == told.whole()).map(|(_, c)| c)
}

/// The instances of a series that it is shown without, since less is told of them.
fn withheld(object: &CalendarObject, told: &Told) -> Vec<When> {
    let less = object.components().enumerate().filter(|(at, _)| told.component(*at) < told.whole());
    less.filter_map(|(_, component)| When::of(component.property("RECURRENCE-ID")?).ok()).collect()
}

fn is_time(line: &Property) -> bool {
    TIMES.iter().any(|name| line.is(name))
}

/// Whether a list of times holds one that is local to a zone: neither a date nor in UTC.
fn is_local(value: &str) -> bool {
    let starts = value.split(',').map(|item| item.split('/').next().unwrap_or_default().trim());
    starts.into_iter().any(|start| start.contains(['T', 't']) && !start.ends_with(['Z', 'z']))
}

pub(super) fn write(component: &Component, out: &mut Vec<u8>) {
    for line in component.lines() {
        out.extend_from_slice(&line.lawful());
    }
}

#[cfg(test)]
mod tests;
