//! The laws of the translation, over generated objects and events, with a small Outlook that carries out what is written.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::super::lens::fields::body as bare_body;
use super::super::lens::held::is_cancelled;
use super::super::lens::steps::{Step, of_exceptions, of_master, usual};
use super::read::{instant, item, property, wall};
use super::*;

fn microsoft() -> Microsoft {
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
    Microsoft::new(Arc::new(Nobody), Arc::new(clock), GRAPH_URL.into())
}

const BERLIN: Lens<'static> = Lens { zone: "Europe/Berlin", mark: "mark", attendees_live: false };

fn object(lines: &str) -> CalendarObject {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//T//T//EN\n{lines}\nEND:VCALENDAR\n");
    CalendarObject::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("a lawful object")
}

fn text_of(object: &CalendarObject) -> String {
    String::from_utf8_lossy(object.bytes()).into_owned()
}

/// An event at the small Outlook, with its exceptions and cancelled days.
#[derive(Clone, Debug, Default)]
struct There {
    event: Map<String, Value>,
    exceptions: Vec<Map<String, Value>>,
    cancelled: Vec<String>,
}

/// What Outlook makes of a time: the moment in UTC, and the zone it was said in.
fn kept_time(event: &mut Map<String, Value>, name: &str, value: &Value, is_day: bool) {
    let zone = value["timeZone"].as_str().expect("a zone").to_owned();
    let utc = if is_day {
        let text = value["dateTime"].as_str().expect("a time").to_owned();
        assert!(text.ends_with("T00:00:00"), "a day begins at midnight: {text}");
        format!("{text}.0000000")
    } else {
        let at = instant(value).expect("a moment");
        crate::ics::zone::Zone::Utc.local(at).strftime("%Y-%m-%dT%H:%M:%S.0000000").to_string()
    };
    let original = if name == "start" { "originalStartTimeZone" } else { "originalEndTimeZone" };
    event.insert(original.into(), json!(zone));
    event.insert(name.into(), json!({ "dateTime": utc, "timeZone": "UTC" }));
}

fn merge(event: &mut Map<String, Value>, fields: &Map<String, Value>) {
    if let Some(is_day) = fields.get("isAllDay") {
        event.insert("isAllDay".into(), is_day.clone());
    }
    let is_day = event.get("isAllDay") == Some(&json!(true));
    for (name, value) in fields {
        match name.as_str() {
            "start" | "end" => kept_time(event, name, value, is_day),
            "body" if value["contentType"] == "text" => {
                let content = value["content"].as_str().expect("text");
                let content =
                    content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br>\r\n");
                let content =
                    format!("<html><head>\r\n<meta name=\"x\"></head><body>\r\n<div>{content}</div></body></html>");
                event.insert("body".into(), json!({ "contentType": "html", "content": content }));
            }
            "attendees" => panic!("somebody would be mailed"),
            _ => drop(event.insert(name.clone(), value.clone())),
        }
    }
    event.insert("changeKey".into(), json!("k"));
}

impl There {
    fn held(&self) -> Held {
        let mut topology = Map::new();
        topology.insert("exceptionOccurrences".into(), json!(self.exceptions));
        topology.insert("cancelledOccurrences".into(), json!(self.cancelled));
        let is_series = self.event.get("recurrence").is_some_and(Value::is_object);
        item(&self.event, is_series.then_some(&topology))
    }

