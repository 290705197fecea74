//! REPORT: what clients ask a resource beyond its properties.
//!
//! Job: find out which report it is and hand it on. Neighbours: [`crate::dav::multistatus`] and
//! [`crate::dav::props`] write the answers. Everything that decides is pure and knows neither the store nor HTTP.
//!
//! | file | what |
//! | --- | --- |
//! | `query`, `multiget`, `sync`, `freebusy` | the reports on calendars |
//! | `home_sync` | the sync of a home |
//! | `principal`, `people` | the reports on people, and what is told of them |
//! | `expand_property` | properties of what properties point to |
//! | `telling` | what is told of an object, and how that is loaded |
//! | `timetables` | what is remembered of when events are |
//! | `filter`, `evaluate`, `collation` | `CALDAV:filter`, and an object held against it |
//! | `data`, `select`, `expand`, `limit` | `CALDAV:calendar-data` |
//! | `range`, `zone` | stretches of time, and where the reader is |

mod collation;
mod data;
mod evaluate;
mod expand;
mod expand_property;
mod filter;
mod freebusy;
mod home_sync;
mod limit;
mod multiget;
mod people;
mod principal;
mod query;
mod range;
mod select;
mod sync;
mod telling;
mod timetables;
mod zone;

#[cfg(test)]
mod examples;

use axum::body::Body;
use axum::http::Response;

use super::Ask;
use super::body::read_xml;
use super::error::{At, DavError, Precondition};
use super::headers::{Depth, Preferences, depth, text};
use super::multistatus::Line;
use super::path::{Kind, Resource};
use super::props::{Needs, Scene};
use crate::domain::access::Right;
use crate::domain::ids::ResourceName;
use crate::ics::zone::Zone;
use crate::store::{ReadTx, Store};
use crate::xml::{Element, Name, Writer, names};
use data::ZoneDefinitions;
use telling::{Target, Telling};
pub(super) use timetables::Timetables;

/// The largest body of a report: a multiget of [`multiget::HREFS_MAX`] long paths.
const BYTES_MAX: usize = 4 * 1024 * 1024;

static ON_PLACES: [Name; 5] = [
    names::PRINCIPAL_SEARCH_PROPERTY_SET,
    names::PRINCIPAL_PROPERTY_SEARCH,
    names::PRINCIPAL_MATCH,
    names::ACL_PRINCIPAL_PROP_SET,
    names::EXPAND_PROPERTY,
];
static ON_HOMES: [Name; 9] = [
    names::CALENDAR_QUERY,
    names::CALENDAR_MULTIGET,
    names::FREE_BUSY_QUERY,
    names::SYNC_COLLECTION,
    names::PRINCIPAL_SEARCH_PROPERTY_SET,
    names::PRINCIPAL_PROPERTY_SEARCH,
    names::PRINCIPAL_MATCH,
    names::ACL_PRINCIPAL_PROP_SET,
    names::EXPAND_PROPERTY,
];
static ON_CALENDARS: [Name; 9] = [
    names::CALENDAR_QUERY,
    names::CALENDAR_MULTIGET,
    names::FREE_BUSY_QUERY,
    names::SYNC_COLLECTION,
    names::PRINCIPAL_SEARCH_PROPERTY_SET,
    names::PRINCIPAL_PROPERTY_SEARCH,
    names::PRINCIPAL_MATCH,
    names::ACL_PRINCIPAL_PROP_SET,
    names::EXPAND_PROPERTY,
];
static ON_OBJECTS: [Name; 4] =
    [names::CALENDAR_QUERY, names::CALENDAR_MULTIGET, names::ACL_PRINCIPAL_PROP_SET, names::EXPAND_PROPERTY];

/// The reports that resources of a kind answer.
#[must_use]
pub fn supported(kind: Kind) -> &'static [Name] {
    match kind {
        Kind::Entry | Kind::Root | Kind::Principals | Kind::Principal | Kind::Calendars => &ON_PLACES,
        Kind::Home => &ON_HOMES,
        Kind::Calendar => &ON_CALENDARS,
        Kind::Object => &ON_OBJECTS,
    }
}

/// Answers a REPORT.
///
/// # Errors
/// No such report here, or what the report itself refuses.
pub(super) async fn report(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let body = ask.take_body();
    let document = read_xml(body, &ask.headers, BYTES_MAX).await?;
    let document = document.ok_or_else(|| DavError::Bad("the body names no report".to_owned()))?;
    let request = document.root();
    if !supported(ask.resource.kind()).contains(request.name()) {
        return Err(Precondition::SupportedReport.into());
    }
    let asked = Asked {
        store: &ask.store,
        timetables: &ask.timetables,
        resource: &ask.resource,
        request,
        depth: depth(&ask.headers)?,
        preferences: Preferences { noroot: false, representation: false, ..Preferences::of(&ask.headers) },
        zones: zone_definitions(text(&ask.headers, "caldav-timezones")),
        hosts: ask.authorities().into_iter().map(str::to_owned).collect(),
        scene: ask.scene(Needs::NOTHING).await?,
    };
    let preferences = asked.preferences;
    let mut response = dispatch(asked).await?;
    preferences.applied(response.headers_mut());
    Ok(response)
}

