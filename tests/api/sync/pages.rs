//! Connecting in a browser: out to the provider, back, and the choice of a calendar.

use axum::http::StatusCode;
use serde_json::json;

use super::{SECRETS, engine, ok, synced};
use crate::house::{Answer, House};

on_both! {
    a_person_connects_and_links_a_calendar
    what_comes_back_counts_in_the_session_that_began
    an_address_is_pasted
    nobody_sees_another_s_account
}

async fn get(house: &House, cookie: &str, path: &str) -> Answer {
    let answer = house.ask("GET", path).header("cookie", cookie).send().await;
    for secret in SECRETS {
        assert!(!answer.text().contains(secret), "{path} tells {secret}");
    }
    answer
}

async fn post(house: &House, cookie: &str, path: &str, form: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let ask = house.ask("POST", path).header("cookie", cookie).header("sec-fetch-site", "same-origin");
    ask.header("content-type", "application/x-www-form-urlencoded").body(body).send().await
}

fn seen(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.header("location"))
}

async fn a_person_connects_and_links_a_calendar(house: House) {
    engine(&house);
    let cookie = house.session(&house.ada).await;
    let overview = get(&house, &cookie, "/sync").await;
    assert!(overview.text().contains("href=\"/api/sync/google/connect\""), "{}", overview.text());
    let out = get(&house, &cookie, "/api/sync/google/connect").await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert!(out.header("location").starts_with("https://provider.example/auth"));

    let back = format!("/api/sync/google/callback?state=state-0&code={}&scope=x", SECRETS[2]);
    let choose = get(&house, &cookie, &back).await;
    let (status, page) = seen(&choose);
    assert_eq!(status, 303);
    assert!(page.starts_with("/sync/connections/"), "{page}");
    let choices = get(&house, &cookie, page).await;
    for shown in ["ada@example.org", "Calendar primary", "Calendar holidays (read only)", "value=\"calendar\""] {
        assert!(choices.text().contains(shown), "{shown}: {}", choices.text());
    }
    assert!(!choices.text().contains("value=\"tasks\""), "a task list takes no appointments");
    let pair = |remote, direction| [("remote", remote), ("calendar", "calendar"), ("direction", direction)];
    for (form, sentence) in [
        (pair("holidays", "both"), "cannot be written"),
        (pair("nowhere", "both"), "on each side"),
        (pair("primary", "sideways"), "on each side"),
        ([("remote", "primary"), ("calendar", "nowhere"), ("direction", "both")], "no such calendar"),
    ] {
        let refused = post(&house, &cookie, page, &form).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{form:?}");
        assert!(refused.text().contains(sentence), "{}", refused.text());
    }
    assert_eq!(seen(&post(&house, &cookie, page, &pair("primary", "both")).await), (303, "/sync"));
    let twice = post(&house, &cookie, page, &pair("primary", "pull")).await;
    assert!(twice.text().contains("linked already"), "{}", twice.text());
    let overview = get(&house, &cookie, "/sync").await.text();
    assert!(overview.contains("Calendar primary") && overview.contains("ada@example.org"), "{overview}");
    let status = ok(&house, "GET", "/api/schedule/sync/status", json!({})).await;
    assert_eq!(status["links"][0]["settings"]["privacy"], "exclude_private");
    let told = super::audited(&house).await;
    assert!(["calendar_connection_connected", "sync_link_created"].iter().all(|a| told.contains(&(*a).to_owned())));
}

async fn what_comes_back_counts_in_the_session_that_began(house: House) {
    engine(&house);
    let (cookie, other) = (house.session(&house.ada).await, house.session(&house.ada).await);
    let bob = house.session(&house.bob).await;
    get(&house, &cookie, "/api/sync/google/connect").await;
    let back = format!("/api/sync/google/callback?state=state-0&code={}", SECRETS[2]);
    for stranger in [&other, &bob] {
        let refused = get(&house, stranger, &back).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.text().contains("begin again"));
    }
    let nobody = house.ask("GET", &back).send().await;
    assert_eq!(seen(&nobody), (303, "/"));
    assert_eq!(get(&house, &cookie, &back).await.status, StatusCode::SEE_OTHER);
    assert_eq!(get(&house, &cookie, &back).await.status, StatusCode::BAD_REQUEST, "used");
    for (query, sentence) in [
        ("error=access_denied&state=state-0", "was not allowed"),
        ("error=<script>&state=x", "Google refused"),
        ("code=x", "not an address"),
        ("", "not an address"),
    ] {
        let path = format!("/api/sync/google/callback?{}", query.replace('<', "%3C").replace('>', "%3E"));
        let page = get(&house, &cookie, &path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(page.text().contains(sentence) && !page.text().contains("<script"), "{query}: {}", page.text());
    }
    let token = house.ada("GET", "/api/sync/google/connect").send().await;
    assert_eq!(seen(&token), (303, "/"), "pages are for people who signed in");
}

async fn an_address_is_pasted(house: House) {
    engine(&house);
    let cookie = house.session(&house.ada).await;
    get(&house, &cookie, "/api/sync/google/connect?paste=1").await;
    for wrong in ["", "hello", "http://127.0.0.1/?state=state-0"] {
        let refused = post(&house, &cookie, "/sync/paste", &[("address", wrong)]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let address = format!(" http://127.0.0.1/?state=state-0&code={} ", SECRETS[2]);
    let cross = house.ask("POST", "/sync/paste").header("cookie", &cookie).header("sec-fetch-site", "cross-site");
    let cross = cross.header("content-type", "application/x-www-form-urlencoded").body("address=x").send().await;
    assert_eq!(cross.status, StatusCode::FORBIDDEN);
    let done = post(&house, &cookie, "/sync/paste", &[("address", &address)]).await;
    assert!(done.header("location").starts_with("/sync/connections/"));
}

async fn nobody_sees_another_s_account(house: House) {
    engine(&house);
    let things = synced(&house, &house.ada).await;
    let page = format!("/sync/connections/{}", things.connection);
    for stranger in [&house.bob, &house.mia, &house.eve] {
        let cookie = house.session(stranger).await;
        assert_eq!(seen(&get(&house, &cookie, &page).await), (303, "/sync"));
        let form = [("remote", "primary"), ("calendar", "calendar"), ("direction", "both")];
        assert_eq!(seen(&post(&house, &cookie, &page, &form).await), (303, "/sync"));
        assert!(!get(&house, &cookie, "/sync").await.text().contains("Secret"));
    }
    assert_eq!(seen(&house.ask("GET", "/sync").send().await), (303, "/"));
}
