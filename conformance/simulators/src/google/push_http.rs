//! POSTing a notification: one request on one connection, to this machine.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Delivery;

/// A receiver that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The status of the answer; `None` when there is none. Addresses with `https` are not reached: no receiver on this machine has
/// a certificate that anybody would trust.
pub(crate) async fn post(delivery: &Delivery) -> Option<u16> {
    tokio::time::timeout(PATIENCE, attempt(delivery)).await.ok().flatten()
}

async fn attempt(delivery: &Delivery) -> Option<u16> {
    let url = url::Url::parse(&delivery.url).ok().filter(|url| url.scheme() == "http")?;
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    let mut stream = TcpStream::connect(format!("{host}:{port}")).await.ok()?;
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 0\r\nConnection: close\r\n");
    for (name, value) in &delivery.headers {
        let clean: String = value.chars().filter(|c| !c.is_control()).collect();
        head.push_str(&format!("{name}: {clean}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut line = Vec::new();
    let mut bytes = [0_u8; 256];
    while !line.contains(&b'\n') && line.len() < 4096 {
        match stream.read(&mut bytes).await {
            Ok(read) if read > 0 => line.extend_from_slice(bytes.get(..read)?),
            _ => break,
        }
    }
    std::str::from_utf8(line.get(..line.len().min(64))?).ok()?.split(' ').nth(1)?.trim().parse().ok()
}
