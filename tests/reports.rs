//! REPORT as calendar programs see it: answers to the octet, syncs that lose nothing, and bodies that nobody should
//! have to read.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use kalends::domain::access::Role;
use kalends::xml::{Document, Element, names};
use support::{Bench, Reply, Talk};

const HOME: &str = "/dav/calendars/ada/";
const CALENDAR: &str = "/dav/calendars/ada/calendar/";
const TASKS: &str = "/dav/calendars/ada/tasks/";

async fn ada(bench: &Bench) -> Talk {
    Talk::of(bench, &bench.user("acme", "ada", Role::Staff).await).await
}

fn fixture(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Appendix B of RFC 4791, its events in one calendar and its tasks in another.
async fn appendix_b(talk: &Talk) {
    for (calendar, numbers) in [(CALENDAR, 1..=3), (TASKS, 4..=7)] {
        for number in numbers {
            talk.put(&format!("{calendar}abcd{number}.ics"), &fixture(&format!("ics/rfc4791/abcd{number}.ics"))).await;
        }
    }
}

/// The answer for a snapshot: status, the headers that matter, one element a line, tokens masked.
fn shown(reply: &Reply) -> String {
    let mut text = format!("{}\n", reply.status);
    for name in ["content-type", "preference-applied"] {
        if let Some(value) = reply.headers.get(name) {
            text += &format!("{name}: {}\n", value.to_str().expect("text"));
        }
    }
    let body = reply.body.replace("\r\n", "\n").replace("&#13;", "").replace("><", ">\n<");
    let mut rest = body.as_str();
    while let Some(at) = rest.find("data:,kalends-") {
        let (before, token) = rest.split_at(at);
        text += before;
        text += "{token}";
        rest = &token[token.find('<').unwrap_or(token.len())..];
    }
    text + rest
}

/// What a multistatus says of each href: `Some(tag)` or the status of a response without a propstat.
fn responses(reply: &Reply) -> BTreeMap<String, Result<String, String>> {
    assert_eq!(reply.status, 207, "{}", reply.body);
    let document = Document::parse(reply.body.as_bytes(), usize::MAX).expect("well-formed");
    let mut found = BTreeMap::new();
    for response in document.root().children_named(&{ names::RESPONSE }) {
        let href = response.child(&names::HREF).expect("an href").text();
        let said = match response.child(&names::STATUS) {
            Some(status) => Err(status.text()),
            None => Ok(tag_in(response).unwrap_or_default()),
        };
        assert!(found.insert(href.clone(), said).is_none(), "{href} is answered twice");
    }
    found
}

fn tag_in(response: &Element) -> Option<String> {
    let props = response.child(&names::PROPSTAT)?.child(&names::PROP)?;
    props.child(&names::GETETAG).map(Element::text)
}

/// The last segments of the hrefs that were found.
fn found(reply: &Reply) -> Vec<String> {
    let found = responses(reply).into_iter().filter(|(_, said)| said.is_ok());
    found.map(|(href, _)| href.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

fn query(prop: &str, inside: &str) -> String {
    format!(
        "<C:calendar-query xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:prop>{prop}</D:prop><C:filter>\
         <C:comp-filter name='VCALENDAR'>{inside}</C:comp-filter></C:filter></C:calendar-query>"
    )
}

fn in_range(component: &str, from: &str, to: &str) -> String {
    format!("<C:comp-filter name='{component}'><C:time-range start='{from}' end='{to}'/></C:comp-filter>")
}

fn sync(token: &str, more: &str) -> String {
    format!(
        "<D:sync-collection xmlns:D='DAV:'><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>{more}\
         <D:prop><D:getetag/><D:getcontenttype/></D:prop></D:sync-collection>"
    )
}

fn token(reply: &Reply) -> String {
    let document = Document::parse(reply.body.as_bytes(), usize::MAX).expect("well-formed");
    let last = document.root().children().last().expect("something");
    assert!(last.is(&names::SYNC_TOKEN), "the token is the last child: {}", reply.body);
    last.text()
}

#[tokio::test]
async fn answers_look_like_those_of_the_rfc() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    appendix_b(&talk).await;
    let events = in_range("VEVENT", "20060103T000000Z", "20060105T000000Z");
    let expand =
        "<D:getetag/><C:calendar-data><C:expand start='20060103T000000Z' end='20060105T000000Z'/></C:calendar-data>";
    insta::assert_snapshot!("query_expanded", shown(&talk.report(CALENDAR, &query(expand, &events)).await));

    let everything = "<D:getetag/><D:getcontenttype/><D:getcontentlength/><D:displayname/>";
    let reply = talk.say("REPORT", CALENDAR, &[("prefer", "return=minimal")], query(everything, &events)).await;
    insta::assert_snapshot!("query_minimal", shown(&reply));
    insta::assert_snapshot!("query_in_full", shown(&talk.report(CALENDAR, &query(everything, &events)).await));

    let multiget = "<C:calendar-multiget xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:prop><D:getetag/>\
        <C:calendar-data/></D:prop><D:href>/dav/calendars/ada/calendar/abcd1.ics</D:href>\
        <D:href>http://cal.example//dav/calendars/%61da/calendar/abcd1%2Eics</D:href>\
        <D:href>/dav/calendars/ada/calendar/mtg1.ics</D:href><D:href>/dav/calendars/ada/tasks/abcd4.ics</D:href>\
        <D:href>https://elsewhere.example/dav/calendars/ada/calendar/abcd1.ics</D:href>\
        <D:href>/dav/calendars/bob/calendar/abcd1.ics</D:href><D:href>&lt;nonsense&gt;</D:href></C:calendar-multiget>";
    insta::assert_snapshot!("multiget", shown(&talk.report(CALENDAR, multiget).await));

    let busy = "<C:free-busy-query xmlns:C='urn:ietf:params:xml:ns:caldav'>\
        <C:time-range start='20060104T140000Z' end='20060104T220000Z'/></C:free-busy-query>";
    insta::assert_snapshot!("free_busy", shown(&talk.report(CALENDAR, busy).await));

    let first = talk.report(CALENDAR, &sync("", "")).await;
    insta::assert_snapshot!("sync_first", shown(&first));
    talk.say("DELETE", &format!("{CALENDAR}abcd1.ics"), &[], "").await;
    talk.put(&format!("{CALENDAR}new.ics"), &fixture("ics/apple-macos/simple.ics")).await;
    let limited = "<D:limit><D:nresults>1</D:nresults></D:limit>";
    let second = talk.report(CALENDAR, &sync(&token(&first), limited)).await;
    insta::assert_snapshot!("sync_limited", shown(&second));
    let third = talk.report(CALENDAR, &sync(&token(&second), limited)).await;
    insta::assert_snapshot!("sync_rest", shown(&third));
    assert_eq!(responses(&talk.report(CALENDAR, &sync(&token(&third), limited)).await).len(), 0);
}

#[tokio::test]
async fn a_query_finds_the_same_at_every_place_and_depth() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    appendix_b(&talk).await;
    let all = query("<D:getetag/>", "");
    let events = query("<D:getetag/>", "<C:comp-filter name='VEVENT'/>");
    let at = async |path: &str, depth: &str, body: &str| {
        found(&talk.say("REPORT", path, &[("depth", depth)], body.to_owned()).await).len()
    };
    for depth in ["0", "1", "infinity"] {
        assert_eq!(at(CALENDAR, depth, &all).await, 3, "{depth}");
        assert_eq!(at(TASKS, depth, &all).await, 4, "{depth}");
        assert_eq!(at(&format!("{CALENDAR}abcd2.ics"), depth, &events).await, 1, "{depth}");
        assert_eq!(at(&format!("{TASKS}abcd4.ics"), depth, &events).await, 0, "{depth}");
    }
    assert_eq!(found(&talk.say("REPORT", CALENDAR, &[], all.clone()).await).len(), 3);
    assert_eq!((at(HOME, "0", &all).await, at(HOME, "1", &all).await, at(HOME, "infinity", &events).await), (0, 7, 3));
    assert_eq!(talk.report(&format!("{CALENDAR}none.ics"), &all).await.status, 404);
    assert_eq!(talk.report("/dav/calendars/bob/calendar/", &all).await.status, 404);
}

#[tokio::test]
async fn a_limit_on_matches_is_kept_and_said() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    appendix_b(&talk).await;
    let limited = |count: &str| {
        query("<D:getetag/>", "")
            .replace("<C:filter>", &format!("<D:limit><D:nresults>{count}</D:nresults></D:limit><C:filter>"))
    };
    let reply = talk.report(TASKS, &limited("2")).await;
    let said = responses(&reply);
    assert_eq!(said.len(), 3);
    assert_eq!(said[TASKS], Err("HTTP/1.1 507 Insufficient Storage".to_owned()));
    assert!(reply.body.contains("number-of-matches-within-limits"));
    for enough in ["4", "1000", "99999999999999999999"] {
        assert_eq!(responses(&talk.report(TASKS, &limited(enough)).await).len(), 4, "{enough}");
    }
    assert_eq!(talk.report(TASKS, &limited("0")).await.status, 403);
    assert_eq!(talk.report(TASKS, &limited("-1")).await.status, 400);
}

