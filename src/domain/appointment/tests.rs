//! Reading and changing appointments: by example, and by properties over generated changes.

use bytes::Bytes;
use jiff::civil::{date, datetime};
use proptest::prelude::*;

use super::*;
use crate::domain::object::CalendarObject;
use crate::domain::time::Instant;
use crate::ics::CalAddress;
use crate::ics::zone::Zones;

const NOW: Instant = Instant::from_seconds(1_800_000_000);

/// What an event of Apple, Outlook and Google at once looks like.
const RICH: &str = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\nX-WR-CALNAME:Lessons\n\
BEGIN:VTIMEZONE\nTZID:W. Europe Standard Time\nBEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0200\n\
TZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:16010101T020000\n\
TZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\n\
BEGIN:VEVENT\nCREATED:20250101T000000Z\nUID:rich@x\nX-ONE:a\\,b\nDTSTART;TZID=W. Europe Standard Time:20260302T100000\n\
DTEND;TZID=W. Europe Standard Time:20260302T110000\nRRULE:FREQ=WEEKLY;UNTIL=20260601T080000Z\n\
EXDATE;TZID=W. Europe Standard Time:20260309T100000,20260316T100000\nEXDATE:20260413T080000Z\n\
SUMMARY;LANGUAGE=en:Piano\\, with a long title that has been folded by somebody some\n where\n\
DESCRIPTION;ALTREP=\"cid:x\":Bring\\nnotes\nX-ALT-DESC;FMTTYPE=text/html:<b>Bring notes</b>\n\
LOCATION:Studio 4\nX-APPLE-STRUCTURED-LOCATION;VALUE=URI:geo:1,2\nGEO:1;2\nSTATUS:CONFIRMED\nCLASS:CONFIDENTIAL\n\
TRANSP:OPAQUE\nX-MICROSOFT-CDO-BUSYSTATUS:BUSY\nCATEGORIES:Music,Kids\\, small\nCATEGORIES:Weekly\n\
ORGANIZER;CN=Ada:mailto:ada@x.example\n\
ATTENDEE;CN=Bob;PARTSTAT=ACCEPTED;X-NUM-GUESTS=2:mailto:bob@x.example\n\
ATTENDEE;ROLE=OPT-PARTICIPANT;SCHEDULE-STATUS=1.1:MAILTO:Eve@x.example\n\
DTSTAMP:20260101T000000Z\nSEQUENCE:4\n\
BEGIN:VALARM\nTRIGGER:-PT15M\nACTION:DISPLAY\nDESCRIPTION:Reminder\nACKNOWLEDGED:20260101T000000Z\nEND:VALARM\n\
BEGIN:VALARM\nX-WR-ALARMUID:1\nTRIGGER;VALUE=DATE-TIME:19760401T005545Z\nACTION:NONE\nEND:VALARM\n\
END:VEVENT\n\
BEGIN:VEVENT\nUID:rich@x\nRECURRENCE-ID;TZID=W. Europe Standard Time:20260323T100000\n\
DTSTART;TZID=W. Europe Standard Time:20260324T160000\nDTEND;TZID=W. Europe Standard Time:20260324T170000\n\
SUMMARY:Moved\nEND:VEVENT\n\
BEGIN:VEVENT\nUID:rich@x\nRECURRENCE-ID:20260330T080000Z\nDTSTART;TZID=W. Europe Standard Time:20260330T100000\n\
DURATION:PT1H\nSUMMARY:Renamed\nEND:VEVENT\nEND:VCALENDAR\n";

const PLAIN: &str = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:plain\nDTSTART:20260302T100000Z\nDURATION:PT1H30M\nEND:VEVENT\n\
END:VCALENDAR\n";
const DAY: &str = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:day\nDTSTART;VALUE=DATE:20260302\nRRULE:FREQ=DAILY;COUNT=5\n\
EXDATE;VALUE=DATE:20260304\nEND:VEVENT\nEND:VCALENDAR\n";
const FLOATING: &str = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:f\nDTSTART:20260302T100000\nEND:VEVENT\nEND:VCALENDAR\n";

fn object(text: &str) -> CalendarObject {
    CalendarObject::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("a legal object")
}

