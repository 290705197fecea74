//! Who may: sign-in, tokens, scopes, roles, quotas.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    super::{Role, SCOPE_PREFIX},
    Bench, Got, NOW, WORK, hour,
};

const VERIFIER: &str = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";

fn form(bench: &mut Bench, path: &str, pairs: &[(&str, &str)]) -> Got {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    bench.send(&Request::post(path).body(Bytes::from(body)).unwrap())
}

fn authorize(bench: &mut Bench, more: &[(&str, &str)]) -> Got {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER.as_bytes()));
    let scope = format!("{SCOPE_PREFIX}calendar.events {SCOPE_PREFIX}calendar.calendarlist.readonly");
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("client_id", "client"),
        ("redirect_uri", "http://127.0.0.1:4711/back"),
        ("response_type", "code"),
        ("scope", &scope),
        ("state", "st&te"),
        ("access_type", "offline"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    query.extend_pairs(more);
    let query = query.finish();
    bench.send(&Request::get(format!("/o/oauth2/v2/auth?{query}")).body(Bytes::new()).unwrap())
}

fn code(got: &Got) -> String {
    let url = url::Url::parse(got.headers["location"].to_str().unwrap()).unwrap();
    assert_eq!(url.query_pairs().find(|(name, _)| name == "state").unwrap().1, "st&te");
    url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
}

fn exchange(bench: &mut Bench, code: &str, verifier: &str) -> Got {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", "http://127.0.0.1:4711/back"),
        ("client_id", "client"),
        ("client_secret", "secret"),
        ("code_verifier", verifier),
    ];
    form(bench, "/token", &pairs)
}

fn refresh(bench: &mut Bench, token: &str) -> Got {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", "client"),
        ("client_secret", "secret"),
    ];
    form(bench, "/token", &pairs)
}

fn error(got: &Got) -> (u16, &str) {
    (got.status, got.body["error"].as_str().unwrap_or_default())
}

#[test]
fn a_code_is_exchanged_once_with_its_verifier() {
    let mut bench = Bench::new();
    let page = authorize(&mut bench, &[]);
    assert_eq!(page.status, 200, "without auto=1 a person is asked");
    let first = code(&authorize(&mut bench, &[("auto", "1"), ("prompt", "consent")]));
    let wrong = VERIFIER.replace('a', "b");
    assert_eq!(error(&exchange(&mut bench, &first, &wrong)), (400, "invalid_grant"));
    let got = exchange(&mut bench, &first, VERIFIER);
    assert_eq!(got.status, 200, "{}", got.body);
    assert!(got.text("access_token").starts_with("ya29."));
    bench.token = got.text("access_token");
    assert_eq!(bench.get(WORK).status, 200);
    let refreshed = refresh(&mut bench, &got.text("refresh_token"));
    assert_eq!((refreshed.status, refreshed.body.get("refresh_token")), (200, None));
    // The second use of the code ends what the first one gave.
    assert_eq!(error(&exchange(&mut bench, &first, VERIFIER)), (400, "invalid_grant"));
    assert_eq!(error(&refresh(&mut bench, &got.text("refresh_token"))), (400, "invalid_grant"));
    assert_eq!(bench.get(WORK).status, 401);
    let old = code(&authorize(&mut bench, &[("auto", "1")]));
    bench.now_ms += 600_001;
    assert_eq!(error(&exchange(&mut bench, &old, VERIFIER)), (400, "invalid_grant"));
}

#[test]
fn a_second_consent_has_no_refresh_token_unless_prompted() {
    let mut bench = Bench::new();
    for (more, expect) in [(vec![("auto", "1")], false), (vec![("auto", "1"), ("prompt", "consent")], true)] {
        let code = code(&authorize(&mut bench, &more));
        assert_eq!(exchange(&mut bench, &code, VERIFIER).body.get("refresh_token").is_some(), expect);
    }
}

#[test]
fn a_person_unticks_and_refuses() {
    let mut bench = Bench::new();
    let scope = format!("{SCOPE_PREFIX}calendar.events {SCOPE_PREFIX}calendar.calendarlist.readonly");
    let ticked = format!("{SCOPE_PREFIX}calendar.events");
    let mut answer = |decision: &str| {
        let pairs = [
            ("client_id", "client"),
            ("redirect_uri", "https://kalends.example.com/callback"),
            ("response_type", "code"),
            ("scope", scope.as_str()),
            ("state", "st&te"),
            ("account", "bob@example.com"),
            ("ticked", ticked.as_str()),
            ("answer", decision),
        ];
        form(&mut bench, "/o/oauth2/v2/auth", &pairs).headers["location"].to_str().unwrap().to_owned()
    };
    assert!(answer("allow").ends_with("&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcalendar.events"));
    assert!(answer("deny").ends_with("error=access_denied"));
}

#[test]
fn a_wrong_client_or_redirect_never_reaches_the_redirect() {
    let mut bench = Bench::new();
    for uri in ["https://kalends.example.com/other", "http://127.0.0.2:1/", "http://evil.example/"] {
        let scope = format!("{SCOPE_PREFIX}calendar");
        let path =
            format!("/o/oauth2/v2/auth?client_id=client&auto=1&response_type=code&scope={scope}&redirect_uri={uri}");
        let got = bench.send(&Request::get(path).body(Bytes::new()).unwrap());
        assert_eq!((got.status, got.headers.get("location")), (400, None), "{uri}");
    }
    let pairs =
        [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "client"), ("client_secret", "wrong")];
    assert_eq!(error(&form(&mut bench, "/token", &pairs)), (401, "invalid_client"));
    assert_eq!(error(&refresh(&mut bench, "unknown")), (400, "invalid_grant"));
}

