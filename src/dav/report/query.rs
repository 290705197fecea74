//! `CALDAV:calendar-query` (RFC 4791 §7.8).
//!
//! Job: find the objects that a filter finds. The index settles kinds and times where it can; bodies are read for the
//! rest alone, in groups. Neighbours: `filter` and `evaluate` know what is found, `telling` what is told.

use std::collections::VecDeque;
use std::sync::Arc;

use super::evaluate::{Verdict, evaluate};
use super::filter::{Filter, FilterError, Hint};
use super::telling::{Load, Loaded, Target, Telling, aside, load, reading};
use super::zone::{self, ZoneError};
use super::{Asked, limit, truncated};
use crate::dav::error::{DavError, Precondition};
use crate::dav::multistatus;
use crate::domain::ids::ResourceName;
use crate::domain::object::{CalendarObject, ComponentKind, ETag};
use crate::domain::recurrence::Window;
use crate::ics::zone::Zone;
use crate::store::{Candidate, ReadTx, Store, StoreError};
use crate::xml::{Element, Writer, names};

/// Candidates asked of the index at once: two hundred bytes each.
const PAGE: u32 = 2_000;
/// Candidates looked at for one piece of the answer.
const PIECE: usize = 200;
/// Objects whose rules may be too much work before the search is given up: each costs some milliseconds.
const UNSETTLED_MAX: u32 = 200;

/// The kinds of objects, in the order in which they are searched.
const KINDS: [ComponentKind; 4] =
    [ComponentKind::Event, ComponentKind::Todo, ComponentKind::Journal, ComponentKind::FreeBusy];

/// A query, read and checked.
struct Question {
    telling: Telling,
    filter: Filter,
    hint: Hint,
    nresults: Option<u32>,
    /// Where it was sent.
    href: String,
}

/// Answers a calendar-query.
///
/// # Errors
/// The query makes no sense, or the store failed.
pub async fn answer(asked: Asked<'_>) -> Result<axum::http::Response<axum::body::Body>, DavError> {
    let request = asked.request;
    let zone = zone_of(request)?;
    let filter = filter_of(request)?;
    let hint = filter.hint();
    let telling = asked.telling()?;
    let nresults = limit(request)?;
    let href = asked.resource.href();
    let mut tx = asked.store.read().await?;
    let (targets, only) = asked.targets(&mut tx, zone.as_ref()).await?;
    let question = Arc::new(Question { telling, filter, hint, nresults, href });
    let mut search = Search {
        store: asked.store.clone(),
        first: None,
        question,
        places: VecDeque::new(),
        page: VecDeque::new(),
        after: None,
        single: false,
        found: 0,
        effort: Effort::default(),
        ended: false,
    };
    match only {
        Some(name) => search.only(&mut tx, targets, &name).await?,
        None => search.everywhere(targets),
    }
    search.first = Some(tx);
    multistatus::streamed(multistatus::begin(), search, Search::next).await
}

/// The zone a request brings.
pub fn zone_of(request: &Element) -> Result<Option<Zone>, DavError> {
    zone::of_request(request).map_err(|error| {
        DavError::Precondition(match error {
            ZoneError::Definition => Precondition::ValidCalendarData(error.to_string()),
            ZoneError::Id => Precondition::ValidTimezone,
        })
    })
}

fn filter_of(request: &Element) -> Result<Filter, DavError> {
    let mut filters = request.children().filter(|child| child.is(&names::FILTER));
    let first = filters.next();
    if filters.next().is_some() {
        return Err(Precondition::ValidFilter("there is more than one filter".to_owned()).into());
    }
    let filter = first.ok_or(FilterError::Invalid("there is none")).and_then(Filter::parse);
    filter.map_err(|error| {
        DavError::Precondition(match error {
            FilterError::Invalid(_) | FilterError::Range(_) => Precondition::ValidFilter(error.to_string()),
            FilterError::TooMany => Precondition::SupportedFilter(error.to_string()),
            FilterError::Collation => Precondition::SupportedCollation,
        })
    })
}

/// What the search has cost.
#[derive(Clone, Copy, Debug, Default)]
struct Effort {
    unsettled: u32,
    expanded: usize,
}

/// A search that goes on.
struct Search {
    store: Store,
    first: Option<ReadTx>,
    question: Arc<Question>,
    /// Where there is still to look.
    places: VecDeque<(Arc<Target>, ComponentKind)>,
    /// Candidates of the first place that wait to be looked at.
    page: VecDeque<Candidate>,
    /// The last candidate of the first place; `None` before its first page.
    after: Option<ResourceName>,
    /// Whether one object was asked, and no index.
    single: bool,
    found: u32,
    effort: Effort,
    ended: bool,
}

/// An object on its way into the answer.
struct Piece {
    name: ResourceName,
    etag: ETag,
    settled: bool,
    loaded: Option<Loaded>,
}

impl Search {
    fn everywhere(&mut self, targets: Vec<Target>) {
        for target in targets.into_iter().map(Arc::new) {
            let kinds = KINDS.into_iter().filter(|kind| {
                self.question.hint.kind.is_none_or(|only| only == *kind)
                    && target.calendar.settings.components.takes(kind.name())
            });
            self.places.extend(kinds.map(|kind| (Arc::clone(&target), kind)));
        }
    }

