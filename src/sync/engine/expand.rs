//! Series that a provider cannot repeat: their instances of the coming time stand there as events of their own.
//!
//! An instance is carried as any object is, under a name made of its series and its slot ([`apart`]): its own mapping, its
//! own intent, its own key. What is changed of it there becomes an override here, what is removed there is left out here as
//! the link's delete policy says. It is there while its series is, while the link shows it, and while the provider cannot
//! repeat the series; the series' own mapping remembers that it is expanded.

use super::apply::local_of;
use super::consider::Considered;
use super::record::Deed;
use super::send::{Send, WAITS};
use super::whole::{Seen, as_private_as, seen};
use super::{Engine, Job, Stop};
use crate::domain::appointment::{Occurrence, cancel_instance, replaced};
use crate::domain::change::Guard;
use crate::domain::ids::ObjectId;
use crate::domain::object::CalendarObject;
use crate::domain::recurrence::{Series, Window};
use crate::domain::sync::{
    Filters, LinkPolicy, MappingState, Origin, ParkReason, Snapshot, UnsupportedRecurrence, apart,
};
use crate::domain::time::{DAY_MS, Instant};
use crate::ics::zone::Zone;
use crate::store::{Mapping, Outgoing, PutOutcome, WriteTx, Writing};
use crate::sync::decide::{Act, Local};
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

/// What is told where an instance has no attendees, and the link invites.
const UNINVITED: &str = ", to which its guests are not invited";
/// What is told of a series that could stand there as a whole, and does not.
const INVITED_APART: &str = "somebody is invited there to one of its single events, and would be told that it is cancelled: \
     its instances go on standing there as single events";

/// The same of one that a person has to decide about.
const DECIDED_APART: &str =
    "one of its single events there waits for a decision: its instances go on standing there as single events";
/// The same of one that the provider would not take away.
const KEPT_APART: &str =
    "one of its single events there could not be taken away: its instances go on standing there as single events";
/// What is told of a single event that the provider would not take away.
pub(super) const KEPT: &str = "the single event was not taken away there";

/// What a link shows of an instance.
pub(super) enum ShownInstance {
    /// This, as an event of its own.
    Apart(Box<CalendarObject>),
    /// Its series stands there as a whole, or is about to.
    InSeries,
    /// Nothing.
    No,
}

impl Engine {
    /// Why the instances of a series are to stand there by themselves; `None`: they are not.
    pub(super) async fn why_apart(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        mapping: Option<&Mapping>,
        seen: Option<&Seen>,
        lens: Lens<'_>,
    ) -> Result<Option<String>, Stop> {
        // Somebody's own series is not taken apart over there.
        let theirs = mapping.is_some_and(|m| m.origin == Origin::There && m.remote.is_some());
        let Some((shown, fits)) = seen.filter(|(shown, _)| !theirs && shown.index().recurring) else { return Ok(None) };
        match fits {
            Err(_) if !self.expands(job) || mapping.is_some_and(|m| self.stays_for_guests(job, m)) => Ok(None),
            Err(why) => {
                let uninvited =
                    if lens.attendees_live && !project::invitations(shown).is_empty() { UNINVITED } else { "" };
                Ok(Some(format!(
                    "{}: its instances of the coming {} days, at most {INSTANCES_MAX}, stand there as single events{uninvited}",
                    why.0,
                    AHEAD_MS / DAY_MS
                )))
            }
            Ok(()) => match mapping.filter(|m| m.state == MappingState::Parked(ParkReason::Expanded)) {
                Some(Mapping { object: Some(series), .. }) => {
                    let there = tx.instances_there(&job.lease.firm, &job.lease.link, series).await?;
                    Ok(self.why_stays_apart(job, shown, &there).map(str::to_owned))
                }
                _ => Ok(None),
            },
        }
    }

    fn expands(&self, job: &Job) -> bool {
        job.link.settings.policy.unsupported_recurrence == UnsupportedRecurrence::Expand
    }

    /// Whether a series that its instances would take the place of stays as it stands there: somebody is invited to it, and
    /// would hear that it is cancelled.
    pub(super) fn stays_for_guests(&self, job: &Job, series: &Mapping) -> bool {
        self.expands(job) && series.is_there() && self.has_guests(job, series)
    }

