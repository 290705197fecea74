//! The words of settings and decisions, as the JSON and the document have them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::sync::{
    DeletePolicy, Direction, PrivatePolicy, Resolution, RuleField, RuleOperator, UnsupportedRecurrence,
};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $schema:ident of $domain:ident { $($(#[$vdoc:meta])* $variant:ident,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[schema(as = $schema)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl From<$name> for $domain {
            fn from(word: $name) -> $domain {
                match word { $($name::$variant => $domain::$variant,)+ }
            }
        }

        impl From<$domain> for $name {
            fn from(word: $domain) -> $name {
                match word { $($domain::$variant => $name::$variant,)+ }
            }
        }
    )+};
}

words! {
    /// Which way a link carries changes.
    DirectionName = SyncDirection of Direction {
        /// From here to the provider.
        Push,
        /// From the provider to here.
        Pull,
        /// Both.
        Both,
    }
    /// What happens here when an event is deleted or cancelled there.
    DeleteName = SyncDeletePolicy of DeletePolicy {
        /// The appointment becomes cancelled and is kept.
        Cancel,
        /// The appointment is kept and flagged.
        MarkExternalRemoved,
        /// The appointment is deleted.
        Delete,
    }
    /// What a link does with a series that its provider cannot repeat.
    UnsupportedName = SyncUnsupportedRecurrence of UnsupportedRecurrence {
        /// It stays here; the link's warnings tell why.
        KeepLocal,
        /// Its instances of the coming half year go out as single events; the link's warnings tell why.
        Expand,
    }
    /// What a rule looks at.
    FieldName = SyncRuleField of RuleField {
        /// The title.
        Title,
        /// The notes.
        Notes,
        /// The location.
        Location,
        /// Any category.
        Category,
        /// The status.
        Status,
        /// The platform's type.
        AppointmentType,
        /// The platform's client.
        ClientId,
        /// The member of staff.
        StaffUserId,
        /// The platform's project.
        ProjectId,
        /// `true` or `false`.
        AllDay,
        /// `true` or `false`.
        Recurring,
        /// `true` or `false`.
        Private,
    }
    /// How a rule compares, without regard to case.
    OperatorName = SyncRuleOperator of RuleOperator {
        /// The same.
        Equals,
        /// Not the same.
        NotEquals,
        /// It is in it.
        Contains,
        /// It is not in it.
        NotContains,
        /// It begins with it.
        StartsWith,
        /// It ends with it.
        EndsWith,
        /// There is one.
        Exists,
        /// There is none.
        NotExists,
    }
    /// How a conflict is decided.
    ResolutionName = SyncResolution of Resolution {
        /// Our side wins.
        KeepPlatform,
        /// The provider's side wins.
        KeepExternal,
        /// Field by field, as chosen.
        Merge,
        /// The side that was changed last wins.
        MostRecent,
    }
}

/// What a link does with private appointments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SyncPrivacy)]
pub enum PrivacyName {
    /// They stay here.
    #[serde(rename = "exclude_private")]
    Exclude,
    /// They go out as "Busy", with their times and nothing else.
    #[serde(rename = "mask_private")]
    Mask,
    /// They go out whole.
    #[serde(rename = "include_private")]
    Include,
}

/// What happens with two sides that changed the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SyncConflictPolicyName)]
pub enum PolicyName {
    /// Our side wins.
    KeepPlatform,
    /// The provider's side wins.
    KeepExternal,
    /// The side changed last wins.
    MostRecent,
    /// The link that comes first among `links` wins; this side over links that are not named.
    SourcePriority,
    /// The first of `rules` that matches decides.
    Rules,
    /// Both sides wait for a decision.
    Manual,
}

impl From<PrivacyName> for PrivatePolicy {
    fn from(name: PrivacyName) -> PrivatePolicy {
        match name {
            PrivacyName::Exclude => PrivatePolicy::Exclude,
            PrivacyName::Mask => PrivatePolicy::Mask,
            PrivacyName::Include => PrivatePolicy::Include,
        }
    }
}

impl From<PrivatePolicy> for PrivacyName {
    fn from(policy: PrivatePolicy) -> PrivacyName {
        match policy {
            PrivatePolicy::Exclude => PrivacyName::Exclude,
            PrivatePolicy::Mask => PrivacyName::Mask,
            PrivatePolicy::Include => PrivacyName::Include,
        }
    }
}
