//! A provider in memory that says in iCalendar what it holds: for tests of the engine alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use kalends::domain::object::CalendarObject;
use kalends::domain::sync::{Provider, RemoteCalendarId, RemoteId, Snapshot};
use kalends::domain::time::Instant;
use kalends::upstream::{
    Answer, At, Batch, Channel, Entry, Failure, Folded, Lens, Next, Outgoing, RemoteCalendar, Unfit, Upstream, Written,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// What is to go wrong with the next call of a kind.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is not carried out.
    Before(Failure),
    /// It is carried out, and its answer is lost.
    After(Failure),
    /// A deletion is not carried out, and answered as if it were.
    Pretend,
}

#[derive(Clone, Debug)]
struct Item {
    ics: String,
    mark: String,
    seq: u64,
    gone: bool,
}

#[derive(Default)]
struct World {
    items: BTreeMap<String, Item>,
    seq: u64,
    epoch: u64,
    faults: VecDeque<(&'static str, Fault)>,
    calls: Vec<String>,
    /// The ids that calls went under.
    correlations: Vec<String>,
    page: usize,
    left_out: Option<String>,
    slandered: Option<String>,
    invited: usize,
}

/// The provider. Calls are counted, faults are scripted by the kind of call.
#[derive(Default)]
pub struct Double(Mutex<World>, Stall);

/// Calls of one kind that do not end until they may.
#[derive(Default)]
struct Stall {
    kind: Mutex<Option<&'static str>>,
    waiting: AtomicUsize,
    go: Notify,
}

fn payload(id: &str, item: &Item) -> Snapshot {
    Snapshot(json!({ "id": id, "ics": item.ics, "mark": item.mark, "etag": item.seq, "gone": item.gone }).to_string())
}

fn field(item: &Snapshot, name: &str) -> Value {
    serde_json::from_str::<Value>(&item.0).ok().and_then(|v| v.get(name).cloned()).unwrap_or(Value::Null)
}

/// What an event says but for the stamps that each side sets for itself.
fn said(ics: &str) -> Vec<&str> {
    ics.lines().filter(|line| !line.starts_with("DTSTAMP:") && !line.starts_with("LAST-MODIFIED:")).collect()
}

fn ics(item: &Snapshot) -> String {
    field(item, "ics").as_str().unwrap_or_default().to_owned()
}

impl Double {
    /// Somebody writes an event over there.
    pub fn human(&self, id: &str, ics: &str) {
        let mut world = self.0.lock().unwrap();
        world.seq += 1;
        let seq = world.seq;
        let mark = world.items.get(id).map(|i| i.mark.clone()).unwrap_or_default();
        world.items.insert(id.to_owned(), Item { ics: ics.to_owned(), mark, seq, gone: false });
    }

    /// Somebody edits an event over there.
    pub fn edit(&self, id: &str, change: impl FnOnce(String) -> String) {
        let ics = self.0.lock().unwrap().items[id].ics.clone();
        self.human(id, &change(ics));
    }

    /// Somebody deletes an event over there.
    pub fn remove(&self, id: &str) {
        let mut world = self.0.lock().unwrap();
        world.seq += 1;
        let seq = world.seq;
        let item = world.items.get_mut(id).expect("it is there");
        (item.gone, item.seq) = (true, seq);
    }

    /// Every cursor so far is forgotten.
    pub fn forget_cursors(&self) {
        self.0.lock().unwrap().epoch += 1;
    }

    pub fn pages_of(&self, size: usize) {
        self.0.lock().unwrap().page = size;
    }

    /// The next listing does not name this event.
    pub fn leave_out(&self, id: &str) {
        self.0.lock().unwrap().left_out = Some(id.to_owned());
    }

    /// The next listing says of this event that it is deleted, which it is not.
    pub fn slander(&self, id: &str) {
        self.0.lock().unwrap().slandered = Some(id.to_owned());
    }

    /// Calls of this kind wait until [`Double::go`].
    pub fn stall(&self, kind: &'static str) {
        *self.1.kind.lock().unwrap() = Some(kind);
    }

