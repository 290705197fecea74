//! `kalends connection …` and `kalends link …`. What needs a provider is done by an engine of this very process, on the
//! same store as the server's: leases keep the two apart.

use clap::Subcommand;
use serde_json::json;

use super::{Done, Failure, Output, audit, user_named};
use crate::app::{App, sync};
use crate::domain::ids::{ConnectionId, LinkId};
use crate::domain::sync::{ConnectionStatus, LinkStatus, Provider, RunKind, RunStatus, UnsupportedRecurrence};
use crate::domain::time::Instant;
use crate::store::{Connection, Due, Link, RunFilter, User};
use crate::sync::desk::{DeviceAsked, Imported, NewConsent};
use crate::sync::engine::Engine;

/// Who began a consent on the command line.
const CONSOLE: &str = "console";

#[derive(Subcommand, Debug)]
pub(super) enum ConnectionCommand {
    /// List a user's connections
    List {
        /// Whose
        user: String,
    },
    /// Connect an account by a code that is typed on another device, and wait until it was
    Connect {
        /// Whose it will be
        user: String,
        /// At which provider (microsoft)
        provider: String,
    },
    /// Pause a connection with all its links
    Pause(One),
    /// Let a paused connection run again
    Resume(One),
    /// Disconnect: links end, the grant is revoked at the provider, the tokens are forgotten
    Revoke {
        #[command(flatten)]
        one: One,
        /// Also delete here what came from there; without it the appointments stay
        #[arg(long)]
        remove: bool,
    },
}

#[derive(Subcommand, Debug)]
pub(super) enum LinkCommand {
    /// List a user's links
    List {
        /// Whose
        user: String,
    },
    /// Say what becomes of series that the provider cannot repeat; everything else is set over the API
    Set {
        #[command(flatten)]
        one: One,
        /// keep_local: they stay here; expand: their instances of the coming half year go out as single events
        #[arg(long, value_name = "WHAT", value_parser = unsupported)]
        unsupported_recurrence: UnsupportedRecurrence,
    },
    /// Show what a run would do, without doing it
    Preview(One),
    /// Run now and wait for the end
    Sync(One),
    /// Look at everything anew, or at what lies between two days, and wait for the end
    Resync {
        #[command(flatten)]
        one: One,
        /// From this day on (2026-03-01)
        #[arg(long, value_name = "DATE", value_parser = day)]
        from: Option<Instant>,
        /// Up to before this day
        #[arg(long, value_name = "DATE", value_parser = day)]
        until: Option<Instant>,
    },
    /// Pause a link
    Pause(One),
    /// Let a paused or broken link run again
    Resume(One),
    /// Let a link that the mass-change guard stopped remove what its preview shows, once
    Confirm(One),
}

/// One of a user's things.
#[derive(clap::Args, Debug)]
pub(super) struct One {
    /// Whose
    user: String,
    /// Its id, as listed
    id: String,
}

pub(super) fn day(text: &str) -> Result<Instant, String> {
    let date: jiff::civil::Date = text.parse().map_err(|_| "a day is written 2026-03-01".to_owned())?;
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|e| e.to_string())?;
    Ok(Instant::from(at.timestamp()))
}

fn unsupported(text: &str) -> Result<UnsupportedRecurrence, String> {
    match text {
        "keep_local" => Ok(UnsupportedRecurrence::KeepLocal),
        "expand" => Ok(UnsupportedRecurrence::Expand),
        _ => Err("keep_local or expand".to_owned()),
    }
}

