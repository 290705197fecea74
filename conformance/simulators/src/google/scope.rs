//! Which scope allows which call.

use super::call::Call;

/// What every scope of the calendar API begins with.
pub const SCOPE_PREFIX: &str = "https://www.googleapis.com/auth/";

const CALENDAR: &[&str] = &["calendar"];

/// The short names of the scopes of which one suffices.
pub(crate) fn sufficient(call: Call) -> &'static [&'static str] {
    match call {
        Call::CalendarListList | Call::CalendarListWatch => {
            &["calendar", "calendar.readonly", "calendar.calendarlist", "calendar.calendarlist.readonly"]
        }
        Call::CalendarListGet => &[
            "calendar",
            "calendar.readonly",
            "calendar.calendarlist",
            "calendar.calendarlist.readonly",
            "calendar.app.created",
        ],
        Call::CalendarListInsert => &["calendar", "calendar.calendarlist"],
        Call::CalendarListPatch | Call::CalendarListUpdate | Call::CalendarListDelete => {
            &["calendar", "calendar.calendarlist", "calendar.app.created"]
        }
        Call::CalendarsGet => &[
            "calendar",
            "calendar.readonly",
            "calendar.calendars",
            "calendar.calendars.readonly",
            "calendar.app.created",
        ],
        Call::CalendarsInsert | Call::CalendarsPatch | Call::CalendarsUpdate | Call::CalendarsDelete => {
            &["calendar", "calendar.calendars", "calendar.app.created"]
        }
        Call::EventsList | Call::EventsGet | Call::EventsInstances | Call::EventsWatch => &[
            "calendar",
            "calendar.readonly",
            "calendar.events",
            "calendar.events.readonly",
            "calendar.events.owned",
            "calendar.events.owned.readonly",
            "calendar.events.freebusy",
            "calendar.events.public.readonly",
            "calendar.app.created",
        ],
        Call::EventsInsert
        | Call::EventsImport
        | Call::EventsPatch
        | Call::EventsUpdate
        | Call::EventsDelete
        | Call::EventsQuickAdd => &["calendar", "calendar.events", "calendar.events.owned", "calendar.app.created"],
        Call::EventsMove => &["calendar", "calendar.events", "calendar.events.owned"],
        Call::ColorsGet => &[
            "calendar",
            "calendar.readonly",
            "calendar.app.created",
            "calendar.calendarlist",
            "calendar.calendarlist.readonly",
            "calendar.events.owned",
            "calendar.events.owned.readonly",
            "calendar.events.freebusy",
            "calendar.events.public.readonly",
        ],
        Call::SettingsGet | Call::SettingsList => {
            &["calendar", "calendar.readonly", "calendar.settings", "calendar.settings.readonly"]
        }
        Call::FreebusyQuery => &["calendar", "calendar.readonly", "calendar.freebusy", "calendar.events.freebusy"],
        // Stopping a channel is open to whoever could have opened it.
        Call::ChannelsStop => &[
            "calendar",
            "calendar.readonly",
            "calendar.events",
            "calendar.events.readonly",
            "calendar.calendarlist",
            "calendar.calendarlist.readonly",
            "calendar.events.owned",
            "calendar.events.owned.readonly",
            "calendar.events.freebusy",
            "calendar.events.public.readonly",
            "calendar.app.created",
            "calendar.settings",
            "calendar.settings.readonly",
        ],
        Call::Authorize
        | Call::Token
        | Call::Revoke
        | Call::Userinfo
        | Call::Batch
        | Call::Control
        | Call::Page
        | Call::Unknown => CALENDAR,
    }
}

/// How far the scopes of a token reach for one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Every calendar the account sees.
    pub(crate) all: bool,
    /// Calendars the account owns.
    pub(crate) owned: bool,
    /// Calendars this client made.
    pub(crate) created: bool,
}

impl Reach {
    pub(crate) fn of(call: Call, granted: &[String]) -> Self {
        let mut reach = Self::default();
        for scope in sufficient(call) {
            let full = |name: &String| name.strip_prefix(SCOPE_PREFIX) == Some(*scope);
            if !granted.iter().any(full) {
                continue;
            }
            match *scope {
                "calendar.app.created" => reach.created = true,
                "calendar.events.owned" | "calendar.events.owned.readonly" => reach.owned = true,
                // No calendar here is public.
                "calendar.events.public.readonly" if call != Call::ColorsGet => {}
                _ => reach.all = true,
            }
        }
        reach
    }

    pub(crate) fn any(self) -> bool {
        self.all || self.owned || self.created
    }
}
