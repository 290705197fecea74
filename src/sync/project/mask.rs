//! Times without anything else.

use std::cell::RefCell;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::domain::ids::ObjectId;
use crate::domain::object::{CalendarObject, ComponentKind};
use crate::domain::privacy::{BUSY_TITLE, Retitle, Telling, Told, plain_zone, titled};
use crate::domain::time::Instant;
use crate::ics::validate::OBJECT_COMPONENTS;
use crate::ics::zone::{Zone, Zones, vtimezone};
use crate::ics::{Component, Document, Property, When, build};

/// Hexadecimal digits of names that are made of what they may not tell.
const NAME_DIGITS: usize = 24;

/// DTSTAMP where an object has none.
const UNSTAMPED: Instant = Instant::from_ms(0);

/// The object as "Busy": its times, whether it is cancelled, whether it leaves its owner free; nothing else, and no name
/// that somebody wrote. `None` for what is no appointment.
pub(super) fn masked(object: &CalendarObject, id: &ObjectId) -> Option<CalendarObject> {
    if object.component() != ComponentKind::Event {
        return None;
    }
    let zones = Zones::of(object.document().calendar()?);
    let book = RefCell::new(Vec::new());
    let first_year = first_year(object);
    let name = |tzid: &str| plain_name(tzid, &zones, first_year, &mut book.borrow_mut());
    let uid = format!("{}@busy", digest(id.as_str().as_bytes()));
    let components: Vec<Component> = object.components().map(|c| busy(c, &uid, &zones, &name)).collect();
    let definitions = book.take().into_iter().map(|(_, definition)| definition);
    let document = build::calendar(definitions.chain(components));
    CalendarObject::from_stored(document.to_bytes()).ok()
}

/// The object with those components masked or left out that are told less than the rest.
pub(super) fn partly(object: &CalendarObject, told: &Told) -> Option<CalendarObject> {
    if told.is_uniform() {
        return Some(object.clone());
    }
    let zones = Zones::of(object.document().calendar()?);
    let as_written = |tzid: &str| zones.get(tzid).map(|_| tzid.to_owned());
    let mut without: Vec<When> = Vec::new();
    let mut document = object.document().clone();
    let calendar = document.calendar_mut()?;
    let is_object = |c: &Component| OBJECT_COMPONENTS.iter().any(|name| c.is(name));
    for (index, component) in calendar.components_mut().filter(|c| is_object(c)).enumerate() {
        match told.component(index) {
            Telling::All => {}
            Telling::Busy | Telling::Title => *component = busy(component, object.uid(), &zones, &as_written),
            Telling::Nothing => without.extend(component.property("RECURRENCE-ID").and_then(|p| When::of(p).ok())),
        }
    }
    let mut index = 0;
    calendar.retain_components(|c| {
        index += usize::from(is_object(c));
        !is_object(c) || told.component(index - 1) != Telling::Nothing
    });
    if let Some(master) = calendar.components_mut().find(|c| is_object(c) && c.property("RECURRENCE-ID").is_none()) {
        for when in without {
            master.push(when.to_property("EXDATE"));
        }
    }
    CalendarObject::from_stored(document.to_bytes()).ok()
}

/// One component as "Busy".
fn busy(component: &Component, uid: &str, zones: &Zones<'_>, zone: &dyn Fn(&str) -> Option<String>) -> Component {
    let mut shown = titled(component, &Retitle { uid, changed: UNSTAMPED, zones, zone, without: &[] });
    shown.remove("SEQUENCE");
    // That it is not certain is nobody's business; that it is off takes no time.
    shown.retain(|p| !p.is("STATUS") || p.value() == "CANCELLED");
    shown.remove("SUMMARY");
    shown.push(Property::text("SUMMARY", BUSY_TITLE));
    shown
}

/// The name to show for a zone, and its definition noted under it.
fn plain_name(tzid: &str, zones: &Zones<'_>, first_year: i16, book: &mut Vec<(String, Component)>) -> Option<String> {
    let zone = zones.get(tzid)?;
    let (name, definition) = match (&zone, zone.iana_name()) {
        (_, Some(name)) => {
            let text = vtimezone(name, first_year, None)?;
            let document = Document::parse(&Bytes::from(text)).ok()?;
            (name.to_owned(), document.components().next()?.clone())
        }
        (Zone::Custom(_) | Zone::Fixed(_), None) => {
            let definition = zones.definition(tzid)?;
            let name = format!("Zone-{}", digest(&plain_zone(definition, "").to_bytes()));
            let plain = plain_zone(definition, &name);
            (name, plain)
        }
        (Zone::Utc | Zone::Iana(_) | Zone::Floating, None) => return None,
    };
    if !book.iter().any(|(known, _)| *known == name) {
        book.push((name.clone(), definition));
    }
    Some(name)
}

/// The first year that anything in the object names.
fn first_year(object: &CalendarObject) -> i16 {
    let lines =
        object.components().flat_map(|c| ["DTSTART", "RECURRENCE-ID"].into_iter().filter_map(|n| c.property(n)));
    lines.filter_map(|p| When::of(p).ok()).map(|when| when.local().year()).min().unwrap_or(1970)
}

fn digest(bytes: &[u8]) -> String {
    let mut digits = hex::encode(Sha256::digest(bytes));
    digits.truncate(NAME_DIGITS);
    digits
}
