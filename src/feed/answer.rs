//! A request in, an answer out. The secret decides alone; a wrong one, a revoked or expired one and that of a disabled
//! owner cannot be told apart.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, REFERRER_POLICY, RETRY_AFTER, USER_AGENT, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::Semaphore;

use super::coding::{Coding, Encoder};
use super::fetches::Fetches;
use super::kept::Kept;
use super::plan::{Plan, Version};
use super::walk::{Failed, Walk};
use crate::auth::{Gate, Purpose, Visit, looks_like_app_password};
use crate::domain::time::Instant;
use crate::store::{ReadTx, Store, StoreError};

/// Feeds made at once: each takes a core while it is made, and its body in memory.
const MAKING_MAX: usize = 2;
/// A feed with more bytes of bodies than this is not made in memory but streamed page by page.
const IN_MEMORY_BYTES_MAX: i64 = 32 * 1024 * 1024;
/// Wrong secrets are counted under this name.
const ACCOUNT: &str = "feed";
/// How long to wait after the database was busy.
const BUSY_SECONDS: i64 = 5;

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// What the answers share.
#[derive(Clone)]
pub(super) struct Feeds(Arc<Shared>);

struct Shared {
    gate: Gate,
    kept: Kept,
    fetches: Fetches,
    making: Semaphore,
}

/// Why there is no feed in the answer.
enum Refused {
    /// There is none behind this secret.
    Unknown,
    /// It could not be read or made.
    Failed(Failed),
}

impl<E: Into<Failed>> From<E> for Refused {
    fn from(error: E) -> Refused {
        Refused::Failed(error.into())
    }
}

impl Feeds {
    pub fn new(gate: Gate) -> Feeds {
        let (kept, fetches, making) = (Kept::new(), Fetches::default(), Semaphore::new(MAKING_MAX));
        Feeds(Arc::new(Shared { gate, kept, fetches, making }))
    }
}

/// Answers `GET` and `HEAD` of a feed.
pub(super) async fn answer(
    State(feeds): State<Feeds>,
    Extension(visit): Extension<Visit>,
    method: Method,
    headers: HeaderMap,
    secret: Result<Path<String>, PathRejection>,
) -> Response {
    let secret = secret.map(|Path(secret)| secret).unwrap_or_default();
    let mut response = match feeds.0.respond(&method, &headers, secret.strip_suffix(".ics").unwrap_or(&secret)).await {
        Ok(response) => response,
        Err(Refused::Unknown) => feeds.0.miss(&visit),
        Err(Refused::Failed(error)) => {
            tracing::error!(correlation_id = visit.correlation_id, %error, "a feed could not be answered");
            failure(&error)
        }
    };
    discreet(response.headers_mut());
    response
}