    /// So many calls wait.
    pub async fn stalled(&self, count: usize) {
        while self.1.waiting.load(Ordering::SeqCst) < count {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// Calls that wait go on, and none waits any more.
    pub fn go(&self) {
        *self.1.kind.lock().unwrap() = None;
        self.1.go.notify_waiters();
    }

    async fn pass(&self, kind: &'static str) {
        let stalls = *self.1.kind.lock().unwrap() == Some(kind);
        if stalls {
            let go = self.1.go.notified();
            self.1.waiting.fetch_add(1, Ordering::SeqCst);
            go.await;
        }
    }

    /// Calls so far that could mail somebody.
    pub fn invitations(&self) -> usize {
        self.0.lock().unwrap().invited
    }

    pub fn fault(&self, call: &'static str, fault: Fault) {
        self.0.lock().unwrap().faults.push_back((call, fault));
    }

    /// The live events by id.
    pub fn live(&self) -> BTreeMap<String, String> {
        let world = self.0.lock().unwrap();
        world.items.iter().filter(|(_, i)| !i.gone).map(|(id, i)| (id.clone(), i.ics.clone())).collect()
    }

    /// The calls so far, and forgets them.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    /// The calls so far with the ids that they went under, and forgets them.
    pub fn correlations(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().correlations)
    }

    fn call<T>(&self, name: &'static str, act: impl FnOnce(&mut World) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut world = self.0.lock().unwrap();
        world.calls.push(name.to_owned());
        let id = kalends::upstream::http::correlation_of_call();
        world.correlations.extend(id.and_then(|id| Some(format!("{name} {}", id.to_str().ok()?))));
        let at = world.faults.iter().position(|(call, _)| *call == name);
        let fault = at.and_then(|at| world.faults.remove(at)).map(|(_, fault)| fault);
        match fault {
            Some(Fault::Before(failure)) => Err(failure),
            Some(Fault::After(failure)) => act(&mut world).and(Err(failure)),
            Some(Fault::Pretend) | None => act(&mut world),
        }
    }
}

impl Upstream for Double {
    fn provider(&self) -> Provider {
        Provider::Google
    }

    fn writable(&self) -> bool {
        true
    }

    fn calendars<'a>(&'a self, _: &'a SecretString, _: &'a str) -> Answer<'a, Vec<RemoteCalendar>> {
        let all = vec![RemoteCalendar {
            id: RemoteCalendarId("primary".to_owned()),
            name: "Primary".to_owned(),
            zone: Some("UTC".to_owned()),
            writable: true,
            primary: true,
        }];
        Box::pin(async move { self.call("calendars", |_| Ok(all)) })
    }

    fn changes<'a>(&'a self, _: At<'a>, cursor: Option<&'a str>, page: Option<&'a str>) -> Answer<'a, Batch> {
        Box::pin(async move {
            self.pass("changes").await;
            self.call("changes", |world| {
                let since = match cursor {
                    None => None,
                    Some(text) => {
                        let (epoch, seq) = text.split_once('.').expect("ours");
                        if epoch != world.epoch.to_string() {
                            return Err(Failure::CursorLost);
                        }
                        Some(seq.parse::<u64>().expect("ours"))
                    }
                };
                let left_out = world.left_out.take();
                let slandered = world.slandered.take();
                let from: usize = page.map_or(0, |p| p.parse().expect("ours"));
                let size = if world.page == 0 { usize::MAX } else { world.page };
                let all: Vec<_> = world
                    .items
                    .iter()
                    .filter(|(id, _)| left_out.as_ref() != Some(id))
                    .filter(|(id, i)| slandered.as_ref() == Some(id) || since.map_or(!i.gone, |since| i.seq > since))
                    .map(|(id, i)| {
                        let told = Item { gone: i.gone || slandered.as_ref() == Some(id), ..i.clone() };
                        Entry { item: RemoteId(id.clone()), payload: payload(id, &told).0 }
                    })
                    .collect();
                let entries: Vec<_> = all.iter().skip(from).take(size).cloned().collect();
                let next = if from + entries.len() < all.len() {
                    Next::Page((from + entries.len()).to_string())
                } else {
                    Next::Complete(format!("{}.{}", world.epoch, world.seq))
                };
                Ok(Batch { entries, unreadable: Vec::new(), next, zone: None })
            })
        })
    }

