//! What may be seen of an appointment at each grade of privacy.

use bytes::Bytes;

use super::*;
use crate::domain::recurrence::Window;
use crate::domain::time::Instant;
use crate::ics::zone::Zones;
use crate::ics::{Component, When};

const MASK: PrivateAppointments = PrivateAppointments::Mask;
const OMIT: PrivateAppointments = PrivateAppointments::Omit;

/// An object with these components: each a list of lines, of an event unless it begins with BEGIN.
fn object(components: &[&str]) -> CalendarObject {
    let mut text = String::from("BEGIN:VCALENDAR\nVERSION:2.0\n");
    for lines in components {
        match lines.starts_with("BEGIN") {
            true => text += &format!("{lines}\n"),
            false => text += &format!("BEGIN:VEVENT\nUID:u\n{lines}\nEND:VEVENT\n"),
        }
    }
    let text = format!("{text}END:VCALENDAR\n").replace('\n', "\r\n");
    CalendarObject::parse(Bytes::from(text)).expect("a calendar object")
}

fn instant(utc: &str) -> Instant {
    Instant::from(utc.parse::<jiff::Timestamp>().expect("a timestamp"))
}

fn january() -> Window {
    Window { from: instant("2026-01-01T00:00:00Z"), to: instant("2026-02-01T00:00:00Z") }
}

fn busy(object: &CalendarObject) -> Vec<String> {
    let times = busy_times(object, january(), |_| true).times;
    let value = |when: &Option<When>| when.as_ref().map_or("-".to_owned(), When::to_value);
    times.iter().map(|time| format!("{}/{}", time.starts.to_value(), value(&time.ends))).collect()
}

fn lines(component: &Component) -> Vec<String> {
    component.lines().iter().map(|line| line.unfolded().to_owned()).collect()
}

#[test]
fn privacy_and_class_decide_together() {
    use FeedPrivacy::{BusyOnly, Details, TitlesOnly};
    for (class, privacy, private, telling) in [
        (Class::Public, Details, MASK, Telling::All),
        (Class::Public, TitlesOnly, OMIT, Telling::Title),
        (Class::Public, BusyOnly, OMIT, Telling::Busy),
        (Class::Private, Details, MASK, Telling::Busy),
        (Class::Private, BusyOnly, MASK, Telling::Busy),
        (Class::Confidential, TitlesOnly, MASK, Telling::Busy),
        (Class::Private, Details, OMIT, Telling::Nothing),
        (Class::Confidential, BusyOnly, OMIT, Telling::Nothing),
    ] {
        assert_eq!(Telling::of(class, privacy, private), telling, "{class:?} {privacy:?} {private:?}");
    }
}

#[test]
fn a_class_nobody_knows_is_private_and_a_second_one_cannot_undo_the_first() {
    for (classes, class) in [
        ("", Class::Public),
        ("CLASS:public", Class::Public),
        ("CLASS:x-board-only", Class::Private),
        ("CLASS:PUBLIC\nCLASS:PRIVATE", Class::Private),
        ("CLASS:CONFIDENTIAL\nCLASS:PUBLIC", Class::Confidential),
    ] {
        let object = object(&[&format!("DTSTART:20260101T100000Z\n{classes}\nSUMMARY:x").replace("\n\n", "\n")]);
        assert_eq!(Class::of(object.master().expect("a master")), class, "{classes:?}");
    }
}

#[test]
fn an_instance_is_as_private_as_its_series_and_may_be_more() {
    let daily = "DTSTART:20260105T100000Z\nRRULE:FREQ=DAILY;COUNT=9";
    let one = "RECURRENCE-ID:20260106T100000Z\nDTSTART:20260106T120000Z";
    let later = "RECURRENCE-ID;RANGE=THISANDFUTURE:20260107T100000Z\nDTSTART:20260107T120000Z";
    let private = |lines: &str| format!("{lines}\nCLASS:PRIVATE");
    let told = |components: &[&str], private| Told::of(&object(components), FeedPrivacy::Details, private);

    let series = told(&[&private(daily), one], MASK);
    assert_eq!((series.whole(), series.component(1), series.is_uniform()), (Telling::Busy, Telling::Busy, true));
    let instance = told(&[daily, &private(one)], MASK);
    assert_eq!((instance.whole(), instance.component(0)), (Telling::All, Telling::All));
    assert_eq!((instance.component(1), instance.is_uniform()), (Telling::Busy, false));
    assert_eq!(told(&[daily, &private(one)], OMIT).component(1), Telling::Nothing);
    // The rule of the master makes the later ones, so the master cannot be shown.
    assert_eq!(told(&[daily, &private(later)], MASK).whole(), Telling::Busy);
    assert_eq!(told(&[daily, &private(later)], OMIT).whole(), Telling::Nothing);
    let alone = told(&[&private(one), "RECURRENCE-ID:20260107T100000Z\nDTSTART:20260107T100000Z"], OMIT);
    assert_eq!((alone.whole(), alone.component(0), alone.component(1)), (Telling::All, Telling::Nothing, Telling::All));
    assert_eq!(alone.component(7), Telling::Nothing, "there is none");
}

