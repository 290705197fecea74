//! A calendar program that talks to the CalDAV face without a network.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kalends::auth::{Gate, Purpose};
use kalends::dav::{Dav, handle};
use kalends::store::User;

use crate::support::Bench;

/// Largest answer a test reads.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A program with a user's app password.
pub struct Talk {
    dav: Dav,
    authorization: String,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Talk {
    /// A program of that user's.
    pub async fn of(bench: &Bench, user: &User) -> Talk {
        let secret: String = format!("{:x<43}", user.name.as_str().replace(['@', '.'], "-"));
        let hash = bench.store.hash(Purpose::AppPassword.as_str(), &secret);
        let mut tx = bench.store.write().await.expect("a transaction");
        tx.add_app_password(&user.firm, &user.id, "test", false, &hash).await.expect("an app password");
        tx.commit().await.expect("a commit");
        let authorization = format!("Basic {}", STANDARD.encode(format!("{}:{secret}", user.name)));
        Talk { dav: Dav::new(Gate::new(bench.store.clone(), bench.keys.clone())), authorization }
    }

    /// The same program with the same password, on another store.
    pub fn to(&self, bench: &Bench) -> Talk {
        let dav = Dav::new(Gate::new(bench.store.clone(), bench.keys.clone()));
        Talk { dav, authorization: self.authorization.clone() }
    }

    /// Sends a request.
    pub async fn say(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "cal.example")
            .header("authorization", &self.authorization);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = handle(&self.dav, request.body(body.into()).expect("a request")).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, ANSWER_BYTES_MAX).await.expect("a whole answer");
        let body = String::from_utf8(body.into()).expect("UTF-8");
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Sends a REPORT with Depth 1.
    pub async fn report(&self, path: &str, body: &str) -> Reply {
        self.say("REPORT", path, &[("depth", "1"), ("content-type", "application/xml")], body.to_owned()).await
    }

    /// Puts an object and expects that it is taken.
    pub async fn put(&self, path: &str, body: &str) {
        let reply = self.say("PUT", path, &[("content-type", "text/calendar")], body.to_owned()).await;
        assert!(matches!(reply.status, 201 | 204), "{path}: {} {}", reply.status, reply.body);
    }
}
