//! What a feed shows: calendars, facts, categories, time.

use kalends::domain::access::Role;
use kalends::domain::appointment::Facts;
use kalends::domain::calendar::{CalendarSettings, ScheduleTransparency};
use kalends::domain::feed::{FeedFilters, FeedKind, FeedPrivacy, FeedSettings, FeedWindow};
use kalends::store::{NewFeed, UserSettings};

use crate::house::{House, event, ics, values};
use crate::support;

async fn uids(house: &House, settings: &FeedSettings) -> String {
    let mut uids = values(&house.shown(settings).await, "UID");
    uids.sort();
    uids.join(" ")
}

#[tokio::test]
async fn calendars_are_chosen_or_all_of_the_owners() {
    let house = House::new().await;
    for (slug, uid) in [("work", "a"), ("home", "b"), ("club", "c")] {
        house.put(slug, "x.ics", &event(uid, "20261121T100000Z")).await;
    }
    let id = async |slug| house.calendar(slug).await.1.id.as_str().to_owned();
    let chosen = |calendars: Vec<String>| FeedSettings { calendars, ..FeedSettings::default() };
    assert_eq!(uids(&house, &chosen(vec![])).await, "a b c");
    assert_eq!(uids(&house, &chosen(vec![id("home").await])).await, "b");
    assert_eq!(uids(&house, &chosen(vec![id("club").await, id("work").await])).await, "a c");
    assert_eq!(uids(&house, &chosen(vec!["0198-gone".into()])).await, "");

    let bob = house.bench.user("acme", "bob", Role::Manager).await;
    let eve = house.bench.user("evil", "eve", Role::Manager).await;
    for stranger in [&bob, &eve] {
        for calendars in [vec![], vec![id("home").await]] {
            let new = NewFeed { label: String::new(), settings: chosen(calendars), expires_ms: None };
            let answer = house.get(&house.add_feed(stranger, &new).await).await;
            assert_eq!(values(&answer.text(), "UID"), [] as [&str; 0], "a stranger's feed");
        }
    }
}

#[tokio::test]
async fn facts_and_categories_let_through_what_has_them_all() {
    let house = House::new().await;
    let facts = |kind: &str, client: &str, staff: &str, project: &str| Facts {
        appointment_type: Some(kind.into()),
        client_id: Some(client.into()),
        staff_user_id: Some(staff.into()),
        project_id: Some(project.into()),
    };
    let all = [
        ("a", "CATEGORIES:Red,Green", facts("class", "c1", "s1", "p1")),
        ("b", "CATEGORIES:green", facts("class", "c2", "s1", "p2")),
        ("c", "CATEGORIES:Gre,en\\,Green", facts("single", "c1", "s2", "p1")),
        ("d", "COMMENT:Green", Facts::default()),
    ];
    for (uid, line, facts) in &all {
        let object = ics(&[&format!("UID:{uid}\nDTSTART:20261121T100000Z\n{line}")]);
        house.put_with("work", &format!("{uid}.ics"), &object, facts).await;
    }
    let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    let none = FeedFilters::default();
    for (filters, expected) in [
        (none.clone(), "a b c d"),
        (FeedFilters { appointment_types: list(&["class"]), ..none.clone() }, "a b"),
        (FeedFilters { client_ids: list(&["c1", "c9"]), ..none.clone() }, "a c"),
        (FeedFilters { staff_user_ids: list(&["s2", "s1"]), ..none.clone() }, "a b c"),
        (FeedFilters { project_ids: list(&["p1"]), staff_user_ids: list(&["s1"]), ..none.clone() }, "a"),
        (FeedFilters { categories: list(&["GREEN"]), ..none.clone() }, "a b"),
        (FeedFilters { categories: list(&["red", "gre"]), ..none.clone() }, "a c"),
        (FeedFilters { categories: list(&["green"]), client_ids: list(&["c2"]), ..none.clone() }, "b"),
        (FeedFilters { client_ids: list(&["' or 1=1 --"]), ..none }, ""),
    ] {
        let settings = FeedSettings { filters: filters.clone(), ..FeedSettings::default() };
        assert_eq!(uids(&house, &settings).await, expected, "{filters:?}");
    }
}

