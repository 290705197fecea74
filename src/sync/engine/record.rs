//! What was done, written down in the run that did it: deeds, calls, conflicts, and how the run ended.

use bytes::Bytes;

use super::{Engine, Job, Stop};
use crate::domain::ids::{ConflictId, ObjectId, RunId};
use crate::domain::sync::{AttemptKind, ConflictKind, Resolution, RunStatus, Way, apart};
use crate::domain::time::Instant;
use crate::store::{Conflict, Mapping, NewAttempt, NewAudit, RunItem, StoreError, WriteTx};
use crate::sync::merge::FieldConflict;
use crate::upstream::Failure;

/// Something that was done to one side of a mapping.
#[derive(Debug)]
pub(super) struct Deed<'a> {
    way: Way,
    action: &'a str,
    before: Option<i64>,
    was: Option<Bytes>,
    after: Option<i64>,
    why: Option<String>,
}

impl<'a> Deed<'a> {
    /// Done to this side, which had one version and has another.
    pub(super) fn here(action: &'a str, before: Option<i64>, after: Option<i64>) -> Deed<'a> {
        Deed { way: Way::Pull, action, before, was: None, after, why: None }
    }

    /// Done to that side, which stood for one version and stands for another.
    pub(super) fn there(action: &'a str, before: Option<i64>, after: Option<i64>) -> Deed<'a> {
        Deed { way: Way::Push, ..Deed::here(action, before, after) }
    }

    /// What that side stood for before, so that it can be brought back.
    pub(super) fn over(self, was: Option<Bytes>) -> Deed<'a> {
        Deed { was, ..self }
    }

    /// Why, without content of the event.
    pub(super) fn because(self, why: impl Into<String>) -> Deed<'a> {
        Deed { why: Some(why.into()), ..self }
    }
}

impl Engine {
    /// The run that records this work, begun when first asked for.
    pub(super) async fn run_of(&self, tx: &mut WriteTx, job: &mut Job) -> Result<RunId, StoreError> {
        if let Some(run) = &job.run {
            return Ok(run.clone());
        }
        let run = tx.begin_run(&job.link, job.kind, &job.account.correlation_id).await?;
        job.run = Some(run.clone());
        Ok(run)
    }

    /// Notes a call in the run.
    pub(super) async fn record(&self, tx: &mut WriteTx, job: &mut Job, attempt: NewAttempt) -> Result<(), StoreError> {
        let run = self.run_of(tx, job).await?;
        let id = tx.add_attempt(&job.link, &run, &job.account.correlation_id, &attempt).await?;
        tracing::debug!(
            correlation_id = job.account.correlation_id,
            connection_id = job.link.connection.as_str(),
            link_id = job.link.id.as_str(),
            appointment_id = attempt.object.as_ref().map(ObjectId::as_str),
            external_event_id = attempt.remote.as_deref(),
            operation = attempt.operation.as_str(),
            outcome = attempt.outcome(),
            error_class = attempt.failure.as_ref().map(|(class, _)| class.as_str()),
            "a call was made"
        );
        if attempt.retry_count > 0 {
            let provider = job.account.connection.provider;
            self.count(|figures| *figures.retries.entry(provider).or_default() += 1);
            let details = serde_json::json!({
                "link_id": job.link.id.as_str(),
                "connection_id": job.link.connection.as_str(),
                "operation": attempt.operation,
                "retry_count": attempt.retry_count,
                "outcome": attempt.outcome(),
            });
            let act = by_system("calendar_sync_retry", id.as_str(), &details, &job.account.correlation_id);
            tx.audit(&job.lease.firm, &act).await?;
        }
        Ok(())
    }

