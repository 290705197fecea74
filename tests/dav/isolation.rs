//! Nobody finds what is another's, and nobody finds out that it is there.

use crate::server::{Server, event};

const METHODS: [&str; 10] =
    ["GET", "HEAD", "PUT", "DELETE", "PROPFIND", "PROPPATCH", "MKCALENDAR", "COPY", "MOVE", "REPORT"];

#[tokio::test]
async fn what_is_anothers_is_as_if_it_were_not() {
    let server = Server::start().await;
    server.put_event("a", "secret").await;
    let pairs = [
        ("/dav/calendars/ada/calendar/a.ics", "/dav/calendars/nobody/calendar/a.ics"),
        ("/dav/calendars/ada/calendar/", "/dav/calendars/nobody/calendar/"),
        ("/dav/calendars/ada/", "/dav/calendars/nobody/"),
        ("/dav/principals/ada/", "/dav/principals/nobody/"),
    ];
    for who in ["bob", "eve"] {
        for method in METHODS {
            for (there, nowhere) in pairs {
                let headers = [("depth", "0"), ("destination", "/dav/calendars/bob/calendar/stolen.ics")];
                let body = match method {
                    "PUT" => event("b", "x"),
                    "PROPPATCH" => "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><D:x/></D:prop></D:set>\
                        </D:propertyupdate>"
                        .to_owned(),
                    "REPORT" => "<D:expand-property xmlns:D='DAV:'/>".to_owned(),
                    _ => String::new(),
                };
                let found = server.ask(who, method, there, &headers, body.clone()).await;
                let absent = server.ask(who, method, nowhere, &headers, body).await;
                assert_eq!(found.status, absent.status, "{who} {method} {there}: {}", found.body);
                assert!((400..500).contains(&found.status), "{who} {method} {there}: {}", found.status);
                assert_eq!(
                    found.body.replace("ada", "nobody"),
                    absent.body,
                    "{who} {method} {there} tells that something is there"
                );
            }
        }
        let own = format!("/dav/calendars/{who}/calendar/");
        assert_eq!(server.propfind(who, &own, "1", "<D:getetag/>").await.hrefs(), [own]);
    }
    assert!(server.ask("ada", "GET", "/dav/calendars/ada/calendar/a.ics", &[], "").await.body.contains("secret"));
}

#[tokio::test]
async fn what_one_keeps_no_other_sees() {
    let server = Server::start().await;
    let body = "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><D:x>ada's</D:x></D:prop></D:set></D:propertyupdate>";
    server.ask("ada", "PROPPATCH", "/dav/calendars/ada/", &[], body).await.expect(207);
    let seen = server.propfind("bob", "/dav/calendars/bob/", "0", "<D:x/>").await;
    assert!(!seen.body.contains("ada's"));
}

#[tokio::test]
async fn the_challenge_is_always_the_same() {
    let server = Server::start().await;
    for method in METHODS {
        for path in ["/dav/", "/dav/calendars/ada/calendar/", "/dav/nowhere"] {
            let reply = server.ask("", method, path, &[], "body").await;
            reply.expect(401);
            assert_eq!(reply.header("www-authenticate"), "Basic realm=\"Kalends\", charset=\"UTF-8\"");
        }
    }
    let wrong = [("authorization", "Basic YWRhOndyb25nIQ==")];
    let mut last = server.ask("", "PROPFIND", "/dav/", &wrong, "").await;
    last.expect(401);
    for _ in 0..10 {
        last = server.ask("", "PROPFIND", "/dav/", &wrong, "").await;
    }
    last.expect(429);
    assert!(!last.header("retry-after").is_empty());
}
