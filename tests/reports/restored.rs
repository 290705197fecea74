//! A restored backup is another life of the store: no token of the life that was lost is taken for one of the new,
//! however far the new one has come, and who starts over ends with what the server has.

use std::collections::BTreeMap;

use crate::asking::{CALENDAR, HOME, ada, responses, sync, token};
use crate::support::{self, Bench};
use crate::talk::{Reply, Talk};

fn event(uid: &str, summary: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260105T100000Z\r\nSUMMARY:{summary}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

async fn put(talk: &Talk, uid: &str, summary: &str) {
    talk.put(&format!("{CALENDAR}{uid}.ics"), &event(uid, summary)).await;
}

/// Tags by href, as a program keeps them after a sync.
fn tags(reply: &Reply) -> BTreeMap<String, String> {
    responses(reply).into_iter().map(|(href, said)| (href, said.expect("a first sync lists what is there"))).collect()
}

async fn ctag(talk: &Talk) -> String {
    let body = "<D:propfind xmlns:D='DAV:' xmlns:CS='http://calendarserver.org/ns/'><D:prop><CS:getctag/></D:prop>\
        </D:propfind>";
    talk.say("PROPFIND", CALENDAR, &[("depth", "0")], body).await.body
}

/// What was backed up on one store and restored on another.
async fn nobody_is_fooled(bench: Bench, mut fresh: Bench) {
    let talk = ada(&bench).await;
    for uid in ["kept", "changed", "deleted"] {
        put(&talk, uid, "before").await;
    }
    let before = talk.report(CALENDAR, &sync("", "")).await;
    let home_before = token(&talk.report(HOME, &sync("", "")).await);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup");
    bench.store.backup(&file).await.expect("a backup");

    // What the backup does not know of.
    put(&talk, "changed", "after").await;
    put(&talk, "new", "after").await;
    assert_eq!(talk.say("DELETE", &format!("{CALENDAR}deleted.ics"), &[], "").await.status, 204);
    let after = talk.report(CALENDAR, &sync("", "")).await;
    let home_after = token(&talk.report(HOME, &sync("", "")).await);
    let ctag_after = ctag(&talk).await;

    fresh.store.restore(&file, &fresh.keys).await.expect("a restore");
    fresh.store = fresh.reopen().await;
    let talk = talk.to(&fresh);
    let listed = tags(&talk.report(CALENDAR, &sync("", "")).await);
    assert_eq!(listed, tags(&before), "what was backed up is there, under its tags");
    // As many changes as the lost life had, and one more: its count alone would be believed.
    for (count, summary) in ["one", "two", "three", "four"].into_iter().enumerate() {
        for lost in [token(&before), token(&after)] {
            let reply = talk.report(CALENDAR, &sync(&lost, "")).await;
            assert!(reply.status == 403 && reply.body.contains("valid-sync-token"), "{count}: {}", reply.body);
        }
        for lost in [&home_before, &home_after] {
            let reply = talk.report(HOME, &sync(lost, "")).await;
            assert!(reply.status == 403 && reply.body.contains("valid-sync-token"), "{count}: {}", reply.body);
        }
        assert_ne!(ctag(&talk).await, ctag_after, "{count}: who polls sees that something happened");
        put(&talk, "other", summary).await;
    }

    // Who starts over in pages ends with what is there, and goes on from there.
    let mut replica: BTreeMap<String, String> = tags(&after);
    let (mut page, mut seen) = (String::new(), BTreeMap::new());
    loop {
        let limit = "<D:limit><D:nresults>2</D:nresults></D:limit>";
        let reply = talk.report(CALENDAR, &sync(&page, limit)).await;
        page = token(&reply);
        let mut said = responses(&reply);
        let goes_on = said.remove(CALENDAR).is_some();
        seen.extend(said.into_iter().map(|(href, said)| (href, said.expect("a first sync lists what is there"))));
        if !goes_on {
            break;
        }
    }
    replica.retain(|href, _| seen.contains_key(href));
    replica.extend(seen);
    let names: Vec<&str> = replica.keys().filter_map(|href| href.strip_prefix(CALENDAR)).collect();
    assert_eq!(names, ["changed.ics", "deleted.ics", "kept.ics", "other.ics"]);
    assert_eq!(replica, tags(&talk.report(CALENDAR, &sync("", "")).await));
    put(&talk, "later", "x").await;
    let next = responses(&talk.report(CALENDAR, &sync(&page, "")).await);
    assert_eq!(next.keys().collect::<Vec<_>>(), [&format!("{CALENDAR}later.ics")]);
}

#[tokio::test]
async fn on_sqlite() {
    nobody_is_fooled(support::sqlite().await, support::sqlite().await).await;
}

#[tokio::test]
async fn on_postgres() {
    if let (Some(bench), Some(fresh)) = (support::postgres().await, support::postgres().await) {
        nobody_is_fooled(bench, fresh).await;
    }
}

#[tokio::test]
async fn from_one_to_the_other() {
    if let Some(fresh) = support::postgres().await {
        nobody_is_fooled(support::sqlite().await, fresh).await;
    }
    if let Some(bench) = support::postgres().await {
        nobody_is_fooled(bench, support::sqlite().await).await;
    }
}
