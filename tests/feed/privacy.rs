//! What must not be told is planted everywhere and looked for in the answers.

use kalends::domain::feed::{FeedPrivacy, FeedSettings, FeedWindow, PrivateAppointments};

use crate::house::{House, ics, values};

/// Planted in whatever somebody can write.
const TAINT: &str = "TAINT";

/// A series with an override and a cancelled instance, a zone of its own, and the taint in every name, value and parameter
/// that can hold one.
fn tainted(title: &str, class: &str) -> String {
    let zone = "BEGIN:VTIMEZONE\nTZID:TAINT-zone\nX-LIC-LOCATION:TAINT-location\nTZURL:http://taint.TAINT/\n\
        LAST-MODIFIED:20200101T000000Z\nCOMMENT:TAINT-comment\nX-TAINT-PROPERTY:TAINT\nBEGIN:STANDARD\n\
        DTSTART:19700101T000000\nTZOFFSETFROM:+0545\nTZOFFSETTO;X-TAINT=TAINT:+0545\nTZNAME:TAINT-name\n\
        COMMENT:TAINT-comment\nEND:STANDARD\nEND:VTIMEZONE";
    let texts = |where_to: &str| {
        format!(
            "SUMMARY;LANGUAGE=TAINT;ALTREP=\"http://TAINT/\":{title}\nDESCRIPTION:TAINT-{where_to} notes\n\
             X-ALT-DESC;FMTTYPE=text/html:<b>TAINT</b>\nLOCATION:TAINT-{where_to} place\nGEO:48.1;16.4\n\
             ORGANIZER;CN=TAINT:mailto:TAINT@example.org\nATTENDEE;CN=TAINT;PARTSTAT=ACCEPTED:mailto:TAINT@example.org\n\
             CONTACT:TAINT\nURL:https://example.org/TAINT\nATTACH:https://example.org/TAINT.pdf\n\
             ATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY:VEFJTlQ=\nCATEGORIES:TAINT\nCOMMENT:TAINT\n\
             RESOURCES:TAINT\nRELATED-TO:TAINT\nREQUEST-STATUS:2.0;TAINT\nCONFERENCE;VALUE=URI:https://TAINT/\n\
             IMAGE;VALUE=URI:https://TAINT/\nCOLOR:red\nPRIORITY:1\nCREATED;X-TAINT=TAINT:20200101T000000Z\n\
             LAST-MODIFIED:20200102T000000Z\nX-APPLE-STRUCTURED-LOCATION;X-TITLE=TAINT:geo:1,2\nX-TAINT-NAME:x\n\
             {class}BEGIN:VALARM\nUID:TAINT\nACTION:DISPLAY\nTRIGGER:-PT5M\nDESCRIPTION:TAINT\nX-TAINT:x\nEND:VALARM\n\
             BEGIN:VLOCATION\nUID:TAINT\nNAME:TAINT\nEND:VLOCATION\nBEGIN:X-TAINT\nX-A:TAINT\nEND:X-TAINT"
        )
    };
    let master = format!(
        "UID:TAINT@host.TAINT\nDTSTART;X-TAINT=TAINT;TZID=TAINT-zone:20261116T100000\n\
         DTEND;TZID=TAINT-zone:20261116T110000\nRRULE:FREQ=DAILY;X-TAINT=1;COUNT=20\n\
         EXDATE;TZID=TAINT-zone;X-TAINT=TAINT:20261117T100000\nRDATE;TZID=TAINT-zone;X-TAINT=TAINT:20270110T090000\n\
         SEQUENCE;X-TAINT=TAINT:7\nSTATUS;X-TAINT=TAINT:CONFIRMED\nTRANSP;X-TAINT=TAINT:OPAQUE\n{}",
        texts("master")
    );
    let moved = format!(
        "UID:TAINT@host.TAINT\nRECURRENCE-ID;TZID=TAINT-zone;X-TAINT=TAINT:20261119T100000\n\
         DTSTART;TZID=TAINT-zone:20261119T150000\nDURATION;X-TAINT=TAINT:PT30M\n{}",
        texts("override")
    );
    let cancelled = "UID:TAINT@host.TAINT\nRECURRENCE-ID;TZID=TAINT-zone:20261120T100000\n\
        DTSTART;TZID=TAINT-zone:20261120T100000\nSTATUS:CANCELLED\nDESCRIPTION:TAINT";
    // As a calendar says it, so that the values mean what they say.
    ics(&[zone, &master, &moved, cancelled])
        .replace("PRODID:", "X-WR-CALNAME:TAINT\r\nX-WR-CALDESC:TAINT\r\nPRODID:TAINT")
}

