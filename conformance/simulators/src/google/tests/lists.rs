//! Listings, pages and deltas.

use serde_json::{Value, json};

use super::{Bench, NOW, WORK, hour, weekly};

fn sync_token(bench: &mut Bench) -> String {
    let got = bench.get(&format!("{WORK}?showDeleted=true&maxResults=2500"));
    assert_eq!(got.status, 200, "{}", got.body);
    got.text("nextSyncToken")
}

#[test]
fn pages_follow_each_other_and_only_the_last_has_the_sync_token() {
    let mut bench = Bench::new();
    for number in 0..5 {
        bench.insert(hour(&format!("Event {number}")));
    }
    let (mut path, mut seen, mut pages) = (format!("{WORK}?maxResults=2"), Vec::new(), 0);
    let token = loop {
        let got = bench.get(&path);
        pages += 1;
        seen.extend(got.ids().into_iter().map(str::to_owned));
        assert_ne!(got.body.get("nextPageToken").is_some(), got.body.get("nextSyncToken").is_some());
        if let Some(next) = got.body["nextPageToken"].as_str() {
            path = format!("{WORK}?maxResults=2&pageToken={next}");
            continue;
        }
        break got.text("nextSyncToken");
    };
    assert_eq!((pages, seen.len()), (3, 5));
    let none = bench.get(&format!("{WORK}?syncToken={token}"));
    assert!(none.ids().is_empty());
    assert!(!none.text("nextSyncToken").is_empty());
}

#[test]
fn a_delta_has_what_changed_and_tombstones_by_id_alone() {
    let mut bench = Bench::new();
    let (kept, gone) = (bench.insert(hour("Kept")).text("id"), bench.insert(hour("Gone")).text("id"));
    let token = sync_token(&mut bench);
    bench.call("DELETE", &format!("{WORK}/{gone}"), Value::Null);
    bench.call("PATCH", &format!("{WORK}/{kept}"), json!({ "summary": "Changed" }));
    let new = bench.insert(hour("New")).text("id");
    let delta = bench.get(&format!("{WORK}?showDeleted=true&syncToken={token}"));
    assert_eq!(delta.ids(), [gone.as_str(), kept.as_str(), new.as_str()]);
    assert_eq!(
        delta.body["items"][0].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["kind", "etag", "id", "status"]
    );
    // Deletions are in it, asked or not; a page of a delta repeats the sync token.
    assert_eq!(bench.get(&format!("{WORK}?syncToken={token}")).ids().len(), 3);
    let first = bench.get(&format!("{WORK}?syncToken={token}&maxResults=1"));
    let second = bench.get(&format!("{WORK}?syncToken={token}&maxResults=1&pageToken={}", first.text("nextPageToken")));
    assert_eq!((first.ids(), second.ids()), (vec![gone.as_str()], vec![kept.as_str()]));
}

#[test]
fn what_changes_while_paging_comes_with_the_next_delta() {
    let mut bench = Bench::new();
    let first = bench.insert(hour("First")).text("id");
    bench.insert(hour("Second"));
    let page = bench.get(&format!("{WORK}?maxResults=1"));
    bench.call("PATCH", &format!("{WORK}/{first}"), json!({ "summary": "Changed" }));
    let last = bench.get(&format!("{WORK}?maxResults=1&pageToken={}", page.text("nextPageToken")));
    let delta = bench.get(&format!("{WORK}?syncToken={}", last.text("nextSyncToken")));
    assert_eq!(delta.body["items"][0]["summary"], "Changed");
}

#[test]
fn a_sync_token_stands_alone() {
    let mut bench = Bench::new();
    let token = sync_token(&mut bench);
    for beside in [
        "iCalUID=x",
        "orderBy=updated",
        "privateExtendedProperty=a%3Db",
        "q=x",
        "sharedExtendedProperty=a%3Db",
        "timeMin=2026-01-01T00:00:00Z",
        "timeMax=2026-01-01T00:00:00Z",
        "updatedMin=2026-01-01T00:00:00Z",
        "showDeleted=false",
    ] {
        let got = bench.get(&format!("{WORK}?syncToken={token}&{beside}"));
        assert_eq!((got.status, got.reason()), (400, "badRequest"), "{beside}");
    }
    assert_eq!(bench.get(&format!("{WORK}?orderBy=startTime")).status, 400);
    assert_eq!(bench.get(&format!("{WORK}?orderBy=updated")).body.get("nextSyncToken"), None);
}

#[test]
fn a_dead_token_asks_for_everything() {
    let mut bench = Bench::new();
    let token = sync_token(&mut bench);
    let garbled = bench.get(&format!("{WORK}?syncToken=A{token}"));
    assert_eq!((garbled.status, garbled.reason()), (410, "fullSyncRequired"));
    assert_eq!(garbled.body["error"]["errors"][0]["location"], "syncToken");
    bench.google.expire_sync_tokens("work@group.calendar.google.com");
    assert_eq!(bench.get(&format!("{WORK}?syncToken={token}")).status, 410);
    let token = sync_token(&mut bench);
    bench.now_ms += bench.google.settings_mut().sync_token_life_ms;
    // The access token is older still.
    bench.token = bench.google.grant(bench.now_ms, "ada@example.com", "client", &["calendar"]).access_token;
    assert_eq!(bench.get(&format!("{WORK}?syncToken={token}")).status, 410);
    assert_eq!(bench.get(&format!("{WORK}?updatedMin=2026-01-01T00:00:00Z")).reason(), "updatedMinTooLongAgo");
}

