//! Whose mailbox, which calendar, which event a request means, and whether it may.

use jiff::civil::Date;

use super::{
    call::{Call, Target},
    ids::etag,
    item::Item,
    oauth::Caller,
    refusal::Refusal,
    request::Ask,
    world::{Access, Event, World},
};

impl World {
    /// Whose mailbox a path names. Others' are reached through calendars that are shared.
    pub(crate) fn mailbox<'a>(&self, caller: &'a Caller, target: &Target) -> Result<&'a str, Refusal> {
        let account = self.accounts.get(&caller.account).ok_or_else(Refusal::no_mailbox)?;
        if !account.mailbox {
            return Err(Refusal::no_mailbox());
        }
        let own = target.user.is_empty()
            || target.user.eq_ignore_ascii_case(&caller.account)
            || target.user.eq_ignore_ascii_case(&account.guid);
        if own { Ok(&caller.account) } else { Err(Refusal::denied()) }
    }

    /// The calendar that a path names, with what may be done there.
    pub(crate) fn calendar_of(
        &self,
        caller: &Caller,
        call: Call,
        target: &Target,
    ) -> Result<(String, Access), Refusal> {
        let account = self.mailbox(caller, target)?;
        let id = self.calendar_id(account, &target.calendar);
        let access = self.access(account, &id).ok_or_else(Refusal::not_found)?;
        if access != Access::Own && !caller.scopes.iter().any(|scope| scope.ends_with(".Shared")) {
            return Err(Refusal::denied());
        }
        if call.writes() && access < Access::Edit {
            return Err(Refusal::denied());
        }
        Ok((id, access))
    }

    /// The event that a path names, with the occurrence.
    pub(crate) fn event_of(
        &self,
        caller: &Caller,
        call: Call,
        target: &Target,
    ) -> Result<(&Event, Option<Date>), Refusal> {
        self.mailbox(caller, target)?;
        let (event, date) = self.find(&target.id)?;
        let here = Target { calendar: event.calendar.clone(), ..target.clone() };
        self.calendar_of(caller, call, &here)?;
        if !target.calendar.is_empty() && target.calendar != event.calendar {
            return Err(Refusal::not_found());
        }
        Ok((event, date))
    }

    /// Whether what the client last saw is what is there.
    pub(crate) fn if_match(&self, ask: &Ask, item: &Item) -> Result<(), Refusal> {
        let Some(given) = ask.header(http::header::IF_MATCH) else { return Ok(()) };
        let own = etag(item.change);
        let plain = |text: &str| text.trim().trim_start_matches("W/").trim_matches('"').to_owned();
        if given.trim() == "*" || given.split(',').any(|one| plain(one) == plain(&own)) {
            return Ok(());
        }
        Err(Refusal::conflict(self.settings.conflict_status))
    }
}
