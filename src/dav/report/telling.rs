//! What a report tells of each calendar object, and how that is loaded: in groups whose bodies fit into memory.
//!
//! Neighbours: [`crate::dav::props`] knows the properties, `data` the calendar data; `query`, `multiget` and `sync`
//! decide which objects are told of.

use std::collections::HashMap;

use bytes::Bytes;

use super::data::{CalendarData, DataError, ZoneDefinitions};
use super::zone;
use crate::dav::error::{DavError, Precondition};
use crate::dav::headers::Preferences;
use crate::dav::multistatus::Line;
use crate::dav::path::{Href, Kind, calendar_href, segment};
use crate::dav::props::{ObjectSubject, Plan, PropRequest, Scene, Subject};
use crate::domain::access::Access;
use crate::domain::calendar::Calendar;
use crate::domain::ids::ResourceName;
use crate::domain::object::ETag;
use crate::ics::zone::Zone;
use crate::store::{ObjectHead, ReadTx, Store, StoreError};
use crate::xml::{Element, Writer, names};

/// Bodies held at once for one answer, in bytes; one object alone may have more. Eight megabytes are five thousand
/// ordinary objects.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Expanded objects one answer may grow by. Beyond this they are told of without their data.
const EXPANDED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A calendar that is asked, and where its reader is.
#[derive(Clone, Debug)]
pub struct Target {
    /// The proof that it may be read.
    pub access: Access,
    /// The calendar.
    pub calendar: Calendar,
    /// What floating times in it mean.
    pub reader: Zone,
    /// Its path.
    pub href: String,
}

impl Target {
    /// A calendar, with the zone that the request brings or else its own.
    #[must_use]
    pub fn new(access: Access, calendar: Calendar, zone: Option<&Zone>) -> Target {
        let own = || zone::of_calendar(calendar.settings.timezone.as_deref());
        let reader = zone.cloned().unwrap_or_else(own);
        let href = calendar_href(&calendar.owner_name, &calendar.slug);
        Target { access, calendar, reader, href }
    }

    /// The path of an object in it.
    #[must_use]
    pub fn href_of(&self, name: &ResourceName) -> String {
        format!("{}{}", self.href, segment(name.as_str()))
    }
}

/// How much of an object must be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// What the index has.
    Index,
    /// Everything but the body.
    Head,
    /// The body and its tag.
    Body,
    /// The body and everything else.
    Whole,
}

/// An object as it was loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The tag of the bytes.
    pub etag: ETag,
    /// Everything but the body, if it was wanted.
    pub head: Option<ObjectHead>,
    /// The body, if it was wanted.
    pub bytes: Option<Bytes>,
}

/// What is told of each object.
pub struct Telling {
    scene: Scene,
    plan: Plan,
    /// For objects whose data cannot be told.
    plan_without_data: Plan,
    data: Option<CalendarData>,
}

impl Telling {
    /// Reads what a report wants to know of the objects it finds.
    ///
    /// # Errors
    /// The request contradicts itself or wants a format that there is not.
    pub fn new(
        request: &Element,
        scene: Scene,
        preferences: Preferences,
        zones: ZoneDefinitions,
    ) -> Result<Telling, DavError> {
        let wanted = PropRequest::of(request).map_err(|reason| DavError::Bad(reason.to_owned()))?;
        let wanted = wanted.unwrap_or(PropRequest::Named(Vec::new()));
        let element = request.child(&names::PROP).and_then(|prop| prop.child(&names::CALENDAR_DATA));
        let data = element.map(CalendarData::parse).transpose()?.map(|data| data.with_zones(zones));
        let without = match &wanted {
            PropRequest::Named(list) => {
                PropRequest::Named(list.iter().filter(|name| **name != names::CALENDAR_DATA).cloned().collect())
            }
            PropRequest::All(_) | PropRequest::Names => wanted.clone(),
        };
        Ok(Telling {
            scene,
            plan: Plan::new(&wanted, Kind::Object, preferences.minimal),
            plan_without_data: Plan::new(&without, Kind::Object, preferences.minimal),
            data,
        })
    }

    /// What must be loaded to tell.
    #[must_use]
    pub fn load(&self) -> Load {
        match (&self.data, self.plan.needs().head) {
            (Some(_), true) => Load::Whole,
            (Some(_), false) => Load::Body,
            (None, true) => Load::Head,
            (None, false) => Load::Index,
        }
    }

    /// Whether telling is work: calendar data that is not just the stored bytes.
    #[must_use]
    pub fn is_work(&self) -> bool {
        self.data.as_ref().is_some_and(|data| *data != CalendarData::default())
    }

