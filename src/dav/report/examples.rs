//! The examples of RFC 4791 §7.8 on the calendar of its Appendix B, with the RFC's own answers.

use bytes::Bytes;

use super::data::CalendarData;
use super::evaluate::{Verdict, evaluate};
use super::filter::Filter;
use crate::domain::object::CalendarObject;
use crate::ics::zone::Zone;
use crate::xml::{Document, names};

macro_rules! appendix_b {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../../fixtures/ics/rfc4791/abcd", $name, ".ics")))),*]
    };
}

/// Number and text of each object.
const APPENDIX_B: [(&str, &str); 8] = appendix_b!["1" "2" "3" "4" "5" "6" "7" "8"];

/// The objects a query finds, each as it wants it.
fn ask(query: &str) -> Vec<(&'static str, String)> {
    let body = format!(
        "<C:calendar-query xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:prop>{query}</C:calendar-query>"
    );
    let document = Document::parse(body.as_bytes(), 100_000).expect("well-formed");
    let filter = Filter::parse(document.root().child(&names::FILTER).expect("a filter")).expect("valid");
    let prop = document.root().child(&names::PROP).expect("a prop");
    let data = prop.child(&names::CALENDAR_DATA);
    let data = data.map(|data| CalendarData::parse(data).expect("valid")).unwrap_or_default();
    let mut found = Vec::new();
    for (number, text) in APPENDIX_B {
        let bytes = Bytes::from_static(text.as_bytes());
        let object = CalendarObject::parse(bytes.clone()).expect("a calendar object");
        if evaluate(&filter, &object, &Zone::Utc) == Verdict::Found {
            let text = data.render(&bytes, &Zone::Utc).expect("few instances").into_owned();
            found.push((number, text.replace("\r\n", "\n")));
        }
    }
    found
}

fn numbers(query: &str) -> Vec<&'static str> {
    ask(&format!("</D:prop><C:filter><C:comp-filter name='VCALENDAR'>{query}</C:comp-filter></C:filter>"))
        .into_iter()
        .map(|(number, _)| number)
        .collect()
}

fn stored(number: &str) -> String {
    let text = APPENDIX_B.iter().find(|(name, _)| *name == number).map(|(_, text)| *text);
    text.expect("a number").replace("\r\n", "\n")
}

/// Without the lines for which `is_dropped` holds.
fn without(text: &str, is_dropped: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| !is_dropped(line)).map(|line| format!("{line}\n")).collect()
}

/// 7.8.1: Partial Retrieval of Events by Time Range
#[test]
fn events_by_time_range_with_some_properties() {
    let found = ask("<D:getetag/><C:calendar-data><C:comp name='VCALENDAR'><C:prop name='VERSION'/>\
        <C:comp name='VEVENT'><C:prop name='SUMMARY'/><C:prop name='UID'/><C:prop name='DTSTART'/><C:prop name='DTEND'/>\
        <C:prop name='DURATION'/><C:prop name='RRULE'/><C:prop name='RDATE'/><C:prop name='EXRULE'/>\
        <C:prop name='EXDATE'/><C:prop name='RECURRENCE-ID'/></C:comp><C:comp name='VTIMEZONE'/></C:comp>\
        </C:calendar-data></D:prop><C:filter><C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'>\
        <C:time-range start='20060104T000000Z' end='20060105T000000Z'/></C:comp-filter></C:comp-filter></C:filter>");
    let dropped = |line: &str| {
        ["PRODID", "DTSTAMP", "ATTENDEE", "LAST-MODIFIED:20060206", "ORGANIZER", "SEQUENCE", "STATUS", "X-ABC"]
            .iter()
            .any(|name| line.starts_with(name))
    };
    assert_eq!(found, [("2", without(&stored("2"), dropped)), ("3", without(&stored("3"), dropped))]);
}

/// 7.8.2: Partial Retrieval of Recurring Events
#[test]
fn recurring_events_without_overrides_elsewhere() {
    let found = ask("<C:calendar-data><C:limit-recurrence-set start='20060103T000000Z' end='20060105T000000Z'/>\
        </C:calendar-data></D:prop><C:filter><C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'>\
        <C:time-range start='20060103T000000Z' end='20060105T000000Z'/></C:comp-filter></C:comp-filter></C:filter>");
    let second = stored("2");
    let last = second.rfind("BEGIN:VEVENT").expect("three");
    assert!(second[last..].contains("bis bis"));
    assert_eq!(found, [("2", format!("{}END:VCALENDAR\n", &second[..last])), ("3", stored("3"))]);
}

