//! Google as a [`Remote`]: the connector over the simulated provider in process, and the suite run on it.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use kalends::domain::sync::{RemoteCalendarId, RemoteId};
use kalends::domain::time::{Clock, Instant, ManualClock};
use kalends::upstream::google::{Google, Setup};
use kalends::upstream::http::{Limits, Transport, TransportError};
use kalends::upstream::{At, Upstream, oauth};
use kalends_simulators::google::{self as simulated, Call, Fault, Outcome, Rule};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::remote::{Remote, Trouble};
use super::suite;

pub const ADA: &str = "ada@example.com";
const NOW_MS: i64 = 1_794_304_800_000; // 2026-11-10T10:00:00Z

/// The simulated provider as a way out.
pub struct Wire {
    pub provider: Mutex<simulated::Google>,
    pub clock: Arc<ManualClock>,
    /// What a person does right after our next change: the calendar, the event, what it is to say.
    pub meanwhile: Mutex<Option<(String, String, Value)>>,
}

impl Wire {
    pub fn provider(&self) -> MutexGuard<'_, simulated::Google> {
        self.provider.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Wire {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        async move {
            record(&request);
            let lost = || Err(TransportError::Lost("simulated".into()));
            let response = match self.provider().handle(self.clock.now().ms(), &request) {
                Outcome::Answer(response) => response,
                Outcome::Lost | Outcome::Truncated { .. } => return lost(),
                Outcome::Late { after_ms, .. } if u128::from(after_ms) > limits.within.as_millis() => return lost(),
                Outcome::Late { response, .. } => response,
            };
            let meanwhile = (request.method() == http::Method::PATCH)
                .then(|| self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner).take())
                .flatten();
            if let Some((calendar, event, says)) = meanwhile {
                let now = self.clock.now().ms();
                self.provider().human(now, &calendar).edit(&event, &says).expect("a person may");
            }
            if response.body().len() > limits.bytes_max { Err(TransportError::TooLarge) } else { Ok(response) }
        }
        .boxed()
    }
}

fn record(request: &Request<Bytes>) {
    let Ok(name) = std::env::var("KALENDS_RECORD_REQUESTS") else { return };
    let Ok(body) = serde_json::from_slice::<Value>(request.body()) else { return };
    let line = json!({ "method": request.method().as_str(), "path": request.uri().path_and_query().map(ToString::to_string), "body": body });
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(name).expect("the record");
    // In one piece, as many tests write at once.
    file.write_all(format!("{line}\n").as_bytes()).expect("written");
}

pub fn setup() -> Setup {
    Setup {
        api_url: "http://google.test/calendar/v3".into(),
        auth_url: "http://google.test/o/oauth2/v2/auth".into(),
        token_url: "http://google.test/token".into(),
        revoke_url: "http://google.test/revoke".into(),
        ..Setup::new("client".into(), SecretString::from("secret"), "https://kalends.test/back".into())
    }
}

pub struct Bench {
    pub wire: Arc<Wire>,
    pub google: Arc<Google>,
    pub oauth: oauth::Provider,
    pub token: SecretString,
    pub calendar: RemoteCalendarId,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with_scopes(&["calendar.events", "calendar.calendarlist.readonly"])
    }

    pub fn with_scopes(scopes: &[&str]) -> Bench {
        let mut provider = simulated::Google::new(7);
        provider.add_account(ADA, "Europe/Berlin");
        provider.add_client("client", "secret", &["https://kalends.test/back"]);
        let token = provider.grant(NOW_MS, ADA, "client", scopes).access_token;
        let clock = Arc::new(ManualClock::at(Instant::from_ms(NOW_MS)));
        let wire = Arc::new(Wire { provider: Mutex::new(provider), clock: clock.clone(), meanwhile: Mutex::default() });
        let google = Google::new(wire.clone(), clock, setup().api_url);
        let calendar = RemoteCalendarId(ADA.to_owned());
        Bench { wire, google: Arc::new(google), oauth: setup().oauth(), token: token.into(), calendar }
    }

    pub fn provider(&self) -> MutexGuard<'_, simulated::Google> {
        self.wire.provider()
    }

    pub fn now(&self) -> i64 {
        self.wire.clock.now().ms()
    }

    pub fn fault(&self, rule: Rule) {
        self.provider().faults().push(rule);
    }

    /// A person does something at the provider's page, a second later.
    pub fn human<T>(&self, act: impl FnOnce(&mut simulated::Human<'_>) -> Result<T, simulated::Refused>) -> T {
        self.wire.clock.advance_ms(1_000);
        let now = self.now();
        act(&mut self.provider().human(now, ADA)).expect("a person may")
    }
}

