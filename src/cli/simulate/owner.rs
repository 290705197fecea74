//! What the owner of a link does about it while everything else goes on: sets it otherwise, lets it rest, has a run undone,
//! ends its connection and takes it up again; and the notices that a provider sends, early, late, doubled, or for nothing.

use super::book::birth_of;
use super::here::text;
use super::world::{Linked, World};
use super::{Fate, Violation};
use crate::domain::ids::FirmId;
use crate::domain::object::CalendarObject;
use crate::domain::sync::{ConnectionStatus, Direction, LinkStatus, PrivatePolicy, RunKind};
use crate::domain::time::HOUR_MS;
use crate::store::{LinkSettings, Run, RunFilter};
use crate::sync::desk::{Desk, Imported};

/// Runs among which one is picked to be undone.
const RUNS: u32 = 6;
/// More deeds and versions than anything has here.
const ITEMS: u32 = 1_000;
/// For so long a request may still follow settings that have changed: the provider's clock is a quarter of an hour off, and
/// a call that was under way ends.
const AFTERGLOW_MS: i64 = HOUR_MS;

impl Linked {
    /// Every way in which it was ever set.
    pub(super) fn ever(&self) -> impl Iterator<Item = &LinkSettings> {
        self.past.iter().map(|(_, settings)| settings).chain([&self.settings])
    }

    /// Whether what is private might be shown as it is at this time.
    pub(super) fn shows_private(&self, at_ms: i64) -> bool {
        let mut since = i64::MIN;
        for (until, settings) in &self.past {
            let then = since.saturating_sub(AFTERGLOW_MS) <= at_ms && at_ms <= until + AFTERGLOW_MS;
            if then && settings.policy.private == PrivatePolicy::Include {
                return true;
            }
            since = *until;
        }
        since.saturating_sub(AFTERGLOW_MS) <= at_ms && self.settings.policy.private == PrivatePolicy::Include
    }

    /// Whether it bent or refused, at any time, what people write there.
    pub(super) fn ever_bent(&self) -> bool {
        self.ever().any(|settings| {
            let policy = &settings.policy;
            !policy.field_mapping.is_empty()
                || policy.omit_notes
                || !policy.filters.rules.is_empty()
                || settings.direction == Direction::Push
        })
    }
}

impl World {
    /// The owner of some link does something about it.
    pub(super) async fn tend(&mut self) -> Fate<()> {
        let at = usize::try_from(self.dice.below(self.links.len() as u64)).unwrap_or(0);
        match self.dice.below(10) {
            0..=2 => self.set_otherwise(at).await,
            3 => self.rest(at).await,
            4..=5 => self.take_back(at).await,
            6 => self.disconnect(at).await,
            _ => self.notify(at).await,
        }
    }

    /// The provider says that something changed, whether or not it did.
    pub(super) async fn notify(&mut self, at: usize) -> Fate<()> {
        let Some(linked) = self.links.get(at).cloned() else { return Ok(()) };
        let firm = self.firm_of(&linked)?;
        let late_ms = self.dice.between(0, 30_000);
        let mut tx = self.store.write().await?;
        for _ in 0..=self.dice.below(2) {
            tx.ask_for_run(&firm, &linked.id, RunKind::Webhook, self.clock_now().plus_ms(late_ms)).await?;
        }
        tx.commit().await?;
        self.covered.notices += 1;
        self.tell(|| format!("a notice about {}", linked.there));
        Ok(())
    }

    /// Ends a connection with all its links, maybe in the middle of their work; one that is ended is begun again.
    pub(super) async fn disconnect(&mut self, at: usize) -> Fate<()> {
        let Some(linked) = self.links.get(at).cloned() else { return Ok(()) };
        let firm = self.firm_of(&linked)?;
        let mut tx = self.store.read().await?;
        let connection = tx.connection(&firm, &linked.connection).await?;
        drop(tx);
        if connection.is_some_and(|c| c.status == ConnectionStatus::Revoked) {
            return self.reconnect(&linked).await;
        }
        // Another process than one that may be held at its gate.
        let engine = self.node("owner").engine;
        let desk = Desk::default();
        let orders = desk.open().ok_or_else(|| Violation::broken("no desk"))?;
        let serving = tokio::spawn(engine.serve(orders));
        let answer = desk.disconnect(firm, linked.connection.clone(), Imported::Keep, linked.account.clone()).await;
        drop(desk);
        serving.await?;
        self.covered.disconnected += u64::from(answer.is_ok());
        self.tell(|| format!("connection of {} is ended: {answer:?}", linked.there));
        Ok(())
    }

