//! Orders of people, carried out one after the other as they come, each in a task of its own.

use secrecy::{ExposeSecret, SecretString};

use super::account::{Secret, ask, open_secret, seal_secret};
use super::{Account, Engine, Stop};
use crate::domain::access::Right;
use crate::domain::change::{Cause, Guard, Via};
use crate::domain::ids::{ConnectionId, FirmId, LinkId, RunId, UserId};
use crate::domain::sync::{
    ConnectionStatus, LinkStatus, Origin, Provider, RemoteCalendarId, Resolution, RunKind, RunStatus,
};
use crate::store::{Due, NewConnection, OauthState, RunTotals, StoreError, verifier_place};
use crate::sync::desk::{
    Asked, Begun, Bounds, Connected, Decided, Decision, DeskError, Disconnected, Granted, Imported, NewConsent, Offer,
    Order, Orders, Side,
};
use crate::upstream::oauth::{self, Granted as Scopes, NO_REDIRECT, Verifier, Wanted};
use crate::upstream::{Channel, Failure, RemoteCalendar};

/// Mappings looked at together when a connection ends.
const MAPPINGS_PAGE: u32 = 500;
/// How long somebody who asked for a run waits for its end before they are told that it is under way.
const ANSWER_AFTER: std::time::Duration = std::time::Duration::from_secs(2);

impl Engine {
    /// Carries out orders until the desk is gone.
    pub async fn serve(self, mut orders: Orders) {
        while let Some(order) = orders.next().await {
            let engine = self.clone();
            tokio::spawn(async move { engine.carry_out(order).await });
        }
    }

    async fn carry_out(&self, order: Order) {
        // An answer that nobody waits for any more is dropped.
        match order {
            Order::Offers { reply } => drop(reply.send(Ok(self.offers()))),
            Order::BeginConsent { new, reply } => drop(reply.send(self.begin_consent(new).await)),
            Order::FinishConsent { granted, reply } => drop(reply.send(self.finish_consent(granted).await)),
            Order::BeginDevice { new, reply } => drop(reply.send(self.begin_device(new).await)),
            Order::FinishDevice { asked, reply } => drop(reply.send(self.finish_device(asked).await)),
            Order::RemoteCalendars { firm, connection, reply } => {
                drop(reply.send(self.remote_calendars(&firm, &connection).await));
            }
            Order::Preview { firm, link, reply } => drop(reply.send(self.preview(&firm, &link).await)),
            Order::RunNow { firm, link, kind, bounds, reply } => {
                drop(reply.send(self.run_now(&firm, &link, kind, bounds).await));
            }
            Order::Resolve { firm, by, decisions, reply } => {
                drop(reply.send(self.resolve(&firm, &by, decisions).await))
            }
            Order::Undo { firm, run, by, reply } => drop(reply.send(self.undo(&firm, &run, &by).await)),
            Order::Resync { firm, connection, bounds, ask, reply } => {
                drop(reply.send(self.resync(&firm, &connection, bounds, ask).await));
            }
            Order::ResyncOne { firm, object, ask, reply } => {
                drop(reply.send(self.resync_one(&firm, &object, ask).await));
            }
            Order::Replay { firm, attempt, ask, reply } => {
                drop(reply.send(self.replay(&firm, &attempt, ask).await));
            }
            Order::Disconnect { firm, connection, imported, by, reply } => {
                drop(reply.send(self.disconnect(&firm, &connection, imported, &by).await));
            }
        }
    }

    fn offers(&self) -> Vec<Offer> {
        let offer = |provider: &Provider| Offer {
            provider: *provider,
            configured: self.registry().of(*provider).is_some(),
            redirect_uri: self.registry().oauth(*provider).map(|o| o.redirect_uri.clone()).filter(|u| u != NO_REDIRECT),
        };
        Provider::ALL.iter().map(offer).collect()
    }

    async fn begin_consent(&self, new: NewConsent) -> Result<Begun, DeskError> {
        let unknown = || DeskError::NotConfigured(format!("{} is not set up here", new.provider));
        let mut oauth = self.registry().oauth(new.provider).map(|o| (*o).clone()).ok_or_else(unknown)?;
        oauth.redirect_uri.clone_from(&new.redirect_uri);
        let chance = self.store().chance();
        let (state, verifier) = (chance.secret(), Verifier::new(chance.bytes()));
        let wanted = if new.read_only { Wanted::Reading } else { Wanted::Writing };
        let auth_url = oauth.authorise(wanted, &state, &verifier, new.login_hint.as_deref())?;
        let hash = self.store().hash("oauth state", &state);
        let row = hex::encode(hash);
        let verifier_sealed =
            self.keys().seal(verifier_place(&row), verifier.secret().expose_secret().as_bytes(), chance);
        let kept = OauthState {
            user: new.user,
            provider: new.provider,
            bound_to: new.bound_to,
            verifier_sealed,
            redirect_uri: new.redirect_uri,
        };
        let mut tx = self.store().write().await?;
        tx.begin_consent(&new.firm, &hash, &kept).await?;
        tx.commit().await?;
        Ok(Begun { auth_url: auth_url.to_string(), state })
    }