fn settings(privacy: FeedPrivacy, private: PrivateAppointments) -> FeedSettings {
    FeedSettings { privacy, private, ..FeedSettings::default() }
}

async fn house(objects: &[(&str, &str)]) -> House {
    let house = House::new().await;
    for (name, object) in objects {
        house.put("TAINT-calendar", name, object).await;
    }
    house
}

/// Everything of an answer that a taint could hide in, unfolded.
fn unfolded(calendar: &str) -> String {
    calendar.replace("\r\n ", "")
}

#[tokio::test]
async fn busy_only_tells_start_end_and_busy_and_nothing_else() {
    let day = ics(&["UID:TAINT-day\nDTSTART;VALUE=DATE:20261125\nSUMMARY:TAINT"]);
    let floating = ics(&["UID:TAINT-floating\nDTSTART:20261126T080000\nDTEND:20261126T090000\nSUMMARY:TAINT"]);
    let free = ics(&["UID:TAINT-free\nDTSTART:20261127T080000Z\nDURATION:PT1H\nTRANSP:TRANSPARENT\nSUMMARY:TAINT"]);
    let task =
        ics(&["BEGIN:VTODO\nUID:TAINT-task\nDTSTAMP:20261101T120000Z\nDUE:20261127T080000Z\nSUMMARY:TAINT\nEND:VTODO"]);
    let house = house(&[
        ("TAINT-a.ics", &tainted("TAINT title", "")),
        ("b.ics", &day),
        ("c.ics", &floating),
        ("d.ics", &free),
        ("e.ics", &task),
    ])
    .await;
    for window in [FeedWindow::default(), FeedWindow::All] {
        let link =
            house.feed(&FeedSettings { window, ..settings(FeedPrivacy::BusyOnly, PrivateAppointments::Mask) }).await;
        let answer = house.get(&link).await;
        let text = unfolded(&answer.text());
        assert!(!text.to_lowercase().contains(&TAINT.to_lowercase()), "{text}");
        assert!(!format!("{:?}", answer.headers).contains(TAINT));
        let body = &text[text.find("BEGIN:VEVENT").expect("events")..];
        for line in body.lines() {
            let name = line.split([':', ';']).next().expect("a name");
            let allowed = ["BEGIN", "END", "UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY"];
            assert!(allowed.contains(&name), "{line}");
            let value = line.split_once(':').map_or("", |(_, value)| value);
            match name {
                "BEGIN" | "END" => assert!(["VEVENT", "VCALENDAR"].contains(&value), "{line}"),
                "SUMMARY" => assert_eq!(line, "SUMMARY:Busy"),
                "DTSTART" | "DTEND" => assert!(!line.contains("TZID"), "{line}"),
                // The feed's own age, not the appointment's.
                "DTSTAMP" => assert_eq!(value, "20261121T080000Z"),
                _ => assert!(value.len() == 32 && value.bytes().all(|b| b.is_ascii_hexdigit()), "{line}"),
            }
        }
        // 20 by the rule, one excluded, one cancelled, one more by RDATE; a day, a floating hour.
        let starts = values(&text, "DTSTART");
        assert_eq!(starts.len(), 21, "{starts:?}");
        assert!(starts.is_sorted(), "their order tells of no series");
        for start in ["20261119T091500Z", "20270110T031500Z", "20261125", "20261126T080000"] {
            assert_eq!(starts.iter().filter(|found| *found == start).count(), 1, "{start}");
        }
        for gone in ["20261117T041500Z", "20261119T041500Z", "20261120T041500Z"] {
            assert!(!starts.contains(&gone.to_owned()), "{gone}");
        }
        let mut uids = values(&text, "UID");
        uids.sort();
        uids.dedup();
        assert_eq!(uids.len(), starts.len(), "no two times are tied together");
    }
}

