//! Properties of a calendar and of the home it stands in (RFC 4791 §5.2, RFC 6578 §4, RFC 6638 §9, RFC 7809 §5, and
//! what Apple's programs added).

use super::Property;
use super::plan::Needs;
use super::subject::{CalendarSubject, Scene, Subject};
use super::value::Value;
use crate::dav::headers::http_date;
use crate::domain::access::Right;
use crate::domain::calendar::{Calendar, ScheduleTransparency, SyncToken};
use crate::ics::limits::{ATTENDEES_MAX, BODY_BYTES_MAX};
use crate::xml::{Document, Name, Writer, names};

/// The collations that a text match may name (RFC 4791 §7.5).
pub const COLLATIONS: [&str; 3] = ["i;ascii-casemap", "i;octet", "i;unicode-casemap"];

macro_rules! properties {
    ($($name:expr, $in_allprop:expr, $needs:expr, $value:expr;)*) => {
        &[$(Property { name: $name, in_allprop: $in_allprop, needs: $needs, value: $value }),*]
    };
}

/// The table of a calendar.
pub(super) static PROPERTIES: &[Property] = properties! {
    names::DISPLAYNAME, true, Needs::KEPT,
        |scene, s| set_text(scene, s, &names::DISPLAYNAME, |c| c.settings.display_name.clone());
    names::CALENDAR_DESCRIPTION, false, Needs::KEPT,
        |scene, s| set_text(scene, s, &names::CALENDAR_DESCRIPTION, |c| c.settings.description.clone());
    names::CALENDAR_COLOR, false, Needs::KEPT,
        |scene, s| set_text(scene, s, &names::CALENDAR_COLOR, |c| c.settings.color.clone());
    names::CALENDAR_ORDER, false, Needs::KEPT,
        |scene, s| set_text(scene, s, &names::CALENDAR_ORDER, |c| c.settings.order.map(|n| n.to_string()));
    names::CALENDAR_TIMEZONE, false, Needs::KEPT,
        |scene, s| set_text(scene, s, &names::CALENDAR_TIMEZONE, |c| c.settings.timezone.clone());
    names::CALENDAR_TIMEZONE_ID, false, Needs::KEPT,
        |scene, s| set_text(scene, s, &names::CALENDAR_TIMEZONE_ID, timezone_id);
    names::SCHEDULE_CALENDAR_TRANSP, false, Needs::KEPT, transparency;
    names::GETCTAG, false, Needs::NOTHING,
        |scene, s| calendar(s).map(|c| Value::Text(sync_token(scene, c.calendar)));
    names::SYNC_TOKEN, false, Needs::NOTHING,
        |scene, s| calendar(s).map(|c| Value::Text(sync_token(scene, c.calendar)));
    names::CREATIONDATE, true, Needs::NOTHING,
        |_, s| calendar(s).and_then(|c| c.calendar.created.rfc3339()).map(Value::Text);
    names::GETLASTMODIFIED, true, Needs::NOTHING,
        |_, s| calendar(s).and_then(|c| http_date(c.calendar.modified)).map(Value::Text);
    names::RESOURCE_ID, false, Needs::NOTHING,
        |_, s| calendar(s).map(|c| Value::href(format!("urn:uuid:{}", c.calendar.id)));
    // RFC 5995 §3.2: for who may add something.
    names::ADD_MEMBER, false, Needs::NOTHING, |scene, s| add_member(scene, s).map(Value::href);
    names::QUOTA_USED_BYTES, false, Needs::BYTES,
        |_, s| calendar(s).and_then(|c| c.bytes).map(|n| Value::Text(n.to_string()));
    names::SUPPORTED_CALENDAR_COMPONENT_SET, false, Needs::NOTHING,
        |_, s| calendar(s).map(|c| Value::inner(|w| components(&c.calendar.settings.components.names(), w)));
    names::SUPPORTED_CALENDAR_DATA, false, Needs::NOTHING,
        |_, _| Some(Value::inner(|w| {
            w.empty_with(&names::CALENDAR_DATA, &[("content-type", "text/calendar"), ("version", "2.0")]);
        }));
    names::SUPPORTED_COLLATION_SET, false, Needs::NOTHING,
        |_, _| Some(Value::inner(|w| COLLATIONS.iter().for_each(|c| w.leaf(&names::SUPPORTED_COLLATION, c))));
    names::MAX_RESOURCE_SIZE, false, Needs::NOTHING, |_, _| Some(Value::Text(BODY_BYTES_MAX.to_string()));
    names::MAX_ATTENDEES_PER_INSTANCE, false, Needs::NOTHING, |_, _| Some(Value::Text(ATTENDEES_MAX.to_string()));
    // What a date in iCalendar can name, and no less: nothing is refused for its date.
    names::MIN_DATE_TIME, false, Needs::NOTHING, |_, _| Some(Value::text("00010101T000000Z"));
    names::MAX_DATE_TIME, false, Needs::NOTHING, |_, _| Some(Value::text("99991231T235959Z"));
};

