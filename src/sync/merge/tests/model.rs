//! Appointments as a handful of words: made by chance, edited, written as calendar objects and read back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use bytes::Bytes;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, date};
use proptest::prelude::*;

use crate::domain::object::CalendarObject;
use crate::ics::{CalAddress, Component, When, text};

/// A weekly series with some instances of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// When it starts, in hours of the first day, and how many weeks it goes on.
    pub hour: u8,
    pub weeks: u8,
    /// Weeks that are left out.
    pub without: BTreeSet<u8>,
    pub master: Part,
    /// By the week.
    pub own: BTreeMap<u8, Part>,
}

/// What one component says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// An hour of its own day; `None`: as the series has it.
    pub moved: Option<u8>,
    pub title: u8,
    pub notes: [u8; 3],
    pub cancelled: bool,
    pub categories: BTreeSet<u8>,
    /// Name and answer.
    pub attendees: BTreeMap<u8, (u8, u8)>,
    /// Text by minutes.
    pub alarms: BTreeMap<u8, u8>,
    /// Properties that nobody knows.
    pub others: BTreeMap<u8, u8>,
    /// Of a series: when it is, in one word.
    pub time: Option<String>,
}

/// How an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Own,
    Plain,
    Gone,
}

const ANSWERS: [&str; 3] = ["NEEDS-ACTION", "ACCEPTED", "DECLINED"];
/// A Monday three weeks before the clocks change.
const FIRST: Date = date(2026, 3, 9);

/// How many cases a property is tried with: few by default, as many as KALENDS_CASES says by night.
pub(super) fn cases() -> u32 {
    std::env::var("KALENDS_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256)
}

impl Part {
    /// Everything by name.
    pub fn words(&self) -> BTreeMap<String, String> {
        let mut words = BTreeMap::new();
        let mut put = |name: String, word: String| words.insert(name, word);
        let place = self.moved.map_or("in place".to_owned(), |hour| format!("at {hour}"));
        put("time".into(), self.time.clone().unwrap_or(place));
        if self.title > 0 {
            put("title".into(), self.title.to_string());
        }
        put("notes".into(), notes(&self.notes));
        if self.cancelled {
            put("status".into(), "CANCELLED".into());
        }
        for category in &self.categories {
            put(format!("category:C{category}"), "yes".into());
        }
        for (who, (name, answer)) in &self.attendees {
            put(format!("attendee:mailto:p{who}@x.org"), name.to_string());
            put(format!("participation:mailto:p{who}@x.org"), answer.to_string());
        }
        for (minutes, says) in &self.alarms {
            put(format!("reminder:-PT{minutes}M DISPLAY"), says.to_string());
        }
        for (name, says) in &self.others {
            put(format!("X-N{name}"), says.to_string());
        }
        words
    }
}

fn notes(lines: &[u8; 3]) -> String {
    format!("{}\\n--\\n{}\\n==\\n{}", lines[0], lines[1], lines[2])
}

impl Model {
    pub fn kind(&self, week: u8) -> Kind {
        match () {
            () if self.own.contains_key(&week) => Kind::Own,
            () if week >= self.weeks || self.without.contains(&week) => Kind::Gone,
            () => Kind::Plain,
        }
    }

    /// What an instance says: of its own, or with its series.
    pub fn says(&self, week: u8) -> Part {
        self.own.get(&week).cloned().unwrap_or_else(|| self.master.clone())
    }

    /// The series, its time in one word; weeks in `apart` are not its own to leave out.
    pub fn series(&self, apart: &BTreeSet<u8>) -> Part {
        let without: Vec<&u8> = self.without.difference(apart).collect();
        Part { time: Some(format!("{} {} {without:?}", self.hour, self.weeks)), ..self.master.clone() }
    }

    /// As a provider without reminders and unknown properties has it, put onto `base`.
    pub fn poor(&self, base: &Model) -> Model {
        let mut poor = self.clone();
        poor.master.alarms.clone_from(&base.master.alarms);
        poor.master.others.clone_from(&base.master.others);
        poor
    }
}

/// One change of one thing.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Title(Option<u8>, u8),
    Notes(Option<u8>, usize, u8),
    Cancel(Option<u8>),
    Category(Option<u8>, u8),
    Attendee(Option<u8>, u8, u8),
    Answer(Option<u8>, u8, u8),
    Alarm(Option<u8>, u8, u8),
    Other(Option<u8>, u8, u8),
    Hour(u8),
    Weeks(u8),
    LeaveOut(u8),
    PutBack(u8),
    MoveOne(u8, u8),
    Restore(u8),
}