fn read(object: &CalendarObject) -> Appointment {
    Appointment::of(object).expect("an appointment")
}

/// The object with its appointment changed, the way the API does it.
fn changed(object: &CalendarObject, change: impl FnOnce(&mut Appointment)) -> (Appointment, CalendarObject) {
    let before = read(object);
    let mut wanted = before.clone();
    change(&mut wanted);
    before.carry_along(&mut wanted, &Zones::of(object.document().calendar().expect("a calendar")));
    let bytes = apply(object, &wanted, NOW).expect("an event");
    (wanted, CalendarObject::parse(bytes).expect("still legal"))
}

fn text(object: &CalendarObject) -> String {
    String::from_utf8(object.bytes().to_vec()).expect("UTF-8").replace("\r\n", "\n")
}

/// What `after` has instead of lines of `before`, as a person would list it.
fn difference(before: &CalendarObject, after: &CalendarObject) -> Vec<String> {
    let (old, new) = (text(before), text(after));
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    let gone = old.iter().filter(|l| !new.contains(l)).map(|l| format!("-{l}"));
    let come = new.iter().filter(|l| !old.contains(l)).map(|l| format!("+{l}"));
    gone.chain(come).collect()
}

fn berlin(wall: jiff::civil::DateTime) -> When {
    When::Zoned { local: wall, tzid: "Europe/Berlin".into() }
}

#[test]
fn an_object_is_read_as_a_person_means_it() {
    let appointment = read(&object(RICH));
    let expected = Appointment {
        title: Some("Piano, with a long title that has been folded by somebody somewhere".into()),
        notes: Some("Bring\nnotes".into()),
        location: Some("Studio 4".into()),
        url: None,
        start: berlin(datetime(2026, 3, 2, 10, 0, 0, 0)),
        end: berlin(datetime(2026, 3, 2, 11, 0, 0, 0)),
        recurrence: Recurrence {
            rules: vec!["FREQ=WEEKLY;UNTIL=20260601T080000Z".into()],
            added: vec![],
            removed: vec![
                berlin(datetime(2026, 3, 9, 10, 0, 0, 0)),
                berlin(datetime(2026, 3, 16, 10, 0, 0, 0)),
                When::Utc(datetime(2026, 4, 13, 8, 0, 0, 0)),
            ],
        },
        status: Status::Confirmed,
        private: true,
        transparent: false,
        categories: vec!["Music".into(), "Kids, small".into(), "Weekly".into()],
        attendees: vec![
            Attendee {
                address: CalAddress::new("mailto:bob@x.example"),
                name: Some("Bob".into()),
                role: AttendeeRole::Required,
                status: AttendeeStatus::Accepted,
            },
            Attendee {
                address: CalAddress::new("mailto:eve@x.example"),
                name: None,
                role: AttendeeRole::Optional,
                status: AttendeeStatus::NeedsAction,
            },
        ],
        reminders: vec![Reminder { time: ReminderTime::BeforeStart(900), action: Action::Display }],
    };
    assert_eq!(appointment, expected);
}

#[test]
fn an_end_is_found_in_every_form() {
    let end = |lines: &str| {
        let text = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n");
        read(&object(&text)).end.to_value()
    };
    for (lines, expected) in [
        ("DTSTART:20260101T100000Z", "20260101T100000Z"),
        ("DTSTART;VALUE=DATE:20260101", "20260102"),
        ("DTSTART;VALUE=DATE:20260101\nDURATION:P3D", "20260104"),
        ("DTSTART:20260101T100000Z\nDURATION:PT90M", "20260101T113000Z"),
        // The clocks go forward in between: a day is until the same time, 24 hours are 24 hours.
        ("DTSTART;TZID=Europe/Berlin:20260328T120000\nDURATION:P1D", "20260329T120000"),
        ("DTSTART;TZID=Europe/Berlin:20260328T120000\nDURATION:PT24H", "20260329T130000"),
        ("DTSTART:99991231T230000Z\nDURATION:P30000D", "99991231T235959Z"),
    ] {
        assert_eq!(end(lines), expected, "{lines}");
    }
}