#[test]
fn revoking_ends_everything() {
    let mut bench = Bench::new();
    let tokens = bench.google.grant(NOW, "ada@example.com", "client", &["calendar"]);
    let got = form(&mut bench, "/revoke", &[("token", &tokens.access_token)]);
    assert_eq!((got.status, &got.body), (200, &json!({})));
    assert_eq!(error(&form(&mut bench, "/revoke", &[("token", &tokens.access_token)])), (400, "invalid_token"));
    assert_eq!(error(&refresh(&mut bench, &tokens.refresh_token)), (400, "invalid_grant"));
    let gone = bench.get(WORK);
    assert_eq!(
        (gone.status, gone.reason(), &gone.body["error"]["status"]),
        (401, "authError", &json!("UNAUTHENTICATED"))
    );
}

#[test]
fn access_tokens_run_out_and_the_hundredth_and_first_grant_ends_the_first() {
    let mut bench = Bench::new();
    let first = bench.google.grant(NOW, "bob@example.com", "client", &["calendar"]);
    bench.now_ms += 3_599_000;
    assert_eq!(bench.get(WORK).status, 401);
    assert_eq!(refresh(&mut bench, &first.refresh_token).status, 200);
    for _ in 0..100 {
        bench.google.grant(NOW, "bob@example.com", "client", &["calendar"]);
    }
    assert_eq!(error(&refresh(&mut bench, &first.refresh_token)), (400, "invalid_grant"));
}

#[test]
fn scopes_decide_by_call_and_by_calendar() {
    let colors = "/calendar/v3/colors";
    let list = "/calendar/v3/users/me/calendarList";
    for (scopes, path, expect) in [
        (&["calendar.events"][..], WORK, 200),
        (&["calendar.events"], list, 403),
        (&["calendar.events"], colors, 403),
        (&["calendar.calendarlist.readonly"], list, 200),
        (&["calendar.calendarlist.readonly"], WORK, 403),
        (&["calendar.events.readonly"], WORK, 200),
        (&["calendar.app.created"], WORK, 403),
        (&["calendar.events.owned.readonly"], WORK, 200),
        (&["calendar.events.public.readonly"], colors, 200),
    ] {
        let mut bench = Bench::with_scopes(scopes);
        assert_eq!(bench.get(path).status, expect, "{scopes:?} {path}");
    }
    let mut bench = Bench::with_scopes(&["calendar.events.readonly"]);
    let refused = bench.call("POST", WORK, hour("x"));
    assert_eq!((refused.status, refused.reason()), (403, "insufficientPermissions"));
    assert_eq!(refused.body["error"]["status"], "PERMISSION_DENIED");
    assert_eq!(refused.body["error"]["details"][0]["reason"], "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
    let mut bench = Bench::with_scopes(&["calendar.app.created"]);
    let made = bench.call("POST", "/calendar/v3/calendars", json!({ "summary": "Ours" })).text("id");
    assert_eq!(bench.get(&format!("/calendar/v3/calendars/{made}/events")).status, 200);
}

#[test]
fn roles_decide_what_is_written_and_what_is_seen() {
    let mut bench = Bench::new();
    let mut secret = hour("Secret");
    secret["visibility"] = json!("private");
    let id = bench.insert(secret).text("id");
    bench.google.add_calendar("bob@example.com", "work@group.calendar.google.com", "", Role::Reader, "UTC");
    bench.token = bench.google.grant(NOW, "bob@example.com", "client", &["calendar"]).access_token;
    let refused = bench.call("POST", WORK, hour("x"));
    assert_eq!((refused.status, refused.reason()), (403, "requiredAccessLevel"));
    let seen = bench.get(&format!("{WORK}/{id}"));
    assert_eq!((seen.body.get("summary"), seen.text("visibility").as_str()), (None, "private"));
    bench.google.set_role(NOW, "bob@example.com", "work@group.calendar.google.com", Role::Writer);
    assert_eq!(bench.get(&format!("{WORK}/{id}")).text("summary"), "Secret");
    bench.google.unshare(NOW, "bob@example.com", "work@group.calendar.google.com");
    assert_eq!(bench.get(WORK).reason(), "notFound");
    assert_eq!(bench.send(&Request::get(WORK).body(Bytes::new()).unwrap()).status, 401);
}

#[test]
fn reminders_are_the_readers_own() {
    let mut bench = Bench::new();
    let mut body = hour("Shared");
    body["reminders"] = json!({ "useDefault": false });
    let path = format!("{WORK}/{}", bench.insert(body).text("id"));
    bench.google.add_calendar("bob@example.com", "work@group.calendar.google.com", "", Role::Writer, "UTC");
    bench.token = bench.google.grant(NOW, "bob@example.com", "client", &["calendar"]).access_token;
    assert_eq!(bench.get(&path).body["reminders"], json!({ "useDefault": true }));
}

#[test]
fn the_quota_is_a_sliding_minute() {
    let mut bench = Bench::new();
    bench.google.settings_mut().user_per_minute = 3;
    let statuses: Vec<u16> = (0..4).map(|_| bench.get(WORK).status).collect();
    assert_eq!(statuses, [200, 200, 200, 403]);
    assert_eq!(bench.get(WORK).reason(), "userRateLimitExceeded");
    bench.now_ms += 60_000;
    assert_eq!(bench.get(WORK).status, 200);
    assert_eq!(bench.google.quota_spent(bench.now_ms, "client", "ada@example.com"), 1);
}
