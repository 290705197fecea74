//! The examples of RFC 5545 section 3.8.5.3, all in the Eastern United States time zone.

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use kalends::ics::rule::{Budget, Rule, Until};

/// An example: DTSTART, the rule, and what it gives, as `year-month: day day-day …` groups.
///
/// `at` is one time for all days unless the days carry their own (`2@9:20`). A list that ends in `...` goes on.
struct Example(&'static str, &'static str, &'static str);

const EXAMPLES: &[Example] = &[
    Example("19970902T090000", "FREQ=DAILY;COUNT=10", "1997-09: 2-11"),
    Example(
        "19970902T090000",
        "FREQ=DAILY;UNTIL=19971224T000000Z",
        "1997-09: 2-30; 1997-10: 1-31; 1997-11: 1-30; 1997-12: 1-23",
    ),
    Example(
        "19970902T090000",
        "FREQ=DAILY;INTERVAL=2",
        "1997-09: 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30; 1997-10: 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30; \
         1997-11: 1 3 5 7 9 11 13 15 17 19 21 23 25 27 29; 1997-12: 1 3 ...",
    ),
    Example("19970902T090000", "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09: 2 12 22; 1997-10: 2 12"),
    Example(
        "19980101T090000",
        "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
        "1998-01: 1-31; 1999-01: 1-31; 2000-01: 1-31",
    ),
    Example(
        "19980101T090000",
        "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
        "1998-01: 1-31; 1999-01: 1-31; 2000-01: 1-31",
    ),
    Example("19970902T090000", "FREQ=WEEKLY;COUNT=10", "1997-09: 2 9 16 23 30; 1997-10: 7 14 21 28; 1997-11: 4"),
    Example(
        "19970902T090000",
        "FREQ=WEEKLY;UNTIL=19971224T000000Z",
        "1997-09: 2 9 16 23 30; 1997-10: 7 14 21 28; 1997-11: 4 11 18 25; 1997-12: 2 9 16 23",
    ),
    Example(
        "19970902T090000",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "1997-09: 2 16 30; 1997-10: 14 28; 1997-11: 11 25; 1997-12: 9 23; 1998-01: 6 20; 1998-02: 3 17 ...",
    ),
    Example(
        "19970902T090000",
        "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
        "1997-09: 2 4 9 11 16 18 23 25 30; 1997-10: 2",
    ),
    Example(
        "19970902T090000",
        "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
        "1997-09: 2 4 9 11 16 18 23 25 30; 1997-10: 2",
    ),
    Example(
        "19970901T090000",
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "1997-09: 1 3 5 15 17 19 29; 1997-10: 1 3 13 15 17 27 29 31; 1997-11: 10 12 14 24 26 28; 1997-12: 8 10 12 22",
    ),
    Example(
        "19970902T090000",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "1997-09: 2 4 16 18 30; 1997-10: 2 14 16",
    ),
    Example(
        "19970905T090000",
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "1997-09: 5; 1997-10: 3; 1997-11: 7; 1997-12: 5; 1998-01: 2; 1998-02: 6; 1998-03: 6; 1998-04: 3; 1998-05: 1; \
         1998-06: 5",
    ),
    Example(
        "19970905T090000",
        "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
        "1997-09: 5; 1997-10: 3; 1997-11: 7; 1997-12: 5",
    ),
    Example(
        "19970907T090000",
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "1997-09: 7 28; 1997-11: 2 30; 1998-01: 4 25; 1998-03: 1 29; 1998-05: 3 31",
    ),
    Example(
        "19970922T090000",
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        "1997-09: 22; 1997-10: 20; 1997-11: 17; 1997-12: 22; 1998-01: 19; 1998-02: 16",
    ),
    Example(
        "19970928T090000",
        "FREQ=MONTHLY;BYMONTHDAY=-3",
        "1997-09: 28; 1997-10: 29; 1997-11: 28; 1997-12: 29; 1998-01: 29; 1998-02: 26 ...",
    ),
    Example(
        "19970902T090000",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "1997-09: 2 15; 1997-10: 2 15; 1997-11: 2 15; 1997-12: 2 15; 1998-01: 2 15",
    ),
    Example(
        "19970930T090000",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "1997-09: 30; 1997-10: 1 31; 1997-11: 1 30; 1997-12: 1 31; 1998-01: 1 31; 1998-02: 1",
    ),
    Example(
        "19970910T090000",
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "1997-09: 10-15; 1999-03: 10-13",
    ),
    Example(
        "19970902T090000",
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "1997-09: 2 9 16 23 30; 1997-11: 4 11 18 25; 1998-01: 6 13 20 27; 1998-03: 3 10 17 24 31 ...",
    ),
    Example(
        "19970610T090000",
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "1997-06: 10; 1997-07: 10; 1998-06: 10; 1998-07: 10; 1999-06: 10; 1999-07: 10; 2000-06: 10; 2000-07: 10; \
         2001-06: 10; 2001-07: 10",
    ),
    Example(
        "19970310T090000",
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        "1997-03: 10; 1999-01: 10; 1999-02: 10; 1999-03: 10; 2001-01: 10; 2001-02: 10; 2001-03: 10; 2003-01: 10; \
         2003-02: 10; 2003-03: 10",
    ),
    Example(
        "19970101T090000",
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        "1997-01: 1; 1997-04: 10; 1997-07: 19; 2000-01: 1; 2000-04: 9; 2000-07: 18; 2003-01: 1; 2003-04: 10; \
         2003-07: 19; 2006-01: 1",
    ),
    Example("19970519T090000", "FREQ=YEARLY;BYDAY=20MO", "1997-05: 19; 1998-05: 18; 1999-05: 17 ..."),
    Example("19970512T090000", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05: 12; 1998-05: 11; 1999-05: 17 ..."),
    Example(
        "19970313T090000",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        "1997-03: 13 20 27; 1998-03: 5 12 19 26; 1999-03: 4 11 18 25 ...",
    ),
    Example(
        "19970605T090000",
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "1997-06: 5 12 19 26; 1997-07: 3 10 17 24 31; 1997-08: 7 14 21 28; 1998-06: 4 11 18 25; \
         1998-07: 2 9 16 23 30; 1998-08: 6 13 20 27; 1999-06: 3 10 17 24; 1999-07: 1 8 15 22 29; 1999-08: 5 12 19 26 ...",
    ),
    // The RFC takes DTSTART away with an EXDATE; here it stands, being the first instance.
    Example(
        "19970902T090000",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "1997-09: 2; 1998-02: 13; 1998-03: 13; 1998-11: 13; 1999-08: 13; 2000-10: 13 ...",
    ),
    Example(
        "19970913T090000",
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "1997-09: 13; 1997-10: 11; 1997-11: 8; 1997-12: 13; 1998-01: 10; 1998-02: 7; 1998-03: 7; 1998-04: 11; \
         1998-05: 9; 1998-06: 13 ...",
    ),
    Example(
        "19961105T090000",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996-11: 5; 2000-11: 7; 2004-11: 2 ...",
    ),
    Example("19970904T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09: 4; 1997-10: 7; 1997-11: 6"),
    Example(
        "19970929T090000",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "1997-09: 29; 1997-10: 30; 1997-11: 27; 1997-12: 30; 1998-01: 29; 1998-02: 26; 1998-03: 30 ...",
    ),
    // As printed (UNTIL=…170000Z) the rule ends at 13:00 EDT; the erratum makes it 17:00 EDT. Both are here.
    Example("19970902T090000", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", "1997-09: 2@9:00 2@12:00"),
    Example("19970902T090000", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", "1997-09: 2@9:00 2@12:00 2@15:00"),
    Example(
        "19970902T090000",
        "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
        "1997-09: 2@9:00 2@9:15 2@9:30 2@9:45 2@10:00 2@10:15",
    ),
    Example("19970902T090000", "FREQ=MINUTELY;INTERVAL=90;COUNT=4", "1997-09: 2@9:00 2@10:30 2@12:00 2@13:30"),
    Example(
        "19970902T090000",
        "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
        "1997-09: 2@9:00 2@9:20 2@9:40 2@10:00 2@10:20 2@10:40 2@11:00 2@11:20 2@11:40 2@12:00 2@12:20 2@12:40 2@13:00 \
         2@13:20 2@13:40 2@14:00 2@14:20 2@14:40 2@15:00 2@15:20 2@15:40 2@16:00 2@16:20 2@16:40 3@9:00 3@9:20 ...",
    ),
    Example(
        "19970902T090000",
        "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
        "1997-09: 2@9:00 2@9:20 2@9:40 2@10:00 2@10:20 2@10:40 2@11:00 2@11:20 2@11:40 2@12:00 2@12:20 2@12:40 2@13:00 \
         2@13:20 2@13:40 2@14:00 2@14:20 2@14:40 2@15:00 2@15:20 2@15:40 2@16:00 2@16:20 2@16:40 3@9:00 3@9:20 ...",
    ),
    Example("19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08: 5 10 19 24"),
    Example("19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08: 5 17 19 31"),
    Example("20070115T090000", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01: 15 30; 2007-02: 15; 2007-03: 15 30"),
    // From section 3.3.10 and 3.8.5.2's prose: the rules shown there, with what their sentences say.
    Example("19970929T090000", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "1997-09: 29 30; 1997-10: 31 ..."),
    Example(
        "19970105T083000",
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=1;BYDAY=SU;BYHOUR=8,9;BYMINUTE=30",
        "1997-01: 5@8:30 5@9:30 12@8:30 12@9:30 19@8:30 19@9:30 26@8:30 26@9:30; 1999-01: 3@8:30 3@9:30 ...",
    ),
    Example(
        "19970401T070000",
        "FREQ=DAILY;COUNT=10;INTERVAL=2",
        "1997-04: 1@7:00 3@7:00 5@7:00 7@7:00 9@7:00 11@7:00 13@7:00 15@7:00 17@7:00 19@7:00",
    ),
];

fn listed(text: &str) -> (Vec<DateTime>, bool) {
    let (text, goes_on) = text.strip_suffix("...").map_or((text, false), |text| (text, true));
    let mut walls = Vec::new();
    for group in text.split(';') {
        let (month, days) = group.trim().split_once(": ").expect("a group is `month: days`");
        for item in days.split_whitespace() {
            let (days, time) = item.split_once('@').unwrap_or((item, "9:00"));
            let (first, last) = days.split_once('-').unwrap_or((days, days));
            for day in first.parse::<u8>().expect("a day")..=last.parse().expect("a day") {
                walls.push(format!("{month}-{day:02}T{time:0>5}:00").parse().expect("a date and time"));
            }
        }
    }
    (walls, goes_on)
}

fn new_york() -> TimeZone {
    TimeZoneDatabase::bundled().get("America/New_York").expect("bundled")
}

/// The first `limit` occurrences, an UNTIL in UTC compared as an instant.
fn occurrences(dtstart: &str, rule: &str, limit: usize) -> Vec<DateTime> {
    let rule = Rule::parse(rule).expect("the RFC's rules are read");
    let start: DateTime = dtstart.parse().expect("a date and time");
    let zone = new_york();
    let until = rule.until.map(|until| match until {
        Until::Utc(wall) => TimeZone::UTC.to_timestamp(wall).expect("in range"),
        Until::Date(_) | Until::Local(_) => panic!("the examples bound in UTC"),
    });
    let mut budget = Budget::default();
    rule.walk(start, start..DateTime::MAX, &mut budget)
        .map(|step| step.expect("within the budget"))
        .filter(|wall| until.is_none_or(|until| zone.to_timestamp(*wall).expect("in range") <= until))
        .take(limit)
        .collect()
}

#[test]
fn every_example_of_the_standard_gives_what_the_standard_says() {
    assert_eq!(EXAMPLES.len(), 46);
    for Example(dtstart, rule, expected) in EXAMPLES {
        let (expected, goes_on) = listed(expected);
        let limit = if goes_on { expected.len() } else { usize::MAX };
        assert_eq!(occurrences(dtstart, rule, limit), expected, "{dtstart} {rule}");
    }
}

#[test]
fn a_window_into_the_middle_shows_the_same_as_walking_there() {
    for Example(dtstart, rule, _) in EXAMPLES {
        let all = occurrences(dtstart, rule, 400);
        let parsed = Rule::parse(rule).expect("the RFC's rules are read");
        for (at, from) in all.iter().enumerate().step_by(37) {
            let end = all.get(at + 11).copied().unwrap_or(DateTime::MAX);
            let mut budget = Budget::default();
            let start = dtstart.parse().expect("a date and time");
            let seen: Vec<DateTime> =
                parsed.walk(start, *from..end, &mut budget).map_while(Result::ok).take(11).collect();
            let wanted = all.get(at..(at + 11).min(all.len())).expect("in range");
            assert_eq!(seen.get(..wanted.len()), Some(wanted), "{rule} from {from}");
        }
    }
}