#[tokio::test]
async fn floating_time_is_that_of_the_request_or_the_calendar() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    let event = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:f\r\nDTSTAMP:20260101T000000Z\r\n\
        DTSTART:20260105T100000\r\nDTEND:20260105T110000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    talk.put(&format!("{CALENDAR}f.ics"), event).await;
    let ask = async |zone: &str, from: &str, to: &str| {
        let body = query("<D:getetag/>", &in_range("VEVENT", from, to));
        found(&talk.report(CALENDAR, &body.replace("</C:filter>", &format!("</C:filter>{zone}"))).await).len()
    };
    let in_york = "<C:timezone-id>America/New_York</C:timezone-id>";
    assert_eq!(ask("", "20260105T100000Z", "20260105T103000Z").await, 1);
    assert_eq!(ask(in_york, "20260105T100000Z", "20260105T103000Z").await, 0);
    assert_eq!(ask(in_york, "20260105T150000Z", "20260105T153000Z").await, 1);
    let tokyo = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VTIMEZONE\nTZID:Asia/Tokyo\nBEGIN:STANDARD\n\
        DTSTART:19700101T000000\nTZOFFSETFROM:+0900\nTZOFFSETTO:+0900\nEND:STANDARD\nEND:VTIMEZONE\nEND:VCALENDAR\n";
    let patch = format!(
        "<D:propertyupdate xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:set><D:prop>\
         <C:calendar-timezone>{tokyo}</C:calendar-timezone></D:prop></D:set></D:propertyupdate>"
    );
    assert_eq!(talk.say("PROPPATCH", CALENDAR, &[], patch).await.status, 207);
    assert_eq!(ask("", "20260105T100000Z", "20260105T103000Z").await, 0);
    assert_eq!(ask("", "20260105T010000Z", "20260105T013000Z").await, 1);
    assert_eq!(ask(in_york, "20260105T150000Z", "20260105T153000Z").await, 1);
    let wrong = query("<D:getetag/>", "").replace("</C:filter>", "</C:filter><C:timezone>x</C:timezone>");
    let reply = talk.report(CALENDAR, &wrong).await;
    assert!(reply.status == 403 && reply.body.contains("valid-calendar-data"), "{}", reply.body);
}

