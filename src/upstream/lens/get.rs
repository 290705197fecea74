//! From a calendar object to what its item should say.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{Lens, Outgoing, Unfit};
use super::dialect::Dialect;
use super::fields::{OWN_MARK, OWN_UID, own_property};
use super::guests;
use super::held::{Event, Held, is_cancelled, text};
use super::prose;
use super::reminders::Reminders;
use super::said::{Recurs, Said, class_of, same_time, video, visibility_of};
use super::series::{Form, Series, makes_sense};
use super::time::{At, name_of};
use super::view::{Part, View};
use crate::domain::appointment::Status;
use crate::domain::object::CalendarObject;
use crate::domain::sync::Snapshot;
use crate::ics::When;
use crate::ics::rule::Rule;
use crate::ics::zone::Zone;

/// The item that stands for the object. What it says already is left as the provider has it.
pub(in crate::upstream) fn get(
    object: &CalendarObject,
    held: Option<&Snapshot>,
    lens: Lens<'_>,
    dialect: &Dialect,
) -> Result<Outgoing, Unfit> {
    let view = View::of(object, lens.zone, dialect)?;
    let name = dialect.name;
    let held = held.map(Held::of).unwrap_or_default();
    let mut sentences = BTreeSet::new();
    let mut out = Held::default();
    let Some(master) = &view.master else {
        if held.exceptions.is_empty() {
            return Err(Unfit(format!("an instance without its series cannot be created at {name}")));
        }
        for (slot, part) in &view.parts {
            let Some(known) = held.exceptions.get(slot) else { continue };
            let event = match part.said.status {
                Status::Cancelled => json!({ "status": "cancelled" }).as_object().cloned().unwrap_or_default(),
                Status::Confirmed | Status::Tentative => {
                    fields(part, Some(known), None, (lens, dialect), &mut sentences)
                }
            };
            out.exceptions.insert(slot.clone(), event);
        }
        return Ok(outgoing(&out, sentences));
    };
    if master.said.status == Status::Cancelled {
        return Err(Unfit(format!("{name} does not keep a cancelled appointment: it is deleted there")));
    }
    expressible(&view, master, (lens.zone, dialect), &mut sentences)?;

    let recurs = if view.series.is_single() { Recurs::No } else { Recurs::Yes };
    let held_said = held.master.as_ref().and_then(|event| Said::of_json(event, lens.zone));
    let held_series = Series::of_held(&held, lens.zone, dialect);
    let times_stay = held_said.as_ref().is_some_and(|said| same_time(&master.said.start, &said.start, recurs))
        && view.series.same_but_removed(&held_series);

    let mut event = fields(master, held.master.as_ref(), Some(recurs), (lens, dialect), &mut sentences);
    event.insert("visibility".into(), visibility(&view, held.master.as_ref()));
    event.insert("recurrence".into(), recurrence(&view, master, &held, times_stay.then_some(&held_series), dialect));
    event.insert("extendedProperties".into(), json!({ "private": { OWN_UID: object.uid(), OWN_MARK: lens.mark } }));
    out.master = Some(event);

    let before = times_stay.then_some(&held_series);
    let slots: BTreeSet<&String> = view.parts.keys().chain(held.exceptions.keys()).collect();
    for slot in slots {
        let known = held.exceptions.get(slot);
        if let Some(event) = exception(&view, master, slot, known, before, (lens, dialect), &mut sentences) {
            out.exceptions.insert(slot.clone(), event);
        }
    }
    Ok(outgoing(&out, sentences))
}

/// Whether the provider can repeat as the object does.
pub(in crate::upstream) fn repeats(object: &CalendarObject, lens: Lens<'_>, dialect: &Dialect) -> Result<(), Unfit> {
    let view = View::of(object, lens.zone, dialect)?;
    match &view.master {
        Some(master) if master.said.status != Status::Cancelled => {
            expressible(&view, master, (lens.zone, dialect), &mut BTreeSet::new())
        }
        _ => Ok(()),
    }
}

fn outgoing(out: &Held, sentences: BTreeSet<String>) -> Outgoing {
    Outgoing { payload: out.snapshot().0, warnings: sentences.into_iter().collect() }
}

