//! What becomes of a manager's order, told where it becomes so: by the process that carries it out, by whoever works on the
//! link, or, where nobody will any more, by who finds it.

use std::convert::Infallible;
use std::time::Duration;

use super::{Engine, Job};
use crate::domain::ids::{FirmId, OrderId};
use crate::domain::sync::RunStatus;
use crate::store::{Lease, Link, OrderPart, Outcome, StoreError, Waits, WriteTx};
use crate::sync::desk::{Anew, Ask, DeskError};

/// How long somebody who asked waits for the end before they are told that it is under way.
const ANSWER_AFTER: Duration = Duration::from_secs(20);

/// Who tells of an order what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Teller {
    /// Whoever carries it out.
    Carrier,
    /// The work on each of its links.
    Links,
}

fn outcome_of(anew: &Anew) -> Outcome {
    Outcome { status: anew.status, synced: anew.synced, why: anew.why.clone() }
}

impl Engine {
    /// Waits for the work's end, but not for ever: it goes on by itself. Its end is told either way, also where whoever
    /// asked has hung up.
    pub(super) async fn in_time(
        &self,
        firm: &FirmId,
        ask: &Ask,
        work: impl Future<Output = Result<(Anew, Teller), DeskError>> + std::marker::Send + 'static,
    ) -> Result<Anew, DeskError> {
        let (engine, firm, order) = (self.clone(), firm.clone(), ask.order.clone());
        let mut work = tokio::spawn(async move {
            let Some(order) = order else { return work.await.map(|(anew, _)| anew) };
            let done = engine.beside(&firm, &order, work).await;
            let outcome = match &done {
                Ok((anew, Teller::Carrier)) => Some(outcome_of(anew)),
                Ok((_, Teller::Links)) => None,
                Err(error) => Some(Outcome::failed(error.to_string())),
            };
            engine.end_part(&firm, &OrderPart::of_carrier(order), outcome).await?;
            done.map(|(anew, _)| anew)
        });
        match tokio::time::timeout(ANSWER_AFTER, &mut work).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(DeskError::Closed),
            Err(_) => Ok(Anew { status: RunStatus::Running, ..Anew::begun(&ask.correlation_id) }),
        }
    }

    /// Carries an order out, and says all the while that somebody is at it.
    async fn beside<T>(&self, firm: &FirmId, order: &OrderId, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = work => done,
            never = self.hold_order(firm, order) => match never {},
        }
    }

    async fn hold_order(&self, firm: &FirmId, order: &OrderId) -> Infallible {
        loop {
            tokio::time::sleep(self.beat).await;
            if let Err(error) = self.keep_order(firm, order).await {
                tracing::warn!(%error, "an order was not prolonged");
            }
        }
    }

    async fn keep_order(&self, firm: &FirmId, order: &OrderId) -> Result<(), StoreError> {
        let mut tx = self.store().write().await?;
        tx.keep_order(firm, order).await?;
        tx.commit().await
    }

    async fn end_part(&self, firm: &FirmId, part: &OrderPart, outcome: Option<Outcome>) -> Result<(), StoreError> {
        let mut tx = self.store().write().await?;
        tx.end_order(firm, part, outcome).await?;
        tx.commit().await
    }

    /// Has the work on a link end a part of the order, if there is one.
    pub(super) async fn order_of_link(
        &self,
        tx: &mut WriteTx,
        (ask, link): (&Ask, &Link),
        lease: Option<&Lease>,
        waits: Waits<'_>,
    ) -> Result<(), StoreError> {
        match &ask.order {
            Some(order) => tx.order_of_link((&link.firm, order, &link.id), lease, waits).await,
            None => Ok(()),
        }
    }

    /// What the work on a link came to that we did ourselves. One that goes on is told of by who goes on with it.
    pub(super) async fn told_of_link(&self, ask: &Ask, link: &Link, anew: &Anew) -> Result<(), StoreError> {
        match &ask.order {
            Some(order) if anew.status != RunStatus::Running => {
                let part = OrderPart { order: order.clone(), link: link.id.clone() };
                self.end_part(&link.firm, &part, Some(outcome_of(anew))).await
            }
            _ => Ok(()),
        }
    }

    /// Ends the parts of orders that nobody ends any more: their carrier is gone, or their link works no more.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_left_orders(&self) -> Result<(), StoreError> {
        let left = self.store().read().await?.left_orders().await?;
        for one in left {
            self.end_part(&one.firm, &one.part, one.outcome).await?;
        }
        Ok(())
    }

    /// Tells those who wait for a listing of this link how it ended.
    pub(super) async fn tell_of_listing(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        status: RunStatus,
        why: Option<&str>,
    ) -> Result<(), StoreError> {
        let parts = tx.orders_of_listing(&job.lease).await?;
        if parts.is_empty() {
            return Ok(());
        }
        let counts = tx.count_mappings(&job.lease.firm, &job.lease.link).await?;
        let synced = if status == RunStatus::Failed { 0 } else { u64::try_from(counts.live).unwrap_or(0) };
        let outcome = Outcome { status, synced, why: why.map(str::to_owned) };
        for part in parts {
            tx.end_order(&job.lease.firm, &part, Some(outcome.clone())).await?;
        }
        Ok(())
    }
}
