//! An account of a simulated provider in the demo, connected without anybody's consent.

use super::{Failure, ZONE};
use crate::app::App;
use crate::domain::access::Right;
use crate::domain::ids::Slug;
use crate::domain::sync::{Direction, LinkPolicy, RemoteCalendarId};
use crate::domain::time::MINUTE_MS;
use crate::store::{LinkSettings, NewConnection, NewLink, User};
use crate::sync::engine::{Secret, seal_secret};

/// Short, so that what webhooks miss is seen while somebody watches.
const INTERVAL_MS: i64 = 5 * MINUTE_MS;

/// Connects an account of a simulated provider, and links its calendar with a user's, both ways.
pub(super) async fn link(
    app: &App,
    user: &User,
    new: &NewConnection,
    secret: &Secret,
    remote: RemoteCalendarId,
) -> Result<(), Failure> {
    let missing = || Failure::new("the demo's connection could not be made");
    let mut tx = app.store().write().await?;
    let connection = tx.connect((&user.firm, &user.id), new).await?.ok_or_else(missing)?;
    let sealed = seal_secret(&app.gate.keys, app.store().chance(), &connection, secret);
    tx.set_connection_secret(&user.firm, &connection, 1, &sealed, new.token_expires).await?;
    let caller = user.acted_for();
    let (access, _) = tx.calendar_for(&caller, &user.name, &Slug::parse("calendar")?, Right::Own).await?;
    let link = NewLink {
        connection,
        calendar: access.calendar().clone(),
        remote,
        remote_name: new.account.clone(),
        zone: ZONE.to_owned(),
        settings: LinkSettings { direction: Direction::Both, interval_ms: INTERVAL_MS, policy: LinkPolicy::default() },
    };
    tx.add_link((&user.firm, &user.id), &link).await?.ok_or_else(missing)?;
    Ok(tx.commit().await?)
}
