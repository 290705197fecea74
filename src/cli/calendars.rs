//! `kalends calendar …`

use clap::Subcommand;
use serde_json::json;

use super::{Done, Failure, Output, user_named};
use crate::app::App;
use crate::domain::access::{Access, Caller, Right};
use crate::domain::calendar::{Calendar, CalendarSettings, ComponentSet};
use crate::domain::change::{Cause, Via};
use crate::domain::ids::{Slug, UserName};

#[derive(Subcommand, Debug)]
pub(super) enum CalendarCommand {
    /// Add a calendar
    Add {
        /// Whose
        user: String,
        /// Its name in the CalDAV address
        slug: String,
        /// The name people see
        #[arg(long)]
        name: Option<String>,
        /// What it takes: VEVENT, VTODO, VJOURNAL, VFREEBUSY; several separated by commas
        #[arg(long, value_delimiter = ',', default_value = "VEVENT,VTODO,VJOURNAL")]
        components: Vec<String>,
    },
    /// List a user's calendars
    List {
        /// Whose
        user: String,
    },
    /// Delete a calendar; its appointments can be restored through the API
    Delete {
        /// Whose
        user: String,
        /// Which
        slug: String,
    },
}

pub(super) async fn calendar(command: CalendarCommand, app: &App, output: &Output) -> Done {
    match command {
        CalendarCommand::Add { user, slug, name, components } => {
            let caller = user_named(app, &user).await?.acted_for();
            let slug = Slug::parse(&slug)?;
            let set = ComponentSet::from_names(components.iter().map(String::as_str))
                .ok_or_else(|| Failure::new("components are VEVENT, VTODO, VJOURNAL and VFREEBUSY"))?;
            let settings = CalendarSettings::named(name.as_deref().unwrap_or(slug.as_str()), set);
            let mut tx = app.store().write().await?;
            let (_, made) = tx.create_calendar(&caller, &slug, &settings).await?;
            tx.commit().await?;
            output.say(format_args!("added {user}/{slug}"), &shown(&made));
        }
        CalendarCommand::List { user } => {
            let caller = user_named(app, &user).await?.acted_for();
            let mut tx = app.store().read().await?;
            for (access, calendar) in tx.calendars(&caller).await? {
                let (objects, _) = tx.calendar_size(&access).await?;
                let name = calendar.settings.display_name.clone().unwrap_or_default();
                output.say(format_args!("{user}/{}\t{name}\t{objects} objects", calendar.slug), &shown(&calendar));
            }
        }
        CalendarCommand::Delete { user, slug } => {
            let (caller, access, _) = calendar_at(app, &format!("{user}/{slug}"), Right::Own).await?;
            let mut tx = app.store().write().await?;
            let objects = tx.delete_calendar(&access, &cause(&caller)).await?;
            tx.commit().await?;
            output.say(
                format_args!("deleted {user}/{slug} with {objects} objects"),
                &json!({ "user": user, "slug": slug, "deleted_objects": objects }),
            );
        }
    }
    Ok(())
}

fn shown(calendar: &Calendar) -> serde_json::Value {
    json!({ "id": calendar.id.as_str(), "user": calendar.owner_name.as_str(), "slug": calendar.slug.as_str(),
        "name": calendar.settings.display_name, "components": calendar.settings.components.names() })
}

/// The cause of what the command line changes for a user.
pub(super) fn cause(caller: &Caller) -> Cause {
    Cause::by(Via::Import, caller.name.as_str(), Some(concat!("kalends/", env!("CARGO_PKG_VERSION"))), None)
}

/// The calendar that `USER/SLUG` names.
pub(super) async fn calendar_at(app: &App, text: &str, right: Right) -> Result<(Caller, Access, Calendar), Failure> {
    let (user, slug) =
        text.split_once('/').ok_or_else(|| Failure::new(format!("{text:?} is not of the form USER/SLUG")))?;
    let caller = user_named(app, user).await?.acted_for();
    let (name, slug) = (UserName::parse(user)?, Slug::parse(slug)?);
    match app.store().read().await?.calendar_for(&caller, &name, &slug, right).await {
        Ok((access, calendar)) => Ok((caller, access, calendar)),
        Err(crate::store::CalendarError::NotFound) => {
            Err(Failure::new(format!("there is no calendar {text}; kalends calendar list {user} shows all")))
        }
        Err(other) => Err(other.into()),
    }
}
