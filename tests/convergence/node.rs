//! The server: both faces over one store, that can be restarted under the feet of those who ask.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kalends::api;
use kalends::auth::{Gate, Purpose, Visit};
use kalends::crypto::Chance;
use kalends::dav::{self, Dav};
use kalends::domain::access::{Role, Scope};
use kalends::store::Store;
use kalends::sync::desk::Desk;
use tokio::sync::{RwLock, watch};
use tower::ServiceExt;

use crate::dice::Dice;
use crate::stores::Bench;
use crate::wire;

/// How often something happens to a request: once in so many.
#[derive(Clone, Copy)]
pub struct Faults {
    /// The server worked, the answer got lost.
    lost: Option<usize>,
    /// The connection broke somewhere on the way.
    broken: Option<usize>,
}

impl Faults {
    pub const NONE: Faults = Faults { lost: None, broken: None };
    pub const SOME: Faults = Faults { lost: Some(12), broken: Some(15) };
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub etag: Option<String>,
    pub body: String,
}

struct Running {
    dav: Dav,
    router: Router,
}

pub struct Node {
    bench: Bench,
    password: String,
    token: String,
    running: RwLock<Running>,
    /// Counts the restarts; whoever waits for an answer hears of one.
    lives: watch::Sender<u64>,
}

impl Node {
    pub async fn on(bench: Bench) -> Node {
        let user = bench.user("acme", "ada", Role::Staff).await;
        let gate = Gate::new(bench.store.clone(), bench.keys.clone());
        let (secret, token) = (gate.store.chance().secret(), gate.store.chance().secret());
        let mut tx = bench.store.write().await.expect("a transaction");
        let hash = gate.hash(Purpose::AppPassword, &secret);
        tx.add_app_password(&user.firm, &user.id, "all", false, &hash).await.expect("added");
        tx.add_token(&user.firm, &user.id, "all", &Scope::ALL, &gate.hash(Purpose::Token, &token))
            .await
            .expect("added");
        tx.commit().await.expect("a commit");
        let password = format!("Basic {}", STANDARD.encode(format!("{}:{secret}", user.name)));
        let (lives, _) = watch::channel(0);
        Node { running: RwLock::new(Running::on(gate)), bench, password, token: format!("Bearer {token}"), lives }
    }

    /// Ends every request that is under way and opens the store anew.
    pub async fn restart(&self) {
        self.lives.send_modify(|life| *life += 1);
        let mut running = self.running.write().await;
        // Chance of its own each time: ids of two lives never meet.
        let Bench { database, keys, clock, .. } = &self.bench;
        let opened = Store::open(database, keys, clock.clone(), Arc::new(Chance::from_os())).await;
        let store = opened.expect("the store opens again");
        *running = Running::on(Gate::new(store, self.bench.keys.clone()));
    }

    /// Asks; `None` if nothing came back.
    pub async fn ask(
        &self,
        dice: &mut Dice,
        faults: Faults,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Option<Reply> {
        let is_api = path.starts_with("/api/");
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "cal.example")
            .header("authorization", if is_api { &self.token } else { &self.password });
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body)).expect("a request");
        request.extensions_mut().insert(Visit {
            correlation_id: "request-1".to_owned(),
            address: IpAddr::from([192, 0, 2, 1]),
            base_url: "https://cal.example".to_owned(),
        });
        let patience = faults.broken.filter(|n| dice.one_in(*n)).map(|_| dice.between(1, 12));
        let lost = faults.lost.is_some_and(|n| dice.one_in(n));
        let running = self.running.read().await;
        let mut life = self.lives.subscribe();
        let answering = async {
            let response = if is_api {
                running.router.clone().oneshot(request).await.expect("an answer")
            } else {
                dav::handle(&running.dav, request).await
            };
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await.ok()?;
            let etag = parts.headers.get(header::ETAG).map(|tag| tag.to_str().expect("text").to_owned());
            Some(Reply { status: parts.status.as_u16(), etag, body: String::from_utf8_lossy(&body).into_owned() })
        };
        let reply = tokio::select! {
            reply = polled(answering, patience) => reply.flatten(),
            _ = life.changed() => None,
        };
        reply.filter(|_| !lost)
    }

    /// What the server has: name and text of every object, each read by itself.
    pub async fn everything(&self, path: &str) -> BTreeMap<String, String> {
        let (dice, mut all) = (&mut Dice::of(1), BTreeMap::new());
        let listed = self.ask(dice, Faults::NONE, "PROPFIND", path, &[("depth", "1")], wire::TAGS.to_owned()).await;
        for (href, tag, _) in wire::responses(&listed.expect("an answer")).found {
            if href == path {
                continue;
            }
            let got = self.ask(dice, Faults::NONE, "GET", &href, &[], String::new()).await.expect("an answer");
            assert_eq!((got.status, got.etag.as_deref()), (200, Some(tag.as_str())), "{href}");
            all.insert(href, got.body);
        }
        all
    }
}

impl Running {
    fn on(gate: Gate) -> Running {
        Running { dav: Dav::new(gate.clone()), router: api::router(gate, Desk::default()) }
    }
}

/// Lets a future work so many times and drops it then, as a server does with a request whose connection broke.
async fn polled<T>(future: impl Future<Output = T>, times: Option<usize>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    std::future::poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => match &mut left {
            Some(1) => Poll::Ready(None),
            Some(more) => {
                *more -= 1;
                Poll::Pending
            }
            None => Poll::Pending,
        },
    })
    .await
}
