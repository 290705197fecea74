//! How the tests ask, and how they read the answers.

use std::collections::BTreeMap;
use std::path::Path;

use kalends::domain::access::Role;
use kalends::xml::{Document, Element, names};

use crate::support::Bench;
use crate::talk::{Reply, Talk};

/// Where the tests' user keeps what.
pub const HOME: &str = "/dav/calendars/ada/";
pub const CALENDAR: &str = "/dav/calendars/ada/calendar/";
pub const TASKS: &str = "/dav/calendars/ada/tasks/";

pub async fn ada(bench: &Bench) -> Talk {
    Talk::of(bench, &bench.user("acme", "ada", Role::Staff).await).await
}

pub fn fixture(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Appendix B of RFC 4791, its events in one calendar and its tasks in another.
pub async fn appendix_b(talk: &Talk) {
    for (calendar, numbers) in [(CALENDAR, 1..=3), (TASKS, 4..=7)] {
        for number in numbers {
            talk.put(&format!("{calendar}abcd{number}.ics"), &fixture(&format!("ics/rfc4791/abcd{number}.ics"))).await;
        }
    }
}

/// The answer for a snapshot: status, the headers that matter, one element a line, tokens masked.
pub fn shown(reply: &Reply) -> String {
    let mut text = format!("{}\n", reply.status);
    for name in ["content-type", "preference-applied"] {
        if let Some(value) = reply.headers.get(name) {
            text += &format!("{name}: {}\n", value.to_str().expect("text"));
        }
    }
    let body = reply.body.replace("\r\n", "\n").replace("&#13;", "").replace("><", ">\n<");
    let mut rest = body.as_str();
    while let Some(at) = rest.find("data:,kalends-") {
        let (before, token) = rest.split_at(at);
        text += before;
        text += "{token}";
        rest = &token[token.find('<').unwrap_or(token.len())..];
    }
    text + rest
}

/// What a multistatus says of each href: `Some(tag)` or the status of a response without a propstat.
pub fn responses(reply: &Reply) -> BTreeMap<String, Result<String, String>> {
    assert_eq!(reply.status, 207, "{}", reply.body);
    let document = Document::parse(reply.body.as_bytes(), usize::MAX).expect("well-formed");
    let mut found = BTreeMap::new();
    for response in document.root().children_named(&{ names::RESPONSE }) {
        let href = response.child(&names::HREF).expect("an href").text();
        let said = match response.child(&names::STATUS) {
            Some(status) => Err(status.text()),
            None => Ok(tag_in(response).unwrap_or_default()),
        };
        assert!(found.insert(href.clone(), said).is_none(), "{href} is answered twice");
    }
    found
}

fn tag_in(response: &Element) -> Option<String> {
    let props = response.child(&names::PROPSTAT)?.child(&names::PROP)?;
    props.child(&names::GETETAG).map(Element::text)
}

/// The last segments of the hrefs that were found.
pub fn found(reply: &Reply) -> Vec<String> {
    let found = responses(reply).into_iter().filter(|(_, said)| said.is_ok());
    found.map(|(href, _)| href.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

pub fn query(prop: &str, inside: &str) -> String {
    format!(
        "<C:calendar-query xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:prop>{prop}</D:prop><C:filter>\
         <C:comp-filter name='VCALENDAR'>{inside}</C:comp-filter></C:filter></C:calendar-query>"
    )
}

pub fn in_range(component: &str, from: &str, to: &str) -> String {
    format!("<C:comp-filter name='{component}'><C:time-range start='{from}' end='{to}'/></C:comp-filter>")
}

pub fn sync(token: &str, more: &str) -> String {
    format!(
        "<D:sync-collection xmlns:D='DAV:'><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>{more}\
         <D:prop><D:getetag/><D:getcontenttype/></D:prop></D:sync-collection>"
    )
}

pub fn token(reply: &Reply) -> String {
    let document = Document::parse(reply.body.as_bytes(), usize::MAX).expect("well-formed");
    let last = document.root().children().last().expect("something");
    assert!(last.is(&names::SYNC_TOKEN), "the token is the last child: {}", reply.body);
    last.text()
}
