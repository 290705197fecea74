//! Lines as every reader takes them. The store keeps what clients wrote; many readers give up on a whole calendar for one
//! line that RFC 5545 does not allow. Such a line is written as it is meant where that is plain, and left out where nobody
//! could say; all others stay as they are.

use std::borrow::Cow;

use jiff::tz::Offset;

use crate::domain::recurrence::lawful_rule;
use crate::ics::rule::{Rule, RuleError};
use crate::ics::zone::Zones;
use crate::ics::{Component, Duration, Period, PeriodEnd, Property, When, value};

/// Where a line stands.
pub(super) struct Place<'a> {
    /// The innermost component around it.
    pub component: &'a Component,
    /// The start of that, if it has one.
    pub start: Option<&'a When>,
    /// The zones of the object.
    pub zones: &'a Zones<'a>,
}

/// The line to publish; `None`: none.
pub(super) fn lawful<'a>(line: &'a Property, place: &Place<'_>) -> Option<Cow<'a, Property>> {
    if !is_token(line.name()) {
        return None;
    }
    let line = with_lawful_names(line);
    match line.name() {
        "DTSTART" | "DTEND" | "DUE" | "RECURRENCE-ID" | "EXDATE" => times(line, place),
        "RDATE" if line.value().contains('/') => {
            has_lawful_periods(&line).then(|| place.start.and_then(|start| days(&line, start)).unwrap_or(line))
        }
        "FREEBUSY" => has_lawful_periods(&line).then_some(line),
        "RDATE" => times(line, place).map(|line| alike(line, place)),
        "DTSTAMP" | "CREATED" | "LAST-MODIFIED" | "COMPLETED" | "ACKNOWLEDGED" => stamp(line, place),
        "RRULE" | "EXRULE" => rule(line, place),
        "DURATION" => Duration::parse(line.value()).is_ok().then_some(line),
        "TRIGGER" => trigger(line, place),
        "GEO" => is_geo(line.value()).then_some(line),
        "PRIORITY" => number(line, 0..=9),
        "PERCENT-COMPLETE" => number(line, 0..=100),
        "SEQUENCE" | "REPEAT" => number(line, 0..=i64::from(i32::MAX)),
        "STATUS" if place.component.is("VEVENT") || place.component.is("VTODO") || place.component.is("VJOURNAL") => {
            word(line, value::statuses(place.component.name()))
        }
        "TRANSP" => word(line, &value::TRANSPARENCIES),
        "ATTENDEE" | "ORGANIZER" => address(line),
        // What is published says nothing of how somebody's request went (RFC 5546 3.2.1).
        "REQUEST-STATUS" => None,
        "URL" | "ATTACH" | "SOURCE" | "CONFERENCE" | "TZURL" => (!line.value().trim().is_empty()).then_some(line),
        _ => Some(line),
    }
}

/// What RFC 5545 3.6.6 has every alarm say; one that does not is not published.
pub(super) fn is_lawful_alarm(alarm: &Component) -> bool {
    let has = |name: &str| alarm.property(name).is_some_and(|p| !p.value().trim().is_empty());
    let asks = |name: &str| alarm.property("ACTION").is_some_and(|p| p.value().trim().eq_ignore_ascii_case(name));
    let trigger = alarm.property("TRIGGER").is_some_and(|p| Duration::parse(p.value()).is_ok() || When::of(p).is_ok());
    let repeats = alarm.property("REPEAT").is_some() == alarm.property("DURATION").is_some();
    let says = match () {
        () if asks("DISPLAY") => has("DESCRIPTION"),
        () if asks("EMAIL") => has("DESCRIPTION") && has("SUMMARY") && has("ATTENDEE"),
        () => has("ACTION"),
    };
    trigger && repeats && says
}