pub(super) async fn connection(command: ConnectionCommand, app: &App, output: &Output) -> Done {
    match command {
        ConnectionCommand::List { user } => {
            let user = user_named(app, &user).await?;
            for k in app.store().read().await?.connections(&user.firm, &user.id).await? {
                let note = k.status_note.as_deref().unwrap_or_default();
                output.say(
                    format_args!("{}\t{}\t{}\t{}\t{note}", k.id, k.provider, k.account, k.status.as_str()),
                    &json!({ "id": k.id.as_str(), "provider": k.provider, "account": k.account,
                        "status": k.status, "status_note": k.status_note }),
                );
            }
            Ok(())
        }
        ConnectionCommand::Connect { user, provider } => connect(app, output, &user, &provider).await,
        ConnectionCommand::Pause(one) => set_connection(app, output, &one, ConnectionStatus::Paused).await,
        ConnectionCommand::Resume(one) => set_connection(app, output, &one, ConnectionStatus::Active).await,
        ConnectionCommand::Revoke { one, remove } => {
            let (user, connection) = connection_of(app, &one).await?;
            let imported = if remove { Imported::Remove } else { Imported::Keep };
            engine(app);
            let id = connection.id.clone();
            let done = app.desk.disconnect(connection.firm, connection.id, imported, "console".to_owned()).await?;
            audit(app, &user, "calendar_connection_revoked", id.as_str()).await?;
            let there = if done.revoked_there { "" } else { "; the provider did not confirm that the grant is gone" };
            output.say(
                format_args!("revoked {id}: {} links ended, {} appointments removed{there}", done.links, done.removed),
                &json!({ "id": id.as_str(), "revoked": true, "links": done.links, "removed": done.removed,
                    "revoked_at_provider": done.revoked_there }),
            );
            Ok(())
        }
    }
}

/// Shows a code and waits until somebody typed it.
async fn connect(app: &App, output: &Output, name: &str, provider: &str) -> Done {
    let user = user_named(app, name).await?;
    let known = if provider == "outlook" { Some(Provider::Microsoft) } else { Provider::parse(provider) };
    let provider = known.ok_or_else(|| Failure::new(format!("{provider} is no provider")))?;
    engine(app);
    let new = NewConsent {
        firm: user.firm.clone(),
        user: user.id.clone(),
        provider,
        bound_to: CONSOLE.to_owned(),
        redirect_uri: String::new(),
        read_only: false,
        login_hint: None,
    };
    let begun = app.desk.begin_device(new).await?;
    output.say(
        format_args!("Open {} in any browser and type the code {}", begun.page, begun.user_code),
        &json!({ "verification_uri": begun.page, "user_code": begun.user_code, "expires_at": begun.expires.to_string() }),
    );
    let wait = std::time::Duration::from_secs(begun.interval_s.unsigned_abs().clamp(1, 60));
    while app.store().now() < begun.expires {
        tokio::time::sleep(wait).await;
        let asked = DeviceAsked {
            firm: user.firm.clone(),
            user: user.id.clone(),
            bound_to: CONSOLE.to_owned(),
            state: begun.state.clone(),
        };
        let Some(connected) = app.desk.finish_device(asked).await? else { continue };
        let id = connected.connection.as_str();
        audit(app, &user, "calendar_connection_connected", id).await?;
        let note = if connected.too_little { ", but too little was granted" } else { "" };
        output.say(
            format_args!("connected {id}: {}{note}", connected.account),
            &json!({ "id": id, "account": connected.account, "writable": connected.writable,
                "too_little": connected.too_little }),
        );
        return Ok(());
    }
    Err(Failure::new("nobody typed the code in time"))
}

pub(super) async fn link(command: LinkCommand, app: &App, output: &Output) -> Done {
    match command {
        LinkCommand::List { user } => list(app, output, &user).await,
        LinkCommand::Set { one, unsupported_recurrence } => {
            let (user, link) = link_of(app, &one).await?;
            let mut settings = link.settings.clone();
            settings.policy.unsupported_recurrence = unsupported_recurrence;
            if settings != link.settings {
                let mut tx = app.store().write().await?;
                tx.set_link(&link.firm, &link.id, &settings).await?;
                tx.commit().await?;
                audit(app, &user, "sync_link_changed", link.id.as_str()).await?;
            }
            output.say(
                format_args!("set {}", link.id),
                &json!({ "id": link.id.as_str(), "unsupported_recurrence": unsupported_recurrence }),
            );
            Ok(())
        }
        LinkCommand::Preview(one) => preview(app, output, &one).await,
        LinkCommand::Sync(one) => run(app, output, &one, None).await,
        LinkCommand::Resync { one, from, until } => run(app, output, &one, Some((from, until))).await,
        LinkCommand::Pause(one) => set_link(app, output, &one, LinkStatus::Paused).await,
        LinkCommand::Resume(one) => set_link(app, output, &one, LinkStatus::Active).await,
        LinkCommand::Confirm(one) => {
            let (user, link) = link_of(app, &one).await?;
            let mut tx = app.store().write().await?;
            if !tx.confirm_link(&link.firm, &link.id, i64::MAX).await? {
                return Err(Failure::new(format!("the link is {}: nothing waits for confirmation", link.status)));
            }
            tx.commit().await?;
            audit(app, &user, "sync_link_confirmed", link.id.as_str()).await?;
            output.say(format_args!("confirmed {}", link.id), &json!({ "id": link.id.as_str(), "confirmed": true }));
            Ok(())
        }
    }
}

