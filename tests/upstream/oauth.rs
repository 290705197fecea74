//! The user's consent: there, back, refreshed, revoked.

use kalends::domain::time::{Clock, Instant};
use kalends::upstream::http::Transport;
use kalends::upstream::oauth::{Granted, Verifier, Wanted};
use kalends::upstream::{Failure, Upstream};
use kalends_simulators::google::{Call, Fault, Rule};
use secrecy::{ExposeSecret, SecretString};

use super::google::{ADA, Bench};
use super::remote::Remote;

impl Bench {
    /// The user follows the address and comes back with these parameters.
    async fn visit(&self, url: &url::Url) -> Vec<(String, String)> {
        let request = http::Request::get(url.as_str()).body(bytes::Bytes::new()).expect("a request");
        let limits = kalends::upstream::http::Limits::ONE;
        let answer = self.wire.send(request, limits).await.expect("an answer");
        let back = answer.headers().get("location").expect("a redirect").to_str().expect("text");
        let back = url::Url::parse(back).expect("a URL");
        assert_eq!(back.origin().ascii_serialization(), "https://kalends.test");
        back.query_pairs().into_owned().collect()
    }

    fn time(&self) -> Instant {
        self.wire.clock.now()
    }
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).unwrap_or_default()
}

fn verifier() -> Verifier {
    Verifier::new([7; 32])
}

#[tokio::test]
async fn consent_gives_tokens_that_last_and_can_be_renewed_and_revoked() {
    let bench = Bench::new();
    bench.provider().auto_approve(Some(ADA));
    let url = bench.oauth.authorise(Wanted::Writing, "state-1", &verifier(), Some(ADA)).expect("a URL");
    let asked: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    for (name, wanted) in [
        ("response_type", "code"),
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("include_granted_scopes", "true"),
        ("code_challenge_method", "S256"),
        ("login_hint", ADA),
    ] {
        assert_eq!(value(&asked, name), wanted);
    }
    assert!(!url.as_str().contains("secret") && !url.as_str().contains(verifier().secret().expose_secret()));
    let back = bench.visit(&url).await;
    assert_eq!(value(&back, "state"), "state-1");
    let code = value(&back, "code");
    let wrong = bench.oauth.exchange(&*bench.wire, code, &Verifier::new([8; 32]), bench.time()).await;
    assert!(matches!(wrong, Err(Failure::NeedsConsent(_))), "{wrong:?}");
    let tokens = bench.oauth.exchange(&*bench.wire, code, &verifier(), bench.time()).await.expect("tokens");
    assert_eq!(bench.oauth.granted(&tokens.scopes), Granted::Writing);
    let lasts = tokens.expires_at.ms() - bench.now();
    assert!((3_000_000..=3_600_000).contains(&lasts), "{lasts}");
    let refresh = tokens.refresh.clone().expect("a refresh token");
    assert_eq!(bench.oauth.account(&*bench.wire, &tokens.access, bench.time()).await.as_deref(), Ok(ADA));
    assert!(bench.google.calendars(&tokens.access, ADA).await.is_ok());

    bench.wire.clock.advance_ms(4_000_000);
    assert_eq!(bench.google.calendars(&tokens.access, ADA).await, Err(Failure::Unauthorised));
    let renewed = bench.oauth.refresh(&*bench.wire, &refresh, bench.time()).await.expect("tokens");
    assert!(renewed.refresh.is_none(), "Google does not rotate them");
    assert!(bench.google.calendars(&renewed.access, ADA).await.is_ok());

    assert_eq!(bench.oauth.revoke(&*bench.wire, &refresh, bench.time()).await, Ok(()));
    assert_eq!(bench.oauth.revoke(&*bench.wire, &refresh, bench.time()).await, Ok(()), "gone already is done");
    let gone = bench.oauth.refresh(&*bench.wire, &refresh, bench.time()).await;
    assert!(matches!(gone, Err(Failure::NeedsConsent(_))), "{gone:?}");
    assert_eq!(bench.google.calendars(&renewed.access, ADA).await, Err(Failure::Unauthorised));
}

