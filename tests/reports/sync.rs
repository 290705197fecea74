//! Syncs: tokens, pages, and a replica that becomes what the server has.

use std::collections::BTreeMap;

use crate::asking::{CALENDAR, HOME, TASKS, ada, appendix_b, found, responses, sync, token};
use crate::support;
use crate::talk::Talk;

#[tokio::test]
async fn tokens_of_elsewhere_are_refused() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    let ours = token(&talk.report(CALENDAR, &sync("", "")).await);
    let others = token(&talk.report(TASKS, &sync("", "")).await);
    let (stem, seq) = ours.rsplit_once('.').expect("a count at its end");
    let future = format!("{stem}.{}", seq.parse::<i64>().expect("a number") + 1);
    let restored = ours.replace("kalends-", "kalends-0");
    for wrong in [others.as_str(), &future, &restored, "http://elsewhere.example/ns/sync/5", "x"] {
        let reply = talk.report(CALENDAR, &sync(wrong, "")).await;
        assert!(reply.status == 403 && reply.body.contains("valid-sync-token"), "{wrong}: {}", reply.body);
    }
    let level = |level: &str| sync(&ours, "").replace("<D:sync-level>1</D:sync-level>", level);
    assert_eq!(talk.report(CALENDAR, &level("")).await.status, 207);
    assert_eq!(talk.report(CALENDAR, &level("<D:sync-level>infinite</D:sync-level>")).await.status, 403);
    assert_eq!(talk.report(CALENDAR, &level("<D:sync-level>2</D:sync-level>")).await.status, 400);
    let home = token(&talk.report(HOME, &sync("", "")).await);
    assert_eq!(talk.report(CALENDAR, &sync(&home, "")).await.status, 403, "a home's token is no calendar's");
}

#[tokio::test]
async fn a_sync_may_bring_the_data_along() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    appendix_b(&talk).await;
    let body =
        sync("", "").replace("<D:getcontenttype/>", "<C:calendar-data xmlns:C='urn:ietf:params:xml:ns:caldav'/>");
    let reply = talk.report(CALENDAR, &body).await;
    assert_eq!(found(&reply).len(), 3);
    assert_eq!(reply.body.matches("BEGIN:VCALENDAR").count(), 3);
    assert_eq!(reply.body.matches("SUMMARY:Event #2 bis bis").count(), 1);
}

/// What happens between the syncs of a program.
#[derive(Clone, Debug)]
enum Act {
    Put(u8, u8),
    Delete(u8),
    /// To another name, here or in the other calendar and back.
    Move(u8, bool, u8, bool),
    /// Pages of at most so many, if any limit, and at most so many of them before something else happens.
    Sync(Option<u8>, u8),
    /// The program forgets its token.
    Forget,
}

fn act() -> impl proptest::strategy::Strategy<Value = Act> {
    use proptest::prelude::*;
    prop_oneof![
        6 => (0..8_u8, 0..3_u8).prop_map(|(name, content)| Act::Put(name, content)),
        3 => (0..8_u8).prop_map(Act::Delete),
        3 => (0..8_u8, any::<bool>(), 0..8_u8, any::<bool>()).prop_map(|(a, b, c, d)| Act::Move(a, b, c, d)),
        4 => (proptest::option::of(1..4_u8), 1..4_u8).prop_map(|(limit, pages)| Act::Sync(limit, pages)),
        1 => Just(Act::Forget),
    ]
}

/// A program's copy of a calendar.
#[derive(Default)]
struct Replica {
    token: String,
    tags: BTreeMap<String, String>,
}

impl Replica {
    /// Takes one page; whether there are more.
    async fn page(&mut self, talk: &Talk, limit: Option<u8>) -> bool {
        let more = limit.map_or(String::new(), |n| format!("<D:limit><D:nresults>{n}</D:nresults></D:limit>"));
        let reply = talk.report(CALENDAR, &sync(&self.token, &more)).await;
        let mut said = responses(&reply);
        let goes_on = said.remove(CALENDAR);
        assert!(goes_on.is_none() || limit.is_some(), "only who sets a limit is cut off: {}", reply.body);
        assert!(limit.is_none_or(|limit| said.len() <= usize::from(limit)), "{}", reply.body);
        assert!(goes_on.is_none() || !said.is_empty(), "a page goes on: {}", reply.body);
        for (href, said) in said {
            match said {
                Ok(tag) => self.tags.insert(href, tag),
                Err(status) => {
                    assert_eq!(status, "HTTP/1.1 404 Not Found");
                    assert!(!self.token.is_empty(), "a first sync lists what is there");
                    self.tags.remove(&href)
                }
            };
        }
        let token = token(&reply);
        assert!(goes_on.is_none() || token != self.token, "the token moves on");
        self.token = token;
        goes_on.is_some()
    }
}

async fn perform(talk: &Talk, replica: &mut Replica, act: &Act) {
    let path =
        |name: u8, here: bool| format!("{}{name}.ics", if here { CALENDAR } else { "/dav/calendars/ada/other/" });
    match *act {
        Act::Put(name, content) => {
            let event = format!(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u{name}\r\nDTSTAMP:20260101T000000Z\r\n\
                 DTSTART:20260101T100000Z\r\nSUMMARY:{content}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
            );
            // A UID that lives under another name by now is refused, which changes nothing.
            talk.say("PUT", &path(name, true), &[("content-type", "text/calendar")], event).await;
        }
        Act::Delete(name) => drop(talk.say("DELETE", &path(name, true), &[], "").await),
        Act::Move(from, from_here, to, to_here) => {
            let to = path(to, to_here);
            drop(talk.say("MOVE", &path(from, from_here), &[("destination", &to)], "").await);
        }
        Act::Sync(limit, pages) => {
            for _ in 0..pages {
                if !replica.page(talk, limit).await {
                    break;
                }
            }
        }
        Act::Forget => *replica = Replica::default(),
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn a_replica_becomes_what_the_server_has(acts in proptest::collection::vec(act(), 1..60), last in 1..4_u8) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let bench = support::sqlite().await;
            let talk = ada(&bench).await;
            assert_eq!(talk.say("MKCALENDAR", "/dav/calendars/ada/other/", &[], "").await.status, 201);
            let mut replica = Replica::default();
            for act in &acts {
                perform(&talk, &mut replica, act).await;
            }
            while replica.page(&talk, Some(last)).await {}
            let mut fresh = Replica::default();
            assert!(!fresh.page(&talk, None).await);
            assert_eq!(replica.tags, fresh.tags);
            assert_eq!(replica.token, fresh.token);
        });
    }
}
