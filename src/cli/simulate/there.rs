//! What people do at the providers' own pages.

use jiff::ToSpan;
use serde_json::{Value, json};

use super::Fate;
use super::book::{Place, birth_of};
use super::person::Person;
use super::world::World;

const ZONES: [&str; 3] = ["Europe/Berlin", "America/New_York", "Asia/Tokyo"];
const RULES: [&str; 4] = [
    "RRULE:FREQ=DAILY;COUNT=5",
    "RRULE:FREQ=WEEKLY;COUNT=6",
    "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=6",
    "RRULE:FREQ=WEEKLY;UNTIL=20270501T000000Z",
];
/// What of an event is people's own.
const OWN: [&str; 9] =
    ["summary", "description", "location", "start", "end", "recurrence", "visibility", "transparency", "reminders"];

pub(super) fn word<'a>(event: &'a Value, name: &str) -> &'a str {
    event.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn is_live(event: &Value) -> bool {
    word(event, "status") != "cancelled"
}

/// Single events and series, not their exceptions.
pub(super) fn is_whole(event: &Value) -> bool {
    event.get("recurringEventId").is_none()
}

/// How somebody left an event: it and its exceptions.
pub(super) fn state_of(events: &[Value], id: &str) -> Option<String> {
    let event = events.iter().find(|e| word(e, "id") == id && is_live(e))?;
    let own = |event: &Value| -> Value {
        OWN.iter().map(|n| ((*n).to_owned(), event.get(*n).cloned().unwrap_or(Value::Null))).collect()
    };
    let mut parts: Vec<String> = events
        .iter()
        .filter(|e| word(e, "recurringEventId") == id)
        .map(|e| if is_live(e) { format!("{} {}", word(e, "id"), own(e)) } else { format!("{} gone", word(e, "id")) })
        .collect();
    parts.sort();
    Some(format!("{} {}", own(event), parts.join(" ")))
}

impl World {
    /// The owner of a calendar at its page.
    fn at_page(&self, calendar: &str) -> Person {
        Person { at: self.provider.clone(), now_ms: self.now_ms(), calendar: calendar.to_owned() }
    }

    fn note_there(&mut self, calendar: &str, id: &str, birth: u32) {
        let events = self.provider.events(calendar);
        // An exception belongs to its series, which may be the second half of a split one.
        let series = events.iter().find(|e| word(e, "id") == id).map(|e| word(e, "recurringEventId"));
        let id = series.filter(|series| !series.is_empty()).unwrap_or(id).to_owned();
        let state = state_of(&events, &id);
        let place = Place::There(calendar.to_owned());
        self.covered.edits += 1;
        match state {
            Some(state) => self.book.touch(birth, &place, &id, state),
            None => {
                self.book.birth(birth).places.insert(place);
            }
        }
    }

