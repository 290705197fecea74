//! `CALDAV:calendar-data` (RFC 4791 §9.6): an object as a report wants it.
//!
//! Job: read the request element, write the text. Neighbours: `expand`, `limit` and `select` each do one part of it. It
//! must never change what is stored: whatever it leaves out, the tag stays that of the stored bytes.

use std::borrow::Cow;

use bytes::Bytes;

use super::expand::{TooManyInstances, expand};
use super::limit::{limit_freebusy_set, limit_recurrence_set};
use super::range::{self, RangeError};
use super::select::Selection;
use crate::domain::object::CalendarObject;
use crate::domain::recurrence::Window;
use crate::ics::zone::Zone;
use crate::ics::{Component, Document};
use crate::xml::{Element, names};

/// Why calendar data cannot be asked for in this way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// `CALDAV:supported-calendar-data`
    #[error("calendar data is text/calendar of version 2.0 and nothing else")]
    Unsupported,
    /// The element itself is wrong.
    #[error("calendar-data: {0}")]
    Malformed(&'static str),
    /// A range in it is wrong.
    #[error("calendar-data: {0}")]
    Range(#[from] RangeError),
}

/// What is wanted of each object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalendarData {
    selection: Option<Selection>,
    instances: Instances,
    free_busy: Option<Window>,
    zones: ZoneDefinitions,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Instances {
    #[default]
    AsStored,
    Expanded(Window),
    Limited(Window),
}

/// Whether definitions of standard time zones are sent along (RFC 7809 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZoneDefinitions {
    /// As they are stored.
    #[default]
    Kept,
    /// Left out: the client has them.
    ByReference,
}

impl CalendarData {
    /// Reads the element out of a `DAV:prop`.
    ///
    /// # Errors
    /// Another format than iCalendar, or a wrong element.
    pub fn parse(element: &Element) -> Result<CalendarData, DataError> {
        let media_type = element.attribute("content-type").map(|kind| kind.split(';').next().unwrap_or(kind).trim());
        if media_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("text/calendar"))
            || element.attribute("version").is_some_and(|version| version != "2.0")
        {
            return Err(DataError::Unsupported);
        }
        let selection = element.child(&names::COMP).map(Selection::parse).transpose().map_err(DataError::Malformed)?;
        let window = |name: &crate::xml::Name| element.child(name).map(range::closed).transpose();
        let instances = match (window(&names::EXPAND)?, window(&names::LIMIT_RECURRENCE_SET)?) {
            (None, None) => Instances::AsStored,
            (Some(window), None) => Instances::Expanded(window),
            (None, Some(window)) => Instances::Limited(window),
            (Some(_), Some(_)) => {
                return Err(DataError::Malformed("expand and limit-recurrence-set exclude each other"));
            }
        };
        let free_busy = window(&names::LIMIT_FREEBUSY_SET)?;
        Ok(CalendarData { selection, instances, free_busy, zones: ZoneDefinitions::Kept })
    }

    /// The same with time zones as the request's header wants them.
    #[must_use]
    pub fn with_zones(self, zones: ZoneDefinitions) -> CalendarData {
        CalendarData { zones, ..self }
    }

    /// The text of a stored object.
    ///
    /// # Errors
    /// It has too many instances to be expanded.
    pub fn render<'b>(&self, stored: &'b Bytes, reader: &Zone) -> Result<Cow<'b, str>, TooManyInstances> {
        if *self == CalendarData::default() {
            return Ok(whole(stored));
        }
        // What cannot be read is served as it is; a PUT would not have let it in.
        let Ok(object) = CalendarObject::from_stored(stored.clone()) else { return Ok(whole(stored)) };
        let Some(calendar) = self.arranged(&object, reader)? else { return Ok(whole(stored)) };
        Ok(Cow::Owned(Document::new(calendar).to_text()))
    }

    fn arranged(&self, object: &CalendarObject, reader: &Zone) -> Result<Option<Component>, TooManyInstances> {
        let calendar = match self.instances {
            Instances::AsStored => object.document().calendar().cloned(),
            Instances::Expanded(window) => Some(expand(object, window, reader)?),
            Instances::Limited(window) => limit_recurrence_set(object, window, reader),
        };
        let Some(mut calendar) = calendar else { return Ok(None) };
        if let Some(window) = self.free_busy {
            limit_freebusy_set(&mut calendar, window, reader);
        }
        if self.zones == ZoneDefinitions::ByReference {
            calendar.retain_components(|component| !component.is("VTIMEZONE") || !is_standard(component));
        }
        Ok(Some(match &self.selection {
            Some(selection) => selection.of(&calendar),
            None => calendar,
        }))
    }
}

