//! GET, HEAD, PUT, DELETE, COPY and MOVE of calendar objects.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use kalends::xml::names;

use crate::server::{CALENDAR, HOME, Server, TASKS, event, todo};

fn at(name: &str) -> String {
    format!("{CALENDAR}{name}")
}

#[tokio::test]
async fn what_is_put_is_got_octet_for_octet() {
    let server = Server::start().await;
    let body = event("a", "caf\u{e9}").replace("\r\n", "\n") + "\n\n";
    let created = server.ask("ada", "PUT", &at("a.ics"), &[("content-type", "text/calendar")], body.clone()).await;
    insta::assert_snapshot!("put_created", created.shown());
    let got = server.ask("ada", "GET", &at("a.ics"), &[], "").await;
    got.expect(200);
    assert_eq!(got.body, body);
    assert_eq!(got.header("etag"), created.header("etag"));
    assert_eq!(got.header("content-type"), "text/calendar; charset=utf-8; component=vevent");
    let head = server.ask("ada", "HEAD", &at("a.ics"), &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), body.len().to_string());

    let known = [("if-none-match", created.header("etag"))];
    let unchanged = server.ask("ada", "GET", &at("a.ics"), &known, "").await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    assert_eq!(unchanged.header("etag"), created.header("etag"));
    let since = [("if-modified-since", got.header("last-modified"))];
    server.ask("ada", "GET", &at("a.ics"), &since, "").await.expect(304);

    server.ask("ada", "PUT", &at("a.ics"), &[], event("a", "y")).await.expect(204);
    server.ask("ada", "GET", &at("a.ics"), &known, "").await.expect(200);
    server.ask("ada", "DELETE", &at("a.ics"), &[], "").await.expect(204);
    server.ask("ada", "GET", &at("a.ics"), &[], "").await.expect(404);
    server.ask("ada", "DELETE", &at("a.ics"), &[], "").await.expect(404);
}

#[tokio::test]
async fn a_demand_on_the_state_is_kept() {
    let server = Server::start().await;
    let tag = server.put_event("a", "x").await;
    let put = |headers: Vec<(&'static str, String)>, summary: &'static str| {
        let server = &server;
        async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            server.ask("ada", "PUT", &at("a.ics"), &headers, event("a", summary)).await
        }
    };
    put(vec![("if-none-match", "*".into())], "1").await.expect(412);
    put(vec![("if-match", "\"other\"".into())], "2").await.expect(412);
    put(vec![("if-schedule-tag-match", "\"x\"".into())], "3").await.expect(412);
    put(vec![("if", "(<urn:uuid:1>)".into())], "4").await.expect(412);
    assert!(server.ask("ada", "GET", &at("a.ics"), &[], "").await.body.contains("SUMMARY:x"));

    // Through a proxy that compresses, and from clients that lose the quotes.
    let second = put(vec![("if-match", format!("W/{}-gzip\"", tag.trim_end_matches('"')))], "5").await;
    let third = put(vec![("if-match", second.header("etag").trim_matches('"').to_owned())], "6").await;
    let fourth = put(vec![("if", format!("([{}])", third.header("etag")))], "7").await;
    let fifth = put(vec![("if-match", "*".into()), ("if-schedule-tag-match", String::new())], "8").await;
    for reply in [&second, &third, &fourth, &fifth] {
        reply.expect(204);
    }
    let stale = [("if-match", tag.as_str())];
    server.ask("ada", "DELETE", &at("a.ics"), &stale, "").await.expect(412);
    let fresh = [("if-match", fifth.header("etag"))];
    server.ask("ada", "DELETE", &at("a.ics"), &fresh, "").await.expect(204);
    let gone = [("if-match", "*")];
    server.ask("ada", "PUT", &at("a.ics"), &gone, event("a", "9")).await.expect(412);
}