    fn fetch<'a>(&'a self, _: At<'a>, id: &'a RemoteId) -> Answer<'a, Option<Snapshot>> {
        Box::pin(async move {
            self.call("fetch", |world| Ok(world.items.get(&id.0).filter(|i| !i.gone).map(|i| payload(&id.0, i))))
        })
    }

    fn id_for(&self, key: &str) -> Option<RemoteId> {
        Some(RemoteId(format!("k{}", &key[..12])))
    }

    fn find<'a>(&'a self, _: At<'a>, key: &'a str) -> Answer<'a, Option<(RemoteId, Snapshot)>> {
        Box::pin(async move {
            let id = self.id_for(key).expect("ours");
            self.call("find", |world| {
                Ok(world.items.get(&id.0).filter(|i| !i.gone).map(|i| (id.clone(), payload(&id.0, i))))
            })
        })
    }

    fn create<'a>(&'a self, _: At<'a>, key: &'a str, item: &'a Outgoing, invite: bool) -> Answer<'a, Written> {
        Box::pin(async move {
            let id = self.id_for(key).expect("ours");
            self.pass("create").await;
            self.call("create", |world| {
                world.invited += usize::from(invite);
                if world.items.get(&id.0).is_some_and(|i| !i.gone) {
                    return Err(Failure::Exists);
                }
                world.seq += 1;
                let (ics, mark) = item.payload.split_once('\0').expect("ours");
                let new = Item { ics: ics.to_owned(), mark: mark.to_owned(), seq: world.seq, gone: false };
                world.items.insert(id.0.clone(), new.clone());
                Ok(Written { id: id.clone(), item: payload(&id.0, &new), left: None })
            })
        })
    }

    fn update<'a>(
        &'a self,
        _: At<'a>,
        id: &'a RemoteId,
        held: &'a Snapshot,
        item: &'a Outgoing,
        invite: bool,
    ) -> Answer<'a, Written> {
        Box::pin(async move {
            self.call("update", |world| {
                world.invited += usize::from(invite);
                world.seq += 1;
                let seq = world.seq;
                let there = world.items.get_mut(&id.0).filter(|i| !i.gone).ok_or(Failure::Gone)?;
                if field(held, "etag").as_u64() != Some(there.seq) {
                    return Err(Failure::Changed);
                }
                let (ics, mark) = item.payload.split_once('\0').expect("ours");
                *there = Item { ics: ics.to_owned(), mark: mark.to_owned(), seq, gone: false };
                Ok(Written { id: id.clone(), item: payload(&id.0, there), left: None })
            })
        })
    }

    fn delete<'a>(&'a self, _: At<'a>, id: &'a RemoteId, held: Option<&'a Snapshot>, invite: bool) -> Answer<'a, ()> {
        Box::pin(async move {
            let pretended = {
                let mut world = self.0.lock().unwrap();
                let at = world.faults.iter().position(|(call, f)| *call == "delete" && matches!(f, Fault::Pretend));
                at.is_some_and(|at| world.faults.remove(at).is_some())
            };
            self.call("delete", |world| {
                if pretended {
                    return Ok(());
                }
                world.invited += usize::from(invite);
                world.seq += 1;
                let seq = world.seq;
                let Some(there) = world.items.get_mut(&id.0).filter(|i| !i.gone) else { return Ok(()) };
                if held.is_some_and(|held| field(held, "etag").as_u64() != Some(there.seq)) {
                    return Err(Failure::Changed);
                }
                (there.gone, there.seq) = (true, seq);
                Ok(())
            })
        })
    }

    fn watch<'a>(&'a self, _: At<'a>, id: &'a str, _: &'a str, _: &'a str) -> Answer<'a, Channel> {
        let channel = Channel { id: id.to_owned(), resource: "r".to_owned(), expires: Instant::FAR_FUTURE };
        Box::pin(async move { self.call("watch", |_| Ok(channel)) })
    }

    fn unwatch<'a>(&'a self, _: At<'a>, _: &'a Channel) -> Answer<'a, ()> {
        Box::pin(async move { self.call("unwatch", |_| Ok(())) })
    }

    fn fold(&self, _: Option<&Snapshot>, entries: &[Entry]) -> Folded {
        let last = Snapshot(entries.last().map(|e| e.payload.clone()).unwrap_or_default());
        if field(&last, "gone") == Value::Bool(true) { Folded::Gone } else { Folded::Present(last) }
    }

    fn normal(&self, item: &Snapshot) -> String {
        ics(item)
    }

    fn put(&self, item: &Snapshot, _: Option<&CalendarObject>, _: Lens<'_>) -> Result<CalendarObject, Unfit> {
        CalendarObject::parse(Bytes::from(ics(item))).map_err(|e| Unfit(e.to_string()))
    }

    fn repeats(&self, object: &CalendarObject, _: Lens<'_>) -> Result<(), Unfit> {
        let unfit = String::from_utf8_lossy(object.bytes()).contains("BYSETPOS=");
        if unfit { Err(Unfit("there is no pattern for it".to_owned())) } else { Ok(()) }
    }

    fn get(&self, object: &CalendarObject, _: Option<&Snapshot>, lens: Lens<'_>) -> Result<Outgoing, Unfit> {
        self.repeats(object, lens)?;
        let text = String::from_utf8_lossy(object.bytes()).into_owned();
        Ok(Outgoing { payload: format!("{text}\0{}", lens.mark), warnings: Vec::new() })
    }

    fn says(&self, held: &Snapshot, item: &Outgoing) -> bool {
        item.payload.split_once('\0').is_some_and(|(text, _)| said(text) == said(&ics(held)))
    }

    fn mark(&self, item: &Snapshot) -> Option<String> {
        field(item, "mark").as_str().filter(|m| !m.is_empty()).map(str::to_owned)
    }

    fn uid(&self, item: &Snapshot) -> Option<String> {
        CalendarObject::parse(Bytes::from(ics(item))).ok().map(|o| o.uid().to_owned())
    }

    fn changed_ms(&self, _: &Snapshot) -> Option<i64> {
        None
    }

    fn may_write(&self, item: &Snapshot) -> bool {
        // Somebody else's meeting.
        !ics(item).contains("\r\nORGANIZER:mailto:boss@")
    }
}
