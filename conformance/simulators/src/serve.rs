//! A provider over HTTP, for this machine alone: requests in, answers out, connections cut where a fault says so, and
//! notifications POSTed to their receivers.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    response::Response,
    serve::{IncomingStream, Listener},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    outcome::{Delivery, Outcome, Received},
    post::post,
};

/// The largest request body; an event is a few kilobytes, a batch of them a few hundred.
const BODY_MAX: usize = 16 * 1024 * 1024;
/// How often due notifications are looked for.
const DELIVERY_PAUSE: Duration = Duration::from_millis(50);

/// What time it is, in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What a provider makes of a request at once.
#[derive(Debug)]
pub enum Reaction {
    /// It is done.
    Done(Outcome),
    /// Receivers must answer first; then [`Provider::resume`] goes on.
    Asks {
        /// Which request waits.
        ticket: u64,
        /// What is POSTed, each once.
        posts: Vec<Delivery>,
    },
}

/// A simulated provider, as a server needs it. The time is in milliseconds since 1970.
pub trait Provider: Send + 'static {
    /// Takes a request.
    fn begin(&mut self, now_ms: i64, request: &http::Request<Bytes>) -> Reaction;

    /// Goes on with a request whose receivers answered, or did not.
    fn resume(&mut self, now_ms: i64, ticket: u64, answers: Vec<Option<Received>>) -> Outcome;

    /// The notifications that are due: each is to be POSTed once.
    fn due(&mut self, now_ms: i64) -> Vec<Delivery>;

    /// What came of one: the status of the answer, if any.
    fn posted(&mut self, now_ms: i64, delivery: &Delivery, status: Option<u16>);
}

/// A provider that listens.
#[derive(Debug)]
pub struct Server<P> {
    url: String,
    provider: Arc<Mutex<P>>,
    tasks: [JoinHandle<()>; 2],
}

impl<P: Provider> Server<P> {
    /// Listens on a loopback address; port 0 takes a free one. Must be called within a tokio runtime.
    pub async fn start(provider: Arc<Mutex<P>>, listen: SocketAddr, clock: Clock) -> io::Result<Self> {
        if !listen.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a simulated provider listens on a loopback address only",
            ));
        }
        let listener = TcpListener::bind(listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = App { provider: provider.clone(), clock: clock.clone() };
        let service = Router::new().fallback(answer::<P>).with_state(app).into_make_service_with_connect_info::<Cut>();
        let served = tokio::spawn(async move {
            // It ends with the task alone.
            let _ = axum::serve(CutListener(listener), service).await;
        });
        let delivered = tokio::spawn(deliver(provider.clone(), clock));
        Ok(Self { url, provider, tasks: [served, delivered] })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The provider, to set up, break and look at while it is served.
    pub fn provider(&self) -> MutexGuard<'_, P> {
        lock(&self.provider)
    }

    /// Stops listening and delivering.
    pub fn stop(self) {
        drop(self);
    }
}

impl<P> Drop for Server<P> {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn lock<P>(provider: &Mutex<P>) -> MutexGuard<'_, P> {
    provider.lock().unwrap_or_else(PoisonError::into_inner)
}

struct App<P> {
    provider: Arc<Mutex<P>>,
    clock: Clock,
}

impl<P> Clone for App<P> {
    fn clone(&self) -> Self {
        Self { provider: self.provider.clone(), clock: self.clock.clone() }
    }
}

async fn answer<P: Provider>(
    State(app): State<App<P>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return response;
    };
    let request = http::Request::from_parts(parts, body);
    let reaction = lock(&app.provider).begin((app.clock)(), &request);
    let outcome = match reaction {
        Reaction::Done(outcome) => outcome,
        Reaction::Asks { ticket, posts } => {
            let mut answers = Vec::new();
            for delivery in &posts {
                answers.push(post(delivery).await);
            }
            lock(&app.provider).resume((app.clock)(), ticket, answers)
        }
    };
    match outcome {
        Outcome::Answer(response) => response.map(Body::from),
        Outcome::Late { after_ms, response } => {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            response.map(Body::from)
        }
        Outcome::Lost => {
            cut.0.store(true, Ordering::SeqCst);
            Response::new(Body::empty())
        }
        Outcome::Truncated { mut response, after_bytes } => {
            let length = HeaderValue::from(response.body().len());
            response.headers_mut().insert(header::CONTENT_LENGTH, length);
            response.map(|body| Body::new(Partial::of(body.slice(..after_bytes.min(body.len())))))
        }
    }
}

/// A body that breaks off.
enum Partial {
    Rest(Bytes),
    /// What there was is being written.
    Pause,
    End,
}

impl Partial {
    fn of(rest: Bytes) -> Self {
        if rest.is_empty() { Self::Pause } else { Self::Rest(rest) }
    }
}

impl http_body::Body for Partial {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
        match std::mem::replace(&mut *self, Self::End) {
            Self::Rest(rest) => {
                *self = Self::Pause;
                Poll::Ready(Some(Ok(http_body::Frame::data(rest))))
            }
            Self::Pause => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Self::End => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
        }
    }
}

/// Whether the connection is to be cut: nothing is written to it any more.
#[derive(Clone, Debug, Default)]
struct Cut(Arc<AtomicBool>);

struct CutListener(TcpListener);

struct CutStream {
    stream: TcpStream,
    cut: Cut,
}

impl Listener for CutListener {
    type Io = CutStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CutStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, from)) => return (CutStream { stream, cut: Cut::default() }, from),
                // Out of descriptors, or the peer is gone already: others may be luckier a little later.
                Err(_) => tokio::time::sleep(DELIVERY_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, CutListener>> for Cut {
    fn connect_info(stream: IncomingStream<'_, CutListener>) -> Self {
        stream.io().cut.clone()
    }
}

impl CutStream {
    fn check(&self) -> io::Result<()> {
        if self.cut.0.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for CutStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// POSTs what is due, for ever.
async fn deliver<P: Provider>(provider: Arc<Mutex<P>>, clock: Clock) {
    loop {
        let due = lock(&provider).due(clock());
        for delivery in due {
            let (provider, clock) = (provider.clone(), clock.clone());
            tokio::spawn(async move {
                let status = post(&delivery).await.map(|received| received.status);
                lock(&provider).posted(clock(), &delivery, status);
            });
        }
        tokio::time::sleep(DELIVERY_PAUSE).await;
    }
}
