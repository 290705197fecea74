//! What every reader must be able to read: RFC 5545 and 7986, line by line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use kalends::domain::appointment::Facts;
use kalends::domain::calendar::CalendarSettings;
use kalends::domain::feed::{FeedKind, FeedPrivacy, FeedSettings, FeedWindow};
use kalends::ics::Document;

use crate::house::{House, ics, values};

fn all(privacy: FeedPrivacy) -> FeedSettings {
    FeedSettings { privacy, window: FeedWindow::All, ..FeedSettings::default() }
}

/// What must hold of every feed, whatever is in it.
fn check(bytes: &[u8]) {
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let content = line.strip_suffix(b"\r\n").expect("CRLF");
        assert!(content.len() <= 75, "{}", String::from_utf8_lossy(content));
        assert!(std::str::from_utf8(content).is_ok(), "a torn character");
        assert!(!content.is_empty() && !content.contains(&b'\r'));
    }
    let document = Document::parse(&Bytes::copy_from_slice(bytes)).expect("it parses");
    assert_eq!(document.strays().count(), 0);
    let mut calendars = document.components();
    let calendar = calendars.next().expect("a calendar");
    assert!(calendar.is("VCALENDAR") && calendars.next().is_none());
    assert_eq!(calendar.property("VERSION").expect("a version").value(), "2.0");
    assert!(calendar.property("PRODID").is_some() && calendar.property("METHOD").is_none());
    let mut defined: BTreeMap<String, usize> = BTreeMap::new();
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for component in calendar.components() {
        if component.is("VTIMEZONE") {
            *defined.entry(component.text("TZID").expect("a TZID")).or_default() += 1;
            continue;
        }
        for once in ["UID", "DTSTAMP", "DTSTART", "LAST-MODIFIED", "STATUS"] {
            let count = component.properties_named(once).count();
            assert!(count == 1 || (count == 0 && !["UID", "DTSTAMP"].contains(&once)), "{once} in\n{component:?}");
        }
        for tzid in component.lines().iter().filter_map(|line| line.param("TZID").map(|tzid| tzid.into_owned())) {
            assert!(defined.contains_key(&tzid), "{tzid} is used before it is defined");
            *used.entry(tzid).or_default() += 1;
        }
    }
    assert!(defined.values().all(|count| *count == 1), "{defined:?}");
    assert!(defined.keys().eq(used.keys()), "needed {:?}, defined {:?}", used.keys(), defined.keys());
}

#[tokio::test]
async fn details_keep_the_lines_that_are_lawful() {
    let house = House::new().await;
    let (access, calendar) = house.calendar("work").await;
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let settings = CalendarSettings { color: Some("#FD8208FF".into()), ..calendar.settings };
    tx.set_calendar(&access, &settings).await.expect("set");
    tx.commit().await.expect("a commit");
    let object = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//client//EN\r\nX-WR-CALNAME:not mine\r\n\
        BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0900\r\n\
        TZOFFSETTO:+0900\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VTIMEZONE\r\nTZID:Unused\r\nEND:VTIMEZONE\r\n\
        BEGIN:VTIMEZONE\r\nTZID:Ship\r\nX-MINE:kept\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n\
        TZOFFSETFROM:+0545\r\nTZOFFSETTO:+0545\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n\
        BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20261101T120000Z\r\nsequence:3\r\nDTSTART;TZID=Europe/Berlin:20261121T100000\r\n\
        DTEND;TZID=Ship:20261121T180000\r\nSUMMARY;LANGUAGE=de:Kaf\r\n fee\r\n\tund Kuchen\r\n\
        ATTENDEE;CN=\"Müller; Jörg\":mailto:j@example.org\r\nX-UNKNOWN;X-P=1:what ever\r\n\
        DTSTAMP:20261101T130000Z\r\n\
        DESCRIPTION:A line that is longer than it may be, which older programs send without any fold in it\r\n\
        BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nDESCRIPTION:x\r\nEND:VALARM\r\nEND:VEVENT\r\n\
        BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;TZID=Europe/Berlin;VALUE=DATE:20261122\nDTSTART;TZID=Nowhere:20261122T100000\n\
        X-ZONED;TZID=Asia/Tokyo:x\nEND:VEVENT\nEND:VCALENDAR\n";
    house.put("work", "a.ics", object).await;
    let shown = all(FeedPrivacy::Details);
    let name = Some("Work, mostly".into());
    let shown = FeedSettings { name, calendars: vec![calendar.id.as_str().into()], ..shown };
    let text = house.shown(&shown).await;
    check(text.as_bytes());
    insta::assert_snapshot!(text.replace("\r\n", "\n").replace('\t', "<TAB>"));
}

