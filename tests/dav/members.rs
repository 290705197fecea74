//! POST to a calendar (RFC 5995): a new object whose name the server chooses.

use kalends::xml::names;

use crate::server::{CALENDAR, HOME, NAMESPACES, Server, TASKS, event, todo};

const ICS: (&str, &str) = ("content-type", "text/calendar; charset=utf-8");

#[tokio::test]
async fn a_calendar_says_where_new_objects_are_posted() {
    let server = Server::start().await;
    let reply = server.propfind("ada", CALENDAR, "0", "<D:add-member/>").await;
    let document = reply.xml();
    let response = document.root().child(&names::RESPONSE).unwrap();
    let props = response.child(&names::PROPSTAT).unwrap().child(&names::PROP).unwrap();
    let place = props.child(&names::ADD_MEMBER).unwrap().child(&names::HREF).unwrap().text();
    server.ask("ada", "POST", &place, &[ICS], event("a", "x")).await.expect(201);
    // Not among everything, not for who may not, not where nothing is added, and not to be set.
    let all = server.ask("ada", "PROPFIND", CALENDAR, &[("depth", "0")], "").await;
    assert!(!all.body.contains("add-member"), "{}", all.body);
    for (who, path) in [("ada (read-only)", CALENDAR), ("ada", HOME), ("ada", "/dav/calendars/ada/calendar/a.ics")] {
        let reply = server.propfind(who, path, "0", "<D:add-member/>").await;
        assert!(reply.body.contains("404 Not Found"), "{who} {path}: {}", reply.body);
    }
    let set = format!(
        "<D:propertyupdate {NAMESPACES}><D:set><D:prop><D:add-member><D:href>/x</D:href></D:add-member></D:prop></D:set>\
         </D:propertyupdate>"
    );
    let reply = server.ask("ada", "PROPPATCH", CALENDAR, &[], set).await;
    assert!(reply.body.contains("cannot-modify-protected-property"), "{}", reply.body);
    let allow = server.ask("ada", "OPTIONS", CALENDAR, &[], "").await.header("allow").to_owned();
    assert!(allow.split(", ").any(|method| method == "POST"), "{allow}");
}

#[tokio::test]
async fn what_is_posted_is_there_under_a_name_of_the_servers() {
    let server = Server::start().await;
    let posted = server.ask("ada", "POST", CALENDAR, &[ICS], event("a@example.org", "x")).await;
    assert_eq!((posted.status, posted.body.as_str()), (201, ""));
    assert_eq!(posted.header("location"), format!("{CALENDAR}a@example.org.ics"));
    let got = server.ask("ada", "GET", posted.header("location"), &[], "").await;
    assert_eq!((got.body.as_str(), got.header("etag")), (event("a@example.org", "x").as_str(), posted.header("etag")));

    // A UID that makes no name, and one whose name another object has.
    let slash = server.ask("ada", "POST", CALENDAR, &[ICS], event("b/c d", "x")).await;
    slash.expect(201);
    assert_eq!(server.ask("ada", "GET", slash.header("location"), &[], "").await.body, event("b/c d", "x"));
    let path = format!("{CALENDAR}taken.ics");
    server.ask("ada", "PUT", &path, &[], event("other", "x")).await.expect(201);
    let taken = server.ask("ada", "POST", CALENDAR, &[ICS], event("taken", "x")).await;
    taken.expect(201);
    assert_ne!(taken.header("location"), path);
    assert_eq!(server.ask("ada", "GET", &path, &[], "").await.body, event("other", "x"));
    assert_eq!(server.ask("ada", "GET", taken.header("location"), &[], "").await.body, event("taken", "x"));

    // The answer of the first may have got lost: the second says where it is.
    let again = server.ask("ada", "POST", CALENDAR, &[ICS], event("a@example.org", "y")).await;
    again.expect_precondition(409, &names::NO_UID_CONFLICT);
    assert!(again.body.contains(posted.header("location")), "{}", again.body);

    let prefer = [ICS, ("prefer", "return=representation"), ("if-none-match", "*")];
    let shown = server.ask("ada", "POST", CALENDAR, &prefer, event("d", "x")).await;
    assert_eq!((shown.status, shown.body.as_str()), (201, event("d", "x").as_str()));
    let place = format!("{CALENDAR}d.ics");
    for header in ["location", "content-location"] {
        assert_eq!(shown.header(header), place);
    }
    assert_eq!(shown.header("preference-applied"), "return=representation");
    assert!(shown.header("etag").starts_with('"'));
    assert_eq!(server.propfind("ada", CALENDAR, "1", "<D:getetag/>").await.hrefs().len(), 6);
}

#[tokio::test]
async fn what_put_refuses_post_refuses() {
    let server = Server::start().await;
    let post = async |who: &str, path: &str, headers: &[(&str, &str)], body: String| {
        server.ask(who, "POST", path, headers, body).await
    };
    // What a page elsewhere could make a browser send is told apart by its type.
    let others = ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml"];
    for kind in others {
        let headers: Vec<(&str, &str)> = [("content-type", kind)].into_iter().filter(|(_, k)| !k.is_empty()).collect();
        let reply = post("ada", CALENDAR, &headers, event("a", "x")).await;
        reply.expect_precondition(403, &names::SUPPORTED_CALENDAR_DATA);
    }
    let reply = post("ada", CALENDAR, &[ICS], "junk".into()).await;
    reply.expect_precondition(403, &names::VALID_CALENDAR_DATA);
    let two = event("a", "x").replace("END:VCALENDAR\r\n", "") + event("b", "x").split_once("//EN\r\n").unwrap().1;
    let reply = post("ada", CALENDAR, &[ICS], two).await;
    reply.expect_precondition(403, &names::VALID_CALENDAR_OBJECT_RESOURCE);
    let reply = post("ada", CALENDAR, &[ICS], event("a", &"x".repeat(11 * 1024 * 1024))).await;
    reply.expect_precondition(403, &names::MAX_RESOURCE_SIZE);
    post("ada", TASKS, &[ICS], event("a", "x")).await.expect_precondition(403, &names::SUPPORTED_CALENDAR_COMPONENT);
    let reply = post("ada (read-only)", CALENDAR, &[ICS], event("a", "x")).await;
    reply.expect_precondition(403, &names::NEED_PRIVILEGES);
    post("ada", CALENDAR, &[ICS, ("if-match", "*")], event("a", "x")).await.expect(412);
    post("ada", CALENDAR, &[ICS, ("content-range", "bytes 0-1/2")], event("a", "x")).await.expect(400);
    post("ada", "/dav/calendars/ada/none/", &[ICS], event("a", "x")).await.expect(404);
    post("ada", "/dav/calendars/bob/calendar/", &[ICS], event("a", "x")).await.expect(404);
    post("ada", "/dav/calendars/eve/calendar/", &[ICS], event("a", "x")).await.expect(404);
    post("", CALENDAR, &[ICS], event("a", "x")).await.expect(401);
    for path in [HOME, "/dav/", "/dav/principals/ada/", "/dav/calendars/ada/calendar/a.ics"] {
        post("ada", path, &[ICS], event("a", "x")).await.expect(405);
    }
    assert_eq!(server.propfind("ada", CALENDAR, "1", "<D:getetag/>").await.hrefs(), [CALENDAR]);
    post("ada", TASKS, &[ICS], todo("a")).await.expect(201);
}
