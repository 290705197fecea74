//! Start, end, zone and recurrence out of what a client said. What it repeats of the answer it was given changes
//! nothing, down to the way a client program wrote it.

use jiff::civil::Date;

use super::input::{AppointmentChange, RecurrenceInput, check_count};
use crate::api::problem::Problem;
use crate::api::times::{Given, show, zone_name};
use crate::domain::appointment::{Appointment, Recurrence};
use crate::ics::When;
use crate::ics::rule::Rule;
use crate::ics::zone::{Zone, Zones};

/// Most rules of one appointment; one is usual, and every one costs an expansion.
const RULES_MAX: usize = 20;
/// Most single dates added or left out that a request may name.
const DATES_MAX: usize = 1_000;
/// The longest rule.
const RULE_CHARS_MAX: usize = 1_000;

/// What a local time is local to.
#[derive(Clone)]
enum Frame {
    /// A zone under a name that the object may use.
    Zone(Zone, String),
    /// UTC.
    Utc,
    /// Wherever the reader is.
    Floating,
}

impl Frame {
    fn named(name: &str) -> Result<Frame, Problem> {
        match Zone::iana(name) {
            Some(Zone::Utc) => Ok(Frame::Utc),
            Some(zone) => {
                let name = zone.iana_name().unwrap_or(name).to_owned();
                Ok(Frame::Zone(zone, name))
            }
            None => Err(Problem::value("time_zone", "this is not a name of the IANA time zone database")),
        }
    }

    fn of(when: &When, zones: &Zones<'_>) -> Frame {
        match when {
            When::Zoned { tzid, .. } => Frame::Zone(zones.of_value(when), tzid.clone()),
            When::Utc(_) => Frame::Utc,
            When::Date(_) | When::Floating(_) => Frame::Floating,
        }
    }

    /// The time as this frame writes it.
    fn place(&self, given: Given) -> When {
        match (given, self) {
            (Given::Date(date), _) => When::Date(date),
            (Given::Local(local), Frame::Zone(_, name)) => When::Zoned { local, tzid: name.clone() },
            (Given::Local(local), Frame::Utc) => When::Utc(local),
            (Given::Local(local), Frame::Floating) => When::Floating(local),
            // Of the hour that the clock shows twice only the first can be written as a local time.
            (Given::At { at, .. }, Frame::Zone(zone, name)) if zone.instant(zone.local(at)) == at => {
                When::Zoned { local: zone.local(at), tzid: name.clone() }
            }
            (Given::At { at, .. }, _) => When::Utc(Zone::Utc.local(at)),
        }
    }
}

/// Start and end of a new appointment.
///
/// # Errors
/// They are missing, no times, of two kinds, or the wrong way round.
pub(super) fn fresh(change: &AppointmentChange) -> Result<(When, When), Problem> {
    let missing = || Problem::missing("start", "an appointment has a start");
    let given = Given::parse("start", change.start.as_deref().ok_or_else(missing)?)?;
    check_all_day(change.all_day, given)?;
    let frame = match &change.time_zone {
        Some(Some(_)) if matches!(given, Given::Date(_)) => return Err(day_without_zone()),
        Some(Some(name)) => Frame::named(name)?,
        Some(None) | None => Frame::Floating,
    };
    let repeats = change.recurrence.as_ref().and_then(Option::as_ref).is_some_and(|r| !r.rrule.is_empty());
    if let (Given::At { is_utc: false, .. }, Frame::Floating, true) = (given, &frame, repeats) {
        return Err(Problem::missing(
            "time_zone",
            "what repeats needs its zone: an offset does not say when its clocks change",
        ));
    }
    let start = frame.place(given);
    let end = match (&change.end, &start) {
        (Some(end), _) => frame.place(Given::parse("end", end)?),
        (None, When::Date(date)) => When::Date(next_day(*date)),
        (None, _) => return Err(Problem::missing("end", "a timed appointment has an end")),
    };
    check_order(&start, &end, &frame)?;
    Ok((start, end))
}