/// Two of three common readers leave the start of such a series out unless it is among the dates.
#[tokio::test]
async fn a_series_of_dates_without_a_rule_says_its_start_as_one_of_them() {
    let house = House::new().await;
    let event =
        |more: &str| ics(&[&format!("UID:dates\nDTSTART;TZID=Europe/Berlin:20261121T100000\n{more}\nSUMMARY:Dates")]);
    let dates = "RDATE;TZID=Europe/Berlin:20261123T090000";
    for (more, start_is_said) in [
        (dates.to_owned(), true),
        (format!("RRULE:FREQ=YEARLY\n{dates}"), false),
        (format!("RDATE;TZID=Europe/Berlin:20261121T100000\n{dates}"), true),
        ("LOCATION:there".to_owned(), false),
    ] {
        house.put("work", "dates.ics", &event(&more)).await;
        for privacy in [FeedPrivacy::Details, FeedPrivacy::TitlesOnly] {
            let text = house.shown(&all(privacy)).await;
            let said = text.matches("RDATE;TZID=Europe/Berlin:20261121T100000\r\n").count();
            assert_eq!(said, usize::from(start_is_said), "{privacy:?} {more}\n{text}");
        }
    }
}

#[tokio::test]
async fn one_zone_name_with_two_meanings_does_not_move_appointments() {
    let zone = |offset: &str| {
        format!(
            "BEGIN:VTIMEZONE\nTZID:Customized Time Zone\nBEGIN:STANDARD\nDTSTART:16010101T000000\n\
             TZOFFSETFROM:{offset}\nTZOFFSETTO:{offset}\nEND:STANDARD\nEND:VTIMEZONE"
        )
    };
    let lines = |uid: &str| {
        format!(
            "UID:{uid}\nDTSTART;TZID=Customized Time Zone:20261121T100000\nDTEND;TZID=Customized Time Zone:20261121T110000\n\
             RRULE:FREQ=DAILY\nEXDATE;TZID=Customized Time Zone:20261122T100000"
        )
    };
    let house = House::new().await;
    for (uid, offset) in [("a", "+0100"), ("b", "-0700"), ("c", "+0100")] {
        house.put("work", &format!("{uid}.ics"), &ics(&[&zone(offset), &lines(uid)])).await;
    }
    let text = house.shown(&all(FeedPrivacy::Details)).await;
    check(text.as_bytes());
    let names = values(&text, "TZID");
    let [first, second] = names.as_slice() else { panic!("{names:?}") };
    assert_eq!(first, "Customized Time Zone");
    assert_eq!(values(&text, "TZOFFSETTO"), ["+0100", "-0700"]);
    for (name, times) in [(first, 6), (second, 3)] {
        assert_eq!(text.replace("\r\n ", "").matches(&format!(";TZID={name}:")).count(), times, "{text}");
    }
    // Read back, each is where it was.
    for (uid, utc) in [("a", "2026-11-21T09:00:00Z"), ("b", "2026-11-21T17:00:00Z")] {
        let document = Document::parse(&Bytes::from(text.clone())).expect("it parses");
        let calendar = document.calendar().expect("a calendar");
        let zones = kalends::ics::zone::Zones::of(calendar);
        let event = calendar.components().find(|c| c.text("UID").as_deref() == Some(uid)).expect("it is there");
        let start = kalends::ics::When::of(event.property("DTSTART").expect("a start")).expect("a time");
        assert_eq!(zones.of_value(&start).instant(start.local()).to_string(), utc, "{uid}");
    }
}

