//! What goes out through a link, and what must not.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::domain::recurrence::{Window, expand};
use crate::domain::sync::{Rule, RuleField, RuleOperator};
use crate::domain::time::Instant;
use crate::ics::zone::Zone;
use crate::sync::merge::{Prefer, Sides, merge};

const TEN: &str = "DTSTART;TZID=Europe/Berlin:20260105T100000\nDTEND;TZID=Europe/Berlin:20260105T110000";

fn object(components: &[&str]) -> CalendarObject {
    let mut text = String::from("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n");
    for lines in components {
        match lines.starts_with("BEGIN") {
            true => text += &format!("{lines}\n"),
            false => text += &format!("BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\n{lines}\nEND:VEVENT\n"),
        }
    }
    CalendarObject::parse(Bytes::from(format!("{text}END:VCALENDAR\n").replace('\n', "\r\n"))).expect("an object")
}

fn id() -> ObjectId {
    ObjectId::from_text("0199-object")
}

fn facts() -> Facts {
    Facts {
        appointment_type: Some("one_on_one".into()),
        client_id: Some("c7".into()),
        staff_user_id: Some("s1".into()),
        project_id: None,
    }
}

fn out(policy: &LinkPolicy, object: &CalendarObject) -> Option<CalendarObject> {
    outgoing(policy, object, &Known { id: &id(), facts: &facts(), client_contact: Some("Ada, +41 44") })
}

fn policy(private: PrivatePolicy) -> LinkPolicy {
    LinkPolicy { private, ..LinkPolicy::default() }
}

fn says(object: &CalendarObject) -> Vec<String> {
    let quiet = ["BEGIN:", "END:", "UID:", "DTSTAMP"];
    let lines = object.components().flat_map(|c| c.lines()).map(|line| line.unfolded().to_owned());
    lines.filter(|line| !quiet.iter().any(|start| line.starts_with(start))).collect()
}

/// A private series in which everything that can hold a word holds a tainted one.
const TAINTED: [&str; 4] = [
    "BEGIN:VTIMEZONE\nTZID:Own TAINT\nX-LIC-NOTE:TAINT\nBEGIN:STANDARD\nTZNAME:TAINT\nCOMMENT:TAINT\nDTSTART:19700101T000000\n\
     TZOFFSETFROM:+0300\nTZOFFSETTO:+0300\nEND:STANDARD\nEND:VTIMEZONE",
    "BEGIN:VEVENT\nUID:TAINT-uid\nDTSTAMP;X-P=TAINT:20260101T000000Z\nDTSTART;TZID=Own TAINT;X-P=TAINT:20260105T100000\n\
     DTEND;TZID=Own TAINT:20260105T110000\nRRULE:FREQ=WEEKLY;COUNT=4;X-PART=TAINT\nRDATE;TZID=Own TAINT:20260301T100000\n\
     EXDATE;X-P=TAINT;TZID=Own TAINT:20260112T100000\nCLASS:PRIVATE\nSUMMARY;ALTREP=\"TAINT:\":TAINT\nDESCRIPTION:TAINT\n\
     LOCATION:TAINT\nURL:https://TAINT\nORGANIZER;CN=TAINT:mailto:TAINT\nATTENDEE;CN=TAINT:mailto:TAINT@x.org\n\
     CATEGORIES:TAINT\nCOMMENT:TAINT\nCONTACT:TAINT\nATTACH:https://TAINT\nGEO:47.1;8.5\nPRIORITY:1\nSEQUENCE:7\nX-ANY:TAINT\n\
     STATUS:TENTATIVE\nRELATED-TO:TAINT\nRESOURCES:TAINT\nCOLOR:TAINT\nX-TAINT:1\nBEGIN:VALARM\nACTION:DISPLAY\n\
     TRIGGER:-PT5M\nDESCRIPTION:TAINT\nEND:VALARM\nBEGIN:X-TAINT\nX-A:TAINT\nEND:X-TAINT\nEND:VEVENT",
    "BEGIN:VEVENT\nUID:TAINT-uid\nRECURRENCE-ID;TZID=Own TAINT;X-P=TAINT:20260119T100000\n\
     DTSTART;TZID=Europe/Berlin:20260119T150000\nDURATION:PT30M\nSUMMARY:TAINT\nDESCRIPTION:TAINT\nSTATUS:CANCELLED\nEND:VEVENT",
    "X-WR-TAINT:TAINT",
];

