//! The examples of RFC 4791 §7.8 and §7.10, asked as a client asks, of one calendar with all of Appendix B in it.
//! What the data of each looks like is held against the RFC's own text where reports are made.

use crate::asking::{ada, fixture, found, query};
use crate::support;

const ALL: &str = "/dav/calendars/ada/bernard/";

#[tokio::test]
async fn each_example_finds_what_the_rfc_says() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    assert_eq!(talk.say("MKCALENDAR", ALL, &[], "").await.status, 201);
    for number in 1..=8 {
        talk.put(&format!("{ALL}abcd{number}.ics"), &fixture(&format!("ics/rfc4791/abcd{number}.ics"))).await;
    }
    let comp = |name: &str, inside: &str| format!("<C:comp-filter name='{name}'>{inside}</C:comp-filter>");
    let range = |from: &str, to: &str| format!("<C:time-range start='{from}' end='{to}'/>");
    let prop = |name: &str, inside: &str| format!("<C:prop-filter name='{name}'>{inside}</C:prop-filter>");
    let two_days = range("20060103T000000Z", "20060105T000000Z");
    let attendee = "<C:text-match collation='i;ascii-casemap'>mailto:lisa@example.com</C:text-match>\
        <C:param-filter name='PARTSTAT'><C:text-match collation='i;ascii-casemap'>NEEDS-ACTION</C:text-match>\
        </C:param-filter>";
    let pending = prop("COMPLETED", "<C:is-not-defined/>")
        + &prop("STATUS", "<C:text-match negate-condition='yes'>CANCELLED</C:text-match>");
    let data = |inside: &str| format!("<D:getetag/><C:calendar-data>{inside}</C:calendar-data>");
    let window = |name: &str, from: &str, to: &str| data(&format!("<C:{name} start='{from}' end='{to}'/>"));
    for (section, wanted, filter, expected) in [
        ("7.8.1", data(""), comp("VEVENT", &range("20060104T000000Z", "20060105T000000Z")), &[2, 3][..]),
        (
            "7.8.2",
            window("limit-recurrence-set", "20060103T000000Z", "20060105T000000Z"),
            comp("VEVENT", &two_days),
            &[2, 3],
        ),
        ("7.8.3", window("expand", "20060103T000000Z", "20060105T000000Z"), comp("VEVENT", &two_days), &[2, 3]),
        (
            "7.8.4",
            window("limit-freebusy-set", "20060102T000000Z", "20060103T000000Z"),
            comp("VFREEBUSY", &range("20060102T000000Z", "20060103T000000Z")),
            &[8],
        ),
        ("7.8.5", data(""), comp("VTODO", &comp("VALARM", &range("20060106T100000Z", "20060107T100000Z"))), &[5]),
        (
            "7.8.6",
            data(""),
            comp(
                "VEVENT",
                &prop("UID", "<C:text-match collation='i;octet'>DC6C50A017428C5216A2F1CD@example.com</C:text-match>"),
            ),
            &[3],
        ),
        ("7.8.7", data(""), comp("VEVENT", &prop("ATTENDEE", attendee)), &[3]),
        ("7.8.8", data(""), comp("VEVENT", ""), &[1, 2, 3]),
        ("7.8.9", data(""), comp("VTODO", &pending), &[4, 5]),
    ] {
        let expected: Vec<String> = expected.iter().map(|number| format!("abcd{number}.ics")).collect();
        for depth in ["1", "0"] {
            let reply = talk.say("REPORT", ALL, &[("depth", depth)], query(&wanted, &filter)).await;
            assert_eq!(found(&reply), expected, "{section}: {}", reply.body);
            assert_eq!(reply.body.matches("END:VCALENDAR").count(), expected.len(), "{section}");
        }
    }
    // §7.10.1: a tentative hour and a firm one.
    let busy = "<C:free-busy-query xmlns:C='urn:ietf:params:xml:ns:caldav'>\
        <C:time-range start='20060104T140000Z' end='20060104T220000Z'/></C:free-busy-query>";
    let reply = talk.report(ALL, busy).await;
    let lines: Vec<&str> = reply.body.lines().filter(|line| line.starts_with("FREEBUSY")).collect();
    assert_eq!(
        lines,
        [
            "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20060104T150000Z/20060104T160000Z",
            "FREEBUSY:20060104T190000Z/20060104T200000Z",
        ]
    );
}