async fn dispatch(asked: Asked<'_>) -> Result<Response<Body>, DavError> {
    let is = |name: &Name| asked.request.is(name);
    if is(&names::CALENDAR_QUERY) {
        query::answer(asked).await
    } else if is(&names::CALENDAR_MULTIGET) {
        multiget::answer(asked).await
    } else if is(&names::SYNC_COLLECTION) && asked.resource.kind() == Kind::Home {
        home_sync::answer(asked).await
    } else if is(&names::SYNC_COLLECTION) {
        sync::answer(asked).await
    } else if is(&names::FREE_BUSY_QUERY) {
        freebusy::answer(asked).await
    } else if is(&names::PRINCIPAL_SEARCH_PROPERTY_SET) {
        Ok(principal::search_property_set())
    } else if is(&names::PRINCIPAL_PROPERTY_SEARCH) {
        principal::property_search(asked).await
    } else if is(&names::PRINCIPAL_MATCH) {
        principal::principal_match(asked).await
    } else if is(&names::ACL_PRINCIPAL_PROP_SET) {
        principal::acl_principal_prop_set(asked).await
    } else if is(&names::EXPAND_PROPERTY) {
        expand_property::answer(asked).await
    } else {
        Err(Precondition::SupportedReport.into())
    }
}

/// `CalDAV-Timezones` (RFC 7809 §7.1).
fn zone_definitions(header: Option<&str>) -> ZoneDefinitions {
    match header.map(str::trim) {
        Some("F" | "f") => ZoneDefinitions::ByReference,
        Some(_) | None => ZoneDefinitions::Kept,
    }
}

/// A report as its parts see it.
struct Asked<'a> {
    store: &'a Store,
    timetables: &'a Timetables,
    resource: &'a Resource,
    /// The root element of the body.
    request: &'a Element,
    depth: Option<Depth>,
    preferences: Preferences,
    zones: ZoneDefinitions,
    /// The authorities under which this server is spoken to.
    hosts: Vec<String>,
    scene: Scene,
}

impl Asked<'_> {
    /// What is to be told of calendar objects.
    fn telling(&self) -> Result<Telling, DavError> {
        Telling::new(self.request, self.scene.clone(), self.preferences, self.zones)
    }

    /// The calendars a query is about: of a home with Depth 0 none. A calendar is asked with Depth 0 by Evolution and
    /// Windows, which mean its objects (fixtures evolution/12, windows-calendar/03). With the name, if one object is
    /// asked.
    async fn targets(
        &self,
        tx: &mut ReadTx,
        zone: Option<&Zone>,
    ) -> Result<(Vec<Target>, Option<ResourceName>), DavError> {
        match (self.resource, self.depth) {
            (Resource::Home(_), None | Some(Depth::Zero)) => Ok((Vec::new(), None)),
            _ => self.everything(tx, zone).await,
        }
    }

    /// The calendars at or below the resource.
    async fn everything(
        &self,
        tx: &mut ReadTx,
        zone: Option<&Zone>,
    ) -> Result<(Vec<Target>, Option<ResourceName>), DavError> {
        let caller = &self.scene.caller;
        let (owner, slug, only) = match self.resource {
            Resource::Calendar(owner, slug) => (owner, slug, None),
            Resource::Object(owner, slug, name) => (owner, slug, Some(name.clone())),
            Resource::Home(_) => {
                let calendars = tx.calendars(caller).await?.into_iter();
                return Ok((calendars.map(|(access, calendar)| Target::new(access, calendar, zone)).collect(), None));
            }
            _ => return Ok((Vec::new(), None)),
        };
        let found = tx.calendar_for(caller, owner, slug, Right::Read).await;
        let (access, calendar) = found.map_err(|error| error.at(&self.resource.href()))?;
        Ok((vec![Target::new(access, calendar, zone)], only))
    }
}

/// `DAV:limit` (RFC 6578 §3.7, RFC 5323 §5.17).
///
/// # Errors
/// It is no number, or no answer can be that short.
fn limit(request: &Element) -> Result<Option<u32>, DavError> {
    let Some(limit) = request.child(&names::LIMIT) else { return Ok(None) };
    let text = limit.child(&names::NRESULTS).map(Element::text).unwrap_or_default();
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DavError::Bad("nresults is a number".to_owned()));
    }
    match digits.parse().unwrap_or(u32::MAX) {
        0 => Err(Precondition::NumberOfMatchesWithinLimits.into()),
        count => Ok(Some(count)),
    }
}

/// Writes the response that says that there is more (RFC 6578 §3.6).
fn truncated(href: &str, writer: &mut Writer) {
    writer.open(&names::RESPONSE);
    writer.leaf(&names::HREF, href);
    writer.leaf(&names::STATUS, Line::InsufficientStorage.text());
    writer.open(&names::ERROR);
    writer.empty(&names::NUMBER_OF_MATCHES_WITHIN_LIMITS);
    writer.close(&names::ERROR);
    writer.close(&names::RESPONSE);
}
