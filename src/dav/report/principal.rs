//! The reports on people (RFC 3744 §9): which properties can be searched, the search, who I am, who has rights.

use axum::body::Body;
use axum::http::Response;

use super::collation::{Collation, MatchType, TextMatch};
use super::{Asked, limit, people, truncated};
use crate::dav::error::{DavError, Done, Precondition};
use crate::dav::multistatus;
use crate::dav::path::{Kind, Resource};
use crate::dav::propfind::{kept_place, write_calendar};
use crate::dav::props::{NAMES_MAX, Plan, PropRequest, Subject};
use crate::store::{StoredProperty, User};
use crate::xml::{Element, Name, Writer, names};

/// People told of in one answer. Programs show ten of them.
const FOUND_MAX: u32 = 500;
/// Conditions of one search. Apple's programs send four.
const TESTS_MAX: usize = 50;

/// What can be searched, and how a person would call it.
const SEARCHABLE: [(Name, &str); 3] = [
    (names::DISPLAYNAME, "Name"),
    (names::EMAIL_ADDRESS_SET, "E-mail address"),
    (names::CALENDAR_USER_ADDRESS_SET, "Calendar address"),
];

/// Answers a principal-search-property-set (§9.5): no multistatus, but the set itself.
pub fn search_property_set() -> Response<Body> {
    let mut writer = Writer::document(&names::PRINCIPAL_SEARCH_PROPERTY_SET);
    for (name, description) in &SEARCHABLE {
        writer.open(&names::PRINCIPAL_SEARCH_PROPERTY);
        writer.open(&names::PROP);
        writer.empty(name);
        writer.close(&names::PROP);
        writer.open_with(&names::DESCRIPTION, &[("xml:lang", "en")]);
        writer.text(description);
        writer.close(&names::DESCRIPTION);
        writer.close(&names::PRINCIPAL_SEARCH_PROPERTY);
    }
    writer.close(&names::PRINCIPAL_SEARCH_PROPERTY_SET);
    Done::Ok.xml(writer.into_string())
}

/// Answers a principal-property-search (§9.4).
///
/// # Errors
/// There is nothing to look for, or the store failed.
pub async fn property_search(asked: Asked<'_>) -> Result<Response<Body>, DavError> {
    let search = Search::parse(asked.request)?;
    let most = limit(asked.request)?.unwrap_or(FOUND_MAX).min(FOUND_MAX);
    let plan = search_plan(&asked)?;
    let kept = own_properties(&asked).await?;
    let mut writer = multistatus::begin();
    // A principal that is asked itself answers for itself, unless all are meant.
    let all = asked.request.child(&names::APPLY_TO_PRINCIPAL_COLLECTION_SET).is_some();
    let only = asked.resource.owner().filter(|_| !all);
    let mut found = 0;
    for user in people::visible(asked.store, &asked.scene).await? {
        if only.is_some_and(|only| *only != user.name) || !search.finds(&user) {
            continue;
        }
        if found == most {
            truncated(&asked.resource.href(), &mut writer);
            break;
        }
        found += 1;
        people::write(&plan, &asked.scene, &kept, &user, &mut writer);
    }
    Ok(multistatus::whole(writer))
}

/// Answers a principal-match (§9.3): which of the resources here are the caller, or theirs.
///
/// # Errors
/// Neither `self` nor a property is named, or the store failed.
pub async fn principal_match(asked: Asked<'_>) -> Result<Response<Body>, DavError> {
    let is_self = asked.request.child(&names::SELF).is_some();
    let property = asked.request.child(&names::PRINCIPAL_PROPERTY).and_then(|p| p.children().next());
    let mut writer = multistatus::begin();
    match (is_self, property) {
        (true, None) if holds_principals(asked.resource.kind()) => {
            let plan = plan_of(&asked, Kind::Principal)?;
            let kept = own_properties(&asked).await?;
            if let Some(user) = own_user(&asked).await? {
                people::write(&plan, &asked.scene, &kept, &user, &mut writer);
            }
        }
        (true, None) => {}
        (false, Some(property)) if property.is(&names::OWNER) => owned(&asked, &mut writer).await?,
        (false, Some(_)) => {}
        _ => return Err(DavError::Bad("principal-match asks for self or for a principal-property".to_owned())),
    }
    Ok(multistatus::whole(writer))
}

/// Answers an acl-principal-prop-set (§9.2): whoever has rights here, which is the owner.
///
/// # Errors
/// The request makes no sense, or the store failed.
pub async fn acl_principal_prop_set(asked: Asked<'_>) -> Result<Response<Body>, DavError> {
    let plan = plan_of(&asked, Kind::Principal)?;
    // Whether it exists, and may be known of.
    let mut tx = asked.store.read().await?;
    asked.everything(&mut tx, None).await?;
    drop(tx);
    let kept = own_properties(&asked).await?;
    let mut writer = multistatus::begin();
    if let Some(owner) = asked.resource.owner() {
        let everybody = people::visible(asked.store, &asked.scene).await?;
        if let Some(user) = everybody.iter().find(|user| user.name == *owner) {
            people::write(&plan, &asked.scene, &kept, user, &mut writer);
        }
    }
    Ok(multistatus::whole(writer))
}

fn holds_principals(kind: Kind) -> bool {
    matches!(kind, Kind::Entry | Kind::Root | Kind::Principals | Kind::Principal)
}

