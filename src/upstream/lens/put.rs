//! From an item to the calendar object that it stands for: lines change where what they say does, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Lens, Unfit};
use super::dialect::Dialect;
use super::fields::uid_of;
use super::held::{Event, Held, is_cancelled, text};
use super::reminders::Reminders;
use super::said::{Recurs, Said, same_time, video};
use super::series::Series;
use super::time::{At, zone_of};
use super::view::{Part, View};
use super::{get, guests, prose};
use crate::domain::appointment::{Appointment, Spelling, Status, carry};
use crate::domain::object::{CalendarObject, Class};
use crate::domain::sync::Snapshot;
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Document, Property, When, build};

/// The object that the item stands for.
pub(in crate::upstream) fn put(
    item: &Snapshot,
    onto: Option<&CalendarObject>,
    lens: Lens<'_>,
    dialect: &Dialect,
) -> Result<CalendarObject, Unfit> {
    let held = Held::of(item);
    let speaker = held.speaker().ok_or_else(|| Unfit("the item is empty".into()))?;
    let fresh = match onto {
        Some(_) => None,
        None => Some(skeleton(&held, speaker, lens, dialect)?),
    };
    let object = onto.or(fresh.as_ref()).ok_or_else(|| Unfit("the item is empty".into()))?;
    let view = View::of(object, lens.zone, dialect)?;
    let calendar = object.document().calendar().ok_or_else(|| Unfit("there is no calendar in it".into()))?;
    let mut work = Work {
        lens,
        dialect,
        held: &held,
        view: &view,
        fresh: onto.is_none(),
        spelling: Spelling::of(calendar),
        changed: BTreeMap::new(),
        dropped: Vec::new(),
        added: Vec::new(),
    };
    match &held.master {
        Some(event) => work.series(event)?,
        None => work.alone()?,
    }
    let Some(document) = work.finish(object) else { return Ok(object.clone()) };
    CalendarObject::parse(document.to_bytes())
        .map_err(|error| Unfit(format!("what {} says is no lawful object: {error}", dialect.name)))
}

/// An object with nothing in it but who it is and when it starts.
fn skeleton(held: &Held, speaker: &Event, lens: Lens<'_>, dialect: &Dialect) -> Result<CalendarObject, Unfit> {
    let no_uid = || Unfit("the item has no UID".into());
    let uid = uid_of(speaker).ok_or_else(no_uid)?;
    let mut components = Vec::new();
    let events: Vec<&Event> = match &held.master {
        Some(event) => vec![event],
        None => held.exceptions.values().filter(|event| !is_cancelled(event)).collect(),
    };
    for event in events {
        let said = Said::of_json(event, lens.zone).ok_or_else(|| Unfit("the item has no readable times".into()))?;
        let mut component = Component::new("VEVENT");
        component.push(Property::text("UID", &uid));
        component.push(stamp_of(event, "updated").to_property("DTSTAMP"));
        component.push(stamp_of(event, "created").to_property("CREATED"));
        if let Some(slot) = event.get("originalStartTime").filter(|_| held.master.is_none()) {
            let slot = At::of_json(slot, lens.zone).ok_or_else(|| Unfit("the item has no readable times".into()))?;
            component.push(slot.to_when().to_property("RECURRENCE-ID"));
        }
        component.push(said.start.to_when().to_property("DTSTART"));
        component.push(said.end.to_when().to_property("DTEND"));
        components.push(component);
    }
    let mut document = build::calendar(components);
    if let Some(calendar) = document.calendar_mut() {
        let zones: Vec<When> = calendar
            .components_named("VEVENT")
            .flat_map(|c| c.properties().filter(|p| p.param("TZID").is_some()).filter_map(|p| When::of(p).ok()))
            .collect();
        // Spelled in a calendar that knows none yet, each of them gets its definition.
        let mut spelling = Spelling::of(&Component::new("VCALENDAR"));
        for when in &zones {
            spelling.property("DTSTART", when);
        }
        spelling.define(calendar);
    }
    CalendarObject::parse(document.to_bytes())
        .map_err(|error| Unfit(format!("what {} says is no lawful object: {error}", dialect.name)))
}

