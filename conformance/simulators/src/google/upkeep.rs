//! What happens to calendars beside their events: rights, sharing, tokens.

use serde_json::Value;

use super::{Google, Role};

/// What happens to calendars beside their events.
impl Google {
    /// The account's role on a calendar becomes another; sync tokens of the calendar die, as they do with every change of rights.
    pub fn set_role(&mut self, now_ms: i64, account: &str, calendar: &str, role: Role) {
        self.world.touch_entry(now_ms, account, calendar, |entry| entry.role = role);
        self.expire_sync_tokens(calendar);
    }

    /// A calendar leaves an account's list, as when it is no longer shared.
    pub fn unshare(&mut self, now_ms: i64, account: &str, calendar: &str) {
        self.world.touch_entry(now_ms, account, calendar, |entry| entry.deleted = true);
    }

    /// A calendar is deleted with everything in it.
    pub fn delete_calendar(&mut self, now_ms: i64, calendar: &str) {
        if let Some(found) = self.world.calendars.get_mut(calendar) {
            found.deleted = true;
        }
        self.world.unlist_everywhere(now_ms, calendar);
    }

    /// All sync and page tokens of a calendar die.
    pub fn expire_sync_tokens(&mut self, calendar: &str) {
        if let Some(found) = self.world.calendars.get_mut(calendar) {
            found.epoch += 1;
        }
    }

    /// All sync tokens of an account's calendar list die.
    pub fn expire_list_tokens(&mut self, account: &str) {
        if let Some(found) = self.world.accounts.get_mut(account) {
            found.list_epoch += 1;
        }
    }

    /// Whether the calendar can be watched; holiday and subscribed calendars cannot.
    pub fn set_watchable(&mut self, calendar: &str, watchable: bool) {
        if let Some(found) = self.world.calendars.get_mut(calendar) {
            found.watchable = watchable;
        }
    }

    /// The reminders that events of a calendar have by default for an account.
    pub fn set_default_reminders(&mut self, account: &str, calendar: &str, reminders: Value) {
        let entry = self.world.accounts.get_mut(account).and_then(|account| account.entries.get_mut(calendar));
        if let (Some(entry), Value::Array(reminders)) = (entry, reminders) {
            entry.default_reminders = reminders;
        }
    }
}
