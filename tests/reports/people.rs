//! The reports on people.

use kalends::domain::access::Role;

use crate::asking::{CALENDAR, HOME, TASKS, ada, fixture, responses, shown};
use crate::support;
use crate::talk::{Reply, Talk};

#[tokio::test]
async fn people_are_found_by_colleagues_and_by_nobody_else() {
    let bench = support::sqlite().await;
    let ada = ada(&bench).await;
    let client = Talk::of(&bench, &bench.user("acme", "carl", Role::Client).await).await;
    let stranger = Talk::of(&bench, &bench.user("other", "sam", Role::Manager).await).await;
    let search = |test: &str, text: &str| {
        format!(
            "<D:principal-property-search xmlns:D='DAV:' xmlns:CS='http://calendarserver.org/ns/' test='{test}'>\
             <D:property-search><D:prop><D:displayname/></D:prop><D:match>{text}</D:match></D:property-search>\
             <D:property-search><D:prop><CS:email-address-set/></D:prop><D:match>{text}</D:match></D:property-search>\
             <D:prop><D:displayname/><D:principal-URL/></D:prop></D:principal-property-search>"
        )
    };
    let ask =
        async |talk: &Talk, text: &str| found_people(&talk.report("/dav/principals/", &search("allof", text)).await);
    assert_eq!(ask(&ada, "A").await, ["ada", "carl"]);
    assert_eq!(ask(&ada, "CARL@").await, [""; 0], "both hold of a person");
    assert_eq!(ask(&client, "a").await, ["carl"]);
    assert_eq!(ask(&stranger, "a").await, ["sam"]);
    let any = found_people(&ada.report("/dav/principals/", &search("anyof", "carl@example.org")).await);
    assert_eq!(any, ["carl"]);
    let limited = search("anyof", "a")
        .replace("<D:prop><D:displayname/><D:principal-URL/>", "<D:limit><D:nresults>1</D:nresults></D:limit>$0");
    let limited = limited.replace("$0", "<D:prop><D:displayname/>");
    let reply = ada.report("/dav/principals/", &limited).await;
    assert!(reply.body.contains("507 Insufficient Storage"), "{}", reply.body);
    let everything = "<D:prop><D:displayname/><D:resourcetype/><D:principal-URL/><D:current-user-principal/>\
        <C:calendar-user-address-set xmlns:C='urn:ietf:params:xml:ns:caldav'/><C:calendar-home-set xmlns:C='urn:ietf:params:xml:ns:caldav'/>\
        <CS:email-address-set/><D:owner/></D:prop>";
    let of_carl = search("anyof", "carl").replace("<D:prop><D:displayname/><D:principal-URL/></D:prop>", everything);
    insta::assert_snapshot!("somebody_else", shown(&ada.report("/dav/principals/", &of_carl).await));
    insta::assert_snapshot!("oneself", shown(&client.report("/dav/principals/", &of_carl).await));
}

#[tokio::test]
async fn names_beside_an_empty_prop_are_asked_for() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    let search = "<D:principal-property-search xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'>\
        <D:property-search><D:prop><D:displayname/></D:prop><D:match>ada</D:match></D:property-search>\
        <D:prop/><C:calendar-home-set/><D:displayname/></D:principal-property-search>";
    let reply = talk.report("/dav/principals/", search).await;
    assert_eq!(found_people(&reply), ["ada"]);
    assert!(reply.body.contains(">ada<") && reply.body.contains("/dav/calendars/ada/"), "{}", reply.body);
    assert!(!reply.body.contains("property-search"), "what the search is made of is no property: {}", reply.body);
}

fn found_people(reply: &Reply) -> Vec<String> {
    responses(reply)
        .into_keys()
        .filter_map(|href| href.trim_end_matches('/').rsplit('/').next().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn principals_answer_what_apples_programs_ask() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    let principal = "/dav/principals/ada/";
    let set = "<D:principal-search-property-set xmlns:D='DAV:'/>";
    insta::assert_snapshot!("search_property_set", shown(&talk.report("/dav/principals/", set).await));
    let proxies = fixture("xml/apple-macos/16-expand-proxies.http");
    let (_, proxies) = proxies.split_once("\n\n").expect("a head and a body");
    insta::assert_snapshot!("expand_proxies", shown(&talk.report(principal, proxies).await));
    let expand = "<D:expand-property xmlns:D='DAV:'><D:property name='displayname'/>\
        <D:property name='calendar-home-set' namespace='urn:ietf:params:xml:ns:caldav'><D:property name='resourcetype'/>\
        <D:property name='owner'><D:property name='displayname'/></D:property></D:property>\
        <D:property name='nothing' namespace='urn:x'/></D:expand-property>";
    insta::assert_snapshot!("expand_home", shown(&talk.report(principal, expand).await));
    let whoami = "<D:principal-match xmlns:D='DAV:'><D:self/><D:prop><D:displayname/></D:prop></D:principal-match>";
    assert_eq!(found_people(&talk.report("/dav/principals/", whoami).await), ["ada"]);
    assert_eq!(found_people(&talk.report(CALENDAR, whoami).await), [""; 0]);
    let owned = whoami.replace("<D:self/>", "<D:principal-property><D:owner/></D:principal-property>");
    let owned = responses(&talk.report("/dav/", &owned).await).into_keys().collect::<Vec<_>>();
    assert_eq!(owned, [HOME, CALENDAR, TASKS]);
    let rights =
        "<D:acl-principal-prop-set xmlns:D='DAV:'><D:prop><D:displayname/></D:prop></D:acl-principal-prop-set>";
    assert_eq!(found_people(&talk.report(CALENDAR, rights).await), ["ada"]);
    assert_eq!(talk.report("/dav/calendars/ada/none/", rights).await.status, 404);
}