#[tokio::test]
async fn sequence_and_stamp_change_only_with_the_event() {
    let house = House::new().await;
    let a = ics(&["UID:a\nDTSTART:20261121T100000Z\nSEQUENCE:2\nSUMMARY:x"]);
    house.put("work", "a.ics", &a).await;
    house
        .put("work", "b.ics", &ics(&["UID:b\nDTSTART:20261121T100000Z"]).replace("DTSTAMP:20261101T120000Z\r\n", ""))
        .await;
    let link = house.feed(&all(FeedPrivacy::Details)).await;
    let text = house.get(&link).await.text();
    assert_eq!(values(&text, "DTSTAMP"), ["20261101T120000Z", "20261121T080000Z"], "b has none: when it was stored");
    house.bench.clock.advance_ms(3 * 86_400_000);
    house.put("work", "c.ics", &ics(&["UID:c\nDTSTART:20261121T100000Z"])).await;
    let later = house.get(&link).await.text();
    assert_eq!(values(&later, "DTSTAMP")[..2], values(&text, "DTSTAMP"));
    assert_eq!(values(&later, "SEQUENCE"), ["2"]);
}

#[tokio::test]
async fn what_every_producer_writes_is_published_for_every_reader() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ics");
    let house = House::new().await;
    let mut stored = 0;
    for folder in fs::read_dir(root).expect("fixtures").map(|entry| entry.expect("a folder").path()) {
        if !folder.is_dir() {
            continue;
        }
        let slug = folder.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        for file in fs::read_dir(&folder).expect("files").map(|entry| entry.expect("a file").path()) {
            let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
            let bytes = Bytes::from(fs::read(&file).expect("a file"));
            let text = String::from_utf8_lossy(&bytes);
            if ["FREQ=SECONDLY", "FREQ=MINUTELY"].iter().any(|frequency| text.contains(frequency)) {
                // Thousands of busy times; see the test below.
                continue;
            }
            stored += usize::from(house.try_put(&slug, name, bytes, &Facts::default()).await.is_ok());
        }
    }
    assert!(stored > 300, "{stored}");
    for privacy in [FeedPrivacy::Details, FeedPrivacy::TitlesOnly, FeedPrivacy::BusyOnly] {
        for window in [FeedWindow::All, FeedWindow::default()] {
            let text = house.shown(&FeedSettings { window, ..all(privacy) }).await;
            check(text.as_bytes());
            match privacy {
                FeedPrivacy::Details if window == FeedWindow::All => {
                    let components = text.matches("\r\nBEGIN:VEVENT\r\n").count();
                    assert!(components > 300, "{components}");
                }
                FeedPrivacy::BusyOnly => assert_eq!(text.matches("VTIMEZONE").count(), 0),
                FeedPrivacy::Details | FeedPrivacy::TitlesOnly => {}
            }
        }
    }
}

#[tokio::test]
async fn a_series_without_measure_is_told_in_part() {
    let house = House::new().await;
    house.put("work", "a.ics", &ics(&["UID:a\nDTSTART:20261101T000000Z\nDURATION:PT1S\nRRULE:FREQ=MINUTELY"])).await;
    for n in 0..20 {
        let start = format!("DTSTART:20261101T00{n:02}00Z");
        let lines = format!("UID:h{n}\n{start}\nDURATION:PT1S\nRRULE:FREQ=MINUTELY;INTERVAL=2");
        house.put("work", &format!("{n}.ics"), &ics(&[&lines])).await;
    }
    house.put("work", "last.ics", &ics(&["UID:last\nDTSTART:20261121T000030Z\nDURATION:PT1S"])).await;
    let text = house.shown(&all(FeedPrivacy::BusyOnly)).await;
    assert!(text.contains("DTSTART:20261121T000030Z\r\n"), "what does not repeat is always told");
    let times = text.matches("BEGIN:VEVENT").count();
    assert_eq!(times, 50_001);
    let free_busy = FeedSettings { kind: FeedKind::FreeBusy, ..FeedSettings::default() };
    let text = house.shown(&free_busy).await;
    assert!(text.contains("FREEBUSY;FBTYPE=BUSY:20261121T000030Z/20261121T000031Z\r\n"), "within the window");
}