#[tokio::test]
async fn each_refusal_has_its_name() {
    let server = Server::start().await;
    server.put_event("a", "x").await;
    let put = |body: Vec<u8>| {
        let server = &server;
        async move { server.ask("ada", "PUT", &at("b.ics"), &[("content-type", "text/calendar")], body).await }
    };
    put(b"junk".to_vec()).await.expect_precondition(403, &names::VALID_CALENDAR_DATA);
    put(vec![]).await.expect_precondition(403, &names::VALID_CALENDAR_DATA);
    put(b"\xff\xfe".to_vec()).await.expect_precondition(403, &names::VALID_CALENDAR_DATA);
    let version = event("b", "x").replace("VERSION:2.0", "VERSION:1.0");
    put(version.into()).await.expect_precondition(403, &names::SUPPORTED_CALENDAR_DATA);
    let method = event("b", "x").replace("PRODID", "METHOD:REQUEST\r\nPRODID");
    put(method.into()).await.expect_precondition(403, &names::VALID_CALENDAR_OBJECT_RESOURCE);
    put(todo("b").into()).await.expect_precondition(403, &names::SUPPORTED_CALENDAR_COMPONENT);
    let attendees = "ATTENDEE:mailto:x@example.org\r\n".repeat(5_001);
    let crowd = event("b", "x").replace("SUMMARY", &format!("{attendees}SUMMARY"));
    put(crowd.into()).await.expect_precondition(403, &names::MAX_ATTENDEES_PER_INSTANCE);
    let large = vec![b'x'; 10 * 1024 * 1024 + 1];
    put(large).await.expect_precondition(403, &names::MAX_RESOURCE_SIZE);
    let conflict = put(event("a", "x").into()).await;
    conflict.expect_precondition(409, &names::NO_UID_CONFLICT);
    insta::assert_snapshot!("put_uid_conflict", conflict.shown());
    let other_uid = server.ask("ada", "PUT", &at("a.ics"), &[], event("c", "x")).await;
    other_uid.expect_precondition(409, &names::NO_UID_CONFLICT);

    let json = [("content-type", "application/calendar+json")];
    let reply = server.ask("ada", "PUT", &at("b.ics"), &json, event("b", "x")).await;
    reply.expect_precondition(403, &names::SUPPORTED_CALENDAR_DATA);
    let range = [("content-range", "bytes 0-1/2")];
    server.ask("ada", "PUT", &at("b.ics"), &range, event("b", "x")).await.expect(400);
    server.ask("ada", "PUT", "/dav/calendars/ada/none/b.ics", &[], event("b", "x")).await.expect(409);
    server.ask("ada", "PUT", &at("x/y.ics"), &[], event("b", "x")).await.expect(409);
    let read_only = server.ask("ada (read-only)", "PUT", &at("b.ics"), &[], event("b", "x")).await;
    read_only.expect_precondition(403, &names::NEED_PRIVILEGES);
    insta::assert_snapshot!("put_read_only", read_only.shown());
    for path in [CALENDAR, HOME, "/dav/", "/dav/principals/ada/"] {
        let reply = server.ask("ada", "PUT", path, &[], event("b", "x")).await;
        reply.expect(405);
        assert!(reply.header("allow").contains("PROPFIND"), "{}", reply.header("allow"));
    }
    let listed = server.propfind("ada", CALENDAR, "1", "<D:getetag/>").await;
    assert_eq!(listed.hrefs().len(), 2);
}

#[tokio::test]
async fn a_packed_body_is_stored_unpacked() {
    let server = Server::start().await;
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(event("a", "x").as_bytes()).unwrap();
    let headers = [("content-encoding", "gzip"), ("content-type", "text/calendar")];
    server.ask("ada", "PUT", &at("a.ics"), &headers, packer.finish().unwrap()).await.expect(201);
    assert_eq!(server.ask("ada", "GET", &at("a.ics"), &[], "").await.body, event("a", "x"));

    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 50 * 1024 * 1024]).unwrap();
    let reply = server.ask("ada", "PUT", &at("b.ics"), &headers, bomb.finish().unwrap()).await;
    reply.expect_precondition(403, &names::MAX_RESOURCE_SIZE);
    let brotli = [("content-encoding", "br")];
    server.ask("ada", "PUT", &at("b.ics"), &brotli, "x").await.expect(415);
}

