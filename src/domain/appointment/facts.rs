//! What the platform knows of an appointment and no iCalendar text may carry.

use serde::{Deserialize, Serialize};

/// The longest fact, in characters; they are identifiers and short words.
pub const FACT_CHARS_MAX: usize = 200;

/// What the platform that owns an appointment knows of it. Lives in columns beside the object, so that no client
/// can drop it and no feed can leak it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// E.g. `one_on_one`, `group_class`, `assessment`.
    pub appointment_type: Option<String>,
    /// The platform's client.
    pub client_id: Option<String>,
    /// The member of staff it is held by (a technician).
    pub staff_user_id: Option<String>,
    /// The platform's project.
    pub project_id: Option<String>,
}