#[tokio::test]
async fn tokens_of_elsewhere_are_refused() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    let ours = token(&talk.report(CALENDAR, &sync("", "")).await);
    let others = token(&talk.report(TASKS, &sync("", "")).await);
    let (stem, seq) = ours.rsplit_once('.').expect("a count at its end");
    let future = format!("{stem}.{}", seq.parse::<i64>().expect("a number") + 1);
    let restored = ours.replace("kalends-", "kalends-0");
    for wrong in [others.as_str(), &future, &restored, "http://elsewhere.example/ns/sync/5", "x"] {
        let reply = talk.report(CALENDAR, &sync(wrong, "")).await;
        assert!(reply.status == 403 && reply.body.contains("valid-sync-token"), "{wrong}: {}", reply.body);
    }
    let level = |level: &str| sync(&ours, "").replace("<D:sync-level>1</D:sync-level>", level);
    assert_eq!(talk.report(CALENDAR, &level("")).await.status, 207);
    assert_eq!(talk.report(CALENDAR, &level("<D:sync-level>infinite</D:sync-level>")).await.status, 403);
    assert_eq!(talk.report(CALENDAR, &level("<D:sync-level>2</D:sync-level>")).await.status, 400);
    assert_eq!(talk.report(HOME, &sync("", "")).await.status, 403, "a home has no sync");
}

