//! Whole conversations of real clients: `fixtures/xml/<client>`, replayed in order against a fresh server.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::Request;
use kalends::xml::names;

use crate::server::{CALENDAR, Reply, Server, TASKS};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// File → statuses, of all clients.
fn expectations() -> HashMap<String, Vec<u16>> {
    let table = std::fs::read_to_string(fixtures().join("xml/expect.tsv")).expect("the table");
    let rows = table.lines().filter(|line| line.contains('\t'));
    rows.map(|row| {
        let mut cells = row.split('\t');
        let file = cells.next().expect("a file").to_owned();
        let statuses = cells.next().expect("statuses").split('|').map(|s| s.parse().expect("a status")).collect();
        (file, statuses)
    })
    .collect()
}

/// What a client remembers of the answers it got.
#[derive(Default)]
struct Memory {
    tags: HashMap<String, String>,
    tokens: HashMap<String, String>,
}

impl Memory {
    fn learn(&mut self, path: &str, reply: &Reply) {
        if !reply.header("etag").is_empty() {
            self.tags.insert(path.to_owned(), reply.header("etag").to_owned());
        }
        if reply.status != 207 {
            return;
        }
        let document = reply.xml();
        if let Some(token) = document.root().child(&names::SYNC_TOKEN) {
            self.tokens.insert(path.to_owned(), token.text());
        }
        for response in document.root().children_named(&names::RESPONSE) {
            let href = response.child(&names::HREF).expect("an href").text();
            for prop in response.children_named(&names::PROPSTAT).filter_map(|p| p.child(&names::PROP)) {
                if let Some(tag) = prop.child(&names::GETETAG).map(|e| e.text()).filter(|t| !t.is_empty()) {
                    self.tags.insert(href.clone(), tag);
                }
                if let Some(token) = prop.child(&names::SYNC_TOKEN).map(|e| e.text()).filter(|t| !t.is_empty()) {
                    self.tokens.insert(href.clone(), token);
                }
            }
        }
    }
}

async fn seed(server: &Server) {
    for (path, file) in [
        (format!("{CALENDAR}simple.ics"), "apple-macos/simple.ics"),
        (format!("{CALENDAR}series.ics"), "apple-macos/series-with-moved-occurrence.ics"),
        (format!("{TASKS}todo.ics"), "reminders/due-with-alarm.ics"),
    ] {
        let body = std::fs::read(fixtures().join("ics").join(file)).expect("the seed");
        server.ask("ada", "PUT", &path, &[], body).await.expect(201);
    }
}

fn replace_all(text: &[u8], replacements: &[(&str, &str)]) -> Vec<u8> {
    // A body that is no text holds no placeholder.
    let Ok(text) = std::str::from_utf8(text) else { return text.to_vec() };
    replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)).into_bytes()
}

/// A fixture as a request: method, path, headers, body.
fn request(file: &[u8], server: &Server, memory: &Memory) -> (String, Request<Body>) {
    let blank = file.windows(2).position(|w| w == b"\n\n").unwrap_or(file.len());
    let (head, body) = file.split_at(blank);
    let body = body.get(2..).unwrap_or_default();
    let authorization = server.authorization("ada");
    let plain =
        [("{user}", "ada"), ("{calendar}", "calendar"), ("{tasks}", "tasks"), ("{auth}", authorization.as_str())];
    let head = String::from_utf8(replace_all(head, &plain)).expect("a head");
    let mut lines = head.lines();
    let (method, path) = lines.next().and_then(|line| line.split_once(' ')).expect("a request line");
    let nothing = String::new();
    let learnt = [
        ("{etag}", memory.tags.get(path).unwrap_or(&nothing).as_str()),
        ("{sync-token}", memory.tokens.get(path).unwrap_or(&nothing).as_str()),
    ];
    let body = replace_all(&replace_all(body, &plain), &learnt);
    let mut request = Request::builder().method(method).uri(path).header("host", "cal.example");
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header");
        let value = learnt.iter().fold(value.trim().to_owned(), |v, (from, to)| v.replace(from, to));
        request = request.header(name, value);
    }
    if !body.is_empty() {
        request = request.header("content-length", body.len());
    }
    (path.to_owned(), request.body(Body::from(body)).expect("a request"))
}

async fn replay(client: &str) {
    let server = Server::start().await;
    seed(&server).await;
    let expectations = expectations();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(fixtures().join("xml").join(client)).expect("a folder").flatten().map(|e| e.path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut memory = Memory::default();
    let mut shown = String::new();
    let mut wrong = Vec::new();
    for file in files {
        let name = format!("{client}/{}", file.file_name().and_then(|n| n.to_str()).expect("a name"));
        let (path, request) = request(&std::fs::read(&file).expect("a fixture"), &server, &memory);
        let line = format!("{} {}", request.method(), request.uri());
        if !kalends::dav::wants(request.method(), request.uri().path()) {
            continue;
        }
        let reply = server.send(request).await;
        let expected = expectations.get(&name).unwrap_or_else(|| panic!("{name} is not in expect.tsv"));
        if !expected.contains(&reply.status) {
            wrong.push(format!("{name}: {} and not {expected:?}\n{}", reply.status, reply.body));
        }
        memory.learn(&path, &reply);
        shown.push_str(&format!("=== {name}\n{line}\n{}\n", reply.shown()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    insta::assert_snapshot!(client, shown);
}

macro_rules! clients {
    ($($test:ident => $folder:literal)*) => {$(
        #[tokio::test]
        async fn $test() {
            replay($folder).await;
        }
    )*};
}
clients! {
    apple_ios => "apple-ios"
    apple_macos => "apple-macos"
    apple_reminders => "apple-reminders"
    davx5 => "davx5"
    evolution => "evolution"
    gnome => "gnome"
    khal => "khal"
    outlook => "outlook-caldav-synchronizer"
    thunderbird => "thunderbird"
    vdirsyncer => "vdirsyncer"
    windows_calendar => "windows-calendar"
}
