//! A series as its instances see it: read once for all of them that a run looks at, while it stays as it is.

use std::sync::{Arc, OnceLock, PoisonError};

use super::apply::local_of;
use super::{Engine, Job, Stop};
use crate::domain::access::Right;
use crate::domain::appointment::{Occurrence, single};
use crate::domain::ids::ObjectId;
use crate::domain::object::CalendarObject;
use crate::domain::time::Instant;
use crate::ics::zone::Zone;
use crate::ics::{Component, Property};
use crate::store::{StoreError, WriteTx};
use crate::sync::decide::Local;
use crate::sync::project;
use crate::upstream::{Lens, Unfit};

/// What a link shows of a series, and whether the provider can repeat that.
pub(super) type Seen = (CalendarObject, Result<(), Unfit>);

/// A series, and what its link shows of it.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) local: Local,
    seen: OnceLock<Option<Seen>>,
}

impl Whole {
    /// What the link shows of it; `None`: nothing.
    pub(super) fn seen(&self, job: &Job, contact: Option<&str>, lens: Lens<'_>) -> Option<&Seen> {
        let look = || {
            let (policy, local) = (&job.link.settings.policy, &self.local);
            let (id, facts) = (&local.head.id, &local.head.facts);
            let known = project::Known { id, facts, client_contact: contact };
            let wanted = project::wants(policy, &local.object, id, facts).is_wanted();
            let shown = wanted.then(|| project::outgoing(policy, &local.object, &known)).flatten();
            shown.map(|shown| seen(job, shown, lens))
        };
        self.seen.get_or_init(look).as_ref()
    }
}

/// What is shown, with whether the provider can repeat it.
pub(super) fn seen(job: &Job, shown: CalendarObject, lens: Lens<'_>) -> Seen {
    let fits = job.up.repeats(&shown, lens);
    (shown, fits)
}

impl Engine {
    /// The series of an id, if it is in the link's calendar.
    pub(super) async fn whole(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        series: &ObjectId,
    ) -> Result<Option<Arc<Whole>>, Stop> {
        let found = tx.object_by_id(&job.caller, series, Right::Read).await?;
        let Some((_, stored)) = found.filter(|(access, _)| access.calendar() == job.access.calendar()) else {
            return Ok(None);
        };
        let read = job.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(read) = read.filter(|read| read.local.head == stored.head) {
            return Ok(Some(read));
        }
        let cause = tx.present_cause(&job.lease.firm, series).await?;
        let local = local_of(stored, cause.and_then(|c| c.link))?;
        let whole = Arc::new(Whole { local, seen: OnceLock::new() });
        *job.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(whole.clone());
        Ok(Some(whole))
    }

    /// An instance as the object that it would be; `None`: its series is gone, or has it no more.
    pub(super) async fn local_instance(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        id: &ObjectId,
        (series, slot): (ObjectId, Instant),
    ) -> Result<Option<Local>, Stop> {
        let Some(whole) = self.whole(tx, job, &series).await? else { return Ok(None) };
        let whole = &whole.local;
        let Some(found) = Occurrence::find(&whole.object, slot, &Zone::Utc) else { return Ok(None) };
        let uid = format!("{}-{}", whole.object.uid(), slot.ms());
        let Some(bytes) = single(&whole.object, &found, &uid) else { return Ok(None) };
        let object = CalendarObject::from_stored(bytes).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        let Some(object) = classed_as(&whole.object, &object, |own| own.is_none()) else { return Ok(None) };
        let mut head = whole.head.clone();
        head.id = id.clone();
        Ok(Some(Local { head, object, by_link: whole.by_link.clone() }))
    }
}

/// An instance no less private than its series: an override that says nothing of that is not public by it.
pub(super) fn as_private_as(series: &CalendarObject, single: &CalendarObject) -> Option<CalendarObject> {
    classed_as(series, single, |own| own.is_none_or(is_open))
}

/// An instance with its series' class where that is not public, if its own is `less`.
fn classed_as(
    series: &CalendarObject,
    single: &CalendarObject,
    less: impl Fn(Option<&Property>) -> bool,
) -> Option<CalendarObject> {
    let is_less = |component: &Component| component.is("VEVENT") && less(component.property("CLASS"));
    let class = series.master().and_then(|m| m.property("CLASS")).filter(|class| !is_open(class));
    let Some(class) = class.filter(|_| single.components().any(is_less)) else { return Some(single.clone()) };
    let mut document = single.document().clone();
    for component in document.calendar_mut()?.components_mut().filter(|c| is_less(c)) {
        component.set(class.clone());
    }
    CalendarObject::parse(document.to_bytes()).ok()
}

fn is_open(class: &Property) -> bool {
    class.value().trim().eq_ignore_ascii_case("PUBLIC")
}
