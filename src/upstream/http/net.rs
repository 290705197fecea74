//! The network as a [`Transport`].

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use http::{Request, Response};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use url::Url;

use super::correlation::{CORRELATION, correlation_of_call};
use super::guard::{Forbidden, PublicOnly, judged};
use super::{Limits, NamedBy, Transport, TransportError, USER_AGENT};

/// How long a connection may take to open.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Connections kept open to one host: a few links of one provider run at once.
const IDLE_PER_HOST_MAX: usize = 4;

/// Sends requests over the network.
#[derive(Clone, Debug)]
pub struct Net {
    clients: Arc<Clients>,
    allow_private: bool,
}

/// Each is made when it is first needed: it reads all the certificates of the machine, and a server that asks nobody
/// starts without them.
#[derive(Debug, Default)]
struct Clients {
    /// For addresses of the configuration.
    open: OnceLock<Result<Client, String>>,
    /// For addresses that users named.
    guarded: OnceLock<Result<Client, String>>,
}

impl Net {
    /// `allow_private`: whether users may name private addresses.
    #[must_use]
    pub fn new(allow_private: bool) -> Net {
        // The client takes the process's cryptography, of which there is one once anybody has chosen it.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Net { clients: Arc::default(), allow_private }
    }

    /// The client for such addresses.
    fn client(&self, guarded: bool) -> Result<&Client, TransportError> {
        let build = |builder: ClientBuilder| builder.build().map_err(|e| e.to_string());
        let client = if guarded {
            self.clients.guarded.get_or_init(|| build(plain().dns_resolver(PublicOnly)))
        } else {
            self.clients.open.get_or_init(|| build(plain()))
        };
        client.as_ref().map_err(|reason| TransportError::Unsent(reason.clone()))
    }

    async fn exchange(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, TransportError> {
        let guarded = limits.named_by == NamedBy::User && !self.allow_private;
        if guarded {
            let url = Url::parse(&request.uri().to_string()).map_err(|_| Forbidden)?;
            judged(&url)?;
        }
        let mut request: reqwest::Request = request.map(reqwest::Body::from).try_into().map_err(|e| unsent(&e))?;
        *request.timeout_mut() = Some(limits.within);
        if let Some(id) = correlation_of_call() {
            request.headers_mut().insert(CORRELATION, id);
        }
        let answer = self.client(guarded)?.execute(request).await.map_err(|e| why(&e))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = BytesMut::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|e| TransportError::Lost(cause(&e)))?;
            if body.len().saturating_add(chunk.len()) > limits.bytes_max {
                return Err(TransportError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut whole = Response::new(body.freeze());
        *whole.status_mut() = status;
        *whole.headers_mut() = headers;
        Ok(whole)
    }
}

fn plain() -> ClientBuilder {
    Client::builder()
        .redirect(Policy::none())
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_WITHIN)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        // A request is tried once: what it did is for the caller to find out.
        .retry(reqwest::retry::never())
}

fn why(error: &reqwest::Error) -> TransportError {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = source {
        if inner.is::<Forbidden>() {
            return TransportError::Forbidden(Forbidden);
        }
        source = inner.source();
    }
    if error.is_connect() || error.is_builder() { unsent(error) } else { TransportError::Lost(cause(error)) }
}

fn unsent(error: &reqwest::Error) -> TransportError {
    TransportError::Unsent(cause(error))
}

/// What went wrong, without the URL, which may hold a secret.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut deepest: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = deepest.and_then(Error::source) {
        deepest = Some(inner);
    }
    deepest.map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}

impl Transport for Net {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        self.exchange(request, limits).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server that answers one connection with these bytes and closes it.
    async fn answering(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut head = [0; 4096];
            let _ = socket.read(&mut head).await;
            let _ = socket.write_all(answer).await;
        });
        format!("http://127.0.0.1:{port}/")
    }

    async fn ask(url: &str, limits: Limits) -> Result<Response<Bytes>, TransportError> {
        let request = Request::get(url).body(Bytes::new()).expect("a request");
        Net::new(false).send(request, limits).await
    }

    #[tokio::test]
    async fn an_answer_comes_whole_or_not_at_all() {
        let small = Limits { bytes_max: 5, ..Limits::ONE };
        let url = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        assert_eq!(ask(&url, small).await.expect("an answer").body(), "hello");
        let url = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello!").await;
        assert_eq!(ask(&url, small).await.expect_err("cut"), TransportError::TooLarge);
        let url = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhell").await;
        assert!(matches!(ask(&url, Limits::ONE).await, Err(TransportError::Lost(_))), "truncated");
        let url = answering(b"").await;
        assert!(matches!(ask(&url, Limits::ONE).await, Err(TransportError::Lost(_))), "sent and not answered");
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer() {
        let url = answering(b"HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(ask(&url, Limits::ONE).await.expect("an answer").status(), 302);
    }

    #[tokio::test]
    async fn what_cannot_be_reached_was_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        drop(listener);
        assert!(matches!(ask(&url, Limits::ONE).await, Err(TransportError::Unsent(_))));
    }

    #[tokio::test]
    async fn a_users_address_is_judged_by_literal_and_by_name() {
        let by_user = Limits { named_by: NamedBy::User, ..Limits::ONE };
        let url = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
        assert_eq!(ask(&url, by_user).await.expect_err("loopback"), TransportError::Forbidden(Forbidden));
        let request = Request::get(&url).body(Bytes::new()).expect("a request");
        let allowed = Net::new(true).send(request, by_user).await;
        assert_eq!(allowed.expect("allowed").body(), "hi");
        // Every machine knows itself by a name that leads to no public address.
        let resolved = PublicOnly.resolve("localhost".parse().expect("a name")).await;
        assert!(resolved.is_err_and(|e| e.is::<Forbidden>()));
    }

    use reqwest::dns::Resolve;
}