/// The collections of the caller's at or below the resource. Of the objects in them the same holds, and no client
/// wants to hear it of each.
async fn owned(asked: &Asked<'_>, writer: &mut Writer) -> Result<(), DavError> {
    let kind = asked.resource.kind();
    if matches!(kind, Kind::Root | Kind::Calendars | Kind::Home) {
        let plan = plan_of(asked, Kind::Home)?;
        let place = kept_place(&Resource::Home(asked.scene.caller.name.clone()), &asked.scene);
        let kept = asked.store.read().await?.properties(&asked.scene.caller, &place).await?;
        plan.write(&asked.scene, &Subject::Home(&kept), writer);
    }
    let plan = plan_of(asked, Kind::Calendar)?;
    let mut tx = asked.store.read().await?;
    for (access, calendar) in tx.calendars(&asked.scene.caller).await? {
        let below = match asked.resource {
            Resource::Calendar(owner, slug) => calendar.owner_name == *owner && calendar.slug == *slug,
            Resource::Root | Resource::Calendars | Resource::Home(_) => true,
            _ => false,
        };
        if below && calendar.owner == asked.scene.caller.user {
            write_calendar(&mut tx, &plan, &asked.scene, (&access, &calendar), writer).await?;
        }
    }
    Ok(())
}

fn plan_of(asked: &Asked<'_>, kind: Kind) -> Result<Plan, DavError> {
    let wanted = PropRequest::of(asked.request).map_err(|reason| DavError::Bad(reason.to_owned()))?;
    Ok(Plan::new(&wanted.unwrap_or(PropRequest::Named(Vec::new())), kind, asked.preferences.minimal))
}

/// What is told of those who are found. python-caldav 3.6 writes the names beside an empty `DAV:prop`; they are read as if
/// they stood in it.
fn search_plan(asked: &Asked<'_>) -> Result<Plan, DavError> {
    const PARTS: [&Name; 4] =
        [&names::PROP, &names::PROPERTY_SEARCH, &names::APPLY_TO_PRINCIPAL_COLLECTION_SET, &names::LIMIT];
    let is_empty = asked.request.child(&names::PROP).is_some_and(|prop| prop.children().next().is_none());
    if !is_empty {
        return plan_of(asked, Kind::Principal);
    }
    let beside = asked.request.children().map(Element::name).filter(|name| !PARTS.contains(name));
    let wanted = PropRequest::Named(beside.take(NAMES_MAX).cloned().collect());
    Ok(Plan::new(&wanted, Kind::Principal, asked.preferences.minimal))
}

async fn own_user(asked: &Asked<'_>) -> Result<Option<User>, DavError> {
    let caller = &asked.scene.caller;
    Ok(asked.store.read().await?.user(&caller.firm, &caller.user).await?)
}

/// What the caller keeps on their own principal.
async fn own_properties(asked: &Asked<'_>) -> Result<Vec<StoredProperty>, DavError> {
    let place = kept_place(&Resource::Principal(asked.scene.caller.name.clone()), &asked.scene);
    Ok(asked.store.read().await?.properties(&asked.scene.caller, &place).await?)
}

/// What a principal-property-search looks for.
struct Search {
    /// `test="anyof"`, from Apple's server; the RFC knows `allof` alone.
    any: bool,
    tests: Vec<Test>,
}

/// Each of these properties has that text.
struct Test {
    properties: Vec<Name>,
    text: TextMatch,
}

impl Search {
    fn parse(request: &Element) -> Result<Search, DavError> {
        let mut tests = Vec::new();
        for element in request.children().filter(|child| child.is(&names::PROPERTY_SEARCH)) {
            if tests.len() >= TESTS_MAX {
                return Err(Precondition::NumberOfMatchesWithinLimits.into());
            }
            tests.push(Test::parse(element)?);
        }
        if tests.is_empty() {
            return Err(DavError::Bad("a principal-property-search holds a property-search".to_owned()));
        }
        Ok(Search { any: request.attribute("test") == Some("anyof"), tests })
    }

    fn finds(&self, user: &User) -> bool {
        if self.any {
            self.tests.iter().any(|test| test.finds(user))
        } else {
            self.tests.iter().all(|test| test.finds(user))
        }
    }
}

impl Test {
    fn parse(element: &Element) -> Result<Test, DavError> {
        let prop = element.child(&names::PROP).map(|prop| prop.children().map(|p| p.name().clone()).collect());
        let wanted = element.child(&names::MATCH);
        let (Some(properties), Some(wanted)) = (prop, wanted) else {
            return Err(DavError::Bad("a property-search holds prop and match".to_owned()));
        };
        let kind = wanted.attribute("match-type").and_then(MatchType::from_name).unwrap_or(MatchType::Contains);
        // §9.4: without regard to case.
        let text = TextMatch::new(wanted.text().trim(), Collation::UnicodeCasemap, kind);
        Ok(Test { properties, text })
    }

    fn finds(&self, user: &User) -> bool {
        !self.properties.is_empty()
            && self.properties.iter().all(|name| {
                let texts: Vec<String> = if *name == names::DISPLAYNAME {
                    vec![people::display_name(user).to_owned()]
                } else if *name == names::EMAIL_ADDRESS_SET {
                    user.email.iter().cloned().collect()
                } else if *name == names::CALENDAR_USER_ADDRESS_SET {
                    people::addresses(user)
                } else {
                    Vec::new()
                };
                self.text.matches(texts.into_iter().map(std::borrow::Cow::Owned))
            })
    }
}
