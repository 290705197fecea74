//! What people do in a calendar here, through the same door as every client.

use bytes::Bytes;
use jiff::ToSpan;
use jiff::civil::{DateTime, date};

use super::book::{Place, birth_of};
use super::world::World;
use super::{Fate, Violation};
use crate::domain::calendar::Seq;
use crate::domain::change::{Cause, Guard, Via};
use crate::domain::ids::ResourceName;
use crate::domain::object::CalendarObject;
use crate::domain::recurrence::{Window, expand};
use crate::ics::zone::{Zone, vtimezone};
use crate::ics::{Component, Document, Property, When};
use crate::store::StoredObject;

const OBJECTS_MAX: u32 = 10_000;
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC"];
const RULES: [&str; 6] = [
    "FREQ=DAILY;COUNT=5",
    "FREQ=WEEKLY;COUNT=6",
    "FREQ=WEEKLY;INTERVAL=2;COUNT=4",
    "FREQ=MONTHLY;COUNT=3",
    "FREQ=DAILY;INTERVAL=2;COUNT=6",
    "FREQ=WEEKLY;UNTIL=20270501T000000Z",
];

fn is_event(component: &Component) -> bool {
    component.is("VEVENT")
}

fn is_master(component: &Component) -> bool {
    is_event(component) && component.property("RECURRENCE-ID").is_none()
}

/// What an object's master says in a field.
pub(super) fn text(object: &CalendarObject, name: &str) -> String {
    let first = object.master().or_else(|| object.components().next());
    first.and_then(|c| c.text(name)).unwrap_or_default()
}

fn is_private(object: &CalendarObject) -> bool {
    object.components().any(|c| c.property("CLASS").is_some_and(|p| p.value() != "PUBLIC"))
}

impl World {
    /// All objects of a calendar, in an order that does not change.
    pub(super) async fn objects(&self, calendar: usize) -> Fate<Vec<StoredObject>> {
        let here = self.calendars.get(calendar).ok_or_else(|| Violation::broken("no calendar"))?;
        let mut tx = self.store.read().await?;
        Ok(tx.bodies(&here.access, Seq(0), Seq(i64::MAX), OBJECTS_MAX).await?)
    }

    /// A start within a few months, across changes of the clocks.
    pub(super) fn some_start(&mut self) -> DateTime {
        let day = self.dice.between(0, 160);
        let (hour, minute) = (self.dice.between(0, 24), self.dice.between(0, 4) * 15);
        let first = date(2026, 10, 20).to_datetime(jiff::civil::Time::midnight());
        let span = day.days().hours(hour).minutes(minute);
        first.checked_add(span).unwrap_or(first)
    }

