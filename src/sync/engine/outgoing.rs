//! What goes with one object on its way out: its key, its mark, whom it may invite, and the decision it waits for.

use std::borrow::Cow;

use super::{Engine, Job, Stop};
use crate::domain::appointment::Facts;
use crate::domain::ids::{ObjectId, UserId};
use crate::domain::object::CalendarObject;
use crate::domain::sync::{AttemptKind, LinkPolicy, MappingState, Origin, PrivatePolicy, RemoteId, Way, apart};
use crate::domain::time::Instant;
use crate::store::{Mapping, NewAttempt, Outgoing as Waiting, WriteTx};
use crate::sync::decide::{Heard, Local, heard};
use crate::sync::merge::Prefer;
use crate::sync::{conflict, mark, project};
use crate::upstream::Failure;

/// What is told of an event that is private since somebody said so there, by how the link shows what is private.
const TAKEN_AWAY: &str = "somebody made it private there, and this link shows nothing private: it was taken away there and \
     is kept here";
const MASKED: &str = "somebody made it private there, and this link masks what is private: there it says no more than that \
     the time is taken";

/// What an edit made of an object: all of it, and what goes out.
#[derive(Clone, Copy)]
pub(super) struct Edit<'a> {
    /// The mapping, with what both sides agreed on.
    pub(super) mapping: &'a Mapping,
    /// The object; `None`: it was deleted.
    pub(super) local: Option<&'a Local>,
    /// What the link shows of it.
    pub(super) shown: Option<&'a CalendarObject>,
}

impl Engine {
    /// Decides a conflict anew: this side changed, or somebody decided.
    pub(super) async fn judge(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        mut mapping: Mapping,
        local: Option<Local>,
    ) -> Result<(), Stop> {
        let decided = tx.decision(&job.lease.firm, &job.lease.link, &mapping.id).await?;
        let item = mapping.seen_item.clone();
        let prefer: Option<Prefer> = decided.as_ref().map(|conflict| match (&item, &local) {
            (Some(item), Some(local)) => conflict::prefer(conflict, &self.ground(job, "", None), local, item),
            _ => conflict::prefer_blind(conflict),
        });
        if prefer.is_some() {
            mapping.cool_until = Some(self.cool_down());
        }
        let heard_of = item.as_ref().map_or(Heard::Gone, Heard::Item);
        let act = {
            let ground = self.ground(job, "", prefer.as_ref());
            heard(&ground, Some(&mapping), local.as_ref(), heard_of)
        };
        self.act(tx, job, mapping, local, item.as_ref(), act).await
    }

    pub(super) fn unborn(&self, tx: &WriteTx, local: Option<&Local>) -> Mapping {
        Mapping {
            id: tx.new_mapping_id(),
            object: local.map(|l| l.head.id.clone()),
            remote: None,
            state: MappingState::Synced,
            origin: Origin::Here,
            base_version: 0,
            base: None,
            base_item: None,
            seen_item: None,
            generation: 0,
            rewrites: (0, tx.now()),
            cool_until: None,
            warnings: Vec::new(),
        }
    }

    /// The key under which a link creates an object's item: the same after a crash, and nobody else's.
    pub(super) fn create_key(&self, job: &Job, object: &ObjectId) -> String {
        hex::encode(self.store().hash("create key", &format!("{}|{object}", job.link.id)))
    }

    /// The mark that an object's items carry: the one it came with, so that it is known wherever it goes on to.
    pub(super) async fn mark_for(&self, tx: &mut WriteTx, job: &Job, object: &ObjectId) -> Result<String, Stop> {
        for (link, mapping) in tx.links_of_object(&job.lease.firm, object).await? {
            let root = mapping.base_item.as_ref().filter(|_| link != job.lease.link && mapping.origin == Origin::There);
            let Some(item) = root else { continue };
            if let Some(root) = job.up.mark(item).filter(|m| mark::verified(self.store(), m).is_some()) {
                return Ok(root);
            }
        }
        Ok(mark::of(self.store(), object))
    }

