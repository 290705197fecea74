//! What an ICS feed shows, to whom how much.

use serde::{Deserialize, Serialize};

/// How much a feed tells of an appointment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedPrivacy {
    /// Everything.
    #[default]
    Details,
    /// Start, end and title.
    TitlesOnly,
    /// Start, end and "Busy"; nothing else.
    BusyOnly,
}

impl FeedPrivacy {
    /// The name in the API and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FeedPrivacy::Details => "details",
            FeedPrivacy::TitlesOnly => "titles_only",
            FeedPrivacy::BusyOnly => "busy_only",
        }
    }

    /// The privacy of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<FeedPrivacy> {
        [FeedPrivacy::Details, FeedPrivacy::TitlesOnly, FeedPrivacy::BusyOnly].into_iter().find(|p| p.as_str() == text)
    }
}

/// What becomes of appointments that are private (CLASS other than PUBLIC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivateAppointments {
    /// They are shown as "Busy".
    #[default]
    Mask,
    /// They are left out.
    Omit,
}

/// Which form a feed has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedKind {
    /// Components of calendars.
    #[default]
    Calendar,
    /// One VFREEBUSY over all calendars that make their owner busy.
    FreeBusy,
}

/// How far a feed reaches back by default, in days.
pub const WINDOW_BACK_DAYS: u32 = 30;
/// How far a feed reaches ahead by default, in days.
pub const WINDOW_AHEAD_DAYS: u32 = 180;

/// Which time a feed shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedWindow {
    /// So many days back and ahead of now. A recurring master that touches it is sent whole.
    Days {
        /// Days back.
        back: u32,
        /// Days ahead.
        ahead: u32,
    },
    /// Everything.
    All,
}

impl Default for FeedWindow {
    fn default() -> FeedWindow {
        FeedWindow::Days { back: WINDOW_BACK_DAYS, ahead: WINDOW_AHEAD_DAYS }
    }
}

/// What a feed lets through; an empty list lets everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedFilters {
    /// The platform's projects.
    pub project_ids: Vec<String>,
    /// Members of staff (technicians).
    pub staff_user_ids: Vec<String>,
    /// Appointment types.
    pub appointment_types: Vec<String>,
    /// The platform's clients.
    pub client_ids: Vec<String>,
    /// CATEGORIES, whatever the case.
    pub categories: Vec<String>,
}

/// What a feed shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedSettings {
    /// The name its subscribers see. Without one they see that of its one calendar or of its owner, or none where they
    /// see busy times only; what the owner calls the feed is never told.
    pub name: Option<String>,
    /// Its form.
    pub kind: FeedKind,
    /// Ids of the calendars it shows; empty: all of its owner's.
    pub calendars: Vec<String>,
    /// How much it tells.
    pub privacy: FeedPrivacy,
    /// What becomes of private appointments.
    pub private: PrivateAppointments,
    /// Which time it shows.
    pub window: FeedWindow,
    /// What it lets through.
    pub filters: FeedFilters,
}
