//! The accept loop: connections in, each served under limits, and a shutdown that lets answers finish. Our own on
//! hyper-util because the ready-made one has neither a header timeout nor a bounded shutdown (ARCHITECTURE.md).

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::tls::{self, TlsError};
use super::visit::Peer;
use super::{App, House};
use crate::telemetry::Metrics;

/// Connections served at once; each costs some tens of kilobytes.
const CONNECTIONS_MAX: usize = 8_192;
/// Of these from one address, so that one client cannot take all. Proxies that are trusted are exempt.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 1_024;
/// How long a connection may stay silent after it was opened, and a TLS handshake may take.
const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(10);
/// How long a request's head may take, and a kept-alive connection may idle.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// The largest head: clients send a few hundred bytes; a bearer token or cookie some thousand.
const HEAD_BYTES_MAX: usize = 32 * 1_024;
/// Header fields in a head.
const HEADERS_MAX: usize = 100;
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;
/// How long requests may finish after the server was asked to stop.
const STOP_WITHIN: Duration = Duration::from_secs(8);
/// How long to wait after the system refused a connection (too many files) before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A server that has its address and is about to accept.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    connections: Arc<Connections>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.url())
    }
}

impl Server {
    /// Takes the configured address.
    ///
    /// # Errors
    /// The address or the certificate cannot be used.
    pub async fn bind(app: &App) -> Result<Server, ServeError> {
        let tls = app.config.tls.as_ref().map(tls::acceptor).transpose()?;
        let wanted = app.config.listen;
        let failed = |e| ServeError::Listen(wanted, e);
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let connections = Arc::new(Connections {
            all: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            by_address: Mutex::default(),
            exempt: app.config.trusted_proxies.clone(),
            metrics: app.metrics.clone(),
        });
        Ok(Server { listener, address, tls, connections })
    }

    /// Where it listens, as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until `stop` is done, then lets requests finish for a bounded time.
    pub async fn run(self, house: House, stop: impl Future<Output = ()>) {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            // Names are case-insensitive, but there are proxies and client libraries that look for `Content-Type`.
            .title_case_headers(true)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10));
        let builder = Arc::new(builder);
        let graceful = GracefulShutdown::new();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    tracing::warn!(error = %e, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Over the limits the connection is closed at once: the kernel's queue must not fill up with waiting ones.
            let Some(place) = self.connections.admit(peer.ip()) else { continue };
            let (builder, house, tls, watcher) = (builder.clone(), house.clone(), self.tls.clone(), graceful.watcher());
            tokio::spawn(async move {
                serve(stream, peer, tls, &builder, house, watcher).await;
                drop(place);
            });
        }
        drop(self.listener);
        if tokio::time::timeout(STOP_WITHIN, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not finish in time and were cut");
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    builder: &Builder<TokioExecutor>,
    house: House,
    watcher: Watcher,
) {
    let _ = stream.set_nodelay(true);
    if let Some(tls) = tls {
        if let Ok(Ok(stream)) = tokio::time::timeout(FIRST_BYTE_WITHIN, tls.accept(stream)).await {
            speak(stream, Peer { address: peer.ip(), encrypted: true }, builder, house, watcher).await;
        }
    } else if let Ok(Ok(())) = tokio::time::timeout(FIRST_BYTE_WITHIN, stream.readable()).await {
        speak(stream, Peer { address: peer.ip(), encrypted: false }, builder, house, watcher).await;
    }
}

async fn speak<S>(stream: S, peer: Peer, builder: &Builder<TokioExecutor>, house: House, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        // In a box, since what it takes to answer is large and would be moved about.
        let answer = Box::pin(house.clone().answer(request.map(axum::body::Body::new)));
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(e) = watcher.watch(connection).await {
        tracing::debug!(error = %e, "a connection ended badly");
    }
}

/// Who is connected, for the limits.
struct Connections {
    all: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    exempt: Vec<IpAddr>,
    metrics: Metrics,
}

/// A connection's place under the limits; given back when dropped.
struct Place {
    connections: Arc<Connections>,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let permit = self.all.clone().try_acquire_owned().ok()?;
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= CONNECTIONS_PER_ADDRESS_MAX && !self.exempt.contains(&address) {
            return None;
        }
        *count += 1;
        self.metrics.connections_open(CONNECTIONS_MAX - self.all.available_permits());
        Some(Place { connections: self.clone(), address, _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.connections.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
        let free = self.connections.all.available_permits();
        self.connections.metrics.connections_open(CONNECTIONS_MAX - free - 1);
    }
}
