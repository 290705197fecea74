//! Notices by mail, taken by a mail server on this machine.

use std::sync::{Arc, Mutex};

use kalends::app::notify::{Mail, Notifier};
use kalends::config::MailConfig;
use kalends::domain::time::{HOUR_MS, MINUTE_MS};
use kalends::upstream::Failure;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::double::Fault;
use crate::house::{House, both, plain};
use crate::notices::{notices, told};

/// A mail server on this machine, which refuses as often as it is told to.
#[derive(Default)]
struct Postbox {
    /// Envelope and message.
    got: Mutex<Vec<(String, String)>>,
    refusals: Mutex<u32>,
    greeted: Mutex<Vec<String>>,
}

impl Postbox {
    async fn open() -> (Arc<Postbox>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let postbox = Arc::new(Postbox::default());
        let served = postbox.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                served.serve(stream).await;
            }
        });
        (postbox, url)
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 postbox ESMTP\r\n").await.unwrap();
        let (mut envelope, mut line) = (String::new(), String::new());
        while stream.read_line(&mut line).await.unwrap() > 0 {
            let verb = line.split([' ', '\r']).next().unwrap_or_default().to_owned();
            let answer = match verb.as_str() {
                "EHLO" => {
                    self.greeted.lock().unwrap().push(line.trim_end().to_owned());
                    "250 postbox"
                }
                "MAIL" | "RCPT" => {
                    envelope.push_str(&line);
                    let mut refusals = self.refusals.lock().unwrap();
                    let refused = verb == "RCPT" && *refusals > 0;
                    *refusals -= u32::from(refused);
                    if refused { "451 later, and not because of ada@example.com" } else { "250 ok" }
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await.unwrap();
                    let mut message = String::new();
                    while !message.ends_with("\r\n.\r\n") {
                        assert!(stream.read_line(&mut message).await.unwrap() > 0, "the message ends");
                    }
                    self.got.lock().unwrap().push((std::mem::take(&mut envelope), message));
                    "250 taken"
                }
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            line.clear();
        }
    }
}

async fn with_address(house: &House, address: Option<&str>) {
    let mut tx = house.bench.store.write().await.unwrap();
    tx.set_user_profile(&house.ada.firm, &house.ada.id, None, address, &house.ada.settings).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_notice_is_mailed_once_and_tried_again() {
    let house = both().await;
    with_address(&house, Some("ada@example.com")).await;
    let (postbox, url) = Postbox::open().await;
    let config = MailConfig { url: url.into(), from: "Kalends <kalends@cal.example>".into() };
    let mail = Mail::new(&config).unwrap();
    let notifier = Notifier::with(house.bench.store.clone(), "https://cal.example".to_owned(), None, Some(mail));
    house.put(&plain("a", "Geheim")).await;
    house.run().await;
    house.there.fault("changes", Fault::Before(Failure::NeedsConsent("revoked".to_owned())));
    house.later(HOUR_MS).await;
    *postbox.refusals.lock().unwrap() = 1;
    assert_eq!(notifier.send_due().await.unwrap(), 0, "it was refused");
    assert_eq!(notifier.send_due().await.unwrap(), 0, "it is not due yet");
    house.bench.clock.advance_ms(2 * MINUTE_MS);
    assert_eq!(notifier.send_due().await.unwrap(), 1);
    house.bench.clock.advance_ms(48 * HOUR_MS);
    assert_eq!(notifier.send_due().await.unwrap(), 0, "once");
    let got = std::mem::take(&mut *postbox.got.lock().unwrap());
    let [(envelope, message)] = got.as_slice() else { panic!("{got:?}") };
    assert!(envelope.contains("MAIL FROM:<kalends@cal.example>") && envelope.contains("RCPT TO:<ada@example.com>"));
    assert_eq!(*postbox.greeted.lock().unwrap(), ["EHLO cal.example", "EHLO cal.example"]);
    let id = notices(&house).await[0].id.clone();
    for line in [
        "From: Kalends <kalends@cal.example>",
        "To: ada@example.com",
        "Subject: Kalends: an account has to be connected again",
        &format!("Message-ID: <{id}@cal.example>"),
        "Auto-Submitted: auto-generated",
        "See https://cal.example/sync",
    ] {
        assert!(message.contains(&format!("{line}\r\n")), "{line} is not in {message}");
    }
    assert!(message.contains("\r\nDate: ") && !message.contains("Geheim") && !message.contains("token"));
}

#[tokio::test]
async fn nobody_without_an_address_is_mailed_and_a_dead_server_is_asked_again() {
    let house = both().await;
    with_address(&house, None).await;
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config = MailConfig { url: format!("smtp://{free}").into(), from: "kalends@cal.example".into() };
    let mail = Mail::new(&config).unwrap();
    let notifier = Notifier::with(house.bench.store.clone(), "https://cal.example".to_owned(), None, Some(mail));
    house.run().await;
    house.there.fault("changes", Fault::Before(Failure::NeedsConsent("revoked".to_owned())));
    house.later(HOUR_MS).await;
    assert_eq!(notifier.send_due().await.unwrap(), 0);
    let waits = async || house.bench.store.read().await.unwrap().notifications_due().await.unwrap().len();
    assert_eq!(waits().await, 0, "without an address there is nothing to wait for");
    with_address(&house, Some("ada@example.com")).await;
    house.reconnect().await;
    house.there.fault("changes", Fault::Before(Failure::NeedsConsent("revoked".to_owned())));
    house.later(HOUR_MS).await;
    assert_eq!(told(&house).await.len(), 2, "it is another failure");
    assert_eq!(notifier.send_due().await.unwrap(), 0);
    assert_eq!(waits().await, 0);
    house.bench.clock.advance_ms(2 * MINUTE_MS);
    assert_eq!(waits().await, 1);
}

#[tokio::test]
async fn a_server_that_makes_no_sense_is_refused_by_name() {
    for (url, from, named) in [("nowhere", "a@b.example", "smtp_url"), ("smtp://127.0.0.1", "nobody", "mail_from")] {
        let error = Mail::new(&MailConfig { url: url.to_owned().into(), from: from.into() }).unwrap_err();
        assert!(error.contains(named), "{error}");
    }
}