/// Start and end after a change.
///
/// # Errors
/// As [`fresh`].
pub(super) fn changed(
    change: &AppointmentChange,
    before: &Appointment,
    zones: &Zones<'_>,
) -> Result<(When, When), Problem> {
    let keeps_zone = match &change.time_zone {
        None => true,
        Some(name) => name.as_deref() == zone_name(&before.start),
    };
    let same = |given: &Option<String>, when: &When| {
        given.as_deref().is_none_or(|text| keeps_zone && text == show(when, zones))
    };
    let is_day = before.start.is_date();
    if keeps_zone
        && same(&change.start, &before.start)
        && same(&change.end, &before.end)
        && change.all_day.is_none_or(|all_day| all_day == is_day)
    {
        return Ok((before.start.clone(), before.end.clone()));
    }
    let start = change.start.as_deref().map(|text| Given::parse("start", text)).transpose()?;
    let end = change.end.as_deref().map(|text| Given::parse("end", text)).transpose()?;
    let becomes_day = start.map_or(is_day, |given| matches!(given, Given::Date(_)));
    if let Some(given) = start {
        check_all_day(change.all_day, given)?;
    }
    if change.all_day.is_some_and(|all_day| all_day != is_day) || becomes_day != is_day {
        let field = if start.is_none() { "start" } else { "end" };
        if start.is_none() || end.is_none() {
            return Err(Problem::missing(field, "all_day is changed together with start and end"));
        }
    }
    let frame = match &change.time_zone {
        Some(Some(_)) if becomes_day => return Err(day_without_zone()),
        Some(Some(_)) if keeps_zone => Frame::of(&before.start, zones),
        Some(Some(name)) => Frame::named(name)?,
        Some(None) => Frame::Floating,
        None => Frame::of(&before.start, zones),
    };
    // Without new times the clock shows the same as before, in the new zone.
    let settle = |given: Option<Given>, text: &Option<String>, old: &When| match given {
        Some(_) if same(text, old) => old.clone(),
        Some(given) => frame.place(given),
        None if keeps_zone || old.is_date() => old.clone(),
        None => frame.place(Given::Local(old.local())),
    };
    let start = settle(start, &change.start, &before.start);
    let end = settle(end, &change.end, &before.end);
    check_order(&start, &end, &frame)?;
    Ok((start, end))
}

fn check_all_day(all_day: Option<bool>, start: Given) -> Result<(), Problem> {
    match (all_day, start) {
        (Some(true), Given::Local(_) | Given::At { .. }) => {
            Err(Problem::value("start", "an all-day appointment starts with a date such as 2026-03-02"))
        }
        (Some(false), Given::Date(_)) => Err(Problem::value("start", "a timed appointment starts with a time")),
        _ => Ok(()),
    }
}

fn day_without_zone() -> Problem {
    Problem::value("time_zone", "an all-day appointment is in no zone")
}

fn check_order(start: &When, end: &When, frame: &Frame) -> Result<(), Problem> {
    if start.is_date() != end.is_date() {
        return Err(Problem::value("end", "start and end are both times or both dates"));
    }
    let instant = |when: &When| match (when, frame) {
        (When::Zoned { tzid, .. }, Frame::Zone(zone, name)) if tzid == name => zone.instant(when.local()),
        (When::Zoned { tzid, .. }, _) => Zone::named(tzid).unwrap_or(Zone::Utc).instant(when.local()),
        (When::Utc(_) | When::Floating(_) | When::Date(_), _) => Zone::Utc.instant(when.local()),
    };
    let are_comparable = matches!(start, When::Floating(_)) == matches!(end, When::Floating(_));
    match start {
        When::Date(_) if end.local() <= start.local() => {
            Err(Problem::value("end", "end is the day after the last one, so it lies after start"))
        }
        _ if are_comparable && instant(end) < instant(start) => {
            Err(Problem::value("end", "end lies before start; give both to move an appointment"))
        }
        _ => Ok(()),
    }
}

fn next_day(date: Date) -> Date {
    date.tomorrow().unwrap_or(date)
}

/// The recurrence that was given, for an appointment that has its times already.
///
/// # Errors
/// A rule or a date that cannot be, or too many of them.
pub(super) fn recurrence(
    input: &RecurrenceInput,
    wanted: &Appointment,
    zones: &Zones<'_>,
) -> Result<Recurrence, Problem> {
    check_count("recurrence.rrule", input.rrule.len(), RULES_MAX)?;
    let rules = input.rrule.iter().enumerate().map(|(at, text)| rule(text, &format!("recurrence.rrule[{at}]")));
    let rules = rules.collect::<Result<Vec<String>, Problem>>()?;
    let frame = Frame::of(&wanted.start, zones);
    let dates = |name: &str, texts: &[String], old: &[When], days: bool| {
        let list = format!("recurrence.{name}");
        check_count(&list, texts.len(), DATES_MAX)?;
        let mut dates: Vec<When> = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            let field = format!("{list}[{at}]");
            let when = match old.iter().find(|when| show(when, zones) == *text) {
                Some(known) => known.clone(),
                None => frame.place(Given::parse(&field, text)?),
            };
            if when.is_date() != wanted.start.is_date() && !(days && when.is_date()) {
                return Err(Problem::value(&field, "this and start are both times or both dates"));
            }
            if !dates.contains(&when) {
                dates.push(when);
            }
        }
        Ok(dates)
    };
    Ok(Recurrence {
        rules,
        added: dates("rdate", &input.rdate, &wanted.recurrence.added, false)?,
        removed: dates("exdate", &input.exdate, &wanted.recurrence.removed, true)?,
    })
}

