//! PROPFIND: what is told of each kind of resource.

use kalends::xml::names;

use crate::server::{CALENDAR, HOME, NAMESPACES, Server, TASKS};

#[tokio::test]
async fn everything_a_client_asks_of_a_principal() {
    let server = Server::start().await;
    let props = "<D:current-user-principal/><D:principal-URL/><D:resourcetype/><D:displayname/><C:calendar-home-set/>\
        <C:calendar-user-address-set/><CS:email-address-set/><D:principal-collection-set/><D:resource-id/>\
        <D:supported-report-set/><C:calendar-user-type/><CS:calendar-proxy-read-for/><CS:calendar-proxy-write-for/>\
        <D:group-membership/><D:alternate-URI-set/><C:schedule-inbox-URL/><CS:dropbox-home-URL/>";
    let reply = server.propfind("ada", "/dav/principals/ada/", "0", props).await;
    insta::assert_snapshot!("principal", reply.shown());
}

#[tokio::test]
async fn everything_a_client_asks_of_a_calendar() {
    let server = Server::start().await;
    server.put_event("a", "x").await;
    let props = "<D:resourcetype/><D:displayname/><D:owner/><D:current-user-principal/><D:current-user-privilege-set/>\
        <D:supported-report-set/><C:supported-calendar-component-set/><C:supported-calendar-data/>\
        <C:supported-collation-set/><C:max-resource-size/><C:min-date-time/><C:max-date-time/>\
        <C:max-attendees-per-instance/><CS:getctag/><D:sync-token/><D:creationdate/><D:getlastmodified/>\
        <C:schedule-calendar-transp/><D:quota-used-bytes/><D:resource-id/><D:acl/><D:supported-privilege-set/>\
        <A:calendar-color/><A:calendar-order/><C:calendar-timezone/><C:calendar-timezone-id/><C:calendar-description/>\
        <D:getcontenttype/><D:add-member/>";
    let reply = server.propfind("ada", CALENDAR, "0", props).await;
    insta::assert_snapshot!("calendar", reply.shown());
    let read_only = server.propfind("ada (read-only)", CALENDAR, "0", "<D:current-user-privilege-set/>").await;
    insta::assert_snapshot!("calendar_read_only", read_only.shown());
}

#[tokio::test]
async fn a_home_lists_its_calendars() {
    let server = Server::start().await;
    let props = "<D:resourcetype/><D:displayname/><C:supported-calendar-component-set/>\
        <C:supported-calendar-component-sets/><CS:getctag/>";
    let reply = server.propfind("ada", HOME, "1", props).await;
    insta::assert_snapshot!("home", reply.shown());
    assert_eq!(reply.hrefs(), [HOME, CALENDAR, TASKS]);
}

#[tokio::test]
async fn a_calendar_lists_its_objects() {
    let server = Server::start().await;
    server.put_event("a", "x").await;
    server.put_event("b c@d", "x").await;
    let from_index = server.propfind("ada", CALENDAR, "1", "<D:getetag/><D:getcontenttype/><D:resourcetype/>").await;
    insta::assert_snapshot!("objects_from_index", from_index.shown());
    let all = server.ask("ada", "PROPFIND", CALENDAR, &[("depth", "1")], "").await;
    insta::assert_snapshot!("objects_allprop", all.shown());
    let body = format!("<D:propfind {NAMESPACES}><D:propname/></D:propfind>");
    let object = server.ask("ada", "PROPFIND", &format!("{CALENDAR}a.ics"), &[("depth", "0")], body).await;
    insta::assert_snapshot!("object_propname", object.shown());
}

#[tokio::test]
async fn a_long_listing_comes_in_order_and_whole() {
    let server = Server::start().await;
    server.fill(4_203).await;
    for props in ["<D:getetag/>", "<D:getcontentlength/>"] {
        let hrefs = server.propfind("ada", CALENDAR, "1", props).await.hrefs();
        assert_eq!(hrefs.len(), 4_204);
        assert_eq!(hrefs[0], CALENDAR);
        assert!(hrefs[1..].iter().enumerate().all(|(n, href)| *href == format!("{CALENDAR}uid-{n}.ics")));
    }
    let export = server.ask("ada", "GET", CALENDAR, &[], "").await.body;
    assert_eq!(export.matches("BEGIN:VEVENT").count(), 4_203);
    assert!(export.starts_with("BEGIN:VCALENDAR\r\n") && export.ends_with("END:VEVENT\r\nEND:VCALENDAR\r\n"));
}

