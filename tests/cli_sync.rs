//! `kalends connection`, `kalends link` and the rotation of keys over connections: the built binary on a store that has
//! what no command can make, an account that consented.

use std::path::Path;
use std::process::Command;

use kalends::app::App;
use kalends::config::{Config, Layer};
use kalends::crypto::{Chance, KeyRing};
use kalends::domain::access::{Caller, Credential, Right, Role};
use kalends::domain::ids::{ConnectionId, LinkId, Slug, UserName};
use kalends::domain::sync::{
    AttemptKind, Direction, ErrorClass, LinkPolicy, LinkStatus, Provider, RemoteCalendarId, RunKind, Way,
};
use kalends::store::{LinkSettings, NewAttempt, NewConnection, NewLink, NewUser, User, connection_place};

const SECRET: &[u8] = br#"{"access":"ya29.geheim"}"#;

/// What a command said: its exit code, and both its outputs.
fn run(folder: &Path, arguments: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kalends"))
        .args(arguments.split(' '))
        .args(["--data-dir", folder.to_str().expect("a path")])
        .env_clear()
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!out.contains("geheim") && !err.contains("geheim"), "{out}{err}");
    (output.status.code().unwrap_or(-1), out, err)
}

fn done(folder: &Path, arguments: &str) -> String {
    let (code, out, err) = run(folder, arguments);
    assert_eq!(code, 0, "{arguments}: {err}");
    out
}

fn refused(folder: &Path, arguments: &str, sentence: &str) {
    let (code, _, err) = run(folder, arguments);
    assert!(code == 1 && err.contains(sentence), "{arguments}: {code} {err}");
}

async fn app(folder: &Path) -> App {
    let layer = Layer { data_dir: Some(folder.to_owned()), ..Layer::default() };
    App::open(Config::from_layers([layer]).expect("a configuration")).await.expect("the store opens")
}

/// ada with a connection and a link.
async fn ada(app: &App) -> (User, ConnectionId, LinkId) {
    let mut tx = app.store().write().await.expect("a transaction");
    let firm = tx.ensure_firm("default").await.expect("a firm");
    let name = UserName::parse("ada").expect("a name");
    let new = NewUser { name, role: Role::Staff, display_name: None, email: None, password_hash: None };
    let user = tx.add_user(&firm, &new).await.expect("a user");
    let caller = Caller {
        firm: firm.clone(),
        user: user.id.clone(),
        name: user.name.clone(),
        role: user.role,
        credential: Credential::Console,
        most: Right::Own,
    };
    let slug = Slug::parse("calendar").expect("a slug");
    let (access, _) = tx.calendar_for(&caller, &caller.name, &slug, Right::Own).await.expect("a calendar");
    let new = NewConnection {
        provider: Provider::Google,
        account: "ada@example.org".into(),
        label: "ada@example.org".into(),
        scopes: String::new(),
        token_expires: None,
    };
    let connection = tx.connect((&firm, &user.id), &new).await.expect("connected").expect("room");
    let sealed = app.gate.keys.seal(connection_place(&connection), SECRET, app.store().chance());
    assert!(tx.set_connection_secret(&firm, &connection, 1, &sealed, None).await.expect("set"));
    let new = NewLink {
        connection: connection.clone(),
        calendar: access.calendar().clone(),
        remote: RemoteCalendarId("primary".into()),
        remote_name: "Work".into(),
        zone: "UTC".into(),
        settings: LinkSettings { direction: Direction::Both, interval_ms: 900_000, policy: LinkPolicy::default() },
    };
    let link = tx.add_link((&firm, &user.id), &new).await.expect("added").expect("one of its pair");
    tx.commit().await.expect("a commit");
    (user, connection, link)
}

