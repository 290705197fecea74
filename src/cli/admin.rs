//! `kalends admin …`: what the admin endpoints do, from the machine itself. What needs a provider is done by an engine of
//! this very process, on the same store as the server's: leases keep the two apart.

use clap::Subcommand;
use serde_json::{Value, json};

use super::sync::{day, engine};
use super::{Done, Failure, Output};
use crate::app::App;
use crate::domain::ids::{AttemptId, ConnectionId, FirmId, LinkId, ObjectId};
use crate::domain::sync::{ErrorClass, RunStatus};
use crate::domain::time::{DAY_MS, Instant};
use crate::store::{
    AttemptFilter, AttemptRow, AttemptState, AuditFilter, ChannelFilter, ChannelState, ConnectionFilter, NewAudit,
    WriteTx,
};
use crate::sync::desk::{Anew, Bounds, Imported};

/// Items that a list shows at most.
const LIST_MAX: u32 = 1_000;

#[derive(clap::Args, Debug)]
pub(super) struct AdminArgs {
    /// The firm
    #[arg(long, global = true, default_value = "default")]
    firm: String,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Subcommand, Debug)]
enum AdminCommand {
    /// List the firm's connections
    Connections,
    /// Tell how a connection stands, from its attempts
    SyncStatus {
        /// The connection
        id: String,
    },
    /// List attempts, newest first
    Attempts {
        /// success, failed, exhausted or pending_retry
        #[arg(long, value_parser = state)]
        status: Option<AttemptState>,
        /// Of this connection
        #[arg(long)]
        connection: Option<String>,
        /// In the reason, the correlation id, or the id of the appointment or event
        #[arg(long)]
        text: Option<String>,
        /// How many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// List attempts that failed, newest first
    FailedAttempts {
        /// Of this connection
        #[arg(long)]
        connection: Option<String>,
        /// Also those that were tried as often as they may be
        #[arg(long)]
        include_exhausted: bool,
    },
    /// Try again what failed, at once
    Replay {
        /// The attempt
        id: String,
    },
    /// Look at everything of a connection anew, or at what lies between two days
    Resync {
        /// The connection
        id: String,
        /// From this day on (2026-03-01)
        #[arg(long, value_name = "DATE", value_parser = day)]
        start_date: Option<Instant>,
        /// Until this day
        #[arg(long, value_name = "DATE", value_parser = day)]
        end_date: Option<Instant>,
    },
    /// Look at one appointment anew
    ResyncAppointment {
        /// The appointment
        id: String,
    },
    /// Pause a connection with all its links
    Pause {
        /// The connection
        id: String,
    },
    /// Let a paused connection run again
    Resume {
        /// The connection
        id: String,
    },
    /// End a connection: the grant is revoked at the provider, the tokens are forgotten
    Revoke {
        /// The connection
        id: String,
    },
    /// Let a link that the mass-change guard stopped remove what its preview shows, once
    Confirm {
        /// The link
        id: String,
    },
    /// List audit events, newest first
    AuditEvents {
        /// Of this kind
        #[arg(long)]
        event: Option<String>,
        /// By this user, or console or system
        #[arg(long)]
        user: Option<String>,
    },
    /// List webhook channels
    Webhooks,
    /// Tell how everything of the firm stands
    MetricsSummary {
        /// Days that attempts and runs are counted over
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=366))]
        days: i64,
    },
    /// Take away now what is older than it is kept: attempts, runs, versions, deletions
    TakeAway,
}

fn state(text: &str) -> Result<AttemptState, String> {
    AttemptState::parse(text).ok_or_else(|| "success, failed, exhausted or pending_retry".to_owned())
}

/// The firm that a command is about, and who acts.
struct Desk<'a> {
    app: &'a App,
    output: &'a Output,
    firm: FirmId,
    correlation_id: String,
}

