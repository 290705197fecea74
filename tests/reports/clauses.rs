//! What a calendar-query finds, clause by clause: RFC 4791 §9.9 for every kind of object with each set of dates, asked
//! through the index and by reading bodies, and §9.7 for what components, properties and parameters hold.

use crate::asking::{ada, found, query};
use crate::support;
use crate::talk::{Reply, Talk};

/// A calendar that takes every kind.
const ALL: &str = "/dav/calendars/ada/all/";

/// Name, kind and lines of what is in it.
const OBJECTS: [(&str, &str, &str); 24] = [
    ("e-end", "VEVENT", "DTSTART:20260105T100000Z\nDTEND:20260105T110000Z\nSUMMARY:Budget Ärger"),
    ("e-instant", "VEVENT", "DTSTART:20260106T100000Z\nSUMMARY:budget"),
    ("e-none", "VEVENT", "DTSTART:20260106T120000Z\nDURATION:PT0S"),
    ("e-day", "VEVENT", "DTSTART;VALUE=DATE:20260107"),
    ("e-length", "VEVENT", "DTSTART:20260108T100000Z\nDURATION:PT2H"),
    (
        "e-alarm",
        "VEVENT",
        "DTSTART:20260109T100000Z\nDTEND:20260109T110000Z\n\
         ATTENDEE;PARTSTAT=ACCEPTED:mailto:ada@example.org\nATTENDEE;PARTSTAT=DECLINED;CN=Bob:mailto:bob@example.org\n\
         BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT15M\nEND:VALARM\n\
         BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER;RELATED=END:PT5M\nEND:VALARM\n\
         BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER;VALUE=DATE-TIME:20250601T000000Z\nEND:VALARM",
    ),
    (
        "e-series",
        "VEVENT",
        "DTSTART;TZID=Europe/Berlin:20260112T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=5\n\
         EXDATE;TZID=Europe/Berlin:20260126T090000\nEND:VEVENT\nBEGIN:VEVENT\nUID:e-series\nDTSTAMP:20260101T000000Z\n\
         RECURRENCE-ID;TZID=Europe/Berlin:20260119T090000\nDTSTART:20260122T150000Z\nDURATION:PT1H\nSUMMARY:moved\n\
         BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT1H\nEND:VALARM",
    ),
    ("t-none", "VTODO", "SUMMARY:some day"),
    ("t-both", "VTODO", "DTSTART:20260205T100000Z\nDUE:20260206T100000Z"),
    ("t-length", "VTODO", "DTSTART:20260207T100000Z\nDURATION:PT2H"),
    ("t-start", "VTODO", "DTSTART:20260209T100000Z"),
    ("t-due", "VTODO", "DUE:20260210T100000Z\nBEGIN:VALARM\nACTION:AUDIO\nTRIGGER;RELATED=END:-PT30M\nEND:VALARM"),
    ("t-done", "VTODO", "CREATED:20260211T100000Z\nCOMPLETED:20260213T100000Z\nSTATUS:COMPLETED"),
    ("t-completed", "VTODO", "COMPLETED:20260215T100000Z"),
    ("t-created", "VTODO", "CREATED:20260217T100000Z"),
    ("t-series", "VTODO", "DTSTART:20260221T100000Z\nDUE:20260221T110000Z\nRRULE:FREQ=DAILY;COUNT=3"),
    ("j-none", "VJOURNAL", "SUMMARY:undated"),
    ("j-day", "VJOURNAL", "DTSTART;VALUE=DATE:20260305"),
    ("j-time", "VJOURNAL", "DTSTART:20260306T100000Z"),
    ("j-series", "VJOURNAL", "DTSTART;VALUE=DATE:20260310\nRRULE:FREQ=DAILY;COUNT=2"),
    ("f-span", "VFREEBUSY", "DTSTART:20260401T000000Z\nDTEND:20260402T000000Z"),
    ("f-periods", "VFREEBUSY", "FREEBUSY:20260405T100000Z/PT1H,20260407T100000Z/20260407T120000Z"),
    ("f-none", "VFREEBUSY", "COMMENT:nothing is known"),
    ("z", "VEVENT", "DTSTART:20301231T235959Z"),
];