fn tainted() -> CalendarObject {
    let text = format!(
        "BEGIN:VCALENDAR\nPRODID:TAINT\n{}\n{}\n{}\n{}\nEND:VCALENDAR\n",
        TAINTED[3], TAINTED[0], TAINTED[1], TAINTED[2]
    );
    CalendarObject::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("an object")
}

fn has(object: &CalendarObject, word: &str) -> bool {
    String::from_utf8_lossy(object.bytes()).to_lowercase().contains(&word.to_lowercase())
}

fn starts(object: &CalendarObject) -> Vec<(Instant, Instant)> {
    let window = Window { from: Instant::from_seconds(1_767_225_600), to: Instant::from_seconds(1_798_761_600) };
    expand(object, window, &Zone::Utc).instances.iter().map(|i| (i.starts.at, i.ends.at)).collect()
}

#[test]
fn class_23_no_byte_of_a_masked_appointment_but_its_times_goes_out() {
    let object = tainted();
    let masked = out(&policy(PrivatePolicy::Mask), &object).expect("something");
    assert!(!has(&masked, "taint"), "{}", String::from_utf8_lossy(masked.bytes()));
    assert_eq!(starts(&masked), starts(&object));
    let names: Vec<String> = masked.components().flat_map(|c| c.properties().map(|p| p.name().to_owned())).collect();
    let known = [
        "UID",
        "DTSTAMP",
        "DTSTART",
        "DTEND",
        "DURATION",
        "RRULE",
        "RDATE",
        "EXDATE",
        "RECURRENCE-ID",
        "SUMMARY",
        "STATUS",
    ];
    assert!(names.iter().all(|name| known.contains(&name.as_str())), "{names:?}");
    assert!(says(&masked).iter().filter(|line| line.starts_with("SUMMARY")).all(|line| line == "SUMMARY:Busy"));
    assert!(!has(&masked, "TENTATIVE") && has(&masked, "CANCELLED"));
    assert!(CalendarObject::parse(masked.bytes().clone()).is_ok(), "it is lawful");
    // Templates, contacts and notes never reach what is masked.
    let mut mapped = policy(PrivatePolicy::Mask);
    mapped.field_mapping.insert("title".into(), "TAINT {title} {client_id}".into());
    mapped.include_client_contact = true;
    assert_eq!(out(&mapped, &object).expect("something").bytes(), masked.bytes());
    // Another object is another one, and the same one the same.
    let other = Known { id: &ObjectId::from_text("other"), facts: &facts(), client_contact: None };
    let other = outgoing(&policy(PrivatePolicy::Mask), &object, &other).expect("something");
    assert_ne!(other.uid(), masked.uid());
}

#[test]
fn class_06_what_is_masked_twice_is_masked_once() {
    for object in [
        tainted(),
        object(&[&format!("{TEN}\nCLASS:CONFIDENTIAL\nTRANSP:TRANSPARENT")]),
        object(&["DTSTART;VALUE=DATE:20260105\nCLASS:PRIVATE"]),
    ] {
        let once = out(&policy(PrivatePolicy::Mask), &object).expect("something");
        assert_eq!(mask::masked(&once, &id()).expect("something").bytes(), once.bytes());
        assert_eq!(out(&policy(PrivatePolicy::Mask), &once).expect("something").bytes(), once.bytes());
    }
}

#[test]
fn what_is_private_stays_here_unless_the_link_says_otherwise() {
    let (private, public) = (tainted(), object(&[TEN]));
    assert!(out(&LinkPolicy::default(), &private).is_none());
    assert_eq!(wants(&LinkPolicy::default(), &private, &id(), &facts()), Wanted::No(Unwanted::Private));
    assert_eq!(out(&LinkPolicy::default(), &public).expect("something").bytes(), public.bytes());
    assert_eq!(out(&policy(PrivatePolicy::Include), &private).expect("something").bytes(), private.bytes());
    assert!(wants(&policy(PrivatePolicy::Mask), &private, &id(), &facts()).is_wanted());
    let mut included = LinkPolicy::default();
    included.filters.include.push(id().as_str().to_owned());
    assert_eq!(wants(&included, &private, &id(), &facts()), Wanted::No(Unwanted::Private), "not even by name");
}

