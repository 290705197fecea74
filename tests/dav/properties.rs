//! PROPPATCH: kept, refused, and never in between.

use crate::server::{CALENDAR, HOME, NAMESPACES, Server};

fn update(steps: &str) -> String {
    format!("<D:propertyupdate {NAMESPACES}>{steps}</D:propertyupdate>")
}

fn set(props: &str) -> String {
    update(&format!("<D:set><D:prop>{props}</D:prop></D:set>"))
}

#[tokio::test]
async fn dead_properties_are_kept_to_the_octet() {
    let server = Server::start().await;
    let dead = "<x:dead xmlns:x='urn:x?a&amp;b' y='1'> <!-- c --> a&#13;\n<![CDATA[<b>]]> <x:in/>\t</x:dead>";
    for path in [CALENDAR, HOME, "/dav/principals/ada/"] {
        server.ask("ada", "PROPPATCH", path, &[], set(dead)).await.expect(207);
        let reply = server.propfind("ada", path, "0", "<x:dead xmlns:x='urn:x?a&amp;b'/>").await;
        let inner = dead.split_once('>').unwrap().1;
        assert!(reply.body.contains(inner), "{}", reply.body);
        let all = server.ask("ada", "PROPFIND", path, &[("depth", "0")], "").await;
        assert!(all.body.contains(inner), "{}", all.body);
        let names = format!("<D:propfind {NAMESPACES}><D:propname/></D:propfind>");
        let names = server.ask("ada", "PROPFIND", path, &[("depth", "0")], names).await;
        assert!(names.body.contains("<dead xmlns=\"urn:x?a&amp;b\"/>"), "{}", names.body);
        let remove = update("<D:remove><D:prop><x:dead xmlns:x='urn:x?a&amp;b'/></D:prop></D:remove>");
        server.ask("ada", "PROPPATCH", path, &[], remove).await.expect(207);
        let reply = server.propfind("ada", path, "0", "<x:dead xmlns:x='urn:x?a&amp;b'/>").await;
        assert!(reply.body.contains("404"), "{}", reply.body);
    }
}

#[tokio::test]
async fn one_refusal_leaves_everything_as_it_was() {
    let server = Server::start().await;
    let body = set("<D:displayname>New</D:displayname><D:resourcetype><D:collection/></D:resourcetype><D:x>1</D:x>\
        <C:calendar-timezone>junk</C:calendar-timezone><A:calendar-order>many</A:calendar-order>");
    let reply = server.ask("ada", "PROPPATCH", CALENDAR, &[], body).await;
    insta::assert_snapshot!("proppatch_refused", reply.shown());
    let after = server.propfind("ada", CALENDAR, "0", "<D:displayname/><D:resourcetype/><D:x/>").await;
    insta::assert_snapshot!("proppatch_refused_after", after.shown());
}

#[tokio::test]
async fn of_an_object_nothing_can_be_set() {
    let server = Server::start().await;
    server.put_event("a", "Lunch").await;
    let path = format!("{CALENDAR}a.ics");
    let reply = server.ask("ada", "PROPPATCH", &path, &[], set("<D:displayname>x</D:displayname><D:x>1</D:x>")).await;
    reply.expect(207);
    for told in ["<D:displayname/>", "<D:x/>", "403"] {
        assert!(reply.body.contains(told), "{told}: {}", reply.body);
    }
    assert_eq!(reply.body.matches("cannot-modify-protected-property").count(), 2, "{}", reply.body);
    let absent = format!("{CALENDAR}nowhere.ics");
    server.ask("ada", "PROPPATCH", &absent, &[], set("<D:x>1</D:x>")).await.expect(404);
}

#[tokio::test]
async fn a_reader_keeps_a_view_of_their_own() {
    let server = Server::start().await;
    let reader = "ada (read-only)";
    let body = set("<A:calendar-color>#00FF00FF</A:calendar-color><D:displayname>Mine</D:displayname>");
    let reply = server.ask(reader, "PROPPATCH", CALENDAR, &[], body).await;
    reply.expect(207);
    assert!(!reply.body.contains("403"), "{}", reply.body);
    let shown = server.propfind(reader, CALENDAR, "0", "<D:displayname/><A:calendar-color/>").await.body;
    assert!(shown.contains("Mine") && shown.contains("#00FF00FF"), "{shown}");
    let owner = server.propfind("ada", CALENDAR, "0", "<D:displayname/><A:calendar-color/>").await.body;
    assert!(owner.contains("Calendar") && !owner.contains("#00FF00FF"), "{owner}");
    // What the owner sets is what all see.
    let body = set("<A:calendar-color>#0000FFFF</A:calendar-color>");
    server.ask("ada", "PROPPATCH", CALENDAR, &[], body).await.expect(207);
    let shown = server.propfind(reader, CALENDAR, "0", "<A:calendar-color/>").await.body;
    assert!(shown.contains("#0000FFFF"), "{shown}");
}

#[tokio::test]
async fn an_attribute_stays_until_the_value_changes() {
    let server = Server::start().await;
    let orange = "<A:calendar-color symbolic-color='orange'>#FD8208FF</A:calendar-color>";
    server.ask("ada", "PROPPATCH", CALENDAR, &[], set(orange)).await.expect(207);
    let shown = server.propfind("ada", CALENDAR, "0", "<A:calendar-color/>").await.body;
    assert!(shown.contains("symbolic-color='orange'"), "{shown}");
    let blue = "<A:calendar-color>#0000FFFF</A:calendar-color>";
    server.ask("ada", "PROPPATCH", CALENDAR, &[], set(blue)).await.expect(207);
    let shown = server.propfind("ada", CALENDAR, "0", "<A:calendar-color/>").await.body;
    assert!(!shown.contains("orange") && shown.contains("#0000FFFF"), "{shown}");
}

#[tokio::test]
async fn keeping_has_its_limits() {
    let server = Server::start().await;
    let long = set(&format!("<D:x>{}</D:x>", "y".repeat(100_001)));
    assert!(server.ask("ada", "PROPPATCH", HOME, &[], long).await.body.contains("507"));
    for n in 0..4 {
        let props: String = (0..50).map(|m| format!("<D:x{n}-{m}/>")).collect();
        assert!(!server.ask("ada", "PROPPATCH", HOME, &[], set(&props)).await.body.contains("507"));
    }
    let reply = server.ask("ada", "PROPPATCH", HOME, &[], set("<D:one-more/><D:x0-0>new</D:x0-0>")).await;
    assert!(reply.body.contains("507") && reply.body.contains("424"), "{}", reply.body);
    let shown = server.propfind("ada", HOME, "0", "<D:x0-0/>").await.body;
    assert!(!shown.contains("new"), "{shown}");
}

#[tokio::test]
async fn a_change_of_settings_is_a_change_of_the_calendar() {
    let server = Server::start().await;
    let ctag = || async { server.propfind("ada", CALENDAR, "0", "<CS:getctag/>").await.body };
    let before = ctag().await;
    server.ask("ada", "PROPPATCH", CALENDAR, &[], set("<D:displayname>N</D:displayname>")).await.expect(207);
    assert_ne!(ctag().await, before);
}