#[tokio::test]
async fn a_busy_time_keeps_its_uid_and_another_feed_has_others() {
    let house = house(&[("a.ics", &tainted("x", ""))]).await;
    let busy = settings(FeedPrivacy::BusyOnly, PrivateAppointments::Mask);
    let link = house.feed(&busy).await;
    let before = values(&house.get(&link).await.text(), "UID");
    let elsewhere = values(&house.shown(&busy).await, "UID");
    assert!(before.iter().all(|uid| !elsewhere.contains(uid)), "feeds cannot be laid side by side");
    // What only renames changes nothing that is told; what moves one instance moves one time.
    house.put("TAINT-calendar", "a.ics", &tainted("another title", "")).await;
    let renamed = house.get(&link).await.text();
    assert_eq!(values(&renamed, "UID"), before);
    let moved = tainted("x", "").replace("20261119T150000", "20261119T160000");
    house.put("TAINT-calendar", "a.ics", &moved).await;
    let after = house.get(&link).await.text();
    assert_eq!(values(&after, "UID"), before);
    assert!(values(&after, "DTSTART").contains(&"20261119T101500Z".to_owned()));
}

#[tokio::test]
async fn titles_only_tells_times_and_titles() {
    let house = house(&[("a.ics", &tainted("The title", ""))]).await;
    let link = house.feed(&settings(FeedPrivacy::TitlesOnly, PrivateAppointments::Mask)).await;
    let text = unfolded(&house.get(&link).await.text());
    assert!(!text.to_lowercase().contains("taint"), "{text}");
    assert_eq!(values(&text, "SUMMARY"), ["The title", "The title"]);
    assert_eq!(values(&text, "RRULE"), ["FREQ=DAILY;COUNT=20"]);
    let tzid = values(&text, "TZID");
    let [tzid] = tzid.as_slice() else { panic!("{tzid:?}") };
    assert!(text.contains(&format!("DTSTART;TZID={tzid}:20261116T100000")), "{text}");
    assert!(text.contains(&format!("RECURRENCE-ID;TZID={tzid}:20261119T100000")), "{text}");
    assert_eq!(values(&text, "TZOFFSETTO"), ["+0545"]);
    assert_eq!(values(&text, "STATUS"), ["CONFIRMED", "CANCELLED"]);
    assert_eq!(values(&text, "SEQUENCE"), ["7"]);
}

#[tokio::test]
async fn details_tell_all_and_still_nothing_of_what_is_private() {
    let public = ics(&["UID:public\nDTSTART:20261121T100000Z\nSUMMARY:open\nDESCRIPTION:all of it"]);
    let classes = ["CLASS:PRIVATE\n", "CLASS:confidential\n", "CLASS:X-BOARD\n", "CLASS:PUBLIC\nCLASS:PRIVATE\n"];
    for class in classes {
        let house = house(&[("a.ics", &tainted("TAINT title", class)), ("b.ics", &public)]).await;
        for privacy in [FeedPrivacy::Details, FeedPrivacy::TitlesOnly, FeedPrivacy::BusyOnly] {
            let masked = unfolded(&house.shown(&settings(privacy, PrivateAppointments::Mask)).await);
            assert!(!masked.to_lowercase().contains("taint"), "{class} {privacy:?} {masked}");
            let starts = values(&masked, "DTSTART").len();
            assert_eq!(starts, 20, "{class} {privacy:?}");
            let omitted = unfolded(&house.shown(&settings(privacy, PrivateAppointments::Omit)).await);
            assert!(!omitted.to_lowercase().contains("taint"), "{class} {privacy:?} {omitted}");
            assert_eq!(values(&omitted, "DTSTART"), ["20261121T100000Z"], "{class} {privacy:?}");
        }
        let details = house.shown(&settings(FeedPrivacy::Details, PrivateAppointments::Mask)).await;
        assert!(details.contains("DESCRIPTION:all of it"));
    }
}