#[test]
fn a_private_instance_of_a_public_series_is_told_less() {
    let weekly = format!("{TEN}\nRRULE:FREQ=WEEKLY;COUNT=3\nSUMMARY:public");
    let second = "RECURRENCE-ID;TZID=Europe/Berlin:20260112T100000\nDTSTART;TZID=Europe/Berlin:20260112T150000\nDURATION:PT1H\n\
                  CLASS:PRIVATE\nSUMMARY:TAINT\nX-A:TAINT";
    let object = object(&[&weekly, second]);
    let left_out = out(&policy(PrivatePolicy::Exclude), &object).expect("something");
    assert!(!has(&left_out, "TAINT"));
    assert_eq!(starts(&left_out).len(), 2);
    let masked = out(&policy(PrivatePolicy::Mask), &object).expect("something");
    assert!(!has(&masked, "TAINT") && has(&masked, "SUMMARY:public"));
    assert_eq!(starts(&masked), starts(&object));
    for policy in [policy(PrivatePolicy::Exclude), policy(PrivatePolicy::Mask)] {
        let writable = write_back(&policy, &object);
        let instance = Some("2026-01-12T09:00:00Z");
        assert!(!writable.allows(Part::Title, instance) && writable.allows(Part::Time, instance));
        assert!(writable.allows(Part::Title, None) && writable.allows(Part::Title, Some("2026-01-19T09:00:00Z")));
    }
}

#[test]
fn notes_templates_and_contacts_go_out_as_the_link_says() {
    let object = object(&[&format!(
        "{TEN}\nSUMMARY;LANGUAGE=en:Hello\nDESCRIPTION:secret\nX-ALT-DESC:secret\nLOCATION:Room\nX-OWN:1"
    )]);
    let mut own = LinkPolicy { omit_notes: true, ..LinkPolicy::default() };
    let bare = out(&own, &object).expect("something");
    assert!(!has(&bare, "secret") && has(&bare, "X-OWN:1"));
    own.field_mapping.insert("title".into(), "{appointment_type}: {title} {nobody}{".into());
    own.field_mapping.insert("location".into(), "{client_id}\n{project_id}, {location} {notes}".into());
    own.include_client_contact = true;
    let mapped = out(&own, &object).expect("something");
    let lines = says(&mapped);
    assert_eq!(
        &lines[2..],
        [
            "SUMMARY;LANGUAGE=en:one_on_one: Hello {",
            "DESCRIPTION:Client contact: Ada\\, +41 44",
            "LOCATION:c7\\n\\, Room",
            "X-OWN:1",
        ]
    );
    let writable = write_back(&own, &object);
    assert!(
        !writable.allows(Part::Title, None)
            && !writable.allows(Part::Notes, None)
            && !writable.allows(Part::Location, None)
    );
    assert!(writable.allows(Part::Time, None) && writable.allows(Part::Category, None));
    let nothing = outgoing(&own, &object, &Known { id: &id(), facts: &Facts::default(), client_contact: None });
    assert_eq!(says(&nothing.expect("something"))[2], "SUMMARY;LANGUAGE=en:: Hello {");
}

#[test]
fn a_contact_line_does_not_come_back() {
    let base = object(&[&format!("{TEN}\nDESCRIPTION:one\\ntwo")]);
    let policy = LinkPolicy { include_client_contact: true, ..LinkPolicy::default() };
    let before = out(&policy, &base).expect("something");
    assert!(has(&before, "Client contact: Ada"));
    let text = String::from_utf8_lossy(before.bytes()).replace("one", "ONE").replace("+41 44", "+41 55");
    let after = CalendarObject::parse(Bytes::from(text)).expect("an object");
    let sides = Sides { base: &base, local: &base, before: &before, after: &after };
    let now = Instant::from_seconds(1_780_000_000);
    let merged = merge(sides, &write_back(&policy, &base), &Prefer::Neither, now).expect("a merge");
    assert_eq!(says(&merged.object)[2], "DESCRIPTION:ONE\\ntwo");
    let sides = Sides { base: &base, local: &base, before: &base, after: &before };
    let nothing = merge(sides, &write_back(&policy, &base), &Prefer::Neither, now).expect("a merge");
    assert!(!nothing.took_remote && nothing.object.bytes() == base.bytes());
}