#[tokio::test]
async fn a_code_is_good_once() {
    let bench = Bench::new();
    bench.provider().auto_approve(Some(ADA));
    let url = bench.oauth.authorise(Wanted::Writing, "s", &verifier(), None).expect("a URL");
    let back = bench.visit(&url).await;
    let code = value(&back, "code");
    assert!(bench.oauth.exchange(&*bench.wire, code, &verifier(), bench.time()).await.is_ok());
    let again = bench.oauth.exchange(&*bench.wire, code, &verifier(), bench.time()).await;
    assert!(matches!(again, Err(Failure::NeedsConsent(_))), "{again:?}");
}

#[tokio::test]
async fn permissions_that_were_unticked_are_noticed() {
    let bench = Bench::new();
    bench.provider().auto_approve(Some(ADA));
    for (withheld, granted) in [
        (&["calendar.events"][..], Granted::TooLittle),
        (&["calendar.calendarlist.readonly"][..], Granted::TooLittle),
        (&[][..], Granted::Writing),
    ] {
        bench.provider().revoke(ADA, None);
        bench.provider().withhold_scopes(withheld);
        let url = bench.oauth.authorise(Wanted::Writing, "s", &verifier(), None).expect("a URL");
        let back = bench.visit(&url).await;
        let tokens = bench.oauth.exchange(&*bench.wire, value(&back, "code"), &verifier(), bench.time()).await;
        assert_eq!(bench.oauth.granted(&tokens.expect("tokens").scopes), granted, "{withheld:?}");
    }
    bench.provider().revoke(ADA, None);
    let url = bench.oauth.authorise(Wanted::Reading, "s", &verifier(), None).expect("a URL");
    let back = bench.visit(&url).await;
    let tokens = bench.oauth.exchange(&*bench.wire, value(&back, "code"), &verifier(), bench.time()).await;
    assert_eq!(bench.oauth.granted(&tokens.expect("tokens").scopes), Granted::Reading);
    assert_eq!(bench.oauth.granted(&["https://www.googleapis.com/auth/calendar".into()]), Granted::Writing);
}

#[tokio::test]
async fn what_goes_wrong_with_tokens_is_told_apart() {
    let bench = Bench::new();
    let refresh = SecretString::from("1//0unknown");
    let ask = async |fault: Option<Fault>| {
        if let Some(fault) = fault {
            bench.fault(Rule::new(fault).at(Call::Token));
        }
        bench.oauth.refresh(&*bench.wire, &refresh, bench.time()).await.expect_err("no token")
    };
    assert!(matches!(ask(None).await, Failure::NeedsConsent(_)));
    assert!(matches!(ask(Some(Fault::InvalidGrant)).await, Failure::NeedsConsent(_)));
    assert!(matches!(ask(Some(Fault::Backend { status: 503 })).await, Failure::Transient(..)));
    assert!(matches!(ask(Some(Fault::LoseResponse)).await, Failure::Transient(..)));
    assert!(matches!(ask(Some(Fault::LoseRequest)).await, Failure::Transient(..)));
    assert!(matches!(ask(Some(Fault::Html)).await, Failure::BadAnswer(_)));
    let wait = ask(Some(Fault::TooManyRequests { retry_after_s: Some(9) })).await;
    assert!(matches!(wait, Failure::RateLimited(_, Some(after)) if after.as_secs() == 9), "{wait:?}");
    let mut stranger = bench.oauth.clone();
    stranger.client_secret = Some(SecretString::from("wrong"));
    let refused = stranger.refresh(&*bench.wire, &refresh, bench.time()).await.expect_err("no token");
    assert!(matches!(refused, Failure::Refused(_)), "{refused:?}");
    assert!(bench.upstream().writable());
}