    /// Somebody makes an event there.
    pub(super) fn create_there(&mut self, calendar: &str) -> Fate<()> {
        let place = Place::There(calendar.to_owned());
        let birth = self.book.number();
        let private = self.dice.percent(12);
        let title = self.book.text(&place, private);
        let start = self.some_start();
        let zone = self.dice.pick(&ZONES).copied().unwrap_or("UTC");
        let mut event = json!({ "summary": format!("B{birth} {title}") });
        let day = self.dice.percent(20);
        if day {
            let (first, last) = (start.date(), start.date().checked_add(1.days()).unwrap_or(start.date()));
            event["start"] = json!({ "date": first.to_string() });
            event["end"] = json!({ "date": last.to_string() });
        } else {
            let end = start.checked_add(60.minutes()).unwrap_or(start);
            event["start"] = json!({ "dateTime": start.strftime("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": zone });
            event["end"] = json!({ "dateTime": end.strftime("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": zone });
        }
        if self.dice.percent(35) {
            let rule = self.dice.pick(&RULES).copied().unwrap_or("RRULE:FREQ=DAILY;COUNT=5");
            if !(day && rule.contains("UNTIL")) {
                event["recurrence"] = json!([rule]);
            }
        }
        let mut tokens = vec![(title, "title")];
        if self.dice.percent(40) {
            let token = self.book.text(&place, private);
            event["description"] = json!(token);
            tokens.push((token, "notes"));
        }
        if self.dice.percent(30) {
            let token = self.book.text(&place, private);
            event["location"] = json!(token);
            tokens.push((token, "place"));
        }
        if private {
            event["visibility"] = json!("private");
            self.book.birth(birth).private = true;
        }
        if self.dice.percent(20) {
            event["reminders"] = json!({ "useDefault": false, "overrides": [{ "method": "popup", "minutes": 20 }] });
        }
        let made = self.at_page(calendar).create(&event);
        let Ok(id) = made else { return Ok(()) };
        if private {
            let events = self.provider.events(calendar);
            let uid = events.iter().find(|e| word(e, "id") == id).map(|e| word(e, "iCalUID"));
            self.book.private_born.extend(uid.map(|uid| (calendar.to_owned(), uid.to_owned())));
            self.book.private_there.insert(id.clone());
        }
        for (token, field) in tokens {
            self.book.wrote(&token, birth, &place, &id, field);
        }
        self.covered.events += 1;
        self.note_there(calendar, &id, birth);
        self.tell(|| format!("there {calendar}: create {id} {event}"));
        Ok(())
    }

    /// Somebody edits, moves, splits, copies, deletes or brings back something there.
    pub(super) fn edit_there(&mut self, calendar: &str) -> Fate<()> {
        let events = self.provider.events(calendar);
        let whole: Vec<Value> = events
            .iter()
            .filter(|e| is_live(e) && is_whole(e) && birth_of(word(e, "summary")).is_some())
            .cloned()
            .collect();
        let Some(event) = self.dice.pick(&whole).cloned() else { return self.create_there(calendar) };
        let Some(birth) = birth_of(word(&event, "summary")) else { return Ok(()) };
        let id = word(&event, "id").to_owned();
        let place = Place::There(calendar.to_owned());
        let secret = matches!(word(&event, "visibility"), "private" | "confidential");
        let mut token = None;
        let mut retitled = |world: &mut World, field: &'static str| {
            let new = world.book.text(&place, secret);
            token = Some((new.clone(), field));
            new
        };
        let occurrence = |world: &mut World| {
            let all = world.at_page(calendar).occurrences(&id, 6);
            world.dice.pick(&all).cloned()
        };
        let kind = self.dice.below(20);
        let (what, done) = match kind {
            0..=3 => {
                let new = retitled(self, "title");
                let patch = json!({ "summary": format!("B{birth} {new}") });
                ("retitle", self.at_page(calendar).edit(&id, &patch).map(|_| id.clone()))
            }
            4 => {
                let new = retitled(self, "notes");
                ("notes", self.at_page(calendar).edit(&id, &json!({ "description": new })))
            }
            5 => {
                let new = retitled(self, "place");
                ("place", self.at_page(calendar).edit(&id, &json!({ "location": new })))
            }
            6 | 7 => {
                let by = self.dice.between(-5, 6)
                    * if event["start"].get("date").is_some() { 86_400_000 } else { 1_800_000 };
                ("shift", self.at_page(calendar).shift(&id, by))
            }
            8 | 9 => {
                let Some(one) = occurrence(self) else { return Ok(()) };
                let title = self.book.text(&place, secret);
                let patch = json!({ "summary": format!("B{birth} {title}") });
                ("override", self.at_page(calendar).edit(&one, &patch))
            }
            10 => {
                let Some(one) = occurrence(self) else { return Ok(()) };
                let by = if event["start"].get("date").is_some() { 86_400_000 } else { 3_600_000 };
                ("move one", self.at_page(calendar).shift(&one, by))
            }
            11 => {
                let Some(one) = occurrence(self) else { return Ok(()) };
                self.book.birth(birth).deleted = true;
                ("delete one", self.at_page(calendar).delete(&one).map(|()| id.clone()))
            }
            12 => {
                let Some(one) = occurrence(self) else { return Ok(()) };
                let title = self.book.text(&place, secret);
                let patch = json!({ "summary": format!("B{birth} {title}") });
                let made = self.at_page(calendar).split(&one, &patch);
                match &made {
                    // From its first instance on: no second series, the person wrote over the title of the whole.
                    Ok(same) if *same == id => token = Some((title, "title")),
                    Ok(_) => {
                        self.book.birth(birth).copies += 1;
                        self.note_there(calendar, &id, birth);
                    }
                    Err(_) => {}
                }
                ("split", made)
            }
            13 => {
                let day = event["start"].get("date").is_some();
                let at = self.some_start();
                let (start, end) = if day {
                    let end = at.checked_add(1.hours()).unwrap_or(at);
                    let say = |t: jiff::civil::DateTime| json!({ "dateTime": t.strftime("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "Europe/Berlin" });
                    (say(at), say(end))
                } else {
                    let next = at.date().checked_add(1.days()).unwrap_or(at.date());
                    (json!({ "date": at.date().to_string() }), json!({ "date": next.to_string() }))
                };
                if event.get("recurrence").is_some() {
                    return Ok(());
                }
                ("flip", self.at_page(calendar).move_time(&id, &start, &end))
            }
            14 => {
                let minutes = self.dice.between(1, 90);
                let reminders =
                    json!({ "useDefault": false, "overrides": [{ "method": "popup", "minutes": minutes }] });
                ("remind", self.at_page(calendar).set_reminders(&id, &reminders))
            }
            15 => {
                let by = 86_400_000;
                let made = self.at_page(calendar).copy(&id, by);
                if made.is_ok() {
                    self.book.birth(birth).copies += 1;
                }
                ("copy", made)
            }
            16 | 17 => {
                self.book.delete(birth, &place, &id);
                ("delete", self.at_page(calendar).delete(&id).map(|()| id.clone()))
            }
            18 => {
                let gone = self.provider.deleted(calendar);
                let gone: Vec<Value> = gone.into_iter().filter(|e| birth_of(word(e, "summary")).is_some()).collect();
                let Some(one) = self.dice.pick(&gone).cloned() else { return Ok(()) };
                let (one_id, one_birth) = (word(&one, "id").to_owned(), birth_of(word(&one, "summary")).unwrap_or(0));
                let live = self.provider.events(calendar);
                let again = live.iter().any(|e| is_live(e) && birth_of(word(e, "summary")) == Some(one_birth));
                let done = self.at_page(calendar).restore(&one_id);
                if done.is_ok() {
                    // What was made anew meanwhile is there too: nobody could know when it was made that this would come.
                    self.book.birth(one_birth).copies += u32::from(again);
                    if again {
                        self.book.beside.insert(one_id.clone());
                    }
                    self.note_there(calendar, &one_id, one_birth);
                    self.book.birth(one_birth).deleted = true;
                }
                self.tell(|| format!("there {calendar}: restore {one_id} (B{one_birth}) {done:?}"));
                return Ok(());
            }
            _ => {
                let new = retitled(self, "title");
                let patch = json!({ "summary": format!("B{birth} {new}") });
                ("retitle", self.at_page(calendar).edit(&id, &patch).map(|_| id.clone()))
            }
        };
        if let Ok(changed) = &done {
            if self.book.private_there.contains(&id) {
                self.book.private_there.insert(changed.clone());
            }
            if let Some((token, field)) = token {
                self.book.wrote(&token, birth, &place, &id, field);
            }
            self.note_there(calendar, changed, birth);
        }
        self.tell(|| format!("there {calendar}: {what} {id} (B{birth}) {done:?}"));
        Ok(())
    }
}
