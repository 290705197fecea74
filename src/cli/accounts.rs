//! `kalends user …`

use std::io::Read;

use clap::Subcommand;
use serde_json::json;

use super::{Done, Failure, Output, audit, user_named};
use crate::app::App;
use crate::domain::access::Role;
use crate::domain::ids::UserName;
use crate::store::{NewUser, StoreError};

/// The firm that a fresh install has.
pub(super) const FIRM_DEFAULT: &str = "default";
/// Users shown at once from the store.
const PAGE: u32 = 500;

#[derive(Subcommand, Debug)]
pub(super) enum UserCommand {
    /// Add a user with a calendar and a task list
    Add {
        /// The name to sign in with; part of the CalDAV address
        name: String,
        /// client, staff or manager
        #[arg(long, value_parser = role)]
        role: Role,
        /// Read the password from standard input; without it the user signs in with app passwords only
        #[arg(long)]
        password_stdin: bool,
        /// How others see the user
        #[arg(long)]
        display_name: Option<String>,
        /// Address for invitations and notices
        #[arg(long)]
        email: Option<String>,
        /// The firm; made if there is none of that name
        #[arg(long, default_value = FIRM_DEFAULT)]
        firm: String,
    },
    /// List all users
    List,
    /// Lock a user out; what they own stays
    Disable {
        /// Whom
        name: String,
    },
    /// Set a new password; ends the user's browser sessions
    SetPassword {
        /// Whose
        name: String,
        /// Read the password from standard input
        #[arg(long, required = true)]
        password_stdin: bool,
    },
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "a role is client, staff or manager".to_owned())
}

pub(super) async fn user(command: UserCommand, app: &App, output: &Output) -> Done {
    match command {
        UserCommand::Add { name, role, password_stdin, display_name, email, firm } => {
            let password = if password_stdin { Some(password()?) } else { None };
            let password_hash = match &password {
                Some(password) => Some(app.gate.hash_password(password).await?),
                None => None,
            };
            let new = NewUser { name: UserName::parse(&name)?, role, display_name, email, password_hash };
            let mut tx = app.store().write().await?;
            let firm_id = tx.ensure_firm(&firm).await?;
            let user = match tx.add_user(&firm_id, &new).await {
                Err(StoreError::Duplicate) => return Err(Failure::new(format!("there is a user {name:?} already"))),
                other => other?,
            };
            tx.commit().await?;
            audit(app, &user, "user_added", &name).await?;
            output.say(
                format_args!("added {name} ({})", role.as_str()),
                &json!({ "name": name, "role": role.as_str(), "firm": firm, "id": user.id.as_str() }),
            );
            Ok(())
        }
        UserCommand::List => list(app, output).await,
        UserCommand::Disable { name } => {
            let user = user_named(app, &name).await?;
            let mut tx = app.store().write().await?;
            tx.disable_user(&user.firm, &user.id).await?;
            tx.commit().await?;
            audit(app, &user, "user_disabled", &name).await?;
            output.say(format_args!("disabled {name}"), &json!({ "name": name, "disabled": true }));
            Ok(())
        }
        UserCommand::SetPassword { name, password_stdin: _ } => {
            let user = user_named(app, &name).await?;
            let hash = app.gate.hash_password(&password()?).await?;
            let mut tx = app.store().write().await?;
            tx.set_password_hash(&user.firm, &user.id, Some(&hash)).await?;
            tx.commit().await?;
            audit(app, &user, "password_set", &name).await?;
            output.say(format_args!("set the password of {name}"), &json!({ "name": name, "password": "set" }));
            Ok(())
        }
    }
}

async fn list(app: &App, output: &Output) -> Done {
    let mut tx = app.store().read().await?;
    for (firm, firm_name) in tx.firms().await? {
        let mut after = String::new();
        loop {
            let users = tx.users(&firm, &after, PAGE).await?;
            let Some(last) = users.last() else { break };
            after = last.name.as_str().to_owned();
            for user in &users {
                let state = if user.disabled.is_some() { "disabled" } else { "active" };
                output.say(
                    format_args!("{}\t{}\t{firm_name}\t{state}", user.name, user.role.as_str()),
                    &json!({ "name": user.name.as_str(), "role": user.role.as_str(), "firm": firm_name,
                        "id": user.id.as_str(), "disabled": user.disabled.is_some(), "email": user.email,
                        "display_name": user.display_name }),
                );
            }
        }
    }
    Ok(())
}

/// Standard input without its last line end.
fn password() -> Result<String, Failure> {
    let mut text = String::new();
    // One byte more than is taken, so that a longer one is refused and not cut.
    std::io::stdin().take(2_048).read_to_string(&mut text)?;
    let password = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
    Ok(password.to_owned())
}
