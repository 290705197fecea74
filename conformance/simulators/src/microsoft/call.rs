//! Which method of the API a request means.

use http::Method;
use percent_encoding::percent_decode_str;

macro_rules! calls {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// A method of the API, or an address beside it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the names are those of the API's resources and verbs")]
        pub enum Call { $($name),* }

        impl Call {
            /// The name, as `events.create`.
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
    Authorize = "oauth.authorize", Token = "oauth.token", DeviceCode = "oauth.devicecode", DeviceLogin = "oauth.devicelogin",
    AdminConsent = "oauth.adminconsent", Configuration = "oauth.configuration",
    Batch = "batch", Control = "control", Page = "page",
    Me = "me.get", RevokeSessions = "me.revokeSignInSessions", MailboxSettings = "mailboxSettings.get",
    TimeZones = "supportedTimeZones.list", Translate = "translateExchangeIds",
    CalendarsList = "calendars.list", CalendarsGet = "calendars.get", CalendarsCreate = "calendars.create",
    CalendarsUpdate = "calendars.update", CalendarsDelete = "calendars.delete", GroupsList = "calendarGroups.list",
    EventsList = "events.list", EventsGet = "events.get", EventsCreate = "events.create", EventsUpdate = "events.update",
    EventsDelete = "events.delete", EventsPermanentDelete = "events.permanentDelete", EventsInstances = "events.instances",
    EventsAccept = "events.accept", EventsTentative = "events.tentativelyAccept", EventsDecline = "events.decline",
    EventsCancel = "events.cancel", EventsDismissReminder = "events.dismissReminder",
    CalendarView = "calendarView.list", CalendarViewDelta = "calendarView.delta", EventsDelta = "events.delta",
    SubscriptionsList = "subscriptions.list", SubscriptionsCreate = "subscriptions.create",
    SubscriptionsGet = "subscriptions.get", SubscriptionsUpdate = "subscriptions.update",
    SubscriptionsDelete = "subscriptions.delete", SubscriptionsReauthorize = "subscriptions.reauthorize",
    Unknown = "unknown",
}

impl Call {
    /// A method of the API itself, which needs an access token and counts against the limits.
    pub(crate) fn needs_token(self) -> bool {
        !matches!(
            self,
            Self::Authorize
                | Self::Token
                | Self::DeviceCode
                | Self::DeviceLogin
                | Self::AdminConsent
                | Self::Configuration
                | Self::Batch
                | Self::Control
                | Self::Page
                | Self::Unknown
        )
    }

    /// What shows many events.
    pub(crate) fn lists(self) -> bool {
        matches!(
            self,
            Self::EventsList | Self::EventsInstances | Self::CalendarView | Self::CalendarViewDelta | Self::EventsDelta
        )
    }

    /// What changes an event.
    pub(crate) fn writes(self) -> bool {
        matches!(
            self,
            Self::CalendarsCreate
                | Self::CalendarsUpdate
                | Self::CalendarsDelete
                | Self::EventsCreate
                | Self::EventsUpdate
                | Self::EventsDelete
                | Self::EventsPermanentDelete
                | Self::EventsAccept
                | Self::EventsTentative
                | Self::EventsDecline
                | Self::EventsCancel
                | Self::EventsDismissReminder
        )
    }
}

/// What the path names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// The tenant of an address of the identity platform.
    pub(crate) tenant: String,
    /// Whose mailbox; empty: one's own.
    pub(crate) user: String,
    pub(crate) group: String,
    /// Empty: the default one, or whichever holds the event.
    pub(crate) calendar: String,
    /// An event, or a subscription.
    pub(crate) id: String,
}

/// The call and what it is about.
pub(crate) fn route(method: &Method, path: &str) -> (Call, Target) {
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let verb = method.as_str();
    let mut target = Target::default();
    let call = match parts.as_slice() {
        ["_control", ..] => Call::Control,
        [] | ["c", ..] => Call::Page,
        ["devicelogin"] => Call::DeviceLogin,
        ["v1.0", "$batch"] if verb == "POST" => Call::Batch,
        ["v1.0", "me", rest @ ..] => mailbox(verb, rest, &mut target),
        ["v1.0", "users", user, rest @ ..] => {
            target.user = (*user).to_owned();
            mailbox(verb, rest, &mut target)
        }
        ["v1.0", "subscriptions"] => match verb {
            "GET" => Call::SubscriptionsList,
            "POST" => Call::SubscriptionsCreate,
            _ => Call::Unknown,
        },
        ["v1.0", "subscriptions", id, rest @ ..] => {
            target.id = (*id).to_owned();
            match (verb, rest) {
                ("GET", []) => Call::SubscriptionsGet,
                ("PATCH", []) => Call::SubscriptionsUpdate,
                ("DELETE", []) => Call::SubscriptionsDelete,
                ("POST", ["reauthorize"]) => Call::SubscriptionsReauthorize,
                _ => Call::Unknown,
            }
        }
        [tenant, rest @ ..] => {
            target.tenant = (*tenant).to_owned();
            match (verb, rest) {
                (_, ["oauth2", "v2.0", "authorize"]) => Call::Authorize,
                ("POST", ["oauth2", "v2.0", "token"]) => Call::Token,
                ("POST", ["oauth2", "v2.0", "devicecode"]) => Call::DeviceCode,
                ("GET", ["v2.0", "adminconsent"]) => Call::AdminConsent,
                ("GET", ["v2.0", ".well-known", "openid-configuration"]) => Call::Configuration,
                _ => Call::Unknown,
            }
        }
    };
    (call, target)
}