/// Whether a VTIMEZONE defines a zone that everybody has by this very name.
fn is_standard(component: &Component) -> bool {
    component.property("TZID").is_some_and(|tzid| Zone::iana(tzid.value().trim()).is_some())
}

/// The bytes as text: as they are, or without a byte order mark and with lines folded anew where they were folded
/// inside a character, since XML carries characters.
fn whole(stored: &Bytes) -> Cow<'_, str> {
    match std::str::from_utf8(stored) {
        Ok(text) => Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(_) => match Document::parse(stored) {
            Ok(document) => Cow::Owned(document.to_text()),
            Err(_) => String::from_utf8_lossy(stored),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Document as Xml;

    fn parse(attributes: &str, inside: &str) -> Result<CalendarData, DataError> {
        let body =
            format!("<calendar-data xmlns='urn:ietf:params:xml:ns:caldav' {attributes}>{inside}</calendar-data>");
        let document = Xml::parse(body.as_bytes(), 1_000_000).expect("well-formed");
        CalendarData::parse(document.root())
    }

    /// The lines of what comes back for an object with these lines, without those that never differ.
    fn render_in(zone: &str, lines: &str, inside: &str) -> Result<Vec<String>, TooManyInstances> {
        let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{lines}\nEND:VCALENDAR\n").replace('\n', "\r\n");
        let reader = Zone::named(zone).expect("a zone");
        let data = parse("", inside).expect("valid");
        let stored = Bytes::from(text);
        let text = data.render(&stored, &reader)?.into_owned();
        assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.ends_with("END:VCALENDAR\r\n"), "{text}");
        let boring = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "UID:u", "END:VEVENT", "END:VCALENDAR"];
        Ok(text.lines().filter(|line| !boring.contains(line)).map(str::to_owned).collect())
    }

    fn expanded(lines: &str, from: &str, to: &str) -> Vec<String> {
        render_in("UTC", lines, &format!("<expand start='{from}' end='{to}'/>")).expect("few instances")
    }

    #[test]
    fn other_formats_and_wrong_elements_are_refused() {
        for attributes in ["content-type='application/calendar+json'", "version='1.0'", "content-type=''"] {
            assert_eq!(parse(attributes, ""), Err(DataError::Unsupported), "{attributes}");
        }
        assert_eq!(parse("content-type='Text/Calendar; charset=utf-8' version='2.0'", ""), Ok(CalendarData::default()));
        let range = "start='20260101T000000Z' end='20270101T000000Z'";
        for inside in [
            "<expand start='20260101T000000Z'/>",
            "<expand/>",
            "<limit-recurrence-set end='20260101T000000Z'/>",
            "<limit-freebusy-set start='20260101' end='20270101'/>",
            &format!("<expand {range}/><limit-recurrence-set {range}/>"),
            "<comp/>",
            "<comp name='VEVENT'/>",
            "<comp name='VCALENDAR'><prop/></comp>",
            "<comp name='VCALENDAR'><prop name='X' novalue='perhaps'/></comp>",
            &format!("<comp name='VCALENDAR'>{}</comp>", "<prop name='X'/>".repeat(super::super::select::NAMES_MAX)),
        ] {
            assert!(matches!(parse("", inside), Err(DataError::Malformed(_) | DataError::Range(_))), "{inside}");
        }
    }

    #[test]
    fn stored_bytes_come_back_unless_xml_cannot_carry_them() {
        let whole = |bytes: &'static [u8]| {
            CalendarData::default().render(&Bytes::from_static(bytes), &Zone::Utc).expect("nothing to do").into_owned()
        };
        assert_eq!(whole(b"BEGIN:VCALENDAR\nx:1\n y\n\nEND:VCALENDAR"), "BEGIN:VCALENDAR\nx:1\n y\n\nEND:VCALENDAR");
        assert_eq!(whole(b"\xef\xbb\xbfBEGIN:A\nEND:A\n"), "BEGIN:A\nEND:A\n");
        assert_eq!(whole(b"BEGIN:A\r\nX:\xc3\r\n \xa9\r\nEND:A\r\n"), "BEGIN:A\r\nX:\u{e9}\r\nEND:A\r\n");
    }

    #[test]
    fn what_is_selected_comes_with_or_without_its_value() {
        let lines = "METHOD:PUBLISH\nBEGIN:VTIMEZONE\nTZID:Z\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:u\nDTSTART;TZID=Z:20260101T100000\n\
            SUMMARY;LANGUAGE=en:a\nBEGIN:VALARM\nACTION:AUDIO\nTRIGGER:PT0S\nEND:VALARM\nEND:VEVENT";
        let select = |inside: &str| {
            let comp = format!("<comp name='vcalendar'>{inside}</comp>");
            render_in("UTC", lines, &comp).expect("nothing to expand").join("|")
        };
        assert_eq!(select("<allprop/>"), "METHOD:PUBLISH");
        assert_eq!(select("<comp name='VEVENT'><prop name='UID'/></comp>"), "BEGIN:VEVENT");
        assert_eq!(
            select(
                "<comp name='VEVENT'><prop name='DTSTART' novalue='yes'/><prop name='summary' novalue='no'/></comp>"
            ),
            "BEGIN:VEVENT|DTSTART;TZID=Z:|SUMMARY;LANGUAGE=en:a"
        );
        assert_eq!(
            select("<comp name='VEVENT'><comp name='VALARM'><prop name='ACTION'/></comp></comp>"),
            "BEGIN:VEVENT|BEGIN:VALARM|ACTION:AUDIO|END:VALARM"
        );
        assert_eq!(select("<comp name='VTIMEZONE'/>"), "BEGIN:VTIMEZONE|TZID:Z|END:VTIMEZONE");
        assert!(select("<allprop/><allcomp/>").contains("METHOD:PUBLISH|BEGIN:VTIMEZONE"));
        assert_eq!(select("").lines().count(), 1);
    }

    #[test]
    fn instances_are_expanded_with_overrides_and_without_what_is_excluded() {
        let lines = "BEGIN:VEVENT\nUID:u\nDTSTART;TZID=Europe/Berlin:20260327T093000\nDTEND;TZID=Europe/Berlin:20260327T100000\n\
            RRULE:FREQ=DAILY\nEXDATE;TZID=Europe/Berlin:20260328T093000\nX-AT;TZID=Europe/Berlin:20260327T120000\nEND:VEVENT\n\
            BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;TZID=Europe/Berlin:20260330T093000\nDTSTART;TZID=Europe/Berlin:20260330T180000\n\
            DTEND;TZID=Europe/Berlin:20260330T190000\nSUMMARY:late\nEND:VEVENT";
        assert_eq!(
            expanded(lines, "20260327T000000Z", "20260331T000000Z"),
            [
                "BEGIN:VEVENT",
                "DTSTART:20260327T083000Z",
                "DTEND:20260327T090000Z",
                "X-AT:20260327T110000Z",
                "RECURRENCE-ID:20260327T083000Z",
                "BEGIN:VEVENT",
                "DTSTART:20260329T073000Z",
                "DTEND:20260329T080000Z",
                "X-AT:20260327T110000Z",
                "RECURRENCE-ID:20260329T073000Z",
                "BEGIN:VEVENT",
                "RECURRENCE-ID:20260330T073000Z",
                "DTSTART:20260330T160000Z",
                "DTEND:20260330T170000Z",
                "SUMMARY:late",
            ]
        );
    }

    #[test]
    fn an_override_moved_into_the_range_comes_and_one_moved_out_goes() {
        let series = |moved: &str| {
            format!(
                "BEGIN:VEVENT\nUID:u\nDTSTART:20260101T100000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY\nEND:VEVENT\n\
                 BEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20260201T100000Z\nDTSTART:{moved}\nDURATION:PT1H\nEND:VEVENT"
            )
        };
        let february = |moved| expanded(&series(moved), "20260201T000000Z", "20260301T000000Z").join("|");
        assert_eq!(february("20260304T100000Z"), "");
        let march = expanded(&series("20260304T100000Z"), "20260302T000000Z", "20260401T000000Z").join("|");
        assert_eq!(march, "BEGIN:VEVENT|RECURRENCE-ID:20260201T100000Z|DTSTART:20260304T100000Z|DURATION:PT1H");
    }

    #[test]
    fn days_and_floating_times_stay_what_they_are() {
        let days = "BEGIN:VEVENT\nUID:u\nDTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260107\nRRULE:FREQ=WEEKLY;COUNT=2\nEND:VEVENT";
        assert_eq!(
            expanded(days, "20260112T000000Z", "20260113T000000Z"),
            [
                "BEGIN:VEVENT",
                "DTSTART;VALUE=DATE:20260112",
                "DTEND;VALUE=DATE:20260114",
                "RECURRENCE-ID;VALUE=DATE:20260112"
            ]
        );
        let floating = "BEGIN:VEVENT\nUID:u\nDTSTART:20260105T100000\nRRULE:FREQ=WEEKLY;COUNT=2\nEND:VEVENT";
        let range = "<expand start='20260112T150000Z' end='20260112T150001Z'/>";
        let found = render_in("America/New_York", floating, range).expect("few");
        assert_eq!(found, ["BEGIN:VEVENT", "DTSTART:20260112T100000", "RECURRENCE-ID:20260112T100000"]);
        assert_eq!(render_in("UTC", floating, range), Ok(vec![]));
    }

    #[test]
    fn lengths_in_utc_are_what_they_really_are() {
        let across = "BEGIN:VEVENT\nUID:u\nDTSTART;TZID=Europe/Berlin:20260328T120000\nDURATION:P1D\n\
            RDATE;TZID=Europe/Berlin;VALUE=PERIOD:20260401T120000/PT3H\nEND:VEVENT";
        assert_eq!(
            expanded(across, "20260301T000000Z", "20260501T000000Z"),
            [
                "BEGIN:VEVENT",
                "DTSTART:20260328T110000Z",
                "DURATION:PT23H",
                "RECURRENCE-ID:20260328T110000Z",
                "BEGIN:VEVENT",
                "DTSTART:20260401T100000Z",
                "DURATION:PT3H",
                "RECURRENCE-ID:20260401T100000Z",
            ]
        );
    }

    #[test]
    fn this_and_future_is_told_of_each_instance() {
        let lines = "BEGIN:VEVENT\nUID:u\nDTSTART:20260101T100000Z\nRRULE:FREQ=DAILY;COUNT=4\nEND:VEVENT\nBEGIN:VEVENT\nUID:u\n\
            RECURRENCE-ID;RANGE=THISANDFUTURE:20260103T100000Z\nDTSTART:20260103T120000Z\nSUMMARY:later\nEND:VEVENT";
        let found = expanded(lines, "20260102T000000Z", "20260201T000000Z");
        let starts: Vec<&str> = found.iter().filter(|l| l.starts_with("DTSTART")).map(String::as_str).collect();
        let ids: Vec<&str> = found.iter().filter(|l| l.starts_with("RECURRENCE")).map(String::as_str).collect();
        assert_eq!(starts, ["DTSTART:20260102T100000Z", "DTSTART:20260103T120000Z", "DTSTART:20260104T120000Z"]);
        assert_eq!(
            ids,
            ["RECURRENCE-ID:20260102T100000Z", "RECURRENCE-ID:20260103T100000Z", "RECURRENCE-ID:20260104T100000Z"]
        );
    }

    #[test]
    fn undated_tasks_and_busy_times_stand_as_they_are() {
        for lines in [
            "BEGIN:VTODO\nUID:u\nSUMMARY:some day\nEND:VTODO",
            "BEGIN:VFREEBUSY\nUID:u\nDTSTART:20200101T000000Z\nFREEBUSY:20200101T000000Z/PT1H\nEND:VFREEBUSY",
        ] {
            let found = expanded(lines, "20260101T000000Z", "20270101T000000Z");
            let expected: Vec<&str> = lines.lines().filter(|line| *line != "UID:u").collect();
            assert_eq!(found, expected);
        }
        let due = "BEGIN:VTODO\nUID:u\nDUE;TZID=Europe/Berlin:20260601T120000\nEND:VTODO";
        assert_eq!(
            expanded(due, "20260101T000000Z", "20270101T000000Z"),
            ["BEGIN:VTODO", "DUE:20260601T100000Z", "END:VTODO"]
        );
    }

    #[test]
    fn too_many_instances_are_said_to_be_too_many() {
        let endless = "BEGIN:VEVENT\nUID:u\nDTSTART:20200101T000000Z\nRRULE:FREQ=MINUTELY\nEND:VEVENT";
        let range = "<expand start='20260101T000000Z' end='20270101T000000Z'/>";
        assert_eq!(render_in("UTC", endless, range), Err(TooManyInstances));
        let long = format!(
            "BEGIN:VEVENT\nUID:u\nDTSTART:20200101T000000Z\nRRULE:FREQ=HOURLY\nDESCRIPTION:{}\nEND:VEVENT",
            "x".repeat(5_000)
        );
        assert_eq!(render_in("UTC", &long, range), Err(TooManyInstances));
    }

    #[test]
    fn busy_times_are_cut_to_the_range_by_item() {
        let lines = "BEGIN:VFREEBUSY\nUID:u\nFREEBUSY:20260101T000000Z/PT1H,20260102T000000Z/P1D,junk\n\
            FREEBUSY;FBTYPE=FREE:20260301T000000Z/20260302T000000Z\nEND:VFREEBUSY";
        let range = "<limit-freebusy-set start='20260102T230000Z' end='20260103T000000Z'/>";
        let found = render_in("UTC", lines, range).expect("nothing to expand");
        assert_eq!(found, ["BEGIN:VFREEBUSY", "FREEBUSY:20260102T000000Z/P1D,junk", "END:VFREEBUSY"]);
    }

    #[test]
    fn zones_that_everybody_has_can_be_left_out() {
        let zone = |name: &str| format!("BEGIN:VTIMEZONE\r\nTZID:{name}\r\nEND:VTIMEZONE\r\n");
        let text = format!(
            "BEGIN:VCALENDAR\r\n{}{}BEGIN:VEVENT\r\nUID:u\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            zone("Europe/Berlin"),
            zone("Our Office")
        );
        let data = CalendarData::default().with_zones(ZoneDefinitions::ByReference);
        let stored = Bytes::from(text.clone());
        let found = data.render(&stored, &Zone::Utc).expect("nothing to expand");
        assert_eq!(found, text.replace(&zone("Europe/Berlin"), ""));
    }
}
