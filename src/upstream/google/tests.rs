//! Translations that people would notice if they were wrong, one by one.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::lens::held::Held;
use super::*;

/// A connector that nobody asks anything.
pub(super) fn google() -> Google {
    struct Nobody;
    impl Transport for Nobody {
        fn send(
            &self,
            _: ::http::Request<Bytes>,
            _: super::super::http::Limits,
        ) -> futures_util::future::BoxFuture<'_, Result<::http::Response<Bytes>, super::super::http::TransportError>>
        {
            async { Err(super::super::http::TransportError::Unsent("nobody".into())) }.boxed()
        }
    }
    let clock = crate::domain::time::ManualClock::at(Instant::from_ms(0));
    Google::new(Arc::new(Nobody), Arc::new(clock), API_URL.into())
}

pub(super) const BERLIN: Lens<'static> = Lens { zone: "Europe/Berlin", mark: "mark", attendees_live: false };

pub(super) fn object(lines: &str) -> CalendarObject {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//T//T//EN\n{lines}\nEND:VCALENDAR\n");
    CalendarObject::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("a lawful object")
}

pub(super) fn event(lines: &str) -> CalendarObject {
    object(&format!("BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\n{lines}\nEND:VEVENT"))
}

fn sent(object: &CalendarObject) -> Value {
    let out = google().get(object, None, BERLIN).expect("expressible");
    serde_json::from_str(&out.payload).expect("JSON")
}

fn item(master: Value, exceptions: Value) -> Snapshot {
    let held = json!({ "master": master, "exceptions": exceptions });
    let held: Held = serde_json::from_value(held).expect("a snapshot");
    held.snapshot()
}

fn single(fields: Value) -> Snapshot {
    let mut event = json!({ "id": "x", "iCalUID": "x@google.com", "updated": "2026-11-01T08:00:00.000Z",
        "created": "2026-10-01T08:00:00.000Z", "start": { "date": "2026-12-24" }, "end": { "date": "2026-12-25" } });
    let fields = fields.as_object().cloned().unwrap_or_default();
    event.as_object_mut().expect("an object").extend(fields);
    item(event, json!({}))
}

fn text(object: &CalendarObject) -> String {
    String::from_utf8_lossy(object.bytes()).replace("\r\n ", "").replace("\r\n", "\n")
}