#[test]
fn a_changed_title_changes_its_line_and_the_stamps() {
    let before = object(RICH);
    let (_, after) = changed(&before, |a| a.title = Some("Piano; solo".into()));
    assert_eq!(
        difference(&before, &after),
        [
            "-SUMMARY;LANGUAGE=en:Piano\\, with a long title that has been folded by somebody some",
            "- where",
            "-DTSTAMP:20260101T000000Z",
            "+SUMMARY;LANGUAGE=en:Piano\\; solo",
            "+DTSTAMP:20270115T080000Z",
            "+LAST-MODIFIED:20270115T080000Z",
        ]
    );
}

#[test]
fn what_repeats_a_changed_line_in_another_form_goes() {
    let before = object(RICH);
    let (_, after) = changed(&before, |a| {
        a.notes = None;
        a.location = Some("Studio 5".into());
        a.transparent = true;
    });
    let difference = difference(&before, &after);
    for gone in ["-X-ALT-DESC;FMTTYPE=text/html:<b>Bring notes</b>", "-GEO:1;2", "-X-MICROSOFT-CDO-BUSYSTATUS:BUSY"] {
        assert!(difference.iter().any(|line| line == gone), "{gone} in {difference:#?}");
    }
    assert!(!text(&after).contains("STRUCTURED-LOCATION"));
}

