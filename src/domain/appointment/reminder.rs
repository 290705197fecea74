//! Reminders: the VALARMs of an appointment that would ring, and changing them without touching the others.

use jiff::civil::DateTime;

use crate::domain::time::DAY_MS;
use crate::ics::{Component, Duration, Property, When};

const DAY_S: i64 = DAY_MS / 1000;

/// One reminder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reminder {
    /// When it comes.
    pub time: ReminderTime,
    /// What it does.
    pub action: Action,
}

/// When a reminder comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReminderTime {
    /// So many seconds before the start; negative for after.
    BeforeStart(i64),
    /// So many seconds before the end; negative for after.
    BeforeEnd(i64),
    /// At a point in time, in UTC.
    At(DateTime),
}

/// ACTION of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// DISPLAY, and whatever is not known.
    Display,
    /// AUDIO
    Audio,
    /// EMAIL
    Email,
}

impl Action {
    const fn as_ics(self) -> &'static str {
        match self {
            Action::Display => "DISPLAY",
            Action::Audio => "AUDIO",
            Action::Email => "EMAIL",
        }
    }
}

impl Reminder {
    /// The reminder that a VALARM is. `None` for those that never ring by themselves: Apple writes `ACTION:NONE` to say
    /// "no reminder, not even by default", and alarms of a place have PROXIMITY.
    fn of(alarm: &Component) -> Option<Reminder> {
        if alarm.property("PROXIMITY").is_some() {
            return None;
        }
        let action = match alarm.property("ACTION").map(|p| p.value().trim().to_ascii_uppercase()).as_deref() {
            Some("NONE") => return None,
            Some("AUDIO") => Action::Audio,
            Some("EMAIL") => Action::Email,
            _ => Action::Display,
        };
        let trigger = alarm.property("TRIGGER")?;
        let time = match (When::of(trigger), Duration::parse(trigger.value())) {
            (Ok(When::Utc(at) | When::Floating(at)), _) => ReminderTime::At(at),
            (_, Ok(duration)) => {
                let before = duration.days.checked_mul(DAY_S)?.checked_add(duration.seconds)?.checked_neg()?;
                match trigger.param("RELATED") {
                    Some(related) if related.eq_ignore_ascii_case("END") => ReminderTime::BeforeEnd(before),
                    _ => ReminderTime::BeforeStart(before),
                }
            }
            _ => return None,
        };
        Some(Reminder { time, action })
    }

    fn trigger(&self) -> Property {
        match &self.time {
            ReminderTime::BeforeStart(before) => Property::new("TRIGGER", &after(*before).to_value()),
            ReminderTime::BeforeEnd(before) => {
                Property::new("TRIGGER", &after(*before).to_value()).with_param("RELATED", "END")
            }
            ReminderTime::At(at) => {
                Property::new("TRIGGER", &When::Utc(*at).to_value()).with_param("VALUE", "DATE-TIME")
            }
        }
    }

    /// The UID of its VALARM (RFC 9074), which tells a snoozed reminder from its neighbours.
    pub(super) fn uid(&self, event: &str) -> String {
        format!("{event}-{}-{}", self.action.as_ics().to_ascii_lowercase(), self.trigger().value())
    }

    /// A new VALARM.
    pub(super) fn to_component(&self, uid: &str, title: &str) -> Component {
        let mut alarm = Component::new("VALARM");
        alarm.push(Property::text("UID", uid));
        alarm.push(Property::new("ACTION", self.action.as_ics()));
        alarm.push(self.trigger());
        if self.action != Action::Audio {
            // Readers refuse a reminder that says nothing.
            alarm.push(Property::text("DESCRIPTION", if title.is_empty() { "Reminder" } else { title }));
        }
        alarm
    }
}

/// The duration from its anchor: whole days follow the wall clock, as a person means "a day before".
pub(super) fn after(before_seconds: i64) -> Duration {
    let seconds = before_seconds.saturating_neg();
    if seconds % DAY_S == 0 { Duration { days: seconds / DAY_S, seconds: 0 } } else { Duration { days: 0, seconds } }
}

/// The reminders of a component, in their order.
pub(super) fn all(component: &Component) -> Vec<Reminder> {
    component.components_named("VALARM").filter_map(Reminder::of).collect()
}

/// Puts these reminders into a component. Those that stay keep all that clients wrote into them (acknowledgements,
/// sounds); alarms that are no reminders stay as they are.
pub(super) fn put(component: &mut Component, reminders: &[Reminder], uid: &str, title: &str) {
    let mut wanted: Vec<Option<&Reminder>> = reminders.iter().map(Some).collect();
    component.retain_components(|alarm| {
        let Some(reminder) = alarm.is("VALARM").then(|| Reminder::of(alarm)).flatten() else { return true };
        match wanted.iter_mut().find(|w| **w == Some(&reminder)) {
            Some(found) => found.take().is_some(),
            None => false,
        }
    });
    for reminder in wanted.into_iter().flatten() {
        component.push_component(reminder.to_component(&reminder.uid(uid), title));
    }
}