async fn list(app: &App, output: &Output, name: &str) -> Done {
    let user = user_named(app, name).await?;
    let mut tx = app.store().read().await?;
    let figures = tx.link_figures(&user.firm, &user.id).await?;
    for l in tx.links(&user.firm, &user.id).await? {
        let of = figures.get(&l.id).cloned().unwrap_or_default();
        let last = l.last.0.and_then(Instant::rfc3339);
        let shown = last.as_deref().unwrap_or("never");
        output.say(
            format_args!(
                "{}\t{}\t{}\t{}\t{} in step, {} waiting, {} conflicts\tlast {shown}",
                l.id, l.remote_name, l.settings.direction, l.status, of.mappings.live, of.waiting.0, of.open_conflicts
            ),
            &json!({ "id": l.id.as_str(), "connection_id": l.connection.as_str(), "calendar_id": l.calendar.as_str(),
                "remote_calendar": l.remote.as_str(), "remote_name": l.remote_name, "direction": l.settings.direction,
                "status": l.status, "status_note": l.status_note, "in_step": of.mappings.live,
                "waiting": of.waiting.0, "open_conflicts": of.open_conflicts, "last_run": last,
                "last_status": l.last.2,
                "warnings": of.warnings.iter().map(|w| json!({ "warning": w.text, "appointments": w.count }))
                    .collect::<Vec<_>>() }),
        );
        for warning in &of.warnings {
            output.progress(format_args!("{}: {}", l.remote_name, warning.told()));
        }
    }
    Ok(())
}

async fn preview(app: &App, output: &Output, one: &One) -> Done {
    let (_, link) = link_of(app, one).await?;
    engine(app);
    let preview = app.desk.preview(link.firm, link.id).await?;
    for item in &preview.items {
        let start = item.start.and_then(Instant::rfc3339);
        let title = item.title.as_deref().unwrap_or_default();
        output.say(
            format_args!("{}\t{}\t{}\t{title}", item.way, item.action, start.as_deref().unwrap_or("-")),
            &json!({ "direction": item.way, "action": item.action, "title": item.title, "start": start,
                "appointment_id": item.object.as_ref().map(|o| o.as_str()), "external_event_id": item.remote,
                "note": item.note }),
        );
    }
    if !output.is_json() {
        output.say(format_args!("{} operations", preview.total), &json!({}));
    }
    for warning in &preview.warnings {
        output.progress(format_args!("{warning}"));
    }
    if let Some(stopped) = preview.stopped {
        output.progress(format_args!("a run would stop before it applies anything: {stopped}"));
    }
    Ok(())
}

/// A run in this process, from beginning to end; what a server that is running has the lease for, that server does.
async fn run(app: &App, output: &Output, one: &One, resync: Option<(Option<Instant>, Option<Instant>)>) -> Done {
    let (user, link) = link_of(app, one).await?;
    if link.status != LinkStatus::Active {
        return Err(Failure::new(format!("the link is {}", link.status)));
    }
    let engine = engine(app);
    let mut tx = app.store().write().await?;
    let now = tx.now();
    match resync {
        Some((from, until)) => {
            tx.ask_for_run(&link.firm, &link.id, RunKind::Resync, now).await?;
            tx.queue_between(&link.firm, &link.id, from, until).await?;
        }
        None => {
            tx.ask_for_run(&link.firm, &link.id, RunKind::Manual, now).await?;
        }
    }
    tx.commit().await?;
    let action = if resync.is_some() { "calendar_connection_resync_requested" } else { "sync_run_requested" };
    audit(app, &user, action, link.id.as_str()).await?;
    let due = Due { firm: link.firm.clone(), link: link.id.clone() };
    if !engine.work(&due).await? {
        let said = json!({ "link_id": link.id.as_str(), "status": "asked" });
        output.say("the run was asked for; another process works on this link", &said);
        return Ok(());
    }
    let filter = RunFilter { link: Some(link.id.clone()), from: Some(now), ..RunFilter::default() };
    let mut tx = app.store().read().await?;
    let (runs, _) = tx.runs((&user.firm, &user.id), &filter, (1, 0)).await?;
    let after = tx.link_by_id(&link.firm, &link.id).await?;
    drop(tx);
    let Some(run) = runs.into_iter().next() else {
        return match after.and_then(|l| l.last.2) {
            Some(RunStatus::Failed) => Err(Failure::new("the run failed; link list tells how the link stands")),
            _ => {
                output.say("nothing to do", &json!({ "link_id": link.id.as_str(), "status": "success" }));
                Ok(())
            }
        };
    };
    let t = run.totals;
    output.say(
        format_args!(
            "{}: {} pushed, {} pulled, {} deleted, {} conflicts, {} errors",
            run.status, t.pushed, t.pulled, t.deleted, t.conflicts, t.errors
        ),
        &json!({ "run_id": run.id.as_str(), "link_id": link.id.as_str(), "status": run.status, "pushed": t.pushed,
            "pulled": t.pulled, "deleted": t.deleted, "conflicts": t.conflicts, "errors": t.errors,
            "error_summary": run.error_summary }),
    );
    match run.status {
        RunStatus::Failed => Err(Failure::new(run.error_summary.unwrap_or_else(|| "the run failed".to_owned()))),
        _ => Ok(()),
    }
}

