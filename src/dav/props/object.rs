//! Properties of a calendar object (RFC 4918 §15, RFC 4791 §9.6). What a listing asks for most, tag and type, is
//! known from the index.

use super::Property;
use super::plan::Needs;
use super::subject::{ObjectSubject, Scene, Subject};
use super::value::Value;
use crate::dav::headers::http_date;
use crate::domain::calendar::ComponentSet;
use crate::store::ObjectHead;
use crate::xml::names;

/// The table.
pub(super) static PROPERTIES: &[Property] = &[
    Property {
        name: names::GETETAG,
        in_allprop: true,
        needs: Needs::NOTHING,
        value: |_, s| object(s).map(|o| Value::Text(o.etag.quoted())),
    },
    Property {
        name: names::GETCONTENTTYPE,
        in_allprop: true,
        needs: Needs::NOTHING,
        value: |_, s| object(s).map(|o| Value::text(content_type(o.calendar.settings.components))),
    },
    Property {
        name: names::GETCONTENTLENGTH,
        in_allprop: true,
        needs: Needs::HEAD,
        value: |_, s| head(s).map(|h| Value::Text(h.bytes_len.to_string())),
    },
    Property {
        name: names::GETLASTMODIFIED,
        in_allprop: true,
        needs: Needs::HEAD,
        value: |_, s| head(s).and_then(|h| http_date(h.changed)).map(Value::Text),
    },
    Property {
        name: names::CREATIONDATE,
        in_allprop: true,
        needs: Needs::HEAD,
        value: |_, s| head(s).and_then(|h| h.created.rfc3339()).map(Value::Text),
    },
    Property {
        name: names::RESOURCE_ID,
        in_allprop: false,
        needs: Needs::HEAD,
        value: |_, s| head(s).map(|h| Value::href(format!("urn:uuid:{}", h.id))),
    },
    Property { name: names::CALENDAR_DATA, in_allprop: false, needs: Needs::NOTHING, value: data },
];

fn object<'a>(subject: &Subject<'a>) -> Option<ObjectSubject<'a>> {
    match subject {
        Subject::Object(object) => Some(*object),
        Subject::Place(_) | Subject::Principal(_) | Subject::Home(_) | Subject::Calendar(_) => None,
    }
}

fn head<'a>(subject: &Subject<'a>) -> Option<&'a ObjectHead> {
    object(subject).and_then(|o| o.head)
}

/// Only reports have it (RFC 4791 §9.6).
fn data(_: &Scene, subject: &Subject<'_>) -> Option<Value> {
    object(subject).and_then(|o| o.data).map(Value::text)
}

/// The type of an object in listings. An index entry does not know its component, so where the calendar takes several
/// kinds that parameter is left out. Thunderbird skips what does not begin with `text/calendar`.
pub fn content_type(components: ComponentSet) -> &'static str {
    match components.names().as_slice() {
        ["VEVENT"] => "text/calendar; charset=utf-8; component=vevent",
        ["VTODO"] => "text/calendar; charset=utf-8; component=vtodo",
        ["VJOURNAL"] => "text/calendar; charset=utf-8; component=vjournal",
        ["VFREEBUSY"] => "text/calendar; charset=utf-8; component=vfreebusy",
        _ => "text/calendar; charset=utf-8",
    }
}
