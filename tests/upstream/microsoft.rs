//! Microsoft as a [`Remote`]: the connector over the simulated provider in process, and the suite run on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use kalends::domain::sync::{RemoteCalendarId, RemoteId};
use kalends::domain::time::{Clock, Instant, ManualClock};
use kalends::upstream::http::{Limits, Transport, TransportError};
use kalends::upstream::microsoft::{Microsoft, Setup};
use kalends::upstream::{At, Upstream, oauth};
use kalends_simulators::microsoft::{self as simulated, Call, Fault, Outcome, Rule};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::remote::{Remote, Trouble};
use super::suite;

pub const ADA: &str = "ada@example.com";
const NOW_MS: i64 = 1_794_304_800_000; // 2026-11-10T10:00:00Z

/// The simulated provider as a way out.
pub struct Wire {
    pub provider: Mutex<simulated::Microsoft>,
    pub clock: Arc<ManualClock>,
    /// What a person does right after our next change: the calendar, the event, what it is to say.
    pub meanwhile: Mutex<Option<(String, String, Value)>>,
}

impl Wire {
    pub fn provider(&self) -> MutexGuard<'_, simulated::Microsoft> {
        self.provider.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Wire {
    fn send(
        &self,
        mut request: Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        async move {
            check(&request);
            let host = request.uri().host().and_then(|host| host.parse().ok()).expect("a host");
            request.headers_mut().insert(http::header::HOST, host);
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

/// What must hold for every request that goes out: ids that stay, and guests only by invitation.
fn check(request: &Request<Bytes>) {
    // Who somebody is has no id that could change.
    if request.uri().path().starts_with("/v1.0/") && request.uri().path() != "/v1.0/me" {
        let prefer = request.headers().get("prefer").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(prefer.contains("IdType=\"ImmutableId\""), "{} asks for ids that change", request.uri());
    }
    let body = String::from_utf8_lossy(request.body());
    assert!(!body.contains("\"attendees\""), "guests would be invited: {body}");
}

pub fn setup() -> Setup {
    let secret = Some(SecretString::from("secret"));
    Setup {
        graph_url: "http://graph.test/v1.0".into(),
        authority_url: "http://login.test".into(),
        ..Setup::new("client".into(), secret, "https://kalends.test/back".into())
    }
}

pub struct Bench {
    pub wire: Arc<Wire>,
    pub microsoft: Arc<Microsoft>,
    pub oauth: oauth::Provider,
    pub token: SecretString,
    pub calendar: RemoteCalendarId,
}

impl Bench {
    pub fn new() -> Bench {
        let mut provider = simulated::Microsoft::new(7);
        provider.add_account(ADA, "Europe/Berlin");
        provider.add_client("client", Some("secret"), &["https://kalends.test/back"]);
        let scopes = ["offline_access", "User.Read", "MailboxSettings.Read", "Calendars.ReadWrite"];
        let token = provider.grant(NOW_MS, ADA, "client", &scopes).access_token;
        let calendar = RemoteCalendarId(provider.default_calendar(ADA).expect("a calendar"));
        let clock = Arc::new(ManualClock::at(Instant::from_ms(NOW_MS)));
        let wire = Arc::new(Wire { provider: Mutex::new(provider), clock: clock.clone(), meanwhile: Mutex::default() });
        let microsoft = Microsoft::new(wire.clone(), clock, setup().graph_url);
        Bench { wire, microsoft: Arc::new(microsoft), oauth: setup().oauth(), token: token.into(), calendar }
    }

    pub fn provider(&self) -> MutexGuard<'_, simulated::Microsoft> {
        self.wire.provider()
    }

    pub fn now(&self) -> i64 {
        self.wire.clock.now().ms()
    }

    pub fn fault(&self, rule: Rule) {
        self.provider().faults().push(rule);
    }

    /// A person does something in Outlook, a second later.
    pub fn human<T>(&self, act: impl FnOnce(&mut simulated::Human<'_>) -> Result<T, simulated::Refused>) -> T {
        self.wire.clock.advance_ms(1_000);
        let now = self.now();
        act(&mut self.provider().human(now, self.calendar.as_str())).expect("a person may")
    }
}

fn text(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap_or_default().to_owned()
}

impl Remote for Bench {
    fn upstream(&self) -> Arc<dyn Upstream> {
        self.microsoft.clone()
    }

    fn at(&self) -> At<'_> {
        At { secret: &self.token, account: ADA, calendar: &self.calendar }
    }

    fn trouble(&self, trouble: Trouble) {
        let rule = Rule::new(match trouble {
            Trouble::AnswerLost => Fault::LoseResponse,
            Trouble::AnswerCut => Fault::Truncate { per_mille: 500 },
            Trouble::RequestLost => Fault::LoseRequest,
            Trouble::TooMany => Fault::Throttled { retry_after_s: None },
            Trouble::Wait(s) => Fault::Throttled { retry_after_s: Some(s) },
            Trouble::Ill => Fault::Backend { status: 503, retry_after_s: None },
            Trouble::Html => Fault::Html,
            Trouble::Nonsense => Fault::WrongJson,
            Trouble::WrongTypes => Fault::WrongTypes,
            Trouble::Huge => Fault::Huge { bytes: 50 * 1024 * 1024 },
            Trouble::Redirect => Fault::Redirect { to: "http://10.0.0.1/".into() },
            Trouble::TokenRefused => Fault::Unauthorized,
            Trouble::CursorForgotten => Fault::SyncStateNotFound,
            Trouble::Forbidden => Fault::Forbidden,
            Trouble::ShortPages => return self.fault(Rule::new(Fault::ShortPage { entries: 1 }).always()),
        });
        // The first rule that fits strikes: what was ordered for good gives way.
        let standing = self.provider().faults().rules().to_vec();
        self.provider().faults().clear();
        self.fault(rule);
        standing.into_iter().for_each(|rule| self.fault(rule));
    }

    fn make(&self, title: &str) -> RemoteId {
        let at = |day: &str| json!({ "dateTime": format!("2026-12-{day}T00:00:00"), "timeZone": "Europe/Berlin" });
        let event = json!({ "subject": title, "isAllDay": true, "start": at("24"), "end": at("25") });
        RemoteId(self.human(|person| person.create(&event)))
    }

    fn rename(&self, id: &RemoteId, title: &str) {
        self.human(|person| person.edit(id.as_str(), &json!({ "subject": title })));
    }

    fn delete(&self, id: &RemoteId) {
        self.human(|person| person.delete(id.as_str()));
    }

    fn titles(&self) -> Vec<String> {
        let events = self.provider().events(self.calendar.as_str());
        let mut titles: Vec<String> = events.iter().map(|event| text(event, "subject")).collect();
        titles.sort();
        titles
    }

    fn occurrences(&self) -> Vec<(String, String)> {
        let (from, to) = (NOW_MS - 60 * 86_400_000, NOW_MS + 400 * 86_400_000);
        let found = self.provider().occurrences(self.calendar.as_str(), from, to);
        let utc = |event: &Value| {
            let at: jiff::civil::DateTime = text(&event["start"], "dateTime").parse().expect("a time");
            jiff::tz::Offset::UTC.to_timestamp(at).expect("a moment").to_string()
        };
        found.iter().map(|event| (utc(event), text(event, "subject"))).collect()
    }

    fn writes(&self) -> usize {
        let seen = self.provider();
        let write = |method: &http::Method| matches!(method.as_str(), "POST" | "PATCH" | "DELETE");
        seen.seen().iter().filter(|seen| write(seen.request.method()) && seen.call != Call::Batch).count()
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
