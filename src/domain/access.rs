//! Who is asking, and the proof that they may.

use super::ids::{CalendarId, FirmId, Slug, UserId, UserName};

/// A user's role in the firm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A client of the firm.
    Client,
    /// One who works there.
    Staff,
    /// One who may also do what the admin endpoints offer, inside the own firm.
    Manager,
}

impl Role {
    /// The role's name in the API and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Client => "client",
            Role::Staff => "staff",
            Role::Manager => "manager",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Role> {
        [Role::Client, Role::Staff, Role::Manager].into_iter().find(|r| r.as_str() == text)
    }
}

/// What a bearer of an API token may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Appointments, availability, calendars, feeds.
    Appointments,
    /// Connections, links, runs, conflicts.
    Sync,
    /// The admin endpoints (and only with role `manager`).
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 3] = [Scope::Appointments, Scope::Sync, Scope::Admin];

    /// The scope's name in the API and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Appointments => "appointments",
            Scope::Sync => "sync",
            Scope::Admin => "admin",
        }
    }

    /// The scope of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// What may be done with a calendar. Ordered: a later right includes the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See it and what is in it.
    Read,
    /// Change what is in it.
    Write,
    /// Rename, delete, share it.
    Own,
}

/// How the caller proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The user's own password, by HTTP Basic.
    Password,
    /// An app password, with its id.
    AppPassword(String),
    /// An API token, with its id and scopes.
    Token(String, Vec<Scope>),
    /// A browser session, with its id.
    Session(String),
    /// The secret of a feed, with the feed's id: it reads what the feed shows and nothing else.
    Feed(String),
    /// The command line of the machine itself.
    Console,
}

/// The authenticated user on whose behalf something is done. Every query takes the firm from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The firm; nothing outside it exists for this caller.
    pub firm: FirmId,
    /// The user.
    pub user: UserId,
    /// The user's name, for paths.
    pub name: UserName,
    /// The user's role.
    pub role: Role,
    /// How they signed in.
    pub credential: Credential,
    /// The most that the credential allows; `Right::Read` for a read-only app password.
    pub most: Right,
}

impl Caller {
    /// What a consent that this caller begins is bound to: nobody with other credentials may finish it.
    #[must_use]
    pub fn binding(&self) -> String {
        match &self.credential {
            Credential::Session(id) => format!("session:{id}"),
            Credential::Token(id, _) => format!("token:{id}"),
            Credential::AppPassword(id) => format!("app_password:{id}"),
            Credential::Feed(id) => format!("feed:{id}"),
            Credential::Password => format!("password:{}", self.user),
            Credential::Console => format!("console:{}", self.user),
        }
    }

    /// Whether the caller came with this scope. Everything but a token carries every scope of its user; a feed's
    /// secret carries none.
    #[must_use]
    pub fn has_scope(&self, scope: Scope) -> bool {
        match &self.credential {
            Credential::Token(_, scopes) => scopes.contains(&scope),
            Credential::Feed(_) => false,
            Credential::Password | Credential::AppPassword(_) | Credential::Session(_) | Credential::Console => true,
        }
    }
}

/// Proof that a caller may do something with one calendar. Only the store makes one, from one query; every
/// statement about the calendar's content asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    firm: FirmId,
    actor: UserId,
    calendar: CalendarId,
    owner: UserId,
    owner_name: UserName,
    slug: Slug,
    right: Right,
}

impl Access {
    /// For the store, which has just checked the right.
    pub(crate) fn checked(caller: &Caller, calendar: &super::calendar::Calendar, right: Right) -> Access {
        Access {
            firm: caller.firm.clone(),
            actor: caller.user.clone(),
            calendar: calendar.id.clone(),
            owner: calendar.owner.clone(),
            owner_name: calendar.owner_name.clone(),
            slug: calendar.slug.clone(),
            right,
        }
    }

    /// The firm.
    #[must_use]
    pub fn firm(&self) -> &FirmId {
        &self.firm
    }

    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> &UserId {
        &self.actor
    }

    /// The calendar.
    #[must_use]
    pub fn calendar(&self) -> &CalendarId {
        &self.calendar
    }

    /// The calendar's owner.
    #[must_use]
    pub fn owner(&self) -> &UserId {
        &self.owner
    }

    /// The owner's name, for paths.
    #[must_use]
    pub fn owner_name(&self) -> &UserName {
        &self.owner_name
    }

    /// The calendar's name in paths.
    #[must_use]
    pub fn slug(&self) -> &Slug {
        &self.slug
    }

    /// The right that was checked.
    #[must_use]
    pub fn right(&self) -> Right {
        self.right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_roles_and_scopes_come_back() {
        for role in [Role::Client, Role::Staff, Role::Manager] {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(Role::parse("root"), None);
    }

    #[test]
    fn rights_are_ordered() {
        assert!(Right::Read < Right::Write && Right::Write < Right::Own);
    }
}