#[tokio::test]
async fn connections_and_links_are_listed_paused_resumed_and_confirmed() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let app = app(folder).await;
    let (user, connection, link) = ada(&app).await;
    let list = done(folder, "connection list ada");
    assert!(list.contains("google\tada@example.org\tactive"), "{list}");
    let json: serde_json::Value = serde_json::from_str(&done(folder, "connection list ada --json")).expect("JSON");
    assert_eq!((&json["id"], &json["status"]), (&connection.as_str().into(), &"active".into()));
    let json: serde_json::Value = serde_json::from_str(&done(folder, "link list ada --json")).expect("JSON");
    assert_eq!((&json["id"], &json["direction"]), (&link.as_str().into(), &"both".into()));
    done(folder, "user add bob --role staff");
    assert_eq!(done(folder, "connection list bob") + &done(folder, "link list bob"), "");

    assert_eq!(done(folder, &format!("connection pause ada {connection}")), format!("paused {connection}\n"));
    assert!(done(folder, "connection list ada").contains("paused"));
    done(folder, &format!("connection resume ada {connection}"));
    assert_eq!(done(folder, &format!("link pause ada {link}")), format!("paused {link}\n"));
    refused(folder, &format!("link sync ada {link}"), "the link is paused");
    done(folder, &format!("link resume ada {link}"));
    refused(folder, &format!("link confirm ada {link}"), "nothing waits for confirmation");
    let mut tx = app.store().write().await.expect("a transaction");
    tx.set_link_status(&user.firm, &link, LinkStatus::NeedsConfirmation, None).await.expect("set");
    tx.commit().await.expect("a commit");
    refused(folder, &format!("link resume ada {link}"), "link confirm");
    done(folder, &format!("link confirm ada {link}"));
    assert!(done(folder, "link list ada").contains("\tactive\t"));

    for command in ["connection pause", "connection resume", "connection revoke"] {
        refused(folder, &format!("{command} bob {connection}"), "no connection");
    }
    for command in ["link preview", "link sync", "link resync", "link pause", "link resume", "link confirm"] {
        refused(folder, &format!("{command} bob {link}"), "no link");
    }
    assert_eq!(run(folder, &format!("link resync ada {link} --from soon")).0, 2);
    // Google is not set up here: nothing can be asked, and that is said.
    assert_ne!(run(folder, &format!("link preview ada {link}")).0, 0);

    let revoked = done(folder, &format!("connection revoke ada {connection}"));
    assert!(revoked.contains("1 links ended") && revoked.contains("did not confirm"), "{revoked}");
    let mut tx = app.store().read().await.expect("a transaction");
    let forgotten = tx.connection(&user.firm, &connection).await.expect("a query").expect("there");
    assert_eq!(forgotten.secret_sealed, None);
    drop(tx);
    refused(folder, &format!("connection resume ada {connection}"), "connects it again");
}