#[tokio::test]
async fn an_instance_that_is_private_is_taken_out_of_its_series() {
    let master = "UID:series\nDTSTART;TZID=Europe/Berlin:20261116T100000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=5\n\
                  SUMMARY:Open";
    let secret = "UID:series\nRECURRENCE-ID;TZID=Europe/Berlin:20261118T100000\nDTSTART;TZID=Asia/Tokyo:20261118T200000\n\
                  DURATION:PT2H\nSUMMARY:TAINT\nCLASS:PRIVATE";
    let open = "UID:series\nRECURRENCE-ID;TZID=Europe/Berlin:20261119T100000\nDTSTART;TZID=Europe/Berlin:20261119T120000\n\
                DURATION:PT1H\nSUMMARY:Moved";
    let house = house(&[("a.ics", &ics(&[master, secret, open]))]).await;
    for privacy in [FeedPrivacy::Details, FeedPrivacy::TitlesOnly] {
        let masked = house.shown(&settings(privacy, PrivateAppointments::Mask)).await;
        assert!(!masked.contains(TAINT) && !masked.contains("Tokyo"), "{masked}");
        assert!(masked.contains("EXDATE;TZID=Europe/Berlin:20261118T100000\r\n"), "{masked}");
        assert_eq!(values(&masked, "SUMMARY"), ["Open", "Moved", "Busy"]);
        assert!(masked.contains("DTSTART:20261118T110000Z\r\nDTEND:20261118T130000Z\r\nSUMMARY:Busy\r\n"), "{masked}");
        let omitted = house.shown(&settings(privacy, PrivateAppointments::Omit)).await;
        assert!(omitted.contains("EXDATE;TZID=Europe/Berlin:20261118T100000\r\n"));
        assert_eq!(values(&omitted, "SUMMARY"), ["Open", "Moved"]);
    }
    let busy = house.shown(&settings(FeedPrivacy::BusyOnly, PrivateAppointments::Omit)).await;
    assert_eq!(values(&busy, "DTSTART").len(), 4);
}

#[tokio::test]
async fn the_name_of_the_calendar_is_not_told_to_those_who_see_busy_times() {
    let house = house(&[("a.ics", &tainted("x", ""))]).await;
    let (_, calendar) = house.calendar("TAINT-calendar").await;
    let one = vec![calendar.id.as_str().to_owned()];
    for (privacy, name, calendars, expected) in [
        (FeedPrivacy::BusyOnly, None, &one, "Calendar"),
        (FeedPrivacy::BusyOnly, None, &vec![], "Calendar"),
        (FeedPrivacy::BusyOnly, Some(" Ada\nbusy "), &one, "Ada\\nbusy"),
        (FeedPrivacy::TitlesOnly, None, &one, "TAINT-calendar"),
        (FeedPrivacy::Details, Some("  "), &one, "TAINT-calendar"),
        (FeedPrivacy::Details, None, &vec![], "Calendar"),
    ] {
        let settings = FeedSettings {
            name: name.map(str::to_owned),
            calendars: calendars.clone(),
            ..settings(privacy, PrivateAppointments::Mask)
        };
        let text = house.shown(&settings).await;
        for property in ["NAME", "X-WR-CALNAME"] {
            assert_eq!(values(&text, property)[0], expected, "{privacy:?} {name:?}");
        }
    }
}
