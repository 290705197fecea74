//! A feed as JSON: what a client may say about one, and what it is shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::appointments::{calendar_named, check_word, reader_zone};
use crate::api::extract::Visitor;
use crate::api::given::{given, given_object};
use crate::api::problem::Problem;
use crate::api::times::{Given, stamp};
use crate::domain::access::Right;
use crate::domain::feed::{FeedFilters, FeedKind, FeedPrivacy, FeedWindow, PrivateAppointments};
use crate::store::{Feed, NewFeed, ReadTx};

const NAME_CHARS_MAX: usize = 200;
/// Calendars and filter words of one feed.
const WORDS_MAX: usize = 100;
const WORD_CHARS_MAX: usize = 200;
/// The furthest a window reaches: ten years and the leap days in them.
const WINDOW_DAYS_MAX: u32 = 3_653;

/// Which form a feed has.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FeedKind)]
pub enum Kind {
    /// Appointments.
    Calendar,
    /// Busy times alone, in one VFREEBUSY.
    FreeBusy,
}

/// How much a feed tells of an appointment.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FeedPrivacy)]
pub enum Privacy {
    /// Everything.
    Details,
    /// Start, end and title.
    TitlesOnly,
    /// Start, end and "Busy".
    BusyOnly,
}

/// What becomes of private appointments.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PrivateAppointments)]
pub enum Private {
    /// They are shown as "Busy".
    Mask,
    /// They are left out.
    Omit,
}

/// Which time a feed shows: `"all"`, or days back and ahead of now.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FeedWindow)]
pub enum Time {
    /// So many days; series that touch them are sent whole.
    Days(Days),
    /// Everything.
    All,
}

/// Days back and ahead of now.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FeedDays)]
pub struct Days {
    /// Days back.
    #[schema(maximum = 3653)]
    back: u32,
    /// Days ahead.
    #[schema(maximum = 3653)]
    ahead: u32,
}

/// What a feed lets through; an empty list lets everything through.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FeedFilters)]
pub struct Filters {
    /// The platform's projects.
    #[serde(default)]
    #[schema(max_items = 100)]
    project_ids: Vec<String>,
    /// Members of staff.
    #[serde(default)]
    #[schema(max_items = 100)]
    staff_user_ids: Vec<String>,
    /// Appointment types.
    #[serde(default)]
    #[schema(max_items = 100)]
    appointment_types: Vec<String>,
    /// The platform's clients.
    #[serde(default)]
    #[schema(max_items = 100)]
    client_ids: Vec<String>,
    /// Categories, whatever the case.
    #[serde(default)]
    #[schema(max_items = 100)]
    categories: Vec<String>,
}

/// A feed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Feed)]
pub struct FeedView {
    /// Its id.
    id: String,
    /// How its owner calls it.
    name: String,
    /// The secret address; `null` once it is revoked.
    #[schema(required)]
    url: Option<String>,
    /// The same for calendar programs to subscribe to at a click.
    #[schema(required)]
    webcal_url: Option<String>,
    /// Its form.
    kind: Kind,
    /// Ids of the calendars it shows; empty: all.
    calendars: Vec<String>,
    /// How much it tells.
    privacy: Privacy,
    /// What becomes of private appointments.
    private: Private,
    /// Which time it shows.
    window: Time,
    /// What it lets through.
    filters: Filters,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
    /// When its settings or address were last changed.
    #[schema(format = DateTime)]
    changed: String,
    /// When it stops working by itself.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// Since when it is refused.
    #[schema(required, format = DateTime)]
    revoked_at: Option<String>,
    /// When it was last fetched.
    #[schema(required, format = DateTime)]
    last_fetched_at: Option<String>,
    /// By which client program.
    #[schema(required)]
    last_fetched_by: Option<String>,
    /// How often it was fetched.
    #[schema(minimum = 0)]
    fetch_count: i64,
}

/// A feed to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFeedInput {
    /// How its owner calls it.
    #[schema(min_length = 1, max_length = 200, example = "For my phone")]
    name: String,
    /// Appointments unless said otherwise.
    kind: Option<Kind>,
    /// Ids or slugs of the calendars it shows; all if none is named.
    #[serde(default)]
    #[schema(max_items = 100)]
    calendars: Vec<String>,
    /// Everything unless said otherwise.
    privacy: Option<Privacy>,
    /// Masked unless said otherwise.
    private: Option<Private>,
    /// 30 days back and 180 ahead unless said otherwise.
    window: Option<Time>,
    /// What it lets through.
    filters: Option<Filters>,
    /// When it stops working by itself: in the future.
    expires_at: Option<String>,
}

/// A change of a feed: what is not named stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedChange {
    /// How its owner calls it.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Its form.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    kind: Option<Kind>,
    /// Ids or slugs of the calendars it shows; all if the list is empty.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, max_items = 100)]
    calendars: Option<Vec<String>>,
    /// How much it tells.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    privacy: Option<Privacy>,
    /// What becomes of private appointments.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    private: Option<Private>,
    /// Which time it shows.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    window: Option<Time>,
    /// Replaces all filters.
    #[serde(default, deserialize_with = "given_object")]
    #[schema(nullable = false)]
    filters: Option<Filters>,
    /// When it stops working by itself; `null`: never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    expires_at: Option<Option<String>>,
}

impl From<NewFeedInput> for FeedChange {
    fn from(new: NewFeedInput) -> FeedChange {
        FeedChange {
            name: Some(new.name),
            kind: new.kind,
            calendars: Some(new.calendars),
            privacy: new.privacy,
            private: new.private,
            window: new.window,
            filters: new.filters,
            expires_at: new.expires_at.map(Some),
        }
    }
}

