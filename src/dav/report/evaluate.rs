//! Holds a calendar object against a [`Filter`]: RFC 4791 §9.7 to §9.9, in memory.
//!
//! Job: say whether the object is found. Neighbours: `filter` has the question, [`crate::domain::timerange`] the answers
//! about time. It must never know where objects come from.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::{BitAnd, BitOr};

use super::filter::{CompFilter, CompTest, Filter, ParamFilter, ParamTest, PropFilter, PropTest, ValueTest};
use crate::domain::object::CalendarObject;
use crate::domain::recurrence::Window;
use crate::domain::time::Instant;
use crate::domain::timerange::{self, Overlapping, Ringing};
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, Duration, Property, When, text};

/// Whether an object is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Found,
    /// It is not.
    Not,
    /// Its rule could not be followed far enough within the budget: it may be.
    Unsettled,
}

impl From<bool> for Verdict {
    fn from(found: bool) -> Verdict {
        if found { Verdict::Found } else { Verdict::Not }
    }
}

impl BitAnd for Verdict {
    type Output = Verdict;
    fn bitand(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Not, _) | (_, Verdict::Not) => Verdict::Not,
            (Verdict::Found, Verdict::Found) => Verdict::Found,
            (Verdict::Unsettled, _) | (_, Verdict::Unsettled) => Verdict::Unsettled,
        }
    }
}

impl BitOr for Verdict {
    type Output = Verdict;
    fn bitor(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Found, _) | (_, Verdict::Found) => Verdict::Found,
            (Verdict::Not, Verdict::Not) => Verdict::Not,
            (Verdict::Unsettled, _) | (_, Verdict::Unsettled) => Verdict::Unsettled,
        }
    }
}

/// Whether the filter finds the object. Floating and all-day times are in the reader's zone.
#[must_use]
pub fn evaluate(filter: &Filter, object: &CalendarObject, reader: &Zone) -> Verdict {
    let Some(calendar) = object.document().calendar() else { return Verdict::Not };
    let zones = Zones::of(calendar);
    let evaluation = Evaluation { object, reader, zones, overlapping: RefCell::default(), ringing: RefCell::default() };
    match &filter.calendar.test {
        CompTest::NotDefined => Verdict::Not,
        CompTest::Has { .. } => evaluation.has(&filter.calendar, calendar, &Place::Calendar),
    }
}

/// Where the walk over the components stands.
enum Place<'c> {
    /// At VCALENDAR.
    Calendar,
    /// At a component directly in it.
    Top(&'c Component),
    /// Below.
    Deeper,
}

struct Evaluation<'o> {
    object: &'o CalendarObject,
    reader: &'o Zone,
    zones: Zones<'o>,
    /// What was worked out already, by window.
    overlapping: RefCell<Vec<(Window, Overlapping)>>,
    ringing: RefCell<Vec<(Window, Ringing)>>,
}

impl<'o> Evaluation<'o> {
    /// Whether one component satisfies everything a comp-filter asks of it.
    fn has(&self, filter: &CompFilter, component: &'o Component, place: &Place<'o>) -> Verdict {
        let CompTest::Has { props, comps, .. } = &filter.test else { return Verdict::Not };
        let mut verdict = Verdict::Found;
        for prop in props {
            verdict = verdict & Verdict::from(self.prop(prop, component));
        }
        for comp in comps {
            if verdict == Verdict::Not {
                break;
            }
            verdict = verdict & self.inside(comp, component, place);
        }
        verdict
    }

