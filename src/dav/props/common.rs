//! Properties that every kind of resource has: what it is, whose, who asks and what they may do with it
//! (RFC 4918 §15, RFC 3744 §5, RFC 5397, RFC 3253 §3.1.5).

use super::Property;
use super::plan::Needs;
use super::subject::{Scene, Subject};
use super::value::Value;
use crate::dav::path::{Kind, Resource};
use crate::dav::report;
use crate::domain::access::Right;
use crate::domain::ids::UserName;
use crate::xml::{Name, Writer, names};

/// The table.
pub(super) static PROPERTIES: &[Property] = &[
    Property {
        name: names::RESOURCETYPE,
        in_allprop: true,
        needs: Needs::NOTHING,
        value: |_, s| Some(resource_type(s)),
    },
    Property {
        name: names::CURRENT_USER_PRINCIPAL,
        in_allprop: false,
        needs: Needs::NOTHING,
        value: |scene, _| Some(Value::href(scene.principal_href())),
    },
    Property {
        name: names::PRINCIPAL_COLLECTION_SET,
        in_allprop: false,
        needs: Needs::NOTHING,
        value: |_, _| Some(Value::href(Resource::Principals.href())),
    },
    Property {
        name: names::OWNER,
        in_allprop: false,
        needs: Needs::NOTHING,
        value: |scene, s| owner(scene, s).map(|name| Value::href(Resource::Principal(name.clone()).href())),
    },
    Property { name: names::GROUP, in_allprop: false, needs: Needs::NOTHING, value: |_, _| Some(Value::Empty) },
    Property {
        name: names::SUPPORTED_REPORT_SET,
        in_allprop: false,
        needs: Needs::NOTHING,
        value: |_, s| Some(supported_reports(s.kind())),
    },
    Property {
        name: names::CURRENT_USER_PRIVILEGE_SET,
        in_allprop: false,
        needs: Needs::NOTHING,
        value: |scene, s| Some(Value::inner(|w| privileges(&granted(right(scene, s), s.kind()), w))),
    },
    Property {
        name: names::SUPPORTED_PRIVILEGE_SET,
        in_allprop: false,
        needs: Needs::NOTHING,
        value: |_, _| Some(Value::inner(|w| supported_privilege(&PRIVILEGES, w))),
    },
    Property { name: names::ACL, in_allprop: false, needs: Needs::NOTHING, value: |scene, s| access_list(scene, s) },
    Property {
        name: names::ACL_RESTRICTIONS,
        in_allprop: false,
        needs: Needs::NOTHING,
        value: |_, _| Some(Value::Empty),
    },
    Property {
        name: names::INHERITED_ACL_SET,
        in_allprop: false,
        needs: Needs::NOTHING,
        value: |_, _| Some(Value::Empty),
    },
];

fn resource_type(subject: &Subject<'_>) -> Value {
    match subject {
        Subject::Place(_) | Subject::Home(_) => Value::Elements(vec![names::COLLECTION]),
        // Some clients take only a collection for a path that ends in a slash.
        Subject::Principal(_) => Value::Elements(vec![names::COLLECTION, names::PRINCIPAL]),
        Subject::Calendar(_) => Value::Elements(vec![names::COLLECTION, names::CALENDAR]),
        Subject::Object(_) => Value::Empty,
    }
}

fn owner<'a>(scene: &'a Scene, subject: &Subject<'a>) -> Option<&'a UserName> {
    match subject {
        Subject::Place(_) => None,
        Subject::Principal(_) | Subject::Home(_) => Some(&scene.caller.name),
        Subject::Calendar(c) => Some(&c.calendar.owner_name),
        Subject::Object(o) => Some(&o.calendar.owner_name),
    }
}

fn right(scene: &Scene, subject: &Subject<'_>) -> Right {
    match subject {
        Subject::Place(_) => Right::Read,
        Subject::Principal(_) | Subject::Home(_) => scene.caller.most,
        Subject::Calendar(c) => scene.right_on(c.calendar),
        Subject::Object(o) => scene.right_on(o.calendar),
    }
}