#[test]
fn a_series_takes_its_exceptions_along() {
    let before = object(RICH);
    let (wanted, after) = changed(&before, |a| {
        a.start = berlin(datetime(2026, 3, 3, 9, 30, 0, 0));
        a.end = berlin(datetime(2026, 3, 3, 10, 30, 0, 0));
    });
    assert_eq!(read(&after), wanted);
    assert_eq!(wanted.recurrence.rules, ["FREQ=WEEKLY;UNTIL=20260602T073000Z"]);
    let text = text(&after);
    let overrides = text.split("BEGIN:VEVENT").skip(2).collect::<Vec<_>>().join("|");
    for line in [
        // Moved by hand before: only its name follows.
        "RECURRENCE-ID;TZID=W. Europe Standard Time:20260324T093000",
        "DTSTART;TZID=W. Europe Standard Time:20260324T160000",
        // Still in its place before: it follows.
        "RECURRENCE-ID;TZID=W. Europe Standard Time:20260331T093000",
        "DTSTART;TZID=W. Europe Standard Time:20260331T093000",
        "DURATION:PT1H",
    ] {
        assert!(overrides.contains(line), "{line} in {overrides}");
    }
    for line in [
        "EXDATE;TZID=W. Europe Standard Time:20260310T093000",
        "EXDATE;TZID=W. Europe Standard Time:20260414T093000",
        "SEQUENCE:5",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn a_new_zone_is_defined_once_and_before_its_use() {
    let (_, after) = changed(&object(PLAIN), |a| {
        let zoned = |hour| When::Zoned { local: datetime(2026, 3, 2, hour, 0, 0, 0), tzid: "America/New_York".into() };
        (a.start, a.end) = (zoned(10), zoned(11));
    });
    let text = text(&after);
    assert_eq!(text.matches("BEGIN:VTIMEZONE").count(), 1);
    assert!(text.find("BEGIN:VTIMEZONE") < text.find("BEGIN:VEVENT"));
    assert!(text.contains("DTSTART;TZID=America/New_York:20260302T100000\n"), "{text}");
    assert!(text.contains("DTEND;TZID=America/New_York:20260302T110000\n") && !text.contains("DURATION"), "{text}");
}

#[test]
fn without_its_rule_a_series_has_no_overrides() {
    let (_, after) = changed(&object(RICH), |a| a.recurrence = Recurrence::default());
    assert_eq!(after.overrides().count(), 0);
    assert!(!text(&after).contains("EXDATE"));
}

#[test]
fn who_stays_invited_keeps_the_line() {
    let before = object(RICH);
    let (_, after) = changed(&before, |a| {
        a.attendees.remove(1);
        a.attendees[0].status = AttendeeStatus::Declined;
        a.attendees.push(Attendee {
            address: CalAddress::new("mailto:zoe@x.example"),
            name: Some("Zoë".into()),
            role: AttendeeRole::Chair,
            status: AttendeeStatus::NeedsAction,
        });
    });
    let text = text(&after);
    assert!(text.contains("ATTENDEE;CN=Bob;X-NUM-GUESTS=2;PARTSTAT=DECLINED:mailto:bob@x.example\n"), "{text}");
    assert!(!text.contains("Eve@"));
    assert!(text.contains("CN=Zoë;ROLE=CHAIR"), "{text}");
}

#[test]
fn a_reminder_that_stays_keeps_what_the_phone_wrote_into_it() {
    let before = object(RICH);
    let day = Reminder { time: ReminderTime::BeforeStart(86_400), action: Action::Display };
    let (_, after) = changed(&before, |a| a.reminders.insert(0, day));
    let text = text(&after);
    assert!(text.contains("ACKNOWLEDGED") && text.contains("ACTION:NONE") && text.contains("TRIGGER:-P1D"), "{text}");
    let (_, after) = changed(&before, |a| a.reminders.clear());
    assert!(self::text(&after).contains("ACTION:NONE") && !self::text(&after).contains("ACKNOWLEDGED"));
}

fn a_text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![Just(None), "[ -~äß日,;:\\\\\"^\n]{0,90}".prop_map(Some)]
}

fn a_start() -> impl Strategy<Value = (When, When)> {
    let wall = (2020_i16..2030, 1_i8..=12, 1_i8..=28, 0_i8..24, 0_i8..60)
        .prop_map(|(y, m, d, h, min)| datetime(y, m, d, h, min, 0, 0));
    let zone = prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Asia/Kolkata"]);
    (wall, zone, 0_i64..5_000, 0..4).prop_map(|(wall, zone, minutes, kind)| {
        let end = wall.checked_add(jiff::Span::new().minutes(minutes)).expect("in range");
        let zoned = |local| When::Zoned { local, tzid: zone.to_owned() };
        match kind {
            0 => (When::Utc(wall), When::Utc(end)),
            1 => (When::Floating(wall), When::Floating(end)),
            2 => (When::Date(wall.date()), When::Date(end.date().tomorrow().expect("in range"))),
            _ => (zoned(wall), zoned(end)),
        }
    })
}

fn an_attendee() -> impl Strategy<Value = Attendee> {
    let address = prop::sample::select(vec!["bob", "eve", "zoe", "max"]);
    (address, prop::option::of("[ -~ä\"^;:,]{1,20}"), 0_usize..4, 0_usize..5).prop_map(|(who, name, role, status)| {
        let roles = [AttendeeRole::Chair, AttendeeRole::Required, AttendeeRole::Optional, AttendeeRole::Informed];
        let statuses = [
            AttendeeStatus::NeedsAction,
            AttendeeStatus::Accepted,
            AttendeeStatus::Declined,
            AttendeeStatus::Tentative,
            AttendeeStatus::Delegated,
        ];
        Attendee {
            address: CalAddress::new(&format!("mailto:{who}@x.example")),
            name,
            role: roles[role],
            status: statuses[status],
        }
    })
}

/// One change a person may make.
#[derive(Debug, Clone)]
enum Edit {
    Title(Option<String>),
    Notes(Option<String>),
    Location(Option<String>),
    Times(When, When),
    Rules(Vec<String>),
    Removed(Vec<When>),
    Status(Status),
    Private(bool),
    Transparent(bool),
    Categories(Vec<String>),
    Attendees(Vec<Attendee>),
    Reminders(Vec<i64>),
}

fn an_edit() -> impl Strategy<Value = Edit> {
    let rules = prop::sample::select(vec!["FREQ=DAILY;COUNT=3", "FREQ=WEEKLY;BYDAY=MO,WE", "FREQ=YEARLY"]);
    let dates = (1_i8..=28).prop_map(|d| When::Date(date(2026, 3, d)));
    prop_oneof![
        a_text().prop_map(Edit::Title),
        a_text().prop_map(Edit::Notes),
        a_text().prop_map(Edit::Location),
        a_start().prop_map(|(start, end)| Edit::Times(start, end)),
        prop::collection::vec(rules.prop_map(str::to_owned), 0..3).prop_map(Edit::Rules),
        prop::collection::vec(dates, 0..4).prop_map(Edit::Removed),
        prop::sample::select(vec![Status::Confirmed, Status::Tentative, Status::Cancelled]).prop_map(Edit::Status),
        any::<bool>().prop_map(Edit::Private),
        any::<bool>().prop_map(Edit::Transparent),
        prop::collection::vec("[a-zä,;\\\\]{1,8}", 0..4).prop_map(Edit::Categories),
        prop::collection::vec(an_attendee(), 0..5).prop_map(Edit::Attendees),
        prop::collection::vec(0_i64..200_000, 0..4).prop_map(Edit::Reminders),
    ]
}

impl Edit {
    /// Makes the change; says which lines it may touch.
    fn make(self, to: &mut Appointment) -> &'static [&'static str] {
        match self {
            Edit::Title(title) => to.title = title,
            Edit::Notes(notes) => {
                to.notes = notes;
                return &["DESCRIPTION", "X-ALT-DESC"];
            }
            Edit::Location(location) => {
                to.location = location;
                return &["LOCATION", "X-APPLE-STRUCTURED-LOCATION", "GEO"];
            }
            Edit::Times(start, end) => {
                (to.start, to.end) = (start, end);
                return &["DTSTART", "DTEND", "DURATION", "RRULE", "EXDATE", "RECURRENCE-ID"];
            }
            Edit::Rules(rules) => {
                to.recurrence.rules = rules;
                return &["RRULE"];
            }
            Edit::Removed(removed) => {
                to.recurrence.removed = removed;
                return &["EXDATE"];
            }
            Edit::Status(status) => {
                to.status = status;
                return &["STATUS"];
            }
            Edit::Private(private) => {
                to.private = private;
                return &["CLASS"];
            }
            Edit::Transparent(transparent) => {
                to.transparent = transparent;
                return &["TRANSP", "X-MICROSOFT-CDO-BUSYSTATUS"];
            }
            Edit::Categories(categories) => {
                to.categories = categories;
                return &["CATEGORIES"];
            }
            Edit::Attendees(mut attendees) => {
                attendees.dedup_by(|a, b| a.address == b.address);
                to.attendees = attendees;
                return &["ATTENDEE"];
            }
            Edit::Reminders(reminders) => {
                let reminder = |s| Reminder { time: ReminderTime::BeforeStart(s), action: Action::Display };
                to.reminders = reminders.into_iter().map(reminder).collect();
                return &["VALARM"];
            }
        }
        &["SUMMARY"]
    }
}