#[tokio::test]
async fn a_representation_is_sent_to_who_prefers_it() {
    let server = Server::start().await;
    let prefer = [("prefer", "return=representation")];
    for status in [201, 200] {
        let reply = server.ask("ada", "PUT", &at("a.ics"), &prefer, event("a", "x")).await;
        assert_eq!((reply.status, reply.body.as_str()), (status, event("a", "x").as_str()));
        assert_eq!(reply.header("content-location"), at("a.ics"));
        assert_eq!(reply.header("preference-applied"), "return=representation");
        assert!(reply.header("etag").starts_with('"'));
    }
    // Refused: what is there, under its tag. Where nothing is, there is nothing to show.
    let tag = server.ask("ada", "GET", &at("a.ics"), &[], "").await.header("etag").to_owned();
    for condition in [("if-match", "\"stale\""), ("if-none-match", "*")] {
        let headers = [prefer[0], condition];
        let reply = server.ask("ada", "PUT", &at("a.ics"), &headers, event("a", "mine")).await;
        assert_eq!((reply.status, reply.body.as_str()), (412, event("a", "x").as_str()));
        assert_eq!((reply.header("etag"), reply.header("preference-applied")), (tag.as_str(), "return=representation"));
    }
    let absent = server.ask("ada", "PUT", &at("b.ics"), &[prefer[0], ("if-match", "*")], event("b", "x")).await;
    assert_eq!(absent.status, 412);
    assert!(!absent.body.contains("VCALENDAR"));
}

#[tokio::test]
async fn a_move_takes_the_object_along() {
    let server = Server::start().await;
    let tag = server.put_event("a", "x").await;
    let to = |path: String| vec![("destination", path)];
    let go = |method: &'static str, from: String, headers: Vec<(&'static str, String)>| {
        let server = &server;
        async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            server.ask("ada", method, &from, &headers, "").await
        }
    };
    let moved = go("MOVE", at("a.ics"), to(format!("http://cal.example{}", at("b%20c.ics")))).await;
    moved.expect(201);
    server.ask("ada", "GET", &at("a.ics"), &[], "").await.expect(404);
    assert_eq!(server.ask("ada", "GET", &at("b%20c.ics"), &[], "").await.header("etag"), tag);

    // A calendar that takes it.
    server.ask("ada", "MKCALENDAR", "/dav/calendars/ada/other/", &[], "").await.expect(201);
    let other = "/dav/calendars/ada/other/z.ics".to_owned();
    go("MOVE", at("b%20c.ics"), to(other.clone())).await.expect(201);
    let back = go("COPY", other.clone(), to(at("a.ics"))).await;
    back.expect(201);
    assert_eq!(server.ask("ada", "GET", &at("a.ics"), &[], "").await.body, event("a", "x"));

    // Overwriting, or not.
    let mut gently = to(at("a.ics"));
    gently.push(("overwrite", "F".to_owned()));
    go("COPY", other.clone(), gently.clone()).await.expect(412);
    go("MOVE", other.clone(), gently).await.expect(412);
    go("MOVE", other.clone(), to(at("a.ics"))).await.expect(204);
    server.ask("ada", "GET", &other, &[], "").await.expect(404);
    server.put_event("d", "x").await;
    go("COPY", at("a.ics"), to(at("d.ics"))).await.expect_precondition(409, &names::NO_UID_CONFLICT);

    // What cannot be.
    go("MOVE", at("a.ics"), vec![]).await.expect(400);
    go("MOVE", at("a.ics"), to("nonsense".into())).await.expect(400);
    go("MOVE", at("a.ics"), to("http://elsewhere.example/dav/x".into())).await.expect(502);
    go("MOVE", at("a.ics"), to(at("a.ics"))).await.expect(403);
    go("MOVE", at("a.ics"), to("/dav/calendars/ada/none/a.ics".into())).await.expect(409);
    go("MOVE", at("a.ics"), to("/dav/calendars/bob/calendar/a.ics".into())).await.expect(409);
    go("MOVE", at("a.ics"), to(HOME.into())).await.expect(409);
    go("MOVE", at("none.ics"), to(at("e.ics"))).await.expect(404);
    go("MOVE", at("a.ics"), to(format!("{TASKS}a.ics")))
        .await
        .expect_precondition(403, &names::SUPPORTED_CALENDAR_COMPONENT);
    let mut stale = to(at("e.ics"));
    stale.push(("if-match", "\"x\"".to_owned()));
    go("MOVE", at("a.ics"), stale).await.expect(412);
    server.ask("ada", "GET", &at("a.ics"), &[], "").await.expect(200);
}
