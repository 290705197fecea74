//! Attendees between JSON and the record.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::check_count;
use super::text::check_word;
use crate::api::problem::{Code, Problem};
use crate::domain::appointment::{Attendee, AttendeeRole, AttendeeStatus, Organizer};
use crate::ics::CalAddress;

/// Most attendees that a request may name: a meeting; clients cope with more, people do not.
const ATTENDEES_MAX: usize = 500;
/// RFC 5321: 64 octets, an at sign, 255 octets.
const EMAIL_CHARS_MAX: usize = 320;
const NAME_CHARS_MAX: usize = 200;

/// What an attendee is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AttendeeRole)]
pub enum Role {
    /// Leads it.
    Chair,
    /// Takes part.
    Required,
    /// May take part.
    Optional,
    /// Is told of it.
    Informed,
}

/// What an attendee answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AttendeeStatus)]
pub enum State {
    /// Nothing yet.
    NeedsAction,
    /// Comes.
    Accepted,
    /// Does not come.
    Declined,
    /// Comes perhaps.
    Tentative,
    /// Sends somebody else.
    Delegated,
}

/// Role and answer of the API beside those of the record.
const ROLES: [(Role, AttendeeRole); 4] = [
    (Role::Chair, AttendeeRole::Chair),
    (Role::Required, AttendeeRole::Required),
    (Role::Optional, AttendeeRole::Optional),
    (Role::Informed, AttendeeRole::Informed),
];
const STATES: [(State, AttendeeStatus); 5] = [
    (State::NeedsAction, AttendeeStatus::NeedsAction),
    (State::Accepted, AttendeeStatus::Accepted),
    (State::Declined, AttendeeStatus::Declined),
    (State::Tentative, AttendeeStatus::Tentative),
    (State::Delegated, AttendeeStatus::Delegated),
];

/// One who takes part.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttendeeInput {
    /// A mail address.
    #[schema(max_length = 320, example = "bob@example.org")]
    pub email: Option<String>,
    /// Instead of a mail address, for those who have none: a URI, as the answer shows it.
    #[schema(max_length = 320)]
    pub uri: Option<String>,
    /// How they are called.
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// `required` unless said otherwise.
    pub role: Option<Role>,
    /// `needs_action` unless said otherwise.
    pub status: Option<State>,
}

/// One who takes part.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Attendee)]
pub struct AttendeeView {
    /// The mail address, if there is one.
    #[schema(required)]
    email: Option<String>,
    /// The address as a URI, if it is no mail address.
    #[schema(required)]
    uri: Option<String>,
    /// How they are called.
    #[schema(required)]
    name: Option<String>,
    /// What they are there for.
    role: Role,
    /// What they answered.
    status: State,
}

/// The one who invites; set by the calendar client that sent the invitations.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Organizer)]
pub struct OrganizerView {
    /// The mail address, if there is one.
    #[schema(required)]
    email: Option<String>,
    /// The address as a URI, if it is no mail address.
    #[schema(required)]
    uri: Option<String>,
    /// How they are called.
    #[schema(required)]
    name: Option<String>,
}

fn shown(address: &CalAddress) -> (Option<String>, Option<String>) {
    match address.email() {
        Some(email) => (Some(email.to_owned()), None),
        None => (None, Some(address.uri().to_owned())),
    }
}

impl AttendeeView {
    /// As the JSON shows an attendee.
    #[must_use]
    pub fn of(attendee: &Attendee) -> AttendeeView {
        let (email, uri) = shown(&attendee.address);
        AttendeeView {
            email,
            uri,
            name: attendee.name.clone(),
            role: ROLES.iter().find(|(_, r)| *r == attendee.role).map_or(Role::Required, |(r, _)| *r),
            status: STATES.iter().find(|(_, s)| *s == attendee.status).map_or(State::NeedsAction, |(s, _)| *s),
        }
    }
}

impl OrganizerView {
    /// As the JSON shows the organizer.
    #[must_use]
    pub fn of(organizer: Organizer) -> OrganizerView {
        let (email, uri) = shown(&organizer.address);
        OrganizerView { email, uri, name: organizer.name }
    }
}

/// The attendees that were given; who is there already keeps what is not said anew.
///
/// # Errors
/// An address is none or is named twice.
pub fn read(given: &[AttendeeInput], before: &[Attendee]) -> Result<Vec<Attendee>, Problem> {
    check_count("attendees", given.len(), ATTENDEES_MAX)?;
    let mut attendees: Vec<Attendee> = Vec::with_capacity(given.len());
    for (at, input) in given.iter().enumerate() {
        let address = address(input, at)?;
        if attendees.iter().any(|a| a.address == address) {
            return Err(Problem::value(&format!("attendees[{at}]"), "the address is named twice"));
        }
        if let Some(name) = &input.name {
            check_word(&format!("attendees[{at}].name"), name, NAME_CHARS_MAX)?;
        }
        let known = before.iter().find(|a| a.address == address);
        let role = input.role.and_then(|role| ROLES.iter().find(|(r, _)| *r == role)).map(|(_, role)| *role);
        let status = input.status.and_then(|state| STATES.iter().find(|(s, _)| *s == state)).map(|(_, state)| *state);
        attendees.push(Attendee {
            address,
            name: input.name.clone().or_else(|| known.and_then(|k| k.name.clone())),
            role: role.or(known.map(|k| k.role)).unwrap_or_default(),
            status: status.or(known.map(|k| k.status)).unwrap_or_default(),
        });
    }
    Ok(attendees)
}

fn address(input: &AttendeeInput, at: usize) -> Result<CalAddress, Problem> {
    match (&input.email, &input.uri) {
        (Some(email), None) => {
            let field = format!("attendees[{at}].email");
            check_word(&field, email, EMAIL_CHARS_MAX)?;
            let is_email = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
            if !is_email || email.contains(|c: char| c.is_whitespace() || ",;:<>?\"".contains(c)) {
                return Err(Problem::value(&field, "this is not a mail address"));
            }
            Ok(CalAddress::new(&format!("mailto:{email}")))
        }
        (None, Some(uri)) => {
            let field = format!("attendees[{at}].uri");
            check_word(&field, uri, EMAIL_CHARS_MAX)?;
            if uri.contains(char::is_whitespace) || !uri.contains(':') && !uri.starts_with('/') {
                return Err(Problem::value(&field, "this is not a URI"));
            }
            Ok(CalAddress::new(uri))
        }
        (None, None) => {
            let field = format!("attendees[{at}].email");
            Err(Problem::new(Code::MissingField, "an attendee has a mail address").at(&field))
        }
        (Some(_), Some(_)) => Err(Problem::value(&format!("attendees[{at}].uri"), "either email or uri")),
    }
}
