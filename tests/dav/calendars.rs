//! Calendars: made, exported, copied, moved, deleted.

use kalends::xml::names;

use crate::server::{CALENDAR, HOME, NAMESPACES, Server, event, todo};

const NEW: &str = "/dav/calendars/ada/new/";

fn mkcalendar(props: &str) -> String {
    format!("<C:mkcalendar {NAMESPACES}><D:set><D:prop>{props}</D:prop></D:set></C:mkcalendar>")
}

#[tokio::test]
async fn a_calendar_is_made_with_its_properties() {
    let server = Server::start().await;
    let body = mkcalendar(
        "<D:displayname>A &amp; &lt;B></D:displayname><C:calendar-description xml:lang='de'>Dä</C:calendar-description>\
         <A:calendar-color symbolic-color='red'>#FF0000FF</A:calendar-color><A:calendar-order>7</A:calendar-order>\
         <C:supported-calendar-component-set><C:comp name='VTODO'/></C:supported-calendar-component-set>\
         <C:calendar-timezone-id>Europe/Berlin</C:calendar-timezone-id>\
         <C:schedule-calendar-transp><C:transparent/></C:schedule-calendar-transp><x:dead xmlns:x='urn:x'> k </x:dead>",
    );
    let made = server.ask("ada", "MKCALENDAR", NEW, &[], body).await;
    assert_eq!((made.status, made.header("cache-control")), (201, "no-cache"));
    let props = "<D:displayname/><C:calendar-description/><A:calendar-color/><A:calendar-order/>\
        <C:supported-calendar-component-set/><C:calendar-timezone/><C:calendar-timezone-id/><C:schedule-calendar-transp/>\
        <x:dead xmlns:x='urn:x'/>";
    let reply = server.propfind("ada", NEW, "0", props).await;
    insta::assert_snapshot!("made_calendar", reply.shown());
    server.ask("ada", "PUT", &format!("{NEW}t.ics"), &[], todo("t")).await.expect(201);
    let refused = server.ask("ada", "PUT", &format!("{NEW}e.ics"), &[], event("e", "x")).await;
    refused.expect_precondition(403, &names::SUPPORTED_CALENDAR_COMPONENT);
}

#[tokio::test]
async fn an_extended_mkcol_makes_a_calendar_and_nothing_else() {
    let server = Server::start().await;
    let mkcol = |kind: &str| {
        format!(
            "<D:mkcol {NAMESPACES}><D:set><D:prop><D:resourcetype>{kind}</D:resourcetype>\
             <D:displayname>X</D:displayname></D:prop></D:set></D:mkcol>"
        )
    };
    for (body, what) in [
        (mkcol("<D:collection/>"), "a plain collection"),
        (mkcol("<D:collection/><x:addressbook xmlns:x='urn:ietf:params:xml:ns:carddav'/>"), "an address book"),
        (String::new(), "no body"),
    ] {
        let reply = server.ask("ada", "MKCOL", NEW, &[], body).await;
        assert_eq!(reply.status, 403, "{what}");
        reply.expect_precondition(403, &names::VALID_RESOURCETYPE);
    }
    server.ask("ada", "PROPFIND", NEW, &[("depth", "0")], "").await.expect(404);
    for method in ["MKCOL", "MKCALENDAR"] {
        server.ask("ada", method, NEW, &[("content-type", "xzy-foo/bar-512")], "afafafaf").await.expect(415);
    }
    let xml = [("content-type", "application/dav+xml; charset=utf-8")];
    server.ask("ada", "MKCOL", NEW, &xml, mkcol("<D:collection/><C:calendar/>")).await.expect(201);
    let again = server.ask("ada", "MKCOL", NEW, &[], mkcol("<D:collection/><C:calendar/>")).await;
    again.expect(405);
    assert!(again.header("allow").contains("DELETE"));
}

#[tokio::test]
async fn a_calendar_is_made_only_where_it_can_be() {
    let server = Server::start().await;
    let make = |path: &'static str, body: String| {
        let server = &server;
        async move { server.ask("ada", "MKCALENDAR", path, &[], body).await }
    };
    make(CALENDAR, String::new()).await.expect_precondition(403, &names::RESOURCE_MUST_BE_NULL);
    make(HOME, String::new()).await.expect_precondition(403, &names::RESOURCE_MUST_BE_NULL);
    let below = "/dav/calendars/ada/calendar/below/";
    make(below, String::new()).await.expect_precondition(403, &names::CALENDAR_COLLECTION_LOCATION_OK);
    make("/dav/calendars/bob/new/", String::new()).await.expect(409);
    make("/dav/calendars/ada/inbox/", String::new()).await.expect(403);
    let long = format!("{CALENDAR}{}.ics", "x".repeat(300));
    let reply = server.ask("ada", "PUT", &long, &[], "").await;
    reply.expect(403);
    assert!(reply.body.contains("at most 255 bytes"), "{}", reply.body);
    let component = "<C:supported-calendar-component-set><C:comp name='VALARM'/></C:supported-calendar-component-set>";
    make(NEW, mkcalendar(component)).await.expect_precondition(403, &names::SUPPORTED_CALENDAR_COMPONENT);
    let subscription = "<D:resourcetype><D:collection/><CS:subscribed/></D:resourcetype>";
    make(NEW, mkcalendar(subscription)).await.expect_precondition(403, &names::VALID_RESOURCETYPE);
    let reply = make(NEW, mkcalendar("<D:displayname>A</D:displayname><D:getetag>x</D:getetag>")).await;
    insta::assert_snapshot!("mkcalendar_refused", reply.shown());
    let read_only = server.ask("ada (read-only)", "MKCALENDAR", NEW, &[], "").await;
    read_only.expect_precondition(403, &names::NEED_PRIVILEGES);
    server.ask("ada", "PROPFIND", NEW, &[("depth", "0")], "").await.expect(404);
}