    /// Asks one object alone.
    async fn only(&mut self, tx: &mut ReadTx, targets: Vec<Target>, name: &ResourceName) -> Result<(), DavError> {
        let Some(target) = targets.into_iter().next() else { return Err(DavError::NotFound) };
        let head = tx.object_head(&target.access, name).await?.ok_or(DavError::NotFound)?;
        let candidate = Candidate {
            name: head.name,
            etag: head.etag,
            span: None,
            recurring: true,
            all_day: false,
            transparent: false,
            status: None,
        };
        self.page.push_back(candidate);
        self.places.push_back((Arc::new(target), head.component));
        self.single = true;
        Ok(())
    }

    /// The next piece of the answer; `None` when there is no more.
    async fn next(mut self) -> Result<Option<(String, Search)>, StoreError> {
        while let (false, Some((target, kind))) = (self.ended, self.places.front().cloned()) {
            let mut tx = reading(&self.store, &mut self.first).await?;
            if self.page.is_empty() && !self.turn_page(&mut tx, &target, kind).await? {
                self.places.pop_front();
                self.after = None;
                self.first = Some(tx);
                continue;
            }
            let pieces = self.take(&mut tx, &target).await?;
            drop(tx);
            let (question, found, effort) = (Arc::clone(&self.question), self.found, self.effort);
            let is_work = question.telling.is_work() || pieces.iter().any(|piece| !piece.settled);
            let work = move || tell(&question, &target, &pieces, found, effort);
            let told = if is_work { aside(work).await } else { work() };
            (self.found, self.effort, self.ended) = (told.found, told.effort, told.ended);
            if !told.text.is_empty() {
                return Ok(Some((told.text, self)));
            }
        }
        Ok(None)
    }

    /// Fills the page; false if there is nothing more in this place.
    async fn turn_page(&mut self, tx: &mut ReadTx, target: &Target, kind: ComponentKind) -> Result<bool, StoreError> {
        if self.single {
            return Ok(false);
        }
        let Window { from, to } = self.question.hint.window.unwrap_or(Window::ALL);
        let page = tx.candidates(&target.access, kind, (from, to), self.after.as_ref(), PAGE).await?;
        self.after = page.last().map(|last| last.name.clone()).or(self.after.take());
        self.page = page.into();
        Ok(!self.page.is_empty())
    }

    /// Takes candidates off the page and loads what is needed of them.
    async fn take(&mut self, tx: &mut ReadTx, target: &Target) -> Result<Vec<Piece>, StoreError> {
        let (hint, single, told) = (self.question.hint, self.single, self.question.telling.load());
        let settled = |candidate: &Candidate| !single && is_settled(hint, candidate);
        let wanted: Vec<(ResourceName, Load)> = self
            .page
            .iter()
            .take(PIECE)
            .map(|candidate| (candidate.name.clone(), if settled(candidate) { told } else { Load::Body }))
            .collect();
        let (taken, mut found) = load(tx, &target.access, &wanted).await?;
        let taken = self.page.drain(..taken.min(self.page.len()));
        let pieces = taken.zip(wanted).filter_map(|(candidate, (name, wanted))| {
            let loaded = found.remove(&name);
            if wanted > Load::Index && loaded.is_none() {
                // It was deleted since the page was read.
                return None;
            }
            let etag = loaded.as_ref().map_or(&candidate.etag, |loaded| &loaded.head.etag).clone();
            Some(Piece { settled: settled(&candidate), name, etag, loaded })
        });
        Ok(pieces.collect())
    }
}

/// Whether the index alone says that the filter finds a candidate. Its span may be wider than the object but never
/// narrower, so an object without repetition whose span lies in the window does so itself.
fn is_settled(hint: Hint, candidate: &Candidate) -> bool {
    let Some(window) = hint.window else { return hint.exact };
    let dated = matches!(hint.kind, Some(ComponentKind::Event | ComponentKind::Todo));
    let inside =
        candidate.span.is_some_and(|span| window.from < span.starts && span.ends.is_some_and(|ends| ends < window.to));
    hint.exact && dated && inside && !candidate.recurring
}

/// What came of a piece.
struct Told {
    text: String,
    found: u32,
    effort: Effort,
    ended: bool,
}

/// Writes the responses of those that are found.
fn tell(question: &Question, target: &Target, pieces: &[Piece], found: u32, effort: Effort) -> Told {
    let mut told = Told { text: String::new(), found, effort, ended: false };
    let mut writer = Writer::part();
    for piece in pieces {
        if !piece.settled {
            let bytes = piece.loaded.as_ref().and_then(|loaded| loaded.bytes.clone());
            // One that cannot be read matches nothing that is asked of its content.
            let Some(Ok(object)) = bytes.map(CalendarObject::from_stored) else { continue };
            match evaluate(&question.filter, &object, &target.reader) {
                Verdict::Found => {}
                Verdict::Not => continue,
                // Better one too many than one that its owner misses.
                Verdict::Unsettled => told.effort.unsettled += 1,
            }
        }
        if question.nresults.is_some_and(|most| told.found >= most) || told.effort.unsettled > UNSETTLED_MAX {
            truncated(&question.href, &mut writer);
            told.ended = true;
            break;
        }
        told.found += 1;
        let expanded = &mut told.effort.expanded;
        question.telling.write(target, (&piece.name, &piece.etag), piece.loaded.as_ref(), expanded, &mut writer);
    }
    told.text = writer.into_string();
    told
}
