//! The page on which a person sees and edits each calendar by hand: plain forms, no scripts.

use bytes::Bytes;
use http::Response;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{
    Microsoft,
    human::Refused,
    ids::{Form, read},
    item::{Item, Kind},
    moment::{DAY_MS, instant},
    page_form::{self, Times},
    request::Ask,
    world::{Event, World},
};
use crate::{
    answer,
    html::{escape, frame, same_origin},
    query::Query,
};

/// "Coming up" reaches from a week ago to so many days ahead.
const AHEAD_DAYS: i64 = 60;
const ROWS_MAX: usize = 300;
const OCCURRENCES_SHOWN: usize = 12;

impl Microsoft {
    pub(crate) fn page(&mut self, ask: &Ask) -> Response<Bytes> {
        let parts: Vec<String> = ask
            .path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let post = ask.method == http::Method::POST;
        if post && !same_origin(&ask.headers) {
            return answer::html(403, frame("No", "<p>This form belongs to another page.</p>"));
        }
        let there = |calendar: &str| self.world.calendars.get(calendar).is_some_and(|found| !found.deleted);
        // What people do is done at the provider's clock, which the caller's is moved to.
        let now_ms = ask.now_ms.saturating_sub(self.ahead_ms);
        match parts.as_slice() {
            [] => answer::html(200, self.world.front()),
            ["c", calendar, ..] if !there(calendar) => missing(),
            ["c", calendar] if post => {
                let zone = self.world.mailbox_zone(calendar);
                let done =
                    page_form::event(&ask.form(), &zone).and_then(|event| self.human(now_ms, calendar).create(&event));
                self.after(ask.now_ms, calendar, done.map(|_| ()))
            }
            ["c", calendar] => answer::html(200, self.world.calendar_page(ask.now_ms, calendar, None)),
            ["c", calendar, "e", id] if post => {
                let done = self.act(now_ms, calendar, id, &ask.form());
                self.after(ask.now_ms, calendar, done)
            }
            ["c", calendar, "e", id] => match self.world.event_page(calendar, id) {
                Some(page) => answer::html(200, page),
                None => missing(),
            },
            _ => missing(),
        }
    }

    fn act(&mut self, now_ms: i64, calendar: &str, id: &str, form: &Query) -> Result<(), Refused> {
        let zone = self.world.mailbox_zone(calendar);
        let mut human = self.human(now_ms, calendar);
        match form.get("action").unwrap_or_default() {
            "delete" => human.delete(id),
            "restore" => human.restore(id),
            "move" => human.move_to(id, form.get("to").unwrap_or_default()).map(|_| ()),
            "copy" => human.copy(id, DAY_MS).map(|_| ()),
            "following" => human.split(id, &page_form::event(form, &zone)?).map(|_| ()),
            answer @ ("accepted" | "declined" | "tentativelyAccepted") => human.respond(id, answer).map(|_| ()),
            _ => human.edit(id, &page_form::event(form, &zone)?).map(|_| ()),
        }
    }

    fn after(&self, now_ms: i64, calendar: &str, done: Result<(), Refused>) -> Response<Bytes> {
        match done {
            Ok(()) => answer::redirect(&link(calendar, None)),
            Err(Refused(why)) => answer::html(400, self.world.calendar_page(now_ms, calendar, Some(&why))),
        }
    }
}

impl World {
    fn mailbox_zone(&self, calendar: &str) -> String {
        let owner = self.calendars.get(calendar).and_then(|found| self.accounts.get(&found.owner));
        owner.map_or_else(|| "UTC".to_owned(), |owner| owner.zone.clone())
    }

    fn front(&self) -> String {
        let mut body = String::from(
            "<p class=dim>A simulated provider. What is changed here is changed as in its own calendar page.</p>",
        );
        for (email, account) in &self.accounts {
            body.push_str(&format!("<h2>{}</h2><table>", escape(email)));
            for (id, access) in &account.calendars {
                let Some(calendar) = self.calendars.get(id).filter(|calendar| !calendar.deleted) else { continue };
                let access = match access {
                    super::Access::Read => "to look at",
                    super::Access::Edit => "shared",
                    super::Access::Own => "",
                };
                body.push_str(&format!(
                    "<tr><td><a href=\"{}\">{}</a><td class=dim>{access}",
                    link(id, None),
                    escape(&calendar.name)
                ));
            }
            body.push_str("</table>");
        }
        frame("Calendars", &body)
    }

    fn calendar_page(&self, now_ms: i64, calendar: &str, note: Option<&str>) -> String {
        let zone = self.mailbox_zone(calendar);
        let mut body = String::from("<p><a href=\"/\">All calendars</a></p>");
        if let Some(note) = note {
            body.push_str(&format!("<p class=note>{}</p>", escape(note)));
        }
        let button = "<button class=main>Create</button>";
        let fresh = page_form::form(&link(calendar, None), &Times::fresh(now_ms, &zone), None, button);
        let today = page_form::day_ms(instant(now_ms).to_zoned(super::zones::known(&zone)).date(), &zone);
        let coming = self.view(calendar, today - 7 * DAY_MS, today + AHEAD_DAYS * DAY_MS);
        let whole = |event| Item::whole(event);
        let keys = self.calendars.get(calendar).map(|found| &found.keys);
        let all: Vec<Item> = keys.into_iter().flatten().filter_map(|key| self.events.get(key)).map(whole).collect();
        let gone: Vec<Item> =
            self.events.values().filter(|event| event.deleted && event.calendar == calendar).map(whole).collect();
        body.push_str(&format!("<h2>New event</h2>{fresh}"));
        body.push_str(&format!("<h2>A week back, {AHEAD_DAYS} days ahead</h2>{}", self.table(&coming)));
        body.push_str(&format!("<h2>All events and series</h2>{}", self.table(&all)));
        if !gone.is_empty() {
            body.push_str(&format!("<h2>Deleted</h2>{}", self.table(&gone)));
        }
        frame(self.calendars.get(calendar).map_or("", |found| &found.name), &body)
    }