pub(super) async fn admin(args: AdminArgs, app: &App, output: &Output) -> Done {
    let firms = app.store().read().await?.firms().await?;
    let found = firms.into_iter().find(|(_, name)| *name == args.firm).map(|(id, _)| id);
    let firm = found.ok_or_else(|| Failure::new(format!("there is no firm {:?}", args.firm)))?;
    let correlation_id = hex::encode(app.store().chance().bytes::<12>());
    let desk = Desk { app, output, firm, correlation_id };
    match args.command {
        AdminCommand::Connections => desk.connections().await,
        AdminCommand::SyncStatus { id } => desk.sync_status(&id).await,
        AdminCommand::Attempts { status, connection, text, limit } => {
            let connection = connection.map(ConnectionId::from_text);
            let filter = AttemptFilter { state: status, connection, text, ..AttemptFilter::default() };
            desk.attempts(&filter, limit).await
        }
        AdminCommand::FailedAttempts { connection, include_exhausted } => {
            let state = if include_exhausted { AttemptState::Failed } else { AttemptState::FailedNotExhausted };
            let connection = connection.map(ConnectionId::from_text);
            let filter = AttemptFilter { state: Some(state), connection, ..AttemptFilter::default() };
            desk.attempts(&filter, LIST_MAX).await
        }
        AdminCommand::Replay { id } => desk.replay(&id).await,
        AdminCommand::Resync { id, start_date, end_date } => {
            let until = end_date.map(|day| day.plus_ms(DAY_MS));
            desk.resync(&id, Bounds { from: start_date, until }).await
        }
        AdminCommand::ResyncAppointment { id } => desk.resync_appointment(&id).await,
        AdminCommand::Pause { id } => desk.set(&id, true).await,
        AdminCommand::Resume { id } => desk.set(&id, false).await,
        AdminCommand::Revoke { id } => desk.revoke(&id).await,
        AdminCommand::Confirm { id } => desk.confirm(&id).await,
        AdminCommand::AuditEvents { event, user } => desk.audit_events(event, user).await,
        AdminCommand::Webhooks => desk.webhooks().await,
        AdminCommand::MetricsSummary { days } => desk.summary(days).await,
        AdminCommand::TakeAway => {
            let removed = app.store().take_away_now().await?;
            let told = json!({ "attempts": removed.attempts, "runs": removed.runs, "versions": removed.versions,
                "tombstones": removed.tombstones });
            desk.tell(&told)
        }
    }
}