/// An engine of this process, behind the desk.
pub(super) fn engine(app: &App) -> Engine {
    sync::serving(app, None)
}

async fn connection_of(app: &App, one: &One) -> Result<(User, Connection), Failure> {
    let user = user_named(app, &one.user).await?;
    let id = ConnectionId::from_text(one.id.as_str());
    let found = app.store().read().await?.connection(&user.firm, &id).await?.filter(|k| k.user == user.id);
    let none = || Failure::new(format!("this user has no connection with the id {id}"));
    Ok((user.clone(), found.ok_or_else(none)?))
}

async fn link_of(app: &App, one: &One) -> Result<(User, Link), Failure> {
    let user = user_named(app, &one.user).await?;
    let id = LinkId::from_text(one.id.as_str());
    let found = app.store().read().await?.link_by_id(&user.firm, &id).await?.filter(|l| l.user == user.id);
    let none = || Failure::new(format!("this user has no link with the id {id}"));
    Ok((user.clone(), found.ok_or_else(none)?))
}

async fn set_connection(app: &App, output: &Output, one: &One, to: ConnectionStatus) -> Done {
    let (user, connection) = connection_of(app, one).await?;
    if !matches!(connection.status, ConnectionStatus::Active | ConnectionStatus::Paused) {
        return Err(Failure::new(format!("the connection is {}: its user connects it again", connection.status)));
    }
    let (word, action) = match to {
        ConnectionStatus::Paused => ("paused", "calendar_connection_paused"),
        _ => ("resumed", "calendar_connection_resumed"),
    };
    let note = (to == ConnectionStatus::Paused).then_some("paused from the command line");
    let mut tx = app.store().write().await?;
    tx.set_connection_status(&connection.firm, &connection.id, to, note).await?;
    tx.commit().await?;
    audit(app, &user, action, connection.id.as_str()).await?;
    output.say(format_args!("{word} {}", connection.id), &json!({ "id": connection.id.as_str(), "status": to }));
    Ok(())
}

async fn set_link(app: &App, output: &Output, one: &One, to: LinkStatus) -> Done {
    let (user, link) = link_of(app, one).await?;
    match (link.status, to) {
        (LinkStatus::Detached, _) => return Err(Failure::new("the link is detached")),
        (LinkStatus::NeedsConfirmation, LinkStatus::Active) => {
            return Err(Failure::new("a run would remove many appointments at once: link preview, then link confirm"));
        }
        _ => {}
    }
    let (word, action) = match to {
        LinkStatus::Paused => ("paused", "sync_link_paused"),
        _ => ("resumed", "sync_link_resumed"),
    };
    let note = (to == LinkStatus::Paused).then_some("paused from the command line");
    let mut tx = app.store().write().await?;
    tx.set_link_status(&link.firm, &link.id, to, note).await?;
    tx.commit().await?;
    audit(app, &user, action, link.id.as_str()).await?;
    output.say(format_args!("{word} {}", link.id), &json!({ "id": link.id.as_str(), "status": to }));
    Ok(())
}