#[test]
fn a_window_is_of_ends_and_starts() {
    let mut bench = Bench::new();
    bench.insert(hour("Noon to one"));
    bench.insert(weekly("Weekly"));
    let ids = |bench: &mut Bench, query: &str| bench.get(&format!("{WORK}?{query}")).ids().len();
    // It ends at 17:00 UTC and starts at 16:00 UTC: both bounds are exclusive.
    assert_eq!(ids(&mut bench, "timeMin=2026-03-10T17:00:00Z&timeMax=2026-03-11T00:00:00Z"), 0);
    assert_eq!(ids(&mut bench, "timeMin=2026-03-10T16:59:59Z&timeMax=2026-03-11T00:00:00Z"), 2);
    assert_eq!(ids(&mut bench, "timeMax=2026-03-10T16:00:00Z"), 0);
    assert_eq!(ids(&mut bench, "timeMin=2026-03-20T00:00:00Z"), 1);
    let empty = bench.get(&format!("{WORK}?timeMin=2026-03-20T00:00:00Z&timeMax=2026-03-20T00:00:00Z"));
    assert_eq!((empty.status, empty.reason()), (400, "timeRangeEmpty"));
    assert_eq!(bench.get(&format!("{WORK}?timeMin=2026-03-20T00:00:00")).status, 400);
}

#[test]
fn single_events_are_the_occurrences() {
    let mut bench = Bench::new();
    let series = bench.insert(weekly("Weekly")).text("id");
    bench.call("DELETE", &format!("{WORK}/{series}_20260317T160000Z"), Value::Null);
    bench.call("PATCH", &format!("{WORK}/{series}_20260324T160000Z"), json!({ "summary": "Other" }));
    let got = bench.get(&format!("{WORK}?singleEvents=true&orderBy=startTime"));
    let summaries: Vec<&str> =
        got.body["items"].as_array().unwrap().iter().map(|item| item["summary"].as_str().unwrap()).collect();
    assert_eq!(summaries, ["Weekly", "Other", "Weekly", "Weekly"]);
    assert!(got.body["items"][0].get("recurrence").is_none());
    assert_eq!(bench.get(&format!("{WORK}?singleEvents=true&showDeleted=true")).ids().len(), 5);
    bench.call("DELETE", &format!("{WORK}/{series}"), Value::Null);
    assert_eq!(bench.get(WORK).ids().len(), 0);
    // The series, and what was changed and removed of it.
    assert_eq!(bench.get(&format!("{WORK}?showDeleted=true")).ids().len(), 3);
}

#[test]
fn filters_select() {
    let mut bench = Bench::new();
    let mut marked = hour("Marked");
    marked["extendedProperties"] = json!({ "private": { "origin": "us" } });
    let id = bench.insert(marked).text("id");
    bench.insert(hour("Plain"));
    for query in ["privateExtendedProperty=origin%3Dus", "q=MARK", &format!("iCalUID={id}%40google.com")] {
        assert_eq!(bench.get(&format!("{WORK}?{query}")).ids(), [id.as_str()], "{query}");
    }
    assert_eq!(bench.get(&format!("{WORK}?eventTypes=birthday")).ids().len(), 0);
    assert_eq!(bench.get(&format!("{WORK}?eventTypes=default&eventTypes=birthday")).ids().len(), 2);
    assert_eq!(bench.get(&format!("{WORK}?maxResults=0")).status, 400);
}

#[test]
fn the_calendar_list_syncs_too() {
    let mut bench = Bench::new();
    let path = "/calendar/v3/users/me/calendarList";
    let got = bench.get(path);
    assert_eq!(got.ids(), ["ada@example.com", "work@group.calendar.google.com"]);
    assert_eq!(got.body["items"][0]["primary"], true);
    assert_eq!(got.body["items"][1]["dataOwner"], "ada@example.com");
    let token = got.text("nextSyncToken");
    assert!(bench.get(&format!("{path}?syncToken={token}")).ids().is_empty());
    bench.google.unshare(NOW, "ada@example.com", "work@group.calendar.google.com");
    let delta = bench.get(&format!("{path}?syncToken={token}"));
    assert_eq!(delta.body["items"][0]["deleted"], true);
    assert_eq!(bench.get(&format!("{path}?syncToken={token}&minAccessRole=owner")).status, 400);
    bench.google.expire_list_tokens("ada@example.com");
    assert_eq!(bench.get(&format!("{path}?syncToken={token}")).reason(), "fullSyncRequired");
}
