//! calendars, and what is written in the calendar list.

use serde_json::{Map, Value, json};

use super::{
    call::{Call, Target},
    find::{if_match, not_modified},
    moment::zone,
    oauth::Caller,
    refusal::Refusal,
    render::etag,
    request::Ask,
    world::{Calendar, Entry, Role, World},
    write::Reply,
};

impl World {
    pub(crate) fn calendars_get(&self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let place = self.place(caller, Call::CalendarsGet, target)?;
        let calendar = self.calendar(&place.calendar)?;
        if not_modified(ask, &etag(calendar.etag)) {
            return Ok(Reply::NotModified);
        }
        Ok(Reply::Json(shown(calendar)))
    }

    pub(crate) fn calendars_insert(&mut self, ask: &Ask, caller: &Caller) -> Result<Reply, Refusal> {
        let body = ask.json()?;
        if text(&body, "summary")?.is_none_or(str::is_empty) {
            return Err(Refusal::required("Missing summary."));
        }
        let id = format!("{}@group.calendar.google.com", self.new_id());
        let number = self.next_etag(ask.now_ms);
        let mut calendar = Calendar::new(&id, "", &caller.account, "UTC", number);
        calendar.made_by = Some(caller.client.clone());
        change(&mut calendar, &body, true)?;
        let answer = shown(&calendar);
        self.calendars.insert(id.clone(), calendar);
        self.list(ask.now_ms, &caller.account, &id, Role::Owner);
        Ok(Reply::Json(answer))
    }

    /// `calendars.patch` and `calendars.update`.
    pub(crate) fn calendars_change(
        &mut self,
        ask: &Ask,
        caller: &Caller,
        target: &Target,
        whole: bool,
    ) -> Result<Reply, Refusal> {
        let place = self.place(caller, if whole { Call::CalendarsUpdate } else { Call::CalendarsPatch }, target)?;
        if place.role != Role::Owner {
            return Err(Refusal::forbidden());
        }
        let body = ask.json()?;
        if_match(ask, self.calendar(&place.calendar)?.etag)?;
        let number = self.next_etag(ask.now_ms);
        let calendar = self.calendars.get_mut(&place.calendar).ok_or_else(Refusal::not_found)?;
        change(calendar, &body, whole)?;
        calendar.etag = number;
        Ok(Reply::Json(shown(calendar)))
    }

    pub(crate) fn calendars_delete(&mut self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let place = self.place(caller, Call::CalendarsDelete, target)?;
        let calendar = self.calendars.get_mut(&place.calendar).ok_or_else(Refusal::not_found)?;
        if place.role != Role::Owner || calendar.primary {
            return Err(Refusal::forbidden());
        }
        calendar.deleted = true;
        self.unlist_everywhere(ask.now_ms, &place.calendar);
        Ok(Reply::Empty)
    }

    /// Puts a calendar into an account's list.
    pub(crate) fn list(&mut self, now_ms: i64, account: &str, calendar: &str, role: Role) {
        let (etag, seq) = (self.next_etag(now_ms), self.next_seq());
        let entry = Entry {
            role,
            summary_override: None,
            color: "14".into(),
            hidden: false,
            selected: true,
            default_reminders: Vec::new(),
            etag,
            seq,
            deleted: false,
        };
        self.accounts.entry(account.to_owned()).or_default().entries.insert(calendar.to_owned(), entry);
        self.push.list_changed(now_ms, account);
    }

    pub(crate) fn unlist_everywhere(&mut self, now_ms: i64, calendar: &str) {
        let accounts: Vec<String> = self.accounts.keys().cloned().collect();
        for account in accounts {
            self.touch_entry(now_ms, &account, calendar, |entry| entry.deleted = true);
        }
    }

    /// Changes an entry of an account's list.
    pub(crate) fn touch_entry(&mut self, now_ms: i64, account: &str, calendar: &str, change: impl FnOnce(&mut Entry)) {
        let (etag, seq) = (self.next_etag(now_ms), self.next_seq());
        if let Some(entry) = self.accounts.get_mut(account).and_then(|account| account.entries.get_mut(calendar)) {
            (entry.etag, entry.seq) = (etag, seq);
            change(entry);
            self.push.list_changed(now_ms, account);
        }
    }

