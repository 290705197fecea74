//! The feed's objects, page by page, as bytes. A walk keeps no transaction: a small feed is walked within one, so that it
//! shows one state; a large one with a new one for each page, so that a slow subscriber holds up nobody. Objects that
//! change under such a walk come with their new state if they have not come with their old one.

use std::collections::HashSet;

use super::free_busy::FreeBusy;
use super::head::{TAIL, head};
use super::plan::Plan;
use super::render::{Keyed, Making, Renderer, keyed_uid};
use crate::domain::access::Access;
use crate::domain::calendar::Seq;
use crate::domain::feed::{FeedKind, FeedPrivacy};
use crate::domain::ids::{CalendarId, ObjectId};
use crate::domain::object::ComponentKind;
use crate::domain::time::Instant;
use crate::store::{ReadTx, Selected, Selection, Store, StoreError};

/// Objects read at once, where they are of usual size.
const PAGE_OBJECTS: u32 = 500;
/// Bytes of bodies read at once, going by the largest one; a page has one object at least.
const PAGE_BYTES: i64 = 4 * 1024 * 1024;
/// For UIDs in feeds; another purpose has other hashes.
const UID_PURPOSE: &str = "feed_uid";

/// A walk over what a plan shows.
pub(super) struct Walk {
    plan: Plan,
    selection: Selection,
    maker: Option<Maker>,
    page: u32,
    /// Bytes of all bodies together.
    bytes: i64,
    /// Where it is: the calendar, and the last change seen of it.
    calendar: usize,
    after: Seq,
    began: bool,
    seen: HashSet<ObjectId>,
}

/// Why a walk ended before the feed did.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Writing or coding failed.
    #[error("the feed could not be made: {0}")]
    Making(#[from] std::io::Error),
}

enum Maker {
    Calendar(Box<Renderer>),
    FreeBusy(Box<FreeBusy>),
}

impl Walk {
    /// Prepares a walk: measures what there is to read.
    pub async fn begin(plan: Plan, store: &Store, tx: &mut ReadTx) -> Result<Walk, StoreError> {
        let selection = selection(&plan);
        let (mut bytes, mut largest, mut first_start) = (0_i64, 0_i64, None::<Instant>);
        for (access, _) in &plan.calendars {
            let measure = tx.measure(access, &selection).await?;
            bytes = bytes.saturating_add(measure.bytes);
            largest = largest.max(measure.largest_bytes);
            first_start = [first_start, measure.first_start].into_iter().flatten().min();
        }
        let page = u32::try_from(PAGE_BYTES / largest.max(1)).unwrap_or(PAGE_OBJECTS).clamp(1, PAGE_OBJECTS);
        let maker = Some(maker(&plan, store, tx, first_start).await?);
        Ok(Walk { plan, selection, maker, page, bytes, calendar: 0, after: Seq(0), began: false, seen: HashSet::new() })
    }

    /// How many bytes of bodies it has to read.
    pub fn bytes(&self) -> i64 {
        self.bytes
    }

    /// The next part of the feed; `None` after the last.
    pub async fn next(&mut self, tx: &mut ReadTx) -> Result<Option<Vec<u8>>, Failed> {
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.began, true) {
            out = head(&self.plan);
        }
        if self.maker.is_none() {
            return Ok(None);
        }
        let Some((access, _)) = self.plan.calendars.get(self.calendar) else {
            self.finish(&mut out);
            return Ok(Some(out));
        };
        let found = tx.selected(access, &self.selection, self.after, self.page).await?;
        match found.last() {
            Some(last) => self.after = last.seq,
            None => {
                self.calendar += 1;
                self.after = Seq(0);
            }
        }
        let calendar = access.calendar().clone();
        let mut found: Vec<Selected> = found.into_iter().filter(|selected| selected.has_category).collect();
        found.retain(|selected| self.seen.insert(selected.id.clone()));
        if found.is_empty() {
            return Ok(Some(out));
        }
        let Some(mut maker) = self.maker.take() else { return Ok(None) };
        // Reading and expanding a page takes milliseconds, of strange series seconds: not on a thread that answers others.
        let made = tokio::task::spawn_blocking(move || {
            for selected in &found {
                maker.object(&calendar, selected, &mut out);
            }
            (maker, out)
        });
        let (maker, out) = made.await.map_err(|error| Failed::Making(std::io::Error::other(error)))?;
        self.maker = Some(maker);
        Ok(Some(out))
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let feed = &self.plan.grant.feed;
        let truncated = match self.maker.take() {
            Some(Maker::Calendar(renderer)) => renderer.finish(out),
            Some(Maker::FreeBusy(free_busy)) => {
                let stamp = self.plan.calendars.iter().map(|(_, calendar)| calendar.modified);
                free_busy.finish(stamp.fold(feed.changed, Instant::max), out)
            }
            None => false,
        };
        if truncated {
            tracing::warn!(feed = %feed.id, "a series in this feed has more instances than are told one by one");
        }
        out.extend_from_slice(TAIL);
    }
}

impl Maker {
    fn object(&mut self, calendar: &CalendarId, selected: &Selected, out: &mut Vec<u8>) {
        match self {
            Maker::Calendar(renderer) => renderer.object(calendar, selected, out),
            Maker::FreeBusy(free_busy) => free_busy.object(selected),
        }
    }
}

async fn maker(plan: &Plan, store: &Store, tx: &mut ReadTx, first_start: Option<Instant>) -> Result<Maker, StoreError> {
    let feed = &plan.grant.feed;
    let keyed: Keyed = {
        let store = store.clone();
        Box::new(move |text| store.hash(UID_PURPOSE, text))
    };
    if feed.settings.kind == FeedKind::FreeBusy {
        let uid = keyed_uid(&keyed, feed.id.as_str());
        let free_busy = FreeBusy::new(feed.settings.clone(), plan.expanding, plan.owners_zone(), uid);
        return Ok(Maker::FreeBusy(Box::new(free_busy)));
    }
    let calendars: Vec<&Access> = plan.calendars.iter().map(|(access, _)| access).collect();
    let shared = tx.shared_uids(&calendars).await?;
    let from_year =
        first_start.and_then(Instant::timestamp).map_or(1970, |at| jiff::tz::Offset::UTC.to_datetime(at).year());
    let making = Making {
        feed: feed.id.clone(),
        created: feed.created,
        window: plan.window,
        expanding: plan.expanding,
        shared,
        from_year,
        keyed,
    };
    Ok(Maker::Calendar(Box::new(Renderer::new(feed.settings.clone(), making))))
}

fn selection(plan: &Plan) -> Selection {
    let settings = &plan.grant.feed.settings;
    let only_busy = settings.kind == FeedKind::FreeBusy || settings.privacy == FeedPrivacy::BusyOnly;
    let kinds = if only_busy { vec![ComponentKind::Event, ComponentKind::FreeBusy] } else { Vec::new() };
    let window = match settings.kind {
        FeedKind::Calendar => plan.window,
        FeedKind::FreeBusy => Some(plan.expanding),
    };
    Selection { kinds, window: window.map(|window| (window.from, window.to)), filters: settings.filters.clone() }
}
