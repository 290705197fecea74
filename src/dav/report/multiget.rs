//! `CALDAV:calendar-multiget` (RFC 4791 §7.9): objects by their paths, however these are written.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::telling::{Load, Target, Telling, aside, load, reading};
use super::{Asked, query};
use crate::dav::error::{DavError, Precondition};
use crate::dav::multistatus::{self, Line};
use crate::dav::path::{Resource, path_of_href};
use crate::domain::ids::ResourceName;
use crate::store::{ReadTx, Store, StoreError};
use crate::xml::{Element, Writer, names};

/// Paths in one request. Clients send ten to a hundred.
pub const HREFS_MAX: usize = 10_000;
/// Objects told of in one piece of the answer.
const PIECE: usize = 200;

/// What a path in the request came to.
enum Wanted {
    /// A name in one of the calendars asked.
    Here(usize, ResourceName),
    /// Nothing that this request can be about, under the path it is told by.
    Elsewhere(String),
}

/// Answers a calendar-multiget.
///
/// # Errors
/// The request makes no sense, or the store failed.
pub async fn answer(asked: Asked<'_>) -> Result<axum::http::Response<axum::body::Body>, DavError> {
    let zone = query::zone_of(asked.request)?;
    let telling = Arc::new(asked.telling()?);
    let hrefs = hrefs_in(asked.request)?;
    let mut tx = asked.store.read().await?;
    let (targets, only) = asked.everything(&mut tx, zone.as_ref()).await?;
    let hosts: Vec<&str> = asked.hosts.iter().map(String::as_str).collect();
    let wanted = resolve(&hrefs, &hosts, &targets, only.as_ref());
    let targets = targets.into_iter().map(Arc::new).collect();
    let fetch = Fetch { store: asked.store.clone(), first: Some(tx), telling, targets, wanted, expanded: 0 };
    multistatus::streamed(multistatus::begin(), fetch, Fetch::next).await
}

fn hrefs_in(request: &Element) -> Result<Vec<String>, DavError> {
    let hrefs: Vec<String> =
        request.children().filter(|child| child.is(&names::HREF)).take(HREFS_MAX + 1).map(Element::text).collect();
    match hrefs.len() {
        0 => Err(DavError::Bad("a calendar-multiget names at least one href".to_owned())),
        count if count > HREFS_MAX => Err(Precondition::NumberOfMatchesWithinLimits.into()),
        _ => Ok(hrefs),
    }
}

/// Each path once, in the order of the request.
fn resolve(hrefs: &[String], hosts: &[&str], targets: &[Target], only: Option<&ResourceName>) -> VecDeque<Wanted> {
    let mut seen = HashSet::new();
    let mut wanted = VecDeque::with_capacity(hrefs.len());
    for href in hrefs {
        let resource = match path_of_href(href, hosts) {
            Ok(Some(path)) => Resource::parse(&path),
            Ok(None) | Err(_) => None,
        };
        let canonical = resource.as_ref().map_or_else(|| href.trim().to_owned(), Resource::href);
        if !seen.insert(canonical.clone()) {
            continue;
        }
        let found = resource.and_then(|resource| match resource {
            Resource::Object(owner, slug, name) if only.is_none_or(|only| *only == name) => {
                let of = |t: &Target| t.calendar.owner_name == owner && t.calendar.slug == slug;
                targets.iter().position(of).map(|at| Wanted::Here(at, name))
            }
            _ => None,
        });
        wanted.push_back(found.unwrap_or(Wanted::Elsewhere(canonical)));
    }
    wanted
}

/// An answer that goes on.
struct Fetch {
    store: Store,
    first: Option<ReadTx>,
    telling: Arc<Telling>,
    targets: Vec<Arc<Target>>,
    wanted: VecDeque<Wanted>,
    expanded: usize,
}

impl Fetch {
    /// The next piece of the answer; `None` when there is no more.
    async fn next(mut self) -> Result<Option<(String, Fetch)>, StoreError> {
        match self.wanted.front() {
            None => Ok(None),
            Some(Wanted::Elsewhere(_)) => {
                let mut writer = Writer::part();
                while let Some(Wanted::Elsewhere(href)) = self.wanted.front() {
                    multistatus::status(&mut writer, href, Line::NotFound);
                    self.wanted.pop_front();
                }
                Ok(Some((writer.into_string(), self)))
            }
            Some(Wanted::Here(at, _)) => {
                let at = *at;
                let text = self.objects(at).await?;
                Ok(Some((text, self)))
            }
        }
    }

    /// Tells of the objects at the front that are in one calendar.
    async fn objects(&mut self, at: usize) -> Result<String, StoreError> {
        let Some(target) = self.targets.get(at).cloned() else {
            self.wanted.pop_front();
            return Ok(String::new());
        };
        let names = self.wanted.iter().map_while(|wanted| match wanted {
            Wanted::Here(place, name) if *place == at => Some(name.clone()),
            Wanted::Here(..) | Wanted::Elsewhere(_) => None,
        });
        // The tag of an object is not known without its head.
        let depth = self.telling.load().max(Load::Head);
        let names: Vec<(ResourceName, Load)> = names.take(PIECE).map(|name| (name, depth)).collect();
        let mut tx = reading(&self.store, &mut self.first).await?;
        let (taken, found) = load(&mut tx, &target.access, &names).await?;
        drop(tx);
        self.wanted.drain(..taken.min(self.wanted.len()));
        let (telling, mut expanded) = (Arc::clone(&self.telling), self.expanded);
        let is_work = telling.is_work();
        let mut tell = move || {
            let mut writer = Writer::part();
            for (name, _) in names.iter().take(taken) {
                match found.get(name) {
                    Some(loaded) => {
                        telling.write(&target, (name, &loaded.etag), Some(loaded), &mut expanded, &mut writer);
                    }
                    None => multistatus::status(&mut writer, &target.href_of(name), Line::NotFound),
                }
            }
            (writer.into_string(), expanded)
        };
        let (text, expanded) = if is_work { aside(tell).await } else { tell() };
        self.expanded = expanded;
        Ok(text)
    }
}