    /// Somebody makes an event.
    pub(super) async fn create_here(&mut self, calendar: usize) -> Fate<()> {
        let place = Place::Here(calendar);
        let birth = self.book.number();
        let private = self.dice.percent(15);
        let uid = format!("b{birth}-{:x}@here", self.seed);
        let mut lines = Vec::new();
        let start = self.some_start();
        let zone = (*self.dice.pick(&ZONES).unwrap_or(&"UTC")).to_owned();
        let recurring = self.dice.percent(40);
        let (start, end, zone) = match self.dice.below(10) {
            0 | 1 => {
                let first = start.date();
                let last = first.checked_add(self.dice.between(1, 4).days()).unwrap_or(first);
                (When::Date(first), When::Date(last), None)
            }
            2 => {
                let end = start.checked_add(45.minutes()).unwrap_or(start);
                (When::Utc(start), When::Utc(end), None)
            }
            _ => {
                let end = start.checked_add(90.minutes()).unwrap_or(start);
                let zoned = |local| When::Zoned { local, tzid: zone.clone() };
                (zoned(start), zoned(end), Some(zone.clone()))
            }
        };
        lines.push(start.to_property("DTSTART").unfolded().to_owned());
        lines.push(end.to_property("DTEND").unfolded().to_owned());
        if recurring && (zone.is_some() || start.is_date()) {
            let rule = self.dice.pick(&RULES).copied().unwrap_or("FREQ=DAILY;COUNT=5");
            if !(start.is_date() && rule.contains("UNTIL")) {
                lines.push(format!("RRULE:{rule}"));
            }
        }
        for (name, field, chance) in
            [("SUMMARY", "title", 100), ("DESCRIPTION", "notes", 40), ("LOCATION", "place", 30)]
        {
            if !self.dice.percent(chance) {
                continue;
            }
            let token = self.book.text(&place, private);
            self.book.wrote(&token, birth, &place, &uid, field);
            lines.push(if name == "SUMMARY" { format!("SUMMARY:B{birth} {token}") } else { format!("{name}:{token}") });
        }
        if private {
            self.book.birth(birth).private = true;
            lines.push(format!("CLASS:{}", if self.dice.percent(50) { "PRIVATE" } else { "CONFIDENTIAL" }));
        }
        if self.dice.percent(20) {
            lines.push("CATEGORIES:work".to_owned());
        }
        if self.dice.percent(20) {
            lines.push("X-OWN-THING:keep me".to_owned());
        }
        if self.dice.percent(10) {
            lines.push("ATTENDEE;CN=Guest:mailto:guest@example.net".to_owned());
            lines.push("ORGANIZER:mailto:ada@example.org".to_owned());
        }
        if self.dice.percent(25) {
            lines.push("BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:soon\r\nTRIGGER:-PT15M\r\nEND:VALARM".to_owned());
        }
        let zone = zone.and_then(|z| vtimezone(&z, 2026, None)).unwrap_or_default();
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//People//EN\r\n{zone}BEGIN:VEVENT\r\nUID:{uid}\r\n\
             DTSTAMP:20261101T000000Z\r\n{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            lines.join("\r\n")
        );
        self.put_here(calendar, &text, Some(birth)).await
    }

    /// Puts what a client would put, and writes down how it was left.
    async fn put_here(&mut self, calendar: usize, text: &str, birth: Option<u32>) -> Fate<()> {
        let object = CalendarObject::parse(Bytes::from(text.to_owned()))
            .map_err(|e| Violation::broken(format!("{e} in {text}")))?;
        let here = self.calendars.get(calendar).ok_or_else(|| Violation::broken("no calendar"))?;
        let cause = Cause::by(Via::Caldav, here.caller.name.as_str(), None, None);
        let mut tx = self.store.write().await?;
        let name = match tx.object_by_uid(&here.access, object.uid()).await? {
            Some(stored) => stored.head.name,
            None => ResourceName::for_uid(object.uid()),
        };
        tx.put_object(&here.access, &name, &object, &Guard::NONE, &cause).await.map_err(Violation::broken)?;
        tx.commit().await?;
        self.covered.edits += 1;
        let birth = birth.or_else(|| birth_of(&super::here::text(&object, "SUMMARY")));
        if let Some(birth) = birth {
            self.covered.events += u64::from(self.book.births.get(&birth).is_none_or(|b| b.places.is_empty()));
            self.book.touch(birth, &Place::Here(calendar), object.uid(), text.to_owned());
        }
        self.tell(|| format!("here {calendar}: put {}", text.replace("\r\n", " | ")));
        Ok(())
    }

