//! Tells notices by webhook and mail: what is recorded is sent, what fails is tried again, what nobody set up is skipped.
//!
//! A notice is recorded once and not again until it was seen or settled. What is sent twice all the same, because the
//! node died between sending and noting so, has the same id both times (`X-Kalends-Delivery`, `Message-ID`).

mod hook;
mod mail;

use std::sync::Arc;
use std::time::Duration;

use super::{App, AppError};
use crate::config::ConfigError;
use crate::domain::time::MINUTE_MS;
use crate::store::{Notification, NotificationWay, Notified, Store, StoreError};
use crate::upstream::http::{Net, Transport};

pub use hook::Hook;
pub use mail::Mail;

/// How often a node looks for what is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long to wait after each failure; after the last one it is given up.
const WAITS_MS: [i64; 6] = [MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, 60 * MINUTE_MS, 240 * MINUTE_MS, 720 * MINUTE_MS];
/// One node sends.
const JOB: &str = "notify";

/// Sends what waits.
#[derive(Clone)]
pub struct Notifier {
    store: Store,
    owner: String,
    base_url: String,
    hook: Option<Arc<Hook>>,
    mail: Option<Arc<Mail>>,
}

impl Notifier {
    /// As the configuration says. `here`: where people find the pages, if it does not.
    ///
    /// # Errors
    /// The way out cannot be set up.
    pub fn new(app: &App, here: String) -> Result<Notifier, AppError> {
        let wrong = |e| AppError::Config(ConfigError(e));
        let config = &app.config.notify;
        let net = Net::new(app.config.upstreams.allow_private);
        let hook = config.hook.as_ref().map(|hook| Hook::new(hook, Arc::new(net) as Arc<dyn Transport>));
        let mail = config.mail.as_ref().map(Mail::new).transpose().map_err(wrong)?;
        let base_url = app.config.base_url.clone().unwrap_or(here);
        Ok(Notifier::with(app.store().clone(), base_url, hook, mail))
    }

    /// On a store, by what there is. `base_url`: where people find the pages.
    #[must_use]
    pub fn with(store: Store, base_url: String, hook: Option<Hook>, mail: Option<Mail>) -> Notifier {
        let owner = hex::encode(store.chance().bytes::<8>());
        Notifier { store, owner, base_url, hook: hook.map(Arc::new), mail: mail.map(Arc::new) }
    }

    /// Sends whenever something is due, until `stop` resolves.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            if let Err(error) = self.send_due().await {
                tracing::warn!(%error, "notifications could not be looked for");
            }
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Sends what is due now; how many notifications were sent.
    ///
    /// # Errors
    /// The database failed.
    pub async fn send_due(&self) -> Result<u64, StoreError> {
        let due = self.store.read().await?.notifications_due().await?;
        if due.is_empty() || !self.store.take_job(JOB, &self.owner, 0).await? {
            return Ok(0);
        }
        let mut sent = 0;
        for one in self.store.read().await?.notifications_due().await? {
            // Receivers may be slow: the job is prolonged for each, and whoever lost it stops.
            if !self.store.take_job(JOB, &self.owner, 0).await? {
                return Ok(sent);
            }
            let outcome = self.send(&one).await;
            sent += u64::from(outcome == Notified::Sent);
            let mut tx = self.store.write().await?;
            tx.settle_notification(&one, &outcome).await?;
            tx.commit().await?;
        }
        self.store.end_job(JOB, &self.owner).await?;
        Ok(sent)
    }

    async fn send(&self, one: &Notification) -> Notified {
        // What was settled meanwhile needs nobody's attention.
        if one.notice.seen.is_some() {
            return Notified::Skipped;
        }
        let page = format!("{}/sync", self.base_url);
        let now = self.store.now();
        let sent = match one.way {
            NotificationWay::Webhook => match &self.hook {
                Some(hook) => hook.send(one, &page, now).await,
                None => return Notified::Skipped,
            },
            NotificationWay::Mail => match (&self.mail, &one.user_email) {
                (Some(mail), Some(address)) => mail.send(one, address, &page, now).await,
                _ => return Notified::Skipped,
            },
        };
        let Err(why) = sent else { return Notified::Sent };
        let wait = usize::try_from(one.tries).ok().and_then(|tries| WAITS_MS.get(tries));
        match wait {
            Some(wait) => Notified::Again(self.store.now().plus_ms(*wait), why),
            None => {
                tracing::warn!(
                    notice = one.notice.id.as_str(),
                    way = one.way.as_str(),
                    why,
                    "a notification was given up"
                );
                Notified::GivenUp(why)
            }
        }
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notifier")
    }
}
