//! What a user may say about a link, and how it is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::{
    DeleteName, DirectionName, FieldName, OperatorName, PolicyName, PrivacyName, ResolutionName, UnsupportedName,
};
use crate::api::given::{given, given_object};
use crate::api::problem::Problem;
use crate::api::times::{Given, stamp};
use crate::domain::sync::{
    BadPolicy, ConflictPolicy, DeletePolicy, Direction, Filters, LinkPolicy, Rule, SYNC_INTERVALS_MIN,
};
use crate::domain::time::{Instant, MINUTE_MS};
use crate::ics::zone::Zone;
use crate::store::LinkSettings;

/// How often a link runs by itself unless said otherwise, in minutes.
const FREQUENCY_DEFAULT: i64 = 15;

/// A condition on an appointment.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SyncRule)]
pub struct RuleShape {
    /// What it looks at.
    field: FieldName,
    /// How it compares.
    operator: OperatorName,
    /// With what; not for `exists` and `not_exists`.
    #[serde(default)]
    #[schema(max_length = 200)]
    value: String,
}

/// A condition and what it decides.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SyncConflictRule)]
pub struct ConflictRuleShape {
    /// What it looks at.
    field: FieldName,
    /// How it compares.
    operator: OperatorName,
    /// With what; not for `exists` and `not_exists`.
    #[serde(default)]
    #[schema(max_length = 200)]
    value: String,
    /// What it decides; not `merge`.
    resolution: ResolutionName,
}

/// How conflicts are decided.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SyncConflictPolicy)]
pub struct ConflictShape {
    /// The policy.
    policy: PolicyName,
    /// For `source_priority`: ids of links, the strongest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 200)]
    links: Vec<String>,
    /// For `rules`: the rules in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 200)]
    rules: Vec<ConflictRuleShape>,
}

/// Which appointments go out; an empty list lets everything through.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schema(as = SyncFilters)]
pub struct FiltersShape {
    /// Only these types.
    #[schema(max_items = 200)]
    appointment_types: Vec<String>,
    /// Only these clients.
    #[schema(max_items = 200)]
    client_ids: Vec<String>,
    /// Only these members of staff.
    #[schema(max_items = 200)]
    staff_user_ids: Vec<String>,
    /// Only these projects.
    #[schema(max_items = 200)]
    project_ids: Vec<String>,
    /// Only with one of these categories.
    #[schema(max_items = 200)]
    categories: Vec<String>,
    /// Only what ends after this.
    from: Option<String>,
    /// Only what starts before this.
    until: Option<String>,
    /// These appointments whatever else is said, by id.
    #[schema(max_items = 200)]
    include: Vec<String>,
    /// Never these appointments, by id.
    #[schema(max_items = 200)]
    exclude: Vec<String>,
    /// All of these conditions.
    #[schema(max_items = 200)]
    rules: Vec<RuleShape>,
}

/// Everything that is set about a link.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncSettings)]
pub struct SettingsView {
    /// Which way changes go.
    direction: DirectionName,
    /// How often it runs by itself, in minutes.
    #[schema(minimum = 5, maximum = 1440)]
    frequency: i64,
    /// Which appointments go out.
    filters: FiltersShape,
    /// What becomes of private ones.
    privacy: PrivacyName,
    /// How conflicts are decided.
    conflict_policy: ConflictShape,
    /// What a deletion there does here; `null`: `cancel` for what came from there, else `mark_external_removed`.
    #[schema(required)]
    delete_policy: Option<DeleteName>,
    /// Whether notes go out.
    sync_notes: bool,
    /// Whether a line with the client's contact goes into the description.
    include_client_contact: bool,
    /// Whether attendees travel as such, so that the provider may invite them.
    invite_attendees: bool,
    /// What becomes of a series that the provider cannot repeat.
    unsupported_recurrence: UnsupportedName,
    /// Field there (`title`, `notes`, `location`) → template with fields in braces.
    field_mapping: BTreeMap<String, String>,
}