fn supported_reports(kind: Kind) -> Value {
    Value::inner(|writer| {
        for name in report::supported(kind) {
            writer.open(&names::SUPPORTED_REPORT);
            writer.open(&names::REPORT);
            writer.empty(name);
            writer.close(&names::REPORT);
            writer.close(&names::SUPPORTED_REPORT);
        }
    })
}

/// The privileges that a right amounts to. Thunderbird takes a calendar for writable as soon as any of the write
/// privileges is there, so a reader is told of none, although what a reader may keep on it by PROPPATCH is kept.
fn granted(right: Right, kind: Kind) -> Vec<Name> {
    let mut granted = vec![names::READ, names::READ_CURRENT_USER_PRIVILEGE_SET];
    if matches!(kind, Kind::Calendar | Kind::Object | Kind::Home) {
        granted.push(names::READ_FREE_BUSY);
    }
    if right >= Right::Write {
        granted.extend([names::WRITE, names::WRITE_PROPERTIES, names::WRITE_CONTENT, names::BIND, names::UNBIND]);
    }
    granted
}

fn privileges(list: &[Name], writer: &mut Writer) {
    for name in list {
        writer.open(&names::PRIVILEGE);
        writer.empty(name);
        writer.close(&names::PRIVILEGE);
    }
}

/// A privilege with those that it contains.
struct Privilege {
    name: Name,
    is_abstract: bool,
    description: &'static str,
    holds: &'static [Privilege],
}

const fn leaf(name: Name, description: &'static str) -> Privilege {
    Privilege { name, is_abstract: false, description, holds: &[] }
}

static PRIVILEGES: Privilege = Privilege {
    name: names::ALL,
    is_abstract: true,
    description: "everything",
    holds: &[
        Privilege {
            name: names::READ,
            is_abstract: false,
            description: "see it",
            holds: &[
                leaf(names::READ_CURRENT_USER_PRIVILEGE_SET, "see one's own rights"),
                leaf(names::READ_FREE_BUSY, "see when it is busy"),
            ],
        },
        Privilege {
            name: names::WRITE,
            is_abstract: false,
            description: "change it",
            holds: &[
                leaf(names::WRITE_PROPERTIES, "change its properties"),
                leaf(names::WRITE_CONTENT, "change its content"),
                leaf(names::BIND, "put something into it"),
                leaf(names::UNBIND, "take something out of it"),
            ],
        },
    ],
};

/// Calls itself once per level of the table above.
fn supported_privilege(privilege: &Privilege, writer: &mut Writer) {
    writer.open(&names::SUPPORTED_PRIVILEGE);
    privileges(std::slice::from_ref(&privilege.name), writer);
    if privilege.is_abstract {
        writer.empty(&names::ABSTRACT);
    }
    writer.open_with(&names::DESCRIPTION, &[("xml:lang", "en")]);
    writer.text(privilege.description);
    writer.close(&names::DESCRIPTION);
    for inner in privilege.holds {
        supported_privilege(inner, writer);
    }
    writer.close(&names::SUPPORTED_PRIVILEGE);
}

/// What belongs to somebody is theirs alone, and no client can change that.
fn access_list(scene: &Scene, subject: &Subject<'_>) -> Option<Value> {
    owner(scene, subject)?;
    Some(Value::inner(|writer| {
        writer.open(&names::ACE);
        writer.open(&names::PRINCIPAL);
        writer.open(&names::PROPERTY);
        writer.empty(&names::OWNER);
        writer.close(&names::PROPERTY);
        writer.close(&names::PRINCIPAL);
        writer.open(&names::GRANT);
        privileges(&[names::READ, names::WRITE], writer);
        writer.close(&names::GRANT);
        writer.empty(&names::PROTECTED);
        writer.close(&names::ACE);
    }))
}