/// Letters, digits and hyphens: what names of properties and parameters are made of.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Names in capital letters: case does not count in them, but Python's ical gives up on the calendar. Parameters without
/// a name or a value go, values that need quotes get them.
fn with_lawful_names(line: &Property) -> Cow<'_, Property> {
    let is_capital = |name: &str| is_token(name) && !name.bytes().any(|b| b.is_ascii_lowercase());
    let is_lawful = |value: &str| match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').is_some_and(|inner| !inner.contains('"')),
        None => !value.contains(['"', ';', ':']),
    };
    let mut params = line.params();
    let are_lawful = params.all(|p| is_capital(p.name()) && p.has_value() && p.written_values().all(is_lawful));
    if is_capital(line.name()) && are_lawful {
        return Cow::Borrowed(line);
    }
    let bare = Property::new(&line.name().to_ascii_uppercase(), line.value());
    let kept = line.params().filter(|p| is_token(p.name()) && p.has_value());
    Cow::Owned(kept.fold(bare, |line, param| {
        let values: Vec<Cow<'_, str>> = param.values().collect();
        line.with_param_list(&param.name().to_ascii_uppercase(), values.iter().map(AsRef::as_ref))
    }))
}

/// The line that begins or ends a component, its name in capital letters.
pub(super) fn lawful_bound(line: &Property) -> Cow<'_, Property> {
    let name = line.value().trim().to_ascii_uppercase();
    match line.unfolded().split_once(':') {
        Some(("BEGIN" | "END", value)) if value == name => Cow::Borrowed(line),
        _ => Cow::Owned(Property::new(if line.is("END") { "END" } else { "BEGIN" }, &name)),
    }
}

/// A list of dates and times, in one of the forms that there are, with the VALUE that goes with it.
fn times<'a>(line: Cow<'a, Property>, place: &Place<'_>) -> Option<Cow<'a, Property>> {
    let mut list = When::list_of(&line).ok().filter(|list| !list.is_empty())?;
    let ends = line.is("DTEND") || line.is("DUE");
    if let (true, [end], Some(start)) = (ends, list.as_mut_slice(), place.start)
        && let Some(alike) = end.in_kind_of(start)
    {
        let named = alike.tzid().map(str::to_owned);
        let line = with_when(&line, &[alike]).without_param("TZID");
        return Some(Cow::Owned(match named {
            Some(tzid) => line.with_param("TZID", &tzid),
            None => line,
        }));
    }
    let written = list.iter().map(When::to_value).collect::<Vec<_>>().join(",");
    let says_date = line.param("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("DATE"));
    let is_lawful = written == line.value() && says_date == list.iter().all(When::is_date);
    Some(if is_lawful { line } else { Cow::Owned(with_when(&line, &list)) })
}

/// Dates of a series in the kind of its start: Python's ical gives up on a calendar that mixes days and times.
fn alike<'a>(line: Cow<'a, Property>, place: &Place<'_>) -> Cow<'a, Property> {
    let Some(start) = place.start else { return line };
    let list = When::list_of(&line).unwrap_or_default();
    let alike: Option<Vec<When>> = list.iter().map(|when| when.in_kind_of(start)).collect();
    let Some(alike) = alike else { return line };
    let line = with_when(&line, &alike).without_param("TZID");
    Cow::Owned(match start.tzid() {
        Some(tzid) => line.with_param("TZID", tzid),
        None => line,
    })
}

/// Periods of a series of days, as the days on which they begin.
fn days<'a>(line: &Property, start: &When) -> Option<Cow<'a, Property>> {
    let days = Period::list_of(line).ok()?.into_iter().map(|period| period.start.in_kind_of(start));
    let days: Vec<When> = days.collect::<Option<_>>()?;
    days.iter().all(When::is_date).then(|| Cow::Owned(with_when(line, &days).without_param("TZID")))
}

fn with_when(line: &Property, list: &[When]) -> Property {
    let written = list.iter().map(When::to_value).collect::<Vec<_>>().join(",");
    let line = line.with_value(&written).without_param("VALUE");
    if list.iter().all(When::is_date) { line.with_param("VALUE", "DATE") } else { line }
}

/// A date with a time in UTC.
fn stamp<'a>(line: Cow<'a, Property>, place: &Place<'_>) -> Option<Cow<'a, Property>> {
    let when = When::of(&line).ok().filter(|when| when.local().year() > 0)?;
    let utc = match &when {
        When::Utc(utc) => *utc,
        When::Zoned { local, .. } => Offset::UTC.to_datetime(place.zones.of_value(&when).instant(*local)),
        When::Date(_) | When::Floating(_) => when.local(),
    };
    let written = When::Utc(utc).to_value();
    let is_lawful = written == line.value() && line.param("VALUE").is_none_or(|v| v.eq_ignore_ascii_case("DATE-TIME"));
    Some(if is_lawful {
        line
    } else {
        Cow::Owned(line.with_value(&written).without_param("VALUE").without_param("TZID"))
    })
}

/// How long before, or an instant in UTC that says what it is.
fn trigger<'a>(line: Cow<'a, Property>, place: &Place<'_>) -> Option<Cow<'a, Property>> {
    if Duration::parse(line.value()).is_ok() {
        return Some(line);
    }
    let line = stamp(line, place)?;
    let says_so = line.param("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("DATE-TIME"));
    Some(if says_so { line } else { Cow::Owned(line.without_param("VALUE").with_param("VALUE", "DATE-TIME")) })
}

fn has_lawful_periods(line: &Property) -> bool {
    let is_timed = |when: &When| !when.is_date();
    let is_lawful = |period: &Period| match &period.end {
        PeriodEnd::At(end) => is_timed(&period.start) && is_timed(end),
        PeriodEnd::After(length) => is_timed(&period.start) && !length.is_negative(),
    };
    Period::list_of(line).is_ok_and(|periods| !periods.is_empty() && periods.iter().all(is_lawful))
}

/// A rule in capital letters with parts that RFC 5545 has, each once, and an UNTIL that goes with the start.
fn rule<'a>(line: Cow<'a, Property>, place: &Place<'_>) -> Option<Cow<'a, Property>> {
    let rule = match Rule::parse(line.value()) {
        Ok(rule) => rule,
        // RFC 7529: other readers may know the scale.
        Err(RuleError::Scale(_)) => return Some(line),
        Err(_) => return None,
    };
    let lawful = match place.start {
        Some(start) => lawful_rule(rule.clone(), start, &place.zones.of_value(start)),
        None => rule.clone(),
    };
    let is_lawful = has_lawful_parts(line.value()) && (lawful.until, lawful.count) == (rule.until, rule.count);
    Some(if is_lawful { line } else { Cow::Owned(line.with_value(&lawful.to_string())) })
}

const RULE_PARTS: [&str; 14] = [
    "FREQ",
    "UNTIL",
    "COUNT",
    "INTERVAL",
    "BYSECOND",
    "BYMINUTE",
    "BYHOUR",
    "BYDAY",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYMONTH",
    "BYSETPOS",
    "WKST",
];

fn has_lawful_parts(value: &str) -> bool {
    let mut seen = [false; RULE_PARTS.len()];
    value.split(';').all(|part| {
        let Some((name, value)) = part.split_once('=') else { return false };
        let known = RULE_PARTS.iter().position(|part| *part == name).and_then(|at| seen.get_mut(at));
        let is_new = known.is_some_and(|seen| !std::mem::replace(seen, true));
        let is_plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b',' | b'+' | b'-');
        is_new && !value.is_empty() && value.bytes().all(is_plain)
    })
}

fn is_geo(value: &str) -> bool {
    let inside = |text: &str, most: f64| text.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= most);
    value.split_once(';').is_some_and(|(latitude, longitude)| inside(latitude, 90.0) && inside(longitude, 180.0))
}

