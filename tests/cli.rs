//! The command line as scripts use it: the built binary, its output and its exit codes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

struct Kalends {
    folder: tempfile::TempDir,
}

struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Kalends {
    fn new() -> Kalends {
        Kalends { folder: tempfile::tempdir().expect("a folder") }
    }

    fn run(&self, arguments: &str) -> Answer {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &str, input: &str) -> Answer {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kalends"))
            .args(arguments.split(' '))
            .args(["--data-dir", self.path("data").to_str().expect("a path")])
            .current_dir(self.folder.path())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("stdin");
        // A program that refuses its arguments does not read.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Answer::of(child.wait_with_output().expect("the program ends"))
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn ada() -> Kalends {
        let kalends = Kalends::new();
        let added = kalends.run_with("user add ada --role manager --password-stdin", "correct horse\n");
        assert_eq!((added.code, added.out.as_str()), (0, "added ada (manager)\n"), "{}", added.err);
        kalends
    }
}

impl Answer {
    fn of(output: Output) -> Answer {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Answer { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Refused with one sentence on stderr that holds `says`.
    fn refused(&self, says: &str) {
        assert_eq!(self.code, 1, "{} {}", self.out, self.err);
        assert!(
            self.err.lines().last().is_some_and(|l| l.starts_with("kalends: ") && l.contains(says)),
            "{}",
            self.err
        );
    }

    fn done(self) -> String {
        assert_eq!(self.code, 0, "{} {}", self.out, self.err);
        self.out
    }
}

fn events(range: std::ops::Range<u32>) -> String {
    let mut text = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\n");
    for n in range {
        text.push_str(&format!(
            "BEGIN:VEVENT\r\nUID:u{n}@test\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:20261121T{:02}0000Z\r\n\
             SUMMARY:Event {n}\r\nEND:VEVENT\r\n",
            n % 24
        ));
    }
    text.push_str("END:VCALENDAR\r\n");
    text
}

#[test]
fn usage_errors_exit_with_two_and_help_with_zero() {
    let kalends = Kalends::new();
    assert_eq!(kalends.run("no-such-command").code, 2);
    assert_eq!(kalends.run("user add ada --role king").code, 2);
    assert_eq!(kalends.run("token add ada --scope everything").code, 2);
    assert!(kalends.run("--help").done().contains("rotate-key"));
    assert!(kalends.run("--version").done().starts_with("kalends "));
    assert!(kalends.run("man").done().contains(".TH kalends"));
    assert!(kalends.run("completions bash").done().contains("_kalends"));
}

#[test]
fn users_are_managed() {
    let kalends = Kalends::ada();
    kalends.run_with("user add ada --role staff --password-stdin", "correct horse").refused("already");
    kalends.run_with("user add bob --role staff --password-stdin", "short").refused("at least 8");
    kalends.run("user add a/b --role staff").refused("user name");
    kalends.run("user add bob --role client").done();
    let list = kalends.run("user list").done();
    assert_eq!(list, "ada\tmanager\tdefault\tactive\nbob\tclient\tdefault\tactive\n");
    kalends.run("user disable bob").done();
    assert!(kalends.run("user list").done().contains("bob\tclient\tdefault\tdisabled"));
    kalends.run_with("user set-password bob --password-stdin", "correct horse 2").done();
    kalends.run("token add bob --scope appointments,admin").refused("for managers, and bob is client");
    kalends.run("user disable eve").refused("no user");
    let json = kalends.run("user list --json").done();
    assert!(json.lines().all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()));
}

#[test]
fn secrets_are_shown_once_listed_without_and_revoked() {
    let kalends = Kalends::ada();
    for (add, kind) in
        [("app-password add ada --read-only", "app-password"), ("token add ada --scope sync,admin", "token")]
    {
        let secret = kalends.run(add).done();
        assert_eq!(secret.trim().len(), 43, "{kind}");
        let list = kalends.run(&format!("{kind} list ada")).done();
        assert!(!list.contains(secret.trim()) && list.contains("active"));
        let id = list.split('\t').next().expect("an id").to_owned();
        kalends.run(&format!("{kind} revoke ada {id}")).done();
        assert!(kalends.run(&format!("{kind} list ada")).done().contains("revoked"));
        kalends.run(&format!("{kind} revoke ada nonsense")).refused("id");
    }
    let url = kalends.run("feed add ada --calendar calendar --privacy busy_only").done();
    assert!(url.starts_with("http://127.0.0.1:8840/api/ics/") && url.trim().ends_with(".ics"));
    let list = kalends.run("feed list ada").done();
    assert!(list.contains(url.trim()), "the owner sees the address again");
    let id = list.split('\t').next().expect("an id").to_owned();
    let rotated = kalends.run(&format!("feed rotate ada {id}")).done();
    assert_ne!(rotated, url);
    kalends.run(&format!("feed revoke ada {id}")).done();
    kalends.run(&format!("feed rotate ada {id}")).refused("no working feed");
    kalends.run("feed add ada --calendar nowhere").refused("no calendar");
}

#[test]
fn ten_thousand_events_go_in_and_come_out_equal() {
    let kalends = Kalends::ada();
    std::fs::write(kalends.path("many.ics"), events(0..10_000)).expect("written");
    let file = kalends.path("many.ics");
    let dry = kalends.run(&format!("import ada/calendar {} --dry-run", file.display())).done();
    assert!(dry.starts_with("would be imported: 10000 new"), "{dry}");
    let first = kalends.run(&format!("import ada/calendar {}", file.display()));
    assert!(first.err.contains("5000 of 10000"), "progress is told: {}", first.err);
    assert_eq!(first.done(), "imported: 10000 new, 0 replaced, 0 unchanged; 0 lines put right, 0 refused\n");
    let again = kalends.run(&format!("import ada/calendar {}", file.display())).done();
    assert!(again.contains("10000 unchanged"), "{again}");

    let out = kalends.path("out.ics");
    kalends.run(&format!("export ada/calendar --out {}", out.display())).done();
    let exported = std::fs::read_to_string(&out).expect("an export");
    for part in ["BEGIN:VEVENT", "SUMMARY:Event 9999\r\n", "UID:u0@test\r\n"] {
        assert!(exported.contains(part), "{part}");
    }
    assert_eq!(exported.matches("BEGIN:VEVENT\r\n").count(), 10_000);
    kalends.run("calendar add ada copy --components VEVENT").done();
    kalends.run(&format!("import ada/copy {}", out.display())).done();
    let copy = kalends.run("export ada/copy").done();
    let components = |text: &str| text[text.find("BEGIN:VEVENT").expect("an event")..].to_owned();
    assert_eq!(components(&copy), components(&exported), "export, import, export gives equal content");
    assert!(kalends.run("doctor").done().contains("checked 20000 objects"));
}

#[test]
fn one_bad_component_costs_only_itself() {
    let kalends = Kalends::ada();
    let bad = "BEGIN:VEVENT\r\nUID:bad@test\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:nonsense\r\nEND:VEVENT\r\n";
    let text = events(0..3).replacen("BEGIN:VEVENT", &format!("{bad}BEGIN:VEVENT"), 1);
    let answer = kalends.run_with("import ada/calendar -", &text);
    assert!(answer.out.contains("3 new") && answer.out.contains("1 refused"), "{}", answer.out);
    assert!(answer.err.contains("refused: -: line 4") || answer.err.contains("line "), "{}", answer.err);
    answer.refused("one component was refused");
    let todo = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTODO\r\nUID:t\r\nDTSTAMP:20261101T000000Z\r\nEND:VTODO\r\nEND:VCALENDAR\r\n";
    kalends.run_with("import ada/calendar -", todo).refused("refused");
    kalends.run_with("import ada/calendar -", "this is no calendar").refused("refused");
    kalends.run("import ada/calendar /no/such/file.ics").refused("No such file");
    kalends.run("import ada/nowhere -").refused("no calendar");
    kalends.run("import ada -").refused("USER/SLUG");
}

#[test]
fn a_dry_run_says_what_the_real_one_does() {
    let kalends = Kalends::ada();
    for (file, title) in [("one.ics", "A"), ("two.ics", "B")] {
        std::fs::create_dir_all(kalends.path("in")).expect("a folder");
        let text = events(0..1).replace("Event 0", title);
        std::fs::write(kalends.path("in").join(file), text).expect("written");
    }
    let dry = kalends.run("import ada/calendar in --dry-run").done();
    let real = kalends.run("import ada/calendar in").done();
    assert_eq!(dry, format!("would be {real}"));
    assert!(real.contains("1 new, 1 replaced"), "{real}");
}

#[test]
fn a_backup_is_restored_elsewhere_and_checked() {
    let kalends = Kalends::ada();
    kalends.run_with("import ada/calendar -", &events(0..5)).done();
    let file = kalends.path("backup.db");
    kalends.run(&format!("backup {}", file.display())).done();
    kalends.run(&format!("backup {}", file.display())).refused("exists already");
    kalends.run(&format!("restore {}", file.display())).refused("not empty");

    let other = Kalends::new();
    other.run(&format!("restore {}", file.display())).refused("key");
    assert!(!other.path("data").exists(), "a restore that cannot be leaves nothing behind");
    std::fs::create_dir_all(other.path("data")).expect("a folder");
    std::fs::write(other.path("data/encryption.key"), "33".repeat(32)).expect("written");
    other.run(&format!("restore {}", file.display())).refused("key");
    assert!(!other.path("data/kalends.db").exists());
    std::fs::copy(kalends.path("data/encryption.key"), other.path("data/encryption.key")).expect("the key");
    other.run(&format!("restore {}", file.display())).done();
    assert!(other.run("export ada/calendar").done().contains("SUMMARY:Event 4"));
    other.run("restore /no/such/file").refused("No such file");
}

#[test]
fn keys_are_rotated_and_the_old_one_is_no_longer_needed() {
    let kalends = Kalends::ada();
    let url = kalends.run("feed add ada").done();
    let key_file = kalends.path("data/encryption.key");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&key_file).expect("a key file")) & 0o777;
    assert_eq!(mode, 0o600);
    let old = std::fs::read_to_string(&key_file).expect("a key");
    let new = "22".repeat(32);
    std::fs::write(&key_file, format!("{new}\n{old}")).expect("written");
    assert!(kalends.run("rotate-key").done().starts_with("2 secrets"));
    std::fs::write(&key_file, &new).expect("written");
    assert!(kalends.run("feed list ada").done().contains(url.trim()));
    std::fs::write(&key_file, &old).expect("written");
    kalends.run("feed list ada").refused("key");
}

#[test]
fn the_configuration_is_checked_and_shown_without_secrets() {
    let kalends = Kalends::new();
    std::fs::create_dir_all(kalends.path("data")).expect("a folder");
    let file = kalends.path("data/kalends.toml");
    std::fs::write(&file, "listen = '127.0.0.1:9'\nencryption_key = 'geheim'").expect("written");
    let shown = kalends.run("config check").done();
    assert!(shown.contains("127.0.0.1:9") && !shown.contains("geheim"));
    std::fs::write(&file, "listne = 'x'").expect("written");
    kalends.run("config check").refused("listne");
    kalends.run("serve --listen nowhere").refused("listne");
    assert!(Path::new(&file).exists());
}

#[test]
fn a_newer_database_is_left_alone() {
    let kalends = Kalends::ada();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        use sqlx::{ConnectOptions, Executor};
        let path = kalends.path("data/kalends.db");
        let mut db = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.expect("the database");
        let sql = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
             values (9999, 'of the future', 1, x'00', 0)";
        db.execute(sql).await.expect("a newer schema");
    });
    kalends.run("user list").refused("newer version");
}