async fn put(talk: &Talk, name: &str, kind: &str, lines: &str) {
    let text = format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:{kind}\nUID:{name}\nDTSTAMP:20260101T000000Z\n{lines}\nEND:{kind}\n\
         END:VCALENDAR\n"
    );
    talk.put(&format!("{ALL}{name}.ics"), &text.replace('\n', "\r\n")).await;
}

async fn everything(talk: &Talk) {
    assert_eq!(talk.say("MKCALENDAR", ALL, &[], "").await.status, 201);
    for (name, kind, lines) in OBJECTS {
        put(talk, name, kind, lines).await;
    }
}

fn names(reply: &Reply) -> Vec<String> {
    found(reply).into_iter().map(|name| name.trim_end_matches(".ics").to_owned()).collect()
}

fn at(text: &str) -> String {
    let (day, time) = text.split_once('T').unwrap_or((text, ""));
    format!("{day:0<8}T{time:0<6}Z")
}

fn comp(name: &str, inside: &str) -> String {
    format!("<C:comp-filter name='{name}'>{inside}</C:comp-filter>")
}

fn range(from: &str, to: &str) -> String {
    let end = |name: &str, text: &str| match text {
        "" => String::new(),
        text => format!("{name}='{}'", at(text)),
    };
    format!("<C:time-range {} {}/>", end("start", from), end("end", to))
}

