//! `DAV:sync-collection` on a home: Apple's programs poll all calendars at once that way.
//!
//! Job: whether anything happened in the calendars of a home, and then what they are now. Neighbours:
//! [`crate::dav::home_token`] compares states, [`crate::dav::propfind`] tells of a calendar.

use axum::body::Body;
use axum::http::Response;

use super::sync::check_level;
use super::{Asked, limit};
use crate::dav::error::{DavError, Precondition};
use crate::dav::home_token::{HomeToken, Missed};
use crate::dav::multistatus;
use crate::dav::path::Kind;
use crate::dav::propfind::write_calendar;
use crate::dav::props::{Plan, PropRequest};
use crate::xml::names;

/// Answers a sync-collection on the caller's home.
///
/// # Errors
/// The token is none of this home as it is, the answer may not be as long as it is, or the store failed.
pub async fn answer(asked: Asked<'_>) -> Result<Response<Body>, DavError> {
    let request = asked.request;
    let token = request.child(&names::SYNC_TOKEN).ok_or_else(|| DavError::Bad("sync-token is missing".to_owned()))?;
    check_level(request, asked.depth)?;
    let most = limit(request)?;
    let props = PropRequest::of(request).map_err(|reason| DavError::Bad(reason.to_owned()))?;
    let props = props.unwrap_or(PropRequest::Named(Vec::new()));
    let plan = Plan::new(&props, Kind::Calendar, asked.preferences.minimal);

    let scene = &asked.scene;
    let mut tx = asked.store.read().await?;
    let calendars = tx.calendars(&scene.caller).await?;
    let now = HomeToken::of(asked.store.epoch(), &scene.caller.user, calendars.iter().map(|(_, calendar)| calendar));
    let token = token.text();
    let missed = if token.trim().is_empty() { Some(Missed::Something) } else { now.since(&token) };
    let mut writer = multistatus::begin();
    if missed.ok_or(Precondition::ValidSyncToken)? == Missed::Something {
        // Half of a home could not be continued.
        if most.is_some_and(|most| calendars.len() > most as usize) {
            return Err(Precondition::NumberOfMatchesWithinLimits.into());
        }
        for (access, calendar) in &calendars {
            write_calendar(&mut tx, &plan, scene, (access, calendar), &mut writer).await?;
        }
    }
    writer.leaf(&names::SYNC_TOKEN, &now.to_uri());
    Ok(multistatus::whole(writer))
}