#[test]
fn busy_times_are_in_utc_floating_or_days() {
    let zone = "BEGIN:VTIMEZONE\nTZID:Custom\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:-0500\n\
                TZOFFSETTO:-0500\nEND:STANDARD\nEND:VTIMEZONE";
    for (lines, expected) in [
        ("DTSTART:20260105T100000Z\nDTEND:20260105T113000Z", "20260105T100000Z/20260105T113000Z"),
        ("DTSTART;TZID=Europe/Berlin:20260105T100000\nDURATION:PT1H", "20260105T090000Z/20260105T100000Z"),
        ("DTSTART;TZID=Custom:20260105T100000\nDURATION:PT1H", "20260105T150000Z/20260105T160000Z"),
        ("DTSTART;TZID=Nobody:20260105T100000\nDURATION:PT1H", "20260105T100000/20260105T110000"),
        ("DTSTART:20260105T100000\nDTEND:20260105T110000", "20260105T100000/20260105T110000"),
        ("DTSTART;VALUE=DATE:20260105", "20260105/20260106"),
        ("DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260108", "20260105/20260108"),
        ("DTSTART:20260105T100000Z", "20260105T100000Z/-"),
    ] {
        assert_eq!(busy(&object(&[zone, lines])), [expected], "{lines}");
    }
}

#[test]
fn what_takes_no_time_is_not_busy() {
    for lines in ["TRANSP:TRANSPARENT", "STATUS:cancelled", "RRULE:FREQ=DAILY\nTRANSP:transparent"] {
        assert!(busy(&object(&[&format!("DTSTART:20260105T100000Z\nDTEND:20260105T110000Z\n{lines}")])).is_empty());
    }
    let task = "BEGIN:VTODO\nUID:u\nDTSTART:20260105T100000Z\nDUE:20260105T110000Z\nEND:VTODO";
    assert!(busy(&object(&[task])).is_empty());
}

#[test]
fn an_override_shows_only_as_another_time_of_the_same_instance() {
    let daily = "DTSTART:20260105T100000Z\nDTEND:20260105T110000Z\nRRULE:FREQ=DAILY;COUNT=3";
    let plain = busy_times(&object(&[daily]), january(), |_| true).times;
    let moved = "RECURRENCE-ID:20260106T100000Z\nDTSTART:20260120T080000Z\nDTEND:20260120T083000Z\nSUMMARY:secret";
    let with_override = busy_times(&object(&[daily, moved]), january(), |_| true).times;
    assert_eq!(with_override.len(), 3);
    let changed: Vec<&BusyTime> = with_override.iter().filter(|time| !plain.contains(time)).collect();
    let [changed] = changed.as_slice() else { panic!("{changed:?}") };
    assert_eq!(changed.starts.to_value(), "20260120T080000Z");
    assert_eq!(changed.of, plain[1].of, "it is still the same instance");
    let cancelled = format!("{}\nSTATUS:CANCELLED", moved);
    assert_eq!(busy(&object(&[daily, &cancelled])).len(), 2);
    assert_eq!(busy_times(&object(&[daily, moved]), january(), |index| index == 1).times.len(), 1);
}

#[test]
fn periods_of_free_busy_time_are_busy_times() {
    let periods = "BEGIN:VFREEBUSY\nUID:u\nFREEBUSY:20260107T100000Z/PT1H,20260105T100000Z/20260105T110000Z\n\
                   FREEBUSY;FBTYPE=FREE:20260106T100000Z/PT1H\nFREEBUSY:20260301T100000Z/PT1H\nEND:VFREEBUSY";
    let expected = ["20260105T100000Z/20260105T110000Z", "20260107T100000Z/20260107T110000Z"];
    assert_eq!(busy(&object(&[periods])), expected);
    assert_eq!(Told::of(&object(&[periods]), FeedPrivacy::TitlesOnly, MASK).whole(), Telling::Busy);
}

#[test]
fn a_busy_time_says_when_and_nothing_else() {
    let object = object(&["DTSTART:20260105T100000Z\nDTEND:20260105T110000Z\nSUMMARY:s\nLOCATION:l"]);
    let times = busy_times(&object, january(), |_| true).times;
    assert_eq!(
        lines(&times[0].to_component("hash", instant("2026-01-01T12:00:00Z"))),
        [
            "BEGIN:VEVENT",
            "UID:hash",
            "DTSTAMP:20260101T120000Z",
            "DTSTART:20260105T100000Z",
            "DTEND:20260105T110000Z",
            "SUMMARY:Busy",
            "END:VEVENT"
        ]
    );
}