#[tokio::test]
async fn who_prefers_less_is_told_less() {
    let server = Server::start().await;
    let body = format!(
        "<D:propfind {NAMESPACES}><D:prop><D:displayname/><x:no xmlns:x='urn:x'/><A:calendar-color/></D:prop></D:propfind>"
    );
    for headers in [[("prefer", "return=minimal"), ("depth", "0")], [("brief", "t"), ("depth", "0")]] {
        let reply = server.ask("ada", "PROPFIND", CALENDAR, &headers, body.clone()).await;
        assert!(!reply.body.contains("404") && reply.body.contains("displayname"), "{}", reply.body);
        assert_eq!(reply.header("preference-applied"), "return=minimal");
        assert!(reply.header("vary").contains("Prefer"));
    }
    // A response has a propstat all the same.
    let nothing = format!("<D:propfind {NAMESPACES}><D:prop><D:no/></D:prop></D:propfind>");
    let reply = server.ask("ada", "PROPFIND", CALENDAR, &[("brief", "t"), ("depth", "0")], nothing).await;
    insta::assert_snapshot!("minimal_nothing_found", reply.shown());
    let noroot = [("prefer", "depth-noroot"), ("depth", "1")];
    let reply = server.ask("ada", "PROPFIND", HOME, &noroot, body).await;
    assert_eq!(reply.hrefs(), [CALENDAR, TASKS]);
}

#[tokio::test]
async fn an_infinite_depth_is_refused_on_collections_alone() {
    let server = Server::start().await;
    server.put_event("a", "x").await;
    for headers in [vec![("depth", "infinity")], vec![]] {
        for path in ["/dav/", HOME, CALENDAR, "/dav/principals/ada/", "/"] {
            let reply = server.ask("ada", "PROPFIND", path, &headers, "").await;
            reply.expect_precondition(403, &names::PROPFIND_FINITE_DEPTH);
        }
        server.ask("ada", "PROPFIND", &format!("{CALENDAR}a.ics"), &headers, "").await.expect(207);
    }
    server.ask("ada", "PROPFIND", CALENDAR, &[("depth", "2")], "").await.expect(400);
}

#[tokio::test]
async fn the_way_from_the_root_down() {
    let server = Server::start().await;
    let hrefs = |path: &'static str| {
        let server = &server;
        async move { server.propfind("ada", path, "1", "<D:resourcetype/>").await.hrefs() }
    };
    assert_eq!(hrefs("/dav/").await, ["/dav/", "/dav/principals/", "/dav/calendars/"]);
    assert_eq!(hrefs("/dav/principals").await, ["/dav/principals/", "/dav/principals/ada/"]);
    assert_eq!(hrefs("/dav/calendars").await, ["/dav/calendars/", HOME]);
    assert_eq!(hrefs("/principals/users/whoever/").await, ["/principals/users/whoever/"]);
}

#[tokio::test]
async fn what_changes_while_a_list_is_read_is_in_it_once() {
    let server = Server::start().await;
    server.fill(1_200).await;
    let body = format!("<D:propfind {NAMESPACES}><D:prop><D:getetag/></D:prop></D:propfind>");
    let propfind = axum::http::Request::builder().method("PROPFIND").uri(CALENDAR).header("depth", "1");
    let change = async {
        server.put_event("uid-3", "was listed before it changed").await;
        server.put_event("uid-1150", "is listed after it changed").await;
    };
    let list = server.ask_slowly(propfind, body, change).await;
    let export = axum::http::Request::builder().method("GET").uri(CALENDAR);
    let change = async {
        server.put_event("uid-5", "was written before it changed").await;
        server.put_event("uid-1100", "is written after it changed").await;
    };
    let file = server.ask_slowly(export, String::new(), change).await;
    for n in 0..1_200 {
        assert_eq!(list.matches(&format!("/uid-{n}.ics<")).count(), 1, "uid-{n} in the list");
        assert_eq!(file.matches(&format!("UID:uid-{n}\r\n")).count(), 1, "uid-{n} in the file");
    }
}
