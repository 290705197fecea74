//! The sync of a home: one question about all calendars.

use kalends::xml::names;

use crate::server::{CALENDAR, HOME, Reply, Server, TASKS};

async fn sync(server: &Server, token: &str, more: &str) -> Reply {
    let body = format!(
        "<D:sync-collection xmlns:D='DAV:'><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>{more}\
         <D:prop><D:displayname/></D:prop></D:sync-collection>"
    );
    server.ask("ada", "REPORT", HOME, &[], body).await
}

fn token(reply: &Reply) -> String {
    reply.expect(207).xml().root().children().last().filter(|e| e.is(&names::SYNC_TOKEN)).expect("a token").text()
}

#[tokio::test]
async fn a_home_tells_when_something_happened_below_it() {
    let server = Server::start().await;
    let first = sync(&server, "", "").await;
    assert_eq!(first.hrefs(), [CALENDAR, TASKS]);
    let listed = server.propfind("ada", HOME, "0", "<D:sync-token/>").await;
    assert!(listed.body.contains(&token(&first)), "{}", listed.body);

    let quiet = sync(&server, &token(&first), "").await;
    assert_eq!(quiet.hrefs(), Vec::<String>::new());
    assert_eq!(token(&quiet), token(&first));

    server.put_event("a", "x").await;
    let changed = sync(&server, &token(&first), "").await;
    assert!(changed.hrefs().contains(&CALENDAR.to_owned()));
    assert_eq!(sync(&server, &token(&changed), "").await.hrefs(), Vec::<String>::new());

    server.ask("ada", "DELETE", TASKS, &[], "").await.expect(204);
    let stale = sync(&server, &token(&changed), "").await;
    stale.expect_precondition(403, &names::VALID_SYNC_TOKEN);
    assert_eq!(sync(&server, "", "").await.hrefs(), [CALENDAR]);
}

#[tokio::test]
async fn half_a_home_is_not_told() {
    let server = Server::start().await;
    let one = sync(&server, "", "<D:limit><D:nresults>1</D:nresults></D:limit>").await;
    one.expect_precondition(403, &names::NUMBER_OF_MATCHES_WITHIN_LIMITS);
    let bobs = server.ask("bob", "REPORT", HOME, &[], "<D:sync-collection xmlns:D='DAV:'/>").await;
    bobs.expect(404);
}
