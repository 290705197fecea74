//! The sync engine of this process: made of the configuration, given the desk's orders and a scheduler.

use std::sync::Arc;

use super::notify::Notifier;
use super::{App, housekeeping};
use crate::config::{GoogleClient, MicrosoftClient};
use crate::sync::engine::Engine;
use crate::sync::scheduler;
use crate::upstream::http::{Net, Transport};
use crate::upstream::oauth::NO_REDIRECT;
use crate::upstream::registry::{Settings, Upstreams};
use crate::upstream::{google as at_google, microsoft as at_microsoft};

/// An engine on the app's store, asking the providers that are configured. `public_url`: where they can reach us.
fn engine(app: &App, public_url: Option<String>) -> Engine {
    let net = Net::new(app.config.upstreams.allow_private);
    let transport: Arc<dyn Transport> = Arc::new(net);
    let configured = &app.config.upstreams;
    let settings = Settings {
        google: configured.google.as_ref().map(google),
        microsoft: configured.microsoft.as_ref().map(microsoft),
    };
    let upstreams = Upstreams::new(&settings, transport, &app.clock);
    let node = hex::encode(app.store().chance().bytes::<8>());
    let engine = Engine::new(app.store().clone(), app.gate.keys.clone(), Arc::new(upstreams), node, public_url);
    let _ = app.engine.set(engine.clone());
    engine
}

fn google(client: &GoogleClient) -> at_google::Setup {
    let redirect = client.redirect_uri.clone().unwrap_or_else(|| NO_REDIRECT.to_owned());
    let mut setup = at_google::Setup::new(client.id.clone(), client.secret.clone(), redirect);
    for (address, configured) in [
        (&mut setup.api_url, &client.api_url),
        (&mut setup.auth_url, &client.auth_url),
        (&mut setup.token_url, &client.token_url),
        (&mut setup.revoke_url, &client.revoke_url),
    ] {
        if let Some(configured) = configured {
            address.clone_from(configured);
        }
    }
    setup
}

fn microsoft(client: &MicrosoftClient) -> at_microsoft::Setup {
    let redirect = client.redirect_uri.clone().unwrap_or_else(|| NO_REDIRECT.to_owned());
    let mut setup = at_microsoft::Setup::new(client.id.clone(), client.secret.clone(), redirect);
    for (address, configured) in [
        (&mut setup.tenant, &client.tenant),
        (&mut setup.graph_url, &client.graph_url),
        (&mut setup.authority_url, &client.authority_url),
    ] {
        if let Some(configured) = configured {
            address.clone_from(configured);
        }
    }
    setup
}

/// As [`engine`], carrying out the desk's orders from now on.
pub fn serving(app: &App, public_url: Option<String>) -> Engine {
    let engine = engine(app, public_url);
    if let Some(orders) = app.desk.open() {
        tokio::spawn(engine.clone().serve(orders));
    }
    engine
}

/// Has the engine look for work, notices told and what is old taken away, until `stop` resolves. `here`: where the server
/// listens, for links where nobody configured where people find it.
pub async fn run(app: &App, engine: Engine, here: String, stop: impl Future<Output = ()>) {
    let housekeeping = tokio::spawn(housekeeping::run(app.clone()));
    let notifying = match Notifier::new(app, here) {
        Ok(notifier) => Some(tokio::spawn(notifier.run(std::future::pending()))),
        Err(error) => {
            tracing::error!(%error, "nothing is told by webhook or mail");
            None
        }
    };
    scheduler::run(engine, stop).await;
    // What is under way is somebody else's when its lease ends.
    housekeeping.abort();
    if let Some(notifying) = notifying {
        notifying.abort();
    }
}
