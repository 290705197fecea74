//! `kalends serve`

use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};

use super::{Common, Done, Failure, Output, config};
use crate::app::{App, House, Server, sync};
use crate::config::Layer;
use crate::sync::engine::Engine;
use crate::telemetry;

#[derive(clap::Args, Debug)]
pub(super) struct ServeArgs {
    /// Where to listen [default: 127.0.0.1:8840] [env: KALENDS_LISTEN]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// The URL under which clients reach the server, if it is not what they ask for [env: KALENDS_BASE_URL]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
}

pub(super) async fn serve(args: ServeArgs, common: &Common, _: &Output) -> Done {
    let layer = Layer { listen: args.listen, base_url: args.base_url, ..Layer::default() };
    let config = config(common, layer)?;
    telemetry::log_to_stderr(config.log_format, &config.log);
    let app = App::open(config).await?;
    let server = Server::bind(&app).await?;
    // Whoever reads that we listen finds everything at work.
    let engine = sync::serving(&app, app.config.base_url.clone());
    announce(&server.url())?;
    run(server, &app, engine).await
}

/// The one line that scripts wait for. The socket is open by now, so whoever reads it is answered.
fn announce(url: &str) -> Done {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {url}")?;
    Ok(out.flush()?)
}

/// Serves and syncs until SIGINT or SIGTERM, then closes the store.
pub(super) async fn run(server: Server, app: &App, engine: Engine) -> Done {
    let (stopped, stop_sync) = tokio::sync::oneshot::channel::<()>();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
    };
    tracing::info!(url = server.url(), database = app.store().engine(), "serving");
    if app.config.clock_file.is_some() {
        tracing::warn!("KALENDS_CLOCK_FILE sets the clock forward: this is for tests");
    }
    let syncing = sync::run(app, engine, server.url(), async {
        // Dropped or sent: either way it is over.
        let _ = stop_sync.await;
    });
    let serving = async {
        server.run(House::new(app), stop).await;
        drop(stopped);
    };
    tokio::join!(serving, syncing);
    app.store().close().await;
    Ok::<(), Failure>(())
}
