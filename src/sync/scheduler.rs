//! Looks for links with something to do and has the engine work on them, a few at a time. A commit of this process rings;
//! what other nodes leave is found by looking now and then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::engine::Engine;
use crate::domain::time::Instant;

/// Links worked on at once by this node: most of the time of each is waiting for a provider.
const LINKS_AT_ONCE: usize = 8;
/// Other nodes' commits and runs that come due are seen within this time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest rest where nothing is planned.
const REST_MAX: Duration = Duration::from_secs(5);
/// After the database failed.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Works until `stop` resolves; links that are being worked on are finished by their leases' next owner.
pub async fn run(engine: Engine, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(LINKS_AT_ONCE));
    let rounds = async {
        loop {
            let rest = match look(&engine, &places).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::warn!(%error, "the scheduler could not look for work");
                    REST_AFTER_FAILURE
                }
            };
            tokio::select! {
                () = engine.store().rung() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    };
    // Whatever a round waits for, a place for one more link included, it does not keep the program from stopping.
    tokio::select! {
        biased;
        () = stop => {}
        () = rounds => {}
    }
}

/// Gives what is due to the engine; how long to rest then.
async fn look(engine: &Engine, places: &Arc<Semaphore>) -> Result<Duration, crate::store::StoreError> {
    engine.end_left_orders().await?;
    let mut tx = engine.store().read().await?;
    let due = tx.due_links().await?;
    let (next, now) = (tx.next_due().await?, tx.now());
    drop(tx);
    let busy = !due.is_empty();
    for one in due {
        let Ok(place) = Arc::clone(places).acquire_owned().await else { break };
        let engine = engine.clone();
        tokio::spawn(async move {
            if let Err(error) = engine.work(&one).await {
                tracing::warn!(link_id = one.link.as_str(), %error, "a link's work stopped");
            }
            drop(place);
        });
    }
    Ok(if busy { LOOK_EVERY } else { rest(next, now) })
}

fn rest(next: Option<Instant>, now: Instant) -> Duration {
    let until = next.map_or(i64::MAX, |next| next.ms().saturating_sub(now.ms()).max(0));
    Duration::from_millis(u64::try_from(until).unwrap_or(0)).clamp(LOOK_EVERY, REST_MAX)
}
