//! `kalends backup`, `restore`, `rotate-key`, `doctor`, `config check`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use super::{Done, Failure, Output};
use crate::app::{App, configured_keys};
use crate::config::{Config, KEY_FILE};
use crate::crypto::Chance;
use crate::store::{Store, check_backup, connection_place, secret_place};

/// How often progress is told, in objects.
const PROGRESS_EVERY: u64 = 5_000;
/// Secrets sealed anew in one transaction.
const PAGE: u32 = 200;

#[derive(clap::Args, Debug)]
pub(super) struct BackupArgs {
    /// The file to write; it must not exist
    file: PathBuf,
}

#[derive(clap::Args, Debug)]
pub(super) struct RestoreArgs {
    /// The backup to restore from
    file: PathBuf,
}

#[derive(clap::Args, Debug)]
pub(super) struct DoctorArgs {
    /// Index every object anew first: after an update that brought new time zone rules
    #[arg(long)]
    reindex: bool,
}

#[derive(Subcommand, Debug)]
pub(super) enum ConfigCommand {
    /// Print the effective configuration without secrets, or say what is wrong with it
    Check,
}

pub(super) async fn backup(args: BackupArgs, app: &App, output: &Output) -> Done {
    let rows = app.store().backup(&args.file).await?;
    output.say(
        format_args!(
            "wrote {rows} rows to {}; the encryption key is not in it: keep a copy of it apart",
            args.file.display()
        ),
        &json!({ "file": args.file, "rows": rows }),
    );
    app.store().close().await;
    Ok(())
}

/// Refuses before anything is made: neither a key nor a database is left behind by a restore that cannot be.
pub(super) async fn may_restore(args: &RestoreArgs, config: &Config) -> Done {
    let Some(keys) = configured_keys(config)? else {
        return Err(Failure::new(format!(
            "the encryption key of the backup is needed: put it into {} or into CALENDAR_ENCRYPTION_KEY",
            config.data_dir.join(KEY_FILE).display()
        )));
    };
    Ok(check_backup(&args.file, &keys).await?)
}

pub(super) async fn restore(args: RestoreArgs, app: &App, output: &Output) -> Done {
    let rows = app.store().restore(&args.file, &app.gate.keys).await?;
    app.store().close().await;
    // Its epoch, its hash key and perhaps its age are others now.
    let chance = Arc::new(Chance::from_os());
    let store = Store::open(&app.config.database, &app.gate.keys, Arc::clone(&app.clock), chance).await?;
    store.take_measure().await?;
    let report = store.doctor().await?;
    store.close().await;
    if report.finding_count > 0 {
        return Err(Failure::new(format!(
            "restored {rows} rows, but {} things are wrong with them; kalends doctor lists them",
            report.finding_count
        )));
    }
    output.say(
        format_args!("restored {rows} rows; clients will sync from the beginning"),
        &json!({ "rows": rows, "objects": report.objects }),
    );
    Ok(())
}

pub(super) async fn rotate_key(app: &App, output: &Output) -> Done {
    let (keys, chance) = (&app.gate.keys, app.store().chance());
    let mut resealed = u64::from(app.store().reseal_hash_key(keys).await?);
    let mut after = String::new();
    loop {
        let mut tx = app.store().write().await?;
        let page = tx.sealed_feed_secrets(&after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = last.as_str().to_owned();
        for (id, old) in page.iter().filter(|(_, sealed)| !keys.is_newest(sealed)) {
            let plain = keys.open(secret_place(id), old)?;
            let new = keys.seal(secret_place(id), &plain, chance);
            resealed += u64::from(tx.reseal_feed_secret(id, old, &new).await?);
        }
        tx.commit().await?;
    }
    let mut after = String::new();
    loop {
        let mut tx = app.store().write().await?;
        let page = tx.sealed_connection_secrets(&after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = last.as_str().to_owned();
        for (id, old) in page.iter().filter(|(_, sealed)| !keys.is_newest(sealed)) {
            let plain = keys.open(connection_place(id), old)?;
            let new = keys.seal(connection_place(id), &plain, chance);
            // One that was refreshed meanwhile is sealed with the newest key already, or found by the next rotation.
            resealed += u64::from(tx.reseal_connection_secret(id, old, &new).await?);
        }
        tx.commit().await?;
    }
    output.say(
        format_args!("{resealed} secrets were sealed anew; keys but the first are no longer needed"),
        &json!({ "resealed": resealed }),
    );
    app.store().close().await;
    Ok(())
}

pub(super) async fn doctor(args: DoctorArgs, app: &App, output: &Output) -> Done {
    if args.reindex {
        let mut next = PROGRESS_EVERY;
        let done = app.store().reindex(|done| {
            if done.objects >= next {
                output.progress(format_args!("indexed {} objects", done.objects));
                next = done.objects + PROGRESS_EVERY;
            }
        });
        let done = done.await?;
        output.say(
            format_args!("indexed {} objects anew, {} of them differently", done.objects, done.changed),
            &json!({ "indexed": done.objects, "changed": done.changed }),
        );
    }
    let report = app.store().doctor().await?;
    app.store().close().await;
    if output.is_json() {
        output.say("", &serde_json::to_value(&report)?);
    } else {
        for finding in &report.findings {
            output.say(format_args!("{}\t{}\t{}", finding.check, finding.place, finding.what), &json!({}));
        }
        let (objects, versions, events) = (report.objects, report.versions, report.audit_events);
        output.say(format_args!("checked {objects} objects, {versions} versions, {events} audit events"), &json!({}));
    }
    match report.finding_count {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} things are wrong"))),
    }
}

pub(super) fn show(config: &Config, output: &Output) -> Done {
    let shown = config.redacted();
    output.say(serde_json::to_string_pretty(&shown)?, &shown);
    Ok(())
}
