//! Bodies nobody should have to read: `fixtures/xml/hostile`, and what its table says of each.

use std::path::Path;

use crate::server::{CALENDAR, HOME, Server};

struct Case {
    file: String,
    method: String,
    statuses: Vec<u16>,
}

fn cases(folder: &Path) -> Vec<Case> {
    let table = std::fs::read_to_string(folder.join("README.md")).expect("the table");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        Case {
            file: cells[1].trim_matches('`').to_owned(),
            method: cells[2].to_owned(),
            statuses: cells[3].split(" or ").map(|s| s.parse().expect("a status")).collect(),
        }
    })
    .collect()
}

#[tokio::test]
async fn hostile_bodies_get_a_clear_answer_and_do_no_harm() {
    let server = Server::start().await;
    server.put_event("simple", "x").await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/xml/hostile");
    let cases = cases(&folder);
    assert!(cases.len() > 100);
    let before = server.propfind("ada", CALENDAR, "0", "<D:displayname/><D:resourcetype/>").await.body;
    let mut wrong = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let body = std::fs::read(folder.join(&case.file)).expect("the body");
        let path = match case.method.as_str() {
            "MKCALENDAR" => format!("{HOME}new-{n}/"),
            _ if case.file.starts_with("principal-") => "/dav/principals/".to_owned(),
            _ => CALENDAR.to_owned(),
        };
        let depth = if case.method == "REPORT" { "1" } else { "0" };
        let headers = [("depth", depth), ("content-type", "application/xml; charset=utf-8")];
        let reply = server.ask("ada", &case.method, &path, &headers, body).await;
        if !case.statuses.contains(&reply.status) {
            wrong.push(format!("{}: {} and not {:?}: {}", case.file, reply.status, case.statuses, reply.body));
        }
        server.ask("ada", "GET", &format!("{CALENDAR}simple.ics"), &[], "").await.expect(200);
    }
    let after = server.propfind("ada", CALENDAR, "0", "<D:displayname/><D:resourcetype/>").await.body;
    assert_eq!(before, after);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
