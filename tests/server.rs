//! The server as a whole, over real sockets: TLS, HTTP/2, the ops endpoints, limits and a clean stop.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Far beyond what any answer takes here; only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(50);

struct Server {
    child: tokio::process::Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Server {
    async fn start(variables: &[(&str, &str)]) -> Server {
        Server::start_in(tempfile::tempdir().expect("a folder"), variables).await
    }

    async fn start_in(folder: tempfile::TempDir, variables: &[(&str, &str)]) -> Server {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_kalends"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path())
            .env_clear()
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.path().join("stderr")).expect("a file"))
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout");
        BufReader::new(stdout).read_line(&mut line).await.expect("a line");
        let url = line.trim().strip_prefix("listening on ").expect("the one line").to_owned();
        Server { child, url, folder }
    }

    fn authority(&self) -> &str {
        self.url.split_once("://").expect("a URL").1
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.authority()).await.expect("a connection")
    }

    /// Sends raw bytes and reads until the server closes or has said all it will.
    async fn talk(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        read_all(&mut stream).await
    }

    async fn get(&self, path: &str) -> String {
        self.talk(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }
}

async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut answer = Vec::new();
    // A peer that closes without saying goodbye in TLS has still said everything.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no hang");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_server_tells_how_it_is() {
    let server = Server::start(&[]).await;
    assert!(server.get("/healthz").await.ends_with("ok\n"));
    assert!(server.get("/readyz").await.ends_with("ready\n"));
    let metrics = server.get("/metrics").await;
    assert!(metrics.contains("kalends_http_requests_total{face=\"ops\",method=\"GET\",status=\"200\"}"), "{metrics}");
    let start = server.get("/").await;
    assert!(start.contains("Sign in") && start.contains("Content-Security-Policy: default-src 'none'"));
    assert!(start.contains("X-Correlation-Id: "));
    assert!(server.get("/nowhere").await.starts_with("HTTP/1.1 404"));
    let own = "GET / HTTP/1.1\r\nHost: x\r\nX-Correlation-Id: my-own-1\r\nConnection: close\r\n\r\n";
    assert!(server.talk(own).await.contains("X-Correlation-Id: my-own-1\r\n"));
    let forged = "GET / HTTP/1.1\r\nHost: x\r\nX-Correlation-Id: <b>\r\nConnection: close\r\n\r\n";
    assert!(!server.talk(forged).await.contains("<b>\r\n"));
    let proxied = "GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: proxy-1\r\nConnection: close\r\n\r\n";
    let answer = server.talk(proxied).await;
    assert!(answer.contains("X-Correlation-Id: proxy-1\r\n") && answer.contains("X-Request-Id: proxy-1\r\n"));
    let both =
        "GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: proxy-1\r\nX-Correlation-Id: own-1\r\nConnection: close\r\n\r\n";
    let answer = server.talk(both).await;
    assert!(answer.contains("X-Correlation-Id: own-1\r\n") && answer.contains("X-Request-Id: proxy-1\r\n"));
    let odd = "GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: a b\r\nConnection: close\r\n\r\n";
    let answer = server.talk(odd).await;
    assert!(!answer.contains("a b") && !answer.contains("X-Request-Id"));
}