    /// Whether a component holds one that satisfies a comp-filter.
    fn inside(&self, filter: &CompFilter, parent: &'o Component, place: &Place<'o>) -> Verdict {
        let mut named = parent.components().filter(|c| c.is(&filter.name)).enumerate();
        let CompTest::Has { time_range, .. } = &filter.test else { return named.next().is_none().into() };
        let mut verdict = Verdict::Not;
        for (number, component) in named {
            let below = match place {
                Place::Calendar => Place::Top(component),
                Place::Top(_) | Place::Deeper => Place::Deeper,
            };
            let in_time = match (time_range, place) {
                (None, _) => Verdict::Found,
                (Some(window), Place::Calendar) => self.overlaps(component, *window),
                (Some(window), Place::Top(parent)) => self.rings(parent, number, *window),
                (Some(_), Place::Deeper) => Verdict::Not,
            };
            if in_time != Verdict::Not {
                verdict = verdict | (in_time & self.has(filter, component, &below));
            }
            if verdict == Verdict::Found {
                break;
            }
        }
        verdict
    }

    fn overlaps(&self, component: &Component, window: Window) -> Verdict {
        let mut known = self.overlapping.borrow_mut();
        let found = remembered(&mut known, window, || timerange::overlapping(self.object, window, self.reader));
        match self.position(component) {
            Some(index) if found.components.contains(&index) => Verdict::Found,
            Some(_) if found.truncated => Verdict::Unsettled,
            Some(_) | None => Verdict::Not,
        }
    }

    fn rings(&self, parent: &Component, number: usize, window: Window) -> Verdict {
        let mut known = self.ringing.borrow_mut();
        let found = remembered(&mut known, window, || timerange::ringing(self.object, window, self.reader));
        match self.position(parent) {
            Some(index) if found.alarms.contains(&(index, number)) => Verdict::Found,
            Some(_) if found.truncated => Verdict::Unsettled,
            Some(_) | None => Verdict::Not,
        }
    }

    fn position(&self, component: &Component) -> Option<usize> {
        self.object.components().position(|own| std::ptr::eq(own, component))
    }

    fn prop(&self, filter: &PropFilter, component: &Component) -> bool {
        let mut named = component.properties_named(&filter.name);
        match &filter.test {
            PropTest::NotDefined => named.next().is_none(),
            PropTest::Has { value: ValueTest::Time(window), params } => {
                let times = named.filter(|p| has_params(params, p)).filter_map(|p| self.instant(p));
                let mut times =
                    times.chain(params.is_empty().then(|| self.effective(&filter.name, component)).flatten());
                times.any(|at| window.from <= at && at < window.to)
            }
            PropTest::Has { value: ValueTest::Text(text), params } => {
                named.any(|p| text.matches(texts_of(p)) && has_params(params, p))
            }
            PropTest::Has { value: ValueTest::Any, params } => named.any(|p| has_params(params, p)),
        }
    }

    fn instant(&self, property: &Property) -> Option<Instant> {
        let when = When::of(property).ok()?;
        Some(self.zones.of_value(&when).or(self.reader).instant(when.local()).into())
    }

    /// The end that DURATION implies where DTEND or DUE is asked for and not written.
    fn effective(&self, name: &str, component: &Component) -> Option<Instant> {
        let implied = (name == "DTEND" && component.is("VEVENT")) || (name == "DUE" && component.is("VTODO"));
        if !implied || component.property(name).is_some() {
            return None;
        }
        let when = When::of(component.property("DTSTART")?).ok()?;
        let duration = Duration::parse(component.property("DURATION")?.value()).ok()?;
        let zone = self.zones.of_value(&when);
        let days = jiff::SignedDuration::from_secs(duration.days.saturating_mul(86_400));
        let day = zone.or(self.reader).instant(when.local().saturating_add(days));
        Some(Instant::from(day).plus_ms(duration.seconds.saturating_mul(1000)))
    }
}

/// What was worked out for a window before, or is now.
fn remembered<T>(known: &mut Vec<(Window, T)>, window: Window, work_out: impl FnOnce() -> T) -> &T {
    let at = known.iter().position(|(of, _)| *of == window).unwrap_or_else(|| {
        known.push((window, work_out()));
        known.len() - 1
    });
    &known[at].1
}

/// The texts of a value that a text-match may look at: all of it, and for lists each item.
fn texts_of(property: &Property) -> Vec<Cow<'_, str>> {
    let mut texts = vec![property.to_text()];
    if property.is("CATEGORIES") || property.is("RESOURCES") {
        texts.extend(text::list(property.value()));
    }
    texts
}