#[tokio::test]
async fn every_kind_lies_in_time_as_the_rfc_says() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    everything(&talk).await;
    // Kind, from, to, what is found beside what is found at any time.
    let cases: &[(&str, &str, &str, &[&str])] = &[
        // start < DTEND and end > DTSTART
        ("VEVENT", "20260105T11", "20260105T12", &[]),
        ("VEVENT", "20260105T105959", "20260105T12", &["e-end"]),
        ("VEVENT", "20260105T09", "20260105T10", &[]),
        ("VEVENT", "20260105T09", "20260105T100001", &["e-end"]),
        ("VEVENT", "20260105T1015", "20260105T1016", &["e-end"]),
        // start <= DTSTART and end > DTSTART
        ("VEVENT", "20260106T10", "20260106T100001", &["e-instant"]),
        ("VEVENT", "20260106T09", "20260106T10", &[]),
        ("VEVENT", "20260106T100001", "20260106T11", &[]),
        ("VEVENT", "20260106T12", "20260106T13", &["e-none"]),
        ("VEVENT", "20260106T11", "20260106T12", &[]),
        // a day
        ("VEVENT", "20260107T235959", "20260108T00", &["e-day"]),
        ("VEVENT", "20260108T00", "20260108T10", &[]),
        ("VEVENT", "20260106T23", "20260107T00", &[]),
        ("VEVENT", "20260108T115959", "20260108T13", &["e-length"]),
        ("VEVENT", "20260108T12", "20260108T13", &[]),
        // Series: as ruled, not as excluded, where moved to and not where moved from
        ("VEVENT", "20260112T085959", "20260112T10", &["e-series"]),
        ("VEVENT", "20260119T08", "20260119T09", &[]),
        ("VEVENT", "20260122T15", "20260122T16", &["e-series"]),
        ("VEVENT", "20260126T08", "20260126T09", &[]),
        ("VEVENT", "20260202T08", "20260202T09", &["e-series"]),
        ("VEVENT", "20260216T08", "20260216T09", &[]),
        // An end that is open
        ("VEVENT", "20260209T09", "", &["z"]),
        ("VEVENT", "20310101", "", &[]),
        ("VEVENT", "", "20260105T10", &[]),
        ("VEVENT", "", "20260105T100001", &["e-end"]),
        // DTSTART and DUE
        ("VTODO", "20260206T095959", "20260206T11", &["t-both"]),
        ("VTODO", "20260206T10", "20260206T11", &[]),
        ("VTODO", "20260205T09", "20260205T10", &[]),
        ("VTODO", "20260205T09", "20260205T100001", &["t-both"]),
        // DTSTART and DURATION: start <= DTSTART+DURATION
        ("VTODO", "20260207T12", "20260207T13", &["t-length"]),
        ("VTODO", "20260207T120001", "20260207T13", &[]),
        ("VTODO", "20260207T09", "20260207T10", &[]),
        // DTSTART alone
        ("VTODO", "20260209T10", "20260209T11", &["t-start"]),
        ("VTODO", "20260209T100001", "20260209T11", &[]),
        ("VTODO", "20260209T09", "20260209T10", &[]),
        // DUE alone: start < DUE and end >= DUE
        ("VTODO", "20260210T09", "20260210T10", &["t-due"]),
        ("VTODO", "20260210T10", "20260210T11", &[]),
        ("VTODO", "20260210T09", "20260210T095959", &[]),
        // CREATED and COMPLETED
        ("VTODO", "20260212T09", "20260212T10", &["t-done"]),
        ("VTODO", "20260213T10", "20260213T11", &["t-done"]),
        ("VTODO", "20260213T100001", "20260213T11", &[]),
        ("VTODO", "20260211T09", "20260211T10", &["t-done"]),
        ("VTODO", "20260211T09", "20260211T095959", &[]),
        // COMPLETED alone
        ("VTODO", "20260215T09", "20260215T10", &["t-completed"]),
        ("VTODO", "20260215T10", "20260215T11", &["t-completed"]),
        ("VTODO", "20260215T100001", "20260215T11", &[]),
        // CREATED alone: end > CREATED
        ("VTODO", "20260217T09", "20260217T10", &[]),
        ("VTODO", "20260217T09", "20260217T100001", &["t-created"]),
        ("VTODO", "20280101", "20280102", &["t-created"]),
        ("VTODO", "20260223T1030", "20260223T1031", &["t-created", "t-series"]),
        ("VTODO", "20260224T1030", "20260224T1031", &["t-created"]),
        // Journals
        ("VJOURNAL", "20260305T2359", "20260306T00", &["j-day"]),
        ("VJOURNAL", "20260306T00", "20260306T10", &[]),
        ("VJOURNAL", "20260306T10", "20260306T11", &["j-time"]),
        ("VJOURNAL", "20260306T100001", "20260306T11", &[]),
        ("VJOURNAL", "20260311T12", "20260311T13", &["j-series"]),
        ("VJOURNAL", "20260312T00", "20260313T00", &[]),
        ("VJOURNAL", "20200101", "20300101", &["j-day", "j-series", "j-time"]),
        // Busy times: start <= DTEND and end > DTSTART, else any period
        ("VFREEBUSY", "20260402T00", "20260402T01", &["f-span"]),
        ("VFREEBUSY", "20260402T000001", "20260402T01", &[]),
        ("VFREEBUSY", "20260331T00", "20260401T00", &[]),
        ("VFREEBUSY", "20260405T1059", "20260405T11", &["f-periods"]),
        ("VFREEBUSY", "20260405T11", "20260407T10", &[]),
        ("VFREEBUSY", "20260407T115959", "20260408T00", &["f-periods"]),
        ("VFREEBUSY", "20200101", "20300101", &["f-periods", "f-span"]),
    ];
    for (kind, from, to, expected) in cases {
        // A task without a date is found at any time.
        let mut expected: Vec<&str> = expected.to_vec();
        expected.extend((*kind == "VTODO").then_some("t-none"));
        expected.sort_unstable();
        let range = range(from, to);
        for inside in ["", "<C:prop-filter name='UID'/>"] {
            let body = query("<D:getetag/>", &comp(kind, &format!("{range}{inside}")));
            assert_eq!(names(&talk.report(ALL, &body).await), expected, "{kind} {from} {to} {inside}");
        }
    }
}

