//! Bodies as the programs send them, and what a multistatus says.

use kalends::xml::{Document, Element, names};

use crate::node::Reply;

pub const TAGS: &str = "<d:propfind xmlns:d='DAV:'><d:prop><d:getetag/><d:getcontenttype/></d:prop></d:propfind>";
pub const POLL: &str = "<A:propfind xmlns:A='DAV:'><A:prop><C:getctag xmlns:C='http://calendarserver.org/ns/'/>\
                        <A:sync-token/></A:prop></A:propfind>";

/// A sync-collection; macOS of old leaves the level out, others set a limit.
pub fn sync(token: &str, level: bool, limit: Option<usize>) -> String {
    let level = if level { "<D:sync-level>1</D:sync-level>" } else { "" };
    let limit = limit.map_or(String::new(), |n| format!("<D:limit><D:nresults>{n}</D:nresults></D:limit>"));
    format!(
        "<D:sync-collection xmlns:D='DAV:'><D:sync-token>{token}</D:sync-token>{level}{limit}\
         <D:prop><D:getetag/><D:getcontenttype/></D:prop></D:sync-collection>"
    )
}

pub fn multiget(hrefs: &[String]) -> String {
    let hrefs: String = hrefs.iter().map(|href| format!("<D:href>{href}</D:href>")).collect();
    format!(
        "<C:calendar-multiget xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:prop><D:getetag/>\
         <C:calendar-data/></D:prop>{hrefs}</C:calendar-multiget>"
    )
}

/// A window wide enough for everything that is written here.
pub fn query() -> String {
    "<C:calendar-query xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:prop><D:getetag/></D:prop><C:filter>\
     <C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'><C:time-range start='20260101T000000Z'/>\
     </C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
        .to_owned()
}

/// An event: which one it is, and its state.
pub fn event(uid: &str, born: &str, state: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//somebody//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260601T100000Z\r\nDTEND:20260601T110000Z\r\nSUMMARY:{state}\r\nDESCRIPTION:{born}\r\nEND:VEVENT\r\n\
         END:VCALENDAR\r\n"
    )
}

/// What a multistatus says.
#[derive(Default)]
pub struct Said {
    /// Href, tag and text of what is there.
    pub found: Vec<(String, String, Option<String>)>,
    pub gone: Vec<String>,
    pub truncated: bool,
    pub token: Option<String>,
}

pub fn responses(reply: &Reply) -> Said {
    assert_eq!(reply.status, 207, "{}", reply.body);
    let document = Document::parse(reply.body.as_bytes(), usize::MAX).expect("well-formed");
    let mut said = Said { token: document.root().child(&names::SYNC_TOKEN).map(Element::text), ..Said::default() };
    for response in document.root().children_named(&{ names::RESPONSE }) {
        let href = response.child(&names::HREF).expect("an href").text();
        match response.child(&names::STATUS).map(Element::text).as_deref() {
            Some(status) if status.contains(" 507 ") => said.truncated = true,
            Some(status) => {
                assert!(status.contains(" 404 "), "{href}: {status}");
                said.gone.push(href);
            }
            None => {
                let prop = response.child(&names::PROPSTAT).and_then(|stat| stat.child(&names::PROP));
                let text = |name| prop.and_then(|prop| prop.child(name)).map(Element::text);
                said.found.push((href, text(&names::GETETAG).unwrap_or_default(), text(&names::CALENDAR_DATA)));
            }
        }
    }
    let hrefs = said.found.iter().map(|(href, ..)| href).chain(&said.gone);
    let mut hrefs: Vec<&String> = hrefs.collect();
    let count = hrefs.len();
    hrefs.sort_unstable();
    hrefs.dedup();
    assert_eq!(hrefs.len(), count, "an href is answered twice: {}", reply.body);
    said
}
