//! The demo's Outlook: a simulated one on loopback, whose account is connected to the same calendar as Google's, so that
//! an edit on any of the three is seen on the others.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use kalends_simulators::microsoft::Microsoft;
use kalends_simulators::microsoft::serve::Server;
use serde_json::json;

use super::link::link;
use super::{Failure, ZONE};
use crate::app::{App, SystemClock};
use crate::config::Layer;
use crate::domain::sync::{Provider, RemoteCalendarId};
use crate::domain::time::{Clock, DAY_MS, HOUR_MS, Instant};
use crate::store::{NewConnection, User};
use crate::sync::engine::Secret;

/// The program's client at the simulated Microsoft.
const CLIENT: &str = "demo-client";
/// Its secret, which guards nothing.
const CLIENT_SECRET: &str = "demo-secret";
/// The account that is connected.
const ACCOUNT: &str = "ada@example.com";
/// What the account has granted.
const SCOPES: [&str; 4] = ["offline_access", "User.Read", "MailboxSettings.Read", "Calendars.ReadWrite"];

/// The simulated provider. It stops when this is dropped.
pub(super) struct DemoMicrosoft {
    server: Server,
    calendar: String,
}

impl DemoMicrosoft {
    /// Starts it with one account and some events of its own.
    pub(super) async fn start() -> Result<DemoMicrosoft, Failure> {
        let now = SystemClock.now();
        let mut microsoft = Microsoft::new(now.ms().unsigned_abs());
        microsoft.add_account(ACCOUNT, ZONE);
        microsoft.auto_approve(Some(ACCOUNT));
        microsoft.settings_mut().loopback_hooks = true;
        let calendar = microsoft.default_calendar(ACCOUNT).ok_or_else(|| Failure::new("the demo has no calendar"))?;
        let clock: Arc<dyn Fn() -> i64 + Send + Sync> = Arc::new(|| SystemClock.now().ms());
        let midnight = now.ms() - now.ms().rem_euclid(DAY_MS);
        let mut person = microsoft.human(now.ms(), &calendar);
        for (title, days, hours) in [("Board of the Analytical Society", 1, 14), ("Punched cards", 4, 11)] {
            let start = Instant::from_ms(midnight).plus_ms(days * DAY_MS + hours * HOUR_MS);
            let moment = |at: Instant| {
                let utc = at.to_string().trim_end_matches('Z').to_owned();
                json!({ "dateTime": utc, "timeZone": "UTC" })
            };
            let end = start.plus_ms(HOUR_MS);
            person.create(&json!({ "subject": title, "start": moment(start), "end": moment(end) }))?;
        }
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start(Arc::new(Mutex::new(microsoft)), listen, clock).await?;
        Ok(DemoMicrosoft { server, calendar })
    }

    /// Its page, where events can be edited by hand.
    pub(super) fn url(&self) -> String {
        format!("{}/", self.server.url())
    }

    /// The configuration that points the program here.
    pub(super) fn configure(&self, layer: Layer) -> Layer {
        let url = self.server.url();
        Layer {
            microsoft_client_id: Some(CLIENT.to_owned()),
            microsoft_client_secret: Some(CLIENT_SECRET.to_owned()),
            microsoft_graph_url: Some(format!("{url}/v1.0")),
            microsoft_authority_url: Some(url.to_string()),
            ..layer
        }
    }

    /// Lets users come back to the program from here, and connects the account for one of them.
    pub(super) async fn connect(&self, app: &App, program: &str, user: &User) -> Result<(), Failure> {
        let now = app.store().now();
        let tokens = {
            let mut microsoft = self.server.microsoft();
            microsoft.add_client(CLIENT, Some(CLIENT_SECRET), &[&format!("{program}/api/sync/microsoft/callback")]);
            microsoft.grant(now.ms(), ACCOUNT, CLIENT, &SCOPES)
        };
        let expires = now.plus_ms(tokens.expires_in * 1_000);
        let new = NewConnection {
            provider: Provider::Microsoft,
            account: ACCOUNT.to_owned(),
            label: "Microsoft (simulated)".to_owned(),
            scopes: tokens.scope,
            token_expires: Some(expires),
        };
        let secret = Secret { access: tokens.access_token, refresh: Some(tokens.refresh_token) };
        link(app, user, &new, &secret, RemoteCalendarId(self.calendar.clone())).await
    }
}
