//! Signing in: authorities, codes, refresh tokens, devices, scopes.

use super::{
    super::{Access, Fault, Microsoft, OldRefreshTokens, Rule},
    ADA, Bench, EVENTS, NOW, SCOPES, hour,
};

const VERIFIER: &str = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv";

fn authorize(bench: &mut Bench, authority: &str, more: &str) -> super::Got {
    bench.get(&format!(
        "/{authority}/oauth2/v2.0/authorize?client_id=client&response_type=code&redirect_uri=http%3A%2F%2Flocalhost%3A5%2Fback&scope=offline_access+openid+Calendars.ReadWrite&state=s&auto=1&login_hint={ADA}{more}"
    ))
}

fn code(got: &super::Got) -> String {
    let url = url::Url::parse(got.headers["location"].to_str().unwrap()).unwrap();
    url.query_pairs().find(|(name, _)| name == "code").map(|(_, value)| value.into_owned()).unwrap()
}

fn error(got: &super::Got) -> u64 {
    got.body["error_codes"][0].as_u64().unwrap()
}

const TOKEN: &str = "/common/oauth2/v2.0/token";

#[test]
fn a_code_is_redeemed_once_and_with_its_verifier() {
    let mut bench = Bench::new();
    let challenge = {
        use base64::Engine;
        use sha2::Digest;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(VERIFIER.as_bytes()))
    };
    let back = authorize(&mut bench, "common", &format!("&code_challenge={challenge}&code_challenge_method=S256"));
    assert_eq!(back.status, 302);
    let code = code(&back);
    let form = |verifier: &str, secret: &str| {
        format!(
            "grant_type=authorization_code&client_id=client&client_secret={secret}&redirect_uri=http%3A%2F%2Flocalhost%3A5%2Fback&code={code}&code_verifier={verifier}"
        )
    };
    assert_eq!(error(&bench.form(TOKEN, &form("wrong", "secret"))), 501481);
    assert_eq!(error(&bench.form(TOKEN, &form(VERIFIER, "guess"))), 7000215);
    let tokens = bench.form(TOKEN, &form(VERIFIER, "secret"));
    assert_eq!((tokens.status, tokens.text("scope").as_str()), (200, "openid Calendars.ReadWrite"));
    assert!(!tokens.text("refresh_token").is_empty() && tokens.text("id_token").split('.').count() == 3);
    assert_eq!(error(&bench.form(TOKEN, &form(VERIFIER, "secret"))), 54005);
    bench.token = tokens.text("access_token");
    assert_eq!(bench.get(EVENTS).status, 200);
}

#[test]
fn authorities_admit_their_own() {
    let mut bench = Bench::new();
    bench.microsoft.add_personal_account("pat@outlook.example", "UTC");
    for (authority, status) in
        [("common", 302), ("organizations", 302), ("example.com", 302), ("consumers", 400), ("nowhere", 400)]
    {
        assert_eq!(authorize(&mut bench, authority, "").status, status, "{authority}");
    }
    bench.microsoft.restrict_client("client", Some("example.com"));
    assert_eq!(authorize(&mut bench, "common", "").status, 400);
    assert_eq!(authorize(&mut bench, "example.com", "").status, 302);
    let configuration = bench.get("/common/v2.0/.well-known/openid-configuration");
    assert!(configuration.text("token_endpoint").ends_with("/common/oauth2/v2.0/token"));
    let page = bench.get("/common/oauth2/v2.0/authorize?client_id=nobody");
    assert_eq!(page.status, 400);
}

fn refresh(bench: &mut Bench, token: &str) -> super::Got {
    bench.form(TOKEN, &format!("grant_type=refresh_token&client_id=client&client_secret=secret&refresh_token={token}"))
}

#[test]
fn refresh_tokens_rotate() {
    for (what, old_after_use) in
        [(OldRefreshTokens::Stay, 200), (OldRefreshTokens::DieOnUse, 400), (OldRefreshTokens::DieAtOnce, 400)]
    {
        let mut bench = Bench::new();
        bench.microsoft.settings_mut().old_refresh_tokens = what;
        let first = bench.refresh.clone();
        let second = refresh(&mut bench, &first).text("refresh_token");
        assert_ne!(first, second);
        let again = refresh(&mut bench, &first);
        assert_eq!(again.status == 200, what != OldRefreshTokens::DieAtOnce, "an answer that was lost");
        assert_eq!(refresh(&mut bench, &second).status, 200);
        assert_eq!(refresh(&mut bench, &first).status, old_after_use, "{what:?}");
    }
}