    async fn finish_consent(&self, granted: Granted) -> Result<Connected, DeskError> {
        let hash = self.store().hash("oauth state", &granted.state);
        let mut tx = self.store().write().await?;
        let kept = tx.finish_consent(&granted.firm, &hash).await?;
        tx.commit().await?; // used, whatever comes of it
        let kept = kept.filter(|k| {
            let same = crate::crypto::same(k.bound_to.as_bytes(), granted.bound_to.as_bytes());
            same && k.user == granted.user && granted.provider.is_none_or(|p| p == k.provider)
        });
        let kept = kept.ok_or(DeskError::BadConsent)?;
        let unknown = || DeskError::NotConfigured(format!("{} is not set up here", kept.provider));
        let mut oauth = self.registry().oauth(kept.provider).map(|o| (*o).clone()).ok_or_else(unknown)?;
        oauth.redirect_uri.clone_from(&kept.redirect_uri);
        let row = hex::encode(hash);
        let verifier =
            self.keys().open(verifier_place(&row), &kept.verifier_sealed).map_err(|_| DeskError::BadConsent)?;
        let verifier = Verifier::kept(SecretString::from(String::from_utf8_lossy(&verifier).into_owned()));
        let transport = &**self.registry().transport();
        let tokens = oauth.exchange(transport, granted.code.expose_secret(), &verifier, self.store().now()).await?;
        self.keep_grant((&granted.firm, &granted.user), kept.provider, &oauth, tokens).await
    }

    /// Keeps what was granted in the account's connection, whose links run at once if it had any.
    pub(super) async fn keep_grant(
        &self,
        (firm, user): (&FirmId, &UserId),
        provider: Provider,
        oauth: &oauth::Provider,
        tokens: oauth::Tokens,
    ) -> Result<Connected, DeskError> {
        let transport = &**self.registry().transport();
        let account = oauth.account(transport, &tokens.access, self.store().now()).await?;
        let scopes = oauth.granted(&tokens.scopes);
        let secret = Secret {
            access: tokens.access.expose_secret().to_owned(),
            refresh: tokens.refresh.as_ref().map(|t| t.expose_secret().to_owned()),
        };
        let new = NewConnection {
            provider,
            account: account.clone(),
            label: account.clone(),
            scopes: tokens.scopes.join(" "),
            token_expires: Some(tokens.expires_at),
        };
        let too_little = scopes == Scopes::TooLittle || tokens.refresh.is_none();
        let mut tx = self.store().write().await?;
        let id = tx.connect((firm, user), &new).await?;
        let id = id.ok_or_else(|| DeskError::Refused("you have as many connections as anybody may have".to_owned()))?;
        let version = tx.connection(firm, &id).await?.map_or(0, |c| c.secret_version);
        let sealed = seal_secret(self.keys(), self.store().chance(), &id, &secret);
        tx.set_connection_secret(firm, &id, version, &sealed, Some(tokens.expires_at)).await?;
        if too_little {
            let why = "too little was granted: connect again and leave every box ticked";
            tx.set_connection_status(firm, &id, ConnectionStatus::NeedsReauth, Some(why)).await?;
        }
        tx.settle_notices((firm, user), id.as_str()).await?;
        for link in tx.links_of_connection(firm, &id).await? {
            tx.settle_notices((firm, user), link.id.as_str()).await?;
            if link.status == LinkStatus::Detached {
                tx.reattach_link(firm, &link.id).await?;
            }
            tx.retry_outbox(firm, &link.id).await?;
            tx.ask_for_run(firm, &link.id, RunKind::Full, tx.now()).await?;
        }
        tx.commit().await?;
        Ok(Connected { connection: id, account, writable: scopes == Scopes::Writing, too_little })
    }

    async fn remote_calendars(&self, firm: &FirmId, id: &ConnectionId) -> Result<Vec<RemoteCalendar>, DeskError> {
        let mut tx = self.store().read().await?;
        let connection = tx.connection(firm, id).await?.ok_or(DeskError::NotFound)?;
        drop(tx);
        if connection.status != ConnectionStatus::Active {
            return Err(DeskError::Refused(format!("the connection is {}", connection.status)));
        }
        let unknown = || DeskError::NotConfigured(format!("{} is not set up here", connection.provider));
        let up = self.registry().of(connection.provider).ok_or_else(unknown)?;
        let correlation_id = self.new_correlation();
        let mut account = Account { connection, calendar: nowhere(), correlation_id };
        Ok(ask!(self, &mut account, |at| up.calendars(at.secret, at.account))?)
    }

