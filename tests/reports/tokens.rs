//! Sync tokens through time: how long one is answered, and what becomes of it when a calendar or a name comes back.

use kalends::domain::time::DAY_MS;

use crate::asking::{CALENDAR, HOME, ada, in_range, query, responses, sync, token};
use crate::support::{self, Bench};
use crate::talk::Talk;

fn event(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260105T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn at(name: &str) -> String {
    format!("{CALENDAR}{name}.ics")
}

/// What a sync from a token tells, name by name; `None`: it is told that the token is none.
async fn since(talk: &Talk, path: &str, from: &str) -> Option<Vec<(String, bool)>> {
    let reply = talk.report(path, &sync(from, "")).await;
    if reply.status == 403 {
        assert!(reply.body.contains("valid-sync-token"), "{}", reply.body);
        return None;
    }
    let said = responses(&reply).into_iter();
    Some(said.map(|(href, said)| (href.trim_start_matches(path).to_owned(), said.is_ok())).collect())
}

async fn a_year_and_no_eternity(bench: Bench) {
    let talk = ada(&bench).await;
    talk.put(&at("a"), &event("a")).await;
    talk.put(&at("b"), &event("b")).await;
    let before = token(&talk.report(CALENDAR, &sync("", "")).await);
    assert_eq!(talk.say("DELETE", &at("b"), &[], "").await.status, 204);
    let after = token(&talk.report(CALENDAR, &sync("", "")).await);
    let told = Some(vec![("b.ics".to_owned(), false)]);
    let firm = bench.store.read().await.expect("a transaction").firms().await.expect("a query").remove(0).0;
    for days in [0, 366, 33] {
        bench.clock.advance_ms(days * DAY_MS);
        bench
            .store
            .take_away_now(&firm, &kalends::store::Kept::default(), &kalends::store::NewAudit::default())
            .await
            .expect("taken away");
        assert_eq!(since(&talk, CALENDAR, &before).await, told, "{days} days later");
    }
    bench.clock.advance_ms(2 * DAY_MS);
    bench
        .store
        .take_away_now(&firm, &kalends::store::Kept::default(), &kalends::store::NewAudit::default())
        .await
        .expect("taken away");
    // What was deleted is forgotten, so nobody who might have it is told that nothing happened.
    assert_eq!(since(&talk, CALENDAR, &before).await, None);
    assert_eq!(since(&talk, CALENDAR, &after).await, Some(vec![]));
    assert_eq!(since(&talk, CALENDAR, "").await, Some(vec![("a.ics".to_owned(), true)]));
}

async fn what_comes_back_is_new(bench: Bench) {
    let talk = ada(&bench).await;
    talk.put(&at("a"), &event("a")).await;
    let first = token(&talk.report(CALENDAR, &sync("", "")).await);
    // A name that was deleted and is there again was never away for who did not look.
    assert_eq!(talk.say("DELETE", &at("a"), &[], "").await.status, 204);
    talk.put(&at("a"), &event("another")).await;
    assert_eq!(since(&talk, CALENDAR, &first).await, Some(vec![("a.ics".to_owned(), true)]));
    let second = token(&talk.report(CALENDAR, &sync("", "")).await);
    assert_eq!(talk.say("DELETE", &at("a"), &[], "").await.status, 204);
    assert_eq!(since(&talk, CALENDAR, &second).await, Some(vec![("a.ics".to_owned(), false)]));

    // A calendar under the name of one that was deleted is another, whatever it counts up to.
    let home = token(&talk.report(HOME, &sync("", "")).await);
    assert_eq!(talk.say("DELETE", CALENDAR, &[], "").await.status, 204);
    assert_eq!(talk.report(CALENDAR, &sync(&second, "")).await.status, 404);
    assert_eq!(talk.say("MKCALENDAR", CALENDAR, &[], "").await.status, 201);
    for uid in ["p", "q", "r", "s", "t", "u"] {
        assert_eq!(since(&talk, CALENDAR, &second).await, None, "{uid}");
        assert_eq!(since(&talk, HOME, &home).await, None, "{uid}");
        talk.put(&at(uid), &event(uid)).await;
    }
    assert_eq!(since(&talk, CALENDAR, "").await.expect("a first sync").len(), 6);
}

#[tokio::test]
async fn a_token_is_answered_for_a_year_on_sqlite() {
    a_year_and_no_eternity(support::sqlite().await).await;
}

#[tokio::test]
async fn a_token_is_answered_for_a_year_on_postgres() {
    if let Some(bench) = support::postgres().await {
        a_year_and_no_eternity(bench).await;
    }
}

#[tokio::test]
async fn what_comes_back_is_new_on_sqlite() {
    what_comes_back_is_new(support::sqlite().await).await;
}

#[tokio::test]
async fn what_comes_back_is_new_on_postgres() {
    if let Some(bench) = support::postgres().await {
        what_comes_back_is_new(bench).await;
    }
}

/// Time zones by reference (RFC 7809): whoever says so is spared definitions that everybody has.
#[tokio::test]
async fn zones_are_left_out_for_who_has_them() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    let zone = |id: &str| {
        format!(
            "BEGIN:VTIMEZONE\r\nTZID:{id}\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n\
             TZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
        )
    };
    let zoned = |id: &str, definition: &str| {
        let tzid = if id == "own" { "Our Office" } else { "Europe/Berlin" };
        let start = format!("DTSTART;TZID={tzid}:20260105T100000\r\n");
        event(id)
            .replace("DTSTART:20260105T100000Z\r\n", &start)
            .replace("BEGIN:VEVENT", &format!("{definition}BEGIN:VEVENT"))
    };
    talk.put(&at("all"), &zoned("all", &zone("Europe/Berlin"))).await;
    talk.put(&at("own"), &zoned("own", &zone("Our Office"))).await;
    // Put without a definition that everybody has: kept so, and understood.
    talk.put(&at("reference"), &zoned("reference", "")).await;
    let body = query("<C:calendar-data/>", &in_range("VEVENT", "20260105T090000Z", "20260105T091500Z"));
    for (header, zones) in [(None, 2), (Some("T"), 2), (Some("F"), 1), (Some("f"), 1)] {
        let headers: Vec<(&str, &str)> =
            [Some(("depth", "1")), header.map(|value| ("caldav-timezones", value))].into_iter().flatten().collect();
        let reply = talk.say("REPORT", CALENDAR, &headers, body.clone()).await;
        assert_eq!(reply.body.matches("BEGIN:VEVENT").count(), 3, "{header:?}: {}", reply.body);
        assert_eq!(reply.body.matches("BEGIN:VTIMEZONE").count(), zones, "{header:?}: {}", reply.body);
        assert!(reply.body.contains("TZID:Our Office"), "{}", reply.body);
    }
    let unknown = body.replace("</C:filter>", "</C:filter><C:timezone-id>Mars/Olympus</C:timezone-id>");
    let reply = talk.report(CALENDAR, &unknown).await;
    assert!(reply.status == 403 && reply.body.contains("valid-timezone"), "{}", reply.body);
}