    /// Writes the response of one object. `expanded` counts the bytes that expansion has cost this answer.
    pub fn write(
        &self,
        target: &Target,
        (name, etag): (&ResourceName, &ETag),
        loaded: Option<&Loaded>,
        expanded: &mut usize,
        writer: &mut Writer,
    ) {
        let href = Href::in_calendar(&target.href, name);
        let subject = |data| {
            Subject::Object(ObjectSubject {
                calendar: &target.calendar,
                name,
                etag,
                head: loaded.and_then(|loaded| loaded.head.as_ref()),
                data,
            })
        };
        let (Some(data), Some(bytes)) = (&self.data, loaded.and_then(|loaded| loaded.bytes.as_ref())) else {
            return self.plan.write_at(href, &self.scene, &subject(None), writer);
        };
        let text = if *expanded < EXPANDED_BYTES_MAX { data.render(bytes, &target.reader).ok() } else { None };
        match text {
            Some(text) => {
                *expanded = expanded.saturating_add(text.len().saturating_sub(bytes.len()));
                self.plan.write_at(href, &self.scene, &subject(Some(&text)), writer);
            }
            None => {
                *expanded = expanded.saturating_add(super::expand::EXPANDED_BYTES_MAX);
                writer.open(&names::RESPONSE);
                href.write(writer);
                self.plan_without_data.write_propstats(&self.scene, &subject(None), writer);
                too_much(writer);
                writer.close(&names::RESPONSE);
            }
        }
    }
}

/// The `DAV:propstat` of data that has more instances than one answer may carry.
fn too_much(writer: &mut Writer) {
    writer.open(&names::PROPSTAT);
    writer.open(&names::PROP);
    writer.empty(&names::CALENDAR_DATA);
    writer.close(&names::PROP);
    writer.leaf(&names::STATUS, Line::InsufficientStorage.text());
    writer.open(&names::ERROR);
    writer.empty(&names::NUMBER_OF_MATCHES_WITHIN_LIMITS);
    writer.close(&names::ERROR);
    writer.close(&names::PROPSTAT);
}

/// Loads the first of these objects, as many as fit into memory together, at least one. Gives how many names that
/// was; of these, the objects that exist.
///
/// # Errors
/// The store failed.
pub async fn load(
    tx: &mut ReadTx,
    access: &Access,
    wanted: &[(ResourceName, Load)],
) -> Result<(usize, HashMap<ResourceName, Loaded>), StoreError> {
    let named = |wanted: &[(ResourceName, Load)], is_wanted: fn(Load) -> bool| -> Vec<ResourceName> {
        wanted.iter().filter(|(_, load)| is_wanted(*load)).map(|(name, _)| name.clone()).collect()
    };
    let (mut taken, mut names) = (wanted.len(), named(wanted, has_body));
    // Nearly always all of them fit; only where they do not is it worth to know which.
    let mut bodies = tx.bodies_named(access, &names, GROUP_BYTES_MAX).await?;
    if bodies.is_none() {
        taken = fitting(wanted, &tx.heads_named(access, &names).await?);
        names = named(wanted.get(..taken).unwrap_or(wanted), has_body);
        bodies = tx.bodies_named(access, &names, usize::MAX).await?;
    }
    let bodies = bodies.unwrap_or_default().into_iter();
    let mut found: HashMap<ResourceName, Loaded> =
        bodies.map(|body| (body.name, Loaded { etag: body.etag, head: None, bytes: Some(body.bytes) })).collect();
    let heads = named(wanted.get(..taken).unwrap_or(wanted), |load| matches!(load, Load::Head | Load::Whole));
    for head in tx.heads_named(access, &heads).await? {
        let (name, etag) = (head.name.clone(), head.etag.clone());
        found.entry(name).or_insert(Loaded { etag, head: None, bytes: None }).head = Some(head);
    }
    Ok((taken, found))
}

fn has_body(load: Load) -> bool {
    matches!(load, Load::Body | Load::Whole)
}

/// How many of these fit together, at least one that has a body.
fn fitting(wanted: &[(ResourceName, Load)], heads: &[ObjectHead]) -> usize {
    let sizes: HashMap<&ResourceName, i64> = heads.iter().map(|head| (&head.name, head.bytes_len)).collect();
    let (mut bytes, mut bodies) = (0_i64, 0);
    let fits = |(name, load): &&(ResourceName, Load)| {
        if has_body(*load) {
            bytes = bytes.saturating_add(sizes.get(name).copied().unwrap_or(0));
            bodies += 1;
        }
        usize::try_from(bytes).is_ok_and(|bytes| bytes <= GROUP_BYTES_MAX) || bodies <= 1
    };
    wanted.iter().take_while(fits).count()
}

/// A transaction for one piece of an answer: the one in which the request was admitted, or a new one. None is kept
/// while a slow client reads.
pub async fn reading(store: &Store, first: &mut Option<ReadTx>) -> Result<ReadTx, StoreError> {
    match first.take() {
        Some(tx) => Ok(tx),
        None => store.read().await,
    }
}

impl From<DataError> for DavError {
    fn from(error: DataError) -> DavError {
        match error {
            DataError::Unsupported => Precondition::SupportedCalendarData.into(),
            DataError::Malformed(_) | DataError::Range(_) => DavError::Bad(error.to_string()),
        }
    }
}

/// Does work that may take a while where it holds nobody up.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that shuts down cancels it, and then nobody waits for the answer.
            Err(_) => std::future::pending().await,
        },
    }
}