#[tokio::test]
async fn alarms_ring_when_they_ring() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    everything(&talk).await;
    for (kind, from, to, expected) in [
        ("VEVENT", "20260109T0945", "20260109T094501", &["e-alarm"][..]),
        ("VEVENT", "20260109T09", "20260109T0945", &[]),
        ("VEVENT", "20260109T094501", "20260109T1105", &[]),
        ("VEVENT", "20260109T1105", "20260109T1106", &["e-alarm"]),
        ("VEVENT", "20250601", "20250602", &["e-alarm"]),
        ("VEVENT", "20260122T14", "20260122T1401", &["e-series"]),
        ("VEVENT", "20260112T07", "20260112T08", &[]),
        ("VTODO", "20260210T0930", "20260210T0931", &["t-due"]),
        ("VTODO", "20260210T093001", "20260210T11", &[]),
    ] {
        let body = query("<D:getetag/>", &comp(kind, &comp("VALARM", &range(from, to))));
        assert_eq!(names(&talk.report(ALL, &body).await), expected, "{kind} {from} {to}");
    }
    let without = query("<D:getetag/>", &comp("VTODO", &comp("VALARM", "<C:is-not-defined/>")));
    let without = names(&talk.report(ALL, &without).await);
    assert!(without.len() == 8 && !without.contains(&"t-due".to_owned()), "{without:?}");
}

#[tokio::test]
async fn what_objects_hold_is_asked_in_every_way() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    everything(&talk).await;
    let event = |inside: &str| comp("VEVENT", inside);
    let summary = |how: &str, text: &str| {
        comp(
            "VEVENT",
            &format!("<C:prop-filter name='SUMMARY'><C:text-match {how}>{text}</C:text-match></C:prop-filter>"),
        )
    };
    let attendee = |address: &str, param: &str| {
        comp(
            "VEVENT",
            &format!("<C:prop-filter name='ATTENDEE'><C:text-match>{address}</C:text-match>{param}</C:prop-filter>"),
        )
    };
    let status = |text: &str, how: &str| {
        format!("<C:param-filter name='PARTSTAT'><C:text-match {how}>{text}</C:text-match></C:param-filter>")
    };
    let lacks = |name: &str| format!("<C:prop-filter name='{name}'><C:is-not-defined/></C:prop-filter>");
    for (inside, expected) in [
        (summary("", "BUDGET"), &["e-end", "e-instant"][..]),
        (summary("collation='i;ascii-casemap'", "BUDGET"), &["e-end", "e-instant"]),
        (summary("collation='i;octet'", "Budget"), &["e-end"]),
        (summary("collation='i;octet'", "BUDGET"), &[]),
        // Beyond ASCII only Unicode's collation knows case.
        (summary("collation='i;unicode-casemap'", "ÄRGER"), &["e-end"]),
        (summary("collation='i;ascii-casemap'", "äRGER"), &[]),
        (summary("negate-condition='yes'", "budget"), &["e-series"]),
        (summary("negate-condition='no'", "moved"), &["e-series"]),
        (event(&lacks("SUMMARY")), &["e-alarm", "e-day", "e-length", "e-none", "e-series", "z"]),
        (event(&comp("VALARM", "")), &["e-alarm", "e-series"]),
        (event(&(lacks("SUMMARY") + &comp("VALARM", ""))), &["e-alarm"]),
        (attendee("bob", ""), &["e-alarm"]),
        (attendee("bob", &status("declined", "")), &["e-alarm"]),
        (attendee("bob", &status("accepted", "")), &[]),
        (attendee("bob", &status("accepted", "negate-condition='yes'")), &["e-alarm"]),
        (attendee("ada", "<C:param-filter name='CN'><C:is-not-defined/></C:param-filter>"), &["e-alarm"]),
        (attendee("bob", "<C:param-filter name='CN'><C:is-not-defined/></C:param-filter>"), &[]),
        (attendee("bob", "<C:param-filter name='CN'/>"), &["e-alarm"]),
        (comp("VJOURNAL", &lacks("DTSTART")), &["j-none"]),
        (comp("VTODO", &(lacks("COMPLETED") + &lacks("DUE") + &lacks("DTSTART"))), &["t-created", "t-none"]),
        (
            comp(
                "VTODO",
                &format!("<C:prop-filter name='COMPLETED'>{}</C:prop-filter>", range("20260213T10", "20260214")),
            ),
            &["t-done"],
        ),
        (comp("VFREEBUSY", ""), &["f-none", "f-periods", "f-span"]),
        (comp("VTIMEZONE", ""), &[]),
        (comp("VEVENT", "") + &comp("VTODO", ""), &[]),
    ] {
        let reply = talk.report(ALL, &query("<D:getetag/>", &inside)).await;
        assert_eq!(names(&reply), expected, "{inside}");
    }
    let none = query("<D:getetag/>", &(comp("VEVENT", "<C:is-not-defined/>") + &comp("VTODO", "<C:is-not-defined/>")));
    assert_eq!(names(&talk.report(ALL, &none).await).len(), 7);
    for (inside, element) in [
        (summary("collation='i;basic'", "x"), "supported-collation"),
        (event("<C:time-range start='20260101' end='20270101'/>"), "valid-filter"),
        (event(&range("20260102", "20260101")), "valid-filter"),
        (comp("VALARM", ""), "valid-filter"),
        (comp("VTIMEZONE", &range("20260101", "20260102")), "valid-filter"),
    ] {
        let reply = talk.report(ALL, &query("<D:getetag/>", &inside)).await;
        assert!(reply.status == 403 && reply.body.contains(element), "{inside}: {}", reply.body);
    }
}

