//! Secrets, validators, codings and the traces a fetch leaves.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use kalends::domain::appointment::Facts;
use kalends::domain::calendar::CalendarSettings;
use kalends::domain::feed::{FeedSettings, FeedWindow, PrivateAppointments};
use kalends::domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use kalends::store::NewFeed;

use crate::house::{HOME, House, event, ics, values};
use crate::support::stores::START;

const NO_DAY: FeedSettings = FeedSettings {
    name: None,
    kind: kalends::domain::feed::FeedKind::Calendar,
    calendars: Vec::new(),
    privacy: kalends::domain::feed::FeedPrivacy::Details,
    private: PrivateAppointments::Omit,
    window: FeedWindow::All,
    filters: kalends::domain::feed::FeedFilters {
        project_ids: Vec::new(),
        staff_user_ids: Vec::new(),
        appointment_types: Vec::new(),
        client_ids: Vec::new(),
        categories: Vec::new(),
    },
};

#[tokio::test]
async fn a_secret_opens_with_and_without_its_suffix_and_nothing_else_is_asked() {
    let house = House::new().await;
    house.put("work", "a.ics", &event("a", "20261121T100000Z")).await;
    let link = house.feed(&FeedSettings::default()).await;
    let answer = house.get(&link).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(values(&answer.text(), "UID"), ["a"]);
    let path = format!("/api/ics/{}", link.secret);
    for headers in [&[][..], &[("authorization", "Basic bm9ib2R5Ondyb25n")], &[("cookie", "kalends_session=x")]] {
        assert_eq!(house.ask(Method::GET, &path, headers, HOME).await.body, answer.body);
    }
    for (name, value) in [
        ("content-type", "text/calendar; charset=utf-8"),
        ("cache-control", "private, no-cache"),
        ("vary", "accept-encoding"),
        ("x-robots-tag", "noindex, nofollow, noarchive"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let post = house.ask(Method::POST, &path, &[], HOME).await;
    assert_eq!((post.status, post.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("GET,HEAD")));
}

#[tokio::test]
async fn what_does_not_open_cannot_be_told_apart() {
    let house = House::new().await;
    let (ada, store) = (&house.ada, &house.bench.store);
    let revoked = house.feed(&FeedSettings::default()).await;
    let rotated = house.feed(&FeedSettings::default()).await;
    let expires_ms = Some(START.ms() + HOUR_MS);
    let new = NewFeed { label: "x".into(), settings: FeedSettings::default(), expires_ms };
    let expired = house.add_feed(ada, &new).await;
    let bob = house.bench.user("acme", "bob", kalends::domain::access::Role::Client).await;
    let disabled = house.add_feed(&bob, &NewFeed { expires_ms: None, ..new }).await;
    for link in [&revoked, &rotated, &expired, &disabled] {
        assert_eq!(house.get(link).await.status, StatusCode::OK);
    }

    let fresh = store.chance().secret();
    let (hash, sealed) = house.seal(&rotated.id, &fresh);
    let mut tx = store.write().await.expect("a transaction");
    assert!(tx.revoke_feed((&ada.firm, &ada.id), &revoked.id).await.expect("revoked"));
    assert!(tx.rotate_feed((&ada.firm, &ada.id), &rotated.id, &hash, &sealed).await.expect("rotated"));
    assert!(tx.disable_user(&bob.firm, &bob.id).await.expect("disabled"));
    tx.commit().await.expect("a commit");
    house.bench.clock.advance_ms(HOUR_MS);

    let unknown = format!("/api/ics/{}", store.chance().secret());
    let reference = house.ask(Method::GET, &unknown, &[], HOME).await;
    assert_eq!(reference.status, StatusCode::NOT_FOUND);
    assert_eq!(reference.header("x-robots-tag"), Some("noindex, nofollow, noarchive"));
    assert_eq!(reference.header("www-authenticate"), None);
    let secrets = [&revoked, &rotated, &expired, &disabled].map(|link| link.secret.clone());
    let malformed = ["x", ".ics", "%00", "%ff", "a%2Fb", &"x".repeat(5_000), "ü"].map(str::to_owned);
    for (n, secret) in secrets.iter().chain(&malformed).enumerate() {
        for suffix in ["", ".ics"] {
            let from = IpAddr::from([198, 51, 100, u8::try_from(n).expect("few")]);
            let answer = house.ask(Method::GET, &format!("/api/ics/{secret}{suffix}"), &[], from).await;
            assert_eq!(answer, reference, "{secret}");
        }
    }
    let again = format!("/api/ics/{fresh}");
    assert_eq!(house.ask(Method::GET, &again, &[], HOME).await.status, StatusCode::OK, "the new secret opens");
}

#[tokio::test]
async fn guessing_has_to_wait_and_knowing_does_not() {
    let house = House::new().await;
    let link = house.feed(&FeedSettings::default()).await;
    let wrong = || format!("/api/ics/{}", house.bench.store.chance().secret());
    for _ in 0..10 {
        assert_eq!(house.ask(Method::GET, &wrong(), &[], HOME).await.status, StatusCode::NOT_FOUND);
    }
    let answer = house.ask(Method::GET, &wrong(), &[], HOME).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, Some("15")));
    assert_eq!(house.get(&link).await.status, StatusCode::OK, "the same address, the right secret");
    let elsewhere = IpAddr::from([203, 0, 113, 9]);
    assert_eq!(house.ask(Method::GET, &wrong(), &[], elsewhere).await.status, StatusCode::NOT_FOUND);
    house.bench.clock.advance_ms(MINUTE_MS);
    assert_eq!(house.ask(Method::GET, &wrong(), &[], HOME).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_unchanged_feed_is_not_sent_twice() {
    let house = House::new().await;
    house.put("work", "a.ics", &event("a", "20261121T100000Z")).await;
    let (_, work) = house.calendar("work").await;
    let link = house.feed(&FeedSettings { calendars: vec![work.id.as_str().into()], ..FeedSettings::default() }).await;
    let etag = house.get(&link).await.header("etag").expect("a tag").to_owned();
    assert!(etag.starts_with('"'), "strong");
    let coded = house.get_with(&link, &[("accept-encoding", "gzip")]).await;
    let coded = coded.header("etag").expect("a tag").to_owned();
    assert_ne!(etag, coded, "other bytes, another tag");

    let weak = format!("W/{etag}");
    let list = format!("\"other\", {etag}");
    for known in [&etag, &coded, &weak, &list, "*"] {
        let answer = house.get_with(&link, &[("if-none-match", known)]).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
        assert_eq!(answer.header("etag"), Some(etag.as_str()));
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
        assert_eq!((answer.header("content-length"), answer.header("content-type")), (None, None));
    }
    for unknown in ["\"other\"", "", etag.trim_matches('"')] {
        assert_eq!(house.get_with(&link, &[("if-none-match", unknown)]).await.status, StatusCode::OK, "{unknown}");
    }

    house.put("private", "b.ics", &event("b", "20261121T100000Z")).await;
    let answer = house.get_with(&link, &[("if-none-match", &etag)]).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "another calendar");
    house.put("work", "c.ics", &event("c", "20261121T120000Z")).await;
    let answer = house.get_with(&link, &[("if-none-match", &etag)]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(values(&answer.text(), "UID"), ["a", "c"]);
    assert_ne!(answer.header("etag"), Some(etag.as_str()));
}

#[tokio::test]
async fn what_the_feed_is_and_shows_changes_its_tag() {
    let house = House::new().await;
    house.put("work", "a.ics", &event("a", "20261121T100000Z")).await;
    let link = house.feed(&NO_DAY).await;
    let mut tags = vec![house.get(&link).await.header("etag").expect("a tag").to_owned()];
    let changed = async |house: &House, what: &str, tags: &mut Vec<String>| {
        let tag = house.get(&link).await.header("etag").expect("a tag").to_owned();
        assert!(!tags.contains(&tag), "{what}");
        tags.push(tag);
    };
    let owner = (&house.ada.firm, &house.ada.id);
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let new =
        NewFeed { label: "x".into(), settings: FeedSettings { name: Some("New".into()), ..NO_DAY }, expires_ms: None };
    assert!(tx.set_feed(owner, &link.id, &new).await.expect("set"));
    tx.commit().await.expect("a commit");
    changed(&house, "the name", &mut tags).await;

    let (access, calendar) = house.calendar("work").await;
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let settings = CalendarSettings { color: Some("#112233".into()), ..calendar.settings };
    tx.set_calendar(&access, &settings).await.expect("set");
    tx.commit().await.expect("a commit");
    changed(&house, "a calendar's color", &mut tags).await;

    house.calendar("another").await;
    changed(&house, "one more calendar", &mut tags).await;
    let (access, _) = house.calendar("another").await;
    let mut tx = house.bench.store.write().await.expect("a transaction");
    tx.delete_calendar(&access, &kalends::domain::change::Cause::system()).await.expect("deleted");
    tx.commit().await.expect("a commit");
    let after = house.get(&link).await;
    assert_eq!(after.header("etag"), Some(tags[2].as_str()), "as before there was one");
}

#[tokio::test]
async fn a_window_moves_with_the_day_and_all_time_does_not() {
    let house = House::new().await;
    house.put("work", "old.ics", &event("old", "20261120T230000Z")).await;
    let window = FeedWindow::Days { back: 0, ahead: 1 };
    let moving = house.feed(&FeedSettings { window, ..FeedSettings::default() }).await;
    let still = house.feed(&NO_DAY).await;
    let first = house.get(&moving).await;
    assert_eq!(values(&first.text(), "UID"), [] as [&str; 0]);
    let tags = async |house: &House| {
        let tag = async |link| house.get(link).await.header("etag").expect("a tag").to_owned();
        (tag(&moving).await, tag(&still).await)
    };
    let (moving_tag, still_tag) = tags(&house).await;
    house.bench.clock.advance_ms(15 * HOUR_MS);
    assert_eq!(tags(&house).await, (moving_tag.clone(), still_tag.clone()), "one hour before midnight");
    house.bench.clock.advance_ms(2 * HOUR_MS);
    let (later_moving, later_still) = tags(&house).await;
    assert_ne!(later_moving, moving_tag);
    assert_eq!(later_still, still_tag);
}

#[tokio::test]
async fn a_time_of_change_is_told_once_its_second_is_over() {
    let house = House::new().await;
    house.put("work", "a.ics", &event("a", "20261121T100000Z")).await;
    let link = house.feed(&NO_DAY).await;
    assert_eq!(house.get(&link).await.header("last-modified"), None, "it may change again within this second");
    house.bench.clock.advance_ms(1_000);
    let modified = house.get(&link).await.header("last-modified").expect("a time").to_owned();
    assert_eq!(modified, "Sat, 21 Nov 2026 08:00:00 GMT");
    let since = [("if-modified-since", modified.as_str())];
    assert_eq!(house.get_with(&link, &since).await.status, StatusCode::NOT_MODIFIED);
    let both = [since[0], ("if-none-match", "\"other\"")];
    assert_eq!(house.get_with(&link, &both).await.status, StatusCode::OK, "a tag decides where there is one");

    house.bench.clock.advance_ms(5_000);
    house.put("work", "b.ics", &event("b", "20261121T100000Z")).await;
    assert_eq!(house.get_with(&link, &since).await.status, StatusCode::OK);
    house.bench.clock.advance_ms(1_000);
    let answer = house.get_with(&link, &since).await;
    assert_eq!(answer.header("last-modified"), Some("Sat, 21 Nov 2026 08:00:06 GMT"));
}

#[tokio::test]
async fn every_coding_says_the_same() {
    let house = House::new().await;
    for n in 0..50 {
        let start = format!("20261121T{:02}0000Z", n % 24);
        house.put("work", &format!("{n}.ics"), &event(&format!("event-{n}"), &start)).await;
    }
    let link = house.feed(&FeedSettings::default()).await;
    // Each coding first asked for in another order, so that each is made from scratch and from another one.
    for round in 0..3 {
        house.put("work", "x.ics", &event("x", &format!("2026112{round}T100000Z"))).await;
        let mut codings = [("identity", None), ("gzip", Some("gzip")), ("gzip, deflate, br", Some("br"))];
        codings.rotate_left(round);
        let mut bodies = Vec::new();
        for (accepted, coding) in codings {
            let answer = house.get_with(&link, &[("accept-encoding", accepted)]).await;
            assert_eq!(answer.header("content-encoding"), coding);
            assert_eq!(answer.header("vary"), Some("accept-encoding"));
            assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
            let again = house.get_with(&link, &[("accept-encoding", accepted)]).await;
            assert_eq!(again, answer, "kept or made anew");
            bodies.push(answer.text());
        }
        assert_eq!(values(&bodies[0], "UID").len(), 51);
        assert!(bodies[1] == bodies[0] && bodies[2] == bodies[0]);
    }
}

#[tokio::test]
async fn head_tells_what_get_would_without_a_body() {
    let house = House::new().await;
    house.put("work", "a.ics", &event("a", "20261121T100000Z")).await;
    let link = house.feed(&FeedSettings::default()).await;
    let path = format!("/api/ics/{}.ics", link.secret);
    let before = house.ask(Method::HEAD, &path, &[], HOME).await;
    assert_eq!((before.status, before.body.len(), before.header("content-length")), (StatusCode::OK, 0, None));
    let get = house.get(&link).await;
    let after = house.ask(Method::HEAD, &path, &[], HOME).await;
    assert_eq!((after.body.len(), &after.headers), (0, &get.headers));
    let mut but_length = get.headers.clone();
    but_length.remove("content-length");
    assert_eq!(before.headers, but_length);
    let known = [("if-none-match", get.header("etag").expect("a tag"))];
    assert_eq!(house.ask(Method::HEAD, &path, &known, HOME).await.status, StatusCode::NOT_MODIFIED);
    let unknown = format!("/api/ics/{}", house.bench.store.chance().secret());
    assert_eq!(house.ask(Method::HEAD, &unknown, &[], HOME).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_owner_sees_who_fetched() {
    let house = House::new().await;
    let link = house.feed(&FeedSettings::default()).await;
    assert_eq!(house.state(&link.id).await.last_fetched, None);
    house.ask(Method::HEAD, &format!("/api/ics/{}", link.secret), &[("user-agent", "probe")], HOME).await;
    house.get_with(&link, &[("user-agent", "iOS/26 dataaccessd/1.0")]).await;
    for _ in 0..5 {
        house.get_with(&link, &[("user-agent", "later in the same minute")]).await;
    }
    let noted = async {
        loop {
            let feed = house.state(&link.id).await;
            if feed.last_fetched.is_some() {
                return feed;
            }
            tokio::task::yield_now().await;
        }
    };
    let feed = tokio::time::timeout(Duration::from_secs(30), noted).await.expect("the fetch is noted");
    let (at, agent) = feed.last_fetched.expect("fetched");
    assert_eq!(at, START);
    // The first fetch is noted by itself, unless the store was slower than the next ones.
    assert!((1..=6).contains(&feed.fetch_count), "{}", feed.fetch_count);
    assert!(agent == "iOS/26 dataaccessd/1.0" || feed.fetch_count > 1, "{agent}");
}

#[tokio::test]
async fn a_large_feed_is_streamed_whole() {
    let house = House::new().await;
    let picture = "QUJD".repeat(1_700_000);
    for n in 0..5 {
        let lines = format!("UID:large-{n}\nDTSTART:2026112{n}T100000Z\nATTACH;ENCODING=BASE64;VALUE=BINARY:{picture}");
        house.put_with("work", &format!("{n}.ics"), &ics(&[&lines]), &Facts::default()).await;
    }
    let link = house.feed(&FeedSettings::default()).await;
    for accepted in ["identity", "gzip", "br"] {
        let answer = house.get_with(&link, &[("accept-encoding", accepted)]).await;
        assert_eq!((answer.status, answer.header("content-length")), (StatusCode::OK, None), "{accepted}");
        let text = answer.text();
        assert!(text.ends_with("END:VCALENDAR\r\n"));
        assert_eq!(text.matches("\r\nUID:large-").count(), 5);
        assert_eq!(text.replace("\r\n ", "").matches(&picture).count(), 5);
    }
    house.bench.clock.advance_ms(DAY_MS);
    assert_eq!(house.get(&link).await.status, StatusCode::OK);
}