    /// The policy as it applies to one object. What is private over there, and came from there, is the other account's own
    /// and no secret of this side's: what is changed of it here goes back to where it came from.
    pub(super) fn policy_of<'a>(
        &self,
        job: &'a Job,
        mapping: Option<&Mapping>,
        local: Option<&Local>,
    ) -> Cow<'a, LinkPolicy> {
        let policy = &job.link.settings.policy;
        let theirs = mapping.filter(|m| m.origin == Origin::There).and_then(|m| m.base_item.as_ref());
        let (Some(item), Some(_)) = (theirs, local.filter(|l| project::hides(policy, &l.object))) else {
            return Cow::Borrowed(policy);
        };
        match job.up.put(item, None, self.ground(job, "", None).lens) {
            Ok(there) if project::hides(policy, &there) => {
                Cow::Owned(LinkPolicy { private: PrivatePolicy::Include, ..policy.clone() })
            }
            _ => Cow::Borrowed(policy),
        }
    }

    /// What is told of an event from here that somebody made private there, where the link does not show what is private.
    pub(super) fn made_private(&self, job: &Job, mapping: &Mapping, local: Option<&Local>) -> Option<String> {
        let policy = &job.link.settings.policy;
        let local = local.filter(|_| mapping.origin == Origin::Here)?;
        let by_them = local.by_link.as_deref() == Some(job.lease.link.as_str());
        (by_them && project::hides(policy, &local.object)).then(|| match policy.private {
            PrivatePolicy::Mask => MASKED.to_owned(),
            PrivatePolicy::Exclude | PrivatePolicy::Include => TAKEN_AWAY.to_owned(),
        })
    }

    /// The client's name and address for the description, where the link includes them.
    pub(super) async fn contact(&self, tx: &mut WriteTx, job: &Job, facts: &Facts) -> Result<Option<String>, Stop> {
        let Some(client) = facts.client_id.as_deref().filter(|_| job.link.settings.policy.include_client_contact)
        else {
            return Ok(None);
        };
        let id = UserId::from_text(client);
        let user = tx.user(&job.lease.firm, &id).await?;
        Ok(user.map(|u| {
            let name = u.display_name.unwrap_or_else(|| u.name.to_string());
            u.email.map_or(name.clone(), |mail| format!("{name} <{mail}>"))
        }))
    }

    /// Whether the call may have guests mailed: only for a user's own edit of what that user organises, on a link that
    /// carries attendees live, and nobody twice. The ledger's rows are there before the call.
    ///
    /// A provider that tells guests of every change takes an organiser's own edit with that or not at all, also where it
    /// is no new revision; it tells them as often as it changes something, and it changes nothing twice.
    pub(super) async fn invites(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        waiting: &Waiting,
        edit: Edit<'_>,
    ) -> Result<bool, Stop> {
        let was = edit.mapping.base.clone().and_then(|bytes| CalendarObject::from_stored(bytes).ok());
        let told = edit.local.map(|l| &l.object).or(was.as_ref());
        let Some(object) = told.filter(|_| waiting.by_user && job.link.settings.policy.invite_attendees) else {
            return Ok(false);
        };
        // Somebody else's meeting: its organiser has invited, and nobody is invited to it from here.
        let user = tx.user(&job.lease.firm, &job.link.user).await?;
        let own = [Some(job.account.connection.account.clone()), user.and_then(|user| user.email)];
        if !project::is_organised_by(object, &own.into_iter().flatten().collect::<Vec<_>>()) {
            return Ok(false);
        }
        let always = job.up.tells_guests_always();
        let invited = edit.shown.map(|shown| (shown.uid(), project::invitations(shown))).unwrap_or_default();
        let mut any = self.note_mails(tx, job, &invited.1, invited.0, "REQUEST").await?;
        if let Some(was) = was.as_ref().filter(|_| always) {
            let kept = |one: &project::Invitation| invited.1.iter().any(|other| other.recipient == one.recipient);
            let mut gone = project::invitations(was);
            gone.retain(|one| !kept(one));
            any |= self.note_mails(tx, job, &gone, was.uid(), "CANCEL").await?;
        }
        Ok(any || always)
    }

    /// Notes who is going to be mailed what; whether somebody is who was not.
    async fn note_mails(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        invitations: &[project::Invitation],
        uid: &str,
        method: &str,
    ) -> Result<bool, Stop> {
        let mut any = false;
        for invitation in invitations {
            let what = (uid, invitation.recurrence_id.as_str(), invitation.sequence);
            any |= tx.note_mail(&job.lease.firm, what, &invitation.recipient, method).await?;
        }
        Ok(any)
    }

    pub(super) fn attempt(
        &self,
        operation: AttemptKind,
        waiting: &Waiting,
        remote: Option<&RemoteId>,
        failure: Option<&Failure>,
        started: Instant,
    ) -> NewAttempt {
        NewAttempt {
            operation,
            way: Way::Push,
            object: Some(apart::whole(&waiting.object)),
            remote: remote.map(|r| r.0.clone()),
            failure: failure.map(|f| (f.class(), f.to_string())),
            retry_count: waiting.tries,
            next_retry: None,
            max_retries_reached: false,
            started,
        }
    }
}
