//! Over real HTTP: the handshake, and notifications.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    super::{Microsoft, serve::Server},
    ADA, NOW, SCOPES, hour,
};

/// Reads one request and answers with a status and a body.
async fn receive(listener: &TcpListener, status: &str, echo: bool) -> (String, Value) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (mut text, mut bytes) = (String::new(), [0; 8192]);
    loop {
        let read = stream.read(&mut bytes).await.unwrap();
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse::<usize>().unwrap();
        if body.len() >= length {
            break;
        }
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let line = head.lines().next().unwrap().to_owned();
    let token = line
        .split(' ')
        .nth(1)
        .and_then(|path| path.split_once("validationToken="))
        .map(|(_, token)| percent_encoding::percent_decode_str(token).decode_utf8().unwrap().into_owned());
    let answer = if echo { token.unwrap_or_default() } else { String::new() };
    let head =
        format!("HTTP/1.1 {status} x\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    (line, serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn post(server: &Server, path: &str, token: &str, body: &Value) -> String {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).await.unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_receiver_is_asked_before_it_is_told() {
    let mut microsoft = Microsoft::new(7);
    microsoft.settings_mut().loopback_hooks = true;
    microsoft.add_account(ADA, "UTC");
    microsoft.add_client("client", None, &[]);
    let token = microsoft.grant(NOW, ADA, "client", SCOPES).access_token;
    let server =
        Server::start(Arc::new(Mutex::new(microsoft)), ([127, 0, 0, 1], 0).into(), Arc::new(|| NOW)).await.unwrap();
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let body = json!({
        "changeType": "created", "notificationUrl": format!("http://{}/hook", receiver.local_addr().unwrap()), "resource": "/me/events",
        "expirationDateTime": super::super::moment::stamp(NOW + 3_600_000),
    });
    for (echo, status) in [(false, "HTTP/1.1 400"), (true, "HTTP/1.1 201")] {
        let (answer, asked) =
            tokio::join!(post(&server, "/v1.0/subscriptions", &token, &body), receive(&receiver, "200", echo));
        assert!(answer.starts_with(status), "{answer}");
        assert!(asked.0.starts_with("POST /hook?validationToken=Validation%3A"), "{}", asked.0);
    }
    let event = hour("One");
    let (answer, told) =
        tokio::join!(post(&server, "/v1.0/me/events", &token, &event), receive(&receiver, "202", false));
    assert!(answer.starts_with("HTTP/1.1 201"));
    assert_eq!(told.1["value"][0]["changeType"], "created");
    server.stop();
}