/// 7.8.3: Expanded Retrieval of Recurring Events
#[test]
fn recurring_events_as_instances_in_utc() {
    let found = ask("<C:calendar-data><C:expand start='20060103T000000Z' end='20060105T000000Z'/></C:calendar-data>\
        </D:prop><C:filter><C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'>\
        <C:time-range start='20060103T000000Z' end='20060105T000000Z'/></C:comp-filter></C:comp-filter></C:filter>");
    let second = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example Corp.//CalDAV Client//EN\n\
        BEGIN:VEVENT\nDTSTAMP:20060206T001121Z\nDTSTART:20060103T170000Z\nDURATION:PT1H\nSUMMARY:Event #2\n\
        UID:00959BC664CA650E933C892C@example.com\nRECURRENCE-ID:20060103T170000Z\nEND:VEVENT\n\
        BEGIN:VEVENT\nDTSTAMP:20060206T001121Z\nDTSTART:20060104T190000Z\nDURATION:PT1H\n\
        RECURRENCE-ID:20060104T170000Z\nSUMMARY:Event #2 bis\nUID:00959BC664CA650E933C892C@example.com\nEND:VEVENT\n\
        END:VCALENDAR\n";
    let third = stored("3").replace("DTSTART;TZID=US/Eastern:20060104T100000", "DTSTART:20060104T150000Z");
    let (zone, event) = (third.find("BEGIN:VTIMEZONE").expect("one"), third.find("BEGIN:VEVENT").expect("one"));
    assert_eq!(found, [("2", second.to_owned()), ("3", format!("{}{}", &third[..zone], &third[event..]))]);
}

/// 7.8.4: Partial Retrieval of Stored Free Busy Components
#[test]
fn stored_busy_times_of_a_day() {
    let found = ask("<C:calendar-data><C:limit-freebusy-set start='20060102T000000Z' end='20060103T000000Z'/>\
        </C:calendar-data></D:prop><C:filter><C:comp-filter name='VCALENDAR'><C:comp-filter name='VFREEBUSY'>\
        <C:time-range start='20060102T000000Z' end='20060103T000000Z'/></C:comp-filter></C:comp-filter></C:filter>");
    let tentative = "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20060102T100000Z/20060102T120000Z";
    assert_eq!(found, [("8", without(&stored("8"), |line| line.starts_with("FREEBUSY") && line != tentative))]);
}

/// 7.8.5: Retrieval of To-Dos by Alarm Time Range
#[test]
fn tasks_whose_alarm_rings_in_time() {
    let alarm = |from: &str, to: &str| {
        numbers(&format!(
            "<C:comp-filter name='VTODO'><C:comp-filter name='VALARM'><C:time-range start='{from}' end='{to}'/>\
             </C:comp-filter></C:comp-filter>"
        ))
    };
    assert_eq!(alarm("20060106T100000Z", "20060107T100000Z"), ["5"]);
    assert_eq!(alarm("20060106T165000Z", "20060106T165001Z"), ["5"], "ten minutes before it is due");
    assert_eq!(alarm("20060106T165001Z", "20060107T100000Z"), [""; 0]);
}

/// 7.8.6: Retrieval of Event by UID
#[test]
fn an_event_by_uid() {
    let by = |uid: &str| {
        numbers(&format!(
            "<C:comp-filter name='VEVENT'><C:prop-filter name='UID'><C:text-match collation='i;octet'>{uid}\
             </C:text-match></C:prop-filter></C:comp-filter>"
        ))
    };
    assert_eq!(by("DC6C50A017428C5216A2F1CD@example.com"), ["3"]);
    assert_eq!(by("dc6c50a017428c5216a2f1cd@example.com"), [""; 0]);
}

/// 7.8.7: Retrieval of Events by PARTSTAT
#[test]
fn events_somebody_has_not_answered() {
    let by = |address: &str, status: &str| {
        numbers(&format!(
            "<C:comp-filter name='VEVENT'><C:prop-filter name='ATTENDEE'>\
             <C:text-match collation='i;ascii-casemap'>{address}</C:text-match><C:param-filter name='PARTSTAT'>\
             <C:text-match collation='i;ascii-casemap'>{status}</C:text-match></C:param-filter></C:prop-filter>\
             </C:comp-filter>"
        ))
    };
    assert_eq!(by("mailto:lisa@example.com", "NEEDS-ACTION"), ["3"]);
    assert_eq!(by("mailto:lisa@example.com", "ACCEPTED"), [""; 0], "both hold of one attendee, not of two");
}

/// 7.8.8: Retrieval of Events Only
#[test]
fn events_only() {
    assert_eq!(numbers("<C:comp-filter name='VEVENT'/>"), ["1", "2", "3"]);
}

/// 7.8.9: Retrieval of All Pending To-Dos
#[test]
fn pending_tasks() {
    let pending = "<C:comp-filter name='VTODO'><C:prop-filter name='COMPLETED'><C:is-not-defined/></C:prop-filter>\
        <C:prop-filter name='STATUS'><C:text-match negate-condition='yes'>CANCELLED</C:text-match></C:prop-filter>\
        </C:comp-filter>";
    assert_eq!(numbers(pending), ["4", "5"]);
}

/// 7.8.10 shows a server that cannot search unknown properties. This one can.
#[test]
fn events_by_a_property_of_somebodys_own() {
    let by = |text: &str| {
        numbers(&format!(
            "<C:comp-filter name='VEVENT'><C:prop-filter name='X-ABC-GUID'><C:text-match>{text}</C:text-match>\
             </C:prop-filter></C:comp-filter>"
        ))
    };
    assert_eq!((by("ABC"), by("e1cx5dr-0007YM")), (vec![], vec!["3"]));
}
