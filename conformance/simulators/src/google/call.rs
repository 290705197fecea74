//! Which method of the API a request means.

use http::Method;
use percent_encoding::percent_decode_str;

macro_rules! calls {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// A method of the API, or an address beside it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the names are those of Google's API description")]
        pub enum Call { $($name),* }

        impl Call {
            /// The name in Google's API description, or one of the same form.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The call of that name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

calls! {
    Authorize = "oauth.authorize", Token = "oauth.token", Revoke = "oauth.revoke", Userinfo = "oauth.userinfo",
    Batch = "batch", Control = "control", Page = "page",
    CalendarListList = "calendarList.list", CalendarListGet = "calendarList.get", CalendarListInsert = "calendarList.insert",
    CalendarListPatch = "calendarList.patch", CalendarListUpdate = "calendarList.update",
    CalendarListDelete = "calendarList.delete", CalendarListWatch = "calendarList.watch",
    CalendarsGet = "calendars.get", CalendarsInsert = "calendars.insert", CalendarsPatch = "calendars.patch",
    CalendarsUpdate = "calendars.update", CalendarsDelete = "calendars.delete",
    EventsList = "events.list", EventsGet = "events.get", EventsInsert = "events.insert", EventsImport = "events.import",
    EventsUpdate = "events.update", EventsPatch = "events.patch", EventsDelete = "events.delete", EventsMove = "events.move",
    EventsInstances = "events.instances", EventsWatch = "events.watch", EventsQuickAdd = "events.quickAdd",
    FreebusyQuery = "freebusy.query", ColorsGet = "colors.get", SettingsList = "settings.list", SettingsGet = "settings.get",
    ChannelsStop = "channels.stop", Unknown = "unknown",
}

impl Call {
    /// A method of the API itself, which needs an access token and counts against the quotas.
    pub(crate) fn needs_token(self) -> bool {
        !matches!(
            self,
            Self::Authorize
                | Self::Token
                | Self::Revoke
                | Self::Userinfo
                | Self::Batch
                | Self::Control
                | Self::Page
                | Self::Unknown
        )
    }
}

/// What the path names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) calendar: String,
    pub(crate) event: String,
}

/// The call and what it is about.
pub(crate) fn route(method: &Method, path: &str) -> (Call, Target) {
    let raw: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let decoded = |at: usize| -> String {
        raw.get(at).map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).unwrap_or_default()
    };
    let target = |calendar: usize, event: usize| Target { calendar: decoded(calendar), event: decoded(event) };
    let none = Target::default();
    let verb = method.as_str();
    if raw.first() == Some(&"_control") {
        return (Call::Control, none);
    }
    let rest: Vec<&str> = match raw.as_slice() {
        ["calendar", "v3", rest @ ..] => rest.to_vec(),
        ["batch", "calendar", "v3"] if verb == "POST" => return (Call::Batch, none),
        ["o", "oauth2", "v2", "auth"] => return (Call::Authorize, none),
        ["token"] if verb == "POST" => return (Call::Token, none),
        ["revoke"] if verb == "POST" => return (Call::Revoke, none),
        ["userinfo"] | ["v1", "userinfo"] => return (Call::Userinfo, none),
        [] | ["c", ..] => return (Call::Page, none),
        _ => return (Call::Unknown, none),
    };
    match (verb, rest.as_slice()) {
        ("GET", ["users", "me", "calendarList"]) => (Call::CalendarListList, none),
        ("POST", ["users", "me", "calendarList"]) => (Call::CalendarListInsert, none),
        ("POST", ["users", "me", "calendarList", "watch"]) => (Call::CalendarListWatch, none),
        ("GET", ["users", "me", "calendarList", _]) => (Call::CalendarListGet, target(5, 99)),
        ("PATCH", ["users", "me", "calendarList", _]) => (Call::CalendarListPatch, target(5, 99)),
        ("PUT", ["users", "me", "calendarList", _]) => (Call::CalendarListUpdate, target(5, 99)),
        ("DELETE", ["users", "me", "calendarList", _]) => (Call::CalendarListDelete, target(5, 99)),
        ("GET", ["users", "me", "settings"]) => (Call::SettingsList, none),
        ("GET", ["users", "me", "settings", _]) => (Call::SettingsGet, target(99, 5)),
        ("POST", ["calendars"]) => (Call::CalendarsInsert, none),
        ("GET", ["calendars", _]) => (Call::CalendarsGet, target(3, 99)),
        ("PATCH", ["calendars", _]) => (Call::CalendarsPatch, target(3, 99)),
        ("PUT", ["calendars", _]) => (Call::CalendarsUpdate, target(3, 99)),
        ("DELETE", ["calendars", _]) => (Call::CalendarsDelete, target(3, 99)),
        ("GET", ["calendars", _, "events"]) => (Call::EventsList, target(3, 99)),
        ("POST", ["calendars", _, "events"]) => (Call::EventsInsert, target(3, 99)),
        ("POST", ["calendars", _, "events", "import"]) => (Call::EventsImport, target(3, 99)),
        ("POST", ["calendars", _, "events", "quickAdd"]) => (Call::EventsQuickAdd, target(3, 99)),
        ("POST", ["calendars", _, "events", "watch"]) => (Call::EventsWatch, target(3, 99)),
        ("GET", ["calendars", _, "events", _]) => (Call::EventsGet, target(3, 5)),
        ("PUT", ["calendars", _, "events", _]) => (Call::EventsUpdate, target(3, 5)),
        ("PATCH", ["calendars", _, "events", _]) => (Call::EventsPatch, target(3, 5)),
        ("DELETE", ["calendars", _, "events", _]) => (Call::EventsDelete, target(3, 5)),
        ("POST", ["calendars", _, "events", _, "move"]) => (Call::EventsMove, target(3, 5)),
        ("GET", ["calendars", _, "events", _, "instances"]) => (Call::EventsInstances, target(3, 5)),
        ("POST", ["freeBusy"]) => (Call::FreebusyQuery, none),
        ("GET", ["colors"]) => (Call::ColorsGet, none),
        ("POST", ["channels", "stop"]) => (Call::ChannelsStop, none),
        _ => (Call::Unknown, none),
    }
}
