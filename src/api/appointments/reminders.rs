//! Reminders between JSON and the record.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::input::check_count;
use crate::api::problem::Problem;
use crate::api::times::Given;
use crate::domain::appointment::{Action, Reminder, ReminderTime};
use crate::ics::When;
use crate::ics::zone::Zone;

/// Most reminders of one appointment that a request may name.
const REMINDERS_MAX: usize = 20;
/// Furthest from the start or end, in minutes: a year and a day.
const MINUTES_MAX: i64 = 366 * 24 * 60;

/// What a reminder does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReminderAction)]
pub enum ReminderAction {
    /// Shows a text.
    Display,
    /// Makes a sound.
    Audio,
    /// Sends mail, as some clients do; cannot be added here.
    Email,
}

/// What a reminder counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReminderAnchor)]
pub enum Anchor {
    /// The start.
    Start,
    /// The end.
    End,
}

/// A reminder: a number of minutes before the start, or more exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReminderInput {
    time: Time,
    action: Option<ReminderAction>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Time {
    Before { minutes: i64, anchor: Anchor },
    At(String),
}

/// A reminder told exactly: `minutes_before` or `at`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReminderDetails {
    /// Minutes before the start or end; negative for after.
    #[schema(minimum = -527_040, maximum = 527_040)]
    minutes_before: Option<i64>,
    /// What `minutes_before` counts from; the start unless said otherwise.
    anchor: Option<Anchor>,
    /// A point in time, with its offset.
    at: Option<String>,
    /// `display` unless said otherwise.
    action: Option<ReminderAction>,
}

/// A reminder.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Reminder)]
pub struct ReminderView {
    /// Whole minutes before the start or end; negative for after. `null` with `at`.
    #[schema(required)]
    minutes_before: Option<i64>,
    /// What `minutes_before` counts from.
    anchor: Anchor,
    /// A point in time.
    #[schema(required)]
    at: Option<String>,
    /// What it does.
    action: ReminderAction,
}

impl PartialSchema for ReminderInput {
    fn schema() -> RefOr<Schema> {
        let minutes = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(-MINUTES_MAX))
            .maximum(Some(MINUTES_MAX))
            .description(Some("Minutes before the start."));
        let details = Ref::from_schema_name(ReminderDetails::name());
        OneOfBuilder::new()
            .item(minutes)
            .item(details)
            .description(Some("A reminder: a number of minutes before the start, or more exactly."))
            .into()
    }
}

impl ToSchema for ReminderInput {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((ReminderDetails::name().into_owned(), ReminderDetails::schema()));
        ReminderDetails::schemas(schemas);
    }
}

impl<'de> Deserialize<'de> for ReminderInput {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ReminderInput, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = ReminderInput;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("minutes, or an object with minutes_before or at")
            }

            fn visit_i64<E: de::Error>(self, minutes: i64) -> Result<ReminderInput, E> {
                Ok(ReminderInput { time: Time::Before { minutes, anchor: Anchor::Start }, action: None })
            }

            fn visit_u64<E: de::Error>(self, minutes: u64) -> Result<ReminderInput, E> {
                self.visit_i64(i64::try_from(minutes).unwrap_or(i64::MAX))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ReminderInput, A::Error> {
                let details = ReminderDetails::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let time = match (details.minutes_before, details.at) {
                    (Some(minutes), None) => Time::Before { minutes, anchor: details.anchor.unwrap_or(Anchor::Start) },
                    (None, Some(at)) => Time::At(at),
                    (None, None) => return Err(de::Error::missing_field("minutes_before")),
                    (Some(_), Some(_)) => return Err(de::Error::custom("either minutes_before or at")),
                };
                Ok(ReminderInput { time, action: details.action })
            }
        }
        from.deserialize_any(Forms)
    }
}

impl ReminderView {
    /// As the JSON shows a reminder.
    #[must_use]
    pub fn of(reminder: &Reminder) -> ReminderView {
        let (minutes_before, anchor, at) = match &reminder.time {
            ReminderTime::BeforeStart(seconds) => (Some(seconds.div_euclid(60)), Anchor::Start, None),
            ReminderTime::BeforeEnd(seconds) => (Some(seconds.div_euclid(60)), Anchor::End, None),
            ReminderTime::At(at) => (None, Anchor::Start, Some(format!("{}Z", at.strftime("%Y-%m-%dT%H:%M:%S")))),
        };
        let action = match reminder.action {
            Action::Display => ReminderAction::Display,
            Action::Audio => ReminderAction::Audio,
            Action::Email => ReminderAction::Email,
        };
        ReminderView { minutes_before, anchor, at, action }
    }
}

/// The reminders that were given, each once.
///
/// # Errors
/// One is too far away, or is a mail that was not there before.
pub fn read(given: &[ReminderInput], before: &[Reminder]) -> Result<Vec<Reminder>, Problem> {
    check_count("reminders", given.len(), REMINDERS_MAX)?;
    let mut reminders: Vec<Reminder> = Vec::new();
    for (at, input) in given.iter().enumerate() {
        let reminder = one(input, &format!("reminders[{at}]"))?;
        if reminder.action == Action::Email && !before.contains(&reminder) {
            return Err(Problem::value(&format!("reminders[{at}].action"), "mail reminders cannot be added here"));
        }
        if !reminders.contains(&reminder) {
            reminders.push(reminder);
        }
    }
    Ok(reminders)
}

fn one(input: &ReminderInput, field: &str) -> Result<Reminder, Problem> {
    let time = match &input.time {
        Time::Before { minutes, .. } if minutes.unsigned_abs() > MINUTES_MAX.unsigned_abs() => {
            return Err(Problem::value(field, format!("at most {MINUTES_MAX} minutes away")));
        }
        Time::Before { minutes, anchor: Anchor::Start } => ReminderTime::BeforeStart(minutes * 60),
        Time::Before { minutes, anchor: Anchor::End } => ReminderTime::BeforeEnd(minutes * 60),
        Time::At(text) => match Given::parse(&format!("{field}.at"), text)? {
            Given::At { at, .. } => ReminderTime::At(When::Utc(Zone::Utc.local(at)).local()),
            Given::Date(_) | Given::Local(_) => {
                return Err(Problem::value(&format!("{field}.at"), "a point in time has an offset"));
            }
        },
    };
    let action = match input.action.unwrap_or(ReminderAction::Display) {
        ReminderAction::Display => Action::Display,
        ReminderAction::Audio => Action::Audio,
        ReminderAction::Email => Action::Email,
    };
    Ok(Reminder { time, action })
}
