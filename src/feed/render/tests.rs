//! What a feed tells of one object.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::domain::calendar::Seq;
use crate::domain::feed::PrivateAppointments;
use crate::domain::ids::ObjectId;
use crate::ics::{Document, text};

/// What a feed without a window writes of one object.
fn written(privacy: FeedPrivacy, object: &Bytes) -> Vec<u8> {
    let settings = FeedSettings { privacy, private: PrivateAppointments::Mask, ..FeedSettings::default() };
    let making = Making {
        feed: FeedId::from_text("f"),
        created: Instant::from_ms(0),
        window: None,
        expanding: Window::ALL,
        shared: SharedUids::These(HashMap::new()),
        from_year: 2020,
        keyed: Box::new(|_| [7; 32]),
    };
    let mut renderer = Renderer::new(settings, making);
    let mut out = b"BEGIN:VCALENDAR\r\n".to_vec();
    let selected = Selected {
        seq: Seq(1),
        id: ObjectId::from_text("o"),
        uid: "u".into(),
        changed: Instant::from_ms(0),
        is_settled: true,
        has_category: true,
        bytes: object.clone(),
    };
    renderer.object(&CalendarId::from_text("c"), &selected, &mut out);
    renderer.finish(&mut out);
    out.extend_from_slice(b"END:VCALENDAR\r\n");
    out
}

/// Lines folded at places that nobody should fold at, inside characters too.
fn folded_anywhere(line: &str, at: &[usize], end: &str) -> Vec<u8> {
    let mut bytes = line.as_bytes().to_vec();
    let mut places: Vec<usize> = at.iter().map(|at| at % bytes.len().max(1)).filter(|at| *at > 0).collect();
    places.sort_unstable();
    places.dedup();
    for place in places.into_iter().rev() {
        bytes.splice(place..place, format!("{end} ").into_bytes());
    }
    bytes.extend_from_slice(end.as_bytes());
    bytes
}

proptest! {
    #[test]
    fn folding_never_splits_a_character_and_what_is_written_reads_back(
        title in "[a-z]{0,60}(\\PC|[äö日😀,;\\\\\n]){0,120}",
        param in "(\\PC|[ü:;,]){0,40}",
        tzid in proptest::option::of("[A-Z][a-zé ,]{0,60}"),
        folds in proptest::collection::vec(0_usize..400, 0..6),
        lf_only in any::<bool>(),
    ) {
        let end = if lf_only { "\n" } else { "\r\n" };
        let summary = Property::text("SUMMARY", &title).with_param("X-P", &param);
        let start = match &tzid {
            Some(tzid) => Property::new("DTSTART", "20260105T100000").with_param("TZID", tzid),
            None => Property::new("DTSTART", "20260105T100000Z"),
        };
        let zone = tzid.as_deref().map(|tzid| {
            let name = text::escape(tzid);
            format!("BEGIN:VTIMEZONE|TZID:{name}|BEGIN:STANDARD|DTSTART:19700101T000000|TZOFFSETFROM:+0100|\
                     TZOFFSETTO:+0100|END:STANDARD|END:VTIMEZONE|")
        });
        let mut object = format!("BEGIN:VCALENDAR|VERSION:2.0|{}BEGIN:VEVENT|UID:u|DTSTAMP:20260101T100000Z|",
            zone.unwrap_or_default()).replace('|', end).into_bytes();
        object.extend(folded_anywhere(summary.unfolded(), &folds, end));
        object.extend(folded_anywhere(start.unfolded(), &[], end));
        object.extend("END:VEVENT|END:VCALENDAR|".replace('|', end).into_bytes());
        let object = Bytes::from(object);
        let parsed = CalendarObject::parse(object.clone()).expect("a calendar object");
        let told = parsed.master().and_then(|m| m.text("SUMMARY")).unwrap_or_default();
        for privacy in [FeedPrivacy::Details, FeedPrivacy::TitlesOnly, FeedPrivacy::BusyOnly] {
            let out = written(privacy, &object);
            for line in out.split_inclusive(|b| *b == b'\n') {
                let content = line.strip_suffix(b"\r\n").expect("CRLF");
                prop_assert!(content.len() <= 75, "{}", content.len());
                prop_assert!(std::str::from_utf8(content).is_ok());
            }
            let document = Document::parse(&Bytes::from(out)).expect("it reads back");
            let event = document.calendar().and_then(|c| c.components_named("VEVENT").next()).expect("an event");
            // A title that says nothing may be left out.
            let summary = event.text("SUMMARY").unwrap_or_default();
            match privacy {
                FeedPrivacy::Details | FeedPrivacy::TitlesOnly => prop_assert_eq!(&summary, &told),
                FeedPrivacy::BusyOnly => prop_assert_eq!(&summary, "Busy"),
            }
        }
    }
}
