//! Calendars, their groups, and what is known of the account itself.

use serde_json::{Map, Value, json};

use super::{
    call::{Call, Target},
    events::Reply,
    ids::{self, Form, change_key},
    list::{Bend, Page, Paging, envelope},
    oauth::Caller,
    refusal::Refusal,
    request::Ask,
    world::{Access, Calendar, World},
    zone_table::ZONES,
    zones::windows_name,
};

const COLORS: &[&str] = &[
    "auto",
    "lightBlue",
    "lightGreen",
    "lightOrange",
    "lightGray",
    "lightYellow",
    "lightTeal",
    "lightPink",
    "lightBrown",
    "lightRed",
    "maxColor",
];
const NAME_MAX: usize = 255;
/// Ids of one request.
const TRANSLATE_MAX: usize = 1000;

impl World {
    /// A calendar as that account sees it.
    pub(crate) fn show_calendar(&self, account: &str, calendar: &Calendar, select: Option<&str>) -> Value {
        let access = self.access(account, &calendar.id).unwrap_or(Access::Read);
        let default = self.accounts.get(account).is_some_and(|own| own.default_calendar == calendar.id);
        let owner = self.accounts.get(&calendar.owner).map_or(calendar.owner.as_str(), |owner| owner.name.as_str());
        let all = json!({
            "id": calendar.id, "name": calendar.name, "color": calendar.color, "hexColor": "",
            "isDefaultCalendar": default, "changeKey": change_key(calendar.change), "canShare": access == Access::Own,
            "canViewPrivateItems": access == Access::Own, "canEdit": access >= Access::Edit,
            "allowedOnlineMeetingProviders": ["teamsForBusiness"], "defaultOnlineMeetingProvider": "teamsForBusiness",
            "isTallyingResponses": default, "isRemovable": access == Access::Own && !default,
            "owner": { "name": owner, "address": calendar.owner },
        });
        match (select, all) {
            (Some(select), Value::Object(all)) => {
                let names: Vec<&str> = select.split(',').map(str::trim).collect();
                all.into_iter().filter(|(name, _)| name == "id" || names.contains(&name.as_str())).collect()
            }
            (_, all) => all,
        }
    }

    pub(crate) fn calendars_list(
        &self,
        ask: &Ask,
        caller: &Caller,
        target: &Target,
        bend: Bend,
    ) -> Result<Reply, Refusal> {
        let account = self.mailbox(caller, target)?;
        if !target.group.is_empty() && target.group != self.group_id(account) {
            return Err(Refusal::not_found());
        }
        if let Some(name) = ["$filter", "$orderby", "$expand", "$search"].iter().find(|name| ask.query.has(name)) {
            return Err(Refusal::query(format!("The query parameter '{name}' is not supported here.")));
        }
        let page = Page::read(ask, self.seed, Paging::Skip, bend)?;
        let own = self.accounts.get(account).ok_or_else(Refusal::no_mailbox)?;
        let there: Vec<&Calendar> = own
            .calendars
            .iter()
            .filter_map(|(id, _)| self.calendars.get(id))
            .filter(|calendar| !calendar.deleted)
            .collect();
        let total = there.len();
        let mut shown = page.cut(there.into_iter());
        if bend.omit {
            shown.pop();
        }
        let select = ask.query.get("$select");
        let value = shown.into_iter().map(|calendar| self.show_calendar(account, calendar, select)).collect();
        Ok(envelope(ask, "users('me')/calendars", value, page.next(ask, self.seed, total)))
    }

    fn group_id(&self, account: &str) -> String {
        format!("AQMkADgroup{}", self.guid(account))
    }

    pub(crate) fn groups_list(&self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let account = self.mailbox(caller, target)?;
        let group = json!({
            "name": "My Calendars", "classId": super::GROUP_CLASS, "changeKey": change_key(0), "id": self.group_id(account),
        });
        Ok(envelope(ask, "users('me')/calendarGroups", vec![group], None))
    }