fn number(line: Cow<'_, Property>, range: std::ops::RangeInclusive<i64>) -> Option<Cow<'_, Property>> {
    let number = value::integer(line.value()).ok().filter(|number| range.contains(number))?;
    let is_lawful = line.value().trim() == line.value();
    Some(if is_lawful { line } else { Cow::Owned(line.with_value(&number.to_string())) })
}

fn word<'a>(line: Cow<'a, Property>, words: &[&str]) -> Option<Cow<'a, Property>> {
    let word = words.iter().find(|word| word.eq_ignore_ascii_case(line.value().trim()))?;
    // Case does not count, but to some readers it does.
    Some(if line.value() == *word { line } else { Cow::Owned(line.with_value(word)) })
}

/// A URI; a mail address without its scheme gets it.
fn address(line: Cow<'_, Property>) -> Option<Cow<'_, Property>> {
    let value = line.value().trim();
    match value.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) && !rest.is_empty() => Some(line),
        None if value.contains('@') && !value.contains(' ') => {
            let uri = format!("mailto:{value}");
            Some(Cow::Owned(line.with_value(&uri)))
        }
        Some(_) | None => None,
    }
}

fn is_scheme(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ics::Document;
    use bytes::Bytes;

    /// What becomes of a line in an event that starts at `start`.
    fn published(kind: &str, start: &str, line: &str) -> Option<String> {
        let text = format!("BEGIN:VCALENDAR\r\nBEGIN:{kind}\r\n{start}\r\n{line}\r\nEND:{kind}\r\nEND:VCALENDAR\r\n");
        let document = Document::parse(&Bytes::from(text)).expect("well-formed");
        let calendar = document.calendar().expect("a calendar");
        let component = calendar.components().next().expect("a component");
        let start = component.properties().next().and_then(|p| When::of(p).ok());
        let zones = Zones::of(calendar);
        let place = Place { component, start: start.as_ref(), zones: &zones };
        let line = component.properties().last().expect("a line");
        lawful(line, &place).map(|line| line.unfolded().to_owned())
    }

    #[test]
    fn lawful_lines_stay_as_they_are() {
        for line in [
            "X-ANY;X-P=a,\"b;c\",d^'e:what ever; it is",
            "SUMMARY;LANGUAGE=de:Kaffee",
            "DTEND;TZID=Europe/Berlin:20260105T110000",
            "DTEND:20260105T100000Z",
            "EXDATE;TZID=Europe/Berlin:20260106T100000,20260107T100000",
            "EXDATE;VALUE=DATE:20260106",
            "RDATE;VALUE=PERIOD:20260106T100000Z/PT1H",
            "RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=+1MO,TU;WKST=MO;UNTIL=20260110T090000Z",
            "RRULE:RSCALE=CHINESE;FREQ=YEARLY",
            "DTSTAMP:20260101T100000Z",
            "GEO:48.2;16.37",
            "PRIORITY:05",
            "STATUS:CONFIRMED",
            "FREEBUSY;FBTYPE=BUSY:20260106T100000Z/PT1H,20260106T120000Z/20260106T130000Z",
            "ATTENDEE;CN=\"A; B\":MAILTO:a@example.org",
            "TRIGGER;RELATED=END:-PT5M",
            "CATEGORIES:",
        ] {
            let found = published("VEVENT", "DTSTART;TZID=Europe/Berlin:20260105T100000", line);
            assert_eq!(found.as_deref(), Some(line));
        }
    }

    #[test]
    fn other_lines_are_written_as_they_are_meant_or_left_out() {
        for (line, lawful) in [
            ("X_ODD:1", None),
            ("REQUEST-STATUS:2.0;Success", None),
            ("x-any;Language=de;X-P=\"a;b\":Lower case", Some("X-ANY;LANGUAGE=de;X-P=\"a;b\":Lower case")),
            ("X-A;B;=c;D=1:v", Some("X-A;D=1:v")),
            ("X-A;T=Main St 1-5\\; 4041 Linz;R=7:v", Some("X-A;T=\"Main St 1-5; 4041 Linz\";R=7:v")),
            ("DTEND:20260105T235960Z", Some("DTEND:20260105T235959Z")),
            ("DTEND:20260105T110000", Some("DTEND;TZID=Europe/Berlin:20260105T110000")),
            ("DTEND;VALUE=DATE:20260106", Some("DTEND;TZID=Europe/Berlin:20260106T000000")),
            ("EXDATE:", None),
            ("EXDATE:20260106,20260107Z", Some("EXDATE;VALUE=DATE:20260106,20260107")),
            ("RDATE;VALUE=DATE:20260106T100000Z", Some("RDATE:20260106T100000Z")),
            ("RDATE;VALUE=DATE:20260106", Some("RDATE;TZID=Europe/Berlin:20260106T000000")),
            ("RDATE:20260106T100000", Some("RDATE;TZID=Europe/Berlin:20260106T100000")),
            ("RDATE:20260106T100000Z/soon", None),
            ("CREATED:00000101T000000Z", None),
            ("CREATED;VALUE=DATE:20260101", Some("CREATED:20260101T000000Z")),
            ("LAST-MODIFIED:20260101T100000", Some("LAST-MODIFIED:20260101T100000Z")),
            ("LAST-MODIFIED;TZID=Europe/Berlin:20260101T100000", Some("LAST-MODIFIED:20260101T090000Z")),
            ("RRULE:freq=weekly;byday=mo", Some("RRULE:FREQ=WEEKLY;BYDAY=MO")),
            ("RRULE:FREQ=DAILY;X-PART=1;", Some("RRULE:FREQ=DAILY")),
            ("RRULE;X-P=1:FREQ=DAILY;UNTIL=20260110", Some("RRULE;X-P=1:FREQ=DAILY;UNTIL=20260110T225959Z")),
            ("RRULE:FREQ=DAILY;COUNT=2;UNTIL=20260110T100000Z", Some("RRULE:FREQ=DAILY;COUNT=2")),
            ("RRULE:FREQ=DAILY;INTERVAL=0", None),
            ("DURATION:an hour", None),
            ("GEO:", None),
            ("GEO:48,3;14,2", None),
            ("GEO:91;0", None),
            ("PRIORITY:12", None),
            ("PERCENT-COMPLETE: 50 ", Some("PERCENT-COMPLETE:50")),
            ("SEQUENCE:-1", None),
            ("STATUS:X-MAYBE", None),
            ("STATUS:Confirmed", Some("STATUS:CONFIRMED")),
            ("RDATE;VALUE=PERIOD:20260106/20260107", None),
            ("FREEBUSY:20260106/PT1H", None),
            ("TRIGGER:20260105T090000Z", Some("TRIGGER;VALUE=DATE-TIME:20260105T090000Z")),
            ("TRIGGER;VALUE=DATE-TIME;X-P=1:20260105T090000", Some("TRIGGER;X-P=1;VALUE=DATE-TIME:20260105T090000Z")),
            ("TRIGGER:soon", None),
            ("STATUS:NEEDS-ACTION", None),
            ("TRANSP: transparent", Some("TRANSP:TRANSPARENT")),
            ("ATTENDEE;RSVP:mailto:a@b.example", Some("ATTENDEE:mailto:a@b.example")),
            ("ORGANIZER:a@b.example", Some("ORGANIZER:mailto:a@b.example")),
            ("ORGANIZER:Ada", None),
            ("URL:", None),
        ] {
            let found = published("VEVENT", "DTSTART;TZID=Europe/Berlin:20260105T100000", line);
            assert_eq!(found.as_deref(), lawful, "{line}");
        }
        let periods = "RDATE;VALUE=PERIOD:20260106T100000Z/PT1H,20260107T100000Z/20260107T110000Z";
        let of_days = published("VEVENT", "DTSTART;VALUE=DATE:20260105", periods);
        assert_eq!(of_days.as_deref(), Some("RDATE;VALUE=DATE:20260106,20260107"));
        let task = published("VTODO", "DTSTART;VALUE=DATE:20260105", "DUE:20260106T100000Z");
        assert_eq!(task.as_deref(), Some("DUE;VALUE=DATE:20260106"));
        assert!(published("VTODO", "DTSTART:20260105T100000Z", "STATUS:NEEDS-ACTION").is_some());
    }

    #[test]
    fn an_alarm_says_what_it_does_and_when() {
        for (lines, is_lawful) in [
            ("ACTION:DISPLAY TRIGGER:-PT5M DESCRIPTION:x", true),
            ("ACTION:AUDIO TRIGGER;VALUE=DATE-TIME:20260101T100000Z", true),
            ("ACTION:AUDIO TRIGGER:-PT5M REPEAT:2 DURATION:PT1M", true),
            ("ACTION:X-BUZZ TRIGGER:PT0S", true),
            ("ACTION:DISPLAY TRIGGER:-PT5M", false),
            ("ACTION:EMAIL TRIGGER:-PT5M DESCRIPTION:x SUMMARY:x", false),
            ("ACTION:AUDIO TRIGGER:-PT5M REPEAT:2", false),
            ("ACTION:AUDIO TRIGGER:soon", false),
            ("ACTION:AUDIO", false),
            ("TRIGGER:-PT5M DESCRIPTION:x", false),
        ] {
            let text = format!("BEGIN:VALARM\r\n{}\r\nEND:VALARM\r\n", lines.replace(' ', "\r\n"));
            let document = Document::parse(&Bytes::from(text)).expect("well-formed");
            let alarm = document.components().next().expect("an alarm");
            assert_eq!(is_lawful_alarm(alarm), is_lawful, "{lines}");
        }
    }
}
