//! calendarList: which calendars an account sees.

use serde_json::{Map, Value, json};

use super::{
    call::{Call, Target},
    find::not_modified,
    oauth::Caller,
    refusal::Refusal,
    render::etag,
    request::Ask,
    scope::Reach,
    token,
    world::{Entry, Role, World},
    write::Reply,
};

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 250;

impl World {
    pub(crate) fn calendar_list_list(&self, ask: &Ask, caller: &Caller) -> Result<Reply, Refusal> {
        let account = self.accounts.get(&caller.account).ok_or_else(Refusal::not_found)?;
        let query = &ask.query;
        let min_role = match query.get("minAccessRole") {
            None => None,
            Some(name) => Some(
                Role::named(name)
                    .ok_or_else(|| Refusal::invalid_parameter("minAccessRole", format!("Invalid value '{name}'.")))?,
            ),
        };
        let (mut deleted, mut hidden) = (query.flag("showDeleted")?, query.flag("showHidden")?);
        let since = match query.get("syncToken") {
            None => None,
            Some(given) => {
                let alone = min_role.is_none()
                    && !query.has("showOwnOrganizationOnly")
                    && deleted != Some(false)
                    && hidden != Some(false);
                if !alone {
                    return Err(Refusal::bad_request("Sync token cannot be used with filters."));
                }
                (deleted, hidden) = (Some(true), Some(true));
                let known = token::read::<3>(self.seed, "c", &caller.account, given);
                let alive = known.filter(|[_, epoch, made_ms]| {
                    u64::try_from(*epoch) == Ok(account.list_epoch)
                        && ask.now_ms.saturating_sub(*made_ms) < self.settings.sync_token_life_ms
                });
                let [seq, _, _] = alive.ok_or_else(Refusal::full_sync_required)?;
                Some(u64::try_from(seq).unwrap_or(0))
            }
        };
        let (head, from) = match query.get("pageToken") {
            None => (self.seq(), 0),
            Some(given) => {
                let invalid = || Refusal::invalid_parameter("pageToken", "Invalid page token value.");
                let [head, at] = token::read::<2>(self.seed, "l", &caller.account, given).ok_or_else(invalid)?;
                (u64::try_from(head).unwrap_or(0), usize::try_from(at).unwrap_or(0))
            }
        };
        let max = query.count("maxResults")?.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX);
        let shown = |entry: &Entry| {
            since.is_none_or(|seq| entry.seq > seq)
                && (!entry.deleted || deleted == Some(true))
                && (!entry.hidden || hidden == Some(true))
                && min_role.is_none_or(|min| entry.role >= min)
        };
        let all: Vec<Value> = account
            .entries
            .iter()
            .filter(|(_, entry)| shown(entry))
            .filter_map(|(id, entry)| self.entry(id, entry).map(Value::Object))
            .collect();
        let total = all.len();
        let items: Vec<Value> = all.into_iter().skip(from).take(max).collect();
        let next = from.saturating_add(items.len());
        let head_number = i64::try_from(head).unwrap_or(0);
        let mut body = Map::new();
        body.insert("kind".into(), json!("calendar#calendarList"));
        body.insert("etag".into(), json!(format!("\"p{head}\"")));
        if next < total {
            let at = i64::try_from(next).unwrap_or(i64::MAX);
            body.insert(
                "nextPageToken".into(),
                json!(token::make(self.seed, "l", &caller.account, &[head_number, at])),
            );
        } else {
            let epoch = i64::try_from(account.list_epoch).unwrap_or(0);
            body.insert(
                "nextSyncToken".into(),
                json!(token::make(self.seed, "c", &caller.account, &[head_number, epoch, ask.now_ms])),
            );
        }
        body.insert("items".into(), Value::Array(items));
        Ok(Reply::Json(Value::Object(body)))
    }

    pub(crate) fn calendar_list_get(&self, ask: &Ask, caller: &Caller, target: &Target) -> Result<Reply, Refusal> {
        let id = self.own_entry(caller, Call::CalendarListGet, target)?;
        let entry = self
            .accounts
            .get(&caller.account)
            .and_then(|account| account.entries.get(&id))
            .ok_or_else(Refusal::not_found)?;
        if not_modified(ask, &etag(entry.etag)) {
            return Ok(Reply::NotModified);
        }
        self.entry(&id, entry).map(|entry| Reply::Json(Value::Object(entry))).ok_or_else(Refusal::not_found)
    }

    /// The id of a listed calendar, when the scopes reach it.
    pub(crate) fn own_entry(&self, caller: &Caller, call: Call, target: &Target) -> Result<String, Refusal> {
        let id = self.calendar_id(&caller.account, &target.calendar).to_owned();
        let entry = self.accounts.get(&caller.account).and_then(|account| account.entries.get(&id));
        entry.filter(|entry| !entry.deleted).ok_or_else(Refusal::not_found)?;
        let made =
            self.calendars.get(&id).and_then(|calendar| calendar.made_by.as_deref()) == Some(caller.client.as_str());
        let reach = Reach::of(call, &caller.scopes);
        if reach.all || reach.created && made { Ok(id) } else { Err(Refusal::insufficient_scope(call.name())) }
    }

    pub(crate) fn entry(&self, id: &str, entry: &Entry) -> Option<Map<String, Value>> {
        let mut out = Map::new();
        out.insert("kind".into(), json!("calendar#calendarListEntry"));
        out.insert("etag".into(), json!(etag(entry.etag)));
        out.insert("id".into(), json!(id));
        let calendar = self.calendars.get(id)?;
        out.insert("summary".into(), json!(calendar.summary));
        for (name, text) in [
            ("description", &calendar.description),
            ("location", &calendar.location),
            ("summaryOverride", &entry.summary_override),
        ] {
            if let Some(text) = text {
                out.insert(name.into(), json!(text));
            }
        }
        out.insert("timeZone".into(), json!(calendar.zone.to_string()));
        out.insert("colorId".into(), json!(entry.color));
        out.insert("backgroundColor".into(), json!("#9fe1e7"));
        out.insert("foregroundColor".into(), json!("#000000"));
        for (name, flag) in [
            ("hidden", entry.hidden),
            ("selected", entry.selected),
            ("primary", calendar.primary),
            ("deleted", entry.deleted),
        ] {
            if flag {
                out.insert(name.into(), json!(true));
            }
        }
        out.insert("accessRole".into(), json!(entry.role.name()));
        out.insert("defaultReminders".into(), json!(entry.default_reminders));
        out.insert("conferenceProperties".into(), json!({ "allowedConferenceSolutionTypes": ["hangoutsMeet"] }));
        if !calendar.primary {
            out.insert("dataOwner".into(), json!(calendar.owner));
        }
        Some(out)
    }
}
