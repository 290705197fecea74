//! PROPFIND (RFC 4918 §9.1): one resource, or a collection and its members, streamed in pages.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Response;

use super::body::{XML_BYTES_MAX, read_xml};
use super::error::{At, DavError, Precondition};
use super::headers::{Depth, Preferences, depth};
use super::listed::Listed;
use super::path::{Href, Kind, Resource};
use super::props::{CalendarSubject, Needs, ObjectSubject, Plan, PropRequest, Scene, Subject};
use super::{Ask, multistatus};
use crate::domain::access::{Access, Right};
use crate::domain::calendar::{Calendar, Seq};
use crate::domain::ids::ResourceName;
use crate::store::{ReadTx, Store, StoreError, StoredProperty};
use crate::xml::{Writer, names};

/// Members read and written at a time: large enough to be fast, small enough to keep memory flat.
const PAGE_MEMBERS: u32 = 2_000;

/// Answers a PROPFIND.
///
/// # Errors
/// What [`DavError`] says; with `Depth: infinity` on a collection `propfind-finite-depth`.
pub(super) async fn propfind(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let body = ask.take_body();
    let request = match read_xml(body, &ask.headers, XML_BYTES_MAX).await? {
        None => PropRequest::All(Vec::new()),
        Some(document) if document.root().is(&names::PROPFIND) => PropRequest::of(document.root())
            .map_err(|reason| DavError::Bad(reason.to_owned()))?
            .ok_or_else(|| DavError::Bad("propfind holds prop, allprop or propname".to_owned()))?,
        Some(_) => return Err(DavError::Bad("the body of PROPFIND is a DAV:propfind".to_owned())),
    };
    let preferences = Preferences::of(&ask.headers);
    let asked = Asked { request, preferences };
    let has_members = ask.resource.kind() != Kind::Object;
    // RFC 4918 §9.1: no header means infinity.
    let depth = match depth(&ask.headers)?.unwrap_or(Depth::Infinity) {
        Depth::Infinity if has_members => return Err(Precondition::PropfindFiniteDepth.into()),
        Depth::One if has_members => Depth::One,
        Depth::Zero | Depth::One | Depth::Infinity => Depth::Zero,
    };
    let mut response = match ask.resource.clone() {
        Resource::Object(owner, slug, name) => {
            let plan = asked.plan(Kind::Object);
            let scene = ask.scene(plan.needs()).await?;
            let mut tx = ask.store.read().await?;
            let (access, calendar) =
                tx.calendar_for(&ask.caller, &owner, &slug, Right::Read).await.map_err(|e| e.at(&ask.href()))?;
            let head = tx.object_head(&access, &name).await?.ok_or(DavError::NotFound)?;
            let mut writer = multistatus::begin();
            let (name, etag) = (&head.name, &head.etag);
            let subject = ObjectSubject { calendar: &calendar, name, etag, head: Some(&head), data: None };
            plan.write(&scene, &Subject::Object(subject), &mut writer);
            multistatus::whole(writer)
        }
        Resource::Calendar(owner, slug) => {
            let plan = asked.plan(Kind::Calendar);
            let scene = ask.scene(plan.needs()).await?;
            let mut tx = ask.store.read().await?;
            let (access, calendar) =
                tx.calendar_for(&ask.caller, &owner, &slug, Right::Read).await.map_err(|e| e.at(&ask.href()))?;
            let mut writer = multistatus::begin();
            if !(preferences.noroot && depth == Depth::One) {
                write_calendar(&mut tx, &plan, &scene, (&access, &calendar), &mut writer).await?;
            }
            drop(tx);
            if depth == Depth::One {
                let listing = Listing::new(ask.store.clone(), scene, access, calendar, asked.plan(Kind::Object));
                multistatus::streamed(writer, listing, Listing::page).await?
            } else {
                multistatus::whole(writer)
            }
        }
        place => {
            let mut writer = multistatus::begin();
            write_place(ask, &asked, &place, depth, &mut writer).await?;
            multistatus::whole(writer)
        }
    };
    let applied = Preferences { representation: false, ..preferences };
    applied.applied(response.headers_mut());
    Ok(response)
}

/// What was asked, to be resolved for each kind of resource in the answer.
struct Asked {
    request: PropRequest,
    preferences: Preferences,
}

impl Asked {
    fn plan(&self, kind: Kind) -> Plan {
        Plan::new(&self.request, kind, self.preferences.minimal)
    }
}

