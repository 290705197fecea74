//! Reminders, which have three states: the calendar's own, none, and a list of at most as many as the provider has.
//!
//! An object without alarms does not say which of the first two it means: it goes with either, and neither is written
//! over the other.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::dialect::Dialect;
use crate::domain::appointment::{Action, Reminder, ReminderTime};

/// A reminder that both sides can say: whether it is a mail, and how many minutes before the start.
type Key = (bool, i64);

/// What is said about reminders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Reminders {
    /// Those of the calendar.
    Inherited,
    /// These.
    These(BTreeSet<Key>),
}

impl Reminders {
    /// Of an event. It is left out for who does not see it.
    pub(in crate::upstream) fn of_json(value: Option<&Value>) -> Reminders {
        let Some(value) = value else { return Reminders::Inherited };
        if value.get("useDefault").and_then(Value::as_bool) == Some(true) {
            return Reminders::Inherited;
        }
        let all = value.get("overrides").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let key = |one: &Value| -> Option<Key> {
            let minutes = one.get("minutes")?.as_i64()?.max(0);
            Some((one.get("method").and_then(Value::as_str) == Some("email"), minutes))
        };
        Reminders::These(all.iter().filter_map(key).collect())
    }

    /// Of an appointment, as far as the provider can say them; and how many it cannot.
    pub(in crate::upstream) fn of_alarms(alarms: &[Reminder], dialect: &Dialect) -> (Reminders, usize) {
        let mut these = BTreeSet::new();
        let mut left = 0;
        // The last ones, where there are too many: what is added later counts.
        for alarm in alarms.iter().rev() {
            match key(alarm, dialect) {
                Some(key) if these.contains(&key) => {}
                Some(key) if these.len() < dialect.reminders => {
                    these.insert(key);
                }
                _ => left += 1,
            }
        }
        (Reminders::These(these), left)
    }

    /// Whether an object's reminders say what the provider's do.
    pub(in crate::upstream) fn same(object: &Reminders, theirs: &Reminders) -> bool {
        match (object, theirs) {
            (Reminders::These(these), Reminders::Inherited) => these.is_empty(),
            (object, theirs) => object == theirs,
        }
    }

    pub(in crate::upstream) fn to_json(&self) -> Value {
        match self {
            Reminders::Inherited => json!({ "useDefault": true }),
            Reminders::These(these) => {
                let all: Vec<Value> = these
                    .iter()
                    .map(|(mail, minutes)| {
                        json!({ "method": if *mail { "email" } else { "popup" }, "minutes": minutes })
                    })
                    .collect();
                json!({ "useDefault": false, "overrides": all })
            }
        }
    }

    /// The alarms of an object that is to say this: what the provider cannot say stays, and so does every alarm that says one
    /// of these.
    pub(in crate::upstream) fn onto(&self, alarms: &[Reminder], dialect: &Dialect) -> Vec<Reminder> {
        let none = BTreeSet::new();
        let these = match self {
            Reminders::These(these) => these,
            Reminders::Inherited => &none,
        };
        // What the provider had no room for stays, as long as it has none for it now.
        let told = match Reminders::of_alarms(alarms, dialect).0 {
            Reminders::These(told) => told,
            Reminders::Inherited => BTreeSet::new(),
        };
        let is_extra = |key: &Key| !told.contains(key);
        let full = these.len() >= dialect.reminders
            && !alarms.iter().filter_map(|alarm| key(alarm, dialect)).any(|key| is_extra(&key) && these.contains(&key));
        let stays = |key: Key| these.contains(&key) || (full && is_extra(&key));
        let mut out: Vec<Reminder> =
            alarms.iter().filter(|alarm| key(alarm, dialect).is_none_or(stays)).cloned().collect();
        for (mail, minutes) in these {
            if !out.iter().any(|alarm| key(alarm, dialect) == Some((*mail, *minutes))) {
                let action = if *mail { Action::Email } else { Action::Display };
                out.push(Reminder { time: ReminderTime::BeforeStart(minutes * 60), action });
            }
        }
        out
    }
}

fn key(alarm: &Reminder, dialect: &Dialect) -> Option<Key> {
    let ReminderTime::BeforeStart(seconds) = alarm.time else { return None };
    let minutes = seconds / 60;
    let mail = alarm.action == Action::Email;
    let expressible = seconds % 60 == 0 && (0..=dialect.minutes_max).contains(&minutes) && (dialect.mails || !mail);
    expressible.then_some((mail, minutes))
}

#[cfg(test)]
mod tests {
    use super::super::super::google::DIALECT as GOOGLE;
    use super::*;

    fn before(minutes: i64) -> Reminder {
        Reminder { time: ReminderTime::BeforeStart(minutes * 60), action: Action::Display }
    }

    #[test]
    fn no_alarm_goes_with_the_calendars_own_and_with_none() {
        let (none, _) = Reminders::of_alarms(&[], &GOOGLE);
        assert!(Reminders::same(&none, &Reminders::Inherited));
        assert!(Reminders::same(&none, &Reminders::of_json(Some(&json!({ "useDefault": false })))));
        let (some, _) = Reminders::of_alarms(&[before(10)], &GOOGLE);
        assert!(!Reminders::same(&some, &Reminders::Inherited));
    }

    #[test]
    fn what_google_cannot_say_is_counted_and_kept() {
        let late = Reminder { time: ReminderTime::BeforeStart(-600), action: Action::Display };
        let at_end = Reminder { time: ReminderTime::BeforeEnd(0), action: Action::Audio };
        let mut alarms = vec![late.clone(), at_end.clone(), before(90_000)];
        alarms.extend((1..=6).map(before));
        let (said, left) = Reminders::of_alarms(&alarms, &GOOGLE);
        assert_eq!(left, 4);
        assert_eq!(said.to_json()["overrides"].as_array().map(Vec::len), Some(5));
        let changed = Reminders::of_json(Some(&json!({ "overrides": [{ "method": "email", "minutes": 2 }] })));
        let mail = Reminder { time: ReminderTime::BeforeStart(120), action: Action::Email };
        assert_eq!(changed.onto(&alarms, &GOOGLE), [late, at_end, before(90_000), mail]);
    }
}