impl FeedChange {
    /// What the feed is after the change.
    ///
    /// # Errors
    /// What cannot be, with the field.
    pub(super) async fn made(self, tx: &mut ReadTx, visitor: &Visitor, before: NewFeed) -> Result<NewFeed, Problem> {
        let mut feed = before;
        let settings = &mut feed.settings;
        if let Some(name) = self.name {
            check_word("name", &name, NAME_CHARS_MAX)?;
            feed.label = name;
        }
        settings.kind = match self.kind {
            Some(Kind::Calendar) => FeedKind::Calendar,
            Some(Kind::FreeBusy) => FeedKind::FreeBusy,
            None => settings.kind,
        };
        settings.privacy = match self.privacy {
            Some(Privacy::Details) => FeedPrivacy::Details,
            Some(Privacy::TitlesOnly) => FeedPrivacy::TitlesOnly,
            Some(Privacy::BusyOnly) => FeedPrivacy::BusyOnly,
            None => settings.privacy,
        };
        settings.private = match self.private {
            Some(Private::Mask) => PrivateAppointments::Mask,
            Some(Private::Omit) => PrivateAppointments::Omit,
            None => settings.private,
        };
        settings.window = match self.window {
            Some(Time::Days(Days { back, ahead })) if back.max(ahead) > WINDOW_DAYS_MAX => {
                return Err(Problem::value("window", format!("at most {WINDOW_DAYS_MAX} days")));
            }
            Some(Time::Days(Days { back, ahead })) => FeedWindow::Days { back, ahead },
            Some(Time::All) => FeedWindow::All,
            None => settings.window,
        };
        if let Some(filters) = self.filters {
            settings.filters = filters.checked()?;
        }
        if let Some(names) = self.calendars {
            if names.len() > WORDS_MAX {
                return Err(Problem::value("calendars", format!("at most {WORDS_MAX}")));
            }
            settings.calendars.clear();
            for (at, name) in names.iter().enumerate() {
                let field = format!("calendars[{at}]");
                let (_, calendar) = calendar_named(tx, &visitor.caller, name, Right::Read, &field).await?;
                if !settings.calendars.iter().any(|id| id == calendar.id.as_str()) {
                    settings.calendars.push(calendar.id.as_str().to_owned());
                }
            }
        }
        if let Some(expires) = self.expires_at {
            let zone = reader_zone(tx, &visitor.caller).await?;
            let at = expires.as_deref().map(|text| Given::parse("expires_at", text)).transpose()?;
            feed.expires_ms = at.map(|at| at.instant(&zone).ms());
            if feed.expires_ms.is_some_and(|ms| ms <= tx.now().ms()) {
                return Err(Problem::value("expires_at", "it lies in the past"));
            }
        }
        Ok(feed)
    }
}

impl Filters {
    fn checked(self) -> Result<FeedFilters, Problem> {
        for (name, list) in [
            ("project_ids", &self.project_ids),
            ("staff_user_ids", &self.staff_user_ids),
            ("appointment_types", &self.appointment_types),
            ("client_ids", &self.client_ids),
            ("categories", &self.categories),
        ] {
            if list.len() > WORDS_MAX {
                return Err(Problem::value(&format!("filters.{name}"), format!("at most {WORDS_MAX}")));
            }
            for (at, word) in list.iter().enumerate() {
                check_word(&format!("filters.{name}[{at}]"), word, WORD_CHARS_MAX)?;
            }
        }
        Ok(FeedFilters {
            project_ids: self.project_ids,
            staff_user_ids: self.staff_user_ids,
            appointment_types: self.appointment_types,
            client_ids: self.client_ids,
            categories: self.categories,
        })
    }
}

impl FeedView {
    /// As the JSON shows a feed; `url` is where it is fetched.
    pub(super) fn of(feed: &Feed, url: Option<String>) -> FeedView {
        let settings = &feed.settings;
        FeedView {
            id: feed.id.as_str().to_owned(),
            name: feed.label.clone(),
            webcal_url: url.as_deref().and_then(webcal),
            url,
            kind: match settings.kind {
                FeedKind::Calendar => Kind::Calendar,
                FeedKind::FreeBusy => Kind::FreeBusy,
            },
            calendars: settings.calendars.clone(),
            privacy: match settings.privacy {
                FeedPrivacy::Details => Privacy::Details,
                FeedPrivacy::TitlesOnly => Privacy::TitlesOnly,
                FeedPrivacy::BusyOnly => Privacy::BusyOnly,
            },
            private: match settings.private {
                PrivateAppointments::Mask => Private::Mask,
                PrivateAppointments::Omit => Private::Omit,
            },
            window: match settings.window {
                FeedWindow::Days { back, ahead } => Time::Days(Days { back, ahead }),
                FeedWindow::All => Time::All,
            },
            filters: Filters {
                project_ids: settings.filters.project_ids.clone(),
                staff_user_ids: settings.filters.staff_user_ids.clone(),
                appointment_types: settings.filters.appointment_types.clone(),
                client_ids: settings.filters.client_ids.clone(),
                categories: settings.filters.categories.clone(),
            },
            created: stamp(feed.created),
            changed: stamp(feed.changed),
            expires_at: feed.expires.map(stamp),
            revoked_at: feed.revoked.map(stamp),
            last_fetched_at: feed.last_fetched.as_ref().map(|(at, _)| stamp(*at)),
            last_fetched_by: feed.last_fetched.as_ref().map(|(_, by)| by.clone()),
            fetch_count: feed.fetch_count,
        }
    }
}

/// The address with the scheme that calendar programs register for.
pub(super) fn webcal(url: &str) -> Option<String> {
    url.split_once("://").map(|(_, rest)| format!("webcal://{rest}"))
}