    /// Notes what was done in the run.
    pub(super) async fn note(
        &self,
        tx: &mut WriteTx,
        job: &mut Job,
        mapping: &Mapping,
        deed: Deed<'_>,
    ) -> Result<(), Stop> {
        let run = self.run_of(tx, job).await?;
        let item = RunItem {
            run,
            number: 0,
            link: job.lease.link.clone(),
            object: mapping.object.as_ref().map(apart::whole),
            remote: mapping.remote.as_ref().map(|r| r.0.clone()),
            way: deed.way,
            action: deed.action.to_owned(),
            before_version: deed.before,
            before: deed.was,
            after_version: deed.after,
            note: deed.why,
            at: tx.now(),
        };
        Ok(tx.add_run_item(&job.lease.firm, &item).await?)
    }

    /// What a conflict about a mapping would say.
    pub(super) fn conflict_of(
        &self,
        tx: &WriteTx,
        job: &Job,
        mapping: &Mapping,
        kind: ConflictKind,
        fields: &[FieldConflict],
    ) -> Conflict {
        Conflict {
            id: ConflictId::from_text(""),
            link: job.lease.link.clone(),
            mapping: mapping.id.clone(),
            user: job.link.user.clone(),
            object: mapping.object.as_ref().map(apart::whole),
            remote: mapping.remote.as_ref().map(|r| r.0.clone()),
            kind,
            fields: fields_json(fields),
            opened: tx.now(),
            resolved: None,
            choices: None,
        }
    }

    /// Closes the open conflict of a mapping whose question has gone away by itself.
    pub(super) async fn close_conflict(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        mapping: &Mapping,
        why: &str,
    ) -> Result<(), Stop> {
        let firm = &job.lease.firm;
        if let Some(open) = tx.open_conflict(firm, &job.lease.link, &mapping.id).await? {
            tx.resolve_conflict(firm, &open.id, Resolution::Merge, None, why).await?;
        }
        Ok(())
    }

    /// Ends the run that records the work, if one was begun.
    pub(super) async fn end(&self, job: &mut Job, stop: Option<&Stop>) -> Result<(), Stop> {
        let Some(run) = job.run.clone() else { return Ok(()) };
        if matches!(stop, Some(Stop::Fenced | Stop::Store(_))) {
            return Ok(()); // whoever goes on ends it
        }
        let summary = stop.map(ToString::to_string).or_else(|| job.left.clone());
        let done = job.totals.pushed + job.totals.pulled + job.totals.deleted;
        let status = match (stop, job.totals.errors) {
            (None, 0) => RunStatus::Success,
            // A run that carried out nothing of what it tried did not half succeed.
            (None, _) if done > 0 => RunStatus::Partial,
            (Some(Stop::Guarded(..)), _) => RunStatus::Partial,
            (Some(_), _) if done > 0 => RunStatus::Partial,
            _ => RunStatus::Failed,
        };
        let mut tx = self.held(job).await?;
        tx.end_run(&job.lease.firm, &run, status, &job.totals, summary.as_deref()).await?;
        if job.hearing.listed {
            let why = summary.as_deref().or((status == RunStatus::Failed).then_some("the run failed"));
            self.tell_of_listing(&mut tx, job, status, why).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// What the engine did by itself.
fn by_system(action: &str, target: &str, details: &serde_json::Value, correlation_id: &str) -> NewAudit {
    NewAudit {
        actor: "system".to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
        details: details.to_string(),
        correlation_id: correlation_id.to_owned(),
        address: String::new(),
    }
}

/// A listing, and how it failed if it did.
pub(super) fn listing(kind: AttemptKind, failure: Option<&Failure>, started: Instant) -> NewAttempt {
    NewAttempt {
        operation: kind,
        way: Way::Pull,
        object: None,
        remote: None,
        failure: failure.map(|f| (f.class(), f.to_string())),
        retry_count: 0,
        next_retry: None,
        max_retries_reached: false,
        started,
    }
}

fn fields_json(fields: &[FieldConflict]) -> String {
    let told: serde_json::Map<_, _> = fields
        .iter()
        .map(|f| {
            let values = serde_json::json!({ "base": f.base, "platform": f.local, "external": f.remote });
            (f.field.to_string(), values)
        })
        .collect();
    serde_json::Value::from(told).to_string()
}