/// What the API answers to a manager of the firm.
async fn over_http(app: &App, token: &str, path: &str) -> serde_json::Value {
    let visit = kalends::auth::Visit {
        correlation_id: "request-1".into(),
        address: std::net::IpAddr::from([192, 0, 2, 1]),
        base_url: "https://cal.example".into(),
    };
    let request = axum::http::Request::builder()
        .uri(format!("/api/calendar/admin/{path}"))
        .header("authorization", format!("Bearer {token}"))
        .extension(visit)
        .body(axum::body::Body::empty())
        .expect("a request");
    let router = kalends::api::router(app.gate.clone(), app.desk.clone());
    let answer = tower::ServiceExt::oneshot(router, request).await.expect("an answer");
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test]
async fn what_managers_see_is_the_same_on_the_command_line_and_over_http() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let app = app(folder).await;
    let (user, connection, link) = ada(&app).await;
    done(folder, "user add mia --role manager");
    let token = done(folder, "token add mia --scope admin").trim().to_owned();
    let mut tx = app.store().write().await.expect("a transaction");
    let known = tx.link_by_id(&user.firm, &link).await.expect("a query").expect("there");
    let begun = tx.begin_run(&known, RunKind::Push, "c-1").await.expect("begun");
    for (n, failure) in [None, Some(ErrorClass::Transient), Some(ErrorClass::NonRetryable)].into_iter().enumerate() {
        let attempt = NewAttempt {
            operation: AttemptKind::Upsert,
            way: Way::Push,
            object: None,
            remote: Some(format!("event{n}")),
            failure: failure.map(|class| (class, "the provider answered 503".to_owned())),
            retry_count: 0,
            next_retry: None,
            max_retries_reached: n == 1,
            started: tx.now(),
        };
        tx.add_attempt(&known, &begun, "request-7", &attempt).await.expect("recorded");
    }
    tx.commit().await.expect("a commit");
    done(folder, &format!("admin pause {connection}"));
    done(folder, &format!("admin resume {connection}"));
    let tomorrow = "start_date=2999-01-01";
    for (command, path) in [
        ("connections".to_owned(), "connections/".to_owned()),
        (
            "connections --status active --provider google --user ada --text ADA".into(),
            "connections/?status=active&provider=google&user=ada&text=ADA".into(),
        ),
        ("connections --start-date 2999-01-01".into(), format!("connections/?{tomorrow}")),
        (format!("sync-status {connection}"), format!("connections/{connection}/sync-status/")),
        ("attempts".into(), "sync-attempts/".into()),
        ("attempts --limit 1".into(), "sync-attempts/?limit=1".into()),
        (
            "attempts --status failed --error-class transient --project p".into(),
            "sync-attempts/?status=failed&error_class=transient&project=p".into(),
        ),
        (
            format!("attempts --connection {connection} --end-date 2999-01-01"),
            format!("sync-attempts/?connection_id={connection}&end_date=2999-01-01"),
        ),
        ("failed-attempts".into(), "sync-attempts/failed/".into()),
        (
            "failed-attempts --include-exhausted --limit 1".into(),
            "sync-attempts/failed/?limit=1&include_exhausted=true".into(),
        ),
        (
            format!("failed-attempts --connection {connection} --status exhausted"),
            format!("connections/{connection}/failed-attempts/?status=exhausted"),
        ),
        (
            "audit-events --event calendar_connection_paused --user console --provider google".into(),
            "audit-events/?event=calendar_connection_paused&user=console&provider=google".into(),
        ),
        ("webhooks --status active --text x".into(), "webhooks/?status=active&text=x".into()),
    ] {
        let told: serde_json::Value =
            serde_json::from_str(&done(folder, &format!("admin {command} --json"))).expect("JSON");
        let mut answered = over_http(&app, &token, &path).await;
        // Fields of a query come in their own order; the page is the same.
        let cursor =
            |v: &serde_json::Value| v["next"].as_str().and_then(|n| n.split("cursor=").nth(1)).map(str::to_owned);
        assert_eq!(cursor(&told), cursor(&answered), "{command}");
        if let Some(next) = answered.get_mut("next") {
            *next = told["next"].clone();
        }
        assert_eq!(told, answered, "{command}");
        assert!(answered.get("total_count").is_none_or(serde_json::Value::is_i64), "{command}");
    }
    let summary: serde_json::Value = serde_json::from_str(&done(folder, "admin metrics-summary --json")).expect("JSON");
    let answered = over_http(&app, &token, "metrics-summary/").await;
    let names = |v: &serde_json::Value| v.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!((names(&summary), &summary["attempts"]), (names(&answered), &answered["attempts"]));
    let lines = done(folder, "admin attempts --limit 2");
    assert!(lines.lines().count() == 3 && lines.contains("attempt_id=") && lines.contains("total_count=3"), "{lines}");
    // Where the first page ends, the second begins.
    let page: serde_json::Value = serde_json::from_str(&done(folder, "admin attempts --limit 2 --json")).expect("JSON");
    let cursor = page["next"].as_str().and_then(|n| n.split("cursor=").nth(1)).expect("more");
    let rest = done(folder, &format!("admin attempts --limit 2 --cursor {cursor} --json"));
    let rest: serde_json::Value = serde_json::from_str(&rest).expect("JSON");
    assert_eq!((rest["sync_attempts"].as_array().map(Vec::len), &rest["next"]), (Some(1), &serde_json::Value::Null));

    // What is read, done and refused is recorded as over HTTP, by the console and without an address.
    let page = done(folder, "admin attempts --status success --json");
    let page: serde_json::Value = serde_json::from_str(&page).expect("JSON");
    let succeeded = page["sync_attempts"][0]["attempt_id"].as_str().expect("an id").to_owned();
    refused(folder, &format!("admin replay {succeeded}"), "nothing to replay");
    refused(folder, &format!("admin confirm {link}"), "nothing waits for confirmation");
    refused(folder, "admin pause 019aa0f3-9a6e-7c2e-a3c4-111111111111", "there is nothing here");
    refused(folder, "admin pause ../links/x", "there is nothing here");
    refused(folder, "admin attempts --cursor 7", "cursor:");
    refused(folder, "admin attempts --start-date soon", "start_date:");
    refused(folder, "admin connections --firm nowhere", "there is no firm");
    assert_eq!(run(folder, "admin attempts --status odd").0, 2);
    done(folder, "admin take-away");
    done(folder, "app-password add ada");
    let mut tx = app.store().read().await.expect("a transaction");
    let trail = tx.audit_events(&user.firm, 0, 1_000).await.expect("a query");
    let of_console: Vec<_> = trail.iter().filter(|e| e.act.actor == "console").map(|e| &e.act).collect();
    assert!(of_console.iter().all(|act| act.address.is_empty() && !act.correlation_id.is_empty()));
    assert_eq!(of_console.iter().filter(|act| act.action == "app_password_added").count(), 1);
    let taken = of_console.iter().find(|act| act.action == "old_records_taken_away").expect("it is told");
    let taken: serde_json::Value = serde_json::from_str(&taken.details).expect("JSON");
    assert_eq!(taken, serde_json::json!({ "attempts": 0, "runs": 0, "versions": 0, "tombstones": 0 }));
    let has = |action: &str, target: &str| of_console.iter().any(|act| act.action == action && act.target == target);
    assert!(has("calendar_admin_read", "sync-attempts") && has("calendar_admin_read", "metrics-summary"));
    assert!(has("calendar_connection_paused", connection.as_str()));
    assert!(has("calendar_sync_manual_replay_refused", &succeeded));
    assert!(has("sync_link_confirm_refused", link.as_str()));
    assert!(has("calendar_connection_pause_refused", "019aa0f3-9a6e-7c2e-a3c4-111111111111"));
}