/// The secret is in the URL: nobody between, and nobody the reader goes to next, is to keep or learn it.
fn discreet(headers: &mut HeaderMap) {
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-store"));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex, nofollow, noarchive"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn failure(error: &Failed) -> Response {
    match error {
        Failed::Store(StoreError::Busy(_)) => {
            let wait = [(RETRY_AFTER, BUSY_SECONDS.to_string())];
            (StatusCode::SERVICE_UNAVAILABLE, wait, "the feed cannot be read right now\n").into_response()
        }
        Failed::Store(_) | Failed::Making(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the feed could not be made\n").into_response()
        }
    }
}

impl Shared {
    async fn respond(&self, method: &Method, headers: &HeaderMap, secret: &str) -> Result<Response, Refused> {
        let coding = Coding::accepted(headers);
        let plan = {
            let mut tx = self.gate.store.read().await?;
            self.plan(&mut tx, secret).await?
        };
        if *method == Method::GET {
            let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let (owner, feed) = (&plan.grant.owner, &plan.grant.feed);
            self.fetches.count(&self.gate.store, &owner.firm, &feed.id, agent);
        }
        let now = self.gate.store.now();
        if is_known(headers, &plan.version, now) {
            return Ok(validators(
                &plan.version,
                coding,
                now,
                (StatusCode::NOT_MODIFIED, unmeasured()).into_response(),
            ));
        }
        let kept = self.kept.get(&plan.grant.feed.id, coding, &plan.version.tag);
        let (version, body) = match kept {
            Some(body) => (plan.version, Made::Whole(body)),
            None if *method == Method::HEAD => (plan.version, Made::Unmade),
            None => self.make(secret, coding).await?,
        };
        Ok(found(&version, coding, now, body))
    }

    /// What the secret opens, as it is now.
    async fn plan(&self, tx: &mut ReadTx, secret: &str) -> Result<Plan, Refused> {
        // Every generated secret has one form; what has another is in no index.
        if !looks_like_app_password(secret) {
            return Err(Refused::Unknown);
        }
        let hash = self.gate.hash(Purpose::Feed, secret);
        let grant = tx.feed_by_hash(&hash).await?.ok_or(Refused::Unknown)?;
        let calendars = tx.calendars(&grant.caller()).await?;
        Ok(Plan::of(grant, calendars, self.gate.store.epoch(), tx.now()))
    }

    /// Makes the body, one of a few at a time; whoever waited may find it made.
    async fn make(&self, secret: &str, coding: Coding) -> Result<(Version, Made), Refused> {
        // Never closed; if it were, making without a permit is only slower.
        let permit = self.making.acquire().await.ok();
        let mut tx = self.gate.store.read().await?;
        let plan = self.plan(&mut tx, secret).await?;
        let (feed, version) = (plan.grant.feed.id.clone(), plan.version.clone());
        match self.kept.any(&feed, &version.tag) {
            Some((kept_in, body)) if kept_in == coding => return Ok((version, Made::Whole(body))),
            Some((kept_in, body)) => {
                drop(tx);
                let recode = move || coding.encode(&kept_in.decode(&body)?);
                let body = tokio::task::spawn_blocking(recode).await.map_err(std::io::Error::other)??;
                self.kept.keep(&feed, coding, &version.tag, &body);
                return Ok((version, Made::Whole(body)));
            }
            None => {}
        }
        let mut walk = Walk::begin(plan, &self.gate.store, &mut tx).await?;
        if walk.bytes() > IN_MEMORY_BYTES_MAX {
            drop((tx, permit));
            return Ok((version, Made::Streamed(streamed(self.gate.store.clone(), walk, coding))));
        }
        let mut encoder = Encoder::new(coding);
        let mut body = Vec::new();
        while let Some(part) = walk.next(&mut tx).await? {
            body.extend_from_slice(&encoder.push(&part)?);
        }
        body.extend_from_slice(&encoder.finish()?);
        let body = Bytes::from(body);
        self.kept.keep(&feed, coding, &version.tag, &body);
        Ok((version, Made::Whole(body)))
    }

    /// The one answer to every secret that opens nothing, until it is too many of them.
    fn miss(&self, visit: &Visit) -> Response {
        let (now, throttle) = (self.gate.store.now(), &self.gate.throttle);
        if let Some(seconds) = throttle.wait_seconds(ACCOUNT, visit.address, now) {
            let wait = [(RETRY_AFTER, seconds.max(1).to_string())];
            return (StatusCode::TOO_MANY_REQUESTS, wait, "too many feeds that do not exist\n").into_response();
        }
        throttle.failed(ACCOUNT, visit.address, now);
        (StatusCode::NOT_FOUND, "there is no such feed\n").into_response()
    }
}

/// A body.
enum Made {
    Whole(Bytes),
    Streamed(Body),
    /// For HEAD, which needs none.
    Unmade,
}

/// No body, and no word about the length of the one that is not sent.
fn unmeasured() -> Body {
    Body::from_stream(stream::empty::<Result<Bytes, std::io::Error>>())
}

/// A large feed, page by page as the subscriber takes it, each page in its own transaction.
fn streamed(store: Store, walk: Walk, coding: Coding) -> Body {
    let state = Some((store, walk, Encoder::new(coding)));
    Body::from_stream(stream::try_unfold(state, |state| async move {
        let Some((store, mut walk, mut encoder)) = state else { return Ok(None) };
        match page(&store, &mut walk).await {
            Ok(Some(part)) => Ok(Some((encoder.push(&part)?, Some((store, walk, encoder))))),
            Ok(None) => Ok(Some((encoder.finish()?, None))),
            Err(error) => {
                tracing::error!(%error, "a feed could not be read to its end");
                Err(std::io::Error::other(error))
            }
        }
    }))
}

async fn page(store: &Store, walk: &mut Walk) -> Result<Option<Vec<u8>>, Failed> {
    let mut tx = store.read().await?;
    walk.next(&mut tx).await
}

/// Whether a subscriber has this version already (RFC 9110 §13.2.2).
fn is_known(headers: &HeaderMap, version: &Version, now: Instant) -> bool {
    let tags: Vec<&str> = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|v| v.split(','))
        .collect();
    if !tags.is_empty() {
        return tags.iter().map(|tag| tag.trim()).any(|tag| tag == "*" || is_tag(tag, version));
    }
    // Compared as text: a calendar that goes takes its time with it, and then an earlier time is a change too.
    let since = headers.get(IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
    since.is_some() && since.map(str::to_owned) == last_modified(version, now)
}

fn is_tag(tag: &str, version: &Version) -> bool {
    let opaque = tag.strip_prefix("W/").unwrap_or(tag);
    Coding::ALL.into_iter().any(|coding| opaque == etag(version, coding))
}

/// Strong: the same bytes in the same coding.
fn etag(version: &Version, coding: Coding) -> String {
    match coding {
        Coding::Identity => format!("\"{}\"", version.tag),
        Coding::Gzip | Coding::Brotli => format!("\"{}-{}\"", version.tag, coding.name()),
    }
}

/// To the second, and only once that second is over: what changes twice within one would look unchanged.
fn last_modified(version: &Version, now: Instant) -> Option<String> {
    let modified = version.modified.filter(|modified| modified.seconds() < now.seconds())?;
    Some(modified.timestamp()?.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

fn validators(version: &Version, coding: Coding, now: Instant, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    let values = [(ETAG, Some(etag(version, coding))), (LAST_MODIFIED, last_modified(version, now))];
    for (name, value) in values {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

fn found(version: &Version, coding: Coding, now: Instant, made: Made) -> Response {
    let (body, length) = match made {
        Made::Whole(bytes) => (Body::from(bytes.clone()), Some(bytes.len())),
        Made::Streamed(body) => (body, None),
        Made::Unmade => (unmeasured(), None),
    };
    let mut response = validators(version, coding, now, body.into_response());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/calendar; charset=utf-8"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("inline; filename=\"calendar.ics\""));
    if coding != Coding::Identity {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}
