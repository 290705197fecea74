//! This and all following: one series that became two.
//!
//! Calendar programs change a series from some instance on by cutting it short and beginning a new one there. Taken for a
//! change and a creation, the second half is a stranger: the first half's removal of it looks like a deletion, and undoing
//! one without the other loses appointments. Here the two are recognised as one operation.

use std::collections::BTreeSet;

use crate::domain::object::{CalendarObject, ComponentKind};
use crate::domain::recurrence::{Series, Window};
use crate::domain::time::{DAY_MS, Instant};
use crate::ics::rule::Rule;
use crate::ics::zone::{Zone, Zones};
use crate::ics::{Component, When};

/// A series cut in two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The UID of the half that was cut short.
    pub head: String,
    /// The UID of the half that goes on.
    pub tail: String,
    /// Where the tail takes over: the first instance that the head has no more, by the name it had.
    pub at: Instant,
}

/// How far the tail's first instance may lie from the one that it replaces: whoever changes all following ones often moves
/// them to another hour or day. A week covers every weekday.
const MOVED_MS_MAX: i64 = 7 * DAY_MS;

/// The instances around the boundary are looked at this many times as far as the tail may have moved.
const LOOK_FACTOR: i64 = 3;

/// Whether `new` took over from where `old` was cut short to become `head`. `old` and `head` are the same series before and
/// after; the head must have lost every instance from some point on and none before, and the tail must begin there, go by
/// the same pattern, in the same zone, under the same title or at the very times that the head lost.
#[must_use]
pub fn split(old: &CalendarObject, head: &CalendarObject, new: &CalendarObject) -> Option<Split> {
    let all_events = [old, head, new].iter().all(|object| object.component() == ComponentKind::Event);
    if !all_events || old.uid() != head.uid() || new.uid() == head.uid() {
        return None;
    }
    let [before, shortened, tail] = [half(old)?, half(head)?, half(new)?];
    if before.start != shortened.start || !is_shortened(&before.rule, &shortened.rule) {
        return None;
    }
    let at = boundary(old, head, tail.at)?;
    let lies_near = tail.at.ms().saturating_sub(at.ms()).saturating_abs() <= MOVED_MS_MAX;
    let goes_on = tail.rule.freq == before.rule.freq
        && tail.rule.interval == before.rule.interval
        && tail.zone == before.zone
        && tail.start.is_date() == before.start.is_date();
    let is_same = tail.title == before.title || tail.at == at;
    (lies_near && goes_on && is_same).then(|| Split { head: head.uid().to_owned(), tail: new.uid().to_owned(), at })
}