#[tokio::test]
async fn floating_time_is_found_in_zones_far_away() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    assert_eq!(talk.say("MKCALENDAR", ALL, &[], "").await.status, 201);
    put(&talk, "wall", "VEVENT", "DTSTART:20260105T100000\nDTEND:20260105T110000").await;
    put(&talk, "day", "VEVENT", "DTSTART;VALUE=DATE:20260105").await;
    put(&talk, "due", "VTODO", "DUE:20260105T100000").await;
    for (zone, kind, from, to, expected) in [
        ("Pacific/Kiritimati", "VEVENT", "20260104T20", "20260104T21", &["day", "wall"][..]),
        ("Pacific/Kiritimati", "VEVENT", "20260104T10", "20260104T11", &["day"]),
        ("Pacific/Kiritimati", "VEVENT", "20260105T10", "20260105T11", &[]),
        ("Pacific/Niue", "VEVENT", "20260105T21", "20260105T22", &["day", "wall"]),
        ("Pacific/Niue", "VEVENT", "20260106T10", "20260106T11", &["day"]),
        ("Pacific/Niue", "VEVENT", "20260106T11", "20260106T12", &[]),
        ("Pacific/Kiritimati", "VTODO", "20260104T19", "20260104T20", &["due"]),
        ("Pacific/Niue", "VTODO", "20260105T20", "20260105T21", &["due"]),
        ("Pacific/Niue", "VTODO", "20260105T09", "20260105T10", &[]),
    ] {
        for inside in ["", "<C:prop-filter name='UID'/>"] {
            let body = query("<D:getetag/>", &comp(kind, &(range(from, to) + inside)));
            let body = body.replace("</C:filter>", &format!("</C:filter><C:timezone-id>{zone}</C:timezone-id>"));
            assert_eq!(names(&talk.report(ALL, &body).await), expected, "{zone} {kind} {from} {inside}");
        }
    }
}

/// The lines of one object as a query tells it.
async fn told(talk: &Talk, name: &str, data: &str) -> String {
    let multiget = format!(
        "<C:calendar-multiget xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:prop><C:calendar-data>{data}\
         </C:calendar-data></D:prop><D:href>{ALL}{name}.ics</D:href></C:calendar-multiget>"
    );
    let reply = talk.report(ALL, &multiget).await;
    let document = kalends::xml::Document::parse(reply.body.as_bytes(), usize::MAX).expect("well-formed");
    let response = document.root().children().next().expect("a response");
    let stat = response.child(&kalends::xml::names::PROPSTAT).expect("a propstat");
    let prop = stat.child(&kalends::xml::names::PROP).expect("a prop");
    prop.child(&kalends::xml::names::CALENDAR_DATA).expect("data").text().replace('\r', "")
}