#[test]
fn nine_in_los_angeles_is_noon_in_new_york_in_every_week() {
    // Weeks in which the United States, Europe, both or neither have changed their clocks.
    for day in [
        "20260115", "20260307", "20260308", "20260310", "20260329", "20260330", "20260701", "20261024", "20261025",
        "20261028", "20261031", "20261101", "20261102",
    ] {
        let object =
            event(&format!("DTSTART;TZID=America/Los_Angeles:{day}T090000\nDTEND;TZID=America/New_York:{day}T130000"));
        let sent = sent(&object);
        let snapshot = item(sent["master"].clone(), json!({}));
        let instant =
            |value: &Value| value["dateTime"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
        let new_york = jiff::tz::TimeZone::get("America/New_York").expect("a zone");
        let noon = new_york.to_datetime(instant(&sent["master"]["start"]));
        assert_eq!((noon.hour(), noon.minute()), (12, 0), "{day}");
        assert_eq!(sent["master"]["start"]["timeZone"], "America/Los_Angeles");
        assert_eq!(instant(&sent["master"]["end"]).duration_since(instant(&sent["master"]["start"])).as_secs(), 3600);
        let back = google().put(&snapshot, Some(&object), BERLIN).expect("an object");
        assert_eq!(back.bytes(), object.bytes(), "{day}");
    }
}

#[test]
fn a_new_item_becomes_an_object_with_its_zone() {
    let snapshot = single(json!({ "summary": "Call, late", "location": "Room; 5", "status": "tentative",
        "description": "<p>Hi <b>all</b></p><p>bye</p>", "visibility": "private", "transparency": "transparent",
        "sequence": 2,
        "start": { "dateTime": "2026-07-01T18:00:00+02:00", "timeZone": "America/Los_Angeles" },
        "end": { "dateTime": "2026-07-01T19:00:00+02:00", "timeZone": "America/Los_Angeles" },
        "reminders": { "useDefault": false, "overrides": [{ "method": "popup", "minutes": 15 }] },
        "attendees": [{ "email": "bob@example.org", "displayName": "Bob", "responseStatus": "accepted" }],
        "organizer": { "email": "ada@example.org", "self": true },
        "conferenceData": { "entryPoints": [{ "entryPointType": "video", "uri": "https://meet.example.org/a" }] } }));
    let object = google().put(&snapshot, None, BERLIN).expect("an object");
    let text = text(&object);
    for line in [
        "UID:x@google.com\n",
        "SUMMARY:Call\\, late\n",
        "LOCATION:Room\\; 5\n",
        "DESCRIPTION:Hi all\\nbye\n",
        "X-ALT-DESC;FMTTYPE=text/html:<p>Hi <b>all</b></p><p>bye</p>\n",
        "DTSTART;TZID=America/Los_Angeles:20260701T090000\n",
        "DTEND;TZID=America/Los_Angeles:20260701T100000\n",
        "TZID:America/Los_Angeles\n",
        "STATUS:TENTATIVE\n",
        "CLASS:PRIVATE\n",
        "TRANSP:TRANSPARENT\n",
        "TRIGGER:-PT15M\n",
        "PARTSTAT=ACCEPTED:mailto:bob@example.org\n",
        "ORGANIZER:mailto:ada@example.org\n",
        "CONFERENCE;VALUE=URI;FEATURE=VIDEO:https://meet.example.org/a\n",
        "SEQUENCE:2\n",
        "DTSTAMP:20261101T080000Z\n",
        "CREATED:20261001T080000Z\n",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    let out = google().get(&object, Some(&snapshot), BERLIN).expect("expressible");
    assert!(google().says(&snapshot, &out), "{}", out.payload);
    let again = google().put(&snapshot, Some(&object), BERLIN).expect("an object");
    assert_eq!(again.bytes(), object.bytes());
}

#[test]
fn an_edit_there_touches_the_line_it_is_about() {
    let lines = "SUMMARY:Old\nx-mine;a=1:kept\nDTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261225\nCATEGORIES:A\nGEO:1;2\n\
        ATTACH:https://example.org/a\nBEGIN:VALARM\nACTION:DISPLAY\nTRIGGER;RELATED=END:PT5M\nEND:VALARM";
    let object = event(lines);
    let snapshot = single(json!({ "summary": "New" }));
    let changed = google().put(&snapshot, Some(&object), BERLIN).expect("an object");
    let expected = text(&object)
        .replace("SUMMARY:Old", "SUMMARY:New")
        .replace("DTSTAMP:20260101T000000Z", "DTSTAMP:20261101T080000Z")
        .replace("ATTACH:https://example.org/a\n", "ATTACH:https://example.org/a\nLAST-MODIFIED:20261101T080000Z\n");
    assert_eq!(text(&changed), expected);
}

#[test]
fn a_day_stays_a_day() {
    for (lines, start, end) in [
        ("DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227", "2026-12-24", "2026-12-27"),
        ("DTSTART;VALUE=DATE:20261224", "2026-12-24", "2026-12-25"),
        ("DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261224", "2026-12-24", "2026-12-25"),
        ("DTSTART;VALUE=DATE:20261224\nDURATION:P2D", "2026-12-24", "2026-12-26"),
    ] {
        let object = event(lines);
        let sent = sent(&object);
        assert_eq!(sent["master"]["start"], json!({ "date": start }), "{lines}");
        assert_eq!(sent["master"]["end"], json!({ "date": end }), "{lines}");
        let back = google().put(&item(sent["master"].clone(), json!({})), Some(&object), BERLIN).expect("an object");
        assert_eq!(back.bytes(), object.bytes(), "{lines}");
    }
}

#[test]
fn a_floating_time_is_the_calendars_and_floats_on() {
    let object = event("DTSTART:20260701T090000\nDTEND:20260701T100000");
    let mut master = sent(&object)["master"].clone();
    assert_eq!(master["start"], json!({ "dateTime": "2026-07-01T09:00:00+02:00", "timeZone": "Europe/Berlin" }));
    master["start"]["dateTime"] = json!("2026-07-01T08:30:00+02:00");
    let moved = google().put(&item(master, json!({})), Some(&object), BERLIN).expect("an object");
    assert!(text(&moved).contains("DTSTART:20260701T083000\n"), "{}", text(&moved));
}

#[test]
fn zones_by_other_names_are_told_by_their_own() {
    let windows = event(
        "DTSTART;TZID=W. Europe Standard Time:20260701T090000\nDTEND;TZID=W. Europe Standard Time:20260701T100000",
    );
    assert_eq!(sent(&windows)["master"]["start"]["timeZone"], "Europe/Berlin");
    let own = "BEGIN:VTIMEZONE\nTZID:Mine\nBEGIN:STANDARD\nDTSTART:16010101T000000\nTZOFFSETFROM:-0230\nTZOFFSETTO:-0230\n\
        END:STANDARD\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nDTSTART;TZID=Mine:20260701T090000\n";
    let single = object(&format!("{own}END:VEVENT"));
    assert_eq!(sent(&single)["master"]["start"], json!({ "dateTime": "2026-07-01T11:30:00Z", "timeZone": "UTC" }));
    let series = object(&format!("{own}RRULE:FREQ=DAILY\nEND:VEVENT"));
    assert!(google().get(&series, None, BERLIN).is_err(), "a series cannot be told in another zone");
    let unknown = event("DTSTART;TZID=Nowhere:20260701T090000");
    assert_eq!(google().get(&unknown, None, BERLIN).expect("expressible").warnings.len(), 1);
}

const SERIES: &str = "BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nSUMMARY:Daily\nDTSTART;TZID=Europe/Berlin:20261020T090000\n\
    DTEND;TZID=Europe/Berlin:20261020T100000\nRRULE:FREQ=DAILY;UNTIL=20261101T080000Z\nEXDATE;TZID=Europe/Berlin:20261022T090000\nEND:VEVENT\n\
    BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nSUMMARY:Moved\nRECURRENCE-ID;TZID=Europe/Berlin:20261026T090000\n\
    DTSTART;TZID=Europe/Berlin:20261026T110000\nDTEND;TZID=Europe/Berlin:20261026T120000\nX-KEPT:1\nEND:VEVENT";

#[test]
fn a_series_is_told_with_its_exceptions() {
    let sent = sent(&object(SERIES));
    assert_eq!(
        sent["master"]["recurrence"],
        json!(["RRULE:FREQ=DAILY;UNTIL=20261101T080000Z", "EXDATE;TZID=Europe/Berlin:20261022T090000"])
    );
    let exceptions = sent["exceptions"].as_object().expect("exceptions");
    // After the end of summer time nine o'clock is eight in UTC.
    assert_eq!(exceptions.keys().collect::<Vec<_>>(), ["20261026T080000Z"]);
    assert_eq!(exceptions["20261026T080000Z"]["summary"], "Moved");
    assert_eq!(exceptions["20261026T080000Z"]["start"]["dateTime"], "2026-10-26T11:00:00+01:00");
}

fn series_item(exceptions: Value) -> Snapshot {
    item(
        json!({ "id": "m", "iCalUID": "u", "summary": "Daily", "updated": "2026-11-01T08:00:00.000Z",
            "recurrence": ["RRULE:FREQ=DAILY;UNTIL=20261101T080000Z", "EXDATE;TZID=Europe/Berlin:20261022T090000"],
            "reminders": { "useDefault": true },
            "start": { "dateTime": "2026-10-20T09:00:00+02:00", "timeZone": "Europe/Berlin" },
            "end": { "dateTime": "2026-10-20T10:00:00+02:00", "timeZone": "Europe/Berlin" } }),
        exceptions,
    )
}

fn moved(hour: u8) -> Value {
    json!({ "id": "m_20261026T080000Z", "recurringEventId": "m", "summary": "Moved", "reminders": { "useDefault": true },
        "updated": "2026-11-02T08:00:00.000Z",
        "originalStartTime": { "dateTime": "2026-10-26T09:00:00+01:00", "timeZone": "Europe/Berlin" },
        "start": { "dateTime": format!("2026-10-26T{hour:02}:00:00+01:00"), "timeZone": "Europe/Berlin" },
        "end": { "dateTime": format!("2026-10-26T{:02}:00:00+01:00", hour + 1), "timeZone": "Europe/Berlin" } })
}

fn cancelled(slot: &str, time: &str) -> Value {
    json!({ "id": format!("m_{slot}"), "recurringEventId": "m", "status": "cancelled",
        "originalStartTime": { "dateTime": time, "timeZone": "Europe/Berlin" } })
}

#[test]
fn exceptions_there_become_overrides_and_exdates() {
    let object = object(SERIES);
    let same = series_item(json!({ "20261026T080000Z": moved(11) }));
    assert_eq!(google().put(&same, Some(&object), BERLIN).expect("an object").bytes(), object.bytes());
    assert!(google().says(&same, &google().get(&object, Some(&same), BERLIN).expect("expressible")));

    let later = series_item(json!({ "20261026T080000Z": moved(15) }));
    let changed = text(&google().put(&later, Some(&object), BERLIN).expect("an object"));
    assert!(changed.contains("DTSTART;TZID=Europe/Berlin:20261026T150000\n") && changed.contains("X-KEPT:1\n"));

    let gone = series_item(json!({ "20261026T080000Z": cancelled("20261026T080000Z", "2026-10-26T09:00:00+01:00") }));
    let changed = google().put(&gone, Some(&object), BERLIN).expect("an object");
    assert!(
        !text(&changed).contains("Moved") && text(&changed).contains("EXDATE;TZID=Europe/Berlin:20261026T090000\n")
    );
    assert!(google().says(&gone, &google().get(&changed, Some(&gone), BERLIN).expect("expressible")));

    let plain = series_item(json!({}));
    let changed = google().put(&plain, Some(&object), BERLIN).expect("an object");
    assert!(!text(&changed).contains("RECURRENCE-ID"), "back to the series");

    let new = series_item(json!({ "20261026T080000Z": moved(11),
        "20261021T070000Z": cancelled("20261021T070000Z", "2026-10-21T09:00:00+02:00") }));
    let changed = google().put(&new, Some(&object), BERLIN).expect("an object");
    assert!(text(&changed).contains("EXDATE;TZID=Europe/Berlin:20261021T090000\n"));
}

#[test]
fn local_changes_of_instances_ask_for_what_they_need() {
    let held = series_item(json!({ "20261026T080000Z": moved(11),
        "20261021T070000Z": cancelled("20261021T070000Z", "2026-10-21T09:00:00+02:00") }));
    let steps = |lines: &str| {
        let out = google().get(&object(lines), Some(&held), BERLIN).expect("expressible");
        let (before, wanted) = (Held::of(&held), wanted(&out));
        (steps::of_master(&before, &wanted), steps::of_exceptions(&before, &wanted))
    };
    let with_exdate = SERIES.replace(
        "EXDATE;TZID=Europe/Berlin:20261022T090000",
        "EXDATE;TZID=Europe/Berlin:20261022T090000,20261021T090000",
    );
    let (master, exceptions) = steps(&with_exdate);
    assert!(master.is_empty() && exceptions.is_empty(), "{master:?} {exceptions:?}");

    let (master, exceptions) = steps(SERIES);
    assert!(master.is_empty(), "{master:?}");
    let [(slot, steps::Step::Patch(fields))] = exceptions.as_slice() else { panic!("{exceptions:?}") };
    assert_eq!(
        (slot.as_str(), &fields["status"], &fields["summary"]),
        ("20261021T070000Z", &json!("confirmed"), &json!("Daily"))
    );

    let without = with_exdate
        .split("BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nSUMMARY:Moved")
        .next()
        .expect("a part")
        .trim_end();
    let (_, exceptions) = steps(without);
    let [(_, steps::Step::Patch(fields))] = exceptions.as_slice() else { panic!("{exceptions:?}") };
    assert_eq!(
        (&fields["summary"], &fields["start"]["dateTime"]),
        (&json!("Daily"), &json!("2026-10-26T09:00:00+01:00"))
    );

    let removed = without.replace("20261021T090000", "20261021T090000,20261026T090000");
    let (master, exceptions) = steps(&removed);
    assert!(master.is_empty(), "{master:?}");
    assert_eq!(exceptions, [("20261026T080000Z".to_owned(), steps::Step::Remove)]);
}

#[test]
fn a_series_that_is_repeated_otherwise_resets_what_stays_of_its_instances() {
    let held = series_item(json!({ "20261026T080000Z": moved(11),
        "20261021T070000Z": cancelled("20261021T070000Z", "2026-10-21T09:00:00+02:00"),
        "20261023T070000Z": cancelled("20261023T070000Z", "2026-10-23T09:00:00+02:00") }));
    let lines = SERIES.split("BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nSUMMARY:Moved").next().expect("a part");
    let longer =
        lines.trim_end().replace("UNTIL=20261101T080000Z", "COUNT=40").replace("20261022T090000", "20261023T090000");
    let out = google().get(&object(&longer), Some(&held), BERLIN).expect("expressible");
    let steps = steps::of_exceptions(&Held::of(&held), &wanted(&out));
    let steps: Vec<_> =
        steps.iter().map(|(slot, step)| (slot.as_str(), matches!(step, steps::Step::Patch(_)))).collect();
    assert_eq!(
        steps,
        [("20261021T070000Z", true), ("20261026T080000Z", true)],
        "one is restored, one as the series has it"
    );
}

#[test]
fn a_series_cut_short_there_is_cut_short_here() {
    let object = object(SERIES);
    let mut held = Held::of(&series_item(json!({
        "20261026T080000Z": cancelled("20261026T080000Z", "2026-10-26T09:00:00+01:00") })));
    if let Some(master) = &mut held.master {
        master.insert(
            "recurrence".into(),
            json!(["RRULE:FREQ=DAILY;UNTIL=20261025T225959Z", "EXDATE;TZID=Europe/Berlin:20261022T090000"]),
        );
    }
    let changed = text(&google().put(&held.snapshot(), Some(&object), BERLIN).expect("an object"));
    assert!(changed.contains("RRULE:FREQ=DAILY;UNTIL=20261025T225959Z\n"), "{changed}");
    assert!(!changed.contains("RECURRENCE-ID") && !changed.contains("20261026T090000"), "{changed}");
}

#[test]
fn guests_travel_as_text_and_do_not_come_back_as_notes() {
    let object = event("DTSTART:20260701T090000Z\nDESCRIPTION:Notes\nATTENDEE;CN=Bob:mailto:bob@example.org");
    let master = sent(&object)["master"].clone();
    assert_eq!(master["description"], "Notes\n\n--- Guests ---\nBob <bob@example.org>\n--- End of guests ---");
    assert!(master.get("attendees").is_none());
    let back = google().put(&item(master.clone(), json!({})), Some(&object), BERLIN).expect("an object");
    assert_eq!(back.bytes(), object.bytes());
    let mut edited = master;
    edited["description"] =
        json!("<p>New notes</p><br>--- Guests ---<br>Bob &lt;bob@example.org&gt;<br>--- End of guests ---");
    let back = google().put(&item(edited, json!({})), Some(&object), BERLIN).expect("an object");
    assert!(text(&back).contains("DESCRIPTION:New notes\n") && text(&back).contains("mailto:bob"), "{}", text(&back));
}

#[test]
fn guests_whom_nothing_here_holds_any_more_come_back_from_the_text() {
    let object =
        event("DTSTART:20260701T090000Z\nDESCRIPTION:Notes\nATTENDEE;CN=Bob:mailto:bob@example.org\nRRULE:FREQ=DAILY");
    let mut master = sent(&object)["master"].clone();
    master["id"] = json!("e1");
    master["extendedProperties"]["private"]["kalendsId"] = json!("e1");
    let held = item(master.clone(), json!({}));
    let back = google().put(&held, None, BERLIN).expect("an object");
    assert!(text(&back).contains("DESCRIPTION:Notes\n"), "{}", text(&back));
    assert!(
        text(&back).contains("ATTENDEE;CN=Bob") && text(&back).contains("mailto:bob@example.org"),
        "{}",
        text(&back)
    );
    let out = google().get(&back, Some(&held), BERLIN).expect("expressible");
    assert!(google().says(&held, &out), "nothing is left to send: {}", out.payload);
    // So do those in somebody's copy of it, and what we write to the copy later takes none of them away there.
    master["id"] = json!("e2");
    master["iCalUID"] = json!("e2@google.com");
    let copy = item(master.clone(), json!({}));
    let own = google().put(&copy, None, BERLIN).expect("an object");
    assert!(text(&own).contains("mailto:bob@example.org"), "{}", text(&own));
    master["extendedProperties"]["private"]["kalendsId"] = json!("e2");
    for held in [copy, item(master.clone(), json!({}))] {
        let out = google().get(&own, Some(&held), BERLIN).expect("expressible");
        assert!(google().says(&held, &out), "{}", out.payload);
    }
    // A link that carries guests as such invites nobody because of a text that is not ours.
    master["extendedProperties"]["private"]["kalendsId"] = json!("e1");
    let live =
        google().put(&item(master, json!({})), None, Lens { attendees_live: true, ..BERLIN }).expect("an object");
    assert!(!text(&live).contains("ATTENDEE"), "{}", text(&live));
}

#[test]
fn live_guests_are_guests() {
    let live = Lens { attendees_live: true, ..BERLIN };
    let object = event(
        "DTSTART:20260701T090000Z\nATTENDEE;CN=Bob;ROLE=OPT-PARTICIPANT:mailto:bob@example.org\nATTENDEE:urn:uuid:1",
    );
    let out = google().get(&object, None, live).expect("expressible");
    let sent: Value = serde_json::from_str(&out.payload).expect("JSON");
    assert_eq!(
        sent["master"]["attendees"],
        json!([{ "email": "bob@example.org", "displayName": "Bob", "responseStatus": "needsAction", "optional": true }])
    );
    assert_eq!((sent["master"]["description"].as_str(), out.warnings.len()), (Some(""), 1));
}

#[test]
fn what_cannot_be_told_is_refused_or_told_as_such() {
    let todo = object("BEGIN:VTODO\nUID:u\nDTSTAMP:20260101T000000Z\nEND:VTODO");
    assert!(google().get(&todo, None, BERLIN).is_err());
    for lines in [
        "DTSTART:20260701T090000Z\nSTATUS:CANCELLED",
        "DTSTART:20260701T090000Z\nRRULE:FREQ=HOURLY",
        "DTSTART:20260701T090000Z\nRRULE:FREQ=DAILY;BYHOUR=9,15",
        "DTSTART;TZID=Europe/Berlin:20270328T023000\nRRULE:FREQ=DAILY;COUNT=3",
        "DTSTART:20260701T090000Z\nRECURRENCE-ID:20260701T080000Z",
    ] {
        assert!(google().get(&event(lines), None, BERLIN).is_err(), "{lines}");
    }
    let periods = event("DTSTART:20260701T090000Z\nRDATE;VALUE=PERIOD:20260702T090000Z/PT3H");
    assert_eq!(google().get(&periods, None, BERLIN).expect("expressible").warnings.len(), 1);
}

#[test]
fn an_instance_without_its_series_stands_alone() {
    let held: Held =
        serde_json::from_value(json!({ "exceptions": { "20261026T080000Z": moved(11) } })).expect("a snapshot");
    let mut held = held;
    for event in held.exceptions.values_mut() {
        event.insert("iCalUID".into(), json!("m@google.com"));
    }
    let object = google().put(&held.snapshot(), None, BERLIN).expect("an object");
    assert!(object.master().is_none() && text(&object).contains("RECURRENCE-ID;TZID=Europe/Berlin:20261026T090000\n"));
    assert!(
        google().says(&held.snapshot(), &google().get(&object, Some(&held.snapshot()), BERLIN).expect("expressible"))
    );
    assert_eq!(google().put(&held.snapshot(), Some(&object), BERLIN).expect("an object").bytes(), object.bytes());
}

#[test]
fn who_may_write_is_said_by_the_event() {
    let may = |fields: Value| google().may_write(&single(fields));
    assert!(may(json!({})));
    assert!(may(json!({ "organizer": { "self": true } })));
    assert!(may(json!({ "organizer": { "email": "x" }, "guestsCanModify": true })));
    assert!(!may(json!({ "organizer": { "email": "x" } })));
    assert!(!may(json!({ "organizer": { "self": true }, "locked": true })));
    assert!(!may(json!({ "visibility": "private" })), "masked");
    for kind in ["birthday", "focusTime", "fromGmail", "outOfOffice", "workingLocation"] {
        assert!(!may(json!({ "eventType": kind, "organizer": { "self": true } })), "{kind}");
    }
}

#[test]
fn ids_are_made_of_keys_in_googles_alphabet() {
    let id = google().id_for("a key").expect("an id");
    assert_eq!(id.as_str().len(), 32);
    assert!(id.as_str().bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'v').contains(&b)));
    assert_eq!(google().id_for("a key"), Some(id.clone()));
    assert_ne!(google().id_for("another"), Some(id));
}
