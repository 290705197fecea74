//! `/metrics`: what the telemetry counted, what the database knows of syncing, and what this node's engine can tell.
//!
//! What comes from the database is the same on every node: take the maximum over nodes. Labels are providers and words;
//! the lag alone is told by link, since one link that stands still is what somebody has to be woken for.

use super::App;
use crate::domain::time::Instant;
use crate::store::{StoreError, Summary};
use crate::sync::figures::{CALL_BUCKETS_MS, Told};
use crate::telemetry::Exposition;

/// Every family that is told here: name, type, help.
pub const FAMILIES: [(&str, &str, &str); 28] = [
    ("kalends_sync_success_ratio", "gauge", "Share of attempts that succeeded, since yesterday's beginning in UTC"),
    ("kalends_sync_runs_total", "counter", "Runs of links by provider, kind and status"),
    ("kalends_sync_attempts_total", "counter", "Attempts by provider, operation, direction, status and error class"),
    ("kalends_sync_lag_seconds", "gauge", "Time since an active link's last success"),
    ("kalends_sync_lag_max_seconds", "gauge", "The longest of these times"),
    ("kalends_sync_queue_depth", "gauge", "Appointments that wait to be sent"),
    ("kalends_sync_queue_age_seconds", "gauge", "How long the oldest of them waits"),
    ("kalends_sync_queue_retrying", "gauge", "Those of them that were tried before"),
    ("kalends_sync_retries_total", "counter", "Attempts of this node that were made again after a failure"),
    ("kalends_sync_conflicts_open", "gauge", "Conflicts that wait for a decision"),
    ("kalends_sync_links_needing_confirmation", "gauge", "Links that the mass-change guard stopped"),
    ("kalends_provider_calls_total", "counter", "Calls of this node to providers by how they ended"),
    ("kalends_provider_call_seconds", "histogram", "How long calls to providers took"),
    ("kalends_provider_breaker_state", "gauge", "Whether this node asks a provider: 0 yes, 1 one probe, 2 no"),
    ("kalends_provider_quota_left", "gauge", "Calls that this node's measure still gives a provider"),
    ("kalends_webhook_channels", "gauge", "Webhook channels by provider and status"),
    ("kalends_webhook_renewals_total", "counter", "Webhook channels that this node made or failed to make"),
    ("kalends_connections", "gauge", "Connections by provider and status"),
    ("kalends_links", "gauge", "Links by provider and status"),
    ("kalends_users", "gauge", "Users that are not disabled"),
    ("kalends_users_active", "gauge", "Users who were seen within 30 days"),
    ("kalends_feeds", "gauge", "Feeds that are not revoked"),
    ("kalends_feed_fetches_total", "counter", "How often feeds were fetched"),
    ("kalends_notifications_waiting", "gauge", "Notifications that are not sent yet"),
    ("kalends_notifications_failed", "gauge", "Notifications that were given up"),
    ("kalends_attempts_kept", "gauge", "Attempts that are not summarised yet"),
    ("kalends_sync_engine_up", "gauge", "1 where this node's sync engine runs"),
    ("kalends_audit_events", "gauge", "Audit events of all firms"),
];

/// The whole text.
///
/// # Errors
/// The database failed.
pub async fn render(app: &App) -> Result<String, StoreError> {
    let mut tx = app.store().read().await?;
    let now = tx.now();
    let everything = tx.summary(None, Instant::from_ms(0)).await?;
    let recent = tx.summary(None, now.plus_ms(-crate::domain::time::DAY_MS)).await?;
    drop(tx);
    let told = app.engine.get().map(crate::sync::engine::Engine::told);
    let mut text = app.metrics.render(app.store().pool_size()).into_text();
    text.push_str(&exposition(&everything, &recent, told.as_ref(), now));
    Ok(text)
}

/// The part that is about syncing and use, in the Prometheus text format.
#[must_use]
pub fn exposition(everything: &Summary, recent: &Summary, told: Option<&Told>, now: Instant) -> String {
    let mut out = Exposition::default();
    for family in FAMILIES {
        out.family(family);
        of_store(&mut out, family.0, everything, recent, now);
        of_node(&mut out, family.0, told);
    }
    out.into_text()
}