#[tokio::test]
async fn a_calendar_is_exported_as_one_file() {
    let server = Server::start().await;
    let zone = std::fs::read_to_string("fixtures/ics/apple-macos/simple.ics").unwrap();
    for name in ["a", "b"] {
        let body = zone.replace("UID:", &format!("UID:{name}"));
        server.ask("ada", "PUT", &format!("{CALENDAR}{name}.ics"), &[], body).await.expect(201);
    }
    server.put_event("c", "plain").await;
    let reply = server.ask("ada", "GET", CALENDAR, &[], "").await;
    assert_eq!(reply.header("content-disposition"), "attachment; filename=\"calendar.ics\"");
    insta::assert_snapshot!("export", reply.shown());
    let known = [("if-none-match", reply.header("etag"))];
    server.ask("ada", "GET", CALENDAR, &known, "").await.expect(304);
    let head = server.ask("ada", "HEAD", CALENDAR, &[], "").await;
    assert_eq!((head.status, head.body.as_str(), head.header("etag")), (200, "", reply.header("etag")));
    server.put_event("c", "changed").await;
    server.ask("ada", "GET", CALENDAR, &known, "").await.expect(200);
    for place in ["/dav/", HOME, "/dav/principals/ada/"] {
        server.ask("ada", "GET", place, &[], "").await.expect(200);
    }
}

#[tokio::test]
async fn a_calendar_is_moved_copied_and_deleted() {
    let server = Server::start().await;
    let tag = server.put_event("a", "x").await;
    let dead =
        format!("<D:propertyupdate {NAMESPACES}><D:set><D:prop><D:x>1</D:x></D:prop></D:set></D:propertyupdate>");
    server.ask("ada", "PROPPATCH", CALENDAR, &[], dead).await.expect(207);
    server.ask("ada", "MOVE", CALENDAR, &[("destination", NEW)], "").await.expect(201);
    server.ask("ada", "GET", CALENDAR, &[], "").await.expect(404);
    assert_eq!(server.ask("ada", "GET", &format!("{NEW}a.ics"), &[], "").await.header("etag"), tag);

    server.ask("ada", "COPY", NEW, &[("destination", CALENDAR)], "").await.expect(201);
    for calendar in [CALENDAR, NEW] {
        let reply = server.propfind("ada", calendar, "1", "<D:x/><D:getetag/>").await;
        assert!(reply.body.contains(">1</D:x>"), "{}", reply.body);
        assert_eq!(reply.hrefs().len(), 2);
    }
    let gently = [("destination", CALENDAR), ("overwrite", "F")];
    server.ask("ada", "COPY", NEW, &gently, "").await.expect(412);
    server.ask("ada", "MOVE", NEW, &[("destination", CALENDAR)], "").await.expect(204);
    let shallow = [("destination", NEW), ("depth", "0")];
    server.ask("ada", "COPY", CALENDAR, &shallow, "").await.expect(201);
    assert_eq!(server.propfind("ada", NEW, "1", "<D:getetag/>").await.hrefs(), [NEW]);
    server.ask("ada", "MOVE", CALENDAR, &[("destination", NEW), ("depth", "0")], "").await.expect(400);
    let below = [("destination", "/dav/calendars/ada/tasks/below")];
    let reply = server.ask("ada", "MOVE", CALENDAR, &below, "").await;
    reply.expect_precondition(403, &names::CALENDAR_COLLECTION_LOCATION_OK);
    server.ask("ada", "MOVE", CALENDAR, &[("destination", "/dav/calendars/bob/x/")], "").await.expect(409);

    server.ask("ada", "DELETE", NEW, &[("if-match", "\"x\"")], "").await.expect(412);
    let read_only = server.ask("ada (read-only)", "DELETE", NEW, &[], "").await;
    read_only.expect_precondition(403, &names::NEED_PRIVILEGES);
    server.ask("ada", "DELETE", NEW, &[], "").await.expect(204);
    server.ask("ada", "DELETE", NEW, &[], "").await.expect(404);
    for path in [HOME, "/dav/principals/ada/", "/dav/"] {
        server.ask("ada", "DELETE", path, &[], "").await.expect(405);
    }
}