/// Declares a body that has fields of its own and those of the settings: what is not named stays as it is.
macro_rules! with_settings {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        pub struct $name {
            $($(#[$fdoc])* pub(super) $field: $kind,)*
            /// Which way changes go.
            #[serde(default, deserialize_with = "given")]
            #[schema(nullable = false)]
            direction: Option<DirectionName>,
            /// How often the link runs by itself, in minutes: 5, 10, 15, 30, 60 or 1440.
            #[serde(default, deserialize_with = "given")]
            #[schema(nullable = false, minimum = 5, maximum = 1440)]
            frequency: Option<i64>,
            /// Which appointments go out; takes the place of all filters.
            #[serde(default, deserialize_with = "given_object")]
            #[schema(nullable = false)]
            filters: Option<FiltersShape>,
            /// What becomes of private appointments.
            #[serde(default, deserialize_with = "given")]
            #[schema(nullable = false)]
            privacy: Option<PrivacyName>,
            /// How conflicts are decided.
            #[serde(default, deserialize_with = "given")]
            #[schema(nullable = false)]
            conflict_policy: Option<ConflictShape>,
            /// What a deletion there does here; `null`: by where the appointment came from.
            #[serde(default, deserialize_with = "given")]
            #[schema(value_type = Option<DeleteName>)]
            delete_policy: Option<Option<DeleteName>>,
            /// Whether notes go out.
            #[serde(default, deserialize_with = "given")]
            #[schema(nullable = false)]
            sync_notes: Option<bool>,
            /// Whether a line with the client's contact goes into the description.
            #[serde(default, deserialize_with = "given")]
            #[schema(nullable = false)]
            include_client_contact: Option<bool>,
            /// Whether attendees travel as such, so that the provider may invite them.
            #[serde(default, deserialize_with = "given")]
            #[schema(nullable = false)]
            invite_attendees: Option<bool>,
            /// What becomes of a series that the provider cannot repeat.
            #[serde(default, deserialize_with = "given")]
            #[schema(nullable = false)]
            unsupported_recurrence: Option<UnsupportedName>,
            /// Field there (`title`, `notes`, `location`) → template with fields in braces; takes the place of all of it.
            #[serde(default, deserialize_with = "given")]
            #[schema(nullable = false)]
            field_mapping: Option<BTreeMap<String, String>>,
        }

        impl $name {
            /// The settings with what is said here, checked.
            ///
            /// # Errors
            /// Something cannot be; the problem names it.
            pub(super) fn onto(&self, mut settings: LinkSettings, zone: &Zone) -> Result<LinkSettings, Problem> {
                if let Some(direction) = self.direction {
                    settings.direction = direction.into();
                }
                if let Some(minutes) = self.frequency {
                    settings.interval_ms = interval_ms(minutes)?;
                }
                let policy = &mut settings.policy;
                if let Some(filters) = &self.filters {
                    policy.filters = filters.parsed(zone)?;
                }
                if let Some(privacy) = self.privacy {
                    policy.private = privacy.into();
                }
                if let Some(conflict) = &self.conflict_policy {
                    policy.conflict = conflict.parsed()?;
                }
                if let Some(delete) = self.delete_policy {
                    policy.delete = delete.map(DeletePolicy::from);
                }
                policy.omit_notes = self.sync_notes.map_or(policy.omit_notes, |wanted| !wanted);
                policy.include_client_contact = self.include_client_contact.unwrap_or(policy.include_client_contact);
                policy.invite_attendees = self.invite_attendees.unwrap_or(policy.invite_attendees);
                if let Some(unsupported) = self.unsupported_recurrence {
                    policy.unsupported_recurrence = unsupported.into();
                }
                if let Some(mapping) = &self.field_mapping {
                    policy.field_mapping = mapping.clone();
                }
                policy.check()?;
                Ok(settings)
            }
        }
    };
}

with_settings! {
    /// A change of a link's settings: what is not named stays.
    SettingsChange {
        /// The link.
        link_id: String,
    }
}

with_settings! {
    /// A link to make. What is not named is: both ways, every quarter of an hour, everything that is not private, conflicts
    /// by hand.
    NewLinkInput {
        /// The connection.
        connection_id: String,
        /// The calendar there, as the connection's calendars name it.
        remote_calendar_id: String,
        /// The calendar here, by id or slug.
        calendar: String,
    }
}

/// The settings of a new link of which nothing is said.
pub(super) fn blank() -> LinkSettings {
    LinkSettings {
        direction: Direction::Both,
        interval_ms: FREQUENCY_DEFAULT * MINUTE_MS,
        policy: LinkPolicy::default(),
    }
}

fn interval_ms(minutes: i64) -> Result<i64, Problem> {
    if SYNC_INTERVALS_MIN.contains(&minutes) {
        Ok(minutes * MINUTE_MS)
    } else {
        Err(Problem::value("frequency", "5, 10, 15, 30, 60 or 1440 minutes"))
    }
}

impl From<BadPolicy> for Problem {
    fn from(bad: BadPolicy) -> Problem {
        Problem::value(&camel(&bad.at), bad.reason)
    }
}

/// `conflict_policy.rules[0]` as the JSON names it.
fn camel(path: &str) -> String {
    let mut words = path.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| {
        let mut letters = word.chars();
        let initial = letters.next().map(|c| c.to_ascii_uppercase());
        camel + &initial.into_iter().chain(letters).collect::<String>()
    })
}