/// Everything above the calendars: few resources, of the caller alone.
async fn write_place(
    ask: &Ask,
    asked: &Asked,
    place: &Resource,
    depth: Depth,
    writer: &mut Writer,
) -> Result<(), DavError> {
    let own = |resource: fn(_) -> Resource| resource(ask.caller.name.clone());
    let members: Vec<Resource> = match (depth, place) {
        (Depth::One, Resource::Root) => vec![Resource::Principals, Resource::Calendars],
        (Depth::One, Resource::Principals) => vec![own(Resource::Principal)],
        (Depth::One, Resource::Calendars) => vec![own(Resource::Home)],
        _ => Vec::new(),
    };
    let itself = (!(asked.preferences.noroot && depth == Depth::One)).then(|| place.clone());
    for resource in itself.into_iter().chain(members) {
        let plan = asked.plan(resource.kind());
        let scene = ask.scene(plan.needs()).await?;
        let kept = match &resource {
            Resource::Principal(_) | Resource::Home(_) if plan.needs().kept => {
                ask.store.read().await?.properties(&ask.caller, &kept_place(&resource, &scene)).await?
            }
            _ => Vec::new(),
        };
        let subject = match &resource {
            Resource::Principal(_) => Subject::Principal(&kept),
            Resource::Home(_) => Subject::Home(&kept),
            other => Subject::Place(other),
        };
        plan.write(&scene, &subject, writer);
    }
    if let (Depth::One, Resource::Home(_)) = (depth, place) {
        let plan = asked.plan(Kind::Calendar);
        let scene = ask.scene(plan.needs()).await?;
        let mut tx = ask.store.read().await?;
        for (access, calendar) in tx.calendars(&ask.caller).await? {
            write_calendar(&mut tx, &plan, &scene, (&access, &calendar), writer).await?;
        }
    }
    Ok(())
}

/// Under which id a user's properties of a home or principal are kept.
pub(super) fn kept_place(resource: &Resource, scene: &Scene) -> String {
    match resource.kind() {
        Kind::Home => format!("home:{}", scene.caller.user),
        _ => format!("principal:{}", scene.caller.user),
    }
}

/// Loads what a plan needs of a calendar and writes its response.
pub(super) async fn write_calendar(
    tx: &mut ReadTx,
    plan: &Plan,
    scene: &Scene,
    (access, calendar): (&Access, &Calendar),
    writer: &mut Writer,
) -> Result<(), StoreError> {
    let needs = plan.needs();
    let kept: Vec<StoredProperty> =
        if needs.kept { tx.properties(&scene.caller, calendar.id.as_str()).await? } else { Vec::new() };
    let bytes = if needs.bytes { Some(tx.calendar_size(access).await?.1) } else { None };
    plan.write(scene, &Subject::Calendar(CalendarSubject { calendar, kept: &kept, bytes }), writer);
    Ok(())
}

/// The members of a calendar, page by page in the order of their last changes. No transaction stays open while a slow
/// client reads. What changes meanwhile moves to the end of that order, so the pages go on until there is nothing
/// more: to a client that compares lists, a member that is left out is deleted.
struct Listing {
    store: Store,
    shared: Arc<Shared>,
    after: Seq,
    /// What was listed on earlier pages, which is not listed again when it changes meanwhile.
    listed: Listed<ResourceName>,
    needs: Needs,
    is_over: bool,
}

struct Shared {
    scene: Scene,
    access: Access,
    calendar: Calendar,
    plan: Plan,
    href: String,
}

impl Listing {
    fn new(store: Store, scene: Scene, access: Access, calendar: Calendar, plan: Plan) -> Listing {
        let href = super::path::calendar_href(&calendar.owner_name, &calendar.slug);
        let (needs, since) = (plan.needs(), calendar.seq);
        Listing {
            store,
            shared: Arc::new(Shared { scene, access, calendar, plan, href }),
            after: Seq(0),
            listed: Listed::since(since),
            needs,
            is_over: false,
        }
    }

    async fn page(mut self) -> Result<Option<(String, Listing)>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        let Shared { access, calendar, .. } = &*self.shared;
        let mut writer = Writer::part();
        let mut tx = self.store.read().await?;
        let more = if self.needs.head {
            let heads = tx.heads(access, self.after, Seq(i64::MAX), PAGE_MEMBERS).await?;
            for head in &heads {
                if self.listed.has(&head.name, head.seq) {
                    continue;
                }
                let (name, etag) = (&head.name, &head.etag);
                self.shared.write(ObjectSubject { calendar, name, etag, head: Some(head), data: None }, &mut writer);
            }
            let more = heads.len() == PAGE_MEMBERS as usize;
            self.after = heads.last().map_or(self.after, |head| head.seq);
            self.listed.add(heads.into_iter().filter(|_| more).map(|head| head.name));
            more
        } else {
            let entries = tx.entries(access, self.after, Seq(i64::MAX), PAGE_MEMBERS).await?;
            for entry in &entries {
                if self.listed.has(&entry.name, entry.seq) {
                    continue;
                }
                if let Some(etag) = &entry.etag {
                    let name = &entry.name;
                    self.shared.write(ObjectSubject { calendar, name, etag, head: None, data: None }, &mut writer);
                }
            }
            let more = entries.len() == PAGE_MEMBERS as usize;
            self.after = entries.last().map_or(self.after, |entry| entry.seq);
            self.listed.add(entries.into_iter().filter(|_| more).map(|entry| entry.name));
            more
        };
        drop(tx);
        self.is_over = !more;
        Ok(Some((writer.into_string(), self)))
    }
}

impl Shared {
    fn write(&self, object: ObjectSubject<'_>, writer: &mut Writer) {
        let href = Href::in_calendar(&self.href, object.name);
        self.plan.write_at(href, &self.scene, &Subject::Object(object), writer);
    }
}
