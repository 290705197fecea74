//! The provider over HTTP, for this machine alone: requests in, answers out, connections cut where a fault says so, and
//! notifications POSTed to channels.

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

use super::{Google, Outcome, push_http};

/// The largest request body; an event is a few kilobytes, a batch of them a few hundred.
const BODY_MAX: usize = 16 * 1024 * 1024;
/// How often due notifications are looked for.
const DELIVERY_PAUSE: Duration = Duration::from_millis(50);

/// What time it is, in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A provider that listens.
#[derive(Debug)]
pub struct Server {
    url: String,
    google: Arc<Mutex<Google>>,
    tasks: [JoinHandle<()>; 2],
}

impl Server {
    /// Listens on a loopback address; port 0 takes a free one. Must be called within a tokio runtime.
    pub async fn start(google: Arc<Mutex<Google>>, listen: SocketAddr, clock: Clock) -> io::Result<Self> {
        if !listen.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a simulated provider listens on a loopback address only",
            ));
        }
        let listener = TcpListener::bind(listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = App { google: google.clone(), clock: clock.clone() };
        let service = Router::new().fallback(answer).with_state(app).into_make_service_with_connect_info::<Cut>();
        let served = tokio::spawn(async move {
            // It ends with the task alone.
            let _ = axum::serve(CutListener(listener), service).await;
        });
        let delivered = tokio::spawn(deliver(google.clone(), clock));
        Ok(Self { url, google, tasks: [served, delivered] })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The provider, to set up, break and look at while it is served.
    pub fn google(&self) -> MutexGuard<'_, Google> {
        lock(&self.google)
    }

    /// Stops listening and delivering.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn lock(google: &Mutex<Google>) -> MutexGuard<'_, Google> {
    google.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
struct App {
    google: Arc<Mutex<Google>>,
    clock: Clock,
}

async fn answer(State(app): State<App>, ConnectInfo(cut): ConnectInfo<Cut>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return response;
    };
    let request = http::Request::from_parts(parts, body);
    let outcome = lock(&app.google).handle((app.clock)(), &request);
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
async fn deliver(google: Arc<Mutex<Google>>, clock: Clock) {
    loop {
        let due = lock(&google).deliveries(clock());
        for delivery in due {
            let (google, clock) = (google.clone(), clock.clone());
            tokio::spawn(async move {
                // Any other answer counts as received or as refused for good.
                if matches!(push_http::post(&delivery).await, None | Some(500 | 502 | 503 | 504)) {
                    lock(&google).delivery_failed(clock(), &delivery);
                }
            });
        }
        tokio::time::sleep(DELIVERY_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{
        super::{Fault, Rule},
        *,
    };

    async fn start() -> Server {
        let mut google = Google::new(7);
        google.add_account("ada@example.com", "UTC");
        let clock: Clock = Arc::new(|| 1_800_000_000_000);
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
