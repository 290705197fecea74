//! The page on which a person sees and edits each calendar by hand: plain forms, no scripts.

use bytes::Bytes;
use http::Response;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    Google, answer,
    html::{escape, frame, same_origin},
    human::Refused,
    page_form::{self, Times},
    request::{Ask, Query},
};

const DAY_MS: i64 = super::moment::DAY_MS;
/// "Coming up" reaches from a week ago to so many days ahead.
const AHEAD_DAYS: i64 = 60;
const ROWS_MAX: usize = 300;
const OCCURRENCES_SHOWN: usize = 12;

impl Google {
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
        match parts.as_slice() {
            [] => answer::html(200, self.front()),
            ["c", calendar, ..] if !self.world.calendars.contains_key(*calendar) => missing(),
            ["c", calendar] if post => {
                let form = ask.form();
                let done = page_form::event(&form, &self.zone_of(calendar))
                    .and_then(|event| self.human(ask.now_ms, calendar).create(&event));
                self.after(ask.now_ms, calendar, done.map(|_| ()))
            }
            ["c", calendar] => answer::html(200, self.calendar_page(ask.now_ms, calendar, None)),
            ["c", calendar, "e", id] if post => {
                let done = self.act(ask.now_ms, calendar, id, &ask.form());
                self.after(ask.now_ms, calendar, done)
            }
            ["c", calendar, "e", id] => match self.event(calendar, id) {
                Some(event) => answer::html(200, self.event_page(ask.now_ms, calendar, &event)),
                None => missing(),
            },
            _ => missing(),
        }
    }

    fn act(&mut self, now_ms: i64, calendar: &str, id: &str, form: &Query) -> Result<(), Refused> {
        let zone = self.zone_of(calendar);
        let mut human = self.human(now_ms, calendar);
        match form.get("action").unwrap_or_default() {
            "delete" => human.delete(id),
            "restore" => human.restore(id),
            "move" => human.move_to(id, form.get("to").unwrap_or_default()).map(|_| ()),
            "copy" => human.copy(id, DAY_MS).map(|_| ()),
            "accepted" | "declined" | "tentative" => {
                human.respond(id, form.get("action").unwrap_or_default()).map(|_| ())
            }
            "following" => {
                let mut patch = page_form::event(form, &zone)?;
                if let Some(fields) = patch.as_object_mut() {
                    fields.remove("recurrence");
                }
                human.split(id, &patch).map(|_| ())
            }
            _ => {
                let mut patch = page_form::event(form, &zone)?;
                let lines = human.show(id)?.get("recurrence").cloned().unwrap_or_default();
                if let Some(fields) = patch.as_object_mut()
                    && fields.get("recurrence").and_then(|given| given.get(0)) == lines.get(0)
                {
                    // The same rule: the lines beside it, which the form does not show, stay.
                    fields.remove("recurrence");
                }
                human.edit(id, &patch).map(|_| ())
            }
        }
    }

    fn after(&self, now_ms: i64, calendar: &str, done: Result<(), Refused>) -> Response<Bytes> {
        match done {
            Ok(()) => answer::redirect(&link(calendar, None)),
            Err(Refused(why)) => answer::html(400, self.calendar_page(now_ms, calendar, Some(&why))),
        }
    }

    fn zone_of(&self, calendar: &str) -> String {
        self.world.calendars.get(calendar).map_or_else(|| "UTC".to_owned(), |found| found.zone.to_string())
    }

    fn front(&self) -> String {
        let mut body = String::from(
            "<p class=dim>A simulated provider. What is changed here is changed as in its own calendar page.</p>",
        );
        for account in self.accounts() {
            body.push_str(&format!("<h2>{}</h2><table>", escape(&account)));
            let entries = self.world.accounts.get(&account).map(|account| &account.entries);
            for (id, entry) in entries.into_iter().flatten().filter(|(_, entry)| !entry.deleted) {
                let Some(calendar) = self.world.calendars.get(id) else { continue };
                body.push_str(&format!(
                    "<tr><td><a href=\"{}\">{}</a><td class=dim>{}<td class=dim>{}",
                    link(id, None),
                    escape(&calendar.summary),
                    escape(&calendar.zone),
                    entry.role.name()
                ));
            }
            body.push_str("</table>");
        }
        frame("Calendars", &body)
    }

    fn calendar_page(&self, now_ms: i64, calendar: &str, note: Option<&str>) -> String {
        let zone = self.zone_of(calendar);
        let mut body = String::from("<p><a href=\"/\">All calendars</a></p>");
        if let Some(note) = note {
            body.push_str(&format!("<p class=note>{}</p>", escape(note)));
        }
        body.push_str("<h2>New event</h2>");
        let fresh = page_form::form(&link(calendar, None), &Times::fresh(now_ms, &zone), &json!({}), "");
        body.push_str(&fresh.replace("</form>", "<div class=wide><button class=main>Create</button></div></form>"));
        let coming = self.occurrences(calendar, now_ms - 7 * DAY_MS, now_ms + AHEAD_DAYS * DAY_MS);
        body.push_str(&format!(
            "<h2>A week back, {AHEAD_DAYS} days ahead</h2>{}",
            table(calendar, coming.iter(), &zone)
        ));
        let all = self.events(calendar);
        body.push_str(&format!("<h2>All events and series</h2>{}", table(calendar, all.iter(), &zone)));
        let gone: Vec<Value> = self.deleted(calendar);
        if !gone.is_empty() {
            body.push_str(&format!("<h2>Deleted</h2>{}", table(calendar, gone.iter(), &zone)));
        }
        let name = self.world.calendars.get(calendar).map(|found| found.summary.clone()).unwrap_or_default();
        frame(&name, &body)
    }

    fn event_page(&self, now_ms: i64, calendar: &str, event: &Value) -> String {
        let zone = self.zone_of(calendar);
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = text("id");
        let one = !text("recurringEventId").is_empty();
        let gone = text("status") == "cancelled";
        let mut body = format!("<p><a href=\"{}\">Back to the calendar</a></p>", link(calendar, None));
        if one {
            let series = link(calendar, Some(text("recurringEventId")));
            body.push_str(&format!("<p>One occurrence of <a href=\"{series}\">a series</a>.</p>"));
        }
        let mut buttons = String::from("<div class=wide>");
        let mut button = |class: &str, action: &str, label: &str| {
            buttons.push_str(&format!("<button class=\"{class}\" name=action value={action}>{label}</button> "));
        };
        if gone {
            button("main", "restore", "Restore");
        } else {
            button("main", "save", if one { "Save this occurrence" } else { "Save" });
            if one {
                button("", "following", "Save this and following");
            }
            button("", "delete", if one { "Delete this occurrence" } else { "Delete" });
            if !one {
                button("", "copy", "Copy to the next day");
            }
            if event.get("attendees").is_some() {
                button("", "accepted", "Accept");
                button("", "declined", "Decline");
            }
        }
        buttons.push_str("</div>");
        if !one && !gone {
            buttons.push_str("<div class=wide><select name=to>");
            for other in self.calendars().iter().filter(|other| *other != calendar) {
                buttons.push_str(&format!("<option>{}</option>", escape(other)));
            }
            buttons.push_str("</select> <button name=action value=move>Move there</button></div>");
        }
        let form = page_form::form(
            &link(calendar, Some(id)),
            &Times::of(event, now_ms, &zone),
            event,
            if one { "one" } else { "" },
        );
        body.push_str(&form.replace("</form>", &format!("{buttons}</form>")));
        if event.get("recurrence").is_some() && !gone {
            let ids = self.first_occurrences(calendar, id, OCCURRENCES_SHOWN);
            let found: Vec<Value> = ids.iter().filter_map(|id| self.event(calendar, id)).collect();
            body.push_str(&format!("<h2>First occurrences</h2>{}", table(calendar, found.iter(), &zone)));
        }
        let raw = serde_json::to_string_pretty(event).unwrap_or_default();
        body.push_str(&format!("<details><summary>As the API has it</summary><pre>{}</pre></details>", escape(&raw)));
        frame(if text("summary").is_empty() { "(No title)" } else { text("summary") }, &body)
    }
}

fn table<'a>(calendar: &str, events: impl Iterator<Item = &'a Value>, zone: &str) -> String {
    let mut rows = String::from("<table><tr><th>When<th>What<th>");
    let mut count = 0;
    for event in events {
        count += 1;
        if count > ROWS_MAX {
            rows.push_str("<tr><td colspan=3 class=dim>and more");
            break;
        }
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let class = if text("status") == "cancelled" { " class=gone" } else { "" };
        let title = if text("summary").is_empty() { "(No title)" } else { text("summary") };
        let rule = event.get("recurrence").and_then(|lines| lines.get(0)).and_then(Value::as_str).unwrap_or_default();
        let what = match (rule.is_empty(), text("recurringEventId").is_empty()) {
            (false, _) => escape(rule),
            (true, false) => "one of a series".to_owned(),
            (true, true) => String::new(),
        };
        rows.push_str(&format!(
            "<tr><td{class}>{}<td><a{class} href=\"{}\">{}</a><td class=dim>{what}",
            escape(&page_form::when(event, zone)),
            link(calendar, Some(text("id"))),
            escape(title)
        ));
    }
    if count == 0 {
        rows.push_str("<tr><td colspan=3 class=dim>nothing");
    }
    rows.push_str("</table>");
    rows
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