    fn reply_calendar(&self, ask: &Ask, account: &str, id: &str, status: u16) -> Result<Reply, Refusal> {
        let calendar = self.calendars.get(id).ok_or_else(Refusal::not_found)?;
        let mut body = Map::new();
        body.insert(
            "@odata.context".into(),
            json!(format!("{}/v1.0/$metadata#users('me')/calendars/$entity", ask.base())),
        );
        if let Value::Object(shown) = self.show_calendar(account, calendar, ask.query.get("$select")) {
            body.extend(shown);
        }
        Ok(Reply::Json(status, Value::Object(body)))
    }

    pub(crate) fn calendars_get(&self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let (id, _) = self.calendar_of(caller, Call::CalendarsGet, target)?;
        self.reply_calendar(ask, &caller.account, &id, 200)
    }

    pub(crate) fn calendars_create(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let account = self.mailbox(caller, target)?.to_owned();
        let given = ask.json()?;
        let name = calendar_name(&given)?
            .ok_or_else(|| Refusal::property("At least one property failed validation. Property: Name."))?;
        if self.named(&account, &name).is_some() {
            return Err(Refusal::new(409, "ErrorFolderExists", "A folder with the specified name already exists."));
        }
        let number = self.next_key();
        let id = format!("AAMkADc{}", self.guid(&format!("calendar {number}")));
        self.new_calendar(&account, &id, &name);
        self.set_color(&id, &given)?;
        self.reply_calendar(ask, &account, &id, 201)
    }

    fn named(&self, account: &str, name: &str) -> Option<&Calendar> {
        let own = |calendar: &&Calendar| {
            calendar.owner == account && !calendar.deleted && calendar.name.eq_ignore_ascii_case(name)
        };
        self.calendars.values().find(own)
    }

    /// A calendar of an account's own.
    pub(crate) fn new_calendar(&mut self, account: &str, id: &str, name: &str) {
        let change = self.next_seq();
        let calendar = Calendar {
            id: id.to_owned(),
            name: name.to_owned(),
            owner: account.to_owned(),
            color: "auto".to_owned(),
            change,
            deleted: false,
            epoch: 0,
            keys: Default::default(),
            changes: Default::default(),
        };
        self.calendars.insert(id.to_owned(), calendar);
        self.list_calendar(account, id, Access::Own);
    }

    /// Puts a calendar into an account's list.
    pub(crate) fn list_calendar(&mut self, account: &str, id: &str, access: Access) {
        if let Some(own) = self.accounts.get_mut(account) {
            own.calendars.retain(|(known, _)| known != id);
            own.calendars.push((id.to_owned(), access));
        }
    }

    fn set_color(&mut self, id: &str, given: &Map<String, Value>) -> Result<(), Refusal> {
        let Some(color) = given.get("color") else { return Ok(()) };
        let color = color.as_str().filter(|color| COLORS.contains(color));
        let color = color.ok_or_else(|| Refusal::body("Requested value was not found."))?.to_owned();
        if let Some(calendar) = self.calendars.get_mut(id) {
            calendar.color = color;
        }
        Ok(())
    }

    pub(crate) fn calendars_update(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let (id, _) = self.calendar_of(caller, Call::CalendarsUpdate, target)?;
        let given = ask.json()?;
        let name = calendar_name(&given)?;
        self.set_color(&id, &given)?;
        let change = self.next_seq();
        if let Some(calendar) = self.calendars.get_mut(&id) {
            calendar.change = change;
            if let Some(name) = name {
                calendar.name = name;
            }
        }
        self.reply_calendar(ask, &caller.account, &id, 200)
    }

    pub(crate) fn calendars_delete(&mut self, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let (id, access) = self.calendar_of(caller, Call::CalendarsDelete, target)?;
        let default = self.accounts.get(&caller.account).is_some_and(|own| own.default_calendar == id);
        if default || access != Access::Own {
            return Err(Refusal::new(403, "ErrorAccessDenied", "The default calendar cannot be deleted."));
        }
        self.drop_calendar(&id);
        Ok(Reply::Empty(204))
    }