/// What the provider cannot hold, refused or told.
fn expressible(
    view: &View<'_>,
    master: &Part<'_>,
    (calendar_zone, dialect): (&str, &Dialect),
    sentences: &mut BTreeSet<String>,
) -> Result<(), Unfit> {
    let name = dialect.name;
    let all = || view.master.iter().chain(view.parts.values());
    for part in all() {
        let unknown = |when: &When| when.tzid().is_some() && matches!(view.zones.of_value(when), Zone::Floating);
        if unknown(&part.record.start) || unknown(&part.record.end) {
            sentences.insert("a time zone that nobody knows is read as the calendar's own".into());
        }
        let title = part.record.title.as_deref().unwrap_or_default();
        if dialect.title_max.is_some_and(|max| title.encode_utf16().count() > max) {
            sentences.insert(format!("{name} has no room for a title of that length: it is cut there"));
        }
        let left = Reminders::of_alarms(&part.record.reminders, dialect).1;
        if left > 0 {
            sentences.insert(dialect.reminders_left.to_owned());
        }
    }
    if view.series.is_single() {
        return Ok(());
    }
    let zone = view.zones.of_value(&master.record.start);
    if master.record.start.tzid().is_some() && !matches!(zone, Zone::Floating) && name_of(&zone).is_none() {
        return Err(Unfit(format!("the series is in a time zone that {name} does not know")));
    }
    if !view.series.rules.iter().all(|rule| makes_sense(rule, &master.said.start)) {
        return Err(Unfit("the rule it repeats by has no instance, or nobody can read it".into()));
    }
    let form = Form { start: &master.record.start, zones: &view.zones, zone: calendar_zone };
    let start = form.slot(&master.record.start).to_when();
    if start.local() != master.record.start.local() && !start.is_date() {
        // Here it is an hour later on that day alone.
        return Err(Unfit(format!(
            "the series begins at a time that its zone skips on that day, which {name} cannot say"
        )));
    }
    for rule in view.series.rules.iter().chain(&view.series.unless) {
        let Ok(rule) = Rule::parse(rule) else { continue };
        (dialect.canon)(rule, start.local(), start.is_date(), &form.zone()).map_err(|why| Unfit(why.to_owned()))?;
    }
    if !dialect.dates
        && (view.series.rules.len() != 1 || !view.series.unless.is_empty() || !view.series.added.is_empty())
    {
        return Err(Unfit(format!("{name} repeats an appointment by one rule and has no dates beside it")));
    }
    if master.component.properties_named("RDATE").any(|p| p.value().contains('/')) {
        sentences.insert("extra dates with a length of their own take the length of the series".into());
    }
    if all().any(|part| {
        part.component.property("CLASS").map(|p| p.value()) != master.component.property("CLASS").map(|p| p.value())
    }) {
        sentences.insert(format!("{name} has one privacy for a whole series: the strictest is taken"));
    }
    Ok(())
}

/// The privacy of the item: `public` stays where it is, for only a person says that there.
fn visibility(view: &View<'_>, held: Option<&Event>) -> Value {
    match held.map(|event| text(event, "visibility")) {
        Some(held) if class_of(held) == view.class && !held.is_empty() => json!(held),
        _ => json!(visibility_of(view.class)),
    }
}

fn recurrence(view: &View<'_>, master: &Part<'_>, held: &Held, before: Option<&Series>, dialect: &Dialect) -> Value {
    let start = &master.said.start;
    let known = held.master.as_ref().and_then(|event| event.get("recurrence"));
    // A slot that has an exception there is removed and restored by that exception.
    let left_out: BTreeSet<String> = before.map_or_else(BTreeSet::new, |before| {
        let counts = |slot: &String, event: &Event| !is_cancelled(event) || before.removed.contains(slot);
        held.exceptions.iter().filter(|(slot, event)| counts(slot, event)).map(|(slot, _)| slot.clone()).collect()
    });
    let lines = if view.series.is_single() { json!([]) } else { view.series.to_json(start, &left_out) };
    let Some(known) = known.filter(|_| before.is_some()) else { return lines };
    let (mut theirs, ours) =
        (Series::of_lines(Some(known), start, dialect), Series::of_lines(Some(&lines), start, dialect));
    // A line of the event's own about a slot with an exception says nothing, but where the slot is to be restored.
    theirs.removed.retain(|slot| match held.exceptions.get(slot) {
        Some(event) if left_out.contains(slot) => is_cancelled(event) && !view.series.removed.contains(slot),
        Some(_) | None => true,
    });
    if theirs == ours { known.clone() } else { lines }
}