/// Among new series, the one that took over from a series that was cut short.
#[must_use]
pub fn find<'a>(
    old: &CalendarObject,
    head: &CalendarObject,
    new: impl IntoIterator<Item = &'a CalendarObject>,
) -> Option<Split> {
    let found: Vec<Split> = new.into_iter().filter_map(|tail| split(old, head, tail)).collect();
    // Two that would fit are none: nobody could say which is the tail.
    match found.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// What is compared of a series.
struct Half {
    start: When,
    at: Instant,
    zone: String,
    rule: Rule,
    title: String,
}

/// `None` for what goes by no rule, or by several.
fn half(object: &CalendarObject) -> Option<Half> {
    let zones = Zones::of(object.document().calendar()?);
    let master: &Component = object.master()?;
    let mut rules = master.properties_named("RRULE");
    let (rule, None) = (Rule::parse(rules.next()?.value()).ok()?, rules.next()) else { return None };
    let start = When::of(master.property("DTSTART")?).ok()?;
    let zone = zones.of_value(&start);
    Some(Half {
        at: Instant::from(zone.instant(start.local())),
        zone: zone.iana_name().map(str::to_owned).or_else(|| start.tzid().map(str::to_owned)).unwrap_or_default(),
        start,
        rule,
        title: master.text("SUMMARY").unwrap_or_default(),
    })
}

/// Whether one rule is the other with an earlier end and nothing else changed.
fn is_shortened(old: &Rule, new: &Rule) -> bool {
    let endless = |rule: &Rule| Rule { until: None, count: None, ..rule.clone() };
    let (old_end, new_end) = ((old.until, old.count), (new.until, new.count));
    endless(old) == endless(new) && old_end != new_end && !new.is_endless()
}

/// The first instance that the head lost; `None` where it lost none, or kept one after it. Looked for around where the tail
/// begins: what is far from there is no split.
fn boundary(old: &CalendarObject, head: &CalendarObject, tail: Instant) -> Option<Instant> {
    let reach = MOVED_MS_MAX.saturating_add(DAY_MS).saturating_mul(LOOK_FACTOR);
    let window = Window { from: tail.plus_ms(-reach), to: tail.plus_ms(reach) };
    let named = |object: &CalendarObject| -> BTreeSet<i64> {
        let expansion = Series::of(object).expand(window, &Zone::Utc);
        expansion.instances.iter().map(|i| i.recurrence_id.unwrap_or(i.starts).at.ms()).collect()
    };
    let (old, head) = (named(old), named(head));
    let first = *old.difference(&head).next()?;
    let kept_later = head.range(first..).next().is_some();
    (!kept_later).then(|| Instant::from_ms(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn series(uid: &str, lines: &[&str]) -> CalendarObject {
        let text =
            format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:{uid}\n{}\nEND:VEVENT\nEND:VCALENDAR\n", lines.join("\n"));
        CalendarObject::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("an object")
    }

    const MONDAYS: &str = "DTSTART;TZID=Europe/Berlin:20260105T100000";
    const FOURTH: &str = "DTSTART;TZID=Europe/Berlin:20260126T100000";
    const TITLE: &str = "SUMMARY:team";

    fn old() -> CalendarObject {
        series("a", &[MONDAYS, TITLE, "RRULE:FREQ=WEEKLY;COUNT=10"])
    }

    fn cut(end: &str) -> CalendarObject {
        series("a", &[MONDAYS, TITLE, &format!("RRULE:FREQ=WEEKLY;{end}")])
    }

    fn at(text: &str) -> Instant {
        Instant::from(text.parse::<jiff::Timestamp>().expect("a timestamp"))
    }

    #[test]
    fn class_12_a_series_cut_in_two_is_one_operation() {
        let found = Some(Split { head: "a".into(), tail: "b".into(), at: at("2026-01-26T09:00:00Z") });
        for (head, tail) in [
            ("UNTIL=20260125T225959Z", vec![FOURTH, TITLE, "RRULE:FREQ=WEEKLY;COUNT=7"]),
            ("COUNT=3", vec![FOURTH, TITLE, "RRULE:FREQ=WEEKLY"]),
            ("COUNT=3", vec!["DTSTART;TZID=Europe/Berlin:20260126T150000", TITLE, "RRULE:FREQ=WEEKLY;COUNT=7"]),
            (
                "COUNT=3",
                vec!["DTSTART;TZID=Europe/Berlin:20260128T100000", TITLE, "RRULE:FREQ=WEEKLY;BYDAY=WE;COUNT=7"],
            ),
            ("COUNT=3", vec![FOURTH, "SUMMARY:another name", "RRULE:FREQ=WEEKLY;COUNT=7"]),
            (
                "COUNT=3",
                vec!["DTSTART;TZID=W. Europe Standard Time:20260126T100000", TITLE, "RRULE:FREQ=WEEKLY;COUNT=7"],
            ),
        ] {
            assert_eq!(split(&old(), &cut(head), &series("b", &tail)), found, "{head} {tail:?}");
        }
        let endless = series("a", &[MONDAYS, TITLE, "RRULE:FREQ=WEEKLY"]);
        let tail = series("b", &[FOURTH, TITLE, "RRULE:FREQ=WEEKLY"]);
        assert_eq!(split(&endless, &cut("UNTIL=20260120T000000Z"), &tail), found);
    }

    #[test]
    fn days_are_split_as_times_are() {
        let days = |uid: &str, start: &str, end: &str| {
            series(uid, &[&format!("DTSTART;VALUE=DATE:{start}"), TITLE, &format!("RRULE:FREQ=DAILY{end}")])
        };
        let found =
            split(&days("a", "20260105", ""), &days("a", "20260105", ";UNTIL=20260109"), &days("b", "20260110", ""));
        assert_eq!(found.map(|split| split.at), Some(at("2026-01-10T00:00:00Z")));
    }

    #[test]
    fn what_only_looks_alike_is_no_split() {
        let tail = series("b", &[FOURTH, TITLE, "RRULE:FREQ=WEEKLY;COUNT=7"]);
        assert_eq!(split(&old(), &old(), &tail), None, "nothing was cut");
        assert_eq!(split(&cut("COUNT=3"), &old(), &tail), None, "it was made longer");
        assert_eq!(split(&old(), &cut("COUNT=5"), &tail), None, "the head goes on behind the boundary");
        assert_eq!(
            split(&old(), &cut("COUNT=3"), &series("a", &[FOURTH, TITLE, "RRULE:FREQ=WEEKLY"])),
            None,
            "one UID"
        );
        for (tail, why) in [
            (vec![FOURTH, TITLE], "one appointment"),
            (vec![FOURTH, TITLE, "RRULE:FREQ=DAILY"], "another pattern"),
            (vec![FOURTH, TITLE, "RRULE:FREQ=WEEKLY;INTERVAL=2"], "another interval"),
            (vec!["DTSTART:20260126T090000Z", TITLE, "RRULE:FREQ=WEEKLY"], "another zone"),
            (vec!["DTSTART;VALUE=DATE:20260126", TITLE, "RRULE:FREQ=WEEKLY"], "days"),
            (
                vec!["DTSTART;TZID=Europe/Berlin:20260126T150000", "SUMMARY:x", "RRULE:FREQ=WEEKLY"],
                "another title and time",
            ),
            (vec!["DTSTART;TZID=Europe/Berlin:20260309T100000", TITLE, "RRULE:FREQ=WEEKLY"], "far away"),
        ] {
            assert_eq!(split(&old(), &cut("COUNT=3"), &series("b", &tail)), None, "{why}");
        }
        let moved = series("a", &["DTSTART;TZID=Europe/Berlin:20260105T110000", TITLE, "RRULE:FREQ=WEEKLY;COUNT=3"]);
        assert_eq!(split(&old(), &moved, &tail), None, "the head was moved as well");
    }

    #[test]
    fn of_two_that_fit_neither_is_taken() {
        let tails = ["b", "c"].map(|uid| series(uid, &[FOURTH, TITLE, "RRULE:FREQ=WEEKLY;COUNT=7"]));
        let other = series("d", &[MONDAYS, "SUMMARY:other", "RRULE:FREQ=DAILY"]);
        let [first, second] = &tails;
        assert_eq!(find(&old(), &cut("COUNT=3"), [first, &other]).map(|split| split.tail).as_deref(), Some("b"));
        assert_eq!(find(&old(), &cut("COUNT=3"), [first, second]), None);
        assert_eq!(find(&old(), &cut("COUNT=3"), []), None);
    }
}
