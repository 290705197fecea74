//! A body as somebody may PUT it: stored to the octet, and whatever is asked of it later ends in bounded time.
#![no_main]

use bytes::Bytes;
use kalends::domain::appointment::{Appointment, apply};
use kalends::domain::feed::{FeedPrivacy, PrivateAppointments};
use kalends::domain::object::CalendarObject;
use kalends::domain::privacy::{Told, busy_times};
use kalends::domain::recurrence::{Window, busy, expand, span};
use kalends::domain::time::{DAY_MS, Instant};
use kalends::domain::timerange::{limited, overlapping, ringing};
use kalends::ics::zone::Zone;
use kalends::ics::{Document, merge::Merger};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(document) = Document::parse(&bytes) else { return };
    assert_eq!(document.to_bytes(), bytes, "what was read is written again octet for octet");
    let text = document.to_text();
    let again = Document::parse(&Bytes::from(text.clone())).expect("a document as text is a document");
    assert_eq!(again.to_text(), text, "and stays the same text");

    let Ok(object) = CalendarObject::parse(bytes.clone()) else { return };
    let stored = CalendarObject::from_stored(bytes.clone()).expect("what may be stored can be read");
    assert_eq!(stored.index(), object.index());

    let reader = Zone::named("America/New_York").expect("a zone");
    let from = Instant::from_seconds(1_790_000_000);
    let window = Window { from, to: from.plus_ms(35 * DAY_MS) };
    let expansion = expand(&object, window, &reader);
    assert!(expansion.instances.is_sorted_by_key(|instance| instance.starts.at));
    if let Some(span) = span(&object) {
        let latest = span.ends.unwrap_or(Instant::FAR_FUTURE);
        for instance in &expansion.instances {
            assert!(instance.starts.at >= span.starts && instance.starts.at <= latest, "an instance outside its span");
        }
    } else {
        assert!(expansion.instances.is_empty() || object.component().name() != "VEVENT", "instances without a span");
    }
    let _ = busy(&object, window, &reader);
    let _ = overlapping(&object, window, &reader);
    let _ = ringing(&object, window, &reader);
    let _ = limited(&object, window, &reader);
    let _ = busy_times(&object, window, |_| true);
    let _ = Told::of(&object, FeedPrivacy::TitlesOnly, PrivateAppointments::Mask);

    if let Some(appointment) = Appointment::of(&object) {
        let same = apply(&object, &appointment, from).expect("an appointment");
        assert_eq!(same, bytes, "an appointment put back as it was changes nothing");
    }

    let mut merger = Merger::default();
    let mut export = merger.head(&[]);
    export.extend(merger.add(object.document()));
    export.extend(merger.tail());
    let export = Document::parse(&Bytes::from(export)).expect("an export is a calendar");
    assert!(export.calendar().is_some());
});