#[tokio::test]
async fn objects_come_as_they_are_wanted() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    everything(&talk).await;
    let window = |name: &str, from: &str, to: &str| format!("<C:{name} start='{}' end='{}'/>", at(from), at(to));
    // The instance that was moved away is no longer where it was, so its override belongs to both weeks and to no third.
    for (from, to, has) in [
        ("20260119", "20260120", true),
        ("20260122", "20260123", true),
        ("20260112", "20260113", false),
        ("20260202", "20260203", false),
    ] {
        let limited = told(&talk, "e-series", &window("limit-recurrence-set", from, to)).await;
        assert!(limited.contains("RRULE:FREQ=WEEKLY;COUNT=5\n"), "{from}: {limited}");
        assert_eq!(limited.contains("SUMMARY:moved\n"), has, "{from}: {limited}");
    }
    let expanded = told(&talk, "e-series", &window("expand", "20260112", "20260211")).await;
    let starts: Vec<&str> = expanded.lines().filter(|line| line.starts_with("DTSTART")).collect();
    assert_eq!(
        starts,
        [
            "DTSTART:20260112T080000Z",
            "DTSTART:20260122T150000Z",
            "DTSTART:20260202T080000Z",
            "DTSTART:20260209T080000Z"
        ]
    );
    assert!(!expanded.contains("RRULE") && !expanded.contains("EXDATE") && !expanded.contains("TZID"), "{expanded}");
    assert!(expanded.contains("RECURRENCE-ID:20260119T080000Z\n"), "{expanded}");
    let tasks = told(&talk, "t-series", &window("expand", "20260222", "20260301")).await;
    let dues: Vec<&str> = tasks.lines().filter(|line| line.starts_with("DUE")).collect();
    assert_eq!(dues, ["DUE:20260222T110000Z", "DUE:20260223T110000Z"]);
    let busy = told(&talk, "f-periods", &window("limit-freebusy-set", "20260407", "20260408")).await;
    assert!(busy.contains("FREEBUSY:20260407T100000Z/20260407T120000Z\n") && !busy.contains("20260405"), "{busy}");
    let part = "<C:comp name='VCALENDAR'><C:prop name='VERSION'/><C:comp name='VEVENT'><C:prop name='UID'/>\
        <C:prop name='ATTENDEE' novalue='yes'/></C:comp></C:comp>";
    assert_eq!(
        told(&talk, "e-alarm", part).await,
        "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nUID:e-alarm\nATTENDEE;PARTSTAT=ACCEPTED:\n\
         ATTENDEE;PARTSTAT=DECLINED;CN=Bob:\nEND:VEVENT\nEND:VCALENDAR\n"
    );
    // A part of instances.
    let both = format!("{}{part}", window("expand", "20260109", "20260110")).replace("<C:prop name='UID'/>", "");
    let both = told(&talk, "e-alarm", &both).await;
    assert!(!both.contains("UID") && !both.contains("VALARM") && both.contains("ATTENDEE"), "{both}");
}

#[tokio::test]
async fn what_is_too_much_is_said_to_be() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    assert_eq!(talk.say("MKCALENDAR", ALL, &[], "").await.status, 201);
    put(&talk, "flood", "VEVENT", "DTSTART:20200101T000000Z\nDURATION:PT1S\nRRULE:FREQ=MINUTELY").await;
    put(&talk, "plain", "VEVENT", "DTSTART:20260105T100000Z\nDTEND:20260105T110000Z").await;
    let year = "start='20260101T000000Z' end='20270101T000000Z'";
    let data = format!("<D:getetag/><C:calendar-data><C:expand {year}/></C:calendar-data>");
    let reply = talk.report(ALL, &query(&data, &comp("VEVENT", &format!("<C:time-range {year}/>")))).await;
    assert_eq!(reply.status, 207, "{}", reply.body);
    assert!(reply.body.contains("number-of-matches-within-limits"), "{}", reply.body);
    assert!(reply.body.contains("507 Insufficient Storage"), "{}", reply.body);
    assert!(reply.body.len() < 100_000, "{}", reply.body.len());
    // A narrower question is answered.
    let hour = "start='20260105T100000Z' end='20260105T110000Z'";
    let data = data.replace(year, hour);
    let reply = talk.report(ALL, &query(&data, &comp("VEVENT", &format!("<C:time-range {hour}/>")))).await;
    assert!(!reply.body.contains("507"), "{}", reply.body);
    assert_eq!(reply.body.matches("BEGIN:VEVENT").count(), 61);
}