#[tokio::test]
async fn a_rotated_key_seals_the_tokens_of_connections_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let app = app(folder).await;
    let (user, connection, _) = ada(&app).await;
    let file = folder.join("encryption.key");
    let old = std::fs::read_to_string(&file).expect("the key file");
    let new = KeyRing::generate(&Chance::from_os());
    std::fs::write(&file, format!("{new}\n{old}")).expect("both keys");
    let resealed: serde_json::Value = serde_json::from_str(&done(folder, "rotate-key --json")).expect("JSON");
    assert_eq!(resealed["resealed"], 2, "the hash key and the tokens");
    let again: serde_json::Value = serde_json::from_str(&done(folder, "rotate-key --json")).expect("JSON");
    assert_eq!(again["resealed"], 0);

    let mut tx = app.store().read().await.expect("a transaction");
    let sealed = tx.connection(&user.firm, &connection).await.expect("a query").expect("there").secret_sealed;
    let sealed = sealed.expect("a secret");
    let newest = KeyRing::parse(&new).expect("a key");
    assert_eq!(newest.open(connection_place(&connection), &sealed).expect("opens").as_slice(), SECRET);
    assert!(app.gate.keys.open(connection_place(&connection), &sealed).is_err(), "the old key is not needed any more");
    let elsewhere = ConnectionId::from_text("another");
    assert!(newest.open(connection_place(&elsewhere), &sealed).is_err(), "in another row it does not open");
}