/// The raw bytes of every property outside alarms and zones whose name is not among these.
fn others(object: &CalendarObject, touched: &[&str]) -> Vec<Bytes> {
    let is_other = |p: &&crate::ics::Property| !touched.iter().any(|name| p.is(name));
    let calendar = object.document().calendar().expect("a calendar");
    let master = object.master().into_iter().flat_map(|c| c.properties());
    calendar.properties().chain(master).filter(is_other).map(|p| p.raw().clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_change_arrives_and_touches_only_its_lines(
        text in prop::sample::select(vec![RICH, PLAIN, DAY, FLOATING]),
        edits in prop::collection::vec(an_edit(), 0..4),
    ) {
        let before = object(text);
        let mut touched = vec!["DTSTAMP", "LAST-MODIFIED", "SEQUENCE"];
        let (mut wanted, after) = changed(&before, |a| {
            for edit in edits {
                touched.extend(edit.make(a));
            }
        });
        prop_assert_eq!(others(&before, &touched), others(&after, &touched));

        // Reminders and exceptions have no order.
        let mut found = read(&after);
        for appointment in [&mut wanted, &mut found] {
            appointment.reminders.sort_by_key(|r| format!("{r:?}"));
            appointment.recurrence.removed.sort_by_key(|w| format!("{w:?}"));
            appointment.recurrence.rules.sort();
        }
        prop_assert_eq!(&found, &wanted);

        let again = apply(&after, &read(&after), NOW.plus_ms(1_000)).expect("an event");
        prop_assert_eq!(&again, after.bytes(), "nothing to change changes nothing");
    }
}
