//! `kalends feed …`

use clap::Subcommand;
use serde_json::json;

use super::calendars::calendar_at;
use super::{Done, Failure, Output, audit, user_named};
use crate::app::App;
use crate::auth::Purpose;
use crate::domain::access::Right;
use crate::domain::feed::{FeedPrivacy, FeedSettings};
use crate::domain::ids::FeedId;
use crate::store::{Feed, NewFeed, secret_place};

#[derive(Subcommand, Debug)]
pub(super) enum FeedCommand {
    /// Make a feed and print its URL
    Add {
        /// Whose calendars it shows
        user: String,
        /// A calendar's SLUG; several times for several; without it all of the user's
        #[arg(long = "calendar", value_name = "SLUG")]
        calendars: Vec<String>,
        /// details, titles_only or busy_only
        #[arg(long, default_value = "details", value_parser = privacy)]
        privacy: FeedPrivacy,
        /// What it is for, in your words
        #[arg(long, default_value = "command line")]
        label: String,
    },
    /// List a user's feeds with their URLs
    List {
        /// Whose
        user: String,
    },
    /// Give a feed another URL; the old one stops working at once
    Rotate {
        /// Whose
        user: String,
        /// Its id, as listed
        id: String,
    },
    /// Revoke a feed for good
    Revoke {
        /// Whose
        user: String,
        /// Its id, as listed
        id: String,
    },
}

fn privacy(text: &str) -> Result<FeedPrivacy, String> {
    FeedPrivacy::parse(text).ok_or_else(|| "a privacy is details, titles_only or busy_only".to_owned())
}

/// The address of a feed's secret.
pub(super) fn feed_url(app: &App, secret: &str) -> String {
    let base = app.config.base_url.clone().unwrap_or_else(|| format!("http://{}", app.config.listen));
    format!("{base}/api/ics/{secret}.ics")
}

pub(super) async fn feed(command: FeedCommand, app: &App, output: &Output) -> Done {
    match command {
        FeedCommand::Add { user: name, calendars, privacy, label } => {
            let user = user_named(app, &name).await?;
            let mut ids = Vec::new();
            for slug in &calendars {
                let (_, access, _) = calendar_at(app, &format!("{name}/{slug}"), Right::Read).await?;
                ids.push(access.calendar().as_str().to_owned());
            }
            let settings = FeedSettings { calendars: ids, privacy, ..FeedSettings::default() };
            let new = NewFeed { label, settings, expires_ms: None };
            let secret = app.store().chance().secret();
            let mut tx = app.store().write().await?;
            let id = tx.new_feed_id();
            let sealed = app.gate.keys.seal(secret_place(&id), secret.as_bytes(), app.store().chance());
            let hash = app.gate.hash(Purpose::Feed, &secret);
            if !tx.add_feed((&user.firm, &user.id), &id, &new, &hash, &sealed).await? {
                return Err(Failure::new("this user has too many feeds; revoke some"));
            }
            tx.commit().await?;
            audit(app, &user, "feed_added", id.as_str()).await?;
            said(output, id.as_str(), &feed_url(app, &secret));
        }
        FeedCommand::List { user: name } => {
            let user = user_named(app, &name).await?;
            for feed in app.store().read().await?.feeds(&user.firm, &user.id).await? {
                list_one(app, &feed, output)?;
            }
        }
        FeedCommand::Rotate { user: name, id } => {
            let (user, id) = (user_named(app, &name).await?, FeedId::from_text(id));
            let secret = app.store().chance().secret();
            let sealed = app.gate.keys.seal(secret_place(&id), secret.as_bytes(), app.store().chance());
            let hash = app.gate.hash(Purpose::Feed, &secret);
            let mut tx = app.store().write().await?;
            if !tx.rotate_feed((&user.firm, &user.id), &id, &hash, &sealed).await? {
                return Err(Failure::new(format!("this user has no working feed with the id {id}")));
            }
            tx.commit().await?;
            audit(app, &user, "feed_rotated", id.as_str()).await?;
            said(output, id.as_str(), &feed_url(app, &secret));
        }
        FeedCommand::Revoke { user: name, id } => {
            let (user, id) = (user_named(app, &name).await?, FeedId::from_text(id));
            let mut tx = app.store().write().await?;
            if !tx.revoke_feed((&user.firm, &user.id), &id).await? {
                return Err(Failure::new(format!("this user has no feed with the id {id}")));
            }
            tx.commit().await?;
            audit(app, &user, "feed_revoked", id.as_str()).await?;
            output.say(format_args!("revoked {id}"), &json!({ "id": id.as_str(), "revoked": true }));
        }
    }
    Ok(())
}

fn said(output: &Output, id: &str, url: &str) {
    output.say(url, &json!({ "id": id, "url": url }));
}

fn list_one(app: &App, feed: &Feed, output: &Output) -> Done {
    let secret = app.gate.keys.open(secret_place(&feed.id), &feed.secret_sealed)?;
    let url = feed_url(app, &String::from_utf8_lossy(&secret));
    let state = if feed.revoked.is_some() { "revoked" } else { "active" };
    let privacy = feed.settings.privacy.as_str();
    let fetched = feed.last_fetched.as_ref().and_then(|(at, _)| at.rfc3339());
    output.say(
        format_args!("{}\t{}\t{privacy}\t{state}\t{url}", feed.id, feed.label),
        &json!({ "id": feed.id.as_str(), "label": feed.label, "privacy": privacy, "url": url,
            "revoked": feed.revoked.is_some(), "last_fetched": fetched, "fetch_count": feed.fetch_count }),
    );
    Ok(())
}
