//! `CALDAV:calendar-query` (RFC 4791 §7.8).
//!
//! Job: find the objects that a filter finds. The index settles kinds and times where it can; bodies are read for the
//! rest alone, in groups. Neighbours: `filter` and `evaluate` know what is found, `telling` what is told.

use std::collections::VecDeque;
use std::sync::Arc;

use super::evaluate::{Verdict, evaluate};
use super::filter::{Filter, FilterError, Hint};
use super::telling::{Load, Loaded, Target, Telling, aside, load, reading};
use super::timetables::{Asking, Place, Timetables};
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
        timetables: asked.timetables.clone(),
        first: None,
        question,
        places: VecDeque::new(),
        page: VecDeque::new(),
        after: None,
        is_last_page: false,
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
    timetables: Timetables,
    first: Option<ReadTx>,
    question: Arc<Question>,
    /// Where there is still to look.
    places: VecDeque<(Arc<Target>, ComponentKind)>,
    /// Candidates of the first place that wait to be looked at.
    page: VecDeque<Candidate>,
    /// The last candidate of the first place; `None` before its first page.
    after: Option<ResourceName>,
    /// Whether there is nothing after the page of the first place.
    is_last_page: bool,
    /// Whether one object was asked, and no index.
    single: bool,
    found: u32,
    effort: Effort,
    ended: bool,
}

/// What is known of a candidate before its bytes are read.
enum Standing {
    /// The filter finds it.
    Found,
    /// The filter does not.
    Not,
    /// Its bytes must be read. With the place of its timetable, if it can have one and has none.
    Unknown(Option<Place>),
}

/// An object on its way into the answer.
struct Piece {
    name: ResourceName,
    etag: ETag,
    standing: Standing,
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
                (self.after, self.is_last_page) = (None, false);
                self.first = Some(tx);
                continue;
            }
            let asking = self.asking(&target);
            let pieces = self.take(&mut tx, &target, asking.as_ref()).await?;
            drop(tx);
            let (question, found, effort) = (Arc::clone(&self.question), self.found, self.effort);
            let is_read = pieces.iter().any(|piece| matches!(piece.standing, Standing::Unknown(_)));
            let is_work = question.telling.is_work() || is_read;
            let work = move || tell(&question, (&target, asking.as_ref()), &pieces, found, effort);
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
        if self.single || self.is_last_page {
            return Ok(false);
        }
        let Window { from, to } = self.question.hint.window.unwrap_or(Window::ALL);
        let page = tx.candidates(&target.access, kind, (from, to), self.after.as_ref(), PAGE).await?;
        self.after = page.found.last().map(|last| last.name.clone());
        self.is_last_page = !page.more;
        self.page = page.found.into();
        Ok(!self.page.is_empty())
    }

    /// The timetables that can answer for a target: where the filter asks nothing but when.
    fn asking(&self, target: &Target) -> Option<Asking> {
        let hint = self.question.hint;
        let is_when = !self.single && hint.exact && hint.kind == Some(ComponentKind::Event);
        self.timetables.asking(hint.window.filter(|_| is_when)?, &target.reader)
    }

    /// Takes candidates off the page and loads what is needed of them.
    async fn take(
        &mut self,
        tx: &mut ReadTx,
        target: &Target,
        asking: Option<&Asking>,
    ) -> Result<Vec<Piece>, StoreError> {
        let (hint, single, told) = (self.question.hint, self.single, self.question.telling.load());
        let mut looked: Vec<(Candidate, Standing)> = Vec::new();
        while looked.len() < PIECE
            && let Some(candidate) = self.page.pop_front()
        {
            let settled = !single && is_settled(hint, &candidate);
            let standing = if settled { Standing::Found } else { standing(asking, &candidate) };
            if !matches!(standing, Standing::Not) {
                looked.push((candidate, standing));
            }
        }
        let to_read = if told == Load::Head { Load::Whole } else { told.max(Load::Body) };
        let load_of = |standing: &Standing| if matches!(standing, Standing::Unknown(_)) { to_read } else { told };
        let wanted: Vec<(ResourceName, Load)> =
            looked.iter().map(|(candidate, standing)| (candidate.name.clone(), load_of(standing))).collect();
        let (taken, mut found) = load(tx, &target.access, &wanted).await?;
        // What did not fit is looked at next.
        for (candidate, _) in looked.drain(taken.min(looked.len())..).rev() {
            self.page.push_front(candidate);
        }
        let pieces = looked.into_iter().zip(wanted).filter_map(|((candidate, standing), (name, wanted))| {
            let loaded = found.remove(&name);
            if wanted > Load::Index && loaded.is_none() {
                // It was deleted since the page was read.
                return None;
            }
            let etag = loaded.as_ref().map_or(&candidate.etag, |loaded| &loaded.etag).clone();
            Some(Piece { standing, name, etag, loaded })
        });
        Ok(pieces.collect())
    }
}

/// What the timetable of a candidate says.
fn standing(asking: Option<&Asking>, candidate: &Candidate) -> Standing {
    let Some((asking, place)) = asking.and_then(|asking| Some((asking, asking.place(candidate)?))) else {
        return Standing::Unknown(None);
    };
    match asking.known(&place) {
        None => Standing::Unknown(Some(place)),
        Some(table) => match table.overlaps(asking.window()) {
            Some(true) => Standing::Found,
            Some(false) => Standing::Not,
            None => Standing::Unknown(None),
        },
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
fn tell(
    question: &Question,
    (target, asking): (&Target, Option<&Asking>),
    pieces: &[Piece],
    found: u32,
    effort: Effort,
) -> Told {
    let mut told = Told { text: String::new(), found, effort, ended: false };
    let mut writer = Writer::part();
    for piece in pieces {
        let verdict = match &piece.standing {
            Standing::Found => Verdict::Found,
            Standing::Not => Verdict::Not,
            Standing::Unknown(place) => {
                let bytes = piece.loaded.as_ref().and_then(|loaded| loaded.bytes.clone());
                // One that cannot be read matches nothing that is asked of its content.
                let Some(Ok(object)) = bytes.map(CalendarObject::from_stored) else { continue };
                let table = asking.zip(place.as_ref()).and_then(|(asking, place)| asking.read(place, &object));
                let overlaps = table.zip(asking).and_then(|(table, asking)| table.overlaps(asking.window()));
                overlaps.map_or_else(|| evaluate(&question.filter, &object, &target.reader), Verdict::from)
            }
        };
        match verdict {
            Verdict::Found => {}
            Verdict::Not => continue,
            // Better one too many than one that its owner misses.
            Verdict::Unsettled => told.effort.unsettled += 1,
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