    /// `calendarList.patch` and `.update`.
    pub(crate) fn calendar_list_change(
        &mut self,
        ask: &Ask,
        caller: &Caller,
        target: &Target,
        call: Call,
    ) -> Result<Reply, Refusal> {
        let id = self.own_entry(caller, call, target)?;
        let body = ask.json()?;
        let whole = call == Call::CalendarListUpdate;
        let entry = self
            .accounts
            .get(&caller.account)
            .and_then(|account| account.entries.get(&id))
            .ok_or_else(Refusal::not_found)?;
        if_match(ask, entry.etag)?;
        let mut changed = entry.clone();
        rewrite(&mut changed, &body, whole)?;
        self.touch_entry(ask.now_ms, &caller.account, &id, |entry| {
            *entry = Entry { etag: entry.etag, seq: entry.seq, ..changed };
        });
        self.listed(caller, &id)
    }

    /// Adds a calendar to the list that the account may see but does not list.
    pub(crate) fn calendar_list_insert(&mut self, ask: &Ask, caller: &Caller) -> Result<Reply, Refusal> {
        let body = ask.json()?;
        let id = text(&body, "id")?.ok_or_else(|| Refusal::required("Missing id."))?.to_owned();
        let role = self.role(&caller.account, &id).ok_or_else(Refusal::not_found)?;
        let listed = self.accounts.get(&caller.account).and_then(|account| account.entries.get(&id));
        if listed.is_none_or(|entry| entry.deleted) {
            self.list(ask.now_ms, &caller.account, &id, role);
        }
        self.listed(caller, &id)
    }

    pub(crate) fn calendar_list_delete(
        &mut self,
        ask: &Ask,
        caller: &Caller,
        target: &Target,
    ) -> Result<Reply, Refusal> {
        let id = self.own_entry(caller, Call::CalendarListDelete, target)?;
        if self.calendar(&id)?.primary {
            return Err(Refusal::forbidden());
        }
        self.touch_entry(ask.now_ms, &caller.account, &id, |entry| entry.deleted = true);
        Ok(Reply::Empty)
    }

    fn listed(&self, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
        let entry = self.accounts.get(&caller.account).and_then(|account| account.entries.get(id));
        let shown = entry.and_then(|entry| self.entry(id, entry)).ok_or_else(Refusal::not_found)?;
        Ok(Reply::Json(Value::Object(shown)))
    }
}

fn shown(calendar: &Calendar) -> Value {
    let mut out = Map::new();
    out.insert("kind".into(), json!("calendar#calendar"));
    out.insert("etag".into(), json!(etag(calendar.etag)));
    out.insert("id".into(), json!(calendar.id));
    out.insert("summary".into(), json!(calendar.summary));
    for (name, text) in [("description", &calendar.description), ("location", &calendar.location)] {
        if let Some(text) = text {
            out.insert(name.into(), json!(text));
        }
    }
    out.insert("timeZone".into(), json!(calendar.zone.to_string()));
    out.insert("conferenceProperties".into(), json!({ "allowedConferenceSolutionTypes": ["hangoutsMeet"] }));
    if !calendar.primary {
        out.insert("dataOwner".into(), json!(calendar.owner));
    }
    Value::Object(out)
}

fn change(calendar: &mut Calendar, body: &Map<String, Value>, whole: bool) -> Result<(), Refusal> {
    let given = |name: &str| whole || body.contains_key(name);
    if let Some(summary) = text(body, "summary")? {
        calendar.summary = summary.to_owned();
    }
    if let Some(name) = text(body, "timeZone")? {
        zone(name).ok_or_else(|| Refusal::invalid("Invalid time zone."))?;
        calendar.zone = name.into();
    }
    let optional = |name: &str| -> Result<Option<String>, Refusal> {
        Ok(text(body, name)?.filter(|text| !text.is_empty()).map(str::to_owned))
    };
    if given("description") {
        calendar.description = optional("description")?;
    }
    if given("location") {
        calendar.location = optional("location")?;
    }
    Ok(())
}

fn rewrite(entry: &mut Entry, body: &Map<String, Value>, whole: bool) -> Result<(), Refusal> {
    let given = |name: &str| whole || body.contains_key(name);
    let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
    if given("summaryOverride") {
        entry.summary_override = text(body, "summaryOverride")?.map(str::to_owned);
    }
    if given("hidden") {
        entry.hidden = flag("hidden");
    }
    if given("selected") {
        entry.selected = flag("selected");
    }
    if let Some(color) = text(body, "colorId")? {
        entry.color = color.to_owned();
    }
    match body.get("defaultReminders") {
        Some(Value::Array(reminders)) => entry.default_reminders.clone_from(reminders),
        _ if whole => entry.default_reminders.clear(),
        _ => {}
    }
    Ok(())
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::parse_error()),
    }
}