/// A timestamp of the event's; the beginning of time where there is none.
fn stamp_of(event: &Event, name: &str) -> When {
    let at = text(event, name).parse::<jiff::Timestamp>().unwrap_or_default();
    When::Utc(Zone::Utc.local(jiff::Timestamp::from_second(at.as_second()).unwrap_or_default()))
}

/// The changes that an item asks of an object.
struct Work<'a> {
    lens: Lens<'a>,
    dialect: &'a Dialect,
    held: &'a Held,
    view: &'a View<'a>,
    /// The object was made just now and has no words of anybody in it.
    fresh: bool,
    spelling: Spelling,
    /// VEVENTs by their place, as they are to be.
    changed: BTreeMap<usize, Component>,
    /// Places of VEVENTs that go.
    dropped: Vec<usize>,
    added: Vec<Component>,
}

impl Work<'_> {
    fn series(&mut self, event: &Event) -> Result<(), Unfit> {
        let view = self.view;
        let said =
            Said::of_json(event, self.lens.zone).ok_or_else(|| Unfit("the item has no readable times".into()))?;
        let series = Series::of_held(self.held, self.lens.zone, self.dialect);
        let Some(part) = &view.master else {
            return Err(Unfit("the series of these instances is not in the object".into()));
        };
        let recurs = if series.is_single() && view.series.is_single() { Recurs::No } else { Recurs::Yes };
        let mut wanted = self.wanted(part, event, &said, recurs);
        self.repeat(part, &mut wanted, &said, &series);
        let mut component = part.component.clone();
        self.exrules(&mut component, &series, &wanted.start);
        let class = said.class != view.class;
        if class {
            set_class(&mut component, said.class);
        }
        self.change(part, component, event, &wanted);

        let mut slots: Vec<&String> = view.parts.keys().chain(self.held.exceptions.keys()).collect();
        slots.sort();
        slots.dedup();
        // A slot that is removed by an EXDATE of the object already has no component.
        for key in slots {
            let Some(slot) = At::of_key(key, said.start.zone().unwrap_or("UTC")) else { continue };
            if slot.is_day() != said.start.is_day() {
                // It names an instance of a series that begins in another way by now.
                self.dropped.extend(view.parts.get(key).map(|part| part.at));
                continue;
            }
            let exception = self.held.exceptions.get(key).filter(|event| !is_cancelled(event));
            let part = view.parts.get(key);
            let removed = series.removed.contains(key);
            match (part, exception) {
                (Some(part), None) if removed => {
                    // Its EXDATE says so, if the override itself does not.
                    if part.said.status != Status::Cancelled {
                        self.dropped.push(part.at);
                    } else if class {
                        let mut component = part.component.clone();
                        set_class(&mut component, said.class);
                        self.changed.insert(part.at, component);
                    }
                }
                (Some(part), None) if series.is_single() || !self.says_usual(part, &said, key) => {
                    self.dropped.push(part.at);
                }
                (Some(part), Some(event)) => {
                    let Some(says) = Said::of_json(event, self.lens.zone) else { continue };
                    let wanted = self.wanted(part, event, &says, Recurs::No);
                    let mut component = part.component.clone();
                    if class {
                        set_class(&mut component, said.class);
                    }
                    self.change(part, component, event, &wanted);
                }
                (Some(part), None) => {
                    if class {
                        let mut component = part.component.clone();
                        set_class(&mut component, said.class);
                        self.changed.insert(part.at, component);
                    }
                }
                (None, Some(event)) => self.new_override(event, &said, &slot, &series)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Instances whose series is not there.
    fn alone(&mut self) -> Result<(), Unfit> {
        for (key, event) in &self.held.exceptions {
            let part = self.view.parts.get(key);
            match (part, Said::of_json(event, self.lens.zone).filter(|_| !is_cancelled(event))) {
                (Some(part), Some(says)) => {
                    let wanted = self.wanted(part, event, &says, Recurs::No);
                    self.change(part, part.component.clone(), event, &wanted);
                }
                (Some(part), None) => self.dropped.push(part.at),
                (None, Some(_)) if self.view.master.is_some() => {}
                (None, Some(says)) => {
                    // One more instance of a series that stays unknown: made as the others were.
                    let Some(pattern) = self.view.parts.values().next() else { continue };
                    let slot = event.get("originalStartTime").and_then(|slot| At::of_json(slot, self.lens.zone));
                    let Some(slot) = slot else { continue };
                    let mut component = Component::new("VEVENT");
                    if let Some(uid) = pattern.component.property("UID") {
                        component.push(uid.clone());
                    }
                    component.push(stamp_of(event, "updated").to_property("DTSTAMP"));
                    component.push(self.spelling.property("RECURRENCE-ID", &slot.to_when()));
                    component.push(self.spelling.property("DTSTART", &says.start.to_when()));
                    component.push(self.spelling.property("DTEND", &says.end.to_when()));
                    self.fill(component, event, &says);
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// An override for an exception that says something of its own.
    fn new_override(&mut self, event: &Event, master: &Said, slot: &At, series: &Series) -> Result<(), Unfit> {
        let Some(says) = Said::of_json(event, self.lens.zone) else { return Ok(()) };
        let usual = master.in_slot(slot);
        let as_usual = usual.same(&says, Recurs::No) && usual.guests == says.guests;
        if as_usual || series.is_single() {
            return Ok(());
        }
        let Some(part) = &self.view.master else { return Ok(()) };
        let id = match self.changed.get(&part.at) {
            // The series itself moves in this very change: its new start has the form.
            Some(changed) => {
                let zones = Zones::of(changed);
                let start = changed.property("DTSTART").and_then(|p| When::of(p).ok());
                start.map(|start| super::series::Form { start: &start, zones: &zones, zone: self.lens.zone }.date(slot))
            }
            None => get::date_of(self.view, self.lens.zone, slot),
        };
        let id = id.ok_or_else(|| Unfit("the series has no readable start".into()))?;
        let mut component = self.changed.get(&part.at).unwrap_or(part.component).clone();
        component.retain(|p| {
            !["RRULE", "RDATE", "EXDATE", "EXRULE", "DURATION", "DTEND", "RECURRENCE-ID"].iter().any(|name| p.is(name))
        });
        component.set(self.spelling.property("RECURRENCE-ID", &id));
        component.set(self.spelling.property("DTSTART", &says.start.to_when()));
        component.set(self.spelling.property("DTEND", &says.end.to_when()));
        self.fill(component, event, &says);
        Ok(())
    }

    /// Fills a component that is added.
    fn fill(&mut self, component: Component, event: &Event, says: &Said) {
        let Some(record) = Appointment::of_component(&component, &self.view.zones) else { return };
        let said = Said::of_appointment(
            &component,
            &record,
            Class::of(&component),
            (&self.view.zones, self.lens.zone),
            self.dialect,
        );
        let pattern = component.clone();
        let part = Part { at: usize::MAX, component: &pattern, record, said };
        let wanted = self.wanted(&part, event, says, Recurs::No);
        self.change(&part, component, event, &wanted);
        if let Some(done) = self.changed.remove(&usize::MAX) {
            self.added.push(done);
        } else {
            self.added.push(pattern);
        }
    }

    /// The record that a part should be: what it is, where it says what the provider does.
    fn wanted(&self, part: &Part<'_>, event: &Event, says: &Said, recurs: Recurs) -> Appointment {
        let (said, before) = (&part.said, &part.record);
        let mut wanted = before.clone();
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        if said.summary != says.summary {
            wanted.title = text(&says.summary);
        }
        if said.description != says.description {
            wanted.notes = text(&says.description);
        }
        if said.location != says.location {
            wanted.location = text(&says.location);
        }
        if !same_time(&said.start, &says.start, recurs) {
            wanted.start = self.in_form(&before.start, &says.start);
        }
        if !same_time(&said.end, &says.end, recurs) {
            wanted.end = self.in_form(&before.end, &says.end);
        }
        if said.status != says.status {
            wanted.status = says.status;
        }
        wanted.transparent = says.transparent;
        if self.dialect.colours && said.categories != says.categories {
            wanted.categories = says.categories.iter().cloned().collect();
        }
        if !Reminders::same(&said.reminders, &says.reminders) {
            wanted.reminders = says.reminders.onto(&before.reminders, self.dialect);
        }
        // An attendee whom the event does not name is one of the text; where there is no text of ours, it was taken away.
        let listed = prose::without_guests(&prose::plain(super::held::text(event, "description"))).1;
        let ours = super::fields::own_property(event, super::fields::OWN_MARK).is_some();
        let live = self.lens.attendees_live;
        let named = !says.guests.is_empty();
        wanted.attendees = guests::onto(event, &before.attendees, |attendee| {
            let in_text =
                guests::as_text(std::slice::from_ref(attendee), None).iter().any(|line| listed.contains(line));
            !live && (in_text || !named && ours)
        });
        if self.fresh && (ours || !live) {
            // Nothing here holds these guests: what was written of them is all there is, also in somebody's copy of ours.
            let lost = guests::of_text(&listed, &wanted.attendees);
            wanted.attendees.extend(lost);
        }
        wanted
    }

    /// A time of the event's in the way that this object writes times: one that floats goes on floating.
    fn in_form(&self, before: &When, at: &At) -> When {
        match (before, at) {
            (When::Floating(_), At::Time { at: instant, zone }) if zone == self.lens.zone => {
                When::Floating(zone_of(zone).local(*instant))
            }
            (When::Zoned { tzid, .. }, At::Time { at: instant, zone }) => {
                let own = self.view.zones.get(tzid).filter(|own| {
                    own.iana_name().is_some_and(|name| name != zone.as_str() && (self.dialect.zone)(name) == *zone)
                });
                match own.map(|own| (own.local(*instant), own)) {
                    Some((local, own)) if own.instant(local) == *instant => When::Zoned { local, tzid: tzid.clone() },
                    _ => at.to_when(),
                }
            }
            _ => at.to_when(),
        }
    }

    /// Rules and dates.
    fn repeat(&self, part: &Part<'_>, wanted: &mut Appointment, says: &Said, series: &Series) {
        let ours = &self.view.series;
        let before = &part.record;
        if ours.is_single() && series.is_single() {
            return;
        }
        let start = wanted.start.clone();
        let zones = &self.view.zones;
        let form = super::series::Form { start: &start, zones, zone: self.lens.zone };
        let letter_start = form.slot(&start).to_when();
        let letter = |rule: &String| super::series::by_the_letter(rule, &letter_start, &form.zone(), self.dialect);
        let have: BTreeSet<String> = before.recurrence.rules.iter().map(letter).collect();
        if have != series.rules {
            let kept = before.recurrence.rules.iter().filter(|rule| series.rules.contains(&letter(rule)));
            let mut rules: Vec<String> = kept.cloned().collect();
            rules.extend(series.rules.difference(&have).map(|rule| form.rule(rule)));
            wanted.recurrence.rules = rules;
        }
        let old = super::series::Form { start: &before.start, zones, zone: self.lens.zone };
        let dates = |have: &[When], target: &dyn Fn(&str) -> bool, all: Vec<&String>| -> Vec<When> {
            let mut out: Vec<When> = have.iter().filter(|when| target(&old.slot(when).key())).cloned().collect();
            let keys: Vec<String> = out.iter().map(|when| old.slot(when).key()).collect();
            let zone = zone_name(&start, self.lens.zone);
            let missing = all.into_iter().filter(|key| !keys.contains(key)).filter_map(|key| At::of_key(key, &zone));
            out.extend(missing.map(|slot| form.date(&slot)));
            out
        };
        if ours.added != series.added {
            wanted.recurrence.added =
                dates(&before.recurrence.added, &|key| series.added.contains(key), series.added.iter().collect());
        }
        // What a cancelled override says needs no EXDATE, and one for an instance that is overridden says nothing.
        let status = |key: &str| self.view.parts.get(key).map(|part| part.said.status);
        let missing = series.removed.iter().filter(|key| status(key) != Some(Status::Cancelled)).collect();
        let overridden = |key: &str| {
            self.view.live(key).is_some_and(|part| {
                let alive = self.held.exceptions.get(key).is_some_and(|event| !is_cancelled(event));
                alive || self.says_usual(part, says, key)
            })
        };
        wanted.recurrence.removed =
            dates(&before.recurrence.removed, &|key| series.removed.contains(key) || overridden(key), missing);
        if before.start.is_date() != start.is_date() {
            // Dates of the other kind name nothing any more.
            wanted.recurrence.added = dates(&[], &|_| false, series.added.iter().collect());
            wanted.recurrence.removed = dates(&[], &|_| false, series.removed.iter().collect());
        }
    }

    /// Whether an override says what the instance in its slot would say anyway.
    fn says_usual(&self, part: &Part<'_>, master: &Said, key: &str) -> bool {
        let slot = At::of_key(key, master.start.zone().unwrap_or("UTC"));
        slot.is_some_and(|slot| {
            slot.is_day() == master.start.is_day() && part.said.same(&master.in_slot(&slot), Recurs::No)
        })
    }

    fn exrules(&self, component: &mut Component, series: &Series, start: &When) {
        if self.view.series.unless == series.unless {
            return;
        }
        component.remove("EXRULE");
        let form = super::series::Form { start, zones: &self.view.zones, zone: self.lens.zone };
        for rule in &series.unless {
            component.push(Property::new("EXRULE", &form.rule(rule)));
        }
    }

    /// Carries a record into its component, with what goes along with a change.
    fn change(&mut self, part: &Part<'_>, mut component: Component, event: &Event, wanted: &Appointment) {
        let was = part.component.to_bytes();
        carry(&mut component, &part.record, wanted, &self.view.zones, &mut self.spelling);
        super::busy::put(&mut component, super::busy::of_json(event), wanted.transparent);
        let changed = component.to_bytes() != was;
        if !changed && !self.fresh && part.at != usize::MAX {
            return;
        }
        let description = text(event, "description");
        if part.record.notes != wanted.notes && prose::is_html(description) && wanted.notes.is_some() {
            let html = prose::without_guests(description).0;
            component.set(Property::text("X-ALT-DESC", &html).with_param("FMTTYPE", "text/html"));
        }
        if let Some(video) = video(event)
            && component.property("CONFERENCE").is_none()
        {
            let line = Property::new("CONFERENCE", video).with_param("VALUE", "URI").with_param("FEATURE", "VIDEO");
            component.push(line);
        }
        guests::organizer(&mut component, event);
        if !text(event, "updated").is_empty() {
            component.set(stamp_of(event, "updated").to_property("DTSTAMP"));
            component.set(stamp_of(event, "updated").to_property("LAST-MODIFIED"));
        }
        let sequence = event.get("sequence").and_then(serde_json::Value::as_i64).unwrap_or(0);
        let have = component.property("SEQUENCE").and_then(|p| crate::ics::value::integer(p.value()).ok()).unwrap_or(0);
        if sequence > have {
            component.set(Property::new("SEQUENCE", &sequence.to_string()));
        }
        self.changed.insert(part.at, component);
    }

    /// The document with all of it; `None` where nothing changes.
    fn finish(self, object: &CalendarObject) -> Option<Document> {
        if self.changed.is_empty() && self.dropped.is_empty() && self.added.is_empty() {
            return None;
        }
        let mut document = object.document().clone();
        let calendar = document.calendar_mut()?;
        for (at, component) in calendar.components_mut().filter(|c| c.is("VEVENT")).enumerate() {
            if let Some(changed) = self.changed.get(&at) {
                *component = changed.clone();
            }
        }
        let mut at = 0;
        calendar.retain_components(|component| {
            let goes = component.is("VEVENT") && self.dropped.contains(&at);
            at += usize::from(component.is("VEVENT"));
            !goes
        });
        for component in self.added {
            calendar.push_component(component);
        }
        self.spelling.define(calendar);
        Some(document)
    }
}

/// The zone that slots are named in for a start.
fn zone_name(start: &When, zone: &str) -> String {
    match start {
        When::Zoned { tzid, .. } if Zone::iana(tzid).is_some() => tzid.clone(),
        When::Floating(_) => zone.to_owned(),
        When::Zoned { .. } | When::Utc(_) | When::Date(_) => "UTC".to_owned(),
    }
}

fn set_class(component: &mut Component, class: Class) {
    let word = match class {
        Class::Public => {
            component.remove("CLASS");
            return;
        }
        Class::Private => "PRIVATE",
        Class::Confidential => "CONFIDENTIAL",
    };
    component.set(Property::new("CLASS", word));
}