    async fn run_now(&self, firm: &FirmId, id: &LinkId, kind: RunKind, bounds: Bounds) -> Result<Asked, DeskError> {
        let mut tx = self.store().write().await?;
        let link = tx.link_by_id(firm, id).await?.ok_or(DeskError::NotFound)?;
        if link.status != LinkStatus::Active {
            return Err(DeskError::Refused(format!("the link is {}", link.status)));
        }
        let now = tx.now();
        tx.retry_outbox(firm, id).await?;
        tx.ask_for_run(firm, id, kind, now).await?;
        if kind == RunKind::Resync {
            tx.queue_between(firm, id, bounds.from, bounds.until).await?;
        }
        tx.commit().await?;
        let due = Due { firm: firm.clone(), link: id.clone() };
        let before = self.latest_run(firm, &link.user, id).await?;
        let engine = self.clone();
        let working = tokio::spawn(async move { engine.work(&due).await });
        // A short run is told whole; a long one goes on while the person looks on.
        drop(tokio::time::timeout(ANSWER_AFTER, working).await);
        let after = self.latest_run(firm, &link.user, id).await?;
        // What was just being pushed when somebody asked is not the run that they asked for.
        let is_new = |run: &crate::store::Run| before.as_ref().is_none_or(|b| b.id != run.id);
        if let Some(run) = after.filter(|run| is_new(run) && run.kind != RunKind::Push) {
            return Ok(Asked { run: Some(run.id), status: run.status, totals: run.totals });
        }
        Ok(Asked { run: None, status: RunStatus::Running, totals: RunTotals::default() })
    }

    pub(super) async fn latest_run(
        &self,
        firm: &FirmId,
        user: &crate::domain::ids::UserId,
        link: &LinkId,
    ) -> Result<Option<crate::store::Run>, StoreError> {
        let filter = crate::store::RunFilter { link: Some(link.clone()), ..Default::default() };
        let mut tx = self.store().read().await?;
        let (runs, _) = tx.runs((firm, user), &filter, (1, 0)).await?;
        Ok(runs.into_iter().next())
    }

    async fn resolve(&self, firm: &FirmId, by: &str, decisions: Vec<Decision>) -> Result<Vec<Decided>, DeskError> {
        let mut answers = Vec::with_capacity(decisions.len());
        let mut links = Vec::new();
        for decision in decisions {
            let mut tx = self.store().write().await?;
            let Some(conflict) = tx.conflict(firm, &decision.conflict).await? else {
                answers.push(Decided::NotFound);
                continue;
            };
            let word = |side: &Side| if *side == Side::External { "external" } else { "platform" };
            let choices: std::collections::BTreeMap<&str, &str> =
                decision.choices.iter().map(|(field, side)| (field.as_str(), word(side))).collect();
            let choices = (decision.resolution == Resolution::Merge)
                .then(|| serde_json::to_string(&choices).unwrap_or_else(|_| "{}".to_owned()));
            let done = tx.resolve_conflict(firm, &conflict.id, decision.resolution, choices.as_deref(), by).await?;
            if done {
                // The link looks at the mapping once more, with the decision.
                let mapping = tx.mapping(firm, &conflict.link, &conflict.mapping).await?;
                if let Some(object) = mapping.and_then(|m| m.object).or(conflict.object) {
                    tx.queue_one(firm, &conflict.link, &object).await?;
                }
                links.push(Due { firm: firm.clone(), link: conflict.link.clone() });
            }
            tx.commit().await?;
            answers.push(if done { Decided::Yes } else { Decided::Already });
        }
        links.sort_by(|a, b| a.link.cmp(&b.link));
        links.dedup();
        for due in links {
            self.work(&due).await?;
        }
        Ok(answers)
    }

    async fn undo(&self, firm: &FirmId, run: &RunId, by: &str) -> Result<Asked, DeskError> {
        let mut tx = self.store().read().await?;
        let run = tx.run(firm, run).await?.ok_or(DeskError::NotFound)?;
        drop(tx);
        if run.undone_by.is_some() {
            return Err(DeskError::Refused("this run was undone already".to_owned()));
        }
        if run.status == RunStatus::Running {
            return Err(DeskError::Refused("this run is still under way".to_owned()));
        }
        self.undo_run(&run, firm, by).await
    }

