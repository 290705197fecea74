//! `DAV:expand-property` (RFC 3253 §3.8): properties, and those of what they point to, in one answer.

use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use axum::http::Response;

use super::{Asked, people};
use crate::dav::error::{At, DavError, Precondition};
use crate::dav::multistatus::{self, Line, propstat};
use crate::dav::path::{Kind, Resource, path_of_href};
use crate::dav::propfind::kept_place;
use crate::dav::props::{CalendarSubject, Needs, ObjectSubject, Scene, Subject, Value, find};
use crate::domain::access::Right;
use crate::xml::{Element, Name, Writer, names};

/// Levels of hrefs that are followed. Apple's programs ask for one.
const LEVELS_MAX: usize = 4;
/// Properties named in one request.
const PROPERTIES_MAX: usize = 500;
/// Resources told of in one answer. A home of many calendars stays below.
const RESPONSES_MAX: usize = 2_000;

/// A property, and what is wanted of the resources it points to.
struct Wanted {
    name: Name,
    inside: Vec<Wanted>,
}

/// Answers an expand-property.
///
/// # Errors
/// More is wanted than anybody needs, or the store failed.
pub async fn answer(asked: Asked<'_>) -> Result<Response<Body>, DavError> {
    let wanted = wanted_in(asked.request, 0, &mut PROPERTIES_MAX.clone())?;
    let caller = &asked.scene.caller;
    let user = asked.store.read().await?.user(&caller.firm, &caller.user).await?;
    let scene = Scene { user, ..asked.scene.clone() };
    let mut expansion = Expansion { asked: &asked, scene: &scene, left: RESPONSES_MAX };
    let response = expansion.response(asked.resource.clone(), &wanted).await?;
    let mut writer = multistatus::begin();
    writer.kept(&response.ok_or(DavError::NotFound)?);
    Ok(multistatus::whole(writer))
}

/// Calls itself once per level, of which it takes few.
fn wanted_in(element: &Element, level: usize, left: &mut usize) -> Result<Vec<Wanted>, DavError> {
    if level > LEVELS_MAX {
        return Err(Precondition::NumberOfMatchesWithinLimits.into());
    }
    let properties = element.children().filter(|child| child.is(&names::PROPERTY));
    properties
        .map(|property| {
            *left = left.checked_sub(1).ok_or(Precondition::NumberOfMatchesWithinLimits)?;
            let local = property.attribute("name").map(str::trim).filter(|name| !name.is_empty());
            let local = local.ok_or_else(|| DavError::Bad("a property has no name".to_owned()))?;
            let namespace = property.attribute("namespace").unwrap_or(names::DAV);
            let inside = wanted_in(property, level + 1, left)?;
            Ok(Wanted { name: Name::owned(namespace.to_owned(), local), inside })
        })
        .collect()
}

struct Expansion<'a> {
    asked: &'a Asked<'a>,
    scene: &'a Scene,
    left: usize,
}

type Written<'f> = Pin<Box<dyn Future<Output = Result<Option<String>, DavError>> + Send + 'f>>;

impl<'a> Expansion<'a> {
    /// The response of one resource; `None` if the caller may not know of it.
    fn response<'f>(&'f mut self, resource: Resource, wanted: &'f [Wanted]) -> Written<'f> {
        Box::pin(async move {
            let Some(values) = self.values(&resource, wanted).await? else { return Ok(None) };
            let mut writer = Writer::part();
            writer.open(&names::RESPONSE);
            writer.leaf(&names::HREF, &resource.href());
            let mut missing: Vec<&Name> = Vec::new();
            writer.open(&names::PROPSTAT);
            writer.open(&names::PROP);
            for (wanted, value) in wanted.iter().zip(values) {
                match value {
                    None => missing.push(&wanted.name),
                    Some(Value::Hrefs(hrefs)) if !wanted.inside.is_empty() => {
                        writer.open(&wanted.name);
                        for href in hrefs {
                            match self.pointed_to(&href, &wanted.inside).await? {
                                Some(response) => writer.kept(&response),
                                None => writer.leaf(&names::HREF, &href),
                            }
                        }
                        writer.close(&wanted.name);
                    }
                    Some(value) => value.write(&wanted.name, &mut writer),
                }
            }
            writer.close(&names::PROP);
            writer.leaf(&names::STATUS, Line::Ok.text());
            writer.close(&names::PROPSTAT);
            if !missing.is_empty() && !self.asked.preferences.minimal {
                propstat(&mut writer, Line::NotFound, |writer| missing.iter().for_each(|name| writer.empty(name)));
            }
            writer.close(&names::RESPONSE);
            Ok(Some(writer.into_string()))
        })
    }

