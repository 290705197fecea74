//! The provider over HTTP.

use std::sync::MutexGuard;

use bytes::Bytes;

use super::{Delivery, Google, Outcome};
use crate::{
    outcome::Received,
    serve::{Provider, Reaction},
};

/// A Google that listens.
pub type Server = crate::serve::Server<Google>;

impl Server {
    /// The provider, to set up, break and look at while it is served.
    pub fn google(&self) -> MutexGuard<'_, Google> {
        self.provider()
    }
}

impl Provider for Google {
    fn begin(&mut self, now_ms: i64, request: &http::Request<Bytes>) -> Reaction {
        Reaction::Done(self.handle(now_ms, request))
    }

    /// No request of Google's waits for a receiver.
    fn resume(&mut self, _: i64, _: u64, _: Vec<Option<Received>>) -> Outcome {
        Outcome::Lost
    }

    fn due(&mut self, now_ms: i64) -> Vec<Delivery> {
        self.deliveries(now_ms)
    }

    fn posted(&mut self, now_ms: i64, delivery: &Delivery, status: Option<u16>) {
        self.world.push.arrived();
        // Any other answer counts as received or as refused for good.
        if matches!(status, None | Some(500 | 502 | 503 | 504)) {
            self.delivery_failed(now_ms, delivery);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use bytes::Bytes;
    use tokio::net::{TcpListener, TcpStream};

    use super::{
        super::{Fault, Outcome, Rule},
        *,
    };

    async fn start() -> Server {
        let mut google = Google::new(7);
        google.add_account("ada@example.com", "UTC");
        let clock: crate::serve::Clock = Arc::new(|| 1_800_000_000_000);
        Server::start(Arc::new(Mutex::new(google)), ([127, 0, 0, 1], 0).into(), clock).await.unwrap()
    }

    async fn get(server: &Server, path: &str) -> String {
        let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test]
    async fn answers_are_given_cut_and_broken_off() {
        let server = start().await;
        assert!(get(&server, "/").await.contains("ada@example.com"));
        assert!(get(&server, "/userinfo").await.starts_with("HTTP/1.1 401"));
        server.google().faults().push(Rule::new(Fault::LoseResponse));
        assert_eq!(get(&server, "/userinfo").await, "");
        server.google().faults().push(Rule::new(Fault::Truncate { per_mille: 500 }));
        let broken = get(&server, "/userinfo").await;
        let (head, body) = broken.split_once("\r\n\r\n").unwrap();
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        assert_eq!(length.unwrap().parse::<usize>().unwrap() / 2, body.len());
        server.google().faults().push(Rule::new(Fault::Delay { ms: 10 }));
        assert!(get(&server, "/userinfo").await.starts_with("HTTP/1.1 401"));
        assert_eq!(server.google().seen().len(), 4);
    }

    #[tokio::test]
    async fn it_listens_to_this_machine_alone() {
        let google = Arc::new(Mutex::new(Google::new(7)));
        assert!(Server::start(google, ([0, 0, 0, 0], 0).into(), Arc::new(|| 0)).await.is_err());
    }

    #[tokio::test]
    async fn notifications_are_posted_and_tried_again() {
        let server = start().await;
        let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook", receiver.local_addr().unwrap());
        let token = {
            let mut google = server.google();
            google.settings_mut().loopback_hooks = true;
            google.grant(1_800_000_000_000, "ada@example.com", "client", &["calendar"]).access_token
        };
        let body = serde_json::json!({ "id": "one", "type": "web_hook", "address": address }).to_string();
        let request = http::Request::post("/calendar/v3/calendars/primary/events/watch")
            .header("authorization", format!("Bearer {token}"));
        let outcome = server.google().handle(1_800_000_000_000, &request.body(Bytes::from(body)).unwrap());
        assert!(matches!(outcome, Outcome::Answer(response) if response.status() == 200));
        for (status, number) in [(503, "1"), (204, "1")] {
            let (mut stream, _) = receiver.accept().await.unwrap();
            let mut text = String::new();
            let mut bytes = [0; 4096];
            while !text.contains("\r\n\r\n") {
                let read = stream.read(&mut bytes).await.unwrap();
                text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            assert!(text.starts_with("POST /hook HTTP/1.1\r\n"));
            assert!(text.contains(&format!("X-Goog-Message-Number: {number}\r\n")), "{text}");
            stream.write_all(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
            // The clock stands still, so that the second attempt is moved here.
            while status == 503 && server.google().next_delivery_ms().is_none() {
                tokio::task::yield_now().await;
            }
            server.google().advance(60_000);
        }
    }
}