    fn event_page(&self, calendar: &str, id: &str) -> Option<String> {
        let named = read(self.seed, id)?;
        let event = self.events.get(&named.key).filter(|event| event.calendar == calendar)?;
        if let Some(date) = named.date
            && (event.cancelled.contains(&date) || !event.recurrence.as_ref()?.has(date))
        {
            return None;
        }
        let item = Item::of(event, named.date);
        let mut body = format!("<p><a href=\"{}\">Back to the calendar</a></p>", link(calendar, None));
        let one = named.date.is_some();
        if one {
            let series = link(calendar, Some(&self.event_id(event, None, Form::Immutable)));
            body.push_str(&format!("<p>One occurrence of <a href=\"{series}\">a series</a>.</p>"));
        }
        let buttons = self.buttons(event, one);
        body.push_str(&page_form::form(&link(calendar, Some(id)), &Times::of(&item), Some(&item), &buttons));
        if let (Some(recurrence), false, false) = (&event.recurrence, one, event.deleted) {
            let days = recurrence.dates(None, OCCURRENCES_SHOWN);
            let there = days.into_iter().filter(|day| !event.cancelled.contains(day));
            let first: Vec<Item> = there.map(|day| Item::on(event, day)).collect();
            body.push_str(&format!("<h2>First occurrences</h2>{}", self.table(&first)));
        }
        let raw = serde_json::Value::Object(self.show(&item, &super::render::Reader::plain()));
        let raw = serde_json::to_string_pretty(&raw).unwrap_or_default();
        body.push_str(&format!("<details><summary>As the API has it</summary><pre>{}</pre></details>", escape(&raw)));
        Some(frame(if item.subject().is_empty() { "(No title)" } else { item.subject() }, &body))
    }

    fn buttons(&self, event: &Event, one: bool) -> String {
        let button = |class: &str, action: &str, label: &str| {
            format!("<button class=\"{class}\" name=action value={action}>{label}</button> ")
        };
        if event.deleted {
            return button("main", "restore", "Restore");
        }
        let mut out = button("main", "save", if one { "Save this occurrence" } else { "Save" });
        if one {
            out.push_str(&button("", "following", "Save this and following"));
        }
        out.push_str(&button("", "delete", if one { "Delete this occurrence" } else { "Delete" }));
        if !event.own {
            out.push_str(&button("", "accepted", "Accept"));
            out.push_str(&button("", "declined", "Decline"));
        }
        if !one {
            out.push_str(&button("", "copy", "Copy to the next day"));
            let owner = self.calendars.get(&event.calendar).map(|found| found.owner.as_str());
            out.push_str("<select name=to>");
            for other in self.calendars.values().filter(|other| !other.deleted && Some(other.owner.as_str()) == owner) {
                out.push_str(&format!("<option value=\"{}\">{}</option>", escape(&other.id), escape(&other.name)));
            }
            out.push_str("</select> ");
            out.push_str(&button("", "move", "Move there"));
        }
        out
    }

    fn table(&self, items: &[Item]) -> String {
        let mut rows = String::from("<table><tr><th>When<th>What<th>");
        for item in items.iter().take(ROWS_MAX) {
            let class = if item.event.deleted { " class=gone" } else { "" };
            let title = if item.subject().is_empty() { "(No title)" } else { item.subject() };
            let what = match (item.kind, &item.event.recurrence) {
                (Kind::Series, Some(recurrence)) => page_form::sentence(recurrence),
                (Kind::Occurrence | Kind::Exception, _) => "one of a series".to_owned(),
                _ => String::new(),
            };
            let id = self.event_id(item.event, item.date, Form::Immutable);
            rows.push_str(&format!(
                "<tr><td{class}>{}<td><a{class} href=\"{}\">{}</a><td class=dim>{what}",
                escape(&Times::of(item).sentence()),
                link(&item.event.calendar, Some(&id)),
                escape(title)
            ));
        }
        match items.len() {
            0 => rows.push_str("<tr><td colspan=3 class=dim>nothing"),
            more if more > ROWS_MAX => rows.push_str("<tr><td colspan=3 class=dim>and more"),
            _ => {}
        }
        rows.push_str("</table>");
        rows
    }
}

fn link(calendar: &str, event: Option<&str>) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    match event {
        None => format!("/c/{}", encode(calendar)),
        Some(id) => format!("/c/{}/e/{}", encode(calendar), encode(id)),
    }
}

fn missing() -> Response<Bytes> {
    answer::html(404, frame("Not here", "<p><a href=\"/\">All calendars</a></p>"))
}