impl FiltersShape {
    fn parsed(&self, zone: &Zone) -> Result<Filters, Problem> {
        let time = |field: &str, text: &Option<String>| -> Result<Option<i64>, Problem> {
            text.as_deref().map(|t| Ok(Given::parse(field, t)?.instant(zone).ms())).transpose()
        };
        Ok(Filters {
            appointment_types: self.appointment_types.clone(),
            client_ids: self.client_ids.clone(),
            staff_user_ids: self.staff_user_ids.clone(),
            project_ids: self.project_ids.clone(),
            categories: self.categories.clone(),
            from_ms: time("filters.from", &self.from)?,
            until_ms: time("filters.until", &self.until)?,
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            rules: self.rules.iter().map(|r| rule(r.field, r.operator, &r.value)).collect(),
        })
    }

    fn of(filters: &Filters) -> FiltersShape {
        let time = |ms: Option<i64>| ms.map(|ms| stamp(Instant::from_ms(ms)));
        let shape = |r: &Rule| RuleShape { field: r.field.into(), operator: r.operator.into(), value: r.value.clone() };
        FiltersShape {
            appointment_types: filters.appointment_types.clone(),
            client_ids: filters.client_ids.clone(),
            staff_user_ids: filters.staff_user_ids.clone(),
            project_ids: filters.project_ids.clone(),
            categories: filters.categories.clone(),
            from: time(filters.from_ms),
            until: time(filters.until_ms),
            include: filters.include.clone(),
            exclude: filters.exclude.clone(),
            rules: filters.rules.iter().map(shape).collect(),
        }
    }
}

fn rule(field: FieldName, operator: OperatorName, value: &str) -> Rule {
    Rule { field: field.into(), operator: operator.into(), value: value.to_owned() }
}

impl ConflictShape {
    fn parsed(&self) -> Result<ConflictPolicy, Problem> {
        if !self.links.is_empty() && self.policy != PolicyName::SourcePriority {
            return Err(Problem::value("conflictPolicy.links", "only source_priority has links"));
        }
        if !self.rules.is_empty() && self.policy != PolicyName::Rules {
            return Err(Problem::value("conflictPolicy.rules", "only the policy rules has rules"));
        }
        Ok(match self.policy {
            PolicyName::KeepPlatform => ConflictPolicy::KeepPlatform,
            PolicyName::KeepExternal => ConflictPolicy::KeepExternal,
            PolicyName::MostRecent => ConflictPolicy::MostRecent,
            PolicyName::Manual => ConflictPolicy::Manual,
            PolicyName::SourcePriority => ConflictPolicy::SourcePriority { links: self.links.clone() },
            PolicyName::Rules => ConflictPolicy::Rules {
                rules: self.rules.iter().map(|r| (rule(r.field, r.operator, &r.value), r.resolution.into())).collect(),
            },
        })
    }

    fn of(policy: &ConflictPolicy) -> ConflictShape {
        let plain = |policy| ConflictShape { policy, links: Vec::new(), rules: Vec::new() };
        match policy {
            ConflictPolicy::KeepPlatform => plain(PolicyName::KeepPlatform),
            ConflictPolicy::KeepExternal => plain(PolicyName::KeepExternal),
            ConflictPolicy::MostRecent => plain(PolicyName::MostRecent),
            ConflictPolicy::Manual => plain(PolicyName::Manual),
            ConflictPolicy::SourcePriority { links } => {
                ConflictShape { links: links.clone(), ..plain(PolicyName::SourcePriority) }
            }
            ConflictPolicy::Rules { rules } => ConflictShape {
                rules: rules
                    .iter()
                    .map(|(rule, resolution)| ConflictRuleShape {
                        field: rule.field.into(),
                        operator: rule.operator.into(),
                        value: rule.value.clone(),
                        resolution: (*resolution).into(),
                    })
                    .collect(),
                ..plain(PolicyName::Rules)
            },
        }
    }
}

impl SettingsView {
    /// As the JSON shows a link's settings.
    pub(super) fn of(settings: &LinkSettings) -> SettingsView {
        let policy = &settings.policy;
        SettingsView {
            direction: settings.direction.into(),
            frequency: settings.interval_ms / MINUTE_MS,
            filters: FiltersShape::of(&policy.filters),
            privacy: policy.private.into(),
            conflict_policy: ConflictShape::of(&policy.conflict),
            delete_policy: policy.delete.map(DeleteName::from),
            sync_notes: !policy.omit_notes,
            include_client_contact: policy.include_client_contact,
            invite_attendees: policy.invite_attendees,
            unsupported_recurrence: policy.unsupported_recurrence.into(),
            field_mapping: policy.field_mapping.clone(),
        }
    }
}