    /// Connects an account again, as a consent does it: with the links that it had.
    pub(super) async fn reconnect(&mut self, linked: &Linked) -> Fate<()> {
        let caller = self.calendars.get(linked.here).map(|c| c.caller.clone());
        let caller = caller.ok_or_else(|| Violation::broken("no calendar"))?;
        let user = self.people.iter().find(|p| p.id == caller.user).cloned();
        let user = user.ok_or_else(|| Violation::broken("nobody"))?;
        self.consent(&user, &linked.connection, &linked.account, linked.provider).await?;
        let mut tx = self.store.write().await?;
        for link in tx.links_of_connection(&caller.firm, &linked.connection).await? {
            if link.status == LinkStatus::Detached {
                tx.reattach_link(&caller.firm, &link.id).await?;
            }
            tx.retry_outbox(&caller.firm, &link.id).await?;
            tx.ask_for_run(&caller.firm, &link.id, RunKind::Full, self.clock_now()).await?;
        }
        tx.commit().await?;
        self.tell(|| format!("{} is connected again", linked.account));
        Ok(())
    }

    fn firm_of(&self, linked: &Linked) -> Fate<FirmId> {
        let firm = self.calendars.get(linked.here).map(|c| c.caller.firm.clone());
        firm.ok_or_else(|| Violation::broken("no calendar"))
    }

    async fn set_otherwise(&mut self, at: usize) -> Fate<()> {
        let new = self.settings();
        let (now, keeps_way) = (self.now_ms(), self.dice.percent(70));
        let Some(linked) = self.links.get_mut(at) else { return Ok(()) };
        let direction = if keeps_way { linked.settings.direction } else { new.direction };
        let new = LinkSettings { direction, ..new };
        linked.past.push((now, std::mem::replace(&mut linked.settings, new.clone())));
        let (id, there, here) = (linked.id.clone(), linked.there.clone(), linked.here);
        let told = format!("link {there} is set otherwise: {new:?}");
        let firm = self.calendars.get(here).map(|c| c.caller.firm.clone());
        let firm = firm.ok_or_else(|| Violation::broken("no calendar"))?;
        let mut tx = self.store.write().await?;
        tx.set_link(&firm, &id, &new).await?;
        tx.commit().await?;
        self.covered.settings += 1;
        self.tell(|| told);
        Ok(())
    }

    async fn rest(&mut self, at: usize) -> Fate<()> {
        let Some(linked) = self.links.get(at).cloned() else { return Ok(()) };
        let firm = self.firm_of(&linked)?;
        let mut tx = self.store.write().await?;
        let to = match tx.link_by_id(&firm, &linked.id).await?.map(|link| link.status) {
            Some(LinkStatus::Active) => LinkStatus::Paused,
            Some(LinkStatus::Paused) => LinkStatus::Active,
            _ => return Ok(()),
        };
        tx.set_link_status(&firm, &linked.id, to, None).await?;
        tx.commit().await?;
        self.tell(|| format!("link {} is {to}", linked.there));
        Ok(())
    }

    /// Has one of the last runs undone; that it cannot be undone is an answer.
    async fn take_back(&mut self, at: usize) -> Fate<()> {
        let Some(linked) = self.links.get(at).cloned() else { return Ok(()) };
        let Some(caller) = self.calendars.get(linked.here).map(|c| c.caller.clone()) else { return Ok(()) };
        let mut tx = self.store.read().await?;
        let filter = RunFilter { link: Some(linked.id.clone()), ..RunFilter::default() };
        let (runs, _) = tx.runs((&caller.firm, &caller.user), &filter, (RUNS, 0)).await?;
        drop(tx);
        let did = |run: &Run| run.totals.pulled + run.totals.pushed + run.totals.deleted > 0;
        let runs: Vec<Run> = runs.into_iter().filter(did).collect();
        let Some(run) = self.dice.pick(&runs).cloned() else { return Ok(()) };
        let mut births = Vec::new();
        let mut tx = self.store.read().await?;
        for item in tx.run_items(&caller.firm, &run.id, 0, ITEMS).await? {
            let Some(object) = &item.object else { continue };
            for version in tx.history(&caller, object, i64::MAX, ITEMS).await? {
                let bytes = tx.version(&caller, object, version.number).await?.and_then(|past| past.bytes);
                let past = bytes.and_then(|bytes| CalendarObject::from_stored(bytes).ok());
                births.extend(past.and_then(|past| birth_of(&text(&past, "SUMMARY"))));
            }
        }
        drop(tx);
        self.book.undone.extend(births);
        let Some((engine, gate)) = self.nodes.first().map(|n| (n.engine.clone(), std::sync::Arc::clone(&n.gate)))
        else {
            return Ok(());
        };
        gate.close_at(None);
        let desk = Desk::default();
        let orders = desk.open().ok_or_else(|| Violation::broken("no desk"))?;
        let serving = tokio::spawn(engine.serve(orders));
        let answer = desk.undo(caller.firm.clone(), run.id.clone(), caller.name.to_string()).await;
        drop(desk);
        serving.await?;
        self.covered.undone += u64::from(answer.is_ok());
        self.tell(|| format!("run {} of {} is undone: {:?} {answer:?}", run.id.as_str(), linked.there, run.totals));
        Ok(())
    }
}