/// Within a mailbox.
fn mailbox(verb: &str, parts: &[&str], target: &mut Target) -> Call {
    match parts {
        [] if verb == "GET" => Call::Me,
        ["revokeSignInSessions"] if verb == "POST" => Call::RevokeSessions,
        ["mailboxSettings", ..] if verb == "GET" => Call::MailboxSettings,
        ["translateExchangeIds"] if verb == "POST" => Call::Translate,
        ["outlook", zones] if verb == "GET" && zones.starts_with("supportedTimeZones") => Call::TimeZones,
        ["calendarGroups"] if verb == "GET" => Call::GroupsList,
        ["calendarGroups", group, "calendars", rest @ ..] => {
            target.group = (*group).to_owned();
            calendars(verb, rest, target)
        }
        ["calendars", rest @ ..] => calendars(verb, rest, target),
        ["calendar", rest @ ..] => calendar(verb, rest, target),
        rest => inside(verb, rest, target),
    }
}

fn calendars(verb: &str, parts: &[&str], target: &mut Target) -> Call {
    match parts {
        [] => match verb {
            "GET" => Call::CalendarsList,
            "POST" => Call::CalendarsCreate,
            _ => Call::Unknown,
        },
        [id, rest @ ..] => {
            target.calendar = (*id).to_owned();
            calendar(verb, rest, target)
        }
    }
}

fn calendar(verb: &str, parts: &[&str], target: &mut Target) -> Call {
    match (verb, parts) {
        ("GET", []) => Call::CalendarsGet,
        ("PATCH", []) => Call::CalendarsUpdate,
        ("DELETE", []) => Call::CalendarsDelete,
        (_, rest) => inside(verb, rest, target),
    }
}

/// Within a calendar, named or not.
fn inside(verb: &str, parts: &[&str], target: &mut Target) -> Call {
    let delta = |name: &str| matches!(name, "delta" | "delta()" | "microsoft.graph.delta" | "microsoft.graph.delta()");
    match (verb, parts) {
        ("GET", ["calendarView"]) => Call::CalendarView,
        ("GET", ["calendarView", name]) if delta(name) => Call::CalendarViewDelta,
        ("GET", ["events"]) => Call::EventsList,
        ("GET", ["events", name]) if delta(name) => Call::EventsDelta,
        ("POST", ["events"]) => Call::EventsCreate,
        (_, ["events", id, rest @ ..]) => {
            target.id = (*id).to_owned();
            match (verb, rest) {
                ("GET", []) => Call::EventsGet,
                ("PATCH", []) => Call::EventsUpdate,
                ("DELETE", []) => Call::EventsDelete,
                ("GET", ["instances"]) => Call::EventsInstances,
                ("POST", [action]) => match action.trim_start_matches("microsoft.graph.") {
                    "accept" => Call::EventsAccept,
                    "tentativelyAccept" => Call::EventsTentative,
                    "decline" => Call::EventsDecline,
                    "cancel" => Call::EventsCancel,
                    "permanentDelete" => Call::EventsPermanentDelete,
                    "dismissReminder" => Call::EventsDismissReminder,
                    _ => Call::Unknown,
                },
                _ => Call::Unknown,
            }
        }
        _ => Call::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_understood() {
        for (method, path, call) in [
            (Method::GET, "/v1.0/me", Call::Me),
            (Method::GET, "/v1.0/me/calendars/A%3D/events", Call::EventsList),
            (Method::POST, "/v1.0/me/events", Call::EventsCreate),
            (Method::GET, "/v1.0/users/a@b.c/calendar/calendarView/microsoft.graph.delta()", Call::CalendarViewDelta),
            (Method::GET, "/v1.0/me/calendarGroups/g/calendars/c/events/e/instances", Call::EventsInstances),
            (Method::POST, "/v1.0/me/events/e/cancel", Call::EventsCancel),
            (Method::POST, "/common/oauth2/v2.0/token", Call::Token),
            (Method::GET, "/v1.0/me/outlook/supportedTimeZones(TimeZoneStandard='Iana')", Call::TimeZones),
            (Method::POST, "/v1.0/subscriptions/s/reauthorize", Call::SubscriptionsReauthorize),
            (Method::PUT, "/v1.0/me/events/e", Call::Unknown),
            (Method::GET, "/beta/me/events", Call::Unknown),
        ] {
            assert_eq!(route(&method, path).0, call, "{path}");
        }
        assert_eq!(route(&Method::GET, "/v1.0/me/calendars/A%3D/events").1.calendar, "A=");
        assert_eq!(Call::named(Call::EventsDelta.name()), Some(Call::EventsDelta));
    }
}
