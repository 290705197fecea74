//! Fourteen ways in which other servers lost their clients, each by its name.

use crate::server::{CALENDAR, HOME, NAMESPACES, Server, TASKS, event, todo};
use kalends::xml::names;

fn zoned(uid: &str, offset: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nTZID:Shared/Zone\r\nBEGIN:STANDARD\r\n\
         DTSTART:19700101T000000\r\nTZOFFSETFROM:{offset}\r\nTZOFFSETTO:{offset}\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n\
         BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Shared/Zone:20260601T120000\r\n\
         DURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=2\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn lines(uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n{lines}\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn query(data: &str, from: &str, to: &str) -> String {
    format!(
        "<C:calendar-query {NAMESPACES}><D:prop><D:getetag/>{data}</D:prop><C:filter><C:comp-filter name='VCALENDAR'>\
         <C:comp-filter name='VEVENT'><C:time-range start='{from}' end='{to}'/></C:comp-filter></C:comp-filter>\
         </C:filter></C:calendar-query>"
    )
}

fn expand(from: &str, to: &str) -> String {
    query(&format!("<C:calendar-data><C:expand start='{from}' end='{to}'/></C:calendar-data>"), from, to)
}

fn sync(token: &str, limit: &str) -> String {
    format!(
        "<D:sync-collection {NAMESPACES}><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>{limit}\
         <D:prop><D:getetag/></D:prop></D:sync-collection>"
    )
}

async fn report(server: &Server, who: &str, path: &str, body: String) -> crate::server::Reply {
    server.ask(who, "REPORT", path, &[("depth", "1")], body).await
}

async fn put(server: &Server, path: &str, body: String) -> u16 {
    server.ask("ada", "PUT", path, &[], body).await.status
}

#[tokio::test]
async fn trap_01_one_realm_on_every_refusal() {
    let server = Server::start().await;
    // Also after a good request, and with credentials that are none.
    server.ask("ada", "PROPFIND", HOME, &[("depth", "0")], "").await.expect(207);
    for headers in
        [&[][..], &[("authorization", "Basic x")], &[("authorization", "Bearer x")], &[("authorization", "")]]
    {
        for path in ["/dav/", HOME, CALENDAR, "/dav/principals/ada/", "/dav/nowhere/"] {
            let reply = server.ask("", "PROPFIND", path, headers, "").await;
            reply.expect(401);
            assert_eq!(reply.header("www-authenticate"), "Basic realm=\"Kalends\", charset=\"UTF-8\"");
        }
    }
}

#[tokio::test]
async fn trap_02_a_calendar_stays_a_calendar() {
    let server = Server::start().await;
    let body = format!(
        "<D:propertyupdate {NAMESPACES}><D:set><D:prop><D:displayname>Taken</D:displayname><D:resourcetype><D:collection/>\
         </D:resourcetype></D:prop></D:set></D:propertyupdate>"
    );
    let reply = server.ask("ada", "PROPPATCH", CALENDAR, &[], body).await;
    reply.expect(207);
    assert!(reply.body.contains("403 Forbidden") && reply.body.contains("424 Failed Dependency"), "{}", reply.body);
    let now = server.propfind("ada", CALENDAR, "0", "<D:resourcetype/><D:displayname/>").await;
    assert!(now.body.contains("calendar") && !now.body.contains("Taken"), "{}", now.body);
}

#[tokio::test]
async fn trap_03_a_zone_belongs_to_its_object() {
    let server = Server::start().await;
    for (uid, offset) in [("east", "+0300"), ("west", "-0500"), ("east2", "+0300")] {
        assert_eq!(put(&server, &format!("{CALENDAR}{uid}.ics"), zoned(uid, offset)).await, 201);
    }
    let reply = report(&server, "ada", CALENDAR, expand("20260601T000000Z", "20260602T000000Z")).await;
    assert_eq!(reply.body.matches("DTSTART:20260601T090000Z").count(), 2, "{}", reply.body);
    assert_eq!(reply.body.matches("DTSTART:20260601T170000Z").count(), 1, "{}", reply.body);
}

#[tokio::test]
async fn trap_04_a_day_without_an_end_lasts_a_day() {
    let server = Server::start().await;
    let day = lines("day", "DTSTART;VALUE=DATE:20260601\r\nRRULE:FREQ=YEARLY");
    assert_eq!(put(&server, &format!("{CALENDAR}day.ics"), day).await, 201);
    let late = query("", "20280601T220000Z", "20280601T230000Z");
    assert_eq!(report(&server, "ada", CALENDAR, late).await.hrefs().len(), 1);
    let reply = report(&server, "ada", CALENDAR, expand("20280601T220000Z", "20280601T230000Z")).await;
    assert!(reply.body.contains("DTSTART;VALUE=DATE:20280601"), "{}", reply.body);
    let after = query("", "20280602T000000Z", "20280603T000000Z");
    assert!(report(&server, "ada", CALENDAR, after).await.hrefs().is_empty());
}

#[tokio::test]
async fn trap_05_a_sync_is_whole_and_says_when_it_is_not() {
    let server = Server::start().await;
    server.fill(5).await;
    server.put_event("gone", "x").await;
    server.ask("ada", "DELETE", &format!("{CALENDAR}gone.ics"), &[], "").await.expect(204);
    let first = report(&server, "ada", CALENDAR, sync("", "")).await;
    assert!(!first.body.contains("gone.ics") && !first.body.contains("404"), "{}", first.body);
    assert_eq!(first.hrefs().len(), 5);
    report(&server, "ada", CALENDAR, sync("data:,never", "")).await.expect_precondition(403, &names::VALID_SYNC_TOKEN);
    let (mut token, mut seen) = (String::new(), 0);
    loop {
        let limit = "<D:limit><D:nresults>2</D:nresults></D:limit>";
        let page = report(&server, "ada", CALENDAR, sync(&token, limit)).await;
        let cut = page.body.contains("507 Insufficient Storage");
        let hrefs = page.hrefs();
        seen += hrefs.iter().filter(|href| href.ends_with(".ics") && !href.ends_with("gone.ics")).count();
        token = page.xml().root().child(&names::SYNC_TOKEN).expect("a token").text();
        if !cut {
            break;
        }
    }
    assert_eq!(seen, 5, "what one page left out comes with the next");
}

#[tokio::test]
async fn trap_06_a_tag_means_these_octets() {
    let server = Server::start().await;
    let odd = event("odd", "x").replace("SUMMARY:x", "SUMMARY;X-A=b;x-a=c:a\r\n b\r\nx-lower:\u{e4}");
    let reply = server.ask("ada", "PUT", &format!("{CALENDAR}odd.ics"), &[], odd.clone()).await;
    reply.expect(201);
    let got = server.ask("ada", "GET", &format!("{CALENDAR}odd.ics"), &[], "").await;
    assert_eq!((got.body.as_str(), got.header("etag")), (odd.as_str(), reply.header("etag")));
}

#[tokio::test]
async fn trap_07_apples_new_calendar_keeps_its_properties() {
    let server = Server::start().await;
    let body = format!(
        "<C:mkcalendar {NAMESPACES} xmlns:I='http://apple.com/ns/ical/'><D:set><D:prop><I:calendar-color symbolic-color=\"custom\">\
         #882F00FF</I:calendar-color><I:calendar-order>7</I:calendar-order><D:displayname>A &lt;b&gt; &amp;amp; c</D:displayname>\
         <C:supported-calendar-component-set><C:comp name='VEVENT'/></C:supported-calendar-component-set></D:prop></D:set>\
         </C:mkcalendar>"
    );
    let path = format!("{HOME}3F2504E0-4F89-11D3-9A0C-0305E82C3301/");
    server.ask("ada", "MKCALENDAR", &path, &[], body).await.expect(201);
    let props = "<D:displayname/><I:calendar-color xmlns:I='http://apple.com/ns/ical/'/>\
                 <I:calendar-order xmlns:I='http://apple.com/ns/ical/'/>";
    let got = server.propfind("ada", &path, "0", props).await;
    for kept in ["A &lt;b&gt; &amp;amp; c", "#882F00FF", "symbolic-color=\"custom\"", ">7<"] {
        assert!(got.body.contains(kept), "{kept}: {}", got.body);
    }
}

#[tokio::test]
async fn trap_08_what_is_missing_is_said_and_a_new_name_is_new() {
    let server = Server::start().await;
    server.put_event("a", "x").await;
    let hrefs = format!("<D:href>{CALENDAR}a.ics</D:href><D:href>{CALENDAR}none.ics</D:href>");
    let body = format!("<C:calendar-multiget {NAMESPACES}><D:prop><D:getetag/></D:prop>{hrefs}</C:calendar-multiget>");
    let reply = report(&server, "ada", CALENDAR, body).await;
    assert_eq!(reply.hrefs().len(), 2);
    assert!(reply.body.contains("404 Not Found"), "{}", reply.body);
    let to = format!("{CALENDAR}b.ics");
    server.ask("ada", "MOVE", &format!("{CALENDAR}a.ics"), &[("destination", &to)], "").await.expect(201);
}

#[tokio::test]
async fn trap_09_what_is_unchanged_is_not_sent_again() {
    let server = Server::start().await;
    let tag = server.put_event("a", "x").await;
    let path = format!("{CALENDAR}a.ics");
    for tags in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let reply = server.ask("ada", "GET", &path, &[("if-none-match", &tags)], "").await;
        reply.expect(304);
        assert!(reply.body.is_empty());
    }
}

#[tokio::test]
async fn trap_10_a_uid_lives_once_and_a_list_takes_its_kind() {
    let server = Server::start().await;
    server.put_event("a", "x").await;
    let again = server.ask("ada", "PUT", &format!("{CALENDAR}b.ics"), &[], event("a", "x")).await;
    assert!(matches!(again.status, 403 | 409), "{}", again.status);
    assert!(again.body.contains("no-uid-conflict") && again.body.contains("/a.ics"), "{}", again.body);
    let refused = server.ask("ada", "PUT", &format!("{CALENDAR}t.ics"), &[], todo("t")).await;
    refused.expect_precondition(403, &names::SUPPORTED_CALENDAR_COMPONENT);
    assert_eq!(put(&server, &format!("{TASKS}t.ics"), todo("t")).await, 201);
}

#[tokio::test]
async fn trap_11_expanding_knows_overrides_and_exceptions() {
    let server = Server::start().await;
    let series = lines(
        "s",
        "DTSTART;TZID=Europe/Berlin:20260601T100000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=4\r\n\
         EXDATE;TZID=Europe/Berlin:20260603T100000\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:s\r\nDTSTAMP:20260101T000000Z\r\n\
         RECURRENCE-ID;TZID=Europe/Berlin:20260602T100000\r\nDTSTART;TZID=Europe/Berlin:20260602T150000\r\nDURATION:PT2H",
    );
    assert_eq!(put(&server, &format!("{CALENDAR}s.ics"), series).await, 201);
    let reply = report(&server, "ada", CALENDAR, expand("20260602T000000Z", "20260604T000000Z")).await;
    assert_eq!(reply.body.matches("BEGIN:VEVENT").count(), 1, "{}", reply.body);
    assert!(reply.body.contains("DTSTART:20260602T130000Z") && !reply.body.contains("RRULE"), "{}", reply.body);
    let excluded = query("", "20260603T000000Z", "20260604T000000Z");
    assert!(report(&server, "ada", CALENDAR, excluded).await.hrefs().is_empty());
}

#[tokio::test]
async fn trap_12_nothing_replaces_the_home() {
    let server = Server::start().await;
    server.put_event("a", "x").await;
    for method in ["PUT", "MKCALENDAR", "MKCOL", "DELETE"] {
        let reply =
            server.ask("ada", method, HOME, &[], if method == "PUT" { event("h", "x") } else { String::new() }).await;
        assert!((400..500).contains(&reply.status), "{method}: {}", reply.status);
    }
    for method in ["MOVE", "COPY"] {
        let reply = server.ask("ada", method, CALENDAR, &[("destination", HOME), ("overwrite", "T")], "").await;
        assert!((400..500).contains(&reply.status), "{method}: {}", reply.status);
        let reply = server.ask("ada", method, HOME, &[("destination", &format!("{HOME}other/"))], "").await;
        assert!((400..500).contains(&reply.status), "{method}: {}", reply.status);
    }
    assert_eq!(server.ask("ada", "GET", &format!("{CALENDAR}a.ics"), &[], "").await.status, 200);
}

#[tokio::test]
async fn trap_13_everybody_has_an_address_to_be_invited_at() {
    let server = Server::start().await;
    let reply = server.propfind("ada", "/dav/principals/ada/", "0", "<C:calendar-user-address-set/>").await;
    assert!(reply.body.contains("mailto:ada@example.org"), "{}", reply.body);
}

#[tokio::test]
async fn trap_14_every_answer_says_what_this_server_can() {
    let server = Server::start().await;
    for (method, path) in
        [("OPTIONS", HOME), ("PROPFIND", HOME), ("PROPFIND", CALENDAR), ("PROPFIND", "/dav/principals/ada/")]
    {
        let reply = server.ask("ada", method, path, &[("depth", "0")], "").await;
        let classes: Vec<&str> = reply.header("dav").split(',').map(str::trim).collect();
        assert!(classes.contains(&"1") && classes.contains(&"calendar-access"), "{method} {path}: {classes:?}");
        assert!(!classes.contains(&"2"), "there are no locks");
    }
}
