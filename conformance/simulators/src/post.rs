//! POSTing a notification: one request on one connection, to this machine.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::outcome::{Delivery, Received};

/// A receiver that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of an answer no more is read: a status, a few headers and a token.
const ANSWER_MAX: usize = 64 * 1024;

/// The answer; `None` when there is none. Addresses with `https` are not reached: no receiver on this machine has a
/// certificate that anybody would trust.
pub(crate) async fn post(delivery: &Delivery) -> Option<Received> {
    tokio::time::timeout(PATIENCE, attempt(delivery)).await.ok().flatten()
}

async fn attempt(delivery: &Delivery) -> Option<Received> {
    let url = url::Url::parse(&delivery.url).ok().filter(|url| url.scheme() == "http")?;
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    let mut stream = TcpStream::connect(format!("{host}:{port}")).await.ok()?;
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {}\r\nConnection: close\r\n",
        delivery.body.len()
    );
    for (name, value) in &delivery.headers {
        let clean: String = value.chars().filter(|c| !c.is_control()).collect();
        head.push_str(&format!("{name}: {clean}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&delivery.body).await.ok()?;
    let mut answer = Vec::new();
    let mut bytes = [0_u8; 4096];
    while answer.len() < ANSWER_MAX && !whole(&answer) {
        match stream.read(&mut bytes).await {
            Ok(read) if read > 0 => answer.extend_from_slice(bytes.get(..read)?),
            _ => break,
        }
    }
    read(&answer)
}

/// Where the body begins.
fn body_at(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn header<'a>(answer: &'a [u8], name: &str) -> Option<&'a str> {
    let head = std::str::from_utf8(answer.get(..body_at(answer)?)?).ok()?;
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// Whether all of the answer is here, as far as it says how long it is.
fn whole(answer: &[u8]) -> bool {
    let length = header(answer, "content-length").and_then(|text| text.parse::<usize>().ok());
    match (body_at(answer), length) {
        (Some(at), Some(length)) => answer.len() >= at.saturating_add(length),
        _ => false,
    }
}

fn read(answer: &[u8]) -> Option<Received> {
    let at = body_at(answer)?;
    let line = std::str::from_utf8(answer.get(..at)?).ok()?.lines().next()?;
    let status = line.split(' ').nth(1)?.trim().parse().ok()?;
    let body = Bytes::copy_from_slice(answer.get(at..)?);
    let content_type = header(answer, "content-type").unwrap_or_default().to_ascii_lowercase();
    Some(Received { status, content_type, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: Text/Plain\r\nContent-Length: 5\r\n\r\ntoken";
        let received = read(answer).unwrap();
        assert_eq!(
            (received.status, received.content_type.as_str(), &received.body[..]),
            (200, "text/plain", &b"token"[..])
        );
        assert!(whole(answer) && !whole(&answer[..answer.len() - 1]));
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n"), None);
    }
}
