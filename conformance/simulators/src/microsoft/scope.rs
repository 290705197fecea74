//! What a call needs to be granted.

use super::{call::Call, oauth::Caller, refusal::Refusal};

/// Whether the caller's scopes suffice.
pub(crate) fn allowed(call: Call, caller: &Caller) -> Result<(), Refusal> {
    let has = |names: &[&str]| caller.scopes.iter().any(|scope| names.contains(&scope.as_str()));
    let read = ["Calendars.Read", "Calendars.ReadWrite", "Calendars.Read.Shared", "Calendars.ReadWrite.Shared"];
    let write = ["Calendars.ReadWrite", "Calendars.ReadWrite.Shared"];
    let fine = match call {
        Call::Me => has(&["User.Read", "User.ReadWrite", "openid", "profile"]),
        Call::RevokeSessions => has(&["User.RevokeSessions.All", "User.ReadWrite"]),
        Call::MailboxSettings => has(&["MailboxSettings.Read", "MailboxSettings.ReadWrite"]),
        Call::TimeZones => has(&["User.Read", "MailboxSettings.Read", "Calendars.Read", "Calendars.ReadWrite"]),
        Call::Translate => has(&["User.Read", "Calendars.Read", "Calendars.ReadWrite"]),
        call if call.writes() => has(&write),
        _ => has(&read),
    };
    if fine { Ok(()) } else { Err(Refusal::denied()) }
}
