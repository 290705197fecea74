//! Takes away what is older than it is kept, once a day, on one node.

use std::time::Duration;

use super::App;
use crate::domain::time::DAY_MS;
use crate::store::{Removed, StoreError};

/// The one job.
const JOB: &str = "take_away";
/// How often a node looks whether the job is to be done.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Looks after it for ever.
pub(super) async fn run(app: App) {
    let owner = hex::encode(app.store().chance().bytes::<8>());
    loop {
        match once(&app, &owner).await {
            Ok(Some(removed)) if removed != Removed::default() => {
                let Removed { attempts, runs, versions, tombstones } = removed;
                tracing::info!(attempts, runs, versions, tombstones, "what was old was taken away");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "what is old could not be taken away"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn once(app: &App, owner: &str) -> Result<Option<Removed>, StoreError> {
    if !app.store().take_job(JOB, owner, DAY_MS).await? {
        return Ok(None);
    }
    let removed = app.store().take_away(JOB, owner, &app.kept()).await?;
    app.store().end_job(JOB, owner).await?;
    Ok(Some(removed))
}
