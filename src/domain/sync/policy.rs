//! What a link carries, how it decides, and what it never shows: the settings screen as a type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::words::Resolution;

/// The most entries of any list in a policy: settings are made by hand.
pub const POLICY_ITEMS_MAX: usize = 200;

/// What happens with two sides that changed the same thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "policy")]
pub enum ConflictPolicy {
    /// Our side wins.
    KeepPlatform,
    /// The provider's side wins.
    KeepExternal,
    /// The side changed last wins, by what the sides say themselves.
    MostRecent,
    /// Among links of one calendar, the one named first wins; this side wins over a link that is not named.
    SourcePriority {
        /// Link ids, the strongest first.
        links: Vec<String>,
    },
    /// The first rule that matches decides; nothing matching means manual.
    Rules {
        /// The rules in their order.
        rules: Vec<(Rule, Resolution)>,
    },
    /// Both sides are left alone until somebody decides.
    #[default]
    Manual,
}

/// What happens here when an event is deleted or cancelled there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletePolicy {
    /// The appointment becomes cancelled and is kept.
    Cancel,
    /// The appointment is kept and flagged.
    MarkExternalRemoved,
    /// The appointment is deleted.
    Delete,
}

/// What a link does with private appointments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivatePolicy {
    /// They stay here.
    #[default]
    Exclude,
    /// They go out as "Busy", with their times and nothing else.
    Mask,
    /// They go out whole.
    Include,
}

/// What a link does with a series that its provider cannot repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsupportedRecurrence {
    /// It stays here, and the link tells.
    #[default]
    KeepLocal,
    /// Its instances of the coming time go out as single events, and the link tells.
    Expand,
}

/// A field that a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names of an appointment's fields")]
pub enum RuleField {
    Title,
    Notes,
    Location,
    Category,
    Status,
    AppointmentType,
    ClientId,
    StaffUserId,
    ProjectId,
    AllDay,
    Recurring,
    Private,
}

/// How a rule compares. Text is compared without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they say what they are")]
pub enum RuleOperator {
    Equals,
    NotEquals,
    Contains,
    NotContains,
    StartsWith,
    EndsWith,
    Exists,
    NotExists,
}

/// A condition on an appointment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What it looks at.
    pub field: RuleField,
    /// How it compares.
    pub operator: RuleOperator,
    /// What it compares with; not used by `exists` and `not_exists`.
    #[serde(default)]
    pub value: String,
}

/// Which appointments a link carries out. An empty list does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filters {
    /// Only these types.
    pub appointment_types: Vec<String>,
    /// Only these clients.
    pub client_ids: Vec<String>,
    /// Only these members of staff.
    pub staff_user_ids: Vec<String>,
    /// Only these projects.
    pub project_ids: Vec<String>,
    /// Only with one of these categories.
    pub categories: Vec<String>,
    /// Only what ends after this point, in ms. A series counts if any instance does.
    pub from_ms: Option<i64>,
    /// Only what starts before this point, in ms.
    pub until_ms: Option<i64>,
    /// These appointments whatever else is said (object ids).
    pub include: Vec<String>,
    /// Never these appointments (object ids).
    pub exclude: Vec<String>,
    /// All of these conditions.
    pub rules: Vec<Rule>,
}

/// What goes into a field over there. A template names fields in braces: `{appointment_type}: {title}`.
pub type FieldMapping = BTreeMap<String, String>;

/// Everything a user can set about a link's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkPolicy {
    /// What goes out.
    pub filters: Filters,
    /// Private appointments.
    pub private: PrivatePolicy,
    /// Two sides changed the same.
    pub conflict: ConflictPolicy,
    /// Deleted there. `None`: [`DeletePolicy::Cancel`] for what came from there, else
    /// [`DeletePolicy::MarkExternalRemoved`].
    pub delete: Option<DeletePolicy>,
    /// Whether notes go out. Off by default for nobody: what is not wanted is switched off.
    pub omit_notes: bool,
    /// Whether a line with the client's contact goes into the description.
    pub include_client_contact: bool,
    /// Whether attendees travel live, so that the provider may invite them; else as text in the description.
    pub invite_attendees: bool,
    /// Series that the provider cannot repeat.
    pub unsupported_recurrence: UnsupportedRecurrence,
    /// Target field (`title`, `notes`, `location`) → template.
    pub field_mapping: FieldMapping,
}
