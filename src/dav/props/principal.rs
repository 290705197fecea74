//! Properties of a principal (RFC 3744 §4, RFC 4791 §6.2, RFC 6638 §2.4, and what Apple's server added).

use super::Property;
use super::plan::Needs;
use super::subject::{Scene, Subject};
use super::value::Value;
use crate::xml::{Writer, names};

const KEPT_OR_USER: Needs = Needs { user: true, ..Needs::KEPT };

/// The table.
pub(super) static PROPERTIES: &[Property] = &[
    Property { name: names::DISPLAYNAME, in_allprop: true, needs: KEPT_OR_USER, value: display_name },
    Property {
        name: names::PRINCIPAL_URL,
        in_allprop: false,
        needs: Needs::NOTHING,
        value: |scene, _| Some(Value::href(scene.principal_href())),
    },
    Property {
        name: names::CALENDAR_HOME_SET,
        in_allprop: false,
        needs: Needs::NOTHING,
        // Exactly one: Apple's programs pick one of several and it is never the same.
        value: |scene, _| Some(Value::href(scene.home_href())),
    },
    Property {
        name: names::CALENDAR_USER_ADDRESS_SET,
        in_allprop: false,
        needs: Needs::USER,
        value: |scene, _| Some(Value::inner(|writer| addresses(scene, writer))),
    },
    Property {
        name: names::CALENDAR_USER_TYPE,
        in_allprop: false,
        needs: Needs::NOTHING,
        value: |_, _| Some(Value::text("INDIVIDUAL")),
    },
    Property {
        name: names::EMAIL_ADDRESS_SET,
        in_allprop: false,
        needs: Needs::USER,
        value: |scene, _| Some(Value::inner(|writer| writer.leaf(&names::EMAIL_ADDRESS, &address(scene)))),
    },
    Property {
        name: names::RESOURCE_ID,
        in_allprop: false,
        needs: Needs::NOTHING,
        value: |scene, _| Some(Value::href(format!("urn:uuid:{}", scene.caller.user))),
    },
    Property { name: names::ALTERNATE_URI_SET, in_allprop: false, needs: Needs::NOTHING, value: nothing },
    Property { name: names::GROUP_MEMBER_SET, in_allprop: false, needs: Needs::NOTHING, value: nothing },
    Property { name: names::GROUP_MEMBERSHIP, in_allprop: false, needs: Needs::NOTHING, value: nothing },
    Property { name: names::CALENDAR_PROXY_READ_FOR, in_allprop: false, needs: Needs::NOTHING, value: nothing },
    Property { name: names::CALENDAR_PROXY_WRITE_FOR, in_allprop: false, needs: Needs::NOTHING, value: nothing },
];

fn nothing(_: &Scene, _: &Subject<'_>) -> Option<Value> {
    Some(Value::Empty)
}

fn display_name(scene: &Scene, subject: &Subject<'_>) -> Option<Value> {
    if let Some(xml) = subject.kept_named(&names::DISPLAYNAME) {
        return Some(Value::Kept(xml.to_owned()));
    }
    let name = scene.user.as_ref().and_then(|u| u.display_name.as_deref());
    Some(Value::text(name.unwrap_or(scene.caller.name.as_str())))
}

/// The user's mail address. Without one their name at this host: no client can invite without a `mailto:`.
fn address(scene: &Scene) -> String {
    match scene.user.as_ref().and_then(|u| u.email.as_deref()) {
        Some(email) => email.to_owned(),
        None if scene.caller.name.as_str().contains('@') => scene.caller.name.as_str().to_owned(),
        None => format!("{}@{}", scene.caller.name, scene.host),
    }
}

/// Apple's programs take the first address in the alphabet unless one is preferred, Thunderbird the first since 136
/// and the last before, most others the last: so the preferred one comes first and last.
fn addresses(scene: &Scene, writer: &mut Writer) {
    let mail = format!("mailto:{}", address(scene));
    writer.leaf(&names::HREF, &mail);
    writer.leaf(&names::HREF, &scene.principal_href());
    writer.leaf(&names::HREF, &format!("urn:uuid:{}", scene.caller.user));
    writer.open_with(&names::HREF, &[("preferred", "1")]);
    writer.text(&mail);
    writer.close(&names::HREF);
}
