//! The laws of the translation, over generated objects and items: what is carried there and back is what it was.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::super::lens::fields::{WRITTEN, body};
use super::super::lens::held::Held;
use super::super::lens::steps::{Step, of_exceptions, of_master, usual};
use super::super::lens::time;
use super::tests::{google, object};
use super::*;

/// What would be at Google after this was carried out.
fn carried_out(held: Option<&Snapshot>, out: &Outgoing) -> Snapshot {
    let wanted = wanted(out);
    let mut now = held.map(Held::of).unwrap_or_default();
    match (&mut now.master, &wanted.master) {
        (Some(master), Some(_)) => {
            let fields = of_master(&Held::of(held.expect("held")), &wanted);
            merge(master, &fields);
            if fields.contains_key("start") {
                let master = master.clone();
                now.exceptions.retain(|slot, _| has(&master, slot));
            }
        }
        (master @ None, Some(event)) => {
            let mut event = body(event);
            event.insert("id".into(), json!("m"));
            event.insert("iCalUID".into(), json!("m@google.com"));
            *master = Some(event);
        }
        (_, None) => {}
    }
    for (slot, step) in of_exceptions(&now, &wanted) {
        let event = match step {
            Step::Remove => json!({ "status": "cancelled" }).as_object().cloned().expect("an object"),
            Step::Patch(fields) => {
                let known = now.exceptions.get(&slot).filter(|event| !is_cancelled(event)).cloned();
                let mut event =
                    known.unwrap_or_else(|| usual(now.master.as_ref().expect("a series"), &slot).expect("an instance"));
                merge(&mut event, &fields);
                event
            }
        };
        now.exceptions.insert(slot.clone(), named(event, &slot));
    }
    now.snapshot()
}

fn merge(event: &mut Event, fields: &Event) {
    for (name, value) in fields {
        match (event.get_mut(name).and_then(Value::as_object_mut), value.as_object()) {
            (_, _) if value.is_null() => drop(event.remove(name)),
            (Some(old), Some(new)) if name != "reminders" => merge(old, new),
            _ => drop(event.insert(name.clone(), value.clone())),
        }
    }
}

/// Whether a daily series has that slot: what Google asks before it keeps an exception.
fn has(master: &Event, slot: &str) -> bool {
    let start = time::At::of_json(&master["start"], "UTC").expect("a time");
    match (&start, time::At::of_key(slot, start.zone().unwrap_or("UTC")).expect("a slot")) {
        (time::At::Day(first), time::At::Day(day)) => day >= *first,
        (time::At::Time { at: first, zone }, time::At::Time { at, .. }) => {
            let zone = time::zone_of(zone);
            at >= *first && zone.local(at).time() == zone.local(*first).time()
        }
        _ => false,
    }
}

fn named(mut event: Event, slot: &str) -> Event {
    event.insert("id".into(), json!(format!("m_{slot}")));
    event.insert("recurringEventId".into(), json!("m"));
    let at = time::At::of_key(slot, "UTC").expect("a slot");
    event.insert("originalStartTime".into(), at.to_json());
    event
}

/// How times are written in one object or item.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Day,
    Utc,
    Floating,
    Zoned(&'static str),
}

fn kind() -> impl Strategy<Value = Kind> {
    select(vec![
        Kind::Day,
        Kind::Utc,
        Kind::Floating,
        Kind::Zoned("Europe/Berlin"),
        Kind::Zoned("America/Los_Angeles"),
        Kind::Zoned("W. Europe Standard Time"),
    ])
}

impl Kind {
    fn line(self, name: &str, day: u8, hour: u8) -> String {
        match self {
            Kind::Day => format!("{name};VALUE=DATE:202603{day:02}"),
            Kind::Utc => format!("{name}:202603{day:02}T{hour:02}0000Z"),
            Kind::Floating => format!("{name}:202603{day:02}T{hour:02}0000"),
            Kind::Zoned(zone) => format!("{name};TZID={zone}:202603{day:02}T{hour:02}0000"),
        }
    }

    fn until(self, day: u8) -> String {
        match self {
            Kind::Day => format!("202603{day:02}"),
            Kind::Floating => format!("202603{day:02}T230000"),
            Kind::Utc | Kind::Zoned(_) => format!("202603{day:02}T230000Z"),
        }
    }
}

fn prose() -> impl Strategy<Value = String> {
    "(|a|Z|é|,|;|:|<b>|</p>|<br>|&amp;|&|\\\\n| |--- Guests ---|--- End of guests ---){0,6}"
}