/// The table of a home.
pub(super) static OF_HOME: &[Property] = properties! {
    names::SUPPORTED_CALENDAR_COMPONENT_SETS, false, Needs::NOTHING,
        |_, _| Some(Value::inner(component_sets));
    names::SYNC_TOKEN, false, Needs::HOME,
        |scene, _| scene.home_token.as_ref().map(|token| Value::Text(token.to_uri()));
};

fn calendar<'a>(subject: &Subject<'a>) -> Option<CalendarSubject<'a>> {
    match subject {
        Subject::Calendar(calendar) => Some(*calendar),
        Subject::Place(_) | Subject::Principal(_) | Subject::Home(_) | Subject::Object(_) => None,
    }
}

/// The token that stands for the calendar's present state; also its ctag.
#[must_use]
pub fn sync_token(scene: &Scene, calendar: &Calendar) -> String {
    SyncToken { epoch: scene.epoch.clone(), calendar: calendar.id.clone(), seq: calendar.seq }.to_uri()
}

/// A text that the owner sets for the calendar, and everybody else for themselves. The owner's element is kept beside
/// the setting only for its attributes (`symbolic-color` of macOS): it counts as long as its text is the setting.
fn set_text(
    scene: &Scene,
    subject: &Subject<'_>,
    name: &Name,
    setting: fn(&Calendar) -> Option<String>,
) -> Option<Value> {
    let c = calendar(subject)?;
    let setting = setting(c.calendar);
    match subject.kept_named(name) {
        Some(xml) if scene.right_on(c.calendar) < Right::Own || text_of(xml) == setting => {
            Some(Value::Kept(xml.to_owned()))
        }
        Some(_) | None => setting.map(Value::Text),
    }
}

fn text_of(xml: &str) -> Option<String> {
    Document::parse(xml.as_bytes(), usize::MAX).ok().map(|document| document.root().text())
}

fn transparency(scene: &Scene, subject: &Subject<'_>) -> Option<Value> {
    let c = calendar(subject)?;
    if let Some(xml) = subject.kept_named(&names::SCHEDULE_CALENDAR_TRANSP)
        && scene.right_on(c.calendar) < Right::Own
    {
        return Some(Value::Kept(xml.to_owned()));
    }
    Some(Value::Elements(vec![match c.calendar.settings.transparency {
        ScheduleTransparency::Opaque => names::OPAQUE,
        ScheduleTransparency::Transparent => names::TRANSPARENT,
    }]))
}

/// Where new objects are posted: to the calendar itself.
fn add_member(scene: &Scene, subject: &Subject<'_>) -> Option<String> {
    let c = calendar(subject)?;
    (scene.right_on(c.calendar) >= Right::Write).then(|| subject.href(scene))
}

/// The name of the calendar's zone, where it is one of the IANA database.
fn timezone_id(calendar: &Calendar) -> Option<String> {
    let text = calendar.settings.timezone.as_deref()?;
    super::patch::timezone_id(text).filter(|id| crate::ics::zone::Zone::iana(id).is_some())
}

fn components(list: &[&str], writer: &mut Writer) {
    for name in list {
        writer.empty_with(&names::COMP, &[("name", name)]);
    }
}

/// Sets of components that a new calendar may take. Apple's programs look for one of events and one of tasks.
fn component_sets(writer: &mut Writer) {
    let sets: [&[&str]; 5] =
        [&["VEVENT"], &["VTODO"], &["VJOURNAL"], &["VEVENT", "VTODO"], &["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"]];
    for set in sets {
        writer.open(&names::SUPPORTED_CALENDAR_COMPONENT_SET);
        components(set, writer);
        writer.close(&names::SUPPORTED_CALENDAR_COMPONENT_SET);
    }
}