#[test]
fn filters_let_through_what_they_name() {
    let event = object(&[&format!("{TEN}\nCATEGORIES:Work,Café\nSUMMARY:x")]);
    let no = Wanted::No;
    let with = |set: &dyn Fn(&mut LinkPolicy)| {
        let mut policy = LinkPolicy::default();
        set(&mut policy);
        wants(&policy, &event, &id(), &facts())
    };
    let list = |value: &str| vec![value.to_owned()];
    assert_eq!(with(&|_| {}), Wanted::Yes);
    assert_eq!(with(&|p| p.filters.appointment_types = vec!["group_class".into(), "one_on_one".into()]), Wanted::Yes);
    assert_eq!(with(&|p| p.filters.appointment_types = list("group_class")), no(Unwanted::AppointmentType));
    assert_eq!(with(&|p| p.filters.client_ids = list("c8")), no(Unwanted::Client));
    assert_eq!(with(&|p| p.filters.staff_user_ids = list("s2")), no(Unwanted::Staff));
    assert_eq!(with(&|p| p.filters.project_ids = list("p")), no(Unwanted::Project), "of no project at all");
    assert_eq!(with(&|p| p.filters.categories = list("CAFÉ")), Wanted::Yes);
    assert_eq!(with(&|p| p.filters.categories = list("Home")), no(Unwanted::Category));
    let by_name = |p: &mut LinkPolicy| {
        p.filters.client_ids = list("c8");
        p.filters.include = list(id().as_str());
    };
    assert_eq!(with(&by_name), Wanted::Yes);
    assert_eq!(
        with(&|p| {
            by_name(p);
            p.filters.exclude = list(id().as_str())
        }),
        no(Unwanted::Excluded)
    );
    let task = object(&["BEGIN:VTODO\nUID:u\nSUMMARY:x\nEND:VTODO"]);
    assert_eq!(wants(&LinkPolicy::default(), &task, &id(), &facts()), no(Unwanted::NoAppointment));
    let mut only = LinkPolicy::default();
    only.filters.appointment_types = list("one_on_one");
    for kind in [Some("group_class"), Some("ONE_ON_ONE"), None] {
        let facts = Facts { appointment_type: kind.map(str::to_owned), ..facts() };
        assert_eq!(wants(&only, &event, &id(), &facts), no(Unwanted::AppointmentType), "{kind:?}");
    }
}

#[test]
fn class_15_a_range_is_half_open_and_a_series_is_in_if_any_instance_is() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a timestamp").as_millisecond();
    let in_range = |object: &CalendarObject, from: Option<&str>, until: Option<&str>| {
        let mut policy = LinkPolicy::default();
        (policy.filters.from_ms, policy.filters.until_ms) = (from.map(at), until.map(at));
        wants(&policy, object, &id(), &facts()).is_wanted()
    };
    let event = object(&["DTSTART:20260105T100000Z\nDTEND:20260105T110000Z"]);
    for (from, until, inside) in [
        (Some("2026-01-05T11:00:00Z"), None, false),
        (Some("2026-01-05T10:59:59Z"), None, true),
        (None, Some("2026-01-05T10:00:00Z"), false),
        (None, Some("2026-01-05T10:00:01Z"), true),
        (Some("2026-01-05T10:15:00Z"), Some("2026-01-05T10:30:00Z"), true),
        (Some("2026-01-06T00:00:00Z"), Some("2026-01-07T00:00:00Z"), false),
    ] {
        assert_eq!(in_range(&event, from, until), inside, "{from:?} {until:?}");
    }
    let series = object(&[
        "DTSTART:20200105T100000Z\nDTEND:20200105T110000Z\nRRULE:FREQ=YEARLY",
        "RECURRENCE-ID:20270105T100000Z\nDTSTART:20270301T100000Z\nDTEND:20270301T110000Z",
    ]);
    assert!(in_range(&series, Some("2026-01-01T00:00:00Z"), Some("2026-02-01T00:00:00Z")));
    assert!(!in_range(&series, Some("2026-02-01T00:00:00Z"), Some("2026-03-01T00:00:00Z")));
    assert!(in_range(&series, Some("2027-02-01T00:00:00Z"), Some("2027-03-02T00:00:00Z")), "where it was moved to");
    assert!(!in_range(&series, Some("2027-01-01T00:00:00Z"), Some("2027-02-01T00:00:00Z")), "not where it was");
    assert!(in_range(&series, Some("2300-01-01T00:00:00Z"), None), "for ever");
    assert!(!in_range(&series, None, Some("2020-01-05T10:00:00Z")));
}

