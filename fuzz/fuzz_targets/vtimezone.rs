//! A VTIMEZONE by its own rules: every instant has an offset and every wall clock an instant, in bounded time.
#![no_main]

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::DateTime;
use kalends::ics::Document;
use kalends::ics::zone::Definition;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The lines inside; a seed that is a whole VTIMEZONE works as well.
    let text = String::from_utf8_lossy(data);
    let inside = if text.contains("BEGIN:VTIMEZONE") {
        text.into_owned()
    } else {
        format!("BEGIN:VTIMEZONE\r\nTZID:Mine\r\n{text}\r\nEND:VTIMEZONE\r\n")
    };
    let Ok(document) = Document::parse(&Bytes::from(inside)) else { return };
    let zones = document.components().chain(document.calendar().into_iter().flat_map(|c| c.components()));
    for component in zones.filter(|c| c.is("VTIMEZONE")).take(4) {
        let Some(zone) = Definition::of(component) else { continue };
        for second in [-30_000_000_000, -1, 0, 1_000_000_000, 1_793_000_000, 4_000_000_000, 120_000_000_000] {
            let at = Timestamp::from_second(second).expect("in range");
            let offset = zone.offset(at);
            assert!(offset.seconds().abs() < 26 * 3_600);
            if let Some(back) = zone.instant(offset.to_datetime(at)) {
                // Around a change one wall clock is two instants or none; never farther apart than two offsets.
                assert!((back.as_second() - second).abs() <= 2 * 26 * 3_600, "{second} became {back}");
            }
        }
        let _ = zone.instant(DateTime::MIN);
        let _ = zone.instant(DateTime::MAX);
        let _ = zone.is_complete();
    }
});
