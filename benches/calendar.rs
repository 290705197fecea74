//! What calendars cost, without a server: `cargo bench --bench calendar` (CONTRIBUTING.md). Compiled with all targets, run
//! by hand.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use kalends::domain::object::CalendarObject;
use kalends::domain::recurrence::{Series, Stretch, Timetable, Window};
use kalends::domain::time::Instant;
use kalends::domain::timerange;
use kalends::ics::zone::Zone;
use kalends::ics::{Document, Property};
use kalends::sync::merge::{Prefer, Sides, WriteBack, merge};

/// Objects a time range is asked of.
const CANDIDATES: i64 = 1_000;
const HOUR_MS: i64 = 3_600_000;
/// 2026-01-01
const YEAR_MS: i64 = 1_767_225_600_000;

fn event(uid: &str, lines: &str) -> Bytes {
    let text = format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//EN\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\n\
         DTSTART:19961027T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\n\
         END:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:19810329T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n\
         RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nEND:DAYLIGHT\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:{uid}\n\
         DTSTAMP:20251101T120000Z\nSUMMARY:Weekly review\nLOCATION:Room 4\nDESCRIPTION:Bring the figures\\, please.\n\
         CATEGORIES:WORK,TEAM\nORGANIZER;CN=Ada:mailto:ada@example.com\n\
         ATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@example.com\n{lines}\nBEGIN:VALARM\nACTION:DISPLAY\n\
         DESCRIPTION:Soon\nTRIGGER:-PT15M\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR\n"
    );
    Bytes::from(text.replace('\n', "\r\n"))
}

fn object(bytes: Bytes) -> CalendarObject {
    CalendarObject::parse(bytes).expect("a legal object")
}

/// From an hour of 2026 on, so many hours.
fn window(hour: i64, hours: i64) -> Window {
    let from = Instant::from_ms(YEAR_MS + hour * HOUR_MS);
    Window { from, to: from.plus_ms(hours * HOUR_MS) }
}

const SINGLE: &str = "DTSTART;TZID=Europe/Berlin:20260302T100000\nDTEND;TZID=Europe/Berlin:20260302T110000";
const DAILY_SINCE_1990: &str = "DTSTART;TZID=Europe/Berlin:19900101T090000\nDURATION:PT30M\nRRULE:FREQ=DAILY";

fn texts(c: &mut Criterion) {
    let bytes = event("text", SINGLE);
    c.bench_function("parse and serialise", |b| b.iter(|| object(black_box(bytes.clone())).document().to_bytes()));
    let document = Document::parse(&bytes).expect("a document");
    c.bench_function("edit a line", |b| {
        b.iter(|| {
            let mut edited = document.clone();
            let components = edited.calendar_mut().expect("a calendar").components_mut();
            for component in components.filter(|component| component.is("VEVENT")) {
                component.set(Property::text("SUMMARY", black_box("Another title")));
            }
            edited.to_bytes()
        });
    });
    c.bench_function("index", |b| b.iter(|| object(black_box(bytes.clone())).index().span));
}

fn times(c: &mut Criterion) {
    let daily = object(event("daily", DAILY_SINCE_1990));
    let series = Series::of(&daily);
    c.bench_function("a week of a daily rule of 1990", |b| {
        b.iter(|| series.expand(black_box(window(1_464, 168)), &Zone::Utc).instances.len());
    });

    // One of ten a series, as in the calendars that the load tool makes.
    let candidates: Vec<Bytes> = (0..CANDIDATES)
        .map(|n| {
            let (day, hour) = (1 + n % 28, 8 + n % 10);
            let rule = if n % 10 == 0 { "\nRRULE:FREQ=WEEKLY" } else { "" };
            let start = format!("DTSTART;TZID=Europe/Berlin:202603{day:02}T{hour:02}0000\nDURATION:PT45M{rule}");
            event(&format!("candidate-{n}"), &start)
        })
        .collect();
    let week = window(1_464, 168);
    let mut group = c.benchmark_group("time range over 1,000 candidates");
    group.sample_size(20);
    group.bench_function("read", |b| {
        b.iter(|| {
            let objects = candidates.iter().filter_map(|bytes| CalendarObject::from_stored(bytes.clone()).ok());
            objects.filter(|o| !timerange::overlapping(o, week, &Zone::Utc).components.is_empty()).count()
        });
    });
    let stretch = Stretch::around(week).expect("a week lies in a stretch");
    let tables: Vec<Timetable> =
        candidates.iter().map(|bytes| Timetable::of(&object(bytes.clone()), stretch, &Zone::Utc)).collect();
    group.bench_function("remembered", |b| {
        b.iter(|| tables.iter().filter(|table| table.overlaps(black_box(week)) == Some(true)).count());
    });
    group.finish();
}

fn syncing(c: &mut Criterion) {
    let weekly = "DTSTART;TZID=Europe/Berlin:20260302T100000\nDTEND;TZID=Europe/Berlin:20260302T110000\n\
                  RRULE:FREQ=WEEKLY;COUNT=20\nEXDATE;TZID=Europe/Berlin:20260309T100000";
    let base = object(event("merge", weekly));
    let changed = |from: &str, to: &str| {
        let text = String::from_utf8(base.bytes().to_vec()).expect("text").replace(from, to);
        object(Bytes::from(text))
    };
    let (local, after) = (changed("Room 4", "Room 5"), changed("Weekly review", "Review"));
    let (all, neither, now) = (WriteBack::all(), Prefer::Neither, Instant::from_ms(YEAR_MS));
    c.bench_function("merge of two changes", |b| {
        b.iter(|| {
            let sides = Sides { base: &base, local: black_box(&local), before: &base, after: &after };
            merge(sides, &all, &neither, now).expect("what goes together").took_remote
        });
    });
}

criterion_group!(benches, texts, times, syncing);
criterion_main!(benches);
