//! Webhook channels of a link: made where the provider can reach us, renewed well before they end, made anew when lost.
//! Polling goes on underneath; without a public address there is only polling.

use super::account::ask;
use super::{Engine, Job, Stop};
use crate::domain::sync::{Provider, RunKind};
use crate::store::WatchedChannel;
use crate::upstream::{Channel, Failure};

/// A channel is renewed when less than this share of its life is left, in percent.
const RENEW_AT_PERCENT: i64 = 20;

/// Whether a channel needs another in its place now.
fn is_ending(channel: &WatchedChannel, now: crate::domain::time::Instant) -> bool {
    let life = channel.expires.ms().saturating_sub(channel.created.ms());
    channel.expires.ms().saturating_sub(now.ms()) <= life / 100 * RENEW_AT_PERCENT
}

/// Whether a channel should have spoken and did not: it was silent for a whole interval, and the run of the schedule found
/// what it had not told of. A change of the last moment costs a channel too many, which is stopped again.
fn is_lost(channel: &WatchedChannel, job: &Job, now: crate::domain::time::Instant) -> bool {
    let told = channel.last_notified.unwrap_or(channel.created).max(channel.created);
    job.kind == RunKind::Pull && job.heard && told.plus_ms(job.link.settings.interval_ms) <= now
}

/// Where a provider's notifications come in, below the public address.
fn path(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::Google => Some("/api/webhooks/google/calendar"),
        Provider::Microsoft => Some("/api/webhooks/microsoft/calendar"),
        Provider::Apple | Provider::Caldav | Provider::Ics => None,
    }
}

impl Engine {
    /// Looks after the link's channel. What fails here is told and tried again at the next run: polling goes on.
    pub(super) async fn mind_channel(&self, job: &mut Job) -> Result<(), Stop> {
        let provider = job.account.connection.provider;
        let address = self.inner.public_url.as_ref().zip(path(provider)).map(|(base, path)| format!("{base}{path}"));
        let Some(address) = address.filter(|_| job.link.settings.direction.pulls()) else { return Ok(()) };
        let now = self.store().now();
        let mut tx = self.store().read().await?;
        let channels = tx.channels(&job.lease.firm, &job.lease.link).await?;
        drop(tx);
        let (mut live, mut old) = (Vec::new(), Vec::new());
        for channel in channels {
            let is_over = channel.replaced || is_lost(&channel, job, now);
            if !is_over && (!is_ending(&channel, now) || self.renew_channel(job, &channel).await?) {
                live.push(channel);
            } else {
                old.push(channel);
            }
        }
        if live.is_empty() {
            // Another is made before the old one is stopped: nothing falls between them.
            let made = self.make_channel(job, &address).await;
            let ended = if made.is_ok() { "success" } else { "failed" };
            self.count(|figures| *figures.channels.entry((provider, ended)).or_default() += 1);
            match made {
                Ok(()) => {}
                Err(Stop::Call(failure)) => {
                    tracing::info!(link_id = job.link.id.as_str(), %failure, "no webhook channel; polling goes on");
                    return Ok(());
                }
                Err(stop) => return Err(stop),
            }
        }
        for channel in old {
            let there = Channel {
                id: channel.id.as_str().to_owned(),
                resource: channel.resource.clone(),
                expires: channel.expires,
            };
            let up = job.up.clone();
            let stopped: Result<(), Failure> = ask!(self, &mut job.account, |at| up.unwatch(at, &there));
            if stopped.is_ok() || channel.expires <= now {
                let mut tx = self.held(job).await?;
                tx.drop_channel(&job.lease.firm, &channel.id).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }

    /// Has a channel go on where its provider can do that; `false`: another is needed.
    async fn renew_channel(&self, job: &mut Job, channel: &WatchedChannel) -> Result<bool, Stop> {
        let there = Channel {
            id: channel.id.as_str().to_owned(),
            resource: channel.resource.clone(),
            expires: channel.expires,
        };
        let up = job.up.clone();
        let renewed: Result<Option<Channel>, Failure> = ask!(self, &mut job.account, |at| up.renew(at, &there));
        let Ok(Some(renewed)) = renewed else { return Ok(false) };
        let mut tx = self.held(job).await?;
        tx.renew_channel(&job.lease, &channel.id, renewed.expires).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn make_channel(&self, job: &mut Job, address: &str) -> Result<(), Stop> {
        let tx = self.held(job).await?;
        let id = tx.new_channel_id();
        drop(tx);
        let token = self.store().chance().secret();
        let up = job.up.clone();
        let made = ask!(self, &mut job.account, |at| up.watch(at, id.as_str(), address, &token))?;
        let hash = self.store().hash("webhook token", &token);
        let mut tx = self.held(job).await?;
        tx.add_channel(&job.lease, &id, &made.resource, &hash, made.expires).await?;
        tx.commit().await?;
        tracing::info!(link_id = job.link.id.as_str(), "a webhook channel was made");
        Ok(())
    }
}