    /// What stands for an href: the response of what it points to, if that is here and may be told of.
    async fn pointed_to(&mut self, href: &str, wanted: &[Wanted]) -> Result<Option<String>, DavError> {
        let hosts: Vec<&str> = self.asked.hosts.iter().map(String::as_str).collect();
        let Some(resource) = path_of_href(href, &hosts).ok().flatten().as_deref().and_then(Resource::parse) else {
            return Ok(None);
        };
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.response(resource, wanted).await
    }

    /// The values of properties of a resource, in their order.
    async fn values(&self, resource: &Resource, wanted: &[Wanted]) -> Result<Option<Vec<Option<Value>>>, DavError> {
        let scene = self.scene;
        let kind = resource.kind();
        let needs = |need: fn(&Needs) -> bool| {
            wanted.iter().any(|wanted| find(kind, &wanted.name).is_none_or(|property| need(&property.needs)))
        };
        let all =
            |subject: &Subject<'_>| Some(wanted.iter().map(|wanted| value(scene, subject, &wanted.name)).collect());
        let mut tx = self.asked.store.read().await?;
        let readable = |error: crate::store::CalendarError| match error.at(&resource.href()) {
            DavError::NotFound | DavError::Precondition(_) => Ok(None),
            other => Err(other),
        };
        match resource {
            Resource::Entry(_) | Resource::Root | Resource::Principals | Resource::Calendars => {
                Ok(all(&Subject::Place(resource)))
            }
            Resource::Principal(owner) | Resource::Home(owner) if *owner == scene.caller.name => {
                let kept = tx.properties(&scene.caller, &kept_place(resource, scene)).await?;
                let own = if kind == Kind::Home { Subject::Home(&kept) } else { Subject::Principal(&kept) };
                Ok(all(&own))
            }
            Resource::Principal(owner) => {
                drop(tx);
                let everybody = people::visible(self.asked.store, scene).await?;
                let user = everybody.iter().find(|user| user.name == *owner);
                Ok(user.map(|user| wanted.iter().map(|w| people::of_other(&w.name, user, scene)).collect()))
            }
            Resource::Home(_) => Ok(None),
            Resource::Calendar(owner, slug) => {
                let (access, calendar) = match tx.calendar_for(&scene.caller, owner, slug, Right::Read).await {
                    Ok(found) => found,
                    Err(error) => return readable(error),
                };
                let kept = tx.properties(&scene.caller, calendar.id.as_str()).await?;
                let bytes = if needs(|n| n.bytes) { Some(tx.calendar_size(&access).await?.1) } else { None };
                let subject = CalendarSubject { calendar: &calendar, kept: &kept, bytes };
                Ok(all(&Subject::Calendar(subject)))
            }
            Resource::Object(owner, slug, name) => {
                let (access, calendar) = match tx.calendar_for(&scene.caller, owner, slug, Right::Read).await {
                    Ok(found) => found,
                    Err(error) => return readable(error),
                };
                let Some(head) = tx.object_head(&access, name).await? else { return Ok(None) };
                let (etag, calendar) = (&head.etag, &calendar);
                Ok(all(&Subject::Object(ObjectSubject { calendar, name, etag, head: Some(&head), data: None })))
            }
        }
    }
}

fn value(scene: &Scene, subject: &Subject<'_>, name: &Name) -> Option<Value> {
    match find(subject.kind(), name) {
        Some(property) => (property.value)(scene, subject),
        None => subject.kept_named(name).map(|xml| Value::Kept(xml.to_owned())),
    }
}
