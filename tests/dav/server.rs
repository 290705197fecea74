//! A server in this process, and a client that asks it.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use kalends::auth::{Gate, Purpose};
use kalends::dav::{self, Dav};
use kalends::domain::access::{Right, Role};
use kalends::domain::change::{Cause, Guard};
use kalends::domain::ids::{ResourceName, Slug, UserName};
use kalends::domain::object::CalendarObject;
use kalends::store::User;
use kalends::xml::{Document, Element, names};

use crate::support::stores::{Bench, START, caller, sqlite};

/// 2026-11-02T08:15:00Z, when the fixtures were written.
const FIXTURES_TIME_MS: i64 = 1_793_607_300_000;

/// CalDAV over a fresh store: ada and bob of one firm, eve of another.
pub struct Server {
    pub bench: Bench,
    pub gate: Gate,
    dav: Dav,
    authorizations: Vec<(&'static str, String)>,
}

/// An answer.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Server {
    pub async fn on(bench: Bench) -> Server {
        bench.clock.advance_ms(FIXTURES_TIME_MS - START.ms());
        let gate = Gate::new(bench.store.clone(), bench.keys.clone());
        let dav = Dav::new(gate.clone());
        let mut server = Server { bench, gate, dav, authorizations: Vec::new() };
        for (firm, name) in [("default", "ada"), ("default", "bob"), ("elsewhere", "eve")] {
            let user = server.bench.user(firm, name, Role::Client).await;
            server.admit(name, &user, false).await;
            if name == "ada" {
                server.admit("ada (read-only)", &user, true).await;
            }
        }
        server
    }

    pub async fn start() -> Server {
        Server::on(sqlite().await).await
    }

    async fn admit(&mut self, label: &'static str, user: &User, read_only: bool) {
        let secret = self.gate.store.chance().secret();
        let mut tx = self.gate.store.write().await.unwrap();
        let hash = self.gate.hash(Purpose::AppPassword, &secret);
        tx.add_app_password(&user.firm, &user.id, label, read_only, &hash).await.unwrap();
        tx.commit().await.unwrap();
        let basic = STANDARD.encode(format!("{}:{secret}", user.name));
        self.authorizations.push((label, format!("Basic {basic}")));
    }

    /// The `Authorization` of somebody.
    pub fn authorization(&self, who: &str) -> String {
        let found = self.authorizations.iter().find(|(label, _)| *label == who);
        found.unwrap_or_else(|| panic!("nobody is called {who}")).1.clone()
    }

    /// Asks as somebody; `""` is nobody.
    pub async fn ask(
        &self,
        who: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("host", "cal.example");
        if !who.is_empty() {
            request = request.header("authorization", self.authorization(who));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.into())).expect("a request");
        self.send(request).await
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        assert!(dav::wants(request.method(), request.uri().path()), "{request:?}");
        let response = dav::handle(&self.dav, request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    /// Asks as ada and reads the beginning of the answer, lets something happen, then reads the rest.
    pub async fn ask_slowly(
        &self,
        request: axum::http::request::Builder,
        body: String,
        meanwhile: impl Future,
    ) -> String {
        let request = request.header("authorization", self.authorization("ada")).body(Body::from(body));
        let mut answer = dav::handle(&self.dav, request.expect("a request")).await.into_body();
        let first = answer.frame().await.expect("a beginning").expect("no error").into_data().expect("data");
        meanwhile.await;
        let rest = answer.collect().await.expect("the rest").to_bytes();
        String::from_utf8([first, rest].concat()).expect("text")
    }

    /// PROPFIND of these properties (their XML) with a depth.
    pub async fn propfind(&self, who: &str, path: &str, depth: &str, props: &str) -> Reply {
        let body = format!("<D:propfind {NAMESPACES}><D:prop>{props}</D:prop></D:propfind>");
        self.ask(who, "PROPFIND", path, &[("depth", depth)], body).await
    }

    /// Puts an event of that UID under `{uid}.ics` in ada's calendar; its tag.
    pub async fn put_event(&self, uid: &str, summary: &str) -> String {
        let path = format!("{CALENDAR}{}.ics", uid.replace(' ', "%20"));
        let reply = self.ask("ada", "PUT", &path, &[], event(uid, summary)).await;
        assert!(matches!(reply.status, 201 | 204), "{} {}", reply.status, reply.body);
        reply.header("etag").to_owned()
    }

    /// Puts that many events into ada's calendar at once, `uid-0.ics` and so on.
    pub async fn fill(&self, count: usize) {
        let mut tx = self.gate.store.write().await.expect("a transaction");
        let user = tx.user_by_name(&UserName::parse("ada").expect("a name")).await.expect("an answer").expect("ada");
        let ada = caller(&user);
        let slug = Slug::parse("calendar").expect("a slug");
        let (access, _) = tx.calendar_for(&ada, &ada.name, &slug, Right::Write).await.expect("the calendar");
        for n in 0..count {
            let object = CalendarObject::parse(event(&format!("uid-{n}"), "x").into()).expect("an object");
            let name = ResourceName::parse(&format!("uid-{n}.ics")).expect("a name");
            tx.put_object(&access, &name, &object, &Guard::NONE, &Cause::system()).await.expect("a put");
        }
        tx.commit().await.expect("a commit");
    }
}

/// The prefixes that the tests write with.
pub const NAMESPACES: &str = "xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' \
    xmlns:CS='http://calendarserver.org/ns/' xmlns:A='http://apple.com/ns/ical/'";
/// Ada's home.
pub const HOME: &str = "/dav/calendars/ada/";
/// Ada's calendar of events.
pub const CALENDAR: &str = "/dav/calendars/ada/calendar/";
/// Ada's list of tasks.
pub const TASKS: &str = "/dav/calendars/ada/tasks/";

/// An event.
pub fn event(uid: &str, summary: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20261102T081500Z\r\nDTSTART:20261103T100000Z\r\nDTEND:20261103T110000Z\r\n\
         SUMMARY:{summary}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// A task.
pub fn todo(uid: &str) -> String {
    event(uid, "x").replace("VEVENT", "VTODO").replace("DTEND:", "DUE:")
}

impl Reply {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().expect("a text"))
    }