#[test]
fn a_title_is_shown_with_its_times() {
    let object = object(&[
        "DTSTAMP;X-TAINT=1:20251201T080000Z\nDTSTART;X-TAINT=1;TZID=Mine:20260105T100000\nDURATION:PT01H00M\n\
         RRULE:FREQ=DAILY;X-TAINT=1;INTERVAL=01;COUNT=3\nRDATE;VALUE=PERIOD;TZID=Mine:20260201T100000/PT2H\n\
         EXDATE;TZID=Mine:20260106T100000,20260107T100000\nSUMMARY;LANGUAGE=x-taint:Café\\, late\nLOCATION:TAINT\n\
         ATTENDEE:mailto:taint@example.org\nSTATUS:X-TAINT\nTRANSP:opaque\nSEQUENCE:04\nCATEGORIES:TAINT\n\
         BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:TAINT\nTRIGGER:-PT5M\nEND:VALARM",
    ]);
    let to = Retitle {
        uid: "hash",
        changed: instant("2026-01-01T12:00:00Z"),
        zones: &Zones::of(object.document().calendar().expect("one")),
        zone: &|tzid| (tzid == "Mine").then(|| "Zone-1".to_owned()),
        without: &[When::parse("20260108T100000", Some("Other")).expect("a time")],
    };
    assert_eq!(
        lines(&titled(object.master().expect("a master"), &to)),
        [
            "BEGIN:VEVENT",
            "UID:hash",
            "DTSTAMP:20251201T080000Z",
            "SEQUENCE:4",
            "DTSTART;TZID=Zone-1:20260105T100000",
            "DURATION:PT1H",
            "RRULE:FREQ=DAILY;COUNT=3",
            "RDATE;VALUE=PERIOD;TZID=Zone-1:20260201T100000/PT2H",
            "EXDATE;TZID=Zone-1:20260106T100000",
            "EXDATE;TZID=Zone-1:20260107T100000",
            "EXDATE:20260108T100000",
            "SUMMARY:Café\\, late",
            "TRANSP:OPAQUE",
            "END:VEVENT"
        ]
    );
}

#[test]
fn an_override_keeps_which_instance_it_is() {
    let object = object(&[
        "RECURRENCE-ID;RANGE=thisandfuture;VALUE=DATE:20260105\nDTSTART;VALUE=DATE:20260106\nDTEND;VALUE=DATE:20260107\n\
         SUMMARY:x\nSTATUS:cancelled",
    ]);
    let zones = Zones::of(object.document().calendar().expect("one"));
    let changed = instant("2026-01-01T12:00:00Z");
    let to = Retitle { uid: "h", changed, zones: &zones, zone: &|_| None, without: &[] };
    assert_eq!(
        lines(&titled(object.components().next().expect("one"), &to))[1..7],
        [
            "UID:h",
            "DTSTAMP:20260101T120000Z",
            "RECURRENCE-ID;VALUE=DATE;RANGE=THISANDFUTURE:20260105",
            "DTSTART;VALUE=DATE:20260106",
            "DTEND;VALUE=DATE:20260107",
            "SUMMARY:x",
        ]
    );
}

#[test]
fn a_zone_keeps_its_rules_and_loses_its_names() {
    let definition = "BEGIN:VTIMEZONE\nTZID:TAINT\nX-LIC-LOCATION:TAINT\nCOMMENT:TAINT\nTZURL:http://taint\n\
        BEGIN:DAYLIGHT\nTZNAME:TAINT\nCOMMENT:TAINT\nDTSTART:20260329T020000\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\n\
        TZOFFSETFROM:+0100\nTZOFFSETTO;X-TAINT=1:+0200\nEND:DAYLIGHT\nBEGIN:STANDARD\nDTSTART:20261025T030000\n\
        RDATE;VALUE=DATE-TIME:20271031T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+010020\nEND:STANDARD\n\
        BEGIN:X-TAINT\nEND:X-TAINT\nEND:VTIMEZONE";
    let object = object(&[definition, "DTSTART:20260105T100000Z"]);
    let zone = object.document().calendar().and_then(|c| c.components_named("VTIMEZONE").next()).expect("a zone");
    assert_eq!(
        lines(&plain_zone(zone, "Zone-1")),
        [
            "BEGIN:VTIMEZONE",
            "TZID:Zone-1",
            "BEGIN:DAYLIGHT",
            "DTSTART:20260329T020000",
            "TZOFFSETFROM:+0100",
            "TZOFFSETTO:+0200",
            "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
            "END:DAYLIGHT",
            "BEGIN:STANDARD",
            "DTSTART:20261025T030000",
            "TZOFFSETFROM:+0200",
            "TZOFFSETTO:+010020",
            "RDATE:20261025T030000",
            "RDATE:20271031T030000",
            "END:STANDARD",
            "END:VTIMEZONE"
        ]
    );
}
