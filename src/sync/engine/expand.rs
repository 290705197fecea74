//! Series that a provider cannot repeat: their instances of the coming time stand there as events of their own.
//!
//! An instance is carried as any object is, under a name made of its series and its slot ([`apart`]): its own mapping, its
//! own intent, its own key. What is changed of it there becomes an override here, what is removed there is left out here as
//! the link's delete policy says. It is there while its series is, while the link shows it, and while the provider cannot
//! repeat the series; the series' own mapping remembers that it is expanded.

use super::apply::local_of;
use super::{Engine, Job, Stop};
use crate::domain::access::Right;
use crate::domain::appointment::{Occurrence, cancel_instance, replaced, single};
use crate::domain::change::Guard;
use crate::domain::ids::ObjectId;
use crate::domain::object::CalendarObject;
use crate::domain::recurrence::{Series, Window};
use crate::domain::sync::{Filters, LinkPolicy, MappingState, Origin, ParkReason, UnsupportedRecurrence, apart};
use crate::domain::time::{DAY_MS, Instant};
use crate::ics::Property;
use crate::ics::zone::Zone;
use crate::store::{Mapping, PutOutcome, StoreError, WriteTx, Writing};
use crate::sync::decide::Local;
use crate::sync::project;
use crate::upstream::Lens;

/// How far ahead instances are carried: people look half a year ahead, and every instance is an event and several calls.
/// What comes into it with time is carried by the runs of the schedule.
const AHEAD_MS: i64 = 182 * DAY_MS;
/// How far back: what is over a week ago is history that nobody begins to carry; what is there already stays.
const BACK_MS: i64 = 7 * DAY_MS;
/// The most instances of one series that are carried ahead: more than one a day is nobody's calendar but a machine's, and
/// would use up an account's measure.
const INSTANCES_MAX: usize = 200;
/// Expanded series of a link that a run looks at for what comes next.
const SERIES_MAX: u32 = 1_000;

impl Engine {
    /// Why the instances of a series are to stand there by themselves; `None`: they are not.
    pub(super) fn why_apart(
        &self,
        job: &Job,
        mapping: Option<&Mapping>,
        shown: Option<&CalendarObject>,
        lens: Lens<'_>,
    ) -> Option<String> {
        let wanted = job.link.settings.policy.unsupported_recurrence == UnsupportedRecurrence::Expand;
        // Somebody's own series is not taken apart over there.
        let theirs = mapping.is_some_and(|m| m.origin == Origin::There && m.remote.is_some());
        let shown = shown.filter(|_| wanted && !theirs)?;
        if !shown.index().recurring {
            return None;
        }
        let why = job.up.repeats(shown, lens).err()?.0;
        Some(format!(
            "{why}: its instances of the coming {} days, at most {INSTANCES_MAX}, stand there as single events",
            AHEAD_MS / DAY_MS
        ))
    }

    /// Queues every instance of a series that is to be looked at: those of the coming time, and those that are there.
    pub(super) async fn spread(&self, tx: &mut WriteTx, job: &Job, local: &Local) -> Result<(), Stop> {
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        for id in self.coming(&local.head.id, &local.object) {
            tx.queue_one(firm, link, &id).await?;
        }
        self.look_at_instances(tx, job, &local.head.id).await
    }

    /// Queues every instance of a series that is there.
    pub(super) async fn look_at_instances(&self, tx: &mut WriteTx, job: &Job, series: &ObjectId) -> Result<(), Stop> {
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        for id in tx.mapped_instances(firm, link, series).await? {
            tx.queue_one(firm, link, &id).await?;
        }
        Ok(())
    }