    fn has_guests(&self, job: &Job, mapping: &Mapping) -> bool {
        let ground = self.ground(job, "", None);
        let lens = Lens { attendees_live: true, ..ground.lens };
        let said = mapping.base_item.as_ref().and_then(|item| job.up.put(item, None, lens).ok());
        said.is_some_and(|object| !project::invitations(&object).is_empty())
    }

    /// Why a series that could stand there as a whole goes on standing there as its instances: one of those does not go, and
    /// the series would have that one twice.
    fn why_stays_apart(&self, job: &Job, series: &CalendarObject, there: &[Mapping]) -> Option<&'static str> {
        let with_guests = there.iter().any(|one| self.has_guests(job, one));
        let mut held = there.iter().filter(|one| has_slot_of(series, one)).filter_map(does_not_go);
        with_guests.then_some(INVITED_APART).or_else(|| held.next())
    }

    /// Whether a series that is to stand there as a whole would have one of its instances there twice by now.
    async fn is_there_apart(&self, tx: &mut WriteTx, job: &Job, series: &ObjectId) -> Result<bool, Stop> {
        let there = tx.instances_there(&job.lease.firm, &job.lease.link, series).await?;
        if there.is_empty() {
            return Ok(false);
        }
        let Some(whole) = self.whole(tx, job, series).await? else { return Ok(true) };
        // One that stays and that the series does not have any more is nobody's double.
        Ok(there.iter().any(|one| does_not_go(one).is_none() || has_slot_of(&whole.local.object, one)))
    }

    /// Whether a series that waits for its instances, or stays apart for one of them, is to be looked at once more.
    async fn may_be_whole(&self, tx: &mut WriteTx, job: &Job, series: &ObjectId) -> Result<bool, Stop> {
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        let Some(mapping) = tx.mapping_of_object(firm, link, series).await? else { return Ok(false) };
        let tells = |what: &str| mapping.warnings.iter().any(|told| told == what);
        if !tells(WAITS) && !tells(INVITED_APART) && !tells(DECIDED_APART) {
            return Ok(false);
        }
        let Some(whole) = self.whole(tx, job, series).await? else { return Ok(false) };
        let there = tx.instances_there(firm, link, series).await?;
        let object = &whole.local.object;
        let theirs = mapping.origin == Origin::There && mapping.remote.is_some();
        let stays = !theirs && object.index().recurring && self.why_stays_apart(job, object, &there).is_some();
        Ok(if tells(WAITS) { stays || !self.is_there_apart(tx, job, series).await? } else { !stays })
    }

    /// Whether a series that is to stand there as a whole has to wait, because its instances do by themselves.
    pub(super) async fn may_wait(&self, tx: &mut WriteTx, job: &Job, mapping: &Mapping) -> Result<bool, Stop> {
        let Some(series) = &mapping.object else { return Ok(false) };
        let was_apart = matches!(
            mapping.state,
            MappingState::Parked(ParkReason::Expanded | ParkReason::Undone) | MappingState::Tombstoned
        );
        Ok(was_apart && self.is_there_apart(tx, job, series).await?)
    }

    /// Has a series wait for its instances to go, with whatever its row says of it: a person's edit stays one.
    pub(super) async fn wait_for_instances(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        waiting: &Outgoing,
        mut mapping: Mapping,
    ) -> Result<(), Stop> {
        mapping.state = MappingState::Parked(ParkReason::Expanded);
        mapping.warnings = vec![WAITS.to_owned()];
        tx.put_mapping(&job.lease, &mapping).await?;
        tx.put_off(&job.lease, waiting, (0, tx.now().plus_ms(AHEAD_MS)), None).await?;
        job.waits.insert(waiting.object.clone());
        Ok(())
    }

    /// Queues the series that waited for what has become of their instances. `false`: there are none.
    pub(super) async fn bring_whole(&self, job: &mut Job) -> Result<bool, Stop> {
        let waits = std::mem::take(&mut job.waits);
        if waits.is_empty() {
            return Ok(false);
        }
        let (mut tx, mut any) = (self.held(job).await?, false);
        for series in waits {
            if self.may_be_whole(&mut tx, job, &series).await? {
                tx.queue_one(&job.lease.firm, &job.lease.link, &series).await?;
                any = true;
            }
        }
        tx.commit().await?;
        Ok(any)
    }

    /// Notes how a series is to stand there, and queues the instances that this concerns.
    pub(super) async fn stand(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        id: &ObjectId,
        considered: &mut Considered,
    ) -> Result<(), Stop> {
        let Considered { mapping, local, sending, apart, .. } = considered;
        let is_done = matches!(sending, Send::Done);
        match (&*apart, &*local) {
            (Some(why), Some(local)) => {
                mapping.warnings = vec![why.clone()];
                // Its instances wait until it is gone.
                if is_done {
                    mapping.state = MappingState::Parked(ParkReason::Expanded);
                    tx.put_mapping(&job.lease, mapping).await?;
                    self.spread(tx, job, local).await?;
                }
            }
            // It stands there as a whole again, or not at all.
            _ if mapping.state == MappingState::Parked(ParkReason::Expanded) => {
                self.look_at_instances(tx, job, id).await?;
                mapping.warnings.clear();
                if is_done {
                    tx.put_mapping(&job.lease, mapping).await?;
                }
            }
            _ => {}
        }
        Ok(())
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

    /// Queues what has come into the time that is carried, and the series that stand there apart without need.
    pub(super) async fn roll(&self, job: &Job) -> Result<(), Stop> {
        if !job.link.settings.direction.pushes() || !job.up.writable() {
            return Ok(());
        }
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        let mut tx = self.held(job).await?;
        for series in tx.expanded_series(firm, link, SERIES_MAX).await? {
            let Some(local) = self.local(&mut tx, job, &series).await? else { continue };
            if self.may_be_whole(&mut tx, job, &series).await? {
                tx.queue_one(firm, link, &series).await?;
                continue;
            }
            let Some(mapping) = tx.mapping_of_object(firm, link, &series).await? else { continue };
            if mapping.warnings.iter().any(|told| told == WAITS) {
                continue;
            }
            if !self.expands(job) {
                continue;
            }
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

    /// The instance of a series that is to go out apart which somebody made there already: the same title at the same time.
    pub(super) async fn twin_instance(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        title: &str,
        theirs: &CalendarObject,
    ) -> Result<Option<Local>, Stop> {
        let settings = &job.link.settings;
        if !self.expands(job) || !settings.direction.pushes() || !job.up.writable() {
            return Ok(None);
        }
        let times = |object| {
            Series::of(object).expand(Window::ALL, &Zone::Utc).instances.first().map(|i| (i.starts.at, i.ends.at))
        };
        let Some((starts, ends)) = times(theirs) else { return Ok(None) };
        let near = Window { from: starts, to: ends };
        let lens = self.ground(job, "", None).lens;
        for stored in tx.unlinked_series(&job.access, &job.lease.link, title, (near.from, near.to)).await? {
            let whole = local_of(stored, None)?;
            let (id, facts) = (&whole.head.id, &whole.head.facts);
            let known = project::Known { id, facts, client_contact: None };
            let wanted = project::wants(&settings.policy, &whole.object, id, facts).is_wanted();
            let shown = project::outgoing(&settings.policy, &whole.object, &known).filter(|_| wanted);
            let seen = shown.map(|shown| seen(job, shown, lens));
            if self.why_apart(tx, job, None, seen.as_ref(), lens).await?.is_none() {
                continue;
            }
            let instances = Series::of(&whole.object).expand(near, &Zone::Utc).instances;
            let same = instances.iter().find(|i| (i.starts.at, i.ends.at) == (starts, ends));
            let Some(slot) = same.and_then(|i| i.recurrence_id) else { continue };
            let name = apart::name(id, slot.at);
            if tx.mapping_of_object(&job.lease.firm, &job.lease.link, &name).await?.is_some() {
                continue;
            }
            if let Some(local) = self.local(tx, job, &name).await?
                && local.object.index().summary.as_deref() == Some(title)
            {
                return Ok(Some(local));
            }
        }
        Ok(None)
    }

    /// What the link shows of an instance: what it shows of its series decides, and what the instance itself says of its
    /// time and privacy. Nothing while the series stands there itself.
    pub(super) async fn shown_instance(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        local: &Local,
        series: &ObjectId,
        lens: Lens<'_>,
    ) -> Result<ShownInstance, Stop> {
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        let policy = &job.link.settings.policy;
        let Some(whole) = self.whole(tx, job, series).await? else { return Ok(ShownInstance::No) };
        let mapping = tx.mapping_of_object(firm, link, series).await?;
        let facts = &whole.local.head.facts;
        let contact = self.contact(tx, job, facts).await?;
        let known = |id| project::Known { id, facts, client_contact: contact.as_deref() };
        let seen = whole.seen(job, contact.as_deref(), lens);
        if self.why_apart(tx, job, mapping.as_ref(), seen, lens).await?.is_none() {
            let as_whole = seen.is_some_and(|(_, fits)| fits.is_ok());
            return Ok(if as_whole { ShownInstance::InSeries } else { ShownInstance::No });
        }
        if mapping.is_none_or(|m| m.state != MappingState::Parked(ParkReason::Expanded)) {
            return Ok(ShownInstance::No);
        }
        // The rest of the filters was asked about the series.
        let (from_ms, until_ms) = (policy.filters.from_ms, policy.filters.until_ms);
        let own = LinkPolicy { filters: Filters { from_ms, until_ms, ..Filters::default() }, ..policy.clone() };
        let Some(single) = as_private_as(&whole.local.object, &local.object) else { return Ok(ShownInstance::No) };
        if !project::wants(&own, &single, series, facts).is_wanted() {
            return Ok(ShownInstance::No);
        }
        let shown = project::outgoing(policy, &single, &known(&local.head.id));
        Ok(shown.map_or(ShownInstance::No, |shown| ShownInstance::Apart(Box::new(shown))))
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

    /// An instance that somebody made a series of there: here it is one of its own as well, and its series is left without it.
    pub(super) async fn set_free(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        mut mapping: Mapping,
        local: &Local,
        instance: (ObjectId, Instant),
        (object, item): (CalendarObject, Option<&Snapshot>),
    ) -> Result<(), Stop> {
        match self.put_instance(tx, job, local, instance, None).await? {
            Err(why) => self.quarantine(tx, job, mapping, item, why).await,
            Ok(left) => {
                let deed = Deed::here("updated", Some(local.head.version), Some(left.version));
                self.note(tx, job, &mapping, deed.because("an instance is a series of its own there")).await?;
                mapping.object = None;
                mapping.warnings.clear();
                let (id, import) = (mapping.id.clone(), Act::Import(Box::new(object)));
                Box::pin(self.act(tx, job, mapping, None, item, import)).await?;
                // What this side had changed of it goes there.
                let freed = tx.mapping(&job.lease.firm, &job.lease.link, &id).await?;
                match freed.and_then(|freed| freed.object) {
                    Some(object) => self.look_again(tx, job, &object).await,
                    None => Ok(()),
                }
            }
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

/// Why an instance that stands there by itself stays, though its series is to take its place; `None`: it goes.
fn does_not_go(one: &Mapping) -> Option<&'static str> {
    match &one.state {
        MappingState::Conflict => Some(DECIDED_APART),
        MappingState::Parked(ParkReason::Refused { reason, .. }) if reason.starts_with(KEPT) => Some(KEPT_APART),
        _ => None,
    }
}

/// Whether an object happens when an instance does, or did before it was moved.
fn has_slot_of(object: &CalendarObject, one: &Mapping) -> bool {
    let Some((_, slot)) = one.object.as_ref().and_then(apart::parts) else { return false };
    if object.index().recurring {
        return Occurrence::find(object, slot, &Zone::Utc).is_some();
    }
    Series::of(object).expand(Window::ALL, &Zone::Utc).instances.iter().any(|only| only.starts.at == slot)
}