    /// The calendar and its events are gone.
    pub(crate) fn drop_calendar(&mut self, id: &str) {
        let Some(calendar) = self.calendars.get_mut(id) else { return };
        calendar.deleted = true;
        for key in std::mem::take(&mut calendar.keys) {
            if let Some(event) = self.events.get_mut(&key) {
                event.deleted = true;
            }
        }
    }

    pub(crate) fn me(&self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let own = self.accounts.get(&caller.account).ok_or_else(Refusal::not_found)?;
        if !target.user.is_empty() && !target.user.eq_ignore_ascii_case(&caller.account) && target.user != own.guid {
            return Err(Refusal::denied());
        }
        Ok(Reply::Json(
            200,
            json!({
                "@odata.context": format!("{}/v1.0/$metadata#users/$entity", ask.base()), "businessPhones": [], "displayName": own.name,
                "givenName": null, "jobTitle": null, "mail": caller.account, "mobilePhone": null, "officeLocation": null,
                "preferredLanguage": null, "surname": null, "userPrincipalName": caller.account, "id": own.guid,
            }),
        ))
    }

    pub(crate) fn mailbox_settings(&self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let account = self.mailbox(caller, target)?;
        let zone = self.accounts.get(account).map_or("UTC", |own| own.zone.as_str());
        let zone = windows_name(zone).unwrap_or(zone);
        let context = format!("{}/v1.0/$metadata#users('me')/mailboxSettings", ask.base());
        if ask.path.ends_with("/timeZone") {
            return Ok(Reply::Json(200, json!({ "@odata.context": format!("{context}/timeZone"), "value": zone })));
        }
        let hours = json!({
            "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"], "startTime": "08:00:00.0000000",
            "endTime": "17:00:00.0000000", "timeZone": { "name": zone },
        });
        Ok(Reply::Json(
            200,
            json!({
                "@odata.context": context, "timeZone": zone, "dateFormat": "yyyy-MM-dd", "timeFormat": "HH:mm", "workingHours": hours,
            }),
        ))
    }

    pub(crate) fn time_zones(&self, ask: &Ask) -> Reply {
        let iana = ask.path.to_ascii_lowercase().contains("iana");
        let entry = |(windows, iana_name): &(&str, &str)| {
            let name = if iana { iana_name } else { windows };
            json!({ "alias": name, "displayName": windows })
        };
        let context = "Collection(microsoft.graph.timeZoneInformation)";
        envelope(ask, context, ZONES.iter().map(entry).collect(), None)
    }

    /// `translateExchangeIds`.
    pub(crate) fn translate(&self, ask: &Ask) -> Result<Reply, Refusal> {
        let given = ask.json()?;
        let ids: Vec<&str> =
            given.get("inputIds").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        if ids.is_empty() || ids.len() > TRANSLATE_MAX {
            return Err(Refusal::query("inputIds must hold from 1 to 1000 ids."));
        }
        let form = match given.get("targetIdType").and_then(Value::as_str) {
            Some("restId") => Form::Rest,
            Some("restImmutableEntryId") => Form::Immutable,
            _ => return Err(Refusal::query("The target id type is not supported.")),
        };
        let value = ids.into_iter().filter_map(|id| {
            let named = ids::read(self.seed, id)?;
            let event = self.events.get(&named.key)?;
            Some(json!({ "sourceId": id, "targetId": self.event_id(event, named.date, form) }))
        });
        Ok(envelope(ask, "Collection(microsoft.graph.convertIdResult)", value.collect(), None))
    }
}

fn calendar_name(given: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match given.get("name") {
        None => Ok(None),
        Some(Value::String(name)) if !name.is_empty() && name.len() <= NAME_MAX => Ok(Some(name.clone())),
        Some(_) => Err(Refusal::property("At least one property failed validation. Property: Name.")),
    }
}
