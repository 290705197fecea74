//! `kalends admin …`: the calls of the admin API, from the machine itself, for a firm. With `--json` the answers are those of
//! the API to the letter. What needs a provider is done by an engine of this very process, on the same store as the
//! server's: leases keep the two apart.

use clap::Subcommand;
use serde_json::{Value, json};

use super::sync::engine;
use super::{Done, Failure, Output};
use crate::app::{App, Errand};

#[derive(clap::Args, Debug)]
pub(super) struct AdminArgs {
    /// The firm
    #[arg(long, global = true, default_value = "default")]
    firm: String,
    #[command(subcommand)]
    command: AdminCommand,
}

/// Filters and pages that every list takes.
#[derive(clap::Args, Debug, Default)]
struct Lists {
    /// At this provider: google, microsoft (or outlook), apple, caldav or ics
    #[arg(long)]
    provider: Option<String>,
    /// Of this user: name or id
    #[arg(long)]
    user: Option<String>,
    /// With an appointment of this project
    #[arg(long)]
    project: Option<String>,
    /// With this text in its words or ids
    #[arg(long)]
    text: Option<String>,
    /// From this day (2026-03-01, of UTC) or time on
    #[arg(long, value_name = "DATE")]
    start_date: Option<String>,
    /// Until this day, or before this time
    #[arg(long, value_name = "DATE")]
    end_date: Option<String>,
    /// How many on a page
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: Option<u32>,
    /// Where the page begins: from `next` of the page before
    #[arg(long)]
    cursor: Option<String>,
}

const CLASSES: [&str; 3] = ["transient", "rate_limited", "non_retryable"];

