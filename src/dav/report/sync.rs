//! `DAV:sync-collection` (RFC 6578): what changed in a calendar since a token.
//!
//! Job: changes and the token that covers them, read in one transaction. A first sync lists what is there page by
//! page up to the count of changes at its beginning: what changes meanwhile lies beyond that and comes with the next
//! sync. Neighbours: [`crate::store`] counts changes, `telling` writes responses.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::telling::{Load, Target, Telling, aside, load, reading};
use super::{Asked, limit, truncated};
use crate::dav::error::{DavError, Precondition};
use crate::dav::headers::Depth;
use crate::dav::multistatus::{self, Line};
use crate::domain::calendar::{Seq, SyncToken};
use crate::domain::ids::ResourceName;
use crate::domain::object::ETag;
use crate::store::{Entry, ReadTx, Store, StoreError};
use crate::xml::{Element, Writer, names};

/// Changes one answer lists at most; the token then covers these, and 507 says that there are more. Held in memory,
/// some two hundred bytes each.
const CHANGES_MAX: u32 = 10_000;
/// Members of a first sync read from the index at once.
const PAGE: u32 = 2_000;
/// Members told of in one piece of the answer.
const PIECE: usize = 200;

/// Answers a sync-collection.
///
/// # Errors
/// The token is none of this calendar's, the request makes no sense, or the store failed.
pub async fn answer(asked: Asked<'_>) -> Result<axum::http::Response<axum::body::Body>, DavError> {
    let request = asked.request;
    let token = request.child(&names::SYNC_TOKEN).ok_or_else(|| DavError::Bad("sync-token is missing".to_owned()))?;
    check_level(request, asked.depth)?;
    let nresults = limit(request)?;
    let telling = Arc::new(asked.telling()?);
    let mut tx = asked.store.read().await?;
    let (targets, _) = asked.everything(&mut tx, None).await?;
    let target = Arc::new(targets.into_iter().next().ok_or(DavError::NotFound)?);
    let since = since(&token.text(), asked.store.epoch(), &target)?;
    // Most who ask are up to date, and the calendar was read with its access.
    let is_up_to_date = since.0 > 0 && since == target.calendar.seq;
    if since.0 > 0 && !is_up_to_date && since < tx.forgotten(&target.access).await? {
        return Err(Precondition::ValidSyncToken.into());
    }

    let mut sync = Sync {
        store: asked.store.clone(),
        first: None,
        telling,
        target: Arc::clone(&target),
        waiting: VecDeque::new(),
        listing: None,
        token: token_of(asked.store, &target, target.calendar.seq),
        more: false,
        expanded: 0,
        ended: false,
    };
    if since.0 == 0 && nresults.is_none() {
        // The calendar was read with its access; its count of changes then is what this answer reaches up to.
        sync.listing = Some((Seq(0), target.calendar.seq));
    } else if !is_up_to_date {
        let most = nresults.unwrap_or(CHANGES_MAX).min(CHANGES_MAX);
        let changes = tx.changes(&target.access, since, most).await?;
        sync.token = token_of(asked.store, &target, changes.up_to);
        sync.waiting = changes.entries.into();
        sync.more = changes.more;
    }
    sync.first = Some(tx);
    multistatus::streamed(multistatus::begin(), sync, Sync::next).await
}

/// Level 1 is all there is: calendars hold no collections. The body decides; where it says nothing (macOS 10.7) or the
/// draft's Depth does, one level is meant.
pub(super) fn check_level(request: &Element, depth: Option<Depth>) -> Result<(), DavError> {
    let level = request.child(&names::SYNC_LEVEL).map(|level| level.text().trim().to_ascii_lowercase());
    match (level.as_deref(), depth) {
        (Some("1"), _) | (None, None | Some(Depth::Zero | Depth::One)) => Ok(()),
        (Some("infinite" | "infinity"), _) | (None, Some(Depth::Infinity)) => {
            Err(Precondition::SyncTraversalSupported.into())
        }
        (Some(_), _) => Err(DavError::Bad("sync-level is 1 or infinite".to_owned())),
    }
}