#[tokio::test]
async fn busy_times_are_merged_by_their_kind() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    assert_eq!(talk.say("MKCALENDAR", ALL, &[], "").await.status, 201);
    let hours = |from: &str, to: &str| format!("DTSTART:20260105T{from}00Z\nDTEND:20260105T{to}00Z");
    for (name, lines) in [
        ("a", hours("1000", "1100")),
        ("b", hours("1030", "1200")),
        ("c", hours("1200", "1230")),
        ("maybe", hours("1100", "1300") + "\nSTATUS:TENTATIVE"),
        ("maybe-too", hours("1300", "1330") + "\nSTATUS:TENTATIVE"),
        ("off", hours("1400", "1500") + "\nSTATUS:CANCELLED"),
        ("free", hours("1400", "1500") + "\nTRANSP:TRANSPARENT"),
        ("instant", "DTSTART:20260105T170000Z".to_owned()),
        ("before", "DTSTART:20260104T230000Z\nDTEND:20260105T010000Z".to_owned()),
        // Five days of an hour: the first is free, the second maybe, the third excluded, the fourth at another hour.
        (
            "series",
            "DTSTART:20260105T180000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=5\nEXDATE:20260107T180000Z\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:series\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID:20260105T180000Z\nDTSTART:20260105T180000Z\n\
             DURATION:PT1H\nTRANSP:TRANSPARENT\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:series\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID:20260106T180000Z\nDTSTART:20260106T180000Z\n\
             DURATION:PT1H\nSTATUS:TENTATIVE\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:series\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID:20260108T180000Z\nDTSTART:20260108T200000Z\n\
             DURATION:PT1H"
                .to_owned(),
        ),
    ] {
        put(&talk, name, "VEVENT", &lines).await;
    }
    put(&talk, "task", "VTODO", "DTSTART:20260105T150000Z\nDUE:20260105T160000Z").await;
    let stored = "DTSTART:20260105T000000Z\nDTEND:20260106T000000Z\n\
        FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20260105T190000Z/PT1H,20260105T200000Z/PT1H\n\
        FREEBUSY;FBTYPE=FREE:20260105T210000Z/PT1H\nFREEBUSY:20260105T220000Z/PT1H";
    put(&talk, "stored", "VFREEBUSY", stored).await;
    let ask = "<C:free-busy-query xmlns:C='urn:ietf:params:xml:ns:caldav'>\
        <C:time-range start='20260105T000000Z' end='20260110T000000Z'/></C:free-busy-query>";
    for depth in ["0", "1", "infinity"] {
        let reply = talk.say("REPORT", ALL, &[("depth", depth)], ask).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let busy: Vec<&str> = reply.body.lines().filter(|line| line.starts_with("FREEBUSY")).collect();
        assert_eq!(
            busy,
            [
                "FREEBUSY:20260105T000000Z/20260105T010000Z",
                "FREEBUSY:20260105T100000Z/20260105T123000Z",
                "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260105T110000Z/20260105T133000Z",
                "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20260105T190000Z/20260105T210000Z",
                "FREEBUSY:20260105T220000Z/20260105T230000Z",
                "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260106T180000Z/20260106T190000Z",
                "FREEBUSY:20260108T200000Z/20260108T210000Z",
                "FREEBUSY:20260109T180000Z/20260109T190000Z",
            ],
            "{depth}"
        );
        for line in ["DTSTART:20260105T000000Z", "DTEND:20260110T000000Z", "BEGIN:VFREEBUSY"] {
            assert!(reply.body.contains(line), "{}", reply.body);
        }
        assert!(!reply.body.contains("SUMMARY") && !reply.body.contains("mailto"), "{}", reply.body);
    }
    for wrong in ["", "<C:time-range start='20260105T000000Z'/>", "<C:time-range start='x' end='y'/>"] {
        let body = format!("<C:free-busy-query xmlns:C='urn:ietf:params:xml:ns:caldav'>{wrong}</C:free-busy-query>");
        assert_eq!(talk.report(ALL, &body).await.status, 400, "{wrong}");
    }
}
