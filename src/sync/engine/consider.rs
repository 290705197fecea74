//! One object looked at: what the link shows of it, and what would be sent for it now. Runs and previews look alike.

use super::send::{Send, Why, returned, send};
use super::{Engine, Job, Stop};
use crate::domain::appointment::Facts;
use crate::domain::object::CalendarObject;
use crate::domain::sync::apart;
use crate::store::{Mapping, Outgoing as Waiting, WriteTx};
use crate::sync::decide::Local;
use crate::sync::project;

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
        let shown = match (&local, &instance) {
            (Some(l), Some((series, _))) => Box::pin(self.shown_instance(tx, job, l, series, ground.lens)).await?,
            (Some(l), None) if project::wants(policy, &l.object, &l.head.id, &facts).is_wanted() => {
                project::outgoing(policy, &l.object, &known)
            }
            _ => None,
        };
        let shown = match (shown, &mapping, &local) {
            (Some(shown), Some(mapping), Some(local)) => returned(&ground, policy, mapping, local, shown),
            (shown, ..) => shown,
        };
        let mut apart = self.why_apart(job, mapping.as_ref(), shown.as_ref(), ground.lens);
        apart = apart.filter(|_| instance.is_none() && mapping.as_ref().is_none_or(Engine::may_be_apart));
        let shown = shown.filter(|_| apart.is_none());
        let sending = send(&ground, mapping.as_ref(), local.as_ref(), shown.as_ref(), waiting.by_user);
        let sending = match sending {
            Send::Delete(Why::Withdrawn) if apart.is_some() => Send::Delete(Why::Expanded),
            sending => sending,
        };
        let mapping = mapping.unwrap_or_else(|| self.unborn(tx, local.as_ref()));
        Ok(Considered { mapping, local, shown, sending, apart })
    }
}
