//! The demo's Google Calendar: a simulated one on loopback, with an account that is connected and linked both ways, so
//! that an edit on either side is seen on the other.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use kalends_simulators::google::Google;
use kalends_simulators::google::serve::Server;
use serde_json::json;

use super::link::link;
use super::{Failure, ZONE};
use crate::app::{App, SystemClock};
use crate::config::Layer;
use crate::domain::sync::{Provider, RemoteCalendarId};
use crate::domain::time::{Clock, DAY_MS, HOUR_MS, Instant};
use crate::store::{NewConnection, User};
use crate::sync::engine::Secret;

/// The program's client at the simulated Google.
const CLIENT: &str = "demo-client";
/// Its secret, which guards nothing.
const CLIENT_SECRET: &str = "demo-secret";
/// The account that is connected.
const ACCOUNT: &str = "ada@example.com";
/// What the account has granted.
const SCOPES: [&str; 2] = ["calendar.events", "calendar.calendarlist.readonly"];

/// The simulated provider. It stops when this is dropped.
pub(super) struct DemoGoogle(Server);

impl DemoGoogle {
    /// Starts it with one account and some events of its own.
    pub(super) async fn start() -> Result<DemoGoogle, Failure> {
        let now = SystemClock.now();
        let mut google = Google::new(now.ms().unsigned_abs());
        google.add_account(ACCOUNT, ZONE);
        google.auto_approve(Some(ACCOUNT));
        google.settings_mut().loopback_hooks = true;
        let clock: Arc<dyn Fn() -> i64 + Send + Sync> = Arc::new(|| SystemClock.now().ms());
        let mut person = google.human(now.ms(), ACCOUNT);
        for (title, days, hours, weekly) in [
            ("Coffee with Charles", 1, 10, false),
            ("Difference engine club", 2, 17, true),
            ("Write to Mary", 3, 9, false),
        ] {
            let start =
                Instant::from_ms(now.ms() - now.ms().rem_euclid(DAY_MS)).plus_ms(days * DAY_MS + hours * HOUR_MS);
            let moment = |at: Instant| json!({ "dateTime": at.to_string(), "timeZone": ZONE });
            let mut event = json!({
                "summary": title, "start": moment(start), "end": moment(start.plus_ms(HOUR_MS)),
            });
            if weekly && let Some(event) = event.as_object_mut() {
                event.insert("recurrence".to_owned(), json!(["RRULE:FREQ=WEEKLY"]));
            }
            person.create(&event)?;
        }
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(DemoGoogle(Server::start(Arc::new(Mutex::new(google)), listen, clock).await?))
    }

    /// Its page, where events can be edited by hand.
    pub(super) fn url(&self) -> String {
        format!("{}/", self.0.url())
    }

    /// The configuration that points the program here.
    pub(super) fn configure(&self, layer: Layer) -> Layer {
        let url = self.0.url();
        Layer {
            google_client_id: Some(CLIENT.to_owned()),
            google_client_secret: Some(CLIENT_SECRET.to_owned()),
            google_api_url: Some(format!("{url}/calendar/v3/")),
            google_auth_url: Some(format!("{url}/o/oauth2/v2/auth")),
            google_token_url: Some(format!("{url}/token")),
            google_revoke_url: Some(format!("{url}/revoke")),
            ..layer
        }
    }

    /// Lets users come back to the program from here, and connects the account for one of them.
    pub(super) async fn connect(&self, app: &App, program: &str, user: &User) -> Result<(), Failure> {
        let now = app.store().now();
        let tokens = {
            let mut google = self.0.google();
            google.add_client(CLIENT, CLIENT_SECRET, &[&format!("{program}/api/sync/google/callback")]);
            google.grant(now.ms(), ACCOUNT, CLIENT, &SCOPES)
        };
        let expires = now.plus_ms(tokens.expires_in * 1_000);
        let new = NewConnection {
            provider: Provider::Google,
            account: ACCOUNT.to_owned(),
            label: "Google (simulated)".to_owned(),
            scopes: tokens.scope,
            token_expires: Some(expires),
        };
        let secret = Secret { access: tokens.access_token, refresh: Some(tokens.refresh_token) };
        link(app, user, &new, &secret, RemoteCalendarId(ACCOUNT.to_owned())).await
    }
}