#[test]
fn rules_compare_without_case_and_deny_for_all() {
    let event = object(&[&format!("{TEN}\nSUMMARY:Team Lunch\nCATEGORIES:Work,Food\nRRULE:FREQ=DAILY")]);
    let holds =
        |field, operator, value: &str| matches(&Rule { field, operator, value: value.into() }, &event, &facts());
    use RuleField::*;
    use RuleOperator::*;
    for (field, operator, value, expected) in [
        (Title, Equals, "team lunch", true),
        (Title, Equals, "team", false),
        (Title, Contains, "LUNCH", true),
        (Title, StartsWith, "Team", true),
        (Title, EndsWith, "team", false),
        (Title, NotContains, "dinner", true),
        (Category, Equals, "food", true),
        (Category, NotEquals, "food", false),
        (Category, NotContains, "oo", false),
        (Location, Exists, "", false),
        (Location, NotExists, "", true),
        (Location, NotEquals, "x", true),
        (Location, Equals, "", false),
        (AppointmentType, Equals, "ONE_ON_ONE", true),
        (ClientId, StartsWith, "c", true),
        (ProjectId, Exists, "", false),
        (Status, Equals, "confirmed", true),
        (Recurring, Equals, "true", true),
        (Recurring, Exists, "", true),
        (AllDay, Exists, "", false),
        (AllDay, Equals, "false", true),
        (Private, NotEquals, "true", true),
    ] {
        assert_eq!(holds(field, operator, value), expected, "{field:?} {operator:?} {value:?}");
    }
    let mut policy = LinkPolicy::default();
    policy.filters.rules = vec![
        Rule { field: Title, operator: Contains, value: "lunch".into() },
        Rule { field: Category, operator: Equals, value: "home".into() },
    ];
    assert_eq!(wants(&policy, &event, &id(), &facts()), Wanted::No(Unwanted::Rule), "all of them");
}

#[test]
fn everybody_is_invited_once_and_nobody_to_their_own() {
    let weekly = format!(
        "{TEN}\nRRULE:FREQ=WEEKLY;COUNT=3\nSEQUENCE:2\nORGANIZER:mailto:boss@x.org\nATTENDEE:mailto:BOSS@x.org\n\
         ATTENDEE:mailto:ada@x.org\nATTENDEE;CN=Ada:MAILTO:ada@x.org"
    );
    let second = "RECURRENCE-ID;TZID=Europe/Berlin:20260112T100000\nDTSTART;TZID=Europe/Berlin:20260112T150000\n\
                  ATTENDEE:mailto:bob@x.org";
    let found: Vec<String> = invitations(&object(&[&weekly, second]))
        .into_iter()
        .map(|i| format!("{} {} {}", i.recurrence_id, i.sequence, i.recipient))
        .collect();
    assert_eq!(found, [" 2 mailto:ada@x.org", "2026-01-12T09:00:00Z 0 mailto:bob@x.org"]);
}

proptest! {
    #[test]
    fn class_23_whatever_a_private_line_says_stays_here(
        name in "[A-Z][A-Z-]{0,12}",
        param in "[A-Z]{1,6}=[a-z]{1,6}",
        value in "[ -~]{0,30}",
    ) {
        let line = format!("{name};{param};X-T=tainted:tainted{}", value.replace(['\\', '"'], ""));
        let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:tainted\r\nDTSTART:20260105T100000Z\r\n\
                            CLASS:PRIVATE\r\n{line}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
        if let Ok(object) = CalendarObject::parse(Bytes::from(text)) {
            let masked = out(&policy(PrivatePolicy::Mask), &object).expect("something");
            prop_assert!(!has(&masked, "tainted"));
            prop_assert!(out(&policy(PrivatePolicy::Exclude), &object).is_none());
        }
    }
}