    /// Queues what has come into the time that is carried.
    pub(super) async fn roll(&self, job: &Job) -> Result<(), Stop> {
        let settings = &job.link.settings;
        if !settings.direction.pushes()
            || !job.up.writable()
            || settings.policy.unsupported_recurrence != UnsupportedRecurrence::Expand
        {
            return Ok(());
        }
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        let mut tx = self.held(job).await?;
        for series in tx.expanded_series(firm, link, SERIES_MAX).await? {
            let Some(local) = self.local(&mut tx, job, &series).await? else { continue };
            let known = tx.mapped_instances(firm, link, &series).await?;
            for id in self.coming(&series, &local.object).into_iter().filter(|id| !known.contains(id)) {
                tx.queue_one(firm, link, &id).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    fn coming(&self, series: &ObjectId, object: &CalendarObject) -> Vec<ObjectId> {
        let now = self.store().now();
        let window = Window { from: now.plus_ms(-BACK_MS), to: now.plus_ms(AHEAD_MS) };
        let instances = Series::of(object).expand(window, &Zone::Utc).instances;
        let slots = instances.iter().filter_map(|instance| Some(instance.recurrence_id?.at));
        slots.take(INSTANCES_MAX).map(|slot| apart::name(series, slot)).collect()
    }

    /// An instance as the object that it would be; `None`: its series is gone, or has it no more.
    pub(super) async fn local_instance(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        id: &ObjectId,
        (series, slot): (ObjectId, Instant),
    ) -> Result<Option<Local>, Stop> {
        let found = tx.object_by_id(&job.caller, &series, Right::Read).await?;
        let Some((_, stored)) = found.filter(|(access, _)| access.calendar() == job.access.calendar()) else {
            return Ok(None);
        };
        let cause = tx.present_cause(&job.lease.firm, &series).await?;
        let whole = local_of(stored, cause.and_then(|c| c.link))?;
        let Some(found) = Occurrence::find(&whole.object, slot, &Zone::Utc) else { return Ok(None) };
        let uid = format!("{}-{}", whole.object.uid(), slot.ms());
        let Some(bytes) = single(&whole.object, &found, &uid) else { return Ok(None) };
        let object = CalendarObject::from_stored(bytes).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        let mut head = whole.head;
        head.id = id.clone();
        Ok(Some(Local { head, object, by_link: whole.by_link }))
    }

    /// What the link shows of an instance: what it shows of its series decides, and what the instance itself says of its
    /// time and privacy. `None`: nothing, or the series can stand there as a whole.
    pub(super) async fn shown_instance(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        local: &Local,
        series: &ObjectId,
        lens: Lens<'_>,
    ) -> Result<Option<CalendarObject>, Stop> {
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        let policy = &job.link.settings.policy;
        let Some(whole) = self.local(tx, job, series).await? else { return Ok(None) };
        let mapping = tx.mapping_of_object(firm, link, series).await?;
        let facts = &whole.head.facts;
        let contact = self.contact(tx, job, facts).await?;
        let known = |id| project::Known { id, facts, client_contact: contact.as_deref() };
        if !project::wants(policy, &whole.object, series, facts).is_wanted() {
            return Ok(None);
        }
        let shown = project::outgoing(policy, &whole.object, &known(series));
        if self.why_apart(job, mapping.as_ref(), shown.as_ref(), lens).is_none() {
            return Ok(None);
        }
        // The rest of the filters was asked about the series.
        let (from_ms, until_ms) = (policy.filters.from_ms, policy.filters.until_ms);
        let own = LinkPolicy { filters: Filters { from_ms, until_ms, ..Filters::default() }, ..policy.clone() };
        let Some(single) = as_private_as(&whole.object, &local.object) else { return Ok(None) };
        if !project::wants(&own, &single, series, facts).is_wanted() {
            return Ok(None);
        }
        Ok(project::outgoing(policy, &single, &known(&local.head.id)))
    }

    /// Whether a series' own mapping lets its instances take its place.
    pub(super) fn may_be_apart(mapping: &Mapping) -> bool {
        match &mapping.state {
            MappingState::Synced | MappingState::Tombstoned => true,
            MappingState::Parked(reason) => matches!(
                reason,
                ParkReason::Refused { .. } | ParkReason::RewriteLoop | ParkReason::Withdrawn | ParkReason::Expanded
            ),
            MappingState::Pushing { .. }
            | MappingState::Unsure { .. }
            | MappingState::Conflict
            | MappingState::Detached => false,
        }
    }

    /// Writes what became of an instance into its series: `None`, that it is left out.
    pub(super) async fn put_instance(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        local: &Local,
        (series, slot): (ObjectId, Instant),
        object: Option<&CalendarObject>,
    ) -> Result<Result<PutOutcome, String>, Stop> {
        let Some(whole) = self.local(tx, job, &series).await? else {
            return Ok(Err("its series is gone here".to_owned()));
        };
        let now = tx.now();
        let written = Occurrence::find(&whole.object, slot, &Zone::Utc).and_then(|found| match object {
            Some(object) => replaced(&whole.object, &found, object),
            None => cancel_instance(&whole.object, &found, now),
        });
        let Some(changed) = written.and_then(|bytes| CalendarObject::parse(bytes).ok()) else {
            return Ok(Err("it cannot be changed here without those that follow".to_owned()));
        };
        self.run_of(tx, job).await?;
        let cause = self.cause(job);
        let guard = Guard::exactly(whole.head.etag.clone());
        let put = tx.write_object(&job.access, &whole.head.name, &changed, &guard, &cause, Writing::default()).await?;
        Ok(Ok(PutOutcome { id: local.head.id.clone(), ..put }))
    }
}

/// An instance no less private than its series: an override that says nothing of that is not public by it.
fn as_private_as(series: &CalendarObject, single: &CalendarObject) -> Option<CalendarObject> {
    let is_open = |class: &Property| class.value().trim().eq_ignore_ascii_case("PUBLIC");
    let Some(class) = series.master().and_then(|m| m.property("CLASS")).filter(|class| !is_open(class)) else {
        return Some(single.clone());
    };
    let mut document = single.document().clone();
    for component in document.calendar_mut()?.components_mut().filter(|c| c.is("VEVENT")) {
        if component.property("CLASS").is_none_or(is_open) {
            component.set(class.clone());
        }
    }
    CalendarObject::parse(document.to_bytes()).ok()
}