    /// The body as XML.
    pub fn xml(&self) -> Document {
        Document::parse(self.body.as_bytes(), usize::MAX).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The hrefs of the responses in a multistatus.
    pub fn hrefs(&self) -> Vec<String> {
        let document = self.xml();
        let responses = document.root().children_named(&names::RESPONSE);
        responses.map(|r| r.child(&names::HREF).expect("an href").text()).collect()
    }

    /// Expects a status and a precondition in the body.
    #[track_caller]
    pub fn expect_precondition(&self, status: u16, name: &kalends::xml::Name) {
        assert_eq!(self.status, status, "{}", self.body);
        let document = self.xml();
        assert!(document.root().is(&names::ERROR), "{}", self.body);
        assert!(document.root().child(name).is_some(), "{}", self.body);
    }

    /// Expects a status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Reply {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// What a person compares: status, the headers that matter, the body, with line breaks between elements and without
    /// what differs from run to run.
    pub fn shown(&self) -> String {
        let mut text = format!("{}\n", self.status);
        for name in [
            "allow",
            "connection",
            "content-location",
            "content-type",
            "dav",
            "etag",
            "last-modified",
            "location",
            "preference-applied",
            "retry-after",
            "vary",
            "www-authenticate",
        ] {
            if !self.header(name).is_empty() {
                text.push_str(&format!("{name}: {}\n", self.header(name)));
            }
        }
        let body = if self.body.starts_with("<?xml") { laid_out(&self.xml()) } else { self.body.replace("\r\n", "\n") };
        if !body.is_empty() {
            text.push('\n');
            text.push_str(&body);
        }
        masked(&text)
    }
}

/// XML with an element to a line, prefixes of our own.
fn laid_out(document: &Document) -> String {
    fn name(element: &Element) -> String {
        let prefix = match element.name().namespace() {
            names::DAV => "D:",
            names::CALDAV => "C:",
            names::CALENDARSERVER => "CS:",
            names::APPLE_ICAL => "A:",
            "" => "",
            other => return format!("{{{other}}}{}", element.name().local()),
        };
        format!("{prefix}{}", element.name().local())
    }
    fn write(element: &Element, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        let attributes: String = element.attributes().iter().map(|(n, v)| format!(" {}={v:?}", n.local())).collect();
        let text = element.text().replace('\r', "");
        let children: Vec<&Element> = element.children().collect();
        let tag = name(element);
        if children.is_empty() && text.is_empty() {
            out.push_str(&format!("{indent}<{tag}{attributes}/>\n"));
        } else if children.is_empty() {
            out.push_str(&format!("{indent}<{tag}{attributes}>{text}\n"));
        } else {
            out.push_str(&format!("{indent}<{tag}{attributes}>\n"));
            children.iter().for_each(|child| write(child, depth + 1, out));
        }
    }
    let mut out = String::new();
    write(document.root(), 0, &mut out);
    out
}

/// Without tags, identifiers and tokens, which are made of chance.
fn masked(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let (word, after) = from.split_at(from.find(|c| !is_word(c)).unwrap_or(from.len()));
        let is_uuid = word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && word.starts_with("01");
        out.push_str(match word.len() {
            _ if is_uuid => "[uuid]",
            32 if !word.contains('-') => "[tag]",
            _ => word,
        });
        rest = after;
    }
    out.push_str(rest);
    let mut masked = String::new();
    for (at, part) in out.split("data:,kalends-").enumerate() {
        if at == 0 {
            masked.push_str(part);
        } else {
            masked.push_str("[token]");
            masked.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || ".-[]".contains(c)));
        }
    }
    masked
}
