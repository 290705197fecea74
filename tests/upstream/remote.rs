//! What the suite needs of a provider beside the connector: people who edit there, and things that go wrong.

use std::sync::Arc;

use bytes::Bytes;
use kalends::domain::object::CalendarObject;
use kalends::domain::sync::{RemoteId, Snapshot};
use kalends::upstream::{At, Batch, Entry, Failure, Folded, Lens, Next, Outgoing, Upstream};

/// What goes wrong with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is carried out and nothing comes back.
    AnswerLost,
    /// It is carried out and the answer ends in the middle.
    AnswerCut,
    /// Nothing is carried out and nothing comes back.
    RequestLost,
    /// The account has asked too often.
    TooMany,
    /// The same, with a time to wait in seconds.
    Wait(u32),
    /// The provider is ill; nothing is carried out.
    Ill,
    /// A page of HTML.
    Html,
    /// What is no JSON, after carrying it out.
    Nonsense,
    /// JSON with wrong types, after carrying it out.
    WrongTypes,
    /// An answer without end, after carrying it out.
    Huge,
    /// A redirect.
    Redirect,
    /// The access token is not taken.
    TokenRefused,
    /// The cursor is forgotten.
    CursorForgotten,
    /// The account may not do that to this item.
    Forbidden,
    /// Pages of one entry, from now on.
    ShortPages,
}

/// A provider with an account, seen from its own side.
pub trait Remote {
    /// The connector.
    fn upstream(&self) -> Arc<dyn Upstream>;
    /// Where its calls go.
    fn at(&self) -> At<'_>;
    /// Something goes wrong with the next call.
    fn trouble(&self, trouble: Trouble);
    /// A person makes an appointment there; its id.
    fn make(&self, title: &str) -> RemoteId;
    /// A person gives it another title.
    fn rename(&self, id: &RemoteId, title: &str);
    /// A person deletes it.
    fn delete(&self, id: &RemoteId);
    /// The titles of all appointments that are there, in order.
    fn titles(&self) -> Vec<String>;
    /// Starts and titles of the first occurrences of all that is there.
    fn occurrences(&self) -> Vec<(String, String)>;
    /// Calls that changed something.
    fn writes(&self) -> usize;
    /// Mails that went to people.
    fn mails(&self) -> usize;
}

pub const LENS: Lens<'static> = Lens { zone: "Europe/Berlin", mark: "mark-of-ours", attendees_live: false };

pub fn object(lines: &str) -> CalendarObject {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//T//T//EN\n{lines}\nEND:VCALENDAR\n");
    CalendarObject::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("a lawful object")
}

pub fn appointment(title: &str) -> CalendarObject {
    object(&format!(
        "BEGIN:VEVENT\nUID:{title}@kalends\nDTSTAMP:20260101T000000Z\nSUMMARY:{title}\nATTENDEE;CN=Bob:mailto:bob@example.org\n\
         DTSTART;TZID=Europe/Berlin:20261201T090000\nDTEND;TZID=Europe/Berlin:20261201T100000\nEND:VEVENT"
    ))
}

pub fn text(object: &CalendarObject) -> String {
    String::from_utf8_lossy(object.bytes()).replace("\r\n ", "").replace("\r\n", "\n")
}

/// What an object should say there.
pub fn outgoing(remote: &dyn Remote, object: &CalendarObject, held: Option<&Snapshot>) -> Outgoing {
    remote.upstream().get(object, held, LENS).expect("expressible")
}

/// Every entry of a listing, with the cursor behind it; `None` where it is not proven complete.
pub async fn listing(remote: &dyn Remote, cursor: Option<&str>) -> Result<(Vec<Entry>, Option<String>), Failure> {
    let (mut entries, mut page): (Vec<Entry>, Option<String>) = (Vec::new(), None);
    for _ in 0..1_000 {
        let batch: Batch = remote.upstream().changes(remote.at(), cursor, page.as_deref()).await?;
        assert_eq!(batch.unreadable, Vec::<String>::new());
        entries.extend(batch.entries);
        match batch.next {
            Next::Page(next) => page = Some(next),
            Next::Complete(cursor) => return Ok((entries, Some(cursor))),
            Next::Partial => return Ok((entries, None)),
        }
    }
    panic!("the listing does not end")
}

/// What is known of one item after these entries, asked for where they do not say it all.
pub async fn folded(remote: &dyn Remote, held: Option<&Snapshot>, entries: &[Entry], id: &RemoteId) -> Folded {
    let upstream = remote.upstream();
    let own: Vec<Entry> = entries.iter().filter(|entry| entry.item == *id).cloned().collect();
    let known = upstream.fold(held, &own);
    if !upstream.lists_all() || known != Folded::Incomplete {
        return known;
    }
    let asked = upstream.fetch_all(remote.at(), std::slice::from_ref(id)).await.expect("asked");
    assert_eq!(asked.len(), 1);
    let (_, found) = asked.into_iter().next().expect("an answer");
    found.expect("readable").map_or(Folded::Gone, Folded::Present)
}

pub fn present(folded: Folded) -> Snapshot {
    match folded {
        Folded::Present(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}