#[tokio::test]
async fn a_window_shows_what_touches_it() {
    let house = House::new().await;
    let objects = [
        ("past", "DTSTART:20261118T100000Z\nDTEND:20261118T110000Z"),
        ("just-before", "DTSTART:20261119T220000Z\nDTEND:20261120T000000Z"),
        ("across-start", "DTSTART:20261119T220000Z\nDTEND:20261120T000001Z"),
        ("inside", "DTSTART;TZID=Europe/Berlin:20261121T100000\nDURATION:PT1H"),
        ("last-minute", "DTSTART:20261123T235900Z\nDURATION:PT1H"),
        ("just-after", "DTSTART:20261124T000000Z\nDURATION:PT1H"),
        ("day", "DTSTART;VALUE=DATE:20261123"),
        ("day-after", "DTSTART;VALUE=DATE:20261124"),
        ("zoned-before", "DTSTART;TZID=America/New_York:20261119T180000\nDURATION:PT30M"),
        ("weekly-from-old", "DTSTART:20200104T100000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY"),
        ("yearly-elsewhere", "DTSTART:20200704T100000Z\nDURATION:PT1H\nRRULE:FREQ=YEARLY"),
        ("ended", "DTSTART:20200104T100000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3"),
        ("daily-but-not-now", "DTSTART:20261101T100000Z\nRRULE:FREQ=WEEKLY;BYDAY=SU"),
    ];
    for (uid, lines) in objects {
        house.put("work", &format!("{uid}.ics"), &ics(&[&format!("UID:{uid}\n{lines}")])).await;
    }
    let moved_in = "UID:moved-in\nDTSTART:20200704T100000Z\nRRULE:FREQ=YEARLY";
    let over = "UID:moved-in\nRECURRENCE-ID:20260704T100000Z\nDTSTART:20261121T090000Z";
    house.put("work", "moved.ics", &ics(&[moved_in, over])).await;
    let task = "BEGIN:VTODO\nUID:undated-task\nDTSTAMP:20261101T120000Z\nSUMMARY:x\nEND:VTODO";
    house.put("tasks", "t.ics", &ics(&[task])).await;

    // 20 to 23 November.
    let window = FeedWindow::Days { back: 1, ahead: 2 };
    let shown = house.shown(&FeedSettings { window, ..FeedSettings::default() }).await;
    let mut found = values(&shown, "UID");
    found.sort();
    found.dedup();
    let expected = "across-start daily-but-not-now day inside last-minute moved-in undated-task weekly-from-old";
    assert_eq!(found.join(" "), expected);
    let rules: Vec<String> = values(&shown, "RRULE").into_iter().filter(|rule| !rule.contains("YEARLY;")).collect();
    assert_eq!(rules, ["FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=SU", "FREQ=YEARLY"], "sent whole");
    assert_eq!(values(&shown, "RECURRENCE-ID"), ["20260704T100000Z"]);

    let all = FeedSettings { window: FeedWindow::All, ..FeedSettings::default() };
    let mut everything = values(&house.shown(&all).await, "UID");
    everything.dedup();
    assert_eq!(everything.len(), objects.len() + 2);
    let default = uids(&house, &FeedSettings::default()).await;
    assert!(default.contains("past") && !default.contains("ended") && !default.contains("yearly-elsewhere"));
}