#[tokio::test]
async fn a_sync_may_bring_the_data_along() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    appendix_b(&talk).await;
    let body =
        sync("", "").replace("<D:getcontenttype/>", "<C:calendar-data xmlns:C='urn:ietf:params:xml:ns:caldav'/>");
    let reply = talk.report(CALENDAR, &body).await;
    assert_eq!(found(&reply).len(), 3);
    assert_eq!(reply.body.matches("BEGIN:VCALENDAR").count(), 3);
    assert_eq!(reply.body.matches("SUMMARY:Event #2 bis bis").count(), 1);
}

/// Every body in `fixtures/xml/hostile` that is for REPORT gets one of the answers its table names, and soon.
#[tokio::test]
async fn bodies_nobody_should_have_to_read_are_answered() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    appendix_b(&talk).await;
    for rule in ["MINUTELY", "SECONDLY", "DAILY"] {
        let event = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{rule}\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART:20000101T100000Z\r\nDTEND:20000101T110000Z\r\nRRULE:FREQ={rule}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        talk.put(&format!("{CALENDAR}{rule}.ics"), &event).await;
    }
    let mut asked = 0;
    for row in fixture("xml/hostile/README.md").lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, file, "REPORT", statuses, what, _] = cells.as_slice() else { continue };
        let body = fixture(&format!("xml/hostile/{}", file.trim_matches('`')));
        let path = if file.contains("principal") { "/dav/principals/" } else { CALENDAR };
        let reply = talk.report(path, &body.replace("{user}", "ada").replace("{calendar}", "calendar")).await;
        let expected: Vec<&str> = statuses.split(" or ").collect();
        assert!(expected.contains(&reply.status.to_string().as_str()), "{file}: {} for {statuses}", reply.status);
        for condition in
            ["valid-filter", "supported-report", "supported-collation", "supported-calendar-data", "valid-sync-token"]
        {
            if reply.status == 403 && what.contains(condition) {
                assert!(reply.body.contains(condition), "{file}: {}", reply.body);
            }
        }
        asked += 1;
    }
    assert!(asked >= 25, "only {asked} bodies for REPORT");
}

/// What happens between the syncs of a program.
#[derive(Clone, Debug)]
enum Act {
    Put(u8, u8),
    Delete(u8),
    /// To another name, here or in the other calendar and back.
    Move(u8, bool, u8, bool),
    /// Pages of at most so many, if any limit, and at most so many of them before something else happens.
    Sync(Option<u8>, u8),
    /// The program forgets its token.
    Forget,
}

fn act() -> impl proptest::strategy::Strategy<Value = Act> {
    use proptest::prelude::*;
    prop_oneof![
        6 => (0..8_u8, 0..3_u8).prop_map(|(name, content)| Act::Put(name, content)),
        3 => (0..8_u8).prop_map(Act::Delete),
        3 => (0..8_u8, any::<bool>(), 0..8_u8, any::<bool>()).prop_map(|(a, b, c, d)| Act::Move(a, b, c, d)),
        4 => (proptest::option::of(1..4_u8), 1..4_u8).prop_map(|(limit, pages)| Act::Sync(limit, pages)),
        1 => Just(Act::Forget),
    ]
}

/// A program's copy of a calendar.
#[derive(Default)]
struct Replica {
    token: String,
    tags: BTreeMap<String, String>,
}

impl Replica {
    /// Takes one page; whether there are more.
    async fn page(&mut self, talk: &Talk, limit: Option<u8>) -> bool {
        let more = limit.map_or(String::new(), |n| format!("<D:limit><D:nresults>{n}</D:nresults></D:limit>"));
        let reply = talk.report(CALENDAR, &sync(&self.token, &more)).await;
        let mut said = responses(&reply);
        let goes_on = said.remove(CALENDAR);
        assert!(goes_on.is_none() || limit.is_some(), "only who sets a limit is cut off: {}", reply.body);
        assert!(limit.is_none_or(|limit| said.len() <= usize::from(limit)), "{}", reply.body);
        assert!(goes_on.is_none() || !said.is_empty(), "a page goes on: {}", reply.body);
        for (href, said) in said {
            match said {
                Ok(tag) => self.tags.insert(href, tag),
                Err(status) => {
                    assert_eq!(status, "HTTP/1.1 404 Not Found");
                    assert!(!self.token.is_empty(), "a first sync lists what is there");
                    self.tags.remove(&href)
                }
            };
        }
        let token = token(&reply);
        assert!(goes_on.is_none() || token != self.token, "the token moves on");
        self.token = token;
        goes_on.is_some()
    }
}

