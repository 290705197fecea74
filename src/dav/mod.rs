//! CalDAV (RFC 4791 on RFC 4918): what calendar programs speak with. It turns requests into questions to the store
//! and answers into XML; it knows nothing of feeds, of the JSON API, of pages or of other servers' calendars.
//!
//! A request goes this way: [`handle`] → `path` (which resource) → `auth` (who) → `method` (may it) → a handler, which
//! reads headers and body once, asks the store and answers. A refusal is a [`DavError`] on the way
//! back; only `error` knows statuses.
//!
//! | file | what |
//! | --- | --- |
//! | `path` | paths and hrefs ↔ [`Resource`] |
//! | `method` | the table of methods |
//! | `error` | refusals, preconditions, statuses |
//! | `headers`, `if_header`, `body` | what a request says beside its path |
//! | `multistatus` | the answer with many parts |
//! | `listed` | what a listing in pages has told |
//! | `home_token` | what has happened in a home |
//! | `props` | properties: tables, requests, what can be set |
//! | `propfind`, `proppatch` | their methods |
//! | `object` | GET, HEAD, PUT and DELETE of a calendar object |
//! | `member` | POST of a new object to a calendar |
//! | `collection` | MKCALENDAR, MKCOL, DELETE of a calendar |
//! | `export` | GET of a calendar |
//! | `transfer` | COPY and MOVE |
//! | `report` | REPORT |

mod body;
mod collection;
mod error;
mod export;
mod headers;
mod home_token;
mod if_header;
mod listed;
mod member;
mod method;
mod multistatus;
mod object;
mod path;
mod propfind;
mod proppatch;
mod props;
mod report;
mod transfer;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, Version, header};

use crate::auth::{Gate, Visit};
use crate::domain::access::Caller;
use crate::domain::change::{Cause, Via};
use crate::store::Store;
use error::{DavError, Done};
use home_token::HomeToken;
use method::Method;
use path::{Kind, Resource};
use props::{Needs, Scene};
use report::Timetables;

/// What is implemented, and nothing else: class 2 would promise locks, `calendar-auto-schedule` invitations,
/// `calendar-no-timezone` everything in RFC 7809 (its §3.1.1), of which there is only a part.
/// Thunderbird drops the first token, so that must be one it does not look for.
const COMPLIANCE: &str = "1, 3, access-control, calendar-access, extended-mkcol";
const WELL_KNOWN: &str = "/.well-known/caldav";

/// The CalDAV server.
#[derive(Clone, Debug)]
pub struct Dav {
    gate: Gate,
    timetables: Timetables,
}

impl Dav {
    /// A server behind a gate.
    #[must_use]
    pub fn new(gate: Gate) -> Dav {
        Dav { gate, timetables: Timetables::default() }
    }
}

/// Whether a request is for CalDAV: everything under `/dav/`, the well-known address, and WebDAV's methods wherever
/// clients look for a way in.
#[must_use]
pub fn wants(method: &axum::http::Method, path: &str) -> bool {
    let relative = path.trim_start_matches('/');
    if relative == "dav" || relative.starts_with("dav/") || path.trim_end_matches('/') == WELL_KNOWN {
        return true;
    }
    let is_ours = matches!(method.as_str(), "OPTIONS" | "PROPFIND" | "PROPPATCH" | "REPORT");
    is_ours && matches!(Resource::parse(path), Some(Resource::Entry(_)))
}

/// One request, as handlers see it.
pub(crate) struct Ask {
    pub(crate) store: Store,
    pub(crate) timetables: Timetables,
    pub(crate) method: Method,
    pub(crate) resource: Resource,
    pub(crate) headers: HeaderMap,
    pub(crate) caller: Caller,
    pub(crate) visit: Visit,
    /// `None` once a handler took it. In a lock only because a body alone cannot be shared between threads, which
    /// futures that borrow the request demand.
    body: Mutex<Option<Body>>,
}

impl Ask {
    /// The body; empty the second time.
    pub(crate) fn take_body(&mut self) -> Body {
        self.body.get_mut().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_else(Body::empty)
    }

    /// Who or what causes the change that this request makes.
    pub(crate) fn cause(&self) -> Cause {
        self.visit.cause(Via::Caldav, &self.caller, &self.headers)
    }

    /// The path of the resource as everybody names it.
    pub(crate) fn href(&self) -> String {
        self.resource.href()
    }

    /// The authorities under which this server is spoken to.
    pub(crate) fn authorities(&self) -> Vec<&str> {
        let base = self.visit.base_url.split_once("://").map_or(self.visit.base_url.as_str(), |(_, rest)| rest);
        let host = headers::text(&self.headers, header::HOST.as_str());
        [Some(base), host].into_iter().flatten().collect()
    }