/// What an exception should say; `None`: nothing of its own, or what it says already. `before`: what it repeats by
/// there, where that stays.
fn exception(
    view: &View<'_>,
    master: &Part<'_>,
    key: &str,
    known: Option<&Event>,
    before: Option<&Series>,
    (lens, dialect): (Lens<'_>, &Dialect),
    sentences: &mut BTreeSet<String>,
) -> Option<Event> {
    // What names a slot in another way than the series now begins is gone with its old start.
    let slot = view.slot(key).filter(|slot| slot.is_day() == master.said.start.is_day())?;
    let usual = master.said.in_slot(&slot);
    let removed = view.series.removed.contains(key);
    let mut event = match (view.live(key), known) {
        (Some(part), None) if part.said.same(&usual, Recurs::No) && part.said.guests == usual.guests => return None,
        (Some(part), known) => fields(part, known, None, (lens, dialect), sentences),
        (None, None) => return None,
        (None, Some(known)) if removed => {
            if is_cancelled(known) {
                return None;
            }
            return json!({ "status": "cancelled" }).as_object().cloned();
        }
        (None, Some(known)) => {
            let says = Said::of_json(known, lens.zone).filter(|_| !is_cancelled(known));
            let beyond = match before {
                // Cancelled slots may be kept behind the end of a series.
                Some(before) => is_cancelled(known) && !before.removed.contains(key),
                // New times decide which slots there are; what was changed in one that stays is not always reset by them.
                None => !view.series.has_slot(&master.said.start, key),
            };
            let as_usual =
                |says: &Said| usual.same(says, Recurs::No) && (!lens.attendees_live || usual.guests == says.guests);
            if says.as_ref().is_some_and(as_usual) || beyond {
                return None;
            }
            let part = Part { at: 0, component: master.component, record: master.record.clone(), said: usual };
            fields(&part, Some(known), None, (lens, dialect), sentences)
        }
    };
    event.remove("recurrence");
    Some(event)
}

/// The fields of one event. What it says already is left as the provider has it. `recurs`: it is the item's own event.
fn fields(
    part: &Part<'_>,
    known: Option<&Event>,
    recurs: Option<Recurs>,
    (lens, dialect): (Lens<'_>, &Dialect),
    sentences: &mut BTreeSet<String>,
) -> Event {
    let said = &part.said;
    let known = known.filter(|event| !is_cancelled(event));
    let theirs = known.and_then(|event| Said::of_json(event, lens.zone));
    let raw = |name: &str| known.and_then(|event| event.get(name)).cloned();
    let mut out = Event::new();
    let mut set = |name: &str, same: bool, empty: Value, ours: Value| {
        let value = if same { raw(name).unwrap_or(empty) } else { ours };
        out.insert(name.to_owned(), value);
    };
    let is = |what: &dyn Fn(&Said) -> bool| theirs.as_ref().is_some_and(what);

    set("summary", is(&|t| t.summary == said.summary), json!(""), json!(said.summary));
    set("location", is(&|t| t.location == said.location), json!(""), json!(said.location));
    let listed = if lens.attendees_live { Vec::new() } else { guests::as_text(&part.record.attendees, known) };
    let their_list = known.map(|event| prose::without_guests(&prose::plain(text(event, "description"))).1);
    // A list in an event that is not ours, as in somebody's copy of one of ours, is that person's text.
    let foreign = known.is_some_and(|event| own_property(event, OWN_MARK).is_none());
    let listed = if listed.is_empty() && foreign { their_list.clone().unwrap_or_default() } else { listed };
    let same = is(&|t| t.description == said.description) && their_list.as_ref() == Some(&listed);
    let ours = prose::written(&prose::with_guests(&said.description, &listed));
    // Written over, it would leave a meeting that nobody can join.
    let joins = !same && known.is_some_and(|event| joins_in_description(event, &ours));
    if joins {
        sentences.insert(format!(
            "the description of an online meeting stays as it is at {}: it has the link that people join by",
            dialect.name
        ));
    }
    set("description", same || joins, json!(""), json!(ours));

    let recurs = recurs.unwrap_or(Recurs::No);
    set("start", is(&|t| same_time(&said.start, &t.start, recurs)), Value::Null, said.start.to_json());
    set("end", is(&|t| same_time(&said.end, &t.end, recurs)), Value::Null, said.end.to_json());
    let status = if said.status == Status::Tentative { "tentative" } else { "confirmed" };
    set("status", is(&|t| t.status == said.status), json!("confirmed"), json!(status));
    let transparency = if said.transparent { "transparent" } else { "opaque" };
    set("transparency", is(&|t| t.transparent == said.transparent), json!("opaque"), json!(transparency));
    if dialect.colours {
        set("busy", is(&|t| t.busy == said.busy), json!("busy"), json!(said.busy));
        set("categories", is(&|t| t.categories == said.categories), json!([]), json!(said.categories));
    }
    let same = is(&|t| Reminders::same(&said.reminders, &t.reminders));
    set("reminders", same, json!({ "useDefault": true }), said.reminders.to_json());

    let omitted = known.and_then(|event| event.get("attendeesOmitted")).and_then(Value::as_bool) == Some(true);
    if lens.attendees_live && !omitted {
        if part.record.attendees.iter().any(|attendee| attendee.address.email().is_none()) {
            sentences.insert("attendees without a mail address stay here".into());
        }
        let same = known.is_some_and(|event| guests::same(&said.guests, event));
        set("attendees", same, json!([]), guests::to_json(&part.record.attendees, known));
    }
    out
}

/// Whether the description of an online meeting has its link, as the words of an element, say, and `ours` has not.
fn joins_in_description(event: &Event, ours: &str) -> bool {
    let Some(link) = video(event) else { return false };
    let has = |text: &str| text.contains(link) || text.contains(&link.replace('&', "&amp;"));
    has(text(event, "description")) && !has(ours)
}

/// The slot that an override stands for, in the form of the series.
pub(in crate::upstream) fn date_of(view: &View<'_>, zone: &str, slot: &At) -> Option<When> {
    let start = &view.master.as_ref()?.record.start;
    Some(Form { start, zones: &view.zones, zone }.date(slot))
}