#[derive(Subcommand, Debug)]
enum AdminCommand {
    /// List the firm's connections
    Connections {
        /// In this state
        #[arg(long, value_parser = ["active", "paused", "needs_reauth", "revoked"])]
        status: Option<String>,
        #[command(flatten)]
        lists: Lists,
    },
    /// Tell how a connection stands, from its attempts
    SyncStatus {
        /// The connection
        id: String,
    },
    /// List attempts, newest first
    Attempts {
        /// Ended so
        #[arg(long, value_parser = ["success", "failed", "exhausted", "pending_retry", "eligible_for_retry"])]
        status: Option<String>,
        /// Failed so
        #[arg(long, value_parser = CLASSES)]
        error_class: Option<String>,
        /// Of this connection
        #[arg(long)]
        connection: Option<String>,
        #[command(flatten)]
        lists: Lists,
    },
    /// List attempts that failed, newest first
    FailedAttempts {
        /// Of this connection
        #[arg(long)]
        connection: Option<String>,
        /// Also those that were tried as often as they may be
        #[arg(long)]
        include_exhausted: bool,
        /// Those alone
        #[arg(long, value_parser = ["failed", "exhausted", "pending_retry", "eligible_for_retry"])]
        status: Option<String>,
        /// Failed so
        #[arg(long, value_parser = CLASSES)]
        error_class: Option<String>,
        #[command(flatten)]
        lists: Lists,
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
        /// From this day (2026-03-01, of UTC) or time on
        #[arg(long, value_name = "DATE")]
        start_date: Option<String>,
        /// Until this day, or before this time
        #[arg(long, value_name = "DATE")]
        end_date: Option<String>,
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
    /// List audit events, newest first; --user is who acted: a user, console or system
    AuditEvents {
        /// Of this kind
        #[arg(long)]
        event: Option<String>,
        /// On this target
        #[arg(long)]
        target: Option<String>,
        /// That say so much of what came of it
        #[arg(long, value_parser = ["requested", "success", "failed", "refused", "done"])]
        status: Option<String>,
        #[command(flatten)]
        lists: Lists,
    },
    /// List webhook channels
    Webhooks {
        /// In this state
        #[arg(long, value_parser = ["active", "expired", "replaced"])]
        status: Option<String>,
        #[command(flatten)]
        lists: Lists,
    },
    /// Tell how everything of the firm stands
    MetricsSummary {
        /// Days that attempts and runs are counted over
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: Option<u32>,
    },
    /// Take away now what is older than it is kept: attempts, runs, versions, deletions
    TakeAway,
}

type Query = Vec<(&'static str, String)>;

impl Lists {
    /// As the query of the API, with what else is asked for.
    fn with(self, more: &[(&'static str, Option<String>)]) -> Query {
        let own = [
            ("provider", self.provider),
            ("user", self.user),
            ("project", self.project),
            ("text", self.text),
            ("start_date", self.start_date),
            ("end_date", self.end_date),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("cursor", self.cursor),
        ];
        let all = own.into_iter().chain(more.iter().cloned());
        all.filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }
}

pub(super) async fn admin(args: AdminArgs, app: &App, output: &Output) -> Done {
    let firms = app.store().read().await?.firms().await?;
    let found = firms.into_iter().find(|(_, name)| *name == args.firm).map(|(id, _)| id);
    let firm = found.ok_or_else(|| Failure::new(format!("there is no firm {:?}", args.firm)))?;
    let ask = async |changes: bool, path: String, query: Query, body: Option<Value>| {
        let errand = Errand { firm: &firm, changes, path: &path, query: &query, body };
        app.manage(errand).await.map_err(Failure::new)
    };
    let read = async |path: &str, query: Query| ask(false, path.to_owned(), query, None).await;
    let act = async |path: String| ask(true, path, Vec::new(), None).await;
    let told = match args.command {
        AdminCommand::Connections { status, lists } => read("connections", lists.with(&[("status", status)])).await?,
        AdminCommand::SyncStatus { id } => {
            read(&format!("connections/{}/sync-status", plain(&id)?), Vec::new()).await?
        }
        AdminCommand::Attempts { status, error_class, connection, lists } => {
            let more = [("status", status), ("error_class", error_class), ("connection_id", connection)];
            read("sync-attempts", lists.with(&more)).await?
        }
        AdminCommand::FailedAttempts { connection, include_exhausted, status, error_class, lists } => {
            let exhausted = include_exhausted.then(|| "true".to_owned());
            let more = [("include_exhausted", exhausted), ("status", status), ("error_class", error_class)];
            let path = match connection {
                Some(id) => format!("connections/{}/failed-attempts", plain(&id)?),
                None => "sync-attempts/failed".to_owned(),
            };
            read(&path, lists.with(&more)).await?
        }
        AdminCommand::AuditEvents { event, target, status, lists } => {
            let more = [("event", event), ("target", target), ("status", status)];
            read("audit-events", lists.with(&more)).await?
        }
        AdminCommand::Webhooks { status, lists } => read("webhooks", lists.with(&[("status", status)])).await?,
        AdminCommand::MetricsSummary { days } => {
            read("metrics-summary", days.map(|days| ("days", days.to_string())).into_iter().collect()).await?
        }
        AdminCommand::Replay { id } => {
            engine(app);
            act(format!("sync-attempts/{}/replay", plain(&id)?)).await?
        }
        AdminCommand::Resync { id, start_date, end_date } => {
            engine(app);
            let bounds = [("start_date", start_date), ("end_date", end_date)];
            let bounds = bounds.into_iter().filter_map(|(name, day)| day.map(|day| (name.to_owned(), json!(day))));
            ask(true, format!("connections/{}/resync", plain(&id)?), Vec::new(), Some(bounds.collect())).await?
        }
        AdminCommand::ResyncAppointment { id } => {
            engine(app);
            act(format!("appointments/{}/resync", plain(&id)?)).await?
        }
        AdminCommand::Pause { id } => act(format!("connections/{}/pause", plain(&id)?)).await?,
        AdminCommand::Resume { id } => act(format!("connections/{}/resume", plain(&id)?)).await?,
        AdminCommand::Revoke { id } => {
            engine(app);
            act(format!("connections/{}/revoke", plain(&id)?)).await?
        }
        AdminCommand::Confirm { id } => act(format!("links/{}/confirm", plain(&id)?)).await?,
        AdminCommand::TakeAway => {
            let act = super::act(app, "old_records_taken_away", "");
            serde_json::to_value(app.store().take_away_now(&firm, &app.kept(), &act).await?)?
        }
    };
    say(output, &told);
    match told.pointer("/result/status").and_then(Value::as_str) {
        Some("failed") => {
            let why = told.pointer("/result/error_summary").and_then(Value::as_str);
            Err(Failure::new(why.unwrap_or("it failed")))
        }
        _ => Ok(()),
    }
}

/// An id as it stands in a path. What is none is nobody's, and must not be another path.
fn plain(id: &str) -> Result<&str, Failure> {
    match !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        true => Ok(id),
        false => Err(Failure::new("there is nothing here, or nothing that you may know of")),
    }
}

/// With `--json` the answer as it is; else an item a line, and then what is said of them all.
fn say(output: &Output, told: &Value) {
    if output.is_json() {
        return output.say("", told);
    }
    let items = told.as_object().into_iter().flatten().filter(|(name, _)| ITEMS.contains(&name.as_str()));
    for item in items.filter_map(|(_, items)| items.as_array()).flatten() {
        output.say(line(item), item);
    }
    output.say(line(told), told);
}

/// The lists whose items have a line each.
const ITEMS: [&str; 5] = ["connections", "sync_attempts", "failed_attempts", "audit_events", "webhooks"];

/// Fields with tabs between them: what is inside of another by its path.
fn line(value: &Value) -> String {
    let mut fields = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(inner) if name != "details" => {
                fields.extend(inner.iter().map(|(below, value)| format!("{name}.{below}={}", word(value))));
            }
            Value::Array(items) if ITEMS.contains(&name.as_str()) && items.iter().all(|i| i.get("count").is_none()) => {
            }
            value => fields.push(format!("{name}={}", word(value))),
        }
    }
    fields.join("\t")
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}