    /// Somebody edits, moves, splits or deletes something here.
    pub(super) async fn edit_here(&mut self, calendar: usize) -> Fate<()> {
        let objects = self.objects(calendar).await?;
        let Some(stored) = self.dice.pick(&objects).cloned() else { return self.create_here(calendar).await };
        let object = CalendarObject::from_stored(stored.bytes.clone()).map_err(Violation::broken)?;
        let Some(birth) = birth_of(&text(&object, "SUMMARY")) else { return Ok(()) };
        let document = object.document().clone();
        let place = Place::Here(calendar);
        let changed = match self.dice.below(20) {
            0..=3 => self.retitle(document, &object, birth, &place, ("SUMMARY", "title")),
            4 => self.retitle(document, &object, birth, &place, ("DESCRIPTION", "notes")),
            5 => self.retitle(document, &object, birth, &place, ("LOCATION", "place")),
            6 | 7 => self.shift(document),
            8 | 9 => self.override_one(document, &object, birth, &place),
            10 => self.drop_one(document, &object, birth),
            11 => return self.split_here(calendar, document, &object, birth).await,
            12 => self.flip_day(document),
            13 => self.remind(document),
            14 => self.classify(document, &object, birth, &place),
            15 => self.categorise(document),
            16 | 17 => return self.delete_here(calendar, &stored, &object, birth).await,
            18 => return self.restore_here(calendar).await,
            _ => self.retitle(document, &object, birth, &place, ("SUMMARY", "title")),
        };
        match changed {
            Some(document) => self.put_here(calendar, &document.to_text(), Some(birth)).await,
            None => Ok(()),
        }
    }