fn rule(text: &str, field: &str) -> Result<String, Problem> {
    let text = text.trim();
    let text = text.get(..6).filter(|p| p.eq_ignore_ascii_case("RRULE:")).map_or(text, |p| &text[p.len()..]);
    let is_token = |c: char| c.is_ascii_alphanumeric() || "=;,+-: ".contains(c);
    if text.len() > RULE_CHARS_MAX || !text.chars().all(is_token) {
        return Err(Problem::value(field, "a rule is written as FREQ=WEEKLY;BYDAY=MO"));
    }
    Rule::parse(text).map_err(|reason| Problem::value(field, reason.to_string()))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::input::{NewAppointment, Part};
    use super::*;
    use crate::domain::object::CalendarObject;

    fn object(lines: &str) -> CalendarObject {
        let text = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n");
        CalendarObject::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("a legal object")
    }

    const ZONED: &str = "DTSTART;TZID=W. Europe Standard Time:20260302T100000\nDTEND;TZID=America/New_York:20260302T050000\n\
        RRULE:FREQ=DAILY\nEXDATE:20260303T090000Z";
    const DAY: &str = "DTSTART;VALUE=DATE:20260302\nDTEND;VALUE=DATE:20260304";

    fn times(appointment: &Appointment) -> String {
        format!("{} {}", appointment.start.to_property("S").unfolded(), appointment.end.to_property("E").unfolded())
    }

    fn made(lines: &str, json: &str) -> Result<Appointment, Problem> {
        let object = object(lines);
        let zones = Zones::of(object.document().calendar().expect("a calendar"));
        let change: AppointmentChange = serde_json::from_str(json).expect(json);
        change.made(&Appointment::of(&object).expect("an event"), Part::Whole, &zones)
    }

    fn created(json: &str) -> Result<Appointment, Problem> {
        let new: NewAppointment = serde_json::from_str(json).expect(json);
        let nothing = crate::ics::Component::new("VCALENDAR");
        AppointmentChange::from(new).fresh(&Zones::of(&nothing))
    }

    #[test]
    fn a_new_appointment_begins_in_its_zone() {
        for (json, expected) in [
            (
                r#"{"start":"2026-03-02T10:00","end":"2026-03-02T11:00","time_zone":"europe/berlin"}"#,
                "S;TZID=Europe/Berlin:20260302T100000 E;TZID=Europe/Berlin:20260302T110000",
            ),
            (
                r#"{"start":"2026-03-02T10:00:00Z","end":"2026-03-02T13:00:00+01:00","time_zone":"Europe/Berlin"}"#,
                "S;TZID=Europe/Berlin:20260302T110000 E;TZID=Europe/Berlin:20260302T130000",
            ),
            (
                r#"{"start":"2026-10-25T02:30:00+02:00","end":"2026-10-25T02:30:00+01:00","time_zone":"Europe/Berlin"}"#,
                "S;TZID=Europe/Berlin:20261025T023000 E:20261025T013000Z",
            ),
            (
                r#"{"start":"2026-03-02T10:00:00+01:00","end":"2026-03-02T10:00:00Z"}"#,
                "S:20260302T090000Z E:20260302T100000Z",
            ),
            (
                r#"{"start":"2026-03-02T10:00","end":"2026-03-02T11:00","time_zone":"UTC"}"#,
                "S:20260302T100000Z E:20260302T110000Z",
            ),
            (r#"{"start":"2026-03-02T10:00","end":"2026-03-02T11:00"}"#, "S:20260302T100000 E:20260302T110000"),
            (r#"{"start":"2026-03-02"}"#, "S;VALUE=DATE:20260302 E;VALUE=DATE:20260303"),
            (
                r#"{"start":"2026-03-02","end":"2026-03-05","all_day":true}"#,
                "S;VALUE=DATE:20260302 E;VALUE=DATE:20260305",
            ),
        ] {
            assert_eq!(created(json).map(|a| times(&a)), Ok(expected.to_owned()), "{json}");
        }
    }

    #[test]
    fn impossible_times_name_their_field() {
        for (json, field) in [
            (r#"{"start":"2026-03-02T10:00"}"#, "end"),
            (r#"{"start":"2026-03-02T10:00","end":"2026-03-02T09:00"}"#, "end"),
            (r#"{"start":"2026-03-02","end":"2026-03-02"}"#, "end"),
            (r#"{"start":"2026-03-02","end":"2026-03-02T10:00"}"#, "end"),
            (r#"{"start":"2026-03-02","all_day":false}"#, "start"),
            (r#"{"start":"2026-03-02T10:00","all_day":true}"#, "start"),
            (r#"{"start":"2026-03-02","time_zone":"Europe/Berlin"}"#, "time_zone"),
            (r#"{"start":"2026-03-02T10:00","end":"2026-03-02T11:00","time_zone":"Mars"}"#, "time_zone"),
            (
                r#"{"start":"2026-03-02T10:00:00+01:00","end":"2026-03-02T11:00:00+01:00","recurrence":{"rrule":["FREQ=DAILY"]}}"#,
                "time_zone",
            ),
            (r#"{"start":"2026-03-02","recurrence":{"rrule":["FREQ=DAILY","FREQ=NEVER"]}}"#, "recurrence.rrule[1]"),
            (r#"{"start":"2026-03-02","recurrence":{"rrule":["FREQ=DAILY\nX:1"]}}"#, "recurrence.rrule[0]"),
            (r#"{"start":"2026-03-02","recurrence":{"rdate":["2026-03-02T10:00"]}}"#, "recurrence.rdate[0]"),
        ] {
            assert_eq!(created(json).map_err(|p| p.field.unwrap_or_default()), Err(field.to_owned()), "{json}");
        }
        assert!(made(DAY, r#"{"start":"2026-03-02T10:00"}"#).is_err_and(|p| p.field.as_deref() == Some("end")));
        assert!(made(DAY, r#"{"all_day":false}"#).is_err_and(|p| p.field.as_deref() == Some("start")));
    }

    #[test]
    fn an_answer_sent_back_changes_nothing() {
        for lines in [ZONED, DAY, "DTSTART;TZID=Nobody/Knows:20260302T100000\nDURATION:PT1H", "DTSTART:20260302T100000"]
        {
            let object = object(lines);
            let zones = Zones::of(object.document().calendar().expect("a calendar"));
            let before = Appointment::of(&object).expect("an event");
            let dates = |list: &[When]| list.iter().map(|w| show(w, &zones)).collect::<Vec<_>>();
            let json = serde_json::json!({
                "start": show(&before.start, &zones), "end": show(&before.end, &zones),
                "time_zone": zone_name(&before.start), "all_day": before.start.is_date(),
                "recurrence": { "rrule": before.recurrence.rules, "exdate": dates(&before.recurrence.removed) },
            });
            assert_eq!(made(lines, &json.to_string()), Ok(before), "{lines}");
        }
    }

    #[test]
    fn what_is_not_named_stays() {
        for (lines, json, expected) in [
            (
                ZONED,
                r#"{"start":"2026-03-02T09:30"}"#,
                "S;TZID=Europe/Berlin:20260302T093000 E;TZID=America/New_York:20260302T050000",
            ),
            (
                ZONED,
                r#"{"end":"2026-03-02T12:00:00Z"}"#,
                "S;TZID=Europe/Berlin:20260302T100000 E;TZID=Europe/Berlin:20260302T130000",
            ),
            (
                "DTSTART:20260302T100000Z\nDURATION:PT1H",
                r#"{"time_zone":"Asia/Tokyo"}"#,
                "S;TZID=Asia/Tokyo:20260302T100000 E;TZID=Asia/Tokyo:20260302T110000",
            ),
            (DAY, r#"{"end":"2026-03-09"}"#, "S;VALUE=DATE:20260302 E;VALUE=DATE:20260309"),
            (
                DAY,
                r#"{"start":"2026-03-02T10:00:00Z","end":"2026-03-02T11:00:00Z"}"#,
                "S:20260302T100000Z E:20260302T110000Z",
            ),
        ] {
            assert_eq!(made(lines, json).map(|a| times(&a)), Ok(expected.to_owned()), "{json}");
        }
    }
}
