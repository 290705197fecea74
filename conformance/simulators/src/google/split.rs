//! "This and following", moving to another calendar, and bringing a series back: what touches several events at once.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{
    draft::Allowed,
    find::Place,
    moment::{DAY_MS, Moment, instant},
    recur::Series,
    refusal::Refusal,
    world::{Event, Life, Person, Slot, World},
    write::Kind,
};

impl World {
    /// Ends a series before an occurrence and begins a new one with it: `<base>_R<local start>`, with a UID of its own. Later
    /// exceptions are told as removed under their old ids and come again under new ones, whether or not the time changed.
    pub(crate) fn split(
        &mut self,
        now_ms: i64,
        place: &Place,
        account: &str,
        master: &Event,
        from: &Moment,
        patch: &Value,
    ) -> Result<String, Refusal> {
        let utc = TimeZone::UTC;
        let cut = from.ms(&utc);
        let series = Series::read(&master.recurrence, &master.start)?;
        let before = series.rule_walls_before(&master.wall_of(from));
        let first = master.occurrence(from);
        let base = master.id.split("_R").next().unwrap_or(&master.id);
        let id = format!("{base}_R{}", from.local_suffix());
        if self.calendar(&place.calendar)?.ids.contains_key(&id) {
            return Err(Refusal::duplicate());
        }
        let head = Event { recurrence: until(&master.recurrence, from), ..master.clone() };
        let tail = Event {
            uid: format!("{id}@google.com"),
            id: id.clone(),
            start: first.start,
            end: first.end,
            recurrence: counted_down(&master.recurrence, before),
            slot: None,
            exceptions: Default::default(),
            created_ms: now_ms,
            sequence: 0,
            ..master.clone()
        };
        let patch = super::human::page_patch(patch)?;
        let may = Allowed { conference: true, attachments: true };
        let (tail, _) = self.changed(may, place, account, &tail, &patch, Kind::Patch)?;
        let shift = tail.start.ms(&utc) - cut;
        let kept = Series::read(&tail.recurrence, &tail.start)?;
        let calendar = self.calendar(&place.calendar)?;
        let stored = calendar.event(&master.id).ok_or_else(Refusal::not_found)?;
        let later: Vec<Event> = stored
            .exceptions
            .range(cut..)
            .filter_map(|(_, at)| calendar.events.get(*at))
            .filter(|exception| exception.life != Life::Stray)
            .cloned()
            .collect();
        let head = Event { sequence: master.sequence + 1, ..head };
        self.put(now_ms, &place.calendar, master, head, false);
        self.store(now_ms, &place.calendar, tail.clone(), false);
        for exception in later {
            let Some(slot) = exception.slot.clone() else { continue };
            let start =
                if tail.start.is_date() == slot.start.is_date() { slot.start.plus_ms(shift) } else { slot.start };
            if !kept.has(&start) {
                continue;
            }
            let again = Event {
                id: format!("{id}_{}", start.suffix()),
                uid: tail.uid.clone(),
                slot: Some(Slot { master_id: id.clone(), start }),
                ..exception
            };
            self.store(now_ms, &place.calendar, again, false);
        }
        self.propagate(now_ms, &place.calendar, &tail);
        Ok(id)
    }

    /// Moves an event: it keeps its id, gets the other calendar as organizer, and leaves a tombstone.
    pub(crate) fn move_event(&mut self, now_ms: i64, from: &str, to: &str, event: &Event) -> Result<(), Refusal> {
        if event.slot.is_some() {
            return Err(Refusal::invalid("Cannot move a single instance of a recurring event."));
        }
        if event.event_type != "default" {
            return Err(Refusal::invalid("Events of this type cannot be moved."));
        }
        if event.organizer.email != from {
            return Err(Refusal::new(
                403,
                "calendar",
                "cannotChangeOrganizer",
                "Cannot change the organizer of an instance.",
            ));
        }
        if self.calendar(to)?.event(&event.id).is_some_and(Event::live) {
            return Err(Refusal::duplicate());
        }
        let calendar = self.calendar(from)?;
        let exceptions: Vec<Event> = event
            .exceptions
            .values()
            .filter_map(|at| calendar.events.get(*at))
            .filter(|one| one.life != Life::Stray)
            .cloned()
            .collect();
        let there = Event { organizer: Person::of(to), exceptions: Default::default(), ..event.clone() };
        self.store(now_ms, to, there, false);
        for exception in &exceptions {
            self.store(now_ms, to, Event { organizer: Person::of(to), ..exception.clone() }, false);
        }
        self.store(now_ms, from, Event { life: Life::Cancelled, ..event.clone() }, false);
        for exception in exceptions {
            self.store(now_ms, from, Event { life: Life::Stray, ..exception }, false);
        }
        Ok(())
    }

    /// A series that comes back brings its exceptions, changed and removed ones.
    pub(crate) fn bring_back_exceptions(&mut self, now_ms: i64, calendar_id: &str, master: &Event) {
        let Ok(series) = Series::read(&master.recurrence, &master.start) else { return };
        let Some(calendar) = self.calendars.get(calendar_id) else { return };
        let fits = |one: &&Event| one.slot.as_ref().is_some_and(|slot| series.has(&slot.start));
        let back: Vec<Event> =
            master.exceptions.values().filter_map(|at| calendar.events.get(*at)).filter(fits).cloned().collect();
        for exception in back {
            let life = if exception.life == Life::Stray { Life::Live } else { exception.life };
            self.store(now_ms, calendar_id, Event { life, ..exception }, false);
        }
    }
}

/// The rules, ended before this occurrence; extra dates from it on are dropped.
fn until(lines: &[String], from: &Moment) -> Vec<String> {
    let last = match from {
        Moment::Date(_) => from.plus_ms(-DAY_MS).suffix(),
        Moment::Time { ms, .. } => instant(ms.saturating_sub(1000)).strftime("%Y%m%dT%H%M%SZ").to_string(),
    };
    lines
        .iter()
        .filter_map(|line| match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("RRULE") => {
                let kept: Vec<&str> =
                    value.split(';').filter(|part| !named(part, "UNTIL") && !named(part, "COUNT")).collect();
                Some(format!("RRULE:{};UNTIL={last}", kept.join(";")))
            }
            Some((name, _)) if is_dates(name, "RDATE") => dates(line, |day| day < from.local_suffix().as_str()),
            _ => Some(line.clone()),
        })
        .collect()
}

/// The rules for what is left after so many occurrences.
fn counted_down(lines: &[String], before: usize) -> Vec<String> {
    let count = |part: &str| -> String {
        match part.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("COUNT") => {
                let left = value.parse::<usize>().unwrap_or(1).saturating_sub(before).max(1);
                format!("COUNT={left}")
            }
            _ => part.to_owned(),
        }
    };
    lines
        .iter()
        .map(|line| match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("RRULE") => {
                let parts: Vec<String> = value.split(';').map(count).collect();
                format!("RRULE:{}", parts.join(";"))
            }
            _ => line.clone(),
        })
        .collect()
}

fn named(part: &str, name: &str) -> bool {
    part.split_once('=').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
}

fn is_dates(name: &str, property: &str) -> bool {
    name.split(';').next().is_some_and(|first| first.eq_ignore_ascii_case(property))
}

/// The line with the values that are kept, compared by their local text; `None` when none is.
fn dates(line: &str, keep: impl Fn(&str) -> bool) -> Option<String> {
    let (name, value) = line.split_once(':')?;
    let kept: Vec<&str> = value.split(',').filter(|text| keep(text)).collect();
    (!kept.is_empty()).then(|| format!("{name}:{}", kept.join(",")))
}