#[test]
fn refusals_have_their_numbers() {
    let mut bench = Bench::new();
    let token = bench.refresh.clone();
    assert_eq!(error(&refresh(&mut bench, "garbled")), 9002313);
    assert_eq!(error(&bench.form("/nowhere/oauth2/v2.0/token", "grant_type=refresh_token&client_id=client")), 90002);
    assert_eq!(error(&bench.form(TOKEN, "grant_type=refresh_token&client_id=nobody")), 700016);
    assert_eq!(error(&bench.form(TOKEN, "grant_type=password&client_id=public")), 9002313);
    for number in [50076, 53003, 65001, 700084, 90055] {
        bench.microsoft.faults().push(Rule::new(Fault::Aadsts { code: number }));
        let refused = refresh(&mut bench, &token);
        assert_eq!(error(&refused), u64::from(number));
        assert!(refused.text("error_description").starts_with(&format!("AADSTS{number}: ")));
    }
    bench.microsoft.expire_secret("client");
    assert_eq!(error(&refresh(&mut bench, &token)), 7000222);
    bench.microsoft.add_client("client", Some("secret"), &[]);
    bench.microsoft.advance(91 * 86_400_000);
    assert_eq!(error(&refresh(&mut bench, &token)), 700082);
    bench.microsoft.revoke(ADA, None, 50173);
    assert_eq!(error(&refresh(&mut bench, &token)), 50173);
}

#[test]
fn a_device_is_let_in_by_somebody_at_a_page() {
    let mut bench = Bench::new();
    let asked = bench
        .form("/organizations/oauth2/v2.0/devicecode", "client_id=public&scope=offline_access+Calendars.ReadWrite");
    let (device, user) = (asked.text("device_code"), asked.text("user_code"));
    assert!(asked.text("message").contains(&user));
    let form = format!("grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=public&device_code={device}");
    let pending = bench.form(TOKEN, &form);
    assert_eq!((pending.text("error").as_str(), error(&pending)), ("authorization_pending", 70016));
    bench.microsoft.settings_mut().slow_down = true;
    assert_eq!(bench.form(TOKEN, &form).text("error"), "slow_down");
    assert_eq!(bench.get("/devicelogin").status, 200);
    assert_eq!(bench.form("/devicelogin", "code=WRONG&account=ada@example.com&answer=allow").status, 400);
    assert_eq!(bench.form("/devicelogin", &format!("code={user}&account={ADA}&answer=allow")).status, 200);
    let tokens = bench.form(TOKEN, &form);
    assert!(!tokens.text("refresh_token").is_empty(), "{}", tokens.body);
    let declined = bench.form("/common/oauth2/v2.0/devicecode", "client_id=public&scope=Calendars.Read");
    bench.microsoft.decide_device(bench.now_ms, &declined.text("user_code"), None).unwrap();
    let form = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=public&device_code={}",
        declined.text("device_code")
    );
    assert_eq!(bench.form(TOKEN, &form).text("error"), "authorization_declined");
}

#[test]
fn consent_is_refused_withheld_or_for_administrators() {
    let mut bench = Bench::new();
    let path = "/common/oauth2/v2.0/authorize";
    let form = "client_id=client&response_type=code&redirect_uri=http%3A%2F%2Flocalhost%2Fback&scope=Calendars.Read&state=s&account=ada@example.com";
    assert_eq!(bench.get(&format!("{path}?{form}")).status, 200);
    let denied = bench.form(path, &format!("{form}&answer=deny"));
    assert!(denied.headers["location"].to_str().unwrap().contains("error=access_denied"));
    bench.microsoft.settings_mut().admin_consent_only = true;
    let held = bench.form(path, &format!("{form}&answer=allow"));
    assert!(held.headers["location"].to_str().unwrap().contains("AADSTS90094"));
    let agreed =
        bench.get("/example.com/v2.0/adminconsent?client_id=client&redirect_uri=http%3A%2F%2Flocalhost%2Fback&state=s");
    assert!(agreed.headers["location"].to_str().unwrap().contains("admin_consent=True"));
    assert_eq!(bench.form(path, &format!("{form}&answer=allow")).status, 302);
    let posted = bench.form(path, &format!("{form}&answer=allow&response_mode=form_post"));
    assert_eq!(posted.status, 200);
}