    async fn disconnect(
        &self,
        firm: &FirmId,
        id: &ConnectionId,
        imported: Imported,
        by: &str,
    ) -> Result<Disconnected, DeskError> {
        let mut tx = self.store().read().await?;
        let connection = tx.connection(firm, id).await?.ok_or(DeskError::NotFound)?;
        let links = tx.links_of_connection(firm, id).await?;
        drop(tx);
        let mut done = Disconnected::default();
        for link in &links {
            self.stop_channels(&connection, link).await?;
            if imported == Imported::Remove {
                done.removed += self.remove_imported(firm, link, by).await?;
            }
            let mut tx = self.store().write().await?;
            if link.status != LinkStatus::Detached {
                tx.set_link_status(firm, &link.id, LinkStatus::Detached, Some("disconnected")).await?;
                done.links += 1;
            }
            tx.commit().await?;
        }
        done.revoked_there = self.revoke_there(&connection).await;
        let mut tx = self.store().write().await?;
        tx.set_connection_status(firm, id, ConnectionStatus::Revoked, Some("disconnected")).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Ends the grant at the provider. `false`: it could not be asked, or has none.
    async fn revoke_there(&self, connection: &crate::store::Connection) -> bool {
        let Some(oauth) = self.registry().oauth(connection.provider) else { return false };
        let Some(sealed) = &connection.secret_sealed else { return false };
        let Ok(secret) = open_secret(self.keys(), &connection.id, sealed) else { return false };
        let token = SecretString::from(secret.refresh.unwrap_or(secret.access));
        oauth.revoke(&**self.registry().transport(), &token, self.store().now()).await.is_ok()
    }

    async fn stop_channels(
        &self,
        connection: &crate::store::Connection,
        link: &crate::store::Link,
    ) -> Result<(), DeskError> {
        let mut tx = self.store().read().await?;
        let channels = tx.channels(&link.firm, &link.id).await?;
        drop(tx);
        let Some(up) = self.registry().of(connection.provider) else { return Ok(()) };
        for channel in channels {
            let mut account = Account {
                connection: connection.clone(),
                calendar: link.remote.clone(),
                correlation_id: self.new_correlation(),
            };
            let there = Channel {
                id: channel.id.as_str().to_owned(),
                resource: channel.resource.clone(),
                expires: channel.expires,
            };
            // One that cannot be stopped ends by itself; what it still says finds no channel.
            let stopped: Result<(), Failure> = ask!(self, &mut account, |at| up.unwatch(at, &there));
            if let Err(failure) = stopped {
                tracing::info!(link_id = link.id.as_str(), %failure, "a webhook channel was left to end by itself");
            }
            let mut tx = self.store().write().await?;
            tx.drop_channel(&link.firm, &channel.id).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn remove_imported(&self, firm: &FirmId, link: &crate::store::Link, by: &str) -> Result<u64, DeskError> {
        let mut tx = self.store().read().await?;
        let Some(user) = tx.user(firm, &link.user).await? else { return Ok(0) };
        drop(tx);
        let caller = user.acted_for();
        let mut cause = Cause::by(Via::Sync, by, None, None);
        cause.link = Some(link.id.as_str().to_owned());
        let (mut removed, mut after) = (0, String::new());
        loop {
            let mut tx = self.store().write().await?;
            let page = tx.mappings_after(firm, &link.id, &after, MAPPINGS_PAGE).await?;
            let Some(last) = page.last() else { return Ok(removed) };
            last.id.as_str().clone_into(&mut after);
            for mapping in page.iter().filter(|m| m.origin == Origin::There) {
                let Some(object) = &mapping.object else { continue };
                let found = tx.object_by_id(&caller, object, Right::Write).await.ok().flatten();
                if let Some((access, stored)) = found {
                    let guard = Guard::exactly(stored.head.etag);
                    if tx.delete_object(&access, &stored.head.name, &guard, &cause).await.is_ok() {
                        // Nobody deleted it who would want it deleted there, should the account come back.
                        tx.let_go(firm, &link.id, &mapping.id).await?;
                        removed += 1;
                    }
                }
            }
            tx.commit().await?;
        }
    }
}

/// Why a link whose status is active cannot be worked on all the same.
pub(super) fn unusable() -> DeskError {
    let why = "the link cannot be used now: its connection rests, its provider asked for a pause or is not set up here";
    DeskError::Refused(why.to_owned())
}

impl From<Stop> for DeskError {
    fn from(stop: Stop) -> DeskError {
        match stop {
            Stop::Store(error) => DeskError::Store(error),
            Stop::Call(failure) => DeskError::Provider(failure),
            other => DeskError::Refused(other.to_string()),
        }
    }
}

/// Calls that concern the account name no calendar.
fn nowhere() -> RemoteCalendarId {
    RemoteCalendarId(String::new())
}