fn text(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap_or_default().to_owned()
}

impl Remote for Bench {
    fn upstream(&self) -> Arc<dyn Upstream> {
        self.google.clone()
    }

    fn at(&self) -> At<'_> {
        At { secret: &self.token, account: ADA, calendar: &self.calendar }
    }

    fn trouble(&self, trouble: Trouble) {
        let rule = Rule::new(match trouble {
            Trouble::AnswerLost => Fault::LoseResponse,
            Trouble::AnswerCut => Fault::Truncate { per_mille: 500 },
            Trouble::RequestLost => Fault::LoseRequest,
            Trouble::TooMany => Fault::UserRateLimit,
            Trouble::Wait(s) => Fault::TooManyRequests { retry_after_s: Some(s) },
            Trouble::Ill => Fault::Backend { status: 503 },
            Trouble::Html => Fault::Html,
            Trouble::Nonsense => Fault::WrongJson,
            Trouble::WrongTypes => Fault::WrongTypes,
            Trouble::Huge => Fault::Huge { bytes: 50 * 1024 * 1024 },
            Trouble::Redirect => Fault::Redirect { to: "http://10.0.0.1/".into() },
            Trouble::TokenRefused => Fault::Unauthorized,
            Trouble::CursorForgotten => Fault::FullSyncRequired,
            Trouble::Forbidden => Fault::NotOrganizer,
            Trouble::ShortPages => return self.fault(Rule::new(Fault::ShortPage { entries: 1 }).always()),
        });
        // The first rule that fits strikes: what was ordered for good gives way.
        let standing = self.provider().faults().rules().to_vec();
        self.provider().faults().clear();
        self.fault(rule);
        standing.into_iter().for_each(|rule| self.fault(rule));
    }

    fn make(&self, title: &str) -> RemoteId {
        let event = json!({ "summary": title, "start": { "date": "2026-12-24" }, "end": { "date": "2026-12-25" } });
        RemoteId(self.human(|person| person.create(&event)))
    }

    fn rename(&self, id: &RemoteId, title: &str) {
        self.human(|person| person.edit(id.as_str(), &json!({ "summary": title })));
    }

    fn delete(&self, id: &RemoteId) {
        self.human(|person| person.delete(id.as_str()));
    }

    fn titles(&self) -> Vec<String> {
        let events = self.provider().events(ADA);
        let mut titles: Vec<String> =
            events.iter().filter(|e| e["status"] != "cancelled").map(|e| text(e, "summary")).collect();
        titles.sort();
        titles
    }

    fn occurrences(&self) -> Vec<(String, String)> {
        let found = self.provider().occurrences(ADA, NOW_MS - 60 * 86_400_000, NOW_MS + 400 * 86_400_000);
        let utc = |event: &Value| {
            let at: jiff::Timestamp = text(&event["start"], "dateTime").parse().expect("a time");
            at.to_string()
        };
        found.iter().map(|event| (utc(event), text(event, "summary"))).collect()
    }

    fn writes(&self) -> usize {
        let seen = self.provider();
        seen.seen().iter().filter(|seen| !matches!(seen.call, Call::EventsList | Call::EventsGet)).count()
    }

    fn mails(&self) -> usize {
        self.provider().mails().len()
    }
}

macro_rules! suite {
    ($($name:ident),+ $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            suite::$name(&Bench::new()).await;
        }
    )+};
}

suite!(create_find_list, lost_answers, update_guarded, delete_and_again, changes_come, series, failures);