#[tokio::test]
async fn free_busy_time_is_merged_and_typed() {
    let house = House::new().await;
    let hour = |uid: &str, from: &str, more: &str| {
        ics(&[&format!("UID:{uid}\nDTSTART:{from}\nDURATION:PT1H{more}\nSUMMARY:TAINT\nLOCATION:TAINT")])
    };
    house.put("work", "a.ics", &hour("a", "20261121T100000Z", "")).await;
    house.put("home", "b.ics", &hour("b", "20261121T103000Z", "")).await;
    house.put("home", "c.ics", &hour("c", "20261121T120000Z", "\nSTATUS:TENTATIVE")).await;
    house.put("home", "d.ics", &hour("d", "20261121T150000Z", "\nTRANSP:TRANSPARENT")).await;
    house.put("home", "e.ics", &hour("e", "20261121T160000Z", "\nCLASS:PRIVATE")).await;
    house.put("home", "f.ics", &hour("f", "20261119T230000Z", "\nRRULE:FREQ=WEEKLY")).await;
    house.put("club", "g.ics", &hour("g", "20261121T170000Z", "")).await;
    house.put("work", "h.ics", &ics(&["UID:h\nDTSTART;VALUE=DATE:20261122\nSUMMARY:TAINT"])).await;
    let periods = "BEGIN:VFREEBUSY\nUID:i\nDTSTAMP:20261101T120000Z\nFREEBUSY;FBTYPE=BUSY-UNAVAILABLE:\
                   20261121T180000Z/PT1H\nEND:VFREEBUSY";
    house.put("work", "i.ics", &ics(&[periods])).await;
    let (access, club) = house.calendar("club").await;
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let settings = CalendarSettings { transparency: ScheduleTransparency::Transparent, ..club.settings };
    tx.set_calendar(&access, &settings).await.expect("set");
    let zone = UserSettings { timezone: Some("Europe/Berlin".into()), ..UserSettings::default() };
    tx.set_user_profile(&house.ada.firm, &house.ada.id, None, None, &zone).await.expect("set");
    tx.commit().await.expect("a commit");

    let window = FeedWindow::Days { back: 1, ahead: 1 };
    let settings = FeedSettings { kind: FeedKind::FreeBusy, window, ..FeedSettings::default() };
    let shown = house.shown(&settings).await;
    assert!(!shown.contains("TAINT"), "{shown}");
    let document = kalends::ics::Document::parse(&shown.clone().into()).expect("it parses");
    let lines: Vec<&str> = document.all_properties().iter().map(|line| line.unfolded()).collect();
    let periods: Vec<&&str> = lines.iter().filter(|line| line.starts_with("FREEBUSY")).collect();
    assert_eq!(
        periods,
        [
            &"FREEBUSY;FBTYPE=BUSY:20261121T100000Z/20261121T113000Z",
            &"FREEBUSY;FBTYPE=BUSY-TENTATIVE:20261121T120000Z/20261121T130000Z",
            &"FREEBUSY;FBTYPE=BUSY:20261121T160000Z/20261121T170000Z",
            &"FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20261121T180000Z/20261121T190000Z",
            &"FREEBUSY;FBTYPE=BUSY:20261121T230000Z/20261122T230000Z",
        ]
    );
    for line in ["BEGIN:VFREEBUSY", "DTSTART:20261120T000000Z", "DTEND:20261123T000000Z"] {
        assert_eq!(lines.iter().filter(|found| **found == line).count(), 1, "{line}");
    }
    let omit = kalends::domain::feed::PrivateAppointments::Omit;
    let without = house.shown(&FeedSettings { private: omit, ..settings }).await;
    assert!(!without.contains("20261121T160000Z"));
    let busy = FeedSettings { privacy: FeedPrivacy::BusyOnly, window, ..FeedSettings::default() };
    assert_eq!(values(&house.shown(&busy).await, "DTSTART").len(), 6, "one for each appointment");
}

#[tokio::test]
async fn the_same_uid_in_two_calendars_stays_distinct() {
    for bench in [Some(support::stores::sqlite().await), support::stores::postgres().await].into_iter().flatten() {
        let house = House::on(bench).await;
        let series = "UID:copied\nDTSTART:20261121T100000Z\nRRULE:FREQ=DAILY;COUNT=3";
        let over = "UID:copied\nRECURRENCE-ID:20261122T100000Z\nDTSTART:20261122T120000Z";
        let alarm = "BEGIN:VALARM\nUID:alarm\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT5M\nEND:VALARM";
        let both = ics(&[&format!("{series}\n{alarm}"), over]);
        house.put("first", "x.ics", &both).await;
        house.put("second", "x.ics", &both).await;
        let second = house.calendar("second").await.1.id.as_str().to_owned();
        let link = house.feed(&FeedSettings::default()).await;
        let uids = values(&house.get(&link).await.text(), "UID");
        let [a, alarm_a, a_over, b, alarm_b, b_over] = uids.as_slice() else { panic!("{uids:?}") };
        assert_eq!((a.as_str(), a_over.as_str()), ("copied", "copied"), "the oldest calendar keeps it");
        assert_ne!(b, a);
        assert_eq!(b_over, b);
        assert_eq!((alarm_a.as_str(), alarm_b.as_str()), ("alarm", "alarm"));
        // The same in every answer, also when the first is out of sight.
        house.put("first", "x.ics", &both.replace("COUNT=3", "COUNT=4")).await;
        let again = values(&house.get(&link).await.text(), "UID");
        assert!(again.contains(b), "{again:?}");
        let alone = FeedSettings { calendars: vec![second], ..FeedSettings::default() };
        assert_eq!(values(&house.shown(&alone).await, "UID")[0], "copied", "alone there is nothing to tell apart");
    }
}