/// The lines about content of one VEVENT.
fn content() -> impl Strategy<Value = String> {
    let line =
        |name: &'static str| prop_oneof![Just(String::new()), prose().prop_map(move |t| format!("{name}:{t}\n"))];
    let words = select(vec![
        "",
        "STATUS:TENTATIVE\n",
        "STATUS:CONFIRMED\nTRANSP:OPAQUE\n",
        "TRANSP:TRANSPARENT\nX-MICROSOFT-CDO-BUSYSTATUS:FREE\n",
        "CATEGORIES:A,B\nX-OWN;x=1:y\nGEO:1;2\n",
        "ATTACH:https://example.org/a\nURL:https://example.org\nPRIORITY:5\n",
    ]);
    let people = select(vec![
        "",
        "ORGANIZER:mailto:ada@example.org\nATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@example.org\n",
        "ATTENDEE;ROLE=OPT-PARTICIPANT;X-A=1:mailto:Bob@example.org\nATTENDEE;CUTYPE=ROOM:urn:uuid:1\n",
        "ATTENDEE;CN=\"<b> x\";PARTSTAT=DELEGATED:mailto:eve@example.org\n",
    ]);
    let alarm = select(vec!["-PT15M", "-P1D", "PT0S", "PT5M", "-PT90S", "-P60D", "20260301T000000Z"]);
    let alarms = proptest::collection::vec(
        (alarm, select(vec!["DISPLAY", "EMAIL", "AUDIO", "NONE"])).prop_map(|(trigger, action)| {
            let value = if trigger.ends_with('Z') { ";VALUE=DATE-TIME" } else { "" };
            format!("BEGIN:VALARM\nACTION:{action}\nTRIGGER{value}:{trigger}\nX-ALARM:1\nEND:VALARM\n")
        }),
        0..8,
    );
    (line("SUMMARY"), line("DESCRIPTION"), line("LOCATION"), words, people, alarms)
        .prop_map(|(s, d, l, words, people, alarms)| format!("{s}{d}{l}{words}{people}{}", alarms.concat()))
}

fn ending(kind: Kind, day: u8, hour: u8, choice: u8, hours: u8) -> String {
    match (choice, kind) {
        (0, _) => String::new(),
        (1, Kind::Day) => "DURATION:P2D\n".into(),
        (1, _) => format!("DURATION:PT{hours}H\n"),
        (2, Kind::Zoned(_)) => Kind::Zoned("America/New_York").line("DTEND", day, 21) + "\n",
        _ => kind.line("DTEND", day + u8::from(kind == Kind::Day), hour + hours) + "\n",
    }
}

const HEAD: &str = "BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\n";

prop_compose! {
    /// Overrides: the day of the slot, whether cancelled, the hour moved to, content.
    fn overrides()(all in proptest::collection::btree_map(2_u8..9, (any::<bool>(), 9_u8..12, content()), 0..3))
        -> Vec<(u8, bool, u8, String)> {
        all.into_iter().map(|(day, (cancelled, hour, content))| (day, cancelled, hour, content)).collect()
    }
}

