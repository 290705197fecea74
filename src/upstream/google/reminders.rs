//! Reminders, which have three states at Google: the calendar's own, none, and a list of at most five.
//!
//! An object without alarms does not say which of the first two it means: it goes with either, and neither is written
//! over the other.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::domain::appointment::{Action, Reminder, ReminderTime};

/// The most that Google keeps.
const REMINDERS_MAX: usize = 5;
/// The longest time before the start: four weeks.
const MINUTES_MAX: i64 = 40_320;

/// A reminder that both sides can say: whether it is a mail, and how many minutes before the start.
type Key = (bool, i64);

/// What is said about reminders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reminders {
    /// Those of the calendar.
    Inherited,
    /// These.
    These(BTreeSet<Key>),
}

impl Reminders {
    /// Of an event. Google leaves the field out for who does not see it.
    pub(super) fn of_json(value: Option<&Value>) -> Reminders {
        let Some(value) = value else { return Reminders::Inherited };
        if value.get("useDefault").and_then(Value::as_bool) == Some(true) {
            return Reminders::Inherited;
        }
        let all = value.get("overrides").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let key = |one: &Value| -> Option<Key> {
            let minutes = one.get("minutes")?.as_i64()?.clamp(0, MINUTES_MAX);
            Some((one.get("method").and_then(Value::as_str) == Some("email"), minutes))
        };
        Reminders::These(all.iter().filter_map(key).collect())
    }

    /// Of an appointment, as far as Google can say them; and how many it cannot.
    pub(super) fn of_alarms(alarms: &[Reminder]) -> (Reminders, usize) {
        let mut these = BTreeSet::new();
        let mut left = 0;
        for alarm in alarms {
            match key(alarm) {
                Some(key) if these.contains(&key) => {}
                Some(key) if these.len() < REMINDERS_MAX => {
                    these.insert(key);
                }
                _ => left += 1,
            }
        }
        (Reminders::These(these), left)
    }

    /// Whether an object's reminders say what Google's do.
    pub(super) fn same(object: &Reminders, google: &Reminders) -> bool {
        match (object, google) {
            (Reminders::These(these), Reminders::Inherited) => these.is_empty(),
            (object, google) => object == google,
        }
    }

    pub(super) fn to_json(&self) -> Value {
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

    /// The alarms of an object that is to say this: what Google cannot say stays, and so does every alarm that says one
    /// of these.
    pub(super) fn onto(&self, alarms: &[Reminder]) -> Vec<Reminder> {
        let none = BTreeSet::new();
        let these = match self {
            Reminders::These(these) => these,
            Reminders::Inherited => &none,
        };
        let mut out: Vec<Reminder> =
            alarms.iter().filter(|alarm| key(alarm).is_none_or(|key| these.contains(&key))).cloned().collect();
        for (mail, minutes) in these {
            if !out.iter().any(|alarm| key(alarm) == Some((*mail, *minutes))) {
                let action = if *mail { Action::Email } else { Action::Display };
                out.push(Reminder { time: ReminderTime::BeforeStart(minutes * 60), action });
            }
        }
        out
    }
}

fn key(alarm: &Reminder) -> Option<Key> {
    let ReminderTime::BeforeStart(seconds) = alarm.time else { return None };
    let minutes = seconds / 60;
    (seconds % 60 == 0 && (0..=MINUTES_MAX).contains(&minutes)).then_some((alarm.action == Action::Email, minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(minutes: i64) -> Reminder {
        Reminder { time: ReminderTime::BeforeStart(minutes * 60), action: Action::Display }
    }

    #[test]
    fn no_alarm_goes_with_the_calendars_own_and_with_none() {
        let (none, _) = Reminders::of_alarms(&[]);
        assert!(Reminders::same(&none, &Reminders::Inherited));
        assert!(Reminders::same(&none, &Reminders::of_json(Some(&json!({ "useDefault": false })))));
        let (some, _) = Reminders::of_alarms(&[before(10)]);
        assert!(!Reminders::same(&some, &Reminders::Inherited));
    }

    #[test]
    fn what_google_cannot_say_is_counted_and_kept() {
        let late = Reminder { time: ReminderTime::BeforeStart(-600), action: Action::Display };
        let at_end = Reminder { time: ReminderTime::BeforeEnd(0), action: Action::Audio };
        let mut alarms = vec![late.clone(), at_end.clone(), before(90_000)];
        alarms.extend((1..=6).map(before));
        let (said, left) = Reminders::of_alarms(&alarms);
        assert_eq!(left, 4);
        assert_eq!(said.to_json()["overrides"].as_array().map(Vec::len), Some(5));
        let changed = Reminders::of_json(Some(&json!({ "overrides": [{ "method": "email", "minutes": 2 }] })));
        let mail = Reminder { time: ReminderTime::BeforeStart(120), action: Action::Email };
        assert_eq!(changed.onto(&alarms), [late, at_end, before(90_000), mail]);
    }
}
