//! The people of a firm as they show themselves to each other: who may be found by whom, and which properties of
//! somebody else's principal are told.
//!
//! Staff and managers find everybody in their firm, clients find themselves alone. Of others only what an invitation
//! needs is told: name, mail address, principal. Their homes stay theirs.

use crate::dav::path::Resource;
use crate::dav::props::{Plan, Scene, Subject, Value};
use crate::domain::access::Role;
use crate::store::{Store, StoreError, StoredProperty, User};
use crate::xml::{Name, Writer, names};

/// Users looked at in one search; firms are smaller.
const USERS_MAX: usize = 20_000;
/// Users read at once.
const PAGE: u32 = 1_000;

/// Everybody whom the caller may find, in the order of their names.
///
/// # Errors
/// The store failed.
pub async fn visible(store: &Store, scene: &Scene) -> Result<Vec<User>, StoreError> {
    let caller = &scene.caller;
    let mut tx = store.read().await?;
    let mut found: Vec<User> = Vec::new();
    match caller.role {
        Role::Client => found.extend(tx.user(&caller.firm, &caller.user).await?),
        Role::Staff | Role::Manager => loop {
            let after = found.last().map(|user| user.name.as_str().to_owned()).unwrap_or_default();
            let page = tx.users(&caller.firm, &after, PAGE).await?;
            if page.is_empty() || found.len() >= USERS_MAX {
                break;
            }
            found.extend(page);
        },
    }
    found.retain(|user| user.disabled.is_none());
    Ok(found)
}

/// How somebody is called.
#[must_use]
pub fn display_name(user: &User) -> &str {
    user.display_name.as_deref().unwrap_or(user.name.as_str())
}

/// The path of somebody's principal.
#[must_use]
pub fn href(user: &User) -> String {
    Resource::Principal(user.name.clone()).href()
}

/// The addresses by which somebody is invited.
#[must_use]
pub fn addresses(user: &User) -> Vec<String> {
    let mail = user.email.as_deref().or(Some(user.name.as_str()).filter(|name| name.contains('@')));
    mail.map(|mail| format!("mailto:{mail}")).into_iter().chain([href(user)]).collect()
}

/// Writes the response about somebody: of the caller what a PROPFIND would tell, of others what is told of others.
pub fn write(plan: &Plan, scene: &Scene, kept: &[StoredProperty], user: &User, writer: &mut Writer) {
    if user.id == scene.caller.user {
        let own = Scene { user: Some(user.clone()), ..scene.clone() };
        plan.write(&own, &Subject::Principal(kept), writer);
    } else {
        plan.write_values(&href(user), |name| of_other(name, user, scene), writer);
    }
}

/// What is told of somebody who is not the caller.
pub fn of_other(name: &Name, user: &User, scene: &Scene) -> Option<Value> {
    let is = |known: &Name| name == known;
    if is(&names::DISPLAYNAME) {
        Some(Value::text(display_name(user)))
    } else if is(&names::RESOURCETYPE) {
        Some(Value::Elements(vec![names::COLLECTION, names::PRINCIPAL]))
    } else if is(&names::PRINCIPAL_URL) {
        Some(Value::href(href(user)))
    } else if is(&names::CURRENT_USER_PRINCIPAL) {
        Some(Value::href(scene.principal_href()))
    } else if is(&names::CALENDAR_USER_ADDRESS_SET) {
        Some(Value::Hrefs(addresses(user)))
    } else if is(&names::CALENDAR_USER_TYPE) {
        Some(Value::text("INDIVIDUAL"))
    } else if is(&names::EMAIL_ADDRESS_SET) {
        let email = user.email.as_deref()?;
        Some(Value::inner(|writer| writer.leaf(&names::EMAIL_ADDRESS, email)))
    } else {
        None
    }
}