prop_compose! {
    fn an_object()(
        kind in kind(), content in content(), choice in 0_u8..4, hours in 1_u8..4,
        rule in select(vec!["", "", "FREQ=DAILY", "FREQ=DAILY;COUNT=12", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU", "UNTIL"]),
        removed in proptest::collection::btree_set(2_u8..9, 0..3), added in any::<bool>(), class in select(vec!["", "CLASS:PRIVATE\n", "CLASS:PUBLIC\n"]),
        overrides in overrides(), plain in any::<bool>(),
    ) -> String {
        let start = kind.line("DTSTART", 1, 9);
        let mut lines = format!("{HEAD}{class}{content}{start}\n{}", ending(kind, 1, 9, choice, hours));
        let mut parts = String::new();
        if !rule.is_empty() {
            let rule = if rule == "UNTIL" { format!("FREQ=DAILY;UNTIL={}", kind.until(20)) } else { rule.to_owned() };
            lines += &format!("RRULE:{rule}\n");
            if added {
                lines += &(kind.line("RDATE", 25, 9) + "\n");
            }
            for day in &removed {
                lines += &(kind.line("EXDATE", *day, 9) + "\n");
            }
            for (day, cancelled, hour, own) in overrides {
                let id = kind.line("RECURRENCE-ID", day, 9);
                let start = kind.line("DTSTART", day, hour);
                let status = if cancelled { "STATUS:CANCELLED\n" } else { "" };
                let own = if plain { content.clone() } else { own };
                let own = if cancelled { String::new() } else { own };
                parts += &format!("{HEAD}{class}{own}{status}{id}\n{start}\n{}END:VEVENT\n", ending(kind, day, hour, choice, hours));
            }
        }
        format!("{lines}END:VEVENT\n{parts}").trim_end().to_owned()
    }
}

fn google_time(kind: Kind, day: u8, hour: u8) -> Value {
    match kind {
        Kind::Day => json!({ "date": format!("2026-03-{day:02}") }),
        Kind::Utc => json!({ "dateTime": format!("2026-03-{day:02}T{hour:02}:00:00Z"), "timeZone": "UTC" }),
        Kind::Floating => json!({ "dateTime": format!("2026-03-{day:02}T{hour:02}:00:00+01:00") }),
        Kind::Zoned(zone) => {
            let zone = if zone.contains(' ') { "Asia/Tokyo" } else { zone };
            json!({ "dateTime": format!("2026-03-{day:02}T{hour:02}:00:00"), "timeZone": zone })
        }
    }
}

prop_compose! {
    /// What people write at Google.
    fn google_content()(
        summary in prose(), description in prose(), location in "[a-z,;]{0,4}", words in select(vec![0_u8, 1, 2, 3]),
        reminders in select(vec!["null", "{\"useDefault\":true}", "{\"useDefault\":false}",
            "{\"overrides\":[{\"method\":\"email\",\"minutes\":15},{\"method\":\"popup\",\"minutes\":0}]}"]),
        guests in select(vec!["[]", "[{\"email\":\"Bob@example.org\",\"responseStatus\":\"declined\",\"optional\":true}]",
            "[{\"email\":\"eve@example.org\"},{\"email\":\"ada@example.org\",\"self\":true,\"responseStatus\":\"accepted\"}]"]),
        colour in any::<bool>(),
    ) -> Value {
        let mut event = json!({ "summary": summary, "description": description, "location": location, "updated": "2026-03-03T00:00:00.000Z" });
        for (name, text) in [("reminders", reminders), ("attendees", guests)] {
            let value: Value = serde_json::from_str(text).expect("JSON");
            if !value.is_null() && value != json!([]) {
                event[name] = value;
            }
        }
        match words {
            1 => event["status"] = json!("tentative"),
            2 => event["transparency"] = json!("transparent"),
            3 => event["visibility"] = json!("private"),
            _ => {}
        }
        if colour {
            event["colorId"] = json!("3");
        }
        event
    }
}

prop_compose! {
    fn an_item()(
        kind in kind(), content in google_content(), hours in 1_u8..4, ours in any::<bool>(),
        rule in select(vec!["", "", "RRULE:FREQ=DAILY", "RRULE:FREQ=DAILY;COUNT=12", "RRULE:FREQ=DAILY;UNTIL=20260320T230000Z"]),
        exdate in any::<bool>(),
        exceptions in proptest::collection::btree_map(2_u8..9, (0_u8..3, 9_u8..12, google_content()), 0..3),
    ) -> Snapshot {
        let end = |day: u8, hour: u8| google_time(kind, day + u8::from(kind == Kind::Day), hour);
        let mut master = content;
        master["id"] = json!("m");
        master["iCalUID"] = json!("u");
        master["start"] = google_time(kind, 1, 9);
        master["end"] = end(1, 9 + hours);
        if ours {
            master["extendedProperties"] = json!({ "private": { "kalendsId": "m", "kalendsUid": "u", "kalendsMark": "mark" } });
        }
        let mut held = Held::default();
        if !rule.is_empty() {
            let mut lines = vec![if kind == Kind::Day { rule.replace("T230000Z", "") } else { rule.to_owned() }];
            if exdate {
                let slot = time::At::of_json(&google_time(kind, 4, 9), "Europe/Berlin").expect("a time");
                lines.push(slot.to_when().to_property("EXDATE").unfolded().to_owned());
            }
            master["recurrence"] = json!(lines);
            for (day, (what, hour, own)) in exceptions {
                let slot = time::At::of_json(&google_time(kind, day, 9), "Europe/Berlin").expect("a time").key();
                let mut event = match what {
                    0 => json!({ "status": "cancelled" }),
                    1 => { let mut same = master.clone(); same["colorId"] = json!("7"); same }
                    _ => own,
                };
                if what != 0 {
                    event["start"] = google_time(kind, day, if what == 1 { 9 } else { hour });
                    event["end"] = end(day, if what == 1 { 9 } else { hour } + hours);
                }
                if let Some(fields) = event.as_object_mut() {
                    fields.remove("recurrence");
                    fields.remove("extendedProperties");
                }
                held.exceptions.insert(slot.clone(), named(event.as_object().cloned().expect("an object"), &slot));
            }
        }
        held.master = master.as_object().cloned();
        held.snapshot()
    }
}

fn lens(live: bool) -> Lens<'static> {
    Lens { zone: "Europe/Berlin", mark: "mark", attendees_live: live }
}

fn text(object: &CalendarObject) -> String {
    String::from_utf8_lossy(object.bytes()).into_owned()
}

proptest! {
    #[test]
    fn an_object_that_went_there_comes_back_byte_for_byte(object_text in an_object(), live in any::<bool>()) {
        let (google, object) = (google(), object(&object_text));
        let out = google.get(&object, None, lens(live)).expect("expressible");
        let item = carried_out(None, &out);
        let back = google.put(&item, Some(&object), lens(live)).expect("an object");
        prop_assert_eq!(text(&back), text(&object), "{}", item.0);
        let again = google.get(&object, Some(&item), lens(live)).expect("expressible");
        prop_assert!(google.says(&item, &again), "{}\n{}", item.0, again.payload);
    }

    #[test]
    fn an_edit_here_is_there_after_one_push(before in an_object(), after in an_object()) {
        let (google, before, after) = (google(), object(&before), object(&after));
        let item = carried_out(None, &google.get(&before, None, lens(false)).expect("expressible"));
        let out = google.get(&after, Some(&item), lens(false)).expect("expressible");
        let mut item = carried_out(Some(&item), &out);
        // Google resets exceptions that no longer match; the connector asks and goes on from there.
        for _ in 0..2 {
            let out = google.get(&after, Some(&item), lens(false)).expect("expressible");
            item = carried_out(Some(&item), &out);
        }
        let back = google.put(&item, Some(&after), lens(false)).expect("an object");
        prop_assert_eq!(text(&back), text(&after), "{}", item.0);
    }

    #[test]
    fn an_item_is_carried_onto_any_object_and_nothing_is_left_to_send(item in an_item(), onto in an_object(), live in any::<bool>()) {
        let (google, onto) = (google(), object(&onto));
        let object = google.put(&item, Some(&onto), lens(live)).expect("an object");
        let again = google.put(&item, Some(&object), lens(live)).expect("an object");
        prop_assert_eq!(text(&again), text(&object), "{}", item.0);
        let out = google.get(&object, Some(&item), lens(live)).expect("expressible");
        let there = carried_out(Some(&item), &out);
        prop_assert_eq!(google.normal(&there), google.normal(&item), "{}\n{}", text(&object), out.payload);
        let untouched = text(&object);
        for line in text(&onto).lines().filter(|line| line.starts_with("X-OWN")).take(2) {
            let in_master = text(&onto).split("END:VEVENT").next().is_some_and(|master| master.contains(line));
            prop_assert!(!in_master || untouched.contains(line), "{line} is lost");
        }
    }

    #[test]
    fn an_item_becomes_an_object_of_its_own(item in an_item(), live in any::<bool>()) {
        // Guests in the text of an item whose object has none are taken out of it: that is something to send.
        let item = Snapshot(item.0.replace("--- End of guests ---", ""));
        let google = google();
        let object = google.put(&item, None, lens(live)).expect("an object");
        let again = google.put(&item, Some(&object), lens(live)).expect("an object");
        prop_assert_eq!(text(&again), text(&object), "{}", item.0);
        let out = google.get(&object, Some(&item), lens(live)).expect("expressible");
        prop_assert!(google.says(&item, &out), "{}\n{}\n{}", item.0, text(&object), out.payload);
    }

    #[test]
    fn what_google_changes_by_itself_is_not_content(item in an_item()) {
        let google = google();
        let mut held = Held::of(&item);
        for event in held.master.iter_mut().chain(held.exceptions.values_mut()) {
            for name in ["etag", "updated", "created", "htmlLink", "kind", "iCalUID"] {
                event.insert(name.into(), json!("other"));
            }
            event.insert("sequence".into(), json!(7));
        }
        prop_assert_eq!(google.normal(&held.snapshot()), google.normal(&item));
        let mut held = Held::of(&item);
        if let Some(master) = &mut held.master {
            master.insert("summary".into(), json!("something else"));
        }
        prop_assert_ne!(google.normal(&held.snapshot()), google.normal(&item));
        prop_assert!(WRITTEN.contains(&"summary"));
    }

    #[test]
    fn nothing_that_google_may_say_stops_us(text in "\\PC{0,200}", onto in an_object()) {
        let (google, onto) = (google(), object(&onto));
        let noise = Snapshot(text.clone());
        let _ = google.put(&noise, Some(&onto), lens(false));
        let _ = google.get(&onto, Some(&noise), lens(true));
        let _ = google.normal(&noise);
        let item = json!({ "master": { "id": "m", "iCalUID": text, "summary": text, "description": text,
            "recurrence": [text, format!("RRULE:{text}"), format!("EXDATE:{text}")],
            "start": { "date": "2026-03-01" }, "end": { "date": text } }, "exceptions": { text.clone(): { "status": text } } });
        let item = Snapshot(item.to_string());
        let _ = google.put(&item, None, lens(false));
        let _ = google.put(&item, Some(&onto), lens(false));
        let _ = google.get(&onto, Some(&item), lens(true));
        let _ = google.normal(&item);
    }
}