    fn retitle(
        &mut self,
        mut document: Document,
        object: &CalendarObject,
        birth: u32,
        place: &Place,
        (name, field): (&str, &'static str),
    ) -> Option<Document> {
        let token = self.book.text(place, is_private(object));
        self.book.wrote(&token, birth, place, object.uid(), field);
        let master = document.calendar_mut()?.components_mut().find(|c| is_master(c))?;
        let value = if name == "SUMMARY" { format!("B{birth} {token}") } else { token };
        master.set(Property::text(name, &value));
        Some(document)
    }

    fn shift(&mut self, mut document: Document) -> Option<Document> {
        let hours = self.dice.between(-30, 30);
        let days = self.dice.between(-3, 4);
        let calendar = document.calendar_mut()?;
        // A client that moves a series gives its exceptions up.
        calendar.retain_components(|c| !is_event(c) || is_master(c));
        let master = calendar.components_mut().find(|c| is_master(c))?;
        for name in ["DTSTART", "DTEND"] {
            let Some(when) = master.property(name).and_then(|p| When::of(p).ok()) else { continue };
            let moved = match when {
                When::Date(date) => When::Date(date.checked_add(days.days()).ok()?),
                When::Floating(local) => When::Floating(local.checked_add(hours.hours()).ok()?),
                When::Utc(local) => When::Utc(local.checked_add(hours.hours()).ok()?),
                When::Zoned { local, tzid } => When::Zoned { local: local.checked_add(hours.hours()).ok()?, tzid },
            };
            master.set(moved.to_property(name));
        }
        master.remove("EXDATE");
        Some(document)
    }

    /// One of the first instances of a series that no override stands for: its RECURRENCE-ID.
    fn instance(&mut self, object: &CalendarObject) -> Option<When> {
        let master = object.master()?;
        master.property("RRULE")?;
        let expansion = expand(object, Window::ALL, &Zone::Utc);
        let first: Vec<When> = expansion
            .instances
            .iter()
            .take(8)
            .filter(|i| i.component.property("RECURRENCE-ID").is_none())
            .filter_map(|i| i.recurrence_id_value())
            .collect();
        self.dice.pick(&first).cloned()
    }

    fn override_one(
        &mut self,
        mut document: Document,
        object: &CalendarObject,
        birth: u32,
        place: &Place,
    ) -> Option<Document> {
        let id = self.instance(object)?;
        let mut own = object.master()?.clone();
        for name in ["RRULE", "RDATE", "EXDATE"] {
            own.remove(name);
        }
        let start = When::of(own.property("DTSTART")?).ok()?.local();
        let end = own.property("DTEND").and_then(|p| When::of(p).ok());
        own.set(id.to_property("RECURRENCE-ID"));
        let later = |when: &When, local: DateTime| match when {
            When::Date(_) => When::Date(local.date()),
            When::Floating(_) => When::Floating(local),
            When::Utc(_) => When::Utc(local),
            When::Zoned { tzid, .. } => When::Zoned { local, tzid: tzid.clone() },
        };
        let moved = if id.is_date() { self.dice.between(0, 2) * 24 } else { self.dice.between(0, 3) };
        let at = id.local().checked_add(moved.hours()).ok()?;
        own.set(later(&id, at).to_property("DTSTART"));
        if let Some(end) = end {
            let length = start.until(end.local()).ok()?;
            own.set(later(&end, at.checked_add(length).ok()?).to_property("DTEND"));
        }
        let token = self.book.text(place, is_private(object));
        own.set(Property::text("SUMMARY", &format!("B{birth} {token}")));
        document.calendar_mut()?.push_component(own);
        Some(document)
    }

    fn drop_one(&mut self, mut document: Document, object: &CalendarObject, birth: u32) -> Option<Document> {
        let id = self.instance(object)?;
        self.book.birth(birth).deleted = true;
        let master = document.calendar_mut()?.components_mut().find(|c| is_master(c))?;
        master.push(id.to_property("EXDATE"));
        Some(document)
    }

    /// This and following: the series ends, and another begins.
    async fn split_here(
        &mut self,
        calendar: usize,
        mut document: Document,
        object: &CalendarObject,
        birth: u32,
    ) -> Fate<()> {
        let cut = (|| {
            let master = object.master()?;
            let rule = master.property("RRULE")?.value().to_owned();
            let count: i64 = rule.split(';').find_map(|p| p.strip_prefix("COUNT="))?.parse().ok()?;
            (count > 3 && object.overrides().next().is_none() && master.property("EXDATE").is_none())
                .then_some((rule, count))
        })();
        let Some((rule, count)) = cut else { return Ok(()) };
        let keep = self.dice.between(1, count);
        let expansion = expand(object, Window::ALL, &Zone::Utc);
        let Some(first) = usize::try_from(keep).ok().and_then(|at| expansion.instances.get(at)) else { return Ok(()) };
        let (Some(start), Some(end)) = (first.start_value(), first.end_value()) else { return Ok(()) };
        let with = |n: i64| rule.replace(&format!("COUNT={count}"), &format!("COUNT={n}"));
        let number = self.book.number();
        let mut tail = document.clone();
        let master = |d: &mut Document, change: &dyn Fn(&mut Component)| {
            if let Some(master) = d.calendar_mut().and_then(|c| c.components_mut().find(|c| is_master(c))) {
                change(master);
            }
        };
        master(&mut document, &|m| m.set(Property::new("RRULE", &with(keep))));
        master(&mut tail, &|m| {
            m.set(Property::new("RRULE", &with(count - keep)));
            m.set(Property::new("UID", &format!("b{birth}-{number}-{:x}@here", self.seed)));
            m.set(start.to_property("DTSTART"));
            m.set(end.to_property("DTEND"));
            m.remove("DURATION");
        });
        self.book.birth(birth).copies += 1;
        self.put_here(calendar, &document.to_text(), Some(birth)).await?;
        self.put_here(calendar, &tail.to_text(), Some(birth)).await
    }

    fn flip_day(&mut self, mut document: Document) -> Option<Document> {
        let calendar = document.calendar_mut()?;
        calendar.retain_components(|c| !is_event(c) || is_master(c));
        let master = calendar.components_mut().find(|c| is_master(c))?;
        if master.property("RRULE").is_some_and(|p| p.value().contains("UNTIL")) || master.property("RDATE").is_some() {
            return None;
        }
        let start = When::of(master.property("DTSTART")?).ok()?;
        master.remove("EXDATE");
        master.remove("DURATION");
        let day = start.local().date();
        let (start, end) = if start.is_date() {
            let at = day.at(10, 0, 0, 0);
            (When::Utc(at), When::Utc(at.checked_add(1.hours()).ok()?))
        } else {
            (When::Date(day), When::Date(day.checked_add(1.days()).ok()?))
        };
        master.set(start.to_property("DTSTART"));
        master.set(end.to_property("DTEND"));
        Some(document)
    }

    fn remind(&mut self, mut document: Document) -> Option<Document> {
        let minutes = self.dice.between(1, 60);
        let none = self.dice.percent(30);
        let master = document.calendar_mut()?.components_mut().find(|c| is_master(c))?;
        master.retain_components(|c| !c.is("VALARM"));
        if !none {
            let mut alarm = Component::new("VALARM");
            alarm.push(Property::new("ACTION", "DISPLAY"));
            alarm.push(Property::new("DESCRIPTION", "soon"));
            alarm.push(Property::new("TRIGGER", &format!("-PT{minutes}M")));
            master.push_component(alarm);
        }
        Some(document)
    }

    /// Private or not any more; what it says is written anew, so that nothing old is secret or open by accident.
    fn classify(
        &mut self,
        mut document: Document,
        object: &CalendarObject,
        birth: u32,
        place: &Place,
    ) -> Option<Document> {
        let private = !is_private(object);
        self.book.birth(birth).private = true;
        if !private {
            self.book.disclosed.insert(birth);
        }
        for component in document.calendar_mut()?.components_mut().filter(|c| is_event(c)) {
            for name in ["SUMMARY", "DESCRIPTION", "LOCATION"] {
                if component.property(name).is_some() {
                    let token = self.book.text(place, private);
                    let value = if name == "SUMMARY" { format!("B{birth} {token}") } else { token };
                    component.set(Property::text(name, &value));
                }
            }
            component.set(Property::new("CLASS", if private { "PRIVATE" } else { "PUBLIC" }));
        }
        Some(document)
    }

    fn categorise(&mut self, mut document: Document) -> Option<Document> {
        let hidden = self.dice.percent(60);
        for component in document.calendar_mut()?.components_mut().filter(|c| is_event(c)) {
            component.set(Property::new("CATEGORIES", if hidden { "hidden" } else { "work" }));
        }
        Some(document)
    }

    async fn delete_here(
        &mut self,
        calendar: usize,
        stored: &StoredObject,
        object: &CalendarObject,
        birth: u32,
    ) -> Fate<()> {
        let here = self.calendars.get(calendar).ok_or_else(|| Violation::broken("no calendar"))?;
        let cause = Cause::by(Via::Caldav, here.caller.name.as_str(), None, None);
        let mut tx = self.store.write().await?;
        tx.delete_object(&here.access, &stored.head.name, &Guard::NONE, &cause).await.map_err(Violation::broken)?;
        tx.commit().await?;
        self.covered.edits += 1;
        self.book.delete(birth, &Place::Here(calendar), object.uid());
        self.book.births_gone.push((calendar, String::from_utf8_lossy(&stored.bytes).into_owned(), birth));
        self.tell(|| format!("here {calendar}: delete {} (B{birth})", object.uid()));
        Ok(())
    }

    /// Somebody takes a deletion back: the same bytes under the same UID.
    async fn restore_here(&mut self, calendar: usize) -> Fate<()> {
        let gone: Vec<(usize, String, u32)> =
            self.book.births_gone.iter().filter(|(c, ..)| *c == calendar).cloned().collect();
        let Some((_, text, birth)) = self.dice.pick(&gone).cloned() else { return Ok(()) };
        let object = CalendarObject::from_stored(Bytes::from(text.clone())).map_err(Violation::broken)?;
        let here = self.calendars.get(calendar).ok_or_else(|| Violation::broken("no calendar"))?;
        let mut tx = self.store.read().await?;
        if tx.object_by_uid(&here.access, object.uid()).await?.is_some() {
            return Ok(());
        }
        drop(tx);
        self.put_here(calendar, &text, Some(birth)).await
    }
}