    /// Carries out what is wanted, as the connector would.
    fn write(&mut self, wanted: &Held) {
        let master = wanted.master.as_ref().expect("an event");
        let held = self.held();
        if self.event.is_empty() {
            let fields = body::of(&bare_body(master), master, Invite::No);
            self.event.insert("id".into(), json!("m"));
            self.event.insert("isOrganizer".into(), json!(true));
            self.event.insert("transactionId".into(), json!("m"));
            merge(&mut self.event, &fields);
            if self.event.get("recurrence").is_some_and(Value::is_null) {
                self.event.remove("recurrence");
            }
            let own = json!([{ "id": property("kalendsId"), "value": "m" },
                { "id": property("kalendsUid"), "value": master["extendedProperties"]["private"]["kalendsUid"] },
                { "id": property("kalendsMark"), "value": "mark" }]);
            self.event.insert("singleValueExtendedProperties".into(), own);
        } else {
            let mut fields = of_master(&held, wanted);
            let restores = wanted
                .exceptions
                .iter()
                .any(|(slot, e)| !is_cancelled(e) && held.exceptions.get(slot).is_some_and(is_cancelled));
            if restores {
                for name in ["recurrence", "start", "end"] {
                    fields.insert(name.into(), master[name].clone());
                }
            }
            let graph = body::of(&fields, master, Invite::No);
            merge(&mut self.event, &graph);
            if ["recurrence", "start", "end"].iter().any(|name| graph.contains_key(*name)) {
                self.exceptions.clear();
                self.cancelled.clear();
            }
        }
        let mut wanted = wanted.clone();
        if self.exceptions.is_empty() && self.cancelled.is_empty() {
            for (slot, gone) in held.exceptions.iter().filter(|(_, event)| is_cancelled(event)) {
                wanted.exceptions.entry(slot.clone()).or_insert_with(|| gone.clone());
            }
        }
        let now = self.held();
        let start =
            now.master.as_ref().and_then(|event| time::At::of_json(event.get("start")?, "UTC")).expect("a start");
        let lines = now.master.as_ref().and_then(|event| event.get("recurrence"));
        let series = Series::of_lines(lines, &start, &DIALECT);
        for (slot, step) in of_exceptions(&now, &wanted) {
            if !series.has_slot(&start, &slot) {
                continue;
            }
            let at = time::At::of_key(&slot, start.zone().unwrap_or("UTC")).expect("a slot");
            let id = format!("x{slot}");
            let known = self.exceptions.iter().position(|one| one["id"] == json!(id));
            match step {
                Step::Remove => {
                    self.exceptions.retain(|one| one["id"] != json!(id));
                    self.cancelled.push(format!("OID.m.{}", wall(&at).date()));
                }
                Step::Patch(fields) => {
                    let whole = wanted.exceptions[&slot].clone();
                    let graph = body::of(&fields, &whole, Invite::No);
                    let mut event = match known {
                        Some(place) => self.exceptions.remove(place),
                        None => {
                            let before = usual(now.master.as_ref().expect("a series"), &slot).expect("an instance");
                            let mut event = self.event.clone();
                            event.remove("recurrence");
                            let times: Event =
                                before.into_iter().filter(|(name, _)| name == "start" || name == "end").collect();
                            let zone = json!({ "dayZone": "Europe/Berlin" }).as_object().cloned().expect("an object");
                            merge(&mut event, &body::of(&times, &zone, Invite::No));
                            event.insert("id".into(), json!(id));
                            let original = match &at {
                                time::At::Day(date) => format!("{date}T00:00:00Z"),
                                time::At::Time { at, .. } => at.to_string(),
                            };
                            event.insert("originalStart".into(), json!(original));
                            event
                        }
                    };
                    merge(&mut event, &graph);
                    self.exceptions.push(event);
                }
            }
        }
    }
}

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
        Kind::Zoned("Europe/Vienna"),
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
}

fn words() -> impl Strategy<Value = String> {
    "(|a|Z|é|,|;|:|<b>|</p>|&amp;|&|x y|--- Guests ---|--- End of guests ---){0,6}"
}

fn content() -> impl Strategy<Value = String> {
    let line =
        |name: &'static str| prop_oneof![Just(String::new()), words().prop_map(move |t| format!("{name}:{t}\n"))];
    let rest = select(vec![
        "",
        "STATUS:TENTATIVE\n",
        "STATUS:CONFIRMED\nTRANSP:OPAQUE\nX-MICROSOFT-CDO-BUSYSTATUS:OOF\n",
        "TRANSP:TRANSPARENT\nX-MICROSOFT-CDO-BUSYSTATUS:FREE\n",
        "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE\nCATEGORIES:A,B\nX-OWN;x=1:y\nGEO:1;2\n",
        "ATTACH:https://example.org/a\nURL:https://example.org\nPRIORITY:5\nCATEGORIES:Red\n",
        "ORGANIZER:mailto:ada@example.org\nATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@example.org\n",
    ]);
    let alarm = select(vec!["-PT15M", "-P1D", "PT0S", "PT5M", "-PT90S", "20260301T000000Z"]);
    let alarms = proptest::collection::vec(
        (alarm, select(vec!["DISPLAY", "EMAIL", "AUDIO"])).prop_map(|(trigger, action)| {
            let value = if trigger.ends_with('Z') { ";VALUE=DATE-TIME" } else { "" };
            format!("BEGIN:VALARM\nACTION:{action}\nTRIGGER{value}:{trigger}\nX-ALARM:1\nEND:VALARM\n")
        }),
        0..4,
    );
    (line("SUMMARY"), line("DESCRIPTION"), line("LOCATION"), rest, alarms)
        .prop_map(|(s, d, l, rest, alarms)| format!("{s}{d}{l}{rest}{}", alarms.concat()))
}