pub(super) fn edit() -> impl Strategy<Value = Edit> {
    let target = || prop::option::of(0_u8..6);
    prop_oneof![
        (target(), 0_u8..4).prop_map(|(t, v)| Edit::Title(t, v)),
        (target(), 0_usize..3, 0_u8..4).prop_map(|(t, at, v)| Edit::Notes(t, at, v)),
        target().prop_map(Edit::Cancel),
        (target(), 0_u8..4).prop_map(|(t, v)| Edit::Category(t, v)),
        (target(), 0_u8..4, 0_u8..3).prop_map(|(t, who, v)| Edit::Attendee(t, who, v)),
        (target(), 0_u8..4, 0_u8..3).prop_map(|(t, who, v)| Edit::Answer(t, who, v)),
        (target(), 1_u8..4, 0_u8..3).prop_map(|(t, at, v)| Edit::Alarm(t, at, v)),
        (target(), 0_u8..4, 0_u8..3).prop_map(|(t, at, v)| Edit::Other(t, at, v)),
        (8_u8..18).prop_map(Edit::Hour),
        (3_u8..7).prop_map(Edit::Weeks),
        (0_u8..6).prop_map(Edit::LeaveOut),
        (0_u8..6).prop_map(Edit::PutBack),
        (0_u8..6, 8_u8..18).prop_map(|(week, hour)| Edit::MoveOne(week, hour)),
        (0_u8..6).prop_map(Edit::Restore),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    (
        0_u8..3,
        prop::array::uniform3(0_u8..3),
        prop::collection::btree_set(0_u8..4, 0..3),
        prop::collection::btree_map(0_u8..4, (0_u8..3, 0_u8..3), 0..3),
        prop::collection::btree_map(1_u8..4, 0_u8..3, 0..3),
        prop::collection::btree_map(0_u8..4, 0_u8..3, 0..3),
    )
        .prop_map(|(title, notes, categories, attendees, alarms, others)| Part {
            moved: None,
            title,
            notes,
            cancelled: false,
            categories,
            attendees,
            alarms,
            others,
            time: None,
        })
}

pub(super) fn model() -> impl Strategy<Value = Model> {
    let edits = prop::collection::vec(edit(), 0..5);
    (8_u8..18, 3_u8..7, part(), edits).prop_map(|(hour, weeks, master, edits)| {
        let model = Model { hour, weeks, without: BTreeSet::new(), master, own: BTreeMap::new() };
        edited(&model, &edits)
    })
}

/// The appointment after some edits. What concerns an instance that is not there does nothing.
pub(super) fn edited(model: &Model, edits: &[Edit]) -> Model {
    let mut model = model.clone();
    for edit in edits {
        apply(&mut model, edit);
    }
    // Whoever cuts a series off takes what lay behind along, as clients do.
    let weeks = model.weeks;
    model.own.retain(|week, _| *week < weeks);
    model.without.retain(|week| *week < weeks);
    // An instance at the hour of its series is in place; calendar objects cannot tell.
    let hour = model.hour;
    for part in model.own.values_mut() {
        part.moved = part.moved.filter(|moved| *moved != hour);
    }
    model
}

fn apply(model: &mut Model, edit: &Edit) {
    let toggle = |set: &mut BTreeMap<u8, u8>, at: u8, value: u8| match set.get(&at) == Some(&value) {
        true => set.remove(&at),
        false => set.insert(at, value),
    };
    match *edit {
        Edit::Hour(hour) => model.hour = hour,
        Edit::Weeks(weeks) => model.weeks = weeks,
        Edit::LeaveOut(week) => {
            if model.kind(week) != Kind::Gone {
                model.own.remove(&week);
                model.without.insert(week);
            }
        }
        Edit::PutBack(week) => {
            model.without.remove(&week);
        }
        Edit::Restore(week) => {
            model.own.remove(&week);
        }
        Edit::MoveOne(week, hour) => with(model, Some(week), |part| part.moved = Some(hour)),
        Edit::Title(target, title) => with(model, target, |part| part.title = title),
        Edit::Notes(target, at, line) => with(model, target, |part| part.notes[at] = line),
        Edit::Cancel(target) => with(model, target, |part| part.cancelled = !part.cancelled),
        Edit::Category(target, which) => with(model, target, |part| {
            if !part.categories.remove(&which) {
                part.categories.insert(which);
            }
        }),
        Edit::Attendee(target, who, name) => with(model, target, |part| {
            if part.attendees.get(&who).is_some_and(|(old, _)| *old == name) {
                part.attendees.remove(&who);
            } else {
                part.attendees.entry(who).or_insert((0, 0)).0 = name;
            }
        }),
        Edit::Answer(target, who, answer) => with(model, target, |part| {
            part.attendees.entry(who).and_modify(|(_, old)| *old = answer);
        }),
        Edit::Alarm(target, minutes, says) => with(model, target, |part| {
            toggle(&mut part.alarms, minutes, says);
        }),
        Edit::Other(target, name, says) => with(model, target, |part| {
            toggle(&mut part.others, name, says);
        }),
    }
}

fn with(model: &mut Model, target: Option<u8>, change: impl FnOnce(&mut Part)) {
    match target {
        None => change(&mut model.master),
        Some(week) if model.kind(week) == Kind::Gone => {}
        Some(week) => {
            let series = model.master.clone();
            change(model.own.entry(week).or_insert(series));
        }
    }
}

fn at(week: u8, hour: u8) -> DateTime {
    FIRST.checked_add(i64::from(week).weeks()).expect("a day").at(i8::try_from(hour).expect("an hour"), 0, 0, 0)
}

fn zoned(name: &str, local: DateTime) -> String {
    let when = When::Zoned { local, tzid: "Europe/Berlin".to_owned() };
    when.to_property(name).unfolded().to_owned()
}

/// The week of an instance as fields name it.
pub(super) fn week_of(name: &str) -> u8 {
    let day: Date = name.get(..10).and_then(|day| day.parse().ok()).expect("a day");
    u8::try_from(day.since(FIRST).expect("days").get_days() / 7).expect("a week")
}

/// The appointment as a calendar object.
pub(super) fn rendered(model: &Model) -> CalendarObject {
    let mut text = String::from("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n");
    let mut master = vec![format!("RRULE:FREQ=WEEKLY;COUNT={}", model.weeks)];
    master.extend(model.without.iter().map(|week| zoned("EXDATE", at(*week, model.hour))));
    event(&mut text, at(0, model.hour), &master, &model.master);
    for (week, part) in &model.own {
        let id = zoned("RECURRENCE-ID", at(*week, model.hour));
        event(&mut text, at(*week, part.moved.unwrap_or(model.hour)), &[id], part);
    }
    CalendarObject::parse(Bytes::from(format!("{text}END:VCALENDAR\n").replace('\n', "\r\n"))).expect("an object")
}

fn event(text: &mut String, start: DateTime, more: &[String], part: &Part) {
    let end = start.checked_add(1.hour()).expect("an end");
    let mut line = |line: &str| writeln!(text, "{line}").expect("text");
    line("BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z");
    line(&zoned("DTSTART", start));
    line(&zoned("DTEND", end));
    more.iter().for_each(|more| line(more));
    if part.title > 0 {
        line(&format!("SUMMARY:{}", part.title));
    }
    line(&format!("DESCRIPTION:{}", notes(&part.notes)));
    if part.cancelled {
        line("STATUS:CANCELLED");
    }
    if !part.categories.is_empty() {
        let list: Vec<String> = part.categories.iter().map(|c| format!("C{c}")).collect();
        line(&format!("CATEGORIES:{}", list.join(",")));
    }
    for (who, (name, answer)) in &part.attendees {
        line(&format!("ATTENDEE;CN=N{name};PARTSTAT={}:mailto:p{who}@x.org", ANSWERS[usize::from(*answer)]));
    }
    for (name, says) in &part.others {
        line(&format!("X-N{name};X-P=\"a;b\":folded \n  {says}"));
    }
    for (minutes, says) in &part.alarms {
        line(&format!("BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT{minutes}M\nDESCRIPTION:{says}\nEND:VALARM"));
    }
    line("END:VEVENT");
}

/// The appointment that a calendar object is.
pub(super) fn read(object: &CalendarObject) -> Model {
    let master = object.master().expect("a master");
    let local = |c: &Component, name: &str| When::of(c.property(name).expect("a time")).expect("a time").local();
    let start = local(master, "DTSTART");
    let week = |day: DateTime| u8::try_from(day.date().since(FIRST).expect("days").get_days() / 7).expect("a week");
    let hour = |at: DateTime| u8::try_from(at.hour()).expect("an hour");
    let weeks = master.property("RRULE").and_then(|p| p.value().rsplit_once('=')?.1.parse().ok()).expect("a rule");
    let without = master.properties_named("EXDATE").flat_map(|p| When::list_of(p).expect("dates"));
    let mut model = Model {
        hour: hour(start),
        weeks,
        without: without.map(|when| week(when.local())).collect(),
        master: part(master),
        own: BTreeMap::new(),
    };
    return {
        for own in object.overrides() {
            let (id, start) = (local(own, "RECURRENCE-ID"), local(own, "DTSTART"));
            assert_eq!(hour(id), model.hour, "an override is named by the time of its series");
            let moved = (start != id).then(|| hour(start));
            assert!(model.own.insert(week(id), Part { moved, ..part(own) }).is_none(), "one override for one instance");
        }
        model
    };

    fn part(component: &Component) -> Part {
        let number =
            |text: &str| text.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u8>().expect("a number");
        let mut part = Part { title: component.text("SUMMARY").map_or(0, |t| number(&t)), ..Part::default() };
        let notes = component.text("DESCRIPTION").expect("notes");
        for (at, line) in notes.split('\n').step_by(2).enumerate() {
            part.notes[at] = number(line);
        }
        part.cancelled = component.text("STATUS").is_some_and(|s| s == "CANCELLED");
        let categories = component.properties_named("CATEGORIES");
        part.categories =
            categories.flat_map(|p| text::list(p.value()).map(|c| number(&c)).collect::<Vec<_>>()).collect();
        for line in component.properties_named("ATTENDEE") {
            let address = CalAddress::new(line.value());
            let who = number(address.email().expect("an address").trim_end_matches("@x.org"));
            let answer = line.param("PARTSTAT").expect("an answer");
            let answer = ANSWERS.iter().position(|a| *a == answer).expect("an answer");
            let name = number(&line.param("CN").expect("a name"));
            let is_new = part.attendees.insert(who, (name, u8::try_from(answer).expect("small"))).is_none();
            assert!(is_new, "one line for one attendee");
        }
        for alarm in component.components_named("VALARM") {
            let minutes = number(alarm.property("TRIGGER").expect("a trigger").value().trim_end_matches('M'));
            let says = number(&alarm.text("DESCRIPTION").expect("a text"));
            assert!(part.alarms.insert(minutes, says).is_none(), "one alarm for one trigger");
        }
        for line in component.properties().filter(|p| p.name().starts_with("X-N")) {
            assert!(part.others.insert(number(line.name()), number(line.value())).is_none(), "one line of a name");
        }
        part
    }
}