fn of_store(out: &mut Exposition, name: &str, all: &Summary, recent: &Summary, now: Instant) {
    let seconds = |ms: i64| ms as f64 / 1_000.0;
    match name {
        "kalends_sync_success_ratio" => {
            let of = |outcome: &str| -> i64 {
                recent.attempts.iter().filter(|a| a.outcome == outcome).map(|a| a.attempts).sum()
            };
            let (good, bad) = (of("success"), of("failed"));
            if good + bad > 0 {
                out.sample(name, &[], good as f64 / (good + bad) as f64);
            }
        }
        "kalends_sync_runs_total" => {
            for run in &all.runs {
                let labels = [("provider", &*run.provider), ("kind", &*run.kind), ("status", &*run.status)];
                out.sample(name, &labels, run.runs as f64);
            }
        }
        "kalends_sync_attempts_total" => {
            for sum in &all.attempts {
                let labels = [
                    ("provider", &*sum.provider),
                    ("operation", &*sum.operation),
                    ("direction", &*sum.way),
                    ("status", &*sum.outcome),
                    ("error_class", &*sum.class),
                ];
                out.sample(name, &labels, sum.attempts as f64);
            }
        }
        "kalends_sync_lag_seconds" => {
            for lag in &all.lags {
                out.sample(name, &[("link_id", lag.link.as_str()), ("provider", &lag.provider)], seconds(lag.lag_ms));
            }
        }
        "kalends_sync_lag_max_seconds" => {
            out.sample(name, &[], seconds(all.lags.iter().map(|l| l.lag_ms).max().unwrap_or(0)));
        }
        "kalends_sync_queue_depth" => out.sample(name, &[], all.waiting.0 as f64),
        "kalends_sync_queue_age_seconds" => {
            out.sample(name, &[], seconds(all.waiting.1.map_or(0, |since| (now.ms() - since.ms()).max(0))));
        }
        "kalends_sync_queue_retrying" => out.sample(name, &[], all.retries as f64),
        "kalends_sync_conflicts_open" => out.sample(name, &[], all.open_conflicts as f64),
        "kalends_sync_links_needing_confirmation" => out.sample(name, &[], all.needs_confirmation as f64),
        "kalends_webhook_channels" => tally(out, name, &all.channels),
        "kalends_connections" => tally(out, name, &all.connections),
        "kalends_links" => tally(out, name, &all.links),
        "kalends_users" => out.sample(name, &[], all.users.0 as f64),
        "kalends_users_active" => out.sample(name, &[], all.users.1 as f64),
        "kalends_feeds" => out.sample(name, &[], all.feeds.0 as f64),
        "kalends_feed_fetches_total" => out.sample(name, &[], all.feeds.1 as f64),
        "kalends_notifications_waiting" => out.sample(name, &[], all.notifications.0 as f64),
        "kalends_notifications_failed" => out.sample(name, &[], all.notifications.1 as f64),
        "kalends_attempts_kept" => out.sample(name, &[], all.attempts_kept as f64),
        "kalends_audit_events" => out.sample(name, &[], all.audit_events as f64),
        _ => {}
    }
}

fn of_node(out: &mut Exposition, name: &str, told: Option<&Told>) {
    if name == "kalends_sync_engine_up" {
        out.sample(name, &[], if told.is_some() { 1.0 } else { 0.0 });
    }
    let Some(told) = told else { return };
    let figures = &told.figures;
    match name {
        "kalends_sync_retries_total" => {
            for (provider, count) in &figures.retries {
                out.sample(name, &[("provider", provider.as_str())], *count as f64);
            }
        }
        "kalends_provider_calls_total" => {
            for ((provider, status), count) in &figures.calls {
                out.sample(name, &[("provider", provider.as_str()), ("status", status)], *count as f64);
            }
        }
        "kalends_provider_call_seconds" => {
            for (provider, latency) in &figures.latency {
                let bounds = CALL_BUCKETS_MS.iter().map(|bound_ms| *bound_ms as f64 / 1_000.0);
                let sum = latency.sum_ms as f64 / 1_000.0;
                out.histogram(name, ("provider", provider.as_str()), bounds.zip(latency.within), sum, latency.count);
            }
        }
        "kalends_provider_breaker_state" => {
            for (provider, level) in &told.breakers {
                out.sample(name, &[("provider", provider.as_str())], f64::from(*level));
            }
        }
        "kalends_provider_quota_left" => {
            for (provider, left) in &told.quota_left {
                out.sample(name, &[("provider", provider.as_str())], f64::from(*left));
            }
        }
        "kalends_webhook_renewals_total" => {
            for ((provider, status), count) in &figures.channels {
                out.sample(name, &[("provider", provider.as_str()), ("status", status)], *count as f64);
            }
        }
        _ => {}
    }
}

fn tally(out: &mut Exposition, name: &str, tally: &crate::store::Tally) {
    for ((provider, status), count) in tally {
        out.sample(name, &[("provider", provider), ("status", status)], *count as f64);
    }
}