async fn perform(talk: &Talk, replica: &mut Replica, act: &Act) {
    let path =
        |name: u8, here: bool| format!("{}{name}.ics", if here { CALENDAR } else { "/dav/calendars/ada/other/" });
    match *act {
        Act::Put(name, content) => {
            let event = format!(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u{name}\r\nDTSTAMP:20260101T000000Z\r\n\
                 DTSTART:20260101T100000Z\r\nSUMMARY:{content}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
            );
            // A UID that lives under another name by now is refused, which changes nothing.
            talk.say("PUT", &path(name, true), &[("content-type", "text/calendar")], event).await;
        }
        Act::Delete(name) => drop(talk.say("DELETE", &path(name, true), &[], "").await),
        Act::Move(from, from_here, to, to_here) => {
            let to = path(to, to_here);
            drop(talk.say("MOVE", &path(from, from_here), &[("destination", &to)], "").await);
        }
        Act::Sync(limit, pages) => {
            for _ in 0..pages {
                if !replica.page(talk, limit).await {
                    break;
                }
            }
        }
        Act::Forget => *replica = Replica::default(),
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn a_replica_becomes_what_the_server_has(acts in proptest::collection::vec(act(), 1..60), last in 1..4_u8) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let bench = support::sqlite().await;
            let talk = ada(&bench).await;
            assert_eq!(talk.say("MKCALENDAR", "/dav/calendars/ada/other/", &[], "").await.status, 201);
            let mut replica = Replica::default();
            for act in &acts {
                perform(&talk, &mut replica, act).await;
            }
            while replica.page(&talk, Some(last)).await {}
            let mut fresh = Replica::default();
            assert!(!fresh.page(&talk, None).await);
            assert_eq!(replica.tags, fresh.tags);
            assert_eq!(replica.token, fresh.token);
        });
    }
}

/// An event of a random shape, for one calendar.
fn random_event(number: usize, (start, minutes, shape): (u32, u32, u8)) -> String {
    let day = 1 + start / 24 % 28;
    let (hour, end) = (start % 24, minutes);
    let times = match shape % 6 {
        0 => format!("DTSTART:202601{day:02}T{hour:02}0000Z\r\nDURATION:PT{end}M"),
        1 => format!("DTSTART;TZID=America/New_York:202601{day:02}T{hour:02}0000\r\nDURATION:PT{end}M"),
        2 => format!("DTSTART;VALUE=DATE:202601{day:02}"),
        3 => format!("DTSTART:202601{day:02}T{hour:02}0000\r\nDURATION:P1DT{end}M"),
        4 => {
            format!("DTSTART:202601{day:02}T{hour:02}0000Z\r\nDURATION:PT{end}M\r\nRRULE:FREQ=DAILY;INTERVAL=5;COUNT=3")
        }
        _ => format!("DTSTART:202601{day:02}T{hour:02}0000Z"),
    };
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{number}\r\nDTSTAMP:20260101T000000Z\r\n\
         {times}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// The index decides what it can; a condition that every event meets makes the server read all of them instead.
    #[test]
    fn the_index_finds_what_reading_everything_finds(
        events in proptest::collection::vec((0..700_u32, 0..3_000_u32, 0..6_u8), 1..25),
        windows in proptest::collection::vec((0..800_u32, 1..200_u32), 4),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let bench = support::sqlite().await;
            let talk = ada(&bench).await;
            for (number, event) in events.iter().enumerate() {
                talk.put(&format!("{CALENDAR}{number}.ics"), &random_event(number, *event)).await;
            }
            for (from, hours) in windows {
                let hour = |n: u32| format!("2026{:02}{:02}T{:02}0000Z", 1 + n / 24 / 28, 1 + n / 24 % 28, n % 24);
                let range = format!("<C:time-range start='{}' end='{}'/>", hour(from), hour(from + hours));
                let plain = query("<D:getetag/>", &format!("<C:comp-filter name='VEVENT'>{range}</C:comp-filter>"));
                let read = format!("<C:comp-filter name='VEVENT'>{range}<C:prop-filter name='UID'/></C:comp-filter>");
                let read = query("<D:getetag/>", &read);
                assert_eq!(found(&talk.report(CALENDAR, &plain).await), found(&talk.report(CALENDAR, &read).await), "{range}");
            }
        });
    }
}

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