#[test]
fn a_token_reaches_as_far_as_its_scopes() {
    let mut bench = Bench::new();
    bench.token = bench.microsoft.grant(NOW, ADA, "client", &["Calendars.Read"]).access_token;
    assert_eq!(bench.get(EVENTS).status, 200);
    assert_eq!(bench.call("POST", EVENTS, hour("x")).code(), "ErrorAccessDenied");
    assert_eq!(bench.get("/v1.0/me").status, 403);
    bench.microsoft.add_calendar(ADA, "holidays", "Holidays", Access::Read);
    assert_eq!(bench.get("/v1.0/me/calendars/holidays/events").status, 403);
    bench.token = bench.microsoft.grant(NOW, ADA, "client", SCOPES).access_token;
    assert_eq!(bench.get("/v1.0/me/calendars/holidays/events").status, 200);
    assert_eq!(bench.call("POST", "/v1.0/me/calendars/holidays/events", hour("x")).status, 403);
    assert_eq!(bench.get("/v1.0/users/bob@example.com/events").status, 403);
    assert_eq!(bench.get("/v1.0/users/ada@example.com/events").status, 200);
    bench.microsoft.expire_access_tokens(ADA);
    let refused = bench.get(EVENTS);
    assert_eq!((refused.status, refused.code()), (401, "InvalidAuthenticationToken"));
    assert!(refused.headers.contains_key("www-authenticate"));
    bench.token.clear();
    assert_eq!(bench.get(EVENTS).status, 401);
    let mut empty = Microsoft::new(1);
    assert!(empty.default_calendar(ADA).is_none() && empty.deliveries(0).is_empty());
}

#[test]
fn the_account_and_its_calendars_are_shown() {
    let mut bench = Bench::new();
    bench.microsoft.add_calendar(ADA, "birthdays", "Birthdays", Access::Read);
    assert_eq!(bench.get("/v1.0/me").text("userPrincipalName"), ADA);
    assert_eq!(bench.get("/v1.0/me/mailboxSettings").text("timeZone"), "W. Europe Standard Time");
    assert_eq!(bench.get("/v1.0/me/mailboxSettings/timeZone").text("value"), "W. Europe Standard Time");
    assert!(bench.get("/v1.0/me/outlook/supportedTimeZones").values().len() > 100);
    let first = bench.get("/v1.0/me/calendars?$top=2&$select=name,canEdit");
    assert_eq!(first.all("name"), ["Calendar", "Work"]);
    let second = bench.get(&first.next());
    assert_eq!((second.all("name"), &second.values()[0]["canEdit"]), (vec!["Birthdays"], &serde_json::json!(false)));
    assert_eq!(bench.get("/v1.0/me/calendar").body["isDefaultCalendar"], true);
    let group = bench.get("/v1.0/me/calendarGroups").values()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.get(&format!("/v1.0/me/calendarGroups/{group}/calendars")).values().len(), 3);
    let made = bench.call("POST", "/v1.0/me/calendars", serde_json::json!({ "name": "New", "color": "lightRed" }));
    assert_eq!((made.status, made.text("color").as_str()), (201, "lightRed"));
    let path = format!("/v1.0/me/calendars/{}", made.text("id"));
    assert_eq!(bench.call("PATCH", &path, serde_json::json!({ "name": "Newer" })).text("name"), "Newer");
    assert_eq!(bench.call("POST", "/v1.0/me/calendars", serde_json::json!({ "name": "newer" })).status, 409);
    assert_eq!(bench.call("DELETE", &path, serde_json::Value::Null).status, 204);
    assert_eq!(bench.get(&path).status, 404);
    assert_eq!(bench.call("DELETE", "/v1.0/me/calendar", serde_json::Value::Null).status, 403);
    bench.microsoft.close_mailbox(ADA);
    assert_eq!(bench.get("/v1.0/me/calendars").code(), "MailboxNotEnabledForRESTAPI");
}