fn has_params(filters: &[ParamFilter], property: &Property) -> bool {
    filters.iter().all(|filter| {
        let mut named = property.params().filter(|p| p.is(&filter.name));
        match &filter.test {
            ParamTest::NotDefined => named.next().is_none(),
            ParamTest::Has(None) => named.next().is_some(),
            ParamTest::Has(Some(text)) => named.any(|p| text.matches(p.values())),
        }
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::xml::Document;

    fn object(lines: &str) -> CalendarObject {
        let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{lines}\nEND:VCALENDAR\n").replace('\n', "\r\n");
        CalendarObject::from_stored(Bytes::from(text)).expect("a calendar object")
    }

    fn event(lines: &str) -> CalendarObject {
        object(&format!("BEGIN:VEVENT\nUID:u\n{lines}\nEND:VEVENT"))
    }

    fn verdict_in(zone: &str, object: &CalendarObject, inside: &str) -> Verdict {
        let body = format!(
            "<filter xmlns='urn:ietf:params:xml:ns:caldav'><comp-filter name='VCALENDAR'>{inside}</comp-filter></filter>"
        );
        let document = Document::parse(body.as_bytes(), 100_000).expect("well-formed");
        let filter = Filter::parse(document.root()).unwrap_or_else(|error| panic!("{error}: {inside}"));
        evaluate(&filter, object, &Zone::named(zone).expect("a zone"))
    }

    fn finds(object: &CalendarObject, inside: &str) -> bool {
        match verdict_in("UTC", object, inside) {
            Verdict::Found => true,
            Verdict::Not => false,
            Verdict::Unsettled => panic!("unsettled: {inside}"),
        }
    }

    fn comp(name: &str, inside: &str) -> String {
        format!("<comp-filter name='{name}'>{inside}</comp-filter>")
    }

    fn prop(name: &str, inside: &str) -> String {
        comp("VEVENT", &format!("<prop-filter name='{name}'>{inside}</prop-filter>"))
    }

    fn range(from: &str, to: &str) -> String {
        format!("<time-range start='{from}' end='{to}'/>")
    }

    const MEETING: &str = "DTSTART:20260105T100000Z\nDTEND:20260105T110000Z\nSUMMARY:Budget\\, late\n\
        CATEGORIES:Work,Finance\nATTENDEE;PARTSTAT=ACCEPTED;CN=\"Ada L.\":mailto:ada@example.com\n\
        ATTENDEE;PARTSTAT=DECLINED;MEMBER=\"mailto:a@example.com\",\"mailto:b@example.com\":mailto:bob@example.com\n\
        BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT15M\nEND:VALARM";

    #[test]
    fn components_are_defined_or_not() {
        let meeting = event(MEETING);
        for (filter, expected) in [
            (String::new(), true),
            (comp("VEVENT", ""), true),
            (comp("vevent", ""), true),
            (comp("VTODO", ""), false),
            (comp("VTODO", "<is-not-defined/>"), true),
            (comp("VEVENT", "<is-not-defined/>"), false),
            (comp("VTIMEZONE", ""), false),
            (comp("VTIMEZONE", "<is-not-defined/>"), true),
            (comp("VEVENT", &comp("VALARM", "")), true),
            (comp("VEVENT", &comp("VALARM", "<is-not-defined/>")), false),
            (comp("VEVENT", &comp("VLOCATION", "<is-not-defined/>")), true),
            (comp("VEVENT", "") + &comp("VTODO", "<is-not-defined/>"), true),
            (comp("VEVENT", "") + &comp("VTODO", ""), false),
            ("<prop-filter name='METHOD'><is-not-defined/></prop-filter>".into(), true),
            ("<prop-filter name='PRODID'><text-match>x</text-match></prop-filter>".into(), true),
            ("<is-not-defined/>".into(), false),
        ] {
            assert_eq!(finds(&meeting, &filter), expected, "{filter}");
        }
        let zoned = object("BEGIN:VTIMEZONE\nTZID:Mine\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:u\nEND:VEVENT");
        let zone = comp("VTIMEZONE", "<prop-filter name='TZID'><text-match>mine</text-match></prop-filter>");
        assert!(finds(&zoned, &zone) && !finds(&zoned, &comp("VTIMEZONE", &comp("DAYLIGHT", ""))));
    }

    #[test]
    fn properties_are_defined_or_match() {
        let meeting = event(MEETING);
        let text = |attributes: &str, wanted: &str| format!("<text-match {attributes}>{wanted}</text-match>");
        for (filter, expected) in [
            (prop("SUMMARY", ""), true),
            (prop("summary", ""), true),
            (prop("LOCATION", ""), false),
            (prop("LOCATION", "<is-not-defined/>"), true),
            (prop("SUMMARY", "<is-not-defined/>"), false),
            (prop("SUMMARY", &text("", "BUDGET, L")), true),
            (prop("SUMMARY", &text("collation='i;octet'", "BUDGET")), false),
            (prop("SUMMARY", &text("collation='i;unicode-casemap'", "BUDGET")), true),
            (prop("SUMMARY", &text("match-type='equals'", "budget, late")), true),
            (prop("SUMMARY", &text("match-type='equals'", "budget")), false),
            (prop("CATEGORIES", &text("match-type='equals'", "finance")), true),
            (prop("CATEGORIES", &text("match-type='equals' negate-condition='yes'", "finance")), false),
            (prop("SUMMARY", &text("negate-condition='yes'", "budget")), false),
            (prop("SUMMARY", &text("negate-condition='yes'", "holiday")), true),
            (prop("LOCATION", &text("negate-condition='yes'", "holiday")), false),
            (prop("ATTENDEE", &text("", "bob")), true),
            (prop("ATTENDEE", &text("negate-condition='yes'", "bob")), true),
        ] {
            assert_eq!(finds(&meeting, &filter), expected, "{filter}");
        }
    }

    #[test]
    fn parameters_are_asked_of_the_property_that_matches() {
        let meeting = event(MEETING);
        let attendee = |text: &str, param: &str| {
            prop("ATTENDEE", &format!("<text-match>{text}</text-match><param-filter name='{param}</param-filter>"))
        };
        for (filter, expected) in [
            (attendee("ada", "PARTSTAT'><text-match>accepted</text-match>"), true),
            (attendee("bob", "PARTSTAT'><text-match>accepted</text-match>"), false),
            (attendee("ada", "CN'>"), true),
            (attendee("bob", "CN'>"), false),
            (attendee("bob", "CN'><is-not-defined/>"), true),
            (attendee("ada", "cn'><text-match>ada l.</text-match>"), true),
            (attendee("bob", "MEMBER'><text-match match-type='equals'>mailto:b@example.com</text-match>"), true),
        ] {
            assert_eq!(finds(&meeting, &filter), expected, "{filter}");
        }
    }

    #[test]
    fn a_component_satisfies_everything_by_itself() {
        let series = object(
            "BEGIN:VEVENT\nUID:u\nDTSTART:20260105T100000Z\nDTEND:20260105T110000Z\nRRULE:FREQ=DAILY;COUNT=3\n\
             SUMMARY:plain\nEND:VEVENT\nBEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20260106T100000Z\nDTSTART:20260106T150000Z\n\
             DTEND:20260106T160000Z\nSUMMARY:moved\nEND:VEVENT",
        );
        let query = |summary: &str, from: &str, to: &str| {
            let name = format!("<prop-filter name='SUMMARY'><text-match>{summary}</text-match></prop-filter>");
            finds(&series, &comp("VEVENT", &(range(from, to) + &name)))
        };
        assert!(query("moved", "20260106T150000Z", "20260106T153000Z"));
        assert!(!query("plain", "20260106T100000Z", "20260106T160000Z"));
        assert!(query("plain", "20260107T100000Z", "20260107T103000Z"));
        assert!(!query("moved", "20260107T100000Z", "20260107T103000Z"));
    }

    #[test]
    fn times_of_properties_begin_inside() {
        let todo = object(
            "BEGIN:VTODO\nUID:u\nDTSTAMP:20260101T000000Z\nDTSTART:20260105T100000Z\nDURATION:P1DT1H\n\
             COMPLETED:20260107T100000Z\nEND:VTODO",
        );
        let query = |name: &str, from: &str, to: &str| {
            finds(&todo, &comp("VTODO", &format!("<prop-filter name='{name}'>{}</prop-filter>", range(from, to))))
        };
        assert!(query("COMPLETED", "20260107T100000Z", "20260107T100001Z"));
        assert!(!query("COMPLETED", "20260107T090000Z", "20260107T100000Z"));
        assert!(query("DUE", "20260106T110000Z", "20260106T110001Z"), "the due date that DURATION implies");
        assert!(!query("DTEND", "20260106T110000Z", "20260106T110001Z"));
        assert!(!query("CREATED", "20260101T000000Z", "20270101T000000Z"));
    }

    #[test]
    fn alarms_ring_for_every_instance_and_again() {
        let series = event(
            "DTSTART;TZID=Europe/Berlin:20260105T100000\nDTEND;TZID=Europe/Berlin:20260105T110000\n\
             RRULE:FREQ=WEEKLY\nBEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT15M\nREPEAT:2\nDURATION:PT5M\nEND:VALARM",
        );
        let alarm = |from: &str, to: &str| finds(&series, &comp("VEVENT", &comp("VALARM", &range(from, to))));
        assert!(alarm("20260706T074500Z", "20260706T074501Z"));
        assert!(alarm("20260706T075500Z", "20260706T075501Z"));
        assert!(!alarm("20260706T075501Z", "20260706T080000Z"));
    }

    #[test]
    fn floating_times_are_the_readers() {
        let floating = event("DTSTART:20260105T100000\nDTEND:20260105T110000");
        let day = event("DTSTART;VALUE=DATE:20260105");
        let at = |zone: &str, object: &CalendarObject, from: &str, to: &str| {
            verdict_in(zone, object, &comp("VEVENT", &range(from, to))) == Verdict::Found
        };
        assert!(at("UTC", &floating, "20260105T100000Z", "20260105T101500Z"));
        assert!(!at("America/New_York", &floating, "20260105T100000Z", "20260105T101500Z"));
        assert!(at("America/New_York", &floating, "20260105T150000Z", "20260105T151500Z"));
        assert!(at("Asia/Tokyo", &day, "20260104T150000Z", "20260104T150001Z"));
        assert!(!at("UTC", &day, "20260104T150000Z", "20260104T150001Z"));
    }

    #[test]
    fn a_rule_that_takes_too_long_is_not_settled() {
        let hostile = event("DTSTART:20000101T000000Z\nRRULE:FREQ=MINUTELY;COUNT=99999999;BYHOUR=1");
        let query = comp("VEVENT", &range("20300101T000000Z", "20300102T000000Z"));
        assert_eq!(verdict_in("UTC", &hostile, &query), Verdict::Unsettled);
        let other =
            comp("VEVENT", &format!("{}<prop-filter name='LOCATION'/>", range("20300101T000000Z", "20300102T000000Z")));
        assert_eq!(verdict_in("UTC", &hostile, &other), Verdict::Not, "settled by what else is asked");
    }

    #[test]
    fn verdicts_combine_like_truth_with_a_doubt() {
        use Verdict::{Found, Not, Unsettled};
        for (a, b, and, or) in [
            (Found, Not, Not, Found),
            (Found, Unsettled, Unsettled, Found),
            (Not, Unsettled, Not, Unsettled),
            (Unsettled, Unsettled, Unsettled, Unsettled),
        ] {
            assert_eq!((a & b, b & a, a | b, b | a), (and, and, or, or));
        }
    }
}
