//! Queries, multigets and free-busy questions.

use crate::asking::{
    CALENDAR, HOME, TASKS, ada, appendix_b, fixture, found, in_range, query, responses, shown, sync, token,
};
use crate::support;

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

/// Whoever asks for a year of somebody's time gets it, whatever a single object does.
#[tokio::test]
async fn a_flood_of_instances_costs_nobody_the_free_busy_answer() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    let series = |uid: &str, lines: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n{lines}\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    let busy = "<C:free-busy-query xmlns:C='urn:ietf:params:xml:ns:caldav'>\
        <C:time-range start='20260101T000000Z' end='20270101T000000Z'/></C:free-busy-query>";
    for (name, lines) in [
        ("once", "DTSTART:20260301T100000Z\r\nDURATION:PT1H"),
        (
            "seconds",
            "DTSTART:20260601T120000Z\r\nDURATION:PT1S\r\nRRULE:FREQ=SECONDLY;BYHOUR=12;UNTIL=20261231T000000Z",
        ),
        ("minutes", "DTSTART:20260801T000000Z\r\nDURATION:PT30S\r\nRRULE:FREQ=MINUTELY"),
    ] {
        talk.put(&format!("{CALENDAR}{name}.ics"), &series(name, lines)).await;
        let reply = talk.report(CALENDAR, busy).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.body);
        assert!(reply.body.contains("FREEBUSY:20260301T100000Z/20260301T110000Z"), "{name}: {}", reply.body);
        assert_eq!(reply.body.contains("FREEBUSY:20260801T000000Z/"), name == "minutes", "{name}");
    }
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

/// More than one group of bodies, and more than what is sent in one piece.
#[tokio::test]
async fn large_objects_are_all_told_of() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    let long = "long ".repeat(700_000);
    let names = ["1.ics", "2.ics", "3.ics", "4.ics"];
    for name in names {
        let event = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{name}\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART:20260101T100000Z\r\nDESCRIPTION:{long}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        talk.put(&format!("{CALENDAR}{name}"), &event).await;
    }
    let hrefs: String = names.iter().map(|name| format!("<D:href>{CALENDAR}{name}</D:href>")).collect();
    let data = "<D:getetag/><C:calendar-data/>";
    let multiget = format!(
        "<C:calendar-multiget xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:prop>{data}</D:prop>{hrefs}\
         </C:calendar-multiget>"
    );
    let read = "<C:comp-filter name='VEVENT'><C:prop-filter name='DESCRIPTION'/></C:comp-filter>";
    let synced =
        sync("", "").replace("<D:getcontenttype/>", "<C:calendar-data xmlns:C='urn:ietf:params:xml:ns:caldav'/>");
    for body in [multiget, query(data, ""), query(data, read), synced] {
        let reply = talk.report(CALENDAR, &body).await;
        assert_eq!(found(&reply), names);
        assert_eq!(reply.body.matches("END:VCALENDAR").count(), 4);
    }
}
