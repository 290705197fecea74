//! Whether a link wants an appointment.

use crate::domain::appointment::{Appointment, Facts};
use crate::domain::ids::ObjectId;
use crate::domain::object::{CalendarObject, Class, ComponentKind};
use crate::domain::privacy::Telling;
use crate::domain::recurrence::Window;
use crate::domain::sync::{LinkPolicy, Rule, RuleField, RuleOperator};
use crate::domain::time::Instant;
use crate::domain::timerange::overlapping;
use crate::ics::zone::Zone;

/// Whether a link carries an appointment out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It does.
    Yes,
    /// It does not.
    No(Unwanted),
}

impl Wanted {
    /// Whether it does.
    #[must_use]
    pub const fn is_wanted(self) -> bool {
        matches!(self, Wanted::Yes)
    }
}

/// Why a link does not carry an appointment; the first reason there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// Somebody took this one out.
    Excluded,
    /// A task, a journal entry.
    NoAppointment,
    /// It is private, and the link keeps those here.
    Private,
    /// Of another type.
    AppointmentType,
    /// Of another client.
    Client,
    /// Of another member of staff.
    Staff,
    /// Of another project.
    Project,
    /// In none of the categories.
    Category,
    /// No instance of it is in the range.
    Dates,
    /// A condition does not hold.
    Rule,
}

impl Unwanted {
    /// One word for records and previews.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Unwanted::Excluded => "excluded",
            Unwanted::NoAppointment => "no_appointment",
            Unwanted::Private => "private",
            Unwanted::AppointmentType => "appointment_type",
            Unwanted::Client => "client",
            Unwanted::Staff => "staff",
            Unwanted::Project => "project",
            Unwanted::Category => "category",
            Unwanted::Dates => "dates",
            Unwanted::Rule => "rule",
        }
    }
}

/// Whether a link wants an appointment. Single ones put in are wanted whatever the other filters say, but what is private
/// stays private; single ones taken out are never wanted. An appointment that the platform says nothing of is of no type,
/// client, staff or project. Days and floating times lie in the range as in UTC.
#[must_use]
pub fn wants(policy: &LinkPolicy, object: &CalendarObject, id: &ObjectId, facts: &Facts) -> Wanted {
    let filters = &policy.filters;
    let named = |list: &[String]| list.iter().any(|named| named == id.as_str());
    let no = Wanted::No;
    if named(&filters.exclude) {
        return no(Unwanted::Excluded);
    }
    if object.component() != ComponentKind::Event {
        return no(Unwanted::NoAppointment);
    }
    if super::told(policy, object).whole() == Telling::Nothing {
        return no(Unwanted::Private);
    }
    if named(&filters.include) {
        return Wanted::Yes;
    }
    for (list, fact, unwanted) in [
        (&filters.appointment_types, &facts.appointment_type, Unwanted::AppointmentType),
        (&filters.client_ids, &facts.client_id, Unwanted::Client),
        (&filters.staff_user_ids, &facts.staff_user_id, Unwanted::Staff),
        (&filters.project_ids, &facts.project_id, Unwanted::Project),
    ] {
        if !list.is_empty() && !fact.as_ref().is_some_and(|fact| list.contains(fact)) {
            return no(unwanted);
        }
    }
    let categories = &object.index().categories;
    let is_one = |wanted: &String| categories.iter().any(|category| lower(category) == lower(wanted));
    if !filters.categories.is_empty() && !filters.categories.iter().any(is_one) {
        return no(Unwanted::Category);
    }
    if !in_range(object, filters.from_ms, filters.until_ms) {
        return no(Unwanted::Dates);
    }
    match filters.rules.iter().all(|rule| matches(rule, object, facts)) {
        true => Wanted::Yes,
        false => no(Unwanted::Rule),
    }
}

/// Whether some instance ends after the one and starts before the other. A series too long to be settled is in: what goes
/// on for ever is sooner wanted than taken away by mistake.
fn in_range(object: &CalendarObject, from_ms: Option<i64>, until_ms: Option<i64>) -> bool {
    if from_ms.is_none() && until_ms.is_none() {
        return true;
    }
    let window = Window {
        from: from_ms.map_or(Instant::FAR_PAST, Instant::from_ms),
        to: until_ms.map_or(Instant::FAR_FUTURE, Instant::from_ms),
    };
    let found = overlapping(object, window, &Zone::Utc);
    found.truncated || !found.components.is_empty()
}

/// Whether a condition holds for an appointment, as its series or it itself says it.
#[must_use]
pub fn matches(rule: &Rule, object: &CalendarObject, facts: &Facts) -> bool {
    let record = Appointment::of(object);
    let text = |of: fn(&Appointment) -> Option<String>| record.as_ref().and_then(of);
    let truth = |is: bool| Some(is.to_string());
    let index = object.index();
    let value = match rule.field {
        RuleField::Category => return holds(rule, &index.categories),
        RuleField::Title => text(|a| a.title.clone()),
        RuleField::Notes => text(|a| a.notes.clone()),
        RuleField::Location => text(|a| a.location.clone()),
        RuleField::Status => text(|a| Some(a.status.as_ics().to_owned())),
        RuleField::AppointmentType => facts.appointment_type.clone(),
        RuleField::ClientId => facts.client_id.clone(),
        RuleField::StaffUserId => facts.staff_user_id.clone(),
        RuleField::ProjectId => facts.project_id.clone(),
        RuleField::AllDay => truth(index.all_day),
        RuleField::Recurring => truth(index.recurring),
        RuleField::Private => truth(index.class != Class::Public),
    };
    let is_truth = matches!(rule.field, RuleField::AllDay | RuleField::Recurring | RuleField::Private);
    let exists = matches!(rule.operator, RuleOperator::Exists | RuleOperator::NotExists);
    // That something is not so does not exist.
    let value = value.filter(|value| !(is_truth && exists && value == "false"));
    holds(rule, value.as_slice())
}

/// Whether a condition holds for any of the values; one that denies, for all of them.
fn holds(rule: &Rule, values: &[String]) -> bool {
    let wanted = lower(&rule.value);
    let mut values = values.iter().map(|value| lower(value)).filter(|value| !value.is_empty());
    match rule.operator {
        RuleOperator::Equals => values.any(|value| value == wanted),
        RuleOperator::NotEquals => values.all(|value| value != wanted),
        RuleOperator::Contains => values.any(|value| value.contains(&wanted)),
        RuleOperator::NotContains => !values.any(|value| value.contains(&wanted)),
        RuleOperator::StartsWith => values.any(|value| value.starts_with(&wanted)),
        RuleOperator::EndsWith => values.any(|value| value.ends_with(&wanted)),
        RuleOperator::Exists => values.next().is_some(),
        RuleOperator::NotExists => values.next().is_none(),
    }
}

fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}