/// The change after which a client wants to know; 0 for everything.
fn since(token: &str, epoch: &str, target: &Target) -> Result<Seq, DavError> {
    if token.trim().is_empty() {
        return Ok(Seq(0));
    }
    let token = SyncToken::parse(token).filter(|token| {
        token.epoch == epoch
            && token.calendar == *target.access.calendar()
            && (Seq(0)..=target.calendar.seq).contains(&token.seq)
    });
    token.map(|token| token.seq).ok_or_else(|| Precondition::ValidSyncToken.into())
}

fn token_of(store: &Store, target: &Target, seq: Seq) -> String {
    SyncToken { epoch: store.epoch().to_owned(), calendar: target.access.calendar().clone(), seq }.to_uri()
}

/// An answer that goes on.
struct Sync {
    store: Store,
    first: Option<ReadTx>,
    telling: Arc<Telling>,
    target: Arc<Target>,
    /// Changes that wait to be told.
    waiting: VecDeque<Entry>,
    /// Of a first sync: the last member that was read, and up to where.
    listing: Option<(Seq, Seq)>,
    token: String,
    more: bool,
    expanded: usize,
    ended: bool,
}

impl Sync {
    /// The next piece of the answer; `None` when there is no more.
    async fn next(mut self) -> Result<Option<(String, Sync)>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        if self.waiting.is_empty() && self.listing.is_some() {
            self.turn_page().await?;
        }
        if self.waiting.is_empty() {
            let text = self.tail();
            return Ok(Some((text, self)));
        }
        let text = self.piece().await?;
        Ok(Some((text, self)))
    }

    async fn turn_page(&mut self) -> Result<(), StoreError> {
        let Some((after, up_to)) = self.listing else { return Ok(()) };
        let mut tx = reading(&self.store, &mut self.first).await?;
        let entries = tx.entries(&self.target.access, after, up_to, PAGE).await?;
        self.listing = entries.last().map(|last| (last.seq, up_to));
        self.waiting = entries.into();
        Ok(())
    }

    async fn piece(&mut self) -> Result<String, StoreError> {
        let depth = self.telling.load();
        let wanted: Vec<(ResourceName, Load)> = self
            .waiting
            .iter()
            .take(PIECE)
            .map(|entry| (entry.name.clone(), if entry.etag.is_some() { depth } else { Load::Index }))
            .collect();
        let (taken, found) = match depth {
            Load::Index => (wanted.len(), HashMap::new()),
            Load::Head | Load::Body | Load::Whole => {
                let mut tx = reading(&self.store, &mut self.first).await?;
                load(&mut tx, &self.target.access, &wanted).await?
            }
        };
        let entries: Vec<Entry> = self.waiting.drain(..taken.min(self.waiting.len())).collect();
        let (telling, target, mut expanded) = (Arc::clone(&self.telling), Arc::clone(&self.target), self.expanded);
        let is_work = telling.is_work();
        let mut work = move || {
            let mut writer = Writer::part();
            for entry in &entries {
                let loaded = found.get(&entry.name);
                let tag: Option<&ETag> = match (&entry.etag, depth) {
                    (Some(etag), Load::Index) => Some(etag),
                    // One that went since is told as gone now, and once more by the next sync.
                    (Some(_), Load::Head | Load::Body | Load::Whole) => loaded.map(|loaded| &loaded.etag),
                    (None, _) => None,
                };
                match tag {
                    Some(etag) => telling.write(&target, (&entry.name, etag), loaded, &mut expanded, &mut writer),
                    None => multistatus::status(&mut writer, &target.href_of(&entry.name), Line::NotFound),
                }
            }
            (writer.into_string(), expanded)
        };
        let (text, expanded) = if is_work { aside(work).await } else { work() };
        self.expanded = expanded;
        Ok(text)
    }

    /// What stands at the end: whether there is more, and the token.
    fn tail(&mut self) -> String {
        self.ended = true;
        self.first = None;
        let mut writer = Writer::part();
        if self.more {
            truncated(&self.target.href, &mut writer);
        }
        writer.leaf(&names::SYNC_TOKEN, &self.token);
        writer.into_string()
    }
}
