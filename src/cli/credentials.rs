//! `kalends app-password …` and `kalends token …`

use clap::Subcommand;
use serde_json::json;

use super::{Done, Failure, Output, audit, user_named};
use crate::app::App;
use crate::auth::Purpose;
use crate::domain::access::{Role, Scope};
use crate::domain::ids::{AppPasswordId, TokenId};
use crate::domain::time::Instant;

#[derive(Subcommand, Debug)]
pub(super) enum AppPasswordCommand {
    /// Make an app password and print it; it is shown only now
    Add {
        /// For whom
        user: String,
        /// The device, in your words
        #[arg(long, default_value = "command line")]
        label: String,
        /// It may read and not change
        #[arg(long)]
        read_only: bool,
    },
    /// List a user's app passwords
    List {
        /// Whose
        user: String,
    },
    /// Revoke an app password
    Revoke {
        /// Whose
        user: String,
        /// Its id, as listed
        id: String,
    },
}

#[derive(Subcommand, Debug)]
pub(super) enum TokenCommand {
    /// Make an API token and print it; it is shown only now
    Add {
        /// On whose behalf it acts
        user: String,
        /// appointments, sync, admin; several separated by commas
        #[arg(long, value_delimiter = ',', required = true, value_parser = scope)]
        scope: Vec<Scope>,
        /// What it is for, in your words
        #[arg(long, default_value = "command line")]
        label: String,
    },
    /// List a user's API tokens
    List {
        /// Whose
        user: String,
    },
    /// Revoke an API token
    Revoke {
        /// Whose
        user: String,
        /// Its id, as listed
        id: String,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| "a scope is appointments, sync or admin".to_owned())
}

fn when(at: Option<Instant>) -> Option<String> {
    at.and_then(Instant::rfc3339)
}

pub(super) async fn app_password(command: AppPasswordCommand, app: &App, output: &Output) -> Done {
    match command {
        AppPasswordCommand::Add { user: name, label, read_only } => {
            let user = user_named(app, &name).await?;
            let secret = app.store().chance().secret();
            let hash = app.gate.hash(Purpose::AppPassword, &secret);
            let mut tx = app.store().write().await?;
            let made = tx.add_app_password(&user.firm, &user.id, &label, read_only, &hash).await?;
            tx.commit().await?;
            audit(app, &user, "app_password_added", made.id.as_str()).await?;
            output.say(
                &secret,
                &json!({ "id": made.id.as_str(), "user": name, "label": label, "read_only": read_only, "secret": secret }),
            );
        }
        AppPasswordCommand::List { user: name } => {
            let user = user_named(app, &name).await?;
            for p in app.store().read().await?.app_passwords(&user.firm, &user.id).await? {
                let state = if p.revoked.is_some() { "revoked" } else { "active" };
                let right = if p.read_only { "read-only" } else { "read-write" };
                output.say(
                    format_args!("{}\t{}\t{right}\t{state}", p.id, p.label),
                    &json!({ "id": p.id.as_str(), "label": p.label, "read_only": p.read_only,
                        "created": when(Some(p.created)), "last_used": when(p.last_used), "revoked": when(p.revoked) }),
                );
            }
        }
        AppPasswordCommand::Revoke { user: name, id } => {
            let user = user_named(app, &name).await?;
            let mut tx = app.store().write().await?;
            let found = tx.revoke_app_password(&user.firm, &user.id, &AppPasswordId::from_text(&id)).await?;
            tx.commit().await?;
            revoked(found, &id, output)?;
            audit(app, &user, "app_password_revoked", &id).await?;
        }
    }
    Ok(())
}

pub(super) async fn token(command: TokenCommand, app: &App, output: &Output) -> Done {
    let words = |scopes: &[Scope]| scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>();
    match command {
        TokenCommand::Add { user: name, scope, label } => {
            let user = user_named(app, &name).await?;
            if scope.contains(&Scope::Admin) && user.role != Role::Manager {
                return Err(Failure::new(format!(
                    "the scope admin is for managers, and {name} is {}",
                    user.role.as_str()
                )));
            }
            let secret = app.store().chance().secret();
            let hash = app.gate.hash(Purpose::Token, &secret);
            let mut tx = app.store().write().await?;
            let made = tx.add_token(&user.firm, &user.id, &label, &scope, &hash).await?;
            tx.commit().await?;
            audit(app, &user, "token_added", made.id.as_str()).await?;
            output.say(
                &secret,
                &json!({ "id": made.id.as_str(), "user": name, "label": label, "scopes": words(&scope),
                    "secret": secret }),
            );
        }
        TokenCommand::List { user: name } => {
            let user = user_named(app, &name).await?;
            for t in app.store().read().await?.tokens(&user.firm, &user.id).await? {
                let state = if t.revoked.is_some() { "revoked" } else { "active" };
                output.say(
                    format_args!("{}\t{}\t{}\t{state}", t.id, t.label, words(&t.scopes).join(",")),
                    &json!({ "id": t.id.as_str(), "label": t.label, "scopes": words(&t.scopes),
                        "created": when(Some(t.created)), "last_used": when(t.last_used), "revoked": when(t.revoked) }),
                );
            }
        }
        TokenCommand::Revoke { user: name, id } => {
            let user = user_named(app, &name).await?;
            let mut tx = app.store().write().await?;
            let found = tx.revoke_token(&user.firm, &user.id, &TokenId::from_text(&id)).await?;
            tx.commit().await?;
            revoked(found, &id, output)?;
            audit(app, &user, "token_revoked", &id).await?;
        }
    }
    Ok(())
}

fn revoked(found: bool, id: &str, output: &Output) -> Done {
    if !found {
        return Err(Failure::new(format!("this user has none with the id {id:?}")));
    }
    output.say(format_args!("revoked {id}"), &json!({ "id": id, "revoked": true }));
    Ok(())
}