impl Desk<'_> {
    /// One object: with `--json` as it is, else its fields with tabs between them.
    fn tell(&self, value: &Value) -> Done {
        let shown = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        };
        let fields = value.as_object().map(|fields| fields.iter().map(|(name, v)| format!("{name}={}", shown(v))));
        let line = fields.map(|fields| fields.collect::<Vec<_>>().join("\t")).unwrap_or_default();
        self.output.say(line, value);
        Ok(())
    }

    async fn record(&self, tx: &mut WriteTx, action: &str, target: &str, details: &Value) -> Done {
        let act = NewAudit {
            actor: "console".to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            details: details.to_string(),
            correlation_id: self.correlation_id.clone(),
            address: String::new(),
        };
        Ok(tx.audit(&self.firm, &act).await?)
    }

    async fn connections(&self) -> Done {
        let mut tx = self.app.store().read().await?;
        let (rows, _) = tx.connection_page(&self.firm, &ConnectionFilter::default(), None, LIST_MAX).await?;
        for row in rows {
            let k = row.connection;
            self.tell(&json!({ "connection_id": k.id.as_str(), "provider": k.provider, "status": k.status,
                "account": k.account, "user": row.user, "links": row.links.0, "active_links": row.links.1,
                "open_conflicts": row.open_conflicts, "last_sync_at": row.last.0.and_then(Instant::rfc3339),
                "last_sync_status": row.last_status, "status_note": k.status_note }))?;
        }
        Ok(())
    }

    async fn sync_status(&self, id: &str) -> Done {
        let mut tx = self.app.store().read().await?;
        let id = ConnectionId::from_text(id);
        let k = tx.connection(&self.firm, &id).await?.ok_or_else(|| nothing("connection"))?;
        let f = tx.attempt_figures(&self.firm, &id).await?;
        let rate = if f.total == 0 { 0.0 } else { 100.0 * f.successes as f64 / f.total as f64 };
        self.tell(&json!({ "connection_id": id.as_str(), "provider": k.provider, "status": k.status,
            "total_attempts": f.total, "successes": f.successes, "failures": f.failures,
            "success_rate": format!("{rate:.1}%"), "max_retries_reached": f.exhausted, "pending_retry": f.pending,
            "eligible_for_retry": f.eligible, "transient": f.by_class[0], "rate_limited": f.by_class[1],
            "non_retryable": f.by_class[2], "last_successful_sync": f.last_success.and_then(Instant::rfc3339) }))
    }

    async fn attempts(&self, filter: &AttemptFilter, limit: u32) -> Done {
        let mut tx = self.app.store().read().await?;
        for row in tx.attempts(&self.firm, filter, None, limit).await?.rows {
            self.tell(&attempt(&row))?;
        }
        Ok(())
    }

    async fn replay(&self, id: &str) -> Done {
        let attempt = AttemptId::from_text(id);
        let mut tx = self.app.store().write().await?;
        let known = tx.attempt(&self.firm, &attempt).await?.ok_or_else(|| nothing("attempt"))?;
        match &known.what.failure {
            None => return Err(Failure::new("this attempt succeeded: there is nothing to replay")),
            Some((ErrorClass::NonRetryable, _)) => {
                return Err(Failure::new("this attempt failed for good: it would fail again"));
            }
            Some(_) => {}
        }
        self.record(&mut tx, "calendar_sync_manual_replay_requested", id, &json!({})).await?;
        tx.commit().await?;
        engine(self.app)?;
        let done = self.app.desk.replay(self.firm.clone(), attempt, self.correlation_id.clone()).await;
        let worked = done.as_ref().is_ok_and(|anew| anew.status != RunStatus::Failed);
        let action = if worked { "calendar_sync_manual_replay_success" } else { "calendar_sync_manual_replay_failed" };
        let mut tx = self.app.store().write().await?;
        self.record(&mut tx, action, id, &json!({})).await?;
        tx.commit().await?;
        self.told(done?)
    }

    async fn resync(&self, id: &str, bounds: Bounds) -> Done {
        let connection = ConnectionId::from_text(id);
        let mut tx = self.app.store().write().await?;
        tx.connection(&self.firm, &connection).await?.ok_or_else(|| nothing("connection"))?;
        let details = json!({ "start_date": bounds.from.and_then(Instant::rfc3339),
            "end_date": bounds.until.and_then(Instant::rfc3339) });
        self.record(&mut tx, "calendar_connection_resync_requested", id, &details).await?;
        tx.commit().await?;
        engine(self.app)?;
        let done = self.app.desk.resync(self.firm.clone(), connection, bounds, self.correlation_id.clone()).await?;
        self.told(done)
    }

    async fn resync_appointment(&self, id: &str) -> Done {
        let object = ObjectId::from_text(id);
        let mut tx = self.app.store().write().await?;
        tx.links_for_object(&self.firm, &object).await?.ok_or_else(|| nothing("appointment"))?;
        self.record(&mut tx, "appointment_resync_requested", id, &json!({})).await?;
        tx.commit().await?;
        engine(self.app)?;
        let done = self.app.desk.resync_one(self.firm.clone(), object, self.correlation_id.clone()).await?;
        self.told(done)
    }

    fn told(&self, anew: Anew) -> Done {
        self.tell(&json!({ "status": anew.status, "correlation_id": anew.correlation_id, "synced_count": anew.synced,
            "external_event_id": anew.remote, "error_summary": anew.why }))?;
        match anew.status {
            RunStatus::Failed => Err(Failure::new(anew.why.unwrap_or_else(|| "it failed".to_owned()))),
            _ => Ok(()),
        }
    }

    async fn set(&self, id: &str, paused: bool) -> Done {
        use crate::domain::sync::ConnectionStatus::{Active, Paused};
        let connection = ConnectionId::from_text(id);
        let mut tx = self.app.store().write().await?;
        let k = tx.connection(&self.firm, &connection).await?.ok_or_else(|| nothing("connection"))?;
        if !matches!(k.status, Active | Paused) {
            return Err(Failure::new(format!("the connection is {}: its user connects it again", k.status)));
        }
        let (to, note, action) = match paused {
            true => (Paused, Some("paused from the command line"), "calendar_connection_paused"),
            false => (Active, None, "calendar_connection_resumed"),
        };
        tx.set_connection_status(&self.firm, &connection, to, note).await?;
        self.record(&mut tx, action, id, &json!({})).await?;
        tx.commit().await?;
        self.tell(&json!({ "connection_id": id, "status": to }))
    }

    async fn revoke(&self, id: &str) -> Done {
        let connection = ConnectionId::from_text(id);
        let found = self.app.store().read().await?.connection(&self.firm, &connection).await?;
        found.ok_or_else(|| nothing("connection"))?;
        engine(self.app)?;
        let by = "console".to_owned();
        let done = self.app.desk.disconnect(self.firm.clone(), connection, Imported::Keep, by).await?;
        let mut tx = self.app.store().write().await?;
        self.record(&mut tx, "calendar_connection_revoked", id, &json!({ "links": done.links })).await?;
        tx.commit().await?;
        self.tell(&json!({ "connection_id": id, "status": "revoked", "links": done.links,
            "revoked_at_provider": done.revoked_there }))
    }

    async fn confirm(&self, id: &str) -> Done {
        let mut tx = self.app.store().write().await?;
        let link = LinkId::from_text(id);
        let known = tx.link_by_id(&self.firm, &link).await?.ok_or_else(|| nothing("link"))?;
        if !tx.confirm_link(&self.firm, &link, i64::MAX).await? {
            return Err(Failure::new(format!("the link is {}: nothing waits for confirmation", known.status)));
        }
        tx.settle_notices((&self.firm, &known.user), id).await?;
        self.record(&mut tx, "sync_link_confirmed", id, &json!({})).await?;
        tx.commit().await?;
        self.tell(&json!({ "link_id": id, "status": "active" }))
    }

    async fn audit_events(&self, event: Option<String>, user: Option<String>) -> Done {
        let filter = AuditFilter { action: event, actor: user, ..AuditFilter::default() };
        let mut tx = self.app.store().read().await?;
        for event in tx.audit_page(&self.firm, &filter, None, LIST_MAX).await?.0 {
            let details: Value = serde_json::from_str(&event.act.details).unwrap_or_default();
            self.tell(&json!({ "number": event.number, "at": event.at.rfc3339(), "event": event.act.action,
                "actor": event.act.actor, "target": event.act.target, "address": event.act.address,
                "correlation_id": event.act.correlation_id, "details": details }))?;
        }
        Ok(())
    }

    async fn webhooks(&self) -> Done {
        let mut tx = self.app.store().read().await?;
        let now = tx.now();
        for row in tx.channel_page(&self.firm, &ChannelFilter::default(), None, LIST_MAX).await?.0 {
            self.tell(&json!({ "webhook_id": row.channel.id.as_str(), "connection_id": row.connection.as_str(),
                "link_id": row.channel.link.as_str(), "provider": row.provider,
                "status": ChannelState::of(&row.channel, now).as_str(), "user": row.user.1,
                "expires_at": row.channel.expires.rfc3339() }))?;
        }
        Ok(())
    }

    async fn summary(&self, days: i64) -> Done {
        let mut tx = self.app.store().read().await?;
        let now = tx.now();
        let since = now.plus_ms(-(days - 1) * DAY_MS);
        let summary = tx.summary(Some(&self.firm), since).await?;
        let by_day = tx.attempts_by_day(&self.firm, since).await?;
        let (total, failures) = by_day.iter().fold((0, 0), |sum, d| (sum.0 + d.attempts, sum.1 + d.failures));
        self.tell(&json!({ "days": days, "total_attempts": total, "failures": failures,
            "queue_depth": summary.waiting.0, "pending_retries": summary.retries,
            "open_conflicts": summary.open_conflicts, "needs_confirmation": summary.needs_confirmation,
            "max_lag_seconds": summary.lags.iter().map(|l| l.lag_ms / 1_000).max(),
            "users": summary.users.0, "active_users": summary.users.1, "feeds": summary.feeds.0,
            "feed_fetches": summary.feeds.1 }))
    }
}

fn attempt(row: &AttemptRow) -> Value {
    let (attempt, what) = (&row.attempt, &row.attempt.what);
    json!({ "attempt_id": attempt.id.as_str(), "connection_id": attempt.connection.as_str(), "provider": row.provider,
        "user": row.user.1, "operation": what.operation, "direction": what.way, "status": what.outcome(),
        "error_class": what.failure.as_ref().map(|f| f.0), "error_summary": what.failure.as_ref().map(|f| &f.1),
        "retry_count": what.retry_count, "max_retries_reached": what.max_retries_reached,
        "next_retry_at": what.next_retry.and_then(Instant::rfc3339), "started_at": what.started.rfc3339(),
        "appointment_id": what.object.as_ref().map(ObjectId::as_str), "external_event_id": what.remote,
        "correlation_id": attempt.correlation_id })
}

fn nothing(what: &str) -> Failure {
    Failure::new(format!("the firm has no such {what}"))
}