#[tokio::test]
async fn a_proxy_s_id_is_in_the_log() {
    let server = Server::start(&[("KALENDS_LOG", "kalends=debug"), ("KALENDS_LOG_FORMAT", "json")]).await;
    for (header, value) in [("X-Request-Id", "proxy-7"), ("X-Correlation-Id", "own-7")] {
        let answer = server
            .talk(&format!("GET /api/me HTTP/1.1\r\nHost: x\r\n{header}: {value}\r\nConnection: close\r\n\r\n"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 401") && answer.contains(&format!("X-Correlation-Id: {value}\r\n")));
    }
    let Server { mut child, folder, .. } = server;
    child.kill().await.expect("it ends");
    let log = std::fs::read_to_string(folder.path().join("stderr")).expect("the log");
    for value in ["proxy-7", "own-7"] {
        let lines: Vec<serde_json::Value> = log
            .lines()
            .filter(|line| line.contains(value))
            .map(|line| serde_json::from_str(line).expect("an object a line"))
            .collect();
        let answered = lines.iter().find(|line| line["message"] == "answered");
        let line = answered.unwrap_or_else(|| panic!("{value}: {log}"));
        assert_eq!((&line["correlation_id"], &line["status"]), (&value.into(), &401.into()));
    }
}

#[tokio::test]
async fn a_person_signs_in_and_out_and_no_other_site_can() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut add: Child = Command::new(env!("CARGO_BIN_EXE_kalends"))
        .args(["user", "add", "ada", "--role", "staff", "--password-stdin", "--data-dir"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    add.stdin.take().expect("stdin").write_all(b"correct horse").expect("written");
    assert!(add.wait().expect("ended").success());
    let server = Server::start_in(folder, &[]).await;
    let post = |path: &str, headers: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n{headers}\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let right = "name=ada&password=correct+horse";
    let foreign = server.talk(&post("/sign-in", "Origin: http://evil.example\r\n", right)).await;
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    let wrong = server.talk(&post("/sign-in", "", "name=ada&password=wrong")).await;
    assert!(wrong.starts_with("HTTP/1.1 401") && wrong.contains("is wrong"));
    let begun = server.talk(&post("/sign-in", "Origin: http://x\r\n", right)).await;
    assert!(begun.starts_with("HTTP/1.1 303") && begun.contains("HttpOnly; SameSite=Lax"), "{begun}");
    let cookie = begun.split("Set-Cookie: ").nth(1).and_then(|c| c.split(';').next()).expect("a cookie").to_owned();
    let with_cookie = format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
    let seen = server.talk(&with_cookie).await;
    assert!(seen.contains("Signed in as ada") && seen.contains("/dav/calendars/ada/tasks/"), "{seen}");
    let out = server.talk(&post("/sign-out", &format!("Cookie: {cookie}\r\n"), "")).await;
    assert!(out.starts_with("HTTP/1.1 303"));
    assert!(!server.talk(&with_cookie).await.contains("Signed in"), "the session is over on the server too");
}

#[tokio::test]
async fn tls_speaks_http_1_and_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let path = |p: &std::path::Path| p.to_str().expect("a path").to_owned();
    let variables = [("KALENDS_TLS_CERTIFICATE", path(&certificate)), ("KALENDS_TLS_KEY", path(&key))];
    let variables: Vec<_> = variables.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let server = Server::start(&variables).await;
    assert!(server.url.starts_with("https://"));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(&certificate).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    for (protocol, hello) in [
        (b"http/1.1".to_vec(), &b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"[..]),
        // The preface and an empty SETTINGS frame; the server answers with its own SETTINGS (type 4).
        (b"h2".to_vec(), &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..]),
    ] {
        let mut config = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.clone()];
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, server.connect().await).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&protocol[..]));
        stream.write_all(hello).await.expect("sent");
        if protocol == b"h2" {
            let mut head = [0; 9];
            tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await.expect("no hang").expect("a frame");
            assert_eq!(head[3], 4, "the server's SETTINGS");
        } else {
            assert!(read_all(&mut stream).await.ends_with("ok\n"));
        }
    }
}

#[tokio::test]
async fn heads_without_end_are_refused() {
    let server = Server::start(&[]).await;
    let long = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(100_000));
    let mut stream = server.connect().await;
    // The server may close before it has read everything.
    let _ = stream.write_all(long.as_bytes()).await;
    assert!(!read_all(&mut stream).await.contains("200 OK"));
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let answer = server.talk(&format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(server.get("/healthz").await.ends_with("ok\n"));
}

#[tokio::test]
async fn asked_to_stop_it_ends_cleanly() {
    let mut server = Server::start(&[]).await;
    assert!(server.get("/healthz").await.ends_with("ok\n"));
    // A half-sent request must not hold the stop up.
    let mut half = server.connect().await;
    half.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.expect("sent");
    let pid = server.child.id().expect("a running server").to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    let ended = tokio::time::timeout(PATIENCE, server.child.wait()).await.expect("no hang").expect("ended");
    assert!(ended.success(), "{ended}");
    // Everything is in the one database file: the log beside it is empty or gone.
    let log = std::fs::metadata(server.folder.path().join("kalends.db-wal")).map_or(0, |m| m.len());
    assert_eq!(log, 0);
}
