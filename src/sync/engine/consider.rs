//! One object looked at: what the link shows of it, and what would be sent for it now. Runs and previews look alike.

use super::expand::ShownInstance;
use super::send::{Send, Why, returned, send};
use super::whole::seen;
use super::{Engine, Job, Stop};
use crate::domain::appointment::Facts;
use crate::domain::object::CalendarObject;
use crate::domain::sync::{MappingState, ParkReason, apart};
use crate::store::{Mapping, Outgoing as Waiting, WriteTx};
use crate::sync::decide::Local;
use crate::sync::project;

/// What is told besides of a series that its instances do not take the place of.
const GUESTS: &str = "; its instances do not take its place, since its guests would be told that it is cancelled";

/// What was found when an object was looked at.
pub(super) struct Considered {
    pub(super) mapping: Mapping,
    pub(super) local: Option<Local>,
    pub(super) shown: Option<CalendarObject>,
    pub(super) sending: Send,
    /// Why its instances are to stand there by themselves.
    pub(super) apart: Option<String>,
}

impl Engine {
    /// Looks at one object: what would be sent for it now, and with what.
    pub(super) async fn consider(&self, tx: &mut WriteTx, job: &Job, waiting: &Waiting) -> Result<Considered, Stop> {
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        let mapping = tx.mapping_of_object(firm, link, &waiting.object).await?;
        let local = self.local(tx, job, &waiting.object).await?;
        let policy = self.policy_of(job, mapping.as_ref(), local.as_ref());
        let policy = policy.as_ref();
        let facts = local.as_ref().map_or_else(Facts::default, |l| l.head.facts.clone());
        let contact = self.contact(tx, job, &facts).await?;
        let known = project::Known { id: &waiting.object, facts: &facts, client_contact: contact.as_deref() };
        let marked = self.mark_for(tx, job, &waiting.object).await?;
        let mut ground = self.ground(job, &marked, None);
        let instance = apart::parts(&waiting.object);
        // Nobody is invited to a series once for each of its instances.
        ground.lens.attendees_live &= instance.is_none();
        let mut in_series = false;
        let shown = match (&local, &instance) {
            (Some(l), Some((series, _))) => {
                match Box::pin(self.shown_instance(tx, job, l, series, ground.lens)).await? {
                    ShownInstance::Apart(shown) => Some(*shown),
                    ShownInstance::InSeries => {
                        in_series = true;
                        None
                    }
                    ShownInstance::No => None,
                }
            }
            (Some(l), None) if project::wants(policy, &l.object, &l.head.id, &facts).is_wanted() => {
                project::outgoing(policy, &l.object, &known)
            }
            _ => None,
        };
        let shown = match (shown, &mapping, &local) {
            (Some(shown), Some(mapping), Some(local)) => returned(&ground, policy, mapping, local, shown),
            (shown, ..) => shown,
        };
        let apart = match &instance {
            None => {
                let seen = shown.as_ref().filter(|s| s.index().recurring).map(|s| seen(job, s.clone(), ground.lens));
                self.why_apart(tx, job, mapping.as_ref(), seen.as_ref(), ground.lens).await?
            }
            Some(_) => None,
        };
        let apart = apart.filter(|_| mapping.as_ref().is_none_or(Engine::may_be_apart));
        let shown = shown.filter(|_| apart.is_none());
        let undone = mapping.as_ref().is_some_and(|m| m.state == MappingState::Parked(ParkReason::Undone));
        // Nobody but somebody's edit changes what an instance says, though its row is the series'.
        let by_user = waiting.by_user || (instance.is_some() && undone);
        let sending = send(&ground, mapping.as_ref(), local.as_ref(), shown.as_ref(), by_user);
        let sending = match (sending, &mapping) {
            (Send::Delete(Why::Withdrawn), _) if apart.is_some() => Send::Delete(Why::Expanded),
            // Once as a series and once by itself it would be there twice.
            (Send::Create(_), Some(known)) if instance.is_none() && self.may_wait(tx, job, known).await? => Send::Wait,
            (Send::Done | Send::Stay(_), Some(known)) if in_series && known.is_there() => Send::Delete(Why::Withdrawn),
            (Send::Park(ParkReason::Refused { class, reason }), Some(known)) if self.stays_for_guests(job, known) => {
                Send::Park(ParkReason::Refused { class, reason: format!("{reason}{GUESTS}") })
            }
            (sending, _) => sending,
        };
        let mapping = mapping.unwrap_or_else(|| self.unborn(tx, local.as_ref()));
        Ok(Considered { mapping, local, shown, sending, apart })
    }
}