const HEAD: &str = "BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\n";

prop_compose! {
    fn an_object()(
        kind in kind(), content in content(), hours in 1_u8..4,
        rule in select(vec!["", "", "FREQ=DAILY", "FREQ=DAILY;COUNT=12", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU", "FREQ=DAILY;UNTIL=20260320"]),
        removed in proptest::collection::btree_set(2_u8..9, 0..3),
        class in select(vec!["", "CLASS:PRIVATE\n", "CLASS:CONFIDENTIAL\n"]),
        overrides in proptest::collection::btree_map(2_u8..9, (any::<bool>(), 9_u8..12, content()), 0..3),
    ) -> String {
        let end = |day: u8, hour: u8| kind.line("DTEND", day + u8::from(kind == Kind::Day), hour + hours);
        let mut lines = format!("{HEAD}{class}{content}{}\n{}\n", kind.line("DTSTART", 1, 9), end(1, 9));
        let mut parts = String::new();
        if !rule.is_empty() {
            lines += &format!("RRULE:{rule}\n");
            for day in &removed {
                lines += &(kind.line("EXDATE", *day, 9) + "\n");
            }
            for (day, (cancelled, hour, own)) in overrides {
                let (status, own) = if cancelled { ("STATUS:CANCELLED\n", String::new()) } else { ("", own) };
                parts += &format!("{HEAD}{class}{own}{status}{}\n{}\n{}\nEND:VEVENT\n",
                    kind.line("RECURRENCE-ID", day, 9), kind.line("DTSTART", day, hour), end(day, hour));
            }
        }
        format!("{lines}END:VEVENT\n{parts}").trim_end().to_owned()
    }
}

proptest! {
    #[test]
    fn an_object_that_went_there_comes_back_byte_for_byte(object_text in an_object()) {
        let (outlook, object) = (microsoft(), object(&object_text));
        let mut there = There::default();
        there.write(&wanted(&outlook.get(&object, None, BERLIN).expect("expressible")));
        let item = there.held().snapshot();
        let back = outlook.put(&item, Some(&object), BERLIN).expect("an object");
        prop_assert_eq!(text_of(&back), text_of(&object), "{}", item.0);
        let again = outlook.get(&object, Some(&item), BERLIN).expect("expressible");
        prop_assert!(outlook.says(&item, &again), "{}\n{}", item.0, again.payload);
        prop_assert_eq!(outlook.mark(&item), Some("mark".to_owned()));
        prop_assert_eq!(outlook.uid(&item), Some("u".to_owned()));
    }

    #[test]
    fn an_edit_here_is_there_after_one_push(before in an_object(), after in an_object()) {
        let (outlook, before, after) = (microsoft(), object(&before), object(&after));
        let mut there = There::default();
        there.write(&wanted(&outlook.get(&before, None, BERLIN).expect("expressible")));
        for _ in 0..3 {
            let out = outlook.get(&after, Some(&there.held().snapshot()), BERLIN).expect("expressible");
            there.write(&wanted(&out));
        }
        let item = there.held().snapshot();
        let back = outlook.put(&item, Some(&after), BERLIN).expect("an object");
        prop_assert_eq!(text_of(&back), text_of(&after), "{}", item.0);
    }

    #[test]
    fn an_item_is_carried_onto_any_object_and_nothing_is_left_to_send(item in an_object(), onto in an_object()) {
        let (outlook, source, onto) = (microsoft(), object(&item), object(&onto));
        let mut there = There::default();
        there.write(&wanted(&outlook.get(&source, None, BERLIN).expect("expressible")));
        let item = there.held().snapshot();
        let object = outlook.put(&item, Some(&onto), BERLIN).expect("an object");
        let again = outlook.put(&item, Some(&object), BERLIN).expect("an object");
        prop_assert_eq!(text_of(&again), text_of(&object), "{}", item.0);
        let alone = outlook.put(&item, None, BERLIN).expect("an object");
        prop_assert_eq!(text_of(&outlook.put(&item, Some(&alone), BERLIN).expect("an object")), text_of(&alone), "{}", item.0);
        let out = outlook.get(&object, Some(&item), BERLIN).expect("expressible");
        let mut after = there.clone();
        after.write(&wanted(&out));
        prop_assert_eq!(outlook.normal(&after.held().snapshot()), outlook.normal(&item), "{}\n{}", text_of(&object), out.payload);
    }

    #[test]
    fn nothing_that_outlook_may_say_stops_us(text in "\\PC{0,60}", onto in an_object()) {
        let (outlook, onto) = (microsoft(), object(&onto));
        let raw = json!({ "id": text, "subject": text, "iCalUId": text, "showAs": text, "body": { "contentType": "html", "content": text },
            "start": { "dateTime": "2026-03-01T10:00:00.0000000", "timeZone": text }, "end": { "dateTime": text, "timeZone": "UTC" },
            "recurrence": { "pattern": { "type": text }, "range": { "type": text } } });
        let topology = json!({ "cancelledOccurrences": [text], "exceptionOccurrences": [{ "id": text, "originalStart": text }] });
        for raw in [raw.clone(), { let mut raw = raw; raw["end"]["dateTime"] = json!("2026-03-01T11:00:00"); raw["start"]["timeZone"] = json!("UTC"); raw }] {
            let item = item(raw.as_object().expect("an object"), topology.as_object()).snapshot();
            let _ = outlook.put(&item, None, BERLIN);
            let _ = outlook.put(&item, Some(&onto), BERLIN);
            let _ = outlook.get(&onto, Some(&item), BERLIN);
            let _ = outlook.normal(&item);
        }
        let noise = Snapshot(text);
        let _ = outlook.put(&noise, Some(&onto), BERLIN);
        let _ = outlook.get(&onto, Some(&noise), BERLIN);
    }
}

#[test]
fn what_has_no_pattern_is_refused_in_a_sentence() {
    let event = |lines: &str| {
        object(&format!("{HEAD}SUMMARY:x\nDTSTART:20260302T090000Z\nDTEND:20260302T100000Z\n{lines}\nEND:VEVENT"))
    };
    for lines in [
        "RRULE:FREQ=MONTHLY;BYMONTHDAY=2,15",
        "RRULE:FREQ=DAILY\nRDATE:20260401T120000Z",
        "RRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY",
        "RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY;BYDAY=MO",
        "RRULE:FREQ=HOURLY",
    ] {
        let why = microsoft().get(&event(lines), None, BERLIN).expect_err(lines);
        assert!(why.0.contains("Outlook"), "{lines}: {why}");
    }
    assert!(microsoft().get(&event("STATUS:CANCELLED"), None, BERLIN).is_err());
}

#[test]
fn a_series_in_a_zone_that_nobody_knows_is_told_in_a_sentence() {
    let at = |hour: u8| json!({ "dateTime": format!("2026-03-01T{hour:02}:00:00.0000000"), "timeZone": "UTC" });
    let raw = json!({ "id": "m", "subject": "Odd", "changeKey": "1", "start": at(9), "end": at(10), "isOrganizer": true,
        "originalStartTimeZone": "tzone://Microsoft/Custom", "originalEndTimeZone": "tzone://Microsoft/Custom",
        "recurrence": { "pattern": { "type": "daily", "interval": 1 },
            "range": { "type": "noEnd", "startDate": "2026-03-01", "recurrenceTimeZone": "tzone://Microsoft/Custom" } } });
    let item = item(raw.as_object().expect("an object"), None).snapshot();
    let why = microsoft().put(&item, None, BERLIN).expect_err("nobody knows when it is");
    assert!(why.0.contains("time zone"), "{why}");
    assert!(!microsoft().may_write(&item));
    assert_eq!(
        microsoft().get(&object(&format!("{HEAD}DTSTART:20260301T090000Z\nEND:VEVENT")), Some(&item), BERLIN),
        Err(why)
    );
}

#[test]
fn an_appointment_does_not_grow_in_twenty_rounds() {
    let outlook = microsoft();
    let first = object(&format!(
        "{HEAD}SUMMARY:Visit\nDESCRIPTION:Bring <b> the notes\\n\\nand \"that\"\nATTENDEE;CN=Bob:mailto:bob@example.org\n\
         DTSTART;VALUE=DATE:20260302\nDTEND;VALUE=DATE:20260303\nEND:VEVENT"
    ));
    let (mut object, mut there) = (first.clone(), There::default());
    for _ in 0..20 {
        let held = (!there.event.is_empty()).then(|| there.held().snapshot());
        there.write(&wanted(&outlook.get(&object, held.as_ref(), BERLIN).expect("expressible")));
        // Somebody touches it there, so that it is read and written in full.
        let subject = format!("{}.", there.event["subject"].as_str().expect("a title"));
        there.event.insert("subject".into(), json!(subject));
        there.event.insert("body".into(), there.event["body"].clone());
        object = outlook.put(&there.held().snapshot(), Some(&object), BERLIN).expect("an object");
    }
    let body = there.event["body"]["content"].as_str().expect("a body").to_owned();
    let description = |object: &CalendarObject| object.components().next().and_then(|c| c.text("DESCRIPTION"));
    assert_eq!(description(&object), description(&first));
    assert_eq!(body.matches("Bob").count(), 1, "{body}");
    assert_eq!(there.event["start"]["dateTime"], "2026-03-02T00:00:00.0000000");
    assert_eq!(there.event["originalStartTimeZone"], "W. Europe Standard Time");
}

#[test]
fn a_title_that_is_too_long_is_cut_there_and_stays_whole_here() {
    let outlook = microsoft();
    let title = format!("{}😀 and more", "x".repeat(254));
    let whole = object(&format!(
        "{HEAD}SUMMARY:{title}\nDTSTART:20260302T090000Z\nDTEND:20260302T100000Z\nRRULE:FREQ=DAILY;COUNT=3\nEND:VEVENT"
    ));
    let out = outlook.get(&whole, None, BERLIN).expect("expressible");
    assert!(out.warnings.iter().any(|told| told.contains("title")), "{:?}", out.warnings);
    let mut there = There::default();
    there.write(&wanted(&out));
    assert_eq!(there.event["subject"], json!("x".repeat(254)), "no half of a character");
    let back = outlook.put(&there.held().snapshot(), Some(&whole), BERLIN).expect("an object");
    assert_eq!(text_of(&back), text_of(&whole));
    assert!(
        outlook
            .says(&there.held().snapshot(), &outlook.get(&back, Some(&there.held().snapshot()), BERLIN).expect("so"))
    );
    there.event.insert("subject".into(), json!("Short"));
    let renamed = outlook.put(&there.held().snapshot(), Some(&whole), BERLIN).expect("an object");
    assert!(text_of(&renamed).contains("SUMMARY:Short\r\n"));
}

#[test]
fn the_link_of_an_online_meeting_is_not_written_over() {
    let outlook = microsoft();
    let link = "https://teams.microsoft.com/l/meetup-join/1?a=1&b=2";
    let at = |hour: u8| json!({ "dateTime": format!("2026-03-01T{hour:02}:00:00.0000000"), "timeZone": "UTC" });
    let body = format!("<p>Agenda</p><div>____<br><a href=\"{}\">Join</a></div>", link.replace('&', "&amp;"));
    let raw = |body: &str| {
        json!({ "id": "m", "iCalUId": "u", "subject": "Call", "changeKey": "1", "start": at(9), "end": at(10), "isOrganizer": true,
            "originalStartTimeZone": "UTC", "originalEndTimeZone": "UTC",
            "onlineMeeting": { "joinUrl": link }, "body": { "contentType": "html", "content": body } })
    };
    let held = |body: &str| item(raw(body).as_object().expect("an object"), None).snapshot();
    let here = outlook.put(&held(&body), None, BERLIN).expect("an object");
    let with = |text: &str| {
        let changed = text_of(&here).replace("DESCRIPTION:Agenda", &format!("DESCRIPTION:{text} "));
        CalendarObject::parse(Bytes::from(changed)).expect("a lawful object")
    };
    for (text, kept) in [("New agenda", true), ("See https://teams.microsoft.com/l/meetup-join/1?a=1&b=2 at", false)] {
        let out = outlook.get(&with(text), Some(&held(&body)), BERLIN).expect("expressible");
        assert_eq!(outlook.says(&held(&body), &out), kept, "{text}: {}", out.payload);
        assert_eq!(out.warnings.iter().any(|told| told.contains("online meeting")), kept);
    }
    // Where the link is not in it, it is a text like any other.
    let out = outlook.get(&with("New agenda"), Some(&held("<p>Agenda</p>")), BERLIN).expect("expressible");
    assert!(!outlook.says(&held("<p>Agenda</p>"), &out));
}
