//! `kalends connection`, `kalends link` and the rotation of keys over connections: the built binary on a store that has
//! what no command can make, an account that consented.

use std::path::Path;
use std::process::Command;

use kalends::app::App;
use kalends::config::{Config, Layer};
use kalends::crypto::{Chance, KeyRing};
use kalends::domain::access::{Caller, Credential, Right, Role};
use kalends::domain::ids::{ConnectionId, LinkId, Slug, UserName};
use kalends::domain::sync::{Direction, LinkPolicy, LinkStatus, Provider, RemoteCalendarId};
use kalends::store::{LinkSettings, NewConnection, NewLink, NewUser, User, connection_place};

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