    /// What properties are asked in front of.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn scene(&self, needs: Needs) -> Result<Scene, DavError> {
        let (mut user, mut home_token) = (None, None);
        if needs.user || needs.home {
            let mut tx = self.store.read().await?;
            if needs.user {
                user = tx.user(&self.caller.firm, &self.caller.user).await?;
            }
            if needs.home {
                let calendars = tx.calendars(&self.caller).await?;
                let calendars = calendars.iter().map(|(_, calendar)| calendar);
                home_token = Some(HomeToken::of(self.store.epoch(), &self.caller.user, calendars));
            }
        }
        let authority = self.authorities().first().copied().unwrap_or_default();
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        Ok(Scene {
            caller: self.caller.clone(),
            user,
            home_token,
            epoch: self.store.epoch().to_owned(),
            host: host.to_owned(),
        })
    }
}

/// Answers a request that [`wants`] accepted.
pub async fn handle(dav: &Dav, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let version = parts.version;
    let visit = parts.extensions.remove::<Visit>().unwrap_or_else(|| unknown_visit(&parts.headers));
    let mut body = Some(body);
    let name = parts.method.as_str().to_owned();
    let is_held_back = parts.headers.contains_key(header::EXPECT);
    let result = route(dav, &name, parts.uri.path(), parts.headers, visit, &mut body).await;
    let mut response = result.unwrap_or_else(DavError::into_response);
    if matches!(name.as_str(), "OPTIONS" | "PROPFIND" | "PROPPATCH" | "MKCALENDAR" | "MKCOL" | "REPORT") {
        // Nextcloud's client library looks for it in every answer, not just in that to OPTIONS.
        response.headers_mut().insert(HeaderName::from_static("dav"), HeaderValue::from_static(COMPLIANCE));
    }
    if let Some(body) = body
        && body::drain(body, is_held_back).await == body::Connection::Ends
        && version < Version::HTTP_2
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn route(
    dav: &Dav,
    method: &str,
    path: &str,
    headers: HeaderMap,
    visit: Visit,
    body: &mut Option<Body>,
) -> Result<Response<Body>, DavError> {
    if path.trim_end_matches('/') == WELL_KNOWN {
        return Ok(well_known());
    }
    let resource = Resource::parse(path);
    if method == "OPTIONS" {
        return Ok(options(resource.as_ref().map_or(Kind::Object, Resource::kind)));
    }
    let caller = dav.gate.basic(&headers, &visit).await?;
    let Some(resource) = resource else {
        return Err(if matches!(method, "PUT" | "MKCOL" | "MKCALENDAR") {
            DavError::nowhere(path)
        } else {
            DavError::NotFound
        });
    };
    let kind = resource.kind();
    let method = Method::parse(method);
    if let Some(refusal) = method.and_then(|method| collection::misplaced(method, kind)) {
        return Err(refusal);
    }
    let method = method.filter(|m| m.is_for(kind)).ok_or_else(|| DavError::NotAllowed(method::allow(kind)))?;
    if resource.owner().is_some_and(|owner| *owner != caller.name) && !matches!(kind, Kind::Calendar | Kind::Object) {
        return Err(DavError::NotFound);
    }
    let mut ask = Ask {
        store: dav.gate.store.clone(),
        timetables: dav.timetables.clone(),
        method,
        resource,
        headers,
        caller,
        visit,
        body: Mutex::new(body.take()),
    };
    let result = dispatch(&mut ask).await;
    *body = ask.body.into_inner().unwrap_or_else(PoisonError::into_inner);
    result
}

async fn dispatch(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    match (ask.method, ask.resource.kind()) {
        (Method::Options, kind) => Ok(options(kind)),
        (Method::Propfind, _) => propfind::propfind(ask).await,
        (Method::Proppatch, _) => proppatch::proppatch(ask).await,
        (Method::Report, _) => report::report(ask).await,
        (Method::Mkcalendar | Method::Mkcol, _) => collection::make(ask).await,
        (Method::Copy | Method::Move, _) => transfer::transfer(ask).await,
        (Method::Get | Method::Head, Kind::Object) => object::get(ask).await,
        (Method::Get | Method::Head, Kind::Calendar) => export::get(ask).await,
        (Method::Get | Method::Head, _) => Ok(Done::Ok.text(PAGE)),
        (Method::Post, _) => member::add(ask).await,
        (Method::Put, _) => object::put(ask).await,
        (Method::Delete, Kind::Calendar) => collection::delete(ask).await,
        (Method::Delete, _) => object::delete(ask).await,
    }
}

/// For who opens the address in a browser.
const PAGE: &str = "This address is for calendar programs: give it to yours as the CalDAV server.\n";

/// RFC 6764 §5, for any method and without credentials.
fn well_known() -> Response<Body> {
    let mut response = Done::Moved.empty();
    headers::set(response.headers_mut(), header::LOCATION, path::ROOT);
    response
}

/// For anybody: programs ask before they have credentials.
fn options(kind: Kind) -> Response<Body> {
    let mut response = Done::Ok.empty();
    headers::set(response.headers_mut(), header::ALLOW, &method::allow(kind));
    headers::set(response.headers_mut(), HeaderName::from_static("dav"), COMPLIANCE);
    response
}

/// A request that came past the listener's own preparations, as in tests.
fn unknown_visit(headers: &HeaderMap) -> Visit {
    let host = headers::text(headers, header::HOST.as_str()).unwrap_or("localhost");
    Visit {
        correlation_id: String::new(),
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        base_url: format!("http://{host}"),
    }
}
